/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * backend.h - what differs between AMD's and Intel's guest mode, as one
 * constant table each (svm.c, vmx.c).  Chosen by the machine's vendor.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct vcpu;

struct vcpu_backend {
	const char	*name;
	/* Fills in the control area for a new vCPU. */
	void		(*init)(struct vcpu *v);
	/* Enters the guest until it exits. */
	void		(*run)(struct vcpu *v, struct cpu *cpu);
	/* Exits as soon as an interrupt, an NMI can be taken (until the next call). */
	void		(*watch)(struct vcpu *v, bool interrupt, bool nmi);
	/* Hands one pending NMI to the processor, which delivers it.  False: not possible. */
	bool		(*pend_nmi)(struct vcpu *v);
	bool		(*nmi_is_pending)(const struct vcpu *v);
	/* v->debug.control, the guest's CPUID or its kind has changed: what is intercepted follows. */
	void		(*intercepts_changed)(struct vcpu *v);
	/* Takes the exit apart and deals with it: 1, 0 or -errno. */
	int		(*handle_exit)(struct vcpu *v);
	/* Drops every translation of the guest before it next runs. */
	void		(*flush_tlb)(struct vcpu *v, struct cpu *cpu);
	/* Instruction bytes that the exit left behind (AMD), and how many. */
	unsigned	(*insn_bytes)(const struct vcpu *v, const uint8_t **bytes);
	/* Exit reason and information words for KVM_EXIT_INTERNAL_ERROR. */
	void		(*exit_info)(const struct vcpu *v, uint64_t info[5]);
	/* The three bytes of the vendor's hypercall instruction. */
	uint8_t		hypercall[3];
};

extern const struct vcpu_backend svm_backend;
extern const struct vcpu_backend vmx_backend;
