/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * log.h - lines on standard error, and the end of the program.
 *
 * Every function is safe on any thread and in a signal handler: one write(2)
 * of one line of at most 1,023 bytes, no allocation.
 *
 * log_*	for whoever runs us ("softcvm: " goes in front)
 * panic	a bug of *ours*: says where, aborts.  Never for bad input.
 */
#pragma once
#include <stdbool.h>

#include "base/macros.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Least important level that is printed; LOG_WARN at first. */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);
void log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_error(...)	log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)	log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)	log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)							\
	do {								\
		if (unlikely(log_is_on(LOG_DEBUG)))			\
			log_at(LOG_DEBUG, __VA_ARGS__);			\
	} while (0)

_Noreturn void panic_at(const char *file, int line, const char *fmt, ...) PRINTF(3, 4);
#define panic(...)	panic_at(__FILE__, __LINE__, __VA_ARGS__)

/* An assertion of ours that stays in the product build. */
#define BUG_ON(cond)							\
	do {								\
		if (unlikely(cond))					\
			panic("%s", #cond);				\
	} while (0)
