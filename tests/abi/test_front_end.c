/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_front_end.c - KVM's descriptors as descriptors: open, dup, fork, vfork,
 * mmap, poll, lseek, close in any order.  guest_memfd is in
 * test_gmem_descriptor.c.  Facts: kvm.md 1.0.
 *
 * usage: test_front_end [--verbose]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_libc.h"
#include "kvm_user.h"

static struct checks c;

static int cloexec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static short ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

/* What no KVM descriptor but a vCPU's can do, and what all can. */
static void plain_file(int fd, bool has_pread)
{
	bool may_write = (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
	char byte = 0;

	FAILS(EINVAL, read(fd, &byte, 1));
	FAILS(EINVAL, write(fd, &byte, 1));
	FAILS(has_pread ? EINVAL : ESPIPE, pread(fd, &byte, 1, 0));
	FAILS(has_pread ? EINVAL : ESPIPE, pwrite(fd, &byte, 1, 0));
	IS(0, lseek(fd, 0, SEEK_SET));
	IS(0, lseek(fd, 100, SEEK_CUR));
	IS(POLLIN | POLLOUT, ready(fd));
	IS(0, ioctl(fd, FIOCLEX));
	IS(FD_CLOEXEC, cloexec(fd));
	IS(0, ioctl(fd, FIONCLEX));
	IS(0, cloexec(fd));
	IS(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	IS(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
	FAILS(EINVAL, fcntl(fd, F_GET_SEALS));
	FAILS(may_write ? EINVAL : EPERM, fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	FAILS(EINVAL, fcntl(fd, F_ADD_SEALS, 1UL << 32));
}

static void opening(void)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct stat st;

	for (size_t i = 0; i < 3; i++) {
		int fd = open("/dev/kvm", modes[i]);

		IS(true, fd >= 0);
		IS(modes[i], fcntl(fd, F_GETFL) & O_ACCMODE);
		IS(0, cloexec(fd));
		IS(12, ioctl(fd, KVM_GET_API_VERSION, 0));
		IS(1, ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
		close(fd);
		fd = openat(AT_FDCWD, "/dev/kvm", modes[i] | O_CLOEXEC);
		IS(FD_CLOEXEC, cloexec(fd));
		IS(12, ioctl(fd, KVM_GET_API_VERSION, 0));
		close(fd);
	}
	FAILS(EEXIST, open("/dev/kvm", O_RDWR | O_CREAT | O_EXCL, 0600));
	FAILS(ENOTDIR, open("/dev/kvm", O_RDONLY | O_DIRECTORY));
	IS(0, access("/dev/kvm", R_OK | W_OK));
	IS(0, stat("/dev/kvm", &st));
	IS(true, S_ISCHR(st.st_mode));
	IS(10, major(st.st_rdev));
	IS(232, minor(st.st_rdev));
}

static void system_descriptor(void)
{
	int kvm = kvm_open();

	plain_file(kvm, true);
	FAILS(ENODEV, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, kvm, 0));
	IS(12288, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	close(kvm);
	FAILS(EBADF, ioctl(kvm, KVM_GET_API_VERSION, 0));
	FAILS(EBADF, ioctl(-1, KVM_GET_API_VERSION, 0));
}

static void vm_descriptor(void)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM), other;

	IS(FD_CLOEXEC, cloexec(vm));
	IS(O_RDWR, fcntl(vm, F_GETFL) & O_ACCMODE);
	FAILS(ENODEV, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, vm, 0));
	plain_file(vm, false);
	/* A VM needs neither /dev/kvm's descriptor nor its own first one. */
	close(kvm);
	other = dup(vm);
	IS(0, cloexec(other));
	close(vm);
	IS(1, ioctl(other, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
	vm = fcntl(other, F_DUPFD_CLOEXEC, 300);
	IS(300, vm);
	IS(300, dup2(other, 300));
	IS(0, cloexec(vm));
	close(other);
	IS(1, ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
	/* The number may become anything else. */
	other = open("/dev/null", O_RDWR);
	IS(vm, dup2(other, vm));
	FAILS(ENOTTY, ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
	close(other);
	close(vm);
}

/* Where a SIGBUS of the check goes. */
static sigjmp_buf bus;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

static bool sigbus_at(volatile char *p)
{
	const struct sigaction catch = { .sa_handler = on_sigbus };
	struct sigaction old;
	bool hit = true;

	sigaction(SIGBUS, &catch, &old);
	if (!sigsetjmp(bus, 1)) {
		(void)*p;
		hit = false;
	}
	sigaction(SIGBUS, &old, NULL);
	return hit;
}

static char *map_vcpu(int vcpu, size_t size, off_t page)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, page * (off_t)PAGE);

	need(p != MAP_FAILED, "mmap of page %ld of a vCPU", (long)page);
	return p;
}

static void vcpu_mapping(void)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM);
	int a = ioctl(vm, KVM_CREATE_VCPU, 0), b = ioctl(vm, KVM_CREATE_VCPU, 1);
	char *one = map_vcpu(a, 3 * PAGE, 0), *two = map_vcpu(b, 3 * PAGE, 0);
	char *pio = map_vcpu(a, PAGE, 1), *beyond = map_vcpu(a, 128 * PAGE, 0);

	/* Run pages are a vCPU's own, the coalesced page is the VM's. */
	((struct kvm_run *)one)->cr8 = 7;
	IS(7, ((struct kvm_run *)beyond)->cr8);
	IS(0, ((struct kvm_run *)two)->cr8);
	one[PAGE + 5] = 11;
	IS(11, pio[5]);
	IS(0, two[PAGE + 5]);
	one[2 * PAGE + 100] = 13;
	IS(13, two[2 * PAGE + 100]);
	one[2 * PAGE + 100] = 0;
	IS(true, sigbus_at(beyond + 3 * PAGE));
	IS(true, sigbus_at(beyond + 63 * PAGE));
	IS(true, sigbus_at(beyond + 64 * PAGE));
	IS(true, sigbus_at(beyond + 127 * PAGE));
	IS(false, sigbus_at(beyond + 2 * PAGE));
	munmap(beyond, 128 * PAGE);
	/* The mapping stays when the descriptors go. */
	close(a);
	close(b);
	close(vm);
	close(kvm);
	IS(7, ((struct kvm_run *)one)->cr8);
	munmap(one, 3 * PAGE);
	munmap(two, 3 * PAGE);
	munmap(pio, PAGE);
}

static void vcpu_descriptor(void)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0), other;
	struct kvm_regs regs;
	struct kvm_run *run = vcpu_map(kvm, vcpu);

	IS(FD_CLOEXEC, cloexec(vcpu));
	plain_file(vcpu, false);
	/* The VM lives as long as a vCPU's descriptor does. */
	close(vm);
	close(kvm);
	IS(0, ioctl(vcpu, KVM_GET_REGS, &regs));
	other = dup(vcpu);
	close(vcpu);
	run->immediate_exit = 1;
	FAILS(EINTR, ioctl(other, KVM_RUN, 0));
	regs.rax = 42;
	IS(0, ioctl(other, KVM_SET_REGS, &regs));
	regs.rax = 0;
	IS(0, ioctl(other, KVM_GET_REGS, &regs));
	IS(42, (long)regs.rax);
	munmap(run, 3 * PAGE);
	close(other);
}

