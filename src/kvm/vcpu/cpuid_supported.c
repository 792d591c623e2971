/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpuid_supported.c - KVM_GET_SUPPORTED_CPUID: the machine's leaves with what
 * KVM can give to a guest, as 6.12 does it; KVM_GET_EMULATED_CPUID.
 */
#include <errno.h>
#include <string.h>

#include "softcvm/identity.h"
#include "softcvm/uapi/kvm_para.h"
#include "kvm/mmu/spte.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/xstate.h"

#define SIGNIFICANT		KVM_CPUID_FLAG_SIGNIFCANT_INDEX
#define KVM_LEAF_SIGNATURE	0x40000000u
#define KVM_LEAF_FEATURES	0x40000001u
#define LAST_BASIC		0x24u
#define LAST_EXTENDED		0x80000022u
#define LFENCE_LEAF		0x80000021u	/* made up where 8000_001D exists */

/* KVM_CPUID_FEATURES that we honour. */
#define PV_FEATURES							\
	(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |	\
	 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_STEAL_TIME) |	\
	 BIT(KVM_FEATURE_PV_EOI) | BIT(KVM_FEATURE_PV_UNHALT) |		\
	 BIT(KVM_FEATURE_PV_TLB_FLUSH) | BIT(KVM_FEATURE_PV_SEND_IPI) |	\
	 BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD) | \
	 BIT(KVM_FEATURE_HC_MAP_GPA_RANGE) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

/*
 * Features that KVM knows how to give to a guest, by their words; all other
 * words go through, or are dealt with below.  SDM vol. 2A table 3-8 and
 * following, APM vol. 3 appendix E.
 */
/* SSE3 PCLMULQDQ SSSE3 FMA CX16 PDCM PCID SSE4.1 SSE4.2 x2APIC MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
#define KNOWN_1_ECX	0x76fab203u
/* without the serial number, DS, ACPI, HTT, TM, PBE */
#define KNOWN_1_EDX	0x0f8bfbffu
/* without MPX, PQM, PQE, FDP_SELECTORS' neighbours and processor trace */
#define KNOWN_7_EBX	0xfdbf2ffdu
/* AVX512 families, UMIP PKU GFNI VAES VPCLMUL LA57 RDPID BUS_LOCK CLDEMOTE MOVDIRI MOVDIR64B SGX_LC */
#define KNOWN_7_ECX	0x5b415f4eu
/* AVX512 families, FSRM MD_CLEAR SERIALIZE TSXLDTRK AMX and the mitigations */
#define KNOWN_7_EDX	0xbfc1451cu
/* XSAVEOPT XSAVEC XGETBV1 XSAVES XFD */
#define KNOWN_D_1_EAX	0x0000001fu
/* LAHF CMP_LEGACY CR8_LEGACY ABM SSE4A MISALIGNSSE PREFETCHW OSVW XOP FMA4 TBM TOPOEXT */
#define KNOWN_X1_ECX	0x00610bf3u
/* without MP, and with SYSCALL NX MMXEXT FXSR_OPT GBPAGES RDTSCP LM 3DNOW */
#define KNOWN_X1_EDX	0xefd3fbffu
/* Of leaf 1's ECX: there is one. */
#define HYPERVISOR	(1u << 31)
/* CLZERO XSAVEERPTR WBNOINVD IBPB IBRS STIBP STIBP_ALWAYS_ON SSBD VIRT_SSBD SSB_NO PSFD */
#define KNOWN_X8_EBX	0x1702d205u
/* 8000_001F EAX, and the C-bit in EBX */
#define SEV_PRESENT	(1u << 1)
#define SEV_ES_PRESENT	(1u << 3)
#define SEV_SNP_PRESENT	(1u << 4)
#define SEV_COHERENT	(1u << 10)
#define SEV_C_BIT	0x3fu
#define CONSTANT_TSC	(1u << 8)	/* of 8000_0007 EDX */
/* LFENCE is serialising, a null selector clears the base, there is no SMM_CTL */
#define MADE_UP_X21_EAX	(1u << 2 | 1u << 6 | 1u << 9)

