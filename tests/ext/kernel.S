/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * kernel.S - a kernel for QEMU's -kernel (Multiboot) that takes interrupts on
 * every way that a PC has, wakes the other processors and ends QEMU.
 *
 * Its words go to port 0x402 (isa-debugcon), its last one to port 0xf4
 * (isa-debug-exit).  Whatever does not come is waited for: nothing is guessed.
 */
#define AP_PAGE		0x8000
#define TICKS		10
#define PIC_VECTOR	0x20
#define IOAPIC_VECTOR	0x30
#define TIMER_VECTOR	0x31
#define NMI_VECTOR	2

#define LAPIC		0xfee00000
#define LAPIC_TPR	(LAPIC + 0x80)
#define LAPIC_EOI	(LAPIC + 0xb0)
#define LAPIC_SVR	(LAPIC + 0xf0)
#define LAPIC_ICR	(LAPIC + 0x300)
#define LAPIC_LVT_TIMER	(LAPIC + 0x320)
#define LAPIC_TMICT	(LAPIC + 0x380)
#define LAPIC_TDCR	(LAPIC + 0x3e0)
#define IOAPIC		0xfec00000

	.section .text
	.code32
header:
	.long 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
	.long header, header, image_end, all_end, start

.macro say text
	mov $1f, %esi
	call print
	.pushsection .rodata
1:	.asciz "\text"
	.popsection
.endm

/* Gate @vector goes to @handler. */
.macro gate vector, handler
	mov $\handler, %eax
	mov %ax, idt + 8 * \vector
	movw $8, idt + 8 * \vector + 2
	movw $0x8e00, idt + 8 * \vector + 4
	shr $16, %eax
	mov %ax, idt + 8 * \vector + 6
.endm

.macro put value, port
	mov $\value, %al
	out %al, $\port
.endm

start:
	cli
	mov $stack_top, %esp
	lgdt gdt_pointer
	ljmp $8, $1f
1:	mov $16, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	gate NMI_VECTOR, on_nmi
	gate PIC_VECTOR, on_pic
	gate IOAPIC_VECTOR, on_apic
	gate TIMER_VECTOR, on_apic
	lidt idt_pointer

	/* The PIT at 1 kHz, through the PIC. */
	put 0x11, 0x20
	put PIC_VECTOR, 0x21
	put 4, 0x21
	put 1, 0x21
	put 0xfe, 0x21
	put 0x34, 0x43
	put 0xa9, 0x40
	put 0x04, 0x40
	call count
	put 0xff, 0x21
	put 0xff, 0xa1
	say "kernel: the PIT through the PIC\n"

	/* The same, by pin 2 of the I/O APIC. */
	movl $0x1ff, LAPIC_SVR
	movl $0x10 + 2 * 2 + 1, IOAPIC
	movl $0, IOAPIC + 0x10
	movl $0x10 + 2 * 2, IOAPIC
	movl $IOAPIC_VECTOR, IOAPIC + 0x10
	call count
	movl $0x10000, IOAPIC + 0x10
	say "kernel: the PIT through the I/O APIC\n"

	/* A priority above the timer's holds it back; below, it comes. */
	movl $0xb, LAPIC_TDCR
	movl $0x40, LAPIC_TPR
	movl $0x20000 + TIMER_VECTOR, LAPIC_LVT_TIMER
	movl $1000000, LAPIC_TMICT
	movl $0, ticks
	sti
1:	pause
	testl $1 << (TIMER_VECTOR & 31), LAPIC + 0x200 + 0x10 * (TIMER_VECTOR / 32)
	jz 1b
	cmpl $0, ticks
	jne failed
	cli
	movl $0, LAPIC_TPR
	call count
	movl $0x10000, LAPIC_LVT_TIMER
	say "kernel: the local APIC's timer, held back by the TPR and let in\n"

	/* An NMI to itself. */
	movl $0x44400, LAPIC_ICR
1:	pause
	cmpl $1, nmis
	jne 1b
	say "kernel: an NMI\n"

	/* QEMU's CMOS says how many there are beside this one. */
	mov $ap, %esi
	mov $AP_PAGE, %edi
	mov $ap_end - ap, %ecx
	rep movsb
	put 0x5f, 0x70
	in $0x71, %al
	movzbl %al, %ebx
	movl $0xc4500, LAPIC_ICR
	movl $0xc4600 + (AP_PAGE >> 12), LAPIC_ICR
1:	pause
	cmp processors, %ebx
	jne 1b
	say "kernel: all processors\n"
	mov $0x10, %eax
	out %eax, $0xf4
failed:	say "kernel: failed\n"
	mov $0x11, %eax
	out %eax, $0xf4
	hlt

/* TICKS interrupts more, asleep between them. */
count:
	movl $0, ticks
1:	sti
	hlt
	cli
	cmpl $TICKS, ticks
	jb 1b
	ret

print:	lodsb
	test %al, %al
	jz 1f
	mov $0x402, %dx
	out %al, %dx
	jmp print
1:	ret

on_pic:
	push %eax
	incl ticks
	put 0x20, 0x20
	pop %eax
	iret

on_apic:
	incl ticks
	movl $0, LAPIC_EOI
	iret

on_nmi:
	incl nmis
	iret

	/* Another processor, in real mode with CS at AP_PAGE. */
	.code16
ap:	cli
	lgdtl %cs:ap_gdt_pointer - ap
	mov $1, %eax
	mov %eax, %cr0
	ljmpl $8, $AP_PAGE + ap_flat - ap
	.code32
ap_flat:
	mov $16, %ax
	mov %ax, %ds
	lock incl processors
1:	hlt
	jmp 1b
ap_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
ap_end:

	.section .rodata
	.balign 8
gdt:	.quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
idt_pointer:
	.word 8 * 64 - 1
	.long idt

	.section .bss
	.balign 8
idt:	.skip 8 * 64
ticks:	.skip 4
nmis:	.skip 4
processors: .skip 4
	.skip 4096
stack_top:
