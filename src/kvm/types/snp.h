/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp.h - the RMP as KVM uses it.  The kernel's arch/x86/virt/svm/sev.c and its
 * driver's firmware pages; docs/design/snp.md.
 *
 * Any thread; no leaf lock held, not inside RCU.  RMP_FAIL_OVERLAP and
 * RMP_FAIL_INUSE pass, and are tried again in here, PSMASH's for 100 ms.
 */
#pragma once
#include "hw/insn/rmp.h"
#include "kvm/types/sev.h"

/* SNP VMs' VMSA has no address of its own: this is what the digest has (spec snp.md 6.7). */
#define SNP_VMSA_GPA	0xfffffffff000ull

/* Room for what peek_rmp_text() says of a page. */
#define SNP_RMP_TEXT	300u

/* What RMPREAD says of @page.  -ENXIO: not in the table. */
struct snp_rmp {
	bool	assigned;	/* this page */
	uint8_t	level;		/* PG_LEVEL_4K or _2M, by the first entry of the 2 MiB */
	bool	none_assigned;	/* nor any other of the 2 MiB */
};
MUST_CHECK int snp_lookup_rmp(struct kvm_module *module, hpa_t page, struct snp_rmp *out);

/* RMPUPDATE.  -EFAULT: the processor refused, and says so in the log. */
MUST_CHECK int rmp_make_private(struct kvm_module *module, hpa_t page, uint64_t gpa, uint8_t level,
				unsigned asid, bool immutable);
MUST_CHECK int rmp_make_shared(struct kvm_module *module, hpa_t page, uint8_t level);
/*
 * PSMASH of the 2 MiB that @page lies in: what the processor answered.  RMP_FAIL_INUSE
 * remains where a vCPU runs with a VMSA among them, which is the guest's to end.
 */
MUST_CHECK enum rmp_status snp_psmash(struct kvm_module *module, hpa_t page);

/* SNP_PAGE_RECLAIM, then to the hypervisor.  -EIO; the page must then be leaked. */
MUST_CHECK int snp_page_reclaim(struct kvm_module *module, hpa_t page);
/* @page is lost for ever: counted (leaked_pages) and said. */
void snp_leak_page(struct kvm_module *module, hpa_t page);
/* The same of one page that phys_page_alloc() gave. */
void snp_lose_page(struct kvm_module *module, hpa_t page);

/* A zeroed page of the machine's, never 2M aligned (erratum, spec 10.1).  HPA_INVALID: none. */
MUST_CHECK hpa_t snp_safe_alloc_page(struct kvm_module *module);
/* The same, given to the firmware.  Freed: taken back from it, or leaked. */
MUST_CHECK hpa_t snp_alloc_firmware_page(struct kvm_module *module);
void snp_free_firmware_page(struct kvm_module *module, hpa_t page);

/*
 * guest_memfd's hooks (snp_memory.c, spec snp.md 5.2): with a VM that is no SNP guest they
 * do nothing.  prepare: at most one thread at a time for
 * the same 2 MiB; -ENOENT: not in the RMP, -EINVAL: RMPUPDATE refused.
 */
MUST_CHECK int snp_gmem_prepare(struct kvm *kvm, hpa_t page, gfn_t gfn, uint8_t max_level);
MUST_CHECK hpa_t snp_gmem_invalidate(struct kvm *kvm, hpa_t start, hpa_t end);
uint8_t snp_max_mapping_level(struct kvm *kvm, hpa_t page, bool is_private);
/* After a nested fault with the RMP bit that is otherwise served (snp_fault.c).  SRCU held. */
void snp_handle_rmp_fault(struct kvm_vcpu *vcpu, gpa_t gpa, uint64_t error_code);

/*
 * The firmware's platform for SNP, once when the module is loaded (snp_init.c).
 * -EIO, -ENOMEM: SNP is off, and it is said why.
 */
MUST_CHECK int snp_platform_init(struct kvm_module *module);
void snp_platform_shutdown(struct kvm_module *module);

/* An SNP guest's pages for messages; kvm->lock is held.  -ENOMEM, -EIO. */
MUST_CHECK int snp_guest_init(struct kvm *kvm);
/*
 * SNP_DECOMMISSION: the firmware forgets the guest, its ASID is free after the next
 * DF_FLUSH.  Without a context nothing is done.  -EIO: the ASID is lost.
 */
MUST_CHECK int snp_decommission(struct kvm *kvm);
/* All of the guest's pages go, its context last: as snp_decommission(). */
MUST_CHECK int snp_guest_destroy(struct kvm *kvm);

/* What a VMM does wrong, said at most so often (snp_mistake.c); SRCU or slots_lock is held. */
void snp_say_launched_before(struct kvm *kvm, gfn_t gfn);
/* KVM_HC_MAP_GPA_RANGE in vcpu->run was answered with 0: is it done? */
void snp_check_converted(struct kvm_vcpu *vcpu);
