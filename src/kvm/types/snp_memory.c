/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_memory.c - guest_memfd's pages become a guest's and cease to be: the
 * kernel's sev_gmem_prepare(), sev_gmem_invalidate() and
 * sev_private_max_mapping_level().  Facts: docs/facts/snp-kvm-rmp.tsv.
 */
#include <errno.h>

#include "hw/insn/peek.h"
#include "kvm/types/snp.h"

#define SIZE_2M PG_LEVEL_SIZE(PG_LEVEL_2M)

static void say(struct kvm *kvm, enum snp_warning kind, const char *what, hpa_t page)
{
	char text[SNP_RMP_TEXT];

	if (!ratelimit_ok(&sev_module(kvm)->rmp_warned[kind], "SEV-SNP"))
		return;
	peek_rmp_text(kvm->module->hw, page, text, sizeof(text));
	log_warn("SEV-SNP: %s: %s [APM vol. 2 15.36.5]", what, text);
}

static int assign(struct kvm *kvm, hpa_t page, gfn_t gfn, uint8_t level)
{
	uint64_t size = PG_LEVEL_SIZE(level);

	return rmp_make_private(kvm->module, HPA(ALIGN_DOWN(page.v, size)),
				ALIGN_DOWN(gfn.v << PAGE_SHIFT, size), level,
				to_kvm_sev(kvm)->asid, false);
}

int snp_gmem_prepare(struct kvm *kvm, hpa_t page, gfn_t gfn, uint8_t max_level)
{
	struct snp_rmp rmp;
	uint8_t level;

	if (!sev_snp_guest(kvm))
		return 0;
	if (snp_lookup_rmp(kvm->module, page, &rmp)) {
		say(kvm, SNP_WARN_PREPARE, "a private page cannot be a guest's", page);
		return -ENOENT;
	}
	SYNC_POINT(snp_prepare_looked);
	if (rmp.assigned)
		return 0;
	level = max_level >= PG_LEVEL_2M && rmp.none_assigned ? PG_LEVEL_2M : PG_LEVEL_4K;
	if (!assign(kvm, page, gfn, level))
		return 0;
	say(kvm, SNP_WARN_PREPARE, "a private page does not become a guest's", page);
	return -EINVAL;
}

/*
 * The page at @at, or its 2 MiB where that is one page and ends at or before
 * @end, back to the hypervisor.  Answers how many bytes that were; 0: it stays.
 */
static uint64_t release(struct kvm *kvm, hpa_t at, hpa_t end)
{
	struct kvm_module *module = kvm->module;
	enum rmp_status st;
	struct snp_rmp rmp;

	if (snp_lookup_rmp(module, at, &rmp) || !rmp.assigned)
		return PAGE_SIZE;
	if (rmp.level == PG_LEVEL_2M && IS_ALIGNED(at.v, SIZE_2M) && end.v - at.v >= SIZE_2M)
		return rmp_make_shared(module, at, PG_LEVEL_2M) ? 0 : SIZE_2M;
	st = rmp.level == PG_LEVEL_2M ? snp_psmash(module, at) : RMP_SUCCESS;
	if (st != RMP_SUCCESS)
		say(kvm, SNP_WARN_PUNCH, "PSMASH does not split what loses a page", at);
	/* Of 4K it would find an overlap that does not pass. */
	if (st == RMP_FAIL_INUSE)
		return 0;
	/* If it fails, RMPUPDATE will say so. */
	return rmp_make_shared(module, at, PG_LEVEL_4K) ? 0 : PAGE_SIZE;
}

hpa_t snp_gmem_invalidate(struct kvm *kvm, hpa_t start, hpa_t end)
{
	if (!sev_module(kvm)->snp)
		return end;
	while (start.v < end.v) {
		uint64_t done = release(kvm, start, end);

		SYNC_POINT(snp_page_released);
		if (!done) {
			snp_leak_page(kvm->module, start);
			return start;
		}
		start.v += done;
	}
	return end;
}

uint8_t snp_max_mapping_level(struct kvm *kvm, hpa_t page, bool is_private)
{
	struct snp_rmp rmp;

	if (!is_private || !sev_snp_guest(kvm))
		return PG_LEVEL_NONE;
	if (snp_lookup_rmp(kvm->module, page, &rmp) || !rmp.assigned)
		return PG_LEVEL_4K;
	return rmp.level;
}
