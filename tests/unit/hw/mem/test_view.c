/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_view.c - what keys, and whoever has none, see of a frame.  All of it
 * with userfaults and, the second time, without.
 */
#include "hw/mem/view.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/insn/phys.h"
#include "hw/insn/view.h"
#include "hw/mem/a_machine.h"
#include "hw/mem/blocks.h"
#include "os/process.h"
#include "sync/crowd.h"

#define PAGES	8

static bool without_userfaults;

struct bench {
	struct hw	*hw;
	uint8_t		*raw;		/* PAGES of them */
	hpa_t		 a[PAGES];
};

static bool ask(void *hw, void *addr, bool write)
{
	return view_trap(hw, addr, write);
}

static void put_key(struct hw *hw, keyslot_t slot, uint8_t seed)
{
	uint8_t key[MEM_KEY_BYTES];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(seed + 3 * i);
	assert_true(view_key_install(hw, slot, key));
}

static void publish(struct bench *b, uint8_t *raw)
{
	b->raw = raw;
	for (unsigned i = 0; i < PAGES; i++)
		b->a[i] = phys_publish(b->hw, raw + i * PAGE_SIZE);
}

/* Physical addresses follow each other within a GiB of the host's, no further: nor does this. */
static uint8_t *some_memory(size_t size, int flags)
{
	uint8_t *p = os_map_private(size, 8ull << 20);

	assert_non_null(p);
	assert_true(size <= 8ull << 20);
	assert_ptr_equal(mmap(p, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_FIXED,
			      -1, 0), p);
	return p;
}

static struct bench bench_up(void)
{
	struct hw_config c = { .vendor = HW_VENDOR_AMD, .phys_bits = 40,
			       .no_userfaults = without_userfaults };
	struct bench b = { .hw = a_machine(c) };

	os_uaccess_ask_first(ask, b.hw);
	publish(&b, some_memory(PAGES * PAGE_SIZE, MAP_PRIVATE));
	put_key(b.hw, 1, 1);
	put_key(b.hw, 2, 2);
	return b;
}

static void bench_down(struct bench *b)
{
	os_uaccess_ask_first(NULL, NULL);
	no_machine(b->hw);
	munmap(b->raw, PAGES * PAGE_SIZE);
}

static uint64_t counted(const struct bench *b, enum counter_id id)
{
	return counter_read(hw_config(b->hw)->counters, id);
}

static bool all_are(const uint8_t *p, uint8_t v)
{
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		if (((const volatile uint8_t *)p)[i] != v)
			return false;
	return true;
}

/* What LAUNCH_UPDATE_DATA does. */
static uint8_t *encrypt_page(struct bench *b, unsigned page, keyslot_t slot, uint8_t byte)
{
	uint8_t *p;

	memset(b->raw + page * PAGE_SIZE, byte, PAGE_SIZE);
	assert_true(view_encrypt(b->hw, b->a[page], PAGE_SIZE, slot));
	p = view_host(b->hw, b->a[page], slot);
	assert_non_null(p);
	return p;
}

static void what_nobody_looks_at_costs_nothing(void **unused)
{
	struct bench b = bench_up();

	(void)unused;
	memset(b.raw, 0x11, PAGES * PAGE_SIZE);
	assert_true(view_encrypt(b.hw, b.a[0], PAGES * PAGE_SIZE, 1));
	for (unsigned i = 0; i < PAGES; i++) {
		uint8_t *p = view_host(b.hw, b.a[i], 1);

		assert_true(view_is_hidden(b.hw, b.raw + i * PAGE_SIZE));
		assert_true(all_are(p, 0x11));
		memset(p, (int)i, PAGE_SIZE);
	}
	assert_true(view_may_hide(b.hw, b.raw, 1));
	assert_int_equal(counted(&b, COUNTER_ENCRYPTED_PAGES), 0);
	assert_int_equal(counted(&b, COUNTER_DECRYPTED_PAGES), 0);
	assert_int_equal(counted(&b, COUNTER_LOOKS), 0);
	bench_down(&b);
}

