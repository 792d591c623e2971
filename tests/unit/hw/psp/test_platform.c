/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_platform.c - keys and certificates, ASIDs, handles: what the commands
 * leave behind, beyond the states of test_states.c.
 */
#include "a_platform.h"


static bool holds(const void *bytes, size_t len, const char *text)
{
	return memmem(bytes, len, text, strlen(text));
}

/* Signed from the PDH up to the OCA and the CEK, and there it ends, in words. */
static void the_chain_is_whole_and_nobodys(void **unused)
{
	struct platform p = a_platform();
	struct psp_chain c;
	struct psp_cert pdh = the_pdh(&p, &c);
	struct psp_range id = { .address = page_at(&p, 0), .length = 1 };
	char text[PSP_ID_LEN];

	(void)unused;
	assert_int_equal(cert_check(&pdh, &c.pek), CERT_GOOD);
	assert_int_equal(cert_check(&c.pek, &c.oca), CERT_GOOD);
	assert_int_equal(cert_check(&c.pek, &c.cek), CERT_GOOD);
	assert_int_equal(cert_check(&c.oca, &c.oca), CERT_GOOD);
	assert_int_equal(cert_check(&pdh, &c.oca), CERT_INVALID);
	assert_int_equal(c.cek.sig[0].usage, PSP_USAGE_NONE);
	assert_int_equal(c.cek.sig[1].usage, PSP_USAGE_NONE);
	assert_true(holds(&c.cek, sizeof(c.cek), "software model"));
	pdh.q.x[3] ^= 1;
	assert_int_not_equal(cert_check(&pdh, &c.pek), CERT_GOOD);
	assert_int_equal(psp_command(p.hw, PSP_GET_ID, &id), PSP_INVALID_LENGTH);
	assert_int_equal(id.length, PSP_ID_LEN);
	assert_int_equal(psp_command(p.hw, PSP_GET_ID, &id), PSP_SUCCESS);
	get(&p, id.address, text, sizeof(text));
	assert_true(holds(text, sizeof(text), "no chip of AMD"));
	no_platform(&p);
}

/* Keys outlive SHUTDOWN; PDH_GEN, PEK_GEN and FACTORY_RESET replace what they say. */
static void keys_live_as_long_as_the_api_says(void **unused)
{
	struct platform p = a_platform();
	struct psp_chain c[4];
	struct psp_cert pdh[4];

	(void)unused;
	pdh[0] = the_pdh(&p, &c[0]);
	assert_int_equal(psp_command(p.hw, PSP_SHUTDOWN, NULL), PSP_SUCCESS);
	assert_int_equal(init_with(&p, 0), PSP_SUCCESS);
	pdh[1] = the_pdh(&p, &c[1]);
	assert_memory_equal(&pdh[0], &pdh[1], sizeof(pdh[0]));
	assert_memory_equal(&c[0], &c[1], sizeof(c[0]));
	assert_int_equal(psp_command(p.hw, PSP_PDH_GEN, NULL), PSP_SUCCESS);
	pdh[2] = the_pdh(&p, &c[2]);
	assert_memory_not_equal(&pdh[1], &pdh[2], sizeof(pdh[0]));
	assert_memory_equal(&c[1], &c[2], sizeof(c[0]));
	assert_int_equal(psp_command(p.hw, PSP_PEK_GEN, NULL), PSP_SUCCESS);
	pdh[3] = the_pdh(&p, &c[3]);
	assert_memory_not_equal(&pdh[2], &pdh[3], sizeof(pdh[0]));
	assert_memory_not_equal(&c[2].pek, &c[3].pek, sizeof(c[0].pek));
	assert_memory_not_equal(&c[2].oca, &c[3].oca, sizeof(c[0].oca));
	assert_memory_equal(&c[2].cek, &c[3].cek, sizeof(c[0].cek));
	assert_int_equal(psp_command(p.hw, PSP_SHUTDOWN, NULL), PSP_SUCCESS);
	assert_int_equal(psp_command(p.hw, PSP_FACTORY_RESET, NULL), PSP_SUCCESS);
	assert_int_equal(init_with(&p, 0), PSP_SUCCESS);
	pdh[0] = the_pdh(&p, &c[0]);
	assert_memory_not_equal(&pdh[0], &pdh[3], sizeof(pdh[0]));
	assert_memory_not_equal(&c[0].pek, &c[3].pek, sizeof(c[0].pek));
	no_platform(&p);
}

