/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sregs.c - segments, control registers, EFER: by ioctl and by the guest.
 */
#include <errno.h>
#include <string.h>

#include "kvm/core/request.h"
#include "kvm/host/access.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/msr.h"
#include "kvm/vcpu/protected.h"
#include "kvm/vcpu/vcpu.h"

#define CR0_RESERVED							\
	(~(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | \
	   X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG))
#define CR0_PAGING	(X86_CR0_PE | X86_CR0_WP | X86_CR0_PG)
#define CR4_PAGING	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_LA57 |	\
			 X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PCIDE | X86_CR4_PKE)
#define CR0_LOADS_PDPTES (X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)
#define CR4_LOADS_PDPTES (X86_CR4_PGE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_SMEP)
#define PDPTE_P		BIT(0)
#define PDPTE_RESERVED	(BITS(8, 5) | BITS(2, 1))
#define TYPE_ACCESSED	1u
#define TYPE_BUSY	2u	/* of a TSS */
#define CR3_PCID	0xfffull
#define CR3_NO_FLUSH	BIT(63)

static bool is_amd(const struct vcpu *v)
{
	return hw_config(v->base.kvm->module->hw)->vendor == HW_VENDOR_AMD;
}

/* What AMD's control area does not keep is made up so that Intel's would take it. */
static void dress_amd_segment(const struct vcpu *v, enum x86_seg seg, struct kvm_segment *k)
{
	k->g = k->limit > 0xfffff;
	switch (seg) {
	case X86_TR:
		k->type |= TYPE_BUSY;
		break;
	case X86_DS: case X86_ES: case X86_FS: case X86_GS:
		if (!k->unusable)
			k->type |= TYPE_ACCESSED;
		break;
	case X86_SS:
		if (k->unusable)
			k->db = 0;
		k->dpl = v->state.cpl;
		break;
	default:
		break;
	}
}

static void segment_get(const struct vcpu *v, enum x86_seg seg, struct kvm_segment *k)
{
	const struct x86_segment *s = &v->state.seg[seg];

	memset(k, 0, sizeof(*k));
	k->base = s->base;
	k->limit = s->limit;
	k->selector = s->selector;
	k->type = FIELD_GET(X86_AR_TYPE, s->ar);
	k->s = !!(s->ar & X86_AR_S);
	k->dpl = FIELD_GET(X86_AR_DPL, s->ar);
	k->avl = !!(s->ar & X86_AR_AVL);
	k->l = !!(s->ar & X86_AR_L);
	k->db = !!(s->ar & X86_AR_DB);
	k->g = !!(s->ar & X86_AR_G);
	k->unusable = !!(s->ar & X86_AR_UNUSABLE);
	k->present = (s->ar & X86_AR_P) && !k->unusable;
	if (is_amd(v))
		dress_amd_segment(v, seg, k);
}

/* Intel's VM entry wants the accessed bit: old VMMs forget it. */
static void segment_set(struct vcpu *v, enum x86_seg seg, const struct kvm_segment *k)
{
	struct x86_segment *s = &v->state.seg[seg];
	unsigned type = k->type | (is_amd(v) || seg == X86_LDTR ? 0 : TYPE_ACCESSED);

	s->base = k->base;
	s->limit = k->limit;
	s->selector = k->selector;
	s->ar = FIELD_PUT(X86_AR_TYPE, type) | FIELD_PUT(X86_AR_DPL, k->dpl) |
		(k->s ? X86_AR_S : 0) | (k->present ? X86_AR_P : 0) |
		(k->avl ? X86_AR_AVL : 0) | (k->l ? X86_AR_L : 0) |
		(k->db ? X86_AR_DB : 0) | (k->g ? X86_AR_G : 0);
	if (k->unusable || !k->present)
		s->ar |= X86_AR_UNUSABLE;
}

/* kvm_sregs and kvm_sregs2 are alike up to the APIC base. */
#define COMMON_SREGS	offsetof(struct kvm_sregs, interrupt_bitmap)
static_assert(COMMON_SREGS == offsetof(struct kvm_sregs2, flags), "one common part");

