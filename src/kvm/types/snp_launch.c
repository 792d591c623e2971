/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_launch.c - the launch of an SNP guest: a context page of the firmware's,
 * pages page by page, the vCPUs (spec snp.md 6.4).  kvm->lock is held.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hw/insn/psp_snp.h"
#include "kvm/core/memslot.h"
#include "kvm/gmem/gmem.h"
#include "kvm/types/sev_memory.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/types/snp.h"
#include "os/uaccess.h"

#define USER(addr)	((void *)(uintptr_t)(addr))
#define POLICY_API	0xffffull	/* the least API version */
#define POLICY_KNOWN	(POLICY_API | PSP_SNP_POLICY_SMT | PSP_SNP_POLICY_MBO | \
			 PSP_SNP_POLICY_DEBUG | PSP_SNP_POLICY_SINGLE)

static bool policy_is_good(uint64_t policy)
{
	return !(policy & ~POLICY_KNOWN) && (policy & PSP_SNP_POLICY_MBO) &&
	       (policy & PSP_SNP_POLICY_SMT) && !(policy & PSP_SNP_POLICY_SINGLE);
}

/* -ENOTTY is all that the VMM hears, but for cmd->error. */
static int create_context(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	hpa_t page = snp_alloc_firmware_page(kvm->module);
	struct psp_snp_addr create = { .address = page.v };

	if (!hpa_is_valid(page))
		return -ENOTTY;
	if (sev_issue_cmd_fd(kvm, (int)cmd->sev_fd, PSP_SNP_GCTX_CREATE, &create, &cmd->error)) {
		snp_free_firmware_page(kvm->module, page);
		return -ENOTTY;
	}
	to_kvm_sev(kvm)->snp_context = page;
	return 0;
}

/* The context has a policy and a key, and the key an ASID. */
static int start_and_bind(struct kvm *kvm, struct kvm_sev_cmd *cmd,
			  const struct kvm_sev_snp_launch_start *p)
{
	struct kvm_sev *sev = to_kvm_sev(kvm);
	struct psp_snp_launch_start start = { .gctx = sev->snp_context.v, .policy = p->policy };
	struct psp_snp_activate activate = { .gctx = sev->snp_context.v, .asid = sev->asid };
	int r;

	memcpy(start.gosvw, p->gosvw, sizeof(start.gosvw));
	r = sev_issue_cmd_fd(kvm, (int)cmd->sev_fd, PSP_SNP_LAUNCH_START, &start, &cmd->error);
	if (r)
		return r;
	sev->fd = (int)cmd->sev_fd;
	return sev_issue_cmd(kvm, PSP_SNP_ACTIVATE, &activate, &cmd->error);
}

int snp_launch_start(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct kvm_sev_snp_launch_start p;
	int r;

	if (!sev_snp_guest(kvm))
		return -ENOTTY;
	if (os_copy_from(&p, USER(cmd->data), sizeof(p)))
		return -EFAULT;
	if (hpa_is_valid(to_kvm_sev(kvm)->snp_context) || p.flags || !policy_is_good(p.policy))
		return -EINVAL;
	r = create_context(kvm, cmd);
	if (r)
		return r;
	r = start_and_bind(kvm, cmd, &p);
	if (r && snp_decommission(kvm))
		log_error("SEV-SNP: a guest that was not launched cannot be decommissioned");
	return r;
}

/* ---- pages of the guest ---- */

struct staged {				/* for the firmware, not measured yet */
	struct psp_snp_launch_update update[KVM_GMEM_BATCH];
	void		*bytes[KVM_GMEM_BATCH];
	unsigned	n;
};

struct fill {
	uint64_t	uaddr;		/* of the first page; ZERO: not looked at */
	uint8_t		type;
	int		fd;
	uint32_t	error;		/* the firmware's */
	uint64_t	index;		/* of the first staged one */
	struct staged	*staged;
};

/* What was not taken is the hypervisor's again, or nobody's any more. */
static bool take_back(struct kvm *kvm, hpa_t page)
{
	if (!snp_page_reclaim(kvm->module, page))
		return true;
	kvm_vm_bugged(kvm, "a page of a launch does not come back from the firmware");
	snp_leak_page(kvm->module, page);
	return false;
}

