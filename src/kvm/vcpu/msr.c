/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr.c - one access to a model-specific register, by the guest or the host.
 */
#include "kvm/vcpu/msr.h"

#include <string.h>

#include "kvm/core/request.h"
#include "kvm/vcpu/irq.h"
#include "kvm/vcpu/msr_filter.h"
#include "kvm/vcpu/protected.h"

static const struct msr_table *const tables[] = {
	&msr_machine, &msr_time, &msr_platform, &msr_memory, &msr_mce, &msr_pv,
};

static enum hw_vendor vendor_of(const struct vcpu *v)
{
	return hw_config(v->base.kvm->module->hw)->vendor;
}

static bool row_exists(const struct msr_row *r, enum hw_vendor vendor)
{
	if (r->flags & MSR_AMD)
		return vendor == HW_VENDOR_AMD;
	if (r->flags & MSR_INTEL)
		return vendor == HW_VENDOR_INTEL;
	return true;
}

static const struct msr_row *find(const struct vcpu *v, uint32_t index)
{
	enum hw_vendor vendor = vendor_of(v);

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (unsigned i = 0; i < tables[t]->nr; i++) {
			const struct msr_row *r = &tables[t]->rows[i];

			if (index >= r->first && index <= MAX(r->first, r->last) &&
			    row_exists(r, vendor))
				return r;
		}
	}
	return NULL;
}

static uint64_t *place_of(struct vcpu *v, const struct msr_row *r, uint32_t index)
{
	return (uint64_t *)(void *)((char *)v + r->place) + (index - r->first);
}

void vcpu_msrs_reset(struct vcpu *v)
{
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (unsigned i = 0; i < tables[t]->nr; i++) {
			const struct msr_row *r = &tables[t]->rows[i];

			if (!r->place || !row_exists(r, vendor_of(v)))
				continue;
			for (uint32_t n = r->first; n <= MAX(r->first, r->last); n++)
				*place_of(v, r, n) = r->reset;
		}
	}
}

uint64_t msr_canonical(const struct vcpu *v, uint64_t a)
{
	bool wide = hw_cpuid(v->base.kvm->module->hw, 7, 0).ecx & BIT(16);	/* LA57 */
	unsigned unused = wide ? 7 : 16;

	return (uint64_t)((int64_t)(a << unused) >> unused);
}

#define X2APIC_FIRST	0x800u
#define X2APIC_LAST	0x8ffu

static bool is_x2apic_msr(uint32_t index)
{
	return index >= X2APIC_FIRST && index <= X2APIC_LAST;
}

static bool reaches_x2apic(const struct vcpu *v)
{
	return v->base.lapic && (v->apic_base & LAPIC_BASE_X2APIC);
}

static enum msr_answer get_x2apic(struct vcpu *v, uint32_t reg, uint64_t *value)
{
	return reaches_x2apic(v) && lapic_x2_read(v->base.lapic, reg, value) ? MSR_OK : MSR_GP;
}

/* TPR is CR8 by another name. */
static enum msr_answer set_x2apic(struct vcpu *v, uint32_t reg, uint64_t value)
{
	if (!reaches_x2apic(v) || !lapic_x2_write(v->base.lapic, reg, value))
		return MSR_GP;
	if (reg == LAPIC_TPR)
		vcpu_tpr_written(v);
	return MSR_OK;
}

static bool lacks(const struct vcpu *v, const struct msr_row *r, bool host)
{
	return !host && r->needs && !vcpu_has_feature(v, r->needs);
}

/* What a SEV-ES guest writes by itself is in its VMSA, and nobody else's. */
static bool is_guests_own(const struct vcpu *v, uint32_t index)
{
	int bit = svm_msrpm_bit(index);

	if (!vcpu_is_es(v) || !vcpu_has_old_state(v) || bit < 0)
		return false;
	bit++;
	return !(v->svm.msrpm[bit / 8] >> bit % 8 & 1);
}

static enum msr_answer answer_of_guests_own(const struct vcpu *v)
{
	return vcpu_hides_state(v) ? MSR_GP : MSR_OK;
}

static enum msr_answer get(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	const struct msr_row *r;

	if (is_guests_own(v, index)) {
		*value = 0;
		return answer_of_guests_own(v);
	}
	if (is_x2apic_msr(index))
		return get_x2apic(v, (index - X2APIC_FIRST) << 4, value);
	r = find(v, index);
	if (!r || (r->flags & MSR_NO_READ))
		return MSR_UNKNOWN;
	if ((r->flags & MSR_REFUSES) || lacks(v, r, host))
		return MSR_GP;
	if (r->get)
		return r->get(v, index, host, value);
	*value = r->place ? *place_of(v, r, index) : r->reset;
	return MSR_OK;
}

static enum msr_answer set(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	const struct msr_row *r;

	if (is_guests_own(v, index))
		return answer_of_guests_own(v);
	if (is_x2apic_msr(index))
		return set_x2apic(v, (index - X2APIC_FIRST) << 4, value);
	r = find(v, index);
	if (!r || (r->flags & MSR_NO_WRITE))
		return MSR_UNKNOWN;
	if ((r->flags & MSR_REFUSES) || lacks(v, r, host))
		return MSR_GP;
	if ((r->flags & MSR_HOST_WRITES) && !host)
		return MSR_GP;
	if ((r->flags & MSR_DROPS) || ((r->flags & MSR_GUEST_DROPS) && !host))
		return MSR_OK;
	value &= ~r->ignored;
	if (value & r->reserved)
		return MSR_GP;
	if ((r->flags & MSR_CANONICAL) && msr_canonical(v, value) != value)
		return MSR_GP;
	if (r->set)
		return r->set(v, index, host, value);
	if (r->place)
		*place_of(v, r, index) = value;
	return MSR_OK;
}

/*
 * Nobody's register: the host may read, and write 0 to, all that KVM lists;
 * with ignore_msrs anybody may touch any.
 */
static int if_unknown(const struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (host && !value && msr_is_listed(v->base.kvm->module, index))
		return MSR_OK;
	return v->base.kvm->module->params.ignore_msrs ? MSR_OK : MSR_UNKNOWN;
}

int vcpu_get_msr(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	enum msr_answer a = !host && !msr_filter_allows(v->base.kvm, index, KVM_MSR_FILTER_READ) ?
			    MSR_FILTERED : get(v, index, host, value);

	if (a != MSR_OK)
		*value = 0;
	return a == MSR_UNKNOWN ? if_unknown(v, index, host, 0) : (int)a;
}

/* What defines the model may only be given the value that it has. */
static bool would_change_model(struct vcpu *v, uint32_t index, uint64_t value)
{
	uint64_t is;

	return v->has_run && msr_is_immutable(index) &&
	       (vcpu_get_msr(v, index, true, &is) || is != value);
}

int vcpu_set_msr(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	enum msr_answer a;

	if (!host && !msr_filter_allows(v->base.kvm, index, KVM_MSR_FILTER_WRITE))
		return MSR_FILTERED;
	if (host && would_change_model(v, index, value))
		return MSR_GP;
	a = set(v, index, host, value);
	return a == MSR_UNKNOWN ? if_unknown(v, index, host, value) : (int)a;
}
