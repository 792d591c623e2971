/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_emu_run.c - every form that KVM's emulator takes, three times from the
 * same state: by the processor, by the emulator, and by the processor with its
 * memory operand in MMIO, which ends in the emulator piece by piece.  All
 * three must end alike: registers, flags, FPU, memory, exception.
 */
#include "emu_world.h"
#include "kvm/vcpu/emu_forms.h"
#include "kvm/vcpu/emulate.h"
#include "x86/decode.h"

/* How a run ended. */
struct outcome {
	struct x86_state state;
	uint32_t	 exit_reason;
	uint8_t		 data[WORK_SIZE], stack[WORK_SIZE];
};

static void serve(struct world *w, struct kvm_run *run)
{
	uint64_t at = run->mmio.phys_addr - DEVICE;

	assert_true(run->mmio.len >= 1 && run->mmio.len <= 8);
	assert_true(at + run->mmio.len <= WORK_SIZE);
	if (run->mmio.is_write)
		memcpy(w->device + at, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, w->device + at, run->mmio.len);
	w->nr_mmio++;
}

static void run_to_the_end(struct world *w)
{
	struct vcpu *v = w->a.v;
	unsigned n = 0;

	do {
		assert_int_equal(vcpu_run(v), 0);
		if (v->base.run->exit_reason != KVM_EXIT_MMIO)
			return;
		serve(w, v->base.run);
	} while (n++ < 64);
	fail_msg("no end of MMIO at %#llx", (unsigned long long)v->base.run->mmio.phys_addr);
}

static void begin(struct world *w, const struct x86_state *s, enum tree tree)
{
	struct vcpu *v = w->a.v;

	memcpy(w->memory + DATA, w->data, WORK_SIZE);
	memcpy(w->memory + STACK, w->stack, WORK_SIZE);
	memcpy(w->device, w->data, WORK_SIZE);
	v->state = *s;
	v->state.cr3 = tree == IN_MMIO ? IO_TREE : MEM_TREE;
	v->complete = NULL;
	v->events = (struct vcpu_events){ .external_vector = -1 };
	v->svm_exit.nr_bytes = 0;
	v->base.run->exit_reason = KVM_EXIT_UNKNOWN;
	kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	kvm_check_request(KVM_REQ_TRIPLE_FAULT, &v->base);
	w->nr_run++;
}

static void end(struct world *w, enum tree tree, struct outcome *o)
{
	struct vcpu *v = w->a.v;

	v->complete = NULL;
	o->state = v->state;
	o->state.cr3 = 0;
	o->exit_reason = v->base.run->exit_reason;
	memcpy(o->data, tree == IN_MMIO ? w->device : w->memory + DATA, WORK_SIZE);
	memcpy(o->stack, w->memory + STACK, WORK_SIZE);
}

static void by_processor(struct world *w, const struct x86_state *s, enum tree tree,
			 struct outcome *o)
{
	begin(w, s, tree);
	run_to_the_end(w);
	end(w, tree, o);
}

/* False: an emulation failure. */
static bool by_emulator(struct world *w, const struct x86_state *s, struct outcome *o)
{
	struct vcpu *v = w->a.v;
	int r;

	begin(w, s, IN_MEMORY);
	v->base.srcu_idx = srcu_read_lock(&w->a.kvm->srcu);
	r = vcpu_emulate(v, EMULATE_NO_GPA);
	srcu_read_unlock(&w->a.kvm->srcu, v->base.srcu_idx);
	assert_true(r == 0 || r == 1);
	if (r == 1)
		run_to_the_end(w);
	end(w, IN_MEMORY, o);
	return o->exit_reason != KVM_EXIT_INTERNAL_ERROR;
}

static const char *difference(const struct outcome *a, const struct outcome *b, uint64_t undefined)
{
	const struct x86_state *s = &a->state, *t = &b->state;

	if (a->exit_reason != b->exit_reason)
		return "exit reason";
	if (s->rip != t->rip)
		return "RIP, or the exception";
	if (memcmp(s->gpr, t->gpr, sizeof(s->gpr)))
		return "registers";
	if ((s->rflags ^ t->rflags) & ~undefined)
		return "flags";
	if (memcmp(s->seg, t->seg, sizeof(s->seg)) || memcmp(&s->gdtr, &t->gdtr, sizeof(s->gdtr)) ||
	    memcmp(&s->idtr, &t->idtr, sizeof(s->idtr)))
		return "segments";
	if (s->cr0 != t->cr0 || s->cr2 != t->cr2 || s->cr4 != t->cr4 || s->dr6 != t->dr6 ||
	    s->shadow != t->shadow)
		return "control registers";
	if (memcmp(&s->fpu, &t->fpu, sizeof(s->fpu)))
		return "FPU";
	if (memcmp(a->data, b->data, WORK_SIZE))
		return "memory";
	return memcmp(a->stack, b->stack, WORK_SIZE) ? "stack" : NULL;
}

