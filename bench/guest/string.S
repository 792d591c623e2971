/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* String instructions of every kind, on pieces of 64 bytes to a page. */
#include "start.inc"
program:
	cld
	movl	$6000, %ebx
1:	movl	$DATA, %esi
	movl	$DATA + 0x10000, %edi
	movl	$4096, %ecx
	rep movsb
	movl	$DATA + 0x20008, %edi
	movl	$511, %ecx
	movq	%rbx, %rax
	rep stosq
	movl	$DATA, %esi
	movl	$DATA + 0x10000, %edi
	movl	$64, %ecx
	repe cmpsb
	movl	$DATA + 0x30000, %edi
	movl	$200, %ecx
	movb	$1, %al
	repne scasb
	movl	$16, %ebp
2:	movl	$DATA + 0x40000, %esi
	movl	$DATA + 0x50003, %edi
	movl	$16, %ecx
	rep movsl
	lodsq
	stosq
	movsb
	lodsb
	scasb
	decl	%ebp
	jnz	2b
	decl	%ebx
	jnz	1b
	ret
