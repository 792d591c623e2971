/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/host_access/accessors.h"

#include <errno.h>
#include <string.h>

#include "kvm/vcpu/vcpu.h"

#define FRONT		8u	/* bytes, where there are so many */
#define TOP_PAGE	(~0ull << PAGE_SHIFT)

static enum result of(int r)
{
	return !r ? RESULT_OK : r == -EFAULT ? RESULT_EFAULT : r == -EINVAL ? RESULT_EINVAL
								     : RESULT_OTHER;
}

static gfn_t gfn_of(const struct access *a)
{
	return a->w->side[0].gfn;
}

static gpa_t gpa_of(const struct access *a, size_t offset)
{
	return GPA(gfn_to_gpa(gfn_of(a)).v + offset);
}

static struct kvm_vcpu *vcpu_of(const struct access *a)
{
	return &a->w->v->base;
}

/* ---- by address ---- */

static enum result run_read(struct access *a)
{
	return of(kvm_read_guest(a->w->kvm, gpa_of(a, a->offset), a->data, a->len));
}

static enum result run_read_page(struct access *a)
{
	return of(kvm_read_guest_page(a->w->kvm, gfn_of(a), a->data, a->offset, a->len));
}

static enum result run_write(struct access *a)
{
	return of(kvm_write_guest(a->w->kvm, gpa_of(a, a->offset), a->data, a->len));
}

static enum result run_write_page(struct access *a)
{
	return of(kvm_write_guest_page(a->w->kvm, gfn_of(a), a->data, a->offset, a->len));
}

static enum result run_clear(struct access *a)
{
	return of(kvm_clear_guest(a->w->kvm, gpa_of(a, a->offset), a->len));
}

static enum result run_read_len0(struct access *a)
{
	return of(kvm_read_guest(a->w->kvm, gpa_of(a, a->offset), a->data, 0));
}

static enum result run_write_len0(struct access *a)
{
	return of(kvm_write_guest(a->w->kvm, gpa_of(a, a->offset), a->data, 0));
}

static enum result run_clear_len0(struct access *a)
{
	return of(kvm_clear_guest(a->w->kvm, gpa_of(a, a->offset), 0));
}

static enum result run_read_page_len0(struct access *a)
{
	return of(kvm_read_guest_page(a->w->kvm, gfn_of(a), a->data, a->offset, 0));
}

static enum result run_write_page_len0(struct access *a)
{
	return of(kvm_write_guest_page(a->w->kvm, gfn_of(a), a->data, a->offset, 0));
}

static enum result run_read_page_over(struct access *a)
{
	return of(kvm_read_guest_page(a->w->kvm, gfn_of(a), a->data, PAGE_SIZE - 7, 8));
}

static enum result run_write_page_over(struct access *a)
{
	return of(kvm_write_guest_page(a->w->kvm, gfn_of(a), a->data, PAGE_SIZE - 7, 8));
}

/* ---- by a kept translation ---- */

static enum result run_cache_init(struct access *a)
{
	struct gfn_to_hva_cache c = { 0 };

	return of(kvm_gfn_to_hva_cache_init(a->w->kvm, &c, gpa_of(a, a->offset), a->len));
}

static enum result run_cache_init_wrap(struct access *a)
{
	struct gfn_to_hva_cache c = { 0 };

	return of(kvm_gfn_to_hva_cache_init(a->w->kvm, &c, GPA(TOP_PAGE + 16), PAGE_SIZE));
}

static enum result run_cache_init_len0(struct access *a)
{
	struct gfn_to_hva_cache c = { 0 };

	return of(kvm_gfn_to_hva_cache_init(a->w->kvm, &c, gpa_of(a, 0), 0));
}

/* A cache may change by its use: the one made before is for the next one, too. */
static enum result run_read_cached(struct access *a)
{
	struct gfn_to_hva_cache c = a->held->whole;

	return of(kvm_read_guest_cached(a->w->kvm, &c, a->data, a->len));
}

static enum result run_write_cached(struct access *a)
{
	struct gfn_to_hva_cache c = a->held->whole;

	return of(kvm_write_guest_cached(a->w->kvm, &c, a->data, a->len));
}

static size_t front_of(const struct access *a)
{
	return a->offset < FRONT ? a->offset : FRONT;
}

static enum result run_write_offset_cached(struct access *a)
{
	struct gfn_to_hva_cache c = a->held->with_front;

	return of(kvm_write_guest_offset_cached(a->w->kvm, &c, a->data, front_of(a), a->len));
}

static enum result run_read_cached_beyond(struct access *a)
{
	struct gfn_to_hva_cache c = a->held->whole;

