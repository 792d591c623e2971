/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_request.c - messages between a SNP guest and the secure processor, carried
 * unread: GHCB specification 4.1.7 and 4.1.8.
 *
 *   guest's page  ->  copy  ->  sev->guest_request   ->  firmware
 *   guest's page  <-  copy  <-  sev->guest_response  <-
 *
 * Both pages are the VM's, for one message at a time.  The second is the
 * firmware's as long as the VM lives: the firmware writes, the host only reads.
 */
#include <errno.h>

#include "hw/insn/phys.h"
#include "hw/insn/psp_snp.h"
#include "kvm/host/access.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/vcpu/vcpu.h"

#define MSG_TYPE_OFFSET		0x34u	/* firmware ABI 56860, table 99: the header's MSG_TYPE */
#define MSG_REPORT_REQ		5u
#define NO_CERTIFICATES		24u	/* bytes: a table of certificates that ends at once */

#define PAGE_WORDS	(PAGE_SIZE / sizeof(uint64_t))

/* A guest's page, read once. */
struct message {
	uint64_t words[PAGE_WORDS];
};

static int call_firmware(struct kvm *kvm, const struct message *request, struct message *response,
			 uint32_t *error)
{
	struct hw *hw = kvm->module->hw;
	struct kvm_sev *sev = to_kvm_sev(kvm);
	struct psp_snp_guest_request cmd = {
		.gctx = sev->snp_context.v,
		.request = sev->guest_request.v,
		.response = sev->guest_response.v,
	};
	int r;

	mutex_lock(&sev->guest_request_lock);
	for (size_t i = 0; i < PAGE_WORDS; i++)
		phys_store64(hw, HPA(sev->guest_request.v + 8 * i), request->words[i]);
	r = sev_issue_cmd(kvm, PSP_SNP_GUEST_REQUEST, &cmd, error);
	for (size_t i = 0; i < PAGE_WORDS; i++)
		response->words[i] = phys_load64(hw, HPA(sev->guest_response.v + 8 * i));
	mutex_unlock(&sev->guest_request_lock);
	return r;
}

/* What the firmware says goes to the guest; that it could not be asked, to the VMM. */
static int carry(struct vcpu *v, const struct message *request)
{
	struct kvm *kvm = v->base.kvm;
	struct message response;
	uint32_t error = 0;
	int r = call_firmware(kvm, request, &response, &error);

	if (r && !error)
		return r;
	if (kvm_write_guest(kvm, GPA(v->svm_exit.exitinfo2), &response, sizeof(response)))
		return -EIO;
	/* 63:32 is the hypervisor's own error: it has none. */
	ghcb_answer(&v->base, 0, error);
	return 1;
}

static int take_request(const struct vcpu *v, struct message *request)
{
	return kvm_read_guest(v->base.kvm, GPA(v->svm_exit.exitinfo1), request, sizeof(*request)) ?
	       -EIO : 0;
}

int ghcb_guest_request(struct vcpu *v)
{
	struct message request;
	int r = take_request(v, &request);

	return r ? r : carry(v, &request);
}

/* A report may come with certificates at RAX, RBX pages of them: there are none. */
static int no_certificates(struct vcpu *v)
{
	const struct ghcb_copy *copy = &to_sev_vcpu(&v->base)->ghcb.copy;
	const uint64_t data = v->state.gpr[X86_RAX];

	if (!ghcb_has(copy, GHCB_RAX) || !ghcb_has(copy, GHCB_RBX) || (data & ~PAGE_MASK))
		return ghcb_refuse(&v->base, GHCB_INVALID_INPUT);
	if (v->state.gpr[X86_RBX] && kvm_clear_guest(v->base.kvm, GPA(data), NO_CERTIFICATES))
		return -EIO;
	return 0;
}

int ghcb_ext_guest_request(struct vcpu *v)
{
	struct message request;
	int r = take_request(v, &request);

	if (!r && ((const uint8_t *)&request)[MSG_TYPE_OFFSET] == MSG_REPORT_REQ)
		r = no_certificates(v);
	return r ? r : carry(v, &request);
}
