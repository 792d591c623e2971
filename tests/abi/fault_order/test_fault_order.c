/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_fault_order.c - the rows of docs/facts/fault-order.tsv that a KVM program can see.
 *
 * usage: test_fault_order FAULT-ORDER.TSV [SHARED-BIT]
 *
 * SHARED-BIT: the bit of a guest physical address that says "shared", where private and shared
 * memory have tables of their own.  Then a guest can use the wrong alias, so the rows whose access
 * is not what the attribute says are visible too.
 *
 * An ordinary KVM program: it runs on any /dev/kvm that has KVM_X86_SW_PROTECTED_VM.  Each row gets
 * a VM of its own.  A row passes if the first exit is the row's (reason, errno, flags, gpa, size,
 * RIP still before the access), if running again without a fix repeats a MEMORY_FAULT, and if the
 * same instruction ends as the row says once the VMM has done what the row says.
 * Last line: "N rows, N failed".  Exit status 0: none failed; 1; 2 the table or a VM is unusable.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "softcvm/uapi/kvm.h"

#define PAGE		0x1000ul
#define LOW_SIZE	0x10000ul
#define CODE		0x8000ul
#define COUNTER		0xf000ul	/* in low memory: the guest counts its rounds here */
#define TARGET		0xd0000000ul
#define PRIVATE_WINDOW	(1ul << 39)	/* linear addresses of the same memory, said to be private */
#define APIC		0xfee00000ul
#define APIC_VERSION	0x30
#define APIC_TPR	0x80

#define HOST_BYTES	0x51515151u	/* what the host has put into the shared side */
#define GUEST_BYTES	0x67676767u	/* what the guest writes */
#define DEVICE_BYTES	0x4d4d4d4du	/* what the VMM answers to an MMIO read */

/* One access and a report, again and again: RDI = where, EBX = the value, RSI = COUNTER. */
asm(".pushsection .rodata\n"
    "guest_start:\n"
    "guest_read:  incl (%rsi); mov (%rdi), %ebx; out %al, $0x10; jmp guest_read\n"
    "guest_write: incl (%rsi); mov %ebx, (%rdi); out %al, $0x10; jmp guest_write\n"
    "guest_read_on:  incl (%rsi); mov (%rdi), %ebx; jmp guest_read_on\n"
    "guest_write_on: incl (%rsi); mov %ebx, (%rdi); jmp guest_write_on\n"
    "guest_end: .popsection\n");
extern const char guest_start[], guest_read[], guest_write[], guest_read_on[], guest_write_on[],
	guest_end[];
#define INCL_SIZE 2			/* bytes of "incl (%rsi)": where the access is */

enum column { STAGE, SLOT, ATTRIBUTE, ACCESS, OP, RET, EXIT, FLAGS, ERRNO, FIX, THEN, PLAIN_ABI,
	      SOURCE, NR_COLUMNS };

struct row {
	char	*cell[NR_COLUMNS];
	bool	 write;			/* the op, "any" taken apart */
};

struct vm {
	int		 fd, vcpu, gmem;	/* gmem -1: none, or closed */
	struct kvm_run	*run;
	char		*low, *host;		/* slots 0 and 1 */
	uint64_t	 gpa;			/* of the page under test */
	uint64_t	 access;		/* where the guest reads or writes in it */
	uint64_t	 linear;		/* the same as the guest says it */
	uint64_t	 rip;			/* of the accessing instruction */
};

struct seen {
	int	 error;			/* 0 or errno of KVM_RUN */
	uint32_t exit;
};

static int kvm_fd;
static uint64_t shared_bit;		/* a mask; 0: there is none */
static struct row current;

static bool is(enum column c, const char *value)
{
	return !strcmp(current.cell[c], value);
}

static int must(int result, const char *what)
{
	if (result < 0 && current.cell[SLOT])
		err(2, "%s/%s/%s: %s", current.cell[SLOT], current.cell[ATTRIBUTE],
		    current.cell[ACCESS], what);
	if (result < 0)
		err(2, "%s", what);
	return result;
}

static void *map(size_t size, int fd)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	must(p == MAP_FAILED ? -1 : 0, "mmap");
	return p;
}

static void set_slot(struct vm *vm, int slot, uint64_t gpa, uint64_t size, void *host,
		     uint32_t flags)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)host,
		.guest_memfd = flags & KVM_MEM_GUEST_MEMFD ? vm->gmem : 0,
	};

	must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, &region), "KVM_SET_USER_MEMORY_REGION2");
}