struct filler {
	const struct kvm_module	*module;
	struct kvm_cpuid_entry2	*entries;
	unsigned		 nr, max;
	struct kvm_cpuid_entry2	 spare;		/* stands for entries that have no room */
};

static bool is_indexed(uint32_t leaf)
{
	switch (leaf) {
	case 0x4: case 0x7: case 0xb: case 0xd: case 0xf: case 0x10: case 0x12: case 0x14:
	case 0x17: case 0x18: case 0x1d: case 0x1e: case 0x1f: case 0x24: case 0x8000001d:
		return true;
	default:
		return false;
	}
}

/* The next entry. */
static struct kvm_cpuid_entry2 *put_empty(struct filler *f, uint32_t leaf, uint32_t sub)
{
	struct kvm_cpuid_entry2 *e = f->nr < f->max ? &f->entries[f->nr] : &f->spare;

	f->nr = MIN(f->nr + 1, f->max + 1);
	*e = (struct kvm_cpuid_entry2){ .function = leaf, .index = sub,
					.flags = is_indexed(leaf) ? SIGNIFICANT : 0 };
	return e;
}

/* The next entry as the machine has it, but for extended leaves that it has not. */
static struct kvm_cpuid_entry2 *put(struct filler *f, uint32_t leaf, uint32_t sub)
{
	struct kvm_cpuid_entry2 *e = put_empty(f, leaf, sub);
	struct cpuid_regs r = hw_cpuid(f->module->hw, leaf, sub);

	if (leaf >= 0x80000000 && leaf > hw_cpuid(f->module->hw, 0x80000000, 0).eax)
		return e;
	e->eax = r.eax;
	e->ebx = r.ebx;
	e->ecx = r.ecx;
	e->edx = r.edx;
	return e;
}

static bool host_has(const struct filler *f, uint32_t flag)
{
	return kvm_host_has_feature(f->module, flag);
}

static void put_features(struct filler *f)
{
	struct kvm_cpuid_entry2 *e = put(f, 1, 0);

	e->ecx &= KNOWN_1_ECX;
	e->ecx |= 1u << (CPUID_X2APIC & 31);	/* made by software */
	if (f->module->abi >= KERNEL_ABI_6_18)
		e->ecx |= HYPERVISOR;
	e->edx &= KNOWN_1_EDX;
}

/* Caches: until the type is 0. */
static void put_caches(struct filler *f, uint32_t leaf)
{
	for (uint32_t i = 0; put(f, leaf, i)->eax & 0x1f && f->nr <= f->max; i++)
		;
}

/* Each vendor names the mitigations its own way: KVM tells both. */
static uint32_t intel_mitigations(const struct filler *f)
{
	uint32_t edx = 1u << (CPUID_ARCH_CAPABILITIES & 31);

	if (host_has(f, CPUID_AMD_IBPB) && host_has(f, CPUID_AMD_IBRS))
		edx |= 1u << (CPUID_SPEC_CTRL & 31);
	if (host_has(f, CPUID_AMD_STIBP))
		edx |= 1u << (CPUID_STIBP & 31);
	if (host_has(f, CPUID_AMD_SSBD))
		edx |= 1u << (CPUID_SSBD & 31);
	return edx;
}

static uint32_t amd_mitigations(const struct filler *f)
{
	uint32_t ebx = 0;

	if (host_has(f, CPUID_SPEC_CTRL))
		ebx |= 1u << (CPUID_AMD_IBPB & 31) | 1u << (CPUID_AMD_IBRS & 31);
	if (host_has(f, CPUID_STIBP))
		ebx |= 1u << (CPUID_AMD_STIBP & 31);
	if (host_has(f, CPUID_SSBD))
		ebx |= 1u << (CPUID_AMD_SSBD & 31);
	return ebx;
}

