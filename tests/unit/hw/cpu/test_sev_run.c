/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sev_run.c - encrypted guests at work: what they keep, what they share,
 * MMIO, and that nothing else is different from a plain guest.
 */
#include "hw/cpu/a_sev.h"

#include <string.h>

#include "hw/mem/machine.h"

#define VC_CODE		0x10800ull
#define AT_MMIO		(SEV_MMIO + 0x18)

/* MOV ESI, AT_MMIO; MOV RAX, [RSI]; HLT */
static const uint8_t load_mmio[] = { 0xbe, 0x18, 0x00, 0x18, 0x00, 0x48, 0x8b, 0x06, 0xf4 };
#define LOAD_AT		(VM_CODE + 5)

/* #VC: the error code to RBX; ask; the answer is in the first shared page; on after the load. */
static const uint8_t vc_handler[] = {
	0x48, 0x8b, 0x1c, 0x24, 0x48, 0x83, 0xc4, 0x08, 0xf3, 0x0f, 0x01, 0xd9,
	0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x10, 0x00, 0x48, 0x83, 0x04, 0x24, 0x03, 0x48, 0xcf,
};

static void install_handler(struct sev *s)
{
	uint64_t stub = VM_HANDLERS + X86_VC * 16;
	int32_t far = (int32_t)(VC_CODE - stub - 5);

	s->vm.mem[stub] = 0xe9;			/* JMP */
	memcpy(s->vm.mem + stub + 1, &far, 4);
	memcpy(s->vm.mem + VC_CODE, vc_handler, sizeof(vc_handler));
}

/* The first touch leaves once; from then on the guest is told by itself. */
static void mmio_of_a_sev_es_guest(void **unused)
{
	static const uint8_t again[] = { 0xeb, 0xf5 };
	static const uint64_t answer = 0x1122334455667788ull;
	struct svm_exit *e;
	struct vmsa v;
	struct sev s;

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, load_mmio, sizeof(load_mmio));
	install_handler(&s);
	memcpy(s.vm.mem + VM_CODE + sizeof(load_mmio), again, sizeof(again));
	sev_launch(&s);
	vm_nested_set(&s.vm, SEV_MMIO, false);
	e = &s.vm.svm_exit;
	assert_int_equal(sev_run(&s), SVM_EXIT_NPF);
	assert_int_equal(e->exitinfo1, SVM_NPF_USER | SVM_NPF_FINAL);
	assert_int_equal(e->exitinfo2, SEV_MMIO);	/* not where in the page */
	assert_int_equal(e->nr_bytes, 0);
	assert_int_equal(sev_vmsa(&s).rip, LOAD_AT);
	sev_nested_mmio(&s, SEV_MMIO);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sev_run(&s), SVM_EXIT_VMGEXIT);
		assert_int_equal(sev_vmsa(&s).rbx, SVM_EXIT_NPF);
		sev_write(&s, SEV_SHARED, &answer, 8);
		assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
		v = sev_vmsa(&s);
		assert_int_equal(v.rax, answer);
		assert_int_equal(v.rip, VM_CODE + sizeof(load_mmio));
	}
	sev_fini(&s);
}

/* A guest that knows nothing of #VC ends cleanly. */
static void mmio_without_a_handler(void **unused)
{
	struct sev s;

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, load_mmio, sizeof(load_mmio));
	s.vm.s.idtr.limit = X86_VC * 16 - 1;
	sev_launch(&s);
	sev_nested_mmio(&s, SEV_MMIO);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vmsa(&s).rip, VM_HANDLERS + X86_DF * 16 + 1);
	sev_fini(&s);
}

/* Plain SEV leaves, with the address, and the bytes of the instruction in the clear. */
static void mmio_of_a_sev_guest(void **unused)
{
	struct svm_exit *e;
	struct sev s;

	sev_init(&s, SEV);
	vm_code(&s.vm, load_mmio, sizeof(load_mmio));
	sev_launch(&s);
	sev_nested_mmio(&s, SEV_MMIO);
	e = &s.vm.svm_exit;
	assert_int_equal(sev_run(&s), SVM_EXIT_NPF);
	assert_int_equal(e->exitinfo1,
			 SVM_NPF_PRESENT | SVM_NPF_RSVD | SVM_NPF_USER | SVM_NPF_FINAL);
	assert_int_equal(e->exitinfo2, AT_MMIO);
	assert_int_equal(e->nr_bytes, 15);
	assert_memory_equal(e->bytes, load_mmio + 5, 4);
	sev_fini(&s);
}

