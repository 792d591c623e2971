/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* module.c - SEAMCALL: which leaf, in which version, and may it be now. */
#include <stdlib.h>

#include "hw/cpu/seam.h"
#include "hw/tdx/tdx_priv.h"

#define LEAF		BITS(15, 0)
#define VERSION_HI	23
#define VERSION_LO	16

/* Leaves that work before the module is ready, and those that tell more in RCX and RDX when they fail. */
enum { ANY_TIME = 1, CLEARS = 2 };

static const struct {
	seam_leaf	*run;
	uint8_t		 version;	/* the highest */
	uint8_t		 flags;
} leaves[] = {
#define SEAM_LEAF_ROW(nr, name, version, flags) [nr] = { name, version, flags },
	SEAM_LEAVES(SEAM_LEAF_ROW)
#undef SEAM_LEAF_ROW
};

/* -- The module, made by the first call -- */

static void module_end(void *arg)
{
	struct tdx *m = arg;

	for (uint64_t r = 0; r < m->pamt.nr_regions; r++)
		for (unsigned i = 0; m->pamt.regions[r] && i < PAMT_REGION_4K; i++) {
			struct pamt_entry *e = &m->pamt.regions[r]->of_4k[i];

			if (e->type == TDX_PT_TDR)
				td_free(e->object);
			else if (e->type == TDX_PT_TDVPR)
				td_vcpu_free(e->object);
		}
}

static struct tdx *module_new(struct hw *hw) REQUIRES(hw->lock)
{
	struct tdx *m = machine_alloc_locked(hw, sizeof(*m));

	if (!m)
		return NULL;
	m->hw = hw;
	m->first_key = 1u << (hw->config.phys_reduction - 1);
	m->nr_keys = m->first_key;
	m->keys = machine_alloc_locked(hw, m->nr_keys * sizeof(*m->keys));
	m->lp_ready = machine_alloc_locked(hw, hw->config.nr_cpus * sizeof(*m->lp_ready));
	if (!m->keys || !m->lp_ready || !pamt_init_locked(&m->pamt, hw) ||
	    !machine_at_end_locked(hw, module_end, m))
		return NULL;
	return m;
}

static struct tdx *module_of(struct hw *hw)
{
	struct tdx *m;

	mutex_lock(&hw->lock);
	if (!hw->tdx)
		hw->tdx = module_new(hw);
	m = hw->tdx;
	mutex_unlock(&hw->lock);
	return m;
}

/* -- Calls -- */

static uint64_t run(struct seam_call *c, uint64_t rax)
{
	const uint64_t nr = rax & LEAF;
	uint64_t status;

	if (rax & ~(LEAF | FIELD_MASK(VERSION)) || nr >= ARRAY_SIZE(leaves) || !leaves[nr].run ||
	    FIELD_GET(VERSION, rax) > leaves[nr].version)
		return TDX_OPERAND_INVALID | TDX_OPERAND_RAX;
	if (!(leaves[nr].flags & ANY_TIME) && atomic32_load(&c->m->sys_state) != TDX_SYS_READY)
		return TDX_SYS_NOT_READY;
	if (leaves[nr].flags & CLEARS)
		OUT(c, RCX) = OUT(c, RDX) = 0;
	status = leaves[nr].run(c);
	call_end(c);
	return status;
}

bool seamcall(struct cpu *cpu, struct seam_regs *r)
{
	struct hw *hw = cpu_machine(cpu);
	struct seam_call c = { .cpu = cpu, .r = r };

	c.m = hw->config.tdx ? module_of(hw) : NULL;
	if (!c.m)
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(c.in); i++)
		c.in[i] = r->gpr[i];
	r->gpr[SEAM_RAX] = run(&c, r->gpr[SEAM_RAX]);
	return true;
}
