/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_emu_forms.c - the emulator's opcode maps against docs/facts/emulator-forms.tsv: every
 * opcode of the three maps x prefix x mode x REX.W x ModRM byte x LOCK, each in one row.
 * The table's path is in the environment, EMULATOR_FORMS_TSV.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/macros.h"
#include "kvm/vcpu/emu_forms.h"

enum column { MAP, OPCODE, MODRM, PREFIX, MODE, W, PLAIN, LOCKED, ON_UD, NR_COLUMNS };

struct form {
	unsigned map, opcode, prefix, wide, w, modrm;
};

static const char *const prefix_names[] = { "-", "66", "f2", "f3" };
static const uint8_t prefix_bytes[] = { 0, 0x66, 0xf2, 0xf3 };

#define NR_FORMS	(3u * 256 * 4 * 2 * 2 * 256)

static unsigned number_of(const struct form *f)
{
	return ((((f->map * 256 + f->opcode) * 4 + f->prefix) * 2 + f->wide) * 2 + f->w) * 256 +
	       f->modrm;
}

static bool in_range(const char *text, int base, unsigned v)
{
	char *end;
	unsigned long a = strtoul(text, &end, base), b = *end == '-' ? strtoul(end + 1, NULL, base) : a;

	return v >= a && v <= b;
}

static bool modrm_matches(const char *cell, unsigned modrm)
{
	unsigned reg = modrm >> 3 & 7;

	if (!strcmp(cell, "*"))
		return true;
	if ((*cell == 'm' && modrm >= 0xc0) || (*cell == 'r' && modrm < 0xc0))
		return false;
	if (*cell == 'm' || *cell == 'r')
		return !cell[1] || in_range(cell + 2, 10, reg);
	return *cell == '/' ? in_range(cell + 1, 10, reg) : in_range(cell, 16, modrm);
}

static bool row_has(char *const cell[], const struct form *f)
{
	static const char *const maps[] = { "1", "0f", "0f38" };

	return !strcmp(cell[MAP], maps[f->map]) && in_range(cell[OPCODE], 16, f->opcode) &&
	       modrm_matches(cell[MODRM], f->modrm) &&
	       (*cell[PREFIX] == '*' || strstr(cell[PREFIX], prefix_names[f->prefix])) &&
	       (*cell[MODE] == '*' || (*cell[MODE] == '6') == f->wide) &&
	       (*cell[W] == '*' || (*cell[W] == '1') == f->w);
}

static unsigned bytes_of(const struct form *f, bool lock, uint8_t b[8])
{
	unsigned n = 0;

	if (lock)
		b[n++] = 0xf0;
	if (f->prefix)
		b[n++] = prefix_bytes[f->prefix];
	if (f->w)
		b[n++] = 0x48;
	if (f->map)
		b[n++] = 0x0f;
	if (f->map == 2)
		b[n++] = 0x38;
	b[n++] = (uint8_t)f->opcode;
	b[n++] = (uint8_t)f->modrm;
	return n;
}

static void check(const struct form *f, const char *want, bool lock, bool on_ud)
{
	static const char *const names[] = {
		[EMU_FAILS] = "fail", [EMU_TAKES] = "yes", [EMU_RAISES_UD] = "ud",
	};
	static const enum x86_mode legacy[] = { X86_MODE_16, X86_MODE_32 };
	struct emu_form form;
	uint8_t b[8];
	unsigned n = bytes_of(f, lock, b);

	for (unsigned i = 0; i < (f->wide ? 1 : 2); i++) {
		enum x86_mode mode = f->wide ? X86_MODE_64 : legacy[i];
		const char *got = names[emu_form_of(mode, b, n, &form)];

		if (strcmp(got, want) || (!strcmp(want, "yes") && form.on_ud != on_ud))
			fail_msg("map %u opcode %02x ModRM %02x prefix %s%s mode %u W %u: "
				 "%s (on #UD %u), not %s", f->map, f->opcode, f->modrm,
				 prefix_names[f->prefix], lock ? " lock" : "", mode, f->w, got,
				 form.on_ud, want);
	}
}

