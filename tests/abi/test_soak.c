/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_soak.c - everything at once: eight vCPUs that fault all over the guest's
 * memory while two threads convert, one punches holes, one moves, deletes and
 * makes slots, and one unmaps and maps what is behind a slot.
 *
 * usage: test_soak [SECONDS [SHARED-BIT]]
 *
 * SHARED-BIT as in test_private_matrix.  Ends after SECONDS (2) and when every
 * kind of step has happened, whichever is later; fails when that takes ten
 * times as long and a minute.
 *
 * Every vCPU has a word of its own in every page and writes there the linear
 * address it uses.  What it reads must be nothing or that page's: whoever
 * reaches the wrong page is found out at once.  After each change its thread
 * clears words that no vCPU may reach any more, and looks again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kvm_user.h"
#include "window_guest.h"

#define M		(1ul << 20)
#define G		(1ul << 30)
#define NR_VCPUS	8
#define NR_CONVERTERS	2

#define HOME		G			/* slot 1: with private memory */
#define HOME_SIZE	(6 * M)
#define AWAY		(2 * G)			/* slot 2: shared, here or AWAY_BIT higher */
#define AWAY_BIT	(64 * M)
#define AWAY_SIZE	(2 * M + 5 * PAGE)
#define HOST		(3 * G)			/* slot 3: shared, a file that goes and comes */
#define HOST_SIZE	(16 * PAGE)
/* Where slot 3 is mapped: nobody maps anything here while it is gone. */
#define HOST_AT		((void *)0x550010000000ul)

/* RDI seed, RSI places, R8 offset of its word, R10 and R11 multiplier and increment of the seed. */
asm(".pushsection .rodata\n"
    "soak_start:	mov $512, %r9d\n"
    "soak_next:	imul %r10, %rdi; add %r11, %rdi; mov %rdi, %rax; shr $33, %rax\n"
    "		mov %eax, %ecx; and $7, %ecx; shl $5, %ecx; add %rsi, %rcx\n"
    "		shr $3, %rax; xor %edx, %edx; divq 8(%rcx)\n"
    "		shl $12, %rdx; add (%rcx), %rdx; add %r8, %rdx\n"
    "		mov (%rdx), %rbx; test %rbx, %rbx; jz 2f\n"
    "		mov %rbx, %rax; xor %rdx, %rax; and 16(%rcx), %rax; jnz 3f\n"
    "2:		mov %rdx, (%rdx)\n"
    "		dec %r9d; jnz soak_next; out %al, $0x10; jmp soak_start\n"
    "3:		out %al, $0x11; jmp soak_start\n"
    "soak_end:	.popsection\n");
extern const char soak_start[], soak_next[], soak_end[];

/* One of eight: linear address, pages, and which bits of what was read must be right. */
struct place { uint64_t at, nr_pages, mask, unused; };

enum step {
	ROUNDS, MEMORY_FAULTS, HOST_FAULTS, MMIO_READS, MMIO_WRITES,	/* of vCPUs */
	TO_PRIVATE, TO_SHARED, LOOKED, HOLES, MOVES, SLOTS_GONE, HOMES_GONE, UNMAPPED, FORBIDDEN,
	REPLACED,
	NR_STEPS
};

static const struct { const char *name; unsigned long at_least; } steps[NR_STEPS] = {
	[ROUNDS] = { "rounds of 512 accesses", 50 },
	[MEMORY_FAULTS] = { "memory-fault exits", 1 },
	[HOST_FAULTS] = { "EFAULTs for want of host memory", 5 },
	[MMIO_READS] = { "MMIO reads", 5 },
	[MMIO_WRITES] = { "MMIO writes", 1 },
	[TO_PRIVATE] = { "conversions to private", 20 },
	[TO_SHARED] = { "conversions to shared", 20 },
	[LOOKED] = { "looks at converted pages", 5 },
	[HOLES] = { "holes", 20 },
	[MOVES] = { "moves", 20 },
	[SLOTS_GONE] = { "deletions of a shared slot", 5 },
	[HOMES_GONE] = { "deletions of the slot with private memory", 2 },
	[UNMAPPED] = { "munmaps", 5 },
	[FORBIDDEN] = { "mprotects", 5 },
	[REPLACED] = { "mappings in its place", 5 },
};

