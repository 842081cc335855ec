/* SPDX-License-Identifier: MIT */
/*
 * Reads the kept output of a detached run, which may still be growing.
 */
#ifndef LIB_LOGS_H
#define LIB_LOGS_H

#include "lightrunner.h"

/* Returns the log's fd, or -1 with errno. */
int logs_open(int state_dir, const char *id);

#endif
