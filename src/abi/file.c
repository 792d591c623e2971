/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "abi/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi/change.h"
#include "kvm/gmem/gmem.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/vm.h"
#include "os/file.h"
#include "os/maps.h"
#include "os/memory.h"
#include "os/process.h"
#include "os/uaccess.h"

int fd_table_init(struct fd_table *t)
{
	/* Reserved, not committed: pages come as chunks are made. */
	t->chunks = os_map_inherited(FD_NR_CHUNKS * sizeof(*t->chunks));
	if (!t->chunks)
		return -ENOMEM;
	os_holds_pointers(t->chunks, FD_NR_CHUNKS * sizeof(*t->chunks));
	mutex_init(&t->lock, "abi fd table", RANK_ABI_TABLE);
	return 0;
}

void fd_table_fini(struct fd_table *t)
{
	for (unsigned i = 0; i <= atomic32_load(&t->nr) >> FD_CHUNK_SHIFT; i++)
		free(t->chunks[i]);
	mutex_fini(&t->lock);
	os_holds_none(t->chunks, FD_NR_CHUNKS * sizeof(*t->chunks));
	os_unmap(t->chunks, FD_NR_CHUNKS * sizeof(*t->chunks));
}

static struct abi_file **slot_of(struct fd_table *t, int fd)
{
	struct abi_file **chunk;

	if (fd < 0)
		return NULL;
	chunk = rcu_dereference(t->chunks[fd >> FD_CHUNK_SHIFT]);
	return chunk ? &chunk[fd & (FD_CHUNK_SIZE - 1)] : NULL;
}

/* Lock held. */
static struct abi_file **slot_make(struct fd_table *t, int fd)
{
	struct abi_file **chunk = t->chunks[fd >> FD_CHUNK_SHIFT];

	if (!chunk) {
		chunk = calloc(FD_CHUNK_SIZE, sizeof(struct abi_file *));
		if (!chunk)
			return NULL;
		rcu_assign_pointer(t->chunks[fd >> FD_CHUNK_SHIFT], chunk);
	}
	return &chunk[fd & (FD_CHUNK_SIZE - 1)];
}

static bool get_unless_zero(struct abi_file *f)
{
	uint32_t n = atomic32_load_relaxed(&f->refs);

	while (n) {
		if (atomic32_cas(&f->refs, &n, n + 1))
			return true;
	}
	return false;
}

