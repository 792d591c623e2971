/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_platform.c - features, power, mitigations, and what old guests poke at.
 */
#include "kvm/vcpu/mce.h"
#include "kvm/vcpu/msr.h"

#define PLATFORM_CPUID_FAULTS	BIT(31)
#define CPUID_FAULTS		BIT(0)

#define MISC_ENABLE_RESET	0x1800ull	/* neither BTS nor PEBS */
#define MISC_ENABLE_PMU_RO	0x1800ull	/* the same two */
#define MISC_ENABLE_EMON	BIT(3)
#define MISC_ENABLE_MWAIT	BIT(18)

#define UCODE_AMD	0x01000065ull
#define UCODE_INTEL	0x100000000ull
#define HWCR_IGNORED	0x148ull	/* bits that old guests set */
#define HWCR_ALLOWED	(BIT(18) | BIT(24))
#define DE_CFG_LFENCE	BIT(1)
#define TSC_RATIO_ONE	(1ull << 32)	/* no scaling; 32 bits of fraction, APM vol. 2 15.30.5 */

#define FEAT_CTL_LOCKED	BIT(0)
#define FEAT_CTL_VMX	(BIT(1) | BIT(2))
#define FEAT_CTL_SGX	(BIT(17) | BIT(18))
#define FEAT_CTL_LMCE	BIT(20)

#define DEBUGCTL_LBR_BTF 0x3ull		/* not modelled, dropped */

#define VM_CR_LOCK	BIT(3)
#define VM_CR_DISABLE	BIT(4)
#define VM_CR_ALLOWED	0x1full

#define PRED_IBPB	BIT(0)
#define PRED_SBPB	BIT(7)

static const struct kvm_module *module_of(const struct vcpu *v)
{
	return v->base.kvm->module;
}

bool vcpu_cpuid_faults(const struct vcpu *v)
{
	return v->msr.misc_features & CPUID_FAULTS;
}

static enum msr_answer get_platform_info(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = v->msr.platform_info;
	return host || !v->base.kvm->caps.hide_platform_info ? MSR_OK : MSR_GP;
}

static enum msr_answer set_platform_info(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (!(value & PLATFORM_CPUID_FAULTS) && vcpu_cpuid_faults(v))
		return MSR_GP;
	v->msr.platform_info = value;
	return MSR_OK;
}

static enum msr_answer set_misc_features(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if ((value & CPUID_FAULTS) && !(v->msr.platform_info & PLATFORM_CPUID_FAULTS))
		return MSR_GP;
	v->msr.misc_features = value;
	return MSR_OK;
}

/*
 * The guest may not change what says that the PMU is missing; EMON stays.  MWAIT
 * is a switch of CPUID's bit only without KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT.
 */
static enum msr_answer set_misc_enable(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	uint64_t old = v->msr.misc_enable;

	if (!host) {
		if ((old ^ value) & MISC_ENABLE_PMU_RO)
			return MSR_GP;
		value = (value & ~MISC_ENABLE_EMON) | (old & MISC_ENABLE_EMON);
	}
	if ((v->base.kvm->disabled_quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT) &&
	    ((old ^ value) & MISC_ENABLE_MWAIT) && !vcpu_has_feature(v, CPUID_SSE3))
		return MSR_GP;
	v->msr.misc_enable = value;
	return MSR_OK;
}

bool vcpu_misc_enable_mwait(const struct vcpu *v)
{
	return v->msr.misc_enable & MISC_ENABLE_MWAIT;
}

static enum msr_answer set_feature_control(struct vcpu *v, uint32_t index, bool host,
					   uint64_t value)
{
	uint64_t guest_may = FEAT_CTL_LOCKED | (vcpu_has_lmce(v) ? FEAT_CTL_LMCE : 0);
	uint64_t host_may = FEAT_CTL_LOCKED | FEAT_CTL_VMX | FEAT_CTL_SGX | FEAT_CTL_LMCE;

	if (!host && (v->msr.feature_control & FEAT_CTL_LOCKED))
		return MSR_GP;
	if (value & ~(host ? host_may : guest_may))
		return MSR_GP;
	v->msr.feature_control = value;
	return MSR_OK;
}

static bool may_use_spec_ctrl(const struct vcpu *v, bool host)
{
	static const uint32_t any_of[] = {
		CPUID_SPEC_CTRL, CPUID_AMD_STIBP, CPUID_AMD_IBRS, CPUID_AMD_SSBD,
	};

	for (size_t i = 0; i < ARRAY_SIZE(any_of) && !host; i++)
		host = vcpu_has_feature(v, any_of[i]);
	return host;
}

