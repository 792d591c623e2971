/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_guest_vc.c - what the sample guests' #VC handler asks of the hypervisor, for each kind of
 * instruction: the request by its numbers, and the registers afterwards.  The GHCB is ours here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "ghcb.h"
#include "insn.h"
#include "snp.h"

#define DEVICE	0xd0000000ull
#define ANSWER	0xa1a2a3a4a5a6a7a8ull	/* in every register and in the buffer */

uint64_t guest_c_bit = 1ull << 51, guest_sev_status = SEV_STATUS_SEV | SEV_STATUS_SEV_ES;

static struct request {
	uint64_t	code, info1, info2, rax, rcx, rdx, first;	/* first: bytes of the buffer */
	unsigned	in;		/* a bit for each register given, 32: XCR0, 64: scratch */
} asked[8], now;
static unsigned nr_asked;
static uint8_t buffer[GHCB_BUFFER_SIZE];
static bool entry_is_private;
static jmp_buf panic_to;

static unsigned bit_of(enum ghcb_field field)
{
	switch (field) {
	case GHCB_RAX: return 1;
	case GHCB_RCX: return 2;
	case GHCB_RDX: return 4;
	case GHCB_RBX: return 8;
	case GHCB_RSI: return 16;
	case GHCB_XCR0: return 32;
	case GHCB_SCRATCH: return 64;
	default: return 0;
	}
}

void ghcb_clear(void)
{
	memset(&now, 0, sizeof(now));
}

void ghcb_set(enum ghcb_field field, uint64_t value)
{
	now.in |= bit_of(field);
	if (field == GHCB_RAX)
		now.rax = value;
	else if (field == GHCB_RCX)
		now.rcx = value;
	else if (field == GHCB_RDX)
		now.rdx = value;
}

uint64_t ghcb_get(enum ghcb_field field)
{
	(void)field;
	return ANSWER;
}

uint8_t *ghcb_buffer(void)
{
	return buffer;
}

void ghcb_use_buffer(void)
{
	ghcb_set(GHCB_SCRATCH, 1);
}

void ghcb_call(uint64_t code, uint64_t info1, uint64_t info2)
{
	const uint64_t answer = ANSWER;

	now.code = code;
	now.info1 = info1;
	now.info2 = info2;
	memcpy(&now.first, buffer, sizeof(now.first));
	assert_true(nr_asked < sizeof(asked) / sizeof(asked[0]));
	asked[nr_asked++] = now;
	memcpy(buffer, &answer, sizeof(answer));
}

unsigned guest_ghcb_version(void)
{
	return 2;
}

uint64_t guest_entry(uint64_t va)
{
	return va | 1 | (entry_is_private ? guest_c_bit : 0);
}

uint64_t guest_physical(uint64_t va)
{
	return va;
}

void guest_panic(const char *fmt, ...)
{
	(void)fmt;
	longjmp(panic_to, 1);
}

void guest_terminate(unsigned set, unsigned reason)
{
	(void)set;
	(void)reason;
	abort();
}

struct guest_cpuid snp_cpuid(uint32_t leaf, uint32_t subleaf)
{
	return (struct guest_cpuid){ leaf + 1, subleaf + 2, 3, 4 };
}

struct row {
	const char	*why;
	unsigned	 error;
	const uint8_t	*bytes;
	size_t		 length;
	struct request	 want;		/* want.code 0: it gives up */
	uint64_t	 rax, rcx;	/* afterwards; before: 0x1111222233334444, 0x5566 */
};
#define ROW(text) (const uint8_t *)text, sizeof(text) - 1
#define RAX 0x1111222233334444ull
#define RCX 0x5566ull