/* Ciphertext that a look has left raw is the key's until somebody stores there. */
static void what_a_look_leaves_is_the_keys(void **unused)
{
	struct bench b = bench_up();
	volatile uint8_t *raw = b.raw;
	uint8_t *p = encrypt_page(&b, 0, 1, 0x11), was;

	(void)unused;
	assert_false(view_is_left(b.hw, b.raw));
	was = raw[5];
	assert_true(view_is_left(b.hw, b.raw + 100));
	assert_int_not_equal(view_owner_at(b.hw, b.raw), 0);
	assert_false(view_is_left(b.hw, b.raw + PAGE_SIZE));
	raw[4095] ^= 1;
	assert_false(view_is_left(b.hw, b.raw));
	assert_int_equal(view_owner_at(b.hw, b.raw), 0);
	raw[4095] ^= 1;
	assert_true(view_is_left(b.hw, b.raw));
	assert_int_equal(raw[5], was);
	/* The key has it again; and then it decrypts it for all to see. */
	((volatile uint8_t *)p)[0] = 0x22;
	assert_false(view_is_left(b.hw, b.raw));
	assert_int_not_equal(view_owner_at(b.hw, b.raw), 0);
	assert_true(view_decrypt(b.hw, b.a[0], PAGE_SIZE, 1));
	assert_int_equal(raw[5], 0x11);
	assert_false(view_is_left(b.hw, b.raw));
	bench_down(&b);
}

