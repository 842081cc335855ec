/* SPDX-License-Identifier: MIT */
/*
 * `extract`: asks the agent for one entry after the other and feeds what it sends into a sink. A
 * bad entry becomes its status, never a failed run; an agent that lies ends the extraction.
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
    size_t at;   /* the entry at hand */
    char *path;  /* and where it is in the sandbox: absolute, normalised */
    bool asked;  /* its request was sent */
    bool begun;  /* its BEGIN has come */
    bool single; /* it is one file */
    bool failed; /* it has its reason; what still comes is thrown away */
    bool in_file;
    struct sink sink;
    struct buffer fields;
};

int extraction_init(struct extraction *x, const struct request *r, mode_t mask, lrun_error *err);
void extraction_free(struct extraction *x);

/* Goes on to the next entry that the agent has to be asked for; *done when there is none. */
int extraction_next(struct extraction *x, struct agent_link *link, bool *done, lrun_error *err);

/* Takes a frame. -1: it breaks the protocol (EXTRACT_FAILED); the agent is not to be heard any
 * more. */
int extraction_frame(struct extraction *x, const struct frame *f, lrun_error *err);

/* Gives the entry at hand and all after it this reason. */
void extraction_abort(struct extraction *x, const char *reason);

#endif
