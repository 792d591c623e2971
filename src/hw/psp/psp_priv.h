/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * psp_priv.h - the inside of the secure processor; SEV API, publication 55766.
 *
 * Locks: psp->lock (RANK_PSP): held for read by commands about one guest's
 * memory, for write by all others; guest->lock (RANK_PSP_GUEST) inside it, by
 * the commands that hold it for read.  So a long launch holds up its own guest,
 * and commands that change the platform until the command is over.
 *
 * Keys: [p] look: psp->lock; change: psp->lock write
 *       [g] psp->lock write, or psp->lock read and guest->lock
 */
#pragma once
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/insn/psp.h"
#include "hw/mem/machine.h"
#include "hw/mem/view.h"
#include "hw/psp/cert.h"
#include "hw/psp/channel.h"
#include "sync/lock.h"

#define PSP_LONGEST	(64u << 10)	/* bytes of guest memory a step */

struct psp_guest {
	struct mutex	lock;
	uint32_t	handle;			/* [p] never 0 */
	uint32_t	policy;			/* [p] */
	uint32_t	asid;			/* [p] 0: inactive */
	enum psp_guest_state state;		/* [g] */
	bool		has_run;		/* [g] with this ASID: it becomes dirty */
	uint8_t		key[MEM_KEY_BYTES];	/* [p] VEK */
	EVP_MD_CTX	*digest;		/* [g] of the launch so far; NULL: measured */
	uint8_t		launch_digest[32];	/* [g] once measured */
	struct psp_channel channel;		/* [g] */
	hpa_t		*sums;			/* [g] checksums of its VMSAs */
	size_t		nr_sums;		/* [g] */
};

enum asid_state { ASID_DIRTY, ASID_CLEAN, ASID_TAKEN };

struct psp_identity {
	EVP_PKEY	*cek, *oca, *pek, *pdh;	/* NULL: none; cek stays for ever */
	struct psp_cert	 oca_cert, pek_cert, pdh_cert;
	bool		 is_owned;		/* by an OCA from outside, whose key is not here */
};

struct snp_guest;

struct psp_snp {			/* psp_snp_priv.h */
	bool		 up;			/* [p] SNP_INIT was */
	bool		 rmp_is_made;		/* [p] by an SNP_INIT before */
	uint32_t	 nr_launched;		/* [p] guests from LAUNCH_START on */
	struct snp_guest **guests;		/* [p] by hash of the context page */
	size_t		 nr_buckets, nr_contexts;	/* [p] buckets: a power of two, or 0 */
	EVP_PKEY	*vcek;			/* [p] signs reports; NULL: not made yet */
	uint8_t		 chip_secret[32];	/* [p] made with it: keys for guests come from it */
	uint32_t	 mask;			/* [p] SNP_CONFIG: chip id, chip key */
};

struct psp {
	struct hw	*hw;
	struct rwlock	 lock;
	enum psp_platform_state state;		/* [p] */
	bool		 es;			/* [p] CONFIG.ES */
	bool		 tmr_is_reserved;	/* [p] opened by the first DF_FLUSH */
	hpa_t		 tmr;			/* [p] */
	atomic32_t	 wbinvd_done;
	uint32_t	 nr_asids, min_sev_asid;
	uint8_t		*asids;			/* [p] enum asid_state, nr_asids + 1 */
	struct psp_guest **guests;		/* [p] by handle less 1; NULL: free */
	uint32_t	 nr_slots, nr_guests;	/* [p] */
	struct psp_identity identity;		/* [p] */
	struct psp_snp	 snp;
};

/* guest.c: the guest that @handle names; NULL: none */
struct psp_guest *psp_guest_find(struct psp *psp, uint32_t handle);
/* A guest of @policy in @state with the key of guest @share, or its own when 0. */
MUST_CHECK enum psp_status psp_guest_make(struct psp *psp, uint32_t policy, uint32_t share,
					  const struct psp_channel *ch,
					  enum psp_guest_state state, uint32_t *handle);
void psp_guest_free(struct psp *psp, struct psp_guest *g);
void psp_guests_free(struct psp *psp);
/* The guest goes on to RUNNING: its ASID is used from now on. */
void psp_guest_runs(struct psp_guest *g);
static inline bool psp_guest_is_es(const struct psp_guest *g)
{
	return g->policy & PSP_POLICY_ES;
}

/* identity.c */
MUST_CHECK bool identity_complete(struct psp_identity *id);	/* makes what is missing */
void identity_reset(struct psp_identity *id);
void identity_free(struct psp_identity *id);

