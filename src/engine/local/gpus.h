/* SPDX-License-Identifier: MIT */
/*
 * What the launcher shows of GPUs: the device nodes and the driver's files as detached mounts, and the
 * hooks, with the bundle that they look at.
 */
#ifndef ENGINE_LOCAL_GPUS_H
#define ENGINE_LOCAL_GPUS_H

#include "box/box.h"
#include "tier/gpu/cdi.h"

struct gpus;

/*
 * Makes the nodes in LOCAL_DEVICES and, for hooks, the bundle in LOCAL_BUNDLE, and adds everything to
 * the box. The box borrows from *out and from the edits. `text`: gets what the hooks print.
 * Errors: CONTAINER_START_FAILED. Call gpus_free() in any case.
 */
int gpus_show(struct gpus **out, struct box *b, struct cdi_edits *edits, const char *id, int text,
              lrun_error *err);

/* Accepts NULL. */
void gpus_free(struct gpus *g);

#endif
