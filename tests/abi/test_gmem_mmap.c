/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_gmem_mmap.c - guest_memfd of Linux 6.18: flags, mmap, faults, holes,
 * slots whose guests go by the file alone.  Facts: docs/facts/gmem-mmap.tsv.
 *
 * usage: test_gmem_mmap [--no-guest]
 *
 * --no-guest leaves out what runs a guest: for a kernel whose KVM cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_libc.h"
#include "flat_guest.h"

#define SIZE	(4 * PAGE)
#define BOTH	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define RW	(PROT_READ | PROT_WRITE)
#define PUNCH	(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)
#define GPA	0x10000000UL

static struct checks c;
static sigjmp_buf back;
static bool ours;

static void on_fault(int signo)
{
	siglongjmp(back, signo);
}

/* The signal of a touch, or 0. */
static int touch(volatile char *p, bool write)
{
	int signo = sigsetjmp(back, 1);

	if (signo)
		return signo;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

static int gmem_make(int vm, uint64_t size, uint64_t flags)
{
	long fd = vm_gmem(vm, size, flags);

	need(fd >= 0, "KVM_CREATE_GUEST_MEMFD, flags %#llx", (unsigned long long)flags);
	return (int)fd;
}

static char *map(int fd, size_t size, off_t offset)
{
	char *p = mmap(NULL, size, RW, MAP_SHARED, fd, offset);

	need(p != MAP_FAILED, "mmap");
	return p;
}

static void flags_of(int kvm, int vm, uint64_t want)
{
	IS(BOTH, kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS));
	IS(want, kvm_ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS));
	IS(1, kvm_ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD));
	for (uint64_t flag = 1; flag; flag <<= 1) {
		long fd = vm_gmem(vm, PAGE, flag);

		IS(flag & want ? true : false, fd >= 0);
		if (fd >= 0)
			close((int)fd);
		else
			IS(-EINVAL, fd);
	}
}

