/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * invalidate.c - munmap, mprotect, madvise and their kin, as the kernel's
 * mmu_notifier would see them.  mmap, files and userfaultfd are bracketed where
 * they are interposed (map.c, file.c, ioctl.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/file.h"
#include "os/uaccess.h"
#include "preload/bracket.h"
#include "preload/hidden.h"
#include "preload/name.h"
#include "preload/real.h"

/* Newer than the headers that we are built with may be. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#define MADV_GUARD_INSTALL_	102
#define MREMAP_DONTUNMAP_	4	/* Linux 5.7 */
#define UFFDIO_WRITEPROTECT_NR	0x06
#define UFFDIO_MOVE_NR		0x05

void bracket_end(struct bracket *b, bool gone)
{
	int saved = errno;

	if (likely(!b->is_on))
		return;
	abi_change_end(&b->change, gone);
	front_leave(&b->frame);
	errno = saved;
}

bool bracket_end_or_again(struct bracket *b, bool gone)
{
	bracket_end(b, gone);
	return unlikely(b->is_on) && gone && abi_looked_since(front_machine(), b->looks);
}

bool bracket_gates_leave(struct bracket *b, void *at, size_t size)
{
	int r = b->is_on ? abi_gates_leave(front_machine(), at, size, &b->gates) : 0;

	if (r)
		errno = -r;
	return !r;
}

void bracket_gates_arrive(struct bracket *b, void *to, size_t size, bool stays)
{
	int saved = errno;

	if (unlikely(b->gates))
		abi_gates_arrive(b->gates, to, size, stays);
	b->gates = NULL;
	errno = saved;
}

EXPORT int munmap(void *at, size_t size)
{
	struct bracket b;
	int r = -1;

	bracket_begin(&b, at, size);
	if (b.is_on)
		abi_show_shared(front_machine(), at, size);
	if (bracket_gates_leave(&b, at, size))
		r = real()->munmap(at, size);
	bracket_gates_arrive(&b, NULL, 0, r);
	bracket_end(&b, !r);
	return r;
}

/* A mapping of a guest_memfd refuses some of what the memfd does that stands for it. */
static bool is_gmem(const void *at, size_t size)
{
	return unlikely(front_machine()) && abi_maps_gmem(front_machine(), at, size);
}

/* No program lies on its file system. */
static bool is_gmem_made_executable(const void *at, size_t size, int prot)
{
	if (likely(!(prot & PROT_EXEC)) || !is_gmem(at, size))
		return false;
	errno = EACCES;
	return true;
}

EXPORT int mprotect(void *at, size_t size, int prot)
{
	struct bracket b;
	int r;

	if (is_gmem_made_executable(at, size, prot))
		return -1;
	bracket_begin(&b, at, size);
	r = real()->mprotect(at, size, prot);
	bracket_end(&b, false);
	return r;
}

EXPORT int pkey_mprotect(void *at, size_t size, int prot, int pkey)
{
	struct bracket b;
	int r;

	if (is_gmem_made_executable(at, size, prot))
		return -1;
	bracket_begin(&b, at, size);
	r = real()->pkey_mprotect(at, size, prot, pkey);
	bracket_end(&b, false);
	return r;
}

/* There is no fsync for it. */
EXPORT int msync(void *at, size_t size, int flags)
{
	if ((flags & MS_SYNC) && is_gmem(at, size)) {
		errno = EINVAL;
		return -1;
	}
	return real()->msync(at, size, flags);
}

enum advice { ADVICE_KEEPS, ADVICE_CHANGES, ADVICE_TAKES, ADVICE_TAKES_FROM_FILE };

/* What @advice does to the pages of the range. */
static enum advice kind_of(int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_GUARD_INSTALL_:
		return ADVICE_TAKES;
	case MADV_REMOVE:
		return ADVICE_TAKES_FROM_FILE;
	case MADV_FREE:
	case MADV_HWPOISON:
	case MADV_COLLAPSE:
		return ADVICE_CHANGES;
	default:
		return ADVICE_KEEPS;
	}
}

/* True: once more. */
static bool advise(void *at, size_t size, int advice, enum advice kind, int *r)
{
	struct bracket b;

	if (bracket_enter(&b)) {
		if (kind == ADVICE_TAKES_FROM_FILE)
			abi_change_behind(front_machine(), &b.change, at, size);
		else
			abi_change_range(front_machine(), &b.change, at, size);
		if (kind == ADVICE_TAKES)
			abi_show_shared(front_machine(), at, size);
	}
	bracket_to_call(&b);
	*r = real()->madvise(at, size, advice);
	return bracket_end_or_again(&b, !*r && kind != ADVICE_CHANGES);
}

