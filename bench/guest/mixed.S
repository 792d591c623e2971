/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Integers and memory as in compiled code: 33 instructions a turn, 8 of them
 * with memory, over 512 pages; one of the eight is not aligned, or reads,
 * modifies and writes (turn and turn about).
 */
#include "start.inc"
program:
	movl	$1000000, %ecx
	movl	$DATA, %edi
	xorl	%r9d, %r9d
1:	leaq	(%rdi,%r9), %rsi
	movq	(%rsi), %rax
	addq	$3, %rax
	movq	%rax, 8(%rsi)
	movl	16(%rsi), %ebx
	leal	(%rbx,%rbx,2), %ebx
	xorl	%eax, %ebx
	movl	%ebx, 20(%rsi)
	movq	%rax, %rdx
	shrq	$3, %rdx
	addq	%rdx, %rbx
	movzbl	24(%rsi), %edx
	testl	%edx, %edx
	jnz	2f
	addq	$1, %rbx
2:	movq	%rbx, 32(%rsi)
	andl	$0xff, %edx
	subq	%rdx, %rbx
	movq	40(%rsi), %r8
	addq	%rbx, %r8
	testb	$1, %cl
	jz	3f
	movq	%r8, 51(%rsi)
	incl	%r10d
	jmp	4f
3:	addq	%r8, 56(%rsi)
	decl	%r10d
	nop
4:	addq	$4096 + 64, %r9
	movl	%r9d, %edx
	andl	$0x1fffff, %r9d
	cmpl	%edx, %r9d
	cmovel	%edx, %r11d
	orq	%r8, %rax
	decl	%ecx
	jnz	1b
	ret
