/* SPDX-License-Identifier: MIT */
/*
 * One frame format for both hops: caller <-> supervisor, and supervisor <-> agent.
 *
 *      0        1        2        3        4                                8
 *      +--------+--------+--------+--------+--------+--------+--------+--------+----------- - -
 *      |  type  | flags  |     command     |              length               |  payload
 *      +--------+--------+--------+--------+--------+--------+--------+--------+----------- - -
 *
 * Numbers are little-endian. There are no flags yet, so that byte is 0. `command` is the number of
 * the command or file operation that the frame is about; 0 is the sandbox itself. The type says
 * which of them it must be: frame_number_fits(). Commands and operations are numbered separately.
 *
 * A reader states the longest payload that it takes. A longer payload, a type of 0, an unknown flag
 * or a number that the type cannot have breaks the stream for good: the sender does not speak this
 * protocol. Whether a command with that number exists is for the reader to check.
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
    FRAME_OPEN,    /* JSON, instead of a REQUEST: the order for a session. The answer is READY */
    FRAME_RESERVE, /* JSON, instead of a REQUEST: the order for a run whose command comes later. The
                       answer is READY. The REQUEST follows, with the same id; it may come with an
                       fd: the command's stdin */
    FRAME_CONNECT, /* empty, with an fd: a new connection to the session. One connection carries
                          one EXEC, COPY_IN, COPY_OUT or FILE, and its answer */
    FRAME_EXEC,    /* JSON: a command (wire/task.h). It may come with an fd: the command's stdin.
                          The answers are LOG_..., STARTED, and RESULT or ERROR */
    FRAME_COPY_IN, /* JSON: files to copy in. The answer is RESULT or ERROR */
    FRAME_COPY_OUT, /* JSON: files to copy out. The answer is RESULT or ERROR */
    FRAME_FILE, /* JSON: wire/file_order.h. To read or to write, it comes with an fd: a file with
                       the bytes, or for them. The answer is RESULT or ERROR */

    /* supervisor -> caller */
    FRAME_LOG_STDOUT = 16, /* of a command; raw */
    FRAME_LOG_STDERR,      /* of a command; raw */
    FRAME_STARTED,         /* of a command; JSON: it is running */
    FRAME_RESULT,          /* JSON: the last frame */
    FRAME_ERROR,           /* JSON: the last frame */
    FRAME_CONTROLLED,      /* JSON: the answer to a CONTROL: its number, if it had one, and the
                              error, if it failed */
    FRAME_PROGRESS,        /* JSON: what, done, total. The image is being pulled or set up */
    FRAME_LOG_GROWN,       /* empty: the file has output that came after the last LOG_GROWN */
    FRAME_READY,           /* JSON: id, isolation. The session takes commands */

    /* supervisor -> agent */
    FRAME_PREPARE = 32, /* fields: workdir, user, otherwise (the workdir if `workdir` is not a
                           folder), and the fields of agent/names.h. Makes the workdir */
    FRAME_START,        /* of a command; fields: arg..., env..., shell (optional: the program is a
                           shell), report ("exit", optional: if the program cannot be executed, the
                           command has ended with code 127 or 126), among ("others", optional: it is
                           one of several commands, and what it leaves running lives on), user
                           (optional; default: that of PREPARE), workdir (optional; absolute: made
                           if it is missing; relative to the workdir: a folder that exists), tty
                           (optional; it gets a terminal: STDOUT has everything, and there is no
                           STDERR) with rows and cols. Starts the command. Its number is higher than
                           those of all before it */
    FRAME_STDIN,        /* of a command; raw; only within the credit */
    FRAME_STDIN_EOF,    /* of a command; empty. On a terminal, the key that ends the input */
    FRAME_SIGNAL,       /* of a command; fields: signal, all (optional: to all its descendants; else
                           to its process group) */
    FRAME_EXTRACT, /* of the sandbox or an operation; fields: path, max (bytes). Sends a file or
                           the contents of a folder: EXTRACT_BEGIN, the tree, EXTRACT_END */
    FRAME_FILTER,  /* raw: a seccomp program to install. Before PREPARE */
    FRAME_CONFINE, /* fields: pids, memory, cpu_us (agent/confine.h): limits that the host's
                           kernel cannot enforce. Before FILTER */
    FRAME_INSPECT, /* empty: report the walls. After FILTER, before PREPARE */
    FRAME_KILL,    /* of a command; empty. SIGKILL to it and all its descendants, also to those
                           that it has left running */
    FRAME_RESIZE,  /* of a command; fields: rows, cols. Nothing if it has no terminal */
    FRAME_HANGUP,  /* of a command; empty. It loses its terminal (SIGHUP). The same */

    /* supervisor -> agent: file operations (agent/operations.h). Each has a number that no other
       operation in flight has. Paths are absolute or relative to the workdir; a ".." is an error.
       Unless said otherwise, the only answer is DONE, which always comes, and frees the number. The
       agent ignores frames about operations that it does not know, so that the supervisor may
       still be sending when the operation fails */
    FRAME_LIST = 48, /* of an operation; fields: path (of a folder), limit (optional: most items,
                        at most FRAME_LIST_MAX), skip (optional: leave out that many first). Answers
                        ITEM... DONE; DONE has more=1 if there are more items */
    FRAME_STAT,      /* of an operation; fields: path. Answers ITEM, DONE. Does not follow a link
                        at the end of the path */
    FRAME_READ,      /* of an operation; fields: path, offset (optional), size (optional; the most
                        bytes, at most FRAME_FILE_MAX). Answers DATA..., DONE; DONE has bytes (how
                        many were sent) and size (of the file) */
    FRAME_WRITE,     /* of an operation; fields: path, mode (optional, octal). Then DATA..., at most
                        FRAME_FILE_MAX bytes, and ENTRY_END; with its field error nothing changes.
                        Makes the folders of the path, and replaces the file as a whole. Without
                        `mode`, an existing file keeps its own, and a new one has 644 */
    FRAME_REMOVE,    /* of an operation; fields: path, recursive ("yes", optional) */
    FRAME_PUT_TREE,  /* of an operation; fields: path (of a folder, which it makes with its
                        parents). Then a tree: ENTRY... ENTRIES_END */
    FRAME_ABORT,     /* of an operation; empty. It ends early, as an error. Nothing happens if it
                        has ended */

    /* agent -> supervisor */
    FRAME_HELLO = 64,   /* fields: version, sysname, release, kernel, machine, boot, log */
    FRAME_SEEDED,       /* empty: answer to ENTRIES_END */
    FRAME_RUNNING,      /* of a command; empty: it was executed */
    FRAME_FAILED,       /* fields: operation, message, errno. Of a command: it could not be
                            executed. Of the sandbox: the agent then exits */
    FRAME_STDOUT,       /* of a command; raw */
    FRAME_STDERR,       /* of a command; raw */
    FRAME_STDIN_CREDIT, /* of a command; fields: bytes. The supervisor may send that many more */
    FRAME_EXIT,         /* of a command; fields: code, signal, user_us, system_us, peak_rss_kb */
    FRAME_EXTRACT_BEGIN, /* of the sandbox or an operation; fields: status (ok, missing, error), reason,
                            kind (dir, file), bytes. The last frame unless status is ok */
    FRAME_EXTRACT_END, /* of the sandbox or an operation; fields: status (ok, error), reason. Only
                            after a BEGIN with ok */
    FRAME_WALLS,       /* fields: pid, NoNewPrivs, Seccomp, Seccomp_filters, CapInh, CapPrm,
                            CapEff, CapBnd, CapAmb (as in /proc/self/status), uid_map, gid_map.
                            The answer to INSPECT */
    FRAME_ITEM,        /* of an operation; fields: name (any bytes but NUL and "/"), kind (file,
                            dir, link, fifo, socket, device), size, mode (octal), mtime, mtime_ns,
                            uid, gid, target (of a link) */
    FRAME_DONE,        /* of an operation; its last frame. fields: status (ok, missing, error),
                            reason and errno (unless ok), more, bytes, size */

    /* a file tree, in either direction: of the sandbox, or of an operation */
    FRAME_ENTRY = 96,  /* fields: kind (dir, file; into a sandbox also link), path (relative), mode
                          (octal), mtime (s), mtime_ns, target (of a link) */
    FRAME_DATA,        /* raw: more bytes of the file of the last ENTRY, or of READ and WRITE */
    FRAME_ENTRY_END,   /* fields: error (optional: the file could not be read to its end). Also the
                          end of WRITE */
    FRAME_ENTRIES_END, /* empty: the tree is complete (supervisor -> agent only) */
};

