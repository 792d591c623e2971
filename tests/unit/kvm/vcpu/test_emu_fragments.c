/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_emu_fragments.c - MMIO whose pieces take several exits: the data are the vCPU's while
 * user space works (EMU-1, B30); accesses half to memory; stores to a read-only slot; what
 * an instruction that cannot be emulated tells user space.  Spec kvm.md 1.12, 8.1.
 */
#include <errno.h>

#include "emu_world.h"
#include "kvm/vcpu/emulate.h"

#define OTHER	0xdeadbeefdeadbeefull	/* in registers and bytes that do not matter */
#define ROM	0x800000ull
#define MAX_PIECES 8u

struct piece {
	gpa_t	 gpa;
	unsigned len;
	bool	 is_write;
	uint8_t	 data[8];
};

struct record {
	struct piece	piece[MAX_PIECES];
	unsigned	nr;
	int		last;		/* what the last KVM_RUN gave */
};

static void set_page(struct world *w, unsigned page, uint64_t to)
{
	put64(w, IO_TREE + 3 * PAGE_SIZE + ((DATA >> PAGE_SHIFT) + page) * 8, to | 0x67);
}

static void start(struct world *w, const uint8_t *insn, size_t n)
{
	struct vcpu *v = w->a.v;

	memset(w->memory + CODE, HLT, 64);
	memcpy(w->memory + CODE, insn, n);
	set_state(w, &v->state, X86_MODE_64);
	v->state.rip = CODE;
	v->state.cr3 = IO_TREE;
	v->complete = NULL;
	v->events = (struct vcpu_events){ .external_vector = -1 };
	v->base.run->immediate_exit = 0;
	kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
}

/* What somebody's frames were is something else now. */
static NOINLINE void use_the_stack(void)
{
	volatile uint8_t frame[32768];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = 0x5a;
}

/* Runs to the HLT.  The device's bytes are numbered; @meanwhile is called at each exit. */
static void record(struct world *w, struct record *r, void (*meanwhile)(struct world *w))
{
	struct kvm_run *run = w->a.v->base.run;

	r->nr = 0;
	while (!(r->last = vcpu_run(w->a.v)) && run->exit_reason == KVM_EXIT_MMIO) {
		struct piece *p = &r->piece[r->nr++];

		assert_true(r->nr < MAX_PIECES);
		*p = (struct piece){ GPA(run->mmio.phys_addr), run->mmio.len, run->mmio.is_write, { 0 } };
		if (p->is_write)
			memcpy(p->data, run->mmio.data, p->len);
		memset(run->mmio.data, 0xee, 8);
		for (unsigned i = 0; !p->is_write && i < p->len; i++)
			run->mmio.data[i] = (uint8_t)(p->gpa.v + i);
		use_the_stack();
		if (meanwhile)
			meanwhile(w);
	}
	if (!r->last)
		assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
}

static void expect(const struct record *r, unsigned i, uint64_t gpa, unsigned len, bool is_write)
{
	assert_true(i < r->nr);
	assert_int_equal(r->piece[i].gpa.v, gpa);
	assert_int_equal(r->piece[i].len, len);
	assert_int_equal(r->piece[i].is_write, is_write);
}

/* KVM_SET_REGS while a piece is out; and all of memory that the instruction could have read. */
static void everything_changes(struct world *w)
{
	for (unsigned i = 0; i < 16; i++)
		w->a.v->state.gpr[i] = OTHER;
	memset(w->a.v->state.fpu.xmm, 0x77, sizeof(w->a.v->state.fpu.xmm));
	memset(w->memory + DATA, 0x99, WORK_SIZE);
}

static const struct store {
	const char	*what;
	uint8_t		 insn[5];
	bool		 of_xmm;	/* XMM0, else RAX */
	unsigned	 len[4];	/* of the pieces */
	uint64_t	 at;		/* in the device */
} stores[] = {
	{ "8 bytes over a page's end", { 0x48, 0x89, 0x47, 0x01 }, false, { 7, 1 }, 0xff9 },
	{ "4 bytes over it", { 0x89, 0x47, 0x06 }, false, { 2, 2 }, 0xffe },
	{ "16 bytes", { 0x0f, 0x11, 0x03 }, true, { 8, 8 }, 0x800 },
	{ "16 bytes over it", { 0x0f, 0x11, 0x47, 0xfe }, true, { 8, 2, 6 }, 0xff6 },
	{ "16 bytes, 8 on each page", { 0x0f, 0x11, 0x07 }, true, { 8, 8 }, 0xff8 },
};

