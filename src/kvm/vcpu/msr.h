/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr.h - model-specific registers: rows of tables, one table to a subject.
 *
 * A row covers one register or a range of neighbours.  Its value lies at a
 * *place* in struct vcpu, or comes from functions of its own.  Names and
 * numbers: SDM vol. 4, APM vol. 2 appendix A, kvm/msr.rst.  All under the
 * vCPU's mutex.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/vcpu.h"

enum msr_answer {
	MSR_OK,
	MSR_GP,			/* the register refuses */
	MSR_UNKNOWN,		/* KVM has none of this number */
	MSR_FILTERED,		/* KVM_X86_SET_MSR_FILTER, for guests only */
};

enum msr_flags {
	MSR_AMD			= 1 << 0,	/* only on that vendor */
	MSR_INTEL		= 1 << 1,
	MSR_NO_READ		= 1 << 2,	/* reading it: MSR_UNKNOWN */
	MSR_NO_WRITE		= 1 << 3,	/* writing it: MSR_UNKNOWN */
	MSR_HOST_WRITES		= 1 << 4,	/* guests' writes: #GP */
	MSR_GUEST_DROPS		= 1 << 5,	/* guests' writes: nothing happens */
	MSR_DROPS		= 1 << 6,	/* anyone's writes: nothing happens */
	MSR_CANONICAL		= 1 << 7,
	MSR_REFUSES		= 1 << 8,	/* #GP in any case */
};

struct msr_row {
	uint32_t	first, last;	/* last 0: @first alone */
	uint16_t	flags;
	uint32_t	needs;		/* CPUID_*: guests without it get #GP */
	uint64_t	reset;		/* what a register without place always reads */
	size_t		place;		/* offset in struct vcpu of @first's; 0: none */
	uint64_t	reserved;	/* bits that must be 0 */
	uint64_t	ignored;	/* bits that are dropped */
	enum msr_answer	(*get)(struct vcpu *v, uint32_t index, bool host, uint64_t *value);
	enum msr_answer	(*set)(struct vcpu *v, uint32_t index, bool host, uint64_t value);
};

#define MSR_PLACE(member) offsetof(struct vcpu, member)

struct msr_table {
	const struct msr_row	*rows;
	unsigned		 nr;
};

extern const struct msr_table msr_machine;	/* msr_machine.c: what instructions use */
extern const struct msr_table msr_platform;	/* msr_platform.c: features, power, legacy */
extern const struct msr_table msr_memory;	/* msr_memory.c: PAT and MTRRs */
extern const struct msr_table msr_mce;		/* mce.c: machine checks */
extern const struct msr_table msr_pv;		/* msr_pv.c: KVM's own */
extern const struct msr_table msr_time;		/* msr_time.c: clocks */

/* Canonical for the widest addresses of the machine, whatever CR4 says. */
uint64_t msr_canonical(const struct vcpu *v, uint64_t a);

/* EFER as a guest writes it, whatever filters say.  False: #GP. */
MUST_CHECK bool vcpu_write_efer(struct vcpu *v, uint64_t value);

/* The module's lists (msr_list.c). */
bool msr_is_listed(const struct kvm_module *module, uint32_t index);
/* Those that define the model: constant once the vCPU has run. */
bool msr_is_immutable(uint32_t index);
