/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_privileged.c - who may execute what: every privileged form of the list
 * and what programs cannot compare with their own processor, in five modes on
 * both vendors' processors.  SDM vol. 2 and 3A 5.9, APM vol. 3 chapter 4.
 */
#include "hw/cpu/a_vm.h"

#include <string.h>

#include "base/macros.h"
#include "model/insn/form.h"

/* What comes of it: a vector, or one of these.  Exits are the hypervisor's to answer. */
enum { DONE = 100, EXIT, NONE };
#define UD X86_UD
#define GP X86_GP

enum { LONG_0, LONG_3, PROTECTED_0, REAL, V86, NR_WAYS };
static const char *const ways[] = { "64-bit CPL 0", "64-bit CPL 3", "32-bit CPL 0", "real mode",
				    "virtual-8086 mode" };

enum { BOTH, AMD, INTEL };

#define TSD	X86_CR4_TSD
#define PCE	X86_CR4_PCE
#define UMIP	X86_CR4_UMIP
#define OSXSAVE	X86_CR4_OSXSAVE
#define SMAP	X86_CR4_SMAP
#define FSGS	X86_CR4_FSGSBASE
#define DE	X86_CR4_DE

static const struct row {
	const char *name;
	uint8_t	bytes[8];
	uint8_t	length, vendor;
	uint8_t	want[NR_WAYS];
	uint64_t cr4;
} rows[] = {
#define B(...)	{ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })
#define R(n, b, l0, l3, p0, real, v86)	{ n, b, BOTH, { l0, l3, p0, real, v86 }, 0 }
#define RV(n, v, b, l0, l3, p0, real, v86)	{ n, b, v, { l0, l3, p0, real, v86 }, 0 }
#define R4(n, cr4, b, l0, l3, p0, real, v86)	{ n, b, BOTH, { l0, l3, p0, real, v86 }, cr4 }
	R("cli", B(0xfa), DONE, GP, DONE, DONE, GP),
	R("sti", B(0xfb), DONE, GP, DONE, DONE, GP),
	R("hlt", B(0xf4), EXIT, GP, EXIT, EXIT, GP),
	R("in al,dx", B(0xec), EXIT, GP, EXIT, EXIT, GP),
	R("in eax,imm8", B(0xe5, 0x40), EXIT, GP, EXIT, EXIT, GP),
	R("out dx,al", B(0xee), EXIT, GP, EXIT, EXIT, GP),
	R("out imm8,eax", B(0xe7, 0x40), EXIT, GP, EXIT, EXIT, GP),
	R("insb", B(0x6c), EXIT, GP, EXIT, EXIT, GP),
	R("insd", B(0x6d), EXIT, GP, EXIT, EXIT, GP),
	R("outsb", B(0x6e), EXIT, GP, EXIT, EXIT, GP),
	R("outsd", B(0x6f), EXIT, GP, EXIT, EXIT, GP),
	R("rep insb of nothing", B(0xf3, 0x6c), DONE, GP, DONE, DONE, GP),
	R("rep outsb of nothing", B(0xf3, 0x6e), DONE, GP, DONE, DONE, GP),
	R("invd", B(0x0f, 0x08), EXIT, GP, EXIT, EXIT, GP),
	R("wbinvd", B(0x0f, 0x09), EXIT, GP, EXIT, EXIT, GP),
	R("clts", B(0x0f, 0x06), DONE, GP, DONE, DONE, GP),
	R("lmsw", B(0x0f, 0x01, 0xf0), DONE, GP, DONE, DONE, GP),
	R("mov from cr0", B(0x0f, 0x20, 0xc0), DONE, GP, DONE, DONE, GP),
	R("mov from cr2", B(0x0f, 0x20, 0xd0), DONE, GP, DONE, DONE, GP),
	R("mov from cr3", B(0x0f, 0x20, 0xd8), DONE, GP, DONE, DONE, GP),
	R("mov from cr4", B(0x0f, 0x20, 0xe0), DONE, GP, DONE, DONE, GP),
	R("mov from cr8", B(0x44, 0x0f, 0x20, 0xc0), DONE, GP, NONE, NONE, NONE),
	R("mov to cr2", B(0x0f, 0x22, 0xd0), DONE, GP, DONE, DONE, GP),
	R("mov to cr8", B(0x44, 0x0f, 0x22, 0xc0), DONE, GP, NONE, NONE, NONE),
	R("mov from dr0", B(0x0f, 0x21, 0xc0), DONE, GP, DONE, DONE, GP),
	R("mov to dr0", B(0x0f, 0x23, 0xc0), DONE, GP, DONE, DONE, GP),
	R("mov from dr4", B(0x0f, 0x21, 0xe0), DONE, GP, DONE, DONE, GP),
	R4("mov from dr4, DE", DE, B(0x0f, 0x21, 0xe0), UD, GP, UD, UD, GP),
	R4("mov to dr5, DE", DE, B(0x0f, 0x23, 0xe8), UD, GP, UD, UD, GP),
	R("invlpg", B(0x0f, 0x01, 0x3b), DONE, GP, DONE, DONE, GP),
	R("invlpg of a register", B(0x0f, 0x01, 0xff), UD, UD, UD, UD, UD),
	R("invpcid", B(0x66, 0x0f, 0x38, 0x82, 0x03), DONE, GP, DONE, DONE, GP),
	R("lgdt", B(0x0f, 0x01, 0x13), DONE, GP, DONE, DONE, GP),
	R("lidt", B(0x0f, 0x01, 0x1b), DONE, GP, DONE, DONE, GP),
	R("lldt", B(0x0f, 0x00, 0xd0), DONE, GP, DONE, UD, UD),
	R("ltr", B(0x0f, 0x00, 0xd8), GP, GP, GP, UD, UD),	/* of a null selector */
	R("rdmsr", B(0x0f, 0x32), EXIT, GP, EXIT, EXIT, GP),
	R("wrmsr", B(0x0f, 0x30), EXIT, GP, EXIT, EXIT, GP),
	R("rdpmc", B(0x0f, 0x33), EXIT, GP, EXIT, EXIT, GP),
	R4("rdpmc, PCE", PCE, B(0x0f, 0x33), EXIT, EXIT, EXIT, EXIT, EXIT),
	R("rdtsc", B(0x0f, 0x31), DONE, DONE, DONE, DONE, DONE),
	R4("rdtsc, TSD", TSD, B(0x0f, 0x31), DONE, GP, DONE, DONE, GP),
	R("rdtscp", B(0x0f, 0x01, 0xf9), DONE, DONE, DONE, DONE, DONE),
	R4("rdtscp, TSD", TSD, B(0x0f, 0x01, 0xf9), DONE, GP, DONE, DONE, GP),
	R("rdpid", B(0xf3, 0x0f, 0xc7, 0xf8), DONE, DONE, DONE, DONE, DONE),
	R("rdrand", B(0x0f, 0xc7, 0xf0), DONE, DONE, DONE, DONE, DONE),
	R("rdseed", B(0x0f, 0xc7, 0xf8), DONE, DONE, DONE, DONE, DONE),
	R("cpuid", B(0x0f, 0xa2), EXIT, EXIT, EXIT, EXIT, EXIT),
	R("pause", B(0xf3, 0x90), DONE, DONE, DONE, DONE, DONE),
	R("swapgs", B(0x0f, 0x01, 0xf8), DONE, GP, UD, UD, UD),
	R("rdfsbase", B(0xf3, 0x0f, 0xae, 0xc0), UD, UD, UD, UD, UD),
	R4("rdfsbase, FSGSBASE", FSGS, B(0xf3, 0x0f, 0xae, 0xc0), DONE, DONE, UD, UD, UD),
	R4("wrgsbase, FSGSBASE", FSGS, B(0xf3, 0x0f, 0xae, 0xd8), DONE, DONE, UD, UD, UD),
	R("syscall", B(0x0f, 0x05), DONE, DONE, UD, UD, UD),
	R("sysretq", B(0x48, 0x0f, 0x07), DONE, GP, NONE, NONE, NONE),
	R("sysret", B(0x0f, 0x07), DONE, GP, UD, UD, UD),
	RV("sysenter", AMD, B(0x0f, 0x34), UD, UD, GP, GP, GP),	/* of a null selector */
	RV("sysenter", INTEL, B(0x0f, 0x34), GP, GP, GP, GP, GP),
	RV("sysexit", AMD, B(0x0f, 0x35), UD, GP, GP, GP, GP),
	RV("sysexit", INTEL, B(0x0f, 0x35), GP, GP, GP, GP, GP),
	R("xsetbv", B(0x0f, 0x01, 0xd1), UD, UD, UD, UD, UD),
	R4("xsetbv, OSXSAVE", OSXSAVE, B(0x0f, 0x01, 0xd1), EXIT, GP, EXIT, EXIT, GP),
	R("xgetbv", B(0x0f, 0x01, 0xd0), UD, UD, UD, UD, UD),
	R4("xgetbv, OSXSAVE", OSXSAVE, B(0x0f, 0x01, 0xd0), DONE, DONE, DONE, DONE, DONE),
	R("clac", B(0x0f, 0x01, 0xca), UD, UD, UD, UD, UD),
	R4("clac, SMAP", SMAP, B(0x0f, 0x01, 0xca), DONE, UD, DONE, DONE, UD),
	R("stac", B(0x0f, 0x01, 0xcb), UD, UD, UD, UD, UD),
	R4("stac, SMAP", SMAP, B(0x0f, 0x01, 0xcb), DONE, UD, DONE, DONE, UD),
	R("monitor", B(0x0f, 0x01, 0xc8), EXIT, UD, EXIT, EXIT, UD),
	R("mwait", B(0x0f, 0x01, 0xc9), EXIT, UD, EXIT, EXIT, UD),
	R("sgdt", B(0x0f, 0x01, 0x03), DONE, DONE, DONE, DONE, DONE),
	R("sidt", B(0x0f, 0x01, 0x0b), DONE, DONE, DONE, DONE, DONE),
	R("sldt", B(0x0f, 0x00, 0xc0), DONE, DONE, DONE, UD, UD),
	R("str", B(0x0f, 0x00, 0xc8), DONE, DONE, DONE, UD, UD),
	R("smsw", B(0x0f, 0x01, 0xe0), DONE, DONE, DONE, DONE, DONE),
	R4("sgdt, UMIP", UMIP, B(0x0f, 0x01, 0x03), DONE, GP, DONE, DONE, GP),
	R4("sidt, UMIP", UMIP, B(0x0f, 0x01, 0x0b), DONE, GP, DONE, DONE, GP),
	R4("sldt, UMIP", UMIP, B(0x0f, 0x00, 0xc0), DONE, GP, DONE, UD, UD),
	R4("str, UMIP", UMIP, B(0x0f, 0x00, 0xc8), DONE, GP, DONE, UD, UD),
	R4("smsw, UMIP", UMIP, B(0x0f, 0x01, 0xe0), DONE, GP, DONE, DONE, GP),
	R("lar", B(0x0f, 0x02, 0xc3), DONE, DONE, DONE, UD, UD),
	R("lsl", B(0x0f, 0x03, 0xc3), DONE, DONE, DONE, UD, UD),
	R("verr", B(0x0f, 0x00, 0xe3), DONE, DONE, DONE, UD, UD),
	R("verw", B(0x0f, 0x00, 0xeb), DONE, DONE, DONE, UD, UD),
	R("pushf", B(0x9c), DONE, DONE, DONE, DONE, GP),
	R("popf", B(0x9d), DONE, DONE, DONE, DONE, GP),
	R("int 40h", B(0xcd, 0x40), NONE, GP, NONE, NONE, GP),
	RV("vmcall", AMD, B(0x0f, 0x01, 0xc1), UD, UD, UD, UD, UD),
	RV("vmcall", INTEL, B(0x0f, 0x01, 0xc1), EXIT, EXIT, EXIT, EXIT, EXIT),
	RV("vmmcall", AMD, B(0x0f, 0x01, 0xd9), EXIT, EXIT, EXIT, EXIT, EXIT),
	RV("vmmcall", INTEL, B(0x0f, 0x01, 0xd9), UD, UD, UD, UD, UD),
#define VMX(n, ...)							\
	RV(n, AMD, B(__VA_ARGS__), UD, UD, UD, UD, UD), RV(n, INTEL, B(__VA_ARGS__), EXIT, EXIT, EXIT, UD, UD)
	VMX("vmclear", 0x66, 0x0f, 0xc7, 0x33), VMX("vmptrld", 0x0f, 0xc7, 0x33),
	VMX("vmptrst", 0x0f, 0xc7, 0x3b), VMX("vmxon", 0xf3, 0x0f, 0xc7, 0x33),
	VMX("vmlaunch", 0x0f, 0x01, 0xc2), VMX("vmresume", 0x0f, 0x01, 0xc3),
	VMX("vmxoff", 0x0f, 0x01, 0xc4), VMX("vmread", 0x0f, 0x78, 0xc3),
	VMX("vmwrite", 0x0f, 0x79, 0xc3), VMX("invept", 0x66, 0x0f, 0x38, 0x80, 0x03),
	VMX("invvpid", 0x66, 0x0f, 0x38, 0x81, 0x03),
#define SVM(n, ...)							\
	RV(n, AMD, B(__VA_ARGS__), EXIT, GP, EXIT, UD, UD), RV(n, INTEL, B(__VA_ARGS__), UD, UD, UD, UD, UD)
	SVM("vmrun", 0x0f, 0x01, 0xd8), SVM("vmload", 0x0f, 0x01, 0xda),
	SVM("vmsave", 0x0f, 0x01, 0xdb), SVM("stgi", 0x0f, 0x01, 0xdc),
	SVM("clgi", 0x0f, 0x01, 0xdd), SVM("skinit", 0x0f, 0x01, 0xde),
	SVM("invlpga", 0x0f, 0x01, 0xdf),
	R("pvalidate", B(0xf2, 0x0f, 0x01, 0xff), UD, UD, UD, UD, UD),	/* no SNP guest */
	R("rmpadjust", B(0xf3, 0x0f, 0x01, 0xfe), UD, UD, NONE, NONE, NONE),
	R("rdpru", B(0x0f, 0x01, 0xfd), UD, UD, UD, UD, UD),
};

