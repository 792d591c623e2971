/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "map_rows.h"

#include <errno.h>

#include "hw/insn/phys.h"
#include "kvm/core/attr.h"
#include "kvm/host/access.h"

#define OTHERS		8u	/* gfns of other changes, up to this + 3 */
#define NEIGHBOUR	(ROW_GFN + 1)

/* "V:map-w(same gfn, second map)" is one event. */
void row_parse(struct row *row)
{
	const char *at = row->sequence;

	row->nr_events = 0;
	while (*at) {
		struct row_event *e = &row->event[row->nr_events++];
		size_t n = 0, depth = 0;
		const char *colon = strchr(at, ':');

		assert_true(colon && row->nr_events <= ROW_EVENTS && colon - at < (long)sizeof(e->who));
		*e = (struct row_event){ .row = row, .r = UNDER_WAY };
		memcpy(e->who, at, (size_t)(colon - at));
		for (at = colon + 1; *at && (depth || *at != ' '); at++) {
			depth += *at == '(';
			depth -= *at == ')';
			assert_true(n < sizeof(e->what) - 1);
			e->what[n++] = *at;
		}
		at += *at == ' ';
	}
}

bool row_has(const struct row *row, const char *event)
{
	for (unsigned i = 0; i < row->nr_events; i++)
		if (row_is(&row->event[i], event))
			return true;
	return false;
}

static void convert(struct row *row, uint64_t gfn, uint64_t n, uint64_t attrs)
{
	struct conversion c = { .w = row->w, .gfn = gfn, .n = n, .attrs = attrs };

	do_conversion(&c);
	ROW_CHECK(row, c.r == 0);
}

