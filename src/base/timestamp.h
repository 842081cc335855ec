/* SPDX-License-Identifier: MIT */
/* Points in time as milliseconds since 1970, and as text. */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include <stdint.h>

int64_t timestamp_now(void);

/* "2026-01-31T12:00:00.123Z" */
void timestamp_format(char out[32], int64_t ms);

/* Returns the time that such a text names; -1 for any other text. */
int64_t timestamp_parse(const char *text);

#endif
