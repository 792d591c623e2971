/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * shapes.c - how the operands of an instruction choose its handler.
 *
 * A shape knows one family's order in exec/handlers.def.  Registers, memory
 * and immediate are already in the op; a shape sets op->id and corrects what
 * is special.  Together with the list of forms that use them.
 */
#include "x86/decode_priv.h"
#include "x86/simd.h"

enum { FORM_RR, FORM_RM, FORM_MR, FORM_RI, FORM_MI, FORM_LMR, FORM_LMI };

static bool choose(struct x86_decoding *d, unsigned index)
{
	d->op->id = (uint16_t)(d->first + index);
	return true;
}

static int form_of(const struct x86_decoding *d)
{
	if (x86_is_reg(d, 0))
		return x86_is_reg(d, 1) ? FORM_RR : x86_is_mem(d, 1) ? FORM_RM :
		       x86_is_imm(d, 1) ? FORM_RI : -1;
	if (!x86_is_mem(d, 0))
		return -1;
	if (x86_is_reg(d, 1))
		return d->op->flags & X86_OP_LOCK ? FORM_LMR : FORM_MR;
	return !x86_is_imm(d, 1) ? -1 : d->op->flags & X86_OP_LOCK ? FORM_LMI : FORM_MI;
}

/* ADD and kin, CMP, TEST */
static bool binary(struct x86_decoding *d)
{
	int form = form_of(d);

	return form >= 0 && choose(d, (unsigned)form * 4 + x86_width_of(&d->o[0]));
}

static bool is_class(const struct x86_decoding *d, unsigned i, ZydisRegisterClass c)
{
	return x86_is_reg(d, i) && ZydisRegisterGetClass(d->o[i].reg.value) == c;
}

/* 64-bit absolute addresses fill imm and disp. */
static bool mov_moffs(struct x86_decoding *d, unsigned i)
{
	int64_t a = d->o[i].mem.disp.value;

	d->op->imm = (int32_t)(uint32_t)a;
	d->op->disp = (int32_t)(uint32_t)((uint64_t)a >> 32);
	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	d->op->id = i == 0 ? X86_H_mov_store_abs : X86_H_mov_load_abs;
	return true;
}

static bool mov_special(struct x86_decoding *d, bool *is_special)
{
	*is_special = true;
	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	if (is_class(d, 0, ZYDIS_REGCLASS_SEGMENT))
		d->op->id = X86_H_mov_to_sreg;
	else if (is_class(d, 1, ZYDIS_REGCLASS_SEGMENT))
		d->op->id = X86_H_mov_from_sreg;
	else if (is_class(d, 0, ZYDIS_REGCLASS_CONTROL))
		d->op->id = X86_H_mov_to_cr;
	else if (is_class(d, 1, ZYDIS_REGCLASS_CONTROL))
		d->op->id = X86_H_mov_from_cr;
	else if (is_class(d, 0, ZYDIS_REGCLASS_DEBUG))
		d->op->id = X86_H_mov_to_dr;
	else if (is_class(d, 1, ZYDIS_REGCLASS_DEBUG))
		d->op->id = X86_H_mov_from_dr;
	else if (is_class(d, 0, ZYDIS_REGCLASS_TEST) || is_class(d, 1, ZYDIS_REGCLASS_TEST))
		return false;
	else
		*is_special = false;
	return true;
}

static bool mov(struct x86_decoding *d)
{
	bool special;
	unsigned i;

	if (!mov_special(d, &special) || special)
		return special;
	for (i = 0; i < 2; i++)
		if (x86_is_mem(d, i) && d->o[i].mem.disp.has_displacement &&
		    d->o[i].mem.disp.value != (int32_t)d->o[i].mem.disp.value)
			return mov_moffs(d, i);
	if (x86_is_imm(d, 1) && d->o[0].size == 64 &&
	    d->o[1].imm.value.s != (int32_t)d->o[1].imm.value.s) {
		d->op->imm = (int32_t)(uint32_t)d->o[1].imm.value.u;
		d->op->disp = (int32_t)(uint32_t)(d->o[1].imm.value.u >> 32);
		d->op->id = X86_H_mov_ri64;
		return true;
	}
	return binary(d);
}

/* r m lm */
static bool unary(struct x86_decoding *d)
{
	unsigned form = !x86_is_mem(d, 0) ? 0 : d->op->flags & X86_OP_LOCK ? 2 : 1;

	return choose(d, form * 4 + x86_width_of(&d->o[0]));
}

