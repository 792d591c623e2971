/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_differential.c - random integer instructions on the model and on this
 * machine's own processor: registers, defined flags and memory must agree.
 *
 * usage: test_differential [SEED [COUNT]]; the default count fits the quick suite.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>

#include "x86/decode.h"
#include "x86/flat.h"
#include "x86/native.h"

static uint64_t seed = 1, count = 300000;
static unsigned tested[X86_NR_HANDLERS];

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

/* Values that find edges more often than chance does. */
static uint64_t rnd_value(void)
{
	static const uint64_t edges[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
		0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffffull,
		0x8000000000000000ull, ~0ull };
	uint64_t v = rnd();

	switch (v & 7) {
	case 0:
	case 1:
		return edges[(v >> 8) % ARRAY_SIZE(edges)];
	case 2:
		return rnd() & 0xff;
	case 3:
		return rnd() >> (v >> 8 & 63);
	default:
		return rnd();
	}
}

static bool category_is_ours(const ZydisDecodedInstruction *in)
{
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_BINARY: case ZYDIS_CATEGORY_LOGICAL: case ZYDIS_CATEGORY_SHIFT:
	case ZYDIS_CATEGORY_ROTATE: case ZYDIS_CATEGORY_DATAXFER: case ZYDIS_CATEGORY_BITBYTE:
	case ZYDIS_CATEGORY_CMOV: case ZYDIS_CATEGORY_SETCC: case ZYDIS_CATEGORY_STRINGOP:
	case ZYDIS_CATEGORY_SEMAPHORE: case ZYDIS_CATEGORY_FLAGOP: case ZYDIS_CATEGORY_MISC:
	case ZYDIS_CATEGORY_PUSH: case ZYDIS_CATEGORY_POP: case ZYDIS_CATEGORY_BMI1:
	case ZYDIS_CATEGORY_BMI2: case ZYDIS_CATEGORY_CONVERT: case ZYDIS_CATEGORY_ADOX_ADCX:
	case ZYDIS_CATEGORY_LZCNT: case ZYDIS_CATEGORY_SSE: case ZYDIS_CATEGORY_NOP:
	case ZYDIS_CATEGORY_WIDENOP:
		return true;
	default:
		return false;
	}
}

static bool is_excluded(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o)
{
	unsigned i;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_CPUID: case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI:
	case ZYDIS_MNEMONIC_HLT: case ZYDIS_MNEMONIC_ENTER: case ZYDIS_MNEMONIC_PAUSE:
	case ZYDIS_MNEMONIC_CLAC: case ZYDIS_MNEMONIC_STAC: case ZYDIS_MNEMONIC_POPF:
	case ZYDIS_MNEMONIC_POPFQ: case ZYDIS_MNEMONIC_RDPID: case ZYDIS_MNEMONIC_MONITOR:
	case ZYDIS_MNEMONIC_MWAIT: case ZYDIS_MNEMONIC_LSL: case ZYDIS_MNEMONIC_LAR:
	case ZYDIS_MNEMONIC_CLFLUSH: case ZYDIS_MNEMONIC_INVALID:
	case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXRSTOR:
	case ZYDIS_MNEMONIC_FXSAVE64: case ZYDIS_MNEMONIC_FXRSTOR64:
		return true;
	default:
		break;
	}
	if (in->mnemonic == ZYDIS_MNEMONIC_BSWAP && in->operand_width == 16)
		return true;			/* undefined */
	if (in->meta.category == ZYDIS_CATEGORY_WIDENOP && in->opcode == 0x0d)
		return true;			/* #UD on AMD, NOP on Intel */
	for (i = 0; i < in->operand_count; i++) {
		if (o[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (o[i].mem.segment == ZYDIS_REGISTER_FS || o[i].mem.segment == ZYDIS_REGISTER_GS ||
		     o[i].mem.base == ZYDIS_REGISTER_RIP || o[i].mem.base == ZYDIS_REGISTER_EIP))
			return true;
		if (i < in->operand_count_visible && o[i].type == ZYDIS_OPERAND_TYPE_REGISTER)
			switch (ZydisRegisterGetClass(o[i].reg.value)) {
			case ZYDIS_REGCLASS_GPR8: case ZYDIS_REGCLASS_GPR16:
			case ZYDIS_REGCLASS_GPR32: case ZYDIS_REGCLASS_GPR64:
				break;
			default:
				return true;
			}
	}
	return false;
}

