/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_ghcb_trace.c - kvm_vmgexit_*: when they come, and what they say of the request
 * and of its answer.
 */
#include "a_guest.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "trace/trace.h"

static struct a_guest g;
static char path[] = "/tmp/softcvm-ghcb-trace-XXXXXX";

static int make(void **unused)
{
	struct trace_config config = { .file = path };
	size_t len;
	int fd = mkstemp(path);

	(void)unused;
	assert_true(fd >= 0);
	close(fd);
	a_guest_make_snp(&g, false);
	assert_null(trace_select("kvm_vmgexit*", config.on, &len));
	assert_int_equal(trace_create(&config, &g.a.module.trace), 0);
	return 0;
}

static int end(void **unused)
{
	(void)unused;
	trace_destroy(g.a.module.trace);
	g.a.module.trace = NULL;
	a_guest_free(&g);
	unlink(path);
	return 0;
}

/* What has been written since the last call: events and texts, without what is before them. */
static void said(const char *want)
{
	static long from;
	char text[1024] = "", line[256];
	FILE *f;

	trace_flush(g.a.module.trace);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fseek(f, from, SEEK_SET), 0);
	while (fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, "kvm_vmgexit_");

		assert_non_null(at);
		strncat(text, at + strlen("kvm_vmgexit_"), sizeof(text) - strlen(text) - 1);
	}
	from = ftell(f);
	fclose(f);
	assert_string_equal(text, want);
}

static void the_page(void **unused)
{
	(void)unused;
	a_guest_asks(&g, GHCB_HV_FEATURES, 7, 9);
	assert_int_equal(a_guest_exits(&g), 1);
	said("enter: vcpu 0, exit_reason 8000fffd, exit_info1 7, exit_info2 9\n");
	a_guest_enters(&g);
	said("exit: vcpu 0, exit_reason 8000fffd, exit_info1 0, exit_info2 3\n");
	a_guest_enters(&g);
	said("");
}

static void a_refusal(void **unused)
{
	(void)unused;
	a_guest_asks(&g, 0x1234, 0, 0);
	assert_int_equal(a_guest_exits(&g), 1);
	a_guest_enters(&g);
	said("enter: vcpu 0, exit_reason 1234, exit_info1 0, exit_info2 0\n"
	     "exit: vcpu 0, exit_reason 1234, exit_info1 2, exit_info2 6\n");
}

/* Given up: nothing is answered, and the page shows the request. */
static void not_registered(void **unused)
{
	(void)unused;
	g.es.ghcb.registered = GPA(0);
	a_guest_asks(&g, GHCB_HV_FEATURES, 7, 9);
	assert_int_equal(a_guest_exits(&g), -EINVAL);
	a_guest_enters(&g);
	said("enter: vcpu 0, exit_reason 8000fffd, exit_info1 7, exit_info2 9\n"
	     "exit: vcpu 0, exit_reason 8000fffd, exit_info1 7, exit_info2 9\n");
	g.es.ghcb.registered = GPA(GHCB_AT);
}

static void the_msr(void **unused)
{
	(void)unused;
	g.v->svm.ghcb_gpa = GHCB_AT | 0x012;
	assert_int_equal(a_guest_exits(&g), 1);
	said("msr_protocol_enter: vcpu 0, ghcb_gpa 0000000000004012\n"
	     "msr_protocol_exit: vcpu 0, ghcb_gpa 0000000000004013, result 1\n");
	g.v->svm.ghcb_gpa = 0x0010000000100014;
	assert_int_equal(a_guest_exits(&g), 0);
	said("msr_protocol_enter: vcpu 0, ghcb_gpa 0010000000100014\n"
	     "msr_protocol_exit: vcpu 0, ghcb_gpa 0010000000100014, result 0\n");
	g.v->svm.ghcb_gpa = 0x100;
	assert_int_equal(a_guest_exits(&g), 0);
	said("msr_protocol_enter: vcpu 0, ghcb_gpa 0000000000000100\n");
	g.v->svm.ghcb_gpa = GHCB_AT;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page),
		cmocka_unit_test(a_refusal),
		cmocka_unit_test(not_registered),
		cmocka_unit_test(the_msr),
	};

	return cmocka_run_group_tests(tests, make, end);
}
