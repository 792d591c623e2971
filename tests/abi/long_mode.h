/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * long_mode.h - what a vCPU needs before it runs in long mode, for the VMs of
 * ABI tests and of programs that measure.
 *
 * What cannot be done ends the program.  Single-threaded.
 */
#ifndef TESTS_ABI_LONG_MODE_H
#define TESTS_ABI_LONG_MODE_H

#include <stdbool.h>
#include <stdint.h>

#include <softcvm/uapi/kvm.h>

#define SEV_TABLES	0x4000UL	/* bytes of sev_tables() */
#define SEV_SHARED	(1UL << 30)	/* linear addresses without the C-bit */

/* KVM_GET_SUPPORTED_CPUID; the next call writes over it. */
struct kvm_cpuid2 *kvm_supported_cpuid(int kvm);
/* The C-bit in page tables; 0: no memory encryption. */
uint64_t kvm_c_bit(int kvm);
/*
 * Flat segments, paging by @cr3; the other registers stay as they are.  Without @idt any exception
 * shuts the vCPU down, with it the guest looks for a handler at 0.
 */
void vcpu_long_mode(int vcpu, uint64_t cr3, bool idt);
/*
 * Tables to be at @gpa, the PML4 first, written to @at: the first GiB at 0, with the C-bit below
 * @size, and again at SEV_SHARED without.
 */
void sev_tables(void *at, uint64_t gpa, uint64_t size, uint64_t c_bit);

#endif