static void get_segments(const struct vcpu *v, struct kvm_sregs *s)
{
	const struct x86_state *st = &v->state;

	segment_get(v, X86_CS, &s->cs);
	segment_get(v, X86_DS, &s->ds);
	segment_get(v, X86_ES, &s->es);
	segment_get(v, X86_FS, &s->fs);
	segment_get(v, X86_GS, &s->gs);
	segment_get(v, X86_SS, &s->ss);
	segment_get(v, X86_TR, &s->tr);
	segment_get(v, X86_LDTR, &s->ldt);
	s->gdt.base = st->gdtr.base;
	s->gdt.limit = st->gdtr.limit;
	s->idt.base = st->idtr.base;
	s->idt.limit = st->idtr.limit;
	s->cr2 = st->cr2;
	s->cr3 = st->cr3;
}

/* Of an encrypted guest there is what write traps tell. */
static void get_common(struct vcpu *v, struct kvm_sregs *s)
{
	const struct x86_state *st = &v->state;

	memset(s, 0, sizeof(*s));
	if (!vcpu_has_old_state(v)) {
		vcpu_settle_payload(v);
		get_segments(v, s);
	}
	s->cr0 = st->cr0;
	s->cr4 = st->cr4;
	s->cr8 = st->cr8;
	s->efer = st->efer;
	s->apic_base = v->apic_base;
}

void vcpu_get_sregs(struct vcpu *v, struct kvm_sregs *s)
{
	const struct vcpu_interrupt *i = &v->events.interrupt;

	get_common(v, s);
	if (i->injected && !i->soft && !vcpu_has_old_state(v))
		s->interrupt_bitmap[i->vector / 64] |= BIT(i->vector % 64);
}

static bool has_pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & X86_EFER_LMA);
}

/* Those that the VMM gave; else what memory has. */
static void get_pdptrs(struct vcpu *v, struct kvm_sregs2 *s)
{
	struct srcu *srcu = &v->base.kvm->srcu;
	uint64_t table = v->state.cr3 & 0xffffffe0;
	int idx;

	if (v->state.has_pdpte) {
		memcpy(s->pdptrs, v->state.pdpte, sizeof(v->state.pdpte));
		return;
	}
	idx = srcu_read_lock(srcu);
	if (kvm_read_guest(v->base.kvm, GPA(table), s->pdptrs, sizeof(s->pdptrs)))
		memset(s->pdptrs, 0, sizeof(s->pdptrs));
	srcu_read_unlock(srcu, idx);
}

/* What a write that loads them checks: readable, and nothing reserved in those present. */
static bool pdptes_are_valid(struct vcpu *v, uint64_t cr3)
{
	uint64_t reserved = vcpu_reserved_gpa_bits(v) | PDPTE_RESERVED, pdpte[4];

	if (kvm_read_guest(v->base.kvm, GPA(cr3 & 0xffffffe0), pdpte, sizeof(pdpte)))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(pdpte); i++) {
		if ((pdpte[i] & PDPTE_P) && (pdpte[i] & reserved))
			return false;
	}
	return true;
}

void vcpu_get_sregs2(struct vcpu *v, struct kvm_sregs2 *s)
{
	struct kvm_sregs common;

	get_common(v, &common);
	memset(s, 0, sizeof(*s));
	memcpy(s, &common, COMMON_SREGS);
	if (!vcpu_has_old_state(v) && has_pae_paging(s->cr0, s->cr4, s->efer)) {
		get_pdptrs(v, s);
		s->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	}
}

static bool is_valid_cr0(uint64_t cr0)
{
	if (cr0 >> 32)
		return false;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE);
}

static bool is_valid_cr4(const struct vcpu *v, uint64_t cr4)
{
	return !(cr4 & ~vcpu_cpuid_cr4_allowed(v));
}

static bool is_valid_cr3(const struct vcpu *v, uint64_t cr3)
{
	return !(cr3 & vcpu_reserved_gpa_bits(v));
}

/* kvm_is_valid_sregs(): the modes that EFER, CR0, CR4 and CS agree on. */
static bool sregs_are_valid(const struct vcpu *v, const struct kvm_sregs *s)
{
	if ((s->efer & X86_EFER_LME) && (s->cr0 & X86_CR0_PG)) {
		if (!(s->cr4 & X86_CR4_PAE) || !(s->efer & X86_EFER_LMA))
			return false;
		if (!is_valid_cr3(v, s->cr3))
			return false;
	} else if ((s->efer & X86_EFER_LMA) || s->cs.l) {
		return false;
	}
	return is_valid_cr4(v, s->cr4) && is_valid_cr0(s->cr0) &&
	       !(s->efer & ~vcpu_cpuid_efer_allowed(v));
}