/* A good signature of a key that may not sign this kind counts for nothing. */
static void each_kind_has_its_signer(void **unused)
{
	static const struct { enum psp_usage what, by; enum cert_answer want; } rows[] = {
		{ PSP_USAGE_PDH, PSP_USAGE_PEK, CERT_GOOD },
		{ PSP_USAGE_PDH, PSP_USAGE_OCA, CERT_INVALID },
		{ PSP_USAGE_PDH, PSP_USAGE_CEK, CERT_INVALID },
		{ PSP_USAGE_PEK, PSP_USAGE_OCA, CERT_GOOD },
		{ PSP_USAGE_PEK, PSP_USAGE_CEK, CERT_GOOD },
		{ PSP_USAGE_PEK, PSP_USAGE_PEK, CERT_INVALID },
		{ PSP_USAGE_OCA, PSP_USAGE_OCA, CERT_GOOD },
		{ PSP_USAGE_OCA, PSP_USAGE_CEK, CERT_INVALID },
		{ PSP_USAGE_CEK, PSP_USAGE_CEK, CERT_INVALID },
	};
	EVP_PKEY *key = cert_new_key();

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct psp_cert c, by;

		assert_true(cert_make(&c, rows[i].what, PSP_ALGO_ECDSA, key));
		assert_true(cert_make(&by, rows[i].by, PSP_ALGO_ECDSA, key));
		assert_true(cert_sign(&c, i % 2, rows[i].by, key));
		assert_int_equal(cert_check(&c, &by), rows[i].want);
		c.version = 2;
		assert_true(cert_sign(&c, i % 2, rows[i].by, key));
		assert_int_equal(cert_check(&c, &by), CERT_INVALID);
	}
	EVP_PKEY_free(key);
}

struct import { struct psp_cert pek, oca; };

static struct import certs_of_an_owner(struct platform *p)
{
	struct psp_range csr = { .address = page_at(p, 0), .length = PSP_CERT_LEN };
	struct import i;

	assert_int_equal(psp_command(p->hw, PSP_PEK_CSR, &csr), PSP_SUCCESS);
	get(p, csr.address, &i.pek, sizeof(i.pek));
	assert_int_equal(i.pek.sig[0].usage, PSP_USAGE_NONE);
	assert_true(cert_make(&i.oca, PSP_USAGE_OCA, PSP_ALGO_ECDSA, p->owner));
	assert_true(cert_sign(&i.oca, 0, PSP_USAGE_OCA, p->owner));
	assert_true(cert_sign(&i.pek, 0, PSP_USAGE_OCA, p->owner));
	return i;
}

static enum psp_status import(struct platform *p, const struct import *i)
{
	put(p, page_at(p, 1), &i->pek, sizeof(i->pek));
	put(p, page_at(p, 2), &i->oca, sizeof(i->oca));
	return psp_command(p->hw, PSP_PEK_CERT_IMPORT, &(struct psp_pek_cert_import){
		.pek_cert_address = page_at(p, 1), .pek_cert_length = PSP_CERT_LEN,
		.oca_cert_address = page_at(p, 2), .oca_cert_length = PSP_CERT_LEN });
}

