/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/types/sev_platform.h"

#include <errno.h>

#include "base/log.h"
#include "hw/insn/psp.h"
#include "kvm/types/sev_memory.h"
#include "os/uaccess.h"
#include "softcvm/uapi/psp_sev.h"

#define USER(addr)	((void *)(uintptr_t)(addr))

bool kvm_has_sev(const struct kvm_module *module)
{
	return module->sev && module->sev->max_asid;
}

int sev_device_attr(const struct kvm_module *module, uint32_t group, uint64_t attr,
		    uint64_t *value)
{
	if (!module->sev || group != KVM_X86_GRP_SEV || attr != KVM_X86_SEV_VMSA_FEATURES)
		return -ENXIO;
	*value = module->sev->vmsa_features;
	return 0;
}

static int ask(struct kvm_module *m, enum psp_cmd psp, void *params, struct sev_issue_cmd *cmd)
{
	uint32_t error;
	int r = sev_module_cmd(m, psp, params, &error);

	cmd->error = error;
	return r;
}

static int state_of(struct kvm_module *m, struct sev_issue_cmd *cmd, uint8_t *state)
{
	struct psp_platform_status status = { 0 };
	int r = ask(m, PSP_PLATFORM_STATUS, &status, cmd);

	*state = status.state;
	return r;
}

/* asid_lock is held. */
static int ask_between(struct kvm_module *m, enum psp_cmd psp, void *params,
		       struct sev_issue_cmd *cmd, bool writable)
{
	struct sev_issue_cmd status = { 0 };
	uint32_t error;
	uint8_t state;
	int r = state_of(m, &status, &state);

	if (r || state != PSP_UNINIT)
		return r ? r : ask(m, psp, params, cmd);
	if (!writable)
		return -EPERM;
	r = sev_platform_init_locked(m, &error);
	cmd->error = error;
	if (r)
		return r;
	r = ask(m, psp, params, cmd);
	if (sev_module_cmd(m, PSP_SHUTDOWN, NULL, &error))
		log_debug("SEV: SHUTDOWN failed with %u\n", error);
	return r;
}

/*
 * Commands that need keys need a platform that has been initialised; one that
 * was not is shut down again.  No guest comes in between.
 */
static int ask_initialised(struct kvm_module *m, enum psp_cmd psp, void *params,
			   struct sev_issue_cmd *cmd, bool writable)
{
	int r;

	mutex_lock(&m->sev->asid_lock);
	r = ask_between(m, psp, params, cmd, writable);
	mutex_unlock(&m->sev->asid_lock);
	return r;
}

static int factory_reset(struct kvm_module *m, struct sev_issue_cmd *cmd, bool writable)
{
	uint8_t state;
	int r;

	if (!writable)
		return -EPERM;
	r = state_of(m, cmd, &state);
	if (r)
		return r;
	if (state == PSP_WORKING)
		return -EBUSY;
	if (state == PSP_INIT_DONE)
		r = ask(m, PSP_SHUTDOWN, NULL, cmd);
	return r ? r : ask(m, PSP_FACTORY_RESET, NULL, cmd);
}

static int platform_status(struct kvm_module *m, struct sev_issue_cmd *cmd, bool writable)
{
	struct psp_platform_status s = { 0 };
	struct sev_user_data_status out;
	int r = ask(m, PSP_PLATFORM_STATUS, &s, cmd);

	if (r)
		return r;
	out = (struct sev_user_data_status){
		.api_major = s.api_major, .api_minor = s.api_minor, .state = s.state,
		.flags = s.flags, .build = s.build, .guest_count = s.guest_count,
	};
	return os_copy_to(USER(cmd->data), &out, sizeof(out)) ? -EFAULT : 0;
}

static int generate(struct kvm_module *m, struct sev_issue_cmd *cmd, bool writable)
{
	if (!writable)
		return -EPERM;
	return ask_initialised(m, cmd->cmd == SEV_PEK_GEN ? PSP_PEK_GEN : PSP_PDH_GEN, NULL, cmd, true);
}

#define ID_MAX	(4u << 20)	/* what the kernel has in one piece */

/* PEK_CSR and GET_ID2: one buffer, its length told either way; 0 asks how long it is. */
static int ask_range(struct kvm_module *m, struct sev_issue_cmd *cmd, enum psp_cmd psp)
{
	bool is_csr = psp == PSP_PEK_CSR;
	struct sev_user_data_range u;
	struct psp_range range = { 0 };
	struct sev_buffer b = { 0 };
	int r = 0;

	if (os_copy_from(&u, USER(cmd->data), sizeof(u)))
		return -EFAULT;
	if (u.address && u.length > (is_csr ? SEV_BLOB_MAX : ID_MAX))
		return is_csr ? -EFAULT : -ENOMEM;	/* that is what the driver says */
	if (u.address && u.length)
		r = sev_buffer_alloc(m, u.length, &b);
	if (r)
		return r;
	range.address = b.page.v;
	range.length = b.data ? u.length : 0;
	r = is_csr ? ask_initialised(m, psp, &range, cmd, true) : ask(m, psp, &range, cmd);
	u.length = range.length;
	if (os_copy_to(USER(cmd->data), &u, sizeof(u)) ||
	    (!r && b.data && os_copy_to(USER(u.address), b.data, u.length)))
		r = -EFAULT;
	sev_buffer_free(m, &b);
	return r;
}

