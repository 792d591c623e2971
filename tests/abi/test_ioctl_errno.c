/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_ioctl_errno.c - every ioctl with every kind of wrong argument: the
 * kernel's errno, and nothing changed by a refused call.
 *
 * usage: test_ioctl_errno [--verbose] [--second-opinion] [PART-OF-A-ROW'S-NAME]
 *
 * The rows are what Linux 6.12 does (docs/facts/ioctl-errno.tsv).  With
 * --second-opinion this asks whichever /dev/kvm there is, of a later release
 * perhaps: rows whose VM type or capability it lacks are left out and counted,
 * and answers that the row knows of a later kernel are listed with the reason.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "errno_rows.h"
#include "kvm_user.h"

struct machine {
	int kvm;
	int bare, bare_vcpu, vm, vcpu, swp, swp_vcpu;
	struct kvm_run *run;		/* of vcpu */
	int gmem, other_vm;
};

/* Set once by main. */
static struct checks checks;
static bool second_opinion;
static int left_out, later;

#define HVA_2		((char *)ROW_HVA + (1UL << 20))
#define SIZE		(ROW_PAGES * PAGE)
#define PROBE_SLOT	31000

int machine_fd(struct machine *m, enum where on)
{
	const int fds[NR_WHERE] = { m->kvm, m->bare, m->vm, m->vcpu, m->bare_vcpu,
				    m->swp, m->swp_vcpu, m->gmem };

	return fds[on];
}

struct kvm_run *machine_run(struct machine *m)
{
	return m->run;
}

static int add_vcpu(int vm)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);

	need(vcpu >= 0, "KVM_CREATE_VCPU");
	return vcpu;
}

static void fix_fd(int fd, int number)
{
	need(fd >= 0 && dup2(fd, number) == number, "descriptor %d", number);
	close(fd);
}

