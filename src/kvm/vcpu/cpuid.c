/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/cpuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "softcvm/identity.h"
#include "softcvm/uapi/kvm_para.h"
#include "hw/insn/machine.h"

#define SIGNIFICANT	KVM_CPUID_FLAG_SIGNIFCANT_INDEX

#define KVM_LEAF_SIGNATURE	0x40000000u
#define KVM_LEAF_FEATURES	0x40000001u

/* Leaf 1 ECX, leaf 7 EBX/ECX, leaf 8000_0001: bits that this file names. */
#define L1_ECX_HYPERVISOR	BIT(31)
#define L1_ECX_OSXSAVE		BIT(27)
#define L1_ECX_MONITOR		BIT(3)
#define L1_ECX_VMX		BIT(5)
#define L1_ECX_X2APIC		BIT(21)
#define L1_EDX_APIC		BIT(9)
#define L1_EDX_HTT		BIT(28)
#define XL1_ECX_SVM		BIT(2)
#define L1_ECX_TSC_DEADLINE	BIT(24)

/* KVM_CPUID_FEATURES that we honour: clocksource2's stable bit comes later. */
#define PV_FEATURES	(BIT(KVM_FEATURE_NOP_IO_DELAY) | BIT(KVM_FEATURE_HC_MAP_GPA_RANGE))

struct filler {
	const struct kvm_module	*module;
	struct kvm_cpuid_entry2	*entries;
	unsigned		 nr, max;
};

static struct kvm_cpuid_entry2 *put(struct filler *f, uint32_t leaf, uint32_t sub, uint32_t flags)
{
	struct cpuid_regs r = hw_cpuid(f->module->hw, leaf, sub);
	struct kvm_cpuid_entry2 *e;

	if (f->nr >= f->max) {
		f->nr = f->max + 1;	/* remembered: too big */
		return NULL;
	}
	e = &f->entries[f->nr++];
	*e = (struct kvm_cpuid_entry2){ .function = leaf, .index = sub, .flags = flags,
					.eax = r.eax, .ebx = r.ebx, .ecx = r.ecx, .edx = r.edx };
	return e;
}

static void put_basic_1(struct filler *f)
{
	struct kvm_cpuid_entry2 *e = put(f, 1, 0, 0);

	if (!e)
		return;
	e->ebx &= 0x0000ffff;	/* APIC id and thread count: the VMM's */
	e->ecx |= L1_ECX_HYPERVISOR;
	e->ecx &= ~(uint32_t)(L1_ECX_OSXSAVE | L1_ECX_MONITOR | L1_ECX_TSC_DEADLINE | L1_ECX_VMX);
	e->ecx |= L1_ECX_X2APIC;	/* emulated, whatever the machine has */
	e->edx &= ~(uint32_t)L1_EDX_HTT;
}

/* There, and with nothing in it. */
static void put_empty(struct filler *f, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *e = put(f, leaf, 0, 0);

	if (e)
		e->eax = e->ebx = e->ecx = e->edx = 0;
}

/* Without the virtualization that only a nested hypervisor would use. */
static void put_extended_features(struct filler *f)
{
	struct kvm_cpuid_entry2 *e = put(f, 0x80000001, 0, 0);

	if (e)
		e->ecx &= ~(uint32_t)XL1_ECX_SVM;
}

/* Widths: physical as the bare machine has it, for reductions do not touch guests. */
static void put_address_sizes(struct filler *f)
{
	struct kvm_cpuid_entry2 *e = put(f, 0x80000008, 0, 0);

	if (!e)
		return;
	e->eax &= 0xffff;
	e->ecx = e->edx = 0;
}

static void put_topology(struct filler *f, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *e = put(f, leaf, 0, SIGNIFICANT);

	if (e)
		e->eax = e->ebx = e->ecx = 0;
}

static void put_subleaves(struct filler *f, uint32_t leaf)
{
	switch (leaf) {
	case 4: case 0x8000001d:	/* caches: until type is 0 */
		for (uint32_t i = 0; i < 32; i++) {
			struct kvm_cpuid_entry2 *e = put(f, leaf, i, SIGNIFICANT);

			if (!e || !(e->eax & 0x1f))
				return;
		}
		return;
	case 7: {
		struct kvm_cpuid_entry2 *e = put(f, leaf, 0, SIGNIFICANT);
		uint32_t last = e ? e->eax : 0;

		if (e) {		/* KVM's own, whatever the machine has */
			e->ebx |= (uint32_t)BIT(1);	/* TSC_ADJUST */
			e->edx |= (uint32_t)BIT(29);	/* ARCH_CAPABILITIES */
		}
		for (uint32_t i = 1; i <= last; i++)
			put(f, leaf, i, SIGNIFICANT);
		return;
	}
	case 0xd:
		for (uint32_t i = 0; i < 64; i++) {
			struct cpuid_regs r = hw_cpuid(f->module->hw, leaf, i);

			if (i < 2 || r.eax)
				put(f, leaf, i, SIGNIFICANT);
		}
		return;
	case 0xb: case 0x1f:	/* topology: made by the VMM */
		put_topology(f, leaf);
		return;
	case 0x80000001:
		put_extended_features(f);
		return;
	case 0x80000008:
		put_address_sizes(f);
		return;
	case 0: case 2: case 6: case 0x80000000: case 0x80000002: case 0x80000003:
	case 0x80000004: case 0x80000005: case 0x80000006: case 0x80000007: case 0x80000021:
		put(f, leaf, 0, 0);
		return;
	default:
		put_empty(f, leaf);
	}
}

