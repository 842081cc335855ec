/* SPDX-License-Identifier: MIT */
/*
 * The table of methods.
 */
#ifndef RPC_METHODS_H
#define RPC_METHODS_H

#include "state.h"

/* NULL: there is no such method. */
const struct method *method_find(const char *name);

/* Starts the call. */
void method_begin(struct call *c);

/* What the server says of itself. New reference. */
json_t *method_hello(void);

#endif
