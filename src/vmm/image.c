/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * image.c - an ELF64 file into RAM, and what the guest is told at its start.
 *
 * The boot is that of PVH (Xen's HVM/PVH direct boot): 32-bit protected mode,
 * flat segments, no paging, EBX is the start info.  The entry is the image's
 * PHYS32_ENTRY note where it has one (as a Linux vmlinux), else the ELF entry.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/vmm.h"

#define PVH_NOTE	18		/* XEN_ELFNOTE_PHYS32_ENTRY */
#define PVH_MAGIC	0x336ec578u
#define PVH_RAM		1u

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, command_line, rsdp, memory_map;
	uint32_t nr_memory_map, reserved;
};

struct memory_entry {
	uint64_t gpa, size;
	uint32_t type, reserved;
};

struct file { const uint8_t *bytes; uint64_t size; const char *name; };

static struct file map_file(const char *name)
{
	struct file f = { .name = name };
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		vmm_die(errno == ENOENT ? VMM_EXIT_NOT_FOUND : VMM_EXIT_IMAGE, "%s: %s", name,
			strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
		vmm_die(VMM_EXIT_IMAGE, "%s: not a file with something in it", name);
	f.size = (uint64_t)st.st_size;
	f.bytes = mmap(NULL, f.size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (f.bytes == MAP_FAILED)
		vmm_die(VMM_EXIT_IMAGE, "%s: %s", name, vmm_errno_name(errno));
	return f;
}

/* Something at [offset, offset + size) of the file. */
static const void *part(const struct file *f, uint64_t offset, uint64_t size)
{
	if (offset > f->size || size > f->size - offset)
		vmm_die(VMM_EXIT_IMAGE, "%s: it ends before what it speaks of", f->name);
	return f->bytes + offset;
}

static const Elf64_Ehdr *header_of(const struct file *f)
{
	const Elf64_Ehdr *h = (const void *)f->bytes;

	if (f->size < sizeof(*h) || memcmp(h->e_ident, ELFMAG, SELFMAG) ||
	    h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != EM_X86_64 || h->e_type != ET_EXEC || h->e_phentsize != sizeof(Elf64_Phdr))
		vmm_die(VMM_EXIT_IMAGE, "%s: not an ELF64 program for x86-64 at a fixed address", f->name);
	return h;
}

static uint64_t page_up(uint64_t gpa)
{
	return (gpa + VMM_PAGE - 1) & ~(VMM_PAGE - 1);
}

static void add_pages(struct vmm_range **list, size_t *nr, uint64_t gpa, uint64_t end)
{
	struct vmm_range *more = realloc(*list, (*nr + 1) * sizeof(*more));

	if (!more)
		vmm_die(VMM_EXIT_MACHINE, "out of memory");
	*list = more;
	more[(*nr)++] = (struct vmm_range){ gpa, end - gpa };
}

static void add_range(struct vmm_image *image, uint64_t gpa, uint64_t size)
{
	add_pages(&image->loaded, &image->nr_loaded, gpa & ~(VMM_PAGE - 1), page_up(gpa + size));
}

/* What a part has beyond its bytes in the file. */
static void add_empty(struct vmm_image *image, const Elf64_Phdr *p)
{
	uint64_t from = p->p_filesz ? page_up(p->p_paddr + p->p_filesz) : p->p_paddr & ~(VMM_PAGE - 1);
	uint64_t end = page_up(p->p_paddr + p->p_memsz);

	if (from < end)
		add_pages(&image->empty, &image->nr_empty, from, end);
}

static int by_address(const void *a, const void *b)
{
	const struct vmm_range *x = a, *y = b;

	return (x->gpa > y->gpa) - (x->gpa < y->gpa);
}

/* Ascending, and what overlaps or touches is one: a page is encrypted once. */
static void merge(struct vmm_image *image)
{
	size_t n = 0;

	qsort(image->loaded, image->nr_loaded, sizeof(*image->loaded), by_address);
	for (size_t i = 0; i < image->nr_loaded; i++) {
		const struct vmm_range r = image->loaded[i];
		struct vmm_range *last = n ? &image->loaded[n - 1] : NULL;

		if (!last || r.gpa > last->gpa + last->size)
			image->loaded[n++] = r;
		else if (r.gpa + r.size > last->gpa + last->size)
			last->size = r.gpa + r.size - last->gpa;
	}
	image->nr_loaded = n;
}

static void load_segment(struct vmm *vmm, const struct file *f, const Elf64_Phdr *p)
{
	uint64_t ours = vmm->options.type->snp ? VMM_SECRETS : VMM_START_INFO;
	uint8_t *to = vmm_memory_at(vmm, p->p_paddr, p->p_memsz);

	if (!to || p->p_filesz > p->p_memsz)
		vmm_die(VMM_EXIT_IMAGE, "%s: its part at 0x%llx (0x%llx bytes) lies outside RAM", f->name,
			(unsigned long long)p->p_paddr, (unsigned long long)p->p_memsz);
	if (p->p_paddr < VMM_START_INFO + VMM_PAGE && p->p_paddr + p->p_memsz > ours)
		vmm_die(VMM_EXIT_IMAGE, "%s: its part at 0x%llx covers the start info at 0x%llx", f->name,
			(unsigned long long)p->p_paddr, (unsigned long long)ours);
	add_empty(&vmm->image, p);
	if (!p->p_filesz)
		return;
	memcpy(to, part(f, p->p_offset, p->p_filesz), p->p_filesz);
	add_range(&vmm->image, p->p_paddr, p->p_filesz);
}

/* The entry that a note names, or @entry. */
static uint64_t noted_entry(const struct file *f, const Elf64_Phdr *p, uint64_t entry)
{
	const uint8_t *notes = part(f, p->p_offset, p->p_filesz);
	uint64_t at = 0;

	while (p->p_filesz - at >= sizeof(Elf64_Nhdr)) {
		const Elf64_Nhdr *n = (const void *)(notes + at);
		uint64_t name = at + sizeof(*n), desc = name + ((n->n_namesz + 3ull) & ~3ull);
		uint64_t next = desc + ((n->n_descsz + 3ull) & ~3ull);

		if (next > p->p_filesz)
			break;
		if (n->n_type == PVH_NOTE && n->n_namesz == 4 && !memcmp(notes + name, "Xen", 4) &&
		    (n->n_descsz == 4 || n->n_descsz == 8)) {
			entry = 0;
			memcpy(&entry, notes + desc, n->n_descsz);
		}
		at = next;
	}
	return entry;
}

void vmm_image_load(struct vmm *vmm)
{
	struct file f = map_file(vmm->options.image);
	const Elf64_Ehdr *h = header_of(&f);
	const Elf64_Phdr *p = part(&f, h->e_phoff, h->e_phnum * sizeof(*p));
	uint64_t entry = h->e_entry;

	for (unsigned i = 0; i < h->e_phnum; i++) {
		if (p[i].p_type == PT_LOAD && p[i].p_memsz)
			load_segment(vmm, &f, &p[i]);
		else if (p[i].p_type == PT_NOTE)
			entry = noted_entry(&f, &p[i], entry);
	}
	if (!vmm->image.nr_loaded || entry > UINT32_MAX)
		vmm_die(VMM_EXIT_IMAGE, "%s: nothing to load, or no entry below 4 GiB", f.name);
	vmm->image.entry = (uint32_t)entry;
	merge(&vmm->image);
	munmap((void *)f.bytes, f.size);
}

void vmm_image_add_start_info(struct vmm *vmm)
{
	struct start_info *info = (void *)vmm_memory_at(vmm, VMM_START_INFO, VMM_PAGE);
	struct memory_entry *map = (void *)(info + 1);

	*info = (struct start_info){ .magic = PVH_MAGIC, .version = 1, .nr_memory_map = vmm->nr_ram,
				     .memory_map = VMM_START_INFO + sizeof(*info) };
	for (unsigned i = 0; i < vmm->nr_ram; i++)
		map[i] = (struct memory_entry){ vmm->ram[i].at.gpa, vmm->ram[i].at.size, PVH_RAM, 0 };
	add_range(&vmm->image, VMM_START_INFO, VMM_PAGE);
	merge(&vmm->image);
}
