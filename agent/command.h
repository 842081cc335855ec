/* SPDX-License-Identifier: MIT */
/*
 * One of the user's commands: its pipes, its start, its end, and what it leaves running.
 *
 * A command is alone or one of several. One that is alone is the agent's own child, and everything
 * in the sandbox dies with it. One of several has a subreaper (subreaper.h), and what it leaves running
 * lives on.
 */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include "channel.h"
#include "subreaper.h"

/*
 * COMMAND_STARTING  it is not known yet whether the program could be executed
 * COMMAND_RUNNING
 * COMMAND_KILLING   waiting for the death of everything that is to die with it
 * COMMAND_DRAINING  reading what is left in the pipes
 * COMMAND_ENDED     EXIT or FAILED has been sent. The subreaper has descendants; their output is
 *                   thrown away
 */
enum command_state {
    COMMAND_STARTING,
    COMMAND_RUNNING,
    COMMAND_KILLING,
    COMMAND_DRAINING,
    COMMAND_ENDED,
};

struct command {
    uint16_t number;
    bool alone;
    enum command_state state;
    int64_t deadline;  /* of KILLING and DRAINING */
    int64_t drain_end; /* DRAINING a terminal: the deadline is not moved beyond this */

    pid_t subreaper; /* 0: there is none, or it has ended */
    int reports;     /* the pipe from the subreaper; -1: there is none */
    pid_t pid;       /* also the id of its session and process group; 0: not known yet */
    bool reaped;
    bool killed;     /* it is to be killed, with all its descendants */
    int wait_status; /* once reaped */
    struct rusage usage;
    bool reports_exit; /* a program that cannot be executed is an end, not a failure */
    int exit_code;     /* of that end; 0: it was executed */

    int status; /* the pipe that tells how the start went; -1 once that is known */
    char program[256];
    int workdir; /* its own fd */

    bool tty;      /* `in` and `out` are the master of its terminal, and `err` is nothing */
    char last_key; /* of its input */
    int in;        /* the agent's ends of its pipes, non-blocking; -1 once closed */
    int out;
    int err;
    size_t left_out; /* DRAINING while something holds the pipes: bytes that were in them */
    size_t left_err;

    struct buffer input; /* queued for its stdin */
    bool input_ended;    /* the supervisor sends no more */
    uint64_t credit;     /* bytes that have left the queue and are not given back as credit yet */
};

/* Returns NULL if memory is out. */
struct command *command_new(uint16_t number, bool alone);
void command_free(struct command *c);

/* Starts a child that executes the command, as `user` and in `workdir` unless the frame has others. Once `status` is readable, command_started() tells
 * whether that succeeded. */
int command_start(struct command *c, const struct frame *f, const struct user *user, int workdir,
                  struct failure *failure);

/* Returns 1 if the command runs, 0 if that is not known yet, -1 if it could not be executed. If
 * exit_code is set then, the failure is the command's end. */
int command_started(struct command *c, struct failure *failure);

/* Queues the reason for such an end as if the command had written it to its stderr. Returns -1 if
 * memory is out. */
int command_say(const struct command *c, const struct failure *failure, struct channel *channel);

/* Queues input. Returns -1 if it exceeds the supervisor's credit or follows the end of input. */
int command_input(struct command *c, const char *data, size_t length);
void command_input_end(struct command *c);

/* Writes as much input as the command's stdin takes. If the command has closed its stdin, throws
 * the input away. */
void command_feed(struct command *c);

/* Closes the command's stdin and throws away what is left in the queue. */
void command_close_input(struct command *c);

/* Reads once, at most `max` bytes, from *fd (out or err) into a frame, and closes *fd at its end.
 * Returns the number of bytes, 0 if there are none yet or the fd is closed, -1 if memory is out. */
ssize_t command_read(const struct command *c, int *fd, enum frame_type type, size_t max,
                     struct channel *channel);

/* Notes how much is in the pipes now. */
void command_measure_output(struct command *c);

/* Reads from *fd and throws it away. */
void command_discard(int *fd);

/* Sends the signal to the command's process group, or to all its descendants. */
void command_signal(const struct command *c, int signal, bool all);

/* Of a command with a terminal: changes its size; takes it away. */
void command_resize(const struct command *c, unsigned rows, unsigned columns);
void command_hang_up(struct command *c);

/* Sends SIGKILL to all descendants. Of a command that is alone: to every other process in the
 * sandbox; unless the agent is PID 1, to the command's process group. */
void command_kill(const struct command *c);

/* Takes what the subreaper has reported. */
void command_take_reports(struct command *c);

/* The child `pid` of the agent has ended. Returns whether it was this command or its subreaper. */
bool command_reaped(struct command *c, pid_t pid, int wait_status, const struct rusage *usage);

/* Queues the EXIT frame. */
int command_send_exit(const struct command *c, struct channel *channel);

#endif
