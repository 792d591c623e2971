/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_ghcb_facts.c - every row of docs/facts/snp-ghcb-v2.tsv: the condition is
 * made, the guest exits, and what the row says has happened.
 *
 * Handlers of exits that others have too only note that they were called, and
 * the secure processor's firmware answers what the row wants.
 *
 * usage: test_kvm_ghcb_facts docs/facts/snp-ghcb-v2.tsv
 */
#include "ghcb_conditions.h"

#include <errno.h>
#include <stdio.h>

#include "hw/insn/phys.h"
#include "model/rmp/facts.h"

static struct facts facts;

static struct row *now;

uint32_t __wrap_psp_command(struct hw *hw, enum psp_cmd cmd, void *buffer);

/* Firmware that copies the request, turned round, into the response. */
uint32_t __wrap_psp_command(struct hw *hw, enum psp_cmd cmd, void *buffer)
{
	const struct psp_snp_guest_request *q = buffer;

	assert_int_equal(cmd, PSP_SNP_GUEST_REQUEST);
	assert_int_equal(q->gctx, 0x7000);
	for (unsigned i = 0; i < PAGE_SIZE; i += 8)
		phys_store64(hw, HPA(q->response + i), ~phys_load64(hw, HPA(q->request + i)));
	now->nr_commands++;
	return now->status;
}

static int any_fd(struct kvm_module *module, int fd)
{
	return 0;
}

static int note_exit(struct vcpu *v)
{
	assert_int_equal(v->svm_exit.exitcode, now->number);
	now->nr_handled++;
	return 1;
}

/* ---- what happens ---- */

static bool page_is(const struct row *t, uint64_t info1, uint64_t info2)
{
	return a_guest_get(&t->g, GHCB_EXITINFO1) == info1 &&
	       a_guest_get(&t->g, GHCB_EXITINFO2) == info2;
}

static bool answers(struct row *t)
{
	return t->r == 1 && !a_guest_get(&t->g, GHCB_EXITINFO1);
}

static bool no_response_at_all(struct row *t)
{
	return t->r == 1 && !t->g.es.ghcb.is_mapped &&
	       a_guest_finds(&t->g, GHCB_EXITCODE);
}

static bool is_einval(struct row *t) { return t->r == -EINVAL; }
static bool is_eio(struct row *t) { return t->r == -EIO; }
static bool is_handled(struct row *t) { return answers(t) && t->nr_handled == 1; }

static bool is_io(struct row *t)
{
	const struct kvm_run *run = t->g.v->base.run;

	if (!(t->info1 & SVM_IOIO_STR))
		return is_handled(t);
	return !t->r && run->exit_reason == KVM_EXIT_IO && run->io.port == 0x3f8 &&
	       run->io.count == 1 && a_guest_answered(&t->g) == 1;
}

static bool is_mmio(struct row *t)
{
	const struct kvm_run *run = t->g.v->base.run;

	return !t->r && run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == AN_MMIO &&
	       run->mmio.len == 8 && run->mmio.is_write == (t->number == GHCB_MMIO_WRITE) &&
	       a_guest_answered(&t->g) == 1;
}

static bool nmis_are_open(struct row *t)
{
	return answers(t) && !t->nr_handled &&
	       kvm_request_is_pending(KVM_REQ_EVENT, &t->g.v->base);
}

static bool is_held(struct row *t)
{
	return !t->r && t->g.v->base.run->exit_reason == KVM_EXIT_AP_RESET_HOLD &&
	       t->g.es.ghcb.hold != AP_HOLD_NONE;
}

static bool table_is_kept(struct row *t)
{
	return answers(t) && atomic64_load(&t->g.sev.ap_jump_table) == t->info2;
}

/* There are exits and answers of their own in test_psc.c. */
static bool is_psc(struct row *t)
{
	if (t->is_msr)
		return t->r == 1 && t->g.v->svm.ghcb_gpa == 0x8000000000000015;
	return t->r == 1 && a_guest_finds(&t->g, GHCB_EXITINFO2);
}

/* The response has come, and what the firmware said. */
static bool is_carried(struct row *t)
{
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		if ((t->g.memory[RESPONSE + i] ^ t->g.memory[REQUEST + i]) != 0xff)
			return false;
	return t->r == 1 && t->nr_commands == 1 && page_is(t, 0, t->status);
}

