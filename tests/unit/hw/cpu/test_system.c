/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_system.c - privileged instructions: who may, what leaves and with which
 * numbers, what they do; on both vendors' machines.
 */
#include "hw/cpu/a_vm.h"

#include <string.h>

#define CODE(name, text)						\
	extern const uint8_t name[], name##_end[];			\
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection")
#define LOAD(name) vm_code(vm, name, (size_t)(name##_end - name))

/* --- CPL 3 may not -------------------------------------------------------------------- */

CODE(c_user, "pushq $0x23; pushq $0x2f000; pushq $0x3202; pushq $0x1b; pushq $0x10100; iretq");
CODE(u_hlt, "hlt");
CODE(u_rdmsr, "rdmsr");
CODE(u_wrmsr, "wrmsr");
CODE(u_cr, "mov %cr0,%rax");
CODE(u_dr, "mov %rax,%dr7");
CODE(u_clts, "clts");
CODE(u_lgdt, "lgdt 0x40000");
CODE(u_invlpg, "invlpg 0x40000");
CODE(u_wbinvd, "wbinvd");
CODE(u_swapgs, "swapgs");
CODE(u_lmsw, "lmsw %ax");
CODE(u_ltr, "ltr %ax");
CODE(u_sysret, "sysretq");
CODE(u_fsbase, "rdfsbase %rax");
CODE(u_stac, "stac");
CODE(u_xsetbv, "xsetbv");

static const struct denied {
	const char *name;
	const uint8_t *code, *end;
	uint8_t vector;
} denied[] = {
#define D(n, v) { #n, u_##n, u_##n##_end, v }
	D(hlt, X86_GP), D(rdmsr, X86_GP), D(wrmsr, X86_GP), D(cr, X86_GP), D(dr, X86_GP),
	D(clts, X86_GP), D(lgdt, X86_GP), D(invlpg, X86_GP), D(wbinvd, X86_GP),
	D(swapgs, X86_GP), D(lmsw, X86_GP), D(ltr, X86_GP), D(sysret, X86_GP),
	D(fsbase, X86_UD), D(stac, X86_UD), D(xsetbv, X86_UD),
#undef D
};

static void deny(struct vm *vm, const struct denied *d)
{
	LOAD(c_user);
	memcpy(vm->mem + VM_CODE + 0x100, d->code, (size_t)(d->end - d->code));
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + d->vector * 16);
}

/* --- flags and ports at CPL 3 ---------------------------------------------------------- */

CODE(c_user_iopl0,
     "pushq $0x23; pushq $0x2f000; pushq $0x202; pushq $0x1b; pushq $0x10100; iretq");
CODE(u_popf, "pushq $0x3000; popfq; ud2");
CODE(u_cli, "cli");
CODE(u_in, "mov $0x41,%dx; in (%dx),%al");

static void user_code(struct vm *vm, const uint8_t *code, const uint8_t *end)
{
	LOAD(c_user_iopl0);
	memcpy(vm->mem + VM_CODE + 0x100, code, (size_t)(end - code));
}

/* POPF leaves IF and IOPL alone. */
static void popf_user(struct vm *vm)
{
	uint64_t flags;

	user_code(vm, u_popf, u_popf_end);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_UD * 16);
	memcpy(&flags, vm->mem + vm->s.gpr[X86_RSP] + 16, 8);
	assert_int_equal(flags & (X86_FLAGS_IF | X86_FLAGS_IOPL), X86_FLAGS_IF);
}

static void cli_user(struct vm *vm)
{
	user_code(vm, u_cli, u_cli_end);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_GP * 16);
}

/* The TSS's bitmap decides: first no bitmap, then one that allows port 41h. */
static void port_bitmap(struct vm *vm)
{
	uint16_t base = 0x68;

	memcpy(vm->mem + VM_TSS + 102, &base, 2);
	user_code(vm, u_in, u_in_end);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_GP * 16);

	memset(vm->mem + VM_TSS + base, 0xff, 0x20);
	vm->mem[VM_TSS + base + 8] = 0xfd;
	vm->s.seg[X86_TR].limit = base + 0x20;
	vm->s.gpr[X86_RSP] = VM_STACK;
	user_code(vm, u_in, u_in_end);
	assert_int_equal(vm_run(vm), VM_IO);
	assert_int_equal(vm->s.cpl, 3);
}

/* --- control registers ----------------------------------------------------------------- */

CODE(c_cr0, "mov %cr0,%rax; mov %rax,%rbx; xor $0x8,%rbx; mov %rbx,%cr0; hlt");

