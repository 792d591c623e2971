/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * hypercall.c - VMCALL and VMMCALL (spec kvm.md 1.8).
 */
#include <errno.h>

#include "softcvm/uapi/kvm_para.h"
#include "kvm/irq/irq.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/protected.h"
#include "trace/counters.h"

/* As in the local APIC's ICR. */
#define ICR_MODE	0x700u
#define ICR_LOGICAL	(1u << 11)
#define ICR_ASSERT	(1u << 14)
#define ICR_LEVEL	(1u << 15)
#define ICR_SHORTHAND	(3u << 18)

/* Of an encrypted guest nobody knows; all of them make it from 64-bit code. */
static bool is_64bit(const struct vcpu *v)
{
	return vcpu_has_old_state(v) || x86_in_64bit_mode(&v->state);
}

static void set_result(struct vcpu *v, uint64_t ret)
{
	v->state.gpr[X86_RAX] = is_64bit(v) ? ret : (uint32_t)ret;
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
	run->hypercall.flags = is_64bit(v) ? KVM_EXIT_HYPERCALL_LONG_MODE : 0;
	if (v->base.kvm->module->abi > KERNEL_ABI_6_12)
		run->hypercall.ret = 0;
	v->complete = complete_hypercall;
	counter_add(v->base.kvm->module->counters, COUNTER_HYPERCALL_EXITS, 1);
	return 0;
}

/* SDM-like ICR with neither destination mode nor shorthand. */
static int send_ipi(struct vcpu *v, const uint64_t a[4], bool wide)
{
	const uint64_t ids[2] = { a[0], a[1] };
	uint32_t icr = (uint32_t)a[3];
	struct lapic_irq irq = {
		.vector = (uint8_t)icr, .delivery = icr & ICR_MODE, .level = icr & ICR_ASSERT,
		.trig_level = icr & ICR_LEVEL,
	};
	int n;

	if (!vcpu_pv_has(v, KVM_FEATURE_PV_SEND_IPI))
		return -KVM_ENOSYS;
	if (icr & (ICR_LOGICAL | ICR_SHORTHAND))
		return -KVM_EINVAL;
	n = irq_send_to_ids(v->base.kvm, ids, (uint32_t)a[2], wide ? 64 : 32, &irq);
	return n < 0 ? -KVM_EOPNOTSUPP : n;
}

/* Ends the HLT of the vCPU with this APIC id. */
static int kick_cpu(struct vcpu *v, uint32_t id)
{
	struct lapic_irq irq = { .delivery = LAPIC_REMOTE, .dest = id };

	if (!vcpu_pv_has(v, KVM_FEATURE_PV_UNHALT))
		return -KVM_ENOSYS;
	(void)irq_deliver(v->base.kvm, NULL, &irq);
	return 0;
}

static int64_t answer(struct vcpu *v, uint64_t nr, const uint64_t a[4], bool wide)
{
	switch (nr) {
	case KVM_HC_VAPIC_POLL_IRQ:
		return 0;
	case KVM_HC_KICK_CPU:
		return kick_cpu(v, (uint32_t)a[1]);
	case KVM_HC_CLOCK_PAIRING:
		return vcpu_clock_pairing(v, a[0], a[1]);
	case KVM_HC_SEND_IPI:
		return send_ipi(v, a, wide);
	case KVM_HC_SCHED_YIELD:	/* a hint: the host's scheduler is not ours */
		return vcpu_pv_has(v, KVM_FEATURE_PV_SCHED_YIELD) ? 0 : -KVM_ENOSYS;
	case KVM_HC_MAP_GPA_RANGE:
		return map_gpa_range(v, a[0], a[1], a[2]);
	default:
		return -KVM_ENOSYS;
	}
}

int exit_hypercall(struct vcpu *v)
{
	const uint64_t *gpr = v->state.gpr;
	bool wide = is_64bit(v);
	uint64_t mask = wide ? ~0ull : 0xffffffff;
	const uint64_t a[4] = { gpr[X86_RBX] & mask, gpr[X86_RCX] & mask, gpr[X86_RDX] & mask,
				gpr[X86_RSI] & mask };
	int64_t ret;

	VCPU_TRACE(v, kvm_hypercall, gpr[X86_RAX], gpr[X86_RBX], gpr[X86_RCX], gpr[X86_RDX],
		   gpr[X86_RSI]);
	ret = v->state.cpl ? -KVM_EPERM : answer(v, gpr[X86_RAX] & mask, a, wide);
	if (v->complete)
		return 0;
	KVM_VCPU_COUNT(&v->base, hypercalls);
	set_result(v, (uint64_t)ret);
	vcpu_skip_instruction(v);
	return 1;
}
