/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * psp_launch.c - sequences of the secure processor's commands, with operands
 * good and bad.
 *
 * After each command: a guest's state moved as the API lets it and only when
 * the command succeeded; ASIDs belong to one guest each; no guest key and no
 * transport key lies in memory that software can read, nor in a buffer.
 */
#include "fuzz.h"

#include "hw/insn/phys.h"
#include "hw/mem/view.h"
#include "hw/psp/psp_priv.h"
#include "os/memory.h"
#include "trace/counters.h"

#define PAGES		12u
#define MAX_COMMANDS	64u
#define MAX_HANDLES	64u

struct world {
	struct hw	*hw;
	uint8_t		*bytes;
	uint64_t	 at;
	EVP_PKEY	*owner;
	struct psp_channel ch;		/* what the owner knows of the last session */
};

union buffer {				/* the largest first */
	uint8_t			   bytes[96];
	struct psp_init		   init;
	struct psp_init_ex	   init_ex;
	struct psp_range	   range;
	struct psp_pek_cert_import import;
	struct psp_pdh_cert_export export;
	struct psp_handle	   handle;
	struct psp_activate	   activate;
	struct psp_launch_start	   start;
	struct psp_guest_range	   update;
	struct psp_packet	   packet;
	struct psp_attestation	   report;
	struct psp_send_start	   send;
	struct psp_receive_start   receive;
	struct psp_dbg		   dbg;
	struct psp_copy		   copy;
};

static struct world a_world(void)
{
	struct hw_config c = {
		.vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 51,
		.nr_keys = 8, .min_sev_asid = 4, .nr_cpus = 1,
		.counters = counters_create(NR_COUNTERS) };
	struct world w = { .owner = cert_new_key() };

	MUST(c.counters && w.owner && hw_create(&c, &w.hw) == HW_OK);
	w.bytes = os_map_private(PAGES * PAGE_SIZE, 2ull << 20);
	MUST(w.bytes);
	for (unsigned i = 0; i < PAGES; i++) {
		hpa_t a = phys_publish(w.hw, w.bytes + i * PAGE_SIZE);

		w.at = i ? w.at : a.v;
	}
	return w;
}

/* Mostly a page of ours, sometimes not aligned, sometimes nothing. */
static uint64_t an_address(struct world *w, struct input *in)
{
	const uint8_t b = take8(in);

	if (b >= 0xf8)
		return take(in, 8);
	return w->at + b % PAGES * PAGE_SIZE + (b >= 0xc0 ? b % 64 : 0);
}

static uint32_t a_length(struct input *in)
{
	static const uint32_t lengths[] = {
		PAGE_SIZE, 16, PSP_MEASURE_LEN, PSP_SESSION_LEN, PSP_HEADER_LEN, PSP_CERT_LEN,
		PSP_CERT_CHAIN_LEN, PSP_ATTESTATION_LEN, PSP_TMR_LEN, 0, 2 * PAGE_SIZE, 64,
	};
	const uint8_t b = take8(in);

	return b < 0xf0 ? lengths[b % ARRAY_SIZE(lengths)] : (uint32_t)take(in, 4);
}

static uint32_t a_handle(struct input *in)
{
	return take8(in) % 6;
}

static uint32_t a_policy(struct input *in)
{
	const uint8_t b = take8(in);

	return b < 0xf0 ? b % 32 & ~(uint32_t)PSP_POLICY_SEV : (uint32_t)take(in, 4);
}

/* The owner's certificate and session into pages 10 and 11, for this policy. */
static void session_write(struct world *w, uint32_t policy)
{
	struct psp_session s;
	struct psp_cert mine, pdh;
	EVP_PKEY *peer;

	if (!w->hw->psp || !w->hw->psp->identity.pdh)
		return;
	pdh = w->hw->psp->identity.pdh_cert;
	peer = cert_key(&pdh);
	MUST(peer && cert_make(&mine, PSP_USAGE_PDH, PSP_ALGO_ECDH, w->owner));
	MUST(channel_create(&w->ch, w->owner, peer, &s, policy));
	MUST(view_write(w->hw, HPA(w->at + 10 * PAGE_SIZE), 0, &mine, sizeof(mine)));
	MUST(view_write(w->hw, HPA(w->at + 11 * PAGE_SIZE), 0, &s, sizeof(s)));
	EVP_PKEY_free(peer);
}

