/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sev_errno.c - every command of SEV and SEV-ES, out of order and with
 * bad arguments: the kernel's errno and the firmware's error.
 *
 * usage: test_sev_errno [--verbose] SEV-ERRNO.TSV SEV-DEVICE-ERRNO.TSV
 *
 * Each cell of the tables (docs/facts) is one attempt on a VM made for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <softcvm/uapi/kvm_sev.h>
#include <softcvm/uapi/kvm_since_6_1.h>
#include <softcvm/uapi/psp_sev.h>

#include "kvm_user.h"
#include "sev_attempts.h"

#define UNTOUCHED	0xdeadu		/* the error field before */
#define OTHERS_PAGE	(AT_MEM + 0x10000)
#define NR_CELLS	8
#define KEYS		3		/* columns before the cells, at most */

enum state { DEFAULT, NEW, INITED, STARTED, MEASURED, RUNNING, MIRROR, MOVED, NR_STATES };
static const char *const state_names[NR_STATES] = {
	"default", "new", "inited", "started", "measured", "running", "mirror", "moved",
};

/* Columns of the other table: two for each state of the platform. */
enum platform { UNINIT, UNINIT_RO, INIT, INIT_RO, WORKING, WORKING_RO, NR_PLATFORMS };
static const char *const platform_names[NR_PLATFORMS] = {
	"uninit", "uninit-ro", "init", "init-ro", "working", "working-ro",
};

/* A row of a table, its cells in the order of the states. */
struct fact {
	char	*keys[KEYS];
	char	*cells[NR_CELLS];
	bool	used;
};

struct table {
	struct fact	*facts;
	size_t		nr;
	unsigned	keys, cells;
};

struct answer {
	long		r;
	uint32_t	error;
};

static struct checks c;
static bool es;			/* which of the two types it is about */

static void read_table(struct table *t, const char *path, unsigned keys, unsigned cells,
		       const char *const *names)
{
	FILE *f = fopen(path, "re");
	bool head = true;
	char line[1024];

	need(f, "%s", path);
	*t = (struct table){ .keys = keys, .cells = cells };
	while (fgets(line, sizeof(line), f)) {
		char *at = line, *word[KEYS + NR_CELLS + 1];
		unsigned n = 0;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		while (n < keys + cells + 1 && (word[n] = strsep(&at, "\t")))
			n++;
		need(n == keys + cells + 1 && !at, "%s: columns of \"%s\"", path, line);
		for (unsigned i = 0; head && i < cells; i++)
			need(!strcmp(word[keys + i], names[i]), "column %s", names[i]);
		if (head) {
			head = false;
			continue;
		}
		t->facts = realloc(t->facts, (t->nr + 1) * sizeof(*t->facts));
		need(t->facts, "memory");
		t->facts[t->nr] = (struct fact){ .used = false };
		for (unsigned i = 0; i < keys; i++)
			t->facts[t->nr].keys[i] = strdup(word[i]);
		for (unsigned i = 0; i < cells; i++)
			t->facts[t->nr].cells[i] = strdup(word[keys + i]);
		t->nr++;
	}
	fclose(f);
}

static struct fact *find_fact(struct table *t, const struct attempt *a, const char *type)
{
	for (size_t i = 0; i < t->nr; i++) {
		struct fact *f = &t->facts[i];

		if (!strcmp(f->keys[0], a->command) && !strcmp(f->keys[1], a->argument) &&
		    (t->keys < 3 || !strcmp(f->keys[2], "*") || !strcmp(f->keys[2], type))) {
			f->used = true;
			return f;
		}
	}
	return NULL;
}

/* A table with all rows looked at. */
static void end_table(struct table *t)
{
	for (size_t i = 0; i < t->nr; i++) {
		struct fact *f = &t->facts[i];

		check(&c, f->used, "%s, %s: in the table, and never tried", f->keys[0], f->keys[1]);
		for (unsigned k = 0; k < t->keys; k++)
			free(f->keys[k]);
		for (unsigned k = 0; k < t->cells; k++)
			free(f->cells[k]);
	}
	free(t->facts);
}

/* ENAME, ENAME:N, ok. */
static void judge(const char *want, struct answer got, const char *what)
{
	const char *name = got.r < 0 ? errno_name(-got.r) : "ok";
	char seen[40];

	if (got.error == UNTOUCHED || (!got.error && got.r >= 0))
		snprintf(seen, sizeof(seen), "%s", name);
	else
		snprintf(seen, sizeof(seen), "%s:%u", name, got.error);
	check(&c, !strcmp(seen, want), "%s: %s, not %s", what, seen, want);
}

/* Descriptors and memory. */

static void fix_fd(int fd, int number)
{
	need(fd >= 0 && dup2(fd, number) == number, "descriptor %d", number);
	close(fd);
}

