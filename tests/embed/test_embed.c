/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_embed.c - the library: machines that cannot be, many at once in one
 * process, descriptors that belong to one machine, kicks, taken memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <softcvm/identity.h>
#include <softcvm/softcvm.h>
#include <softcvm/uapi/kvm.h>

#define NR_MACHINES	8
#define NR_ROUNDS	20
#define MEMORY		0x10000UL
#define CODE		0x1000UL

static int passed, failed;

#define CHECK(ok)							\
	do {								\
		if (ok) {						\
			__atomic_add_fetch(&passed, 1, __ATOMIC_RELAXED); \
			break;						\
		}							\
		__atomic_add_fetch(&failed, 1, __ATOMIC_RELAXED);	\
		fprintf(stderr, "%s:%d: %s (errno %d)\n", __func__, __LINE__, #ok, errno); \
	} while (0)
#define FAILS(error, expr) CHECK((errno = 0, (long)(expr) == -1 && errno == (error)))

/* out %al, $0x10; inc %al; jmp back */
static const unsigned char counting[] = { 0xe6, 0x10, 0xfe, 0xc0, 0xeb, 0xfa };
/* jmp to itself */
static const unsigned char spinning[] = { 0xeb, 0xfe };

struct world {
	struct softcvm	*m;
	int		 kvm, vm, vcpu;
	struct kvm_run	*run;
	size_t		 run_size;
	unsigned char	*memory;
};

static void set_start(struct world *w)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	CHECK(!softcvm_ioctl(w->m, w->vcpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	CHECK(!softcvm_ioctl(w->m, w->vcpu, KVM_SET_SREGS, &sregs));
	CHECK(!softcvm_ioctl(w->m, w->vcpu, KVM_SET_REGS, &regs));
}

static void make(struct world *w, const char *cpu, const void *code, size_t size)
{
	struct softcvm_machine wanted = { .size = sizeof(wanted), .cpu = cpu, .cpus = 1 };
	struct kvm_userspace_memory_region r = { .memory_size = MEMORY };

	w->m = softcvm_open(&wanted);
	CHECK(w->m);
	w->kvm = softcvm_dev_kvm(w->m);
	w->vm = softcvm_ioctl(w->m, w->kvm, KVM_CREATE_VM, 0);
	w->vcpu = softcvm_ioctl(w->m, w->vm, KVM_CREATE_VCPU, 0);
	CHECK(w->kvm >= 0 && w->vm >= 0 && w->vcpu >= 0);
	w->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(w->memory + CODE, code, size);
	r.userspace_addr = (uintptr_t)w->memory;
	CHECK(!softcvm_ioctl(w->m, w->vm, KVM_SET_USER_MEMORY_REGION, &r));
	w->run_size = (size_t)softcvm_ioctl(w->m, w->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	w->run = softcvm_mmap(w->m, NULL, w->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, w->vcpu, 0);
	CHECK(w->run != MAP_FAILED);
	set_start(w);
}

static void destroy(struct world *w)
{
	CHECK(!softcvm_munmap(w->m, w->run, w->run_size));
	CHECK(!softcvm_close(w->m, w->vcpu));
	CHECK(!softcvm_close(w->m, w->vm));
	CHECK(!softcvm_close(w->m, w->kvm));
	CHECK(!softcvm_munmap(w->m, w->memory, MEMORY));
	softcvm_free(w->m);
}

static void cannot_be(void)
{
	char why[100] = "";
	struct softcvm_machine m = { .size = sizeof(m), .cpu = "vax", .why = why,
				     .why_size = sizeof(why) };

	CHECK(!softcvm_open(&m) && errno == EINVAL && strstr(why, "vax"));
	m.cpu = "intel";
	m.c_bit = 47;
	CHECK(!softcvm_open(&m) && errno == EINVAL && strstr(why, "amd only"));
	m.c_bit = 0;
	m.phys_bits = 99;
	CHECK(!softcvm_open(&m) && errno == EINVAL && strstr(why, "99"));
	m.phys_bits = 0;
	m.cpu = "amd\nphys-bits=40";
	why[0] = 0;
	CHECK(!softcvm_open(&m) && errno == EINVAL && strstr(why, "line break"));
	m.cpu = "";
	why[0] = 0;
	CHECK(!softcvm_open(&m) && errno == EINVAL && strstr(why, "cpu"));
	m.cpu = NULL;
	m.trace = "kvm_entry";
	m.trace_file = "/no such folder/file";
	CHECK(!softcvm_open(&m) && errno == ENOENT && strstr(why, "No such file"));
}

/* Of other versions: shorter ones are none, longer ones may say nothing more. */
static void other_sizes(void)
{
	const size_t first = offsetof(struct softcvm_machine, why_size) + sizeof(size_t);
	char why[100] = "untouched";
	struct { struct softcvm_machine m; uint64_t more[2]; } later = {
		.m = { .why = why, .why_size = sizeof(why) } };
	struct softcvm *s;

	CHECK(!softcvm_open(&later.m) && errno == EINVAL);
	later.m.size = first - 1;
	CHECK(!softcvm_open(&later.m) && errno == EINVAL && !strcmp(why, "untouched"));
	/* What the first version does not have is not read of it. */
	later.m.size = first;
	later.m.strict_host_access = 2;
	s = softcvm_open(&later.m);
	CHECK(s);
	softcvm_free(s);
	later.m.size = sizeof(later.m);
	CHECK(!softcvm_open(&later.m) && errno == EINVAL && strstr(why, "strict-host-access"));
	later.m.strict_host_access = 1;
	later.m.size = sizeof(later);
	s = softcvm_open(&later.m);
	CHECK(s);
	softcvm_free(s);
	later.more[1] = 1;
	CHECK(!softcvm_open(&later.m) && errno == EINVAL && strstr(why, "does not know"));
}

/* One machine's life, counting; all at once. */
static void *live(void *arg)
{
	struct world w;

	make(&w, (uintptr_t)arg % 2 ? "amd" : "intel", counting, sizeof(counting));
	for (unsigned i = 0; i < NR_ROUNDS; i++) {
		CHECK(!softcvm_ioctl(w.m, w.vcpu, KVM_RUN, 0));
		CHECK(w.run->exit_reason == KVM_EXIT_IO &&
		      ((unsigned char *)w.run)[w.run->io.data_offset] == i);
	}
	CHECK(softcvm_counter(w.m, "io_exits") == NR_ROUNDS);
	CHECK(softcvm_counter(w.m, "vms") == 1);
	CHECK(softcvm_counter(w.m, "no such counter") == 0);
	destroy(&w);
	return NULL;
}

static void many_at_once(void)
{
	pthread_t thread[NR_MACHINES];

	for (uintptr_t i = 0; i < NR_MACHINES; i++)
		CHECK(!pthread_create(&thread[i], NULL, live, (void *)i));
	for (unsigned i = 0; i < NR_MACHINES; i++)
		pthread_join(thread[i], NULL);
}

static void of_one_machine(void)
{
	struct world a, b;
	char byte;
	int stats, gmem;
	struct kvm_create_guest_memfd g = { .size = 0x2000 };

	make(&a, "amd", counting, sizeof(counting));
	make(&b, "intel", counting, sizeof(counting));
	FAILS(EBADF, softcvm_ioctl(b.m, a.vm, KVM_CHECK_EXTENSION, 0));
	FAILS(EBADF, softcvm_close(b.m, a.vcpu));
	FAILS(EBADF, softcvm_ioctl(a.m, 0, KVM_GET_API_VERSION, 0));
	FAILS(ENODEV, softcvm_mmap(a.m, NULL, 4096, PROT_READ, MAP_SHARED, a.vm, 0) == MAP_FAILED ? -1 : 0);
	CHECK(softcvm_ioctl(a.m, a.kvm, KVM_CHECK_EXTENSION, KVM_CAP_SOFTCVM) > 0);
	stats = softcvm_ioctl(a.m, a.vm, KVM_GET_STATS_FD, 0);
	CHECK(stats >= 0 && softcvm_pread(a.m, stats, &byte, 1, 4) == 1 && byte == 48);
	FAILS(EBADF, softcvm_pread(b.m, stats, &byte, 1, 0));
	gmem = softcvm_ioctl(a.m, a.vm, KVM_CREATE_GUEST_MEMFD, &g);
	CHECK(gmem >= 0 && !softcvm_fallocate(a.m, gmem, FALLOC_FL_KEEP_SIZE, 0, 0x1000));
	FAILS(EINVAL, softcvm_fallocate(a.m, gmem, FALLOC_FL_KEEP_SIZE, 1, 0x1000));
	CHECK(!softcvm_close(a.m, gmem) && !softcvm_close(a.m, stats));
	FAILS(EBADF, softcvm_close(a.m, stats));
	FAILS(EINVAL, softcvm_kick(a.m, a.vm));
	destroy(&b);
	destroy(&a);
}

static void *kick_soon(void *arg)
{
	struct world *w = arg;

	usleep(20000);
	CHECK(!softcvm_kick(w->m, w->vcpu));
	return NULL;
}

static void kicks(void)
{
	struct world w;
	pthread_t t;

	make(&w, "amd", spinning, sizeof(spinning));
	CHECK(!pthread_create(&t, NULL, kick_soon, &w));
	FAILS(EINTR, softcvm_ioctl(w.m, w.vcpu, KVM_RUN, 0));
	pthread_join(t, NULL);
	/* One that comes between two runs ends the next. */
	CHECK(!softcvm_kick(w.m, w.vcpu));
	FAILS(EINTR, softcvm_ioctl(w.m, w.vcpu, KVM_RUN, 0));
	CHECK(w.run->exit_reason == KVM_EXIT_INTR);
	destroy(&w);
}

/* Guests let go of memory that is taken away; what comes in its place is seen. */
static void memory_goes(void)
{
	struct world w;
	void *again;

	make(&w, "intel", counting, sizeof(counting));
	CHECK(!softcvm_ioctl(w.m, w.vcpu, KVM_RUN, 0));
	CHECK(w.run->exit_reason == KVM_EXIT_IO);
	again = softcvm_mmap(w.m, w.memory, MEMORY, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(again == w.memory);
	/* OUT $0x20 now, where OUT $0x10 was. */
	memcpy(w.memory + CODE, counting, sizeof(counting));
	w.memory[CODE + 1] = 0x20;
	CHECK(!softcvm_ioctl(w.m, w.vcpu, KVM_RUN, 0));
	CHECK(w.run->exit_reason == KVM_EXIT_IO && w.run->io.port == 0x20);
	CHECK(!softcvm_madvise(w.m, w.memory, MEMORY, MADV_DONTNEED));
	CHECK(w.memory[CODE] == 0);
	destroy(&w);
}

int main(void)
{
	struct softcvm *defaults;

	cannot_be();
	other_sizes();
	defaults = softcvm_open(NULL);
	CHECK(defaults);
	softcvm_free(defaults);
	softcvm_free(NULL);
	many_at_once();
	of_one_machine();
	kicks();
	memory_goes();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
