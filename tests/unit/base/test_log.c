/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "base/log.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* What @fn wrote to standard error; *status is how the child ended. */
static const char *said_by(void (*fn)(void), int *status)
{
	static char said[8192];
	size_t nr = 0;
	ssize_t got;
	int fd[2];
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (!pid) {
		signal(SIGABRT, SIG_DFL);
		dup2(fd[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(fd[1]);
	while ((got = read(fd[0], said + nr, sizeof(said) - 1 - nr)) > 0)
		nr += (size_t)got;
	said[nr] = 0;
	close(fd[0]);
	assert_int_equal(waitpid(pid, status, 0), pid);
	return said;
}

static void log_all_levels(void)
{
	log_error("e %d", 1);
	log_warn("w\n");
	log_info("i");
	log_debug("d");
}

static void log_everything(void)
{
	log_set_level(LOG_DEBUG);
	log_all_levels();
}

static void log_errors_only(void)
{
	log_set_level(LOG_ERROR);
	log_all_levels();
}

static void log_a_long_line(void)
{
	char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	log_error("%s", text);
}

static void break_a_rule(void)
{
	int answer = 41;

	BUG_ON(answer == 41);
}

static void levels_choose_what_is_printed(void **unused)
{
	int status;

	assert_string_equal(said_by(log_all_levels, &status),
			    "softcvm: error: e 1\nsoftcvm: warning: w\n");
	assert_string_equal(said_by(log_everything, &status),
			    "softcvm: error: e 1\nsoftcvm: warning: w\n"
			    "softcvm: i\nsoftcvm: debug: d\n");
	assert_string_equal(said_by(log_errors_only, &status), "softcvm: error: e 1\n");
}

static void a_long_line_is_cut_and_ended(void **unused)
{
	int status;
	const char *said = said_by(log_a_long_line, &status);

	assert_int_equal(strlen(said), 1023);
	assert_string_equal(said + 1020, "xx\n");
}

static void a_bug_ends_the_program(void **unused)
{
	int status;
	const char *said = said_by(break_a_rule, &status);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, "test_log.c:"));
	assert_non_null(strstr(said, "answer == 41"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_choose_what_is_printed),
		cmocka_unit_test(a_long_line_is_cut_and_ended),
		cmocka_unit_test(a_bug_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
