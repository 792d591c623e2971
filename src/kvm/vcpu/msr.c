/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr.c - model-specific registers: one row each.
 *
 * A register is either a *place* (bytes in struct vcpu), or has functions of
 * its own.  Accesses by the guest and by the host differ only where a row says
 * so.  Names and numbers: SDM vol. 4, APM vol. 2 appendix A, kvm/msr.rst.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/core/request.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/vcpu.h"
#include "os/clock.h"

enum msr_flags {
	MSR_RO		= 1 << 0,	/* guest writes: #GP */
	MSR_CANONICAL	= 1 << 1,
	MSR_SAVED	= 1 << 2,	/* in KVM_GET_MSR_INDEX_LIST */
	MSR_FEATURE	= 1 << 3,	/* in the feature list too */
	MSR_AMD		= 1 << 4,	/* only on that vendor */
	MSR_INTEL	= 1 << 5,
	MSR_FIXED	= 1 << 6,	/* nobody writes it */
	MSR_HOST_WRITES	= 1 << 7,	/* guest writes: nothing happens */
	MSR_MTRR	= 1 << 8,	/* is_mtrr_value() */
};

struct msr_row {
	uint32_t	index;
	uint16_t	flags;
	uint64_t	reset;
	size_t		place;		/* offset in struct vcpu, 0: in msrs[] */
	uint64_t	reserved;	/* bits that must be 0 */
	uint64_t	ignored;	/* bits that are dropped */
	int		(*get)(struct vcpu *v, uint64_t *value);
	int		(*set)(struct vcpu *v, bool host, uint64_t value);
};

#define PLACE(member) offsetof(struct vcpu, member)

static uint64_t canonical(const struct vcpu *v, uint64_t a)
{
	unsigned bits = v->state.cr4 & X86_CR4_LA57 ? 57 : 48;

	return (uint64_t)((int64_t)(a << (64 - bits)) >> (64 - bits));
}

static bool is_canonical(const struct vcpu *v, uint64_t a)
{
	return canonical(v, a) == a;
}

static bool is_amd(const struct vcpu *v)
{
	return hw_config(v->base.kvm->module->hw)->vendor == HW_VENDOR_AMD;
}

static int get_tsc(struct vcpu *v, uint64_t *value)
{
	*value = os_tsc() + v->tsc_offset;
	return 0;
}

static int set_tsc(struct vcpu *v, bool host, uint64_t value)
{
	v->tsc_offset = value - os_tsc();
	return 0;
}

/* The guest moves its clock by moving the adjustment. */
static int set_tsc_adjust(struct vcpu *v, bool host, uint64_t value)
{
	if (!host)
		v->tsc_offset += value - v->tsc_adjust;
	v->tsc_adjust = value;
	return 0;
}

static int set_efer(struct vcpu *v, bool host, uint64_t value)
{
	uint64_t old = v->state.efer;

	if (value & ~kvm_efer_supported(v->base.kvm->module))
		return 1;
	if (!host) {
		if (value & ~vcpu_cpuid_efer_allowed(v))
			return 1;
		if ((v->state.cr0 & X86_CR0_PG) && ((old ^ value) & X86_EFER_LME))
			return 1;
	}
	v->state.efer = (value & ~X86_EFER_LMA) | (old & X86_EFER_LMA);
	if ((old ^ value) & X86_EFER_NX)
		kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	return 0;
}

static int set_apic_base(struct vcpu *v, bool host, uint64_t value)
{
	const struct kvm_cpuid_entry2 *l1 = vcpu_find_cpuid(v, 1, 0);
	bool x2 = l1 && (l1->ecx & BIT(21));
	uint64_t mode = LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC;
	uint64_t was = v->apic_base & mode, now = value & mode;

	if ((value & (vcpu_reserved_gpa_bits(v) | 0x2ff)) || (!x2 && (value & LAPIC_BASE_X2APIC)))
		return 1;
	if (now == LAPIC_BASE_X2APIC)
		return 1;
	if (!host && ((was == mode && now == LAPIC_BASE_ENABLE) || (was == 0 && now == mode)))
		return 1;
	if (v->lapic)
		lapic_mode_changed(v->lapic, v->base.id, v->apic_base, value);
	v->apic_base = value;
	return 0;
}

/* 64-bit SYSENTER is Intel's; AMD takes any value.  Made canonical for both, as KVM does. */
static int set_sysenter_esp(struct vcpu *v, bool host, uint64_t value)
{
	v->state.msr.sysenter_esp = canonical(v, value);
	return 0;
}

