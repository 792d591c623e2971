/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * kvm.h - struct kvm (a VM) and struct kvm_vcpu: what all rooms share.
 *
 * Keys: [c]  constant after creation
 *       [a]  atomic, no lock
 *       [L]  kvm->lock
 *       [S]  slots_lock; readers: SRCU or slots_lock
 *       [m]  look: mmu_lock read; change: mmu_lock write
 *       [p]  look: mmu_lock read + RCU, or mmu_lock write
 *            change: tdp_mmu_pages_lock
 *       [v]  vcpu->mutex
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "softcvm/uapi/kvm.h"

#include "base/addr.h"
#include "base/list.h"
#include "kvm/core/io_bus.h"
#include "kvm/core/module.h"
#include "kvm/core/stat.h"
#include "sync/lock.h"
#include "sync/rcu.h"
#include "sync/wait.h"

struct cpu;
struct kvm_memslots;
struct kvm_memory_slot;
struct kvm_attributes;
struct vm_type_ops;
struct kvm_irq;				/* kvm/irq: interrupt controllers */
struct lapic;
struct kvm_time;			/* kvm/vcpu: clocks */
struct kvm_vm_arch;			/* kvm/vm: irqchip, PV state, caps */

#define KVM_MAX_VCPUS_LIMIT	1024
#define KVM_MAX_VCPU_IDS_LIMIT	4096
#define KVM_VCPU_CHUNK		64
#define KVM_USER_MEM_SLOTS	32764	/* SHRT_MAX - 3 internal ones */
#define KVM_MEM_SLOTS_NUM	32767
#define KVM_MAX_ADDRESS_SPACES	2

#define KVM_TSS_SLOT		(KVM_USER_MEM_SLOTS + 0)
#define KVM_APIC_ACCESS_SLOT	(KVM_USER_MEM_SLOTS + 1)
#define KVM_IDENTITY_SLOT	(KVM_USER_MEM_SLOTS + 2)

/*
 * The guest frames that somebody is invalidating.  Written with mmu_lock held
 * for writing; atomic because faults look once without the lock, as a hint.
 */
struct kvm_invalidation {
	atomic64_t	seq;		/* [m] finished invalidations */
	atomic64_t	in_progress;	/* [m] unfinished ones */
	atomic64_t	start, end;	/* [m] hull of the unfinished: gfns [start, end) */
};

/*
 * Changes of host mappings that have begun and not ended, whatever their
 * range: while there is one the memslots stay as they are.
 */
struct kvm_mn {
	struct spinlock	lock;		/* RANK_LEAF; the swap itself is inside */
	uint64_t	active_invalidate_count;	/* [lock] */
	struct waitq	drained;
};

struct kvm_mmu_page;

struct kvm_mmu_vm {			/* the VM's side of kvm/mmu */
	struct list	roots;		/* [p] struct kvm_mmu_page.link */
	struct spinlock	pages_lock;	/* RANK_TDP_PAGES */
	atomic64_t	nr_pages;	/* [a] page-table pages alive */
	uint64_t	mmio_value;	/* [c] this VM's shadow_mmio_value */
	uint64_t	nr_audits;	/* [m] looked at so often */
	uint64_t	direct_bits;	/* [c] gfn bits that name the direct (shared) half */
	hpa_t		external_root;	/* [c] of the table behind the mirror, if KVM loads it */
	atomic64_t	huge_pages[PG_LEVEL_1G + 1];	/* [a] leaves of 2M and 1G alive */
	struct list	nx_splits;	/* [p] struct kvm_mmu_page.nx_link, oldest first */
	atomic64_t	nr_nx_splits;	/* [a] its length */
	struct waitq	nx_wake;	/* of the recovery worker */
	atomic32_t	nx_stop;	/* [a] it shall end */
	atomic32_t	nx_workers;	/* [a] 1: it is there */
};

