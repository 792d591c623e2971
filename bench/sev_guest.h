/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_guest.h - a guest of one vCPU in long mode, encrypted or DEFAULT, for
 * programs that measure what encryption costs.
 *
 * Its tables are sev_tables() (tests/abi/long_mode.h).  What cannot be done ends the program.
 * Single-threaded.
 */
#ifndef BENCH_SEV_GUEST_H
#define BENCH_SEV_GUEST_H

#include <stddef.h>
#include <stdint.h>

#include <softcvm/uapi/kvm.h>
#include <softcvm/uapi/kvm_sev.h>
#include <softcvm/uapi/kvm_since_6_1.h>

#define MIB		(1ull << 20)
#define GUEST_LAUNCHED	0x10000u	/* tables, code and stack: what the launch encrypts */
#define GUEST_CODE	0x8000u		/* the stack below it */

/* A request to the GHCB at RDI: code, info 1, info 2; RAX is the guest's. */
#define GHCB_REQUEST(code, info1, info2)					\
	"movl $" code ", 0x390(%rdi); movl $0, 0x394(%rdi)\n"			\
	"movl $" info1 ", 0x398(%rdi); movl $0, 0x39c(%rdi)\n"			\
	"movq $" info2 ", 0x3a0(%rdi)\n"					\
	"mov %rax, 0x1f8(%rdi); movq $0, 0x308(%rdi)\n"				\
	"mov %r8, 0x3f0(%rdi); mov %r9, 0x3f8(%rdi); rep; vmmcall\n"
#define GHCB_OUT(port)	GHCB_REQUEST("0x7b", "(" port " << 16 | 0x210)", "0")

struct guest {
	unsigned long	type;
	int		kvm, vm, vcpu, sev, gmem;	/* the last three: -1: none */
	struct kvm_run	*run;				/* its first page; NULL: no vCPU */
	uint8_t		*ram;
	uint64_t	size;
};

/* A VM of @type with nothing in it. */
struct guest guest_begin(unsigned long type);
/* KVM_SEV_INIT2, and any other command. */
void guest_init2(struct guest *g);
void guest_command(const struct guest *g, uint32_t id, void *data);
/* @size bytes, aligned to 2 MiB; no region yet. */
void guest_ram(struct guest *g, uint64_t size);
/* Its vCPU, tables and @code at GUEST_CODE, about to run with @regs; before the launch. */
void guest_boot(struct guest *g, const char *code, size_t size, const struct kvm_regs *regs);
void guest_end(struct guest *g);

#endif
