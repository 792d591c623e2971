/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * view_crypt.c - the secure processor encrypts and decrypts in place: the raw
 * bytes become a key's plaintext, or the other way.
 *
 * Up to 2 MiB at a time with all their frames locked, so that none goes or is
 * looked at before it is certain that all of them can be done.
 */
#include "base/bits.h"
#include "hw/mem/machine.h"
#include "hw/mem/view_priv.h"

#define WINDOW		(1ul << CHUNK_SHIFT)
#define WINDOW_FRAMES	(WINDOW / PAGE_SIZE)

struct job {
	struct mem_key	*key;
	bool		 encrypt;
	view_see	*see;		/* NULL: nobody is shown the plaintext */
	void		*arg;
};

/* Frames of one window, locked, and their words. */
struct held {
	struct region	*r;
	uint64_t	 first;
	unsigned	 nr;
	unsigned	 from, to;	/* bytes of them that it is about */
	uint32_t	 w[WINDOW_FRAMES];
};

static void release(const struct held *h)
{
	for (unsigned i = 0; i < h->nr; i++)
		frame_unlock(owner_word(h->r, h->first + i), h->w[i]);
}

/* The frames of [@a, @a + @len), in one window.  False: one is not there, none is locked. */
static bool hold(struct views *v, hpa_t a, size_t len, struct mem_key *k, struct held *h)
{
	const unsigned offset = a.v & (PAGE_SIZE - 1);
	const unsigned nr = (unsigned)((offset + len + PAGE_SIZE - 1) / PAGE_SIZE);

	h->r = frames_region(v->frames, a);
	h->first = page_in_region(a.v);
	h->from = offset;
	h->to = offset + (unsigned)len;
	if (!h->r || !view_prepare(v, h->r, k))
		return false;
	sync_word_store(&rcu_dereference(k->views[h->r->index])->raw, h->r->host);
	for (h->nr = 0; h->nr < nr;) {
		uint64_t page = h->first + h->nr;

		h->w[h->nr++] = frame_lock(owner_word(h->r, page));
		if (!region_has(h->r, page << PAGE_SHIFT)) {
			release(h);
			return false;
		}
	}
	return true;
}

/* How many frames from the @i-th on are raw, alike, and to be done whole. */
static unsigned alike(const struct held *h, unsigned i)
{
	unsigned n = 0;

	if (i * PAGE_SIZE < h->from || (h->w[i] & OWNER_KEY))
		return 0;
	while (i + n < h->nr && h->w[i + n] == h->w[i] && (i + n + 1) * PAGE_SIZE <= h->to)
		n++;
	return n;
}

static bool crypt_one(struct views *v, struct held *h, unsigned i, struct mem_key *k, bool encrypt)
{
	const unsigned start = i * (unsigned)PAGE_SIZE;
	const struct patch patch = {
		encrypt ? PATCH_ENCRYPT : PATCH_DECRYPT, k,
		MAX(h->from, start) - start, MIN(h->to - start, (unsigned)PAGE_SIZE),
	};
	/* The side that the bytes are taken from. */
	struct mem_key *from = encrypt ? NULL : k;

	if ((h->w[i] & OWNER_KEY) != (from ? from->index : 0) &&
	    !frame_move(v, h->r, h->first + i, &h->w[i], from, no_patch(), true))
		return false;
	return frame_move(v, h->r, h->first + i, &h->w[i], encrypt ? k : NULL, patch, true);
}

/* From the @i-th frame on; how many are done, 0: it cannot be done. */
static unsigned crypt_some(struct views *v, struct held *h, unsigned i, const struct job *j)
{
	unsigned n = j->encrypt ? alike(h, i) : 0, done = 0;
	uint32_t w = h->w[i];

	if (n)
		done = frames_encrypt(v, h->r, h->first + i, n, &w, j->key);
	for (n = 0; n < done; n++)
		h->w[i + n] = w;
	return done ? done : crypt_one(v, h, i, j->key, j->encrypt);
}

/* Frames [@i, @i + @n) are the key's. */
static void show(const struct held *h, unsigned i, unsigned n, const struct job *j)
{
	const struct key_view *kv = rcu_dereference(j->key->views[h->r->index]);
	const unsigned from = MAX(h->from, i * (unsigned)PAGE_SIZE);
	const unsigned to = MIN(h->to, (i + n) * (unsigned)PAGE_SIZE);

	j->see(j->arg, (const uint8_t *)(uintptr_t)kv->host + h->first * PAGE_SIZE + from, to - from);
}

/* All of it or nothing. */
static bool crypt_held(struct views *v, struct held *h, const struct job *j)
{
	unsigned i, n;

	for (i = 0; i < h->nr; i += n) {
		n = crypt_some(v, h, i, j);
		if (!n)
			break;
		if (j->see)
			show(h, i, n, j);
	}
	if (i == h->nr)
		return true;
	while (i--)
		(void)!crypt_one(v, h, i, j->key, !j->encrypt);
	return false;
}

static bool crypt_window(struct views *v, hpa_t a, size_t len, const struct job *j)
{
	struct held h;
	uint64_t mask;
	bool ok;

	veil_enter(&mask);
	ok = hold(v, a, len, j->key, &h);
	if (ok) {
		ok = crypt_held(v, &h, j);
		release(&h);
	}
	veil_leave(&mask);
	return ok;
}

/* What is still as @j has left it becomes what it was. */
static void undo(struct views *v, hpa_t a, size_t len, const struct job *j)
{
	size_t n;

	for (size_t done = 0; done < len; done += n) {
		struct held h;
		uint64_t mask;

		n = MIN(len - done, PAGE_SIZE - (a.v + done) % PAGE_SIZE);
		veil_enter(&mask);
		if (hold(v, HPA(a.v + done), n, j->key, &h)) {
			if ((h.w[0] & OWNER_KEY) == (j->encrypt ? j->key->index : 0))
				(void)!crypt_one(v, &h, 0, j->key, !j->encrypt);
			release(&h);
		}
		veil_leave(&mask);
	}
}

static bool crypt(struct hw *hw, hpa_t a, size_t len, keyslot_t slot, struct job *j)
{
	struct views *v = views_of(&hw->frames);
	size_t done, n;

	if (!v || len % 16 || a.v % 16)
		return false;
	j->key = key_get(v, slot);
	if (!j->key)
		return false;
	for (done = 0; done < len; done += n) {
		n = MIN(len - done, WINDOW - (a.v + done) % WINDOW);
		if (!crypt_window(v, HPA(a.v + done), n, j))
			break;
	}
	if (done < len)
		undo(v, a, done, j);
	key_put(v, j->key, 1);
	return done == len;
}

bool view_encrypt(struct hw *hw, hpa_t a, size_t len, keyslot_t slot)
{
	return crypt(hw, a, len, slot, &(struct job){ .encrypt = true });
}

bool view_encrypt_seen(struct hw *hw, hpa_t a, size_t len, keyslot_t slot, view_see *see, void *arg)
{
	return crypt(hw, a, len, slot, &(struct job){ .encrypt = true, .see = see, .arg = arg });
}

bool view_decrypt(struct hw *hw, hpa_t a, size_t len, keyslot_t slot)
{
	return crypt(hw, a, len, slot, &(struct job){ .encrypt = false });
}
