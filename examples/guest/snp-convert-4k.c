/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-convert-4k.c - 256 MiB to shared and back by 4K, while another processor uses the memory.
 *
 * The first page of each 2M that is validated or rescinded by itself has the hypervisor split the 2M for good:
 * once on the way there, once more on the way back, for what was given back whole comes back whole.
 * With --no-discard the VMM keeps the private pages: they are split once, and their contents are there.
 *
 * $ softcvm run --type snp --hugepages --no-discard --vcpus 2 --memory 320M snp-convert-4k.elf
 * 256 MiB validated, 128 of 128 as 2M
 * to shared: 32 of 128, 0 wrong
 * to shared: 64 of 128, 0 wrong
 * to shared: 96 of 128, 0 wrong
 * to shared: 128 of 128, 0 wrong
 * to private: 32 of 128, 0 wrong, 16384 pages as they were
 * to private: 64 of 128, 0 wrong, 32768 pages as they were
 * to private: 96 of 128, 0 wrong, 49152 pages as they were
 * to private: 128 of 128, 0 wrong, 65536 pages as they were
 * meanwhile processor 1 used them, 0 times wrong
 * guest ended: exit 0
 */
#include "snp.h"

int guest_main(void)
{
	return guest_convert(SNP_4K);
}