static enum msr_answer get_spec_ctrl(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = v->msr.spec_ctrl;
	return may_use_spec_ctrl(v, host) ? MSR_OK : MSR_GP;
}

/* IBRS, STIBP, SSBD, as the processor has them: it refuses the others. */
static uint64_t spec_ctrl_of(const struct kvm_module *m)
{
	uint64_t bits = 0;

	if (kvm_host_has_feature(m, CPUID_SPEC_CTRL) || kvm_host_has_feature(m, CPUID_AMD_IBRS))
		bits |= BIT(0);
	if (kvm_host_has_feature(m, CPUID_STIBP) || kvm_host_has_feature(m, CPUID_AMD_STIBP))
		bits |= BIT(1);
	if (kvm_host_has_feature(m, CPUID_SSBD) || kvm_host_has_feature(m, CPUID_AMD_SSBD))
		bits |= BIT(2);
	return bits;
}

static enum msr_answer set_spec_ctrl(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	uint64_t has = spec_ctrl_of(module_of(v));

	/* Without the register even 0 is refused: it is tried on the processor. */
	if (!may_use_spec_ctrl(v, host) || !has || (value & ~has))
		return MSR_GP;
	v->msr.spec_ctrl = value;
	return MSR_OK;
}

/* There is no predictor in the model: a barrier that is allowed is done. */
static enum msr_answer set_pred_cmd(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	bool ibpb = vcpu_has_feature(v, CPUID_SPEC_CTRL) || vcpu_has_feature(v, CPUID_AMD_IBPB);
	bool sbpb = vcpu_has_feature(v, CPUID_SBPB);
	uint64_t allowed = 0;

	if (!host && !ibpb && !sbpb)
		return MSR_GP;
	if ((host || ibpb) && (kvm_host_has_feature(module_of(v), CPUID_SPEC_CTRL) ||
			       kvm_host_has_feature(module_of(v), CPUID_AMD_IBPB)))
		allowed |= PRED_IBPB;
	if ((host || sbpb) && kvm_host_has_feature(module_of(v), CPUID_SBPB))
		allowed |= PRED_SBPB;
	return value & ~allowed ? MSR_GP : MSR_OK;
}

static enum msr_answer set_flush_cmd(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	return kvm_host_has_feature(module_of(v), CPUID_FLUSH_L1D) ? MSR_OK : MSR_GP;
}

static enum msr_answer set_vm_cr(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	uint64_t may = VM_CR_ALLOWED;

	if (v->msr.vm_cr & VM_CR_DISABLE)
		may &= ~(VM_CR_LOCK | VM_CR_DISABLE);
	v->msr.vm_cr = (v->msr.vm_cr & ~may) | (value & may);
	return (v->msr.vm_cr & VM_CR_DISABLE) && (v->state.efer & X86_EFER_SVME) ? MSR_GP : MSR_OK;
}

static enum msr_answer set_hsave_pa(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (!host && (value & (vcpu_reserved_gpa_bits(v) | 0xfff)))
		return MSR_GP;
	v->msr.hsave_pa = value & ~0xfffull;
	return MSR_OK;
}

/* Without TSC scaling it stays; the 0 that an old QEMU writes is let pass. */
static enum msr_answer set_tsc_ratio(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	return host && (!value || value == TSC_RATIO_ONE) ? MSR_OK : MSR_GP;
}

static enum msr_answer get_tsc_ratio(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = TSC_RATIO_ONE;
	return host ? MSR_OK : MSR_GP;
}

/* Erratum 688 is dealt with on Bulldozer's children, and so it is reported. */
static enum msr_answer get_ic_cfg(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, 1, 0);
	unsigned family, model;

	if (!e)
		return MSR_UNKNOWN;
	family = (e->eax >> 8 & 0xf) + ((e->eax >> 8 & 0xf) == 0xf ? e->eax >> 20 & 0xff : 0);
	model = (e->eax >> 4 & 0xf) | (e->eax >> 12 & 0xf0);
	*value = family == 0x15 && model >= 0x2 && model < 0x20 ? 0x1e : 0;
	return MSR_OK;
}

/* Only there when the guest was told so, for the host too. */
static enum msr_answer get_osvw(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = v->msr.osvw[index & 1];
	return vcpu_has_feature(v, CPUID_OSVW) ? MSR_OK : MSR_GP;
}

static enum msr_answer set_osvw(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (!vcpu_has_feature(v, CPUID_OSVW))
		return MSR_GP;
	v->msr.osvw[index & 1] = value;
	return MSR_OK;
}

