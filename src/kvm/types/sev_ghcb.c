/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_ghcb.c - VMGEXIT: what a SEV-ES guest asks of KVM.  GHCB specification 4.
 *
 * A request lasts from the exit to the next entry: registers go back only then,
 * SW_EXITINFO1 and 2 at once.  The page is mapped as long, short-term maps
 * for each use.
 */
#include "kvm/types/sev_ghcb.h"

#include <errno.h>
#include <string.h>

#include "kvm/core/request.h"
#include "kvm/host/map.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/exits.h"

#define MSR_INFO	0xfffull	/* zero: the rest is the page's address */

static void mark(struct sev_ghcb *g, enum ghcb_offset field)
{
	g->valid[field / 8 / 64] |= BIT(field / 8 % 64);
}

/* The page again, where maps do not outlive a use. */
static int map_again(struct kvm_vcpu *vcpu)
{
	struct sev_ghcb *g = &to_sev_vcpu(vcpu)->ghcb;

	if (likely(!vcpu->kvm->module->host_map_short_term))
		return 0;
	return kvm_vcpu_map(vcpu, gpa_to_gfn(g->gpa), &g->map);
}

static void used(struct kvm_vcpu *vcpu, bool dirty)
{
	if (unlikely(vcpu->kvm->module->host_map_short_term))
		kvm_vcpu_unmap(vcpu, &to_sev_vcpu(vcpu)->ghcb.map, dirty);
}

/* A page that has gone meanwhile, short-term also one that is private now, takes the answer with it. */
void ghcb_put(struct kvm_vcpu *vcpu, unsigned at, const void *data, size_t len)
{
	int r = map_again(vcpu);

	if (!r)
		r = kvm_map_write(vcpu, &to_sev_vcpu(vcpu)->ghcb.map, at, data, len);
	used(vcpu, !r);
}

static void put_valid(struct kvm_vcpu *vcpu)
{
	ghcb_put(vcpu, GHCB_VALID, to_sev_vcpu(vcpu)->ghcb.valid, sizeof(uint64_t) * 2);
}

void ghcb_answer(struct kvm_vcpu *vcpu, uint64_t info1, uint64_t info2)
{
	struct sev_ghcb *g = &to_sev_vcpu(vcpu)->ghcb;
	const uint64_t info[2] = { info1, info2 };

	static_assert(GHCB_EXITINFO2 == GHCB_EXITINFO1 + 8, "side by side");
	mark(g, GHCB_EXITINFO1);
	mark(g, GHCB_EXITINFO2);
	g->info[0] = info1;
	g->info[1] = info2;
	ghcb_put(vcpu, GHCB_EXITINFO1, info, sizeof(info));
	put_valid(vcpu);
}

int ghcb_refuse(struct kvm_vcpu *vcpu, enum ghcb_error why)
{
	ghcb_answer(vcpu, 2, why);
	return 1;
}

/* The one read.  False: there is no such page. */
static bool map(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct sev_ghcb *g = &to_sev_vcpu(vcpu)->ghcb;

	SYNC_POINT(ghcb_before_copy);
	if (kvm_vcpu_map(vcpu, gpa_to_gfn(gpa), &g->map))
		return false;
	if (kvm_map_read(&g->map, 0, g->copy.bytes, PAGE_SIZE)) {
		kvm_vcpu_unmap(vcpu, &g->map, false);
		return false;
	}
	used(vcpu, false);
	SYNC_POINT(ghcb_copied);
	g->is_mapped = true;
	g->gpa = gpa;
	g->valid[0] = g->valid[1] = 0;
	g->info[0] = ghcb_get(&g->copy, GHCB_EXITINFO1);
	g->info[1] = ghcb_get(&g->copy, GHCB_EXITINFO2);
	return true;
}

static uint64_t if_valid(const struct ghcb_copy *c, enum ghcb_offset field)
{
	return ghcb_has(c, field) ? ghcb_get(c, field) : 0;
}

