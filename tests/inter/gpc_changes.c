/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* gpc_changes.c - what meets a map from outside, and the end of a lookup; deactivate, marks. */
#include "gpc_rows.h"

/* ---- the lookup of a refresh has its page ---- */

static void done_undisturbed(struct cache *c)
{
	INTER_END(c->first.thread);
	gives_errno(c, c->first.r);
	CHECK(c, c->gpc.page.v == phys_publish(c->w->module.hw, memory + (c->at & PAGE_MASK)).v);
	CHECK(c, check_cache(c, LEN));
}

static void done_while_running(struct cache *c)
{
	unsigned was = nr_lookups;

	begin_change(c, false);
	INTER_BLOCKED(c->first.thread);
	gives(c, "-");
	CHECK(c, nr_lookups == was);
	CHECK(c, !c->gpc.valid);
}

static void done_overtaken(struct cache *c)
{
	unsigned was = nr_lookups;

	change(c, true);
	INTER_TO(c->first.thread, gpc_looked_up);
	CHECK(c, nr_lookups > was);
	CHECK(c, !c->gpc.valid);
	gives(c, "-");
}

static void done_beside_slots(struct cache *c)
{
	uint64_t seq = kvm_mmu_invalidate_snapshot(&c->w->kvm);

	c->change = (struct host_change){ .w = c->w, .memory = memory, .page = PAGES + 1, .n = 1,
					  .gone = true };
	INTER_THREAD(notifier, do_host_change, &c->change);
	INTER_END(notifier);
	CHECK(c, kvm_mmu_invalidate_snapshot(&c->w->kvm) == seq);
	done_undisturbed(c);
}

static void done_failed(struct cache *c)
{
	begin_change(c, false);
	INTER_END(c->first.thread);
	gives_errno(c, c->first.r);
	end_change(c);
}

/* ---- changes of the VMM's ---- */

void holds_the_lock(void *arg)
{
	struct cache *c = arg;

	read_lock(&c->gpc.lock);
	SYNC_POINT(test_reads);
	read_unlock(&c->gpc.lock);
}

static void takes_mmu_lock(void *arg)
{
	struct cache *c = arg;

	write_lock(&c->w->kvm.mmu_lock);
	write_unlock(&c->w->kvm.mmu_lock);
}

/* Readers are waited for, after the count and before mmu_lock. */
static void notifier_waits(struct cache *c)
{
	INTER_THREAD(reader, holds_the_lock, c);
	INTER_TO(reader, test_reads);
	c->change = (struct host_change){ .w = c->w, .memory = memory, .page = c->at >> PAGE_SHIFT,
					  .n = 1, .gone = true };
	c->changer = inter_thread(do_host_change, &c->change, "notifier");
	CHECK(c, !INTER_TRY(c->changer));
	CHECK(c, c->w->kvm.mn.active_invalidate_count == 1);
	INTER_THREAD(mmu, takes_mmu_lock, c);
	INTER_END(mmu);
	INTER_END(reader);
	INTER_TO(c->changer, host_change_begun);
	end_change(c);
}

static void notifier_order(struct cache *c)
{
	static_assert(RANK_GPC_LIST < RANK_GPC && RANK_GPC < RANK_MMU, "a cache's before mmu_lock");
	if (on_list(c) && !in_state(c, "error"))
		notifier_waits(c);
	gives(c, "*");
	c->next = "*";
}

static void notifier_start(struct cache *c)
{
	bool valid = in_state(c, "valid") || in_state(c, "stale");

	if (valid && when(c, "inside")) {
		notifier_waits(c);
		CHECK(c, c->gpc.page.v == c->before.page.v);	/* stays, only nobody uses it */
	} else if (in_state(c, "refreshing") || when(c, "*")) {
		for (int inside = 0; inside < 2; inside++) {
			begin_change(c, inside && !in_state(c, "error"));
			CHECK(c, !check_cache(c, LEN));
			CHECK(c, !strcmp(state_now(c), c->state));
			end_change(c);
		}
	} else {
		change(c, false);
	}
	gives(c, "void");
}

static void notifier_end(struct cache *c)
{
	bool was, inside = !in_state(c, "error");

	begin_change(c, false);
	was = c->gpc.valid;
	end_change(c);
	CHECK(c, c->gpc.valid == was);
	gives(c, "void");
	if (in_state(c, "valid") || in_state(c, "stale"))
		return;
	begin_change(c, inside);
	CHECK(c, !c->gpc.valid);
	end_change(c);
	CHECK(c, !c->gpc.valid);
}

