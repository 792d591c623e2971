/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sev_exits.c - which instructions and events of a SEV-ES guest leave, and
 * which become #VC.  APM vol. 2 15.35.5, table 15-33.
 */
#include "hw/cpu/a_sev.h"

#include <string.h>

#include "hw/mem/finding.h"

struct row {
	const char	*bytes;
	unsigned	 len;
	unsigned	 at;		/* of the instruction in question; it is the last one */
	uint16_t	 code;
};

#define ROW(code, at, b)	{ b, sizeof(b) - 1, at, code }

/* Intercepted, not automatic: the code is #VC's error code. */
static const struct row reflected[] = {
	ROW(0x72, 0, "\x0f\xa2"),				/* CPUID */
	ROW(0x7b, 0, "\xec"), ROW(0x7b, 0, "\xee"), ROW(0x7b, 0, "\xe4\x60"),
	ROW(0x7b, 0, "\xf3\x6e"), ROW(0x7b, 0, "\x6c"),		/* IN OUT, REP OUTSB, INSB */
	ROW(0x7c, 0, "\x0f\x32"), ROW(0x7c, 0, "\x0f\x30"),	/* RDMSR WRMSR */
	ROW(0x81, 0, "\x0f\x01\xd9"),				/* VMMCALL */
	ROW(0x89, 0, "\x0f\x09"), ROW(0x76, 0, "\x0f\x08"),	/* WBINVD INVD */
	ROW(0x8a, 5, "\x31\xc9\x48\x89\xe0\x0f\x01\xc8"),	/* MONITOR */
	ROW(0x8b, 2, "\x31\xc9\x0f\x01\xc9"),			/* MWAIT */
	ROW(0x6f, 0, "\x0f\x33"),				/* RDPMC */
	ROW(0x37, 0, "\x0f\x23\xf8"), ROW(0x27, 0, "\x0f\x21\xf8"),	/* DR7 */
	ROW(0x13, 0, "\x0f\x22\xd8"), ROW(0x02, 0, "\x0f\x20\xd0"),	/* CR3, CR2 */
	ROW(0x8d, 2, "\x31\xc9\x0f\x01\xd1"),			/* XSETBV */
	ROW(0x80, 0, "\x0f\x01\xd8"), ROW(0x82, 0, "\x0f\x01\xda"),	/* VMRUN VMLOAD */
	ROW(0x83, 0, "\x0f\x01\xdb"), ROW(0x84, 0, "\x0f\x01\xdc"),	/* VMSAVE STGI */
	ROW(0x85, 0, "\x0f\x01\xdd"), ROW(0x86, 0, "\x0f\x01\xde"),	/* CLGI SKINIT */
	ROW(0x7a, 0, "\x0f\x01\xdf"),				/* INVLPGA */
	ROW(0x74, 0, "\x48\xcf"),				/* IRET */
	ROW(0x40, 2, "\x31\xc9\xf7\xf1"), ROW(0x46, 0, "\x0f\x0b"),	/* #DE #UD */
	ROW(0x4d, 2, "\x31\xc0\x0f\x22\xc0"),			/* #GP: CR0.PG in long mode */
	ROW(0x4e, 0, "\xa0\0\0\0\0\x80\0\0\0"),			/* #PF: MOV AL, [8000000000] */
};

/* Automatic, and RIP goes past them. */
static const struct row left_behind[] = {
	ROW(SVM_EXIT_HLT, 0, "\xf4"), ROW(SVM_EXIT_PAUSE, 0, "\xf3\x90"),
	ROW(SVM_EXIT_VMGEXIT, 0, "\xf3\x0f\x01\xd9"), ROW(SVM_EXIT_VMGEXIT, 0, "\xf2\x0f\x01\xd9"),
};

static void start(struct sev *s, const struct row *r)
{
	sev_init(s, SEV_ES);
	vm_code(&s->vm, r->bytes, r->len);
	s->vm.s.cr4 |= X86_CR4_OSXSAVE;
	s->vm.s.gpr[X86_RAX] = s->vm.s.cr3;
	s->vm.s.gpr[X86_RCX] = 0x10;
	s->vm.svm.intercept_dr_read = s->vm.svm.intercept_dr_write = BIT(7);
	s->vm.svm.intercept_cr_write = BIT(3);
	s->vm.svm.intercept_cr_read = BIT(2);
	s->vm.svm.intercept_pause = s->vm.svm.intercept_iret = true;
	s->vm.svm.intercept_exceptions = BIT(0) | BIT(6) | BIT(13) | BIT(14) | BIT(18);
	sev_launch(s);
}

