/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* gmem_rows_map.c - the file and its mappings. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gmem_rows.h"

#define RW		(PROT_READ | PROT_WRITE)
/* Newer than the headers that we are built with may be. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* ---- mmap ---- */

/* The answer of mmap, the same for each of these files. */
static const char *mmap_of(struct gmem_place *p, const uint64_t *flags, size_t n, size_t size,
			   int prot, int kind, off_t offset)
{
	const char *first = NULL;

	for (size_t i = 0; i < n; i++) {
		int fd = gmem_file(p->vm, GMEM_SIZE, flags[i]);
		void *at = mmap(NULL, size, prot, kind, fd, offset);
		const char *r = at == MAP_FAILED ? errno_name(errno) : "maps";

		if (at != MAP_FAILED)
			munmap(at, size);
		close(fd);
		if (first && strcmp(first, r))
			return "not the same for all";
		first = r;
	}
	return first;
}

static const uint64_t all[] = { 0, GUEST_MEMFD_FLAG_INIT_SHARED, GMEM_MMAP, GMEM_BOTH };
#define WITHOUT	all, 2
#define WITH	all + 2, 2
#define ALL	all, 4

static const char *mmap_without(struct gmem_place *p)
{
	const char *r = mmap_of(p, WITHOUT, PAGE, RW, MAP_SHARED, 0);

	return strcmp(r, mmap_of(p, WITHOUT, PAGE, RW, MAP_PRIVATE, 0)) ||
	       strcmp(r, mmap_of(p, WITHOUT, PAGE, PROT_NONE, MAP_PRIVATE, 0))
	       ? "not the same for both" : r;
}

static const char *mmap_private(struct gmem_place *p)
{
	return mmap_of(p, WITH, PAGE, RW, MAP_PRIVATE, 0);
}

static const char *mmap_exec(struct gmem_place *p)
{
	const char *r = mmap_of(p, ALL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, 0);

	return strcmp(r, mmap_of(p, ALL, PAGE, RW | PROT_EXEC, MAP_PRIVATE, 0))
	       ? "not the same for both" : r;
}

static const char *mmap_validate(struct gmem_place *p)
{
	return gmem_is(!strcmp(mmap_of(p, WITH, PAGE, RW, MAP_SHARED_VALIDATE, 0), "maps") &&
		       !strcmp(mmap_of(p, WITHOUT, PAGE, RW, MAP_SHARED_VALIDATE, 0), "ENODEV"),
		       "as MAP_SHARED");
}

static const char *mmap_sync(struct gmem_place *p)
{
	return mmap_of(p, ALL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, 0);
}

static const char *mmap_hugetlb(struct gmem_place *p)
{
	return mmap_of(p, ALL, PAGE, RW, MAP_SHARED | MAP_HUGETLB, 0);
}

static const char *mmap_length(struct gmem_place *p)
{
	const char *r = mmap_of(p, ALL, 0, RW, MAP_SHARED, 0);

	return strcmp(r, mmap_of(p, ALL, PAGE, RW, MAP_SHARED, 1)) ? "not the same for both" : r;
}

static const char *mmap_far(struct gmem_place *p)
{
	return mmap_of(p, ALL, PAGE, RW, MAP_SHARED, INT64_MAX - 4095);
}

static const char *mmap_past(struct gmem_place *p)
{
	const char *r = mmap_of(p, WITH, 2 * GMEM_SIZE, RW, MAP_SHARED, 0);

	return strcmp(r, mmap_of(p, WITH, PAGE, RW, MAP_SHARED, 1L << 40))
	       ? "not the same for both" : r;
}

/* ---- touches ---- */

/* Both ways to touch it end alike. */
static const char *touches(int fd, off_t offset)
{
	char *p = gmem_map(fd, PAGE, offset);
	int signo = gmem_touch(p, false);

	if (gmem_touch(p + PAGE - 1, true) != signo)
		signo = -1;
	munmap(p, PAGE);
	close(fd);
	return gmem_signal(signo);
}

