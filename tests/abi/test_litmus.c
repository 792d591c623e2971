/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_litmus.c - the order in which processors see one another's memory
 * accesses, between vCPUs and between vCPUs and threads of the VMM: only what
 * x86 allows (Intel SDM vol. 3, 9.2; AMD APM vol. 2, 7.2).
 *
 * usage: test_litmus [MILLISECONDS [NAME]]
 *
 * Each test has a few short programs that run at once over many cells, each
 * with x and y in lines of their own.  A program is the same bytes wherever it
 * runs: in a guest, or called by a thread of ours.  MILLISECONDS (150) is for
 * each test and each choice of who runs what.  Stores that are seen late are
 * allowed; how often they were is printed.  NAME: the tests that begin so.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define NR_CELLS	512u
#define CELL		256u		/* x at 0, y at 128 */
#define MAX_THREADS	4
#define MEMORY		0x100000ul	/* slot 1: the gate, cells, results */
#define CELLS		PAGE
#define RESULTS		(CELLS + NR_CELLS * CELL)
#define MEMORY_SIZE	(RESULTS + MAX_THREADS * NR_CELLS * 8ul)

/*
 * RSI the first cell, RDI its result, RCX how many, RDX the gate, R8 threads,
 * R9 0, R11 0 in a guest.  Every eighth cell all wait for all.  EAX and EBX are
 * the result.
 */
#define PROGRAM(name, body) \
	asm(".pushsection litmus, \"ax\"\n" \
	    #name ":	test $7, %cl; jnz 5f\n" \
	    "		lock incq (%rdx); add %r8, %r9\n" \
	    "1:		mov $2000, %r10d\n" \
	    "2:		cmp %r9, (%rdx); jae 5f; pause; dec %r10d; jnz 2b\n" \
	    "		test %r11, %r11; jz 3f\n" \
	    "		push %rcx; push %r11; mov $24, %eax; syscall; pop %r11; pop %rcx; jmp 1b\n" \
	    "3:		out %al, $0x12; jmp 1b\n" \
	    "5:		xor %eax, %eax; xor %ebx, %ebx\n" \
	    body "\n" \
	    "		mov %eax, (%rdi); mov %ebx, 4(%rdi)\n" \
	    "		add $8, %rdi; add $256, %rsi; dec %rcx; jnz " #name "\n" \
	    "		ret\n" \
	    ".popsection\n"); \
	extern const char name[]

#define X	"(%rsi)"
#define Y	"128(%rsi)"
#define SET(what, value)	"movl $" #value ", " what ";"
#define GET(what, reg)		"movl " what ", %" reg ";"
#define XCHG(what)		"movl $1, %r10d; xchgl %r10d, " what ";"
#define LOCKED			"lock orl $0, (%rdi);"

asm(".pushsection litmus, \"ax\"\n"
    "litmus_start:	call *%rbp; out %al, $0x10\n"
    ".popsection\n");
