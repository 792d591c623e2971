/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 20,000 distinct instructions in a row. */
#include "start.inc"
program:
	movl	$4500, %ecx
1:
	.set	n, 0
	.rept	4000
	addl	$n * 7 + 0x1000, %eax
	xorl	$n * 13 + 0x2000, %ebx
	leal	n * 3 + 0x3000(%rax), %edx
	imull	$n * 5 + 0x4001, %edx, %esi
	subl	$n * 11 + 0x5000, %edi
	.set	n, n + 1
	.endr
	decl	%ecx
	jnz	1b
	ret
