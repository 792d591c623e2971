/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/cpuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "softcvm/uapi/kvm_para.h"
#include "hw/insn/machine.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/xstate.h"

#define SIGNIFICANT	KVM_CPUID_FLAG_SIGNIFCANT_INDEX

#define KVM_LEAF_SIGNATURE	0x40000000u
#define KVM_LEAF_LIMIT		0x40010000u

#define XSAVE_COMPACTS		(BIT(1) | BIT(3))	/* XSAVEC, XSAVES */

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid_entry2 *e, unsigned nr,
					   uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < nr; i++) {
		if (e[i].function == leaf &&
		    (!(e[i].flags & SIGNIFICANT) || e[i].index == subleaf))
			return &e[i];
	}
	return NULL;
}

const struct kvm_cpuid_entry2 *vcpu_find_cpuid(const struct vcpu *v, uint32_t leaf,
					       uint32_t subleaf)
{
	return find(v->cpuid, v->nr_cpuid, leaf, subleaf);
}

static bool virtual_width_is_legal(const struct kvm_cpuid_entry2 *entries, unsigned nr)
{
	const struct kvm_cpuid_entry2 *e = find(entries, nr, 0x80000008, 0);
	unsigned width = e ? (e->eax >> 8) & 0xff : 0;

	return width == 0 || width == 48 || width == 57;
}

static uint8_t guest_maxphyaddr(const struct vcpu *v)
{
	const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, 0x80000000, 0);

	if (!e || e->eax < 0x80000008)
		return 36;
	e = vcpu_find_cpuid(v, 0x80000008, 0);
	return e ? e->eax & 0xff : 36;
}

uint64_t vcpu_reserved_gpa_bits(const struct vcpu *v)
{
	return v->maxphyaddr < 64 ? ~0ull << v->maxphyaddr : 0;
}

static uint32_t flag_leaf(uint32_t flag)
{
	return (flag & 0x80000000u) | (flag >> 16 & 0x7fff);
}

static bool flag_is_in(uint32_t flag, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	const uint32_t regs[] = { eax, ebx, ecx, edx };

	return regs[flag >> 8 & 3] >> (flag & 31) & 1;
}

bool kvm_host_has_feature(const struct kvm_module *module, uint32_t flag)
{
	struct cpuid_regs r = hw_cpuid(module->hw, flag_leaf(flag), flag >> 12 & 0xf);

	/* Past the last basic leaf Intel's answers the last one's words. */
	if (hw_cpuid(module->hw, flag & 0x80000000u, 0).eax < flag_leaf(flag))
		return false;
	return flag_is_in(flag, r.eax, r.ebx, r.ecx, r.edx);
}

static void set_bit(uint32_t *word, uint32_t flag, bool on)
{
	uint32_t bit = 1u << (flag & 31);

	*word = on ? *word | bit : *word & ~bit;
}

static void apply_to_features(const struct vcpu *v, struct kvm_cpuid_entry2 *e)
{
	if (kvm_host_has_feature(v->base.kvm->module, CPUID_XSAVE))
		set_bit(&e->ecx, CPUID_OSXSAVE, v->state.cr4 & X86_CR4_OSXSAVE);
	set_bit(&e->edx, CPUID_APIC, v->apic_base & LAPIC_BASE_ENABLE);
	if (v->base.kvm->disabled_quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)
		set_bit(&e->ecx, CPUID_MWAIT, vcpu_misc_enable_mwait(v));
}

/* KVM's own features may lie at another multiple of 100H: the signature before them tells. */
static const struct kvm_cpuid_entry2 *find_pv_features(const struct vcpu *v)
{
	for (uint32_t base = KVM_LEAF_SIGNATURE; base < KVM_LEAF_LIMIT; base += 0x100) {
		const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, base, 0);

		if (e && !memcmp(&e->ebx, "KVMK", 4) && !memcmp(&e->ecx, "VMKV", 4))
			return vcpu_find_cpuid(v, base | 1, 0);
	}
	return NULL;
}

static bool is_pv_features(const struct vcpu *v, uint32_t leaf)
{
	const struct kvm_cpuid_entry2 *e;

	if (leaf < KVM_LEAF_SIGNATURE || leaf >= KVM_LEAF_LIMIT)
		return false;
	e = find_pv_features(v);
	return e && e->function == leaf;
}

