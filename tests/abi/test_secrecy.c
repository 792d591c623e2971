/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_secrecy.c - what a guest writes through its private side is in no
 * mapping and behind no descriptor of the VMM, nor in a forked child.
 *
 * The guest makes the pattern from words that are xored with a key, so that
 * only the page it writes holds it.  The same search first has to find a
 * pattern that the guest wrote through its shared side.
 *
 * usage: test_secrecy [--verbose]
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm_user.h"
#include "secret_scan.h"

#define LOW_SIZE	0x10000UL	/* slot 0, from 0: tables, code, the masked words */
#define PML4		0x1000UL
#define PDPT		0x2000UL
#define PD		0x3000UL
#define CODE		0x4000UL
#define WORDS		0x5000UL
#define DATA_GPA	0x100000UL	/* slot 1: page 0 private, page 1 shared */
#define DATA_SIZE	(2 * PAGE)

/* RDI target, RSI masked words, RDX key; RBX is 0 when they are there afterwards. */
__asm__(".pushsection .rodata\n"
	"secrecy_write:\n"
	"	mov %rdi, %r8; mov %rsi, %r9; mov $8, %ecx\n"
	"1:	mov (%r9), %rax; xor %rdx, %rax; mov %rax, (%r8)\n"
	"	add $8, %r8; add $8, %r9; dec %ecx; jnz 1b\n"
	"secrecy_verify:\n"
	"	mov %rdi, %r8; mov %rsi, %r9; mov $8, %ecx; xor %ebx, %ebx\n"
	"2:	mov (%r8), %rax; xor (%r9), %rax; xor %rdx, %rax; or %rax, %rbx\n"
	"	add $8, %r8; add $8, %r9; dec %ecx; jnz 2b\n"
	"	xor %eax, %eax; out %al, $0x10\n"
	"secrecy_end:\n"
	"	.popsection\n");
extern const char secrecy_write[], secrecy_verify[], secrecy_end[];

struct vmm {
	int vm, vcpu, gmem, memfd;
	struct kvm_run *run;
	uint8_t *low, *data;
};

static struct checks c;

static void make_tables(uint8_t *low)
{
	uint64_t *pd = (uint64_t *)(low + PD);

	*(uint64_t *)(low + PML4) = PDPT | 3;
	*(uint64_t *)(low + PDPT) = PD | 3;
	for (uint64_t i = 0; i < 512; i++)
		pd[i] = i << 21 | 0x83;
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = code,
		.db = !code,
	};
}

