/* SPDX-License-Identifier: MIT */
/*
 * One command in the sandbox: its words, input, time, caller and end. A run has exactly one, which
 * is alone: when it ends, so does the sandbox. A session has any number.
 */
#ifndef RUN_COMMAND_H
#define RUN_COMMAND_H

#include "run/agent_link.h"
#include "run/caller.h"
#include "wire/request.h"
#include "wire/result.h"

struct sandbox;

/*
 * COMMAND_WAITING  the agent has not been told to start it
 * COMMAND_ORDERED  it has been; whether the program could be executed is not known yet
 * COMMAND_RUNNING
 * COMMAND_ENDED    its EXIT has arrived
 */
enum command_state { COMMAND_WAITING, COMMAND_ORDERED, COMMAND_RUNNING, COMMAND_ENDED };

struct command {
    uint16_t number;
    bool alone;
    enum command_state state;
    const struct request *request; /* its words, environment and time; borrowed */
    struct caller *caller;         /* borrowed */
    struct run_result *result;     /* borrowed */

    const char *user; /* NULL: the image's; borrowed */

    int input;           /* the fd for its stdin, borrowed; -1: it has none */
    bool input_open;     /* the fd has more */
    bool input_pollable; /* it is a pipe or the like, not a file */
    uint64_t input_credit;

    int64_t
        deadline; /* of its time, or of its death once it is being killed; IO_NO_DEADLINE: none */
    int64_t kill_at;        /* when the grace of a stop ends; IO_NO_DEADLINE: never */
    bool stopping;          /* it has been told to end */
    bool killing;           /* it was killed, and we wait for its end */
    int64_t running, ended; /* microseconds; 0: not reached */
};

void command_init(struct command *c, uint16_t number, const struct request *r,
                  struct caller *caller, struct run_result *result);

/* Tells the agent to start it. Errors: INVALID_ARGUMENT. */
int command_start(struct command *c, struct agent_link *link, const struct sandbox *sandbox,
                  lrun_error *err);

/* It runs: its time begins, and its input can be sent. */
void command_begin(struct command *c);

/* Whether its input can be sent now, if there is any. */
bool command_wants_input(const struct command *c, const struct agent_link *link);

/* Sends as much of its input as the agent's credit and the queue allow. */
int command_feed(struct command *c, struct agent_link *link, lrun_error *err);

/* Adds to the agent's credit. Returns false if the frame breaks the protocol. */
bool command_credit(struct command *c, const struct frame *f);

/* Takes the end from an EXIT frame. Returns false if the frame breaks the protocol. */
bool command_end(struct command *c, const struct frame *f);

/* Sends a signal to its process group. */
/* Tells its terminal's size, if it has been started. */
int command_resize(const struct command *c, struct agent_link *link, unsigned rows,
                   unsigned columns, lrun_error *err);
int command_signal(struct command *c, struct agent_link *link, int number, lrun_error *err);

/* When something must be done about it for want of time. */
int64_t command_deadline(const struct command *c);

#endif
