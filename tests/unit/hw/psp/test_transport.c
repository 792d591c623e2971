/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_transport.c - a guest goes from one platform to another, and what it is
 * attested to be.
 */
#include "a_platform.h"

#include "hw/mem/tmr.h"

#include <openssl/ecdsa.h>

enum { HEADER = 10, TRANS = 11, SESSION = 12, CERTS = 13, DATA = 20, VMSA = 21 };

#define POLICY	PSP_POLICY_ES
#define HERE	2u
#define THERE	3u

/* A running guest with a page of data and a VMSA. */
static uint32_t a_running_guest(struct platform *p, uint32_t policy, uint8_t *page)
{
	const uint32_t h = a_guest(p, policy);

	for (unsigned i = 0; i < PAGE_SIZE; i++)
		page[i] = (uint8_t)(i * 13 + i / 256);
	put(p, page_at(p, DATA), page, PAGE_SIZE);
	put(p, page_at(p, VMSA), page, PAGE_SIZE);
	assert_int_equal(activate(p, h, HERE), PSP_SUCCESS);
	assert_int_equal(update(p, PSP_LAUNCH_UPDATE_DATA, h, page_at(p, DATA), PAGE_SIZE),
			 PSP_SUCCESS);
	assert_int_equal(update(p, PSP_LAUNCH_UPDATE_VMSA, h, page_at(p, VMSA), PAGE_SIZE),
			 PSP_SUCCESS);
	measure(p, h);
	assert_int_equal(on_guest(p, PSP_LAUNCH_FINISH, h), PSP_SUCCESS);
	return h;
}

static enum psp_status send_start(struct platform *p, uint32_t h, const struct psp_cert *pdh,
				  const struct psp_chain *chain)
{
	struct psp_send_start s = {
		.handle = h, .pdh_cert_address = page_at(p, CERTS), .pdh_cert_length = sizeof(*pdh),
		.plat_certs_address = page_at(p, CERTS + 1),
		.plat_certs_length = PSP_CERT_CHAIN_LEN,
		.session_address = page_at(p, SESSION), .session_length = PSP_SESSION_LEN };
	enum psp_status st;

	put(p, s.pdh_cert_address, pdh, sizeof(*pdh));
	put(p, s.plat_certs_address, chain, sizeof(*chain));
	st = psp_command(p->hw, PSP_SEND_START, &s);
	if (st == PSP_SUCCESS)
		assert_int_equal(s.policy, status_of(p, h).policy);
	return st;
}

static uint32_t receive_start(struct platform *from, struct platform *to, uint32_t policy)
{
	struct psp_cert pdh = the_pdh(from, NULL);
	struct psp_session s;
	struct psp_receive_start r = {
		.policy = policy, .pdh_cert_address = page_at(to, CERTS),
		.pdh_cert_length = sizeof(pdh), .session_address = page_at(to, SESSION),
		.session_length = sizeof(s) };

	get(from, page_at(from, SESSION), &s, sizeof(s));
	put(to, r.session_address, &s, sizeof(s));
	put(to, r.pdh_cert_address, &pdh, sizeof(pdh));
	r.policy ^= PSP_POLICY_NOKS;
	assert_int_equal(psp_command(to->hw, PSP_RECEIVE_START, &r), PSP_BAD_MEASUREMENT);
	r.policy ^= PSP_POLICY_NOKS;
	assert_int_equal(psp_command(to->hw, PSP_RECEIVE_START, &r), PSP_SUCCESS);
	assert_int_equal(activate(to, r.handle, THERE), PSP_SUCCESS);
	return r.handle;
}

static enum psp_status move_page(struct platform *p, enum psp_cmd cmd, uint32_t h, unsigned page)
{
	struct psp_packet k = {
		.handle = h, .header_address = page_at(p, HEADER), .header_length = PSP_HEADER_LEN,
		.guest_address = page_at(p, page), .guest_length = PAGE_SIZE,
		.trans_address = page_at(p, TRANS), .trans_length = PAGE_SIZE };

	return psp_command(p->hw, cmd, &k);
}

/* What lies between: the network, which may be the enemy's. */
static void carry(struct platform *from, struct platform *to, uint8_t flip)
{
	uint8_t b[PAGE_SIZE];

	get(from, page_at(from, HEADER), b, PSP_HEADER_LEN);
	put(to, page_at(to, HEADER), b, PSP_HEADER_LEN);
	get(from, page_at(from, TRANS), b, PAGE_SIZE);
	b[99] ^= flip;
	put(to, page_at(to, TRANS), b, PAGE_SIZE);
}

