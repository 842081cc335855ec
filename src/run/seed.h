/* SPDX-License-Identifier: MIT */
/*
 * Files in: walks the host folder `dir` and turns it into ENTRY, DATA and ENTRY_END frames, as many
 * at a time as the caller has room for. It skips the names of `ignore` at any depth. It also skips
 * everything but folders, regular files and, if the request says so, symlinks that stay inside
 * (run/seed_link.h). It never follows a symlink.
 */
#ifndef RUN_SEED_H
#define RUN_SEED_H

#include "base/buffer.h"
#include "base/error.h"
#include "wire/request.h"

struct seed;

/* The request is borrowed until seed_close(). `number` is that of the frames: of an operation, or
 * FRAME_SANDBOX. Errors: INVALID_ARGUMENT if its `dir` is not a readable folder. */
int seed_open(struct seed **out, const struct request *r, uint16_t number, lrun_error *err);

/*
 * Appends frames until `out` holds at least `enough` bytes or the tree is complete. In the second
 * case, ENTRIES_END is appended and *done is set. Errors: SEED_FAILED with the file's name.
 */
int seed_fill(struct seed *s, struct buffer *out, size_t enough, bool *done, lrun_error *err);

/* Ends the tree where seed_fill() has failed, with ENTRIES_END. */
int seed_break_off(struct seed *s, struct buffer *out, lrun_error *err);

void seed_close(struct seed *s); /* accepts NULL */

#endif
