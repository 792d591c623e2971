/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_request.c - a guest, written here with libcrypto alone, talks with the
 * secure processor: docs/facts/snp-commands.tsv, SNP_GUEST_REQUEST and the messages; reports; keys.
 *
 * usage: test_hw_psp_snp_request DOCS/FACTS
 */
#define POOL_PAGES	4096u
#include "a_snp.h"
#include "model/rmp/facts.h"

#include "hw/psp/cert.h"
#include "hw/psp/psp_snp_priv.h"
#include "hw/psp/snp_cpuid.h"
#include "hw/psp/snp_message.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define ASID	3u
#define GPA_AT	0x40000000ull

static const char *folder;

/* A guest that runs, its keys, and how far it has counted. */
struct guest {
	struct snp	*s;
	uint64_t	 gctx, request, response;
	uint8_t		 vmpck[4][32];
	uint64_t	 count[4];
};

static struct guest a_talker(struct snp *s, uint64_t finish_flags)
{
	struct psp_snp_launch_finish f = { .flags = finish_flags };
	const uint64_t page = a_page(s);
	struct guest g = { .s = s, .gctx = a_guest(s, POLICY, ASID), .request = a_page(s),
			   .response = a_firmware_page(s) };

	assign(s, page, GPA_AT, ASID, false, true);
	assert_int_equal(launch_update(s, g.gctx, page, PSP_SNP_SECRETS, false), PSP_SUCCESS);
	assert_true(view_read(s->hw, HPA(page + 0x20), ASID, g.vmpck, sizeof(g.vmpck)));
	f.gctx = g.gctx;
	memset(f.host_data, 0x77, sizeof(f.host_data));
	assert_int_equal(cmd(s, PSP_SNP_LAUNCH_FINISH, &f), PSP_SUCCESS);
	return g;
}

static void no_talker(struct guest *g)
{
	assert_int_equal(cmd_at(g->s, PSP_SNP_DECOMMISSION, g->gctx), PSP_SUCCESS);
	for (uint64_t a = g->s->at; a < g->s->at + g->s->used * PAGE_SIZE; a += PAGE_SIZE)
		if (entry_of(g->s, a).asid == ASID)
			give_back(g->s, a, false);
	flush(g->s);
}

static void crypt(struct snp_message *m, const uint8_t key[32], bool encrypt)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t iv[12] = { 0 };
	int n;

	memcpy(iv, &m->seqno, 8);
	assert_true(EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, iv, encrypt));
	assert_true(EVP_CipherUpdate(c, NULL, &n, (uint8_t *)m + 0x30, 0x30));
	assert_true(EVP_CipherUpdate(c, m->payload, &n, m->payload,
				     MIN(m->size, SNP_MESSAGE_MAX)));
	if (encrypt) {
		assert_true(EVP_CipherFinal_ex(c, iv, &n));
		assert_true(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, m->authtag));
	} else {
		assert_true(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, m->authtag));
		assert_true(EVP_CipherFinal_ex(c, iv, &n));
	}
	EVP_CIPHER_CTX_free(c);
}

static struct snp_message a_message(const struct guest *g, uint8_t type, uint8_t vmpck,
				    const void *payload, size_t len)
{
	struct snp_message m = { .seqno = g->count[vmpck & 3] + 1, .algo = 1, .hdr_version = 1,
				 .hdr_size = 0x60, .type = type, .version = 1,
				 .size = (uint16_t)len, .vmpck = vmpck };

	memcpy(m.payload, payload, len);
	return m;
}

static enum psp_status send_to(struct guest *g, struct snp_message *m, uint64_t request,
			       uint64_t response)
{
	crypt(m, g->vmpck[m->vmpck & 3], true);
	assert_true(view_write(g->s->hw, HPA(request), 0, m,
			       MIN(sizeof(*m), PAGE_SIZE - request % PAGE_SIZE)));
	return cmd(g->s, PSP_SNP_GUEST_REQUEST,
		   &(struct psp_snp_guest_request){ g->gctx, request, response });
}

/* The whole way; the payload of the answer into @out. */
static enum psp_status ask(struct guest *g, uint8_t type, uint8_t vmpck, const void *payload,
			   size_t len, void *out, size_t out_len)
{
	struct snp_message m = a_message(g, type, vmpck, payload, len), r;
	const enum psp_status st = send_to(g, &m, g->request, g->response);

	if (st != PSP_SUCCESS)
		return st;
	get(g->s, g->response, &r, sizeof(r));
	assert_int_equal(r.seqno, m.seqno + 1);
	assert_int_equal(r.type, type + 1);
	assert_int_equal(r.vmpck, vmpck);
	crypt(&r, g->vmpck[vmpck], false);
	g->count[vmpck] += 2;
	memcpy(out, r.payload, MIN(out_len, r.size));
	return PSP_SUCCESS;
}

