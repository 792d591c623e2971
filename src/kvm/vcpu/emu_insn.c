/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_insn.c - from CS:RIP to an instruction and KVM's verdict on it.
 *
 * Drivers reach their devices from a few places: what has been decoded is kept
 * by its bytes.
 */
#include "kvm/vcpu/emu_insn.h"

#include <stdlib.h>
#include <string.h>

#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/emu.h"
#include "kvm/vcpu/protected.h"

#define NR_ENTRIES	32u

struct entry {
	uint8_t		 bytes[X86_MAX_INSN];
	uint8_t		 len;		/* 0: empty */
	uint8_t		 mode;
	struct emu_form	 form;
	enum emu_verdict verdict;
	struct x86_op	 ops[2];
};

struct emu_cache {
	struct entry	 entry[NR_ENTRIES];
};

struct emu_cache *emu_cache_create(void)
{
	return calloc(1, sizeof(struct emu_cache));
}

void emu_cache_destroy(struct emu_cache *c)
{
	free(c);
}

/* Bytes from RIP on: the exit's own, else read through the page tables. */
static enum walk_answer fetch(struct vcpu *v, uint64_t lin, struct emu_insn *in)
{
	unsigned access = WALK_FETCH | (v->state.cpl == 3 ? WALK_USER : 0);
	unsigned in_page = PAGE_SIZE - (lin & ~PAGE_MASK), n;
	const uint8_t *given;
	enum walk_answer a;

	in->nr = v->backend->insn_bytes(v, &given);
	if (in->nr) {
		memcpy(in->bytes, given, in->nr);
		return WALK_OK;
	}
	n = MIN((unsigned)X86_MAX_INSN, in_page);
	a = vcpu_read_linear(v, lin, in->bytes, n, access, &in->fault);
	if (a == WALK_OK)
		in->nr = n;
	return a;
}

/* The rest of an instruction that goes on in the next page. */
static enum walk_answer fetch_rest(struct vcpu *v, uint64_t lin, struct emu_insn *in)
{
	unsigned access = WALK_FETCH | (v->state.cpl == 3 ? WALK_USER : 0);
	enum walk_answer a;

	/* The guest's tables and code are ciphertext. */
	if (unlikely(vcpu_is_sev(v)))
		return WALK_NO_MEMORY;
	a = vcpu_read_linear(v, lin + in->nr, in->bytes + in->nr, X86_MAX_INSN - in->nr, access,
			     &in->fault);
	if (a == WALK_OK)
		in->nr = X86_MAX_INSN;
	return a;
}

static struct entry *entry_for(const struct vcpu *v)
{
	uint64_t rip = v->state.rip;

	return &v->emu_cache->entry[(rip ^ rip >> 5) % NR_ENTRIES];
}

static bool is_known(const struct vcpu *v, enum x86_mode mode, struct emu_insn *in)
{
	const struct entry *e = entry_for(v);

	if (!e->len || e->mode != mode || e->len > in->nr || memcmp(e->bytes, in->bytes, e->len))
		return false;
	in->form = e->form;
	in->verdict = e->verdict;
	memcpy(in->ops, e->ops, sizeof(in->ops));
	return true;
}

static void remember(const struct vcpu *v, enum x86_mode mode, const struct emu_insn *in)
{
	struct entry *e = entry_for(v);

	e->len = in->ops[0].len;
	e->mode = (uint8_t)mode;
	e->form = in->form;
	e->verdict = in->verdict;
	memcpy(e->bytes, in->bytes, e->len);
	memcpy(e->ops, in->ops, sizeof(in->ops));
}

/*
 * What KVM takes and no processor knows (66 0F E7 with a register) is #UD.
 * False: bytes are missing.
 */
static bool decode(const struct vcpu *v, struct emu_insn *in)
{
	enum x86_mode mode = x86_mode_of(&v->state);
	enum x86_decoded how;

	if (is_known(v, mode, in))
		return true;
	how = x86_decode(mode, in->bytes, in->nr, 0, 1, &emu_handlers, &in->ops[0]);
	if (how == X86_TRUNCATED && in->nr < X86_MAX_INSN)
		return false;
	in->verdict = emu_form_of(mode, in->bytes, in->nr, &in->form);
	if (how == X86_DECODED) {
		x86_decode_end(mode, in->ops[0].len, 1, &emu_handlers, &in->ops[1]);
		remember(v, mode, in);
	} else if (in->verdict == EMU_TAKES) {
		in->verdict = EMU_RAISES_UD;
	}
	return true;
}

void emu_insn_decode(struct vcpu *v, struct emu_insn *in)
{
	if (!decode(v, in))
		in->verdict = EMU_FAILS;
}

enum walk_answer emu_insn_fetch(struct vcpu *v, struct emu_insn *in)
{
	uint64_t lin = v->state.rip;
	enum walk_answer a;

	in->nr = 0;
	if (!x86_in_64bit_mode(&v->state))
		lin = (uint32_t)(lin + v->state.seg[X86_CS].base);
	a = fetch(v, lin, in);
	if (a != WALK_OK || decode(v, in))
		return a;
	a = fetch_rest(v, lin, in);
	if (a == WALK_OK)
		emu_insn_decode(v, in);
	return a;
}
