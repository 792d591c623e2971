/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_init.c - a VM becomes a SEV guest, and stops being one: KVM_SEV_INIT,
 * ES_INIT, INIT2, and the VM types.
 */
#include <errno.h>
#include <stdlib.h>

#include "kvm/types/sev_vcpu.h"
#include "kvm/types/snp.h"
#include "kvm/types/types.h"
#include "os/uaccess.h"

static bool init_is_legal(const struct kvm *kvm, const struct kvm_sev_init *init, bool es)
{
	uint64_t features = es ? sev_module(kvm)->vmsa_features : 0;

	if (atomic32_load(&kvm->created_vcpus) || init->flags || (init->vmsa_features & ~features))
		return false;
	if (init->ghcb_version > GHCB_VERSION_MAX || (!es && init->ghcb_version))
		return false;
	return !to_kvm_sev(kvm)->active;
}

static void forget(struct kvm_sev *sev)
{
	sev->asid = 0;
	sev->vmsa_features = 0;
	sev->es_active = false;
	sev->active = false;
}

static int guest_init(struct kvm *kvm, struct kvm_sev_cmd *cmd, const struct kvm_sev_init *init,
		      bool es)
{
	struct kvm_sev *sev = to_kvm_sev(kvm);
	uint32_t error = 0;
	int r;

	if (!init_is_legal(kvm, init, es))
		return -EINVAL;
	sev->active = true;
	sev->es_active = es;
	sev->vmsa_features = init->vmsa_features;
	sev->ghcb_version = es && !init->ghcb_version ? GHCB_VERSION_MAX : init->ghcb_version;
	if (kvm->vm_type == KVM_X86_SNP_VM)
		sev->vmsa_features |= SEV_FEATURE_SNP_ACTIVE;
	r = sev_asid_new(kvm, es, &sev->asid);
	if (r) {
		forget(sev);
		return r;
	}
	r = sev_platform_init(kvm->module, &error);
	if (!r && sev_snp_guest(kvm))
		r = snp_guest_init(kvm);
	if (r) {
		cmd->error = error;
		sev_asid_free(kvm, sev->asid);
		forget(sev);
		return r;
	}
	sev->need_init = false;
	return 0;
}

int sev_guest_init(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	bool es = cmd->id == KVM_SEV_ES_INIT;
	struct kvm_sev_init init = { .ghcb_version = es ? GHCB_VERSION_MIN : 0 };

	if (kvm->vm_type != KVM_X86_DEFAULT_VM)
		return -EINVAL;
	return guest_init(kvm, cmd, &init, es);
}

int sev_guest_init2(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct kvm_sev_init init;

	if (!to_kvm_sev(kvm)->need_init)
		return -EINVAL;
	if (os_copy_from(&init, (void *)(uintptr_t)cmd->data, sizeof(init)))
		return -EFAULT;
	return guest_init(kvm, cmd, &init, kvm->vm_type != KVM_X86_SEV_VM);
}

static int vm_init(struct kvm *kvm)
{
	struct kvm_sev *sev = calloc(1, sizeof(*sev));

	if (!sev)
		return -ENOMEM;
	list_init(&sev->regions);
	list_init(&sev->mirrors);
	list_init(&sev->mirror_link);
	sev->kvm = kvm;
	sev->snp_context = HPA_INVALID;
	sev->guest_request = HPA_INVALID;
	sev->guest_response = HPA_INVALID;
	mutex_init(&sev->guest_request_lock, "SNP guest request", RANK_SEV_GUEST_REQUEST);
	sev->need_init = kvm->vm_type != KVM_X86_DEFAULT_VM &&
			 kvm->vm_type != KVM_X86_SW_PROTECTED_VM;
	kvm->type_state = sev;
	return 0;
}

/* The owner lives at least as long as its mirrors: the reference goes last. */
static void leave_owner(struct kvm_sev *sev)
{
	struct sev_module *m = sev_module(sev->kvm);
	struct kvm *owner;

	mutex_lock(&m->mirror_lock);
	owner = sev->owner;
	list_del(&sev->mirror_link);
	sev->owner = NULL;
	mutex_unlock(&m->mirror_lock);
	kvm_put(owner);
}

