/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_lapic.c - the register page: reset, accesses, save and load, x2APIC. */
#include "a_vcpu.h"

#define ID	0x020
#define VERSION	0x030
#define TPR	0x080
#define LDR	0x0d0
#define SVR	0x0f0
#define ESR	0x280
#define ICR	0x300
#define ICR2	0x310
#define LINT0	0x350
#define LVT_ERR	0x370
#define TMCCT	0x390
#define OURS	0x00050014u

static struct lapic apic;

static void reset_is_the_manuals(void **unused)
{
	static const struct { const char *why; uint32_t reg, ap, bsp; } rows[] = {
		{ "the id is in the top byte", ID, 3u << 24, 3u << 24 },
		{ "six LVT entries, integrated", VERSION, OURS, OURS },
		{ "no priority", TPR, 0, 0 },
		{ "flat destinations", 0x0e0, ~0u, ~0u },
		{ "switched off by software", SVR, 0xff, 0xff },
		{ "the timer is masked", 0x320, 0x10000, 0x10000 },
		{ "the boot processor listens to the PIC", LINT0, 0x10000, 0x700 },
		{ "errors are masked", LVT_ERR, 0x10000, 0x10000 },
		{ "nothing in service", 0x100, 0, 0 },
		{ "nothing requested", 0x270, 0, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		lapic_reset(&apic, 3, false);
		if (lapic_get(&apic, rows[i].reg) != rows[i].ap)
			fail_msg("AP: %s: %#x", rows[i].why, lapic_get(&apic, rows[i].reg));
		lapic_reset(&apic, 3, true);
		if (lapic_get(&apic, rows[i].reg) != rows[i].bsp)
			fail_msg("BSP: %s: %#x", rows[i].why, lapic_get(&apic, rows[i].reg));
	}
}

static void reads_stay_within_an_aligned_word(void **unused)
{
	static const struct { uint32_t at; unsigned len; uint32_t want; } rows[] = {
		{ TPR, 4, 0x44332211 }, { TPR, 2, 0x2211 }, { TPR, 1, 0x11 },
		{ TPR + 1, 1, 0x22 }, { TPR + 2, 2, 0x4433 }, { TPR + 3, 1, 0x44 },
		{ TPR + 1, 4, 0 }, { TPR + 3, 2, 0 }, { TPR, 8, 0 },
	};
	uint64_t got;

	(void)unused;
	lapic_put(&apic, TPR, 0x44332211);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		got = 0;
		lapic_read(&apic, rows[i].at, rows[i].len, &got);
		if (got != rows[i].want)
			fail_msg("row %zu: %#llx", i, (unsigned long long)got);
	}
}

static void writes_are_whole_registers(void **unused)
{
	static const struct { const char *why; uint32_t at; unsigned len; bool kept; } rows[] = {
		{ "a register", TPR, 4, true }, { "an LVT entry", LINT0, 4, true },
		{ "half a register", TPR, 2, false }, { "a byte", TPR, 1, false },
		{ "two registers' worth", TPR, 8, false }, { "between registers", TPR + 4, 4, false },
		{ "the version", VERSION, 4, false }, { "what is in service", 0x100, 4, false },
		{ "what is requested", 0x200, 4, false }, { "the timer's count", TMCCT, 4, false },
	};
	uint32_t value[2] = { 0x1234, 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t before;

		lapic_reset(&apic, 0, false);
		before = lapic_get(&apic, rows[i].at & ~0xfu);
		lapic_write(&apic, rows[i].at, rows[i].len, value);
		if ((lapic_get(&apic, rows[i].at & ~0xfu) != before) != rows[i].kept)
			fail_msg("%s", rows[i].why);
	}
}

static void a_restored_apic_keeps_its_version_and_id_by_mode(void **unused)
{
	struct lapic image;

	(void)unused;
	memset(&image, 0, sizeof(image));
	lapic_put(&image, ID, 9u << 24);
	lapic_put(&image, VERSION, 0xdeadbeef);
	lapic_put(&image, TMCCT, 77);
	lapic_put(&image, SVR, 0x1ff);
	lapic_reset(&apic, 5, false);
	lapic_load(&apic, 5, false, &image, 1024);
	assert_int_equal(lapic_get(&apic, ID), 9u << 24);
	assert_int_equal(lapic_get(&apic, VERSION), OURS);
	assert_int_equal(lapic_get(&apic, TMCCT), 0);
	assert_int_equal(lapic_get(&apic, SVR), 0x1ff);

	lapic_load(&apic, 0x25, true, &image, 1024);
	assert_int_equal(lapic_get(&apic, ID), 0x25);
	assert_int_equal(lapic_get(&apic, LDR), 0x20020);
	lapic_save(&apic, true, &image, 1024);
	assert_int_equal(lapic_get(&image, ID), 0x25u << 24);
}