/* Random bytes, shaped so that they often are an instruction. */
static unsigned rnd_bytes(uint8_t *b)
{
	static const uint8_t legacy[] = { 0x66, 0x66, 0x66, 0xf0, 0xf2, 0xf3, 0x67, 0x3e };
	unsigned n = 0, i;

	while (rnd() % 4 == 0 && n < 3)
		b[n++] = legacy[rnd() % ARRAY_SIZE(legacy)];
	switch (rnd() % 16) {
	case 0:		/* VEX: maps 0F38 and 0F3A */
		b[n++] = 0xc4;
		b[n++] = (uint8_t)((rnd() & 0xe0) | (2 + (rnd() & 1)));
		b[n++] = (uint8_t)(rnd() & 0xfb);
		b[n++] = (uint8_t)(0xf0 + (rnd() & 7));
		break;
	case 1:
		if (rnd() & 1)
			b[n++] = (uint8_t)(0x40 | (rnd() & 15));
		b[n++] = 0x0f;
		b[n++] = 0x38;
		b[n++] = (uint8_t)(0xf0 + (rnd() & 7));
		break;
	case 2: case 3: case 4: case 5: case 6:
		if (rnd() & 1)
			b[n++] = (uint8_t)(0x40 | (rnd() & 15));
		b[n++] = 0x0f;
		break;
	default:
		if (rnd() & 1)
			b[n++] = (uint8_t)(0x40 | (rnd() & 15));
	}
	for (i = n; i < 15; i++)
		b[i] = (uint8_t)rnd();
	return 15;
}

static unsigned gpr_index(ZydisRegister r)
{
	return (unsigned)ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(
		ZYDIS_MACHINE_MODE_LONG_64, r));
}

/* Makes the memory operand fall into the window; false: cannot. */
static bool aim(struct native *n, const ZydisDecodedOperand *o, const ZydisDecodedInstruction *in)
{
	uint64_t target = (uint64_t)(uintptr_t)native_memory() + 0x1000 + rnd() % 0x1000;
	uint64_t rest = (uint64_t)(o->mem.disp.has_displacement ? o->mem.disp.value : 0);

	if (o->mem.base == ZYDIS_REGISTER_NONE)
		return false;
	if (o->mem.index != ZYDIS_REGISTER_NONE) {
		unsigned i = gpr_index(o->mem.index);

		if (i == gpr_index(o->mem.base) || i == X86_RSP)
			return false;
		if (in->address_width == 32)
			n->r[i] = (uint32_t)n->r[i];
		rest += n->r[i] * o->mem.scale;
	}
	n->r[gpr_index(o->mem.base)] = in->address_width == 32 ? (uint32_t)(target - rest)
							       : target - rest;
	return true;
}

static void rnd_state(struct native *n)
{
	unsigned i;

	for (i = 0; i < 16; i++)
		n->r[i] = rnd_value();
	n->r[X86_RSP] = (uint64_t)(uintptr_t)native_memory() + 0x2000 + (rnd() & 0x7f8);
	n->flags = 0x202 | (rnd() & X86_FLAGS_STATUS) | (rnd() % 4 ? 0 : X86_FLAGS_DF);
}

