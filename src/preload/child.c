/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#define _GNU_SOURCE	1
#include "preload/child.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "preload/config.h"
#include "preload/front.h"
#include "preload/program.h"

#define PRELOAD	"LD_PRELOAD"

/* Our library as LD_PRELOAD names it, and which file that is. */
static char *library;
static dev_t library_dev;
static ino_t library_ino;

void child_remember(void)
{
	struct stat st;
	Dl_info info;

	if (library || !dladdr((void *)child_remember, &info) || !info.dli_fname)
		return;
	library = info.dli_fname[0] == '/' ? strdup(info.dli_fname) : realpath(info.dli_fname, NULL);
	if (library && !stat(library, &st)) {
		library_dev = st.st_dev;
		library_ino = st.st_ino;
	}
}

/* A new root folder or mount namespace may not have it. */
static bool library_is_there(void)
{
	struct stat st;

	return library && !stat(library, &st) && st.st_dev == library_dev &&
	       st.st_ino == library_ino && !access(library, R_OK);
}

int child_refusal(int dirfd, const char *path)
{
	char why[PATH_MAX + 256], link[40];
	struct stat st;
	int r;

	if (!path)
		return 0;
	if (!*path) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
		path = link;
		dirfd = AT_FDCWD;
	}
	if (fstatat(dirfd, path, &st, 0) || !S_ISREG(st.st_mode) ||
	    faccessat(dirfd, path, X_OK, AT_EACCESS))
		return 0;
	r = program_check(dirfd, path, why, sizeof(why));
	if (r == -ENOENT && path != link)
		return 0;
	if (r) {
		log_error("not started: %s", why);
		/* Not ENOEXEC: the shell would read it as a script of its own. */
		return r == -EMFILE || r == -ENFILE ? r : -EACCES;
	}
	if (library_is_there())
		return 0;
	log_error("not started: %s: our library %s cannot be reached from here", path,
		  library ? library : "");
	return -EACCES;
}

/* The value of @entry ("NAME=value") when it is @name's, else NULL. */
static const char *value_of(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(entry, name, n) && entry[n] == '=' ? entry + n + 1 : NULL;
}

/* Spaces and colons part the names. */
static bool has_library(const char *value)
{
	size_t n = library ? strlen(library) : 0;

	for (const char *at = value; n && (at = strstr(at, library)); at += n) {
		bool begins = at == value || at[-1] == ':' || at[-1] == ' ';

		if (begins && (!at[n] || at[n] == ':' || at[n] == ' '))
			return true;
	}
	return false;
}

/* What an environment has of ours. */
struct found {
	size_t		 nr;		/* entries */
	size_t		 nr_preload;
	const char	*preload;	/* value of the last one, which is the one that counts */
	bool		 has_config;
};

static struct found look(char *const *envp)
{
	struct found f = { .nr = 0 };

	for (; envp && envp[f.nr]; f.nr++) {
		const char *value = value_of(envp[f.nr], PRELOAD);

		if (value) {
			f.preload = value;
			f.nr_preload++;
		}
		f.has_config = f.has_config || value_of(envp[f.nr], EXEC_CONFIG_VARIABLE);
	}
	return f;
}

static bool is_complete(const struct found *f)
{
	return !library || (f->has_config && f->nr_preload == 1 && has_library(f->preload));
}

/* LD_PRELOAD's value as it has to be. */
static int print_preload(char *out, size_t size, const char *before)
{
	bool more = before && *before;

	if (more && has_library(before))
		return snprintf(out, size, "%s", before);
	return snprintf(out, size, "%s%s%s", library, more ? ":" : "", more ? before : "");
}

size_t child_environment_size(char *const *envp)
{
	struct found f = look(envp);

	if (is_complete(&f))
		return 0;
	return (f.nr + 3) * sizeof(char *) + strlen(PRELOAD "=") +
	       (size_t)print_preload(NULL, 0, f.preload) + 1 + strlen(EXEC_CONFIG_VARIABLE "=") +
	       strlen(front_config_text()) + 1;
}

char **child_environment(char *const *envp, void *room)
{
	struct found f = look(envp);
	char **out = room, *text = (char *)(out + f.nr + 3);
	size_t n = 0;

	if (is_complete(&f))
		return (char **)envp;
	for (size_t i = 0; i < f.nr; i++) {
		if (!value_of(envp[i], PRELOAD))
			out[n++] = envp[i];
	}
	out[n++] = text;
	text += sprintf(text, PRELOAD "=");
	text += print_preload(text, SIZE_MAX / 2, f.preload) + 1;
	if (!f.has_config) {
		out[n++] = text;
		sprintf(text, EXEC_CONFIG_VARIABLE "=%s", front_config_text());
	}
	out[n] = NULL;
	return out;
}

int child_own_environment(void)
{
	struct found f = look(environ);
	char *all;
	int n;

	if (is_complete(&f))
		return 0;
	n = print_preload(NULL, 0, f.preload);
	all = malloc((size_t)n + 1);
	if (!all)
		return -ENOMEM;
	print_preload(all, (size_t)n + 1, f.preload);
	unsetenv(PRELOAD);	/* of two, setenv changes one */
	n = setenv(PRELOAD, all, 1) || setenv(EXEC_CONFIG_VARIABLE, front_config_text(), 0);
	free(all);
	return n ? -ENOMEM : 0;
}
