/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_attempts.h - what test_snp_errno tries on a VM, by the words that
 * docs/facts/snp-kvm-ioctls.tsv has for it: one ioctl with one argument that is not
 * as it should be, and what is looked at afterwards.
 */
#ifndef TESTS_ABI_SNP_ATTEMPTS_H
#define TESTS_ABI_SNP_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "snp_user.h"

#define SNP_UNTOUCHED	0xdeadu		/* the error field before */
#define SNP_MAX_VCPUS	2
#define SNP_MAX_OTHERS	200

/* AT_SEV, AT_SEV_ES: initialised VMs of those types; NR_SNP_STATES: one without SEV. */
enum snp_state { AT_CREATED, AT_INIT, AT_STARTED, AT_RUNNING, AT_SEV, AT_SEV_ES, NR_SNP_STATES };

struct snp_trial {
	/* by the caller */
	enum snp_state	state;
	unsigned	variant;	/* where one row has several: 0, ... */
	uint32_t	error;		/* in, out */
	/* by snp_trial_make(), changed by the attempt's tweak */
	struct snp_guest g;
	int		vcpus[SNP_MAX_VCPUS];
	unsigned	nr_vcpus;
	uint8_t		*source;	/* what LAUNCH_UPDATE copies: four pages */
	uint8_t		digest[48];	/* of what a FINISH will have measured */
	int		others[SNP_MAX_OTHERS];	/* VMs */
	unsigned	nr_others;
	int		fd;		/* sev_fd of the command */
	uint32_t	id;
	void		*data;		/* the command's argument: */
	union {
		struct kvm_sev_init init;
		struct kvm_sev_snp_launch_start start;
		struct kvm_sev_snp_launch_update update;
		struct kvm_sev_snp_launch_finish finish;
	} arg;
	struct kvm_sev_snp_launch_update before;	/* as given */
	uint8_t		id_block[96], id_auth[PAGE];
	long		(*run)(struct snp_trial *t);
	long		r;		/* 0 or -errno */
};

struct snp_attempt {
	const char	*ioctl, *argument;
	void		(*tweak)(struct snp_trial *t);
	unsigned	nr_vcpus;	/* that the VM has from INIT2 on */
	unsigned	variants;	/* 0: 1 */
	bool		elsewhere;	/* no program can bring it about */
	bool		snp_only;	/* it is about VMs of type SNP in "any" state */
};

/* NULL: unknown words.  What is told by the words alone (a policy, a type) is in no table. */
const struct snp_attempt *snp_attempt_find(const char *ioctl, const char *argument);

void snp_trial_make(struct snp_trial *t, const char *ioctl, const char *argument,
		    const struct snp_attempt *a);
void snp_trial_run(struct snp_trial *t);
/* False: what the table's column `after` says is not so, or not understood. */
bool snp_trial_check(struct snp_trial *t, const char *after);
void snp_trial_end(struct snp_trial *t);

#endif
