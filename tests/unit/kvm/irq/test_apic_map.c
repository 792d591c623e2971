/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_apic_map.c - who hears a message: with the map, and the same without it. */
#include "some_apics.h"

#define VECTOR	0x41
#define NOBODY	0ull

enum mode { FLAT, CLUSTER, X2, MIXED };

/* Eight APICs.  FLAT: LDR bit i.  CLUSTER: two clusters of four. */
static void arrange(struct some_apics *s, enum mode mode)
{
	some_apics_make(s, 8, IRQCHIP_KERNEL);
	for (unsigned i = 0; i < s->nr; i++) {
		struct lapic *apic = s->vcpu[i].lapic;

		enable(apic);
		if (mode == X2 || (mode == MIXED && i >= 4)) {
			to_x2apic(apic);
			continue;
		}
		if (mode == CLUSTER) {
			poke(apic, LAPIC_DFR, LAPIC_DFR_CLUSTER);
			poke(apic, LAPIC_LDR, (i / 4 + 1) << 28 | 1u << (24 + i % 4));
		} else {
			poke(apic, LAPIC_LDR, 1u << (24 + i));
		}
	}
}

/* Who has the vector in IRR, and takes it away. */
static uint64_t collect(struct some_apics *s)
{
	uint64_t who = 0;

	for (unsigned i = 0; i < s->nr; i++) {
		struct lapic *apic = s->vcpu[i].lapic;

		if (lapic_test(apic, LAPIC_IRR, VECTOR))
			who |= 1ull << i;
		for (uint32_t r = LAPIC_IRR; r < LAPIC_ESR; r += 0x10)
			lapic_put(apic, r, 0);
	}
	return who;
}

static const struct row {
	const char	*why;
	enum mode	mode;
	bool		device;		/* else vCPU 1 sends */
	bool		logical;
	enum lapic_shorthand shorthand;
	enum lapic_delivery delivery;
	uint32_t	dest;
	uint64_t	want;
} rows[] = {
	{ "an id", FLAT, true, false, 0, LAPIC_FIXED, 5, 1 << 5 },
	{ "an id that nobody has", FLAT, true, false, 0, LAPIC_FIXED, 9, NOBODY },
	{ "everybody", FLAT, true, false, 0, LAPIC_FIXED, 0xff, 0xff },
	{ "everybody, from a vCPU", FLAT, false, false, 0, LAPIC_FIXED, 0xff, 0xff },
	{ "x2APIC's everybody is nobody here", FLAT, false, false, 0, LAPIC_FIXED, ~0u, NOBODY },
	{ "oneself", FLAT, false, false, LAPIC_TO_SELF, LAPIC_FIXED, 7, 1 << 1 },
	{ "all", FLAT, false, false, LAPIC_TO_ALL, LAPIC_FIXED, 7, 0xff },
	{ "all others", FLAT, false, false, LAPIC_TO_OTHERS, LAPIC_FIXED, 7, 0xfd },
	{ "flat: any of these bits", FLAT, true, true, 0, LAPIC_FIXED, 0x81, 0x81 },
	{ "flat: all bits are a broadcast", FLAT, true, true, 0, LAPIC_FIXED, 0xff, 0xff },
	{ "lowest of two: 41h is odd, the second", FLAT, true, true, 0, LAPIC_LOWEST, 0x84, 0x80 },
	{ "lowest of three: the 41h mod 3rd", FLAT, true, true, 0, LAPIC_LOWEST, 0x0e, 0x08 },
	{ "lowest of none", FLAT, true, true, 0, LAPIC_LOWEST, 0, NOBODY },
	{ "cluster 1", CLUSTER, true, true, 0, LAPIC_FIXED, 0x1f, 0x0f },
	{ "two of cluster 2", CLUSTER, true, true, 0, LAPIC_FIXED, 0x26, 0x60 },
	{ "cluster 3 is empty", CLUSTER, true, true, 0, LAPIC_FIXED, 0x3f, NOBODY },
	{ "lowest of a cluster", CLUSTER, true, true, 0, LAPIC_LOWEST, 0x1f, 0x02 },
	{ "x2APIC id", X2, false, false, 0, LAPIC_FIXED, 5, 1 << 5 },
	{ "x2APIC: 255 is an id", X2, false, false, 0, LAPIC_FIXED, 0xff, NOBODY },
	{ "x2APIC: a device's 255 is everybody", X2, true, false, 0, LAPIC_FIXED, 0xff, 0xff },
	{ "x2APIC: everybody", X2, false, false, 0, LAPIC_FIXED, ~0u, 0xff },
	{ "x2APIC cluster 0", X2, false, true, 0, LAPIC_FIXED, 0x0014, 0x14 },
	{ "x2APIC cluster 1", X2, false, true, 0, LAPIC_FIXED, 0x10014, NOBODY },
	{ "mixed: an id", MIXED, true, false, 0, LAPIC_FIXED, 6, 1 << 6 },
	{ "mixed: a device's 255", MIXED, true, false, 0, LAPIC_FIXED, 0xff, 0xff },
	{ "mixed: bits mean two things", MIXED, true, true, 0, LAPIC_FIXED, 0x12, 0x12 },
	{ "mixed: lowest", MIXED, true, true, 0, LAPIC_LOWEST, 0x12, 0x10 },
};