static void cr0_exits(struct vm *vm)
{
	LOAD(c_cr0);
	vm->svm.intercept_cr_write = 1;
	vm->vmx.cr0_mask = X86_CR0_TS;
	vm->vmx.cr0_shadow = 0;
	assert_int_equal(vm_run(vm), VM_CR);
	assert_int_equal(vm->s.rip, VM_CODE + 10);
	if (vm->amd) {
		assert_int_equal(vm->svm_exit.exitcode, SVM_EXIT_CR0_WRITE);
		assert_int_equal(vm->svm_exit.exitinfo1, BIT(63) | X86_RBX);
		assert_int_equal(vm->svm_exit.nrip, VM_CODE + 13);
	} else {
		assert_int_equal(vm->vmx_exit.qualification, X86_RBX << 8);
		assert_int_equal(vm->vmx_exit.insn_len, 3);
	}
}

/* Not owned: the write happens; owned and equal to the shadow: the real bit stays. */
static void cr0_written(struct vm *vm)
{
	LOAD(c_cr0);
	vm->vmx.cr0_mask = X86_CR0_WP;		/* shadow says clear, the real one is set */
	assert_int_equal(vm_run(vm), VM_HLT);
	if (vm->amd)
		assert_int_equal(vm->s.gpr[X86_RAX] & X86_CR0_WP, X86_CR0_WP);
	else
		assert_int_equal(vm->s.gpr[X86_RAX] & X86_CR0_WP, 0);
	assert_int_equal(vm->s.cr0 & (X86_CR0_TS | X86_CR0_WP), X86_CR0_TS | X86_CR0_WP);
}

/* A new CR3 is in force for the next instruction; global pages are not meant to help. */
CODE(c_cr3, "mov 0x40000,%rax; mov $0x20000,%ecx; mov %rcx,%cr3; mov 0x40000,%rbx; hlt");

static void cr3_switches(struct vm *vm)
{
	uint64_t pte = 0x41000 | 7;

	/* a copy of the tables at 20000h that maps 40000h elsewhere */
	memcpy(vm->mem + 0x20000, vm->mem + VM_PML4, 0x4000);
	*(uint64_t *)(void *)(vm->mem + 0x20000) = 0x21000 | 7;
	*(uint64_t *)(void *)(vm->mem + 0x21000) = 0x22000 | 7;
	*(uint64_t *)(void *)(vm->mem + 0x22000) = 0x23000 | 7;
	memcpy(vm->mem + 0x23000 + 0x40 * 8, &pte, 8);
	vm->mem[0x40000] = 1;
	vm->mem[0x41000] = 2;
	LOAD(c_cr3);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RAX], 1);
	assert_int_equal(vm->s.gpr[X86_RBX], 2);
}

/* --- tables, selectors, bases ----------------------------------------------------------- */

CODE(c_tables, "sgdt 0x40000; lgdt 0x40000; sidt 0x40010; lidt 0x40010; str %eax; hlt");

static void tables(struct vm *vm)
{
	uint64_t base;

	LOAD(c_tables);
	assert_int_equal(vm_run(vm), VM_HLT);
	memcpy(&base, vm->mem + 0x40002, 8);
	assert_int_equal(base, VM_GDT);
	assert_int_equal(vm->s.gdtr.limit, 0x37);
	assert_int_equal(vm->s.idtr.base, VM_IDT);
	assert_int_equal(vm->s.gpr[X86_RAX], VM_TR);
}

CODE(c_ltr, "mov $0x28,%eax; ltr %ax; mov $0x18,%ecx; lar %ecx,%edx; lsl %ecx,%esi;"
     "mov $0x100,%ecx; lar %ecx,%edi; setz %bl; mov $0x10,%ecx; verw %cx; setz %bh; hlt");

static void selectors(struct vm *vm)
{
	LOAD(c_ltr);
	vm->s.gpr[X86_RBX] = 0;
	vm->s.gpr[X86_RDI] = 5;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->mem[VM_GDT + 0x28 + 5], 0x8b);	/* busy */
	assert_int_equal(vm->s.gpr[X86_RDX], 0xaffb00);	/* limit 19:16 undefined */
	assert_int_equal(vm->s.gpr[X86_RSI], 0xffffffff);
	assert_int_equal(vm->s.gpr[X86_RDI], 5);
	assert_int_equal(vm->s.gpr[X86_RBX], 0x100);
}

