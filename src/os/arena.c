/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * arena.c - os/memory.h and malloc() of the second build.
 *
 * Blocks grow from the bottom, mappings from the top; neither is used twice.
 * A page is untouched (zero), clean (as in the snapshot) or dirty; the first
 * two are read-only, and the fault of the first write makes the page dirty,
 * after its bytes went to the shadow at the same offset.
 */
#include "os/arena.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/page.h"
#include "os/coro.h"
#include "os/file.h"
#include "os/memory.h"

#define ARENA_SIZE	(1ull << 30)	/* too small for a whole bank of DRAM, on purpose */
#define NR_PAGES	(ARENA_SIZE >> PAGE_SHIFT)
#define FREED		0xdb		/* as a pointer: not canonical */
#define GUARD		0xa9
#define GUARD_SIZE	16
#define MAX_DIRTY	NR_PAGES

enum page_state { UNTOUCHED, CLEAN, DIRTY };

struct block {
	size_t		size;
	struct block	*below;		/* the one before it */
	bool		freed;
} __attribute__((aligned(16)));

static char *arena, *shadow;
static uint8_t state[NR_PAGES];
static uint32_t dirty[MAX_DIRTY];
static uint32_t nr_dirty;
static struct sigaction handler_before;

static size_t bottom CORO_STATE;		/* blocks end here */
static size_t top CORO_STATE = ARENA_SIZE;	/* mappings begin here */
static size_t in_use CORO_STATE;
static struct block *last_block CORO_STATE;

extern char __start_coro_state[], __stop_coro_state[];
static char saved_state[64 << 10], first_state[64 << 10];

static size_t state_size(void)
{
	return (size_t)(__stop_coro_state - __start_coro_state);
}

static void protect(size_t offset, size_t size, int prot)
{
	if (mprotect(arena + offset, size, prot))
		panic("mprotect: %d", errno);
}

/* The first write to a page. */
static bool learn(uintptr_t address)
{
	size_t page = (address - (uintptr_t)arena) >> PAGE_SHIFT;

	if (address - (uintptr_t)arena >= ARENA_SIZE || state[page] == DIRTY)
		return false;
	if (state[page] == CLEAN)
		memcpy(shadow + (page << PAGE_SHIFT), arena + (page << PAGE_SHIFT), PAGE_SIZE);
	protect(page << PAGE_SHIFT, PAGE_SIZE, PROT_READ | PROT_WRITE);
	state[page] = DIRTY;
	dirty[nr_dirty++] = (uint32_t)page;
	return true;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	if (learn((uintptr_t)info->si_addr))
		return;
	if (handler_before.sa_flags & SA_SIGINFO) {
		handler_before.sa_sigaction(sig, info, context);
	} else if (handler_before.sa_handler != SIG_DFL && handler_before.sa_handler != SIG_IGN) {
		handler_before.sa_handler(sig);
	} else {
		log_error("a virtual thread, \"%s\", touches %p", coro_name(coro_self()),
			  info->si_addr);
		signal(sig, SIG_DFL);
	}
}

static int catch_faults(void)
{
	struct sigaction now, ours = { .sa_sigaction = on_fault,
				       .sa_flags = SA_SIGINFO | SA_NODEFER };

	if (sigaction(SIGSEGV, NULL, &now))
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault)
		return 0;
	handler_before = now;
	return sigaction(SIGSEGV, &ours, NULL) ? -errno : 0;
}

int os_arena_open(void)
{
	int r = coro_open();

	if (r)
		return r;
	if (!arena) {
		BUG_ON(state_size() > sizeof(saved_state));
		arena = mmap(NULL, ARENA_SIZE, PROT_READ,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		shadow = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (arena == MAP_FAILED || shadow == MAP_FAILED)
			return -ENOMEM;
		memcpy(first_state, __start_coro_state, state_size());
		os_arena_snapshot();
	}
	return catch_faults();
}

void os_arena_snapshot(void)
{
	for (uint32_t i = 0; i < nr_dirty; i++) {
		state[dirty[i]] = CLEAN;
		protect((size_t)dirty[i] << PAGE_SHIFT, PAGE_SIZE, PROT_READ);
	}
	nr_dirty = 0;
	coro_snapshot();
	memcpy(saved_state, __start_coro_state, state_size());
}

void os_arena_clear(void)
{
	if (madvise(arena, ARENA_SIZE, MADV_DONTNEED) || madvise(shadow, ARENA_SIZE, MADV_DONTNEED))
		panic("madvise: %d", errno);
	protect(0, ARENA_SIZE, PROT_READ);
	memset(state, UNTOUCHED, sizeof(state));
	nr_dirty = 0;
	memcpy(__start_coro_state, first_state, state_size());
	os_arena_snapshot();
}

void os_arena_reset(void)
{
	for (uint32_t i = 0; i < nr_dirty; i++) {
		size_t offset = (size_t)dirty[i] << PAGE_SHIFT;

		memcpy(arena + offset, shadow + offset, PAGE_SIZE);
	}
	memcpy(__start_coro_state, saved_state, state_size());
	coro_reset();
}

size_t os_arena_dirty_pages(void)
{
	return nr_dirty;
}

size_t os_arena_in_use(void)
{
	return in_use;
}

/* ---- blocks ---- */

/* Zero: fresh pages are, and none is used twice. */
void *os_arena_aligned_alloc(size_t align, size_t size)
{
	size_t at = ALIGN_UP(bottom + sizeof(struct block), MAX(align, (size_t)16));
	struct block *b;

	if (size > ARENA_SIZE || at + size + GUARD_SIZE > top)
		return NULL;
	b = (struct block *)(void *)(arena + at) - 1;
	*b = (struct block){ .size = size, .below = last_block };
	memset(arena + at + size, GUARD, GUARD_SIZE);
	last_block = b;
	bottom = ALIGN_UP(at + size + GUARD_SIZE, (size_t)16);
	in_use += size;
	return arena + at;
}

/* As malloc() may: neither zero nor what was there before. */
void *os_arena_malloc(size_t size)
{
	void *p = os_arena_aligned_alloc(16, size);

	return p ? memset(p, FREED, size) : NULL;
}

void *os_arena_calloc(size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all))
		return NULL;
	return os_arena_aligned_alloc(16, all);
}