static void b30_stores_belong_to_the_vcpu(void **state)
{
	struct world *w = *state;
	struct vcpu *v = w->a.v;

	mutex_lock(&v->base.mutex);
	for (unsigned i = 0; i < ARRAY_SIZE(stores); i++) {
		const struct store *s = &stores[i];
		uint8_t want[16];
		struct record r;
		unsigned done = 0;

		print_message("%s\n", s->what);
		start(w, s->insn, sizeof(s->insn) - (s->insn[4] ? 0 : s->insn[3] ? 1 : 2));
		memcpy(want, s->of_xmm ? (void *)v->state.fpu.xmm : (void *)&v->state.gpr[X86_RAX],
		       s->of_xmm ? 16 : 8);
		record(w, &r, everything_changes);
		for (unsigned n = 0; n < 4 && s->len[n]; n++) {
			expect(&r, n, DEVICE + s->at + done, s->len[n], true);
			assert_memory_equal(r.piece[n].data, want + done, s->len[n]);
			done += s->len[n];
		}
		assert_int_equal(r.last, 0);
		/* The instruction was over before the first piece went out: these stay. */
		assert_int_equal(v->state.gpr[X86_RAX], OTHER);
	}
	mutex_unlock(&v->base.mutex);
}

/* The same for a load: answers are kept until the last has come. */
static void loads_are_put_together(void **state)
{
	static const uint8_t load[] = { 0x48, 0x8b, 0x47, 0x05 };	/* 8 bytes at ffd */
	struct world *w = *state;
	struct vcpu *v = w->a.v;
	struct record r;

	mutex_lock(&v->base.mutex);
	start(w, load, sizeof(load));
	record(w, &r, everything_changes);
	assert_int_equal(r.nr, 2);
	expect(&r, 0, DEVICE + 0xffd, 3, false);
	expect(&r, 1, DEVICE + 0x1000, 5, false);
	assert_int_equal(v->state.gpr[X86_RAX], 0x0403020100fffefd);
	/* What the VMM has set else stays. */
	assert_int_equal(v->state.gpr[X86_RBX], OTHER);
	assert_int_equal(v->state.rip, CODE + sizeof(load) + 1);
	mutex_unlock(&v->base.mutex);
}

/* Pieces that are under way go on; the guest does not. */
static void immediate_exit(void **state)
{
	static const uint8_t store[] = { 0x48, 0x89, 0x47, 0x01 };
	struct world *w = *state;
	struct vcpu *v = w->a.v;
	struct kvm_run *run = v->base.run;

	mutex_lock(&v->base.mutex);
	start(w, store, sizeof(store));
	assert_int_equal(vcpu_run(v), 0);
	assert_int_equal(run->mmio.phys_addr, DEVICE + 0xff9);
	run->immediate_exit = 1;
	assert_int_equal(vcpu_run(v), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.phys_addr, DEVICE + 0x1000);
	assert_int_equal(vcpu_run(v), -EINTR);
	assert_int_equal(v->state.rip, CODE + sizeof(store));
	assert_null(v->complete);
	assert_int_equal(vcpu_run(v), -EINTR);
	mutex_unlock(&v->base.mutex);
}

/* The first @page of the operand is memory, the other one the device. */
static void half(struct world *w, unsigned page)
{
	set_page(w, page, DATA + page * PAGE_SIZE);
	set_page(w, !page, DEVICE + !page * PAGE_SIZE);
}

static void memory_changes(struct world *w)
{
	memset(w->memory + DATA, 0x99, WORK_SIZE);
}

