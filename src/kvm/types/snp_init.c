/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_init.c - the firmware's platform for SEV-SNP, and what each SNP guest has
 * beyond a SEV-ES one: pages for its messages, and its context.
 */
#include <errno.h>

#include "base/log.h"
#include "hw/insn/phys.h"
#include "hw/insn/psp_snp.h"
#include "kvm/types/snp.h"

#define SNP_STATE_INIT	1u		/* in what SNP_PLATFORM_STATUS writes */

/* The firmware writes to pages of its own only. */
static int read_state(struct kvm_module *module, uint8_t *state, uint32_t *error)
{
	hpa_t page = snp_alloc_firmware_page(module);
	struct psp_snp_addr where = { .address = page.v };
	int r;

	if (!hpa_is_valid(page))
		return -ENOMEM;
	r = sev_module_cmd(module, PSP_SNP_PLATFORM_STATUS, &where, error);
	if (!r)
		*state = (uint8_t)(phys_load64(module->hw, page) >> 16);
	snp_free_firmware_page(module, page);
	return r;
}

static int flush(struct kvm_module *module, uint32_t *error)
{
	psp_wbinvd_done(module->hw);
	return sev_module_cmd(module, PSP_SNP_DF_FLUSH, NULL, error);
}

int snp_platform_init(struct kvm_module *module)
{
	struct psp_snp_init_ex init = { .flags = PSP_SNP_INIT_RMP };
	uint32_t error = 0;
	uint8_t state = 0;
	int r = sev_module_cmd(module, PSP_SNP_INIT_EX, &init, &error);

	if (!r)
		r = flush(module, &error);
	if (!r)
		r = read_state(module, &state, &error);
	if (!r && state != SNP_STATE_INIT)
		r = -EIO;
	if (r)
		log_warn("kvm_amd: SEV-SNP is off: the secure processor's SNP platform does not start "
			 "(firmware error %u)", error);
	return r;
}

void snp_platform_shutdown(struct kvm_module *module)
{
	struct psp_snp_shutdown_ex down = { .length = sizeof(down), .flags = 1 };
	struct psp_platform_status status;
	uint32_t error;

	/* SEV's platform goes first. */
	if (!sev_module_cmd(module, PSP_PLATFORM_STATUS, &status, &error) &&
	    status.state != PSP_UNINIT && sev_module_cmd(module, PSP_SHUTDOWN, NULL, &error))
		log_error("SEV: SHUTDOWN: firmware error %u", error);
	if (!sev_module_cmd(module, PSP_SNP_SHUTDOWN_EX, &down, &error))
		return;
	if (error == PSP_DFFLUSH_REQUIRED && !flush(module, &error) &&
	    !sev_module_cmd(module, PSP_SNP_SHUTDOWN_EX, &down, &error))
		return;
	log_error("SEV-SNP: SNP_SHUTDOWN_EX: firmware error %u", error);
}

int snp_guest_init(struct kvm *kvm)
{
	struct kvm_sev *sev = to_kvm_sev(kvm);

	sev->guest_request = phys_page_alloc(kvm->module->hw);
	if (!hpa_is_valid(sev->guest_request))
		return -ENOMEM;
	sev->guest_response = snp_alloc_firmware_page(kvm->module);
	if (hpa_is_valid(sev->guest_response))
		return 0;
	phys_page_free(kvm->module->hw, sev->guest_request);
	sev->guest_request = HPA_INVALID;
	return -EIO;
}

int snp_decommission(struct kvm *kvm)
{
	struct kvm_sev *sev = to_kvm_sev(kvm);
	struct psp_snp_addr context = { .address = sev->snp_context.v };
	uint32_t error;
	int r;

	if (!hpa_is_valid(sev->snp_context))
		return 0;
	/* It unbinds the ASID, which DF_FLUSH must not see half done. */
	write_lock(&sev_module(kvm)->deactivate_lock);
	r = sev_do_cmd(kvm, PSP_SNP_DECOMMISSION, &context, &error);
	write_unlock(&sev_module(kvm)->deactivate_lock);
	if (r) {
		log_error("SEV-SNP: SNP_DECOMMISSION of context 0x%llx: firmware error %u; ASID %u is lost",
			  (unsigned long long)context.address, error, sev->asid);
		return r;
	}
	snp_free_firmware_page(kvm->module, sev->snp_context);
	sev->snp_context = HPA_INVALID;
	return 0;
}

int snp_guest_destroy(struct kvm *kvm)
{
	struct kvm_sev *sev = to_kvm_sev(kvm);

	if (hpa_is_valid(sev->guest_response))
		snp_free_firmware_page(kvm->module, sev->guest_response);
	if (hpa_is_valid(sev->guest_request))
		phys_page_free(kvm->module->hw, sev->guest_request);
	sev->guest_response = HPA_INVALID;
	sev->guest_request = HPA_INVALID;
	if (!snp_decommission(kvm))
		return 0;
	snp_lose_page(kvm->module, sev->snp_context);
	return -EIO;
}
