/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_states.c - every command in every state of the platform and of a guest,
 * against docs/facts/psp-sev-commands.tsv.
 *
 * usage: test_hw_psp_states PSP-SEV-COMMANDS.TSV
 */
#include "a_platform.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum situation { DARK, INIT, NONE, LUPDATE, LSECRET, RUNNING, SUPDATE, RUPDATE, SENT, NR_SITUATIONS };

static const char *const situation_names[NR_SITUATIONS] = {
	"UNINIT", "INIT", "none", "LUPDATE", "LSECRET", "RUNNING", "SUPDATE", "RUPDATE", "SENT",
};
static const enum psp_guest_state guest_states[NR_SITUATIONS] = {
	[LUPDATE] = PSP_GUEST_LUPDATE, [LSECRET] = PSP_GUEST_LSECRET,
	[RUNNING] = PSP_GUEST_RUNNING, [SUPDATE] = PSP_GUEST_SUPDATE,
	[RUPDATE] = PSP_GUEST_RUPDATE, [SENT] = PSP_GUEST_SENT,
};
static const char *facts;

enum { GUEST = 0, VMSA = 1, HEADER = 2, TRANS = 3, SESSION = 4, OUT = 5, CERTS = 8 };

#define OTHER_ASID	3u		/* of the guest that keeps the platform working */
#define ASID		1u
#define FREE_ASID	2u

struct setting {			/* one situation, and what commands need in it */
	struct platform		p;
	uint32_t		handle;		/* of the guest; one that does not exist otherwise */
	struct psp_channel	ch;		/* the owner's, or the sender's */
	struct psp_cert		pdh;
};

/* LAUNCH_START by the owner, a page and a VMSA, and an ASID. */
static void guest_launch(struct setting *s)
{
	struct psp_launch_start start = owners_start(&s->p, PSP_POLICY_ES, &s->ch);

	assert_int_equal(psp_command(s->p.hw, PSP_LAUNCH_START, &start), PSP_SUCCESS);
	s->handle = start.handle;
	assert_int_equal(activate(&s->p, s->handle, ASID), PSP_SUCCESS);
	assert_int_equal(update(&s->p, PSP_LAUNCH_UPDATE_DATA, s->handle,
				page_at(&s->p, GUEST), PAGE_SIZE), PSP_SUCCESS);
	assert_int_equal(update(&s->p, PSP_LAUNCH_UPDATE_VMSA, s->handle,
				page_at(&s->p, VMSA), PAGE_SIZE), PSP_SUCCESS);
}

static enum psp_status send_start(struct setting *s, uint32_t handle)
{
	put(&s->p, page_at(&s->p, CERTS), &s->pdh, sizeof(s->pdh));
	return psp_command(s->p.hw, PSP_SEND_START, &(struct psp_send_start){
		.handle = handle, .pdh_cert_address = page_at(&s->p, CERTS),
		.pdh_cert_length = PSP_CERT_LEN, .session_address = page_at(&s->p, SESSION),
		.session_length = PSP_SESSION_LEN });
}

/* A session from somebody else's platform, whose keys we know. */
static enum psp_status receive_start(struct setting *s, uint32_t *handle)
{
	struct psp_receive_start r = {
		.policy = PSP_POLICY_ES, .pdh_cert_length = PSP_CERT_LEN,
		.session_length = PSP_SESSION_LEN };
	enum psp_status st;

	if (platform_status(&s->p).state != PSP_UNINIT) {
		struct psp_launch_start from = owners_start(&s->p, PSP_POLICY_ES, &s->ch);

		r.pdh_cert_address = from.dh_cert_address;
		r.session_address = from.session_address;
	}
	st = psp_command(s->p.hw, PSP_RECEIVE_START, &r);
	*handle = r.handle;
	return st;
}

static void guest_reach(struct setting *s, enum situation want)
{
	if (want == RUPDATE) {
		assert_int_equal(receive_start(s, &s->handle), PSP_SUCCESS);
		assert_int_equal(activate(&s->p, s->handle, ASID), PSP_SUCCESS);
		return;
	}
	guest_launch(s);
	if (want >= LSECRET) {
		struct measurement m = measure(&s->p, s->handle);

		memcpy(s->ch.measure, m.mac, sizeof(m.mac));
	}
	if (want >= RUNNING)
		assert_int_equal(on_guest(&s->p, PSP_LAUNCH_FINISH, s->handle), PSP_SUCCESS);
	if (want >= SUPDATE)
		assert_int_equal(send_start(s, s->handle), PSP_SUCCESS);
	if (want == SENT)
		assert_int_equal(on_guest(&s->p, PSP_SEND_FINISH, s->handle), PSP_SUCCESS);
}