/* Over the end of a page as well: the hypervisor could not read the rest, nor the tables that lead there. */
static void bytes_of_an_instruction_in_two_pages(void **unused)
{
	const uint64_t at = VM_CODE + PAGE_SIZE - 7;
	struct svm_exit *e;
	struct sev s;

	sev_init(&s, SEV);
	vm_code(&s.vm, load_mmio, 0);
	memcpy(s.vm.mem + at, load_mmio, sizeof(load_mmio));
	s.vm.s.rip = at;
	sev_launch(&s);
	sev_nested_mmio(&s, SEV_MMIO);
	e = &s.vm.svm_exit;
	assert_int_equal(sev_run(&s), SVM_EXIT_NPF);
	assert_int_equal(e->exitinfo2, AT_MMIO);
	assert_int_equal(e->nr_bytes, 15);
	assert_memory_equal(e->bytes, load_mmio + 5, 4);
	sev_fini(&s);
}

/* MOV [RSI], RAX; MOV [RDI], RAX; MOV RBX, [RDI + 8]; HLT */
static const uint8_t two_stores[] = {
	0x48, 0x89, 0x06, 0x48, 0x89, 0x07, 0x48, 0x8b, 0x5f, 0x08, 0xf4,
};

static void what_is_seen_from_outside(void **unused)
{
	static const uint64_t value = 0xfeedfacecafebeefull, theirs = 0x4242424242424242ull;
	uint64_t raw;
	struct sev s;

	for (enum sev_kind k = SEV; k <= SEV_ES; k++) {
		sev_init(&s, k);
		vm_code(&s.vm, two_stores, sizeof(two_stores));
		s.vm.s.gpr[X86_RAX] = value;
		s.vm.s.gpr[X86_RSI] = VM_DATA;
		s.vm.s.gpr[X86_RDI] = SEV_SHARED;
		memcpy(s.vm.mem + SEV_SHARED + 8, &theirs, 8);
		sev_launch(&s);
		assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
		assert_memory_equal(s.vm.mem + SEV_SHARED, &value, 8);
		assert_int_equal(s.es ? sev_vmsa(&s).rbx : s.vm.s.gpr[X86_RBX], theirs);
		sev_read(&s, VM_DATA, &raw, 8);
		assert_int_equal(raw, value);
		assert_true(view_read(s.vm.hw, phys_publish(s.vm.hw, s.vm.mem + VM_DATA), 0,
				      &raw, 8));
		assert_int_not_equal(raw, value);
		sev_fini(&s);
	}
}

/* What the processor has decoded is compared with the key's bytes, wherever they went. */
static void code_that_changes_under_the_key(void **unused)
{
	uint8_t page[4096];
	struct sev s;
	hpa_t code;

	sev_init(&s, SEV);
	vm_code(&s.vm, "\xeb\xfe", 2);
	memset(s.vm.mem + VM_CODE + 4096, 0xf4, 4096);
	sev_launch(&s);
	code = phys_publish(s.vm.hw, s.vm.mem + VM_CODE);
	cpu_kick(s.vm.cpu);
	assert_int_equal(sev_run(&s), SVM_EXIT_INTR);
	cpu_ack(s.vm.cpu);
	assert_true(view_read(s.vm.hw, HPA(code.v + 4096), s.slot, page, sizeof(page)));
	assert_true(view_write(s.vm.hw, code, s.slot, page, sizeof(page)));
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	/* The other page's ciphertext is something else here. */
	assert_true(view_read(s.vm.hw, HPA(code.v + 4096), 0, page, sizeof(page)));
	assert_true(view_write(s.vm.hw, code, 0, page, sizeof(page)));
	assert_true(view_read(s.vm.hw, code, s.slot, page, sizeof(page)));
	for (unsigned i = 0; i < 4096 && page[i] == 0xf4; i++)
		assert_int_not_equal(i, 4095);
	sev_fini(&s);
}

