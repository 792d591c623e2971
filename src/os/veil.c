/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/veil.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/page.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/process.h"
#include "os/veil_priv.h"

#ifndef UFFD_USER_MODE_ONLY		/* Linux 5.11 */
#define UFFD_USER_MODE_ONLY	1
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM	/* Linux 5.19 */
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM	(1 << 12)
#endif
#ifndef UFFD_FEATURE_MINOR_SHMEM	/* Linux 5.14 */
#define UFFD_FEATURE_MINOR_SHMEM	(1 << 10)
#endif
#ifndef UFFDIO_REGISTER_MODE_MINOR	/* Linux 5.13 */
#define UFFDIO_REGISTER_MODE_MINOR	(1ull << 2)
#endif
#ifndef MADV_POPULATE_READ		/* Linux 5.14 */
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_DONTNEED_LOCKED		/* Linux 5.18 */
#define MADV_DONTNEED_LOCKED	24
#endif

#ifndef _UFFDIO_MOVE			/* Linux 6.8 */
#define _UFFDIO_MOVE		0x05
struct uffdio_move {
	__u64	dst, src, len, mode;
	__s64	move;
};
#define UFFDIO_MOVE		_IOWR(UFFDIO, _UFFDIO_MOVE, struct uffdio_move)
#define UFFDIO_MOVE_MODE_DONTWAKE	1
#endif

#define FEATURES	(UFFD_FEATURE_SIGBUS | UFFD_FEATURE_PAGEFAULT_FLAG_WP | \
			 UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM | \
			 UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

int veil_uffd(const struct veil *v, unsigned long what, void *arg)
{
	int saved = errno, r;

	r = syscall(SYS_ioctl, v->uffd, what, arg) < 0 ? -errno : 0;
	errno = saved;
	return r;
}

static int advise(void *p, size_t size, int advice)
{
	int saved = errno, r;

	r = syscall(SYS_madvise, p, size, advice) < 0 ? -errno : 0;
	errno = saved;
	return r;
}

static int protect(void *p, size_t size, int prot)
{
	int saved = errno, r;

	r = syscall(SYS_mprotect, p, size, prot) < 0 ? -errno : 0;
	errno = saved;
	return r;
}

static int open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURES };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	int high;

	if (fd < 0)
		return -1;
	if (syscall(SYS_ioctl, fd, UFFDIO_API, &api) < 0) {
		os_close(fd);
		return -1;
	}
	/* Low numbers are the program's. */
	high = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 512);
	if (high < 0)
		return fd;
	os_close(fd);
	return high;
}

struct veil *veil_create(bool may_fault)
{
	struct veil *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->uffd = may_fault ? open_uffd() : -1;
	v->pid = os_pid();
	v->mem = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC);
	return v;
}

void veil_destroy(struct veil *v)
{
	if (!v)
		return;
	veil_free_aliases(v);
	veil_free_gates(v);
	if (v->uffd >= 0)
		os_close(v->uffd);
	if (v->mem >= 0)
		os_close(v->mem);
	free(v);
}

bool veil_has_faults(const struct veil *v)
{
	return v->uffd >= 0;
}

bool veil_is_here(const struct veil *v)
{
	return os_pid() == v->pid;
}

/* -- Registration -- */

int veil_register(struct veil *v, void *p, size_t size, int mode)
{
	struct uffdio_register g = {
		.range = { .start = (uintptr_t)p, .len = size },
		.mode = (unsigned)mode,
	};
	int r;

	if (veil_is_gated(v, p, size))
		g.mode |= VEIL_WATCH | UFFDIO_REGISTER_MODE_MINOR;
	r = veil_uffd(v, UFFDIO_REGISTER, &g);

	if (r || (g.ioctls & 1ull << _UFFDIO_ZEROPAGE))
		return r;
	/* Huge pages of hugetlbfs: they come and go whole. */
	(void)veil_uffd(v, UFFDIO_UNREGISTER, &g.range);
	return -EOPNOTSUPP;
}

