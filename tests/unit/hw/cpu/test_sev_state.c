/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sev_state.c - the VMSA: what is loaded, what is stored, and what makes it
 * invalid.  APM vol. 2 15.35.8, 15.35.10, table B-4.
 */
#include "hw/cpu/a_sev.h"

#include <string.h>

#include "hw/mem/tmr.h"

#define VMGEXIT		"\xf3\x0f\x01\xd9"
#define INVALID		((uint64_t)SVM_EXIT_INVALID)

static void start(struct sev *s, const char *code, size_t n)
{
	sev_init(s, SEV_ES);
	vm_code(&s->vm, code, n);
}

/* The plaintext changes and its checksum with it: what the launch could have had. */
static void patch(struct sev *s, unsigned at, const void *bytes, size_t n)
{
	struct vmsa v = sev_vmsa(s);

	memcpy((char *)&v + at, bytes, n);
	assert_true(tmr_store(s->vm.hw, (const uint8_t *)&v));
	assert_true(view_write(s->vm.hw, s->vmsa, s->slot, &v, sizeof(v)));
}

/* What VMRUN needs as it is, or decides about by itself; reserved fields are kept too. */
static const struct { unsigned at, size; } fixed[] = {
	{ 0x10, 16 }, { 0x20, 16 }, { VMSA_CPL, 1 }, { VMSA_EFER, 8 }, { VMSA_CR4, 8 },
	{ VMSA_CR3, 8 }, { VMSA_CR0, 8 }, { VMSA_DR7, 8 }, { VMSA_DR6, 8 }, { VMSA_RFLAGS, 8 },
	{ VMSA_RIP, 8 }, { 0x388, 8 }, { VMSA_FEATURES, 8 }, { VMSA_XCR0, 8 }, { VMSA_MXCSR, 4 },
	{ VMSA_FCW, 2 }, { 0x40e, 2 },
	/* GDTR and IDTR have no selector and attributes, limits are of 16 bits. */
	{ 0x60, 4 }, { 0x66, 2 }, { 0x80, 4 }, { 0x86, 2 },
	{ 0x40d, 1 },			/* the tag word is of eight bits */
};

/* The bits of segment attributes that exist. */
static void mask_attributes(uint8_t *v)
{
	for (unsigned seg = 0; seg < 10; seg++)
		v[seg * 16 + 3] &= 0x0f;
}

/* Every field comes back as it went in, though each has a value of its own. */
static void a_round_trip_changes_nothing(void **unused)
{
	struct vmsa before, after;
	uint8_t *p = (uint8_t *)&before;
	struct sev s;

	start(&s, VMGEXIT, 4);
	sev_launch(&s);
	before = sev_vmsa(&s);
	for (unsigned i = 0; i < VMSA_END; i++) {
		bool keep = false;

		for (size_t k = 0; k < ARRAY_SIZE(fixed); k++)
			keep |= i - fixed[k].at < fixed[k].size;
		if (!keep)
			p[i] = (uint8_t)(i * 37 + (i >> 8) * 11 + 5);
	}
	mask_attributes(p);
	patch(&s, 0, p, sizeof(before));
	assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
	after = sev_vmsa(&s);
	assert_int_equal(after.rip, before.rip + 4);
	after.rip = before.rip;
	for (unsigned i = 0; i < sizeof(before); i++)
		if (p[i] != ((uint8_t *)&after)[i])
			fail_msg("offset %#x: %#x became %#x", i, p[i], ((uint8_t *)&after)[i]);
	sev_fini(&s);
}

/* MXCSR has the bits that the processor has, whatever the launch put there. */
static void bits_that_mxcsr_has_not_are_dropped(void **unused)
{
	const uint32_t all = 0xffffffff;
	struct sev s;

	start(&s, VMGEXIT, 4);
	sev_launch(&s);
	patch(&s, VMSA_MXCSR, &all, sizeof(all));
	assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
	assert_int_equal((uint32_t)sev_vmsa_field(&s, VMSA_MXCSR), hw_mxcsr_mask(s.vm.hw));
	sev_fini(&s);
}

