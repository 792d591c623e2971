/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_gmem_race.c - a guest_memfd that the VMM maps, everything at once: holes
 * by fallocate and madvise, memslots over the file and over a mapping of it
 * that come and go, mappings that do, and a guest.  It ends, and the auditor
 * (--audit) has found nothing; each reader of a page sees what is there.
 *
 * usage: test_gmem_race [ROUNDS]	(default 3000)
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check_libc.h"
#include "flat_guest.h"

#define NR_PAGES	16UL
#define SIZE		(NR_PAGES * PAGE)
#define BOTH		(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define PUNCH		(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)
#define BY_FILE		0x10000000UL	/* slot 1 */
#define BY_MAPPING	0x11000000UL	/* slot 2 */

static struct checks c;
static struct flat_guest g;
static unsigned rounds = 3000;
static atomic_bool done;
static int file;
static char *mapping;

/* incq (%rax); incq (%rbx); out %al,$0x10 */
static const char code[] = { 0x48, (char)0xff, 0x00, 0x48, (char)0xff, 0x03, (char)0xe6, 0x10 };

static void *map_at(void *at)
{
	void *p = mmap(at, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), file, 0);

	need(p != MAP_FAILED, "mmap");
	return p;
}

static long add_by_file(void)
{
	return vm_region_gmem(g.vm, 1, BY_FILE, SIZE, NULL, file, 0);
}

static long add_by_mapping(void)
{
	return vm_region(g.vm, 2, 0, BY_MAPPING, SIZE, mapping);
}

static void *punches(void *unused)
{
	(void)unused;
	for (unsigned i = 0; !atomic_load(&done); i++)
		IS(0, fallocate(file, PUNCH, i % NR_PAGES * PAGE, (i % 3 + 1) * PAGE));
	return NULL;
}

static void *removes(void *unused)
{
	(void)unused;
	for (unsigned i = 0; !atomic_load(&done); i++) {
		if (i % 8 == 7)
			map_at(mapping);
		else
			IS(0, madvise(mapping + i % NR_PAGES * PAGE, PAGE,
				      i % 2 ? MADV_REMOVE : MADV_DONTNEED));
	}
	return NULL;
}

static void *stores(void *unused)
{
	(void)unused;
	for (unsigned i = 0; !atomic_load(&done); i++)
		*(volatile char *)(mapping + i % NR_PAGES * PAGE + PAGE / 2) = (char)i;
	return NULL;
}

/* Where a slot is on its way the guest's access is MMIO; where it is there, none is. */
static void *runs(void *unused)
{
	struct kvm_regs regs = flat_guest_regs(&g, code);

	(void)unused;
	for (unsigned i = 0; !atomic_load(&done); i++) {
		long r;

		regs.rax = BY_FILE + i % NR_PAGES * PAGE;
		regs.rbx = BY_MAPPING + i % NR_PAGES * PAGE;
		flat_guest_set(&g, &regs);
		do
			r = flat_guest_run(&g);
		while (!r && g.run->exit_reason == KVM_EXIT_MMIO);
		IS(0, r);
		IS(KVM_EXIT_IO, g.run->exit_reason);
	}
	return NULL;
}

static void *(*const bodies[])(void *) = { punches, removes, stores, runs };
#define NR_THREADS	(sizeof(bodies) / sizeof(bodies[0]))

static void slots_come_and_go(void)
{
	for (unsigned i = 0; i < rounds; i++) {
		IS(0, vm_region(g.vm, 1 + i % 2, 0, 0, 0, NULL));
		IS(0, i % 2 ? add_by_mapping() : add_by_file());
	}
}

/* When all is quiet all see one page, and the hole after it. */
static void is_whole(void)
{
	struct kvm_regs regs = flat_guest_regs(&g, code);
	volatile uint64_t *p = (uint64_t *)mapping;

	IS(0, fallocate(file, PUNCH, 0, SIZE));
	for (size_t i = 0; i < SIZE / sizeof(*p); i++)
		if (p[i])
			check(&c, false, "a word of the hole is %#llx", (unsigned long long)p[i]);
	regs.rax = BY_FILE;
	regs.rbx = BY_MAPPING;
	flat_guest_set(&g, &regs);
	IS(0, flat_guest_run(&g));
	IS(KVM_EXIT_IO, g.run->exit_reason);
	IS(2, p[0]);
}

int main(int argc, char **argv)
{
	pthread_t threads[NR_THREADS];

	if (argc > 1)
		rounds = (unsigned)strtoul(argv[1], NULL, 10);
	flat_guest_make(&g, 0, false, code, sizeof(code));
	file = (int)vm_gmem(g.vm, SIZE, BOTH);
	need(file >= 0, "KVM_CREATE_GUEST_MEMFD");
	mapping = map_at(NULL);
	IS(0, add_by_file());
	IS(0, add_by_mapping());
	for (size_t i = 0; i < NR_THREADS; i++)
		need(!pthread_create(&threads[i], NULL, bodies[i], NULL), "pthread_create");
	slots_come_and_go();
	atomic_store(&done, true);
	for (size_t i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	is_whole();
	munmap(mapping, SIZE);
	close(file);
	flat_guest_free(&g);
	return checks_end(&c);
}