struct insn {
	uint8_t		bytes[16];
	unsigned	nr;
	enum x86_mode	mode;
	uint64_t	undefined;	/* flags */
};

static void check(const struct insn *in, const char *who, const struct outcome *want,
		  const struct outcome *got)
{
	const char *what = difference(want, got, in->undefined);

	if (!what)
		return;
	fail_msg("mode %u, %02x %02x %02x %02x %02x %02x: %s: %s (exit %u %u, RIP %#llx %#llx)",
		 in->mode, in->bytes[0], in->bytes[1], in->bytes[2], in->bytes[3], in->bytes[4],
		 in->bytes[5], who, what, want->exit_reason, got->exit_reason,
		 (unsigned long long)want->state.rip, (unsigned long long)got->state.rip);
}

/* Taken by its bytes and refused later: docs/facts/emulator-forms.tsv, its head. */
static bool may_be_refused(const struct insn *in, const struct emu_form *f)
{
	bool wide = in->mode == X86_MODE_64;

	if (f->map == 1)
		return f->opcode == 0xc8 || (f->opcode >= 0xca && f->opcode <= 0xcf) ||
		       f->opcode == 0x9a || f->opcode == 0xea ||
		       (f->opcode == 0xff && ((f->modrm >> 3 & 7) == 3 || (f->modrm >> 3 & 7) == 5));
	return wide && f->map == 2 &&
	       (f->opcode == 0x34 || (f->opcode == 0xae && (f->modrm >> 3 & 7) <= 1));
}

/* What differs by nature, or goes on from a state of its own making. */
static bool is_left_out(const struct emu_form *f)
{
	unsigned reg = f->modrm >> 3 & 7, rm = f->modrm & 7;

	if (f->map == 1 && f->opcode == 0xff && f->modrm >= 0xc0 && (reg == 2 || reg == 4))
		return rm >= 3;		/* a jump into the operand */
	if (f->map == 2 && (f->opcode & 0xe7) == 0xa3 && f->modrm < 0xc0)
		return reg != 1 && reg != 2;	/* a bit's number far outside the operand */
	if (f->map == 2 && f->opcode == 0x20)
		return reg == 3;		/* the trees differ */
	return f->map == 2 && (f->opcode == 0x22 || f->opcode == 0x23 ||	/* MOV to CR, DR */
			       f->opcode == 0x31 ||				/* RDTSC */
			       (f->opcode == 0x01 && (f->modrm == 0xc1 || f->modrm == 0xd9)));
}

/* KVM executes F3 BSF and F3 BSR as if the F3 were not there. */
static bool is_scan_with_f3(const struct insn *in, const struct emu_form *f)
{
	return f->map == 2 && (f->opcode & 0xfe) == 0xbc && memchr(in->bytes, 0xf3, in->nr - 3);
}

/* A far pointer with REX.W: m16:64 for KVM's emulator, m16:32 on AMD's processors. */
static bool is_wide_far_on_amd(const struct world *w, const struct insn *in,
			       const struct emu_form *f)
{
	unsigned reg = f->modrm >> 3 & 7;

	if (w->vendor != AMD || in->mode != X86_MODE_64 || f->modrm >= 0xc0 ||
	    (in->bytes[0] & 0xf8) != 0x48)
		return false;
	return (f->map == 1 && f->opcode == 0xff && (reg == 3 || reg == 5)) ||
	       (f->map == 2 && (f->opcode == 0xb2 || f->opcode == 0xb4 || f->opcode == 0xb5));
}

static void run_all_ways(struct world *w, struct insn *in, const struct emu_form *f)
{
	static struct outcome want, got;
	uint64_t base = in->mode == X86_MODE_16 ? CODE_16 : 0;
	uint64_t at = CODE + (w->nr_run % 512) * 32;
	struct x86_state s;

	memset(w->memory + base + CODE, HLT, 0x4000);
	memcpy(w->memory + base + at, in->bytes, in->nr);
	fill(w, w->data, sizeof(w->data));
	fill(w, w->stack, sizeof(w->stack));
	set_state(w, &s, in->mode);
	s.rip = at;
	by_processor(w, &s, IN_MEMORY, &want);
	if (is_scan_with_f3(in, f) || is_wide_far_on_amd(w, in, f))
		return;
	if (!by_emulator(w, &s, &got)) {
		if (!may_be_refused(in, f))
			fail_msg("mode %u, %02x %02x %02x %02x: refused", in->mode, in->bytes[0],
				 in->bytes[1], in->bytes[2], in->bytes[3]);
		return;
	}
	check(in, "the emulator", &want, &got);
	if (emu_form_needs_memory(f))
		return;
	by_processor(w, &s, IN_MMIO, &got);
	if (got.exit_reason == KVM_EXIT_INTERNAL_ERROR && may_be_refused(in, f))
		return;
	check(in, "MMIO", &want, &got);
}

