/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_capabilities.c - KVM_CHECK_EXTENSION, number by number, against
 * docs/facts/capabilities.tsv.
 *
 * usage: test_capabilities TABLE RELEASE
 *
 * RELEASE: the kernel to be as; rows of later ones do not count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <softcvm/identity.h>

#include "kvm_user.h"

#define NR_ASKED	1024

struct row {
	bool	there, may_be_0;
	char	name[64];
	long	answer[2];	/* amd, intel; -1: some number above 0 */
};

static struct checks c;
static struct row rows[NR_ASKED];
static long release;

/* 6.18 as 6018; nothing: 0. */
static long release_of(const char *text)
{
	char *end;
	long major = text ? strtol(text, &end, 10) : 0;

	return major ? major * 1000 + strtol(end + 1, NULL, 10) : 0;
}

/* number, number/number or the word. */
static void parse_answer(struct row *r, char *text)
{
	char *slash = strchr(text, '/');

	if (!strcmp(text, "cpus")) {
		r->answer[0] = r->answer[1] = -1;
		return;
	}
	r->answer[0] = strtol(text, NULL, 0);
	r->answer[1] = slash ? strtol(slash + 1, NULL, 0) : r->answer[0];
}

static void parse_line(char *line)
{
	char *name = strsep(&line, "\t"), *number = strsep(&line, "\t");
	char *answer = strsep(&line, "\t"), *why = strsep(&line, "\t\n");
	char *since = strsep(&line, "\n");
	long n = number ? strtol(number, NULL, 10) : 0;

	if (strncmp(name, "KVM_CAP_", 8))
		return;
	need(answer && why && n >= 0 && n < NR_ASKED, "the row of %s is whole", name);
	if (release_of(since) > release)
		return;
	rows[n] = (struct row){ .there = true, .may_be_0 = *why };
	snprintf(rows[n].name, sizeof(rows[n].name), "%s", name);
	parse_answer(&rows[n], answer);
}

static void read_table(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	need(f, "%s can be read", path);
	while (getline(&line, &size, f) >= 0)
		parse_line(line);
	free(line);
	fclose(f);
}

static bool is_amd(int kvm)
{
	struct {
		struct kvm_cpuid2	head;
		struct kvm_cpuid_entry2	entry[256];
	} all = { .head.nent = 256 };

	need(!kvm_ioctlp(kvm, KVM_GET_SUPPORTED_CPUID, &all), "CPUID");
	return all.entry[0].ebx == 0x68747541;	/* "Auth" */
}

static void compare(int kvm, long n, bool intel)
{
	long got = kvm_ioctl(kvm, KVM_CHECK_EXTENSION, (unsigned long)n), want;
	const struct row *r = &rows[n];

	if (!r->there) {
		check(&c, !got, "capability %ld is %ld, but stands in no table", n, got);
		return;
	}
	want = r->answer[intel];
	check(&c, got == want || (want == -1 && got > 0) || (!got && r->may_be_0),
	      "%s is %ld, not %ld", r->name, got, want);
}

int main(int argc, char **argv)
{
	int kvm = kvm_open();
	bool intel = !is_amd(kvm);

	need(argc == 3, "usage: test_capabilities TABLE RELEASE");
	release = release_of(argv[2]);
	need(release, "%s is a release", argv[2]);
	read_table(argv[1]);
	for (long n = 0; n < NR_ASKED; n++)
		compare(kvm, n, intel);
	check(&c, kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SOFTCVM) > 0, "we say who we are");
	close(kvm);
	return checks_end(&c);
}
