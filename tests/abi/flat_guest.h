/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * flat_guest.h - a VM with one vCPU in long mode over a flat, identity mapped
 * address space, for ABI tests that run a few instructions.
 *
 * Slot 0 is [0, GUEST_LOW): tables, code, free memory.  The tables map the
 * first GiB with 2 MiB pages, so that whatever has no slot there is MMIO.
 * There is no IDT: any exception shuts the vCPU down.  Single-threaded.
 */
#ifndef TESTS_ABI_FLAT_GUEST_H
#define TESTS_ABI_FLAT_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <softcvm/uapi/kvm.h>

#define GUEST_LOW	0x10000UL
#define GUEST_CODE	0x4000UL
#define GUEST_FREE	0x8000UL	/* up to GUEST_LOW */
#define GUEST_MMIO	0x30000000UL	/* no slot */
#define GUEST_IDLE_PORT	0x10		/* guests end with an OUT to it */

struct flat_guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *low;
	const char *code;		/* what was copied to GUEST_CODE */
	bool amd;			/* the vendor that guests are told of */
};

/* @code is copied to GUEST_CODE; exits when the machine cannot be made. */
void flat_guest_make(struct flat_guest *g, unsigned long type, bool irqchip, const char *code,
		     size_t size);
void flat_guest_free(struct flat_guest *g);
/* Maps gigabyte @n (1 to 511) too, by one page; not while the guest runs. */
void flat_guest_map_gib(struct flat_guest *g, unsigned n);
/* Registers for a start at @entry, an address within the code given above. */
struct kvm_regs flat_guest_regs(const struct flat_guest *g, const char *entry);
void flat_guest_set(struct flat_guest *g, const struct kvm_regs *regs);
struct kvm_regs flat_guest_get(struct flat_guest *g);
/* A register of its local APIC, by its offset in the page; with an irqchip. */
uint32_t flat_guest_lapic_get(struct flat_guest *g, unsigned reg);
void flat_guest_lapic_put(struct flat_guest *g, unsigned reg, uint32_t value);
/* KVM_RUN: 0 or -errno. */
long flat_guest_run(struct flat_guest *g);

#endif
