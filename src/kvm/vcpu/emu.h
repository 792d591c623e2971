/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu.h - the emulator's working state and its accessors: room x86's bodies on
 * KVM's way to guest memory (src/x86/exec/README.md).
 *
 * Memory is reached by walking the guest's tables and copying through the
 * slots; what has no slot is MMIO.  An MMIO load stops the instruction until
 * user space has answered, then the instruction starts again and finds the
 * answer; an MMIO store lets it finish and goes out afterwards.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/vcpu/vcpu.h"
#include "x86/exec.h"
#include "x86/raise.h"

struct emu {
	struct x86_exec	 x;		/* first: handlers get it */
	struct vcpu	*v;
	unsigned	 access;	/* WALK_USER at CPL 3 */
	bool		 refused;	/* not an instruction that KVM emulates */
	bool		 no_memory;	/* a page that is neither memory nor MMIO */
	bool		 read_stopped;	/* waits for user space */
	bool		 done_io;	/* OUTS: finished, and goes out */
	int		 io;		/* INS: what KVM_RUN answers; 1: nothing */
};

static inline struct emu *emu_of(struct x86_exec *x)
{
	return container_of(x, struct emu, x);
}

/* False: stopped, x->why says how.  @n up to VCPU_MAX_ACCESS, over one page end at most. */
MUST_CHECK bool emu_read(struct x86_exec *x, uint64_t lin, void *p, unsigned n, bool for_write);
MUST_CHECK bool emu_write(struct x86_exec *x, uint64_t lin, const void *p, unsigned n);
/* Could all @n bytes be written? */
MUST_CHECK bool emu_check_write(struct x86_exec *x, uint64_t lin, unsigned n);
MUST_CHECK enum x86_cas emu_cas(struct x86_exec *x, uint64_t lin, void *old, const void *new,
				unsigned n);

/* The emulator's handler for each number (emu_table.c). */
extern const struct x86_handlers emu_handlers;

/* INS and OUTS (string_io.c). */
int emu_string_io(struct x86_exec *x, const struct x86_op *op);
