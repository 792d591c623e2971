/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * drive.c - a fuzz target without libFuzzer.
 *
 * usage: TARGET [-runs=N] [-seed=N] [FILE...]   files: these inputs instead
 */
#include "fuzz.h"

#define MAX_INPUT	1024u

static uint64_t next(uint64_t *s)	/* xorshift64* */
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 0x2545f4914f6cdd1dull;
}

static int run_file(const char *path)
{
	static uint8_t bytes[1u << 20];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		perror(path);
		return 2;
	}
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	return LLVMFuzzerTestOneInput(bytes, n);
}

int main(int argc, char **argv)
{
	uint64_t runs = 1000, seed = 1, state;
	uint8_t bytes[MAX_INPUT];
	int nr_files = 0;

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "-runs=", 6))
			runs = strtoull(argv[i] + 6, NULL, 0);
		else if (!strncmp(argv[i], "-seed=", 6))
			seed = strtoull(argv[i] + 6, NULL, 0);
		else if (run_file(argv[i]))
			return 2;
		else
			nr_files++;
	}
	state = seed * 0x9e3779b97f4a7c15ull | 1;
	for (uint64_t r = 0; !nr_files && r < runs; r++) {
		const size_t len = next(&state) % (MAX_INPUT + 1);

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)(next(&state) >> 56);
		LLVMFuzzerTestOneInput(bytes, len);
	}
	printf("%s: %llu inputs, seed %llu: nothing found\n", argv[0],
	       (unsigned long long)(nr_files ? (uint64_t)nr_files : runs),
	       (unsigned long long)seed);
	return 0;
}
