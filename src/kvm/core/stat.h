/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * stat.h - what KVM_GET_STATS_FD shows, by the kernel's names and in its order.
 *
 * A vCPU's numbers are written by the thread that holds vcpu->mutex (or runs
 * it) alone, the VM's by anybody into shards of their own cache lines; both are
 * read at any time.  Spec: Documentation/virt/kvm/api.rst 4.133.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "sync/atomic.h"

struct kvm;
struct kvm_vcpu;
struct kvm_stats_header;

#define KVM_STATS_NAME_SIZE	48
#define KVM_HALT_HIST_BUCKETS	32	/* HALT_POLL_HIST_COUNT */

/* C(name): a sum.  I(name): now.  P(name): the greatest so far. */
#define KVM_VM_STATS(C, I, P)						\
	C(remote_tlb_flush)						\
	C(remote_tlb_flush_requests)					\
	C(mmu_shadow_zapped)						\
	C(mmu_pte_write)						\
	C(mmu_pde_zapped)						\
	C(mmu_flooded)							\
	C(mmu_recycled)							\
	C(mmu_cache_miss)						\
	I(mmu_unsync)							\
	I(pages_4k)							\
	I(pages_2m)							\
	I(pages_1g)							\
	I(nx_lpage_splits)						\
	P(max_mmu_rmap_size)						\
	P(max_mmu_page_hash_collisions)

/* N(name): nanoseconds.  H(name): their histogram by powers of two.  B(name): yes or no. */
#define KVM_VCPU_STATS(C, N, H, B)					\
	C(halt_successful_poll)						\
	C(halt_attempted_poll)						\
	C(halt_poll_invalid)						\
	C(halt_wakeup)							\
	N(halt_poll_success_ns)						\
	N(halt_poll_fail_ns)						\
	N(halt_wait_ns)							\
	H(halt_poll_success_hist)					\
	H(halt_poll_fail_hist)						\
	H(halt_wait_hist)						\
	B(blocking)							\
	C(pf_taken)							\
	C(pf_fixed)							\
	C(pf_emulate)							\
	C(pf_spurious)							\
	C(pf_fast)							\
	C(pf_mmio_spte_created)						\
	C(pf_guest)							\
	C(tlb_flush)							\
	C(invlpg)							\
	C(exits)							\
	C(io_exits)							\
	C(mmio_exits)							\
	C(signal_exits)							\
	C(irq_window_exits)						\
	C(nmi_window_exits)						\
	C(l1d_flush)							\
	C(halt_exits)							\
	C(request_irq_exits)						\
	C(irq_exits)							\
	C(host_state_reload)						\
	C(fpu_reload)							\
	C(insn_emulation)						\
	C(insn_emulation_fail)						\
	C(hypercalls)							\
	C(irq_injections)						\
	C(nmi_injections)						\
	C(req_event)							\
	C(nested_run)							\
	C(directed_yield_attempted)					\
	C(directed_yield_successful)					\
	C(preemption_reported)						\
	C(preemption_other)						\
	B(guest_mode)							\
	C(notify_window_exits)

/* Data in the kernel's layout; the last two of the VM's are the other way round there. */
struct kvm_vm_stat {
#define AS_FIELD(name) uint64_t name;
#define NO_FIELD(name)
	KVM_VM_STATS(AS_FIELD, AS_FIELD, NO_FIELD)
	uint64_t max_mmu_page_hash_collisions;
	uint64_t max_mmu_rmap_size;
};

struct kvm_vcpu_stat {
#define AS_HIST(name) uint64_t name[KVM_HALT_HIST_BUCKETS];
	KVM_VCPU_STATS(AS_FIELD, AS_FIELD, AS_HIST, AS_FIELD)
#undef AS_HIST
#undef NO_FIELD
#undef AS_FIELD
};

/* What of a VM is counted, in shards. */
enum kvm_vm_counter {
	KVM_VM_REMOTE_TLB_FLUSH,
	KVM_VM_REMOTE_TLB_FLUSH_REQUESTS,
	KVM_VM_PAGES_4K,		/* + level - PG_LEVEL_4K */
	KVM_VM_PAGES_2M,
	KVM_VM_PAGES_1G,
	NR_KVM_VM_COUNTERS
};

/* One more of @name on a vCPU: its own thread only. */
#define KVM_VCPU_COUNT(vcpu, name) sync_count(&(vcpu)->stat.name, 1)
/* A time of @ns nanoseconds, in its sum and its histogram. */
#define KVM_VCPU_COUNT_NS(vcpu, sum, hist, ns)				\
	do {								\
		sync_count(&(vcpu)->stat.sum, (ns));			\
		sync_count(&(vcpu)->stat.hist[kvm_stat_bucket(ns)], 1);	\
	} while (0)

/* Bucket of a logarithmic histogram: [2^(n-1), 2^n) is n, the last has the rest. */
static inline unsigned kvm_stat_bucket(uint64_t value)
{
	unsigned n = value ? 64 - (unsigned)__builtin_clzll(value) : 0;

	return n < KVM_HALT_HIST_BUCKETS ? n : KVM_HALT_HIST_BUCKETS - 1;
}

/* @n more (or, as two's complement, fewer) pages mapped at @level (PG_LEVEL_*). */
void kvm_stat_pages(struct kvm *kvm, unsigned level, uint64_t n);

/*
 * Reads the statistics file of @vcpu, or of @kvm when that is NULL, at *@pos:
 * header, name, descriptors, data.  Bytes read, 0 at the end, -EFAULT; *pos moves by them.
 */
MUST_CHECK ssize_t kvm_stats_read(struct kvm *kvm, struct kvm_vcpu *vcpu, void *user, size_t size,
				  uint64_t *pos);
