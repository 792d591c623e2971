/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * psp.c - the mailbox: which commands there are, in which platform states,
 * and under which lock.  Each command checks the rest in the order in which
 * AMD's firmware does (docs/facts/psp-sev-commands.tsv, snp-*.tsv).
 */
#include "hw/psp/psp_snp_priv.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define IN_UNINIT	(1u << PSP_UNINIT)
#define IN_INIT		(1u << PSP_INIT_DONE)
#define IN_WORKING	(1u << PSP_WORKING)
#define IN_ANY		(IN_UNINIT | IN_INIT | IN_WORKING)

/* psp->lock for write, or for read and the guest's: by handle, or by context page */
enum access { WHOLE, ONE_GUEST, ONE_SNP_GUEST };

struct command {
	enum psp_status	(*run)(struct psp *psp, void *buf);
	/* Many of the first one's guest at once, NULL: only one by one; see psp_commands(). */
	enum psp_status	(*run_many)(struct psp *psp, void *bufs, unsigned n, unsigned *done);
	uint8_t		platform;	/* states in which it may run */
	uint8_t		access;
	uint16_t	size;		/* of its buffer; 0: none */
};

static const struct command commands[] = {
#define CMD_MANY(name, fn, fn_many, states, access, type) \
	[name] = { fn, fn_many, states, access, sizeof(struct type) }
#define CMD(name, fn, states, access, type) CMD_MANY(name, fn, NULL, states, access, type)
#define BARE(name, fn, states) \
	[name] = { fn, NULL, states, WHOLE, 0 }
	BARE(PSP_NOP, psp_do_nop, IN_ANY),
	CMD(PSP_INIT, psp_do_init, IN_UNINIT, WHOLE, psp_init),
	CMD(PSP_INIT_EX, psp_do_init_ex, IN_UNINIT, WHOLE, psp_init_ex),
	BARE(PSP_SHUTDOWN, psp_do_shutdown, IN_ANY),
	BARE(PSP_FACTORY_RESET, psp_do_factory_reset, IN_UNINIT),
	CMD(PSP_PLATFORM_STATUS, psp_do_platform_status, IN_ANY, WHOLE, psp_platform_status),
	BARE(PSP_PEK_GEN, psp_do_pek_gen, IN_INIT),
	CMD(PSP_PEK_CSR, psp_do_pek_csr, IN_INIT | IN_WORKING, WHOLE, psp_range),
	CMD(PSP_PEK_CERT_IMPORT, psp_do_pek_cert_import, IN_INIT, WHOLE, psp_pek_cert_import),
	CMD(PSP_PDH_CERT_EXPORT, psp_do_pdh_cert_export, IN_INIT | IN_WORKING, WHOLE,
	    psp_pdh_cert_export),
	BARE(PSP_PDH_GEN, psp_do_pdh_gen, IN_INIT | IN_WORKING),
	BARE(PSP_DF_FLUSH, psp_do_df_flush, IN_ANY),
	CMD(PSP_GET_ID, psp_do_get_id, IN_ANY, WHOLE, psp_range),
	CMD(PSP_DECOMMISSION, psp_do_decommission, IN_WORKING, WHOLE, psp_handle),
	CMD(PSP_ACTIVATE, psp_do_activate, IN_WORKING, WHOLE, psp_activate),
	CMD(PSP_DEACTIVATE, psp_do_deactivate, IN_WORKING, WHOLE, psp_handle),
	CMD(PSP_GUEST_STATUS, psp_do_guest_status, IN_INIT | IN_WORKING, ONE_GUEST,
	    psp_guest_status),
	CMD(PSP_COPY, psp_do_copy, IN_WORKING, ONE_GUEST, psp_copy),
	CMD(PSP_LAUNCH_START, psp_do_launch_start, IN_INIT | IN_WORKING, WHOLE, psp_launch_start),
	CMD(PSP_LAUNCH_UPDATE_DATA, psp_do_launch_update_data, IN_WORKING, ONE_GUEST,
	    psp_guest_range),
	CMD(PSP_LAUNCH_UPDATE_VMSA, psp_do_launch_update_vmsa, IN_WORKING, ONE_GUEST,
	    psp_guest_range),
	CMD(PSP_LAUNCH_MEASURE, psp_do_launch_measure, IN_WORKING, ONE_GUEST, psp_guest_range),
	CMD(PSP_LAUNCH_UPDATE_SECRET, psp_do_launch_update_secret, IN_WORKING, ONE_GUEST,
	    psp_packet),
	CMD(PSP_LAUNCH_FINISH, psp_do_launch_finish, IN_WORKING, ONE_GUEST, psp_handle),
	CMD(PSP_ATTESTATION, psp_do_attestation, IN_WORKING, ONE_GUEST, psp_attestation),
	CMD(PSP_SEND_START, psp_do_send_start, IN_WORKING, ONE_GUEST, psp_send_start),
	CMD(PSP_SEND_UPDATE_DATA, psp_do_send_update_data, IN_WORKING, ONE_GUEST, psp_packet),
	CMD(PSP_SEND_UPDATE_VMSA, psp_do_send_update_vmsa, IN_WORKING, ONE_GUEST, psp_packet),
	CMD(PSP_SEND_FINISH, psp_do_send_finish, IN_WORKING, ONE_GUEST, psp_handle),
	CMD(PSP_SEND_CANCEL, psp_do_send_cancel, IN_WORKING, ONE_GUEST, psp_handle),
	CMD(PSP_RECEIVE_START, psp_do_receive_start, IN_INIT | IN_WORKING, WHOLE,
	    psp_receive_start),
	CMD(PSP_RECEIVE_UPDATE_DATA, psp_do_receive_update_data, IN_WORKING, ONE_GUEST,
	    psp_packet),
	CMD(PSP_RECEIVE_UPDATE_VMSA, psp_do_receive_update_vmsa, IN_WORKING, ONE_GUEST,
	    psp_packet),
	CMD(PSP_RECEIVE_FINISH, psp_do_receive_finish, IN_WORKING, ONE_GUEST, psp_handle),
	CMD(PSP_DBG_DECRYPT, psp_do_dbg_decrypt, IN_WORKING, ONE_GUEST, psp_dbg),
	CMD(PSP_DBG_ENCRYPT, psp_do_dbg_encrypt, IN_WORKING, ONE_GUEST, psp_dbg),
	/* These look at their own platform's state, after their operands. */
	BARE(PSP_SNP_INIT, psp_do_snp_init, IN_ANY),
	BARE(PSP_SNP_SHUTDOWN, psp_do_snp_shutdown, IN_ANY),
	CMD(PSP_SNP_PLATFORM_STATUS, psp_do_snp_platform_status, IN_ANY, WHOLE, psp_snp_addr),
	BARE(PSP_SNP_DF_FLUSH, psp_do_snp_df_flush, IN_ANY),
	CMD(PSP_SNP_INIT_EX, psp_do_snp_init_ex, IN_ANY, WHOLE, psp_snp_init_ex),
	CMD(PSP_SNP_SHUTDOWN_EX, psp_do_snp_shutdown_ex, IN_ANY, WHOLE, psp_snp_shutdown_ex),
	CMD(PSP_SNP_DECOMMISSION, psp_do_snp_decommission, IN_ANY, WHOLE, psp_snp_addr),
	CMD(PSP_SNP_ACTIVATE, psp_do_snp_activate, IN_ANY, WHOLE, psp_snp_activate),
	CMD(PSP_SNP_GUEST_STATUS, psp_do_snp_guest_status, IN_ANY, ONE_SNP_GUEST,
	    psp_snp_guest_status),
	CMD(PSP_SNP_GCTX_CREATE, psp_do_snp_gctx_create, IN_ANY, WHOLE, psp_snp_addr),
	CMD(PSP_SNP_GUEST_REQUEST, psp_do_snp_guest_request, IN_ANY, WHOLE, psp_snp_guest_request),
	CMD(PSP_SNP_LAUNCH_START, psp_do_snp_launch_start, IN_ANY, WHOLE, psp_snp_launch_start),
	CMD_MANY(PSP_SNP_LAUNCH_UPDATE, psp_do_snp_launch_update, snp_launch_update_many, IN_ANY,
		 ONE_SNP_GUEST, psp_snp_launch_update),
	CMD(PSP_SNP_LAUNCH_FINISH, psp_do_snp_launch_finish, IN_ANY, ONE_SNP_GUEST,
	    psp_snp_launch_finish),
	CMD(PSP_SNP_ACTIVATE_EX, psp_do_snp_activate_ex, IN_ANY, WHOLE, psp_snp_activate_ex),
	CMD(PSP_SNP_DBG_DECRYPT, psp_do_snp_dbg_decrypt, IN_ANY, ONE_SNP_GUEST, psp_snp_dbg),
	CMD(PSP_SNP_DBG_ENCRYPT, psp_do_snp_dbg_encrypt, IN_ANY, ONE_SNP_GUEST, psp_snp_dbg),
	CMD(PSP_SNP_PAGE_SET_STATE, psp_do_snp_page_set_state, IN_ANY, WHOLE,
	    psp_snp_page_set_state),
	CMD(PSP_SNP_CONFIG, psp_do_snp_config, IN_ANY, WHOLE, psp_snp_config),
	CMD(PSP_SNP_COMMIT, psp_do_snp_commit, IN_ANY, WHOLE, psp_snp_commit),
	CMD(PSP_SNP_PAGE_RECLAIM, psp_do_snp_page_reclaim, IN_ANY, WHOLE, psp_snp_addr),
	CMD(PSP_SNP_PAGE_UNSMASH, psp_do_snp_page_unsmash, IN_ANY, WHOLE, psp_snp_addr),
};