static void ask(struct some_apics *s, const struct row *r, const char *how)
{
	struct lapic_irq irq = {
		.vector = VECTOR, .level = true, .logical = r->logical,
		.shorthand = r->shorthand, .delivery = r->delivery, .dest = r->dest,
	};
	int n = irq_deliver(&s->kvm, r->device ? NULL : s->vcpu[1].lapic, &irq);
	uint64_t who = collect(s);

	if (who != r->want || MAX(n, 0) != __builtin_popcountll(who))
		fail_msg("%s (%s): %#llx, %d took it", r->why, how, (unsigned long long)who, n);
}

static void a_destination_names_the_same_with_and_without_a_map(void **unused)
{
	struct some_apics s;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct apic_map *map;

		arrange(&s, rows[i].mode);
		ask(&s, &rows[i], "map");
		map = s.kvm.irq->map;
		s.kvm.irq->map = NULL;
		ask(&s, &rows[i], "everybody is asked");
		s.kvm.irq->map = map;
		some_apics_free(&s);
	}
}

/* Two with one id both hear it: there is no map then. */
static void an_id_that_two_have(void **unused)
{
	struct row r = { "two with one id", FLAT, true, false, 0, LAPIC_FIXED, 5, 0x60 };
	struct some_apics s;

	(void)unused;
	arrange(&s, FLAT);
	poke(s.vcpu[6].lapic, LAPIC_ID, 5u << 24);
	assert_null(s.kvm.irq->map);
	ask(&s, &r, "aliased");
	poke(s.vcpu[6].lapic, LAPIC_ID, 6u << 24);
	assert_non_null(s.kvm.irq->map);
	some_apics_free(&s);
}

static void off_by_hardware_is_not_there(void **unused)
{
	struct row r = { "the rest", FLAT, true, false, 0, LAPIC_FIXED, 0xff, 0xef };
	struct some_apics s;

	(void)unused;
	arrange(&s, FLAT);
	lapic_mode_changed(s.vcpu[4].lapic, LAPIC_BASE_ENABLE, 0);
	ask(&s, &r, "one is off");
	some_apics_free(&s);
}

/* A logical id of two bits, and one that two have: there is no row for either. */
static void logical_ids_that_are_not_one_bit(void **unused)
{
	struct row one = { "its second bit", FLAT, true, true, 0, LAPIC_FIXED, 0x02, 0x03 };
	struct row both = { "a bit that two have", FLAT, true, true, 0, LAPIC_FIXED, 0x40, 0x60 };
	struct some_apics s;

	(void)unused;
	arrange(&s, FLAT);
	poke(s.vcpu[0].lapic, LAPIC_LDR, 3u << 24);
	ask(&s, &one, "two bits");
	some_apics_free(&s);
	arrange(&s, FLAT);
	poke(s.vcpu[5].lapic, LAPIC_LDR, 1u << 30);
	ask(&s, &both, "twice");
	some_apics_free(&s);
	some_apics_make(&s, 1, IRQCHIP_KERNEL);
	enable(s.vcpu[0].lapic);
	poke(s.vcpu[0].lapic, LAPIC_LDR, 3u << 24);
	one.want = 1;
	ask(&s, &one, "two bits, alone");
	some_apics_free(&s);
}