	return of(kvm_read_guest_cached(a->w->kvm, &c, a->data, a->len + 1));
}

static enum result run_write_cached_beyond(struct access *a)
{
	struct gfn_to_hva_cache c = a->held->whole;

	return of(kvm_write_guest_offset_cached(a->w->kvm, &c, a->data, 1, a->len));
}

static enum result run_read_cached_after_failed(struct access *a)
{
	struct gfn_to_hva_cache c = a->held->failed;

	return of(kvm_read_guest_cached(a->w->kvm, &c, a->data, a->len));
}

static enum result run_write_cached_after_failed(struct access *a)
{
	struct gfn_to_hva_cache c = a->held->failed;

	return of(kvm_write_guest_cached(a->w->kvm, &c, a->data, a->len));
}

/* ---- exchanges ---- */

static enum result exchange(struct access *a, uint8_t differs, unsigned size)
{
	uint8_t old[16];
	int r;

	memcpy(old, a->there, sizeof(a->there));
	old[0] ^= differs;
	r = kvm_cmpxchg_guest(a->w->kvm, gpa_of(a, a->at), old, a->data, size);
	memcpy(a->there, old, sizeof(a->there));
	return r == KVM_CMPXCHG_DONE ? RESULT_OK : r == KVM_CMPXCHG_LOST ? RESULT_DIFFERS :
	       r == KVM_CMPXCHG_PLAIN_WRITE ? RESULT_PLAIN_WRITE : of(r);
}

static enum result run_cmpxchg(struct access *a)
{
	return exchange(a, 0, a->size);
}

static enum result run_cmpxchg_differs(struct access *a)
{
	return exchange(a, 0x80, a->size);
}

static enum result run_cmpxchg_odd(struct access *a)
{
	return exchange(a, 0, a->size == 8 ? 16 : 3);
}

/* ---- maps ---- */

static enum result shown(struct access *a, int r, struct kvm_guest_map *map)
{
	if (r)
		return of(r);
	r = kvm_map_read(map, 0, a->data, PAGE_SIZE);
	kvm_vcpu_unmap(vcpu_of(a), map, false);
	return r ? RESULT_OTHER : RESULT_OK;
}

static enum result run_map_read(struct access *a)
{
	struct kvm_guest_map map = { 0 };

	return shown(a, kvm_vcpu_map_readonly(vcpu_of(a), gfn_of(a), &map), &map);
}

static enum result run_map_write(struct access *a)
{
	struct kvm_guest_map map = { 0 };

	return shown(a, kvm_vcpu_map(vcpu_of(a), gfn_of(a), &map), &map);
}

static enum result run_unmap_clean(struct access *a)
{
	kvm_vcpu_unmap(vcpu_of(a), &a->held->clean, false);
	return RESULT_VOID;
}

static enum result run_unmap_dirty(struct access *a)
{
	kvm_vcpu_unmap(vcpu_of(a), &a->held->dirty, true);
	return RESULT_VOID;
}

/* ---- pfn caches ---- */

static enum result run_gpc_activate(struct access *a)
{
	struct gfn_to_pfn_cache gpc;
	enum result r;

	ENSURE(!kvm_gpc_init(&gpc, a->w->kvm));
	r = of(kvm_gpc_activate(&gpc, gpa_of(a, a->offset), a->len));
	if (r == RESULT_OK) {
		read_lock(&gpc.lock);
		if (kvm_gpc_read(&gpc, 0, a->data, a->len))
			r = RESULT_OTHER;
		read_unlock(&gpc.lock);
	}
	kvm_gpc_deactivate(&gpc);
	kvm_gpc_fini(&gpc);
	return r;
}

static enum result run_gpc_check(struct access *a)
{
	struct gfn_to_pfn_cache *gpc = &a->held->check;
	bool r;

	read_lock(&gpc->lock);
	r = kvm_gpc_check(gpc, a->len);
	read_unlock(&gpc->lock);
	return r ? RESULT_TRUE : RESULT_FALSE;
}

static enum result run_gpc_refresh(struct access *a)
{
	struct gfn_to_pfn_cache *gpc = &a->held->refresh;
	enum result r = of(kvm_gpc_refresh(gpc, a->len));

	if (r == RESULT_OK) {
		read_lock(&gpc->lock);
		if (kvm_gpc_read(gpc, 0, a->data, a->len))
			r = RESULT_OTHER;
		read_unlock(&gpc->lock);
	}
	return r;
}

static enum result run_gpc_deactivate(struct access *a)
{
	kvm_gpc_deactivate(&a->held->deactivate);
	return RESULT_VOID;
}