static const struct row rows[] = {	/* RDX 0x3f8, RBX the device's address */
	{ "cpuid", 0x72, ROW("\x0f\xa2"), { .code = 0x72, .in = 3, .rax = RAX, .rcx = RCX },
	  0xa5a6a7a8, 0xa5a6a7a8 },
	{ "rdmsr", 0x7c, ROW("\x0f\x32"), { .code = 0x7c, .in = 2, .rcx = RCX }, 0xa5a6a7a8, RCX },
	{ "wrmsr", 0x7c, ROW("\x0f\x30"),
	  { .code = 0x7c, .info1 = 1, .in = 7, .rax = RAX, .rcx = RCX, .rdx = 0x3f8 }, RAX, RCX },
	{ "rdtsc", 0x6e, ROW("\x0f\x31"), { .code = 0x6e }, 0xa5a6a7a8, RCX },
	{ "rdtscp", 0x87, ROW("\x0f\x01\xf9"), { .code = 0x87 }, 0xa5a6a7a8, 0xa5a6a7a8 },
	{ "vmmcall", 0x81, ROW("\x0f\x01\xd9"),
	  { .code = 0x81, .in = 31, .rax = RAX, .rcx = RCX, .rdx = 0x3f8 }, ANSWER, RCX },
	{ "wbinvd", 0x89, ROW("\x0f\x09"), { .code = 0x89 }, RAX, RCX },
	{ "out %al,(%dx)", 0x7b, ROW("\xee"),
	  { .code = 0x7b, .info1 = 0x03f80010, .in = 1, .rax = 0x44 }, RAX, RCX },
	{ "out %ax,$0x80", 0x7b, ROW("\x66\xe7\x80"),
	  { .code = 0x7b, .info1 = 0x00800020, .in = 1, .rax = 0x4444 }, RAX, RCX },
	{ "out %eax,(%dx)", 0x7b, ROW("\xef"),
	  { .code = 0x7b, .info1 = 0x03f80040, .in = 1, .rax = 0x33334444 }, RAX, RCX },
	{ "in $0x71,%al", 0x7b, ROW("\xe4\x71"), { .code = 0x7b, .info1 = 0x00710011 },
	  (RAX & ~0xffull) | 0xa8, RCX },
	{ "in (%dx),%ax", 0x7b, ROW("\x66\xed"), { .code = 0x7b, .info1 = 0x03f80021 },
	  (RAX & ~0xffffull) | 0xa7a8, RCX },
	{ "in (%dx),%eax", 0x7b, ROW("\xed"), { .code = 0x7b, .info1 = 0x03f80041 }, 0xa5a6a7a8, RCX },
	{ "mov (%rbx),%al", 0x400, ROW("\x8a\x03"),
	  { .code = GHCB_MMIO_READ, .info1 = DEVICE, .info2 = 1, .in = 64 },
	  (RAX & ~0xffull) | 0xa8, RCX },
	{ "mov 8(%rbx),%eax", 0x400, ROW("\x8b\x43\x08"),
	  { .code = GHCB_MMIO_READ, .info1 = DEVICE + 8, .info2 = 4, .in = 64 }, 0xa5a6a7a8, RCX },
	{ "mov (%rbx),%rcx", 0x400, ROW("\x48\x8b\x0b"),
	  { .code = GHCB_MMIO_READ, .info1 = DEVICE, .info2 = 8, .in = 64 }, RAX, ANSWER },
	{ "movzwl (%rbx),%eax", 0x400, ROW("\x0f\xb7\x03"),
	  { .code = GHCB_MMIO_READ, .info1 = DEVICE, .info2 = 2, .in = 64 }, 0xa7a8, RCX },
	{ "movsbq (%rbx),%rax", 0x400, ROW("\x48\x0f\xbe\x03"),
	  { .code = GHCB_MMIO_READ, .info1 = DEVICE, .info2 = 1, .in = 64 }, 0xffffffffffffffa8, RCX },
	{ "movslq (%rbx),%rax", 0x400, ROW("\x48\x63\x03"),
	  { .code = GHCB_MMIO_READ, .info1 = DEVICE, .info2 = 4, .in = 64 }, 0xffffffffa5a6a7a8, RCX },
	{ "mov %cx,(%rbx)", 0x400, ROW("\x66\x89\x0b"),
	  { .code = GHCB_MMIO_WRITE, .info1 = DEVICE, .info2 = 2, .in = 64, .first = 0x5566 }, RAX, RCX },
	{ "mov %ch,(%rbx)", 0x400, ROW("\x88\x2b"),
	  { .code = GHCB_MMIO_WRITE, .info1 = DEVICE, .info2 = 1, .in = 64, .first = 0x55 }, RAX, RCX },
	{ "movq $-2,(%rbx)", 0x400, ROW("\x48\xc7\x03\xfe\xff\xff\xff"),
	  { .code = GHCB_MMIO_WRITE, .info1 = DEVICE, .info2 = 8, .in = 64, .first = -2ull }, RAX, RCX },
	{ "an instruction that cannot cause this #VC", 0x72, ROW("\x0f\x32"), { 0 }, RAX, RCX },
	{ "an exit that nobody knows", 0x404, ROW("\x8b\x03"), { 0 }, RAX, RCX },
	{ "an arithmetic instruction on a device", 0x400, ROW("\x01\x03"), { 0 }, RAX, RCX },
};

