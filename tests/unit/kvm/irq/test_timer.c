/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_timer.c - deadlines are called in order; the local APIC's timer in its modes. */
#include "some_apics.h"

#include "os/process.h"

#define NR	500

struct stamp {
	struct irq_timer timer;
	atomic32_t	 place;		/* in the order of firing, from 1 */
	atomic32_t	*next;
};

static void note(struct irq_timer *timer)
{
	struct stamp *st = container_of(timer, struct stamp, timer);

	atomic32_store(&st->place, atomic32_add(st->next, 1) + 1);
}

static void until(uint64_t ns)
{
	while (os_monotonic_ns() < ns)
		os_yield();
}

/* Every third is cancelled, and the second goes to the end. */
static void arm_all(struct stamp *st, uint64_t t0)
{
	for (unsigned i = 0; i < NR; i++) {
		unsigned at = i * 7919 % NR;

		irq_timer_arm(&st[at].timer, t0 + at * 1000);
	}
	for (unsigned i = 0; i < NR; i += 3)
		irq_timer_cancel(&st[i].timer);
	irq_timer_arm(&st[1].timer, t0 + NR * 1000);
}

/* Deadlines in the past are called at once, the earlier first, whatever was cancelled between. */
static void they_fire_in_order(void **unused)
{
	struct irq_timers *timers = irq_timers_create();
	struct stamp *st = calloc(NR, sizeof(*st));
	atomic32_t next = { 0 };
	uint64_t t0, wait = 20000000;
	unsigned last = 0;

	(void)unused;
	assert_non_null(timers);
	for (unsigned i = 0; i < NR; i++) {
		irq_timer_init(&st[i].timer, timers, note);
		st[i].next = &next;
	}
	/* All are armed before the first is due, or it is begun once more with more time. */
	while (t0 = os_monotonic_ns() + wait, arm_all(st, t0), os_monotonic_ns() >= t0) {
		for (unsigned i = 0; i < NR; i++) {
			irq_timer_cancel(&st[i].timer);
			atomic32_store(&st[i].place, 0);
		}
		atomic32_store(&next, 0);
		wait *= 2;
	}
	until(t0);
	while (atomic32_load(&next) < NR - (NR + 2) / 3)
		os_yield();
	for (unsigned i = 0; i < NR; i++) {
		unsigned place = atomic32_load(&st[i].place);

		if (i % 3 == 0 || i == 1) {
			assert_int_equal(place, i == 1 ? NR - (NR + 2) / 3 : 0);
			continue;
		}
		assert_true(place > last);
		last = place;
	}
	for (unsigned i = 0; i < NR; i++)
		irq_timer_cancel(&st[i].timer);
	irq_timers_destroy(timers);
	free(st);
}

/* After cancel nothing fires and nothing is firing. */
static void again(struct irq_timer *timer)
{
	note(timer);
	irq_timer_arm(timer, 0);
}

static void cancel_waits(void **unused)
{
	struct irq_timers *timers = irq_timers_create();
	atomic32_t next = { 0 };
	struct stamp st = { .next = &next };
	uint32_t n;

	(void)unused;
	irq_timer_init(&st.timer, timers, again);
	for (unsigned i = 0; i < 200; i++) {
		n = atomic32_load(&next);
		irq_timer_arm(&st.timer, 0);
		while (atomic32_load(&next) == n)
			os_yield();
		irq_timer_cancel(&st.timer);
		n = atomic32_load(&next);
		os_yield();
		assert_int_equal(atomic32_load(&next), n);
	}
	irq_timers_destroy(timers);
}

static struct some_apics s;
static struct lapic *apic;

static int setup(void **unused)
{
	some_apics_make(&s, 1, IRQCHIP_KERNEL);
	apic = s.vcpu[0].lapic;
	enable(apic);
	return 0;
}

static int teardown(void **unused)
{
	some_apics_free(&s);
	return 0;
}

static void wait_pending(void)
{
	while (!lapic_timer_is_pending(apic))
		os_yield();
}

static void once(void **unused)
{
	(void)unused;
	poke(apic, LAPIC_TDCR, 0xa);
	poke(apic, LAPIC_LVT_TIMER, 0x30);
	poke(apic, LAPIC_TMICT, ~0u);		/* minutes: not over before we have looked */
	assert_true(peek(apic, LAPIC_TMCCT) > 0);
	poke(apic, LAPIC_TDCR, 0xb);
	poke(apic, LAPIC_TMICT, 1000000);
	wait_pending();
	/* The request follows what it is about; without it this never ends. */
	while (!kvm_check_request(KVM_REQ_UNBLOCK, apic->vcpu))
		os_yield();
	lapic_timer_deliver(apic);
	assert_true(lapic_test(apic, LAPIC_IRR, 0x30));
	assert_int_equal(peek(apic, LAPIC_TMCCT), 0);
	assert_false(lapic_timer_is_pending(apic));
}

