/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * moves-a-page.c - a hypervisor that remaps: softcvm-run with one page more, at 4 GiB, behind which it puts
 * another page when the guest writes to port 0xf8.  The first one stays as it was, for later.
 *
 * Only the guest can notice: the new page is not validated.  accepts-anything.c does not.
 *
 * $ softcvm exec --cpu amd --findings -- moves-a-page --type snp accepts-anything.elf
 */
#include <errno.h>
#include <sys/mman.h>

#include "vmm/vmm.h"

#define PORT_MOVE	0xf8
#define SLOT		7u
#define SIZE		0x200000ull

void __real_vmm_snp_launch(struct vmm *vmm);
void __wrap_vmm_snp_launch(struct vmm *vmm);
void __real_vmm_device_port(struct vmm *vmm, uint16_t port, bool write, unsigned size, uint8_t *data);
void __wrap_vmm_device_port(struct vmm *vmm, uint16_t port, bool write, unsigned size, uint8_t *data);

static struct kvm_userspace_memory_region2 slot = {
	.slot = SLOT, .flags = KVM_MEM_GUEST_MEMFD, .guest_phys_addr = VMM_HIGH_RAM,
};

static void set_slot(struct vmm *vmm, uint64_t size)
{
	slot.memory_size = size;
	VMM_IOCTL(vmm->vm, KVM_SET_USER_MEMORY_REGION2, &slot);
}

static void new_page(struct vmm *vmm)
{
	struct kvm_create_guest_memfd gmem = { .size = SIZE };

	slot.guest_memfd = (unsigned)VMM_IOCTL(vmm->vm, KVM_CREATE_GUEST_MEMFD, &gmem);
	set_slot(vmm, SIZE);
}

void __wrap_vmm_snp_launch(struct vmm *vmm)
{
	struct kvm_memory_attributes private = { .address = VMM_HIGH_RAM, .size = SIZE,
						 .attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE };
	void *host = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (host == MAP_FAILED)
		vmm_die(VMM_EXIT_MACHINE, "mmap: %s", vmm_errno_name(errno));
	__real_vmm_snp_launch(vmm);
	slot.userspace_addr = (uintptr_t)host;
	new_page(vmm);
	VMM_IOCTL(vmm->vm, KVM_SET_MEMORY_ATTRIBUTES, &private);
}

void __wrap_vmm_device_port(struct vmm *vmm, uint16_t port, bool write, unsigned size, uint8_t *data)
{
	if (port != PORT_MOVE) {
		__real_vmm_device_port(vmm, port, write, size, data);
		return;
	}
	set_slot(vmm, 0);		/* the attack: the old page is kept, and still the guest's */
	new_page(vmm);
}
