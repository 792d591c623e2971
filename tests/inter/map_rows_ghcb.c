/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * map_rows_ghcb.c - rows about the map that VMGEXIT makes: an exit of a SEV-ES guest, or of
 * SNP, whose GHCB is G.  Where the row has no stop in user space the request is one that KVM
 * serves itself, else a write to MMIO.
 */
#include "map_rows.h"

#include "ghcb_apart.h"
#include "kvm/vcpu/backend.h"

struct guest {
	struct row	*row;
	struct vcpu	*v;
	struct sev_vcpu	*es;
	struct kvm_sev	 sev;		/* SEV-ES: the VM's */
	char		 before[PAGE_SIZE];	/* the page when the VMM has the exit */
	bool		 answered;
};

static struct guest *now;

/* Handlers of exits, and devices, are not here. */
static int handle_exit(struct vcpu *v)
{
	return 1;
}

static const struct vcpu_backend backend = { .handle_exit = handle_exit };

static void put64(char *page, unsigned at, uint64_t value)
{
	memcpy(page + at, &value, sizeof(value));
	page[GHCB_VALID + at / 64] |= (char)(1u << at / 8 % 8);
}

static void put_request(struct row *row)
{
	char *page = row->page;

	put64(page, GHCB_EXITCODE, row_has(row, "exit-user") ? GHCB_MMIO_WRITE : SVM_EXIT_CPUID);
	put64(page, GHCB_EXITINFO1, 0xd0000000);
	put64(page, GHCB_EXITINFO2, 8);
	put64(page, GHCB_SCRATCH, P(ROW_GFN) + GHCB_BUFFER);
	put64(page, GHCB_RAX, 1);
	put64(page, GHCB_RCX, 0);
	put64(page, GHCB_CPL & ~7u, 0);
}

static bool is_mapped(const struct guest *g)
{
	return g->es->ghcb.map.host;
}

static void exits(struct guest *g)
{
	int r = sev_vmgexit(&g->v->base);

	ROW_CHECK(g->row, r == !row_has(g->row, "exit-user"));
	ROW_CHECK(g->row, g->es->ghcb.is_mapped);
	ROW_CHECK(g->row, is_mapped(g) == !g->row->short_term);
}

static void leaves_to_user(struct guest *g)
{
	struct kvm_vcpu *b = &g->v->base;

	kvm_vcpu_assert_no_short_map(b);
	ROW_CHECK(g->row, is_mapped(g) == !g->row->short_term);
	memcpy(g->before, g->row->page, PAGE_SIZE);
	srcu_read_unlock(&b->kvm->srcu, b->srcu_idx);
}

static void runs_again(struct guest *g)
{
	struct kvm_vcpu *b = &g->v->base;

	b->srcu_idx = srcu_read_lock(&b->kvm->srcu);
	ROW_CHECK(g->row, g->v->complete(g->v) == 1);
}

static void enters(struct guest *g)
{
	struct kvm_vcpu *b = &g->v->base;

	sev_es_before_entry(b);
	kvm_vcpu_assert_no_short_map(b);
	ROW_CHECK(g->row, !is_mapped(g));
	ROW_CHECK(g->row, !g->es->ghcb.is_mapped);
	ROW_CHECK(g->row, list_is_empty(&b->maps));
	g->answered = true;
}

/* Uses of the map in short-term mode come with run and enter. */
static bool comes_by_itself(const struct row_event *e)
{
	return row_is(e, "store") || row_is(e, "unmap");
}

static void vcpu_thread(void *arg)
{
	struct guest *g = arg;
	struct row *row = g->row;
	struct kvm_vcpu *b = &g->v->base;
	bool inside = true, first = true;

	b->srcu_idx = srcu_read_lock(&b->kvm->srcu);
	for (unsigned i = 0; i < row->nr_events; i++) {
		const struct row_event *e = &row->event[i];

		if (e->who[0] != 'V')
			continue;
		if (row_is(e, "map-w(GHCB)")) {
			if (first)
				exits(g);
			first = false;
		} else if (row_is(e, "exit-user")) {
			leaves_to_user(g);
			inside = false;
		} else if (row_is(e, "run")) {
			runs_again(g);
			inside = true;
		} else if (row_is(e, "enter")) {
			enters(g);
		} else {
			ROW_CHECK(row, comes_by_itself(e));
		}
		SYNC_POINT(row_event_done);
	}
	/* The guest resumes in any case. */
	if (inside && !g->answered)
		enters(g);
	if (inside)
		srcu_read_unlock(&b->kvm->srcu, b->srcu_idx);
}

void row_close_vcpu(struct row *row)
{
	sev_es_free_ghcb(&now->v->base);
	ROW_CHECK(row, !is_mapped(now));
	ROW_CHECK(row, list_is_empty(&now->v->base.maps));
}

/* KVM's answer is in the page at the slot's address, or is not. */
static void check_answer(struct guest *g)
{
	struct row *row = g->row;
	bool is_there = memcmp(g->before, row->page, PAGE_SIZE) != 0;

	if (!strcmp(row->pointer, "ok") || !strcmp(row->pointer, "stale"))
		ROW_CHECK(row, is_there);
	else if (row_has(row, "exit-user"))
		ROW_CHECK(row, !is_there);
	else
		ROW_CHECK(row, is_there);	/* before the entry, as any */
}

static void make(struct guest *g)
{
	struct row *row = g->row;
	struct world *w = row->w = row->is_es ? world_create(false) : world_create_snp(0);
	struct vcpu *v = g->v = w->vcpus[0];

	g->es = calloc(1, sizeof(*g->es));
	assert_non_null(g->es);
	if (row->is_es) {
		g->sev = (struct kvm_sev){ .active = true, .es_active = true, .ghcb_version = 2 };
		w->kvm.type_state = &g->sev;
	} else {
		to_kvm_sev(&w->kvm)->ghcb_version = 2;
	}
	g->es->ghcb.registered = GPA(P(ROW_GFN));
	v->base.type_state = g->es;
	v->backend = &backend;
	v->svm = (struct svm_control){ .np_control = SVM_NP_SEV | SVM_NP_SEV_ES,
				       .ghcb_gpa = P(ROW_GFN) };
	v->pio_data = calloc(1, PAGE_SIZE);
	if (row->short_term)
		world_map_short_term(w);
	row->gmem = row->is_es ? NULL : world_gmem(w, 16);
	world_add_slot(w, 0, 0, 16, row->gmem);
	row_prepare_guest(row);
	put_request(row);
	now = g;
}

static void unmake(struct guest *g)
{
	struct row *row = g->row;

	sev_es_free_ghcb(&g->v->base);
	free(g->es);
	free(g->v->pio_data);
	if (row->is_es)
		row->w->kvm.type_state = NULL;
	if (row->gmem)
		kvm_gmem_release(row->gmem);
	world_destroy(row->w);
}

void row_run_ghcb(struct row *row)
{
	static struct guest guest;
	struct guest *g = &guest;

	guest = (struct guest){ .row = row };
	make(g);
	INTER_THREAD(vcpu, vcpu_thread, g);
	for (unsigned i = 0; i < row->nr_events; i++) {
		if (row->event[i].who[0] == 'V')
			INTER_TO(vcpu, row_event_done);
		else
			row_begin_change(row, &row->event[i]);
	}
	INTER_END(vcpu);
	for (unsigned i = 0; i < row->nr_events; i++)
		ROW_CHECK(row, row->event[i].who[0] == 'V' || row->event[i].r == 0);
	check_answer(g);
	row_check_guest(row);
	unmake(g);
}
