/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * launch.c - SEV API 55766 6.2 to 6.8: from LAUNCH_START to LAUNCH_FINISH, and
 * the attestation report.
 */
#include "hw/psp/psp_priv.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct psp_session) == PSP_SESSION_LEN, "layout of the SEV API");
_Static_assert(sizeof(struct psp_header) == PSP_HEADER_LEN, "layout of the SEV API");

#define IS_16(x)		IS_ALIGNED(x, (__typeof__(x))16)

/* The session's keys; without a certificate they are zero, as in AMD's firmware. */
static enum psp_status channel_establish(struct psp *psp, const struct psp_launch_start *in,
					 struct psp_channel *ch)
{
	struct psp_session s;
	struct psp_cert dh;

	memset(ch, 0, sizeof(*ch));
	if (!in->dh_cert_address)
		return PSP_SUCCESS;
	if (in->session_length != sizeof(s))
		return PSP_INVALID_LENGTH;
	if (psp_get(psp, in->session_address, &s, sizeof(s)) != PSP_SUCCESS)
		return PSP_INVALID_ADDRESS;
	if (in->dh_cert_length != sizeof(dh))
		return PSP_INVALID_LENGTH;
	if (psp_get(psp, in->dh_cert_address, &dh, sizeof(dh)) != PSP_SUCCESS)
		return PSP_INVALID_ADDRESS;
	return psp_channel_accept(psp, &dh, &s, in->policy, ch);
}

PSP_COMMAND(psp_do_launch_start)
{
	struct psp_launch_start *in = buf;
	struct psp_channel ch;
	uint32_t handle;
	enum psp_status st = channel_establish(psp, in, &ch);

	if (st == PSP_SUCCESS)
		st = psp_guest_make(psp, in->policy, in->handle, &ch, PSP_GUEST_LUPDATE, &handle);
	if (st == PSP_SUCCESS)
		in->handle = handle;
	OPENSSL_cleanse(&ch, sizeof(ch));
	return st;
}

/* What becomes plaintext is measured; a state page's is kept, too. */
struct measured {
	EVP_MD_CTX	*digest;
	bool		 ok;
	uint8_t		*vmsa;		/* NULL: none */
	size_t		 seen;
};

static void measure(void *arg, const uint8_t *bytes, size_t len)
{
	struct measured *m = arg;

	m->ok = m->ok && EVP_DigestUpdate(m->digest, bytes, len);
	if (m->vmsa)
		memcpy(m->vmsa + m->seen, bytes, len);
	m->seen += len;
}

static enum psp_status seal(struct psp *psp, struct psp_guest *g, uint64_t at, uint8_t *vmsa)
{
	enum psp_status st = psp_vmsa_seal(psp, g, vmsa);

	if (st == PSP_SUCCESS &&
	    !view_write(psp->hw, HPA(at), (keyslot_t)g->asid, vmsa, PSP_VMSA_LEN))
		st = PSP_INVALID_ADDRESS;
	return st;
}

/*
 * Encrypted first and measured through the guest's key after that: what is
 * measured is what the guest will see, whatever is written to the page meanwhile.
 * The digest goes on in a copy: when some of the memory is gone, nothing has
 * been encrypted and nothing been measured.
 */
static enum psp_status update(struct psp *psp, struct psp_guest *g,
			      const struct psp_guest_range *in, bool is_vmsa)
{
	uint8_t vmsa[PSP_VMSA_LEN];
	struct measured m = { EVP_MD_CTX_new(), true, is_vmsa ? vmsa : NULL, 0 };
	enum psp_status st = PSP_SUCCESS;

	if (!m.digest || !EVP_MD_CTX_copy_ex(m.digest, g->digest))
		st = PSP_RESOURCE_LIMIT;
	else if (!view_encrypt_seen(psp->hw, HPA(in->address), in->length, (keyslot_t)g->asid,
				    measure, &m))
		st = PSP_INVALID_ADDRESS;
	else if (!m.ok)
		st = PSP_HWERROR_UNSAFE;
	else if (is_vmsa)
		st = seal(psp, g, in->address, vmsa);
	if (st == PSP_SUCCESS) {
		EVP_MD_CTX *before = g->digest;

		g->digest = m.digest;
		m.digest = before;
	}
	EVP_MD_CTX_free(m.digest);
	if (is_vmsa)
		OPENSSL_cleanse(vmsa, sizeof(vmsa));
	return st;
}

static enum psp_status update_checked(struct psp *psp, const struct psp_guest_range *in,
				      bool is_vmsa)
{
	struct psp_guest *g = psp_guest_find(psp, in->handle);

	if (!g)
		return PSP_INVALID_GUEST;
	if (g->state != PSP_GUEST_LUPDATE)
		return PSP_INVALID_GUEST_STATE;
	if (is_vmsa && !psp_guest_is_es(g))
		return PSP_UNSUPPORTED;
	if (!g->asid)
		return PSP_INACTIVE;
	if (!IS_16(in->address))
		return PSP_INVALID_ADDRESS;
	if (!IS_16(in->length) || !in->length)
		return PSP_INVALID_LENGTH;
	return update(psp, g, in, is_vmsa);
}

PSP_COMMAND(psp_do_launch_update_data)
{
	return update_checked(psp, buf, false);
}

PSP_COMMAND(psp_do_launch_update_vmsa)
{
	const struct psp_guest_range *in = buf;

	return in->length == PSP_VMSA_LEN ? update_checked(psp, in, true) : PSP_INVALID_LENGTH;
}

/* The digest so far, which goes on: the command may fail and be repeated. */
static bool digest_peek(const EVP_MD_CTX *digest, uint8_t out[32])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	bool ok = copy && EVP_MD_CTX_copy_ex(copy, digest) && EVP_DigestFinal_ex(copy, out, NULL);

	EVP_MD_CTX_free(copy);
	return ok;
}