static void fill_platform(struct world *w, struct input *in, enum psp_cmd cmd, union buffer *b)
{
	switch (cmd) {
	case PSP_INIT:
		b->init.flags = take8(in) % 3;
		b->init.tmr_address = (uint64_t)take8(in) << 19;
		b->init.tmr_length = a_length(in);
		break;
	case PSP_PEK_CERT_IMPORT:
		b->import.pek_cert_address = an_address(w, in);
		b->import.pek_cert_length = a_length(in);
		b->import.oca_cert_address = an_address(w, in);
		b->import.oca_cert_length = a_length(in);
		break;
	case PSP_PDH_CERT_EXPORT:
		b->export.pdh_cert_address = an_address(w, in);
		b->export.pdh_cert_length = a_length(in);
		b->export.certs_address = an_address(w, in);
		b->export.certs_length = a_length(in);
		break;
	case PSP_PEK_CSR:
	case PSP_GET_ID:
		b->range.address = an_address(w, in);
		b->range.length = a_length(in);
		break;
	default:
		for (unsigned i = 0; i < sizeof(struct psp_init_ex); i++)
			b->bytes[i] = take8(in);
		break;
	}
}

static void fill_packet(struct world *w, struct input *in, enum psp_cmd cmd, union buffer *b)
{
	b->packet = (struct psp_packet){
		.handle = a_handle(in), .header_address = an_address(w, in),
		.header_length = a_length(in), .guest_address = an_address(w, in),
		.guest_length = a_length(in), .trans_address = an_address(w, in) };
	b->packet.trans_length = take8(in) & 1 ? b->packet.guest_length : a_length(in);
	if (cmd != PSP_LAUNCH_UPDATE_SECRET && cmd < PSP_SEND_START)
		b->packet.header_length = PSP_HEADER_LEN;
}

static void fill_start(struct world *w, struct input *in, enum psp_cmd cmd, union buffer *b)
{
	const uint32_t policy = a_policy(in), share = take8(in) < 0xc0 ? 0 : a_handle(in);
	const bool owned = cmd == PSP_RECEIVE_START || take8(in) & 1;

	if (owned)
		session_write(w, take8(in) < 0xf0 ? policy : ~policy);
	if (cmd == PSP_LAUNCH_START)
		b->start = (struct psp_launch_start){
			.handle = share, .policy = policy,
			.dh_cert_address = owned ? w->at + 10 * PAGE_SIZE : 0,
			.dh_cert_length = PSP_CERT_LEN,
			.session_address = w->at + 11 * PAGE_SIZE,
			.session_length = PSP_SESSION_LEN };
	else
		b->receive = (struct psp_receive_start){
			.handle = share, .policy = policy,
			.pdh_cert_address = w->at + 10 * PAGE_SIZE,
			.pdh_cert_length = PSP_CERT_LEN,
			.session_address = w->at + 11 * PAGE_SIZE,
			.session_length = PSP_SESSION_LEN };
}

static void fill_guest(struct world *w, struct input *in, enum psp_cmd cmd, union buffer *b)
{
	const uint32_t handle = a_handle(in);

	switch (cmd) {
	case PSP_ACTIVATE:
		b->activate = (struct psp_activate){ handle, take8(in) % 11 };
		break;
	case PSP_LAUNCH_UPDATE_DATA:
	case PSP_LAUNCH_UPDATE_VMSA:
	case PSP_LAUNCH_MEASURE:
		b->update = (struct psp_guest_range){ handle, 0, an_address(w, in), a_length(in) };
		break;
	case PSP_ATTESTATION:
		b->report = (struct psp_attestation){
			.handle = handle, .address = an_address(w, in), .length = a_length(in) };
		break;
	case PSP_DBG_DECRYPT:
	case PSP_DBG_ENCRYPT:
		b->dbg = (struct psp_dbg){ handle, 0, an_address(w, in), an_address(w, in),
					   a_length(in) % (3 * PAGE_SIZE) };
		break;
	case PSP_COPY:
		b->copy = (struct psp_copy){ handle, a_length(in), an_address(w, in),
					     an_address(w, in) };
		break;
	case PSP_SEND_START:
		b->send = (struct psp_send_start){
			.handle = handle, .pdh_cert_address = w->at + 10 * PAGE_SIZE,
			.pdh_cert_length = PSP_CERT_LEN, .plat_certs_address = an_address(w, in),
			.plat_certs_length = a_length(in), .session_address = an_address(w, in),
			.session_length = a_length(in) };
		break;
	default:
		b->handle.handle = handle;
		break;
	}
}

