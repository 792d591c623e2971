/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_run.c - how KVM_RUN comes back: port and memory-mapped I/O and its
 * completion, HLT, shutdown, hypercalls, signals, immediate_exit.
 * Facts: kvm.md 1.8, 1.12, 1.13, 8.
 *
 * usage: test_run [--verbose] [--emulated]
 *
 * Every check is made in a DEFAULT VM and, where there is one, in a
 * SW_PROTECTED VM, which behaves the same towards shared memory.  Asking a KVM
 * that runs such guests in its instruction emulator (kvm_pvm) needs --emulated:
 * hypercalls and memory that is not there are left out.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kicker.h"
#include "kvm_user.h"

/* Every piece ends with `done`. */
__asm__(".pushsection .rodata\n"
	".macro done\n out %al, $0x10\n .endm\n"
	"run_code:\n"
	"run_out:	out %al, $0x42; out %ax, $0x42; out %eax, $0x42; done\n"
	"run_in:	in $0x43, %al; done\n"
	"run_in2:	in $0x43, %ax; done\n"
	"run_in4:	in $0x43, %eax; done\n"
	"run_outs:	cld; rep outsb; done\n"
	"run_ins:	cld; rep insb; done\n"
	"run_hlt:	hlt; done\n"
	"run_ud:	ud2\n"
	"run_load1:	mov (%rdi), %al; done\n"
	"run_load2:	mov (%rdi), %ax; done\n"
	"run_load4:	mov (%rdi), %eax; done\n"
	"run_load8:	mov (%rdi), %rax; done\n"
	"run_movsx:	movslq (%rdi), %rax; done\n"
	"run_store1:	mov %al, (%rdi); done\n"
	"run_store2:	mov %ax, (%rdi); done\n"
	"run_store4:	mov %eax, (%rdi); done\n"
	"run_store8:	mov %rax, (%rdi); done\n"
	"run_rmw:	addl $1, (%rdi); done\n"
	"run_movs:	cld; rep movsb; done\n"
	"run_cmps:	cld; repe cmpsw; done\n"
	"run_movups:	movups (%rsi), %xmm0; movups %xmm0, (%rdi); done\n"
	"run_vmcall:	vmcall; done\n"
	"run_vmmcall:	vmmcall; done\n"
	"run_spin:	incq (%rdi); jmp run_spin\n"
	"run_end:	.popsection\n");
extern const char run_code[], run_out[], run_in[], run_in2[], run_in4[], run_outs[], run_ins[],
	run_hlt[], run_ud[], run_load1[], run_load2[], run_load4[], run_load8[], run_movsx[],
	run_store1[], run_store2[], run_store4[], run_store8[], run_rmw[], run_movs[], run_cmps[],
	run_movups[], run_vmcall[], run_vmmcall[], run_spin[], run_end[];

/* Nobody maps anything here while it is gone. */
#define GONE_AT	((void *)0x550010000000ul)

static struct checks c;
static const char *vm_name;
static bool emulated;

#define IS(want, expr) \
	do { \
		uint64_t is_got = (uint64_t)(expr), is_want = (uint64_t)(want); \
		check(&c, is_got == is_want, "%s VM, %s:%d: %s is 0x%llx, not 0x%llx", vm_name, \
		      __func__, __LINE__, #expr, (unsigned long long)is_got, \
		      (unsigned long long)is_want); \
	} while (0)

static struct kvm_regs start(struct flat_guest *g, const char *entry, uint64_t rax, uint64_t rdi)
{
	struct kvm_regs r = flat_guest_regs(g, entry);

	r.rax = rax;
	r.rdi = rdi;
	flat_guest_set(g, &r);
	return r;
}

/* The guest is at its last OUT. */
static bool is_done(struct flat_guest *g)
{
	return g->run->exit_reason == KVM_EXIT_IO && g->run->io.port == GUEST_IDLE_PORT &&
	       g->run->io.direction == KVM_EXIT_IO_OUT;
}

