/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * bracket.h - around a libc call that changes mappings of the program: guests
 * leave the range before it, and see what is there after it.
 *
 *	bracket_begin(&b, at, size);
 *	r = real()->munmap(at, size);
 *	bracket_end(&b, r == 0);
 *
 * The real call is made in any case; errno is its own.  Handlers of the
 * program wait until the end.  A call made by ourselves (an allocator of the
 * program's, on the way through us) is not the program's to announce.
 */
#pragma once
#include "abi/change.h"
#include "preload/front.h"

struct bracket {
	struct front_frame frame;
	struct abi_change  change;
	bool		   is_on;
	uint64_t	   looks;	/* bracket_to_call() */
	struct gate_move  *gates;	/* bracket_gates_leave() */
};

/* True: the caller begins a change of its machine and ends in bracket_end(). */
static inline bool bracket_enter(struct bracket *b)
{
	b->is_on = unlikely(front_machine()) && !sync_thread_get(THREAD_FRONT_END) &&
		   !atomic32_load_relaxed(&front_is_over);
	b->gates = NULL;
	if (b->is_on)
		front_enter(&b->frame);
	return b->is_on;
}

static inline void bracket_begin(struct bracket *b, const void *at, size_t size)
{
	if (bracket_enter(b))
		abi_change_range(front_machine(), &b->change, at, size);
}

/* The real call comes next, and may take pages away. */
static inline void bracket_to_call(struct bracket *b)
{
	b->looks = b->is_on ? abi_looks(front_machine()) : 0;
}

/*
 * Of a bracket that is on: mappings of guest_memfd that convert in place leave
 * [@at, @at + @size), which a call will take away or move.  False: errno says why not.
 */
MUST_CHECK bool bracket_gates_leave(struct bracket *b, void *at, size_t size);
/* They are at @to now, @size bytes (NULL: gone); @stays: (also) where they were. */
void bracket_gates_arrive(struct bracket *b, void *to, size_t size, bool stays);

/* @gone: the call has taken pages away, not only changed how they may be used. */
void bracket_end(struct bracket *b, bool gone);
/* The same after bracket_to_call().  True: @gone, but it is to be done all over again (abi_looks). */
MUST_CHECK bool bracket_end_or_again(struct bracket *b, bool gone);

/* Files: before bytes from @offset on cease to be what they were. */
void bracket_begin_file(struct bracket *b, int fd, off64_t offset, off64_t length);

/* ioctls of userfaultfd that change mappings; all others begin nothing. */
bool bracket_begin_uffd(struct bracket *b, unsigned int cmd, unsigned long arg, bool *gone);

/* A mapping of a file is new, or lies elsewhere. */
static inline void bracket_file_mapped(void *at, size_t size)
{
	if (likely(!front_machine()))
		return;
	abi_files_mapped(front_machine());
	abi_mapped(front_machine(), at, size);
}