static int pending_interrupt(const struct kvm_sregs *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(s->interrupt_bitmap); i++) {
		if (s->interrupt_bitmap[i])
			return i * 64 + __builtin_ctzll(s->interrupt_bitmap[i]);
	}
	return -1;
}

static void load_segments(struct vcpu *v, const struct kvm_sregs *s)
{
	struct x86_state *st = &v->state;

	segment_set(v, X86_CS, &s->cs);
	segment_set(v, X86_DS, &s->ds);
	segment_set(v, X86_ES, &s->es);
	segment_set(v, X86_FS, &s->fs);
	segment_set(v, X86_GS, &s->gs);
	segment_set(v, X86_SS, &s->ss);
	segment_set(v, X86_TR, &s->tr);
	segment_set(v, X86_LDTR, &s->ldt);
	st->gdtr = (struct x86_table){ .limit = s->gdt.limit, .base = s->gdt.base };
	st->idtr = (struct x86_table){ .limit = s->idt.limit, .base = s->idt.base };
	st->cpl = FIELD_GET(X86_AR_DPL, st->seg[X86_SS].ar);
}

/* A VMM that resets the boot processor by hand may forget to wake it. */
static void wake_after_reset(struct vcpu *v)
{
	const struct x86_state *st = &v->state;
	const struct x86_segment *cs = &st->seg[X86_CS];

	if (v->base.id == v->base.kvm->caps.bsp_vcpu_id && st->rip == 0xfff0 &&
	    cs->selector == 0xf000 && cs->base == 0xffff0000 && !(st->cr0 & X86_CR0_PE))
		v->mp_state = KVM_MP_STATE_RUNNABLE;
}

static int set_common(struct vcpu *v, const struct kvm_sregs *s)
{
	struct x86_state *st = &v->state;

	/* The APIC base is the last that can be refused, and changes nothing then. */
	if (!sregs_are_valid(v, s))
		return -EINVAL;
	if (vcpu_set_msr(v, 0x1b /* IA32_APIC_BASE */, true, s->apic_base))
		return -EINVAL;
	if (vcpu_has_old_state(v))
		return 0;
	load_segments(v, s);
	st->cr0 = s->cr0 | X86_CR0_ET;
	st->cr2 = s->cr2;
	st->cr3 = s->cr3;
	st->cr4 = s->cr4;
	st->efer = s->efer;
	st->has_pdpte = false;
	(void)vcpu_set_cr8(v, s->cr8);		/* a bad one is not taken, and not refused */
	wake_after_reset(v);
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	return 0;
}

int vcpu_set_sregs(struct vcpu *v, const struct kvm_sregs *s)
{
	int vector = pending_interrupt(s);
	int r = set_common(v, s);

	if (!r && vector >= 0)
		v->events.interrupt = (struct vcpu_interrupt){
			.injected = true, .vector = (uint8_t)vector,
		};
	return r;
}

