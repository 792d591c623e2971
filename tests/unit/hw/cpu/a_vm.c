/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/cpu/a_vm.h"

#include <string.h>

#include "os/memory.h"
#include "os/uaccess.h"
#include "trace/counters.h"

static uint64_t table_entry(struct vm *vm, hpa_t to)
{
	return to.v | 7;	/* NPT: P W U; EPT: R W X */
}

static hpa_t child(struct vm *vm, hpa_t table, unsigned i)
{
	uint64_t e = phys_load64(vm->hw, HPA(table.v + i * 8));
	hpa_t page;

	if (e)
		return HPA(e & 0x000ffffffffff000ull);
	page = phys_page_alloc(vm->hw);
	assert_true(hpa_is_valid(page));
	phys_store64(vm->hw, HPA(table.v + i * 8), table_entry(vm, page));
	return page;
}

void vm_nested_set(struct vm *vm, uint64_t gpa, bool present)
{
	hpa_t t = vm->root, page;
	int shift;

	for (shift = 39; shift > 12; shift -= 9)
		t = child(vm, t, gpa >> shift & 511);
	page = phys_publish(vm->hw, vm->mem + (gpa & ~4095ull));
	phys_store64(vm->hw, HPA(t.v + (gpa >> 12 & 511) * 8),
		     !present ? 0 : page.v | 7 | (vm->amd ? 0 : 6u << 3));
}

static void put64(struct vm *vm, uint64_t gpa, uint64_t v)
{
	memcpy(vm->mem + gpa, &v, 8);
}

uint64_t *vm_pte(struct vm *vm, uint64_t va)
{
	return (uint64_t *)(void *)(vm->mem + VM_PML4 + 0x3000 + (va >> 12 & 511) * 8);
}

static void make_tables(struct vm *vm)
{
	uint64_t i;

	put64(vm, VM_PML4, (VM_PML4 + 0x1000) | 7);
	put64(vm, VM_PML4 + 0x1000, (VM_PML4 + 0x2000) | 7);
	put64(vm, VM_PML4 + 0x2000, (VM_PML4 + 0x3000) | 7);
	put64(vm, VM_PML4 + 0x2008, 0x200000 | 0x87);
	for (i = 0; i < 512; i++)
		*vm_pte(vm, i << 12) = i << 12 | 7;
}

static void make_segments(struct vm *vm)
{
	static const struct x86_segment code = { VM_CS, 0xa09b, 0xffffffff, 0 };
	static const struct x86_segment data = { VM_DS, 0xc093, 0xffffffff, 0 };
	struct x86_state *s = &vm->s;
	unsigned i;

	put64(vm, VM_GDT + 0x08, 0x00af9b000000ffffull);
	put64(vm, VM_GDT + 0x10, 0x00cf93000000ffffull);
	put64(vm, VM_GDT + 0x18, 0x00affb000000ffffull);
	put64(vm, VM_GDT + 0x20, 0x00cff3000000ffffull);
	put64(vm, VM_GDT + 0x28, 0x0000890000000067ull | (uint64_t)VM_TSS << 16);
	put64(vm, VM_GDT + 0x30, 0);
	put64(vm, VM_TSS + 4, VM_STACK - 0x1000);	/* RSP0 */
	put64(vm, VM_TSS + 36, VM_STACK - 0x2000);	/* IST1 */
	for (i = 0; i < 256; i++) {
		uint64_t h = VM_HANDLERS + i * 16;

		put64(vm, VM_IDT + i * 16, (h & 0xffff) | VM_CS << 16 | 0x8e00ull << 32 |
		      (h >> 16 & 0xffff) << 48);
		put64(vm, VM_IDT + i * 16 + 8, 0);
		vm->mem[h] = 0xf4;			/* HLT: RIP tells the vector */
	}
	for (i = 0; i < 6; i++)
		s->seg[i] = data;
	s->seg[X86_CS] = code;
	s->seg[X86_LDTR].ar = X86_AR_UNUSABLE;
	s->seg[X86_TR] = (struct x86_segment){ VM_TR, 0x8b, 0x67, VM_TSS };
	s->gdtr = (struct x86_table){ 0x37, VM_GDT };
	s->idtr = (struct x86_table){ 0xfff, VM_IDT };
}

void vm_init(struct vm *vm, bool amd)
{
	vm_init_on(vm, (struct hw_config){ .vendor = amd ? HW_VENDOR_AMD : HW_VENDOR_INTEL,
					   .phys_bits = 46, .nr_cpus = 2 });
}

