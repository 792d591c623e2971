/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_report.c - attestation reports, and keys made for a guest: firmware ABI
 * 56860, 7.2 and 7.3.
 *
 * Both come from keys that the machine makes for itself.  The chip id of a report says in words
 * that it is no chip of AMD's, and no certificate of AMD's is for its key.
 */
#include "hw/psp/psp_snp_priv.h"

#include "base/bytes.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#define REPORT_VERSION	2u
#define KEY_LABEL	"gmsg-keyreq"

enum key_select { KEY_ANY = 0, KEY_VCEK = 1, KEY_VLEK = 2, KEY_RESERVED = 3 };

#define KEY_SELECT(x)	((x) & 3u)

/* There is no VLEK: nothing loads one. */
static bool may_use_vcek(const struct snp_guest *g, unsigned select)
{
	return select <= KEY_VCEK && !(g->finish_flags & PSP_SNP_FINISH_NO_VCEK);
}

/* The machine's own; made by the first who asks, psp->lock held for write. */
static bool vcek_make(struct psp_snp *snp)
{
	if (!snp->vcek && RAND_bytes(snp->chip_secret, sizeof(snp->chip_secret)) == 1)
		snp->vcek = cert_new_key();
	return snp->vcek;
}

/* -- Reports -- */

struct report_request {
	uint8_t	 data[64];
	uint32_t vmpl, key_select;	/* bits 1:0 */
	uint8_t	 reserved[24];
};
_Static_assert(sizeof(struct report_request) == 0x60, "layout of the firmware ABI");

struct report {				/* ATTESTATION_REPORT, as in memory */
	uint32_t version, guest_svn;
	uint64_t policy;
	uint8_t	 family_id[16], image_id[16];
	uint32_t vmpl, signature_algo;
	uint64_t current_tcb, platform_info;
	uint32_t flags, reserved1;	/* 0 AUTHOR_KEY_EN, 1 MASK_CHIP_KEY, 4:2 SIGNING_KEY */
	uint8_t	 data[64], measurement[48], host_data[32];
	uint8_t	 id_key_digest[48], author_key_digest[48];
	uint8_t	 report_id[32], report_id_ma[32];
	uint64_t reported_tcb;
	uint8_t	 reserved2[24], chip_id[64];
	uint64_t committed_tcb;
	uint8_t	 current_build, current_minor, current_major, reserved3;
	uint8_t	 committed_build, committed_minor, committed_major, reserved4;
	uint64_t launch_tcb;
	uint8_t	 reserved5[168];
	struct snp_id_signature signature;
};
_Static_assert(offsetof(struct report, chip_id) == 0x1a0, "layout of the firmware ABI");
_Static_assert(offsetof(struct report, signature) == 0x2a0, "layout of the firmware ABI");
_Static_assert(sizeof(struct report) == 0x4a0, "layout of the firmware ABI");

#define SIGNED_BY_NONE	(7u << 2)

struct report_response {
	uint32_t status, size;
	uint8_t	 reserved[24];
	struct report report;
};

static void report_fill(const struct snp_talk *t, const struct report_request *in,
			struct report *r)
{
	const struct snp_guest *g = t->g;

	*r = (struct report){
		.version = REPORT_VERSION, .guest_svn = g->id_block.guest_svn,
		.policy = g->policy, .vmpl = in->vmpl, .signature_algo = SNP_ID_ALGO_P384,
		.flags = (g->finish_flags & PSP_SNP_FINISH_AUTHOR_KEY ? 1u : 0) |
			 (t->psp->snp.mask & PSP_SNP_MASK_CHIP_KEY ? 2u | SIGNED_BY_NONE : 0),
		.current_build = PSP_BUILD, .committed_build = PSP_BUILD,
		.current_minor = PSP_API_MINOR, .committed_minor = PSP_API_MINOR,
		.current_major = PSP_API_MAJOR, .committed_major = PSP_API_MAJOR,
	};
	memcpy(r->family_id, g->id_block.family_id, sizeof(r->family_id));
	memcpy(r->image_id, g->id_block.image_id, sizeof(r->image_id));
	memcpy(r->data, in->data, sizeof(r->data));
	memcpy(r->measurement, g->ld, sizeof(r->measurement));
	memcpy(r->host_data, g->host_data, sizeof(r->host_data));
	memcpy(r->id_key_digest, g->identity.id_key_digest, sizeof(r->id_key_digest));
	memcpy(r->author_key_digest, g->identity.author_key_digest, sizeof(r->author_key_digest));
	memcpy(r->report_id, g->report_id, sizeof(r->report_id));
	memcpy(r->report_id_ma, g->agent_report_id, sizeof(r->report_id_ma));
	if (!(t->psp->snp.mask & PSP_SNP_MASK_CHIP_ID))
		memcpy(r->chip_id, psp_chip_id, sizeof(r->chip_id));
}