/* No TSX on this processor: the guest may not, the host is told that there is none. */
static enum msr_answer no_tsx(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	return host ? MSR_UNKNOWN : MSR_GP;
}

static enum msr_answer no_tsx_write(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	return host ? MSR_UNKNOWN : MSR_GP;
}

#define AMD	.flags = MSR_AMD
#define INTEL	.flags = MSR_INTEL
#define KEEPS(m) .place = MSR_PLACE(msr.m)

static const struct msr_row rows[] = {
	/* of the model: what the VMM chose, what the guest may see */
	{ 0x08b, .flags = MSR_AMD | MSR_GUEST_DROPS, .reset = UCODE_AMD, KEEPS(microcode) },
	{ 0x08b, .flags = MSR_INTEL | MSR_GUEST_DROPS, .reset = UCODE_INTEL, KEEPS(microcode) },
	{ 0x0ce, .flags = MSR_HOST_WRITES, .reset = PLATFORM_CPUID_FAULTS, KEEPS(platform_info),
	  .get = get_platform_info, .set = set_platform_info },
	{ 0x10a, .flags = MSR_HOST_WRITES, .needs = CPUID_ARCH_CAPABILITIES,
	  .reset = KVM_ARCH_CAPABILITIES, KEEPS(arch_capabilities) },
	{ 0x140, KEEPS(misc_features), .reserved = ~CPUID_FAULTS, .set = set_misc_features },
	{ 0x1a0, .reset = MISC_ENABLE_RESET, KEEPS(misc_enable), .set = set_misc_enable },
	{ 0x345, .flags = MSR_HOST_WRITES, .needs = CPUID_PDCM, .reserved = ~0ull },
	{ 0xc0010015, KEEPS(hwcr), .reserved = ~(HWCR_ALLOWED | HWCR_IGNORED),
	  .ignored = HWCR_IGNORED },
	{ 0xc0011029, AMD, KEEPS(de_cfg), .reserved = ~DE_CFG_LFENCE },

	/* switches */
	{ 0x034, .flags = MSR_HOST_WRITES, KEEPS(smi_count) },
	{ 0x03a, INTEL, KEEPS(feature_control), .set = set_feature_control },
	{ 0x048, .get = get_spec_ctrl, .set = set_spec_ctrl, KEEPS(spec_ctrl) },
	{ 0x049, .flags = MSR_NO_READ, .set = set_pred_cmd },
	{ 0x10b, .flags = MSR_NO_READ, .needs = CPUID_FLUSH_L1D, .reserved = ~1ull,
	  .set = set_flush_cmd },
	{ 0x0e1, INTEL, .needs = CPUID_WAITPKG, KEEPS(umwait_control),
	  .reserved = ~0xffffffffull | BIT(1) },
	{ 0x122, INTEL, .get = no_tsx, .set = no_tsx_write },
	{ 0x1c4, 0x1c5, .needs = CPUID_XFD, .reserved = ~0ull },	/* XFD, XFD_ERR */
	{ 0x1d9, INTEL, .reserved = ~DEBUGCTL_LBR_BTF, .ignored = DEBUGCTL_LBR_BTF },
	{ 0x1d9, .flags = MSR_AMD | MSR_DROPS },
	{ 0x1fc, KEEPS(power_ctl) },
	{ 0xc0000104, AMD, .get = get_tsc_ratio, .set = set_tsc_ratio },
	{ 0xc0010114, AMD, KEEPS(vm_cr), .reserved = ~VM_CR_ALLOWED, .set = set_vm_cr },
	{ 0xc0010115, .flags = MSR_AMD | MSR_NO_READ | MSR_DROPS },	/* VM_IGNNE */
	{ 0xc0010117, AMD, KEEPS(hsave_pa), .set = set_hsave_pa },
	{ 0xc0010117, .flags = MSR_INTEL | MSR_DROPS },
	{ 0xc001011f, AMD, .needs = CPUID_VIRT_SSBD, KEEPS(virt_spec_ctrl), .reserved = ~BIT(2) },
	{ 0xc0010140, 0xc0010141, .get = get_osvw, .set = set_osvw },

	/* of features that this processor has not */
	{ 0x08c, 0x08f, INTEL, .needs = CPUID_SGX_LC, KEEPS(sgx_hash) },
	{ 0x09e, .flags = MSR_REFUSES },				/* SMBASE */
	{ 0x480, 0x491, .flags = MSR_INTEL | MSR_REFUSES },		/* VMX */
	{ 0x560, 0x561, .flags = MSR_INTEL | MSR_REFUSES },		/* processor trace */
	{ 0x570, 0x572, .flags = MSR_INTEL | MSR_REFUSES },
	{ 0x580, 0x587, .flags = MSR_INTEL | MSR_REFUSES },
	{ 0xd90, .flags = MSR_INTEL | MSR_REFUSES },			/* BNDCFGS */

	/* counters: nothing counts, so they read 0 and take anything */
	{ 0x0c1, 0x0c2, .flags = MSR_DROPS },
	{ 0x186, 0x187, .flags = MSR_DROPS },
	{ 0xc0010000, 0xc0010007, .flags = MSR_DROPS },

	/* read as constants, written by old guests */
	{ 0x017, .flags = MSR_NO_WRITE },				/* PLATFORM_ID */
	{ 0x02a, .flags = MSR_NO_WRITE },				/* EBL_CR_POWERON */
	{ 0x02c, .flags = MSR_NO_WRITE, .reset = BIT(24) },		/* EBC_FREQUENCY_ID */
	{ 0x079, .flags = MSR_NO_READ | MSR_DROPS },			/* microcode update */
	{ 0x0cd, .flags = MSR_NO_WRITE, .reset = 3 },			/* FSB_FREQ */
	{ 0x11e, .flags = MSR_DROPS, .reset = 0xbe702111 },		/* BBL_CR_CTL3 */
	{ 0x198, .flags = MSR_NO_WRITE, .reset = 1000 | 4ull << 40 },	/* PERF_STATUS */
	{ 0x199, .flags = MSR_NO_WRITE },				/* PERF_CTL */
	{ 0x1db, 0x1de, .flags = MSR_NO_WRITE },			/* last branch, interrupt */
	{ 0x606, .flags = MSR_NO_WRITE },				/* energy */
	{ 0x611, .flags = MSR_NO_WRITE },
	{ 0x619, .flags = MSR_NO_WRITE },
	{ 0x639, .flags = MSR_NO_WRITE },
	{ 0x641, .flags = MSR_NO_WRITE },
	{ 0xc0010010, .flags = MSR_NO_WRITE },				/* SYSCFG */
	{ 0xc001001b, .flags = MSR_DROPS, .reset = 0x20000000 },	/* CLK_CTL */
	{ 0xc001001f, .flags = MSR_DROPS },				/* NB_CFG */
	{ 0xc0010020, .flags = MSR_NO_READ | MSR_DROPS },		/* PATCH_LOADER */
	{ 0xc0010055, .flags = MSR_NO_WRITE },				/* INT_PENDING_MSG */
	{ 0xc0010058, .reserved = ~0ull },				/* MMIO_CONF_BASE */
	{ 0xc0010112, 0xc0010113, .flags = MSR_NO_WRITE },		/* TSEG */
	{ 0xc0011021, .flags = MSR_AMD | MSR_NO_WRITE, .get = get_ic_cfg },
	{ 0xc0011022, 0xc0011023, .flags = MSR_DROPS },			/* DC_CFG, TW_CFG */
	{ 0xc001102a, .flags = MSR_DROPS },				/* BU_CFG2 */
	{ 0xc001102c, .flags = MSR_DROPS },				/* EX_CFG */
};

