/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_stack.c - how much of its caller's stack KVM_RUN uses, whatever the
 * guest does: less than 16 KiB, for a VMM's vCPU threads may have small ones.
 *
 * usage: test_stack [--verbose]
 *
 * What is below the caller is painted before each call; the lowest byte that
 * has changed afterwards says how deep it went, signal frames and the loader's
 * binding of names included.  A sanitizer's frames are larger than ours: such
 * a build prints and does not judge.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define LIMIT		(16ul << 10)
#define LOOKED_AT	(256ul << 10)
#define PAINT		0x5041494e54ul
#define FRESH		0x800000ul	/* slot 1: faults of both kinds */
#define FRESH_SIZE	(64 * PAGE)

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED	1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED	USER_UNDER_TSAN
#endif

/* RDI, RSI and RCX as the row says; every piece ends with an OUT. */
asm(".pushsection .rodata\n"
    "	.macro done\n out %al, $0x10\n .endm\n"
    "stack_start:\n"
    "ports:	out %eax, $0x42; in $0x43, %ax; mov $0x44, %edx; cld\n"
    "		mov $64, %ecx; rep outsb; mov $64, %ecx; mov %rsi, %rdi; rep insw; done\n"
    "mmio:	mov (%rdi), %rax; mov %eax, 8(%rdi); addl $1, 16(%rdi); lock xadd %eax, 24(%rdi)\n"
    "		movslq 4(%rdi), %rdx; xchg %al, 40(%rdi); btsl $3, 44(%rdi); testb $1, 48(%rdi)\n"
    "		movups 32(%rdi), %xmm0; movups %xmm0, 64(%rdi); cmpxchg8b 72(%rdi)\n"
    "		cld; mov $5, %ecx; rep movsb; mov $4, %ecx; rep stosw; done\n"
    "two_mmio:	lea 256(%rdi), %rsi; mov $3, %ecx; cld; repe cmpsl; done\n"
    "walk:	cld; mov %rdi, %r8; mov %rcx, %r9\n"
    "1:		lock incq (%r8); mov 4092(%r8), %rax; add $4096, %r8; dec %r9; jnz 1b\n"
    "		shl $12, %rcx; sub $8, %rcx; shr $1, %rcx; lea (%rdi,%rcx), %rsi; rep movsb; done\n"
    "forms:	mov $0x8000001, %eax; xor %ecx, %ecx; cpuid; rdtsc\n"
    "		mov $0xc0000080, %ecx; rdmsr; wrmsr\n"
    "		fninit; fldpi; fsin; fld1; fpatan; fldl2e; fbstp (%rdi); fxsave 512(%rsi); fxrstor 512(%rsi)\n"
    "		pcmpistri $12, %xmm0, %xmm1; pcmpestrm $0, %xmm0, %xmm1; sqrtpd %xmm0, %xmm1\n"
    "		divps %xmm0, %xmm1; dppd $0x31, %xmm0, %xmm1; crc32q %rax, %rcx\n"
    "		mov $7, %ebx; mov $100, %eax; xor %edx, %edx; div %rbx; imul %rax, %rbx\n"
    "		lock cmpxchg16b (%rsi); mov %cr3, %rax; mov %rax, %cr3; invlpg (%rsi)\n"
    "		mov %cr4, %rax; mov %rax, %cr4; mov %cr0, %rax; mov %rax, %cr0; wbinvd\n"
    "		sgdt (%rsi); lgdt (%rsi); str %ax; pushf; popf; call 1f\n"
    "1:		pop %rax; lea -64(%rsp), %rbp; enter $32, $2; leave; done\n"
    "own_code:	movb $0x90, 1f(%rip); jmp 1f\n"
    "1:		.byte 0xcc; done\n"
    "vmcall_:	vmcall; done\n"
    "vmmcall_:	vmmcall; done\n"
    "halt:	hlt; done\n"
    "fault:	ud2\n"
    "spin:	incq (%rsi); jmp spin\n"
    "stack_end:	.popsection\n");
