/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * number.c - libc's syscall(2): a system call by its number is the same call
 * as by its name.
 *
 * syscall takes its arguments in the registers of a function of seven, and is
 * defined as one.  Our own rooms call __wrap_syscall (the linker's --wrap):
 * what they ask by number is for the kernel.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload/front.h"
#include "preload/name.h"
#include "preload/real.h"

#define RAW(nr, a, b, c, d, e, f)					\
	({								\
		long result_;						\
		register long r10_ __asm__("r10") = (d);		\
		register long r8_ __asm__("r8") = (e);			\
		register long r9_ __asm__("r9") = (f);			\
		__asm__ volatile("syscall" : "=a"(result_)		\
				 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10_), "r"(r8_), "r"(r9_) \
				 : "rcx", "r11", "memory");		\
		result_;						\
	})

EXPORT long by_number(long nr, long a, long b, long c, long d, long e, long f) __asm__("syscall");
long wrapped(long nr, long a, long b, long c, long d, long e, long f) __asm__("__wrap_syscall");

__attribute__((visibility("hidden")))
long wrapped(long nr, long a, long b, long c, long d, long e, long f)
{
	return front_answer(RAW(nr, a, b, c, d, e, f));
}

#define P(x)	((void *)(x))
#define NAME(x)	((const char *)(x))
#define FD(x)	((int)(x))

/* Each of the following: true when @nr is one of its calls; *r as libc's function has it. */
static bool by_path(long nr, long a, long b, long c, long d, long *r)
{
	switch (nr) {
	case SYS_open:
		*r = open(NAME(a), (int)b, (mode_t)c);
		return true;
	case SYS_creat:
		*r = creat(NAME(a), (mode_t)b);
		return true;
	case SYS_openat:
		*r = openat(FD(a), NAME(b), (int)c, (mode_t)d);
		return true;
	case SYS_openat2:
		*r = front_openat2(FD(a), NAME(b), P(c), (size_t)d);
		return true;
	case SYS_stat:
		*r = stat(NAME(a), P(b));
		return true;
	case SYS_lstat:
		*r = lstat(NAME(a), P(b));
		return true;
	case SYS_newfstatat:
		*r = fstatat(FD(a), NAME(b), P(c), (int)d);
		return true;
	case SYS_access:
		*r = access(NAME(a), (int)b);
		return true;
	case SYS_faccessat:
		*r = faccessat(FD(a), NAME(b), (int)c, 0);
		return true;
	case SYS_faccessat2:
		*r = faccessat(FD(a), NAME(b), (int)c, (int)d);
		return true;
	case SYS_readlink:
		*r = readlink(NAME(a), P(b), (size_t)c);
		return true;
	case SYS_readlinkat:
		*r = readlinkat(FD(a), NAME(b), P(c), (size_t)d);
		return true;
	case SYS_chdir:
		*r = chdir(NAME(a));
		return true;
	case SYS_truncate:
		*r = truncate(NAME(a), b);
		return true;
	default:
		return false;
	}
}

static bool by_descriptor(long nr, long a, long b, long c, long d, long *r)
{
	switch (nr) {
	case SYS_close:
		*r = close(FD(a));
		return true;
	case SYS_close_range:
		*r = close_range((unsigned int)a, (unsigned int)b, (int)c);
		return true;
	case SYS_dup:
		*r = dup(FD(a));
		return true;
	case SYS_dup2:
		*r = dup2(FD(a), FD(b));
		return true;
	case SYS_dup3:
		*r = dup3(FD(a), FD(b), (int)c);
		return true;
	case SYS_fcntl:
		*r = fcntl(FD(a), (int)b, c);
		return true;
	case SYS_ioctl:
		*r = ioctl(FD(a), (unsigned long)b, c);
		return true;
	case SYS_fstat:
		*r = fstat(FD(a), P(b));
		return true;
	case SYS_lseek:
		*r = lseek(FD(a), b, (int)c);
		return true;
	case SYS_ftruncate:
		*r = ftruncate(FD(a), b);
		return true;
	case SYS_fallocate:
		*r = fallocate(FD(a), (int)b, c, d);
		return true;
	case SYS_fchmod:
		*r = fchmod(FD(a), (mode_t)b);
		return true;
	case SYS_fchown:
		*r = fchown(FD(a), (uid_t)b, (gid_t)c);
		return true;
	case SYS_recvmsg:
		*r = recvmsg(FD(a), P(b), (int)c);
		return true;
	case SYS_sendmsg:
		*r = sendmsg(FD(a), P(b), (int)c);
		return true;
	default:
		return false;
	}
}