static struct world {
	struct window_guest guest;
	int		 gmem, file;	/* behind slots 1 and 3 */
	uint8_t		*home, *away, *view;	/* view: the file, where it always is */
	struct place	*places;
	unsigned long	 done[NR_STEPS];
	int		 stop, failures;	/* atomic */
} world;

static struct checks checks;
static pthread_mutex_t report = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t converting = PTHREAD_RWLOCK_INITIALIZER;	/* for write: and looking */

/* check() for many threads; the first failures are printed, then all stops. */
#define CHECK(ok, ...) \
	do { \
		if (!(ok)) { \
			pthread_mutex_lock(&report); \
			if (__atomic_add_fetch(&world.failures, 1, __ATOMIC_RELAXED) <= 5) \
				check(&checks, false, __VA_ARGS__); \
			pthread_mutex_unlock(&report); \
			__atomic_store_n(&world.stop, 1, __ATOMIC_RELEASE); \
		} \
	} while (0)

static bool is_over(void)
{
	return __atomic_load_n(&world.stop, __ATOMIC_ACQUIRE);
}

static void did(enum step step)
{
	__atomic_add_fetch(&world.done[step], 1, __ATOMIC_RELAXED);
}

static unsigned long times(enum step step)
{
	return __atomic_load_n(&world.done[step], __ATOMIC_RELAXED);
}

static void pause_us(long us)
{
	const struct timespec t = { .tv_nsec = us * 1000 };

	nanosleep(&t, NULL);
}

static uint64_t pick(uint64_t *seed, uint64_t n)
{
	*seed = *seed * 6364136223846793005ul + 1442695040888963407ul;
	return (*seed >> 33) % n;
}

/* The words of all vCPUs in a page; the page may be gone from the guest, not from us. */
static volatile uint64_t *word_of(uint8_t *page, unsigned vcpu)
{
	return (volatile uint64_t *)(void *)(page + 64 * (1 + vcpu));
}

static void clear_words(uint8_t *page)
{
	for (unsigned v = 0; v < NR_VCPUS; v++)
		__atomic_store_n(word_of(page, v), 0, __ATOMIC_SEQ_CST);
}

/* The first word that says one of its vCPU's addresses is under @bits == @value; 0: none is. */
static uint64_t word_there(uint8_t *page, uint64_t bits, uint64_t value)
{
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		uint64_t word = __atomic_load_n(word_of(page, v), __ATOMIC_SEQ_CST);

		if (word && (word & bits) == value)
			return word;
	}
	return 0;
}

/* ---- the vCPUs ---- */

struct vcpu {
	unsigned	 id;
	int		 fd;
	struct kvm_run	*run;
	pthread_t	 thread;
};

static struct kvm_regs regs_of(const struct vcpu *v)
{
	struct kvm_regs regs;