/* By its logical id nobody hears anything that software has not enabled: not even an NMI. */
static void nobody_is_enabled(void **unused)
{
	struct lapic_irq nmi = { .delivery = LAPIC_NMI, .level = true, .logical = true, .dest = 2 };
	struct some_apics s;

	(void)unused;
	some_apics_make(&s, 2, IRQCHIP_KERNEL);
	poke(s.vcpu[1].lapic, LAPIC_LDR, 2u << 24);
	assert_true(irq_deliver(&s.kvm, NULL, &nmi) <= 0);
	assert_false(kvm_check_request(KVM_REQ_NMI, &s.vcpu[1]));
	enable(s.vcpu[1].lapic);
	assert_int_equal(irq_deliver(&s.kvm, NULL, &nmi), 1);
	assert_true(kvm_check_request(KVM_REQ_NMI, &s.vcpu[1]));
	some_apics_free(&s);
}

/* KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK: FFh is everybody's only where xAPICs hear it. */
static void broadcasts_without_the_quirk(void **unused)
{
	struct row all = { "all ones", X2, true, false, 0, LAPIC_FIXED, ~0u, 0xff };
	struct row an_id = { "an id of x2APIC", X2, true, false, 0, LAPIC_FIXED, 0xff, NOBODY };
	struct row xapic = { "xAPIC's", FLAT, true, false, 0, LAPIC_FIXED, 0xff, 0xff };
	struct some_apics s;

	(void)unused;
	arrange(&s, X2);
	s.kvm.irq->x2apic_broadcast_quirk_disabled = true;
	ask(&s, &all, "x2APIC");
	ask(&s, &an_id, "x2APIC");
	some_apics_free(&s);
	arrange(&s, FLAT);
	s.kvm.irq->x2apic_broadcast_quirk_disabled = true;
	ask(&s, &xapic, "flat");
	xapic.dest = 5;
	xapic.want = 1 << 5;
	ask(&s, &xapic, "an id");
	some_apics_free(&s);
}

/* KVM_HC_SEND_IPI: two bitmaps of ids from the least on. */
static void two_bitmaps_of_ids(void **unused)
{
	struct lapic_irq irq = { .vector = VECTOR, .level = true };
	const uint64_t ids[2] = { 0x5, 0x3 };
	struct some_apics s;

	(void)unused;
	arrange(&s, FLAT);
	assert_int_equal(irq_send_to_ids(&s.kvm, ids, 1, 4, &irq), 4);
	assert_int_equal(collect(&s), 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6);
	assert_int_equal(irq_send_to_ids(&s.kvm, ids, 7, 64, &irq), 1);
	assert_int_equal(collect(&s), 1 << 7);
	some_apics_free(&s);
}

/* More than xAPIC can name: by x2APIC id, whatever mode, when the VMM said so. */
static void ids_above_255(void **unused)
{
	struct lapic_irq irq = { .vector = VECTOR, .level = true, .dest = 290 };
	struct some_apics s;

	(void)unused;
	some_apics_make(&s, MAX_APICS, IRQCHIP_SPLIT);
	s.kvm.irq->x2apic_format = true;
	for (unsigned i = 0; i < s.nr; i++) {
		enable(s.vcpu[i].lapic);
		if (i < 200)
			to_x2apic(s.vcpu[i].lapic);
	}
	assert_int_equal(irq_deliver(&s.kvm, NULL, &irq), 1);
	assert_true(lapic_test(s.vcpu[290].lapic, LAPIC_IRR, VECTOR));
	some_apics_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_destination_names_the_same_with_and_without_a_map),
		cmocka_unit_test(an_id_that_two_have),
		cmocka_unit_test(off_by_hardware_is_not_there),
		cmocka_unit_test(logical_ids_that_are_not_one_bit),
		cmocka_unit_test(nobody_is_enabled),
		cmocka_unit_test(two_bitmaps_of_ids),
		cmocka_unit_test(broadcasts_without_the_quirk),
		cmocka_unit_test(ids_above_255),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
