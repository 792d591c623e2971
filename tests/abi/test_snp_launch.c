/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_launch.c - an SNP guest is launched and runs: what it finds in the
 * pages of each type, what others see of them, how it ends; and the launch digest,
 * worked out here from the bytes and compared with what the ID block is told of.
 *
 * The ID block's checks come one after the other (SEV-SNP firmware ABI 8.18): a
 * wrong digest is 11, a wrong policy 7, and a key of no known kind 22; so 22 says
 * that the digest was right, and nobody need sign anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snp_digest.h"
#include "snp_user.h"

#define TEXT		0x100000UL	/* NORMAL */
#define BLANK		0x101000UL	/* ZERO */
#define UNMEASURED	0x102000UL
#define SECRETS		0x103000UL
#define CPUID		0x104000UL
#define END		0x105000UL

#define BAD_MEASUREMENT	11u
#define POLICY_FAILURE	7u
#define INVALID_PARAM	22u

static struct checks c;
static uint8_t text[PAGE], image[SNP_IMAGE_END - SNP_IMAGE], nothing[PAGE];

static void put(const struct snp_guest *g, uint8_t digest[48], uint8_t type, uint64_t gpa,
		const uint8_t *from, size_t size)
{
	snp_put(g, gpa, from, size, type);
	for (size_t at = 0; at < size; at += PAGE)
		snp_digest_page(digest, type, gpa + at, from + at);
}

static void launch_pages(const struct snp_guest *g, uint8_t digest[48])
{
	memset(digest, 0, 48);
	snp_start(g);
	snp_image(g, image);
	put(g, digest, KVM_SEV_SNP_PAGE_TYPE_NORMAL, SNP_IMAGE, image, sizeof(image));
	put(g, digest, KVM_SEV_SNP_PAGE_TYPE_NORMAL, TEXT, text, PAGE);
	put(g, digest, KVM_SEV_SNP_PAGE_TYPE_ZERO, BLANK, nothing, PAGE);
	put(g, digest, KVM_SEV_SNP_PAGE_TYPE_UNMEASURED, UNMEASURED, text, PAGE);
	put(g, digest, KVM_SEV_SNP_PAGE_TYPE_SECRETS, SECRETS, nothing, PAGE);
	put(g, digest, KVM_SEV_SNP_PAGE_TYPE_CPUID, CPUID, nothing, PAGE);
}

/* LAUNCH_FINISH with an ID block of @digest and @policy: what the firmware says. */
static uint32_t finish_with(const struct snp_guest *g, const uint8_t digest[48], uint64_t policy)
{
	static uint8_t id_auth[PAGE];
	uint8_t id_block[96] = { 0 };
	struct kvm_sev_snp_launch_finish finish = {
		.id_block_uaddr = (uintptr_t)id_block, .id_auth_uaddr = (uintptr_t)id_auth,
		.id_block_en = 1,
	};
	uint32_t error = 0;
	long r;

	memcpy(id_block, digest, 48);
	id_block[80] = 1;
	memcpy(id_block + 88, &policy, sizeof(policy));
	r = snp_op(g, KVM_SEV_SNP_LAUNCH_FINISH, &finish, &error);
	check(&c, r == -EIO, "LAUNCH_FINISH: %s", errno_name(-r));
	return error;
}

/* Without vCPUs an end that failed may be tried again. */
static void digest_of_pages(void)
{
	uint8_t digest[48], wrong[48];
	struct snp_guest g;

	snp_make(&g);
	launch_pages(&g, digest);
	memcpy(wrong, digest, 48);
	wrong[47] ^= 1;
	check(&c, finish_with(&g, wrong, SNP_POLICY) == BAD_MEASUREMENT, "a wrong digest");
	check(&c, finish_with(&g, digest, SNP_POLICY | 1 << 19) == POLICY_FAILURE, "a wrong policy");
	check(&c, finish_with(&g, digest, SNP_POLICY) == INVALID_PARAM,
	      "the digest of the pages is the one worked out");
	snp_finish(&g);
	snp_end(&g);
}

static void digest_of_vcpus(void)
{
	uint8_t digest[48];
	struct snp_guest g;

	snp_make(&g);
	snp_add_vcpu(&g);
	launch_pages(&g, digest);
	snp_digest_vcpu(digest, g.vcpu);
	check(&c, finish_with(&g, digest, SNP_POLICY) == INVALID_PARAM,
	      "the digest with a vCPU is the one worked out");
	snp_end(&g);
}

/* ---- the guest ---- */

/* What the guest reads at @gpa, with the C-bit or without. */
static const uint8_t *guest_reads(const struct snp_guest *g, uint64_t gpa, bool c_bit)
{
	snp_copy(g, SNP_SHARED + SNP_BUFFER, (c_bit ? 0 : SNP_SHARED) + gpa, PAGE);
	return g->memory + SNP_BUFFER;
}

