/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * exec.h - the working state of whoever executes instructions, and what a
 * second instantiation must bring along (exec/README.md has the recipe).
 *
 * While instructions run, the general registers and the status flags are
 * here; everything else is in the architectural state that @st points to.
 * x86_exec_enter() and x86_exec_leave() move them.  One thread at a time.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "x86/op.h"
#include "x86/state.h"

/* Why an instruction stopped. */
enum x86_why {
	X86_WHY_NONE,
	X86_WHY_EVENT,		/* x->event is to be delivered through the IDT */
	X86_WHY_EXIT,		/* the instantiator has its own record */
	X86_WHY_SHUTDOWN,	/* triple fault */
};

enum x86_event_kind {
	X86_EVENT_EXCEPTION,	/* found by the processor: faults, and #DB */
	X86_EVENT_SOFT_INT,	/* INT n */
	X86_EVENT_SOFT_EXCEPTION,/* INT3, INTO */
	X86_EVENT_ICEBP,	/* INT1: a privileged software exception */
	X86_EVENT_EXTERNAL,	/* injected */
	X86_EVENT_NMI,
};

struct x86_event {
	uint8_t		kind;		/* enum x86_event_kind */
	uint8_t		vector;
	bool		has_error;
	bool		injected;	/* by the hypervisor: not intercepted itself */
	uint8_t		insn_len;	/* of a software event's instruction */
	uint32_t	error;
	uint64_t	payload;	/* #PF: CR2; #DB: bits to set in DR6 */
};

/* What the instantiator may intercept; @info says more (see exec/system.inc). */
enum x86_intercept {
	X86_ICPT_CPUID, X86_ICPT_HLT, X86_ICPT_IO, X86_ICPT_RDMSR, X86_ICPT_WRMSR,
	X86_ICPT_CR_READ,	/* info: X86_ICPT_CR_* */
	X86_ICPT_CR_WRITE,
	X86_ICPT_CLTS, X86_ICPT_LMSW, X86_ICPT_SMSW,
	X86_ICPT_DR_READ, X86_ICPT_DR_WRITE,	/* info: as for CR */
	X86_ICPT_INVLPG,	/* info: linear address */
	X86_ICPT_RDPMC, X86_ICPT_RDTSC, X86_ICPT_RDTSCP,
	X86_ICPT_INVD, X86_ICPT_WBINVD, X86_ICPT_MONITOR, X86_ICPT_MWAIT,
	X86_ICPT_XSETBV, X86_ICPT_PAUSE, X86_ICPT_IRET, X86_ICPT_INVPCID,
	X86_ICPT_TASK_SWITCH,	/* info: selector | source << 30 as SDM table 28-2 */
	X86_ICPT_VMCALL, X86_ICPT_VMMCALL,
	X86_ICPT_VMX,		/* info: exit reason of another VMX instruction */
	X86_ICPT_SVM,		/* info: exit code of another SVM instruction */
	X86_NR_ICPTS
};

/* Which instruction of an SNP guest; NO: RDPRU, which no processor of ours has. */
enum x86_snp { X86_NO_SNP, X86_PVALIDATE, X86_RMPADJUST, X86_RMPQUERY };

/* info of IO: port 15:0, bytes 18:16, IN 19, string 20, REP 21, immediate 22,
 * address size in bytes 27:24, segment 31:28
 */
#define X86_IO_IN	BIT(19)
#define X86_IO_STRING	BIT(20)
#define X86_IO_REP	BIT(21)
#define X86_IO_IMM	BIT(22)
/* info of CR and DR accesses: number 3:0, GPR 11:8; the value written is x->icpt_value */

struct x86_exec {
	uint64_t	r[X86_NR_REGS];	/* enum x86_gpr, then X86_OFF_* */
	uint16_t	fl;		/* status flags as LAHF/SETO leave AX: SF ZF - AF - PF - CF in
					 * 15:8, OF in 0; read and written by X86_FL_* */
	uint8_t		stop_iter;	/* a string instruction stopped between iterations */
	uint8_t		simd_trap;	/* vector that an SSE instruction raises now, 0: none */
	uint8_t		x87_trap, mmx_trap;
	bool		vendor_amd;
	bool		unmasked_xm;
	uint64_t	rip;		/* next instruction, valid when a handler has answered DONE */
	uint64_t	seg_base[X86_NR_SEGS];	/* effective in the present mode */
	struct x86_state *st;
	const struct x86_op *at;	/* where X86_STOP came from */
	uint64_t	retired;
	uint64_t	icpt_value;
	enum x86_why	why;
	struct x86_event event;
};

/* The fields of @fl as single bits. */
#define X86_FL_OF	0x0001
#define X86_FL_CF	0x0100
#define X86_FL_PF	0x0400
#define X86_FL_AF	0x1000
#define X86_FL_ZF	0x4000
#define X86_FL_SF	0x8000

static inline uint32_t x86_fl_to_flags(uint16_t fl)
{
	return ((fl >> 8) & 0xd5) | (fl & 1) << 11;
}

static inline uint16_t x86_fl_from_flags(uint64_t flags)
{
	return (uint16_t)((flags & 0xd5) << 8 | ((flags >> 11) & 1));
}

/* The whole of RFLAGS as software sees it now. */
static inline uint64_t x86_rflags(const struct x86_exec *x)
{
	return (x->st->rflags & ~X86_FLAGS_STATUS) | X86_FLAGS_FIXED | x86_fl_to_flags(x->fl);
}

/* Sets all of RFLAGS (the caller has masked). */
static inline void x86_set_rflags(struct x86_exec *x, uint64_t v)
{
	x->st->rflags = v | X86_FLAGS_FIXED;
	x->fl = x86_fl_from_flags(v);
}

/* Before the first and after the last instruction. */
void x86_exec_enter(struct x86_exec *x, struct x86_state *st);
void x86_exec_leave(struct x86_exec *x);

/*
 * Recomputes what is derived from segments, control registers and EFER
 * (seg_base, the traps).  After any change of those by someone else.
 */
void x86_exec_refresh(struct x86_exec *x);

/* Linear address of instruction @op of the block that x->r[16] begins. */
static inline uint64_t x86_op_rip(const struct x86_exec *x, const struct x86_op *op)
{
	return x->r[X86_OFF_BASE / 8] + op->off;
}

/* How the present CS and mode decode: what a block is cached under. */
enum x86_mode { X86_MODE_16, X86_MODE_32, X86_MODE_64 };

static inline enum x86_mode x86_mode_of(const struct x86_state *s)
{
	if (x86_in_64bit_mode(s))
		return X86_MODE_64;
	return s->seg[X86_CS].ar & X86_AR_DB ? X86_MODE_32 : X86_MODE_16;
}
