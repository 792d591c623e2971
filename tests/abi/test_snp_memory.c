/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_memory.c - one page of a running SNP guest, private and shared and
 * private: what its VMM gives, takes back and is told of.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "snp_user.h"

#define TEXT		0x100000UL	/* launched */
#define FRESH		0x110000UL	/* private, and never anything else */
#define KEEP		1
#define PUNCH		3

static struct checks c;
static uint8_t text[PAGE], image[SNP_IMAGE_END - SNP_IMAGE];

static void launch(struct snp_guest *g)
{
	memset(text, 0x5a, sizeof(text));
	snp_make(g);
	snp_add_vcpu(g);
	snp_start(g);
	snp_image(g, image);
	snp_put(g, SNP_IMAGE, image, sizeof(image), KVM_SEV_SNP_PAGE_TYPE_NORMAL);
	snp_put(g, TEXT, text, PAGE, KVM_SEV_SNP_PAGE_TYPE_NORMAL);
	snp_finish(g);
	snp_run(g);
}

static void convert(const struct snp_guest *g, uint64_t gpa, uint64_t attributes)
{
	check(&c, !vm_attributes(g->vm, gpa, PAGE, attributes), "attributes of %#lx",
	      (unsigned long)gpa);
}

static void hole(const struct snp_guest *g, int mode, const char *what)
{
	int r = fallocate(g->gmem, mode, TEXT, PAGE);

	check(&c, !r, "%s: %s", what, r ? strerror(errno) : "");
}

/* The guest's copy does not come to its end: the VMM is told of @gpa. */
static void misses(const struct snp_guest *g, uint64_t gpa, uint64_t flags, const char *what)
{
	int r = ioctl(g->vcpu, KVM_RUN, 0);

	check(&c, r == -1 && errno == EFAULT && g->run->exit_reason == KVM_EXIT_MEMORY_FAULT,
	      "%s: %d, exit %u", what, r, g->run->exit_reason);
	check(&c, g->run->memory_fault.gpa == gpa && g->run->memory_fault.size == PAGE &&
		  g->run->memory_fault.flags == flags, "%s: %#llx+%#llx, flags %#llx", what,
	      (unsigned long long)g->run->memory_fault.gpa,
	      (unsigned long long)g->run->memory_fault.size,
	      (unsigned long long)g->run->memory_fault.flags);
}

/* No exit, but #VC: all that the VMM sees is the guest's look into its IDT, at 0, for a handler. */
static void takes_vc(const struct snp_guest *g, const char *what)
{
	misses(g, 0, KVM_MEMORY_EXIT_FLAG_PRIVATE, what);
}

/* Worked traces 11.1 (8, 9) and 11.2 (6 to 10) of one page. */
static void one_page_goes_and_comes(void)
{
	struct snp_guest g;

	launch(&g);
	snp_copy(&g, SNP_SHARED + SNP_BUFFER, TEXT, 64);
	check(&c, !memcmp(g.memory + SNP_BUFFER, text, 64), "the guest reads what was launched");
	snp_copy(&g, SNP_SHARED + SNP_BUFFER, SNP_SHARED + TEXT, 64);
	check(&c, memcmp(g.memory + SNP_BUFFER, text, 64), "and ciphertext without the C-bit");
	snp_copy(&g, TEXT, SNP_CODE, 64);

	snp_ask_copy(&g, SNP_SHARED + TEXT, SNP_CODE, 64);
	misses(&g, TEXT, 0, "a shared store to a private page");
	hole(&g, PUNCH, "the page is given back");
	misses(&g, TEXT, 0, "it is private all the same");
	convert(&g, TEXT, 0);
	snp_run(&g);
	check(&c, !memcmp(g.memory + TEXT, image + (SNP_CODE - SNP_IMAGE), 64), "it is shared now");

	snp_ask_copy(&g, TEXT, SNP_CODE, 64);
	misses(&g, TEXT, KVM_MEMORY_EXIT_FLAG_PRIVATE, "a private store to a shared page");
	convert(&g, TEXT, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	/* Where the page was hidden from the host, before it was punched. */
	hole(&g, KEEP, "memory for the page that comes");
	takes_vc(&g, "what is not validated");
	snp_end(&g);
}

/* Worked trace 11.5. */
static void a_page_that_nobody_validated(void)
{
	struct snp_guest g;

	launch(&g);
	convert(&g, FRESH, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	snp_ask_copy(&g, SNP_SHARED + SNP_BUFFER, FRESH, 8);
	takes_vc(&g, "a page that was never validated");
	snp_end(&g);
}

int main(void)
{
	one_page_goes_and_comes();
	a_page_that_nobody_validated();
	return checks_end(&c);
}
