/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/snp/owners.h"

#include <string.h>

#define DIFFERS(cond, text)	((cond) ? NULL : (text))

static bool is_owned(const struct owner *p)
{
	return p->asid || p->firmware;
}

static unsigned first_of(unsigned page)
{
	return page & ~511u;
}

/* The pages that an instruction for @page of that size is about. */
static unsigned span(unsigned page, bool large, unsigned *first)
{
	*first = large ? first_of(page) : page;
	return large ? 512 : 1;
}

void owners_reset(struct owners *m)
{
	for (unsigned r = 0; r < OWNERS_REGIONS; r++) {
		struct rmp_locked l;

		while (rmp_lock(m->hw->frames.rmp, HPA(owners_at(r * 512)), true, true, &l) !=
		       RMP_LOCKED)
			;
		for (unsigned i = 0; i < RMP_PAGES; i++)
			rmp_store(&l, i, (struct rmp_words){ 0, 0 });
		rmp_unlock(&l);
	}
	memset(m->hw->frames.rmp->asid_pages, 0, 512 * sizeof(uint64_t));
	*m = (struct owners){ .hw = m->hw };
}

/* -- The host -- */

static bool operand_is_bad(unsigned page, const struct rmp_operand *o)
{
	bool large = o->page_size == 1;

	if (o->assigned > 1 || o->page_size > 1 || o->immutable > 1 || o->reserved)
		return true;
	if (o->gpa >> 52 || (large && page % 512))
		return true;
	if (!o->assigned)
		return o->immutable || o->asid;
	return o->asid > 509 || o->gpa % (large ? M2 : PAGE_SIZE);
}

static enum rmp_status model_update(struct owners *m, unsigned page, const struct rmp_operand *o)
{
	bool large = o->page_size == 1;
	struct owner to = { .asid = o->asid, .firmware = o->assigned && !o->asid,
			    .immutable = o->immutable };
	unsigned first, n = span(page, large, &first);

	if (operand_is_bad(page, o))
		return RMP_FAIL_INPUT;
	for (unsigned i = first; i < first + n; i++)
		if (m->page[i].immutable)
			return RMP_FAIL_PERMISSION;
	if (!large && m->large[page / 512])
		return RMP_FAIL_OVERLAP;
	for (unsigned i = 1; large && !m->large[page / 512] && i < 512; i++)
		if (is_owned(&m->page[first + i]))
			return RMP_FAIL_OVERLAP;
	to.perm[0] = o->assigned ? RMP_PERM_ALL : 0;
	for (unsigned i = 0; i < n; i++) {
		to.gpa = o->assigned ? o->gpa + i * PAGE_SIZE : 0;
		m->page[first + i] = to;
	}
	m->large[page / 512] = large && o->assigned;
	return RMP_SUCCESS;
}

const char *owners_try_rmpupdate(struct owners *m, unsigned page, const struct rmp_operand *o)
{
	enum rmp_status got = rmpupdate(m->hw, HPA(owners_at(page)), o);

	return DIFFERS(got == model_update(m, page, o), "RMPUPDATE");
}

static enum rmp_status model_psmash(struct owners *m, unsigned page)
{
	if (page % 512)
		return RMP_FAIL_INPUT;
	if (!m->large[page / 512])
		return RMP_FAIL_BADADDR;
	if (m->page[page].immutable)
		return RMP_FAIL_PERMISSION;
	m->large[page / 512] = false;
	return RMP_SUCCESS;
}

const char *owners_try_psmash(struct owners *m, unsigned page)
{
	enum rmp_status got = psmash(m->hw, HPA(owners_at(page)));

	return DIFFERS(got == model_psmash(m, page), "PSMASH");
}

/* The middle of 2M tells no more than that it is assigned. */
const char *owners_try_rmpread(struct owners *m, unsigned page)
{
	const struct owner *p = &m->page[page];
	bool large = m->large[page / 512], others = false;
	struct rmp_operand o;

	if (rmpread(m->hw, HPA(owners_at(page)), &o) != RMP_SUCCESS)
		return "RMPREAD";
	for (unsigned i = 1; !large && page % 512 == 0 && i < 512; i++)
		others |= is_owned(&p[i]);
	if (o.assigned != is_owned(p) || !!(o.page_size & RMP_OPERAND_OTHERS) != others)
		return "RMPREAD: assigned";
	if (large && page % 512)
		return NULL;
	return DIFFERS(o.asid == p->asid && o.gpa == p->gpa && o.immutable == p->immutable &&
		       !!(o.page_size & RMP_OPERAND_2M) == large, "RMPREAD: a field");
}

/* -- The guest -- */

enum answer { FAULT = -2, VC = -1 };	/* and the codes of EAX */

static int answer_of(const struct rmp_done *d)
{
	return d->fault.verdict == RMP_VC ? VC : d->fault.verdict != RMP_PASS ? FAULT : (int)d->eax;
}