static void contents(const struct snp_guest *g)
{
	uint8_t cipher[PAGE];
	uint32_t version;

	check(&c, !memcmp(guest_reads(g, TEXT, true), text, PAGE), "a page as it was given");
	check(&c, !memcmp(guest_reads(g, BLANK, true), nothing, PAGE), "a page of zeros");
	check(&c, !memcmp(guest_reads(g, UNMEASURED, true), text, PAGE), "a page not measured");
	memcpy(&version, guest_reads(g, SECRETS, true), sizeof(version));
	check(&c, version == 3, "the page of secrets has version %u", version);
	check(&c, !memcmp(guest_reads(g, CPUID, true), nothing, PAGE), "a CPUID page without entries");
	memcpy(cipher, guest_reads(g, TEXT, false), PAGE);
	check(&c, memcmp(cipher, text, 16) && memcmp(cipher, nothing, 16),
	      "without the C-bit: ciphertext, and no exit");
	check(&c, !memcmp(guest_reads(g, TEXT, false), cipher, PAGE), "the same a second time");
	check(&c, !memcmp(guest_reads(g, TEXT, true), text, PAGE), "and with it the text again");
	check(&c, !memcmp(g->memory + TEXT, nothing, PAGE), "the shared side has nothing of it");
}

/* A private page is not to be written without the C-bit. */
static void wrong_write(const struct snp_guest *g)
{
	long r;

	snp_ask_copy(g, SNP_SHARED + TEXT, SNP_SHARED + SNP_BUFFER, 1);
	r = kvm_ioctl(g->vcpu, KVM_RUN, 0);
	check(&c, r == -EFAULT && g->run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
		  g->run->memory_fault.gpa == TEXT && g->run->memory_fault.size == PAGE &&
		  !g->run->memory_fault.flags,
	      "a write without the C-bit: %s, exit %u", errno_name(-r), g->run->exit_reason);
}

static void terminate(const struct snp_guest *g)
{
	long r;

	snp_ask_msr(g, 0x100 | 7ULL << 16);
	r = kvm_ioctl(g->vcpu, KVM_RUN, 0);
	check(&c, !r && g->run->exit_reason == KVM_EXIT_SYSTEM_EVENT &&
		  g->run->system_event.type == KVM_SYSTEM_EVENT_SEV_TERM &&
		  g->run->system_event.ndata == 1 &&
		  g->run->system_event.data[0] == (0x100 | 7ULL << 16),
	      "the guest ends: %s, exit %u", errno_name(-r), g->run->exit_reason);
}

/* fallocate finds launched pages there, and makes anew what has gone. */
static void allocates(const struct snp_guest *g)
{
	check(&c, !fallocate(g->gmem, FALLOC_FL_KEEP_SIZE, 0, SNP_SIZE), "fallocate of all");
	check(&c, !memcmp(guest_reads(g, TEXT, true), text, PAGE), "nothing has changed by that");
	check(&c, !fallocate(g->gmem, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, UNMEASURED, PAGE) &&
		  !fallocate(g->gmem, FALLOC_FL_KEEP_SIZE, 0, SNP_SIZE),
	      "fallocate of a hole between launched pages");
	check(&c, !memcmp(guest_reads(g, TEXT, true), text, PAGE), "nor by that");
}

static void launched(struct snp_guest *g)
{
	uint8_t digest[48];

	snp_make(g);
	snp_add_vcpu(g);
	launch_pages(g, digest);
	snp_finish(g);
}

static void run(void)
{
	struct snp_guest g;

	launched(&g);
	snp_run(&g);
	contents(&g);
	allocates(&g);
	terminate(&g);
	snp_end(&g);
	launched(&g);
	snp_run(&g);
	guest_reads(&g, TEXT, true);
	wrong_write(&g);
	snp_end(&g);
}

static void run_fails(const struct snp_guest *g, const char *what)
{
	long r = kvm_ioctl(g->vcpu, KVM_RUN, 0);

	check(&c, !r && g->run->exit_reason == KVM_EXIT_FAIL_ENTRY &&
		  g->run->fail_entry.hardware_entry_failure_reason == ~0ULL,
	      "KVM_RUN %s: %s, exit %u", what, errno_name(-r), g->run->exit_reason);
}

/* VMRUN wants a page that the firmware has made a vCPU's; until then nothing runs. */
static void too_early(void)
{
	uint8_t digest[48];
	struct snp_guest g;

	snp_make(&g);
	snp_add_vcpu(&g);
	run_fails(&g, "before the launch");
	launch_pages(&g, digest);
	run_fails(&g, "within the launch");
	snp_finish(&g);
	snp_run(&g);
	check(&c, !memcmp(guest_reads(&g, TEXT, true), text, PAGE), "and after it the guest runs");
	snp_end(&g);
}

/* A vCPU that comes after the launch was not measured. */
static void too_late(void)
{
	uint8_t digest[48];
	struct snp_guest g;

	snp_make(&g);
	launch_pages(&g, digest);
	snp_finish(&g);
	snp_add_vcpu(&g);
	run_fails(&g, "of a vCPU that was not launched");
	snp_end(&g);
}

/* The pages that a guest had can be another's, by a hole in the file. */
static void again(void)
{
	uint8_t digest[48];

	for (int i = 0; i < 200; i++) {		/* more than there are ASIDs */
		struct snp_guest g;

		snp_make(&g);
		launch_pages(&g, digest);
		snp_end(&g);
	}
	check(&c, true, "200 guests, one after the other");
}

int main(void)
{
	for (unsigned i = 0; i < PAGE; i++)
		text[i] = (uint8_t)(i * 31 + i / 256 + 1);
	digest_of_pages();
	digest_of_vcpus();
	run();
	too_early();
	too_late();
	again();
	return checks_end(&c);
}
