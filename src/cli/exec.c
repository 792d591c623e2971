/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * exec.c - `softcvm exec`: checks everything first, then becomes the program
 * (--stats: its parent).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/child.h"
#include "cli/library.h"
#include "cli/summary.h"
#include "cli/verb.h"
#include "preload/config.h"
#include "preload/program.h"
#include "preload/stats.h"
#include "trace/trace.h"

struct request {
	char	*config;		/* lines of EXEC_CONFIG_VARIABLE, owned */
	bool	 quiet;
	char	*summary;		/* counters to tell at the end, with commas between; owned, or NULL */
	char	*stats;			/* absolute, owned, or NULL */
	bool	 stats_are_ours;	/* a file that nobody asked for */
	char	*trace_file;		/* the same */
	char	**program;		/* its argv */
};

/* Options that go to the library as they are. */
static const char *const passed_on[] = {
	"cpu", "kernel-abi", "param", "phys-bits", "phys-reduction", "c-bit", "cpus",
	"sw-protected", "host-map",
};

static int add_line(struct request *r, const char *key, const char *value)
{
	char *more;

	if (strchr(value, '\n'))
		return usage_error("--%s: the value has more than one line", key);
	if (asprintf(&more, "%s%s=%s\n", r->config ? r->config : "", key, value) < 0) {
		log_error("out of memory");
		return 1;
	}
	free(r->config);
	r->config = more;
	return 0;
}

/* The program may go elsewhere: its folder is made absolute now. */
static char *absolute(const char *path)
{
	char cwd[PATH_MAX], *out;

	if (*path == '/')
		return strdup(path);
	if (!getcwd(cwd, sizeof(cwd)) || asprintf(&out, "%s/%s", cwd, path) < 0)
		return NULL;
	return out;
}

static int take_file(char **file, const char *key, const char *value)
{
	free(*file);
	*file = *value ? absolute(value) : NULL;
	return *file ? 0 : usage_error("--%s: '%s' is no file", key, value);
}

static int take_summary(struct request *r, const char *value)
{
	const char *bad;
	size_t n;

	free(r->summary);
	r->summary = strdup(value);
	bad = summary_unknown(value, &n);
	return bad ? usage_error("--summary: '%.*s' is no counter of --stats", (int)n, bad)
	     : r->summary ? 0 : 1;
}

static int take_option(struct request *r, const char *key, const char *value)
{
	if (!strcmp(key, "summary"))
		return take_summary(r, value);
	if (!strcmp(key, "stats"))
		return take_file(&r->stats, key, value);
	if (!strcmp(key, "trace-file"))
		return take_file(&r->trace_file, key, value);
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++) {
		if (!strcmp(key, passed_on[i]))
			return add_line(r, key, value);
	}
	return usage_error("exec has no option --%s", key);
}

static bool takes_value(const char *key)
{
	bool does = !strcmp(key, "stats") || !strcmp(key, "trace-file") || !strcmp(key, "summary");

	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++)
		does |= !strcmp(key, passed_on[i]);
	return does;
}

/* Options without a value that the library reads. */
static bool is_switch(const char *key)
{
	static const char *const switches[] = { "audit", "findings", "host-cpuid",
						"strict-host-access" };

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (!strcmp(key, switches[i]))
			return true;
	return false;
}

int exec_option_words(const char *word)
{
	const char *key = word + 2, *eq = strchr(key, '=');
	char name[32];
	size_t n = eq ? (size_t)(eq - key) : strlen(key);

	if (is_switch(key) || !strcmp(key, "quiet") || !strcmp(key, "trace"))
		return 1;
	if (n >= sizeof(name))
		return 0;
	memcpy(name, key, n);
	name[n] = '\0';
	if (eq && !strcmp(name, "trace"))
		return 1;
	return !takes_value(name) ? 0 : eq ? 1 : 2;
}

/* --KEY VALUE and --KEY=VALUE; *at moves to the last word that was used. */
static int parse_option(struct request *r, char **argv, int *at)
{
	char key[32];
	const char *word = argv[*at] + 2, *eq = strchr(word, '='), *value;
	size_t n = eq ? (size_t)(eq - word) : strlen(word);

	if (n >= sizeof(key))
		return usage_error("exec has no option %s", argv[*at]);
	memcpy(key, word, n);
	key[n] = '\0';
	if (!strcmp(key, "quiet") && !eq) {
		r->quiet = true;
		return 0;
	}
	if (!eq && is_switch(key))
		return add_line(r, key, "1");
	if (!strcmp(key, "trace"))
		return add_line(r, "trace", eq ? eq + 1 : "all");
	if (!takes_value(key))
		return usage_error("exec has no option --%s", key);
	value = eq ? eq + 1 : argv[++*at];
	return value ? take_option(r, key, value) : usage_error("--%s needs a value", key);
}

/* `--trace help` or `--trace=help`: what there is, as trace-cmd list -e has it. */
static bool wants_events(char **argv)
{
	for (; *argv && strcmp(*argv, "--"); argv++) {
		if (!strcmp(*argv, "--trace=help") ||
		    (!strcmp(*argv, "--trace") && argv[1] && !strcmp(argv[1], "help") && !argv[2]))
			return true;
	}
	return false;
}

