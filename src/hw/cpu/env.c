/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * env.c - what instructions ask of the machine around them.
 */
#include "hw/cpu/access.h"
#include "hw/mem/machine.h"
#include "os/clock.h"

bool env_intercept(struct x86_exec *x, const struct x86_op *op, enum x86_intercept what,
		   uint64_t info)
{
	struct cpu *cpu = cpu_of(x);

	if (!(cpu->svm ? svm_intercepts(cpu, what, info) : vmx_intercepts(cpu, what, info)))
		return false;
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

unsigned env_phys_bits(const struct x86_exec *x)
{
	return cpu_of((struct x86_exec *)(uintptr_t)x)->hw->config.phys_bits;
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
