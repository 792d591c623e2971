/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_breakpoints.c - DR0 to DR3 on both vendors' machines: which instruction
 * or access meets which breakpoint, where #DB stands and what DR6 says.
 */
#include "hw/cpu/a_vm.h"

#include <string.h>

#define CODE(name, text)						\
	extern const uint8_t name[], name##_end[];			\
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection")

CODE(b_nops, "nop; nop; nop; hlt");
CODE(b_store, "movl $1,0x40010; nop; hlt");			/* 11 bytes, then at 12 */
CODE(b_load, "mov 0x40010,%eax; nop; hlt");			/* 7 bytes */
CODE(b_byte, "movb $1,0x40013; nop; hlt");			/* 8 bytes */
CODE(b_split, "movl $1,0x40ffe; nop; hlt");			/* over a page end */
CODE(b_fill, "mov $0x40000,%edi; mov $0x40,%ecx; rep stosb; nop; hlt");
CODE(b_locked, "lock incl 0x40010; nop; hlt");			/* 8 bytes */
CODE(b_sse, "movups %xmm0,0x40008; nop; hlt");			/* 8 bytes */
CODE(b_after_ss, "mov %ss,%eax; mov %eax,%ss; movl $1,0x40010; nop; hlt");

#define EXEC		0u
#define WRITE		1u
#define ACCESS		3u
#define LEN(n)		((n) == 8 ? 2u : (n) - 1u)
/* Enabled locally, breakpoint @n. */
#define DR7(n, kind, len) (0x400u | 1u << (2 * (n)) | ((kind) | LEN(len) << 2) << (16 + 4 * (n)))

static const struct row {
	const char	*why;
	const uint8_t	*code, *end;
	unsigned	 n;			/* which breakpoint */
	uint64_t	 at;
	uint32_t	 dr7;
	uint64_t	 dr6;			/* bits 3:0 afterwards; 0: no #DB */
	uint64_t	 rip;			/* on the handler's stack, from VM_CODE */
} rows[] = {
#define C(c) c, c##_end
	{ "before the instruction", C(b_nops), 0, VM_CODE + 1, DR7(0, EXEC, 1), 1, 1 },
	{ "the fourth one", C(b_nops), 3, VM_CODE + 2, DR7(3, EXEC, 1), 8, 2 },
	{ "not in its middle", C(b_store), 0, VM_CODE + 1, DR7(0, EXEC, 1), 0, 0 },
	{ "not enabled", C(b_nops), 0, VM_CODE + 1, 0x400, 0, 0 },
	{ "enabled globally", C(b_nops), 1, VM_CODE + 1, 0x408, 2, 1 },
	{ "after a store", C(b_store), 0, 0x40010, DR7(0, WRITE, 4), 1, 11 },
	{ "a store to its last byte", C(b_byte), 0, 0x40010, DR7(0, WRITE, 4), 1, 8 },
	{ "a store beside it", C(b_byte), 0, 0x40010, DR7(0, WRITE, 2), 0, 0 },
	{ "a load is no store", C(b_load), 0, 0x40010, DR7(0, WRITE, 4), 0, 0 },
	{ "a load", C(b_load), 2, 0x40010, DR7(2, ACCESS, 4), 4, 7 },
	{ "eight bytes", C(b_store), 0, 0x40010, DR7(0, WRITE, 8), 1, 11 },
	{ "the second page of a store", C(b_split), 0, 0x41000, DR7(0, WRITE, 2), 1, 11 },
	{ "a repeated string", C(b_fill), 0, 0x40025, DR7(0, WRITE, 1), 1, 12 },
	{ "a locked instruction", C(b_locked), 0, 0x40010, DR7(0, WRITE, 4), 1, 8 },
	{ "sixteen bytes", C(b_sse), 0, 0x40010, DR7(0, WRITE, 8), 1, 8 },
	{ "held back by a load of SS", C(b_after_ss), 0, VM_CODE + 4, DR7(0, WRITE, 1), 0, 0 },
#undef C
};

static void run_row(const struct row *r, bool amd)
{
	uint64_t frame[5];
	struct vm vm;

	vm_init(&vm, amd);
	vm_code(&vm, r->code, (size_t)(r->end - r->code));
	vm.s.dr[r->n] = r->at;
	vm.s.dr7 = r->dr7;
	if (vm_run(&vm) != VM_HLT)
		fail_msg("%s: no HLT", r->why);
	memcpy(frame, vm.mem + vm.s.gpr[X86_RSP], sizeof(frame));
	if (!r->dr6 && (vm.s.rip < VM_CODE || vm.s.dr6 & 15))
		fail_msg("%s: a debug exception at %#llx", r->why, (unsigned long long)vm.s.rip);
	if (r->dr6 && (vm.s.rip != VM_HANDLERS + X86_DB * 16 || (vm.s.dr6 & 15) != r->dr6 ||
		       frame[0] != VM_CODE + r->rip))
		fail_msg("%s: rip %#llx, dr6 %#llx, pushed %#llx", r->why,
			 (unsigned long long)vm.s.rip, (unsigned long long)vm.s.dr6,
			 (unsigned long long)frame[0]);
	vm_fini(&vm);
}

static void each_breakpoint(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		run_row(&rows[i], true);
		run_row(&rows[i], false);
	}
}

/* RF lets one instruction pass, and is gone after it. */
static void rf_is_for_one_instruction(void **unused)
{
	struct vm vm;

	(void)unused;
	vm_init(&vm, true);
	vm_code(&vm, b_nops, (size_t)(b_nops_end - b_nops));
	vm.s.dr[0] = VM_CODE;
	vm.s.dr7 = DR7(0, EXEC, 1);
	vm.s.rflags |= X86_FLAGS_RF;
	assert_int_equal(vm_run(&vm), VM_HLT);
	assert_true(vm.s.rip >= VM_CODE);
	assert_int_equal(vm.s.rflags & X86_FLAGS_RF, 0);
	vm_fini(&vm);
}

/* The hypervisor sees #DB with DR6's bits: in DR6 on AMD, as the qualification on Intel. */
static void an_intercepted_one_says_which(void **unused)
{
	struct vm vm;

	(void)unused;
	for (int amd = 0; amd < 2; amd++) {
		vm_init(&vm, amd);
		vm.svm.intercept_exceptions = BIT(X86_DB);
		vm.vmx.exception_bitmap = BIT(X86_DB);
		vm_code(&vm, b_store, (size_t)(b_store_end - b_store));
		vm.s.dr[1] = 0x40010;
		vm.s.dr7 = DR7(1, WRITE, 4);
		vm.s.dr6 = 0xffff0ff0;
		assert_int_equal(vm_run(&vm), VM_EXCEPTION);
		assert_int_equal(vm.s.rip, VM_CODE + 11);
		assert_int_equal(amd ? vm.s.dr6 : vm.vmx_exit.qualification | 0xffff0ff0,
				 0xffff0ff2);
		vm_fini(&vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_breakpoint),
		cmocka_unit_test(rf_is_for_one_instruction),
		cmocka_unit_test(an_intercepted_one_says_which),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
