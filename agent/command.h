/* SPDX-License-Identifier: MIT */
/*
 * The user's command: its pipes, its start, its end and the end of all that it left running.
 */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include "channel.h"
#include "launch.h"

struct command {
    pid_t pid; /* and its session's and process group's; 0 before the start */
    bool reaped;
    int wait_status;   /* once reaped */
    bool reports_exit; /* what cannot be executed is an end, and not a failure */
    int exit_code;     /* of that end; 0: it was executed */

    int status; /* of the start; -1 once it is known */
    char program[256];

    int in; /* our ends of its pipes, non-blocking; -1 once closed */
    int out;
    int err;

    struct buffer input; /* for its stdin */
    bool input_ended;    /* the supervisor has no more */
    uint64_t credit;     /* taken from the queue, and not told to the supervisor yet */
};

void command_init(struct command *c);
void command_free(struct command *c);

/* Forks. Whether it could be executed is known when `status` becomes readable: command_started().
 */
int command_start(struct command *c, const struct frame *f, const struct user *user, int workdir,
                  struct failure *failure);

/* 1: it runs; 0: not known yet; -1: it could not be executed. With an exit_code that is its end, and not ours. */
int command_started(struct command *c, int workdir, struct failure *failure);

/* The reason for such an end, as if the command had written it to its stderr. -1: no memory. */
int command_say(const struct failure *failure, struct channel *channel);

/* Queues input. -1: more than the supervisor has credit for. */
int command_input(struct command *c, const char *data, size_t length);
void command_input_end(struct command *c);

/* Writes what its stdin takes. What a closed stdin does not take any more is thrown away. */
void command_feed(struct command *c);

/* The end of its stdin, whatever is left in the queue. */
void command_close_input(struct command *c);

/* One read of *fd (out or err) into a frame. Closes it at its end. 1: there was something; 0:
 * nothing yet, or closed; -1: no memory. */
int command_read(int *fd, enum frame_type type, struct channel *channel);

/* To its process group. */
void command_signal(const struct command *c, int signal);

/* SIGKILL to everything that came from it: as PID 1, to every process that there is. */
void command_kill_all(const struct command *c);

/* Takes every child that has ended, our own and, as PID 1, everybody's orphans. Returns whether
 * there are children left. */
bool command_reap(struct command *c);

/* The EXIT frame. */
int command_send_exit(const struct command *c, struct channel *channel);

#endif