static bool has_no_certificates(struct row *t)
{
	for (unsigned i = 0; i < 32; i++)
		if (t->g.memory[DATA + i] != (i < 24 ? 0 : 0xff))
			return false;
	return is_carried(t);
}

static bool is_pending(struct row *t)
{
	return kvm_request_is_pending(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, &t->ap->base);
}

/* As its own thread does it before the next entry. */
static uint32_t state_of_ap(struct row *t)
{
	t->ap->mp_state = KVM_MP_STATE_AP_RESET_HOLD;
	t->ap->svm.vmsa_pa = HPA(0x5000);
	vcpu_reset(t->ap, true);
	return t->ap->mp_state;
}

/* The address is no private memory: it runs, and fails. */
static bool ap_is_created(struct row *t)
{
	return answers(t) && is_pending(t) && t->ap_es.ap.pending.v == AP_VMSA &&
	       state_of_ap(t) == KVM_MP_STATE_RUNNABLE && !hpa_is_valid(t->ap->svm.vmsa_pa);
}

static bool ap_waits_for_init(struct row *t)
{
	return answers(t) && !is_pending(t) && t->ap_es.ap.pending.v == AP_VMSA &&
	       state_of_ap(t) == KVM_MP_STATE_RUNNABLE && !hpa_is_valid(t->ap->svm.vmsa_pa);
}

static bool ap_is_destroyed(struct row *t)
{
	return answers(t) && is_pending(t) && state_of_ap(t) == KVM_MP_STATE_HALTED &&
	       !hpa_is_valid(t->ap->svm.vmsa_pa);
}

static bool is_terminated(struct row *t)
{
	const struct kvm_run *run = t->g.v->base.run;

	return !t->r && run->exit_reason == KVM_EXIT_SYSTEM_EVENT &&
	       run->system_event.type == KVM_SYSTEM_EVENT_SEV_TERM &&
	       run->system_event.ndata == 1 && run->system_event.data[0] == t->msr;
}

static bool does_nothing(struct row *t) { return answers(t) && !t->nr_handled; }
static bool msr_stays(struct row *t) { return t->r == 1 && t->g.v->svm.ghcb_gpa == t->msr; }
static bool goes_on(struct row *t) { return t->r == 1; }

static bool page_is_registered(struct row *t)
{
	return t->r == 1 && t->g.es.ghcb.registered.v == (t->msr & PAGE_MASK);
}

static const struct {
	const char *does;
	bool (*has)(struct row *t);
} effects[] = {
	{ "-", answers },
	{ "resume, no response", no_response_at_all },
	{ "KVM_RUN fails with EINVAL", is_einval },
	{ "KVM_RUN fails with EIO", is_eio },
	{ "DR intercept", is_handled }, { "exit handler", is_handled }, { "CPUID", is_handled },
	{ "read MSR", is_handled }, { "write MSR", is_handled }, { "hypercall", is_handled },
	{ "KVM_EXIT_IO", is_io }, { "KVM_EXIT_IO, in pieces of at most a page", is_io },
	{ "KVM_EXIT_MMIO", is_mmio },
	{ "NMIs are open again", nmis_are_open },
	{ "AP reset hold", is_held },
	{ "store info2", table_is_kept },
	{ "read", answers },
	{ "snp-psc.tsv", is_psc },
	{ "SNP_GUEST_REQUEST", is_carried }, { "response copied, resume", is_carried },
	{ "24 zero bytes at rax, then SNP_GUEST_REQUEST", has_no_certificates },
	{ "create AP", ap_is_created }, { "pending VMSA, target kicked, runnable", ap_is_created },
	{ "pending VMSA, used at INIT", ap_waits_for_init },
	{ "destroy AP", ap_is_destroyed }, { "VMSA dropped, target halted", ap_is_destroyed },
	{ "KVM_EXIT_SYSTEM_EVENT type 6 ndata 1 data[0]=GHCB MSR", is_terminated },
	{ "resume, nothing done", does_nothing },
	{ "resume, MSR unchanged", msr_stays },
	{ "CPUID [63:32], sub-leaf 0", goes_on },
	{ "any GFN is registered, for this vCPU", page_is_registered },
};

/* ---- what the guest finds ---- */