static void set_segments(struct vm *vm, uint32_t code, uint32_t data, uint32_t limit)
{
	unsigned i;

	for (i = X86_ES; i <= X86_GS; i++)
		vm->s.seg[i] = (struct x86_segment){ (code & 0x60) == 0x60 ? 3 | VM_USER_DS : VM_DS,
						     data, limit, 0 };
	vm->s.seg[X86_CS] = (struct x86_segment){ (code & 0x60) == 0x60 ? VM_USER_CS : VM_CS, code,
						  limit, 0 };
}

static void set_way(struct vm *vm, unsigned way)
{
	struct x86_state *s = &vm->s;

	s->rip = VM_CODE;
	switch (way) {
	case LONG_0:
		return;
	case LONG_3:
		set_segments(vm, 0xa0fb, 0xc0f3, 0xffffffff);
		s->cpl = 3;
		return;
	case PROTECTED_0:
		set_segments(vm, 0xc09b, 0xc093, 0xffffffff);
		break;
	case REAL:
		set_segments(vm, 0x9b, 0x93, 0xffff);
		s->cr0 = X86_CR0_ET;
		break;
	default:
		set_segments(vm, 0xf3, 0xf3, 0xffff);
		s->rflags |= X86_FLAGS_VM;
		s->cpl = 3;
	}
	s->cr0 &= ~X86_CR0_PG;
	s->cr4 = 0;
	s->efer = 0;
	/* 64 KiB are enough for all of them */
	s->rip = way == PROTECTED_0 ? VM_CODE : 0;
	if (way == REAL || way == V86) {
		s->seg[X86_CS].selector = VM_CODE >> 4;
		s->seg[X86_CS].base = VM_CODE;
		s->gpr[X86_RSP] = 0x8000;
	}
}

