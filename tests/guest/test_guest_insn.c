/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_guest_insn.c - the decoder of the sample guests' #VC handler: a row for each shape of an
 * operand, and what it must not take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "insn.h"

#define ROW(text) (const uint8_t *)text, sizeof(text) - 1

struct row {
	const char	*why;
	const uint8_t	*bytes;
	size_t		 length;	/* of the text; the decoder finds the same */
	uint16_t	 opcode;
	uint8_t		 size;
	uint64_t	 address;	/* with registers RAX 0x1000, RCX 0x1001 ... R15 0x100f */
	uint64_t	 imm;
};

/* RIP-relative rows add the address of their own end. */
#define RELATIVE (1ull << 63)

static const struct row rows[] = {
	{ "mov (%rax),%ecx", ROW("\x8b\x08"), 0x8b, 4, 0x1000 },
	{ "mov (%rax),%rcx", ROW("\x48\x8b\x08"), 0x8b, 8, 0x1000 },
	{ "mov (%rax),%cx", ROW("\x66\x8b\x08"), 0x8b, 2, 0x1000 },
	{ "mov (%rax),%ch", ROW("\x8a\x28"), 0x8a, 1, 0x1000 },
	{ "66 with REX.W is 64 bits", ROW("\x66\x48\x8b\x08"), 0x8b, 8, 0x1000 },
	{ "mov %cl,-1(%rbx)", ROW("\x88\x4b\xff"), 0x88, 1, 0x1002 },
	{ "mov %ecx,0x100(%r9)", ROW("\x41\x89\x89\x00\x01\x00\x00"), 0x89, 4, 0x1109 },
	{ "mov (%r12),%eax: a SIB byte without index", ROW("\x41\x8b\x04\x24"), 0x8b, 4, 0x100c },
	{ "mov (%r13),%eax: a displacement of 0", ROW("\x41\x8b\x45\x00"), 0x8b, 4, 0x100d },
	{ "mov 8(%rsp),%eax", ROW("\x8b\x44\x24\x08"), 0x8b, 4, 0x100c },
	{ "mov (%rax,%rcx,4),%eax", ROW("\x8b\x04\x88"), 0x8b, 4, 0x1000 + 4 * 0x1001 },
	{ "mov (%rax,%r12,8),%eax: index 12", ROW("\x42\x8b\x04\xe0"), 0x8b, 4, 0x1000 + 8 * 0x100c },
	{ "mov 0x20(%rbp,%r9,2),%eax", ROW("\x42\x8b\x44\x4d\x20"), 0x8b, 4, 0x1025 + 2 * 0x1009 },
	{ "mov 0x7fff0000,%eax: SIB without base", ROW("\x8b\x04\x25\x00\x00\xff\x7f"), 0x8b, 4,
	  0x7fff0000 },
	{ "mov -16,%eax: sign-extended", ROW("\x8b\x04\x25\xf0\xff\xff\xff"), 0x8b, 4, -16ull },
	{ "mov 0x10(,%rcx,8),%eax", ROW("\x8b\x04\xcd\x10\x00\x00\x00"), 0x8b, 4, 0x10 + 8 * 0x1001 },
	{ "mov 0x40(%rip),%eax", ROW("\x8b\x05\x40\x00\x00\x00"), 0x8b, 4, RELATIVE | 0x40 },
	{ "movl $imm,0x40(%rip): from its end", ROW("\xc7\x05\x40\x00\x00\x00\x78\x56\x34\x12"), 0xc7, 4,
	  RELATIVE | 0x40, 0x12345678 },
	{ "mov (%eax,%ecx),%eax: 32 bits of address", ROW("\x67\x8b\x04\x08"), 0x8b, 4, 0x2001 },
	{ "movb $-2,(%rax)", ROW("\xc6\x00\xfe"), 0xc6, 1, 0x1000, -2ull },
	{ "movw $0x1234,(%rax)", ROW("\x66\xc7\x00\x34\x12"), 0xc7, 2, 0x1000, 0x1234 },
	{ "movq $-1,(%rax)", ROW("\x48\xc7\x00\xff\xff\xff\xff"), 0xc7, 8, 0x1000, -1ull },
	{ "movabs 0x1122334455667788,%eax", ROW("\xa1\x88\x77\x66\x55\x44\x33\x22\x11"), 0xa1, 4,
	  0x1122334455667788 },
	{ "addr32 mov %al,0x55667788", ROW("\x67\xa2\x88\x77\x66\x55"), 0xa2, 1, 0x55667788 },
	{ "movzbl (%rax),%ecx", ROW("\x0f\xb6\x08"), 0x0fb6, 4, 0x1000 },
	{ "movswq (%rax),%rcx", ROW("\x48\x0f\xbf\x08"), 0x0fbf, 8, 0x1000 },
	{ "movslq (%rax),%rcx", ROW("\x48\x63\x08"), 0x63, 8, 0x1000 },
	{ "rep movsl", ROW("\xf3\xa5"), 0xa5, 4 },
	{ "rep outsb", ROW("\xf3\x6e"), 0x6e, 1 },
	{ "insw", ROW("\x66\x6d"), 0x6d, 2 },
	{ "in $0x71,%al", ROW("\xe4\x71"), 0xe4, 1, 0, 0x71 },
	{ "out %eax,(%dx)", ROW("\xef"), 0xef, 4 },
	{ "cpuid", ROW("\x0f\xa2"), 0x0fa2, 4 },
	{ "rdtscp", ROW("\x0f\x01\xf9"), 0x0f01, 4 },
	{ "wbinvd", ROW("\x0f\x09"), 0x0f09, 4 },
	{ "ds: and es: mean nothing", ROW("\x3e\x26\x8b\x08"), 0x8b, 4, 0x1000 },
	{ "add is none of them", ROW("\x01\x08"), 0 },
	{ "fs: is not followed", ROW("\x64\x8b\x08"), 0 },
};

