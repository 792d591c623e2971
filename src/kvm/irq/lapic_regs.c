/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lapic_regs.c - the guest's accesses to its local APIC, register by register.
 */
#include <string.h>

#include "base/bits.h"
#include "kvm/core/request.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/lapic_priv.h"

#define SVR_DIRECTED_EOI	BIT(12)
#define SVR_BITS	0x3ffu
#define LVT_BITS	(LAPIC_LVT_MASKED | BIT(12) | 0xff)
#define LVT_LINT	(LVT_BITS | LVT_MODE | BIT(13) | BIT(14) | BIT(15))
#define LVT_TSC_DEADLINE BIT(18)
#define LVT_PERIODIC	BIT(17)
#define ICR_BUSY	BIT(12)
#define ICR_LOGICAL	BIT(11)
#define ICR_ASSERT	BIT(14)
#define ICR_LEVEL	BIT(15)
#define ICR_SHORTHAND	(3u << 18)
/* Bits 31:20, 17:16 and 13 are reserved in x2APIC mode. */
#define X2_ICR_RESERVED	(0xfff00000ull | 3ull << 16 | BIT(13))

/* Read-only and read-write registers; ARBPRI, DFR and ICR2 do not exist in x2APIC mode. */
static bool is_readable(const struct lapic *apic, uint32_t reg)
{
	switch (reg) {
	case LAPIC_ID: case LAPIC_VERSION: case LAPIC_TPR: case LAPIC_PPR: case LAPIC_LDR:
	case LAPIC_SVR: case LAPIC_ESR: case LAPIC_ICR: case LAPIC_TMICT: case LAPIC_TMCCT:
	case LAPIC_TDCR:
		return true;
	case LAPIC_ARBPRI: case LAPIC_DFR: case LAPIC_ICR2:
		return !lapic_is_x2(apic);
	case LAPIC_LVT_CMCI:
		return apic->nr_lvt > 6;
	default:
		return (reg >= LAPIC_ISR && reg < LAPIC_ESR) ||
		       (reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR);
	}
}

static void report_tpr(struct lapic *apic, bool is_write)
{
	struct kvm_run *run = apic->vcpu->run;

	if (likely(!apic->tpr_rip))
		return;
	kvm_make_request(KVM_REQ_REPORT_TPR_ACCESS, apic->vcpu);
	run->tpr_access.rip = *apic->tpr_rip;
	run->tpr_access.is_write = is_write;
}

/* False: no such register. */
static bool read_reg(struct lapic *apic, uint32_t reg, uint32_t *value)
{
	if (!is_readable(apic, reg))
		return false;
	if (reg == LAPIC_PPR)
		lapic_update_ppr(apic);
	if (reg == LAPIC_TPR)
		report_tpr(apic, false);
	if (reg == LAPIC_ARBPRI)
		*value = 0;
	else
		*value = reg == LAPIC_TMCCT ? lapic_timer_count(apic) : lapic_get(apic, reg);
	return true;
}

static void write_svr(struct lapic *apic, uint32_t value)
{
	uint32_t bits = SVR_BITS;

	if (lapic_get(apic, LAPIC_VERSION) & VERSION_DIRECTED_EOI)
		bits |= SVR_DIRECTED_EOI;
	lapic_set_svr(apic, value & bits);
	if (value & LAPIC_SVR_ENABLED)
		return;
	for (unsigned i = 0; i < apic->nr_lvt; i++)
		lapic_put(apic, lapic_lvt_reg(i), lapic_get(apic, lapic_lvt_reg(i)) | LAPIC_LVT_MASKED);
	lapic_timer_mode_written(apic);
	atomic32_store(&apic->timer.pending, 0);
}

static void write_lvt(struct lapic *apic, uint32_t reg, uint32_t value)
{
	uint32_t bits = LVT_BITS;

	if (reg == LAPIC_LVT_TIMER)
		bits |= LVT_PERIODIC | (apic->timer.deadline_allowed ? LVT_TSC_DEADLINE : 0);
	else if (reg == LAPIC_LVT_LINT0 || reg == LAPIC_LVT_LINT1)
		bits = LVT_LINT;
	else if (reg != LAPIC_LVT_ERROR)
		bits |= LVT_MODE;
	if (!lapic_sw_enabled(apic))
		value |= LAPIC_LVT_MASKED;
	lapic_put(apic, reg, value & bits);
	if (reg == LAPIC_LVT_TIMER)
		lapic_timer_mode_written(apic);
}

static void send_ipi(struct lapic *apic, uint32_t low, uint32_t high)
{
	struct lapic_irq irq = {
		.vector = (uint8_t)low,
		.delivery = low & LVT_MODE,
		.logical = low & ICR_LOGICAL,
		.level = low & ICR_ASSERT,
		.trig_level = low & ICR_LEVEL,
		.shorthand = low & ICR_SHORTHAND,
		.dest = lapic_is_x2(apic) ? high : high >> 24,
	};

	TRACE(apic->vcpu->kvm->module->trace, kvm_apic_ipi, irq.dest, irq.vector, low >> 8 & 7,
	      irq.logical, irq.level, irq.trig_level, low >> 18 & 3);
	(void)irq_deliver(apic->vcpu->kvm, apic, &irq);
}

