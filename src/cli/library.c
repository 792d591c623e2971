/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "cli/library.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"

#define LIBRARY	"libsoftcvm-preload.so"
#define RUNNER	"softcvm-run"

/* Beside the build's own folder, or in the installed one. */
static const char *const places[] = {
	"../preload/" LIBRARY, "../" SOFTCVM_LIBDIR "/softcvm/" LIBRARY,
	"../lib/softcvm/" LIBRARY, "../lib64/softcvm/" LIBRARY, "../lib/*/softcvm/" LIBRARY, NULL,
};
static const char *const runner_places[] = {
	"../vmm/" RUNNER, "../" SOFTCVM_LIBDIR "/softcvm/" RUNNER,
	"../lib/softcvm/" RUNNER, "../lib64/softcvm/" RUNNER, "../lib/*/softcvm/" RUNNER, NULL,
};

/* The first of @where that is there; the list ends with NULL. */
static char *find(const char *const *where)
{
	char self[PATH_MAX], pattern[PATH_MAX + 128], *found = NULL;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	*slash = '\0';
	for (; *where && !found; where++) {
		glob_t g;

		snprintf(pattern, sizeof(pattern), "%s/%s", self, *where);
		if (!glob(pattern, 0, NULL, &g))
			found = realpath(g.gl_pathv[0], NULL);
		globfree(&g);
	}
	return found;
}

/* Spaces and colons part names in LD_PRELOAD; $ORIGIN and others are replaced there. */
static bool is_nameable(const char *path)
{
	return !strpbrk(path, " :$");
}

/* A folder that only this user can change, or NULL. */
static char *private_folder(void)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	char *dir;

	if (!base || *base != '/' || !is_nameable(base) || access(base, W_OK))
		base = "/tmp";
	if (asprintf(&dir, "%s/softcvm-%u", base, (unsigned)geteuid()) < 0)
		return NULL;
	if ((!mkdir(dir, 0700) || errno == EEXIST) && !lstat(dir, &st) && S_ISDIR(st.st_mode) &&
	    st.st_uid == geteuid() && !(st.st_mode & 022))
		return dir;
	log_error("%s: not a folder of this user's alone", dir);
	free(dir);
	return NULL;
}

static bool leads_to(const char *link, const char *library)
{
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	return !strcmp(target, library);
}

/* Another process may be making the same link: it takes its name at once or not at all. */
static bool make_link(const char *link, const char *library)
{
	char *fresh;
	bool done;

	if (asprintf(&fresh, "%s.%d", link, (int)getpid()) < 0)
		return false;
	done = !symlink(library, fresh) && !rename(fresh, link);
	if (!done)
		log_error("%s: %s", link, strerror(errno));
	free(fresh);
	return done;
}

static char *name_by_link(const char *library)
{
	char *dir = private_folder(), *link = NULL;
	struct stat st;

	if (dir && !stat(library, &st) &&
	    asprintf(&link, "%s/%llx-%llx-" LIBRARY, dir, (unsigned long long)st.st_dev,
		     (unsigned long long)st.st_ino) >= 0 &&
	    !leads_to(link, library) && !make_link(link, library)) {
		free(link);
		link = NULL;
	}
	free(dir);
	return link;
}

char *library_name(void)
{
	char *library = find(places), *link;

	if (!library)
		log_error(LIBRARY " is neither beside this program nor installed");
	if (!library || is_nameable(library))
		return library;
	link = name_by_link(library);
	free(library);
	return link;
}

char *runner_name(void)
{
	char *runner = find(runner_places);

	if (!runner)
		log_error(RUNNER " is neither beside this program nor installed");
	return runner;
}
