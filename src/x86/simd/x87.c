/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * x87.c - x87 instructions, each executed by this processor on the guest's own
 * x87 state: control word, stack, tags and all.  Exceptions may be unmasked
 * there: x87 raises them at the next waiting instruction, and the host's state
 * is back before there is one, so no signal comes of it.
 *
 * Written as opcodes: the names of FSUB and FSUBR's forms differ between
 * assemblers.  SDM vol. 1 chapter 8, vol. 2 B.17.
 */
#include <string.h>
#include <Zydis/Zydis.h>

#include "base/bits.h"
#include "base/macros.h"
#include "x86/simd/x87_priv.h"

/* FXSAVE's layout: all of the host's, and the guest's x87 part */
struct fx_image {
	uint16_t	fcw, fsw;
	uint8_t		ftw, reserved;
	uint16_t	fop;
	uint64_t	fip, fdp;
	uint32_t	mxcsr, mxcsr_mask;
	uint8_t		st[8][16];
	uint8_t		rest[512 - 160];
} __attribute__((aligned(16)));
static_assert(sizeof(struct fx_image) == 512, "as FXSAVE has it");
static_assert(offsetof(struct fx_image, st) == 32, "as FXSAVE has it");

struct x87_area {
	struct fx_image	host, guest;
};

/* Both images; the guest's is in the processor only within one assembly statement. */
static ALWAYS_INLINE void x87_enter(struct x87_area *a, const struct x86_fpu *fpu)
{
	__asm__ volatile("fxsave64 %0" : "=m"(a->host));
	a->guest = a->host;		/* MXCSR and XMM stay */
	a->guest.fcw = fpu->fcw;
	a->guest.fsw = fpu->fsw;
	a->guest.ftw = fpu->ftw;
	a->guest.fop = 0;
	a->guest.fip = 0;
	a->guest.fdp = 0;
	memcpy(a->guest.st, fpu->st, sizeof(fpu->st));
}

static ALWAYS_INLINE void x87_leave(struct x87_area *a, struct x86_fpu *fpu)
{
	fpu->fcw = a->guest.fcw;
	fpu->fsw = a->guest.fsw;
	fpu->ftw = a->guest.ftw;
	memcpy(fpu->st, a->guest.st, sizeof(fpu->st));
}

#define IN_GUEST(bytes) \
	"fxrstor64 %[guest]; .byte " bytes "; fxsave64 %[guest]; fxrstor64 %[host]"

#define X87_FN(name) static int name(uint8_t *mem, struct x86_x87 *x)

