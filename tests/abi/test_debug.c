/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_debug.c - a guest under the VMM's debugger, registers that the VMM
 * answers for, and exits that it has given up.
 *
 * usage: test_debug [--verbose]
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "check_libc.h"
#include "flat_guest.h"
#include "kvm_user.h"

__asm__(".pushsection .rodata\n"
	".macro done\n out %al, $0x10\n .endm\n"
	"debug_code:\n"
	"debug_int3:	int3; done\n"
	"debug_steps:	nop; mov $1, %ebx; cpuid; xor %eax, %eax; done\n"
	"debug_popf:	pushfq; orl $0x100, (%rsp); popfq; nop; nop; done\n"
	"debug_rdmsr:	rdmsr; done\n"
	"debug_wrmsr:	wrmsr; done\n"
	"debug_hlt:	sti; hlt; done\n"
	"debug_mov_dr:	mov %rbx, %dr0; mov %dr0, %rcx; mov %dr7, %rdx; done\n"
	"debug_store:	movl $7, (%rdi); nop; done\n"
	"debug_load:	mov (%rdi), %ax; done\n"
	"debug_handler:	pop %rax; done\n"
	"debug_end:	.popsection\n");
extern const char debug_code[], debug_int3[], debug_steps[], debug_popf[], debug_rdmsr[],
	debug_wrmsr[], debug_hlt[], debug_mov_dr[], debug_store[], debug_load[], debug_handler[],
	debug_end[];

#define IDT	GUEST_FREE
#define AT(label) (GUEST_CODE + (uint64_t)((label) - debug_code))

static struct checks c;

/* Every vector's gate leads to debug_handler, which takes the pushed RIP into RAX. */
static void make(struct flat_guest *g, bool irqchip)
{
	uint64_t to = AT(debug_handler);
	struct kvm_sregs s;

	flat_guest_make(g, KVM_X86_DEFAULT_VM, irqchip, debug_code,
			(size_t)(debug_end - debug_code));
	for (int i = 0; i < 256; i++) {
		uint64_t gate[2] = { (to & 0xffff) | 8 << 16 | 0x8e00ULL << 32 |
				     (to >> 16 & 0xffff) << 48, 0 };

		memcpy(g->low + IDT + 16 * i, gate, sizeof(gate));
	}
	/* A code segment for the gates, where the tables leave room. */
	memcpy(g->low + IDT + 0x1000 + 8, &(uint64_t){ 0x00af9b000000ffffULL }, 8);
	need(!ioctl(g->vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.idt = (struct kvm_dtable){ .base = IDT, .limit = 0xfff };
	s.gdt = (struct kvm_dtable){ .base = IDT + 0x1000, .limit = 0xf };
	need(!ioctl(g->vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
}

static void start(struct flat_guest *g, const char *entry)
{
	struct kvm_regs r = flat_guest_regs(g, entry);

	r.rdi = IDT + 0x2000;
	flat_guest_set(g, &r);
}

static void debug(struct flat_guest *g, uint32_t control, uint64_t dr0, uint64_t dr7)
{
	struct kvm_guest_debug d = { .control = control };

	d.arch.debugreg[0] = dr0;
	d.arch.debugreg[7] = dr7;
	need(!ioctl(g->vcpu, KVM_SET_GUEST_DEBUG, &d), "KVM_SET_GUEST_DEBUG");
}

static void is_debug_exit(struct flat_guest *g, uint32_t exception, uint64_t pc, uint64_t dr6)
{
	IS(0, flat_guest_run(g));
	IS(KVM_EXIT_DEBUG, g->run->exit_reason);
	IS(exception, g->run->debug.arch.exception);
	IS(pc, g->run->debug.arch.pc);
	if (exception == DB_VECTOR)
		IS(dr6, g->run->debug.arch.dr6);
}

static void is_done(struct flat_guest *g)
{
	IS(0, flat_guest_run(g));
	IS(KVM_EXIT_IO, g->run->exit_reason);
	IS(GUEST_IDLE_PORT, g->run->io.port);
}

/* INT3 is the VMM's, and goes back to the guest as if it had never left. */
static void breakpoints_go_and_come(void)
{
	struct flat_guest g;

	make(&g, true);
	start(&g, debug_int3);
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0, 0);
	is_debug_exit(&g, BP_VECTOR, AT(debug_int3), 0);
	IS(AT(debug_int3), flat_guest_get(&g).rip);
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP, 0, 0);
	is_done(&g);
	IS(AT(debug_int3) + 1, flat_guest_get(&g).rax);
	flat_guest_free(&g);
}

static void steps_count_what_kvm_does(void)
{
	static const uint8_t lengths[] = { 1, 5, 2, 2 };
	uint64_t rip = AT(debug_steps);
	struct flat_guest g;

	make(&g, true);
	start(&g, debug_steps);
	for (unsigned i = 0; i < sizeof(lengths); i++) {
		rip += lengths[i];
		debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0);
		is_debug_exit(&g, DB_VECTOR, rip, 0xffff4ff0);
		IS(0, flat_guest_get(&g).rflags & 0x100);
	}
	/* It goes on without being asked again, until RIP is moved elsewhere. */
	start(&g, debug_steps);
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0);
	is_debug_exit(&g, DB_VECTOR, AT(debug_steps) + 1, 0xffff4ff0);
	is_debug_exit(&g, DB_VECTOR, AT(debug_steps) + 6, 0xffff4ff0);
	start(&g, debug_steps);
	is_debug_exit(&g, DB_VECTOR, AT(debug_steps) + 1, 0xffff4ff0);
	start(&g, debug_steps + 1);
	is_done(&g);
	debug(&g, 0, 0, 0);
	flat_guest_free(&g);
}