static void *io_data(struct flat_guest *g)
{
	return (char *)g->run + g->run->io.data_offset;
}

static void port_out(struct flat_guest *g)
{
	static const uint8_t sizes[] = { 1, 2, 4 };

	start(g, run_out, 0x1122334455667788, 0);
	for (int i = 0; i < 3; i++) {
		uint64_t data = 0;

		IS(0, flat_guest_run(g));
		IS(KVM_EXIT_IO, g->run->exit_reason);
		IS(KVM_EXIT_IO_OUT, g->run->io.direction);
		IS(sizes[i], g->run->io.size);
		IS(0x42, g->run->io.port);
		IS(1, g->run->io.count);
		IS(PAGE, g->run->io.data_offset);
		memcpy(&data, io_data(g), sizes[i]);
		IS(0x55667788ULL & (~0ULL >> (64 - 8 * sizes[i])), data);
	}
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
}

static void port_in(struct flat_guest *g)
{
	static const struct {
		const char *entry;
		int size;
		uint64_t rax;
	} rows[] = {
		{ run_in, 1, 0x1122334455667704 },
		{ run_in2, 2, 0x1122334455660304 },
		{ run_in4, 4, 0x01020304 },	/* 32-bit results are zero extended */
	};

	for (int i = 0; i < 3; i++) {
		uint32_t data = 0x01020304;

		start(g, rows[i].entry, 0x1122334455667788, 0);
		IS(0, flat_guest_run(g));
		IS(KVM_EXIT_IO, g->run->exit_reason);
		IS(KVM_EXIT_IO_IN, g->run->io.direction);
		IS(rows[i].size, g->run->io.size);
		IS(0x43, g->run->io.port);
		memcpy(io_data(g), &data, (size_t)rows[i].size);
		/* Completed by the next run, before immediate_exit is looked at. */
		g->run->immediate_exit = 1;
		IS(-EINTR, flat_guest_run(g));
		IS(rows[i].rax, flat_guest_get(g).rax);
		IS(-EINTR, flat_guest_run(g));
		g->run->immediate_exit = 0;
		IS(0, flat_guest_run(g));
		IS(true, is_done(g));
		IS(rows[i].rax, flat_guest_get(g).rax);
	}
}

/* Runs until the guest is done; @each is called at every exit. */
static void run_until_done(struct flat_guest *g, void (*each)(struct flat_guest *g, void *arg),
			   void *arg)
{
	for (int exits = 0; exits < 100; exits++) {
		IS(0, flat_guest_run(g));
		if (is_done(g))
			return;
		each(g, arg);
	}
	check(&c, false, "%s VM: a guest that does not end", vm_name);
}

struct stream {
	char bytes[32];
	size_t at;
};

static void out_bytes(struct flat_guest *g, void *arg)
{
	struct stream *s = arg;

	IS(1, g->run->io.size);
	if (s->at + g->run->io.count <= sizeof(s->bytes))
		memcpy(s->bytes + s->at, io_data(g), g->run->io.count);
	s->at += g->run->io.count;
}

static void in_bytes(struct flat_guest *g, void *arg)
{
	struct stream *s = arg;

	IS(KVM_EXIT_IO_IN, g->run->io.direction);
	for (uint32_t i = 0; i < g->run->io.count; i++)
		((char *)io_data(g))[i] = s->bytes[s->at++ % sizeof(s->bytes)];
}