static const char *touch_shared(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	char *a = gmem_map(fd, GMEM_SIZE, 0), *b = gmem_map(fd, PAGE, PAGE);
	bool ok = true;

	for (size_t i = 0; i < GMEM_SIZE; i++)
		ok &= !a[i];
	a[PAGE] = 3;
	b[PAGE - 1] = 4;
	ok &= b[0] == 3 && a[2 * PAGE - 1] == 4;
	munmap(a, GMEM_SIZE);
	munmap(b, PAGE);
	close(fd);
	return gmem_is(ok, "zeros; the same bytes through each mapping");
}

static const char *touch_past(struct gmem_place *p)
{
	return touches(gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH), GMEM_SIZE);
}

static const char *touch_private(struct gmem_place *p)
{
	return touches(gmem_file(p->vm, GMEM_SIZE, GMEM_MMAP), 0);
}

static const char *touch_private_vm(struct gmem_place *p)
{
	int vm = gmem_vm(p, KVM_X86_SW_PROTECTED_VM);
	const char *r;

	if (vm < 0)
		return NULL;
	r = touches(gmem_file(vm, GMEM_SIZE, GMEM_MMAP), 0);
	close(vm);
	return r;
}

static const char *system_call(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_MMAP), end[2];
	char *at = gmem_map(fd, PAGE, 0);
	const char *r;

	need(!pipe(end), "pipe");
	r = gmem_libc(write(end[1], at, 4));
	munmap(at, PAGE);
	close(end[0]);
	close(end[1]);
	close(fd);
	return r;
}

/* ---- calls on a mapping ---- */

typedef long map_fn(char *at);

/* The answer of @fn for the only mapping of a file, that is closed. */
static const char *call(struct gmem_place *p, uint64_t flags, size_t size, map_fn *fn)
{
	int fd = gmem_file(p->vm, size, flags);
	char *at = gmem_map(fd, size, 0);
	const char *r;

	close(fd);
	r = gmem_libc(fn(at));
	munmap(at, size);
	return r;
}

static long do_protect_read(char *at)
{
	if (mprotect(at, PAGE, PROT_READ))
		return -1;
	if (gmem_touch(at, true) != SIGSEGV) {
		errno = EPROTO;
		return -1;
	}
	return mprotect(at, PAGE, RW);
}

static const char *mprotect_read(struct gmem_place *p)
{
	return call(p, GMEM_BOTH, GMEM_SIZE, do_protect_read);
}

static long do_protect_exec(char *at)
{
	return mprotect(at + PAGE, PAGE, PROT_READ | PROT_EXEC);
}

static const char *mprotect_exec(struct gmem_place *p)
{
	return call(p, GMEM_BOTH, GMEM_SIZE, do_protect_exec);
}

static const char *remap(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	char *at = gmem_map(fd, PAGE, 0), *more, *again, *kept;
	bool ok;

	at[0] = 7;
	more = mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	again = more == MAP_FAILED ? more : mremap(more, 0, PAGE, MREMAP_MAYMOVE);
	kept = again == MAP_FAILED ? again : mremap(again, PAGE, PAGE,
						     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	ok = kept != MAP_FAILED && more[0] == 7 && again[0] == 7 && kept[0] == 7;
	if (ok) {
		munmap(more, 2 * PAGE);
		munmap(again, PAGE);
		munmap(kept, PAGE);
	}
	close(fd);
	return gmem_is(ok, "maps");
}

static long do_msync(char *at)
{
	return msync(at, PAGE, MS_SYNC);
}

static const char *msync_sync(struct gmem_place *p)
{
	return call(p, GMEM_BOTH, GMEM_SIZE, do_msync);
}

static long do_msync_other(char *at)
{
	return msync(at, PAGE, MS_ASYNC) ? -1 : msync(at, PAGE, MS_INVALIDATE);
}

static const char *msync_other(struct gmem_place *p)
{
	return call(p, GMEM_BOTH, GMEM_SIZE, do_msync_other);
}

static const char *sync_file(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	const char *r = gmem_libc(fsync(fd)), *data = gmem_libc(fdatasync(fd));

	close(fd);
	return strcmp(r, data) ? "not the same for both" : r;
}

static long do_collapse(char *at)
{
	return madvise(at, 2UL << 20, MADV_COLLAPSE);
}

static const char *collapse(struct gmem_place *p)
{
	return call(p, GMEM_BOTH, 2UL << 20, do_collapse);
}

static long do_huge(char *at)
{
	return madvise(at, 2UL << 20, MADV_HUGEPAGE);
}

static const char *huge(struct gmem_place *p)
{
	return call(p, GMEM_BOTH, 2UL << 20, do_huge);
}

static const char *advise_bytes(struct gmem_place *p, int advice, char left, const char *answer)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	char *a = gmem_map(fd, GMEM_SIZE, 0), *b = gmem_map(fd, PAGE, PAGE);
	bool ok;

	memset(a, 5, GMEM_SIZE);
	ok = !madvise(b, PAGE, advice) && a[PAGE] == left && b[PAGE - 1] == left &&
	     a[PAGE - 1] == 5 && a[2 * PAGE] == 5;
	munmap(a, GMEM_SIZE);
	munmap(b, PAGE);
	close(fd);
	return gmem_is(ok, answer);
}

