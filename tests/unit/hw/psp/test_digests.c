/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_digests.c - tests/vectors/launch-digests.txt: the public tools' own
 * launch digests and measurements.
 *
 * usage: test_hw_psp_digests LAUNCH-DIGESTS.TXT
 *
 * SEV and SEV-ES: each piece is put into memory and given to LAUNCH_UPDATE_DATA
 * or _VMSA; the digest is the one of the attestation report.  SNP: page by page
 * through snp_digest_extend(), and as a launch through SNP_LAUNCH_UPDATE.  A vector whose firmware
 * image is not in the
 * folder that SOFTCVM_VECTORS names is counted apart (tests/vectors/README.md).
 */
#include "a_platform.h"

#include "hw/insn/rmp.h"
#include "hw/psp/psp_snp_priv.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_PIECE	(4u << 20)

static const char *vectors;

struct vector {				/* one under way */
	char		 name[64], kind[8];
	bool		 is_missing;	/* a firmware image is */
	struct platform	 p;
	uint32_t	 guest;
	uint8_t		 ld[SNP_DIGEST_BYTES];
	struct snp_hash	 hash;
	uint64_t	 context;	/* SNP: the guest that is launched by the same pages */
};

struct tally { unsigned sev, snp, missing; };

static bool is_snp(const struct vector *v)
{
	return !strcmp(v->kind, "snp");
}

static size_t from_hex(uint8_t *to, const char *hex)
{
	const size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++) {
		unsigned b;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &b), 1);
		to[i] = (uint8_t)b;
	}
	return len;
}

static void sha256(const void *bytes, size_t len, uint8_t *out)
{
	assert_true(EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL));
}

/* SEV: any bytes, through the buffers, as much as they hold at a time. */
static void sev_feed(struct vector *v, enum psp_cmd cmd, const uint8_t *bytes, size_t len)
{
	const size_t room = 32 * PAGE_SIZE;

	for (size_t n, off = 0; off < len; off += n) {
		n = MIN(len - off, room);
		put(&v->p, page_at(&v->p, 0), bytes + off, n);
		assert_int_equal(update(&v->p, cmd, v->guest, page_at(&v->p, 0), (uint32_t)n),
				 PSP_SUCCESS);
	}
}

static void extend(const struct snp_hash *h, uint8_t *ld, const struct snp_page *page,
		   const uint8_t *bytes)
{
	uint8_t contents[SNP_DIGEST_BYTES];

	assert_true(snp_digest_contents(h, page->type, bytes, contents));
	assert_true(snp_digest_extend(h, ld, page, contents));
}

/* -- The same by commands: buffers CONTEXT and LAUNCHED, which the platform's tests leave alone -- */

enum { CONTEXT = 50, LAUNCHED = 51 };

#define SNP_ASID	7u

static void rmp_set(struct vector *v, uint64_t a, struct rmp_operand o)
{
	assert_int_equal(rmpupdate(v->p.hw, HPA(a), &o), RMP_SUCCESS);
}

static enum psp_status snp_at(struct vector *v, enum psp_cmd cmd, uint64_t a)
{
	return psp_command(v->p.hw, cmd, &(struct psp_snp_addr){ a });
}

/* A seed is put into the guest's context by hand. */
static uint8_t *digest_of(struct vector *v)
{
	return snp_guest_find(v->p.hw->psp, v->context)->ld;
}

static void snp_start(struct vector *v)
{
	struct psp_snp_launch_start start = { .policy = PSP_SNP_POLICY_MBO | PSP_SNP_POLICY_SMT };

	start.gctx = v->context = page_at(&v->p, CONTEXT);
	rmp_set(v, v->context, (struct rmp_operand){ .assigned = 1, .immutable = 1 });
	assert_int_equal(snp_at(v, PSP_SNP_GCTX_CREATE, v->context), PSP_SUCCESS);
	assert_int_equal(psp_command(v->p.hw, PSP_SNP_LAUNCH_START, &start), PSP_SUCCESS);
	assert_int_equal(psp_command(v->p.hw, PSP_SNP_ACTIVATE, &(struct psp_snp_activate){
		v->context, SNP_ASID }), PSP_SUCCESS);
}

