/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fd.c - the life of descriptors: close, dup and their kin.
 *
 * The table follows what the kernel has done; a moment of disagreement is
 * harmless, because an entry is compared with the descriptor at use.  In a
 * child made by vfork the table is the parent's and stays as it is.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <unistd.h>

#include "preload/front.h"
#include "preload/real.h"

/* The machine whose table a change of ours has to follow, or NULL. */
static struct abi *table_owner(void)
{
	struct abi *abi = front_machine();

	return likely(!abi) || front_is_vfork_child() ? NULL : abi;
}

static int close_any(int fd)
{
	struct abi *abi = front_machine();
	struct front_frame frame;
	struct abi_file *file;
	int r, err;

	if (likely(!abi))
		return real()->close(fd);
	front_enter(&frame);
	file = abi_file_get(abi, fd, false);
	if (!file || front_is_vfork_child()) {
		abi_file_put(file);
		r = real()->close(fd);
		err = errno;
	} else {
		abi_file_put(file);
		file = abi_file_detach(abi, fd);
		r = real()->close(fd);
		err = errno;
		abi_file_put(file);
	}
	front_leave(&frame);
	errno = err;
	return r;
}

EXPORT int close(int fd)
{
	return close_any(fd);
}

EXPORT int __close(int fd);
EXPORT int __close(int fd)
{
	return close_any(fd);
}

/* @first to @last are closed. */
static void forget_range(unsigned int first, unsigned int last)
{
	struct abi *abi = table_owner();
	struct front_frame frame;
	int highest, saved = errno;

	if (!abi)
		return;
	front_enter(&frame);
	highest = abi_highest_fd(abi);
	for (long fd = first; fd <= (long)last && fd <= highest; fd++)
		abi_file_put(abi_file_detach(abi, (int)fd));
	front_leave(&frame);
	errno = saved;
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	int r = real()->close_range(first, last, flags);

	if (!r && !(flags & CLOSE_RANGE_CLOEXEC))
		forget_range(first, last);
	return r;
}

EXPORT void closefrom(int first)
{
	real()->closefrom(first);
	forget_range((unsigned int)MAX(first, 0), ~0u);
}

/* @fd is what @file is, or nothing of ours (NULL); r: what the kernel answered. */
static int became(struct abi_file *file, int fd)
{
	struct abi *abi = table_owner();

	if (fd < 0 || !abi)
		return fd;
	if (!file) {
		abi_file_put(abi_file_detach(abi, fd));
		return fd;
	}
	if (abi_file_alias(abi, file, fd)) {
		real()->close(fd);
		errno = ENOMEM;
		return -1;
	}
	return fd;
}

/* Runs @call (a new descriptor or -1) as a dup of @old. */
#define AS_DUP(old, call)						\
	do {								\
		struct front_frame frame;				\
		struct abi_file *file;					\
		int got, err;						\
									\
		if (likely(!front_machine()))				\
			return (call);					\
		front_enter(&frame);					\
		file = front_file(old);					\
		got = became(file, (call));				\
		err = errno;						\
		abi_file_put(file);					\
		front_leave(&frame);					\
		errno = err;						\
		return got;						\
	} while (0)

EXPORT int dup(int old)
{
	AS_DUP(old, real()->dup(old));
}

EXPORT int dup2(int old, int new)
{
	if (old == new)
		return real()->dup2(old, new);
	AS_DUP(old, real()->dup2(old, new));
}

EXPORT int __dup2(int old, int new);
EXPORT int __dup2(int old, int new)
{
	return dup2(old, new);
}

EXPORT int dup3(int old, int new, int flags)
{
	AS_DUP(old, real()->dup3(old, new, flags));
}

/* Ours are sealed memfds; the kernel's anonymous files and devices have no seals.  -errno or 0. */
static int refuse_seals(int fd, int cmd, uintptr_t arg)
{
	struct front_frame frame;
	struct abi_file *file;
	int r = 0;

	if (likely(!front_machine()))
		return 0;
	front_enter(&frame);
	file = front_file(fd);
	if (file) {
		bool may_write = (real()->fcntl(fd, F_GETFL, NULL) & O_ACCMODE) != O_RDONLY;

		r = cmd == F_GET_SEALS || may_write || arg > UINT32_MAX ? -EINVAL : -EPERM;
	}
	abi_file_put(file);
	front_leave(&frame);
	return r;
}

/* The argument of fcntl is a number or a pointer: one word in a register. */
#define DEFINE_FCNTL(name)						\
int name(int fd, int cmd, ...);						\
EXPORT int name(int fd, int cmd, ...)					\
{									\
	va_list ap;							\
	void *arg;							\
									\
	va_start(ap, cmd);						\
	arg = va_arg(ap, void *);					\
	va_end(ap);							\
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)			\
		AS_DUP(fd, real()->name(fd, cmd, arg));			\
	if (cmd == F_ADD_SEALS || cmd == F_GET_SEALS) {			\
		int r = refuse_seals(fd, cmd, (uintptr_t)arg);		\
									\
		if (r)							\
			return (int)front_answer(r);			\
	}								\
	return real()->name(fd, cmd, arg);				\
}

DEFINE_FCNTL(fcntl)
DEFINE_FCNTL(fcntl64)
DEFINE_FCNTL(__fcntl)
