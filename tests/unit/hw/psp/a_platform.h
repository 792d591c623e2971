/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * a_platform.h - a machine whose secure processor is up, and guests of it, for tests.
 *
 * Everything goes through the mailbox.  Buffers lie in one stretch of host
 * memory, `raw` bytes of nobody's key.
 */
#pragma once
#include "hw/mem/a_machine.h"

#include "hw/insn/phys.h"
#include "hw/insn/psp.h"
#include "hw/mem/view.h"
#include "hw/psp/cert.h"
#include "hw/psp/channel.h"
#include "os/memory.h"

#include <string.h>

#define BUFFER_PAGES	64u
#define PLAIN		0u		/* policy: nothing forbidden */
#define FIRST_ES_ASID	1u

struct platform {
	struct hw	*hw;
	uint8_t		*bytes;		/* touched through view_read and view_write alone */
	uint64_t	 at;		/* physical address of the buffers */
	EVP_PKEY	*owner;		/* the guest owner's key */
};

/* Page @n of the buffers. */
static inline uint64_t page_at(const struct platform *p, unsigned n)
{
	return p->at + n * PAGE_SIZE;
}

static inline void put(struct platform *p, uint64_t to, const void *from, size_t len)
{
	assert_true(view_write(p->hw, HPA(to), 0, from, len));
}

static inline void get(struct platform *p, uint64_t from, void *to, size_t len)
{
	assert_true(view_read(p->hw, HPA(from), 0, to, len));
}

static inline enum psp_status init_with(struct platform *p, uint32_t flags)
{
	return psp_command(p->hw, PSP_INIT, &(struct psp_init){
		.flags = flags, .tmr_address = flags & PSP_INIT_ES ? 0x200000000ull : 0,
		.tmr_length = flags & PSP_INIT_ES ? PSP_TMR_LEN : 0 });
}

static inline void flush(struct platform *p)
{
	psp_wbinvd_done(p->hw);
	assert_int_equal(psp_command(p->hw, PSP_DF_FLUSH, NULL), PSP_SUCCESS);
}

/* A machine with its buffers; the platform is not initialised. */
static inline struct platform a_dark_platform(void)
{
	struct platform p = { .hw = a_machine((struct hw_config){
		.vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 51,
		.nr_keys = 15, .min_sev_asid = 6, .snp = true }) };

	p.bytes = os_map_private(BUFFER_PAGES * PAGE_SIZE, 2ull << 20);
	assert_non_null(p.bytes);
	for (unsigned i = 0; i < BUFFER_PAGES; i++) {
		hpa_t a = phys_publish(p.hw, p.bytes + i * PAGE_SIZE);

		assert_true(hpa_is_valid(a));
		p.at = i ? p.at : a.v;
		assert_int_equal(a.v, page_at(&p, i));
	}
	p.owner = cert_new_key();
	assert_non_null(p.owner);
	return p;
}

static inline struct platform a_platform(void)
{
	struct platform p = a_dark_platform();

	assert_int_equal(init_with(&p, PSP_INIT_ES), PSP_SUCCESS);
	flush(&p);
	return p;
}

static inline void no_platform(struct platform *p)
{
	EVP_PKEY_free(p->owner);
	phys_retire(p->hw, p->bytes, BUFFER_PAGES * PAGE_SIZE);
	no_machine(p->hw);
	os_unmap(p->bytes, BUFFER_PAGES * PAGE_SIZE);
}

static inline enum psp_status on_guest(struct platform *p, enum psp_cmd cmd, uint32_t handle)
{
	return psp_command(p->hw, cmd, &(struct psp_handle){ handle });
}

static inline enum psp_status activate(struct platform *p, uint32_t handle, uint32_t asid)
{
	return psp_command(p->hw, PSP_ACTIVATE, &(struct psp_activate){ handle, asid });
}