/* Does the opcode have a ModRM byte?  SDM vol. 2 appendix A. */
static bool has_modrm(unsigned map, unsigned o)
{
	if (map == 1)
		return (o < 0x40 && (o & 7) < 4) || o == 0x63 || o == 0x69 || o == 0x6b ||
		       (o >= 0x80 && o < 0x90) || o == 0xc0 || o == 0xc1 ||
		       (o >= 0xc4 && o <= 0xc7) || (o >= 0xd0 && o <= 0xd3) ||
		       (o >= 0xd8 && o <= 0xdf) || o == 0xf6 || o == 0xf7 || o >= 0xfe;
	return map == 3 || !((o >= 0x05 && o <= 0x09) || (o >= 0x30 && o <= 0x37) ||
			     (o >= 0x80 && o < 0x90) || (o >= 0xa0 && o <= 0xa2) ||
			     (o >= 0xa8 && o <= 0xaa) || (o >= 0xc8 && o <= 0xcf));
}

static bool is_moffs(unsigned map, unsigned o)
{
	return map == 1 && o >= 0xa0 && o <= 0xa3;
}

/* Immediates go forward a little, should they be a branch's. */
static void make_insn(struct world *w, struct insn *in, uint8_t prefix, unsigned map, unsigned o,
		      unsigned modrm)
{
	uint64_t imm = 0x10 + next_random(w) % 0x60;

	in->nr = 0;
	if (prefix)
		in->bytes[in->nr++] = prefix;
	if (map > 1)
		in->bytes[in->nr++] = 0x0f;
	if (map > 2)
		in->bytes[in->nr++] = 0x38;
	in->bytes[in->nr++] = (uint8_t)o;
	if (has_modrm(map, o))
		in->bytes[in->nr++] = (uint8_t)modrm;
	if (is_moffs(map, o))
		imm = in->mode == X86_MODE_64 ? DATA + 0x810 : 0x810;
	memcpy(in->bytes + in->nr, &imm, 8);
	in->nr += 8;
}

/* @form counts reg fields with a register, then with [RBX] or [BX]. */
static unsigned modrm_of(struct world *w, enum x86_mode mode, unsigned form)
{
	unsigned rm = form < 8 ? 0xc0 | (next_random(w) & 7) : mode == X86_MODE_16 ? 7 : 3;

	return rm | (form & 7) << 3;
}

static void try_form(struct world *w, enum x86_mode mode, uint8_t prefix, unsigned map, unsigned o,
		     unsigned form)
{
	struct insn in = { .mode = mode };
	struct emu_form f;
	struct x86_op op;

	make_insn(w, &in, prefix, map, o, modrm_of(w, mode, form));
	if (emu_form_of(mode, in.bytes, in.nr, &f) != EMU_TAKES || is_left_out(&f) ||
	    f.map != map || f.opcode != o)
		return;
	/* #UD of what no processor has. */
	if (x86_decode(mode, in.bytes, in.nr, 0, 1, &(struct x86_handlers){ 0 }, &op) != X86_DECODED)
		return;
	in.nr = op.len;
	in.undefined = x86_undefined_flags(mode, in.bytes, sizeof(in.bytes));
	run_all_ways(w, &in, &f);
}

static void every_form(struct world *w, enum x86_mode mode)
{
	static const uint8_t prefixes[] = { 0, 0x66, 0xf3, 0xf2, 0xf0, 0x67, 0x64, 0x48, 0x4c };

	for (unsigned map = 1; map <= 3; map++) {
		for (unsigned o = 0; o < 256; o++) {
			unsigned nr = has_modrm(map, o) ? 16 : 1;

			for (unsigned i = 0; i < nr * ARRAY_SIZE(prefixes); i++)
				try_form(w, mode, prefixes[i / nr], map, o, i % nr);
		}
	}
}

static void all_forms(void **state, enum x86_mode mode)
{
	struct world *w = *state;

	mutex_lock(&w->a.v->base.mutex);
	every_form(w, mode);
	mutex_unlock(&w->a.v->base.mutex);
	print_message("%u runs, %u accesses of MMIO\n", w->nr_run, w->nr_mmio);
	assert_true(w->nr_run > 5000 && w->nr_mmio > 1000);
}

static void forms_of_64_bit_mode(void **state)
{
	all_forms(state, X86_MODE_64);
}

static void forms_of_32_bit_mode(void **state)
{
	all_forms(state, X86_MODE_32);
}

static void forms_of_16_bit_mode(void **state)
{
	all_forms(state, X86_MODE_16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(forms_of_64_bit_mode, make_amd, clean),
		cmocka_unit_test_setup_teardown(forms_of_64_bit_mode, make_intel, clean),
		cmocka_unit_test_setup_teardown(forms_of_32_bit_mode, make_amd, clean),
		cmocka_unit_test_setup_teardown(forms_of_32_bit_mode, make_intel, clean),
		cmocka_unit_test_setup_teardown(forms_of_16_bit_mode, make_amd, clean),
		cmocka_unit_test_setup_teardown(forms_of_16_bit_mode, make_intel, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
