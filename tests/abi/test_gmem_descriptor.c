/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_gmem_descriptor.c - guest_memfd as a file: what fstat says, what cannot
 * be done with it, fallocate in all its modes, and life after its VM.
 * Facts: kvm.md 1.3 and 6; st_blocks stays 0, because nothing in the kernel's
 * guest_memfd counts blocks (virt/kvm/guest_memfd.c, kvm_gmem_getattr).
 *
 * usage: test_gmem_descriptor [--verbose] [--second-opinion]
 *
 * With --second-opinion what needs a SW_PROTECTED VM is left out on a kernel
 * that has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "softcvm/identity.h"
#include <unistd.h>

#include "check_libc.h"
#include "kvm_user.h"

#define NR_PAGES	16
#define SIZE		(NR_PAGES * (off_t)PAGE)

static struct checks c;

static int gmem_make(int vm, uint64_t size)
{
	long fd = vm_gmem(vm, size, 0);

	need(fd >= 0, "KVM_CREATE_GUEST_MEMFD");
	return (int)fd;
}

static struct stat stat_of(int fd)
{
	struct stat st;

	need(!fstat(fd, &st), "fstat");
	return st;
}

static void looks(int vm)
{
	int a = gmem_make(vm, SIZE), b = gmem_make(vm, PAGE);
	struct stat st = stat_of(a);
	struct pollfd p = { .fd = a, .events = POLLIN | POLLOUT };

	IS(0, fcntl(a, F_GETFD));
	IS(O_RDWR, fcntl(a, F_GETFL) & O_ACCMODE);
	IS(true, S_ISREG(st.st_mode));
	IS(SIZE, st.st_size);
	IS(PAGE, st.st_blksize);
	IS(0, st.st_blocks);
	IS(1, st.st_nlink);
	IS(PAGE, stat_of(b).st_size);
	IS(true, st.st_ino != stat_of(b).st_ino);
	IS(1, poll(&p, 1, 0));
	IS(POLLIN | POLLOUT, p.revents);
	close(b);
	/* The lowest free number, as any new descriptor. */
	IS(b, gmem_make(vm, PAGE));
	close(b);
	close(a);
}

static void refuses(int vm)
{
	static const int maps[] = { MAP_SHARED, MAP_PRIVATE };
	int fd = gmem_make(vm, SIZE);
	char bytes[8] = "secret";
	struct iovec io = { bytes, sizeof(bytes) };

	FAILS(EINVAL, read(fd, bytes, sizeof(bytes)));
	FAILS(EINVAL, write(fd, bytes, sizeof(bytes)));
	FAILS(EINVAL, readv(fd, &io, 1));
	FAILS(EINVAL, writev(fd, &io, 1));
	FAILS(ESPIPE, pread(fd, bytes, sizeof(bytes), 0));
	FAILS(ESPIPE, pwrite(fd, bytes, sizeof(bytes), 0));
	FAILS(ESPIPE, lseek(fd, 0, SEEK_SET));
	FAILS(ESPIPE, lseek(fd, 0, SEEK_END));
	for (int i = 0; i < 2; i++) {
		FAILS(ENODEV, mmap(NULL, PAGE, PROT_NONE, maps[i], fd, 0));
		FAILS(ENODEV, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, maps[i], fd, 0));
	}
	FAILS(EINVAL, ftruncate(fd, 0));
	FAILS(EINVAL, ftruncate(fd, SIZE));
	FAILS(EINVAL, ftruncate(fd, SIZE * 2));
	FAILS(EINVAL, fchmod(fd, 0777));
	FAILS(EINVAL, fcntl(fd, F_GET_SEALS));
	FAILS(EINVAL, fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	FAILS(ENOTTY, ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
	IS(SIZE, stat_of(fd).st_size);
	IS(0, stat_of(fd).st_blocks);
	close(fd);
}

#define KEEP	FALLOC_FL_KEEP_SIZE
#define PUNCH	(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)

static void fallocates(int vm)
{
	static const struct {
		const char *why;
		int mode, want;
		off_t offset, length;
	} rows[] = {
		{ "mode 0 would change the size", 0, EOPNOTSUPP, 0, PAGE },
		{ "punching changes no size", FALLOC_FL_PUNCH_HOLE, EOPNOTSUPP, 0, PAGE },
		{ "zeroing", KEEP | FALLOC_FL_ZERO_RANGE, EOPNOTSUPP, 0, PAGE },
		{ "collapsing", FALLOC_FL_COLLAPSE_RANGE, EOPNOTSUPP, 0, PAGE },
		{ "inserting", FALLOC_FL_INSERT_RANGE, EOPNOTSUPP, 0, PAGE },
		{ "an unknown mode", 1 << 20, EOPNOTSUPP, 0, PAGE },
		{ "length 0", KEEP, EINVAL, 0, 0 },
		{ "negative length", KEEP, EINVAL, 0, -(off_t)PAGE },
		{ "negative offset", KEEP, EINVAL, -(off_t)PAGE, PAGE },
		{ "offset is not aligned", KEEP, EINVAL, 1, PAGE },
		{ "length is not aligned", KEEP, EINVAL, 0, PAGE - 1 },
		{ "beyond the end", KEEP, EINVAL, SIZE, PAGE },
		{ "over the end", KEEP, EINVAL, SIZE - (off_t)PAGE, 2 * PAGE },
		{ "the greatest range", KEEP, EFBIG, INT64_MAX - 4095, PAGE },
		{ "two pages", KEEP, 0, 0, 2 * PAGE },
		{ "the same two", KEEP, 0, 0, 2 * PAGE },
		{ "the last page", KEEP, 0, SIZE - (off_t)PAGE, PAGE },
		{ "all", KEEP, 0, 0, SIZE },
		{ "a hole that is not aligned", PUNCH, EINVAL, 1, PAGE },
		{ "a hole of length 0", PUNCH, EINVAL, 0, 0 },
		{ "a hole of half a page", PUNCH, EINVAL, 0, 2048 },
		{ "a hole of one page", PUNCH, 0, PAGE, PAGE },
		{ "the same hole", PUNCH, 0, PAGE, PAGE },
		{ "a hole beyond the end", PUNCH, 0, SIZE, PAGE },
		{ "a hole over the end", PUNCH, 0, SIZE - (off_t)PAGE, 4 * PAGE },
		{ "a hole all over", PUNCH, 0, 0, SIZE },
	};
	int fd = gmem_make(vm, SIZE);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = fallocate(fd, rows[i].mode, rows[i].offset, rows[i].length) ? errno : 0;
		struct stat st = stat_of(fd);

		check(&c, r == rows[i].want, "fallocate, %s: %s, not %s", rows[i].why,
		      errno_name(r), errno_name(rows[i].want));
		check(&c, st.st_size == SIZE && !st.st_blocks && st.st_nlink == 1,
		      "fallocate, %s: afterwards %ld bytes, %ld blocks", rows[i].why,
		      (long)st.st_size, (long)st.st_blocks);
	}
	close(fd);
}