/* One page; of no @bytes: something that must not count, or for CPUID an empty table. */
static void snp_launch(struct vector *v, uint8_t type, uint64_t gpa, const uint8_t *bytes)
{
	const uint64_t at = page_at(&v->p, LAUNCHED);
	struct psp_snp_launch_update u = { .gctx = v->context, .address = at,
					   .page = (uint32_t)FIELD_PUT(PSP_SNP_UPDATE_TYPE, type) };
	uint8_t page[PAGE_SIZE];

	memset(page, type == PSP_SNP_CPUID ? 0 : 0xd1, sizeof(page));
	put(&v->p, at, bytes ? bytes : page, PAGE_SIZE);
	rmp_set(v, at, (struct rmp_operand){ .gpa = gpa, .assigned = 1, .immutable = 1,
					     .asid = SNP_ASID });
	assert_int_equal(psp_command(v->p.hw, PSP_SNP_LAUNCH_UPDATE, &u), PSP_SUCCESS);
	rmp_set(v, at, (struct rmp_operand){ 0 });
}

static void snp_end(struct vector *v)
{
	assert_memory_equal(digest_of(v), v->ld, SNP_DIGEST_BYTES);
	assert_int_equal(snp_at(v, PSP_SNP_DECOMMISSION, v->context), PSP_SUCCESS);
	assert_int_equal(snp_at(v, PSP_SNP_PAGE_RECLAIM, v->context), PSP_SUCCESS);
	rmp_set(v, v->context, (struct rmp_operand){ 0 });
}

/* SNP is initialised before SEV. */
static struct platform both_platforms(void)
{
	struct platform p = a_dark_platform();
	struct psp_snp_init_ex snp = { .flags = PSP_SNP_INIT_RMP };

	assert_int_equal(psp_command(p.hw, PSP_SNP_INIT_EX, &snp), PSP_SUCCESS);
	assert_int_equal(init_with(&p, PSP_INIT_ES), PSP_SUCCESS);
	flush(&p);
	return p;
}

static void snp_feed(struct vector *v, uint8_t type, uint64_t gpa,
		     const uint8_t *bytes, size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		const struct snp_page page = { .type = type, .gpa = GPA(gpa + i * PAGE_SIZE) };

		extend(&v->hash, v->ld, &page, bytes ? bytes + i * PAGE_SIZE : NULL);
		snp_launch(v, type, gpa + i * PAGE_SIZE, bytes ? bytes + i * PAGE_SIZE : NULL);
	}
}

static void feed(struct vector *v, uint64_t gpa, const uint8_t *bytes, size_t len)
{
	if (is_snp(v))
		snp_feed(v, PSP_SNP_NORMAL, gpa, bytes, len / PAGE_SIZE);
	else
		sev_feed(v, PSP_LAUNCH_UPDATE_DATA, bytes, len);
}

static void do_file(struct vector *v, char *args)
{
	const char *name = strsep(&args, " "), *sum = strsep(&args, " ");
	const char *dir = getenv("SOFTCVM_VECTORS");
	uint8_t want[32], got[32], *bytes;
	char path[4096];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "/nowhere", name);
	f = fopen(path, "rb");
	if (!f) {
		v->is_missing = true;
		return;
	}
	bytes = malloc(MAX_PIECE);
	assert_non_null(bytes);
	len = fread(bytes, 1, MAX_PIECE, f);
	fclose(f);
	assert_int_equal(from_hex(want, sum), sizeof(want));
	sha256(bytes, len, got);
	assert_memory_equal(got, want, sizeof(got));
	feed(v, strtoull(args, NULL, 16), bytes, len);
	free(bytes);
}

/* GUID, length, contents: an entry of the table, or the table. */
static size_t guided(uint8_t *to, const char *guid, const uint8_t *bytes, size_t len)
{
	const uint16_t all = (uint16_t)(16 + sizeof(all) + len);

	from_hex(to, guid);
	memcpy(to + 16, &all, sizeof(all));
	memmove(to + 16 + sizeof(all), bytes, len);
	return all;
}

/* The table that QEMU makes: command line, initrd, kernel; padded to 16. */
static void do_hashes(struct vector *v, char *args)
{
	static const struct { const char *key, *guid; } rows[] = {
		{ "cmdline=", "d82dd09720bd944caa78e7714d36ab2a" },
		{ "initrd=", "31f7ba442f3ad74b9af141e29169781d" },
		{ "kernel=", "3794e74dd2ab7f42b835d5b172d2045b" },
	};
	const uint64_t gpa = strtoull(args, NULL, 16);
	uint8_t page[PAGE_SIZE] = { 0 }, inside[256], hash[32], text[1024];
	uint8_t *table = page + (is_snp(v) ? gpa % PAGE_SIZE : 0);
	size_t n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char *at = strstr(args, rows[i].key), hex[1024] = "";
		size_t len;

		assert_non_null(at);
		sscanf(at + strlen(rows[i].key), "%1023[0-9a-f]", hex);
		len = from_hex(text, hex);
		if (!i)
			text[len++] = 0;	/* the command line ends with a zero */
		sha256(text, len, hash);
		n += guided(inside + n, rows[i].guid, hash, sizeof(hash));
	}
	n = guided(table, "06d63894224fc94cb479a793d411fd21", inside, n);
	feed(v, gpa - gpa % PAGE_SIZE, page, is_snp(v) ? PAGE_SIZE : ALIGN_UP(n, (size_t)16));
}

