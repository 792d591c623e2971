/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp.c - what SEV-SNP costs a guest and its VMM.  An ordinary KVM program, for
 * `softcvm exec --cpu amd`; with --2m under `--param kvm.gmem_order=9`.
 *
 * usage: snp [--json] [--runs N] [--2m]
 *        snp --hits default|snp N	(N times 100 times 16384 touches, for a profiler)
 *        snp --launch		(launches only)
 *
 * A conversion: the VMM takes the attribute and punches the hole (RMPUPDATE to the hypervisor),
 * or gives the attribute back and the guest validates (fault, RMPUPDATE, PVALIDATE).
 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "bench/report.h"
#include "bench/sev_guest.h"
#include "tests/abi/kvm_user.h"
#include "tests/abi/long_mode.h"

#define RAM		(128 * MIB)
#define GHCB		0x200000u	/* shared */
#define DATA		0x800000u
#define DATA_SIZE	(1u << 20)
#define CONVERTED	0x2000000u	/* 64 MiB */
#define CONVERTED_SIZE	(64 * MIB)
#define ROUNDS		100u
#define LAUNCH_AT	(4ull << 30)
#define LAUNCH_SIZE	(1ull << 30)
#define POLICY		(3ull << 16)
#define PAGE_INFO_SIZE	0x70u
#define DIGEST_SIZE	48u

/* Ports say what has just ended. */
enum mark { MARK_READY = 0x20, MARK_TOUCH, MARK_VALIDATED, MARK_FAILED = 0x2f };

/* Registers from the VMM: RSI and RDX what to touch, R10, R11, R12, R13 what to validate: where,
 * step, how often, size. */

__asm__(".pushsection .rodata\n"
	"snp_code:\n"
	"plain:\n"
	"	out %al, $0x20\n"
	"1:	call touch\n"
	"	out %al, $0x21\n"
	"	jmp 1b\n"
	"snp:\n"
	"	mov $0xc0010130, %ecx; mov $0x200012, %eax; xor %edx, %edx; wrmsr; rep; vmmcall\n"
	"	mov $0x200000, %eax; wrmsr\n"
	"	mov $0x8000000000000000, %r8; mov $0x3c000200000000, %r9\n"
	"	movq $0x200800, 0x3a8(%rdi); movl $0, 0xffc(%rdi); movw $2, 0xffa(%rdi)\n"
	"	mov $0x800000, %r14; mov $256, %ebx\n"
	"2:	mov %r14, %rax; xor %ecx, %ecx; mov $1, %edx; .byte 0xf2, 0x0f, 0x01, 0xff\n"
	"	test %eax, %eax; jnz 9f; add $4096, %r14; dec %ebx; jnz 2b\n"
	"	test %r12, %r12; jnz validate\n"
	GHCB_OUT("0x20")
	"3:	call touch\n"
	GHCB_OUT("0x21")
	"	jmp 3b\n"
	"validate:\n"
	GHCB_OUT("0x20")
	"5:	mov %r10, %r14; mov %r12, %rbx\n"
	"6:	mov %r14, %rax; mov %r13d, %ecx; mov $1, %edx; .byte 0xf2, 0x0f, 0x01, 0xff\n"
	"	jc 9f; test %eax, %eax; jnz 9f\n"
	"	movb $1, (%r14); add %r11, %r14; dec %rbx; jnz 6b\n"
	GHCB_OUT("0x22")
	"	jmp 5b\n"
	"9:\n"
	GHCB_OUT("0x2f")
	"	jmp 9b\n"
	/* 100 times each line of a mebibyte; the same code as everywhere. */
	"touch:\n"
	"	mov $100, %ecx\n"
	"7:	mov %rsi, %rbp; mov $16384, %ebx\n"
	"8:	mov (%rbp), %rax; inc %rax; mov %rax, (%rbp); add $64, %rbp\n"
	"	dec %ebx; jnz 8b\n"
	"	dec %ecx; jnz 7b\n"
	"	ret\n"
	"snp_end: .popsection\n");