/* In how many exits a string goes is KVM's affair, its bytes are not. */
static void port_strings(struct flat_guest *g)
{
	struct stream out = { .at = 0 }, in = { .bytes = "from outside" };
	struct kvm_regs r = flat_guest_regs(g, run_outs);

	memcpy(g->low + GUEST_FREE, "hello", 5);
	r.rsi = GUEST_FREE;
	r.rcx = 5;
	r.rdx = 0x44;
	flat_guest_set(g, &r);
	run_until_done(g, out_bytes, &out);
	IS(5, out.at);
	IS(0, memcmp(out.bytes, "hello", 5));
	IS(0, flat_guest_get(g).rcx);
	IS(GUEST_FREE + 5, flat_guest_get(g).rsi);
	r = flat_guest_regs(g, run_ins);
	r.rdi = GUEST_FREE + 64;
	r.rcx = 12;
	r.rdx = 0x45;
	flat_guest_set(g, &r);
	run_until_done(g, in_bytes, &in);
	IS(12, in.at);
	IS(0, memcmp(g->low + GUEST_FREE + 64, "from outside", 12));
}

static void mmio_read(struct flat_guest *g)
{
	static const struct {
		const char *entry;
		uint32_t len;
		uint64_t rax;
	} rows[] = {
		{ run_load1, 1, 0x1122334455667784 },
		{ run_load2, 2, 0x1122334455668384 },
		{ run_load4, 4, 0x81828384 },
		{ run_load8, 8, 0x9192939481828384 },
		{ run_movsx, 4, 0xffffffff81828384 },
	};
	const uint64_t data = 0x9192939481828384;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(g, rows[i].entry, 0x1122334455667788, GUEST_MMIO + 0x10);
		IS(0, flat_guest_run(g));
		IS(KVM_EXIT_MMIO, g->run->exit_reason);
		IS(GUEST_MMIO + 0x10, g->run->mmio.phys_addr);
		IS(rows[i].len, g->run->mmio.len);
		IS(0, g->run->mmio.is_write);
		memcpy(g->run->mmio.data, &data, sizeof(data));
		g->run->immediate_exit = 1;
		IS(-EINTR, flat_guest_run(g));
		IS(rows[i].rax, flat_guest_get(g).rax);
		g->run->immediate_exit = 0;
		IS(0, flat_guest_run(g));
		IS(true, is_done(g));
		IS(rows[i].rax, flat_guest_get(g).rax);
	}
}

static void mmio_write(struct flat_guest *g)
{
	static const char *const entries[] = { run_store1, run_store2, run_store4, run_store8 };

	for (int i = 0; i < 4; i++) {
		uint64_t data = 0, rax = 0x1122334455667788;
		uint32_t len = 1U << i;

		start(g, entries[i], rax, GUEST_MMIO + 0x20);
		IS(0, flat_guest_run(g));
		IS(KVM_EXIT_MMIO, g->run->exit_reason);
		IS(GUEST_MMIO + 0x20, g->run->mmio.phys_addr);
		IS(len, g->run->mmio.len);
		IS(1, g->run->mmio.is_write);
		memcpy(&data, g->run->mmio.data, len);
		IS(rax & (~0ULL >> (64 - 8 * len)), data);
		IS(0, flat_guest_run(g));
		IS(true, is_done(g));
	}
}

/* One exit of an access that needs several. */
static void mmio_part(struct flat_guest *g, uint64_t gpa, uint32_t len, bool write)
{
	IS(0, flat_guest_run(g));
	IS(KVM_EXIT_MMIO, g->run->exit_reason);
	IS(gpa, g->run->mmio.phys_addr);
	IS(len, g->run->mmio.len);
	IS(write, g->run->mmio.is_write);
}