static inline struct psp_guest_status status_of(struct platform *p, uint32_t handle)
{
	struct psp_guest_status s = { .handle = handle };

	assert_int_equal(psp_command(p->hw, PSP_GUEST_STATUS, &s), PSP_SUCCESS);
	return s;
}

static inline struct psp_platform_status platform_status(struct platform *p)
{
	struct psp_platform_status s;

	assert_int_equal(psp_command(p->hw, PSP_PLATFORM_STATUS, &s), PSP_SUCCESS);
	return s;
}

/* The platform's PDH certificate and chain in pages 60 to 62. */
static inline struct psp_cert the_pdh(struct platform *p, struct psp_chain *chain)
{
	struct psp_pdh_cert_export e = {
		.pdh_cert_address = page_at(p, 60), .pdh_cert_length = PSP_CERT_LEN,
		.certs_address = page_at(p, 61), .certs_length = PSP_CERT_CHAIN_LEN };
	struct psp_cert pdh;

	assert_int_equal(psp_command(p->hw, PSP_PDH_CERT_EXPORT, &e), PSP_SUCCESS);
	get(p, e.pdh_cert_address, &pdh, sizeof(pdh));
	if (chain)
		get(p, e.certs_address, chain, sizeof(*chain));
	return pdh;
}

/*
 * What a guest owner sends with LAUNCH_START: certificate in page 58, session
 * in page 59; the keys go to @ch.
 */
static inline struct psp_launch_start owners_start(struct platform *p, uint32_t policy,
						   struct psp_channel *ch)
{
	struct psp_cert pdh = the_pdh(p, NULL), mine;
	EVP_PKEY *peer = cert_key(&pdh);
	struct psp_session s;

	assert_non_null(peer);
	assert_true(cert_make(&mine, PSP_USAGE_PDH, PSP_ALGO_ECDH, p->owner));
	assert_true(channel_create(ch, p->owner, peer, &s, policy));
	EVP_PKEY_free(peer);
	put(p, page_at(p, 58), &mine, sizeof(mine));
	put(p, page_at(p, 59), &s, sizeof(s));
	return (struct psp_launch_start){
		.policy = policy, .dh_cert_address = page_at(p, 58),
		.dh_cert_length = sizeof(mine), .session_address = page_at(p, 59),
		.session_length = sizeof(s) };
}

/* A guest in LUPDATE without an owner, and without an ASID. */
static inline uint32_t a_guest(struct platform *p, uint32_t policy)
{
	struct psp_launch_start s = { .policy = policy };

	assert_int_equal(psp_command(p->hw, PSP_LAUNCH_START, &s), PSP_SUCCESS);
	assert_int_not_equal(s.handle, 0);
	return s.handle;
}

static inline enum psp_status update(struct platform *p, enum psp_cmd cmd, uint32_t handle,
				     uint64_t at, uint32_t len)
{
	return psp_command(p->hw, cmd, &(struct psp_guest_range){
		.handle = handle, .address = at, .length = len });
}

struct measurement { uint8_t mac[32], mnonce[16]; };

/* Into page 57. */
static inline struct measurement measure(struct platform *p, uint32_t handle)
{
	struct measurement m;

	assert_int_equal(update(p, PSP_LAUNCH_MEASURE, handle, page_at(p, 57), sizeof(m)),
			 PSP_SUCCESS);
	get(p, page_at(p, 57), &m, sizeof(m));
	return m;
}

/* What the measurement must be for this digest. */
static inline void assert_measures(const struct measurement *m, const uint8_t tik[16],
				   uint32_t policy, const uint8_t digest[32])
{
	struct psp_measured what = { PSP_API_MAJOR, PSP_API_MINOR, PSP_BUILD, policy, { 0 } };
	uint8_t mac[32];

	memcpy(what.digest, digest, 32);
	assert_true(channel_measure(tik, &what, m->mnonce, mac));
	assert_memory_equal(mac, m->mac, 32);
}