static void psp_end(void *arg)
{
	struct psp *psp = arg;

	psp_guests_free(psp);
	snp_guests_free(psp);
	EVP_PKEY_free(psp->snp.vcek);
	identity_free(&psp->identity);
	rwlock_fini(&psp->lock);
	free(psp->asids);
	free(psp->guests);
	OPENSSL_cleanse(psp, sizeof(*psp));
	free(psp);
}

static struct psp *psp_new(struct hw *hw) REQUIRES(hw->lock)
{
	struct psp *psp = calloc(1, sizeof(*psp));

	if (!psp)
		return NULL;
	psp->hw = hw;
	psp->nr_asids = hw->config.nr_keys;
	psp->min_sev_asid = hw->config.min_sev_asid;
	psp->asids = calloc(psp->nr_asids + 1u, sizeof(*psp->asids));
	if (!psp->asids || rwlock_init(&psp->lock, "psp.lock", RANK_PSP)) {
		free(psp->asids);
		free(psp);
		return NULL;
	}
	if (!machine_at_end_locked(hw, psp_end, psp)) {
		psp_end(psp);
		return NULL;
	}
	return psp;
}

/* The machine's secure processor, made by the first command. */
static struct psp *psp_of(struct hw *hw)
{
	struct psp *psp;

	mutex_lock(&hw->lock);
	if (!hw->psp)
		hw->psp = psp_new(hw);
	psp = hw->psp;
	mutex_unlock(&hw->lock);
	return psp;
}

