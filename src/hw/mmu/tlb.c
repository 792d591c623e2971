/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tlb.c - tags and entries.
 *
 * Flushing a context is forgetting its tag: no entry is touched, and a tag is
 * not used again before all entries are cleared together.  Only addresses are
 * flushed entry by entry.
 */
#include "hw/mmu/tlb_priv.h"

#include "sync/atomic.h"

#include <string.h>

#define FIRST_TAG	1
#define LARGE		(TLB_2M | TLB_4M | TLB_1G)
#define SIZE_4M		(4ull << 20)

void tlb_init(struct tlb *t)
{
	t->nr_tags = FIRST_TAG;
	tlb_deselect(t);
}

void tlb_deselect(struct tlb *t)
{
	sync_word_store(&t->tag, TLB_NO_TAG);
	sync_word_store(&t->global_tag, TLB_NO_TAG);
	t->nested_tag = TLB_NO_TAG;
}

static void entries_clear(struct tlb_entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sync_word_store(&e[i].key, 0);
}

/* No tag is left: everything is forgotten, which is always allowed. */
static void tlb_recycle(struct tlb *t)
{
	entries_clear(t->data, TLB_DATA_ENTRIES);
	entries_clear(t->code, TLB_CODE_ENTRIES);
	entries_clear(t->nested, TLB_NESTED_ENTRIES);
	memset(t->buckets, 0, sizeof(t->buckets));
	memset(t->tags, 0, sizeof(t->tags));
	t->nr_tags = FIRST_TAG;
}

static uint16_t *bucket_of(struct tlb *t, uint32_t asid)
{
	return &t->buckets[asid % ARRAY_SIZE(t->buckets)];
}

/* Of the current roots. */
static uint64_t tag_of(struct tlb *t, enum tlb_kind kind, uint16_t pcid)
{
	uint16_t *head = bucket_of(t, t->asid), i;
	struct tlb_tag *g;

	for (i = *head; i; i = g->next) {
		g = &t->tags[i];
		if (g->asid == t->asid && g->root == t->root && g->pcid == pcid &&
		    g->kind == kind && g->shared_root == t->shared_root)
			return i;
	}
	i = t->nr_tags++;
	g = &t->tags[i];
	*g = (struct tlb_tag){ .root = t->root, .shared_root = t->shared_root, .asid = t->asid,
			       .pcid = pcid, .next = *head, .kind = (uint8_t)kind, .live = true };
	*head = i;
	return i;
}

void tlb_select(struct tlb *t, uint32_t asid, uint64_t root, uint64_t shared_root, uint16_t pcid)
{
	if (t->nr_tags + 3u >= TLB_NO_TAG)
		tlb_recycle(t);
	t->asid = asid;
	t->root = root;
	t->shared_root = shared_root;
	t->pcid = pcid;
	sync_word_store(&t->tag, tag_of(t, TLB_LINEAR, pcid));
	sync_word_store(&t->global_tag, tag_of(t, TLB_LINEAR_GLOBAL, 0));
	t->nested_tag = tag_of(t, TLB_NESTED, 0);
}

void tlb_describe(struct tlb *t, uint64_t nested_root, uint64_t cr3)
{
	t->tags[t->tag].nested_root = nested_root;
	t->tags[t->tag].cr3 = cr3;
	t->tags[t->global_tag].nested_root = nested_root;
	t->tags[t->global_tag].cr3 = cr3;
}

static struct tlb_entry *data_slot(struct tlb *t, uint64_t linear)
{
	return &t->data[linear >> PAGE_SHIFT & (TLB_DATA_ENTRIES - 1)];
}

static struct tlb_entry *code_slot(struct tlb *t, uint64_t linear)
{
	return &t->code[linear >> PAGE_SHIFT & (TLB_CODE_ENTRIES - 1)];
}

static struct tlb_entry *nested_slot(struct tlb *t, uint64_t gpa)
{
	return &t->nested[gpa >> PAGE_SHIFT & (TLB_NESTED_ENTRIES - 1)];
}

static void entry_put(struct tlb_entry *e, uint64_t key, uint64_t addend, uint64_t frame,
		      uint64_t guest)
{
	sync_word_store(&e->key, 0);
	sync_word_store(&e->addend, addend);
	sync_word_store(&e->frame, frame);	/* forget.c looks at it */
	e->guest = guest;
	sync_word_store(&e->key, key);
}

static uint64_t large_size(uint64_t kind)
{
	if (kind & TLB_1G)
		return PG_LEVEL_SIZE(PG_LEVEL_1G);
	if (kind & TLB_4M)
		return SIZE_4M;
	return kind & TLB_2M ? PG_LEVEL_SIZE(PG_LEVEL_2M) : PAGE_SIZE;
}

static void note_large(struct tlb_tag *g, uint64_t linear, uint64_t kind)
{
	uint64_t size = large_size(kind), start = ALIGN_DOWN(linear, size);

	if (!g->large || start < g->large_start)
		g->large_start = start;
	if (!g->large || start + size - 1 > g->large_end)
		g->large_end = start + size - 1;
	g->large |= (uint8_t)kind;
}

void tlb_fill(struct tlb *t, bool code, uint64_t linear, uint64_t host, uint64_t frame,
	      uint64_t guest)
{
	uint64_t page = linear & PAGE_MASK;
	uint64_t tag = guest & TLB_GLOBAL ? t->global_tag : t->tag;

	if (guest & LARGE)
		note_large(&t->tags[tag], linear, guest & LARGE);
	entry_put(code ? code_slot(t, linear) : data_slot(t, linear), page | tag, host - page,
		  frame | TLB_ENTRY, guest);
}

