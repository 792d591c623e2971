/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * env.c - what instructions ask of the machine around them.
 */
#include "hw/cpu/access.h"
#include "hw/cpu/cpuid_priv.h"
#include "hw/mem/machine.h"
#include "os/clock.h"

bool env_intercept(struct x86_exec *x, const struct x86_op *op, enum x86_intercept what,
		   uint64_t info)
{
	struct cpu *cpu = cpu_of(x);

	if (!(cpu->svm ? svm_intercepts(cpu, what, info) : vmx_intercepts(cpu, what, info)))
		return false;
	if (unlikely(cpu->in_es) && svm_reflects(cpu, what, info))
		return true;
	cpu->exit.what = what;
	cpu->exit.info = info;
	cpu->exit.value = x->icpt_value;
	cpu_leave(cpu, what == X86_ICPT_TASK_SWITCH ? CPU_TASK_SWITCH : CPU_INTERCEPT);
	return true;
}

uint64_t env_tsc(struct x86_exec *x)
{
	const struct cpu *cpu = cpu_of(x);
	uint64_t tsc = os_tsc();

	if (unlikely(cpu->tsc_ratio))
		tsc = (uint64_t)((unsigned __int128)tsc * cpu->tsc_ratio >> cpu->tsc_fraction);
	return tsc + cpu->tsc_offset;
}

uint64_t env_random(struct x86_exec *x)
{
	uint64_t v;

	(void)x;
	os_random(&v, sizeof(v));
	return v;
}

uint64_t env_cr3_reserved(const struct x86_exec *x)
{
	const struct cpu *cpu = cpu_of((struct x86_exec *)(uintptr_t)x);

	return ~BITS(cpu->hw->config.phys_bits - 1, 0) & ~cpu->mmu.guest_c_bit;
}

uint32_t env_mxcsr_mask(const struct x86_exec *x)
{
	return hw_mxcsr_mask(cpu_of((struct x86_exec *)(uintptr_t)x)->hw);
}

bool env_rdmsr(struct x86_exec *x, uint32_t nr, uint64_t *v)
{
	return cpu_of(x)->svm && svm_rdmsr(cpu_of(x), nr, v);
}

bool env_wrmsr(struct x86_exec *x, uint32_t nr, uint64_t v)
{
	return cpu_of(x)->svm && svm_wrmsr(cpu_of(x), nr, v);
}

bool env_write_xcr0(struct x86_exec *x, uint64_t v)
{
	if (!(v & 1) || (v & ~(uint64_t)CPUID_XCR0) || (v & 6) == 4)
		return false;
	x->st->xcr0 = v;
	return true;
}

void env_cr_done(struct x86_exec *x, unsigned nr, uint64_t v)
{
	struct cpu *cpu = cpu_of(x);

	if (unlikely(cpu->in_es) && cpu->svm->trap_cr_write >> nr & 1)
		svm_trap_write(cpu, (uint16_t)(SVM_EXIT_CR0_WRITE_TRAP + nr), v);
}

void env_invlpg(struct x86_exec *x, uint64_t lin)
{
	mmu_invlpg(&cpu_of(x)->mmu, lin);
}

void env_invpcid(struct x86_exec *x, unsigned type, uint16_t pcid, uint64_t lin)
{
	mmu_invpcid(&cpu_of(x)->mmu, (enum mmu_invpcid)type, pcid, lin);
}

void env_mode_changed(struct x86_exec *x)
{
	mmu_mode_changed(&cpu_of(x)->mmu);
}

void env_cr0_written(struct x86_exec *x, uint64_t old, uint64_t old_efer)
{
	if (x->st->efer != old_efer)
		mmu_efer_written(&cpu_of(x)->mmu, old_efer);
	mmu_cr0_written(&cpu_of(x)->mmu, old);
}

void env_cr3_written(struct x86_exec *x, bool keep)
{
	mmu_cr3_written(&cpu_of(x)->mmu, keep);
}

void env_cr4_written(struct x86_exec *x, uint64_t old)
{
	mmu_cr4_written(&cpu_of(x)->mmu, old);
}
