/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * string.c - what a compiler calls by itself.
 */
#include "guest.h"

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) :: "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *last_to = (uint8_t *)to + n - 1;
	const uint8_t *last_from = (const uint8_t *)from + n - 1;

	if ((uintptr_t)to - (uintptr_t)from >= n)
		return memcpy(to, from, n);
	__asm__ volatile("std; rep movsb; cld" : "+D"(last_to), "+S"(last_from), "+c"(n) :: "memory");
	return to;
}

void *memset(void *to, int c, size_t n)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}