static void an_owner_is_taken_once_and_given_up(void **unused)
{
	struct platform p = a_platform();
	struct import good = certs_of_an_owner(&p), bad = good;
	struct psp_chain c;
	struct psp_cert before = the_pdh(&p, NULL), pdh;

	(void)unused;
	bad.pek.sig[0].r[0] ^= 1;
	assert_int_equal(import(&p, &bad), PSP_BAD_SIGNATURE);
	bad = good;
	bad.oca.sig[0].s[0] ^= 1;
	assert_int_equal(import(&p, &bad), PSP_BAD_SIGNATURE);
	bad = good;		/* well signed, but not the PEK of this platform */
	assert_true(cert_make(&bad.pek, PSP_USAGE_PEK, PSP_ALGO_ECDSA, p.owner));
	assert_true(cert_sign(&bad.pek, 0, PSP_USAGE_OCA, p.owner));
	assert_int_equal(import(&p, &bad), PSP_INVALID_CERTIFICATE);
	assert_int_equal(platform_status(&p).flags & PSP_STATUS_OWNED, 0);
	assert_int_equal(import(&p, &good), PSP_SUCCESS);
	assert_int_equal(platform_status(&p).flags & PSP_STATUS_OWNED, PSP_STATUS_OWNED);
	pdh = the_pdh(&p, &c);
	assert_memory_not_equal(&pdh, &before, sizeof(pdh));
	assert_memory_equal(&c.oca, &good.oca, sizeof(c.oca));
	assert_int_equal(cert_check(&pdh, &c.pek), CERT_GOOD);
	assert_int_equal(cert_check(&c.pek, &c.oca), CERT_GOOD);
	assert_int_equal(cert_check(&c.pek, &c.cek), CERT_GOOD);
	assert_int_equal(import(&p, &good), PSP_ALREADY_OWNED);
	assert_int_equal(psp_command(p.hw, PSP_PEK_GEN, NULL), PSP_SUCCESS);
	assert_int_equal(platform_status(&p).flags & PSP_STATUS_OWNED, 0);
	no_platform(&p);
}

/* INIT leaves all of them dirty; so does a guest that could run, and no other. */
static void an_asid_is_flushed_before_it_is_reused(void **unused)
{
	struct platform p = a_dark_platform();
	uint32_t a, b;

	(void)unused;
	assert_int_equal(init_with(&p, PSP_INIT_ES), PSP_SUCCESS);
	a = a_guest(&p, PLAIN);
	assert_int_equal(activate(&p, a, 6), PSP_DFFLUSH_REQUIRED);
	assert_int_equal(psp_command(p.hw, PSP_DF_FLUSH, NULL), PSP_WBINVD_REQUIRED);
	flush(&p);
	assert_int_equal(activate(&p, a, 6), PSP_SUCCESS);
	assert_int_equal(on_guest(&p, PSP_DEACTIVATE, a), PSP_SUCCESS);
	assert_int_equal(activate(&p, a, 6), PSP_SUCCESS);
	b = a_guest(&p, PLAIN);
	assert_int_equal(activate(&p, b, 6), PSP_ASID_OWNED);
	measure(&p, a);
	assert_int_equal(on_guest(&p, PSP_LAUNCH_FINISH, a), PSP_SUCCESS);
	assert_int_equal(on_guest(&p, PSP_DECOMMISSION, a), PSP_ACTIVE);
	assert_int_equal(on_guest(&p, PSP_DEACTIVATE, a), PSP_SUCCESS);
	assert_int_equal(activate(&p, b, 6), PSP_DFFLUSH_REQUIRED);
	assert_int_equal(psp_command(p.hw, PSP_DF_FLUSH, NULL), PSP_WBINVD_REQUIRED);
	flush(&p);
	assert_int_equal(activate(&p, b, 6), PSP_SUCCESS);
	no_platform(&p);
}

