/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_launch.c - a guest from LAUNCH_START to LAUNCH_FINISH, by the mailbox.
 */
#include "a_platform.h"

#include "hw/mem/tmr.h"

#include <openssl/sha.h>

static void fill(uint8_t *b, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(i * 31 + i / 256 + seed);
}

/* Plaintext goes in; the guest's key finds it, nobody else does; the digest is of it. */
static void data_is_encrypted_and_measured(void **unused)
{
	static uint8_t in[3 * PAGE_SIZE + 32], out[sizeof(in)];
	struct platform p = a_platform();
	struct psp_channel ch;
	struct psp_launch_start s = owners_start(&p, PLAIN, &ch);
	struct measurement m;
	uint8_t digest[32];

	(void)unused;
	fill(in, sizeof(in), 1);
	put(&p, page_at(&p, 0) + 16, in, sizeof(in));
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_SUCCESS);
	assert_int_equal(activate(&p, s.handle, 6), PSP_SUCCESS);
	assert_int_equal(status_of(&p, s.handle).asid, 6);
	assert_int_equal(update(&p, PSP_LAUNCH_UPDATE_DATA, s.handle, page_at(&p, 0) + 16,
				sizeof(in)), PSP_SUCCESS);
	assert_true(view_read(p.hw, HPA(page_at(&p, 0) + 16), 6, out, sizeof(out)));
	assert_memory_equal(in, out, sizeof(in));
	get(&p, page_at(&p, 0) + 16, out, sizeof(out));
	for (size_t i = 0; i < sizeof(out); i += 16)
		assert_memory_not_equal(in + i, out + i, 16);
	m = measure(&p, s.handle);
	SHA256(in, sizeof(in), digest);
	assert_measures(&m, ch.tik, PLAIN, digest);
	assert_int_equal(status_of(&p, s.handle).state, PSP_GUEST_LSECRET);
	assert_int_equal(on_guest(&p, PSP_LAUNCH_FINISH, s.handle), PSP_SUCCESS);
	assert_int_equal(status_of(&p, s.handle).state, PSP_GUEST_RUNNING);
	no_platform(&p);
}

/* A page larger than one step, in one command and in many: the same digest. */
static void digest_is_of_the_bytes_in_order(void **unused)
{
	static uint8_t in[40 * PAGE_SIZE];
	struct platform p = a_platform();
	uint8_t digest[32];

	(void)unused;
	fill(in, sizeof(in), 5);
	SHA256(in, sizeof(in), digest);
	for (uint32_t step = 4080; step <= sizeof(in); step = step == 4080 ? sizeof(in) : step + 1) {
		const uint32_t h = a_guest(&p, PLAIN);
		const uint8_t no_tik[16] = { 0 };
		struct measurement m;

		put(&p, page_at(&p, 0), in, sizeof(in));
		assert_int_equal(activate(&p, h, 7), PSP_SUCCESS);
		for (uint32_t at = 0; at < sizeof(in); at += step)
			assert_int_equal(update(&p, PSP_LAUNCH_UPDATE_DATA, h, page_at(&p, 0) + at,
						MIN(step, (uint32_t)sizeof(in) - at)),
					 PSP_SUCCESS);
		m = measure(&p, h);
		assert_measures(&m, no_tik, PLAIN, digest);
		assert_int_equal(on_guest(&p, PSP_DEACTIVATE, h), PSP_SUCCESS);
		assert_int_equal(on_guest(&p, PSP_DECOMMISSION, h), PSP_SUCCESS);
	}
	no_platform(&p);
}

