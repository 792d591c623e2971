/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What is there after an access, compared with what the table says: memory, what was read, the
 * dirty log, findings, and what must not have changed.
 */
#include "model/host_access/run.h"

#include <string.h>
#include <unistd.h>

/* Bytes of the access that lie in page @i, from *@from on; where in the data they are. */
static size_t part(const struct access *a, unsigned i, size_t *from, size_t *in_data)
{
	size_t first = MIN(a->len, PAGE_SIZE - a->offset);

	*from = i ? 0 : a->offset;
	*in_data = i ? first : 0;
	return i ? a->len - first : first;
}

/* What the host is to find in page @i afterwards. */
static void bytes_after(const struct run *t, const struct accessor *x, const struct outcome *o,
			unsigned i, uint8_t *to)
{
	const struct access *a = &t->a;
	size_t from, in_data, n = part(a, i, &from, &in_data);

	memcpy(to, t->w->side[i].bytes, PAGE_SIZE);
	if (!o->page[i].moved)
		return;
	if (x->touch == TOUCHES_EXCHANGES) {
		for (unsigned k = 0; k < a->size && !i; k++)
			to[a->at + k] = written_byte(k);
		return;
	}
	for (size_t k = 0; k < n; k++)
		if (x->touch == TOUCHES_WRITES)
			to[from + k] = written_byte(in_data + k);
		else if (x->touch == TOUCHES_CLEARS)
			to[from + k] = 0;
}

/* What the VMM maps, as the guest sees it: the same bytes, or those that were there before. */
static bool file_differs(struct run *t, const struct accessor *x, const struct outcome *o,
			 unsigned i)
{
	const struct side *s = &t->w->side[i];
	uint8_t want[PAGE_SIZE], got[PAGE_SIZE];
	off_t at = s->nr ? 0 : (off_t)((SLOT_2M - 1) << PAGE_SHIFT);

	if (!(s->state->is & STATE_MAPPED))
		return false;
	if (!strcmp(s->state->name, "gmem-mmap-other") || !strcmp(s->state->name, "gmem-mmap-end"))
		side_fill(s, 0, want);
	else
		bytes_after(t, x, o, i, want);
	ENSURE(pread(s->fd, got, PAGE_SIZE, at) == PAGE_SIZE);
	return memcmp(got, want, PAGE_SIZE);
}

static const char *memory_differs(struct run *t, const struct accessor *x,
				  const struct outcome *o, unsigned i)
{
	const struct side *s = &t->w->side[i];
	uint8_t want[PAGE_SIZE];

	if (s->private_bytes) {
		side_fill(s, NR_AROUND, want);
		if (memcmp(s->private_bytes, want, PAGE_SIZE))
			return "guest_memfd's bytes have changed";
	}
	if (file_differs(t, x, o, i))
		return "guest_memfd's file has other bytes";
	side_fill(s, 1, want);
	if (memcmp(side_page(s, 1), want, PAGE_SIZE))
		return "a page beside has changed";
	if (!(s->state->is & STATE_VISIBLE))
		return NULL;
	bytes_after(t, x, o, i, want);
	return memcmp(s->page, want, PAGE_SIZE) ? "the memory holds something else" : NULL;
}

/* @n bytes that came from @from of page @i. */
static const char *data_differs(const struct run *t, const uint8_t *got, unsigned i, size_t from,
				size_t n, enum data want)
{
	const struct side *s = &t->w->side[i];
	bool same = true, zero = true, plain = true;

	for (size_t k = 0; k < n; k++) {
		same &= got[k] == s->bytes[from + k];
		plain &= got[k] == side_byte(s, 0, from + k);
		zero &= !got[k];
	}
	switch (want) {
	case DATA_SHARED:
	case DATA_OWN:
		return same ? NULL : "other bytes came";
	case DATA_ZERO:
		return zero ? NULL : "no zeros came";
	case DATA_CIPHER:	/* too few of them may be equal by chance */
		return n < 8 || !plain ? NULL : "plaintext came";
	default:
		return NULL;
	}
}

static const char *moved_differs(const struct run *t, const struct accessor *x,
				 const struct outcome *o)
{
	const struct access *a = &t->a;
	const char *what = NULL;

	if (x->touch == TOUCHES_MAPS && o->result == RESULT_OK)
		return data_differs(t, a->data, 0, 0, PAGE_SIZE, o->page[0].data);
	if (x->touch == TOUCHES_EXCHANGES && o->result == RESULT_DIFFERS)
		return data_differs(t, a->there, 0, a->at, a->size, o->page[0].data);
	if (x->touch != TOUCHES_READS)
		return NULL;
	for (unsigned i = 0; i < 2 && !what; i++) {
		size_t from, in_data, n = part(a, i, &from, &in_data);
		bool came = o->page[i].moved || (strstr(x->name, "gpc-") && o->result == RESULT_OK);

		if (came)
			what = data_differs(t, a->data + in_data, i, from, n, o->page[i].data);
	}
	return what;
}

static const char *dirty_differs(struct run *t, const struct outcome *o)
{
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &t->w->side[i];
		const struct kvm_memory_slot *slot = world_slot(t->w, s);
		enum answer want = o->page[i].dirty;
		uint64_t nr = 0, bit;

		if (!slot || !slot->dirty_bitmap || !(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
			continue;
		for (uint64_t n = 0; n < SLOT_2M; n++) {
			uint64_t at = side_gfn(s, n).v - slot->base_gfn.v;

			bit = slot->dirty_bitmap[at / 64] >> at % 64 & 1;
			if (n)
				nr += bit;
			else if (want != ANY && bit != (want == YES))
				return bit ? "marked dirty" : "not marked dirty";
		}
		if (nr)
			return "another page is marked dirty";
	}
	return NULL;
}

const char *run_differs(struct run *t, const struct accessor *x, const struct outcome *o,
			enum result got, uint64_t findings, const struct kept *was,
			const struct kept *is)
{
	const char *what;

	if (o->result != RESULT_ANY && o->result != got)
		return "the result";
	if (findings < o->findings_min || findings > o->findings_max)
		return "findings";
	what = kept_differs(was, is, o);
	if (!what)
		what = dirty_differs(t, o);
	if (!what)
		what = moved_differs(t, x, o);
	for (unsigned i = 0; i < (t->second ? 2 : 1) && !what; i++)
		what = memory_differs(t, x, o, i);
	return what;
}