static void put_structured(struct filler *f)
{
	struct kvm_cpuid_entry2 *e = put(f, 7, 0);
	uint32_t last = MIN(e->eax, 2u);

	e->eax = last;
	e->ebx &= KNOWN_7_EBX;
	e->ebx |= 1u << (CPUID_TSC_ADJUST & 31);	/* made by software */
	e->ecx &= KNOWN_7_ECX;
	e->edx &= KNOWN_7_EDX;
	e->edx |= intel_mitigations(f);
	for (uint32_t i = 1; i <= last; i++)
		put_empty(f, 7, i);		/* nothing that the machines have */
}

static void put_xstate(struct filler *f)
{
	uint64_t xcr0 = kvm_xcr0_supported(f->module);
	struct kvm_cpuid_entry2 *e = put(f, 0xd, 0);

	e->ebx = e->ecx = kvm_xstate_size(f->module, xcr0, false);
	if (!xcr0)
		return;
	e = put(f, 0xd, 1);
	e->eax &= KNOWN_D_1_EAX;
	e->ebx = e->eax & (1u << 1 | 1u << 3) ? kvm_xstate_size(f->module, xcr0, true) : 0;
	e->ecx = e->edx = 0;		/* no supervisor state */
	for (uint32_t i = 2; i < 63; i++) {
		if (!(xcr0 >> i & 1))
			continue;
		e = put(f, 0xd, i);
		e->ecx &= ~(1u << 2);
		e->edx = 0;
	}
}

static void put_basic(struct filler *f, uint32_t leaf)
{
	switch (leaf) {
	case 0: {
		struct kvm_cpuid_entry2 *e = put(f, 0, 0);

		e->eax = MIN(e->eax, LAST_BASIC);
		break;
	}
	case 1:
		put_features(f);
		break;
	case 2:
		put(f, 2, 0);
		break;
	case 4:
		put_caches(f, 4);
		break;
	case 6:				/* the APIC's timer runs always */
		put_empty(f, 6, 0)->eax = 1u << 2;
		break;
	case 7:
		put_structured(f);
		break;
	case 0xb: case 0x1f:		/* topology: the VMM's */
		put_empty(f, leaf, 0)->edx = hw_cpuid(f->module->hw, leaf, 0).edx;
		break;
	case 0xd:
		put_xstate(f);
		break;
	default:
		put_empty(f, leaf, 0);
	}
}

/*
 * The guest's physical addresses are as wide as the bare machine's, for
 * reductions do not touch them; how much of that nested tables reach is told
 * too.
 */
static void put_address_sizes(struct filler *f)
{
	struct kvm_cpuid_entry2 *e = put(f, 0x80000008, 0);
	uint32_t phys = e->eax & 0xff, linear = MAX(e->eax >> 8 & 0xff, 48u);
	uint32_t reach = f->module->spte->root_level < 5 ? MIN(phys, 48u) : phys;

	e->eax = phys | linear << 8 | reach << 16;
	e->ebx = (e->ebx & KNOWN_X8_EBX) | amd_mitigations(f);
	e->ecx &= 0x0000f0ff;
	e->edx = 0;
}

/* What KVM offers of it; no VMPLs, and the address width is told already reduced. */
static void put_encryption(struct filler *f, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *e = put(f, leaf, 0);
	uint32_t types = f->module->vm_types;

	if (!(types & BIT(KVM_X86_SEV_VM))) {
		e->eax = e->ebx = e->ecx = e->edx = 0;
		return;
	}
	e->eax &= SEV_COHERENT;
	e->eax |= SEV_PRESENT | (types & BIT(KVM_X86_SEV_ES_VM) ? SEV_ES_PRESENT : 0) |
		  (types & BIT(KVM_X86_SNP_VM) ? SEV_SNP_PRESENT : 0);
	e->ebx &= SEV_C_BIT;
}

