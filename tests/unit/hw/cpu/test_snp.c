/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp.c - an SNP guest on the processor: the RMP at each access, PVALIDATE,
 * RMPADJUST and RMPQUERY, and what the host does behind its back.
 */
#include "hw/cpu/a_sev.h"

#include <string.h>
#include <unistd.h>

#include "hw/insn/peek.h"
#include "hw/insn/rmp.h"
#include "hw/mem/machine.h"
#include "hw/mem/rmp.h"
#include "sync/crowd.h"

#define NPF	(SVM_NPF_PRESENT | SVM_NPF_USER | SVM_NPF_RMP | SVM_NPF_FINAL)
#define PAGE	0x50000ull		/* of the guest's own; nobody else uses it */
#define SHARED	(SEV_SHARED + 0x3000)

static uint64_t hpa_at(struct sev *s, uint64_t gpa)
{
	return phys_publish(s->vm.hw, s->vm.mem + gpa).v;
}

static struct rmp_entry entry_at(struct sev *s, uint64_t gpa)
{
	struct rmp_entry e;

	assert_true(peek_rmp(s->vm.hw, HPA(hpa_at(s, gpa)), &e));
	return e;
}

/* The host gives PAGE anew, not validated; or takes it. */
static void give(struct sev *s, uint64_t gpa)
{
	struct rmp_operand o = { .gpa = gpa, .assigned = 1, .asid = s->slot };

	assert_int_equal(rmpupdate(s->vm.hw, HPA(hpa_at(s, PAGE)), &o), RMP_SUCCESS);
}

static void take(struct sev *s)
{
	struct rmp_operand o = { 0 };

	assert_int_equal(rmpupdate(s->vm.hw, HPA(hpa_at(s, PAGE)), &o), RMP_SUCCESS);
}

static void start(struct sev *s, const void *code, size_t n)
{
	sev_init(s, SEV_SNP);
	vm_code(&s->vm, code, n);
	s->vm.s.gpr[X86_RDI] = PAGE;
	s->vm.s.gpr[X86_RSI] = SHARED;
	s->vm.s.gpr[X86_RAX] = PAGE;
	s->vm.s.gpr[X86_RDX] = 1;
}

#define MOV_FROM_RDI	0x48, 0x8b, 0x1f		/* MOV RBX, [RDI] */
#define MOV_TO_RDI	0x48, 0x89, 0x1f
#define MOV_TO_RSI	0x48, 0x89, 0x1e
#define MOV_FROM_RSI	0x48, 0x8b, 0x1e
#define PVALIDATE	0xf2, 0x0f, 0x01, 0xff
#define RMPADJUST	0xf3, 0x0f, 0x01, 0xfe
#define RMPQUERY	0xf3, 0x0f, 0x01, 0xfd
#define HLT		0xf4

static void it_runs(void **unused)
{
	static const uint8_t code[] = { MOV_FROM_RDI, MOV_TO_RDI, MOV_TO_RSI, MOV_FROM_RSI, HLT };
	struct sev s;

	(void)unused;
	start(&s, code, sizeof(code));
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vmsa(&s).rip, VM_CODE + sizeof(code));
	assert_false(entry_at(&s, PAGE).in_use);
	assert_int_equal(hw_nr_findings(s.vm.hw), 0);
	sev_fini(&s);
}

/* Each as the host changes the RMP between two runs of the same load or store. */
static void the_host_changes_the_rmp(void **unused)
{
	static const uint8_t code[] = { MOV_FROM_RDI, HLT, MOV_FROM_RDI, HLT };
	struct svm_exit *e;
	struct sev s;

	(void)unused;
	start(&s, code, sizeof(code));
	sev_launch(&s);
	e = &s.vm.svm_exit;
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);	/* the TLB has it now */
	take(&s);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sev_run(&s), SVM_EXIT_NPF);
		assert_int_equal(e->exitinfo1, NPF | SVM_NPF_ENC);
		assert_int_equal(e->exitinfo2, PAGE);
	}
	give(&s, PAGE + 0x1000);
	assert_int_equal(sev_run(&s), SVM_EXIT_NPF);
	assert_int_equal(e->exitinfo1, NPF | SVM_NPF_ENC);
	assert_int_equal(hw_nr_findings(s.vm.hw), 1);	/* remapped */
	give(&s, PAGE);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vc(&s), 0x404);
	assert_int_equal(sev_vmsa(&s).cr2, PAGE);
	sev_fini(&s);
}

