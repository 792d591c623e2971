/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_host_splits.c - a store of KVM's beside a page that an SNP guest has, in memory that
 * converts in place on the host's large pages (docs/design/host-access.md, "The host's page
 * tables").  The script host-splits reads the counters.
 *
 * KVM stores the wall clock where it is told to, through the VMM's mapping: a host write.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snp_user.h"

#define GPA		0x40000000UL
#define HUGE		(2UL << 20)
#define SIZE		(3 * HUGE)
#define MSR_WALL_CLOCK	0x4b564d00u

static struct checks c;

/* KVM writes the version, 12 bytes in all; a caller cannot see whether it could. */
static void store_clock(const struct snp_guest *g, uint64_t gpa)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} set = { .head.nmsrs = 1, .entry = { .index = MSR_WALL_CLOCK, .data = gpa } };

	check(&c, kvm_ioctlp(g->vcpu, KVM_SET_MSRS, &set) == 1, "KVM_SET_MSRS of the wall clock");
}

static bool has_clock(const char *at)
{
	uint32_t clock[3];

	memcpy(clock, at, sizeof(clock));
	return clock[0] && !(clock[0] & 1) && clock[1];
}

int main(void)
{
	static const char text[PAGE] __attribute__((aligned(PAGE))) = "a page of the guest's";
	struct snp_guest g;
	char *memory;
	long gmem;

	snp_make(&g);
	snp_add_vcpu(&g);
	gmem = vm_gmem(g.vm, SIZE, GUEST_MEMFD_FLAG_MMAP);
	need(gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, (int)gmem, 0);
	need(memory != MAP_FAILED, "mmap");
	need(!vm_region_gmem(g.vm, 1, GPA, SIZE, memory, (int)gmem, 0), "slot 1");
	snp_start(&g);

	/* Three times 2 MiB, of which two get a page of the guest's. */
	for (unsigned i = 0; i < 3; i++)
		store_clock(&g, GPA + i * HUGE);
	snp_put(&g, GPA + 5 * PAGE, text, PAGE, KVM_SEV_SNP_PAGE_TYPE_NORMAL);
	snp_put(&g, GPA + HUGE + 511 * PAGE, text, PAGE, KVM_SEV_SNP_PAGE_TYPE_NORMAL);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned page = 1; page < 4; page++) {
			store_clock(&g, GPA + i * HUGE + page * PAGE);
			check(&c, has_clock(memory + i * HUGE + page * PAGE), "the clock is in page %u of 2 MiB %u",
			      page, i);
		}
	}
	snp_finish(&g);
	munmap(memory, SIZE);
	close((int)gmem);
	snp_end(&g);
	return checks_end(&c);
}