/* The guest's own TF: KVM's instructions trap like the processor's. */
static void guests_step_themselves(void)
{
	struct flat_guest g;
	struct kvm_debugregs d;
	struct kvm_regs r;

	make(&g, true);
	start(&g, debug_popf);
	is_done(&g);
	IS(AT(debug_popf) + 10, flat_guest_get(&g).rax);
	start(&g, debug_steps + 6);		/* CPUID */
	r = flat_guest_get(&g);
	r.rflags |= 0x100;
	flat_guest_set(&g, &r);
	is_done(&g);
	IS(AT(debug_steps) + 8, flat_guest_get(&g).rax);
	need(!ioctl(g.vcpu, KVM_GET_DEBUGREGS, &d), "KVM_GET_DEBUGREGS");
	IS(0xffff4ff0, d.dr6);
	flat_guest_free(&g);
}

/* The guest's debug registers are its own while the VMM's are in use. */
static void debug_registers_are_kept_apart(void)
{
	struct flat_guest g;
	struct kvm_debugregs d;
	struct kvm_regs r;

	make(&g, true);
	start(&g, debug_mov_dr);
	r = flat_guest_get(&g);
	r.rbx = 0x123456789;
	flat_guest_set(&g, &r);
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, AT(debug_store), 0x402);
	is_done(&g);
	IS(0x123456789, flat_guest_get(&g).rcx);
	IS(0x400, flat_guest_get(&g).rdx);
	need(!ioctl(g.vcpu, KVM_GET_DEBUGREGS, &d), "KVM_GET_DEBUGREGS");
	IS(0x123456789, d.db[0]);
	IS(0x400, d.dr7);
	IS(0xffff0ff0, d.dr6);
	start(&g, debug_store);
	is_debug_exit(&g, DB_VECTOR, AT(debug_store), 0xffff0ff1);
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, IDT + 0x2000, 0xd0402);
	is_debug_exit(&g, DB_VECTOR, AT(debug_store) + 6, 0xffff0ff1);
	debug(&g, 0, 0, 0);
	is_done(&g);
	flat_guest_free(&g);
}

