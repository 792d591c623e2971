/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_maxphyaddr.c - kvm_intel.allow_smaller_maxphyaddr: a guest of 36 bits on a
 * wider processor.  Bit 36 of an entry of its tables is reserved for it, whether
 * the address then is no memory (an EPT violation) or the tables deny the access
 * before (a #PF, whose error code is put right).  Without the parameter the
 * processor's width is what counts.
 *
 * usage: test_maxphyaddr on|off
 */
#include <string.h>
#include <sys/ioctl.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define BITS		36
#define ILLEGAL		(1ULL << BITS)
#define LARGE(n)	((uint64_t)(n) << 21)
#define GDT		0x8000UL
#define IDT		0x9000UL
#define PD		0x3000UL
#define RIGHTS(w)	(0x81 | (w) << 1)
#define PORT_DONE	0x10
#define PORT_FAULT	0x11

__asm__(".pushsection .rodata\n"
	"mp_code:\n"
	"mp_read:	mov (%rdi), %rax; out %al, $0x10\n"
	"mp_write:	mov %rax, (%rdi); out %al, $0x10\n"
	"mp_fault:	pop %rbx; out %al, $0x11\n"
	"mp_end:	.popsection\n");
extern const char mp_code[], mp_read[], mp_write[], mp_fault[], mp_end[];

static const struct row {
	const char *name, *entry;
	uint64_t pde;
	uint32_t on, off;		/* error code; 0: none, an exit for MMIO */
} rows[] = {
	{ "a load where no memory is", mp_read, LARGE(256) | ILLEGAL | RIGHTS(1), 0x9, 0 },
	{ "a store where no memory is", mp_write, LARGE(256) | ILLEGAL | RIGHTS(1), 0xb, 0 },
	{ "a store to a page that cannot be written", mp_write, LARGE(256) | ILLEGAL | RIGHTS(0), 0xb, 3 },
	{ "the same with an address of the guest's", mp_write, LARGE(256) | RIGHTS(0), 3, 3 },
	{ "a page that is not there", mp_write, ILLEGAL, 2, 2 },
	{ "a load from a legal address", mp_read, LARGE(256) | RIGHTS(1), 0, 0 },
};

static void tell_width(const struct flat_guest *g)
{
	static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[256]; } cpuid;

	cpuid.head.nent = 256;
	need(!ioctl(g->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	for (unsigned i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == 0x80000008)
			cpuid.entries[i].eax = (cpuid.entries[i].eax & ~0xffu) | BITS;
	need(!ioctl(g->vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
}

static void set_tables(const struct flat_guest *g, uint64_t pde)
{
	uint64_t at = GUEST_CODE + (uint64_t)(mp_fault - mp_code);
	uint64_t *gdt = (uint64_t *)(g->low + GDT), *gate = (uint64_t *)(g->low + IDT + 14 * 16);
	struct kvm_sregs s;

	gdt[1] = 0x00af9b000000ffffULL;
	gdt[2] = 0x00cf93000000ffffULL;
	gate[0] = (at & 0xffff) | 8 << 16 | 0x8eULL << 40;
	((uint64_t *)(g->low + PD))[256] = pde;
	need(!ioctl(g->vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.gdt = (struct kvm_dtable){ .base = GDT, .limit = 23 };
	s.idt = (struct kvm_dtable){ .base = IDT, .limit = 0xfff };
	s.cr0 |= 1 << 16;		/* WP */
	need(!ioctl(g->vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
}

static void run_row(struct checks *c, const struct row *r, uint32_t error)
{
	struct flat_guest g = { 0 };
	struct kvm_regs regs;
	struct kvm_sregs s;

	flat_guest_make(&g, KVM_X86_DEFAULT_VM, false, mp_code, (size_t)(mp_end - mp_code));
	tell_width(&g);
	set_tables(&g, r->pde);
	regs = flat_guest_regs(&g, r->entry);
	regs.rdi = LARGE(256) + 8;
	flat_guest_set(&g, &regs);
	need(!flat_guest_run(&g), "KVM_RUN");
	if (!error) {
		check(c, g.run->exit_reason == KVM_EXIT_MMIO &&
		      g.run->mmio.phys_addr == (r->pde & ~0xfffULL) + 8, "%s: exit %u", r->name,
		      g.run->exit_reason);
	} else {
		regs = flat_guest_get(&g);
		need(!ioctl(g.vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
		check(c, g.run->exit_reason == KVM_EXIT_IO && g.run->io.port == PORT_FAULT &&
		      regs.rbx == error && s.cr2 == LARGE(256) + 8, "%s: exit %u, error %#llx, not %#x",
		      r->name, g.run->exit_reason, regs.rbx, error);
	}
	flat_guest_free(&g);
}

int main(int argc, char **argv)
{
	bool on = argc == 2 && !strcmp(argv[1], "on");
	struct checks c = { 0 };
	int kvm = kvm_open();

	check(&c, kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SMALLER_MAXPHYADDR) == on,
	      "KVM_CAP_SMALLER_MAXPHYADDR");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&c, &rows[i], on ? rows[i].on : rows[i].off);
	return checks_end(&c);
}
