/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * svm_priv.h - between the parts of VMRUN.  APM vol. 2 chapter 15.
 */
#pragma once
#include "hw/cpu/cpu_priv.h"
#include "hw/insn/vmsa.h"

/* The exit code of an intercepted instruction. */
uint64_t svm_exit_code(enum x86_intercept what, uint64_t info);

/* Of a SEV-ES guest (APM vol. 2 table 15-33): does @code leave, and is RIP advanced then? */
bool svm_is_automatic(uint64_t code);
bool svm_advances_rip(uint64_t code);

bool svm_intercepts_msr(const struct cpu *cpu, uint32_t nr, bool write);

/* A SEV-ES guest's state while its processor has it. */
struct svm_es {
	struct x86_state state;
	struct vmsa	 vmsa;		/* as loaded, for what @state has no room for */
	uint64_t	 ghcb;
	bool		 snp;		/* SNP-active: the VMSA is in use (15.36.12) */
};

/* The VMSA into cpu->es.  NULL: VMEXIT_INVALID. */
struct x86_state *svm_es_load(struct cpu *cpu, const struct svm_control *c);
/* It will not run after all. */
void svm_es_abandon(struct cpu *cpu, const struct svm_control *c);
/* And back, with its checksum; what the hypervisor may see goes to *@out. */
void svm_es_save(struct cpu *cpu, const struct svm_control *c, struct svm_exit *out);
