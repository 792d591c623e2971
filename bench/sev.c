/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev.c - what encryption costs a guest and its VMM: one program as a DEFAULT,
 * a SEV and a SEV-ES guest.  An ordinary KVM program, for `softcvm exec --cpu amd`.
 *
 * usage: sev [--json] [--runs N]
 *        sev --hits default|sev N	(N times 100 times 16384 touches, for a profiler)
 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <softcvm/uapi/kvm_sev.h>
#include <softcvm/uapi/kvm_since_6_1.h>

#include "bench/report.h"
#include "tests/abi/kvm_user.h"

#define MIB		(1ull << 20)
#define RAM		(16 * MIB)
#define LAUNCHED	0x10000u	/* tables, code and stack: what the launch encrypts */
#define TABLES		0x1000u		/* PML4, PDPT, private PD, shared PD */
#define CODE		0x8000u
#define GHCB		0x20000u
#define SHARED		0x40000000u	/* all of memory again, shared */
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
/* A request to the GHCB at RDI: code, info 1, info 2; RAX is the guest's. */
#define REQUEST(code, info1, info2)						\
	"movl $" code ", 0x390(%rdi); movl $0, 0x394(%rdi)\n"			\
	"movl $" info1 ", 0x398(%rdi); movl $0, 0x39c(%rdi)\n"			\
	"movq $" info2 ", 0x3a0(%rdi)\n"					\
	"mov %rax, 0x1f8(%rdi); movq $0, 0x308(%rdi)\n"				\
	"mov %r8, 0x3f0(%rdi); mov %r9, 0x3f8(%rdi); rep; vmmcall\n"
#define GHCB_OUT(port)	REQUEST("0x7b", "(" port " << 16 | 0x210)", "0")

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
	BEGIN "2: xor %eax, %eax\n" REQUEST("0x72", "0", "0") NEXT
	GHCB_OUT("0x21")
	BEGIN "2:\n" GHCB_OUT("0x22") NEXT
	GHCB_OUT("0x23")
	BEGIN "2: movq $0x20800, 0x3a8(%rdi)\n" REQUEST("0x80000002", "0x30000000", "8") NEXT
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

struct guest {
	unsigned long	type;
	int		kvm, vm, vcpu, sev;
	struct kvm_run	*run;
	uint8_t		*ram;
};

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[256];
} cpuid;

static void command(const struct guest *g, uint32_t id, void *data)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = (uint32_t)g->sev };

	need(!ioctl(g->vm, KVM_MEMORY_ENCRYPT_OP, &cmd), "SEV command %u: firmware %u", id, cmd.error);
}

static uint64_t c_bit(void)
{
	for (unsigned i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == 0x8000001f)
			return 1ull << (cpuid.entries[i].ebx & 63);
	cannot("this /dev/kvm has no SEV");
}

static void make_tables(struct guest *g)
{
	uint64_t *t = (uint64_t *)(g->ram + TABLES);
	uint64_t c = g->type == KVM_X86_DEFAULT_VM ? 0 : c_bit();

	t[0] = (TABLES + 0x1000) | 3;
	t[512] = (TABLES + 0x2000) | 3;
	t[513] = (TABLES + 0x3000) | 3;
	for (uint64_t i = 0; i < 512; i++) {
		t[1024 + i] = i << 21 | 0x83 | (i << 21 < RAM ? c : 0);
		t[1536 + i] = i << 21 | 0x83;
	}
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = selector, .type = type,
				     .present = 1, .s = 1, .g = 1, .l = code, .db = !code };
}