static void long_mode(int vcpu)
{
	struct kvm_sregs s;

	need(!ioctl(vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.cs = flat(8, 11, true);
	s.ds = s.es = s.fs = s.gs = s.ss = flat(16, 3, false);
	s.cr0 = 0x80000031;
	s.cr3 = PML4;
	s.cr4 = 0x20;
	s.efer = 0xd00;
	need(!ioctl(vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
}

/* The host's own CPUID answers are good enough for a guest that asks for none. */
static void give_cpuid(int kvm, int vcpu)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid;

	cpuid.head.nent = 256;
	need(!ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	need(!ioctl(vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
}

static struct vmm vmm_make(void)
{
	int kvm = kvm_open();
	struct vmm v = { .vm = vm_make(kvm, KVM_X86_SW_PROTECTED_VM) };

	need(!ioctl(v.vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	v.low = pages(LOW_SIZE);
	make_tables(v.low);
	memcpy(v.low + CODE, secrecy_write, (size_t)(secrecy_end - secrecy_write));
	/* A file behind the shared side, so that the search finds it there too. */
	v.memfd = memfd_create("shared", MFD_CLOEXEC);
	need(!ftruncate(v.memfd, DATA_SIZE), "ftruncate");
	v.data = mmap(NULL, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, v.memfd, 0);
	need(v.data != MAP_FAILED, "mmap");
	v.gmem = (int)vm_gmem(v.vm, DATA_SIZE, 0);
	need(v.gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	need(!vm_region(v.vm, 0, 0, 0, LOW_SIZE, v.low), "slot 0");
	need(!vm_region_gmem(v.vm, 1, DATA_GPA, DATA_SIZE, v.data, v.gmem, 0), "slot 1");
	need(!vm_attributes(v.vm, DATA_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "attributes");
	v.vcpu = ioctl(v.vm, KVM_CREATE_VCPU, 0);
	need(v.vcpu >= 0, "KVM_CREATE_VCPU");
	v.run = vcpu_map(kvm, v.vcpu);
	give_cpuid(kvm, v.vcpu);
	long_mode(v.vcpu);
	return v;
}

/* Runs the guest from @entry over page @page of slot 1: true when the pattern is there. */
static bool guest(struct vmm *v, const struct needle *n, const char *entry, int page)
{
	struct kvm_regs r = {
		.rip = CODE + (uint64_t)(entry - secrecy_write),
		.rsp = LOW_SIZE - 8,
		.rflags = 2,
		.rdi = DATA_GPA + (uint64_t)page * PAGE,
		.rsi = WORDS,
		.rdx = n->key,
		.rbx = 1,
	};

	memcpy(v->low + WORDS, n->masked, sizeof(n->masked));
	need(!ioctl(v->vcpu, KVM_SET_REGS, &r), "KVM_SET_REGS");
	need(!ioctl(v->vcpu, KVM_RUN, 0), "KVM_RUN, exit reason %u", v->run->exit_reason);
	need(v->run->exit_reason == KVM_EXIT_IO && v->run->io.port == 0x10, "an OUT, not exit %u",
	     v->run->exit_reason);
	need(!ioctl(v->vcpu, KVM_GET_REGS, &r), "KVM_GET_REGS");
	return !r.rbx;
}

/* Every mapping that this VMM made. */
static long scan_mappings(struct vmm *v, const struct needle *n)
{
	return scan_memory(n, v->low, LOW_SIZE) + scan_memory(n, v->data, DATA_SIZE) +
	       scan_memory(n, v->run, 3 * PAGE);
}

/* What a forked child finds: 1 in all its memory, 2 in the VMM's mappings, 4 in descriptors. */
static int scan_in_child(struct vmm *v, const struct needle *n)
{
	int status;
	pid_t pid = fork();

	need(pid >= 0, "fork");
	if (!pid)
		_exit((scan_process(n) ? 1 : 0) | (scan_mappings(v, n) ? 2 : 0) |
		      (scan_descriptors(n) ? 4 : 0));
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void nowhere(struct vmm *v, const struct needle *n, const char *when)
{
	int where = scan_in_child(v, n);

	check(&c, scan_mappings(v, n) == 0, "%s: no mapping of the VMM holds it", when);
	check(&c, scan_descriptors(n) == 0, "%s: no descriptor leads to it", when);
	check(&c, where == 0, "%s: no forked child has it (found in %d)", when, where);
}

int main(int argc, char **argv)
{
	struct needle shared = needle_make(), secret = needle_make();
	struct vmm v;
	int where;

	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	v = vmm_make();
	check(&c, guest(&v, &shared, secrecy_write, 1), "the guest wrote through its shared side");
	check(&c, scan_memory(&shared, v.data + PAGE, PAGE) == 1, "it is in the shared page, once");
	check(&c, scan_mappings(&v, &shared) == 1, "it is in no other mapping");
	check(&c, scan_descriptors(&shared) > 0, "a descriptor leads to it");
	check(&c, scan_process(&shared) > 0, "it is in the process");
	where = scan_in_child(&v, &shared);
	check(&c, where == 7, "a forked child finds it everywhere (%d)", where);

	check(&c, guest(&v, &secret, secrecy_write, 0), "the guest wrote through its private side");
	nowhere(&v, &secret, "private");
	check(&c, guest(&v, &secret, secrecy_verify, 0), "the guest still reads it");

	/* Made shared, the page shows its shared side, which never held it. */
	need(!vm_attributes(v.vm, DATA_GPA, PAGE, 0), "making the page shared");
	check(&c, !guest(&v, &secret, secrecy_verify, 0), "the shared side of the page has it not");
	nowhere(&v, &secret, "made shared");
	need(!vm_attributes(v.vm, DATA_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "and private again");
	check(&c, guest(&v, &secret, secrecy_verify, 0), "the private side kept it");

	/* With the VM gone and the guest_memfd open. */
	close(v.vcpu);
	close(v.vm);
	check(&c, scan_descriptors(&secret) == 0, "VM gone: no descriptor leads to it");
	return checks_end(&c);
}