/* Of an MSR: its request had bits in all fields. */
static const struct { const char *returns; uint64_t msr; } msr_answers[] = {
	{ "[63:48]=version of the VM (2) [47:32]=1 [31:24]=C-bit [11:0]=0x001", 0x0002000100000001 },
	{ "[63:32]=register [31:30] [11:0]=0x005", 0x3333333380000005 },
	{ "[63:12]=0, 1 after SIPI [11:0]=0x007", 0x007 },
	{ "[63:12]=0xfffffffffffff [11:0]=0x011", 0xfffffffffffff011 },
	{ "[63:12]=GFN [11:0]=0x013", 0x4000001080000013 },
	{ "snp-psc.tsv", 0x8000000000000015 },
	{ "[63:12]=0x3 [11:0]=0x081", 0x3081 },
};

static bool msr_is_answered(const struct row *t)
{
	if (!strcmp(t->returns, "-"))
		return true;
	if (!strcmp(t->returns, "unchanged"))
		return t->g.v->svm.ghcb_gpa == t->msr;
	for (size_t i = 0; i < ARRAY_SIZE(msr_answers); i++)
		if (!strcmp(t->returns, msr_answers[i].returns))
			return t->g.v->svm.ghcb_gpa == msr_answers[i].msr;
	return false;
}

/* RAX to RDX are there whatever the row says. */
static bool registers_are_there(const struct row *t)
{
	static const unsigned always[] = { GHCB_RAX, GHCB_RBX, GHCB_RCX, GHCB_RDX, GHCB_EXITINFO1,
					   GHCB_EXITINFO2 };

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		if (!a_guest_finds(&t->g, always[i]))
			return false;
	return true;
}

static bool page_is_answered(struct row *t)
{
	a_guest_enters(&t->g);
	if (t->r < 0 || !strcmp(t->does, "resume, no response"))
		return true;
	if (!strcmp(t->returns, "info2=0x3") && a_guest_get(&t->g, GHCB_EXITINFO2) != 3)
		return false;
	return registers_are_there(t);
}

/* ---- a row ---- */

static void make_guest(struct row *t)
{
	struct kvm_cpuid_entry2 e = { .function = 0x40000010, .eax = 0x11111111, .ebx = 0x22222222,
				      .ecx = 0x33333333, .edx = 0x44444444 };
	static struct vcpu_backend backend;

	a_guest_make_snp(&t->g, false);
	if (!t->snp)
		t->g.sev.vmsa_features = 0;
	t->g.a.kvm->caps.exit_hypercalls = t->is_msr ? 0 : t->g.a.kvm->caps.exit_hypercalls;
	t->g.sev.snp_context = HPA(0x7000);
	t->g.sev.guest_request = phys_page_alloc(t->g.a.module.hw);
	t->g.sev.guest_response = phys_page_alloc(t->g.a.module.hw);
	mutex_init(&t->g.sev.guest_request_lock, "test", RANK_SEV_GUEST_REQUEST);
	t->g.a.module.check_sev_fd = any_fd;
	assert_int_equal(vcpu_set_cpuid(t->g.v, &e, 1), 0);
	t->ap = a_vcpu_add(&t->g.a, AP);
	t->ap_es = (struct sev_vcpu){ 0 };
	snp_ap_init(&t->ap_es.ap);
	t->ap->base.type_state = &t->ap_es;
	backend = *t->g.v->backend;
	backend.handle_exit = note_exit;
	t->g.v->backend = &backend;
}

static void free_guest(struct row *t)
{
	t->ap->base.type_state = NULL;
	snp_ap_fini(&t->ap_es.ap);
	mutex_fini(&t->g.sev.guest_request_lock);
	t->g.v->backend = &svm_backend;
	a_guest_free(&t->g);
}

static void put_registers(struct row *t)
{
	a_guest_put(&t->g, GHCB_CPL, 0);
	a_guest_put(&t->g, GHCB_RAX, t->rax);
	a_guest_put(&t->g, GHCB_RBX, t->rbx);
	a_guest_put(&t->g, GHCB_RCX, t->rcx);
	a_guest_put(&t->g, GHCB_RDX, t->rdx);
	a_guest_put(&t->g, GHCB_RSI, 0);
	a_guest_put(&t->g, GHCB_XCR0, 1);
	a_guest_put(&t->g, GHCB_SCRATCH, t->scratch);
}