static int pek_csr(struct kvm_module *m, struct sev_issue_cmd *cmd, bool writable)
{
	return writable ? ask_range(m, cmd, PSP_PEK_CSR) : -EPERM;
}

static int get_id2(struct kvm_module *m, struct sev_issue_cmd *cmd, bool writable)
{
	return ask_range(m, cmd, PSP_GET_ID);
}

static int get_id(struct kvm_module *m, struct sev_issue_cmd *cmd, bool writable)
{
	struct psp_range range = { .length = sizeof(struct sev_user_data_get_id) };
	struct sev_buffer b;
	int r = sev_buffer_alloc(m, range.length, &b);

	if (r)
		return r;
	range.address = b.page.v;
	r = ask(m, PSP_GET_ID, &range, cmd);
	if (!r && os_copy_to(USER(cmd->data), b.data, range.length))
		r = -EFAULT;
	sev_buffer_free(m, &b);
	return r;
}

static int export(struct kvm_module *m, struct sev_issue_cmd *cmd,
		  struct sev_user_data_pdh_cert_export *u, struct sev_buffer *pdh,
		  struct sev_buffer *chain, bool writable)
{
	struct psp_pdh_cert_export e = { 0 };
	int r;

	if (pdh->data && chain->data) {
		e.pdh_cert_address = pdh->page.v;
		e.pdh_cert_length = u->pdh_cert_len;
		e.certs_address = chain->page.v;
		e.certs_length = u->cert_chain_len;
	}
	r = ask_initialised(m, PSP_PDH_CERT_EXPORT, &e, cmd, writable);
	if (r == -EPERM)
		return r;
	u->pdh_cert_len = e.pdh_cert_length;
	u->cert_chain_len = e.certs_length;
	if (os_copy_to(USER(cmd->data), u, sizeof(*u)))
		return -EFAULT;
	if (r || !e.pdh_cert_address)
		return r;
	if (os_copy_to(USER(u->pdh_cert_address), pdh->data, u->pdh_cert_len) ||
	    os_copy_to(USER(u->cert_chain_address), chain->data, u->cert_chain_len))
		return -EFAULT;
	return 0;
}

static int pdh_cert_export(struct kvm_module *m, struct sev_issue_cmd *cmd, bool writable)
{
	struct sev_user_data_pdh_cert_export u;
	struct sev_buffer pdh = { 0 }, chain = { 0 };
	int r = 0;

	if (os_copy_from(&u, USER(cmd->data), sizeof(u)))
		return -EFAULT;
	if (u.pdh_cert_address && u.pdh_cert_len && u.cert_chain_address && u.cert_chain_len) {
		if (u.pdh_cert_len > SEV_BLOB_MAX || u.cert_chain_len > SEV_BLOB_MAX)
			return -EFAULT;
		r = sev_buffer_alloc(m, u.pdh_cert_len, &pdh);
		if (!r)
			r = sev_buffer_alloc(m, u.cert_chain_len, &chain);
	}
	if (!r)
		r = export(m, cmd, &u, &pdh, &chain, writable);
	sev_buffer_free(m, &chain);
	sev_buffer_free(m, &pdh);
	return r;
}

static int pek_cert_import(struct kvm_module *m, struct sev_issue_cmd *cmd, bool writable)
{
	struct sev_user_data_pek_cert_import u;
	struct psp_pek_cert_import import = { 0 };
	struct sev_buffer pek, oca;
	int r;

	if (!writable)
		return -EPERM;
	if (os_copy_from(&u, USER(cmd->data), sizeof(u)))
		return -EFAULT;
	r = sev_buffer_from_user(m, u.pek_cert_address, u.pek_cert_len, &pek);
	if (r)
		return r;
	r = sev_buffer_from_user(m, u.oca_cert_address, u.oca_cert_len, &oca);
	if (!r) {
		import.pek_cert_address = pek.page.v;
		import.pek_cert_length = u.pek_cert_len;
		import.oca_cert_address = oca.page.v;
		import.oca_cert_length = u.oca_cert_len;
		r = ask_initialised(m, PSP_PEK_CERT_IMPORT, &import, cmd, true);
	}
	sev_buffer_free(m, &oca);
	sev_buffer_free(m, &pek);
	return r;
}

typedef int (*platform_command)(struct kvm_module *m, struct sev_issue_cmd *cmd, bool writable);

static const platform_command commands[] = {
	[SEV_FACTORY_RESET] = factory_reset,
	[SEV_PLATFORM_STATUS] = platform_status,
	[SEV_PEK_GEN] = generate,
	[SEV_PEK_CSR] = pek_csr,
	[SEV_PDH_GEN] = generate,
	[SEV_PDH_CERT_EXPORT] = pdh_cert_export,
	[SEV_PEK_CERT_IMPORT] = pek_cert_import,
	[SEV_GET_ID] = get_id,
	[SEV_GET_ID2] = get_id2,
};

int sev_platform_command(struct kvm_module *module, struct sev_issue_cmd *cmd, bool writable)
{
	if (cmd->cmd >= ARRAY_SIZE(commands) || !commands[cmd->cmd])
		return -EINVAL;
	return commands[cmd->cmd](module, cmd, writable);
}