static struct guest_frame frame_for(const struct row *r)
{
	memset(buffer, 0, sizeof(buffer));
	nr_asked = 0;
	return (struct guest_frame){ .rip = (uintptr_t)r->bytes, .error = r->error, .rax = RAX,
				     .rcx = RCX, .rdx = 0x3f8, .rbx = DEVICE };
}

static void requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct guest_frame f = frame_for(r);

		if (setjmp(panic_to)) {
			if (rows[i].want.code)
				fail_msg("%s: gives up", rows[i].why);
			continue;
		}
		guest_vc(&f);
		if (nr_asked != 1 || memcmp(&asked[0], &r->want, sizeof(r->want)) || f.rax != r->rax ||
		    f.rcx != r->rcx || f.rip != (uintptr_t)r->bytes + r->length)
			fail_msg("%s: %u requests, code %llx, info %llx %llx, in %u; RAX %llx RCX %llx", r->why,
				 nr_asked, (unsigned long long)asked[0].code, (unsigned long long)asked[0].info1,
				 (unsigned long long)asked[0].info2, asked[0].in, (unsigned long long)f.rax,
				 (unsigned long long)f.rcx);
	}
}

/* The XSAVE leaf depends on XCR0: it goes along. */
static void xsave_leaf(void **state)
{
	static const struct row r = { .error = 0x72, ROW("\x0f\xa2") };
	struct guest_frame f = frame_for(&r);

	(void)state;
	f.rax = 0xd;
	guest_vc(&f);
	assert_int_equal(asked[0].in, 3 | 32);
}

/* As many elements in a request as the buffer holds. */
static void strings(void **state)
{
	static const struct row out = { .error = 0x7b, ROW("\xf3\x6e") };
	static const struct row in = { .error = 0x7b, ROW("\x66\x6d") };
	static uint8_t text[5000];
	struct guest_frame f = frame_for(&out);

	(void)state;
	memset(text, 'x', sizeof(text));
	f.rsi = (uintptr_t)text;
	f.rcx = sizeof(text);
	guest_vc(&f);
	assert_int_equal(nr_asked, 3);
	assert_int_equal(asked[0].info1, 0x03f80000 | 0x10 | 4 | 8 | 0x200 | 3 << 10);
	assert_int_equal(asked[0].info2, 2032);
	assert_int_equal(asked[2].info2, 5000 - 2 * 2032);
	assert_int_equal(asked[0].in, 64);
	assert_memory_equal(&asked[0].first, "xxxxxxxx", 8);
	assert_int_equal(f.rcx, 0);
	assert_int_equal(f.rsi, (uintptr_t)text + 5000);
	f = frame_for(&in);
	f.rdi = (uintptr_t)text;
	guest_vc(&f);
	assert_int_equal(nr_asked, 1);
	assert_int_equal(asked[0].info1, 0x03f80000 | 1 | 0x20 | 4 | 0x200);
	assert_int_equal(asked[0].info2, 1);
	assert_memory_equal(text, "\xa8\xa7xx", 4);
	assert_int_equal(f.rdi, (uintptr_t)text + 2);
	assert_int_equal(f.rcx, RCX);
}

/* The hypervisor may not have private memory taken for a device. */
static void private_memory(void **state)
{
	static const struct row r = { .error = 0x400, ROW("\x8b\x03") };
	struct guest_frame f = frame_for(&r);

	(void)state;
	entry_is_private = true;
	if (!setjmp(panic_to)) {
		guest_vc(&f);
		fail_msg("it asked");
	}
	entry_is_private = false;
	assert_int_equal(nr_asked, 0);
}

/* The table answers, and nobody is asked. */
static void cpuid_of_snp(void **state)
{
	static const struct row r = { .error = 0x72, ROW("\x0f\xa2") };
	struct guest_frame f = frame_for(&r);

	(void)state;
	guest_sev_status |= SEV_STATUS_SNP;
	guest_vc(&f);
	guest_sev_status &= ~(uint64_t)SEV_STATUS_SNP;
	assert_int_equal(nr_asked, 0);
	assert_int_equal(f.rax, (uint32_t)RAX + 1);
	assert_int_equal(f.rbx, RCX + 2);
	assert_int_equal(f.rcx, 3);
	assert_int_equal(f.rdx, 4);
	assert_ptr_equal(f.rip, r.bytes + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(cpuid_of_snp), cmocka_unit_test(xsave_leaf), cmocka_unit_test(strings),
		cmocka_unit_test(private_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
