/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_simd_x87.c - every x87 row and the state images against this processor.
 *
 * Each form is encoded (Zydis) and executed on random x87 states (stack depth,
 * tags, rounding, precision, masks) and operands, unmasked exceptions included;
 * everything FXSAVE shows, memory and flags are compared with the row's doing.
 * SIMD_SEED=N repeats a run.
 */
#include <cpuid.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <cmocka.h>
#include <Zydis/Zydis.h>

#include "base/macros.h"
#include "x86/flat.h"
#include "x86/simd.h"

#define ROUNDS	200		/* of one form */

struct image {			/* FXSAVE's, and known to native_x87 */
	uint16_t	fcw, fsw, ftw, fop;
	uint64_t	fip, fdp;
	uint32_t	mxcsr, mxcsr_mask;
	uint8_t		st[8][16];
	uint8_t		rest[512 - 160];
	uint8_t		mem[128];		/* 512: the memory operand */
	uint64_t	rax, rflags;		/* 640, 648 */
} __attribute__((aligned(64)));

void native_x87(struct image *i, const void *code);
__asm__(
	".text\n"
	"native_x87:\n"
	"	push %rbx; mov %rdi, %rbx; add $512, %rdi\n"
	"	fxrstor64 (%rbx)\n"
	"	mov 640(%rbx), %rax; push 648(%rbx); popfq\n"
	"	call *%rsi\n"
	"	pushfq; pop 648(%rbx); mov %rax, 640(%rbx)\n"
	"	fxsave64 (%rbx)\n"
	"	fninit; cld\n"
	"	pop %rbx\n"
	"	ret\n");

static uint8_t *code;
static uint64_t seed;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

/* Zero, denormals, unnormals, infinities, NaNs, numbers of all sizes */
static void random_st(uint8_t *st)
{
	static const uint64_t mantissas[] = {
		0, 1, 1ull << 63, 3ull << 62, (1ull << 63) | 1, ~0ull, 1ull << 62, ~0ull >> 1,
		0xc90fdaa22168c235, 0x8000000000000400,
	};
	static const uint16_t exponents[] = {
		0, 1, 0x7fff, 0x7ffe, 0x3fff, 0x3ffe, 0x4000, 0x403e, 0x401e, 0x400e, 0x403d,
		0x3f80, 0x3f6a, 0x407e, 0x3c01, 0x43fe, 0x3fbf,
	};
	uint64_t mantissa = rnd() | 1ull << 63;
	uint16_t exponent = (uint16_t)(0x3fff - 40 + rnd() % 80);

	if (rnd() & 1)
		mantissa = mantissas[rnd() % ARRAY_SIZE(mantissas)];
	if (rnd() & 1)
		exponent = exponents[rnd() % ARRAY_SIZE(exponents)];
	exponent |= (uint16_t)((rnd() & 1) << 15);
	memcpy(st, &mantissa, 8);
	memcpy(st + 8, &exponent, 2);
	memset(st + 10, 0, 6);
}

static void random_state(struct image *s)
{
	static const uint16_t precisions[] = { 0x000, 0x200, 0x300, 0x300 };
	unsigned i;

	memset(s, 0, sizeof(*s));
	s->fcw = (uint16_t)(0x7f | precisions[rnd() % 4] | (rnd() & 3) << 10);
	if (rnd() % 3 == 0)
		s->fcw &= (uint16_t)(0xffc0 | rnd());
	s->fsw = (uint16_t)(rnd() & 0x7f00);		/* TOP, C0-C3 */
	s->fsw |= (uint16_t)(rnd() & s->fcw & 0x3f);	/* nothing is pending */
	s->ftw = (uint16_t)(rnd() % 3 ? 0xff : rnd() & 0xff);
	s->mxcsr = 0x1f80;
	for (i = 0; i < 8; i++)
		random_st(s->st[i]);
	for (i = 0; i < sizeof(s->mem) / 8; i++)
		((uint64_t *)s->mem)[i] = rnd();
	s->rax = rnd();
	s->rflags = 0x202 | (rnd() & X86_FLAGS_STATUS);
}