/* A descriptor through a socket, to ourselves. */
static int by_mail(int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .room = { 0 } };
	char byte = 0;
	struct iovec io = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	int pair[2], got = -1;

	need(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	need(sendmsg(pair[0], &msg, 0) == 1, "sendmsg");
	need(recvmsg(pair[1], &msg, 0) == 1, "recvmsg");
	head = CMSG_FIRSTHDR(&msg);
	if (head)
		memcpy(&got, CMSG_DATA(head), sizeof(int));
	close(pair[0]);
	close(pair[1]);
	return got;
}

static void mailed(void)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM);
	int got = by_mail(vm);

	close(vm);
	IS(1, ioctl(got, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
	IS(true, ioctl(got, KVM_CREATE_VCPU, 0) >= 0);
	close(got);
	close(kvm);
}

/* Exit status of a child that runs @body: 0 when all its bits came out. */
static int child(int (*body)(int kvm, int vm, int vcpu), int kvm, int vm, int vcpu)
{
	int status;
	pid_t pid = fork();

	need(pid >= 0, "fork");
	if (!pid)
		_exit(body(kvm, vm, vcpu));
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + status;
}

static int forked(int kvm, int vm, int vcpu)
{
	struct kvm_regs regs;
	int mine, wrong = 0;

	wrong |= kvm_ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) != -EIO ? 1 : 0;
	wrong |= kvm_ioctl(vm, _IO(KVMIO, 0xff), 0) != -EIO ? 2 : 0;
	wrong |= kvm_ioctlp(vcpu, KVM_GET_REGS, &regs) != -EIO ? 4 : 0;
	wrong |= kvm_ioctlp(vcpu, KVM_GET_REGS, NULL) != -EIO ? 8 : 0;
	wrong |= kvm_ioctl(vcpu, KVM_RUN, 1) != -EIO ? 16 : 0;
	/* /dev/kvm is nobody's in particular. */
	wrong |= kvm_ioctl(kvm, KVM_GET_API_VERSION, 0) != 12 ? 32 : 0;
	mine = (int)kvm_ioctl(kvm, KVM_CREATE_VM, KVM_X86_DEFAULT_VM);
	wrong |= kvm_ioctl(mine, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) != 1 ? 64 : 0;
	wrong |= kvm_ioctl(mine, KVM_CREATE_VCPU, 0) < 0 ? 128 : 0;
	return wrong;
}

