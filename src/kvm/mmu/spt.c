/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/mmu/spt.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "hw/insn/phys.h"
#include "kvm/mmu/spte.h"

#define INDEX_SHIFT	10
#define INDEX_FANOUT	(1u << INDEX_SHIFT)
#define INDEX_LEVELS	4		/* 40 bits of page number: any hpa_t */

/* A radix tree over page numbers that only grows; one word a page. */
struct spt_index {
	atomicptr_t	entry[INDEX_FANOUT];
};

int spt_index_create(struct kvm_module *module)
{
	module->spts = calloc(1, sizeof(*module->spts));
	return module->spts ? 0 : -ENOMEM;
}

static void free_index(struct spt_index *node, unsigned level)
{
	for (unsigned i = 0; level && i < INDEX_FANOUT; i++) {
		struct spt_index *child = atomicptr_load_relaxed(&node->entry[i]);

		if (child)
			free_index(child, level - 1);
	}
	free(node);
}

void spt_index_destroy(struct kvm_module *module)
{
	free_index(module->spts, INDEX_LEVELS - 1);
	module->spts = NULL;
}

static unsigned index_at(hpa_t spt, unsigned level)
{
	return (spt.v >> (PAGE_SHIFT + level * INDEX_SHIFT)) % INDEX_FANOUT;
}

struct kvm_mmu_page *spt_of(const struct kvm_module *module, hpa_t spt)
{
	const struct spt_index *node = module->spts;

	for (unsigned level = INDEX_LEVELS - 1; level && node; level--)
		node = atomicptr_load_acquire(&node->entry[index_at(spt, level)]);
	return node ? atomicptr_load_acquire(&node->entry[index_at(spt, 0)]) : NULL;
}

static void index_clear(struct kvm_module *module, hpa_t spt)
{
	struct spt_index *node = module->spts;

	for (unsigned level = INDEX_LEVELS - 1; level; level--)
		node = atomicptr_load_acquire(&node->entry[index_at(spt, level)]);
	atomicptr_store_release(&node->entry[index_at(spt, 0)], NULL);
}

static int index_set(struct kvm_module *module, hpa_t spt, struct kvm_mmu_page *sp)
{
	struct spt_index *node = module->spts;

	for (unsigned level = INDEX_LEVELS - 1; level; level--) {
		atomicptr_t *at = &node->entry[index_at(spt, level)];
		void *child = atomicptr_load_acquire(at);

		if (!child) {
			struct spt_index *fresh = calloc(1, sizeof(*fresh));

			if (!fresh)
				return -ENOMEM;
			if (atomicptr_cas(at, &child, fresh))
				child = fresh;
			else
				free(fresh);
		}
		node = child;
	}
	atomicptr_store_release(&node->entry[index_at(spt, 0)], sp);
	return 0;
}

struct kvm_mmu_page *spt_create(struct kvm_module *module, bool external)
{
	struct kvm_mmu_page *sp = calloc(1, sizeof(*sp));

	if (!sp)
		return NULL;
	sp->module = module;
	sp->external_spt = HPA_INVALID;
	sp->ptep = HPA_INVALID;
	sp->spt = phys_page_alloc(module->hw);
	if (!hpa_is_valid(sp->spt))
		goto out_free;
	if (external) {
		sp->external_spt = phys_page_alloc(module->hw);
		if (!hpa_is_valid(sp->external_spt))
			goto out_page;
	}
	if (index_set(module, sp->spt, sp))
		goto out_external;
	phys_fill64(module->hw, sp->spt, SPTE_NONPRESENT.v, PAGE_SIZE / sizeof(uint64_t));
	return sp;

out_external:
	if (external)
		phys_page_free(module->hw, sp->external_spt);
out_page:
	phys_page_free(module->hw, sp->spt);
out_free:
	free(sp);
	return NULL;
}

void spt_destroy(struct kvm_mmu_page *sp)
{
	index_clear(sp->module, sp->spt);
	if (hpa_is_valid(sp->external_spt))
		phys_page_free(sp->module->hw, sp->external_spt);
	phys_page_free(sp->module->hw, sp->spt);
	free(sp);
}

static void destroy_rcu(struct rcu_head *head)
{
	spt_destroy(container_of(head, struct kvm_mmu_page, rcu));
}

void spt_free_rcu(struct kvm_mmu_page *sp)
{
	rcu_call(&sp->rcu, destroy_rcu);
}

static struct kvm_spt_cache *cache_of(struct kvm_vcpu *vcpu, bool mirror)
{
	return mirror ? &vcpu->mmu.mirror_cache : &vcpu->mmu.direct_cache;
}

/* A fault links at most one table a level below the root. */
int spt_cache_fill(struct kvm_vcpu *vcpu, bool mirror)
{
	struct kvm_module *module = vcpu->kvm->module;

	while (cache_of(vcpu, mirror)->nr < module->spte->root_level - 1u) {
		struct kvm_mmu_page *sp = spt_create(module, mirror);

		if (!sp)
			return -ENOMEM;
		spt_cache_give_back(vcpu, sp);
	}
	return 0;
}

struct kvm_mmu_page *spt_cache_take(struct kvm_vcpu *vcpu, bool mirror)
{
	struct kvm_spt_cache *cache = cache_of(vcpu, mirror);
	struct kvm_mmu_page *sp = cache->first;

	BUG_ON(!sp);
	cache->first = sp->link.next ? list_entry(sp->link.next, struct kvm_mmu_page, link) : NULL;
	cache->nr--;
	return sp;
}

void spt_cache_give_back(struct kvm_vcpu *vcpu, struct kvm_mmu_page *sp)
{
	struct kvm_spt_cache *cache = cache_of(vcpu, hpa_is_valid(sp->external_spt));

	sp->link.next = cache->first ? &cache->first->link : NULL;
	cache->first = sp;
	cache->nr++;
}

void spt_cache_empty(struct kvm_vcpu *vcpu)
{
	while (vcpu->mmu.direct_cache.first)
		spt_destroy(spt_cache_take(vcpu, false));
	while (vcpu->mmu.mirror_cache.first)
		spt_destroy(spt_cache_take(vcpu, true));
}
