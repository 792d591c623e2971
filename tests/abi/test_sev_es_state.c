/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sev_es_state.c - ioctls on the registers of SEV-ES guests: their errno
 * before and after the launch has encrypted them, of a VM whose type says that it
 * protects state, and of one that became SEV-ES by KVM_SEV_ES_INIT.
 *
 * Where KVM answers EINVAL and where EFAULT tells the order in which it looks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_user.h"

#define TYPE_DEFAULT	0
#define TYPE_SEV_ES	3
#define POLICY_ES	(1u << 2)
#define MSR_STAR	0xc0000081u	/* the guest writes it by itself */
#define MSR_TSC		0x10u		/* and not this one */

static struct checks checks;

struct machine {
	int kvm, sev, vm, vcpu;
	struct kvm_run *run;
};

static long command(const struct machine *m, uint32_t id, void *data)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = (uint32_t)m->sev };

	return kvm_ioctlp(m->vm, KVM_MEMORY_ENCRYPT_OP, &cmd);
}

static struct machine machine_make(unsigned long type)
{
	struct kvm_sev_init init = { 0 };
	struct kvm_sev_launch_start start = { .policy = POLICY_ES };
	struct machine m = { .kvm = kvm_open(), .sev = open("/dev/sev", O_RDWR | O_CLOEXEC) };
	void *memory = pages(16 * PAGE);

	need(m.sev >= 0, "/dev/sev: %s", strerror(errno));
	m.vm = vm_make(m.kvm, type);
	need(!(type == TYPE_SEV_ES ? command(&m, KVM_SEV_INIT2, &init)
				   : command(&m, KVM_SEV_ES_INIT, NULL)), "initialisation");
	need(!vm_region(m.vm, 0, 0, 0, 16 * PAGE, memory), "a region");
	m.vcpu = (int)kvm_ioctl(m.vm, KVM_CREATE_VCPU, 0);
	need(m.vcpu >= 0, "KVM_CREATE_VCPU");
	m.run = vcpu_map(m.kvm, m.vcpu);
	need(!command(&m, KVM_SEV_LAUNCH_START, &start), "LAUNCH_START");
	return m;
}

static void machine_launch(const struct machine *m)
{
	uint8_t digest[64];
	struct kvm_sev_launch_measure measure = { .uaddr = (uintptr_t)digest,
						  .len = sizeof(digest) };

	need(!command(m, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL), "LAUNCH_UPDATE_VMSA");
	need(!command(m, KVM_SEV_LAUNCH_MEASURE, &measure), "LAUNCH_MEASURE");
	need(!command(m, KVM_SEV_LAUNCH_FINISH, NULL), "LAUNCH_FINISH");
}

static void machine_close(struct machine *m)
{
	munmap(m->run, (size_t)kvm_ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	close(m->vcpu);
	close(m->vm);
	close(m->sev);
	close(m->kvm);
}

#define SETS(name)	{ #name, name, true, 0, -EINVAL, -EFAULT }
#define ROW(name, ...)	{ #name, name, __VA_ARGS__ }

/* What it answers of a protected vCPU, and with a bad pointer of one with such a type. */
static const struct {
	const char	*name;
	unsigned long	 nr;
	bool		 writes;	/* with what the getter before it gave */
	long		 legacy, protects, bad_pointer;
} rows[] = {
	ROW(KVM_GET_REGS, false, 0, -EINVAL, -EINVAL),
	SETS(KVM_SET_REGS),
	ROW(KVM_GET_SREGS, false, 0, -EINVAL, -EINVAL),
	SETS(KVM_SET_SREGS),
	ROW(KVM_GET_SREGS2, false, 0, -EINVAL, -EINVAL),
	ROW(KVM_SET_SREGS2, true, 0, -EINVAL, -EINVAL),
	ROW(KVM_GET_FPU, false, 0, -EINVAL, -EINVAL),
	SETS(KVM_SET_FPU),
	ROW(KVM_GET_XSAVE, false, 0, -EINVAL, -EINVAL),
	ROW(KVM_GET_XSAVE2, false, 0, -EINVAL, -EINVAL),
	SETS(KVM_SET_XSAVE),
	ROW(KVM_GET_XCRS, false, 0, -EINVAL, -EINVAL),
	SETS(KVM_SET_XCRS),
	ROW(KVM_GET_DEBUGREGS, false, 0, -EINVAL, -EINVAL),
	SETS(KVM_SET_DEBUGREGS),
	ROW(KVM_GET_VCPU_EVENTS, false, 0, 0, -EFAULT),
	ROW(KVM_SET_VCPU_EVENTS, true, 0, 0, -EFAULT),
	ROW(KVM_GET_MP_STATE, false, 0, 0, -EFAULT),
	ROW(KVM_SET_MP_STATE, true, 0, 0, -EFAULT),
	ROW(KVM_SET_GUEST_DEBUG, false, -EINVAL, -EINVAL, -EFAULT),
};

enum phase { BEFORE, LEGACY, PROTECTS };

static long wanted(size_t row, enum phase phase)
{
	return phase == BEFORE ? 0 : phase == LEGACY ? rows[row].legacy : rows[row].protects;
}

static void ask_all(const struct machine *m, enum phase phase)
{
	static const char *const names[] = { "before the launch", "KVM_SEV_ES_INIT", "SEV-ES" };
	static _Alignas(64) uint8_t data[8192];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const bool keeps = rows[i].writes;
		long r;

		if (!keeps)
			memset(data, 0, sizeof(data));
		r = kvm_ioctlp(m->vcpu, rows[i].nr, data);
		check(&checks, r == wanted(i, phase), "%s, %s: %s", names[phase], rows[i].name,
		      errno_name(-r));
		if (phase != PROTECTS)
			continue;
		r = kvm_ioctl(m->vcpu, rows[i].nr, 1);
		check(&checks, r == rows[i].bad_pointer, "%s from nowhere: %s", rows[i].name,
		      errno_name(-r));
	}
}

