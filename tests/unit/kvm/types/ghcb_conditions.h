/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ghcb_conditions.h - the words of column "when" of docs/facts/snp-ghcb-v2.tsv, as what a
 * guest does.
 */
#pragma once
#include "a_guest.h"

#include "hw/insn/psp_snp.h"

#define MEMORY_END	(GUEST_PAGES * PAGE_SIZE)
#define BUFFER		(GHCB_AT + GHCB_BUFFER)
#define REQUEST		0x8000ull
#define RESPONSE	0x9000ull
#define DATA		0xa000ull
#define AN_MMIO		0xfed00000ull
#define AP		1u
#define AP_VMSA		0x3000ull
#define MSG_TYPE	0x34u

/* One row being driven. */
struct row {
	const char	*code, *when, *need, *reason, *does, *returns;
	bool		 is_msr, snp;
	uint64_t	 number;
	struct a_guest	 g;
	struct vcpu	*ap;
	struct sev_vcpu	 ap_es;
	uint64_t	 rax, rbx, rcx, rdx;
	uint64_t	 info1, info2, scratch, msr;
	uint32_t	 usage;
	uint8_t		 msg_type;
	unsigned	 nr_handled, nr_commands;
	uint32_t	 status;
	int		 r;
};

static inline void nothing(struct row *t) { }
static inline void no_address(struct row *t) { t->msr = 0; }
static inline void no_memory(struct row *t) { t->msr = MEMORY_END; }
static inline void not_registered(struct row *t) { t->g.es.ghcb.registered = GPA(DATA); }
static inline void other_usage(struct row *t) { t->usage = 1; }
static inline void other_leaf(struct row *t) { t->rax = 1; }
static inline void leaf_d(struct row *t) { t->rax = 0xd; }
static inline void outs(struct row *t) { t->info1 = 0x03f80014; t->info2 = 1; }
static inline void out(struct row *t) { t->info1 = 0x03f80010; }
static inline void in(struct row *t) { t->info1 = 0x03f80011; }
static inline void no_size(struct row *t) { t->info1 = 0x03f80001; }
static inline void no_elements(struct row *t) { outs(t); t->info2 = 0; }
static inline void many_elements(struct row *t) { outs(t); t->info2 = 0x80000000; }
static inline void info1_0(struct row *t) { t->info1 = 0; }
static inline void info1_1(struct row *t) { t->info1 = 1; }
static inline void info1_2(struct row *t) { t->info1 = 2; }
static inline void info2_0(struct row *t) { t->info2 = 0; }
static inline void info2_9(struct row *t) { t->info2 = 9; }
static inline void outside_buffer(struct row *t) { t->scratch = BUFFER - 8; }
static inline void odd_request(struct row *t) { t->info1 += 0x10; }
static inline void odd_response(struct row *t) { t->info2 += 1; }
static inline void one_page(struct row *t) { t->info2 = t->info1; }
static inline void no_request(struct row *t) { t->info1 = MEMORY_END; }
static inline void no_response(struct row *t) { t->info2 = MEMORY_END; }
static inline void firmware_refuses(struct row *t) { t->status = PSP_INVALID_PARAM; }
static inline void report(struct row *t) { t->msg_type = 5; t->rax = DATA; t->rbx = 0; }
static inline void odd_data(struct row *t) { report(t); t->rax = DATA + 0x10; t->rbx = 1; }
static inline void with_data(struct row *t) { report(t); t->rbx = 1; }
static inline void no_report(struct row *t) { t->msg_type = 3; t->rax = DATA; t->rbx = 1; }
static inline void ap_request(struct row *t, uint32_t n) { t->info1 = (uint64_t)AP << 32 | n; }
static inline void ap_on_init(struct row *t) { ap_request(t, 0); }
static inline void ap_now(struct row *t) { ap_request(t, 1); }
static inline void ap_end(struct row *t) { ap_request(t, 2); }
static inline void ap_unknown(struct row *t) { ap_request(t, 3); }
static inline void ap_nobody(struct row *t) { t->info1 = 7ull << 32 | 1; }
static inline void ap_injection(struct row *t) { ap_now(t); t->rax ^= BIT(3); }
static inline void ap_odd(struct row *t) { ap_on_init(t); t->info2 += 8; }
static inline void ap_huge(struct row *t) { ap_now(t); t->info2 = 0x200000; }

static const struct {
	const char *when;
	void (*make)(struct row *t);
} conditions[] = {
	{ "-", nothing }, { "else", nothing }, { "snp", nothing }, { "not snp", nothing },
	{ "ghcb_msr=0", no_address },
	{ "page cannot be mapped", no_memory },
	{ "not registered", not_registered },
	{ "usage!=0", other_usage },
	{ "rax!=0xd", other_leaf },
	{ "rax=0xd", leaf_d },
	{ "info1.str=1", outs },
	{ "info1.str=0 info1.in=0", out },
	{ "info1.str=0 info1.in=1", in },
	{ "size bits of info1 0", no_size },
	{ "info1.str=1 info2=0", no_elements },
	{ "info1.str=1 info2>0x7fffffff", many_elements },
	{ "info1=0", info1_0 }, { "info1=1", info1_1 }, { "info1!=0", info1_1 }, { "info1>1", info1_2 },
	{ "info2=0", info2_0 }, { "info2>8", info2_9 },
	{ "scratch not in the shared buffer", outside_buffer },
	{ "info1 not page aligned", odd_request },
	{ "info2 not page aligned", odd_response },
	{ "info1=info2", one_page },
	{ "request page not readable", no_request },
	{ "response page not writable", no_response },
	{ "firmware status f", firmware_refuses },
	{ "msg_type=5", report },
	{ "msg_type=5 rax not page aligned", odd_data },
	{ "msg_type=5 rbx!=0", with_data },
	{ "msg_type=5 rbx=0", report },
	{ "msg_type!=5", no_report },
	{ "snp info1.low!=2", ap_now }, { "snp info1.low=2", ap_end },
	{ "no vCPU with this APIC ID", ap_nobody },
	{ "info1.low=0|1 injection modes of rax differ from the VM", ap_injection },
	{ "info1.low=0|1 info2 not page aligned or not legal", ap_odd },
	{ "info1.low=0|1 info2 aligned to 2M", ap_huge },
	{ "info1.low>2", ap_unknown },
	{ "info1.low=0", ap_on_init }, { "info1.low=1", ap_now }, { "info1.low=2", ap_end },
};

/* What a request of this code looks like when nothing is wrong with it. */
static inline void usual(struct row *t)
{
	t->msr = GHCB_AT;
	t->rax = t->rbx = t->rcx = t->rdx = 0x11;
	t->scratch = BUFFER;
	switch (t->number) {
	case SVM_EXIT_IOIO:
		in(t);
		break;
	case GHCB_MMIO_READ:
	case GHCB_MMIO_WRITE:
		t->info1 = AN_MMIO;
		t->info2 = 8;
		break;
	case GHCB_GUEST_REQUEST:
	case GHCB_EXT_GUEST_REQUEST:
		t->info1 = REQUEST;
		t->info2 = RESPONSE;
		break;
	case GHCB_AP_CREATION:
		ap_now(t);
		t->rax = t->g.sev.vmsa_features;
		t->info2 = AP_VMSA;
		break;
	default:
		break;
	}
}