static void nothing_is_told(const struct svm_exit *e)
{
	static const uint8_t none[15];

	assert_int_equal(e->nrip, 0);
	assert_int_equal(e->nr_bytes, 0);
	assert_memory_equal(e->bytes, none, sizeof(none));
}

static void what_is_not_automatic_is_vc(void **unused)
{
	uint64_t frame[2];
	struct vmsa v;
	struct sev s;

	for (size_t i = 0; i < ARRAY_SIZE(reflected); i++) {
		start(&s, &reflected[i]);
		assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
		assert_int_equal(sev_vc(&s), reflected[i].code);
		v = sev_vmsa(&s);
		sev_read(&s, v.rsp, frame, sizeof(frame));
		assert_int_equal(frame[1], VM_CODE + reflected[i].at);
		assert_int_equal(s.vm.svm_exit.exitinfo1, 0);
		nothing_is_told(&s.vm.svm_exit);
		sev_fini(&s);
	}
}

static void what_is_automatic_leaves_after_it(void **unused)
{
	struct sev s;

	for (size_t i = 0; i < ARRAY_SIZE(left_behind); i++) {
		start(&s, &left_behind[i]);
		assert_int_equal(sev_run(&s), left_behind[i].code);
		assert_int_equal(sev_vmsa(&s).rip, VM_CODE + left_behind[i].len);
		nothing_is_told(&s.vm.svm_exit);
		sev_fini(&s);
	}
}

/* Without SEV-ES a prefix before VMMCALL means nothing. */
static void vmgexit_of_others_is_vmmcall(void **unused)
{
	struct sev s;

	for (enum sev_kind k = PLAIN; k <= SEV; k++) {
		sev_init(&s, k);
		vm_code(&s.vm, "\xf3\x0f\x01\xd9", 4);
		sev_launch(&s);
		assert_int_equal(sev_run(&s), SVM_EXIT_VMMCALL);
		assert_int_equal(s.vm.s.rip, VM_CODE);
		assert_int_equal(s.vm.svm_exit.nrip, VM_CODE + 4);
		sev_fini(&s);
	}
}

/* A kick, an open window, a triple fault, an absent page: as with any guest, but no registers. */
static void asynchronous_exits(void **unused)
{
	struct sev s;

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, "\xeb\xfe", 2);
	s.vm.s.rflags |= X86_FLAGS_IF;
	sev_launch(&s);
	cpu_kick(s.vm.cpu);
	assert_int_equal(sev_run(&s), SVM_EXIT_INTR);
	cpu_ack(s.vm.cpu);
	assert_int_equal(s.vm.svm_exit.int_state, SVM_GUEST_INTERRUPT_MASK);
	s.vm.svm.intercept_vintr = true;
	assert_int_equal(sev_run(&s), SVM_EXIT_VINTR);
	assert_int_equal(sev_vmsa(&s).rip, VM_CODE);
	sev_fini(&s);

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, "\x0f\x0b", 2);
	s.vm.s.idtr.limit = 0;
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_SHUTDOWN);
	sev_fini(&s);
}

static const struct { const char *bytes; unsigned len, code; uint64_t value; } traps[] = {
	{ "\x0f\x20\xc0\x0f\x22\xc0", 6, 0x90, 0x80010031 },
	{ "\x0f\x06", 2, 0x90, 0x80010031 },
	{ "\x0f\x20\xe0\x0c\x04\x0f\x22\xe0", 8, 0x94, 0x624 },
	{ "\x31\xc0\xb0\x05\x44\x0f\x22\xc0", 8, 0x98, 5 },
	{ "\xb9\x80\0\0\xc0\x0f\x32\x24\xfe\x0f\x30", 11, 0x8f, 0x1d00 },
};

