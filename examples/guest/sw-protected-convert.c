/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sw-protected-convert.c - a page between private and shared, at the guest's wish:
 * KVM_HC_MAP_GPA_RANGE goes to the VMM, which converts.  Each side begins with zeros.
 *
 * $ softcvm run --type sw-protected sw-protected-convert.elf
 * private: 0x1111
 * to shared: answer 0, the page has 0x0
 * to private: answer 0, the page has 0x0
 * half a page: answer -22
 * guest ended: exit 0
 */
#include "guest.h"

int guest_main(void)
{
	volatile uint64_t *page = guest_page();
	uint64_t at = (uintptr_t)page, answer;

	*page = 0x1111;
	guest_printf("private: 0x%lx\n", *page);
	answer = guest_hypercall(GUEST_HC_MAP_GPA_RANGE, at, 1, 0);
	guest_printf("to shared: answer %lu, the page has 0x%lx\n", answer, *page);
	*page = 0x2222;
	answer = guest_hypercall(GUEST_HC_MAP_GPA_RANGE, at, 1, GUEST_HC_PRIVATE);
	guest_printf("to private: answer %lu, the page has 0x%lx\n", answer, *page);
	answer = guest_hypercall(GUEST_HC_MAP_GPA_RANGE, at + 1, 1, 0);
	guest_printf("half a page: answer %ld\n", (long)answer);
	return 0;
}
