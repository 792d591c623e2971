/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_list.c - KVM_GET_MSR_INDEX_LIST and the feature list: what the kernel
 * lists on this machine, in its order (registers of the processor that are to
 * be saved, registers that KVM makes up, features).
 */
#include "kvm/vcpu/msr.h"

struct listed {
	uint32_t	first, last;	/* last 0: @first alone */
	uint16_t	vendor;		/* MSR_AMD, MSR_INTEL, 0: both */
	uint32_t	needs[2];	/* of the host, any of them; 0: nothing */
};

static const struct listed saved[] = {
	{ 0x174, 0x176 },			/* SYSENTER */
	{ 0xc0000081 },				/* STAR */
	{ 0xc0000083 }, { 0xc0000102 },		/* CSTAR, KERNEL_GS_BASE */
	{ 0xc0000084 }, { 0xc0000082 },		/* SFMASK, LSTAR */
	{ 0x010 }, { 0x277 },			/* TSC, PAT */
	{ 0xc0010117, 0, MSR_AMD },		/* VM_HSAVE_PA */
	{ 0x03a, 0, MSR_INTEL },		/* FEAT_CTL */
	{ 0xc0000103, 0, 0, { CPUID_RDTSCP, CPUID_RDPID } },
	{ 0x048, 0, 0, { CPUID_SPEC_CTRL, CPUID_AMD_IBRS } },
	{ 0x0e1, 0, MSR_INTEL, { CPUID_WAITPKG } },
	{ 0x1c4, 0x1c5, MSR_INTEL, { CPUID_XFD } },
	{ 0x1d9 },				/* DEBUGCTL */
	{ 0x1db, 0x1de },			/* last branch and interrupt */
};

static const struct listed emulated[] = {
	{ 0x012 }, { 0x011 },			/* KVM's old clock */
	{ 0x4b564d01 }, { 0x4b564d00 },		/* KVM's clock */
	{ 0x4b564d02 }, { 0x4b564d03 },		/* async page faults, steal time */
	{ 0x4b564d04 }, { 0x4b564d06 }, { 0x4b564d07 },	/* PV EOI; more of the former */
	{ 0x03b }, { 0x6e0 },			/* TSC_ADJUST, TSC_DEADLINE */
	{ 0x10a }, { 0x345 }, { 0x1a0 },	/* capabilities, MISC_ENABLE */
	{ 0x17a, 0x17b },			/* MCG_STATUS, MCG_CTL */
	{ 0x4d0, 0, MSR_INTEL },		/* MCG_EXT_CTL */
	{ 0x034 },				/* SMI_COUNT */
	{ 0x0ce }, { 0x140 },			/* PLATFORM_INFO, MISC_FEATURES_ENABLES */
	{ 0xc001011f, 0, MSR_AMD },		/* VIRT_SPEC_CTRL */
	{ 0xc0000104, 0, MSR_AMD },		/* TSC_RATIO */
	{ 0x1fc }, { 0x08b },			/* POWER_CTL, microcode */
	{ 0xc0010015 },				/* HWCR */
	{ 0x4b564d05 },				/* POLL_CONTROL */
};

static const struct listed features[] = {
	{ 0xc0011029, 0, MSR_AMD },		/* DE_CFG */
	{ 0x08b }, { 0x10a }, { 0x345 },
};

struct index_list {
	uint32_t	*at;
	unsigned	 nr, max;
};

static bool is_here(const struct kvm_module *module, const struct listed *l)
{
	bool amd = hw_config(module->hw)->vendor == HW_VENDOR_AMD;

	if (l->vendor && l->vendor != (amd ? MSR_AMD : MSR_INTEL))
		return false;
	return !l->needs[0] || kvm_host_has_feature(module, l->needs[0]) ||
	       (l->needs[1] && kvm_host_has_feature(module, l->needs[1]));
}

static void append(const struct kvm_module *module, const struct listed *l, size_t nr,
		   struct index_list *list)
{
	for (size_t i = 0; i < nr; i++) {
		if (!is_here(module, &l[i]))
			continue;
		for (uint32_t n = l[i].first; n <= MAX(l[i].first, l[i].last); n++) {
			if (list->nr < list->max)
				list->at[list->nr] = n;
			list->nr++;
		}
	}
}

unsigned vcpu_msr_list(const struct kvm_module *module, uint32_t *at, unsigned max)
{
	struct index_list list = { at, 0, max };

	append(module, saved, ARRAY_SIZE(saved), &list);
	append(module, emulated, ARRAY_SIZE(emulated), &list);
	return list.nr;
}

unsigned vcpu_feature_msr_list(const struct kvm_module *module, uint32_t *at, unsigned max)
{
	struct index_list list = { at, 0, max };

	append(module, features, ARRAY_SIZE(features), &list);
	return list.nr;
}

static bool is_in(const struct kvm_module *module, const struct listed *l, size_t nr,
		  uint32_t index)
{
	for (size_t i = 0; i < nr; i++) {
		if (index >= l[i].first && index <= MAX(l[i].first, l[i].last))
			return is_here(module, &l[i]);
	}
	return false;
}

bool msr_is_listed(const struct kvm_module *module, uint32_t index)
{
	return is_in(module, saved, ARRAY_SIZE(saved), index) ||
	       is_in(module, emulated, ARRAY_SIZE(emulated), index);
}

/* All features but the microcode's revision; the VMX ones on any machine. */
bool msr_is_immutable(uint32_t index)
{
	return (index >= 0x480 && index <= 0x491) || index == 0xc0011029 || index == 0x10a ||
	       index == 0x345;
}
