/* SPDX-License-Identifier: MIT */
/*
 * One frame format for both hops: caller <-> supervisor, and supervisor <-> agent.
 *
 *      0        1        2        3        4                                8
 *      +--------+--------+--------+--------+--------+--------+--------+--------+----------- - -
 *      |  type  |   0    |   0    |   0    |      length (little-endian)       |  payload
 *      +--------+--------+--------+--------+--------+--------+--------+--------+----------- - -
 *
 * A reader states the longest payload that it takes. A longer payload, a type of 0 or a reserved
 * byte that is not 0 breaks the stream for good, because there is no way to find the next frame.
 * Payloads are raw bytes (DATA, output), JSON (caller <-> supervisor) or fields (supervisor <->
 * agent, wire/fields.h).
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_type {
    /* caller -> supervisor */
    FRAME_REQUEST = 1, /* JSON: the request */
    FRAME_CONTROL,     /* JSON: action (stop, cancel, pause, resume), number, signal, grace (ms).
                          Empty: the sender waits for the outcome. Several threads may write to one
                          socket, so each of these frames is sent in one piece */
    FRAME_FOLLOW,      /* empty: send one LOG_GROWN when the kept output has grown */
    FRAME_QUESTION,    /* JSON, instead of a REQUEST: run/housekeeping.h. The answer is RESULT or
                          ERROR */

    /* supervisor -> caller */
    FRAME_LOG_STDOUT = 16, /* raw */
    FRAME_LOG_STDERR,      /* raw */
    FRAME_STARTED,         /* JSON: the command is running */
    FRAME_RESULT,          /* JSON: the last frame */
    FRAME_ERROR,           /* JSON: the last frame */
    FRAME_CONTROLLED,      /* JSON: the answer to a CONTROL: its number, if it had one, and the
                              error, if it failed */
    FRAME_PROGRESS,        /* JSON: what, done, total. The image is being pulled or set up */
    FRAME_LOG_GROWN,       /* empty: the file has output that came after the last LOG_GROWN */

    /* supervisor -> agent */
    FRAME_PREPARE = 32, /* fields: workdir, user, otherwise (the workdir if `workdir` is not a
                           folder), and the fields of agent/names.h. Makes the workdir */
    FRAME_START,        /* fields: arg..., env..., shell (optional: the program is a shell), report
                           ("exit", optional: if the program cannot be executed, the command has
                           ended with code 127 or 126). Starts the command */
    FRAME_STDIN,        /* raw; only within the credit */
    FRAME_STDIN_EOF,    /* empty */
    FRAME_SIGNAL,       /* fields: signal. Sent to the command */
    FRAME_EXTRACT,      /* fields: path (absolute, or relative to the workdir), max (bytes) */
    FRAME_FILTER,       /* raw: a seccomp program to install. Before PREPARE */
    FRAME_CONFINE,      /* fields: pids, memory, cpu_us (agent/confine.h): limits that the host's
                           kernel cannot enforce. Before FILTER */
    FRAME_INSPECT,      /* empty: report the walls. After FILTER, before PREPARE */

    /* agent -> supervisor */
    FRAME_HELLO = 64,    /* fields: version, sysname, release, kernel, machine, boot, log */
    FRAME_SEEDED,        /* empty: answer to ENTRIES_END */
    FRAME_RUNNING,       /* empty: the command was executed */
    FRAME_FAILED,        /* fields: operation, message, errno. The agent then exits */
    FRAME_STDOUT,        /* raw */
    FRAME_STDERR,        /* raw */
    FRAME_STDIN_CREDIT,  /* fields: bytes. The supervisor may send that many more */
    FRAME_EXIT,          /* fields: code, signal, user_us, system_us, peak_rss_kb */
    FRAME_EXTRACT_BEGIN, /* fields: status (ok, missing, error), reason, kind (dir, file), bytes */
    FRAME_EXTRACT_END,   /* fields: status (ok, error), reason. Only after a BEGIN with ok */
    FRAME_WALLS,         /* fields: pid, NoNewPrivs, Seccomp, Seccomp_filters, CapInh, CapPrm,
                            CapEff, CapBnd, CapAmb (as in /proc/self/status), uid_map, gid_map.
                            The answer to INSPECT */

    /* a file tree, in either direction */
    FRAME_ENTRY = 96,  /* fields: kind (dir, file; into a sandbox also link), path (relative), mode
                          (octal), mtime (s), mtime_ns, target (of a link) */
    FRAME_DATA,        /* raw: more bytes of the file of the last ENTRY */
    FRAME_ENTRY_END,   /* fields: error (optional: the file could not be read to its end) */
    FRAME_ENTRIES_END, /* empty: the tree is complete (supervisor -> agent only) */
};

enum {
    FRAME_HEADER_SIZE = 8,
    FRAME_DATA_MAX = 128 * 1024,         /* most bytes in one raw frame */
    FRAME_AGENT_MAX = 1024 * 1024,       /* longest payload between supervisor and agent */
    FRAME_CALLER_MAX = 4 * 1024 * 1024,  /* longest payload between caller and supervisor */
    FRAME_STDIN_WINDOW = 256 * 1024,     /* the supervisor's credit at the start */
    CONTROL_GRACE_MAX_MS = 24 * 3600000, /* the longest grace of a stop */
};

struct frame {
    uint8_t type;
    uint32_t length;
    const char *payload; /* borrowed: valid until the buffer is consumed or filled */
};

enum frame_status {
    FRAME_OK,      /* *out is a frame; call frame_consume() when done with it */
    FRAME_PARTIAL, /* read more first */
    FRAME_BROKEN,  /* not our protocol, or longer than allowed */
};

/* Looks at the frame at the front of the buffer. */
enum frame_status frame_peek(const struct buffer *in, size_t max_payload, struct frame *out);
void frame_consume(struct buffer *in, const struct frame *f);

/* Writes a header, for callers that write the payload themselves. */
void frame_header(char header[FRAME_HEADER_SIZE], enum frame_type type, uint32_t length);

/* Appends a whole frame. Returns false if the buffer is full or memory is out. */
bool frame_append(struct buffer *out, enum frame_type type, const void *payload, size_t length);

#endif
