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
	{ "five levels", five_levels },
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
