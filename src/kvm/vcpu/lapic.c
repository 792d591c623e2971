/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/lapic.h"

#include <string.h>

#define REG_ID		0x020
#define REG_VERSION	0x030
#define REG_PPR		0x0a0
#define REG_DFR		0x0e0
#define REG_SVR		0x0f0
#define REG_ISR		0x100	/* ISR, TMR, IRR: 0x100 to 0x270 */
#define REG_ESR		0x280
#define REG_LVT_TIMER	0x320
#define REG_LVT_ERROR	0x370
#define REG_CURRENT	0x390

#define APIC_VERSION	0x00050014u	/* 6 LVT entries, version 0x14 */
#define LVT_MASKED	0x00010000u

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

void lapic_reset(struct lapic *apic, uint32_t id)
{
	memset(apic->regs, 0, sizeof(apic->regs));
	lapic_put(apic, REG_ID, id << 24);
	lapic_put(apic, REG_VERSION, APIC_VERSION);
	lapic_put(apic, REG_DFR, 0xffffffff);
	lapic_put(apic, REG_SVR, 0xff);
	for (uint32_t r = REG_LVT_TIMER; r <= REG_LVT_ERROR; r += 0x10)
		lapic_put(apic, r, LVT_MASKED);
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
