/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vcpus.c - interrupts for one vCPU and for 256 of one VM: an ordinary KVM
 * program, for `softcvm exec` and for a real /dev/kvm.
 *
 * Each vCPU has a thread, halts, and counts the interrupts that it gets.  What
 * one destination costs should not depend on how many there are.
 *
 * usage: vcpus [--json] [--runs N]
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/report.h"
#include "tests/abi/kvm_user.h"

#define MANY		256u
#define RAM		0x200000ul
#define PML4		0x1000u
#define PDPT		0x2000u
#define GDT		0x3000u
#define IDT		0x4000u
#define COUNTS		0x5000u		/* of interrupts, a cache line a vCPU */
#define CODE		0x10000u
#define STACKS		0x100000u	/* 512 bytes a vCPU */
#define VECTOR		0x40
#define PORT		0x10
#define X2APIC_ENABLED	0xc00u

/* rdi: where to count.  Enables its APIC, says so, and halts for ever. */
__asm__(".pushsection .rodata\n"
	"vcpus_code:\n"
	"vcpus_start:	mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr\n"
	"	out %al, $0x10\n"
	"1:	sti; hlt; jmp 1b\n"
	/* rsi: what a round adds to the sum at rdi; rbx: the sum after it */
	"vcpus_send:	mov $0x830, %ecx; mov $0xc4040, %eax; xor %edx, %edx; wrmsr\n"
	"2:	pause; cmp %rbx, (%r8); jb 2b\n"
	"	out %al, $0x10; add %rsi, %rbx; jmp vcpus_send\n"
	"vcpus_handler:	push %rax; push %rcx; push %rdx\n"
	"	lock incq (%rdi); lock incq (%r8)\n"
	"	mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr\n"
	"	pop %rdx; pop %rcx; pop %rax; iretq\n"
	"vcpus_end:	.popsection\n");
extern const char vcpus_code[], vcpus_start[], vcpus_send[], vcpus_handler[], vcpus_end[];

struct machine {
	int kvm, vm;
	unsigned nr;
	uint8_t *ram;
	struct vcpu {
		int fd;
		struct kvm_run *run;
		pthread_t thread;
		int eventfd;
	} vcpu[MANY];
};

/* r8: all vCPUs' interrupts together. */
#define SUM(m)	((uint64_t *)((m)->ram + COUNTS + MANY * 64))

static uint64_t at(const char *where)
{
	return CODE + (uint64_t)(where - vcpus_code);
}

static void fill_ram(uint8_t *ram)
{
	uint64_t *gdt = (uint64_t *)(ram + GDT), *gate = (uint64_t *)(ram + IDT + VECTOR * 16);

	*(uint64_t *)(ram + PML4) = PDPT | 3;
	*(uint64_t *)(ram + PDPT) = 0x83;	/* the first GiB, one page */
	gdt[1] = 0x00af9b000000ffffull;
	gdt[2] = 0x00cf93000000ffffull;
	gate[0] = (at(vcpus_handler) & 0xffff) | 8 << 16 | 0x8eull << 40 |
		  (at(vcpus_handler) >> 16 & 0xffff) << 48;
	memcpy(ram + CODE, vcpus_code, (size_t)(vcpus_end - vcpus_code));
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = selector, .type = type,
				     .present = 1, .s = 1, .g = 1, .l = code, .db = !code };
}

static void set_registers(const struct machine *m, unsigned i, const char *entry, uint64_t sum)
{
	struct kvm_regs r = { .rip = at(entry), .rflags = 2, .rsp = STACKS + (i + 1) * 512,
			      .rdi = COUNTS + i * 64, .rsi = m->nr - 1, .rbx = sum,
			      .r8 = COUNTS + MANY * 64 };

	need(!ioctl(m->vcpu[i].fd, KVM_SET_REGS, &r), "KVM_SET_REGS");
}

