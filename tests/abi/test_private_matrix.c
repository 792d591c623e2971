/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_private_matrix.c - memory that goes from shared to private and back: every size from 4K
 * to 1G, aligned and not, with holes punched, slots that go, come and move, and other vCPUs
 * that fault meanwhile.
 *
 * usage: test_private_matrix [SHARED-BIT]
 *
 * SHARED-BIT is the bit of a guest physical address that says "shared", on a machine where
 * private and shared memory have tables of their own; without it an attribute alone says what an
 * access means.  The rows are the same; only what an access through the wrong alias does differs.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_user.h"
#include "window_guest.h"

#define K		(1ul << 10)
#define M		(1ul << 20)
#define G		(1ul << 30)

#define BASE		(4 * G)		/* of the slot under test */
#define SIZE		(2 * G)
#define DEVICE		(7 * G)		/* no slot */

#define S_BYTES		0x5353535353535353ul	/* the host's, shared */
#define P_BYTES		0x5050505050505050ul	/* the guest's, private */
#define D_BYTES		0x4d4d4d4d4d4d4d4dul	/* a device's */
#define NR_READERS	2

#define PRIVATE		KVM_MEMORY_ATTRIBUTE_PRIVATE

/* RDI = where, RBX = the value. */
asm(".pushsection .rodata\n"
    "matrix_start:\n"
    "matrix_read:  mov (%rdi), %rbx; out %al, $0x10; jmp matrix_read\n"
    "matrix_write: mov %rbx, (%rdi); out %al, $0x10; jmp matrix_write\n"
    "matrix_end: .popsection\n");
extern const char matrix_start[], matrix_read[], matrix_write[], matrix_end[];

static struct checks checks;
static uint64_t shared_bit;		/* a mask; 0: there is none */

struct vm {
	struct window_guest guest;
	int		fd, gmem;	/* fd: the guest's VM */
	uint8_t		*host;
	struct { int fd; struct kvm_run *run; } vcpu[1 + NR_READERS];
};

/* ---- a guest with two windows on the same memory ---- */

static long place_slot(struct vm *vm, bool there)
{
	return vm_region_gmem(vm->fd, 1, BASE, there ? SIZE : 0, vm->host, vm->gmem, 0);
}

