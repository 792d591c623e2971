/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Twenty accesses in a page, then the next of 12,288: 28 instructions a page. */
#include "start.inc"
program:
	movl	$85, %r8d
1:	movl	$DATA, %edi
	movl	$12288, %ecx
2:	movq	(%rdi), %rax
	addq	$1, %rax
	movq	%rax, 8(%rdi)
	movl	64(%rdi), %ebx
	movl	%ebx, 128(%rdi)
	movq	%rax, 192(%rdi)
	movzbl	256(%rdi), %edx
	addq	320(%rdi), %rdx
	movw	%dx, 384(%rdi)
	movq	448(%rdi), %rsi
	movq	%rsi, 512(%rdi)
	cmpq	576(%rdi), %rsi
	movq	%rdx, 640(%rdi)
	movslq	704(%rdi), %rbx
	movl	%ebx, 768(%rdi)
	movq	832(%rdi), %rax
	movb	%al, 896(%rdi)
	xorq	960(%rdi), %rax
	movq	%rax, 1024(%rdi)
	movq	1088(%rdi), %rsi
	leaq	(%rsi,%rax), %rsi
	movq	%rsi, 1152(%rdi)
	addq	%rbx, %rdx
	orq	%rdx, %rax
	addq	$4096, %rdi
	nop
	decl	%ecx
	jnz	2b
	decl	%r8d
	jnz	1b
	ret
