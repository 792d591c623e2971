/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_ap.c - AP-1: of the requests of a SNP guest for one of its vCPUs the
 * last one that was answered is what the vCPU runs; none is lost, none is half of
 * another, and a vCPU that sleeps wakes for it.
 *
 * A vCPU takes a request at every step of another's posting it, and the other way
 * round; two post for the same at once.
 */
#include "world.h"

#include "kvm/core/request.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/cpuid.h"

#define SLOT_GFN	16
#define NR_PAGES	8
#define TARGET		1u

struct request {
	struct vcpu	*v;
	uint32_t	 what;
	uint64_t	 gfn;
};

struct vm {
	struct world	*w;
	struct vcpu	*target;
	struct kvm_sev	 sev;
	struct request	 first, second;
};

/* ---- of kvm/vcpu, what is not here ---- */

const struct kvm_cpuid_entry2 *vcpu_find_cpuid(const struct vcpu *v, uint32_t function,
					       uint32_t index)
{
	return NULL;
}

uint64_t vcpu_reserved_gpa_bits(const struct vcpu *v)
{
	return ~0ull << 46;
}

int ghcb_refuse(struct kvm_vcpu *vcpu, enum ghcb_error why)
{
	fail_msg("refused: %d", why);
	return 1;
}

/* ---- who does what ---- */

static void asks(void *arg)
{
	struct request *r = arg;

	r->v->svm_exit.exitinfo1 = (uint64_t)TARGET << 32 | r->what;
	r->v->svm_exit.exitinfo2 = P(r->gfn);
	r->v->state.gpr[X86_RAX] = to_kvm_sev(r->v->base.kvm)->vmsa_features;
	assert_int_equal(ghcb_ap_creation(r->v), 1);
}

/* As run.c does before an entry. */
static void takes(struct vm *m)
{
	struct kvm_vcpu *b = &m->target->base;
	int idx = srcu_read_lock(&b->kvm->srcu);

	if (kvm_check_request(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, b))
		snp_after_init(b);
	srcu_read_unlock(&b->kvm->srcu, idx);
}

static void takes_once(void *arg)
{
	takes(arg);
}

/* INIT, whatever has been asked for. */
static void has_init(void *arg)
{
	struct vm *m = arg;
	int idx = srcu_read_lock(&m->w->kvm.srcu);

	snp_after_init(&m->target->base);
	srcu_read_unlock(&m->w->kvm.srcu, idx);
}

/* Sleeps as KVM_RUN does until it is woken for a request. */
static void sleeps_and_takes(void *arg)
{
	struct vm *m = arg;
	struct kvm_vcpu *b = &m->target->base;

	waitq_wait(&b->left_guest, kvm_request_is_pending(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, b));
	takes(m);
}

/* ---- what has come of it ---- */

static hpa_t page_of(struct vm *m, uint64_t gfn)
{
	struct kvm *kvm = &m->w->kvm;
	int idx = srcu_read_lock(&kvm->srcu);
	uint8_t level;
	hpa_t page = HPA_INVALID;

	if (kvm_gmem_get_pfn(kvm, kvm_gfn_to_memslot(kvm, 0, GFN(gfn)), GFN(gfn), &page, &level))
		page = HPA_INVALID;
	srcu_read_unlock(&kvm->srcu, idx);
	return page;
}

static bool runs(struct vm *m, const struct request *r)
{
	if (r->what == GHCB_AP_DESTROY)
		return m->target->mp_state == KVM_MP_STATE_HALTED &&
		       !hpa_is_valid(m->target->svm.vmsa_pa);
	return m->target->mp_state == KVM_MP_STATE_RUNNABLE &&
	       m->target->svm.vmsa_pa.v == page_of(m, r->gfn).v;
}

/* Requests that are still pending are taken first: nothing else would ever do it. */
static void last_one_runs(void *arg, uint64_t n)
{
	struct vm *m = arg;

	takes(m);
	if (!runs(m, &m->first))
		fail_msg("after step %llu: state %u, VMSA %#llx", (unsigned long long)n,
			 m->target->mp_state, (unsigned long long)m->target->svm.vmsa_pa.v);
}

static void one_of_them_runs(void *arg, uint64_t n)
{
	struct vm *m = arg;

	takes(m);
	if (!runs(m, &m->first) && !runs(m, &m->second))
		fail_msg("after step %llu: state %u, VMSA %#llx", (unsigned long long)n,
			 m->target->mp_state, (unsigned long long)m->target->svm.vmsa_pa.v);
}

static void it_runs_already(void *arg, uint64_t n)
{
	struct vm *m = arg;

	if (!runs(m, &m->first))
		fail_msg("after step %llu: asleep", (unsigned long long)n);
}

/* ---- the world ---- */

