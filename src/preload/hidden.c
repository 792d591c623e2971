/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/hidden.h"

#include "base/page.h"
#include "os/uaccess.h"

/* Far more than a call takes at once (MAX_RW_COUNT). */
#define MOST		(1ull << 31)
#define MOST_PIECES	1024u		/* UIO_MAXIOV */

static bool show(uintptr_t at, size_t size, bool write)
{
	uintptr_t end = at + MIN(size, MOST);

	if (!size || end < at || !abi_may_hide(front_machine(), (void *)at, end - at))
		return false;
	for (uintptr_t p = at; p < end; p = (p & PAGE_MASK) + PAGE_SIZE)
		(void)!os_prefault((void *)p, write);
	return true;
}

bool hidden_show_pages(const struct iovec *v, size_t nr, bool write)
{
	bool some = false;

	for (size_t i = 0; i < nr && i < MOST_PIECES; i++) {
		struct iovec one;

		/* The kernel says what is wrong with it. */
		if (os_copy_from(&one, v + i, sizeof(one)))
			break;
		some |= show((uintptr_t)one.iov_base, one.iov_len, write);
	}
	return some;
}
