/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_world.h - a VM of one vCPU for the emulator's tests.  Behind every
 * instruction lie HLTs, and so do behind the IDT's gates, so that every run
 * ends in an exit.  The operand is at DATA, which one page table maps to
 * memory and another to a device.
 */
#pragma once
#include "a_vcpu.h"
#include "kvm/vcpu/backend.h"
#include "x86/exec.h"

#define SIZE	(1ull << 20)
#define MEM_TREE 0x1000ull		/* four tables each */
#define IO_TREE	0x5000ull
#define GDT	0x9000ull
#define IDT	0x9800ull
#define TSS	0xa000ull
#define GATES	0xb000ull		/* a gate's HLT each 16 bytes */
#define CODE	0xc000ull
#define DATA	0x40000ull		/* two pages */
#define STACK	0x50000ull		/* two pages */
#define DEVICE	0x10000000ull

#define CODE_16	0x60000ull		/* CS's base in 16-bit mode: any IP is a HLT */

#define WORK_SIZE (2 * PAGE_SIZE)
#define HLT	0xf4

enum tree { IN_MEMORY, IN_MMIO };

struct world {
	enum hw_vendor vendor;
	struct a_vcpu	 a;
	uint8_t		*memory;
	struct kvm_memory_slot slot;
	uint64_t	 seed;
	uint8_t		 data[WORK_SIZE], stack[WORK_SIZE];	/* what each run finds */
	uint8_t		 device[WORK_SIZE];
	unsigned	 nr_run, nr_mmio;
};

static inline void put64(struct world *w, uint64_t at, uint64_t value)
{
	memcpy(w->memory + at, &value, 8);
}

/* The first 2 MiB one to one, with DATA where @data says. */
static inline void make_tree(struct world *w, uint64_t root, uint64_t data)
{
	for (unsigned i = 0; i < 3; i++)
		put64(w, root + i * PAGE_SIZE, (root + (i + 1) * PAGE_SIZE) | 7);
	for (uint64_t i = 0; i < 512; i++)
		put64(w, root + 3 * PAGE_SIZE + i * 8, i << PAGE_SHIFT | 0x67);
	for (uint64_t i = 0; i < WORK_SIZE >> PAGE_SHIFT; i++)
		put64(w, root + 3 * PAGE_SIZE + ((DATA >> PAGE_SHIFT) + i) * 8,
		      (data + i * PAGE_SIZE) | 0x67);
}

static inline void make_machine(struct world *w)
{
	make_tree(w, MEM_TREE, DATA);
	make_tree(w, IO_TREE, DEVICE);
	put64(w, GDT + 8, 0x00af9b000000ffff);		/* 64-bit code */
	put64(w, GDT + 16, 0x00cf93000000ffff);		/* data */
	for (uint64_t i = 0; i < 32; i++) {
		uint64_t to = GATES + i * 16;

		put64(w, IDT + i * 16, (to & 0xffff) | 8 << 16 | 0x8e01ull << 32 |
		      (to >> 16) << 48);
	}
	put64(w, TSS + 36, STACK + 0x700);		/* every gate's IST1 */
	memset(w->memory + GATES, HLT, 0x20000);
	memset(w->memory + CODE_16, HLT, 0x10010);
}

static inline int make_for(void **state, enum hw_vendor vendor)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(os_uaccess_install(), 0);
	w->vendor = vendor;
	a_vcpu_make(&w->a, vendor, false);
	a_vcpu_all_cpuid(&w->a);
	w->memory = a_vcpu_add_slot(&w->a, &w->slot, SIZE);
	make_machine(w);
	w->seed = 0x9e3779b97f4a7c15;
	*state = w;
	return 0;
}

static inline int make_amd(void **state)
{
	return make_for(state, AMD);
}

static inline int make_intel(void **state)
{
	return make_for(state, INTEL);
}

static inline int clean(void **state)
{
	struct world *w = *state;

	a_vcpu_forget_slot(&w->a, &w->slot);
	a_vcpu_free(&w->a);
	munmap(w->memory, SIZE);
	free(w);
	return 0;
}

static inline uint64_t next_random(struct world *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed;
}

static inline void fill(struct world *w, void *to, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = next_random(w);

		memcpy((char *)to + i, &v, 8);
	}
}

static inline struct x86_segment flat(uint16_t selector, uint64_t base, uint32_t ar)
{
	return (struct x86_segment){ .selector = selector, .base = base, .limit = 0xffffffff,
				     .ar = ar | X86_AR_P | X86_AR_S | X86_AR_G };
}

/* Registers that address memory do so inside DATA and STACK; all others are random. */
static inline void set_registers(struct world *w, struct x86_state *s, bool wide)
{
	uint64_t data = wide ? DATA : 0, stack = wide ? STACK : 0;

	fill(w, s->gpr, sizeof(s->gpr));
	s->gpr[X86_RBX] = data + 0x800;
	s->gpr[X86_RSI] = data + 0x200;
	s->gpr[X86_RDI] = data + 0xff8;
	s->gpr[X86_RSP] = stack + 0x1000;
	s->gpr[X86_RBP] = stack + 0x900;
	s->gpr[X86_RCX] = 3;
	s->gpr[X86_RDX] &= 0x1fff;	/* as a bit's number, inside DATA too */
}

static inline void set_state(struct world *w, struct x86_state *s, enum x86_mode mode)
{
	bool wide = mode == X86_MODE_64;

	*s = w->a.v->state;
	s->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_MP | X86_CR0_PG;
	s->cr2 = 0;
	s->cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	s->efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NX;
	s->cpl = s->shadow = 0;
	s->rflags = X86_FLAGS_FIXED | (next_random(w) & X86_FLAGS_STATUS);
	for (unsigned i = X86_ES; i <= X86_GS; i++)
		s->seg[i] = flat(16, wide ? 0 : DATA, X86_AR_DB | 3);
	s->seg[X86_SS].base = wide ? 0 : STACK;
	s->seg[X86_CS] = flat(8, 0, 11 | (wide ? X86_AR_L : mode == X86_MODE_32 ? X86_AR_DB : 0));
	if (mode == X86_MODE_16) {
		s->seg[X86_CS].base = CODE_16;
		s->seg[X86_SS].ar &= ~(uint32_t)X86_AR_DB;
	}
	s->seg[X86_TR] = (struct x86_segment){ .base = TSS, .limit = 0x67, .ar = X86_AR_P | 11 };
	s->seg[X86_LDTR].ar = X86_AR_UNUSABLE;
	s->gdtr = (struct x86_table){ .base = GDT, .limit = 23 };
	s->idtr = (struct x86_table){ .base = IDT, .limit = 511 };
	s->dr6 = 0xffff0ff0;
	s->dr7 = 0x400;
	set_registers(w, s, wide);
	s->fpu = (struct x86_fpu){ .fcw = 0x37f, .mxcsr = 0x1f80 };
	fill(w, s->fpu.xmm, sizeof(s->fpu.xmm));
}
