/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * psp_snp_priv.h - the secure processor's side of SEV-SNP: firmware ABI,
 * publication 56860.
 *
 * A guest is its context page: what silicon keeps encrypted in there hangs off
 * the page's address here.  Locks as in psp_priv.h; an RMP lock of 2 MiB is
 * taken inside them, by hw/snp/firmware.h, and given back there.
 *
 * Keys: [p] look: psp->lock; change: psp->lock write
 *       [g] psp->lock write, or psp->lock read and guest->lock
 */
#pragma once
#include "hw/insn/psp_snp.h"
#include "hw/psp/psp_priv.h"
#include "hw/psp/snp_digest.h"
#include "hw/psp/snp_id_block.h"
#include "hw/psp/snp_message.h"
#include "hw/snp/firmware.h"

enum snp_guest_state {			/* 56860: GSTATE */
	SNP_GUEST_INIT		= 0,
	SNP_GUEST_LAUNCH	= 1,
	SNP_GUEST_RUNNING	= 2,
};

struct snp_guest {
	struct mutex	 lock;
	struct snp_guest *next;			/* [p] of those with the same hash */
	uint64_t	 gctx;			/* [p] its context page */
	uint64_t	 policy;		/* [p] */
	uint64_t	 agent;			/* [p] context page of its migration agent, or 0 */
	uint32_t	 asid;			/* [p] 0: inactive */
	enum snp_guest_state state;		/* [g] */
	bool		 imi;			/* [p] its launch makes an initial migration image */
	uint32_t	 desired_tsc_khz;	/* [p] */
	uint8_t		 gosvw[16];		/* [p] */
	uint8_t		 key[MEM_KEY_BYTES];	/* [p] VEK */
	uint8_t		 root[32];		/* [p] VMRK: keys that the guest asks for come from it */
	uint8_t		 report_id[32], agent_report_id[32];	/* [p] */
	struct snp_vmpck vmpcks[SNP_NR_VMPCKS];	/* [g] */
	struct snp_hash	 hash;			/* [g] of the launch */
	uint8_t		 ld[SNP_DIGEST_BYTES], imd[SNP_DIGEST_BYTES];	/* [g] */
	/* What LAUNCH_FINISH said: [g] */
	uint64_t	 finish_flags;		/* PSP_SNP_FINISH_* */
	uint8_t		 host_data[32];
	struct snp_id_block id_block;
	struct snp_identity identity;
};

/* snp_guest.c: the guest of a context page; NULL: none */
struct snp_guest *snp_guest_find(const struct psp *psp, uint64_t gctx);
/* INVALID_PLATFORM_STATE; INVALID_GUEST: @gctx is not in state Context. */
MUST_CHECK enum psp_status snp_guest_of(struct psp *psp, uint64_t gctx, struct snp_guest **out);
void snp_guests_free(struct psp *psp);

#define SNP_RANGES_MAX	255u

struct snp_ranges {			/* struct psp_snp_range_list, one page of it */
	uint32_t nr, reserved;
	struct psp_snp_range ranges[SNP_RANGES_MAX];
};
/* snp_platform.c: INVALID_PARAM, INVALID_ADDRESS: the list cannot be read */
MUST_CHECK enum psp_status snp_ranges_get(struct psp *psp, uint64_t at, struct snp_ranges *out);

/* snp_secrets.c: the page of 4096 bytes that tells a guest its keys */
void snp_secrets_compose(const struct psp *psp, const struct snp_guest *g, uint8_t *page);

/* -- Messages of a guest: 56860 chapter 7 -- */

enum snp_message_type {			/* of requests; the response's is one more */
	SNP_MSG_CPUID = 1, SNP_MSG_KEY = 3, SNP_MSG_REPORT = 5, SNP_MSG_EXPORT = 7,
	SNP_MSG_IMPORT = 9, SNP_MSG_ABSORB = 11, SNP_MSG_VMRK = 13, SNP_MSG_ABSORB_NOMA = 15,
	SNP_MSG_TSC_INFO = 17,
};

struct snp_talk {			/* one request, in the clear, and its response */
	struct psp	 *psp;
	struct snp_guest *g;
	unsigned	 vmpck;
	size_t		 in_len, out_len;
	uint8_t		 in[SNP_MESSAGE_MAX] __attribute__((aligned(16)));	/* zeros behind */
	uint8_t		 out[SNP_MESSAGE_MAX] __attribute__((aligned(16)));	/* zeros so far */
};
/* snp_report.c: psp->lock held for write */
void snp_answer_report(struct snp_talk *t);
void snp_answer_key(struct snp_talk *t);

/* The bits of an address that must be zero where a whole page is meant */
static inline bool snp_is_page(uint64_t a)
{
	return !(a & (PAGE_SIZE - 1));
}

static inline bool snp_crosses_page(uint64_t a, size_t len)
{
	return (a & (PAGE_SIZE - 1)) + len > PAGE_SIZE;
}

static inline enum snp_state snp_state_at(struct psp *psp, uint64_t a)
{
	const struct rmp_entry e = snp_page(psp->hw, HPA(a));

	return snp_state_of(&e);
}

/* Where the firmware may write for the host: its own pages, and those that no RMP covers. */
static inline bool snp_may_write(struct psp *psp, uint64_t a)
{
	const enum snp_state s = snp_state_at(psp, a);

	return s == SNP_STATE_FIRMWARE || s == SNP_STATE_DEFAULT;
}

static inline enum psp_status snp_status_of_move(enum snp_move m)
{
	return m == SNP_MOVED ? PSP_SUCCESS :
	       m == SNP_BAD_STATE ? PSP_INVALID_PAGE_STATE :
	       m == SNP_BAD_SIZE ? PSP_INVALID_PAGE_SIZE : PSP_INVALID_ADDRESS;
}

/* snp_platform.c */
PSP_COMMAND(psp_do_snp_init);
PSP_COMMAND(psp_do_snp_init_ex);
PSP_COMMAND(psp_do_snp_shutdown);
PSP_COMMAND(psp_do_snp_shutdown_ex);
PSP_COMMAND(psp_do_snp_platform_status);
PSP_COMMAND(psp_do_snp_df_flush);
PSP_COMMAND(psp_do_snp_config);
PSP_COMMAND(psp_do_snp_commit);
/* snp_guest.c */
PSP_COMMAND(psp_do_snp_gctx_create);
PSP_COMMAND(psp_do_snp_activate);
PSP_COMMAND(psp_do_snp_activate_ex);
PSP_COMMAND(psp_do_snp_decommission);
PSP_COMMAND(psp_do_snp_guest_status);
/* snp_launch.c */
PSP_COMMAND(psp_do_snp_launch_start);
PSP_COMMAND(psp_do_snp_launch_update);
/* The first of @n, and those behind it that can be done with it; how many were is in *@done. */
MUST_CHECK enum psp_status snp_launch_update_many(struct psp *psp, void *bufs, unsigned n,
						  unsigned *done);
PSP_COMMAND(psp_do_snp_launch_finish);
/* snp_request.c */
PSP_COMMAND(psp_do_snp_guest_request);
/* snp_page.c */
PSP_COMMAND(psp_do_snp_page_reclaim);
PSP_COMMAND(psp_do_snp_page_unsmash);
PSP_COMMAND(psp_do_snp_page_set_state);
/* snp_debug.c */
PSP_COMMAND(psp_do_snp_dbg_decrypt);
PSP_COMMAND(psp_do_snp_dbg_encrypt);
