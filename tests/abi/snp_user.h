/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_user.h - an SNP VM for ABI tests, made and launched step by step.
 *
 * Slot 0 is [0, SNP_SIZE), with a guest_memfd for its private side. The image,
 * [SNP_IMAGE, SNP_IMAGE_END), is private: tables that map the slot with the C-bit
 * at 0 and without at SNP_SHARED, and a program that does what the mailbox, a
 * shared page, asks for. Single-threaded.
 */
#ifndef TESTS_ABI_SNP_USER_H
#define TESTS_ABI_SNP_USER_H

#include <stdint.h>

#include "kvm_user.h"
#include "long_mode.h"

#define SNP_SIZE	(4UL << 20)
#define SNP_IMAGE	0x1000UL
#define SNP_CODE	(SNP_IMAGE + SEV_TABLES)
#define SNP_IMAGE_END	0x6000UL
#define SNP_MAILBOX	0x200000UL	/* shared; so is the page behind it */
#define SNP_BUFFER	(SNP_MAILBOX + PAGE)
#define SNP_SHARED	SEV_SHARED
#define SNP_POLICY	0x30000ULL

struct snp_guest {
	int		kvm, sev, vm, gmem, vcpu;	/* vcpu: -1: none */
	struct kvm_run	*run;
	uint8_t		*memory;		/* the shared side of slot 0 */
	uint64_t	c_bit;
};

/* KVM_MEMORY_ENCRYPT_OP: 0 or -errno; *error as the firmware left it, or NULL. */
long snp_op(const struct snp_guest *g, uint32_t id, void *data, uint32_t *error);

/* A VM after KVM_SEV_INIT2, with its slot; nothing of it is private. */
void snp_make(struct snp_guest *g);
/* One vCPU that will start the image's program; before the launch. */
void snp_add_vcpu(struct snp_guest *g);
void snp_end(struct snp_guest *g);

/* Steps of a launch that must succeed. */
void snp_start(const struct snp_guest *g);
/* [@gpa, @gpa + @size) becomes private, with the bytes at @from (of KVM_SEV_SNP_PAGE_TYPE_@type). */
void snp_put(const struct snp_guest *g, uint64_t gpa, const void *from, uint64_t size, uint8_t type);
/* The image: from SNP_IMAGE on. */
void snp_image(const struct snp_guest *g, uint8_t image[SNP_IMAGE_END - SNP_IMAGE]);
void snp_finish(const struct snp_guest *g);

/* KVM_RUN to the guest's next HLT; exits when it is anything else. */
void snp_run(const struct snp_guest *g);
/* The guest's program, run and halted before, copies between linear addresses. */
void snp_copy(const struct snp_guest *g, uint64_t to, uint64_t from, uint64_t size);
/* The same, told only: the next KVM_RUN does it. */
void snp_ask_copy(const struct snp_guest *g, uint64_t to, uint64_t from, uint64_t size);
/* The next KVM_RUN puts @value into the GHCB MSR, and VMGEXIT. */
void snp_ask_msr(const struct snp_guest *g, uint64_t value);
/* Puts it there, and what the MSR has after VMGEXIT; for requests that KVM answers by itself. */
uint64_t snp_msr(const struct snp_guest *g, uint64_t value);

#endif
