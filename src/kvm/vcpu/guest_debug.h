/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guest_debug.h - KVM_SET_GUEST_DEBUG: the VMM's breakpoints and single steps.
 *
 * While the guest runs with them its own debug registers are kept aside; it
 * cannot see the difference, for its accesses exit.  The vCPU's own thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/vcpu/vcpu.h"

/* -EBUSY: an exception is on its way already. */
MUST_CHECK int vcpu_set_guest_debug(struct vcpu *v, const struct kvm_guest_debug *dbg);
/* RIP or RFLAGS have been written by the VMM: the step lasts where it was asked for. */
void vcpu_debug_moved(struct vcpu *v);

/* Around guest mode, when v->debug.control is not 0. */
void vcpu_debug_enter(struct vcpu *v);
void vcpu_debug_leave(struct vcpu *v);

/*
 * KVM has finished an instruction for a guest that is being stepped or steps
 * itself.  @r is what the exit's handler answered; answers what takes its place.
 */
MUST_CHECK int vcpu_debug_step(struct vcpu *v, int r);

/* #DB is the VMM's and not the guest's. */
bool vcpu_debug_watches(const struct vcpu *v);
/* DR7.GD is set: the guest's access to a debug register is #DB by itself. */
bool vcpu_debug_guards(const struct vcpu *v);
MUST_CHECK int exit_debug_guard(struct vcpu *v);

/* #DB with these bits for DR6, #BP: to the VMM, or on to the guest. */
MUST_CHECK int exit_debug(struct vcpu *v, uint64_t dr6_bits);
MUST_CHECK int exit_breakpoint(struct vcpu *v);
/* MOV to/from DR @nr through GPR @gpr. */
MUST_CHECK int exit_dr_write(struct vcpu *v, unsigned nr, unsigned gpr);
MUST_CHECK int exit_dr_read(struct vcpu *v, unsigned nr, unsigned gpr);
