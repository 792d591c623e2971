/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev.c - what encryption costs a guest and its VMM: one program as a DEFAULT,
 * a SEV and a SEV-ES guest.  An ordinary KVM program, for `softcvm exec --cpu amd`.
 *
 * usage: sev [--json] [--runs N]
 *        sev --hits default|sev N	(N times 100 times 16384 touches, for a profiler)
 */
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

#define RAM		(16 * MIB)
#define GHCB		0x20000u
#define DATA		0x800000u
#define DATA_SIZE	(1u << 20)
#define LOOK		0x900000u
#define NR_LOOKS	512u
#define MMIO		0x30000000u
#define TURNS		20000u
#define ROUNDS		100u
#define LAUNCH_SIZE	(256 * MIB)

/* Ports say what has just ended. */
enum mark {
	MARK_START = 0x20, MARK_CPUID, MARK_IO, MARK_IO_END, MARK_MMIO_END, MARK_TOUCH, MARK_LOOK,
};

#define BEGIN		"1:	mov $20000, %ebx\n"	/* TURNS */
#define NEXT		"dec %ebx; jnz 2b\n"

__asm__(".pushsection .rodata\n"
	"sev_code:\n"
	"plain:\n"
	"	out %al, $0x20\n"
	BEGIN "2: xor %eax, %eax; push %rbx; xor %ecx, %ecx; cpuid; pop %rbx\n" NEXT
	"	out %al, $0x21\n"
	BEGIN "2: out %al, $0x22\n" NEXT
	"	out %al, $0x23\n"
	BEGIN "2: mov %rax, (%rsi)\n" NEXT
	"	out %al, $0x24\n"
	"	jmp plain\n"
	"es:\n"
	"	mov $0xc0010130, %ecx; mov $0x20000, %eax; xor %edx, %edx; wrmsr\n"
	"	mov $0x8000000000000000, %r8; mov $0x3c000200000000, %r9\n"
	"	movq $0x20800, 0x3a8(%rdi); movl $0, 0xffc(%rdi); movw $1, 0xffa(%rdi)\n"
	"es_loop:\n"
	GHCB_OUT("0x20")
	BEGIN "2: xor %eax, %eax\n" GHCB_REQUEST("0x72", "0", "0") NEXT
	GHCB_OUT("0x21")
	BEGIN "2:\n" GHCB_OUT("0x22") NEXT
	GHCB_OUT("0x23")
	BEGIN "2: movq $0x20800, 0x3a8(%rdi)\n" GHCB_REQUEST("0x80000002", "0x30000000", "8") NEXT
	GHCB_OUT("0x24")
	"	jmp es_loop\n"
	/* 100 times each line of a mebibyte. */
	"touch:\n"
	"	mov $100, %ecx\n"
	"3:	mov %rsi, %rdi; mov $16384, %ebx\n"
	"4:	mov (%rdi), %rax; inc %rax; mov %rax, (%rdi); add $64, %rdi\n"
	"	dec %ebx; jnz 4b\n"
	"	dec %ecx; jnz 3b\n"
	"	out %al, $0x25\n"
	"	jmp touch\n"
	"look:\n"
	"	mov %rsi, %rdi; mov $512, %ebx\n"
	"5:	incq (%rdi); add $4096, %rdi; dec %ebx; jnz 5b\n"
	"	out %al, $0x26\n"
	"	jmp look\n"
	"sev_end: .popsection\n");
extern const char sev_code[], plain[], es[], touch[], look[], sev_end[];

static struct kvm_regs registers_for(const char *entry)
{
	return (struct kvm_regs){
		.rip = GUEST_CODE + (uint64_t)(entry - sev_code), .rsp = GUEST_CODE, .rflags = 2,
		.rdi = SEV_SHARED + GHCB,
		.rsi = entry == touch ? DATA : entry == look ? LOOK : MMIO,
	};
}

