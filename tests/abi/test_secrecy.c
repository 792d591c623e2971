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

#include "flat_guest.h"
#include "kvm_user.h"
#include "secret_scan.h"

#define WORDS		GUEST_FREE	/* the masked words */
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
	struct flat_guest guest;
	int gmem, memfd;
	uint8_t *data;
};

static struct checks c;

static struct vmm vmm_make(void)
{
	struct vmm v = { .gmem = -1 };

	flat_guest_make(&v.guest, KVM_X86_SW_PROTECTED_VM, true, secrecy_write,
			(size_t)(secrecy_end - secrecy_write));
	/* A file behind the shared side, so that the search finds it there too. */
	v.memfd = memfd_create("shared", MFD_CLOEXEC);
	need(!ftruncate(v.memfd, DATA_SIZE), "ftruncate");
	v.data = mmap(NULL, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, v.memfd, 0);
	need(v.data != MAP_FAILED, "mmap");
	v.gmem = (int)vm_gmem(v.guest.vm, DATA_SIZE, 0);
	need(v.gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	need(!vm_region_gmem(v.guest.vm, 1, DATA_GPA, DATA_SIZE, v.data, v.gmem, 0), "slot 1");
	need(!vm_attributes(v.guest.vm, DATA_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "attributes");
	return v;
}

/* Runs the guest from @entry over page @page of slot 1: true when the pattern is there. */
static bool guest(struct vmm *v, const struct needle *n, const char *entry, int page)
{
	struct kvm_regs r = flat_guest_regs(&v->guest, entry);
	struct kvm_run *run = v->guest.run;

	r.rdi = DATA_GPA + (uint64_t)page * PAGE;
	r.rsi = WORDS;
	r.rdx = n->key;
	r.rbx = 1;
	memcpy(v->guest.low + WORDS, n->masked, sizeof(n->masked));
	flat_guest_set(&v->guest, &r);
	need(!flat_guest_run(&v->guest), "KVM_RUN, exit reason %u", run->exit_reason);
	need(run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_IDLE_PORT,
	     "an OUT, not exit %u", run->exit_reason);
	return !flat_guest_get(&v->guest).rbx;
}

/* Every mapping that this VMM made. */
static long scan_mappings(struct vmm *v, const struct needle *n)
{
	return scan_memory(n, v->guest.low, GUEST_LOW) + scan_memory(n, v->data, DATA_SIZE) +
	       scan_memory(n, v->guest.run, 3 * PAGE);
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

/* The search sees memory without a file too, were it one page in a quarter of a tebibyte. */
static void finds_anonymous_memory(void)
{
	const size_t size = 1UL << 38, at = size / 2 + 3 * PAGE + 17;
	struct needle n = needle_make();
	volatile uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	need(p != MAP_FAILED, "address space");
	check(&c, scan_process(&n) == 0, "a pattern that nobody has written is nowhere");
	for (int i = 0; i < NEEDLE_WORDS * 8; i++)
		p[at + (size_t)i] = (uint8_t)((n.masked[i / 8] ^ n.key) >> i % 8 * 8);
	check(&c, scan_process(&n) == 1, "one in anonymous memory is found");
	munmap((void *)p, size);
	check(&c, scan_process(&n) == 0, "and gone with it");
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
	finds_anonymous_memory();
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
	need(!vm_attributes(v.guest.vm, DATA_GPA, PAGE, 0), "making the page shared");
	check(&c, !guest(&v, &secret, secrecy_verify, 0), "the shared side of the page has it not");
	nowhere(&v, &secret, "made shared");
	need(!vm_attributes(v.guest.vm, DATA_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "and private again");
	check(&c, guest(&v, &secret, secrecy_verify, 0), "the private side kept it");

	/* With the VM gone and the guest_memfd open. */
	close(v.guest.vcpu);
	close(v.guest.vm);
	check(&c, scan_descriptors(&secret) == 0, "VM gone: no descriptor leads to it");
	return checks_end(&c);
}
