/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * coro.c - virtual threads: a stack each, a switch of seven registers, and the
 * futex that puts them to sleep.
 *
 * Whoever runs is either thread 0 or a thread that thread 0 has switched to;
 * a thread that stops always switches back to thread 0.
 */
#include "os/coro.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/page.h"
#include "os/process.h"

#define STACK_SIZE	(256u << 10)

struct coro {
	void		*sp;		/* while it does not run */
	void		(*fn)(void *arg);
	void		*arg;
	const char	*name;
	const char	*waits_for;	/* what it said last */
	const char	*last_point;
	const char	*target;	/* where it is to stop */
	const uint32_t	*word;		/* sleeps until this changes; NULL: can run */
	enum coro_stop	 stop;
	bool		 timed;		/* a sleep that ends by itself */
	bool		 daemon, ended;
};

struct coro_clock coro_clock CORO_STATE = { .left = ~0ull };
static struct coro threads[CORO_MAX] CORO_STATE = { [0] = { .name = "the test" } };
static unsigned nr_threads CORO_STATE = 1;

static char *stacks;			/* of threads 1 and up; a page below each has no access */
static char *saved_stacks;		/* the used part of each, at the same place */
static size_t saved_size[CORO_MAX];

/*
 * Callee-saved registers stay on the stack that is left.  The x87 and SSE
 * control words are the same for all threads.
 */
void coro_switch(void **save_sp, void *load_sp);
__asm__(".pushsection .text\n"
	".globl coro_switch\n"
	".hidden coro_switch\n"
	".type coro_switch, @function\n"
	"coro_switch:\n\t"
	"pushq %rbp\n\t"
	"pushq %rbx\n\t"
	"pushq %r12\n\t"
	"pushq %r13\n\t"
	"pushq %r14\n\t"
	"pushq %r15\n\t"
	"movq %rsp, (%rdi)\n\t"
	"movq %rsi, %rsp\n\t"
	"popq %r15\n\t"
	"popq %r14\n\t"
	"popq %r13\n\t"
	"popq %r12\n\t"
	"popq %rbx\n\t"
	"popq %rbp\n\t"
	"ret\n"
	".size coro_switch, .-coro_switch\n"
	".popsection");

/* The end of the stack below thread number @thread. */
static char *stack_top(unsigned thread)
{
	return stacks + (size_t)thread * STACK_SIZE;
}

int coro_open(void)
{
	size_t size = (size_t)CORO_MAX * STACK_SIZE;

	if (stacks)
		return 0;
	stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	saved_stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stacks == MAP_FAILED || saved_stacks == MAP_FAILED)
		return -ENOMEM;
	for (unsigned i = 0; i < CORO_MAX; i++)
		if (mprotect(stacks + (size_t)i * STACK_SIZE, PAGE_SIZE, PROT_NONE))
			return -ENOMEM;
	return 0;
}

/* Back to thread 0, which is in coro_run(). */
static void stop(enum coro_stop why)
{
	struct coro *me = &threads[coro_clock.self];

	me->stop = why;
	coro_switch(&me->sp, threads[0].sp);
}

static void begin(void)
{
	struct coro *me = &threads[coro_clock.self];

	me->fn(me->arg);
	me->ended = true;
	stop(CORO_ENDED);
	panic("thread \"%s\" runs after its end", me->name);
}

int coro_start(void (*fn)(void *), void *arg, const char *name, bool daemon)
{
	struct coro *c;
	void **sp;

	if (nr_threads == CORO_MAX)
		return -EAGAIN;
	/* As begin() would find it after a call: return address, then 16-byte alignment. */
	sp = (void **)(void *)stack_top(nr_threads + 1);
	*--sp = NULL;
	*--sp = (void *)begin;
	for (int i = 0; i < 6; i++)
		*--sp = NULL;
	c = &threads[nr_threads];
	*c = (struct coro){ .sp = sp, .fn = fn, .arg = arg, .name = name, .daemon = daemon };
	return (int)nr_threads++;
}

enum coro_stop coro_run(unsigned thread, const char *point, uint64_t steps)
{
	struct coro *c = &threads[thread];

	if (coro_clock.self || !thread || thread >= nr_threads || c->ended)
		panic("thread %u cannot be run from \"%s\"", thread, coro_name(coro_self()));
	if (c->word && !c->timed)
		return CORO_BLOCKED;
	c->word = NULL;			/* time passes when somebody wants it to */
	c->target = point;
	coro_clock.self = thread;
	coro_clock.left = steps;
	coro_switch(&threads[0].sp, c->sp);
	coro_clock.self = 0;
	coro_clock.left = ~0ull;
	return c->stop;
}

