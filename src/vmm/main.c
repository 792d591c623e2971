/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * main.c - the options, and the steps from nothing to a guest's end.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/vmm.h"

static const struct vmm_type types[] = {
	{ .name = "default", .number = KVM_X86_DEFAULT_VM },
	{ .name = "sw-protected", .number = KVM_X86_SW_PROTECTED_VM, .private_memory = true },
	{ .name = "sev", .number = KVM_X86_SEV_VM, .sev = true },
	{ .name = "sev-es", .number = KVM_X86_SEV_ES_VM, .sev = true, .es = true },
	{ .name = "snp", .number = KVM_X86_SNP_VM, .sev = true, .es = true, .snp = true,
	  .private_memory = true },
};

static const struct option long_options[] = {
	{ "type", required_argument, NULL, 't' },
	{ "memory", required_argument, NULL, 'm' },
	{ "vcpus", required_argument, NULL, 'n' },
	{ "device", required_argument, NULL, 'd' },
	{ "policy", required_argument, NULL, 'p' },
	{ "irqchip", no_argument, NULL, 'i' },
	{ "hugepages", no_argument, NULL, 'H' },
	{ "hugetlb", no_argument, NULL, 'G' },
	{ "in-place", no_argument, NULL, 'P' },
	{ "no-discard", no_argument, NULL, 'D' },
	{ "measurement", no_argument, NULL, 'M' },
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

void vmm_die(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("softcvm run: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

const char *vmm_errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "an unknown error";
}

int vmm_ioctl(int fd, unsigned long request, uintptr_t arg, const char *name)
{
	int result = ioctl(fd, request, arg);

	if (result < 0)
		vmm_die(VMM_EXIT_MACHINE, "%s: %s", name, vmm_errno_name(errno));
	return result;
}

static const struct vmm_type *type_of(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!strcmp(name, types[i].name))
			return &types[i];
	}
	if (!strcmp(name, "tdx"))
		vmm_die(VMM_EXIT_MACHINE, "guests of type %s cannot be launched yet", name);
	vmm_die(VMM_EXIT_USAGE, "--type: '%s' is none of default, sw-protected, sev, sev-es, snp, tdx",
		name);
}

static uint64_t number_of(const char *option, const char *text, char **end)
{
	uint64_t value;

	errno = 0;
	value = strtoull(text, end, 0);
	if (!isdigit((unsigned char)*text) || errno)
		vmm_die(VMM_EXIT_USAGE, "--%s: '%s' is no number", option, text);
	return value;
}

/* Bytes, or with K, M, G or T behind; whole pages, at least 2 MiB. */
static uint64_t size_of(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	uint64_t value = number_of("memory", text, &end), bytes;
	const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

	bytes = value << shift;
	if ((*end && (!unit || end[1])) || bytes >> shift != value || bytes % VMM_PAGE ||
	    bytes < 2ull << 20 || bytes > 1ull << 47)
		vmm_die(VMM_EXIT_USAGE, "--memory: '%s' is no size of whole pages from 2M to 128T", text);
	return bytes;
}

static uint32_t whole(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t value = number_of(option, text, &end);

	if (*end || value < least || value > most)
		vmm_die(VMM_EXIT_USAGE, "--%s: '%s' is not %llu to %llu", option, text,
			(unsigned long long)least, (unsigned long long)most);
	return (uint32_t)value;
}