static void the_mode_gives_the_id_its_form(void **unused)
{
	const uint64_t off = LAPIC_DEFAULT_BASE, on = off | LAPIC_BASE_ENABLE,
		       x2 = on | LAPIC_BASE_X2APIC;
	static const struct { const char *why; int was, now; uint32_t want; } rows[] = {
		{ "switched on", 0, 1, 7u << 24 }, { "to x2APIC", 1, 2, 7 },
		{ "straight to x2APIC", 0, 2, 7 }, { "nothing changes", 1, 1, 0xabcd },
		{ "switched off", 1, 0, 0xabcd }, { "x2APIC as before", 2, 2, 0xabcd },
	};
	const uint64_t base[] = { off, on, x2 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		lapic_put(&apic, ID, 0xabcd);
		lapic_mode_changed(&apic, 7, base[rows[i].was], base[rows[i].now]);
		if (lapic_get(&apic, ID) != rows[i].want)
			fail_msg("%s: %#x", rows[i].why, lapic_get(&apic, ID));
	}
}

static void x2apic_registers_have_rights(void **unused)
{
	static const struct { uint32_t reg; bool read, write; } rows[] = {
		{ ID, true, false }, { VERSION, true, false }, { TPR, true, true },
		{ 0x0a0, true, false }, { 0x0b0, false, true }, { LDR, true, false },
		{ 0x0e0, false, false }, { SVR, true, true }, { 0x100, true, false },
		{ 0x270, true, false }, { ESR, true, true }, { ICR, true, true },
		{ ICR2, false, false }, { LINT0, true, true }, { 0x380, true, true },
		{ TMCCT, true, false }, { 0x3e0, true, true }, { 0x3f0, false, true },
		{ 0x000, false, false }, { 0x090, false, false }, { 0xff0, false, false },
	};
	uint64_t value;

	(void)unused;
	lapic_reset(&apic, 1, false);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (lapic_x2_read(&apic, rows[i].reg, &value) != rows[i].read ||
		    lapic_x2_write(&apic, rows[i].reg, 0) != rows[i].write)
			fail_msg("register %#x", rows[i].reg);
	}
	assert_false(lapic_x2_write(&apic, TPR, 1ull << 32));
	assert_false(lapic_x2_write(&apic, ESR, 1));
	assert_true(lapic_x2_write(&apic, ICR, 0x1234500000040ull));
	assert_true(lapic_x2_read(&apic, ICR, &value));
	assert_int_equal(value, 0x1234500000040ull);
}

/* The descriptor's side: TPR is CR8, and the APIC page exists on Intel. */
static void tpr_and_cr8_are_one(void **unused)
{
	struct kvm_lapic_state s;
	struct kvm_sregs sregs;
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, INTEL, true);
	assert_int_equal(vcpu_set_cr8(a.v, 5), 0);
	vcpu_get_lapic(a.v, &s);
	assert_int_equal((uint8_t)s.regs[TPR], 0x50);
	s.regs[TPR] = 0x20;
	vcpu_set_lapic(a.v, &s);
	vcpu_get_sregs(a.v, &sregs);
	assert_int_equal(sregs.cr8, 2);
	sregs.cr8 = 7;
	assert_int_equal(vcpu_set_sregs(a.v, &sregs), 0);
	assert_int_equal(lapic_get(a.v->lapic, TPR), 0x70);
	sregs.cr8 = 16;				/* not taken, not refused */
	assert_int_equal(vcpu_set_sregs(a.v, &sregs), 0);
	assert_int_equal(lapic_get(a.v->lapic, TPR), 0x70);
	a_vcpu_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_is_the_manuals),
		cmocka_unit_test(reads_stay_within_an_aligned_word),
		cmocka_unit_test(writes_are_whole_registers),
		cmocka_unit_test(a_restored_apic_keeps_its_version_and_id_by_mode),
		cmocka_unit_test(the_mode_gives_the_id_its_form),
		cmocka_unit_test(x2apic_registers_have_rights),
		cmocka_unit_test(tpr_and_cr8_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
