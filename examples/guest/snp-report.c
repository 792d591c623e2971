/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-report.c - a report of the secure processor's, under the key that it gave the guest: it has
 * what the guest asked to have in it, and the digest of the launch.  A second one is another
 * message with the same digest.
 *
 * $ softcvm run --type snp --policy 0xb0000 snp-report.elf
 * report: 1184 bytes, status 0, version *, policy 0xb0000, VMPL 0, signature algorithm 1
 * the guest's own 64 bytes are in it
 * measurement: *
 * a second report: the same measurement, another signature
 * guest ended: exit 0
 */
#include "snp.h"

#define MSG_REPORT_REQ	5u
#define REPORT_BYTES	0x4a0u

/* Firmware ABI, ATTESTATION_REPORT. */
enum {
	VERSION = 0x000, POLICY = 0x008, VMPL = 0x030, ALGORITHM = 0x034, DATA = 0x050,
	MEASUREMENT = 0x090, SIGNATURE = 0x2a0,
};
enum { DATA_BYTES = 64, MEASUREMENT_BYTES = 48, SIGNATURE_BYTES = 512 };

struct request { uint8_t data[DATA_BYTES]; uint32_t vmpl, key; uint8_t reserved[24]; };
struct answer { uint32_t status, size; uint8_t reserved[24], report[REPORT_BYTES]; };

static struct request request;
static struct answer first, second;

static void ask(struct answer *a)
{
	int n = snp_request(MSG_REPORT_REQ, &request, sizeof(request), a, sizeof(*a));

	if (n != (int)sizeof(*a))
		guest_panic("a report of %d bytes", n);
}

static uint32_t u32(const struct answer *a, unsigned at)
{
	uint32_t value;

	memcpy(&value, a->report + at, sizeof(value));
	return value;
}

static void show(const struct answer *a)
{
	guest_printf("report: %u bytes, status %u, version %u, policy 0x%x, VMPL %u, signature algorithm %u\n",
		     a->size, a->status, u32(a, VERSION), u32(a, POLICY), u32(a, VMPL),
		     u32(a, ALGORITHM));
	guest_printf("the guest's own 64 bytes are%s in it\n",
		     memcmp(a->report + DATA, request.data, DATA_BYTES) ? " not" : "");
	guest_printf("measurement: ");
	for (unsigned i = 0; i < MEASUREMENT_BYTES; i++)
		guest_printf("%02x", a->report[MEASUREMENT + i]);
	guest_printf("\n");
}

int guest_main(void)
{
	bool same, signed_anew;

	for (unsigned i = 0; i < DATA_BYTES; i++)
		request.data[i] = (uint8_t)(3 * i + 1);
	ask(&first);
	show(&first);
	request.data[0] ^= 1;
	ask(&second);
	same = !memcmp(first.report + MEASUREMENT, second.report + MEASUREMENT, MEASUREMENT_BYTES);
	signed_anew = memcmp(first.report + SIGNATURE, second.report + SIGNATURE, SIGNATURE_BYTES);
	guest_printf("a second report: %s measurement, %s signature\n", same ? "the same" : "another",
		     signed_anew ? "another" : "the same");
	return !same || !signed_anew;
}
