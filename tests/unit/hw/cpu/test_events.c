/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_events.c - exceptions, interrupts and their delivery, on both vendors'
 * machines.  Every handler of a_vm.h is a HLT: RIP tells the vector.
 */
#include "hw/cpu/a_vm.h"

#include <string.h>

#define CODE(name, text)						\
	extern const uint8_t name[], name##_end[];			\
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection")
#define LOAD(name) vm_code(vm, name, (size_t)(name##_end - name))

/* --- faults of instructions: vector, error code, RIP on the stack ------------------- */

CODE(c_ud2, "ud2");
CODE(c_div0, "xor %ecx,%ecx; div %ecx");
CODE(c_idiv_overflow, "mov $0x80000000,%eax; cdq; mov $-1,%ecx; idiv %ecx");
CODE(c_gp_noncanonical, "movabs $0x8000000000000000,%rax; mov (%rax),%rcx");
CODE(c_ss_noncanonical, "movabs $0x8000000000000000,%rbp; mov (%rbp),%rcx");
CODE(c_gp_far_null, "xor %eax,%eax; push %rax; push %rax; lretq");
CODE(c_pf_read, "mov 0x500000,%rax");
CODE(c_pf_write, "movb $1,0x500000");
CODE(c_pf_exec, "mov $0x500000,%eax; jmp *%rax");
CODE(c_movaps_unaligned, "movaps 0x40008,%xmm0");
CODE(c_np_gate, "int $0x50");
CODE(c_mov_cs, ".byte 0x8e,0xc8");		/* mov %eax,%cs */
CODE(c_gp_sel, "mov $0x38,%eax; mov %eax,%ds");
CODE(c_cr4_reserved, "mov $0x80000000,%eax; mov %rax,%cr4");
CODE(c_cr0_pg_without_pe, "mov $0x80000000,%eax; mov %rax,%cr0");
CODE(c_lock_reg, ".byte 0xf0,0x01,0xc0");	/* lock add %eax,%eax */
CODE(c_too_long, ".fill 16,1,0x66; nop");
CODE(c_int3, "nop; int3");
CODE(c_int21, "int $0x21");
CODE(c_icebp, ".byte 0xf1");

static const struct fault {
	const char *name;
	const uint8_t *code, *end;
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint8_t at;			/* RIP pushed, from VM_CODE */
	uint64_t cr2;
} faults[] = {
#define F(c, ...) { #c, c_##c, c_##c##_end, __VA_ARGS__ }
	F(ud2, X86_UD),
	F(div0, X86_DE, .at = 2),
	F(idiv_overflow, X86_DE, .at = 11),
	F(gp_noncanonical, X86_GP, true, 0, 10),
	F(ss_noncanonical, X86_SS_FAULT, true, 0, 10),
	F(gp_far_null, X86_GP, true, 0, 4),
	F(pf_read, X86_PF, true, 0, 0, 0x500000),
	F(pf_write, X86_PF, true, 2, 0, 0x500000),
	F(movaps_unaligned, X86_GP, true, 0, 0),
	F(np_gate, X86_NP, true, 0x50 * 8 + 2, 0),
	F(mov_cs, X86_UD),
	F(gp_sel, X86_GP, true, 0x38, 5),
	F(cr4_reserved, X86_GP, true, 0, 5),
	F(cr0_pg_without_pe, X86_GP, true, 0, 5),
	F(lock_reg, X86_UD),
	F(too_long, X86_GP, true, 0, 0),
	F(int3, X86_BP, .at = 2),
	F(int21, 0x21, .at = 2),
	F(icebp, X86_DB, .at = 1),
#undef F
};

static void fault(struct vm *vm, const struct fault *f)
{
	uint64_t frame[6], sp;
	unsigned n = f->has_error;

	vm_code(vm, f->code, (size_t)(f->end - f->code));
	vm->mem[VM_IDT + 0x50 * 16 + 5] = 0x0e;		/* not present */
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + f->vector * 16);
	sp = vm->s.gpr[X86_RSP];
	assert_int_equal(sp & 15, n ? 0 : 8);		/* aligned before the pushes */
	memcpy(frame, vm->mem + sp, sizeof(frame));
	if (f->has_error)
		assert_int_equal(frame[0], f->error);
	assert_int_equal(frame[n], VM_CODE + f->at);
	assert_int_equal(frame[n + 1], VM_CS);
	assert_int_equal(frame[n + 4], VM_DS);
	if (f->vector == X86_PF)
		assert_int_equal(vm->s.cr2, f->cr2);
}

/* A fetch that fails: RIP is the target, and CR2 as well. */
static void fetch_fault(struct vm *vm)
{
	uint64_t frame[2];

	LOAD(c_pf_exec);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_PF * 16);
	memcpy(frame, vm->mem + vm->s.gpr[X86_RSP], sizeof(frame));
	assert_int_equal(frame[0], 0x10);
	assert_int_equal(frame[1], 0x500000);
	assert_int_equal(vm->s.cr2, 0x500000);
}