/* ri rc mi mc; one without an immediate shifts by one */
static bool shift(struct x86_decoding *d)
{
	bool mem = x86_is_mem(d, 0), cl = x86_is_reg(d, 1);

	if (!cl && !x86_is_imm(d, 1))
		d->op->imm = 1;
	return choose(d, (2u * mem + cl) * 4 + x86_width_of(&d->o[0]));
}

/* first: the register form of 8 to 16 bits; from and to in op->width order */
static bool extend(struct x86_decoding *d)
{
	bool sign = d->in->mnemonic != ZYDIS_MNEMONIC_MOVZX, mem = x86_is_mem(d, 1);
	unsigned from = x86_width_of(&d->o[1]), to = x86_width_of(&d->o[0]);

	if (from == to || (!sign && from == 2)) {	/* MOVSXD r32, MOVZX r16,r16 */
		d->first = X86_H_mov_rr_8;
		return choose(d, (mem ? FORM_RM : FORM_RR) * 4 + to);
	}
	if (!sign) {
		d->first = mem ? X86_H_movzx_m_8_16 : X86_H_movzx_r_8_16;
		return choose(d, from == 1 ? 2 : to == 1 ? 0 : 1);
	}
	d->first = mem ? X86_H_movsx_m_8_16 : X86_H_movsx_r_8_16;
	if (from == 2 && to == 1) {			/* MOVSXD r16: of 32 bits read */
		if (mem) {
			d->op->id = X86_H_movsxd_m_16;
			return true;
		}
		d->first = X86_H_mov_rr_8;
		return choose(d, (mem ? FORM_RM : FORM_RR) * 4 + 1);
	}
	return choose(d, from == 0 ? to - 1 : from == 1 ? 3 + (to - 2) : 5);
}

static bool lea(struct x86_decoding *d)
{
	return choose(d, x86_width_of(&d->o[0]) - 1);
}

/* Stack forms that are spelled out exist for 64-bit mode and operand size only. */
static bool fast_stack(const struct x86_decoding *d)
{
	return d->mode == X86_MODE_64 && d->op->width == 3;
}

/* In 64-bit mode pushes and near branches have 64 bits, with 66 pushes have 16. */
static void stack_width(struct x86_decoding *d)
{
	if (d->mode == X86_MODE_64 && d->op->width == 2)
		d->op->width = 3;
	if (!(d->op->flags & X86_OP_MEM))
		d->op->seg = X86_SS;
}

static bool push(struct x86_decoding *d)
{
	stack_width(d);
	if (is_class(d, 0, ZYDIS_REGCLASS_SEGMENT)) {
		d->op->id = X86_H_push_sreg;
		return true;
	}
	if (x86_is_imm(d, 0))
		d->op->src = X86_OFF_NONE;
	if (!fast_stack(d))
		d->op->id = X86_H_push_any;
	else
		d->op->id = x86_is_imm(d, 0) ? X86_H_push_i64 :
			    x86_is_mem(d, 0) ? X86_H_push_m64 : X86_H_push_r64;
	return true;
}

static bool pop(struct x86_decoding *d)
{
	stack_width(d);
	if (is_class(d, 0, ZYDIS_REGCLASS_SEGMENT))
		d->op->id = X86_H_pop_sreg;
	else
		d->op->id = fast_stack(d) && x86_is_reg(d, 0) ? X86_H_pop_r64 : X86_H_pop_any;
	return true;
}

/* Near branches have the displacement in disp, counted from the next instruction. */
static void relative(struct x86_decoding *d)
{
	d->op->disp = d->op->imm;
	d->op->src = X86_OFF_NONE;
}

static bool is_far(const struct x86_decoding *d)
{
	return d->in->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
}

static bool call(struct x86_decoding *d)
{
	if (is_far(d)) {
		d->op->id = X86_H_call_far;
		return true;
	}
	stack_width(d);
	if (x86_is_imm(d, 0))
		relative(d);
	if (!fast_stack(d))
		d->op->id = X86_H_call_any;
	else
		d->op->id = x86_is_imm(d, 0) ? X86_H_call_rel64 :
			    x86_is_mem(d, 0) ? X86_H_call_m64 : X86_H_call_r64;
	return true;
}

static bool jmp(struct x86_decoding *d)
{
	if (is_far(d)) {
		d->op->id = X86_H_jmp_far;
		return true;
	}
	stack_width(d);
	if (x86_is_imm(d, 0)) {
		relative(d);
		d->op->id = X86_H_jmp_rel;
	} else if (fast_stack(d)) {
		d->op->id = x86_is_mem(d, 0) ? X86_H_jmp_m64 : X86_H_jmp_r64;
	} else {
		d->op->id = X86_H_jmp_any;
	}
	return true;
}

