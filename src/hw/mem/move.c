/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * move.c - one frame from a view to another (docs/design/encryption.md).
 *
 * Stores to the present view are stopped, its bytes turned into the other's,
 * put there read-only, the old ones dropped, and only then do stores go
 * through again: at each moment all that can be read is equal, and all that
 * can be written is one page.
 */
#include <string.h>

#include "hw/mem/view_priv.h"
#include "os/process.h"
#include "sync/wait.h"

#define SPINS	64

struct place {
	void		*at;
	enum veil_way	 way;
	bool		 is_open;	/* cannot be hidden */
};

uint32_t frame_lock(atomic32_t *word)
{
	for (unsigned i = 1;; i++) {
		uint32_t w = atomic32_load(word);

		if (!(w & OWNER_LOCK) && atomic32_cas(word, &w, w | OWNER_LOCK))
			return w;
		sync_relax();
		if (!(i % SPINS))
			os_yield();
	}
}

static struct scratch *scratch_get(struct views *v)
{
	for (unsigned i = sync_thread_number();; i++) {
		struct scratch *s = &v->scratch[i % SCRATCHES];
		uint32_t idle = 0;

		if (atomic32_cas(&s->busy, &idle, 1))
			return s;
		sync_relax();
		if (!(i % SPINS))
			os_yield();
	}
}

static void scratch_put(struct scratch *s)
{
	atomic32_store_release(&s->busy, 0);
}

static struct place place_of(const struct region *r, uint64_t page, uint32_t w,
			     const struct mem_key *k)
{
	const struct key_view *kv = k ? rcu_dereference(k->views[r->index]) : NULL;

	if (k)
		return (struct place){ (void *)(uintptr_t)(kv->host + page * PAGE_SIZE), kv->way };
	return (struct place){
		.at = (void *)(uintptr_t)(r->host + page * PAGE_SIZE),
		.way = w & OWNER_PROTECT ? VEIL_PROTECT : VEIL_FAULT,
		.is_open = w & OWNER_OPEN,
	};
}

/* Raw memory that nobody has hidden yet; what is found out goes into @w. */
static bool watch(struct views *v, struct place *p, size_t *size, uint32_t *w)
{
	enum veil_status s = veil_watch(v->veil, p->at, size, &p->way);

	if (s == VEIL_CANNOT) {
		p->is_open = true;
		*w |= OWNER_OPEN;
	} else if (s == VEIL_OK && p->way == VEIL_PROTECT) {
		*w |= OWNER_PROTECT;
	}
	return s != VEIL_FAILED;
}

/* Stops stores to a raw view.  *@size gets less where one mapping ends. */
static bool freeze(struct views *v, struct place *p, size_t *size, uint32_t *w, bool may_watch)
{
	if (p->is_open || veil_freeze(v->veil, p->at, *size, p->way))
		return true;
	/* Also when part of it has been mapped anew. */
	if (!may_watch || !watch(v, p, size, w))
		return false;
	return p->is_open || veil_freeze(v->veil, p->at, *size, p->way);
}

static void thaw(struct views *v, const struct place *p, size_t size)
{
	if (!p->is_open)
		veil_thaw(v->veil, p->at, size, p->way);
}

static void hide(struct views *v, const struct place *p, size_t size)
{
	if (!p->is_open)
		veil_hide(v->veil, p->at, size, p->way);
}

static enum veil_status fill(struct views *v, const struct place *p, const void *from, size_t size)
{
	enum veil_status status;
	size_t done;

	if (p->is_open)
		return veil_write(v->veil, p->at, from, size) ? VEIL_OK : VEIL_FAILED;
	status = veil_fill(v->veil, p->at, from, size, p->way, &done);
	if (status != VEIL_EXISTS)
		return status;
	/* Somebody has made the page by a way that is not ours, a write(2) to the file. */
	veil_hide(v->veil, p->at, size, p->way);
	return veil_fill(v->veil, p->at, from, size, p->way, &done);
}

static bool read_frozen(struct views *v, const struct place *p, void *to)
{
	if (veil_read(v->veil, to, p->at, PAGE_SIZE))
		return true;
	return !p->is_open && veil_zero(v->veil, p->at) &&
	       veil_freeze(v->veil, p->at, PAGE_SIZE, p->way) &&
	       veil_read(v->veil, to, p->at, PAGE_SIZE);
}