/* What the guest changes is in the VMSA: one instruction, one field. */
static const struct { const char *code; unsigned len, at; uint64_t value, mask; } writes[] = {
	{ "\x48\xff\xc0", 3, VMSA_RAX, 0x1001, ~0ull }, { "\x48\xff\xc1", 3, VMSA_RCX, 0x1002, ~0ull },
	{ "\x48\xff\xc2", 3, VMSA_RDX, 0x1003, ~0ull }, { "\x48\xff\xc3", 3, VMSA_RBX, 0x1004, ~0ull },
	{ "\x48\xff\xc4", 3, VMSA_RSP, 0x1005, ~0ull }, { "\x48\xff\xc5", 3, VMSA_RBP, 0x1006, ~0ull },
	{ "\x48\xff\xc6", 3, VMSA_RSI, 0x1007, ~0ull }, { "\x48\xff\xc7", 3, VMSA_RDI, 0x1008, ~0ull },
	{ "\x49\xff\xc0", 3, VMSA_R8, 0x1009, ~0ull }, { "\x49\xff\xc7", 3, VMSA_R8 + 56, 0x1010, ~0ull },
	{ "\xf9", 1, VMSA_RFLAGS, 3, ~0ull }, { "\x0f\x22\xd0", 3, VMSA_CR2, 0x1000, ~0ull },
	{ "\xb0\x01\x0f\x23\xc0", 5, VMSA_DR0, 0x1001, ~0ull },
	{ "\x31\xc0\x8e\xe0", 4, 0x40, 0, 0xffff },				/* FS */
	{ "\x0f\x28\xc1", 3, VMSA_XMM, 0x1122334455667788ull, ~0ull },		/* MOVAPS XMM0, XMM1 */
	{ "\xd9\xe8", 2, VMSA_X87, 0x8000000000000000ull, ~0ull },		/* FLD1 */
	{ "\xd9\xe8", 2, VMSA_X87 + 64, 0x3fff, 0xffff },
	{ "\x0f\x01\xd0\x31\xd2\x31\xc9\xb0\x03\x0f\x01\xd1", 12, VMSA_XCR0, 3, ~0ull },
};

static void what_the_guest_writes_is_stored(void **unused)
{
	static const uint8_t order[8] = { X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP,
					  X86_RSI, X86_RDI };
	static const uint64_t vector = 0x1122334455667788ull;
	char code[32];
	struct sev s;

	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		memcpy(code, writes[i].code, writes[i].len);
		memcpy(code + writes[i].len, VMGEXIT, 4);
		start(&s, code, writes[i].len + 4);
		for (unsigned r = 0; r < 16; r++)
			s.vm.s.gpr[r < 8 ? order[r] : r] = 0x1000 + r;
		s.vm.s.gpr[X86_RCX] = writes[i].at == VMSA_XCR0 ? 0 : 0x1001;
		s.vm.s.cr4 |= X86_CR4_OSXSAVE;
		s.vm.svm.pass_xsetbv = true;
		s.features = VMSA_DEBUG_SWAP;
		sev_launch(&s);
		patch(&s, VMSA_XMM + 16, &vector, 8);
		assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
		assert_int_equal(sev_vmsa_field(&s, writes[i].at) & writes[i].mask, writes[i].value);
		sev_fini(&s);
	}
}

/* MSRs that are let through: RDMSR, add 8 to EAX, WRMSR; a field each. */
static const struct { uint32_t nr; unsigned at; uint64_t before, mask; } msrs[] = {
	{ 0xc0000081, 0x200, 0x0102030405060708, ~0ull }, { 0xc0000082, 0x208, 0x1100, ~0ull },
	{ 0xc0000083, 0x210, 0x1200, ~0ull }, { 0xc0000084, 0x218, 0x300, ~0ull },
	{ 0xc0000102, 0x220, 0x1400, ~0ull }, { 0x174, 0x228, 0x10, ~0ull },
	{ 0x175, 0x230, 0x1600, ~0ull }, { 0x176, 0x238, 0x1700, ~0ull },
	{ 0xc0000100, 0x48, 0x1800, ~0ull }, { 0xc0000101, 0x58, 0x1900, ~0ull },
	{ 0xc0000103, VMSA_TSC_AUX, 0x77, 0xffffffff }, { 0x1d9, 0x270, 2, ~0ull },
	{ 0x1db, 0x278, 0x100, ~0ull }, { 0x1de, 0x290, 0x100, ~0ull },
};

static void msrs_that_are_let_through(void **unused)
{
	static const char body[] = "\x0f\x32\x83\xc0\x08\x0f\x30" VMGEXIT;
	char code[5 + sizeof(body)] = "\xb9";
	struct sev s;

	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		memcpy(code + 1, &msrs[i].nr, 4);
		memcpy(code + 5, body, sizeof(body));
		start(&s, code, sizeof(code) - 1);
		sev_pass_msr(&s, msrs[i].nr);
		sev_launch(&s);
		patch(&s, msrs[i].at, &msrs[i].before, msrs[i].mask == ~0ull ? 8 : 4);
		assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
		assert_int_equal(sev_vmsa_field(&s, msrs[i].at) & msrs[i].mask, msrs[i].before + 8);
		sev_fini(&s);
	}
}

