/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mapping.c - what the host has said of its own mappings: a word for each
 * 2 MiB, a bit for each page (docs/adr/0004).
 *
 *   63   17   16     15     4    3      2     1:0
 *  [  -      split    misses   fixed   zero  level]
 *
 * Level 0: nobody has asked since it last changed.  Misses are pages that were
 * asked for and not known to be writable: at each power of two of them it is
 * time to ask again, so 512 pages that the VMM supplies one by one cost ten
 * questions and not 512.
 *
 * Fixed: the host cannot map it by smaller pages (hugetlb).  Split: it was made to
 * (phys_split); whatever the host says afterwards it counts as 4K, until
 * no frame of it is left.
 *
 * FRAMES-G3: when frames_forget_mapping() has returned, nobody finds or learns
 *            what was true before; an answer under way fails by its ticket.
 * FRAMES-G4: a mapping is known as larger than 4K only while all of its frames
 *            exist.
 */
#include "base/bits.h"
#include "hw/mem/frames.h"
#include "os/pages.h"

#define ABOUT_LEVEL_HI	1
#define ABOUT_LEVEL_LO	0
#define ABOUT_ZERO	BIT(2)
#define ABOUT_FIXED	BIT(3)
#define ABOUT_MISSES_HI	15
#define ABOUT_MISSES_LO	4
#define ABOUT_SPLIT	BIT(16)

#define CHUNK_SIZE	(1ull << CHUNK_SHIFT)
#define CHUNK_WORDS	(CHUNK_SIZE / PAGE_SIZE / 64)

static uint64_t offset_in_region(uint64_t host)
{
	return host & (REGION_SIZE - 1);
}

static uint64_t *about(struct region *r, uint64_t host)
{
	return &r->about[offset_in_region(host) >> CHUNK_SHIFT];
}

static uint64_t *word_of(uint64_t *bits, uint64_t host)
{
	return &bits[offset_in_region(host) >> PAGE_SHIFT >> 6];
}

static uint64_t bit_of(uint64_t host)
{
	return 1ull << (host >> PAGE_SHIFT & 63);
}

static struct phys_mapping what_is_known(struct region *r, uint64_t host)
{
	uint64_t a = r ? sync_word_load(about(r, host)) : 0;

	return (struct phys_mapping){
		.level = FIELD_GET(ABOUT_LEVEL, a),
		.writable = FIELD_GET(ABOUT_LEVEL, a) &&
			    (sync_word_load(word_of(r->writable, host)) & bit_of(host)),
		.is_fixed = a & ABOUT_FIXED,
		.is_split = a & ABOUT_SPLIT,
	};
}

struct phys_mapping frames_peek_mapping(struct frames *f, const void *host)
{
	struct phys_mapping m;

	rcu_read_lock();
	m = what_is_known(frames_region_of_host(f, (uintptr_t)host), (uintptr_t)host);
	rcu_read_unlock();
	return m;
}

/* True when so many have missed that asking again is worth it. */
static bool count_miss(uint64_t *word)
{
	uint64_t a = sync_word_load(word), n;

	do {
		n = FIELD_GET(ABOUT_MISSES, a);
		if (!FIELD_GET(ABOUT_LEVEL, a) || n == 512)
			return false;
		n++;
	} while (!sync_word_cas(word, &a, (a & ~FIELD_MASK(ABOUT_MISSES)) |
					  FIELD_PUT(ABOUT_MISSES, n)));
	return !(n & (n - 1));
}

struct phys_mapping frames_mapping(struct frames *f, const void *host)
{
	uint64_t at = (uintptr_t)host;
	struct phys_mapping m;
	struct region *r;

	rcu_read_lock();
	r = frames_region_of_host(f, at);
	m = what_is_known(r, at);
	if (m.level && !m.writable && count_miss(about(r, at)))
		m.level = PG_LEVEL_NONE;
	rcu_read_unlock();
	return m;
}

