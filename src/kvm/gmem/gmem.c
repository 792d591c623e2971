/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A file and the slots bound to it.  Bindings change under slots_lock and the
 * exclusive side of the file's invalidate lock; slot->gmem.file is read by
 * faults under SRCU alone, so a file ends only after those readers have left.
 */
#include "kvm/gmem/gmem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/log.h"
#include "hw/insn/phys.h"
#include "hw/insn/view.h"
#include "kvm/core/attr.h"
#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/gmem/gmem_priv.h"
#include "kvm/mmu/mmu.h"
#include "os/file.h"
#include "os/maps.h"
#include "os/memory.h"

#define FALLOC_FL_KEEP_SIZE	1
#define FALLOC_FL_PUNCH_HOLE	2

int kvm_gmem_valid_flags(const struct kvm_module *module, const struct kvm *kvm)
{
	int shared = kvm && kvm->has_private_mem ? 0 : GUEST_MEMFD_FLAG_INIT_SHARED;

	return module->abi < KERNEL_ABI_6_18 ? 0 : GUEST_MEMFD_FLAG_MMAP | shared;
}

/* What /proc/self/maps calls it where it is mapped. */
static void know_descriptor(struct gmem_file *file)
{
	struct stat st;

	if (os_fstat(file->fd, &st))
		return;
	file->dev = st.st_dev;
	file->fd_ino = st.st_ino;
}

/* Those that can be mapped have their descriptor from the first: the bytes may be in it. */
static int make_store(struct gmem_file *file)
{
	bool is_shared = file->flags & GUEST_MEMFD_FLAG_INIT_SHARED;
	struct kvm *kvm = file->kvm;
	bool huge = !kvm->ops->has_mirror && kvm->module->params.gmem_order >= GMEM_ORDER_2M;
	int r;

	file->fd = -1;
	if (gmem_wants_in_place(kvm, file->flags))
		return gmem_make_in_place(file);
	if (file->flags & GUEST_MEMFD_FLAG_MMAP) {
		file->fd = os_shared_memfd(KVM_GMEM_FD_NAME, is_shared ? file->size : 0, false);
		if (file->fd < 0)
			return file->fd;
		know_descriptor(file);
	}
	if (file->fd >= 0 && is_shared)
		r = gmem_store_init_shared(&file->store, kvm->module->hw, file->size, file->fd);
	else	/* Nobody knows yet how a mirror's huge entry would be split. */
		r = gmem_store_init(&file->store, kvm->module->hw, file->size, huge);
	if (r && file->fd >= 0)
		os_close(file->fd);
	return r;
}

int kvm_gmem_take_fd(struct gmem_file *file)
{
	int fd = file->fd;

	file->fd = -1;
	return fd >= 0 ? fd : os_object_fd(KVM_GMEM_FD_NAME, false);
}

int kvm_gmem_create(struct kvm *kvm, const struct kvm_create_guest_memfd *args,
		    struct gmem_file **out)
{
	struct gmem_file *file;
	int r;

	if (args->flags & ~(uint64_t)kvm_gmem_valid_flags(kvm->module, kvm))
		return -EINVAL;
	if ((int64_t)args->size <= 0 || !IS_ALIGNED(args->size, PAGE_SIZE))
		return -EINVAL;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->size = args->size;
	file->flags = args->flags;
	file->ino = atomic64_add(&kvm->module->next_ino, 1) + 1;
	range_tree_init(&file->bindings);
	r = rwlock_init(&file->invalidate_lock, "gmem->invalidate_lock", RANK_GMEM);
	if (r)
		goto out_free;
	file->kvm = kvm;
	r = make_store(file);
	if (r)
		goto out_lock;
	for (unsigned i = 0; i < GMEM_NR_PREPARE_LOCKS; i++)
		mutex_init(&file->prepare_lock[i], "gmem->prepare_lock", RANK_GMEM_PREPARE);
	kvm_get(kvm);
	*out = file;
	return 0;

out_lock:
	rwlock_fini(&file->invalidate_lock);
out_free:
	free(file);
	return r;
}

/* ---- invalidation: what takes pages away, [start, end) in pages ---- */

/* Which half of guest memory has this file's pages. */
static unsigned filter_of(const struct gmem_file *file)
{
	if (file->gate)
		return KVM_FILTER_SHARED | KVM_FILTER_PRIVATE;
	return file->flags & GUEST_MEMFD_FLAG_INIT_SHARED ? KVM_FILTER_SHARED
							   : KVM_FILTER_PRIVATE;
}