static bool by_buffer(long nr, long a, long b, long c, long d, long *r)
{
	switch (nr) {
	case SYS_read:
		*r = read(FD(a), P(b), (size_t)c);
		return true;
	case SYS_write:
		*r = write(FD(a), P(b), (size_t)c);
		return true;
	case SYS_getdents64:
		*r = getdents64(FD(a), P(b), (size_t)c);
		return true;
	case SYS_readv:
		*r = readv(FD(a), P(b), (int)c);
		return true;
	case SYS_writev:
		*r = writev(FD(a), P(b), (int)c);
		return true;
	case SYS_pread64:
		*r = pread(FD(a), P(b), (size_t)c, d);
		return true;
	case SYS_pwrite64:
		*r = pwrite(FD(a), P(b), (size_t)c, d);
		return true;
	case SYS_preadv:
		*r = preadv(FD(a), P(b), (int)c, d);
		return true;
	case SYS_pwritev:
		*r = pwritev(FD(a), P(b), (int)c, d);
		return true;
	default:
		return false;
	}
}

static bool by_memory(long nr, const long arg[6], long *r)
{
	void *at = P(arg[0]);
	size_t size = (size_t)arg[1];

	switch (nr) {
	case SYS_mmap:
		*r = (long)mmap(at, size, (int)arg[2], (int)arg[3], FD(arg[4]), arg[5]);
		return true;
	case SYS_munmap:
		*r = munmap(at, size);
		return true;
	case SYS_mprotect:
		*r = mprotect(at, size, (int)arg[2]);
		return true;
	case SYS_pkey_mprotect:
		*r = pkey_mprotect(at, size, (int)arg[2], (int)arg[3]);
		return true;
	case SYS_madvise:
		*r = madvise(at, size, (int)arg[2]);
		return true;
	case SYS_msync:
		*r = msync(at, size, (int)arg[2]);
		return true;
	case SYS_mremap:
		*r = (long)mremap(at, size, (size_t)arg[2], (int)arg[3], P(arg[4]));
		return true;
	case SYS_remap_file_pages:
		*r = remap_file_pages(at, size, (int)arg[2], (size_t)arg[3], (int)arg[4]);
		return true;
	default:
		return false;
	}
}

/* With five arguments, or with another layout than libc's. */
static bool by_process(long nr, const long arg[6], long *r)
{
	switch (nr) {
	case SYS_statx:
		*r = statx(FD(arg[0]), NAME(arg[1]), (int)arg[2], (unsigned int)arg[3], P(arg[4]));
		return true;
	case SYS_preadv2:
		*r = preadv2(FD(arg[0]), P(arg[1]), (int)arg[2], arg[3], (int)arg[5]);
		return true;
	case SYS_pwritev2:
		*r = pwritev2(FD(arg[0]), P(arg[1]), (int)arg[2], arg[3], (int)arg[5]);
		return true;
	case SYS_shmat:
		*r = (long)shmat((int)arg[0], P(arg[1]), (int)arg[2]);
		return true;
	case SYS_shmdt:
		*r = shmdt(P(arg[0]));
		return true;
	case SYS_open_by_handle_at:
		*r = open_by_handle_at(FD(arg[0]), P(arg[1]), (int)arg[2]);
		return true;
	case SYS_recvmmsg:
		*r = recvmmsg(FD(arg[0]), P(arg[1]), (unsigned int)arg[2], (int)arg[3], P(arg[4]));
		return true;
	case SYS_sendmmsg:
		*r = sendmmsg(FD(arg[0]), P(arg[1]), (unsigned int)arg[2], (int)arg[3]);
		return true;
	case SYS_recvfrom:
		*r = recvfrom(FD(arg[0]), P(arg[1]), (size_t)arg[2], (int)arg[3], P(arg[4]), P(arg[5]));
		return true;
	case SYS_sendto:
		*r = sendto(FD(arg[0]), P(arg[1]), (size_t)arg[2], (int)arg[3], P(arg[4]),
			    (socklen_t)arg[5]);
		return true;
	case SYS_execve:
		*r = execve(NAME(arg[0]), P(arg[1]), P(arg[2]));
		return true;
	case SYS_execveat:
		*r = execveat(FD(arg[0]), NAME(arg[1]), P(arg[2]), P(arg[3]), (int)arg[4]);
		return true;
	case SYS_exit_group:
		_exit((int)arg[0]);
	case SYS_rt_sigaction:
		return front_kernel_sigaction((int)arg[0], P(arg[1]), P(arg[2]), (size_t)arg[3], r);
	case SYS_rt_sigprocmask:
		return front_kernel_sigmask((int)arg[0], P(arg[1]), P(arg[2]), (size_t)arg[3], r);
	default:
		return false;
	}
}

