/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "bench/sev_guest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/report.h"
#include "tests/abi/kvm_user.h"
#include "tests/abi/long_mode.h"

#define TABLES	0x1000u

struct guest guest_begin(unsigned long type)
{
	struct guest g = { .type = type, .kvm = kvm_open(), .vcpu = -1, .sev = -1, .gmem = -1 };

	g.vm = vm_make(g.kvm, type);
	return g;
}

void guest_command(const struct guest *g, uint32_t id, void *data)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = (uint32_t)g->sev };

	need(!ioctl(g->vm, KVM_MEMORY_ENCRYPT_OP, &cmd), "SEV command %u: firmware %u", id, cmd.error);
}

void guest_init2(struct guest *g)
{
	struct kvm_sev_init init = { 0 };

	g->sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
	need(g->sev >= 0, "/dev/sev");
	guest_command(g, KVM_SEV_INIT2, &init);
}

void guest_ram(struct guest *g, uint64_t size)
{
	g->size = size;
	g->ram = pages(size + 2 * MIB);
	g->ram += -(uintptr_t)g->ram & (2 * MIB - 1);
}

void guest_boot(struct guest *g, const char *code, size_t size, const struct kvm_regs *regs)
{
	uint64_t c_bit = g->type == KVM_X86_DEFAULT_VM ? 0 : kvm_c_bit(g->kvm);

	if (!c_bit && g->type != KVM_X86_DEFAULT_VM)
		cannot("this /dev/kvm has no SEV");
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	need(g->vcpu >= 0, "KVM_CREATE_VCPU");
	/* Its first page only: valgrind refuses what the third one is made of. */
	g->run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	need(g->run != MAP_FAILED, "the run page");
	need(!ioctl(g->vcpu, KVM_SET_CPUID2, kvm_supported_cpuid(g->kvm)), "KVM_SET_CPUID2");
	sev_tables(g->ram + TABLES, TABLES, g->size, c_bit);
	memcpy(g->ram + GUEST_CODE, code, size);
	vcpu_long_mode(g->vcpu, TABLES, false);
	need(!ioctl(g->vcpu, KVM_SET_REGS, regs), "KVM_SET_REGS");
}

void guest_end(struct guest *g)
{
	if (g->run) {
		munmap(g->run, PAGE);
		close(g->vcpu);
	}
	close(g->vm);
	if (g->sev >= 0)
		close(g->sev);
	if (g->gmem >= 0)
		close(g->gmem);
	close(g->kvm);
	if (g->ram)
		munmap(g->ram, g->size);
}
