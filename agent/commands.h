/* SPDX-License-Identifier: MIT */
/*
 * All commands of the sandbox. Each has a number, which the supervisor chooses; it is higher than
 * that of every earlier one, so a number means one command for good. A command that is alone
 * (command.h) has no other beside it, neither running nor with something left running.
 *
 * Functions that return int return 0, or -1 with *failure set: the sandbox cannot go on.
 */
#ifndef AGENT_COMMANDS_H
#define AGENT_COMMANDS_H

#include "command.h"

#include <poll.h>

/* How many there may be at once, and the fds of each. These are more than a supervisor has running
 * at once: a command keeps its place for a moment after EXIT, and for as long as something that it has
 * left running. */
enum { COMMANDS_MAX = 128, COMMAND_POLLS = 5 };

struct commands {
    struct channel *channel;
    const struct user *user;
    int workdir;
    uint16_t last; /* the highest number so far */
    size_t count;
    size_t polled; /* how many of them commands_poll() has seen */
    struct command *all[COMMANDS_MAX];
    /* Something has killed a subreaper: what was below it is now the agent's to kill. */
    bool orphans;
};

void commands_init(struct commands *cs, struct channel *channel, const struct user *user,
                   int workdir);

/* Whether a command is alone in the sandbox: until it has ended, there is nothing but it. */
bool commands_one_is_alone(const struct commands *cs);

/* START, and STDIN, STDIN_EOF, SIGNAL and KILL. The fields of the frame are valid. */
int commands_start(struct commands *cs, const struct frame *f, struct failure *failure);
int commands_control(struct commands *cs, const struct frame *f, struct failure *failure);

/* Fills in COMMAND_POLLS entries for each command, and returns how long poll() may wait, in ms. */
int commands_poll(struct commands *cs, struct pollfd *p);

/* Acts on what poll() has found. `signalled`: children may have ended. */
int commands_turn(struct commands *cs, const struct pollfd *p, bool signalled,
                  struct failure *failure);

/* Kills everything, without waiting. */
void commands_kill_all(const struct commands *cs);

/* Queues FAILED about a command or the sandbox. Returns -1 if memory is out. */
int commands_send_failed(struct channel *channel, uint16_t number, const struct failure *failure);

#endif
