/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_simd.c - every row of x86/simd/ against this processor.
 *
 * Each form that a row accepts is encoded (Zydis), executed for itself on
 * random and special operands under random MXCSR values, unmasked exceptions
 * included, and compared with what the row's function makes of the same, and
 * the whole model with the instruction's bytes: destination, flags, MXCSR,
 * RCX, XMM0, memory, signal.  A form that this processor lacks is
 * counted as skipped.  SIMD_SEED=N repeats a run.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <ucontext.h>

#include <cmocka.h>
#include <Zydis/Zydis.h>

#include "base/macros.h"
#include "x86/flat.h"
#include "x86/simd.h"

#define ROUNDS		1000		/* of one form */
#define MXCSR_DEFAULT	0x1f80u

/* What an instruction can see and change here; known to native_call. */
struct regs {
	union x86_vec	xmm[3];		/*   0: XMM1 is the destination, XMM2 the source */
	uint64_t	mm[2];		/*  48: MM0 the destination, MM1 the source */
	uint64_t	rax, rcx, rdx;	/*  64 */
	uint64_t	r8, r9;		/*  88: R8 the destination, R9 the source */
	uint64_t	rsi;		/* 104: address of the memory operand */
	uint64_t	rflags;		/* 112 */
	uint32_t	mxcsr;		/* 120 */
};

void native_call(struct regs *r, const void *code);
__asm__(
	".text\n"
	"native_call:\n"
	"	push %rbx; push %rbp; push %r12\n"
	"	mov %rdi, %rbx; mov %rsi, %rbp\n"
	"	movdqa 0(%rbx), %xmm0; movdqa 16(%rbx), %xmm1; movdqa 32(%rbx), %xmm2\n"
	"	movq 48(%rbx), %mm0; movq 56(%rbx), %mm1\n"
	"	mov 64(%rbx), %rax; mov 72(%rbx), %rcx; mov 80(%rbx), %rdx\n"
	"	mov 88(%rbx), %r8; mov 96(%rbx), %r9; mov 104(%rbx), %rsi\n"
	"	push 112(%rbx); popfq\n"
	"	ldmxcsr 120(%rbx)\n"
	"	call *%rbp\n"
	"	stmxcsr 120(%rbx)\n"
	"	pushfq; pop 112(%rbx)\n"
	"	movl $0x1f80, -8(%rsp); ldmxcsr -8(%rsp); cld\n"
	"	movdqa %xmm0, 0(%rbx); movdqa %xmm1, 16(%rbx); movdqa %xmm2, 32(%rbx)\n"
	"	movq %mm0, 48(%rbx); movq %mm1, 56(%rbx)\n"
	"	mov %rax, 64(%rbx); mov %rcx, 72(%rbx); mov %rdx, 80(%rbx)\n"
	"	mov %r8, 88(%rbx); mov %r9, 96(%rbx)\n"
	"	emms\n"
	"	pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

static uint8_t *code;			/* one page, writable and executable */
static volatile sig_atomic_t caught;	/* signal that the native instruction raised */

/* As if the instruction had been a RET: the state is that before it. */
static void on_signal(int nr, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)info;
	if ((uint8_t *)g[REG_RIP] != code)
		abort();
	caught = nr;
	g[REG_RIP] = *(greg_t *)g[REG_RSP];
	g[REG_RSP] += 8;
}

static uint64_t seed;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

/* zeros, denormals, least and greatest normal, one, integers' limits, infinity, NaNs */
static const uint32_t singles[] = {
	0, 1, 0x007fffff, 0x00400000, 0x00800000, 0x00800001, 0x7f7fffff, 0x3f800000, 0x3f000000,
	0x3fc00000, 0x4b000001, 0x4effffff, 0x4f000000, 0x5effffff, 0x5f000000, 0x7f800000,
	0x7fc00000, 0x7f800001, 0x7fbfffff, 0x7fffffff, 0x33800000, 0x1f800000,
};

