/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev.h - KVM's side of SEV and SEV-ES: what a VM and the module keep.
 *
 * A DEFAULT VM on AMD may become one too (KVM_SEV_INIT, KVM_SEV_ES_INIT), so
 * every VM there has a struct kvm_sev.  Facts: spec snp.md 6, kernel 6.12.
 *
 * Keys: [c] constant after creation, [L] kvm->lock, [M] sev_module.mirror_lock,
 *       [A] sev_module.asid_lock, [a] atomic
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/list.h"
#include "hw/insn/psp.h"
#include "kvm/core/kvm.h"
#include "kvm/core/ratelimit.h"
#include "kvm/core/vm_type_ops.h"
#include "softcvm/uapi/kvm_sev.h"
#include "sync/lock.h"

/* In VMSA.SEV_FEATURES */
#define SEV_FEATURE_SNP_ACTIVE	BIT(0)
#define SEV_FEATURE_DEBUG_SWAP	BIT(5)

#define GHCB_VERSION_MIN	1u
#define GHCB_VERSION_MAX	2u

/* What KVM says at most so often (snp_fault.c, snp_memory.c, snp_mistake.c). */
enum snp_warning {
	SNP_WARN_NOT_PRIVATE,
	SNP_WARN_NO_SLOT,
	SNP_WARN_NO_PAGE,
	SNP_WARN_NOT_ASSIGNED,
	SNP_WARN_NOT_SPLIT,
	SNP_WARN_PREPARE,
	SNP_WARN_PUNCH,
	SNP_WARN_NOT_CONVERTED,
	SNP_WARN_LAUNCHED,
	NR_SNP_WARNINGS
};

/* What kvm_amd found out when it was loaded. */
struct sev_module {
	bool		 sev, es, snp;	/* [c] such VMs can be made */
	uint64_t	 vmsa_features;	/* [c] that KVM_SEV_INIT2 takes */
	unsigned	 min_asid;	/* [c] of SEV without ES; ES has 1 to min_asid - 1 */
	unsigned	 max_asid;	/* [c] */
	uint8_t		*es_msrpm;	/* [c] what SEV-ES guests read and write by themselves */
	struct mutex	 asid_lock;
	uint64_t	*used;		/* [A] bitmaps by ASID */
	uint64_t	*reclaim;	/* [A] used, and free after the next DF_FLUSH */
	struct rwlock	 deactivate_lock;	/* DF_FLUSH for writing */
	struct mutex	 mirror_lock;
	void		*tmr;		/* [c] the firmware's, with ES; the kernel may not touch it */
	hpa_t		 tmr_page;	/* [c] */
	struct ratelimit rmp_warned[NR_SNP_WARNINGS];	/* [a] */
};

/* One KVM_MEMORY_ENCRYPT_REG_REGION. */
struct sev_region {
	struct list	 link;
	uint64_t	 addr, size;
};

struct kvm_sev {
	bool		 active;	/* [L] as all below that say nothing else */
	bool		 es_active;
	bool		 need_init;	/* KVM_SEV_INIT2 has not come yet */
	unsigned	 asid;
	uint32_t	 handle;	/* the firmware's name for the guest; 0: none */
	int		 fd;		/* /dev/sev as LAUNCH_START was given it */
	uint64_t	 vmsa_features;
	unsigned	 ghcb_version;
	atomic64_t	 ap_jump_table;	/* [a] where the guest keeps it */
	atomic32_t	 migration_in_progress;	/* [a] */
	hpa_t		 snp_context;	/* SNP: the firmware's page of the guest; HPA_INVALID: none */
	struct mutex	 guest_request_lock;	/* SNP: the two below; RANK_SEV_GUEST_REQUEST */
	hpa_t		 guest_request, guest_response;	/* [c] bounce pages; HPA_INVALID: none */
	struct list	 regions;
	struct list	 mirrors;	/* [M] of this VM */
	struct list	 mirror_link;	/* [M] */
	struct kvm	*owner;		/* [M] whom this VM mirrors: a reference; or NULL */
	struct kvm	*kvm;		/* [c] */
};

static inline struct kvm_sev *to_kvm_sev(const struct kvm *kvm)
{
	return kvm->type_state;
}

static inline bool sev_guest(const struct kvm *kvm)
{
	const struct kvm_sev *sev = to_kvm_sev(kvm);

	return sev && sev->active;
}

static inline bool sev_es_guest(const struct kvm *kvm)
{
	return sev_guest(kvm) && to_kvm_sev(kvm)->es_active;
}

static inline bool sev_snp_guest(const struct kvm *kvm)
{
	return sev_es_guest(kvm) && (to_kvm_sev(kvm)->vmsa_features & SEV_FEATURE_SNP_ACTIVE);
}

static inline struct sev_module *sev_module(const struct kvm *kvm)
{
	return kvm->module->sev;
}