int vcpu_set_sregs2(struct vcpu *v, const struct kvm_sregs2 *s)
{
	bool with_pdptrs = s->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	struct kvm_sregs common = { .apic_base = 0 };
	int r;

	if (s->flags & ~(uint64_t)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if (with_pdptrs && (!has_pae_paging(s->cr0, s->cr4, s->efer) || vcpu_has_old_state(v)))
		return -EINVAL;
	memcpy(&common, s, COMMON_SREGS);
	r = set_common(v, &common);
	if (r || !with_pdptrs)
		return r;
	memcpy(v->state.pdpte, s->pdptrs, sizeof(v->state.pdpte));
	v->state.has_pdpte = true;
	return 0;
}

/* LMA follows LME and PG; MOV CR0 is where long mode begins and ends. */
static int update_long_mode(struct vcpu *v, uint64_t cr0)
{
	struct x86_state *st = &v->state;
	bool on = cr0 & X86_CR0_PG, was = st->cr0 & X86_CR0_PG;

	if (on == was)
		return 0;
	if (!on) {
		if (x86_in_64bit_mode(st) || (st->cr4 & X86_CR4_PCIDE))
			return 1;
		st->efer &= ~X86_EFER_LMA;
	} else if (st->efer & X86_EFER_LME) {
		if (!(st->cr4 & X86_CR4_PAE) || (st->seg[X86_CS].ar & X86_AR_L))
			return 1;
		st->efer |= X86_EFER_LMA;
	}
	return 0;
}

int vcpu_set_cr0(struct vcpu *v, uint64_t value)
{
	uint64_t old = v->state.cr0;

	if (value >> 32)
		return 1;
	value = (value | X86_CR0_ET) & ~(CR0_RESERVED & 0xffffffff);
	if (!is_valid_cr0(value))
		return 1;
	if (((old ^ value) & CR0_LOADS_PDPTES) && !(v->state.efer & X86_EFER_LME) &&
	    has_pae_paging(value, v->state.cr4, 0) && !pdptes_are_valid(v, v->state.cr3))
		return 1;
	if (update_long_mode(v, value))
		return 1;
	if ((old ^ value) & CR0_LOADS_PDPTES)
		v->state.has_pdpte = false;
	v->state.cr0 = value;
	if ((old ^ value) & CR0_PAGING)
		kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	return 0;
}

int vcpu_set_cr3(struct vcpu *v, uint64_t value)
{
	if (v->state.cr4 & X86_CR4_PCIDE)
		value &= ~CR3_NO_FLUSH;
	if (!is_valid_cr3(v, value))
		return 1;
	if (has_pae_paging(v->state.cr0, v->state.cr4, v->state.efer) && !pdptes_are_valid(v, value))
		return 1;
	v->state.has_pdpte = false;
	v->state.cr3 = value;
	kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	return 0;
}

int vcpu_set_cr4(struct vcpu *v, uint64_t value)
{
	struct x86_state *st = &v->state;
	uint64_t changed = st->cr4 ^ value;

	if (!is_valid_cr4(v, value))
		return 1;
	if (x86_in_long_mode(st)) {
		if (!(value & X86_CR4_PAE) || (changed & X86_CR4_LA57))
			return 1;
	}
	if ((changed & value & X86_CR4_PCIDE) &&
	    (!x86_in_long_mode(st) || (st->cr3 & CR3_PCID)))
		return 1;
	if ((changed & CR4_LOADS_PDPTES) && has_pae_paging(st->cr0, value, st->efer) &&
	    !pdptes_are_valid(v, st->cr3))
		return 1;
	if (changed & CR4_LOADS_PDPTES)
		st->has_pdpte = false;
	st->cr4 = value;
	if (changed & CR4_PAGING)
		kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	return 0;
}

int vcpu_set_cr8(struct vcpu *v, uint64_t value)
{
	if (value & ~0xfull)
		return 1;
	v->state.cr8 = value;
	if (v->base.lapic)
		lapic_set_tpr(v->base.lapic, (uint8_t)(value << 4));
	return 0;
}

/* The processor has done it; LMA is not in what it tells of CR0 or EFER. */
static void follow_cr0(struct vcpu *v, uint64_t value)
{
	struct x86_state *st = &v->state;

	if (!(value & X86_CR0_PG))
		st->efer &= ~X86_EFER_LMA;
	else if (st->efer & X86_EFER_LME)
		st->efer |= X86_EFER_LMA;
	st->cr0 = value;
}

int exit_cr_written(struct vcpu *v, unsigned nr, uint64_t value)
{
	VCPU_TRACE(v, kvm_cr, 1, nr, value);
	switch (nr) {
	case 0:
		follow_cr0(v, value);
		break;
	case 4:
		v->state.cr4 = value;
		break;
	case 8:
		return vcpu_complete_insn_gp(v, vcpu_set_cr8(v, value));
	default:
		return exit_undefined(v);
	}
	vcpu_skip_instruction(v);
	return 1;
}

/* SVME is not the guest's to write, whatever it thinks. */
int exit_efer_written(struct vcpu *v, uint64_t value)
{
	return vcpu_complete_insn_gp(v, !vcpu_write_efer(v, value & ~X86_EFER_SVME));
}