struct report_request { uint8_t data[64]; uint32_t vmpl, select; uint8_t reserved[24]; };
struct report_answer { uint32_t status, size; uint8_t reserved[24], report[0x4a0]; };

static struct report_answer ask_report(struct guest *g, uint8_t vmpck, const struct report_request *q)
{
	struct report_answer a = { .status = 0xdead };

	assert_int_equal(ask(g, 5, vmpck, q, sizeof(*q), &a, sizeof(a)), PSP_SUCCESS);
	return a;
}

/* -- Rows of SNP_GUEST_REQUEST -- */

static bool has(const char *text, const char *word)
{
	return strstr(text, word) != NULL;
}

static enum psp_status try_header(struct guest *g, const char *value)
{
	struct report_request q = { .vmpl = 0 };
	struct snp_message m = a_message(g, 5, 0, &q, sizeof(q));

	if (has(value, "hdr_version"))
		m.hdr_version = 2;
	else if (has(value, "hdr_size"))
		m.hdr_size = 0x61;
	else if (has(value, "algo"))
		m.algo = 2;
	else if (has(value, "msg_size"))
		m.size = 8;
	else if (has(value, "msg_vmpck above"))
		m.vmpck = 4;
	else if (has(value, "msg_seqno"))
		m.seqno += 2;
	else if (has(value, "msg_version 0"))
		m.version = 0;
	else if (has(value, "msg_type"))
		m.type = 2;
	else
		fail_msg("what is wrong with a header: %s?", value);
	return send_to(g, &m, g->request, g->response);
}

static enum psp_status try_place(struct guest *g, const char *what, const char *value)
{
	struct report_request q = { .vmpl = 0 };
	struct snp_message m = a_message(g, 5, 0, &q, sizeof(q));

	if (!strcmp(what, "header"))
		return send_to(g, &m, g->request + PAGE_SIZE - 0x50, g->response);
	if (has(value, "the response"))
		return send_to(g, &m, g->request, g->response + PAGE_SIZE - 0x500);
	if (has(value, "tag")) {
		send_to(g, &m, a_page(g->s), UNCOVERED);	/* into some page */
		m.authtag[3] ^= 1;
		put(g->s, g->request, &m, sizeof(m));
		return cmd(g->s, PSP_SNP_GUEST_REQUEST, &(struct psp_snp_guest_request){
			g->gctx, g->request, g->response });
	}
	return send_to(g, &m, g->request + PAGE_SIZE - 0x60 - 0x50, g->response);
}

static enum psp_status try_guest(struct snp *s, const char *what, const char *value)
{
	struct psp_snp_guest_request in = { a_page(s), a_page(s), a_firmware_page(s) };

	if (!strcmp(what, "gctx")) {
		for (unsigned i = 0; i < ARRAY_SIZE(state_names); i++)
			if (!strcmp(state_names[i], value))
				into_state(s, in.gctx, i, false, OTHER_ASID, GPA_AT);
		in.gctx = strcmp(value, "default") ? in.gctx : UNCOVERED;
	} else {			/* gstate */
		in.gctx = strcmp(value, "init") ? a_guest(s, POLICY, 0) : a_context(s);
	}
	return cmd(s, PSP_SNP_GUEST_REQUEST, &in);
}

static enum psp_status try_response(struct guest *g, const char *what, const char *value)
{
	struct report_request q = { .vmpl = 0 };
	struct snp_message m = a_message(g, 5, 0, &q, sizeof(q));
	uint64_t to = has(what, "size") ? a_large(g->s) : a_page(g->s);

	if (has(what, "size"))
		assign(g->s, to, 0, 0, true, true);
	for (unsigned i = 0; i < ARRAY_SIZE(state_names); i++)
		if (!strcmp(state_names[i], value))
			into_state(g->s, to, i, false, OTHER_ASID, GPA_AT);
	return send_to(g, &m, g->request, strcmp(value, "default") ? to : UNCOVERED);
}

/* The one who holds the counters sees them end; a guest would talk for centuries. */
static enum psp_status try_end(struct guest *g)
{
	struct snp_vmpck keys[SNP_NR_VMPCKS] = { { .count = UINT64_MAX - 1 } };
	uint8_t text[16] = { 0 }, out[SNP_MESSAGE_MAX];
	struct snp_message m = a_message(g, 5, 0, text, sizeof(text));