static int set_sysenter_eip(struct vcpu *v, bool host, uint64_t value)
{
	v->state.msr.sysenter_eip = canonical(v, value);
	return 0;
}

/* Intel reserves the upper half, AMD ignores it. */
static int set_tsc_aux(struct vcpu *v, bool host, uint64_t value)
{
	if (!is_amd(v) && value >> 32)
		return 1;
	v->state.msr.tsc_aux = (uint32_t)value;
	return 0;
}

static int set_xss(struct vcpu *v, bool host, uint64_t value)
{
	return value != 0;
}

static int get_kernel_gs(struct vcpu *v, uint64_t *value)
{
	*value = v->state.msr.kernel_gs_base;
	return 0;
}

static int set_kernel_gs(struct vcpu *v, bool host, uint64_t value)
{
	v->state.msr.kernel_gs_base = value;
	return 0;
}

/* SDM vol. 3A 12.12.2: each byte is a memory type. */
static int set_pat(struct vcpu *v, bool host, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++) {
		unsigned type = (value >> (8 * i)) & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return 1;
	}
	v->state.msr.pat = value;
	return 0;
}

#define MTRR_DEF_TYPE	0x2ff
#define MTRR_FIXED_LO	0x250
#define MTRR_FIXED_HI	0x26f

static bool is_mtrr_type(unsigned type)
{
	return type < 8 && (0x73 & 1u << type);		/* UC WC WT WP WB */
}

/* SDM vol. 3A 12.11: default type, fixed ranges, base and mask of variable ones. */
static bool is_mtrr_value(const struct vcpu *v, uint32_t index, uint64_t value)
{
	if (index == MTRR_DEF_TYPE)
		return !(value & ~0xcffull) && is_mtrr_type(value & 0xff);
	if (index >= MTRR_FIXED_LO && index <= MTRR_FIXED_HI) {
		for (unsigned i = 0; i < 64; i += 8) {
			if (!is_mtrr_type(value >> i & 0xff))
				return false;
		}
		return true;
	}
	if (index & 1)
		return !(value & (vcpu_reserved_gpa_bits(v) | 0x7ff));
	return is_mtrr_type(value & 0xff) && !(value & (vcpu_reserved_gpa_bits(v) | 0xf00));
}

#define MISC_ENABLE_PMU_RO 0x1800ull
#define MISC_ENABLE_EMON BIT(3)

/* The guest may not change what says that BTS and PEBS are missing; EMON stays. */
static int set_misc_enable(struct vcpu *v, bool host, uint64_t value)
{
	uint64_t old = v->misc_enable;

	if (!host && ((old ^ value) & MISC_ENABLE_PMU_RO))
		return 1;
	v->misc_enable = host ? value : (value & ~MISC_ENABLE_EMON) | (old & MISC_ENABLE_EMON);
	return 0;
}

#define MTRR_CAP	0x508ull	/* 8 variable, fixed, WC */
#define PAT_RESET	0x0007040600070406ull
#define MISC_ENABLE	0x1800ull	/* neither BTS nor PEBS */
#define MCE_BANKS	32
#define UCODE_AMD	0x01000065ull
#define UCODE_INTEL	0x100000000ull
#define HWCR_IGNORED	0x148ull	/* bits that old guests set */
#define FEAT_CTL_LOCKED	BIT(0)
#define CPUID_FAULTING	BIT(0)
#define DEBUGCTL_IGNORED 0x3ull		/* LBR and BTF, not modelled */
#define PLATFORM_INFO	0x80000000ull	/* CPUID faulting may be turned on */

