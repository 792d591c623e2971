/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_own_cpuid.c - what a program's own CPUID says: the modelled host's
 * vendor, width and features, or with `host` this processor's.
 *
 * usage: test_own_cpuid amd|intel|host PHYS-BITS [--verbose]
 */
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <softcvm/identity.h>

#include "kvm_user.h"

#define LEAVES	100

static struct checks c;
static const char *vendor;

struct regs { unsigned a, b, c, d; };

static struct regs ask(unsigned leaf, unsigned subleaf)
{
	struct regs r;

	__cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
	return r;
}

/* The same instruction where nobody looks for it: this processor's answer. */
static struct regs ask_processor(unsigned leaf, unsigned subleaf)
{
	static const unsigned char code[] = {
		0x53,					/* push %rbx */
		0x89, 0xf8, 0x89, 0xf1, 0x49, 0x89, 0xd0,	/* eax = 1st, ecx = 2nd, r8 = 3rd */
		0x0f, 0xa2,				/* cpuid */
		0x41, 0x89, 0x00, 0x41, 0x89, 0x58, 0x04,	/* to (r8) */
		0x41, 0x89, 0x48, 0x08, 0x41, 0x89, 0x50, 0x0c,
		0x5b, 0xc3,				/* pop %rbx; ret */
	};
	static void *p;
	struct regs r;

	if (!p) {
		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		need(p != MAP_FAILED, "mmap");
		memcpy(p, code, sizeof(code));
		need(!mprotect(p, PAGE, PROT_READ | PROT_EXEC), "mprotect");
	}
	((void (*)(unsigned, unsigned, struct regs *))p)(leaf, subleaf, &r);
	return r;
}

static bool same(struct regs x, struct regs y)
{
	return !memcmp(&x, &y, sizeof(x));
}

static bool is_vendor(struct regs r, const char *name)
{
	char text[13] = "";

	memcpy(text, &r.b, 4);
	memcpy(text + 4, &r.d, 4);
	memcpy(text + 8, &r.c, 4);
	return !strcmp(text, name);
}

static const char *vendor_text(void)
{
	return !strcmp(vendor, "amd") ? "AuthenticAMD" : "GenuineIntel";
}

static void as_modelled(unsigned phys_bits)
{
	struct regs model = ask(1, 0), processor = ask_processor(1, 0);
	struct kvm_cpuid2 *kvm = calloc(1, sizeof(*kvm) + LEAVES * sizeof(kvm->entries[0]));
	bool is_amd = !strcmp(vendor, "amd");
	int fd = kvm_open();

	check(&c, is_vendor(ask(0, 0), vendor_text()), "the vendor is %s", vendor_text());
	check(&c, (ask(0x80000008, 0).a & 0xff) == phys_bits, "%u bits of physical address, not %u",
	      ask(0x80000008, 0).a & 0xff, phys_bits);
	check(&c, !((model.c & (1 << 23)) && !(processor.c & (1 << 23))), "no POPCNT that is not there");
	check(&c, same(ask(0xd, 0), ask_processor(0xd, 0)),
	      "XSAVE's sizes are this processor's");
	check(&c, !(model.c & 1u << 31), "the modelled host is no guest");
	check(&c, !!(ask(0x80000001, 0).c & 4) == is_amd, "SVM is amd's");
	check(&c, !!(model.c & 1 << 5) != is_amd, "VMX is intel's");
	/* What KVM offers and what the program sees is one machine. */
	kvm->nent = LEAVES;
	need(!kvm_ioctlp(fd, KVM_GET_SUPPORTED_CPUID, kvm), "KVM_GET_SUPPORTED_CPUID");
	for (unsigned i = 0; i < kvm->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &kvm->entries[i];

		if (e->function == 1)
			check(&c, e->eax == model.a, "signature %#x, KVM's is %#x", model.a, e->eax);
		if (e->function == 0)
			check(&c, e->ebx == ask(0, 0).b, "KVM's vendor is ours");
	}
	free(kvm);
	close(fd);
}

static void as_processor(void)
{
	static const unsigned leaves[] = { 0, 1, 7, 0xd, 0x80000000, 0x80000001, 0x80000008 };

	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		struct regs r = ask(leaves[i], 0), p = ask_processor(leaves[i], 0);

		if (leaves[i] == 1)	/* another processor may have answered */
			r.b = p.b;
		check(&c, same(r, p), "leaf %#x is this processor's", leaves[i]);
	}
}