static void do_text(struct vector *v, char *args)
{
	uint8_t *bytes = calloc(1, MAX_PIECE);
	const uint64_t gpa = strtoull(strsep(&args, " "), NULL, 16);
	const size_t pages = strtoull(strsep(&args, " "), NULL, 16);
	char *word;

	assert_non_null(bytes);
	while ((word = strsep(&args, " "))) {
		char *rest;
		const size_t off = strtoull(word, &rest, 16);

		from_hex(bytes + off, rest + 1);
	}
	feed(v, gpa, bytes, pages * PAGE_SIZE);
	free(bytes);
}

struct vmm {				/* what differs in the state that they set up */
	const char *name;
	uint64_t g_pat, rdx;
	uint32_t mxcsr;
	uint16_t fcw;
};

static const struct vmm vmms[] = {
	{ "qemu", 0x0007040600070406, 0x800f12, 0x1f80, 0x37f },	/* EPYC-v4 */
	{ "old-qemu", 0x0007040600070406, 0xa00f11, 0, 0 },
	{ "gce", 0x00070106, 0x600, 0, 0 },
	{ "svsm", 0x0007040600070406, 0x800f12, 0x1f80, 0 },
};

static void vmsa_put(uint8_t *vmsa, unsigned off, uint64_t value, size_t len)
{
	memcpy(vmsa + off, &value, len);
}

static void vmsa_segment(uint8_t *vmsa, unsigned off, uint16_t selector, uint16_t attrib,
			 uint32_t limit, uint64_t base)
{
	vmsa_put(vmsa, off, selector, 2);
	vmsa_put(vmsa, off + 2, attrib, 2);
	vmsa_put(vmsa, off + 4, limit, 4);
	vmsa_put(vmsa, off + 8, base, 8);
}

static void vmsa_segments(uint8_t *vmsa, bool flat, uint32_t eip)
{
	for (unsigned off = 0; off <= 0x50; off += 0x10)	/* ES, CS, SS, DS, FS, GS */
		vmsa_segment(vmsa, off, flat && off != 0x50 ? 16 : 0,
			     flat && off != 0x50 ? 0xc93 : 0x93,
			     flat && off != 0x50 ? 0xffffffff : 0xffff, 0);
	if (flat)
		vmsa_segment(vmsa, 0x10, 8, 0xc9b, 0xffffffff, 0);
	else
		vmsa_segment(vmsa, 0x10, 0xf000, 0x9b, 0xffff, eip & 0xffff0000);
	vmsa_segment(vmsa, 0x60, 0, 0, 0xffff, 0);		/* GDTR */
	vmsa_segment(vmsa, 0x70, 0, 0x82, 0xffff, 0);		/* LDTR */
	vmsa_segment(vmsa, 0x80, 0, 0, 0xffff, 0);		/* IDTR */
	vmsa_segment(vmsa, 0x90, 0, 0x8b, 0xffff, 0);		/* TR */
}

/* APM vol. 2 table B-4 */
static void vmsa_make(uint8_t *vmsa, const struct vmm *vmm, uint32_t eip, uint64_t features)
{
	const bool flat = !strcmp(vmm->name, "svsm");

	memset(vmsa, 0, PAGE_SIZE);
	vmsa_segments(vmsa, flat, eip);
	vmsa_put(vmsa, 0xd0, 0x1000, 8);			/* EFER: SVME */
	vmsa_put(vmsa, 0x148, 0x40, 8);				/* CR4: MCE */
	vmsa_put(vmsa, 0x158, flat ? 0x11 : 0x10, 8);		/* CR0 */
	vmsa_put(vmsa, 0x160, 0x400, 8);			/* DR7 */
	vmsa_put(vmsa, 0x168, 0xffff0ff0, 8);			/* DR6 */
	vmsa_put(vmsa, 0x170, 2, 8);				/* RFLAGS */
	vmsa_put(vmsa, 0x178, flat ? eip : eip & 0xffff, 8);	/* RIP */
	vmsa_put(vmsa, 0x268, vmm->g_pat, 8);
	vmsa_put(vmsa, 0x310, vmm->rdx, 8);
	vmsa_put(vmsa, 0x3b0, features, 8);			/* SEV_FEATURES */
	vmsa_put(vmsa, 0x3e8, 1, 8);				/* XCR0 */
	vmsa_put(vmsa, 0x408, vmm->mxcsr, 4);
	vmsa_put(vmsa, 0x410, vmm->fcw, 2);
}

