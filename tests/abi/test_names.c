/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_names.c - the less usual names of libc: other names of open and read,
 * changing what a name leads to, streams, masks while waiting, descriptors that
 * another program has opened.
 *
 * Each row that changes something is one that the kernel would refuse on a real
 * /dev/kvm, too, with another errno: nothing happens to a machine on which we fail.
 *
 * usage: test_names [--verbose]
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <softcvm/identity.h>

#include "check_libc.h"
#include "kvm_user.h"

static struct checks c;
static char self[4096];

#define KVM	"/dev/kvm"
#define PARAM	"/sys/module/kvm/parameters/tdp_mmu"

/* -- Other names -- */

#define FUNCTION(type, name)	((type)dlsym(RTLD_DEFAULT, name))

typedef int (*open_fn)(const char *, int, ...);
typedef FILE *(*fopen_fn)(const char *, const char *);
typedef ssize_t (*read_fn)(int, void *, size_t);

static void aliases(void)
{
	static const char *const opens[] = { "open", "open64", "__open", "__open64", "__open_2", "__open64_2" };
	static const char *const fopens[] = { "fopen", "fopen64", "_IO_fopen" };
	int vm, kvm = kvm_open();
	long word;

	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++) {
		open_fn fn = FUNCTION(open_fn, opens[i]);

		check(&c, fn && closed_ours(fn(KVM, O_RDWR)), "%s", opens[i]);
	}
	for (size_t i = 0; i < sizeof(fopens) / sizeof(fopens[0]); i++) {
		fopen_fn fn = FUNCTION(fopen_fn, fopens[i]);
		FILE *f = fn(KVM, "r");

		check(&c, f && is_ours(fileno(f)), "%s", fopens[i]);
		if (f)
			fclose(f);
	}
	vm = vm_make(kvm, KVM_X86_DEFAULT_VM);
	check(&c, FUNCTION(read_fn, "__read")(vm, &word, 8) == -1 && errno == EINVAL, "__read");
	check(&c, FUNCTION(read_fn, "__write")(vm, &word, 8) == -1 && errno == EINVAL, "__write");
	check(&c, preadv2(vm, &(struct iovec){ &word, 8 }, 1, -1, 0) == -1 && errno == EINVAL, "preadv2");
	check(&c, pwritev2(vm, &(struct iovec){ &word, 8 }, 1, 0, 0) == -1 && errno == ESPIPE, "pwritev2");
	check(&c, fsync(vm) == -1 && errno == EINVAL, "fsync");
	check(&c, fdatasync(vm) == -1 && errno == EINVAL, "fdatasync");
	check(&c, sendfile(1, vm, NULL, 8) == -1 && errno == EINVAL, "sendfile");
	check(&c, FUNCTION(int (*)(int), "__close")(vm) == 0 &&
	      kvm_ioctl(vm, KVM_CHECK_EXTENSION, 0) == -EBADF, "__close");
	close(kvm);
}

/* -- Changing -- */

static void changes(void)
{
	const struct timespec bad[2] = { { .tv_nsec = -5 }, { .tv_nsec = -5 } };
	int dev = open("/dev", O_PATH | O_DIRECTORY);
	struct statfs fs;
	char byte;

	FAILS(EPERM, rmdir(KVM));
	FAILS(EINVAL, truncate(KVM, 0));
	FAILS(EINVAL, truncate64(PARAM, 0));
	FAILS(EPERM, unlinkat(dev, "kvm", AT_REMOVEDIR));
	FAILS(EPERM, rename(KVM, "/nonexistent/x"));
	FAILS(EPERM, renameat(dev, "kvm", AT_FDCWD, "/nonexistent/x"));
	FAILS(EPERM, link(KVM, "/nonexistent/x"));
	FAILS(EPERM, fchmodat(dev, "kvm", 0600, 0x8000));
	FAILS(EPERM, chown(KVM, (uid_t)-1, (gid_t)-1));
	FAILS(EPERM, fchownat(dev, "kvm", (uid_t)-1, (gid_t)-1, 0));
	FAILS(EPERM, utimensat(dev, "kvm", bad, 0));
	FAILS(EPERM, removexattr(KVM, "user.nobody"));
	FAILS(EPERM, chroot(KVM));
	FAILS(EPERM, umount2(KVM, -1));
	FAILS(EPERM, chroot("/sys/module/kvm/parameters/tdp_mmu"));
	FAILS(ENODATA, getxattr(KVM, "user.nobody", &byte, 1));
	FAILS(EEXIST, mkdir(KVM, 0700));
	FAILS(EEXIST, mkdirat(dev, "kvm", 0700));
	FAILS(EEXIST, symlink("/dev/null", KVM));
	FAILS(EEXIST, mknod(PARAM, S_IFREG | 0600, 0));
	FAILS(EACCES, mkdir("/sys/module/kvm/parameters/nonsense", 0700));
	FAILS(ENOENT, rmdir("/dev/sev-guest"));
	FAILS(EPERM, syscall(SYS_rmdir, KVM));
	FAILS(EPERM, syscall(SYS_renameat2, dev, "kvm", AT_FDCWD, "/nonexistent/x", 0));
	FAILS(EEXIST, syscall(SYS_symlinkat, "/dev/null", dev, "kvm"));
	check(&c, !statfs(KVM, &fs), "statfs");
	check(&c, rmdir("/nonexistent/kvm") == -1 && errno == ENOENT, "other names reach the kernel");
	close(dev);
}

