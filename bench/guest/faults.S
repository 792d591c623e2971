/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Every touch of a page is a #PF that maps it, and then it goes again. */
#include "start.inc"
program:
	movl	$handler, %eax
	movl	$IDT + 14 * 16, %edi
	movw	%ax, (%rdi)
	movl	$0x8e000018, 2(%rdi)
	shrl	$16, %eax
	movw	%ax, 6(%rdi)
	movq	$0, 8(%rdi)
	movl	$100000, %ebx
	movl	$DATA, %edi
	movl	$TABLES + (DATA >> 9), %esi
1:	andl	$~1, (%rsi)
	invlpg	(%rdi)
	movl	(%rdi), %edx
	incl	%edx
	movl	%edx, 4(%rdi)
	addq	$4096, %rdi
	addq	$8, %rsi
	cmpl	$DATA + 0x400000, %edi
	jb	2f
	movl	$DATA, %edi
	movl	$TABLES + (DATA >> 9), %esi
2:	decl	%ebx
	jnz	1b
	ret
handler:
	pushq	%rax
	movq	%cr2, %rax
	shrq	$12, %rax
	orl	$1, TABLES(,%rax,8)
	popq	%rax
	addq	$8, %rsp
	iretq
