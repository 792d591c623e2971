/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "snp_user.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* RBX: the mailbox: RSI, RDI, RCX of a copy; a negative RCX: RSI goes to the GHCB MSR, whose answer is the fourth. */
__asm__(".pushsection .rodata\n"
	"snp_code:	hlt\n"
	"	movq (%rbx), %rsi; movq 8(%rbx), %rdi; movq 16(%rbx), %rcx\n"
	"	testq %rcx, %rcx; js 1f\n"
	"	rep movsb; jmp snp_code\n"
	"1:	movl %esi, %eax; movq %rsi, %rdx; shrq $32, %rdx; movl $0xc0010130, %ecx; wrmsr\n"
	"	.byte 0xf3, 0x0f, 0x01, 0xd9\n"
	"	rdmsr; shlq $32, %rdx; orq %rax, %rdx; movq %rdx, 24(%rbx); jmp snp_code\n"
	"snp_code_end:	.popsection\n");
extern const char snp_code[], snp_code_end[];

long snp_op(const struct snp_guest *g, uint32_t id, void *data, uint32_t *error)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = (uint32_t)g->sev,
				   .error = error ? *error : 0 };
	long r = kvm_ioctlp(g->vm, KVM_MEMORY_ENCRYPT_OP, &cmd);

	if (error)
		*error = cmd.error;
	return r;
}

static void must(const struct snp_guest *g, uint32_t id, void *data)
{
	uint32_t error = 0;
	long r = snp_op(g, id, data, &error);

	need(!r, "SEV command %u: %s, firmware %u", id, errno_name(-r), error);
}

void snp_make(struct snp_guest *g)
{
	struct kvm_sev_init init = { 0 };
	long gmem;

	*g = (struct snp_guest){ .kvm = kvm_open(), .sev = open("/dev/sev", O_RDWR | O_CLOEXEC),
				 .vcpu = -1 };
	need(g->sev >= 0, "/dev/sev: %s", strerror(errno));
	g->c_bit = kvm_c_bit(g->kvm);
	need(g->c_bit, "no memory encryption");
	g->vm = vm_make(g->kvm, KVM_X86_SNP_VM);
	must(g, KVM_SEV_INIT2, &init);
	g->memory = pages(SNP_SIZE);
	gmem = vm_gmem(g->vm, SNP_SIZE, 0);
	need(gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	g->gmem = (int)gmem;
	need(!vm_region_gmem(g->vm, 0, 0, SNP_SIZE, g->memory, g->gmem, 0), "a memory slot");
}

void snp_add_vcpu(struct snp_guest *g)
{
	struct kvm_regs regs = { .rip = SNP_CODE, .rbx = SNP_SHARED + SNP_MAILBOX, .rflags = 2 };

	g->vcpu = (int)kvm_ioctl(g->vm, KVM_CREATE_VCPU, 0);
	need(g->vcpu >= 0, "KVM_CREATE_VCPU");
	g->run = vcpu_map(g->kvm, g->vcpu);
	need(!kvm_ioctlp(g->vcpu, KVM_SET_CPUID2, kvm_supported_cpuid(g->kvm)), "KVM_SET_CPUID2");
	vcpu_long_mode(g->vcpu, SNP_IMAGE, true);
	need(!kvm_ioctlp(g->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

void snp_end(struct snp_guest *g)
{
	if (g->vcpu >= 0) {
		munmap(g->run, (size_t)kvm_ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
		close(g->vcpu);
	}
	munmap(g->memory, SNP_SIZE);
	close(g->gmem);
	close(g->vm);
	close(g->sev);
	close(g->kvm);
}

void snp_start(const struct snp_guest *g)
{
	struct kvm_sev_snp_launch_start start = { .policy = SNP_POLICY };

	must(g, KVM_SEV_SNP_LAUNCH_START, &start);
}

void snp_put(const struct snp_guest *g, uint64_t gpa, const void *from, uint64_t size, uint8_t type)
{
	struct kvm_sev_snp_launch_update update = {
		.gfn_start = gpa / PAGE, .uaddr = (uintptr_t)from, .len = size, .type = type,
	};

	need(!vm_attributes(g->vm, gpa, size, KVM_MEMORY_ATTRIBUTE_PRIVATE), "private memory");
	must(g, KVM_SEV_SNP_LAUNCH_UPDATE, &update);
	need(!update.len, "all of the range at %#lx", (unsigned long)gpa);
}

void snp_image(const struct snp_guest *g, uint8_t image[SNP_IMAGE_END - SNP_IMAGE])
{
	memset(image, 0, SNP_IMAGE_END - SNP_IMAGE);
	sev_tables(image, SNP_IMAGE, SNP_SIZE, g->c_bit);
	memcpy(image + SNP_CODE - SNP_IMAGE, snp_code, (size_t)(snp_code_end - snp_code));
}

void snp_finish(const struct snp_guest *g)
{
	struct kvm_sev_snp_launch_finish finish = { 0 };

	must(g, KVM_SEV_SNP_LAUNCH_FINISH, &finish);
}

void snp_run(const struct snp_guest *g)
{
	long r = kvm_ioctl(g->vcpu, KVM_RUN, 0);

	need(!r && g->run->exit_reason == KVM_EXIT_HLT,
	     "the guest halts: %s, exit %u (of a memory fault: flags %#llx, GPA %#llx)",
	     errno_name(-r), g->run->exit_reason, (unsigned long long)g->run->memory_fault.flags,
	     (unsigned long long)g->run->memory_fault.gpa);
}

static void ask(const struct snp_guest *g, uint64_t rsi, uint64_t rdi, uint64_t rcx)
{
	uint64_t request[3] = { rsi, rdi, rcx };

	memcpy(g->memory + SNP_MAILBOX, request, sizeof(request));
}

void snp_ask_copy(const struct snp_guest *g, uint64_t to, uint64_t from, uint64_t size)
{
	ask(g, from, to, size);
}

void snp_copy(const struct snp_guest *g, uint64_t to, uint64_t from, uint64_t size)
{
	ask(g, from, to, size);
	snp_run(g);
}

void snp_ask_msr(const struct snp_guest *g, uint64_t value)
{
	ask(g, value, 0, ~0ULL);
}

uint64_t snp_msr(const struct snp_guest *g, uint64_t value)
{
	uint64_t answer;

	snp_ask_msr(g, value);
	snp_run(g);
	memcpy(&answer, g->memory + SNP_MAILBOX + 24, sizeof(answer));
	return answer;
}