static void parse(struct vmm_options *o, int argc, char **argv)
{
	int c;

	*o = (struct vmm_options){ .type = &types[0], .memory = 64ull << 20, .nr_vcpus = 1,
				   .device = "/dev/kvm" };
	while ((c = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
		switch (c) {
		case 't': o->type = type_of(optarg); break;
		case 'm': o->memory = size_of(optarg); break;
		case 'n': o->nr_vcpus = whole("vcpus", optarg, 1, 4096); break;
		case 'p': o->policy = whole("policy", optarg, 0, UINT32_MAX); break;
		case 'd': o->device = optarg; break;
		case 'i': o->irqchip = true; break;
		case 'H': o->hugepages = true; break;
		case 'G': o->hugetlb = true; break;
		case 'P': o->in_place = true; break;
		case 'D': o->no_discard = true; break;
		case 'M': o->measurement = true; break;
		case 'j': o->json = true; break;
		default: exit(VMM_EXIT_USAGE);
		}
	}
	if (argc - optind != 1)
		vmm_die(VMM_EXIT_USAGE, "%s", argc == optind ? "which image?" : "one image, please");
	if (o->measurement && o->type->snp)
		vmm_die(VMM_EXIT_USAGE, "--measurement: a guest of type snp asks for its report itself");
	if (o->hugepages && o->memory % VMM_LARGE_PAGE)
		vmm_die(VMM_EXIT_USAGE, "--hugepages: the memory is not whole pages of 2M");
	if (o->hugetlb && (o->memory % VMM_GIANT_PAGE || o->memory < 2 * VMM_GIANT_PAGE))
		vmm_die(VMM_EXIT_USAGE, "--hugetlb: the memory is not 2G or more, in whole pages of 1G");
	if (o->hugetlb && o->type->sev && !o->type->private_memory)
		vmm_die(VMM_EXIT_USAGE, "--hugetlb: not for type %s, whose memory is not shared",
			o->type->name);
	if (o->in_place && (!o->type->private_memory || o->hugetlb))
		vmm_die(VMM_EXIT_USAGE, o->hugetlb ? "--in-place: a guest_memfd is not on pages of 1G" :
			"--in-place: not for type %s, which has no private memory", o->type->name);
	o->image = argv[optind];
	o->irqchip |= o->nr_vcpus > 1;
}

static void open_device(struct vmm *vmm)
{
	const char *path = vmm->options.device;
	long types_there;

	vmm->kvm = open(path, O_RDWR | O_CLOEXEC);
	if (vmm->kvm < 0)
		vmm_die(VMM_EXIT_MACHINE, "%s: %s", path, strerror(errno));
	if (VMM_IOCTL(vmm->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		vmm_die(VMM_EXIT_MACHINE, "%s: not KVM's API %d", path, KVM_API_VERSION);
	types_there = ioctl(vmm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	if (vmm->options.type->number &&
	    (types_there < 0 || !(types_there >> vmm->options.type->number & 1)))
		vmm_die(VMM_EXIT_MACHINE, "%s: no VM type %s here (KVM_CAP_VM_TYPES: 0x%lx)", path,
			vmm->options.type->name, types_there < 0 ? 0 : types_there);
}

static void create_vm(struct vmm *vmm)
{
	struct kvm_enable_cap hypercalls = { .cap = KVM_CAP_EXIT_HYPERCALL };
	int may;

	vmm->vm = VMM_IOCTL(vmm->kvm, KVM_CREATE_VM, vmm->options.type->number);
	if (vmm->options.type->sev)
		vmm_sev_init(vmm);
	/* Optional: an older kernel answers 0, and the guest is told that there are none. */
	may = ioctl(vmm->vm, KVM_CHECK_EXTENSION, KVM_CAP_EXIT_HYPERCALL);
	if (may > 0) {
		hypercalls.args[0] = (unsigned)may;
		VMM_IOCTL(vmm->vm, KVM_ENABLE_CAP, &hypercalls);
	}
	if (ioctl(vmm->vm, KVM_CHECK_EXTENSION, KVM_CAP_SET_TSS_ADDR) > 0)
		VMM_IOCTL(vmm->vm, KVM_SET_TSS_ADDR, VMM_TSS);
	if (vmm->options.irqchip)
		VMM_IOCTL(vmm->vm, KVM_CREATE_IRQCHIP, 0);
}

int main(int argc, char **argv)
{
	static struct vmm vmm = { .sev = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

	parse(&vmm.options, argc, argv);
	open_device(&vmm);
	create_vm(&vmm);
	vmm_memory_create(&vmm);
	vmm_image_load(&vmm);
	vmm_image_add_start_info(&vmm);
	if (vmm.options.type->private_memory)
		vmm_memory_make_private(&vmm);
	vmm_cpu_create(&vmm);
	if (vmm.options.type->snp)
		vmm_snp_launch(&vmm);
	else if (vmm.options.type->sev)
		vmm_sev_launch(&vmm);
	vmm_measurement_print(&vmm);
	vmm_run(&vmm);
	vmm_end_print(&vmm);
	return vmm.end.status;
}