extern const char litmus_start[];
PROGRAM(set_x_get_y, SET(X, 1) GET(Y, "eax"));
PROGRAM(set_y_get_x, SET(Y, 1) GET(X, "eax"));
PROGRAM(set_x_fence_get_y, SET(X, 1) "mfence;" GET(Y, "eax"));
PROGRAM(set_y_fence_get_x, SET(Y, 1) "mfence;" GET(X, "eax"));
PROGRAM(set_x_locked_get_y, SET(X, 1) LOCKED GET(Y, "eax"));
PROGRAM(set_y_locked_get_x, SET(Y, 1) LOCKED GET(X, "eax"));
PROGRAM(xchg_x_get_y, XCHG(X) GET(Y, "eax"));
PROGRAM(xchg_y_get_x, XCHG(Y) GET(X, "eax"));
PROGRAM(set_x_get_x_y, SET(X, 1) GET(X, "eax") GET(Y, "ebx"));
PROGRAM(set_y_get_y_x, SET(Y, 1) GET(Y, "eax") GET(X, "ebx"));
PROGRAM(set_x_set_y, SET(X, 1) SET(Y, 1));
PROGRAM(get_y_get_x, GET(Y, "eax") GET(X, "ebx"));
PROGRAM(get_x_get_y, GET(X, "eax") GET(Y, "ebx"));
PROGRAM(get_x_get_x, GET(X, "eax") GET(X, "ebx"));
PROGRAM(xchg_x_xchg_y, XCHG(X) XCHG(Y));
PROGRAM(get_x_set_y, GET(X, "eax") SET(Y, 1));
PROGRAM(get_y_set_x, GET(Y, "eax") SET(X, 1));
PROGRAM(set_x, SET(X, 1));
PROGRAM(set_y, SET(Y, 1));
PROGRAM(set_x_1_y_2, SET(X, 1) SET(Y, 2));
PROGRAM(set_y_1_x_2, SET(Y, 1) SET(X, 2));
PROGRAM(xadd_x, "movl $1, %eax; lock xaddl %eax, " X ";");
PROGRAM(cmpxchg_x, "movl $1, %r10d; lock cmpxchgl %r10d, " X ";");
PROGRAM(set_wide, "movq $-1, " X ";");
PROGRAM(get_wide, "movq " X ", %rax; mov %rax, %rbx; shr $32, %rbx;");
asm(".pushsection litmus, \"ax\"\n"
    "litmus_end:\n"
    ".popsection\n");
extern const char litmus_end[];

/* One cell after all programs have run. */
struct outcome { uint32_t x, y, r[MAX_THREADS][2]; };

static bool both_missed(const struct outcome *o)
{
	return !o->r[0][0] && !o->r[1][0];
}

static bool own_store_missed(const struct outcome *o)
{
	return !o->r[0][0] || !o->r[1][0];
}

static bool both_missed_after_own(const struct outcome *o)
{
	return !o->r[0][1] && !o->r[1][1];
}

static bool late_then_early(const struct outcome *o)
{
	return o->r[1][0] && !o->r[1][1];
}

static bool out_of_thin_air(const struct outcome *o)
{
	return o->r[0][0] && o->r[1][0];
}

static bool two_orders(const struct outcome *o)
{
	return o->r[2][0] && !o->r[2][1] && o->r[3][0] && !o->r[3][1];
}

static bool first_ones_last(const struct outcome *o)
{
	return o->x == 1 && o->y == 1;
}

static bool not_one_each(const struct outcome *o)
{
	return o->x != 2 || o->r[0][0] + o->r[1][0] != 1;
}

static bool not_one_winner(const struct outcome *o)
{
	return o->x != 1 || o->r[0][0] + o->r[1][0] != 1;
}

static bool torn(const struct outcome *o)
{
	return o->r[1][0] != o->r[1][1];
}

static bool never(const struct outcome *o)
{
	(void)o;
	return false;
}

static const struct test {
	const char *name;
	const char *program[MAX_THREADS];
	bool (*forbidden)(const struct outcome *);
	bool (*late)(const struct outcome *);	/* allowed, and counted */
} tests[] = {
	{ "store buffering", { set_x_get_y, set_y_get_x }, never, both_missed },
	{ "store buffering, MFENCE", { set_x_fence_get_y, set_y_fence_get_x }, both_missed, NULL },
	{ "store buffering, LOCK OR elsewhere", { set_x_locked_get_y, set_y_locked_get_x },
	  both_missed, NULL },
	{ "store buffering, XCHG", { xchg_x_get_y, xchg_y_get_x }, both_missed, NULL },
	{ "store buffering, one fence", { set_x_fence_get_y, set_y_get_x }, never, both_missed },
	{ "own stores first", { set_x_get_x_y, set_y_get_y_x }, own_store_missed,
	  both_missed_after_own },
	{ "message passing", { set_x_set_y, get_y_get_x }, late_then_early, NULL },
	{ "message passing, XCHG", { xchg_x_xchg_y, get_y_get_x }, late_then_early, NULL },
	{ "one place is coherent", { set_x, get_x_get_x }, late_then_early, NULL },
	{ "load buffering", { get_x_set_y, get_y_set_x }, out_of_thin_air, NULL },
	{ "two stores each", { set_x_1_y_2, set_y_1_x_2 }, first_ones_last, NULL },
	{ "independent readers", { set_x, set_y, get_x_get_y, get_y_get_x }, two_orders, NULL },
	{ "LOCK XADD", { xadd_x, xadd_x }, not_one_each, NULL },
	{ "LOCK CMPXCHG", { cmpxchg_x, cmpxchg_x }, not_one_winner, NULL },
	{ "eight bytes at once", { set_wide, get_wide }, torn, NULL },
};