static void do_vmsa(struct vector *v, char *args)
{
	const char *name = strsep(&args, " ");
	const uint32_t eip = (uint32_t)strtoul(strsep(&args, " "), NULL, 16);
	const uint64_t features = strtoull(args + strlen("features="), NULL, 16);
	const struct vmm *vmm = NULL;
	uint8_t vmsa[PAGE_SIZE];

	for (unsigned i = 0; i < ARRAY_SIZE(vmms); i++)
		if (!strcmp(vmms[i].name, name))
			vmm = &vmms[i];
	assert_non_null(vmm);
	vmsa_make(vmsa, vmm, eip, features);
	if (is_snp(v))
		snp_feed(v, PSP_SNP_VMSA, 0xfffffffff000, vmsa, 1);
	else
		sev_feed(v, PSP_LAUNCH_UPDATE_VMSA, vmsa, PAGE_SIZE);
}

static void do_bare(struct vector *v, uint8_t type, char *args)
{
	const uint64_t gpa = strtoull(args, &args, 16);

	snp_feed(v, type, gpa, NULL, *args ? strtoull(args, NULL, 16) : 1);
}

static void do_zero(struct vector *v, char *args)
{
	do_bare(v, PSP_SNP_ZERO, args);
}

static void do_unmeasured(struct vector *v, char *args)
{
	do_bare(v, PSP_SNP_UNMEASURED, args);
}

static void do_secrets(struct vector *v, char *args)
{
	do_bare(v, PSP_SNP_SECRETS, args);
}

static void do_cpuid(struct vector *v, char *args)
{
	do_bare(v, PSP_SNP_CPUID, args);
}

static void do_seed(struct vector *v, char *args)
{
	assert_int_equal(from_hex(v->ld, args), SNP_DIGEST_BYTES);
	memcpy(digest_of(v), v->ld, SNP_DIGEST_BYTES);
}

static void do_vector(struct vector *v, char *args)
{
	memset(v->ld, 0, sizeof(v->ld));
	snprintf(v->name, sizeof(v->name), "%s", args);
	v->is_missing = false;
}

static void do_kind(struct vector *v, char *args)
{
	const bool es = !strcmp(args, "sev-es");

	snprintf(v->kind, sizeof(v->kind), "%s", args);
	if (is_snp(v)) {
		snp_start(v);
		return;
	}
	v->guest = a_guest(&v->p, es ? PSP_POLICY_ES : PLAIN);
	assert_int_equal(activate(&v->p, v->guest, es ? 1 : 6), PSP_SUCCESS);
}

static void do_source(struct vector *v, char *args)
{
	(void)v;
	assert_non_null(strstr(args, "github "));
}

/* The digest of the guest, by the report; then the guest goes. */
static void sev_digest(struct vector *v, uint8_t digest[32])
{
	struct psp_attestation a = { .handle = v->guest, .address = page_at(&v->p, 40),
				     .length = PSP_ATTESTATION_LEN };

	measure(&v->p, v->guest);
	assert_int_equal(psp_command(v->p.hw, PSP_ATTESTATION, &a), PSP_SUCCESS);
	get(&v->p, a.address + 16, digest, 32);
	assert_int_equal(on_guest(&v->p, PSP_DEACTIVATE, v->guest), PSP_SUCCESS);
	assert_int_equal(on_guest(&v->p, PSP_DECOMMISSION, v->guest), PSP_SUCCESS);
}

static void check_digest(struct vector *v, const char *args)
{
	uint8_t want[SNP_DIGEST_BYTES], got[32];
	const size_t len = from_hex(want, args);

	if (is_snp(v))
		snp_end(v);
	else
		sev_digest(v, got);
	if (v->is_missing)
		return;
	assert_int_equal(len, is_snp(v) ? SNP_DIGEST_BYTES : sizeof(got));
	if (memcmp(is_snp(v) ? v->ld : got, want, len))
		fail_msg("vector %s: another digest", v->name);
}

