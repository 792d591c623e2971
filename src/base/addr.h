/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * addr.h - the four kinds of address, as values that cannot be mixed.
 *
 * hpa_t  modelled host physical address (never a process address)
 * gpa_t  guest physical address; gfn_t its page number
 * gva_t  guest linear address
 * hva_t  address in the VMM's own address space
 *
 * Values without state: any thread, any time.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/page.h"

typedef struct { uint64_t v; } hpa_t;
typedef struct { uint64_t v; } gpa_t;
typedef struct { uint64_t v; } gfn_t;
typedef struct { uint64_t v; } gva_t;
typedef struct { uint64_t v; } hva_t;

#define HPA(x)	((hpa_t){ (x) })
#define GPA(x)	((gpa_t){ (x) })
#define GFN(x)	((gfn_t){ (x) })
#define GVA(x)	((gva_t){ (x) })
#define HVA(x)	((hva_t){ (x) })

/* No page has this address; what a failed look-up answers. */
#define HPA_INVALID	HPA(~0ull)

static inline bool hpa_is_valid(hpa_t a)
{
	return a.v != HPA_INVALID.v;
}

static inline gfn_t gpa_to_gfn(gpa_t a)
{
	return GFN(a.v >> PAGE_SHIFT);
}

static inline gpa_t gfn_to_gpa(gfn_t f)
{
	return GPA(f.v << PAGE_SHIFT);
}
