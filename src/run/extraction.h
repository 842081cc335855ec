/* SPDX-License-Identifier: MIT */
/*
 * `extract`: asks the agent for one entry after another and writes the files that it sends into a
 * sink. A bad entry becomes its status, never a failed run; an agent that lies ends the extraction.
 */
#ifndef RUN_EXTRACTION_H
#define RUN_EXTRACTION_H

#include "run/agent_link.h"
#include "run/sink.h"
#include "wire/request.h"

struct extraction {
    const struct request *request;
    mode_t umask;            /* of the caller */
    lrun_extracted *results; /* request->extract_count of them */
    char (*reasons)[512];
    size_t at;   /* the current entry */
    char *path;  /* its path in the sandbox: absolute, normalised */
    bool asked;  /* its request was sent */
    bool begun;  /* its BEGIN has arrived */
    bool single; /* it is one file */
    bool failed; /* it has its reason; the rest of its frames are discarded */
    bool in_file;
    struct sink sink;
    struct buffer fields;
};

int extraction_init(struct extraction *x, const struct request *r, mode_t mask, lrun_error *err);
void extraction_free(struct extraction *x);

/* Asks the agent for the next entry that needs the agent; sets *done if there is none. */
int extraction_next(struct extraction *x, struct agent_link *link, bool *done, lrun_error *err);

/* Handles a frame. Returns -1 if it breaks the protocol (EXTRACT_FAILED); then ignore the agent
 * from now on. */
int extraction_frame(struct extraction *x, const struct frame *f, lrun_error *err);

/* Gives the current entry and all later ones this reason. */
void extraction_abort(struct extraction *x, const char *reason);

#endif