/* What KVM_ENABLE_CAP and its kin have turned on, as vCPUs look at it. */
struct kvm_vm_caps {
	uint64_t	exit_hypercalls;	/* BIT(KVM_HC_*) that go to user space */
	bool		exit_on_emulation_error;
	bool		irqchip;		/* a local APIC for each vCPU */
	uint64_t	user_space_msr;		/* KVM_MSR_EXIT_REASON_*: asked of user space */
	uint64_t	disabled_exits;		/* KVM_X86_DISABLE_EXITS_* */
	bool		exception_payload, triple_fault_event;	/* in KVM_GET_VCPU_EVENTS */
	bool		hide_platform_info;	/* from guests; MSR_PLATFORM_INFO */
	bool		nx_huge_pages_off;	/* whatever the parameter says */
	uint32_t	tsc_khz;		/* default of new vCPUs */
	uint32_t	bsp_vcpu_id;
};

struct kvm {
	struct kvm_module	*module;	/* [c] */
	const struct vm_type_ops *ops;		/* [c] by VM type */
	uint32_t		 vm_type;	/* [c] KVM_X86_*_VM */
	bool			 has_private_mem;	/* [c] */
	bool			 has_protected_state;	/* [c] */
	atomic32_t		 pre_fault_allowed;	/* [a] an SNP guest's launch ends while others ask */
	int			 owner_pid;	/* [c] the "mm" that may use it */
	int			 creator;	/* [c] thread that made it, as statistics name it */
	unsigned		 nr_address_spaces;	/* [c] 1 or 2 */

	struct mutex		 lock;		/* RANK_VM */
	struct mutex		 slots_lock;	/* RANK_SLOTS */
	struct rwlock		 mmu_lock;	/* RANK_MMU */
	struct srcu		 srcu;		/* memslots, vCPUs in host mode */
	struct srcu		 host_maps;	/* short-term maps (kvm/host/map.h); else unused */

	atomic32_t		 users;		/* [a] VM, vCPU, gmem, stats files */
	atomic32_t		 dead;		/* [a] kvm_vm_bugged(): all ioctls EIO */

	struct kvm_memslots	*memslots;	/* [S] kvm/core/memslot.c */
	struct kvm_attributes	*attributes;	/* [S] kvm/core/attr.c */
	struct kvm_invalidation	 inv;		/* [m] */
	struct kvm_mn		 mn;
	struct mutex		 gpc_lock;	/* RANK_GPC_LIST */
	struct list		 gpcs;		/* [gpc_lock] active ones, kvm/host/pfncache.h */
	struct kvm_mmu_vm	 mmu;
	struct kvm		*next_vm;	/* kvm/core/host_map.h */
	uint64_t		 birth;		/* number in that list; 0: not in it */

	/* vCPUs in creation order, by chunks; grows, never shrinks. */
	struct kvm_vcpu		**vcpu_chunks[KVM_MAX_VCPUS_LIMIT / KVM_VCPU_CHUNK];	/* [L] */
	atomic32_t		 created_vcpus;	/* [L] */
	atomic32_t		 nr_vcpus;	/* [a] online_vcpus */
	unsigned		 max_vcpu_ids;	/* [L] */

	uint64_t		 disabled_quirks;	/* [L] */
	atomicptr_t		 msr_filter;	/* [L], readers in srcu; kvm/vcpu/msr_filter.h */
	struct kvm_vm_caps	 caps;		/* [L], readers any: set before vCPUs run */
	atomicptr_t		 buses[KVM_NR_BUSES];	/* [S] kvm/core/io_bus.c */
	struct list		 coalesced_zones;	/* [S] */
	struct kvm_coalesced_mmio_ring *coalesced_ring;	/* [c] the VMM maps it; entries: ring_lock */
	struct spinlock		 ring_lock;	/* RANK_LEAF */
	struct list		 ioeventfds;	/* [S] kvm/vm/ioeventfd.c */