void vm_init_on(struct vm *vm, struct hw_config c)
{
	uint64_t gpa;

	c.counters = counters_create(NR_COUNTERS);
	memset(vm, 0, sizeof(*vm));
	vm->amd = c.vendor == HW_VENDOR_AMD;
	assert_int_equal(os_uaccess_install(), 0);
	assert_int_equal(hw_create(&c, &vm->hw), HW_OK);
	vm->cpu = hw_cpu(vm->hw, 0);
	assert_non_null(vm->cpu);
	vm->mem = os_map_private(VM_SIZE, 2ul << 20);
	assert_non_null(vm->mem);
	assert_int_equal(os_populate(vm->mem, VM_SIZE), 0);
	vm->root = phys_page_alloc(vm->hw);
	for (gpa = 0; gpa < VM_SIZE; gpa += 4096)
		vm_nested_set(vm, gpa, true);
	make_tables(vm);
	make_segments(vm);
	vm->s.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_NE | X86_CR0_ET | X86_CR0_WP;
	vm->s.cr3 = VM_PML4;
	vm->s.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	vm->s.efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NX | X86_EFER_SCE;
	vm->s.rflags = 2;
	vm->s.xcr0 = 1;
	vm->s.fpu.mxcsr = 0x1f80;
	vm->s.fpu.fcw = 0x37f;
	vm->s.gpr[X86_RSP] = VM_STACK;
	vm->svm = (struct svm_control){ .asid = 1, .ncr3 = vm->root, .nested_levels = 4 };
	vm->vmx = (struct vmx_control){ .vpid = 1, .eptp = vm->root.v | 3 << 3 | 6 };
}

void vm_fini(struct vm *vm)
{
	struct counters *c = hw_config(vm->hw)->counters;

	phys_retire(vm->hw, vm->mem, VM_SIZE);
	hw_destroy(vm->hw);
	os_unmap(vm->mem, VM_SIZE);
	counters_destroy(c);
}

void vm_code(struct vm *vm, const void *bytes, size_t n)
{
	memcpy(vm->mem + VM_CODE, bytes, n);
	vm->s.rip = VM_CODE;
}

static enum vm_exit_kind svm_kind(const struct svm_exit *e)
{
	switch (e->exitcode) {
	case SVM_EXIT_HLT:
		return VM_HLT;
	case SVM_EXIT_IOIO:
		return VM_IO;
	case SVM_EXIT_CPUID:
		return VM_CPUID;
	case SVM_EXIT_MSR:
		return e->exitinfo1 ? VM_WRMSR : VM_RDMSR;
	case SVM_EXIT_VMMCALL:
		return VM_HYPERCALL;
	case SVM_EXIT_NPF:
		return VM_NESTED;
	case SVM_EXIT_INTR:
		return VM_KICK;
	case SVM_EXIT_SHUTDOWN:
		return VM_SHUTDOWN;
	case SVM_EXIT_VINTR:
		return VM_WINDOW;
	default:
		return e->exitcode < 0x20 ? VM_CR :
		       e->exitcode >= SVM_EXIT_EXCP0 && e->exitcode < SVM_EXIT_INTR ?
		       VM_EXCEPTION : VM_OTHER;
	}
}

static enum vm_exit_kind vmx_kind(const struct vmx_exit *e)
{
	switch (e->reason) {
	case VMX_EXIT_HLT:
		return VM_HLT;
	case VMX_EXIT_IO:
		return VM_IO;
	case VMX_EXIT_CPUID:
		return VM_CPUID;
	case VMX_EXIT_RDMSR:
		return VM_RDMSR;
	case VMX_EXIT_WRMSR:
		return VM_WRMSR;
	case VMX_EXIT_VMCALL:
		return VM_HYPERCALL;
	case VMX_EXIT_EPT_VIOLATION:
		return VM_NESTED;
	case VMX_EXIT_EXTERNAL_INTERRUPT:
		return VM_KICK;
	case VMX_EXIT_TRIPLE_FAULT:
		return VM_SHUTDOWN;
	case VMX_EXIT_INTERRUPT_WINDOW:
		return VM_WINDOW;
	case VMX_EXIT_CR_ACCESS:
		return VM_CR;
	case VMX_EXIT_EXCEPTION_NMI:
		return VM_EXCEPTION;
	default:
		return VM_OTHER;
	}
}

enum vm_exit_kind vm_run(struct vm *vm)
{
	if (vm->amd) {
		svm_vmrun(vm->cpu, &vm->svm, &vm->s, &vm->svm_exit);
		vm->svm.event_inj = 0;
		vm->svm.tlb_control = SVM_TLB_DO_NOTHING;
		return svm_kind(&vm->svm_exit);
	}
	vmx_enter(vm->cpu, &vm->vmx, &vm->s, &vm->vmx_exit);
	vm->vmx.entry_intr_info = 0;
	return vmx_kind(&vm->vmx_exit);
}

uint64_t vm_gpa(const struct vm *vm)
{
	return vm->amd ? vm->svm_exit.exitinfo2 : vm->vmx_exit.gpa.v;
}
