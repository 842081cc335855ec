/* SPDX-License-Identifier: MIT */
/*
 * The user's command: its pipes, its start, its end, and the end of all processes that it leaves
 * running.
 */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include "channel.h"
#include "launch.h"

struct command {
    pid_t pid; /* also the id of its session and process group; 0 before the start */
    bool reaped;
    int wait_status;   /* once reaped */
    bool reports_exit; /* a program that cannot be executed is an end, not a failure */
    int exit_code;     /* of that end; 0: it was executed */

    int status; /* the pipe that tells how the start went; -1 once that is known */
    char program[256];

    int in; /* the agent's ends of its pipes, non-blocking; -1 once closed */
    int out;
    int err;

    struct buffer input; /* queued for its stdin */
    bool input_ended;    /* the supervisor sends no more */
    uint64_t credit;     /* bytes that have left the queue and are not given back as credit yet */
};

void command_init(struct command *c);
void command_free(struct command *c);

/* Starts a child that executes the command. Once `status` is readable, command_started() tells
 * whether that succeeded. */
int command_start(struct command *c, const struct frame *f, const struct user *user, int workdir,
                  struct failure *failure);

/* Returns 1 if the command runs, 0 if that is not known yet, -1 if it could not be executed. If
 * exit_code is set then, the failure is the command's end and not the agent's. */
int command_started(struct command *c, int workdir, struct failure *failure);

/* Queues the reason for such an end as if the command had written it to its stderr. Returns -1 if
 * memory is out. */
int command_say(const struct failure *failure, struct channel *channel);

/* Queues input. Returns -1 if it exceeds the supervisor's credit or follows the end of input. */
int command_input(struct command *c, const char *data, size_t length);
void command_input_end(struct command *c);

/* Writes as much input as the command's stdin takes. If the command has closed its stdin, throws
 * the input away. */
void command_feed(struct command *c);

/* Closes the command's stdin and throws away what is left in the queue. */
void command_close_input(struct command *c);

/* Reads once from *fd (out or err) into a frame, and closes *fd at its end. Returns 1 if there was
 * output, 0 if there is none yet or the fd is closed, -1 if memory is out. */
int command_read(int *fd, enum frame_type type, struct channel *channel);

/* Sends the signal to the command's process group. */
void command_signal(const struct command *c, int signal);

/* Sends SIGKILL to the command's process group; as PID 1, to every other process in the sandbox. */
void command_kill_all(const struct command *c);

/* Reaps every child that has ended: the command and, as PID 1, all orphans in the sandbox. Returns
 * whether there are children left. */
bool command_reap(struct command *c);

/* Queues the EXIT frame. */
int command_send_exit(const struct command *c, struct channel *channel);

#endif