struct call {
	const struct command *c;
	void		*bufs;		/* of @n commands */
	unsigned	 n, done;
};

/* At least one of them, or it fails. */
static enum psp_status run(struct psp *psp, struct call *k)
{
	enum psp_status st;

	if (!(k->c->platform & 1u << psp->state))
		return PSP_INVALID_PLATFORM_STATE;
	if (k->n > 1 && k->c->run_many)
		return k->c->run_many(psp, k->bufs, k->n, &k->done);
	st = k->c->run(psp, k->bufs);
	k->done = st == PSP_SUCCESS;
	return st;
}

static enum psp_status run_whole(struct psp *psp, struct call *k)
{
	enum psp_status st;

	write_lock(&psp->lock);
	st = run(psp, k);
	write_unlock(&psp->lock);
	return st;
}

/* @lock: of the guest that the command is about; NULL: there is none. */
static enum psp_status run_with(struct psp *psp, struct call *k, struct mutex *lock)
{
	enum psp_status st;

	if (!lock)
		return run(psp, k);
	mutex_lock(lock);
	st = run(psp, k);
	mutex_unlock(lock);
	return st;
}

/* The handle, or the context page, is the first word of all these buffers. */
static struct mutex *guest_lock(struct psp *psp, const struct call *k)
{
	struct psp_guest *g;
	struct snp_guest *s;
	uint64_t gctx;
	uint32_t handle;

	if (k->c->access == ONE_SNP_GUEST) {
		memcpy(&gctx, k->bufs, sizeof(gctx));
		s = snp_guest_find(psp, gctx);
		return s ? &s->lock : NULL;
	}
	memcpy(&handle, k->bufs, sizeof(handle));
	g = psp_guest_find(psp, handle);
	return g ? &g->lock : NULL;
}

static enum psp_status run_for_guest(struct psp *psp, struct call *k)
{
	enum psp_status st;

	read_lock(&psp->lock);
	st = run_with(psp, k, guest_lock(psp, k));
	read_unlock(&psp->lock);
	return st;
}

static bool machine_has(const struct hw *hw, enum psp_cmd cmd)
{
	return hw->config.c_bit && (cmd < PSP_SNP_INIT || hw->config.snp);
}

enum psp_status psp_commands(struct hw *hw, enum psp_cmd cmd, void *buffers, unsigned n,
			     unsigned *done)
{
	const struct command *c = (unsigned)cmd < ARRAY_SIZE(commands) ? &commands[cmd] : NULL;
	enum psp_status st = PSP_SUCCESS;
	struct psp *psp;

	*done = 0;
	if (!machine_has(hw, cmd) || !c || !c->run || (c->size && !buffers))
		return PSP_INVALID_COMMAND;
	psp = psp_of(hw);
	if (!psp)
		return PSP_RESOURCE_LIMIT;
	while (st == PSP_SUCCESS && *done < n) {
		struct call k = { .c = c, .n = n - *done };

		k.bufs = *done ? (uint8_t *)buffers + (size_t)*done * c->size : buffers;
		st = c->access == WHOLE ? run_whole(psp, &k) : run_for_guest(psp, &k);
		*done += k.done;
	}
	return st;
}

enum psp_status psp_command(struct hw *hw, enum psp_cmd cmd, void *buffer)
{
	unsigned done;

	return psp_commands(hw, cmd, buffer, 1, &done);
}

void psp_wbinvd_done(struct hw *hw)
{
	struct psp *psp = hw->config.c_bit ? psp_of(hw) : NULL;

	if (psp)
		atomic32_store(&psp->wbinvd_done, 1);
}

enum psp_status psp_get(struct psp *psp, uint64_t from, void *to, size_t len)
{
	return view_read(psp->hw, HPA(from), 0, to, len) ? PSP_SUCCESS : PSP_INVALID_ADDRESS;
}

enum psp_status psp_put(struct psp *psp, uint64_t to, const void *from, size_t len)
{
	return view_write(psp->hw, HPA(to), 0, from, len) ? PSP_SUCCESS : PSP_INVALID_ADDRESS;
}
