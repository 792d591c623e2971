/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_stats.c - KVM_GET_STATS_FD: what the file says of itself, how it is
 * read, and that the numbers are those of what the guest did.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check_libc.h"
#include "flat_guest.h"
#include "kvm_user.h"

#define NR_OUT		5	/* and one to stop */
#define NR_STORES	3
#define NR_PAGES	7
#define FRESH_GPA	0x10000000UL

__asm__(".pushsection .rodata\n"
	"stats_code:\n"
	"stats_io:	out %al, $0x20; out %al, $0x20; out %al, $0x20; out %al, $0x20;"
	"		out %al, $0x20; out %al, $0x10\n"
	"stats_mmio:	mov %eax, (%rdi); mov %eax, (%rdi); mov %eax, (%rdi); out %al, $0x10\n"
	"stats_touch:	movb $1, (%rdi); add $0x1000, %rdi; dec %ecx; jnz stats_touch; out %al, $0x10\n"
	"stats_call:	mov $5, %eax; vmmcall; out %al, $0x10\n"
	"stats_hcall:	mov $5, %eax; vmcall; out %al, $0x10\n"
	"stats_end:	.popsection\n");
extern const char stats_code[], stats_io[], stats_mmio[], stats_touch[], stats_call[],
	stats_hcall[], stats_end[];

static struct checks c;

/* All of a statistics file. */
struct stats {
	struct kvm_stats_header	h;
	uint8_t			*bytes;
	size_t			 size;
};

static struct stats load(int fd)
{
	struct stats s = { .size = 1 << 16 };
	ssize_t n;

	s.bytes = calloc(1, s.size);
	need(s.bytes, "memory");
	n = pread(fd, s.bytes, s.size, 0);
	need(n > (ssize_t)sizeof(s.h), "the file can be read");
	s.size = (size_t)n;
	memcpy(&s.h, s.bytes, sizeof(s.h));
	return s;
}

static const struct kvm_stats_desc *desc(const struct stats *s, unsigned i)
{
	return (const void *)(s->bytes + s->h.desc_offset + i * (sizeof(struct kvm_stats_desc) +
								 s->h.name_size));
}

static uint64_t value(int fd, const char *name)
{
	struct stats s = load(fd);
	uint64_t v = ~0ull;

	for (unsigned i = 0; i < s.h.num_desc; i++) {
		if (!strcmp(desc(&s, i)->name, name))
			memcpy(&v, s.bytes + s.h.data_offset + desc(&s, i)->offset, sizeof(v));
	}
	free(s.bytes);
	check(&c, v != ~0ull, "there is a statistic %s", name);
	return v;
}

