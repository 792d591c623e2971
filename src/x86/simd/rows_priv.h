/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rows_priv.h - the tables that rows.c lays end to end.
 */
#pragma once
#include "x86/simd.h"

extern const struct x86_simd_table x86_simd_packed;	/* integers, logic, shifts */
extern const struct x86_simd_table x86_simd_shuffle;	/* by immediates and masks */
extern const struct x86_simd_table x86_simd_move;	/* parts of registers, sign masks */
extern const struct x86_simd_table x86_simd_float;
extern const struct x86_simd_table x86_simd_convert;
extern const struct x86_simd_table x86_simd_string;	/* PCMPxSTRx */
extern const struct x86_simd_table x86_simd_crypto;	/* AES, SHA, PCLMULQDQ */