	need(!ioctl(v->fd, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	return regs;
}

static void begin_at(const struct vcpu *v, struct kvm_regs *regs, const char *entry)
{
	regs->rip = WINDOW_CODE + (uint64_t)(entry - soak_start);
	need(!ioctl(v->fd, KVM_SET_REGS, regs), "KVM_SET_REGS");
}

static bool is_in(uint64_t gpa, uint64_t start, uint64_t size)
{
	return gpa - start < size;
}

static uint64_t gpa_of(uint64_t linear)
{
	return linear & (WINDOW_PRIVATE - 1);
}

/* KVM_RUN is EFAULT: a page that is of the other kind just now, or no host memory. */
static void faulted(const struct vcpu *v)
{
	struct kvm_regs regs = regs_of(v);
	uint64_t gpa = gpa_of(regs.rdx);
	const struct kvm_run *run = v->run;

	if (is_in(gpa, HOME, HOME_SIZE)) {
		bool private = run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE;

		did(MEMORY_FAULTS);
		CHECK(run->exit_reason == KVM_EXIT_MEMORY_FAULT && run->memory_fault.size == PAGE &&
		      run->memory_fault.gpa == (gpa & ~(PAGE - 1)),
		      "vCPU %u at %#llx: EFAULT with exit %u, gpa %#llx", v->id,
		      (unsigned long long)regs.rdx, run->exit_reason,
		      (unsigned long long)run->memory_fault.gpa);
		CHECK(!world.guest.shared_bit || private == !!(regs.rdx & WINDOW_PRIVATE),
		      "vCPU %u at %#llx: the exit says %s", v->id, (unsigned long long)regs.rdx,
		      private ? "private" : "shared");
	} else {
		did(HOST_FAULTS);
		CHECK(is_in(gpa, HOST, HOST_SIZE), "vCPU %u at %#llx: EFAULT, exit %u", v->id,
		      (unsigned long long)regs.rdx, run->exit_reason);
	}
	begin_at(v, &regs, soak_next);
}

/* A slot is not there for the moment, or elsewhere. */
static void answer_mmio(const struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint64_t gpa = run->mmio.phys_addr, word = 0;

	CHECK(run->mmio.len == 8 && (is_in(gpa, AWAY, AWAY_BIT + AWAY_SIZE) ||
				     is_in(gpa, HOME, HOME_SIZE)),
	      "vCPU %u: MMIO at %#llx", v->id, (unsigned long long)gpa);
	if (run->mmio.is_write) {
		did(MMIO_WRITES);
		memcpy(&word, run->mmio.data, 8);
		CHECK(gpa_of(word) == gpa, "vCPU %u: MMIO of %#llx at %#llx", v->id,
		      (unsigned long long)word, (unsigned long long)gpa);
	} else {
		did(MMIO_READS);
		memset(run->mmio.data, 0, 8);
	}
}

static void *run_vcpu(void *arg)
{
	const struct vcpu *v = arg;

	while (!is_over()) {
		long error = kvm_ioctl(v->fd, KVM_RUN, 0);

		if (error == -EFAULT) {
			faulted(v);
		} else if (!error && v->run->exit_reason == KVM_EXIT_MMIO) {
			answer_mmio(v);
		} else if (!error && v->run->exit_reason == KVM_EXIT_IO &&
			   v->run->io.port == 0x10) {
			did(ROUNDS);
		} else {
			struct kvm_regs regs = regs_of(v);

			CHECK(false, "vCPU %u at %#llx: found %#llx; error %ld, exit %u", v->id,
			      (unsigned long long)regs.rdx, (unsigned long long)regs.rbx, error,
			      v->run->exit_reason);
		}
	}
	return NULL;
}

/* ---- those who change things ---- */

/* [@gpa, @gpa + @size) is private, and nobody converts: no vCPU writes its shared bytes. */
static void nobody_writes_shared(uint64_t gpa, uint64_t size)
{
	uint8_t *page = world.home + (gpa - HOME), *end = world.home + HOME_SIZE;
	uint64_t word = 0;

	if (size < (uint64_t)(end - page))
		end = page + size;
	for (uint8_t *p = page; p < end; p += PAGE)
		clear_words(p);
	pause_us(300);
	for (uint8_t *p = page; p < end && !word; p += PAGE)
		word = word_there(p, 0, 0);
	did(LOOKED);
	CHECK(!word, "MMU-I1: %#lx is private, and %#lx is written to its shared page",
	      (unsigned long)gpa_of(word), (unsigned long)word);
}

/*
 * Conversions overlap, but for those that are looked at.  A conversion may take
 * much longer than the pause after it (eight vCPUs, few processors, TSan), so
 * waiting for a moment when the other happens not to convert may take for ever.
 */
static void *convert(void *arg)
{
	static const uint16_t sizes[] = { 1, 1, 7, 512, 700, 1500 };
	uint64_t seed = (uintptr_t)arg + 77;

	while (!is_over()) {
		uint64_t gpa = HOME + pick(&seed, HOME_SIZE / PAGE) * PAGE;
		bool private = pick(&seed, 2), look = private && !pick(&seed, 4);
		uint64_t size = sizes[pick(&seed, 6)] * PAGE;
		long error;

		if (look)
			pthread_rwlock_wrlock(&converting);
		else
			pthread_rwlock_rdlock(&converting);
		error = vm_attributes(world.guest.vm, gpa, size,
				      private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0);
		CHECK(!error, "converting: %s", errno_name(error));
		did(private ? TO_PRIVATE : TO_SHARED);
		if (look)
			nobody_writes_shared(gpa, size);
		pthread_rwlock_unlock(&converting);
		pause_us(100 + 200 * (long)pick(&seed, 10));
	}
	return NULL;
}

static void *punch(void *unused)
{
	uint64_t seed = 5;

	while (!is_over()) {
		uint64_t at = pick(&seed, HOME_SIZE / PAGE), n = 1 + pick(&seed, 300);
		int mode = FALLOC_FL_KEEP_SIZE | (pick(&seed, 4) ? FALLOC_FL_PUNCH_HOLE : 0);

		if (at + n > HOME_SIZE / PAGE)
			n = HOME_SIZE / PAGE - at;
		CHECK(!fallocate(world.gmem, mode, (off_t)(at * PAGE), (off_t)(n * PAGE)),
		      "fallocate: %s", errno_name(errno));
		did(HOLES);
		pause_us(700);
	}
	return unused;
}

static long set_home(bool there)
{
	return vm_region_gmem(world.guest.vm, 1, HOME, there ? HOME_SIZE : 0, world.home, world.gmem,
			      0);
}

static long set_away(uint64_t gpa, bool there)
{
	return vm_region(world.guest.vm, 2, 0, gpa, there ? AWAY_SIZE : 0, world.away);
}

/* Slot 2 is not where AWAY_BIT of an address is @bit: nobody writes through it from there. */
static void nobody_writes_from(uint64_t bit, uint64_t *seed)
{
	uint8_t *page = world.away + pick(seed, AWAY_SIZE / PAGE) * PAGE;
	uint64_t word;

	clear_words(page);
	pause_us(300);
	word = word_there(page, AWAY_BIT, bit);
	CHECK(!word, "MMU-I1: slot 2 has gone, and %#lx is written through it", (unsigned long)word);
}

static void *move(void *unused)
{
	uint64_t seed = 9, bit = 0;

	for (unsigned i = 0; !is_over(); i++) {
		bit ^= AWAY_BIT;
		CHECK(!set_away(AWAY + bit, true), "moving a slot");
		did(MOVES);
		nobody_writes_from(bit ^ AWAY_BIT, &seed);
		if (i % 4 == 3) {
			CHECK(!set_away(AWAY + bit, false), "deleting a shared slot");
			did(SLOTS_GONE);
			nobody_writes_from(bit, &seed);
			nobody_writes_from(bit ^ AWAY_BIT, &seed);
			CHECK(!set_away(AWAY + bit, true), "making it again");
		}
		if (i % 8 == 7) {
			CHECK(!set_home(false), "deleting the slot with private memory");
			did(HOMES_GONE);
			pause_us(500);
			CHECK(!set_home(true), "making it again");
		}
		pause_us(500);
	}
	return unused;
}

/* The guest has lost the file's pages; our view of them shows who writes yet. */
static void nobody_writes_the_file(const char *after)
{
	uint64_t word = 0;

	for (size_t at = 0; at < HOST_SIZE; at += PAGE)
		clear_words(world.view + at);
	pause_us(1000);
	for (size_t at = 0; at < HOST_SIZE && !word; at += PAGE)
		word = word_there(world.view + at, 0, 0);
	CHECK(!word, "MMU-I1: after %s, %#lx is written", after, (unsigned long)word);
}

static void map_file(int how)
{
	void *p = mmap(HOST_AT, HOST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | how, world.file, 0);

	CHECK(p == HOST_AT, "mapping the file: %s", errno_name(errno));
}

static void *unmap(void *unused)
{
	for (unsigned i = 0; !is_over(); i++) {
		void *p;

		switch (i % 3) {
		case 0:
			CHECK(!munmap(HOST_AT, HOST_SIZE), "munmap");
			did(UNMAPPED);
			nobody_writes_the_file("munmap");
			map_file(MAP_FIXED_NOREPLACE);
			break;
		case 1:
			CHECK(!mprotect(HOST_AT, HOST_SIZE, i & 1 ? PROT_READ : PROT_NONE), "mprotect");
			did(FORBIDDEN);
			nobody_writes_the_file("mprotect");
			CHECK(!mprotect(HOST_AT, HOST_SIZE, PROT_READ | PROT_WRITE), "mprotect");
			break;
		case 2:
			p = mmap(HOST_AT, HOST_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			CHECK(p == HOST_AT, "mmap");
			did(REPLACED);
			nobody_writes_the_file("mmap");
			map_file(MAP_FIXED);
			break;
		}
		pause_us(2000);
	}
	return unused;
}

/* ---- all of it ---- */

static void make_places(void)
{
	/* Without a bit both windows show the same memory. */
	const uint64_t any = world.guest.shared_bit ? ~0ul : ~WINDOW_PRIVATE;
	const struct place places[8] = {
		{ window_of(true) + HOME, HOME_SIZE / PAGE, any, 0 },
		{ window_of(false) + HOME, HOME_SIZE / PAGE, any, 0 },
		{ window_of(true) + HOME, HOME_SIZE / PAGE, any, 0 },
		{ window_of(false) + HOME, HOME_SIZE / PAGE, any, 0 },
		{ AWAY, AWAY_SIZE / PAGE, any & ~AWAY_BIT, 0 },
		{ AWAY + AWAY_BIT, AWAY_SIZE / PAGE, any & ~AWAY_BIT, 0 },
		{ HOST, HOST_SIZE / PAGE, any, 0 },
		{ HOST, HOST_SIZE / PAGE, any, 0 },
	};

	memcpy(world.guest.low + WINDOW_FREE, places, sizeof(places));
}

static void make_world(uint64_t shared_bit)
{
	uint8_t *room = pages(HOME_SIZE + 2 * M);

	window_guest_make(&world.guest, shared_bit, soak_start, (size_t)(soak_end - soak_start));
	make_places();
	/* Congruent with the guest, so that huge pages are possible. */
	world.home = room + -(uintptr_t)room % (2 * M);
	(void)madvise(world.home, HOME_SIZE, MADV_HUGEPAGE);
	world.away = pages(AWAY_SIZE);
	world.gmem = (int)vm_gmem(world.guest.vm, HOME_SIZE, 0);
	need(world.gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	world.file = memfd_create("soak", MFD_CLOEXEC);
	need(world.file >= 0 && !ftruncate(world.file, HOST_SIZE), "memfd_create");
	world.view = mmap(NULL, HOST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, world.file, 0);
	need(world.view != MAP_FAILED, "mmap");
	map_file(MAP_FIXED_NOREPLACE);
	need(!set_home(true) && !set_away(AWAY, true), "slots 1 and 2");
	need(!vm_region(world.guest.vm, 3, 0, HOST, HOST_SIZE, HOST_AT), "slot 3");
}

static void start_vcpu(struct vcpu *v, unsigned id)
{
	struct kvm_regs regs = {
		.rflags = 2, .rdi = 0x123456789abcdeful * (id + 1), .rsi = WINDOW_FREE,
		.r8 = 64 * (1 + id), .r10 = 6364136223846793005ul, .r11 = 1442695040888963407ul,
	};

	v->id = id;
	v->fd = window_guest_vcpu(&world.guest, id, &v->run);
	begin_at(v, &regs, soak_start);
}

static const char *missing(void)
{
	for (int i = 0; i < NR_STEPS; i++) {
		bool never = i == MEMORY_FAULTS && !world.guest.shared_bit;

		if (!never && times(i) < steps[i].at_least)
			return steps[i].name;
	}
	return NULL;
}

static void wait_for(unsigned long seconds)
{
	unsigned long tenths = 0;

	while (!is_over() && (tenths < 10 * seconds || missing())) {
		CHECK(tenths++ < 100 * seconds + 600, "too few %s", missing());
		pause_us(100000);
	}
	__atomic_store_n(&world.stop, 1, __ATOMIC_RELEASE);
}

/* An MMIO read that was answered is done with by the next run. */
static void finish_exit(struct vcpu *v)
{
	v->run->immediate_exit = 1;
	check(&checks, kvm_ioctl(v->fd, KVM_RUN, 0) == -EINTR, "a run that ends at once");
	v->run->immediate_exit = 0;
}

/* Nobody else is there any more: every page is what its attribute and slot say. */
static void all_is_as_it_should_be(struct vcpu *v)
{
	finish_exit(v);
	for (int private = 0; private < 2; private++) {
		check(&checks, !vm_attributes(world.guest.vm, HOME, HOME_SIZE,
					      private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0),
		      "converting all of it");
		for (uint64_t at = 0; at < HOME_SIZE; at += 7 * PAGE) {
			const uint64_t offset = 64 * (2 + NR_VCPUS);	/* nobody's word */
			uint64_t linear = window_of(private) + HOME + at, word;
			struct kvm_regs regs = { .rflags = 2, .rsi = WINDOW_FREE, .r8 = offset };
			const struct place one = { linear, 1, ~0ul, 0 };

			/* The guest's own loop, all of its places being this page. */
			for (int i = 0; i < 8; i++)
				memcpy(world.guest.low + WINDOW_FREE + i * sizeof(one), &one, sizeof(one));
			begin_at(v, &regs, soak_start);
			if (!check(&checks, !kvm_ioctl(v->fd, KVM_RUN, 0) &&
				   v->run->exit_reason == KVM_EXIT_IO && v->run->io.port == 0x10,
				   "%#lx at the end: exit %u, port %#x", (unsigned long)linear,
				   v->run->exit_reason, v->run->io.port))
				return;
			word = *(uint64_t *)(void *)(world.home + at + offset);
			check(&checks, word == window_of(false) + HOME + at + offset,
			      "%#lx at the end: the host sees %#lx", (unsigned long)linear,
			      (unsigned long)word);
		}
	}
}

int main(int argc, char **argv)
{
	static void *(*const others[])(void *) = { punch, move, unmap };
	unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 2;
	pthread_t thread[NR_CONVERTERS + 3];
	struct vcpu vcpu[NR_VCPUS];

	make_world(argc > 2 ? 1ul << strtoul(argv[2], NULL, 10) : 0);
	for (unsigned i = 0; i < NR_VCPUS; i++)
		start_vcpu(&vcpu[i], i);
	for (unsigned i = 0; i < NR_VCPUS; i++)
		need(!pthread_create(&vcpu[i].thread, NULL, run_vcpu, &vcpu[i]), "a thread");
	for (unsigned i = 0; i < NR_CONVERTERS + 3; i++)
		need(!pthread_create(&thread[i], NULL,
				     i < NR_CONVERTERS ? convert : others[i - NR_CONVERTERS],
				     (void *)(uintptr_t)i), "a thread");
	wait_for(seconds);
	for (unsigned i = 0; i < NR_VCPUS; i++)
		pthread_join(vcpu[i].thread, NULL);
	for (unsigned i = 0; i < NR_CONVERTERS + 3; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < NR_STEPS; i++)
		check(&checks, true, "%lu %s", times(i), steps[i].name);
	if (!world.failures)
		all_is_as_it_should_be(&vcpu[0]);
	for (unsigned i = 0; i < NR_VCPUS; i++)
		close(vcpu[i].fd);
	close(world.gmem);
	window_guest_free(&world.guest);
	return checks_end(&checks);
}
