/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_event.c - an exception while another is on its way: SDM vol. 3A table 6-5. */
#include "a_vcpu.h"

#define NOTHING	-1
#define TRIPLE	-2

static const struct {
	const char	*why;
	int		first, second, want;
} rows[] = {
	{ "alone", NOTHING, X86_GP, X86_GP },
	{ "benign, then contributory", X86_UD, X86_GP, X86_GP },
	{ "contributory, then benign", X86_GP, X86_UD, X86_UD },
	{ "benign, then page fault", X86_DB, X86_PF, X86_PF },
	{ "contributory twice", X86_GP, X86_GP, X86_DF },
	{ "divide, then segment", X86_DE, X86_NP, X86_DF },
	{ "stack, then task", X86_SS_FAULT, X86_TS, X86_DF },
	{ "contributory, then page fault", X86_GP, X86_PF, X86_PF },
	{ "page fault, then contributory", X86_PF, X86_GP, X86_DF },
	{ "page fault twice", X86_PF, X86_PF, X86_DF },
	{ "page fault, then benign", X86_PF, X86_UD, X86_UD },
	{ "double, then contributory", X86_DF, X86_GP, TRIPLE },
	{ "double, then page fault", X86_DF, X86_PF, TRIPLE },
};

static void two_exceptions_make_what_the_table_says(void **unused)
{
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vcpu_event *e = &a.v->event;
		bool triple;

		memset(e, 0, sizeof(*e));
		if (rows[i].first != NOTHING)
			vcpu_queue_exception(a.v, rows[i].first, true, 0x10);
		vcpu_queue_exception(a.v, rows[i].second, true, 0x20);
		triple = kvm_check_request(KVM_REQ_TRIPLE_FAULT, &a.v->base);
		if (triple != (rows[i].want == TRIPLE) ||
		    (!triple && (!e->pending || e->vector != rows[i].want)))
			fail_msg("%s: vector %u", rows[i].why, e->vector);
		if (!triple && e->vector == X86_DF)
			assert_true(e->has_error && !e->error);
		else if (!triple)
			assert_int_equal(e->error, 0x20);
	}
	a_vcpu_free(&a);
}

static void an_interrupt_is_no_exception(void **unused)
{
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	a.v->event = (struct vcpu_event){ .pending = true, .is_intr = true, .vector = X86_GP };
	vcpu_inject_gp(a.v);
	assert_int_equal(a.v->event.vector, X86_GP);
	assert_false(a.v->event.is_intr);
	vcpu_inject_pf(a.v, 0xdead000, 6);
	assert_int_equal(a.v->state.cr2, 0xdead000);
	a_vcpu_free(&a);
}

/* KVM_SET_REGS drops an exception that waits, not an interrupt. */
static void new_registers_drop_exceptions_only(void **unused)
{
	struct kvm_regs regs;
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	vcpu_get_regs(a.v, &regs);
	vcpu_inject_gp(a.v);
	vcpu_set_regs(a.v, &regs);
	assert_false(a.v->event.pending);
	a.v->event = (struct vcpu_event){ .pending = true, .is_intr = true, .vector = 0x40 };
	vcpu_set_regs(a.v, &regs);
	assert_true(a.v->event.pending);
	a_vcpu_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_exceptions_make_what_the_table_says),
		cmocka_unit_test(an_interrupt_is_no_exception),
		cmocka_unit_test(new_registers_drop_exceptions_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
