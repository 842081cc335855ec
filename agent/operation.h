/* SPDX-License-Identifier: MIT */
/*
 * One operation on the sandbox's files: a command beside it may be running, and so may other
 * operations. So an operation never waits. It does its work in small steps, and takes the frames
 * that the supervisor sends for it as they come. What it needs of memory does not grow with the
 * files.
 *
 * The files belong to hostile programs, which may change them at any time.
 */
#ifndef AGENT_OPERATION_H
#define AGENT_OPERATION_H

#include "channel.h"
#include "place.h"

#include <sys/stat.h>

/*
 * OPERATION_BROKEN   memory is out; the agent cannot go on
 * OPERATION_GOES_ON
 * OPERATION_ENDS     with what operation_fail() has noted, or well
 */
enum operation_outcome { OPERATION_BROKEN = -1, OPERATION_GOES_ON, OPERATION_ENDS };

struct operation {
    const struct operation_kind *kind;
    uint16_t number;
    struct channel *channel;
    const struct user *user;
    const struct workdir *workdir;
    void *own;            /* what its kind needs */
    struct buffer fields; /* empty between frames; at the end, what is to be in DONE */
    bool failed;
    int errnum;
    char reason[768];
};

struct operation_kind {
    uint8_t type; /* of the frame that begins it */
    size_t size;  /* of `own`, which is zero at the beginning */
    enum operation_outcome (*begin)(struct operation *op, const struct frame *f);
    enum operation_outcome (*step)(struct operation *op); /* NULL: it only waits for frames */
    enum operation_outcome (*frame)(struct operation *op, const struct frame *f); /* NULL: none */
    /* Sends the last frame. NULL: that is DONE. Returns false if memory is out. */
    bool (*finish)(struct operation *op);
    void (*free)(
        struct operation *op); /* also gives up what is not complete. NULL: nothing to do */
};

extern const struct operation_kind extract_kind, file_list_kind, file_stat_kind, file_read_kind,
    file_write_kind, file_remove_kind, file_put_kind;

/* Notes a failure; `errnum` may be 0. Returns OPERATION_ENDS. */
enum operation_outcome operation_fail(struct operation *op, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same: "cannot WHAT 'PATH': ", and the text of errno. */
enum operation_outcome operation_cannot(struct operation *op, const char *what, const char *path);

/* Sends `fields` as a frame of this type and empties them. */
enum operation_outcome operation_send(struct operation *op, enum frame_type type);

#endif