/* The firmware has written what it wants into a CPUID page that it refused. */
static void refused(struct kvm *kvm, const struct fill *f, hpa_t page, const void *bytes,
		    uint64_t uaddr)
{
	if (!take_back(kvm, page) || f->type != KVM_SEV_SNP_PAGE_TYPE_CPUID ||
	    f->error != PSP_INVALID_PARAM)
		return;
	if (os_copy_to(USER(uaddr), bytes, PAGE_SIZE))
		log_debug("SEV-SNP: the VMM's CPUID page cannot be written\n");
}

static struct psp_snp_launch_update update_of(const struct kvm *kvm, const struct fill *f,
					      hpa_t page)
{
	return (struct psp_snp_launch_update){
		.gctx = to_kvm_sev(kvm)->snp_context.v,
		.page = (uint32_t)f->type << 1,
		.address = page.v,
	};
}

/* For kvm_gmem_populate(): the VMM's bytes, then the guest's. */
static int stage_page(struct kvm *kvm, gfn_t gfn, hpa_t page, void *bytes, uint64_t index,
		      void *arg)
{
	struct fill *f = arg;
	bool has_source = f->type != KVM_SEV_SNP_PAGE_TYPE_ZERO;
	uint64_t uaddr = f->uaddr + (index << PAGE_SHIFT);
	struct snp_rmp rmp;
	int r;

	if (has_source && !uaddr)
		return -EINVAL;
	if (snp_lookup_rmp(kvm->module, page, &rmp))
		return -EINVAL;
	if (rmp.assigned)
		return -EEXIST;
	if (has_source && os_copy_from(bytes, USER(uaddr), PAGE_SIZE))
		return -EFAULT;
	r = rmp_make_private(kvm->module, page, gfn.v << PAGE_SHIFT, PG_LEVEL_4K,
			     to_kvm_sev(kvm)->asid, true);
	if (r)
		return r;
	if (!f->staged->n)
		f->index = index;
	f->staged->update[f->staged->n] = update_of(kvm, f, page);
	f->staged->bytes[f->staged->n++] = bytes;
	return 0;
}

/* Nobody has heard of it, but for us. */
static void unstage(struct kvm *kvm, hpa_t page, void *bytes)
{
	if (take_back(kvm, page))
		memset(bytes, 0, PAGE_SIZE);
}

/* The firmware's word on all of them. */
static unsigned commit_pages(struct kvm *kvm, unsigned n, void *arg, int *r)
{
	struct fill *f = arg;
	struct staged *s = f->staged;
	unsigned done;

	*r = sev_issue_cmds_fd(kvm, f->fd, PSP_SNP_LAUNCH_UPDATE, s->update, n, &done, &f->error);
	if (*r)
		refused(kvm, f, HPA(s->update[done].address), s->bytes[done],
			f->uaddr + ((f->index + done) << PAGE_SHIFT));
	for (unsigned i = done + 1; i < n; i++)
		unstage(kvm, HPA(s->update[i].address), s->bytes[i]);
	s->n = 0;
	return done;
}

static bool update_is_good(const struct kvm_sev_snp_launch_update *p)
{
	if (!IS_ALIGNED(p->len, PAGE_SIZE) || p->flags)
		return false;
	return p->type == KVM_SEV_SNP_PAGE_TYPE_NORMAL || p->type == KVM_SEV_SNP_PAGE_TYPE_ZERO ||
	       p->type == KVM_SEV_SNP_PAGE_TYPE_UNMEASURED ||
	       p->type == KVM_SEV_SNP_PAGE_TYPE_SECRETS || p->type == KVM_SEV_SNP_PAGE_TYPE_CPUID;
}

/* slots_lock is held.  What is done is told by what is left of @p. */
static int update_pages(struct kvm *kvm, struct kvm_sev_cmd *cmd,
			struct kvm_sev_snp_launch_update *p)
{
	static const struct kvm_gmem_fill how = { .stage = stage_page, .commit = commit_pages };
	struct fill f = { .uaddr = p->uaddr, .type = p->type, .fd = (int)cmd->sev_fd };
	int64_t done;

	if (!kvm_slot_can_be_private(kvm_gfn_to_memslot(kvm, 0, GFN(p->gfn_start))))
		return -EINVAL;
	f.staged = calloc(1, sizeof(*f.staged));
	if (!f.staged)
		return -ENOMEM;
	done = kvm_gmem_populate(kvm, GFN(p->gfn_start), p->len >> PAGE_SHIFT, &how, &f);
	free(f.staged);
	if (done == -EEXIST)
		snp_say_launched_before(kvm, GFN(p->gfn_start));
	if (done < 0) {
		cmd->error = f.error;
		return -EIO;
	}
	p->gfn_start += (uint64_t)done;
	p->len -= (uint64_t)done << PAGE_SHIFT;
	if (p->type != KVM_SEV_SNP_PAGE_TYPE_ZERO)
		p->uaddr += (uint64_t)done << PAGE_SHIFT;
	return os_copy_to(USER(cmd->data), p, sizeof(*p)) ? -EFAULT : 0;
}

