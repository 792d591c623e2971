/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * exits.h - exits that mean the same on both vendors.  Each answers 1, 0 or
 * -errno as KVM_RUN's inner steps do.  v->next_rip has been set.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/vcpu/vcpu.h"

/* KVM has finished an instruction for the guest: it counts like the processor's, and traps. */
void vcpu_count_instruction(struct vcpu *v);

/* RIP past the instruction, counted; the interrupt shadow ends. */
void vcpu_skip_instruction(struct vcpu *v);

/* The instruction has been carried out, or @refused: #GP(0).  1. */
int vcpu_complete_insn_gp(struct vcpu *v, bool refused);

int exit_cpuid(struct vcpu *v);
int exit_hlt(struct vcpu *v);
int exit_ap_reset_hold(struct vcpu *v);		/* SEV-ES */
int exit_rdmsr(struct vcpu *v);
int exit_wrmsr(struct vcpu *v);
int exit_hypercall(struct vcpu *v);
int exit_invalid_opcode(struct vcpu *v);	/* #UD was intercepted */
int exit_undefined(struct vcpu *v);		/* an instruction we do not offer: #UD */
int exit_skip(struct vcpu *v);			/* WBINVD, INVD, PAUSE */
int exit_monitor_mwait(struct vcpu *v);
int exit_xsetbv(struct vcpu *v);
/* SEV-ES: @nr has been written; KVM's shadow of it follows. */
int exit_cr_written(struct vcpu *v, unsigned nr, uint64_t value);
int exit_efer_written(struct vcpu *v, uint64_t value);
int exit_rdpmc(struct vcpu *v);
int exit_intr(struct vcpu *v);
int exit_shutdown(struct vcpu *v);
int exit_tpr_access(struct vcpu *v);
int exit_io(struct vcpu *v, uint16_t port, uint8_t size, bool in);
/* MOV to/from CR @nr through GPR @gpr. */
int exit_cr_write(struct vcpu *v, unsigned nr, unsigned gpr);
int exit_cr_read(struct vcpu *v, unsigned nr, unsigned gpr);
/* A nested fault, with KVM's error code: the whole fault path and emulation. */
int exit_page_fault(struct vcpu *v, gpa_t gpa, uint64_t error_code);
/* KVM_EXIT_INTERNAL_ERROR/UNEXPECTED_EXIT_REASON. */
int exit_unexpected(struct vcpu *v, uint64_t reason);
