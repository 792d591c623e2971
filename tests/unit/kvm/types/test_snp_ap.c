/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_ap.c - AP creation and the states a vCPU can be in: who wakes, who
 * runs, what INIT and SIPI do with a VMSA that waits.
 */
#include "a_guest.h"

#include "kvm/vcpu/irq.h"

#define AP	1u
#define VMSA	0x3000ull
#define OLD	HPA(0x5000)

struct guests {
	struct a_guest	 g;
	struct vcpu	*ap;
	struct sev_vcpu	 es;
};

static void make(struct guests *t, bool apic)
{
	a_guest_make_snp(&t->g, apic);
	t->ap = a_vcpu_add(&t->g.a, AP);
	t->es = (struct sev_vcpu){ 0 };
	snp_ap_init(&t->es.ap);
	t->ap->base.type_state = &t->es;
	t->ap->svm.np_control = t->g.v->svm.np_control;
	t->ap->svm.vmsa_pa = OLD;
	kvm_check_request(KVM_REQ_EVENT, &t->ap->base);
}

static void end(struct guests *t)
{
	t->ap->base.type_state = NULL;
	snp_ap_fini(&t->es.ap);
	a_guest_free(&t->g);
}

static void ask(struct guests *t, uint32_t what)
{
	a_guest_asks(&t->g, GHCB_AP_CREATION, (uint64_t)AP << 32 | what, VMSA);
	a_guest_put(&t->g, GHCB_RAX, t->g.sev.vmsa_features);
	assert_int_equal(a_guest_exits(&t->g), 1);
	assert_int_equal(a_guest_get(&t->g, GHCB_EXITINFO1), 0);
	a_guest_enters(&t->g);
}

/* As KVM_RUN does before an entry. */
static void takes(struct guests *t)
{
	if (kvm_check_request(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, &t->ap->base))
		vcpu_reset(t->ap, true);
}

static void has_init_and_sipi(struct guests *t, uint32_t events)
{
	atomic32_or(&t->ap->base.lapic->pending_events, events);
	vcpu_accept_events(t->ap);
}

/* Who sleeps wakes; who waits for SIPI goes on waiting, and is created when it comes. */
static const struct {
	uint32_t state;
	bool	 wakes;
} states[] = {
	{ KVM_MP_STATE_RUNNABLE, true },
	{ KVM_MP_STATE_HALTED, true },
	{ KVM_MP_STATE_AP_RESET_HOLD, true },
	{ KVM_MP_STATE_UNINITIALIZED, true },
	{ KVM_MP_STATE_INIT_RECEIVED, false },
};

static void every_state(void **unused)
{
	static const struct { uint32_t what, then; } requests[] = {
		{ GHCB_AP_CREATE, KVM_MP_STATE_RUNNABLE },
		{ GHCB_AP_DESTROY, KVM_MP_STATE_HALTED },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(requests); j++) {
			struct guests t;

			make(&t, true);
			t.ap->mp_state = states[i].state;
			assert_false(vcpu_has_events(t.ap));
			ask(&t, requests[j].what);
			assert_int_equal(vcpu_has_events(t.ap), states[i].wakes);
			/* Nobody but the vCPU itself changes what it is. */
			assert_int_equal(t.ap->mp_state, states[i].state);
			assert_int_equal(t.ap->svm.vmsa_pa.v, OLD.v);
			takes(&t);
			assert_int_equal(t.ap->mp_state, requests[j].then);
			assert_false(hpa_is_valid(t.ap->svm.vmsa_pa));
			assert_false(vcpu_has_events(t.ap));
			end(&t);
		}
	}
}

