/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * own_cpuid.c - the program's own CPUID instructions are answered by the
 * modelled host.
 *
 * Where the processor can fault at CPUID (arch_prctl), it does, in the whole
 * process.  Elsewhere the instructions become UD2 (both have two bytes) when
 * the program is loaded, and SIGILL there is ours:
 * only in the main program, and only where its unwind table says that a
 * function is: the bytes of CPUID are looked for, and the function around them
 * is decoded from its start to see that they are one instruction.  Libraries
 * keep this processor's answers then.
 */
#include "preload/own_cpuid.h"

#include <Zydis/Zydis.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/log.h"
#include "base/page.h"
#include "hw/insn/machine.h"
#include "os/uaccess.h"
#include "preload/front.h"
#include "preload/real.h"

/* -- The main program -- */

/* One row of .eh_frame_hdr's table: offsets from the header's own address. */
struct unwind_row {
	int32_t	function, entry;
};

/* What the usual table has: offsets of 4 bytes, from the header; entries relative to themselves. */
#define HEADER_VERSION	1
#define ROWS_OF_OFFSETS	0x3b		/* DW_EH_PE_datarel | DW_EH_PE_sdata4 */
#define COUNT_OF_4	0x03		/* DW_EH_PE_udata4 */
#define PCREL_4		0x1b		/* DW_EH_PE_pcrel | DW_EH_PE_sdata4 */

#define CPUID_BYTES	0xa20f

struct program {
	const struct dl_phdr_info *info;
	const uint8_t		*header;	/* .eh_frame_hdr */
	const struct unwind_row	*rows;
	size_t			 nr_rows;
};

static bool find_unwind_table(struct program *p)
{
	uint32_t nr;

	for (int i = 0; i < p->info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &p->info->dlpi_phdr[i];

		if (ph->p_type == PT_GNU_EH_FRAME && ph->p_memsz >= 12)
			p->header = (const uint8_t *)(p->info->dlpi_addr + ph->p_vaddr);
	}
	if (!p->header || p->header[0] != HEADER_VERSION || p->header[1] != PCREL_4 ||
	    p->header[2] != COUNT_OF_4 || p->header[3] != ROWS_OF_OFFSETS)
		return false;
	memcpy(&nr, p->header + 8, sizeof(nr));
	p->rows = (const struct unwind_row *)(p->header + 12);
	p->nr_rows = nr;
	return nr;
}

/* The start of the function that has @at, or NULL. */
static const uint8_t *function_of(const struct program *p, const uint8_t *at)
{
	size_t low = 0, high = p->nr_rows;
	const uint8_t *start, *entry;
	int32_t begin;
	uint32_t size;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (p->header + p->rows[middle].function <= at)
			low = middle;
		else
			high = middle;
	}
	start = p->header + p->rows[low].function;
	/* An entry: its length, its parent, where the function begins, how long it is. */
	entry = p->header + p->rows[low].entry;
	memcpy(&begin, entry + 8, sizeof(begin));
	memcpy(&size, entry + 12, sizeof(size));
	if (entry + 8 + begin != start || at < start || at >= start + size)
		return NULL;
	return start;
}

/* True when an instruction begins at @at, and it is CPUID. */
static bool is_cpuid(const struct program *p, const uint8_t *at)
{
	const uint8_t *now = function_of(p, at);
	ZydisDecodedInstruction in;
	ZydisDecoder decoder;

	if (!now || !ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
						   ZYDIS_STACK_WIDTH_64)))
		return false;
	while (now < at) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, now,
								ZYDIS_MAX_INSTRUCTION_LENGTH, &in)))
			return false;
		now += in.length;
	}
	return now == at && ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, now, 2, &in)) &&
	       in.mnemonic == ZYDIS_MNEMONIC_CPUID;
}

/* -- Replacing -- */

static struct hw_config machine;
static bool is_on;
static uintptr_t *sites;		/* ascending; written before the program runs */
static size_t nr_sites, room;

