/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_mistake.c - what VMMs of SNP guests get wrong, in words: the kernel's KVM
 * is silent, or has an errno for it.  Nothing is changed by it.
 */
#include "hw/insn/peek.h"
#include "hw/insn/phys.h"
#include "kvm/core/attr.h"
#include "kvm/core/memslot.h"
#include "kvm/gmem/audit.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/types/snp.h"
#include "softcvm/uapi/kvm_para.h"

#define PAGES_MAX	(253u * 512u)		/* of one request: as many entries, 2 MiB each */

/* "; page 0x..: gfn ...", or nothing where no page is there. */
static void describe(struct kvm *kvm, gfn_t gfn, char *to, size_t size)
{
	struct kvm_memory_slot *slot = kvm_gfn_to_memslot(kvm, 0, gfn);
	const void *bytes = NULL;
	uint8_t level;
	hpa_t page;

	*to = 0;
	if (kvm_slot_can_be_private(slot))
		bytes = kvm_gmem_private_bytes(slot, gfn, &level);
	page = bytes ? phys_publish(kvm->module->hw, bytes) : HPA_INVALID;
	if (!hpa_is_valid(page))
		return;
	to[0] = ';';
	to[1] = ' ';
	peek_rmp_text(kvm->module->hw, page, to + 2, size - 2);
}

void snp_say_launched_before(struct kvm *kvm, gfn_t gfn)
{
	char text[SNP_RMP_TEXT];

	if (!ratelimit_ok(&kvm->module->sev->rmp_warned[SNP_WARN_LAUNCHED], "SEV-SNP"))
		return;
	describe(kvm, gfn, text, sizeof(text));
	log_warn("SEV-SNP: SNP_LAUNCH_UPDATE of gfn 0x%llx, which is a guest's page already%s "
		 "[firmware ABI 8.17]", (unsigned long long)gfn.v, text);
}

/* The first page of [@gfn, @end) that is not as it was to be, or @end. */
static gfn_t first_wrong(struct kvm *kvm, gfn_t gfn, gfn_t end, bool is_private)
{
	while (gfn.v < end.v && kvm_mem_is_private(kvm, gfn) == is_private)
		gfn.v++;
	return gfn;
}

void snp_check_converted(struct kvm_vcpu *vcpu)
{
	struct kvm *kvm = vcpu->kvm;
	const struct kvm_run *run = vcpu->run;
	gfn_t start = GFN(run->hypercall.args[0] >> PAGE_SHIFT);
	uint64_t npages = run->hypercall.args[1];
	bool to_private = run->hypercall.args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED;
	char text[SNP_RMP_TEXT];
	gfn_t gfn;

	/* The VMM may have written over what it was asked. */
	if (!kvm->module->sev || !npages || npages > PAGES_MAX ||
	    kvm_range_has_memory_attributes(kvm, start, GFN(start.v + npages),
					    KVM_MEMORY_ATTRIBUTE_PRIVATE,
					    to_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0) ||
	    !ratelimit_ok(&kvm->module->sev->rmp_warned[SNP_WARN_NOT_CONVERTED], "SEV-SNP"))
		return;
	gfn = first_wrong(kvm, start, GFN(start.v + npages), to_private);
	if (gfn.v >= start.v + npages)
		return;			/* converted in the meantime */
	describe(kvm, gfn, text, sizeof(text));
	log_warn("SEV-SNP: gfn 0x%llx is %s still, and the VMM has told vCPU %u that it is not "
		 "(KVM_HC_MAP_GPA_RANGE answered without KVM_SET_MEMORY_ATTRIBUTES)%s "
		 "[GHCB specification 4.1.6]", (unsigned long long)gfn.v,
		 to_private ? "shared" : "private", vcpu->id, text);
}
