/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_modes.c - the same processor with 16 and 32 bits, and the way between
 * the modes, on both vendors' machines.
 */
#include "hw/cpu/a_vm.h"

#include <string.h>

#define CODE(name, text)						\
	extern const uint8_t name[], name##_end[];			\
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n"	\
		".code64\n.popsection")
#define LOAD(name) vm_code(vm, name, (size_t)(name##_end - name))

static const struct x86_segment code32 = { VM_CS, 0xc09b, 0xffffffff, 0 };
static const struct x86_segment data32 = { VM_DS, 0xc093, 0xffffffff, 0 };

/* Protected mode with 32 bits and no paging. */
static void protected_mode(struct vm *vm)
{
	unsigned i;

	vm->s.cr0 = X86_CR0_PE | X86_CR0_NE | X86_CR0_ET;
	vm->s.cr4 = X86_CR4_OSFXSR;
	vm->s.efer = 0;
	for (i = 0; i < 6; i++)
		vm->s.seg[i] = data32;
	vm->s.seg[X86_CS] = code32;
}

CODE(c_arith32, ".code32\n"
     "mov $0x40000,%ebx; movl $0xffffffff,(%ebx); incl (%ebx); setz %al; push %eax; pop %ecx;"
     "call 1f; 1: pop %edx; pushf; pop %esi; loop 2f; 2: hlt");

static void arithmetic_32(struct vm *vm)
{
	protected_mode(vm);
	LOAD(c_arith32);
	vm->s.gpr[X86_RAX] = 0xaaaaaaaa00000000ull;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RCX], 0);
	assert_int_equal(vm->s.gpr[X86_RDX], VM_CODE + 23);
	assert_int_equal(vm->s.gpr[X86_RSI] & X86_FLAGS_ZF, X86_FLAGS_ZF);
	assert_int_equal(vm->s.gpr[X86_RSP], VM_STACK);
	assert_int_equal(cpu_instructions(vm->cpu), 11);
}

CODE(c_limit, ".code32\n mov $0x1000,%eax; mov %fs:(%eax),%ebx");

/* Beyond the segment's limit: #GP through a 32-bit gate. */
static void segment_limit(struct vm *vm)
{
	uint64_t gate = (VM_HANDLERS + X86_GP * 16) | VM_CS << 16 | 0x8e00ull << 32;
	uint32_t frame[3];

	protected_mode(vm);
	gate = (gate & ~(0xffffull << 48)) | 0;
	memcpy(vm->mem + VM_IDT + X86_GP * 8, &gate, 8);
	gate = 0x00cf9b000000ffffull;
	memcpy(vm->mem + VM_GDT + VM_CS, &gate, 8);
	LOAD(c_limit);
	vm->s.seg[X86_FS].limit = 0xfff;
	vm->s.seg[X86_FS].ar &= ~(uint32_t)X86_AR_G;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_GP * 16);
	memcpy(frame, vm->mem + vm->s.gpr[X86_RSP], sizeof(frame));
	assert_int_equal(frame[0], 0);
	assert_int_equal(frame[1], VM_CODE + 5);
	assert_int_equal(frame[2], VM_CS);
}

/* Long mode on: CR4.PAE, CR3, paging, far jump to 64-bit code. */
CODE(c_to_long, ".code32\n"
     "mov %cr4,%eax; or $0x20,%eax; mov %eax,%cr4; mov $0x1000,%eax; mov %eax,%cr3;"
     "mov %cr0,%eax; or $0x80000000,%eax; mov %eax,%cr0; ljmp $8,$0x10100");
CODE(c_long, "mov $0x123456789abcdef0,%rbx; hlt");

static void into_long_mode(struct vm *vm)
{
	protected_mode(vm);
	vm->s.efer = X86_EFER_LME | X86_EFER_NX;
	LOAD(c_to_long);
	memcpy(vm->mem + VM_CODE + 0x100, c_long, (size_t)(c_long_end - c_long));
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_true(vm->s.efer & X86_EFER_LMA);
	assert_int_equal(vm->s.gpr[X86_RBX], 0x123456789abcdef0ull);
}

/* Compatibility mode: 32-bit code under long mode, and back with a far return. */
CODE(c_compat, "push $0x30; push $0x10100; lretq");
CODE(c_compat32, ".code32\n mov $-1,%eax; inc %eax; push %eax; mov 4(%esp),%ebx; int $0x21");

