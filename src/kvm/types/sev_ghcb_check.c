/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_ghcb_check.c - what a request has to bring: GHCB specification 4.1,
 * table 6, as KVM asks for it.  Looks at nothing but the copy.
 */
#include <string.h>

#include "hw/insn/svm.h"
#include "kvm/types/sev_ghcb.h"

static uint64_t word(const struct ghcb_copy *g, unsigned at)
{
	uint64_t value;

	memcpy(&value, g->bytes + at, sizeof(value));
	return value;
}

bool ghcb_has(const struct ghcb_copy *g, enum ghcb_offset field)
{
	unsigned bit = field / 8;

	return word(g, GHCB_VALID + bit / 64 * 8) >> bit % 64 & 1;
}

uint64_t ghcb_get(const struct ghcb_copy *g, enum ghcb_offset field)
{
	return field == GHCB_CPL ? g->bytes[GHCB_CPL] : word(g, field);
}

typedef bool (*check_fn)(const struct ghcb_copy *g);

static bool nothing(const struct ghcb_copy *g)
{
	return true;
}

static bool rax(const struct ghcb_copy *g)
{
	return ghcb_has(g, GHCB_RAX);
}

static bool rcx(const struct ghcb_copy *g)
{
	return ghcb_has(g, GHCB_RCX);
}

static bool rax_rcx(const struct ghcb_copy *g)
{
	return rax(g) && rcx(g);
}

static bool rax_rcx_rdx(const struct ghcb_copy *g)
{
	return rax_rcx(g) && ghcb_has(g, GHCB_RDX);
}

/* Leaf 0xd says sizes for the components that are on. */
static bool cpuid(const struct ghcb_copy *g)
{
	return rax_rcx(g) && (ghcb_get(g, GHCB_RAX) != 0xd || ghcb_has(g, GHCB_XCR0));
}

static bool scratch(const struct ghcb_copy *g)
{
	return ghcb_has(g, GHCB_SCRATCH);
}

static bool ioio(const struct ghcb_copy *g)
{
	uint64_t info = ghcb_get(g, GHCB_EXITINFO1);

	if (info & SVM_IOIO_STR)
		return scratch(g);
	return (info & SVM_IOIO_IN) || rax(g);
}

static bool msr(const struct ghcb_copy *g)
{
	return ghcb_get(g, GHCB_EXITINFO1) ? rax_rcx_rdx(g) : rcx(g);
}

static bool vmmcall(const struct ghcb_copy *g)
{
	return rax(g) && ghcb_has(g, GHCB_CPL);
}

/* Two pages, not the same. */
static bool guest_request(const struct ghcb_copy *g)
{
	uint64_t request = ghcb_get(g, GHCB_EXITINFO1), response = ghcb_get(g, GHCB_EXITINFO2);

	return !((request | response) & ~PAGE_MASK) && request != response;
}

static bool ap_creation(const struct ghcb_copy *g)
{
	return (uint32_t)ghcb_get(g, GHCB_EXITINFO1) == GHCB_AP_DESTROY || rax(g);
}

static const struct {
	uint64_t code;
	check_fn has_inputs;
	bool	 snp_only;
} events[] = {
	{ GHCB_READ_DR7, nothing },
	{ GHCB_WRITE_DR7, rax },
	{ SVM_EXIT_RDTSC, nothing },
	{ SVM_EXIT_RDPMC, rcx },
	{ SVM_EXIT_CPUID, cpuid },
	{ SVM_EXIT_INVD, nothing },
	{ SVM_EXIT_IOIO, ioio },
	{ SVM_EXIT_MSR, msr },
	{ SVM_EXIT_VMMCALL, vmmcall },
	{ SVM_EXIT_RDTSCP, nothing },
	{ SVM_EXIT_WBINVD, nothing },
	{ SVM_EXIT_MONITOR, rax_rcx_rdx },
	{ SVM_EXIT_MWAIT, rax_rcx },
	{ GHCB_MMIO_READ, scratch },
	{ GHCB_MMIO_WRITE, scratch },
	{ GHCB_NMI_COMPLETE, nothing },
	{ GHCB_AP_HLT_LOOP, nothing },
	{ GHCB_AP_JUMP_TABLE, nothing },
	{ GHCB_PSC, scratch, true },
	{ GHCB_GUEST_REQUEST, guest_request, true },
	{ GHCB_EXT_GUEST_REQUEST, guest_request, true },
	{ GHCB_AP_CREATION, ap_creation, true },
	{ GHCB_HV_FEATURES, nothing },
	{ GHCB_TERM_REQUEST, nothing },
	{ GHCB_UNSUPPORTED, nothing },
};

enum ghcb_error ghcb_check(const struct ghcb_copy *g, bool is_snp)
{
	uint64_t code = ghcb_get(g, GHCB_EXITCODE);
	uint32_t usage;

	memcpy(&usage, g->bytes + GHCB_USAGE, sizeof(usage));
	if (usage)
		return GHCB_INVALID_USAGE;
	if (!ghcb_has(g, GHCB_EXITCODE) || !ghcb_has(g, GHCB_EXITINFO1) ||
	    !ghcb_has(g, GHCB_EXITINFO2))
		return GHCB_MISSING_INPUT;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		if (events[i].code != code)
			continue;
		return (is_snp || !events[i].snp_only) && events[i].has_inputs(g) ?
		       GHCB_OK : GHCB_MISSING_INPUT;
	}
	return GHCB_INVALID_EVENT;
}