/* The operand that is loaded: singles, doubles, extendeds, integers, decimals */
static void random_operand(uint8_t *mem, unsigned size)
{
	static const uint32_t singles[] = { 0, 1, 0x7fffff, 0x800000, 0x3f800000, 0x7f800000,
					    0x7fc00000, 0x7f800001, 0x7f7fffff };
	static const uint64_t doubles[] = { 0, 1, 0xfffffffffffff, 1ull << 52, 0x3ffull << 52,
					    0x7ffull << 52, 0x7ff8ull << 48, (0x7ffull << 52) | 1,
					    (0x7ffull << 52) - 1 };
	uint64_t v = rnd(), sign = rnd() & 1;
	unsigned i;

	if (size == 4 && (rnd() & 1))
		v = singles[rnd() % ARRAY_SIZE(singles)] | sign << 31;
	if (size == 8 && (rnd() & 1))
		v = doubles[rnd() % ARRAY_SIZE(doubles)] | sign << 63;
	memcpy(mem, &v, 8);
	if (size != 10)
		return;
	random_st(mem);
	for (i = 0; i < 9 && (rnd() & 15) > 8 * i / 9; i++)	/* decimal digits, often */
		mem[i] = (uint8_t)(rnd() % 10 | rnd() % 10 << 4);
}

struct form {
	const struct x86_x87_row *row;
	unsigned	sti;
	bool		narrow;			/* with an operand size prefix */
	uint8_t		bytes[16];
	size_t		length;
};

enum { NO_OPERAND, ONE_STI, ST0_STI, STI_ST0, AX, NR_SHAPES };

static bool encode(struct form *f, unsigned shape)
{
	ZydisEncoderRequest req = {
		.machine_mode = ZYDIS_MACHINE_MODE_LONG_64, .mnemonic = f->row->mnemonic,
	};
	ZydisEncoderOperand *o = req.operands;
	unsigned first = shape == ST0_STI ? 0 : f->sti, second = shape == ST0_STI ? f->sti : 0;

	o[0].type = o[1].type = ZYDIS_OPERAND_TYPE_REGISTER;
	o[0].reg.value = shape == AX ? ZYDIS_REGISTER_AX : ZYDIS_REGISTER_ST0 + first;
	o[1].reg.value = ZYDIS_REGISTER_ST0 + second;
	req.operand_count = shape == NO_OPERAND ? 0 : shape == ST0_STI || shape == STI_ST0 ? 2 : 1;
	if (f->row->mem_size) {
		req.operand_count = 1;
		o[0].type = ZYDIS_OPERAND_TYPE_MEMORY;
		o[0].mem.base = ZYDIS_REGISTER_RDI;
		o[0].mem.size = f->row->mem_size;
	}
	f->length = sizeof(f->bytes) - 2;
	if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&req, f->bytes, &f->length)))
		return false;
	if (f->narrow) {
		memmove(f->bytes + 1, f->bytes, f->length++);
		f->bytes[0] = 0x66;
	}
	f->bytes[f->length] = 0xc3;
	return true;
}