static void es_guests_have_the_low_asids(void **unused)
{
	static const struct { uint32_t policy, asid; enum psp_status want; } rows[] = {
		{ PSP_POLICY_ES, 6, PSP_INVALID_ASID },
		{ PLAIN, 0, PSP_INVALID_ASID },		{ PLAIN, 1, PSP_INVALID_ASID },
		{ PLAIN, 5, PSP_INVALID_ASID },		{ PLAIN, 6, PSP_SUCCESS },
		{ PLAIN, 15, PSP_SUCCESS },		{ PLAIN, 16, PSP_INVALID_ASID },
		{ PSP_POLICY_ES, 0, PSP_INVALID_ASID },	{ PSP_POLICY_ES, 1, PSP_SUCCESS },
		{ PSP_POLICY_ES, 5, PSP_SUCCESS },
	};
	struct platform p = a_platform();

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(activate(&p, a_guest(&p, rows[i].policy), rows[i].asid),
				 rows[i].want);
	assert_int_equal(platform_status(&p).guest_count, ARRAY_SIZE(rows));
	assert_int_equal(psp_command(p.hw, PSP_SHUTDOWN, NULL), PSP_SUCCESS);
	assert_int_equal(init_with(&p, 0), PSP_SUCCESS);
	assert_int_equal(platform_status(&p).flags & PSP_STATUS_ES, 0);
	assert_int_equal(activate(&p, a_guest(&p, PLAIN), 9), PSP_DFFLUSH_REQUIRED);
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &(struct psp_launch_start){
		.policy = PSP_POLICY_ES }), PSP_UNSUPPORTED);
	no_platform(&p);
}

static void init_checks_its_buffer(void **unused)
{
	static const struct { struct psp_init in; enum psp_status want; } rows[] = {
		{ { .flags = 2 }, PSP_INVALID_CONFIG },
		{ { .reserved = 1 }, PSP_INVALID_CONFIG },
		{ { .flags = PSP_INIT_ES }, PSP_INVALID_LENGTH },
		{ { PSP_INIT_ES, 0, 0x80000, PSP_TMR_LEN }, PSP_INVALID_ADDRESS },
		{ { PSP_INIT_ES, 0, 0x100000, PSP_TMR_LEN - 1 }, PSP_INVALID_LENGTH },
		{ { PSP_INIT_ES, 0, 1ull << 50, PSP_TMR_LEN }, PSP_INVALID_ADDRESS },
		{ { PSP_INIT_ES, 0, 0x100000, PSP_TMR_LEN }, PSP_SUCCESS },
	};
	struct platform p = a_dark_platform();

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct psp_init in = rows[i].in;

		assert_int_equal(psp_command(p.hw, PSP_INIT, &in), rows[i].want);
		assert_int_equal(platform_status(&p).state,
				 rows[i].want == PSP_SUCCESS ? PSP_INIT_DONE : PSP_UNINIT);
	}
	assert_int_equal(psp_command(p.hw, PSP_INIT, NULL), PSP_INVALID_COMMAND);
	assert_int_equal(psp_command(p.hw, 0x7ff, &p), PSP_INVALID_COMMAND);
	no_platform(&p);
}

/* The same key under two ASIDs: what one wrote, the other reads. */
static void a_key_is_shared_by_equal_policies_alone(void **unused)
{
	const uint8_t text[32] = "written by the first of the two";
	struct platform p = a_platform();
	const uint32_t first = a_guest(&p, PLAIN);
	struct psp_launch_start s = { .handle = first, .policy = PLAIN };
	uint8_t seen[32];

	(void)unused;
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_SUCCESS);
	assert_int_not_equal(s.handle, first);
	assert_int_equal(activate(&p, first, 6), PSP_SUCCESS);
	assert_int_equal(activate(&p, s.handle, 7), PSP_SUCCESS);
	assert_true(view_write(p.hw, HPA(page_at(&p, 0)), 6, text, sizeof(text)));
	assert_true(view_read(p.hw, HPA(page_at(&p, 0)), 7, seen, sizeof(seen)));
	assert_memory_equal(text, seen, sizeof(text));
	get(&p, page_at(&p, 0), seen, sizeof(seen));
	assert_memory_not_equal(text, seen, sizeof(text));
	s = (struct psp_launch_start){ .handle = first, .policy = PSP_POLICY_NODBG };
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_POLICY_FAILURE);
	s = (struct psp_launch_start){ .handle = 77, .policy = PLAIN };
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_INVALID_GUEST);
	s = (struct psp_launch_start){ .handle = a_guest(&p, PSP_POLICY_NOKS),
				       .policy = PSP_POLICY_NOKS };
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_POLICY_FAILURE);
	no_platform(&p);
}