static struct rmp_target target_of(const struct owners_target *t)
{
	return (struct rmp_target){ HPA(owners_at(t->page)), t->gpa,
				    t->nested_2m ? PG_LEVEL_2M : PG_LEVEL_4K, t->asid, t->vmpl };
}

static bool is_targets(const struct owners *m, const struct owners_target *t)
{
	const struct owner *p = &m->page[t->page];

	return p->asid == t->asid && p->gpa == (t->gpa & PAGE_MASK) && !p->immutable;
}

/* Table 15-40; 0: they fit. */
static int size_answer(const struct owners *m, const struct owners_target *t, bool large)
{
	bool rmp = m->large[t->page / 512];

	if (!large && rmp)
		return FAULT;
	if (large && (!rmp || (t->gpa & PAGE_MASK) % M2))
		return RMP_FAIL_SIZEMISMATCH;
	return t->nested_2m != rmp ? FAULT : 0;
}

const char *owners_try_pvalidate(struct owners *m, const struct owners_target *t, uint32_t ecx,
				 uint32_t edx)
{
	struct rmp_done d = { .eax = snp_pvalidate_operands(t->gpa, ecx, edx) };
	struct rmp_target at = target_of(t);
	bool bad = ecx > 1 || edx > 1 || (ecx && (t->gpa & PAGE_MASK) % M2), same;
	unsigned first, n = span(t->page, ecx, &first);
	int want;

	if (d.eax != RMP_SUCCESS || bad)
		return DIFFERS(bad && d.eax == RMP_FAIL_INPUT, "PVALIDATE: operands");
	d = snp_pvalidate(m->hw, &at, ecx, edx);
	want = is_targets(m, t) ? size_answer(m, t, ecx) : FAULT;
	if (answer_of(&d) != want || want)
		return DIFFERS(answer_of(&d) == want, "PVALIDATE");
	same = m->page[t->page].validated == edx;
	for (unsigned i = first; i < first + n; i++)
		m->page[i].validated = edx;
	return DIFFERS(d.no_change == same, "PVALIDATE: CF");
}

static bool mask_is_bad(uint64_t mask)
{
	uint64_t x = mask & (RMP_PERM_XU | RMP_PERM_XS);

	return mask > 31 || (mask && !(mask & RMP_PERM_READ)) || (mask & RMP_PERM_SSS && x) ||
	       x == RMP_PERM_XS;
}

static int operand_answer(const struct owners_target *t, uint64_t rcx, uint64_t rdx)
{
	if (rcx > 1 || (rcx && (t->gpa & PAGE_MASK) % M2) || rdx >> 17 || (rdx & 0xff) > 3)
		return RMP_FAIL_INPUT;
	if ((rdx & 0xff) <= t->vmpl)
		return RMP_FAIL_PERMISSION;
	return mask_is_bad(rdx >> 8 & 0xff) ? RMP_FAIL_INPUT : RMP_SUCCESS;
}

const char *owners_try_rmpadjust(struct owners *m, const struct owners_target *t, uint64_t rcx,
				 uint64_t rdx)
{
	enum rmp_status operands = snp_rmpadjust_operands(t->gpa, rcx, rdx, t->vmpl);
	int want = operand_answer(t, rcx, rdx), size;
	struct owner *p = &m->page[t->page];
	unsigned first, n = span(t->page, rcx == 1, &first), to = rdx & 3;
	struct rmp_target at = target_of(t);
	struct rmp_done d;

	if (want || operands)
		return DIFFERS((int)operands == want, "RMPADJUST: operands");
	d = snp_rmpadjust(m->hw, &at, rcx, rdx);
	size = size_answer(m, t, rcx);
	if (!is_targets(m, t) || size == FAULT)
		want = FAULT;
	else if (!p->validated)
		want = VC;
	else if (size)
		want = size;
	else if (rdx >> 8 & 0xff & ~p->perm[t->vmpl])
		want = RMP_FAIL_PERMISSION;
	if (answer_of(&d) != want || want)
		return DIFFERS(answer_of(&d) == want, "RMPADJUST");
	for (unsigned i = first; i < first + n; i++) {
		m->page[i].perm[to] = (uint8_t)(rdx >> 8);
		if (!t->vmpl)
			m->page[i].vmsa = rdx >> 16 & 1;
	}
	return NULL;
}

const char *owners_try_rmpquery(struct owners *m, const struct owners_target *t, uint64_t rdx)
{
	bool bad = (rdx & 0xff) <= t->vmpl || (rdx & 0xff) > 3;
	enum rmp_status operands = snp_rmpquery_operands(rdx, t->vmpl);
	const struct owner *p = &m->page[t->page];
	struct rmp_target at = target_of(t);
	struct rmp_done d;
	int want;

	if (bad || operands)
		return DIFFERS(bad && operands == RMP_FAIL_PERMISSION, "RMPQUERY: operands");
	d = snp_rmpquery(m->hw, &at, rdx);
	want = !is_targets(m, t) ? FAULT : !p->validated ? VC : RMP_SUCCESS;
	if (answer_of(&d) != want || want)
		return DIFFERS(answer_of(&d) == want, "RMPQUERY");
	return DIFFERS(d.is_2m == m->large[t->page / 512] &&
		       d.rdx == ((rdx & 0xff) | (uint64_t)p->perm[rdx & 3] << 8 |
				 (uint64_t)p->vmsa << 16), "RMPQUERY: RDX");
}

