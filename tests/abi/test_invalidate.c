/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_invalidate.c - the VMM changes its mappings while guests use them: once
 * the call has returned, no guest sees what was there.  Facts: kvm.md 2.7.
 *
 * usage: test_invalidate [--verbose]
 *
 * Four vCPUs walk over the memory for ever, two through a second slot over the
 * same host memory.  Each reports how many passes it has made and how often
 * it has met the old pattern; where there is nothing its KVM_RUN is EFAULT,
 * and is tried again until there is something.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define NR_VCPUS	4
#define NR_PAGES	24UL
#define SIZE		(NR_PAGES * PAGE)
#define HUGE		(2UL << 20)
#define MEMORY_GPA	0x200000UL	/* slot 1 */
#define ALIAS_GPA	0x600000UL	/* slot 2, the same memory */
#define MAILBOX		GUEST_FREE	/* 64 bytes a vCPU */
#define OLD		0x0123456789abcdefULL
#define NEW		0x0fedcba987654321ULL

/* RDI memory, RCX pages, RSI mailbox, R8 OLD, R9 writes too, R10 offset of its own word. */
__asm__(".pushsection .rodata\n"
	"walk_code:	incq (%rsi); mov %rdi, %rbx; mov %rcx, %rdx\n"
	"1:		mov (%rbx), %rax; cmp %r8, %rax; jne 2f; incq 8(%rsi)\n"
	"2:		test %r9, %r9; jz 3f; lock incq (%rbx,%r10)\n"
	"3:		add $4096, %rbx; dec %rdx; jnz 1b; jmp walk_code\n"
	"walk_end:	.popsection\n");
extern const char walk_code[], walk_end[];

struct world;

struct walker {
	struct world *w;
	int vcpu;
	struct kvm_run *run;
	pthread_t thread;
	unsigned long faults;		/* KVM_RUN that ended in EFAULT */
	long odd;			/* anything else but EINTR */
	volatile uint64_t *mailbox;	/* passes, old ones seen */
};

struct world {
	struct flat_guest g;
	struct walker walker[NR_VCPUS];
	char *memory;			/* of slots 1 and 2; PAGE to spare on either side */
	int file;			/* that backs it, or -1 */
	bool in_heap;			/* at its end */
	int stop;
};

static struct checks c;
static __thread struct kvm_run *my_run;

static void pause_us(long us)
{
	const struct timespec t = { .tv_nsec = us * 1000 };

	nanosleep(&t, NULL);
}

static void kick(int sig)
{
	(void)sig;
	if (my_run)
		my_run->immediate_exit = 1;
}

static void *walk_thread(void *arg)
{
	struct walker *k = arg;

	my_run = k->run;
	while (!__atomic_load_n(&k->w->stop, __ATOMIC_ACQUIRE)) {
		long r = kvm_ioctl(k->vcpu, KVM_RUN, 0);

		if (r == -EFAULT) {
			__atomic_add_fetch(&k->faults, 1, __ATOMIC_RELEASE);
			pause_us(200);
		} else if (r != -EINTR) {
			k->odd = r ? r : (long)k->run->exit_reason;
			break;
		}
	}
	return NULL;
}