static bool is_same_object(const struct abi_file *f, int fd)
{
	struct stat st;

	return os_fstat(fd, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino;
}

/* Takes @fd out of the table, as long as it is @only or that is NULL: the table's reference. */
static struct abi_file *detach(struct abi *abi, int fd, const struct abi_file *only)
{
	struct abi_file **slot = slot_of(&abi->table, fd), *f;

	if (!slot || !rcu_dereference(*slot))
		return NULL;
	mutex_lock(&abi->table.lock);
	f = *slot;
	if (only && f != only)
		f = NULL;		/* somebody else's new one has come meanwhile */
	else
		rcu_assign_pointer(*slot, NULL);
	mutex_unlock(&abi->table.lock);
	return f;
}

struct abi_file *abi_file_get(struct abi *abi, int fd, bool check)
{
	struct abi_file **slot = slot_of(&abi->table, fd);
	struct abi_file *f;

	if (!slot || !rcu_dereference(*slot))
		return NULL;
	rcu_read_lock();
	f = rcu_dereference(*slot);
	if (f && !get_unless_zero(f))
		f = NULL;
	rcu_read_unlock();
	if (f && check && !is_same_object(f, fd)) {
		/* Closed behind our back; in a vfork child the table is the parent's. */
		if (getpid() == os_pid())
			abi_file_put(detach(abi, fd, f));
		abi_file_put(f);
		return NULL;
	}
	return f;
}

void abi_audit(struct abi *abi)
{
	for (int fd = 0; abi->module.audit && fd <= abi_highest_fd(abi); fd++) {
		struct abi_file *f = abi_file_get(abi, fd, false);

		if (f && f->kind == FILE_VM && f->owner == os_pid())
			f->kvm->audit(f->kvm, GFN(0), GFN(~0ull));
		if (f)
			abi_file_put(f);
	}
}

static void free_file(struct rcu_head *head)
{
	free(container_of(head, struct abi_file, rcu));
}

static void release_object(struct abi_file *f)
{
	/* A forked child's copies of our objects are nobody's. */
	if (f->owner != *f->abi->pid)
		return;
	switch (f->kind) {
	case FILE_VM:
	case FILE_VM_STATS:
		kvm_put(f->kvm);
		break;
	case FILE_VCPU:
	case FILE_VCPU_STATS:
		kvm_put(f->vcpu->base.kvm);
		break;
	case FILE_GMEM:
		kvm_gmem_release(f->gmem);
		break;
	default:
		break;
	}
}

void abi_file_put(struct abi_file *f)
{
	if (!f || atomic32_sub(&f->refs, 1) != 1)
		return;
	release_object(f);
	rcu_call(&f->rcu, free_file);
}

int abi_file_alias(struct abi *abi, struct abi_file *f, int fd)
{
	struct abi_file **slot, *old = NULL;

	mutex_lock(&abi->table.lock);
	slot = slot_make(&abi->table, fd);
	if (slot) {
		old = *slot;
		atomic32_add(&f->refs, 1);
		rcu_assign_pointer(*slot, f);
		if (atomic32_load_relaxed(&abi->table.nr) <= (uint32_t)fd)
			atomic32_store(&abi->table.nr, (uint32_t)fd + 1);
	}
	mutex_unlock(&abi->table.lock);
	abi_file_put(old);
	return slot ? 0 : -ENOMEM;
}

struct abi_file *abi_file_detach(struct abi *abi, int fd)
{
	return detach(abi, fd, NULL);
}

static struct abi_file *find_object(struct abi *abi, const struct stat *st)
{
	int highest = abi_highest_fd(abi);

	for (int fd = 0; fd <= highest; fd++) {
		struct abi_file *f = abi_file_get(abi, fd, false);

		if (f && f->dev == st->st_dev && f->ino == st->st_ino)
			return f;
		abi_file_put(f);
	}
	return NULL;
}

int abi_file_adopt(struct abi *abi, int fd)
{
	struct abi_file *f;
	struct stat st;
	int r = 0;

	if (os_fstat(fd, &st))
		return 0;
	f = find_object(abi, &st);
	if (f)
		r = abi_file_alias(abi, f, fd);
	abi_file_put(f);
	return r;
}

int abi_highest_fd(struct abi *abi)
{
	return (int)atomic32_load(&abi->table.nr) - 1;
}

int abi_file_install(struct abi *abi, int fd, enum file_kind kind, void *object)
{
	struct abi_file *f;
	struct stat st;
	int r = -ENOMEM;

	if (fd < 0)
		return fd;
	f = calloc(1, sizeof(*f));
	if (!f || os_fstat(fd, &st))
		goto out_close;
	f->kind = kind;
	f->abi = abi;
	f->owner = *abi->pid;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->kvm = object;
	atomic32_init(&f->refs, 0);
	r = abi_file_alias(abi, f, fd);
	if (r)
		goto out_close;
	return fd;

out_close:
	free(f);
	os_close(fd);
	return r;
}

bool abi_is_owner(const struct abi *abi, const struct kvm *kvm)
{
	return *abi->pid && *abi->pid == kvm->owner_pid;
}

static bool is_stats(const struct abi_file *f)
{
	return f->kind == FILE_VM_STATS || f->kind == FILE_VCPU_STATS;
}

static ssize_t read_stats(struct abi_file *f, void *user, size_t size, uint64_t *pos)
{
	if (f->kind == FILE_VM_STATS)
		return kvm_stats_read(f->kvm, NULL, user, size, pos);
	return kvm_stats_read(f->vcpu->base.kvm, &f->vcpu->base, user, size, pos);
}

static ssize_t read_vector_at(struct abi_file *f, const struct iovec *v, int nr, uint64_t *pos)
{
	ssize_t sum = 0;

	for (int i = 0; i < nr; i++) {
		struct iovec one;
		ssize_t n;

		if (os_copy_from(&one, &v[i], sizeof(one)))
			return -EFAULT;
		n = read_stats(f, one.iov_base, one.iov_len, pos);
		if (n < 0)
			return sum ? sum : n;
		sum += n;
		if ((size_t)n < one.iov_len)
			break;
	}
	return sum;
}

ssize_t abi_read(struct abi_file *f, const struct iovec *v, int nr, const off_t *at)
{
	uint64_t pos = at ? (uint64_t)*at : atomic64_load(&f->pos);
	ssize_t n;

	if (at && *at < 0)
		return -EINVAL;
	if (!is_stats(f))
		return f->kind != FILE_SYSTEM && at ? -ESPIPE : -EINVAL;
	if (nr < 0 || nr > IOV_MAX)
		return -EINVAL;
	n = read_vector_at(f, v, nr, &pos);
	if (!at && n > 0)
		atomic64_store(&f->pos, pos);
	return n;
}

ssize_t abi_write(struct abi_file *f, const off_t *at)
{
	if (at && *at < 0)
		return -EINVAL;
	if (is_stats(f))
		return at ? -ESPIPE : -EBADF;
	return f->kind != FILE_SYSTEM && at ? -ESPIPE : -EINVAL;
}

int abi_stats_open(struct abi_file *of)
{
	enum file_kind kind = of->kind == FILE_VM ? FILE_VM_STATS : FILE_VCPU_STATS;
	struct kvm *kvm = of->kind == FILE_VM ? of->kvm : of->vcpu->base.kvm;
	int fd = os_object_fd(of->kind == FILE_VM ? "kvm-vm-stats" : "kvm-vcpu-stats", true), r;

	if (fd < 0)
		return fd;
	os_reopen(fd, O_RDONLY | O_CLOEXEC);
	kvm_get(kvm);
	r = abi_file_install(of->abi, fd, kind, of->kind == FILE_VM ? (void *)kvm : of->vcpu);
	if (r < 0)
		kvm_put(kvm);
	return r;
}

/* What is wrong with any file of that kind is said first, as the kernel does. */
static int gmem_mmap_check(struct abi_file *f, int prot, int flags, off_t offset, size_t length)
{
	bool is_validated = (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;

	if (!IS_ALIGNED((uint64_t)offset, PAGE_SIZE) || !length || (flags & MAP_HUGETLB))
		return -EINVAL;
	if (offset < 0 || length > (uint64_t)(INT64_MAX - offset))
		return -EOVERFLOW;
	if (is_validated && (flags & MAP_SYNC))
		return -EOPNOTSUPP;
	return kvm_gmem_mmap_check(f->gmem, prot, flags);
}

int abi_mmap_check(struct abi_file *f, int prot, int flags, off_t offset, size_t length)
{
	if (f->kind == FILE_GMEM)
		return gmem_mmap_check(f, prot, flags, offset, length);
	return f->kind == FILE_VCPU ? 0 : -ENODEV;
}

/*
 * The VM's coalesced page takes the place of the descriptor's own third page,
 * which nobody sees.
 */
int abi_mmap_finish(struct abi_file *f, void *at, int prot, off_t offset, size_t length)
{
	uint64_t where = KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE_SIZE;

	if (f->kind == FILE_GMEM) {
		atomic32_store(&f->abi->has_mapped_gmem, 1);
		return kvm_gmem_mapped(f->gmem, at, length, prot, (uint64_t)offset);
	}
	if (f->kind != FILE_VCPU || (uint64_t)offset > where || where - offset >= length)
		return 0;
	return os_map_again(kvm_vm_coalesced_page(f->vcpu->base.kvm), PAGE_SIZE,
			    (char *)at + (where - offset), prot);
}

struct gmem_search {
	uint64_t		start, end;
	struct os_mapping	found;		/* ino 0: none yet */
};

static bool if_gmem(const struct os_mapping *m, void *arg)
{
	struct gmem_search *s = arg;

	if (m->start >= s->end)
		return false;
	if (m->end <= s->start || strcmp(m->path, "/memfd:" KVM_GMEM_FD_NAME " (deleted)"))
		return true;
	s->found = *m;
	return false;
}

static bool find_gmem(struct abi *abi, struct gmem_search *s)
{
	int saved = errno;

	if (atomic32_load(&abi->has_mapped_gmem) && os_for_each_mapping(if_gmem, s))
		s->found.ino = 0;
	errno = saved;
	return s->found.ino;
}

bool abi_maps_gmem(struct abi *abi, const void *at, size_t size)
{
	return find_gmem(abi, &(struct gmem_search){ (uintptr_t)at, (uintptr_t)at + size, { 0 } });
}

bool abi_next_gmem(struct abi *abi, uintptr_t at, uintptr_t end, struct abi_gmem_piece *out)
{
	struct gmem_search s = { at, end, { 0 } };
	struct abi_file *f;

	if (!find_gmem(abi, &s))
		return false;
	out->start = MAX(at, s.found.start);
	out->end = MIN(end, s.found.end);
	out->offset = (off_t)(s.found.offset + (out->start - s.found.start));
	f = find_object(abi, &(struct stat){ .st_dev = s.found.dev, .st_ino = s.found.ino });
	if (f && (f->kind != FILE_GMEM || f->owner != *abi->pid)) {
		abi_file_put(f);
		f = NULL;
	}
	out->file = f;
	return true;
}

struct hole {
	struct abi_file		*file;
	struct abi_change	 change;
};

/* Slots whose userspace_addr is a mapping of it. */
static void hole_begin(void *arg, uint64_t offset, uint64_t length)
{
	struct hole *h = arg;
	struct stat st = { .st_dev = h->file->dev, .st_ino = h->file->ino };

	abi_change_file(h->file->abi, &h->change, &st, offset, length);
}

static void hole_end(void *arg)
{
	struct hole *h = arg;

	abi_change_end(&h->change, false);
}

/* The owner's guests find what its mapping has. */
static int fallocate_of_another(struct abi_file *f, int fd, int mode, off_t offset, off_t length)
{
	int r;

	if (!kvm_gmem_is_in_descriptor(f->gmem))
		return -EIO;
	r = kvm_gmem_fallocate_check(f->gmem, mode, offset, length);
	return r ? r : os_fallocate(fd, mode, offset, length);
}

int abi_fallocate(struct abi_file *f, int fd, int mode, off_t offset, off_t length)
{
	struct hole h = { .file = f };
	const struct kvm_gmem_bracket outer = { hole_begin, hole_end, &h };

	if (f->kind != FILE_GMEM)
		return -ENODEV;
	if (f->owner != *f->abi->pid)
		return fallocate_of_another(f, fd, mode, offset, length);
	return kvm_gmem_fallocate_mapped(f->gmem, mode, offset, length, &outer);
}

int abi_ftruncate(struct abi_file *f)
{
	return -EINVAL;
}

off_t abi_lseek(struct abi_file *f, int whence)
{
	if (whence < 0 || whence > SEEK_HOLE)
		return -EINVAL;
	if (is_stats(f))
		return (off_t)atomic64_load(&f->pos);
	return f->kind == FILE_GMEM ? -ESPIPE : 0;
}

void abi_fstat(struct abi_file *f, struct stat *st)
{
	if (f->kind == FILE_GMEM)
		return kvm_gmem_stat(f->gmem, st);
	st->st_size = st->st_blocks = 0;
	if (f->kind == FILE_SYSTEM) {
		st->st_mode = S_IFCHR | 0666;
		st->st_rdev = ABI_KVM_DEV;
	} else if (f->kind == FILE_SEV) {
		st->st_mode = S_IFCHR | 0666;
		st->st_rdev = ABI_SEV_DEV;
	} else {
		st->st_mode = 0600;
	}
}
