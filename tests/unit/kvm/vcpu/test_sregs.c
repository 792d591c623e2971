/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_sregs.c - segments and control registers: what is refused, and then changes nothing. */
#include <errno.h>

#include "a_vcpu.h"

#define LONG_CR0	(X86_CR0_PE | X86_CR0_NE | X86_CR0_PG | X86_CR0_ET)
#define LONG_EFER	(X86_EFER_LME | X86_EFER_LMA)
#define APIC		(LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE | LAPIC_BASE_BSP)
#define CR4_SOME	(X86_CR4_PAE | X86_CR4_OSFXSR)

static void make(struct a_vcpu *a, enum hw_vendor vendor)
{
	a_vcpu_make(a, vendor, true);
	a_vcpu_all_cpuid(a);
}

/* From a vCPU in long mode, one or a few fields differ. */
#define LA57_OF_INTEL	"LA57, which only the Intel processor has"

static const struct row {
	const char	*why;
	uint64_t	cr0, cr3, cr4, efer, apic;
	uint8_t		cs_l;
	bool		ok;
} rows[] = {
	{ "long mode", LONG_CR0, 0x1000, CR4_SOME, LONG_EFER, APIC, 1, true },
	{ "and no-execute", LONG_CR0, 0x1000, CR4_SOME, LONG_EFER | X86_EFER_NX, APIC, 1, true },
	{ "compatibility mode", LONG_CR0, 0x1000, CR4_SOME, LONG_EFER, APIC, 0, true },
	{ "real mode", X86_CR0_ET, 0, 0, 0, APIC, 0, true },
	{ "protected, no paging", X86_CR0_PE | X86_CR0_ET, 0, 0, 0, APIC, 0, true },
	{ "LME before paging", X86_CR0_PE, 0, X86_CR4_PAE, X86_EFER_LME, APIC, 0, true },
	{ "any CR3 without long mode", X86_CR0_PE | X86_CR0_PG, ~0ull, 0, 0, APIC, 0, true },
	{ "PG without PE", X86_CR0_PG, 0, 0, 0, APIC, 0, false },
	{ "NW without CD", X86_CR0_PE | X86_CR0_NW, 0, 0, 0, APIC, 0, false },
	{ "CR0 bit 32", X86_CR0_PE | BIT(32), 0, 0, 0, APIC, 0, false },
	{ "long mode without PAE", LONG_CR0, 0, X86_CR4_OSFXSR, LONG_EFER, APIC, 1, false },
	{ "LME and paging without LMA", LONG_CR0, 0, CR4_SOME, X86_EFER_LME, APIC, 0, false },
	{ "LMA without LME", LONG_CR0, 0, CR4_SOME, X86_EFER_LMA, APIC, 0, false },
	{ "LMA without paging", X86_CR0_PE, 0, CR4_SOME, LONG_EFER, APIC, 0, false },
	{ "a 64-bit CS without long mode", X86_CR0_PE, 0, 0, 0, APIC, 1, false },
	{ "CR3 beyond MAXPHYADDR", LONG_CR0, BIT(46), CR4_SOME, LONG_EFER, APIC, 1, false },
	{ "CR3 bit 63", LONG_CR0, BIT(63), CR4_SOME, LONG_EFER, APIC, 1, false },
	{ LA57_OF_INTEL, LONG_CR0, 0, CR4_SOME | X86_CR4_LA57, LONG_EFER, APIC, 1, false },
	{ "CR4 bit 15", LONG_CR0, 0, CR4_SOME | BIT(15), LONG_EFER, APIC, 1, false },
	{ "CR4 VMXE, not nested", LONG_CR0, 0, CR4_SOME | BIT(13), LONG_EFER, APIC, 1, false },
	{ "CR4 bit 40", LONG_CR0, 0, CR4_SOME | BIT(40), LONG_EFER, APIC, 1, false },
	{ "EFER bit 1", LONG_CR0, 0, CR4_SOME, LONG_EFER | BIT(1), APIC, 1, false },
	{ "EFER SVME, not nested", LONG_CR0, 0, CR4_SOME, LONG_EFER | X86_EFER_SVME, APIC, 1, false },
	{ "APIC base, low bits", LONG_CR0, 0, CR4_SOME, LONG_EFER, APIC | 1, 1, false },
	{ "APIC base, bit 9", LONG_CR0, 0, CR4_SOME, LONG_EFER, APIC | BIT(9), 1, false },
	{ "APIC base too high", LONG_CR0, 0, CR4_SOME, LONG_EFER, APIC | BIT(46), 1, false },
	{ "x2APIC without APIC", LONG_CR0, 0, CR4_SOME, LONG_EFER, LAPIC_BASE_X2APIC, 1, false },
	{ "x2APIC", LONG_CR0, 0, CR4_SOME, LONG_EFER, APIC | LAPIC_BASE_X2APIC, 1, true },
	{ "APIC off", LONG_CR0, 0, CR4_SOME, LONG_EFER, LAPIC_DEFAULT_BASE, 1, true },
};

