/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "snp_digest.h"

#include <openssl/sha.h>
#include <string.h>

#include "kvm_user.h"

#define VMSA_GPA	0xfffffffff000ULL
#define VMSA		2u		/* the page type that only KVM may use */

struct page_info {
	uint8_t digest[48], contents[48];
	uint16_t length;
	uint8_t type, imi, reserved, vmpl[3];
	uint64_t gpa;
};
_Static_assert(sizeof(struct page_info) == 112, "PAGE_INFO of 8.17.2");

void snp_digest_page(uint8_t digest[48], uint8_t type, uint64_t gpa, const void *page)
{
	struct page_info info = { .length = sizeof(info), .type = type, .gpa = gpa };

	memcpy(info.digest, digest, 48);
	if (type == KVM_SEV_SNP_PAGE_TYPE_NORMAL || type == VMSA)
		SHA384(page, PAGE, info.contents);
	SHA384((const uint8_t *)&info, sizeof(info), digest);
}

/* ---- a vCPU's first state, as its registers lie in the page ---- */

static void put16(uint8_t *page, unsigned at, uint16_t v) { memcpy(page + at, &v, sizeof(v)); }
static void put32(uint8_t *page, unsigned at, uint32_t v) { memcpy(page + at, &v, sizeof(v)); }
static void put64(uint8_t *page, unsigned at, uint64_t v) { memcpy(page + at, &v, sizeof(v)); }

static void put_segment(uint8_t *page, unsigned at, const struct kvm_segment *s)
{
	put16(page, at, s->selector);
	put16(page, at + 2, (uint16_t)(s->type | s->s << 4 | s->dpl << 5 | s->present << 7 |
				       s->avl << 8 | s->l << 9 | s->db << 10 | s->g << 11));
	put32(page, at + 4, s->limit);
	put64(page, at + 8, s->base);
}

static void put_table(uint8_t *page, unsigned at, const struct kvm_dtable *t)
{
	put32(page, at + 4, t->limit);
	put64(page, at + 8, t->base);
}

/* APM vol. 2, table B-4; SVME, MCE and the caches are the hypervisor's. */
static void expect_vmsa(int vcpu, uint8_t page[PAGE])
{
	struct kvm_sregs s;
	struct kvm_regs r;

	need(!kvm_ioctlp(vcpu, KVM_GET_SREGS, &s) && !kvm_ioctlp(vcpu, KVM_GET_REGS, &r),
	     "registers");
	memset(page, 0, PAGE);
	put_segment(page, 0x00, &s.es);
	put_segment(page, 0x10, &s.cs);
	put_segment(page, 0x20, &s.ss);
	put_segment(page, 0x30, &s.ds);
	put_segment(page, 0x40, &s.fs);
	put_segment(page, 0x50, &s.gs);
	put_table(page, 0x60, &s.gdt);
	put_segment(page, 0x70, &s.ldt);
	put_table(page, 0x80, &s.idt);
	put_segment(page, 0x90, &s.tr);
	put64(page, 0xd0, s.efer | 0x1000);
	put64(page, 0x148, s.cr4 | 0x40);
	put64(page, 0x150, s.cr3);
	put64(page, 0x158, s.cr0 & ~0x60000000ULL);	/* without CD and NW */
	put64(page, 0x160, 0x400);
	put64(page, 0x168, 0xffff0ff0);
	put64(page, 0x170, r.rflags);
	put64(page, 0x178, r.rip);
	put64(page, 0x1d8, r.rsp);
	put64(page, 0x1f8, r.rax);
	put64(page, 0x268, 0x0007040600070406);
	put64(page, 0x308, r.rcx);
	put64(page, 0x310, r.rdx);
	put64(page, 0x318, r.rbx);
	put64(page, 0x328, r.rbp);
	put64(page, 0x330, r.rsi);
	put64(page, 0x338, r.rdi);
	put64(page, 0x3b0, 1);		/* SEV_FEATURES: SNP active */
	put64(page, 0x3e8, 1);		/* XCR0 */
	put32(page, 0x408, 0x1f80);	/* MXCSR */
	put16(page, 0x410, 0x37f);	/* FCW */
}

void snp_digest_vcpu(uint8_t digest[48], int vcpu)
{
	uint8_t page[PAGE];

	expect_vmsa(vcpu, page);
	snp_digest_page(digest, VMSA, VMSA_GPA, page);
}