CODE(c_gs, "mov %gs:0,%rax; swapgs; mov %gs:0,%rbx; rdgsbase %rcx; wrfsbase %rcx;"
     "mov %fs:8,%rdx; hlt");

static void bases(struct vm *vm)
{
	LOAD(c_gs);
	vm->s.cr4 |= X86_CR4_FSGSBASE;
	vm->s.seg[X86_GS].base = 0x40000;
	vm->s.msr.kernel_gs_base = 0x41000;
	vm->mem[0x40000] = 1;
	vm->mem[0x41000] = 2;
	vm->mem[0x41008] = 3;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RAX], 1);
	assert_int_equal(vm->s.gpr[X86_RBX], 2);
	assert_int_equal(vm->s.gpr[X86_RCX], 0x41000);
	assert_int_equal(vm->s.gpr[X86_RDX], 3);
}

CODE(c_rep, "mov $0x40000,%edi; mov $0x41,%eax; mov $0x1800,%ecx; rep stosb;"
     "mov $0x40000,%esi; mov $0x42800,%edi; mov $0x1800,%ecx; rep movsb; hlt");

/* Runs over page ends; a nested fault in the middle goes on where it was. */
static void rep_strings(struct vm *vm)
{
	LOAD(c_rep);
	vm_nested_set(vm, 0x41000, false);
	assert_int_equal(vm_run(vm), VM_NESTED);
	assert_int_equal(vm->s.gpr[X86_RCX], 0x800);
	assert_int_equal(vm->s.gpr[X86_RDI], 0x41000);
	assert_int_equal(vm->s.rip, VM_CODE + 15);
	vm_nested_set(vm, 0x41000, true);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->mem[0x417ff], 0x41);
	assert_int_equal(vm->mem[0x41800], 0);
	assert_memory_equal(vm->mem + 0x42800, vm->mem + 0x40000, 0x1800);
	assert_int_equal(vm->s.gpr[X86_RCX], 0);
}

CODE(c_cmps, "xor %eax,%eax; mov $0x40ff0,%esi; mov $0x40ff0,%edi; mov $0x20,%ecx; stc;"
     "repe cmpsb; hlt");

/* Of equal strings that run into a page that is not there: SDM vol. 2B, REP, or AMD's way. */
static void compares_that_fault(struct vm *vm)
{
	const uint64_t status = X86_FLAGS_ZF | X86_FLAGS_CF | X86_FLAGS_PF;

	LOAD(c_cmps);
	*vm_pte(vm, 0x41000) = 0;
	vm->svm.intercept_exceptions = vm->vmx.exception_bitmap = 1u << X86_PF;
	assert_int_equal(vm_run(vm), VM_EXCEPTION);
	assert_int_equal(vm->s.gpr[X86_RCX], 0x10);
	assert_int_equal(vm->s.gpr[X86_RSI], 0x41000);
	assert_int_equal(vm->s.rflags & status, vm->amd ? X86_FLAGS_ZF | X86_FLAGS_PF : status);
	*vm_pte(vm, 0x41000) = 0x41000 | 7;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rflags & status, X86_FLAGS_ZF | X86_FLAGS_PF);
}

CODE(c_xsave, "mov $0x40dc0,%edi; mov $3,%eax; xor %edx,%edx; xsave (%rdi); xrstor (%rdi);"
     "mov $4,%eax; xsaveopt (%rdi); hlt");
CODE(c_xgetbv, "mov $1,%ecx; xgetbv; mov %eax,%esi; movl $0x1fa0,0x40000; ldmxcsr 0x40000; xgetbv;"
     "hlt");

/* What is not asked for is not touched; MXCSR is SSE's for XGETBV. */
static void state_areas(struct vm *vm)
{
	LOAD(c_xsave);
	*vm_pte(vm, 0x41000) = 0;
	vm->s.cr4 |= X86_CR4_OSXSAVE;
	vm->s.xcr0 = 7;
	vm->svm.intercept_exceptions = vm->vmx.exception_bitmap = 1u << X86_PF;
	assert_int_equal(vm_run(vm), VM_EXCEPTION);
	assert_int_equal(vm->s.gpr[X86_RAX], 4);
	*vm_pte(vm, 0x41000) = 0x41000 | 7;
	assert_int_equal(vm_run(vm), VM_HLT);
	LOAD(c_xgetbv);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RSI], 0);
	assert_int_equal(vm->s.gpr[X86_RAX], 2);
}