extern const char snp_code[], plain[], snp[], snp_end[];

/* What the guest validates in a round. */
struct validated { uint64_t step, count, is_2m; };

static bool is_snp(const struct guest *g)
{
	return g->type == KVM_X86_SNP_VM;
}

static struct kvm_regs registers_for(const struct guest *g, const struct validated *v)
{
	const char *entry = is_snp(g) ? snp : plain;

	return (struct kvm_regs){
		.rip = GUEST_CODE + (uint64_t)(entry - snp_code), .rsp = GUEST_CODE, .rflags = 2,
		.rdi = SEV_SHARED + GHCB, .rsi = DATA, .r10 = CONVERTED, .r11 = v->step,
		.r12 = v->count, .r13 = v->is_2m,
	};
}

static void update(struct guest *g, uint64_t gpa, void *from, uint64_t size)
{
	struct kvm_sev_snp_launch_update u = { .gfn_start = gpa / PAGE, .uaddr = (uintptr_t)from,
					       .len = size, .type = KVM_SEV_SNP_PAGE_TYPE_NORMAL };

	guest_command(g, KVM_SEV_SNP_LAUNCH_UPDATE, &u);
	need(!u.len, "a launch that ends early");
}

static void launch_start(struct guest *g)
{
	struct kvm_sev_snp_launch_start start = { .policy = POLICY };

	guest_command(g, KVM_SEV_SNP_LAUNCH_START, &start);
}

/* An SNP VM with nothing in it, or another. */
static struct guest begin(unsigned long type)
{
	struct guest g = guest_begin(type);

	if (!is_snp(&g))
		return g;
	need(!vm_enable(g.vm, KVM_CAP_EXIT_HYPERCALL, 1 << 12), "KVM_CAP_EXIT_HYPERCALL");
	guest_init2(&g);
	return g;
}

static void memory_for(struct guest *g, uint64_t gpa, uint64_t size)
{
	guest_ram(g, size);
	if (!is_snp(g)) {
		need(!vm_region(g->vm, 0, 0, gpa, size, g->ram), "memory");
		return;
	}
	g->gmem = (int)vm_gmem(g->vm, size, 0);
	need(g->gmem >= 0, "guest_memfd");
	need(!vm_region_gmem(g->vm, 0, gpa, size, g->ram, g->gmem, 0), "memory");
	need(!vm_attributes(g->vm, gpa, size, KVM_MEMORY_ATTRIBUTE_PRIVATE), "private memory");
}

static struct guest make(unsigned long type, const struct validated *v)
{
	struct kvm_sev_snp_launch_finish finish = { 0 };
	struct guest g = begin(type);
	struct kvm_regs regs = registers_for(&g, v);

	memory_for(&g, 0, RAM);
	guest_boot(&g, snp_code, (size_t)(snp_end - snp_code), &regs);
	if (is_snp(&g)) {
		need(!vm_attributes(g.vm, GHCB, 2 * MIB, 0), "the GHCB's page");
		launch_start(&g);
		update(&g, 0, g.ram, GUEST_LAUNCHED);
		guest_command(&g, KVM_SEV_SNP_LAUNCH_FINISH, &finish);
	}
	return g;
}

/* Runs to the next mark; what it took. */
static double to(struct guest *g, enum mark mark)
{
	double began = cpu_ns();

	need(!ioctl(g->vcpu, KVM_RUN, 0), "KVM_RUN");
	need(g->run->exit_reason == KVM_EXIT_IO && g->run->io.port == mark,
	     "exit %u, port %#x, not %#x", g->run->exit_reason, g->run->io.port, mark);
	return cpu_ns() - began;
}

/* ---- memory ------------------------------------------------------------- */

