/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * errno_rows.h - one ioctl, its argument, and what the kernel answers.
 *
 * A row stands for itself: it runs on a machine made for it alone, so rows do
 * not depend on their order.  When the call is refused, the state that the
 * descriptor's kind has is compared with the state before.
 *
 * Facts and their sources: docs/facts/ioctl-errno.tsv.
 */
#ifndef TESTS_ABI_ERRNO_ROWS_H
#define TESTS_ABI_ERRNO_ROWS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <softcvm/uapi/kvm.h>

/*
 * What a row finds.  Memory of the VMM lies at ROW_HVA, so that tables can be
 * constant; the descriptors below have fixed numbers for the same reason.
 */
#define ROW_HVA		0x7ea000000000ULL	/* free under the sanitizers too */
#define ROW_HVA_SIZE	(64ULL << 20)
#define ROW_PAGES	4ULL			/* pages in each of the slots below */
#define ROW_GMEM_GPA	0x100000ULL
#define ROW_GMEM_PAGES	8ULL

enum {
	FD_GMEM = 200,		/* its first ROW_PAGES pages are bound to slot 1 */
	FD_GMEM_FREE,		/* bound to nothing */
	FD_GMEM_OTHER,		/* another VM's */
	FD_MEMFD,		/* a file that is none of KVM's */
	FD_KVM,
	FD_CLOSED,		/* never open */
};

enum where {
	ON_DEV,			/* /dev/kvm */
	ON_BARE,		/* a DEFAULT VM with nothing */
	ON_VM,			/* DEFAULT: irqchip, slot 0 at gpa 0, vCPU 0 */
	ON_VCPU,		/* its vCPU */
	ON_BARE_VCPU,		/* a vCPU of a VM without an irqchip */
	ON_SWP,			/* SW_PROTECTED: irqchip, slot 0 shared only, slot 1 with gmem, vCPU 0 */
	ON_SWP_VCPU,
	ON_GMEM,
	NR_WHERE
};

struct machine;			/* test_ioctl_errno.c */

struct poke {			/* @size bytes of @value at @offset of the argument */
	uint16_t offset, size;
	uint64_t value;
};

struct row {
	const char *why;
	enum where on;
	unsigned long nr;
	const void *arg;	/* copied to a buffer whose address is passed ... */
	size_t size;
	unsigned long value;	/* ... or, without arg and fill, this value is */
	int (*before)(struct machine *m);
	unsigned long fill;	/* ioctl that reads the argument's first content */
	struct poke poke[3];	/* laid over it */
	int want;		/* errno, 0 for success */
	long returns;		/* with success: this, or anything when 0 */
	/* Looks at the argument afterwards; false when it is not as it should be. */
	bool (*after)(struct machine *m, const void *arg);
	bool returns_fd;	/* close it */
	unsigned int cap;	/* the row needs this capability at system scope */
	/* A later kernel's answer (-1: any) and why, for --second-opinion. */
	int later;
	const char *later_why;
};

/* Initialisers: an argument by value, and one by name. */
#define ARG(type, ...)	.arg = &(const type){ __VA_ARGS__ }, .size = sizeof(type)

struct row_table {
	const struct row *rows;
	size_t nr;
};

extern const struct row_table system_rows, vm_rows, memory_rows, vcpu_rows, state_rows,
	irq_rows;

/* How an ioctl treats its pointer; NULL, holes and odd addresses are made from it. */
struct pointer_row {
	enum where on;
	unsigned long nr;
	const void *good;	/* an argument that succeeds */
	size_t size;
	bool out;		/* writes to it */
	int null_want;		/* mostly EFAULT */
	unsigned long fill;	/* as in struct row */
	unsigned int cap;
	bool fd;		/* success is a descriptor */
	size_t used;		/* bytes that the call must touch, @size when 0 */
};

extern const struct pointer_row pointer_rows[];
extern const size_t nr_pointer_rows;

/* What machines look like to rows. */
int machine_fd(struct machine *m, enum where on);
struct kvm_run *machine_run(struct machine *m);

#endif