static const struct {
	uint32_t nr; uint32_t eax, edx; bool write; enum sev_kind kind; bool passed;
	uint64_t want;			/* of RDMSR, or 0 for #GP */
} special[] = {
	{ 0xc0010131, 0, 0, false, SEV, false, 1 },
	{ 0xc0010131, 0, 0, false, SEV_ES, false, 3 | 1 << 7 },	/* with DebugSwap */
	{ 0xc0010131, 1, 0, true, SEV, false, 0 },
	{ 0xc0010131, 1, 0, true, SEV_ES, false, 0 },
	{ 0xc0010130, 0, 0, false, SEV_ES, false, 0x12345 },
	{ 0xc0010130, 0, 0, false, SEV, true, 0 },
	{ 0xc0000082, 0, 0x8000, true, SEV_ES, true, 0 },	/* not canonical */
	{ 0x277, 2, 0, true, SEV_ES, true, 0 },
	{ 0xda0, 1, 0, true, SEV_ES, true, 0 },
	{ 0xc0000080, 1 << 9, 0, true, SEV_ES, true, 0 },
	{ 0xc0000080, 0, 0, true, SEV_ES, true, 0 },		/* LME while paging */
	{ 0x8b, 0, 0, false, SEV_ES, true, 0 },
};

static void msrs_with_rules_of_their_own(void **unused)
{
	char code[] = "\xb9\0\0\0\0\x0f\x32\xf4";
	struct sev s;

	for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
		memcpy(code + 1, &special[i].nr, 4);
		code[6] = special[i].write ? 0x30 : 0x32;
		sev_init(&s, special[i].kind);
		vm_code(&s.vm, code, sizeof(code) - 1);
		s.vm.s.gpr[X86_RAX] = special[i].eax;
		s.vm.s.gpr[X86_RDX] = special[i].edx;
		s.vm.svm.ghcb_gpa = 0x12345;
		s.features = VMSA_DEBUG_SWAP;
		if (special[i].passed)
			sev_pass_msr(&s, special[i].nr);
		sev_launch(&s);
		assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
		if (!special[i].want)
			assert_int_equal((s.es ? sev_vmsa(&s).rip - 1 : s.vm.s.rip),
					 VM_HANDLERS + X86_GP * 16);
		else
			assert_int_equal(s.es ? sev_vmsa(&s).rax : s.vm.s.gpr[X86_RAX],
					 special[i].want);
		sev_fini(&s);
	}
}

/* The GHCB MSR is the control area's field. */
static void the_ghcb_msr(void **unused)
{
	static const char code[] = "\xb9\x30\x01\x01\xc0\xb8\x02\x01\0\0\xba\x01\0\0\0\x0f\x30" VMGEXIT;
	struct sev s;

	start(&s, code, sizeof(code) - 1);
	s.vm.svm.ghcb_gpa = 0x001;
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
	assert_int_equal(s.vm.svm_exit.ghcb_gpa, 0x100000102ull);
	sev_fini(&s);
}

/* SVME stays, whatever the guest writes to EFER. */
static void svme_cannot_be_cleared(void **unused)
{
	static const char code[] = "\xb9\x80\0\0\xc0\x0f\x32\x80\xe4\xef\x0f\x30" VMGEXIT;
	struct sev s;

	start(&s, code, sizeof(code) - 1);
	sev_pass_msr(&s, 0xc0000080);
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
	assert_true(sev_vmsa(&s).efer & X86_EFER_SVME);
	sev_fini(&s);
}

/* One field that makes VMRUN fail; and it can be mended by who has the key alone. */
static const struct { unsigned at, size; uint64_t value; } invalid[] = {
	{ VMSA_EFER, 8, 0xd00 },			/* without SVME */
	{ VMSA_EFER, 8, 0x1d00 | 1ull << 20 },
	{ VMSA_FEATURES, 8, 1 << 1 }, { VMSA_FEATURES, 8, 1 << 2 }, { VMSA_FEATURES, 8, 1 << 3 },
	{ VMSA_FEATURES, 8, 1 << 4 }, { VMSA_FEATURES, 8, 1ull << 40 },
	{ VMSA_CR0, 8, 1ull << 32 | 0x80010031 }, { VMSA_CR0, 8, 0x20000000 | 0x80010031 },
	{ VMSA_CR4, 8, 0 }, { VMSA_CR4, 8, 1ull << 32 | 0x620 }, { VMSA_DR6, 8, 1ull << 32 },
	{ VMSA_DR7, 8, 1ull << 32 }, { VMSA_CS + 2, 2, 0x69b | 0x600 }, { VMSA_CPL, 1, 4 },
};

