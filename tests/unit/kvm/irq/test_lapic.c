/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_lapic.c - registers, priorities, acceptance, save and load, x2APIC. */
#include "some_apics.h"

#include <errno.h>

#define OURS	0x00050014u

static struct some_apics s;
static struct lapic *apic;

static int setup(void **unused)
{
	some_apics_make(&s, 4, IRQCHIP_KERNEL);
	apic = s.vcpu[3].lapic;
	return 0;
}

static int teardown(void **unused)
{
	some_apics_free(&s);
	return 0;
}

static void reset_is_the_manuals(void **unused)
{
	static const struct { const char *why; uint32_t reg, ap, bsp; } rows[] = {
		{ "the id is in the top byte", LAPIC_ID, 3u << 24, 0 },
		{ "no priority", LAPIC_TPR, 0, 0 },
		{ "flat destinations", LAPIC_DFR, ~0u, ~0u },
		{ "switched off by software", LAPIC_SVR, 0xff, 0xff },
		{ "the timer is masked", LAPIC_LVT_TIMER, 0x10000, 0x10000 },
		{ "the boot processor listens to the PIC", LAPIC_LVT_LINT0, 0x10000, 0x700 },
		{ "errors are masked", LAPIC_LVT_ERROR, 0x10000, 0x10000 },
		{ "nothing in service", LAPIC_ISR, 0, 0 },
		{ "nothing requested", LAPIC_IRR + 0x70, 0, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (lapic_get(apic, rows[i].reg) != rows[i].ap ||
		    lapic_get(s.vcpu[0].lapic, rows[i].reg) != rows[i].bsp)
			fail_msg("%s: %#x", rows[i].why, lapic_get(apic, rows[i].reg));
	}
}

static void reads_stay_within_an_aligned_word(void **unused)
{
	static const struct { uint32_t at; unsigned len; uint32_t want; } rows[] = {
		{ LAPIC_ESR, 4, 0x44332211 }, { LAPIC_ESR, 2, 0x2211 }, { LAPIC_ESR, 1, 0x11 },
		{ LAPIC_ESR + 1, 1, 0x22 }, { LAPIC_ESR + 2, 2, 0x4433 },
		{ LAPIC_ESR + 3, 1, 0x44 }, { LAPIC_ESR + 1, 4, 0 }, { LAPIC_ESR + 3, 2, 0 },
		{ LAPIC_ESR, 8, 0 }, { LAPIC_ESR + 4, 4, 0 }, { LAPIC_EOI, 4, 0 },
	};

	(void)unused;
	lapic_put(apic, LAPIC_ESR, 0x44332211);
	lapic_put(apic, LAPIC_EOI, 0x55);	/* cannot be read */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t got = 0;

		lapic_read(apic, rows[i].at, rows[i].len, &got);
		if (got != rows[i].want)
			fail_msg("row %zu: %#llx", i, (unsigned long long)got);
	}
}

/* What a register keeps of all ones. */
static void writes_keep_what_exists(void **unused)
{
	static const struct { const char *why; uint32_t reg, was, want; } rows[] = {
		{ "the id", LAPIC_ID, 3u << 24, 0xff000000 },
		{ "the version", LAPIC_VERSION, OURS, OURS },
		{ "a priority is a byte", LAPIC_TPR, 0, 0xff },
		{ "the logical id", LAPIC_LDR, 0, 0xff000000 },
		{ "the model", LAPIC_DFR, ~0u, ~0u },
		{ "ICR's upper half", LAPIC_ICR2, 0, 0xff000000 },
		{ "LINT0 has a mode and a level", LAPIC_LVT_LINT0, 0x10000, 0x1f7ff },
		{ "an error has a vector", LAPIC_LVT_ERROR, 0x10000, 0x110ff },
		{ "performance has a mode", LAPIC_LVT_PERF, 0x10000, 0x117ff },
		{ "the timer: no TSC deadline unless CPUID says so", LAPIC_LVT_TIMER, 0x10000,
		  0x310ff },
		{ "what is in service", LAPIC_ISR, 0, 0 },
		{ "the timer's divider", LAPIC_TDCR, 0, 0xb },
		{ "no CMCI", LAPIC_LVT_CMCI, 0, 0 },
	};

	(void)unused;
	enable(apic);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (lapic_get(apic, rows[i].reg) != rows[i].was)
			fail_msg("%s: was %#x", rows[i].why, lapic_get(apic, rows[i].reg));
		poke(apic, rows[i].reg, ~0u);
		if (lapic_get(apic, rows[i].reg) != rows[i].want)
			fail_msg("%s: %#x", rows[i].why, lapic_get(apic, rows[i].reg));
	}
}