/* Pages that were never touched are made; what is hidden stays so. */
static void populate(void *p, size_t size)
{
	if (!advise(p, size, MADV_POPULATE_WRITE))
		return;
	for (size_t at = 0; at < size; at += PAGE_SIZE)
		if (advise((char *)p + at, PAGE_SIZE, MADV_POPULATE_WRITE))
			(void)advise((char *)p + at, PAGE_SIZE, MADV_POPULATE_READ);
}

/*
 * What is missing traps from now on, so first all is made to be there: memory
 * of other kinds lies beside a guest's, in the same mapping, and the kernel
 * that finds a page of it missing (a stack for signals) would give up.  But
 * not if somebody else watches the range: he may be asked for the pages.
 */
static int register_present(struct veil *v, void *p, size_t size)
{
	int r = veil_for_each_alias(v, p, size, veil_register, UFFDIO_REGISTER_MODE_WP);

	if (r)
		return r;
	populate(p, size);
	return veil_for_each_alias(v, p, size, veil_register, VEIL_WATCH);
}

static void lock_writer(struct veil *v)
{
	while (__atomic_exchange_n(&v->writer, 1, __ATOMIC_ACQUIRE))
		os_yield();
}

static void unlock_writer(struct veil *v)
{
	__atomic_store_n(&v->writer, 0, __ATOMIC_RELEASE);
}

/* A part of a huge page of hugetlbfs has no protection of its own. */
static bool can_protect(void *p, const struct os_mapping *m)
{
	return !protect(p, PAGE_SIZE, m->is_writable ? PROT_READ : PROT_NONE) &&
	       !protect(p, PAGE_SIZE, m->is_writable ? PROT_READ | PROT_WRITE : PROT_READ);
}

#define WATCH_SIZE	(1ull << 21)	/* at a time, so that few mappings come of it */

enum veil_status veil_watch(struct veil *v, void *p, size_t *size, enum veil_way *way)
{
	uint64_t start = (uintptr_t)p & ~(WATCH_SIZE - 1);
	uint64_t end = ALIGN_UP((uintptr_t)p + *size, WATCH_SIZE);
	struct os_mapping m;
	int r;

	lock_writer(v);
	r = os_mapping_of(p, &m);
	if (!r && m.is_shared)
		r = veil_renew_aliases(v, &m);
	if (!r) {
		start = MAX(start, m.start);
		end = MIN(end, m.end);
		*size = MIN(*size, (size_t)(m.end - (uintptr_t)p));
		/* What a private mapping of a file gives back is the file's page, not none. */
		r = v->uffd < 0 || (m.ino && !m.is_shared) ? -EINVAL
		  : register_present(v, (void *)(uintptr_t)start, (size_t)(end - start));
	}
	unlock_writer(v);
	if (r == -ENOMEM || r == -ENOENT)
		return VEIL_FAILED;
	*way = r ? VEIL_PROTECT : VEIL_FAULT;
	return r && !can_protect(p, &m) ? VEIL_CANNOT : VEIL_OK;
}

void veil_mapped(struct veil *v, void *p, size_t size)
{
	struct os_mapping m;

	if (!__atomic_load_n(&v->aliases, __ATOMIC_ACQUIRE) || os_mapping_of(p, &m) ||
	    !m.is_shared || !veil_knows_file(v, &m))
		return;
	lock_writer(v);
	/* Out of memory: the new mapping shows zeros for what is hidden. */
	(void)!veil_renew_aliases(v, &m);
	if (v->uffd >= 0)
		(void)veil_register(v, p, size, VEIL_WATCH);
	unlock_writer(v);
}

void veil_unwatch(struct veil *v, void *p, size_t size)
{
	struct uffdio_range range = { .start = (uintptr_t)p, .len = size };

	if (v->uffd >= 0)
		(void)veil_uffd(v, UFFDIO_UNREGISTER, &range);
}

void *veil_reserve(struct veil *v, size_t size, size_t align, enum veil_way *way)
{
	void *p = os_map_private(size, align);

	if (!p)
		return NULL;
	*way = VEIL_FAULT;
	if (v->uffd >= 0 && !veil_register(v, p, size, VEIL_WATCH))
		return p;
	*way = VEIL_PROTECT;
	if (!protect(p, size, PROT_NONE))
		return p;
	os_unmap(p, size);
	return NULL;
}

/* -- Pages -- */

