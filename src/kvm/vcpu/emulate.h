/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emulate.h - KVM's instruction emulator: the same semantics as the
 * processor's (room x86), on KVM's accessors, without a TLB.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/vcpu/vcpu.h"

/*
 * Emulates the instruction at RIP: because of an access to @gpa that has no
 * memory, or because it needs decoding (string I/O; @gpa is then invalid).
 * 1 (done, or the guest got an exception), 0 (KVM_EXIT_MMIO, KVM_EXIT_IO or an
 * emulation failure), -errno.
 */
int vcpu_emulate(struct vcpu *v, gpa_t gpa);
/* Decodes the instruction at RIP for its length alone, and goes on behind it.  1, or 0: a failure. */
int vcpu_emulate_skip(struct vcpu *v);
#define EMULATE_NO_GPA	GPA(~0ull)

/* INS: its elements are in the PIO page; the instruction goes on. */
int vcpu_emulate_answered(struct vcpu *v);

/*
 * The processor said #UD: the few instructions that KVM emulates then, #UD for
 * the others.  1, 0 or -errno.  *@is_hypercall: VMCALL or VMMCALL of either
 * vendor; nothing has been done.
 */
int vcpu_emulate_on_ud(struct vcpu *v, bool *is_hypercall);
/* At RIP, behind the prefix of kvm.force_emulation_prefix: what the emulator lacks is #UD. */
int vcpu_emulate_forced(struct vcpu *v);

/* KVM's policy for what it cannot emulate (spec kvm.md 1.12). */
int vcpu_emulation_failure(struct vcpu *v, const uint8_t *bytes, unsigned nr_bytes);
