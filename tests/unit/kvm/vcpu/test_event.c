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
		struct vcpu_exception *e = &a.v->events.exception;
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

static struct vcpu_interrupt interrupt(uint8_t vector)
{
	return (struct vcpu_interrupt){ .injected = true, .vector = vector };
}

static void an_interrupt_is_no_exception(void **unused)
{
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	a.v->events.interrupt = interrupt(X86_GP);
	vcpu_inject_gp(a.v);
	assert_int_equal(a.v->events.exception.vector, X86_GP);
	assert_true(a.v->events.interrupt.injected);
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
	assert_false(a.v->events.exception.pending);
	a.v->events.interrupt = interrupt(0x40);
	vcpu_set_regs(a.v, &regs);
	assert_true(a.v->events.interrupt.injected);
	a_vcpu_free(&a);
}

/* What the next entry injects of several events: the first column that is there. */
static void one_event_an_entry_in_the_kernels_order(void **unused)
{
	static const struct {
		const char *why;
		bool exception, nmi, interrupt;		/* what there is */
		bool takes_exception, takes_nmi, keeps_nmi;
	} order[] = {
		{ "an exception before an NMI", true, true, false, true, false, true },
		{ "an NMI alone", false, true, false, false, true, false },
		{ "what began before an NMI", false, true, true, false, false, true },
		{ "an exception before all", true, true, true, true, false, true },
	};
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, INTEL, false);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		struct vcpu_events *e = &a.v->events;

		*e = (struct vcpu_events){ .external_vector = -1 };
		if (order[i].interrupt)
			e->interrupt = interrupt(0x40);
		if (order[i].exception)
			vcpu_inject_gp(a.v);
		e->nmi_pending = order[i].nmi;
		vcpu_prepare_events(a.v);
		if (e->exception.injected != order[i].takes_exception ||
		    e->nmi_injected != order[i].takes_nmi || e->nmi_pending != order[i].keeps_nmi ||
		    a.v->vmx.nmi_window_exiting != order[i].keeps_nmi)
			fail_msg("%s", order[i].why);
	}
	a_vcpu_free(&a);
}

/* Two may wait while none is being handled, one otherwise; AMD's hardware holds one of them. */
static void nmis_are_merged(void **unused)
{
	static const struct {
		const char *why;
		enum hw_vendor vendor;
		bool blocked;
		unsigned sent, pending;
		bool in_hardware;
	} rows_nmi[] = {
		{ "one", INTEL, false, 1, 1, false },
		{ "three are two", INTEL, false, 3, 2, false },
		{ "one while blocked", INTEL, true, 3, 1, false },
		{ "the hardware's", AMD, false, 1, 0, true },
		{ "and one more", AMD, false, 3, 1, true },
		{ "only the hardware's while blocked", AMD, true, 3, 0, true },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows_nmi); i++) {
		struct a_vcpu a;

		a_vcpu_make(&a, rows_nmi[i].vendor, false);
		a.v->state.shadow = rows_nmi[i].blocked ? X86_SHADOW_NMI : 0;
		for (unsigned n = 0; n < rows_nmi[i].sent; n++)
			kvm_inject_nmi(&a.v->base);
		assert_true(kvm_check_request(KVM_REQ_NMI, &a.v->base));
		vcpu_process_nmi(a.v);
		if (a.v->events.nmi_pending != rows_nmi[i].pending ||
		    a.v->svm.v_nmi_pending != rows_nmi[i].in_hardware)
			fail_msg("%s: %u", rows_nmi[i].why, a.v->events.nmi_pending);
		a_vcpu_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_exceptions_make_what_the_table_says),
		cmocka_unit_test(an_interrupt_is_no_exception),
		cmocka_unit_test(new_registers_drop_exceptions_only),
		cmocka_unit_test(one_event_an_entry_in_the_kernels_order),
		cmocka_unit_test(nmis_are_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
