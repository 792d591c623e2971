/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sev_holes.c - KVM_SEV_LAUNCH_UPDATE_DATA of memory that another thread
 * takes back all the time: KVM has pinned the pages, so no call fails, and each
 * page is measured once, with its bytes or as the zeros that came after them.
 *
 * usage: test_sev_holes [CALLS]
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_user.h"

#define SIZE		(64 * PAGE)
#define MEASURED	6u		/* pages, of which any may be zeros */
#define MEASUREMENTS	40u
#define API_MAJOR	1
#define API_MINOR	55
#define API_BUILD	21

static struct checks c;

/* What is launched and punched: @fd -1 for private memory. */
static struct {
	uint8_t	*at;
	int	 fd, stop;
	size_t	 size;
	unsigned long holes;
} memory;

struct guest {
	int kvm, vm, sev;
};

static long sev(const struct guest *g, uint32_t id, void *data, uint32_t *error)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = (uint32_t)g->sev };
	long r = kvm_ioctlp(g->vm, KVM_MEMORY_ENCRYPT_OP, &cmd);

	*error = cmd.error;
	return r;
}

static struct guest make(void)
{
	struct guest g = { .kvm = kvm_open(), .sev = open("/dev/sev", O_RDWR | O_CLOEXEC) };
	struct kvm_sev_launch_start start = { 0 };
	struct kvm_sev_init init = { 0 };
	uint32_t error;

	need(g.sev >= 0, "/dev/sev");
	g.vm = vm_make(g.kvm, KVM_X86_SEV_VM);
	need(!sev(&g, KVM_SEV_INIT2, &init, &error), "KVM_SEV_INIT2");
	need(!sev(&g, KVM_SEV_LAUNCH_START, &start, &error), "KVM_SEV_LAUNCH_START");
	return g;
}

static void end(const struct guest *g)
{
	close(g->vm);
	close(g->sev);
	close(g->kvm);
}

static size_t min_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void *punch(void *unused)
{
	unsigned seed = 1;

	while (!__atomic_load_n(&memory.stop, __ATOMIC_RELAXED)) {
		size_t at = (size_t)rand_r(&seed) % (memory.size / PAGE) * PAGE;
		size_t size = min_of(memory.size - at, (1 + (size_t)rand_r(&seed) % 8) * PAGE);

		if (memory.fd < 0)
			need(!madvise(memory.at + at, size, MADV_DONTNEED), "MADV_DONTNEED");
		else
			need(!fallocate(memory.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
					(off_t)size), "FALLOC_FL_PUNCH_HOLE");
		__atomic_add_fetch(&memory.holes, 1, __ATOMIC_RELAXED);
	}
	return unused;
}

static pthread_t begin_punching(size_t size)
{
	pthread_t thread;

	memory.size = size;
	memory.stop = 0;
	memory.holes = 0;
	need(!pthread_create(&thread, NULL, punch, NULL), "a thread");
	return thread;
}