static void fresh_memory(void)
{
	void *p = mmap((void *)AT_MEM, AT_MEM_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	need(p == (void *)AT_MEM, "memory at a fixed address");
}

/* Virtual machines. */

/* A step on the way: it must do. */
static void op(int vm, uint32_t id, void *data)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = FD_SEV };
	long r = kvm_ioctlp(vm, KVM_MEMORY_ENCRYPT_OP, &cmd);

	need(!r, "command %u: %s, firmware %u", id, errno_name(-r), cmd.error);
}

static unsigned long type_of(enum state s)
{
	return s == DEFAULT ? KVM_X86_DEFAULT_VM : es ? KVM_X86_SEV_ES_VM : KVM_X86_SEV_VM;
}

static void add_vcpu(int vm)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);

	need(vcpu >= 0, "KVM_CREATE_VCPU");
	close(vcpu);
}

/* Takes @vm from NEW to @to, with @page encrypted on the way. */
static void launch(int vm, enum state to, uint64_t page)
{
	struct kvm_sev_launch_update_data data = { .uaddr = page, .len = PAGE };
	struct kvm_sev_launch_start start = { .policy = es ? 4 : 0 };
	struct kvm_sev_init init = { 0 };
	uint8_t blob[48];
	struct kvm_sev_launch_measure measure = { .uaddr = (uintptr_t)blob, .len = sizeof(blob) };

	if (to < INITED)
		return;
	op(vm, KVM_SEV_INIT2, &init);
	if (es)
		add_vcpu(vm);
	if (to < STARTED)
		return;
	op(vm, KVM_SEV_LAUNCH_START, &start);
	op(vm, KVM_SEV_LAUNCH_UPDATE_DATA, &data);
	if (to < MEASURED)
		return;
	if (es)
		op(vm, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL);
	op(vm, KVM_SEV_LAUNCH_MEASURE, &measure);
	if (to >= RUNNING)
		op(vm, KVM_SEV_LAUNCH_FINISH, NULL);
}

/* @kvm's new VM in state @s.  The second VM that a state needs ends with its descriptor. */
static int make_vm(int kvm, enum state s)
{
	int vm = vm_make(kvm, type_of(s)), other;

	need(!vm_region(vm, 0, 0, 0, AT_MEM_SIZE, (void *)AT_MEM), "memslot");
	if (s == MIRROR) {
		other = vm_make(kvm, type_of(RUNNING));
		launch(other, RUNNING, AT_GUEST);
		need(!vm_enable(vm, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, (uint64_t)other), "mirror");
		close(other);
	} else if (s != DEFAULT) {
		launch(vm, s == MOVED ? RUNNING : s, AT_GUEST);
	}
	if (s == MOVED) {
		other = vm_make(kvm, type_of(NEW));
		if (es)
			add_vcpu(other);
		need(!vm_enable(other, KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, (uint64_t)vm), "move");
		close(other);
	}
	return vm;
}

/* What the capabilities name. */
static void make_sources(int kvm, int vm)
{
	fix_fd(vm_make(kvm, type_of(RUNNING)), FD_LAUNCHED);
	launch(FD_LAUNCHED, RUNNING, OTHERS_PAGE);
	fix_fd(vm_make(kvm, KVM_X86_DEFAULT_VM), FD_PLAIN);
	fix_fd(vm_make(kvm, type_of(NEW)), FD_MIRROR);
	need(!vm_enable(FD_MIRROR, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, FD_LAUNCHED), "mirror");
	need(dup2(vm, FD_SELF) == FD_SELF, "dup2");
}

static void end_sources(void)
{
	for (int fd = FD_LAUNCHED; fd <= FD_SELF; fd++)
		close(fd);
}

/* The address of the argument's data, copied to @buffer. */
static uint64_t place(const struct attempt *a, uint8_t *buffer)
{
	if (!a->data)
		return a->value;
	memcpy(buffer, a->data, a->size);
	return (uintptr_t)buffer;
}

static struct answer try_it(const struct attempt *a, int fd)
{
	uint8_t buffer[256] = { 0 };
	uint64_t at = place(a, buffer);
	struct kvm_sev_cmd cmd = {
		.id = a->id, .data = at, .error = UNTOUCHED,
		.sev_fd = (uint32_t)(a->sev_fd ? a->sev_fd : FD_SEV),
	};
	struct kvm_enable_cap cap = { .cap = a->id, .flags = a->flags, .args = { at } };
	struct sev_issue_cmd issue = { .cmd = a->id, .data = at, .error = UNTOUCHED };
	struct answer got = { .error = UNTOUCHED };