static void a_guest_arrives_as_it_left(void **unused)
{
	struct platform from = a_platform(), to = a_platform();
	uint8_t page[PAGE_SIZE], seen[PAGE_SIZE];
	const uint32_t a = a_running_guest(&from, POLICY, page);
	struct psp_chain chain;
	struct psp_cert pdh = the_pdh(&to, &chain);
	uint32_t b;

	(void)unused;
	assert_int_equal(send_start(&from, a, &pdh, &chain), PSP_SUCCESS);
	b = receive_start(&from, &to, POLICY);
	assert_int_equal(move_page(&from, PSP_SEND_UPDATE_DATA, a, DATA), PSP_SUCCESS);
	get(&from, page_at(&from, TRANS), seen, PAGE_SIZE);
	assert_memory_not_equal(seen, page, PAGE_SIZE);
	carry(&from, &to, 1);
	assert_int_equal(move_page(&to, PSP_RECEIVE_UPDATE_DATA, b, DATA), PSP_BAD_MEASUREMENT);
	carry(&from, &to, 0);
	assert_int_equal(move_page(&to, PSP_RECEIVE_UPDATE_VMSA, b, DATA), PSP_BAD_MEASUREMENT);
	assert_int_equal(move_page(&to, PSP_RECEIVE_UPDATE_DATA, b, DATA), PSP_SUCCESS);
	assert_true(view_read(to.hw, HPA(page_at(&to, DATA)), THERE, seen, PAGE_SIZE));
	assert_memory_equal(seen, page, PAGE_SIZE);
	/* only a page that was sealed here leaves as a VMSA; there it is sealed anew */
	assert_int_equal(move_page(&from, PSP_SEND_UPDATE_VMSA, a, DATA), PSP_INVALID_PARAM);
	assert_int_equal(move_page(&from, PSP_SEND_UPDATE_VMSA, a, VMSA), PSP_SUCCESS);
	carry(&from, &to, 0);
	assert_int_equal(move_page(&to, PSP_RECEIVE_UPDATE_VMSA, b, VMSA), PSP_SUCCESS);
	assert_true(view_read(to.hw, HPA(page_at(&to, VMSA)), THERE, seen, PAGE_SIZE));
	assert_memory_equal(seen, page, 0x380);
	assert_true(tmr_matches(to.hw, seen));
	assert_int_equal(on_guest(&to, PSP_RECEIVE_FINISH, b), PSP_SUCCESS);
	assert_int_equal(on_guest(&from, PSP_SEND_FINISH, a), PSP_SUCCESS);
	assert_int_equal(status_of(&to, b).policy, POLICY);
	no_platform(&from);
	no_platform(&to);
}

/* NOSEND stays; DOMAIN goes only to the same owner's; SEV only to AMD's own. */
static void the_policy_says_where_to(void **unused)
{
	struct platform from = a_platform(), to = a_platform();
	static const struct { uint32_t policy; bool own; enum psp_status want; } rows[] = {
		{ PSP_POLICY_ES, false, PSP_SUCCESS },
		{ PSP_POLICY_ES | PSP_POLICY_NOSEND, false, PSP_POLICY_FAILURE },
		{ PSP_POLICY_ES | PSP_POLICY_DOMAIN, false, PSP_POLICY_FAILURE },
		{ PSP_POLICY_ES | PSP_POLICY_DOMAIN, true, PSP_SUCCESS },
		{ PSP_POLICY_ES | PSP_POLICY_SEV, false, PSP_INVALID_CERTIFICATE },
	};
	struct psp_chain theirs, ours;
	struct psp_cert pdh = the_pdh(&to, &theirs), own = the_pdh(&from, &ours);
	uint8_t page[PAGE_SIZE];

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint32_t h = a_running_guest(&from, rows[i].policy, page);

		assert_int_equal(send_start(&from, h, rows[i].own ? &own : &pdh,
					    rows[i].own ? &ours : &theirs), rows[i].want);
		assert_int_equal(on_guest(&from, PSP_DEACTIVATE, h), PSP_SUCCESS);
		assert_int_equal(on_guest(&from, PSP_DECOMMISSION, h), PSP_SUCCESS);
		flush(&from);
	}
	no_platform(&from);
	no_platform(&to);
}

static bool ecdsa_matches(EVP_PKEY *key, const void *bytes, size_t len, const uint8_t *r,
			  const uint8_t *s)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *der = NULL;
	int n, ok;

	assert_true(ECDSA_SIG_set0(sig, BN_lebin2bn(r, 72, NULL), BN_lebin2bn(s, 72, NULL)));
	n = i2d_ECDSA_SIG(sig, &der);
	assert_true(n > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) > 0);
	ok = EVP_DigestVerify(ctx, der, (size_t)n, bytes, len);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
	return ok == 1;
}

/* Nonce, digest, policy; signed by the PEK over the first 52 bytes. */
static void a_report_is_the_peks(void **unused)
{
	struct platform p = a_platform();
	uint8_t page[PAGE_SIZE], report[PSP_ATTESTATION_LEN], both[2 * PAGE_SIZE], digest[32];
	const uint32_t h = a_running_guest(&p, POLICY, page);
	struct psp_attestation in = { .handle = h, .address = page_at(&p, 30),
				      .mnonce = { 9, 8, 7 }, .length = 207 };
	struct psp_chain chain;
	unsigned n = 0;
	EVP_PKEY *pek;

	(void)unused;
	assert_int_equal(psp_command(p.hw, PSP_ATTESTATION, &in), PSP_INVALID_LENGTH);
	assert_int_equal(in.length, PSP_ATTESTATION_LEN);
	assert_int_equal(psp_command(p.hw, PSP_ATTESTATION, &in), PSP_SUCCESS);
	get(&p, in.address, report, sizeof(report));
	memcpy(both, page, PAGE_SIZE);
	memcpy(both + PAGE_SIZE, page, PAGE_SIZE);
	assert_true(EVP_Digest(both, sizeof(both), digest, &n, EVP_sha256(), NULL));
	assert_memory_equal(report, in.mnonce, 16);
	assert_memory_equal(report + 16, digest, 32);
	assert_memory_equal(report + 48, &(uint32_t){ POLICY }, 4);
	the_pdh(&p, &chain);
	pek = cert_key(&chain.pek);
	assert_true(ecdsa_matches(pek, report, 52, report + 64, report + 136));
	report[20] ^= 1;
	assert_false(ecdsa_matches(pek, report, 52, report + 64, report + 136));
	EVP_PKEY_free(pek);
	no_platform(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_arrives_as_it_left),
		cmocka_unit_test(the_policy_says_where_to),
		cmocka_unit_test(a_report_is_the_peks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
