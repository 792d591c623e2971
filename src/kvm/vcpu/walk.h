/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * walk.h - guest linear addresses as KVM itself resolves them: by reading the
 * guest's page tables through the slots, without a TLB.
 */
#pragma once
#include <stdint.h>

#include "kvm/vcpu/vcpu.h"

#define WALK_WRITE	BIT(1)		/* PFERR_* */
#define WALK_USER	BIT(2)
#define WALK_FETCH	BIT(4)
#define WALK_IMPLICIT	BIT(8)		/* the processor's own: EFLAGS.AC does not help */

struct vcpu_walk_fault {
	uint64_t	address;	/* CR2 */
	uint32_t	error;
};

enum walk_answer { WALK_OK, WALK_PAGE_FAULT, WALK_NO_MEMORY };

/*
 * A page table that is not in a slot counts as not present, as in the kernel.
 * WALK_NO_MEMORY: the data is not in a slot (or its host page is not there).
 */
MUST_CHECK enum walk_answer vcpu_walk(struct vcpu *v, uint64_t linear, unsigned access,
				      gpa_t *gpa, struct vcpu_walk_fault *fault);
MUST_CHECK enum walk_answer vcpu_read_linear(struct vcpu *v, uint64_t linear, void *p, unsigned n,
					     unsigned access, struct vcpu_walk_fault *fault);
MUST_CHECK enum walk_answer vcpu_write_linear(struct vcpu *v, uint64_t linear, const void *p,
					      unsigned n, unsigned access,
					      struct vcpu_walk_fault *fault);
