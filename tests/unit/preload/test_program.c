/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_program.c - which programs softcvm exec takes, and why not the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/program.h"

static char folder[] = "/tmp/softcvm-program-XXXXXX";

static const char *put(const char *name, const void *bytes, size_t n, mode_t mode)
{
	static char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

/* An ELF header with one segment: an interpreter, unless it is "". */
static const char *put_elf(const char *name, int class, int machine, const char *interp)
{
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p;
		char interp[64];
	} file = {
		.e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, (unsigned char)class, ELFDATA2LSB },
		       .e_machine = (Elf64_Half)machine, .e_phoff = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 },
		.p = { .p_type = *interp ? PT_INTERP : PT_LOAD,
		       .p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
		       .p_filesz = strlen(interp) + 1 },
	};

	strcpy(file.interp, interp);
	return put(name, &file, sizeof(file), 0755);
}

#define LOADER "/lib64/ld-linux-x86-64.so.2"

static void elf_files(void **unused)
{
	static const struct { const char *name; int class, machine; const char *interp, *says; } rows[] = {
		{ "good", ELFCLASS64, EM_X86_64, LOADER, NULL },
		{ "static", ELFCLASS64, EM_X86_64, "", "statically linked" },
		{ "small", ELFCLASS32, EM_386, "/lib/ld-linux.so.2", "32-bit" },
		{ "x32", ELFCLASS32, EM_X86_64, "/libx32/ld-linux-x32.so.2", "32-bit" },
		{ "arm", ELFCLASS64, EM_AARCH64, LOADER, "another processor" },
		{ "musl", ELFCLASS64, EM_X86_64, "/lib/ld-musl-x86_64.so.1", "ld-musl" },
		{ "bionic", ELFCLASS64, EM_X86_64, "/system/bin/linker64", "linker64" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char why[PATH_MAX + 256] = "";
		const char *path = put_elf(rows[i].name, rows[i].class, rows[i].machine, rows[i].interp);
		int r = program_check(AT_FDCWD, path, why, sizeof(why));

		assert_int_equal(r, rows[i].says ? -ENOEXEC : 0);
		if (rows[i].says)
			assert_non_null(strstr(why, rows[i].says));
		unlink(path);
	}
}

static void scripts(void **unused)
{
	char why[PATH_MAX + 256], text[160];
	const char *path;

	(void)unused;
	path = put("plain", "echo hello\n", 11, 0755);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), 0);	/* /bin/sh */
	path = put("shell", "#! /bin/sh -e\n", 14, 0755);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), 0);
	path = put("nobody", "#!/nonexistent/sh\n", 18, 0755);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), -ENOENT);
	path = put("none", "#!  \n", 5, 0755);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), -ENOEXEC);
	put_elf("interpreter", ELFCLASS64, EM_X86_64, "");
	snprintf(text, sizeof(text), "#!%s/interpreter x\n", folder);
	path = put("through", text, strlen(text), 0755);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), -ENOEXEC);
	assert_non_null(strstr(why, "interpreter: statically linked"));
	snprintf(text, sizeof(text), "#!%s/loop\n", folder);
	path = put("loop", text, strlen(text), 0755);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), -ENOEXEC);
}

static void rights(void **unused)
{
	char why[PATH_MAX + 256];
	const char *path = put_elf("setid", ELFCLASS64, EM_X86_64, LOADER);

	(void)unused;
	/* One's own set-user-ID program gives no other rights. */
	assert_int_equal(chmod(path, 04755), 0);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), 0);
	if (getuid())
		return;
	assert_int_equal(chown(path, 12345, 54321), 0);
	assert_int_equal(chmod(path, 04755), 0);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), -EACCES);
	assert_non_null(strstr(why, "set-user-ID"));
	assert_int_equal(chmod(path, 02755), 0);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), -EACCES);
	assert_non_null(strstr(why, "set-group-ID"));
	/* Without the group's x it means something else. */
	assert_int_equal(chmod(path, 02745), 0);
	assert_int_equal(program_check(AT_FDCWD, path, why, sizeof(why)), 0);
}

static void found_as_execvp_does(void **unused)
{
	char path[PATH_MAX], dirs[256], want[128];

	(void)unused;
	put("tool", "x", 1, 0755);
	put("text", "x", 1, 0644);
	snprintf(dirs, sizeof(dirs), "/nonexistent:%s:/bin", folder);
	setenv("PATH", dirs, 1);
	snprintf(want, sizeof(want), "%s/tool", folder);
	assert_int_equal(program_find("tool", path, sizeof(path)), 0);
	assert_string_equal(path, want);
	assert_int_equal(program_find("sh", path, sizeof(path)), 0);
	assert_string_equal(path, "/bin/sh");
	assert_int_equal(program_find("text", path, sizeof(path)), -EACCES);
	assert_int_equal(program_find("", path, sizeof(path)), -ENOENT);
	assert_int_equal(program_find("no-such-tool", path, sizeof(path)), -ENOENT);
	assert_int_equal(program_find("/tmp", path, sizeof(path)), -EACCES);
	assert_int_equal(program_find("./no-such-tool", path, sizeof(path)), -ENOENT);
}

static int make_folder(void **unused)
{
	(void)unused;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **unused)
{
	static const char *const names[] = { "plain", "shell", "nobody", "none", "interpreter",
					     "through", "loop", "setid", "tool", "text" };
	char path[128];

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elf_files),
		cmocka_unit_test(scripts),
		cmocka_unit_test(rights),
		cmocka_unit_test(found_as_execvp_does),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