static void compatibility(struct vm *vm)
{
	uint64_t d = 0x00cf9b000000ffffull, ss;

	LOAD(c_compat);
	memcpy(vm->mem + VM_CODE + 0x100, c_compat32, (size_t)(c_compat32_end - c_compat32));
	memcpy(vm->mem + VM_GDT + 0x30, &d, 8);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + 0x21 * 16);
	assert_int_equal(vm->s.gpr[X86_RAX], 0);
	assert_int_equal(vm->s.seg[X86_CS].selector, VM_CS);
	memcpy(&ss, vm->mem + vm->s.gpr[X86_RSP] + 8, 8);
	assert_int_equal(ss, 0x30);
}

CODE(c_real, ".code16\n"
     "mov $0x4000,%ax; mov %ax,%ds; mov $0x1234,%bx; mov %bx,(0x10); mov (0x10),%cx;"
     "int $0x21; hlt");
CODE(c_real_handler, ".code16\n mov $7,%dx; iret");

static void real_mode(struct vm *vm)
{
	unsigned i;

	vm->s.cr0 = X86_CR0_ET;
	vm->s.cr4 = 0;
	vm->s.efer = 0;
	for (i = 0; i < 6; i++)
		vm->s.seg[i] = (struct x86_segment){ 0, 0x93, 0xffff, 0 };
	vm->s.seg[X86_CS] = (struct x86_segment){ VM_CODE >> 4, 0x9b, 0xffff, VM_CODE };
	vm->s.idtr = (struct x86_table){ 0x3ff, 0 };
	LOAD(c_real);
	vm->s.rip = 0;
	vm->s.gpr[X86_RSP] = 0xf000;
	memcpy(vm->mem + VM_CODE + 0x200, c_real_handler,
	       (size_t)(c_real_handler_end - c_real_handler));
	memcpy(vm->mem + 0x21 * 4, (uint16_t[]){ 0x200, VM_CODE >> 4 }, 4);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RCX], 0x1234);
	assert_int_equal(vm->s.gpr[X86_RDX], 7);
	assert_int_equal(vm->s.gpr[X86_RSP], 0xf000);
	assert_int_equal(vm->mem[VM_DATA + 0x10], 0x34);
}

CODE(c_la57, ".code64\n movabs $0x0100000000040000,%rax; movabs $0x0001000000040000,%rbx;"
     "mov (%rbx),%rcx; mov %rcx,8(%rbx); mov (%rax),%rdx; hlt");

/* Bit 48 is an address bit, bit 56 the sign; with four levels neither is canonical. */
static void five_levels(struct vm *vm)
{
	uint64_t v = 0x1122334455667788, e = VM_PML4 | 7;

	memcpy(vm->mem + VM_DATA, &v, 8);
	LOAD(c_la57);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_GP * 16);
	assert_int_equal(vm->s.gpr[X86_RCX], 0);

	memcpy(vm->mem + 0x20000, &e, 8);
	memcpy(vm->mem + 0x20008, &e, 8);
	vm->s.cr3 = 0x20000;
	vm->s.cr4 |= X86_CR4_LA57;
	vm->svm.tlb_control = SVM_TLB_FLUSH_ALL_ASID;
	vm->vmx.vpid = 2;
	vm->s.gpr[X86_RSP] = VM_STACK;
	LOAD(c_la57);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RCX], v);
	assert_memory_equal(vm->mem + VM_DATA + 8, &v, 8);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_GP * 16);
	assert_int_equal(vm->s.gpr[X86_RDX], 0);
}

/* --- task switches leave, whichever way they come ------------------------------------------ */

#define TSS_SEL		0x38
#define GATE_SEL	0x40
#define ABSENT_SEL	0x48
#define BUSY_SEL	0x50
#define BUSY_GATE_SEL	0x58

CODE(c_call_tss, ".code32\n lcall $0x38,$0");
CODE(c_jmp_tss, ".code32\n ljmp $0x38,$0");
CODE(c_call_gate, ".code32\n lcall $0x40,$0");
CODE(c_jmp_gate, ".code32\n ljmp $0x40,$0");
CODE(c_iret, ".code32\n iret");
CODE(c_int, ".code32\n int $0x41");
CODE(c_jmp_absent, ".code32\n ljmp $0x48,$0");
CODE(c_jmp_busy, ".code32\n ljmp $0x50,$0");
CODE(c_jmp_busy_gate, ".code32\n ljmp $0x58,$0");

enum { BY_CALL, BY_IRET, BY_JMP, BY_GATE };

