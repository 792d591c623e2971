/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * exec.c - exec(3), posix_spawn(3), system(3) and their kin: whoever is
 * started has our library, whatever environment the program gives it.
 *
 * libc's own functions call one another behind these names: those that take
 * the process' environment find ours put back in it, and the search along PATH
 * is made here, because each candidate has to be looked at.
 */
#include <alloca.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wordexp.h>

#include "preload/child.h"
#include "preload/front.h"
#include "preload/name.h"
#include "preload/program.h"
#include "preload/real.h"

#define SEARCH_WITHOUT_PATH	"/bin:/usr/bin"

/* What the program asked us to start, in the environment that it is to have. */
#define IN_ENVIRONMENT(envp)	child_environment(envp, alloca(child_environment_size(envp) + 1))

static int refuse(int r)
{
	front_answer(r);
	return -1;
}

/* -1; @refused: by us, so there is nothing else to be tried. */
static int become(const char *path, char *const argv[], char *const envp[], bool *refused)
{
	int r = child_refusal(AT_FDCWD, path);

	*refused = r;
	if (r)
		return refuse(r);
	front_before_exec();
	return real()->execve(path, argv, IN_ENVIRONMENT(envp));
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	bool refused;

	return become(path, argv, envp, &refused);
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	int r = fd < 0 ? 0 : child_refusal(fd, "");

	if (r)
		return refuse(r);
	front_before_exec();
	return real()->fexecve(fd, argv, IN_ENVIRONMENT(envp));
}

static bool is_empty(const char *s)
{
	return s && !*s;
}

EXPORT int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	bool by_fd = is_empty(path);
	int r = by_fd && (!(flags & AT_EMPTY_PATH) || dirfd < 0) ? 0 : child_refusal(dirfd, path);

	if (r)
		return refuse(r);
	front_before_exec();
	return real()->execveat(dirfd, path, argv, IN_ENVIRONMENT(envp), flags);
}

/* A file that the kernel cannot run is a script of the shell. */
static int run_script(const char *path, char *const argv[], char *const envp[])
{
	size_t n = 0;
	char **args;

	while (argv[n])
		n++;
	args = alloca((n + 3) * sizeof(*args));
	args[0] = (char *)_PATH_BSHELL;
	args[1] = (char *)path;
	args[2] = NULL;
	for (size_t i = 1; i < n; i++) {
		args[i + 1] = argv[i];
		args[i + 2] = NULL;
	}
	return execve(_PATH_BSHELL, args, envp);
}

/* Is the search over?  EACCES is remembered, what is not there is passed over. */
static bool ends_search(int err, bool *denied)
{
	*denied = *denied || err == EACCES;
	return err != EACCES && err != ENOENT && err != ESTALE && err != ENOTDIR && err != ENODEV &&
	       err != ETIMEDOUT;
}

static int search(const char *name, char *const argv[], char *const envp[])
{
	const char *dirs = getenv("PATH");
	char path[PATH_MAX + NAME_MAX + 2];
	bool denied = false, refused;

	for (const char *at = dirs ? dirs : SEARCH_WITHOUT_PATH, *end; ; at = end + 1) {
		int n;

		end = strchrnul(at, ':');
		n = (int)(end - at);
		if (n < PATH_MAX) {
			sprintf(path, "%.*s%s%s", n, at, n ? "/" : "", name);
			become(path, argv, envp, &refused);
			if (refused)
				return -1;
			if (errno == ENOEXEC)
				run_script(path, argv, envp);
			if (ends_search(errno, &denied))
				return -1;
		}
		if (!*end)
			return refuse(denied ? -EACCES : -ENOENT);
	}
}

EXPORT int execvpe(const char *name, char *const argv[], char *const envp[])
{
	bool refused;

	if (!*name)
		return refuse(-ENOENT);
	if (!strchr(name, '/'))
		return strlen(name) > NAME_MAX ? refuse(-ENAMETOOLONG) : search(name, argv, envp);
	become(name, argv, envp, &refused);
	if (errno == ENOEXEC && !refused)
		run_script(name, argv, envp);
	return -1;
}

EXPORT int execvp(const char *name, char *const argv[])
{
	return execvpe(name, argv, environ);
}

/* The arguments from @first on as an array.  @then may take what is behind the NULL. */
#define TAKE_ARGUMENTS(first, argv, ap, then)				\
	do {								\
		size_t n = 1;						\
		va_start(ap, first);					\
		while (va_arg(ap, char *))				\
			n++;						\
		va_end(ap);						\
		argv = alloca((n + 1) * sizeof(char *));		\
		argv[0] = (char *)first;				\
		va_start(ap, first);					\
		for (size_t i = 1; i <= n; i++)				\
			argv[i] = va_arg(ap, char *);			\
		then;							\
		va_end(ap);						\
	} while (0)

EXPORT int execl(const char *path, const char *first, ...)
{
	char **argv;
	va_list ap;

	TAKE_ARGUMENTS(first, argv, ap, );
	return execve(path, argv, environ);
}

EXPORT int execlp(const char *name, const char *first, ...)
{
	char **argv;
	va_list ap;

	TAKE_ARGUMENTS(first, argv, ap, );
	return execvpe(name, argv, environ);
}

EXPORT int execle(const char *path, const char *first, ...)
{
	char **argv, **envp;
	va_list ap;

	TAKE_ARGUMENTS(first, argv, ap, envp = va_arg(ap, char **));
	return execve(path, argv, envp);
}

