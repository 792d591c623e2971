/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/lapic.h"

#include <string.h>

#define REG_ID		0x020
#define REG_VERSION	0x030
#define REG_PPR		0x0a0
#define REG_EOI		0x0b0
#define REG_LDR		0x0d0
#define REG_DFR		0x0e0
#define REG_SVR		0x0f0
#define REG_ISR		0x100	/* ISR, TMR, IRR: 0x100 to 0x270 */
#define REG_ESR		0x280
#define REG_ICR		0x300
#define REG_ICR2	0x310
#define REG_LVT_TIMER	0x320
#define REG_LVT_LINT0	0x350
#define REG_LVT_ERROR	0x370
#define REG_INITIAL	0x380
#define REG_CURRENT	0x390
#define REG_DIVIDE	0x3e0
#define REG_SELF_IPI	0x3f0

#define APIC_VERSION	0x00050014u	/* 6 LVT entries, version 0x14 */
#define LVT_MASKED	0x00010000u
#define LVT_EXTINT	0x00000700u

uint32_t lapic_get(const struct lapic *apic, uint32_t reg)
{
	uint32_t v;

	memcpy(&v, apic->regs + reg, sizeof(v));
	return v;
}

void lapic_put(struct lapic *apic, uint32_t reg, uint32_t value)
{
	memcpy(apic->regs + reg, &value, sizeof(value));
}

void lapic_reset(struct lapic *apic, uint32_t id, bool extint)
{
	memset(apic->regs, 0, sizeof(apic->regs));
	lapic_put(apic, REG_ID, id << 24);
	lapic_put(apic, REG_VERSION, APIC_VERSION);
	lapic_put(apic, REG_DFR, 0xffffffff);
	lapic_put(apic, REG_SVR, 0xff);
	for (uint32_t r = REG_LVT_TIMER; r <= REG_LVT_ERROR; r += 0x10)
		lapic_put(apic, r, LVT_MASKED);
	if (extint)
		lapic_put(apic, REG_LVT_LINT0, LVT_EXTINT);
}

/* SDM vol. 3A 11.12.10.2: cluster and one bit in it. */
static uint32_t x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 0xf);
}

void lapic_save(const struct lapic *apic, bool x2, void *state, size_t len)
{
	struct lapic copy = *apic;

	if (x2)
		lapic_put(&copy, REG_ID, lapic_get(apic, REG_ID) << 24);
	memcpy(state, copy.regs, len);
}

void lapic_load(struct lapic *apic, uint32_t id, bool x2, const void *state, size_t len)
{
	memcpy(apic->regs, state, len);
	if (x2) {
		lapic_put(apic, REG_ID, id);
		lapic_put(apic, REG_LDR, x2apic_ldr(id));
	}
	lapic_put(apic, REG_VERSION, APIC_VERSION);
	lapic_put(apic, REG_CURRENT, 0);
}

void lapic_mode_changed(struct lapic *apic, uint32_t id, uint64_t was, uint64_t now)
{
	uint64_t changed = was ^ now;

	if ((changed & LAPIC_BASE_ENABLE) && (now & LAPIC_BASE_ENABLE))
		lapic_put(apic, REG_ID, id << 24);
	if (!(changed & (LAPIC_BASE_X2APIC | LAPIC_BASE_ENABLE)) ||
	    !(now & LAPIC_BASE_X2APIC) || !(now & LAPIC_BASE_ENABLE))
		return;
	lapic_put(apic, REG_ID, id);
	lapic_put(apic, REG_LDR, x2apic_ldr(id));
}

void lapic_read(const struct lapic *apic, uint32_t offset, unsigned len, void *data)
{
	uint32_t word, at = offset & 3;

	memset(data, 0, len);
	if (at + len > sizeof(word))
		return;
	word = lapic_get(apic, offset & 0xffc) >> (8 * at);
	memcpy(data, &word, len);
}

static bool is_read_only(uint32_t reg)
{
	return reg == REG_VERSION || reg == REG_PPR || reg == REG_CURRENT ||
	       (reg >= REG_ISR && reg < REG_ESR);
}

void lapic_write(struct lapic *apic, uint32_t offset, unsigned len, const void *data)
{
	uint32_t value;

	if (len != sizeof(value) || (offset & 0xf) || is_read_only(offset))
		return;
	memcpy(&value, data, sizeof(value));
	lapic_put(apic, offset, value);
}

enum x2_right { X2_NONE, X2_READ, X2_WRITE, X2_BOTH };

static enum x2_right x2_right_of(uint32_t reg)
{
	switch (reg) {
	case REG_ID: case REG_VERSION: case REG_PPR: case REG_LDR: case REG_CURRENT:
		return X2_READ;
	case REG_EOI: case REG_SELF_IPI:
		return X2_WRITE;
	case LAPIC_REG_TPR: case REG_SVR: case REG_ESR: case REG_ICR: case REG_INITIAL:
	case REG_DIVIDE:
		return X2_BOTH;
	default:
		if (reg >= REG_ISR && reg < REG_ESR)
			return X2_READ;
		return reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR ? X2_BOTH : X2_NONE;
	}
}

bool lapic_x2_read(const struct lapic *apic, uint32_t reg, uint64_t *value)
{
	if (!(x2_right_of(reg) & X2_READ))
		return false;
	*value = lapic_get(apic, reg);
	if (reg == REG_ICR)
		*value |= (uint64_t)lapic_get(apic, REG_ICR2) << 32;
	return true;
}

bool lapic_x2_write(struct lapic *apic, uint32_t reg, uint64_t value)
{
	if (!(x2_right_of(reg) & X2_WRITE) || (reg != REG_ICR && value >> 32))
		return false;
	/* The error status is a register of events: only 0 may be written, EOI likewise. */
	if ((reg == REG_ESR || reg == REG_EOI) && value)
		return false;
	lapic_put(apic, reg, (uint32_t)value);
	if (reg == REG_ICR)
		lapic_put(apic, REG_ICR2, value >> 32);
	return true;
}