static void send(uint8_t vector, bool level)
{
	struct lapic_irq irq = { .vector = vector, .level = true, .trig_level = level };

	lapic_accept(apic, &irq);
}

/* SDM vol. 3A 11.8.3.1: TPR, the highest in service, what may interrupt and PPR. */
static void priorities_are_the_manuals(void **unused)
{
	static const struct {
		const char *why;
		uint8_t tpr, in_service, requested;	/* 0: none */
		int delivered;
		uint8_t ppr;
	} rows[] = {
		{ "nothing", 0, 0, 0, -1, 0 },
		{ "anything", 0, 0, 0x31, 0x31, 0 },
		{ "class 1 needs class 0", 0x10, 0, 0x1f, -1, 0x10 },
		{ "a sub-class does not matter", 0x0f, 0, 0x10, 0x10, 0x0f },
		{ "the same class waits", 0x30, 0, 0x3f, -1, 0x30 },
		{ "the next class does not", 0x3f, 0, 0x40, 0x40, 0x3f },
		{ "what is in service holds back its class", 0, 0x41, 0x4f, -1, 0x40 },
		{ "and lets through the next", 0, 0x4f, 0x50, 0x50, 0x40 },
		{ "TPR above what is in service", 0x62, 0x51, 0x61, -1, 0x62 },
		{ "TPR in the class of what is in service", 0x45, 0x41, 0x50, 0x50, 0x45 },
		{ "all ones", 0xff, 0, 0xff, -1, 0xff },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		lapic_reset(apic, false, false);
		enable(apic);
		if (rows[i].in_service) {
			send(rows[i].in_service, false);
			lapic_ack(apic, rows[i].in_service);
		}
		poke(apic, LAPIC_TPR, rows[i].tpr);
		if (rows[i].requested)
			send(rows[i].requested, false);
		if (lapic_has_interrupt(apic) != rows[i].delivered ||
		    peek(apic, LAPIC_PPR) != rows[i].ppr)
			fail_msg("%s: %d, PPR %#x", rows[i].why, lapic_has_interrupt(apic),
				 peek(apic, LAPIC_PPR));
	}
}

/* IRR while one is in service; TMR as last triggered; EOI ends the highest. */
static void one_in_service_and_one_requested(void **unused)
{
	(void)unused;
	enable(apic);
	send(0x40, true);
	assert_true(lapic_test(apic, LAPIC_TMR, 0x40));
	lapic_ack(apic, 0x40);
	assert_false(lapic_test(apic, LAPIC_IRR, 0x40));
	assert_true(lapic_test(apic, LAPIC_ISR, 0x40));
	send(0x40, false);
	assert_true(lapic_test(apic, LAPIC_IRR, 0x40));
	assert_false(lapic_test(apic, LAPIC_TMR, 0x40));
	send(0x81, false);
	lapic_ack(apic, 0x81);
	assert_int_equal(lapic_has_interrupt(apic), -1);
	kvm_check_request(KVM_REQ_EVENT, apic->vcpu);
	poke(apic, LAPIC_EOI, 0);
	assert_false(lapic_test(apic, LAPIC_ISR, 0x81));
	assert_true(lapic_test(apic, LAPIC_ISR, 0x40));
	poke(apic, LAPIC_EOI, 0);
	assert_true(kvm_check_request(KVM_REQ_EVENT, apic->vcpu));
	assert_int_equal(lapic_has_interrupt(apic), 0x40);
	lapic_ack(apic, 0x40);
	poke(apic, LAPIC_EOI, 0);
	assert_int_equal(lapic_set_eoi(apic), -1);
}

