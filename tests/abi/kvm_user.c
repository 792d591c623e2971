/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* kvm_user.c - small steps of a KVM program; see kvm_user.h. */
#include "kvm_user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <softcvm/identity.h>

bool check(struct checks *c, bool ok, const char *format, ...)
{
	va_list args;

	__atomic_fetch_add(ok ? &c->passed : &c->failed, 1, __ATOMIC_RELAXED);
	if (!ok || c->verbose) {
		va_start(args, format);
		printf("%s  ", ok ? "ok  " : "FAIL");
		vprintf(format, args);
		putchar('\n');
		va_end(args);
		fflush(stdout);
	}
	return ok;
}

void check_skip(struct checks *c, const char *what, const char *why)
{
	c->skipped++;
	printf("skip  %s: %s\n", what, why);
}

int checks_end(const struct checks *c)
{
	printf("%d passed, %d failed", c->passed, c->failed);
	if (c->skipped)
		printf(", %d skipped", c->skipped);
	putchar('\n');
	return c->failed ? 1 : 0;
}

long kvm_ioctl(int fd, unsigned long nr, unsigned long arg)
{
	int r = ioctl(fd, nr, arg);

	return r < 0 ? -errno : r;
}

long kvm_ioctlp(int fd, unsigned long nr, void *arg)
{
	return kvm_ioctl(fd, nr, (unsigned long)arg);
}

void need(bool ok, const char *format, ...)
{
	va_list args;
	int e = errno;

	if (ok)
		return;
	va_start(args, format);
	printf("FAIL  cannot go on: ");
	vprintf(format, args);
	printf(" (errno %s)\n", errno_name(e));
	va_end(args);
	exit(1);
}

int kvm_open(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	need(kvm >= 0, "open /dev/kvm");
	return kvm;
}

int vm_make(int kvm, unsigned long type)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, type);

	need(vm >= 0, "KVM_CREATE_VM type %lu", type);
	return vm;
}

long vm_region(int vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return kvm_ioctlp(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

long vm_region_gmem(int vm, uint32_t slot, uint64_t gpa, uint64_t size, void *hva, int gmem,
		    uint64_t offset)
{
	struct kvm_userspace_memory_region2 r = {
		.slot = slot,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
		.guest_memfd_offset = offset,
		.guest_memfd = (uint32_t)gmem,
	};

	return kvm_ioctlp(vm, KVM_SET_USER_MEMORY_REGION2, &r);
}

long vm_gmem(int vm, uint64_t size, uint64_t flags)
{
	struct kvm_create_guest_memfd g = { .size = size, .flags = flags };

	return kvm_ioctlp(vm, KVM_CREATE_GUEST_MEMFD, &g);
}

long vm_attributes(int vm, uint64_t gpa, uint64_t size, uint64_t attributes)
{
	struct kvm_memory_attributes a = {
		.address = gpa,
		.size = size,
		.attributes = attributes,
	};

	return kvm_ioctlp(vm, KVM_SET_MEMORY_ATTRIBUTES, &a);
}

long vm_enable(int vm, uint32_t cap, uint64_t arg0)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg0 } };

	return kvm_ioctlp(vm, KVM_ENABLE_CAP, &c);
}

void *pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(p != MAP_FAILED, "mmap of %zu bytes", size);
	return p;
}

uint64_t kvm_stat(int fd, const char *name)
{
	struct kvm_stats_header h;
	uint64_t v = 0;
	bool found = false;

	need(pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h), "a statistics file");
	for (uint32_t i = 0; i < h.num_desc && !found; i++) {
		struct {
			struct kvm_stats_desc d;
			char name[48];
		} e;
		off_t at = (off_t)(h.desc_offset + i * (sizeof(e.d) + h.name_size));

		need(pread(fd, &e, sizeof(e), at) == (ssize_t)sizeof(e), "a descriptor");
		if (strncmp(e.name, name, sizeof(e.name)))
			continue;
		found = pread(fd, &v, sizeof(v), (off_t)(h.data_offset + e.d.offset)) == sizeof(v);
	}
	need(found, "the statistic %s", name);
	return v;
}

struct kvm_run *vcpu_map(int kvm, int vcpu)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *p;

	need(size > 0, "KVM_GET_VCPU_MMAP_SIZE");
	p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	need(p != MAP_FAILED, "mmap of a vCPU");
	return p;
}

const char *errno_name(long e)
{
	return e ? strerrorname_np((int)e) ? strerrorname_np((int)e) : "an unknown errno" : "0";
}

bool is_ours(int fd)
{
	return fd >= 0 && ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_SOFTCVM) > 0;
}

bool closed_ours(int fd)
{
	bool ours = is_ours(fd);

	if (fd >= 0)
		close(fd);
	return ours;
}