static void ask(struct row *t)
{
	a_guest_asks(&t->g, t->number, t->info1, t->info2);
	put_registers(t);
	memcpy(t->g.memory + GHCB_AT + GHCB_USAGE, &t->usage, sizeof(t->usage));
	memset(t->g.memory + DATA, 0xff, PAGE_SIZE);
	t->g.memory[REQUEST + MSG_TYPE] = t->msg_type;
	t->g.v->svm.ghcb_gpa = t->msr;
	kvm_check_request(KVM_REQ_EVENT, &t->g.v->base);
	now = t;
	t->r = a_guest_exits(&t->g);
}

static void make(struct row *t)
{
	make_guest(t);
	if (t->is_msr) {
		t->msr = 0x4000001080000000 | t->number;	/* of CPUID: ECX of a leaf */
		return;
	}
	usual(t);
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		if (!strcmp(conditions[i].when, t->when)) {
			conditions[i].make(t);
			return;
		}
	}
	fail_msg("%s: what is \"%s\"?", t->code, t->when);
}

static bool has_effect(struct row *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(effects); i++)
		if (!strcmp(effects[i].does, t->does))
			return effects[i].has(t);
	fail_msg("%s: what is \"%s\"?", t->code, t->does);
	return false;
}

static const struct { const char *name; unsigned at; } fields[] = {
	{ "exitcode", GHCB_EXITCODE }, { "info1", GHCB_EXITINFO1 }, { "info2", GHCB_EXITINFO2 },
	{ "cpl", GHCB_CPL }, { "rax", GHCB_RAX }, { "rbx", GHCB_RBX }, { "rcx", GHCB_RCX },
	{ "rdx", GHCB_RDX }, { "scratch", GHCB_SCRATCH }, { "xcr0", GHCB_XCR0 },
};

/* One of the needed fields is missing: the reason, for each of them. */
static void without_field(const struct row *row, unsigned at)
{
	struct row t = *row;

	make(&t);
	a_guest_asks(&t.g, t.number, t.info1, t.info2);
	put_registers(&t);
	t.g.memory[REQUEST + MSG_TYPE] = t.msg_type;
	t.g.memory[GHCB_AT + GHCB_VALID + at / 64] &= (uint8_t)~(1u << at / 8 % 8);
	t.g.v->svm.ghcb_gpa = t.msr;
	now = &t;
	t.r = a_guest_exits(&t.g);
	if (t.r != 1 || !page_is(&t, 2, strtoull(t.reason, NULL, 0)) || t.nr_commands)
		fail_msg("%s %s without the field at %#x: %d, %llu", t.code, t.when, at, t.r,
			 (unsigned long long)a_guest_get(&t.g, GHCB_EXITINFO2));
	a_guest_enters(&t.g);
	free_guest(&t);
}

static void needs(const struct row *row)
{
	char text[64], *rest = text, *word;

	snprintf(text, sizeof(text), "%s", row->need);
	while (strcmp(row->need, "-") && (word = strsep(&rest, "+"))) {
		size_t i;

		for (i = 0; i < ARRAY_SIZE(fields) && strcmp(fields[i].name, word); i++)
			;
		assert_true(i < ARRAY_SIZE(fields));
		without_field(row, fields[i].at);
	}
}

/* A refusal has done nothing before. */
static bool is_refused(const struct row *t)
{
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		if (t->g.memory[DATA + i] != 0xff)
			return false;
	return t->r == 1 && !t->nr_commands && page_is(t, 2, strtoull(t->reason, NULL, 0));
}

/* With everything valid; a row with a reason and no need is the refusal itself. */
static void drive(const struct row *row)
{
	bool refused = !strcmp(row->need, "-") && strcmp(row->reason, "-");
	struct row t = *row;

	make(&t);
	if (t.is_msr) {
		t.g.v->svm.ghcb_gpa = t.msr;
		now = &t;
		t.g.v->backend = &svm_backend;
		t.r = a_guest_exits(&t.g);
	} else {
		ask(&t);
	}
	if (refused ? !is_refused(&t) : !has_effect(&t))
		fail_msg("%s \"%s\", SNP %d: %d, not \"%s\"", t.code, t.when, t.snp, t.r, t.does);
	if (t.is_msr ? !msr_is_answered(&t) : !page_is_answered(&t))
		fail_msg("%s \"%s\", SNP %d: the guest does not find \"%s\"", t.code, t.when, t.snp,
			 t.returns);
	free_guest(&t);
	needs(row);
}

