/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_ghcb.h - the page by which a SEV-ES guest speaks to KVM.  GHCB
 * specification 2.3 and 4; docs/design/ghcb.md.
 *
 * The page is shared, and other processors of the guest may write it at any
 * time.  So it is read once, whole, when the guest exits; all that is looked at
 * afterwards is the copy.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/macros.h"
#include "base/page.h"
#include "kvm/host/map.h"

struct kvm_vcpu;
struct vcpu;
struct sev_vcpu;

/* Where things are in the page; those below 0x3f0 have bit offset / 8 in the bitmap. */
enum ghcb_offset {
	GHCB_CPL	= 0x0cb,
	GHCB_RAX	= 0x1f8,
	GHCB_RCX	= 0x308,
	GHCB_RDX	= 0x310,
	GHCB_RBX	= 0x318,
	GHCB_RSI	= 0x330,
	GHCB_EXITCODE	= 0x390,
	GHCB_EXITINFO1	= 0x398,
	GHCB_EXITINFO2	= 0x3a0,
	GHCB_SCRATCH	= 0x3a8,
	GHCB_XCR0	= 0x3e8,
	GHCB_VALID	= 0x3f0,	/* the bitmap, 16 bytes */
	GHCB_BUFFER	= 0x800,
	GHCB_BUFFER_END	= 0xff0,
	GHCB_USAGE	= 0xffc,
};

/* Events of its own; the others are exit codes of the processor. */
enum ghcb_event {
	GHCB_READ_DR7		= 0x27,
	GHCB_WRITE_DR7		= 0x37,
	GHCB_MMIO_READ		= 0x80000001,
	GHCB_MMIO_WRITE		= 0x80000002,
	GHCB_NMI_COMPLETE	= 0x80000003,
	GHCB_AP_HLT_LOOP	= 0x80000004,
	GHCB_AP_JUMP_TABLE	= 0x80000005,
	GHCB_PSC		= 0x80000010,
	GHCB_GUEST_REQUEST	= 0x80000011,
	GHCB_EXT_GUEST_REQUEST	= 0x80000012,
	GHCB_AP_CREATION	= 0x80000013,
	GHCB_HV_FEATURES	= 0x8000fffd,
	GHCB_TERM_REQUEST	= 0x8000fffe,
	GHCB_UNSUPPORTED	= 0x8000ffff,
};

/* GHCB_AP_CREATION: bits 31:0 of SW_EXITINFO1. */
enum ghcb_ap_request {
	GHCB_AP_CREATE_ON_INIT	= 0,
	GHCB_AP_CREATE		= 1,
	GHCB_AP_DESTROY		= 2,
};

/* SW_EXITINFO2 when SW_EXITINFO1 is 2. */
enum ghcb_error {
	GHCB_OK			= 0,
	GHCB_INVALID_USAGE	= 2,
	GHCB_INVALID_SCRATCH	= 3,
	GHCB_MISSING_INPUT	= 4,
	GHCB_INVALID_INPUT	= 5,
	GHCB_INVALID_EVENT	= 6,
};

#define GHCB_FEATURES	0x3ull	/* SNP, AP creation: what KVM says to everybody */

/* The page as it was when the guest exited. */
struct ghcb_copy {
	_Alignas(8) uint8_t bytes[PAGE_SIZE];
};

bool ghcb_has(const struct ghcb_copy *g, enum ghcb_offset field);
uint64_t ghcb_get(const struct ghcb_copy *g, enum ghcb_offset field);
/* What the specification and KVM want of a request: GHCB_OK, or why it is refused. */
enum ghcb_error ghcb_check(const struct ghcb_copy *g, bool is_snp);

/*
 * The data of a request: in the page itself, or with version 1 anywhere.  A
 * copy too; what comes back is stored, never read again.
 */
struct ghcb_scratch {
	gpa_t		 gpa;
	uint8_t		*data;		/* in the copy of the page, or owned */
	uint32_t	 len;
	bool		 is_outside;
	bool		 is_result;	/* goes back to the guest, if outside as a whole */
};

