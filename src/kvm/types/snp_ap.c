/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_ap.c - a SNP guest starts and stops its own processors: it makes a VMSA
 * in its memory and asks KVM to run it.  GHCB specification 4.1.9.
 *
 *   requester                    target
 *   pending VMSA, waits     ->   before its next entry (CREATE, DESTROY), or at
 *   request and kick             INIT (CREATE_ON_INIT): takes the page
 *
 * KVM knows of the page only that guest_memfd has one there.  Whether it is a
 * VMSA is the processor's to say, at VMRUN.
 */
#include <errno.h>

#include "kvm/core/memslot.h"
#include "kvm/core/request.h"
#include "kvm/gmem/gmem.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/irq.h"
#include "kvm/vcpu/vcpu.h"

/* In RAX, SEV_FEATURES: how interrupts reach the guest is the same for the whole VM. */
#define FEATURE_RESTRICTED_INJECTION	BIT(3)
#define FEATURE_ALTERNATE_INJECTION	BIT(4)
#define FEATURES_OF_INJECTION	(FEATURE_RESTRICTED_INJECTION | FEATURE_ALTERNATE_INJECTION)

#define CPUID_ENCRYPTION	0x8000001f
#define C_BIT_POSITION		0x3fu

#define NO_VMSA		(~0ull)

void snp_ap_init(struct snp_ap *ap)
{
	mutex_init(&ap->lock, "SNP VMSA", RANK_SNP_VMSA);
}

void snp_ap_fini(struct snp_ap *ap)
{
	mutex_fini(&ap->lock);
}

/* HPA_INVALID: there is no such page. */
static hpa_t private_page(struct kvm *kvm, gpa_t gpa)
{
	const gfn_t gfn = GFN(gpa.v >> PAGE_SHIFT);
	struct kvm_memory_slot *slot = kvm_gfn_to_memslot(kvm, 0, gfn);
	uint8_t level;
	hpa_t page;

	if (!slot || kvm_gmem_get_pfn(kvm, slot, gfn, &page, &level))
		return HPA_INVALID;
	return page;
}

/* Runnable even without its page: KVM_RUN then fails, and does not sleep for ever. */
static void take_vmsa(struct vcpu *v, gpa_t gpa)
{
	bool begins = gpa.v != NO_VMSA;

	v->svm.vmsa_pa = begins ? private_page(v->base.kvm, gpa) : HPA_INVALID;
	if (v->base.lapic)
		atomic32_store(&v->base.lapic->pv_unhalted, 0);
	v->halted = false;
	v->mp_state = begins ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_HALTED;
}

void snp_after_init(struct kvm_vcpu *vcpu)
{
	struct snp_ap *ap;

	if (!sev_snp_guest(vcpu->kvm))
		return;
	ap = &to_sev_vcpu(vcpu)->ap;
	mutex_lock(&ap->lock);
	if (ap->waits) {
		gpa_t gpa = ap->pending;

		ap->waits = false;
		SYNC_POINT(snp_ap_taken);
		take_vmsa(to_vcpu(vcpu), gpa);
	}
	mutex_unlock(&ap->lock);
}

/* A whole page that the guest can address; its encryption bit does not count. */
static bool is_page(const struct vcpu *v, uint64_t gpa)
{
	const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, CPUID_ENCRYPTION, 0);
	uint64_t reserved = vcpu_reserved_gpa_bits(v);

	if (e)
		reserved &= ~BIT(e->ebx & C_BIT_POSITION);
	return !(gpa & (~PAGE_MASK | reserved));
}

/* One that is 2M aligned the processor takes for a huge page (spec snp.md 10.1). */
static bool may_be_vmsa(const struct vcpu *v, uint64_t gpa)
{
	return is_page(v, gpa) && !IS_ALIGNED(gpa, PG_LEVEL_SIZE(PG_LEVEL_2M));
}

static bool is_legal(const struct vcpu *v, uint32_t request)
{
	const uint64_t features = v->state.gpr[X86_RAX] ^ to_kvm_sev(v->base.kvm)->vmsa_features;

	switch (request) {
	case GHCB_AP_CREATE_ON_INIT:
	case GHCB_AP_CREATE:
		return !(features & FEATURES_OF_INJECTION) &&
		       may_be_vmsa(v, v->svm_exit.exitinfo2);
	case GHCB_AP_DESTROY:
		return true;
	default:
		return false;
	}
}

/* Of two requests the later one counts. */
static void post(struct kvm_vcpu *target, uint32_t request, uint64_t vmsa)
{
	struct snp_ap *ap = &to_sev_vcpu(target)->ap;

	mutex_lock(&ap->lock);
	ap->pending = GPA(request == GHCB_AP_DESTROY ? NO_VMSA : vmsa);
	ap->waits = true;
	SYNC_POINT(snp_ap_posted);
	if (request != GHCB_AP_CREATE_ON_INIT) {
		kvm_make_request(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, target);
		kvm_vcpu_kick(target);
	}
	mutex_unlock(&ap->lock);
}

int ghcb_ap_creation(struct vcpu *v)
{
	const uint32_t request = (uint32_t)v->svm_exit.exitinfo1;
	const uint32_t apic_id = (uint32_t)(v->svm_exit.exitinfo1 >> 32);
	struct kvm_vcpu *target = kvm_get_vcpu_by_id(v->base.kvm, apic_id);

	if (!target || !is_legal(v, request))
		return ghcb_refuse(&v->base, GHCB_INVALID_INPUT);
	post(target, request, v->svm_exit.exitinfo2);
	return 1;
}
