/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * file.h - our descriptors and the objects behind them.
 *
 * A struct abi_file is the kernel's struct file: shared by every descriptor
 * made with dup, released with the last one.  The table is read without a lock
 * (RCU) and changed under its mutex, RANK_ABI_TABLE.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "abi/abi.h"
#include "abi/mapped_file.h"
#include "kvm/core/ratelimit.h"
#include "sync/lock.h"
#include "sync/rcu.h"

struct gmem_file;
struct kvm;

enum file_kind {
	FILE_SYSTEM, FILE_VM, FILE_VCPU, FILE_GMEM, FILE_VM_STATS, FILE_VCPU_STATS, FILE_SEV,
	NR_FILE_KINDS
};

struct abi_file {
	enum file_kind	kind;		/* constant, as all below but refs */
	atomic32_t	refs;
	dev_t		dev;		/* the memfd that stands for it */
	ino_t		ino;
	struct abi	*abi;
	int		owner;		/* process in which it was made */
	union {
		struct kvm	*kvm;	/* FILE_VM, FILE_VM_STATS: one reference on the VM */
		struct vcpu	*vcpu;	/* FILE_VCPU, FILE_VCPU_STATS: one reference on its VM */
		struct gmem_file *gmem;	/* FILE_GMEM: the file itself */
		const void	*writer;	/* FILE_SEV: NULL when it was opened for reading */
	};
	atomic64_t	pos;		/* [a] where read goes on */
	struct rcu_head	rcu;
};

/* Descriptors that the process can have: an int, in chunks made on demand. */
#define FD_CHUNK_SHIFT	12
#define FD_CHUNK_SIZE	(1u << FD_CHUNK_SHIFT)
#define FD_NR_CHUNKS	(1u << (31 - FD_CHUNK_SHIFT))

struct fd_table {
	struct mutex	 lock;
	struct abi_file	***chunks;	/* FD_NR_CHUNKS pointers, RCU */
	atomic32_t	 nr;		/* greatest number ever in it, plus 1; grows under lock */
};

struct abi {
	struct abi_config config;	/* as asked for */
	struct kvm_module module;
	struct fd_table	 table;
	struct mapped_files files;
	abi_run_hook	 run_hook;
	atomic32_t	 has_mapped_gmem;	/* since when the VMM has mappings of them */
	struct ratelimit denials;	/* lines about them */
	char		 uint_params[2][12];	/* as /sys/module shows them */
	int		*pid;		/* wiped in a forked child: ours when not 0 */
};

/* The module is loaded: its parameters get their texts. */
void abi_params_print(struct abi *abi);

MUST_CHECK int fd_table_init(struct fd_table *t);
void fd_table_fini(struct fd_table *t);		/* nothing is in it */

/*
 * Gives @fd (a fresh descriptor of ours, closed on failure) to a new file of
 * @kind.  @fd or -errno.  The object's reference goes to the file on success.
 */
MUST_CHECK int abi_file_install(struct abi *abi, int fd, enum file_kind kind, void *object);

/* Whether @fd of the VMM is /dev/sev: 0 or -EBADF. */
MUST_CHECK int abi_check_sev_fd(struct kvm_module *module, int fd);

/* KVM_GET_STATS_FD on @of, a FILE_VM or FILE_VCPU: a new descriptor or -errno. */
MUST_CHECK int abi_stats_open(struct abi_file *of);

/*
 * The machine's memory is not in a forked child: there it is made anew before
 * the first use of /dev/kvm, and files of the parent's machine stay dead.
 * 0, -ENOMEM.
 */
MUST_CHECK int abi_renew(struct abi *abi);

/* False in a process that did not create the VM: EIO. */
bool abi_is_owner(const struct abi *abi, const struct kvm *kvm);
