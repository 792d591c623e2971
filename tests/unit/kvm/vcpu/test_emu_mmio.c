/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_emu_mmio.c - the exits of one instruction, in their order: reads and
 * writes, pages' ends, more than 8 bytes, what goes out of several stores, what
 * never goes out.  Spec kvm.md 8.1.
 */
#include <stdio.h>

#include "emu_world.h"
#include "kvm/vcpu/emulate.h"

#define MAX_EXITS	20

struct row {
	const char	*what;
	enum x86_mode	 mode;
	uint8_t		 insn[8];	/* HLTs follow the last byte that is not 0 */
	const char	*exits;		/* "r:offset:length w:..." in the device, hex */
	uint64_t	 rsp;		/* offset in the device; 0: the stack is memory */
};

static const struct row rows[] = {
	{ "a load", X86_MODE_64, { 0x48, 0x8b, 0x03 }, "r:800:8" },
	{ "a store of 1 byte", X86_MODE_64, { 0x88, 0x03 }, "w:800:1" },
	{ "read, modify, write", X86_MODE_64, { 0x01, 0x03 }, "r:800:4 w:800:4" },
	{ "with LOCK", X86_MODE_64, { 0xf0, 0x01, 0x03 }, "r:800:4 w:800:4" },
	{ "a compare only reads", X86_MODE_64, { 0x39, 0x03 }, "r:800:4" },
	{ "XCHG", X86_MODE_64, { 0x87, 0x03 }, "r:800:4 w:800:4" },
	{ "CMPXCHG that fails writes back", X86_MODE_64, { 0x0f, 0xb1, 0x03 }, "r:800:4 w:800:4" },
	{ "CMPXCHG8B", X86_MODE_64, { 0x0f, 0xc7, 0x0b }, "r:800:8 w:800:8" },
	{ "16 bytes in, by 8", X86_MODE_64, { 0x0f, 0x10, 0x03 }, "r:800:8 r:808:8" },
	{ "16 bytes out", X86_MODE_64, { 0x0f, 0x11, 0x03 }, "w:800:8 w:808:8" },
	{ "over a page's end", X86_MODE_64, { 0x48, 0x8b, 0x47, 0x05 }, "r:ffd:3 r:1000:5" },
	{ "a store over it", X86_MODE_64, { 0x48, 0x89, 0x47, 0x01 }, "w:ff9:7 w:1000:1" },
	{ "16 bytes over it", X86_MODE_64, { 0x0f, 0x10, 0x47, 0xfe },
	  "r:ff6:8 r:ffe:2 r:1000:6" },
	{ "PUSH m", X86_MODE_64, { 0xff, 0x33 }, "r:800:8" },
	{ "PUSH m onto the device", X86_MODE_64, { 0xff, 0x33 }, "r:800:8 w:1f8:8", 0x200 },
	{ "POP m", X86_MODE_64, { 0x8f, 0x03 }, "w:800:8" },
	{ "CALL m", X86_MODE_64, { 0xff, 0x13 }, "r:800:8" },
	{ "CALL onto the device", X86_MODE_64, { 0xff, 0xd0 }, "w:1f8:8", 0x200 },
	{ "RET from it", X86_MODE_64, { 0xc3 }, "r:200:8", 0x200 },
	{ "ENTER", X86_MODE_64, { 0xc8, 0x10, 0x01, 0x20 }, "w:1f8:8", 0x200 },
	{ "PUSHF", X86_MODE_64, { 0x9c }, "w:1f8:8", 0x200 },
	{ "POPF", X86_MODE_64, { 0x9d }, "r:200:8", 0x200 },
	{ "of PUSHA's stores the last goes out", X86_MODE_32, { 0x60 }, "w:1e0:4", 0x200 },
	{ "POPA reads all but ESP", X86_MODE_32, { 0x61 },
	  "r:200:4 r:204:4 r:208:4 r:210:4 r:214:4 r:218:4 r:21c:4", 0x200 },
	{ "MOV to a segment", X86_MODE_64, { 0x8e, 0x1b }, "r:800:2" },
	{ "MOV from a segment", X86_MODE_64, { 0x8c, 0x1b }, "w:800:2" },
	{ "LFS reads its pointer at once", X86_MODE_64, { 0x0f, 0xb4, 0x03 }, "r:800:6" },
	{ "LFS of 10 bytes", X86_MODE_64, { 0x48, 0x0f, 0xb4, 0x03 }, "r:800:8 r:808:2" },
	{ "FNSTCW", X86_MODE_64, { 0xd9, 0x3b }, "w:800:2" },
	{ "FNSTSW", X86_MODE_64, { 0xdd, 0x3b }, "w:800:2" },
	{ "CLFLUSH", X86_MODE_64, { 0x0f, 0xae, 0x3b }, "r:800:1" },
	{ "SMSW", X86_MODE_64, { 0x0f, 0x01, 0x23 }, "w:800:2" },
	{ "MOVS inside the device", X86_MODE_64, { 0xa4 }, "r:200:1 w:ff8:1" },
	{ "REP MOVS, element by element", X86_MODE_64, { 0xf3, 0xa4 },
	  "r:200:1 w:ff8:1 r:201:1 w:ff9:1 r:202:1 w:ffa:1" },
	{ "REP STOS", X86_MODE_64, { 0xf3, 0x48, 0xab }, "w:ff8:8 w:1000:8 w:1008:8" },
	{ "CMPS has two loads", X86_MODE_64, { 0xa6 }, "r:200:1 r:ff8:1" },
	{ "NOP with an operand", X86_MODE_64, { 0x0f, 0x1f, 0x03 }, "" },
	{ "PREFETCH", X86_MODE_64, { 0x0f, 0x18, 0x03 }, "" },
	{ "LEA", X86_MODE_64, { 0x48, 0x8d, 0x03 }, "" },
};