/* MOV RAX, CR3; BTS RAX, 51 or 50; MOV CR3, RAX; HLT: the C-bit is reserved for others. */
static void the_c_bit_in_cr3(void **unused)
{
	uint8_t code[] = { 0x0f, 0x20, 0xd8, 0x48, 0x0f, 0xba, 0xe8, 0, 0x0f, 0x22, 0xd8, 0xf4 };
	uint64_t rip;
	struct sev s;

	for (enum sev_kind k = PLAIN; k <= SEV_ES; k++) {
		for (uint8_t bit = 50; bit <= 51; bit++) {
			bool good = bit == SEV_C_BIT && k != PLAIN;

			sev_init(&s, k);
			code[7] = bit;
			vm_code(&s.vm, code, sizeof(code));
			sev_launch(&s);
			assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
			rip = s.es ? sev_vmsa(&s).rip - 1 : s.vm.s.rip;
			assert_int_equal(rip, good ? VM_CODE + 11 : VM_HANDLERS + X86_GP * 16);
			sev_fini(&s);
		}
	}
}

/* REP MOVSQ from a frame to itself, in the clear on one side only: ends. */
static void a_copy_between_two_views_of_a_frame(void **unused)
{
	uint64_t word, copied;
	struct sev s;

	sev_init(&s, SEV_ES);
	vm_code(&s.vm, "\xf3\x48\xa5\xf4", 4);
	s.vm.s.gpr[X86_RSI] = SEV_SHARED;
	s.vm.s.gpr[X86_RDI] = VM_DATA;
	s.vm.s.gpr[X86_RCX] = 64;
	*vm_pte(&s.vm, SEV_SHARED) = VM_DATA | 7;
	sev_launch(&s);
	assert_true(view_read(s.vm.hw, phys_publish(s.vm.hw, s.vm.mem + VM_DATA), 0, &word, 8));
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	assert_int_equal(sev_vmsa(&s).rcx, 0);
	assert_int_equal(sev_vmsa(&s).rsi, SEV_SHARED + 512);
	/* The first word is plaintext now that was ciphertext. */
	assert_true(view_read(s.vm.hw, phys_publish(s.vm.hw, s.vm.mem + VM_DATA), s.slot,
			      &copied, 8));
	assert_int_equal(copied, word);
	sev_fini(&s);
}

/* -- The same program in each kind of guest -- */

#define NR_INSNS	300u
#define INSN_MAX	8u
#define PROGRAMS	30u

static uint64_t random_state;

static uint32_t any(uint32_t n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % n;
}

/* Any register but RSP, RSI and RDI, which are addresses. */
static unsigned any_reg(void)
{
	static const uint8_t regs[13] = { 0, 1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15 };

	return regs[any(13)];
}

static uint8_t *emit(uint8_t *p, const void *bytes, unsigned n)
{
	memcpy(p, bytes, n);
	return p + n;
}

static uint8_t *reg_reg(uint8_t *p, const void *opcode, unsigned n)
{
	unsigned reg = any_reg(), rm = any_reg();

	*p++ = (uint8_t)(0x48 | (reg >> 3) << 2 | rm >> 3);
	p = emit(p, opcode, n);
	*p++ = (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7));
	return p;
}

/* [RSI + d8], its own; or [RDI + d8], shared. */
static uint8_t *reg_mem(uint8_t *p, const void *opcode, unsigned n)
{
	unsigned reg = any_reg();

	*p++ = (uint8_t)(0x48 | (reg >> 3) << 2);
	p = emit(p, opcode, n);
	*p++ = (uint8_t)(0x40 | (reg & 7) << 3 | (any(2) ? 6 : 7));
	*p++ = (uint8_t)any(120);
	return p;
}

static uint8_t *shift(uint8_t *p)
{
	unsigned reg = any_reg();

	*p++ = (uint8_t)(0x48 | reg >> 3);
	*p++ = 0xc1;
	*p++ = (uint8_t)((any(2) ? 0xe0 : 0xc0) + any(2) * 8 + (reg & 7));
	*p++ = (uint8_t)any(64);
	return p;
}

static uint8_t *one_insn(uint8_t *p)
{
	static const uint8_t alu[] = { 0x01, 0x29, 0x31, 0x21, 0x09, 0x11, 0x19, 0x39, 0x85 };

	switch (any(10)) {
	case 0: case 1:
		return reg_reg(p, &alu[any(sizeof(alu))], 1);
	case 2:
		return reg_reg(p, "\x0f\xaf", 2);			/* IMUL */
	case 3:
		return reg_mem(p, "\x89", 1);
	case 4:
		return reg_mem(p, "\x8b", 1);
	case 5:
		return reg_mem(p, &alu[any(8)], 1);
	case 6:
		*p++ = 0xf0;						/* LOCK XADD */
		return reg_mem(p, "\x0f\xc1", 2);
	case 7:
		return shift(p);
	case 8:
		p = emit(p, any(2) ? "\x66\x0f\xfe" : "\x66\x0f\xef", 3);	/* PADDD, PXOR */
		*p++ = (uint8_t)(0xc0 | any(64));
		return p;
	default:		/* MOVDQA XMM0, [RSI + 32]; PUSH RAX, POP RBX; or MOVQ XMM0, RAX */
		return any(2) ? emit(p, "\x66\x0f\x6f\x46\x20\x50\x5b", 7)
			      : emit(p, "\x66\x48\x0f\x6e\xc0", 5);
	}
}