const struct msr_table msr_platform = { rows, ARRAY_SIZE(rows) };

/*
 * Without KVM_X86_QUIRK_STUFF_FEATURE_MSRS a new vCPU's feature registers are
 * empty until the VMM fills them in.
 */
void vcpu_clear_feature_msrs(struct vcpu *v)
{
	v->msr.arch_capabilities = 0;
	v->msr.platform_info = 0;
	v->msr.microcode = 0;
	v->msr.de_cfg = 0;
}

int vcpu_get_feature_msr(const struct kvm_module *module, uint32_t index, uint64_t *value)
{
	bool amd = hw_config(module->hw)->vendor == HW_VENDOR_AMD;

	*value = 0;
	switch (index) {
	case 0x10a:
		*value = KVM_ARCH_CAPABILITIES;
		return MSR_OK;
	case 0x345:
		return MSR_OK;
	case 0x8b:
		*value = amd ? UCODE_AMD : UCODE_INTEL;
		return MSR_OK;
	case 0x480 ... 0x491:
		if (!amd)
			return MSR_GP;	/* no nested virtualization */
		break;
	case 0xc0011029:
		if (amd) {
			*value = DE_CFG_LFENCE;
			return MSR_OK;
		}
	}
	if (msr_is_listed(module, index))
		return MSR_OK;
	return module->params.ignore_msrs ? MSR_OK : MSR_UNKNOWN;
}
