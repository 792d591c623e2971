/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/machine.h"

#include "hw/insn/peek.h"
#include "hw/mem/rmp.h"
#include "hw/mem/view.h"
#include "os/memory.h"

#include <stdlib.h>

struct machine_piece {
	struct machine_piece	*next;
	void			*bytes;
	size_t			 size;
};

struct machine_end {
	struct machine_end	*next;
	void			(*fn)(void *arg);
	void			*arg;
};

#define MILAN_NR_KEYS	509u

struct hw_config hw_config_whole(const struct hw_config *c)
{
	struct hw_config w = *c;

	if (c->vendor != HW_VENDOR_AMD || !c->c_bit)
		return w;
	if (!w.nr_keys)
		w.nr_keys = MILAN_NR_KEYS;
	if (!w.min_sev_asid)
		w.min_sev_asid = (uint16_t)(w.nr_keys / 5 + 1);
	return w;
}

static bool config_is_good(const struct hw_config *c)
{
	if (c->phys_bits < 36 || c->phys_bits > 52 || !c->nr_cpus || !c->counters)
		return false;
	if (c->rmp_end & (PG_LEVEL_SIZE(PG_LEVEL_2M) - 1) || (c->rmp_end && !c->snp))
		return false;
	if (c->vendor == HW_VENDOR_INTEL)
		return !c->c_bit && !c->snp &&
		       (c->tdx ? c->phys_reduction >= 2 && c->phys_reduction <= 15 : !c->phys_reduction);
	if (c->vendor != HW_VENDOR_AMD || c->tdx)
		return false;
	if (!c->c_bit && (c->nr_keys || c->min_sev_asid || c->snp))
		return false;
	if (c->min_sev_asid > c->nr_keys + 1u)
		return false;
	return c->phys_bits - c->phys_reduction >= 36 && c->c_bit < 52 &&
	       (!c->c_bit || c->c_bit >= c->phys_bits - c->phys_reduction);
}

static size_t hw_storage(void)
{
	return ALIGN_UP(sizeof(struct hw), PAGE_SIZE);
}

enum hw_status hw_create(const struct hw_config *config, struct hw **out)
{
	struct hw_config whole = hw_config_whole(config);
	struct hw *hw;

	if (!config_is_good(&whole))
		return HW_BAD_CONFIG;
	hw = os_map_private(hw_storage(), PAGE_SIZE);
	if (!hw)
		return HW_NO_MEMORY;
	hw->config = whole;
	mutex_init(&hw->lock, "hw.lock", RANK_LEAF);
	spin_init(&hw->findings_lock, "hw.findings_lock", RANK_LEAF);
	spin_init(&hw->bus_lock, "hw.bus_lock", RANK_LEAF);
	hw->cpus = calloc(whole.nr_cpus, sizeof(*hw->cpus));
	if (!hw->cpus || !frames_init(&hw->frames, machine_phys_bits(hw))) {
		free(hw->cpus);
		os_unmap(hw, hw_storage());
		return HW_NO_MEMORY;
	}
	os_holds_pointers(hw, hw_storage());
	dram_init(&hw->dram, &hw->frames);
	if (whole.snp && !rmp_make(hw)) {
		hw_destroy(hw);
		return HW_NO_MEMORY;
	}
	*out = hw;
	return HW_OK;
}

void hw_destroy(struct hw *hw)
{
	struct machine_piece *p, *next;
	struct machine_end *e, *next_end;

	if (!hw)
		return;
	for (e = hw->ends; e; e = next_end) {
		next_end = e->next;
		e->fn(e->arg);
		free(e);
	}
	for (p = hw->pieces; p; p = next) {
		next = p->next;
		os_unmap(p->bytes, p->size);
		free(p);
	}
	view_fini(hw);
	dram_fini(&hw->dram);
	frames_fini(&hw->frames);
	free(hw->cpus);
	mutex_fini(&hw->lock);
	os_holds_none(hw, hw_storage());
	os_unmap(hw, hw_storage());
}

const struct hw_config *hw_config(const struct hw *hw)
{
	return &hw->config;
}

void *machine_alloc_locked(struct hw *hw, size_t size)
{
	struct machine_piece *p = malloc(sizeof(*p));

	if (!p)
		return NULL;
	p->size = ALIGN_UP(size, PAGE_SIZE);
	p->bytes = os_map_private(p->size, PAGE_SIZE);
	if (!p->bytes) {
		free(p);
		return NULL;
	}
	p->next = hw->pieces;
	hw->pieces = p;
	return p->bytes;
}

bool machine_at_end_locked(struct hw *hw, void (*fn)(void *), void *arg)
{
	struct machine_end *e = malloc(sizeof(*e));

	if (!e)
		return false;
	*e = (struct machine_end){ .next = hw->ends, .fn = fn, .arg = arg };
	hw->ends = e;
	return true;
}

const void *peek_phys(struct hw *hw, hpa_t a)
{
	return frames_host(&hw->frames, a);
}

uint64_t peek_frames(struct hw *hw, hpa_t a, uint64_t size)
{
	return frames_count(&hw->frames, a, size);
}

struct phys_mapping peek_mapping(struct hw *hw, const void *host)
{
	return frames_peek_mapping(&hw->frames, host);
}

size_t peek_dram_pages(const struct hw *hw)
{
	return dram_pages_out(&((struct hw *)(uintptr_t)hw)->dram);
}
