/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_run.c - small guest programs through both vendors' doors.
 */
#include "hw/cpu/a_vm.h"

#include <string.h>

#define RUN(code) do {							\
		static const uint8_t bytes[] = code;			\
		vm_code(vm, bytes, sizeof(bytes));			\
	} while (0)
#define CODE(...) { __VA_ARGS__ }

static void stops_at_hlt(struct vm *vm)
{
	/* mov $5,%eax; add $7,%rax; push %rax; pop %rcx; hlt */
	RUN(CODE(0xb8, 5, 0, 0, 0, 0x48, 0x83, 0xc0, 7, 0x50, 0x59, 0xf4));
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RCX], 12);
	assert_int_equal(vm->s.gpr[X86_RSP], VM_STACK);
	assert_int_equal(vm->s.rip, VM_CODE + 11);
	assert_int_equal(cpu_instructions(vm->cpu), 4);
}

static void port_io(struct vm *vm)
{
	/* mov $0x1000,%dx; in (%dx),%al */
	RUN(CODE(0x66, 0xba, 0x00, 0x10, 0xec));
	assert_int_equal(vm_run(vm), VM_IO);
	assert_int_equal(vm->s.rip, VM_CODE + 4);
	if (vm->amd) {
		assert_int_equal(vm->svm_exit.exitinfo1 & ~0x3fffull & 0xffff0000, 0x10000000);
		assert_true(vm->svm_exit.exitinfo1 & SVM_IOIO_IN);
		assert_true(vm->svm_exit.exitinfo1 & SVM_IOIO_SZ8);
		assert_int_equal(vm->svm_exit.exitinfo2, VM_CODE + 5);
	} else {
		assert_int_equal(vm->vmx_exit.qualification, 0x10000000 | VMX_IO_IN);
		assert_int_equal(vm->vmx_exit.insn_len, 1);
	}
}

static void hypercall(struct vm *vm)
{
	/* vmmcall / vmcall */
	if (vm->amd)
		RUN(CODE(0x0f, 0x01, 0xd9));
	else
		RUN(CODE(0x0f, 0x01, 0xc1));
	assert_int_equal(vm_run(vm), VM_HYPERCALL);
	/* the other vendor's is #UD: handler 6 halts */
	if (vm->amd)
		RUN(CODE(0x0f, 0x01, 0xc1));
	else
		RUN(CODE(0x0f, 0x01, 0xd9));
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + 6 * 16);
}

static void nested_fault_restarts(struct vm *vm)
{
	/* mov 0x400000 - 8(abs 32: 0x300ff8): mov 0x300ff8,%rax; hlt */
	RUN(CODE(0x48, 0x8b, 0x04, 0x25, 0xf8, 0x0f, 0x30, 0x00, 0xf4));
	vm_nested_set(vm, 0x300000, false);
	memcpy(vm->mem + 0x300ff8, "abcdefgh", 8);
	assert_int_equal(vm_run(vm), VM_NESTED);
	assert_int_equal(vm_gpa(vm) & ~0xfffull, 0x300000);
	assert_int_equal(vm->s.rip, VM_CODE);
	vm_nested_set(vm, 0x300000, true);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_memory_equal(&vm->s.gpr[X86_RAX], "abcdefgh", 8);
}

static void loop_counts(struct vm *vm)
{
	uint64_t before = cpu_instructions(vm->cpu);

	/* mov $1000,%ecx; 1: add $3,%rax; dec %ecx; jne 1b; hlt */
	RUN(CODE(0xb9, 0xe8, 3, 0, 0, 0x48, 0x83, 0xc0, 3, 0xff, 0xc9, 0x75, 0xf8, 0xf4));
	vm->s.gpr[X86_RAX] = 0;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RAX], 3000);
	assert_int_equal(cpu_instructions(vm->cpu) - before, 3001);
}

static void self_modifying(struct vm *vm)
{
	/* movb $0x90, 1f(%rip) (over hlt); 1: hlt; mov $7,%eax; hlt */
	RUN(CODE(0xc6, 0x05, 0, 0, 0, 0, 0x90, 0xf4, 0xb8, 7, 0, 0, 0, 0xf4));
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_CODE + 13);
	assert_int_equal(vm->s.gpr[X86_RAX] & 0xffffffff, 7);
	/* somebody else writes: the next entry sees it */
	vm->mem[VM_CODE + 9] = 9;
	vm->s.rip = VM_CODE + 8;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RAX], 9);
}

static void across_pages(struct vm *vm)
{
	/* an instruction over a page end, and a load and a store over one */
	static const uint8_t code[] = { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8,	/* movabs */
		0x48, 0xa3, 0xfc, 0x1f, 0x04, 0, 0, 0, 0, 0,		/* mov %rax,0x41ffc */
		0x48, 0x8b, 0x0c, 0x25, 0xfc, 0x1f, 0x04, 0, 0xf4 };

	memcpy(vm->mem + VM_CODE + 0xffd, code, sizeof(code));
	vm->s.rip = VM_CODE + 0xffd;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RAX], 0x0807060504030201ull);
	assert_int_equal(vm->s.gpr[X86_RCX], 0x0807060504030201ull);
}

static void kick(struct vm *vm)
{
	/* 1: jmp 1b */
	RUN(CODE(0xeb, 0xfe));
	cpu_kick(vm->cpu);
	assert_int_equal(vm_run(vm), VM_KICK);
	cpu_ack(vm->cpu);
}

static void triple_fault(struct vm *vm)
{
	RUN(CODE(0x0f, 0x0b));
	vm->s.idtr.limit = 0;
	assert_int_equal(vm_run(vm), VM_SHUTDOWN);
	assert_int_equal(vm->s.rip, VM_CODE);
}

static const struct row {
	const char *name;
	void (*fn)(struct vm *vm);
} rows[] = {
	{ "hlt", stops_at_hlt }, { "io", port_io }, { "hypercall", hypercall },
	{ "nested fault", nested_fault_restarts }, { "loop", loop_counts },
	{ "self-modifying code", self_modifying }, { "across pages", across_pages },
	{ "kick", kick }, { "triple fault", triple_fault },
};

static void run_rows(void **state)
{
	unsigned i, amd;

	(void)state;
	for (amd = 0; amd < 2; amd++)
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct vm vm;

			print_message("%s: %s\n", amd ? "amd" : "intel", rows[i].name);
			vm_init(&vm, amd);
			rows[i].fn(&vm);
			vm_fini(&vm);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(run_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