enum ap_reset_hold { AP_HOLD_NONE, AP_HOLD_NAE, AP_HOLD_MSR };

/* Data that is on its way: MMIO in pieces of 8, strings in pages. */
struct ghcb_transfer {
	bool		 is_write;
	gpa_t		 gpa;		/* MMIO: of the next piece */
	uint32_t	 at;		/* in the scratch data */
	uint32_t	 left;		/* MMIO: bytes; strings: elements */
};

/*
 * A page state change on its way, in the copy of the page: what the VMM is
 * asked for now, [first, first + batch) of the entries.
 */
struct ghcb_psc {
	uint16_t	 cur, end;	/* as the guest gave them; cur as it goes on */
	uint16_t	 first, batch;
};

/* [v] all of it. */
struct sev_ghcb {
	bool		 is_mapped;	/* a request, from the exit to the next entry */
	struct kvm_guest_map map;	/* upstream: as long; short-term: none between uses */
	gpa_t		 gpa;
	gpa_t		 registered;	/* SNP: where its pages are, 0: nowhere yet */
	uint64_t	 info[2];	/* SW_EXITINFO1 and 2 that the guest finds */
	uint64_t	 valid[2];	/* the bitmap that the guest finds */
	struct ghcb_scratch scratch;
	struct ghcb_transfer io;
	struct ghcb_psc	 psc;
	enum ap_reset_hold hold;
	bool		 had_sipi;
	struct ghcb_copy copy;
};

/* The MSR protocol (sev_ghcb_msr.c); the answers of KVM_RUN's inner steps. */
int ghcb_msr_request(struct kvm_vcpu *vcpu);
/* KVM_EXIT_SYSTEM_EVENT, SEV_TERM.  0. */
int ghcb_terminate(struct vcpu *v);
/* A vCPU that the MSR holds is let go. */
void ghcb_msr_sipi(struct vcpu *v);

/* @len bytes at @at of the page of the request under way; what is there no more gets none. */
void ghcb_put(struct kvm_vcpu *vcpu, unsigned at, const void *data, size_t len);
/* SW_EXITINFO1 and 2, as the guest finds them. */
void ghcb_answer(struct kvm_vcpu *vcpu, uint64_t info1, uint64_t info2);
/* The answer "no".  1. */
int ghcb_refuse(struct kvm_vcpu *vcpu, enum ghcb_error why);

/* Data (sev_ghcb_io.c).  1, 0 with kvm_run filled in, -EINVAL, -ENOMEM, -EFAULT. */
int ghcb_mmio(struct kvm_vcpu *vcpu, bool is_write);
int ghcb_string_io(struct kvm_vcpu *vcpu);
/* What has come goes to the guest, before it runs on; and what was kept for it is freed. */
void ghcb_store_scratch(struct kvm_vcpu *vcpu);
void ghcb_drop_scratch(struct sev_ghcb *g);
/*
 * The scratch area of @len > 0 bytes; @result: the guest is to find something
 * there.  0; 1: refused, the guest goes on; -ENOMEM, -EFAULT.
 */
int ghcb_take_scratch(struct vcpu *v, uint64_t len, bool result);
/* @len bytes of the scratch data at @at have changed: inside the page they go at once. */
void ghcb_scratch_changed(struct vcpu *v, uint32_t at, uint32_t len);

/* SNP guests' requests; answers as those of KVM_RUN's inner steps. */
int ghcb_psc_msr(struct vcpu *v);	/* snp_psc.c: by the MSR, one page */
int ghcb_psc(struct vcpu *v);		/* by the page */
int ghcb_ap_creation(struct vcpu *v);	/* snp_ap.c */
int ghcb_guest_request(struct vcpu *v);	/* snp_request.c: -EIO, -EBADF */
int ghcb_ext_guest_request(struct vcpu *v);
