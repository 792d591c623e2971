/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpu_priv.h - the inside of a logical processor.
 *
 * Everything but @kick belongs to the thread that runs on it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "hw/cpu/code.h"
#include "hw/insn/cpu.h"
#include "hw/insn/svm.h"
#include "hw/insn/vmx.h"
#include "hw/mmu/flush.h"
#include "hw/mmu/translate.h"
#include "sync/atomic.h"
#include "x86/exec.h"
#include "x86/raise.h"

enum cpu_cause {
	CPU_INTERCEPT,		/* an instruction: what, info, value */
	CPU_EXCEPTION,		/* event */
	CPU_NESTED,		/* fault, linear */
	CPU_KICK,
	CPU_SHUTDOWN,
	CPU_INTERRUPT_WINDOW,
	CPU_NMI_WINDOW,
	CPU_TASK_SWITCH,	/* info */
	CPU_WRITE_TRAP,		/* cpu->trap_code, trap_value */
};

/* Why guest mode ended, in nobody's numbering yet. */
struct cpu_exit {
	enum cpu_cause	 cause;
	enum x86_intercept what;
	uint64_t	 info, value;
	struct x86_event event;
	bool		 vectoring;	/* @vectored was being delivered */
	struct x86_event vectored;
	struct mmu_fault fault;
	uint64_t	 linear;
	enum mmu_access	 access;
	uint8_t		 len;		/* of the instruction, 0: not known */
	uint8_t		 nr_bytes;
	uint8_t		 bytes[15];
};

struct cpu {
	struct x86_exec	 x;		/* first: exec's bodies know only this */
	struct mmu	 mmu;
	struct code	 code;
	struct hw	*hw;
	unsigned	 index;
	atomic32_t	 kick CACHE_ALIGNED;

	/* one entry to guest mode */
	const struct svm_control *svm;
	const struct vmx_control *vmx;
	bool		 in_es;		/* the state is *es; exits become #VC */
	union {				/* what is looked at between blocks */
		struct { bool int_window, nmi_window, trapped; };
		uint32_t attention;
	};
	uint16_t	 trap_code;	/* the instruction was done, and leaves: exit code */
	uint64_t	 trap_value;
	bool		 watching;	/* data breakpoints are enabled (breakpoints.c) */
	uint8_t		 watch_hits;	/* by number, of the instruction under way */
	uint64_t	 tsc_offset;
	uint64_t	 tsc_ratio;	/* fixed point, 0: one */
	uint8_t		 tsc_fraction;	/* bits of it */
	uint64_t	 counted;	/* instructions already in the machine's counters */
	struct cpu_exit	 exit;
	struct svm_es	*es;		/* svm_priv.h; NULL: no encryption on this machine */
};

static ALWAYS_INLINE struct cpu *cpu_of(struct x86_exec *x)
{
	return (struct cpu *)(void *)x;
}

/*
 * Runs until cpu->exit is filled in.  @inject, if any, is delivered first.  The
 * state is exact afterwards; RIP is at the instruction that did not happen.
 */
void cpu_run(struct cpu *cpu, const struct x86_event *inject);

/* Ends guest mode with @cause: answers false, for accessors. */
bool cpu_leave(struct cpu *cpu, enum cpu_cause cause);

/*
 * The nested tables refused @access: guest mode ends, or the guest gets a #VC
 * (SEV-ES and a reserved bit, APM vol. 2 15.35.5).  Answers false, for accessors.
 */
bool cpu_nested_fault(struct cpu *cpu, uint64_t lin, enum mmu_access access,
		      const struct mmu_fault *fault);

/*
 * Delivers an event through the IDT, and what its delivery raises in turn.
 * False: guest mode ended (cpu->exit).  x->rip is the return address of faults
 * and the address of a software event's instruction.
 */
MUST_CHECK bool cpu_deliver(struct cpu *cpu, struct x86_event ev);

/*
 * Breakpoints (breakpoints.c): those at a fetch, as bits of DR6; before an
 * instruction that may touch watched data; at each of its accesses that the TLB
 * has not answered, all of those to watched pages among them.
 */
#define CPU_DR7_ENABLES	0xffull
uint64_t breakpoints_on_fetch(const struct cpu *cpu, uint64_t lin);
void breakpoints_watch(struct cpu *cpu);
void breakpoints_accessed(struct cpu *cpu, uint64_t lin, unsigned size, bool write);

/* What neither vendor's control block has a bit for, here: always, or never. */
static inline bool cpu_always_intercepts(enum x86_intercept what)
{
	return what != X86_ICPT_INVPCID && what != X86_ICPT_RDTSC && what != X86_ICPT_RDTSCP;
}

/* One vendor's answer: does this instruction leave?  May change x->icpt_value. */
/* What is not intercepted, after the privilege checks.  False: #GP(0). */
MUST_CHECK bool svm_rdmsr(struct cpu *cpu, uint32_t nr, uint64_t *v);
MUST_CHECK bool svm_wrmsr(struct cpu *cpu, uint32_t nr, uint64_t v);
/* An intercept of a SEV-ES guest that is #VC for it: raises that. */
bool svm_reflects(struct cpu *cpu, enum x86_intercept what, uint64_t info);
/* @ev, intercepted, becomes #VC; false: it is an automatic exit. */
bool svm_reflects_exception(const struct cpu *cpu, struct x86_event *ev);
void svm_trap_write(struct cpu *cpu, uint16_t code, uint64_t value);

bool svm_intercepts(const struct cpu *cpu, enum x86_intercept what, uint64_t info);
bool vmx_intercepts(struct cpu *cpu, enum x86_intercept what, uint64_t info);
bool svm_intercepts_exception(const struct cpu *cpu, const struct x86_event *ev);
bool vmx_intercepts_exception(const struct cpu *cpu, const struct x86_event *ev);

extern const struct x86_handlers cpu_handlers;

/* Between the two faces and the core. */
void cpu_begin(struct cpu *cpu, struct x86_state *state, const struct mmu_nested *nested,
	       uint64_t tsc_offset);
void cpu_end(struct cpu *cpu);
struct svm_es *svm_es_create_locked(struct hw *hw);