/* --- privilege ---------------------------------------------------------------------- */

CODE(c_to_user, "pushq $0x23; pushq $0x2f000; pushq $0x202; pushq $0x1b; pushq $0x10100; iretq");
CODE(c_user_hlt, "hlt");

/* CPL 3 by IRETQ; HLT there is #GP on the stack of the TSS; and back again. */
static void user_mode(struct vm *vm)
{
	uint64_t frame[6];

	LOAD(c_to_user);
	memcpy(vm->mem + VM_CODE + 0x100, c_user_hlt, 1);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_GP * 16);
	assert_int_equal(vm->s.cpl, 0);
	assert_int_equal(vm->s.gpr[X86_RSP], VM_STACK - 0x1000 - 48);
	memcpy(frame, vm->mem + vm->s.gpr[X86_RSP], sizeof(frame));
	assert_int_equal(frame[0], 0);
	assert_int_equal(frame[1], VM_CODE + 0x100);
	assert_int_equal(frame[2], VM_USER_CS);
	assert_int_equal(frame[3] & ~X86_FLAGS_RF, 0x202);
	assert_int_equal(frame[4], 0x2f000);
	assert_int_equal(frame[5], VM_USER_DS);
	assert_int_equal(vm->s.seg[X86_SS].selector, 0);
}

CODE(c_syscall, "nop; syscall");
CODE(c_sysret, "sysretq");

static void syscall_and_back(struct vm *vm)
{
	LOAD(c_to_user);
	memcpy(vm->mem + VM_CODE + 0x100, c_syscall, 3);
	memcpy(vm->mem + VM_CODE + 0x200, c_sysret, 3);
	memcpy(vm->mem + VM_CODE + 0x103, c_ud2, 2);
	vm->s.msr.star = (uint64_t)VM_CS << 32 | (uint64_t)(0x10 | 3) << 48;
	vm->s.msr.lstar = VM_CODE + 0x200;
	vm->s.msr.sfmask = X86_FLAGS_IF;
	/* SYSRET: CS = 10h + 16 = 20h, SS = 18h: only the numbers matter here */
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_UD * 16);
	assert_int_equal(vm->s.gpr[X86_RCX], VM_CODE + 0x103);
	assert_int_equal(vm->s.gpr[X86_R11] & ~2ull, X86_FLAGS_IF);
}

static void ist(struct vm *vm)
{
	vm->mem[VM_IDT + X86_UD * 16 + 4] = 1;
	LOAD(c_ud2);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.gpr[X86_RSP], VM_STACK - 0x2000 - 40);
}

/* A DPL 0 gate is not for INT n at CPL 3. */
CODE(c_int80, "int $0x80");

static void gate_privilege(struct vm *vm)
{
	uint64_t error;

	LOAD(c_to_user);
	memcpy(vm->mem + VM_CODE + 0x100, c_int80, 2);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_GP * 16);
	memcpy(&error, vm->mem + vm->s.gpr[X86_RSP], 8);
	assert_int_equal(error, 0x80 * 8 + 2);
}

/* --- faults of delivery ------------------------------------------------------------- */

/* #UD whose gate is not present: #NP is contributory to nothing benign: taken. */
static void not_present_gate(struct vm *vm)
{
	vm->mem[VM_IDT + X86_UD * 16 + 5] = 0x0e;
	LOAD(c_ud2);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_NP * 16);
}

/* #GP, then #NP in its delivery: #DF. */
static void double_fault(struct vm *vm)
{
	vm->mem[VM_IDT + X86_GP * 16 + 5] = 0x0e;
	LOAD(c_gp_noncanonical);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_DF * 16);
}

/* A stack that is not mapped: #PF cannot be delivered, nor #DF: shutdown, state as before. */
static void triple_fault(struct vm *vm)
{
	LOAD(c_pf_read);
	vm->s.gpr[X86_RSP] = 0x600000;
	assert_int_equal(vm_run(vm), VM_SHUTDOWN);
	assert_int_equal(vm->s.rip, VM_CODE);
	assert_int_equal(vm->s.gpr[X86_RSP], 0x600000);
}

/* A nested fault while pushing the frame: the exit tells what was being delivered. */
static void interrupted_delivery(struct vm *vm)
{
	LOAD(c_ud2);
	vm_nested_set(vm, VM_STACK - 0x1000, false);
	vm->s.gpr[X86_RSP] = VM_STACK - 0x800;
	vm->s.gpr[X86_RBX] = 77;
	assert_int_equal(vm_run(vm), VM_NESTED);
	assert_int_equal(vm->s.rip, VM_CODE);
	assert_int_equal(vm->s.gpr[X86_RSP], VM_STACK - 0x800);
	if (vm->amd) {
		assert_int_equal(vm->svm_exit.exitintinfo,
				 SVM_EVENT_VALID | SVM_EVENT_TYPE_EXCEPTION | X86_UD);
		vm->svm.event_inj = vm->svm_exit.exitintinfo;
	} else {
		assert_int_equal(vm->vmx_exit.idt_info,
				 VMX_INTR_VALID | VMX_INTR_TYPE_HARD_EXCEPTION | X86_UD);
		vm->vmx.entry_intr_info = vm->vmx_exit.idt_info;
	}
	vm_nested_set(vm, VM_STACK - 0x1000, true);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_UD * 16);
	assert_int_equal(vm->s.gpr[X86_RBX], 77);
}

