/* SPDX-License-Identifier: MIT */
/*
 * What the agent's files share. See main.c for how they work together.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "base/buffer.h"
#include "wire/fields.h"

#include <stdint.h>
#include <sys/types.h>

/* ---- channel.c: frames to and from the supervisor */

struct channel {
    int in, out;
    struct buffer incoming, outgoing;
};

void channel_init(struct channel *c);
/* Queues a frame, writing out older ones first when there is no room. Ends the agent when the
 * supervisor is gone. */
void channel_send(struct channel *c, enum frame_type type, const struct buffer *fields);
/* Writes what the pipe takes. */
void channel_flush(struct channel *c);
/* Writes all, waiting. */
void channel_drain(struct channel *c);
/* FAILED, then the end of the agent. errnum 0: the message says it all. */
_Noreturn void channel_fail(struct channel *c, const char *operation, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Kills all that there is in the sandbox, and ends. */
_Noreturn void agent_end(int code);

/* ---- hello.c */

void hello_send(struct channel *c);

/* ---- user.c: who the command runs as */

enum { USER_GROUPS_MAX = 64 };

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX];
    size_t group_count;
    char home[256];
};

/* `spec` as in an image's config: "", "name", "uid", "name:group", "uid:gid". NULL, or what is wrong. */
const char *user_resolve(struct user *out, const char *spec);

/* ---- seed.c: files in */

struct seed {
    int workdir; /* -1 until PREPARE */
    int file;
    char path[4096];
    const struct user *user;
};

void seed_prepare(struct seed *s, struct channel *c, const char *workdir, const struct user *user);
void seed_entry(struct seed *s, struct channel *c, const struct frame *f);
void seed_data(struct seed *s, struct channel *c, const struct frame *f);
void seed_entry_end(struct seed *s, struct channel *c);

/* ---- command.c: the user's command */

struct command {
    pid_t pid;
    int in, out, err; /* our ends of its pipes; -1: closed */
    struct buffer input;
    bool input_eof;
};

void command_start(struct command *m, struct channel *c, const struct frame *f, const struct user *user,
                   int workdir);
/* Puts input into its queue. */
void command_input(struct command *m, struct channel *c, const struct frame *f);
/* Writes what the command takes, and renews the supervisor's credit. */
void command_feed(struct command *m, struct channel *c);
/* One read of a pipe, straight into a frame. */
void command_read(struct channel *c, int *fd, enum frame_type type);
/* Reaps what has ended. True when the command itself has: EXIT was sent, everything else is dead. */
bool command_reap(struct command *m, struct channel *c);

/* ---- extract.c: files out */

void extract_serve(struct channel *c, const struct frame *f);

#endif
