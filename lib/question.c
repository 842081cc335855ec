/* SPDX-License-Identifier: MIT */
#include "question.h"

#include "execution.h"
#include "launch.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/frame.h"
#include "json/error_json.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define OPERATION "housekeeping"

/* Kills the process if it still exists. */
static void end(struct launched *process)
{
    siginfo_t info;
    cleanup_close_fd(&process->socket);
    if (process->pidfd < 0)
        return;
    pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
    waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED);
    cleanup_close_fd(&process->pidfd);
}

/* Reads the next frame into `in`. */
static int read_frame(struct frame *f, struct buffer *in, int socket, int64_t deadline,
                      lrun_error *err)
{
    if (frame_read(f, in, socket, FRAME_CALLER_MAX, deadline) == 0)
        return 0;
    if (errno == EPROTO)
        return error_set(err, LRUN_SUPERVISOR_LOST, OPERATION, "the supervisor broke the protocol");
    return errno == ENOMEM
               ? error_oom(err, OPERATION)
               : error_errno(err, LRUN_SUPERVISOR_LOST, OPERATION, errno, "no answer came");
}

/* Handles frames until the answer arrives. */
static int receive_answer(json_t **out, int socket, const struct question_work *work,
                          lrun_error *err)
{
    int64_t deadline = clock_ms() + (work ? work->timeout_ms : QUESTION_TIMEOUT_MS);
    cleanup_buffer struct buffer in;
    buffer_init(&in, FRAME_CALLER_MAX + FRAME_HEADER_SIZE);
    struct frame f;
    for (;;) {
        if (read_frame(&f, &in, socket, deadline, err) < 0)
            return -1;
        if (f.type != FRAME_PROGRESS || !work)
            break;
        if (work->callbacks)
            execution_report_progress(&f, work->callbacks->on_progress, work->callbacks->user);
        frame_consume(&in, &f);
    }
    if (f.type == FRAME_ERROR) {
        lrun_error said = {0};
        error_from_json(&said, f.payload, f.length);
        if (err)
            *err = said;
        return -1;
    }
    *out = f.type == FRAME_RESULT ? json_loadb(f.payload, f.length, 0, NULL) : NULL;
    return *out ? 0
                : error_set(err, LRUN_SUPERVISOR_LOST, OPERATION,
                            "the supervisor broke the protocol");
}

int question_ask(json_t **answer, const lrun_runner *runner, json_t *question,
                 const struct question_work *work, lrun_error *err)
{
    cleanup_close int never = eventfd(0, EFD_CLOEXEC);
    *answer = NULL;
    if (!runner) {
        json_decref(question);
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "runner is NULL");
    }
    json_t *engine = json_object_get(runner->options, "engine");
    json_t *runtime = json_object_get(runner->options, "runtime");
    bool complete = question &&
                    (!engine || json_object_get(question, "engine") ||
                     json_object_set(question, "engine", engine) == 0) &&
                    (!runtime || json_object_set(question, "runtime", runtime) == 0);
    cleanup_free char *text = complete ? json_dumps(question, JSON_COMPACT) : NULL;
    json_decref(question);
    if (!text || never < 0)
        return error_oom(err, OPERATION);
    const struct launch launch = {.supervisor = runner->supervisor,
                                  .id = "housekeeping",
                                  .input_fd = work ? work->input_fd : -1,
                                  .caller_cancel =
                                      work && work->callbacks ? work->callbacks->cancel_fd : -1,
                                  .cancel = never};
    __attribute__((cleanup(end))) struct launched process = {.pidfd = -1, .socket = -1};
    if (launch_supervisor(&process, &launch, err) < 0 ||
        execution_send(process.socket, FRAME_QUESTION, text, err) < 0)
        return -1;
    return receive_answer(answer, process.socket, work, err);
}

int question_error(const json_t *answer, lrun_error *err)
{
    json_t *error = json_object_get(answer, "error");
    cleanup_free char *text = error ? json_dumps(error, JSON_COMPACT) : NULL;
    lrun_error said;
    if (!error)
        return 0;
    if (!text)
        return error_oom(err, OPERATION);
    error_from_json(&said, text, strlen(text));
    if (err)
        *err = said;
    return -1;
}