/* A host mapping of @level around @host: its words of [@first, @first + @nr). */
static void learn_large(struct region *r, uint64_t host, uint8_t level, const uint64_t *writable)
{
	uint64_t from = offset_in_region(host & PG_LEVEL_MASK(level)) >> PAGE_SHIFT >> 6;
	uint64_t n = PG_LEVEL_PAGES(level) / 64;

	for (uint64_t i = 0; i < n; i++) {
		sync_word_or(&r->present[from + i], ~0ull);
		/* One mapping, so one right. */
		sync_word_or(&r->writable[from + i], writable[0]);
	}
}

/* The word after the host has said @p of its 2 MiB. */
static uint64_t about_after(uint64_t was, const struct os_pages *p)
{
	uint64_t kept = was & (FIELD_MASK(ABOUT_MISSES) | (p->is_fixed ? 0 : ABOUT_SPLIT));
	uint8_t level = kept & ABOUT_SPLIT ? PG_LEVEL_4K : p->level;

	return FIELD_PUT(ABOUT_LEVEL, level) | kept | (p->is_zero ? ABOUT_ZERO : 0) |
	       (p->is_fixed ? ABOUT_FIXED : 0);
}

static void learn(struct region *r, uint64_t host, const struct os_pages *p)
{
	uint64_t size = MAX(PG_LEVEL_SIZE(p->level), CHUNK_SIZE), start = host & ~(size - 1);

	if (p->level > PG_LEVEL_4K)
		learn_large(r, host, p->level, p->writable);
	else
		for (unsigned i = 0; i < CHUNK_WORDS; i++)
			sync_word_or(word_of(r->writable, start) + i, p->writable[i]);
	for (uint64_t at = start; at - start < size; at += CHUNK_SIZE)
		sync_word_store(about(r, at), about_after(sync_word_load(about(r, at)), p));
}

bool frames_learn(struct frames *f, const void *host, uint64_t ticket, struct os_pages *p)
{
	uint64_t at = (uintptr_t)host;
	struct region *r;
	bool ok;

	rcu_read_lock();
	spin_lock(&f->mapping_lock);
	r = frames_region_of_host(f, at);
	ok = r && atomic64_load(&f->mapping_changes) == ticket;
	if (ok) {
		learn(r, at, p);
		p->level = (uint8_t)FIELD_GET(ABOUT_LEVEL, sync_word_load(about(r, at)));
	}
	spin_unlock(&f->mapping_lock);
	rcu_read_unlock();
	return ok;
}

bool frames_split(struct frames *f, const void *host)
{
	uint64_t at = (uintptr_t)host, a;
	struct region *r;
	bool ok;

	rcu_read_lock();
	spin_lock(&f->mapping_lock);
	r = frames_region_of_host(f, at);
	a = r ? sync_word_load(about(r, at)) : 0;
	ok = FIELD_GET(ABOUT_LEVEL, a) == PG_LEVEL_2M && !(a & ABOUT_FIXED);
	if (ok)
		sync_word_store(about(r, at), (a & FIELD_MASK(ABOUT_MISSES)) | ABOUT_SPLIT |
					      FIELD_PUT(ABOUT_LEVEL, PG_LEVEL_4K));
	spin_unlock(&f->mapping_lock);
	rcu_read_unlock();
	return ok;
}

bool frames_state_mapping(struct frames *f, const void *host, size_t size, const struct os_pages *p)
{
	uint64_t step = MAX(PG_LEVEL_SIZE(p->level), CHUNK_SIZE);

	for (uint64_t at = (uintptr_t)host; at < (uintptr_t)host + size; at += step) {
		const void *here = (const void *)(uintptr_t)at;

		if (!hpa_is_valid(frames_publish(f, here)))
			return false;
		rcu_read_lock();
		spin_lock(&f->mapping_lock);
		sync_word_store(about(frames_region_of_host(f, at), at), 0);
		learn(frames_region_of_host(f, at), at, p);
		spin_unlock(&f->mapping_lock);
		rcu_read_unlock();
	}
	return true;
}

