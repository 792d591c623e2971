/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_flush.c - a processor that has used a page does not use it any more
 * when it has been taken away: after a conversion, and after its slot has
 * gone or moved (MMU-I3).  The guest reads a page twice; between the reads
 * it has done nothing that would flush its TLB.
 */
#include <errno.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define TARGET_GPA	0x20000000UL	/* slot 1, in what the guest has mapped */
#define VALUE		0x5a

__asm__(".pushsection .rodata\n"
	"flush_code:\n"
	"flush_read:	mov (%rdi), %al; out %al, $0x10; jmp flush_read\n"
	"flush_end:	.popsection\n");
extern const char flush_code[], flush_read[], flush_end[];

static struct checks c;
static const char *vm_name;

#define IS(want, expr, what) \
	do { \
		uint64_t is_got = (uint64_t)(expr), is_want = (uint64_t)(want); \
		check(&c, is_got == is_want, "MMU-I3: %s VM: %s: %s is 0x%llx, not 0x%llx", vm_name, \
		      what, #expr, (unsigned long long)is_got, (unsigned long long)is_want); \
	} while (0)

static unsigned value(const struct flat_guest *g)
{
	if (g->run->exit_reason != KVM_EXIT_IO || g->run->io.port != GUEST_IDLE_PORT)
		return ~0U;
	return ((const uint8_t *)g->run)[g->run->io.data_offset];
}

/* The next read; what follows the OUT is the next loop. */
static long read_again(struct flat_guest *g)
{
	return flat_guest_run(g);
}

static void begin(struct flat_guest *g, unsigned long type, uint8_t **page)
{
	struct kvm_regs r;

	flat_guest_make(g, type, false, flush_code, (size_t)(flush_end - flush_code));
	*page = pages(2 * PAGE);
	(*page)[0] = VALUE;
	(*page)[PAGE] = VALUE + 1;
	need(!vm_region(g->vm, 1, 0, TARGET_GPA, PAGE, *page), "slot 1");
	r = flat_guest_regs(g, flush_read);
	r.rdi = TARGET_GPA;
	flat_guest_set(g, &r);
	for (int i = 0; i < 2; i++) {
		IS(0, read_again(g), "the page is there");
		IS(VALUE, value(g), "the page is there");
	}
}

static void a_converted_page(unsigned long type)
{
	struct flat_guest g;
	uint8_t *page;

	begin(&g, type, &page);
	need(!vm_attributes(g.vm, TARGET_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "private");
	IS(-EFAULT, read_again(&g), "the page is private and has nothing behind it");
	IS(KVM_EXIT_MEMORY_FAULT, g.run->exit_reason, "the page is private");
	need(!vm_attributes(g.vm, TARGET_GPA, PAGE, 0), "shared");
	IS(0, read_again(&g), "the page is back");
	IS(VALUE, value(&g), "the page is back");
	flat_guest_free(&g);
}

static void a_slot_that_goes(unsigned long type)
{
	struct flat_guest g;
	uint8_t *page;

	begin(&g, type, &page);
	need(!vm_region(g.vm, 1, 0, TARGET_GPA, 0, page), "slot 1 goes");
	IS(0, read_again(&g), "the slot has gone");
	IS(KVM_EXIT_MMIO, g.run->exit_reason, "the slot has gone");
	g.run->mmio.data[0] = 0x77;
	IS(0, read_again(&g), "the VMM answers");
	IS(0x77, value(&g), "the VMM answers");
	need(!vm_region(g.vm, 1, 0, TARGET_GPA, PAGE, page + PAGE), "another slot 1");
	IS(0, read_again(&g), "another page is there");
	IS(VALUE + 1, value(&g), "another page is there");
	flat_guest_free(&g);
}

int main(void)
{
	int kvm = kvm_open();
	bool sw = kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) &
		  (1L << KVM_X86_SW_PROTECTED_VM);

	vm_name = "DEFAULT";
	a_slot_that_goes(KVM_X86_DEFAULT_VM);
	vm_name = "SW_PROTECTED";
	if (sw) {
		a_converted_page(KVM_X86_SW_PROTECTED_VM);
		a_slot_that_goes(KVM_X86_SW_PROTECTED_VM);
	}
	return checks_end(&c);
}
