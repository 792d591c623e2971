/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_id_block.c - the ID block against the sev crate's own: github
 * virtee/sev 9cf2adbffa209cc5becf7ff89ffdf624e7278ced tests/id-block.rs,
 * test_id_block_and_key_digests (ID block, key digests) and
 * test_auth_block_generation (keys and signatures, base64 there; what is not
 * here is zero).
 */
#include "a_platform.h"

#include "hw/psp/snp_id_block.h"

#include <stdio.h>

static const char ld_hex[] = "a14d638341e5674628fe1e02fbedebe5e5ab4faf1dd72d89"
			     "66068e615bb99efd13d214b35c231715b38e263dc6059745";
#define POLICY	0x30000ull

static const struct { unsigned at; const char *hex; } auth_bytes[] = {
	{ 0x000, "0100000001000000" },
	{ 0x040, "e5d3bf7d9bf9e061bd4e8f7c6acae05909a9c3c69f04f318"
		 "f0135eae71ff7d05ef5c8c6b1bc8c047613a7b6f01b738da" },
	{ 0x088, "d4194dca67de8381ec6d267c032b03dd3c1f5eafa6aa61e9"
		 "2964e5548bef332b1ae921f26de16ac33b642744d197a5d8" },
	{ 0x240, "02000000"
		 "1f6d3c80b8fb9ef29ff7dd47e8de3fcb95dd90438768b193"
		 "2c55233c0c475df54ccab8c82c2ff22c1bcf09264d3e76f6" },
	{ 0x28c, "3ebe939c38350b08cd9bda503c85380dfd7c6012f7196676"
		 "7b3214cbdea837ad1d6dbe0a19b150c7c1cdb947d0a8d7cc" },
	{ 0x680, "bb887b94557f568689ff4855c3f7ed99810c3d54ecd42965"
		 "1134dc18dd020ecaa771a34cb97666771aa31f0eb462ea99" },
	{ 0x6c8, "f261e8b95da71b2a35425f48a219a77dbb0fee252f64d18c"
		 "e99888b9fb4f70b104011b7dfea3e0349371a2bfaf6f9133" },
	{ 0x880, "02000000"
		 "8c8645dad57349a3c5ffc6c1a5f74a569f0f833c078bb22c"
		 "d79474f0fe92ce716a73985ba2996233d14c90d68bc77062" },
	{ 0x8cc, "f5ac8771e0911103c9f2a2fe484377192accb388cc3afdb7"
		 "59b5563ecd08935fa9e2028108107aa74884c9a230793c86" },
};
static const char id_key_digest[] = "59fb2c686dfa4fef49f38339aa775c90051c28d57383ddc3"
				    "baf3b5eb4b1496df3b0dbbdcbae5fe27677a644820773fe2";
static const char author_key_digest[] = "eed81169fb0cb5e0ec34794f128fd4e0c4a46f67c65a1adf"
					"a81fcb24bcc088c272369b7ffc3eb2b6af6a4284a1b36c5f";

static void from_hex(uint8_t *to, const char *hex)
{
	for (unsigned b; *hex; hex += 2) {
		assert_int_equal(sscanf(hex, "%2x", &b), 1);
		*to++ = (uint8_t)b;
	}
}

struct given { struct snp_id_block block; struct snp_id_auth auth; uint8_t ld[SNP_DIGEST_BYTES]; };

static struct given the_tools(void)
{
	struct given g;

	memset(&g, 0, sizeof(g));
	from_hex(g.ld, ld_hex);
	memcpy(g.block.ld, g.ld, sizeof(g.ld));
	g.block.version = 1;
	g.block.policy = POLICY;
	for (unsigned i = 0; i < ARRAY_SIZE(auth_bytes); i++)
		from_hex((uint8_t *)&g.auth + auth_bytes[i].at, auth_bytes[i].hex);
	return g;
}

static enum psp_status check(const struct given *g, bool has_author, struct snp_identity *id)
{
	memset(id, 0xee, sizeof(*id));
	return snp_id_block_check(&g->block, &g->auth, has_author, g->ld, POLICY, id);
}

static void the_tools_block_is_taken(void **unused)
{
	uint8_t want[SNP_DIGEST_BYTES], none[SNP_DIGEST_BYTES] = { 0 };
	struct given g = the_tools();
	struct snp_identity id;

	(void)unused;
	assert_int_equal(check(&g, true, &id), PSP_SUCCESS);
	from_hex(want, id_key_digest);
	assert_memory_equal(id.id_key_digest, want, sizeof(want));
	from_hex(want, author_key_digest);
	assert_memory_equal(id.author_key_digest, want, sizeof(want));
	assert_int_equal(check(&g, false, &id), PSP_SUCCESS);
	assert_memory_equal(id.author_key_digest, none, sizeof(none));
}

/* One byte wrong, and what is then said; `lone`: without an author it is good. */
static void another_block_is_refused(void **unused)
{
	static const struct { size_t at; enum psp_status want; bool lone; } rows[] = {
		{ offsetof(struct given, block.ld), PSP_BAD_MEASUREMENT, false },
		{ offsetof(struct given, ld), PSP_BAD_MEASUREMENT, false },
		{ offsetof(struct given, block.policy), PSP_POLICY_FAILURE, false },
		{ offsetof(struct given, auth.id_key_algo), PSP_INVALID_PARAM, false },
		{ offsetof(struct given, auth.author_key_algo), PSP_INVALID_PARAM, true },
		{ offsetof(struct given, block.family_id), PSP_BAD_SIGNATURE, false },
		{ offsetof(struct given, block.guest_svn), PSP_BAD_SIGNATURE, false },
		{ offsetof(struct given, auth.id_block_sig.r), PSP_BAD_SIGNATURE, false },
		{ offsetof(struct given, auth.id_block_sig.s) + 71, PSP_BAD_SIGNATURE, false },
		{ offsetof(struct given, auth.id_key.curve), PSP_BAD_SIGNATURE, false },
		{ offsetof(struct given, auth.id_key.q.x), PSP_BAD_SIGNATURE, false },
		{ offsetof(struct given, auth.id_key.unused) + 9, PSP_BAD_SIGNATURE, true },
		{ offsetof(struct given, auth.id_key_sig.s), PSP_BAD_SIGNATURE, true },
		{ offsetof(struct given, auth.author_key.q.y), PSP_BAD_SIGNATURE, true },
	};

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct given g = the_tools();
		struct snp_identity id;

		((uint8_t *)&g)[rows[i].at] ^= 2;
		assert_int_equal(check(&g, true, &id), rows[i].want);
		assert_int_equal(id.id_key_digest[0], 0xee);
		assert_int_equal(check(&g, false, &id), rows[i].lone ? PSP_SUCCESS : rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tools_block_is_taken),
		cmocka_unit_test(another_block_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