/* -- Wherever it is executed -- */

static struct regs expected;
static volatile int handled;

static void *on_thread(void *unused)
{
	sigset_t all;

	(void)unused;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (int i = 0; i < 1000; i++) {
		if (!same(ask(0, 0), expected))
			return (void *)1;
	}
	return NULL;
}

static void in_handler(int sig)
{
	(void)sig;
	/* SIGILL is blocked by the sanitizer here. */
	handled = USER_UNDER_TSAN || same(ask(0, 0), expected) ? 1 : 2;
}

static void everywhere(void)
{
	struct sigaction act = { .sa_handler = in_handler };
	pthread_t threads[4];
	void *result;
	int status;
	pid_t pid;

	expected = ask(0, 0);
	for (int i = 0; i < 4; i++)
		need(!pthread_create(&threads[i], NULL, on_thread, NULL), "pthread_create");
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &result);
		check(&c, !result, "on a thread with all signals blocked");
	}
	sigfillset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	check(&c, handled == 1, "in a signal handler");
	pid = fork();
	if (!pid)
		_exit(same(ask(0, 0), expected) ? 0 : 1);
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	check(&c, !status, "in a child");
}

/*
 * A processor that faults at CPUID raises SIGSEGV there: so does this signal,
 * which is delivered on the way back from its system call.  RAX is then 0.
 */
static void faulting(void)
{
	static const unsigned char code[] = {
		0x53,					/* push %rbx */
		0x49, 0x89, 0xc8, 0x49, 0x89, 0xca,	/* r8 = 4th; r10 = 4th */
		0xb8, 0x29, 0x01, 0x00, 0x00,		/* eax = SYS_rt_tgsigqueueinfo */
		0x0f, 0x05,				/* syscall */
		0x0f, 0xa2,				/* cpuid */
		0x89, 0xd8, 0x5b, 0xc3,			/* eax = ebx; pop %rbx; ret */
	};
	siginfo_t info = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned b;

	need(p != MAP_FAILED, "mmap");
	memcpy(p, code, sizeof(code));
	need(!mprotect(p, PAGE, PROT_READ | PROT_EXEC), "mprotect");
	b = ((unsigned (*)(long, long, long, siginfo_t *))p)(getpid(), gettid(), SIGSEGV, &info);
	check(&c, b == ask(0, 0).b, "a fault at CPUID is answered: %#x", b);
	munmap(p, PAGE);
}

/* -- What is not one -- */

/* The bytes of CPUID inside another instruction. */
static __attribute__((noinline)) unsigned constant_with_its_bytes(void)
{
	unsigned r;

	__asm__ volatile("mov $0x00a20f00, %0" : "=r"(r));
	return r;
}

static volatile int illegal;

static void on_sigill(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)info;
	illegal++;
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void what_is_none(void)
{
	struct sigaction act = { .sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO }, old;
	struct regs before = ask(0, 0);
	int status;
	pid_t pid;

	check(&c, constant_with_its_bytes() == 0x00a20f00, "an operand of these bytes is left alone");
	sigaction(SIGILL, &act, &old);
	check(&c, old.sa_handler == SIG_DFL, "SIGILL looks as it always did");
	__asm__ volatile("ud2");
	check(&c, illegal == 1, "the program's own SIGILL is its own");
	check(&c, same(ask(0, 0), before) && illegal == 1, "and CPUID still ours");
	signal(SIGILL, SIG_DFL);
	pid = fork();
	if (!pid) {
		__asm__ volatile("ud2");
		_exit(0);
	}
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	check(&c, WIFSIGNALED(status) && WTERMSIG(status) == SIGILL, "UD2 ends a program: %#x", status);
}

int main(int argc, char **argv)
{
	need(argc > 2, "usage: test_own_cpuid amd|intel|host PHYS-BITS");
	vendor = argv[1];
	c.verbose = argc > 3;
	if (strcmp(vendor, "host"))
		as_modelled((unsigned)atoi(argv[2]));
	else
		as_processor();
	everywhere();
	if (strcmp(vendor, "host"))
		faulting();
	what_is_none();
	return checks_end(&c);
}