/* What handlers of exits look at: registers that are not given are zero. */
static void take_registers(struct vcpu *v, const struct ghcb_copy *c)
{
	struct x86_state *s = &v->state;

	memset(s->gpr, 0, sizeof(s->gpr));
	s->rip = 0;
	s->gpr[X86_RAX] = if_valid(c, GHCB_RAX);
	s->gpr[X86_RBX] = if_valid(c, GHCB_RBX);
	s->gpr[X86_RCX] = if_valid(c, GHCB_RCX);
	s->gpr[X86_RDX] = if_valid(c, GHCB_RDX);
	s->gpr[X86_RSI] = if_valid(c, GHCB_RSI);
	s->cpl = (uint8_t)if_valid(c, GHCB_CPL);
	if (ghcb_has(c, GHCB_XCR0))
		s->xcr0 = ghcb_get(c, GHCB_XCR0);
	v->svm_exit.exitcode = ghcb_get(c, GHCB_EXITCODE);
	v->svm_exit.exitinfo1 = ghcb_get(c, GHCB_EXITINFO1);
	v->svm_exit.exitinfo2 = ghcb_get(c, GHCB_EXITINFO2);
}

/* Waits for SIPI, or for the VMM to say that it has come. */
static int hold(struct vcpu *v, enum ap_reset_hold how)
{
	to_sev_vcpu(&v->base)->ghcb.hold = how;
	return exit_ap_reset_hold(v);
}

static int nmi_complete(struct vcpu *v)
{
	KVM_VCPU_COUNT(&v->base, nmi_window_exits);
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	return 1;
}

/* One for the VM; its vCPUs may write and read it at the same time. */
static int jump_table(struct vcpu *v)
{
	struct kvm_sev *sev = to_kvm_sev(v->base.kvm);

	switch (v->svm_exit.exitinfo1) {
	case 0:
		atomic64_store(&sev->ap_jump_table, v->svm_exit.exitinfo2);
		return 1;
	case 1:
		ghcb_answer(&v->base, 0, atomic64_load(&sev->ap_jump_table));
		return 1;
	default:
		return ghcb_refuse(&v->base, GHCB_INVALID_INPUT);
	}
}

static int ioio(struct vcpu *v)
{
	uint64_t info = v->svm_exit.exitinfo1;

	if (!(info & (SVM_IOIO_SZ8 | SVM_IOIO_SZ16 | SVM_IOIO_SZ32)))
		return 1;
	return info & SVM_IOIO_STR ? ghcb_string_io(&v->base) : v->backend->handle_exit(v);
}

static int serve(struct vcpu *v)
{
	switch (v->svm_exit.exitcode) {
	case GHCB_MMIO_READ:
		return ghcb_mmio(&v->base, false);
	case GHCB_MMIO_WRITE:
		return ghcb_mmio(&v->base, true);
	case GHCB_NMI_COMPLETE:
		return nmi_complete(v);
	case GHCB_AP_HLT_LOOP:
		return hold(v, AP_HOLD_NAE);
	case GHCB_AP_JUMP_TABLE:
		return jump_table(v);
	case GHCB_PSC:
		return ghcb_psc(v);
	case GHCB_GUEST_REQUEST:
		return ghcb_guest_request(v);
	case GHCB_EXT_GUEST_REQUEST:
		return ghcb_ext_guest_request(v);
	case GHCB_AP_CREATION:
		return ghcb_ap_creation(v);
	case GHCB_HV_FEATURES:
		ghcb_answer(&v->base, 0, GHCB_FEATURES);
		return 1;
	case GHCB_TERM_REQUEST:
		return ghcb_terminate(v);
	case GHCB_UNSUPPORTED:
		return -EINVAL;
	case SVM_EXIT_IOIO:
		return ioio(v);
	default:
		return v->backend->handle_exit(v);
	}
}

/* Where the protocol has an answer for it (SW_EXITINFO2 1), KVM gives the vCPU up. */
static bool is_registered(const struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return !sev_snp_guest(vcpu->kvm) || to_sev_vcpu(vcpu)->ghcb.registered.v == gpa.v;
}