static void the_debugger_asks_the_policy(void **unused)
{
	const uint8_t text[32] = "what a debugger wants to look at";
	struct platform p = a_platform();
	const uint32_t open = a_guest(&p, PLAIN), shut = a_guest(&p, PSP_POLICY_NODBG);
	struct psp_dbg d = { .handle = open, .length = sizeof(text),
			     .src_address = page_at(&p, 0), .dst_address = page_at(&p, 1) };
	uint8_t seen[32];

	(void)unused;
	assert_int_equal(activate(&p, open, 6), PSP_SUCCESS);
	assert_int_equal(activate(&p, shut, 7), PSP_SUCCESS);
	assert_true(view_write(p.hw, HPA(d.src_address), 6, text, sizeof(text)));
	assert_int_equal(psp_command(p.hw, PSP_DBG_DECRYPT, &d), PSP_SUCCESS);
	get(&p, d.dst_address, seen, sizeof(seen));
	assert_memory_equal(seen, text, sizeof(text));
	d.src_address = page_at(&p, 1);
	d.dst_address = page_at(&p, 2);
	assert_int_equal(psp_command(p.hw, PSP_DBG_ENCRYPT, &d), PSP_SUCCESS);
	assert_true(view_read(p.hw, HPA(d.dst_address), 6, seen, sizeof(seen)));
	assert_memory_equal(seen, text, sizeof(text));
	d.src_address++;
	assert_int_equal(psp_command(p.hw, PSP_DBG_DECRYPT, &d), PSP_INVALID_ADDRESS);
	d.src_address--;
	d.length = 8;
	assert_int_equal(psp_command(p.hw, PSP_DBG_DECRYPT, &d), PSP_INVALID_LENGTH);
	d.length = 16;
	d.handle = shut;
	assert_int_equal(psp_command(p.hw, PSP_DBG_DECRYPT, &d), PSP_POLICY_FAILURE);
	assert_int_equal(psp_command(p.hw, PSP_DBG_ENCRYPT, &d), PSP_POLICY_FAILURE);
	no_platform(&p);
}

/* Lowest free handle first, more than one table's worth, none twice. */
static void handles_are_given_again(void **unused)
{
	struct platform p = a_platform();
	uint32_t h[40];

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(h); i++) {
		h[i] = a_guest(&p, PLAIN);
		assert_int_equal(h[i], i + 1);
	}
	assert_int_equal(on_guest(&p, PSP_DECOMMISSION, h[17]), PSP_SUCCESS);
	assert_int_equal(on_guest(&p, PSP_DECOMMISSION, h[17]), PSP_INVALID_GUEST);
	assert_int_equal(a_guest(&p, PLAIN), h[17]);
	for (unsigned i = 0; i < ARRAY_SIZE(h); i++)
		assert_int_equal(on_guest(&p, PSP_DECOMMISSION, h[i]), PSP_SUCCESS);
	assert_int_equal(platform_status(&p).state, PSP_INIT_DONE);
	no_platform(&p);
}

static void no_mailbox_without_encryption(void **unused)
{
	struct hw *hw = a_machine((struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48 });
	struct psp_platform_status s;

	(void)unused;
	assert_int_equal(psp_command(hw, PSP_PLATFORM_STATUS, &s), PSP_INVALID_COMMAND);
	psp_wbinvd_done(hw);
	no_machine(hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_chain_is_whole_and_nobodys),
		cmocka_unit_test(each_kind_has_its_signer),
		cmocka_unit_test(keys_live_as_long_as_the_api_says),
		cmocka_unit_test(an_owner_is_taken_once_and_given_up),
		cmocka_unit_test(an_asid_is_flushed_before_it_is_reused),
		cmocka_unit_test(es_guests_have_the_low_asids),
		cmocka_unit_test(init_checks_its_buffer),
		cmocka_unit_test(a_key_is_shared_by_equal_policies_alone),
		cmocka_unit_test(the_debugger_asks_the_policy),
		cmocka_unit_test(handles_are_given_again),
		cmocka_unit_test(no_mailbox_without_encryption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
