/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include "os/process.h"

struct real real_table;
bool real_is_ready;

/* What a C library without the name answers. */
static long absent(void)
{
	errno = ENOSYS;
	return -1;
}

static const struct {
	const char	*name;
	size_t		 place;
} names[] = {
#define REAL(ret, name, args) { #name, offsetof(struct real, name) },
#include "preload/real.def"
#undef REAL
};

/*
 * dlsym may allocate, an allocator may call us: that thread then finds the
 * first names already in place and goes on with them.  Two threads may both
 * do the work; they write the same values.
 */
void real_resolve(void)
{
	static int resolver;	/* a thread that is here */
	int self = os_tid();

	if (__atomic_load_n(&resolver, __ATOMIC_RELAXED) == self)
		return;
	__atomic_store_n(&resolver, self, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		void **place = (void **)((char *)&real_table + names[i].place);
		void *fn = dlsym(RTLD_NEXT, names[i].name);

		__atomic_store_n(place, fn ? fn : (void *)absent, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&real_is_ready, true, __ATOMIC_RELEASE);
	__atomic_store_n(&resolver, 0, __ATOMIC_RELAXED);
}