static void forking(void)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	struct kvm_regs regs;

	IS(0, child(forked, kvm, vm, vcpu));
	IS(1, ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
	IS(0, ioctl(vcpu, KVM_GET_REGS, &regs));
	IS(true, ioctl(vm, KVM_CREATE_VCPU, 1) >= 0);
	close(vcpu);
	close(vm);
	close(kvm);
}

/*
 * A vfork child shares the memory and not the descriptors: what it opens and
 * closes is gone with it, and the parent's VM is its VM too.
 */
static void vforking(void)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM), status;
	volatile long *seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				   -1, 0);
	pid_t pid = vfork();

	if (!pid) {
		int mine = open("/dev/kvm", O_RDWR | O_CLOEXEC);

		seen[0] = kvm_ioctl(mine, KVM_GET_API_VERSION, 0);
		seen[1] = kvm_ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY);
		close(mine);
		close(vm);
		close(kvm);
		_exit(0);
	}
	need(pid > 0, "vfork");
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	IS(0, status);
	IS(12, seen[0]);
	IS(USER_UNDER_TSAN ? -EIO : 1, seen[1]);
	IS(12, ioctl(kvm, KVM_GET_API_VERSION, 0));
	IS(1, ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
	IS(true, ioctl(vm, KVM_CREATE_VCPU, 0) >= 0);
	munmap((void *)seen, PAGE);
	close(vm);
	close(kvm);
}

/* No descriptor left: refused, and the vCPU's number is not taken. */
static void no_descriptors(void)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM), lowest = dup(kvm), vcpu;
	struct rlimit old, none;

	close(lowest);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = (rlim_t)lowest;
	setrlimit(RLIMIT_NOFILE, &none);
	FAILS(EMFILE, ioctl(kvm, KVM_CREATE_VM, KVM_X86_DEFAULT_VM));
	FAILS(EMFILE, ioctl(vm, KVM_CREATE_VCPU, 0));
	FAILS(EMFILE, open("/dev/kvm", O_RDWR));
	setrlimit(RLIMIT_NOFILE, &old);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	IS(lowest, vcpu);
	close(vcpu);
	close(vm);
	close(kvm);
}

/* Names are for people who look at /proc: worth a line, not a failure. */
static void names(void)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 3);
	const int fds[] = { kvm, vm, vcpu };
	static const char *const want[] = { "/dev/kvm", "anon_inode:kvm-vm", "anon_inode:kvm-vcpu:3" };

	for (size_t i = 0; i < 3; i++) {
		char path[64], name[128] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		if (readlink(path, name, sizeof(name) - 1) < 0 || strcmp(name, want[i]))
			printf("note  %s is \"%s\", a kernel says \"%s\"\n", path, name, want[i]);
		close(fds[i]);
	}
}

int main(int argc, char **argv)
{
	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	opening();
	system_descriptor();
	vm_descriptor();
	vcpu_mapping();
	vcpu_descriptor();
	mailed();
	forking();
	vforking();
	no_descriptors();
	names();
	return checks_end(&c);
}