static void vcpu_begin(struct machine *m, unsigned i)
{
	static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[256]; } cpuid;
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	struct vcpu *v = &m->vcpu[i];
	struct kvm_sregs s;

	v->fd = ioctl(m->vm, KVM_CREATE_VCPU, i);
	need(v->fd >= 0, "KVM_CREATE_VCPU %u", i);
	v->run = vcpu_map(m->kvm, v->fd);
	cpuid.head.nent = 256;
	need(!ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	need(!ioctl(v->fd, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
	need(!ioctl(v->fd, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.cs = flat(8, 11, true);
	s.ds = s.es = s.fs = s.gs = s.ss = flat(16, 3, false);
	s.gdt = (struct kvm_dtable){ .base = GDT, .limit = 23 };
	s.idt = (struct kvm_dtable){ .base = IDT, .limit = 0xfff };
	s.cr0 = 0x80000031;
	s.cr3 = PML4;
	s.cr4 = 0x620;
	s.efer = 0xd00;
	s.apic_base |= X2APIC_ENABLED;
	need(!ioctl(v->fd, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
	need(!ioctl(v->fd, KVM_SET_MP_STATE, &runnable), "KVM_SET_MP_STATE");
	set_registers(m, i, vcpus_start, 0);
	need(!ioctl(v->fd, KVM_RUN, 0) && v->run->exit_reason == KVM_EXIT_IO, "vCPU %u: exit %u", i,
	     v->run->exit_reason);
}

static void *halt(void *arg)
{
	struct vcpu *v = arg;

	ioctl(v->fd, KVM_RUN, 0);	/* until the signal that ends it */
	return NULL;
}

static void add_irqfd(struct machine *m, unsigned i)
{
	struct kvm_irqfd f = { .gsi = i };

	m->vcpu[i].eventfd = eventfd(0, EFD_CLOEXEC);
	f.fd = (uint32_t)m->vcpu[i].eventfd;
	need(m->vcpu[i].eventfd >= 0 && !ioctl(m->vm, KVM_IRQFD, &f), "KVM_IRQFD");
}

static void route(struct machine *m)
{
	size_t size = sizeof(struct kvm_irq_routing) +
		      m->nr * sizeof(struct kvm_irq_routing_entry);
	struct kvm_irq_routing *r = calloc(1, size);

	need(r, "memory");
	r->nr = m->nr;
	for (unsigned i = 0; i < m->nr; i++)
		r->entries[i] = (struct kvm_irq_routing_entry){
			.gsi = i, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = 0xfee00000u | i << 12, .data = VECTOR },
		};
	need(!ioctl(m->vm, KVM_SET_GSI_ROUTING, r), "KVM_SET_GSI_ROUTING");
	free(r);
}

static void machine_begin(struct machine *m, unsigned nr)
{
	*m = (struct machine){ .nr = nr };
	m->kvm = kvm_open();
	m->vm = vm_make(m->kvm, KVM_X86_DEFAULT_VM);
	need(!ioctl(m->vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	/* Number 255 is a vCPU, not all of them. */
	need(!vm_enable(m->vm, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS |
			KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK), "KVM_CAP_X2APIC_API");
	m->ram = pages(RAM);
	fill_ram(m->ram);
	need(!vm_region(m->vm, 0, 0, 0, RAM, m->ram), "RAM");
	for (unsigned i = 0; i < nr; i++)
		vcpu_begin(m, i);
	route(m);
	for (unsigned i = 0; i < nr; i++)
		add_irqfd(m, i);
}

static void start_from(struct machine *m, unsigned first)
{
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 256 << 10);
	for (unsigned i = first; i < m->nr; i++)
		need(!pthread_create(&m->vcpu[i].thread, &small, halt, &m->vcpu[i]), "a thread");
	pthread_attr_destroy(&small);
}

static void interrupt_all(struct machine *m)
{
	for (unsigned i = 0; i < m->nr; i++) {
		struct kvm_msi msi = { .address_lo = 0xfee00000u | i << 12, .data = VECTOR };

		need(ioctl(m->vm, KVM_SIGNAL_MSI, &msi) >= 0, "KVM_SIGNAL_MSI");
	}
}

static void broadcast(struct machine *m)
{
	struct kvm_msi msi = { .address_lo = 0xfeeff000u, .address_hi = 0xffffff00u, .data = VECTOR };

	need(ioctl(m->vm, KVM_SIGNAL_MSI, &msi) >= 0, "KVM_SIGNAL_MSI");
}

static void signal_all(struct machine *m)
{
	for (unsigned i = 0; i < m->nr; i++)
		need(!eventfd_write(m->vcpu[i].eventfd, 1), "eventfd_write");
}

static void await_sum(struct machine *m, uint64_t sum)
{
	double began = now_ns();

	while (__atomic_load_n(SUM(m), __ATOMIC_RELAXED) < sum) {
		need(now_ns() - began < 20e9, "%llu of %llu interrupts after 20 s",
		     (unsigned long long)*SUM(m), (unsigned long long)sum);
		sched_yield();
	}
}

/* The sender's own time for each destination; nobody runs. */
static double sending(struct machine *m, void (*send)(struct machine *m))
{
	unsigned rounds = 4 + 20000 / m->nr;
	double began;

	send(m);
	began = cpu_ns();
	for (unsigned i = 0; i < rounds; i++)
		send(m);
	return (cpu_ns() - began) / rounds / m->nr;
}

/* All halted: from the first to the last handler, for each destination, by the clock on the wall. */
static double arriving(struct machine *m, void (*send)(struct machine *m))
{
	unsigned rounds = 4 + 2000 / m->nr;
	uint64_t sum = *SUM(m);
	double began = now_ns();

	for (unsigned i = 0; i < rounds; i++) {
		send(m);
		await_sum(m, sum += m->nr);
	}
	return (now_ns() - began) / rounds / m->nr;
}

/* vCPU 0 sends to all others and waits for them: rounds of one KVM_RUN each. */
static double ipis(struct machine *m)
{
	unsigned rounds = 4 + 2000 / m->nr;
	struct vcpu *v = &m->vcpu[0];
	double began;

	set_registers(m, 0, vcpus_send, *SUM(m) + m->nr - 1);
	began = now_ns();
	for (unsigned i = 0; i < rounds; i++)
		need(!ioctl(v->fd, KVM_RUN, 0) && v->run->exit_reason == KVM_EXIT_IO, "exit %u",
		     v->run->exit_reason);
	return (now_ns() - began) / rounds / (m->nr - 1);
}

enum { MSI, BROADCAST, MSI_HALTED, BROADCAST_HALTED, IRQFD_HALTED, IPI, NR_KINDS };
static const struct { const char *key, *label; double most; } kinds[NR_KINDS] = {
	{ "msi", "KVM_SIGNAL_MSI to each, nobody runs", 3 },
	{ "broadcast", "KVM_SIGNAL_MSI to all, nobody runs", 1 },
	{ "msi_halted", "KVM_SIGNAL_MSI to each, handled", 3 },
	{ "broadcast_halted", "KVM_SIGNAL_MSI to all, handled", 3 },
	{ "irqfd_halted", "an eventfd for each, handled", 3 },
	{ "ipi", "IPI to all others, handled", 3 },
};

static void measure(unsigned nr, double out[NR_KINDS])
{
	struct machine m;

	machine_begin(&m, nr);
	out[MSI] = sending(&m, interrupt_all);
	out[BROADCAST] = sending(&m, broadcast);
	start_from(&m, 0);
	await_sum(&m, nr);		/* what was sent is one interrupt each */
	out[MSI_HALTED] = arriving(&m, interrupt_all);
	out[BROADCAST_HALTED] = arriving(&m, broadcast);
	out[IRQFD_HALTED] = arriving(&m, signal_all);
}

static void measure_ipis(unsigned nr, double *out)
{
	struct machine m;

	machine_begin(&m, nr);
	start_from(&m, 1);
	*out = ipis(&m);
}

/* In a process of its own: threads in KVM_RUN end with it. */
static void in_child(unsigned nr, bool is_ipi, double out[NR_KINDS])
{
	double result[NR_KINDS] = { 0 };
	int to_us[2];
	pid_t child;

	need(!pipe(to_us), "pipe");
	child = fork();
	if (!child) {
		if (is_ipi)
			measure_ipis(nr, &result[IPI]);
		else
			measure(nr, result);
		_exit(write(to_us[1], result, sizeof(result)) != sizeof(result));
	}
	close(to_us[1]);
	need(read(to_us[0], result, sizeof(result)) == sizeof(result), "%u vCPUs", nr);
	close(to_us[0]);
	waitpid(child, NULL, 0);
	for (unsigned i = 0; i < NR_KINDS; i++)
		if ((i == IPI) == is_ipi)
			out[i] = result[i];
}

int main(int argc, char **argv)
{
	struct series few[NR_KINDS] = { { 0 } }, many[NR_KINDS] = { { 0 } };
	struct report r;
	char key[64];

	report_begin(&r, "vcpus", "Interrupts: time for each destination, of 1 and of 256.", 5, &argc,
		     argv);
	for (int run = 0; run < r.runs; run++) {
		double one[NR_KINDS], all[NR_KINDS];

		in_child(1, false, one);
		in_child(2, true, one);
		in_child(MANY, false, all);
		in_child(MANY, true, all);
		for (unsigned i = 0; i < NR_KINDS; i++) {
			series_add(&few[i], one[i]);
			series_add(&many[i], all[i]);
		}
	}
	for (unsigned i = 0; i < NR_KINDS; i++) {
		snprintf(key, sizeof(key), "%s.1", kinds[i].key);
		report_series(&r, key, kinds[i].label, "ns", &few[i]);
		snprintf(key, sizeof(key), "%s.256", kinds[i].key);
		report_series(&r, key, "  of 256", "ns", &many[i]);
	}
	for (unsigned i = 0; i < NR_KINDS; i++) {
		snprintf(key, sizeof(key), "%s.goal", kinds[i].key);
		report_goal(&r, key, kinds[i].label,
			    series_median(&many[i]) / series_median(&few[i]), AT_MOST, kinds[i].most,
			    "times");
	}
	return report_end(&r);
}
