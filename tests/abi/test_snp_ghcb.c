/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_ghcb.c - what an SNP guest asks of KVM, as the VMM sees it: registration,
 * page state changes by the MSR and by the page, VMMs that fail or are interrupted
 * between, guest requests, and processors that the guest makes and ends itself.
 *
 * The GHCB is a shared page, so requests are written by the test; the guest's
 * program does what only a guest can: VMGEXIT, PVALIDATE, RMPADJUST, copies.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snp_user.h"

#define GHCB		0x202000UL	/* shared, as all that is not private */
#define OTHER_GHCB	0x203000UL
#define REQUEST		0x204000UL
#define RESPONSE	0x205000UL
#define BOXES		0x206000UL	/* a mailbox for each vCPU */
#define BOX		64UL
#define TEXT		0x100000UL	/* private, 16 pages, with what page_byte() says */
#define TEXT_PAGES	16u
#define AP_VMSA		0x111000UL	/* private, zeros; and the one before it */
#define AP_VMSA2	0x110000UL
#define AREA		(GHCB + 0x800)

#define PSC		0x80000010UL
#define GUEST_REQUEST	0x80000011UL
#define AP_CREATION	0x80000013UL
#define HV_FEATURES	0x8000fffdUL
#define CREATE		1UL
#define DESTROY		2UL

enum { COPY, VMGEXIT, PVALIDATE, RMPADJUST, SPIN };

static struct checks c;

/* RBX: the mailbox: what, three operands, the answer.  SPIN counts in there, and does not end. */
__asm__(".pushsection .rodata\n"
	"ops:	hlt\n"
	"	movq (%rbx), %rax; cmpq $1, %rax; je 1f; cmpq $2, %rax; je 2f; cmpq $3, %rax; je 3f\n"
	"	cmpq $4, %rax; je 4f\n"
	"	movq 8(%rbx), %rsi; movq 16(%rbx), %rdi; movq 24(%rbx), %rcx; rep movsb; jmp ops\n"
	"1:	movl 8(%rbx), %eax; movl 12(%rbx), %edx; movl $0xc0010130, %ecx; wrmsr\n"
	"	.byte 0xf3, 0x0f, 0x01, 0xd9\n"
	"	movl $0xc0010130, %ecx; rdmsr; movl %eax, 32(%rbx); movl %edx, 36(%rbx); jmp ops\n"
	"2:	movq 8(%rbx), %rax; movl 16(%rbx), %ecx; movl 24(%rbx), %edx\n"
	"	.byte 0xf2, 0x0f, 0x01, 0xff\n"
	"	setc 36(%rbx); movl %eax, 32(%rbx); jmp ops\n"
	"3:	movq 8(%rbx), %rax; movq 16(%rbx), %rcx; movq 24(%rbx), %rdx\n"
	"	.byte 0xf3, 0x0f, 0x01, 0xfe\n"
	"	movl %eax, 32(%rbx); movl $0, 36(%rbx); jmp ops\n"
	"4:	incq 32(%rbx); jmp 4b\n"
	"ops_end:	.popsection\n");
extern const char ops[], ops_end[];

static uint8_t page_byte(unsigned page, unsigned i)
{
	return (uint8_t)(page * 37 + i * 7 + 1);
}

/* ---- the guest ---- */

struct guest {
	struct snp_guest s;
	int		 ap;		/* vCPU 1, or -1 */
	struct kvm_run	*ap_run;
};

static void put_box(const struct guest *g, unsigned vcpu, uint64_t what, uint64_t a, uint64_t b,
		    uint64_t d)
{
	const uint64_t words[5] = { what, a, b, d, 0 };

	memcpy(g->s.memory + BOXES + vcpu * BOX, words, sizeof(words));
}

static uint64_t answer(const struct guest *g, unsigned vcpu)
{
	uint64_t word;

	memcpy(&word, g->s.memory + BOXES + vcpu * BOX + 32, sizeof(word));
	return word;
}

/* KVM_RUN of vCPU 0 to HLT: the answer. */
static uint64_t does(const struct guest *g, uint64_t what, uint64_t a, uint64_t b, uint64_t d)
{
	put_box(g, 0, what, a, b, d);
	snp_run(&g->s);
	return answer(g, 0);
}

static long runs(const struct guest *g)
{
	return kvm_ioctl(g->s.vcpu, KVM_RUN, 0);
}