CODE(c_mm, "movl $0x21f80,0x40000; ldmxcsr 0x40000; hlt");
CODE(c_paddd, "paddd 0x40001,%xmm0; hlt");
CODE(c_movaps, "movaps 0x40001,%xmm0; hlt");
CODE(c_fxsave, "fxsave 0x40000; hlt");
CODE(c_fxrstor, "fxrstor 0x40000; hlt");
CODE(c_xsave_mm, "movl $3,%eax; xor %edx,%edx; xsave 0x40400; hlt");
CODE(c_xrstor_mm, "movl $3,%eax; xor %edx,%edx; xrstor 0x40400; hlt");

static void set_word(struct vm *vm, unsigned at, uint32_t v)
{
	memcpy(vm->mem + VM_DATA + at, &v, 4);
}

/* All ways of setting MXCSR.MM, what the images tell of it, and what it does: moves must be aligned. */
static void try_mxcsr_mm(struct vm *vm, bool has_mm)
{
	enum vm_exit_kind loads = has_mm ? VM_HLT : VM_EXCEPTION;
	uint32_t mask[2];

	vm->svm.intercept_exceptions = vm->vmx.exception_bitmap = 1u << X86_GP;
	vm->s.cr4 |= X86_CR4_OSXSAVE;
	vm->s.xcr0 = 3;
	LOAD(c_paddd);
	assert_int_equal(vm_run(vm), VM_EXCEPTION);
	LOAD(c_mm);
	assert_int_equal(vm_run(vm), loads);
	LOAD(c_paddd);
	assert_int_equal(vm_run(vm), loads);
	LOAD(c_movaps);
	assert_int_equal(vm_run(vm), VM_EXCEPTION);
	LOAD(c_fxsave);
	assert_int_equal(vm_run(vm), VM_HLT);
	LOAD(c_xsave_mm);
	assert_int_equal(vm_run(vm), VM_HLT);
	memcpy(&mask[0], vm->mem + VM_DATA + 28, 4);
	memcpy(&mask[1], vm->mem + VM_DATA + 0x400 + 28, 4);
	assert_int_equal(mask[0], has_mm ? 0x2ffff : 0xffff);
	assert_int_equal(mask[1], mask[0]);
	set_word(vm, 24, 0x21f80);
	set_word(vm, 0x400 + 24, 0x21f80);
	LOAD(c_fxrstor);
	assert_int_equal(vm_run(vm), loads);
	LOAD(c_xrstor_mm);
	assert_int_equal(vm_run(vm), loads);
	set_word(vm, 24, 0x11f80);
	LOAD(c_fxrstor);
	assert_int_equal(vm_run(vm), VM_EXCEPTION);
	assert_int_equal(vm->s.fpu.mxcsr, has_mm ? 0x21f80 : 0x1f80);
}

/* On a machine that has it, one that has not, and Intel's, which never has. */
static void misaligned_operands(struct vm *vm)
{
	bool amd = vm->amd;

	for (unsigned mm = 0; mm < 2; mm++) {
		vm_fini(vm);
		vm_init_on(vm, (struct hw_config){ .vendor = amd ? HW_VENDOR_AMD : HW_VENDOR_INTEL,
						   .phys_bits = 46, .nr_cpus = 2,
						   .misalign_sse = mm });
		try_mxcsr_mm(vm, amd && mm);
	}
}

static const struct row {
	const char *name;
	void (*fn)(struct vm *vm);
} rows[] = {
	{ "popf at CPL 3", popf_user }, { "cli at CPL 3", cli_user },
	{ "port bitmap", port_bitmap }, { "CR0 exits", cr0_exits }, { "CR0 written", cr0_written },
	{ "CR3 switches", cr3_switches }, { "tables", tables }, { "selectors", selectors },
	{ "bases", bases }, { "repeated strings", rep_strings },
	{ "compares that fault", compares_that_fault }, { "state areas", state_areas },
	{ "misaligned operands", misaligned_operands },
};

static void table(void **state)
{
	unsigned i, amd;
	struct vm vm;

	(void)state;
	for (amd = 0; amd < 2; amd++) {
		for (i = 0; i < ARRAY_SIZE(denied); i++) {
			print_message("%s: %s\n", amd ? "amd" : "intel", denied[i].name);
			vm_init(&vm, amd);
			deny(&vm, &denied[i]);
			vm_fini(&vm);
		}
		for (i = 0; i < ARRAY_SIZE(rows); i++) {
			print_message("%s: %s\n", amd ? "amd" : "intel", rows[i].name);
			vm_init(&vm, amd);
			rows[i].fn(&vm);
			vm_fini(&vm);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
