/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp.h - what a guest of SEV-SNP does beside SEV-ES: it says of each page of its memory that it
 * is in use (PVALIDATE), agrees with the hypervisor which are shared, and asks the secure
 * processor itself.
 *
 * All addresses of [va, va + size) are mapped at their own guest physical addresses.
 */
#pragma once
#include "guest.h"

#define SEV_STATUS_SNP		4u

/* What was launched for SNP guests only (softcvm run's choice). */
#define GUEST_SECRETS		0x5000ul
#define GUEST_CPUID_TABLE	0x6000ul

#define GUEST_LARGE_PAGE	0x200000ul

enum snp_size { SNP_4K, SNP_2M };
static inline uint64_t snp_bytes(enum snp_size size)
{
	return size == SNP_2M ? GUEST_LARGE_PAGE : GUEST_PAGE;
}

static inline bool guest_is_snp(void)
{
	return guest_sev_status & SEV_STATUS_SNP;
}

/* EAX of the three instructions. */
enum {
	SNP_DONE		= 0,
	SNP_FAIL_INPUT		= 1,
	SNP_FAIL_PERMISSION	= 2,
	SNP_FAIL_SIZEMISMATCH	= 6,
};
#define SNP_NO_CHANGE		0x100u	/* PVALIDATE's carry: it was so already */

/* Rights of a VMPL. */
#define SNP_READ		1u
#define SNP_WRITE		2u
#define SNP_EXECUTE_USER	4u
#define SNP_EXECUTE		8u
#define SNP_VMSA		0x100u	/* the page is a VMSA */

/* The instructions, nothing else. */
unsigned snp_pvalidate(uint64_t va, enum snp_size size, bool validate);
unsigned snp_rmpadjust(uint64_t va, enum snp_size size, unsigned vmpl, unsigned rights);
struct snp_query { unsigned code, rights; enum snp_size size; };
struct snp_query snp_rmpquery(uint64_t va, unsigned vmpl);

/*
 * All of a range, by 2M where that is aligned, by 4K where the hypervisor's page is small.  What
 * PVALIDATE refuses, and what was so already, ends the guest, as it ends Linux.
 */
void snp_validate(uint64_t va, uint64_t size, bool validate);

enum snp_state { SNP_PRIVATE = 1, SNP_SHARED = 2 };
/* Asks the hypervisor, by the MSR, for one 4K page: its error, 0 if it did. */
uint32_t snp_change_page(uint64_t gpa, enum snp_state to);
/*
 * The same by the GHCB, for all of a range in entries of one size: how many requests it took.  An
 * answer that is not according to the protocol, or a refusal, ends the guest.
 */
unsigned snp_change(uint64_t gpa, uint64_t size, enum snp_state to, enum snp_size entries);

/* The whole way, in the order that the protocol needs; page tables too. */
void snp_share(uint64_t va, uint64_t size, enum snp_size by);
void snp_unshare(uint64_t va, uint64_t size, enum snp_size by);

/* What the hypervisor can do for SNP guests: bit 0 SNP, 1 AP creation. */
uint64_t snp_hypervisor_features(void);

/* snp_cpuid.c: from the table that the secure processor checked; not there: zeros. */
struct guest_cpuid snp_cpuid(uint32_t leaf, uint32_t subleaf);
unsigned snp_cpuid_entries(void);

/* snp_cpu.c: INIT and SIPI will have @apic_id begin in guest_cpu_begin(), with a VMSA of ours. */
void snp_cpu_create(unsigned apic_id);

/*
 * snp_request.c: a message to the secure processor, under the key of VMPL 0.  Payload of the
 * answer to @answer; how many bytes, or -1 - the firmware's error.  One processor at a time.
 */
int snp_request(uint8_t type, const void *payload, size_t n, void *answer, size_t most);

/* convert.c: 256 MiB there and back, with processor 1; 0: nothing was wrong. */
int guest_convert(enum snp_size by);

/* gcm.c: AES-256-GCM of whole messages, 12 bytes of IV; false: the tag is another. */
void gcm_encrypt(const uint8_t key[32], const uint8_t iv[12], const void *aad, size_t nr_aad,
		 uint8_t *text, size_t n, uint8_t tag[16]);
bool gcm_decrypt(const uint8_t key[32], const uint8_t iv[12], const void *aad, size_t nr_aad,
		 uint8_t *text, size_t n, const uint8_t tag[16]);
