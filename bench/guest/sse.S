/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* SSE and SSE2, registers and memory: 16 instructions a turn. */
#include "start.inc"
program:
	movl	$1000000, %ecx
	movl	$DATA, %edi
	movl	$0x3f8ccccd, %eax
	movd	%eax, %xmm0
	shufps	$0, %xmm0, %xmm0
	movaps	%xmm0, %xmm1
	movaps	%xmm0, %xmm2
	movdqa	%xmm0, %xmm3
1:	mulps	%xmm1, %xmm2
	addps	%xmm0, %xmm2
	movaps	%xmm2, (%rdi)
	rcpps	%xmm2, %xmm1
	paddd	%xmm3, %xmm4
	pxor	%xmm4, %xmm3
	pshufd	$0x39, %xmm4, %xmm5
	movdqu	16(%rdi), %xmm6
	pmuludq	%xmm5, %xmm6
	movdqa	%xmm6, 32(%rdi)
	cvtdq2ps %xmm5, %xmm7
	addsd	%xmm7, %xmm7
	minps	%xmm0, %xmm1
	pcmpgtd	%xmm3, %xmm6
	decl	%ecx
	jnz	1b
	ret