static void set_attribute(struct vm *vm, const char *kind)
{
	struct kvm_memory_attributes a = {
		.address = vm->gpa, .size = PAGE,
		.attributes = !strcmp(kind, "private") ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	must(ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &a), "KVM_SET_MEMORY_ATTRIBUTES");
}

static struct seen run(struct vm *vm)
{
	int result = ioctl(vm->vcpu, KVM_RUN, 0);

	return (struct seen){ .error = result < 0 ? errno : 0, .exit = vm->run->exit_reason };
}

static struct kvm_regs get_regs(struct vm *vm)
{
	struct kvm_regs regs;

	must(ioctl(vm->vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	return regs;
}

/* Long mode, the low 4 GiB mapped one to one by 2 MiB pages. */
static void enter_long_mode(struct vm *vm)
{
	struct kvm_segment code = { .limit = ~0u, .selector = 8, .type = 11, .s = 1, .present = 1,
				    .l = 1, .g = 1 };
	struct kvm_segment flat = { .limit = ~0u, .selector = 16, .type = 3, .s = 1, .present = 1,
				    .db = 1, .g = 1 };
	uint64_t *table = (uint64_t *)vm->low;
	struct kvm_sregs sregs;

	table[0x1000 / 8] = 0x2003 | shared_bit;
	table[0x1000 / 8 + 1] = 0x7003 | shared_bit;
	for (uint64_t i = 0; i < 4; i++) {
		table[0x2000 / 8 + i] = (0x3000 + i * PAGE) | 0x3 | shared_bit;
		table[0x7000 / 8 + i] = (0x9000 + i * PAGE) | 0x3 | shared_bit;
	}
	for (uint64_t i = 0; i < 4 * 512; i++) {
		table[0x3000 / 8 + i] = i << 21 | 0x83 | shared_bit;
		table[0x9000 / 8 + i] = i << 21 | 0x83;
	}

	must(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	sregs.cr0 = 0x80000021;
	sregs.cr3 = 0x1000 | shared_bit;
	sregs.cr4 = 0x20;
	sregs.efer = 0x500;
	must(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

static void create_vcpu(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	const char *entry = is(SLOT, "deleted") ? current.write ? guest_write_on : guest_read_on
						: current.write ? guest_write : guest_read;
	struct kvm_regs regs = { .rip = CODE + (entry - guest_start), .rflags = 2,
				 .rdi = vm->linear, .rsi = COUNTER, .rbx = GUEST_BYTES };

	vm->vcpu = must(ioctl(vm->fd, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	vm->run = map(must(ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE"),
		      vm->vcpu);
	cpuid->nent = 256;
	must(ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	must(ioctl(vm->vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
	enter_long_mode(vm);
	must(ioctl(vm->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	vm->rip = regs.rip + INCL_SIZE;
}

static void create_slot_of_row(struct vm *vm)
{
	struct kvm_create_guest_memfd args = { .size = PAGE };
	bool private_too = is(SLOT, "gmem") || is(SLOT, "gmem-closed") || is(SLOT, "deleted");

	if (private_too)
		vm->gmem = must(ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &args),
				"KVM_CREATE_GUEST_MEMFD");
	if (private_too || is(SLOT, "plain") || is(SLOT, "readonly"))
		set_slot(vm, 1, vm->gpa, PAGE, vm->host,
			 private_too ? KVM_MEM_GUEST_MEMFD :
			 is(SLOT, "readonly") ? KVM_MEM_READONLY : 0);
	if (is(SLOT, "gmem-closed")) {
		close(vm->gmem);
		vm->gmem = -1;
	}
}

static void create_vm(struct vm *vm)
{
	*vm = (struct vm){ .gmem = -1, .gpa = TARGET, .access = TARGET };
	if (is(SLOT, "apic")) {
		vm->gpa = APIC;
		vm->access = APIC + (current.write ? APIC_TPR : APIC_VERSION);
	}
	vm->linear = vm->access + (is(ACCESS, "private") ? PRIVATE_WINDOW : 0);
	vm->fd = must(ioctl(kvm_fd, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM), "KVM_CREATE_VM");
	must(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	vm->low = map(LOW_SIZE, -1);
	vm->host = map(PAGE, -1);
	memset(vm->host, HOST_BYTES & 0xff, PAGE);
	memcpy(vm->low + CODE, guest_start, guest_end - guest_start);
	set_slot(vm, 0, 0, LOW_SIZE, vm->low, 0);
	create_slot_of_row(vm);
	create_vcpu(vm);
}

static void destroy_vm(struct vm *vm)
{
	munmap(vm->run, ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0));
	close(vm->vcpu);
	if (vm->gmem >= 0)
		close(vm->gmem);
	close(vm->fd);
	munmap(vm->low, LOW_SIZE);
	munmap(vm->host, PAGE);
}

/* The VMM converts the page; a guest that has to say which half it means says it anew. */
static void fix(struct vm *vm, const char *kind)
{
	struct kvm_regs regs = get_regs(vm);

	set_attribute(vm, kind);
	regs.rdi = vm->access + (!strcmp(kind, "private") ? PRIVATE_WINDOW : 0);
	must(ioctl(vm->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* What is wrong, or NULL. */
static const char *check_memory_fault(struct vm *vm, struct seen s)
{
	uint64_t flags = is(FLAGS, "PRIVATE") ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0;

	if (s.error != EFAULT)
		return "KVM_RUN does not fail with EFAULT";
	if (s.exit != KVM_EXIT_MEMORY_FAULT)
		return "the exit reason is not KVM_EXIT_MEMORY_FAULT";
	if (vm->run->memory_fault.flags != flags)
		return "memory_fault.flags";
	if (vm->run->memory_fault.gpa != vm->gpa)
		return "memory_fault.gpa";
	if (vm->run->memory_fault.size != PAGE)
		return "memory_fault.size";
	if (get_regs(vm).rip != vm->rip)
		return "RIP is not at the access";
	return NULL;
}

static const char *check_mmio(struct vm *vm, struct seen s)
{
	const uint32_t value = current.write ? GUEST_BYTES : DEVICE_BYTES;

	if (s.error || s.exit != KVM_EXIT_MMIO)
		return "the exit is not KVM_EXIT_MMIO";
	if (vm->run->mmio.phys_addr != vm->access || vm->run->mmio.len != 4 ||
	    vm->run->mmio.is_write != current.write)
		return "mmio.phys_addr, len or is_write";
	if (current.write)
		return memcmp(vm->run->mmio.data, &value, sizeof(value)) ? "mmio.data" : NULL;
	memcpy(vm->run->mmio.data, &value, sizeof(value));
	return NULL;
}

/* The access is over and the guest has reported: did it read or write the right bytes? */
static const char *check_report(struct vm *vm, struct seen s, bool was_mmio, const char *kind)
{
	uint32_t host, want = was_mmio ? DEVICE_BYTES : !strcmp(kind, "private") ? 0 : HOST_BYTES;
	uint32_t got = get_regs(vm).rbx;

	if (s.error || s.exit != KVM_EXIT_IO)
		return "the access does not complete";
	if (is(SLOT, "apic"))
		return current.write || (got & 0xff) == 0x14 ? NULL : "the APIC's version";
	memcpy(&host, vm->host, sizeof(host));
	if (!current.write)
		return got != want ? "the bytes that the guest read" : NULL;
	want = was_mmio || !strcmp(kind, "private") ? HOST_BYTES : GUEST_BYTES;
	return host != want ? "the bytes on the shared side after the write" : NULL;
}

/* Makes the guest's access an MMIO that KVM has cached, and if the row says so outdates that. */
static const char *cache_mmio(struct vm *vm)
{
	const char *wrong = check_mmio(vm, run(vm));

	if (wrong)
		return wrong;
	wrong = check_report(vm, run(vm), true, "shared");
	if (wrong)
		return wrong;
	if (!current.write) {		/* the next read must bring its own value */
		struct kvm_regs regs = get_regs(vm);

		regs.rbx = GUEST_BYTES;
		must(ioctl(vm->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	}
	if (is(SLOT, "none-stale"))	/* any new slot gives the memslots a new generation */
		set_slot(vm, 2, TARGET + (1ul << 20), PAGE, vm->host, 0);
	return NULL;
}

static void *delete_slot(void *arg)
{
	struct vm *vm = arg;
	volatile uint32_t *counter = (uint32_t *)(vm->low + COUNTER);

	for (uint32_t rounds = *counter; *counter - rounds < 100; )
		usleep(100);
	set_slot(vm, 1, vm->gpa, 0, vm->host, KVM_MEM_GUEST_MEMFD);
	return NULL;
}

/* The guest is at the page all the time while the slot goes; it may only meet it or its absence. */
static const char *check_deletion(struct vm *vm)
{
	const char *wrong;
	pthread_t thread;
	struct seen s;

	if (pthread_create(&thread, NULL, delete_slot, vm))
		err(2, "pthread_create");
	s = run(vm);
	pthread_join(thread, NULL);
	if (is(ACCESS, "shared"))
		return check_mmio(vm, s);
	current.cell[FLAGS] = "PRIVATE";
	wrong = check_memory_fault(vm, s);
	fix(vm, "shared");
	return wrong ? wrong : check_mmio(vm, run(vm));
}

static const char *check_row(struct vm *vm)
{
	const char *wrong = NULL, *kind = current.cell[ATTRIBUTE];
	struct seen s;
	bool mmio;

	if (is(STAGE, "cached"))
		wrong = cache_mmio(vm);
	if (wrong)
		return wrong;
	set_attribute(vm, kind);
	if (is(SLOT, "deleted"))
		return check_deletion(vm);

	s = run(vm);
	if (is(EXIT, "MEMORY_FAULT")) {
		wrong = check_memory_fault(vm, s);
		if (!wrong)		/* nothing was executed, so the same again */
			wrong = check_memory_fault(vm, run(vm));
		if (wrong)
			return wrong;
		kind = current.cell[FIX];
		fix(vm, kind);
		s = run(vm);
		if (is(THEN, "MEMORY_FAULT"))
			return check_memory_fault(vm, s);
	}
	mmio = is(EXIT, "MMIO") || is(THEN, "MMIO");
	if (mmio) {
		wrong = check_mmio(vm, s);
		if (wrong)
			return wrong;
		s = run(vm);
	}
	return check_report(vm, s, mmio, kind);
}

/* Splits a line of the table in place; false: a comment or the head. */
static bool parse(char *line, struct row *row)
{
	char *rest = line;

	line[strcspn(line, "\n")] = '\0';
	if (!*line || *line == '#' || !strncmp(line, "stage\t", 6))
		return false;
	for (int c = 0; c < NR_COLUMNS; c++) {
		row->cell[c] = strsep(&rest, "\t");
		if (!row->cell[c])
			errx(2, "a row of the table lacks column %d", c);
	}
	return true;
}

static bool mmio_is_cached(void)
{
	char answer = 'N';
	int fd = open("/sys/module/kvm/parameters/mmio_caching", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, &answer, 1) != 1)
		err(2, "kvm.mmio_caching");
	if (fd >= 0)
		close(fd);
	return answer == 'Y';
}

/* Without a bit the attribute says what an access is; with one, the guest does. */
static bool is_visible(void)
{
	if (is(PLAIN_ABI, "yes"))
		return true;
	return shared_bit && is(STAGE, "faultin") && strcmp(current.cell[ATTRIBUTE], current.cell[ACCESS]) &&
	       !is(SLOT, "apic-inhibited") && !is(SLOT, "deleted");
}

int main(int argc, char **argv)
{
	FILE *table = argc >= 2 ? fopen(argv[1], "r") : NULL;
	int rows = 0, failed = 0;
	bool cached = mmio_is_cached();
	char line[1024];
	struct vm vm;

	if (!table)
		errx(2, "usage: test_fault_order FAULT-ORDER.TSV [SHARED-BIT]");
	if (argc == 3)
		shared_bit = 1ul << strtoul(argv[2], NULL, 10);
	kvm_fd = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	while (fgets(line, sizeof(line), table)) {
		if (!parse(line, &current) || !is_visible())
			continue;
		if (is(STAGE, "cached") && !cached)
			continue;
		for (int write = 0; write < 2; write++) {
			const char *wrong;

			if (!is(OP, "any") && is(OP, "write") != write)
				continue;
			current.write = write;
			create_vm(&vm);
			wrong = check_row(&vm);
			destroy_vm(&vm);
			rows++;
			failed += !!wrong;
			printf("%-12s attribute %-8s access %-8s %-6s %s%s\n",
			       current.cell[SLOT], current.cell[ATTRIBUTE], current.cell[ACCESS],
			       write ? "write" : "read", wrong ? "FAILED: " : "ok",
			       wrong ? wrong : "");
		}
	}
	fclose(table);
	printf("%d rows, %d failed\n", rows, failed);
	return failed || !rows ? 1 : 0;
}