static enum psp_status report_make(const struct snp_talk *t, const struct report_request *in,
				   struct report *r)
{
	if (in->key_select & ~3u || !bytes_are_zero(in->reserved, sizeof(in->reserved)))
		return PSP_INVALID_PARAM;
	if (!may_use_vcek(t->g, KEY_SELECT(in->key_select)))
		return PSP_INVALID_KEY;
	if (in->vmpl < t->vmpck)
		return PSP_INVALID_PARAM;
	report_fill(t, in, r);
	if (t->psp->snp.mask & PSP_SNP_MASK_CHIP_KEY)
		return PSP_SUCCESS;
	if (!vcek_make(&t->psp->snp) ||
	    !cert_sign_bytes(t->psp->snp.vcek, EVP_sha384(), r, offsetof(struct report, signature),
			     r->signature.r, r->signature.s))
		return PSP_HWERROR_PLATFORM;
	return PSP_SUCCESS;
}

void snp_answer_report(struct snp_talk *t)
{
	struct report_response *out = (struct report_response *)(void *)t->out;

	t->out_len = sizeof(*out);
	out->size = sizeof(out->report);
	out->status = report_make(t, (const struct report_request *)(const void *)t->in,
				  &out->report);
}

/* -- Keys -- */

struct key_request {
	uint32_t select, reserved;	/* 0 VMRK, not VCEK; 2:1 KEY_SEL */
	uint64_t fields;		/* FIELD_*: what the key depends on */
	uint32_t vmpl, guest_svn;
	uint64_t tcb;
};

struct key_response {
	uint32_t status;
	uint8_t	 reserved[28], key[32];
};

#define SELECT_VMRK	BIT(0)
#define SELECT_KNOWN	BITS(2, 0)
#define FIELD_POLICY	BIT(0)
#define FIELD_IMAGE	BIT(1)
#define FIELD_FAMILY	BIT(2)
#define FIELD_MEASURE	BIT(3)
#define FIELD_SVN	BIT(4)
#define FIELD_TCB	BIT(5)
#define FIELDS_KNOWN	BITS(5, 0)

struct key_mix {			/* what goes into a key */
	uint32_t select, reserved;	/* 0 VMRK; 2:1 key of the ID block: none, ID, author */
	uint64_t fields;
	uint32_t vmpl, guest_svn;
	uint64_t tcb, policy;
	uint8_t	 image_id[16], family_id[16], measurement[48], host_data[32], owner[48];
};

static struct key_mix key_mix(const struct snp_guest *g, const struct key_request *in)
{
	const bool author = g->finish_flags & PSP_SNP_FINISH_AUTHOR_KEY;
	const bool id = g->finish_flags & PSP_SNP_FINISH_ID_BLOCK;
	struct key_mix m;

	memset(&m, 0, sizeof(m));
	m.select = (uint32_t)(in->select & SELECT_VMRK) | (author ? 2u : id ? 1u : 0u) << 1;
	m.fields = in->fields;
	m.vmpl = in->vmpl;
	m.guest_svn = in->fields & FIELD_SVN ? in->guest_svn : 0;
	m.tcb = in->fields & FIELD_TCB ? in->tcb : 0;
	m.policy = in->fields & FIELD_POLICY ? g->policy : 0;
	memcpy(m.host_data, g->host_data, sizeof(m.host_data));
	memcpy(m.owner, author ? g->identity.author_key_digest : g->identity.id_key_digest,
	       sizeof(m.owner));
	if (in->fields & FIELD_IMAGE)
		memcpy(m.image_id, g->id_block.image_id, sizeof(m.image_id));
	if (in->fields & FIELD_FAMILY)
		memcpy(m.family_id, g->id_block.family_id, sizeof(m.family_id));
	if (in->fields & FIELD_MEASURE)
		memcpy(m.measurement, g->ld, sizeof(m.measurement));
	return m;
}

/* The TCB is 0 here: no guest may ask for a later one. */
static enum psp_status key_check(const struct snp_talk *t, const struct key_request *in)
{
	const bool chip = !(in->select & SELECT_VMRK);

	if (in->select & ~SELECT_KNOWN || in->reserved)
		return PSP_INVALID_PARAM;
	if (chip && (t->psp->snp.mask & PSP_SNP_MASK_CHIP_KEY ||
		     !may_use_vcek(t->g, KEY_SELECT(in->select >> 1))))
		return PSP_INVALID_KEY;
	if (in->vmpl < t->vmpck || in->fields & ~FIELDS_KNOWN)
		return PSP_INVALID_PARAM;
	if ((in->fields & FIELD_TCB && in->tcb) ||
	    (in->fields & FIELD_SVN && in->guest_svn > t->g->id_block.guest_svn))
		return PSP_INVALID_PARAM;
	return PSP_SUCCESS;
}

static enum psp_status key_make(const struct snp_talk *t, const struct key_request *in,
				uint8_t key[32])
{
	enum psp_status st = key_check(t, in);
	const struct key_mix m = key_mix(t->g, in);
	const uint8_t *root = t->g->root;

	if (st != PSP_SUCCESS)
		return st;
	if (!(in->select & SELECT_VMRK)) {
		if (!vcek_make(&t->psp->snp))
			return PSP_HWERROR_PLATFORM;
		root = t->psp->snp.chip_secret;
	}
	return channel_derive(key, 32, root, 32, KEY_LABEL, (const uint8_t *)&m, sizeof(m))
		       ? PSP_SUCCESS : PSP_HWERROR_PLATFORM;
}

void snp_answer_key(struct snp_talk *t)
{
	struct key_response *out = (struct key_response *)(void *)t->out;

	t->out_len = sizeof(*out);
	out->status = key_make(t, (const struct key_request *)(const void *)t->in, out->key);
}
