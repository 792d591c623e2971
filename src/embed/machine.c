/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * machine.c - the library: room abi behind plain functions.
 */
#pragma GCC visibility push(default)
#include "softcvm/softcvm.h"
#pragma GCC visibility pop

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi/abi.h"
#include "abi/change.h"
#include "base/macros.h"
#include "os/uaccess.h"
#include "preload/config.h"
#include "sync/lock.h"
#include "sync/rcu.h"
#include "trace/counters.h"

struct softcvm {
	struct abi		*abi;
	struct exec_config	 config;	/* owns names that the machine uses */
	struct softcvm		*next;		/* [l] */
};

/* All of the process, for softcvm_fault(), which reads it without the lock. */
static struct softcvm *machines;
static struct mutex machines_lock = MUTEX_INIT("machines_lock", RANK_LEAF);

static void join(struct softcvm *s)
{
	mutex_lock(&machines_lock);
	s->next = machines;
	rcu_assign_pointer(machines, s);
	mutex_unlock(&machines_lock);
}

static void leave(struct softcvm *s)
{
	struct softcvm **p = &machines;

	mutex_lock(&machines_lock);
	while (*p != s)
		p = &(*p)->next;
	rcu_assign_pointer(*p, s->next);
	mutex_unlock(&machines_lock);
}

/* The size of the first version of the structure: none has been shorter. */
#define FIRST_SIZE	(offsetof(struct softcvm_machine, why_size) + sizeof(size_t))

/* A negative errno as libc has it. */
static long answer(long r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* Lines "key=value", as exec passes them on. */
static bool add(FILE *f, const char *key, const char *value)
{
	return !value || (!strchr(value, '\n') && fprintf(f, "%s=%s\n", key, value) > 0);
}

static bool add_number(FILE *f, const char *key, unsigned value)
{
	return !value || fprintf(f, "%s=%u\n", key, value) > 0;
}

static bool add_all(FILE *f, const struct softcvm_machine *m)
{
	bool ok = add(f, "cpu", m->cpu) && add(f, "kernel-abi", m->kernel_abi) &&
		  add_number(f, "phys-bits", m->phys_bits) &&
		  add_number(f, "phys-reduction", m->phys_reduction) &&
		  add_number(f, "c-bit", m->c_bit) && add_number(f, "cpus", m->cpus) &&
		  add(f, "sw-protected", m->sw_protected) && add(f, "trace", m->trace) &&
		  add(f, "trace-file", m->trace_file) &&
		  add_number(f, "strict-host-access", m->strict_host_access);

	for (const char *const *p = m->params; ok && p && *p; p++)
		ok = add(f, "param", *p);
	return ok;
}

/* The text for exec_config_parse(), owned by the caller; NULL with errno. */
static char *text_of(const struct softcvm_machine *m)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	bool ok;

	if (!f)
		return NULL;
	ok = add_all(f, m);
	if (fclose(f) || !ok) {
		free(text);
		errno = ok ? ENOMEM : EINVAL;
		return NULL;
	}
	return text;
}

static void explain(const struct softcvm_machine *m, const char *why)
{
	if (m->why)
		snprintf(m->why, m->why_size, "%s", why);
}

static int configure(struct softcvm *s, const struct softcvm_machine *m)
{
	char line[2560], *text = text_of(m);
	int r;

	if (!text) {
		r = -errno;
		explain(m, r == -EINVAL ? "a value has a line break" : "out of memory");
		return r;
	}
	r = exec_config_parse(text, &s->config, line, sizeof(line));
	free(text);
	if (r)
		explain(m, line);
	return r;
}

/*
 * A later version's structure may be longer, and is taken while what we do not
 * know is 0.  A shorter one is none: nothing of it is looked at.
 */
static int take_machine(struct softcvm_machine *m, const struct softcvm_machine *given)
{
	const unsigned char *byte = (const void *)given;

	if (given->size < FIRST_SIZE)
		return -EINVAL;
	memcpy(m, given, MIN(given->size, sizeof(*m)));
	for (size_t i = sizeof(*m); i < given->size; i++) {
		if (byte[i]) {
			explain(m, "a member is set that this version of the library does not know");
			return -EINVAL;
		}
	}
	return 0;
}

struct softcvm *softcvm_open(const struct softcvm_machine *machine)
{
	struct softcvm_machine m = { .size = 0 };
	struct softcvm *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return NULL;
	if (machine)
		r = take_machine(&m, machine);
	if (!r)
		r = configure(s, &m);
	if (r)
		goto out_free;
	r = abi_create(&s->config.abi, &s->abi);
	if (!r) {
		join(s);
		return s;
	}
	explain(&m, r == -EINVAL ? "there is no such processor" : strerror(-r));
	exec_config_free(&s->config);
out_free:
	free(s);
	errno = -r;
	return NULL;
}

void softcvm_free(struct softcvm *s)
{
	if (!s)
		return;
	leave(s);
	abi_destroy(s->abi);
	exec_config_free(&s->config);
	free(s);
}

int softcvm_dev_kvm(struct softcvm *s)
{
	return (int)answer(abi_open(s->abi, O_RDWR | O_CLOEXEC));
}