/* LOOPcc, JrCXZ, Jcc: relative only; first is the handler */
static bool branch(struct x86_decoding *d)
{
	stack_width(d);
	relative(d);
	return choose(d, 0);
}

static bool ret(struct x86_decoding *d)
{
	bool imm = x86_is_imm(d, 0);

	if (is_far(d)) {
		d->op->id = X86_H_ret_far;
		return true;
	}
	stack_width(d);
	d->op->id = !fast_stack(d) ? X86_H_ret_any : imm ? X86_H_ret_i64 : X86_H_ret64;
	return true;
}

static bool leave(struct x86_decoding *d)
{
	stack_width(d);
	d->op->id = fast_stack(d) ? X86_H_leave64 : X86_H_leave_any;
	return true;
}

/* Frame size in aux, nesting level in imm. */
static bool enter(struct x86_decoding *d)
{
	stack_width(d);
	d->op->aux = (uint16_t)d->o[0].imm.value.u;
	d->op->imm = (int32_t)d->o[1].imm.value.u;
	return choose(d, 0);
}

/* No visible operands or none that matter beyond what is filled in. */
static bool plain(struct x86_decoding *d)
{
	return choose(d, 0);
}

/* The table at rBX is no visible operand. */
static bool xlat(struct x86_decoding *d)
{
	unsigned i;

	d->op->base = X86_RBX * 8;
	for (i = 0; i < d->in->operand_count; i++)
		if (d->o[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			d->op->seg = x86_seg_of(d->o[i].mem.segment);
	return choose(d, 0);
}

/* The address is DS:rAX, or in another segment. */
static bool monitor(struct x86_decoding *d)
{
	unsigned i;

	d->op->seg = X86_DS;
	for (i = 0; i < d->in->operand_count; i++)
		if (d->o[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			d->op->seg = x86_seg_of(d->o[i].mem.segment);
	return choose(d, 0);
}

static bool nop(struct x86_decoding *d)
{
	if (d->in->opcode_map == ZYDIS_OPCODE_MAP_0F && d->in->opcode == 0x0d && x86_is_reg(d, 0))
		d->first = X86_H_nop_intel;
	return choose(d, 0);
}

/* F3 90 with REX.B is XCHG r8,rAX for the processor, and PAUSE for Zydis 4.0. */
static bool pause(struct x86_decoding *d)
{
	if (!(d->in->attributes & ZYDIS_ATTRIB_HAS_REX) || !d->in->raw.rex.B)
		return choose(d, 0);
	d->op->dst = X86_R8 * 8;
	d->op->src = X86_RAX * 8;
	d->op->width = (uint8_t)(d->in->raw.rex.W ? 3 :
				 d->in->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? 1 : 2);
	d->op->id = X86_H_xchg_rr;
	return true;
}

/* Plain, with the stack's operand size. */
static bool stack(struct x86_decoding *d)
{
	stack_width(d);
	return choose(d, 0);
}

static bool setcc(struct x86_decoding *d)
{
	d->op->aux = d->in->opcode & 15;
	if (!x86_is_mem(d, 0))
		return choose(d, 0);
	d->op->id = X86_H_setcc_m;
	return true;
}

/* first: cmov_rr_32_cc */
static bool cmov(struct x86_decoding *d)
{
	unsigned w = x86_width_of(&d->o[0]);
	bool mem = x86_is_mem(d, 1);

	d->op->aux = d->in->opcode & 15;
	if (w == 1) {
		d->op->id = mem ? X86_H_cmov_rm_16 : X86_H_cmov_rr_16;
		return true;
	}
	return choose(d, (mem * 2u + (w - 2)) * 16);
}

/* One operand, r or m, by width: MUL, DIV */
static bool muldiv(struct x86_decoding *d)
{
	return choose(d, 4u * x86_is_mem(d, 0) + x86_width_of(&d->o[0]));
}

/* first: imul1 */
static bool imul(struct x86_decoding *d)
{
	unsigned w = x86_width_of(&d->o[0]);
	bool mem = x86_is_mem(d, 1);

	if (d->in->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	    d->in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	    (d->in->opcode == 0xf6 || d->in->opcode == 0xf7))
		return muldiv(d);
	if (x86_is_imm(d, 2))
		d->first = mem ? X86_H_imul3_rmi_16 : X86_H_imul3_rri_16;
	else
		d->first = mem ? X86_H_imul2_rm_16 : X86_H_imul2_rr_16;
	return choose(d, w - 1);
}

/* BT and kin: register operand, and the memory bit string; imm form: src none */
static bool bit_test(struct x86_decoding *d)
{
	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	if (x86_is_imm(d, 1))
		d->op->src = X86_OFF_NONE;
	return choose(d, x86_is_mem(d, 0) ? 4 : 0);
}

/* Destination register, source register or memory; width is the destination's */
static bool reg_rm(struct x86_decoding *d)
{
	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	return choose(d, 0);
}

/* CRC32: width of the source, op->aux of the destination */
static bool crc32(struct x86_decoding *d)
{
	d->op->width = (uint8_t)x86_width_of(&d->o[1]);
	return choose(d, 0);
}

/* The first operand decides: xchg_rr xchg_mr, xadd, cmpxchg, movbe */
static bool rr_mr(struct x86_decoding *d)
{
	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	if (x86_is_mem(d, 1)) {			/* XCHG r,m as Zydis may print it */
		if (d->in->mnemonic == ZYDIS_MNEMONIC_MOVBE)
			return choose(d, 0);
		d->op->src = d->op->dst;
	}
	return choose(d, d->op->flags & X86_OP_MEM ? 1 : 0);
}

/* SHLD, SHRD: count in imm, or CL when aux is none */
static bool double_shift(struct x86_decoding *d)
{
	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	d->op->aux = x86_is_imm(d, 2) ? 1 : 0;
	return choose(d, 0);
}

static bool bswap(struct x86_decoding *d)
{
	/* With 16 bits it is undefined; processors clear them. */
	if (x86_width_of(&d->o[0]) == 1) {
		d->op->id = X86_H_mov_ri_16;
		d->op->imm = 0;
		return true;
	}
	return choose(d, x86_width_of(&d->o[0]) == 3 ? 1 : 0);
}

/* The last operand register or memory, the middle one in aux: ANDN, MULX, PDEP, PEXT */
static bool vex_rvm(struct x86_decoding *d)
{
	uint8_t middle = d->op->src;

	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	d->op->src = (uint8_t)d->op->aux;
	d->op->aux = middle;
	return choose(d, 0);
}

/* The middle operand register or memory, the last one in aux: BEXTR, BZHI, SARX... */
static bool vex_rmv(struct x86_decoding *d)
{
	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	return choose(d, 0);
}

/* String instructions: width by mnemonic order B W D Q, source segment override */
static bool string(struct x86_decoding *d)
{
	unsigned i;

	for (i = 0; i < d->in->operand_count; i++) {
		const ZydisDecodedOperand *o = &d->o[i];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
			d->op->width = (uint8_t)x86_width_of(o);
			if (o->mem.base == ZYDIS_REGISTER_RSI || o->mem.base == ZYDIS_REGISTER_ESI ||
			    o->mem.base == ZYDIS_REGISTER_SI)
				d->op->seg = (uint8_t)(o->mem.segment == ZYDIS_REGISTER_NONE ? X86_DS :
						       o->mem.segment - ZYDIS_REGISTER_ES);
		}
	}
	/* The generic filling took hidden operands for the instruction's own. */
	d->op->flags &= (uint8_t)~(X86_OP_MEM | X86_OP_MEM_DST);
	return choose(d, 0);
}

/* MOVSD and CMPSD are strings and SSE instructions. */
static bool string_or_simd(struct x86_decoding *d)
{
	if (d->in->meta.category == ZYDIS_CATEGORY_STRINGOP)
		return string(d);
	return x86_shape_simd(d);
}

/* IN, OUT: aux 1 for OUT, width of the accumulator, src none with an immediate port */
static bool in_out(struct x86_decoding *d)
{
	unsigned op = d->in->opcode;

	d->op->aux = (op >> 1) & 1;
	d->op->src = op & 8 ? X86_RDX * 8 : X86_OFF_NONE;
	if (!(op & 1))
		d->op->width = 0;
	else if (d->op->width == 3)
		d->op->width = 2;
	return choose(d, 0);
}

/* VMX and SVM instructions: aux is the manual's exit reason or code. */
static bool hypervisor(struct x86_decoding *d)
{
	static const struct { uint16_t mnemonic, code; } codes[] = {
		{ ZYDIS_MNEMONIC_VMCLEAR, 19 }, { ZYDIS_MNEMONIC_VMLAUNCH, 20 },
		{ ZYDIS_MNEMONIC_VMPTRLD, 21 }, { ZYDIS_MNEMONIC_VMPTRST, 22 },
		{ ZYDIS_MNEMONIC_VMREAD, 23 }, { ZYDIS_MNEMONIC_VMRESUME, 24 },
		{ ZYDIS_MNEMONIC_VMWRITE, 25 }, { ZYDIS_MNEMONIC_VMXOFF, 26 },
		{ ZYDIS_MNEMONIC_VMXON, 27 }, { ZYDIS_MNEMONIC_INVEPT, 50 },
		{ ZYDIS_MNEMONIC_INVVPID, 53 },
		{ ZYDIS_MNEMONIC_VMRUN, 0x80 }, { ZYDIS_MNEMONIC_VMLOAD, 0x82 },
		{ ZYDIS_MNEMONIC_VMSAVE, 0x83 }, { ZYDIS_MNEMONIC_STGI, 0x84 },
		{ ZYDIS_MNEMONIC_CLGI, 0x85 }, { ZYDIS_MNEMONIC_SKINIT, 0x86 },
		{ ZYDIS_MNEMONIC_INVLPGA, 0x7a },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].mnemonic == d->in->mnemonic)
			d->op->aux = codes[i].code;
	return choose(d, 0);
}

/* Of an SNP guest; RMPQUERY is RDPRU with F3 before it (decode.c has kept that). */
static bool snp(struct x86_decoding *d)
{
	d->op->aux = d->in->mnemonic == ZYDIS_MNEMONIC_PVALIDATE ? X86_PVALIDATE :
		     d->in->mnemonic == ZYDIS_MNEMONIC_RMPADJUST ? X86_RMPADJUST :
		     d->op->flags & X86_OP_REPE ? X86_RMPQUERY : X86_NO_SNP;
	return choose(d, 0);
}

/* Width of the first operand: SLDT, STR, SMSW, RDRAND... */
static bool first_width(struct x86_decoding *d)
{
	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	return choose(d, 0);
}

/* LDS and kin: the segment register in aux */
static bool load_far(struct x86_decoding *d)
{
	static const struct { uint16_t mnemonic; uint8_t seg; } segs[] = {
		{ ZYDIS_MNEMONIC_LES, X86_ES }, { ZYDIS_MNEMONIC_LDS, X86_DS },
		{ ZYDIS_MNEMONIC_LSS, X86_SS }, { ZYDIS_MNEMONIC_LFS, X86_FS },
		{ ZYDIS_MNEMONIC_LGS, X86_GS },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(segs); i++)
		if (segs[i].mnemonic == d->in->mnemonic)
			d->op->aux = segs[i].seg;
	d->op->width = (uint8_t)x86_width_of(&d->o[0]);
	return choose(d, 0);
}

#define CC_FORMS(jcc, setcc_, cmov_)					\
	jcc(O, o) jcc(NO, no) jcc(B, b) jcc(NB, nb) jcc(Z, z) jcc(NZ, nz) jcc(BE, be) jcc(NBE, nbe) \
	jcc(S, s) jcc(NS, ns) jcc(P, p) jcc(NP, np) jcc(L, l) jcc(NL, nl) jcc(LE, le) jcc(NLE, nle)

#define F(m, s, h)	[ZYDIS_MNEMONIC_##m] = { s, X86_H_##h },
#define CC(M, n)	F(J##M, branch, jcc_##n) F(SET##M, setcc, setcc_r_##n) \
			F(CMOV##M, cmov, cmov_rr_32_##n)

static const struct x86_form forms[] = {
#include "x86/forms.def"
	CC_FORMS(CC, , )
};

const struct x86_form *x86_form_of(unsigned mnemonic)
{
	static const struct x86_form none;

	return mnemonic < ARRAY_SIZE(forms) ? &forms[mnemonic] : &none;
}

bool x86_ends_block(const struct x86_op *op)
{
	switch (op->id) {
	case X86_H_jmp_rel: case X86_H_jmp_r64: case X86_H_jmp_m64: case X86_H_jmp_any:
	case X86_H_call_rel64: case X86_H_call_r64: case X86_H_call_m64: case X86_H_call_any:
	case X86_H_ret64: case X86_H_ret_i64: case X86_H_ret_any:
	case X86_H_loop: case X86_H_loope: case X86_H_loopne: case X86_H_jcxz:
		return true;
	default:
		return (op->id >= X86_H_jcc_o && op->id <= X86_H_jcc_nle) || op->id == X86_H_popf ||
		       (op->id >= X86_H_ud && op->id <= X86_H_sysexit);
	}
}
