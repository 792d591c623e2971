/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * a_guest.h - a SEV-ES guest's vCPU that stands at VMGEXIT, put together by
 * hand: memory from 0 on, its GHCB page in it; nothing runs.
 */
#pragma once
#include "../vcpu/a_vcpu.h"

#include "kvm/types/sev_vcpu.h"
#include "kvm/vcpu/backend.h"
#include "softcvm/uapi/kvm_para.h"

#define GUEST_PAGES	32u
#define GHCB_AT		0x4000ull

struct a_guest {
	struct a_vcpu	 a;
	struct vcpu	*v;
	struct kvm_sev	 sev;
	struct sev_vcpu	 es;
	struct kvm_memory_slot slot;
	uint8_t		*memory;
	uint8_t		 msrpm[SVM_MSRPM_SIZE];	/* all MSRs are KVM's */
};

static inline void a_guest_make(struct a_guest *g, unsigned version, bool apic)
{
	*g = (struct a_guest){ .sev = { .active = true, .es_active = true,
					.ghcb_version = version } };
	a_vcpu_make(&g->a, AMD, apic);
	g->v = g->a.v;
	g->a.kvm->type_state = &g->sev;
	g->sev.kvm = g->a.kvm;
	g->a.ops.vmgexit = sev_vmgexit;
	g->a.ops.before_entry = sev_es_before_entry;
	g->a.ops.deliver_sipi = sev_es_deliver_sipi;
	g->a.ops.refuse_msr = sev_es_refuse_msr;
	g->a.ops.after_init = snp_after_init;
	snp_ap_init(&g->es.ap);
	g->v->base.type_state = &g->es;
	g->v->base.guest_state_protected = true;
	g->v->svm.np_control = SVM_NP_ENABLE | SVM_NP_SEV | SVM_NP_SEV_ES;
	g->v->svm.ghcb_gpa = GHCB_AT;
	memset(g->msrpm, 0xff, sizeof(g->msrpm));
	g->v->svm.msrpm = g->msrpm;
	g->memory = a_vcpu_add_slot(&g->a, &g->slot, GUEST_PAGES * PAGE_SIZE);
	g->v->base.srcu_idx = srcu_read_lock(&g->a.kvm->srcu);
}

/* A SNP guest whose page is registered, and whose VMM wants to know of page state changes. */
static inline void a_guest_make_snp(struct a_guest *g, bool apic)
{
	a_guest_make(g, 2, apic);
	g->sev.vmsa_features = SEV_FEATURE_SNP_ACTIVE;
	g->es.ghcb.registered = GPA(GHCB_AT);
	g->a.kvm->caps.exit_hypercalls = BIT(KVM_HC_MAP_GPA_RANGE);
}

static inline void a_guest_free(struct a_guest *g)
{
	srcu_read_unlock(&g->a.kvm->srcu, g->v->base.srcu_idx);
	sev_es_free_ghcb(&g->v->base);
	snp_ap_fini(&g->es.ap);
	g->v->base.type_state = NULL;
	g->a.kvm->type_state = NULL;
	a_vcpu_forget_slot(&g->a, &g->slot);
	a_vcpu_free(&g->a);
	munmap(g->memory, GUEST_PAGES * PAGE_SIZE);
}

/* In the page: a value, and its bit. */
static inline void a_guest_put(struct a_guest *g, unsigned at, uint64_t value)
{
	uint8_t *page = g->memory + GHCB_AT;

	memcpy(page + at, &value, at == GHCB_CPL ? 1 : sizeof(value));
	page[GHCB_VALID + at / 64] |= (uint8_t)(1u << at / 8 % 8);
}

static inline uint64_t a_guest_get(const struct a_guest *g, unsigned at)
{
	uint64_t value;

	memcpy(&value, g->memory + GHCB_AT + at, sizeof(value));
	return value;
}

static inline bool a_guest_finds(const struct a_guest *g, unsigned at)
{
	return g->memory[GHCB_AT + GHCB_VALID + at / 64] >> at / 8 % 8 & 1;
}

/* A fresh page with this request; registers are the caller's. */
static inline void a_guest_asks(struct a_guest *g, uint64_t code, uint64_t info1, uint64_t info2)
{
	memset(g->memory + GHCB_AT, 0, PAGE_SIZE);
	a_guest_put(g, GHCB_EXITCODE, code);
	a_guest_put(g, GHCB_EXITINFO1, info1);
	a_guest_put(g, GHCB_EXITINFO2, info2);
}

static inline int a_guest_exits(struct a_guest *g)
{
	g->v->complete = NULL;
	return sev_vmgexit(&g->v->base);
}

static inline int a_guest_answered(struct a_guest *g)
{
	int (*complete)(struct vcpu *v) = g->v->complete;

	g->v->complete = NULL;
	return complete(g->v);
}

static inline void a_guest_enters(struct a_guest *g)
{
	sev_es_before_entry(&g->v->base);
}