/* P1, P2 of the properties: not the plaintext, and always the same. */
static void a_look_finds_ciphertext(void **unused)
{
	struct bench b = bench_up();
	uint8_t *p = encrypt_page(&b, 0, 1, 0), seen[PAGE_SIZE], again[PAGE_SIZE];

	(void)unused;
	memcpy(seen, b.raw, PAGE_SIZE);
	assert_false(view_is_hidden(b.hw, b.raw));
	assert_int_equal(counted(&b, COUNTER_LOOKS), 1);
	assert_int_equal(counted(&b, COUNTER_ENCRYPTED_PAGES), 1);
	for (unsigned i = 0; i < PAGE_SIZE; i += 16)
		assert_memory_not_equal(seen + i, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_true(all_are(p, 0));
	assert_true(view_is_hidden(b.hw, b.raw));
	p[100] = 0;
	memcpy(again, b.raw, PAGE_SIZE);
	assert_memory_equal(seen, again, PAGE_SIZE);
	assert_int_equal(counted(&b, COUNTER_LOOKS), 2);
	/* The guest without its C-bit, and KVM, by another road. */
	assert_true(view_read(b.hw, b.a[0], 0, again, PAGE_SIZE));
	assert_memory_equal(seen, again, PAGE_SIZE);
	assert_true(view_read(b.hw, b.a[0], 1, again, PAGE_SIZE));
	assert_true(all_are(again, 0));
	bench_down(&b);
}

/* Around the page tables, as a debugger reads: nothing of the plaintext. */
static void a_hidden_page_is_not_found_by_another_road(void **unused)
{
	struct bench b = bench_up();
	uint8_t *p = encrypt_page(&b, 0, 1, 0x5a), seen[PAGE_SIZE];
	int mem = open("/proc/self/mem", O_RDONLY);
	ssize_t n = pread(mem, seen, PAGE_SIZE, (off_t)(uintptr_t)b.raw);

	(void)unused;
	assert_true(n <= 0 || !memchr(seen, 0x5a, PAGE_SIZE));
	assert_true(all_are(p, 0x5a));
	/* The same of the key's own view, once the raw one is present. */
	memcpy(seen, b.raw, PAGE_SIZE);
	n = pread(mem, seen, PAGE_SIZE, (off_t)(uintptr_t)p);
	assert_true(n <= 0 || !memchr(seen, 0x5a, 16));
	close(mem);
	bench_down(&b);
}

/* P3, P4, P6 */
static void ciphertext_depends_on_place_and_key(void **unused)
{
	struct bench b = bench_up();
	uint8_t *p0 = encrypt_page(&b, 0, 1, 7), *p1 = encrypt_page(&b, 1, 1, 7);
	uint8_t *p2 = encrypt_page(&b, 2, 2, 7);
	uint8_t one[PAGE_SIZE];

	(void)unused;
	assert_int_equal(blocks_unlike(b.raw, b.raw + PAGE_SIZE), ALL);
	/* Ciphertext that is moved is garbage, at its own place it is not. */
	memcpy(one, b.raw, PAGE_SIZE);
	memcpy(b.raw + PAGE_SIZE, one, PAGE_SIZE);
	assert_false(all_are(p1, 7));
	assert_true(all_are(p0, 7));
	/* A replay at the same place is the old plaintext. */
	memset(p0, 9, PAGE_SIZE);
	memcpy(b.raw, one, PAGE_SIZE);
	assert_true(all_are(p0, 7));
	/* Another key's eyes. */
	assert_true(view_read(b.hw, b.a[2], 1, one, PAGE_SIZE));
	assert_false(all_are(one, 7));
	assert_true(all_are(p2, 7));
	bench_down(&b);
}

/* P5 */
static void a_store_garbles_one_block(void **unused)
{
	struct bench b = bench_up();
	uint8_t *p = encrypt_page(&b, 3, 1, 0x77), was[PAGE_SIZE];

	(void)unused;
	memset(was, 0x77, PAGE_SIZE);
	b.raw[3 * PAGE_SIZE + 200] ^= 0x80;
	assert_int_equal(blocks_unlike(p, was), 1);
	assert_memory_not_equal(p + 192, was + 192, 16);
	bench_down(&b);
}

/* P7: a page that the host has made zero is not zero to the guest. */
static void zeros_of_the_host_are_none_of_the_guest(void **unused)
{
	struct bench b = bench_up();

	(void)unused;
	assert_false(all_are(view_host(b.hw, b.a[4], 1), 0));
	assert_true(all_are(b.raw + 4 * PAGE_SIZE, 0));
	bench_down(&b);
}

static void a_page_used_again_has_nothing_of_the_old_owner(void **unused)
{
	struct bench b = bench_up();
	uint8_t *p = encrypt_page(&b, 0, 1, 0x42), bytes[PAGE_SIZE];
	hpa_t was = b.a[0];

	(void)unused;
	assert_int_equal(madvise(b.raw, PAGE_SIZE, MADV_DONTNEED), 0);
	(void)frames_retire(&b.hw->frames, b.raw, PAGE_SIZE);
	assert_false(os_load8(p, bytes));
	assert_true(all_are(b.raw, 0));
	assert_int_equal(phys_publish(b.hw, b.raw).v, was.v);
	assert_true(view_read(b.hw, was, 0, bytes, PAGE_SIZE));
	assert_true(all_are(bytes, 0));
	/* Its own key finds the decryption of zeros, and not what it had there. */
	assert_true(view_read(b.hw, was, 1, bytes, PAGE_SIZE));
	assert_false(all_are(bytes, 0x42));
	bench_down(&b);
}

static void in_place_by_blocks(void **unused)
{
	struct bench b = bench_up();
	uint8_t *p = encrypt_page(&b, 0, 1, 1), cipher[PAGE_SIZE], now[PAGE_SIZE];

	(void)unused;
	memcpy(cipher, b.raw, PAGE_SIZE);
	/* Blocks 2 and 3: raw bytes become plaintext, the rest stays. */
	memset(b.raw + 32, 5, 32);
	assert_true(view_encrypt(b.hw, HPA(b.a[0].v + 32), 32, 1));
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(p[i], i >= 32 && i < 64 ? 5 : 1);
	/* And back: plaintext becomes raw there. */
	assert_true(view_decrypt(b.hw, HPA(b.a[0].v + 32), 32, 1));
	memcpy(now, b.raw, PAGE_SIZE);
	assert_memory_equal(now, cipher, 32);
	assert_memory_equal(now + 64, cipher + 64, PAGE_SIZE - 64);
	for (unsigned i = 32; i < 64; i++)
		assert_int_equal(now[i], 5);
	/* Twice is twice. */
	assert_true(view_encrypt(b.hw, b.a[1], PAGE_SIZE, 1));
	memcpy(cipher, b.raw + PAGE_SIZE, PAGE_SIZE);
	assert_true(view_encrypt(b.hw, b.a[1], PAGE_SIZE, 1));
	assert_true(view_read(b.hw, b.a[1], 1, now, PAGE_SIZE));
	assert_memory_equal(now, cipher, PAGE_SIZE);
	/* Over a page end, and back to where it was. */
	memset(b.raw + 2 * PAGE_SIZE, 3, 3 * PAGE_SIZE);
	assert_true(view_encrypt(b.hw, HPA(b.a[2].v + 48), 2 * PAGE_SIZE, 2));
	assert_true(view_decrypt(b.hw, HPA(b.a[2].v + 48), 2 * PAGE_SIZE, 2));
	assert_true(all_are(b.raw + 2 * PAGE_SIZE, 3));
	assert_true(all_are(b.raw + 3 * PAGE_SIZE, 3));
	assert_true(all_are(b.raw + 4 * PAGE_SIZE, 3));
	assert_false(view_encrypt(b.hw, HPA(b.a[2].v + 8), 16, 2));
	assert_false(view_encrypt(b.hw, HPA(b.a[PAGES - 1].v), 2 * PAGE_SIZE, 2));
	assert_false(view_encrypt(b.hw, b.a[0], 16, 3));
	bench_down(&b);
}

static void a_key_that_is_gone_leaves_ciphertext(void **unused)
{
	struct bench b = bench_up();
	uint8_t seen[PAGE_SIZE], now[PAGE_SIZE];

	(void)unused;
	encrypt_page(&b, 0, 1, 1);
	assert_true(view_read(b.hw, b.a[0], 0, seen, PAGE_SIZE));
	assert_true(view_read(b.hw, b.a[0], 1, now, PAGE_SIZE));
	view_key_remove(b.hw, 1);
	memcpy(now, b.raw, PAGE_SIZE);
	assert_memory_equal(seen, now, PAGE_SIZE);
	/* The slot is empty, so is its key: raw bytes. */
	assert_true(view_read(b.hw, b.a[0], 1, now, PAGE_SIZE));
	assert_memory_equal(seen, now, PAGE_SIZE);
	/* The same slot, another key: objects are used again. */
	for (unsigned i = 0; i < 100; i++) {
		put_key(b.hw, 1, (uint8_t)(40 + i));
		assert_false(all_are(view_host(b.hw, b.a[0], 1), 1));
		view_key_remove(b.hw, 1);
	}
	put_key(b.hw, 1, 1);
	assert_false(view_key_install(b.hw, 1, seen));
	assert_false(view_key_install(b.hw, 0, seen));
	bench_down(&b);
}

static void all_mappings_of_a_file_lose_the_page(void **unused)
{
	struct bench b = bench_up();
	int fd = memfd_create("guest", 0);
	uint8_t *one, *two, *late, *p, seen[PAGE_SIZE];

	(void)unused;
	assert_int_equal(ftruncate(fd, PAGES * PAGE_SIZE), 0);
	one = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	two = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	munmap(b.raw, PAGES * PAGE_SIZE);
	(void)frames_retire(&b.hw->frames, b.raw, PAGES * PAGE_SIZE);
	publish(&b, one);
	memset(two, 3, PAGES * PAGE_SIZE);
	p = encrypt_page(&b, 1, 1, 0x31);
	memcpy(seen, two + PAGE_SIZE, PAGE_SIZE);
	assert_memory_equal(seen, one + PAGE_SIZE, PAGE_SIZE);
	assert_false(all_are(seen, 0x31));
	assert_true(all_are(p, 0x31));
	/* A store through the second is the guest's garbage, through the guest everybody's. */
	two[PAGE_SIZE] ^= 1;
	assert_false(all_are(p, 0x31));
	memset(p, 0x32, PAGE_SIZE);
	assert_true(view_is_hidden(b.hw, two + PAGE_SIZE));
	assert_memory_not_equal(two + PAGE_SIZE, seen, 16);
	assert_memory_equal(two + PAGE_SIZE, one + PAGE_SIZE, PAGE_SIZE);
	assert_true(all_are(p, 0x32));
	/* One that comes later. */
	late = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE_SIZE);
	view_mapped(b.hw, late, 2 * PAGE_SIZE);
	memcpy(seen, late, PAGE_SIZE);
	assert_false(all_are(seen, 0x32));
	assert_false(all_are(seen, 0));
	assert_memory_equal(seen, one + PAGE_SIZE, PAGE_SIZE);
	late[7] = 1;
	two[7 + PAGE_SIZE] = 2;
	assert_int_equal(late[7], 2);
	munmap(late, 2 * PAGE_SIZE);
	munmap(two, PAGES * PAGE_SIZE);
	bench_down(&b);
	close(fd);
}

