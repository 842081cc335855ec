/* SPDX-License-Identifier: MIT */
/*
 * Reading the kept output of a detached run while it may still grow.
 */
#ifndef LIB_LOGS_H
#define LIB_LOGS_H

#include "lightrunner.h"

/* The log's fd; -1 with errno. */
int logs_open(int state_dir, const char *id);

#endif