static bool is_current(const struct tlb *t, const struct tlb_entry *e, uint64_t linear)
{
	uint64_t page = linear & PAGE_MASK, key = sync_word_load(&e->key);

	return key == (page | t->tag) || key == (page | t->global_tag);
}

void tlb_forget(struct tlb *t, uint64_t linear)
{
	if (is_current(t, data_slot(t, linear), linear))
		sync_word_store(&data_slot(t, linear)->key, 0);
	if (is_current(t, code_slot(t, linear), linear))
		sync_word_store(&code_slot(t, linear)->key, 0);
}

const struct tlb_entry *tlb_peek_data(const struct tlb *t, uint64_t linear)
{
	const struct tlb_entry *e = &t->data[linear >> PAGE_SHIFT & (TLB_DATA_ENTRIES - 1)];

	return is_current(t, e, linear) ? e : NULL;
}

const struct tlb_entry *tlb_peek_code(const struct tlb *t, uint64_t linear)
{
	const struct tlb_entry *e = &t->code[linear >> PAGE_SHIFT & (TLB_CODE_ENTRIES - 1)];

	return is_current(t, e, linear) ? e : NULL;
}

const struct tlb_entry *tlb_nested(const struct tlb *t, uint64_t gpa)
{
	const struct tlb_entry *e = &t->nested[gpa >> PAGE_SHIFT & (TLB_NESTED_ENTRIES - 1)];

	return e->key == ((gpa & PAGE_MASK) | t->nested_tag) ? e : NULL;
}

void tlb_nested_fill(struct tlb *t, uint64_t gpa, uint64_t host, uint64_t frame,
		     enum pg_level level)
{
	uint64_t page = gpa & PAGE_MASK;

	entry_put(nested_slot(t, gpa), page | t->nested_tag, host - page, frame,
		  page | level);
}

void tlb_nested_forget(struct tlb *t, uint64_t gpa)
{
	if (tlb_nested(t, gpa))
		sync_word_store(&nested_slot(t, gpa)->key, 0);
}

static bool tag_matches(const struct tlb_tag *g, const struct tlb_flush *f)
{
	if (!f->any_asid && g->asid != f->asid)
		return false;
	/* What came through either pointer may be in it. */
	if (!f->any_root && g->root != f->root && g->shared_root != f->root)
		return false;
	switch (g->kind) {
	case TLB_LINEAR:
		return f->linear && (f->any_pcid || g->pcid == f->pcid);
	case TLB_LINEAR_GLOBAL:
		return f->global;
	default:
		return f->nested;
	}
}

static void flush_bucket(struct tlb *t, uint16_t *link, const struct tlb_flush *f)
{
	while (*link) {
		struct tlb_tag *g = &t->tags[*link];

		if (tag_matches(g, f)) {
			g->live = false;
			*link = g->next;
		} else {
			link = &g->next;
		}
	}
}

void tlb_flush(struct tlb *t, const struct tlb_flush *f)
{
	bool selected = t->tag != TLB_NO_TAG;
	struct tlb_tag *now = &t->tags[t->tag];
	uint64_t nested_root = now->nested_root, cr3 = now->cr3;

	if (f->any_asid)
		for (size_t i = 0; i < ARRAY_SIZE(t->buckets); i++)
			flush_bucket(t, &t->buckets[i], f);
	else
		flush_bucket(t, bucket_of(t, f->asid), f);
	if (!selected)
		return;
	tlb_select(t, t->asid, t->root, t->shared_root, t->pcid);
	tlb_describe(t, nested_root, cr3);
}

static void entry_flush(struct tlb *t, struct tlb_entry *e, const struct tlb_flush *f,
			uint64_t linear)
{
	uint64_t size = large_size(e->guest);
	struct tlb_tag *g = &t->tags[e->key & (TLB_NR_TAGS - 1)];

	if (e->key && !((e->key ^ linear) & ~(size - 1)) && g->live &&
	    tag_matches(g, f))
		sync_word_store(&e->key, 0);
}

/* The largest page by which a matching context may know @linear. */
static uint64_t largest_around(struct tlb *t, const struct tlb_flush *f, uint64_t linear)
{
	uint64_t kinds = 0;
	const struct tlb_tag *g;

	for (uint16_t i = *bucket_of(t, f->asid); i; i = g->next) {
		g = &t->tags[i];
		if (g->large && tag_matches(g, f) && linear >= g->large_start &&
		    linear <= g->large_end)
			kinds |= g->large;
	}
	return large_size(kinds);
}

void tlb_flush_address(struct tlb *t, const struct tlb_flush *f, uint64_t linear)
{
	uint64_t size = largest_around(t, f, linear), start = ALIGN_DOWN(linear, size);
	uint64_t pages = size / PAGE_SIZE;

	for (uint64_t i = 0; i < MIN(pages, (uint64_t)TLB_DATA_ENTRIES); i++)
		entry_flush(t, data_slot(t, start + i * PAGE_SIZE), f, linear);
	for (uint64_t i = 0; i < MIN(pages, (uint64_t)TLB_CODE_ENTRIES); i++)
		entry_flush(t, code_slot(t, start + i * PAGE_SIZE), f, linear);
}