/* A write trap comes after the write, with what the register has now. */
static void writes_are_told_afterwards(void **unused)
{
	struct vmsa v;
	struct sev s;

	for (size_t i = 0; i < ARRAY_SIZE(traps); i++) {
		sev_init(&s, SEV_ES);
		vm_code(&s.vm, traps[i].bytes, traps[i].len);
		s.vm.s.efer |= X86_EFER_SCE;
		s.vm.svm.trap_cr_write = BIT(0) | BIT(4) | BIT(8);
		s.vm.svm.trap_efer_write = true;
		sev_pass_msr(&s, 0xc0000080);
		sev_launch(&s);
		assert_int_equal(sev_run(&s), traps[i].code);
		assert_int_equal(s.vm.svm_exit.exitinfo1, traps[i].value);
		v = sev_vmsa(&s);
		assert_int_equal(v.rip, VM_CODE + traps[i].len);
		assert_int_equal(traps[i].code == 0x90 ? v.cr0 : traps[i].code == 0x94 ? v.cr4 :
				 traps[i].code == 0x98 ? s.vm.svm_exit.v_tpr : v.efer,
				 traps[i].value);
		sev_fini(&s);
	}
}

/* CLTS with TF set: #DB is delivered, or named in EXITINTINFO, and the trap is told. */
static void a_trap_is_not_lost(void **unused)
{
	struct sev s;

	for (int absent = 0; absent <= 1; absent++) {
		sev_init(&s, SEV_ES);
		vm_code(&s.vm, "\x0f\x06\xf4", 3);
		s.vm.s.rflags |= X86_FLAGS_TF;
		s.vm.svm.trap_cr_write = BIT(0);
		sev_launch(&s);
		if (absent)
			vm_nested_set(&s.vm, VM_STACK - 4096, false);
		assert_int_equal(sev_run(&s), 0x90);
		assert_int_equal(s.vm.svm_exit.exitintinfo, !absent ? 0 :
				 SVM_EVENT_VALID | SVM_EVENT_TYPE_EXCEPTION | X86_DB);
		assert_int_equal(sev_vmsa(&s).rip, absent ? VM_CODE + 2 : VM_HANDLERS + X86_DB * 16);
		sev_fini(&s);
	}
}

static const struct { uint64_t inj; bool good; } events[] = {
	{ SVM_EVENT_TYPE_INTR | 0x40, true }, { SVM_EVENT_TYPE_NMI | 2, true },
	{ SVM_EVENT_TYPE_EXCEPTION | 6, true }, { SVM_EVENT_TYPE_EXCEPTION | 1, true },
	{ SVM_EVENT_TYPE_EXCEPTION | SVM_EVENT_HAS_ERROR | 13 | 5ull << 32, true },
	{ SVM_EVENT_TYPE_EXCEPTION | 3, false }, { SVM_EVENT_TYPE_EXCEPTION | 4, false },
	{ SVM_EVENT_TYPE_EXCEPTION | 2, false }, { SVM_EVENT_TYPE_EXCEPTION | 32, false },
	{ SVM_EVENT_TYPE_EXCEPTION | SVM_EVENT_HAS_ERROR | 29, false },
	{ SVM_EVENT_TYPE_SOFT | 0x80, false }, { 1 << 8 | 5, false }, { 5 << 8 | 5, false },
	{ 7 << 8 | 5, false },
};

static void events_that_can_be_injected(void **unused)
{
	struct sev s;

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		sev_init(&s, SEV_ES);
		vm_code(&s.vm, "\xeb\xfe", 2);
		sev_launch(&s);
		s.vm.svm.event_inj = events[i].inj | SVM_EVENT_VALID;
		assert_int_equal(sev_run(&s), events[i].good ? SVM_EXIT_HLT :
						(uint64_t)SVM_EXIT_INVALID);
		assert_int_equal(sev_vmsa(&s).rip, events[i].good ?
				 VM_HANDLERS + (events[i].inj & 0xff) * 16 + 1 : VM_CODE);
		sev_fini(&s);
	}
}