static void memslots_while_running(struct cache *c)
{
	uint64_t generation = kvm_memslots_generation(&c->w->kvm, 0);

	begin_change(c, false);
	INTER_THREAD(slots, another_slot, c);
	INTER_BLOCKED(slots);
	CHECK(c, kvm_memslots_generation(&c->w->kvm, 0) == generation);
	end_change(c);
	if (in_state(c, "refreshing"))
		INTER_END(c->first.thread);
	INTER_END(slots);
	gives(c, "*");
	c->next = "*";
}

static void memslots_change(struct cache *c)
{
	gives(c, "void");
	if (!in_state(c, "refreshing")) {
		another_slot(c);
		return;
	}
	/* It waits for SRCU, where the refresh is; by then the generation has moved. */
	INTER_THREAD(slots, another_slot, c);
	INTER_BLOCKED(slots);
	CHECK(c, !strcmp(state_now(c), "refreshing"));
	INTER_END(c->first.thread);
	CHECK(c, c->first.r == 0 && c->gpc.valid && !check_cache(c, LEN));
	CHECK(c, !strcmp(state_now(c), "stale"));
	INTER_END(slots);
	c->next = "stale";	/* now that the refresh is over */
}

static void convert(struct cache *c)
{
	struct conversion v = { .w = c->w, .gfn = 5, .n = 1, .attrs = PRIV };
	unsigned was = nr_lookups;

	do_conversion(&v);
	CHECK(c, v.r == 0);
	gives(c, "void");
	if (!in_state(c, "refreshing"))
		return;
	INTER_TO(c->first.thread, gpc_looked_up);	/* once more */
	CHECK(c, nr_lookups > was);
}

static void deactivate(struct cache *c)
{
	struct gpc_thread t;

	gives(c, "void");
	start(&t, c, DEACTIVATE, "deactivator");
	if (in_state(c, "refreshing")) {
		INTER_BLOCKED(t.thread);
		INTER_END(c->first.thread);
	} else if (c->gpc.active) {
		INTER_THREAD(reader, holds_the_lock, c);
		INTER_TO(reader, test_reads);
		CHECK(c, !INTER_TRY(t.thread));
		CHECK(c, c->gpc.active);
		INTER_END(reader);
	}
	INTER_END(t.thread);
	CHECK(c, on_list(c) == 0);
	CHECK(c, !hpa_is_valid(c->gpc.page));
	CHECK(c, c->gpc.gpa.v == c->before.gpa.v && c->gpc.hva.v == c->before.hva.v);
	CHECK(c, c->gpc.generation == c->before.generation);
}

static void mark_dirty(struct cache *c)
{
	const struct kvm_memory_slot *s = kvm_id_to_memslot(&c->w->kvm, 0, 0);
	int idx = srcu_read_lock(&c->w->kvm.srcu);

	CHECK(c, s->dirty_bitmap[0] == 0);
	CHECK(c, kvm_gpc_refresh(&c->gpc, LEN) == 0 && s->dirty_bitmap[0] == 0);
	read_lock(&c->gpc.lock);
	kvm_gpc_mark_dirty(&c->gpc);
	read_unlock(&c->gpc.lock);
	srcu_read_unlock(&c->w->kvm.srcu, idx);
	CHECK(c, s->dirty_bitmap[0] == (is_hva(c) ? 0 : 1u << (IN_SLOT >> PAGE_SHIFT)));
	gives(c, "void");
}

/* ---- how ---- */

static const struct how hows[] = {
	{ NULL, "deactivate", "-", deactivate },
	{ NULL, "lookup-done", "neither running nor seq", done_undisturbed },
	{ NULL, "lookup-done", "running", done_while_running },
	{ NULL, "lookup-done", "start and end both came since the lookup began, and seq",
	  done_overtaken },
	{ NULL, "lookup-done",
	  "start and end both came, of a range without a memslot (seq did not move)",
	  done_beside_slots },
	{ NULL, "lookup-done", "lookup failed", done_failed },
	{ NULL, "notifier-start", "order of locks", notifier_order },
	{ NULL, "notifier-start", NULL, notifier_start },
	{ NULL, "notifier-end", "-", notifier_end },
	{ NULL, "memslots-change", "running", memslots_while_running },
	{ NULL, "memslots-change", "-", memslots_change },
	{ NULL, "convert", NULL, convert },
	{ NULL, "mark-dirty", NULL, mark_dirty },
};

const struct how *how_of_change(const char *state, const char *event, const char *when)
{
	return find_how(hows, ARRAY_SIZE(hows), state, event, when);
}