static void mmio_in_parts(struct flat_guest *g)
{
	const uint64_t edge = GUEST_MMIO + PAGE - 4;
	struct kvm_regs r;
	uint32_t four = 41;

	/* Across a page: two pieces. */
	start(g, run_load8, 0, edge);
	mmio_part(g, edge, 4, false);
	memcpy(g->run->mmio.data, "\1\2\3\4", 4);
	mmio_part(g, edge + 4, 4, false);
	memcpy(g->run->mmio.data, "\5\6\7\10", 4);
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	IS(0x0807060504030201, flat_guest_get(g).rax);
	start(g, run_store8, 0x1122334455667788, edge);
	mmio_part(g, edge, 4, true);
	IS(0, memcmp(g->run->mmio.data, "\x88\x77\x66\x55", 4));
	mmio_part(g, edge + 4, 4, true);
	IS(0, memcmp(g->run->mmio.data, "\x44\x33\x22\x11", 4));
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	/* Read, modify, write. */
	start(g, run_rmw, 0, GUEST_MMIO);
	mmio_part(g, GUEST_MMIO, 4, false);
	memcpy(g->run->mmio.data, &four, 4);
	mmio_part(g, GUEST_MMIO, 4, true);
	memcpy(&four, g->run->mmio.data, 4);
	IS(42, four);
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	/* Sixteen bytes at once: eight and eight. */
	memcpy(g->low + GUEST_FREE, "abcdefghijklmnop", 16);
	r = start(g, run_movups, 0, GUEST_MMIO);
	r.rsi = GUEST_FREE;
	flat_guest_set(g, &r);
	mmio_part(g, GUEST_MMIO, 8, true);
	IS(0, memcmp(g->run->mmio.data, "abcdefgh", 8));
	mmio_part(g, GUEST_MMIO + 8, 8, true);
	IS(0, memcmp(g->run->mmio.data, "ijklmnop", 8));
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	/* A string: one element an exit. */
	r = start(g, run_movs, 0, GUEST_MMIO);
	r.rsi = GUEST_FREE;
	r.rcx = 3;
	flat_guest_set(g, &r);
	for (int i = 0; i < 3; i++) {
		mmio_part(g, GUEST_MMIO + (uint64_t)i, 1, true);
		IS('a' + i, g->run->mmio.data[0]);
	}
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	/* Two loads an element; the second element of one side is the first of the other. */
	r = start(g, run_cmps, 0, GUEST_MMIO + 2);
	r.rsi = GUEST_MMIO;
	r.rcx = 3;
	flat_guest_set(g, &r);
	for (uint64_t i = 0; i < 2; i++) {
		mmio_part(g, GUEST_MMIO + 2 * i, 2, false);
		memcpy(g->run->mmio.data, "xy", 2);
		mmio_part(g, GUEST_MMIO + 2 * i + 2, 2, false);
		memcpy(g->run->mmio.data, i ? "xz" : "xy", 2);
	}
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	IS(1, flat_guest_get(g).rcx);
}

/* Registers for KVM_HC_MAP_GPA_RANGE by this processor's instruction. */
static struct kvm_regs map_gpa_range(struct flat_guest *g, uint64_t gpa, uint64_t pages,
				     uint64_t attributes)
{
	struct kvm_regs r = flat_guest_regs(g, g->amd ? run_vmmcall : run_vmcall);

	r.rax = 12;
	r.rbx = gpa;
	r.rcx = pages;
	r.rdx = attributes;
	flat_guest_set(g, &r);
	return r;
}

static void refused_hypercall(struct flat_guest *g, uint64_t gpa, uint64_t nr, int64_t want)
{
	map_gpa_range(g, gpa, nr, 0x10);
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	IS(want, flat_guest_get(g).rax);
}

static void hypercalls(struct flat_guest *g)
{
	const uint64_t untouched = 0xfedcba9800000010;

	refused_hypercall(g, 0x5000, 1, -1000);		/* not enabled */
	IS(0, vm_enable(g->vm, KVM_CAP_EXIT_HYPERCALL, 1 << 12));
	refused_hypercall(g, 0x5001, 1, -22);
	refused_hypercall(g, 0x5000, 0, -22);
	refused_hypercall(g, 0x5000, ~0ULL, -22);
	map_gpa_range(g, 0x123456789000, 7, untouched);
	IS(0, flat_guest_run(g));
	IS(KVM_EXIT_HYPERCALL, g->run->exit_reason);
	IS(12, g->run->hypercall.nr);
	IS(0x123456789000, g->run->hypercall.args[0]);
	IS(7, g->run->hypercall.args[1]);
	IS(untouched, g->run->hypercall.args[2]);
	IS(KVM_EXIT_HYPERCALL_LONG_MODE, g->run->hypercall.flags);
	g->run->hypercall.ret = 0x77;
	g->run->immediate_exit = 1;
	IS(-EINTR, flat_guest_run(g));
	IS(0x77, flat_guest_get(g).rax);
	g->run->immediate_exit = 0;
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	IS(0x77, flat_guest_get(g).rax);
	IS(0, vm_enable(g->vm, KVM_CAP_EXIT_HYPERCALL, 0));
	refused_hypercall(g, 0x5000, 1, -1000);
}

