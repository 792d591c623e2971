/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tdx_priv.h - between the leaves: the module, a TD, its vCPUs, a call.
 *
 * Objects hang on the PAMT entries of their pages (PT_TDR, PT_TDVPR): who holds the
 * entry, holds the object.  TDX-1: nothing of a TD changes without the lock that is
 * named at it, and every lock is a try (lock.h).
 */
#pragma once
#include "base/bits.h"
#include "base/list.h"
#include "base/page.h"
#include "hw/mem/machine.h"
#include "hw/mem/view.h"
#include "hw/tdx/pamt.h"
#include "hw/tdx/sept.h"

struct cpu;
struct measurement;
struct td_cpuid_value;
struct td_vcpu;

#define TDX_TDCS_PAGES	6u	/* TDCX pages without L2 VMs */
#define TDX_TDCS_PAGES_MAX 9u
#define TDX_ALL_PACKAGES 1u	/* one package, as a set */
#define TDX_TDMRS_MAX	64u	/* what the module has room for */
#define TDX_TDVPS_PAGES	6u	/* TDVPR, and so many TDCX less one */
#define TDX_TDVPS_PAGES_MAX 15u
#define TDCX_SEPT_ROOT	3u	/* which of them is the secure EPT's root */

/* Module: KOT entries, one for each private key id. */
enum tdx_key_state { TDX_KEY_FREE, TDX_KEY_ASSIGNED, TDX_KEY_FLUSHED };

struct tdx_key {
	enum tdx_key_state state;
	uint64_t	   to_flush;	/* packages whose caches may have lines of it, once FLUSHED */
};

enum tdx_sys_state { TDX_SYS_NEW, TDX_SYS_INIT_DONE, TDX_SYS_CONFIGURED, TDX_SYS_READY };

/* Memory that may be given to TDs: gigabytes [base, next) of [base, base + size). */
struct tdx_tdmr {
	struct tdx_lock	 lock;
	uint64_t	 base, size;
	uint64_t	 next;		/* atomic; changes with the lock held */
};

/* Keys: [c] constant, [k] kot, [s] sys, exclusive to write */
struct tdx {
	struct hw		*hw;		/* [c] */
	struct pamt		 pamt;		/* [c] */
	unsigned		 first_key;	/* [c] private key ids [first_key, first_key + nr_keys) */
	unsigned		 nr_keys;	/* [c] */
	struct tdx_lock		 sys;		/* of the SYS leaves */
	atomic32_t		 *lp_ready;	/* [c] by processor */
	atomic32_t		 nr_lps_ready;
	struct tdx_tdmr		 tdmrs[TDX_TDMRS_MAX];	/* [s] */
	unsigned		 nr_tdmrs;	/* [s] */
	atomic32_t		 sys_state;	/* [s] enum tdx_sys_state */
	unsigned		 global_key;	/* [s] of the module itself; 0: not configured */
	struct tdx_lock		 kot;
	struct tdx_key		*keys;		/* [k] by key id less first_key */
	struct tdx_lock		 wbt;		/* of the one package */
	uint32_t		 cache_wb_at;	/* [wbt] where an interrupted CACHE.WB goes on, 0: none */
};

enum tdx_life { TD_HKID_ASSIGNED, TD_KEYS_CONFIGURED, TD_BLOCKED, TD_TEARDOWN };

enum tdx_op_state { TD_UNINITIALIZED, TD_INITIALIZED, TD_RUNNABLE };
#define OP_IN(state)	(1u << (state))
#define OP_INITIALIZED	OP_IN(TD_INITIALIZED)
#define OP_RUNNABLE	OP_IN(TD_RUNNABLE)
#define OP_ANY		(OP_INITIALIZED | OP_RUNNABLE)

/*
 * Keys: [c] constant since INIT, [t] PAMT entry of the TDR, shared to read and exclusive
 * to write; [o] op_lock likewise; [e] epoch_lock; [a] atomic
 */
struct td {
	struct tdx	*m;		/* [c] */
	hpa_t		 tdr;		/* [c] its page: the name of the TD */
	uint16_t	 hkid;		/* [t] 0: none any more */
	enum tdx_life	 life;		/* [t] */
	atomic32_t	 fatal;		/* [a] */
	atomic64_t	 chldcnt;	/* [a] pages it owns, in 4K */
	unsigned	 nr_tdcx;	/* [t] */
	hpa_t		 tdcx[TDX_TDCS_PAGES_MAX];	/* [t] */

	struct tdx_lock	 op_lock;	/* with host priority */
	enum tdx_op_state op_state;	/* [o] */

	struct tdx_lock	 sept_lock;	/* the tree: exclusive for block, unblock, table removal */
	hpa_t		 sept_root;	/* [c] */
	uint8_t		 sept_levels;	/* [c] 4 or 5 */
	uint8_t		 gpaw;		/* [c] 48 or 52 */