/* The digest takes the VMSA as it came; the page then names a checksum that matches. */
static void a_vmsa_is_measured_and_sealed(void **unused)
{
	const uint8_t no_tik[16] = { 0 };
	uint8_t vmsa[PAGE_SIZE], out[PAGE_SIZE], digest[32];
	struct platform p = a_platform();
	const uint32_t h = a_guest(&p, PSP_POLICY_ES);
	struct measurement m;

	(void)unused;
	fill(vmsa, sizeof(vmsa), 9);
	put(&p, page_at(&p, 3), vmsa, sizeof(vmsa));
	assert_int_equal(activate(&p, h, FIRST_ES_ASID), PSP_SUCCESS);
	assert_int_equal(update(&p, PSP_LAUNCH_UPDATE_VMSA, h, page_at(&p, 3), PAGE_SIZE - 16),
			 PSP_INVALID_LENGTH);
	assert_int_equal(update(&p, PSP_LAUNCH_UPDATE_VMSA, h, page_at(&p, 3), PAGE_SIZE),
			 PSP_SUCCESS);
	assert_true(view_read(p.hw, HPA(page_at(&p, 3)), FIRST_ES_ASID, out, sizeof(out)));
	assert_memory_equal(out, vmsa, 0x380);
	assert_memory_equal(out + 0x390, vmsa + 0x390, PAGE_SIZE - 0x390);
	assert_true(tmr_matches(p.hw, out));
	out[0] ^= 1;
	assert_false(tmr_matches(p.hw, out));
	m = measure(&p, h);
	SHA256(vmsa, sizeof(vmsa), digest);
	assert_measures(&m, no_tik, PSP_POLICY_ES, digest);
	out[0] ^= 1;
	assert_int_equal(on_guest(&p, PSP_DEACTIVATE, h), PSP_SUCCESS);
	assert_int_equal(on_guest(&p, PSP_DECOMMISSION, h), PSP_SUCCESS);
	assert_false(tmr_matches(p.hw, out));
	no_platform(&p);
}

/* A secret for a guest in LSECRET whose owner has seen the measurement. */
static void a_secret_needs_the_owners_keys(void **unused)
{
	enum { HEADER = 10, TRANS = 11, GUEST = 12, LEN = 64 };
	uint8_t secret[LEN], wire[LEN], out[LEN];
	struct platform p = a_platform();
	struct psp_channel ch;
	struct psp_launch_start s = owners_start(&p, PLAIN, &ch);
	struct psp_packet k = {
		.header_address = page_at(&p, HEADER), .header_length = PSP_HEADER_LEN,
		.guest_address = page_at(&p, GUEST) + 32, .guest_length = LEN,
		.trans_address = page_at(&p, TRANS), .trans_length = LEN };
	struct psp_header h;
	struct measurement m;

	(void)unused;
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_SUCCESS);
	k.handle = s.handle;
	assert_int_equal(activate(&p, s.handle, 6), PSP_SUCCESS);
	m = measure(&p, s.handle);
	memcpy(ch.measure, m.mac, sizeof(ch.measure));
	fill(secret, LEN, 77);
	memcpy(wire, secret, LEN);
	assert_true(channel_pack(&ch, PSP_SECRET_TAG, &h, wire, LEN));
	assert_memory_not_equal(secret, wire, LEN);
	for (unsigned wrong = 0; wrong < PSP_HEADER_LEN + LEN; wrong++) {
		uint8_t *b = wrong < PSP_HEADER_LEN ? (uint8_t *)&h + wrong :
						      wire + wrong - PSP_HEADER_LEN;

		*b ^= 4;
		put(&p, k.header_address, &h, sizeof(h));
		put(&p, k.trans_address, wire, LEN);
		assert_int_equal(psp_command(p.hw, PSP_LAUNCH_UPDATE_SECRET, &k),
				 PSP_BAD_MEASUREMENT);
		*b ^= 4;
	}
	put(&p, k.header_address, &h, sizeof(h));
	put(&p, k.trans_address, wire, LEN);
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_UPDATE_SECRET, &k), PSP_SUCCESS);
	assert_true(view_read(p.hw, HPA(k.guest_address), 6, out, LEN));
	assert_memory_equal(out, secret, LEN);
	assert_int_equal(on_guest(&p, PSP_LAUNCH_FINISH, s.handle), PSP_SUCCESS);
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_UPDATE_SECRET, &k),
			 PSP_INVALID_GUEST_STATE);
	no_platform(&p);
}

/* One after the other, in the order in which the firmware looks. */
static void a_secrets_lengths_are_checked(void **unused)
{
	struct platform p = a_platform();
	const uint32_t h = a_guest(&p, PLAIN);
	const uint64_t at = page_at(&p, 0);
	const struct psp_packet good = {
		.handle = h, .header_address = at, .header_length = PSP_HEADER_LEN,
		.guest_address = at, .guest_length = 32, .trans_address = at, .trans_length = 32 };
	struct psp_packet rows[] = { good, good, good, good, good, good };

	(void)unused;
	assert_int_equal(activate(&p, h, 6), PSP_SUCCESS);
	measure(&p, h);
	rows[0].trans_length = 48;
	rows[1].guest_length = rows[1].trans_length = 0;
	rows[2].guest_length = rows[2].trans_length = 24;
	rows[3].guest_length = rows[3].trans_length = PSP_DATA_MAX + 16;
	rows[4].header_length--;
	rows[5].header_length++;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(psp_command(p.hw, PSP_LAUNCH_UPDATE_SECRET, &rows[i]),
				 PSP_INVALID_LENGTH);
		rows[i].guest_address++;
		assert_int_equal(psp_command(p.hw, PSP_LAUNCH_UPDATE_SECRET, &rows[i]),
				 PSP_INVALID_ADDRESS);
	}
	rows[0] = good;
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_UPDATE_SECRET, &rows[0]),
			 PSP_BAD_MEASUREMENT);
	no_platform(&p);
}

