/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-convert-2m.c - 256 MiB to shared and back by 2M, while another processor uses the memory.
 *
 * A guest that validates and converts whole 2M pages never meets one of another size: no RMP fault, no
 * PSMASH, no nested mapping that is taken apart.
 *
 * $ softcvm run --type snp --hugepages --vcpus 2 --memory 320M snp-convert-2m.elf
 * 256 MiB validated, 128 of 128 as 2M
 * to shared: 32 of 128, 0 wrong
 * to shared: 64 of 128, 0 wrong
 * to shared: 96 of 128, 0 wrong
 * to shared: 128 of 128, 0 wrong
 * to private: 32 of 128, 0 wrong, 0 pages as they were
 * to private: 64 of 128, 0 wrong, 0 pages as they were
 * to private: 96 of 128, 0 wrong, 0 pages as they were
 * to private: 128 of 128, 0 wrong, 0 pages as they were
 * meanwhile processor 1 used them, 0 times wrong
 * guest ended: exit 0
 */
#include "snp.h"

int guest_main(void)
{
	return guest_convert(SNP_2M);
}