void coro_spent(void)
{
	coro_clock.left = ~0ull;
	if (coro_clock.self)
		stop(CORO_SPENT);
}

void coro_point(const char *name)
{
	struct coro *me = &threads[coro_clock.self];

	coro_step();
	me->last_point = name;
	if (me->target && !strcmp(me->target, name))
		stop(CORO_AT_POINT);
}

void coro_waiting(const char *what)
{
	threads[coro_clock.self].waits_for = what;
}

static bool can_run(const struct coro *c)
{
	return !c->ended && !c->word;
}

bool coro_run_daemons(void)
{
	bool any = false, again;

	do {
		again = false;
		for (unsigned i = 1; i < nr_threads; i++) {
			if (!threads[i].daemon || !can_run(&threads[i]))
				continue;
			any = again = true;
			/* One that spins waits for a thread that is no daemon. */
			if (coro_run(i, NULL, ~0ull) == CORO_RELAXED)
				return any;
		}
	} while (again);
	return any;
}

void coro_relax(void)
{
	if (coro_clock.self)
		stop(CORO_RELAXED);
	else if (!coro_run_daemons())
		panic("the test spins, and nobody else can run");
}

/* ---- os/process.h: what a thread asks of the operating system ---- */

/* Thread 0 has nobody above it: daemons run until one has woken it. */
static void wait_in_test(const uint32_t *word, uint32_t expected, uint64_t ns)
{
	struct coro *me = &threads[0];

	me->word = word;
	while (me->word && __atomic_load_n(word, __ATOMIC_RELAXED) == expected && !ns)
		if (!coro_run_daemons())
			panic("the test waits for %s, and nobody can wake it", coro_waits_for(0));
	me->word = NULL;
}

void os_futex_wait(const uint32_t *word, uint32_t expected, uint64_t ns)
{
	struct coro *me = &threads[coro_clock.self];

	coro_step();
	if (__atomic_load_n(word, __ATOMIC_RELAXED) != expected)
		return;
	if (!coro_clock.self) {
		wait_in_test(word, expected, ns);
		return;
	}
	me->word = word;
	me->timed = ns;
	stop(CORO_BLOCKED);
}

void os_futex_wake(const uint32_t *word, int nr)
{
	coro_step();
	for (unsigned i = 0; i < nr_threads && nr > 0; i++) {
		if (threads[i].word != word)
			continue;
		threads[i].word = NULL;
		nr--;
	}
}

void os_yield(void)
{
	coro_relax();
}

int os_pid(void)
{
	return 1;
}

int os_tid(void)
{
	return (int)coro_clock.self + 1;
}

unsigned os_nr_cpus(void)
{
	return 1;
}

uint64_t os_run_delay_ns(void)
{
	return 0;
}

bool os_signal_pending(uint64_t allowed)
{
	return false;
}

/* ---- what scripts and reports ask ---- */

bool coro_has_ended(unsigned thread)
{
	return threads[thread].ended;
}

bool coro_is_blocked(unsigned thread)
{
	return threads[thread].word != NULL;
}

bool coro_is_daemon(unsigned thread)
{
	return threads[thread].daemon;
}

const char *coro_name(unsigned thread)
{
	return threads[thread].name;
}

const char *coro_waits_for(unsigned thread)
{
	return threads[thread].waits_for ? threads[thread].waits_for : "a wake-up";
}

const char *coro_last_point(unsigned thread)
{
	return threads[thread].last_point ? threads[thread].last_point : "its beginning";
}

unsigned coro_nr_threads(void)
{
	return nr_threads;
}

/* ---- snapshot and reset: threads[] itself is in CORO_STATE ---- */

static size_t used_stack(unsigned thread)
{
	return (size_t)(stack_top(thread + 1) - (char *)threads[thread].sp);
}

void coro_snapshot(void)
{
	for (unsigned i = 1; i < nr_threads; i++) {
		saved_size[i] = threads[i].ended ? 0 : used_stack(i);
		memcpy(saved_stacks + (size_t)(i + 1) * STACK_SIZE - saved_size[i],
		       stack_top(i + 1) - saved_size[i], saved_size[i]);
	}
}

void coro_reset(void)
{
	for (unsigned i = 1; i < nr_threads; i++)
		memcpy(stack_top(i + 1) - saved_size[i],
		       saved_stacks + (size_t)(i + 1) * STACK_SIZE - saved_size[i], saved_size[i]);
}
