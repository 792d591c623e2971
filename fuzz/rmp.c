/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rmp.c - RMP instructions of the host and of guests, and what the secure processor does to
 * pages, with operands from bytes, on a few regions of 2 MiB.
 *
 * Each answer is as a small model of ownership says (tests/unit/hw/snp/owners.h); after a
 * few, and in the end, so is every page: none is owned twice, none is lost.
 */
#include "fuzz.h"

#include "hw/snp/owners.h"

#define COMPARED_EACH	32u

static struct owners m;

/* Mostly the first page of 2M, or its neighbours. */
static unsigned a_page(struct input *in)
{
	const uint8_t b = take8(in);

	if (b < 0xa0)
		return b % OWNERS_REGIONS * 512;
	return (b % OWNERS_REGIONS * 512 + (b < 0xe0 ? b & 7 : (unsigned)take(in, 2))) % OWNERS_PAGES;
}

static uint64_t a_gpa(struct input *in)
{
	const uint8_t b = take8(in);

	if (b < 0x80)
		return (b & 3) * M2;
	if (b < 0xe0)
		return (b & 0x1f) * PAGE_SIZE;
	return take(in, 8);
}

static struct rmp_operand an_operand(struct input *in)
{
	const uint8_t how = take8(in);
	struct rmp_operand o = { .page_size = how & 1 };

	if (how & 2) {
		o.assigned = 1;
		o.asid = how >> 2 & 3;
		o.immutable = how >> 4 & 1;
		o.gpa = a_gpa(in);
	}
	if (how < 0xe0)
		return o;
	/* As the processor finds it in memory: anything. */
	o.assigned ^= take8(in);
	o.page_size ^= take8(in);
	o.immutable ^= take8(in);
	o.reserved ^= take8(in);
	o.asid ^= (uint32_t)take(in, 4);
	return o;
}

/* Mostly somebody who may. */
static struct owners_target a_target(struct input *in)
{
	struct owners_target t = { .page = a_page(in) };
	const struct owner *p = &m.page[t.page];
	const uint8_t how = take8(in);

	t.gpa = how & 7 ? p->gpa | (how & 0x80 ? 0x123 : 0) : a_gpa(in);
	t.asid = (uint16_t)(how & 0x38 && p->asid ? p->asid : 1u + (how >> 6));
	t.nested_2m = m.large[t.page / 512] ^ ((how & 0x1c) == 0x1c);
	return t;
}

static const char *guest(struct input *in, uint8_t op)
{
	struct owners_target t = a_target(in);
	const uint8_t how = take8(in);
	bool large = m.large[t.page / 512] ^ ((how & 0x70) == 0x70);
	uint64_t rdx;

	if (op == 0)
		return owners_try_pvalidate(&m, &t, how < 0xf8 ? large : (uint32_t)take(in, 4),
					    how < 0xfc ? how & 1 : (uint32_t)take(in, 4));
	t.vmpl = how & 3;
	rdx = how < 0xf0 ? take8(in) % 5 | (uint64_t)take8(in) << 8 | (uint64_t)(how >> 2 & 1) << 16
			 : take(in, 8);
	if (op == 1)
		return owners_try_rmpadjust(&m, &t, how < 0xf8 ? large : take(in, 8), rdx);
	return owners_try_rmpquery(&m, &t, rdx);
}

static const char *instruction(struct input *in)
{
	const uint8_t op = take8(in);
	struct rmp_operand o;
	unsigned page;

	switch (op % 12) {
	case 0: case 1: case 2: case 3:
		o = an_operand(in);
		return owners_try_rmpupdate(&m, a_page(in), &o);
	case 4:
		return owners_try_psmash(&m, a_page(in));
	case 5:
		return owners_try_rmpread(&m, a_page(in));
	case 6:
		page = a_page(in);
		return owners_try_launch(&m, page, m.large[page / 512] ^ (op > 0xf0));
	case 7:
		page = a_page(in);
		return owners_try_reclaim(&m, page, m.large[page / 512] ^ (op > 0xf0));
	case 8:
		return owners_try_unsmash(&m, a_page(in));
	default:
		return guest(in, op % 12 - 9);
	}
}

/* A region that is all immutable and alike is rare by chance: unsmash needs it. */
static void make_alike(struct input *in)
{
	const uint8_t b = take8(in);
	struct rmp_operand o = { .assigned = 1, .asid = 1 + (b & 1), .immutable = 1 };

	for (unsigned i = 0; i < 512; i++) {
		o.gpa = (b >> 1 & 1) * M2 + i * PAGE_SIZE;
		MUST(!owners_try_rmpupdate(&m, b % OWNERS_REGIONS * 512 + i, &o));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	const char *wrong = NULL;

	if (!m.hw)
		m.hw = an_rmp();
	owners_reset(&m);
	if (take8(&in) & 1)
		make_alike(&in);
	for (unsigned n = 1; !wrong && in.at < in.end; n++) {
		wrong = instruction(&in);
		if (!wrong && n % COMPARED_EACH == 0)
			wrong = owners_compare(&m);
	}
	if (!wrong)
		wrong = owners_compare(&m);
	if (wrong)
		fprintf(stderr, "after byte %zu: %s\n", (size_t)(in.at - data), wrong);
	MUST(!wrong);
	return 0;
}
