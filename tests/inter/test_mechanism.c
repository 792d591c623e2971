/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The second build itself: scripts are followed, deadlocks are told, a reset
 * brings everything back, a VM lives and ends without a system call.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/memory.h"

/* ---- failures that a test wants ---- */

static jmp_buf failed;
static char failure[2000];

static void note_failure(const char *text, struct inter_place at)
{
	snprintf(failure, sizeof(failure), "%s", text);
	longjmp(failed, 1);
}

/* True when @statement makes a script fail; the text is in failure[]. */
#define FAILS(statement)						\
	(inter_on_failure(note_failure), *failure = 0,			\
	 setjmp(failed) ? true : ({ statement; false; }))

/* ---- two threads, a word and a lock ---- */

struct game {
	struct mutex	lock;
	struct waitq	q;
	atomic32_t	word, flag;
	char		log[32];
	unsigned	n;
};

static void note(struct game *g, char c)
{
	g->log[g->n++] = c;
}

static void writer(void *arg)
{
	struct game *g = arg;

	note(g, 'a');
	SYNC_POINT(game_before_lock);
	mutex_lock(&g->lock);
	note(g, 'b');
	SYNC_POINT(game_inside);
	mutex_unlock(&g->lock);
	note(g, 'c');
}

static void reader(void *arg)
{
	struct game *g = arg;

	note(g, 'x');
	mutex_lock(&g->lock);
	note(g, 'y');
	mutex_unlock(&g->lock);
}

static void waiter(void *arg)
{
	struct game *g = arg;

	mutex_lock(&g->lock);
	waitq_wait(&g->q, atomic32_load(&g->flag));
	mutex_unlock(&g->lock);
}

static void setter(void *arg)
{
	struct game *g = arg;

	mutex_lock(&g->lock);
	atomic32_store(&g->flag, 1);
	waitq_wake_all(&g->q);
	mutex_unlock(&g->lock);
}

static struct game *game(void)
{
	struct game *g;

	world_open_arena();
	g = calloc(1, sizeof(*g));
	assert_non_null(g);
	mutex_init(&g->lock, "game.lock", RANK_LEAF);
	waitq_init(&g->q);
	return g;
}

static void a_script_always_gets_what_it_says(void **unused)
{
	static const char *const want[] = { "abxcy", "axybc" };

	for (int i = 0; i < 10; i++) {
		struct game *g = game();
		INTER_THREAD(t1, writer, g);
		INTER_THREAD(t2, reader, g);

		if (i % 2) {
			INTER_TO(t1, game_before_lock);
			INTER_END(t2);
		} else {
			INTER_TO(t1, game_inside);
			INTER_BLOCKED(t2);
		}
		INTER_END(t1);
		if (!(i % 2))
			INTER_END(t2);
		assert_string_equal(g->log, want[i % 2]);
	}
}

static void what_cannot_be_done_is_said(void **unused)
{
	struct game *g = game();
	INTER_THREAD(t1, writer, g);
	INTER_THREAD(t2, reader, g);

	assert_true(FAILS(INTER_TO(t2, game_inside)));
	assert_non_null(strstr(failure, "t2 has come to its end"));
	assert_true(FAILS(INTER_END(t2)));
	assert_true(FAILS(INTER_BLOCKED(t1)));
}

static void a_deadlock_says_who_waits_for_what(void **unused)
{
	struct game *g = game();
	INTER_THREAD(t1, waiter, g);
	INTER_THREAD(t2, setter, g);

	INTER_BLOCKED(t1);
	assert_true(FAILS(INTER_END(t2)));
	assert_non_null(strstr(failure, "t2 is blocked"));
	assert_non_null(strstr(failure, "t1: passed its beginning last, waits for a wake-up, "
					"holds mutex game.lock"));
	assert_non_null(strstr(failure, "t2: passed its beginning last, waits for game.lock"));
	assert_true(FAILS(INTER_ALL(1)));
	assert_non_null(strstr(failure, "deadlock"));
}

static void every_step_of_a_thread_can_be_the_last(void **unused)
{
	/* Each number of steps of one, then the other, then the rest. */
	for (unsigned n = 1; n < 50; n++) {
		struct game *g = game();
		INTER_THREAD(t1, setter, g);
		INTER_THREAD(t2, writer, g);

		if (!INTER_STEPS(t1, n))
			return;
		INTER_ALL(1);
		assert_true(coro_has_ended(t2));
		assert_int_equal(atomic32_load(&g->flag), 1);
	}
	fail_msg("setting a flag takes 50 steps");
}

static void a_reset_brings_back_bytes_and_threads(void **unused)
{
	struct game *g = game();
	INTER_THREAD(t1, writer, g);
	INTER_THREAD(t2, reader, g);

	INTER_TO(t1, game_before_lock);
	os_arena_snapshot();
	for (int i = 0; i < 3; i++) {
		os_arena_reset();
		assert_string_equal(g->log, "a");
		assert_false(coro_has_ended(t1));
		INTER_TO(t1, game_inside);
		INTER_BLOCKED(t2);
		INTER_ALL(2);
		assert_string_equal(g->log, "abxcy");
	}
}