	switch (a->by) {
	case BY_OP:
		got.r = kvm_ioctlp(fd, KVM_MEMORY_ENCRYPT_OP, &cmd);
		got.error = cmd.error;
		break;
	case BY_RAW_OP:
		got.r = kvm_ioctl(fd, KVM_MEMORY_ENCRYPT_OP, at);
		break;
	case BY_REGION:
		got.r = kvm_ioctl(fd, KVM_MEMORY_ENCRYPT_REG_REGION, at);
		break;
	case BY_UNREGION:
		got.r = kvm_ioctl(fd, KVM_MEMORY_ENCRYPT_UNREG_REGION, at);
		break;
	case BY_CAP:
		got.r = kvm_ioctlp(fd, KVM_ENABLE_CAP, &cap);
		break;
	case BY_DEVICE:
		got.r = kvm_ioctlp(fd, SEV_ISSUE_CMD, &issue);
		got.error = issue.error;
		break;
	case BY_RAW_DEVICE:
		got.r = kvm_ioctl(fd, a->id ? _IO('S', 0x7f) : SEV_ISSUE_CMD, at);
		break;
	}
	return got;
}

static void run_cell(const struct attempt *a, enum state s, const char *want)
{
	int kvm = kvm_open(), vm;
	char what[128];

	fresh_memory();
	vm = make_vm(kvm, s);
	if (a->by == BY_CAP)
		make_sources(kvm, vm);
	/* A SEV-ES guest moves to where there are as many vCPUs. */
	if (es && s == NEW && a->by == BY_CAP && a->id == KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM)
		add_vcpu(vm);
	snprintf(what, sizeof(what), "%s %s, %s, %s", es ? "es" : "sev", state_names[s], a->command,
		 a->argument);
	judge(want, try_it(a, vm), what);
	if (a->by == BY_CAP)
		end_sources();
	close(vm);
	close(kvm);
}

static void vms(const char *path)
{
	struct table t;

	read_table(&t, path, 3, NR_STATES, state_names);
	for (int type = 0; type < 2; type++) {
		es = type;
		for (size_t i = 0; i < nr_attempts; i++) {
			struct fact *f = find_fact(&t, &attempts[i], es ? "es" : "sev");

			if (!check(&c, f, "%s, %s: not in the table", attempts[i].command,
				   attempts[i].argument))
				continue;
			for (int s = 0; s < NR_STATES; s++)
				run_cell(&attempts[i], s, f->cells[s]);
		}
	}
	end_table(&t);
}

/* The platform. */

static uint8_t platform_state(void)
{
	struct sev_user_data_status status;
	struct sev_issue_cmd cmd = { .cmd = SEV_PLATFORM_STATUS, .data = (uintptr_t)&status };

	need(!kvm_ioctlp(FD_SEV, SEV_ISSUE_CMD, &cmd), "PLATFORM_STATUS");
	return status.state;
}

static void run_device_cell(const struct attempt *a, enum platform p, const char *want)
{
	static const uint8_t states[] = { 0, 1, 2 };
	struct sev_issue_cmd reset = { .cmd = SEV_FACTORY_RESET };
	int kvm = kvm_open(), vm = -1;
	char what[128];
	bool resets;

	fresh_memory();
	es = false;
	need(!kvm_ioctlp(FD_SEV, SEV_ISSUE_CMD, &reset), "FACTORY_RESET");
	if (p >= INIT)
		vm = make_vm(kvm, p >= WORKING ? STARTED : INITED);
	need(platform_state() == states[p / 2], "platform in state %d", p / 2);
	snprintf(what, sizeof(what), "%s, %s, %s", platform_names[p], a->command, a->argument);
	judge(want, try_it(a, p % 2 ? FD_SEV_READER : FD_SEV), what);
	resets = !strcmp(a->command, "FACTORY_RESET") && !strcmp(want, "ok");
	check(&c, platform_state() == (resets ? 0 : states[p / 2]), "%s: state afterwards", what);
	if (vm >= 0)
		close(vm);
	close(kvm);
}

static void device(const char *path)
{
	struct table t;

	read_table(&t, path, 2, NR_PLATFORMS, platform_names);
	for (size_t i = 0; i < nr_device_attempts; i++) {
		struct fact *f = find_fact(&t, &device_attempts[i], NULL);

		if (!check(&c, f, "%s, %s: not in the table", device_attempts[i].command,
			   device_attempts[i].argument))
			continue;
		for (int p = 0; p < NR_PLATFORMS; p++)
			run_device_cell(&device_attempts[i], p, f->cells[p]);
	}
	end_table(&t);
}

int main(int argc, char **argv)
{
	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	need(argc - c.verbose == 3, "usage: test_sev_errno [--verbose] TABLE DEVICE-TABLE");
	fix_fd(open("/dev/sev", O_RDWR | O_CLOEXEC), FD_SEV);
	fix_fd(open("/dev/sev", O_RDONLY | O_CLOEXEC), FD_SEV_READER);
	fix_fd(memfd_create("none of KVM's", MFD_CLOEXEC), FD_MEMFD);
	fix_fd(open("/dev/null", O_RDWR), STDIN_FILENO);
	device(argv[argc - 1]);
	vms(argv[argc - 2]);
	return checks_end(&c);
}