static void check_row(char *const cell[], uint8_t *seen)
{
	unsigned map = !strcmp(cell[MAP], "1") ? 0 : !strcmp(cell[MAP], "0f") ? 1 : 2;

	for (unsigned i = 0; i < 256u * 4 * 2 * 2 * 256; i++) {
		struct form f = { map, i >> 12, i >> 10 & 3, i >> 9 & 1, i >> 8 & 1, i & 255 };

		if (!(i & 0xfff) && !in_range(cell[OPCODE], 16, f.opcode)) {
			i += 0xfff;
			continue;
		}
		if ((f.w && !f.wide) || !row_has(cell, &f))
			continue;
		if (seen[number_of(&f)]++)
			fail_msg("map %u opcode %02x ModRM %02x is in two rows", map, f.opcode, f.modrm);
		check(&f, cell[PLAIN], false, *cell[ON_UD] == '1');
		check(&f, cell[LOCKED], true, *cell[ON_UD] == '1');
	}
}

/* Prefixes, REX in 64-bit mode and the escape bytes have no row. */
static bool has_no_row(const struct form *f)
{
	unsigned o = f->opcode;

	if (f->map)
		return f->map == 1 && o == 0x38;
	return o == 0x0f || (o & 0xe7) == 0x26 || (o >= 0x64 && o <= 0x67) || o == 0xf0 ||
	       o == 0xf2 || o == 0xf3 || (f->wide && (o & 0xf0) == 0x40);
}

static void check_all_seen(const uint8_t *seen)
{
	for (unsigned i = 0; i < NR_FORMS; i++) {
		struct form f = { i >> 20, i >> 12 & 255, i >> 10 & 3, i >> 9 & 1, i >> 8 & 1,
				  i & 255 };

		if (!(f.w && !f.wide) && !has_no_row(&f) && !seen[number_of(&f)])
			fail_msg("map %u opcode %02x ModRM %02x is in no row", f.map, f.opcode, f.modrm);
	}
}

static void test_every_form(void **state)
{
	FILE *file = fopen(getenv("EMULATOR_FORMS_TSV"), "r");
	uint8_t *seen = calloc(1, NR_FORMS);
	char line[256], *cell[NR_COLUMNS];
	unsigned rows = 0;

	assert_non_null(file);
	assert_non_null(seen);
	while (fgets(line, sizeof(line), file)) {
		unsigned n = 0;

		if (*line == '#')
			continue;
		for (char *p = strtok(line, "\t\n"); p && n < NR_COLUMNS; p = strtok(NULL, "\t\n"))
			cell[n++] = p;
		assert_int_equal(n, NR_COLUMNS);
		check_row(cell, seen);
		rows++;
	}
	fclose(file);
	assert_true(rows > 200);
	check_all_seen(seen);
	free(seen);
}

/* What the table's columns cannot say. */
static const struct {
	const char	*what;
	enum x86_mode	 mode;
	uint8_t		 bytes[8];
	unsigned	 nr;
	enum emu_verdict want;
} cases[] = {
	{ "66 and F3 before MOVDQU", X86_MODE_64, { 0x66, 0xf3, 0x0f, 0x6f, 0 }, 5, EMU_FAILS },
	{ "66 and F3 before ADD", X86_MODE_64, { 0x66, 0xf3, 0x01, 0 }, 4, EMU_TAKES },
	{ "the last of F2 and F3 counts", X86_MODE_64, { 0xf2, 0xf3, 0x0f, 0x6f, 0 }, 5, EMU_TAKES },
	{ "REX before a legacy prefix is void", X86_MODE_64, { 0x48, 0x3e, 0x0f, 0xc7, 0x08 }, 5,
	  EMU_TAKES },
	{ "REX right before the opcode counts", X86_MODE_64, { 0x3e, 0x48, 0x0f, 0xc7, 0x08 }, 5,
	  EMU_FAILS },
	{ "VEX", X86_MODE_64, { 0xc5, 0xf9, 0x6f, 0 }, 4, EMU_FAILS },
	{ "VEX in 32-bit mode", X86_MODE_32, { 0xc5, 0xf9, 0x6f, 0 }, 4, EMU_FAILS },
	{ "EVEX", X86_MODE_64, { 0x62, 0xf1, 0x7c, 0x48 }, 4, EMU_FAILS },
	{ "0F 3A", X86_MODE_64, { 0x66, 0x0f, 0x3a, 0x63, 0, 0 }, 6, EMU_FAILS },
	{ "nothing but prefixes", X86_MODE_64, { 0x66, 0x67 }, 2, EMU_FAILS },
};

static void test_prefixes(void **state)
{
	struct emu_form f;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		if (emu_form_of(cases[i].mode, cases[i].bytes, cases[i].nr, &f) != cases[i].want)
			fail_msg("%s", cases[i].what);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
