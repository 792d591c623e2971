/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ioctl.c - the way in.  KVM_RUN makes no system call here: its descriptor is
 * believed; that of every other call is compared with the kernel's.
 */
#include <stdarg.h>
#include <sys/ioctl.h>

#include "preload/bracket.h"
#include "preload/descriptor.h"
#include "preload/front.h"
#include "preload/real.h"
#include "softcvm/uapi/kvm.h"

/* What the kernel answers for every file before the file is asked. */
static bool is_of_every_file(unsigned int cmd)
{
	return cmd == FIOCLEX || cmd == FIONCLEX || cmd == FIONBIO || cmd == FIOASYNC;
}

static NOINLINE bool ioctl_ours(struct abi *abi, int fd, unsigned int cmd, unsigned long arg,
				long *r)
{
	uint32_t cancels = front_cancels();
	struct sync_cancel held;
	struct front_frame frame;
	struct abi_file *file;

	sync_cancel_hold(&held);
	front_enter(&frame);
	frame.cancels = cancels;
	file = abi_file_get(abi, fd, cmd != KVM_RUN);
	if (file) {
		*r = abi_ioctl(abi, file, cmd, arg);
		abi_file_put(file);
		if (unlikely(cmd == KVM_CREATE_VCPU) && *r >= 0)
			front_watch_stops();
	}
	front_leave(&frame);
	sync_cancel_release(&held);
	return file;
}

/*
 * KVM's own numbers on a descriptor that is not in our table, inherited or
 * received: of our making in another process, or a machine's own KVM, which
 * nobody reaches.  /dev/kvm is anybody's and becomes this process'; VMs and
 * vCPUs are EIO, as the kernel has them.  False: neither.
 */
static NOINLINE bool ioctl_foreign(int fd, unsigned int cmd, unsigned long arg, long *r)
{
	enum kvm_descriptor what = descriptor_kind(fd);
	struct abi *abi;
	int err;

	if (what == DESCRIPTOR_OTHER)
		return false;
	*r = -EIO;
	if (what == DESCRIPTOR_VM)
		return true;
	err = front_machine_make(&abi);
	*r = err ? err : descriptor_adopt(abi, fd);
	return *r || ioctl_ours(abi, fd, cmd, arg, r);
}

/* The kernel sees 32 bits of the number, and one word of argument. */
EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct abi *abi = front_machine();
	unsigned int cmd = (unsigned int)request;
	struct bracket b;
	unsigned long arg;
	bool gone = false;
	va_list ap;
	long r;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	if (abi && !is_of_every_file(cmd) && ioctl_ours(abi, fd, cmd, arg, &r))
		return (int)front_answer(r);
	if (unlikely(_IOC_TYPE(cmd) == KVMIO) && ioctl_foreign(fd, cmd, arg, &r))
		return (int)front_answer(r);
	if (likely(!abi) || !bracket_begin_uffd(&b, cmd, arg, &gone))
		return real()->ioctl(fd, request, arg);
	r = real()->ioctl(fd, request, arg);
	bracket_end(&b, gone);
	return (int)r;
}
