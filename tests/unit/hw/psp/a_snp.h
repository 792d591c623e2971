/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * a_snp.h - a machine whose secure processor speaks SEV-SNP, pages in each state of
 * the firmware's, and guests of it, for tests.
 *
 * Everything of a guest goes through the mailbox and RMPUPDATE.  Pages come from one stretch of
 * host memory and are used once.
 */
#pragma once
#include "hw/mem/a_machine.h"

#include "hw/insn/peek.h"
#include "hw/insn/phys.h"
#include "hw/insn/psp_snp.h"
#include "hw/insn/rmp.h"
#include "hw/mem/view.h"
#include "hw/snp/firmware.h"

#include <string.h>

#ifndef POOL_PAGES
#define POOL_PAGES	8192u
#endif
#define SIZE_2M		PG_LEVEL_SIZE(PG_LEVEL_2M)
#define UNCOVERED	(1ull << 42)	/* a page without an entry */
#define POLICY		(PSP_SNP_POLICY_MBO | PSP_SNP_POLICY_SMT)
#define OTHER_ASID	9u

struct snp {
	struct hw	*hw;
	uint8_t		*bytes;
	uint64_t	 at;			/* physical address of the pool */
	unsigned	 used;
};

static inline struct snp a_machine_with(bool snp)
{
	struct snp s = { .hw = a_machine((struct hw_config){
		.vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 51,
		.nr_keys = 15, .min_sev_asid = 6, .snp = snp, .rmp_end = snp ? UNCOVERED : 0 }) };

	s.bytes = os_map_private(POOL_PAGES * PAGE_SIZE, SIZE_2M);
	assert_non_null(s.bytes);
	for (unsigned i = 0; i < POOL_PAGES; i++) {
		hpa_t a = phys_publish(s.hw, s.bytes + i * PAGE_SIZE);

		assert_true(hpa_is_valid(a));
		s.at = i ? s.at : a.v;
		assert_int_equal(a.v, s.at + i * PAGE_SIZE);
	}
	return s;
}

static inline void no_snp(struct snp *s)
{
	phys_retire(s->hw, s->bytes, POOL_PAGES * PAGE_SIZE);
	no_machine(s->hw);
	os_unmap(s->bytes, POOL_PAGES * PAGE_SIZE);
}

static inline uint64_t a_page(struct snp *s)
{
	assert_true(s->used < POOL_PAGES);
	return s->at + s->used++ * PAGE_SIZE;
}

static inline uint64_t a_large(struct snp *s)
{
	s->used = ALIGN_UP(s->used, 512u) + 512;
	assert_true(s->used <= POOL_PAGES);
	return s->at + (s->used - 512) * PAGE_SIZE;
}

static inline void put(struct snp *s, uint64_t to, const void *from, size_t len)
{
	assert_true(view_write(s->hw, HPA(to), 0, from, len));
}

static inline void get(struct snp *s, uint64_t from, void *to, size_t len)
{
	assert_true(view_read(s->hw, HPA(from), 0, to, len));
}

static inline enum psp_status cmd(struct snp *s, enum psp_cmd c, void *buffer)
{
	return psp_command(s->hw, c, buffer);
}

static inline enum psp_status cmd_at(struct snp *s, enum psp_cmd c, uint64_t address)
{
	return cmd(s, c, &(struct psp_snp_addr){ address });
}

static inline enum psp_status init(struct snp *s)
{
	return cmd(s, PSP_SNP_INIT_EX, &(struct psp_snp_init_ex){ .flags = PSP_SNP_INIT_RMP });
}

static inline void flush(struct snp *s)
{
	psp_wbinvd_done(s->hw);
	assert_int_equal(cmd(s, PSP_SNP_DF_FLUSH, NULL), PSP_SUCCESS);
}

/* Initialised, all ASIDs clean. */
static inline struct snp an_snp(void)
{
	struct snp s = a_machine_with(true);

	assert_int_equal(init(&s), PSP_SUCCESS);
	flush(&s);
	return s;
}

/* -- Pages -- */

static inline void assign(struct snp *s, uint64_t a, uint64_t gpa, uint32_t asid, bool large,
			  bool immutable)
{
	const struct rmp_operand o = { .gpa = gpa, .assigned = 1, .page_size = large,
				       .immutable = immutable, .asid = asid };

	assert_int_equal(rmpupdate(s->hw, HPA(a), &o), RMP_SUCCESS);
}

static inline struct rmp_entry entry_of(struct snp *s, uint64_t a)
{
	return snp_page(s->hw, HPA(a));
}

static inline enum snp_state state_of(struct snp *s, uint64_t a)
{
	const struct rmp_entry e = entry_of(s, a);

	return snp_state_of(&e);
}

static const char *const state_names[] = {
	[SNP_STATE_HYPERVISOR] = "hypervisor", [SNP_STATE_HV_FIXED] = "hv-fixed",
	[SNP_STATE_FIRMWARE] = "firmware", [SNP_STATE_RECLAIM] = "reclaim",
	[SNP_STATE_CONTEXT] = "context", [SNP_STATE_METADATA] = "metadata",
	[SNP_STATE_PRE_GUEST] = "pre-guest", [SNP_STATE_PRE_SWAP] = "pre-swap",
	[SNP_STATE_GUEST_INVALID] = "guest-invalid", [SNP_STATE_GUEST_VALID] = "guest-valid",
	[SNP_STATE_FIRMWARE_IOMMU] = "firmware-iommu", [SNP_STATE_INVALID] = "invalid",
	[SNP_STATE_DEFAULT] = "default",
};