/* Makes what the rows of @on find, and no more. */
static void machine_make_swp(struct machine *m)
{
	m->swp = vm_make(m->kvm, KVM_X86_SW_PROTECTED_VM);
	need(!kvm_ioctl(m->swp, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	need(!vm_region(m->swp, 0, 0, 0, SIZE, (void *)ROW_HVA), "slot 0");
	fix_fd((int)vm_gmem(m->swp, ROW_GMEM_PAGES * PAGE, 0), FD_GMEM);
	fix_fd((int)vm_gmem(m->swp, ROW_GMEM_PAGES * PAGE, 0), FD_GMEM_FREE);
	m->other_vm = vm_make(m->kvm, KVM_X86_SW_PROTECTED_VM);
	fix_fd((int)vm_gmem(m->other_vm, ROW_GMEM_PAGES * PAGE, 0), FD_GMEM_OTHER);
	m->gmem = FD_GMEM;
	need(!vm_region_gmem(m->swp, 1, ROW_GMEM_GPA, SIZE, HVA_2, FD_GMEM, 0), "slot 1");
	m->swp_vcpu = add_vcpu(m->swp);
}

static void machine_make(struct machine *m, enum where on)
{
	memset(m, -1, sizeof(*m));
	m->run = NULL;
	m->kvm = kvm_open();
	switch (on) {
	case ON_BARE:
		m->bare = vm_make(m->kvm, KVM_X86_DEFAULT_VM);
		break;
	case ON_BARE_VCPU:
		m->bare = vm_make(m->kvm, KVM_X86_DEFAULT_VM);
		m->bare_vcpu = add_vcpu(m->bare);
		break;
	case ON_VM:
	case ON_VCPU:
		m->vm = vm_make(m->kvm, KVM_X86_DEFAULT_VM);
		need(!kvm_ioctl(m->vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
		need(!vm_region(m->vm, 0, 0, 0, SIZE, (void *)ROW_HVA), "slot 0");
		m->vcpu = add_vcpu(m->vm);
		m->run = vcpu_map(m->kvm, m->vcpu);
		break;
	case ON_SWP:
	case ON_SWP_VCPU:
	case ON_GMEM:
		machine_make_swp(m);
		break;
	default:
		break;
	}
}

static void machine_free(struct machine *m)
{
	const int fds[] = { m->swp_vcpu, m->vcpu, m->bare_vcpu, m->swp, m->vm, m->bare,
			    m->other_vm, m->kvm };

	if (m->run)
		munmap(m->run, 3 * PAGE);
	for (int fd = FD_GMEM; fd <= FD_GMEM_OTHER; fd++)
		close(fd);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* FNV-1a over what the state's readers say. */
static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3ULL;
	return hash;
}

static uint64_t digest_vcpu(int vcpu)
{
	static const unsigned long readers[] = {
		KVM_GET_REGS, KVM_GET_SREGS, KVM_GET_MP_STATE, KVM_GET_CPUID2, KVM_GET_LAPIC,
		KVM_GET_VCPU_EVENTS, KVM_GET_FPU, KVM_GET_DEBUGREGS, KVM_GET_XCRS, KVM_GET_XSAVE,
		KVM_GET_SREGS2,
		KVM_GET_TSC_KHZ, KVM_GET_MSRS,
	};
	static const __u32 msrs[] = { 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000084, 0xc0000102 };
	static uint8_t buffer[16384] __attribute__((aligned(16)));
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		struct kvm_msrs *m = (struct kvm_msrs *)buffer;
		long r;

		memset(buffer, 0, sizeof(buffer));
		if (readers[i] == KVM_GET_CPUID2)
			m->nmsrs = 256;		/* nent lies at the same place */
		if (readers[i] == KVM_GET_MSRS) {
			m->nmsrs = 5;
			for (int k = 0; k < 5; k++)
				m->entries[k].index = msrs[k];
		}
		r = kvm_ioctlp(vcpu, readers[i], buffer);
		hash = mix(mix(hash, &r, sizeof(r)), buffer, r < 0 ? 0 : sizeof(buffer));
	}
	return hash;
}

/*
 * Slots have no reader: is there one at @gpa?  A new slot there is refused
 * with EEXIST, or it can be made and is taken away again.
 */
static long slot_at(int vm, uint64_t gpa)
{
	long r = vm_region(vm, PROBE_SLOT, 0, gpa, PAGE, HVA_2 + (8UL << 20));

	if (!r)
		r = vm_region(vm, PROBE_SLOT, 0, gpa, 0, NULL);
	return r;
}

static uint64_t digest_vm(int vm)
{
	static const uint64_t at[] = { 0, PAGE, SIZE - PAGE, SIZE, 2 * SIZE, 64 * PAGE, 65 * PAGE,
				       68 * PAGE, ROW_GMEM_GPA - PAGE, ROW_GMEM_GPA,
				       ROW_GMEM_GPA + SIZE - PAGE, ROW_GMEM_GPA + SIZE, 1ULL << 30 };
	static const unsigned int caps[] = { KVM_CAP_NR_MEMSLOTS, KVM_CAP_GUEST_MEMFD,
					     KVM_CAP_MEMORY_ATTRIBUTES, KVM_CAP_MAX_VCPU_ID };
	uint64_t hash = 0xcbf29ce484222325ULL;
	long r;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		r = slot_at(vm, at[i]);
		hash = mix(hash, &r, sizeof(r));
	}
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		r = kvm_ioctl(vm, KVM_CHECK_EXTENSION, caps[i]);
		hash = mix(hash, &r, sizeof(r));
	}
	r = kvm_ioctl(vm, KVM_GET_TSC_KHZ, 0);
	return mix(hash, &r, sizeof(r));
}

/*
 * Attributes have no reader either.  Slot 0 has no guest_memfd, so prefault of
 * a private page of it is EFAULT, and of a shared one success.
 */
static uint64_t digest_attributes(int vcpu)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (uint64_t gpa = 0; gpa < SIZE; gpa += PAGE) {
		struct kvm_pre_fault_memory p = { .gpa = gpa, .size = PAGE };
		long r = kvm_ioctlp(vcpu, KVM_PRE_FAULT_MEMORY, &p);

		hash = mix(hash, &r, sizeof(r));
	}
	return hash;
}

