/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The emulator's reads are the host's: a fetch, a walk of the guest's tables, an operand.  Of what
 * a guest has made private they get what every accessor gets, the shared backing or nothing; of
 * what it has encrypted nothing is needed, or ciphertext comes, or nothing.
 */
#include "kvm/vcpu/emu_world.h"

#include "hw/insn/phys.h"
#include "hw/mem/view.h"
#include "kvm/core/attr.h"
#include "kvm/vcpu/emulate.h"
#include "faults.h"

#define SLOT	7		/* of the guest's key */

/* What becomes of KVM_RUN. */
enum end { MMIO_WRITE, MMIO_READ, FAILURE, PAGE_FAULT, ANY };

static const char *const names[] = { "MMIO write", "MMIO read", "emulation failure", "#PF", "any" };

#define STORE	{ 0x89, 0x03 }		/* MOV [RBX], EAX: to the device */
#define STRING	{ 0xa4 }		/* MOVSB: from the stack to the device */

static const struct row {
	const char	*why;
	uint8_t		 insn[2];
	bool		 encrypted;	/* all of memory, and the processor has left the bytes; else: */
	uint64_t	 page;		/* is private */
	enum end	 end[2];	/* default, strict */
	bool		 finding;
} rows[] = {
	{ "nothing is private", STORE, false, 0xf0000, { MMIO_WRITE, MMIO_WRITE }, false },
	{ "a fetch", STORE, false, CODE, { MMIO_WRITE, FAILURE }, true },
	{ "the root of the tables", STORE, false, IO_TREE, { MMIO_WRITE, PAGE_FAULT }, true },
	{ "the last table", STORE, false, IO_TREE + 3 * PAGE_SIZE, { MMIO_WRITE, PAGE_FAULT }, true },
	{ "an operand", STRING, false, STACK, { MMIO_WRITE, MMIO_READ }, true },
	{ "a SEV guest: the processor said all", STORE, true, 0, { MMIO_WRITE, MMIO_WRITE }, false },
	{ "a SEV guest: tables are needed", STRING, true, 0, { ANY, PAGE_FAULT }, true },
};

static void make_private(struct kvm *kvm, gfn_t gfn)
{
	gfn_t end = GFN(gfn.v + 1);

	kvm->has_private_mem = true;
	mutex_lock(&kvm->slots_lock);
	assert_int_equal(kvm_attributes_prepare(kvm, gfn, end, KVM_MEMORY_ATTRIBUTE_PRIVATE), 0);
	kvm_attributes_store(kvm, gfn, end, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	mutex_unlock(&kvm->slots_lock);
}

static void encrypt_all(struct world *w)
{
	const uint8_t key[MEM_KEY_BYTES] = { 1, 2, 3 };
	struct hw *hw = w->a.module.hw;

	assert_true(view_key_install(hw, SLOT, key));
	for (uint64_t at = 0; at < SIZE; at += PAGE_SIZE)
		assert_true(view_encrypt(hw, phys_publish(hw, w->memory + at), PAGE_SIZE, SLOT));
}

/* How many pages are still the key's. */
static unsigned nr_owned(struct world *w)
{
	unsigned n = 0;

	for (uint64_t at = 0; at < SIZE; at += PAGE_SIZE)
		n += !!view_owner_at(w->a.module.hw, w->memory + at);
	return n;
}

static void start(struct world *w, const struct row *r)
{
	struct vcpu *v = w->a.v;

	set_state(w, &v->state, X86_MODE_64);
	v->state.cr3 = IO_TREE;
	v->state.rip = CODE;
	v->state.gpr[X86_RSI] = STACK + 0x10;
	v->state.gpr[X86_RDI] = DATA + 0x800;
	v->mmio = (struct vcpu_mmio){ .nr = 0 };
	v->base.run->exit_reason = KVM_EXIT_UNKNOWN;
	memcpy(w->memory + CODE, r->insn, sizeof(r->insn));
	w->memory[STACK + 0x10] = 0x5a;
	if (r->encrypted) {
		v->svm.np_control = SVM_NP_ENABLE | SVM_NP_SEV;
		memset(v->svm_exit.bytes, 0x90, sizeof(v->svm_exit.bytes));
		memcpy(v->svm_exit.bytes, r->insn, sizeof(r->insn));
		v->svm_exit.nr_bytes = sizeof(v->svm_exit.bytes);
		encrypt_all(w);
	} else {
		make_private(w->a.kvm, gpa_to_gfn(GPA(r->page)));
	}
}

static enum end how_it_ended(const struct vcpu *v, int r)
{
	const struct kvm_run *run = v->base.run;

	if (r == 1)
		return v->events.exception.pending && v->events.exception.vector == X86_PF ? PAGE_FAULT
											   : ANY;
	assert_int_equal(r, 0);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return FAILURE;
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	return run->mmio.is_write ? MMIO_WRITE : MMIO_READ;
}

static void run(const struct row *row, bool strict)
{
	struct world *w;
	void *state;
	uint64_t n;
	enum end end;
	struct vcpu *v;

	assert_int_equal(make_for(&state, AMD), 0);
	w = state;
	v = w->a.v;
	catch_faults(w->a.module.hw);
	w->a.module.strict_host_access = strict;
	start(w, row);
	v->base.srcu_idx = srcu_read_lock(&w->a.kvm->srcu);
	end = how_it_ended(v, vcpu_emulate(v, GPA(DEVICE + 0x800)));
	srcu_read_unlock(&w->a.kvm->srcu, v->base.srcu_idx);
	n = counter_read(w->a.module.counters, COUNTER_HOST_ACCESS_FINDINGS);
	if ((end != row->end[strict] && row->end[strict] != ANY) || !!n != row->finding)
		print_error("%s, %s: %s, %u findings\n", row->why, strict ? "strict" : "default",
			    names[end], (unsigned)n);
	if (row->end[strict] != ANY)
		assert_int_equal(end, row->end[strict]);
	assert_int_equal(!!n, row->finding);
	/* The operand in the clear has gone nowhere. */
	if (row->encrypted && row->finding && end == MMIO_WRITE)
		assert_int_not_equal(v->base.run->mmio.data[0], 0x5a);
	if (row->encrypted && (strict || !row->finding))
		assert_int_equal(nr_owned(w), SIZE / PAGE_SIZE);
	assert_int_equal(clean(&state), 0);
}

static void the_emulator_reads_as_the_host(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned strict = 0; strict < 2; strict++)
			run(&rows[i], strict);
}

/* Neither string I/O nor anything else of a guest whose registers are its own. */
static void of_sev_es_nothing_is_read(void **unused)
{
	static const uint64_t gpas[] = { DEVICE + 0x800, ~0ull };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(gpas); i++) {
		const struct row row = { .insn = STRING, .encrypted = true };
		struct world *w;
		void *state;

		assert_int_equal(make_for(&state, AMD), 0);
		w = state;
		catch_faults(w->a.module.hw);
		start(w, &row);
		w->a.v->svm.np_control |= SVM_NP_SEV_ES;
		assert_int_equal(vcpu_emulate(w->a.v, GPA(gpas[i])), 1);
		assert_int_equal(counter_read(w->a.module.counters, COUNTER_HOST_ACCESS_FINDINGS), 0);
		assert_int_equal(nr_owned(w), SIZE / PAGE_SIZE);
		assert_int_equal(clean(&state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_emulator_reads_as_the_host),
		cmocka_unit_test(of_sev_es_nothing_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
