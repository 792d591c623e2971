/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * check_libc.h - checks of a value and of a call that fails, with the line that
 * made them.  The program's `static struct checks c` counts.
 */
#ifndef TESTS_ABI_CHECK_LIBC_H
#define TESTS_ABI_CHECK_LIBC_H

#include <errno.h>

#include "kvm_user.h"

#define IS(want, expr) \
	do { \
		long long is_got = (long long)(expr), is_want = (long long)(want); \
		check(&c, is_got == is_want, "%s:%d: %s is %lld (%#llx), not %lld (%#llx)", __func__, \
		      __LINE__, #expr, is_got, is_got, is_want, is_want); \
	} while (0)

/* A libc call that fails with @e. */
#define FAILS(e, expr) \
	do { \
		errno = 0; \
		long fails_got = (long)(expr); \
		check(&c, fails_got == -1 && errno == (e), "%s:%d: %s is %ld with %s, not %s", \
		      __func__, __LINE__, #expr, fails_got, errno_name(errno), errno_name(e)); \
	} while (0)

#endif
