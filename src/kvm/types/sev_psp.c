/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_psp.c - the kernel's driver of the secure processor, as far as KVM uses
 * it: the firmware's status becomes an errno here and nowhere else.
 */
#include <errno.h>

#include "hw/insn/phys.h"
#include "hw/insn/psp.h"
#include "kvm/types/sev.h"
#include "os/memory.h"

int sev_module_cmd(struct kvm_module *module, enum psp_cmd cmd, void *params, uint32_t *error)
{
	*error = psp_command(module->hw, cmd, params);
	return *error == PSP_SUCCESS ? 0 : -EIO;
}

int sev_do_cmd(struct kvm *kvm, enum psp_cmd cmd, void *params, uint32_t *error)
{
	return sev_module_cmd(kvm->module, cmd, params, error);
}

int sev_issue_cmd_fd(struct kvm *kvm, int fd, enum psp_cmd cmd, void *params, uint32_t *error)
{
	int r = kvm->module->check_sev_fd(kvm->module, fd);

	return r ? r : sev_do_cmd(kvm, cmd, params, error);
}

int sev_issue_cmds_fd(struct kvm *kvm, int fd, enum psp_cmd cmd, void *params, unsigned n,
		      unsigned *done, uint32_t *error)
{
	int r = kvm->module->check_sev_fd(kvm->module, fd);

	*done = 0;
	if (r)
		return r;
	*error = psp_commands(kvm->module->hw, cmd, params, n, done);
	return *error == PSP_SUCCESS ? 0 : -EIO;
}

int sev_issue_cmd(struct kvm *kvm, enum psp_cmd cmd, void *params, uint32_t *error)
{
	return sev_issue_cmd_fd(kvm, to_kvm_sev(kvm)->fd, cmd, params, error);
}

int sev_platform_init_locked(struct kvm_module *module, uint32_t *error)
{
	struct sev_module *m = module->sev;
	struct psp_platform_status status;
	struct psp_init init = { 0 };
	int r = sev_module_cmd(module, PSP_PLATFORM_STATUS, &status, error);

	if (!r && status.state == PSP_UNINIT) {
		if (m->es) {
			init.flags = PSP_INIT_ES;
			init.tmr_address = m->tmr_page.v;
			init.tmr_length = PSP_TMR_LEN;
		}
		r = sev_module_cmd(module, PSP_INIT, &init, error);
		if (!r) {
			psp_wbinvd_done(module->hw);
			r = sev_module_cmd(module, PSP_DF_FLUSH, NULL, error);
		}
	}
	return r;
}

int sev_platform_init(struct kvm_module *module, uint32_t *error)
{
	int r;

	mutex_lock(&module->sev->asid_lock);
	r = sev_platform_init_locked(module, error);
	mutex_unlock(&module->sev->asid_lock);
	return r;
}

int sev_tmr_alloc(struct kvm_module *module)
{
	struct sev_module *m = module->sev;

	m->tmr = os_map_private(PSP_TMR_LEN, PSP_TMR_LEN);
	if (!m->tmr)
		return -ENOMEM;
	for (size_t at = 0; at < PSP_TMR_LEN; at += PAGE_SIZE) {
		hpa_t page = phys_publish(module->hw, (char *)m->tmr + at);

		if (!hpa_is_valid(page))
			return -ENOMEM;
		if (!at)
			m->tmr_page = page;
	}
	return 0;
}

void sev_tmr_free(struct kvm_module *module)
{
	struct sev_module *m = module->sev;

	if (!m->tmr)
		return;
	phys_retire(module->hw, m->tmr, PSP_TMR_LEN);
	os_unmap(m->tmr, PSP_TMR_LEN);
}