/* @names: the kernel's, in its order, a comma after each. */
static void says_of_itself(int fd, const char *names, const char *id_format, unsigned data_words)
{
	struct stats s = load(fd);
	char all[4096] = "", id[48];

	IS(0, s.h.flags);
	IS(48, s.h.name_size);
	IS(24, s.h.id_offset);
	IS(24 + 48, s.h.desc_offset);
	IS(24 + 48 + s.h.num_desc * (16 + 48), s.h.data_offset);
	IS(s.h.data_offset + data_words * 8, s.size);
	for (unsigned i = 0; i < s.h.num_desc; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s,", desc(&s, i)->name);
	check(&c, !strcmp(all, names), "names are %s", all);
	snprintf(id, sizeof(id), id_format, (int)gettid(), 0);
	check(&c, !strcmp((char *)s.bytes + s.h.id_offset, id), "the id is %s, not %s",
	      (char *)s.bytes + s.h.id_offset, id);
	free(s.bytes);
}

static void is_a_file(int fd)
{
	struct kvm_stats_header h, again;
	void *volatile nowhere = NULL;
	char byte = 0;
	struct iovec v[2] = { { &h, 8 }, { (char *)&h + 8, sizeof(h) - 8 } };

	IS(FD_CLOEXEC, fcntl(fd, F_GETFD) & FD_CLOEXEC);
	IS(O_RDONLY, fcntl(fd, F_GETFL) & O_ACCMODE);
	IS(sizeof(h), read(fd, &h, sizeof(h)));
	IS(sizeof(h), lseek(fd, 0, SEEK_SET));
	IS(sizeof(h), lseek(fd, 1000, SEEK_CUR));
	IS(4, pread(fd, &again, 4, 8));
	check(&c, !memcmp(&again, &h.num_desc, 4), "pread reads where it is told");
	IS(sizeof(h), lseek(fd, 0, SEEK_CUR));
	IS(sizeof(h), preadv(fd, v, 2, 0));
	IS(3, read(fd, &byte, 0) + read(fd, &byte, 1) + read(fd, &again, 2));
	IS(0, pread(fd, &byte, 1, 1 << 20));
	FAILS(EINVAL, pread(fd, &byte, 1, -1));
	FAILS(EFAULT, pread(fd, nowhere, 8, 0));
	FAILS(EINVAL, lseek(fd, 0, 77));
	FAILS(EBADF, write(fd, &byte, 1));
	FAILS(ESPIPE, pwrite(fd, &byte, 1, 0));
	FAILS(ENODEV, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	IS(-ENOTTY, kvm_ioctl(fd, KVM_GET_API_VERSION, 0));
}

static void run_at(struct flat_guest *g, const char *entry, uint64_t rdi, uint64_t rcx, int exits)
{
	struct kvm_regs r = flat_guest_regs(g, entry);

	r.rdi = rdi;
	r.rcx = rcx;
	flat_guest_set(g, &r);
	for (int i = 0; i < exits; i++)
		IS(0, flat_guest_run(g));
	IS(KVM_EXIT_IO, g->run->exit_reason);
	IS(GUEST_IDLE_PORT, g->run->io.port);
}

static void counts(struct flat_guest *g, int vm, int vcpu)
{
	uint64_t io = value(vcpu, "io_exits"), mmio = value(vcpu, "mmio_exits");
	uint64_t calls = value(vcpu, "hypercalls"), pages_4k = value(vm, "pages_4k");
	uint64_t fixed = value(vcpu, "pf_fixed"), exits = value(vcpu, "exits");
	uint64_t flushes = value(vm, "remote_tlb_flush_requests");
	void *fresh = pages(NR_PAGES * PAGE);

	run_at(g, stats_io, 0, 0, NR_OUT + 1);
	IS(io + NR_OUT + 1, value(vcpu, "io_exits"));
	check(&c, value(vcpu, "exits") >= exits + NR_OUT + 1, "every exit is one");

	run_at(g, stats_mmio, GUEST_MMIO, 0, NR_STORES + 1);
	IS(mmio + NR_STORES, value(vcpu, "mmio_exits"));
	check(&c, value(vcpu, "insn_emulation") >= NR_STORES, "MMIO is emulated");

	need(!vm_region(g->vm, 1, 0, FRESH_GPA, NR_PAGES * PAGE, fresh), "slot 1");
	pages_4k = value(vm, "pages_4k");
	run_at(g, stats_touch, FRESH_GPA, NR_PAGES, 1);
	check(&c, value(vcpu, "pf_fixed") >= fixed + NR_PAGES, "%d faults are repaired", NR_PAGES);
	check(&c, value(vm, "pages_4k") >= pages_4k + NR_PAGES, "%d pages come", NR_PAGES);
	pages_4k = value(vm, "pages_4k") + 512 * value(vm, "pages_2m");
	need(!vm_region(g->vm, 1, 0, FRESH_GPA, 0, fresh), "no slot 1");
	check(&c, value(vm, "pages_4k") + 512 * value(vm, "pages_2m") <= pages_4k - NR_PAGES,
	      "the pages go");
	check(&c, value(vm, "remote_tlb_flush_requests") >= flushes, "a flush is counted");

	run_at(g, g->amd ? stats_call : stats_hcall, 0, 0, 1);
	IS(calls + 1, value(vcpu, "hypercalls"));
	IS(0, value(vcpu, "blocking"));
	munmap(fresh, NR_PAGES * PAGE);
}

/* The VM stays as long as a statistics file is open. */
static void outlives(struct flat_guest *g, int vm, int vcpu)
{
	uint64_t exits = value(vcpu, "exits");

	flat_guest_free(g);
	IS(exits, value(vcpu, "exits"));
	check(&c, value(vm, "pages_4k") != ~0ull, "the VM's can be read");
}

int main(void)
{
	static const char vm_names[] =
		"remote_tlb_flush,remote_tlb_flush_requests,mmu_shadow_zapped,mmu_pte_write,"
		"mmu_pde_zapped,mmu_flooded,mmu_recycled,mmu_cache_miss,mmu_unsync,pages_4k,pages_2m,"
		"pages_1g,nx_lpage_splits,max_mmu_rmap_size,max_mmu_page_hash_collisions,";
	static const char vcpu_names[] =
		"halt_successful_poll,halt_attempted_poll,halt_poll_invalid,halt_wakeup,"
		"halt_poll_success_ns,halt_poll_fail_ns,halt_wait_ns,halt_poll_success_hist,"
		"halt_poll_fail_hist,halt_wait_hist,blocking,pf_taken,pf_fixed,pf_emulate,pf_spurious,"
		"pf_fast,pf_mmio_spte_created,pf_guest,tlb_flush,invlpg,exits,io_exits,mmio_exits,"
		"signal_exits,irq_window_exits,nmi_window_exits,l1d_flush,halt_exits,request_irq_exits,"
		"irq_exits,host_state_reload,fpu_reload,insn_emulation,insn_emulation_fail,hypercalls,"
		"irq_injections,nmi_injections,req_event,nested_run,directed_yield_attempted,"
		"directed_yield_successful,preemption_reported,preemption_other,guest_mode,"
		"notify_window_exits,";
	struct flat_guest g;
	int vm, vcpu;

	flat_guest_make(&g, KVM_X86_DEFAULT_VM, false, stats_code, (size_t)(stats_end - stats_code));
	IS(1, kvm_ioctl(g.kvm, KVM_CHECK_EXTENSION, KVM_CAP_BINARY_STATS_FD));
	vm = (int)kvm_ioctl(g.vm, KVM_GET_STATS_FD, 0);
	vcpu = (int)kvm_ioctl(g.vcpu, KVM_GET_STATS_FD, 0);
	need(vm >= 0 && vcpu >= 0, "KVM_GET_STATS_FD");
	says_of_itself(vm, vm_names, "kvm-%d", 15);
	says_of_itself(vcpu, vcpu_names, "kvm-%d/vcpu-%d", 42 + 3 * 32);
	is_a_file(vm);
	is_a_file(vcpu);
	counts(&g, vm, vcpu);
	outlives(&g, vm, vcpu);
	close(vm);
	close(vcpu);
	return checks_end(&c);
}
