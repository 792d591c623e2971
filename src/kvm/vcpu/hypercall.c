/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * hypercall.c - VMCALL and VMMCALL (spec kvm.md 1.8).
 */
#include <errno.h>

#include "softcvm/uapi/kvm_para.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/exits.h"
#include "trace/counters.h"

static void set_result(struct vcpu *v, uint64_t ret)
{
	v->state.gpr[X86_RAX] = x86_in_64bit_mode(&v->state) ? ret : (uint32_t)ret;
}

static int complete_hypercall(struct vcpu *v)
{
	KVM_VCPU_COUNT(&v->base, hypercalls);
	set_result(v, v->base.run->hypercall.ret);
	vcpu_skip_instruction(v);
	return 1;
}

/* The arguments go to user space untouched; only their shape is checked. */
static int map_gpa_range(struct vcpu *v, uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	struct kvm_run *run = v->base.run;
	uint64_t gfn = gpa >> PAGE_SHIFT;

	if (!(v->base.kvm->caps.exit_hypercalls & BIT(KVM_HC_MAP_GPA_RANGE)))
		return -KVM_ENOSYS;
	if ((gpa & ~PAGE_MASK) || !npages || gfn + npages <= gfn)
		return -KVM_EINVAL;
	run->exit_reason = KVM_EXIT_HYPERCALL;
	run->hypercall.nr = KVM_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = gpa;
	run->hypercall.args[1] = npages;
	run->hypercall.args[2] = attrs;
	run->hypercall.flags = x86_in_64bit_mode(&v->state) ? KVM_EXIT_HYPERCALL_LONG_MODE : 0;
	if (v->base.kvm->module->abi > KERNEL_ABI_6_12)
		run->hypercall.ret = 0;
	v->complete = complete_hypercall;
	counter_add(v->base.kvm->module->counters, COUNTER_HYPERCALL_EXITS, 1);
	return 0;
}

int exit_hypercall(struct vcpu *v)
{
	const uint64_t *gpr = v->state.gpr;
	uint64_t mask = x86_in_64bit_mode(&v->state) ? ~0ull : 0xffffffff;
	int ret = -KVM_ENOSYS;

	if (v->state.cpl)
		ret = -KVM_EPERM;
	else if ((gpr[X86_RAX] & mask) == KVM_HC_MAP_GPA_RANGE)
		ret = map_gpa_range(v, gpr[X86_RBX] & mask, gpr[X86_RCX] & mask,
				    gpr[X86_RDX] & mask);
	else if ((gpr[X86_RAX] & mask) == KVM_HC_VAPIC_POLL_IRQ ||
		 ((gpr[X86_RAX] & mask) == KVM_HC_SCHED_YIELD &&
		  vcpu_pv_has(v, KVM_FEATURE_PV_SCHED_YIELD)))
		ret = 0;		/* a hint: the host's scheduler is not ours */
	if (v->complete)
		return 0;
	KVM_VCPU_COUNT(&v->base, hypercalls);
	set_result(v, (int64_t)ret);
	vcpu_skip_instruction(v);
	return 1;
}
