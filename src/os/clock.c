/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/clock.h"

#include <cpuid.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"

#define NS_PER_MS	1000000ull

/* Long enough for 0.1 % and for 0.01 % of the true rate, in nanoseconds. */
#define GLANCE_NS	(1 * NS_PER_MS)
#define LOOKS		8u
#define MEASURE_NS	(10 * NS_PER_MS)

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts))
		panic("clock_gettime(%d): %d", (int)id, errno);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t os_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t os_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t os_tsc(void)
{
	/* Without it the counter may be read before a load that comes first. */
	__builtin_ia32_lfence();
	return __builtin_ia32_rdtsc();
}

/* What the processor says about itself (CPUID 15H), or 0; a hypervisor may lie. */
static uint64_t announced_khz(void)
{
	unsigned denominator, numerator, crystal_hz, unused;

	if (!__get_cpuid(0x15, &denominator, &numerator, &crystal_hz, &unused))
		return 0;
	if (!denominator || !numerator || !crystal_hz)
		return 0;
	return (uint64_t)crystal_hz * numerator / denominator / 1000;
}

/* Both clocks at one time. */
struct moment {
	uint64_t ns, tsc;
};

/* The closest of some looks: a thread may be switched out between the two. */
static struct moment moment(void)
{
	struct moment m = { 0 };
	uint64_t best = ~0ull;

	for (unsigned i = 0; i < LOOKS; i++) {
		uint64_t ns = os_monotonic_ns(), tsc = os_tsc(), apart = os_monotonic_ns() - ns;

		if (apart < best) {
			best = apart;
			m = (struct moment){ ns, tsc };
		}
	}
	return m;
}

static uint64_t measured_khz(uint64_t ns)
{
	struct moment from = moment(), to;

	do
		to = moment();
	while (to.ns - from.ns < ns);
	return (to.tsc - from.tsc) * NS_PER_MS / (to.ns - from.ns);
}

static bool agree(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) < b / 200;
}

uint32_t os_tsc_khz(void)
{
	static uint32_t known;		/* two threads may measure; the first answer stays */
	uint32_t khz = __atomic_load_n(&known, __ATOMIC_RELAXED);
	uint64_t announced;

	if (khz)
		return khz;
	announced = announced_khz();
	if (!announced || !agree(announced, measured_khz(GLANCE_NS)))
		announced = measured_khz(MEASURE_NS);
	__atomic_compare_exchange_n(&known, &khz, announced ? (uint32_t)announced : 1, false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return __atomic_load_n(&known, __ATOMIC_RELAXED);
}

void os_random(void *p, size_t n)
{
	char *at = p;

	while (n) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno != EINTR)
			panic("getrandom: %d", errno);
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}
