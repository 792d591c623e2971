/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sev_looks.c - who looks at a SEV or SEV-ES guest's memory finds
 * ciphertext: the VMM's loads and stores, a second mapping of the same file,
 * write(2) and read(2), the guest itself without the C-bit, KVM's accessors.
 * Ciphertext that is moved, stored into or left behind gives nobody plaintext.
 *
 * usage: test_sev_looks sev|sev-es [quiet|gmem]
 *
 * quiet: nobody looks (tests/abi/nobody-looks).  gmem: its memory is a guest_memfd that begins
 * shared and is mapped (--kernel-abi 6.18), and the guest goes by the file, not by a mapping.
 *
 * The guest copies: HLT; RSI, RDI, RCX from the mailbox; REP MOVSB; again.  It
 * maps its memory twice, with the C-bit at 0 and without at 1 GiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_user.h"
#include "long_mode.h"

#define SIZE		(4UL << 20)
#define TABLES		0x1000UL
#define CODE		(TABLES + SEV_TABLES)
#define IMAGE_END	0x6000UL
#define MAILBOX		0x200000UL	/* of the guest without the C-bit: its own 2 MiB */
#define BUFFER		(MAILBOX + PAGE)
#define SECRET		0x100000UL
#define OTHER		0x110000UL
#define SHARED		SEV_SHARED
#define BLOCK		16UL
#define WALL_CLOCK_NEW	0x4b564d00

__asm__(".pushsection .rodata\n"
	"looks_code:	hlt\n"
	"	movq (%rbx), %rsi; movq 8(%rbx), %rdi; movq 16(%rbx), %rcx\n"
	"	rep movsb; jmp looks_code\n"
	"looks_end:	.popsection\n");
extern const char looks_code[], looks_end[];

struct guest {
	bool es;
	int kvm, sev, vm, vcpu, file;
	struct kvm_run *run;
	uint8_t *memory, *again;	/* two mappings of the file */
	uint64_t c_bit;
};

static struct checks c;

static void sev(const struct guest *g, uint32_t id, void *data)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = (uint32_t)g->sev };
	long r = kvm_ioctlp(g->vm, KVM_MEMORY_ENCRYPT_OP, &cmd);

	need(!r, "SEV command %u: %ld, firmware error %u", id, r, cmd.error);
}

