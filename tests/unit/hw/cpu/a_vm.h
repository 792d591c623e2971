/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * a_vm.h - a guest with a few megabytes, on either vendor's machine.
 *
 * Guest physical memory is identity mapped by the guest's own tables (4 KiB
 * pages below 2 MiB, so that tests can change single ones); nothing above
 * VM_SIZE exists.  Same faces for both vendors: vm_run() answers the exit in
 * a common form.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/insn/cpu.h"
#include "hw/insn/machine.h"
#include "hw/insn/phys.h"
#include "hw/insn/svm.h"
#include "hw/insn/vmx.h"

#define VM_SIZE		(4ul << 20)
#define VM_PML4		0x1000
#define VM_GDT		0x5000
#define VM_IDT		0x6000
#define VM_TSS		0x7000
#define VM_HANDLERS	0x8000		/* 256 stubs of 16 bytes */
#define VM_CODE		0x10000
#define VM_STACK	0x30000
#define VM_DATA		0x40000
#define VM_CS		0x08
#define VM_DS		0x10
#define VM_USER_CS	0x1b
#define VM_USER_DS	0x23
#define VM_TR		0x28

enum vm_exit_kind {
	VM_HLT, VM_IO, VM_CPUID, VM_RDMSR, VM_WRMSR, VM_HYPERCALL, VM_NESTED, VM_EXCEPTION,
	VM_KICK, VM_SHUTDOWN, VM_WINDOW, VM_CR, VM_OTHER
};

struct vm {
	struct hw	 *hw;
	struct cpu	 *cpu;
	bool		  amd;
	uint8_t		 *mem;
	hpa_t		  root;
	struct x86_state  s;
	struct svm_control svm;
	struct vmx_control vmx;
	struct svm_exit	  svm_exit;
	struct vmx_exit	  vmx_exit;
};

void vm_init(struct vm *vm, bool amd);
/* On a machine of another kind; counters are made here. */
void vm_init_on(struct vm *vm, struct hw_config config);
void vm_fini(struct vm *vm);
/* The nested entry of one guest page: 0 takes it away. */
void vm_nested_set(struct vm *vm, uint64_t gpa, bool present);
/* The guest's page-table entry of a page below 2 MiB. */
uint64_t *vm_pte(struct vm *vm, uint64_t va);
void vm_code(struct vm *vm, const void *bytes, size_t n);	/* at VM_CODE, RIP there */
enum vm_exit_kind vm_run(struct vm *vm);
uint64_t vm_gpa(const struct vm *vm);