/* Each argument out of its range, one at a time. */
static void bad_arguments_have_their_status(void **unused)
{
	struct platform p = a_platform();
	const uint32_t h = a_guest(&p, PLAIN);
	const uint64_t at = page_at(&p, 0);
	const struct { uint64_t at; uint32_t len; enum psp_status want; } rows[] = {
		{ at, 16, PSP_SUCCESS },
		{ at + 8, 16, PSP_INVALID_ADDRESS },
		{ at, 24, PSP_INVALID_LENGTH },
		{ at, 0, PSP_INVALID_LENGTH },
		{ 1ull << 41, 4096, PSP_INVALID_ADDRESS },	/* nothing there */
		{ ~15ull, 32, PSP_INVALID_ADDRESS },
	};

	(void)unused;
	assert_int_equal(update(&p, PSP_LAUNCH_UPDATE_DATA, h, at, 16), PSP_INACTIVE);
	assert_int_equal(activate(&p, h, 6), PSP_SUCCESS);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(update(&p, PSP_LAUNCH_UPDATE_DATA, h, rows[i].at, rows[i].len),
				 rows[i].want);
	assert_int_equal(update(&p, PSP_LAUNCH_UPDATE_VMSA, h, at, PAGE_SIZE), PSP_UNSUPPORTED);
	{
		struct psp_guest_range m = { .handle = h, .address = at, .length = 47 };

		assert_int_equal(psp_command(p.hw, PSP_LAUNCH_MEASURE, &m), PSP_INVALID_LENGTH);
		assert_int_equal(m.length, PSP_MEASURE_LEN);
		m.address = 1ull << 41;
		assert_int_equal(psp_command(p.hw, PSP_LAUNCH_MEASURE, &m), PSP_INVALID_ADDRESS);
		assert_int_equal(status_of(&p, h).state, PSP_GUEST_LUPDATE);
	}
	no_platform(&p);
}

/* A session that is not this platform's, not this policy's, or not whole. */
static void a_session_is_checked(void **unused)
{
	struct platform p = a_platform();
	struct psp_channel ch;
	struct psp_launch_start good = owners_start(&p, PLAIN, &ch), s;
	uint8_t b;

	(void)unused;
	for (unsigned i = 0; i < PSP_SESSION_LEN; i++) {
		get(&p, page_at(&p, 59) + i, &b, 1);
		b ^= 1;
		put(&p, page_at(&p, 59) + i, &b, 1);
		s = good;
		assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_BAD_MEASUREMENT);
		b ^= 1;
		put(&p, page_at(&p, 59) + i, &b, 1);
	}
	s = good;
	s.policy = PSP_POLICY_NOSEND;
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_BAD_MEASUREMENT);
	s = good;
	s.session_length--;
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_INVALID_LENGTH);
	s = good;
	s.dh_cert_length--;
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_INVALID_LENGTH);
	s = good;
	s.dh_cert_address = page_at(&p, 59);
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_INVALID_CERTIFICATE);
	/* a newer API than this one; reserved bits */
	s = owners_start(&p, (PSP_API_MINOR + 1u) << 24 | PSP_API_MAJOR << 16, &ch);
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_POLICY_FAILURE);
	s = owners_start(&p, 0x40, &ch);
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_POLICY_FAILURE);
	s = owners_start(&p, PSP_API_MINOR << 24 | PSP_API_MAJOR << 16, &ch);
	assert_int_equal(psp_command(p.hw, PSP_LAUNCH_START, &s), PSP_SUCCESS);
	assert_int_equal(platform_status(&p).guest_count, 1);
	no_platform(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_is_encrypted_and_measured),
		cmocka_unit_test(digest_is_of_the_bytes_in_order),
		cmocka_unit_test(a_vmsa_is_measured_and_sealed),
		cmocka_unit_test(a_secret_needs_the_owners_keys),
		cmocka_unit_test(a_secrets_lengths_are_checked),
		cmocka_unit_test(bad_arguments_have_their_status),
		cmocka_unit_test(a_session_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