static void fill(struct kvm_sregs *s, const struct row *r)
{
	s->cr0 = r->cr0;
	s->cr3 = r->cr3;
	s->cr4 = r->cr4;
	s->efer = r->efer;
	s->apic_base = r->apic;
	s->cs.l = r->cs_l;
	s->cs.db = !r->cs_l;
	s->ds.base = 0x5000;		/* would be seen if it were taken */
	s->idt.limit = 0x123;
	s->cr2 = 0x77;
}

static void refused_sregs_change_nothing(enum hw_vendor vendor)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_sregs before, s, after;
		struct x86_state state;
		struct a_vcpu a;
		int r;

		make(&a, vendor);
		vcpu_get_sregs(a.v, &before);
		state = a.v->state;
		s = before;
		fill(&s, &rows[i]);
		r = vcpu_set_sregs(a.v, &s);
		vcpu_get_sregs(a.v, &after);
		if (!strcmp(rows[i].why, LA57_OF_INTEL) && vendor == INTEL) {
			assert_int_equal(r, 0);
			a_vcpu_free(&a);
			continue;
		}
		if (r != (rows[i].ok ? 0 : -EINVAL))
			fail_msg("%s: %d", rows[i].why, r);
		if (!rows[i].ok && (memcmp(&before, &after, sizeof(after)) ||
				    memcmp(&state, &a.v->state, sizeof(state))))
			fail_msg("%s: refused, and yet something changed", rows[i].why);
		if (rows[i].ok && (after.ds.base != 0x5000 || after.cr2 != 0x77 ||
				   after.apic_base != rows[i].apic || after.efer != rows[i].efer))
			fail_msg("%s: not taken", rows[i].why);
		a_vcpu_free(&a);
	}
}

static void refused_sregs_change_nothing_on_amd(void **unused)
{
	(void)unused;
	refused_sregs_change_nothing(AMD);
}

static void refused_sregs_change_nothing_on_intel(void **unused)
{
	(void)unused;
	refused_sregs_change_nothing(INTEL);
}

static void what_is_set_is_read(void **unused)
{
	static const struct kvm_segment cs = {
		.base = 0x1234, .limit = 0xfffff, .selector = 0x33, .type = 11, .present = 1,
		.dpl = 3, .s = 1, .l = 1, .g = 1, .avl = 1,
	};
	struct kvm_sregs s, back;
	struct a_vcpu a;

	(void)unused;
	make(&a, INTEL);
	vcpu_get_sregs(a.v, &s);
	fill(&s, &rows[0]);
	s.cs = cs;
	s.ss = (struct kvm_segment){ .dpl = 3, .type = 3, .s = 1, .present = 1, .selector = 0x2b };
	s.ldt = (struct kvm_segment){ .unusable = 1 };
	s.gdt = (struct kvm_dtable){ .base = 0xffffffff80000000, .limit = 0x7f };
	s.cr8 = 9;
	s.interrupt_bitmap[1] = BIT(3);
	assert_int_equal(vcpu_set_sregs(a.v, &s), 0);
	vcpu_get_sregs(a.v, &back);
	assert_memory_equal(&back.cs, &s.cs, sizeof(cs));
	assert_int_equal(back.ldt.unusable, 1);
	assert_int_equal(back.ldt.present, 0);
	assert_int_equal(back.gdt.base, 0xffffffff80000000);
	assert_int_equal(back.gdt.limit, 0x7f);
	assert_int_equal(back.cr8, 9);
	assert_int_equal(back.interrupt_bitmap[1], BIT(3));
	assert_int_equal(a.v->state.cpl, 3);
	assert_true(kvm_check_request(KVM_REQ_TLB_FLUSH, &a.v->base));
	a_vcpu_free(&a);
}