static void vm_destroy(struct kvm *kvm)
{
	struct kvm_sev *sev = to_kvm_sev(kvm);

	if (!sev->active)
		return;
	if (sev->owner) {
		leave_owner(sev);
		return;
	}
	sev_free_regions(sev);
	if (!sev_snp_guest(kvm))
		sev_unbind_asid(kvm, sev->handle);
	else if (snp_guest_destroy(kvm))
		return;		/* whose ASID the firmware still has */
	sev_asid_free(kvm, sev->asid);
}

static void vm_free(struct kvm *kvm)
{
	mutex_fini(&to_kvm_sev(kvm)->guest_request_lock);
	free(kvm->type_state);
	kvm->type_state = NULL;
}

#define SEV_OPS								\
	.vm_init = vm_init,						\
	.vm_destroy = vm_destroy,					\
	.vm_free = vm_free,						\
	.vcpu_create = sev_vcpu_create,					\
	.vcpu_free = sev_vcpu_free,					\
	.mem_enc_ioctl = sev_mem_enc_ioctl,				\
	.mem_enc_register_region = sev_register_region,			\
	.mem_enc_unregister_region = sev_unregister_region,		\
	.vmgexit = sev_vmgexit,						\
	.before_entry = sev_es_before_entry,				\
	.deliver_sipi = sev_es_deliver_sipi,				\
	.after_init = snp_after_init,					\
	.refuse_msr = sev_es_refuse_msr,				\
	.move_enc_context_from = sev_move_enc_context_from,		\
	.copy_enc_context_from = sev_copy_enc_context_from,		\
	.gmem_invalidate = snp_gmem_invalidate,				\
	.max_mapping_level = snp_max_mapping_level,			\
	.handle_rmp_fault = snp_handle_rmp_fault,			\
	.vcpu_mem_enc_ioctl = vm_type_no_vcpu_mem_enc_ioctl,		\
	.link_external_spt = vm_type_no_link_external_spt,		\
	.set_external_spte = vm_type_no_set_external_spte,		\
	.remove_external_spte = vm_type_no_remove_external_spte,	\
	.free_external_spt = vm_type_no_free_external_spt

const struct vm_type_ops vm_type_default_amd = {
	.name = "DEFAULT",
	.vm_type = KVM_X86_DEFAULT_VM,
	.pre_fault_at_once = true,
	.zap_all_on_slot_change = true,
	.gmem_prepare = vm_type_no_gmem_prepare,
	SEV_OPS,
};

/* No guest of SEV, but the commands know what they refuse. */
const struct vm_type_ops vm_type_sw_protected_amd = {
	.name = "SW_PROTECTED",
	.vm_type = KVM_X86_SW_PROTECTED_VM,
	.has_private_mem = true,
	.pre_fault_at_once = true,
	.zap_all_on_slot_change = false,
	.gmem_prepare = vm_type_no_gmem_prepare,
	SEV_OPS,
};

const struct vm_type_ops vm_type_sev = {
	.name = "SEV",
	.vm_type = KVM_X86_SEV_VM,
	.pre_fault_at_once = true,
	.zap_all_on_slot_change = false,
	.gmem_prepare = vm_type_no_gmem_prepare,
	SEV_OPS,
};

const struct vm_type_ops vm_type_sev_es = {
	.name = "SEV-ES",
	.vm_type = KVM_X86_SEV_ES_VM,
	.has_protected_state = true,
	.pre_fault_at_once = true,
	.zap_all_on_slot_change = false,
	.gmem_prepare = vm_type_no_gmem_prepare,
	SEV_OPS,
};

const struct vm_type_ops vm_type_snp = {
	.name = "SNP",
	.vm_type = KVM_X86_SNP_VM,
	.has_private_mem = true,
	.has_protected_state = true,
	.pre_fault_at_once = false,
	.zap_all_on_slot_change = false,
	.gmem_prepare = snp_gmem_prepare,
	SEV_OPS,
};
