/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/insn/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "model/insn/undefined.h"
#include "model/insn/xsave.h"

#define FLAGS_COMPARED	(X86_FLAGS_STATUS | X86_FLAGS_DF | X86_FLAGS_TF | X86_FLAGS_AC | \
			 X86_FLAGS_NT | X86_FLAGS_ID)
#define TASK_SIZE_MAX	0x7ffffffff000ull

void compare_init(void)
{
	unsigned k;

	for (k = 0; k < WORLD_SIZE; k++)
		native_memory()[k] = (uint8_t)random_u64();
	repair_worlds();
}

void repair_worlds(void)
{
	memcpy(model_memory(), native_memory(), WORLD_SIZE);
}

void default_fx(uint8_t *fx)
{
	memset(fx, 0, 512);
	fx[0] = 0x7f;
	fx[1] = 0x03;
	fx[24] = 0x80;
	fx[25] = 0x1f;
}

/* INT3, INTO and INT1 are traps for Linux; the model stops before their delivery. */
static void after_trap(const struct insn *i, const struct world *before, struct world *model)
{
	bool itself = model->rip == before->rip;

	if (model->vector == X86_BP)
		model->rip += itself ? i->len : 1;
	else if (model->vector == X86_OF || (model->vector == X86_DB && itself &&
					     i->in.mnemonic == ZYDIS_MNEMONIC_INT1))
		model->rip += i->len;
}

/* The kernel may have loaded a null selector as another one, when it ran something else. */
static void normal_selectors(struct world *w)
{
	unsigned k;

	for (k = 0; k < 6; k++)
		if (k != X86_CS && k != X86_SS && w->sel[k] < 4)
			w->sel[k] = 0;
}

/* Where RIP counts 16 or 32 bits, and registers have 32. */
static void narrow(const struct insn *i, struct world *w)
{
	unsigned k;

	if (i->mode == X86_MODE_64 && w->sel[X86_CS] == WORLD_CS64)
		return;
	for (k = 0; k < 8; k++)
		w->r[k] = (uint32_t)w->r[k];
}

/* ST(i) has 80 bits; instruction and data pointers and the mask are not compared. */
static void normal_fx(struct world *w)
{
	unsigned k;

	memset(w->fx + 5, 0, 19);
	memset(w->fx + 28, 0, 4);
	for (k = 0; k < 8; k++)
		memset(w->fx + 32 + 16 * k + 10, 0, 6);
	memset(w->fx + 416, 0, 96);
}

static void normal_fault(struct world *w)
{
	if (w->vector != X86_PF)
		w->cr2 = 0;
	/* Linux hides whether addresses that are not the program's are mapped. */
	else if (w->cr2 >= TASK_SIZE_MAX)
		w->error |= 1;
	/* and does not clear the error code of what has none */
	if (w->vector != X86_PF && w->vector != X86_GP && w->vector != X86_NP &&
	    w->vector != X86_SS_FAULT && w->vector != X86_TS)
		w->error = 0;
}

/* Whether something was inexact besides an unmasked overflow or underflow (docs/caveats.md). */
static void normal_precision(const struct world *before, struct world *real, struct world *model)
{
	uint32_t b, r, m;

	memcpy(&b, before->fx + 24, 4);
	memcpy(&r, real->fx + 24, 4);
	memcpy(&m, model->fx + 24, 4);
	if (real->vector == X86_XM && (r & m & ~b >> 7 & 0x18)) {
		real->fx[24] |= 0x20;
		model->fx[24] |= 0x20;
	}
}

static uint64_t operand_mask(const struct insn *i)
{
	return i->o[0].size == 16 ? 0xffff : ~0ull;
}

static void take_out(const struct insn *i, const struct world *before, struct world *real,
		     struct world *model)
{
	uint64_t flags = undefined_flags(i, before) | ~FLAGS_COMPARED;
	unsigned reg;

	normal_precision(before, real, model);
	if (undefined_fault(i, before, real, model)) {
		model->vector = real->vector;
		model->error = real->error;
		model->cr2 = real->cr2;
		/* POPA may have loaded some when it meets the end of a page. */
		if (i->in.mnemonic == ZYDIS_MNEMONIC_POPA || i->in.mnemonic == ZYDIS_MNEMONIC_POPAD)
			memcpy(model->r, real->r, sizeof(model->r));
	}

	if (undefined_faulting_compare(i, before, real))
		flags |= X86_FLAGS_STATUS;
	real->flags &= ~flags;
	model->flags &= ~flags;
	/* A far CALL may have pushed before it finds the target bad. */
	if (i->in.mnemonic == ZYDIS_MNEMONIC_CALL && real->vector != X86_DB &&
	    real->rip == before->rip)
		repair_worlds();
	if (!undefined_result(i, before))
		return;
	if (i->o[0].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		reg = (unsigned)ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(
			ZYDIS_MACHINE_MODE_LONG_64, i->o[0].reg.value));
		real->r[reg] &= ~operand_mask(i);
		model->r[reg] &= ~operand_mask(i);
	} else {
		repair_worlds();
	}
}

/* The environment's pointers (docs/caveats.md). */
static void take_out_memory(const struct insn *i, const struct world *before)
{
	switch (i->in.mnemonic) {
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FNSAVE:
		forget_memory(i, before, i->in.operand_width == 16 ? 6 : 12,
			      i->in.operand_width == 16 ? 8 : 16);
		if (i->in.operand_width != 16) {	/* reserved halves */
			forget_memory(i, before, 2, 2);
			forget_memory(i, before, 6, 2);
			forget_memory(i, before, 10, 2);
		}
		break;
	case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXSAVE64:
		forget_memory(i, before, 5, 19);
		break;
	default:
		break;
	}
}