void os_arena_free(void *p)
{
	struct block *b = (struct block *)p - 1;

	if (!p)
		return;
	if ((uintptr_t)p - (uintptr_t)arena >= ARENA_SIZE)
		panic("%p, which is freed, was not allocated here", p);
	if (b->freed)
		panic("%p is freed twice", p);
	b->freed = true;
	in_use -= b->size;
	memset(p, FREED, b->size);
}

void *os_arena_realloc(void *p, size_t size)
{
	void *fresh = os_arena_malloc(size);

	if (fresh && p)
		memcpy(fresh, p, MIN(size, ((struct block *)p - 1)->size));
	if (fresh)
		os_arena_free(p);
	return fresh;
}

static bool is_filled(const char *p, unsigned char with, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] != with)
			return false;
	return true;
}

const char *os_arena_check(void)
{
	for (const struct block *b = last_block; b; b = b->below) {
		const char *p = (const char *)(b + 1);

		if (!is_filled(p + b->size, GUARD, GUARD_SIZE))
			return "somebody wrote behind the end of a block";
		if (b->freed && !is_filled(p, FREED, b->size))
			return "somebody wrote to a block after it was freed";
	}
	return NULL;
}

/* ---- os/memory.h ---- */

void *os_map_private(size_t size, size_t align)
{
	size_t room = top - ALIGN_UP(bottom, PAGE_SIZE);
	uintptr_t at;

	if (!size || size > room)
		return NULL;
	/* Aligned as an address, not as an offset. */
	at = ALIGN_DOWN((uintptr_t)arena + top - size, align);
	if (at < (uintptr_t)arena + bottom)
		return NULL;
	top = at - (uintptr_t)arena;
	in_use += size;
	return arena + top;
}

void os_unmap(void *p, size_t size)
{
	os_discard(p, size);
	in_use -= size;
}

/* No leak checker looks at an arena. */
void os_holds_pointers(void *p, size_t size)
{
	(void)p, (void)size;
}

void os_holds_none(void *p, size_t size)
{
	(void)p, (void)size;
}

void *os_map_inherited(size_t size)
{
	return os_map_private(size, PAGE_SIZE);
}

void *os_map_wiped_on_fork(size_t size)
{
	return os_map_private(size, PAGE_SIZE);
}

void os_discard(void *p, size_t size)
{
	size_t first = (size_t)((char *)p - arena) >> PAGE_SHIFT;

	for (size_t i = first; i < first + (size >> PAGE_SHIFT); i++)
		if (state[i] != UNTOUCHED)
			memset(arena + (i << PAGE_SHIFT), 0, PAGE_SIZE);
}

void os_prefer_huge(void *p, size_t size)
{
}

int os_populate(void *p, size_t size)
{
	return 0;
}

/* There is no file system behind the arena. */
void *os_map_shared(int fd, uint64_t offset, size_t size)
{
	return NULL;
}

/* A file that nobody else maps. */
void *os_map_shared_private(int fd, size_t size)
{
	return os_map_private(size, PAGE_SIZE);
}

int os_map_again_closed(void *from, size_t size, void *to)
{
	return -ENOMEM;
}

int os_protect(void *p, size_t size, int prot)
{
	return -ENOMEM;
}

void os_punch(void *p, size_t size)
{
	os_discard(p, size);
}

int os_fstat(int fd, struct stat *st)
{
	return -EBADF;
}

void os_close(int fd)
{
}

int os_object_fd(const char *name, bool cloexec)
{
	return -EMFILE;
}

/* A number, good for os_map_shared_private(). */
int os_shared_memfd(const char *name, size_t size, bool cloexec)
{
	return 0;
}
