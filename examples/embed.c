/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * embed.c - a VMM of one page: it makes its own KVM and runs a few
 * instructions on it.
 *
 *	cc -o embed embed.c $(pkg-config --cflags --libs softcvm) && ./embed
 *
 * usage: embed [amd|intel]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <softcvm/softcvm.h>
#include <softcvm/uapi/kvm.h>

#define MEMORY	0x10000UL
#define CODE	0x1000UL

/* Real mode: prints what is at 0x2000 through port 0x3f8, byte by byte, then HLT. */
static const unsigned char code[] = {
	0xbe, 0x00, 0x20,	/*	mov	$0x2000, %si */
	0xba, 0xf8, 0x03,	/*	mov	$0x3f8, %dx */
	0xac,			/* 1:	lodsb */
	0x84, 0xc0,		/*	test	%al, %al */
	0x74, 0x03,		/*	jz	2f */
	0xee,			/*	out	%al, (%dx) */
	0xeb, 0xf8,		/*	jmp	1b */
	0xf4,			/* 2:	hlt */
};

static struct softcvm *machine;

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

/* Flat real-mode segments, RIP at the code. */
static void set_registers(int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };

	check(!softcvm_ioctl(machine, vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	check(!softcvm_ioctl(machine, vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(!softcvm_ioctl(machine, vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* Until HLT; what the guest prints goes to our standard output. */
static void run(int vcpu, struct kvm_run *run)
{
	for (;;) {
		check(!softcvm_ioctl(machine, vcpu, KVM_RUN, 0), "KVM_RUN");
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			fwrite((char *)run + run->io.data_offset, run->io.size, run->io.count, stdout);
			break;
		case KVM_EXIT_HLT:
			return;
		default:
			fprintf(stderr, "exit %u was not expected\n", run->exit_reason);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	char why[200] = "";
	struct softcvm_machine wanted = { .size = sizeof(wanted), .cpu = argc > 1 ? argv[1] : NULL,
					  .why = why, .why_size = sizeof(why) };
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct kvm_run *page;
	unsigned char *memory;
	int kvm, vm, vcpu, size;

	machine = softcvm_open(&wanted);
	if (!machine) {
		fprintf(stderr, "no machine: %s\n", why);
		return 1;
	}
	kvm = softcvm_dev_kvm(machine);
	vm = softcvm_ioctl(machine, kvm, KVM_CREATE_VM, 0);
	check(kvm >= 0 && vm >= 0, "KVM_CREATE_VM");

	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(memory != MAP_FAILED, "mmap");
	memcpy(memory + CODE, code, sizeof(code));
	strcpy((char *)memory + 0x2000, "hello from a guest\n");
	region.userspace_addr = (uintptr_t)memory;
	check(!softcvm_ioctl(machine, vm, KVM_SET_USER_MEMORY_REGION, &region), "memory");

	vcpu = softcvm_ioctl(machine, vm, KVM_CREATE_VCPU, 0);
	check(vcpu >= 0, "KVM_CREATE_VCPU");
	size = softcvm_ioctl(machine, kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	page = softcvm_mmap(machine, NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	check(page != MAP_FAILED, "mmap of the vCPU");
	set_registers(vcpu);
	run(vcpu, page);

	softcvm_munmap(machine, page, (size_t)size);
	softcvm_close(machine, vcpu);
	softcvm_close(machine, vm);
	softcvm_close(machine, kvm);
	softcvm_munmap(machine, memory, MEMORY);
	softcvm_free(machine);
	return 0;
}
