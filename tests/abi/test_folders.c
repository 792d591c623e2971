/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_folders.c - /sys/module/kvm* as folders, and /sys/module and /dev as a
 * machine with our modules has them.
 *
 * usage: test_folders amd|intel [--verbose]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm_user.h"

static struct checks c;
static const char *vendor_module;

/* How often @name is in a listing, and how many names begin as one of ours. */
struct seen {
	const char	*name;
	int		 times, like_ours, entries;
};

static void see(struct seen *s, const char *name)
{
	s->times += !strcmp(name, s->name);
	s->like_ours += !strncmp(name, "kvm", 3) || !strncmp(name, "sev", 3);
	s->entries++;
}

static void by_readdir(const char *path, struct seen *s)
{
	DIR *d = opendir(path);

	need(d, "opendir %s", path);
	for (struct dirent *e; (e = readdir(d)); )
		see(s, e->d_name);
	closedir(d);
}

static void by_readdir_r(const char *path, struct seen *s)
{
	DIR *d = fdopendir(open(path, O_RDONLY | O_DIRECTORY));
	struct dirent e, *got;

	need(d, "fdopendir %s", path);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	while (!readdir_r(d, &e, &got) && got)
		see(s, e.d_name);
#pragma GCC diagnostic pop
	closedir(d);
}

static void by_scandir(const char *path, struct seen *s)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort);

	need(n >= 0, "scandir %s", path);
	for (int i = 0; i < n; i++) {
		check(&c, !i || strcmp(list[i - 1]->d_name, list[i]->d_name) <= 0, "%s: sorted", path);
		see(s, list[i]->d_name);
	}
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

/* With a buffer of @size bytes at a time. */
static void by_getdents(const char *path, struct seen *s, size_t size, bool by_number)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	char *buf = malloc(size);
	ssize_t n;

	need(fd >= 0 && buf, "open %s", path);
	while ((n = by_number ? syscall(SYS_getdents64, fd, buf, size)
			      : getdents64(fd, buf, size)) > 0) {
		for (ssize_t at = 0; at < n; ) {
			struct dirent64 *e = (struct dirent64 *)(buf + at);

			see(s, e->d_name);
			at += e->d_reclen;
		}
	}
	check(&c, n == 0, "%s: getdents64 with %zu bytes ends with %zd", path, size, n);
	free(buf);
	close(fd);
}

static void by_getdents_large(const char *path, struct seen *s)
{
	by_getdents(path, s, 65536, false);
}

static void by_getdents_small(const char *path, struct seen *s)
{
	by_getdents(path, s, 400, true);
}

static const struct {
	const char	*name;
	void		(*read)(const char *path, struct seen *s);
} ways[] = {
	{ "readdir", by_readdir }, { "readdir_r", by_readdir_r }, { "scandir", by_scandir },
	{ "getdents64", by_getdents_large }, { "SYS_getdents64", by_getdents_small },
};

/* @name is once in @path, which has @like_ours names that could be of a KVM. */
static void has(const char *path, const char *name, int like_ours, int least, int most)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct seen s = { .name = name };

		ways[i].read(path, &s);
		check(&c, s.times == 1, "%s by %s: %s is there %d times", path, ways[i].name, name,
		      s.times);
		check(&c, s.like_ours == like_ours, "%s by %s: %d names of a KVM, not %d", path,
		      ways[i].name, s.like_ours, like_ours);
		check(&c, s.entries >= least && s.entries <= most, "%s by %s: %d entries", path,
		      ways[i].name, s.entries);
	}
}

static void listings(void)
{
	char path[64];
	int devices;

	has("/sys/module/kvm", "parameters", 0, 3, 3);
	has("/sys/module/kvm/", ".", 0, 3, 3);
	has("/sys/module/kvm/parameters", "mmio_caching", 0, 4, 100);
	snprintf(path, sizeof(path), "/sys/module/%s/parameters", vendor_module);
	has(path, "..", strcmp(vendor_module, "kvm_amd") ? 0 : 3, 3, 100);
	devices = 1 + !access("/dev/sev", F_OK);
	has("/dev", "kvm", devices, 4, 1 << 20);
	has("/dev", "null", devices, 4, 1 << 20);
	if (!access("/sys/module/.", F_OK)) {
		has("/sys/module", "kvm", 2, 4, 1 << 20);
		has("/sys/module", vendor_module, 2, 4, 1 << 20);
	}
}