	struct counters		*stat;		/* [a] enum kvm_vm_counter */
	struct kvm_irq		*irq;		/* [c] kvm/irq */
	struct kvm_time		*time;		/* [c] kvm/vcpu/time.h */
	struct kvm_vm_arch	*arch;		/* kvm/vm */
	void			*type_state;	/* kvm/types: owned by ops */
	void			(*destroy)(struct kvm *kvm);	/* [c] at the last put */
	/* [c] after every change of memory in [start, end), no lock held; NULL: nobody looks */
	void			(*audit)(struct kvm *kvm, gfn_t start, gfn_t end);
};

enum kvm_vcpu_mode {
	OUTSIDE_GUEST_MODE,
	IN_GUEST_MODE,
	EXITING_GUEST_MODE,
};

struct kvm_spt_cache {		/* tables made before the lock is taken */
	struct kvm_mmu_page *first;
	unsigned	nr;
};

/* A vCPU's side of kvm/mmu.  [v] */
struct kvm_mmu {
	hpa_t		root;		/* direct root, HPA_INVALID: none loaded */
	hpa_t		mirror_root;	/* VMs with a mirror; kept until the vCPU goes */
	uint8_t		root_level;	/* 4 or 5 */
	struct kvm_mmu_page *root_sp;	/* of root; holds a reference */
	struct kvm_mmu_page *mirror_root_sp;	/* the same; there when root_sp is */
	struct kvm_spt_cache direct_cache;
	struct kvm_spt_cache mirror_cache;	/* each with its external page */
};

/* What the vCPU last found to be MMIO. */
struct kvm_mmio_cache {
	gfn_t		gfn;
	uint64_t	generation;	/* of the memslots, all 64 bits */
	bool		valid;
};

struct kvm_vcpu {
	struct kvm	*kvm;		/* [c] */
	unsigned	 id, idx;	/* [c] */
	struct mutex	 mutex;		/* RANK_VCPU */

	atomic32_t	 mode;		/* [a] enum kvm_vcpu_mode */
	atomic64_t	 requests;	/* [a] BIT(enum kvm_request) */
	atomicptr_t	 cpu;		/* [a] struct cpu it is loaded on, or NULL */
	atomic32_t	 nmi_queued;	/* [a] NMIs that the vCPU has not looked at */
	struct waitq	 left_guest;	/* woken when mode goes OUTSIDE; a halted one sleeps here */

	struct lapic	*lapic;		/* [c] NULL: not in the kernel */
	struct kvm_run	*run;		/* [c] shared with the VMM: read once, check */
	int		 srcu_idx;	/* [v] */
	unsigned	 nr_short_maps;	/* [v] sections of kvm->host_maps that are open */
	struct mutex	 maps_lock;	/* RANK_GUEST_MAPS */
	struct list	 maps;		/* [maps_lock] the others that are open, kvm/host/map.h */
	uint32_t	 tag;		/* [c] its ASID or VPID */
	struct kvm_mmu	 mmu;		/* [v] */
	atomic32_t	 audit_wanted;	/* [a] of its TLB, before it next enters */
	struct kvm_mmio_cache mmio;	/* [v] */
	struct kvm_memory_slot *last_slot;	/* [v] hint, of that generation */
	uint64_t	 last_slot_generation;
	uint64_t	 nr_instructions;	/* retired; its thread counts, anybody reads */
	struct kvm_vcpu_stat stat;	/* the same */
	bool		 guest_state_protected;	/* [v] registers are the guest's alone */
	void		*type_state;	/* [v] kvm/types: owned by kvm->ops */
};

