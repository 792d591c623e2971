/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* a_page.h - an RMP entry in a state that the facts name. */
#pragma once
#include <string.h>

#include "hw/snp/an_rmp.h"
#include "model/rmp/facts.h"

#define OTHER_ASID	(ASID + 1)
#define SMALL_AT	(AT + 0x5000)	/* a page that is not the first of its 2 MiB */
#define UNCOVERED	(1ull << 42)

#define EACH(var, ...)							\
	for (const char *const *var = (const char *const []){ __VA_ARGS__, NULL }; *var; var++)

static inline bool is(const char *a, const char *b)
{
	return !strcmp(a, b);
}

/* What one entry is, in the words of the columns. */
struct a_page {
	const char	*state, *size, *asid, *gpa;
	uint8_t		 perm[RMP_NR_VMPLS];
	bool		 vmsa;
};

static inline bool has_owner(const char *state)
{
	return !strncmp(state, "pre-", 4) || !strncmp(state, "guest-", 6);
}

/* Where the 2 MiB are, and where the guest has them. */
extern struct a_page_place { uint64_t at, gpa; } a_page_place;

/* Puts it there; @at, its address; @gpa, where the guest looks for it. */
void a_page_make(struct hw *hw, const struct a_page *p, uint64_t *at, uint64_t *gpa);
/* All 512 entries of the 2 MiB: read, or written over. */
void a_page_save(struct hw *hw, struct rmp_words all[RMP_PAGES]);
void a_page_restore(struct hw *hw, const struct rmp_words all[RMP_PAGES]);

extern struct facts vmpl_masks;

/* test_host.c, test_guest.c, test_walk.c. */
void check_rmpupdate(struct facts *f);
void check_psmash(struct facts *f);
void check_rmpread(struct facts *f);
void check_pvalidate(struct facts *f);
void check_rmpadjust(struct facts *f);
void check_rmpquery(struct facts *f);
void check_walks(struct facts *f);
