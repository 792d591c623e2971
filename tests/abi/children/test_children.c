/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_children.c - nothing falls through to a real device: every name by which
 * a program starts another, with every environment, and every way round the
 * names of libc that libc itself has.
 *
 * Runs under `softcvm exec`.  On a machine that has a /dev/kvm a fall-through
 * finds that one, on others none: both are failures.
 *
 * usage: test_children STATIC_PROGRAM [--verbose]
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include <softcvm/identity.h>

#include "../kvm_user.h"

enum { IS_OURS = 77, IS_ANOTHER = 78, REFUSED = 79, FAILED_OTHERWISE = 80 };

static struct checks c;
static char self[4096];
static const char *static_program;
static char script[] = "/tmp/softcvm-children-XXXXXX";

/* What a child of the rows does: "ours" on standard output, and IS_OURS. */
static int be_child(void)
{
	bool ours = closed_ours(open("/dev/kvm", O_RDWR));

	puts(ours ? "ours" : "another");
	return ours ? IS_OURS : IS_ANOTHER;
}

/* -- Starting -- */

static char *child_argv[] = { (char *)"child", (char *)"--child", NULL };

static int status_of(pid_t pid)
{
	int status = -1;

	need(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + status;
}

static void failed(void)
{
	_exit(errno == EACCES ? REFUSED : FAILED_OTHERWISE);
}

/* In a child of its own: one of the exec names. */
#define STARTER(name, call)						\
static int start_##name(const char *path, char **envp)			\
{									\
	pid_t pid = fork();						\
									\
	if (!pid) {							\
		environ = envp;						\
		call;							\
		failed();						\
	}								\
	return status_of(pid);						\
}

/* The folder of @path is PATH, its last part the name. */
static const char *by_search(const char *path)
{
	static char dirs[4096 + 5];
	char *slash = strrchr(strcpy(dirs, path), '/');

	*slash = '\0';
	setenv("PATH", dirs, 1);
	return strrchr(path, '/') + 1;
}

STARTER(execve, execve(path, child_argv, envp))
STARTER(execv, execv(path, child_argv))
STARTER(execvp, execvp(path, child_argv))
STARTER(execvp_search, execvp(by_search(path), child_argv))
STARTER(execvpe, execvpe(path, child_argv, envp))
STARTER(execl, execl(path, "child", "--child", (char *)NULL))
STARTER(execlp, execlp(path, "child", "--child", (char *)NULL))
STARTER(execle, execle(path, "child", "--child", (char *)NULL, envp))
STARTER(fexecve, fexecve(open(path, O_RDONLY), child_argv, envp))
STARTER(fexecve_path, fexecve(open(path, O_PATH), child_argv, envp))
STARTER(execveat, execveat(AT_FDCWD, path, child_argv, envp, 0))
STARTER(execveat_fd, execveat(open(path, O_PATH), "", child_argv, envp, AT_EMPTY_PATH))
STARTER(SYS_execve, syscall(SYS_execve, path, child_argv, envp))
STARTER(SYS_execveat, syscall(SYS_execveat, AT_FDCWD, path, child_argv, envp, 0))

static int start_vfork(const char *path, char **envp)
{
	pid_t pid = vfork();

	if (!pid) {
		execve(path, child_argv, envp);
		failed();
	}
	return status_of(pid);
}

static int spawned(int err, pid_t pid)
{
	return err ? err == EACCES ? REFUSED : FAILED_OTHERWISE : status_of(pid);
}

static int start_posix_spawn(const char *path, char **envp)
{
	pid_t pid;
	int err = posix_spawn(&pid, path, NULL, NULL, child_argv, envp);

	return spawned(err, pid);
}

static int start_posix_spawnp(const char *path, char **envp)
{
	pid_t pid;
	int err = posix_spawnp(&pid, by_search(path), NULL, NULL, child_argv, envp);

	return spawned(err, pid);
}

/* The shell's answer to what it cannot run is 126. */
static int shell_status(int status)
{
	if (!WIFEXITED(status))
		return 256 + status;
	return WEXITSTATUS(status) == 126 ? REFUSED : WEXITSTATUS(status);
}

static int start_system(const char *path, char **envp)
{
	char command[8192];
	pid_t pid = fork();

	if (!pid) {
		environ = envp;
		snprintf(command, sizeof(command), "'%s' --child", path);
		_exit(shell_status(system(command)));
	}
	return status_of(pid);
}

/* Through a program that clears the environment by itself. */
static int start_env(const char *path, char **envp)
{
	char command[8192];
	pid_t pid = fork();

	if (!pid) {
		environ = envp;
		snprintf(command, sizeof(command), "exec env -i '%s' --child", path);
		_exit(shell_status(system(command)));
	}
	return status_of(pid);
}

static int start_popen(const char *path, char **envp)
{
	char command[8192];
	pid_t pid = fork();
	FILE *f;

	if (!pid) {
		environ = envp;
		snprintf(command, sizeof(command), "'%s' --child >/dev/null", path);
		f = popen(command, "r");
		_exit(f ? shell_status(pclose(f)) : FAILED_OTHERWISE);
	}
	return status_of(pid);
}

/* Only what it printed is known: nothing when it was not started. */
static int start_wordexp(const char *path, char **envp)
{
	char command[8192];
	pid_t pid = fork();
	wordexp_t words;

	if (!pid) {
		environ = envp;
		snprintf(command, sizeof(command), "$('%s' --child)", path);
		if (wordexp(command, &words, WRDE_SHOWERR))
			_exit(FAILED_OTHERWISE);
		if (!words.we_wordc)
			_exit(REFUSED);
		_exit(strcmp(words.we_wordv[0], "ours") ? IS_ANOTHER : IS_OURS);
	}
	return status_of(pid);
}

static const struct starter {
	const char	*name;
	int		(*start)(const char *path, char **envp);
} starters[] = {
#define S(name) { #name, start_##name }
	S(execve), S(execv), S(execvp), S(execvp_search), S(execvpe), S(execl), S(execlp), S(execle),
	S(fexecve), S(fexecve_path), S(execveat), S(execveat_fd), S(SYS_execve), S(SYS_execveat),
	S(vfork), S(posix_spawn), S(posix_spawnp), S(system), S(env), S(popen), S(wordexp),
#undef S
};

/* -- Rows: starter x environment, starter x program that must not be started -- */

static char *no_environment[] = { NULL };
static char *other_environment[] = {
	(char *)"A=1", (char *)"LD_PRELOAD=libm.so.6", (char *)"B=2", NULL,
};
static char *nearly_ours[] = {		/* a name of ours as part of another is not ours */
	(char *)"LD_PRELOAD=/x/libsoftcvm-preload.so.1:libm.so.6",
	(char *)"LD_PRELOAD=libm.so.6", (char *)"PATH=/bin:/usr/bin", NULL,
};

static const struct {
	const char	*name;
	char		**envp;
} environments[] = {
	{ "empty", no_environment },
	{ "NULL", NULL },
	{ "another LD_PRELOAD", other_environment },
	{ "two LD_PRELOAD", nearly_ours },
};

/* What is printed while a row runs is counted in lines, not shown. */
static int begin_quiet(int *saved)
{
	int said = memfd_create("said", 0);

	need(said >= 0, "memfd_create");
	saved[0] = dup(1);
	saved[1] = dup(2);
	dup2(said, 1);
	dup2(said, 2);
	return said;
}

static void end_quiet(int said, const int *saved, char *text, size_t size)
{
	ssize_t n;

	dup2(saved[0], 1);
	dup2(saved[1], 2);
	close(saved[0]);
	close(saved[1]);
	n = pread(said, text, size - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	close(said);
}

static int run_row(const struct starter *s, const char *path, char **envp, char *text, size_t size)
{
	char *before = getenv("PATH") ? strdup(getenv("PATH")) : NULL;
	int saved[2], said, status;

	fflush(stdout);
	said = begin_quiet(saved);
	status = s->start(path, envp);
	fflush(stdout);
	end_quiet(said, saved, text, size);
	if (before)
		setenv("PATH", before, 1);
	free(before);
	return status;
}

static void started_with_us(void)
{
	char said[4096];

	for (size_t i = 0; i < sizeof(starters) / sizeof(starters[0]); i++) {
		for (size_t k = 0; k < sizeof(environments) / sizeof(environments[0]); k++) {
			int status = run_row(&starters[i], self, environments[k].envp, said, sizeof(said));

			check(&c, status == IS_OURS, "%s with environment %s: status %d, not %d: %s",
			      starters[i].name, environments[k].name, status, IS_OURS, said);
		}
	}
}

static void not_started(const char *kind, const char *path)
{
	char said[4096];

	for (size_t i = 0; i < sizeof(starters) / sizeof(starters[0]); i++) {
		int status = run_row(&starters[i], path, no_environment, said, sizeof(said));
		char *line = strstr(said, "softcvm: error: not started: ");

		check(&c, status == REFUSED, "%s of %s: status %d, not %d: %s",
		      starters[i].name, kind, status, REFUSED, said);
		check(&c, line && strstr(line, "statically linked") && !strstr(line + 1, "softcvm: "),
		      "%s of %s says once why: %s", starters[i].name, kind, said);
	}
}

/* A name that is looked up in a folder which the child changes to. */
static int start_in_folder(const char *path, char **envp, bool by_fd)
{
	char folder[4096], name[4096];
	posix_spawn_file_actions_t actions;
	int fd, err;
	pid_t pid;

	strcpy(folder, path);
	snprintf(name, sizeof(name), "./%s", strrchr(path, '/') + 1);
	*strrchr(folder, '/') = '\0';
	fd = open(folder, O_PATH | O_DIRECTORY);
	posix_spawn_file_actions_init(&actions);
	if (by_fd)
		posix_spawn_file_actions_addfchdir_np(&actions, fd);
	else
		posix_spawn_file_actions_addchdir_np(&actions, folder);
	err = posix_spawn(&pid, name, &actions, NULL, child_argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
	return spawned(err, pid);
}

static int start_addchdir(const char *path, char **envp)
{
	return start_in_folder(path, envp, false);
}

static int start_addfchdir(const char *path, char **envp)
{
	return start_in_folder(path, envp, true);
}

static void in_other_folders(void)
{
	static const struct starter others[] = {
		{ "addchdir_np", start_addchdir }, { "addfchdir_np", start_addfchdir },
	};
	char said[4096];

	for (size_t i = 0; i < 2; i++) {
		int status = run_row(&others[i], self, no_environment, said, sizeof(said));

		check(&c, status == IS_OURS, "%s: status %d, not %d", others[i].name, status, IS_OURS);
		status = run_row(&others[i], static_program, no_environment, said, sizeof(said));
		check(&c, status == REFUSED, "%s of a static program: status %d, not %d: %s",
		      others[i].name, status, REFUSED, said);
	}
}

static void write_script(void)
{
	int fd = mkstemp(script);
	char text[4200];
	int n = snprintf(text, sizeof(text), "#!%s\n", static_program);

	need(fd >= 0 && write(fd, text, (size_t)n) == n && !fchmod(fd, 0755), "%s", script);
	close(fd);
}

/* What the kernel refuses by itself keeps its errno and is not talked about. */
static void refused_by_the_kernel(void)
{
	static const struct { const char *path; int err; } rows[] = {
		{ "/nonexistent", ENOENT }, { "/", EACCES }, { "/dev/null", EACCES },
		{ "/dev/null/x", ENOTDIR }, { "/proc/version", EACCES },
	};
	char said[4096];
	int saved[2], out, err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fflush(stdout);
		out = begin_quiet(saved);
		errno = 0;
		execve(rows[i].path, child_argv, no_environment);
		err = errno;
		end_quiet(out, saved, said, sizeof(said));
		check(&c, err == rows[i].err && !*said, "execve of %s: %s, said '%s'", rows[i].path,
		      errno_name(err), said);
	}
}

/* -- By number -- */

static long by_openat2(uint64_t resolve, int dirfd, const char *path)
{
	struct open_how how = { .flags = O_RDWR, .resolve = resolve };

	return syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

static void by_number(void)
{
	int dev = open("/dev", O_PATH), fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/kvm", O_RDWR), vm;
	struct statx x;
	struct stat st;
	long n;

	check(&c, is_ours(fd), "SYS_openat");
	check(&c, closed_ours((int)syscall(SYS_open, "/dev/kvm", O_RDWR)), "SYS_open");
	check(&c, closed_ours((int)by_openat2(0, AT_FDCWD, "/dev/kvm")), "SYS_openat2");
	check(&c, closed_ours((int)by_openat2(RESOLVE_BENEATH, dev, "kvm")), "SYS_openat2 beneath");
	check(&c, closed_ours((int)by_openat2(RESOLVE_IN_ROOT, dev, "/kvm")), "SYS_openat2 in root");
	check(&c, syscall(SYS_ioctl, fd, KVM_CHECK_EXTENSION, KVM_CAP_SOFTCVM) > 0, "SYS_ioctl");
	vm = (int)syscall(SYS_ioctl, fd, KVM_CREATE_VM, 0);
	check(&c, syscall(SYS_ioctl, vm, KVM_CREATE_VCPU, 0) >= 0, "SYS_ioctl of a VM");
	check(&c, syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_SHARED, vm, 0) == -1 && errno == ENODEV,
	      "SYS_mmap of a VM");
	check(&c, syscall(SYS_fallocate, vm, 0, 0, PAGE) == -1 && errno == ENODEV, "SYS_fallocate");
	check(&c, syscall(SYS_read, vm, &n, sizeof(n)) == -1 && errno == EINVAL, "SYS_read");
	check(&c, !syscall(SYS_stat, "/dev/kvm", &st) && (st.st_mode & 0777) == 0666, "SYS_stat");
	check(&c, !syscall(SYS_newfstatat, dev, "kvm", &st, 0) && (st.st_mode & 0777) == 0666,
	      "SYS_newfstatat");
	check(&c, !syscall(SYS_statx, dev, "kvm", 0, STATX_BASIC_STATS, &x) &&
	      (x.stx_mode & 0777) == 0666, "SYS_statx");
	check(&c, !syscall(SYS_access, "/dev/kvm", W_OK), "SYS_access");
	check(&c, !syscall(SYS_faccessat2, dev, "kvm", W_OK, AT_EACCESS), "SYS_faccessat2");
	check(&c, syscall(SYS_readlink, "/dev/kvm", (char[1]){ 0 }, 1) == -1 && errno == EINVAL,
	      "SYS_readlink");
	n = syscall(SYS_dup, vm);
	check(&c, !syscall(SYS_close, vm) && ioctl((int)n, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) == 1,
	      "SYS_dup, SYS_close");
	check(&c, ioctl(vm, KVM_CHECK_EXTENSION, 0) == -1 && errno == EBADF, "SYS_close closes");
	check(&c, !syscall(SYS_close_range, n, n, 0) && ioctl((int)n, KVM_CHECK_EXTENSION, 0) == -1 &&
	      errno == EBADF, "SYS_close_range");
	check(&c, syscall(SYS_getpid) == getpid() && syscall(-1) == -1 && errno == ENOSYS, "all others");
	close(fd);
	close(dev);
}

static int handler_ran;

static void on_usr1(int sig)
{
	handler_ran = sig;
}

static void signals_by_number(void)
{
	struct {
		void		(*handler)(int);
		unsigned long	flags;
		void		(*restorer)(void);
		uint64_t	mask;
	} act = { .handler = on_usr1, .flags = SA_RESTART, .mask = 1ull << (SIGUSR2 - 1) }, old;
	uint64_t usr1 = 1ull << (SIGUSR1 - 1);
	struct sigaction known;
	sigset_t mask;

	check(&c, !syscall(SYS_rt_sigaction, SIGUSR1, &act, NULL, 8), "SYS_rt_sigaction");
	check(&c, !sigaction(SIGUSR1, NULL, &known) && known.sa_handler == on_usr1 &&
	      sigismember(&known.sa_mask, SIGUSR2) && (known.sa_flags & SA_RESTART), "is sigaction");
	check(&c, !syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8) && old.handler == on_usr1 &&
	      old.mask == act.mask, "SYS_rt_sigaction gives back");
	raise(SIGUSR1);
	check(&c, handler_ran == SIGUSR1, "its handler runs");
	check(&c, !syscall(SYS_rt_sigprocmask, SIG_BLOCK, &usr1, NULL, 8) &&
	      !sigprocmask(SIG_BLOCK, NULL, &mask) && sigismember(&mask, SIGUSR1), "SYS_rt_sigprocmask");
	check(&c, !syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &usr1, NULL, 8), "and back");
	check(&c, syscall(SYS_rt_sigaction, SIGUSR1, &act, NULL, 16) == -1 && errno == EINVAL,
	      "SYS_rt_sigaction of a wrong size");
}