/* An unknown register is asked for; the answer may come after other runs of 0 length. */
static void the_vmm_answers_for_registers(void)
{
	struct flat_guest g;
	struct kvm_regs r;

	make(&g, true);
	need(!vm_enable(g.vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN), "exits");
	start(&g, debug_rdmsr);
	r = flat_guest_get(&g);
	r.rcx = 0xdeadbeef;
	flat_guest_set(&g, &r);
	IS(0, flat_guest_run(&g));
	IS(KVM_EXIT_X86_RDMSR, g.run->exit_reason);
	IS(KVM_MSR_EXIT_REASON_UNKNOWN, g.run->msr.reason);
	IS(0xdeadbeef, g.run->msr.index);
	g.run->msr.data = 0x1122334455667788ULL;
	g.run->immediate_exit = 1;
	IS(-EINTR, flat_guest_run(&g));		/* completed, and back */
	g.run->immediate_exit = 0;
	IS(0x55667788, flat_guest_get(&g).rax);
	IS(0x11223344, flat_guest_get(&g).rdx);
	IS(AT(debug_rdmsr) + 2, flat_guest_get(&g).rip);
	is_done(&g);

	start(&g, debug_wrmsr);
	r = flat_guest_get(&g);
	r.rcx = 0xdeadbeef;
	r.rax = 0xffffffff00000005ULL;
	r.rdx = 7;
	flat_guest_set(&g, &r);
	IS(0, flat_guest_run(&g));
	IS(KVM_EXIT_X86_WRMSR, g.run->exit_reason);
	IS(0x700000005ULL, g.run->msr.data);
	g.run->msr.error = 1;			/* #GP */
	is_done(&g);
	IS(0, flat_guest_get(&g).rax);		/* its error code lies on top */
	flat_guest_free(&g);
}

/* The first range that covers a register decides, then the default. */
static void filters_deny_and_allow(void)
{
	static uint8_t none[8], all[8] = { 0xff };
	struct kvm_msr_filter f = {
		.flags = KVM_MSR_FILTER_DEFAULT_DENY,
		.ranges = { { KVM_MSR_FILTER_READ, 1, 0x174, none },
			    { KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 2, 0x174, all } },
	};
	static const struct { uint32_t index; bool write, ok; } asks[] = {
		{ 0x174, false, false }, { 0x174, true, true }, { 0x175, false, true },
		{ 0x176, false, false }, { 0x176, true, false },
	};
	struct flat_guest g;

	make(&g, true);
	need(!vm_enable(g.vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER), "exits");
	need(!ioctl(g.vm, KVM_X86_SET_MSR_FILTER, &f), "KVM_X86_SET_MSR_FILTER");
	for (unsigned i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		struct kvm_regs r;

		start(&g, asks[i].write ? debug_wrmsr : debug_rdmsr);
		r = flat_guest_get(&g);
		r.rcx = asks[i].index;
		flat_guest_set(&g, &r);
		IS(0, flat_guest_run(&g));
		IS(asks[i].ok ? KVM_EXIT_IO : asks[i].write ? KVM_EXIT_X86_WRMSR :
		   KVM_EXIT_X86_RDMSR, g.run->exit_reason);
		if (!asks[i].ok)
			is_done(&g);
	}
	flat_guest_free(&g);
}

/* Masked events have the event select of the vendor: 12 bits on AMD, 8 on Intel. */
static void event_selects_are_the_vendors(void)
{
	struct { struct kvm_pmu_event_filter head; __u64 event; } f = {
		.head = { .nevents = 1, .flags = KVM_PMU_EVENT_FLAG_MASKED_EVENTS },
		.event = KVM_PMU_MASKED_ENTRY_EVENT_SELECT,
	};
	struct flat_guest g;

	make(&g, true);
	IS(g.amd ? 0 : -EINVAL, kvm_ioctlp(g.vm, KVM_SET_PMU_EVENT_FILTER, &f));
	flat_guest_free(&g);
}

/*
 * PAE paging whose directory pointers only the VMM has: memory at CR3 is empty.
 * Intel's processors take them; AMD's know none but those in memory.
 */