uint64_t linear_of(const struct insn *i, const struct world *w)
{
	const ZydisDecodedOperandMem *m = &i->o[0].mem;
	uint64_t ea = m->disp.has_displacement ? (uint64_t)m->disp.value : 0, base = 0;
	unsigned seg = m->segment == ZYDIS_REGISTER_NONE ? X86_DS :
		       (unsigned)(m->segment - ZYDIS_REGISTER_ES);
	ZydisMachineMode mode = ZYDIS_MACHINE_MODE_LONG_64;

	if (m->base == ZYDIS_REGISTER_RIP || m->base == ZYDIS_REGISTER_EIP)
		ea += w->rip + i->len;
	else if (m->base != ZYDIS_REGISTER_NONE)
		ea += w->r[ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(mode, m->base))];
	if (m->index != ZYDIS_REGISTER_NONE)
		ea += m->scale *
		      w->r[ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(mode, m->index))];
	if (i->in.address_width < 64)
		ea &= (1ull << i->in.address_width) - 1;
	if (i->mode == X86_MODE_64)
		base = seg == X86_FS ? w->fs_base : seg == X86_GS ? w->gs_base : 0;
	else if (w->sel[seg] & 4)
		base = world_ldt[w->sel[seg] >> 3].base;
	return i->mode == X86_MODE_64 ? ea + base : (uint32_t)(ea + base);
}

void forget_memory(const struct insn *i, const struct world *before, unsigned offset,
		   unsigned size)
{
	uint64_t at = linear_of(i, before) + offset - WORLD_BASE;

	if (at < WORLD_SIZE && size <= WORLD_SIZE - at)
		memcpy(model_memory() + at, native_memory() + at, size);
}

/* What the program cannot write, the harness has written itself. */
static bool same_memory(void)
{
	const unsigned rw = WORLD_RW - WORLD_BASE, rw2 = WORLD_RW2 - WORLD_BASE;

	return !memcmp(native_memory() + rw, model_memory() + rw, WORLD_RW_END - WORLD_RW) &&
	       !memcmp(native_memory() + rw2, model_memory() + rw2, WORLD_RW2_END - WORLD_RW2);
}

/* By chance, in spite of random_without_cs64. */
static bool is_call_into_64_bit(const struct insn *i, const struct world *before,
				const struct world *real, const struct world *model)
{
	return i->in.mnemonic == ZYDIS_MNEMONIC_CALL && before->sel[X86_CS] != WORLD_CS64 &&
	       (real->sel[X86_CS] == WORLD_CS64 || model->sel[X86_CS] == WORLD_CS64);
}

bool compare_worlds(const struct insn *i, const struct world *before, struct world *real,
		    struct world *model)
{
	if (is_call_into_64_bit(i, before, real, model)) {
		repair_worlds();
		return true;
	}
	after_trap(i, before, model);
	narrow(i, real);
	narrow(i, model);
	normal_selectors(real);
	normal_selectors(model);
	normal_fx(real);
	normal_fx(model);
	normal_fault(real);
	normal_fault(model);
	take_out(i, before, real, model);
	take_out_memory(i, before);
	xsave_take_out(i, before, real, model);
	return real->vector == model->vector && real->error == model->error &&
	       real->cr2 == model->cr2 && real->rip == model->rip && real->flags == model->flags &&
	       !memcmp(real->r, model->r, sizeof(real->r)) &&
	       !memcmp(real->sel, model->sel, sizeof(real->sel)) &&
	       real->fs_base == model->fs_base && real->gs_base == model->gs_base &&
	       !memcmp(real->fx, model->fx, sizeof(real->fx)) &&
	       !memcmp(real->ymm, model->ymm, sizeof(real->ymm)) &&
	       same_memory();
}

static void line(const char *name, uint64_t before, uint64_t real, uint64_t model)
{
	fprintf(stderr, "  %-8s before %016" PRIx64 " real %016" PRIx64 " model %016" PRIx64 "%s\n",
		name, before, real, model, real == model ? "" : "  <---");
}

void compare_report(const struct insn *i, const struct world *before, const struct world *real,
		    const struct world *model)
{
	static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
	static const char *const segs[] = { "es", "cs", "ss", "ds", "fs", "gs" };
	unsigned k;

	(void)i;
	line("vector", 0, (uint64_t)real->vector, (uint64_t)model->vector);
	line("error", 0, real->error, model->error);
	line("cr2", 0, real->cr2, model->cr2);
	line("rip", before->rip, real->rip, model->rip);
	line("flags", before->flags, real->flags, model->flags);
	if (model->vector < 0)
		line("exit", 0, 0, model->what);
	for (k = 0; k < 16; k++)
		if (before->r[k] != real->r[k] || real->r[k] != model->r[k] || k < 8)
			line(names[k], before->r[k], real->r[k], model->r[k]);
	for (k = 0; k < 6; k++)
		line(segs[k], before->sel[k], real->sel[k], model->sel[k]);
	line("fs base", before->fs_base, real->fs_base, model->fs_base);
	line("gs base", before->gs_base, real->gs_base, model->gs_base);
	for (k = 0; k < 512; k += 8)
		if (memcmp(real->fx + k, model->fx + k, 8)) {
			char name[16];
			uint64_t v[3];

			snprintf(name, sizeof(name), "fx+%u", k);
			memcpy(&v[0], before->fx + k, 8);
			memcpy(&v[1], real->fx + k, 8);
			memcpy(&v[2], model->fx + k, 8);
			line(name, v[0], v[1], v[2]);
		}
	for (k = 0; k < WORLD_SIZE; k++)
		if (native_memory()[k] != model_memory()[k])
			fprintf(stderr, "  memory at %#x: real %02x model %02x\n", WORLD_BASE + k,
				native_memory()[k], model_memory()[k]);
}
