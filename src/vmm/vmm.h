/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm.h - softcvm-run: one guest, its machine, and how it ended.
 *
 * A KVM program like any other: it knows the kernel's ABI and nothing of this
 * project, so it runs on a real /dev/kvm as well.  What goes wrong before the
 * guest runs ends the program (vmm_die); what ends the guest is recorded once.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "softcvm/uapi/kvm.h"

enum {
	VMM_EXIT_USAGE		= 2,
	VMM_EXIT_NO_STATUS	= 124,	/* the guest ended, but not by its exit port */
	VMM_EXIT_MACHINE	= 125,	/* the machine could not be made or run */
	VMM_EXIT_IMAGE		= 126,	/* the image is none that can be run here */
	VMM_EXIT_NOT_FOUND	= 127,
};

/* Guest physical addresses that are this VMM's choice (softcvm(1), GUEST MACHINE). */
#define VMM_SECRETS		0x5000ull	/* SNP: the page of secrets */
#define VMM_CPUID_TABLE		0x6000ull	/* SNP: the CPUID table */
#define VMM_START_INFO		0x7000ull	/* PVH start info and memory map, one page */
#define VMM_LOW_RAM_END		0xc0000000ull	/* RAM goes on at 4 GiB */
#define VMM_HIGH_RAM		0x100000000ull
#define VMM_DEVICE		0xd0000000ull	/* the test device: one page of registers */
#define VMM_TSS			0xfffbd000ull	/* three pages that old Intel machines need */
#define VMM_PAGE		0x1000ull
#define VMM_LARGE_PAGE		0x200000ull
#define VMM_GIANT_PAGE		0x40000000ull

struct vmm_type {
	const char	*name;
	unsigned	 number;	/* KVM_CREATE_VM's argument */
	bool		 sev, es, snp;	/* launched by SEV commands; with an encrypted state; an RMP */
	bool		 private_memory;/* guest_memfd and attributes */
};

struct vmm_options {
	const struct vmm_type	*type;
	uint64_t		 memory;	/* bytes, whole pages */
	unsigned		 nr_vcpus;
	uint32_t		 policy;	/* SEV policy; ES's bit is added */
	const char		*device, *image;
	bool			 json, measurement, irqchip, hugepages, hugetlb, no_discard;
	bool			 in_place;	/* RAM is the guest_memfd itself, mapped */
};

/* [gpa, gpa + size): whole pages. */
struct vmm_range { uint64_t gpa, size; };

/* A part of RAM and its slot. */
struct vmm_ram {
	struct vmm_range	 at;
	uint8_t			*host;		/* where it is loaded and launched from */
	uint8_t			*shared;	/* the slot's: host, but in place the guest_memfd */
	uint64_t		 giant;		/* bytes before its pages of 1 GiB; at.size: it has none */
	int			 gmem;		/* -1: none */
};

struct vmm_image {
	uint32_t		 entry;		/* 32-bit protected mode, paging off */
	struct vmm_range	*loaded;	/* ascending, apart from one another; owned */
	size_t			 nr_loaded;
	struct vmm_range	*empty;		/* zeros behind the loaded bytes of a part; may
						 * overlap what is loaded; owned */
	size_t			 nr_empty;
};

enum vmm_counted {
	VMM_COUNT_IO, VMM_COUNT_MMIO, VMM_COUNT_HYPERCALL, VMM_COUNT_MEMORY_FAULT, VMM_COUNT_OTHER,
	VMM_NR_COUNTED
};

struct vmm;

struct vmm_vcpu {
	struct vmm		*vmm;
	struct kvm_run		*run;
	pthread_t		 thread;
	int			 fd;
	unsigned		 id;
	uint64_t		 count[VMM_NR_COUNTED];	/* exits; its thread's until it ended */
};

/* How the guest ended: the first report counts. */
struct vmm_end {
	const char	*kind;		/* for programs: "exit", "halt", ... */
	char		 text[160];
	int		 status;	/* this program's */
};

struct vmm {
	struct vmm_options	 options;
	int			 kvm, vm, sev;	/* sev: /dev/sev, -1: none */
	struct vmm_ram		 ram[2];	/* below and above the hole */
	unsigned		 nr_ram;
	struct vmm_image	 image;
	struct kvm_cpuid2	*cpuid;		/* the first vCPU's; owned */
	struct vmm_vcpu		*vcpus;
	size_t			 run_size;
	uint8_t			 registers[VMM_PAGE];	/* of the test device */
	uint8_t			 measurement[48];
	bool			 measured;
	bool			 ended;		/* with end, by lock */
	pthread_mutex_t		 lock;
	struct vmm_end		 end;
};

/* One line on standard error, and the program's end with @status. */
__attribute__((noreturn, format(printf, 2, 3))) void vmm_die(int status, const char *fmt, ...);

/* An ioctl that must work: its result, or the end with the ioctl's name and the errno's. */
#define VMM_IOCTL(fd, request, arg)	vmm_ioctl(fd, request, (uintptr_t)(arg), #request)
int vmm_ioctl(int fd, unsigned long request, uintptr_t arg, const char *name);
/* "EINVAL"; valid for ever. */
const char *vmm_errno_name(int err);

/* memory.c: RAM of options.memory bytes in slots; NULL where [gpa, gpa + size) is no RAM. */
void vmm_memory_create(struct vmm *vmm);
uint8_t *vmm_memory_at(const struct vmm *vmm, uint64_t gpa, uint64_t size);
/* All RAM private; where it is not launched from, all but what is loaded. */
void vmm_memory_make_private(struct vmm *vmm);
/* What the guest, or its fault, asked for: 0 or a positive errno.  Any vCPU's thread. */
int vmm_memory_convert(struct vmm *vmm, uint64_t gpa, uint64_t size, bool to_private);

/* image.c: an ELF64 file into RAM. */
void vmm_image_load(struct vmm *vmm);
/* The start info (a PVH boot's) behind the image's own ranges. */
void vmm_image_add_start_info(struct vmm *vmm);

/* cpu.c: vCPUs with their CPUID; number 0 stands at the image's entry. */
void vmm_cpu_create(struct vmm *vmm);

/* sev.c: before vCPUs are made; and after all else is there. */
void vmm_sev_init(struct vmm *vmm);
void vmm_sev_launch(struct vmm *vmm);
/* snp.c: the same for SNP guests. */
void vmm_snp_launch(struct vmm *vmm);

/* device.c: one access; @data is read or written. */
void vmm_device_port(struct vmm *vmm, uint16_t port, bool write, unsigned size, uint8_t *data);
void vmm_device_memory(struct vmm *vmm, uint64_t gpa, bool write, unsigned size, uint8_t *data);

/* run.c: all vCPUs until the end. */
void vmm_run(struct vmm *vmm);

/* end.c: any thread; the first report wins, and the vCPUs stop. */
__attribute__((format(printf, 4, 5)))
void vmm_end(struct vmm *vmm, const char *kind, int status, const char *fmt, ...);
bool vmm_has_ended(struct vmm *vmm);
/* A line with the launch measurement, if it is wanted and not a part of the JSON. */
void vmm_measurement_print(const struct vmm *vmm);
/* The last line on standard error. */
void vmm_end_print(struct vmm *vmm);
