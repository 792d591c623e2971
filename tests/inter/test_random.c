/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Orders drawn from seeds: faults, huge mappings, prefaults, conversions,
 * holes, slots that move or go, zaps of everything; after each, the auditor.
 *
 *	SEED=12345 RUNS=1 test_inter_random	plays one again
 */
#include "world.h"

#define NR_PAGES	1024
#define RUNS		400

struct cast {
	struct world	*w;
	struct gmem_file *file;		/* NULL: no private memory */
	struct access	 a, b;
	struct access	 m;
	struct host_change n;
	struct prefault	 p;
	struct conversion c, d;
	struct hole	 h;
	struct region	 delete, move;
};

static uint64_t seed, state;

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(((state >> 33) * below) >> 31);
}

static void thread(void (*fn)(void *), void *arg, const char *name)
{
	(void)inter_thread(fn, arg, name);
}

static struct access any_access(struct cast *t, unsigned vcpu)
{
	return (struct access){
		.v = t->w->vcpus[vcpu], .gfn = draw(16),
		.ec = (draw(2) ? PFERR_WRITE : 0) | (t->file && draw(2) ? PFERR_PRIVATE_ACCESS : 0),
	};
}

static struct conversion any_conversion(struct cast *t, uint32_t below)
{
	return (struct conversion){ .w = t->w, .gfn = draw(below), .n = 1 + draw(below),
				    .attrs = draw(2) ? PRIV : 0 };
}

static void faults(struct cast *t)
{
	t->a = any_access(t, 0);
	t->b = any_access(t, 1);
	t->m = (struct access){ .v = t->w->vcpus[0], .gfn = draw(NR_PAGES), .ec = PFERR_WRITE };
	t->p = (struct prefault){ .v = t->w->vcpus[1], .gfn = draw(16) };
	if (draw(2))
		thread(do_access, &t->a, "access 0");
	else
		thread(do_access, &t->m, "access far");
	if (draw(2))
		thread(do_access, &t->b, "access 1");
	else
		thread(do_prefault, &t->p, "prefault 1");
}

static void others(struct cast *t)
{
	uint32_t what = draw(4);

	t->n = (struct host_change){ .w = t->w, .memory = t->move.memory, .page = draw(16),
				     .n = 1 + draw(600), .gone = draw(2), .breaks = true };
	if (draw(2))
		thread(do_host_change, &t->n, "host change");
	if (t->file) {
		t->c = any_conversion(t, 16);
		t->d = any_conversion(t, 600);
		t->h = (struct hole){ .file = t->file, .page = draw(16), .n = 1 + draw(8) };
		thread(do_conversion, &t->c, "conversion");
		if (draw(2))
			thread(do_conversion, &t->d, "big conversion");
		if (draw(2))
			thread(do_hole, &t->h, "hole");
	} else if (what == 3) {
		thread(do_region, &t->move, "move");
	}
	if (what == 1)
		thread(do_region, &t->delete, "deletion");
	else if (what == 2)
		thread(do_zap_all, t->w, "zap");
}

static void say_seed(const char *text, struct inter_place at)
{
	inter_always_yield(false);
	fail_msg("SEED=%llu: %s", (unsigned long long)seed, text);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void play(bool private_mem)
{
	struct cast t = { .w = world_create(private_mem) };
	uint64_t first = from_environment("SEED", 1), n = from_environment("RUNS", RUNS);

	if (private_mem)
		t.file = world_gmem(t.w, NR_PAGES);
	world_add_slot(t.w, 0, 0, NR_PAGES, t.file);
	t.delete = (struct region){ .w = t.w };
	t.move = (struct region){ .w = t.w, .gfn = 2 * NR_PAGES, .npages = NR_PAGES };
	t.move.memory = world_memory_of(t.w, 0);
	os_arena_snapshot();
	inter_on_failure(say_seed);
	for (seed = first; seed < first + n; seed++) {
		os_arena_reset();
		state = seed;
		world_map_huge(t.w, 0, draw(3) ? PG_LEVEL_2M : PG_LEVEL_4K);
		inter_always_yield(draw(2));
		faults(&t);
		others(&t);
		INTER_RANDOM(seed);
		inter_always_yield(false);
		world_audit(t.w, seed);
		if (os_arena_check())
			say_seed(os_arena_check(), INTER_HERE);
	}
	os_arena_reset();
	if (t.file)
		kvm_gmem_release(t.file);
	world_destroy(t.w);
}

static void private_and_shared(void **unused)
{
	play(true);
}

static void an_ordinary_vm(void **unused)
{
	play(false);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_and_shared),
		cmocka_unit_test(an_ordinary_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