/* A vCPU with the first one's CPUID and system registers. */
static void add_vcpu(struct flat_guest *g, struct walker *k, int id)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid;
	struct kvm_sregs sregs;

	cpuid.head.nent = 256;
	k->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, id);
	need(k->vcpu >= 0, "KVM_CREATE_VCPU");
	k->run = vcpu_map(g->kvm, k->vcpu);
	need(!ioctl(g->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	need(!ioctl(k->vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
	need(!ioctl(g->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	need(!ioctl(k->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

static void fill(char *at, size_t size, uint64_t pattern)
{
	for (size_t i = 0; i < size; i += PAGE)
		*(volatile uint64_t *)(at + i) = pattern;
}

static char *map_at(void *at, int file, off_t offset, size_t size)
{
	char *p = mmap(at, size, PROT_READ | PROT_WRITE,
		       (file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) |
		       (at ? MAP_FIXED : 0), file, offset);

	need(p != MAP_FAILED, "mmap");
	return p;
}

enum backing { ANONYMOUS, FROM_FILE, SYSTEM_V, HEAP };

/* The end of the heap; malloc has enough below it. */
static char *make_heap(bool aligned)
{
	uintptr_t unit = aligned ? HUGE : PAGE, from = (uintptr_t)sbrk(0);
	uintptr_t to = ((from + unit - 1) & ~(unit - 1)) + SIZE;

	need(sbrk((intptr_t)(to - from)) == (void *)from, "sbrk");
	return (char *)(to - SIZE);
}

/* A segment for each page. */
static void attach(char *at)
{
	for (size_t i = 0; i < SIZE; i += PAGE) {
		int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);

		need(id >= 0 && shmat(id, at + i, SHM_REMAP) == at + i, "shmat");
		shmctl(id, IPC_RMID, NULL);
	}
}

/* Memory for the slots: 2 MiB aligned, or a page beside. */
static void make_memory(struct world *w, enum backing backing, bool aligned)
{
	w->file = -1;
	w->in_heap = backing == HEAP;
	if (w->in_heap) {
		w->memory = make_heap(aligned);
	} else {
		char *room = map_at(NULL, -1, 0, 2 * HUGE + SIZE);

		w->memory = (char *)(((uintptr_t)room + 2 * HUGE - 1) & ~(HUGE - 1));
		if (!aligned)
			w->memory -= PAGE;
	}
	if (backing == FROM_FILE) {
		w->file = memfd_create("guest", 0);
		need(w->file >= 0 && !ftruncate(w->file, SIZE), "memfd_create");
		map_at(w->memory, w->file, 0, SIZE);
	}
	if (backing == SYSTEM_V)
		attach(w->memory);
	fill(w->memory, SIZE, OLD);
}

static void world_make(struct world *w, enum backing backing, bool aligned, bool writes)
{
	memset(w, 0, sizeof(*w));
	flat_guest_make(&w->g, KVM_X86_DEFAULT_VM, false, walk_code,
			(size_t)(walk_end - walk_code));
	make_memory(w, backing, aligned);
	need(!vm_region(w->g.vm, 1, 0, MEMORY_GPA, SIZE, w->memory), "slot 1");
	need(!vm_region(w->g.vm, 2, 0, ALIAS_GPA, SIZE, w->memory), "slot 2");
	for (int i = 0; i < NR_VCPUS; i++) {
		struct walker *k = &w->walker[i];
		struct kvm_regs regs = flat_guest_regs(&w->g, walk_code);

		k->w = w;
		if (i) {
			add_vcpu(&w->g, k, i);
		} else {
			k->vcpu = w->g.vcpu;
			k->run = w->g.run;
		}
		k->mailbox = (void *)(w->g.low + MAILBOX + 64 * i);
		regs.rdi = i & 1 ? ALIAS_GPA : MEMORY_GPA;
		regs.rcx = NR_PAGES;
		regs.rsi = MAILBOX + 64 * (uint64_t)i;
		regs.r8 = OLD;
		regs.r9 = writes;
		regs.r10 = 64 + 8 * (uint64_t)i;
		need(!ioctl(k->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	}
	for (int i = 0; i < NR_VCPUS; i++)
		need(!pthread_create(&w->walker[i].thread, NULL, walk_thread, &w->walker[i]),
		     "pthread_create");
}

static void stop_walking(struct world *w)
{
	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < NR_VCPUS; i++) {
		struct walker *k = &w->walker[i];

		/* Again and again: one that comes before the thread's first step is lost. */
		while (pthread_tryjoin_np(k->thread, NULL) == EBUSY) {
			pthread_kill(k->thread, SIGUSR1);
			pause_us(500);
		}
		check(&c, !k->odd, "vCPU %d ended with %ld", i, k->odd);
	}
}

static void world_free(struct world *w)
{
	if (!w->stop)
		stop_walking(w);
	for (int i = 1; i < NR_VCPUS; i++) {
		munmap(w->walker[i].run, 3 * PAGE);
		close(w->walker[i].vcpu);
	}
	flat_guest_free(&w->g);
	if (w->in_heap)
		need(!brk(w->memory), "brk");
	else
		munmap(w->memory, SIZE);
	if (w->file >= 0)
		close(w->file);
}

/* True when *@word has grown by @n within ten seconds. */
static bool grows(const volatile uint64_t *word, uint64_t n)
{
	uint64_t from = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	for (int i = 0; i < 100000; i++) {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) - from >= n)
			return true;
		pause_us(100);
	}
	return false;
}

static bool all_pass(struct world *w)
{
	bool ok = true;

	for (int i = 0; i < NR_VCPUS; i++)
		ok &= grows(&w->walker[i].mailbox[0], 2);
	return ok;
}

static bool all_fault(struct world *w)
{
	bool ok = true;

	for (int i = 0; i < NR_VCPUS; i++)
		ok &= grows(&w->walker[i].faults, 2);
	return ok;
}

/* How many old patterns the vCPUs meet in passes that begin from now on. */
static uint64_t old_seen(struct world *w)
{
	uint64_t before[NR_VCPUS], seen = 0;

	all_pass(w);
	for (int i = 0; i < NR_VCPUS; i++)
		before[i] = w->walker[i].mailbox[1];
	all_pass(w);
	for (int i = 0; i < NR_VCPUS; i++)
		seen += w->walker[i].mailbox[1] - before[i];
	return seen;
}

/* -- What the VMM does to [at, at + size), which begins at @offset in the memory. -- */

static int replace(struct world *w, char *at, size_t size)
{
	return mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		    -1, 0) != at;
}

static int forget(struct world *w, char *at, size_t size)
{
	return madvise(at, size, MADV_DONTNEED);
}

static int move_in(struct world *w, char *at, size_t size)
{
	char *other = map_at(NULL, -1, 0, size);

	fill(other, size, NEW);
	return mremap(other, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at;
}

static int move_out(struct world *w, char *at, size_t size)
{
	char *to = map_at(NULL, -1, 0, size);
	int r = mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to;

	return r || munmap(to, size);
}

static int unmap(struct world *w, char *at, size_t size)
{
	return munmap(at, size);
}

static int forbid(struct world *w, char *at, size_t size)
{
	return mprotect(at, size, PROT_NONE);
}

static int forbid_writing(struct world *w, char *at, size_t size)
{
	return mprotect(at, size, PROT_READ);
}

static int punch(struct world *w, char *at, size_t size)
{
	return fallocate(w->file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, at - w->memory,
			 (off_t)size);
}

static int cut(struct world *w, char *at, size_t size)
{
	return ftruncate(w->file, at - w->memory);
}

/* Through another mapping of the file than the guest's. */
static int remove_elsewhere(struct world *w, char *at, size_t size)
{
	char *other = map_at(NULL, w->file, at - w->memory, size);
	int r = madvise(other, size, MADV_REMOVE);

	munmap(other, size);
	return r;
}

/* Of ourselves, as Linux 6.13 and later let us. */
static int forget_by_process(struct world *w, char *at, size_t size)
{
	const struct iovec range = { at, size };
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	ssize_t n = process_madvise(self, &range, 1, MADV_DONTNEED, 0);

	close(self);
	if (n < 0 && errno == EINVAL) {
		check_skip(&c, "process_madvise", "Linux 6.13");
		return madvise(at, size, MADV_DONTNEED);
	}
	return n != (ssize_t)size;
}

static int detach(struct world *w, char *at, size_t size)
{
	int r = 0;

	for (size_t i = 0; i < size; i += PAGE)
		r |= shmdt(at + i);
	return r;
}

static int lower_heap(struct world *w, char *at, size_t size)
{
	return sbrk(0) != w->memory + SIZE || brk(at);
}

static int lower_heap_by(struct world *w, char *at, size_t size)
{
	return sbrk(at - (w->memory + SIZE)) != w->memory + SIZE;
}

static int fail_to_unmap(struct world *w, char *at, size_t size)
{
	return !(munmap(at + 1, size) < 0 && errno == EINVAL &&
		 mprotect(at, size, 0x7000) < 0 && madvise(at + 8, size, MADV_DONTNEED) < 0);
}

enum after { GOES_ON, SEES_OLD, FAULTS };

static const struct row {
	const char *what;
	int (*call)(struct world *w, char *at, size_t size);
	enum backing backing;
	bool writes;
	enum after after;
} rows[] = {
	{ "mmap(MAP_FIXED)", replace, ANONYMOUS, true, GOES_ON },
	{ "mmap(MAP_FIXED), readers", replace, ANONYMOUS, false, GOES_ON },
	{ "mmap(MAP_FIXED) over a file", replace, FROM_FILE, true, GOES_ON },
	{ "MADV_DONTNEED", forget, ANONYMOUS, true, GOES_ON },
	{ "MADV_DONTNEED, readers", forget, ANONYMOUS, false, GOES_ON },
	{ "mremap onto it", move_in, ANONYMOUS, true, GOES_ON },
	{ "mremap away", move_out, ANONYMOUS, true, FAULTS },
	{ "munmap", unmap, ANONYMOUS, true, FAULTS },
	{ "munmap of a file", unmap, FROM_FILE, false, FAULTS },
	{ "mprotect(PROT_NONE)", forbid, ANONYMOUS, true, FAULTS },
	{ "mprotect(PROT_NONE), readers", forbid, ANONYMOUS, false, FAULTS },
	{ "mprotect(PROT_READ), writers", forbid_writing, ANONYMOUS, true, FAULTS },
	{ "mprotect(PROT_READ), readers", forbid_writing, ANONYMOUS, false, SEES_OLD },
	{ "a hole in the file", punch, FROM_FILE, true, GOES_ON },
	{ "a hole in the file, readers", punch, FROM_FILE, false, GOES_ON },
	{ "MADV_REMOVE elsewhere", remove_elsewhere, FROM_FILE, false, GOES_ON },
	{ "ftruncate", cut, FROM_FILE, true, FAULTS },
	{ "process_madvise", forget_by_process, ANONYMOUS, true, GOES_ON },
	{ "shmdt", detach, SYSTEM_V, true, FAULTS },
	{ "brk", lower_heap, HEAP, true, FAULTS },
	{ "sbrk", lower_heap_by, HEAP, false, FAULTS },
	{ "calls that fail", fail_to_unmap, ANONYMOUS, true, SEES_OLD },
};

/* Pages [first, first + nr) of the memory, which may stick out by one on either side. */
static const struct part {
	const char *what;
	long first;
	unsigned long nr;
	bool aligned;
} parts[] = {
	{ "all", 0, NR_PAGES, false },
	{ "all, aligned", 0, NR_PAGES, true },
	{ "the middle", 5, 7, false },
	{ "the end", NR_PAGES - 3, 3, true },
};

static void run_row(const struct row *row, const struct part *part)
{
	size_t size = part->nr * PAGE;
	struct world w;
	uint64_t kept;
	char *at;

	world_make(&w, row->backing, part->aligned, row->writes);
	at = w.memory + part->first * (long)PAGE;
	check(&c, all_pass(&w), "%s, %s: the guests run", row->what, part->what);
	need(!row->call(&w, at, size), "%s, %s: the call", row->what, part->what);
	if (row->after == FAULTS) {
		check(&c, all_fault(&w), "%s, %s: EFAULT", row->what, part->what);
		if (row->call == forbid || row->call == forbid_writing)
			need(!mprotect(at, size, PROT_READ | PROT_WRITE), "mprotect");
		else if (row->call == cut)
			need(!ftruncate(w.file, SIZE), "ftruncate");
		else if (row->backing == HEAP)
			need(!brk(w.memory + SIZE), "brk");
		else
			map_at(at, -1, 0, size);
	}
	check(&c, all_pass(&w), "%s, %s: the guests go on", row->what, part->what);
	kept = old_seen(&w);
	/* Pages that nobody has touched keep the old pattern. */
	if (row->after == SEES_OLD || row->call == forbid || row->call == forbid_writing ||
	    part->nr != NR_PAGES)
		check(&c, kept, "%s, %s: the rest is as it was", row->what, part->what);
	else
		check(&c, !kept, "%s, %s: the old page was seen %llu times", row->what,
		      part->what, (unsigned long long)kept);
	if (row->after == GOES_ON && part->nr != NR_PAGES) {
		fill(w.memory, SIZE, NEW);
		check(&c, !old_seen(&w), "%s, %s: what the VMM writes is seen", row->what,
		      part->what);
	}
	world_free(&w);
}

static uint64_t nr_entries(int stats)
{
	return kvm_stat(stats, "pages_4k") + kvm_stat(stats, "pages_2m") + kvm_stat(stats, "pages_1g");
}

/* The call itself takes the entries away, not a guest that stumbles later: kvm.md 2.7. */
static void entries_go(const struct row *row)
{
	uint64_t before, after;
	struct world w;
	int stats;

	world_make(&w, row->backing, false, row->writes);
	check(&c, all_pass(&w), "%s: the guests run", row->what);
	stop_walking(&w);
	need((stats = ioctl(w.g.vm, KVM_GET_STATS_FD, 0)) >= 0, "KVM_GET_STATS_FD");
	before = nr_entries(stats);
	need(!row->call(&w, w.memory, SIZE), "%s: the call", row->what);
	after = nr_entries(stats);
	check(&c, after + 2 * NR_PAGES <= before, "%s: %llu entries are left of %llu", row->what,
	      (unsigned long long)after, (unsigned long long)before);
	close(stats);
	world_free(&w);
}

/* A counter that the guests raise never comes back out of the old page. */
static void nothing_crosses(void)
{
	struct world w;

	world_make(&w, ANONYMOUS, true, true);
	for (int round = 0; round < 100; round++) {
		bool clean = true;

		for (int i = 0; i < NR_VCPUS; i++)
			for (unsigned long p = 0; p < NR_PAGES; p++)
				*(volatile uint64_t *)(w.memory + p * PAGE + 64 + 8 * i) = 1ULL << 40;
		pause_us(500);
		need(!(round & 1 ? forget : replace)(&w, w.memory, SIZE), "the call");
		for (int i = 0; i < NR_VCPUS; i++)
			for (unsigned long p = 0; p < NR_PAGES; p++)
				clean &= *(volatile uint64_t *)(w.memory + p * PAGE + 64 + 8 * i) <
					 1ULL << 40;
		pause_us(500);
		for (int i = 0; i < NR_VCPUS; i++)
			for (unsigned long p = 0; p < NR_PAGES; p++)
				clean &= *(volatile uint64_t *)(w.memory + p * PAGE + 64 + 8 * i) <
					 1ULL << 40;
		check(&c, clean, "round %d: no guest carries a number over", round);
	}
	world_free(&w);
}

static double ns_a_call(char *page)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 200000; i++)
		(void)mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 200000;
}

/* What a call costs that concerns no guest; printed, not judged. */
static void cost_elsewhere(void)
{
	char *page = pages(PAGE), *memory;
	double before = ns_a_call(page), after;
	int kvm = kvm_open(), vm = vm_make(kvm, KVM_X86_DEFAULT_VM);

	memory = pages(2000 * 2 * PAGE);
	for (uint32_t i = 0; i < 2000; i++)
		need(!vm_region(vm, i, 0, i * 2 * PAGE, PAGE, memory + i * 2 * PAGE), "a slot");
	after = ns_a_call(page);
	printf("mprotect of other memory: %.0f ns without, %.0f ns with 2000 slots\n", before, after);
	close(vm);
	close(kvm);
	munmap(memory, 2000 * 2 * PAGE);
	munmap(page, PAGE);
}

/* Where the heap ends is ours to say: what malloc will want is below already. */
static void grow_malloc(void)
{
	void *volatile much;

	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_MMAP_THRESHOLD, 16 << 20);
	much = malloc(8 << 20);
	free(much);
}

int main(int argc, char **argv)
{
	const struct sigaction kicked = { .sa_handler = kick };

	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	need(!sigaction(SIGUSR1, &kicked, NULL), "sigaction");
	grow_malloc();
	cost_elsewhere();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].call != fail_to_unmap)
			entries_go(&rows[i]);
		for (size_t k = 0; k < sizeof(parts) / sizeof(*parts); k++)
			run_row(&rows[i], &parts[k]);
	}
	nothing_crosses();
	return checks_end(&c);
}
