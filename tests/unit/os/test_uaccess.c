/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/uaccess.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/page.h"

#define GOOD	((size_t)PAGE_SIZE)

/* One page that is there, and one behind it that is not. */
static uint8_t *edge_page(int prot)
{
	uint8_t *p = mmap(NULL, 2 * GOOD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	for (size_t i = 0; i < GOOD; i++)
		p[i] = (uint8_t)(i * 7 + 1);
	assert_int_equal(mprotect(p + GOOD, GOOD, PROT_NONE), 0);
	assert_int_equal(mprotect(p, GOOD, prot), 0);
	return p;
}

static void drop(uint8_t *p)
{
	munmap(p, 2 * GOOD);
}

/* Every length that ends around the page's end, from every nearby offset. */
static void copies_stop_at_the_very_byte(void **unused)
{
	uint8_t *p = edge_page(PROT_READ | PROT_WRITE);
	uint8_t buf[160], want[160], old[160];

	assert_int_equal(os_uaccess_install(), 0);
	for (size_t room = 0; room <= 70; room++) {
		for (size_t n = 0; n <= 140; n += n < 80 ? 1 : 13) {
			uint8_t *at = p + GOOD - room;
			size_t ok = n < room ? n : room;
			uint8_t fill = (uint8_t)(n ^ room);

			memset(buf, 0xee, sizeof(buf));
			memset(want, 0xee, sizeof(want));
			memcpy(want, at, ok);
			assert_int_equal(os_copy_from(buf, at, n), n - ok);
			assert_memory_equal(buf, want, sizeof(buf));

			memset(buf, fill, sizeof(buf));
			memcpy(old, at, room);
			assert_int_equal(os_copy_to(at, buf, n), n - ok);
			for (size_t i = 0; i < room; i++)
				assert_int_equal(at[i], i < ok ? fill : old[i]);

			memset(at, 0x5a, room);
			assert_int_equal(os_clear(at, n), n - ok);
			for (size_t i = 0; i < room; i++)
				assert_int_equal(at[i], i < ok ? 0 : 0x5a);
		}
	}
	drop(p);
}

static void big_copies_stop_there_too(void **unused)
{
	uint8_t *p = edge_page(PROT_READ | PROT_WRITE);
	static uint8_t buf[2 * PAGE_SIZE];

	assert_int_equal(os_uaccess_install(), 0);
	for (size_t offset = 0; offset < GOOD; offset += 61) {
		memset(buf, 0, sizeof(buf));
		assert_int_equal(os_copy_from(buf, p + offset, GOOD), offset);
		assert_memory_equal(buf, p + offset, GOOD - offset);
		assert_int_equal(os_copy_to(p + offset, buf, GOOD), offset);
	}
	assert_int_equal(os_copy_from(buf, p, GOOD), 0);
	drop(p);
}

/* Addresses no copy can use, whatever the processor calls the fault. */
static void wild_addresses_fail(void **unused)
{
	static const uint64_t wild[] = {
		0, 1, 0xfff, 0x00007ffffffff000, 0x0000800000000000, 0x8000000000000000,
		0xffff800000000000, 0xffffffffffffffff,
	};

	assert_int_equal(os_uaccess_install(), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
		void *p = (void *)wild[i];
		uint64_t v = 0x1234, old = 5;
		uint8_t b = 9;

		assert_int_equal(os_copy_from(&v, p, 8), 8);
		assert_int_equal(os_copy_to(p, &v, 8), 8);
		assert_int_equal(os_clear(p, 8), 8);
		assert_false(os_load64(p, &v));
		assert_int_equal(v, 0x1234);
		assert_false(os_load8(p, &b));
		assert_int_equal(b, 9);
		assert_false(os_store64(p, 1));
		assert_int_equal(os_cas64(p, &old, 6), OS_CAS_FAULT);
		assert_int_equal(old, 5);
		assert_false(os_prefault(p, false));
		assert_false(os_prefault(p, true));
	}
}

#define CHECK_WIDTH(bits)							\
static void width_##bits(uint8_t *p)						\
{										\
	uint##bits##_t v, old, got;						\
										\
	for (size_t room = 0; room <= 2 * sizeof(v); room++) {			\
		uint8_t *at = p + GOOD - room;					\
		bool fits = room >= sizeof(v);					\
										\
		v = got = (uint##bits##_t)0x5aa5a55a5aa5a55a;			\
		assert_int_equal(os_store##bits(at, v), fits);			\
		assert_int_equal(os_load##bits(at, &got), fits);		\
		assert_true(got == v);						\
		old = (uint##bits##_t)~v;					\
		assert_int_equal(os_cas##bits(at, &old, 1),			\
				 fits ? OS_CAS_LOST : OS_CAS_FAULT);		\
		assert_true(old == (fits ? v : (uint##bits##_t)~v));		\
		old = v;							\
		assert_int_equal(os_cas##bits(at, &old, 1),			\
				 fits ? OS_CAS_WON : OS_CAS_FAULT);		\
		if (fits) {							\
			assert_true(os_load##bits(at, &got));			\
			assert_int_equal(got, 1);				\
		}								\
	}									\
}
CHECK_WIDTH(8)
CHECK_WIDTH(16)
CHECK_WIDTH(32)
CHECK_WIDTH(64)

static void single_accesses_cross_the_end_or_do_not(void **unused)
{
	uint8_t *p = edge_page(PROT_READ | PROT_WRITE);

	assert_int_equal(os_uaccess_install(), 0);
	width_8(p);
	width_16(p);
	width_32(p);
	width_64(p);
	drop(p);
}

static void read_only_memory_takes_no_writes(void **unused)
{
	uint8_t *p = edge_page(PROT_READ);
	uint32_t v = 0, old;

	assert_int_equal(os_uaccess_install(), 0);
	assert_true(os_load32(p, &v));
	old = v;
	assert_false(os_store32(p, 1));
	assert_int_equal(os_cas32(p, &old, 1), OS_CAS_FAULT);
	old = v + 1;	/* a lost exchange needs a writable page as well */
	assert_int_equal(os_cas32(p, &old, 1), OS_CAS_FAULT);
	assert_int_equal(os_copy_to(p, &old, 4), 4);
	assert_true(os_prefault(p, false));
	assert_false(os_prefault(p, true));
	assert_true(os_load32(p, &old));
	assert_int_equal(old, v);
	drop(p);
}

static void prefault_changes_no_byte(void **unused)
{
	uint8_t *p = edge_page(PROT_READ | PROT_WRITE);
	uint8_t before[PAGE_SIZE];

	assert_int_equal(os_uaccess_install(), 0);
	memcpy(before, p, GOOD);
	for (size_t i = 0; i < GOOD; i += 17)
		assert_true(os_prefault(p + i, i & 1));
	assert_memory_equal(before, p, GOOD);
	assert_false(os_prefault(p + GOOD, false));
	drop(p);
}

/* Another process counts in the very word that we prefault. */
static void prefault_loses_no_concurrent_write(void **unused)
{
	uint32_t *p = mmap(NULL, GOOD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const uint32_t nr = 300000;
	int status = -1;
	pid_t pid;

	assert_int_equal(os_uaccess_install(), 0);
	pid = fork();
	if (!pid) {
		for (uint32_t i = 0; i < nr; i++)
			__atomic_fetch_add(p, 1, __ATOMIC_RELAXED);
		_exit(0);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		for (int i = 0; i < 1000; i++)
			assert_true(os_prefault((uint8_t *)p + i % 4, true));
	}
	assert_int_equal(status, 0);
	assert_int_equal(*p, nr);
	munmap(p, GOOD);
}

/* A file that ends earlier than its mapping: SIGBUS. */
static void beyond_the_end_of_a_file(void **unused)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	uint8_t *p;
	uint8_t b;

	assert_int_equal(os_uaccess_install(), 0);
	assert_int_equal(ftruncate(fd, (off_t)GOOD), 0);
	p = mmap(NULL, 2 * GOOD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(os_load8(p + GOOD - 1, &b));
	assert_false(os_load8(p + GOOD, &b));
	assert_int_equal(os_clear(p + GOOD - 3, 10), 7);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_false(os_prefault(p, true));
	munmap(p, 2 * GOOD);
	close(fd);
}

/* A fault that is not ours reaches whoever had the signal before us. */
static sigjmp_buf back;

static void programs_own(int sig)
{
	siglongjmp(back, sig);
}

static void foreign_faults_are_passed_on(void **unused)
{
	struct sigaction own = { .sa_handler = programs_own };
	uint8_t *p = edge_page(PROT_READ);
	uint8_t b;

	sigaction(SIGSEGV, &own, NULL);
	sigaction(SIGBUS, &own, NULL);
	assert_int_equal(os_uaccess_install(), 0);
	assert_false(os_load8(p + GOOD, &b));
	if (!sigsetjmp(back, 1)) {
		*(volatile uint8_t *)p = 1;
		fail();
	}
	if (!sigsetjmp(back, 1)) {
		raise(SIGBUS);
		fail();
	}
	drop(p);
}

static uint32_t stop;

static void interrupt(int sig, siginfo_t *info, void *ucontext)
{
	(void)sig, (void)info;
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	os_wait_interrupt(ucontext);
}

static void a_wait_answers_as_a_prefault_or_stops(void **unused)
{
	uint8_t *p = edge_page(PROT_READ | PROT_WRITE), *q = edge_page(PROT_READ);
	uint32_t go_on = 0, no_more = 1;

	(void)unused;
	assert_int_equal(os_uaccess_install(), 0);
	p[3] = 7;
	for (int write = 0; write < 2; write++) {
		assert_int_equal(os_wait_for_page(p + 3, write, &go_on), OS_PRESENT);
		assert_int_equal(os_wait_for_page(p + GOOD, write, &go_on), OS_ABSENT);
		assert_int_equal(os_wait_for_page(q, write, &go_on), write ? OS_ABSENT : OS_PRESENT);
		assert_int_equal(os_wait_for_page(p + 3, write, &no_more), OS_INTERRUPTED);
		assert_int_equal(os_wait_for_page(p + GOOD, write, &no_more), OS_INTERRUPTED);
	}
	assert_int_equal(p[3], 7);
	drop(p);
	drop(q);
}

/* A page that nobody supplies, and a signal. */
static void a_signal_ends_a_wait(void **unused)
{
	struct sigaction act = { .sa_sigaction = interrupt, .sa_flags = SA_SIGINFO };
	const struct itimerval soon = { { 0, 20000 }, { 0, 20000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct uffdio_api api = { .api = UFFD_API };
	uint8_t *p = edge_page(PROT_READ | PROT_WRITE);
	struct uffdio_register reg = { .range = { (uintptr_t)p & PAGE_MASK, PAGE_SIZE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);

	(void)unused;
	if (UNDER_TSAN) {
		print_message("ThreadSanitizer holds signals back until libc is called\n");
		skip();
	}
	if (fd < 0) {
		print_message("no userfaultfd here (%d)\n", errno);
		skip();
	}
	assert_int_equal(ioctl(fd, UFFDIO_API, &api), 0);
	assert_int_equal(madvise((void *)((uintptr_t)p & PAGE_MASK), PAGE_SIZE, MADV_DONTNEED), 0);
	assert_int_equal(ioctl(fd, UFFDIO_REGISTER, &reg), 0);
	assert_int_equal(sigaction(SIGALRM, &act, NULL), 0);
	for (int write = 0; write < 2; write++) {
		stop = 0;
		/* Again and again: one that comes before the wait ends it, too. */
		assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
		assert_int_equal(os_wait_for_page(p, write, &stop), OS_INTERRUPTED);
	}
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	close(fd);
	drop(p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_stop_at_the_very_byte),
		cmocka_unit_test(big_copies_stop_there_too),
		cmocka_unit_test(wild_addresses_fail),
		cmocka_unit_test(single_accesses_cross_the_end_or_do_not),
		cmocka_unit_test(read_only_memory_takes_no_writes),
		cmocka_unit_test(prefault_changes_no_byte),
		cmocka_unit_test(prefault_loses_no_concurrent_write),
		cmocka_unit_test(a_wait_answers_as_a_prefault_or_stops),
		cmocka_unit_test(a_signal_ends_a_wait),
		cmocka_unit_test(beyond_the_end_of_a_file),
		cmocka_unit_test(foreign_faults_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