static inline void firmware_turns(struct snp *s, uint64_t a, bool large, struct rmp_entry to)
{
	const struct rmp_entry e = entry_of(s, a);

	to.assigned = true;
	assert_int_equal(snp_firmware_move(s->hw, HPA(a), large, snp_state_of(&e), &to,
					   RMP_EVENT_FIRMWARE), SNP_MOVED);
}

/* @a, the hypervisor's, gets into @state; a guest's page: of @asid at @gpa.  The hypervisor's
 * and fixed ones are 4K. */
static inline void into_state(struct snp *s, uint64_t a, enum snp_state state, bool large,
			      uint32_t asid, uint64_t gpa)
{
	const bool guests = state >= SNP_STATE_PRE_GUEST && state <= SNP_STATE_GUEST_VALID;
	struct rmp_entry e = { .immutable = true };

	if (state == SNP_STATE_HYPERVISOR || state == SNP_STATE_DEFAULT)
		return;
	if (state == SNP_STATE_HV_FIXED) {
		assert_int_equal(snp_firmware_fix(s->hw, HPA(a)), SNP_MOVED);
		return;
	}
	assign(s, a, guests ? gpa : 0, guests ? asid : 0, large,
	       state != SNP_STATE_RECLAIM && state != SNP_STATE_GUEST_INVALID &&
	       state != SNP_STATE_GUEST_VALID);
	if (guests)
		e = entry_of(s, a);
	if (state == SNP_STATE_CONTEXT)
		e.vmsa = true;
	else if (state == SNP_STATE_METADATA)
		e.gpa = 1ull << 48 | PAGE_SIZE;
	else if (state == SNP_STATE_FIRMWARE_IOMMU)
		e.gpa = 2ull << 48 | PAGE_SIZE;
	else if (state == SNP_STATE_PRE_SWAP || state == SNP_STATE_GUEST_VALID ||
		 state == SNP_STATE_INVALID)
		e.validated = true;
	else
		return;
	firmware_turns(s, a, large, e);
	assert_int_equal(state_of(s, a), state);
}

/* The hypervisor's again, whatever it was but for a context that names a guest. */
static inline void give_back(struct snp *s, uint64_t a, bool large)
{
	const struct rmp_operand free = { .page_size = large };
	const enum snp_state was = state_of(s, a);

	if (was == SNP_STATE_DEFAULT || was == SNP_STATE_HYPERVISOR)
		return;
	if (was == SNP_STATE_HV_FIXED) {
		assert_int_equal(snp_firmware_move(s->hw, HPA(a), large, was,
						   &(struct rmp_entry){ 0 }, RMP_EVENT_FIRMWARE),
				 SNP_MOVED);
		return;
	}
	if (was == SNP_STATE_CONTEXT || was == SNP_STATE_FIRMWARE_IOMMU || was == SNP_STATE_INVALID)
		firmware_turns(s, a, large, (struct rmp_entry){ .immutable = true });
	assert_int_equal(snp_firmware_reclaim(s->hw, HPA(a), large), SNP_MOVED);
	assert_int_equal(rmpupdate(s->hw, HPA(a), &free), RMP_SUCCESS);
}

/* A page for the firmware to write to. */
static inline uint64_t a_firmware_page(struct snp *s)
{
	const uint64_t a = a_page(s);

	assign(s, a, 0, 0, false, true);
	return a;
}

/* -- Guests -- */

static inline uint64_t a_context(struct snp *s)
{
	const uint64_t gctx = a_firmware_page(s);

	assert_int_equal(cmd_at(s, PSP_SNP_GCTX_CREATE, gctx), PSP_SUCCESS);
	return gctx;
}

static inline enum psp_status launch_start(struct snp *s, uint64_t gctx, uint64_t policy)
{
	return cmd(s, PSP_SNP_LAUNCH_START,
		   &(struct psp_snp_launch_start){ .gctx = gctx, .policy = policy });
}

static inline enum psp_status activate(struct snp *s, uint64_t gctx, uint32_t asid)
{
	return cmd(s, PSP_SNP_ACTIVATE, &(struct psp_snp_activate){ gctx, asid });
}

static inline enum psp_status launch_finish(struct snp *s, uint64_t gctx)
{
	return cmd(s, PSP_SNP_LAUNCH_FINISH, &(struct psp_snp_launch_finish){ .gctx = gctx });
}

/* In the state launch, with @asid. */
static inline uint64_t a_guest(struct snp *s, uint64_t policy, uint32_t asid)
{
	const uint64_t gctx = a_context(s);

	assert_int_equal(launch_start(s, gctx, policy), PSP_SUCCESS);
	if (asid)
		assert_int_equal(activate(s, gctx, asid), PSP_SUCCESS);
	return gctx;
}

static inline struct psp_snp_launch_update update_of(uint64_t gctx, uint64_t a, unsigned type,
						     bool large)
{
	return (struct psp_snp_launch_update){
		.gctx = gctx, .address = a,
		.page = (uint32_t)(FIELD_PUT(PSP_SNP_UPDATE_TYPE, type) |
				   (large ? PSP_SNP_UPDATE_2M : 0)) };
}

static inline enum psp_status launch_update(struct snp *s, uint64_t gctx, uint64_t a,
					    unsigned type, bool large)
{
	struct psp_snp_launch_update u = update_of(gctx, a, type, large);

	return cmd(s, PSP_SNP_LAUNCH_UPDATE, &u);
}

static inline struct psp_snp_guest_state guest_status(struct snp *s, uint64_t gctx)
{
	struct psp_snp_guest_status g = { gctx, UNCOVERED };
	struct psp_snp_guest_state out;

	g.address = a_firmware_page(s);
	assert_int_equal(cmd(s, PSP_SNP_GUEST_STATUS, &g), PSP_SUCCESS);
	get(s, g.address, &out, sizeof(out));
	return out;
}
