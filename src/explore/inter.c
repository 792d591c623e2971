/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "explore/inter.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "sync/held.h"

#define MAX_SPINS	1000	/* a thread that only spins waits for one that is not run */

static void die(const char *text, struct inter_place at)
{
	panic_at(at.file, at.line, "%s", text);
}

static void (*on_failure)(const char *text, struct inter_place at) = die;

void inter_on_failure(void (*fail)(const char *text, struct inter_place at))
{
	on_failure = fail;
}

static PRINTF(3, 4) void add(char *text, size_t size, const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + used, size - used, fmt, args);
	va_end(args);
}

/* Where everybody stands, what each waits for and holds. */
static void describe(char *text, size_t size)
{
	for (unsigned i = 0; i < coro_nr_threads(); i++) {
		char held[300];

		check_describe(i, held, sizeof(held));
		if (coro_has_ended(i) || (!i && !*held))
			continue;
		add(text, size, "\n  %s: passed %s last", coro_name(i), coro_last_point(i));
		if (coro_is_blocked(i))
			add(text, size, ", waits for %s", coro_waits_for(i));
		if (*held)
			add(text, size, ", holds %s", held);
	}
}

static void fail(unsigned t, const char *what, struct inter_place at)
{
	char text[2000] = "";

	add(text, sizeof(text), "%s %s", coro_name(t), what);
	describe(text, sizeof(text));
	on_failure(text, at);
	panic("the failure handler returned");
}

unsigned inter_thread(void (*fn)(void *), void *arg, const char *name)
{
	int t = coro_start(fn, arg, name, false);

	if (t < 0)
		panic("no room for another virtual thread");
	return (unsigned)t;
}

/* With the help of daemons, but of nobody else. */
static enum coro_stop run(unsigned t, const char *point, uint64_t steps, struct inter_place at)
{
	unsigned spins = 0;

	if (coro_has_ended(t))
		fail(t, "has ended before", at);
	for (;;) {
		enum coro_stop stop = coro_run(t, point, steps);

		switch (stop) {
		case CORO_BLOCKED:
			if (!coro_run_daemons() || coro_is_blocked(t))
				return stop;
			break;
		case CORO_RELAXED:
			coro_run_daemons();
			if (++spins == MAX_SPINS)
				return stop;
			break;
		default:
			return stop;
		}
	}
}

static void cannot(unsigned t, enum coro_stop stop, struct inter_place at)
{
	switch (stop) {
	case CORO_BLOCKED:
		fail(t, "is blocked", at);
		break;
	case CORO_RELAXED:
		fail(t, "spins for ever", at);
		break;
	case CORO_SPENT:
		fail(t, "goes round in circles", at);
		break;
	case CORO_ENDED:
		fail(t, "has come to its end", at);
		break;
	case CORO_AT_POINT:
		break;
	}
}

void inter_to(unsigned t, const char *point, struct inter_place at)
{
	cannot(t, run(t, point, INTER_MAX_STEPS, at), at);
}

void inter_end(unsigned t, struct inter_place at)
{
	enum coro_stop stop = run(t, NULL, INTER_MAX_STEPS, at);

	if (stop != CORO_ENDED)
		cannot(t, stop, at);
	coro_run_daemons();
}

void inter_blocked(unsigned t, struct inter_place at)
{
	enum coro_stop stop = run(t, NULL, INTER_MAX_STEPS, at);

	if (stop != CORO_BLOCKED)
		cannot(t, stop, at);
}

bool inter_go(unsigned t, struct inter_place at)
{
	enum coro_stop stop = run(t, NULL, INTER_MAX_STEPS, at);

	if (stop != CORO_ENDED && stop != CORO_BLOCKED)
		cannot(t, stop, at);
	return stop == CORO_ENDED;
}

bool inter_try(unsigned t, struct inter_place at)
{
	enum coro_stop stop = run(t, NULL, INTER_MAX_STEPS, at);

	if (stop == CORO_SPENT)
		cannot(t, stop, at);
	return stop == CORO_ENDED;
}

bool inter_steps(unsigned t, uint64_t n, struct inter_place at)
{
	enum coro_stop stop = run(t, NULL, n, at);

	if (stop != CORO_SPENT && stop != CORO_ENDED)
		cannot(t, stop, at);
	return stop == CORO_SPENT;
}

/* One turn of everybody; false when all have ended.  *moved: somebody could run. */
static bool turn(uint64_t n, bool *moved, struct inter_place at)
{
	bool alive = false;

	for (unsigned i = 1; i < coro_nr_threads(); i++) {
		if (coro_is_daemon(i) || coro_has_ended(i))
			continue;
		alive = true;
		if (coro_is_blocked(i))
			continue;
		*moved = true;
		(void)run(i, NULL, n, at);
	}
	*moved |= coro_run_daemons();
	return alive;
}

void inter_all(uint64_t n, struct inter_place at)
{
	uint64_t turns = 0;
	bool moved;

	do {
		moved = false;
		if (!turn(n, &moved, at))
			return;
		if (turns++ > INTER_MAX_STEPS / 10)
			fail(0, "sees threads going round in circles", at);
	} while (moved);
	fail(0, "sees a deadlock: nobody can go on", at);
}

static uint32_t draw(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(((*state >> 33) * below) >> 31);
}

/* The threads that can go on; *alive: one that is no daemon has not ended. */
static unsigned runnable(unsigned *list, bool *alive)
{
	unsigned nr = 0;

	*alive = false;
	for (unsigned i = 1; i < coro_nr_threads(); i++) {
		if (coro_has_ended(i))
			continue;
		*alive |= !coro_is_daemon(i);
		if (!coro_is_blocked(i))
			list[nr++] = i;
	}
	return nr;
}

void inter_random(uint64_t seed, struct inter_place at)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15ull;
	uint32_t longest = 1 + draw(&state, 200);	/* steps in one go */
	uint64_t turns = 0;
	unsigned list[CORO_MAX], nr;
	bool alive;

	while (nr = runnable(list, &alive), alive) {
		if (!nr)
			fail(0, "sees a deadlock: nobody can go on", at);
		if (turns++ > INTER_MAX_STEPS)
			fail(0, "sees threads going round in circles", at);
		(void)coro_run(list[draw(&state, nr)], NULL, 1 + draw(&state, longest));
	}
}

void inter_always_yield(bool yes)
{
	coro_clock.always_contended = yes;
}
