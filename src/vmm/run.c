/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run.c - the vCPUs' threads, and what each exit means.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "softcvm/uapi/kvm_para.h"
#include "vmm/vmm.h"

#define GHCB_TERMINATE	0x100u		/* code of the GHCB MSR protocol, bits 11:0 */

static void handle_port(struct vmm_vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++)
		vmm_device_port(v->vmm, run->io.port, run->io.direction == KVM_EXIT_IO_OUT,
				run->io.size, data + (size_t)i * run->io.size);
}

static void handle_hypercall(struct vmm_vcpu *v)
{
	struct kvm_run *run = v->run;
	uint64_t gpa = run->hypercall.args[0], pages = run->hypercall.args[1];
	int err;

	if (run->hypercall.nr != KVM_HC_MAP_GPA_RANGE || pages > UINT64_MAX / VMM_PAGE) {
		run->hypercall.ret = (uint64_t)-EINVAL;
		return;
	}
	err = vmm_memory_convert(v->vmm, gpa, pages * VMM_PAGE,
				 run->hypercall.args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED);
	run->hypercall.ret = (uint64_t)-(int64_t)err;
}

/* The guest uses a page as what it is not: it may, the page becomes that. */
static void handle_memory_fault(struct vmm_vcpu *v)
{
	struct kvm_run *run = v->run;
	uint64_t gpa = run->memory_fault.gpa & ~(VMM_PAGE - 1);
	bool private = run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE;
	int err = vmm_memory_convert(v->vmm, gpa, VMM_PAGE, private);

	if (err)
		vmm_end(v->vmm, "memory-fault", VMM_EXIT_NO_STATUS,
			"memory fault, %s access to 0x%llx, conversion: %s", private ? "private" : "shared",
			(unsigned long long)run->memory_fault.gpa, vmm_errno_name(err));
}

static void handle_system_event(struct vmm_vcpu *v)
{
	const struct kvm_run *run = v->run;
	uint64_t ghcb = run->system_event.ndata ? run->system_event.data[0] : 0;

	if (run->system_event.type != KVM_SYSTEM_EVENT_SEV_TERM)
		vmm_end(v->vmm, "system-event", VMM_EXIT_NO_STATUS, "system event %u",
			run->system_event.type);
	else if ((ghcb & 0xfff) == GHCB_TERMINATE)
		vmm_end(v->vmm, "sev-termination", VMM_EXIT_NO_STATUS,
			"SEV-ES termination request, set %u reason %u", (unsigned)(ghcb >> 12 & 0xf),
			(unsigned)(ghcb >> 16 & 0xff));
	else
		vmm_end(v->vmm, "sev-termination", VMM_EXIT_NO_STATUS,
			"SEV-ES termination request, GHCB 0x%llx", (unsigned long long)ghcb);
}

static void handle_failure(struct vmm_vcpu *v)
{
	const struct kvm_run *run = v->run;

	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		vmm_end(v->vmm, "entry-failed", VMM_EXIT_NO_STATUS, "entry failed, hardware says 0x%llx",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	else if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		vmm_end(v->vmm, "internal-error", VMM_EXIT_NO_STATUS, "KVM internal error, suberror %u",
			run->internal.suberror);
	else
		vmm_end(v->vmm, "other", VMM_EXIT_NO_STATUS, "exit reason %u, which nobody here answers",
			run->exit_reason);
}

static void handle_exit(struct vmm_vcpu *v)
{
	struct kvm_run *run = v->run;
	enum vmm_counted counted = VMM_COUNT_OTHER;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		counted = VMM_COUNT_IO;
		handle_port(v);
		break;
	case KVM_EXIT_MMIO:
		counted = VMM_COUNT_MMIO;
		vmm_device_memory(v->vmm, run->mmio.phys_addr, run->mmio.is_write, run->mmio.len,
				  run->mmio.data);
		break;
	case KVM_EXIT_HYPERCALL:
		counted = VMM_COUNT_HYPERCALL;
		handle_hypercall(v);
		break;
	case KVM_EXIT_HLT:
		vmm_end(v->vmm, "halt", VMM_EXIT_NO_STATUS, "halted");
		break;
	case KVM_EXIT_SHUTDOWN:
		vmm_end(v->vmm, "shutdown", VMM_EXIT_NO_STATUS, "shutdown (triple fault)");
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system_event(v);
		break;
	default:
		handle_failure(v);
	}
	v->count[counted]++;
}

static void *run_vcpu(void *arg)
{
	struct vmm_vcpu *v = arg;

	while (!vmm_has_ended(v->vmm)) {
		if (!ioctl(v->fd, KVM_RUN, 0)) {
			handle_exit(v);
		} else if (errno == EFAULT && v->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
			v->count[VMM_COUNT_MEMORY_FAULT]++;
			handle_memory_fault(v);
		} else if (errno != EINTR && errno != EAGAIN) {
			vmm_end(v->vmm, "error", VMM_EXIT_MACHINE, "KVM_RUN of vCPU %u: %s", v->id,
				vmm_errno_name(errno));
		}
	}
	return NULL;
}

/* Its only use: KVM_RUN ends with EINTR. */
static void wake(int signal)
{
	(void)signal;
}

void vmm_run(struct vmm *vmm)
{
	struct sigaction action = { .sa_handler = wake };
	static const char device[] = "softcvm test device";

	memcpy(vmm->registers, device, sizeof(device));
	sigaction(SIGUSR1, &action, NULL);
	/* Whoever ends the guest finds all threads named: nobody may before that. */
	pthread_mutex_lock(&vmm->lock);
	for (unsigned i = 0; i < vmm->options.nr_vcpus; i++) {
		int err = pthread_create(&vmm->vcpus[i].thread, NULL, run_vcpu, &vmm->vcpus[i]);

		if (err)
			vmm_die(VMM_EXIT_MACHINE, "thread of vCPU %u: %s", i, vmm_errno_name(err));
	}
	pthread_mutex_unlock(&vmm->lock);
	for (unsigned i = 0; i < vmm->options.nr_vcpus; i++)
		pthread_join(vmm->vcpus[i].thread, NULL);
}
