/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/page.h"
#include "os/uaccess.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECKER	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECKER	1
#endif
#endif
#ifdef HAS_LEAK_CHECKER
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_register_root_region(p, size)	((void)(p), (void)(size))
#define __lsan_unregister_root_region(p, size)	((void)(p), (void)(size))
#endif

#ifndef MADV_POPULATE_WRITE		/* Linux 5.14 */
#define MADV_POPULATE_WRITE	23
#endif

/*
 * What goes or changes here is ours, never a guest's: by system call, for the
 * libc names are those that the front end watches.
 */
static int unmap(void *p, size_t size)
{
	return (int)syscall(SYS_munmap, p, size);
}

static int advise(void *p, size_t size, int advice)
{
	return (int)syscall(SYS_madvise, p, size, advice);
}

void *os_map_private(size_t size, size_t align)
{
	size_t room = size + align - PAGE_SIZE;
	char *p, *aligned;

	if (room < size)
		return NULL;
	p = mmap(NULL, room, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	aligned = (char *)ALIGN_UP((uintptr_t)p, align);
	if (aligned > p)
		(void)unmap(p, (size_t)(aligned - p));
	if (aligned + size < p + room)
		(void)unmap(aligned + size, (size_t)(p + room - aligned) - size);
	/* Both can only fail where the kernel lacks them, without harm to us. */
	(void)advise(aligned, size, MADV_DONTFORK);
	(void)advise(aligned, size, MADV_DONTDUMP);
	return aligned;
}

void *os_map_inherited(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void *os_map_wiped_on_fork(size_t size)
{
	void *p = os_map_inherited(size);

	if (p && advise(p, size, MADV_WIPEONFORK)) {
		(void)unmap(p, size);
		return NULL;
	}
	return p;
}

void os_holds_pointers(void *p, size_t size)
{
	__lsan_register_root_region(p, size);
}

void os_holds_none(void *p, size_t size)
{
	__lsan_unregister_root_region(p, size);
}

void *os_map_shared(int fd, uint64_t offset, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	return p == MAP_FAILED ? NULL : p;
}

void *os_map_shared_private(int fd, size_t size)
{
	size_t large = PG_LEVEL_SIZE(PG_LEVEL_2M);
	void *p = os_map_private(size, size < large ? PAGE_SIZE : large);

	if (!p)
		return NULL;
	if (mmap(p, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		os_unmap(p, size);
		return NULL;
	}
	(void)advise(p, size, MADV_DONTFORK);
	(void)advise(p, size, MADV_DONTDUMP);
	return p;
}

void *os_map_shared_anonymous(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int os_map_again(void *from, size_t size, void *to, int prot)
{
	/* Old size 0: the pages stay where they are, too (mremap(2)). */
	if (syscall(SYS_mremap, from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == -1)
		return -errno;
	return os_protect(to, size, prot);
}

int os_map_again_closed(void *from, size_t size, void *to)
{
	long at = syscall(SYS_mremap, from, 0, size, MREMAP_MAYMOVE);
	int r;

	if (at == -1)
		return -errno;
	if (!syscall(SYS_mprotect, at, size, PROT_NONE) &&
	    syscall(SYS_mremap, at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != -1)
		return 0;
	r = -errno;
	os_unmap((void *)at, size);
	return r;
}

int os_protect(void *p, size_t size, int prot)
{
	return syscall(SYS_mprotect, p, size, prot) ? -errno : 0;
}

void os_unmap(void *p, size_t size)
{
	if (unmap(p, size))
		panic("munmap(%p, %#zx): %d", p, size, errno);
}

void os_discard(void *p, size_t size)
{
	if (advise(p, size, MADV_DONTNEED))
		panic("madvise(%p, %#zx, MADV_DONTNEED): %d", p, size, errno);
}

void os_punch(void *p, size_t size)
{
	if (advise(p, size, MADV_REMOVE))
		panic("madvise(%p, %#zx, MADV_REMOVE): %d", p, size, errno);
}

void os_prefer_huge(void *p, size_t size)
{
	(void)advise(p, size, MADV_HUGEPAGE);	/* a wish: kernels without them say no */
}

int os_populate(void *p, size_t size)
{
	if (!advise(p, size, MADV_POPULATE_WRITE))
		return 0;
	if (errno == ENOMEM)
		return -ENOMEM;
	/* A kernel that does not know it, or pages that a userfault waits for: a touch of each. */
	for (size_t at = 0; at < size; at += PAGE_SIZE) {
		if (!os_prefault((char *)p + at, true))
			return -ENOMEM;
	}
	return 0;
}

int os_object_fd(const char *name, bool cloexec)
{
	int fd = memfd_create(name, MFD_ALLOW_SEALING | (cloexec ? MFD_CLOEXEC : 0));

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int os_shared_memfd(const char *name, size_t size, bool cloexec)
{
	int fd = memfd_create(name, MFD_ALLOW_SEALING | (cloexec ? MFD_CLOEXEC : 0));

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}