static const uint64_t doubles[] = {
	0, 1, 0x000fffffffffffff, 0x0008000000000000, 0x0010000000000000, 0x0010000000000001,
	0x7fefffffffffffff, 0x3ff0000000000000, 0x3fe0000000000000, 0x3ff8000000000000,
	0x41dfffffffc00000, 0x41e0000000000000, 0x43dfffffffffffff, 0x43e0000000000000,
	0x7ff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0x7fffffffffffffff,
	0x36a0000000000000, 0x3690000000000000, 0x3810000000000000, 0x47efffffe0000000,
	0x47f0000000000000, 0x1ff0000000000000,
};

static void random_vec(union x86_vec *v)
{
	unsigned kind = rnd() % 6, i;

	v->q[0] = rnd();
	v->q[1] = rnd();
	for (i = 0; i < 4 && kind == 0; i++)
		v->d[i] = singles[rnd() % ARRAY_SIZE(singles)] | (uint32_t)(rnd() & 1) << 31;
	for (i = 0; i < 2 && kind == 1; i++)
		v->q[i] = doubles[rnd() % ARRAY_SIZE(doubles)] | (rnd() & 1) << 63;
	for (i = 0; i < 4 && kind == 2; i++)	/* near enough for sums to round */
		v->d[i] = (v->d[i] & 0x83ffffff) | 0x3c000000;
	for (i = 0; i < 2 && kind == 3; i++)
		v->q[i] = (v->q[i] & 0x803fffffffffffff) | 0x3fc0000000000000;
	for (i = 0; i < 16 && kind == 4; i++)	/* few values: text that matches */
		v->b[i] = (uint8_t)"\0abcAB\x7f\x80\xff"[rnd() % 10];
}

static uint64_t random_gpr(void)
{
	switch (rnd() % 4) {
	case 0: return rnd();
	case 1: return (uint64_t)(int64_t)(rnd() % 41) - 20;
	case 2: return 1ull << rnd() % 64;
	default: return (1ull << rnd() % 64) - 1;
	}
}

static uint32_t random_mxcsr(void)
{
	uint32_t v = MXCSR_DEFAULT;

	if (rnd() & 1)
		v ^= (uint32_t)rnd() & 0xe040;		/* FTZ, RC, DAZ */
	if (rnd() & 1)
		v |= (uint32_t)rnd() & 0x3f;
	if (rnd() % 4 == 0)
		v &= ~((uint32_t)rnd() & 0x1f80);
	return v;
}

/* One way in which an instruction can be written. */
struct form {
	const struct x86_simd_row *row;
	unsigned	dst, src;		/* X86_SIMD_* kind */
	unsigned	gpr_size;
	bool		has_imm;
	uint8_t		bytes[16];
	size_t		length;
};

static bool operand(ZydisEncoderOperand *o, unsigned kind, bool is_dst, const struct form *f)
{
	o->type = ZYDIS_OPERAND_TYPE_REGISTER;
	switch (kind) {
	case X86_SIMD_XMM:
		o->reg.value = is_dst ? ZYDIS_REGISTER_XMM1 : ZYDIS_REGISTER_XMM2;
		return true;
	case X86_SIMD_MM:
		o->reg.value = is_dst ? ZYDIS_REGISTER_MM0 : ZYDIS_REGISTER_MM1;
		return true;
	case X86_SIMD_GPR:
		if (f->gpr_size == 8)
			o->reg.value = is_dst ? ZYDIS_REGISTER_R8 : ZYDIS_REGISTER_R9;
		else
			o->reg.value = is_dst ? ZYDIS_REGISTER_R8D : ZYDIS_REGISTER_R9D;
		return true;
	case X86_SIMD_MEM:
		o->type = ZYDIS_OPERAND_TYPE_MEMORY;
		o->mem.base = ZYDIS_REGISTER_RSI;
		o->mem.size = f->row->mem_size ? f->row->mem_size : (uint16_t)f->gpr_size;
		return true;
	default:
		return false;
	}
}

