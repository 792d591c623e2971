/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/core/stat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kvm/core/kvm.h"
#include "os/uaccess.h"
#include "trace/counters.h"

/* struct kvm_stats_desc with a name as long as the header says. */
struct desc {
	uint32_t	flags;
	int16_t		exponent;
	uint16_t	size;
	uint32_t	offset;
	uint32_t	bucket_size;
	char		name[KVM_STATS_NAME_SIZE];
};

static_assert(offsetof(struct desc, name) == sizeof(struct kvm_stats_desc), "the ABI's layout");

#define DESC(of, what, type, unit, expo, nr)				\
	{ .flags = KVM_STATS_TYPE_##type | KVM_STATS_UNIT_##unit | KVM_STATS_BASE_POW10, \
	  .exponent = (expo), .size = (nr), .offset = offsetof(struct of, what), .name = #what },

static const struct desc vm_desc[] = {
#define AS_SUM(n)	DESC(kvm_vm_stat, n, CUMULATIVE, NONE, 0, 1)
#define AS_NOW(n)	DESC(kvm_vm_stat, n, INSTANT, NONE, 0, 1)
#define AS_PEAK(n)	DESC(kvm_vm_stat, n, PEAK, NONE, 0, 1)
	KVM_VM_STATS(AS_SUM, AS_NOW, AS_PEAK)
#undef AS_SUM
#undef AS_NOW
#undef AS_PEAK
};

static const struct desc vcpu_desc[] = {
#define AS_SUM(n)	DESC(kvm_vcpu_stat, n, CUMULATIVE, NONE, 0, 1)
#define AS_NS(n)	DESC(kvm_vcpu_stat, n, CUMULATIVE, SECONDS, -9, 1)
#define AS_HIST(n)	DESC(kvm_vcpu_stat, n, LOG_HIST, SECONDS, -9, KVM_HALT_HIST_BUCKETS)
#define AS_BOOL(n)	DESC(kvm_vcpu_stat, n, INSTANT, BOOLEAN, 0, 1)
	KVM_VCPU_STATS(AS_SUM, AS_NS, AS_HIST, AS_BOOL)
#undef AS_SUM
#undef AS_NS
#undef AS_HIST
#undef AS_BOOL
};

/* Header, name, descriptors and data as one sequence of blocks. */
struct block {
	const void	*bytes;
	size_t		 size;
};

static uint64_t vm_count(const struct kvm *kvm, enum kvm_vm_counter id)
{
	return counter_read(kvm->stat, id);
}

static void sum_vm(const struct kvm *kvm, struct kvm_vm_stat *s)
{
	*s = (struct kvm_vm_stat){
		.remote_tlb_flush = vm_count(kvm, KVM_VM_REMOTE_TLB_FLUSH),
		.remote_tlb_flush_requests = vm_count(kvm, KVM_VM_REMOTE_TLB_FLUSH_REQUESTS),
		.pages_4k = vm_count(kvm, KVM_VM_PAGES_4K),
		.pages_2m = vm_count(kvm, KVM_VM_PAGES_2M),
		.pages_1g = vm_count(kvm, KVM_VM_PAGES_1G),
		.nx_lpage_splits = atomic64_load(&kvm->mmu.nr_nx_splits),
	};
}

static void copy_vcpu(const struct kvm_vcpu *vcpu, struct kvm_vcpu_stat *s)
{
	const uint64_t *from = (const uint64_t *)&vcpu->stat;
	uint64_t *to = (uint64_t *)s;

	for (size_t i = 0; i < sizeof(*s) / sizeof(uint64_t); i++)
		to[i] = sync_count_read(&from[i]);
}

void kvm_stat_pages(struct kvm *kvm, unsigned level, uint64_t n)
{
	counter_add(kvm->stat, KVM_VM_PAGES_4K + level - PG_LEVEL_4K, n);
}

static ssize_t read_blocks(const struct block *b, unsigned nr, void *user, size_t size,
			   uint64_t *pos)
{
	uint64_t start = 0, at = *pos;
	size_t done = 0;

	for (unsigned i = 0; i < nr && done < size; start += b[i++].size) {
		size_t n;

		if (at >= start + b[i].size)
			continue;
		n = MIN(start + b[i].size - at, size - done);
		if (os_copy_to((char *)user + done, (const char *)b[i].bytes + (at - start), n))
			return -EFAULT;
		at += n;
		done += n;
	}
	*pos = at;
	return (ssize_t)done;
}

ssize_t kvm_stats_read(struct kvm *kvm, struct kvm_vcpu *vcpu, void *user, size_t size,
		       uint64_t *pos)
{
	char id[KVM_STATS_NAME_SIZE] = "";
	union {
		struct kvm_vm_stat	vm;
		struct kvm_vcpu_stat	vcpu;
	} data;
	size_t desc_size = vcpu ? sizeof(vcpu_desc) : sizeof(vm_desc);
	struct kvm_stats_header header = {
		.name_size = KVM_STATS_NAME_SIZE,
		.num_desc = (uint32_t)(desc_size / sizeof(struct desc)),
		.id_offset = sizeof(header),
		.desc_offset = sizeof(header) + KVM_STATS_NAME_SIZE,
		.data_offset = (uint32_t)(sizeof(header) + KVM_STATS_NAME_SIZE + desc_size),
	};
	const struct block blocks[] = {
		{ &header, sizeof(header) },
		{ id, sizeof(id) },
		{ vcpu ? vcpu_desc : vm_desc, desc_size },
		{ &data, vcpu ? sizeof(data.vcpu) : sizeof(data.vm) },
	};

	if (vcpu) {
		snprintf(id, sizeof(id), "kvm-%d/vcpu-%u", kvm->creator, vcpu->id);
		copy_vcpu(vcpu, &data.vcpu);
	} else {
		snprintf(id, sizeof(id), "kvm-%d", kvm->creator);
		sum_vm(kvm, &data.vm);
	}
	return read_blocks(blocks, ARRAY_SIZE(blocks), user, size, pos);
}
