/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * conversion.c - a whole VMM for a confidential VM, in one file.
 *
 * It creates a KVM_X86_SW_PROTECTED_VM, runs a small 64-bit guest in it, and shows who sees which
 * bytes while a page goes from private to shared.  Only the kernel's ABI is used, so it also runs
 * on a kernel built with CONFIG_KVM_SW_PROTECTED_VM=y (6.8 or later).
 *
 *	gcc -O2 -o conversion conversion.c
 *	softcvm exec -- ./conversion		# anywhere
 *	./conversion				# on such a kernel
 *
 * In this type of VM a page is private or shared because the VMM says so, and the guest's accesses
 * follow: the guest asks, the VMM decides (KVM_SET_MEMORY_ATTRIBUTES).  Exit status: 0 every step
 * saw what it expected, 1 one did not, 2 the VM could not be made or run.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm_para.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#if __has_include("softcvm/uapi/kvm.h")
#include "softcvm/uapi/kvm.h"		/* the same ABI, where <linux/kvm.h> is older than 6.8 */
#else
#include <linux/kvm.h>
#endif

#define KVM_CAP_SOFTCVM_INSTRUCTIONS 0x5343564e	/* optional; a kernel answers 0 */

#define PAGE		0x1000ul
#define LOW_SIZE	0x10000ul	/* slot 0, from 0: ordinary memory without guest_memfd */
#define CODE		0x8000ul
#define PLAIN		0xf000ul
#define DATA		0x100000ul	/* slot 1: one page that has a private and a shared side */
#define DEVICE		0xd0000000ul	/* no slot: emulated MMIO */
#define HOLE		0xd0001000ul	/* no slot either */
#define APIC		0xfee00000ul
enum { SHARED = 0, PRIVATE = KVM_MEMORY_ATTRIBUTE_PRIVATE };

/*
 * The guest, entered in long mode with RDI = DATA, RSI = DEVICE, R8 = PLAIN, R9 = HOLE, R10 = APIC,
 * R11 = 1 on AMD and 0 on Intel.  An OUT means: look at my RBX.
 */
#define REPORT "out %al, $0x10\n"
asm(".pushsection .rodata\n guest_start:\n"
    "movabs $0x2165746176697270, %rax; mov %rax, (%rdi)\n"	/* "private!" */
    "mov (%rdi), %rbx;" REPORT
    "mov $12, %eax; mov %rdi, %rbx; mov $1, %ecx; xor %edx, %edx\n"
    "test %r11d, %r11d; jz 1f\n"			/* KVM_HC_MAP_GPA_RANGE(page, 1, shared) */
    "vmmcall; jmp 2f; 1: vmcall; 2: mov %rax, %rbx;" REPORT
    "mov (%rdi), %rbx;" REPORT				/* what the page holds now */
    "movabs $0x7265687465676f74, %rax; mov %rax, (%rdi)\n"	/* "together" */
    "mov %rax, %rbx;" REPORT
    "mov (%rsi), %ebx;" REPORT				/* a device register, read ... */
    "mov %ebx, 4(%rsi)\n"				/* ... and written */
    "mov (%r8), %rbx;" REPORT
    "mov (%r9), %ebx;" REPORT
    "mov 0x30(%r10), %ebx; movzbl %bl, %ebx;" REPORT	/* the local APIC's version */
    "guest_end: .popsection\n");
extern const char guest_start[], guest_end[];

static int vm_fd, vcpu_fd, gmem_fd;
static struct kvm_run *run;
static char *low, *data;			/* the host's view of slots 0 and 1 */
static bool all_as_expected = true;

static int must(int result, const char *what)
{
	if (result < 0)
		err(2, "%s", what);
	return result;
}

static void *map(size_t size, int fd)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
}

/* Valid until the next call. */
__attribute__((format(printf, 1, 2))) static const char *text(const char *format, ...)
{
	static char buffer[80];
	va_list args;

	va_start(args, format);
	vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	return buffer;
}

static void step(const char *what, const char *expected, const char *seen)
{
	static int number;
	bool ok = !strcmp(expected, seen);

	all_as_expected &= ok;
	printf("%2d  %-38s  %-31s  %-31s  %s\n", ++number, what, expected, seen, ok ? "ok" : "NO");
}

