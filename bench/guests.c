/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guests.c - the programs of bench/guest, run as the firmware of a small
 * machine: an ordinary KVM program, for `softcvm exec` and for a real
 * /dev/kvm.  A program says on port 0xe9 when it begins (1) and ends (2).
 *
 * usage: guests [--json] [--runs N] IMAGE...
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/report.h"
#include "tests/abi/kvm_user.h"

#define IMAGE_SIZE	0x40000ull
#define ROM		(0x100000000ull - IMAGE_SIZE)
#define RAM_SIZE	(64ull << 20)
#define HUGE		(2ull << 20)
#define PORT		0xe9

struct machine {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *ram, *rom;
};

static void give_cpuid(const struct machine *m)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid;

	cpuid.head.nent = 256;
	need(!ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	need(!ioctl(m->vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
}

static void machine_make(struct machine *m, const char *image)
{
	int fd = open(image, O_RDONLY | O_CLOEXEC);

	need(fd >= 0, "%s", image);
	m->kvm = kvm_open();
	m->vm = vm_make(m->kvm, KVM_X86_DEFAULT_VM);
	m->ram = pages(RAM_SIZE + HUGE);
	m->ram += -(uintptr_t)m->ram & (HUGE - 1);
	madvise(m->ram, RAM_SIZE, MADV_HUGEPAGE);	/* as QEMU does */
	m->rom = pages(IMAGE_SIZE);
	need(read(fd, m->rom, IMAGE_SIZE) == (ssize_t)IMAGE_SIZE, "%s is not an image", image);
	close(fd);
	need(!vm_region(m->vm, 0, 0, 0, RAM_SIZE, m->ram), "RAM");
	need(!vm_region(m->vm, 1, 0, ROM, IMAGE_SIZE, m->rom), "ROM");
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	need(m->vcpu >= 0, "KVM_CREATE_VCPU");
	m->run = vcpu_map(m->kvm, m->vcpu);
	give_cpuid(m);
}

static void machine_free(struct machine *m)
{
	munmap(m->run, 3 * PAGE);
	close(m->vcpu);
	close(m->vm);
	close(m->kvm);
	munmap(m->ram, RAM_SIZE);	/* and what lies before it, at the end of the process */
	munmap(m->rom, IMAGE_SIZE);
}

static void run_to_mark(struct machine *m, uint8_t mark)
{
	const uint8_t *data = (const uint8_t *)m->run + m->run->io.data_offset;

	need(!ioctl(m->vcpu, KVM_RUN, 0), "KVM_RUN");
	need(m->run->exit_reason == KVM_EXIT_IO && m->run->io.port == PORT, "exit %u",
	     m->run->exit_reason);
	data = (const uint8_t *)m->run + m->run->io.data_offset;
	need(*data == mark, "mark %u, not %u", *data, mark);
}

static void measure(struct report *r, const char *image)
{
	const char *slash = strrchr(image, '/'), *name = slash ? slash + 1 : image;
	struct series ms = { 0 };
	struct machine m;
	char key[64];

	machine_make(&m, image);
	run_to_mark(&m, 1);
	run_to_mark(&m, 2);		/* once to get warm */
	for (int i = 0; i < r->runs; i++) {
		double began;

		run_to_mark(&m, 1);
		began = cpu_ns();
		run_to_mark(&m, 2);
		series_add(&ms, (cpu_ns() - began) / 1e6);
	}
	machine_free(&m);
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(name, "."), name);
	report_series(r, key, key, "ms", &ms);
	series_free(&ms);
}

int main(int argc, char **argv)
{
	struct report r;

	report_begin(&r, "guests", "The programs of bench/guest, one run of each.", 11, &argc, argv);
	pin_to(0);
	for (int i = 1; i < argc; i++)
		measure(&r, argv[i]);
	return report_end(&r);
}
