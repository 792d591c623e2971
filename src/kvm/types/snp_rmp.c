/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_rmp.c - pages change hands: the hypervisor's, a guest's, the firmware's.
 */
#include <errno.h>

#include "base/log.h"
#include "hw/insn/peek.h"
#include "hw/insn/phys.h"
#include "hw/insn/psp_snp.h"
#include "kvm/types/snp.h"
#include "os/clock.h"
#include "os/process.h"
#include "trace/counters.h"

/* Whoever changes an entry is soon done; a vCPU may run on with a VMSA in the 2 MiB. */
#define PSMASH_WAIT_NS	100000000ull

static hpa_t head_of(hpa_t page)
{
	return HPA(ALIGN_DOWN(page.v, PG_LEVEL_SIZE(PG_LEVEL_2M)));
}

static enum rmp_status read_entry(struct kvm_module *module, hpa_t page, struct rmp_operand *e)
{
	enum rmp_status st;

	while ((st = rmpread(module->hw, page, e)) == RMP_FAIL_INUSE || st == RMP_FAIL_OVERLAP)
		os_yield();
	return st;
}

/* As in the kernel, the page's own entry first and then the one that has the size. */
int snp_lookup_rmp(struct kvm_module *module, hpa_t page, struct snp_rmp *out)
{
	struct rmp_operand e, head;

	if (read_entry(module, page, &e) != RMP_SUCCESS ||
	    read_entry(module, head_of(page), &head) != RMP_SUCCESS)
		return -ENXIO;
	out->assigned = e.assigned & 1;
	out->level = head.page_size & RMP_OPERAND_2M ? PG_LEVEL_2M : PG_LEVEL_4K;
	out->none_assigned = !(e.assigned & 1) && !(head.assigned & 1) &&
			     !(head.page_size & RMP_OPERAND_OTHERS);
	return 0;
}

/* Somebody else works on the same 2 MiB for a moment, or a vCPU runs with the page. */
static enum rmp_status update(struct kvm_module *module, hpa_t page, const struct rmp_operand *to)
{
	enum rmp_status st;

	while ((st = rmpupdate(module->hw, page, to)) == RMP_FAIL_OVERLAP)
		os_yield();
	return st;
}

static int checked(struct kvm_module *module, hpa_t page, const struct rmp_operand *to)
{
	enum rmp_status st = update(module, page, to);

	if (st == RMP_SUCCESS)
		return 0;
	log_warn("SEV-SNP: RMPUPDATE failed for page 0x%llx: %d (%s, ASID %u)",
		 (unsigned long long)page.v, st, to->assigned ? "private" : "shared", to->asid);
	return -EFAULT;
}

int rmp_make_private(struct kvm_module *module, hpa_t page, uint64_t gpa, uint8_t level,
		     unsigned asid, bool immutable)
{
	const struct rmp_operand to = {
		.gpa = gpa,
		.assigned = 1,
		.page_size = level > PG_LEVEL_4K ? RMP_OPERAND_2M : 0,
		.immutable = immutable,
		.asid = asid,
	};

	return checked(module, page, &to);
}

int rmp_make_shared(struct kvm_module *module, hpa_t page, uint8_t level)
{
	const struct rmp_operand to = { .page_size = level > PG_LEVEL_4K ? RMP_OPERAND_2M : 0 };

	return checked(module, page, &to);
}

enum rmp_status snp_psmash(struct kvm_module *module, hpa_t page)
{
	uint64_t since = os_monotonic_ns();
	enum rmp_status st;

	while ((st = psmash(module->hw, head_of(page))) == RMP_FAIL_INUSE &&
	       os_monotonic_ns() - since < PSMASH_WAIT_NS)
		os_yield();
	if (st == RMP_SUCCESS)
		counter_add(module->counters, COUNTER_PSMASHES, 1);
	return st;
}

int snp_page_reclaim(struct kvm_module *module, hpa_t page)
{
	struct psp_snp_addr reclaim = { .address = page.v };
	uint32_t error;
	int r = sev_module_cmd(module, PSP_SNP_PAGE_RECLAIM, &reclaim, &error);

	if (r) {
		log_warn("SEV-SNP: page 0x%llx cannot be reclaimed: firmware error %u",
			 (unsigned long long)page.v, error);
		return r;
	}
	return rmp_make_shared(module, page, PG_LEVEL_4K) ? -EIO : 0;
}

void snp_leak_page(struct kvm_module *module, hpa_t page)
{
	char text[SNP_RMP_TEXT];

	counter_add(module->counters, COUNTER_LEAKED_PAGES, 1);
	peek_rmp_text(module->hw, page, text, sizeof(text));
	log_warn("SEV-SNP: page 0x%llx never comes back: %s [APM vol. 2 15.36.5]",
		 (unsigned long long)page.v, text);
}

void snp_lose_page(struct kvm_module *module, hpa_t page)
{
	atomic64_add(&module->nr_lost, 1);
	snp_leak_page(module, page);
}

hpa_t snp_safe_alloc_page(struct kvm_module *module)
{
	hpa_t page = phys_page_alloc(module->hw), other;

	if (!hpa_is_valid(page) || !IS_ALIGNED(page.v, PG_LEVEL_SIZE(PG_LEVEL_2M)))
		return page;
	other = phys_page_alloc(module->hw);
	phys_page_free(module->hw, page);
	return other;
}

hpa_t snp_alloc_firmware_page(struct kvm_module *module)
{
	hpa_t page = snp_safe_alloc_page(module);

	if (!hpa_is_valid(page))
		return page;
	if (rmp_make_private(module, page, 0, PG_LEVEL_4K, 0, true)) {
		phys_page_free(module->hw, page);
		return HPA_INVALID;
	}
	return page;
}

void snp_free_firmware_page(struct kvm_module *module, hpa_t page)
{
	if (snp_page_reclaim(module, page))
		snp_lose_page(module, page);
	else
		phys_page_free(module->hw, page);
}