	memcpy(keys[0].key, g->vmpck[0], 32);
	m.seqno = UINT64_MAX;
	crypt(&m, g->vmpck[0], true);
	return snp_message_open(&m, keys, out);
}

static enum psp_status try_request(struct guest *g, const char *what, const char *value)
{
	struct snp dark;
	enum psp_status st;

	if (!strcmp(what, "reserved"))
		return cmd(g->s, PSP_SNP_GUEST_REQUEST, &(struct psp_snp_guest_request){
			g->gctx + 16, g->request, g->response });
	if (!strcmp(what, "platform")) {
		dark = a_machine_with(true);
		st = try_guest(&dark, "gctx", "context");
		no_snp(&dark);
		return st;
	}
	if (!strcmp(what, "gctx") || !strcmp(what, "gstate"))
		return try_guest(g->s, what, value);
	if (!strcmp(what, "response-page") || has(what, "request-size"))
		return try_response(g, what, value);
	if (!strcmp(what, "count"))
		return try_end(g);
	if (!strcmp(what, "ok")) {
		struct report_request q = { .vmpl = 0 };
		struct report_answer a;

		return ask(g, 5, 0, &q, sizeof(q), &a, sizeof(a));
	}
	if (!strcmp(what, "header") && !has(value, "crosses"))
		return try_header(g, value);
	return try_place(g, what, value);
}

/* -- Rows of messages -- */

struct cpuid_message { uint32_t count, reserved; uint64_t reserved2; struct snp_cpuid_entry e[64]; };
struct cpuid_answer { uint32_t status, count; uint64_t reserved; struct snp_cpuid_entry e[64]; };

static uint32_t try_cpuid(struct guest *g, const char *what, const char *value)
{
	static struct cpuid_message q;
	static struct cpuid_answer a;

	memset(&q, 0, sizeof(q));
	q.count = has(value, "above 64") ? 65 : 2;
	q.e[0].eax_in = 0x80000000;
	q.e[1].eax_in = 6;
	q.e[1].reg[1] = !strcmp(what, "functions");	/* EBX of leaf 6 must be 0 */
	q.reserved = !strcmp(what, "reserved");
	assert_int_equal(ask(g, 1, 0, &q, sizeof(q), &a, sizeof(a)), PSP_SUCCESS);
	if (has(value, "above 64"))
		assert_int_equal(a.count, 0);
	if (!strcmp(what, "functions") || !strcmp(what, "ok")) {
		assert_int_equal(a.count, 2);
		assert_int_equal(a.e[1].reg[1], 0);
	}
	return a.status;
}

/* Of key_sel the table has three cases in one row. */
static uint32_t try_report(struct snp *s, struct guest *g, const char *what)
{
	struct report_request q = { .vmpl = 1 };
	uint32_t st = 0;

	if (!strcmp(what, "reserved")) {
		q.select = 4;
		st = ask_report(g, 1, &q).status;
		q.select = 0;
		q.reserved[23] = 1;
		assert_int_equal(ask_report(g, 1, &q).status, st);
	} else if (!strcmp(what, "key_sel")) {
		struct guest other;

		q.select = 3;
		st = ask_report(g, 1, &q).status;
		q.select = 2;
		assert_int_equal(ask_report(g, 1, &q).status, st);
		no_talker(g);
		other = a_talker(s, PSP_SNP_FINISH_NO_VCEK);
		q.select = 1;
		assert_int_equal(ask_report(&other, 1, &q).status, st);
		no_talker(&other);
		*g = a_talker(s, 0);
	} else if (!strcmp(what, "vmpl")) {
		st = ask_report(g, 2, &q).status;
	} else {
		st = ask_report(g, 1, &q).status;
	}
	return st;
}

static void check(const struct facts *f, unsigned row, const char *value, uint32_t got)
{
	const char *want = fact_cell(f, f->row[row], "status");

	if (strcmp(want, "nonzero") ? got != (uint32_t)atoi(want) : !got)
		fail_msg("%s %s %s: status %u, not %s", fact_cell(f, f->row[row], "command"),
			 fact_cell(f, f->row[row], "what"), value, got, want);
}

