/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * simd.h - what SSE, MMX, AES, SHA and x87 instructions compute.
 *
 * Pure arithmetic on operands that somebody else has fetched and will store:
 * the rows of src/x86/simd/ never touch guest memory and never decide about
 * CR0/CR4, CPUID, alignment or page faults.  exec/simd.inc does that, in this order:
 *
 *   1. #UD / #NM by CR0.EM, CR0.TS, CR4.OSFXSR (per row's @set)
 *   2. the memory operand's address; #GP(0) when X86_SIMD_ALIGNED, MXCSR.MM is 0
 *      and it is not a multiple of 16; its bytes are read (and checked for writing when it
 *      is the destination)
 *   3. the row's function, which answers 0 or the vector to raise (X86_XM,
 *      X86_MF, X86_UD, X86_GP) and has then changed nothing but fpu->mxcsr's or
 *      fpu->fsw's sticky flags
 *   4. the result is stored / registers are written
 *
 * Not thread-safe per state; no globals but constant tables.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "x86/state.h"

union x86_vec {				/* 128 bits, the low element first */
	uint8_t		b[16];
	uint16_t	w[8];
	uint32_t	d[4];
	uint64_t	q[2];
	float		f[4];
	double		g[2];
} __attribute__((aligned(16)));

/* Kinds of operand, as bits: what a row accepts in one place. */
#define X86_SIMD_NONE	0x00
#define X86_SIMD_XMM	0x01
#define X86_SIMD_MM	0x02		/* MMX register */
#define X86_SIMD_GPR	0x04
#define X86_SIMD_MEM	0x08
#define X86_SIMD_XM	(X86_SIMD_XMM | X86_SIMD_MEM)
#define X86_SIMD_GM	(X86_SIMD_GPR | X86_SIMD_MEM)

/* Row flags */
#define X86_SIMD_ALIGNED	0x01	/* a 16-byte memory operand must be aligned, without MXCSR.MM */
#define X86_SIMD_WRITES_FLAGS	0x02	/* s->eflags is the new OF..CF (COMISS, PTEST, PCMPxSTRx) */
#define X86_SIMD_DST_ONLY	0x04	/* the destination's old value is not read */
#define X86_SIMD_NO_DST		0x08	/* first operand is only read (COMISS, PTEST, PCMPxSTRx) */
#define X86_SIMD_READS_GPRS	0x10	/* s->rax, s->rdx are filled in (PCMPESTRx) */
#define X86_SIMD_WRITES_RCX	0x20	/* s->rcx is the new RCX (PCMPxSTRI) */
#define X86_SIMD_LOW_HALF_AMD	0x40	/* AMD's processors read but the low 8 of the 16 bytes */
#define X86_SIMD_ALIGNED_INTEL	0x80	/* SHA: exception class 4 in the SDM, any address on AMD's */

enum x86_simd_set {		/* decides step 1 */
	X86_SET_SSE,		/* #UD if EM or !OSFXSR, #NM if TS */
	X86_SET_MMX,		/* #UD if EM, #NM if TS, #MF if pending; TOP := 0, tags := valid */
};

/* The operands beyond the two vectors, and where side results go. */
struct x86_simd {
	struct x86_fpu	*fpu;		/* mxcsr, implicit XMM0: fpu->xmm[0] */
	uint8_t		imm;
	uint8_t		gpr_size;	/* 4 or 8: of the GPR operand (and of rax, rdx) */
	bool		unmasked_xm;	/* CR4.OSXMMEXCPT: else X86_UD in place of X86_XM */
	uint32_t	eflags;		/* in: status flags; out with WRITES_FLAGS */
	uint64_t	rax, rdx, rcx;
};

/*
 * @dst: the destination, holding its old value (unless DST_ONLY).  It may be
 * the register itself: write it last, and only when answering 0.  For MEM the
 * first @mem_size bytes are stored; for GPR q[0] is (32-bit results are
 * zero-extended by the caller).  @src: the second operand; memory is
 * zero-extended to 16 bytes, a GPR is in q[0] (zero-extended by gpr_size).
 * @src may be the same pointer as @dst.
 */
typedef int (*x86_simd_fn)(union x86_vec *dst, const union x86_vec *src, struct x86_simd *s);

struct x86_simd_row {
	uint16_t	mnemonic;	/* ZydisMnemonic */
	uint8_t		dst, src;	/* kinds accepted */
	uint8_t		mem_size;	/* bytes of a memory operand; 0: gpr_size */
	uint8_t		flags;
	uint8_t		set;		/* enum x86_simd_set */
	x86_simd_fn	fn;
};

/*
 * A room file of src/x86/simd/ ends in one array of rows and one descriptor;
 * simd/rows.c lists the descriptors.  Several rows may share a mnemonic (MOVD,
 * MOVSS, PINSRW...): the first whose kinds fit wins.
 */