/* --- intercepts, injection, windows ------------------------------------------------- */

static void exception_bitmap(struct vm *vm)
{
	LOAD(c_pf_write);
	vm->svm.intercept_exceptions = vm->vmx.exception_bitmap = 1u << X86_PF;
	vm->s.cr2 = 5;
	assert_int_equal(vm_run(vm), VM_EXCEPTION);
	assert_int_equal(vm->s.rip, VM_CODE);
	assert_int_equal(vm->s.cr2, 5);
	if (vm->amd) {
		assert_int_equal(vm->svm_exit.exitcode, SVM_EXIT_EXCP0 + X86_PF);
		assert_int_equal(vm->svm_exit.exitinfo1, 2);
		assert_int_equal(vm->svm_exit.exitinfo2, 0x500000);
	} else {
		assert_int_equal(vm->vmx_exit.intr_info, VMX_INTR_VALID | VMX_INTR_HAS_ERROR |
				 VMX_INTR_TYPE_HARD_EXCEPTION | X86_PF);
		assert_int_equal(vm->vmx_exit.intr_error, 2);
		assert_int_equal(vm->vmx_exit.qualification, 0x500000);
	}
}

/* SDM 26.2: an error code that does not match turns #PF's bit round.  It is 2 here. */
static void page_faults_by_error_code(struct vm *vm)
{
	if (vm->amd)
		return;
	LOAD(c_pf_write);
	vm->vmx.pf_mask = 3;
	vm->vmx.pf_match = 2;
	vm->vmx.exception_bitmap = 1u << X86_PF;
	assert_int_equal(vm_run(vm), VM_EXCEPTION);
	vm->vmx.pf_match = 3;
	vm->vmx.exception_bitmap = 0;
	assert_int_equal(vm_run(vm), VM_EXCEPTION);
	vm->vmx.exception_bitmap = 1u << X86_PF;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_PF * 16);
}

CODE(c_spin, "1: jmp 1b");

static void injection(struct vm *vm)
{
	LOAD(c_spin);
	vm->s.rflags |= X86_FLAGS_IF;
	vm->svm.event_inj = SVM_EVENT_VALID | SVM_EVENT_TYPE_INTR | 0x31;
	vm->vmx.entry_intr_info = VMX_INTR_VALID | VMX_INTR_TYPE_EXTERNAL | 0x31;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + 0x31 * 16);
	assert_false(vm->s.rflags & X86_FLAGS_IF);
}

CODE(c_sti, "cli; nop; sti; nop; nop; hlt");

/* The shadow of STI covers one instruction. */
static void window(struct vm *vm)
{
	LOAD(c_sti);
	vm->svm.intercept_vintr = vm->vmx.interrupt_window_exiting = true;
	assert_int_equal(vm_run(vm), VM_WINDOW);
	assert_int_equal(vm->s.rip, VM_CODE + 4);
	assert_int_equal(vm->s.shadow, 0);
}

CODE(c_single_step, "pushfq; orl $0x100,(%rsp); popfq; nop; nop; hlt");

static void single_step(struct vm *vm)
{
	uint64_t rip;

	LOAD(c_single_step);
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(vm->s.rip, VM_HANDLERS + X86_DB * 16);
	memcpy(&rip, vm->mem + vm->s.gpr[X86_RSP], 8);
	assert_int_equal(rip, VM_CODE + 10);
	assert_true(vm->s.dr6 & BIT(14));
	assert_false(vm->s.rflags & X86_FLAGS_TF);
}

static const struct row {
	const char *name;
	void (*fn)(struct vm *vm);
} rows[] = {
	{ "fetch fault", fetch_fault },
	{ "user mode", user_mode }, { "syscall", syscall_and_back }, { "ist", ist },
	{ "gate privilege", gate_privilege }, { "gate not present", not_present_gate },
	{ "double fault", double_fault }, { "triple fault", triple_fault },
	{ "interrupted delivery", interrupted_delivery },
	{ "exception bitmap", exception_bitmap },
	{ "page faults by error code", page_faults_by_error_code }, { "injection", injection },
	{ "window", window }, { "single step", single_step },
};

static void table(void **state)
{
	unsigned i, amd;
	struct vm vm;

	(void)state;
	for (amd = 0; amd < 2; amd++) {
		for (i = 0; i < ARRAY_SIZE(faults); i++) {
			print_message("%s: %s\n", amd ? "amd" : "intel", faults[i].name);
			vm_init(&vm, amd);
			fault(&vm, &faults[i]);
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