static void memory(struct report *r)
{
	static const struct validated none;
	struct guest d = make(KVM_X86_DEFAULT_VM, &none), s = make(KVM_X86_SNP_VM, &none);
	struct series without = { 0 }, with = { 0 };
	double ratio;

	to(&d, MARK_READY);
	to(&s, MARK_READY);
	to(&d, MARK_TOUCH);
	to(&s, MARK_TOUCH);
	for (int i = 0; i < r->runs; i++) {
		series_add(&without, to(&d, MARK_TOUCH) / (ROUNDS * DATA_SIZE / 64));
		series_add(&with, to(&s, MARK_TOUCH) / (ROUNDS * DATA_SIZE / 64));
	}
	ratio = series_median(&with) / series_median(&without);
	report_say(r, "a load, INC, a store and the loop around them, memory that is present");
	report_series(r, "memory.default", "DEFAULT", "ns", &without);
	report_series(r, "memory.snp", "SNP", "ns", &with);
	report_goal(r, "memory.goal", "SNP to DEFAULT", ratio, AT_MOST, 1.1, "times");
	guest_end(&d);
	guest_end(&s);
}

/* ---- conversions -------------------------------------------------------- */

/* All of CONVERTED, page by page of @v's size; the time a page. */
static double convert(struct guest *g, const struct validated *v, bool private)
{
	double began = cpu_ns();

	for (uint64_t i = 0; i < v->count; i++) {
		uint64_t gpa = CONVERTED + i * v->step;

		need(!vm_attributes(g->vm, gpa, v->step, private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0),
		     "attributes");
		if (!private)
			need(!fallocate(g->gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)gpa,
					(off_t)v->step), "a hole");
	}
	return (cpu_ns() - began) / v->count;
}

static void conversions(struct report *r, bool is_2m)
{
	struct validated v = { .step = is_2m ? 2 * MIB : PAGE, .is_2m = is_2m };
	struct series shared = { 0 }, private = { 0 }, used = { 0 }, a_second = { 0 };
	const char *size = is_2m ? "2m" : "4k";
	struct guest g;
	char key[64];

	v.count = CONVERTED_SIZE / v.step;
	g = make(KVM_X86_SNP_VM, &v);
	to(&g, MARK_READY);
	to(&g, MARK_VALIDATED);
	for (int i = 0; i < r->runs; i++) {
		double there = convert(&g, &v, false), back = convert(&g, &v, true);
		double use = to(&g, MARK_VALIDATED) / v.count;

		series_add(&shared, there);
		series_add(&private, back);
		series_add(&used, use);
		series_add(&a_second, 2e9 / (there + back + use));
	}
	report_say(r, "64 MiB by %s, to shared and back; each page of one is a conversion", size);
#define ROW(what, text, unit, s)						\
	do {									\
		snprintf(key, sizeof(key), "convert_%s." what, size);		\
		report_series(r, key, text, unit, s);				\
	} while (0)
	ROW("to_shared", "attribute, hole, RMPUPDATE", "ns", &shared);
	ROW("to_private", "attribute", "ns", &private);
	ROW("first_use", "fault, page, RMPUPDATE, PVALIDATE, a store", "ns", &used);
	ROW("a_second", "conversions", "1/s", &a_second);
	guest_end(&g);
}

/* ---- a launch ----------------------------------------------------------- */

/* What the firmware hashes of one page: its bytes, then a record with digest, digest, and rest. */
static void hash_page(EVP_MD_CTX *ctx, const uint8_t *page, uint64_t gpa, uint8_t digest[DIGEST_SIZE])
{
	uint8_t info[PAGE_INFO_SIZE] = { 0 };
	uint16_t length = sizeof(info);

	memcpy(info, digest, DIGEST_SIZE);
	need(EVP_DigestInit_ex(ctx, NULL, NULL) && EVP_DigestUpdate(ctx, page, PAGE) &&
	     EVP_DigestFinal_ex(ctx, info + DIGEST_SIZE, NULL), "SHA-384");
	memcpy(info + 0x60, &length, sizeof(length));
	info[0x62] = KVM_SEV_SNP_PAGE_TYPE_NORMAL;
	memcpy(info + 0x68, &gpa, sizeof(gpa));
	need(EVP_DigestInit_ex(ctx, NULL, NULL) && EVP_DigestUpdate(ctx, info, sizeof(info)) &&
	     EVP_DigestFinal_ex(ctx, digest, NULL), "SHA-384");
}

