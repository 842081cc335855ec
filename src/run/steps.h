/* SPDX-License-Identifier: MIT */
/*
 * The setup steps of a request are executed once, in a sandbox of their own, on top of the image.
 * The result is kept as an image whose name is the digest of the steps and the image:
 *
 *      light-runner/setup:<48 hex>
 *
 * The sandbox is like any other of the tier runc. It has the run's limits, and the default network
 * or none. It has nothing else of the run: no files, environment or input. Its supervisor is
 * another process of this program, whose order says `commit`: it makes an image of the root instead
 * of extracting files.
 */
#ifndef RUN_STEPS_H
#define RUN_STEPS_H

#include "engine/engine.h"
#include "run/watch.h"

/* Bytes. For the release of the kernel that the steps ran on. */
enum { STEPS_KERNEL_SIZE = 65 };

/* *name is the name of the image with the steps done; malloc'd. *kernel is the release of the
 * kernel that they ran on; it is left alone if an earlier run did them. `digest` is the image's
 * own. Otherwise like provide_image(). */
int steps_image(char **name, char kernel[STEPS_KERNEL_SIZE], const char *id, struct engine *engine,
                const struct request *r, const char *digest, struct watch *watch, lrun_error *err);

/* The tier and the network of the request's steps, as the result names them; NULL: the request has
 * no steps. */
const char *steps_tier(const struct request *r);
const char *steps_network(const struct request *r);

/* Returns the steps as one shell command: each runs in its own shell, until one fails. malloc'd;
 * NULL when memory is out. */
char *steps_script(char *const *steps);

#endif