/* How many of one are read or written. */
static long one_msr(const struct machine *m, unsigned long nr, uint32_t index, uint64_t *value)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } msrs = {
		.head.nmsrs = 1, .e = { .index = index, .data = *value } };
	long r = kvm_ioctlp(m->vcpu, nr, &msrs);

	*value = msrs.e.data;
	return r;
}

static void ask_msrs(const struct machine *m, enum phase phase)
{
	uint64_t star = 0x23001000000000, tsc = 0;
	const long want = phase == PROTECTS ? 0 : 1;

	check(&checks, one_msr(m, KVM_SET_MSRS, MSR_STAR, &star) == want, "STAR, written");
	star = 5;
	check(&checks, one_msr(m, KVM_GET_MSRS, MSR_STAR, &star) == want, "STAR, read");
	check(&checks, phase != LEGACY || !star, "STAR reads as 0: %llx", (unsigned long long)star);
	check(&checks, phase != BEFORE || star == 0x23001000000000, "STAR reads as written");
	check(&checks, one_msr(m, KVM_GET_MSRS, MSR_TSC, &tsc) == 1, "the TSC is KVM's");
}

static void sync_regs(const struct machine *m, bool has_protected_state)
{
	const long offered = kvm_ioctl(m->vm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	long r;

	check(&checks, has_protected_state ? offered == 0 : offered != 0, "KVM_CAP_SYNC_REGS: %ld",
	      offered);
	m->run->immediate_exit = 1;
	m->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	r = kvm_ioctl(m->vcpu, KVM_RUN, 0);
	check(&checks, r == (has_protected_state ? -EINVAL : -EINTR), "registers in kvm_run: %s",
	      errno_name(-r));
	m->run->kvm_valid_regs = 0;
	m->run->immediate_exit = 0;
}

static void an_ioctl_on_registers(unsigned long type)
{
	struct machine m = machine_make(type);
	const enum phase after = type == TYPE_SEV_ES ? PROTECTS : LEGACY;
	struct kvm_guest_debug debug = { .control = 0 };
	struct kvm_sregs sregs;

	ask_all(&m, BEFORE);
	ask_msrs(&m, BEFORE);
	sync_regs(&m, type == TYPE_SEV_ES);
	check(&checks, !kvm_ioctlp(m.vcpu, KVM_SET_GUEST_DEBUG, &debug), "no debugger yet");
	machine_launch(&m);
	ask_all(&m, after);
	ask_msrs(&m, after);
	if (after == LEGACY && !kvm_ioctlp(m.vcpu, KVM_GET_SREGS, &sregs))
		check(&checks, !sregs.cs.base && !sregs.cs.limit && sregs.cr0,
		      "of KVM_GET_SREGS the control registers are left");
	machine_close(&m);
}

/* Its registers are not encrypted yet: the processor refuses to enter. */
static void a_run_before_the_launch(void)
{
	struct machine m = machine_make(TYPE_SEV_ES);
	long r = kvm_ioctl(m.vcpu, KVM_RUN, 0);

	check(&checks, !r && m.run->exit_reason == KVM_EXIT_FAIL_ENTRY, "KVM_RUN: %s, exit %u",
	      errno_name(-r), m.run->exit_reason);
	check(&checks, (uint32_t)m.run->fail_entry.hardware_entry_failure_reason == ~0u,
	      "the reason is VMEXIT_INVALID");
	machine_close(&m);
}

int main(void)
{
	an_ioctl_on_registers(TYPE_SEV_ES);
	an_ioctl_on_registers(TYPE_DEFAULT);
	a_run_before_the_launch();
	return checks_end(&checks);
}
