/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * model.c - the same on hw/cpu: a guest at CPL 3 in long mode whose tables,
 * GDT and LDT are as Linux has them for this program.
 */
#include "model/insn/world.h"
#include "model/insn/xsave.h"

#include <string.h>

#include "hw/cpu/a_vm.h"
#include "os/processor.h"
#include "x86/descriptor.h"
#include "x86/simd.h"

#define KERNEL		0xffff800000000000ull	/* guest physical memory once more */
#define LDT		0xc000u
#define GDT_LIMIT	0x7f
#define NX		(1ull << 63)

static struct vm vm;
static struct x86_image fx_image = { .nr_xmm = 16, .rex_w = true };

static void put(uint64_t gpa, uint64_t v)
{
	memcpy(vm.mem + gpa, &v, 8);
}

static uint64_t raw_segment(const struct world_segment *s)
{
	uint64_t type = 1 | (s->read_exec_only ? 0 : 2) | s->contents << 2;

	/* S, DPL 3, AVL as Linux fills them in; byte granularity */
	return (s->limit & 0xffff) | (uint64_t)(s->base & 0xffffff) << 16 | type << 40 |
	       0x7ull << 44 | (uint64_t)!s->absent << 47 | (uint64_t)(s->limit >> 16) << 48 |
	       1ull << 52 | (uint64_t)s->big << 54 | (uint64_t)(s->base >> 24) << 56;
}

/* arch/x86: entries that a program can name; the others' contents it never sees. */
static void make_descriptors(void)
{
	unsigned i, number = 0;

	memset(vm.mem + VM_GDT, 0, GDT_LIMIT + 1);
	put(VM_GDT + 0x08, 0x00cf9b000000ffffull);
	put(VM_GDT + 0x10, 0x00af9b000000ffffull);
	put(VM_GDT + 0x18, 0x00cf93000000ffffull);
	put(VM_GDT + 0x20, 0x00cffb000000ffffull);
	put(VM_GDT + 0x28, 0x00cff3000000ffffull);
	put(VM_GDT + 0x30, 0x00affb000000ffffull);
	put(VM_GDT + 0x40, 0x00008b0000000067ull | (uint64_t)VM_TSS << 16);
	vm.mem[VM_TSS + 102] = 0x68;		/* no I/O bitmap */
	put(VM_GDT + 0x48, 0xffff8000);
	put(VM_GDT + 0x50, 0x0000820000000000ull | (SEG_NR * 8 - 1) | (uint64_t)LDT << 16);
	put(VM_GDT + 0x58, 0xffff8000);
	/* The processor's number; see native_init(). */
	__asm__("lsl %1, %0" : "=r" (number) : "r" (0x7b));
	put(VM_GDT + 0x78, 0x0040f50000000000ull | number);
	for (i = 0; i < SEG_NR; i++)
		put(LDT + i * 8, raw_segment(&world_ldt[i]));
	/* INT3, INTO and INT 80h are open to programs. */
	for (i = 0; i < 256; i++) {
		put(VM_IDT + i * 16, 0x8e00ull << 32 | 0x10 << 16);
		put(VM_IDT + i * 16 + 8, 0xffff8000);
	}
	vm.mem[VM_IDT + 3 * 16 + 5] = vm.mem[VM_IDT + 4 * 16 + 5] = 0xee;
}

static void make_tables(void)
{
	uint64_t at;

	put(VM_PML4 + 0x800, 0xa000 | 3);
	put(0xa000, 0xb000 | 3);
	put(0xb000, 0x83);
	put(VM_PML4 + 0x2008, 0);
	memset(vm.mem + VM_PML4 + 0x3000, 0, 4096);
	for (at = WORLD_BASE; at < WORLD_BASE + WORLD_SIZE; at += 4096) {
		static const uint64_t bits[] = {
			[WORLD_READ] = 0x65 | NX, [WORLD_WRITE] = 0x67 | NX, [WORLD_EXEC] = 0x65,
		};

		if (world_page((uint32_t)at) != WORLD_NONE)
			*vm_pte(&vm, at) = at | bits[world_page((uint32_t)at)];
	}
}