/* The guest's processor is the one that KVM offers, and so is the C-bit. */
static void prepare(struct guest *g)
{
	struct kvm_regs regs = { .rip = CODE, .rbx = SHARED + MAILBOX, .rflags = 2 };

	g->c_bit = kvm_c_bit(g->kvm);
	need(g->c_bit, "no memory encryption");
	need(!kvm_ioctlp(g->vcpu, KVM_SET_CPUID2, kvm_supported_cpuid(g->kvm)), "KVM_SET_CPUID2");
	sev_tables(g->memory + TABLES, TABLES, SIZE, g->c_bit);
	memcpy(g->memory + CODE, looks_code, (size_t)(looks_end - looks_code));
	vcpu_long_mode(g->vcpu, TABLES, true);
	need(!kvm_ioctlp(g->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void launch(const struct guest *g)
{
	struct kvm_sev_launch_start start = { .policy = g->es ? 4 : 0 };
	struct kvm_sev_launch_update_data image = {
		.uaddr = (uintptr_t)g->memory + TABLES, .len = IMAGE_END - TABLES,
	};
	uint8_t blob[64];
	struct kvm_sev_launch_measure measure = { .uaddr = (uintptr_t)blob, .len = sizeof(blob) };

	sev(g, KVM_SEV_LAUNCH_START, &start);
	sev(g, KVM_SEV_LAUNCH_UPDATE_DATA, &image);
	if (g->es)
		sev(g, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL);
	sev(g, KVM_SEV_LAUNCH_MEASURE, &measure);
	sev(g, KVM_SEV_LAUNCH_FINISH, NULL);
}

/* A guest in [0, SIZE) of @file, which stays as it is but for the image; -1: a guest_memfd. */
static void make(struct guest *g, bool es, int file)
{
	struct kvm_sev_init init = { 0 };
	bool gmem = file < 0;

	*g = (struct guest){ .es = es, .kvm = kvm_open(), .file = file };
	g->sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
	need(g->sev >= 0, "/dev/sev: %s", strerror(errno));
	g->vm = vm_make(g->kvm, es ? KVM_X86_SEV_ES_VM : KVM_X86_SEV_VM);
	sev(g, KVM_SEV_INIT2, &init);
	if (gmem)
		g->file = file = (int)vm_gmem(g->vm, SIZE, GUEST_MEMFD_FLAG_MMAP |
					      GUEST_MEMFD_FLAG_INIT_SHARED);
	need(file >= 0, "KVM_CREATE_GUEST_MEMFD");
	g->memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	g->again = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	need(g->memory != MAP_FAILED && g->again != MAP_FAILED, "mmap");
	need(!(gmem ? vm_region_gmem(g->vm, 0, 0, SIZE, g->memory, file, 0)
		    : vm_region(g->vm, 0, 0, 0, SIZE, g->memory)), "a memory slot");
	g->vcpu = (int)kvm_ioctl(g->vm, KVM_CREATE_VCPU, 0);
	g->run = vcpu_map(g->kvm, g->vcpu);
	prepare(g);
	launch(g);
	need(!kvm_ioctl(g->vcpu, KVM_RUN, 0) && g->run->exit_reason == KVM_EXIT_HLT,
	     "the guest halts: exit %u", g->run->exit_reason);
}

static void end(struct guest *g)
{
	munmap(g->run, (size_t)kvm_ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	munmap(g->again, SIZE);
	munmap(g->memory, SIZE);
	close(g->vcpu);
	close(g->vm);
	close(g->sev);
	close(g->kvm);
}

/* The guest copies [@from, @from + @size), linear addresses. */
static void guest_copy(const struct guest *g, uint64_t to, uint64_t from, uint64_t size)
{
	uint64_t request[3] = { from, to, size };

	memcpy(g->memory + MAILBOX, request, sizeof(request));
	need(!kvm_ioctl(g->vcpu, KVM_RUN, 0) && g->run->exit_reason == KVM_EXIT_HLT,
	     "the guest copies: exit %u", g->run->exit_reason);
}

/* What the guest reads at @gpa, with the C-bit or without. */
static void guest_reads(const struct guest *g, uint64_t gpa, bool c_bit, uint8_t *page)
{
	guest_copy(g, SHARED + BUFFER, (c_bit ? 0 : SHARED) + gpa, PAGE);
	memcpy(page, g->memory + BUFFER, PAGE);
}

static void guest_writes(const struct guest *g, uint64_t gpa, const uint8_t *page)
{
	memcpy(g->memory + BUFFER, page, PAGE);
	guest_copy(g, gpa, SHARED + BUFFER, PAGE);
}

static unsigned blocks_different(const uint8_t *a, const uint8_t *b)
{
	unsigned n = 0;

	for (size_t at = 0; at < PAGE; at += BLOCK)
		n += !!memcmp(a + at, b + at, BLOCK);
	return n;
}

#define ALL	((unsigned)(PAGE / BLOCK))

static uint8_t text[PAGE], cipher[PAGE], seen[PAGE];

/* As it should be again: the guest has written the text at SECRET. */
static void renew(const struct guest *g)
{
	guest_writes(g, SECRET, text);
	guest_reads(g, SECRET, true, seen);
	check(&c, !memcmp(seen, text, PAGE), "the guest reads what it has written");
}

static void loads(const struct guest *g)
{
	renew(g);
	memcpy(cipher, g->memory + SECRET, PAGE);
	check(&c, blocks_different(cipher, text) == ALL, "a load of the VMM's finds ciphertext");
	renew(g);
	check(&c, !memcmp(g->again + SECRET, cipher, PAGE),
	      "through a second mapping: the same ciphertext again");
	renew(g);
	guest_reads(g, SECRET, false, seen);
	check(&c, !memcmp(seen, cipher, PAGE), "the guest without the C-bit: the same");
	guest_reads(g, SECRET, true, seen);
	check(&c, !memcmp(seen, text, PAGE), "and with it its text");
}

/* Through the kernel's own hand: a pipe gets and gives a page. */
static void system_calls(const struct guest *g)
{
	int ends[2];

	need(!pipe(ends), "pipe");
	renew(g);
	check(&c, write(ends[1], g->memory + SECRET, PAGE) == (ssize_t)PAGE &&
		  read(ends[0], seen, PAGE) == (ssize_t)PAGE && !memcmp(seen, cipher, PAGE),
	      "write(2) from the VMM's mapping: ciphertext");
	renew(g);
	check(&c, write(ends[1], g->again + SECRET, PAGE) == (ssize_t)PAGE &&
		  read(ends[0], seen, PAGE) == (ssize_t)PAGE && !memcmp(seen, cipher, PAGE),
	      "write(2) from the second mapping: ciphertext");
	renew(g);
	need(write(ends[1], text, BLOCK) == (ssize_t)BLOCK, "write");
	check(&c, read(ends[0], g->memory + SECRET, BLOCK) == (ssize_t)BLOCK, "read(2) into it");
	guest_reads(g, SECRET, true, seen);
	check(&c, blocks_different(seen, text) == 1 && memcmp(seen, text, BLOCK),
	      "read(2) into it: one block is garbage to the guest");
	close(ends[0]);
	close(ends[1]);
}

static void stores(const struct guest *g)
{
	renew(g);
	g->memory[SECRET + 5 * BLOCK + 3] ^= 1;
	guest_reads(g, SECRET, true, seen);
	check(&c, blocks_different(seen, text) == 1 && memcmp(seen + 5 * BLOCK, text + 5 * BLOCK, BLOCK),
	      "a store of the VMM's: one block is garbage to the guest");
	g->memory[SECRET + 5 * BLOCK + 3] ^= 1;
	guest_reads(g, SECRET, true, seen);
	check(&c, !memcmp(seen, text, PAGE), "and taken back: the text again");
	g->again[SECRET] ^= 0x80;
	guest_reads(g, SECRET, true, seen);
	check(&c, blocks_different(seen, text) == 1, "a store through the second mapping");
	renew(g);
	guest_copy(g, SHARED + SECRET + BLOCK, SHARED + BUFFER, 1);
	guest_reads(g, SECRET, true, seen);
	check(&c, blocks_different(seen, text) == 1 && memcmp(seen + BLOCK, text + BLOCK, BLOCK),
	      "a store of the guest's without the C-bit");
}

static void moves(const struct guest *g)
{
	renew(g);
	guest_writes(g, OTHER, text);
	check(&c, blocks_different(g->memory + OTHER, cipher) == ALL,
	      "the same text elsewhere is other ciphertext");
	memcpy(g->memory + OTHER, g->memory + SECRET, PAGE);
	guest_reads(g, OTHER, true, seen);
	check(&c, blocks_different(seen, text) == ALL, "moved ciphertext is garbage");
	memset(g->memory + SECRET, 0, PAGE);
	guest_reads(g, SECRET, true, seen);
	check(&c, blocks_different(seen, text) == ALL, "zeros are garbage");
	memcpy(g->memory + SECRET, cipher, PAGE);
	guest_reads(g, SECRET, true, seen);
	check(&c, !memcmp(seen, text, PAGE), "old ciphertext at its place is the old text");
}

/* KVM reads a version there and writes a time: one block of its own, through the raw side. */
static void accessor(const struct guest *g)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = WALL_CLOCK_NEW, .data = SECRET } };
	long r;

	renew(g);
	r = kvm_ioctlp(g->vcpu, KVM_SET_MSRS, &msrs);
	check(&c, r == 1, "KVM_SET_MSRS of the wall clock: %ld", r);
	check(&c, blocks_different(g->memory + SECRET, cipher) == 1,
	      "KVM has written among ciphertext");
	guest_reads(g, SECRET, true, seen);
	check(&c, blocks_different(seen, text) == 1 && memcmp(seen, text, BLOCK),
	      "what KVM wrote is garbage to the guest with the C-bit");
}

/* Nobody finds ciphertext of what has gone. */
static void hole(struct guest *g)
{
	renew(g);
	need(!madvise(g->memory + SECRET, PAGE, MADV_REMOVE), "madvise");
	check(&c, !g->memory[SECRET] && !memcmp(g->memory + SECRET, g->memory + SECRET + 1, PAGE - 1),
	      "a hole in the file: zeros");
}

/* The page is given away, and the next guest's key is another. */
static void reuse(struct guest *g)
{
	int file = g->file;
	bool es = g->es;

	renew(g);
	end(g);
	make(g, es, file);
	check(&c, !memcmp(g->memory + SECRET, cipher, PAGE), "what is left behind is ciphertext");
	guest_reads(g, SECRET, true, seen);
	check(&c, blocks_different(seen, text) == ALL && blocks_different(seen, cipher) == ALL,
	      "and garbage to the next guest");
	renew(g);
	check(&c, blocks_different(g->memory + SECRET, cipher) == ALL, "whose key is another");
	hole(g);
}

int main(int argc, char **argv)
{
	bool es = argc > 1 && !strcmp(argv[1], "sev-es");
	bool gmem = argc > 2 && !strcmp(argv[2], "gmem");
	int file = gmem ? -1 : memfd_create("guest", MFD_CLOEXEC);
	struct guest g;

	need(gmem || (file >= 0 && !ftruncate(file, (off_t)SIZE)), "memfd_create");
	for (size_t i = 0; i < PAGE; i++)
		text[i] = (uint8_t)(i * 7 + i / 256 + 1);
	make(&g, es, file);
	if (argc > 2 && !gmem) {
		guest_copy(&g, SECRET, CODE, PAGE);
		guest_copy(&g, OTHER, SECRET, PAGE);
		check(&c, true, "the guest has run");
		return checks_end(&c);
	}
	loads(&g);
	system_calls(&g);
	stores(&g);
	moves(&g);
	accessor(&g);
	/* A guest_memfd is one VM's. */
	if (gmem)
		hole(&g);
	else
		reuse(&g);
	end(&g);
	return checks_end(&c);
}