static void fill(struct world *w, struct input *in, enum psp_cmd cmd, union buffer *b)
{
	memset(b, 0, sizeof(*b));
	if (cmd < PSP_DECOMMISSION)
		fill_platform(w, in, cmd, b);
	else if (cmd == PSP_LAUNCH_START || cmd == PSP_RECEIVE_START)
		fill_start(w, in, cmd, b);
	else if (cmd == PSP_LAUNCH_UPDATE_SECRET || cmd == PSP_SEND_UPDATE_DATA ||
		 cmd == PSP_SEND_UPDATE_VMSA || cmd == PSP_RECEIVE_UPDATE_DATA ||
		 cmd == PSP_RECEIVE_UPDATE_VMSA)
		fill_packet(w, in, cmd, b);
	else
		fill_guest(w, in, cmd, b);
}

/* SEV API 55766, figure of guest states: which command moves which state where. */
static bool may_move(enum psp_cmd cmd, enum psp_guest_state from, enum psp_guest_state to)
{
	static const struct { uint8_t cmd, from, to; } rows[] = {
		{ PSP_LAUNCH_START, PSP_GUEST_UNINIT, PSP_GUEST_LUPDATE },
		{ PSP_RECEIVE_START, PSP_GUEST_UNINIT, PSP_GUEST_RUPDATE },
		{ PSP_LAUNCH_MEASURE, PSP_GUEST_LUPDATE, PSP_GUEST_LSECRET },
		{ PSP_LAUNCH_FINISH, PSP_GUEST_LSECRET, PSP_GUEST_RUNNING },
		{ PSP_SEND_START, PSP_GUEST_RUNNING, PSP_GUEST_SUPDATE },
		{ PSP_SEND_FINISH, PSP_GUEST_SUPDATE, PSP_GUEST_SENT },
		{ PSP_SEND_CANCEL, PSP_GUEST_SUPDATE, PSP_GUEST_RUNNING },
		{ PSP_RECEIVE_FINISH, PSP_GUEST_RUPDATE, PSP_GUEST_RUNNING },
	};

	if (to == PSP_GUEST_UNINIT)
		return cmd == PSP_DECOMMISSION || cmd == PSP_SHUTDOWN;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].cmd == cmd && rows[i].from == from && rows[i].to == to)
			return true;
	return false;
}

static void states_of(const struct psp *psp, enum psp_guest_state *out)
{
	for (unsigned i = 0; i < MAX_HANDLES; i++)
		out[i] = i < psp->nr_slots && psp->guests[i] ? psp->guests[i]->state :
			 PSP_GUEST_UNINIT;
}

static void check_states(const struct psp *psp, enum psp_cmd cmd, enum psp_status st,
			 const enum psp_guest_state *before)
{
	enum psp_guest_state after[MAX_HANDLES];
	unsigned owners[16] = { 0 }, nr = 0;

	states_of(psp, after);
	for (unsigned i = 0; i < MAX_HANDLES; i++) {
		if (before[i] != after[i])
			MUST(st == PSP_SUCCESS && may_move(cmd, before[i], after[i]));
		nr += after[i] != PSP_GUEST_UNINIT;
		if (after[i] != PSP_GUEST_UNINIT && psp->guests[i]->asid)
			owners[psp->guests[i]->asid]++;
	}
	MUST(nr == psp->nr_guests);
	MUST((psp->state == PSP_WORKING) == (nr > 0));
	for (uint32_t a = 1; a <= psp->nr_asids; a++)
		MUST(owners[a] == (psp->asids[a] == ASID_TAKEN));
}