static struct guest_frame frame_at(const void *rip)
{
	struct guest_frame f = { .rip = (uintptr_t)rip };

	for (unsigned n = 0; n < 16; n++)
		*guest_insn_register(&f, n) = 0x1000 + n;
	/* so that (%rsp) and (%r12) differ from what their numbers say */
	f.rsp = 0x1004;
	return f;
}

static void decodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct guest_frame f = frame_at(r->bytes);
		struct guest_insn insn;
		uint64_t address = r->address;
		bool is = guest_insn_decode(&insn, &f);

		if (address & RELATIVE && r->address >> 32 == RELATIVE >> 32)
			address = (address & ~RELATIVE) + f.rip + r->length;
		if (is != !!r->opcode || (is && (insn.opcode != r->opcode || insn.length != r->length ||
						 insn.size != r->size || insn.imm != r->imm ||
						 insn.address != address)))
			fail_msg("%s: opcode %x, %u bytes, size %u, address %llx, immediate %llx", r->why,
				 insn.opcode, insn.length, insn.size, (unsigned long long)insn.address,
				 (unsigned long long)insn.imm);
	}
}

/* Which bits of a register a width reaches. */
static void registers(void **state)
{
	static const uint8_t high[] = "\x8a\x28", low[] = "\x40\x8a\x28", r9[] = "\x44\x8b\x08";
	struct guest_insn insn;
	struct guest_frame f = frame_at(high);

	(void)state;
	f.rcx = f.rbp = f.r9 = 0x1122334455667788;
	assert_true(guest_insn_decode(&insn, &f));
	assert_int_equal(guest_insn_get(&insn, &f, 1), 0x77);		/* CH */
	guest_insn_set(&insn, &f, 1, 0xaa);
	assert_int_equal(f.rcx, 0x112233445566aa88);
	f.rip = (uintptr_t)low;
	assert_true(guest_insn_decode(&insn, &f));
	guest_insn_set(&insn, &f, 1, 0xaa);				/* BPL */
	assert_int_equal(f.rbp, 0x11223344556677aa);
	f.rip = (uintptr_t)r9;
	assert_true(guest_insn_decode(&insn, &f));
	assert_int_equal(guest_insn_get(&insn, &f, 4), 0x55667788);
	guest_insn_set(&insn, &f, 2, 0xbbcc);
	assert_int_equal(f.r9, 0x112233445566bbcc);
	guest_insn_set(&insn, &f, 4, 0x99999999);			/* the upper half becomes 0 */
	assert_int_equal(f.r9, 0x99999999);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(decodes), cmocka_unit_test(registers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