static bool do_row(struct snp *s, struct guest *g, const struct facts *f, unsigned row)
{
	const char *command = fact_cell(f, f->row[row], "command");
	const char *what = fact_cell(f, f->row[row], "what");
	char values[512], *rest = values, *value;

	snprintf(values, sizeof(values), "%s", fact_cell(f, f->row[row], "value"));
	if (!strcmp(command, "MSG_CPUID_REQ")) {
		check(f, row, values, try_cpuid(g, what, values));
	} else if (!strcmp(command, "MSG_REPORT_REQ")) {
		check(f, row, values, try_report(s, g, what));
	} else if (!strcmp(command, "SNP_GUEST_REQUEST")) {
		while ((value = strsep(&rest, "|")))
			check(f, row, value, try_request(g, what, value));
	} else {
		return false;
	}
	return true;
}

static void every_row_holds(void **unused)
{
	struct snp s = an_snp();
	struct guest g = a_talker(&s, 0);
	unsigned n = 0;
	struct facts f;
	char path[4096];

	(void)unused;
	snprintf(path, sizeof(path), "%s/snp-commands.tsv", folder);
	f = facts_read(path);
	for (unsigned i = 0; i < f.nr_rows; i++)
		n += do_row(&s, &g, &f, i);
	no_snp(&s);
	printf("snp-commands.tsv: %u rows of messages hold\n", n);
	assert_true(n > 20);
	facts_free(&f);
}

/* -- What a report says -- */

static void a_report_is_no_amds(void **unused)
{
	struct snp s = an_snp();
	struct guest g = a_talker(&s, 0);
	struct report_request q = { .vmpl = 2 };
	struct report_answer a;
	const uint8_t *r = a.report;
	uint8_t id[64], host[32];
	struct psp_range where = { .address = a_firmware_page(&s), .length = sizeof(id) };
	EVP_PKEY *key;

	(void)unused;
	memset(q.data, 0x3c, sizeof(q.data));
	a = ask_report(&g, 1, &q);
	assert_int_equal(a.status, PSP_SUCCESS);
	assert_int_equal(a.size, 0x4a0);
	assert_int_equal(r[0], 2);
	assert_int_equal(r[0x30], 2);
	assert_memory_equal(r + 0x50, q.data, sizeof(q.data));
	memset(host, 0x77, sizeof(host));
	assert_memory_equal(r + 0xc0, host, sizeof(host));
	assert_int_equal(cmd(&s, PSP_GET_ID, &where), PSP_SUCCESS);
	get(&s, where.address, id, sizeof(id));
	assert_memory_equal(r + 0x1a0, id, sizeof(id));
	assert_non_null(strstr((const char *)r + 0x1a0, "no chip of AMD's"));
	key = s.hw->psp->snp.vcek;
	assert_true(cert_bytes_match(key, EVP_sha384(), r, 0x2a0, r + 0x2a0, r + 0x2a0 + 72));
	a.report[0x90] ^= 1;
	assert_false(cert_bytes_match(key, EVP_sha384(), r, 0x2a0, r + 0x2a0, r + 0x2a0 + 72));
	no_snp(&s);
}

/* SNP_CONFIG takes the chip's id, or its signature, out of reports. */
static void masks(void **unused)
{
	static const uint8_t zeros[512];
	struct snp s = an_snp();
	struct guest g = a_talker(&s, 0);
	struct report_request q = { .vmpl = 0 };
	struct psp_snp_config c = { .mask = PSP_SNP_MASK_CHIP_ID | PSP_SNP_MASK_CHIP_KEY };
	struct report_answer a;

	(void)unused;
	assert_int_equal(cmd(&s, PSP_SNP_CONFIG, &c), PSP_SUCCESS);
	a = ask_report(&g, 0, &q);
	assert_int_equal(a.status, PSP_SUCCESS);
	assert_memory_equal(a.report + 0x1a0, zeros, 64);
	assert_memory_equal(a.report + 0x2a0, zeros, 512);
	assert_int_equal(a.report[0x48], 2 | 7 << 2);
	c.mask = 4;
	assert_int_equal(cmd(&s, PSP_SNP_CONFIG, &c), PSP_INVALID_PARAM);
	c.mask = 0;
	c.reported_tcb = 1;
	assert_int_equal(cmd(&s, PSP_SNP_CONFIG, &c), PSP_INVALID_PARAM);
	assert_int_equal(cmd(&s, PSP_SNP_COMMIT, &(struct psp_snp_commit){ 4 }), PSP_SUCCESS);
	assert_int_equal(cmd(&s, PSP_SNP_COMMIT, &(struct psp_snp_commit){ 8 }),
			 PSP_INVALID_PARAM);
	no_snp(&s);
}

/* -- Keys -- */

struct key_request { uint32_t select, reserved; uint64_t fields; uint32_t vmpl, svn; uint64_t tcb; };
struct key_answer { uint32_t status; uint8_t reserved[28], key[32]; };

