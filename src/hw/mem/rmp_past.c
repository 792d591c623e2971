/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rmp_past.c - what an entry has been through, and what messages say of it.
 *
 * The last three events of a page, newest lowest, 21 bits each:
 *
 *   20   19     4 3     0
 *  [2M |  ASID   | event ]
 */
#include "hw/insn/peek.h"
#include "hw/mem/finding.h"
#include "hw/mem/machine.h"
#include "hw/mem/rmp.h"

#include <stdarg.h>
#include <stdio.h>

#define PAST_BITS	21
#define PAST_EVENT_HI	3
#define PAST_EVENT_LO	0
#define PAST_ASID_HI	19
#define PAST_ASID_LO	4
#define PAST_2M		BIT(20)

_Static_assert(RMP_HISTORY * PAST_BITS <= 64, "a word");

void rmp_note(const struct rmp_locked *l, unsigned page, unsigned nr, enum rmp_event event,
	      struct rmp_words now)
{
	uint64_t note = FIELD_PUT(PAST_EVENT, event) |
			FIELD_PUT(PAST_ASID, FIELD_GET(RMP_ASID, now.hi)) |
			(now.lo & RMP_2M ? PAST_2M : 0);

	for (unsigned i = page; i < page + nr; i++)
		sync_word_store(&l->past[i], sync_word_load(&l->past[i]) << PAST_BITS | note);
}

size_t rmp_history(const struct rmp *t, hpa_t a, struct rmp_past out[RMP_HISTORY])
{
	const struct rmp_region *r = rmp_covers(t, a)
		? rcu_dereference(t->regions[a.v >> RMP_REGION_SHIFT]) : NULL;
	uint64_t past = r ? sync_word_load(&r->past[(a.v >> PAGE_SHIFT) % RMP_REGION_PAGES]) : 0;
	size_t n = 0;

	for (; n < RMP_HISTORY && FIELD_GET(PAST_EVENT, past); n++, past >>= PAST_BITS)
		out[n] = (struct rmp_past){ .event = (enum rmp_event)FIELD_GET(PAST_EVENT, past),
					    .asid = (uint16_t)FIELD_GET(PAST_ASID, past),
					    .is_2m = past & PAST_2M };
	return n;
}

static const char *event_name(enum rmp_event e)
{
	static const char *const names[] = {
		[RMP_EVENT_ASSIGNED] = "RMPUPDATE assigned it",
		[RMP_EVENT_PREPARED] = "RMPUPDATE assigned it for the secure processor",
		[RMP_EVENT_RELEASED] = "RMPUPDATE gave it to the hypervisor",
		[RMP_EVENT_SMASHED] = "PSMASH", [RMP_EVENT_VALIDATED] = "PVALIDATE validated it",
		[RMP_EVENT_RESCINDED] = "PVALIDATE rescinded it",
		[RMP_EVENT_ADJUSTED] = "RMPADJUST", [RMP_EVENT_LAUNCHED] = "SNP_LAUNCH_UPDATE",
		[RMP_EVENT_FIRMWARE] = "the secure processor took it",
		[RMP_EVENT_RECLAIMED] = "SNP_PAGE_RECLAIM",
		[RMP_EVENT_UNSMASHED] = "SNP_PAGE_UNSMASH",
		[RMP_EVENT_RETIRED] = "its memory went away",
	};

	return e && e < ARRAY_SIZE(names) ? names[e] : "?";
}

/* Appends; what does not fit is cut. */
static void say(char **to, size_t *left, const char *fmt, ...) PRINTF(3, 4);

static void say(char **to, size_t *left, const char *fmt, ...)
{
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = (size_t)vsnprintf(*to, *left, fmt, args);
	va_end(args);
	n = *left ? MIN(n, *left - 1) : 0;
	*to += n;
	*left -= n;
}

static void say_owner(char **to, size_t *left, const struct rmp_page *p)
{
	const struct rmp_entry *e = &p->entry;

	if (!e->covered)
		say(to, left, "not in the RMP");
	else if (!p->assigned)
		say(to, left, "the hypervisor's%s", e->immutable ? ", fixed" : "");
	else if (!e->asid)
		say(to, left, "the secure processor's");
	else
		say(to, left, "gfn 0x%llx of ASID %u, %s, %s%s%s",
		    (unsigned long long)(p->gpa >> PAGE_SHIFT), e->asid, e->is_2m ? "2M" : "4K",
		    e->validated ? "validated" : "not validated", e->vmsa ? ", VMSA" : "",
		    e->immutable ? ", immutable" : "");
}

void rmp_describe(const struct rmp *t, hpa_t a, char *to, size_t size)
{
	struct rmp_past past[RMP_HISTORY];
	size_t n = rmp_history(t, a, past), left = size;
	struct rmp_look l;

	rmp_look(t, a, 0, &l);
	say(&to, &left, "page 0x%llx: ", (unsigned long long)(a.v >> PAGE_SHIFT));
	say_owner(&to, &left, &l.page);
	for (size_t i = n; i-- > 0;) {
		say(&to, &left, "%s%s", i + 1 == n ? "; " : ", ", event_name(past[i].event));
		if (past[i].event == RMP_EVENT_ASSIGNED || past[i].event == RMP_EVENT_PREPARED)
			say(&to, &left, " (ASID %u, %s)", past[i].asid, past[i].is_2m ? "2M" : "4K");
	}
}

/* The first page of [@first, @end) of 2 MiB that is assigned; @end: none. */
static unsigned first_assigned(const struct rmp_locked *l, unsigned first, unsigned end)
{
	while (first < end && !(rmp_load(l, first).lo & RMP_ASSIGNED))
		first++;
	return first;
}

