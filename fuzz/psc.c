/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * psc.c - page state changes of a SNP guest that writes whatever it likes into its
 * page between an exit to the VMM and the VMM's answer.
 *
 * A model that knows the area as it was when the guest exited says what each
 * exit may be about: pages that the entries have left, in their order, neighbours
 * together and as many as can be; nothing twice, nothing that stands nowhere,
 * nothing after a refusal; the cursor never beyond the last entry's end.
 */
#include "fuzz.h"

#include "../tests/unit/kvm/types/a_guest.h"

#define MAX_REQUESTS	8u
#define MEMORY		(GUEST_PAGES * PAGE_SIZE)
#define MAX_ENTRIES	253u
#define HUGE_PAGES	512u

struct entry {
	uint64_t gfn;
	unsigned op, done, pages;
};

struct model {
	uint64_t area;			/* where it begins */
	unsigned capacity, cur, end;
	struct entry entry[MAX_ENTRIES];
	unsigned next;			/* the first entry that is not done */
	unsigned batch_end;		/* behind those that are out */
	bool	 is_out;
};

static struct a_guest guest;
static uint8_t before[MEMORY];

static uint64_t load(uint64_t at, size_t len)
{
	uint64_t value = 0;

	memcpy(&value, guest.memory + at, len);
	return value;
}

static void store(uint64_t at, uint64_t value, size_t len)
{
	memcpy(guest.memory + at, &value, len);
}

/* ---- what the guest asks for ---- */

/* Often the neighbour of the one before, of the same kind. */
static uint64_t an_entry(struct input *in, uint64_t last)
{
	const uint8_t how = take8(in);
	const uint64_t gfn = last >> 12 & 0xffffffffff, pages = last >> 56 & 1 ? HUGE_PAGES : 1;
	uint64_t e = (last & ~0xfffull & ~(0xffffffffffull << 12)) | (gfn + pages) << 12;

	if (how < 0x90)
		return e;
	if (how < 0xa0)		/* begun: and the next may be where 6.12 looks for it */
		return e | (take(in, 2) & 0x3ff);
	if (how < 0xb0)
		return (e & ~(0xffffffffffull << 12)) | ((gfn & ~0x1ffull) + take8(in)) << 12;
	if (how < 0xc0)
		return e ^ 1ull << 56;
	if (how < 0xd0)
		return (e & ~(0xfull << 52)) | (uint64_t)(take8(in) & 0xf) << 52;
	if (how < 0xf0)
		return (uint64_t)(1 + (take8(in) & 1)) << 52 | (take(in, 2) & 0xff) << (12 + 9) |
		       (uint64_t)(take8(in) & 1) << 56;
	return take(in, 8);
}

static void ask(struct input *in)
{
	const uint8_t where = take8(in);
	uint64_t area = GHCB_AT + GHCB_BUFFER, e = 1ull << 52, at;
	unsigned nr;

	if (where >= 0xc0)
		area += where < 0xe0 ? 8ull * take8(in) : take(in, 2);
	a_guest_asks(&guest, GHCB_PSC, 0, 0);
	a_guest_put(&guest, GHCB_SCRATCH, area);
	/* The page's own last fields are not the area's to write. */
	if (area > GHCB_AT + GHCB_BUFFER_END - 8 && area < GHCB_AT + PAGE_SIZE)
		return;
	if (area + 8 > MEMORY)
		return;
	nr = take8(in) < 0xf0 ? take8(in) % 24u : MAX_ENTRIES;
	store(area, take8(in) < 0x80 ? 0 : take8(in), 2);
	store(area + 2, take8(in) < 0xf8 ? take8(in) % 20 : take(in, 2), 2);
	for (at = area + 8; at < GHCB_AT + GHCB_BUFFER_END && nr; at += 8, nr--) {
		e = an_entry(in, e);
		store(at, e, MIN(8u, GHCB_AT + GHCB_BUFFER_END - at));
	}
}

/* ---- what may come of it ---- */