struct outcome {
	uint64_t gpr[16], rflags, rip;
	uint8_t	 xmm[16][16], own[256], shared[256];
};

static void outcome_of(struct sev *s, struct outcome *o)
{
	struct vmsa v;

	memset(o, 0, sizeof(*o));
	sev_read(s, VM_DATA, o->own, sizeof(o->own));
	sev_read(s, SEV_SHARED, o->shared, sizeof(o->shared));
	if (!s->es) {
		memcpy(o->gpr, s->vm.s.gpr, sizeof(o->gpr));
		memcpy(o->xmm, s->vm.s.fpu.xmm, sizeof(o->xmm));
		o->rflags = s->vm.s.rflags;
		o->rip = s->vm.s.rip + 1;		/* past HLT */
		return;
	}
	v = sev_vmsa(s);
	o->gpr[X86_RAX] = v.rax;
	o->gpr[X86_RCX] = v.rcx;
	o->gpr[X86_RDX] = v.rdx;
	o->gpr[X86_RBX] = v.rbx;
	o->gpr[X86_RSP] = v.rsp;
	o->gpr[X86_RBP] = v.rbp;
	o->gpr[X86_RSI] = v.rsi;
	o->gpr[X86_RDI] = v.rdi;
	memcpy(o->gpr + 8, v.r8_to_r15, 64);
	memcpy(o->xmm, v.fpreg_xmm, sizeof(o->xmm));
	o->rflags = v.rflags;
	o->rip = v.rip;
}

static void run_random(enum sev_kind kind, uint64_t seed, struct outcome *o)
{
	uint8_t code[NR_INSNS * INSN_MAX + 1], *p = code;
	struct sev s;

	random_state = seed;
	for (unsigned i = 0; i < NR_INSNS; i++)
		p = one_insn(p);
	*p++ = 0xf4;
	sev_init(&s, kind);
	vm_code(&s.vm, code, (size_t)(p - code));
	for (unsigned i = 0; i < 16; i++)
		if (i != X86_RSP)
			s.vm.s.gpr[i] = (uint64_t)any(~0u) << 32 | any(~0u);
	s.vm.s.gpr[X86_RSI] = VM_DATA;
	s.vm.s.gpr[X86_RDI] = SEV_SHARED;
	for (unsigned i = 0; i < 256; i++) {
		s.vm.mem[VM_DATA + i] = (uint8_t)any(256);
		s.vm.mem[SEV_SHARED + i] = (uint8_t)any(256);
	}
	sev_launch(&s);
	assert_int_equal(sev_run(&s), SVM_EXIT_HLT);
	outcome_of(&s, o);
	assert_int_equal(o->rip, VM_CODE + (uint64_t)(p - code));
	sev_fini(&s);
}

static size_t difference(const struct outcome *a, const struct outcome *b)
{
	size_t i = 0;

	while (((const uint8_t *)a)[i] == ((const uint8_t *)b)[i])
		i++;
	return i;
}

static void the_same_program_has_the_same_results(void **unused)
{
	struct outcome plain, other;

	for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
		run_random(PLAIN, seed, &plain);
		for (enum sev_kind k = SEV; k <= SEV_ES; k++) {
			run_random(k, seed, &other);
			if (memcmp(&plain, &other, sizeof(plain)))
				fail_msg("seed %lu, kind %d: byte %#zx of the outcome",
					 (unsigned long)seed, (int)k, difference(&plain, &other));
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(mmio_of_a_sev_es_guest),
		cmocka_unit_test(mmio_without_a_handler),
		cmocka_unit_test(mmio_of_a_sev_guest),
		cmocka_unit_test(bytes_of_an_instruction_in_two_pages),
		cmocka_unit_test(what_is_seen_from_outside),
		cmocka_unit_test(code_that_changes_under_the_key),
		cmocka_unit_test(the_c_bit_in_cr3),
		cmocka_unit_test(a_copy_between_two_views_of_a_frame),
		cmocka_unit_test(the_same_program_has_the_same_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
