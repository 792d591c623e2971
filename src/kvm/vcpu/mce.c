/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mce.c - machine checks: banks of registers, and errors that the VMM reports.
 * SDM vol. 3B chapter 16; kvm/api.rst, KVM_X86_SET_MCE.
 */
#include "kvm/vcpu/mce.h"

#include <errno.h>

#include "kvm/core/request.h"
#include "kvm/vcpu/msr.h"

#define CAP_CTL_P	BIT(8)		/* MCG_CTL is there */
#define CAP_CMCI_P	BIT(10)
#define CAP_SER_P	BIT(24)
#define CAP_LMCE_P	BIT(27)
#define CAP_BANKS	0xffull
#define CAP_EXT_CNT	0xff0000ull

#define STATUS_MCIP	BIT(2)		/* of MCG_STATUS */

#define BANK_VAL	BIT(63)		/* of MCi_STATUS */
#define BANK_OVER	BIT(62)
#define BANK_UC		BIT(61)
#define BANK_PCC	BIT(57)
#define BANK_S		BIT(56)
#define BANK_AR		BIT(55)

#define CTL2_CMCI_EN	BIT(30)
#define CTL2_THRESHOLD	0x7fffull

#define HWCR_MC_STATUS_WRITES BIT(18)
#define FEAT_CTL_LMCE	BIT(20)

#define BANK0		0x400u		/* CTL, STATUS, ADDR, MISC of each */
#define BANK0_CTL2	0x280u
enum { CTL, STATUS, ADDR, MISC };

uint64_t kvm_mce_cap_supported(const struct kvm_module *module)
{
	uint64_t cap = CAP_CTL_P | CAP_SER_P;

	if (hw_config(module->hw)->vendor == HW_VENDOR_INTEL)
		cap |= CAP_LMCE_P | CAP_CMCI_P;
	return cap;
}

static unsigned nr_banks(const struct vcpu *v)
{
	return v->msr.mcg_cap & CAP_BANKS;
}

static enum msr_answer get_mcg_ctl(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = v->msr.mcg_ctl;
	return host || (v->msr.mcg_cap & CAP_CTL_P) ? MSR_OK : MSR_GP;
}

static enum msr_answer set_mcg_ctl(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (!(v->msr.mcg_cap & CAP_CTL_P) && (value || !host))
		return MSR_GP;
	if (value && value != ~0ull)
		return MSR_GP;
	v->msr.mcg_ctl = value;
	return MSR_OK;
}

static enum msr_answer get_bank(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	if (index - BANK0 >= 4 * nr_banks(v))
		return MSR_GP;
	*value = v->msr.mce_banks[index - BANK0];
	return MSR_OK;
}

/* Linux clears bit 10 of bank 4's and others bit 0: known, and let pass. */
static bool is_bank_control(uint64_t value)
{
	return !value || (value | BIT(10) | BIT(0)) == ~0ull;
}

static bool may_set_status(const struct vcpu *v)
{
	return !vcpu_is_intel_compatible(v) && (v->msr.hwcr & HWCR_MC_STATUS_WRITES);
}

static enum msr_answer set_bank(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	unsigned which = (index - BANK0) % 4;

	if (index - BANK0 >= 4 * nr_banks(v))
		return MSR_GP;
	if (which == CTL && !is_bank_control(value))
		return MSR_GP;
	if (which == STATUS && !host && value && !may_set_status(v))
		return MSR_GP;
	v->msr.mce_banks[index - BANK0] = value;
	return MSR_OK;
}

static enum msr_answer get_ctl2(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	if (index - BANK0_CTL2 >= nr_banks(v) || (!host && !(v->msr.mcg_cap & CAP_CMCI_P)))
		return MSR_GP;
	*value = v->msr.mce_ctl2[index - BANK0_CTL2];
	return MSR_OK;
}

static enum msr_answer set_ctl2(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (index - BANK0_CTL2 >= nr_banks(v) ||
	    (!(v->msr.mcg_cap & CAP_CMCI_P) && (value || !host)))
		return MSR_GP;
	if (value & ~(CTL2_CMCI_EN | CTL2_THRESHOLD))
		return MSR_GP;
	v->msr.mce_ctl2[index - BANK0_CTL2] = value;
	return MSR_OK;
}

static bool may_use_ext_ctl(const struct vcpu *v, bool host)
{
	return host || (v->msr.feature_control & FEAT_CTL_LMCE);
}

static enum msr_answer get_ext_ctl(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = v->msr.mcg_ext_ctl;
	return may_use_ext_ctl(v, host) ? MSR_OK : MSR_GP;
}

static enum msr_answer set_ext_ctl(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (!may_use_ext_ctl(v, host))
		return MSR_GP;
	v->msr.mcg_ext_ctl = value;
	return MSR_OK;
}