enum kvm_request {
	KVM_REQ_TLB_FLUSH,		/* all translations of this vCPU */
	KVM_REQ_MMU_FREE_OBSOLETE_ROOTS,
	KVM_REQ_VM_DEAD,
	KVM_REQ_TRIPLE_FAULT,
	KVM_REQ_UNBLOCK,
	KVM_REQ_OUTSIDE_GUEST_MODE,	/* just leave, nothing to do */
	KVM_REQ_EVENT,			/* an interrupt or exception may have become possible */
	KVM_REQ_IOAPIC_EOI_EXIT,	/* split irqchip: user space's I/O APIC is told */
	KVM_REQ_MASTERCLOCK_UPDATE,	/* the VM's clock may have to be another line */
	KVM_REQ_MCLOCK_INPROGRESS,	/* stay outside: somebody changes it */
	KVM_REQ_CLOCK_UPDATE,		/* tell the guest */
	KVM_REQ_STEAL_UPDATE,
	KVM_REQ_NMI,			/* nmi_queued has grown */
	KVM_REQ_REPORT_TPR_ACCESS,	/* user space is told of one; run->tpr_access is filled in */
	KVM_REQ_UPDATE_PROTECTED_GUEST_STATE,	/* the guest wants another state run here */
	NR_KVM_REQUESTS
};

/*
 * What every VM has, whatever its type: locks, an empty memory map, one user.
 * module, ops, vm_type, has_* and nr_address_spaces are the caller's and set
 * before.  @destroy runs at the last kvm_put and ends with kvm_core_fini.
 */
MUST_CHECK int kvm_core_init(struct kvm *kvm, struct kvm_module *module,
			     void (*destroy)(struct kvm *kvm));
void kvm_core_fini(struct kvm *kvm);	/* no vCPU, no slot left */

void kvm_get(struct kvm *kvm);
void kvm_put(struct kvm *kvm);		/* the last one destroys the VM */

/* The VM has nothing left to do here (kvm_vm_dead()): all its ioctls are EIO from now on. */
void kvm_vm_dead(struct kvm *kvm);
/* The modelled kernel would have WARNed and given the VM up (KVM_BUG_ON). */
void kvm_vm_bugged(struct kvm *kvm, const char *why);
static inline bool kvm_vm_is_dead(const struct kvm *kvm)
{
	return atomic32_load_acquire(&kvm->dead);
}

/*
 * Where private and shared memory have roots of their own, a guest physical
 * address says which: the direct (shared) one has the direct bit.  Elsewhere
 * there is only the direct one.  Memslots never contain an alias.
 */
static inline bool kvm_gfn_is_alias(const struct kvm *kvm, gfn_t gfn)
{
	return gfn.v & kvm->mmu.direct_bits;
}

static inline bool kvm_addr_is_direct(const struct kvm *kvm, gpa_t addr)
{
	return !kvm->mmu.direct_bits || kvm_gfn_is_alias(kvm, GFN(addr.v >> PAGE_SHIFT));
}

/* @addr as memslots and attributes know it. */
static inline gpa_t kvm_addr_without_alias(const struct kvm *kvm, gpa_t addr)
{
	return GPA(addr.v & ~(kvm->mmu.direct_bits << PAGE_SHIFT));
}

/* kvm->lock held.  Room for one more, then nothing can fail.  -ENOMEM, -EINVAL: full. */
MUST_CHECK int kvm_reserve_vcpu(struct kvm *kvm);
/* kvm->lock held.  Gives @vcpu its idx and shows it to everybody. */
void kvm_publish_vcpu(struct kvm *kvm, struct kvm_vcpu *vcpu);

/* i < atomic32_load_acquire(&kvm->nr_vcpus) */
struct kvm_vcpu *kvm_get_vcpu(struct kvm *kvm, unsigned i);
struct kvm_vcpu *kvm_get_vcpu_by_id(struct kvm *kvm, unsigned id);

/* What kvm/core wants of a vCPU: mutex, mode, requests, queue. */
void kvm_vcpu_core_init(struct kvm_vcpu *vcpu, struct kvm *kvm, unsigned id);
void kvm_vcpu_core_fini(struct kvm_vcpu *vcpu);