struct x86_simd_table {
	const struct x86_simd_row *rows;
	size_t nr;
};
extern const struct x86_simd_table *const x86_simd_tables[];
extern const size_t x86_nr_simd_tables;

/* A row number is its position in all tables laid end to end.  -1: none. */
int x86_simd_find(uint16_t mnemonic, uint8_t dst_kind, uint8_t src_kind);
const struct x86_simd_row *x86_simd_row(unsigned nr);	/* NULL beyond the end */

/*
 * x87: #NM if CR0.EM or CR0.TS; #MF first when fsw has an unmasked exception
 * pending and the row is not X86_X87_NO_WAIT.  @mem is the memory operand's
 * bytes (in: read ones; out: the ones to store), @sti the explicit register
 * number (the one that is not ST(0), or ST(0) when there is only one).  Answers
 * as x86_simd_fn does; pops and pushes are the row's own work.  fip, fdp and
 * fop are kept by the caller.
 */
#define X86_X87_LOAD		0x01	/* reads mem_size bytes */
#define X86_X87_STORE		0x02	/* writes mem_size bytes */
#define X86_X87_NO_WAIT		0x04	/* FNSTSW, FNCLEX, FNINIT, FNSTCW, FNSAVE, FNSTENV */
#define X86_X87_WRITES_FLAGS	0x08	/* x->eflags: FCOMI and kin */
#define X86_X87_WRITES_AX	0x10	/* FNSTSW AX: x->ax */
#define X86_X87_DST_ST0		0x20	/* form "ST(0), ST(i)" */
#define X86_X87_DST_STI		0x40	/* form "ST(i), ST(0)" */

struct x86_x87 {
	struct x86_fpu	*fpu;
	uint8_t		sti;
	uint32_t	eflags;		/* FCOMI: out; FCMOVcc: in */
	uint16_t	ax;
	uint8_t		width;		/* operand size: 2 or 4 (FNSTENV, FNSAVE layouts) */
	bool		real;		/* real-mode layout of the environment */
	bool		no_store;	/* out: an unmasked exception leaves memory as it is */
};

typedef int (*x86_x87_fn)(uint8_t *mem, struct x86_x87 *x);

struct x86_x87_row {
	uint16_t	mnemonic;
	uint16_t	mem_size;	/* in bytes, of the memory form; 0: register form.  FNSTENV and
					 * FNSAVE: of the 32-bit layout */
	uint8_t		flags;
	x86_x87_fn	fn;
};

struct x86_x87_table {
	const struct x86_x87_row *rows;
	size_t nr;
};
extern const struct x86_x87_table x86_x87_table;

int x86_x87_find(uint16_t mnemonic, uint16_t mem_size, uint8_t dst_form);
const struct x86_x87_row *x86_x87_row(unsigned nr);

/*
 * The state images.  The caller has checked CR0.TS, alignment, CPL and that
 * all bytes are accessible; these only translate.  FXSAVE: 512 bytes.  XSAVE
 * (standard format): @rfbm is EDX:EAX & XCR0; the header's XSTATE_BV is updated
 * as the manual says; x86_xsave_size(rfbm) bytes.  The load functions answer 0
 * or X86_GP (MXCSR has a bit that the processor has not) and have then changed
 * nothing.
 */
#define X86_FXSAVE_SIZE 512
#define X86_XSAVE_MAX	832
#define X86_MXCSR_INIT	0x1f80u
#define X86_MXCSR_COMMON	0xffffu		/* the bits that all processors have */
#define X86_MXCSR_MM	0x20000u	/* MISALIGNSSE, APM vol. 1 4.2.2 */

struct x86_image {
	uint32_t	mxcsr_mask;	/* the bits that the processor's MXCSR has */
	uint8_t		nr_xmm;		/* vector registers, 8 outside 64-bit mode; the others and
					 * their place in the image are left alone */
	bool		rex_w;
};

size_t x86_xsave_size(uint64_t components);
/* XINUSE: the components that are not in their initial state. */
uint64_t x86_xinuse(const struct x86_fpu *fpu);
void x86_fxsave(const struct x86_fpu *fpu, uint8_t *image, const struct x86_image *how);
int x86_fxrstor(struct x86_fpu *fpu, const uint8_t *image, const struct x86_image *how);
/* @image holds what memory holds; only the bytes that XSAVE writes are changed. */
void x86_xsave(const struct x86_fpu *fpu, uint8_t *image, uint64_t rfbm, bool opt,
	       const struct x86_image *how);
int x86_xrstor(struct x86_fpu *fpu, const uint8_t *image, uint64_t rfbm, uint64_t xcr0,
	       const struct x86_image *how);
void x86_fninit(struct x86_fpu *fpu);

/* An x87 exception that is not masked waits to be raised (FSW.ES). */
static inline bool x86_fsw_is_pending(const struct x86_fpu *fpu)
{
	return fpu->fsw & ~fpu->fcw & 0x3f;
}
