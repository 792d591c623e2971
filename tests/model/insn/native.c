/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * native.c - one instruction on this machine's own processor, in any mode that
 * a program of Linux can reach.
 *
 * A signal frame is the whole state of a thread, code and stack segments, x87
 * and vector registers included.  One frame is kept: rt_sigreturn enters it, and the
 * trap that ends the instruction makes the kernel write the next one at the
 * same place, with vector, error code and CR2 in it.  So one run costs one
 * system call and one signal.
 */
#include "model/insn/world.h"

#include <asm/ldt.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_SIZE	(256u << 10)
/* uc_flags of the kernel's asm/ucontext.h */
#define FLAGS		0x7

#define SA_RESTORER	0x04000000ul	/* the kernel wants one; nobody returns through it */

struct frame_sel { uint16_t cs, gs, fs, ss; };

/* Known to the assembly by their offsets. */
static struct {
	uint64_t rsp;			/*  0 of the harness */
	uint64_t context;		/*  8 the kernel's frame */
	uint64_t host_fs, host_gs;	/* 16, 24 bases */
	uint64_t fs, gs;		/* 32, 40 bases of the instruction */
	uint16_t sel[6];		/* 48 enum x86_seg */
} native __attribute__((aligned(64), used));

/* Loads a selector without dying of a bad one: those of the test are good. */
void native_enter(void);
void native_first(void);
void native_caught(int sig, siginfo_t *info, void *context);
__asm__(
	".text\n"
	".macro native_push\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, native+0(%rip)\n"
	"	rdfsbase %rax; mov %rax, native+16(%rip)\n"
	"	rdgsbase %rax; mov %rax, native+24(%rip)\n"
	".endm\n"
	"native_first:\n"
	"	native_push\n"
	"	int3\n"
	"native_enter:\n"
	"	native_push\n"
	"	mov native+48(%rip), %es\n"
	"	mov native+54(%rip), %ds\n"
	"	mov native+56(%rip), %fs\n"
	"	mov native+58(%rip), %gs\n"
	"	mov native+32(%rip), %rax; wrfsbase %rax\n"
	"	mov native+40(%rip), %rax; wrgsbase %rax\n"
	"	mov native+8(%rip), %rsp\n"
	"	mov $15, %eax\n"
	"	syscall\n"
	"	ud2\n"
	"native_caught:\n"
	"	pushfq; andq $~0x244000, (%rsp); popfq\n"
	"	mov %es, native+48(%rip)\n"
	"	mov %ds, native+54(%rip)\n"
	"	mov %fs, native+56(%rip)\n"
	"	mov %gs, native+58(%rip)\n"
	"	rdfsbase %rax; mov %rax, native+32(%rip)\n"
	"	rdgsbase %rax; mov %rax, native+40(%rip)\n"
	"	xor %eax, %eax; mov %eax, %es; mov %eax, %ds; mov %eax, %fs; mov %eax, %gs\n"
	"	mov native+16(%rip), %rax; wrfsbase %rax\n"
	"	mov native+24(%rip), %rax; wrgsbase %rax\n"
	"	mov %rdx, native+8(%rip)\n"
	"	mov native+0(%rip), %rsp\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

#define AT_YMM		576	/* XSAVE's standard format */

static bool has_avx;
static uint8_t *memory;			/* the pages once more, all writable */

static bool map_pages(void)
{
	int fd = memfd_create("world", 0), prot;
	uint32_t at;
	void *p;

	if (fd < 0 || ftruncate(fd, WORLD_SIZE))
		return false;
	memory = mmap(NULL, WORLD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	p = mmap((void *)(uintptr_t)WORLD_BASE, WORLD_SIZE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (memory == MAP_FAILED || p != (void *)(uintptr_t)WORLD_BASE)
		return false;
	for (at = WORLD_BASE; at < WORLD_BASE + WORLD_SIZE; at += 4096) {
		static const int prots[] = {
			[WORLD_READ] = PROT_READ, [WORLD_WRITE] = PROT_READ | PROT_WRITE,
			[WORLD_EXEC] = PROT_READ | PROT_EXEC,
		};

		if (world_page(at) == WORLD_NONE)
			continue;
		prot = prots[world_page(at)];
		if (mmap((void *)(uintptr_t)at, 4096, prot, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
			 at - WORLD_BASE) == MAP_FAILED)
			return false;
	}
	close(fd);
	return true;
}

static bool set_segments(void)
{
	unsigned i;

	for (i = 0; i < SEG_NR; i++) {
		struct user_desc d = {
			.entry_number = i, .base_addr = world_ldt[i].base,
			.limit = world_ldt[i].limit, .seg_32bit = world_ldt[i].big,
			.contents = world_ldt[i].contents, .useable = 1,
			.read_exec_only = world_ldt[i].read_exec_only,
			.seg_not_present = world_ldt[i].absent,
		};

		if (syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)))
			return false;
	}
	return true;
}

/* Past libc and what a sanitizer puts before it: its handler would run first. */
static bool catch_signal(int sig)
{
	const struct {
		void (*handler)(int, siginfo_t *, void *);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} sa = { native_caught, SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER, native_first, 0 };

	return !syscall(SYS_rt_sigaction, sig, &sa, NULL, sizeof(sa.mask));
}

bool native_init(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	static uint8_t stack[STACK_SIZE] __attribute__((aligned(4096)));
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	cpu_set_t here;
	unsigned i;

	/* One processor: Linux has its number in a segment's limit. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		return false;
	/* HWCAP2_FSGSBASE */
	if (!(getauxval(AT_HWCAP2) & 2) || !map_pages() || !set_segments() ||
	    sigaltstack(&ss, NULL))
		return false;
	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		if (!catch_signal(sigs[i]))
			return false;
	has_avx = __builtin_cpu_supports("avx");
	native_first();
	return true;
}

uint8_t *native_memory(void)
{
	return memory;
}

static const uint8_t order[16] = {
	[X86_RAX] = REG_RAX, [X86_RCX] = REG_RCX, [X86_RDX] = REG_RDX, [X86_RBX] = REG_RBX,
	[X86_RSP] = REG_RSP, [X86_RBP] = REG_RBP, [X86_RSI] = REG_RSI, [X86_RDI] = REG_RDI,
	[X86_R8] = REG_R8, [X86_R9] = REG_R9, [X86_R10] = REG_R10, [X86_R11] = REG_R11,
	[X86_R12] = REG_R12, [X86_R13] = REG_R13, [X86_R14] = REG_R14, [X86_R15] = REG_R15,
};

void native_run(struct world *w)
{
	ucontext_t *uc = (ucontext_t *)(uintptr_t)native.context;
	greg_t *g = uc->uc_mcontext.gregs;
	struct frame_sel sel = { w->sel[X86_CS], 0, 0, w->sel[X86_SS] };
	uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;
	uint64_t in_use = w->in_use & (has_avx ? 7 : 3);
	unsigned i;

	for (i = 0; i < 16; i++)
		g[order[i]] = (greg_t)w->r[i];
	g[REG_RIP] = (greg_t)w->rip;
	g[REG_EFL] = (greg_t)w->flags;
	memcpy(&g[REG_CSGSFS], &sel, sizeof(sel));
	g[REG_ERR] = g[REG_TRAPNO] = g[REG_CR2] = 0;
	uc->uc_flags = FLAGS;
	/* The kernel's words at 464 say how large the frame is; XSTATE_BV follows at 512. */
	memcpy(fx, w->fx, 416);
	memcpy(fx + 512, &in_use, 8);
	if (has_avx)
		memcpy(fx + AT_YMM, w->ymm, sizeof(w->ymm));
	memcpy(native.sel, w->sel, sizeof(native.sel));
	native.fs = w->fs_base;
	native.gs = w->gs_base;

	native_enter();

	uc = (ucontext_t *)(uintptr_t)native.context;
	g = uc->uc_mcontext.gregs;
	for (i = 0; i < 16; i++)
		w->r[i] = (uint64_t)g[order[i]];
	w->rip = (uint64_t)g[REG_RIP];
	w->flags = (uint64_t)g[REG_EFL];
	memcpy(&sel, &g[REG_CSGSFS], sizeof(sel));
	memcpy(w->sel, native.sel, sizeof(w->sel));
	w->sel[X86_CS] = sel.cs;
	w->sel[X86_SS] = sel.ss;
	w->fs_base = native.fs;
	w->gs_base = native.gs;
	fx = (uint8_t *)uc->uc_mcontext.fpregs;
	memcpy(w->fx, fx, sizeof(w->fx));
	if (has_avx)
		memcpy(w->ymm, fx + AT_YMM, sizeof(w->ymm));
	w->vector = (int)g[REG_TRAPNO];
	w->error = (uint64_t)g[REG_ERR];
	w->cr2 = (uint64_t)g[REG_CR2];
	w->what = 0;
}