/* Registers that the instruction needs to be reasonable. */
static bool prepare(struct native *n, const ZydisDecodedInstruction *in,
		    const ZydisDecodedOperand *o)
{
	unsigned i;

	rnd_state(n);
	if (in->meta.category == ZYDIS_CATEGORY_STRINGOP || in->mnemonic == ZYDIS_MNEMONIC_XLAT) {
		n->r[X86_RCX] = rnd() % 20;
		for (i = X86_RSI; i <= X86_RDI; i++)
			n->r[i] = (uint64_t)(uintptr_t)native_memory() + 0x1000 + rnd() % 0x1000;
		n->r[X86_RBX] = n->r[X86_RSI];
		return true;
	}
	for (i = 0; i < in->operand_count_visible; i++) {
		if (o[i].type != ZYDIS_OPERAND_TYPE_MEMORY ||
		    o[i].mem.type == ZYDIS_MEMOP_TYPE_AGEN)
			continue;
		/* a bit string: the offset must stay near */
		if (i == 0 && in->operand_count_visible > 1 && in->mnemonic >= ZYDIS_MNEMONIC_BT &&
		    in->mnemonic <= ZYDIS_MNEMONIC_BTS &&
		    o[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
			n->r[gpr_index(o[1].reg.value)] = rnd() % 0x4000 - 0x2000;
		if (!aim(n, &o[i], in))
			return false;
	}
	return true;
}

/* Flags that the manual leaves undefined for this instruction and these operands. */
static uint64_t undefined_flags(const ZydisDecodedInstruction *in)
{
	uint64_t u = in->cpu_flags ? in->cpu_flags->undefined : 0;

	/* The machine's own, on the guest's flags: what it leaves alone stays. */
	if (in->mnemonic == ZYDIS_MNEMONIC_IMUL && in->operand_count_visible > 1)
		return 0;
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_SHIFT:
		return u | X86_FLAGS_OF | X86_FLAGS_AF;
	case ZYDIS_CATEGORY_ROTATE:
		return u | X86_FLAGS_OF;
	default:
		return u;
	}
}

static void report(const char *what, const uint8_t *b, unsigned len, uint64_t s,
		   const struct native *before, const struct native *real, const struct flat *f)
{
	unsigned i;

	fprintf(stderr, "%s (seed %#lx):", what, (unsigned long)s);
	for (i = 0; i < len; i++)
		fprintf(stderr, " %02x", b[i]);
	fputc('\n', stderr);
	for (i = 0; i < 16; i++)
		if (real->r[i] != f->state.gpr[i] || before->r[i] != real->r[i])
			fprintf(stderr, "  r%u: before %016lx real %016lx model %016lx%s\n", i,
				(unsigned long)before->r[i], (unsigned long)real->r[i],
				(unsigned long)f->state.gpr[i],
				real->r[i] == f->state.gpr[i] ? "" : " <<<");
	fprintf(stderr, "  flags: before %lx real %lx model %lx\n", (unsigned long)before->flags,
		(unsigned long)real->flags, (unsigned long)f->state.rflags);
	if (!getenv("DIFF_GO_ON"))
		fail();
}

static void compare(struct flat *f, const uint8_t *b, const ZydisDecodedInstruction *in,
		    const struct native *before, uint64_t s)
{
	static uint8_t image[NATIVE_SIZE];
	struct native real = *before;
	uint64_t mask = X86_FLAGS_STATUS & ~undefined_flags(in);
	int r, sig;

	memcpy(image, native_memory(), NATIVE_SIZE);
	memcpy(f->state.gpr, before->r, sizeof(f->state.gpr));
	f->state.rflags = before->flags;
	f->mem = image;
	r = flat_one(f, b, in->length, 0x10000);
	if (r == X86_STOP && !(f->x.why == X86_WHY_EVENT && f->x.event.vector == X86_DE))
		return;			/* outside the window, or not user mode's */
	sig = native_run(&real, b, in->length);
	if (sig || r == X86_STOP) {
		if (sig != SIGFPE || r != X86_STOP)
			report("fault", b, in->length, s, before, &real, f);
		return;
	}
	if (memcmp(real.r, f->state.gpr, sizeof(real.r)))
		report("registers", b, in->length, s, before, &real, f);
	if ((real.flags ^ f->state.rflags) & mask)
		report("flags", b, in->length, s, before, &real, f);
	if (memcmp(image, native_memory(), NATIVE_SIZE))
		report("memory", b, in->length, s, before, &real, f);
	tested[f->id]++;
}

static bool one(struct flat *f, const ZydisDecoder *z)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	struct native before;
	uint64_t s = seed;
	uint8_t b[15];

	rnd_bytes(b);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(z, b, sizeof(b), &in, o)) ||
	    !category_is_ours(&in) || is_excluded(&in, o) || !prepare(&before, &in, o))
		return false;
	compare(f, b, &in, &before, s);
	return true;
}

static void agrees_with_this_processor(void **state)
{
	static struct flat f;
	ZydisDecoder z;
	uint64_t i, done = 0, forms = 0;

	(void)state;
	assert_int_equal(native_init(), 0);
	print_message("seed %#lx, %lu instructions\n", (unsigned long)seed, (unsigned long)count);
	ZydisDecoderInit(&z, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	f.base = (uint64_t)(uintptr_t)native_memory();
	f.size = NATIVE_SIZE;
	f.state.cr0 = X86_CR0_PE | X86_CR0_PG;
	f.state.efer = X86_EFER_LMA | X86_EFER_LME;
	f.state.seg[X86_CS].ar = X86_AR_L | X86_AR_P;
	f.state.cpl = 3;
	for (i = 0; i < NATIVE_SIZE; i++)
		native_memory()[i] = (uint8_t)rnd();
	while (done < count)
		done += one(&f, &z);
	for (i = 0; i < X86_NR_HANDLERS; i++)
		forms += tested[i] != 0;
	print_message("%lu handlers compared\n", (unsigned long)forms);
	for (i = 0; i < X86_NR_HANDLERS; i++)
		if (getenv("DIFF_LIST"))
			print_message("%u %s\n", tested[i], x86_handler_name((unsigned)i));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(agrees_with_this_processor) };

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	if (argc > 2)
		count = strtoull(argv[2], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
