/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_request.c - what a guest asks of the secure processor: firmware ABI 56860
 * chapter 7, SNP_GUEST_REQUEST.
 */
#include "hw/psp/psp_snp_priv.h"

#include "base/bytes.h"
#include "hw/psp/snp_cpuid.h"

#include <openssl/crypto.h>
#include <string.h>

#define NO_DEVIATION	(1ull << 32)	/* a TSC's scale, 8.32 bits: as the host's */

struct cpuid_message {			/* both ways; @status: in the request COUNT */
	uint32_t status, count;
	uint64_t reserved;
	struct snp_cpuid_entry entry[SNP_CPUID_MAX];
};

struct tsc_info {
	uint32_t status, reserved1;
	uint64_t scale, offset;
	uint32_t factor;
	uint8_t	 reserved2[100];
};
_Static_assert(sizeof(struct tsc_info) == 0x80, "layout of the firmware ABI");

/* Zeros behind what was sent: a short message is a message of zeros. */
static void answer_cpuid(struct snp_talk *t)
{
	const struct cpuid_message *in = (const struct cpuid_message *)(const void *)t->in;
	struct cpuid_message *out = (struct cpuid_message *)(void *)t->out;
	const uint32_t asked = in->status;

	t->out_len = t->in_len;
	if (in->count || in->reserved || asked > SNP_CPUID_MAX) {
		out->status = PSP_INVALID_PARAM;
		return;
	}
	memcpy(out->entry, in->entry, asked * sizeof(in->entry[0]));
	out->count = asked;
	if (!snp_cpuid_sanitize(t->psp->hw, out->entry, asked))
		out->status = PSP_INVALID_PARAM;
}

/* The guest's clock is the host's: the machine has no SecureTSC. */
static void answer_tsc(struct snp_talk *t)
{
	struct tsc_info *out = (struct tsc_info *)(void *)t->out;

	t->out_len = sizeof(*out);
	if (!bytes_are_zero(t->in, sizeof(struct tsc_info)))
		out->status = PSP_INVALID_PARAM;
	else
		out->scale = NO_DEVIATION;
}

/* Messages of migration agents, of which there are none: a status, and nothing. */
static void answer_agent(struct snp_talk *t)
{
	const uint32_t status = PSP_UNSUPPORTED;

	t->out_len = 0x20;
	memcpy(t->out, &status, sizeof(status));
}

static void (*const answers[])(struct snp_talk *t) = {	/* by type of the request */
	[SNP_MSG_CPUID] = answer_cpuid, [SNP_MSG_KEY] = snp_answer_key,
	[SNP_MSG_REPORT] = snp_answer_report, [SNP_MSG_EXPORT] = answer_agent,
	[SNP_MSG_IMPORT] = answer_agent, [SNP_MSG_ABSORB] = answer_agent,
	[SNP_MSG_VMRK] = answer_agent, [SNP_MSG_ABSORB_NOMA] = answer_agent,
	[SNP_MSG_TSC_INFO] = answer_tsc,
};

/* A message at @at: what lies in its page.  INVALID_PARAM: more than that. */
static enum psp_status request_get(struct psp *psp, uint64_t at, struct snp_message *m)
{
	const size_t room = PAGE_SIZE - (at & (PAGE_SIZE - 1));
	enum psp_status st;

	memset(m, 0, sizeof(*m));
	if (room < SNP_MESSAGE_HEADER)
		return PSP_INVALID_PARAM;
	st = psp_get(psp, at, m, room);
	if (st == PSP_SUCCESS && SNP_MESSAGE_HEADER + m->size > room)
		return PSP_INVALID_PARAM;
	return st;
}

static enum psp_status answer(struct snp_talk *t, const struct snp_message *request, uint64_t to)
{
	struct snp_message response;

	if (request->type >= ARRAY_SIZE(answers) || !answers[request->type])
		return PSP_INVALID_PARAM;
	answers[request->type](t);
	if (snp_crosses_page(to, SNP_MESSAGE_HEADER + t->out_len))
		return PSP_INVALID_PARAM;
	if (!snp_message_seal(&response, request, t->g->vmpcks, request->type + 1, t->out,
			      t->out_len))
		return PSP_HWERROR_PLATFORM;
	return psp_put(t->psp, to, &response, SNP_MESSAGE_HEADER + t->out_len);
}

static enum psp_status request_run(struct psp *psp, struct snp_guest *g,
				   const struct psp_snp_guest_request *in)
{
	struct snp_talk t = { .psp = psp, .g = g };
	struct snp_message request;
	enum psp_status st = request_get(psp, in->request, &request);

	if (st == PSP_SUCCESS)
		st = snp_message_open(&request, g->vmpcks, t.in);
	if (st == PSP_SUCCESS) {
		t.in_len = request.size;
		t.vmpck = request.vmpck;
		st = answer(&t, &request, in->response);
	}
	OPENSSL_cleanse(&t, sizeof(t));
	return st;
}

PSP_COMMAND(psp_do_snp_guest_request)
{
	const struct psp_snp_guest_request *in = buf;
	struct rmp_entry request, response;
	struct snp_guest *g;
	enum psp_status st;

	if (!snp_is_page(in->gctx))
		return PSP_INVALID_PARAM;
	st = snp_guest_of(psp, in->gctx, &g);
	if (st != PSP_SUCCESS)
		return st;
	request = snp_page(psp->hw, HPA(in->request & PAGE_MASK));
	response = snp_page(psp->hw, HPA(in->response & PAGE_MASK));
	if (snp_state_of(&response) != SNP_STATE_FIRMWARE)
		return PSP_INVALID_PAGE_STATE;
	if (request.is_2m || response.is_2m)
		return PSP_INVALID_PAGE_SIZE;
	return g->state == SNP_GUEST_RUNNING ? request_run(psp, g, in) : PSP_INVALID_GUEST_STATE;
}
