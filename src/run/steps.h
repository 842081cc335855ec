/* SPDX-License-Identifier: MIT */
/*
 * The setup steps of a request: done once in a sandbox of their own, on top of the image, and kept
 * as an image whose name is the digest of both:
 *
 *      light-runner/setup:<48 hex>
 *
 * The sandbox is like any other of the tier runc, with the run's limits, the default network or none, and nothing
 * of the run: neither its files nor its env or input. Its supervisor is this program once more, whose order
 * says `commit`: it makes an image of the root instead of extracting.
 */
#ifndef RUN_STEPS_H
#define RUN_STEPS_H

#include "engine/engine.h"
#include "run/watch.h"

/* Of the kernel that they have run on. */
enum { STEPS_KERNEL_SIZE = 65 };

/* *name is the name of the image with the steps done; malloc'd. *kernel is the one that they have run on, and is left alone
 * if an earlier run did them. `digest` is the image's own. Else as provide_image(). */
int steps_image(char **name, char kernel[STEPS_KERNEL_SIZE], const char *id,
                const struct engine *engine, const struct request *r, const char *digest,
                struct watch *watch, lrun_error *err);

/* The tier and the network of the request's steps, as the result names them; NULL: it has no steps. */
const char *steps_tier(const struct request *r);
const char *steps_network(const struct request *r);

/* The steps as one shell command: each in a shell of its own, up to the first that fails. malloc'd,
 * NULL when memory is out. */
char *steps_script(char *const *steps);

#endif
