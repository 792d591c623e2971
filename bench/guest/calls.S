/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* fib(n) by itself, with its registers saved: calls and returns. */
#include "start.inc"
program:
	movl	$30, %edi
	call	fib
	ret
fib:	cmpl	$2, %edi
	jae	1f
	movl	%edi, %eax
	ret
1:	pushq	%rbx
	pushq	%r12
	movl	%edi, %ebx
	leal	-1(%rdi), %edi
	call	fib
	movl	%eax, %r12d
	leal	-2(%rbx), %edi
	call	fib
	addl	%r12d, %eax
	popq	%r12
	popq	%rbx
	ret