/* Bits and sizes that follow the guest's own registers. */
static void apply_dynamic(const struct vcpu *v, struct kvm_cpuid_entry2 *e)
{
	const struct kvm_module *module = v->base.kvm->module;

	switch (e->function) {
	case 1:
		apply_to_features(v, e);
		break;
	case 7:
		if (e->index == 0 && kvm_host_has_feature(module, CPUID_PKU))
			set_bit(&e->ecx, CPUID_OSPKE, v->state.cr4 & X86_CR4_PKE);
		break;
	case 0xd:
		if (e->index == 0)
			e->ebx = kvm_xstate_size(module, v->state.xcr0, false);
		else if (e->index == 1 && (e->eax & XSAVE_COMPACTS))
			e->ebx = kvm_xstate_size(module, v->state.xcr0, true);
		break;
	default:
		if ((v->base.kvm->caps.disabled_exits & KVM_X86_DISABLE_EXITS_HLT) &&
		    is_pv_features(v, e->function))
			e->eax &= ~(1u << KVM_FEATURE_PV_UNHALT);
		break;
	}
}

bool vcpu_has_feature(const struct vcpu *v, uint32_t flag)
{
	const struct kvm_cpuid_entry2 *found = vcpu_find_cpuid(v, flag_leaf(flag), flag >> 12 & 0xf);
	struct kvm_cpuid_entry2 e;

	if (!found)
		return false;
	e = *found;
	apply_dynamic(v, &e);
	return flag_is_in(flag, e.eax, e.ebx, e.ecx, e.edx);
}

void vcpu_get_cpuid(const struct vcpu *v, struct kvm_cpuid_entry2 *entries)
{
	for (unsigned i = 0; i < v->nr_cpuid; i++) {
		entries[i] = v->cpuid[i];
		apply_dynamic(v, &entries[i]);
	}
}

static bool is_same_entry(const struct kvm_cpuid_entry2 *a, const struct kvm_cpuid_entry2 *b)
{
	return a->function == b->function && a->index == b->index && a->flags == b->flags &&
	       a->eax == b->eax && a->ebx == b->ebx && a->ecx == b->ecx && a->edx == b->edx;
}

/* What KVM_GET_CPUID2 told may be given back: bits of the moment do not count. */
static bool is_same_cpuid(const struct vcpu *v, const struct kvm_cpuid_entry2 *entries,
			  unsigned nr)
{
	if (nr != v->nr_cpuid)
		return false;
	for (unsigned i = 0; i < nr; i++) {
		struct kvm_cpuid_entry2 a = v->cpuid[i], b = entries[i];

		apply_dynamic(v, &a);
		apply_dynamic(v, &b);
		if (!is_same_entry(&a, &b))
			return false;
	}
	return true;
}

bool vcpu_pv_has(const struct vcpu *v, unsigned feature)
{
	const struct kvm_cpuid_entry2 *e;

	if (!v->enforce_pv)
		return true;
	e = find_pv_features(v);
	return e && (e->eax >> feature & 1);
}

int vcpu_set_cpuid(struct vcpu *v, const struct kvm_cpuid_entry2 *entries, unsigned nr)
{
	size_t size = nr * sizeof(*entries);
	struct kvm_cpuid_entry2 *copy;

	/* After the first run the model may not change (6.12: only the same again). */
	if (v->has_run)
		return is_same_cpuid(v, entries, nr) ? 0 : -EINVAL;
	if (!virtual_width_is_legal(entries, nr))
		return -EINVAL;
	copy = malloc(size + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, entries, size);
	free(v->cpuid);
	v->cpuid = copy;
	v->nr_cpuid = nr;
	v->maxphyaddr = guest_maxphyaddr(v);
	v->backend->intercepts_changed(v);
	if (v->base.lapic)
		lapic_set_cpuid(v->base.lapic, vcpu_has_feature(v, CPUID_X2APIC),
				vcpu_has_feature(v, CPUID_TSC_DEADLINE));
	return 0;
}

/* Hygon's are AMD's. */
bool vcpu_is_intel_compatible(const struct vcpu *v)
{
	const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, 0, 0);

	return !e || (memcmp(&e->ebx, "Auth", 4) && memcmp(&e->ebx, "Hygo", 4));
}