/* -- From a handle of libc -- */

static void by_handle(void)
{
	static const char *const libs[] = { "libc.so.6", NULL };

	for (size_t i = 0; i < sizeof(libs) / sizeof(libs[0]); i++) {
		void *libc = dlopen(libs[i], RTLD_NOW);
		int (*open_)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(libc, "open");
		FILE *(*fopen_)(const char *, const char *) =
			(FILE *(*)(const char *, const char *))dlvsym(libc, "fopen", "GLIBC_2.2.5");
		void *(*dlsym_)(void *, const char *) =
			(void *(*)(void *, const char *))dlsym(libc, "dlsym");
		const char *name = libs[i] ? libs[i] : "the program";
		FILE *f;

		need(libc && open_ && fopen_ && dlsym_, "dlsym in %s", name);
		check(&c, closed_ours(open_("/dev/kvm", O_RDWR)), "open from %s", name);
		f = fopen_("/dev/kvm", "r");
		check(&c, f && is_ours(fileno(f)), "fopen from %s", name);
		if (f)
			fclose(f);
		check(&c, dlsym_(libc, "openat") == dlsym(libc, "openat"), "dlsym from %s", name);
		check(&c, dlsym(libc, "no such name") == NULL && dlsym(libc, "strlen") != NULL,
		      "other names from %s", name);
		dlclose(libc);
	}
	check(&c, dlsym(RTLD_DEFAULT, "ioctl") == (void *)ioctl, "RTLD_DEFAULT");
	check(&c, dlsym(RTLD_NEXT, "ioctl") == (void *)ioctl, "RTLD_NEXT of the program is us");
}

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	need(n > 0 && argc > 1, "usage: test_children STATIC_PROGRAM");
	if (!strcmp(argv[1], "--child"))
		return be_child();
	static_program = argv[1];
	c.verbose = argc > 2 && !strcmp(argv[2], "--verbose");
	write_script();
	started_with_us();
	not_started("a static program", static_program);
	not_started("its script", script);
	in_other_folders();
	refused_by_the_kernel();
	by_number();
	signals_by_number();
	by_handle();
	unlink(script);
	return checks_end(&c);
}