static void encrypt(struct views *v, struct mem_key *k, uint64_t frame, const uint8_t *from, uint8_t *to)
{
	key_encrypt(k, frame, from, to);
	counter_add(v->counters, COUNTER_ENCRYPTED_PAGES, 1);
}

static void decrypt(struct views *v, struct mem_key *k, uint64_t frame, const uint8_t *from, uint8_t *to)
{
	key_decrypt(k, frame, from, to);
	counter_add(v->counters, COUNTER_DECRYPTED_PAGES, 1);
}

static bool is_whole(const struct patch *p)
{
	return p->what != PATCH_NONE && !p->from && p->to == PAGE_SIZE;
}

/* What @from has in s->bytes becomes what @to is to have there. */
static void turn(struct views *v, uint64_t frame, struct mem_key *from, struct mem_key *to,
		 const struct patch *patch, struct scratch *s)
{
	bool as_it_is = is_whole(patch) && (patch->what == PATCH_ENCRYPT ? !from : from == patch->key);

	if (as_it_is)
		return;
	if (from)
		encrypt(v, from, frame, s->bytes, s->bytes);
	if (patch->what != PATCH_NONE)
		memcpy(s->raw, s->bytes, PAGE_SIZE);
	if (to)
		decrypt(v, to, frame, s->bytes, s->bytes);
	if (patch->what == PATCH_DECRYPT)
		decrypt(v, patch->key, frame, s->raw, s->raw);
	if (patch->what != PATCH_NONE)
		memcpy(s->bytes + patch->from, s->raw + patch->from, patch->to - patch->from);
}

static void change_owner(struct views *v, uint32_t *w, struct mem_key *from, struct mem_key *to)
{
	if (to)
		atomic32_add(&to->refs, 1);
	*w = (*w & ~OWNER_KEY) | (to ? to->index : 0);
	if (from)
		key_put(v, from, 1);
	if (!to)
		counter_add(v->counters, COUNTER_LOOKS, 1);
}

/* What cannot be hidden shows at least no plaintext that was given to a guest. */
static void leave_ciphertext(struct views *v, uint64_t frame, struct mem_key *k,
			     const struct place *open, const struct place *plain)
{
	struct scratch *s = scratch_get(v);

	if (veil_read(v->veil, s->bytes, plain->at, PAGE_SIZE)) {
		encrypt(v, k, frame, s->bytes, s->bytes);
		(void)!veil_write(v->veil, open->at, s->bytes, PAGE_SIZE);
	}
	scratch_put(s);
}

bool frame_move(struct views *v, struct region *r, uint64_t page, uint32_t *w, struct mem_key *to,
		struct patch patch, bool may_watch)
{
	uint64_t frame = (r->index << (REGION_SHIFT - PAGE_SHIFT)) + page;
	struct mem_key *from = frame_key(v, *w);
	struct place a = place_of(r, page, *w, from), b = place_of(r, page, *w, to);
	struct scratch *s;
	size_t size = PAGE_SIZE;
	bool ok;

	if (!freeze(v, &a, &size, w, may_watch && !from))
		return false;
	s = scratch_get(v);
	ok = read_frozen(v, &a, s->bytes);
	if (ok) {
		enum veil_status status;

		turn(v, frame, from, to, &patch, s);
		if (!to)
			atomic64_store(&r->view->left[page], from && patch.what == PATCH_NONE
				       ? view_left(from, s->bytes) : 0);
		status = fill(v, &b, s->bytes, PAGE_SIZE);
		/* Mapped anew, and nobody has told us: what is there now is the raw view. */
		ok = status == VEIL_OK || (!to && status == VEIL_GONE);
	}
	scratch_put(s);
	if (!ok) {
		thaw(v, &a, PAGE_SIZE);
		return false;
	}
	if (a.is_open && patch.what == PATCH_ENCRYPT)
		leave_ciphertext(v, frame, to, &a, &b);
	hide(v, &a, PAGE_SIZE);
	if (to || !frame_is_denied(v->frames, r, page, *w))
		thaw(v, &b, PAGE_SIZE);
	change_owner(v, w, from, to);
	return true;
}

/* The kernel copies; pages that were never touched are made on the way. */
static bool fill_many(struct views *v, const struct place *a, const struct place *b, size_t size)
{
	size_t at = 0, done;

	while (at < size) {
		enum veil_status s = veil_fill(v->veil, (char *)b->at + at, (char *)a->at + at,
					       size - at, b->way, &done);

		at += done;
		if (s == VEIL_OK)
			continue;
		if (s != VEIL_UNREADABLE || !veil_zero(v->veil, (char *)a->at + at) ||
		    !veil_freeze(v->veil, (char *)a->at + at, PAGE_SIZE, a->way))
			return false;
	}
	return true;
}