static void maps(int vm, uint64_t flags)
{
	int fd = gmem_make(vm, SIZE, flags);
	int no = flags & GUEST_MEMFD_FLAG_MMAP ? EINVAL : ENODEV;
	char *p;

	FAILS(no, mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	FAILS(no, mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE, fd, 0));
	FAILS(EPERM, mmap(NULL, PAGE, PROT_EXEC, MAP_SHARED, fd, 0));
	FAILS(EPERM, mmap(NULL, PAGE, RW | PROT_EXEC, MAP_PRIVATE, fd, 0));
	if (flags & GUEST_MEMFD_FLAG_MMAP) {
		FAILS(EINVAL, mmap(NULL, PAGE, RW, MAP_SHARED, fd, 1));
		FAILS(EINVAL, mmap(NULL, 0, RW, MAP_SHARED, fd, 0));
		FAILS(EOVERFLOW, mmap(NULL, PAGE, RW, MAP_SHARED, fd, INT64_MAX - 4095));
		p = map(fd, PAGE, 1L << 40);
		IS(SIGBUS, touch(p, false));
		munmap(p, PAGE);
	} else {
		FAILS(ENODEV, mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	}
	close(fd);
}

static void touches(int vm, uint64_t flags)
{
	int fd = gmem_make(vm, SIZE, flags), in = flags & GUEST_MEMFD_FLAG_INIT_SHARED ? 0 : SIGBUS;
	char *p = map(fd, 2 * SIZE, 0);
	int end[2];

	need(!pipe(end), "pipe");
	for (int write = 0; write < 2; write++) {
		IS(in, touch(p, write));
		IS(in, touch(p + SIZE - 1, write));
		IS(SIGBUS, touch(p + SIZE, write));
		IS(SIGBUS, touch(p + 2 * SIZE - 1, write));
	}
	FAILS(EFAULT, write(end[1], p + SIZE, 4));
	if (in)
		FAILS(EFAULT, write(end[1], p, 4));
	else
		IS(4, write(end[1], p, 4));
	IS(0, mprotect(p, PAGE, PROT_READ));
	IS(SIGSEGV, touch(p, true));
	munmap(p, 2 * SIZE);
	close(end[0]);
	close(end[1]);
	close(fd);
}

static void shares(int vm)
{
	int fd = gmem_make(vm, SIZE, BOTH), status;
	char *p = map(fd, SIZE, 0), *q = map(fd, PAGE, PAGE), *r;
	pid_t child;

	memset(p, 0xaa, SIZE);
	IS(0xaa, (uint8_t)q[0]);
	IS(0, fallocate(fd, PUNCH, PAGE, PAGE));
	IS(0, q[0]);
	IS(0, p[PAGE]);
	IS(0, p[2 * PAGE - 1]);
	IS(0xaa, (uint8_t)p[2 * PAGE]);
	IS(0xaa, (uint8_t)p[PAGE - 1]);
	p[PAGE] = 3;
	IS(3, q[0]);
	IS(0, madvise(q, PAGE, MADV_DONTNEED));
	IS(3, q[0]);
	IS(0, madvise(q, PAGE, MADV_REMOVE));
	IS(0, p[PAGE]);
	FAILS(EINVAL, madvise(p, SIZE, 25));	/* MADV_COLLAPSE */
	IS(0, msync(p, PAGE, MS_ASYNC));
	FAILS(EINVAL, fsync(fd));
	r = mremap(q, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	need(r != MAP_FAILED, "mremap");
	IS(0xaa, (uint8_t)r[PAGE]);
	child = fork();
	if (!child) {
		p[0] = 5;
		_exit(p[SIZE - 1] != (char)0xaa);
	}
	IS(child, waitpid(child, &status, 0));
	IS(0, status);
	IS(5, p[0]);
	close(fd);
	IS(5, p[0]);
	munmap(p, SIZE);
	munmap(r, 2 * PAGE);
}

static void policies(int vm)
{
	int fd = gmem_make(vm, SIZE, BOTH), policy = -1;
	char *p = map(fd, SIZE, 0);
	unsigned long node = 1, got = 0;

	/* A kernel without NUMA has no such call. */
	if (syscall(SYS_mbind, p, 2 * PAGE, MPOL_BIND, &node, 64, 0) && errno == ENOSYS) {
		check_skip(&c, "NUMA policies", "this kernel has none");
	} else {
		IS(0, syscall(SYS_mbind, p, 2 * PAGE, MPOL_BIND, &node, 64, 0));
		IS(0, syscall(SYS_get_mempolicy, &policy, &got, 64, p, MPOL_F_ADDR));
		IS(MPOL_BIND, policy);
		IS(1, got);
		IS(0, syscall(SYS_mbind, p, SIZE, MPOL_DEFAULT, NULL, 0, 0));
		FAILS(EINVAL, syscall(SYS_mbind, p, PAGE, 999, &node, 64, 0));
	}
	munmap(p, SIZE);
	close(fd);
}

static void binds(int vm)
{
	int fd = gmem_make(vm, SIZE, BOTH);

	IS(-EINVAL, vm_region_gmem(vm, 9, GPA, 2 * PAGE, NULL, fd, SIZE - PAGE));
	IS(-EINVAL, vm_region_gmem(vm, 9, GPA, 2 * PAGE, NULL, fd, ~4095ull));
	IS(-EINVAL, vm_region_gmem(vm, 9, GPA, 2 * PAGE, NULL, fd, 1));
	/* 6.18.44 lets it wrap; later ones do not (B32). */
	if (ours)
		IS(-EINVAL, vm_region_gmem(vm, 9, GPA, 2 * PAGE, NULL, fd, INT64_MAX & ~4095ull));
	IS(0, vm_region_gmem(vm, 9, GPA, 2 * PAGE, NULL, fd, PAGE));
	IS(-EINVAL, vm_region_gmem(vm, 10, 2 * GPA, 2 * PAGE, NULL, fd, 2 * PAGE));
	IS(0, vm_region(vm, 9, 0, 0, 0, NULL));
	close(fd);
}

/* mov (%rax),%rbx; incq (%rax); out %al,$0x10 */
static const char code[] = { 0x48, (char)0x8b, 0x18, 0x48, (char)0xff, 0x00, (char)0xe6, 0x10 };

static uint64_t guest_adds(struct flat_guest *g)
{
	struct kvm_regs regs = flat_guest_regs(g, code);

	regs.rax = GPA;
	flat_guest_set(g, &regs);
	IS(0, flat_guest_run(g));
	IS(KVM_EXIT_IO, g->run->exit_reason);
	return flat_guest_get(g).rbx;
}

static void guest_goes_by_the_file(void)
{
	uint64_t *decoy = pages(PAGE), *p;
	struct flat_guest g;
	int fd, alone;

	flat_guest_make(&g, 0, false, code, sizeof(code));
	fd = gmem_make(g.vm, SIZE, BOTH);
	p = (uint64_t *)map(fd, SIZE, 0);
	p[0] = 41;
	IS(0, vm_region_gmem(g.vm, 1, GPA, SIZE, decoy, fd, 0));
	IS(41, guest_adds(&g));
	IS(42, p[0]);
	p[0] = 100;
	IS(100, guest_adds(&g));
	IS(101, p[0]);
	IS(0, fallocate(fd, PUNCH, 0, PAGE));
	IS(0, p[0]);
	IS(0, guest_adds(&g));
	IS(1, p[0]);
	IS(0, madvise(p, PAGE, MADV_REMOVE));
	IS(0, guest_adds(&g));
	IS(1, p[0]);
	IS(0, decoy[0]);
	IS(0, vm_region(g.vm, 1, 0, 0, 0, NULL));
	/* Its bytes are the guest's alone. */
	alone = gmem_make(g.vm, SIZE, GUEST_MEMFD_FLAG_MMAP);
	IS(0, vm_region_gmem(g.vm, 1, GPA, SIZE, decoy, alone, 0));
	IS(0, guest_adds(&g));
	IS(1, guest_adds(&g));
	IS(0, fallocate(alone, PUNCH, 0, SIZE));
	IS(0, guest_adds(&g));
	IS(0, decoy[0]);
	close(alone);
	close(fd);
	munmap(p, SIZE);
	flat_guest_free(&g);
}

int main(int argc, char **argv)
{
	int kvm = kvm_open(), vm = vm_make(kvm, 0);
	bool guest = argc < 2 || strcmp(argv[1], "--no-guest");

	ours = is_ours(kvm);
	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	flags_of(kvm, vm, BOTH);
	for (uint64_t flags = 0; flags <= BOTH; flags++)
		maps(vm, flags);
	touches(vm, BOTH);
	touches(vm, GUEST_MEMFD_FLAG_MMAP);
	shares(vm);
	policies(vm);
	binds(vm);
	if (ours) {
		int sw = vm_make(kvm, KVM_X86_SW_PROTECTED_VM);

		flags_of(kvm, sw, GUEST_MEMFD_FLAG_MMAP);
		touches(sw, GUEST_MEMFD_FLAG_MMAP);
		close(sw);
	}
	if (guest)
		guest_goes_by_the_file();
	close(vm);
	close(kvm);
	return checks_end(&c);
}