static struct checks checks;

struct litmus {
	struct flat_guest guest;
	int		 vcpu[MAX_THREADS];
	struct kvm_run	*run[MAX_THREADS];
	uint8_t		*memory;
	pthread_barrier_t turn;
	bool		 over;			/* changed between two turns */
};

struct thread {
	struct litmus	*l;
	unsigned	 id, nr;
	bool		 is_guest;
	const char	*program;
	pthread_t	 thread;
};

static void run_in_guest(const struct thread *t)
{
	struct litmus *l = t->l;
	struct kvm_regs regs = flat_guest_regs(&l->guest, litmus_start);

	regs.rbp = GUEST_CODE + (uint64_t)(t->program - litmus_start);
	regs.rsp -= 0x400 * t->id;
	regs.rsi = MEMORY + CELLS;
	regs.rdi = MEMORY + RESULTS + t->id * NR_CELLS * 8;
	regs.rcx = NR_CELLS;
	regs.rdx = MEMORY;
	regs.r8 = t->nr;
	need(!ioctl(l->vcpu[t->id], KVM_SET_REGS, &regs), "KVM_SET_REGS");
	for (;;) {
		const struct kvm_run *run = l->run[t->id];

		need(!ioctl(l->vcpu[t->id], KVM_RUN, 0), "KVM_RUN");
		need(run->exit_reason == KVM_EXIT_IO, "an OUT, not exit %u", run->exit_reason);
		if (run->io.port == GUEST_IDLE_PORT)
			return;
		sched_yield();
	}
}

static void run_here(const struct thread *t)
{
	uint8_t *m = t->l->memory;
	const uint8_t *cell = m + CELLS;
	uint8_t *result = m + RESULTS + t->id * NR_CELLS * 8ul;
	const char *program = t->program;
	uint64_t count = NR_CELLS;
	register uint64_t nr asm("r8") = t->nr;
	register uint64_t target asm("r9") = 0;
	register uint64_t is_native asm("r11") = 1;

	/* The red zone is stepped over. */
	asm volatile("sub $128, %%rsp; call *%%rax; add $128, %%rsp"
		     : "+a"(program), "+S"(cell), "+D"(result), "+c"(count), "+r"(target),
		       "+r"(is_native)
		     : "d"(m), "r"(nr)
		     : "rbx", "r10", "memory", "cc");
}

static void *run_thread(void *arg)
{
	const struct thread *t = arg;

	for (;;) {
		pthread_barrier_wait(&t->l->turn);
		if (t->l->over)
			return NULL;
		if (t->is_guest)
			run_in_guest(t);
		else
			run_here(t);
		pthread_barrier_wait(&t->l->turn);
	}
}

static struct outcome outcome_of(const struct litmus *l, unsigned i)
{
	const uint8_t *cell = l->memory + CELLS + i * CELL;
	struct outcome o;

	memcpy(&o.x, cell, 4);
	memcpy(&o.y, cell + 128, 4);
	for (unsigned t = 0; t < MAX_THREADS; t++)
		memcpy(o.r[t], l->memory + RESULTS + (t * NR_CELLS + i) * 8ul, 8);
	return o;
}

static unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long)t.tv_sec * 1000 + (unsigned long)t.tv_nsec / 1000000;
}

/* @guests: bit N says that program N runs in a guest. */
static void run_test(struct litmus *l, const struct test *test, unsigned guests, unsigned long ms)
{
	static const char *const who[] = { "VMM", "vCPU" };
	unsigned long forbidden = 0, late = 0, cells = 0, end = now_ms() + ms;
	struct thread thread[MAX_THREADS];
	unsigned nr = test->program[2] ? 4 : 2;

	l->over = false;
	pthread_barrier_init(&l->turn, NULL, nr + 1);
	for (unsigned i = 0; i < nr; i++) {
		thread[i] = (struct thread){ l, i, nr, guests >> i & 1, test->program[i], 0 };
		need(!pthread_create(&thread[i].thread, NULL, run_thread, &thread[i]), "a thread");
	}
	do {
		memset(l->memory, 0, MEMORY_SIZE);
		pthread_barrier_wait(&l->turn);
		pthread_barrier_wait(&l->turn);
		for (unsigned i = 0; i < NR_CELLS; i++) {
			struct outcome o = outcome_of(l, i);

			forbidden += test->forbidden(&o);
			late += test->late && test->late(&o);
		}
		cells += NR_CELLS;
	} while (now_ms() < end && !forbidden);
	l->over = true;
	pthread_barrier_wait(&l->turn);
	for (unsigned i = 0; i < nr; i++)
		pthread_join(thread[i].thread, NULL);
	pthread_barrier_destroy(&l->turn);
	check(&checks, !forbidden, "%s (%s, %s): %lu of %lu are forbidden", test->name,
	      who[guests & 1], who[guests >> 1 & 1], forbidden, cells);
	if (test->late)
		printf("%s (%s, %s): %lu of %lu stores were seen late\n", test->name,
		       who[guests & 1], who[guests >> 1 & 1], late, cells);
}

static void add_vcpu(struct litmus *l, unsigned id)
{
	static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[256]; } cpuid;
	struct kvm_sregs sregs;

	cpuid.head.nent = 256;
	l->vcpu[id] = ioctl(l->guest.vm, KVM_CREATE_VCPU, id);
	need(l->vcpu[id] >= 0, "KVM_CREATE_VCPU");
	l->run[id] = vcpu_map(l->guest.kvm, l->vcpu[id]);
	need(!ioctl(l->guest.kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	need(!ioctl(l->vcpu[id], KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
	need(!ioctl(l->guest.vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	need(!ioctl(l->vcpu[id], KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

int main(int argc, char **argv)
{
	/* The guests run all, the first, the second half; and for comparison none. */
	static const unsigned who[] = { 0xf, 0x5, 0xa, 0 };
	unsigned long ms = argc > 1 ? strtoul(argv[1], NULL, 10) : 150;
	const char *name = argc > 2 ? argv[2] : "";
	struct litmus l = { .over = false };

	flat_guest_make(&l.guest, KVM_X86_DEFAULT_VM, false, litmus_start,
			(size_t)(litmus_end - litmus_start));
	l.memory = pages(MEMORY_SIZE);
	need(!vm_region(l.guest.vm, 1, 0, MEMORY, MEMORY_SIZE, l.memory), "slot 1");
	l.vcpu[0] = l.guest.vcpu;
	l.run[0] = l.guest.run;
	for (unsigned i = 1; i < MAX_THREADS; i++)
		add_vcpu(&l, i);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		for (size_t k = 0; k < sizeof(who) / sizeof(who[0]); k++)
			if (!strncmp(tests[i].name, name, strlen(name)))
				run_test(&l, &tests[i], who[k], ms);
	for (unsigned i = 1; i < MAX_THREADS; i++)
		close(l.vcpu[i]);
	flat_guest_free(&l.guest);
	return checks_end(&checks);
}
