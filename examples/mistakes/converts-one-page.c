/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * converts-one-page.c - a VMM that forgets to convert: softcvm-run, but of a range of pages that the
 * guest wants to be shared or private it converts the first one, and tells the guest that all
 * went well.
 *
 * The guest then reads a page as shared that is its private one still: ciphertext, without a fault.  The
 * VMM has to convert args[1] pages from args[0] on (KVM_SET_MEMORY_ATTRIBUTES), then answer 0.
 *
 * $ softcvm exec --cpu amd -- converts-one-page --type snp shares-four-pages.elf
 * softcvm: warning: SEV-SNP: gfn 0x* is private still, and the VMM has told vCPU 0 that it is not
 * (KVM_HC_MAP_GPA_RANGE answered without KVM_SET_MEMORY_ATTRIBUTES); page 0x*: gfn 0x* of
 * ASID *, 4K, not validated; ... [GHCB specification 4.1.6]
 */
#include "vmm/vmm.h"

int __real_vmm_memory_convert(struct vmm *vmm, uint64_t gpa, uint64_t size, bool to_private);
int __wrap_vmm_memory_convert(struct vmm *vmm, uint64_t gpa, uint64_t size, bool to_private);

int __wrap_vmm_memory_convert(struct vmm *vmm, uint64_t gpa, uint64_t size, bool to_private)
{
	(void)size;			/* here: the mistake */
	return __real_vmm_memory_convert(vmm, gpa, VMM_PAGE, to_private);
}
