/* SPDX-License-Identifier: MIT */
/*
 * The setup steps of a request: done once in a sandbox of their own, on top of the image, and kept
 * as an image whose name is the digest of both:
 *
 *      light-runner/setup:<48 hex>
 *
 * The sandbox is like any other of the tier runc, with the run's limits, the default network or none, and nothing
 * of the run: neither its files nor its env or input. Its supervisor is a fork of this one, which
 * makes an image of the root instead of extracting.
 */
#ifndef RUN_SETUP_H
#define RUN_SETUP_H

#include "run/provide.h"

/* *name is the name of the image with the steps done; malloc'd. `digest` is the image's own. Else as
 * provide_image(). */
int setup_image(char **name, const char *id, const struct engine *engine, const struct request *r,
                const char *digest, struct provide_watch *watch, lrun_error *err);

/* The tier and the network of the request's steps, as the result names them; NULL: it has no steps. */
const char *setup_tier(const struct request *r);
const char *setup_network(const struct request *r);

/* The steps as one shell command: each in a shell of its own, up to the first that fails. malloc'd,
 * NULL when memory is out. */
char *setup_script(char *const *steps);

#endif
