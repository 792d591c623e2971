/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpuid.h - what KVM offers, what the VMM chose, what the guest reads.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/vcpu/vcpu.h"

#define KVM_MAX_CPUID_ENTRIES	256

/*
 * KVM_GET_SUPPORTED_CPUID: writes at most @max entries, answers how many or
 * -E2BIG.  Any thread.
 */
MUST_CHECK int kvm_supported_cpuid(const struct kvm_module *module,
				   struct kvm_cpuid_entry2 *entries, unsigned max);

/* KVM_GET_EMULATED_CPUID: what the emulator has and the machine need not have. */
MUST_CHECK int kvm_emulated_cpuid(const struct kvm_module *module,
				  struct kvm_cpuid_entry2 *entries, unsigned max);

/* KVM_SET_CPUID2: copies @entries.  -EINVAL, -ENOMEM. */
MUST_CHECK int vcpu_set_cpuid(struct vcpu *v, const struct kvm_cpuid_entry2 *entries,
			      unsigned nr);

/* KVM_GET_CPUID2: all v->nr_cpuid entries, with the bits of the moment. */
void vcpu_get_cpuid(const struct vcpu *v, struct kvm_cpuid_entry2 *entries);

/* Address bits at and above the guest's MAXPHYADDR. */
uint64_t vcpu_reserved_gpa_bits(const struct vcpu *v);

/* The entry for a leaf; NULL: the VMM gave none. */
const struct kvm_cpuid_entry2 *vcpu_find_cpuid(const struct vcpu *v, uint32_t leaf,
					       uint32_t subleaf);

/*
 * A feature flag by its place: block and leaf, subleaf, register, bit.
 *
 *   31        30   16 15  12 9  8 4   0
 *  [8000_0000|  leaf | sub  | reg| bit ]
 */
enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };
#define CPUID_FLAG(leaf, sub, reg, bit)						\
	(((leaf) & 0x80000000u) | ((leaf) & 0x7fffu) << 16 | (sub) << 12 |	\
	 (uint32_t)CPUID_##reg << 8 | (bit))

#define CPUID_SSE3		CPUID_FLAG(1u, 0u, ECX, 0u)
#define CPUID_MWAIT		CPUID_FLAG(1u, 0u, ECX, 3u)
#define CPUID_PDCM		CPUID_FLAG(1u, 0u, ECX, 15u)
#define CPUID_PCID		CPUID_FLAG(1u, 0u, ECX, 17u)
#define CPUID_X2APIC		CPUID_FLAG(1u, 0u, ECX, 21u)
#define CPUID_OSXSAVE		CPUID_FLAG(1u, 0u, ECX, 27u)
#define CPUID_APIC		CPUID_FLAG(1u, 0u, EDX, 9u)
#define CPUID_TSC_DEADLINE	CPUID_FLAG(1u, 0u, ECX, 24u)
#define CPUID_XSAVE		CPUID_FLAG(1u, 0u, ECX, 26u)
#define CPUID_FSGSBASE		CPUID_FLAG(7u, 0u, EBX, 0u)
#define CPUID_TSC_ADJUST	CPUID_FLAG(7u, 0u, EBX, 1u)
#define CPUID_SMEP		CPUID_FLAG(7u, 0u, EBX, 7u)
#define CPUID_RTM		CPUID_FLAG(7u, 0u, EBX, 11u)
#define CPUID_SMAP		CPUID_FLAG(7u, 0u, EBX, 20u)
#define CPUID_UMIP		CPUID_FLAG(7u, 0u, ECX, 2u)
#define CPUID_PKU		CPUID_FLAG(7u, 0u, ECX, 3u)
#define CPUID_OSPKE		CPUID_FLAG(7u, 0u, ECX, 4u)
#define CPUID_WAITPKG		CPUID_FLAG(7u, 0u, ECX, 5u)
#define CPUID_LA57		CPUID_FLAG(7u, 0u, ECX, 16u)
#define CPUID_RDPID		CPUID_FLAG(7u, 0u, ECX, 22u)
#define CPUID_BUS_LOCK		CPUID_FLAG(7u, 0u, ECX, 24u)
#define CPUID_SGX_LC		CPUID_FLAG(7u, 0u, ECX, 30u)
#define CPUID_SPEC_CTRL		CPUID_FLAG(7u, 0u, EDX, 26u)
#define CPUID_STIBP		CPUID_FLAG(7u, 0u, EDX, 27u)
#define CPUID_FLUSH_L1D		CPUID_FLAG(7u, 0u, EDX, 28u)
#define CPUID_ARCH_CAPABILITIES	CPUID_FLAG(7u, 0u, EDX, 29u)
#define CPUID_SSBD		CPUID_FLAG(7u, 0u, EDX, 31u)
#define CPUID_XSAVES		CPUID_FLAG(0xdu, 1u, EAX, 3u)
#define CPUID_XFD		CPUID_FLAG(0xdu, 1u, EAX, 4u)
#define CPUID_OSVW		CPUID_FLAG(0x80000001u, 0u, ECX, 9u)
#define CPUID_NX		CPUID_FLAG(0x80000001u, 0u, EDX, 20u)
#define CPUID_FXSR_OPT		CPUID_FLAG(0x80000001u, 0u, EDX, 25u)
#define CPUID_RDTSCP		CPUID_FLAG(0x80000001u, 0u, EDX, 27u)
#define CPUID_LM		CPUID_FLAG(0x80000001u, 0u, EDX, 29u)
#define CPUID_AMD_IBPB		CPUID_FLAG(0x80000008u, 0u, EBX, 12u)
#define CPUID_AMD_IBRS		CPUID_FLAG(0x80000008u, 0u, EBX, 14u)
#define CPUID_AMD_STIBP		CPUID_FLAG(0x80000008u, 0u, EBX, 15u)
#define CPUID_AMD_SSBD		CPUID_FLAG(0x80000008u, 0u, EBX, 24u)
#define CPUID_VIRT_SSBD		CPUID_FLAG(0x80000008u, 0u, EBX, 25u)
#define CPUID_SBPB		CPUID_FLAG(0x80000021u, 0u, EAX, 27u)

/* The VMM gave @flag to the guest; the bare machine has it. */
bool vcpu_has_feature(const struct vcpu *v, uint32_t flag);
bool kvm_host_has_feature(const struct kvm_module *module, uint32_t flag);
/* A PV feature (KVM_FEATURE_*): any, until KVM_CAP_ENFORCE_PV_FEATURE_CPUID. */
bool vcpu_pv_has(const struct vcpu *v, unsigned feature);
/* By its vendor; without CPUID a guest is. */
bool vcpu_is_intel_compatible(const struct vcpu *v);

/*
 * IA32_ARCH_CAPABILITIES: RDCL, MDS, page-size-change MCE and GDS do not concern
 * this machine, and nobody need flush L1D at VM entry.
 */
#define KVM_ARCH_CAPABILITIES	(BIT(0) | BIT(3) | BIT(5) | BIT(6) | BIT(26))

/* CPUID as the guest executes it, with the out-of-range rules of its vendor. */
void vcpu_cpuid(const struct vcpu *v, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx);

/* CR4 bits that the guest may set, given its CPUID and the machine. */
uint64_t vcpu_cpuid_cr4_allowed(const struct vcpu *v);
/* EFER likewise; and what the machine alone allows. */
uint64_t kvm_efer_supported(const struct kvm_module *module);
uint64_t vcpu_cpuid_efer_allowed(const struct vcpu *v);