/*
 * Calls that change a name, or ask what ours have not (modify.c): where their
 * names are among the arguments.  NO_DIRFD: no descriptor goes before it.
 */
#define NO_DIRFD	(-1)
static const struct { short nr; signed char dirfd, path; short err; } refused[] = {
	{ SYS_chmod, NO_DIRFD, 0, EPERM }, { SYS_fchmodat, 0, 1, EPERM },
	{ SYS_chown, NO_DIRFD, 0, EPERM }, { SYS_lchown, NO_DIRFD, 0, EPERM },
	{ SYS_fchownat, 0, 1, EPERM },
	{ SYS_unlink, NO_DIRFD, 0, EPERM }, { SYS_unlinkat, 0, 1, EPERM }, { SYS_rmdir, NO_DIRFD, 0, EPERM },
	{ SYS_utime, NO_DIRFD, 0, EPERM }, { SYS_utimes, NO_DIRFD, 0, EPERM },
	{ SYS_futimesat, 0, 1, EPERM }, { SYS_utimensat, 0, 1, EPERM },
	{ SYS_setxattr, NO_DIRFD, 0, EPERM }, { SYS_lsetxattr, NO_DIRFD, 0, EPERM },
	{ SYS_removexattr, NO_DIRFD, 0, EPERM }, { SYS_lremovexattr, NO_DIRFD, 0, EPERM },
	{ SYS_mkdir, NO_DIRFD, 0, EEXIST }, { SYS_mkdirat, 0, 1, EEXIST },
	{ SYS_mknod, NO_DIRFD, 0, EEXIST }, { SYS_mknodat, 0, 1, EEXIST },
	{ SYS_symlink, NO_DIRFD, 1, EEXIST }, { SYS_symlinkat, 1, 2, EEXIST },
	{ SYS_rename, NO_DIRFD, 0, EPERM }, { SYS_rename, NO_DIRFD, 1, EPERM },
	{ SYS_renameat, 0, 1, EPERM }, { SYS_renameat, 2, 3, EPERM },
	{ SYS_renameat2, 0, 1, EPERM }, { SYS_renameat2, 2, 3, EPERM },
	{ SYS_link, NO_DIRFD, 0, EPERM }, { SYS_link, NO_DIRFD, 1, EEXIST },
	{ SYS_linkat, 0, 1, EPERM }, { SYS_linkat, 2, 3, EEXIST },
	{ SYS_mount, NO_DIRFD, 0, EPERM }, { SYS_mount, NO_DIRFD, 1, EPERM },
	{ SYS_umount2, NO_DIRFD, 0, EPERM }, { SYS_chroot, NO_DIRFD, 0, EPERM },
	{ SYS_getxattr, NO_DIRFD, 0, ENODATA }, { SYS_lgetxattr, NO_DIRFD, 0, ENODATA },
	{ SYS_listxattr, NO_DIRFD, 0, EOPNOTSUPP }, { SYS_llistxattr, NO_DIRFD, 0, EOPNOTSUPP },
	{ SYS_name_to_handle_at, 0, 1, EOPNOTSUPP }, { SYS_open_tree, 0, 1, EPERM },
	{ SYS_inotify_add_watch, NO_DIRFD, 1, EPERM },
};

static bool is_refused(long nr, const long arg[6])
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		int dirfd = refused[i].dirfd == NO_DIRFD ? AT_FDCWD : FD(arg[refused[i].dirfd]);

		if (refused[i].nr == nr && name_fails(dirfd, NAME(arg[refused[i].path]), refused[i].err,
						      refused[i].err == EEXIST ? EACCES : 0))
			return true;
	}
	return false;
}

long by_number(long nr, long a, long b, long c, long d, long e, long f)
{
	const long arg[] = { a, b, c, d, e, f };
	long r;

	if (by_path(nr, a, b, c, d, &r) || by_descriptor(nr, a, b, c, d, &r) ||
	    by_buffer(nr, a, b, c, d, &r) || by_memory(nr, arg, &r) || by_process(nr, arg, &r))
		return r;
	if (is_refused(nr, arg))
		return -1;
	return front_answer(RAW(nr, a, b, c, d, e, f));
}