static void what_is_off_accepts_nothing_but_events(void **unused)
{
	struct lapic_irq fixed = { .vector = 0x55, .level = true };
	struct lapic_irq init = { .delivery = LAPIC_INIT, .level = true };
	struct lapic_irq deassert = { .delivery = LAPIC_INIT, .trig_level = true };
	struct lapic_irq sipi = { .delivery = LAPIC_STARTUP, .vector = 0x9a };
	struct lapic_irq nmi = { .delivery = LAPIC_NMI };

	(void)unused;
	assert_false(lapic_accept(apic, &fixed));
	assert_true(lapic_accept(apic, &nmi));
	assert_true(kvm_check_request(KVM_REQ_NMI, apic->vcpu));
	assert_false(lapic_accept(apic, &deassert));
	assert_true(lapic_accept(apic, &sipi));
	assert_int_equal(atomic32_load(&apic->pending_events), LAPIC_EVENT_SIPI);
	/* INIT forgets a SIPI that came before. */
	assert_true(lapic_accept(apic, &init));
	assert_int_equal(atomic32_load(&apic->pending_events), LAPIC_EVENT_INIT);
	assert_true(lapic_accept(apic, &sipi));
	assert_int_equal(atomic32_load(&apic->pending_events),
			 LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI);
	assert_int_equal(atomic32_load(&apic->sipi_vector), 0x9a);
}

static void off_by_software_masks_the_lvt(void **unused)
{
	(void)unused;
	poke(apic, LAPIC_LVT_LINT1, 0x400);
	assert_int_equal(peek(apic, LAPIC_LVT_LINT1), 0x10400);
	enable(apic);
	poke(apic, LAPIC_LVT_LINT1, 0x400);
	assert_int_equal(peek(apic, LAPIC_LVT_LINT1), 0x400);
	assert_true(lapic_local_deliver(apic, LAPIC_LVT_LINT1));
	poke(apic, LAPIC_SVR, 0xff);
	assert_int_equal(peek(apic, LAPIC_LVT_LINT1), 0x10400);
	assert_false(lapic_local_deliver(apic, LAPIC_LVT_LINT1));
}

static void a_restored_apic_keeps_its_version_and_id_by_mode(void **unused)
{
	uint32_t page[257] = { [256] = OURS };	/* one behind it, which is not its own */

	(void)unused;
	page[LAPIC_ID / 4] = 9u << 24;
	page[LAPIC_VERSION / 4] = 0xdeadbeef;
	page[LAPIC_SVR / 4] = 0x1ff;
	page[(LAPIC_IRR + 0x10) / 4] = 1;
	assert_int_equal(lapic_load(apic, page), 0);
	assert_int_equal(lapic_get(apic, LAPIC_ID), 9u << 24);
	assert_int_equal(lapic_get(apic, LAPIC_VERSION), OURS);
	assert_int_equal(lapic_has_interrupt(apic), 32);
	to_x2apic(apic);
	assert_int_equal(lapic_load(apic, page), 0);
	assert_int_equal(lapic_get(apic, LAPIC_ID), 3);
	assert_int_equal(lapic_get(apic, LAPIC_LDR), 1u << 3);
	assert_int_equal(lapic_save(apic, page), 0);
	assert_int_equal(page[LAPIC_ID / 4], 3u << 24);
	assert_int_equal(page[256], OURS);
	s.kvm.irq->x2apic_format = true;
	assert_int_equal(lapic_save(apic, page), 0);
	assert_int_equal(page[LAPIC_ID / 4], 3);
	assert_int_equal(lapic_load(apic, page), 0);
	page[LAPIC_ID / 4] = 4;
	assert_int_equal(lapic_load(apic, page), -EINVAL);
}