PSP_COMMAND(psp_do_launch_measure)
{
	struct psp_guest_range *out = buf;
	struct psp_guest *g = psp_guest_find(psp, out->handle);
	struct psp_measured m = { PSP_API_MAJOR, PSP_API_MINOR, PSP_BUILD };
	struct { uint8_t mac[32], mnonce[16]; } answer;
	enum psp_status st;

	if (!g)
		return PSP_INVALID_GUEST;
	if (g->state != PSP_GUEST_LUPDATE)
		return PSP_INVALID_GUEST_STATE;
	if (out->length < sizeof(answer)) {
		out->length = sizeof(answer);
		return PSP_INVALID_LENGTH;
	}
	m.policy = g->policy;
	if (!digest_peek(g->digest, m.digest) ||
	    RAND_bytes(answer.mnonce, sizeof(answer.mnonce)) != 1 ||
	    !channel_measure(g->channel.tik, &m, answer.mnonce, answer.mac))
		return PSP_HWERROR_PLATFORM;
	st = psp_put(psp, out->address, &answer, sizeof(answer));
	if (st != PSP_SUCCESS)
		return st;
	memcpy(g->channel.measure, answer.mac, sizeof(answer.mac));
	memcpy(g->launch_digest, m.digest, sizeof(m.digest));
	EVP_MD_CTX_free(g->digest);
	g->digest = NULL;
	g->state = PSP_GUEST_LSECRET;
	return PSP_SUCCESS;
}

static enum psp_status secret_inject(struct psp *psp, struct psp_guest *g,
				     const struct psp_packet *in, uint8_t *bytes)
{
	struct psp_header h;

	if (psp_get(psp, in->header_address, &h, sizeof(h)) != PSP_SUCCESS ||
	    psp_get(psp, in->trans_address, bytes, in->trans_length) != PSP_SUCCESS)
		return PSP_INVALID_ADDRESS;
	if (!channel_unpack(&g->channel, PSP_SECRET_TAG, &h, bytes, in->trans_length))
		return PSP_BAD_MEASUREMENT;
	if (h.flags & PSP_HEADER_COMPRESSED)
		return PSP_UNSUPPORTED;
	return view_write(psp->hw, HPA(in->guest_address), (keyslot_t)g->asid, bytes,
			  in->guest_length) ? PSP_SUCCESS : PSP_INVALID_ADDRESS;
}

PSP_COMMAND(psp_do_launch_update_secret)
{
	const struct psp_packet *in = buf;
	struct psp_guest *g = psp_guest_find(psp, in->handle);
	enum psp_status st;
	uint8_t *bytes;

	if (!g)
		return PSP_INVALID_GUEST;
	if (!IS_16(in->guest_address))
		return PSP_INVALID_ADDRESS;
	if (in->header_length != PSP_HEADER_LEN || !IS_16(in->guest_length) ||
	    !in->guest_length || in->guest_length > PSP_DATA_MAX ||
	    in->guest_length != in->trans_length)
		return PSP_INVALID_LENGTH;
	if (g->state != PSP_GUEST_LSECRET)
		return PSP_INVALID_GUEST_STATE;
	if (!g->asid)
		return PSP_INACTIVE;
	bytes = malloc(in->trans_length);
	if (!bytes)
		return PSP_RESOURCE_LIMIT;
	st = secret_inject(psp, g, in, bytes);
	OPENSSL_cleanse(bytes, in->trans_length);
	free(bytes);
	return st;
}

PSP_COMMAND(psp_do_launch_finish)
{
	struct psp_guest *g = psp_guest_find(psp, ((const struct psp_handle *)buf)->handle);

	if (!g)
		return PSP_INVALID_GUEST;
	if (g->state != PSP_GUEST_LSECRET)
		return PSP_INVALID_GUEST_STATE;
	psp_guest_runs(g);
	return PSP_SUCCESS;
}

struct report {				/* SEV API 55766 6.8, as in memory */
	uint8_t	 mnonce[16], launch_digest[32];
	uint32_t policy, sig_usage, sig_algo, reserved;
	uint8_t	 r[72], s[72];
};
_Static_assert(sizeof(struct report) == PSP_ATTESTATION_LEN, "layout of the SEV API");

static bool has_digest(const struct psp_guest *g)
{
	return g->state == PSP_GUEST_LSECRET || g->state == PSP_GUEST_RUNNING ||
	       g->state == PSP_GUEST_SUPDATE || g->state == PSP_GUEST_SENT;
}

PSP_COMMAND(psp_do_attestation)
{
	struct psp_attestation *in = buf;
	const struct psp_guest *g = psp_guest_find(psp, in->handle);
	const uint32_t len = in->length;
	struct report rep = { .sig_usage = PSP_USAGE_PEK, .sig_algo = PSP_ALGO_ECDSA };

	if (!g)
		return PSP_INVALID_GUEST;
	if (!has_digest(g))
		return PSP_INVALID_GUEST_STATE;
	in->length = sizeof(rep);
	if (len < sizeof(rep))
		return PSP_INVALID_LENGTH;
	memcpy(rep.mnonce, in->mnonce, sizeof(rep.mnonce));
	memcpy(rep.launch_digest, g->launch_digest, sizeof(rep.launch_digest));
	rep.policy = g->policy;
	if (!cert_sign_bytes(psp->identity.pek, EVP_sha256(), &rep,
			     offsetof(struct report, sig_usage), rep.r, rep.s))
		return PSP_HWERROR_PLATFORM;
	return psp_put(psp, in->address, &rep, sizeof(rep));
}
