/* SPDX-License-Identifier: MIT */
/*
 * Files in: walks the host folder `dir` and turns it into ENTRY, DATA and ENTRY_END frames, as many
 * at a time as the caller has room for. The names of `ignore` are skipped at any depth, and so is everything but folders,
 * regular files and, where the request says so, links that stay inside (run/seed_link.h); no symlink is followed.
 */
#ifndef RUN_SEED_H
#define RUN_SEED_H

#include "base/buffer.h"
#include "base/error.h"
#include "wire/request.h"

struct seed;

/* The request is borrowed until seed_close(). Errors: INVALID_ARGUMENT when its `dir` is not a folder that can be read. */
int seed_open(struct seed **out, const struct request *r, lrun_error *err);

/*
 * Appends frames until `out` holds at least `enough` bytes or the tree is complete; then *done is
 * set, and ENTRIES_END was appended. Errors: SEED_FAILED with the file's name.
 */
int seed_fill(struct seed *s, struct buffer *out, size_t enough, bool *done, lrun_error *err);

void seed_close(struct seed *s); /* accepts NULL */

#endif
