/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * socket.c - descriptors of ours that a message brings back to this process,
 * and messages from and to memory that a guest has.
 */
#include <string.h>
#include <sys/socket.h>

#include "preload/front.h"
#include "preload/hidden.h"
#include "preload/real.h"

static void adopt_all(struct abi *abi, struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			/* Out of memory: the descriptor is an empty file, as in another process. */
			(void)!abi_file_adopt(abi, fd);
		}
	}
}

static NOINLINE void received(struct abi *abi, struct msghdr *msg)
{
	struct front_frame frame;
	int saved = errno;

	if (front_is_vfork_child())
		return;
	front_enter(&frame);
	adopt_all(abi, msg);
	front_leave(&frame);
	errno = saved;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n;

	if (likely(!front_machine()))
		return real()->recvmsg(fd, msg, flags);
	n = SHOWN(msg->msg_iov, msg->msg_iovlen, true, real()->recvmsg(fd, msg, flags));
	if (n >= 0 && msg->msg_controllen)
		received(front_machine(), msg);
	return n;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int nr, int flags,
		    struct timespec *timeout)
{
	int n;

	for (unsigned i = 0; i < nr && unlikely(front_machine()); i++)
		hidden_show(msgs[i].msg_hdr.msg_iov, msgs[i].msg_hdr.msg_iovlen, true);
	n = real()->recvmmsg(fd, msgs, nr, flags, timeout);
	for (int i = 0; i < n && front_machine(); i++) {
		if (msgs[i].msg_hdr.msg_controllen)
			received(front_machine(), &msgs[i].msg_hdr);
	}
	return n;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (likely(!front_machine()))
		return real()->sendmsg(fd, msg, flags);
	return SHOWN(msg->msg_iov, msg->msg_iovlen, false, real()->sendmsg(fd, msg, flags));
}

EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int nr, int flags)
{
	for (unsigned i = 0; i < nr && unlikely(front_machine()); i++)
		hidden_show(msgs[i].msg_hdr.msg_iov, msgs[i].msg_hdr.msg_iovlen, false);
	return real()->sendmmsg(fd, msgs, nr, flags);
}

EXPORT ssize_t recv(int fd, void *p, size_t n, int flags)
{
	return SHOWN_ONE(p, n, true, real()->recv(fd, p, n, flags));
}

EXPORT ssize_t recvfrom(int fd, void *p, size_t n, int flags, struct sockaddr *from, socklen_t *size)
{
	return SHOWN_ONE(p, n, true, real()->recvfrom(fd, p, n, flags, from, size));
}

EXPORT ssize_t send(int fd, const void *p, size_t n, int flags)
{
	return SHOWN_ONE(p, n, false, real()->send(fd, p, n, flags));
}

EXPORT ssize_t sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to,
		      socklen_t size)
{
	return SHOWN_ONE(p, n, false, real()->sendto(fd, p, n, flags, to, size));
}

EXPORT ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags);
EXPORT ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags)
{
	if (n > room)	/* libc ends the program */
		return real()->__recv_chk(fd, p, n, room, flags);
	return SHOWN_ONE(p, n, true, real()->__recv_chk(fd, p, n, room, flags));
}

EXPORT ssize_t __recvfrom_chk(int fd, void *p, size_t n, size_t room, int flags,
			      struct sockaddr *from, socklen_t *size);
EXPORT ssize_t __recvfrom_chk(int fd, void *p, size_t n, size_t room, int flags,
			      struct sockaddr *from, socklen_t *size)
{
	if (n > room)
		return real()->__recvfrom_chk(fd, p, n, room, flags, from, size);
	return SHOWN_ONE(p, n, true, real()->__recvfrom_chk(fd, p, n, room, flags, from, size));
}