static int advise_or_again(void *at, size_t size, int advice, enum advice kind)
{
	int r;

	if (advise(at, size, advice, kind, &r))
		(void)advise(at, size, advice, kind, &r);
	return r;
}

/* A hole in a guest_memfd: its guests go by the file, not by an address of the VMM's. */
static int punch(struct abi_gmem_piece *p)
{
	int mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, r;
	struct front_frame frame;

	front_enter(&frame);
	r = abi_fallocate(p->file, -1, mode, p->offset, (off_t)(p->end - p->start));
	abi_file_put(p->file);
	front_leave(&frame);
	return (int)front_answer(r);
}

/* MADV_REMOVE, piece by piece. */
static int remove_pieces(void *start, size_t size)
{
	uintptr_t at = (uintptr_t)start, end = at + size;
	int r = 0;

	while (!r && at < end) {
		struct abi_gmem_piece p = { end, end, 0, NULL };
		bool found = abi_next_gmem(front_machine(), at, end, &p);

		if (at < p.start)
			r = advise_or_again((void *)at, p.start - at, MADV_REMOVE,
					    ADVICE_TAKES_FROM_FILE);
		if (r && p.file)
			abi_file_put(p.file);
		else if (p.file)
			r = punch(&p);
		else if (found)
			r = advise_or_again((void *)p.start, p.end - p.start, MADV_REMOVE,
					    ADVICE_TAKES_FROM_FILE);
		at = p.end;
	}
	return r;
}

EXPORT int madvise(void *at, size_t size, int advice)
{
	enum advice kind = kind_of(advice);

	/* A file that converts in place: its holes are fallocate's, and a child has none of it. */
	if (unlikely(front_machine()) && (advice == MADV_REMOVE || advice == MADV_DOFORK) &&
	    abi_is_gated(front_machine(), at, size)) {
		errno = EINVAL;
		return -1;
	}
	if (kind == ADVICE_KEEPS)
		return real()->madvise(at, size, advice);
	/* Its folios are never larger than a page. */
	if (advice == MADV_COLLAPSE && is_gmem(at, size)) {
		errno = EINVAL;
		return -1;
	}
	if (advice == MADV_REMOVE && is_gmem(at, size))
		return remove_pieces(at, size);
	return advise_or_again(at, size, advice, kind);
}

/* mremap(2).  With size 0 or MREMAP_DONTUNMAP the old mapping stays. */
static void *move_gates_too(struct bracket *b, void *at, size_t size, size_t new_size, int flags,
			    void *to)
{
	bool stays = !size || (flags & MREMAP_DONTUNMAP_);
	struct gate_move *under;
	void *r = MAP_FAILED;

	/* What lies where it is to go. */
	if ((flags & MREMAP_FIXED) && !bracket_gates_leave(b, to, new_size))
		return r;
	under = b->gates;
	b->gates = NULL;
	if (bracket_gates_leave(b, at, size ? size : new_size))
		r = real()->mremap(at, size, new_size, flags, to);
	bracket_gates_arrive(b, r == MAP_FAILED ? NULL : r, new_size, r == MAP_FAILED || stays);
	b->gates = under;
	bracket_gates_arrive(b, NULL, 0, r == MAP_FAILED);
	return r;
}

EXPORT void *mremap(void *at, size_t size, size_t new_size, int flags, ...)
{
	struct bracket b;
	void *to, *r;
	va_list ap;

	va_start(ap, flags);
	to = va_arg(ap, void *);
	va_end(ap);
	if (bracket_enter(&b))
		abi_change_ranges(front_machine(), &b.change, at, size, to,
				  flags & MREMAP_FIXED ? new_size : 0);
	/* A page that a guest has would not move along; all of it is looked at. */
	hidden_show(&(struct iovec){ at, size }, 1, false);
	if (b.is_on && (flags & MREMAP_FIXED))
		abi_show_shared(front_machine(), to, new_size);
	r = move_gates_too(&b, at, size, new_size, flags, to);
	if (r != MAP_FAILED)
		bracket_file_mapped(r, new_size);
	bracket_end(&b, r != MAP_FAILED);
	return r;
}

EXPORT int remap_file_pages(void *at, size_t size, int prot, size_t offset, int flags)
{
	struct bracket b;
	int r;

	bracket_begin(&b, at, size);
	if (b.is_on && abi_is_gated(front_machine(), at, size)) {
		bracket_end(&b, false);
		errno = EINVAL;
		return -1;
	}
	r = real()->remap_file_pages(at, size, prot, offset, flags);
	if (!r)
		bracket_file_mapped(at, size);
	bracket_end(&b, !r);
	return r;
}

