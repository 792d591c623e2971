/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_attempts.h - what test_sev_errno tries on a VM: one ioctl with one
 * argument, by the names that docs/facts/sev-errno.tsv has for them.
 */
#ifndef TESTS_ABI_SEV_ATTEMPTS_H
#define TESTS_ABI_SEV_ATTEMPTS_H

#include <stddef.h>
#include <stdint.h>

/* Where things lie, so that tables can be constant. */
#define AT_MEM		0x7ea000000000ULL	/* the guest's memory, and the VMM's buffers */
#define AT_MEM_SIZE	0x40000ULL
#define AT_GUEST	(AT_MEM + 0x1000)	/* a page that the launch encrypts */
#define AT_BUFFER	(AT_MEM + 0x20000)	/* pages that no guest has */
#define AT_OTHER	(AT_MEM + 0x28000)
#define AT_HOLE		(AT_MEM + AT_MEM_SIZE)	/* nothing is mapped there */
#define AT_WRAP		(-0x1000ULL)

enum {
	FD_SEV = 200,
	FD_SEV_READER,		/* /dev/sev, read-only */
	FD_MEMFD,
	FD_LAUNCHED,		/* another VM, running; of the same type */
	FD_PLAIN,		/* a DEFAULT VM without SEV */
	FD_MIRROR,		/* a mirror of FD_LAUNCHED */
	FD_SELF,		/* the VM itself */
	FD_CLOSED,		/* never open */
};

enum way { BY_OP, BY_RAW_OP, BY_REGION, BY_UNREGION, BY_CAP, BY_DEVICE, BY_RAW_DEVICE };

struct attempt {
	const char *command, *argument;
	enum way by;
	uint32_t id;		/* of the command, or of the capability */
	const void *data;	/* copied to a buffer, whose address is passed ... */
	size_t size;
	uint64_t value;		/* ... or, without, this is */
	int sev_fd;		/* FD_SEV when 0 */
	uint32_t flags;		/* of KVM_ENABLE_CAP */
};

extern const struct attempt attempts[], device_attempts[];
extern const size_t nr_attempts, nr_device_attempts;

#endif
