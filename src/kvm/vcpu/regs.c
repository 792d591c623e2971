/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * regs.c - general, floating-point and debug registers as ioctls see them.
 */
#include "kvm/vcpu/vcpu.h"

#include <errno.h>
#include <string.h>

#include "kvm/core/request.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/guest_debug.h"
#include "kvm/vcpu/irq.h"
#include "kvm/vcpu/protected.h"
#include "kvm/vcpu/walk.h"

#define DR6_VOLATILE	0x0001e80full
#define DR6_FIXED	0xfffe07f0ull	/* without RTM and bus locks, which may be 0 */
#define DR6_RTM		BIT(16)
#define DR6_BUS_LOCK	BIT(11)
#define DR7_VOLATILE	0xffff2bffull
#define DR7_FIXED	0x00000400ull

/* kvm_regs has the GPRs in an order of its own; x86_gpr by position. */
static const uint8_t regs_order[X86_NR_GPRS] = {
	X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_RSP, X86_RBP,
	X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15,
};
static_assert(offsetof(struct kvm_regs, rip) == sizeof(uint64_t) * X86_NR_GPRS,
	      "sixteen registers, then RIP");

void vcpu_get_regs(struct vcpu *v, struct kvm_regs *regs)
{
	uint64_t gpr[X86_NR_GPRS];

	for (unsigned i = 0; i < X86_NR_GPRS; i++)
		gpr[i] = v->state.gpr[regs_order[i]];
	memcpy(regs, gpr, sizeof(gpr));
	regs->rip = v->state.rip;
	regs->rflags = v->state.rflags;
}

int vcpu_set_regs(struct vcpu *v, const struct kvm_regs *regs)
{
	uint64_t gpr[X86_NR_GPRS];

	memcpy(gpr, regs, sizeof(gpr));
	for (unsigned i = 0; i < X86_NR_GPRS; i++)
		v->state.gpr[regs_order[i]] = gpr[i];
	v->state.rip = regs->rip;
	v->state.rflags = regs->rflags | X86_FLAGS_FIXED;
	/* An exception that waits belonged to the old state; an interrupt stays. */
	v->events.exception.pending = false;
	vcpu_debug_moved(v);
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	return 0;
}

/* struct kvm_fpu is an FXSAVE image by another name. */
void vcpu_get_fpu(const struct vcpu *v, struct kvm_fpu *fpu)
{
	const struct x86_fpu *f = &v->state.fpu;

	memset(fpu, 0, sizeof(*fpu));
	if (vcpu_has_old_state(v))
		return;
	memcpy(fpu->fpr, f->st, sizeof(fpu->fpr));
	memcpy(fpu->xmm, f->xmm, sizeof(fpu->xmm));
	fpu->fcw = f->fcw;
	fpu->fsw = f->fsw;
	fpu->ftwx = f->ftw;
	fpu->last_opcode = f->fop;
	fpu->last_ip = f->fip;
	fpu->last_dp = f->fdp;
}

int vcpu_set_fpu(struct vcpu *v, const struct kvm_fpu *fpu)
{
	struct x86_fpu *f = &v->state.fpu;

	if (vcpu_has_old_state(v))
		return 0;
	memcpy(f->st, fpu->fpr, sizeof(fpu->fpr));
	memcpy(f->xmm, fpu->xmm, sizeof(fpu->xmm));
	f->fcw = fpu->fcw;
	f->fsw = fpu->fsw;
	f->ftw = fpu->ftwx;
	f->fop = fpu->last_opcode;
	f->fip = fpu->last_ip;
	f->fdp = fpu->last_dp;
	return 0;
}

void vcpu_get_debugregs(struct vcpu *v, struct kvm_debugregs *d)
{
	vcpu_settle_payload(v);
	memset(d, 0, sizeof(*d));
	memcpy(d->db, v->state.dr, sizeof(d->db));
	d->dr6 = v->state.dr6;
	d->dr7 = v->state.dr7;
}

int vcpu_set_debugregs(struct vcpu *v, const struct kvm_debugregs *d)
{
	if (d->flags || d->dr6 >> 32 || d->dr7 >> 32)
		return -EINVAL;
	memcpy(v->state.dr, d->db, sizeof(v->state.dr));
	v->state.dr6 = d->dr6;
	v->state.dr7 = d->dr7;
	return 0;
}

/* Bits of DR6 that read as 1 whatever is written, for this guest. */
static uint64_t dr6_fixed(const struct vcpu *v)
{
	uint64_t fixed = DR6_FIXED;

	if (!vcpu_has_feature(v, CPUID_RTM))
		fixed |= DR6_RTM;
	if (!vcpu_has_feature(v, CPUID_BUS_LOCK))
		fixed |= DR6_BUS_LOCK;
	return fixed;
}

bool vcpu_set_dr(struct vcpu *v, unsigned nr, uint64_t value)
{
	if (nr < 4) {
		v->state.dr[nr] = value;
		return true;
	}
	if (value >> 32)
		return false;
	if (nr & 1)
		v->state.dr7 = (value & DR7_VOLATILE) | DR7_FIXED;
	else
		v->state.dr6 = (value & DR6_VOLATILE) | dr6_fixed(v);
	return true;
}

uint64_t vcpu_linear_rip(const struct vcpu *v)
{
	if (vcpu_has_old_state(v))
		return 0;
	if (x86_in_64bit_mode(&v->state))
		return v->state.rip;
	return (uint32_t)(v->state.rip + v->state.seg[X86_CS].base);
}

/* A supervisor's read; nobody asks whether it could be written. */
void vcpu_translate(struct vcpu *v, struct kvm_translation *t)
{
	struct vcpu_walk_fault fault;
	gpa_t gpa = GPA(t->linear_address);
	bool paging = v->state.cr0 & X86_CR0_PG;
	int idx = srcu_read_lock(&v->base.kvm->srcu);

	t->valid = !paging || vcpu_walk(v, t->linear_address, 0, &gpa, &fault) == WALK_OK;
	srcu_read_unlock(&v->base.kvm->srcu, idx);
	t->physical_address = t->valid ? gpa.v : ~0ull;
	t->writeable = 1;
	t->usermode = 0;
}

int vcpu_get_lapic(const struct vcpu *v, struct kvm_lapic_state *state)
{
	return lapic_save(v->base.lapic, state->regs);
}

int vcpu_set_lapic(struct vcpu *v, const struct kvm_lapic_state *state)
{
	int r = lapic_load(v->base.lapic, state->regs);

	vcpu_tpr_written(v);
	return r;
}

uint32_t vcpu_get_mp_state(struct vcpu *v)
{
	bool halted;

	vcpu_accept_events(v);
	halted = v->mp_state == KVM_MP_STATE_HALTED || v->mp_state == KVM_MP_STATE_AP_RESET_HOLD;
	return halted && v->base.lapic && atomic32_load(&v->base.lapic->pv_unhalted) ?
	       KVM_MP_STATE_RUNNABLE : v->mp_state;
}

int vcpu_set_mp_state(struct vcpu *v, uint32_t state)
{
	switch (state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_AP_RESET_HOLD:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (!v->base.lapic)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	/* SIPI is an event: it is accepted when the vCPU next runs. */
	if (state == KVM_MP_STATE_SIPI_RECEIVED) {
		state = KVM_MP_STATE_INIT_RECEIVED;
		atomic32_or(&v->base.lapic->pending_events, LAPIC_EVENT_SIPI);
	}
	v->mp_state = state;
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	return 0;
}