static void end_punching(pthread_t thread)
{
	__atomic_store_n(&memory.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static unsigned long holes(void)
{
	return __atomic_load_n(&memory.holes, __ATOMIC_RELAXED);
}

static bool update(const struct guest *g, size_t at, size_t size)
{
	struct kvm_sev_launch_update_data data = {
		.uaddr = (uintptr_t)memory.at + at, .len = (uint32_t)size,
	};
	uint32_t error;
	long r = sev(g, KVM_SEV_LAUNCH_UPDATE_DATA, &data, &error);

	return check(&c, !r, "LAUNCH_UPDATE_DATA of %zu bytes at %#zx: %ld, firmware %u", size, at, r,
		     error);
}

static void no_call_fails(unsigned long calls)
{
	struct guest g = make();
	pthread_t thread = begin_punching(SIZE);
	unsigned seed = 2;
	bool ok = true;

	for (unsigned long i = 0; ok && (i < calls || holes() <= 100); i++) {
		size_t at = (size_t)rand_r(&seed) % (SIZE / 16) * 16;

		ok = update(&g, at, min_of(SIZE - at, (1 + (size_t)rand_r(&seed) % 2048) * 16));
	}
	end_punching(thread);
	check(&c, !ok || holes() > 100, "%lu holes meanwhile", holes());
	end(&g);
}

/* SEV API 55766 6.5.1; without a session the integrity key is zeros. */
static void measurement(const uint8_t digest[32], const uint8_t nonce[16], uint8_t mac[32])
{
	const uint8_t tik[16] = { 0 };
	uint8_t text[8 + 32 + 16] = { 4, API_MAJOR, API_MINOR, API_BUILD };

	memcpy(text + 8, digest, 32);
	memcpy(text + 40, nonce, 16);
	need(HMAC(EVP_sha256(), tik, sizeof(tik), text, sizeof(text), mac, NULL), "HMAC");
}

/* Is @blob that of MEASURED pages of @byte, the ones in the mask being zeros? */
static bool is_one_of(const uint8_t blob[48], int byte)
{
	uint8_t digest[32], mac[32];
	static uint8_t bytes[MEASURED * PAGE];

	for (unsigned zeros = 0; zeros < 1u << MEASURED; zeros++) {
		for (unsigned i = 0; i < MEASURED; i++)
			memset(bytes + i * PAGE, zeros >> i & 1 ? 0 : byte, PAGE);
		SHA256(bytes, sizeof(bytes), digest);
		measurement(digest, blob + 32, mac);
		if (!memcmp(mac, blob, sizeof(mac)))
			return true;
	}
	return false;
}

static void each_page_is_measured_once(void)
{
	for (unsigned i = 0; i < MEASUREMENTS; i++) {
		uint8_t blob[48];
		struct kvm_sev_launch_measure measure = { .uaddr = (uintptr_t)blob, .len = 48 };
		struct guest g = make();
		pthread_t thread;
		uint32_t error;
		bool ok;

		memset(memory.at, (int)i + 1, MEASURED * PAGE);
		thread = begin_punching(MEASURED * PAGE);
		/* The first of them without a hole. */
		for (unsigned turn = 0; i && turn < 5 * i; turn++)
			sched_yield();
		ok = update(&g, 0, MEASURED * PAGE);
		end_punching(thread);
		check(&c, !sev(&g, KVM_SEV_LAUNCH_MEASURE, &measure, &error), "LAUNCH_MEASURE");
		check(&c, !ok || is_one_of(blob, (int)i + 1), "launch %u: not what was ever there", i);
		end(&g);
	}
}

/* ---- what is gone stays gone, while somebody looks ---- */

#define LOOKED_AT	4u			/* pages */

static void *look(void *unused)
{
	const uint64_t *at = (const uint64_t *)(void *)memory.at;

	for (unsigned i = 0; !__atomic_load_n(&memory.stop, __ATOMIC_RELAXED); i++)
		(void)__atomic_load_n(at + i % LOOKED_AT * PAGE / 8, __ATOMIC_RELAXED);
	return unused;
}

/* What is looked at meanwhile. */
static void fill(void)
{
	uint64_t *at = (uint64_t *)(void *)memory.at;

	for (size_t i = 0; i < LOOKED_AT * PAGE / 8; i++)
		__atomic_store_n(at + i, 0x5555555555555555, __ATOMIC_RELAXED);
}

static void take_back(void)
{
	if (memory.fd < 0)
		need(!madvise(memory.at, LOOKED_AT * PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	else
		need(!fallocate(memory.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				LOOKED_AT * PAGE), "FALLOC_FL_PUNCH_HOLE");
}

/* A look at a page that a guest's key has gives ciphertext before the call, and never after it. */
static void no_ciphertext_afterwards(unsigned long times)
{
	struct guest g = make();
	unsigned long wrong = 0;
	pthread_t thread;

	need(!vm_region(g.vm, 0, 0, 0, SIZE, memory.at), "a memory slot");
	memory.stop = 0;
	need(!pthread_create(&thread, NULL, look, NULL), "a thread");
	for (unsigned long i = 0; i < times; i++) {
		fill();
		if (!update(&g, 0, LOOKED_AT * PAGE))
			break;
		take_back();
		for (unsigned page = 0; page < LOOKED_AT; page++)
			wrong += !!memory.at[page * PAGE] || !!memory.at[page * PAGE + 1];
	}
	end_punching(thread);
	check(&c, !wrong, "%lu pages had something after they were taken back", wrong);
	end(&g);
}

static void run(unsigned long calls)
{
	no_call_fails(calls);
	each_page_is_measured_once();
	no_ciphertext_afterwards(calls * 3);
}

int main(int argc, char **argv)
{
	unsigned long calls = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;

	memory.fd = -1;
	memory.at = pages(SIZE);
	run(calls);
	munmap(memory.at, SIZE);
	memory.fd = memfd_create("launched", MFD_CLOEXEC);
	need(memory.fd >= 0 && !ftruncate(memory.fd, SIZE), "memfd_create");
	memory.at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
	need(memory.at != MAP_FAILED, "mmap");
	run(calls);
	return checks_end(&c);
}