/* invalidate_lock write, so that begin and end see the same bindings. */
static void invalidate_begin(struct gmem_file *file, uint64_t start, uint64_t end)
{
	struct kvm *kvm = file->kvm;
	struct range_node *n = range_tree_first(&file->bindings, start, end);
	bool flush = false;

	if (!n)
		return;
	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_begin(kvm);
	for (; n; n = range_tree_next(n, start, end)) {
		struct kvm_memory_slot *slot = gmem_slot_of(n);
		uint64_t base = slot->base_gfn.v - slot->gmem.pgoff;
		gfn_t from = GFN(base + MAX(start, n->start));
		gfn_t to = GFN(base + MIN(end, n->end));

		kvm_mmu_invalidate_range_add(kvm, from, to);
		flush = kvm_mmu_unmap_range(kvm, slot, from, to, filter_of(file), flush);
	}
	if (flush)
		kvm_flush_remote_tlbs(kvm);
	write_unlock(&kvm->mmu_lock);
	SYNC_POINT(gmem_after_begin);
}

static void invalidate_end(struct gmem_file *file, uint64_t start, uint64_t end)
{
	struct kvm *kvm = file->kvm;

	if (!range_tree_first(&file->bindings, start, end))
		return;
	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_end(kvm);
	write_unlock(&kvm->mmu_lock);
}

/*
 * Pages go back to the host: the VM type first takes its hands off.  What a key's
 * view has of them is dropped: the frames end, until somebody wants them again.
 */
static uint64_t freed(void *arg, void *bytes, uint64_t n)
{
	struct kvm *kvm = ((struct gmem_file *)arg)->kvm;
	struct hw *hw = kvm->module->hw;
	hpa_t start = phys_publish(hw, bytes), done;

	if (!hpa_is_valid(start))
		return n;
	done = kvm->ops->gmem_invalidate(kvm, start, HPA(start.v + (n << PAGE_SHIFT)));
	if (done.v > start.v && view_may_hide(hw, bytes, done.v - start.v))
		phys_retire(hw, bytes, done.v - start.v);
	return (done.v - start.v) >> PAGE_SHIFT;
}

void kvm_gmem_release(struct gmem_file *file)
{
	struct kvm *kvm = file->kvm;
	uint64_t nr_pages = file->size >> PAGE_SHIFT;
	struct range_node *n;

	SYNC_POINT(gmem_release_before_lock);
	mutex_lock(&kvm->slots_lock);
	write_lock(&file->invalidate_lock);
	range_tree_for_each(n, &file->bindings, 0, nr_pages)
		atomicptr_store_release(&gmem_slot_of(n)->gmem.file, NULL);
	invalidate_begin(file, 0, nr_pages);
	invalidate_end(file, 0, nr_pages);
	while ((n = range_tree_first(&file->bindings, 0, nr_pages)))
		range_tree_remove(&file->bindings, n);
	write_unlock(&file->invalidate_lock);
	mutex_unlock(&kvm->slots_lock);

	/* A fault may still hold the pointer; whatever it found is stale. */
	srcu_synchronize(&kvm->srcu);
	gmem_store_discard(&file->store, 0, nr_pages, freed, file);
	if (file->gate)
		gmem_end_in_place(file);
	gmem_store_fini(&file->store);
	if (file->fd >= 0)
		os_close(file->fd);
	for (unsigned i = 0; i < GMEM_NR_PREPARE_LOCKS; i++)
		mutex_fini(&file->prepare_lock[i]);
	rwlock_fini(&file->invalidate_lock);
	free(file);
	kvm_put(kvm);
}

/* ---- the file as a file ---- */

/* The gfns from the first to the last that [start, end) is bound to. */
static gfn_t hull_of(const struct gmem_file *file, uint64_t start, uint64_t end, gfn_t *to)
{
	gfn_t from = GFN(~0ull);
	struct range_node *n;

	*to = GFN(0);
	range_tree_for_each(n, &file->bindings, start, end) {
		const struct kvm_memory_slot *slot = gmem_slot_of(n);
		uint64_t base = slot->base_gfn.v - slot->gmem.pgoff;

		from.v = MIN(from.v, base + MAX(start, n->start));
		to->v = MAX(to->v, base + MIN(end, n->end));
	}
	return from;
}

