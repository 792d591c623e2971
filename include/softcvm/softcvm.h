/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * softcvm.h - a software KVM as a library: machines that a program makes for
 * itself, as many as it likes, without LD_PRELOAD and without /dev/kvm.
 *
 * A machine is what `softcvm exec` would give: open one, ask its descriptor
 * of /dev/kvm for VMs with softcvm_ioctl(), and go on as with the kernel's KVM,
 * whose numbers and structures are in softcvm/uapi/kvm.h.  Functions answer what
 * the system call of that name would: -1 and errno when it fails.
 *
 * Threads: any function, any thread, at once; KVM_RUN runs in its caller's.
 * Nothing is interposed, so what the front end learns by itself the program
 * has to say:
 *  - descriptors of a machine are closed by softcvm_close() and not duplicated;
 *  - memory that a slot uses is unmapped, mapped over or discarded by the
 *    functions below, so that guests let go of it first;
 *  - a KVM_RUN ends early by kvm_run.immediate_exit or softcvm_kick();
 *  - its handler of SIGSEGV and SIGBUS asks softcvm_fault() first.
 *    softcvm_open() installs none; a program that looks at memory which a SEV
 *    guest has encrypted needs one.
 *
 * It is a model.  Nothing in it is confidential.
 */
#ifndef SOFTCVM_SOFTCVM_H
#define SOFTCVM_SOFTCVM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct softcvm;		/* a machine */

/* What machine it is to be; a member that is 0 is the default. */
struct softcvm_machine {
	size_t			size;		/* sizeof(struct softcvm_machine), never 0: later ones are longer */
	const char		*cpu;		/* "amd" or "intel"; default: this machine's */
	const char		*kernel_abi;	/* "6.12" (default), "6.18": in part */
	const char *const	*params;	/* "kvm.mmio_caching=N", ..., NULL */
	unsigned		phys_bits;	/* width of a physical address, 36 to 52 */
	unsigned		phys_reduction;	/* bits of it that memory encryption takes (amd) */
	unsigned		c_bit;		/* position of the encryption bit (amd) */
	unsigned		cpus;		/* logical processors */
	const char		*sw_protected;	/* "interleaved" (default) or "separate" */
	const char		*trace;		/* events as in softcvm(1), "all"; default: none */
	const char		*trace_file;	/* absolute path; default: standard error */
	char			*why;		/* room for one line on why it cannot be */
	size_t			why_size;
	unsigned		strict_host_access;	/* 1: as the option in softcvm(1) */
};

/*
 * A machine, owned by the caller; NULL with errno EINVAL (it cannot be), ENOMEM,
 * or what opening the trace file says; *why says so in words, unless @size is
 * less than the structure has ever had (EINVAL: no member is looked at).  A
 * longer one of a later version will do while the rest is 0.  @machine NULL:
 * all defaults.
 */
struct softcvm *softcvm_open(const struct softcvm_machine *machine);
/* Every descriptor of it has been closed and no thread is inside. */
void softcvm_free(struct softcvm *m);

/* A new descriptor of its /dev/kvm. */
int softcvm_dev_kvm(struct softcvm *m);
/* @fd: of /dev/kvm, a VM, a vCPU.  EBADF: none of @m's.  The third argument as ioctl(2)'s. */
int softcvm_ioctl(struct softcvm *m, int fd, unsigned long request, ...);
/* EBADF: none of @m's. */
int softcvm_close(struct softcvm *m, int fd);
/* Of statistics descriptors. */
ssize_t softcvm_pread(struct softcvm *m, int fd, void *p, size_t n, off_t at);
/* Of guest_memfds. */
int softcvm_fallocate(struct softcvm *m, int fd, int mode, off_t offset, off_t length);

/* @fd: a vCPU of @m, or anything of the program's own (MAP_FIXED over guest memory). */
void *softcvm_mmap(struct softcvm *m, void *at, size_t length, int prot, int flags, int fd,
		   off_t offset);
int softcvm_munmap(struct softcvm *m, void *at, size_t length);
int softcvm_madvise(struct softcvm *m, void *at, size_t length, int advice);

/* The KVM_RUN of vCPU @fd that is under way, or the next one, ends with EINTR.  Not in a handler. */
int softcvm_kick(struct softcvm *m, int fd);
/*
 * For a handler of SIGSEGV or SIGBUS, with its signal and its third argument: 1
 * when the fault was ours (the handler returns at once), else 0.
 */
int softcvm_fault(int sig, void *ucontext);

/* A counter of `softcvm exec --stats` by its name; 0 where there is none. */
uint64_t softcvm_counter(const struct softcvm *m, const char *name);

#ifdef __cplusplus
}
#endif
#endif
