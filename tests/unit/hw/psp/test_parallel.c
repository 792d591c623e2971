/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_parallel.c - guests launched by several threads at once, while another
 * asks for the platform's state and flushes.
 */
#include "a_platform.h"

#include "base/log.h"
#include "sync/crowd.h"

#include <openssl/sha.h>

#define LAUNCHERS	4u
#define ROUNDS		12u
#define EACH		8u		/* pages */

static void must(enum psp_status st)
{
	BUG_ON(st != PSP_SUCCESS);
}

static void flush_all(struct platform *p)
{
	enum psp_status st;

	do {				/* a DEACTIVATE may come in between */
		psp_wbinvd_done(p->hw);
		st = psp_command(p->hw, PSP_DF_FLUSH, NULL);
	} while (st == PSP_WBINVD_REQUIRED);
	must(st);
}

/* Another's guest takes no part in this digest, another's key none in this page. */
static void launch(struct platform *p, unsigned who, unsigned round)
{
	const struct psp_measured what = { PSP_API_MAJOR, PSP_API_MINOR, PSP_BUILD, 0, { 0 } };
	struct psp_launch_start s = { .policy = PLAIN };
	struct psp_measured m = what;
	uint8_t in[EACH * PAGE_SIZE], out[EACH * PAGE_SIZE], mac[32], no_tik[16] = { 0 };
	const uint64_t at = page_at(p, who * EACH);
	struct measurement got;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7 + who * 31 + round);
	BUG_ON(!view_write(p->hw, HPA(at), 0, in, sizeof(in)));
	must(psp_command(p->hw, PSP_LAUNCH_START, &s));
	flush_all(p);
	must(activate(p, s.handle, 6 + who));
	must(update(p, PSP_LAUNCH_UPDATE_DATA, s.handle, at, sizeof(in)));
	must(update(p, PSP_LAUNCH_MEASURE, s.handle, page_at(p, 40 + who), sizeof(got)));
	BUG_ON(!view_read(p->hw, HPA(page_at(p, 40 + who)), 0, &got, sizeof(got)));
	SHA256(in, sizeof(in), m.digest);
	BUG_ON(!channel_measure(no_tik, &m, got.mnonce, mac) || memcmp(mac, got.mac, sizeof(mac)));
	BUG_ON(!view_read(p->hw, HPA(at), (keyslot_t)(6 + who), out, sizeof(out)));
	BUG_ON(memcmp(in, out, sizeof(in)));
	must(on_guest(p, PSP_LAUNCH_FINISH, s.handle));
	must(on_guest(p, PSP_DEACTIVATE, s.handle));
	must(on_guest(p, PSP_DECOMMISSION, s.handle));
}

static void work(void *arg, unsigned who)
{
	struct platform *p = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct psp_platform_status st;

		if (who < LAUNCHERS) {
			launch(p, who, i);
			continue;
		}
		must(psp_command(p->hw, PSP_PLATFORM_STATUS, &st));
		BUG_ON((st.state == PSP_WORKING) != (st.guest_count > 0));
		BUG_ON(st.guest_count > LAUNCHERS);
	}
}

static void launches_do_not_meet(void **unused)
{
	struct platform p = a_platform();

	(void)unused;
	crowd_run(LAUNCHERS + 1, work, &p);
	assert_int_equal(platform_status(&p).guest_count, 0);
	no_platform(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(launches_do_not_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