/* No operand, or only the stack */
#define X87_PLAIN(name, opcode, modrm)					\
X87_FN(name)								\
{									\
	struct x87_area a;						\
									\
	(void)mem;							\
	x87_enter(&a, x->fpu);						\
	__asm__ volatile(IN_GUEST(#opcode "," #modrm)			\
			 : [guest] "+m"(a.guest) : [host] "m"(a.host));	\
	x87_leave(&a, x->fpu);						\
	return 0;							\
}

/* A memory operand: [RDI], with the opcode's extension in ModRM.reg */
#define X87_MEM(name, opcode, ext)					\
X87_FN(name)								\
{									\
	struct x87_area a;						\
									\
	x87_enter(&a, x->fpu);						\
	__asm__ volatile(IN_GUEST(#opcode "," #ext " << 3 | 7")		\
			 : [guest] "+m"(a.guest)			\
			 : [host] "m"(a.host), "D"(mem) : "memory");	\
	x87_leave(&a, x->fpu);						\
	return 0;							\
}

/* Nothing is stored when the value, once converted, has an unmasked exception. */
#define X87_STORE(name, opcode, ext)					\
X87_MEM(name##_mem, opcode, ext)					\
X87_FN(name)								\
{									\
	name##_mem(mem, x);						\
	x->no_store = x->fpu->fsw & ~x->fpu->fcw & X87_STORE_STOPS;	\
	return 0;							\
}
#define X87_STORE_STOPS 0x19	/* invalid, overflow, underflow */

/* A register; the flags go in (FCMOVcc) and come out (FCOMI and kin). */
#define X87_REG_CASE(opcode, base, n)					\
	case n:								\
		__asm__ volatile("sahf;" IN_GUEST(#opcode "," #base "+" #n) "; lahf"	\
				 : [guest] "+m"(a.guest), "+a"(ax)	\
				 : [host] "m"(a.host) : "cc");		\
		break;

#define X87_REG(name, opcode, base)					\
X87_FN(name)								\
{									\
	unsigned ax = (x->eflags & 0xff) << 8;				\
	struct x87_area a;						\
									\
	(void)mem;							\
	x87_enter(&a, x->fpu);						\
	switch (x->sti & 7) {						\
	X87_REG_CASE(opcode, base, 0) X87_REG_CASE(opcode, base, 1)	\
	X87_REG_CASE(opcode, base, 2) X87_REG_CASE(opcode, base, 3)	\
	X87_REG_CASE(opcode, base, 4) X87_REG_CASE(opcode, base, 5)	\
	X87_REG_CASE(opcode, base, 6) X87_REG_CASE(opcode, base, 7)	\
	}								\
	x87_leave(&a, x->fpu);						\
	x->eflags = give_flags(x->eflags, ax >> 8);			\
	return 0;							\
}

/* FCOMI clears OF; AF and SF are cleared by some processors and kept by others. */
static inline uint32_t give_flags(uint32_t eflags, uint32_t ah)
{
	const uint32_t mask = X86_FLAGS_STATUS;

	return (eflags & ~mask) | (ah & mask & 0xff);
}

/* What there is: name, opcode, second byte; the rows below say which mnemonic. */
#define X87_PLAINS(X)							\
	X(FCHS, 0xd9, 0xe0) X(FABS, 0xd9, 0xe1) X(FTST, 0xd9, 0xe4) X(FXAM, 0xd9, 0xe5)	\
	X(FLD1, 0xd9, 0xe8) X(FLDL2T, 0xd9, 0xe9) X(FLDL2E, 0xd9, 0xea) X(FLDPI, 0xd9, 0xeb)	\
	X(FLDLG2, 0xd9, 0xec) X(FLDLN2, 0xd9, 0xed) X(FLDZ, 0xd9, 0xee)	\
	X(F2XM1, 0xd9, 0xf0) X(FYL2X, 0xd9, 0xf1) X(FPTAN, 0xd9, 0xf2) X(FPATAN, 0xd9, 0xf3)	\
	X(FXTRACT, 0xd9, 0xf4) X(FPREM1, 0xd9, 0xf5) X(FDECSTP, 0xd9, 0xf6)	\
	X(FINCSTP, 0xd9, 0xf7) X(FPREM, 0xd9, 0xf8) X(FYL2XP1, 0xd9, 0xf9)	\
	X(FSQRT, 0xd9, 0xfa) X(FSINCOS, 0xd9, 0xfb) X(FRNDINT, 0xd9, 0xfc)	\
	X(FSCALE, 0xd9, 0xfd) X(FSIN, 0xd9, 0xfe) X(FCOS, 0xd9, 0xff)	\
	X(FUCOMPP, 0xda, 0xe9) X(FCOMPP, 0xde, 0xd9)

/* mnemonic, bytes of memory, opcode, extension */
#define X87_LOADS(X)							\
	X(FADD, 4, 0xd8, 0) X(FMUL, 4, 0xd8, 1) X(FCOM, 4, 0xd8, 2) X(FCOMP, 4, 0xd8, 3)	\
	X(FSUB, 4, 0xd8, 4) X(FSUBR, 4, 0xd8, 5) X(FDIV, 4, 0xd8, 6) X(FDIVR, 4, 0xd8, 7)	\
	X(FADD, 8, 0xdc, 0) X(FMUL, 8, 0xdc, 1) X(FCOM, 8, 0xdc, 2) X(FCOMP, 8, 0xdc, 3)	\
	X(FSUB, 8, 0xdc, 4) X(FSUBR, 8, 0xdc, 5) X(FDIV, 8, 0xdc, 6) X(FDIVR, 8, 0xdc, 7)	\
	X(FIADD, 4, 0xda, 0) X(FIMUL, 4, 0xda, 1) X(FICOM, 4, 0xda, 2) X(FICOMP, 4, 0xda, 3)	\
	X(FISUB, 4, 0xda, 4) X(FISUBR, 4, 0xda, 5) X(FIDIV, 4, 0xda, 6) X(FIDIVR, 4, 0xda, 7)	\
	X(FIADD, 2, 0xde, 0) X(FIMUL, 2, 0xde, 1) X(FICOM, 2, 0xde, 2) X(FICOMP, 2, 0xde, 3)	\
	X(FISUB, 2, 0xde, 4) X(FISUBR, 2, 0xde, 5) X(FIDIV, 2, 0xde, 6) X(FIDIVR, 2, 0xde, 7)	\
	X(FLD, 4, 0xd9, 0) X(FLD, 8, 0xdd, 0) X(FLD, 10, 0xdb, 5)	\
	X(FILD, 2, 0xdf, 0) X(FILD, 4, 0xdb, 0) X(FILD, 8, 0xdf, 5) X(FBLD, 10, 0xdf, 4)	\
	X(FLDCW, 2, 0xd9, 5)

#define X87_STORES(X)							\
	X(FST, 4, 0xd9, 2) X(FST, 8, 0xdd, 2)				\
	X(FSTP, 4, 0xd9, 3) X(FSTP, 8, 0xdd, 3) X(FSTP, 10, 0xdb, 7)	\
	X(FIST, 2, 0xdf, 2) X(FIST, 4, 0xdb, 2)				\
	X(FISTP, 2, 0xdf, 3) X(FISTP, 4, 0xdb, 3) X(FISTP, 8, 0xdf, 7)	\
	X(FISTTP, 2, 0xdf, 1) X(FISTTP, 4, 0xdb, 1) X(FISTTP, 8, 0xdd, 1)	\
	X(FBSTP, 10, 0xdf, 6)

/* mnemonic, flags, opcode, second byte for ST(0) */
#define TO_ST0	X86_X87_DST_ST0
#define TO_STI	X86_X87_DST_STI
#define FLAGS	X86_X87_WRITES_FLAGS
#define X87_REGS(X)							\
	X(FADD, TO_ST0, 0xd8, 0xc0) X(FMUL, TO_ST0, 0xd8, 0xc8)		\
	X(FSUB, TO_ST0, 0xd8, 0xe0) X(FSUBR, TO_ST0, 0xd8, 0xe8)	\
	X(FDIV, TO_ST0, 0xd8, 0xf0) X(FDIVR, TO_ST0, 0xd8, 0xf8)	\
	X(FADD, TO_STI, 0xdc, 0xc0) X(FMUL, TO_STI, 0xdc, 0xc8)		\
	X(FSUBR, TO_STI, 0xdc, 0xe0) X(FSUB, TO_STI, 0xdc, 0xe8)	\
	X(FDIVR, TO_STI, 0xdc, 0xf0) X(FDIV, TO_STI, 0xdc, 0xf8)	\
	X(FADDP, 0, 0xde, 0xc0) X(FMULP, 0, 0xde, 0xc8)			\
	X(FSUBRP, 0, 0xde, 0xe0) X(FSUBP, 0, 0xde, 0xe8)		\
	X(FDIVRP, 0, 0xde, 0xf0) X(FDIVP, 0, 0xde, 0xf8)		\
	X(FCOM, 0, 0xd8, 0xd0) X(FCOMP, 0, 0xd8, 0xd8)			\
	X(FUCOM, 0, 0xdd, 0xe0) X(FUCOMP, 0, 0xdd, 0xe8)		\
	X(FLD, 0, 0xd9, 0xc0) X(FXCH, 0, 0xd9, 0xc8)			\
	X(FST, 0, 0xdd, 0xd0) X(FSTP, 0, 0xdd, 0xd8) X(FSTPNCE, 0, 0xd9, 0xd8)	\
	X(FFREE, 0, 0xdd, 0xc0) X(FFREEP, 0, 0xdf, 0xc0)		\
	X(FCMOVB, 0, 0xda, 0xc0) X(FCMOVE, 0, 0xda, 0xc8)		\
	X(FCMOVBE, 0, 0xda, 0xd0) X(FCMOVU, 0, 0xda, 0xd8)		\
	X(FCMOVNB, 0, 0xdb, 0xc0) X(FCMOVNE, 0, 0xdb, 0xc8)		\
	X(FCMOVNBE, 0, 0xdb, 0xd0) X(FCMOVNU, 0, 0xdb, 0xd8)		\
	X(FUCOMI, FLAGS, 0xdb, 0xe8) X(FCOMI, FLAGS, 0xdb, 0xf0)	\
	X(FUCOMIP, FLAGS, 0xdf, 0xe8) X(FCOMIP, FLAGS, 0xdf, 0xf0)

#define PLAIN_FN(m, opcode, modrm)	X87_PLAIN(plain_##m, opcode, modrm)
#define LOAD_FN(m, size, opcode, ext)	X87_MEM(load_##m##_##size, opcode, ext)
#define STORE_FN(m, size, opcode, ext)	X87_STORE(store_##m##_##size, opcode, ext)
#define REG_FN(m, flags, opcode, base)	X87_REG(reg_##m##_##flags, opcode, base)

X87_PLAINS(PLAIN_FN)
X87_PLAIN(fnclex, 0xdb, 0xe2)
X87_LOADS(LOAD_FN)
X87_STORES(STORE_FN)
X87_REGS(REG_FN)

X87_FN(fnstcw)
{
	memcpy(mem, &x->fpu->fcw, 2);
	return 0;
}

X87_FN(fnstsw)
{
	memcpy(mem, &x->fpu->fsw, 2);
	return 0;
}

X87_FN(fnstsw_ax)
{
	(void)mem;
	x->ax = x->fpu->fsw;
	return 0;
}

X87_FN(fninit)
{
	(void)mem;
	x86_fninit(x->fpu);
	return 0;
}

#define PLAIN_ROW(m, opcode, modrm) \
	{ ZYDIS_MNEMONIC_##m, 0, 0, plain_##m },
#define LOAD_ROW(m, size, opcode, ext) \
	{ ZYDIS_MNEMONIC_##m, size, X86_X87_LOAD, load_##m##_##size },
#define STORE_ROW(m, size, opcode, ext) \
	{ ZYDIS_MNEMONIC_##m, size, X86_X87_STORE, store_##m##_##size },
#define REG_ROW(m, flags, opcode, base) \
	{ ZYDIS_MNEMONIC_##m, 0, flags, reg_##m##_##flags },

static const struct x86_x87_row rows[] = {
	X87_LOADS(LOAD_ROW)
	X87_STORES(STORE_ROW)
	X87_REGS(REG_ROW)
	X87_PLAINS(PLAIN_ROW)
	{ ZYDIS_MNEMONIC_FNCLEX, 0, X86_X87_NO_WAIT, fnclex },
	{ ZYDIS_MNEMONIC_FNINIT, 0, X86_X87_NO_WAIT, fninit },
	{ ZYDIS_MNEMONIC_FNSTCW, 2, X86_X87_STORE | X86_X87_NO_WAIT, fnstcw },
	{ ZYDIS_MNEMONIC_FNSTSW, 2, X86_X87_STORE | X86_X87_NO_WAIT, fnstsw },
	{ ZYDIS_MNEMONIC_FNSTSW, 0, X86_X87_WRITES_AX | X86_X87_NO_WAIT, fnstsw_ax },
	{ ZYDIS_MNEMONIC_FNSTENV, 28, X86_X87_STORE | X86_X87_NO_WAIT, x87_fnstenv },
	{ ZYDIS_MNEMONIC_FNSAVE, 108, X86_X87_STORE | X86_X87_NO_WAIT, x87_fnsave },
	{ ZYDIS_MNEMONIC_FLDENV, 28, X86_X87_LOAD, x87_fldenv },
	{ ZYDIS_MNEMONIC_FRSTOR, 108, X86_X87_LOAD, x87_frstor },
};

const struct x86_x87_table x86_x87_table = { rows, ARRAY_SIZE(rows) };

int x86_x87_find(uint16_t mnemonic, uint16_t mem_size, uint8_t dst_form)
{
	size_t i;

	for (i = 0; i < x86_x87_table.nr; i++) {
		const struct x86_x87_row *r = &x86_x87_table.rows[i];
		uint8_t form = r->flags & (X86_X87_DST_ST0 | X86_X87_DST_STI);

		if (r->mnemonic != mnemonic || (form && form != dst_form))
			continue;
		/* Environment and all, with 16-bit operands: 14 and 94 bytes */
		if (r->mem_size == mem_size || (r->mem_size == 28 && mem_size == 14) ||
		    (r->mem_size == 108 && mem_size == 94))
			return (int)i;
	}
	return -1;
}

const struct x86_x87_row *x86_x87_row(unsigned nr)
{
	return nr < x86_x87_table.nr ? &x86_x87_table.rows[nr] : NULL;
}
