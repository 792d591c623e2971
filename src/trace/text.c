/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * text.c - from numbers to the text of an event (notation: events.def).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "trace/trace.h"
#include "trace/trace_priv.h"

static const char *const texts[] = {
#define TRACE_EVENT(system, name, nr, text) [TRACE_##name] = text,
#include "trace/events.def"
#undef TRACE_EVENT
};

static void put(struct text_out *o, const char *fmt, ...) PRINTF(2, 3);
static void put(struct text_out *o, const char *fmt, ...)
{
	bool room = o->n < o->size;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? o->at + o->n : NULL, room ? o->size - o->n : 0, fmt, ap);
	va_end(ap);
	o->n += n > 0 ? (size_t)n : 0;
}

/* A name, or the number in hexadecimal where there is none. */
static void put_name(struct text_out *o, const char *name, uint64_t value)
{
	if (name)
		put(o, "%s", name);
	else
		put(o, "0x%" PRIx64, value);
}

#define ISA_VMX		1
#define FAILED_ENTRY	0x80000000u

static void put_exit(struct text_out *o, const uint64_t *a)
{
	uint32_t reason = (uint32_t)a[1];

	if (a[2] != ISA_VMX) {
		put_name(o, trace_name(TRACE_NAMES_SVM_EXIT, reason), reason);
		return;
	}
	put_name(o, trace_name(TRACE_NAMES_VMX_EXIT, reason & 0xffff), reason & 0xffff);
	if (reason & FAILED_ENTRY)
		put(o, " FAILED_VMENTRY");
}

static void put_error(struct text_out *o, const uint64_t *a)
{
	if (a[1])
		put(o, " (0x%" PRIx64 ")", a[2]);
}

static void put_leave(struct text_out *o, const uint64_t *a)
{
	int error = (int)a[1];

	if (error < 0)
		put(o, "%s", error == -4 ? "restart" : "error");	/* EINTR */
	else
		put_name(o, trace_name(TRACE_NAMES_USER_EXIT, a[0]), a[0]);
}

/* Argument 4 bytes of the 16 in 2 and 3. */
static void put_bytes(struct text_out *o, const uint64_t *a)
{
	for (unsigned i = 0; i < a[4] && i < 16; i++)
		put(o, "%s%02x", i ? " " : "", (unsigned)(a[2 + i / 8] >> i % 8 * 8) & 0xff);
}

static void put_pferr(struct text_out *o, const uint64_t *a)
{
	static const struct { uint64_t bit; const char *name; } flags[] = {
		{ 1, "P" }, { 2, "W" }, { 4, "U" }, { 8, "RSVD" }, { 16, "F" },
	};
	uint64_t rest = a[2];
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!(rest & flags[i].bit))
			continue;
		put(o, "%s%s", any ? "|" : "", flags[i].name);
		any = true;
		rest &= ~flags[i].bit;
	}
	if (rest)
		put(o, "%s0x%" PRIx64, any ? "|" : "", rest);
}

static void put_user(struct text_out *o, const uint64_t *a)
{
	if ((int64_t)a[5] >= 0)
		put(o, "%s", a[5] ? "u" : "-");
}

static const struct {
	const char	*word;
	void		(*put)(struct text_out *o, const uint64_t *args);
} functions[] = {
	{ "exit", put_exit }, { "error", put_error }, { "leave", put_leave },
	{ "bytes", put_bytes }, { "pferr", put_pferr }, { "user", put_user },
};

static const struct {
	const char		*word;
	enum trace_names	names;
} tables[] = {
	{ "apic", TRACE_NAMES_APIC }, { "exception", TRACE_NAMES_EXCEPTION },
	{ "mode", TRACE_NAMES_DELIVERY }, { "shorthand", TRACE_NAMES_SHORTHAND },
	{ "cpumode", TRACE_NAMES_CPU_MODE }, { "mmio", TRACE_NAMES_MMIO },
	{ "irqchip", TRACE_NAMES_IRQCHIP },
};

static bool is_word(const char *word, const char *at, size_t n)
{
	return strlen(word) == n && !memcmp(word, at, n);
}

static void put_word(struct text_out *o, const char *word, size_t n, unsigned arg,
		     const uint64_t *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		if (is_word(functions[i].word, word, n))
			functions[i].put(o, a);
	}
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		if (is_word(tables[i].word, word, n))
			put_name(o, trace_name(tables[i].names, a[arg]), a[arg]);
	}
}

static void put_number(struct text_out *o, char how, uint64_t v)
{
	switch (how) {
	case 'u': put(o, "%" PRIu64, v); break;
	case 'd': put(o, "%" PRId64, (int64_t)v); break;
	case 'x': put(o, "%" PRIx64, v); break;
	case 'X': put(o, "%016" PRIx64, v); break;
	case 'Y': put(o, "%08" PRIx64, v); break;
	case '#': put(o, "%#" PRIx64, v); break;
	case 'h': put(o, "%#016" PRIx64, v); break;
	case 'p': put(o, "%016" PRIx64, v); break;
	default: break;
	}
}

/* What follows "%N" at @at; how many characters of the template that was. */
static size_t put_arg(struct text_out *o, const char *at, unsigned arg, const uint64_t *a)
{
	const char *end, *bar;

	if (*at == '(') {
		end = strchr(at, ')');
		put_word(o, at + 1, (size_t)(end - at - 1), arg, a);
		return (size_t)(end - at) + 1;
	}
	if (*at != '{') {
		put_number(o, *at, a[arg]);
		return 1;
	}
	end = strchr(at, '}');
	bar = memrchr(at, '|', (size_t)(end - at));	/* what is shown may have one itself */
	if (a[arg])
		put(o, "%.*s", (int)(bar - at - 1), at + 1);
	else
		put(o, "%.*s", (int)(end - bar - 1), bar + 1);
	return (size_t)(end - at) + 1;
}

size_t trace_text(enum trace_event e, const uint64_t *args, char *out, size_t size)
{
	struct text_out o = { .at = out, .size = size };

	for (const char *t = texts[e]; *t; ) {
		size_t plain = strcspn(t, "%");

		if (plain)
			put(&o, "%.*s", (int)plain, t);
		t += plain;
		if (*t)
			t += 2 + put_arg(&o, t + 2, (unsigned)(t[1] - '0'), args);
	}
	return o.n;
}
