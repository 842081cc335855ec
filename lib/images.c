/* SPDX-License-Identifier: MIT */
/* The images of a runner's engine. The supervisor's program does the work: src/run/images.c. */
#include "question.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdlib.h>

#define OPERATION "image"

/* ms. How long an image may take to be downloaded, unpacked and turned into a file system. */
enum { IMAGE_TIMEOUT_MS = 2 * 60 * 60 * 1000 };

/* Asks, and returns the answer as text. Takes the question's reference. */
static int ask_text(char **out, const lrun_runner *runner, json_t *question,
                    const struct question_work *work, lrun_error *err)
{
    json_t *answer;
    if (question_ask(&answer, runner, question, work, err) < 0)
        return -1;
    cleanup_free char *text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    if (!text)
        return error_oom(err, OPERATION);
    if (out)
        *out = steal_ptr(text);
    return 0;
}

/* Pulls, or imports from an fd. */
static int obtain(char **out, const lrun_runner *runner, json_t *question, int fd,
                  const lrun_callbacks *callbacks, lrun_error *err)
{
    lrun_callbacks c;
    const struct question_work work = {
        .callbacks = &c, .input_fd = fd, .timeout_ms = IMAGE_TIMEOUT_MS};
    if (runner_take_callbacks(&c, callbacks, err) < 0) {
        json_decref(question);
        return -1;
    }
    if (c.input_fd >= 0) {
        json_decref(question);
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "callbacks.input_fd: is not used here (set it to -1)");
    }
    if (question)
        (void)json_object_set_new(question, "progress", json_boolean(c.on_progress != NULL));
    return ask_text(out, runner, question, &work, err);
}

int lrun_image_pull(const lrun_runner *runner, const char *name, unsigned flags,
                    const lrun_callbacks *callbacks, char **out, lrun_error *err)
{
    if (out)
        *out = NULL;
    if (!name)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "name is NULL");
    if (flags & ~LRUN_PULL_INSECURE)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "flags: 0x%x has bits that this version (%s) does not know", flags,
                         LRUN_VERSION);
    return obtain(out, runner,
                  json_pack("{ss,ss,ss,sb}", "ask", "image", "action", "pull", "name", name,
                            "insecure", (flags & LRUN_PULL_INSECURE) != 0),
                  -1, callbacks, err);
}

int lrun_image_import(const lrun_runner *runner, int fd, const char *name,
                      const lrun_callbacks *callbacks, char **out, lrun_error *err)
{
    if (out)
        *out = NULL;
    if (!name)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "name is NULL");
    if (fd < 0)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "fd: %d is not an open fd", fd);
    return obtain(out, runner,
                  json_pack("{ss,ss,ss}", "ask", "image", "action", "import", "name", name), fd,
                  callbacks, err);
}

int lrun_image_list(const lrun_runner *runner, char **out, lrun_error *err)
{
    if (!out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "out is NULL");
    *out = NULL;
    json_t *answer;
    if (question_ask(&answer, runner, json_pack("{ss,ss}", "ask", "image", "action", "list"), NULL,
                     err) < 0)
        return -1;
    *out = json_dumps(json_object_get(answer, "images"), JSON_COMPACT);
    (void)question_error(answer, err);
    json_decref(answer);
    return *out ? 0 : error_oom(err, OPERATION);
}

int lrun_image_remove(const lrun_runner *runner, const char *name, lrun_error *err)
{
    if (!name)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "name is NULL");
    return ask_text(NULL, runner,
                    json_pack("{ss,ss,ss}", "ask", "image", "action", "remove", "name", name), NULL,
                    err);
}
