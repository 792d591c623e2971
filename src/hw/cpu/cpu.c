/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpu.c - logical processors come into being on first use and stay.
 */
#include "hw/cpu/cpu_priv.h"

#include "base/log.h"
#include "hw/cpu/seam.h"
#include "hw/insn/peek.h"
#include "hw/mem/machine.h"
#include "hw/mmu/look.h"
#include "x86/simd.h"

static struct cpu *create(struct hw *hw, unsigned index) REQUIRES(hw->lock);
static struct cpu *create(struct hw *hw, unsigned index)
{
	struct cpu *cpu = machine_alloc_locked(hw, sizeof(*cpu));

	if (!cpu)
		return NULL;
	cpu->hw = hw;
	cpu->index = index;
	cpu->x.vendor_amd = hw->config.vendor == HW_VENDOR_AMD;
	if (!mmu_init(&cpu->mmu, hw) || !code_init_locked(cpu))
		return NULL;
	if (hw->config.nr_keys && !(cpu->es = svm_es_create_locked(hw)))
		return NULL;
	return cpu;
}

struct cpu *hw_cpu(struct hw *hw, unsigned index)
{
	struct cpu *cpu;

	BUG_ON(index >= hw->config.nr_cpus);
	mutex_lock(&hw->lock);
	cpu = hw->cpus[index];
	if (!cpu)
		cpu = hw->cpus[index] = create(hw, index);
	mutex_unlock(&hw->lock);
	return cpu;
}

uint32_t hw_mxcsr_mask(const struct hw *hw)
{
	bool mm = hw->config.vendor == HW_VENDOR_AMD && hw->config.misalign_sse;

	return X86_MXCSR_COMMON | (mm ? X86_MXCSR_MM : 0);
}

void cpu_kick(struct cpu *cpu)
{
	atomic32_store(&cpu->kick, 1);
}

/* Full order: what the kicker wrote before is seen after. */
void cpu_ack(struct cpu *cpu)
{
	atomic32_xchg(&cpu->kick, 0);
}

uint64_t cpu_instructions(const struct cpu *cpu)
{
	return cpu->x.retired;
}

void svm_invlpga(struct cpu *cpu, gva_t address, uint32_t asid)
{
	mmu_flush_address(&cpu->mmu, asid, address.v);
}

void vmx_invept(struct cpu *cpu, enum vmx_invept type, uint64_t eptp)
{
	if (type == VMX_INVEPT_SINGLE)
		mmu_invept_single(&cpu->mmu, eptp);
	else
		mmu_invept_all(&cpu->mmu);
}

void vmx_invvpid(struct cpu *cpu, enum vmx_invvpid type, uint16_t vpid, gva_t address)
{
	switch (type) {
	case VMX_INVVPID_ADDRESS:
		mmu_flush_address(&cpu->mmu, vpid, address.v);
		break;
	case VMX_INVVPID_SINGLE:
		mmu_invvpid_single(&cpu->mmu, vpid);
		break;
	case VMX_INVVPID_ALL:
		mmu_invvpid_all(&cpu->mmu);
		break;
	case VMX_INVVPID_SINGLE_NONGLOBAL:
		mmu_invvpid_nonglobal(&cpu->mmu, vpid);
		break;
	}
}

void peek_tlb(const struct cpu *cpu, void (*fn)(const struct peek_tlb_entry *e, void *arg),
	      void *arg)
{
	mmu_peek_tlb(&cpu->mmu, fn, arg);
}

struct hw *cpu_machine(const struct cpu *cpu)
{
	return cpu->hw;
}

unsigned cpu_number(const struct cpu *cpu)
{
	return cpu->index;
}

bool cpu_interrupt_is_pending(struct cpu *cpu)
{
	return atomic32_load(&cpu->kick);
}