static void shared_stores_and_private_pages(void **unused)
{
	static const uint8_t code[] = { MOV_FROM_RSI, MOV_TO_RSI, HLT };
	struct svm_exit *e;
	struct sev s;

	(void)unused;
	start(&s, code, sizeof(code));
	s.vm.s.gpr[X86_RSI] = SEV_SHARED;
	*vm_pte(&s.vm, SEV_SHARED) = PAGE | 7;
	sev_launch(&s);
	e = &s.vm.svm_exit;
	assert_int_equal(sev_run(&s), SVM_EXIT_NPF);
	assert_int_equal(e->exitinfo1, NPF | SVM_NPF_WRITE);	/* the load went through */
	assert_int_equal(e->exitinfo2, PAGE);
	assert_int_equal(sev_vmsa(&s).rip, VM_CODE + 3);
	take(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	sev_fini(&s);
}

static void pvalidate_by_the_guest(void **unused)
{
	static const uint8_t code[] = { PVALIDATE, HLT, PVALIDATE, HLT };
	struct sev s;
	struct vmsa v;

	(void)unused;
	start(&s, code, sizeof(code));
	s.vm.s.rflags |= X86_FLAGS_CF | X86_FLAGS_OF | X86_FLAGS_SF | X86_FLAGS_AF;
	sev_launch(&s);
	give(&s, PAGE);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	v = sev_vmsa(&s);
	assert_int_equal(v.rax, 0);
	assert_int_equal(v.rflags & X86_FLAGS_STATUS, X86_FLAGS_ZF | X86_FLAGS_PF);
	assert_true(entry_at(&s, PAGE).validated);
	assert_int_equal(entry_at(&s, PAGE).gpa, PAGE);
	sev_fini(&s);
}

/* Rescinding takes it out of the guest's own TLB; what a second time answers. */
static void rescinding_by_the_guest(void **unused)
{
	static const uint8_t code[] = {
		MOV_FROM_RDI, 0x31, 0xd2, PVALIDATE, HLT,	/* XOR EDX, EDX */
		0x48, 0x89, 0xf8, PVALIDATE, HLT,		/* MOV RAX, RDI */
		MOV_FROM_RDI, HLT,
	};
	struct sev s;

	(void)unused;
	start(&s, code, sizeof(code));
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vmsa(&s).rax, 0);
	assert_int_equal(sev_vmsa(&s).rflags & X86_FLAGS_CF, 0);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vmsa(&s).rax, 0);
	assert_int_equal(sev_vmsa(&s).rflags & X86_FLAGS_CF, X86_FLAGS_CF);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vc(&s), 0x404);
	sev_fini(&s);
}

static const struct fault_row {
	const char	*what;
	uint8_t		 code[8];
	uint64_t	 rax, rcx, rdx, pte;
	unsigned	 vector;		/* 0: none */
	uint64_t	 want_rax;
} fault_rows[] = {
	{ "no C-bit", { PVALIDATE, HLT }, SEV_SHARED, 0, 1, 0, X86_PF, SEV_SHARED },
	{ "2M, not aligned", { PVALIDATE, HLT }, PAGE, 1, 1, 0, 0, RMP_FAIL_INPUT },
	{ "size", { PVALIDATE, HLT }, PAGE, 2, 1, 0, 0, RMP_FAIL_INPUT },
	{ "2M of 4K", { PVALIDATE, HLT }, 0, 1, 1, 0, 0, RMP_FAIL_SIZEMISMATCH },
	{ "VMPL 0", { RMPADJUST, HLT }, PAGE, 0, 0x100, 0, 0, RMP_FAIL_PERMISSION },
	{ "VMPL 1", { RMPADJUST, HLT }, PAGE, 0, 0x101, 0, 0, RMP_SUCCESS },
	{ "VMPL 4", { RMPADJUST, HLT }, PAGE, 0, 0x104, 0, 0, RMP_FAIL_INPUT },
	{ "query", { RMPQUERY, HLT }, PAGE, 0, 1, 0, 0, RMP_SUCCESS },
	{ "no RDPRU", { 0x0f, 0x01, 0xfd, HLT }, PAGE, 0, 1, 0, X86_UD, PAGE },
	{ "no PSMASH", { 0xf3, 0x0f, 0x01, 0xff, HLT }, PAGE, 0, 1, 0, X86_UD, PAGE },
	{ "no RMPUPDATE", { 0xf2, 0x0f, 0x01, 0xfe, HLT }, PAGE, 0, 1, 0, X86_UD, PAGE },
	{ "not canonical", { PVALIDATE, HLT }, 1ull << 60, 0, 1, 0, X86_GP, 1ull << 60 },
};

static void operands_and_faults(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(fault_rows); i++) {
		const struct fault_row *r = &fault_rows[i];
		struct vmsa v;
		struct sev s;

		start(&s, r->code, sizeof(r->code));
		s.vm.s.gpr[X86_RAX] = r->rax;
		s.vm.s.gpr[X86_RCX] = r->rcx;
		s.vm.s.gpr[X86_RDX] = r->rdx;
		sev_launch(&s);
		assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
		v = sev_vmsa(&s);
		if ((r->vector ? v.rip != VM_HANDLERS + r->vector * 16 + 1 : v.rip < VM_CODE) ||
		    v.rax != r->want_rax)
			fail_msg("%s: rip %#lx rax %#lx", r->what, v.rip, v.rax);
		sev_fini(&s);
	}
}

/* Is PAGE in some processor's TLB? */
static bool is_remembered(struct sev *s, uint64_t a)
{
	struct rmp_region *r = rcu_dereference(s->vm.hw->frames.rmp->regions[a >> 30]);

	return atomic32_load(&r->remembered[(a >> PAGE_SHIFT) % RMP_REGION_PAGES]);
}