/* The file keeps the VM, and can be used when all else is closed. */
static void outlives(int kvm)
{
	/*
	 * Guest bytes are not in a forked child of SoftCVM's, so the child cannot
	 * take any away (docs/caveats.md); a kernel lets it.
	 */
	int in_child = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SOFTCVM) > 0 ? EIO : 0;
	int vm = vm_make(kvm, KVM_X86_DEFAULT_VM);
	int fd = gmem_make(vm, SIZE), other = dup(fd), status = -1;
	pid_t pid;

	close(vm);
	close(fd);
	IS(0, fallocate(other, KEEP, 0, 3 * PAGE));
	IS(0, fallocate(other, PUNCH, 0, PAGE));
	/* It is a file, and a file is a child's too. */
	pid = fork();
	if (!pid) {
		struct stat st;
		char byte;
		int wrong = fstat(other, &st) || st.st_size != SIZE ? 1 : 0;

		wrong |= (fallocate(other, PUNCH, PAGE, PAGE) ? errno : 0) != in_child ? 2 : 0;
		wrong |= pread(other, &byte, 1, 0) != -1 ? 4 : 0;
		wrong |= mmap(NULL, PAGE, PROT_READ, MAP_SHARED, other, 0) != MAP_FAILED ? 8 : 0;
		_exit(wrong);
	}
	need(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
	IS(0, WIFEXITED(status) ? WEXITSTATUS(status) : status + 256);
	IS(SIZE, stat_of(other).st_size);
	IS(0, stat_of(other).st_blocks);
	close(other);
	FAILS(EBADF, fallocate(other, KEEP, 0, PAGE));
}

/* A slot keeps no file: closing it leaves a slot that can be deleted. */
static void slot_without_file(int kvm)
{
	char *memory = pages(SIZE);
	int vm = vm_make(kvm, KVM_X86_SW_PROTECTED_VM);
	int fd = gmem_make(vm, SIZE);

	IS(0, vm_region_gmem(vm, 0, 0, SIZE, memory, fd, 0));
	IS(0, fallocate(fd, KEEP, 0, SIZE));
	IS(0, fallocate(fd, PUNCH, 0, SIZE));
	close(fd);
	IS(-EEXIST, vm_region(vm, 1, 0, 0, PAGE, memory));
	IS(0, vm_region(vm, 0, 0, 0, 0, NULL));
	IS(0, vm_region(vm, 1, 0, 0, PAGE, memory));
	close(vm);
	munmap(memory, SIZE);
}

static void name(int vm)
{
	int fd = gmem_make(vm, PAGE);
	char path[64], text[128] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, text, sizeof(text) - 1) < 0 || strcmp(text, "anon_inode:[kvm-gmem]"))
		printf("note  %s is \"%s\", Linux 6.12 says \"anon_inode:[kvm-gmem]\"\n", path, text);
	/* No second way in by its name. */
	IS(-1, open(path, O_RDONLY));
	IS(-1, open(path, O_RDWR));
	close(fd);
}

int main(int argc, char **argv)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM);
	long types = kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	bool second_opinion = false;

	for (int i = 1; i < argc; i++) {
		c.verbose |= !strcmp(argv[i], "--verbose");
		second_opinion |= !strcmp(argv[i], "--second-opinion");
	}
	looks(vm);
	refuses(vm);
	fallocates(vm);
	outlives(kvm);
	name(vm);
	if (second_opinion && !(types & 1 << KVM_X86_SW_PROTECTED_VM))
		printf("left out: what needs a SW_PROTECTED VM\n");
	else
		slot_without_file(kvm);
	return checks_end(&c);
}