/* SDM vol. 3A table 10-1; AMD's VMCB after KVM's init_vmcb(). */
static void reset_is_the_manuals(void **unused)
{
	static const enum hw_vendor vendors[] = { AMD, INTEL };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
		bool amd = vendors[i] == AMD;
		struct kvm_sregs s;
		struct kvm_regs r;
		struct a_vcpu a;

		a_vcpu_make(&a, vendors[i], true);
		vcpu_get_sregs(a.v, &s);
		vcpu_get_regs(a.v, &r);
		assert_int_equal(s.cr0, 0x60000010);
		assert_int_equal(s.cr3 | s.cr4 | s.efer | s.cr8, 0);
		assert_int_equal(s.cs.selector, 0xf000);
		assert_int_equal(s.cs.base, 0xffff0000);
		assert_int_equal(s.cs.type, amd ? 10 : 11);
		assert_int_equal(s.ds.type, 3);
		assert_int_equal(s.tr.type, amd ? 3 : 11);
		assert_int_equal(s.ldt.type, 2);
		assert_int_equal(s.idt.limit, 0xffff);
		assert_int_equal(s.apic_base, APIC);
		assert_int_equal(r.rip, 0xfff0);
		assert_int_equal(r.rflags, 2);
		assert_int_equal(r.rdx, 0x600);
		assert_int_equal(a.v->maxphyaddr, 36);
		assert_int_equal(a.v->mp_state, KVM_MP_STATE_RUNNABLE);
		assert_int_equal(a_vcpu_add(&a, 1)->mp_state, KVM_MP_STATE_UNINITIALIZED);
		a_vcpu_free(&a);
	}
}

