/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lapic.h - the local APIC's register page.  Registers hold what is written;
 * timers and delivery are not here yet (docs/caveats.md).  SDM vol. 3A 11.4.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define LAPIC_DEFAULT_BASE	0xfee00000ull
#define LAPIC_BASE_BSP		(1ull << 8)
#define LAPIC_BASE_X2APIC	(1ull << 10)
#define LAPIC_BASE_ENABLE	(1ull << 11)

#define LAPIC_REG_TPR		0x080

struct lapic {
	uint8_t regs[4096];
};

/* State after reset of the processor with APIC id @id. */
void lapic_reset(struct lapic *apic, uint32_t id);

uint32_t lapic_get(const struct lapic *apic, uint32_t reg);
void lapic_put(struct lapic *apic, uint32_t reg, uint32_t value);

/*
 * One access inside the page, as KVM's emulation takes it: reads of 1, 2, 4
 * bytes within an aligned 4; writes of 4 bytes to a register are kept, others
 * dropped.
 */
void lapic_read(const struct lapic *apic, uint32_t offset, unsigned len, void *data);
void lapic_write(struct lapic *apic, uint32_t offset, unsigned len, const void *data);
