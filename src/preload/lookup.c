/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lookup.c - dlsym(3) and its kin: a function of libc's that a program takes
 * from a handle of libc is ours, as it is by its name.
 *
 * The real ones look at their return address to know who asks.  So they are
 * jumped to, not called, wherever that matters: for RTLD_NEXT, RTLD_DEFAULT,
 * and dlopen's search path.  They are found in the loader's list of libraries,
 * because dlsym itself is what we stand in front of.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/macros.h"

#define VERSION_IS_HIDDEN	0x8000

/* What is needed of a library's dynamic section. */
struct library {
	ElfW(Addr)		 base;
	const ElfW(Sym)		*symbols;
	const char		*strings;
	const uint32_t		*hash;		/* DT_GNU_HASH */
	const ElfW(Half)	*versions;
	const char		*soname;
};

/* The loader has added the library's base to these addresses, but for its own and the vDSO's. */
static const void *at(const struct link_map *map, ElfW(Addr) a)
{
	return (const void *)(a < map->l_addr ? a + map->l_addr : a);
}

static bool read_dynamic(const struct link_map *map, struct library *lib)
{
	ElfW(Xword) soname = 0;

	*lib = (struct library){ .base = map->l_addr };
	for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB:
			lib->symbols = at(map, d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			lib->strings = at(map, d->d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			lib->hash = at(map, d->d_un.d_ptr);
			break;
		case DT_VERSYM:
			lib->versions = at(map, d->d_un.d_ptr);
			break;
		case DT_SONAME:
			soname = d->d_un.d_val;
			break;
		default:
			break;
		}
	}
	lib->soname = lib->strings && soname ? lib->strings + soname : "";
	return lib->symbols && lib->strings && lib->hash;
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (uint8_t)*name;
	return h;
}

/* Not libc's: a sanitizer in front of it looks its own strcmp up by dlsym. */
static bool is_same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* The default version of @name in @lib, or NULL. */
static void *find(const struct library *lib, const char *name)
{
	uint32_t nr_buckets = lib->hash[0], first = lib->hash[1], bloom = lib->hash[2];
	const uint32_t *buckets = lib->hash + 4 + 2 * (size_t)bloom;
	const uint32_t *chain = buckets + nr_buckets;
	uint32_t h = gnu_hash(name), i = nr_buckets ? buckets[h % nr_buckets] : 0;

	if (i < first)
		return NULL;
	for (;; i++) {
		const ElfW(Sym) *s = &lib->symbols[i];
		uint32_t here = chain[i - first];

		if ((here | 1) == (h | 1) && s->st_shndx != SHN_UNDEF &&
		    is_same(lib->strings + s->st_name, name) &&
		    !(lib->versions && (lib->versions[i] & VERSION_IS_HIDDEN)))
			return (void *)(lib->base + s->st_value);
		if (here & 1)
			return NULL;
	}
}

static bool is_of_libc(const char *soname)
{
	static const char *const names[] = {
		"libc.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (is_same(soname, names[i]))
			return true;
	}
	return false;
}

/* -- The real ones -- */

typedef void *dlsym_fn(void *handle, const char *name);
typedef void *dlvsym_fn(void *handle, const char *name, const char *version);

/* In the order of their numbers below: asm jumps through them. */
__attribute__((visibility("hidden"))) void *lookup_real[3];
enum { REAL_DLSYM, REAL_DLVSYM, REAL_DLOPEN };

__attribute__((visibility("hidden"), used)) void lookup_find_real(void);
void lookup_find_real(void)
{
	static const char *const names[] = { "dlsym", "dlvsym", "dlopen" };

	for (const struct link_map *map = _r_debug.r_map; map; map = map->l_next) {
		struct library lib;

		if (!read_dynamic(map, &lib) || !is_of_libc(lib.soname))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			void *fn = find(&lib, names[i]);

			if (fn && !lookup_real[i])
				__atomic_store_n(&lookup_real[i], fn, __ATOMIC_RELEASE);
		}
	}
	if (!lookup_real[REAL_DLSYM] || !lookup_real[REAL_DLVSYM] || !lookup_real[REAL_DLOPEN])
		abort();	/* no C library that we could stand in front of */
}

/* What we export under @name, or NULL. */
static void *ours(const char *name)
{
	struct link_map *map;
	struct library lib;
	Dl_info info;

	if (!dladdr1((void *)lookup_find_real, &info, (void **)&map, RTLD_DL_LINKMAP) ||
	    !read_dynamic(map, &lib))
		return NULL;
	return find(&lib, name);
}

/* @found was found under @name behind a handle. */
static void *instead_of(void *found, const char *name)
{
	struct link_map *map;
	struct library lib;
	Dl_info info;
	void *fn;

	if (!found || !dladdr1(found, &info, (void **)&map, RTLD_DL_LINKMAP) ||
	    !read_dynamic(map, &lib) || !is_of_libc(lib.soname))
		return found;
	fn = ours(name);
	return fn ? fn : found;
}

__attribute__((visibility("hidden"), used)) void *lookup_dlsym(void *handle, const char *name);
void *lookup_dlsym(void *handle, const char *name)
{
	return instead_of(((dlsym_fn *)lookup_real[REAL_DLSYM])(handle, name), name);
}

__attribute__((visibility("hidden"), used)) void *lookup_dlvsym(void *handle, const char *name,
								const char *version);
void *lookup_dlvsym(void *handle, const char *name, const char *version)
{
	return instead_of(((dlvsym_fn *)lookup_real[REAL_DLVSYM])(handle, name, version), name);
}

/*
 * The names.  RTLD_DEFAULT is 0, RTLD_NEXT is -1: those go to the real one with
 * their caller's return address.  dlopen loses RTLD_DEEPBIND (8), under which a
 * library would find libc before us.
 */
__asm__(
"	.text\n"
"	.macro front_door name\n"
"	.globl \\name\n"
"	.type \\name, @function\n"
"\\name:\n"
"	.cfi_startproc\n"
"	endbr64\n"
"	.endm\n"
"	.macro front_real slot\n"
"	cmpq $0, \\slot+lookup_real(%rip)\n"
"	jne 1f\n"
"	push %rdi\n"
"	.cfi_adjust_cfa_offset 8\n"
"	push %rsi\n"
"	.cfi_adjust_cfa_offset 8\n"
"	push %rdx\n"
"	.cfi_adjust_cfa_offset 8\n"
"	call lookup_find_real\n"
"	pop %rdx\n"
"	.cfi_adjust_cfa_offset -8\n"
"	pop %rsi\n"
"	.cfi_adjust_cfa_offset -8\n"
"	pop %rdi\n"
"	.cfi_adjust_cfa_offset -8\n"
"1:\n"
"	.endm\n"
"	.macro front_by_handle slot, else\n"
"	lea 1(%rdi), %rax\n"
"	cmp $1, %rax\n"
"	ja \\else\n"
"	jmp *\\slot+lookup_real(%rip)\n"
"	.endm\n"
"	.macro front_end name\n"
"	.cfi_endproc\n"
"	.size \\name, .-\\name\n"
"	.endm\n"
"	front_door dlsym\n"
"	front_real 0\n"
"	front_by_handle 0, lookup_dlsym\n"
"	front_end dlsym\n"
"	front_door dlvsym\n"
"	front_real 8\n"
"	front_by_handle 8, lookup_dlvsym\n"
"	front_end dlvsym\n"
"	front_door dlopen\n"
"	front_real 16\n"
"	and $~8, %esi\n"
"	jmp *16+lookup_real(%rip)\n"
"	front_end dlopen\n"
);