static void model_read(struct model *m)
{
	*m = (struct model){ .area = a_guest_get(&guest, GHCB_SCRATCH) };
	if (m->area < GHCB_AT + GHCB_BUFFER || m->area + 8 > GHCB_AT + GHCB_BUFFER_END)
		return;
	m->capacity = (unsigned)(GHCB_AT + GHCB_BUFFER_END - m->area - 8) / 8;
	m->cur = m->next = (unsigned)load(m->area, 2);
	m->end = (unsigned)load(m->area + 2, 2);
	for (unsigned i = 0; i < m->capacity; i++) {
		const uint64_t e = load(m->area + 8 + 8 * i, 8);

		m->entry[i] = (struct entry){
			.gfn = e >> 12 & 0xffffffffff, .op = e >> 52 & 0xf, .done = e & 0xfff,
			.pages = e >> 56 & 1 ? HUGE_PAGES : 1,
		};
	}
}

static bool is_wrong(const struct entry *e)
{
	return e->done > e->pages || e->gfn % e->pages;
}

/* Does @e go out with those before it, the first of which is @first, @pages of them in all? */
static bool joins(const struct entry *e, const struct entry *first, uint64_t pages)
{
	return e->op == first->op && !e->done && e->gfn == first->gfn + pages &&
	       e->pages == (first->done ? 1 : first->pages);
}

/*
 * To the next entry that the VMM has to be asked about: its answer.  @error: why
 * the walk ended; 0 at the end of the entries.
 */
static const struct entry *model_next(struct model *m, uint64_t *error)
{
	*error = 0;
	while (m->next <= m->end) {
		const struct entry *e = &m->entry[m->next];
		uint64_t pages = e->pages - e->done;

		if (is_wrong(e)) {
			*error = 0x100000002;
			return NULL;
		}
		if (pages && (e->op == 1 || e->op == 2))
			return e;
		m->next++;
		/* Unknown operations in a row are done at once, as if they went out. */
		while (pages && m->next <= m->end && joins(&m->entry[m->next], e, pages))
			pages += m->entry[m->next++].pages;
	}
	return NULL;
}

static void exit_is_legal(struct model *m)
{
	const struct kvm_run *run = guest.v->base.run;
	uint64_t left = run->hypercall.args[1], pages, error;
	const struct entry *e = model_next(m, &error);
	unsigned i;

	MUST(run->exit_reason == KVM_EXIT_HYPERCALL && run->hypercall.nr == KVM_HC_MAP_GPA_RANGE);
	MUST(e && m->capacity > m->end);
	MUST(run->hypercall.args[0] == (e->gfn + e->done) << 12);
	MUST(run->hypercall.args[2] == (e->op == 1 ? 0x10u : 0u) + (e->pages > 1));
	pages = e->pages - e->done;
	for (i = m->next + 1; left > pages; i++) {
		MUST(i <= m->end && joins(&m->entry[i], e, pages));
		pages += m->entry[i].pages;
	}
	MUST(left == pages);
	MUST(i > m->end || !joins(&m->entry[i], e, pages));
	m->batch_end = i;
	m->is_out = true;
}

static void end_is_legal(struct model *m, bool failed)
{
	const uint64_t info1 = a_guest_get(&guest, GHCB_EXITINFO1);
	const uint64_t info2 = a_guest_get(&guest, GHCB_EXITINFO2);
	uint64_t error;

	if (!m->capacity && (m->area < GHCB_AT + GHCB_BUFFER || m->area > GHCB_AT + GHCB_BUFFER_END - 8)) {
		MUST(info1 == 2 && info2 == GHCB_INVALID_SCRATCH);
		return;
	}
	MUST(!info1);
	if (failed || !guest.a.kvm->caps.exit_hypercalls) {
		MUST(info2 == 0x10000000000);
	} else if (m->end >= m->capacity) {
		MUST(info2 == 0x100000001 && !m->is_out);
	} else {
		MUST(!model_next(m, &error) && info2 == error);
		MUST(load(m->area, 2) == m->next);
	}
}