static void every_period(void **unused)
{
	uint64_t t0 = os_monotonic_ns();

	(void)unused;
	poke(apic, LAPIC_TDCR, 0xb);
	poke(apic, LAPIC_LVT_TIMER, 0x20031);
	poke(apic, LAPIC_TMICT, 300000);
	for (unsigned i = 0; i < 10; i++) {
		wait_pending();
		lapic_timer_deliver(apic);
	}
	assert_true(os_monotonic_ns() - t0 >= 10 * 300000);
	poke(apic, LAPIC_TMICT, 0);
	until(os_monotonic_ns() + 1000000);
	assert_false(lapic_timer_is_pending(apic));
}

/* The guest finds its clock at the deadline or after it. */
static void at_a_deadline(void **unused)
{
	uint64_t deadline;

	(void)unused;
	lapic_set_cpuid(apic, true, true);
	lapic_set_tsc_deadline(apic, 1);
	assert_int_equal(lapic_get_tsc_deadline(apic), 0);
	poke(apic, LAPIC_LVT_TIMER, 0x40032);
	deadline = guest_tsc_read(&s.tsc) + os_tsc_khz();
	lapic_set_tsc_deadline(apic, deadline);
	assert_int_equal(lapic_get_tsc_deadline(apic), deadline);
	while (!lapic_test(apic, LAPIC_IRR, 0x32)) {
		wait_pending();
		lapic_timer_deliver(apic);
	}
	assert_true(guest_tsc_read(&s.tsc) >= deadline);
	assert_int_equal(lapic_get_tsc_deadline(apic), 0);
	poke(apic, LAPIC_TMICT, 100);	/* means nothing in this mode */
	assert_int_equal(peek(apic, LAPIC_TMICT), 0);
}

/* Another divider while it counts: what is left is counted with it, to the end. */
static void a_divider_in_between(void **unused)
{
	(void)unused;
	poke(apic, LAPIC_TDCR, 0xa);			/* by 128 */
	poke(apic, LAPIC_LVT_TIMER, 0x30);
	poke(apic, LAPIC_TMICT, 1000000);
	poke(apic, LAPIC_TDCR, 0xb);			/* by 1 */
	assert_true(peek(apic, LAPIC_TMCCT) <= 1000000);
	wait_pending();
}

/* A periodic one goes on with the new divider, whether or not a tick waits to be taken. */
static void a_divider_between_ticks(void **unused)
{
	(void)unused;
	poke(apic, LAPIC_TDCR, 0xb);
	poke(apic, LAPIC_LVT_TIMER, 0x20031);
	poke(apic, LAPIC_TMICT, 300000);
	wait_pending();
	poke(apic, LAPIC_TDCR, 0);
	lapic_timer_deliver(apic);
	wait_pending();
}

/* What was saved with nothing left is over at once, or begins a new period. */
static void a_restored_count_of_zero(void **unused)
{
	uint32_t page[256] = { 0 };

	(void)unused;
	poke(apic, LAPIC_TDCR, 0xb);
	poke(apic, LAPIC_LVT_TIMER, 0x30);
	poke(apic, LAPIC_TMICT, ~0u);
	assert_int_equal(lapic_save(apic, page), 0);
	page[LAPIC_TMCCT / 4] = 0;
	assert_int_equal(lapic_load(apic, page), 0);
	wait_pending();
	page[LAPIC_LVT_TIMER / 4] = 0x20030;
	assert_int_equal(lapic_load(apic, page), 0);
	assert_true(peek(apic, LAPIC_TMCCT) > 0);
	page[LAPIC_TMCCT / 4] = 1u << 30;		/* not the whole period */
	assert_int_equal(lapic_load(apic, page), 0);
	assert_true(peek(apic, LAPIC_TMCCT) <= 1u << 30);
}

/* The shortest period is KVM's; a long one stays as it is. */
static void periods_are_limited_from_below(void **unused)
{
	(void)unused;
	poke(apic, LAPIC_TDCR, 0xb);
	poke(apic, LAPIC_LVT_TIMER, 0x30 | 2u << 16);
	poke(apic, LAPIC_TMICT, ~0u);
	assert_int_equal(atomic64_load(&apic->timer.period), ~0u);
	poke(apic, LAPIC_TMICT, 1000);
	assert_int_equal(atomic64_load(&apic->timer.period), 200000);
	poke(apic, LAPIC_LVT_TIMER, 0x30);
	poke(apic, LAPIC_TMICT, 1000);
	assert_int_equal(atomic64_load(&apic->timer.period), 1000);
}

/* SDM vol. 3A figure 11-10. */
static void dividers(void **unused)
{
	static const struct { uint32_t tdcr; uint8_t by; } rows[] = {
		{ 0, 2 }, { 1, 4 }, { 2, 8 }, { 3, 16 }, { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		poke(apic, LAPIC_TDCR, rows[i].tdcr);
		assert_int_equal(apic->timer.divide, rows[i].by);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_fire_in_order),
		cmocka_unit_test(cancel_waits),
		T(once),
		T(every_period),
		T(at_a_deadline),
		T(a_divider_in_between),
		T(a_divider_between_ticks),
		T(a_restored_count_of_zero),
		T(periods_are_limited_from_below),
		T(dividers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