static void launch(struct guest *g)
{
	struct kvm_sev_launch_start start = { .policy = g->type == KVM_X86_SEV_ES_VM ? 4 : 0 };
	struct kvm_sev_launch_update_data data = { .uaddr = (uintptr_t)g->ram, .len = GUEST_LAUNCHED };
	uint8_t blob[48];
	struct kvm_sev_launch_measure measure = { .uaddr = (uintptr_t)blob, .len = sizeof(blob) };

	guest_command(g, KVM_SEV_LAUNCH_START, &start);
	guest_command(g, KVM_SEV_LAUNCH_UPDATE_DATA, &data);
	if (g->type == KVM_X86_SEV_ES_VM)
		guest_command(g, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL);
	guest_command(g, KVM_SEV_LAUNCH_MEASURE, &measure);
	guest_command(g, KVM_SEV_LAUNCH_FINISH, NULL);
}

static struct guest make(unsigned long type, const char *entry)
{
	struct kvm_regs regs = registers_for(entry);
	struct guest g = guest_begin(type);

	if (type != KVM_X86_DEFAULT_VM)
		guest_init2(&g);
	guest_ram(&g, RAM);
	need(!vm_region(g.vm, 0, 0, 0, RAM, g.ram), "memory");
	guest_boot(&g, sev_code, (size_t)(sev_end - sev_code), &regs);
	if (type != KVM_X86_DEFAULT_VM)
		launch(&g);
	return g;
}

/* Runs to the next exit that is @mark's; what it took. */
static double to(struct guest *g, enum mark mark)
{
	double began = cpu_ns();

	do {
		need(!ioctl(g->vcpu, KVM_RUN, 0), "KVM_RUN");
		need(g->run->exit_reason == KVM_EXIT_IO || g->run->exit_reason == KVM_EXIT_MMIO,
		     "exit %u", g->run->exit_reason);
	} while (g->run->exit_reason != KVM_EXIT_IO || g->run->io.port != mark);
	return cpu_ns() - began;
}

struct exits {
	struct series cpuid, io, mmio;
};

static void measure_exits(struct guest *g, struct exits *e)
{
	to(g, MARK_START);
	series_add(&e->cpuid, to(g, MARK_CPUID) / TURNS);
	series_add(&e->io, to(g, MARK_IO_END) / TURNS);
	series_add(&e->mmio, to(g, MARK_MMIO_END) / TURNS);
}

/* Two things measured in turn, and how they compare. */
static void pair(struct report *r, const char *key, const char *unit, const struct series *without,
		 const struct series *with, const char *type)
{
	char name[64], label[96];

	snprintf(name, sizeof(name), "%s.default", key);
	report_series(r, name, "DEFAULT", unit, without);
	snprintf(name, sizeof(name), "%s.%s", key, type);
	report_series(r, name, type, unit, with);
	snprintf(name, sizeof(name), "%s.ratio", key);
	snprintf(label, sizeof(label), "%s to DEFAULT", type);
	report_value(r, name, label, "times", series_median(with) / series_median(without));
}

static void exits(struct report *r)
{
	struct guest d = make(KVM_X86_DEFAULT_VM, plain), e = make(KVM_X86_SEV_ES_VM, es);
	struct exits without = { .io = { 0 } }, with = { .io = { 0 } };

	for (int i = 0; i < r->runs; i++) {
		measure_exits(&d, &without);
		measure_exits(&e, &with);
	}
	report_say(r, "an exit: the instruction in a DEFAULT guest, VMGEXIT with a GHCB in SEV-ES");
	pair(r, "cpuid", "ns", &without.cpuid, &with.cpuid, "sev_es");
	pair(r, "io", "ns", &without.io, &with.io, "sev_es");
	pair(r, "mmio_write", "ns", &without.mmio, &with.mmio, "sev_es");
	guest_end(&d);
	guest_end(&e);
}