/* Some MiB at once: pages never touched, a page that another key has, one of its own. */
static void a_long_range_goes_at_once(void **unused)
{
	const size_t pages = 1500;
	struct bench b = bench_up();
	int kinds[] = { MAP_PRIVATE, MAP_SHARED };
	uint8_t bytes[PAGE_SIZE];

	(void)unused;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		uint8_t *p = some_memory(pages * PAGE_SIZE, kinds[k]);
		hpa_t a = phys_publish(b.hw, p);

		for (size_t i = 0; i < pages; i++) {
			assert_true(hpa_is_valid(phys_publish(b.hw, p + i * PAGE_SIZE)));
			if (i % 3)
				memset(p + i * PAGE_SIZE, (int)i, PAGE_SIZE);
		}
		assert_true(view_encrypt(b.hw, HPA(a.v + 700 * PAGE_SIZE), PAGE_SIZE, 2));
		assert_true(view_encrypt(b.hw, HPA(a.v + 16), pages * PAGE_SIZE - 32, 1));
		for (size_t i = 1; i < pages - 1; i++) {
			assert_true(view_read(b.hw, HPA(a.v + i * PAGE_SIZE), 1, bytes, PAGE_SIZE));
			assert_true(view_is_hidden(b.hw, p + i * PAGE_SIZE));
			assert_int_equal(all_are(bytes, i % 3 ? (uint8_t)i : 0), i != 700);
		}
		assert_true(view_read(b.hw, a, 1, bytes, PAGE_SIZE));
		assert_int_equal(bytes[16], 0);
		/* The two ends and the other key's page; and nothing else. */
		assert_true(counted(&b, COUNTER_ENCRYPTED_PAGES) <= 3 * (k + 1));
		/* One frame missing, and nothing is done. */
		(void)frames_retire(&b.hw->frames, p + 5 * PAGE_SIZE, PAGE_SIZE);
		assert_false(view_encrypt(b.hw, a, pages * PAGE_SIZE, 1));
		(void)frames_retire(&b.hw->frames, p, pages * PAGE_SIZE);
		munmap(p, pages * PAGE_SIZE);
	}
	bench_down(&b);
}

