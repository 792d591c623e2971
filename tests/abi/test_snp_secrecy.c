/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_secrecy.c - what an SNP guest writes into a private page is in no mapping
 * and behind no descriptor of the VMM, nor in a forked child: before and after the VMM
 * has made the page shared and given it back.
 *
 * The guest makes the pattern of words that are xored with a key, so that only the
 * page it writes holds it.  The same search has to find one in a shared page first.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "secret_scan.h"
#include "snp_user.h"

#define SECRET	0x100000UL	/* a private page */
#define OPEN	(SNP_BUFFER + PAGE)	/* a shared one */

static struct checks c;

/* RBX: the mailbox: target, masked words, key. */
__asm__(".pushsection .rodata\n"
	"mask_code:	hlt\n"
	"	movq (%rbx), %rdi; movq 8(%rbx), %rsi; movq 16(%rbx), %rdx; movl $8, %ecx\n"
	"1:	movq (%rsi), %rax; xorq %rdx, %rax; movq %rax, (%rdi)\n"
	"	addq $8, %rdi; addq $8, %rsi; decl %ecx; jnz 1b; xorl %eax, %eax; jmp mask_code\n"
	"mask_code_end:	.popsection\n");
extern const char mask_code[], mask_code_end[];

static void launch(struct snp_guest *g)
{
	static uint8_t image[SNP_IMAGE_END - SNP_IMAGE], blank[PAGE];

	snp_make(g);
	snp_add_vcpu(g);
	snp_start(g);
	snp_image(g, image);
	memcpy(image + SNP_CODE - SNP_IMAGE, mask_code, (size_t)(mask_code_end - mask_code));
	snp_put(g, SNP_IMAGE, image, sizeof(image), KVM_SEV_SNP_PAGE_TYPE_NORMAL);
	snp_put(g, SECRET, blank, PAGE, KVM_SEV_SNP_PAGE_TYPE_ZERO);
	snp_finish(g);
	snp_run(g);
}

/* The guest puts @n at the linear address @to. */
static void guest_writes(const struct snp_guest *g, const struct needle *n, uint64_t to)
{
	const uint64_t box[3] = { to, SNP_SHARED + SNP_BUFFER, n->key };

	memcpy(g->memory + SNP_BUFFER, n->masked, sizeof(n->masked));
	memcpy(g->memory + SNP_MAILBOX, box, sizeof(box));
	snp_run(g);
}

/* In what this VMM has mapped. */
static long in_mappings(const struct snp_guest *g, const struct needle *n)
{
	return scan_memory(n, g->memory, SNP_SIZE) + scan_memory(n, g->run, 3 * PAGE);
}

/* 1 in all of a child's memory, 2 in descriptors; -1: no child. */
static int in_child(const struct needle *n)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid)
		_exit((scan_process(n) ? 1 : 0) | (scan_descriptors(n) ? 2 : 0));
	need(pid > 0 && waitpid(pid, &status, 0) == pid, "a child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void nowhere(const struct snp_guest *g, const struct needle *n, const char *when)
{
	long mapped = in_mappings(g, n), behind = scan_descriptors(n);
	int child = in_child(n);

	check(&c, !mapped, "%s: %ld times in mappings of the VMM", when, mapped);
	check(&c, !behind, "%s: %ld times behind descriptors", when, behind);
	check(&c, !child, "%s: in a forked child (%d)", when, child);
}

int main(void)
{
	struct needle shared = needle_make(), secret = needle_make();
	struct snp_guest g;

	launch(&g);
	guest_writes(&g, &shared, SNP_SHARED + OPEN);
	check(&c, in_mappings(&g, &shared) == 1, "a shared page shows what the guest writes");
	check(&c, in_child(&shared) & 1, "to a child, too");
	guest_writes(&g, &secret, SECRET);
	nowhere(&g, &secret, "private");
	need(!vm_attributes(g.vm, SECRET, PAGE, 0), "a shared page");
	nowhere(&g, &secret, "made shared");
	need(!fallocate(g.gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, SECRET, PAGE), "a hole");
	nowhere(&g, &secret, "given back");
	check(&c, !scan_process(&secret), "given back: not even the process has it");
	snp_end(&g);
	return checks_end(&c);
}