/* By the MSR: asked, not yet run. */
static void ask_msr(const struct guest *g, uint64_t value)
{
	put_box(g, 0, VMGEXIT, value, 0, 0);
}

static void set(const struct guest *g, uint64_t page, unsigned at, uint64_t value)
{
	memcpy(g->s.memory + page + at, &value, sizeof(value));
	g->s.memory[page + 0x3f0 + at / 64] |= (uint8_t)(1u << at / 8 % 8);
}

static uint64_t get(const struct guest *g, unsigned at)
{
	uint64_t value;

	memcpy(&value, g->s.memory + GHCB + at, sizeof(value));
	return value;
}

/* By the page: asked, not yet run. */
static void ask_page(const struct guest *g, uint64_t page, uint64_t code, uint64_t info1,
		     uint64_t info2)
{
	memset(g->s.memory + page, 0, 0x800);
	set(g, page, 0x390, code);
	set(g, page, 0x398, info1);
	set(g, page, 0x3a0, info2);
	put_box(g, 0, VMGEXIT, page, 0, 0);
}

static void set_rbx(int vcpu, uint64_t box)
{
	struct kvm_regs regs;

	need(!kvm_ioctlp(vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	regs.rbx = box;
	need(!kvm_ioctlp(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void launch(struct guest *g, bool exits, bool with_ap)
{
	static uint8_t image[SNP_IMAGE_END - SNP_IMAGE], text[TEXT_PAGES][PAGE], blank[2 * PAGE];

	for (unsigned p = 0; p < TEXT_PAGES; p++)
		for (unsigned i = 0; i < PAGE; i++)
			text[p][i] = page_byte(p, i);
	*g = (struct guest){ .ap = -1 };
	snp_make(&g->s);
	if (exits)
		need(!vm_enable(g->s.vm, KVM_CAP_EXIT_HYPERCALL, 1 << 12), "KVM_CAP_EXIT_HYPERCALL");
	snp_add_vcpu(&g->s);
	set_rbx(g->s.vcpu, SNP_SHARED + BOXES);
	if (with_ap) {
		g->ap = (int)kvm_ioctl(g->s.vm, KVM_CREATE_VCPU, 1);
		need(g->ap >= 0, "KVM_CREATE_VCPU");
		g->ap_run = vcpu_map(g->s.kvm, g->ap);
	}
	snp_start(&g->s);
	snp_image(&g->s, image);
	memcpy(image + SNP_CODE - SNP_IMAGE, ops, (size_t)(ops_end - ops));
	snp_put(&g->s, SNP_IMAGE, image, sizeof(image), KVM_SEV_SNP_PAGE_TYPE_NORMAL);
	snp_put(&g->s, TEXT, text, sizeof(text), KVM_SEV_SNP_PAGE_TYPE_NORMAL);
	snp_put(&g->s, TEXT + sizeof(text), blank, sizeof(blank), KVM_SEV_SNP_PAGE_TYPE_ZERO);
	snp_finish(&g->s);
	snp_run(&g->s);
	need(does(g, VMGEXIT, GHCB | 0x012, 0, 0) == (GHCB | 0x013), "a page is registered");
}

static void end(struct guest *g)
{
	if (g->ap >= 0) {
		munmap(g->ap_run, (size_t)kvm_ioctl(g->s.kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
		close(g->ap);
	}
	snp_end(&g->s);
}

/* ---- registration and what fits into the MSR ---- */

static void msr_protocol(void)
{
	struct guest g;
	uint64_t info;

	launch(&g, true, false);
	info = does(&g, VMGEXIT, 0x002, 0, 0);
	check(&c, info >> 32 == 0x00020001 && (uint32_t)info >> 24 == (unsigned)__builtin_ctzll(g.s.c_bit) &&
		  (info & 0xfff) == 1, "versions 1 to 2 and the C-bit: %#lx", (unsigned long)info);
	check(&c, does(&g, VMGEXIT, 0x010, 0, 0) == 0xfffffffffffff011, "no preferred page");
	check(&c, does(&g, VMGEXIT, 0x080, 0, 0) == 0x3081, "features: SNP, AP creation");
	check(&c, does(&g, VMGEXIT, 0xfff, 0, 0) == 0xfff, "what nobody knows stays");
	ask_page(&g, GHCB, HV_FEATURES, 0, 0);
	snp_run(&g.s);
	check(&c, !get(&g, 0x398) && get(&g, 0x3a0) == 3, "features, by the page");
	ask_page(&g, OTHER_GHCB, HV_FEATURES, 0, 0);
	check(&c, runs(&g) == -EINVAL, "a page that is not registered ends KVM_RUN");
	/* The vCPU can go on: the kernel has only refused. */
	snp_run(&g.s);
	check(&c, does(&g, VMGEXIT, OTHER_GHCB | 0x012, 0, 0) == (OTHER_GHCB | 0x013), "another page");
	ask_page(&g, OTHER_GHCB, HV_FEATURES, 0, 0);
	snp_run(&g.s);
	check(&c, g.s.memory[OTHER_GHCB + 0x3a0] == 3, "which answers now");
	end(&g);
}

/* ---- page state changes ---- */

static bool exit_is(const struct guest *g, long r, uint64_t gpa, uint64_t pages, uint64_t flags)
{
	const struct kvm_run *run = g->s.run;

	return check(&c, !r && run->exit_reason == KVM_EXIT_HYPERCALL && run->hypercall.nr == 12 &&
			 run->hypercall.args[0] == gpa && run->hypercall.args[1] == pages &&
			 run->hypercall.args[2] == flags,
		     "asked for %lu pages from %#lx on, flags %#lx: %s, exit %u, %lu from %#lx, %#lx",
		     (unsigned long)pages, (unsigned long)gpa, (unsigned long)flags, errno_name(-r),
		     run->exit_reason, (unsigned long)run->hypercall.args[1],
		     (unsigned long)run->hypercall.args[0], (unsigned long)run->hypercall.args[2]);
}

/* What a VMM does: attributes, and the memory behind a page that becomes shared is given back. */
static void convert(const struct guest *g)
{
	const uint64_t gpa = g->s.run->hypercall.args[0], size = g->s.run->hypercall.args[1] * PAGE;
	const bool private = g->s.run->hypercall.args[2] & 0x10;

	need(!vm_attributes(g->s.vm, gpa, size, private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0),
	     "KVM_SET_MEMORY_ATTRIBUTES");
	if (!private)
		need(!fallocate(g->s.gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)gpa, (off_t)size),
		     "a hole in guest memory");
	g->s.run->hypercall.ret = 0;
}

static long answered(const struct guest *g, uint64_t ret)
{
	g->s.run->hypercall.ret = ret;
	return runs(g);
}

/* To shared and back: what is where, and that nothing comes back but zeros. */
static void by_msr(void)
{
	struct guest g;

	launch(&g, true, false);
	check(&c, does(&g, PVALIDATE, TEXT, 0, 0) == 0, "PVALIDATE: no longer valid");
	ask_msr(&g, TEXT | 2ULL << 52 | 0x014);
	exit_is(&g, runs(&g), TEXT, 1, 0);
	convert(&g);
	snp_run(&g.s);
	check(&c, answer(&g, 0) == 0x015, "the page is shared");
	does(&g, COPY, TEXT + PAGE, SNP_SHARED + TEXT, PAGE);
	check(&c, g.s.memory[TEXT + 5] == page_byte(1, 5), "the VMM sees what the guest writes there");
	ask_msr(&g, TEXT | 1ULL << 52 | 0x014);
	exit_is(&g, runs(&g), TEXT, 1, 0x10);
	convert(&g);
	snp_run(&g.s);
	check(&c, answer(&g, 0) == 0x015, "the page is private");
	check(&c, does(&g, PVALIDATE, TEXT, 0, 1) == 0, "PVALIDATE: valid, and was not");
	check(&c, does(&g, PVALIDATE, TEXT, 0, 1) == 1ULL << 32, "PVALIDATE: valid already");
	ask_msr(&g, TEXT | 2ULL << 52 | 0x014);
	exit_is(&g, runs(&g), TEXT, 1, 0);
	need(!answered(&g, (uint64_t)-22), "KVM_RUN");
	check(&c, answer(&g, 0) == 0x8000000000000015, "the VMM's error");
	check(&c, does(&g, VMGEXIT, TEXT | 3ULL << 52 | 0x014, 0, 0) == 0x8000000000000015,
	      "PSMASH cannot be asked for");
	end(&g);
}

static void put_entry(const struct guest *g, unsigned i, unsigned op, uint64_t gpa, bool huge)
{
	uint64_t e = gpa | (uint64_t)op << 52 | (uint64_t)huge << 56;

	memcpy(g->s.memory + AREA + 8 + 8 * i, &e, sizeof(e));
}

static void ask_psc(const struct guest *g, uint16_t last)
{
	const uint16_t header[4] = { 0, last };

	ask_page(g, GHCB, PSC, 0, 0);
	set(g, GHCB, 0x3a8, AREA);
	memcpy(g->s.memory + AREA, header, sizeof(header));
}

static unsigned cursor(const struct guest *g)
{
	uint16_t cur;

	memcpy(&cur, g->s.memory + AREA, sizeof(cur));
	return cur;
}

static void is_done(const struct guest *g, unsigned cur, uint64_t result)
{
	check(&c, cursor(g) == cur && !get(g, 0x398) && get(g, 0x3a0) == result,
	      "cursor %u, SW_EXITINFO2 %#lx; wanted %u, %#lx", cursor(g),
	      (unsigned long)get(g, 0x3a0), cur, (unsigned long)result);
}

static void by_page(void)
{
	struct guest g;

	launch(&g, true, false);
	for (unsigned i = 0; i < 5; i++)
		does(&g, PVALIDATE, TEXT + i * PAGE, 0, 0);
	ask_psc(&g, 4);
	for (unsigned i = 0; i < 3; i++)
		put_entry(&g, i, 2, TEXT + i * PAGE, false);
	put_entry(&g, 3, 4, TEXT + 3 * PAGE, false);		/* UNSMASH: nothing */
	put_entry(&g, 4, 2, TEXT + 4 * PAGE, false);
	exit_is(&g, runs(&g), TEXT, 3, 0);
	convert(&g);
	check(&c, !cursor(&g), "nothing is done before the answer");
	/* A signal, or a VMM that wants nothing more: the answer has been taken. */
	g.s.run->immediate_exit = 1;
	exit_is(&g, runs(&g), TEXT + 4 * PAGE, 1, 0);
	g.s.run->immediate_exit = 0;
	check(&c, cursor(&g) == 4, "the first batch and the entry behind it are done");
	convert(&g);
	snp_run(&g.s);
	is_done(&g, 5, 0);
	does(&g, COPY, TEXT + 8 * PAGE, SNP_SHARED + TEXT + 2 * PAGE, PAGE);
	check(&c, g.s.memory[TEXT + 2 * PAGE + 1] == page_byte(8, 1), "shared pages");
	ask_psc(&g, 0);
	put_entry(&g, 0, 1, TEXT, false);
	exit_is(&g, runs(&g), TEXT, 1, 0x10);
	need(!answered(&g, 1), "KVM_RUN");
	is_done(&g, 0, 0x10000000000);
	ask_psc(&g, 253);
	snp_run(&g.s);
	is_done(&g, 0, 0x100000001);
	ask_psc(&g, 0);
	put_entry(&g, 0, 1, TEXT + PAGE, true);
	snp_run(&g.s);
	is_done(&g, 0, 0x100000002);
	end(&g);
}

/* The guest's memory is scribbled over while the VMM has the exit. */
static void rewritten(void)
{
	struct guest g;

	launch(&g, true, false);
	ask_psc(&g, 2);
	for (unsigned i = 0; i < 3; i++)
		put_entry(&g, i, 2, TEXT + 2 * i * PAGE, false);
	for (unsigned i = 0; i < 3; i++) {
		exit_is(&g, runs(&g), TEXT + 2 * i * PAGE, 1, 0);
		memset(g.s.memory + AREA, 0xff, 0x7f0);
		set(&g, GHCB, 0x3a8, GHCB + 0xfe8);
		g.s.run->hypercall.ret = 0;
	}
	snp_run(&g.s);
	is_done(&g, 3, 0);
	end(&g);
}

static void not_wanted(void)
{
	struct guest g;

	launch(&g, false, false);
	check(&c, does(&g, VMGEXIT, TEXT | 2ULL << 52 | 0x014, 0, 0) == 0x8000000000000015,
	      "by the MSR, of a VMM that does not want to know");
	ask_psc(&g, 0);
	put_entry(&g, 0, 2, TEXT, false);
	snp_run(&g.s);
	is_done(&g, 0, 0x10000000000);
	end(&g);
}

/* ---- guest requests ---- */

static void requests(void)
{
	struct guest g;

	launch(&g, true, false);
	memset(g.s.memory + REQUEST, 0, PAGE);
	memset(g.s.memory + RESPONSE, 0x55, PAGE);
	ask_page(&g, GHCB, GUEST_REQUEST, REQUEST, RESPONSE);
	snp_run(&g.s);
	check(&c, !get(&g, 0x398) && get(&g, 0x3a0) && get(&g, 0x3a0) < 0x100,
	      "the firmware's error is the guest's: %#lx", (unsigned long)get(&g, 0x3a0));
	check(&c, g.s.memory[RESPONSE] != 0x55, "and the response has come");
	ask_page(&g, GHCB, GUEST_REQUEST, REQUEST, REQUEST);
	snp_run(&g.s);
	check(&c, get(&g, 0x398) == 2 && get(&g, 0x3a0) == 4, "one page for both");
	ask_page(&g, GHCB, GUEST_REQUEST, 16 * SNP_SIZE, RESPONSE);
	check(&c, runs(&g) == -EIO, "no memory there");
	end(&g);
}

/* ---- processors ---- */

static void put(uint8_t *page, unsigned at, uint64_t value, size_t size)
{
	memcpy(page + at, &value, size);
}

/* The program, in 64-bit mode, with the AP's own mailbox. */
static void make_vmsa(uint8_t *page, uint64_t box)
{
	memset(page, 0, PAGE);
	for (unsigned i = 0; i < 6; i++) {
		put(page, 16 * i, i == 1 ? 8 : 16, 2);
		put(page, 16 * i + 2, i == 1 ? 0xa9b : 0xc93, 2);
		put(page, 16 * i + 4, 0xffffffff, 4);
	}
	put(page, 0x72, 0x82, 2);
	put(page, 0x92, 0x8b, 2);
	put(page, 0xd0, 0x1500, 8);		/* EFER: LME LMA SVME */
	put(page, 0x148, 0x60, 8);		/* CR4: PAE MCE */
	put(page, 0x150, SNP_IMAGE, 8);
	put(page, 0x158, 0x80000011, 8);
	put(page, 0x160, 0x400, 8);
	put(page, 0x168, 0xffff0ff0, 8);
	put(page, 0x170, 2, 8);
	put(page, 0x178, SNP_CODE, 8);
	put(page, 0x268, 0x0007040600070406, 8);
	put(page, 0x318, box, 8);
	put(page, 0x3b0, 1, 8);
	put(page, 0x3e8, 1, 8);
	put(page, 0x408, 0x1f80, 4);
	put(page, 0x40c, 0x5555, 2);
	put(page, 0x410, 0x40, 2);
}

/* The guest makes a page a VMSA: RMPADJUST for VMPL 1, with bit 16. */
static void guest_makes_vmsa(const struct guest *g, uint64_t gpa)
{
	make_vmsa(g->s.memory + REQUEST, SNP_SHARED + BOXES + BOX);
	does(g, COPY, SNP_SHARED + REQUEST, gpa, PAGE);
	check(&c, !does(g, RMPADJUST, gpa, 0, 1 | 1 << 16), "RMPADJUST makes a VMSA");
}

/* SW_EXITINFO2: 0 when KVM has taken it. */
static uint64_t ask_ap(const struct guest *g, uint64_t what, uint64_t vcpu, uint64_t vmsa)
{
	ask_page(g, GHCB, AP_CREATION, vcpu << 32 | what, vmsa);
	set(g, GHCB, 0x1f8, 1);
	snp_run(&g->s);
	return get(g, 0x398) ? get(g, 0x3a0) : 0;
}

static void refused_aps(void)
{
	struct guest g;

	launch(&g, true, true);
	check(&c, ask_ap(&g, CREATE, 7, AP_VMSA) == 5, "no such vCPU");
	check(&c, ask_ap(&g, CREATE, 1, AP_VMSA + 8) == 5, "not a page");
	check(&c, ask_ap(&g, CREATE, 1, 0x200000) == 5, "2M aligned");
	check(&c, ask_ap(&g, 3, 1, AP_VMSA) == 5, "no such request");
	check(&c, !ask_ap(&g, CREATE, 1, AP_VMSA), "a page that is no VMSA is for the processor to refuse");
	check(&c, !kvm_ioctl(g.ap, KVM_RUN, 0) && g.ap_run->exit_reason == KVM_EXIT_FAIL_ENTRY,
	      "which does: exit %u", g.ap_run->exit_reason);
	check(&c, !ask_ap(&g, CREATE, 1, 16 * SNP_SIZE + PAGE), "an address without memory");
	check(&c, !kvm_ioctl(g.ap, KVM_RUN, 0) && g.ap_run->exit_reason == KVM_EXIT_FAIL_ENTRY,
	      "fails too: exit %u", g.ap_run->exit_reason);
	end(&g);
}

struct ap_thread {
	const struct guest *g;
	long r;
};

static void *run_ap(void *arg)
{
	struct ap_thread *t = arg;

	do
		t->r = kvm_ioctl(t->g->ap, KVM_RUN, 0);
	while (t->r == -EINTR);
	return NULL;
}

/* Created, run, ended; asleep, and created again by a request of the other's. */
static void an_ap(void)
{
	struct guest g;
	struct ap_thread t = { .g = &g };
	pthread_t thread;

	launch(&g, true, true);
	guest_makes_vmsa(&g, AP_VMSA);
	check(&c, !ask_ap(&g, CREATE, 1, AP_VMSA), "CREATE");
	check(&c, !kvm_ioctl(g.ap, KVM_RUN, 0) && g.ap_run->exit_reason == KVM_EXIT_HLT,
	      "the AP runs: exit %u", g.ap_run->exit_reason);
	put_box(&g, 1, COPY, TEXT + 3 * PAGE, SNP_SHARED + RESPONSE, PAGE);
	check(&c, !kvm_ioctl(g.ap, KVM_RUN, 0) && g.s.memory[RESPONSE + 9] == page_byte(3, 9),
	      "and sees the guest's memory");
	put_box(&g, 1, VMGEXIT, OTHER_GHCB | 0x012, 0, 0);
	check(&c, !kvm_ioctl(g.ap, KVM_RUN, 0) && answer(&g, 1) == (OTHER_GHCB | 0x013),
	      "its page is its own");
	check(&c, !ask_ap(&g, DESTROY, 1, 0), "DESTROY");
	need(!pthread_create(&thread, NULL, run_ap, &t), "a thread");
	usleep(20000);
	guest_makes_vmsa(&g, AP_VMSA);
	check(&c, !ask_ap(&g, CREATE, 1, AP_VMSA), "CREATE, of one that sleeps");
	pthread_join(thread, NULL);
	check(&c, !t.r && g.ap_run->exit_reason == KVM_EXIT_HLT, "it wakes and runs: exit %u",
	      g.ap_run->exit_reason);
	end(&g);
}

/* It is in the guest, and never leaves by itself: the other makes it go on elsewhere. */
static void a_running_ap(void)
{
	struct guest g;
	struct ap_thread t = { .g = &g };
	pthread_t thread;
	const volatile uint64_t *count;

	launch(&g, true, true);
	count = (const volatile uint64_t *)(g.s.memory + BOXES + BOX + 32);
	guest_makes_vmsa(&g, AP_VMSA);
	guest_makes_vmsa(&g, AP_VMSA2);
	check(&c, !ask_ap(&g, CREATE, 1, AP_VMSA), "CREATE");
	check(&c, !kvm_ioctl(g.ap, KVM_RUN, 0) && g.ap_run->exit_reason == KVM_EXIT_HLT, "it runs");
	put_box(&g, 1, SPIN, 0, 0, 0);
	need(!pthread_create(&thread, NULL, run_ap, &t), "a thread");
	while (*count < 1000)
		sched_yield();
	check(&c, !ask_ap(&g, CREATE, 1, AP_VMSA2), "CREATE, of one that runs");
	pthread_join(thread, NULL);
	check(&c, !t.r && g.ap_run->exit_reason == KVM_EXIT_HLT, "it begins anew: exit %u",
	      g.ap_run->exit_reason);
	put_box(&g, 1, COPY, TEXT + PAGE, SNP_SHARED + RESPONSE, PAGE);
	check(&c, !kvm_ioctl(g.ap, KVM_RUN, 0) && g.s.memory[RESPONSE + 1] == page_byte(1, 1),
	      "and goes on");
	check(&c, !does(&g, RMPADJUST, AP_VMSA, 0, 1), "the old VMSA is a page again");
	end(&g);
}

int main(void)
{
	msr_protocol();
	by_msr();
	by_page();
	rewritten();
	not_wanted();
	requests();
	refused_aps();
	an_ap();
	a_running_ap();
	return checks_end(&c);
}