static struct vm *create(void)
{
	struct world *w = world_create(true);
	struct vm *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->w = w;
	m->target = w->vcpus[TARGET];
	m->sev = (struct kvm_sev){ .active = true, .es_active = true, .ghcb_version = 2,
				   .vmsa_features = SEV_FEATURE_SNP_ACTIVE };
	w->kvm.type_state = &m->sev;
	for (unsigned i = 0; i < WORLD_VCPUS; i++) {
		struct sev_vcpu *es = calloc(1, sizeof(*es));

		assert_non_null(es);
		snp_ap_init(&es->ap);
		w->vcpus[i]->base.type_state = es;
		w->vcpus[i]->svm = (struct svm_control){ .np_control = SVM_NP_SEV | SVM_NP_SEV_ES };
	}
	m->target->mp_state = KVM_MP_STATE_AP_RESET_HOLD;
	world_add_slot(w, 0, SLOT_GFN, NR_PAGES, world_gmem(w, NR_PAGES));
	m->first = (struct request){ w->vcpus[0], GHCB_AP_CREATE, SLOT_GFN + 1 };
	m->second = (struct request){ w->vcpus[1], GHCB_AP_CREATE, SLOT_GFN + 2 };
	return m;
}

static void destroy(struct vm *m)
{
	struct world *w = m->w;

	for (unsigned i = 0; i < WORLD_VCPUS; i++) {
		struct sev_vcpu *es = w->vcpus[i]->base.type_state;

		snp_ap_fini(&es->ap);
		free(es);
		w->vcpus[i]->base.type_state = NULL;
	}
	w->kvm.type_state = NULL;
	free(m);
	world_destroy(w);
}

static const uint32_t kinds[] = { GHCB_AP_CREATE, GHCB_AP_DESTROY };

/* The target takes one request while the next is posted. */
static void ap1_the_last_request_counts(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (unsigned order = 0; order < 2; order++) {
			struct vm *m = create();

			m->first.what = kinds[i];
			m->second.what = kinds[!i];
			asks(&m->second);
			INTER_THREAD(requester, asks, &m->first);
			INTER_THREAD(target, takes_once, m);
			if (order)
				world_sweep(m->w, requester, target, last_one_runs, m);
			else
				world_sweep(m->w, target, requester, last_one_runs, m);
			INTER_ALL(INTER_MAX_STEPS);
			destroy(m);
		}
	}
}

/* Two requests for the same vCPU at once: one whole one is what it runs. */
static void ap1_of_two_requests_one_counts(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(kinds); j++) {
			struct vm *m = create();

			m->first.what = kinds[i];
			m->second.what = kinds[j];
			INTER_THREAD(one, asks, &m->first);
			INTER_THREAD(other, asks, &m->second);
			world_sweep(m->w, one, other, one_of_them_runs, m);
			INTER_ALL(INTER_MAX_STEPS);
			destroy(m);
		}
	}
}

/* A whole request between any two steps of falling asleep, and falling asleep between any two of a request. */
static void ap1_a_sleeper_wakes(void **unused)
{
	struct vm *m = create();
	bool more = true;

	(void)unused;
	INTER_THREAD(requester, asks, &m->first);
	INTER_THREAD(target, sleeps_and_takes, m);
	world_sweep(m->w, requester, target, it_runs_already, m);
	INTER_ALL(INTER_MAX_STEPS);
	destroy(m);
	for (unsigned steps = 1; more; steps++) {
		m = create();
		INTER_THREAD(sleeper, sleeps_and_takes, m);
		INTER_THREAD(waker, asks, &m->first);
		more = coro_run(sleeper, NULL, steps) == CORO_SPENT;
		INTER_END(waker);
		INTER_END(sleeper);
		it_runs_already(m, steps);
		destroy(m);
	}
}

/* CREATE_ON_INIT makes no request: it counts from the next INIT on, all of it or nothing. */
static void all_or_nothing_at_init(void *arg, uint64_t n)
{
	struct vm *m = arg;

	if (!runs(m, &m->first) && m->target->mp_state != KVM_MP_STATE_AP_RESET_HOLD)
		fail_msg("after step %llu: state %u", (unsigned long long)n, m->target->mp_state);
	has_init(m);
	if (!runs(m, &m->first))
		fail_msg("after step %llu: INIT found nothing", (unsigned long long)n);
}

static void ap1_on_init(void **unused)
{
	struct vm *m = create();

	(void)unused;
	m->first.what = GHCB_AP_CREATE_ON_INIT;
	INTER_THREAD(requester, asks, &m->first);
	INTER_THREAD(target, has_init, m);
	world_sweep(m->w, requester, target, all_or_nothing_at_init, m);
	INTER_ALL(INTER_MAX_STEPS);
	destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ap1_the_last_request_counts),
		cmocka_unit_test(ap1_of_two_requests_one_counts),
		cmocka_unit_test(ap1_a_sleeper_wakes),
		cmocka_unit_test(ap1_on_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