static void at_init(void **unused)
{
	struct guests t;

	(void)unused;
	make(&t, true);
	t.ap->mp_state = KVM_MP_STATE_AP_RESET_HOLD;
	ask(&t, GHCB_AP_CREATE_ON_INIT);
	assert_false(vcpu_has_events(t.ap));
	takes(&t);
	assert_int_equal(t.ap->svm.vmsa_pa.v, OLD.v);
	has_init_and_sipi(&t, LAPIC_EVENT_INIT);
	assert_int_equal(t.ap->mp_state, KVM_MP_STATE_INIT_RECEIVED);
	assert_false(hpa_is_valid(t.ap->svm.vmsa_pa));
	has_init_and_sipi(&t, LAPIC_EVENT_SIPI);
	assert_int_equal(t.ap->mp_state, KVM_MP_STATE_RUNNABLE);
	end(&t);
}

/* INIT by itself takes no VMSA away. */
static void init_of_a_guest_that_asked_for_nothing(void **unused)
{
	struct guests t;

	(void)unused;
	make(&t, true);
	t.ap->mp_state = KVM_MP_STATE_RUNNABLE;
	has_init_and_sipi(&t, LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI);
	assert_int_equal(t.ap->mp_state, KVM_MP_STATE_RUNNABLE);
	assert_int_equal(t.ap->svm.vmsa_pa.v, OLD.v);
	end(&t);
}

/* A new processor state is under no NMI of the old one. */
static void nmis_of_the_old_state(void **unused)
{
	struct guests t;

	(void)unused;
	make(&t, true);
	t.ap->svm.v_nmi_blocked = t.ap->svm.v_nmi_pending = true;
	t.ap->halted = true;
	ask(&t, GHCB_AP_CREATE);
	takes(&t);
	assert_false(t.ap->svm.v_nmi_blocked || t.ap->svm.v_nmi_pending || t.ap->halted);
	end(&t);
}

/* Of the address the encryption bit is none of KVM's business, bits above the guest's width are. */
static void addresses(void **unused)
{
	static const struct { uint64_t gpa; bool good; } rows[] = {
		{ VMSA, true }, { VMSA | 1ull << 51, true }, { VMSA | 1ull << 50, false },
		{ VMSA | 1ull << 47, true }, { VMSA | 1ull << 48, false }, { VMSA + 1, false },
		{ 0x200000, false }, { 1ull << 47, false }, { 0x201000, true },
	};
	struct kvm_cpuid_entry2 e[] = {
		{ .function = 0x80000000, .eax = 0x8000001f },
		{ .function = 0x80000008, .eax = 0x3030 },
		{ .function = 0x8000001f, .ebx = 51 },
	};
	struct guests t;

	(void)unused;
	make(&t, false);
	assert_int_equal(vcpu_set_cpuid(t.g.v, e, ARRAY_SIZE(e)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		a_guest_asks(&t.g, GHCB_AP_CREATION, (uint64_t)AP << 32 | GHCB_AP_CREATE, rows[i].gpa);
		a_guest_put(&t.g, GHCB_RAX, t.g.sev.vmsa_features);
		assert_int_equal(a_guest_exits(&t.g), 1);
		assert_int_equal(a_guest_get(&t.g, GHCB_EXITINFO1), rows[i].good ? 0 : 2);
		assert_int_equal(kvm_check_request(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, &t.ap->base),
				 rows[i].good);
		a_guest_enters(&t.g);
	}
	end(&t);
}

/* It may ask for itself. */
static void oneself(void **unused)
{
	struct guests t;

	(void)unused;
	make(&t, false);
	a_guest_asks(&t.g, GHCB_AP_CREATION, GHCB_AP_DESTROY, 0);
	assert_int_equal(a_guest_exits(&t.g), 1);
	a_guest_enters(&t.g);
	assert_true(kvm_check_request(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, &t.g.v->base));
	vcpu_reset(t.g.v, true);
	assert_int_equal(t.g.v->mp_state, KVM_MP_STATE_HALTED);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state),
		cmocka_unit_test(at_init),
		cmocka_unit_test(init_of_a_guest_that_asked_for_nothing),
		cmocka_unit_test(nmis_of_the_old_state),
		cmocka_unit_test(addresses),
		cmocka_unit_test(oneself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
