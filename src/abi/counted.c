/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "abi/counted.h"

#include <errno.h>
#include <stdlib.h>

#include "softcvm/uapi/kvm.h"

#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/vcpu.h"
#include "os/uaccess.h"

static void *tail(unsigned long arg, size_t header)
{
	return (void *)(arg + header);
}

long counted_msrs(unsigned long arg, msr_access access, void *who, bool write_back)
{
	struct kvm_msrs header;
	struct kvm_msr_entry *e;
	size_t size;
	long n, r;

	if (os_copy_from(&header, (void *)arg, sizeof(header)))
		return -EFAULT;
	if (header.nmsrs >= COUNTED_MAX_MSRS)
		return -E2BIG;
	size = header.nmsrs * sizeof(*e);
	e = malloc(size + 1);
	if (!e)
		return -ENOMEM;
	r = -EFAULT;
	if (os_copy_from(e, tail(arg, sizeof(header)), size))
		goto out;
	for (n = 0; n < (long)header.nmsrs; n++) {
		uint64_t value = e[n].data;

		if (access(who, e[n].index, &value))
			break;
		e[n].data = value;
	}
	r = n;
	if (write_back && os_copy_to(tail(arg, sizeof(header)), e, size))
		r = -EFAULT;
out:
	free(e);
	return r;
}

long counted_msr_list(const struct kvm_module *module, unsigned long arg,
		      unsigned (*list)(const struct kvm_module *module, uint32_t *list,
				       unsigned max))
{
	struct kvm_msr_list header;
	uint32_t all[COUNTED_MAX_MSRS];
	uint32_t room;

	if (os_copy_from(&header, (void *)arg, sizeof(header)))
		return -EFAULT;
	room = header.nmsrs;
	header.nmsrs = list(module, all, ARRAY_SIZE(all));
	if (os_copy_to((void *)arg, &header, sizeof(header)))
		return -EFAULT;
	if (room < header.nmsrs)
		return -E2BIG;
	if (os_copy_to(tail(arg, sizeof(header)), all, header.nmsrs * sizeof(all[0])))
		return -EFAULT;
	return 0;
}

struct kvm_cpuid_entry2 *counted_cpuid_in(unsigned long arg, uint32_t *nr, int *r)
{
	struct kvm_cpuid_entry2 *e;
	struct kvm_cpuid2 header;
	size_t size;

	*r = -EFAULT;
	if (os_copy_from(&header, (void *)arg, sizeof(header)))
		return NULL;
	*r = -E2BIG;
	if (header.nent > KVM_MAX_CPUID_ENTRIES)
		return NULL;
	size = header.nent * sizeof(*e);
	e = malloc(size + 1);
	*r = -ENOMEM;
	if (!e)
		return NULL;
	*r = -EFAULT;
	if (os_copy_from(e, tail(arg, sizeof(header)), size)) {
		free(e);
		return NULL;
	}
	*nr = header.nent;
	*r = 0;
	return e;
}

struct kvm_cpuid_entry2 *counted_old_cpuid_in(unsigned long arg, uint32_t *nr, int *r)
{
	struct kvm_cpuid_entry2 *e;
	struct kvm_cpuid header;

	*r = -EFAULT;
	if (os_copy_from(&header, (void *)arg, sizeof(header)))
		return NULL;
	*r = -E2BIG;
	if (header.nent > KVM_MAX_CPUID_ENTRIES)
		return NULL;
	e = calloc(header.nent + 1, sizeof(*e));
	*r = -ENOMEM;
	if (!e)
		return NULL;
	for (uint32_t i = 0; i < header.nent; i++) {
		struct kvm_cpuid_entry old;

		if (os_copy_from(&old, (char *)tail(arg, sizeof(header)) + i * sizeof(old),
				 sizeof(old))) {
			free(e);
			*r = -EFAULT;
			return NULL;
		}
		e[i] = (struct kvm_cpuid_entry2){ .function = old.function, .eax = old.eax,
						  .ebx = old.ebx, .ecx = old.ecx, .edx = old.edx };
	}
	*nr = header.nent;
	*r = 0;
	return e;
}

long counted_cpuid_room(unsigned long arg, uint32_t least)
{
	struct kvm_cpuid2 header;

	if (os_copy_from(&header, (void *)arg, sizeof(header)))
		return -EFAULT;
	return header.nent < least ? -E2BIG : (long)MIN(header.nent, KVM_MAX_CPUID_ENTRIES);
}

bool counted_cpuid_padding_is_clean(unsigned long arg, uint32_t nr)
{
	const struct kvm_cpuid_entry2 *user = tail(arg, sizeof(struct kvm_cpuid2));
	uint32_t padding[ARRAY_SIZE(user->padding)];

	for (uint32_t i = 0; i < nr; i++) {
		if (os_copy_from(padding, user[i].padding, sizeof(padding)) ||
		    padding[0] || padding[1] || padding[2])
			return false;
	}
	return true;
}

long counted_cpuid_out(unsigned long arg, const struct kvm_cpuid_entry2 *e, uint32_t nr)
{
	if (os_copy_to(tail(arg, sizeof(struct kvm_cpuid2)), e, nr * sizeof(*e)) ||
	    os_copy_to((void *)arg, &nr, sizeof(nr)))
		return -EFAULT;
	return 0;
}