/* How many bytes went, page by page as they are; shared memory cannot go this way. */
static size_t move_pages(struct views *v, struct place *a, const struct place *b, size_t size,
			 uint32_t *w)
{
	if (a->is_open || a->way != VEIL_FAULT || b->way != VEIL_FAULT ||
	    veil_has_aliases(v->veil, a->at, 1))
		return 0;
	/* What goes must trap where it was. */
	if (!veil_is_watched(v->veil, a->at, size) &&
	    (!watch(v, a, &size, w) || a->is_open || a->way != VEIL_FAULT ||
	     !veil_is_watched(v->veil, a->at, size)))
		return 0;
	return veil_move(v->veil, b->at, a->at, size);
}

static bool copy_pages(struct views *v, struct place *a, const struct place *b, size_t size,
		       uint32_t *w)
{
	size_t got = size;

	if (!freeze(v, a, &got, w, true))
		return false;
	if (a->is_open || got < size || !fill_many(v, a, b, size)) {
		veil_hide(v->veil, b->at, size, b->way);
		thaw(v, a, got);
		return false;
	}
	hide(v, a, size);
	thaw(v, b, size);
	return true;
}

unsigned frames_encrypt(struct views *v, struct region *r, uint64_t page, unsigned n, uint32_t *w,
			struct mem_key *to)
{
	struct place a = place_of(r, page, *w, NULL), b = place_of(r, page, *w, to);
	size_t size = (size_t)n * PAGE_SIZE, got = move_pages(v, &a, &b, size, w);

	if (!got && copy_pages(v, &a, &b, size, w))
		got = size;
	if (!got)
		return 0;
	atomic32_add(&to->refs, (uint32_t)(got / PAGE_SIZE));
	*w |= to->index;
	return (unsigned)(got / PAGE_SIZE);
}

bool frame_read(struct views *v, struct region *r, uint64_t page, uint32_t w, unsigned offset,
		void *to, size_t size)
{
	struct place p = place_of(r, page, w, frame_key(v, w));

	if (veil_read(v->veil, to, (char *)p.at + offset, size))
		return true;
	return veil_zero(v->veil, p.at) && veil_read(v->veil, to, (char *)p.at + offset, size);
}

bool frame_close(struct views *v, struct region *r, uint64_t page, uint32_t *w)
{
	struct place p = place_of(r, page, *w, NULL);
	size_t size = PAGE_SIZE;

	return freeze(v, &p, &size, w, true) && !p.is_open;
}

void frame_reopen(struct views *v, struct region *r, uint64_t page, uint32_t w)
{
	struct place p = place_of(r, page, w, NULL);

	thaw(v, &p, PAGE_SIZE);
}

/* The machine's own store to what the program's stores do not reach. */
static bool write_closed(struct views *v, const struct place *p, unsigned offset, const void *from,
			 size_t size)
{
	bool ok;

	thaw(v, p, PAGE_SIZE);
	ok = veil_write(v->veil, (char *)p->at + offset, from, size);
	return (p->is_open || veil_freeze(v->veil, p->at, PAGE_SIZE, p->way)) && ok;
}

bool frame_write(struct views *v, struct region *r, uint64_t page, uint32_t w, unsigned offset,
		 const void *from, size_t size)
{
	struct place p = place_of(r, page, w, frame_key(v, w));

	if (!frame_key(v, w) && frame_is_denied(v->frames, r, page, w))
		return write_closed(v, &p, offset, from, size);
	if (veil_write(v->veil, (char *)p.at + offset, from, size))
		return true;
	return veil_zero(v->veil, p.at) && veil_write(v->veil, (char *)p.at + offset, from, size);
}

bool frame_mend(struct views *v, struct region *r, uint64_t page, uint32_t w, bool write)
{
	struct place p = place_of(r, page, w, frame_key(v, w));

	if (veil_is_open(v->veil, p.at, write))
		return true;
	/* A second mapping may have kept its protection. */
	if (p.is_open || p.way != VEIL_FAULT)
		return false;
	veil_thaw(v->veil, p.at, PAGE_SIZE, p.way);
	return veil_is_open(v->veil, p.at, write);
}
