/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_calls.c - system calls of the program's thread in a KVM_RUN that the
 * guest ends with an exit: counted by a tracer, none in the usual cases.
 *
 * A traced thread loses its processor at each call, which is what stolen time
 * is made of: there the calls are counted by /proc, which does not disturb.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define TURNS		200
#define MARK		0x5c000000L	/* + row, of no system call */
#define STEAL		0x9000UL	/* the guest's structure */
#define MSR_STEAL	0x4b564d03

__asm__(".pushsection .rodata\n"
	"calls_code:\n"
	"calls_port:	out %al, $0x10; jmp calls_port\n"
	"calls_read:	mov (%rdi), %rax; jmp calls_read\n"
	"calls_write:	mov %rax, (%rdi); jmp calls_write\n"
	"calls_end:	.popsection\n");
extern const char calls_code[], calls_port[], calls_read[], calls_write[], calls_end[];

struct row {
	const char *name, *entry;
	uint32_t reason;
	bool irqchip, enabled, steal, mask;
	unsigned at_most;		/* system calls a turn */
};

static const struct row rows[] = {
	{ "port I/O", calls_port, KVM_EXIT_IO },
	{ "MMIO read", calls_read, KVM_EXIT_MMIO },
	{ "MMIO write", calls_write, KVM_EXIT_MMIO },
	{ "interrupts enabled", calls_port, KVM_EXIT_IO, .enabled = true },
	{ "in-kernel APIC", calls_port, KVM_EXIT_IO, .irqchip = true },
	{ "in-kernel APIC, interrupts enabled", calls_port, KVM_EXIT_IO, .irqchip = true,
	  .enabled = true },
	/* open, read, close: it has been switched out by its tracer */
	{ "steal time, switched out each time", calls_port, KVM_EXIT_IO, .steal = true, .at_most = 3 },
	/* the mask that was, then three settings */
	{ "KVM_SET_SIGNAL_MASK", calls_port, KVM_EXIT_IO, .mask = true, .at_most = 4 },
};
#define NR_ROWS	(sizeof(rows) / sizeof(rows[0]))

static void enable_steal(struct flat_guest *g)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } m = {
		.head.nmsrs = 1, .entry = { .index = MSR_STEAL, .data = STEAL | 1 } };

	need(ioctl(g->vcpu, KVM_SET_MSRS, &m) == 1, "steal time's register");
}

static void set_mask(struct flat_guest *g)
{
	struct { struct kvm_signal_mask head; uint64_t set; } m = { .head.len = 8 };

	need(!ioctl(g->vcpu, KVM_SET_SIGNAL_MASK, &m), "KVM_SET_SIGNAL_MASK");
}

static void make(struct flat_guest *g, const struct row *r)
{
	struct kvm_regs regs;

	flat_guest_make(g, KVM_X86_DEFAULT_VM, r->irqchip, calls_code,
			(size_t)(calls_end - calls_code));
	regs = flat_guest_regs(g, r->entry);
	regs.rdi = GUEST_MMIO;
	regs.rflags |= r->enabled ? 0x200 : 0;
	flat_guest_set(g, &regs);
	if (r->steal)
		enable_steal(g);
	if (r->mask)
		set_mask(g);
}

static void turn(struct flat_guest *g, const struct row *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		need(!ioctl(g->vcpu, KVM_RUN, 0) && g->run->exit_reason == r->reason,
		     "%s: exit %u", r->name, g->run->exit_reason);
}

/* The one that is traced. */
static _Noreturn void run_rows(void)
{
	need(!ptrace(PTRACE_TRACEME, 0, NULL, NULL), "PTRACE_TRACEME");
	raise(SIGSTOP);
	for (unsigned i = 0; i < NR_ROWS; i++) {
		struct flat_guest g = { 0 };

		make(&g, &rows[i]);
		turn(&g, &rows[i], 20);
		syscall(MARK + i);
		turn(&g, &rows[i], TURNS);
		syscall(MARK + i);
		flat_guest_free(&g);
	}
	_exit(0);
}

/* Entries of system calls, from @child's beginning to its end, by row. */
static bool count(pid_t child, unsigned calls[NR_ROWS])
{
	int status, row = -1;
	bool entering = true;

	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return false;
	ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (int sig = 0;;) {
		struct user_regs_struct regs;
		long nr;

		if (ptrace(PTRACE_SYSCALL, child, NULL, sig) ||
		    waitpid(child, &status, 0) != child)
			return false;
		if (!WIFSTOPPED(status))
			return WIFEXITED(status) && !WEXITSTATUS(status);
		sig = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		if (sig)
			continue;
		if (entering && !ptrace(PTRACE_GETREGS, child, NULL, &regs)) {
			nr = (long)regs.orig_rax;
			if (nr >= MARK && nr < MARK + (long)NR_ROWS)
				row = row < 0 ? (int)(nr - MARK) : -1;
			else if (row >= 0)
				calls[row]++;
		}
		entering = !entering;
	}
}

static void traced(struct checks *c)
{
	unsigned calls[NR_ROWS] = { 0 };
	pid_t child = fork();
	bool done;

	if (!child)
		run_rows();
	done = count(child, calls);
	if (!check(c, done, "the traced child did not come to its end"))
		return;
	for (unsigned i = 0; i < NR_ROWS; i++)
		check(c, calls[i] <= TURNS * rows[i].at_most, "%s: %u calls in %u turns", rows[i].name,
		      calls[i], TURNS);
}

/* read(2) and its like by this thread so far; -1: the kernel does not count. */
static long long reads_by_now(void)
{
	long long n = -1;
	char line[80];
	FILE *f = fopen("/proc/thread-self/io", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "syscr: %lld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

/*
 * Not traced, only who has lost the processor asks for the number: far fewer
 * than there are turns.
 */
static void steal_untraced(struct checks *c)
{
	static const struct row row = { "steal time", calls_port, KVM_EXIT_IO, .steal = true };
	const unsigned turns = 20000;
	struct flat_guest g = { 0 };
	long long before, after;
	uint64_t version;

	make(&g, &row);
	turn(&g, &row, 20);
	version = *(uint32_t *)(g.low + STEAL + 8);
	before = reads_by_now();
	turn(&g, &row, turns);
	after = reads_by_now();
	check(c, *(uint32_t *)(g.low + STEAL + 8) - version == 2 * turns,
	      "steal time is told in each turn");
	if (before < 0)
		check_skip(c, "reads of the run delay", "/proc/thread-self/io is not there");
	else
		check(c, after - before < turns / 10, "steal time: %lld reads in %u turns",
		      after - before, turns);
	flat_guest_free(&g);
}

int main(void)
{
	struct checks c = { 0 };

	traced(&c);
	steal_untraced(&c);
	return checks_end(&c);
}
