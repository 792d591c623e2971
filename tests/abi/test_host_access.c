/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_host_access.c - KVM's own hand, where a VMM can see what it did: string I/O and MOVS out of a
 * private page, a clock on one.  By default it gets the shared backing; with
 * --strict-host-access nothing.  The guest's bytes stay in either case.
 *
 * usage: test_host_access default|strict [--verbose]
 */
#include <string.h>
#include <sys/mman.h>

#include <softcvm/uapi/kvm_para.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define DATA_GPA	0x100000UL	/* slot 1, one page, private */
#define PORT		0x11
#define OWN		'P'		/* what the guest has there */
#define BEHIND		'S'		/* what the VMM has behind it */
#define ANSWER		'A'		/* to reads of what is not there */
#define CLOCK_AT	0x100

/* RDI: the page, RBX: where to.  AL is the page's byte at the end. */
__asm__(".pushsection .rodata\n"
	"host_access_outs:\n"
	"	movb $'P', (%rdi); mov %rdi, %rsi; mov $0x11, %edx; outsb\n"
	"	mov (%rdi), %al; out %al, $0x10\n"
	"host_access_movs:\n"
	"	movb $'P', (%rdi); mov %rdi, %rsi; mov %rbx, %rdi; movsb\n"
	"	mov -1(%rsi), %al; out %al, $0x10\n"
	"host_access_look:\n"
	"	mov (%rdi), %al; out %al, $0x10\n"
	"host_access_end:\n"
	"	.popsection\n");
extern const char host_access_outs[], host_access_movs[], host_access_look[], host_access_end[];

struct vmm {
	struct flat_guest guest;
	uint8_t *data;
	bool strict;
};

static struct checks c;

static struct vmm vmm_make(bool strict)
{
	struct vmm v = { .strict = strict };
	int gmem;

	flat_guest_make(&v.guest, KVM_X86_SW_PROTECTED_VM, true, host_access_outs,
			(size_t)(host_access_end - host_access_outs));
	v.data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(v.data != MAP_FAILED, "mmap");
	gmem = (int)vm_gmem(v.guest.vm, PAGE, 0);
	need(gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	need(!vm_region_gmem(v.guest.vm, 1, DATA_GPA, PAGE, v.data, gmem, 0), "slot 1");
	need(!vm_attributes(v.guest.vm, DATA_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "attributes");
	memset(v.data, BEHIND, PAGE);
	return v;
}

static void start(struct vmm *v, const char *entry)
{
	struct kvm_regs r = flat_guest_regs(&v->guest, entry);

	r.rdi = DATA_GPA;
	r.rbx = GUEST_MMIO;
	flat_guest_set(&v->guest, &r);
	need(!flat_guest_run(&v->guest), "KVM_RUN");
}

/* An operand that KVM does not get is asked of the VMM, as of any gpa without memory. */
static void answer_the_read(struct vmm *v, const char *what)
{
	struct kvm_run *run = v->guest.run;

	check(&c, run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write &&
	      run->mmio.phys_addr == DATA_GPA, "%s: the operand is MMIO, exit %u", what, run->exit_reason);
	run->mmio.data[0] = ANSWER;
	need(!flat_guest_run(&v->guest), "KVM_RUN");
}

static void guest_has_its_own(struct vmm *v, const char *what)
{
	const struct kvm_run *run = v->guest.run;

	check(&c, run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_IDLE_PORT &&
	      *((const uint8_t *)run + run->io.data_offset) == OWN, "%s: the guest's byte is there", what);
}

static void string_io(struct vmm *v)
{
	const struct kvm_run *run = v->guest.run;

	start(v, host_access_outs);
	if (v->strict)
		answer_the_read(v, "OUTS");
	check(&c, run->exit_reason == KVM_EXIT_IO && run->io.port == PORT &&
	      *((const uint8_t *)run + run->io.data_offset) == (v->strict ? ANSWER : BEHIND),
	      "OUTS: what goes out is not the guest's byte");
	need(!flat_guest_run(&v->guest), "KVM_RUN");
	guest_has_its_own(v, "OUTS");
}

static void movs_to_mmio(struct vmm *v)
{
	const struct kvm_run *run = v->guest.run;

	start(v, host_access_movs);
	if (v->strict)
		answer_the_read(v, "MOVS");
	check(&c, run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write &&
	      run->mmio.phys_addr == GUEST_MMIO && run->mmio.data[0] == (v->strict ? ANSWER : BEHIND),
	      "MOVS: what goes out is not the guest's byte");
	need(!flat_guest_run(&v->guest), "KVM_RUN");
	guest_has_its_own(v, "MOVS");
}

/* It is written behind the guest's back, or not at all. */
static void a_clock(struct vmm *v)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } msrs = {
		.head.nmsrs = 1,
		.entry = { .index = MSR_KVM_SYSTEM_TIME_NEW, .data = (DATA_GPA + CLOCK_AT) | 1 },
	};
	bool written;

	need(kvm_ioctlp(v->guest.vcpu, KVM_SET_MSRS, &msrs) == 1, "KVM_SET_MSRS");
	start(v, host_access_look);
	guest_has_its_own(v, "kvmclock");
	written = v->data[CLOCK_AT] != BEHIND;
	check(&c, written == !v->strict, "kvmclock: the backing is %swritten", v->strict ? "not " : "");
}

int main(int argc, char **argv)
{
	struct vmm v;

	need(argc > 1, "usage: test_host_access default|strict [--verbose]");
	c.verbose = argc > 2;
	v = vmm_make(!strcmp(argv[1], "strict"));
	string_io(&v);
	movs_to_mmio(&v);
	a_clock(&v);
	flat_guest_free(&v.guest);
	return checks_end(&c);
}