static struct setting set_up(const struct platform *dark, enum situation want, bool active)
{
	struct setting s = { .p = *dark, .handle = 99 };

	if (want == DARK)
		return s;
	assert_int_equal(init_with(&s.p, PSP_INIT_ES), PSP_SUCCESS);
	flush(&s.p);
	s.pdh = the_pdh(&s.p, NULL);
	if (want == INIT)
		return s;
	assert_int_equal(activate(&s.p, a_guest(&s.p, PSP_POLICY_ES), OTHER_ASID), PSP_SUCCESS);
	if (want == NONE)
		return s;
	guest_reach(&s, want);
	assert_int_equal(status_of(&s.p, s.handle).state, guest_states[want]);
	if (!active)
		assert_int_equal(on_guest(&s.p, PSP_DEACTIVATE, s.handle), PSP_SUCCESS);
	return s;
}

/* An OCA of our own, and the platform's PEK signed by it. */
static struct psp_pek_cert_import certs_to_import(struct setting *s)
{
	struct psp_range csr = { .address = page_at(&s->p, CERTS), .length = PSP_CERT_LEN };
	struct psp_cert pek, oca;

	if (psp_command(s->p.hw, PSP_PEK_CSR, &csr) == PSP_SUCCESS) {
		get(&s->p, csr.address, &pek, sizeof(pek));
		assert_true(cert_make(&oca, PSP_USAGE_OCA, PSP_ALGO_ECDSA, s->p.owner));
		assert_true(cert_sign(&oca, 0, PSP_USAGE_OCA, s->p.owner));
		assert_true(cert_sign(&pek, 0, PSP_USAGE_OCA, s->p.owner));
		put(&s->p, page_at(&s->p, CERTS), &pek, sizeof(pek));
		put(&s->p, page_at(&s->p, CERTS + 1), &oca, sizeof(oca));
	}
	return (struct psp_pek_cert_import){
		.pek_cert_address = page_at(&s->p, CERTS), .pek_cert_length = PSP_CERT_LEN,
		.oca_cert_address = page_at(&s->p, CERTS + 1), .oca_cert_length = PSP_CERT_LEN };
}

/* A packet that the guest's peer would send, of one page, and room for one. */
static struct psp_packet packet(struct setting *s, uint8_t tag, unsigned guest_page)
{
	uint8_t bytes[PAGE_SIZE] = { 1, 2, 3 };
	struct psp_header h;

	assert_true(channel_pack(&s->ch, tag, &h, bytes, sizeof(bytes)));
	put(&s->p, page_at(&s->p, HEADER), &h, sizeof(h));
	put(&s->p, page_at(&s->p, TRANS), bytes, sizeof(bytes));
	return (struct psp_packet){
		.handle = s->handle, .header_address = page_at(&s->p, HEADER),
		.header_length = PSP_HEADER_LEN, .guest_address = page_at(&s->p, guest_page),
		.guest_length = PAGE_SIZE, .trans_address = page_at(&s->p, TRANS),
		.trans_length = PAGE_SIZE };
}

static enum psp_status run_packet(struct setting *s, enum psp_cmd cmd, uint8_t tag, unsigned page)
{
	struct psp_packet k = packet(s, tag, page);

	return psp_command(s->p.hw, cmd, &k);
}

static enum psp_status run_platform(struct setting *s, enum psp_cmd cmd)
{
	struct psp_range r = { .address = page_at(&s->p, OUT), .length = PAGE_SIZE };