void row_prepare_guest(struct row *row)
{
	struct world *w = row->w;
	uint8_t level;

	row->page = (char *)world_memory_of(w, 0) + P(ROW_GFN - kvm_id_to_memslot(&w->kvm, 0, 0)->base_gfn.v);
	*(uint64_t *)row->page = ROW_FIRST;
	if (!w->kvm.has_private_mem)
		return;
	convert(row, ROW_GFN, 1, PRIV);
	world_fault_in(w, 1, ROW_GFN, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
	row->secret = spte_address(w->module.spte, world_spte(w, 1, ROW_GFN, &level));
	phys_store64(w->module.hw, row->secret, ROW_SECRET);
	convert(row, ROW_GFN, 1, 0);
	world_fault_in(w, 1, ROW_GFN, PFERR_WRITE);
}

void row_check_guest(struct row *row)
{
	struct world *w = row->w;

	if (w->kvm.has_private_mem)
		ROW_CHECK(row, phys_load64(w->module.hw, row->secret) == ROW_SECRET);
	world_audit(w, 0);
}

/* ---- what the other threads do ---- */

struct change {
	const char *name;
	uint64_t gfn, n, attrs;
};

static const struct change changes[] = {
	{ "private", ROW_GFN, 1, PRIV },
	{ "shared", ROW_GFN, 1, 0 },
	{ "other", OTHERS, 3, PRIV },
	{ "same", ROW_GFN, 1, 0 },
	{ "neighbour-shared", NEIGHBOUR, 1, 0 },
};

static const struct change *change_of(const struct row_event *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		if (row_is(e, changes[i].name))
			return &changes[i];
	return NULL;
}

/* Memory of the arena is nobody's mapping: what the kernel does, zeros at the address. */
static void discard(struct row *row)
{
	struct kvm_hva_range range = { (uintptr_t)row->page, (uintptr_t)row->page + PAGE_SIZE };
	struct kvm_host_change c;

	kvm_host_change_begin(&row->w->module, &range, 1, &c);
	CORO_STEP();
	memset(row->page, 0, PAGE_SIZE);
	CORO_STEP();
	kvm_host_change_end(&c, true);
}

void row_change(void *arg)
{
	struct row_event *e = arg;
	const struct change *change = change_of(e);
	struct conversion c;
	struct region gone = { .w = e->row->w };

	if (change) {
		c = (struct conversion){ .w = e->row->w, .gfn = change->gfn, .n = change->n,
					 .attrs = change->attrs };
		do_conversion(&c);
		e->r = c.r;
	} else if (row_is(e, "delete")) {
		do_region(&gone);
		e->r = gone.r;
	} else if (row_is(e, "dontneed")) {
		discard(e->row);
		e->r = 0;
	} else {
		ROW_CHECK(e->row, row_is(e, "close-vcpu"));
		row_close_vcpu(e->row);
		e->r = 0;
	}
}

static bool slot_can_be_read(struct row *row)
{
	struct kvm *kvm = &row->w->kvm;
	int idx = srcu_read_lock(&kvm->srcu);
	uint64_t word;
	int r = kvm_read_guest(kvm, GPA(P(ROW_GFN)), &word, sizeof(word));

	srcu_read_unlock(&kvm->srcu, idx);
	return !r;
}

/* The column "visible", while this one waits. */
static void check_waiting(struct row *row, struct row_event *e)
{
	const struct change *c = change_of(e);

	if (strstr(row->visible, "slot"))
		ROW_CHECK(row, !slot_can_be_read(row));
	for (uint64_t gfn = c ? c->gfn : 0; c && gfn < c->gfn + c->n; gfn++) {
		if (strstr(row->visible, "attribute"))
			ROW_CHECK(row, kvm_mem_is_private(&row->w->kvm, GFN(gfn)) == !!c->attrs);
		if (strstr(row->visible, "entries"))
			ROW_CHECK(row, !world_is_mapped_anywhere(row->w, gfn));
	}
}

static bool waits(const struct row_event *e)
{
	return e->begun && e->r == UNDER_WAY;
}

void row_check_waiting(struct row *row)
{
	for (unsigned i = 0; i < row->nr_events; i++)
		if (waits(&row->event[i]))
			check_waiting(row, &row->event[i]);
}

/* The column "change"; one that need not wait, and does, may do so until the unmap. */
void row_begin_change(struct row *row, struct row_event *e)
{
	e->begun = true;
	e->thread = inter_thread(row_change, e, e->what);
	(void)INTER_TRY(e->thread);
	if (!strcmp(row->change, "at-once") || !strcmp(row->change, "-"))
		ROW_CHECK(row, e->r == 0);
	else if (!strchr(row->change, '|'))
		ROW_CHECK(row, e->r == UNDER_WAY);
	row_check_waiting(row);
}

static bool is_vcpu(const struct row_event *e)
{
	return e->who[0] == 'V';
}

bool row_lets_go(const struct row *row, unsigned i)
{
	const struct row_event *e = &row->event[i];

	if (!strcmp(row->change, "after-srcu"))
		return row_is(e, "enter") || row_is(e, "exit-user");
	if (!row_is(e, "unmap"))
		return false;
	while (++i < row->nr_events)
		if (row_is(&row->event[i], "unmap"))
			return false;
	return true;
}

/* ---- what vCPUs do in rows without a GHCB ---- */

struct actor {
	struct row	*row;
	const char	*name;
	struct kvm_vcpu	*vcpu;
	unsigned	 thread;
	struct kvm_guest_map map[2];
	unsigned	 nr_maps;
	bool		 is_out;	/* of the host */
	struct gfn_to_pfn_cache gpc;
};

static void use(struct actor *a, bool store)
{
	struct row *row = a->row;
	struct kvm_guest_map *map = &a->map[a->nr_maps - 1];
	uint64_t word = ROW_STORED;
	int r;

	r = store ? kvm_map_write(a->vcpu, map, 0, &word, sizeof(word))
		  : kvm_map_read(map, 0, &word, sizeof(word));
	if (!r && !store)
		ROW_CHECK(row, word == (row_has(row, "store") ? ROW_STORED : ROW_FIRST));
	row->has_used = true;
	if (r && !row->use_r)
		row->use_r = r;
}

static void unmap(struct actor *a)
{
	if (a->nr_maps) {
		kvm_vcpu_unmap(a->vcpu, &a->map[a->nr_maps - 1], true);
		a->nr_maps--;
	} else {
		kvm_vcpu_unmap(a->vcpu, &a->map[0], true);	/* nothing */
	}
}

static void map(struct actor *a, bool writes)
{
	a->row->map_r = (writes ? kvm_vcpu_map : kvm_vcpu_map_readonly)(a->vcpu, GFN(ROW_GFN),
									&a->map[a->nr_maps]);
	a->nr_maps += !a->row->map_r;
}

/* Into the guest, or to user space; it stays there until the script has an end. */
static void leave(struct actor *a)
{
	kvm_vcpu_assert_no_short_map(a->vcpu);
	srcu_read_unlock(&a->vcpu->kvm->srcu, a->vcpu->srcu_idx);
	a->is_out = true;
}

static void act(struct actor *a, const struct row_event *e)
{
	struct kvm *kvm = a->vcpu->kvm;
	struct conversion c = { .w = a->row->w, .gfn = ROW_GFN, .n = 1, .attrs = PRIV };
	uint64_t word;

	if (row_is(e, "map-w") || row_is(e, "map-r") || row_is(e, "map-w(same gfn, second map)"))
		map(a, !row_is(e, "map-r"));
	else if (row_is(e, "store") || row_is(e, "load"))
		use(a, row_is(e, "store"));
	else if (row_is(e, "unmap"))
		unmap(a);
	else if (row_is(e, "enter") || row_is(e, "exit-user"))
		leave(a);
	else if (row_is(e, "SET_MEMORY_ATTRIBUTES"))
		do_conversion(&c);
	else if (row_is(e, "read-guest"))
		a->row->use_r = kvm_read_guest(kvm, GPA(P(ROW_GFN)), &word, sizeof(word));
	else if (row_is(e, "gpc-refresh"))
		a->row->use_r = kvm_gpc_activate(&a->gpc, GPA(P(ROW_GFN)), 8);
	else
		fail_msg("%s: no event %s", a->row->sequence, e->what);
}

/* Its events, each when the script lets it; what is left mapped goes in the end. */
static void vcpu_thread(void *arg)
{
	struct actor *a = arg;
	struct row *row = a->row;

	a->vcpu->srcu_idx = srcu_read_lock(&a->vcpu->kvm->srcu);
	for (unsigned i = 0; i < row->nr_events; i++) {
		if (strcmp(row->event[i].who, a->name))
			continue;
		act(a, &row->event[i]);
		SYNC_POINT(row_event_done);
	}
	if (a->is_out)
		a->vcpu->srcu_idx = srcu_read_lock(&a->vcpu->kvm->srcu);
	while (a->nr_maps)
		unmap(a);
	kvm_gpc_deactivate(&a->gpc);
	srcu_read_unlock(&a->vcpu->kvm->srcu, a->vcpu->srcu_idx);
}

static void finish_changes(struct row *row)
{
	for (unsigned i = 0; i < row->nr_events; i++) {
		struct row_event *e = &row->event[i];

		if (waits(e))
			INTER_END(e->thread);
		ROW_CHECK(row, !e->begun || e->r == 0);
	}
}

/* The column "pointer". */
static void check_pointer(struct row *row, const struct actor *v)
{
	const char *want = row->pointer;
	uint64_t now = *(uint64_t *)row->page;

	if (!strcmp(want, "refused")) {
		ROW_CHECK(row, row->map_r == -EFAULT);
		ROW_CHECK(row, now == ROW_FIRST);
		return;
	}
	ROW_CHECK(row, row->map_r == 0);
	ROW_CHECK(row, row->use_r == 0);
	if (!strcmp(want, "kept"))
		ROW_CHECK(row, v->nr_maps == 1);
	if (row_has(row, "dontneed"))	/* the map's page, no longer the address's */
		ROW_CHECK(row, now == 0);
	else if (row_has(row, "store"))
		ROW_CHECK(row, now == ROW_STORED);
	else
		ROW_CHECK(row, now == ROW_FIRST);
}

static struct actor *actor_of(struct actor a[2], const struct row_event *e)
{
	return &a[!strcmp(e->who, "V2")];
}

static void run_events(struct row *row, struct actor actor[2])
{
	for (unsigned i = 0; i < row->nr_events; i++) {
		struct row_event *e = &row->event[i];

		if (!is_vcpu(e)) {
			row_begin_change(row, e);
			continue;
		}
		INTER_TO(actor_of(actor, e)->thread, row_event_done);
		if (row_lets_go(row, i))
			finish_changes(row);
		else
			row_check_waiting(row);
	}
	finish_changes(row);
}

void row_run_plain(struct row *row)
{
	struct world *w = row->w = world_create(true);
	struct actor *actor = calloc(2, sizeof(*actor));

	assert_non_null(actor);
	if (row->short_term)
		world_map_short_term(w);
	row->gmem = world_gmem(w, 16);
	world_add_slot(w, 0, 0, 16, row->gmem);
	row_prepare_guest(row);
	for (uint64_t gfn = OTHERS; gfn < OTHERS + 3; gfn++)
		world_fault_in(w, 1, gfn, PFERR_WRITE);
	if (row_has(row, "neighbour-shared")) {
		convert(row, NEIGHBOUR, 1, PRIV);
		world_fault_in(w, 1, NEIGHBOUR, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
	}
	for (unsigned i = 0; i < 2; i++) {
		actor[i].row = row;
		actor[i].name = i ? "V2" : "V";
		actor[i].vcpu = &w->vcpus[i]->base;
		assert_int_equal(kvm_gpc_init(&actor[i].gpc, &w->kvm), 0);
		actor[i].thread = inter_thread(vcpu_thread, &actor[i], actor[i].name);
	}
	run_events(row, actor);
	check_pointer(row, &actor[0]);
	for (unsigned i = 0; i < 2; i++) {
		INTER_END(actor[i].thread);
		kvm_vcpu_assert_no_short_map(actor[i].vcpu);
		assert_true(list_is_empty(&actor[i].vcpu->maps));
		kvm_gpc_fini(&actor[i].gpc);
	}
	row_check_guest(row);
	free(actor);
	kvm_gmem_release(row->gmem);
	world_destroy(w);
}