static int write_protect(struct veil *v, void *p, size_t size, int on)
{
	struct uffdio_writeprotect w = {
		.range = { .start = (uintptr_t)p, .len = size },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
	};
	int r;

	do
		r = veil_uffd(v, UFFDIO_WRITEPROTECT, &w);
	while (r == -EAGAIN);
	return r;
}

static int protect_one(struct veil *v, void *p, size_t size, int prot)
{
	return protect(p, size, prot);
}

bool veil_freeze(struct veil *v, void *p, size_t size, enum veil_way way)
{
	return !(way == VEIL_FAULT ? veil_for_each_alias(v, p, size, write_protect, true)
				   : veil_for_each_alias(v, p, size, protect_one, PROT_READ));
}

void veil_thaw(struct veil *v, void *p, size_t size, enum veil_way way)
{
	if (way == VEIL_FAULT)
		(void)veil_for_each_alias(v, p, size, write_protect, false);
	else
		(void)veil_for_each_alias(v, p, size, protect_one, PROT_READ | PROT_WRITE);
}

static void remove_from_file(void *p, size_t size)
{
	int saved = errno;

	/* Memory that the program has locked is not removed: it is not any more. */
	if (advise(p, size, MADV_REMOVE) && !syscall(SYS_munlock, p, size))
		(void)advise(p, size, MADV_REMOVE);
	errno = saved;
}

/* A second mapping of ours of a shared page takes the bytes, while nobody sees the first. */
static int fill_shared(void *p, const void *from)
{
	void *twice = (void *)syscall(SYS_mremap, p, 0, PAGE_SIZE, MREMAP_MAYMOVE);

	if (twice == MAP_FAILED)
		return -EFAULT;
	if (!protect(twice, PAGE_SIZE, PROT_READ | PROT_WRITE))
		memcpy(twice, from, PAGE_SIZE);
	os_unmap(twice, PAGE_SIZE);
	return 0;
}

/* What is hidden by protection alone must not be found by another road: it goes, too. */
static void drop_protected(struct veil *v, void *p, size_t size)
{
	static const uint8_t zeros[PAGE_SIZE];

	if (!veil_has_aliases(v, p, 1)) {
		if (advise(p, size, MADV_DONTNEED))
			(void)advise(p, size, MADV_DONTNEED_LOCKED);
		return;
	}
	for (size_t at = 0; at < size; at += PAGE_SIZE)
		(void)fill_shared((char *)p + at, zeros);
}

void veil_hide(struct veil *v, void *p, size_t size, enum veil_way way)
{
	if (way == VEIL_PROTECT) {
		(void)veil_for_each_alias(v, p, size, protect_one, PROT_NONE);
		drop_protected(v, p, size);
	} else if (veil_has_aliases(v, p, 1))
		remove_from_file(p, size);
	else if (advise(p, size, MADV_DONTNEED))
		(void)advise(p, size, MADV_DONTNEED_LOCKED);
}

void veil_restore(struct veil *v, void *p, size_t size)
{
	uintptr_t at = (uintptr_t)p, end = at + size;
	struct os_mapping m;

	for (; at < end && !os_mapping_of((void *)at, &m); at = m.end)
		if (!m.rights)
			veil_thaw(v, (void *)at, MIN(end, m.end) - at, VEIL_PROTECT);
}

static enum veil_status fill_by_fault(struct veil *v, void *p, const void *from, size_t size, size_t *done)
{
	while (*done < size) {
		struct uffdio_copy c = {
			.dst = (uintptr_t)p + *done,
			.src = (uintptr_t)from + *done,
			.len = size - *done,
			.mode = UFFDIO_COPY_MODE_WP | UFFDIO_COPY_MODE_DONTWAKE,
		};
		int r = veil_uffd(v, UFFDIO_COPY, &c);

		if (!r || c.copy > 0)
			*done += (size_t)(r ? c.copy : (long long)c.len);
		else if (r != -EAGAIN)
			return r == -EEXIST ? VEIL_EXISTS
			     : r == -EFAULT ? VEIL_UNREADABLE
			     : r == -ENOENT ? VEIL_GONE : VEIL_FAILED;
	}
	return VEIL_OK;
}