void model_init(void)
{
	vm_init_on(&vm, (struct hw_config){
		.vendor = __builtin_cpu_is("amd") ? HW_VENDOR_AMD : HW_VENDOR_INTEL,
		.phys_bits = 46, .nr_cpus = 2, .misalign_sse = os_cpu_identity().has_mxcsr_mm });
	fx_image.mxcsr_mask = hw_mxcsr_mask(vm.hw);
	make_tables();
	make_descriptors();
	vm.s.cr0 |= X86_CR0_MP | X86_CR0_AM;
	vm.s.cr4 |= X86_CR4_FSGSBASE | X86_CR4_OSXSAVE | X86_CR4_DE;
	vm.s.xcr0 = xsave_host_xcr0() & 7;
	vm.s.cpl = 3;
	vm.s.gdtr = (struct x86_table){ GDT_LIMIT, KERNEL + VM_GDT };
	vm.s.idtr = (struct x86_table){ 0xfff, KERNEL + VM_IDT };
	vm.s.seg[X86_TR] = (struct x86_segment){ 0x40, 0x8b, 0x67, KERNEL + VM_TSS };
	vm.s.seg[X86_LDTR] = (struct x86_segment){ 0x50, 0x82, SEG_NR * 8 - 1, KERNEL + LDT };
	vm.svm.intercept_exceptions = vm.vmx.exception_bitmap = 0xffffffff;
}

void model_fini(void)
{
	vm_fini(&vm);
}

uint8_t *model_memory(void)
{
	return vm.mem + WORLD_BASE;
}

static struct x86_segment segment_of(uint16_t sel)
{
	struct x86_segment s = { .ar = X86_AR_UNUSABLE };
	uint64_t raw;

	if (sel & 0xfffc) {
		memcpy(&raw, vm.mem + (sel & 4 ? LDT : VM_GDT) + (sel & ~7u), 8);
		s = x86_descriptor_unpack(raw);
	}
	s.selector = sel;
	return s;
}

static void answer(struct world *w)
{
	uint64_t v;

	w->vector = -1;
	w->error = w->cr2 = 0;
	if (vm.amd) {
		v = vm.svm_exit.exitcode - SVM_EXIT_EXCP0;
		w->what = vm.svm_exit.exitcode;
		if (v > 31)
			return;
		w->vector = (int)v;
		w->error = vm.svm_exit.exitinfo1;
		w->cr2 = v == X86_PF ? vm.svm_exit.exitinfo2 : 0;
	} else {
		w->what = vm.vmx_exit.reason;
		if (vm.vmx_exit.reason != VMX_EXIT_EXCEPTION_NMI)
			return;
		w->vector = vm.vmx_exit.intr_info & 0xff;
		w->error = vm.vmx_exit.intr_error;
		w->cr2 = w->vector == X86_PF ? vm.vmx_exit.qualification : 0;
	}
}

void model_run(struct world *w)
{
	struct x86_state *s = &vm.s;
	unsigned i;

	memcpy(s->gpr, w->r, sizeof(s->gpr));
	s->rip = w->rip;
	s->rflags = (w->flags & ~X86_FLAGS_RF) | X86_FLAGS_FIXED;
	for (i = X86_ES; i <= X86_GS; i++)
		s->seg[i] = segment_of(w->sel[i]);
	s->seg[X86_FS].base = w->fs_base;
	s->seg[X86_GS].base = w->gs_base;
	s->cpl = 3;
	s->shadow = 0;
	if (x86_fxrstor(&s->fpu, w->fx, &fx_image))
		fail_msg("a state that no processor takes");
	memcpy(s->fpu.ymm_hi, w->ymm, sizeof(w->ymm));
	vm_run(&vm);
	memcpy(w->r, s->gpr, sizeof(s->gpr));
	w->rip = s->rip;
	w->flags = s->rflags;
	for (i = X86_ES; i <= X86_GS; i++)
		w->sel[i] = s->seg[i].selector;
	w->fs_base = s->seg[X86_FS].base;
	w->gs_base = s->seg[X86_GS].base;
	x86_fxsave(&s->fpu, w->fx, &fx_image);
	memcpy(w->ymm, s->fpu.ymm_hi, sizeof(w->ymm));
	answer(w);
}
