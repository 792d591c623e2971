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
	gpa_t		 gpa;		/* where the exit says that the operand is, or all ones */
	unsigned	 pos;		/* bytes of v->mmio.reads[] that have been used */
	bool		 needs_memory;	/* MMIO is not reached: the guest tries again */
	bool		 by_element;	/* a repeated string instruction */
	bool		 by_stack;	/* an address fault is #SS */
	bool		 refused;	/* not an instruction that KVM emulates */
	bool		 no_memory;	/* a page that is neither memory nor MMIO */
	bool		 again;		/* nothing happened, the guest tries again */
	bool		 has_request;	/* what KVM does itself is to be done */
	enum x86_intercept request;
	uint64_t	 info;		/* of the request */
	bool		 done_io;	/* OUTS: finished, and goes out */
	int		 io;		/* INS: what KVM_RUN answers; 1: nothing */
};

static inline struct emu *emu_of(struct x86_exec *x)
{
	return container_of(x, struct emu, x);
}

/*
 * False: stopped, x->why says how.  @n up to 16 where it may be
 * MMIO, over one page end at most.
 */
MUST_CHECK bool emu_read(struct x86_exec *x, uint64_t lin, void *p, unsigned n, bool for_write);
MUST_CHECK bool emu_write(struct x86_exec *x, uint64_t lin, const void *p, unsigned n);
/* Could all @n bytes be written? */
MUST_CHECK bool emu_check_write(struct x86_exec *x, uint64_t lin, unsigned n);
MUST_CHECK enum x86_cas emu_cas(struct x86_exec *x, uint64_t lin, void *old, const void *new,
				unsigned n);

/* The emulator's handler for each number (emu_table.c). */
extern const struct x86_handlers emu_handlers;

/*
 * Descriptor tables, and operands that KVM does not look for in MMIO.  @access
 * is WALK_*; @write: to memory.
 */
MUST_CHECK bool emu_memory(struct x86_exec *x, uint64_t lin, void *p, unsigned n, unsigned access,
			   bool write);
/* Is this an emulation failure?  Says so (true). */
bool emu_refuse(struct x86_exec *x);

/* The environment (emu_env.c). */
bool emu_intercept(struct x86_exec *x, enum x86_intercept what, uint64_t info);
uint64_t emu_tsc(struct x86_exec *x);
uint64_t emu_random(void);
unsigned emu_phys_bits(const struct x86_exec *x);
uint32_t emu_mxcsr_mask(const struct x86_exec *x);
_Noreturn void emu_unreachable(const char *what);

/* What KVM does for the instruction that stopped with a request: 1, 0 or -errno. */
int emu_carry_out(struct emu *e);

/* INS and OUTS (string_io.c). */
int emu_string_io(struct x86_exec *x, const struct x86_op *op);

/* INT n, INT3 and INTO, in real mode (emu_system.c). */
int emu_real_int_n(struct x86_exec *x, const struct x86_op *op);
int emu_real_int3(struct x86_exec *x, const struct x86_op *op);
int emu_real_into(struct x86_exec *x, const struct x86_op *op);
