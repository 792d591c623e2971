/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_errno.c - every launch command of an SNP VM, out of order and with bad
 * arguments: the kernel's errno, the firmware's error, and what has changed.
 *
 * usage: test_snp_errno [--no-sev] SNP-KVM-IOCTLS.TSV	--no-sev: of a kvm_amd.sev=N
 *
 * Each row of the table (docs/facts) is tried in each of its states, on a VM
 * made for it, and says itself what is to be checked afterwards.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snp_attempts.h"

enum column { IOCTL, STATE, ARGUMENT, ERRNO, FIRMWARE, AFTER, SOURCE, CONFIDENCE, NR_COLUMNS };

static const char *const state_names[NR_SNP_STATES + 1] = {
	[AT_CREATED] = "created", [AT_INIT] = "init", [AT_STARTED] = "started",
	[AT_RUNNING] = "running", [AT_SEV] = "not-snp", [AT_SEV_ES] = "not-snp",
	[NR_SNP_STATES] = "without SEV",
};

static struct checks c;
static unsigned nr_rows, nr_elsewhere;

/* Of the two types that are not SNP both are "not-snp"; "any" is all six. */
static bool has_state(const char *list, enum snp_state s)
{
	const char *name = state_names[s], *at = strstr(list, name);

	if (!strcmp(list, "any"))
		return true;
	return at && (at == list || at[-1] == '|') &&
	       (!at[strlen(name)] || at[strlen(name)] == '|');
}

static void try_row(char *const row[NR_COLUMNS], enum snp_state s, const struct snp_attempt *a,
		    unsigned variant)
{
	struct snp_trial t = { .state = s, .variant = variant, .error = SNP_UNTOUCHED };
	const char *seen;
	char what[256];

	snprintf(what, sizeof(what), "%s, %s%s, %s", row[IOCTL], state_names[s],
		 s == AT_SEV_ES ? " (ES)" : "", row[ARGUMENT]);
	snp_trial_make(&t, row[IOCTL], row[ARGUMENT], a);
	snp_trial_run(&t);
	seen = errno_name(t.r < 0 ? -t.r : 0);
	check(&c, !strcmp(seen, row[ERRNO]), "%s: %s, not %s", what, seen, row[ERRNO]);
	if (!strcmp(row[FIRMWARE], "as given"))
		check(&c, t.error == SNP_UNTOUCHED, "%s: the firmware's error is %u", what, t.error);
	else if (strcmp(row[FIRMWARE], "-"))
		check(&c, t.error == strtoul(row[FIRMWARE], NULL, 0),
		      "%s: the firmware's error is %u, not %s", what, t.error, row[FIRMWARE]);
	check(&c, snp_trial_check(&t, row[AFTER]), "%s: afterwards not \"%s\"", what, row[AFTER]);
	snp_trial_end(&t);
}

static void run_row(char *const row[NR_COLUMNS], bool no_sev)
{
	const struct snp_attempt *a = snp_attempt_find(row[IOCTL], row[ARGUMENT]);
	bool is_without = !strcmp(row[ARGUMENT], "SEV disabled");
	bool tried = false;

	if (!check(&c, a, "%s, %s: nobody knows how to try it", row[IOCTL], row[ARGUMENT]))
		return;
	nr_rows++;
	if (a->elsewhere || is_without != no_sev) {
		nr_elsewhere++;
		return;
	}
	for (enum snp_state s = AT_CREATED; s < NR_SNP_STATES; s++) {
		if (!has_state(row[STATE], s) || (a->snp_only && s > AT_RUNNING))
			continue;
		/* Without SEV there is only one kind of VM. */
		for (unsigned v = 0; v < (a->variants ? a->variants : 1) && !(no_sev && tried); v++) {
			try_row(row, no_sev ? NR_SNP_STATES : s, a, v);
			tried = true;
		}
	}
	check(&c, tried, "%s, %s: no such state as %s", row[IOCTL], row[ARGUMENT], row[STATE]);
}

static void read_table(const char *path, bool no_sev)
{
	FILE *f = fopen(path, "re");
	char line[1024], *row[NR_COLUMNS];
	bool head = true;

	need(f, "%s", path);
	while (fgets(line, sizeof(line), f)) {
		char *at = line;
		unsigned n = 0;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		while (n < NR_COLUMNS && (row[n] = strsep(&at, "\t")))
			n++;
		need(n == NR_COLUMNS && !at, "%s: columns of \"%s\"", path, line);
		if (!head)
			run_row(row, no_sev);
		head = false;
	}
	fclose(f);
}

/* Where the command cannot be written back, who does it anyway gives EFAULT. */
static void write_back(void)
{
	static const struct { uint32_t id; enum snp_state state; long r; const char *what; } tries[] = {
		{ KVM_SEV_SNP_LAUNCH_UPDATE, AT_INIT, -EFAULT, "a command that failed is written back" },
		{ KVM_SEV_LAUNCH_START, AT_INIT, -EPERM, "one that is not for SNP is not" },
		{ KVM_SEV_SNP_LAUNCH_FINISH + 1, AT_INIT, -EINVAL, "nor one of no number" },
		{ KVM_SEV_SNP_LAUNCH_START, AT_SEV, -EFAULT, "one that is for SNP is, of a SEV VM too" },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct snp_trial t = { .state = tries[i].state };
		struct kvm_sev_cmd *cmd = pages(PAGE);
		long r;

		snp_trial_make(&t, "any", "NULL argument", snp_attempt_find("any", "NULL argument"));
		*cmd = (struct kvm_sev_cmd){ .id = tries[i].id, .sev_fd = (uint32_t)t.g.sev };
		need(!mprotect(cmd, PAGE, PROT_READ), "mprotect");
		r = kvm_ioctlp(t.g.vm, KVM_MEMORY_ENCRYPT_OP, cmd);
		check(&c, r == tries[i].r, "%s: %s", tries[i].what, errno_name(-r));
		munmap(cmd, PAGE);
		snp_trial_end(&t);
	}
}

int main(int argc, char **argv)
{
	bool no_sev = argc == 3 && !strcmp(argv[1], "--no-sev");

	need(argc == 2 + no_sev, "usage: test_snp_errno [--no-sev] TABLE");
	read_table(argv[argc - 1], no_sev);
	if (!no_sev)
		write_back();
	printf("%u rows, %u of them shown elsewhere\n", nr_rows, nr_elsewhere);
	return checks_end(&c);
}
