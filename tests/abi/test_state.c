/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_state.c - a vCPU's state, saved and restored with random values.
 *
 * usage: test_state [SEED [ROUNDS]]
 *
 * What is written reads back as it was, reading changes nothing, and the whole
 * state of one vCPU put into a fresh one of another VM reads there as it did
 * here.  The seed is printed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_user.h"

#define MSRS_MAX	256

/* All that a VMM saves, in the order in which QEMU restores it. */
struct state {
	struct kvm_regs regs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_sregs2 sregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;
	struct kvm_lapic_state lapic;
	struct kvm_debugregs dr;
	struct { struct kvm_msrs head; struct kvm_msr_entry e[MSRS_MAX]; } msrs;
};

struct machine {
	int kvm, vm, vcpu;
};

static struct checks checks;
static uint64_t seed;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static void fill(void *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)p)[i] = (uint8_t)(rnd() >> 20);
}

static void give_supported_cpuid(struct machine *m)
{
	static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 e[256]; } cpuid;

	cpuid.head.nent = 256;
	need(!kvm_ioctlp(m->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	need(!kvm_ioctlp(m->vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
}

static struct machine make(int kvm)
{
	struct machine m = { kvm, vm_make(kvm, KVM_X86_DEFAULT_VM), -1 };

	need(!kvm_ioctl(m.vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	m.vcpu = ioctl(m.vm, KVM_CREATE_VCPU, 0);
	need(m.vcpu >= 0, "KVM_CREATE_VCPU");
	give_supported_cpuid(&m);
	return m;
}

static void release(struct machine *m)
{
	close(m->vcpu);
	close(m->vm);
}

/* The registers to save: all that are listed. */
static void list_msrs(int kvm, struct state *s)
{
	static struct { struct kvm_msr_list head; __u32 index[MSRS_MAX]; } list;

	list.head.nmsrs = MSRS_MAX;
	need(!kvm_ioctlp(kvm, KVM_GET_MSR_INDEX_LIST, &list), "KVM_GET_MSR_INDEX_LIST");
	s->msrs.head.nmsrs = 0;
	for (__u32 i = 0; i < list.head.nmsrs; i++) {
		if (list.index[i] != 0x10)		/* the clock goes on */
			s->msrs.e[s->msrs.head.nmsrs++].index = list.index[i];
	}
}

#define GET(m, nr, p)	need(kvm_ioctlp((m)->vcpu, nr, p) >= 0, #nr)
#define SET(m, nr, p)	need(kvm_ioctlp((m)->vcpu, nr, p) >= 0, #nr)

static void save(struct machine *m, struct state *s)
{
	memset(s, 0, sizeof(*s));
	list_msrs(m->kvm, s);
	GET(m, KVM_GET_VCPU_EVENTS, &s->events);
	GET(m, KVM_GET_MP_STATE, &s->mp);
	GET(m, KVM_GET_REGS, &s->regs);
	GET(m, KVM_GET_XSAVE, &s->xsave);
	GET(m, KVM_GET_XCRS, &s->xcrs);
	GET(m, KVM_GET_SREGS2, &s->sregs);
	GET(m, KVM_GET_LAPIC, &s->lapic);
	GET(m, KVM_GET_DEBUGREGS, &s->dr);
	check(&checks, kvm_ioctlp(m->vcpu, KVM_GET_MSRS, &s->msrs) == (long)s->msrs.head.nmsrs,
	      "all listed MSRs can be read");
}

static void restore(struct machine *m, struct state *s)
{
	long n;

	SET(m, KVM_SET_SREGS2, &s->sregs);
	n = kvm_ioctlp(m->vcpu, KVM_SET_MSRS, &s->msrs);
	check(&checks, n == (long)s->msrs.head.nmsrs, "MSR 0x%x is refused",
	      n >= 0 && n < MSRS_MAX ? s->msrs.e[n].index : 0);
	SET(m, KVM_SET_VCPU_EVENTS, &s->events);
	SET(m, KVM_SET_MP_STATE, &s->mp);
	SET(m, KVM_SET_DEBUGREGS, &s->dr);
	SET(m, KVM_SET_REGS, &s->regs);
	SET(m, KVM_SET_XSAVE, &s->xsave);
	SET(m, KVM_SET_XCRS, &s->xcrs);
	SET(m, KVM_SET_LAPIC, &s->lapic);
}

static void same_bytes(const char *what, const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;
	size_t at = 0;

	while (at < size && x[at] == y[at])
		at++;
	check(&checks, at == size, "%s: byte %zu is 0x%x, not 0x%x", what, at,
	      at < size ? y[at] : 0, at < size ? x[at] : 0);
}

static void same_state(const struct state *a, const struct state *b)
{
	same_bytes("registers", &a->regs, &b->regs, sizeof(a->regs));
	same_bytes("sregs2", &a->sregs, &b->sregs, sizeof(a->sregs));
	same_bytes("XSAVE", &a->xsave, &b->xsave, sizeof(a->xsave));
	same_bytes("XCRs", &a->xcrs, &b->xcrs, sizeof(a->xcrs));
	same_bytes("events", &a->events, &b->events, sizeof(a->events));
	same_bytes("MP state", &a->mp, &b->mp, sizeof(a->mp));
	same_bytes("local APIC", &a->lapic, &b->lapic, sizeof(a->lapic));
	same_bytes("debug registers", &a->dr, &b->dr, sizeof(a->dr));
	for (__u32 i = 0; i < a->msrs.head.nmsrs; i++)
		check(&checks, a->msrs.e[i].data == b->msrs.e[i].data, "MSR 0x%x: 0x%llx, not 0x%llx",
		      a->msrs.e[i].index, b->msrs.e[i].data, a->msrs.e[i].data);
}

static void random_segment(struct kvm_segment *s)
{
	*s = (struct kvm_segment){
		.base = rnd(), .selector = (__u16)rnd(), .present = 1, .s = rnd() & 1,
		.type = (rnd() & 15) | 3, .dpl = rnd() & 3, .avl = rnd() & 1, .db = rnd() & 1,
	};
	/* Either form of the limit, with the G that it has. */
	s->g = rnd() & 1;
	s->limit = s->g ? (__u32)rnd() | 0x80000fff : (__u32)rnd() & 0xfffff;
}

/* CR0.PG with PAE: 0 off, 1 PAE paging, 2 long mode. */
static void random_sregs(struct kvm_sregs2 *s)
{
	struct kvm_segment *const segments[] = {
		&s->cs, &s->ds, &s->es, &s->fs, &s->gs, &s->ss, &s->tr, &s->ldt,
	};
	unsigned mode = rnd() % 3;

	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
		random_segment(segments[i]);
	s->gdt.base = rnd();
	s->gdt.limit = (__u16)rnd();
	s->idt.base = rnd();
	s->idt.limit = (__u16)rnd();
	s->cr0 = 0x30 | (mode ? 0x80010001 : rnd() & 1);
	s->cr2 = rnd();
	s->cr3 = rnd() & 0xffffffe0;
	s->cr4 = mode ? 0x6a0 : rnd() & 0x7ff;
	s->cr8 = rnd() & 15;
	s->efer = mode == 2 ? 0xd01 : rnd() & 0x801;
	s->cs.l = mode == 2 && (rnd() & 1);
	s->cs.db &= !s->cs.l;
	s->flags = mode == 1 ? KVM_SREGS2_FLAGS_PDPTRS_VALID : 0;
	memset(s->pdptrs, 0, sizeof(s->pdptrs));
	for (int i = 0; mode == 1 && i < 4; i++)
		s->pdptrs[i] = (rnd() & 0xfffff000) | 1;
}

static __u32 mxcsr_mask;	/* the processor's, as KVM_GET_XSAVE says */

static void random_xsave(struct state *s)
{
	uint8_t *image = (uint8_t *)s->xsave.region;
	__u64 bv = 3;

	fill(image, 416);
	for (int i = 0; i < 8; i++)			/* 80 bits of each */
		memset(image + 32 + 16 * i + 10, 0, 6);
	image[0] = (image[0] & 0x3f) | 0x7f;		/* FCW: all masked, bit 6 reads as 1 */
	image[1] &= 0x1f;
	image[2] &= 0x7f;				/* FSW: no summary, so not busy */
	image[3] &= 0x7f;
	image[5] = 0;
	image[7] &= 7;					/* FOP has 11 bits */
	memcpy(image + 24, &(__u32){ 0x1f80 | (rnd() & 0x603f) }, 4);
	memcpy(image + 28, &mxcsr_mask, 4);
	memcpy(image + 512, &bv, sizeof(bv));
	s->xcrs.xcrs[0].value = rnd() & 1 ? 3 : 1;
}

static void random_events(struct kvm_vcpu_events *e)
{
	static const __u8 faults[] = { 0, 6, 8, 13, 14, 16, 18, 19 };

	memset(e, 0, sizeof(*e));
	e->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		   KVM_VCPUEVENT_VALID_SMM;
	e->exception.injected = rnd() & 1;
	e->exception.nr = faults[rnd() % sizeof(faults)];
	e->exception.has_error_code = rnd() & 1;
	e->exception.error_code = (__u32)rnd();
	e->interrupt.injected = rnd() & 1;
	e->interrupt.nr = (__u8)rnd();
	e->interrupt.shadow = rnd() & 3;
	e->nmi.injected = rnd() & 1;
	e->nmi.masked = rnd() & 1;
}

/* Values that a register takes; the others stay. */
static void random_msrs(struct state *s)
{
	for (__u32 i = 0; i < s->msrs.head.nmsrs; i++) {
		struct kvm_msr_entry *e = &s->msrs.e[i];

		switch (e->index) {
		case 0x174: case 0xc0000081: case 0xc0000084: case 0x17a: case 0x1fc: case 0x34:
		case 0x8b:
			e->data = rnd();
			break;
		case 0xc0000082: case 0xc0000083: case 0xc0000102:	/* canonical */
			e->data = (__u64)((__s64)rnd() >> 17);
			break;
		case 0x175: case 0x176: case 0xc0000103: case 0x3b:
			e->data = rnd() & 0x7fffffff;
			break;
		case 0x277:
			e->data = 0x0007040600070406ULL ^ (rnd() & 1 ? 0x0100000000000000ULL : 0);
			break;
		case 0xc0010015:
			e->data = rnd() & (1 << 24 | 1 << 18);
			break;
		default:
			break;
		}
	}
}

static void randomize(struct state *s)
{
	fill(&s->regs, sizeof(s->regs));
	s->regs.rflags = (s->regs.rflags & 0x3f7fd5) | 2;
	random_sregs(&s->sregs);
	random_xsave(s);
	random_events(&s->events);
	random_msrs(s);
	s->mp.mp_state = rnd() & 1 ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
	for (int i = 0; i < 4; i++)
		s->dr.db[i] = rnd();
	s->dr.dr6 = (__u32)rnd();
	s->dr.dr7 = (__u32)rnd();
}

static void one_round(int kvm)
{
	struct machine a = make(kvm), b = make(kvm);
	static struct state fresh, put, got, again, there;

	save(&a, &fresh);
	put = fresh;
	randomize(&put);
	restore(&a, &put);
	/* TPR and CR8 are one register; the APIC's page came last. */
	put.sregs.cr8 = fresh.sregs.cr8;
	save(&a, &got);
	same_state(&put, &got);
	save(&a, &again);
	same_state(&got, &again);
	restore(&b, &got);
	save(&b, &there);
	same_state(&got, &there);
	release(&a);
	release(&b);
}

/* GET, SET of the same, GET, of a vCPU that nobody has touched. */
static void fresh_state_is_stable(int kvm)
{
	static struct state first, second;
	struct machine m = make(kvm);

	save(&m, &first);
	restore(&m, &first);
	save(&m, &second);
	same_state(&first, &second);
	memcpy(&mxcsr_mask, (const char *)first.xsave.region + 28, 4);
	check(&checks, (mxcsr_mask & 0xffff) == 0xffff, "MXCSR's mask is 0x%x", mxcsr_mask);
	release(&m);
}

/* KVM_SET_XSAVE takes the bits that MXCSR has, one by one, and no other. */
static void mxcsr_is_checked(int kvm)
{
	static struct state s;
	struct machine m = make(kvm);

	save(&m, &s);
	for (unsigned bit = 0; bit < 32; bit++) {
		__u32 mxcsr = 1u << bit;
		bool taken;

		memcpy((char *)s.xsave.region + 24, &mxcsr, sizeof(mxcsr));
		s.xsave.region[128] |= 3;		/* XSTATE_BV */
		taken = kvm_ioctlp(m.vcpu, KVM_SET_XSAVE, &s.xsave) >= 0;
		check(&checks, taken == !!(mxcsr & mxcsr_mask) && (taken || errno == EINVAL),
		      "MXCSR bit %u is %s", bit, taken ? "taken" : "refused");
	}
	release(&m);
}

int main(int argc, char **argv)
{
	int kvm = kvm_open(), rounds = argc > 2 ? atoi(argv[2]) : 100;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)getpid() * 0x9e3779b97f4a7c15ULL;
	printf("seed 0x%llx, %d rounds\n", (unsigned long long)seed, rounds);
	fresh_state_is_stable(kvm);
	mxcsr_is_checked(kvm);
	for (int i = 0; i < rounds; i++)
		one_round(kvm);
	close(kvm);
	return checks_end(&checks);
}
