/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lapic.h - the local APIC's register page.  Registers hold what is written;
 * timers and delivery are not here yet (docs/caveats.md).  SDM vol. 3A 11.4.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAPIC_DEFAULT_BASE	0xfee00000ull
#define LAPIC_BASE_BSP		(1ull << 8)
#define LAPIC_BASE_X2APIC	(1ull << 10)
#define LAPIC_BASE_ENABLE	(1ull << 11)

#define LAPIC_REG_TPR		0x080

struct lapic {
	uint8_t regs[4096];
};

/*
 * State after reset of the processor with APIC id @id.  @extint: LINT0 lets the
 * PIC's interrupts through (the boot processor's, KVM_X86_QUIRK_LINT0_REENABLED).
 */
void lapic_reset(struct lapic *apic, uint32_t id, bool extint);

/*
 * The registers as KVM_GET_LAPIC shows and KVM_SET_LAPIC takes them: @len is at
 * most a page.  In x2APIC mode (@x2) the id stays as it is and is shown in
 * xAPIC format.  The version is ours, and a timer that counts is not restored.
 */
void lapic_save(const struct lapic *apic, bool x2, void *state, size_t len);
void lapic_load(struct lapic *apic, uint32_t id, bool x2, const void *state, size_t len);

/* IA32_APIC_BASE changes from @was to @now: the id takes the mode's form. */
void lapic_mode_changed(struct lapic *apic, uint32_t id, uint64_t was, uint64_t now);

/*
 * RDMSR and WRMSR 0x800 + @reg / 16 in x2APIC mode.  False: #GP.  SDM vol. 3A
 * table 11-6.
 */
bool lapic_x2_read(const struct lapic *apic, uint32_t reg, uint64_t *value);
bool lapic_x2_write(struct lapic *apic, uint32_t reg, uint64_t value);

uint32_t lapic_get(const struct lapic *apic, uint32_t reg);
void lapic_put(struct lapic *apic, uint32_t reg, uint32_t value);

/*
 * One access inside the page, as KVM's emulation takes it: reads of 1, 2, 4
 * bytes within an aligned 4; writes of 4 bytes to a register are kept, others
 * dropped.
 */
void lapic_read(const struct lapic *apic, uint32_t offset, unsigned len, void *data);
void lapic_write(struct lapic *apic, uint32_t offset, unsigned len, const void *data);