/* Sixteen bytes by chance: never.  Zero keys (no owner) are no secret. */
static void check_secret(const uint8_t *seen, size_t len, const uint8_t *key, size_t key_len)
{
	static const uint8_t none[16];

	for (size_t i = 0; i < key_len; i += 16)
		MUST(!memcmp(key + i, none, 16) || !memmem(seen, len, key + i, 16));
}

static void check_secrets(const struct psp *psp, const uint8_t *seen, size_t len)
{
	for (unsigned i = 0; i < psp->nr_slots; i++) {
		const struct psp_guest *g = psp->guests[i];

		if (!g)
			continue;
		check_secret(seen, len, g->key, sizeof(g->key));
		check_secret(seen, len, g->channel.tek, sizeof(g->channel.tek));
		check_secret(seen, len, g->channel.tik, sizeof(g->channel.tik));
	}
}

static void one_command(struct world *w, struct input *in)
{
	static const uint8_t cmds[] = {		/* the launch, more often than the rest */
		PSP_LAUNCH_START, PSP_ACTIVATE, PSP_LAUNCH_UPDATE_DATA, PSP_LAUNCH_UPDATE_VMSA,
		PSP_LAUNCH_MEASURE, PSP_LAUNCH_UPDATE_SECRET, PSP_LAUNCH_FINISH, PSP_DF_FLUSH,
		PSP_LAUNCH_START, PSP_ACTIVATE, PSP_LAUNCH_MEASURE, PSP_LAUNCH_FINISH,
		PSP_INIT, PSP_DEACTIVATE, PSP_DECOMMISSION, PSP_GUEST_STATUS, PSP_ATTESTATION,
		PSP_DBG_DECRYPT, PSP_DBG_ENCRYPT, PSP_COPY, PSP_SEND_START, PSP_SEND_UPDATE_DATA,
		PSP_SEND_UPDATE_VMSA, PSP_SEND_FINISH, PSP_SEND_CANCEL, PSP_RECEIVE_START,
		PSP_RECEIVE_UPDATE_DATA, PSP_RECEIVE_UPDATE_VMSA, PSP_RECEIVE_FINISH,
		PSP_PDH_CERT_EXPORT, PSP_PEK_CSR, PSP_GET_ID, PSP_PLATFORM_STATUS, PSP_INIT_EX,
		PSP_PEK_CERT_IMPORT, PSP_SHUTDOWN, PSP_NOP, PSP_COPY + 1, 0x7f,
	};
	const enum psp_cmd cmd = cmds[take8(in) % ARRAY_SIZE(cmds)];
	enum psp_guest_state before[MAX_HANDLES];
	enum psp_status st;
	union buffer b;

	if (cmd == PSP_DF_FLUSH && take8(in) & 3)
		psp_wbinvd_done(w->hw);
	fill(w, in, cmd, &b);
	states_of(w->hw->psp, before);
	st = psp_command(w->hw, cmd, &b);
	check_states(w->hw->psp, cmd, st, before);
	check_secrets(w->hw->psp, b.bytes, sizeof(b));
}

/* One machine for all inputs: its keys take long to make. */
static struct world *the_world(void)
{
	static struct world w;

	if (!w.hw) {
		w = a_world();
		MUST(psp_command(w.hw, PSP_NOP, NULL) == PSP_SUCCESS);
	}
	return &w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct world *w = the_world();
	static uint8_t seen[PAGES * PAGE_SIZE];
	struct psp_init up = { .flags = PSP_INIT_ES, .tmr_address = 1ull << 33,
			       .tmr_length = PSP_TMR_LEN };

	MUST(psp_command(w->hw, PSP_SHUTDOWN, NULL) == PSP_SUCCESS);
	if (take8(&in) & 7) {
		MUST(psp_command(w->hw, PSP_INIT, &up) == PSP_SUCCESS);
		psp_wbinvd_done(w->hw);
		MUST(psp_command(w->hw, PSP_DF_FLUSH, NULL) == PSP_SUCCESS);
	}
	for (unsigned i = 0; i < MAX_COMMANDS && in.at < in.end; i++)
		one_command(w, &in);
	MUST(view_read(w->hw, HPA(w->at), 0, seen, sizeof(seen)));
	check_secrets(w->hw->psp, seen, sizeof(seen));
	return 0;
}
