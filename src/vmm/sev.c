/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev.c - the launch of SEV and SEV-ES guests: KVM_MEMORY_ENCRYPT_OP's commands
 * in the order of the kernel's documentation (virt/kvm/x86/amd-memory-encryption).
 *
 * What was loaded is encrypted and measured, RAM that was not is left alone:
 * the guest reads noise there until it has written.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/vmm.h"

#define SEV_DEVICE	"/dev/sev"
#define POLICY_ES	(1u << 2)

#define COMMAND(vmm, id, data)	command(vmm, id, data, #id)

static void command(struct vmm *vmm, uint32_t id, void *data, const char *name)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = (uint32_t)vmm->sev };

	if (!ioctl(vmm->vm, KVM_MEMORY_ENCRYPT_OP, &cmd))
		return;
	vmm_die(VMM_EXIT_MACHINE, "%s: %s, firmware error %u", name, vmm_errno_name(errno), cmd.error);
}

void vmm_sev_init(struct vmm *vmm)
{
	struct kvm_sev_init init = { 0 };

	vmm->sev = open(SEV_DEVICE, O_RDWR | O_CLOEXEC);
	if (vmm->sev < 0)
		vmm_die(VMM_EXIT_MACHINE, SEV_DEVICE ": %s", strerror(errno));
	COMMAND(vmm, KVM_SEV_INIT2, &init);
}

/* Ciphertext is bound to its physical address: the pages may not move. */
static void register_ram(struct vmm *vmm)
{
	for (unsigned i = 0; i < vmm->nr_ram; i++) {
		struct kvm_enc_region region = { .addr = (uintptr_t)vmm->ram[i].host,
						 .size = vmm->ram[i].at.size };

		VMM_IOCTL(vmm->vm, KVM_MEMORY_ENCRYPT_REG_REGION, &region);
	}
}

static void encrypt_loaded(struct vmm *vmm)
{
	for (size_t i = 0; i < vmm->image.nr_loaded; i++) {
		const struct vmm_range *r = &vmm->image.loaded[i];
		struct kvm_sev_launch_update_data update = {
			.uaddr = (uintptr_t)vmm_memory_at(vmm, r->gpa, r->size),
			.len = (uint32_t)r->size,
		};

		if (r->size > UINT32_MAX)
			vmm_die(VMM_EXIT_IMAGE, "a part of 4 GiB and more");
		COMMAND(vmm, KVM_SEV_LAUNCH_UPDATE_DATA, &update);
	}
}

void vmm_sev_launch(struct vmm *vmm)
{
	struct kvm_sev_launch_start start = {
		.policy = vmm->options.policy | (vmm->options.type->es ? POLICY_ES : 0) };
	struct kvm_sev_launch_measure measure = {
		.uaddr = (uintptr_t)vmm->measurement, .len = sizeof(vmm->measurement) };

	register_ram(vmm);
	COMMAND(vmm, KVM_SEV_LAUNCH_START, &start);
	encrypt_loaded(vmm);
	if (vmm->options.type->es)
		COMMAND(vmm, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL);
	COMMAND(vmm, KVM_SEV_LAUNCH_MEASURE, &measure);
	vmm->measured = vmm->options.measurement;
	COMMAND(vmm, KVM_SEV_LAUNCH_FINISH, NULL);
}
