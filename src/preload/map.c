/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * map.c - mmap of a descriptor of ours: the kernel's refusals, then the real
 * thing on the memfd that stands for it.
 */
#include <sys/mman.h>

#include "preload/bracket.h"
#include "preload/real.h"

static NOINLINE int refusal(size_t length, int prot, int flags, int fd, off_t offset)
{
	struct front_frame frame;
	struct abi_file *file;
	int r = 0;

	front_enter(&frame);
	file = front_file(fd);
	if (file)
		r = abi_mmap_check(file, prot, flags, offset, length);
	abi_file_put(file);
	front_leave(&frame);
	return r;
}

static inline bool is_refused(size_t length, int prot, int flags, int fd, off_t offset)
{
	int r;

	if ((flags & MAP_ANONYMOUS) || fd < 0 || likely(!front_machine()))
		return false;
	r = refusal(length, prot, flags, fd, offset);
	return r && front_answer(r);
}

/* What the kernel has mapped gets the pages that are not the descriptor's own. */
static NOINLINE void *finished(void *p, size_t length, int prot, int fd, off_t offset)
{
	struct front_frame frame;
	struct abi_file *file;
	int r = 0;

	front_enter(&frame);
	file = front_file(fd);
	if (file)
		r = abi_mmap_finish(file, p, prot, offset, length);
	abi_file_put(file);
	front_leave(&frame);
	if (r) {
		real()->munmap(p, length);
		front_answer(r);
		return MAP_FAILED;
	}
	return p;
}

static inline void *finish(void *p, size_t length, int prot, int flags, int fd, off_t offset)
{
	if (p == MAP_FAILED || (flags & MAP_ANONYMOUS) || fd < 0 || likely(!front_machine()))
		return p;
	return finished(p, length, prot, fd, offset);
}

/*
 * Only MAP_FIXED takes away what was there.  Guests see the new mapping when
 * it has what we put in, too.
 */
#define DEFINE_MMAP(name, type)						\
EXPORT void *name(void *at, size_t length, int prot, int flags, int fd, type offset) \
{									\
	bool replaces = (flags & MAP_FIXED) == MAP_FIXED;		\
	struct bracket b;						\
	void *p;							\
									\
	if (is_refused(length, prot, flags, fd, offset))		\
		return MAP_FAILED;					\
	if (replaces)							\
		bracket_begin(&b, at, length);				\
	p = real()->name(at, length, prot, flags, fd, offset);		\
	p = finish(p, length, prot, flags, fd, offset);			\
	if (p != MAP_FAILED && !(flags & MAP_ANONYMOUS))		\
		bracket_file_mapped();					\
	if (replaces)							\
		bracket_end(&b, p != MAP_FAILED);			\
	return p;							\
}

DEFINE_MMAP(mmap, off_t)
DEFINE_MMAP(mmap64, off64_t)