/* The other vendor's instruction works and has become this one's. */
static void wrong_hypercall(struct flat_guest *g)
{
	const char *wrong = g->amd ? run_vmcall : run_vmmcall;
	const char *right = g->amd ? run_vmmcall : run_vmcall;
	struct kvm_regs r = flat_guest_regs(g, wrong);

	r.rax = 999;
	flat_guest_set(g, &r);
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	IS(-1000, flat_guest_get(g).rax);
	IS(0, memcmp(g->low + GUEST_CODE + (wrong - run_code), right, 3));
}

static volatile sig_atomic_t handled;

static void signal_nop(int sig)
{
	(void)sig;
	handled++;
}

static void handle(int sig, void (*handler)(int), int flags)
{
	const struct sigaction a = { .sa_handler = handler, .sa_flags = flags };

	need(!sigaction(sig, &a, NULL), "sigaction");
}

static uint64_t counted(struct flat_guest *g)
{
	return *(volatile uint64_t *)(g->low + GUEST_FREE);
}

/* KVM_RUN of a guest that counts, which SIGALRM ends. */
static long run_until_alarm(struct flat_guest *g)
{
	return kicked_run(g, SIGALRM, (volatile uint64_t *)(g->low + GUEST_FREE));
}

/* How often the handler has run.  TSan holds signals back until libc is called. */
static int handled_now(void)
{
	usleep(1);
	return handled;
}

static void signals(struct flat_guest *g)
{
	uint64_t before;

	/* A signal ends the run; its handler has run once, whatever SA_RESTART says. */
	for (int i = 0; i < 2; i++) {
		handle(SIGALRM, signal_nop, i ? SA_RESTART : 0);
		handled = 0;
		if (!i)
			start(g, run_spin, 0, GUEST_FREE);
		before = counted(g);
		IS(-EINTR, run_until_alarm(g));
		IS(KVM_EXIT_INTR, g->run->exit_reason);
		IS(1, handled_now());
		check(&c, counted(g) > before, "%s VM: the guest went on until the signal", vm_name);
	}
	/* An ignored one does not. */
	handle(SIGUSR1, SIG_IGN, 0);
	handled = 0;
	need(!raise(SIGUSR1), "raise");
	IS(-EINTR, run_until_alarm(g));
	IS(1, handled_now());
	handle(SIGUSR1, signal_nop, 0);
}

static void signal_mask(struct flat_guest *g)
{
	struct {
		__u32 len;
		__u8 set[8];
	} mask = { 8, { 0 } };
	sigset_t blocked, pending;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	need(!sigprocmask(SIG_BLOCK, &blocked, NULL), "sigprocmask");
	handled = 0;
	need(!raise(SIGUSR1), "raise");
	/* Blocked: the alarm ends the run. */
	IS(-EINTR, run_until_alarm(g));
	IS(1, handled_now());
	/* Admitted during the run only: EINTR at once, and it stays pending. */
	IS(0, ioctl(g->vcpu, KVM_SET_SIGNAL_MASK, &mask));
	IS(-EINTR, flat_guest_run(g));
	IS(KVM_EXIT_INTR, g->run->exit_reason);
	IS(1, handled_now());
	sigpending(&pending);
	IS(1, sigismember(&pending, SIGUSR1));
	IS(-EINTR, flat_guest_run(g));
	/* Taken, the run is free again. */
	need(sigwaitinfo(&blocked, NULL) == SIGUSR1, "sigwaitinfo");
	IS(-EINTR, run_until_alarm(g));
	IS(2, handled_now());
	IS(0, ioctl(g->vcpu, KVM_SET_SIGNAL_MASK, NULL));
	need(!sigprocmask(SIG_UNBLOCK, &blocked, NULL), "sigprocmask");
	IS(2, handled_now());
}

