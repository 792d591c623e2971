/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Integers in registers: 12 instructions a turn. */
#include "start.inc"
program:
	movl	$7500000, %ecx
	movl	$1, %eax
	movl	$7, %ebx
	movq	$0x9e3779b97f4a7c15, %r8
1:	addq	%rax, %rbx
	xorq	%rbx, %rdx
	imulq	%r8, %rbx
	leaq	3(%rax,%rbx,4), %rsi
	shrq	$5, %rdx
	rolq	$13, %rsi
	subq	%rdx, %rsi
	orq	%rsi, %rdi
	incq	%rax
	andl	$0xffffff, %edi
	decl	%ecx
	jnz	1b
	ret
