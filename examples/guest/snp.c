/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp.c - the pages of an SNP guest: the instructions on them, and page state changes.
 *
 * private to shared: rescind, ask, then map without the encryption bit.
 * shared to private: map with it, ask, then validate; what the page holds is not to be trusted.
 */
#include "ghcb.h"
#include "snp.h"

/* MSR protocol */
#define MSR_PSC			0x014u
#define MSR_PSC_ANSWER		0x015u
#define MSR_FEATURES		0x080u
#define MSR_FEATURES_ANSWER	0x081u

#define GHCB_PSC		0x80000010u
#define PSC_ENTRIES		253u

/* Linux's set of reasons to end. */
#define SET_LINUX		1u
#define REASON_PSC		1u
#define REASON_PVALIDATE	2u

unsigned snp_pvalidate(uint64_t va, enum snp_size size, bool validate)
{
	uint32_t code;
	bool carry;

	__asm__ volatile(".byte 0xf2, 0x0f, 0x01, 0xff"		/* PVALIDATE */
			 : "=@ccc"(carry), "=a"(code)
			 : "a"(va), "c"(size), "d"((uint32_t)validate) : "memory");
	return code | (carry ? SNP_NO_CHANGE : 0);
}

unsigned snp_rmpadjust(uint64_t va, enum snp_size size, unsigned vmpl, unsigned rights)
{
	uint64_t what = vmpl | (uint64_t)(rights & 0xff) << 8 | (rights & SNP_VMSA ? 1u << 16 : 0);
	uint32_t code;

	__asm__ volatile(".byte 0xf3, 0x0f, 0x01, 0xfe"		/* RMPADJUST */
			 : "=a"(code) : "a"(va), "c"((uint64_t)size), "d"(what) : "memory", "cc");
	return code;
}

struct snp_query snp_rmpquery(uint64_t va, unsigned vmpl)
{
	uint64_t what = vmpl, size = 0;
	uint32_t code;

	__asm__ volatile(".byte 0xf3, 0x0f, 0x01, 0xfd"		/* RMPQUERY */
			 : "=a"(code), "+c"(size), "+d"(what) : "a"(va) : "memory", "cc");
	return (struct snp_query){ code, (unsigned)(what >> 8 & 0xff) | (what >> 16 & 1 ? SNP_VMSA : 0),
				   size & 1 ? SNP_2M : SNP_4K };
}

static void validate_small(uint64_t va, uint64_t size, bool validate)
{
	for (uint64_t end = va + size; va < end; va += GUEST_PAGE) {
		if (snp_pvalidate(va, SNP_4K, validate) != SNP_DONE)
			guest_terminate(SET_LINUX, REASON_PVALIDATE);
	}
}

void snp_validate(uint64_t va, uint64_t size, bool validate)
{
	uint64_t end = va + size, step;
	unsigned code;

	for (; va < end; va += step) {
		step = GUEST_PAGE;
		code = SNP_FAIL_SIZEMISMATCH;
		if (va % GUEST_LARGE_PAGE == 0 && end - va >= GUEST_LARGE_PAGE) {
			step = GUEST_LARGE_PAGE;
			code = snp_pvalidate(va, SNP_2M, validate);
		}
		if (code == SNP_FAIL_SIZEMISMATCH)
			validate_small(va, step, validate);
		else if (code != SNP_DONE)
			guest_terminate(SET_LINUX, REASON_PVALIDATE);
	}
}

uint32_t snp_change_page(uint64_t gpa, enum snp_state to)
{
	uint64_t answer = ghcb_msr((uint64_t)to << 52 | gpa | MSR_PSC);

	if ((answer & 0xffffffff) != MSR_PSC_ANSWER)
		guest_terminate(SET_LINUX, REASON_PSC);
	return (uint32_t)(answer >> 32);
}

/* The structure in the GHCB's buffer, which the hypervisor may write at any time. */
struct psc {
	uint16_t cur, end;
	uint32_t reserved;
	uint64_t entry[PSC_ENTRIES];
};
_Static_assert(sizeof(struct psc) == GHCB_BUFFER_SIZE, "GHCB specification, page state change");

static unsigned send(volatile struct psc *psc, uint16_t end)
{
	unsigned requests = 0;
	uint16_t cur = 0, now;

	psc->cur = 0;
	psc->end = end;
	psc->reserved = 0;
	for (; cur <= end; cur = now) {
		ghcb_clear();
		ghcb_use_buffer();
		ghcb_call(GHCB_PSC, 0, 0);
		requests++;
		now = psc->cur;
		if (ghcb_get(GHCB_EXITINFO2) || psc->reserved || psc->end != end || now < cur)
			guest_terminate(SET_LINUX, REASON_PSC);
	}
	return requests;
}

unsigned snp_change(uint64_t gpa, uint64_t size, enum snp_state to, enum snp_size entries)
{
	volatile struct psc *psc = (volatile struct psc *)ghcb_buffer();
	uint64_t end = gpa + size;
	unsigned requests = 0;
	uint16_t n;

	while (gpa < end) {
		for (n = 0; n < PSC_ENTRIES && gpa < end; n++, gpa += snp_bytes(entries))
			psc->entry[n] = gpa | (uint64_t)to << 52 | (uint64_t)(entries == SNP_2M) << 56;
		requests += send(psc, (uint16_t)(n - 1));
	}
	return requests;
}

static void map(uint64_t va, uint64_t size, enum snp_size by, enum guest_map how)
{
	for (uint64_t end = va + size; va < end; va += snp_bytes(by)) {
		if (by == SNP_2M)
			guest_map_large(va, va, how);
		else
			guest_map(va, va, how);
	}
}

void snp_share(uint64_t va, uint64_t size, enum snp_size by)
{
	if (by == SNP_2M)
		snp_validate(va, size, false);
	else
		validate_small(va, size, false);
	/* Before there is a GHCB, and for one page, the MSR is enough. */
	if (size != GUEST_PAGE)
		snp_change(va, size, SNP_SHARED, by);
	else if (snp_change_page(va, SNP_SHARED))
		guest_terminate(SET_LINUX, REASON_PSC);
	map(va, size, by, GUEST_MAP_SHARED);
}

void snp_unshare(uint64_t va, uint64_t size, enum snp_size by)
{
	map(va, size, by, GUEST_MAP_PRIVATE);
	if (size != GUEST_PAGE)
		snp_change(va, size, SNP_PRIVATE, by);
	else if (snp_change_page(va, SNP_PRIVATE))
		guest_terminate(SET_LINUX, REASON_PSC);
	if (by == SNP_2M)
		snp_validate(va, size, true);
	else
		validate_small(va, size, true);
}

uint64_t snp_hypervisor_features(void)
{
	uint64_t answer = ghcb_msr(MSR_FEATURES);

	return (answer & 0xfff) == MSR_FEATURES_ANSWER ? answer >> 12 : 0;
}
