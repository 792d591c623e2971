/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* an_abi.h - a machine with KVM, in this process. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "softcvm/uapi/kvm.h"

#include "abi/abi.h"
#include "abi/params.h"
#include "base/macros.h"
#include "os/uaccess.h"

static inline struct abi *an_abi(enum hw_vendor vendor)
{
	struct abi_config c;
	struct abi *abi;

	abi_default_config(&c);
	c.hw.vendor = vendor;
	c.hw.phys_bits = 46;
	assert_int_equal(abi_create(&c, &abi), 0);
	return abi;
}

/* ioctl(fd, cmd, arg), EBADF as -9 when @fd is none of ours. */
static inline long do_ioctl(struct abi *abi, int fd, unsigned long cmd, unsigned long arg)
{
	struct abi_file *f = abi_file_get(abi, fd, true);
	long r = f ? abi_ioctl(abi, f, cmd, arg) : -9;

	abi_file_put(f);
	return r;
}

static inline void do_close(struct abi *abi, int fd)
{
	struct abi_file *f = abi_file_detach(abi, fd);

	close(fd);
	abi_file_put(f);
}