	struct tdx_lock	 epoch_lock;
	atomic64_t	 epoch;		/* [e] exclusive to write */
	atomic32_t	 in_epoch[2];	/* [a] vCPUs inside, by the parity of the epoch they entered in */

	uint64_t	 attributes, xfam;	/* [c] */
	uint64_t	 config_flags;		/* [c] */
	uint32_t	 max_vcpus;		/* [c] */
	uint16_t	 tsc_frequency;		/* [c] in 25 MHz */
	uint8_t		 mrconfigid[48], mrowner[48], mrownerconfig[48];	/* [c] */
	struct td_cpuid_value *cpuid;		/* [c] TD_CPUID_VALUES of them, owned */
	atomic32_t	 nr_vcpus;		/* [a] initialised ones */
	struct td_vcpu	 **vcpus;		/* [t] by index, max_vcpus of them, owned */
	atomic32_t	 nr_associated;		/* [a] */
	struct measurement *mr;			/* [t] MRTD while it is made; then its value */
};

/* One SEAMCALL: its operands, and what it holds until it ends. */
struct seam_call {
	struct tdx		*m;
	struct cpu		*cpu;
	struct seam_regs	*r;
	uint64_t		in[16];		/* registers as they came */
	struct td		*td;
	struct pamt_held	 held[4];	/* pages, in the order in which they were taken */
	unsigned		 nr_held;
	struct tdx_lock		*op;		/* held shared */
	struct tdx_lock		*tree;
	enum tdx_lock_mode	 tree_mode;
	struct sept_at		 at;		/* locked if locked is set */
	bool			 locked;
	struct tdx_lock		*others[2];	/* of the module: sys, KOT, WBT */
	enum tdx_lock_mode	 other_modes[2];
	unsigned		 nr_others;
};

typedef uint64_t seam_leaf(struct seam_call *c);

/* The first status that is not success ends the leaf; what is held is dropped by the dispatcher. */
#define TRY(status) do {						\
	uint64_t try_ = (status);					\
	if (try_)							\
		return try_;						\
} while (0)

#define IN(c, reg)	((c)->in[SEAM_##reg])
#define OUT(c, reg)	((c)->r->gpr[SEAM_##reg])

/* -- Parts of leaves (call.c) -- */

/* Operand @reg is the address of a page, without key id and aligned to @level's size. */
MUST_CHECK uint64_t call_page(struct seam_call *c, enum seam_gpr reg, uint8_t level, hpa_t *page);
/* Holds operand @page's entry, and keeps it held until the call ends. */
MUST_CHECK uint64_t call_hold(struct seam_call *c, hpa_t page, uint8_t level,
			      enum tdx_page_type type, enum tdx_lock_mode mode, uint32_t operand,
			      struct pamt_held **out);
MUST_CHECK uint64_t call_hold_free(struct seam_call *c, hpa_t page, uint8_t level,
				   uint32_t operand, struct pamt_held **out);
MUST_CHECK uint64_t call_hold_found(struct seam_call *c, hpa_t page, uint8_t level,
				    uint32_t operand, struct pamt_held **out);
/* The TD whose TDR is in @reg. */
MUST_CHECK uint64_t call_tdr(struct seam_call *c, enum seam_gpr reg, enum tdx_lock_mode mode);
/* The TD that @of belongs to: its entry alone, for it is found through the page. */
MUST_CHECK uint64_t call_owner(struct seam_call *c, const struct pamt_entry *of,
			       enum tdx_lock_mode mode);
/* ... has a key, its control pages, and is in one of @states; @lock: op_lock is taken shared. */
MUST_CHECK uint64_t call_state(struct seam_call *c, unsigned states, bool lock);
/* One of the module's own; @busy if it cannot be had. */
MUST_CHECK uint64_t call_other(struct seam_call *c, struct tdx_lock *l, enum tdx_lock_mode mode,
			       uint64_t busy);
MUST_CHECK uint64_t call_tree(struct seam_call *c, enum tdx_lock_mode mode);
/* RCX is a private GPA and a level of [@low, @high]. */
MUST_CHECK uint64_t call_gpa(struct seam_call *c, uint8_t low, uint8_t high, uint64_t *gpa,
			     uint8_t *level);
/* The entry of @level for @gpa, locked; it is in one of @states. */
MUST_CHECK uint64_t call_entry(struct seam_call *c, uint64_t gpa, uint8_t level, unsigned states);
/*
 * What leaves about one entry begin with: TDR in RDX, the TD's state, the GPA and a level of
 * [@low, @high] in RCX, the tree in @tree, the entry.
 */
MUST_CHECK uint64_t call_begin(struct seam_call *c, uint8_t low, uint8_t high,
			       enum tdx_lock_mode tree, unsigned states);
