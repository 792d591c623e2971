/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mask.c - every name of libc's that sets a signal mask, for good or while it
 * waits.  SIGSEGV, SIGBUS and SIGILL stay open in all of them: a handler that
 * runs under such a mask may call us, and a fault of ours that is blocked ends
 * the program.
 */
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "os/uaccess.h"
#include "preload/front.h"
#include "preload/real.h"

/* @set without what stays open, in @copy; NULL and what cannot be read stay as they are. */
static const sigset_t *opened(const sigset_t *set, sigset_t *copy)
{
	if (!set || os_copy_from(copy, set, sizeof(*copy)))
		return set;
	front_keep_open(copy);
	return copy;
}

static int set_mask(int (*fn)(int, const sigset_t *, sigset_t *), int how, const sigset_t *set,
		    sigset_t *old)
{
	sigset_t copy;

	return fn(how, how == SIG_UNBLOCK ? set : opened(set, &copy), old);
}

EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return set_mask(real()->sigprocmask, how, set, old);
}

EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return set_mask(real()->pthread_sigmask, how, set, old);
}

/* What a thread begins with. */
EXPORT int pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *set);
EXPORT int pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *set)
{
	sigset_t copy;

	return real()->pthread_attr_setsigmask_np(attr, opened(set, &copy));
}

/* -- Of old -- */

static bool stays_open(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL;
}

#define BIT_OF(sig)	(1 << ((sig) - 1))
#define OPEN_BITS	(BIT_OF(SIGSEGV) | BIT_OF(SIGBUS) | BIT_OF(SIGILL))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

EXPORT int sighold(int sig)
{
	return stays_open(sig) ? 0 : real()->sighold(sig);
}

EXPORT int sigblock(int mask)
{
	return real()->sigblock(mask & ~OPEN_BITS);
}

EXPORT int sigsetmask(int mask)
{
	return real()->sigsetmask(mask & ~OPEN_BITS);
}

#pragma GCC diagnostic pop

/* -- While waiting -- */

EXPORT int sigsuspend(const sigset_t *set)
{
	sigset_t copy;

	return real()->sigsuspend(opened(set, &copy));
}

EXPORT int __sigsuspend(const sigset_t *set);
EXPORT int __sigsuspend(const sigset_t *set)
{
	sigset_t copy;

	return real()->__sigsuspend(opened(set, &copy));
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *set)
{
	sigset_t copy;

	return real()->ppoll(fds, n, timeout, opened(set, &copy));
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		       const sigset_t *set, size_t room);
EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		       const sigset_t *set, size_t room)
{
	sigset_t copy;

	return real()->__ppoll_chk(fds, n, timeout, opened(set, &copy), room);
}

EXPORT int pselect(int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *timeout,
		   const sigset_t *set)
{
	sigset_t copy;

	return real()->pselect(n, r, w, x, timeout, opened(set, &copy));
}

EXPORT int epoll_pwait(int fd, struct epoll_event *events, int n, int timeout, const sigset_t *set)
{
	sigset_t copy;

	return real()->epoll_pwait(fd, events, n, timeout, opened(set, &copy));
}

EXPORT int epoll_pwait2(int fd, struct epoll_event *events, int n, const struct timespec *timeout,
			const sigset_t *set)
{
	sigset_t copy;

	return real()->epoll_pwait2(fd, events, n, timeout, opened(set, &copy));
}
