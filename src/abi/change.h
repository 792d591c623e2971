/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * change.h - the program is about to change its own address space, or a file
 * that is mapped there: the bracket around the system call (kvm/host/notifier).
 *
 *	abi_change_*()		before the call; guests are out of the range
 *	abi_change_end()	after it, whether it has failed or not
 *
 * Nothing of ours may be entered: not inside an ioctl of ours, and no handler
 * of the program may run in between and leave by a jump.  Cannot fail.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "kvm/host/notifier.h"

struct abi;

struct abi_change {
	struct kvm_host_change	 inner;		/* .module NULL: nothing was begun */
	struct kvm_hva_range	 ranges[2];
	struct kvm_hva_range	*many;		/* instead of ranges; ours */
	bool			 is_too_much;	/* ranges cover what does not change, too */
};

/* Addresses [at, at + size), rounded out to pages; a second range may be empty. */
void abi_change_range(struct abi *abi, struct abi_change *c, const void *at, size_t size);
void abi_change_ranges(struct abi *abi, struct abi_change *c, const void *at, size_t size,
		       const void *at2, size_t size2);
/* Bytes [offset, offset + length) of the file that @st tells of, wherever it is mapped. */
void abi_change_file(struct abi *abi, struct abi_change *c, const struct stat *st,
		     uint64_t offset, uint64_t length);
/* The bytes of files that are mapped at [at, at + size), and that range. */
void abi_change_behind(struct abi *abi, struct abi_change *c, const void *at, size_t size);

/* @gone: the pages that were there are not there any more. */
void abi_change_end(struct abi_change *c, bool gone);

/*
 * Between the call and its end a look may have put a hidden page back, as ciphertext, where the
 * call has just taken it away.  True: pages were looked at since abi_looks() said
 * @looks; then the call is made once more, in a bracket of its own, before which no
 * hidden page is left.  So what the call promises holds when it returns.
 */
uint64_t abi_looks(struct abi *abi);
bool abi_looked_since(struct abi *abi, uint64_t looks);

/*
 * -- Pages that are hidden while a guest's key has them (hw/insn/view.h) --
 *
 * abi_touched: an instruction has faulted at @at, with @sig (SIGSEGV or SIGBUS): true
 * when it is to be run again.  @ucontext: the handler's third argument.  Async-signal-safe.
 */
bool abi_touched(struct abi *abi, int sig, void *at, const void *ucontext);
/*
 * An instruction of the program's at @rip has faulted at @at (@is_bus: SIGBUS), and abi_touched() has not
 * helped: true when a guest's ownership is why, which has been told (trace; a line
 * for the first touch of a page).  What the kernel would give is SIGBUS, BUS_ADRERR.
 */
MUST_CHECK bool abi_denied(struct abi *abi, void *at, bool write, bool is_bus, uint64_t rip);
/* May some of [@at, @at + @size) be hidden?  Quick where no guest has a key. */
bool abi_may_hide(struct abi *abi, const void *at, size_t size);
/*
 * [@at, @at + @size) is about to be unmapped or dropped: a file's pages outlive that,
 * so those that are hidden become what everybody else will find in the file.
 */
void abi_show_shared(struct abi *abi, const void *at, size_t size);
/*
 * Around a call that takes mappings away or moves them: what gates have there
 * (hw/insn/gate.h).  abi_gates_leave() answers 0, or -ENOMEM: the call is not to be made.
 */
struct gate_move;
MUST_CHECK int abi_gates_leave(struct abi *abi, void *at, size_t size, struct gate_move **out);
/* @to: where the first of them is now, of @size bytes, or NULL.  @stays: (also) where it was. */
void abi_gates_arrive(struct gate_move *m, void *to, size_t size, bool stays);
/* Is some of it such a mapping? */
bool abi_is_gated(struct abi *abi, const void *at, size_t size);

/* A mapping is new, or lies elsewhere. */
void abi_mapped(struct abi *abi, void *at, size_t size);

/* Could abi_change_file() find anything? */
bool abi_has_slots(const struct abi *abi);
/* A file has been mapped, or a mapping has moved. */
void abi_files_mapped(struct abi *abi);