/* Registers that only one of the two modes lets be written. */
static bool write_by_mode(struct lapic *apic, uint32_t reg, uint32_t value)
{
	bool x2 = lapic_is_x2(apic);

	switch (reg) {
	case LAPIC_ID:
		if (!x2)
			lapic_put_mapped(apic, LAPIC_ID, value & 0xff000000);
		return !x2;
	case LAPIC_LDR:
		if (!x2)
			lapic_put_mapped(apic, LAPIC_LDR, value & 0xff000000);
		return !x2;
	case LAPIC_DFR:
		if (!x2)
			lapic_put_mapped(apic, LAPIC_DFR, value | 0x0fffffff);
		return !x2;
	case LAPIC_ICR2:
		if (!x2)
			lapic_put(apic, LAPIC_ICR2, value & 0xff000000);
		return !x2;
	case LAPIC_SELF_IPI:
		if (!x2 || (value & ~0xffu))
			return false;
		send_ipi(apic, LAPIC_TO_SELF | value, 0);
		return true;
	default:
		return false;
	}
}

/* False: no such register, or not to be written so. */
static bool write_reg(struct lapic *apic, uint32_t reg, uint32_t value)
{
	switch (reg) {
	case LAPIC_TPR:
		report_tpr(apic, true);
		lapic_set_tpr(apic, (uint8_t)value);
		return true;
	case LAPIC_EOI:
		lapic_set_eoi(apic);
		return true;
	case LAPIC_SVR:
		write_svr(apic, value);
		return true;
	case LAPIC_ICR:
		value &= ~(uint32_t)ICR_BUSY;
		send_ipi(apic, value, lapic_get(apic, LAPIC_ICR2));
		lapic_put(apic, LAPIC_ICR, value);
		return true;
	case LAPIC_LVT_CMCI:
		if (apic->nr_lvt <= 6)
			return false;
		/* fall through */
	case LAPIC_LVT_TIMER: case LAPIC_LVT_THERMAL: case LAPIC_LVT_PERF:
	case LAPIC_LVT_LINT0: case LAPIC_LVT_LINT1: case LAPIC_LVT_ERROR:
		write_lvt(apic, reg, value);
		return true;
	case LAPIC_TMICT:
		if (atomic32_load_relaxed(&apic->timer.mode) == LAPIC_TSC_DEADLINE)
			return true;
		lapic_timer_stop(apic);
		lapic_put(apic, LAPIC_TMICT, value);
		lapic_timer_restart(apic, LAPIC_TMICT);
		return true;
	case LAPIC_TDCR:
		lapic_put(apic, LAPIC_TDCR, value & 0xb);
		lapic_timer_divide_written(apic, true);
		return true;
	case LAPIC_ESR:
		return !lapic_is_x2(apic) || !value;
	default:
		return write_by_mode(apic, reg, value);
	}
}

void lapic_read(struct lapic *apic, uint32_t offset, unsigned len, void *data)
{
	uint32_t word, at = offset & 0xf;

	memset(data, 0, len);
	if (at + len > sizeof(word) || !read_reg(apic, offset & 0xff0, &word))
		return;
	TRACE(apic->vcpu->kvm->module->trace, kvm_apic, 0, offset & 0xff0, word);
	word >>= 8 * at;
	memcpy(data, &word, len);
}

void lapic_write(struct lapic *apic, uint32_t offset, unsigned len, const void *data)
{
	uint32_t value;

	if (len != sizeof(value) || (offset & 0xf))
		return;
	memcpy(&value, data, sizeof(value));
	TRACE(apic->vcpu->kvm->module->trace, kvm_apic, 1, offset & 0xff0, value);
	(void)write_reg(apic, offset & 0xff0, value);
	apic_map_update(apic->vcpu->kvm);
}

bool lapic_x2_read(struct lapic *apic, uint32_t reg, uint64_t *value)
{
	uint32_t low;

	if (reg > LAPIC_SELF_IPI || !read_reg(apic, reg, &low))
		return false;
	TRACE(apic->vcpu->kvm->module->trace, kvm_apic, 0, reg, low);
	*value = low;
	if (reg == LAPIC_ICR)
		*value |= (uint64_t)lapic_get(apic, LAPIC_ICR2) << 32;
	return true;
}

static bool x2_write_icr(struct lapic *apic, uint64_t value)
{
	if (value & X2_ICR_RESERVED)
		return false;
	value &= ~ICR_BUSY;
	send_ipi(apic, (uint32_t)value, value >> 32);
	lapic_put(apic, LAPIC_ICR, (uint32_t)value);
	lapic_put(apic, LAPIC_ICR2, value >> 32);
	return true;
}

bool lapic_x2_write(struct lapic *apic, uint32_t reg, uint64_t value)
{
	bool ok;

	TRACE(apic->vcpu->kvm->module->trace, kvm_apic, 1, reg, value);
	if (reg == LAPIC_ICR)
		return x2_write_icr(apic, value);
	if (reg > LAPIC_SELF_IPI || value >> 32)
		return false;
	ok = write_reg(apic, reg, (uint32_t)value);
	apic_map_update(apic->vcpu->kvm);
	return ok;
}