static void set_registers(struct guest *g, const char *entry)
{
	struct kvm_regs r = { .rip = CODE + (uint64_t)(entry - sev_code), .rsp = CODE, .rflags = 2,
			      .rdi = SHARED + GHCB };
	struct kvm_sregs s;

	r.rsi = entry == touch ? DATA : entry == look ? LOOK : MMIO;
	need(!ioctl(g->vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.cs = flat(8, 11, true);
	s.ds = s.es = s.fs = s.gs = s.ss = flat(16, 3, false);
	s.idt.limit = 0;
	s.cr0 = 0x80000031;
	s.cr3 = TABLES;
	s.cr4 = 0x620;
	s.efer = 0xd00;
	need(!ioctl(g->vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
	need(!ioctl(g->vcpu, KVM_SET_REGS, &r), "KVM_SET_REGS");
}

static void launch(struct guest *g)
{
	struct kvm_sev_launch_start start = { .policy = g->type == KVM_X86_SEV_ES_VM ? 4 : 0 };
	struct kvm_sev_launch_update_data data = { .uaddr = (uintptr_t)g->ram, .len = LAUNCHED };
	uint8_t blob[48];
	struct kvm_sev_launch_measure measure = { .uaddr = (uintptr_t)blob, .len = sizeof(blob) };

	command(g, KVM_SEV_LAUNCH_START, &start);
	command(g, KVM_SEV_LAUNCH_UPDATE_DATA, &data);
	if (g->type == KVM_X86_SEV_ES_VM)
		command(g, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL);
	command(g, KVM_SEV_LAUNCH_MEASURE, &measure);
	command(g, KVM_SEV_LAUNCH_FINISH, NULL);
}

static struct guest make(unsigned long type, const char *entry)
{
	struct guest g = { .type = type, .kvm = kvm_open(), .sev = -1 };
	struct kvm_sev_init init = { 0 };

	g.vm = vm_make(g.kvm, type);
	if (type != KVM_X86_DEFAULT_VM) {
		g.sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
		need(g.sev >= 0, "/dev/sev");
		command(&g, KVM_SEV_INIT2, &init);
	}
	g.ram = pages(RAM + 2 * MIB);
	g.ram += -(uintptr_t)g.ram & (2 * MIB - 1);
	need(!vm_region(g.vm, 0, 0, 0, RAM, g.ram), "memory");
	g.vcpu = ioctl(g.vm, KVM_CREATE_VCPU, 0);
	need(g.vcpu >= 0, "KVM_CREATE_VCPU");
	/* Its first page only: valgrind refuses what the third one is made of. */
	g.run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, g.vcpu, 0);
	need(g.run != MAP_FAILED, "the run page");
	cpuid.head.nent = 256;
	need(!ioctl(g.kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	need(!ioctl(g.vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
	make_tables(&g);
	memcpy(g.ram + CODE, sev_code, (size_t)(sev_end - sev_code));
	set_registers(&g, entry);
	if (type != KVM_X86_DEFAULT_VM)
		launch(&g);
	return g;
}

static void end(struct guest *g)
{
	munmap(g->run, PAGE);
	close(g->vcpu);
	close(g->vm);
	if (g->sev >= 0)
		close(g->sev);
	close(g->kvm);
	munmap(g->ram, RAM);
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
	end(&d);
	end(&e);
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
	end(&d);
	end(&s);
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
	end(&d);
	end(&s);
}

static void launches(struct report *r)
{
	struct series update = { 0 }, sha = { 0 };
	uint8_t *bytes = pages(LAUNCH_SIZE), digest[32];

	for (int i = 0; i < r->runs; i++) {
		struct guest g = { .type = KVM_X86_SEV_VM, .kvm = kvm_open() };
		struct kvm_sev_launch_update_data data = { .uaddr = (uintptr_t)bytes, .len = LAUNCH_SIZE };
		struct kvm_sev_launch_start start = { 0 };
		struct kvm_sev_init init = { 0 };
		double began;

		memset(bytes, i + 1, LAUNCH_SIZE);
		began = cpu_ns();
		need(EVP_Digest(bytes, LAUNCH_SIZE, digest, NULL, EVP_sha256(), NULL), "SHA-256");
		series_add(&sha, LAUNCH_SIZE / (cpu_ns() - began));
		g.vm = vm_make(g.kvm, g.type);
		g.sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
		command(&g, KVM_SEV_INIT2, &init);
		command(&g, KVM_SEV_LAUNCH_START, &start);
		began = cpu_ns();
		command(&g, KVM_SEV_LAUNCH_UPDATE_DATA, &data);
		series_add(&update, LAUNCH_SIZE / (cpu_ns() - began));
		close(g.vm);
		close(g.sev);
		close(g.kvm);
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
	end(&g);
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