static void places(void)
{
	DIR *d = opendir("/sys/module/kvm/parameters");
	struct dirent *e;
	char second[256];
	long at;
	int n = 0;

	need(d, "opendir");
	readdir(d);
	at = telldir(d);
	e = readdir(d);
	need(e, "readdir");
	strcpy(second, e->d_name);
	while (readdir(d))
		n++;
	seekdir(d, at);
	e = readdir(d);
	check(&c, e && !strcmp(e->d_name, second), "seekdir to what telldir said");
	rewinddir(d);
	while (readdir(d))
		n--;
	check(&c, n == -2, "rewinddir: all over again");
	closedir(d);
}

/* Names relative to a folder's descriptor. */
static void relative(void)
{
	int fd = open("/sys/module/kvm", O_RDONLY | O_DIRECTORY), other = dup(fd), file, sub;
	struct stat by_name, by_fd, below;
	char text[4] = "";

	need(fd >= 0, "open");
	check(&c, !stat("/sys/module/kvm", &by_name) && !fstat(other, &by_fd) && S_ISDIR(by_fd.st_mode) &&
	      by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev, "fstat is stat");
	check(&c, !fstatat(fd, "parameters", &below, 0) && S_ISDIR(below.st_mode), "fstatat");
	file = openat(other, "parameters/tdp_mmu", O_RDONLY);
	check(&c, file >= 0 && read(file, text, 3) == 2 && !strcmp(text, "Y\n"), "openat: %s", text);
	sub = openat(fd, "parameters", O_RDONLY | O_DIRECTORY);
	check(&c, sub >= 0 && !faccessat(sub, "mmio_caching", R_OK, 0), "openat of a folder");
	check(&c, openat(sub, "nonsense", O_RDONLY) == -1 && errno == ENOENT, "what is not there");
	check(&c, readlinkat(sub, "mmio_caching", text, sizeof(text)) == -1 && errno == EINVAL, "readlinkat");
	check(&c, write(fd, text, 1) == -1 && errno == EBADF, "cannot be written");
	check(&c, open("/sys/module/kvm", O_RDWR) == -1 && errno == EISDIR, "nor opened for it");
	check(&c, openat(fd, "/dev/null", O_RDONLY) >= 0, "absolute names are");
	close(sub);
	close(file);
	close(other);
	close(fd);
}

static void by_glob(void)
{
	glob_t g = { .gl_pathc = 0 };

	check(&c, !glob("/sys/module/kvm*/parameters", 0, NULL, &g) && g.gl_pathc == 2 &&
	      !strcmp(g.gl_pathv[0], "/sys/module/kvm/parameters"), "glob finds %zu", g.gl_pathc);
	globfree(&g);
	check(&c, !glob("/dev/k[v]m", 0, NULL, &g) && g.gl_pathc == 1, "glob of /dev");
	globfree(&g);
}

/* A stream may be closed, and takes its descriptor with it. */
static void no_leak(void)
{
	int before = dup(0);

	close(before);
	for (int i = 0; i < 10; i++) {
		closedir(opendir("/sys/module/kvm"));
		closedir(opendir("/dev"));
	}
	check(&c, dup(0) == before, "no descriptor is left open");
	close(before);
}

int main(int argc, char **argv)
{
	need(argc > 1, "usage: test_folders amd|intel");
	vendor_module = !strcmp(argv[1], "amd") ? "kvm_amd" : "kvm_intel";
	c.verbose = argc > 2;
	listings();
	places();
	relative();
	by_glob();
	no_leak();
	return checks_end(&c);
}
