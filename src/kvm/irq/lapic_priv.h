/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lapic_priv.h - between the files of the local APIC.
 */
#pragma once
#include "base/bits.h"
#include "kvm/irq/lapic.h"

#define VERSION_DIRECTED_EOI	BIT(24)
#define LVT_MODE		0x700u

void lapic_put_mapped(struct lapic *apic, uint32_t reg, uint32_t value);
void lapic_set_svr(struct lapic *apic, uint32_t value);
uint32_t lapic_lvt_reg(unsigned i);	/* of LVT entry @i */
void lapic_update_ppr(struct lapic *apic);
