/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_clock.c - when TSC writes mean one clock, scaling, and kvmclock's arithmetic. */
#include "a_vcpu.h"

#include <errno.h>

#include "os/clock.h"

#define NS_PER_S	1000000000ull

static void write_tsc(struct vcpu *v, uint64_t value)
{
	assert_int_equal(vcpu_set_msr(v, 0x10, true, value), 0);
}

/* The second vCPU's write, relative to where the first's is now, in thousandths of a second. */
static void writes_within_a_second_are_one(void **unused)
{
	static const struct {
		const char *why;
		int64_t ms;		/* from the first's value */
		bool absolute;		/* @ms is the value itself */
		bool same;
	} rows[] = {
		{ "just after", 1, false, true },
		{ "nearly a second before", -900, false, true },
		{ "nearly a second after", 900, false, true },
		{ "long before", -1500, false, false },
		{ "long after", 2500, false, false },
		{ "0 always", 0, true, true },
	};
	struct a_vcpu a;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vcpu *second;
		uint64_t first = 100ull * os_tsc_khz() * 1000;

		a_vcpu_make(&a, AMD, false);
		second = a_vcpu_add(&a, 1);
		write_tsc(a.v, first);
		write_tsc(second, rows[i].absolute ? 0 :
			  first + (uint64_t)(rows[i].ms * (int64_t)os_tsc_khz()));
		if ((second->tsc.offset == a.v->tsc.offset) != rows[i].same)
			fail_msg("%s", rows[i].why);
		a_vcpu_free(&a);
	}
}

/* A first write by user space is never moved to where creation had put it. */
static void the_first_write_is_meant(void **unused)
{
	struct a_vcpu a;
	uint64_t value = os_tsc_khz();

	(void)unused;
	a_vcpu_make(&a, INTEL, false);
	write_tsc(a.v, value);
	assert_true(guest_tsc_read(&a.v->tsc) >= value);
	assert_true(guest_tsc_read(&a.v->tsc) < value + 100ull * os_tsc_khz() * 1000);
	a_vcpu_free(&a);
}

static void rates(void **unused)
{
	static const enum hw_vendor vendors[] = { AMD, INTEL };
	uint32_t host = os_tsc_khz();

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
		struct a_vcpu a;
		uint64_t t;

		a_vcpu_make(&a, vendors[i], false);
		assert_int_equal(a.v->tsc.ratio, 0);
		assert_int_equal(vcpu_set_tsc_khz(a.v, host + host / 8000), 0);
		assert_int_equal(a.v->tsc.ratio, 0);		/* within 250 ppm */
		assert_int_equal(vcpu_set_tsc_khz(a.v, host / 2), 0);
		t = guest_tsc_scale(&a.v->tsc, 1ull << 40);
		assert_true(t > (1ull << 39) - (1ull << 20) && t < (1ull << 39) + (1ull << 20));
		assert_int_equal(vcpu_set_tsc_khz(a.v, kvm_max_tsc_khz(&a.module)), -EINVAL);
		assert_int_equal(vcpu_set_tsc_khz(a.v, 0), 0);
		assert_int_equal(a.v->tsc.khz, host);
		a_vcpu_free(&a);
	}
}

static void kvmclock_is_set_and_goes_on(void **unused)
{
	struct kvm_clock_data d = { .clock = 5 * NS_PER_S }, now;
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, AMD, false);
	kvm_update_master_clock(a.kvm);
	assert_int_equal(kvm_set_clock(a.kvm, &d), 0);
	kvm_get_clock(a.kvm, &now);
	assert_true(now.clock >= d.clock && now.clock < d.clock + 100 * NS_PER_S);
	assert_true(now.flags & KVM_CLOCK_TSC_STABLE);
	d = (struct kvm_clock_data){ .clock = 7 * NS_PER_S, .flags = KVM_CLOCK_REALTIME,
				     .realtime = os_realtime_ns() - 1000 * NS_PER_S };
	assert_int_equal(kvm_set_clock(a.kvm, &d), 0);
	kvm_get_clock(a.kvm, &now);
	assert_true(now.clock >= 1007 * NS_PER_S && now.clock < 1107 * NS_PER_S);
	d.flags = 1;
	assert_int_equal(kvm_set_clock(a.kvm, &d), -EINVAL);
	assert_int_equal(vcpu_kvmclock_ctrl(a.v), -EINVAL);
	/* A vCPU with a clock of its own ends the common line. */
	write_tsc(a_vcpu_add(&a, 1), 100ull * os_tsc_khz() * 1000);
	kvm_update_master_clock(a.kvm);
	kvm_get_clock(a.kvm, &now);
	assert_int_equal(now.flags, 0);
	a_vcpu_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_within_a_second_are_one),
		cmocka_unit_test(the_first_write_is_meant),
		cmocka_unit_test(rates),
		cmocka_unit_test(kvmclock_is_set_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