static void prepare(struct vm *vm, const struct row *r, unsigned way)
{
	vm_init(vm, r->vendor != INTEL);
	memcpy(vm->mem + VM_CODE, r->bytes, r->length);
	memset(vm->mem + VM_CODE + r->length, 0xcc, 16);
	memset(vm->mem + VM_CODE + 0x100, 0xcc, 16);
	vm->mem[VM_TSS + 102] = 0x68;		/* no port is anybody's */
	set_way(vm, way);
	vm->s.cr4 |= r->cr4;
	vm->s.xcr0 = 7;
	vm->s.gpr[X86_RBX] = way == REAL || way == V86 ? 0x40 : VM_DATA;
	vm->s.gpr[X86_RAX] = vm->s.gpr[X86_RCX] = 0;
	if (strstr(r->name, "sysret"))
		vm->s.gpr[X86_RCX] = VM_CODE + 0x100;
	vm->s.gpr[X86_R11] = 2;
	vm->s.msr.lstar = VM_CODE + 0x100;
	vm->s.msr.star = (uint64_t)VM_CS << 32 | (uint64_t)VM_DS << 48;
	vm->svm.intercept_exceptions = vm->vmx.exception_bitmap = 0xffffffff;
}

/* The vector, DONE for the INT3 behind it, EXIT for all other exits. */
static unsigned outcome(struct vm *vm)
{
	unsigned vector;

	if (vm_run(vm) != VM_EXCEPTION)
		return EXIT;
	vector = vm->amd ? (unsigned)(vm->svm_exit.exitcode - SVM_EXIT_EXCP0)
			 : vm->vmx_exit.intr_info & 0xff;
	return vector == X86_BP ? DONE : vector;
}