int softcvm_ioctl(struct softcvm *s, int fd, unsigned long request, ...)
{
	struct abi_file *file = abi_file_get(s->abi, fd, false);
	unsigned long arg;
	va_list ap;
	long r;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	if (!file)
		return (int)answer(-EBADF);
	r = abi_ioctl(s->abi, file, request, arg);
	abi_file_put(file);
	return (int)answer(r);
}

int softcvm_close(struct softcvm *s, int fd)
{
	struct abi_file *file = abi_file_detach(s->abi, fd);
	int r;

	if (!file)
		return (int)answer(-EBADF);
	r = close(fd);
	abi_file_put(file);
	return r;
}

ssize_t softcvm_pread(struct softcvm *s, int fd, void *p, size_t n, off_t at)
{
	struct abi_file *file = abi_file_get(s->abi, fd, false);
	ssize_t r;

	if (!file)
		return answer(-EBADF);
	r = abi_read(file, &(struct iovec){ p, n }, 1, &at);
	abi_file_put(file);
	return answer(r);
}

int softcvm_fallocate(struct softcvm *s, int fd, int mode, off_t offset, off_t length)
{
	struct abi_file *file = abi_file_get(s->abi, fd, false);
	int r;

	if (!file)
		return (int)answer(-EBADF);
	r = abi_fallocate(file, fd, mode, offset, length);
	abi_file_put(file);
	return (int)answer(r);
}

/* The kernel's mapping of @file's descriptor, with the pages that are not its own. */
static void *map_ours(struct abi_file *file, void *at, size_t length, int prot, int flags, int fd,
		      off_t offset)
{
	int r = abi_mmap_check(file, prot, flags, offset, length);
	void *p;

	if (r) {
		answer(r);
		return MAP_FAILED;
	}
	p = mmap(at, length, prot, flags, fd, offset);
	if (p == MAP_FAILED)
		return p;
	r = abi_mmap_finish(file, p, prot, offset, length);
	if (!r)
		return p;
	munmap(p, length);
	answer(r);
	return MAP_FAILED;
}

void *softcvm_mmap(struct softcvm *s, void *at, size_t length, int prot, int flags, int fd,
		   off_t offset)
{
	struct abi_file *file = flags & MAP_ANONYMOUS ? NULL : abi_file_get(s->abi, fd, false);
	bool replaces = (flags & MAP_FIXED) == MAP_FIXED;
	struct abi_change c;
	void *p;

	if (replaces)
		abi_change_range(s->abi, &c, at, length);
	p = file ? map_ours(file, at, length, prot, flags, fd, offset)
		 : mmap(at, length, prot, flags, fd, offset);
	if (p != MAP_FAILED && !(flags & MAP_ANONYMOUS))
		abi_files_mapped(s->abi);
	if (replaces)
		abi_change_end(&c, p != MAP_FAILED);
	abi_file_put(file);
	return p;
}

int softcvm_munmap(struct softcvm *s, void *at, size_t length)
{
	struct abi_change c;
	int r, error;

	abi_change_range(s->abi, &c, at, length);
	abi_show_shared(s->abi, at, length);
	r = munmap(at, length);
	error = errno;
	abi_change_end(&c, !r);
	errno = error;
	return r;
}

/* True: once more (abi_looks). */
static bool advise(struct softcvm *s, void *at, size_t length, int advice, int *r)
{
	bool gone = advice == MADV_DONTNEED || advice == MADV_REMOVE;
	struct abi_change c;
	uint64_t looks;
	int error;

	if (advice == MADV_REMOVE)
		abi_change_behind(s->abi, &c, at, length);
	else
		abi_change_range(s->abi, &c, at, length);
	if (advice == MADV_DONTNEED)
		abi_show_shared(s->abi, at, length);
	looks = abi_looks(s->abi);
	*r = madvise(at, length, advice);
	error = errno;
	abi_change_end(&c, !*r && gone);
	errno = error;
	return !*r && gone && abi_looked_since(s->abi, looks);
}

int softcvm_madvise(struct softcvm *s, void *at, size_t length, int advice)
{
	int r;

	if (advise(s, at, length, advice, &r))
		(void)advise(s, at, length, advice, &r);
	return r;
}

int softcvm_kick(struct softcvm *s, int fd)
{
	struct abi_file *file = abi_file_get(s->abi, fd, false);
	int r;

	if (!file)
		return (int)answer(-EBADF);
	r = abi_kick(file);
	abi_file_put(file);
	return (int)answer(r);
}

int softcvm_fault(int sig, void *ucontext)
{
	void *at = os_fault_address(ucontext);

	for (struct softcvm *s = rcu_dereference(machines); s; s = rcu_dereference(s->next))
		if (abi_touched(s->abi, sig, at, ucontext))
			return 1;
	return os_uaccess_fixup(sig, ucontext);
}

uint64_t softcvm_counter(const struct softcvm *s, const char *name)
{
	for (unsigned i = 0; i < NR_COUNTERS; i++) {
		if (!strcmp(name, counter_name(i)))
			return counter_read(abi_counters(s->abi), i);
	}
	return 0;
}
