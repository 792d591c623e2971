/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * kvm_user.h - small steps of a KVM program, for the ABI tests.
 *
 * Nothing here knows whom it talks to: open, ioctl, mmap and the kernel's
 * numbers.  The ABI tests run under `softcvm exec` and, where it has the VM
 * types, on a real kernel.  Single-threaded.
 */
#ifndef TESTS_ABI_KVM_USER_H
#define TESTS_ABI_KVM_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <softcvm/uapi/kvm.h>

#define PAGE	4096UL

/* ThreadSanitizer makes a fork of every vfork, and runs handlers with all signals blocked. */
#if defined(__SANITIZE_THREAD__)
#define USER_UNDER_TSAN	1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define USER_UNDER_TSAN	1
#endif
#endif
#ifndef USER_UNDER_TSAN
#define USER_UNDER_TSAN	0
#endif

/* Results of a run of checks; every test program ends with checks_end(). */
struct checks {
	int passed, failed, skipped;
	bool verbose;
};

/* One check; a failing one prints a line. Returns @ok.  Any thread. */
bool check(struct checks *c, bool ok, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* What this machine cannot show, and why: prints a line. */
void check_skip(struct checks *c, const char *what, const char *why);
/* Prints `N passed, N failed[, N skipped]` as the last line; the program's exit status. */
int checks_end(const struct checks *c);

/* ioctl() with the errno as a negative result, as the kernel's code has it. */
long kvm_ioctl(int fd, unsigned long nr, unsigned long arg);
long kvm_ioctlp(int fd, unsigned long nr, void *arg);

/* Prints the reason and exits with 1: what a test stands on is not there. */
void need(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));

int kvm_open(void);
/* Is it a /dev/kvm of SoftCVM?  @fd may be negative; the second closes it. */
bool is_ours(int fd);
bool closed_ours(int fd);
/* A VM of @type with nothing in it; the descriptor. */
int vm_make(int kvm, unsigned long type);
/* Region @slot over [gpa, gpa + size) at @hva, flags as given; 0 or -errno. */
long vm_region(int vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size, void *hva);
/* The same with a guest_memfd for the private side. */
long vm_region_gmem(int vm, uint32_t slot, uint64_t gpa, uint64_t size, void *hva, int gmem,
		    uint64_t offset);
long vm_gmem(int vm, uint64_t size, uint64_t flags);
long vm_attributes(int vm, uint64_t gpa, uint64_t size, uint64_t attributes);
long vm_enable(int vm, uint32_t cap, uint64_t arg0);

/* Anonymous zeroed memory; exits when there is none. */
void *pages(size_t size);
/* The number @name in a file of KVM_GET_STATS_FD; exits when there is no such. */
uint64_t kvm_stat(int fd, const char *name);
/* The run page of @vcpu, mapped for the whole KVM_GET_VCPU_MMAP_SIZE. */
struct kvm_run *vcpu_map(int kvm, int vcpu);

/* Name of an errno value, e.g. "EINVAL"; "0" for 0. */
const char *errno_name(long e);

#endif