static void a_page_mapped_anew_without_a_word_is_what_it_is(void **unused)
{
	struct bench b = bench_up();
	uint8_t bytes[PAGE_SIZE];

	(void)unused;
	encrypt_page(&b, 0, 1, 0x42);
	assert_ptr_equal(mmap(b.raw, PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), b.raw);
	memset(b.raw, 3, PAGE_SIZE);
	if (without_userfaults)	/* what was there goes over it, as a write would */
		assert_true(view_host(b.hw, b.a[0], 0) == b.raw);
	else
		assert_true(view_read(b.hw, b.a[0], 0, bytes, PAGE_SIZE) && all_are(bytes, 3));
	bench_down(&b);
}

static void memory_of_the_machine_has_views_too(void **unused)
{
	struct bench b = bench_up();
	hpa_t page = phys_page_alloc(b.hw);
	uint8_t bytes[PAGE_SIZE];

	(void)unused;
	memset(bytes, 0x66, PAGE_SIZE);
	assert_true(view_write(b.hw, page, 1, bytes, PAGE_SIZE));
	assert_true(phys_load64(b.hw, page) != 0x6666666666666666ull);
	assert_true(view_read(b.hw, page, 1, bytes, PAGE_SIZE));
	assert_true(all_are(bytes, 0x66));
	phys_page_free(b.hw, page);
	for (unsigned i = 0; i < 3000; i++) {
		page = phys_page_alloc(b.hw);
		assert_int_equal(phys_load64(b.hw, page), 0);
		assert_true(view_write(b.hw, page, 1, bytes, PAGE_SIZE));
		if (i % 2)
			phys_page_free(b.hw, page);
	}
	bench_down(&b);
}

/* -- Two at once -- */

#define MOVES	600u

struct hammer {
	struct bench	*b;
	uint8_t		*at[3];
	unsigned	 lost[3];
};