	switch (cmd) {
	case PSP_INIT:
		return init_with(&s->p, PSP_INIT_ES);
	case PSP_INIT_EX:
		return psp_command(s->p.hw, cmd, &(struct psp_init_ex){
			.length = sizeof(struct psp_init_ex) });
	case PSP_PLATFORM_STATUS:
		platform_status(&s->p);
		return PSP_SUCCESS;
	case PSP_PEK_CERT_IMPORT: {
		struct psp_pek_cert_import i = certs_to_import(s);

		return psp_command(s->p.hw, cmd, &i);
	}
	case PSP_PDH_CERT_EXPORT:
		return psp_command(s->p.hw, cmd, &(struct psp_pdh_cert_export){
			.pdh_cert_address = page_at(&s->p, OUT), .pdh_cert_length = PSP_CERT_LEN,
			.certs_address = page_at(&s->p, CERTS),
			.certs_length = PSP_CERT_CHAIN_LEN });
	case PSP_DF_FLUSH:
		psp_wbinvd_done(s->p.hw);
		return psp_command(s->p.hw, cmd, NULL);
	default:
		return psp_command(s->p.hw, cmd, &r);
	}
}

static enum psp_status run_launch(struct setting *s, enum psp_cmd cmd)
{
	switch (cmd) {
	case PSP_LAUNCH_START:
		return psp_command(s->p.hw, cmd, &(struct psp_launch_start){
			.policy = PSP_POLICY_ES });
	case PSP_LAUNCH_UPDATE_DATA:
		return update(&s->p, cmd, s->handle, page_at(&s->p, GUEST), PAGE_SIZE);
	case PSP_LAUNCH_UPDATE_VMSA:
		return update(&s->p, cmd, s->handle, page_at(&s->p, VMSA), PAGE_SIZE);
	case PSP_LAUNCH_MEASURE:
		return update(&s->p, cmd, s->handle, page_at(&s->p, OUT), PSP_MEASURE_LEN);
	case PSP_LAUNCH_UPDATE_SECRET:
		return run_packet(s, cmd, PSP_SECRET_TAG, GUEST);
	default:
		return on_guest(&s->p, cmd, s->handle);
	}
}

static enum psp_status run_transport(struct setting *s, enum psp_cmd cmd)
{
	uint32_t handle;

	switch (cmd) {
	case PSP_SEND_START:
		return send_start(s, s->handle);
	case PSP_RECEIVE_START:
		return receive_start(s, &handle);
	case PSP_SEND_UPDATE_VMSA:
	case PSP_RECEIVE_UPDATE_VMSA:
		return run_packet(s, cmd, PSP_VMSA_TAG, VMSA);
	case PSP_SEND_UPDATE_DATA:
	case PSP_RECEIVE_UPDATE_DATA:
		return run_packet(s, cmd, PSP_DATA_TAG, GUEST);
	default:
		return on_guest(&s->p, cmd, s->handle);
	}
}

static enum psp_status run_guest(struct setting *s, enum psp_cmd cmd)
{
	switch (cmd) {
	case PSP_ACTIVATE:
		return activate(&s->p, s->handle, FREE_ASID);
	case PSP_GUEST_STATUS:
		return psp_command(s->p.hw, cmd, &(struct psp_guest_status){ .handle = s->handle });
	case PSP_COPY:
		return psp_command(s->p.hw, cmd, &(struct psp_copy){
			.handle = s->handle, .length = PAGE_SIZE,
			.src_address = page_at(&s->p, GUEST), .dst_address = page_at(&s->p, OUT) });
	case PSP_ATTESTATION:
		return psp_command(s->p.hw, cmd, &(struct psp_attestation){
			.handle = s->handle, .address = page_at(&s->p, OUT),
			.length = PSP_ATTESTATION_LEN });
	case PSP_DBG_DECRYPT:
	case PSP_DBG_ENCRYPT:
		return psp_command(s->p.hw, cmd, &(struct psp_dbg){
			.handle = s->handle, .src_address = page_at(&s->p, GUEST),
			.dst_address = page_at(&s->p, OUT), .length = PAGE_SIZE });
	default:
		return on_guest(&s->p, cmd, s->handle);
	}
}

