/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_request.c - messages to the secure processor, which the hypervisor carries and cannot read:
 * AES-256-GCM with a key of the secrets page and a number that never comes again.  Firmware ABI,
 * chapter 7.
 */
#include "ghcb.h"
#include "snp.h"

#define GHCB_GUEST_REQUEST	0x80000011u
#define VMPCK0			(GUEST_SECRETS + 0x20)
#define ALGO_GCM		1u
#define HEADER			0x60u
#define MOST			(GUEST_PAGE - HEADER)

struct message {
	uint8_t	 tag[32];		/* 16 of them */
	uint64_t number;
	uint8_t	 reserved1[8];
	uint8_t	 algo, header_version;	/* from here on in the clear, and under the tag */
	uint16_t header_size;
	uint8_t	 type, version;
	uint16_t size;
	uint32_t reserved2;
	uint8_t	 key, reserved3[35];
	uint8_t	 payload[MOST];
};
_Static_assert(sizeof(struct message) == GUEST_PAGE, "a page");
_Static_assert(offsetof(struct message, algo) == 0x30, "firmware ABI, message header");
#define CLEAR(m)	(&(m)->algo)
#define NR_CLEAR	(HEADER - offsetof(struct message, algo))

static struct message *request, *response;	/* shared pages */
static uint64_t number;				/* of the last message, either way */

static void make_pages(void)
{
	request = guest_page();
	response = guest_page();
	guest_share(request);
	guest_share(response);
}

static void make_iv(uint8_t iv[12], const struct message *m)
{
	memset(iv, 0, 12);
	memcpy(iv, &m->number, sizeof(m->number));
}

/* The answer is looked at in private memory only. */
static int open(struct message *m, uint8_t type, void *answer, size_t most)
{
	uint8_t iv[12];

	make_iv(iv, m);
	if (m->number != number + 1 || m->type != type + 1 || m->size > MOST || m->size > most ||
	    m->algo != ALGO_GCM || m->header_size != HEADER ||
	    !gcm_decrypt((const uint8_t *)VMPCK0, iv, CLEAR(m), NR_CLEAR, m->payload, m->size, m->tag))
		guest_panic("an answer that is not the secure processor's");
	number++;
	memcpy(answer, m->payload, m->size);
	return m->size;
}

int snp_request(uint8_t type, const void *payload, size_t n, void *answer, size_t most)
{
	static struct message m;
	uint8_t iv[12];
	uint64_t error;

	if (!request)
		make_pages();
	memset(&m, 0, sizeof(m));
	m.number = ++number;
	m.algo = ALGO_GCM;
	m.header_version = 1;
	m.header_size = HEADER;
	m.type = type;
	m.version = 1;
	m.size = (uint16_t)n;
	memcpy(m.payload, payload, n);
	make_iv(iv, &m);
	gcm_encrypt((const uint8_t *)VMPCK0, iv, CLEAR(&m), NR_CLEAR, m.payload, n, m.tag);
	memcpy(request, &m, sizeof(m));
	ghcb_clear();
	ghcb_call(GHCB_GUEST_REQUEST, (uintptr_t)request, (uintptr_t)response);
	error = ghcb_get(GHCB_EXITINFO2);
	if (error) {
		number--;
		return -1 - (int)(uint32_t)error;
	}
	memcpy(&m, response, sizeof(m));
	return open(&m, type, answer, most);
}