/* session.c: the transport keys that the holder of @dh has wrapped for this platform */
MUST_CHECK enum psp_status psp_channel_accept(struct psp *psp, const struct psp_cert *dh,
					      const struct psp_session *s, uint32_t policy,
					      struct psp_channel *ch);

/*
 * guest.c: @key goes into slot @asid.  INVALID_ASID, ASID_OWNED, ACTIVE (the guest @has one
 * already), DFFLUSH_REQUIRED, RESOURCE_LIMIT.  The other way: dirty, if the guest @has_run.
 */
MUST_CHECK enum psp_status psp_asid_check(const struct psp *psp, uint32_t asid, uint32_t has);
MUST_CHECK enum psp_status psp_asid_take(struct psp *psp, uint32_t asid,
					 const uint8_t key[MEM_KEY_BYTES]);
void psp_asid_give(struct psp *psp, uint32_t asid, bool has_run);
extern const char psp_chip_id[PSP_ID_LEN];	/* platform.c */
/* platform.c: all that are not in use are dirty, as after power on */
void psp_asids_are_dirty(struct psp *psp);
MUST_CHECK enum psp_status psp_asids_flush(struct psp *psp);	/* WBINVD_REQUIRED */

/* Raw memory, of nobody's key.  INVALID_ADDRESS when a frame is missing. */
MUST_CHECK enum psp_status psp_get(struct psp *psp, uint64_t from, void *to, size_t len);
MUST_CHECK enum psp_status psp_put(struct psp *psp, uint64_t to, const void *from, size_t len);

struct psp_copy_job {			/* bytes from one view to another */
	uint64_t	to, from, len;
	keyslot_t	to_key, from_key;
};
/* debug.c: INVALID_ADDRESS when a frame is missing */
MUST_CHECK enum psp_status psp_copy_run(struct psp *psp, const struct psp_copy_job *j);

/* vmsa.c: names a checksum in the page and stores it; compares it */
MUST_CHECK enum psp_status psp_vmsa_seal(struct psp *psp, struct psp_guest *g, uint8_t *vmsa);
MUST_CHECK bool psp_vmsa_is_sealed(struct psp *psp, struct psp_guest *g, const uint8_t *vmsa);

/* The commands, by file; @buf is the structure of hw/insn/psp.h. */
#define PSP_COMMAND(name) enum psp_status name(struct psp *psp, void *buf)
/* platform.c */
PSP_COMMAND(psp_do_nop);
PSP_COMMAND(psp_do_init);
PSP_COMMAND(psp_do_init_ex);
PSP_COMMAND(psp_do_shutdown);
PSP_COMMAND(psp_do_factory_reset);
PSP_COMMAND(psp_do_platform_status);
PSP_COMMAND(psp_do_df_flush);
PSP_COMMAND(psp_do_get_id);
/* identity.c */
PSP_COMMAND(psp_do_pek_gen);
PSP_COMMAND(psp_do_pek_csr);
PSP_COMMAND(psp_do_pek_cert_import);
PSP_COMMAND(psp_do_pdh_cert_export);
PSP_COMMAND(psp_do_pdh_gen);
/* guest.c */
PSP_COMMAND(psp_do_activate);
PSP_COMMAND(psp_do_deactivate);
PSP_COMMAND(psp_do_decommission);
PSP_COMMAND(psp_do_guest_status);
/* launch.c */
PSP_COMMAND(psp_do_launch_start);
PSP_COMMAND(psp_do_launch_update_data);
PSP_COMMAND(psp_do_launch_update_vmsa);
PSP_COMMAND(psp_do_launch_measure);
PSP_COMMAND(psp_do_launch_update_secret);
PSP_COMMAND(psp_do_launch_finish);
PSP_COMMAND(psp_do_attestation);
/* debug.c */
PSP_COMMAND(psp_do_dbg_decrypt);
PSP_COMMAND(psp_do_dbg_encrypt);
PSP_COMMAND(psp_do_copy);
/* send.c */
PSP_COMMAND(psp_do_send_start);
PSP_COMMAND(psp_do_send_update_data);
PSP_COMMAND(psp_do_send_update_vmsa);
PSP_COMMAND(psp_do_send_finish);
PSP_COMMAND(psp_do_send_cancel);
/* receive.c */
PSP_COMMAND(psp_do_receive_start);
PSP_COMMAND(psp_do_receive_update_data);
PSP_COMMAND(psp_do_receive_update_vmsa);
PSP_COMMAND(psp_do_receive_finish);
