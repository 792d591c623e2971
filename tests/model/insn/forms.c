/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * forms.c - the list of implemented instruction forms, and who needs another.
 *
 * usage: insn-forms list                          write the list
 *        insn-forms check LIST                    is LIST what the decoder's tables say?
 *        insn-forms scan LIST CAVEATS PROGRAM...  do these ELF files hold a form that is
 *                                                 neither in LIST nor of an extension that
 *                                                 CAVEATS names?  `libc` is the one
 *                                                 that this program runs with
 *
 * The list has a line for each form: its name, a tab, the modes that have it.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "model/insn/form.h"

/* The line of CAVEATS that names extensions: those between the colon and the full stop. */
#define CAVEAT	"- Instructions of these extensions (Zydis's names) are #UD: "

struct line {
	char		name[FORM_NAME_MAX];
	unsigned	modes;		/* bit set of enum x86_mode */
};

static struct line *lines;
static size_t nr_lines;

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

static void out_of_memory(void)
{
	fprintf(stderr, "insn-forms: no memory\n");
	exit(2);
}

static void make_list(void)
{
	struct form_list l[3];
	size_t total = 0, k, n = 0;
	unsigned m;

	for (m = X86_MODE_16; m <= X86_MODE_64; m++) {
		l[m] = form_list_of((enum x86_mode)m);
		total += l[m].nr;
	}
	lines = calloc(total, sizeof(*lines));
	if (!lines)
		out_of_memory();
	for (m = X86_MODE_16; m <= X86_MODE_64; m++) {
		for (k = 0; k < l[m].nr; k++) {
			form_name(l[m].form[k].key, lines[n].name, sizeof(lines[n].name));
			lines[n++].modes = 1u << m;
		}
		form_list_free(&l[m]);
	}
	qsort(lines, total, sizeof(*lines), by_name);
	for (k = n = 0; k < total; k++) {
		if (n && !strcmp(lines[n - 1].name, lines[k].name))
			lines[n - 1].modes |= lines[k].modes;
		else
			lines[n++] = lines[k];
	}
	nr_lines = n;
}

static void print_line(FILE *f, const struct line *l)
{
	static const char *const modes[] = { "", "16", "32", "16 32", "64", "16 64", "32 64",
					     "16 32 64" };

	fprintf(f, "%s\t%s\n", l->name, modes[l->modes]);
}

static void print_list(FILE *f)
{
	size_t k;

	fprintf(f, "# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause\n"
		   "# Implemented instruction forms: prefix, mnemonic, widths, operands; modes.\n"
		   "# Made by insn-forms list from the decoder's tables; a test compares.\n");
	for (k = 0; k < nr_lines; k++)
		print_line(f, &lines[k]);
}

/* --- check ----------------------------------------------------------------------------- */

static int check(const char *path)
{
	char *want, *got = NULL;
	size_t want_size, got_size = 0;
	FILE *f = open_memstream(&want, &want_size), *g = fopen(path, "r");
	int same;

	if (!f)
		out_of_memory();
	print_list(f);
	fclose(f);
	if (!g || getdelim(&got, &got_size, 0, g) < 0) {
		perror(path);
		return 2;
	}
	fclose(g);
	same = !strcmp(want, got);
	if (!same)
		fprintf(stderr, "%s is not what the tables say: insn-forms list >%s\n", path, path);
	else
		printf("%zu forms\n", nr_lines);
	free(want);
	free(got);
	return !same;
}

/* --- scan ------------------------------------------------------------------------------ */

static char *caveat;

static bool read_caveat(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t size = 0, length = 0;
	char *line = NULL;
	bool within = false;

	if (!f)
		return false;
	caveat = calloc(1, 1);
	while (caveat && getline(&line, &size, f) >= 0) {
		if (!strncmp(line, CAVEAT, strlen(CAVEAT)))
			within = true;
		else if (line[0] != ' ')
			within = false;
		if (!within)
			continue;
		caveat = realloc(caveat, length + strlen(line) + 1);
		if (caveat) {
			strcpy(caveat + length, line);
			length += strlen(line);
		}
	}
	free(line);
	fclose(f);
	return caveat && length;
}

static bool is_caveat(const char *extension)
{
	const char *p = caveat;
	size_t n = strlen(extension);

	while ((p = strstr(p, extension))) {
		if ((p[-1] == ' ' || p[-1] == '\n') && strchr(", .\n", p[n]))
			return true;
		p += n;
	}
	return false;
}