extern const char stack_start[], ports[], mmio[], two_mmio[], walk[], forms[], own_code[], vmcall_[],
	vmmcall_[], halt[], fault[], spin[], stack_end[];

static struct checks c;
static size_t deepest;

/*
 * KVM_RUN; in *@depth how far below its caller's stack pointer it has written.
 * Nothing is called between painting and looking but what is measured.
 */
__attribute__((noinline, no_sanitize("address", "thread")))
static int run_painted(int vcpu, size_t *depth)
{
	volatile uint64_t *sp;
	size_t i;
	int r;

	asm volatile("mov %%rsp, %0" : "=r"(sp));
	for (i = 1; i < LOOKED_AT / 8; i++)
		sp[-(long)i] = PAINT;
	r = ioctl(vcpu, KVM_RUN, 0);
	for (i = LOOKED_AT / 8 - 1; i > 0 && sp[-(long)i] == PAINT; i--)
		;
	*depth = i * 8;
	return r;
}

/* Until the piece is at its end, or KVM_RUN fails: then the errno. */
static int run_piece(struct flat_guest *g, size_t *max)
{
	struct kvm_run *run = g->run;

	for (int exits = 0; exits < 100000; exits++) {
		size_t depth;
		int error = run_painted(g->vcpu, &depth) ? errno : 0;

		*max = depth > *max ? depth : *max;
		if (error)
			return error;
		if (run->exit_reason == KVM_EXIT_MMIO)
			memset(run->mmio.data, 0, 8);
		else if (run->exit_reason != KVM_EXIT_IO || run->io.port == GUEST_IDLE_PORT)
			return 0;
	}
	return -1;
}

static void report(const char *name, size_t depth)
{
	deepest = depth > deepest ? depth : deepest;
	check(&c, depth < LIMIT || IS_SANITIZED, "%s: KVM_RUN used %zu bytes of stack", name, depth);
}

static const struct row {
	const char *name, *entry;
	uint64_t rdi, rsi, rcx;
	int error;
	uint32_t exit;
} rows[] = {
	{ "ports", ports, 0, GUEST_FREE, 0, 0, KVM_EXIT_IO },
	{ "MMIO", mmio, GUEST_MMIO, GUEST_FREE, 0, 0, KVM_EXIT_IO },
	{ "MMIO over a page end", mmio, GUEST_MMIO + PAGE - 3, GUEST_FREE, 0, 0, KVM_EXIT_IO },
	{ "MMIO twice", two_mmio, GUEST_MMIO, 0, 0, 0, KVM_EXIT_IO },
	{ "instructions", forms, GUEST_FREE + PAGE - 4, GUEST_FREE + 2 * PAGE, 0, 0, KVM_EXIT_IO },
	{ "its own code", own_code, 0, 0, 0, 0, KVM_EXIT_IO },
	{ "HLT", halt, 0, 0, 0, 0, KVM_EXIT_HLT },
	{ "a triple fault", fault, 0, 0, 0, 0, KVM_EXIT_SHUTDOWN },
};

static void begin(struct flat_guest *g, const struct row *row)
{
	struct kvm_regs r = flat_guest_regs(g, row->entry);

	r.rdi = row->rdi;
	r.rsi = row->rsi;
	r.rcx = row->rcx;
	flat_guest_set(g, &r);
}

static void run_row(struct flat_guest *g, const struct row *row)
{
	size_t depth = 0;
	int error;

	begin(g, row);
	error = run_piece(g, &depth);
	check(&c, error == row->error && (error || g->run->exit_reason == row->exit),
	      "%s: errno %s, exit %u", row->name, errno_name(error), g->run->exit_reason);
	report(row->name, depth);
}