/* SDM vol. 3A table 11-6, as KVM has it. */
static void x2apic_registers(void **unused)
{
	static const struct { uint32_t reg; bool r, w; uint64_t value; } rows[] = {
		{ LAPIC_ID, true, false, 0 }, { LAPIC_VERSION, true, false, 0 },
		{ LAPIC_TPR, true, true, 0xff }, { LAPIC_TPR, true, false, 1ull << 32 },
		{ LAPIC_ARBPRI, false, false, 0 }, { LAPIC_PPR, true, false, 0 },
		{ LAPIC_EOI, false, true, 0 }, { LAPIC_LDR, true, false, 0 },
		{ LAPIC_DFR, false, false, 0 }, { LAPIC_SVR, true, true, 0x1ff },
		{ LAPIC_ISR, true, false, 0 }, { LAPIC_ESR, true, true, 0 },
		{ LAPIC_ESR, true, false, 1 }, { LAPIC_LVT_CMCI, false, false, 0 },
		{ LAPIC_ICR, true, true, 0x500000400 }, { LAPIC_ICR, true, false, 1u << 13 },
		{ LAPIC_ICR, true, false, 1u << 16 }, { LAPIC_ICR, true, false, 1u << 31 },
		{ LAPIC_ICR2, false, false, 0 }, { LAPIC_LVT_ERROR, true, true, 0 },
		{ LAPIC_TMICT, true, true, 0 }, { LAPIC_TMCCT, true, false, 0 },
		{ LAPIC_TDCR, true, true, 0 }, { LAPIC_SELF_IPI, false, true, 0x40 },
		{ LAPIC_SELF_IPI, false, false, 0x140 }, { 0x3a0, false, false, 0 },
		{ 0x400, false, false, 0 },
	};
	uint64_t v;

	(void)unused;
	to_x2apic(apic);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (lapic_x2_write(apic, rows[i].reg, rows[i].value) != rows[i].w ||
		    lapic_x2_read(apic, rows[i].reg, &v) != rows[i].r)
			fail_msg("row %zu: %#x", i, rows[i].reg);
	}
	assert_true(lapic_x2_read(apic, LAPIC_ICR, &v));
	assert_int_equal(v, 0x500000400);
	assert_true(lapic_test(apic, LAPIC_IRR, 0x40));
}

/* Directed EOI is offered with x2APIC where the I/O APIC is the VMM's. */
static void who_ends_what_is_in_the_version(void **unused)
{
	(void)unused;
	lapic_set_cpuid(apic, true, false);
	assert_int_equal(lapic_get(apic, LAPIC_VERSION), OURS | 1u << 24);
	lapic_set_cpuid(apic, false, false);
	assert_int_equal(lapic_get(apic, LAPIC_VERSION), OURS);
	s.kvm.irq->ioapic = (struct ioapic *)&s;	/* there is one: no more is looked at */
	lapic_set_cpuid(apic, true, false);
	assert_int_equal(lapic_get(apic, LAPIC_VERSION), OURS);
	s.kvm.irq->ioapic = NULL;
}

static void cmci_is_a_seventh_entry(void **unused)
{
	(void)unused;
	lapic_set_cmci(apic, true);
	assert_int_equal(lapic_get(apic, LAPIC_VERSION), 0x00060014);
	assert_int_equal(peek(apic, LAPIC_LVT_CMCI), 0x10000);
	enable(apic);
	poke(apic, LAPIC_LVT_CMCI, 0x99);
	assert_true(lapic_local_deliver(apic, LAPIC_LVT_CMCI));
	assert_true(lapic_test(apic, LAPIC_IRR, 0x99));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reset_is_the_manuals),
		T(reads_stay_within_an_aligned_word),
		T(writes_keep_what_exists),
		T(priorities_are_the_manuals),
		T(one_in_service_and_one_requested),
		T(what_is_off_accepts_nothing_but_events),
		T(off_by_software_masks_the_lvt),
		T(a_restored_apic_keeps_its_version_and_id_by_mode),
		T(x2apic_registers),
		T(who_ends_what_is_in_the_version),
		T(cmci_is_a_seventh_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
