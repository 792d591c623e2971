/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sev_region.c - SEV-1 (B24): a region that has been registered belongs to the list, and
 * who registers or takes it back uses it under kvm->lock only: KVM_MEMORY_ENCRYPT_REG_REGION
 * against UNREG_REGION of the same range, from several threads of the VMM.
 */
#include "world.h"

#include <errno.h>

#include "kvm/types/sev.h"

#define UNDER_WAY 1

struct call {
	struct kvm	*kvm;
	struct kvm_enc_region range;
	bool		 unregisters;
	int		 r;
};

struct vm {
	struct world	*w;
	struct kvm_sev	 sev;
	struct call	 call[3];
};

static void do_call(void *arg)
{
	struct call *c = arg;

	c->r = c->unregisters ? sev_unregister_region(c->kvm, &c->range)
			      : sev_register_region(c->kvm, &c->range);
}

/* Calls of one range. */
static struct vm *create(bool registered)
{
	struct world *w = world_create(false);
	struct vm *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->w = w;
	m->sev.active = true;
	list_init(&m->sev.regions);
	w->kvm.type_state = &m->sev;
	for (unsigned i = 0; i < ARRAY_SIZE(m->call); i++)
		m->call[i] = (struct call){ .kvm = &w->kvm, .r = UNDER_WAY };
	m->call[0].range = (struct kvm_enc_region){ (uintptr_t)world_memory(2), P(2) };
	m->call[1].range = m->call[2].range = m->call[0].range;
	if (registered)
		assert_int_equal(sev_register_region(&w->kvm, &m->call[0].range), 0);
	return m;
}

static void destroy(struct vm *m)
{
	struct world *w = m->w;

	sev_free_regions(&m->sev);
	w->kvm.type_state = NULL;
	free(m);
	world_destroy(w);
}

static unsigned nr_regions(const struct vm *m)
{
	unsigned n = 0;

	for (const struct list *l = m->sev.regions.next; l != &m->sev.regions; l = l->next)
		n++;
	return n;
}

static unsigned nr_done(const struct vm *m, bool unregisters)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(m->call); i++)
		n += m->call[i].unregisters == unregisters && m->call[i].r == 0;
	return n;
}

/* Each region was taken back once at most, and nobody has written to it afterwards. */
static void each_region_is_one_callers(struct vm *m, unsigned before, uint64_t n)
{
	const char *wrong = os_arena_check();

	if (wrong)
		fail_msg("step %llu: %s", (unsigned long long)n, wrong);
	for (unsigned i = 0; i < ARRAY_SIZE(m->call); i++)
		assert_true(m->call[i].r == 0 || m->call[i].r == -EINVAL || m->call[i].r == UNDER_WAY);
	if (nr_regions(m) != before + nr_done(m, false) - nr_done(m, true))
		fail_msg("step %llu: %u regions", (unsigned long long)n, nr_regions(m));
}

static void registered_by_a_call(void *arg, uint64_t n)
{
	each_region_is_one_callers(arg, 0, n);
}

static void registered_before(void *arg, uint64_t n)
{
	each_region_is_one_callers(arg, 1, n);
}

static void b24_who_registers_lets_go_with_the_lock(void **unused)
{
	(void)unused;
	for (int turn = 0; turn < 2; turn++) {
		struct vm *m = create(false);

		m->call[1].unregisters = true;
		INTER_THREAD(adds, do_call, &m->call[0]);
		INTER_THREAD(takes, do_call, &m->call[1]);
		world_sweep(m->w, turn ? takes : adds, turn ? adds : takes, registered_by_a_call, m);
		INTER_ALL(INTER_MAX_STEPS);
		destroy(m);
	}
}

static void b24_one_region_is_taken_back_once(void **unused)
{
	struct vm *m = create(true);

	(void)unused;
	m->call[0].unregisters = m->call[1].unregisters = true;
	INTER_THREAD(takes, do_call, &m->call[0]);
	INTER_THREAD(takes_too, do_call, &m->call[1]);
	world_sweep(m->w, takes, takes_too, registered_before, m);
	INTER_ALL(INTER_MAX_STEPS);
	assert_int_equal(nr_done(m, true), 1);
	destroy(m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(b24_who_registers_lets_go_with_the_lock),
		cmocka_unit_test(b24_one_region_is_taken_back_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
