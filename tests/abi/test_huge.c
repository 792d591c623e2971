/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_huge.c - shared memory is mapped for the guest by pages as large as the
 * host's own, no larger, and what the VMM does to a part of one concerns that
 * part only.  Seen in KVM's statistics (pages_4k, pages_2m, pages_1g).
 * Facts: kvm.md 2.8.
 *
 * usage: test_huge [--verbose]
 *
 * Where the host has no huge pages of a kind, a line says which are left out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kvm_user.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB	4U
#endif
#ifndef MFD_HUGE_1GB
#define MFD_HUGE_1GB	(30U << 26)
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define MIB		(1UL << 20)
#define GIB		(1UL << 30)
#define HUGE		(2 * MIB)
#define GPA		GIB		/* of the memory; a gigabyte has one guest page */
#define SIZE		(8 * MIB)	/* but for the gigabyte */
#define SLOT		1

/* Sums a word of each page (RCX of them, from RDI) into RAX and, if R9, adds one to it. */
__asm__(".pushsection .rodata\n"
	"huge_code:	xor %eax, %eax\n"
	"1:		add (%rdi), %rax; test %r9, %r9; jz 2f; incq (%rdi)\n"
	"2:		add $4096, %rdi; dec %rcx; jnz 1b; out %al, $0x10\n"
	"huge_end:	.popsection\n");
extern const char huge_code[], huge_end[];

static struct checks c;

struct world {
	struct flat_guest g;
	int vm_stats, vcpu_stats;
	char *memory;
	size_t size;
};