static void put_extended_last(struct filler *f)
{
	struct kvm_cpuid_entry2 *e = put(f, 0x80000000, 0);

	e->eax = MIN(e->eax, LAST_EXTENDED);
	if (e->eax >= 0x8000001d)
		e->eax = MAX(e->eax, LFENCE_LEAF);
}

static void put_extended(struct filler *f, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *e;

	switch (leaf) {
	case 0x80000000:
		put_extended_last(f);
		break;
	case 0x80000001:
		e = put(f, leaf, 0);
		e->ebx &= ~0x0fff0000u;
		e->ecx &= KNOWN_X1_ECX;
		e->edx &= KNOWN_X1_EDX;
		break;
	case 0x80000002: case 0x80000003: case 0x80000004: case 0x80000005:
		put(f, leaf, 0);
		break;
	case 0x80000006:
		put(f, leaf, 0)->edx &= ~0x00030000u;
		break;
	case 0x80000007:
		put_empty(f, leaf, 0)->edx = hw_cpuid(f->module->hw, leaf, 0).edx & CONSTANT_TSC;
		break;
	case 0x80000008:
		put_address_sizes(f);
		break;
	case 0x8000001d:
		put_caches(f, leaf);
		break;
	case 0x8000001f:
		put_encryption(f, leaf);
		break;
	case LFENCE_LEAF:
		put_empty(f, leaf, 0)->eax = MADE_UP_X21_EAX;
		break;
	default:			/* SVM and memory encryption among them */
		put_empty(f, leaf, 0);
	}
}

static void put_block(struct filler *f, uint32_t first,
		      void (*put_leaf)(struct filler *f, uint32_t leaf))
{
	unsigned at = f->nr;
	uint32_t last;

	put_leaf(f, first);
	last = at < f->max ? f->entries[at].eax : first;
	for (uint32_t leaf = first + 1; leaf <= last && f->nr <= f->max; leaf++)
		put_leaf(f, leaf);
}

static void put_kvm_leaves(struct filler *f)
{
	struct kvm_cpuid_entry2 *e = put_empty(f, KVM_LEAF_SIGNATURE, 0);

	e->eax = KVM_LEAF_FEATURES;
	memcpy(&e->ebx, "KVMK", 4);
	memcpy(&e->ecx, "VMKV", 4);
	memcpy(&e->edx, "M\0\0\0", 4);
	put_empty(f, KVM_LEAF_FEATURES, 0)->eax = PV_FEATURES;
	e = put_empty(f, SOFTCVM_CPUID_LEAF, 0);
	e->eax = SOFTCVM_CPUID_LEAF;
	e->ebx = SOFTCVM_CPUID_EBX;
	e->ecx = SOFTCVM_CPUID_ECX;
	e->edx = SOFTCVM_CPUID_EDX;
}

int kvm_supported_cpuid(const struct kvm_module *module, struct kvm_cpuid_entry2 *entries,
			unsigned max)
{
	struct filler f = { .module = module, .entries = entries, .max = max };

	put_block(&f, 0, put_basic);
	put_block(&f, 0x80000000, put_extended);
	put_kvm_leaves(&f);
	return f.nr > max ? -E2BIG : (int)f.nr;
}

/* MOVBE, and RDPID where RDTSCP is there.  One more than is told has to fit, as in the kernel. */
int kvm_emulated_cpuid(const struct kvm_module *module, struct kvm_cpuid_entry2 *entries,
		       unsigned max)
{
	if (max < 4)
		return -E2BIG;
	entries[0] = (struct kvm_cpuid_entry2){ .function = 0, .eax = 7 };
	entries[1] = (struct kvm_cpuid_entry2){ .function = 1, .ecx = 1u << 22 };
	entries[2] = (struct kvm_cpuid_entry2){ .function = 7, .flags = SIGNIFICANT };
	if (kvm_host_has_feature(module, CPUID_RDTSCP))
		entries[2].ecx = 1u << (CPUID_RDPID & 31);
	return 3;
}