static unsigned failures;

static void try_row(const struct row *r, unsigned way)
{
	struct vm vm;
	unsigned got;

	prepare(&vm, r, way);
	got = outcome(&vm);
	if (got != r->want[way]) {
		print_error("%s on %s, %s: %u, not %u\n", r->name, vm.amd ? "amd" : "intel",
			    ways[way], got, r->want[way]);
		failures++;
	}
	vm_fini(&vm);
}

static void who_may(void **unused)
{
	unsigned i, way;

	(void)unused;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (way = 0; way < NR_WAYS; way++) {
			struct row r = rows[i];

			if (r.want[way] == NONE)
				continue;
			try_row(&r, way);
			if (r.vendor != BOTH)
				continue;
			r.vendor = INTEL;
			try_row(&r, way);
		}
	assert_int_equal(failures, 0);
}

static bool has_row(ZydisMnemonic m)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (form_decode(X86_MODE_64, rows[i].bytes, rows[i].length, &in, o) &&
		    in.mnemonic == m)
			return true;
	return false;
}

/* What the decoder calls privileged, and the list has, is above. */
static void all_of_them(void **unused)
{
	char name[FORM_NAME_MAX];
	unsigned m;
	size_t k;

	(void)unused;
	for (m = X86_MODE_16; m <= X86_MODE_64; m++) {
		struct form_list l = form_list_of((enum x86_mode)m);

		for (k = 0; k < l.nr; k++) {
			if (!l.form[k].privileged || has_row(form_mnemonic(l.form[k].key)))
				continue;
			form_name(l.form[k].key, name, sizeof(name));
			print_error("%s is privileged and in no row\n", name);
			failures++;
		}
		form_list_free(&l);
	}
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may),
		cmocka_unit_test(all_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