static void put_block(struct filler *f, uint32_t first)
{
	uint32_t last = hw_cpuid(f->module->hw, first, 0).eax;

	if (last < first || last - first > 0xffff)
		last = first;
	for (uint32_t leaf = first; leaf <= last; leaf++) {
		if (leaf == 1)
			put_basic_1(f);
		else
			put_subleaves(f, leaf);
	}
}

static void put_kvm_leaves(struct filler *f)
{
	struct kvm_cpuid_entry2 *e = put(f, KVM_LEAF_SIGNATURE, 0, 0);

	if (e) {
		e->eax = KVM_LEAF_FEATURES;
		memcpy(&e->ebx, "KVMK", 4);
		memcpy(&e->ecx, "VMKV", 4);
		memcpy(&e->edx, "M\0\0\0", 4);
	}
	e = put(f, KVM_LEAF_FEATURES, 0, 0);
	if (e) {
		e->eax = PV_FEATURES;
		e->ebx = e->ecx = e->edx = 0;
	}
	e = put(f, SOFTCVM_CPUID_LEAF, 0, 0);
	if (e) {
		e->eax = SOFTCVM_CPUID_LEAF;
		e->ebx = SOFTCVM_CPUID_EBX;
		e->ecx = SOFTCVM_CPUID_ECX;
		e->edx = SOFTCVM_CPUID_EDX;
	}
}

int kvm_supported_cpuid(const struct kvm_module *module, struct kvm_cpuid_entry2 *entries,
			unsigned max)
{
	struct filler f = { .module = module, .entries = entries, .max = max };

	put_block(&f, 0);
	put_kvm_leaves(&f);
	put_block(&f, 0x80000000);
	return f.nr > max ? -E2BIG : (int)f.nr;
}

/* MOVBE, and RDPID where RDTSCP is there.  One more than is told has to fit, as in the kernel. */
int kvm_emulated_cpuid(const struct kvm_module *module, struct kvm_cpuid_entry2 *entries,
		       unsigned max)
{
	if (max < 4)
		return -E2BIG;
	entries[0] = (struct kvm_cpuid_entry2){ .function = 0, .eax = 7 };
	entries[1] = (struct kvm_cpuid_entry2){ .function = 1, .ecx = (uint32_t)BIT(22) };
	entries[2] = (struct kvm_cpuid_entry2){ .function = 7, .flags = SIGNIFICANT };
	if (kvm_host_has_feature(module, CPUID_RDTSCP))
		entries[2].ecx = (uint32_t)BIT(22);
	return 3;
}

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

/* Bits that follow the guest's own control registers. */
static void apply_dynamic(const struct vcpu *v, uint32_t leaf, struct kvm_cpuid_entry2 *e)
{
	if (leaf != 1)
		return;
	e->ecx &= ~(uint32_t)L1_ECX_OSXSAVE;
	if (v->state.cr4 & X86_CR4_OSXSAVE)
		e->ecx |= L1_ECX_OSXSAVE;
	e->edx &= ~(uint32_t)L1_EDX_APIC;
	if (v->apic_base & LAPIC_BASE_ENABLE)
		e->edx |= L1_EDX_APIC;
}

void vcpu_get_cpuid(const struct vcpu *v, struct kvm_cpuid_entry2 *entries)
{
	for (unsigned i = 0; i < v->nr_cpuid; i++) {
		entries[i] = v->cpuid[i];
		apply_dynamic(v, entries[i].function, &entries[i]);
	}
}

/* What KVM_GET_CPUID2 told may be given back: bits of the moment do not count. */
static bool is_same_cpuid(const struct vcpu *v, const struct kvm_cpuid_entry2 *entries,
			  unsigned nr)
{
	if (nr != v->nr_cpuid)
		return false;
	for (unsigned i = 0; i < nr; i++) {
		struct kvm_cpuid_entry2 a = v->cpuid[i], b = entries[i];

		apply_dynamic(v, a.function, &a);
		apply_dynamic(v, b.function, &b);
		if (memcmp(&a, &b, sizeof(a)))
			return false;
	}
	return true;
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
	return 0;
}

/* Hygon's are AMD's. */
bool vcpu_is_intel_compatible(const struct vcpu *v)
{
	const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, 0, 0);

	return !e || (memcmp(&e->ebx, "Auth", 4) && memcmp(&e->ebx, "Hygo", 4));
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

bool vcpu_has_feature(const struct vcpu *v, uint32_t flag)
{
	const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, flag_leaf(flag), flag >> 12 & 0xf);

	return e && flag_is_in(flag, e->eax, e->ebx, e->ecx, e->edx);
}

bool kvm_host_has_feature(const struct kvm_module *module, uint32_t flag)
{
	struct cpuid_regs r = hw_cpuid(module->hw, flag_leaf(flag), flag >> 12 & 0xf);

	/* Past the last basic leaf Intel's answers the last one's words. */
	if (hw_cpuid(module->hw, flag & 0x80000000u, 0).eax < flag_leaf(flag))
		return false;
	return flag_is_in(flag, r.eax, r.ebx, r.ecx, r.edx);
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
	apply_dynamic(v, leaf, &e);
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
