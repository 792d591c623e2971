/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * look.c - what encryption in two views costs: a launch, a look, the guest's
 * way back, and a touch of what is present.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/report.h"
#include "hw/insn/phys.h"
#include "hw/insn/view.h"
#include "hw/mem/machine.h"
#include "hw/mem/view.h"
#include "os/uaccess.h"

#define MIB		(1ull << 20)
#define LAUNCH		(256 * MIB)
#define LOOKS		2000u
#define HITS		20000000u

static bool ask(void *hw, void *addr, bool write)
{
	return view_trap(hw, addr, write);
}

static struct hw *machine(bool no_userfaults)
{
	struct hw_config c = { .vendor = HW_VENDOR_AMD, .phys_bits = 40, .nr_cpus = 1,
			       .no_userfaults = no_userfaults,
			       .counters = counters_create(NR_COUNTERS) };
	uint8_t key[MEM_KEY_BYTES];
	struct hw *hw;

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	if (!c.counters || hw_create(&c, &hw) || os_uaccess_install() || !view_key_install(hw, 1, key))
		cannot("no machine");
	os_uaccess_ask_first(ask, hw);
	return hw;
}

static uint8_t *memory(struct hw *hw, bool is_shared, hpa_t *first)
{
	/* Aligned, so that it is one stretch of physical addresses. */
	uint8_t *p = mmap(NULL, 2 * (1ull << 30), PROT_READ | PROT_WRITE,
			  MAP_ANONYMOUS | MAP_NORESERVE | (is_shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);

	if (p == MAP_FAILED)
		cannot("no memory");
	p = (uint8_t *)ALIGN_UP((uintptr_t)p, 1ull << 30);
	memset(p, 1, LAUNCH);
	*first = phys_publish(hw, p);
	for (size_t at = PAGE_SIZE; at < LAUNCH; at += PAGE_SIZE)
		if (!hpa_is_valid(phys_publish(hw, p + at)))
			cannot("no physical memory");
	return p;
}

struct results {
	struct series copy, launch, page, look, back, hit, raw_hit;
};

static double hits(const volatile uint8_t *p)
{
	double begin = now_ns();

	for (unsigned i = 0; i < HITS; i++)
		(void)p[i % LAUNCH & ~63ull];
	return (now_ns() - begin) / HITS;
}

static void measure(bool no_userfaults, bool is_shared, struct results *out)
{
	struct hw *hw = machine(no_userfaults);
	hpa_t first;
	uint8_t *raw = memory(hw, is_shared, &first), *guest, *copy = malloc(LAUNCH);
	double begin;

	if (!copy)
		cannot("no memory");
	series_add(&out->raw_hit, hits(raw));
	begin = now_ns();
	memcpy(copy, raw, LAUNCH);
	series_add(&out->copy, LAUNCH / (now_ns() - begin));
	begin = now_ns();
	if (!view_encrypt(hw, first, LAUNCH / 2, 1))
		cannot("not encrypted");
	series_add(&out->launch, LAUNCH / 2 / (now_ns() - begin));
	begin = now_ns();
	for (size_t at = LAUNCH / 2; at < LAUNCH; at += PAGE_SIZE)
		if (!view_encrypt(hw, HPA(first.v + at), PAGE_SIZE, 1))
			cannot("not encrypted");
	series_add(&out->page, (now_ns() - begin) / (LAUNCH / 2 / PAGE_SIZE) / 1000);
	guest = view_host(hw, first, 1);
	series_add(&out->hit, hits(guest));
	begin = now_ns();
	for (unsigned i = 0; i < LOOKS; i++)
		(void)((volatile uint8_t *)raw)[i * PAGE_SIZE];
	series_add(&out->look, (now_ns() - begin) / LOOKS / 1000);
	begin = now_ns();
	for (unsigned i = 0; i < LOOKS; i++)
		(void)((volatile uint8_t *)guest)[i * PAGE_SIZE];
	series_add(&out->back, (now_ns() - begin) / LOOKS / 1000);
	if (counter_read(hw_config(hw)->counters, COUNTER_LOOKS) != LOOKS ||
	    counter_read(hw_config(hw)->counters, COUNTER_ENCRYPTED_PAGES) != LOOKS ||
	    guest[0] != 1)
		cannot("something else was measured");
	free(copy);
	munmap(raw, 1ull << 30);
	hw_destroy(hw);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *key, *label;
		bool no_userfaults, is_shared;
	} ways[] = {
		{ "private", "private memory", false, false },
		{ "shared", "shared memory", false, true },
		{ "protection", "private memory, without userfaults", true, false },
	};
	struct report r;

	report_begin(&r, "look", "What it costs that a page is seen encrypted.", 11, &argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct results all = { .copy = { 0 } };
		char key[64];

#define ROW(what, text, unit)						\
		do {							\
			snprintf(key, sizeof(key), "%s." #what, ways[i].key); \
			report_series(&r, key, text, unit, &all.what);	\
			series_free(&all.what);				\
		} while (0)

		for (int run = 0; run < r.runs; run++)
			measure(ways[i].no_userfaults, ways[i].is_shared, &all);
		report_say(&r, "%s", ways[i].label);
		ROW(copy, "plain copy, for comparison", "GB/s");
		ROW(launch, "launch: raw bytes become a key's", "GB/s");
		ROW(page, "one page of it by itself", "us");
		ROW(look, "a look at a page", "us");
		ROW(back, "the guest's first touch after it", "us");
		ROW(hit, "a touch of what is present", "ns");
		ROW(raw_hit, "the same without a key", "ns");
	}
	return report_end(&r);
}
