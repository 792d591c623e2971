/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * start.S - from the PVH entry (32-bit, no paging) to 64-bit C, for every type of guest.
 *
 * Without paging all memory of an SEV guest is private, and so are page-table walks and fetches:
 * up to here nothing needs to know of encryption.  The tables made here carry the encryption bit
 * in every entry.  Its position comes from CPUID 8000001F, which an SEV-ES guest may not ask
 * freely: CPUID raises #VC.  So the first thing is an IDT with one gate, whose handler
 * answers CPUID by the GHCB MSR protocol (a MSR that is never intercepted; no page has to be
 * shared for it).  The other way, to start in 64-bit mode with tables that were launched, would
 * have the VMM choose the encryption bit, or the image know it.
 */
#define MSR_EFER	0xc0000080
#define MSR_GHCB	0xc0010130
#define MSR_SEV_STATUS	0xc0010131
#define VC_VECTOR	29
#define VC_CPUID	0x72
#define CODE32		0x08
#define DATA		0x10
#define CODE64		0x18

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18			/* "Xen": PHYS32_ENTRY */
	.asciz "Xen"
	.long guest_start

	/* Paging and long mode with guest_tables, then to \to in 64-bit code. */
	.macro LONG_MODE to
	movl %cr4, %eax
	orl $0x20, %eax			/* PAE */
	movl %eax, %cr4
	movl $guest_tables, %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $0x100, %eax		/* LME */
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax		/* PG, PE */
	movl %eax, %cr0
	ljmp $CODE64, $\to
	.endm

	.macro FLAT_SEGMENTS
	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	.endm

	.section .text.start, "ax"
	.code32
	.globl guest_start
guest_start:				/* EBX: start info; 0: not the first processor (SEV-ES) */
	cli
	cld
	testl %ebx, %ebx
	jz ap_start
	movl $guest_bss_start, %edi
	movl $guest_bss_end, %ecx
	subl %edi, %ecx
	shrl $2, %ecx
	xorl %eax, %eax
	rep stosl
	movl $boot_stack_end, %esp
	lgdt gdt_pointer
	ljmp $CODE32, $1f
1:	FLAT_SEGMENTS
	movl %ebx, guest_start_info
	movl $vc32, %eax		/* the one gate */
	movl %eax, %edx
	andl $0xffff, %eax
	orl $CODE32 << 16, %eax
	movl %eax, idt32 + VC_VECTOR * 8
	andl $0xffff0000, %edx
	orl $0x8e00, %edx
	movl %edx, idt32 + VC_VECTOR * 8 + 4
	lidt idt32_pointer
	call find_encryption
	call make_tables
	LONG_MODE start64

/* guest_sev_status and guest_c_bit, or zeros. */
find_encryption:
	movl $0x80000000, %eax
	cpuid
	cmpl $0x8000001f, %eax
	jb 1f
	movl $0x8000001f, %eax
	xorl %ecx, %ecx
	cpuid
	testl $2, %eax			/* SEV: else the MSR may not be there */
	jz 1f
	movl $MSR_SEV_STATUS, %ecx
	rdmsr				/* never intercepted */
	testl $1, %eax
	jz 1f
	movl %eax, guest_sev_status
	movl %edx, guest_sev_status + 4
	andl $0x3f, %ebx
	btsl %ebx, guest_c_bit		/* a string of 64 bits */
1:	ret

/* 4 GiB at their own addresses, in 2 MiB pages. */
make_tables:
	movl $guest_tables + 0x1000, %eax
	movl $guest_tables, %edi
	movl $1, %ecx
	call put_entries
	movl $guest_tables + 0x2000, %eax
	movl $guest_tables + 0x1000, %edi
	movl $4, %ecx
	call put_entries
	movl $guest_tables + 0x2000, %edi
	movl $0x83, %eax		/* 2 MiB page, writable, present */
	movl $2048, %ecx
	orl guest_c_bit, %eax
