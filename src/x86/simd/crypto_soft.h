/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * crypto_soft.h - AES, carry-less multiplication and SHA for hosts that lack
 * the instructions.  @a is the destination and first source.  Pure.
 */
#pragma once
#include "x86/simd.h"

void soft_aesenc(union x86_vec *a, const union x86_vec *key);
void soft_aesenclast(union x86_vec *a, const union x86_vec *key);
void soft_aesdec(union x86_vec *a, const union x86_vec *key);
void soft_aesdeclast(union x86_vec *a, const union x86_vec *key);
void soft_aesimc(union x86_vec *a, const union x86_vec *b);
void soft_aeskeygenassist(union x86_vec *a, const union x86_vec *b, uint8_t constant);
void soft_pclmulqdq(union x86_vec *a, const union x86_vec *b, uint8_t imm);
void soft_sha1rnds4(union x86_vec *a, const union x86_vec *b, uint8_t function);
void soft_sha1nexte(union x86_vec *a, const union x86_vec *b);
void soft_sha1msg1(union x86_vec *a, const union x86_vec *b);
void soft_sha1msg2(union x86_vec *a, const union x86_vec *b);
void soft_sha256rnds2(union x86_vec *a, const union x86_vec *b, const union x86_vec *keys);
void soft_sha256msg1(union x86_vec *a, const union x86_vec *b);
void soft_sha256msg2(union x86_vec *a, const union x86_vec *b);
