/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_in_place.c - a guest_memfd that converts where it is, and what the
 * VMM's own pointer meets in it (docs/design/host-access.md).  Ours: no kernel
 * has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_libc.h"
#include "flat_guest.h"

#define NR	16UL
#define SIZE	(NR * PAGE)
#define GPA	0x10000000UL
#define PRIVATE	KVM_MEMORY_ATTRIBUTE_PRIVATE
#define RW	(PROT_READ | PROT_WRITE)
#define PUNCH	(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)

static struct checks c;
static sigjmp_buf back;
static siginfo_t got;

static void on_fault(int signo, siginfo_t *info, void *ucontext)
{
	got = *info;
	siglongjmp(back, signo);
}

/* The signal of a touch, or 0. */
static int touch(volatile char *p, bool write)
{
	int signo = sigsetjmp(back, 1);

	if (signo)
		return signo;
	if (write)
		*p = *(volatile char *)"w";
	else
		(void)*p;
	return 0;
}

/* SIGBUS as the kernel has it. */
static bool is_denied(volatile char *p, bool write)
{
	return touch(p, write) == SIGBUS && got.si_signo == SIGBUS && got.si_code == BUS_ADRERR &&
	       got.si_addr == p;
}

static void denied(char *p)
{
	IS(true, is_denied(p, false));
	IS(true, is_denied(p, true));
	IS(true, is_denied(p + PAGE - 1, false));
}

static char *map_at(void *at, int fd, size_t size, off_t offset)
{
	char *p = mmap(at, size, RW, MAP_SHARED | (at ? MAP_FIXED : 0), fd, offset);

	need(p != MAP_FAILED, "mmap");
	return p;
}

static char *map(int fd, size_t size, off_t offset)
{
	return map_at(NULL, fd, size, offset);
}

struct vm {
	int kvm, vm, fd;
	char *p;
};

/* A VM with one slot at GPA whose both halves are one file, mapped at v->p. */
static void vm_begin(struct vm *v, size_t size)
{
	v->kvm = kvm_open();
	v->vm = vm_make(v->kvm, KVM_X86_SW_PROTECTED_VM);
	v->fd = (int)vm_gmem(v->vm, size, GUEST_MEMFD_FLAG_MMAP);
	need(v->fd >= 0, "KVM_CREATE_GUEST_MEMFD");
	v->p = map(v->fd, size, 0);
	IS(0, vm_region_gmem(v->vm, 0, GPA, size, v->p, v->fd, 0));
}

static void vm_end(struct vm *v, size_t size)
{
	IS(0, munmap(v->p, size));
	close(v->fd);
	close(v->vm);
	close(v->kvm);
}

static void set(const struct vm *v, uint64_t page, uint64_t n, uint64_t attributes)
{
	IS(0, vm_attributes(v->vm, GPA + page * PAGE, n * PAGE, attributes));
}

static void converts(void)
{
	struct vm v;
	char *q;

	vm_begin(&v, SIZE);
	memset(v.p, 0x5a, SIZE);
	set(&v, 1, 2, PRIVATE);
	IS(0, touch(v.p, true));
	denied(v.p + PAGE);
	denied(v.p + 2 * PAGE);
	IS(0x5a, v.p[3 * PAGE]);
	q = map(v.fd, SIZE, 0);
	denied(q + PAGE);
	IS('w', q[0]);
	set(&v, 5, 1, PRIVATE);
	denied(q + 5 * PAGE);
	denied(v.p + 5 * PAGE);
	/* What SW_PROTECTED gives back is what was there. */
	set(&v, 1, 1, 0);
	IS(0x5a, v.p[PAGE]);
	IS(0x5a, q[PAGE]);
	q[PAGE] = 7;
	IS(7, v.p[PAGE]);
	denied(q + 2 * PAGE);
	set(&v, 0, NR, 0);
	for (unsigned i = 2; i < NR; i++)
		IS(0x5a, v.p[i * PAGE + 1]);
	munmap(q, SIZE);
	vm_end(&v, SIZE);
}