/* What one run of @r has shown. */
static void record(struct world *w, char *text, size_t size)
{
	struct kvm_run *run = w->a.v->base.run;
	size_t used = 0;
	unsigned n = 0;

	*text = 0;
	for (;;) {
		assert_int_equal(vcpu_run(w->a.v), 0);
		if (run->exit_reason != KVM_EXIT_MMIO)
			break;
		used += (size_t)snprintf(text + used, size - used, "%s%c:%llx:%x", used ? " " : "",
					 run->mmio.is_write ? 'w' : 'r',
					 run->mmio.phys_addr - DEVICE, run->mmio.len);
		memset(run->mmio.data, 0, 8);
		assert_true(n++ < MAX_EXITS);
	}
}

static void start(struct world *w, const struct row *r)
{
	struct vcpu *v = w->a.v;
	bool wide = r->mode == X86_MODE_64;

	memset(w->memory + CODE, HLT, 64);
	memcpy(w->memory + CODE, r->insn, sizeof(r->insn));
	for (unsigned n = sizeof(r->insn); !r->insn[n - 1]; n--)
		w->memory[CODE + n - 1] = HLT;
	memset(w->memory + STACK, 0, WORK_SIZE);
	set_state(w, &v->state, r->mode);
	v->state.rip = CODE;
	v->state.gpr[X86_RAX] = CODE + 32;	/* where HLTs are */
	v->state.cr3 = IO_TREE;
	if (r->rsp) {
		v->state.gpr[X86_RSP] = (wide ? DATA : 0) + r->rsp;
		v->state.seg[X86_SS].base = wide ? 0 : DATA;
	}
	v->complete = NULL;
	v->events = (struct vcpu_events){ .external_vector = -1 };
	kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
}

