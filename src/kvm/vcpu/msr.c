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
};

struct msr_row {
	uint32_t	index;
	uint16_t	flags;
	uint64_t	reset;
	size_t		place;		/* offset in struct vcpu, 0: in msrs[] */
	uint64_t	reserved;	/* bits that must be 0 */
	int		(*get)(struct vcpu *v, uint64_t *value);
	int		(*set)(struct vcpu *v, bool host, uint64_t value);
};

#define PLACE(member) offsetof(struct vcpu, member)

static bool is_canonical(const struct vcpu *v, uint64_t a)
{
	unsigned bits = v->state.cr4 & X86_CR4_LA57 ? 57 : 48;
	int64_t s = (int64_t)(a << (64 - bits)) >> (64 - bits);

	return (uint64_t)s == a;
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

static int set_efer(struct vcpu *v, bool host, uint64_t value)
{
	uint64_t old = v->state.efer;

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

	if ((value >> v->maxphyaddr) || (value & 0x2ff) || (!x2 && (value & LAPIC_BASE_X2APIC)))
		return 1;
	if (now == LAPIC_BASE_X2APIC)
		return 1;
	if (!host && ((was == mode && now == LAPIC_BASE_ENABLE) || (was == 0 && now == mode)))
		return 1;
	v->apic_base = value;
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

#define MTRR_CAP	0x508ull	/* 8 variable, fixed, WC */
#define PAT_RESET	0x0007040600070406ull
#define MISC_ENABLE	0x1ull		/* fast strings */
#define PLATFORM_INFO	0x80000000ull	/* CPUID faulting may be turned on */

static const struct msr_row rows[] = {
	{ 0x010, MSR_SAVED, .get = get_tsc, .set = set_tsc },
	{ 0x017, MSR_RO },				/* PLATFORM_ID */
	{ 0x01b, 0, LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE, PLACE(apic_base),
	  .set = set_apic_base },
	{ 0x03a, MSR_SAVED | MSR_INTEL, .reserved = ~1ull },	/* FEAT_CTL */
	{ 0x03b, MSR_SAVED },				/* TSC_ADJUST */
	{ 0x08b, MSR_FEATURE, 0x100000000ull },		/* UCODE_REV */
	{ 0x0ce, MSR_SAVED | MSR_FEATURE, PLATFORM_INFO, .reserved = ~BIT(31) },
	{ 0x0fe, MSR_RO, MTRR_CAP },
	{ 0x10a, MSR_SAVED | MSR_FEATURE | MSR_RO | MSR_INTEL },	/* ARCH_CAPABILITIES */
	{ 0x140, MSR_SAVED, .reserved = ~1ull },	/* MISC_FEATURES_ENABLES */
	{ 0x174, MSR_SAVED, 0, PLACE(state.msr.sysenter_cs) },
	{ 0x175, MSR_SAVED | MSR_CANONICAL, 0, PLACE(state.msr.sysenter_esp) },
	{ 0x176, MSR_SAVED | MSR_CANONICAL, 0, PLACE(state.msr.sysenter_eip) },
	{ 0x179, MSR_RO, 0x100ull | 32 },		/* MCG_CAP */
	{ 0x17a, MSR_SAVED },				/* MCG_STATUS */
	{ 0x1a0, MSR_SAVED, MISC_ENABLE },		/* MISC_ENABLE */
	{ 0x1d9, MSR_SAVED, .reserved = ~0ull },	/* DEBUGCTL */
	{ 0x250, MSR_SAVED }, { 0x258, MSR_SAVED }, { 0x259, MSR_SAVED },
	{ 0x268, MSR_SAVED }, { 0x269, MSR_SAVED }, { 0x26a, MSR_SAVED }, { 0x26b, MSR_SAVED },
	{ 0x26c, MSR_SAVED }, { 0x26d, MSR_SAVED }, { 0x26e, MSR_SAVED }, { 0x26f, MSR_SAVED },
	{ 0x200, MSR_SAVED }, { 0x201, MSR_SAVED }, { 0x202, MSR_SAVED }, { 0x203, MSR_SAVED },
	{ 0x204, MSR_SAVED }, { 0x205, MSR_SAVED }, { 0x206, MSR_SAVED }, { 0x207, MSR_SAVED },
	{ 0x208, MSR_SAVED }, { 0x209, MSR_SAVED }, { 0x20a, MSR_SAVED }, { 0x20b, MSR_SAVED },
	{ 0x20c, MSR_SAVED }, { 0x20d, MSR_SAVED }, { 0x20e, MSR_SAVED }, { 0x20f, MSR_SAVED },
	{ 0x277, MSR_SAVED, PAT_RESET, PLACE(state.msr.pat), .set = set_pat },
	{ 0x2ff, MSR_SAVED, .reserved = ~0xcffull },	/* MTRR_DEF_TYPE */
	{ 0xda0, MSR_SAVED, .set = set_xss },		/* XSS */
	{ 0xc0000080, 0, 0, PLACE(state.efer), .set = set_efer },
	{ 0xc0000081, MSR_SAVED, 0, PLACE(state.msr.star) },
	{ 0xc0000082, MSR_SAVED | MSR_CANONICAL, 0, PLACE(state.msr.lstar) },
	{ 0xc0000083, MSR_SAVED | MSR_CANONICAL, 0, PLACE(state.msr.cstar) },
	{ 0xc0000084, MSR_SAVED, 0, PLACE(state.msr.sfmask) },
	{ 0xc0000100, MSR_CANONICAL, 0, PLACE(state.seg[X86_FS].base) },
	{ 0xc0000101, MSR_CANONICAL, 0, PLACE(state.seg[X86_GS].base) },
	{ 0xc0000102, MSR_SAVED | MSR_CANONICAL, .get = get_kernel_gs, .set = set_kernel_gs },
	{ 0xc0000103, MSR_SAVED, 0, PLACE(state.msr.tsc_aux), .reserved = ~0xffffffffull },
	{ 0xc0010010, MSR_AMD },			/* SYSCFG */
	{ 0xc0010015, MSR_SAVED | MSR_AMD, .reserved = ~0x1000158ull },	/* HWCR */
	{ 0xc0010114, MSR_AMD },			/* VM_CR */
	{ 0xc0010117, MSR_SAVED | MSR_AMD, .reserved = 0xfff },	/* VM_HSAVE_PA */
	{ 0xc001011f, MSR_SAVED | MSR_AMD },		/* VIRT_SPEC_CTRL */
	{ 0xc0011029, MSR_FEATURE | MSR_AMD, 0x2 },	/* DE_CFG: LFENCE serialises */
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
		if (rows[i].index == index)
			return row_exists(&rows[i], vendor) ? &rows[i] : NULL;
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

int vcpu_get_msr(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	const struct msr_row *r = find(v->base.kvm->module, index);

	if (!r) {
		*value = 0;
		return v->base.kvm->module->params.ignore_msrs ? 0 : 1;
	}
	if (r->get)
		return r->get(v, value);
	*value = *place_of(v, r);
	return 0;
}

int vcpu_set_msr(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	const struct msr_row *r = find(v->base.kvm->module, index);

	if (!r)
		return v->base.kvm->module->params.ignore_msrs ? 0 : 1;
	if ((r->flags & MSR_RO) && !host)
		return 1;
	if (value & r->reserved)
		return 1;
	if ((r->flags & MSR_CANONICAL) && !is_canonical(v, value))
		return 1;
	if (r->set)
		return r->set(v, host, value);
	*place_of(v, r) = value;
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
