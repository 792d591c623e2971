/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rank.h - the one order in which locks are taken.
 *
 * A lower rank is taken first; taking a lock whose rank is not higher than
 * every rank held stops a checked build with both names.  docs/locking.md is
 * generated from this list; its reasons are written by hand.
 */
#pragma once

enum lock_rank {
	RANK_ABI_TABLE,		/* the table of our descriptors		mutex  */
	RANK_VM,		/* kvm->lock				mutex  */
	RANK_VCPU,		/* vcpu->mutex				mutex  */
	RANK_SLOTS,		/* kvm->slots_lock			mutex  */
	RANK_SLOTS_ARCH,	/* kvm->slots_arch_lock			mutex  */
	RANK_SEV_ASID,		/* SEV: who has which ASID		mutex  */
	RANK_SEV_DEACTIVATE,	/* SEV: DEACTIVATE against DF_FLUSH	mutex  */
	RANK_SEV_MIRROR,	/* SEV: which VM mirrors which		mutex  */
	RANK_SEV_GUEST_REQUEST,	/* SNP: a VM's pages for guest messages	mutex  */
	RANK_SNP_VMSA,		/* SNP: which VMSA a vCPU runs next	mutex  */
	RANK_IRQFD,		/* eventfds that are interrupts		mutex  */
	RANK_PIT,		/* the interval timer			mutex  */
	RANK_IRQ_ROUTING,	/* replacing the table of GSIs		mutex  */
	RANK_IRQ_ACK,		/* who waits for an interrupt's end	mutex  */
	RANK_IOAPIC,		/* the I/O APIC				spin   */
	RANK_PIC,		/* the two 8259s			spin   */
	RANK_APIC_MAP,		/* kvm->irq: making the APIC map	mutex  */
	RANK_GPC_REFRESH,	/* a long-term map is looked up		mutex  */
	RANK_GPC_LIST,		/* a VM's long-term maps			mutex  */
	RANK_GPC,		/* one of them				rwlock */
	RANK_GUEST_MAPS,	/* pages that one vCPU has mapped	mutex  */
	RANK_GMEM,		/* a guest_memfd's invalidate lock	rwlock */
	RANK_GMEM_PREPARE,	/* pages of it become a guest's		mutex  */
	RANK_PSP,		/* the secure processor's mailbox	rwlock */
	RANK_PSP_GUEST,		/* one guest of the secure processor	mutex  */
	RANK_HOST,		/* host page resolution, frame table	mutex  */
	RANK_MMU,		/* kvm->mmu_lock			rwlock */
	RANK_TDP_PAGES,		/* kvm->arch.tdp_mmu_pages_lock		spin   */
	RANK_TIMERS,		/* the machine's heap of deadlines	spin   */
	RANK_LP_POOL,		/* the pool of logical processors	mutex  */
	RANK_FRAMES,		/* the free list of physical frames	spin   */
	RANK_DRAM,		/* the banks of the machine's DRAM	spin   */
	RANK_LEAF = 100,	/* nothing is taken inside one of these	       */
};