/* @vector: it is refused with that, and @selector in the error code. */
static const struct task {
	const uint8_t *code, *end;
	uint16_t selector;
	uint8_t source, vector;
} tasks[] = {
#define T(n, sel, source, vector) { c_##n, c_##n##_end, sel, source, vector }
	T(call_tss, TSS_SEL, BY_CALL, 0), T(jmp_tss, TSS_SEL, BY_JMP, 0),
	T(call_gate, TSS_SEL, BY_CALL, 0), T(jmp_gate, TSS_SEL, BY_JMP, 0),
	T(iret, TSS_SEL, BY_IRET, 0), T(int, TSS_SEL, BY_GATE, 0),
	T(jmp_absent, ABSENT_SEL, 0, X86_NP), T(jmp_busy, BUSY_SEL, 0, X86_GP),
	T(jmp_busy_gate, BUSY_SEL, 0, X86_GP),
#undef T
};

static void task_descriptors(struct vm *vm)
{
	const uint64_t tss = 0x0000890000000067ull | (uint64_t)(VM_TSS + 0x200) << 16;
	const uint64_t gate = 5ull << 40 | 1ull << 47;
	const uint64_t d[] = { tss, gate | TSS_SEL << 16, tss & ~(1ull << 47), tss | 2ull << 40,
			       gate | BUSY_SEL << 16 };
	uint16_t link = TSS_SEL;

	memcpy(vm->mem + VM_GDT + TSS_SEL, d, sizeof(d));
	memcpy(vm->mem + VM_IDT + 0x41 * 8, &d[1], 8);
	memcpy(vm->mem + VM_TSS, &link, 2);
	vm->s.gdtr.limit = BUSY_GATE_SEL + 7;
}

static void task_switch(struct vm *vm, const struct task *t)
{
	protected_mode(vm);
	task_descriptors(vm);
	vm_code(vm, t->code, (size_t)(t->end - t->code));
	vm->s.rflags = 2 | (t->source == BY_IRET ? X86_FLAGS_NT : 0);
	vm->s.gpr[X86_RSP] = VM_STACK;
	vm->svm.intercept_exceptions = vm->vmx.exception_bitmap = 0xffffffff;
	vm_run(vm);
	assert_int_equal(vm->s.rip, VM_CODE);
	if (t->vector && vm->amd) {
		assert_int_equal(vm->svm_exit.exitcode, SVM_EXIT_EXCP0 + t->vector);
		assert_int_equal(vm->svm_exit.exitinfo1, t->selector);
	} else if (t->vector) {
		assert_int_equal(vm->vmx_exit.intr_info & 0xff, t->vector);
		assert_int_equal(vm->vmx_exit.intr_error, t->selector);
	} else if (vm->amd) {
		assert_int_equal(vm->svm_exit.exitcode, SVM_EXIT_TASK_SWITCH);
		assert_int_equal(vm->svm_exit.exitinfo1, t->selector);
		assert_int_equal(vm->svm_exit.exitinfo2, t->source == BY_IRET ? BIT(36) :
							 t->source == BY_JMP ? BIT(38) : 0);
	} else {
		assert_int_equal(vm->vmx_exit.reason, VMX_EXIT_TASK_SWITCH);
		assert_int_equal(vm->vmx_exit.qualification,
				 t->selector | (uint64_t)t->source << 30);
	}
}

static void task_switches(struct vm *vm)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(tasks); i++)
		task_switch(vm, &tasks[i]);
}

/* Bytes above the top of a reset processor: nothing there, and nothing of ours breaks. */
static void reset_vector(struct vm *vm)
{
	vm->s.cr0 = X86_CR0_ET | X86_CR0_CD | X86_CR0_NW;
	vm->s.cr4 = vm->s.efer = 0;
	vm->s.seg[X86_CS] = (struct x86_segment){ 0xf000, 0x9b, 0xffff, 0xffff0000 };
	vm->s.rip = 0xfff0;
	assert_int_equal(vm_run(vm), VM_NESTED);
	assert_int_equal(vm_gpa(vm), 0xfffffff0);
	assert_int_equal(vm->s.rip, 0xfff0);
}

static const struct row {
	const char *name;
	void (*fn)(struct vm *vm);
} rows[] = {
	{ "32-bit arithmetic", arithmetic_32 }, { "segment limit", segment_limit },
	{ "into long mode", into_long_mode }, { "compatibility mode", compatibility },
	{ "real mode", real_mode }, { "reset vector", reset_vector },
	{ "five levels", five_levels }, { "task switches", task_switches },
};

static void table(void **state)
{
	unsigned i, amd;
	struct vm vm;

	(void)state;
	for (amd = 0; amd < 2; amd++)
		for (i = 0; i < ARRAY_SIZE(rows); i++) {
			print_message("%s: %s\n", amd ? "amd" : "intel", rows[i].name);
			vm_init(&vm, amd);
			rows[i].fn(&vm);
			vm_fini(&vm);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