/* -- Links of other names, streams -- */

static void through_links(void)
{
	char dir[] = "/tmp/softcvm-names-XXXXXX", path[64];
	FILE *f;

	need(mkdtemp(dir), "mkdtemp");
	snprintf(path, sizeof(path), "%s/device", dir);
	need(!symlink(KVM, path), "symlink");
	if (access(path, F_OK)) {		/* a machine without: the link leads nowhere */
		FAILS(ENOENT, open(path, O_RDWR));
	} else {
		check(&c, !is_ours(open(path, O_RDONLY)) || closed_ours(open(path, O_RDONLY)), "open");
		f = fopen(path, "r");
		check(&c, !f || is_ours(fileno(f)), "fopen of a link");
		if (f)
			fclose(f);
		f = freopen(path, "r", fopen("/dev/null", "r"));
		check(&c, !f || is_ours(fileno(f)), "freopen of a link");
		if (f)
			fclose(f);
	}
	unlink(path);
	rmdir(dir);
}

/* -- What a child gets -- */

static void spawned_with_files(void)
{
	posix_spawn_file_actions_t actions;

	posix_spawn_file_actions_init(&actions);
	check(&c, posix_spawn_file_actions_addopen(&actions, 5, KVM, O_RDWR, 0) == EACCES,
	      "libc does not open it for a child");
	check(&c, !posix_spawn_file_actions_addopen(&actions, 5, "/dev/null", O_RDWR, 0), "others it does");
	posix_spawn_file_actions_destroy(&actions);
}

/* A machine's own device, as one may be inherited; -1 where there is none. */
static int open_real_device(void)
{
	long fd;

	__asm__ volatile("syscall" : "=a"(fd) : "a"(SYS_open), "D"(KVM), "S"(O_RDWR), "d"(0)
			 : "rcx", "r11", "memory");
	return fd < 0 ? -1 : (int)fd;
}

/* The program that has not opened them.  Exit status: the bits that came out wrong. */
static int as_heir(int kvm, int vm, int real)
{
	int wrong = 0;

	wrong |= kvm_ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) != -EIO ? 1 : 0;
	wrong |= kvm_ioctl(kvm, KVM_GET_API_VERSION, 0) != 12 ? 2 : 0;
	wrong |= !is_ours(kvm) ? 4 : 0;
	wrong |= kvm_ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) != -EIO ? 8 : 0;
	wrong |= kvm_ioctl(kvm, KVM_CREATE_VM, 0) < 0 ? 16 : 0;
	wrong |= (fcntl(kvm, F_GETFL) & O_ACCMODE) != O_RDWR || fcntl(kvm, F_GETFD) ? 32 : 0;
	wrong |= real >= 0 && !is_ours(real) ? 64 : 0;
	wrong |= kvm_ioctl(0, KVM_GET_API_VERSION, 0) == 12 ? 128 : 0;
	return wrong;
}

static void inherited(void)
{
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM), real = open_real_device(), status;
	char fds[3][16];
	char *argv[] = { self, (char *)"--heir", fds[0], fds[1], fds[2], NULL };
	pid_t pid = fork();

	if (!pid) {
		fcntl(kvm, F_SETFD, 0);
		fcntl(vm, F_SETFD, 0);
		snprintf(fds[0], sizeof(fds[0]), "%d", kvm);
		snprintf(fds[1], sizeof(fds[1]), "%d", vm);
		snprintf(fds[2], sizeof(fds[2]), "%d", real);
		execv(self, argv);
		_exit(255);
	}
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	check(&c, status == 0, "descriptors of another program: %#x", status);
	check(&c, real < 0 || is_ours(real), "a descriptor of a real device is none");
	close(real);
	close(vm);
	close(kvm);
}

/* -- Masks while waiting -- */

static int vm_of_handler;
static volatile long handler_said;