struct race {
	struct sev	s;
	uint64_t	page;
};

/* One runs the guest, which never leaves by itself; the other takes its page away. */
static void run_or_take(void *arg, unsigned who)
{
	struct race *r = arg;
	struct rmp_operand none = { 0 };
	enum rmp_status status;

	if (!who) {
		BUG_ON(sev_run(&r->s) != SVM_EXIT_NPF);
		BUG_ON(r->s.vm.svm_exit.exitinfo1 != (NPF | SVM_NPF_WRITE | SVM_NPF_ENC));
		return;
	}
	while (!is_remembered(&r->s, r->page))
		sync_relax();
	do
		status = rmpupdate(r->s.vm.hw, HPA(r->page), &none);
	while (status == RMP_FAIL_INUSE || status == RMP_FAIL_OVERLAP);
	BUG_ON(status != RMP_SUCCESS);
}

/* RMPUPDATE reaches the TLB of a processor that is running (RMP-G3); nobody kicks it. */
static void a_running_guest_loses_its_page(void **unused)
{
	static const uint8_t code[] = { MOV_TO_RDI, 0xeb, 0xfb };	/* and again */

	(void)unused;
	for (unsigned i = 0; i < 5; i++) {
		static struct race r;

		start(&r.s, code, sizeof(code));
		sev_launch(&r.s);
		r.page = hpa_at(&r.s, PAGE);
		crowd_run(2, run_or_take, &r);
		sev_fini(&r.s);
	}
}

/* 15.36.12: the page it runs from is the guest's, a VMSA, and nobody else's meanwhile. */
static void whose_vmsa(void **unused)
{
	static const uint8_t code[] = { HLT, HLT };
	struct rmp_operand none = { 0 };
	struct rmp_entry e;
	struct sev s;

	(void)unused;
	start(&s, code, sizeof(code));
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_true(peek_rmp(s.vm.hw, s.vmsa, &e));
	assert_true(e.vmsa && !e.in_use);
	assert_int_equal(rmpupdate(s.vm.hw, s.vmsa, &none), RMP_SUCCESS);
	assert_int_equal(sev_run(&s), (uint64_t)SVM_EXIT_INVALID);
	sev_fini(&s);
}

struct door {
	struct sev	s;
	atomic32_t	is_shut;
	unsigned	at;		/* in the VMSA: what is changed while it is shut */
	uint64_t	value, exit;
};

/* One is kept from taking its VMSA, and the other changes it, as a processor that leaves it. */
static void run_or_change(void *arg, unsigned who)
{
	struct door *d = arg;
	struct hw *hw = d->s.vm.hw;
	struct rmp_locked l;

	if (!who) {
		while (!atomic32_load(&d->is_shut))
			sync_relax();
		d->exit = sev_run(&d->s);
		return;
	}
	BUG_ON(rmp_lock(hw->frames.rmp, d->s.vmsa, false, true, &l) != RMP_LOCKED);
	atomic32_store(&d->is_shut, 1);
	usleep(20000);			/* it is at the door by now, or finds what is new anyway */
	BUG_ON(!view_write(hw, HPA(d->s.vmsa.v + d->at), d->s.slot, &d->value, sizeof(d->value)));
	rmp_unlock(&l);
}

/* What is run is what the VMSA has once it is taken. */
static void a_vmsa_that_changes_before_it_is_taken(void **unused)
{
	static const struct { unsigned at; uint64_t value, exit, rip; } rows[] = {
		{ VMSA_RIP, VM_CODE + 1, SVM_EXIT_HLT, VM_CODE + 2 },
		{ VMSA_FEATURES, VMSA_SNP_ACTIVE | BIT(40), SVM_EXIT_INVALID, VM_CODE },
		{ VMSA_FEATURES, 0, SVM_EXIT_INVALID, VM_CODE },
	};
	static const uint8_t code[] = { HLT, HLT };
	static struct door d;
	struct rmp_entry e;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		d = (struct door){ .at = rows[i].at, .value = rows[i].value };
		start(&d.s, code, sizeof(code));
		sev_launch(&d.s);
		crowd_run(2, run_or_change, &d);
		assert_int_equal(d.exit, rows[i].exit);
		assert_int_equal(sev_vmsa(&d.s).rip, rows[i].rip);
		assert_true(peek_rmp(d.s.vm.hw, d.s.vmsa, &e));
		assert_true(e.vmsa && !e.in_use);
		sev_fini(&d.s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_runs), cmocka_unit_test(the_host_changes_the_rmp),
		cmocka_unit_test(shared_stores_and_private_pages),
		cmocka_unit_test(pvalidate_by_the_guest),
		cmocka_unit_test(rescinding_by_the_guest),
		cmocka_unit_test(a_running_guest_loses_its_page),
		cmocka_unit_test(operands_and_faults), cmocka_unit_test(whose_vmsa),
		cmocka_unit_test(a_vmsa_that_changes_before_it_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