/* -- Children that libc makes -- */

/*
 * Folders that children are to change to before they look their program up:
 * what an action says is libc's own affair, so a relative name is looked at in
 * all folders that any action was ever told of.  Only grows.
 */
struct folder {
	struct folder	*next;
	int		 fd;		/* of fchdir, or -1 */
	char		 path[];
};

static atomicptr_t folders;

static bool is_known_folder(const struct folder *f, int fd, const char *path)
{
	for (; f; f = f->next) {
		if (f->fd == fd && !strcmp(f->path, path))
			return true;
	}
	return false;
}

/* 0 or ENOMEM. */
static int remember_folder(int fd, const char *path)
{
	void *first = atomicptr_load_acquire(&folders);
	struct folder *f;

	if (is_known_folder(first, fd, path))
		return 0;
	f = malloc(sizeof(*f) + strlen(path) + 1);
	if (!f)
		return ENOMEM;
	f->fd = fd;
	strcpy(f->path, path);
	do {
		f->next = first;
	} while (!atomicptr_cas(&folders, &first, f));
	return 0;
}

/* In the folder of @f: 0 or a negative errno, as child_refusal(). */
static int refusal_in(const struct folder *f, const char *path)
{
	int fd = f->fd, r;

	if (fd < 0)
		fd = openat(AT_FDCWD, f->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	r = child_refusal(fd, path);
	if (f->fd < 0)
		close(fd);
	return r;
}

static int spawn_refusal(const char *path, const posix_spawn_file_actions_t *actions)
{
	int r = child_refusal(AT_FDCWD, path);

	if (!actions || *path == '/' || !*path)
		return r;
	for (const struct folder *f = atomicptr_load_acquire(&folders); f && !r; f = f->next)
		r = refusal_in(f, path);
	return r;
}

EXPORT int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path)
{
	int r = remember_folder(-1, path);

	return r ? r : real()->posix_spawn_file_actions_addchdir_np(actions, path);
}

EXPORT int posix_spawn_file_actions_addfchdir_np(posix_spawn_file_actions_t *actions, int fd)
{
	int r = fd < 0 ? 0 : remember_folder(fd, "");

	return r ? r : real()->posix_spawn_file_actions_addfchdir_np(actions, fd);
}

/* The same names of a newer standard (glibc 2.43 has them). */
int posix_spawn_file_actions_addchdir(posix_spawn_file_actions_t *actions, const char *path);
int posix_spawn_file_actions_addfchdir(posix_spawn_file_actions_t *actions, int fd);

EXPORT int posix_spawn_file_actions_addchdir(posix_spawn_file_actions_t *actions, const char *path)
{
	return posix_spawn_file_actions_addchdir_np(actions, path);
}

EXPORT int posix_spawn_file_actions_addfchdir(posix_spawn_file_actions_t *actions, int fd)
{
	return posix_spawn_file_actions_addfchdir_np(actions, fd);
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	int r = spawn_refusal(path, actions);

	return r ? -r : real()->posix_spawn(pid, path, actions, attr, argv, IN_ENVIRONMENT(envp));
}

EXPORT int posix_spawnp(pid_t *pid, const char *name, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	char path[PATH_MAX];

	if (strchr(name, '/') || program_find(name, path, sizeof(path)))
		return posix_spawn(pid, name, actions, attr, argv, envp);
	return posix_spawn(pid, path, actions, attr, argv, envp);
}

/* The child gets what libc opens in it, past us: a name of ours is refused beforehand. */
EXPORT int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd,
					    const char *path, int flags, mode_t mode)
{
	if (name_fails(AT_FDCWD, path, EACCES, 0))
		return errno;
	return real()->posix_spawn_file_actions_addopen(actions, fd, path, flags, mode);
}

/* From glibc 2.39 on; before, what a kernel without them gives. */
int pidfd_spawn(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);
int pidfd_spawnp(int *pidfd, const char *name, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);

EXPORT int pidfd_spawn(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	int r = spawn_refusal(path, actions);

	if (!r)
		r = -real()->pidfd_spawn(pidfd, path, actions, attr, argv, IN_ENVIRONMENT(envp));
	return r == 1 ? ENOSYS : -r;	/* 1: libc has it not */
}

EXPORT int pidfd_spawnp(int *pidfd, const char *name, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	char path[PATH_MAX];

	if (strchr(name, '/') || program_find(name, path, sizeof(path)))
		return pidfd_spawn(pidfd, name, actions, attr, argv, envp);
	return pidfd_spawn(pidfd, path, actions, attr, argv, envp);
}

/* 0 when the shell may be started by libc. */
static int prepare_shell(void)
{
	int r = child_refusal(AT_FDCWD, _PATH_BSHELL);

	return r ? r : child_own_environment();
}

EXPORT int system(const char *command)
{
	if (command && prepare_shell())
		return 127 << 8;	/* as if the shell could not be started */
	return real()->system(command);
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	int r = prepare_shell();

	if (!r)
		return real()->popen(command, mode);
	front_answer(r);
	return NULL;
}

EXPORT FILE *_IO_popen(const char *command, const char *mode);
EXPORT FILE *_IO_popen(const char *command, const char *mode)
{
	return popen(command, mode);
}

EXPORT int wordexp(const char *words, wordexp_t *out, int flags)
{
	if (!(flags & WRDE_NOCMD) && prepare_shell())
		return WRDE_CMDSUB;
	return real()->wordexp(words, out, flags);
}
