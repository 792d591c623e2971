/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * map.c - mmap of a descriptor of ours: the kernel's refusals, then the real
 * thing on the memfd that stands for it.
 */
#include <sys/mman.h>

#include "preload/bracket.h"
#include "preload/real.h"

struct request {
	void	*at;
	size_t	 length;
	int	 prot, flags, fd;
	off_t	 offset;
};

static inline void *map(const struct request *m)
{
	return real()->mmap(m->at, m->length, m->prot, m->flags, m->fd, m->offset);
}

/* The kernel maps the memfd, then come the pages that are not the descriptor's own. */
static void *map_file(struct abi_file *file, const struct request *m)
{
	int r = abi_mmap_check(file, m->prot, m->flags, m->offset, m->length);
	void *p;

	if (!r) {
		p = map(m);
		if (p == MAP_FAILED)
			return p;
		r = abi_mmap_finish(file, p, m->prot, m->offset, m->length);
		if (!r)
			return p;
		real()->munmap(p, m->length);
	}
	front_answer(r);
	return MAP_FAILED;
}

static NOINLINE void *map_descriptor(const struct request *m)
{
	struct front_frame frame;
	struct abi_file *file;
	void *p;
	int err;

	front_enter(&frame);
	file = front_file(m->fd);
	if (!file) {
		front_leave(&frame);
		p = map(m);
	} else {
		p = map_file(file, m);
		err = errno;
		abi_file_put(file);
		front_leave(&frame);
		errno = err;
	}
	if (p != MAP_FAILED)
		bracket_file_mapped(p, m->length);
	return p;
}

/*
 * Only MAP_FIXED takes away what was there.  Guests see the new mapping when
 * it has what we put in, too.
 */
static inline void *map_any(const struct request *m)
{
	bool replaces = (m->flags & MAP_FIXED) == MAP_FIXED;
	struct bracket b;
	void *p;

	if (likely(!front_machine()))
		return map(m);
	if (replaces) {
		bracket_begin(&b, m->at, m->length);
		if (b.is_on)
			abi_show_shared(front_machine(), m->at, m->length);
		if (!bracket_gates_leave(&b, m->at, m->length)) {
			bracket_end(&b, false);
			return MAP_FAILED;
		}
	}
	p = (m->flags & MAP_ANONYMOUS) || m->fd < 0 ? map(m) : map_descriptor(m);
	if (replaces) {
		bracket_gates_arrive(&b, NULL, 0, p == MAP_FAILED);
		bracket_end(&b, p != MAP_FAILED);
	}
	return p;
}

#define DEFINE_MMAP(name, type)						\
EXPORT void *name(void *at, size_t length, int prot, int flags, int fd, type offset) \
{									\
	const struct request m = { at, length, prot, flags, fd, offset }; \
	return map_any(&m);						\
}

DEFINE_MMAP(mmap, off_t)
DEFINE_MMAP(mmap64, off64_t)