static double hash(const uint8_t *bytes)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[DIGEST_SIZE] = { 0 };
	double began;

	need(ctx && EVP_DigestInit_ex(ctx, EVP_sha384(), NULL), "SHA-384");
	began = cpu_ns();
	for (uint64_t i = 0; i < LAUNCH_SIZE; i += PAGE)
		hash_page(ctx, bytes + i, LAUNCH_AT + i, digest);
	began = cpu_ns() - began;
	EVP_MD_CTX_free(ctx);
	return LAUNCH_SIZE / began;
}

static void launches(struct report *r)
{
	struct series allocation = { 0 }, launch = { 0 }, sha = { 0 };
	uint8_t *bytes = pages(LAUNCH_SIZE);

	for (int i = 0; i < (r->runs + 2) / 3; i++) {
		struct guest g = begin(KVM_X86_SNP_VM);
		double began;

		memory_for(&g, LAUNCH_AT, LAUNCH_SIZE);
		launch_start(&g);
		memset(bytes, i + 1, LAUNCH_SIZE);
		began = cpu_ns();
		need(!fallocate(g.gmem, FALLOC_FL_KEEP_SIZE, 0, LAUNCH_SIZE), "fallocate");
		series_add(&allocation, LAUNCH_SIZE / (cpu_ns() - began));
		series_add(&sha, hash(bytes));
		began = cpu_ns();
		update(&g, LAUNCH_AT, bytes, LAUNCH_SIZE);
		series_add(&launch, LAUNCH_SIZE / (cpu_ns() - began));
		guest_end(&g);
	}
	report_say(r, "SNP_LAUNCH_UPDATE of 1 GiB, and libcrypto's SHA-384 of the same pages and records");
	report_series(r, "launch.allocation", "the pages before, by fallocate", "GB/s", &allocation);
	report_series(r, "launch.sha384", "SHA-384 alone", "GB/s", &sha);
	report_series(r, "launch.update", "SNP_LAUNCH_UPDATE", "GB/s", &launch);
	report_goal(r, "launch.goal", "of SHA-384's speed", series_median(&launch) / series_median(&sha),
		    AT_LEAST, 0.8, "times");
	munmap(bytes, LAUNCH_SIZE);
}

static int hits(const char *type, int n)
{
	static const struct validated none;
	struct guest g = make(strcmp(type, "snp") ? KVM_X86_DEFAULT_VM : KVM_X86_SNP_VM, &none);

	to(&g, MARK_READY);
	for (int i = 0; i < n; i++)
		to(&g, MARK_TOUCH);
	guest_end(&g);
	return 0;
}

int main(int argc, char **argv)
{
	bool is_2m = false;
	struct report r;

	if (argc == 4 && !strcmp(argv[1], "--hits"))
		return hits(argv[2], atoi(argv[3]));
	if (argc == 2 && !strcmp(argv[1], "--launch")) {
		r = (struct report){ .runs = 3 };
		launches(&r);
		return 0;
	}
	report_begin(&r, "snp", "What SEV-SNP costs a guest and its VMM.", 11, &argc, argv);
	for (int i = 1; i < argc; i++)
		is_2m |= !strcmp(argv[i], "--2m");
	pin_to(0);
	if (!is_2m)
		memory(&r);
	conversions(&r, is_2m);
	if (!is_2m)
		launches(&r);
	return report_end(&r);
}
