/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sev.c - vCPUs of encrypted guests: what is emulated of them (kernel
 * 6.12, svm_check_emulate_instruction()), write traps, registers of MSRs that
 * are the guest's own.
 */
#include "a_vcpu.h"

#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/emulate.h"
#include "kvm/vcpu/exits.h"

#define SEV	(SVM_NP_ENABLE | SVM_NP_SEV)
#define ES	(SEV | SVM_NP_SEV_ES)

enum { NOTHING = -1, TRIPLE = -2 };

/* The processor left no bytes. */
static const struct {
	const char	*why;
	uint64_t	 np, gpa, ec, cr4;
	uint8_t		 cpl;
	int		 want;		/* an exception, NOTHING, TRIPLE */
} rows[] = {
	{ "SEV, string I/O", SEV, ~0ull, 0, 0, 0, X86_UD },
	{ "SEV, no bytes", SEV, 0xd0000000, 0, 0, 0, NOTHING },
	{ "SEV, no bytes, SMAP alone", SEV, 0xd0000000, 0, X86_CR4_SMAP, 0, TRIPLE },
	{ "SEV, no bytes, SMAP, user", SEV, 0xd0000000, 0, X86_CR4_SMAP, 3, X86_GP },
	{ "SEV, SMAP and SMEP", SEV, 0xd0000000, 0, X86_CR4_SMAP | X86_CR4_SMEP, 0, NOTHING },
	{ "SEV, SMAP and SMEP, user", SEV, 0xd0000000, 0, X86_CR4_SMAP | X86_CR4_SMEP, 3, X86_GP },
	{ "SEV, a fetch", SEV, 0xd0000000, SVM_NPF_FETCH, X86_CR4_SMAP, 0, NOTHING },
	{ "SEV, a page table", SEV, 0xd0000000, SVM_NPF_TABLE, X86_CR4_SMAP, 3, NOTHING },
	{ "SEV-ES, string I/O", ES, ~0ull, 0, 0, 0, NOTHING },
	{ "SEV-ES, MMIO", ES, 0xd0000000, 0, X86_CR4_SMAP, 3, NOTHING },
};

static void without_bytes_nothing_is_emulated(void **unused)
{
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct vcpu_exception *e = &a.v->events.exception;
		const uint64_t rip = a.v->state.rip;
		int got;

		a.v->events = (struct vcpu_events){ .external_vector = -1 };
		a.v->svm.np_control = rows[i].np;
		a.v->svm_exit.exitinfo1 = rows[i].ec;
		a.v->svm_exit.nr_bytes = 0;
		a.v->state.cr4 = rows[i].cr4;
		a.v->state.cpl = rows[i].cpl;
		assert_int_equal(vcpu_emulate(a.v, GPA(rows[i].gpa)), 1);
		got = kvm_check_request(KVM_REQ_TRIPLE_FAULT, &a.v->base) ? TRIPLE :
		      e->pending ? e->vector : NOTHING;
		if (got != rows[i].want)
			fail_msg("%s: %d", rows[i].why, got);
		assert_int_equal(a.v->state.rip, rip);
	}
	a_vcpu_free(&a);
}

/* MOV [MMIO], EAX with its bytes left behind: goes out, of SEV; of SEV-ES it is run again. */
static void with_bytes_sev_is_emulated(void **unused)
{
	static const uint8_t mov[] = { 0x67, 0x66, 0x89, 0x03 };
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	memcpy(a.v->svm_exit.bytes, mov, sizeof(mov));
	a.v->svm_exit.nr_bytes = sizeof(mov);
	a.v->state.gpr[X86_RAX] = 0x12345678;
	a.v->state.gpr[X86_RBX] = 0xd000;
	a.v->svm.np_control = ES;
	assert_int_equal(vcpu_emulate(a.v, GPA(0xd000)), 1);
	a.v->svm.np_control = SEV;
	a.v->base.srcu_idx = srcu_read_lock(&a.kvm->srcu);
	assert_int_equal(vcpu_emulate(a.v, GPA(0xd000)), 0);
	srcu_read_unlock(&a.kvm->srcu, a.v->base.srcu_idx);
	assert_int_equal(a.v->base.run->exit_reason, KVM_EXIT_MMIO);
	assert_memory_equal(a.v->base.run->mmio.data, "\x78\x56\x34\x12", 4);
	a_vcpu_free(&a);
}

/*
 * Fewer bytes than the instruction has: KVM cannot read the others, so it is run again, and
 * nobody has looked into the guest.
 */