/* The program's own protection of open pages is SIGSEGV, and a move leaves it where it was. */
static void protections(void)
{
	char *q;
	struct vm v;

	vm_begin(&v, SIZE);
	memset(v.p, 1, SIZE);
	IS(0, mprotect(v.p + 2 * PAGE, PAGE, PROT_READ));
	IS(0, mprotect(v.p + 3 * PAGE, PAGE, PROT_NONE));
	for (unsigned again = 0; again < 2; again++) {
		IS(SIGSEGV, touch(v.p + 2 * PAGE, true));
		IS(0, touch(v.p + 2 * PAGE, false));
		IS(SIGSEGV, touch(v.p + 3 * PAGE, false));
		IS(0, touch(v.p + PAGE, true));
		q = mremap(v.p, 0, SIZE, MREMAP_MAYMOVE);
		need(q != MAP_FAILED, "mremap, old size 0");
		munmap(q, SIZE);
	}
	q = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, v.fd, 0);
	need(q != MAP_FAILED, "mmap for reading");
	IS(0, touch(q + 5 * PAGE, false));
	IS(SIGSEGV, touch(q + 5 * PAGE, true));
	FAILS(EFAULT, pread(open("/dev/zero", O_RDONLY), q + 6 * PAGE, 8, 0));
	munmap(q, SIZE);
	vm_end(&v, SIZE);
}

static char *busy_page;
static unsigned long busy_stores, busy_stop;