enum {
    FRAME_VERSION = 2, /* of this protocol. HELLO has the agent's, and both must be the same */
    FRAME_SANDBOX = 0, /* the number of no command */
    FRAME_COMMAND = 1, /* the number of a run's only command */
    FRAME_HEADER_SIZE = 8,
    FRAME_DATA_MAX = 128 * 1024,         /* most bytes in one raw frame */
    FRAME_AGENT_MAX = 1024 * 1024,       /* longest payload between supervisor and agent */
    FRAME_CALLER_MAX = 4 * 1024 * 1024,  /* longest payload between caller and supervisor */
    FRAME_FILE_MAX = 64 * 1024 * 1024,   /* most bytes of a READ or WRITE */
    FRAME_LIST_MAX = 10000,              /* most items of a LIST */
    FRAME_STDIN_WINDOW = 256 * 1024,     /* the supervisor's credit at the start */
    CONTROL_GRACE_MAX_MS = 24 * 3600000, /* the longest grace of a stop */
};

struct frame {
    uint8_t type;
    uint16_t command;
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

/*
 * Reads exactly one frame from a blocking or non-blocking fd into the empty buffer. Returns 0, or -1
 * with errno: EPROTO if the bytes are not our protocol or the payload is longer than allowed, ENODATA
 * at the end of the file, ETIMEDOUT at the deadline (a time of clock_ms()), ENOMEM.
 */
int frame_read(struct frame *out, struct buffer *in, int fd, size_t max_payload, int64_t deadline);

/* Whether frames of this type are about what has this number: some are about a command or an
 * operation, some about the sandbox, some about either. An unknown type is about the sandbox. */
bool frame_number_fits(uint8_t type, uint16_t command);

/* Writes a header, for callers that write the payload themselves. */
void frame_header(char header[FRAME_HEADER_SIZE], enum frame_type type, uint16_t command,
                  uint32_t length);

/* Appends a whole frame. Returns false if the buffer is full or memory is out. */
bool frame_append(struct buffer *out, enum frame_type type, uint16_t command, const void *payload,
                  size_t length);

#endif
