/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_insn.h - the instruction that is to be emulated: its bytes, its ops, and
 * what KVM thinks of it.  The vCPU's thread.
 */
#pragma once
#include "kvm/vcpu/emu_forms.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vcpu/walk.h"
#include "x86/decode.h"

struct emu_insn {
	uint8_t		 bytes[X86_MAX_INSN];
	unsigned	 nr;		/* all that were fetched, beyond its end too */
	struct x86_op	 ops[2];
	struct emu_form	 form;
	enum emu_verdict verdict;
	struct vcpu_walk_fault fault;	/* of the fetch */
};

/* What decoding has found out, by the instruction's bytes; NULL: out of memory. */
struct emu_cache *emu_cache_create(void);
void emu_cache_destroy(struct emu_cache *c);

/* Fetches at CS:RIP and decodes.  Not WALK_OK: @in has the bytes that there are. */
MUST_CHECK enum walk_answer emu_insn_fetch(struct vcpu *v, struct emu_insn *in);
/* Decodes the bytes that are there. */
void emu_insn_decode(struct vcpu *v, struct emu_insn *in);