int snp_launch_update(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct kvm_sev_snp_launch_update p;
	int r;

	if (!sev_snp_guest(kvm) || !hpa_is_valid(to_kvm_sev(kvm)->snp_context))
		return -EINVAL;
	if (os_copy_from(&p, USER(cmd->data), sizeof(p)))
		return -EFAULT;
	if (!update_is_good(&p))
		return -EINVAL;
	mutex_lock(&kvm->slots_lock);
	r = update_pages(kvm, cmd, &p);
	mutex_unlock(&kvm->slots_lock);
	return r;
}

/* ---- vCPUs, and the end ---- */

/* vcpu->mutex is held. */
static int update_vmsa(struct kvm *kvm, struct kvm_vcpu *vcpu, struct kvm_sev_cmd *cmd)
{
	const struct fill f = { .type = PSP_SNP_VMSA };
	hpa_t page = to_sev_vcpu(vcpu)->vmsa;
	struct psp_snp_launch_update update = update_of(kvm, &f, page);
	int r = sev_es_sync_vmsa(vcpu);

	if (!r)
		r = rmp_make_private(kvm->module, page, SNP_VMSA_GPA, PG_LEVEL_4K,
				     to_kvm_sev(kvm)->asid, true);
	if (r)
		return r;
	r = sev_issue_cmd_fd(kvm, (int)cmd->sev_fd, PSP_SNP_LAUNCH_UPDATE, &update, &cmd->error);
	if (!r)
		vcpu->guest_state_protected = true;
	else if (!take_back(kvm, page))
		return -EIO;
	return r;
}

/* The firmware reads the two blobs while the command runs. */
static int finish_with(struct kvm *kvm, struct kvm_sev_cmd *cmd,
		       const struct kvm_sev_snp_launch_finish *p, const struct sev_buffer *id_block,
		       const struct sev_buffer *id_auth)
{
	struct psp_snp_launch_finish finish = {
		.gctx = to_kvm_sev(kvm)->snp_context.v,
		.id_block = id_block->page.v,
		.id_auth = id_auth->page.v,
		.flags = (p->id_block_en ? PSP_SNP_FINISH_ID_BLOCK : 0) |
			 (p->id_block_en && p->auth_key_en ? PSP_SNP_FINISH_AUTHOR_KEY : 0) |
			 (p->vcek_disabled & 1 ? PSP_SNP_FINISH_NO_VCEK : 0),
	};
	int r;

	memcpy(finish.host_data, p->host_data, sizeof(finish.host_data));
	r = sev_issue_cmd(kvm, PSP_SNP_LAUNCH_FINISH, &finish, &cmd->error);
	if (!r)
		atomic32_store_release(&kvm->pre_fault_allowed, 1);
	return r;
}

int snp_launch_finish(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct sev_buffer id_block = { 0 }, id_auth = { 0 };
	struct kvm_sev_snp_launch_finish p;
	int r;

	if (!sev_snp_guest(kvm))
		return -ENOTTY;
	if (!hpa_is_valid(to_kvm_sev(kvm)->snp_context))
		return -EINVAL;
	if (os_copy_from(&p, USER(cmd->data), sizeof(p)))
		return -EFAULT;
	if (p.flags)
		return -EINVAL;
	r = sev_launch_vcpus(kvm, cmd, update_vmsa);
	if (!r && p.id_block_en)
		r = sev_buffer_from_user(kvm->module, p.id_block_uaddr, KVM_SEV_SNP_ID_BLOCK_SIZE,
					 &id_block);
	if (!r && p.id_block_en)
		r = sev_buffer_from_user(kvm->module, p.id_auth_uaddr, KVM_SEV_SNP_ID_AUTH_SIZE,
					 &id_auth);
	if (!r)
		r = finish_with(kvm, cmd, &p, &id_block, &id_auth);
	sev_buffer_free(kvm->module, &id_auth);
	sev_buffer_free(kvm->module, &id_block);
	return r;
}