static const struct msr_row rows[] = {
	{ 0x000, 0x001, .flags = MSR_NO_WRITE },	/* the Pentium's */
	{ 0x179, .flags = MSR_NO_WRITE, .reset = VCPU_MAX_MCE_BANKS,
	  .place = MSR_PLACE(msr.mcg_cap) },
	{ 0x17a, .place = MSR_PLACE(msr.mcg_status) },
	{ 0x17b, .place = MSR_PLACE(msr.mcg_ctl), .get = get_mcg_ctl, .set = set_mcg_ctl },
	{ BANK0_CTL2, BANK0_CTL2 + VCPU_MAX_MCE_BANKS - 1, .place = MSR_PLACE(msr.mce_ctl2),
	  .get = get_ctl2, .set = set_ctl2 },
	{ BANK0, BANK0 + 4 * VCPU_MAX_MCE_BANKS - 1, .place = MSR_PLACE(msr.mce_banks),
	  .get = get_bank, .set = set_bank },
	{ 0x4d0, .flags = MSR_INTEL, .place = MSR_PLACE(msr.mcg_ext_ctl), .reserved = ~1ull,
	  .get = get_ext_ctl, .set = set_ext_ctl },
};

const struct msr_table msr_mce = { rows, ARRAY_SIZE(rows) };

int vcpu_setup_mce(struct vcpu *v, uint64_t cap)
{
	unsigned banks = cap & CAP_BANKS;

	if (!banks || banks > VCPU_MAX_MCE_BANKS)
		return -EINVAL;
	if (cap & ~(kvm_mce_cap_supported(v->base.kvm->module) | CAP_BANKS | CAP_EXT_CNT))
		return -EINVAL;
	v->msr.mcg_cap = cap;
	if (v->base.lapic)
		lapic_set_cmci(v->base.lapic, cap & CAP_CMCI_P);
	if (cap & CAP_CTL_P)
		v->msr.mcg_ctl = ~0ull;
	for (unsigned i = 0; i < banks; i++) {
		v->msr.mce_banks[4 * i + CTL] = ~0ull;
		if (cap & CAP_CMCI_P)
			v->msr.mce_ctl2[i] = 0;
	}
	return 0;
}

bool vcpu_has_lmce(const struct vcpu *v)
{
	return v->msr.mcg_cap & CAP_LMCE_P;
}

static void fill_bank(uint64_t *bank, const struct kvm_x86_mce *mce, uint64_t status)
{
	bank[STATUS] = status;
	bank[ADDR] = mce->addr;
	bank[MISC] = mce->misc;
}

/* Uncorrected, no action: never an exception. */
static bool is_ucna(const struct kvm_x86_mce *mce)
{
	return !mce->mcg_status && !(mce->status & (BANK_PCC | BANK_S | BANK_AR)) &&
	       (mce->status & BANK_VAL) && (mce->status & BANK_UC);
}

static void uncorrected(struct vcpu *v, uint64_t *bank, const struct kvm_x86_mce *mce)
{
	/* Reporting is switched off as a whole, or for this bank. */
	if (((v->msr.mcg_cap & CAP_CTL_P) && v->msr.mcg_ctl != ~0ull) || bank[CTL] != ~0ull)
		return;
	if ((v->msr.mcg_status & STATUS_MCIP) || !(v->state.cr4 & X86_CR4_MCE)) {
		kvm_make_request(KVM_REQ_TRIPLE_FAULT, &v->base);
		return;
	}
	fill_bank(bank, mce, mce->status | (bank[STATUS] & BANK_VAL ? BANK_OVER : 0));
	v->msr.mcg_status = mce->mcg_status;
	vcpu_queue_exception(v, X86_MC, false, 0);
}

/* The bank asks for an interrupt; its LVT entry says which. */
static void signal_cmci(struct vcpu *v, uint8_t bank)
{
	if ((v->msr.mcg_cap & CAP_CMCI_P) && (v->msr.mce_ctl2[bank] & CTL2_CMCI_EN) &&
	    v->base.lapic)
		(void)lapic_local_deliver(v->base.lapic, LAPIC_LVT_CMCI);
}

int vcpu_set_mce(struct vcpu *v, const struct kvm_x86_mce *mce)
{
	uint64_t *bank;

	if (mce->bank >= nr_banks(v) || !(mce->status & BANK_VAL))
		return -EINVAL;
	bank = &v->msr.mce_banks[4 * mce->bank];
	if (is_ucna(mce)) {
		fill_bank(bank, mce, mce->status);
		v->msr.mcg_status = mce->mcg_status;
		signal_cmci(v, mce->bank);
	} else if (mce->status & BANK_UC) {
		uncorrected(v, bank, mce);
	} else if (!(bank[STATUS] & BANK_VAL) || !(bank[STATUS] & BANK_UC)) {
		fill_bank(bank, mce, mce->status | (bank[STATUS] & BANK_VAL ? BANK_OVER : 0));
	} else {
		bank[STATUS] |= BANK_OVER;
	}
	return 0;
}
