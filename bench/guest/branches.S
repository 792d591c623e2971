/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Branches on the bits of a random number, through a table too. */
#include "start.inc"
program:
	movl	$1500000, %ecx
	movq	$0x2545f4914f6cdd1d, %rax
1:	movq	%rax, %rdx
	shlq	$13, %rdx
	xorq	%rdx, %rax
	movq	%rax, %rdx
	shrq	$7, %rdx
	xorq	%rdx, %rax
	movq	%rax, %rdx
	shlq	$17, %rdx
	xorq	%rdx, %rax
	testb	$1, %al
	jz	2f
	incl	%ebx
2:	testb	$2, %al
	jnz	3f
	addl	$3, %ebx
3:	cmpb	$40, %ah
	ja	4f
	xorl	%eax, %ebx
4:	testl	$0x10000, %eax
	je	5f
	notl	%ebx
5:	movl	%eax, %esi
	shrl	$20, %esi
	andl	$3, %esi
	leaq	6f(%rip), %rdi
	leaq	(%rdi,%rsi,8), %rdi
	jmp	*%rdi
	.balign	8
6:	incl	%ebp
	jmp	7f
	.balign	8
	decl	%ebp
	jmp	7f
	.balign	8
	negl	%ebp
	jmp	7f
	.balign	8
	incl	%ebx
7:	decl	%ecx
	jnz	1b
	ret