const struct accessor accessors[] = {
	{ "read", TOUCHES_READS, false, run_read },
	{ "read-page", TOUCHES_READS, false, run_read_page },
	{ "write", TOUCHES_WRITES, false, run_write },
	{ "write-page", TOUCHES_WRITES, false, run_write_page },
	{ "clear", TOUCHES_CLEARS, false, run_clear },
	{ "cache-init", TOUCHES_NOTHING, false, run_cache_init },
	{ "read-cached", TOUCHES_READS, false, run_read_cached },
	{ "write-cached", TOUCHES_WRITES, false, run_write_cached },
	{ "write-offset-cached", TOUCHES_WRITES, false, run_write_offset_cached },
	{ "cmpxchg", TOUCHES_EXCHANGES, false, run_cmpxchg },
	{ "cmpxchg-differs", TOUCHES_EXCHANGES, false, run_cmpxchg_differs },
	{ "map-read", TOUCHES_MAPS, true, run_map_read },
	{ "map-write", TOUCHES_MAPS, true, run_map_write },
	{ "unmap-clean", TOUCHES_NOTHING, true, run_unmap_clean },
	{ "unmap-dirty", TOUCHES_NOTHING, true, run_unmap_dirty },
	{ "gpc-activate", TOUCHES_READS, false, run_gpc_activate },
	{ "gpc-check", TOUCHES_NOTHING, false, run_gpc_check },
	{ "gpc-refresh", TOUCHES_READS, false, run_gpc_refresh },
	{ "gpc-deactivate", TOUCHES_NOTHING, true, run_gpc_deactivate },
	{ "read:len0", TOUCHES_NOTHING, true, run_read_len0 },
	{ "write:len0", TOUCHES_NOTHING, true, run_write_len0 },
	{ "clear:len0", TOUCHES_NOTHING, true, run_clear_len0 },
	{ "read-page:len0", TOUCHES_NOTHING, true, run_read_page_len0 },
	{ "write-page:len0", TOUCHES_NOTHING, true, run_write_page_len0 },
	{ "read-page:over", TOUCHES_NOTHING, true, run_read_page_over },
	{ "write-page:over", TOUCHES_NOTHING, true, run_write_page_over },
	{ "cache-init:wrap", TOUCHES_NOTHING, true, run_cache_init_wrap },
	{ "cache-init:len0", TOUCHES_NOTHING, true, run_cache_init_len0 },
	{ "read-cached:beyond", TOUCHES_NOTHING, true, run_read_cached_beyond },
	{ "write-offset-cached:beyond", TOUCHES_NOTHING, true, run_write_cached_beyond },
	{ "read-cached:after-failed", TOUCHES_NOTHING, true, run_read_cached_after_failed },
	{ "write-cached:after-failed", TOUCHES_NOTHING, true, run_write_cached_after_failed },
	{ "cmpxchg:odd", TOUCHES_NOTHING, true, run_cmpxchg_odd },
};
const size_t nr_accessors = ARRAY_SIZE(accessors);

static void activate(struct gfn_to_pfn_cache *gpc, struct access *a)
{
	size_t room = PAGE_SIZE - a->offset;

	ENSURE(!kvm_gpc_init(gpc, a->w->kvm));
	ENSURE(!kvm_gpc_activate(gpc, gpa_of(a, a->offset), MIN(a->len, room)));
}

void held_make(struct held *h, struct access *a)
{
	size_t front = front_of(a);

	*h = (struct held){ 0 };
	ENSURE(!kvm_gfn_to_hva_cache_init(a->w->kvm, &h->whole, gpa_of(a, a->offset), a->len));
	ENSURE(!kvm_gfn_to_hva_cache_init(a->w->kvm, &h->with_front, gpa_of(a, a->offset - front),
					  a->len + front));
	ENSURE(kvm_gfn_to_hva_cache_init(a->w->kvm, &h->failed, GPA(TOP_PAGE), PAGE_SIZE + 1));
	ENSURE(!kvm_vcpu_map(vcpu_of(a), gfn_of(a), &h->clean));
	ENSURE(!kvm_vcpu_map(vcpu_of(a), gfn_of(a), &h->dirty));
	activate(&h->check, a);
	activate(&h->refresh, a);
	activate(&h->deactivate, a);
}

static void end(struct gfn_to_pfn_cache *gpc)
{
	kvm_gpc_deactivate(gpc);
	kvm_gpc_fini(gpc);
}

void held_end(struct held *h, struct access *a)
{
	kvm_vcpu_unmap(vcpu_of(a), &h->clean, false);
	kvm_vcpu_unmap(vcpu_of(a), &h->dirty, false);
	end(&h->check);
	end(&h->refresh);
	end(&h->deactivate);
}