static void memory(struct report *r)
{
	struct guest d = make(KVM_X86_DEFAULT_VM, touch), s = make(KVM_X86_SEV_VM, touch);
	struct series without = { 0 }, with = { 0 };

	to(&d, MARK_TOUCH);
	to(&s, MARK_TOUCH);
	for (int i = 0; i < r->runs; i++) {
		series_add(&without, to(&d, MARK_TOUCH) / (ROUNDS * DATA_SIZE / 64));
		series_add(&with, to(&s, MARK_TOUCH) / (ROUNDS * DATA_SIZE / 64));
	}
	report_say(r, "a load, INC, a store and the loop around them, memory that is present");
	pair(r, "memory", "ns", &without, &with, "sev");
	report_goal(r, "memory.goal", "SEV to DEFAULT", series_median(&with) / series_median(&without),
		    AT_MOST, 1.1, "times");
	guest_end(&d);
	guest_end(&s);
}

/* The guest writes, the VMM loads a byte of each page. */
static double look_at(struct guest *g)
{
	double began;

	to(g, MARK_LOOK);
	began = cpu_ns();
	for (unsigned i = 0; i < NR_LOOKS; i++)
		(void)*(volatile uint8_t *)(g->ram + LOOK + i * PAGE);
	return (cpu_ns() - began) / NR_LOOKS;
}

static void looks(struct report *r)
{
	struct guest d = make(KVM_X86_DEFAULT_VM, look), s = make(KVM_X86_SEV_VM, look);
	struct series without = { 0 }, with = { 0 }, back = { 0 };

	look_at(&d);
	look_at(&s);
	for (int i = 0; i < r->runs; i++) {
		series_add(&without, look_at(&d));
		series_add(&with, look_at(&s));
		series_add(&back, to(&s, MARK_LOOK) / NR_LOOKS);
	}
	report_say(r, "the VMM loads from a page that the guest has just written");
	pair(r, "look", "ns", &without, &with, "sev");
	report_series(r, "look.back", "the guest's next store there", "ns", &back);
	guest_end(&d);
	guest_end(&s);
}

static void launches(struct report *r)
{
	struct series update = { 0 }, sha = { 0 };
	uint8_t *bytes = pages(LAUNCH_SIZE), digest[32];

	for (int i = 0; i < r->runs; i++) {
		struct guest g;
		struct kvm_sev_launch_update_data data = { .uaddr = (uintptr_t)bytes, .len = LAUNCH_SIZE };
		struct kvm_sev_launch_start start = { 0 };
		double began;

		memset(bytes, i + 1, LAUNCH_SIZE);
		began = cpu_ns();
		need(EVP_Digest(bytes, LAUNCH_SIZE, digest, NULL, EVP_sha256(), NULL), "SHA-256");
		series_add(&sha, LAUNCH_SIZE / (cpu_ns() - began));
		g = guest_begin(KVM_X86_SEV_VM);
		guest_init2(&g);
		guest_command(&g, KVM_SEV_LAUNCH_START, &start);
		began = cpu_ns();
		guest_command(&g, KVM_SEV_LAUNCH_UPDATE_DATA, &data);
		series_add(&update, LAUNCH_SIZE / (cpu_ns() - began));
		guest_end(&g);
	}
	report_say(r, "LAUNCH_UPDATE_DATA of 256 MiB, and libcrypto's SHA-256 of the same bytes");
	report_series(r, "launch.sha256", "SHA-256 alone", "GB/s", &sha);
	report_series(r, "launch.update", "LAUNCH_UPDATE_DATA", "GB/s", &update);
	report_value(r, "launch.ratio", "of SHA-256's speed", "times",
		     series_median(&update) / series_median(&sha));
	munmap(bytes, LAUNCH_SIZE);
}

static int hits(const char *type, int n)
{
	struct guest g = make(strcmp(type, "sev") ? KVM_X86_DEFAULT_VM : KVM_X86_SEV_VM, touch);

	for (int i = 0; i < n; i++)
		to(&g, MARK_TOUCH);
	guest_end(&g);
	return 0;
}

int main(int argc, char **argv)
{
	struct report r;

	if (argc == 4 && !strcmp(argv[1], "--hits"))
		return hits(argv[2], atoi(argv[3]));
	report_begin(&r, "sev", "What encryption costs a guest and its VMM.", 11, &argc, argv);
	pin_to(0);
	exits(&r);
	memory(&r);
	looks(&r);
	launches(&r);
	return report_end(&r);
}
