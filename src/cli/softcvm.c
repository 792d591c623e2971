/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * softcvm.c - the program: picks the verb.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/verb.h"

const struct verb verbs[] = {
	{ "exec", "[OPTIONS] -- PROGRAM [ARGS]", "run PROGRAM with a software /dev/kvm", verb_exec },
	{ "run", "[OPTIONS] IMAGE", "run a guest: a small VMM on exec's machine, or on a real /dev/kvm", verb_run },
	{ "--print-capabilities", "", "what this build can do, as JSON", verb_capabilities },
	{ NULL, NULL, NULL, NULL },
};

static const char options[] =
	"options of exec:\n"
	"  --cpu amd|intel        vendor of the processor (default: this machine's)\n"
	"  --kernel-abi R         the kernel to behave as: 6.12 (default), or 6.18, of which only\n"
	"                         guest_memfd is there, and what the caveats name\n"
	"  --param M.NAME=VALUE   a module parameter, as kvm.mmio_caching=N; may be repeated\n"
	"                         (kvm.gmem_order=9, which no kernel has: guest_memfd by 2 MiB;\n"
	"                         kvm.gmem_in_place=1, nor this: one that converts where it is)\n"
	"  --phys-bits N          width of a physical address, 36 to 52\n"
	"  --phys-reduction N     bits of it that memory encryption takes (amd: 5)\n"
	"  --c-bit N              position of the encryption bit, 0: none (amd: 51)\n"
	"  --cpus N               logical processors\n"
	"  --sw-protected MODE    memory of SW_PROTECTED VMs: interleaved (default, upstream's), or\n"
	"                         separate: an idea that upstream left open, with a shared bit in\n"
	"                         guest physical addresses and mirrored tables (intel)\n"
	"  --host-map MODE        pages that KVM maps for itself: upstream (default: a conversion does not\n"
	"                         wait for them), or short-term: what was proposed in 2021, no kernel's\n"
	"                         behaviour: a conversion waits, and what is private is not mapped\n"
	"  --strict-host-access   KVM's own accesses to what a guest has made private, or has encrypted, are\n"
	"                         refused (EFAULT); default: what kernels do, and a finding\n"
	"  --trace[=EVENT,...]    print events as they happen, in the layout of the kernel's trace_pipe and\n"
	"                         by its names (kvm_exit, kvmmmu, 'kvm_*'); '--trace help' lists them\n"
	"  --trace-file FILE      print them there, not on standard error\n"
	"  --stats FILE           write counters there at the end, as JSON\n"
	"  --summary NAME,...     print these counters at the end\n"
	"  --findings             tell each rule of a manual that software breaks, and each access of KVM to\n"
	"                         what is a guest's, when it happens; else at the end how many there were\n"
	"  --quiet                no line on standard error at the start\n"
	"\n"
	"options of run, beside those of exec:\n"
	"  --type T               default, sw-protected, sev, sev-es or snp; the last three on --cpu amd\n"
	"  --memory SIZE          of RAM, as 64M (default) or 4G\n"
	"  --vcpus N              virtual processors (default: 1)\n"
	"  --irqchip              interrupt controllers in the kernel; always so from 2 vCPUs on\n"
	"  --policy N             the SEV policy\n"
	"  --hugepages            private memory in pages of 2M (--param kvm.gmem_order=9)\n"
	"  --hugetlb              RAM from the second gigabyte on lies on the host's pages of 1G\n"
	"  --in-place             shared and private memory are the same pages of a guest_memfd (ours)\n"
	"  --no-discard           a conversion keeps what the other side's pages held\n"
	"  --measurement          print the launch measurement\n"
	"  --device PATH          a real device, as /dev/kvm, and none of exec's options\n"
	"  --json                 tell the end as a JSON object\n"
	"Findings are told; without --quiet and --json an SNP guest's end has a summary.\n"
	"\n"
	"Exit status of run: the guest's; 124 it ended without one, 125 the machine failed,\n"
	"126 IMAGE cannot be loaded, 127 it was not found, 2 wrong usage.\n"
	"\n"
	"Exit status of exec: that of PROGRAM; 126 it cannot be run this way, 127 it was not found,\n"
	"2 wrong usage.\n";

int usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("softcvm: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'softcvm --help'.\n", stderr);
	return EXIT_USAGE;
}

static int finish_output(void)
{
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}

static int help(void)
{
	puts("softcvm - a /dev/kvm made of software, with confidential VM types.\n"
	     "It is a model: nothing in it is confidential.\n\nusage:");
	for (const struct verb *v = verbs; v->name; v++)
		printf("  softcvm %s%s%s\n%26s%s\n", v->name, *v->arguments ? " " : "", v->arguments,
		       "", v->about);
	printf("  softcvm --version\n  softcvm --help\n\n%s", options);
	return finish_output();
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage_error("what shall I do?");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help();
	if (!strcmp(argv[1], "--version")) {
		puts("softcvm " SOFTCVM_VERSION);
		return finish_output();
	}
	for (const struct verb *v = verbs; v->name; v++) {
		if (!strcmp(argv[1], v->name))
			return v->run(argc - 1, argv + 1);
	}
	return usage_error("'%s' is no verb", argv[1]);
}
