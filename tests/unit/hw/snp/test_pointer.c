/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_pointer.c - stores of the program's own to what the RMP says is a guest's.
 * All of it with userfaults and, the second time, without.
 */
#include <signal.h>
#include <string.h>

#include "hw/insn/phys.h"
#include "hw/insn/view.h"
#include "hw/mem/view.h"
#include "hw/snp/an_rmp.h"

static bool without_userfaults;
static struct hw *the_hw;
static sigjmp_buf back;
static volatile char *refused_at;

/* As the front end has it: what the machine does not mend is the program's. */
static bool ask(void *hw, void *addr, bool write)
{
	if (view_trap(hw, addr, write))
		return true;
	if (addr != refused_at)
		return false;
	siglongjmp(back, 1);
}

static bool store_is_refused(volatile char *p)
{
	refused_at = p;
	if (sigsetjmp(back, 1)) {
		refused_at = NULL;
		return true;
	}
	*p = 7;
	refused_at = NULL;
	return false;
}

static uint8_t *memory_up(hpa_t *a)
{
	uint8_t *p = os_map_private(2 * M2, 2 * M2);

	the_hw = a_machine((struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48,
					       .phys_reduction = 5, .c_bit = 47, .snp = true,
					       .rmp_end = 1ull << 42,
					       .no_userfaults = without_userfaults });
	assert_non_null(p);
	os_uaccess_ask_first(ask, the_hw);
	*a = phys_publish(the_hw, p);
	assert_true(view_guard(the_hw, p, 16 * PAGE_SIZE));
	return p;
}

static void memory_down(uint8_t *p)
{
	os_uaccess_ask_first(NULL, NULL);
	phys_retire(the_hw, p, 2 * M2);
	os_unmap(p, 2 * M2);
	no_machine(the_hw);
}

static void stores(void **unused)
{
	struct view_denial d;
	uint8_t *p, byte;
	hpa_t a;

	(void)unused;
	p = memory_up(&a);
	memset(p, 1, 16 * PAGE_SIZE);
	assert_false(store_is_refused((char *)p + 0x3000));
	assert_int_equal(assign(the_hw, a.v + 0x3000, GPA_AT, ASID, false), RMP_SUCCESS);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(store_is_refused((char *)p + 0x3123));
		assert_int_equal(p[0x3123], 1);		/* loads go through */
		assert_int_equal(p[0x3000], 7);
	}
	assert_true(view_denies(the_hw, p + 0x3123, true, true, &d));
	assert_int_equal(d.gfn, GFN_AT);
	assert_non_null(strstr(d.text, "gfn 0x12000 of ASID 5, 4K, not validated; RMPUPDATE assigned it"));
	assert_false(view_denies(the_hw, p + 0x3123, false, true, &d));
	assert_false(view_denies(the_hw, p + 0x4000, true, true, &d));
	assert_false(store_is_refused((char *)p + 0x2fff));
	assert_false(store_is_refused((char *)p + 0x4000));
	/* The machine itself writes: the secure processor does. */
	byte = 9;
	assert_true(view_write(the_hw, HPA(a.v + 0x3123), 0, &byte, 1));
	assert_int_equal(p[0x3123], 9);
	assert_true(store_is_refused((char *)p + 0x3123));
	assert_int_equal(release(the_hw, a.v + 0x3000, false), RMP_SUCCESS);
	assert_false(store_is_refused((char *)p + 0x3123));
	assert_int_equal(p[0x3123], 7);
	assert_false(view_denies(the_hw, p + 0x3123, true, true, &d));
	memory_down(p);
}

/* What a key has is hidden: a load finds ciphertext, and stores stay out. */
static void keys(void **unused)
{
	uint8_t key[MEM_KEY_BYTES], *p, *plain;
	hpa_t a;

	(void)unused;
	p = memory_up(&a);
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(3 * i);
	assert_true(view_key_install(the_hw, ASID, key));
	memset(p, 1, PAGE_SIZE);
	assert_int_equal(assign(the_hw, a.v, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_true(view_encrypt(the_hw, a, PAGE_SIZE, ASID));
	assert_true(store_is_refused((char *)p));
	plain = view_host(the_hw, a, ASID);
	assert_int_equal(plain[0], 1);
	assert_memory_not_equal(p, "\1\1\1\1\1\1\1\1", 8);
	assert_true(store_is_refused((char *)p));
	assert_int_equal(plain[0], 1);
	plain[1] = 5;
	assert_true(store_is_refused((char *)p));
	assert_int_equal(release(the_hw, a.v, false), RMP_SUCCESS);
	assert_false(store_is_refused((char *)p));
	view_key_remove(the_hw, ASID);
	memory_down(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(stores), cmocka_unit_test(keys) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	without_userfaults = true;
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