static void add_slot(int slot, uint64_t gpa, uint64_t size, void *host, int fd)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot, .flags = fd < 0 ? 0 : KVM_MEM_GUEST_MEMFD, .guest_memfd = fd,
		.guest_phys_addr = gpa, .memory_size = size, .userspace_addr = (uintptr_t)host,
	};

	must(ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION2, &region), "KVM_SET_USER_MEMORY_REGION2");
}

/* Makes one page private or shared; a private page that was shared is given back. */
static void convert(uint64_t gpa, uint64_t attribute)
{
	struct kvm_memory_attributes a = { .address = gpa, .size = PAGE, .attributes = attribute };

	must(ioctl(vm_fd, KVM_SET_MEMORY_ATTRIBUTES, &a), "KVM_SET_MEMORY_ATTRIBUTES");
	if (gpa == DATA && attribute == SHARED)
		must(fallocate(gmem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE),
		     "punching the private page out of the guest_memfd");
}

/* Runs the guest to its next exit and puts that into words. */
static const char *next_exit(void)
{
	struct kvm_regs regs;
	int result = ioctl(vcpu_fd, KVM_RUN, 0);

	/* The one exit that comes with an errno; the guest is still before the access. */
	if (result < 0 && errno == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT)
		return text("MEMORY_FAULT %s 0x%llx", run->memory_fault.flags == PRIVATE ?
			    "private" : "shared", run->memory_fault.gpa);
	must(result, "KVM_RUN");
	switch (run->exit_reason) {
	case KVM_EXIT_IO:			/* our guest's only port */
		must(ioctl(vcpu_fd, KVM_GET_REGS, &regs), "KVM_GET_REGS");
		if (regs.rbx >> 32)
			return text("guest has \"%.8s\"", (char *)&regs.rbx);
		return text("guest has 0x%llx", regs.rbx);
	case KVM_EXIT_MMIO:
		return text("MMIO %s 0x%llx len %u", run->mmio.is_write ? "write" : "read",
			    run->mmio.phys_addr, run->mmio.len);
	case KVM_EXIT_HYPERCALL:
		return text("HYPERCALL %llu(0x%llx, %llu, 0x%llx)", run->hypercall.nr,
			    run->hypercall.args[0], run->hypercall.args[1], run->hypercall.args[2]);
	default:
		return text("exit reason %u", run->exit_reason);
	}
}

/* The guest's pending MMIO read gets this; the next KVM_RUN completes it. */
static void device_answers(uint32_t value)
{
	memcpy(run->mmio.data, &value, sizeof(value));
}

static void create_vm(int kvm)
{
	struct kvm_enable_cap map_gpa_range = { .cap = KVM_CAP_EXIT_HYPERCALL,
						.args = { 1 << KVM_HC_MAP_GPA_RANGE } };
	struct kvm_create_guest_memfd gmem = { .size = PAGE };

	if (!(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) & 1 << KVM_X86_SW_PROTECTED_VM))
		errx(2, "no KVM_X86_SW_PROTECTED_VM here; try: softcvm exec -- ./conversion");
	vm_fd = must(ioctl(kvm, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM), "KVM_CREATE_VM");
	must(ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	must(ioctl(vm_fd, KVM_ENABLE_CAP, &map_gpa_range), "KVM_CAP_EXIT_HYPERCALL");

	low = map(LOW_SIZE, -1);
	data = map(PAGE, -1);
	must(low == MAP_FAILED || data == MAP_FAILED ? -1 : 0, "memory for the guest");
	gmem_fd = must(ioctl(vm_fd, KVM_CREATE_GUEST_MEMFD, &gmem), "KVM_CREATE_GUEST_MEMFD");
	add_slot(0, 0, LOW_SIZE, low, -1);
	add_slot(1, DATA, PAGE, data, gmem_fd);
}

/* Identity map of 4 GiB in 2 MiB pages: PML4 at 0x1000, PDPT at 0x2000, four PDs behind. */
static void build_page_tables(void)
{
	uint64_t *table = (uint64_t *)low;
	const uint64_t flags = 0x3, leaf = 0x83;	/* present, writable; and page size */

	table[0x1000 / 8] = 0x2000 | flags;
	for (uint64_t i = 0; i < 4; i++)
		table[0x2000 / 8 + i] = (0x3000 + i * PAGE) | flags;
	for (uint64_t i = 0; i < 4 * 512; i++)
		table[0x3000 / 8 + i] = i << 21 | leaf;
}