static int fill_protected(struct veil *v, void *p, const void *from)
{
	int saved = errno, r;

	if (veil_has_aliases(v, p, 1)) {
		r = fill_shared(p, from);
	} else if (v->mem >= 0 &&
		   syscall(SYS_pwrite64, v->mem, from, PAGE_SIZE, (off_t)(uintptr_t)p) == PAGE_SIZE) {
		r = 0;
	} else {
		/* A kernel that does not let us: for a moment others may see it being filled. */
		r = protect(p, PAGE_SIZE, PROT_READ | PROT_WRITE);
		if (!r)
			memcpy(p, from, PAGE_SIZE);
	}
	errno = saved;
	return r;
}

enum veil_status veil_fill(struct veil *v, void *p, const void *from, size_t size,
			   enum veil_way way, size_t *done)
{
	*done = 0;
	if (way == VEIL_FAULT)
		return fill_by_fault(v, p, from, size, done);
	for (; *done < size; *done += PAGE_SIZE)
		if (fill_protected(v, (char *)p + *done, (const char *)from + *done))
			return VEIL_FAILED;
	return veil_for_each_alias(v, p, size, protect_one, PROT_READ) ? VEIL_FAILED : VEIL_OK;
}

bool veil_is_watched(struct veil *v, void *p, size_t size)
{
	return v->uffd >= 0 && !veil_has_aliases(v, p, 1) && !write_protect(v, p, size, false);
}

size_t veil_move(struct veil *v, void *to, void *from, size_t size)
{
	size_t done = 0;

	while (done < size) {
		struct uffdio_move m = {
			.dst = (uintptr_t)to + done,
			.src = (uintptr_t)from + done,
			.len = size - done,
			.mode = UFFDIO_MOVE_MODE_DONTWAKE,
		};
		int r = veil_uffd(v, UFFDIO_MOVE, &m);

		if (!r || m.move > 0)
			done += (size_t)(r ? m.move : (long long)m.len);
		else if (r != -EAGAIN)
			break;
	}
	return done;
}

bool veil_zero(struct veil *v, void *p)
{
	struct uffdio_zeropage z = {
		.range = { .start = (uintptr_t)p & PAGE_MASK, .len = PAGE_SIZE },
		.mode = UFFDIO_ZEROPAGE_MODE_DONTWAKE,
	};

	return v->uffd >= 0 && !veil_uffd(v, UFFDIO_ZEROPAGE, &z);
}

bool veil_is_open(struct veil *v, void *p, bool write)
{
	void *page = (void *)((uintptr_t)p & PAGE_MASK);

	return !advise(page, PAGE_SIZE, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

bool veil_read(struct veil *v, void *to, const void *from, size_t size)
{
	struct iovec in = { to, size }, out = { (void *)(uintptr_t)from, size };
	int saved = errno;
	ssize_t n;

	n = syscall(SYS_process_vm_readv, getpid(), &in, 1ul, &out, 1ul, 0ul);
	if (n < 0 && (errno == EPERM || errno == ENOSYS) && v->mem >= 0)
		n = syscall(SYS_pread64, v->mem, to, size, (off_t)(uintptr_t)from);
	errno = saved;
	return n == (ssize_t)size;
}

bool veil_write(struct veil *v, void *to, const void *from, size_t size)
{
	struct iovec in = { (void *)(uintptr_t)from, size }, out = { to, size };
	int saved = errno;
	ssize_t n;

	n = syscall(SYS_process_vm_writev, getpid(), &in, 1ul, &out, 1ul, 0ul);
	if (n < 0 && (errno == EPERM || errno == ENOSYS) && v->mem >= 0)
		n = syscall(SYS_pwrite64, v->mem, from, size, (off_t)(uintptr_t)to);
	errno = saved;
	return n == (ssize_t)size;
}

#define BIT(sig)	(1ull << ((sig) - 1))
#define FAULTS		(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE) | BIT(SIGTRAP))

void veil_enter(uint64_t *mask)
{
	const uint64_t all = ~FAULTS;
	int saved = errno;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, mask, sizeof(*mask));
	errno = saved;
}

void veil_leave(const uint64_t *mask)
{
	int saved = errno;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, NULL, sizeof(*mask));
	errno = saved;
}