/* All that can be seen of the machine, the lowest free descriptor included. */
static uint64_t digest(struct machine *m, enum where on)
{
	static const enum where vms[] = { ON_BARE, ON_VM, ON_SWP };
	static const enum where vcpus[] = { ON_VCPU, ON_BARE_VCPU, ON_SWP_VCPU };
	uint64_t part, hash = 0xcbf29ce484222325ULL;
	int lowest = fcntl(m->kvm, F_DUPFD, 0);

	(void)on;
	close(lowest);
	hash = mix(hash, &lowest, sizeof(lowest));
	for (size_t i = 0; i < 3; i++) {
		if (machine_fd(m, vcpus[i]) >= 0) {
			part = digest_vcpu(machine_fd(m, vcpus[i]));
			hash = mix(hash, &part, sizeof(part));
		}
		if (machine_fd(m, vms[i]) >= 0) {
			part = digest_vm(machine_fd(m, vms[i]));
			hash = mix(hash, &part, sizeof(part));
		}
	}
	if (m->swp_vcpu >= 0) {
		part = digest_attributes(m->swp_vcpu);
		hash = mix(hash, &part, sizeof(part));
	}
	return hash;
}

/* False when this /dev/kvm lacks what the row needs, which only a second opinion may. */
static bool can_ask(int kvm, enum where on, unsigned int cap)
{
	bool swp = on == ON_SWP || on == ON_SWP_VCPU || on == ON_GMEM;
	long types = kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	bool can = (!cap || kvm_ioctl(kvm, KVM_CHECK_EXTENSION, cap) > 0) &&
		   (!swp || (types > 0 && (types & 1 << KVM_X86_SW_PROTECTED_VM)));

	left_out += second_opinion && !can;
	return can || !second_opinion;
}

static void poke(uint8_t *arg, const struct row *r)
{
	for (int i = 0; i < 3 && r->poke[i].size; i++)
		memcpy(arg + r->poke[i].offset, &r->poke[i].value, r->poke[i].size);
}

/* Judges @got (a result or -errno) of row @r; true when what follows may be looked at. */
static bool judge(const struct row *r, long got)
{
	const char *sep = got < 0 ? "" : "success, ";
	bool ok = r->want ? got == -r->want : got >= 0 && (!r->returns || got == r->returns);

	if (!ok && second_opinion && r->later_why && (r->later < 0 || got == -r->later)) {
		printf("later %s: %s%s (%s)\n", r->why, sep, errno_name(got < 0 ? -got : 0),
		       r->later_why);
		later++;
		return false;
	}
	if (ok)
		return true;
	if (got < 0)
		check(&checks, false, "%s: %s, not %s", r->why, errno_name(-got),
		      errno_name(r->want));
	else
		check(&checks, false, "%s: success with %ld, not %s %ld", r->why, got,
		      errno_name(r->want), r->returns);
	return false;
}

static void run_row(const struct row *r)
{
	static uint8_t buffer[32768] __attribute__((aligned(4096)));
	unsigned long arg = r->arg || r->fill ? (unsigned long)buffer : r->value;
	struct machine m;
	uint64_t before = 0;
	long got;

	machine_make(&m, r->on);
	if (!can_ask(m.kvm, ON_DEV, r->cap))
		goto out;
	if (r->before)
		need(r->before(&m) >= 0, "what stands before \"%s\"", r->why);
	memset(buffer, 0, sizeof(buffer));
	if (r->arg)
		memcpy(buffer, r->arg, r->size);
	if (r->fill)
		need(kvm_ioctl(machine_fd(&m, r->on), r->fill, arg) >= 0, "reading for \"%s\"", r->why);
	poke(buffer, r);
	if (r->want)
		before = digest(&m, r->on);
	got = kvm_ioctl(machine_fd(&m, r->on), r->nr, arg);
	if (judge(r, got)) {
		bool same = !r->want || before == digest(&m, r->on);

		check(&checks, same && (!r->after || r->after(&m, buffer)), "%s: %s", r->why,
		      same ? "the argument afterwards" : "refused, and yet something changed");
	}
	if (got >= 0 && r->returns_fd)
		close((int)got);
out:
	machine_free(&m);
}

/* Where an argument can lie, for one ioctl; the end of the window is a hole. */
enum place { AT_NULL, AT_HOLE, AT_END, AT_KERNEL, AT_NOWHERE, AT_WRAP, AT_ODD, AT_READ_ONLY,
	     NR_PLACES };