/* What faults inside of us, under the mask of whoever waits. */
static void on_usr1(int sig)
{
	(void)sig;
	/* With SIGSEGV blocked by the sanitizer, only what does not fault can be asked. */
	handler_said = USER_UNDER_TSAN ? -EFAULT
		: kvm_ioctlp(vm_of_handler, KVM_SET_USER_MEMORY_REGION, (void *)8);
}

static void wait_sigsuspend(const sigset_t *set)
{
	sigsuspend(set);
}

static void wait_ppoll(const sigset_t *set)
{
	ppoll(NULL, 0, NULL, set);
}

static void wait_pselect(const sigset_t *set)
{
	pselect(0, NULL, NULL, NULL, NULL, set);
}

static void wait_epoll(const sigset_t *set)
{
	struct epoll_event e;
	int fd = epoll_create1(0);

	epoll_pwait(fd, &e, 1, -1, set);
	close(fd);
}

static void waiting(void)
{
	static const struct { const char *name; void (*wait)(const sigset_t *); } rows[] = {
		{ "sigsuspend", wait_sigsuspend }, { "ppoll", wait_ppoll },
		{ "pselect", wait_pselect }, { "epoll_pwait", wait_epoll },
	};
	struct sigaction act = { .sa_handler = on_usr1 };
	int kvm = kvm_open();
	sigset_t all, usr1, all_others;

	vm_of_handler = vm_make(kvm, KVM_X86_DEFAULT_VM);
	sigfillset(&all);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	all_others = all;
	sigdelset(&all_others, SIGUSR1);
	sigaction(SIGUSR1, &act, NULL);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		handler_said = 0;
		raise(SIGUSR1);
		rows[i].wait(&all_others);
		usleep(1);		/* the sanitizer holds handlers back until libc is called */
		check(&c, handler_said == -EFAULT, "%s: a handler under its mask may call KVM: %ld",
		      rows[i].name, handler_said);
	}
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	close(vm_of_handler);
	close(kvm);
}

/* A device by its descriptor as by its name; VMs are anonymous inodes. */
/* -- Threads of a core: the modelled machine's, whatever this one has -- */

#define SMT	"/sys/devices/system/cpu/smt/"

static void first_word(const char *path, const char *want)
{
	FILE *f = fopen(path, "r");
	char text[32] = "";

	check(&c, f && fgets(text, sizeof(text), f) && !strcmp(text, want), "%s: %s", path, text);
	if (f)
		fclose(f);
}

static void threads_of_a_core(void)
{
	int folder = open("/sys/devices/system", O_PATH | O_DIRECTORY);
	int fd = folder < 0 ? -1 : openat(folder, "cpu/smt/control", O_RDONLY);
	char text[8] = "";
	struct stat st;

	first_word(SMT "control", "on\n");
	first_word(SMT "active", "1\n");
	check(&c, folder < 0 || (read(fd, text, 8) == 3 && !memcmp(text, "on", 2)), "by openat: %s", text);
	check(&c, !stat(SMT "active", &st) && S_ISREG(st.st_mode) && !access(SMT "active", R_OK), "stat");
	FAILS(EACCES, open(SMT "control", O_RDWR));
	FAILS(ENOTDIR, open(SMT "control/", O_RDONLY));
	FAILS(EPERM, unlink(SMT "control"));
	close(fd);
	close(folder);
}

static void what_fstat_says(void)
{
	struct stat by_name, st;
	int kvm = open(KVM, O_RDWR), vm = kvm_ioctl(kvm, KVM_CREATE_VM, 0);

	need(kvm >= 0 && vm >= 0 && !stat(KVM, &by_name), "a VM");
	check(&c, !fstat(kvm, &st) && S_ISCHR(st.st_mode) && st.st_mode == by_name.st_mode &&
	      st.st_rdev == by_name.st_rdev && !st.st_size, "fstat of /dev/kvm: mode %o", st.st_mode);
	check(&c, !fstatat(kvm, "", &st, AT_EMPTY_PATH) && S_ISCHR(st.st_mode),
	      "fstatat of it: mode %o", st.st_mode);
	check(&c, !fstat(vm, &st) && st.st_mode == 0600 && !st.st_size, "fstat of a VM: mode %o", st.st_mode);
	close(vm);
	close(kvm);
}

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	need(n > 0, "readlink");
	if (argc > 4 && !strcmp(argv[1], "--heir"))
		return as_heir(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	c.verbose = argc > 1;
	aliases();
	changes();
	threads_of_a_core();
	what_fstat_says();
	through_links();
	spawned_with_files();
	inherited();
	waiting();
	return checks_end(&c);
}