/* @a to the end of its 2 MiB, or of @size. */
static void retire_here(struct rmp *t, hpa_t a, uint64_t size)
{
	unsigned first = (unsigned)(a.v >> PAGE_SHIFT) % RMP_PAGES, end, at;
	struct rmp_locked l;
	char text[300];

	end = first + (unsigned)(size >> PAGE_SHIFT);
	if (rmp_lock(t, a, false, true, &l) != RMP_LOCKED)
		return;
	at = first_assigned(&l, first, end);
	for (unsigned i = at; i < end; i++)
		if (rmp_load(&l, i).lo & RMP_ASSIGNED)
			rmp_note(&l, i, 1, RMP_EVENT_RETIRED, rmp_load(&l, i));
	rmp_unlock(&l);
	if (at == end)
		return;
	rmp_describe(t, HPA(a.v + (at - first) * PAGE_SIZE), text, sizeof(text));
	hw_finding(t->hw, "APM vol. 2 15.36.5", "freed without RMPUPDATE: %s", text);
}

void rmp_retire(struct rmp *t, hpa_t a, uint64_t size)
{
	uint64_t end = MIN(a.v + size, t->end), next;

	if (a.v >= end || !rcu_dereference(t->regions[a.v >> RMP_REGION_SHIFT]))
		return;
	for (; a.v < end; a.v = next) {
		const struct rmp_region *r = t->regions[a.v >> RMP_REGION_SHIFT];
		uint64_t page = (a.v >> PAGE_SHIFT) % RMP_REGION_PAGES & ~(RMP_PAGES - 1ull);

		next = MIN((a.v | (PG_LEVEL_SIZE(PG_LEVEL_2M) - 1)) + 1, end);
		if (sync_word_load(&r->entry[page].lo) &
		    (RMP_ASSIGNED | FIELD_MASK(RMP_SUBPAGES)))
			retire_here(t, a, next - a.v);
	}
}

/* -- peek.h -- */

bool peek_rmp(struct hw *hw, hpa_t a, struct rmp_entry *out)
{
	struct rmp_locked l;

	*out = (struct rmp_entry){ 0 };
	if (!hw->frames.rmp || !rmp_covers(hw->frames.rmp, a))
		return false;
	out->covered = true;
	if (!rcu_dereference(hw->frames.rmp->regions[a.v >> RMP_REGION_SHIFT]))
		return true;
	if (rmp_lock(hw->frames.rmp, a, true, true, &l) != RMP_LOCKED)
		return false;
	*out = rmp_entry_of(rmp_load(&l, l.page));
	rmp_unlock(&l);
	return true;
}

size_t peek_rmp_history(struct hw *hw, hpa_t a, struct rmp_past out[RMP_HISTORY])
{
	return hw->frames.rmp ? rmp_history(hw->frames.rmp, a, out) : 0;
}

void peek_rmp_text(struct hw *hw, hpa_t a, char *to, size_t size)
{
	if (hw->frames.rmp)
		rmp_describe(hw->frames.rmp, a, to, size);
	else if (size)
		*to = 0;
}

/* I2, I3: what no entry of a page may be, whoever has changed it last. */
static const char *entry_is_wrong(struct rmp_words w)
{
	struct rmp_entry e = rmp_entry_of(w);

	if (!e.assigned && (e.asid || e.validated || e.vmsa || e.is_2m || e.gpa))
		return "I2: the hypervisor's, and yet somebody's";
	if (e.validated && !e.asid)
		return "I3: validated without a guest";
	return NULL;
}

/* I1, I5 of 2 MiB. */
static const char *head_is_wrong(const struct rmp_locked *l)
{
	struct rmp_entry head = rmp_entry_of(rmp_load(l, 0));
	unsigned others = 0;

	for (unsigned i = 1; i < RMP_PAGES; i++) {
		struct rmp_words w = rmp_load(l, i);

		others += !!(w.lo & RMP_ASSIGNED);
		if (w.lo & RMP_2M)
			return "I1: 2M, and not the first page";
		if (w.lo & FIELD_MASK(RMP_SUBPAGES))
			return "I5: counts pages, and is not the first";
		if (head.is_2m && ((w.lo & ~RMP_IN_USE) != RMP_ASSIGNED || w.hi))
			return "I1: a page of 2M with an owner of its own";
	}
	if (head.is_2m)
		return (head.gpa & (PG_LEVEL_SIZE(PG_LEVEL_2M) - 1)) || head.subpages
			? "I1: 2M with a GPA that is not aligned, or a count" : NULL;
	return others != head.subpages ? "I5: the count is wrong" : NULL;
}

const char *peek_rmp_wrong(struct hw *hw, hpa_t a)
{
	const char *wrong;
	struct rmp_locked l;

	if (!hw->frames.rmp || !rmp_covers(hw->frames.rmp, a) ||
	    !rcu_dereference(hw->frames.rmp->regions[a.v >> RMP_REGION_SHIFT]))
		return NULL;
	if (rmp_lock(hw->frames.rmp, a, true, true, &l) != RMP_LOCKED)
		return "a lock that is never given back";
	wrong = head_is_wrong(&l);
	for (unsigned i = 0; !wrong && i < RMP_PAGES; i++)
		wrong = entry_is_wrong(rmp_load(&l, i));
	rmp_unlock(&l);
	return wrong;
}

uint64_t peek_rmp_asid_pages(struct hw *hw, uint16_t asid)
{
	return hw->frames.rmp ? sync_word_load(&hw->frames.rmp->asid_pages[asid]) : 0;
}