static const char *dontneed(struct gmem_place *p)
{
	return advise_bytes(p, MADV_DONTNEED, 5, "0; the bytes stay");
}

static const char *removed(struct gmem_place *p)
{
	return advise_bytes(p, MADV_REMOVE, 0, "0; the page is a hole, as by fallocate");
}

static long do_free(char *at)
{
	return madvise(at, PAGE, MADV_FREE);
}

static const char *madv_free(struct gmem_place *p)
{
	return call(p, GMEM_BOTH, GMEM_SIZE, do_free);
}

static long do_wipe(char *at)
{
	return madvise(at, PAGE, MADV_WIPEONFORK);
}

static const char *wipeonfork(struct gmem_place *p)
{
	return call(p, GMEM_BOTH, GMEM_SIZE, do_wipe);
}

/* Not libc's: a sanitizer's says 0 and does nothing. */
static long do_lock(char *at)
{
	return syscall(SYS_mlock, at, PAGE);
}

static const char *mlock_shared(struct gmem_place *p)
{
	return call(p, GMEM_BOTH, GMEM_SIZE, do_lock);
}

static const char *mlock_private(struct gmem_place *p)
{
	return call(p, GMEM_MMAP, GMEM_SIZE, do_lock);
}

/* ---- NUMA ---- */

static long bind_to(char *at, int policy, unsigned long node)
{
	return syscall(SYS_mbind, at, 2 * PAGE, policy, node ? &node : NULL, node ? 64 : 0, 0);
}

static bool policy_is(char *at, int want, unsigned long nodes)
{
	unsigned long got = 0;
	int policy = -1;

	return !syscall(SYS_get_mempolicy, &policy, &got, 64, at, MPOL_F_ADDR) && policy == want &&
	       got == nodes;
}

/* A kernel without NUMA has no such call, and a container may forbid it, whoever it is about. */
static bool has_policies(void)
{
	char *at = pages(2 * PAGE);
	bool has = !bind_to(at, MPOL_BIND, 1) && policy_is(at, MPOL_BIND, 1);

	munmap(at, 2 * PAGE);
	return has;
}

static const char *policies(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	char *at = gmem_map(fd, GMEM_SIZE, 0);
	bool ok = bind_to(at, MPOL_INTERLEAVE, 1) == 0 && policy_is(at, MPOL_INTERLEAVE, 1) &&
		  bind_to(at, MPOL_BIND, 1) == 0 && policy_is(at, MPOL_BIND, 1) &&
		  bind_to(at, MPOL_DEFAULT, 0) == 0 && policy_is(at, MPOL_DEFAULT, 0);

	munmap(at, GMEM_SIZE);
	close(fd);
	return gmem_is(ok || !has_policies(), "0; get_mempolicy gives it back");
}

static const char *policy_unknown(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	char *at = gmem_map(fd, GMEM_SIZE, 0);
	const char *r = gmem_libc(bind_to(at, 999, 1));

	munmap(at, GMEM_SIZE);
	close(fd);
	return has_policies() ? r : "EINVAL";
}

/* ---- the file ---- */

static const char *punch(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	char *a = gmem_map(fd, GMEM_SIZE, 0), *b = gmem_map(fd, PAGE, PAGE);
	bool ok;

	memset(a, 5, GMEM_SIZE);
	ok = !fallocate(fd, GMEM_PUNCH, PAGE, PAGE) && !a[PAGE] && !b[0] && !a[2 * PAGE - 1] &&
	     a[PAGE - 1] == 5 && a[2 * PAGE] == 5;
	a[PAGE] = 6;
	ok &= b[0] == 6;
	munmap(a, GMEM_SIZE);
	munmap(b, PAGE);
	close(fd);
	return gmem_is(ok, "0; the next touch finds zeros");
}