static const struct msr_row rows[] = {
	{ 0x010, MSR_SAVED, .get = get_tsc, .set = set_tsc },
	{ 0x017, MSR_FIXED },				/* PLATFORM_ID */
	{ 0x01b, 0, LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE, PLACE(apic_base),
	  .set = set_apic_base },
	{ 0x03a, MSR_SAVED | MSR_INTEL, .reserved = ~FEAT_CTL_LOCKED },
	{ 0x03b, MSR_SAVED, 0, PLACE(tsc_adjust), .set = set_tsc_adjust },
	{ 0x08b, MSR_SAVED | MSR_FEATURE | MSR_HOST_WRITES | MSR_AMD, UCODE_AMD },
	{ 0x08b, MSR_SAVED | MSR_FEATURE | MSR_HOST_WRITES | MSR_INTEL, UCODE_INTEL },
	{ 0x0ce, MSR_SAVED | MSR_RO, PLATFORM_INFO },
	{ 0x0fe, MSR_FIXED, MTRR_CAP },
	{ 0x10a, MSR_SAVED | MSR_FEATURE | MSR_RO | MSR_INTEL },	/* ARCH_CAPABILITIES */
	{ 0x140, MSR_SAVED, 0, PLACE(misc_features), .reserved = ~CPUID_FAULTING },
	{ 0x174, MSR_SAVED, 0, PLACE(state.msr.sysenter_cs) },
	{ 0x175, MSR_SAVED, 0, PLACE(state.msr.sysenter_esp), .set = set_sysenter_esp },
	{ 0x176, MSR_SAVED, 0, PLACE(state.msr.sysenter_eip), .set = set_sysenter_eip },
	{ 0x179, MSR_FIXED, MCE_BANKS },		/* MCG_CAP */
	{ 0x17a, MSR_SAVED },				/* MCG_STATUS */
	{ 0x1a0, MSR_SAVED, MISC_ENABLE, PLACE(misc_enable), .set = set_misc_enable },
	{ 0x1d9, MSR_SAVED, .reserved = ~DEBUGCTL_IGNORED, .ignored = DEBUGCTL_IGNORED },
	{ 0x250, MSR_MTRR }, { 0x258, MSR_MTRR }, { 0x259, MSR_MTRR }, { 0x268, MSR_MTRR },
	{ 0x269, MSR_MTRR }, { 0x26a, MSR_MTRR }, { 0x26b, MSR_MTRR }, { 0x26c, MSR_MTRR },
	{ 0x26d, MSR_MTRR }, { 0x26e, MSR_MTRR }, { 0x26f, MSR_MTRR },
	{ 0x200, MSR_MTRR }, { 0x201, MSR_MTRR }, { 0x202, MSR_MTRR }, { 0x203, MSR_MTRR },
	{ 0x204, MSR_MTRR }, { 0x205, MSR_MTRR }, { 0x206, MSR_MTRR }, { 0x207, MSR_MTRR },
	{ 0x208, MSR_MTRR }, { 0x209, MSR_MTRR }, { 0x20a, MSR_MTRR }, { 0x20b, MSR_MTRR },
	{ 0x20c, MSR_MTRR }, { 0x20d, MSR_MTRR }, { 0x20e, MSR_MTRR }, { 0x20f, MSR_MTRR },
	{ 0x277, MSR_SAVED, PAT_RESET, PLACE(state.msr.pat), .set = set_pat },
	{ MTRR_DEF_TYPE, MSR_MTRR },
	{ 0xda0, 0, .set = set_xss },			/* XSS */
	{ 0xc0000080, 0, 0, PLACE(state.efer), .set = set_efer },
	{ 0xc0000081, MSR_SAVED, 0, PLACE(state.msr.star) },
	{ 0xc0000082, MSR_SAVED | MSR_CANONICAL, 0, PLACE(state.msr.lstar) },
	{ 0xc0000083, MSR_SAVED | MSR_CANONICAL, 0, PLACE(state.msr.cstar) },
	{ 0xc0000084, MSR_SAVED, 0, PLACE(state.msr.sfmask) },
	{ 0xc0000100, MSR_CANONICAL, 0, PLACE(state.seg[X86_FS].base) },
	{ 0xc0000101, MSR_CANONICAL, 0, PLACE(state.seg[X86_GS].base) },
	{ 0xc0000102, MSR_SAVED | MSR_CANONICAL, .get = get_kernel_gs, .set = set_kernel_gs },
	{ 0xc0000103, MSR_SAVED, 0, PLACE(state.msr.tsc_aux), .set = set_tsc_aux },
	{ 0xc0010010, MSR_AMD | MSR_FIXED },		/* SYSCFG */
	{ 0xc0010015, MSR_SAVED, .reserved = ~(0x1040000ull | HWCR_IGNORED),
	  .ignored = HWCR_IGNORED },
	{ 0xc0010114, MSR_AMD, .reserved = ~0ull },	/* VM_CR */
	{ 0xc0010117, MSR_SAVED | MSR_AMD, .reserved = 0xfff },	/* VM_HSAVE_PA */
	{ 0xc001011f, MSR_SAVED | MSR_AMD, .reserved = ~BIT(2) },	/* VIRT_SPEC_CTRL: SSBD */
	{ 0xc0011029, MSR_FEATURE | MSR_AMD | MSR_HOST_WRITES, 0x2 },	/* DE_CFG: LFENCE serialises */
};

#define NR_ROWS	ARRAY_SIZE(rows)

static bool row_exists(const struct msr_row *r, enum hw_vendor vendor)
{
	if (r->flags & MSR_AMD)
		return vendor == HW_VENDOR_AMD;
	if (r->flags & MSR_INTEL)
		return vendor == HW_VENDOR_INTEL;
	return true;
}