static const char *const place_names[NR_PLACES] = {
	"NULL", "nothing mapped", "the last byte not mapped", "the kernel's half",
	"no canonical address", "the last bytes of all", "an odd address", "read-only memory",
};

static unsigned long place_address(enum place p, uint8_t *window, const struct pointer_row *r,
				   const void *content)
{
	size_t span = (r->size + PAGE - 1) / PAGE * PAGE;
	size_t used = r->used ? r->used : r->size;
	uint8_t *hole = window + 8 * span;

	switch (p) {
	case AT_HOLE:
		return (unsigned long)hole;
	case AT_END:
		memcpy(hole - used + 1, content, used - 1);
		return (unsigned long)(hole - used + 1);
	case AT_KERNEL:
		return 0xffff888000000000UL;
	case AT_NOWHERE:
		return 1UL << 60;
	case AT_WRAP:
		return -1UL;
	case AT_ODD:
		memcpy(window + 1, content, r->size);
		return (unsigned long)(window + 1);
	case AT_READ_ONLY:
		memcpy(window, content, r->size);
		need(!mprotect(window, span, PROT_READ), "mprotect");
		return (unsigned long)window;
	default:
		return 0;
	}
}

static void run_pointer(const struct pointer_row *r, enum place p)
{
	size_t span = (r->size + PAGE - 1) / PAGE * PAGE;
	static uint8_t content[32768];
	uint8_t *window = pages(9 * span);
	bool good = p == AT_ODD || (p == AT_READ_ONLY && !r->out);
	int want = good ? 0 : p == AT_NULL ? r->null_want : EFAULT;
	uint64_t before;
	struct machine m;
	long got;

	machine_make(&m, r->on);
	memcpy(content, r->good, r->size);
	need(!munmap(window + 8 * span, span), "munmap");
	if (r->fill)
		need(kvm_ioctlp(machine_fd(&m, r->on), r->fill, content) >= 0, "reading");
	before = digest(&m, r->on);
	got = kvm_ioctl(machine_fd(&m, r->on), r->nr, place_address(p, window, r, content));
	if (check(&checks, want ? got == -want : got >= 0, "ioctl 0x%lx, argument at %s: %s, not %s",
		  r->nr, place_names[p], errno_name(got < 0 ? -got : 0), errno_name(want)) && want)
		check(&checks, before == digest(&m, r->on),
		      "ioctl 0x%lx, argument at %s: refused, and yet something changed", r->nr,
		      place_names[p]);
	if (got >= 0 && r->fd)
		close((int)got);
	munmap(window, 8 * span);
	machine_free(&m);
}

static void run_all(const char *only)
{
	const struct row_table *tables[] = { &system_rows, &vm_rows, &memory_rows, &vcpu_rows,
					     &state_rows, &irq_rows };
	int kvm = kvm_open();

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (size_t i = 0; i < tables[t]->nr; i++) {
			const struct row *r = &tables[t]->rows[i];

			if ((!only || strstr(r->why, only)) && can_ask(kvm, r->on, 0))
				run_row(r);
		}
	}
	for (size_t i = 0; !only && i < nr_pointer_rows; i++) {
		if (!can_ask(kvm, pointer_rows[i].on, pointer_rows[i].cap))
			continue;
		for (int p = 0; p < NR_PLACES; p++)
			run_pointer(&pointer_rows[i], (enum place)p);
	}
	close(kvm);
}

int main(int argc, char **argv)
{
	const char *only = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--verbose"))
			checks.verbose = true;
		else if (!strcmp(argv[i], "--second-opinion"))
			second_opinion = true;
		else
			only = argv[i];
	}
	need(mmap((void *)ROW_HVA, ROW_HVA_SIZE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) ==
	     (void *)ROW_HVA, "memory at 0x%llx", ROW_HVA);
	fix_fd(memfd_create("row", MFD_CLOEXEC), FD_MEMFD);
	fix_fd(kvm_open(), FD_KVM);
	run_all(only);
	if (second_opinion)
		printf("%d rows left out (no such VM type or capability here), %d known differences\n",
		       left_out, later);
	return checks_end(&checks);
}