static bool in_list(const char *name)
{
	struct line key = { .modes = 0 }, *l;

	snprintf(key.name, sizeof(key.name), "%s", name);
	l = bsearch(&key, lines, nr_lines, sizeof(key), by_name);
	return l && l->modes & 1u << X86_MODE_64;
}

struct tally {
	unsigned long	seen, excused, bad, no_instruction;
};

/* Forms that were found bad, once each. */
static bool is_new(uint64_t key)
{
	static uint64_t known[256];
	static unsigned nr;
	unsigned k;

	for (k = 0; k < nr; k++)
		if (known[k] == key)
			return false;
	if (nr < ARRAY_SIZE(known))
		known[nr++] = key;
	return true;
}

static void look_at(const uint8_t *p, uint64_t address, const ZydisDecodedInstruction *in,
		    const ZydisDecodedOperand *o, const char *path, struct tally *t)
{
	const char *extension = ZydisISAExtGetString(in->meta.isa_ext);
	uint64_t key = form_key(in, o);
	char name[FORM_NAME_MAX];
	unsigned k;

	form_name(key, name, sizeof(name));
	t->seen++;
	if (in_list(name))
		return;
	if (is_caveat(extension)) {
		t->excused++;
		return;
	}
	t->bad++;
	if (!is_new(key))
		return;
	printf("%s: %#lx: %s (%s):", path, address, name, extension);
	for (k = 0; k < in->length; k++)
		printf(" %02x", p[k]);
	putchar('\n');
}

static void sweep(const uint8_t *p, uint64_t address, size_t n, const char *path, struct tally *t)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;

	while (n) {
		unsigned step = 1;

		if (form_decode(X86_MODE_64, p, n, &in, o)) {
			look_at(p, address, &in, o, path, t);
			step = in.length;
		} else {
			t->no_instruction++;
		}
		p += step;
		address += step;
		n -= step;
	}
}

/* False: not a 64-bit x86 ELF file. */
static bool scan_bytes(const uint8_t *p, size_t size, const char *path, struct tally *t)
{
	const Elf64_Ehdr *e = (const void *)p;
	const Elf64_Shdr *s;
	unsigned i;

	if (size < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) ||
	    e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64 ||
	    e->e_shoff > size || (size - e->e_shoff) / sizeof(*s) < e->e_shnum)
		return false;
	s = (const void *)(p + e->e_shoff);
	for (i = 0; i < e->e_shnum; i++)
		if (s[i].sh_type == SHT_PROGBITS && (s[i].sh_flags & SHF_EXECINSTR) &&
		    s[i].sh_offset <= size && s[i].sh_size <= size - s[i].sh_offset)
			sweep(p + s[i].sh_offset, s[i].sh_addr, s[i].sh_size, path, t);
	return true;
}

static bool scan_file(const char *path, struct tally *t)
{
	Dl_info libc;
	struct stat st;
	bool ok = false;
	void *p;
	int fd;

	if (!strcmp(path, "libc") && dladdr((void *)(uintptr_t)fopen, &libc))
		path = libc.dli_fname;
	fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st)) {
		perror(path);
		return false;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p != MAP_FAILED) {
		ok = scan_bytes(p, (size_t)st.st_size, path, t);
		munmap(p, (size_t)st.st_size);
	}
	close(fd);
	if (!ok)
		fprintf(stderr, "%s: not a 64-bit x86 ELF file\n", path);
	return ok;
}

static int scan(int nr, char **path)
{
	struct tally t = { 0 };
	int i, failed = 0;

	for (i = 0; i < nr; i++)
		failed += !scan_file(path[i], &t);
	printf("%d programs, %lu instructions, %lu of extensions in the caveats, %lu bytes that are "
	       "none, %lu outside the list\n", nr, t.seen, t.excused, t.no_instruction, t.bad);
	return failed || t.bad;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	make_list();
	if (!strcmp(verb, "list") && argc == 2) {
		print_list(stdout);
		return 0;
	}
	if (!strcmp(verb, "check") && argc == 3)
		return check(argv[2]);
	if (!strcmp(verb, "scan") && argc > 4) {
		if (check(argv[2]))
			return 1;
		if (!read_caveat(argv[3])) {
			fprintf(stderr, "%s: no line \"%s\"\n", argv[3], CAVEAT);
			return 2;
		}
		return scan(argc - 4, argv + 4);
	}
	fprintf(stderr, "usage: insn-forms list | check LIST | scan LIST CAVEATS PROGRAM...\n");
	return 2;
}
