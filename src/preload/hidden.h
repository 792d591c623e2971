/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * hidden.h - memory that the program hands to the kernel while a guest's key
 * has it: an instruction would trap and find it, a system call ends in EFAULT.
 * So it is touched before, and again when the guest has been quicker.
 */
#pragma once
#include <sys/uio.h>

#include "abi/change.h"
#include "preload/front.h"

/*
 * Looks at all pages of the program's @v that may be hidden (@write: stores to
 * them will follow); true when there are some.  Free as long as no guest has a key.
 */
bool hidden_show_pages(const struct iovec *v, size_t nr, bool write);

static inline bool hidden_show(const struct iovec *v, size_t nr, bool write)
{
	return unlikely(front_machine()) && hidden_show_pages(v, nr, write);
}

#define HIDDEN_TRIES	1000u

/* The result of @call, which reads, or with @write changes, the memory of @v. */
#define SHOWN(v, nr, write, call)					\
	({								\
		const struct iovec *shown_ = (v);			\
		bool some_ = hidden_show(shown_, nr, write);		\
		unsigned tries_ = 0;					\
		__typeof__(call) result_;				\
									\
		while ((result_ = call) == -1 && unlikely(some_) && errno == EFAULT && \
		       tries_++ < HIDDEN_TRIES)				\
			some_ = hidden_show(shown_, nr, write);		\
		result_;						\
	})

#define SHOWN_ONE(p, n, write, call)	\
	SHOWN((&(struct iovec){ (void *)(uintptr_t)(p), n }), 1, write, call)