static void a_part_of_an_instruction_is_not_completed(void **unused)
{
	static const uint8_t mov[] = { 0x67, 0x66, 0x89 };
	struct kvm_memory_slot slot = { .id = 0 };
	struct a_vcpu a;
	uint8_t *memory;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	memory = a_vcpu_add_slot(&a, &slot, 0x2000);
	memory[0x1000] = 0x03;
	memcpy(a.v->svm_exit.bytes, mov, sizeof(mov));
	a.v->svm_exit.nr_bytes = sizeof(mov);
	a.v->state.rip = 0x1000 - sizeof(mov);
	a.v->state.seg[X86_CS].base = 0;
	a.v->state.gpr[X86_RBX] = 0xd000;
	a.v->svm.np_control = SEV;
	a.v->base.srcu_idx = srcu_read_lock(&a.kvm->srcu);
	a.v->base.run->exit_reason = KVM_EXIT_UNKNOWN;
	assert_int_equal(vcpu_emulate(a.v, GPA(0xd000)), 1);
	assert_int_equal(a.v->state.rip, 0x1000 - sizeof(mov));
	assert_false(a.v->events.exception.pending);
	/* Who may read it completes it. */
	a.v->svm.np_control = SVM_NP_ENABLE;
	assert_int_equal(vcpu_emulate(a.v, GPA(0xd000)), 0);
	assert_int_equal(a.v->base.run->exit_reason, KVM_EXIT_MMIO);
	srcu_read_unlock(&a.kvm->srcu, a.v->base.srcu_idx);
	a_vcpu_forget_slot(&a, &slot);
	a_vcpu_free(&a);
	assert_int_equal(munmap(memory, 0x2000), 0);
}

static int trap(struct a_vcpu *a, uint64_t code, uint64_t value)
{
	a->v->svm_exit = (struct svm_exit){ .exitcode = code, .exitinfo1 = value };
	return a->v->backend->handle_exit(a->v);
}

/* KVM's shadow follows, LMA with it. */
static void write_traps_change_the_shadow(void **unused)
{
	struct a_vcpu a;
	const struct x86_state *s;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	a_vcpu_all_cpuid(&a);
	s = &a.v->state;
	a.v->svm.np_control = ES;
	a.v->svm.int_state = SVM_INT_SHADOW | SVM_GUEST_INTERRUPT_MASK;
	assert_int_equal(trap(&a, SVM_EXIT_CR0_WRITE_TRAP + 4, X86_CR4_PAE), 1);
	assert_int_equal(s->cr4, X86_CR4_PAE);
	assert_int_equal(a.v->svm.int_state, SVM_GUEST_INTERRUPT_MASK);
	assert_int_equal(trap(&a, SVM_EXIT_EFER_WRITE_TRAP, X86_EFER_LME | X86_EFER_SVME), 1);
	assert_int_equal(s->efer, X86_EFER_LME);
	assert_int_equal(trap(&a, SVM_EXIT_CR0_WRITE_TRAP, X86_CR0_PE | X86_CR0_PG), 1);
	assert_int_equal(s->cr0, X86_CR0_PE | X86_CR0_PG);
	assert_int_equal(s->efer, X86_EFER_LME | X86_EFER_LMA);
	assert_int_equal(trap(&a, SVM_EXIT_CR0_WRITE_TRAP, X86_CR0_PE), 1);
	assert_int_equal(s->efer, X86_EFER_LME);
	assert_int_equal(trap(&a, SVM_EXIT_CR0_WRITE_TRAP + 8, 7), 1);
	assert_int_equal(s->cr8, 7);
	assert_false(a.v->events.exception.pending);
	assert_int_equal(trap(&a, SVM_EXIT_CR0_WRITE_TRAP + 3, 0), 0);
	assert_int_equal(a.v->base.run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	a_vcpu_free(&a);
}

/* STAR is open for writes in the map, and with it the guest's own once its state is. */
static void an_msr_may_be_the_guests_own(void **unused)
{
	static const struct { uint64_t np; bool is_protected, hides; int r; uint64_t value; } msrs[] = {
		{ SEV, true, true, 0, 5 }, { ES, false, true, 0, 5 }, { ES, true, false, 0, 0 },
		{ ES, true, true, 1, 0 },
	};
	uint8_t msrpm[SVM_MSRPM_SIZE];
	struct a_vcpu a;
	int bit = svm_msrpm_bit(0xc0000081) + 1;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	memset(msrpm, 0xff, sizeof(msrpm));
	msrpm[bit / 8] &= (uint8_t)~(1u << bit % 8);
	a.v->svm.msrpm = msrpm;
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		uint64_t value = 1;

		a.v->state.msr.star = 5;
		a.v->svm.np_control = msrs[i].np;
		a.v->base.guest_state_protected = msrs[i].is_protected;
		a.kvm->has_protected_state = msrs[i].hides;
		assert_int_equal(!!vcpu_get_msr(a.v, 0xc0000081, true, &value), msrs[i].r);
		assert_int_equal(value, msrs[i].value);
		assert_int_equal(!!vcpu_set_msr(a.v, 0xc0000081, true, 6), msrs[i].r);
		assert_int_equal(a.v->state.msr.star, msrs[i].value ? 6 : 5);
		assert_int_equal(vcpu_get_msr(a.v, 0xc0000082, true, &value), 0);
	}
	a_vcpu_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_bytes_nothing_is_emulated),
		cmocka_unit_test(with_bytes_sev_is_emulated),
		cmocka_unit_test(a_part_of_an_instruction_is_not_completed),
		cmocka_unit_test(write_traps_change_the_shadow),
		cmocka_unit_test(an_msr_may_be_the_guests_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