/* Encodes with @third: 0 nothing more, 1 an immediate, 2 XMM0. */
static bool encode(struct form *f, unsigned third)
{
	ZydisEncoderRequest req = {
		.machine_mode = ZYDIS_MACHINE_MODE_LONG_64, .mnemonic = f->row->mnemonic,
		.allowed_encodings = ZYDIS_ENCODABLE_ENCODING_LEGACY,
	};
	ZydisEncoderOperand *o = req.operands;

	o += operand(o, f->dst, true, f);
	o += operand(o, f->src, false, f);
	if (third == 1)
		o->type = ZYDIS_OPERAND_TYPE_IMMEDIATE, o->imm.u = 0x55, o++;
	if (third == 2)
		o->type = ZYDIS_OPERAND_TYPE_REGISTER, o->reg.value = ZYDIS_REGISTER_XMM0, o++;
	req.operand_count = (ZyanU8)(o - req.operands);
	f->has_imm = third == 1;
	f->length = sizeof(f->bytes) - 2;
	if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&req, f->bytes, &f->length)))
		return false;
	/* The lengths of PCMPESTRx are as wide as REX.W says, which no operand shows. */
	if ((f->row->flags & X86_SIMD_READS_GPRS) && f->gpr_size == 8) {
		memmove(f->bytes + 2, f->bytes + 1, f->length++ - 1);
		f->bytes[1] = 0x48;
	}
	f->bytes[f->length] = 0xc3;
	return true;
}

static void native(const struct form *f, struct regs *r, uint8_t imm)
{
	memcpy(code, f->bytes, f->length + 1);
	if (f->has_imm)
		code[f->length - 1] = imm;
	caught = 0;
	native_call(r, code);
}

/* The instruction's bytes, decoded and executed by the model as a whole. */
static int executed(const struct form *f, struct regs *r, uint8_t imm)
{
	static struct flat flat;
	struct x86_state *st = &flat.state;
	uint8_t bytes[16];

	memcpy(bytes, f->bytes, sizeof(bytes));
	if (f->has_imm)
		bytes[f->length - 1] = imm;
	st->cr0 = X86_CR0_PE | X86_CR0_PG;
	st->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	st->efer = X86_EFER_LMA | X86_EFER_LME;
	st->seg[X86_CS].ar = X86_AR_L | X86_AR_P;
	st->cpl = 3;
	st->fpu.fcw = 0x37f;
	st->fpu.fsw = (uint16_t)(rnd() & 0x3800);	/* TOP: MMX registers are turned by it */
	memcpy(st->fpu.xmm, r->xmm, sizeof(r->xmm));
	memcpy(st->fpu.st[(0 - (st->fpu.fsw >> 11)) & 7], &r->mm[0], 8);
	memcpy(st->fpu.st[(1 - (st->fpu.fsw >> 11)) & 7], &r->mm[1], 8);
	st->fpu.mxcsr = r->mxcsr;
	st->gpr[X86_RAX] = r->rax;
	st->gpr[X86_RCX] = r->rcx;
	st->gpr[X86_RDX] = r->rdx;
	st->gpr[X86_R8] = r->r8;
	st->gpr[X86_R9] = r->r9;
	st->gpr[X86_RSI] = flat.base = r->rsi;
	st->rflags = r->rflags;
	flat.mem = (uint8_t *)r->rsi;
	flat.size = 16;
	if (flat_one(&flat, bytes, (unsigned)f->length, 0x10000) == X86_STOP &&
	    flat.x.why != X86_WHY_EVENT)
		return -1;
	memcpy(r->xmm, st->fpu.xmm, sizeof(r->xmm));
	memcpy(&r->mm[0], st->fpu.st[(0 - (st->fpu.fsw >> 11)) & 7], 8);
	memcpy(&r->mm[1], st->fpu.st[(1 - (st->fpu.fsw >> 11)) & 7], 8);
	r->mxcsr = st->fpu.mxcsr;
	r->rax = st->gpr[X86_RAX];
	r->rcx = st->gpr[X86_RCX];
	r->rdx = st->gpr[X86_RDX];
	r->r8 = st->gpr[X86_R8];
	r->r9 = st->gpr[X86_R9];
	r->rflags = st->rflags;
	return flat.x.why == X86_WHY_EVENT ? flat.x.event.vector : 0;
}