static void the_guest_moves_to_control_registers(void **unused)
{
	static const struct {
		const char *why;
		unsigned nr;
		uint64_t cr0, cr3, cr4, efer, value;
		int want;
		uint64_t is;
	} moves[] = {
		{ "CR0 reserved bits fall away", 0, LONG_CR0, 0, CR4_SOME, LONG_EFER,
		  LONG_CR0 | BIT(6), 0, LONG_CR0 },
		{ "CR0 bit 32", 0, LONG_CR0, 0, CR4_SOME, LONG_EFER, LONG_CR0 | BIT(32), 1, LONG_CR0 },
		{ "no paging in 64-bit mode", 0, LONG_CR0, 0, CR4_SOME, LONG_EFER,
		  X86_CR0_PE | X86_CR0_ET, 1, LONG_CR0 },
		{ "CR3 beyond MAXPHYADDR", 3, LONG_CR0, 0x1000, CR4_SOME, LONG_EFER, BIT(46), 1,
		  0x1000 },
		{ "CR3 beyond MAXPHYADDR without paging", 3, X86_CR0_PE, 0x1000, 0, 0, BIT(46), 1,
		  0x1000 },
		{ "CR3 bit 63 without PCIDE", 3, LONG_CR0, 0x1000, CR4_SOME, LONG_EFER, BIT(63), 1,
		  0x1000 },
		{ "CR3 bit 63 with PCIDE", 3, LONG_CR0, 0x1000, CR4_SOME | X86_CR4_PCIDE, LONG_EFER,
		  BIT(63) | 0x2001, 0, 0x2001 },
		{ "PAE stays in long mode", 4, LONG_CR0, 0, CR4_SOME, LONG_EFER, X86_CR4_OSFXSR, 1,
		  CR4_SOME },
		{ "PCIDE with a PCID", 4, LONG_CR0, 0x1001, CR4_SOME, LONG_EFER,
		  CR4_SOME | X86_CR4_PCIDE, 1, CR4_SOME },
		{ "PCIDE", 4, LONG_CR0, 0x1000, CR4_SOME, LONG_EFER, CR4_SOME | X86_CR4_PCIDE, 0,
		  CR4_SOME | X86_CR4_PCIDE },
		{ "PCIDE outside long mode", 4, X86_CR0_PE, 0, 0, 0, X86_CR4_PCIDE, 1, 0 },
		{ "SMEP", 4, X86_CR0_PE, 0, 0, 0, X86_CR4_SMEP, 0, X86_CR4_SMEP },
		{ "CR4 bit 31", 4, X86_CR0_PE, 0, 0, 0, BIT(31), 1, 0 },
		{ "CR8", 8, X86_CR0_PE, 0, 0, 0, 15, 0, 15 },
		{ "CR8 has four bits", 8, X86_CR0_PE, 0, 0, 0, 16, 1, 0 },
	};
	struct a_vcpu a;

	(void)unused;
	make(&a, INTEL);
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		struct x86_state *s = &a.v->state;
		uint64_t *cr[] = { &s->cr0, NULL, NULL, &s->cr3, &s->cr4, NULL, NULL, NULL, &s->cr8 };
		int (*const set[])(struct vcpu *, uint64_t) = {
			vcpu_set_cr0, NULL, NULL, vcpu_set_cr3, vcpu_set_cr4, NULL, NULL, NULL,
			vcpu_set_cr8 };
		int r;

		s->cr0 = moves[i].cr0;
		s->cr3 = moves[i].cr3;
		s->cr4 = moves[i].cr4;
		s->cr8 = 0;
		s->efer = moves[i].efer;
		s->seg[X86_CS].ar |= X86_AR_L;
		r = set[moves[i].nr](a.v, moves[i].value);
		if (r != moves[i].want || *cr[moves[i].nr] != moves[i].is)
			fail_msg("%s: %d, %#llx", moves[i].why, r,
				 (unsigned long long)*cr[moves[i].nr]);
	}
	a_vcpu_free(&a);
}

static void paging_begins_and_ends_long_mode(void **unused)
{
	struct a_vcpu a;
	struct x86_state *s;

	(void)unused;
	make(&a, AMD);
	s = &a.v->state;
	s->cr0 = X86_CR0_PE | X86_CR0_ET;
	s->efer = X86_EFER_LME;
	assert_int_equal(vcpu_set_cr0(a.v, LONG_CR0), 1);	/* no PAE */
	assert_int_equal(s->efer, X86_EFER_LME);
	s->cr4 = X86_CR4_PAE;
	assert_int_equal(vcpu_set_cr0(a.v, LONG_CR0), 0);
	assert_int_equal(s->efer, LONG_EFER);
	assert_int_equal(vcpu_set_cr0(a.v, X86_CR0_PE), 0);	/* compatibility mode */
	assert_int_equal(s->efer, X86_EFER_LME);
	a_vcpu_free(&a);
}

/* A VMM that resets the boot processor with SET_SREGS alone. */
static void a_boot_processor_reset_by_hand_wakes(void **unused)
{
	struct kvm_sregs reset;
	struct a_vcpu a;

	(void)unused;
	make(&a, INTEL);
	vcpu_get_sregs(a.v, &reset);
	assert_int_equal(vcpu_set_mp_state(a.v, KVM_MP_STATE_HALTED), 0);
	assert_int_equal(vcpu_set_sregs(a.v, &reset), 0);
	assert_int_equal(a.v->mp_state, KVM_MP_STATE_RUNNABLE);
	a_vcpu_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_sregs_change_nothing_on_amd),
		cmocka_unit_test(refused_sregs_change_nothing_on_intel),
		cmocka_unit_test(what_is_set_is_read),
		cmocka_unit_test(reset_is_the_manuals),
		cmocka_unit_test(the_guest_moves_to_control_registers),
		cmocka_unit_test(paging_begins_and_ends_long_mode),
		cmocka_unit_test(a_boot_processor_reset_by_hand_wakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