static int punch_hole(struct gmem_file *file, uint64_t offset, uint64_t len,
		      const struct kvm_gmem_bracket *outer)
{
	uint64_t nr_pages = file->size >> PAGE_SHIFT;
	uint64_t start = MIN(offset >> PAGE_SHIFT, nr_pages);
	uint64_t end = MIN((offset + len) >> PAGE_SHIFT, nr_pages);
	gfn_t from, to;

	if (start == end)
		return 0;
	if (!file->store.shared)
		outer = NULL;
	if (outer)
		outer->begin(outer->arg, start << PAGE_SHIFT, (end - start) << PAGE_SHIFT);
	write_lock(&file->invalidate_lock);
	invalidate_begin(file, start, end);
	gmem_store_discard(&file->store, start, end, freed, file);
	gmem_store_punch_shared(&file->store, start, end);
	SYNC_POINT(gmem_after_truncate);
	invalidate_end(file, start, end);
	from = hull_of(file, start, end, &to);
	write_unlock(&file->invalidate_lock);
	if (outer)
		outer->end(outer->arg);
	/* It takes slots_lock, whose holder may be waiting for the outer one's end. */
	if (file->kvm->audit && from.v < to.v)
		file->kvm->audit(file->kvm, from, to);
	return 0;
}

static int allocate(struct gmem_file *file, uint64_t offset, uint64_t len)
{
	uint64_t at = offset >> PAGE_SHIFT, end = (offset + len) >> PAGE_SHIFT;
	int r = 0;

	read_lock(&file->invalidate_lock);
	while (!r && at < end) {
		uint64_t chunk = file->store.chunk_pages;
		uint64_t stop = MIN(end, ALIGN_DOWN(at, chunk) + chunk);

		r = gmem_store_allocate(&file->store, at, stop);
		at = stop;
	}
	read_unlock(&file->invalidate_lock);
	return r;
}

int kvm_gmem_fallocate_check(const struct gmem_file *file, int mode, int64_t offset, int64_t len)
{
	/* Before any file system is asked: */
	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE) || mode == FALLOC_FL_PUNCH_HOLE)
		return -EOPNOTSUPP;
	if (offset > INT64_MAX - len)
		return -EFBIG;
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!IS_ALIGNED((uint64_t)offset, PAGE_SIZE) || !IS_ALIGNED((uint64_t)len, PAGE_SIZE))
		return -EINVAL;
	if (!(mode & FALLOC_FL_PUNCH_HOLE) && (uint64_t)offset + (uint64_t)len > file->size)
		return -EINVAL;
	return 0;
}

int kvm_gmem_fallocate_mapped(struct gmem_file *file, int mode, int64_t offset, int64_t len,
			      const struct kvm_gmem_bracket *outer)
{
	int r = kvm_gmem_fallocate_check(file, mode, offset, len);

	if (r)
		return r;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		r = punch_hole(file, offset, len, outer);
		TRACE(file->kvm->module->trace, softcvm_gmem_punch, file->ino, offset, len,
		      (uint64_t)(int64_t)r);
		return r;
	}
	r = allocate(file, offset, len);
	TRACE(file->kvm->module->trace, softcvm_gmem_allocate, file->ino, offset, len,
	      (uint64_t)(int64_t)r);
	return r;
}

int kvm_gmem_fallocate(struct gmem_file *file, int mode, int64_t offset, int64_t len)
{
	return kvm_gmem_fallocate_mapped(file, mode, offset, len, NULL);
}

bool kvm_gmem_is_in_descriptor(const struct gmem_file *file)
{
	return file->store.shared && !file->gate;
}

/* SRCU held.  The file of a slot that is mapped as @m; with @m NULL any that could be. */
static const struct gmem_file *mapped_file(struct kvm *kvm, const struct os_mapping *m)
{
	struct kvm_memslot_iter it;
	struct kvm_memory_slot *slot;

	kvm_for_each_memslot_in_gfn_range(slot, &it, kvm, 0, GFN(0), GFN(~0ull)) {
		const struct gmem_file *file = atomicptr_load_acquire(&slot->gmem.file);

		if (file && kvm_gmem_is_in_descriptor(file) &&
		    (!m || (m->ino == file->fd_ino && m->dev == file->dev)))
			return file;
	}
	return NULL;
}