/* As the processor uses a row: operands fetched, the function, results put away. */
static int modelled(const struct form *f, struct regs *r, uint8_t imm)
{
	static struct x86_fpu fpu;
	const struct x86_simd_row *row = f->row;
	union x86_vec dst = { 0 }, src = { 0 };
	unsigned size = row->mem_size ? row->mem_size : f->gpr_size;
	struct x86_simd s = { &fpu, imm, (uint8_t)f->gpr_size, true, (uint32_t)r->rflags,
			      r->rax, r->rdx, r->rcx };
	uint64_t gpr_mask = f->gpr_size == 8 ? ~0ull : 0xffffffff;
	bool is_read = !(row->flags & X86_SIMD_DST_ONLY);
	int vector;

	memcpy(fpu.xmm, r->xmm, sizeof(r->xmm));
	fpu.mxcsr = r->mxcsr;
	if (!is_read)
		memset(&dst, 0x5a, sizeof(dst));	/* must not matter */
	if (is_read && f->dst == X86_SIMD_XMM)
		dst = r->xmm[1];
	else if (is_read && f->dst == X86_SIMD_MM)
		dst.q[0] = r->mm[0];
	if (f->src == X86_SIMD_XMM)
		src = r->xmm[2];
	else if (f->src == X86_SIMD_MM)
		src.q[0] = r->mm[1];
	else if (f->src == X86_SIMD_GPR)
		src.q[0] = r->r9 & gpr_mask;
	else if (f->src == X86_SIMD_MEM)
		memcpy(&src, (void *)r->rsi, size);

	vector = row->fn(&dst, &src, &s);
	r->mxcsr = fpu.mxcsr;
	if (vector)
		return vector;
	r->xmm[0] = *(union x86_vec *)fpu.xmm[0];
	if (row->flags & X86_SIMD_WRITES_FLAGS)
		r->rflags = (r->rflags & ~X86_FLAGS_STATUS) | (s.eflags & X86_FLAGS_STATUS);
	if (row->flags & X86_SIMD_WRITES_RCX)
		r->rcx = s.rcx;
	if (row->flags & X86_SIMD_NO_DST)
		return 0;
	if (f->dst == X86_SIMD_XMM)
		r->xmm[1] = dst;
	else if (f->dst == X86_SIMD_MM)
		r->mm[0] = dst.q[0];
	else if (f->dst == X86_SIMD_GPR)
		r->r8 = dst.q[0] & gpr_mask;
	else
		memcpy((void *)r->rsi, &dst, size);
	return 0;
}

static unsigned failures;

static void report(const struct form *f, const struct regs *in, const struct regs *want,
		   const struct regs *got, uint8_t imm, int vector)
{
	const uint64_t *i = (const uint64_t *)in, *w = (const uint64_t *)want,
		       *g = (const uint64_t *)got;
	size_t k;

	if (failures++ >= 20)
		return;
	print_error("%s dst %u src %u gpr %u imm %#x: signal %d, vector %d\n",
		    ZydisMnemonicGetString(f->row->mnemonic), f->dst, f->src, f->gpr_size, imm,
		    (int)caught, vector);
	for (k = 0; k < sizeof(*in) / 8; k++)
		if (w[k] != g[k] || k < 6 || k == 15)
			print_error("  word %2zu: in %016lx want %016lx got %016lx%s\n", k, i[k],
				    w[k], g[k], w[k] == g[k] ? "" : " <--");
}

/* @mem: the memory operands of @want and @got */
static void compare(const struct form *f, const struct regs *in, struct regs want, struct regs got,
		    const union x86_vec *mem, uint8_t imm, int vector)
{
	want.rsi = got.rsi = 0;
	/* Whether something besides an unmasked overflow or underflow was inexact is not told. */
	if (caught == SIGFPE && (want.mxcsr & got.mxcsr & ~in->mxcsr >> 7 & 0x18))
		want.mxcsr |= 0x20, got.mxcsr |= 0x20;
	if (memcmp(&want, &got, sizeof(want)) || memcmp(&mem[0], &mem[1], sizeof(mem[0])) ||
	    vector != (caught == SIGFPE ? X86_XM : 0))
		report(f, in, &want, &got, imm, vector);
}

