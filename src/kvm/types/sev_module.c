/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_module.c - what kvm_amd offers when it is loaded: the kernel's
 * sev_hardware_setup(), and the reasons said aloud.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "hw/insn/machine.h"
#include "hw/insn/svm.h"
#include "kvm/types/snp.h"
#include "kvm/vcpu/load.h"

#define CPUID_SEV	0x8000001f
#define CPUID_EXTENDED_2	0x80000021
#define EAX_NO_NESTED_DATA_BP	BIT(0)
#define EAX_SEV		BIT(1)
#define EAX_SEV_ES	BIT(3)
#define EAX_SEV_SNP	BIT(4)
#define EAX_DEBUG_SWAP	BIT(14)

/* The RMP is there, and the firmware works with it. */
static bool can_snp(struct kvm_module *module, const struct cpuid_regs *c)
{
	return module->params.sev_snp && (c->eax & EAX_SEV_SNP) && !snp_platform_init(module);
}

/* ES guests learn of MMIO by #NPF(RSVD): no entry that does not cache it will do. */
static bool can_es(const struct kvm_module *module, const struct cpuid_regs *c)
{
	if (!module->params.sev_es || !(c->eax & EAX_SEV_ES))
		return false;
	if (!module->enable_mmio_caching) {
		if (module->params.mmio_caching)
			log_warn("kvm_amd: SEV-ES and SEV-SNP are off: all physical address bits are "
				 "in use, so no entry can have a reserved one, and MMIO cannot be cached");
		else
			log_warn("kvm_amd: SEV-ES and SEV-SNP are off: kvm.mmio_caching=N");
		return false;
	}
	return c->edx > 1;
}

static int alloc_maps(struct sev_module *m)
{
	size_t words = m->max_asid / 64 + 1;

	m->used = calloc(words, sizeof(*m->used));
	m->reclaim = calloc(words, sizeof(*m->reclaim));
	return m->used && m->reclaim ? 0 : -ENOMEM;
}

/* Read and written without an exit: for the hypervisor they are out of reach. */
static const uint32_t es_passed[] = {
	0x174, 0x175, 0x176,		/* SYSENTER_CS, _ESP, _EIP */
	0x277,				/* PAT */
	0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,	/* EFER, STAR to SFMASK */
	0xc0000100, 0xc0000101, 0xc0000102,	/* FS, GS, KERNEL_GS bases */
	0xc0010130,			/* GHCB */
};

static int make_msrpm(struct sev_module *m)
{
	m->es_msrpm = malloc(SVM_MSRPM_SIZE);
	if (!m->es_msrpm)
		return -ENOMEM;
	memset(m->es_msrpm, 0xff, SVM_MSRPM_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(es_passed); i++) {
		int bit = svm_msrpm_bit(es_passed[i]);

		m->es_msrpm[bit / 8] &= (uint8_t)~(3u << (bit % 8));
	}
	return 0;
}

static int init_module(struct kvm_module *module, const struct cpuid_regs *c)
{
	struct sev_module *m = module->sev;
	int r;

	m->max_asid = c->ecx;
	m->min_asid = c->edx;
	m->sev = true;
	m->es = can_es(module, c);
	if (m->es && module->params.debug_swap && (c->eax & EAX_DEBUG_SWAP) &&
	    (hw_cpuid(module->hw, CPUID_EXTENDED_2, 0).eax & EAX_NO_NESTED_DATA_BP))
		m->vmsa_features = SEV_FEATURE_DEBUG_SWAP;
	r = alloc_maps(m);
	if (!r)
		r = lp_pool_add_keys(module->lp_pool, m->max_asid);
	if (!r && m->es)
		r = make_msrpm(m);
	if (!r && m->es)
		r = sev_tmr_alloc(module);
	if (!r && m->es)
		m->snp = can_snp(module, c);
	return r;
}

int sev_module_load(struct kvm_module *module)
{
	struct cpuid_regs c;
	struct sev_module *m;
	int r;

	if (hw_config(module->hw)->vendor != HW_VENDOR_AMD)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	mutex_init(&m->asid_lock, "SEV ASIDs", RANK_SEV_ASID);
	mutex_init(&m->mirror_lock, "SEV mirrors", RANK_SEV_MIRROR);
	r = rwlock_init(&m->deactivate_lock, "SEV DEACTIVATE", RANK_SEV_DEACTIVATE);
	if (r) {
		free(m);
		return r;
	}
	module->sev = m;
	c = hw_cpuid(module->hw, CPUID_SEV, 0);
	if (module->params.sev && (c.eax & EAX_SEV) && c.ecx)
		r = init_module(module, &c);
	if (r) {
		sev_module_unload(module);
		return r;
	}
	/* The parameters show what became of the wish, as the kernel's do. */
	module->params.sev = m->sev;
	module->params.sev_es = m->es;
	module->params.sev_snp = m->snp;
	module->params.debug_swap = m->vmsa_features & SEV_FEATURE_DEBUG_SWAP;
	/* Tags of VMs without encryption begin where the ASIDs with keys end. */
	module->first_tag = m->max_asid + 1;
	return 0;
}

void sev_module_unload(struct kvm_module *module)
{
	struct sev_module *m = module->sev;

	if (!m)
		return;
	if (m->snp)
		snp_platform_shutdown(module);
	sev_tmr_free(module);
	mutex_fini(&m->asid_lock);
	mutex_fini(&m->mirror_lock);
	rwlock_fini(&m->deactivate_lock);
	free(m->used);
	free(m->reclaim);
	free(m->es_msrpm);
	free(m);
	module->sev = NULL;
}
