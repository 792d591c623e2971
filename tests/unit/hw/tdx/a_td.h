/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * a_td.h - a machine with a TDX module that is ready, and TDs of it, for tests: all
 * of it by SEAMCALL.  Pages come from one stretch of host memory and are used once.
 */
#pragma once
#include "hw/mem/a_machine.h"

#include "hw/insn/cpu.h"
#include "hw/insn/phys.h"
#include "hw/insn/tdx.h"
#include "hw/mem/view.h"
#include "hw/tdx/params.h"

#include <string.h>

#define POOL_PAGES	4096u
#define KEY_BITS	6u
#define GLOBAL_KEY	32u
#define FIRST_KEY	33u

struct tdx_machine {
	struct hw	*hw;
	struct cpu	*cpu;
	uint8_t		*bytes;
	uint64_t	 at;		/* physical address of the pool */
	unsigned	 used;		/* pages of it */
	struct seam_regs r;		/* of the last call */
};

static inline uint64_t a_page(struct tdx_machine *t)
{
	assert_true(t->used < POOL_PAGES);
	return t->at + PAGE_SIZE * t->used++;
}

static inline uint64_t a_2m_page(struct tdx_machine *t)
{
	t->used = (t->used + 511) & ~511u;
	t->used += 512;
	return t->at + PAGE_SIZE * (t->used - 512);
}

static inline uint8_t *page_bytes(struct tdx_machine *t, uint64_t page)
{
	return t->bytes + (page - t->at);
}

/* The status; other registers in t->r. */
static inline uint64_t call(struct tdx_machine *t, uint64_t leaf, uint64_t rcx, uint64_t rdx,
			    uint64_t r8, uint64_t r9)
{
	t->r = (struct seam_regs){ .gpr = { [SEAM_RAX] = leaf, [SEAM_RCX] = rcx, [SEAM_RDX] = rdx,
					    [SEAM_R8] = r8, [SEAM_R9] = r9,
					    [SEAM_R10] = ~0ull, [SEAM_R11] = ~0ull } };
	assert_true(seamcall(t->cpu, &t->r));
	return t->r.gpr[SEAM_RAX];
}

#define SUCCEEDS(status) assert_int_equal(status, TDX_SUCCESS)

/* One range, from physical address 0 to the end of the pool's gigabyte. */
static inline void bring_up(struct tdx_machine *t)
{
	uint64_t info = a_page(t), list = a_page(t);
	const uint64_t size = (t->at & ~((1ull << 30) - 1)) + (1ull << 30);

	((uint64_t *)(void *)page_bytes(t, info))[0] = 0;
	((uint64_t *)(void *)page_bytes(t, info))[1] = size;
	((uint64_t *)(void *)page_bytes(t, list))[0] = info;
	SUCCEEDS(call(t, TDH_SYS_INIT, 0, 0, 0, 0));
	SUCCEEDS(call(t, TDH_SYS_LP_INIT, 0, 0, 0, 0));
	SUCCEEDS(call(t, TDH_SYS_CONFIG, list, 1, GLOBAL_KEY, 0));
	SUCCEEDS(call(t, TDH_SYS_KEY_CONFIG, 0, 0, 0, 0));
	do
		SUCCEEDS(call(t, TDH_SYS_TDMR_INIT, 0, 0, 0, 0));
	while (t->r.gpr[SEAM_RDX] < size);
}

static inline struct tdx_machine a_tdx_machine(void)
{
	struct tdx_machine t = { .hw = a_machine((struct hw_config){
		.vendor = HW_VENDOR_INTEL, .phys_bits = 52, .phys_reduction = KEY_BITS,
		.tdx = true }) };

	t.cpu = hw_cpu(t.hw, 0);
	t.bytes = os_map_private(POOL_PAGES * PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
	assert_non_null(t.cpu);
	assert_non_null(t.bytes);
	for (unsigned i = 0; i < POOL_PAGES; i++) {
		hpa_t a = phys_publish(t.hw, t.bytes + i * PAGE_SIZE);

		t.at = i ? t.at : a.v;
		assert_int_equal(a.v, t.at + i * PAGE_SIZE);
	}
	bring_up(&t);
	return t;
}

static inline void no_tdx_machine(struct tdx_machine *t)
{
	phys_retire(t->hw, t->bytes, POOL_PAGES * PAGE_SIZE);
	no_machine(t->hw);
	os_unmap(t->bytes, POOL_PAGES * PAGE_SIZE);
}

static inline struct td_params td_params_48(void)
{
	return (struct td_params){
		.attributes = TD_ATTR_SEPT_VE_DISABLE, .xfam = 3, .max_vcpus = 4,
		.eptp_controls = 6 | 3 << 3, .config_flags = TD_FLAG_NO_RBP_MOD,
		.tsc_frequency = 80,
	};
}

/* With a key and its control pages, and TDH.MNG.INIT done: INITIALIZED.  Its TDR. */
static inline uint64_t a_td(struct tdx_machine *t, uint64_t hkid)
{
	const struct td_params p = td_params_48();
	uint64_t tdr = a_page(t), params = a_page(t);

	memcpy(page_bytes(t, params), &p, sizeof(p));
	SUCCEEDS(call(t, TDH_MNG_CREATE, tdr, hkid, 0, 0));
	SUCCEEDS(call(t, TDH_MNG_KEY_CONFIG, tdr, 0, 0, 0));
	for (unsigned i = 0; i < 6; i++)
		SUCCEEDS(call(t, TDH_MNG_ADDCX, a_page(t), tdr, 0, 0));
	SUCCEEDS(call(t, TDH_MNG_INIT, tdr, params, 0, 0));
	return tdr;
}

/* With its pages, and TDH.VP.INIT done on the machine's processor.  Its TDVPR. */
static inline uint64_t a_vcpu(struct tdx_machine *t, uint64_t tdr, uint32_t x2apic_id)
{
	uint64_t tdvpr = a_page(t);

	SUCCEEDS(call(t, TDH_VP_CREATE, tdvpr, tdr, 0, 0));
	for (unsigned i = 0; i < 5; i++)
		SUCCEEDS(call(t, TDH_VP_ADDCX, a_page(t), tdvpr, 0, 0));
	SUCCEEDS(call(t, TDH_VP_INIT | TDH_VERSION(1), tdvpr, 0x1234, x2apic_id, 0));
	return tdvpr;
}