static void states_that_vmrun_refuses(void **unused)
{
	struct vmsa good, v;
	struct sev s;

	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
		start(&s, "\xf4", 1);
		sev_launch(&s);
		good = sev_vmsa(&s);
		patch(&s, invalid[i].at, &invalid[i].value, invalid[i].size);
		assert_int_equal(sev_run(&s), INVALID);
		v = sev_vmsa(&s);
		assert_int_equal(v.rip, VM_CODE);
		patch(&s, 0, &good, sizeof(good));
		assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
		sev_fini(&s);
	}
}

enum wrong { NO_ASID, ASID_TOO_HIGH, ES_ALONE, UNKNOWN_BIT, UNALIGNED, NO_FRAME, OTHER_KEY, NR_WRONG };

static void controls_that_vmrun_refuses(void **unused)
{
	struct sev s;

	for (enum wrong w = 0; w < NR_WRONG; w++) {
		struct svm_control *c = &s.vm.svm;

		start(&s, "\xf4", 1);
		sev_launch(&s);
		switch (w) {
		case NO_ASID:
			c->asid = 0;
			break;
		case ASID_TOO_HIGH:
			c->asid = hw_config(s.vm.hw)->nr_keys + 1u;
			break;
		case ES_ALONE:
			c->np_control = SVM_NP_ENABLE | SVM_NP_SEV_ES;
			break;
		case UNKNOWN_BIT:
			c->np_control |= BIT(3);
			break;
		case UNALIGNED:
			c->vmsa_pa.v += 8;
			break;
		case NO_FRAME:
			c->vmsa_pa = HPA(1ull << 42);
			break;
		default:
			c->asid = s.slot + 1u;
		}
		assert_int_equal(sev_run(&s), INVALID);
		sev_fini(&s);
	}
	/* Without a VMSA that would not decrypt, too. */
	sev_init(&s, SEV);
	vm_code(&s.vm, "\xf4", 1);
	s.vm.svm.asid = hw_config(s.vm.hw)->nr_keys + 1u;
	sev_launch(&s);
	assert_int_equal(sev_run(&s), INVALID);
	sev_fini(&s);
}

/* The hypervisor changes one bit of the ciphertext, or puts an older page back. */
static void a_changed_vmsa_never_runs(void **unused)
{
	uint8_t page[4096], old[4096];
	struct sev s;

	start(&s, VMGEXIT "\xeb\xfa", 6);	/* for ever */
	sev_launch(&s);
	assert_true(view_read(s.vm.hw, s.vmsa, 0, old, sizeof(old)));
	assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
	/* Beyond the checksum nothing is looked at. */
	assert_true(view_read(s.vm.hw, s.vmsa, 0, page, sizeof(page)));
	page[0xfd0] ^= 1;
	assert_true(view_write(s.vm.hw, s.vmsa, 0, page, sizeof(page)));
	assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
	for (unsigned at = VMSA_RAX; at < 0xfc0; at += 0xfb8 - VMSA_RAX) {
		assert_true(view_read(s.vm.hw, s.vmsa, 0, page, sizeof(page)));
		page[at] ^= 4;
		assert_true(view_write(s.vm.hw, s.vmsa, 0, page, sizeof(page)));
		assert_int_equal(sev_run(&s), INVALID);
		assert_int_equal(sev_run(&s), INVALID);
		page[at] ^= 4;
		assert_true(view_write(s.vm.hw, s.vmsa, 0, page, sizeof(page)));
		assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
	}
	/* What the checksum was right for once. */
	assert_true(view_write(s.vm.hw, s.vmsa, 0, old, sizeof(old)));
	assert_int_equal(sev_run(&s), INVALID);
	sev_fini(&s);
}

/* Without DebugSwap DR0 to DR3 are the processor's, and the VMSA's are not looked at. */
static void debug_registers_without_debug_swap(void **unused)
{
	uint64_t dr0 = 0x1234;
	struct sev s;

	start(&s, "\x0f\x21\xc0" VMGEXIT, 7);
	sev_launch(&s);
	patch(&s, VMSA_DR0, &dr0, 8);
	assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
	assert_int_equal(sev_vmsa_field(&s, VMSA_RAX), 0);
	assert_int_equal(sev_vmsa_field(&s, VMSA_DR0), 0x1234);
	sev_fini(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_round_trip_changes_nothing),
		cmocka_unit_test(bits_that_mxcsr_has_not_are_dropped),
		cmocka_unit_test(what_the_guest_writes_is_stored),
		cmocka_unit_test(msrs_that_are_let_through),
		cmocka_unit_test(msrs_with_rules_of_their_own),
		cmocka_unit_test(the_ghcb_msr),
		cmocka_unit_test(svme_cannot_be_cleared),
		cmocka_unit_test(states_that_vmrun_refuses),
		cmocka_unit_test(controls_that_vmrun_refuses),
		cmocka_unit_test(a_changed_vmsa_never_runs),
		cmocka_unit_test(debug_registers_without_debug_swap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