/* -- The secure processor -- */

/* INVALID_ADDRESS and _PAGE_SIZE come before the state. */
static enum snp_move model_move(const struct owners *m, unsigned page, bool large)
{
	if (m->large[page / 512] != large)
		return SNP_BAD_SIZE;
	return large && page % 512 ? SNP_BAD_ADDRESS : SNP_MOVED;
}

static void give_back(struct owners *m, unsigned page, bool large, bool validate)
{
	unsigned first, n = span(page, large, &first);

	for (unsigned i = first; i < first + n; i++) {
		m->page[i].immutable = false;
		m->page[i].validated |= validate;
		if (m->page[i].firmware)
			m->page[i] = (struct owner){ .firmware = true,
						     .gpa = (i - first) * PAGE_SIZE };
	}
}

const char *owners_try_launch(struct owners *m, unsigned page, bool large)
{
	struct rmp_entry e = snp_page(m->hw, HPA(owners_at(page)));
	const struct owner *p = &m->page[page];
	enum snp_move want = model_move(m, page, large), got;

	e.validated = true;
	e.immutable = false;
	got = snp_firmware_move(m->hw, HPA(owners_at(page)), large, SNP_STATE_PRE_GUEST, &e,
				RMP_EVENT_LAUNCHED);
	if (want == SNP_MOVED && (!p->asid || !p->immutable || p->validated))
		want = SNP_BAD_STATE;
	if (want == SNP_MOVED)
		give_back(m, page, large, true);
	return DIFFERS(got == want, "SNP_LAUNCH_UPDATE");
}

const char *owners_try_reclaim(struct owners *m, unsigned page, bool large)
{
	enum snp_move want = model_move(m, page, large);
	const struct owner *p = &m->page[page];
	enum snp_move got = snp_firmware_reclaim(m->hw, HPA(owners_at(page)), large);

	/* Immutable and with a GPA it is no state of the firmware's. */
	if (want == SNP_MOVED && p->firmware && p->immutable && p->gpa)
		want = SNP_BAD_STATE;
	if (want == SNP_MOVED && p->immutable)
		give_back(m, page, large, false);
	return DIFFERS(got == want, "SNP_PAGE_RECLAIM");
}

static bool can_unsmash(const struct owners *m, unsigned page)
{
	const struct owner *p = &m->page[page];

	if (!p->asid || !p->immutable || p->vmsa || p->gpa % M2)
		return false;
	for (unsigned i = 1; i < 512; i++)
		if (p[i].asid != p->asid || !p[i].immutable || p[i].vmsa ||
		    p[i].gpa != p->gpa + i * PAGE_SIZE || p[i].validated != p->validated ||
		    memcmp(p[i].perm, p->perm, sizeof(p->perm)))
			return false;
	return true;
}

const char *owners_try_unsmash(struct owners *m, unsigned page)
{
	enum snp_move got = snp_firmware_unsmash(m->hw, HPA(owners_at(page))), want;

	if (page % 512)
		return DIFFERS(got == SNP_BAD_ADDRESS, "SNP_PAGE_UNSMASH: address");
	want = !m->large[page / 512] && can_unsmash(m, page) ? SNP_MOVED : SNP_BAD_STATE;
	if (want == SNP_MOVED)
		m->large[page / 512] = true;
	return DIFFERS(got == want, "SNP_PAGE_UNSMASH");
}

/* -- All of it -- */

static bool page_is(const struct owner *p, bool large, const struct rmp_page *q)
{
	const struct rmp_entry *e = &q->entry;

	return q->assigned == is_owned(p) && e->asid == p->asid && q->gpa == p->gpa &&
	       e->validated == p->validated && e->immutable == p->immutable &&
	       e->vmsa == p->vmsa && e->is_2m == large &&
	       !memcmp(e->perm, p->perm, sizeof(p->perm));
}

const char *owners_compare(const struct owners *m)
{
	uint64_t of[512] = { 0 };
	const char *wrong;

	for (unsigned i = 0; i < OWNERS_PAGES; i++) {
		struct rmp_look l;

		rmp_look(m->hw->frames.rmp, HPA(owners_at(i)), 0, &l);
		if (l.page.busy || !page_is(&m->page[i], m->large[i / 512], &l.page))
			return "a page is somebody else's";
		of[m->page[i].asid]++;
	}
	for (uint16_t asid = 1; asid < 510; asid++)
		if (peek_rmp_asid_pages(m->hw, asid) != of[asid])
			return "an ASID's number of pages";
	for (unsigned r = 0; r < OWNERS_REGIONS; r++) {
		wrong = peek_rmp_wrong(m->hw, HPA(owners_at(r * 512)));
		if (wrong)
			return wrong;
	}
	return NULL;
}