uint64_t kvm_gmem_own_address(struct kvm *kvm, uint64_t host)
{
	const struct gmem_file *file;
	struct os_mapping m;
	int idx;

	if (kvm->module->abi < KERNEL_ABI_6_18)
		return host;
	idx = srcu_read_lock(&kvm->srcu);
	file = mapped_file(kvm, NULL);
	if (file && !os_mapping_of((const void *)(uintptr_t)host, &m) && m.ino) {
		file = mapped_file(kvm, &m);
		if (file && m.offset + (host - m.start) < file->size)
			host = (uintptr_t)file->store.shared + m.offset + (host - m.start);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return host;
}

uint64_t kvm_gmem_nr_pages(struct gmem_file *file)
{
	return atomic64_load_acquire(&file->store.nr_allocated);
}

void kvm_gmem_stat(struct gmem_file *file, struct stat *st)
{
	*st = (struct stat){
		.st_ino = file->ino,
		.st_mode = S_IFREG | S_IRUSR | S_IWUSR,
		.st_nlink = 1,
		.st_size = file->size,
		.st_blksize = PAGE_SIZE,
	};
}

int kvm_gmem_mmap_check(const struct gmem_file *file, int prot, int flags)
{
	if (file->kvm->module->abi >= KERNEL_ABI_6_18 && (prot & PROT_EXEC))
		return -EPERM;
	return !(file->flags & GUEST_MEMFD_FLAG_MMAP)   ? -ENODEV
	       : (flags & MAP_TYPE) == MAP_PRIVATE ? -EINVAL : 0;
}

/* ---- slots ---- */

int kvm_gmem_bind(struct kvm *kvm, struct kvm_memory_slot *slot, struct gmem_file *file,
		  uint64_t offset)
{
	uint64_t size = slot->npages << PAGE_SHIFT;
	uint64_t start = offset >> PAGE_SHIFT, end = start + slot->npages;
	int r = 0;

	lock_assert_held_mutex(&kvm->slots_lock);
	if (!file || file->kvm != kvm)
		return -EINVAL;
	/* Without a sum that could wrap. */
	if (!IS_ALIGNED(offset, PAGE_SIZE) || size > file->size || offset > file->size - size)
		return -EINVAL;
	write_lock(&file->invalidate_lock);
	if (range_tree_first(&file->bindings, start, end)) {
		r = -EINVAL;
	} else {
		slot->gmem.pgoff = start;
		if (file->flags & GUEST_MEMFD_FLAG_MMAP)
			slot->flags |= KVM_MEMSLOT_GMEM_ONLY;
		atomicptr_store_release(&slot->gmem.file, file);
		range_tree_insert(&file->bindings, &slot->gmem.binding, start, end);
		if (file->gate)
			gmem_apply_attributes(file, slot, slot->base_gfn,
					      GFN(slot->base_gfn.v + slot->npages));
	}
	write_unlock(&file->invalidate_lock);
	return r;
}

void kvm_gmem_unbind(struct kvm_memory_slot *slot)
{
	struct gmem_file *file = atomicptr_load_acquire(&slot->gmem.file);

	/* Released already: it has removed its bindings itself, under slots_lock. */
	if (!file)
		return;
	write_lock(&file->invalidate_lock);
	range_tree_remove(&file->bindings, &slot->gmem.binding);
	atomicptr_store_release(&slot->gmem.file, NULL);
	write_unlock(&file->invalidate_lock);
}

/* Page @index is there, with a frame.  Huge ones: invalidate_lock held. */
static int take_page(struct gmem_file *file, uint64_t index, struct gmem_page *p, hpa_t *page)
{
	int r = gmem_store_page(&file->store, index, p);

	if (r)
		return r;
	*page = phys_publish(file->kvm->module->hw, p->bytes);
	return hpa_is_valid(*page) ? 0 : -ENOMEM;
}

static int take_page_of_huge(struct gmem_file *file, uint64_t index, struct gmem_page *p, hpa_t *page)
{
	int r;

	read_lock(&file->invalidate_lock);
	r = take_page(file, index, p, page);
	read_unlock(&file->invalidate_lock);
	return r;
}

/*
 * Nobody prepares a page twice, and none that goes meanwhile: what was seen of it
 * without the locks is looked at once more.
 */
static int prepare(struct gmem_file *file, const struct kvm_memory_slot *slot, gfn_t gfn,
		   struct gmem_page *p, hpa_t *page)
{
	uint64_t index = gmem_page_of(slot, gfn);
	struct mutex *lock = &file->prepare_lock[(index >> GMEM_ORDER_2M) % GMEM_NR_PREPARE_LOCKS];
	struct kvm *kvm = file->kvm;
	int r;

	read_lock(&file->invalidate_lock);
	mutex_lock(lock);
	r = take_page(file, index, p, page);
	if (!r && !p->prepared) {
		r = kvm->ops->gmem_prepare(kvm, *page, gfn, gmem_level_for(slot, index, p));
		if (!r)
			gmem_store_set_prepared(&file->store, index);
	}
	mutex_unlock(lock);
	read_unlock(&file->invalidate_lock);
	return r;
}

int kvm_gmem_get_pfn(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t gfn, hpa_t *page,
		     uint8_t *max_level)
{
	struct gmem_file *file = atomicptr_load_acquire(&slot->gmem.file);
	uint64_t index = gmem_page_of(slot, gfn);
	struct gmem_page p = { .level = PG_LEVEL_4K };
	int r;

	if (!file)
		return -EFAULT;
	if (index >= file->size >> PAGE_SHIFT)
		return -EIO;
	r = file->store.huge ? take_page_of_huge(file, index, &p, page)
			     : take_page(file, index, &p, page);
	SYNC_POINT(gmem_page_got);
	/* Where nothing is to be prepared, nothing need be remembered either; shared is as it is. */
	if (!r && !p.prepared && kvm->ops->gmem_prepare != vm_type_no_gmem_prepare &&
	    (!file->gate || kvm_mem_is_private(kvm, gfn)))
		r = prepare(file, slot, gfn, &p, page);
	*max_level = gmem_level_for(slot, index, &p);
	return r;
}

struct population {
	struct kvm		*kvm;
	struct gmem_file	*file;
	uint64_t		 index;		/* of the first page in the file */
	gfn_t			 start;
	const struct kvm_gmem_fill *fill;
	void			*arg;
};

/* invalidate_lock held: page @n of a launch. */
static int stage_page(const struct population *p, uint64_t n)
{
	gfn_t gfn = GFN(p->start.v + n);
	struct gmem_page page;
	hpa_t a;
	int r = take_page(p->file, p->index + n, &page, &a);

	if (r)
		return r;
	if (page.prepared)
		return -EEXIST;
	if (!kvm_mem_is_private(p->kvm, gfn))
		return -EINVAL;
	return p->fill->stage(p->kvm, gfn, a, page.bytes, n, p->arg);
}

/* Pages from @n on, at most to @end and to the next 2 MiB; how many went. */
static unsigned populate_batch(const struct population *p, uint64_t n, uint64_t end, int *r)
{
	uint64_t room = KVM_GMEM_BATCH - (p->index + n) % KVM_GMEM_BATCH;
	unsigned staged = 0, most = (unsigned)MIN(room, end - n), done = 0;
	int why = 0;

	if (most == KVM_GMEM_BATCH)
		gmem_store_expect(&p->file->store, p->index + n, most);
	while (staged < most) {
		*r = stage_page(p, n + staged);
		if (*r)
			break;
		staged++;
	}
	if (staged)
		done = p->fill->commit(p->kvm, staged, p->arg, &why);
	if (done < staged)
		*r = why;
	for (unsigned i = 0; i < done; i++)
		gmem_store_set_prepared(&p->file->store, p->index + n + i);
	return done;
}

int64_t kvm_gmem_populate(struct kvm *kvm, gfn_t start, uint64_t nr_pages,
			  const struct kvm_gmem_fill *fill, void *arg)
{
	struct kvm_memory_slot *slot = kvm_gfn_to_memslot(kvm, 0, start);
	struct population p = { .kvm = kvm, .start = start, .fill = fill, .arg = arg };
	uint64_t n = 0;
	int r = 0;

	lock_assert_held_mutex(&kvm->slots_lock);
	if (!kvm_slot_can_be_private(slot))
		return -EINVAL;
	p.file = atomicptr_load_acquire(&slot->gmem.file);
	if (!p.file)
		return -EFAULT;
	p.index = gmem_page_of(slot, start);
	nr_pages = MIN(nr_pages, slot->npages - (start.v - slot->base_gfn.v));
	write_lock(&p.file->invalidate_lock);
	while (n < nr_pages && !r)
		n += populate_batch(&p, n, nr_pages, &r);
	write_unlock(&p.file->invalidate_lock);
	return n ? (int64_t)n : r;
}
