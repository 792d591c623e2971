/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/guest_debug.h"

#include <errno.h>
#include <string.h>

#include "kvm/core/request.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/protected.h"

#define DR6_ACTIVE_LOW	0xffff0ff0ull
#define DR6_BD		BIT(13)
#define DR6_BS		BIT(14)
#define DR7_GD		BIT(13)

#define WATCHES		(KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP)

static bool exception_is_pending(const struct vcpu *v)
{
	return v->events.exception.pending ||
	       kvm_request_is_pending(KVM_REQ_TRIPLE_FAULT, &v->base);
}

int vcpu_set_guest_debug(struct vcpu *v, const struct kvm_guest_debug *dbg)
{
	struct vcpu_debug *d = &v->debug;

	if (vcpu_has_old_state(v))
		return -EINVAL;
	if (dbg->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		if (exception_is_pending(v))
			return -EBUSY;
		vcpu_queue_exception(v, dbg->control & KVM_GUESTDBG_INJECT_DB ? X86_DB : X86_BP,
				     false, 0);
	}
	d->control = dbg->control & KVM_GUESTDBG_ENABLE ? dbg->control : 0;
	memcpy(d->dr, dbg->arch.debugreg, sizeof(d->dr));
	d->dr7 = dbg->arch.debugreg[7];
	d->step_rip = vcpu_linear_rip(v);
	d->armed = d->control & KVM_GUESTDBG_SINGLESTEP;
	v->backend->intercepts_changed(v);
	/* Interrupts that were held back may come. */
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	return 0;
}

void vcpu_debug_moved(struct vcpu *v)
{
	if (v->debug.control & KVM_GUESTDBG_SINGLESTEP)
		v->debug.armed = vcpu_linear_rip(v) == v->debug.step_rip;
}

void vcpu_debug_enter(struct vcpu *v)
{
	struct vcpu_debug *d = &v->debug;
	struct x86_state *s = &v->state;

	d->guest_dr6 = s->dr6;
	s->dr6 = DR6_ACTIVE_LOW;	/* so that only what happens now is seen in it */
	if (d->control & KVM_GUESTDBG_USE_HW_BP) {
		memcpy(d->guest_dr, s->dr, sizeof(d->guest_dr));
		d->guest_dr7 = s->dr7;
		memcpy(s->dr, d->dr, sizeof(s->dr));
		s->dr7 = d->dr7;
	}
	if (d->armed)
		s->rflags |= X86_FLAGS_TF;
}

void vcpu_debug_leave(struct vcpu *v)
{
	struct vcpu_debug *d = &v->debug;
	struct x86_state *s = &v->state;

	d->exit_dr6 = s->dr6;
	s->dr6 = d->guest_dr6;
	if (d->control & KVM_GUESTDBG_USE_HW_BP) {
		memcpy(s->dr, d->guest_dr, sizeof(s->dr));
		s->dr7 = d->guest_dr7;
	}
	/* The guest's own TF goes with it, as in the kernel. */
	if (d->control & KVM_GUESTDBG_SINGLESTEP)
		s->rflags &= ~X86_FLAGS_TF;
}

/* DR7 as the processor has it. */
static uint64_t dr7_in_use(const struct vcpu *v)
{
	return v->debug.control & KVM_GUESTDBG_USE_HW_BP ? v->debug.dr7 : v->state.dr7;
}

static int tell_user(struct vcpu *v, uint8_t vector)
{
	struct kvm_run *run = v->base.run;

	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.pc = vcpu_linear_rip(v);
	run->debug.arch.exception = vector;
	return 0;
}

int vcpu_debug_step(struct vcpu *v, int r)
{
	v->debug.stepped = false;
	if (r != 1)
		return r;
	if (!(v->debug.control & KVM_GUESTDBG_SINGLESTEP)) {
		vcpu_inject_db(v, DR6_BS);
		return 1;
	}
	v->base.run->debug.arch.dr6 = DR6_BS | DR6_ACTIVE_LOW;
	return tell_user(v, X86_DB);
}

bool vcpu_debug_watches(const struct vcpu *v)
{
	return v->debug.control & WATCHES;
}

bool vcpu_debug_guards(const struct vcpu *v)
{
	return dr7_in_use(v) & DR7_GD;
}

static int tell_debug(struct vcpu *v, uint64_t dr6_bits)
{
	v->base.run->debug.arch.dr6 = dr6_bits | DR6_ACTIVE_LOW;
	v->base.run->debug.arch.dr7 = dr7_in_use(v);
	return tell_user(v, X86_DB);
}

int exit_debug(struct vcpu *v, uint64_t dr6_bits)
{
	if (vcpu_debug_watches(v))
		return tell_debug(v, dr6_bits);
	vcpu_inject_db(v, dr6_bits);
	return 1;
}

int exit_debug_guard(struct vcpu *v)
{
	if (v->debug.control & KVM_GUESTDBG_USE_HW_BP)
		return tell_debug(v, DR6_BD);
	vcpu_inject_db(v, DR6_BD);
	return 1;
}

int exit_breakpoint(struct vcpu *v)
{
	return tell_user(v, X86_BP);
}

int exit_dr_write(struct vcpu *v, unsigned nr, unsigned gpr)
{
	uint64_t value = v->state.gpr[gpr];

	if (!x86_in_64bit_mode(&v->state))
		value &= 0xffffffff;
	return vcpu_complete_insn_gp(v, !vcpu_set_dr(v, nr, value));
}

int exit_dr_read(struct vcpu *v, unsigned nr, unsigned gpr)
{
	const struct x86_state *s = &v->state;

	v->state.gpr[gpr] = nr < 4 ? s->dr[nr] : nr & 1 ? s->dr7 : s->dr6;
	return vcpu_complete_insn_gp(v, false);
}