/* An injected NMI masks others until IRET; the next one waits for it. */
static void nmis_wait_for_iret(void **unused)
{
	struct sev s;

	sev_init(&s, SEV_ES);
	memcpy(s.vm.mem + VM_HANDLERS + 32, "\xf4\x48\xcf", 3);	/* HLT, IRET */
	vm_code(&s.vm, "\xeb\xfe", 2);
	sev_launch(&s);
	s.vm.svm.event_inj = SVM_EVENT_VALID | SVM_EVENT_TYPE_NMI | 2;
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_true(s.vm.svm_exit.v_nmi_blocked);
	s.vm.svm.v_nmi_pending = true;
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);	/* in the second one */
	assert_false(s.vm.svm_exit.v_nmi_pending);
	assert_true(s.vm.svm_exit.v_nmi_blocked);
	cpu_kick(s.vm.cpu);
	assert_int_equal(sev_run(&s), SVM_EXIT_INTR);
	sev_fini(&s);
}

/* STI; HLT: the shadow is over when HLT is done. */
static void the_interrupt_shadow(void **unused)
{
	struct sev s;

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, "\xfb\xf4\x90\xeb\xfe", 5);
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(s.vm.svm_exit.int_state, SVM_GUEST_INTERRUPT_MASK);
	s.vm.svm.int_state = SVM_INT_SHADOW;
	s.vm.svm.intercept_vintr = true;
	assert_int_equal(sev_run(&s), SVM_EXIT_VINTR);
	assert_int_equal(sev_vmsa(&s).rip, VM_CODE + 3);	/* one instruction later */
	sev_fini(&s);
}

/* A fault of #VC's own delivery, and #VC in place of a fault while #DE is delivered: both #DF. */
static void vc_is_contributory(void **unused)
{
	struct sev s;

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, "\x0f\xa2", 2);
	memset(s.vm.mem + VM_IDT + X86_VC * 16, 0, 16);
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vmsa(&s).rip, VM_HANDLERS + X86_DF * 16 + 1);
	sev_fini(&s);

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, "\x31\xc9\xf7\xf1", 4);
	s.vm.mem[VM_IDT + X86_DE * 16 + 4] = 1;		/* on a stack that is not there */
	*vm_pte(&s.vm, VM_STACK - 0x3000) = 0;
	s.vm.svm.intercept_exceptions = BIT(X86_PF);
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vmsa(&s).rip, VM_HANDLERS + X86_DF * 16 + 1);
	sev_fini(&s);
}

/* An exit while #VC is delivered names it; it is not to be injected, it comes again. */
static void an_interrupted_vc_comes_again(void **unused)
{
	struct svm_exit *e;
	struct sev s;

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, "\x0f\xa2", 2);
	sev_launch(&s);
	vm_nested_set(&s.vm, VM_STACK - 4096, false);
	e = &s.vm.svm_exit;
	assert_int_equal(sev_run(&s), SVM_EXIT_NPF);
	assert_int_equal(e->exitinfo2, VM_STACK - 4096);
	assert_int_equal(e->exitintinfo, SVM_EVENT_VALID | SVM_EVENT_TYPE_EXCEPTION | X86_VC |
			 SVM_EVENT_HAS_ERROR | (uint64_t)SVM_EXIT_CPUID << 32);
	assert_int_equal(sev_vmsa(&s).rip, VM_CODE);
	vm_nested_set(&s.vm, VM_STACK - 4096, true);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vc(&s), SVM_EXIT_CPUID);
	sev_fini(&s);
}

/* Asked for against the manual: said, and #VC all the same. */
static void misuse_is_found(void **unused)
{
	struct sev s;

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, "\x0f\xa2", 2);
	sev_launch(&s);
	s.vm.svm.intercept_exceptions = BIT(X86_VC);
	s.vm.svm.intercept_iret = true;
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vc(&s), SVM_EXIT_EXCP0 + X86_VC);
	assert_int_equal(hw_nr_findings(s.vm.hw), 2);
	sev_fini(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_automatic_is_vc),
		cmocka_unit_test(what_is_automatic_leaves_after_it),
		cmocka_unit_test(vmgexit_of_others_is_vmmcall),
		cmocka_unit_test(asynchronous_exits),
		cmocka_unit_test(writes_are_told_afterwards),
		cmocka_unit_test(a_trap_is_not_lost),
		cmocka_unit_test(events_that_can_be_injected),
		cmocka_unit_test(nmis_wait_for_iret),
		cmocka_unit_test(the_interrupt_shadow),
		cmocka_unit_test(vc_is_contributory),
		cmocka_unit_test(an_interrupted_vc_comes_again),
		cmocka_unit_test(misuse_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