static const struct {
	const char	*name;
	enum psp_cmd	 cmd;
	enum psp_status	(*run)(struct setting *s, enum psp_cmd cmd);
} commands[] = {
#define C(name, run) { #name, PSP_##name, run }
	C(NOP, run_platform), C(INIT, run_platform), C(INIT_EX, run_platform),
	C(SHUTDOWN, run_platform), C(FACTORY_RESET, run_platform),
	C(PLATFORM_STATUS, run_platform), C(PEK_GEN, run_platform), C(PEK_CSR, run_platform),
	C(PEK_CERT_IMPORT, run_platform), C(PDH_GEN, run_platform),
	C(PDH_CERT_EXPORT, run_platform), C(DF_FLUSH, run_platform),
	C(DOWNLOAD_FIRMWARE, run_platform), C(GET_ID, run_platform),
	C(LAUNCH_START, run_launch), C(LAUNCH_UPDATE_DATA, run_launch),
	C(LAUNCH_UPDATE_VMSA, run_launch), C(LAUNCH_MEASURE, run_launch),
	C(LAUNCH_UPDATE_SECRET, run_launch), C(LAUNCH_FINISH, run_launch),
	C(SEND_START, run_transport), C(SEND_UPDATE_DATA, run_transport),
	C(SEND_UPDATE_VMSA, run_transport), C(SEND_FINISH, run_transport),
	C(SEND_CANCEL, run_transport), C(RECEIVE_START, run_transport),
	C(RECEIVE_UPDATE_DATA, run_transport), C(RECEIVE_UPDATE_VMSA, run_transport),
	C(RECEIVE_FINISH, run_transport), C(ACTIVATE, run_guest), C(ACTIVATE_EX, run_guest),
	C(DEACTIVATE, run_guest), C(DECOMMISSION, run_guest), C(GUEST_STATUS, run_guest),
	C(COPY, run_guest), C(ATTESTATION, run_guest), C(DBG_DECRYPT, run_guest),
	C(DBG_ENCRYPT, run_guest),
#undef C
};

static enum psp_status status_named(const char *cell)
{
	static const struct { const char *name; enum psp_status st; } names[] = {
		{ "P", PSP_INVALID_PLATFORM_STATE }, { "S", PSP_INVALID_GUEST_STATE },
		{ "I", PSP_INACTIVE }, { "G", PSP_INVALID_GUEST }, { "C", PSP_INVALID_COMMAND },
		{ "A", PSP_ACTIVE },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(cell, names[i].name))
			return names[i].st;
	return PSP_SUCCESS;
}

/* The state that the guest must be in after it. */
static enum psp_guest_state state_after(const char *cell, enum situation at)
{
	for (unsigned i = LUPDATE; i < NR_SITUATIONS; i++)
		if (!strcmp(cell, situation_names[i]))
			return guest_states[i];
	return guest_states[at];
}

static void check_cell(const struct platform *dark, const char *name, bool active,
		       enum situation at, const char *cell)
{
	struct setting s = set_up(dark, at, active);
	enum psp_status got = PSP_UNSUPPORTED;
	bool is_gone;

	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name))
			got = commands[i].run(&s, commands[i].cmd);
	if (got != status_named(cell))
		fail_msg("%s, %s guest, %s: status %d, not %s", name,
			 active ? "active" : "inactive", situation_names[at], got, cell);
	is_gone = !strcmp(name, "SHUTDOWN") ||
		  (!strcmp(name, "DECOMMISSION") && got == PSP_SUCCESS);
	if (at >= LUPDATE && !is_gone)
		assert_int_equal(status_of(&s.p, s.handle).state, state_after(cell, at));
	assert_int_equal(psp_command(s.p.hw, PSP_SHUTDOWN, NULL), PSP_SUCCESS);
}

static void every_row_holds(void **unused)
{
	char line[512], *cells[3 + NR_SITUATIONS];
	bool seen[ARRAY_SIZE(commands)] = { false };
	struct platform p = a_dark_platform();
	FILE *f = fopen(facts, "r");
	unsigned nr = 0;

	(void)unused;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *rest = line;

		if (line[0] == '#' || !strncmp(line, "command\t", 8))
			continue;
		for (unsigned i = 0; i < ARRAY_SIZE(cells); i++) {
			cells[i] = strsep(&rest, "\t");
			assert_non_null(cells[i]);
		}
		for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
			seen[i] |= !strcmp(cells[0], commands[i].name);
		for (unsigned i = 0; i < NR_SITUATIONS; i++, nr++)
			check_cell(&p, cells[0], !strcmp(cells[1], "yes"), i, cells[2 + i]);
	}
	fclose(f);
	no_platform(&p);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		assert_true(seen[i]);
	printf("%u cells of docs/facts/psp-sev-commands.tsv hold\n", nr);
	assert_true(nr > 500);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_holds),
	};

	facts = argc > 1 ? argv[1] : "docs/facts/psp-sev-commands.tsv";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
