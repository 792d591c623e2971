/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/path.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/uaccess.h"

#define THREE(a, b, c)	((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))

/* One of kvm, sev, smt, 232 or 124 (device numbers) and fd/ is in every name of ours. */
bool path_is_suspect(const char *path)
{
	bool suspect = false;
	uint32_t last = 0;

	for (size_t i = 0; i < PATH_MAX; i++) {
		uint8_t c;

		if (!os_load8(path + i, &c))
			return false;
		if (!c)
			return suspect;
		last = (last << 8 | c) & 0xffffff;
		suspect = suspect || last == THREE('k', 'v', 'm') || last == THREE('s', 'e', 'v') ||
			  last == THREE('s', 'm', 't') || last == THREE('2', '3', '2') ||
			  last == THREE('1', '2', '4') || last == THREE('f', 'd', '/');
	}
	return false;
}

void path_normalise(char *path)
{
	char *out = path, *in = path;

	while (*in) {
		size_t n;

		while (*in == '/')
			in++;
		n = strcspn(in, "/");
		if (n == 2 && in[0] == '.' && in[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (n && !(n == 1 && in[0] == '.')) {
			*out++ = '/';
			memmove(out, in, n);
			out += n;
		}
		in += n;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

/* "/memfd:softcvm:/a/b (deleted)" is a folder of ours: only its name stays. */
static void strip_folder(char *name)
{
	static const char before[] = "/memfd:" PATH_FOLDER_PREFIX, after[] = " (deleted)";
	size_t n = strlen(name), skip = sizeof(before) - 1, cut = sizeof(after) - 1;

	if (strncmp(name, before, skip))
		return;
	if (n >= skip + cut && !strcmp(name + n - cut, after))
		name[n -= cut] = '\0';
	memmove(name, name + skip, n - skip + 1);
}

/* The name of what @fd is, absolute; false when it has none. */
static bool name_of_fd(int fd, char *out, size_t size)
{
	char link[40];
	long n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlinkat, AT_FDCWD, link, out, size - 1);
	if (n <= 0 || out[0] != '/')
		return false;
	out[n] = '\0';
	strip_folder(out);
	return out[0] == '/';
}

static bool name_of_cwd(char *out, size_t size)
{
	return syscall(SYS_getcwd, out, size) > 0 && out[0] == '/';
}

/* "/proc/self", "/proc/thread-self" or "/proc/PID": what follows, or NULL. */
static char *after_own_proc(char *text)
{
	char *end;

	if (strncmp(text, "/proc/", 6))
		return NULL;
	text += 6;
	if (!strncmp(text, "self/", 5))
		return text + 4;
	if (!strncmp(text, "thread-self/", 12))
		return text + 11;
	return strtol(text, &end, 10) == getpid() && *end == '/' ? end : NULL;
}

static bool starts(const char *text, const char *with, char **after)
{
	size_t n = strlen(with);

	*after = (char *)text + n;
	return !strncmp(text, with, n) && (text[n] == '/' || !text[n]);
}

/* Replaces the first @gone bytes of @text by @by.  False when it does not fit. */
static bool put_before(char *text, char *after, const char *by)
{
	size_t n = strlen(by), rest = strlen(after) + 1;

	if (n + rest > PATH_MAX)
		return false;
	memmove(text + n, after, rest);
	memcpy(text, by, n);
	path_normalise(text);
	return true;
}

/*
 * Undoes one of the kernel's own links in front: /dev/fd, /proc/self/root,
 * cwd and fd/N/...  False when there was none.  PLACE_DESCRIPTOR for fd/N itself.
 */
static bool undo_link(struct path_place *p)
{
	char *rest = after_own_proc(p->text), *end;
	char *by = p->buffer[1];
	long fd;

	if (starts(p->text, "/dev/fd", &end))
		return put_before(p->text, end, "/proc/self/fd");
	if (!rest)
		return false;
	if (starts(rest, "/root", &end))
		return put_before(p->text, end, "");
	if (starts(rest, "/cwd", &end))
		return name_of_cwd(by, PATH_MAX) && put_before(p->text, end, by);
	if (strncmp(rest, "/fd/", 4))
		return false;
	fd = strtol(rest + 4, &end, 10);
	if (end == rest + 4 || fd < 0 || fd > INT_MAX)
		return false;
	if (!*end) {
		p->place = PLACE_DESCRIPTOR;
		p->fd = (int)fd;
		return false;
	}
	return *end == '/' && name_of_fd((int)fd, by, PATH_MAX) && put_before(p->text, end, by);
}

/* The part of @text that names a device or module of ours, or NULL. */
static char *suspicious_part(char *text)
{
	for (char *at = text; at; at = strchr(at + 1, '/')) {
		if (!strncmp(at, "/kvm", 4) || !strncmp(at, "/sev", 4) ||
		    !strncmp(at, "/smt/", 5) || !strncmp(at, "/10:232", 7))
			return at;
	}
	return NULL;
}

/* Resolves the links of the folder before @part, as the kernel would. */
static void resolve_folder(struct path_place *p, char *part)
{
	char *by = p->buffer[1];
	int fd;

	if (part == p->text)
		return;
	*part = '\0';
	fd = (int)syscall(SYS_openat, AT_FDCWD, p->text, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*part = '/';
	if (fd < 0)
		return;
	if (name_of_fd(fd, by, PATH_MAX))
		put_before(p->text, part, by);
	syscall(SYS_close, fd);
}

static void match_module(struct path_place *p)
{
	char *module = p->buffer[1] + strlen("/sys/module/"), *rest;

	memcpy(p->buffer[1], p->text, strlen(p->text) + 1);
	p->module = module;
	rest = strchr(module, '/');
	if (!rest) {
		p->place = PLACE_MODULE;
		return;
	}
	*rest++ = '\0';
	if (!strcmp(rest, "parameters")) {
		p->place = PLACE_PARAMETERS;
	} else if (!strncmp(rest, "parameters/", 11) && !strchr(rest + 11, '/')) {
		p->place = PLACE_PARAMETER;
		p->param = rest + 11;
	} else {
		p->place = PLACE_ABSENT;
	}
}

/* The two files that say whether this machine's processors have threads. */
static void match_smt(struct path_place *p, char *name)
{
	if (*name++ != '/' || (strcmp(name, "control") && strcmp(name, "active")))
		return;
	p->place = PLACE_SMT;
	p->param = name;
}

static bool match(struct path_place *p)
{
	static const char *const absent[] = {
		"/dev/sev-guest", "/sys/class/misc/kvm", "/sys/class/misc/sev",
		"/sys/devices/virtual/misc/kvm", "/sys/devices/virtual/misc/sev",
	};
	char *after;

	if (!strncmp(p->text, "/sys/module/kvm", 15)) {
		match_module(p);
	} else if (starts(p->text, "/dev/kvm", &after) ||
		   starts(p->text, "/dev/char/10:232", &after)) {
		p->place = PLACE_KVM;
		p->as_directory = p->as_directory || *after;
	} else if (starts(p->text, "/dev/sev", &after) ||
		   starts(p->text, "/dev/char/10:124", &after)) {
		p->place = PLACE_SEV;
		p->as_directory = p->as_directory || *after;
	} else if (starts(p->text, "/sys/devices/system/cpu/smt", &after)) {
		match_smt(p, after);
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
			if (starts(p->text, absent[i], &after))
				p->place = PLACE_ABSENT;
		}
	}
	return p->place != PLACE_KERNEL;
}

/* (dirfd, path) as one absolute text. */
static bool make_absolute(int dirfd, const char *path, struct path_place *p)
{
	size_t n = 0, m = strlen(path);

	if (path[0] != '/') {
		if (!(dirfd == AT_FDCWD ? name_of_cwd(p->text, PATH_MAX)
					: name_of_fd(dirfd, p->text, PATH_MAX)))
			return false;
		n = strlen(p->text);
		p->text[n++] = '/';
	}
	if (n + m + 1 > PATH_MAX)
		return false;
	memcpy(p->text + n, path, m + 1);
	p->as_directory = m && path[m - 1] == '/';
	path_normalise(p->text);
	return true;
}

void path_find(int dirfd, const char *path, struct path_place *p)
{
	char *part;

	p->place = PLACE_KERNEL;
	p->text = p->buffer[0];
	if (!make_absolute(dirfd, path, p))
		return;
	for (int i = 0; i < 8 && undo_link(p); i++)
		;
	if (p->place != PLACE_KERNEL || match(p))
		return;
	part = suspicious_part(p->text);
	if (part) {
		resolve_folder(p, part);
		match(p);
	}
}