static void use_after_free(void *arg)
{
	uint64_t *volatile p = malloc(64);

	free(p);
	p[3] = 1;
}

static void writes_to_freed_memory_are_found(void **unused)
{
	char *volatile p;

	world_open_arena();
	assert_null(os_arena_check());
	use_after_free(NULL);
	assert_non_null(os_arena_check());
	world_open_arena();
	p = calloc(1, 10);
	assert_null(os_arena_check());
	p[10] = 1;
	assert_non_null(os_arena_check());
}

/* ---- a whole VM ---- */

static bool live_and_die(void)
{
	struct world *w = world_make(true);
	struct conversion c = { .w = w, .gfn = 4, .n = 2, .attrs = PRIV };
	struct kvm_create_guest_memfd args = { .size = P(64) };
	struct region r = { .w = w, .npages = 64, .memory = os_map_private(P(64), PAGE_SIZE) };
	struct access a = { .v = w->vcpus[0], .gfn = 4, .ec = PFERR_WRITE | PFERR_PRIVATE_ACCESS };
	struct access b = { .v = w->vcpus[1], .gfn = 5, .ec = PFERR_WRITE };
	bool ok;

	if (kvm_gmem_create(&w->kvm, &args, &r.gmem))
		return false;
	do_region(&r);

	INTER_THREAD(t1, do_conversion, &c);
	INTER_THREAD(t2, do_access, &a);
	INTER_THREAD(t3, do_access, &b);
	INTER_TO(t1, attr_after_pre);
	INTER_END(t2);			/* not private yet */
	INTER_END(t1);
	INTER_END(t3);			/* not shared any more */
	ok = !r.r && a.r == -EFAULT && b.r == -EFAULT;
	do_access(&a);
	ok &= a.r == RET_PF_FIXED && world_is_mapped(w, 0, 4);
	kvm_gmem_release(r.gmem);
	world_free(w);
	return ok && !os_arena_check();
}

/* In a child that the kernel kills at any system call but write and exit. */
static void in_child(unsigned lives)
{
	bool ok = true;

	os_arena_snapshot();
	for (unsigned i = 0; i < 3; i++) {	/* its pages are learnt */
		ok &= live_and_die();
		os_arena_reset();
	}
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		_exit(9);
	for (unsigned i = 0; i < lives; i++) {
		ok &= live_and_die();
		os_arena_reset();
	}
	syscall(SYS_exit, ok ? 0 : 1);
}

static void a_vm_is_made_run_and_freed_without_a_system_call(void **unused)
{
	int status;
	pid_t child;

	world_open_arena();
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		in_child(100);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- how many a second ---- */

static void ten_steps(void *arg)
{
	struct game *g = arg;

	for (int i = 0; i < 4; i++)
		atomic32_add(&g->word, 1);
	mutex_lock(&g->lock);		/* one step when it is free, one to leave */
	SYNC_POINT(game_inside);
	for (int i = 0; i < 3; i++)
		atomic32_add(&g->word, 1);
	mutex_unlock(&g->lock);
}

static void once(struct game *g, unsigned t1, unsigned t2)
{
	os_arena_reset();
	INTER_TO(t1, game_inside);
	INTER_STEPS(t2, 4);
	INTER_END(t1);
	INTER_END(t2);
	assert_int_equal(g->word.v, 14);
}

static void short_executions_are_many(void **unused)
{
	struct game *g = game();
	INTER_THREAD(t1, ten_steps, g);
	INTER_THREAD(t2, ten_steps, g);
	uint64_t start, n = 0, took;

	os_arena_snapshot();
	once(g, t1, t2);
	start = os_monotonic_ns();
	do {
		for (int i = 0; i < 1000; i++)
			once(g, t1, t2);
		n += 1000;
		took = os_monotonic_ns() - start;
	} while (took < 200000000);
	print_message("%llu executions of 20 steps a second, %zu pages copied by each\n",
		      (unsigned long long)(n * 1000000000 / took), os_arena_dirty_pages());
	start = os_monotonic_ns();
	world_open_arena();
	os_arena_snapshot();
	n = 0;
	do {
		assert_true(live_and_die());
		os_arena_reset();
		n++;
		took = os_monotonic_ns() - start;
	} while (took < 200000000);
	print_message("%llu whole VMs a second, %zu pages\n",
		      (unsigned long long)(n * 1000000000 / took), os_arena_dirty_pages());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_script_always_gets_what_it_says),
		cmocka_unit_test(what_cannot_be_done_is_said),
		cmocka_unit_test(a_deadlock_says_who_waits_for_what),
		cmocka_unit_test(every_step_of_a_thread_can_be_the_last),
		cmocka_unit_test(a_reset_brings_back_bytes_and_threads),
		cmocka_unit_test(writes_to_freed_memory_are_found),
		cmocka_unit_test(a_vm_is_made_run_and_freed_without_a_system_call),
		cmocka_unit_test(short_executions_are_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