static bool replace(uint8_t *at, int prot)
{
	static const uint8_t ud2[] = { 0x0f, 0x0b };
	uint8_t *page = (uint8_t *)ALIGN_DOWN((uintptr_t)at, PAGE_SIZE);
	size_t size = ALIGN_UP((uintptr_t)at + sizeof(ud2), PAGE_SIZE) - (uintptr_t)page;

	if (nr_sites == room) {
		uintptr_t *more = realloc(sites, (2 * room + 16) * sizeof(*sites));

		if (!more)
			return false;
		sites = more;
		room = 2 * room + 16;
	}
	if (real()->mprotect(page, size, PROT_READ | PROT_WRITE))
		return false;
	sites[nr_sites++] = (uintptr_t)at;
	memcpy(at, ud2, sizeof(ud2));
	return !real()->mprotect(page, size, prot);
}

static void sweep(const struct program *p, const ElfW(Phdr) *ph)
{
	uint8_t *at = (uint8_t *)(p->info->dlpi_addr + ph->p_vaddr), *end = at + ph->p_filesz;
	int prot = PROT_EXEC | (ph->p_flags & PF_R ? PROT_READ : 0) |
		   (ph->p_flags & PF_W ? PROT_WRITE : 0);

	for (; (at = memmem(at, (size_t)(end - at), "\x0f\xa2", 2)); at++) {
		if (is_cpuid(p, at) && !replace(at, prot)) {
			log_warn("the program's own CPUID instructions cannot be replaced: "
				 "they tell of this processor");
			return;
		}
	}
}

/* The main program comes first. */
static int sweep_program(struct dl_phdr_info *info, size_t size, void *unused)
{
	struct program p = { .info = info };

	(void)size;
	(void)unused;
	if (!find_unwind_table(&p))
		return 1;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		/* What cannot be read is not looked at. */
		if (ph->p_type == PT_LOAD && (ph->p_flags & (PF_X | PF_R)) == (PF_X | PF_R))
			sweep(&p, ph);
	}
	return 1;
}

void own_cpuid_begin(void)
{
	is_on = front_own_cpuid(&machine);
	if (is_on && syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0))
		dl_iterate_phdr(sweep_program, NULL);
}

/* -- Answering -- */

static bool is_site(uintptr_t pc)
{
	size_t low = 0, high = nr_sites;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sites[middle] == pc)
			return true;
		if (sites[middle] < pc)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Where the processor faults, it must not while we ask it ourselves. */
static void set_faulting(bool on)
{
	(void)!syscall(SYS_arch_prctl, ARCH_SET_CPUID, !on);
}

static void answer(greg_t *g)
{
	uint32_t leaf = (uint32_t)g[REG_RAX], subleaf = (uint32_t)g[REG_RCX];
	struct cpuid_regs host, r;

	__cpuid_count(leaf, subleaf, host.eax, host.ebx, host.ecx, host.edx);
	r = own_cpuid_merge(leaf, subleaf, hw_config_cpuid(&machine, leaf, subleaf), host);
	g[REG_RAX] = r.eax;
	g[REG_RBX] = r.ebx;
	g[REG_RCX] = r.ecx;
	g[REG_RDX] = r.edx;
	g[REG_RIP] += 2;
}

bool own_cpuid_fixup(int sig, const siginfo_t *info, void *ucontext)
{
	greg_t *g = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
	uint16_t bytes;

	if (sig == SIGILL) {
		if (!is_site((uintptr_t)g[REG_RIP]))
			return false;
		answer(g);
		return true;
	}
	/* A general protection fault has no address; CPUID has no other cause for one. */
	if (!is_on || sig != SIGSEGV || info->si_code != SI_KERNEL ||
	    !os_load16((const void *)g[REG_RIP], &bytes) || bytes != CPUID_BYTES)
		return false;
	set_faulting(false);
	answer(g);
	set_faulting(true);
	return true;
}
