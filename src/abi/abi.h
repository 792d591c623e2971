/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * abi.h - a machine with KVM on it, as descriptors and system calls see it.
 *
 * struct abi is all of it: the machine, the loaded modules, the table of our
 * descriptors.  Functions answer what the system call would: a value, or a
 * negative errno.  Any thread; user pointers are never trusted.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "hw/insn/machine.h"
#include "kvm/core/module.h"

struct abi;
struct abi_file;
struct iovec;
struct vcpu;

struct abi_config {
	struct hw_config	hw;
	unsigned		kernel_abi;	/* KERNEL_ABI() */
	struct kvm_params	params;
	bool			audit;		/* VMs, whatever the build says */
	bool			host_map_short_term;	/* kvm/host/map.h */
	bool			strict_host_access;	/* kvm/host/policy.h */
	bool			sw_separate;	/* SW_PROTECTED VMs have separate tables */
	struct trace_config	trace;		/* its file's name outlives the machine */
	struct counters		*counters;	/* the caller's, outlive the machine; NULL: its own */
};

/* This processor's vendor and width, one logical processor a host one, Linux 6.12. */
void abi_default_config(struct abi_config *config);

/* -ENOMEM, -EINVAL (a machine that cannot be). */
MUST_CHECK int abi_create(const struct abi_config *config, struct abi **out);
/*
 * Every descriptor of ours has been closed and nobody is inside: the machine
 * goes.  What is still in the table (closed behind our back) is released.
 */
void abi_destroy(struct abi *abi);
struct counters *abi_counters(struct abi *abi);
/* Events that have happened are in the trace's file afterwards; how many are not. */
uint64_t abi_trace_flush(struct abi *abi);
/* The whole of every VM, if that was asked for (kvm/vm/audit.h); nobody may close one now. */
void abi_audit(struct abi *abi);

/* In a forked child, before anything else: locks that the parent's threads held are free. */
void abi_after_fork_child(struct abi *abi);

/* open("/dev/kvm", flags): a new descriptor. */
MUST_CHECK int abi_open(struct abi *abi, int flags);

/* open("/dev/sev", flags): the secure processor's driver.  -ENOENT: the machine has none. */
MUST_CHECK int abi_sev_open(struct abi *abi, int flags);
bool abi_has_sev(struct abi *abi);

/*
 * What descriptor @fd is, with a reference, or NULL when it is not ours.  @check
 * asks the kernel whether @fd is still the same object (one fstat).
 */
struct abi_file *abi_file_get(struct abi *abi, int fd, bool check);
void abi_file_put(struct abi_file *file);

/* @fd has become another name of @file (dup and its kin).  -ENOMEM. */
MUST_CHECK int abi_file_alias(struct abi *abi, struct abi_file *file, int fd);
/* @fd is about to be closed: the table's reference, or NULL; to be put after the close. */
struct abi_file *abi_file_detach(struct abi *abi, int fd);
/*
 * @fd came from somewhere else (a socket): if it is one of our objects, it
 * becomes another name of it.  -ENOMEM.
 */
MUST_CHECK int abi_file_adopt(struct abi *abi, int fd);
/* No descriptor of ours has a greater number; -1 before the first. */
int abi_highest_fd(struct abi *abi);

long abi_ioctl(struct abi *abi, struct abi_file *file, unsigned long cmd, unsigned long arg);

/* The rest of the file operations, where they differ from an empty memfd's. */
/* At the file's own position, or at *@at; only statistics can be read. */
ssize_t abi_read(struct abi_file *file, const struct iovec *v, int nr, const off_t *at);
ssize_t abi_write(struct abi_file *file, const off_t *at);
int abi_mmap_check(struct abi_file *file, int prot, int flags, off_t offset, size_t length);
/* After the kernel has mapped @file's descriptor at @at: puts shared pages in. */
MUST_CHECK int abi_mmap_finish(struct abi_file *file, void *at, int prot, off_t offset,
			       size_t length);
/*
 * Is a guest_memfd mapped in [@at, @at + @size)?  Its descriptor may be closed.  What such
 * mappings refuse and the memfd behind them does not, the caller refuses.
 */
bool abi_maps_gmem(struct abi *abi, const void *at, size_t size);

/* A piece of the address space that is a mapping of a guest_memfd. */
struct abi_gmem_piece {
	uintptr_t	 start, end;
	off_t		 offset;	/* of start in the file */
	struct abi_file	*file;		/* a reference; NULL: closed, or another process's */
};

/* The first one in [@at, @end), cut to that.  False: none. */
bool abi_next_gmem(struct abi *abi, uintptr_t at, uintptr_t end, struct abi_gmem_piece *out);
/* @fd: one that @file was found by. */
int abi_fallocate(struct abi_file *file, int fd, int mode, off_t offset, off_t length);
int abi_ftruncate(struct abi_file *file);
off_t abi_lseek(struct abi_file *file, int whence);
/* /dev/kvm, a misc device; with <sys/sysmacros.h>. */
#define ABI_KVM_DEV	makedev(10, 232)
/* /dev/sev has a dynamic minor. */
#define ABI_SEV_DEV	makedev(10, 124)
/* Overwrites what the kernel said about the descriptor: the device, an anonymous inode, a guest_memfd. */
void abi_fstat(struct abi_file *file, struct stat *st);

/*
 * Around what a signal ends early, KVM_RUN (@is_run) and KVM_PRE_FAULT_MEMORY:
 * told which vCPU the calling thread is busy with, before and after (NULL), so
 * that its signal handler can stop it.  NULL: nobody listens.
 */
typedef void (*abi_run_hook)(struct vcpu *vcpu, bool is_run);
void abi_set_run_hook(struct abi *abi, abi_run_hook hook);
/* True when KVM_SET_SIGNAL_MASK gave @vcpu a mask for its runs: bit n - 1, signal n is blocked. */
bool abi_run_mask(const struct vcpu *vcpu, uint64_t *mask);
/* The KVM_RUN on @file under way, or the next one, ends with -EINTR.  -EINVAL: no vCPU. */
MUST_CHECK int abi_kick(struct abi_file *file);
/* For that handler, on the thread that runs @vcpu: the run ends with -EINTR soon. */
void abi_notify_signal(struct vcpu *vcpu);

/* Ends the KVM_RUN that @thread (pthread_t) is inside, if it is; or everybody's.  Any thread. */
void abi_interrupt_thread(struct abi *abi, uint64_t thread);
void abi_interrupt_all(struct abi *abi);

/*
 * For the run hook: true when KVM_SET_SIGNAL_MASK gave @vcpu the signals that
 * it blocks inside KVM_RUN (bit n - 1 for signal n).
 */
bool abi_signal_mask(const struct vcpu *vcpu, uint64_t *mask);

/* Text of a file under /sys/module/{kvm,kvm_amd,kvm_intel}/parameters, or NULL. */
const char *abi_param_text(struct abi *abi, const char *module, const char *name);
bool abi_module_is_loaded(struct abi *abi, const char *module);

/*
 * Text of /sys/devices/system/cpu/smt/@name, or NULL: the modelled machine has two
 * threads a core, both in use, whatever this one has.  An SNP guest's policy must
 * agree with it (SEV-SNP Firmware ABI, SNP_LAUNCH_START).
 */
const char *abi_smt_text(const char *name);