/* SDM vol. 2A CPUID, leaf 0BH: undefined levels still tell ECX[7:0] and the x2APIC id. */
static struct kvm_cpuid_entry2 level_past_the_last(const struct vcpu *v, uint32_t leaf,
						   uint32_t subleaf)
{
	const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, leaf, 1);

	if (!e)
		return (struct kvm_cpuid_entry2){ 0 };
	return (struct kvm_cpuid_entry2){ .ecx = subleaf & 0xff, .edx = e->edx };
}

/* A leaf past the end of its block: the last basic leaf on Intel, else zeros. */
static const struct kvm_cpuid_entry2 *out_of_range(const struct vcpu *v, uint32_t leaf,
						   uint32_t subleaf)
{
	const struct kvm_cpuid_entry2 *basic = vcpu_find_cpuid(v, 0, 0);
	const struct kvm_cpuid_entry2 *block = basic;

	if (leaf >= 0x40000000 && leaf <= 0x4fffffff)
		block = vcpu_find_cpuid(v, leaf & 0xffffff00, 0);
	else if (leaf >= 0x80000000)
		block = vcpu_find_cpuid(v, leaf >= 0xc0000000 ? 0xc0000000 : 0x80000000, 0);
	if (!basic || !vcpu_is_intel_compatible(v) || (block && leaf <= block->eax))
		return NULL;
	return vcpu_find_cpuid(v, basic->eax, subleaf);
}

void vcpu_cpuid(const struct vcpu *v, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
	uint32_t leaf = *eax, subleaf = *ecx;
	const struct kvm_cpuid_entry2 *found = vcpu_find_cpuid(v, leaf, subleaf);
	struct kvm_cpuid_entry2 e = { 0 };

	if (!found)
		found = out_of_range(v, leaf, subleaf);
	if (found)
		e = *found;
	else if (leaf == 0xb || leaf == 0x1f)
		e = level_past_the_last(v, leaf, subleaf);
	apply_dynamic(v, &e);
	*eax = e.eax;
	*ebx = e.ebx;
	*ecx = e.ecx;
	*edx = e.edx;
}

/* The host's bits; the guest's CPUID narrows them as soon as there is one. */
uint64_t vcpu_cpuid_cr4_allowed(const struct vcpu *v)
{
	static const struct { uint64_t cr4; uint32_t feature; } gated[] = {
		{ X86_CR4_OSXSAVE, CPUID_XSAVE }, { X86_CR4_PCIDE, CPUID_PCID },
		{ X86_CR4_FSGSBASE, CPUID_FSGSBASE }, { X86_CR4_SMEP, CPUID_SMEP },
		{ X86_CR4_SMAP, CPUID_SMAP }, { X86_CR4_UMIP, CPUID_UMIP },
		{ X86_CR4_PKE, CPUID_PKU }, { X86_CR4_LA57, CPUID_LA57 },
	};
	uint64_t ok = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
		      X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |
		      X86_CR4_OSXMMEXCPT;

	for (size_t i = 0; i < ARRAY_SIZE(gated); i++) {
		if (kvm_host_has_feature(v->base.kvm->module, gated[i].feature) &&
		    (!v->cpuid || vcpu_has_feature(v, gated[i].feature)))
			ok |= gated[i].cr4;
	}
	return ok;
}

/* SYSCALL is there in any case: KVM emulates it. */
static uint64_t efer_of(uint32_t edx)
{
	uint64_t ok = X86_EFER_SCE;

	if (edx & BIT(20))
		ok |= X86_EFER_NX;
	if (edx & BIT(29))
		ok |= X86_EFER_LME | X86_EFER_LMA;
	if (edx & BIT(25))
		ok |= X86_EFER_FFXSR;
	return ok;
}

uint64_t kvm_efer_supported(const struct kvm_module *module)
{
	return efer_of(hw_cpuid(module->hw, 0x80000001, 0).edx);
}

uint64_t vcpu_cpuid_efer_allowed(const struct vcpu *v)
{
	const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, 0x80000001, 0);

	return efer_of(e ? e->edx : 0) & kvm_efer_supported(v->base.kvm->module);
}