static void directory_pointers_of_the_vmm(void)
{
	struct kvm_translation t = { .linear_address = AT(debug_store) };
	struct kvm_sregs2 s;
	struct flat_guest g;

	make(&g, true);
	need(!ioctl(g.vcpu, KVM_GET_SREGS2, &s), "KVM_GET_SREGS2");
	s.cs.l = 0;
	s.cs.db = 1;
	s.efer = 0;
	s.cr3 = IDT + 0x3000;
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	s.pdptrs[0] = (*(uint64_t *)(g.low + 0x2000) & ~0xfffULL) | 1;
	need(!ioctl(g.vcpu, KVM_SET_SREGS2, &s), "KVM_SET_SREGS2");
	start(&g, debug_store + 6);
	need(!ioctl(g.vcpu, KVM_TRANSLATE, &t), "KVM_TRANSLATE");
	IS(1, t.valid);
	IS(AT(debug_store), t.physical_address);
	IS(0, flat_guest_run(&g));
	IS(g.amd ? KVM_EXIT_SHUTDOWN : KVM_EXIT_IO, g.run->exit_reason);
	flat_guest_free(&g);
}

static void nothing(int signal)
{
	(void)signal;
}

/* A guest that halts by itself ends KVM_RUN no more; a signal still does. */
static void halting_is_the_guests_own(void)
{
	/* Again and again: one may come before KVM_RUN, or before the guest has halted. */
	const struct itimerval often = { { .tv_usec = 20000 }, { .tv_usec = 20000 } };
	const struct itimerval never = { .it_value.tv_usec = 0 };
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct sigaction action = { .sa_handler = nothing };
	struct flat_guest g;

	make(&g, false);
	need(!vm_enable(g.vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT), "exits");
	need(!sigaction(SIGALRM, &action, NULL) && !setitimer(ITIMER_REAL, &often, NULL), "a timer");
	start(&g, debug_hlt);
	do {
		IS(-EINTR, flat_guest_run(&g));
		usleep(1);		/* TSan holds signals back until libc is called */
	} while (flat_guest_get(&g).rip < AT(debug_hlt) + 2);
	need(!setitimer(ITIMER_REAL, &never, NULL), "setitimer");
	IS(AT(debug_hlt) + 2, flat_guest_get(&g).rip);
	need(!ioctl(g.vcpu, KVM_INTERRUPT, &irq), "KVM_INTERRUPT");
	is_done(&g);
	IS(AT(debug_hlt) + 2, flat_guest_get(&g).rax);
	flat_guest_free(&g);
}

/*
 * The VMM answers a load, and meanwhile has made another one of its bytes: four
 * bytes from [BX] instead of two from [RDI].  The answer is not enough for that.
 */
static void mode_changes_under_a_load(void)
{
	struct flat_guest g;
	struct kvm_regs r;
	struct kvm_sregs s;

	make(&g, false);
	r = flat_guest_regs(&g, debug_load);
	r.rdi = GUEST_MMIO;
	r.rbx = GUEST_FREE + 0x1800;
	flat_guest_set(&g, &r);
	memcpy(g.low + r.rbx, "wxyz", 4);
	IS(0, flat_guest_run(&g));
	IS(KVM_EXIT_MMIO, g.run->exit_reason);
	IS(2, g.run->mmio.len);
	IS(0, ioctl(g.vcpu, KVM_GET_SREGS, &s));
	s.cs.l = s.cs.db = 0;
	IS(0, ioctl(g.vcpu, KVM_SET_SREGS, &s));
	IS(0, flat_guest_run(&g));
	IS(KVM_EXIT_IO, g.run->exit_reason);
	IS(GUEST_IDLE_PORT, g.run->io.port);
	flat_guest_free(&g);
}

int main(int argc, char **argv)
{
	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	breakpoints_go_and_come();
	steps_count_what_kvm_does();
	guests_step_themselves();
	debug_registers_are_kept_apart();
	the_vmm_answers_for_registers();
	filters_deny_and_allow();
	event_selects_are_the_vendors();
	directory_pointers_of_the_vmm();
	halting_is_the_guests_own();
	mode_changes_under_a_load();
	return checks_end(&c);
}