1:	movl guest_c_bit + 4, %edx
	movl %eax, (%edi)
	movl %edx, 4(%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b
	ret

/* ECX entries at EDI for tables from EAX on. */
put_entries:
	orl $3, %eax
	orl guest_c_bit, %eax
	movl guest_c_bit + 4, %edx
1:	movl %eax, (%edi)
	movl %edx, 4(%edi)
	addl $0x1000, %eax
	addl $8, %edi
	loop 1b
	ret

/* #VC before there is a GHCB: CPUID, register by register; all else ends the guest. */
vc32:
	cmpl $VC_CPUID, (%esp)
	jne terminate32
	pushl %esi
	pushl %edi
	movl %eax, %esi			/* the function */
	xorl %edi, %edi			/* 0 to 3: EAX to EDX */
1:	movl %edi, %eax
	shll $30, %eax
	orl $4, %eax
	movl %esi, %edx
	movl $MSR_GHCB, %ecx
	wrmsr
	rep; vmmcall			/* VMGEXIT */
	rdmsr
	andl $0xfff, %eax
	cmpl $5, %eax
	jne terminate32
	pushl %edx
	incl %edi
	cmpl $4, %edi
	jb 1b
	popl %edx
	popl %ecx
	popl %ebx
	popl %eax
	popl %edi
	popl %esi
	addl $4, %esp			/* the error code */
	addl $2, (%esp)			/* 0F A2 */
	iret
terminate32:
	movl $0x100, %eax
	xorl %edx, %edx
	movl $MSR_GHCB, %ecx
	wrmsr
	rep; vmmcall
1:	hlt
	jmp 1b

	.code64
start64:
	movl $boot_stack_end, %esp	/* zero-extended */
	xorl %ebp, %ebp
	call guest_begin
1:	hlt
	jmp 1b

	/* Another processor: copied to a page below 1 MiB, SIPI's vector names it. */
	.section .text
	.code16
	.globl guest_trampoline, guest_trampoline_end
guest_trampoline:
	cli
	movw %cs, %ax
	movw %ax, %ds
	lgdtl gdt_copy - guest_trampoline
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $CODE32, $ap32
	.balign 4
gdt_copy:
	.word gdt_end - gdt - 1
	.long gdt
guest_trampoline_end:

	.code32
ap_start:
	lgdt gdt_pointer
	ljmp $CODE32, $ap32
ap32:
	FLAT_SEGMENTS
	LONG_MODE ap64
	.code64
ap64:
	movq guest_cpu_stack, %rsp
	xorl %ebp, %ebp
	call guest_cpu_begin
1:	hlt
	jmp 1b

	/* 64-bit exceptions: 16 bytes each, to one frame (guest.h). */
	.globl guest_trap_stubs
	.balign 16
guest_trap_stubs:
	vector = 0
	.rept 32
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || \
	      vector == 29 || vector == 30)
	pushq $0
	.endif
	pushq $vector
	jmp trap
	vector = vector + 1
	.endr
trap:
	cld
	.irp r, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	pushq %\r
	.endr
	movq %rsp, %rdi
	movq %rsp, %rbp
	andq $-16, %rsp
	call guest_trap
	movq %rbp, %rsp
	.irp r, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
	popq %\r
	.endr
	addq $16, %rsp			/* vector, error code */
	iretq

	.section .rodata
	.balign 8
	.globl guest_gdt
guest_gdt:
gdt:	.quad 0
	.quad 0x00cf9b000000ffff	/* CODE32 */
	.quad 0x00cf93000000ffff	/* DATA */
	.quad 0x00af9b000000ffff	/* CODE64 */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
	.balign 4
idt32_pointer:
	.word (VC_VECTOR + 1) * 8 - 1
	.long idt32

	.bss
	.balign 4096
	.globl guest_tables, guest_c_bit, guest_sev_status, guest_start_info
guest_tables:
	.skip 6 * 4096
	.skip 32768
boot_stack_end:
idt32:	.skip (VC_VECTOR + 1) * 8
guest_c_bit:
	.skip 8
guest_sev_status:
	.skip 8
guest_start_info:
	.skip 8
	.section .note.GNU-stack, "", @progbits