static int list_events(void)
{
	for (unsigned e = 0; e < NR_TRACE_EVENTS; e++)
		printf("%s:%s\n", trace_event_system(e), trace_event_name(e));
	return fflush(stdout) ? 1 : 0;
}

static int parse(struct request *r, char **argv)
{
	int at = 1, status;

	for (; argv[at] && !strncmp(argv[at], "--", 2); at++) {
		if (!argv[at][2]) {
			at++;
			break;
		}
		status = parse_option(r, argv, &at);
		if (status)
			return status;
	}
	if (argv[at] && argv[at][0] == '-' && strcmp(argv[at - 1], "--"))
		return usage_error("exec has no option %s", argv[at]);
	if (!argv[at])
		return usage_error("exec: which program?");
	r->program = argv + at;
	return 0;
}

/* A summary is read from the counters' file: where none was asked for, from one that goes again. */
static int stats_of_our_own(struct request *r)
{
	const char *folder = getenv("TMPDIR");
	int fd;

	if (!folder || *folder != '/')
		folder = "/tmp";
	if (asprintf(&r->stats, "%s/softcvm-stats.XXXXXX", folder) < 0) {
		r->stats = NULL;
		log_error("out of memory");
		return 1;
	}
	fd = mkstemp(r->stats);
	if (fd < 0) {
		log_error("%s: %s", r->stats, strerror(errno));
		return 1;
	}
	close(fd);
	r->stats_are_ours = true;
	return 0;
}

/* The same reading that the library will do, with the reason given here. */
static int check_config(struct request *r)
{
	struct exec_config config;
	char why[2560];
	int err;

	if ((r->stats && add_line(r, "stats", r->stats)) ||
	    (r->trace_file && add_line(r, "trace-file", r->trace_file)))
		return EXIT_USAGE;
	err = exec_config_parse(r->config ? r->config : "", &config, why, sizeof(why));
	if (err)
		return usage_error("--%s", why);
	exec_config_free(&config);
	return 0;
}

static int check_program(struct request *r, char *path, size_t size)
{
	char why[PATH_MAX + 256];
	int err = program_find(r->program[0], path, size);

	if (err) {
		log_error("%s: %s", r->program[0], err == -ENOENT ? "not found" : strerror(-err));
		return err == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	}
	err = program_check(AT_FDCWD, path, why, sizeof(why));
	if (err)
		log_error("%s", why);
	return err ? EXIT_NOT_EXECUTABLE : 0;
}

static int set_environment(const struct request *r, const char *library)
{
	const char *before = getenv("LD_PRELOAD");
	char *all;

	if (asprintf(&all, "%s%s%s", library, before && *before ? ":" : "", before ? before : "") < 0 ||
	    setenv("LD_PRELOAD", all, 1) ||
	    setenv(EXEC_CONFIG_VARIABLE, r->config ? r->config : "", 1)) {
		log_error("out of memory");
		return 1;
	}
	free(all);
	return 0;
}

static int empty_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int make_files(const struct request *r)
{
	const char *what = r->trace_file;
	int err = what ? empty_file(what) : 0;

	if (!err && r->stats) {
		what = r->stats;
		err = stats_create(what);
	}
	if (err)
		log_error("%s: %s", what, strerror(-err));
	return err ? 1 : 0;
}

static int become(const struct request *r)
{
	int err;

	execvp(r->program[0], r->program);
	err = errno;
	log_error("%s: %s", r->program[0], strerror(err));
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* The counters of those that a signal ends are summed by us, at the program's end. */
static int run_counted(const struct request *r)
{
	int status, n = child_run(&status), err;

	if (!n)
		return become(r);
	if (n < 0) {
		log_error("no process: %s", strerror(-n));
		return 1;
	}
	err = stats_collect(r->stats);
	if (!err && r->summary)
		err = summary_print(r->summary, r->stats);
	if (err)
		log_warn("%s: %s", r->stats, strerror(-err));
	if (r->stats_are_ours)
		unlink(r->stats);
	return child_die_as(status);
}

static int run(const struct request *r)
{
	int status = make_files(r);

	if (status)
		return status;
	if (!r->quiet)
		fputs("softcvm: software model, NOT confidential\n", stderr);
	return r->stats ? run_counted(r) : become(r);
}

int verb_exec(int argc, char **argv)
{
	struct request r = { .config = NULL };
	char path[PATH_MAX], *library = NULL;
	int status;

	if (wants_events(argv))
		return list_events();
	status = parse(&r, argv);

	if (!status && r.summary && !r.stats)
		status = stats_of_our_own(&r);
	if (!status)
		status = check_config(&r);
	if (!status)
		status = check_program(&r, path, sizeof(path));
	if (!status) {
		library = library_name();
		status = library ? set_environment(&r, library) : EXIT_NOT_EXECUTABLE;
	}
	if (!status)
		status = run(&r);
	free(library);
	free(r.config);
	if (r.stats_are_ours && r.stats)
		unlink(r.stats);
	free(r.summary);
	free(r.stats);
	return status;
}