/* "api=MAJOR.MINOR.BUILD policy=P tik=T mnonce=N MAC" */
static void check_mac(struct vector *v, const char *args)
{
	char tik_hex[33], nonce_hex[33], mac_hex[65];
	uint8_t tik[16], nonce[16], want[32], got[32];
	unsigned major, minor, build, policy;
	struct psp_measured m;

	assert_int_equal(sscanf(args, "api=%u.%u.%u policy=%x tik=%32s mnonce=%32s %64s", &major,
				&minor, &build, &policy, tik_hex, nonce_hex, mac_hex), 7);
	m = (struct psp_measured){ (uint8_t)major, (uint8_t)minor, (uint8_t)build, policy, { 0 } };
	sev_digest(v, m.digest);
	if (v->is_missing)
		return;
	from_hex(tik, tik_hex);
	from_hex(nonce, nonce_hex);
	from_hex(want, mac_hex);
	assert_true(channel_measure(tik, &m, nonce, got));
	if (memcmp(got, want, sizeof(got)))
		fail_msg("vector %s: another measurement", v->name);
}

static void conclude(struct vector *v, struct tally *t)
{
	if (v->is_missing)
		t->missing++;
	else if (is_snp(v))
		t->snp++;
	else
		t->sev++;
}

static void do_line(struct vector *v, char *line, struct tally *t)
{
	static const struct { const char *word; void (*run)(struct vector *v, char *args); } ops[] = {
		{ "vector", do_vector }, { "source", do_source }, { "kind", do_kind },
		{ "file", do_file }, { "seed", do_seed }, { "hashes", do_hashes },
		{ "text", do_text }, { "vmsa", do_vmsa }, { "zero", do_zero },
		{ "unmeasured", do_unmeasured }, { "secrets", do_secrets }, { "cpuid", do_cpuid },
	};
	char *args = line, *word = strsep(&args, " ");

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		if (!strcmp(word, ops[i].word)) {
			ops[i].run(v, args);
			return;
		}
	if (!strcmp(word, "digest"))
		check_digest(v, args);
	else if (!strcmp(word, "mac"))
		check_mac(v, args);
	else
		fail_msg("no such word: %s", word);
	conclude(v, t);
}

static void digests_are_the_tools(void **unused)
{
	struct vector v = { .p = both_platforms() };
	struct tally t = { 0 };
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	FILE *f = fopen(vectors, "r");

	(void)unused;
	assert_non_null(f);
	assert_true(snp_hash_make(&v.hash));
	while ((n = getline(&line, &room, f)) > 0) {
		line[n - 1] = 0;
		if (line[0] && line[0] != '#')
			do_line(&v, line, &t);
	}
	free(line);
	fclose(f);
	no_platform(&v.p);
	snp_hash_free(&v.hash);
	printf("%u SEV and %u SNP vectors match; %u without their firmware image\n", t.sev, t.snp,
	       t.missing);
	assert_true(t.snp >= 3);
	assert_true(!getenv("SOFTCVM_VECTORS") || !t.missing);
}

/* What the firmware fills in later is no part of a VMSA's digest; all else is. */
static void the_time_of_a_vmsa_does_not_count(void **unused)
{
	const struct snp_page page = { .type = PSP_SNP_VMSA, .gpa = GPA(0xfffffffff000) };
	uint8_t vmsa[PAGE_SIZE] = { 0 }, want[SNP_DIGEST_BYTES] = { 0 };
	struct snp_hash h;

	(void)unused;
	assert_true(snp_hash_make(&h));
	extend(&h, want, &page, vmsa);
	for (unsigned off = 0; off < PAGE_SIZE; off += 8) {
		const bool counts = off != 0x2f0 && off != 0x2f8;
		uint8_t got[SNP_DIGEST_BYTES] = { 0 };

		vmsa[off] = vmsa[off + 7] = 0x80;
		extend(&h, got, &page, vmsa);
		assert_int_equal(memcmp(got, want, sizeof(got)) != 0, counts);
		vmsa[off] = vmsa[off + 7] = 0;
	}
	snp_hash_free(&h);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_the_tools),
		cmocka_unit_test(the_time_of_a_vmsa_does_not_count),
	};

	vectors = argc > 1 ? argv[1] : "tests/vectors/launch-digests.txt";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