/* The write has changed more than a page's rights: the whole is to be asked about again. */
static bool write_changes_level(uint64_t a)
{
	return (a & ABOUT_ZERO) || FIELD_GET(ABOUT_LEVEL, a) > PG_LEVEL_4K;
}

void frames_wrote(struct frames *f, const void *host, uint64_t ticket)
{
	uint64_t at = (uintptr_t)host, a;
	struct region *r;

	rcu_read_lock();
	r = frames_region_of_host(f, at);
	if (!r || (sync_word_load(word_of(r->writable, at)) & bit_of(at)))
		goto out;
	a = sync_word_load(about(r, at));
	if (write_changes_level(a)) {
		frames_forget_mapping(f, (const void *)(uintptr_t)(at & ~(CHUNK_SIZE - 1)),
				      CHUNK_SIZE);
		goto out;
	}
	sync_word_or(word_of(r->writable, at), bit_of(at));
	/* Without the lock, for faults do not wait for one another; so look behind us. */
	if (unlikely(atomic64_load(&f->mapping_changes) != ticket))
		sync_word_and(word_of(r->writable, at), ~bit_of(at));
out:
	rcu_read_unlock();
}

bool region_has_near(const struct region *r, uint64_t offset)
{
	const uint64_t *present = &r->present[(offset >> CHUNK_SHIFT) * CHUNK_WORDS];

	for (unsigned i = 0; i < CHUNK_WORDS; i++)
		if (sync_word_load(&present[i]))
			return true;
	return false;
}

/* A mapping that was split stays so when its rights change; a new one has frames of its own. */
static uint64_t what_stays(const struct region *r, uint64_t host, uint64_t a)
{
	return (a & ABOUT_SPLIT) && region_has_near(r, offset_in_region(host)) ? ABOUT_SPLIT : 0;
}

static void forget_in(struct region *r, uint64_t start, uint64_t end)
{
	bool has_1g = false;

	for (uint64_t at = start & ~(CHUNK_SIZE - 1); at < end; at += CHUNK_SIZE) {
		uint64_t a = sync_word_load(about(r, at));

		has_1g |= FIELD_GET(ABOUT_LEVEL, a) == PG_LEVEL_1G;
		sync_word_store(about(r, at), what_stays(r, at, a));
	}
	/* A part of one mapping has changed, so all of it. */
	for (unsigned i = 0; has_1g && i < REGION_CHUNKS; i++)
		sync_word_store(&r->about[i], 0);
	for (uint64_t at = start; at < end; at = (at | (64 * PAGE_SIZE - 1)) + 1) {
		uint64_t first = at >> PAGE_SHIFT & 63;
		uint64_t n = MIN(64 - first, (end - at + PAGE_SIZE - 1) >> PAGE_SHIFT);

		sync_word_and(word_of(r->writable, at), ~((~0ull >> (64 - n)) << first));
	}
}

void frames_forget_mapping(struct frames *f, const void *host, size_t size)
{
	uint64_t start = (uintptr_t)host & PAGE_MASK, end = (uintptr_t)host + size;
	struct region *r;

	rcu_read_lock();
	/* Who learns has published first, so where there is no region nobody can. */
	for (uint64_t at = start; (r = frames_next_region(f, at, end)); at = r->host + REGION_SIZE) {
		if (r->bank)
			continue;
		spin_lock(&f->mapping_lock);
		atomic64_store(&f->mapping_changes, atomic64_load(&f->mapping_changes) + 1);
		forget_in(r, MAX(start, r->host), MIN(end, r->host + REGION_SIZE));
		spin_unlock(&f->mapping_lock);
	}
	rcu_read_unlock();
}

uint64_t frames_count(const struct frames *f, hpa_t a, uint64_t size)
{
	const struct region *r = frames_region(f, a);
	uint64_t n = 0;

	for (uint64_t at = 0; r && at < size; at += PAGE_SIZE)
		n += region_has(r, offset_in_region(a.v) + at);
	return n;
}