static const char *blocks(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	char *at = gmem_map(fd, PAGE, 0);
	struct stat st;
	const char *r;

	at[0] = 1;
	r = fstat(fd, &st) ? errno_name(errno) : gmem_number(st.st_blocks);
	munmap(at, PAGE);
	close(fd);
	return r;
}

static bool child_says_yes(bool (*fn)(int fd, char *at), int fd, char *at)
{
	int status = -1;
	pid_t child = fork();

	if (!child)
		_exit(!fn(fd, at));
	return waitpid(child, &status, 0) == child && status == 0;
}

static bool store_5(int fd, char *at)
{
	(void)fd;
	at[0] = 5;
	return at[1] == 2;
}

static const char *fork_stores(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	char *at = gmem_map(fd, GMEM_SIZE, 0);
	bool ok;

	at[1] = 2;
	ok = child_says_yes(store_5, fd, at) && at[0] == 5;
	munmap(at, GMEM_SIZE);
	close(fd);
	return gmem_is(ok, "are the parent's");
}

static bool calls_of_child(int fd, char *at)
{
	char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, PAGE);

	return p != MAP_FAILED && p[0] == 2 && !fallocate(fd, GMEM_PUNCH, PAGE, PAGE) && !p[0] &&
	       !at[PAGE] && mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0) == MAP_FAILED &&
	       errno == EINVAL && mprotect(at, PAGE, PROT_EXEC) && errno == EACCES &&
	       msync(at, PAGE, MS_SYNC) && errno == EINVAL && !madvise(at, PAGE, MADV_REMOVE);
}

static const char *fork_calls(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	char *at = gmem_map(fd, GMEM_SIZE, 0);
	bool ok;

	at[PAGE] = 2;
	ok = child_says_yes(calls_of_child, fd, at) && !at[PAGE];
	munmap(at, GMEM_SIZE);
	close(fd);
	return gmem_is(ok, "as in the parent");
}

static const char *close_mapped(struct gmem_place *p)
{
	int vm = vm_make(p->kvm, 0), fd = gmem_file(vm, GMEM_SIZE, GMEM_BOTH);
	char *at = gmem_map(fd, GMEM_SIZE, 0);
	bool ok;

	at[PAGE] = 2;
	close(fd);
	close(vm);
	ok = at[PAGE] == 2 && !at[0];
	at[0] = 3;
	ok &= at[0] == 3;
	munmap(at, GMEM_SIZE);
	return gmem_is(ok, "keeps the bytes");
}

const struct gmem_row gmem_rows_map[] = {
	{ "mmap-without", mmap_without },
	{ "mmap-private", mmap_private },
	{ "mmap-exec", mmap_exec },
	{ "mmap-validate", mmap_validate },
	{ "mmap-sync", mmap_sync },
	{ "mmap-hugetlb", mmap_hugetlb },
	{ "mmap-length", mmap_length },
	{ "mmap-far", mmap_far },
	{ "mmap-past", mmap_past },
	{ "touch-shared", touch_shared },
	{ "touch-past", touch_past },
	{ "touch-private", touch_private },
	{ "touch-private-vm", touch_private_vm },
	{ "system-call", system_call },
	{ "mprotect-read", mprotect_read },
	{ "mprotect-exec", mprotect_exec },
	{ "mremap", remap },
	{ "msync-sync", msync_sync },
	{ "msync-other", msync_other },
	{ "fsync", sync_file },
	{ "madvise-collapse", collapse },
	{ "madvise-hugepage", huge },
	{ "madvise-dontneed", dontneed },
	{ "madvise-remove", removed },
	{ "madvise-free", madv_free },
	{ "madvise-wipeonfork", wipeonfork },
	{ "mlock-shared", mlock_shared },
	{ "mlock-private", mlock_private },
	{ "mbind", policies },
	{ "mbind-unknown", policy_unknown },
	{ "punch", punch },
	{ "st-blocks", blocks },
	{ "fork-stores", fork_stores },
	{ "fork-calls", fork_calls },
	{ "close-mapped", close_mapped },
	{ NULL, NULL },
};