/* Of all memory only the area's progress and the answer in the page have changed. */
static void memory_is_legal(const struct model *m)
{
	MUST(!memcmp(guest.memory, before, GHCB_AT));
	MUST(!memcmp(guest.memory + GHCB_AT + PAGE_SIZE, before + GHCB_AT + PAGE_SIZE,
		     MEMORY - GHCB_AT - PAGE_SIZE));
	for (uint64_t i = GHCB_AT; i < GHCB_AT + PAGE_SIZE; i++) {
		const uint64_t in_page = i - GHCB_AT, in_area = i - m->area;

		if (guest.memory[i] == before[i])
			continue;
		if (in_page - GHCB_EXITINFO1 < 16 || in_page - GHCB_VALID < 16)
			continue;
		MUST(m->capacity && in_area < 8 + 8ull * m->capacity);
		MUST(in_area < 2 || (in_area >= 8 && in_area % 8 < 2));
		MUST(in_area < 2 || (in_area - 8) / 8 <= m->end);
	}
}

/* What was out is done in the guest's page, too. */
static void batch_is_done(struct model *m)
{
	for (unsigned i = m->next; i < m->batch_end; i++)
		MUST((load(m->area + 8 + 8 * i, 2) & 0xfff) == m->entry[i].pages);
	m->next = m->batch_end;
}

static void scribble(struct input *in, uint64_t area)
{
	for (unsigned n = take8(in) % 16; n; n--) {
		const uint8_t how = take8(in);

		if (how < 0x40)
			store(area + (how & 3), take(in, 2), 2);
		else if (how < 0xc0)
			store(GHCB_AT + GHCB_BUFFER + 8ull * take8(in) % 2024, take(in, 8), 8);
		else if (how < 0xf0)
			store(GHCB_AT + take(in, 2) % (PAGE_SIZE - 8), take(in, 8), 8);
		else
			memset(guest.memory + GHCB_AT, take8(in), PAGE_SIZE);
	}
}

static void request(struct input *in)
{
	struct kvm_run *run = guest.v->base.run;
	struct model m;
	bool failed = false;
	int r;

	guest.a.kvm->caps.exit_hypercalls = take8(in) < 0xf8 ? BIT(KVM_HC_MAP_GPA_RANGE) : 0;
	ask(in);
	model_read(&m);
	memcpy(before, guest.memory, MEMORY);
	r = a_guest_exits(&guest);
	memory_is_legal(&m);
	for (unsigned n = 0; !r; n++) {
		MUST(n < MAX_ENTRIES && guest.v->complete);
		exit_is_legal(&m);
		scribble(in, m.capacity ? m.area : GHCB_AT);
		failed = take8(in) >= 0xf0;
		run->hypercall.ret = !failed ? 0 : take8(in) & 1 ? 1 : take(in, 8) | 2;
		memset(run->hypercall.args, take8(in), sizeof(run->hypercall.args));
		memcpy(before, guest.memory, MEMORY);
		r = a_guest_answered(&guest);
		memory_is_legal(&m);
		if (!failed)
			batch_is_done(&m);
	}
	MUST(r == 1);
	end_is_legal(&m, failed);
	a_guest_enters(&guest);
	MUST(!guest.es.ghcb.is_mapped && !guest.es.ghcb.psc.batch);
}

/* By the MSR there is one page, and the VMM's word. */
static void by_msr(struct input *in)
{
	const uint64_t msr = (take(in, 8) & ~0xfffull & ~(0xf8ull << 52)) | 0x014;
	const unsigned op = msr >> 52 & 0xf;
	int r;

	guest.v->svm.ghcb_gpa = msr;
	r = a_guest_exits(&guest);
	if (!r) {
		struct kvm_run *run = guest.v->base.run;

		MUST(op == 1 || op == 2);
		MUST(run->hypercall.args[0] == (msr & 0xffffffffff000) && run->hypercall.args[1] == 1);
		MUST(run->hypercall.args[2] == (op == 1 ? 0x10u : 0u));
		run->hypercall.ret = take8(in) & 1;
		r = a_guest_answered(&guest);
		MUST(guest.v->svm.ghcb_gpa == ((uint64_t)(run->hypercall.ret != 0) << 63 | 0x15));
	} else {
		MUST(guest.v->svm.ghcb_gpa == (BIT(63) | 0x15));
	}
	MUST(r == 1);
	guest.v->svm.ghcb_gpa = GHCB_AT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };

	if (!guest.memory)
		a_guest_make_snp(&guest, false);
	for (unsigned n = 0; n < MAX_REQUESTS && in.at < in.end; n++) {
		if (take8(&in) < 0xf0)
			request(&in);
		else
			by_msr(&in);
	}
	return 0;
}
