/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_gmem_mmap.c - guest_memfd of Linux 6.18 on whichever /dev/kvm there is,
 * row by row of docs/facts/gmem-mmap.tsv: each names a question of gmem_rows*.c.
 *
 * usage: test_gmem_mmap TABLE		all rows, on SoftCVM
 *	  test_gmem_mmap --print TABLE	a line a row, name and answer, on any;
 *					exits with 77 where there are no such flags
 *
 * A row that no question has the name of fails, and a question without a row.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gmem_rows.h"

#define COLUMNS	6

static struct checks c;
static sigjmp_buf back;

/* ---- for the questions ---- */

static void on_fault(int signo)
{
	siglongjmp(back, signo);
}

int gmem_touch(volatile char *p, bool write)
{
	int signo = sigsetjmp(back, 1);

	if (signo)
		return signo;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

const char *gmem_signal(int signo)
{
	return signo == SIGBUS ? "SIGBUS" : signo == SIGSEGV ? "SIGSEGV" : signo ? "both" : "0";
}

const char *gmem_libc(long r)
{
	return r == -1 ? errno_name(errno) : "0";
}

const char *gmem_number(long r)
{
	static char texts[8][24];
	static unsigned next;
	char *text = texts[next++ % 8];

	if (r <= 0)
		return errno_name(-r);
	snprintf(text, sizeof(texts[0]), "%ld", r);
	return text;
}

const char *gmem_is(bool ok, const char *answer)
{
	return ok ? answer : "something else";
}

int gmem_vm(struct gmem_place *p, unsigned type)
{
	long types = kvm_ioctl(p->kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);

	return types >> type & 1 ? vm_make(p->kvm, type) : -1;
}

int gmem_file(int vm, uint64_t size, uint64_t flags)
{
	long fd = vm_gmem(vm, size, flags);

	need(fd >= 0, "KVM_CREATE_GUEST_MEMFD, flags %#llx", (unsigned long long)flags);
	return (int)fd;
}

char *gmem_map(int fd, size_t size, off_t offset)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	need(p != MAP_FAILED, "mmap");
	return p;
}

/* ---- the table ---- */

/* Who gives the answer: everybody, ours only, that kernel only, nobody here (a later kernel). */
enum who { WHO_ALL, WHO_OURS, WHO_KERNEL, WHO_LATER, NR_WHO };
static const char *const who_names[NR_WHO] = { "all", "ours", "kernel", "later" };

struct fact {
	char	 *line;
	char	 *name, *asked, *answer;
	enum who  who;
};

static struct fact *facts;
static size_t nr_facts;

static void parse(char *line)
{
	struct fact f = { .line = line, .who = NR_WHO };
	char *column[COLUMNS] = { 0 };

	for (size_t i = 0; i < COLUMNS; i++)
		column[i] = strsep(&line, i < COLUMNS - 1 ? "\t" : "\n");
	need(column[COLUMNS - 1] && *column[COLUMNS - 1], "%d columns of %s", COLUMNS, f.line);
	f.name = column[0];
	f.asked = column[1];
	f.answer = column[2];
	for (unsigned i = 0; i < NR_WHO; i++)
		if (!strcmp(column[3], who_names[i]))
			f.who = i;
	need(f.who < NR_WHO, "%s: %s is nobody", f.name, column[3]);
	/* What is said beyond the answer. */
	if (strstr(f.answer, " ("))
		*strstr(f.answer, " (") = 0;
	facts = reallocarray(facts, nr_facts + 1, sizeof(*facts));
	need(facts, "memory");
	facts[nr_facts++] = f;
}

static void read_table(const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	need(file, "%s can be read", path);
	while (getline(&line, &size, file) >= 0)
		if (line[0] != '#' && strncmp(line, "check\t", 6))
			parse(strdup(line));
	free(line);
	fclose(file);
}

static const struct gmem_row *find(const struct gmem_row *rows, const char *name)
{
	for (; rows->name; rows++)
		if (!strcmp(rows->name, name))
			return rows;
	return NULL;
}

static const struct gmem_row *question(const char *name)
{
	const struct gmem_row *row = find(gmem_rows_map, name);

	return row ? row : find(gmem_rows_slot, name);
}

static void each_has_a_row(const struct gmem_row *rows)
{
	for (; rows->name; rows++) {
		bool found = false;

		for (size_t i = 0; i < nr_facts; i++)
			found |= !strcmp(facts[i].name, rows->name);
		check(&c, found, "%s is asked, and stands in no row", rows->name);
	}
}

static void ask(struct gmem_place *p, const struct fact *f)
{
	const struct gmem_row *row = question(f->name);
	const char *got;
	bool same;

	if (!check(&c, row, "%s: nobody asks %s", f->name, f->asked))
		return;
	got = row->ask(p);
	if (!check(&c, got, "%s: %s cannot be asked", f->name, f->asked))
		return;
	same = !strcmp(got, f->answer);
	if (f->who == WHO_ALL || f->who == WHO_OURS)
		check(&c, same, "%s: %s: %s, not %s", f->name, f->asked, got, f->answer);
	else
		check(&c, !same, "%s: %s: %s, which is a %s one's", f->name, f->asked, got,
		      who_names[f->who]);
}

static bool has_flags(int kvm)
{
	return kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS) > 0;
}

static int print_answers(struct gmem_place *p)
{
	for (size_t i = 0; i < nr_facts; i++) {
		const struct fact *f = &facts[i];
		const struct gmem_row *row = question(f->name);
		const char *got = row ? row->ask(p) : NULL;

		printf("%s\t%s\t%s\t%s\n", f->name, who_names[f->who], got ? got : "-", f->answer);
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool print = argc == 3 && !strcmp(argv[1], "--print");
	struct gmem_place p = { .kvm = kvm_open() };

	need(argc == 2 || print, "usage: test_gmem_mmap [--print] TABLE");
	if (print && !has_flags(p.kvm))
		return 77;
	p.guests = is_ours(p.kvm);
	p.vm = vm_make(p.kvm, 0);
	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	read_table(argv[argc - 1]);
	if (print)
		return print_answers(&p);
	for (size_t i = 0; i < nr_facts; i++)
		ask(&p, &facts[i]);
	each_has_a_row(gmem_rows_map);
	each_has_a_row(gmem_rows_slot);
	close(p.vm);
	close(p.kvm);
	return checks_end(&c);
}