/* Its own block through its own view: what it stored it finds, whatever happens to the others. */
static void hammer(void *arg, unsigned who)
{
	struct hammer *h = arg;
	uint8_t *at = h->at[who];

	for (uint64_t i = 1; counted(h->b, COUNTER_LOOKS) < MOVES; i++) {
		uint64_t got;

		if (!os_store64(at, i) || !os_store64(at + 8, ~i) || !os_load64(at, &got) ||
		    got != i || !os_load64(at + 8, &got) || got != ~i)
			h->lost[who]++;
		if (!(i % 256))
			os_yield();
	}
}

static void no_store_is_lost(void **unused)
{
	struct bench b = bench_up();
	struct hammer h = { .b = &b };

	(void)unused;
	encrypt_page(&b, 0, 1, 0);
	h.at[0] = b.raw;
	h.at[1] = view_host(b.hw, b.a[0], 1) + 64;
	h.at[2] = view_host(b.hw, b.a[0], 2) + 128;
	crowd_run(3, hammer, &h);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(h.lost[i], 0);
	bench_down(&b);
}

#define LIVES	150

struct lives {
	struct bench	b;
	uint8_t		*key[3];	/* views of 1 and 2 */
	atomic32_t	over;
	unsigned	seen_old;
};

/* VIEW-4: guests that touch all the time, by old pointers, do not keep an old owner's bytes alive. */
static void live(void *arg, unsigned who)
{
	struct lives *l = arg;
	struct bench *b = &l->b;
	uint8_t *p = b->raw, byte, *key = l->key[who], bytes[PAGE_SIZE];

	if (who) {
		while (!atomic32_load(&l->over)) {
			(void)!os_load8(key, &byte);
			(void)!os_prefault(key + 64, true);
		}
		return;
	}
	for (unsigned i = 0; i < LIVES; i++) {
		(void)madvise(p, PAGE_SIZE, MADV_DONTNEED);
		(void)frames_retire(&b->hw->frames, p, PAGE_SIZE);
		BUG_ON(phys_publish(b->hw, p).v != b->a[0].v);
		BUG_ON(!view_read(b->hw, b->a[0], 0, bytes, PAGE_SIZE));
		l->seen_old += bytes[0] != 0;
		BUG_ON(!view_read(b->hw, b->a[0], 1, bytes, PAGE_SIZE));
		l->seen_old += bytes[128] == 0xa5 && bytes[129] == 0xa5;
		memset(bytes, 0xa5, PAGE_SIZE);
		BUG_ON(!view_write(b->hw, b->a[0], 1, bytes, PAGE_SIZE));
	}
	atomic32_store(&l->over, 1);
}

static void nothing_outlives_its_frame(void **unused)
{
	struct lives l = { .b = bench_up() };

	(void)unused;
	l.key[1] = encrypt_page(&l.b, 0, 1, 0xa5);
	l.key[2] = view_host(l.b.hw, l.b.a[0], 2);
	assert_ptr_equal(view_raw_address(l.b.hw, (uintptr_t)l.key[2]), l.b.raw);
	crowd_run(3, live, &l);
	assert_int_equal(l.seen_old, 0);
	bench_down(&l.b);
}

static int with_userfaults(void **unused)
{
	(void)unused;
	without_userfaults = false;
	return 0;
}

static int with_protection(void **unused)
{
	(void)unused;
	without_userfaults = true;
	return 0;
}

#define BOTH(test)								\
	{ #test, test, with_userfaults, NULL, NULL },				\
	{ #test " (by protection)", test, with_protection, NULL, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(what_nobody_looks_at_costs_nothing),
		BOTH(what_a_look_leaves_is_the_keys),
		BOTH(a_look_finds_ciphertext),
		BOTH(a_hidden_page_is_not_found_by_another_road),
		BOTH(ciphertext_depends_on_place_and_key),
		BOTH(a_store_garbles_one_block),
		BOTH(zeros_of_the_host_are_none_of_the_guest),
		BOTH(a_page_used_again_has_nothing_of_the_old_owner),
		BOTH(in_place_by_blocks),
		BOTH(a_key_that_is_gone_leaves_ciphertext),
		BOTH(all_mappings_of_a_file_lose_the_page),
		BOTH(a_long_range_goes_at_once),
		BOTH(a_page_mapped_anew_without_a_word_is_what_it_is),
		BOTH(memory_of_the_machine_has_views_too),
		BOTH(no_store_is_lost),
		{ "nothing_outlives_its_frame", nothing_outlives_its_frame, with_userfaults, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