static void create_vcpu(int kvm)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	struct kvm_segment code = { .limit = ~0u, .selector = 8, .type = 11, .s = 1, .present = 1,
				    .l = 1, .g = 1 };
	struct kvm_segment flat = { .limit = ~0u, .selector = 16, .type = 3, .s = 1, .present = 1,
				    .db = 1, .g = 1 };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rdi = DATA, .rsi = DEVICE,
				 .r8 = PLAIN, .r9 = HOLE, .r10 = APIC };
	struct kvm_sregs sregs;

	vcpu_fd = must(ioctl(vm_fd, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	run = map(must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE"), vcpu_fd);
	must(run == MAP_FAILED ? -1 : 0, "mapping the vCPU");

	cpuid->nent = 256;
	must(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	must(ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0)	/* not "GenuineIntel" */
			regs.r11 = cpuid->entries[i].ebx != 0x756e6547;
	free(cpuid);

	must(ioctl(vcpu_fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	sregs.cr0 = 0x80000021;				/* PG, NE, PE */
	sregs.cr3 = 0x1000;
	sregs.cr4 = 0x20;				/* PAE */
	sregs.efer = 0x500;				/* LMA, LME */
	must(ioctl(vcpu_fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu_fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void private_and_shared(void)
{
	memcpy(data, "hostside", 8);
	convert(DATA, PRIVATE);
	step("guest writes and reads a private page", "guest has \"private!\"", next_exit());
	step("host reads it: the shared side", "\"hostside\"", text("\"%.8s\"", data));
	step("host maps the private side", "ENODEV",
	     map(PAGE, gmem_fd) == MAP_FAILED ? strerrorname_np(errno) : "a mapping");

	step("guest asks to share the page", "HYPERCALL 12(0x100000, 1, 0x0)", next_exit());
	convert(DATA, SHARED);
	run->hypercall.ret = 0;
	step("VMM converts it and answers 0", "guest has 0x0", next_exit());
	step("guest reads what the host wrote", "guest has \"hostside\"", next_exit());
	step("guest writes", "guest has \"together\"", next_exit());
	step("host reads what the guest wrote", "\"together\"", text("\"%.8s\"", data));
}

static void emulated_mmio(void)
{
	step("guest reads a device", "MMIO read 0xd0000000 len 4", next_exit());
	device_answers(0x600df00d);
	step("VMM answers", "guest has 0x600df00d", next_exit());
	step("guest writes a device", "MMIO write 0xd0000004 len 4", next_exit());
	step("VMM reads what was written", "0x600df00d", text("0x%x", *(uint32_t *)run->mmio.data));
}

/* Private by attribute, but nothing private is there.  Emulated MMIO is always shared. */
static void mismatches(void)
{
	memcpy(low + PLAIN, "ordinary", 8);
	convert(PLAIN, PRIVATE);
	convert(HOLE, PRIVATE);
	convert(APIC, PRIVATE);
	step("private page, slot without guest_memfd", "MEMORY_FAULT private 0xf000", next_exit());
	convert(PLAIN, SHARED);
	step("VMM converts, same instruction goes on", "guest has \"ordinary\"", next_exit());
	step("private page without a slot", "MEMORY_FAULT private 0xd0001000", next_exit());
	convert(HOLE, SHARED);
	step("VMM converts, same instruction is MMIO", "MMIO read 0xd0001000 len 4", next_exit());
	device_answers(0x5afe);
	step("VMM answers", "guest has 0x5afe", next_exit());
	step("private access to the APIC page", "MEMORY_FAULT private 0xfee00000", next_exit());
	convert(APIC, SHARED);
	step("VMM converts, guest gets APIC version", "guest has 0x14", next_exit());
}

int main(void)
{
	int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm"), n;

	create_vm(kvm);
	build_page_tables();
	memcpy(low + CODE, guest_start, guest_end - guest_start);
	create_vcpu(kvm);

	puts("\n #  step                                    expected                         seen");
	private_and_shared();
	emulated_mmio();
	mismatches();

	n = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SOFTCVM_INSTRUCTIONS);
	if (n > 0)
		printf("\nthis VM ran %d instructions, and this machine needed no /dev/kvm.\n", n);
	else
		puts("\nthis VM ran on a kernel's own /dev/kvm, which counts no instructions.");
	return all_as_expected ? 0 : 1;
}