/* Changes of which is not known where they end: all guests leave. */
static void begin_everywhere(struct bracket *b)
{
	bracket_begin(b, NULL, 0x7ffffffff000);
}

EXPORT ssize_t process_madvise(int pidfd, const struct iovec *v, size_t n, int advice, unsigned int flags)
{
	enum advice kind = kind_of(advice);
	struct bracket b = { .is_on = false };
	ssize_t r;

	if (kind != ADVICE_KEEPS)
		begin_everywhere(&b);
	r = real()->process_madvise(pidfd, v, n, advice, flags);
	bracket_end(&b, false);
	return r;
}

EXPORT int shmdt(const void *at)
{
	struct bracket b;
	int r;

	begin_everywhere(&b);
	r = real()->shmdt(at);
	bracket_end(&b, false);
	return r;
}

EXPORT void *shmat(int id, const void *at, int flags)
{
	struct bracket b = { .is_on = false };
	void *r;

	if (flags & SHM_REMAP)
		begin_everywhere(&b);
	r = real()->shmat(id, at, flags);
	bracket_end(&b, false);
	return r;
}

/* The heap's end goes down. */
EXPORT int brk(void *end)
{
	char *now = real()->sbrk(0);
	struct bracket b = { .is_on = false };
	int r;

	if ((char *)end < now)
		bracket_begin(&b, end, (size_t)(now - (char *)end));
	r = real()->brk(end);
	bracket_end(&b, !r);
	return r;
}

EXPORT void *sbrk(intptr_t more)
{
	char *now = more < 0 ? real()->sbrk(0) : NULL;
	struct bracket b = { .is_on = false };
	void *r;

	if (now)
		bracket_begin(&b, now + more, (size_t)-more);
	r = real()->sbrk(more);
	bracket_end(&b, r != (void *)-1);
	return r;
}

/* -- Files -- */

static void begin_stat(struct bracket *b, bool known, const struct stat *st, off64_t offset,
		       off64_t length)
{
	if (known && S_ISREG(st->st_mode) && offset >= 0 && length >= 0)
		abi_change_file(front_machine(), &b->change, st, (uint64_t)offset,
				(uint64_t)length);
	else
		abi_change_range(front_machine(), &b->change, NULL, 0);
}

/* Is there anybody whom a change of a file could concern? */
static bool is_of_interest(void)
{
	return unlikely(front_machine()) && abi_has_slots(front_machine());
}

void bracket_begin_file(struct bracket *b, int fd, off64_t offset, off64_t length)
{
	struct stat st;

	b->is_on = false;
	if (is_of_interest() && bracket_enter(b))
		begin_stat(b, !os_fstat(fd, &st), &st, offset, length);
}

#define DEFINE_TRUNCATE(name, type)					\
EXPORT int name(const char *path, type length)				\
{									\
	struct bracket b = { .is_on = false };				\
	struct stat st;							\
	int r;								\
									\
	if (name_fails(AT_FDCWD, path, EINVAL, 0))			\
		return -1;						\
	if (is_of_interest() && bracket_enter(&b))			\
		begin_stat(&b, !real()->stat(path, &st), &st, length, INT64_MAX); \
	r = real()->name(path, length);					\
	bracket_end(&b, !r);						\
	return r;							\
}

DEFINE_TRUNCATE(truncate, off_t)
DEFINE_TRUNCATE(truncate64, off64_t)

/* -- userfaultfd -- */

bool bracket_begin_uffd(struct bracket *b, unsigned int cmd, unsigned long arg, bool *gone)
{
	/* Both begin with addresses: {start, len, mode}; {dst, src, len, ...}. */
	uint64_t word[3];

	b->is_on = false;
	if (likely(_IOC_TYPE(cmd) != UFFDIO) ||
	    (_IOC_NR(cmd) != UFFDIO_WRITEPROTECT_NR && _IOC_NR(cmd) != UFFDIO_MOVE_NR) ||
	    os_copy_from(word, (const void *)arg, sizeof(word)) || !bracket_enter(b))
		return false;
	*gone = _IOC_NR(cmd) == UFFDIO_MOVE_NR;
	if (*gone)
		abi_change_ranges(front_machine(), &b->change, (const void *)word[0], word[2],
				  (const void *)word[1], word[2]);
	else
		abi_change_range(front_machine(), &b->change, (const void *)word[0], word[1]);
	return true;
}
