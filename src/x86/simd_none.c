/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "x86/simd.h"
int x86_x87_find(uint16_t mnemonic, uint16_t mem_size, uint8_t dst_form) { return -1; }
const struct x86_x87_row *x86_x87_row(unsigned nr) { return NULL; }
size_t x86_xsave_size(uint64_t xcr0) { return 576; }
void x86_fxsave(const struct x86_fpu *fpu, uint8_t *image, bool rex_w, bool with_xmm) {}
int x86_fxrstor(struct x86_fpu *fpu, const uint8_t *image, bool rex_w, bool with_xmm) { return 0; }
void x86_xsave(const struct x86_fpu *fpu, uint8_t *image, uint64_t rfbm, bool rex_w, bool opt) {}
int x86_xrstor(struct x86_fpu *fpu, const uint8_t *image, uint64_t rfbm, uint64_t xcr0, bool rex_w) { return 0; }