static void compare_once(const struct form *f)
{
	union x86_vec mem[2], before;
	struct regs in = { 0 }, want, got;
	uint8_t imm = (uint8_t)rnd();
	int vector;

	random_vec(&in.xmm[0]);
	random_vec(&in.xmm[1]);
	random_vec(&in.xmm[2]);
	random_vec(&before);
	in.mm[0] = in.xmm[1].q[1];
	in.mm[1] = rnd() & 1 ? in.xmm[2].q[0] : rnd() % 70;	/* also a count */
	if (rnd() % 8 == 0)
		in.xmm[2].q[0] = before.q[0] = rnd() % 70;
	in.rax = random_gpr();
	in.rdx = random_gpr();
	in.rcx = rnd();
	in.r8 = rnd();
	in.r9 = random_gpr();
	in.mxcsr = random_mxcsr();
	in.rflags = 0x202 | (rnd() & X86_FLAGS_STATUS);

	want = got = in;
	mem[0] = mem[1] = before;
	want.rsi = (uint64_t)&mem[0];
	got.rsi = (uint64_t)&mem[1];
	native(f, &want, imm);
	if (f->row->fn) {
		vector = modelled(f, &got, imm);
		compare(f, &in, want, got, mem, imm, vector);
	}

	got = in;
	mem[1] = before;
	got.rsi = (uint64_t)&mem[1];
	vector = executed(f, &got, imm);
	compare(f, &in, want, got, mem, imm, vector);
}

/* Does a memory operand that is not a multiple of 16 fault, as the row says? */
static void check_alignment(const struct form *f)
{
	union x86_vec mem[2] = { 0 };
	struct regs r = { .mxcsr = MXCSR_DEFAULT, .rflags = 0x202 };
	bool aligned = f->row->flags & X86_SIMD_ALIGNED;

	if (f->dst != X86_SIMD_MEM && f->src != X86_SIMD_MEM)
		return;
	/* Here the vendors differ: exception class 4 in the SDM, none on AMD's. */
	if (!strncmp(ZydisMnemonicGetString(f->row->mnemonic), "sha", 3))
		return;
	r.rsi = (uint64_t)&mem[0].b[1];
	native(f, &r, 0);
	if (aligned != (caught == SIGSEGV)) {
		print_error("%s: aligned %d, signal %d\n",
			    ZydisMnemonicGetString(f->row->mnemonic), aligned, (int)caught);
		failures++;
	}
}

/* The decoder sees the operands that the row was found by. */
static void check_decoded(const struct form *f, unsigned row)
{
	ZydisDecoder decoder;
	ZydisDecodedInstruction in;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	unsigned i;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, f->bytes, f->length, &in, o)));
	assert_int_equal(in.mnemonic, f->row->mnemonic);
	if (f->row->fn)
		assert_int_equal(x86_simd_find(f->row->mnemonic, (uint8_t)f->dst,
					       (uint8_t)f->src), row);
	for (i = 0; i < in.operand_count; i++)
		if (o[i].type == ZYDIS_OPERAND_TYPE_MEMORY && f->row->mem_size &&
		    o[i].size != f->row->mem_size * 8)
			print_message("note: %s: row says %u bytes of memory, the decoder %u\n",
				      ZydisMnemonicGetString(in.mnemonic), f->row->mem_size,
				      o[i].size / 8);
}

static unsigned forms, skipped;

/* Within the test: cmocka has put its own handlers in place. */
static void catch_signals(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	assert_int_equal(sigaction(SIGFPE, &sa, NULL) | sigaction(SIGILL, &sa, NULL) |
			 sigaction(SIGSEGV, &sa, NULL), 0);
}

static void try_form(struct form *f, unsigned row)
{
	struct regs r = { .mxcsr = MXCSR_DEFAULT, .rflags = 0x202 };
	union x86_vec mem = { 0 };
	unsigned third, i;

	for (third = 0; third < 3; third++)
		if (encode(f, third))
			break;
	if (third == 3)
		return;				/* no such form: of two GPR sizes, perhaps */
	check_decoded(f, row);
	r.rsi = (uint64_t)&mem;
	native(f, &r, 0);
	if (caught == SIGILL) {
		skipped++;
		return;
	}
	forms++;
	check_alignment(f);
	for (i = 0; i < ROUNDS; i++)
		compare_once(f);
}