/* Finds the row as the decoder's user does. */
static int row_of(const struct form *f)
{
	ZydisDecoder decoder;
	ZydisDecodedInstruction in;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	unsigned i, form = 0, size = 0, regs = 0;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, f->bytes, f->length, &in, o)));
	for (i = 0; i < in.operand_count_visible; i++) {
		if (o[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			size = o[i].size / 8;
		else if (ZydisRegisterGetClass(o[i].reg.value) == ZYDIS_REGCLASS_X87)
			regs++;
	}
	if (regs == 2)
		form = (in.opcode & 7) == 4 ? X86_X87_DST_STI : X86_X87_DST_ST0;
	return x86_x87_find((uint16_t)in.mnemonic, (uint16_t)size, (uint8_t)form);
}

static void modelled(const struct form *f, struct image *s)
{
	static struct x86_fpu fpu;
	struct x86_x87 x = { .fpu = &fpu, .sti = (uint8_t)f->sti, .eflags = (uint32_t)s->rflags,
			     .ax = (uint16_t)s->rax, .width = f->narrow ? 2 : 4 };
	unsigned size = f->row->mem_size;
	uint8_t mem[128];

	if (f->narrow)
		size = size == 28 ? 14 : 94;
	memset(mem, 0x5a, sizeof(mem));		/* what is stored over is not read */
	if (f->row->flags & X86_X87_LOAD)
		memcpy(mem, s->mem, size);
	fpu.fcw = s->fcw;
	fpu.fsw = s->fsw;
	fpu.ftw = (uint8_t)s->ftw;
	memcpy(fpu.st, s->st, sizeof(s->st));

	assert_int_equal(f->row->fn(mem, &x), 0);
	s->fcw = fpu.fcw;
	s->fsw = fpu.fsw;
	s->ftw = fpu.ftw;
	memcpy(s->st, fpu.st, sizeof(s->st));
	if ((f->row->flags & X86_X87_STORE) && !x.no_store)
		memcpy(s->mem, mem, size);
	if (f->row->flags & X86_X87_WRITES_AX)
		s->rax = (s->rax & ~0xffffull) | x.ax;
	if (f->row->flags & X86_X87_WRITES_FLAGS)
		s->rflags = (s->rflags & ~X86_FLAGS_STATUS) | x.eflags;
}

/* The instruction's bytes, decoded and executed by the model as a whole. */
static void executed(const struct form *f, struct image *s)
{
	static struct flat flat;
	struct x86_state *st = &flat.state;

	st->cr0 = X86_CR0_PE | X86_CR0_PG;
	st->cr4 = X86_CR4_OSFXSR;
	st->efer = X86_EFER_LMA | X86_EFER_LME;
	st->seg[X86_CS].ar = X86_AR_L | X86_AR_P;
	st->cpl = 3;
	st->fpu.fcw = s->fcw;
	st->fpu.fsw = s->fsw;
	st->fpu.ftw = (uint8_t)s->ftw;
	memcpy(st->fpu.st, s->st, sizeof(s->st));
	st->gpr[X86_RAX] = s->rax;
	st->gpr[X86_RDI] = flat.base = (uint64_t)s->mem;
	st->rflags = s->rflags;
	flat.mem = s->mem;
	flat.size = sizeof(s->mem);
	if (flat_one(&flat, f->bytes, (unsigned)f->length, 0x10000) == X86_STOP)
		fail_msg("%s stops: why %d vector %d", ZydisMnemonicGetString(f->row->mnemonic),
			 (int)flat.x.why, (int)flat.x.event.vector);
	s->fcw = st->fpu.fcw;
	s->fsw = st->fpu.fsw;
	s->ftw = st->fpu.ftw;
	memcpy(s->st, st->fpu.st, sizeof(s->st));
	s->rax = st->gpr[X86_RAX];
	s->rflags = st->rflags;
}

/* Where the last instruction was is not kept by the rows: its fields are blanked. */
static void blank_pointers(const struct form *f, struct image *s)
{
	if (!(f->row->flags & X86_X87_STORE) || f->row->mem_size < 28)
		return;
	if (f->narrow)
		memset(s->mem + 6, 0, 8);
	else
		memset(s->mem + 12, 0, 16);
}

static unsigned failures;

static void report(const struct form *f, const struct image *in, const struct image *want,
		   const struct image *got)
{
	size_t k;

	if (failures++ >= 20)
		return;
	print_error("%s st(%u) memory %u narrow %d: fcw %04x fsw %04x ftw %02x\n",
		    ZydisMnemonicGetString(f->row->mnemonic), f->sti, f->row->mem_size, f->narrow,
		    in->fcw, in->fsw, in->ftw);
	for (k = 0; k < sizeof(*in); k += 2)
		if (memcmp((char *)want + k, (char *)got + k, 2))
			print_error("  byte %3zu: in %04x want %04x got %04x\n", k,
				    *(uint16_t *)((char *)in + k), *(uint16_t *)((char *)want + k),
				    *(uint16_t *)((char *)got + k));
}

static void compare_once(const struct form *f)
{
	static void (*const models[])(const struct form *, struct image *) = { modelled, executed };
	static struct image in, want, got;
	unsigned i;

	random_state(&in);
	random_operand(in.mem, f->row->mem_size);
	want = in;
	memcpy(code, f->bytes, f->length + 1);
	native_x87(&want, code);
	want.fop = 0;
	want.fip = want.fdp = 0;
	want.mxcsr_mask = 0;
	blank_pointers(f, &want);
	for (i = 0; i < ARRAY_SIZE(models); i++) {
		got = in;
		models[i](f, &got);
		blank_pointers(f, &got);
		if (memcmp(&want, &got, sizeof(want)))
			report(f, &in, &want, &got);
	}
}

static unsigned forms;

static void try_row(unsigned nr)
{
	const struct x86_x87_row *row = x86_x87_row(nr);
	unsigned before = forms, i, k, narrow;

	for (k = 0; k < NR_SHAPES; k++)
		for (narrow = 0; narrow <= (row->mem_size >= 28u); narrow++) {
			struct form f = { .row = row, .narrow = narrow };

			for (f.sti = 0; f.sti < (k == NO_OPERAND || k == AX ? 1u : 8u); f.sti++) {
				if (row->mem_size && (k || f.sti))
					continue;
				if (!encode(&f, k) || row_of(&f) != (int)nr)
					continue;
				forms++;
				for (i = 0; i < ROUNDS; i++)
					compare_once(&f);
			}
		}
	if (forms == before) {
		print_error("row %u (%s) has no form\n", nr, ZydisMnemonicGetString(row->mnemonic));
		failures++;
	}
}

static void rows_do_what_this_processor_does(void **unused)
{
	unsigned nr;

	(void)unused;
	for (nr = 0; x86_x87_row(nr); nr++)
		try_row(nr);
	print_message("%u rows, %u forms compared\n", nr, forms);
	assert_int_equal(failures, 0);
}

/* Bytes 6..23 (last instruction) are the processor's own. */
static void assert_images_equal(const uint8_t *want, const uint8_t *got, size_t size)
{
	size_t k;

	for (k = 0; k < size; k++)
		if ((k < 6 || k > 23) && want[k] != got[k])
			fail_msg("byte %zu: want %02x got %02x", k, want[k], got[k]);
}

static uint32_t host_mxcsr_mask(void)
{
	struct image i;

	__asm__("fxsave %0" : "=m"(i));
	return i.mxcsr_mask;
}

static void random_image(uint8_t *image, size_t size)
{
	size_t k;

	for (k = 0; k < size; k++)
		image[k] = (uint8_t)rnd();
	random_state((struct image *)image);
	memset(image + offsetof(struct image, mem), 0, 64);
	for (k = 160; k < 512; k++)
		image[k] = (uint8_t)rnd();
	for (k = 576; k < size; k++)
		image[k] = (uint8_t)rnd();
	((struct image *)image)->mxcsr = (uint32_t)rnd() & host_mxcsr_mask();
}

static void fxsave_and_fxrstor_translate(void **unused)
{
	static uint8_t in[832] __attribute__((aligned(64))), want[832] __attribute__((aligned(64))),
		got[832] __attribute__((aligned(64))), host[512] __attribute__((aligned(64)));
	struct x86_image how = { host_mxcsr_mask(), 16, true };
	struct x86_fpu fpu = { 0 };
	unsigned i;

	(void)unused;
	for (i = 0; i < 2000; i++) {
		random_image(in, sizeof(in));
		random_image(want, sizeof(want));
		memcpy(got, want, sizeof(got));
		__asm__ volatile("fxsave64 %1; fxrstor64 %2; fxsave64 %0; fxrstor64 %1"
				 : "+m"(want), "+m"(host) : "m"(in));
		assert_int_equal(x86_fxrstor(&fpu, in, &how), 0);
		x86_fxsave(&fpu, got, &how);
		assert_images_equal(want, got, 416);
	}
	((struct image *)in)->mxcsr = 0x10000;
	assert_int_equal(x86_fxrstor(&fpu, in, &how), X86_GP);
	((struct image *)in)->mxcsr = X86_MXCSR_MM;
	how.mxcsr_mask = X86_MXCSR_COMMON;
	assert_int_equal(x86_fxrstor(&fpu, in, &how), X86_GP);
	how.mxcsr_mask |= X86_MXCSR_MM;
	assert_int_equal(x86_fxrstor(&fpu, in, &how), 0);
	assert_int_equal(fpu.mxcsr, X86_MXCSR_MM);
}

static bool host_has_avx_state(void)
{
	unsigned a, b, c, d, lo, hi;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return false;
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (lo & 7) == 7;
}

/*
 * A processor may say "in use" of a component that is in its initial state (SDM
 * vol. 1, 13.6: XINUSE), and does after an interrupt.  Then it has saved zeros
 * where we have saved nothing.
 */
static void forgive_in_use(uint8_t *want, const uint8_t *got)
{
	static const struct { unsigned bit, from, size; } part[] = {
		{ 1, 160, 256 }, { 2, 576, 256 },
	};

	for (unsigned i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		unsigned extra = want[512] & ~got[512] & (1u << part[i].bit);

		for (unsigned n = 0; extra && n < part[i].size; n++)
			assert_int_equal(want[part[i].from + n], 0);
		if (extra)
			memcpy(want + part[i].from, got + part[i].from, part[i].size);
		want[512] &= (uint8_t)~extra;
	}
}

static void xsave_and_xrstor_translate(void **unused)
{
	static uint8_t in[832] __attribute__((aligned(64))), want[832] __attribute__((aligned(64))),
		got[832] __attribute__((aligned(64)));
	static uint8_t host[8192] __attribute__((aligned(64)));
	struct x86_image how = { host_mxcsr_mask(), 16, true };
	struct x86_fpu fpu = { .mxcsr = 0x1f80 };
	unsigned i, mxcsr;

	(void)unused;
	if (!host_has_avx_state()) {
		print_message("this processor has no AVX state to compare with\n");
		return;
	}
	for (i = 0; i < 2000; i++) {
		unsigned load = rnd() & 7, save = rnd() & 7;

		random_image(in, sizeof(in));
		in[512] = rnd() & 7;
		random_image(want, sizeof(want));
		want[512] = rnd() & 7;
		memcpy(got, want, sizeof(got));
		/* All is loaded first, so that what @load leaves alone is known. */
		memcpy(host, in, sizeof(in));
		host[512] = 7;
		__asm__ volatile("stmxcsr %4; xrstor64 %2; mov %5, %%eax; xrstor64 %1;"
				 "mov %6, %%eax; xsave64 %0;"
				 "xor %%eax, %%eax; ldmxcsr %4; fninit"
				 : "+m"(want) : "m"(in), "m"(host), "a"(7), "m"(mxcsr), "r"(load),
				   "r"(save), "d"(0)
				 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
				   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
				   "xmm15", "memory");
		assert_int_equal(x86_xrstor(&fpu, host, 7, 7, &how), 0);
		assert_int_equal(x86_xrstor(&fpu, in, load, 7, &how), 0);
		x86_xsave(&fpu, got, save, false, &how);
		forgive_in_use(want, got);
		assert_images_equal(want, got, sizeof(want));
	}
	in[512] = 8;
	assert_int_equal(x86_xrstor(&fpu, in, 7, 7, &how), X86_GP);
	in[512] = 7;
	in[527] = 0x80;
	assert_int_equal(x86_xrstor(&fpu, in, 7, 7, &how), X86_GP);
	in[527] = 0;
	((struct image *)in)->mxcsr = X86_MXCSR_MM;
	how.mxcsr_mask = X86_MXCSR_COMMON;
	assert_int_equal(x86_xrstor(&fpu, in, 7, 7, &how), X86_GP);
	how.mxcsr_mask |= X86_MXCSR_MM;
	assert_int_equal(x86_xrstor(&fpu, in, 7, 7, &how), 0);
	assert_int_equal(x86_xsave_size(3), 576);
	assert_int_equal(x86_xsave_size(7), 832);
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
		cmocka_unit_test(fxsave_and_fxrstor_translate),
		cmocka_unit_test(xsave_and_xrstor_translate),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
