/* SPDX-License-Identifier: MIT */
/*
 * What a session is asked to do: to execute a command, or to copy files in or out. The library and
 * the supervisor exchange it; the public part of it are fields of a request, which mean the same as
 * there:
 *
 *      EXEC      entrypoint, argv, env, workdir, input, timeout, options.maxLogBytes; and user
 *      COPY_IN   dir, ignore, links
 *      COPY_OUT  extract, options.maxExtractBytes
 *
 * `logs` is the library's own: whether somebody takes the command's output. `input` is never sent;
 * the supervisor gets stdin as a file descriptor.
 */
#ifndef WIRE_TASK_H
#define WIRE_TASK_H

#include "wire/request.h"

enum task_kind { TASK_EXEC, TASK_PUT, TASK_GET };

struct task {
    enum task_kind kind;
    struct request request; /* only the fields above are set by somebody */
    char *user;             /* NULL: the image's */
    bool logs;
};

/* Only reads the document. Errors: INVALID_ARGUMENT, with the field's name. */
int task_from_json(struct task *out, enum task_kind kind, const json_t *document, lrun_error *err);
int task_parse(struct task *out, enum task_kind kind, const char *json, size_t length,
               lrun_error *err);

void task_free(struct task *t);
#define cleanup_task __attribute__((cleanup(task_free)))

#endif
