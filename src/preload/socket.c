/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * socket.c - descriptors of ours that a message brings back to this process.
 */
#include <string.h>
#include <sys/socket.h>

#include "preload/front.h"
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
	ssize_t n = real()->recvmsg(fd, msg, flags);

	if (n >= 0 && unlikely(front_machine()) && msg->msg_controllen)
		received(front_machine(), msg);
	return n;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int nr, int flags,
		    struct timespec *timeout)
{
	int n = real()->recvmmsg(fd, msgs, nr, flags, timeout);

	for (int i = 0; i < n && front_machine(); i++) {
		if (msgs[i].msg_hdr.msg_controllen)
			received(front_machine(), &msgs[i].msg_hdr);
	}
	return n;
}