/* Events of SNP guests alone; what the page has to be; else both kinds of guest. */
static bool of_snp(const struct row *t)
{
	return !strcmp(t->when, "not registered") ||
	       (!t->is_msr && t->number >= GHCB_PSC && t->number <= GHCB_AP_CREATION);
}

static void every_row(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < facts.nr_rows; i++) {
		char *const *cells = facts.row[i];
		struct row t = {
			.code = cells[0],
			.when = fact_cell(&facts, cells, "when"),
			.need = fact_cell(&facts, cells, "need"),
			.reason = fact_cell(&facts, cells, "reason"),
			.does = fact_cell(&facts, cells, "does"),
			.returns = fact_cell(&facts, cells, "returns"),
		};

		t.is_msr = !strncmp(t.code, "msr:", 4);
		t.number = *t.code == '*' ? GHCB_HV_FEATURES :
			   strtoull(t.code + (t.is_msr ? 4 : 0), NULL, 0);
		if (strncmp(t.when, "snp", 3) && !of_snp(&t))
			drive(&t);
		t.snp = true;
		if (strncmp(t.when, "not snp", 7))
			drive(&t);
	}
	print_message("snp-ghcb-v2.tsv: %u rows\n", facts.nr_rows);
}

/* ---- beside the table ---- */

/* Each vCPU has one, and a later one counts. */
static void registration(void **unused)
{
	struct row t = { .snp = true, .number = GHCB_HV_FEATURES };

	(void)unused;
	make_guest(&t);
	usual(&t);
	t.ap_es.ghcb.registered = GPA(DATA);
	ask(&t);
	assert_int_equal(t.r, 1);
	a_guest_enters(&t.g);
	t.g.v->svm.ghcb_gpa = DATA | 0x012;
	assert_int_equal(a_guest_exits(&t.g), 1);
	assert_int_equal(t.g.v->svm.ghcb_gpa, DATA | 0x013);
	ask(&t);
	assert_int_equal(t.r, -EINVAL);
	/* Taken note of, as the kernel does: the bitmap is empty. */
	assert_false(a_guest_finds(&t.g, GHCB_EXITCODE));
	assert_int_equal(t.ap_es.ghcb.registered.v, DATA);
	a_guest_enters(&t.g);
	t.g.v->svm.ghcb_gpa = GHCB_AT | 0x012;
	assert_int_equal(a_guest_exits(&t.g), 1);
	ask(&t);
	assert_int_equal(t.r, 1);
	free_guest(&t);
}

/* The firmware could not be asked: the VMM is told, and the guest's page is as it was. */
static int closed_fd(struct kvm_module *module, int fd)
{
	return -EBADF;
}

static void nobody_to_ask(void **unused)
{
	struct row t = { .snp = true, .number = GHCB_GUEST_REQUEST };

	(void)unused;
	make_guest(&t);
	usual(&t);
	t.g.a.module.check_sev_fd = closed_fd;
	memset(t.g.memory + RESPONSE, 0x77, PAGE_SIZE);
	ask(&t);
	assert_int_equal(t.r, -EBADF);
	assert_int_equal(t.nr_commands, 0);
	assert_int_equal(t.g.memory[RESPONSE], 0x77);
	t.info2 = MEMORY_END;
	ask(&t);
	assert_int_equal(t.r, -EBADF);
	free_guest(&t);
}

/* Certificates that cannot be stored: nobody is asked for a report. */
static void no_room_for_certificates(void **unused)
{
	struct row t = { .snp = true, .number = GHCB_EXT_GUEST_REQUEST };

	(void)unused;
	make_guest(&t);
	usual(&t);
	with_data(&t);
	t.rax = MEMORY_END;
	ask(&t);
	assert_int_equal(t.r, -EIO);
	assert_int_equal(t.nr_commands, 0);
	free_guest(&t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row),
		cmocka_unit_test(registration),
		cmocka_unit_test(nobody_to_ask),
		cmocka_unit_test(no_room_for_certificates),
	};
	int r;

	if (argc != 2)
		return 2;
	facts = facts_read(argv[1]);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	facts_free(&facts);
	return r;
}