/*
 * Asks the machine and the secure processor once, after kvm_module_load();
 * says in one line why ES is not offered.  -ENOMEM.
 */
MUST_CHECK int sev_module_load(struct kvm_module *module);
void sev_module_unload(struct kvm_module *module);

/* ASIDs (sev_asid.c).  -ENOTTY: there are none of the kind, -EBUSY: all are taken. */
MUST_CHECK int sev_asid_new(struct kvm *kvm, bool es, unsigned *asid);
void sev_asid_free(struct kvm *kvm, unsigned asid);
/* Undoes ACTIVATE and LAUNCH_START: the guest's key is gone. */
void sev_unbind_asid(struct kvm *kvm, uint32_t handle);
void sev_decommission(struct kvm *kvm, uint32_t handle);

/*
 * The secure processor as the kernel's driver hands it out.  0; -EIO and what
 * the firmware said in *@error; with @fd: -EBADF, -EINVAL when it is not /dev/sev.
 */
MUST_CHECK int sev_module_cmd(struct kvm_module *module, enum psp_cmd cmd, void *params,
			      uint32_t *error);
MUST_CHECK int sev_do_cmd(struct kvm *kvm, enum psp_cmd cmd, void *params, uint32_t *error);
MUST_CHECK int sev_issue_cmd_fd(struct kvm *kvm, int fd, enum psp_cmd cmd, void *params,
				uint32_t *error);
/* @n of them, see psp_commands(). */
MUST_CHECK int sev_issue_cmds_fd(struct kvm *kvm, int fd, enum psp_cmd cmd, void *params,
				 unsigned n, unsigned *done, uint32_t *error);
MUST_CHECK int sev_issue_cmd(struct kvm *kvm, enum psp_cmd cmd, void *params, uint32_t *error);
/* The platform leaves UNINIT at the first guest. */
MUST_CHECK int sev_platform_init(struct kvm_module *module, uint32_t *error);
/* The same under asid_lock. */
MUST_CHECK int sev_platform_init_locked(struct kvm_module *module, uint32_t *error);
MUST_CHECK int sev_tmr_alloc(struct kvm_module *module);
void sev_tmr_free(struct kvm_module *module);

/* Commands (sev_command.c): the table of KVM_MEMORY_ENCRYPT_OP. */
int sev_mem_enc_ioctl(struct kvm *kvm, void *argp);
typedef int (*sev_command)(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_guest_init(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_guest_init2(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_launch_start(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_launch_update_data(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_launch_update_vmsa(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_launch_measure(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_launch_secret(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_launch_finish(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_guest_status(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_attestation_report(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_dbg_decrypt(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int sev_dbg_encrypt(struct kvm *kvm, struct kvm_sev_cmd *cmd);
/*
 * @update, with vcpu->mutex held, for each vCPU in the order of their indexes, which is
 * the digest's, until one fails.  -EBUSY: one is being made.
 */
MUST_CHECK int sev_launch_vcpus(struct kvm *kvm, struct kvm_sev_cmd *cmd,
				int (*update)(struct kvm *kvm, struct kvm_vcpu *vcpu,
					      struct kvm_sev_cmd *cmd));
int snp_launch_start(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int snp_launch_update(struct kvm *kvm, struct kvm_sev_cmd *cmd);
int snp_launch_finish(struct kvm *kvm, struct kvm_sev_cmd *cmd);

/* Memory (sev_memory.c). */
int sev_register_region(struct kvm *kvm, const struct kvm_enc_region *region);
int sev_unregister_region(struct kvm *kvm, const struct kvm_enc_region *region);
void sev_free_regions(struct kvm_sev *sev);

/* Whole VMs (sev_context.c): @source is another VM, its reference the caller's. */
int sev_move_enc_context_from(struct kvm *kvm, struct kvm *source);
int sev_copy_enc_context_from(struct kvm *kvm, struct kvm *source);

/* vCPUs (sev_vcpu.c). */
int sev_vcpu_create(struct kvm_vcpu *vcpu);
void sev_vcpu_free(struct kvm_vcpu *vcpu);
/* Registers into the VMSA page, as they are to be measured.  -EINVAL. */
MUST_CHECK int sev_es_sync_vmsa(struct kvm_vcpu *vcpu);
/* VMGEXIT (sev_ghcb.c). */
int sev_vmgexit(struct kvm_vcpu *vcpu);
/* The source of a migration, whose state has gone, has nothing to do in these. */
void sev_es_before_entry(struct kvm_vcpu *vcpu);
void sev_es_deliver_sipi(struct kvm_vcpu *vcpu);
void sev_es_refuse_msr(struct kvm_vcpu *vcpu);
/* The control area of a vCPU whose VM has become, or is, a SEV guest. */
void sev_init_vmcb(struct kvm_vcpu *vcpu);
/* @dst, without state of its own, goes on with @src's. */
void sev_es_take_state(struct kvm_vcpu *dst, struct kvm_vcpu *src);
