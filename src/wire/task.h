/* SPDX-License-Identifier: MIT */
/*
 * What a session is asked to do: to execute a command, to copy files in or out, or an operation on
 * one file or folder. The library and the supervisor exchange it; the public part of it are fields
 * of a request, which mean the same as there:
 *
 *      EXEC      entrypoint, argv, env, workdir, input, timeout, tty, options.maxLogBytes; and user
 *      COPY_IN   dir, ignore, links; and to (a folder in the sandbox; default: the workdir)
 *      COPY_OUT  extract, options.maxExtractBytes
 *      FILE      wire/file_order.h
 *
 * `logs` is the library's own: whether somebody takes the command's output. `input` is never sent;
 * the supervisor gets stdin as a file descriptor.
 */
#ifndef WIRE_TASK_H
#define WIRE_TASK_H

#include "wire/file_order.h"
#include "wire/request.h"

enum task_kind { TASK_EXEC, TASK_PUT, TASK_GET, TASK_FILE };

struct task {
    enum task_kind kind;
    struct request request; /* only the fields above are set by somebody */
    char *user;             /* NULL: the image's */
    char *to;               /* NULL: the workdir */
    struct file_order file;
    bool logs;
};

/* Only reads the document. Errors: INVALID_ARGUMENT, with the field's name. */
int task_from_json(struct task *out, enum task_kind kind, const json_t *document, lrun_error *err);
int task_parse(struct task *out, enum task_kind kind, const char *json, size_t length,
               lrun_error *err);

void task_free(struct task *t);
#define cleanup_task __attribute__((cleanup(task_free)))

#endif