/* @status with the entry c->at in RCX and RDX. */
uint64_t call_details(struct seam_call *c, uint64_t status);
/* The locked entry becomes @entry. */
void call_put(struct seam_call *c, uint64_t entry);
/* Blocked and tracked, where the TD's state and the entry's want it. */
MUST_CHECK uint64_t call_tracked(struct seam_call *c);
bool td_needs_tracking(const struct td *td);
/* No leaf works on it any more, but those that take it apart.  TDX_TD_FATAL. */
uint64_t td_is_fatal(struct td *td);
void call_end(struct seam_call *c);

/* Frames are given to a TD, and taken from it. */
void td_owns(struct td *td, struct pamt_held *h, enum tdx_page_type type, void *object);
void td_owns_not(struct td *td, struct pamt_held *h);

/* -- Leaves, by file -- */

#define SEAM_LEAVES(X)							\
	/* sys.c */							\
	X(TDH_SYS_INIT, tdh_sys_init, 0, ANY_TIME)			\
	X(TDH_SYS_LP_INIT, tdh_sys_lp_init, 0, ANY_TIME)		\
	X(TDH_SYS_CONFIG, tdh_sys_config, 0, ANY_TIME)			\
	X(TDH_SYS_KEY_CONFIG, tdh_sys_key_config, 0, ANY_TIME)		\
	X(TDH_SYS_TDMR_INIT, tdh_sys_tdmr_init, 0, 0)			\
	/* td.c */							\
	X(TDH_MNG_CREATE, tdh_mng_create, 0, 0)				\
	X(TDH_MNG_KEY_CONFIG, tdh_mng_key_config, 0, 0)			\
	X(TDH_MNG_ADDCX, tdh_mng_addcx, 0, 0)				\
	X(TDH_MNG_INIT, tdh_mng_init, 0, 0)				\
	X(TDH_MNG_VPFLUSHDONE, tdh_mng_vpflushdone, 0, 0)		\
	X(TDH_MNG_KEY_FREEID, tdh_mng_key_freeid, 0, 0)			\
	/* vp.c */							\
	X(TDH_VP_CREATE, tdh_vp_create, 0, 0)				\
	X(TDH_VP_ADDCX, tdh_vp_addcx, 0, 0)				\
	X(TDH_VP_INIT, tdh_vp_init, 1, 0)				\
	X(TDH_VP_FLUSH, tdh_vp_flush, 0, 0)				\
	/* phymem.c */							\
	X(TDH_PHYMEM_CACHE_WB, tdh_phymem_cache_wb, 0, 0)		\
	X(TDH_PHYMEM_PAGE_RDMD, tdh_phymem_page_rdmd, 0, CLEARS)	\
	X(TDH_PHYMEM_PAGE_RECLAIM, tdh_phymem_page_reclaim, 0, CLEARS)	\
	X(TDH_PHYMEM_PAGE_WBINVD, tdh_phymem_page_wbinvd, 0, 0)		\
	/* mr.c */							\
	X(TDH_MR_EXTEND, tdh_mr_extend, 0, CLEARS)			\
	X(TDH_MR_FINALIZE, tdh_mr_finalize, 0, 0)			\
	/* mem_page.c */						\
	X(TDH_MEM_PAGE_ADD, tdh_mem_page_add, 0, CLEARS)		\
	X(TDH_MEM_PAGE_AUG, tdh_mem_page_aug, 0, CLEARS)		\
	X(TDH_MEM_PAGE_REMOVE, tdh_mem_page_remove, 0, CLEARS)		\
	X(TDH_MEM_PAGE_RELOCATE, tdh_mem_page_relocate, 0, CLEARS)	\
	/* mem_table.c */						\
	X(TDH_MEM_SEPT_ADD, tdh_mem_sept_add, 1, CLEARS)		\
	X(TDH_MEM_SEPT_REMOVE, tdh_mem_sept_remove, 1, CLEARS)		\
	X(TDH_MEM_SEPT_RD, tdh_mem_sept_rd, 0, CLEARS)			\
	/* mem_range.c */						\
	X(TDH_MEM_RANGE_BLOCK, tdh_mem_range_block, 0, CLEARS)		\
	X(TDH_MEM_RANGE_UNBLOCK, tdh_mem_range_unblock, 0, CLEARS)	\
	X(TDH_MEM_TRACK, tdh_mem_track, 0, 0)				\
	/* mem_size.c */						\
	X(TDH_MEM_PAGE_DEMOTE, tdh_mem_page_demote, 0, CLEARS)		\
	X(TDH_MEM_PAGE_PROMOTE, tdh_mem_page_promote, 1, CLEARS)

#define SEAM_LEAF_DECL(nr, name, version, flags) seam_leaf name;
SEAM_LEAVES(SEAM_LEAF_DECL)
#undef SEAM_LEAF_DECL

/* By key id; NULL: no private one. */
struct tdx_key *tdx_key(struct tdx *m, unsigned hkid);
/* Is @page in memory that TDH.SYS.TDMR.INIT has done? */
bool tdx_may_use(const struct tdx *m, hpa_t page);
/* Objects of pages that are reclaimed. */
void td_free(struct td *td);
void td_vcpu_free(struct td_vcpu *vp);