static const struct msr_row *find(const struct kvm_module *module, uint32_t index)
{
	enum hw_vendor vendor = hw_config(module->hw)->vendor;

	for (size_t i = 0; i < NR_ROWS; i++) {
		if (rows[i].index == index && row_exists(&rows[i], vendor))
			return &rows[i];
	}
	return NULL;
}

static uint64_t *place_of(struct vcpu *v, const struct msr_row *r)
{
	if (r->place)
		return (uint64_t *)(void *)((char *)v + r->place);
	return &v->msrs[r - rows];
}

int vcpu_msrs_init(struct vcpu *v)
{
	v->msrs = calloc(NR_ROWS, sizeof(*v->msrs));
	return v->msrs ? 0 : -ENOMEM;
}

void vcpu_msrs_reset(struct vcpu *v)
{
	for (size_t i = 0; i < NR_ROWS; i++) {
		if (!rows[i].get)
			*place_of(v, &rows[i]) = rows[i].reset;
	}
}

#define X2APIC_FIRST	0x800u
#define X2APIC_LAST	0x8ffu

static bool is_x2apic_msr(uint32_t index)
{
	return index >= X2APIC_FIRST && index <= X2APIC_LAST;
}

static bool reaches_x2apic(const struct vcpu *v)
{
	return v->lapic && (v->apic_base & LAPIC_BASE_X2APIC);
}

int vcpu_get_msr(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	const struct msr_row *r = find(v->base.kvm->module, index);

	if (is_x2apic_msr(index))
		return !reaches_x2apic(v) ||
		       !lapic_x2_read(v->lapic, (index - X2APIC_FIRST) << 4, value);
	if (!r) {
		*value = 0;
		return v->base.kvm->module->params.ignore_msrs ? 0 : 1;
	}
	if (r->get)
		return r->get(v, value);
	*value = *place_of(v, r);
	return 0;
}

static bool is_locked(struct vcpu *v, const struct msr_row *r)
{
	return r->index == 0x3a && (*place_of(v, r) & FEAT_CTL_LOCKED);
}

/* TPR is CR8 by another name. */
static int set_x2apic(struct vcpu *v, uint32_t reg, uint64_t value)
{
	if (!reaches_x2apic(v) || !lapic_x2_write(v->lapic, reg, value))
		return 1;
	if (reg == LAPIC_REG_TPR)
		v->state.cr8 = value >> 4 & 0xf;
	return 0;
}

bool vcpu_cpuid_faults(const struct vcpu *v)
{
	return v->misc_features & CPUID_FAULTING;
}

int vcpu_set_msr(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	const struct msr_row *r = find(v->base.kvm->module, index);

	if (is_x2apic_msr(index))
		return set_x2apic(v, (index - X2APIC_FIRST) << 4, value);
	if (!r)
		return v->base.kvm->module->params.ignore_msrs ? 0 : 1;
	if ((r->flags & MSR_FIXED) || ((r->flags & MSR_RO) && !host))
		return 1;
	if ((r->flags & MSR_HOST_WRITES) && !host)
		return 0;
	if (is_locked(v, r) && !host)
		return 1;
	if (value & r->reserved)
		return 1;
	if ((r->flags & MSR_MTRR) && !is_mtrr_value(v, index, value))
		return 1;
	if ((r->flags & MSR_CANONICAL) && !is_canonical(v, value))
		return 1;
	if (r->set)
		return r->set(v, host, value);
	*place_of(v, r) = value & ~r->ignored;
	return 0;
}

static unsigned list_rows(const struct kvm_module *module, unsigned wanted, uint32_t *list,
			  unsigned max)
{
	enum hw_vendor vendor = hw_config(module->hw)->vendor;
	unsigned n = 0;

	for (size_t i = 0; i < NR_ROWS; i++) {
		if (!(rows[i].flags & wanted) || !row_exists(&rows[i], vendor))
			continue;
		if (n < max)
			list[n] = rows[i].index;
		n++;
	}
	return n;
}

unsigned vcpu_msr_list(const struct kvm_module *module, uint32_t *list, unsigned max)
{
	return list_rows(module, MSR_SAVED, list, max);
}

unsigned vcpu_feature_msr_list(const struct kvm_module *module, uint32_t *list, unsigned max)
{
	return list_rows(module, MSR_FEATURE, list, max);
}

int vcpu_get_feature_msr(const struct kvm_module *module, uint32_t index, uint64_t *value)
{
	const struct msr_row *r = find(module, index);

	if (!r || !(r->flags & MSR_FEATURE))
		return -EINVAL;
	*value = r->reset;
	return 0;
}