/* Faults on every page of slot 1, shared and private, with the auditor behind each change. */
static void faults(struct flat_guest *g, void *memory, bool has_private)
{
	const struct row all = { "faults on shared pages", walk, FRESH, 0, FRESH_SIZE / PAGE, 0,
				 KVM_EXIT_IO };
	struct row row = all;

	run_row(g, &row);
	if (has_private) {
		need(!vm_attributes(g->vm, FRESH, FRESH_SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "private");
		row.name = "faults on private pages";
		run_row(g, &row);
		need(!vm_attributes(g->vm, FRESH, FRESH_SIZE, 0), "shared");
	}
	need(!madvise(memory, FRESH_SIZE, MADV_DONTNEED), "madvise");
	row.name = "faults on pages that the host has to make";
	run_row(g, &row);
	need(!mprotect(memory, FRESH_SIZE, PROT_NONE), "mprotect");
	row.name = "a fault that the host refuses";
	row.error = EFAULT;
	run_row(g, &row);
	need(!mprotect(memory, FRESH_SIZE, PROT_READ | PROT_WRITE), "mprotect");
}

static volatile sig_atomic_t nr_signals;

static void on_alarm(int sig)
{
	(void)sig;
	nr_signals++;
}

/* The signal's frame is on this stack too, and so is the handler's when the run has left. */
static void a_signal(struct flat_guest *g)
{
	const struct row row = { "a signal", spin, 0, GUEST_FREE, 0, EINTR, 0 };
	/* Again and again: one may come before the guest runs. */
	const struct itimerval often = { { .tv_usec = 20000 }, { .tv_usec = 20000 } };
	const struct itimerval never = { .it_value.tv_usec = 0 };
	const struct sigaction handler = { .sa_handler = on_alarm };

	nr_signals = 0;
	need(!sigaction(SIGALRM, &handler, NULL), "sigaction");
	need(!setitimer(ITIMER_REAL, &often, NULL), "setitimer");
	for (int i = 0; i < 5; i++)
		run_row(g, &row);
	need(!setitimer(ITIMER_REAL, &never, NULL), "setitimer");
	check(&c, nr_signals > 0, "the handler ran %d times", (int)nr_signals);
}

static void all_in(unsigned long type, bool has_private)
{
	void *memory = pages(FRESH_SIZE);
	struct row row = { "a hypercall", vmcall_, 0, 0, 0, 0, KVM_EXIT_IO };
	struct flat_guest g;
	int gmem = -1;

	flat_guest_make(&g, type, false, stack_start, (size_t)(stack_end - stack_start));
	if (has_private) {
		gmem = (int)vm_gmem(g.vm, FRESH_SIZE, 0);
		need(!vm_region_gmem(g.vm, 1, FRESH, FRESH_SIZE, memory, gmem, 0), "slot 1");
	} else {
		need(!vm_region(g.vm, 1, 0, FRESH, FRESH_SIZE, memory), "slot 1");
	}
	faults(&g, memory, has_private);
	a_signal(&g);
	run_row(&g, &row);
	row.entry = vmmcall_;
	run_row(&g, &row);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&g, &rows[i]);
	flat_guest_free(&g);
	if (has_private)
		close(gmem);
	munmap(memory, FRESH_SIZE);
}

static void *all(void *unused)
{
	int kvm = kvm_open();
	long types = kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);

	close(kvm);
	all_in(KVM_X86_DEFAULT_VM, false);
	if (types & 1 << KVM_X86_SW_PROTECTED_VM)
		all_in(KVM_X86_SW_PROTECTED_VM, true);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t alarm_only;

	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	pthread_attr_init(&attr);
	/* Thread-local storage lies there too, megabytes of it under ThreadSanitizer. */
	pthread_attr_setstacksize(&attr, 32 * LOOKED_AT);
	need(!pthread_create(&thread, &attr, all, NULL), "a thread");
	/* The timer's signal is for the thread that runs the guest. */
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
	pthread_join(thread, NULL);
	printf("KVM_RUN used at most %zu bytes of stack\n", deepest);
	return checks_end(&c);
}