static void exits_in_their_order(void **state)
{
	struct world *w = *state;
	char text[256];

	mutex_lock(&w->a.v->base.mutex);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		start(w, &rows[i]);
		record(w, text, sizeof(text));
		if (strcmp(text, rows[i].exits))
			fail_msg("%s: \"%s\", not \"%s\"", rows[i].what, text, rows[i].exits);
		if (w->a.v->base.run->exit_reason != KVM_EXIT_HLT)
			fail_msg("%s: exit %u", rows[i].what, w->a.v->base.run->exit_reason);
	}
	mutex_unlock(&w->a.v->base.mutex);
}

/* Emulation failures, with all the bytes that were fetched. */
static void refused(void **state)
{
	static const struct row refusals[] = {
		{ "CMPXCHG16B", X86_MODE_64, { 0x48, 0x0f, 0xc7, 0x0b }, "" },
		{ "MOVD", X86_MODE_64, { 0x66, 0x0f, 0x6e, 0x03 }, "" },
		{ "POPCNT", X86_MODE_64, { 0xf3, 0x0f, 0xb8, 0x03 }, "" },
		{ "FLD", X86_MODE_64, { 0xd9, 0x03 }, "" },
		{ "CRC32", X86_MODE_64, { 0xf2, 0x0f, 0x38, 0xf1, 0x03 }, "" },
		{ "PADDB", X86_MODE_64, { 0x66, 0x0f, 0xfc, 0x03 }, "" },
		{ "LDMXCSR", X86_MODE_64, { 0x0f, 0xae, 0x13 }, "" },
	};
	struct world *w = *state;
	struct kvm_run *run = w->a.v->base.run;
	char text[256];

	mutex_lock(&w->a.v->base.mutex);
	w->a.kvm->caps.exit_on_emulation_error = true;
	for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct row *r = &refusals[i];

		start(w, r);
		record(w, text, sizeof(text));
		if (run->exit_reason != KVM_EXIT_INTERNAL_ERROR || *text ||
		    run->emulation_failure.suberror != KVM_INTERNAL_ERROR_EMULATION ||
		    run->emulation_failure.flags !=
			    KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES ||
		    run->emulation_failure.insn_size != 15 ||
		    memcmp(run->emulation_failure.insn_bytes, w->memory + CODE, 15))
			fail_msg("%s: exit %u, \"%s\", %u bytes", r->what, run->exit_reason, text,
				 run->emulation_failure.insn_size);
		assert_int_equal(w->a.v->state.rip, CODE);
	}
	mutex_unlock(&w->a.v->base.mutex);
}

/* KVM does not look for a descriptor table in MMIO: nothing happens, over and over. */
static void never_reached(void **state)
{
	static const uint8_t insns[][4] = {
		{ 0x0f, 0x01, 0x13 }, { 0x0f, 0x01, 0x1b }, { 0x0f, 0x01, 0x03 }, { 0x0f, 0x01, 0x0b },
	};
	struct world *w = *state;
	struct vcpu *v = w->a.v;

	mutex_lock(&v->base.mutex);
	for (unsigned i = 0; i < ARRAY_SIZE(insns); i++) {
		struct row r = { .mode = X86_MODE_64 };

		memcpy(r.insn, insns[i], 4);
		start(w, &r);
		v->svm_exit.nr_bytes = 0;
		v->base.srcu_idx = srcu_read_lock(&w->a.kvm->srcu);
		assert_int_equal(vcpu_emulate(v, EMULATE_NO_GPA), 1);
		srcu_read_unlock(&w->a.kvm->srcu, v->base.srcu_idx);
		assert_int_equal(v->state.rip, CODE);
		assert_false(v->events.exception.pending);
	}
	mutex_unlock(&v->base.mutex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(exits_in_their_order, make_amd, clean),
		cmocka_unit_test_setup_teardown(exits_in_their_order, make_intel, clean),
		cmocka_unit_test_setup_teardown(refused, make_amd, clean),
		cmocka_unit_test_setup_teardown(refused, make_intel, clean),
		cmocka_unit_test_setup_teardown(never_reached, make_amd, clean),
		cmocka_unit_test_setup_teardown(never_reached, make_intel, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