static void half_of_it_is_memory(void **state)
{
	static const uint8_t load[] = { 0x48, 0x8b, 0x47, 0x05 };	/* 3 and 5 */
	static const uint8_t store[] = { 0x48, 0x89, 0x47, 0x01 };	/* 7 and 1 */
	static const uint8_t add[] = { 0x48, 0x01, 0x47, 0x01 };
	struct world *w = *state;
	struct vcpu *v = w->a.v;
	uint64_t value = 0x8877665544332211, sum, rax;
	struct record r;

	mutex_lock(&v->base.mutex);
	for (unsigned page = 0; page < 2; page++) {
		uint64_t ram = DATA + page * PAGE_SIZE, device = DEVICE + !page * PAGE_SIZE;

		half(w, page);
		/* Memory is read before the exit, and not again. */
		start(w, load, sizeof(load));
		for (unsigned i = 0; i < PAGE_SIZE; i++)
			w->memory[ram + i] = (uint8_t)(0x40 + i);
		record(w, &r, memory_changes);
		assert_int_equal(r.nr, 1);
		expect(&r, 0, page ? device + 0xffd : device, page ? 3 : 5, false);
		assert_int_equal(v->state.gpr[X86_RAX],
				 page ? 0x4443424140fffefd : 0x04030201003f3e3d);
		/* Memory has its half before the device has its own. */
		start(w, store, sizeof(store));
		v->state.gpr[X86_RAX] = value;
		memset(w->memory + ram, 0, PAGE_SIZE);
		record(w, &r, NULL);
		assert_int_equal(r.nr, 1);
		expect(&r, 0, page ? device + 0xff9 : device, page ? 7 : 1, true);
		assert_memory_equal(r.piece[0].data, (char *)&value + (page ? 0 : 7), r.piece[0].len);
		assert_memory_equal(w->memory + ram + (page ? 0 : 0xff9),
				    (char *)&value + (page ? 7 : 0), page ? 1 : 7);
		/* Both: one exit each way. */
		start(w, add, sizeof(add));
		rax = v->state.gpr[X86_RAX];
		memset(w->memory + ram, 0x11, PAGE_SIZE);
		record(w, &r, NULL);
		assert_int_equal(r.nr, 2);
		expect(&r, 0, page ? device + 0xff9 : device, page ? 7 : 1, false);
		expect(&r, 1, page ? device + 0xff9 : device, page ? 7 : 1, true);
		sum = rax + (page ? 0x11fffefdfcfbfaf9 : 0x0011111111111111);
		assert_memory_equal(r.piece[1].data, (char *)&sum + (page ? 0 : 7), r.piece[1].len);
		assert_memory_equal(w->memory + ram + (page ? 0 : 0xff9),
				    (char *)&sum + (page ? 7 : 0), page ? 1 : 7);
	}
	mutex_unlock(&v->base.mutex);
}

/* Two pages at ROM, a slot that may not be written; as a_vcpu_add_slot() does it. */
static uint8_t *add_rom(struct world *w, struct kvm_memory_slot *slot)
{
	void *memory = mmap(NULL, WORK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	*slot = (struct kvm_memory_slot){ .id = 1, .base_gfn = GFN(ROM >> PAGE_SHIFT),
					  .npages = WORK_SIZE >> PAGE_SHIFT,
					  .flags = KVM_MEM_READONLY,
					  .userspace_addr = HVA((uintptr_t)memory) };
	a_vcpu_put_slot(w->a.kvm, slot);
	return memory;
}

/* Its stores are MMIO at its own addresses, its loads are not. */
static void a_read_only_slot(void **state)
{
	static const uint8_t load[] = { 0x48, 0x8b, 0x03 };
	static const uint8_t store[] = { 0x48, 0x89, 0x47, 0x01 };
	static const uint8_t add[] = { 0x48, 0x01, 0x03 };
	struct world *w = *state;
	struct vcpu *v = w->a.v;
	uint64_t before, rax, sum;
	struct kvm_memory_slot slot;
	struct record r;
	uint8_t *rom;

	rom = add_rom(w, &slot);
	mutex_lock(&v->base.mutex);
	fill(w, rom, WORK_SIZE);
	memcpy(w->data, rom, WORK_SIZE);
	memcpy(&before, rom + 0x800, 8);
	set_page(w, 0, ROM);
	set_page(w, 1, ROM + PAGE_SIZE);

	start(w, load, sizeof(load));
	record(w, &r, NULL);
	assert_int_equal(r.nr, 0);
	assert_int_equal(v->state.gpr[X86_RAX], before);

	start(w, store, sizeof(store));
	rax = v->state.gpr[X86_RAX];
	record(w, &r, NULL);
	assert_int_equal(r.nr, 2);
	expect(&r, 0, ROM + 0xff9, 7, true);
	expect(&r, 1, ROM + 0x1000, 1, true);
	assert_memory_equal(r.piece[0].data, &rax, 7);
	assert_memory_equal(r.piece[1].data, (char *)&rax + 7, 1);

	start(w, add, sizeof(add));
	sum = before + v->state.gpr[X86_RAX];
	record(w, &r, NULL);
	assert_int_equal(r.nr, 1);
	expect(&r, 0, ROM + 0x800, 8, true);
	assert_memory_equal(r.piece[0].data, &sum, 8);
	assert_memory_equal(rom, w->data, WORK_SIZE);
	mutex_unlock(&v->base.mutex);
	a_vcpu_forget_slot(&w->a, &slot);
	munmap(rom, WORK_SIZE);
}

/* ---- what cannot be emulated ---- */

enum how { EMULATED, SKIPPED };

static const struct failure {
	const char	*what;
	enum how	 how;
	bool		 always_exits;	/* KVM_CAP_EXIT_ON_EMULATION_FAILURE */
	uint8_t		 cpl;
	bool		 exits, ud;
	bool		 no_code;	/* nothing is mapped at RIP */
} failures[] = {
	{ "in the kernel: both", EMULATED, false, 0, true, true, false },
	{ "in a program: its #UD", EMULATED, false, 3, false, true, false },
	{ "the VMM wants all", EMULATED, true, 3, true, false, false },
	{ "the VMM wants all, in the kernel", EMULATED, true, 0, true, false, false },
	{ "what is to be skipped", SKIPPED, false, 3, true, false, false },
	{ "what is to be skipped, in the kernel", SKIPPED, false, 0, true, false, false },
	{ "what is to be skipped has gone", SKIPPED, false, 0, true, false, true },
	{ "what is to be skipped has gone in a program", SKIPPED, false, 3, true, false, true },
};

static int call(struct vcpu *v, enum how how)
{
	int r;

	v->base.srcu_idx = srcu_read_lock(&v->base.kvm->srcu);
	r = how == SKIPPED ? vcpu_emulate_skip(v) : vcpu_emulate(v, EMULATE_NO_GPA);
	srcu_read_unlock(&v->base.kvm->srcu, v->base.srcu_idx);
	return r;
}

static void an_emulation_failure(void **state)
{
	static const uint8_t paddb[] = { 0x66, 0x0f, 0xfc, 0x03 };
	struct world *w = *state;
	struct vcpu *v = w->a.v;
	struct kvm_run *run = v->base.run;
	uint64_t info[5];

	mutex_lock(&v->base.mutex);
	for (unsigned i = 0; i < ARRAY_SIZE(failures); i++) {
		const struct failure *f = &failures[i];
		unsigned nr = f->no_code ? 0 : 15;

		print_message("%s\n", f->what);
		start(w, paddb, sizeof(paddb));
		v->svm_exit.nr_bytes = 0;
		v->state.cpl = f->cpl;
		if (f->no_code)
			v->state.rip = 0x40000000;
		w->a.kvm->caps.exit_on_emulation_error = f->always_exits;
		run->exit_reason = 0;
		assert_int_equal(call(v, f->how), !f->exits);
		assert_int_equal(v->events.exception.pending, f->ud);
		if (f->ud)
			assert_int_equal(v->events.exception.vector, X86_UD);
		assert_int_equal(v->state.rip, f->no_code ? 0x40000000 : CODE);
		if (!f->exits)
			continue;
		assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
		assert_int_equal(run->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
		/* Flags; size and bytes, where there are any; five words of the exit's. */
		assert_int_equal(run->emulation_failure.ndata, nr ? 8 : 6);
		assert_int_equal(run->emulation_failure.flags,
				 nr ? KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES : 0);
		v->backend->exit_info(v, info);
		assert_memory_equal(&run->internal.data[nr ? 3 : 1], info, sizeof(info));
		if (nr) {
			assert_int_equal(run->emulation_failure.insn_size, nr);
			assert_memory_equal(run->emulation_failure.insn_bytes, w->memory + CODE, nr);
		}
	}
	mutex_unlock(&v->base.mutex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(b30_stores_belong_to_the_vcpu, make_amd, clean),
		cmocka_unit_test_setup_teardown(b30_stores_belong_to_the_vcpu, make_intel, clean),
		cmocka_unit_test_setup_teardown(loads_are_put_together, make_amd, clean),
		cmocka_unit_test_setup_teardown(loads_are_put_together, make_intel, clean),
		cmocka_unit_test_setup_teardown(immediate_exit, make_amd, clean),
		cmocka_unit_test_setup_teardown(immediate_exit, make_intel, clean),
		cmocka_unit_test_setup_teardown(half_of_it_is_memory, make_amd, clean),
		cmocka_unit_test_setup_teardown(half_of_it_is_memory, make_intel, clean),
		cmocka_unit_test_setup_teardown(a_read_only_slot, make_amd, clean),
		cmocka_unit_test_setup_teardown(a_read_only_slot, make_intel, clean),
		cmocka_unit_test_setup_teardown(an_emulation_failure, make_amd, clean),
		cmocka_unit_test_setup_teardown(an_emulation_failure, make_intel, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
