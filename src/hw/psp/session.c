/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * session.c - whom LAUNCH_START and RECEIVE_START talk to.
 */
#include "hw/psp/psp_priv.h"

#define POLICY_RESERVED		0xffc0u

/* The API's version that a policy asks for is this one or an older one. */
static bool policy_is_met(uint32_t policy)
{
	const uint8_t major = policy >> 16 & 0xff, minor = policy >> 24;

	return !(policy & POLICY_RESERVED) &&
	       (major < PSP_API_MAJOR || (major == PSP_API_MAJOR && minor <= PSP_API_MINOR));
}

enum psp_status psp_channel_accept(struct psp *psp, const struct psp_cert *dh,
				   const struct psp_session *s, uint32_t policy,
				   struct psp_channel *ch)
{
	EVP_PKEY *peer = cert_is_dh(dh) ? cert_key(dh) : NULL;
	bool ok;

	if (!peer)
		return PSP_INVALID_CERTIFICATE;
	ok = channel_open(ch, psp->identity.pdh, peer, s, policy);
	EVP_PKEY_free(peer);
	if (!ok)
		return PSP_BAD_MEASUREMENT;
	return policy_is_met(policy) ? PSP_SUCCESS : PSP_POLICY_FAILURE;
}