int sev_vmgexit(struct kvm_vcpu *vcpu)
{
	struct vcpu *v = to_vcpu(vcpu);
	const struct ghcb_copy *copy = &to_sev_vcpu(vcpu)->ghcb.copy;
	gpa_t gpa = GPA(v->svm.ghcb_gpa);
	enum ghcb_error why;

	if (gpa.v & MSR_INFO)
		return ghcb_msr_request(vcpu);
	/* Without a page there is no way to say so. */
	if (!gpa.v || !map(vcpu, gpa))
		return 1;
	VCPU_TRACE(v, kvm_vmgexit_enter, vcpu->id, ghcb_get(copy, GHCB_EXITCODE),
		   ghcb_get(copy, GHCB_EXITINFO1), ghcb_get(copy, GHCB_EXITINFO2));
	take_registers(v, copy);
	if (!is_registered(vcpu, gpa)) {
		put_valid(vcpu);
		return -EINVAL;
	}
	why = ghcb_check(copy, sev_snp_guest(vcpu->kvm));
	if (why)
		return ghcb_refuse(vcpu, why);
	SYNC_POINT(ghcb_checked);
	ghcb_answer(vcpu, 0, 0);
	return serve(v);
}

/* RAX to RDX, whether or not the event has to do with them. */
static void put_registers(struct kvm_vcpu *vcpu)
{
	const uint64_t *gpr = to_vcpu(vcpu)->state.gpr;
	const uint64_t three[3] = { gpr[X86_RCX], gpr[X86_RDX], gpr[X86_RBX] };
	struct sev_ghcb *g = &to_sev_vcpu(vcpu)->ghcb;

	static_assert(GHCB_RDX == GHCB_RCX + 8 && GHCB_RBX == GHCB_RCX + 16, "side by side");
	ghcb_put(vcpu, GHCB_RAX, &gpr[X86_RAX], sizeof(gpr[X86_RAX]));
	ghcb_put(vcpu, GHCB_RCX, three, sizeof(three));
	mark(g, GHCB_RAX);
	mark(g, GHCB_RCX);
	mark(g, GHCB_RDX);
	mark(g, GHCB_RBX);
	put_valid(vcpu);
}

void sev_es_before_entry(struct kvm_vcpu *vcpu)
{
	struct sev_vcpu *es = to_sev_vcpu(vcpu);
	struct sev_ghcb *g;

	if (!es)
		return;
	g = &es->ghcb;
	g->hold = AP_HOLD_NONE;
	if (likely(!g->is_mapped))
		return;
	ghcb_store_scratch(vcpu);
	VCPU_TRACE(to_vcpu(vcpu), kvm_vmgexit_exit, vcpu->id, ghcb_get(&g->copy, GHCB_EXITCODE),
		   g->info[0], g->info[1]);
	put_registers(vcpu);
	ghcb_drop_scratch(g);
	kvm_vcpu_unmap(vcpu, &g->map, true);
	g->is_mapped = false;
}

void sev_es_free_ghcb(struct kvm_vcpu *vcpu)
{
	struct sev_ghcb *g = &to_sev_vcpu(vcpu)->ghcb;

	ghcb_drop_scratch(g);
	kvm_vcpu_unmap(vcpu, &g->map, false);
}

void sev_es_refuse_msr(struct kvm_vcpu *vcpu)
{
	ghcb_answer(vcpu, 1, SVM_EVENT_VALID | SVM_EVENT_TYPE_EXCEPTION | X86_GP);
}

/* The first one finds the vCPU as the VMM set it up; the vector is not the guest's to choose. */
void sev_es_deliver_sipi(struct kvm_vcpu *vcpu)
{
	struct sev_vcpu *es = to_sev_vcpu(vcpu);
	struct sev_ghcb *g;

	if (!es)
		return;
	g = &es->ghcb;
	if (!g->had_sipi)
		g->had_sipi = true;
	else if (g->hold == AP_HOLD_NAE)
		ghcb_answer(vcpu, 0, 1);
	else if (g->hold == AP_HOLD_MSR)
		ghcb_msr_sipi(to_vcpu(vcpu));
}
