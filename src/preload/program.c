/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_INTERPRETERS	5	/* the kernel follows four #! lines */
#define MAX_SEGMENTS		4096

struct check {
	const char	*path;
	int		 fd;
	struct stat	 st;
	char		*why;
	size_t		 size;
};

static int refuse(struct check *c, int err, const char *fmt, ...) PRINTF(3, 4);
static int refuse(struct check *c, int err, const char *fmt, ...)
{
	size_t n = (size_t)snprintf(c->why, c->size, "%s: ", c->path);
	va_list ap;

	va_start(ap, fmt);
	if (n < c->size)
		vsnprintf(c->why + n, c->size - n, fmt, ap);
	va_end(ap);
	return err;
}

static int is_runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || access(path, X_OK))
		return -EACCES;
	return 0;
}

int program_find(const char *name, char *path, size_t size)
{
	const char *dirs = getenv("PATH");
	int err = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/')) {
		if ((size_t)snprintf(path, size, "%s", name) >= size)
			return -ENAMETOOLONG;
		return is_runnable(path);
	}
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (const char *end; ; dirs = end + 1) {
		int n, r;

		end = strchrnul(dirs, ':');
		n = (int)(end - dirs);
		if ((size_t)snprintf(path, size, "%.*s%s%s", n, dirs, n ? "/" : "", name) < size) {
			r = is_runnable(path);
			if (!r)
				return 0;
			if (r == -EACCES)
				err = r;
		}
		if (!*end)
			return err;
	}
}

/* Processes that run with other rights than their user's are started in "secure" mode. */
static int check_process(struct check *c)
{
	if (geteuid() != getuid() || getegid() != getgid())
		return refuse(c, -EACCES, "this process has another effective than real user or group:"
			      " the loader ignores LD_PRELOAD");
	return 0;
}

/* So are programs that get rights from their file. */
static int check_rights(struct check *c)
{
	struct statvfs fs;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return check_process(c);
	if (!fstatvfs(c->fd, &fs) && (fs.f_flag & ST_NOSUID))
		return check_process(c);
	if ((c->st.st_mode & S_ISUID) && c->st.st_uid != getuid())
		return refuse(c, -EACCES, "set-user-ID: the loader ignores LD_PRELOAD for it");
	if ((c->st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && c->st.st_gid != getgid())
		return refuse(c, -EACCES, "set-group-ID: the loader ignores LD_PRELOAD for it");
	if (getuid() && fgetxattr(c->fd, "security.capability", NULL, 0) > 0)
		return refuse(c, -EACCES, "has file capabilities: the loader ignores LD_PRELOAD for it");
	return check_process(c);
}

/* The interpreter that PT_INTERP names: empty when there is none. */
static int read_interpreter(struct check *c, const Elf64_Ehdr *e, char *out, size_t size)
{
	*out = '\0';
	if (e->e_phentsize != sizeof(Elf64_Phdr) || e->e_phnum > MAX_SEGMENTS)
		return refuse(c, -ENOEXEC, "a damaged ELF file");
	for (unsigned i = 0; i < e->e_phnum; i++) {
		Elf64_Phdr ph;
		size_t n;

		if (pread(c->fd, &ph, sizeof(ph), (off_t)(e->e_phoff + i * sizeof(ph))) != sizeof(ph))
			return refuse(c, -ENOEXEC, "a damaged ELF file");
		if (ph.p_type != PT_INTERP)
			continue;
		n = MIN(ph.p_filesz, size - 1);
		if (pread(c->fd, out, n, (off_t)ph.p_offset) != (ssize_t)n)
			return refuse(c, -ENOEXEC, "a damaged ELF file");
		out[n] = '\0';
		return 0;
	}
	return 0;
}

static bool is_gnu_loader(const char *name)
{
	return !strcmp(name, "ld-linux-x86-64.so.2") || !strncmp(name, "ld-lsb-x86-64.so.", 17);
}

static int check_elf(struct check *c, const Elf64_Ehdr *e)
{
	char loader[PATH_MAX];
	const char *name;
	int r;

	if (e->e_ident[EI_CLASS] == ELFCLASS32)
		return refuse(c, -ENOEXEC, "a 32-bit program; our library has 64 bits");
	if (e->e_ident[EI_DATA] != ELFDATA2LSB || e->e_machine != EM_X86_64)
		return refuse(c, -ENOEXEC, "a program for another processor than x86-64");
	r = read_interpreter(c, e, loader, sizeof(loader));
	if (r)
		return r;
	if (!*loader)
		return refuse(c, -ENOEXEC, "statically linked: there is no loader that would take our library in");
	name = strrchr(loader, '/');
	if (!is_gnu_loader(name ? name + 1 : loader))
		return refuse(c, -ENOEXEC, "its loader is %s; our library needs the GNU C library's",
			      loader);
	return check_rights(c);
}

/* The interpreter of a "#!" line in @head, as the kernel cuts it out; NULL if there is none. */
static char *script_interpreter(char *head)
{
	char *at = head + 2;

	head[strcspn(head, "\n")] = '\0';
	at += strspn(at, " \t");
	at[strcspn(at, " \t")] = '\0';
	return *at ? at : NULL;
}

static int check_file(struct check *c, char *next, size_t size)
{
	union {
		Elf64_Ehdr elf;
		char text[256];
	} head = { .text = { 0 } };
	const char *interpreter;

	*next = '\0';
	if (fstat(c->fd, &c->st) || !S_ISREG(c->st.st_mode))
		return refuse(c, -EACCES, "not a file that can be run");
	if (pread(c->fd, &head, sizeof(head) - 1, 0) < 0)
		return refuse(c, -EACCES, "%s", strerror(errno));
	if (!memcmp(head.text, ELFMAG, SELFMAG))
		return check_elf(c, &head.elf);
	/* What is neither is a script of the shell to execvp. */
	interpreter = strncmp(head.text, "#!", 2) ? "/bin/sh" : script_interpreter(head.text);
	if (!interpreter)
		return refuse(c, -ENOEXEC, "its first line names no interpreter");
	snprintf(next, size, "%s", interpreter);
	return 0;
}

/* Not yet known whether it is a file: a FIFO must not stop us. */
static int open_to_look(int dirfd, const char *path)
{
	return openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

int program_check(int dirfd, const char *path, char *why, size_t size)
{
	char now[PATH_MAX], next[PATH_MAX];
	struct check c = { .path = now, .why = why, .size = size };

	snprintf(now, sizeof(now), "%s", path);
	for (int i = 0; i < MAX_INTERPRETERS; i++) {
		int r;

		c.fd = open_to_look(i ? AT_FDCWD : dirfd, now);
		if (c.fd < 0) {
			r = -errno;
			if (r == -ENOENT)
				return refuse(&c, r, i ? "there is no such interpreter" : "not found");
			return refuse(&c, r == -EMFILE || r == -ENFILE ? r : -EACCES,
				      "cannot be read, so whether our library would be "
				      "taken in is unknown (%s)", strerror(-r));
		}
		r = check_file(&c, next, sizeof(next));
		close(c.fd);
		if (r || !*next)
			return r;
		memcpy(now, next, sizeof(now));
	}
	return refuse(&c, -ENOEXEC, "too many interpreters of interpreters");
}