static void immediate(struct flat_guest *g)
{
	struct kvm_regs r = start(g, run_spin, 0, GUEST_FREE);
	uint64_t before = counted(g);

	g->run->immediate_exit = 1;
	IS(-EINTR, flat_guest_run(g));
	g->run->immediate_exit = 0;
	IS(before, counted(g));
	IS(r.rip, flat_guest_get(g).rip);
}

static void bare(unsigned long type)
{
	struct flat_guest g;
	struct kvm_regs r;

	/* Without an irqchip HLT is the VMM's. */
	flat_guest_make(&g, type, false, run_code, (size_t)(run_end - run_code));
	r = start(&g, run_hlt, 0, 0);
	IS(0, flat_guest_run(&g));
	IS(KVM_EXIT_HLT, g.run->exit_reason);
	IS(r.rip + 1, flat_guest_get(&g).rip);
	IS(0, flat_guest_run(&g));
	IS(true, is_done(&g));
	start(&g, run_ud, 0, 0);
	IS(0, flat_guest_run(&g));
	IS(KVM_EXIT_SHUTDOWN, g.run->exit_reason);
	flat_guest_free(&g);
}

/* A slot whose memory the VMM does not have: EFAULT, and no exit to speak of. */
static void unbacked(struct flat_guest *g)
{
	char *gone = mmap(GONE_AT, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	need(gone == GONE_AT, "mmap");
	IS(0, vm_region(g->vm, 1, 0, 0x200000, PAGE, gone));
	munmap(gone, PAGE);
	start(g, run_load8, 0, 0x200000);
	IS(-EFAULT, flat_guest_run(g));
	IS(KVM_EXIT_UNKNOWN, g->run->exit_reason);
	/* Nothing was executed: with the memory there, it goes on. */
	need(mmap(gone, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		  0) == gone, "mmap");
	memcpy(gone, "abcdefgh", 8);
	IS(0, flat_guest_run(g));
	IS(true, is_done(g));
	IS(0x6867666564636261, flat_guest_get(g).rax);
	IS(0, vm_region(g->vm, 1, 0, 0, 0, NULL));
	munmap(gone, PAGE);
}

static void all(unsigned long type, const char *name)
{
	struct flat_guest g;

	vm_name = name;
	flat_guest_make(&g, type, true, run_code, (size_t)(run_end - run_code));
	port_out(&g);
	port_in(&g);
	port_strings(&g);
	mmio_read(&g);
	mmio_write(&g);
	mmio_in_parts(&g);
	if (!emulated) {
		hypercalls(&g);
		wrong_hypercall(&g);
		unbacked(&g);
	}
	immediate(&g);
	signals(&g);
	signal_mask(&g);
	flat_guest_free(&g);
	bare(type);
}

int main(int argc, char **argv)
{
	int kvm = kvm_open();
	long types = kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);

	for (int i = 1; i < argc; i++) {
		c.verbose |= !strcmp(argv[i], "--verbose");
		emulated |= !strcmp(argv[i], "--emulated");
	}
	close(kvm);
	all(KVM_X86_DEFAULT_VM, "DEFAULT");
	if (types & 1 << KVM_X86_SW_PROTECTED_VM)
		all(KVM_X86_SW_PROTECTED_VM, "SW_PROTECTED");
	return checks_end(&c);
}
