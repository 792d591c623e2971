/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_fault.c - after a nested fault with the RMP bit: the kernel's
 * sev_handle_rmp_fault().  Facts: spec snp.md 5.5, docs/facts/snp-kvm-rmp.tsv.
 *
 * What it cannot repair the guest runs into again, for ever; so each such fault
 * is said, at most so often.
 */
#include <stdarg.h>
#include <stdio.h>

#include "hw/insn/peek.h"
#include "kvm/core/attr.h"
#include "kvm/core/memslot.h"
#include "kvm/gmem/gmem.h"
#include "kvm/mmu/mmu.h"
#include "kvm/types/snp.h"
#include "trace/counters.h"

struct rmp_fault {
	struct kvm_vcpu	*vcpu;
	gpa_t		 gpa;
	gfn_t		 gfn;
	uint64_t	 error_code;
	hpa_t		 page;		/* behind @gfn; HPA_INVALID: none, or not known */
};

static void warn(const struct rmp_fault *f, enum snp_warning kind, const char *fmt, ...)
	PRINTF(3, 4);

static void warn(const struct rmp_fault *f, enum snp_warning kind, const char *fmt, ...)
{
	struct kvm_module *module = f->vcpu->kvm->module;
	char what[160], text[SNP_RMP_TEXT] = "";
	va_list args;

	if (!ratelimit_ok(&module->sev->rmp_warned[kind], "SEV-SNP"))
		return;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (hpa_is_valid(f->page))
		peek_rmp_text(module->hw, f->page, text, sizeof(text));
	log_warn("SEV-SNP: unexpected RMP fault of vCPU %u at 0x%llx, error code 0x%llx: %s%s%s "
		 "[APM vol. 2 15.36.10]", f->vcpu->id, (unsigned long long)f->gpa.v,
		 (unsigned long long)f->error_code, what, *text ? "; " : "", text);
}

/* The page that the fault must be about.  False: there is none, which has been said. */
static bool find_page(struct rmp_fault *f)
{
	struct kvm *kvm = f->vcpu->kvm;
	struct kvm_memory_slot *slot;
	uint8_t level;
	int r;

	if (!kvm_mem_is_private(kvm, f->gfn)) {
		warn(f, SNP_WARN_NOT_PRIVATE, "the VMM says that the page is shared");
		return false;
	}
	slot = kvm_gfn_to_memslot(kvm, 0, f->gfn);
	if (!kvm_slot_can_be_private(slot)) {
		warn(f, SNP_WARN_NO_SLOT, "no slot with a guest_memfd is there");
		return false;
	}
	r = kvm_gmem_get_pfn(kvm, slot, f->gfn, &f->page, &level);
	if (r) {
		f->page = HPA_INVALID;
		warn(f, SNP_WARN_NO_PAGE, "no page of its guest_memfd is there (%d)", r);
	}
	return !r;
}

/* Gives up the 2M page: the next faults map by 4K.  False: somebody else has done so. */
static bool demote(struct rmp_fault *f, int *status)
{
	struct kvm *kvm = f->vcpu->kvm;
	struct snp_rmp now;

	SYNC_POINT(snp_smash);
	*status = snp_psmash(kvm->module, f->page);
	if (*status != RMP_SUCCESS) {
		if (!snp_lookup_rmp(kvm->module, f->page, &now) && now.assigned &&
		    now.level == PG_LEVEL_4K)
			return false;
		warn(f, SNP_WARN_NOT_SPLIT, "PSMASH does not split it (%d)", *status);
	}
	/* From the page on, and not from the first of the 2 MiB: as the kernel does. */
	kvm_mmu_zap_gfn_range(kvm, f->gfn, GFN(f->gfn.v + PG_LEVEL_PAGES(PG_LEVEL_2M)));
	counter_add(kvm->module->counters, COUNTER_NESTED_DEMOTIONS, 1);
	return true;
}

void snp_handle_rmp_fault(struct kvm_vcpu *vcpu, gpa_t gpa, uint64_t error_code)
{
	struct kvm_module *module = vcpu->kvm->module;
	struct rmp_fault f = { .vcpu = vcpu, .gpa = gpa, .gfn = gpa_to_gfn(gpa),
			       .error_code = error_code, .page = HPA_INVALID };
	struct snp_rmp rmp;
	int status = 0;

	counter_add(module->counters, COUNTER_RMP_FAULTS, 1);
	if (!find_page(&f))
		return;
	status = snp_lookup_rmp(module, f.page, &rmp);
	if (status || !rmp.assigned) {
		warn(&f, SNP_WARN_NOT_ASSIGNED, "the page is not a guest's (%d)", status);
		return;
	}
	/* By 4K: another vCPU has split it meanwhile, or somebody worked on the entry. */
	if (rmp.level != PG_LEVEL_4K && !demote(&f, &status))
		rmp.level = PG_LEVEL_4K;
	if (rmp.level == PG_LEVEL_4K)
		counter_add(module->counters, COUNTER_RMP_FAULTS_IN_VAIN, 1);
	TRACE(module->trace, kvm_rmp_fault, vcpu->id, gpa.v, f.page.v >> PAGE_SHIFT, error_code,
	      rmp.level, (uint64_t)(int64_t)status);
}