/* @huge: shared memory may have huge pages, where the host gives them. */
static struct vm *vm_create(bool huge)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	need(vm, "memory");
	window_guest_make(&vm->guest, shared_bit, matrix_start, (size_t)(matrix_end - matrix_start));
	vm->fd = vm->guest.vm;
	/* Congruent with the guest's addresses modulo 1 GiB, so that huge pages are possible. */
	vm->host = mmap(NULL, SIZE + G, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	need(vm->host != MAP_FAILED, "2 GiB of address space");
	vm->host += -(uintptr_t)vm->host % G;
	if (huge)
		(void)madvise(vm->host, SIZE, MADV_HUGEPAGE);
	vm->gmem = vm_gmem(vm->fd, SIZE, 0);
	need(vm->gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	need(!place_slot(vm, true), "slot 1");
	for (unsigned n = 0; n <= NR_READERS; n++)
		vm->vcpu[n].fd = window_guest_vcpu(&vm->guest, n, &vm->vcpu[n].run);
	return vm;
}

static void vm_free(struct vm *vm)
{
	for (unsigned n = 0; n <= NR_READERS; n++)
		close(vm->vcpu[n].fd);
	close(vm->gmem);
	window_guest_free(&vm->guest);
	munmap(vm->host, SIZE);
	free(vm);
}

/* One access, from its first instruction; 0 or the errno of KVM_RUN.  The report stays open. */
static int start(struct vm *vm, unsigned n, bool write, bool private, uint64_t gpa, uint64_t value)
{
	struct kvm_regs regs = {
		.rip = WINDOW_CODE + (uint64_t)((write ? matrix_write : matrix_read) - matrix_start),
		.rflags = 2, .rdi = window_of(private) + gpa, .rbx = value,
	};

	need(!ioctl(vm->vcpu[n].fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	return ioctl(vm->vcpu[n].fd, KVM_RUN, 0) ? errno : 0;
}

static uint64_t value_of(struct vm *vm, unsigned n)
{
	struct kvm_regs regs;

	need(!ioctl(vm->vcpu[n].fd, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	return regs.rbx;
}

static bool is_done(struct vm *vm, unsigned n, int error)
{
	return !error && vm->vcpu[n].run->exit_reason == KVM_EXIT_IO;
}

/* An MMIO read ends with the next KVM_RUN, whatever the registers say meanwhile. */
static bool is_mmio(struct vm *vm, unsigned n, int error, uint64_t gpa)
{
	const struct kvm_run *run = vm->vcpu[n].run;
	bool is = !error && run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == gpa;

	if (!error && run->exit_reason == KVM_EXIT_MMIO)
		need(!ioctl(vm->vcpu[n].fd, KVM_RUN, 0), "KVM_RUN after an MMIO read");
	return is;
}

static bool is_memory_fault(struct vm *vm, unsigned n, int error, bool private, uint64_t gpa)
{
	const struct kvm_run *run = vm->vcpu[n].run;

	return error == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	       run->memory_fault.flags == (private ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0) &&
	       run->memory_fault.gpa == (gpa & ~(PAGE - 1)) && run->memory_fault.size == PAGE;
}

static void reads(struct vm *vm, const char *row, bool private, uint64_t gpa, uint64_t want)
{
	int error = start(vm, 0, false, private, gpa, ~want);

	check(&checks, is_done(vm, 0, error) && value_of(vm, 0) == want,
	      "%s: %#lx, %s: error %d, exit %u, value %#lx instead of %#lx", row, gpa,
	      private ? "private" : "shared", error, vm->vcpu[0].run->exit_reason,
	      (unsigned long)value_of(vm, 0), want);
}

static void writes(struct vm *vm, const char *row, bool private, uint64_t gpa, uint64_t value)
{
	int error = start(vm, 0, true, private, gpa, value);

	check(&checks, is_done(vm, 0, error), "%s: writing %#lx, %s: error %d, exit %u", row, gpa,
	      private ? "private" : "shared", error, vm->vcpu[0].run->exit_reason);
}

/* The one difference: without a bit the attribute has its way, with one the VMM is asked. */
static void wrong_alias(struct vm *vm, const char *row, bool private, uint64_t gpa, uint64_t else_)
{
	int error;

	if (!shared_bit) {
		reads(vm, row, private, gpa, else_);
		return;
	}
	for (int write = 0; write < 2; write++) {
		error = start(vm, 0, write, private, gpa, P_BYTES);
		check(&checks, is_memory_fault(vm, 0, error, private, gpa),
		      "%s: %#lx through the wrong alias (%s): error %d, exit %u, flags %#llx", row, gpa,
		      private ? "private" : "shared", error, vm->vcpu[0].run->exit_reason,
		      (unsigned long long)vm->vcpu[0].run->memory_fault.flags);
	}
}

/* ---- one range there and back ---- */

struct range { uint64_t start, size; };

#define NR_PROBES 5
static void probes_of(const struct range *r, uint64_t probe[NR_PROBES])
{
	probe[0] = r->start;
	probe[1] = r->start + r->size - PAGE;
	probe[2] = r->start + r->size / 2 / PAGE * PAGE;
	probe[3] = r->start - PAGE;		/* outside */
	probe[4] = r->start + r->size;		/* outside */
}

static bool in_slot(uint64_t gpa)
{
	return gpa >= BASE && gpa < BASE + SIZE;
}

static uint64_t *host_of(struct vm *vm, uint64_t gpa)
{
	return (uint64_t *)(void *)(vm->host + (gpa - BASE));
}

static void convert(struct vm *vm, const char *row, const struct range *r, bool private)
{
	long error = vm_attributes(vm->fd, r->start, r->size, private ? PRIVATE : 0);

	check(&checks, !error, "%s: [%#lx, +%#lx) to %s: %s", row, r->start, r->size,
	      private ? "private" : "shared", errno_name(error));
}

static void punch(struct vm *vm, const char *row, const struct range *r)
{
	int error = fallocate(vm->gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)(r->start - BASE), (off_t)r->size);

	check(&checks, !error, "%s: punching [%#lx, +%#lx): errno %d", row, r->start, r->size, errno);
}

static void there_and_back(struct vm *vm, const struct range *r)
{
	uint64_t probe[NR_PROBES];
	unsigned i;

	probes_of(r, probe);
	for (i = 0; i < NR_PROBES; i++) {
		if (!in_slot(probe[i]))
			continue;
		*host_of(vm, probe[i]) = S_BYTES + i;
		reads(vm, "before", false, probe[i], S_BYTES + i);
	}
	wrong_alias(vm, "before", true, probe[0], S_BYTES + (r->size == PAGE ? 2 : 0));

	convert(vm, "there", r, true);
	for (i = 0; i < 3; i++) {
		writes(vm, "private", true, probe[i], P_BYTES + i);
		reads(vm, "private", true, probe[i], P_BYTES + i);
		check(&checks, *host_of(vm, probe[i]) >> 56 == 0x53, "the host sees private bytes");
		wrong_alias(vm, "private", false, probe[i], P_BYTES + i);
	}
	for (i = 3; i < NR_PROBES; i++) {
		if (in_slot(probe[i]))
			reads(vm, "beside", false, probe[i], S_BYTES + i);
	}

	convert(vm, "back", r, false);
	for (i = 0; i < NR_PROBES; i++) {
		if (in_slot(probe[i]))
			reads(vm, "shared again", false, probe[i], *host_of(vm, probe[i]));
	}
	convert(vm, "there again", r, true);
	reads(vm, "kept", true, probe[1], P_BYTES + (r->size <= 2 * PAGE ? 2 : 1));
	punch(vm, "a hole", r);
	for (i = 0; i < 3; i++)
		reads(vm, "after the hole", true, probe[i], 0);
	punch(vm, "a hole", r);
	convert(vm, "at the end", r, false);
	reads(vm, "at the end", false, probe[0], *host_of(vm, probe[0]));
}

static void every_size_and_place(struct vm *vm)
{
	static const uint64_t sizes[] = {
		PAGE, 2 * PAGE, 64 * K, 2 * M - PAGE, 2 * M, 2 * M + PAGE, 6 * M, 512 * M, G - PAGE, G,
		G + PAGE,
	};
	static const uint64_t places[] = {
		0, PAGE, 2 * M - PAGE, 2 * M, 2 * M + PAGE, G - 2 * M, G - PAGE,
	};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
			struct range r = { BASE + places[p], sizes[s] };

			if (places[p] + sizes[s] <= SIZE)
				there_and_back(vm, &r);
		}
	}
}

/* ---- slots ---- */

static void slots_go_and_come(struct vm *vm)
{
	struct range r = { BASE + 2 * M - PAGE, 2 * M + 2 * PAGE };
	int error;

	convert(vm, "slot", &r, true);
	writes(vm, "slot", true, r.start, P_BYTES);
	check(&checks, !place_slot(vm, false), "deleting the slot");
	error = start(vm, 0, false, true, r.start, 0);
	check(&checks, is_memory_fault(vm, 0, error, true, r.start), "private, without a slot");
	error = start(vm, 0, false, false, r.start - PAGE, 0);
	check(&checks, is_mmio(vm, 0, error, r.start - PAGE), "shared, without a slot");
	check(&checks, !place_slot(vm, true), "making it again");
	/* Attributes need no slot; the bytes are the file's. */
	reads(vm, "the slot is back", true, r.start, P_BYTES);
	convert(vm, "slot", &r, false);
	punch(vm, "slot", &r);
}

static void slots_move(struct vm *vm)
{
	uint8_t *memory = pages(2 * M);
	uint64_t from = BASE + SIZE, to = from + 4 * M + PAGE;
	int error;

	*(uint64_t *)(void *)memory = S_BYTES;
	check(&checks, !vm_region(vm->fd, 2, 0, from, 2 * M, memory), "a shared slot");
	reads(vm, "before it moves", false, from, S_BYTES);
	check(&checks, !vm_region(vm->fd, 2, 0, to, 2 * M, memory), "moving it");
	reads(vm, "after it moved", false, to, S_BYTES);
	error = start(vm, 0, false, false, from, 0);
	check(&checks, is_mmio(vm, 0, error, from), "where it was");
	/* With private memory it must not move, and where an address means "shared" none is. */
	check(&checks, vm_region_gmem(vm->fd, 1, 6 * G + 512 * M, SIZE, vm->host, vm->gmem, 0) ==
	      -EINVAL, "moving a slot with private memory");
	if (shared_bit)
		check(&checks, vm_region(vm->fd, 3, 0, shared_bit + to + 8 * M, PAGE, memory) == -EINVAL,
		      "a slot with the shared bit");
	check(&checks, !vm_region(vm->fd, 2, 0, to, 0, memory), "deleting it");
	munmap(memory, 2 * M);
}

static void devices_are_shared(struct vm *vm)
{
	struct kvm_run *run = vm->vcpu[0].run;
	struct range r = { DEVICE + PAGE, PAGE };	/* never seen as a device */
	const uint64_t d = D_BYTES;
	int error;

	for (int i = 0; i < 2; i++) {		/* the second time it may be known */
		error = start(vm, 0, false, false, DEVICE + 8, 0);
		check(&checks, !error && run->exit_reason == KVM_EXIT_MMIO &&
		      run->mmio.phys_addr == DEVICE + 8 && run->mmio.len == 8, "a device's register");
		memcpy(run->mmio.data, &d, sizeof(d));
		error = ioctl(vm->vcpu[0].fd, KVM_RUN, 0);
		check(&checks, is_done(vm, 0, error) && value_of(vm, 0) == D_BYTES, "what it answered");
	}
	convert(vm, "device", &r, true);
	error = start(vm, 0, false, true, r.start + 8, 0);
	check(&checks, is_memory_fault(vm, 0, error, true, r.start), "a private device is none");
	convert(vm, "device", &r, false);
}

static void prefault(struct vm *vm)
{
	struct range r = { BASE + 16 * M, 2 * M };
	struct kvm_pre_fault_memory p = { .gpa = BASE + 14 * M, .size = 6 * M };

	convert(vm, "prefault", &r, true);
	check(&checks, !ioctl(vm->vcpu[0].fd, KVM_PRE_FAULT_MEMORY, &p) && !p.size,
	      "KVM_PRE_FAULT_MEMORY of private and shared memory: errno %d", errno);
	reads(vm, "prefaulted", true, r.start, 0);
	reads(vm, "prefaulted", false, r.start - PAGE, *host_of(vm, r.start - PAGE));
	convert(vm, "prefault", &r, false);
	punch(vm, "prefault", &r);
}

/* ---- others that fault meanwhile ---- */

struct reader {
	struct vm	*vm;
	unsigned	 vcpu;
	const struct range *range;
	const bool	*stop;		/* both: atomic accesses only */
	unsigned long	 seen;
	unsigned long	 wrong;
};

static bool all_have_seen(const struct reader *reader)
{
	for (unsigned i = 0; i < NR_READERS; i++) {
		if (__atomic_load_n(&reader[i].seen, __ATOMIC_RELAXED) < 10)
			return false;
	}
	return true;
}

static bool may_see(const struct vm *vm, bool private, uint64_t value)
{
	if (value == S_BYTES)
		return !shared_bit || !private;
	return (value == 0 || value == P_BYTES) && (!shared_bit || private);
}

static void *keep_reading(void *arg)
{
	struct reader *r = arg;
	const struct kvm_run *run = r->vm->vcpu[r->vcpu].run;
	uint64_t probe[NR_PROBES];

	probes_of(r->range, probe);
	for (unsigned i = 0; !__atomic_load_n(r->stop, __ATOMIC_RELAXED); i++) {
		bool private = i & 1;
		uint64_t gpa = probe[i / 2 % 3];
		int error = start(r->vm, r->vcpu, false, private, gpa, 1);

		if (is_done(r->vm, r->vcpu, error)) {
			__atomic_add_fetch(&r->seen, 1, __ATOMIC_RELAXED);
			r->wrong += !may_see(r->vm, private, value_of(r->vm, r->vcpu));
		} else if (!error && run->exit_reason == KVM_EXIT_MMIO) {
			/* No slot for a moment. */
			r->wrong += !is_mmio(r->vm, r->vcpu, error, gpa);
		} else {
			r->wrong += error != EFAULT || run->exit_reason != KVM_EXIT_MEMORY_FAULT ||
				    run->memory_fault.gpa != gpa;
		}
	}
	return NULL;
}

static void convert_among_readers(struct vm *vm, const struct range *r, unsigned rounds)
{
	struct reader reader[NR_READERS];
	pthread_t thread[NR_READERS];
	bool stop = false;
	uint64_t probe[NR_PROBES];

	probes_of(r, probe);
	for (unsigned i = 0; i < 3; i++)
		*host_of(vm, probe[i]) = S_BYTES;
	for (unsigned i = 0; i < NR_READERS; i++) {
		reader[i] = (struct reader){ vm, 1 + i, r, &stop, 0, 0 };
		need(!pthread_create(&thread[i], NULL, keep_reading, &reader[i]), "a thread");
	}
	for (unsigned i = 0; i < rounds || !all_have_seen(reader); i++) {
		convert(vm, "among readers", r, true);
		writes(vm, "among readers", true, probe[0], P_BYTES);
		reads(vm, "among readers", true, probe[0], P_BYTES);
		if (i % 3 == 0)
			punch(vm, "among readers", r);
		if (i % 5 == 0) {
			check(&checks, !place_slot(vm, false), "deleting among readers");
			check(&checks, !place_slot(vm, true), "making it again");
		}
		convert(vm, "among readers", r, false);
		reads(vm, "among readers", false, probe[0], S_BYTES);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < NR_READERS; i++) {
		pthread_join(thread[i], NULL);
		check(&checks, !reader[i].wrong, "a reader saw %lu wrong things", reader[i].wrong);
	}
	punch(vm, "among readers", r);
}

static void others_fault_meanwhile(struct vm *vm)
{
	static const struct range ranges[] = {
		{ BASE + 32 * M, PAGE }, { BASE + 32 * M, 2 * M }, { BASE + 32 * M - PAGE, 2 * M },
		{ BASE + G - PAGE, 4 * M }, { BASE + G, G },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		convert_among_readers(vm, &ranges[i], 30);
}

int main(int argc, char **argv)
{
	struct vm *vm;

	if (argc == 2)
		shared_bit = 1ul << strtoul(argv[1], NULL, 10);
	for (int huge = 0; huge < 2; huge++) {
		vm = vm_create(huge);
		every_size_and_place(vm);
		slots_go_and_come(vm);
		slots_move(vm);
		devices_are_shared(vm);
		prefault(vm);
		others_fault_meanwhile(vm);
		vm_free(vm);
	}
	return checks_end(&checks);
}