static struct key_answer ask_key(struct guest *g, uint8_t vmpck, struct key_request q)
{
	struct key_answer a = { .status = 0xdead };

	assert_int_equal(ask(g, 3, vmpck, &q, sizeof(q), &a, sizeof(a)), PSP_SUCCESS);
	return a;
}

static bool same_key(struct key_answer a, struct key_answer b)
{
	assert_int_equal(a.status, PSP_SUCCESS);
	assert_int_equal(b.status, PSP_SUCCESS);
	return !memcmp(a.key, b.key, sizeof(a.key));
}

/* The same question gives the same key; each field asked for, and the root, another. */
static void keys_depend_on_what_is_asked(void **unused)
{
	struct snp s = an_snp();
	struct guest g = a_talker(&s, 0), other;
	struct key_request q = { .vmpl = 1 };
	struct key_answer chip = ask_key(&g, 1, q), own;

	(void)unused;
	assert_true(same_key(chip, ask_key(&g, 1, q)));
	assert_false(same_key(chip, ask_key(&g, 1, (struct key_request){ .vmpl = 2 })));
	for (unsigned i = 0; i < 6; i++)
		assert_false(same_key(chip, ask_key(&g, 1, (struct key_request){
			.vmpl = 1, .fields = 1u << i })));
	own = ask_key(&g, 1, (struct key_request){ .vmpl = 1, .select = 1 });
	assert_false(same_key(chip, own));
	assert_int_equal(ask_key(&g, 1, (struct key_request){ .vmpl = 0 }).status,
			 PSP_INVALID_PARAM);
	assert_int_equal(ask_key(&g, 1, (struct key_request){ .vmpl = 1, .fields = 64 }).status,
			 PSP_INVALID_PARAM);
	assert_int_equal(ask_key(&g, 1, (struct key_request){ .vmpl = 1, .select = 8 }).status,
			 PSP_INVALID_PARAM);
	assert_int_equal(ask_key(&g, 1, (struct key_request){ .vmpl = 1, .select = 2 << 1 }).status,
			 PSP_INVALID_KEY);
	assert_int_equal(ask_key(&g, 1, (struct key_request){ .vmpl = 1, .fields = 16,
							       .svn = 1 }).status,
			 PSP_INVALID_PARAM);
	/* The owner's key counts, and which of the two it is. */
	for (unsigned i = 0; i < 2; i++) {
		struct snp_guest *inside = snp_guest_find(s.hw->psp, g.gctx);

		inside->finish_flags = i ? PSP_SNP_FINISH_ID_BLOCK | PSP_SNP_FINISH_AUTHOR_KEY
					 : PSP_SNP_FINISH_ID_BLOCK;
		assert_false(same_key(chip, ask_key(&g, 1, q)));
		inside->finish_flags = 0;
	}
	no_talker(&g);
	other = a_talker(&s, 0);
	assert_true(same_key(chip, ask_key(&other, 1, q)));
	assert_false(same_key(own, ask_key(&other, 1, (struct key_request){ .vmpl = 1,
									    .select = 1 })));
	no_snp(&s);
}

/* Migration agents' messages have an answer, the time of the TSC too. */
static void the_other_messages(void **unused)
{
	struct snp s = an_snp();
	struct guest g = a_talker(&s, 0);
	uint8_t zeros[0x80] = { 0 };
	struct { uint32_t status, reserved; uint64_t scale, offset; uint8_t rest[104]; } tsc;
	uint32_t status[8];

	(void)unused;
	for (uint8_t type = 7; type <= 15; type += 2) {
		assert_int_equal(ask(&g, type, 3, zeros, 0x40, status, sizeof(status)),
				 PSP_SUCCESS);
		assert_int_equal(status[0], PSP_UNSUPPORTED);
	}
	assert_int_equal(ask(&g, 17, 3, zeros, sizeof(zeros), &tsc, sizeof(tsc)), PSP_SUCCESS);
	assert_int_equal(tsc.status, 0);
	assert_int_equal(tsc.scale, 1ull << 32);
	assert_int_equal(ask(&g, 19, 3, zeros, 0x40, status, sizeof(status)), PSP_INVALID_PARAM);
	no_snp(&s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_holds), cmocka_unit_test(a_report_is_no_amds),
		cmocka_unit_test(masks), cmocka_unit_test(keys_depend_on_what_is_asked),
		cmocka_unit_test(the_other_messages),
	};

	folder = argc > 1 ? argv[1] : "docs/facts";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