/* Both sizes of general register, where there is one or its size matters. */
static void try_kinds(const struct x86_simd_row *row, unsigned nr, unsigned dst, unsigned src)
{
	bool both = dst == X86_SIMD_GPR || src == X86_SIMD_GPR || !row->mem_size ||
		    (row->flags & X86_SIMD_READS_GPRS);
	unsigned size;

	for (size = 4; size <= (both ? 8u : 4u); size += 4) {
		struct form f = { .row = row, .dst = dst, .src = src, .gpr_size = size };

		try_form(&f, nr);
	}
}

static void try_row(const struct x86_simd_row *row, unsigned nr)
{
	unsigned dst, src, before = forms + skipped;

	for (dst = X86_SIMD_XMM; dst <= X86_SIMD_MEM; dst <<= 1)
		for (src = X86_SIMD_XMM; src <= X86_SIMD_MEM; src <<= 1)
			if ((row->dst & dst) && (row->src & src))
				try_kinds(row, nr, dst, src);
	for (dst = X86_SIMD_XMM; dst <= X86_SIMD_MEM && !row->src; dst <<= 1)
		if (row->dst & dst)
			try_kinds(row, nr, dst, X86_SIMD_NONE);
	if (forms + skipped == before) {
		print_error("row %u (%s) has no form\n", nr,
			    ZydisMnemonicGetString(row->mnemonic));
		failures++;
	}
}

static void rows_do_what_this_processor_does(void **unused)
{
	const struct x86_simd_row *row;
	unsigned nr;

	(void)unused;
	catch_signals();
	for (nr = 0; (row = x86_simd_row(nr)); nr++)
		try_row(row, nr);
	print_message("%u rows, %u forms compared, %u that this processor lacks\n", nr, forms,
		      skipped);
	assert_int_equal(failures, 0);
}

/* Moves that have handlers instead of rows: only executed as a whole. */
static const struct x86_simd_row moves[] = {
#define MOVE(m, d, s, size, f) \
	{ ZYDIS_MNEMONIC_##m, X86_SIMD_##d, X86_SIMD_##s, size, f, X86_SET_SSE, NULL },
#define MOVE128(m, f) MOVE(m, XMM, XM, 16, f) MOVE(m, MEM, XMM, 16, f)
	MOVE128(MOVAPS, X86_SIMD_ALIGNED) MOVE128(MOVAPD, X86_SIMD_ALIGNED)
	MOVE128(MOVDQA, X86_SIMD_ALIGNED)
	MOVE128(MOVUPS, 0) MOVE128(MOVUPD, 0) MOVE128(MOVDQU, 0)
	MOVE(LDDQU, XMM, MEM, 16, 0)
	MOVE(MOVNTDQA, XMM, MEM, 16, X86_SIMD_ALIGNED)
	MOVE(MOVNTDQ, MEM, XMM, 16, X86_SIMD_ALIGNED)
	MOVE(MOVNTPS, MEM, XMM, 16, X86_SIMD_ALIGNED)
	MOVE(MOVNTPD, MEM, XMM, 16, X86_SIMD_ALIGNED)
	MOVE(MOVQ, XMM, XM, 8, 0) MOVE(MOVQ, MEM, XMM, 8, 0)
	MOVE(MOVQ, XMM, GPR, 8, 0) MOVE(MOVQ, GPR, XMM, 8, 0)
	MOVE(MOVD, XMM, GM, 4, 0) MOVE(MOVD, GM, XMM, 4, 0)
};

static void moves_do_what_this_processor_does(void **unused)
{
	unsigned i;

	(void)unused;
	catch_signals();
	for (i = 0; i < ARRAY_SIZE(moves); i++)
		try_row(&moves[i], i);
	assert_int_equal(failures, 0);
}

static int prepare(void **unused)
{
	const char *given = getenv("SIMD_SEED");

	(void)unused;
	if (given)
		seed = strtoull(given, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -1;
	seed |= 1;
	print_message("SIMD_SEED=%#lx\n", seed);
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	return code == MAP_FAILED ? -1 : 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_do_what_this_processor_does),
		cmocka_unit_test(moves_do_what_this_processor_does),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