/* Aligned to a gigabyte, as GPA is; nothing is there yet. */
static char *room(size_t size)
{
	char *p = mmap(NULL, size + GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	need(p != MAP_FAILED, "address space");
	return (char *)(((uintptr_t)p + GIB - 1) & ~(GIB - 1));
}

static void world_make(struct world *w, char *memory, size_t size, uint64_t gpa)
{
	w->memory = memory;
	w->size = size;
	flat_guest_make(&w->g, KVM_X86_DEFAULT_VM, false, huge_code,
			(size_t)(huge_end - huge_code));
	flat_guest_map_gib(&w->g, 1);
	need(!vm_region(w->g.vm, SLOT, 0, gpa, size, memory), "slot 1");
	w->vm_stats = ioctl(w->g.vm, KVM_GET_STATS_FD, 0);
	w->vcpu_stats = ioctl(w->g.vcpu, KVM_GET_STATS_FD, 0);
	need(w->vm_stats >= 0 && w->vcpu_stats >= 0, "KVM_GET_STATS_FD");
}

static void world_free(struct world *w)
{
	close(w->vm_stats);
	close(w->vcpu_stats);
	flat_guest_free(&w->g);
	munmap(w->memory, w->size);
}

/* One walk over @nr pages; the sum of what it read. */
static uint64_t walk(struct world *w, uint64_t gpa, uint64_t nr, bool writes)
{
	struct kvm_regs regs = flat_guest_regs(&w->g, huge_code);
	long r;

	regs.rdi = gpa;
	regs.rcx = nr;
	regs.r9 = writes;
	flat_guest_set(&w->g, &regs);
	r = flat_guest_run(&w->g);
	check(&c, !r && w->g.run->exit_reason == KVM_EXIT_IO, "the guest ends its walk (%ld, %u)", r,
	      w->g.run->exit_reason);
	return flat_guest_get(&w->g).rax;
}

static uint64_t pages_of(struct world *w, const char *name)
{
	return kvm_stat(w->vm_stats, name);
}

/* -- Kinds of memory -- */

static char *anonymous(size_t size)
{
	char *p = room(size);

	need(mmap(p, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		  0) == p, "memory");
	return p;
}

static char *small(size_t size)
{
	char *p = anonymous(size);

	(void)madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

static char *transparent(size_t size)
{
	char *p = anonymous(size);

	(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static char *file(size_t size, unsigned flags)
{
	int fd = memfd_create("guest", flags);
	char *at = room(size), *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, (off_t)size))
		p = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (fd >= 0)
		close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static char *small_file(size_t size)	{ return file(size, 0); }
static char *huge_file(size_t size)	{ return file(size, MFD_HUGETLB); }
static char *giant_file(size_t size)	{ return file(size, MFD_HUGETLB | MFD_HUGE_1GB); }

/* How many transparent huge pages the host has given for [@p, @p + @size), and says so. */
static unsigned long given(const char *p, size_t size)
{
	const uintptr_t from = (uintptr_t)p;
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kb, all = 0;
	bool here = false;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = from < end && start < from + size;
		if (here && sscanf(line, "AnonHugePages: %lu kB", &kb) == 1)
			all += kb;
	}
	if (f)
		fclose(f);
	return all / (HUGE >> 10);
}

/* Does the host give transparent huge pages to who asks for them? */
static bool has_transparent(void)
{
	char *p = transparent(HUGE);
	bool is;

	*(volatile char *)p = 1;
	is = given(p, HUGE);
	munmap(p, HUGE);
	return is;
}

/* -- Tests -- */

static const struct row {
	const char *what;
	char *(*make)(size_t size);
	size_t size;
	uint64_t gpa;
	const char *name;		/* of what is counted */
	unsigned long want;
	bool transparent;
} rows[] = {
	{ "small pages", small, SIZE, GPA, "pages_4k", SIZE / PAGE },
	{ "transparent huge pages", transparent, SIZE, GPA, "pages_2m", SIZE / HUGE, true },
	{ "the same, askew", transparent, SIZE, GPA + PAGE, "pages_4k", SIZE / PAGE, true },
	{ "a shared file", small_file, SIZE, GPA, "pages_4k", SIZE / PAGE },
	{ "huge pages of a file", huge_file, SIZE, GPA, "pages_2m", SIZE / HUGE },
	{ "a giant page", giant_file, GIB, GPA, "pages_1g", 1 },
	{ "a giant page, askew by 2 MiB", giant_file, GIB, GPA + HUGE, "pages_2m", GIB / HUGE },
};

static void run_row(const struct row *r)
{
	static const char *const names[] = { "pages_4k", "pages_2m", "pages_1g" };
	uint64_t before[3], nr = r->size / PAGE, reach, huge;
	struct world w;
	char *memory = r->make(r->size);

	if (!memory) {
		check_skip(&c, r->what, "the host has none reserved");
		return;
	}
	world_make(&w, memory, r->size, r->gpa);
	(void)walk(&w, GUEST_FREE, 1, true);
	for (int i = 0; i < 3; i++)
		before[i] = pages_of(&w, names[i]);
	/* All that the guest's one page of a gigabyte reaches. */
	reach = r->size == GIB && r->gpa != GPA ? nr - HUGE / PAGE : nr;
	check(&c, walk(&w, r->gpa, reach, true) == 0, "%s: zeros", r->what);
	check(&c, walk(&w, r->gpa, reach, false) == reach, "%s: what was written", r->what);
	huge = r->transparent ? given(w.memory, w.size) : 0;
	for (int i = 0; i < 3; i++) {
		uint64_t got = pages_of(&w, names[i]) - before[i];
		uint64_t want = strcmp(names[i], r->name) ? 0 : r->want * reach / nr;

		/* What the host has no huge page for is there all the same. */
		if (r->transparent && i < 2 && !strcmp(r->name, "pages_2m"))
			want = i ? huge : nr - huge * (HUGE / PAGE);
		check(&c, got == want, "%s: %llu more %s, not %llu", r->what,
		      (unsigned long long)got, names[i], (unsigned long long)want);
	}
	world_free(&w);
}

/* -- What the VMM does to one page in the second huge page. -- */

#define VICTIM	(HUGE + 5 * PAGE)

static int discard(char *at)	{ return madvise(at, PAGE, MADV_DONTNEED); }
static int protect(char *at)	{ return mprotect(at, PAGE, PROT_READ); }

static int replace(char *at)
{
	return mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) != at;
}

static int unmap(char *at)
{
	return munmap(at, PAGE) || replace(at);
}

static const struct part {
	const char *what;
	int (*call)(char *at);
	bool gone;
} parts[] = {
	{ "MADV_DONTNEED", discard, true },
	{ "mmap(MAP_FIXED)", replace, true },
	{ "munmap", unmap, true },
	{ "mprotect(PROT_READ)", protect, false },
};

static void run_part(const struct part *p)
{
	uint64_t nr = SIZE / PAGE, sum;
	struct world w;

	world_make(&w, transparent(SIZE), SIZE, GPA);
	(void)walk(&w, GPA, nr, true);
	if (given(w.memory, SIZE) < SIZE / HUGE) {
		check_skip(&c, p->what, "the host has not given huge pages only");
		world_free(&w);
		return;
	}
	check(&c, pages_of(&w, "pages_2m") == SIZE / HUGE, "%s: it is huge before", p->what);
	need(!p->call(w.memory + VICTIM), "%s", p->what);
	check(&c, pages_of(&w, "pages_2m") == SIZE / HUGE - 1, "%s: one huge page goes", p->what);
	sum = walk(&w, GPA, nr, false);
	check(&c, sum == nr - p->gone, "%s: the guest reads %llu, not %llu", p->what,
	      (unsigned long long)sum, (unsigned long long)(nr - p->gone));
	check(&c, pages_of(&w, "pages_2m") == SIZE / HUGE - 1, "%s: and does not come back", p->what);
	if (!p->gone) {
		struct kvm_regs regs = flat_guest_regs(&w.g, huge_code);

		regs.rdi = GPA + VICTIM;
		regs.rcx = 1;
		regs.r9 = 1;
		flat_guest_set(&w.g, &regs);
		check(&c, flat_guest_run(&w.g) == -EFAULT, "%s: and no more is written", p->what);
	}
	/* Together again. */
	if (!madvise(w.memory + HUGE, HUGE, MADV_COLLAPSE)) {
		check(&c, walk(&w, GPA, nr, false) == nr - p->gone, "%s: collapsed", p->what);
		check(&c, pages_of(&w, "pages_2m") == SIZE / HUGE, "%s: and huge again", p->what);
	}
	world_free(&w);
}

/* Memory that the VMM has filled is mapped for writing by the first read. */
static void reads_before_writes(void)
{
	const uint64_t nr = SIZE / PAGE;
	struct world w;
	uint64_t before;
	char *memory = small(SIZE);

	for (uint64_t i = 0; i < nr; i++)
		*(volatile uint64_t *)(memory + i * PAGE) = 7;
	world_make(&w, memory, SIZE, GPA);
	(void)walk(&w, GUEST_FREE, 1, true);
	before = kvm_stat(w.vcpu_stats, "pf_fixed");
	check(&c, walk(&w, GPA, nr, false) == 7 * nr, "what the VMM wrote");
	check(&c, walk(&w, GPA, nr, true) == 7 * nr, "what the VMM wrote");
	before = kvm_stat(w.vcpu_stats, "pf_fixed") - before;
	check(&c, before == nr, "one fault a page, not %llu for %llu",
	      (unsigned long long)before, (unsigned long long)nr);
	world_free(&w);
}

/* The kernel's page of zeros is shared by all; it must not be written, and is not huge. */
static void reads_of_nothing(void)
{
	const uint64_t nr = SIZE / PAGE;
	struct world w;
	uint64_t huge;

	world_make(&w, transparent(SIZE), SIZE, GPA);
	check(&c, walk(&w, GPA, nr, false) == 0, "zeros");
	check(&c, pages_of(&w, "pages_2m") == 0, "zeros are no huge pages");
	check(&c, walk(&w, GPA, nr, true) == 0, "zeros");
	huge = given(w.memory, SIZE);
	check(&c, pages_of(&w, "pages_2m") == huge, "what was written is");
	check(&c, walk(&w, GPA, nr, false) == nr, "and it is what was written");
	world_free(&w);
}

int main(int argc, char **argv)
{
	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	bool thp = has_transparent();

	if (!thp)
		check_skip(&c, "transparent huge pages", "the host gives none");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (thp || !rows[i].transparent)
			run_row(&rows[i]);
	for (size_t i = 0; thp && i < sizeof(parts) / sizeof(*parts); i++)
		run_part(&parts[i]);
	reads_before_writes();
	if (thp)
		reads_of_nothing();
	return checks_end(&c);
}