static void *store_on(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&busy_stop, __ATOMIC_RELAXED)) {
		*(volatile char *)busy_page = 1;
		__atomic_fetch_add(&busy_stores, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* A thread that uses a page which does not move is none the wiser. */
static void moves_beside_a_thread(void)
{
	pthread_t thread;
	unsigned long seen;
	struct vm v;
	char *q;

	vm_begin(&v, SIZE);
	busy_page = v.p + PAGE;
	need(!pthread_create(&thread, NULL, store_on, NULL), "pthread_create");
	for (unsigned i = 0; i < 200; i++) {
		seen = __atomic_load_n(&busy_stores, __ATOMIC_RELAXED);
		q = mremap(v.p, 0, SIZE, MREMAP_MAYMOVE);
		need(q != MAP_FAILED, "mremap, old size 0");
		munmap(q, SIZE);
		while (__atomic_load_n(&busy_stores, __ATOMIC_RELAXED) == seen)
			sched_yield();
	}
	__atomic_store_n(&busy_stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	IS(1, *busy_page);
	vm_end(&v, SIZE);
}

static void moves(void)
{
	char *q, *r, *anon;
	struct vm v;

	vm_begin(&v, SIZE);
	memset(v.p, 1, SIZE);
	set(&v, 1, 1, PRIVATE);
	q = map(v.fd, SIZE, 0);
	r = mremap(q, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map(v.fd, SIZE, 0));
	need(r != MAP_FAILED, "mremap");
	denied(r + PAGE);
	IS(1, r[0]);
	set(&v, 6, 1, PRIVATE);
	denied(r + 6 * PAGE);
	IS(1, r[7 * PAGE]);
	denied(q + 6 * PAGE);
	/* A second one, the first stays. */
	anon = mremap(v.p, 0, SIZE, MREMAP_MAYMOVE);
	need(anon != MAP_FAILED, "mremap, old size 0");
	denied(anon + PAGE);
	denied(v.p + PAGE);
	IS(1, anon[2 * PAGE]);
	IS(1, v.p[2 * PAGE]);
	munmap(anon, SIZE);
	/* What takes a mapping's place is no business of a conversion. */
	anon = mmap(r, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	IS((long)r, (long)anon);
	memset(anon, 9, 8 * PAGE);
	set(&v, 0, NR, PRIVATE);
	for (unsigned i = 0; i < 8; i++)
		IS(9, anon[i * PAGE]);
	for (unsigned i = 8; i < NR; i++)
		IS(true, is_denied(q + i * PAGE, false));
	FAILS(EINVAL, madvise(v.p, PAGE, MADV_REMOVE));
	FAILS(EINVAL, madvise(v.p, PAGE, MADV_DOFORK));
	IS(0, mprotect(v.p, PAGE, PROT_NONE));
	IS(SIGSEGV, touch(v.p, false));
	IS(0, mprotect(v.p, PAGE, RW));
	denied(v.p);
	vm_end(&v, SIZE);
}

static void calls(void)
{
	struct vm v;
	int end[2];

	need(!pipe(end), "pipe");
	vm_begin(&v, SIZE);
	set(&v, 1, 1, PRIVATE);
	/* Pages that nobody has touched yet. */
	IS(4, write(end[1], v.p + 2 * PAGE, 4));
	IS(4, read(end[0], v.p + 3 * PAGE, 4));
	FAILS(EFAULT, write(end[1], v.p + PAGE, 4));
	IS(4, write(end[1], v.p + 2 * PAGE, 4));
	FAILS(EFAULT, read(end[0], v.p + PAGE, 4));
	IS(0, fallocate(v.fd, PUNCH, PAGE, PAGE));
	denied(v.p + PAGE);
	set(&v, 1, 1, 0);
	IS(0, v.p[PAGE]);
	/* No descriptor has the bytes. */
	IS(0, read(v.fd, v.p, 1) > 0);
	vm_end(&v, SIZE);
	close(end[0]);
	close(end[1]);
}

static void binds(void)
{
	struct vm v;

	vm_begin(&v, SIZE);
	memset(v.p, 3, SIZE);
	set(&v, 0, 1, PRIVATE);
	/* Without a slot it stays the guest's; with another one it is as that says. */
	IS(0, vm_region(v.vm, 0, 0, 0, 0, NULL));
	denied(v.p);
	IS(0, vm_attributes(v.vm, 2 * GPA + PAGE, PAGE, PRIVATE));
	IS(0, vm_region_gmem(v.vm, 0, 2 * GPA, SIZE, v.p, v.fd, 0));
	IS(3, v.p[0]);
	denied(v.p + PAGE);
	/* The file and its VM end before the mapping does. */
	close(v.fd);
	close(v.vm);
	IS(3, v.p[0]);
	IS(0, munmap(v.p, SIZE));
	close(v.kvm);
}

/* movq $0x1234567,(%rax); mov (%rax),%rbx; out %al,$0x10 */
static const char code[] = { 0x48, (char)0xc7, 0x00, 0x67, 0x45, 0x23, 0x01,
			     0x48, (char)0x8b, 0x18, (char)0xe6, 0x10 };

static void guest_keeps_its_bytes(void)
{
	struct flat_guest g;
	struct kvm_regs regs;
	uint64_t *p;
	int fd;

	flat_guest_make(&g, KVM_X86_SW_PROTECTED_VM, false, code, sizeof(code));
	fd = (int)vm_gmem(g.vm, SIZE, GUEST_MEMFD_FLAG_MMAP);
	need(fd >= 0, "KVM_CREATE_GUEST_MEMFD");
	p = (uint64_t *)map(fd, SIZE, 0);
	IS(0, vm_region_gmem(g.vm, 1, GPA, SIZE, p, fd, 0));
	for (int private = 0; private < 2; private++) {
		p[0] = 0;
		IS(0, vm_attributes(g.vm, GPA, PAGE, private ? PRIVATE : 0));
		regs = flat_guest_regs(&g, code);
		regs.rax = GPA;
		flat_guest_set(&g, &regs);
		IS(0, flat_guest_run(&g));
		IS(KVM_EXIT_IO, g.run->exit_reason);
		IS(0x1234567, flat_guest_get(&g).rbx);
		if (private) {
			denied((char *)p);
			IS(0, vm_attributes(g.vm, GPA, PAGE, 0));
		}
		IS(0x1234567, p[0]);
	}
	munmap(p, SIZE);
	close(fd);
	flat_guest_free(&g);
}

static void no_child_has_it(void)
{
	struct vm v;
	int status;
	pid_t child;

	vm_begin(&v, SIZE);
	memset(v.p, 1, SIZE);
	set(&v, 1, 1, PRIVATE);
	child = fork();
	if (!child)
		_exit(touch(v.p + PAGE, false) == SIGSEGV && touch(v.p, false) == SIGSEGV ? 0 : 1);
	IS(child, waitpid(child, &status, 0));
	IS(0, status);
	denied(v.p + PAGE);
	vm_end(&v, SIZE);
}

static int file_lines(const char *name)
{
	FILE *f = fopen(name, "r");
	int n = 0, ch;

	need(f, "%s", name);
	while ((ch = getc(f)) != EOF)
		n += ch == '\n';
	fclose(f);
	return n;
}

static long memory_kib(const char *what)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	need(f, "/proc/self/status");
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			kib = strtol(line + strlen(what), NULL, 10);
	fclose(f);
	return kib;
}

#define BOARD	(1UL << 30)
#define SQUARES	(BOARD / PAGE)

/* Which pages of the mapping the kernel has: @present of them of even and odd number. */
static void count_present(const char *p, unsigned long present[2])
{
	static uint64_t map[4096];
	int fd = open("/proc/self/pagemap", O_RDONLY);

	need(fd >= 0, "/proc/self/pagemap");
	present[0] = present[1] = 0;
	for (unsigned long at = 0; at < SQUARES; at += 4096) {
		off_t where = (off_t)(((uintptr_t)p / PAGE + at) * sizeof(map[0]));

		need(pread(fd, map, sizeof(map), where) == sizeof(map), "pagemap");
		for (unsigned i = 0; i < 4096; i++)
			present[(at + i) & 1] += map[i] >> 63;
	}
	close(fd);
}

static void checkerboard(void)
{
	unsigned long present[2], wrong = 0;
	long before = memory_kib("RssShmem:");
	struct vm v;
	int lines;

	vm_begin(&v, BOARD);
	lines = file_lines("/proc/self/maps");
	for (unsigned long i = 0; i < SQUARES; i++)
		v.p[i * PAGE] = (char)i;
	count_present(v.p, present);
	IS(SQUARES / 2, present[0]);
	IS(SQUARES / 2, present[1]);
	for (unsigned long i = 1; i < SQUARES; i += 2)
		if (vm_attributes(v.vm, GPA + i * PAGE, PAGE, PRIVATE))
			wrong++;
	IS(0, wrong);
	count_present(v.p, present);
	IS(SQUARES / 2, present[0]);
	IS(0, present[1]);
	/* All the shared ones, and of the private ones some thousand by loads and stores. */
	for (unsigned long i = 0; i < SQUARES; i += 2)
		if (v.p[i * PAGE] != (char)i)
			wrong++;
	for (unsigned long i = 1; i < SQUARES; i += 2 * 61)
		if (!is_denied(v.p + i * PAGE + i % PAGE, i / 2 % 2))
			wrong++;
	IS(0, wrong);
	count_present(v.p, present);
	IS(0, present[1]);
	check(&c, file_lines("/proc/self/maps") - lines < 100, "%d mappings more",
	      file_lines("/proc/self/maps") - lines);
	set(&v, 0, SQUARES, 0);
	for (unsigned long i = 1; i < SQUARES; i += 2 * 61)
		if (v.p[i * PAGE] != (char)i)
			wrong++;
	IS(0, wrong);
	vm_end(&v, BOARD);
	check(&c, memory_kib("RssShmem:") - before < 1024, "%ld KiB of memory are still there",
	      memory_kib("RssShmem:") - before);
}

/* Without userfaultfd a page could be hidden by a mapping of its own alone: refused, and nothing is left. */
static void refused(void)
{
	struct sock_filter rows[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(rows) / sizeof(rows[0]), rows };
	int status, kvm, vm;
	pid_t child = fork();

	if (child) {
		IS(child, waitpid(child, &status, 0));
		IS(0, status);
		return;
	}
	c = (struct checks){ 0 };
	IS(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	IS(0, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
	kvm = kvm_open();
	vm = vm_make(kvm, KVM_X86_SW_PROTECTED_VM);
	IS(-EOPNOTSUPP, vm_gmem(vm, SIZE, GUEST_MEMFD_FLAG_MMAP));
	IS(0, close((int)vm_gmem(vm, SIZE, 0)));
	close(vm);
	close(kvm);
	_exit(c.failed != 0);
}

int main(int argc, char **argv)
{
	const struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	int kvm = kvm_open();

	need(is_ours(kvm), "a machine of SoftCVM with kvm.gmem_in_place=1");
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	close(kvm);
	if (argc > 1 && !strcmp(argv[1], "checkerboard")) {
		checkerboard();
		return checks_end(&c);
	}
	converts();
	moves();
	protections();
	moves_beside_a_thread();
	calls();
	binds();
	guest_keeps_its_bytes();
	no_child_has_it();
	refused();
	return checks_end(&c);
}
