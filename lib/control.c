/* SPDX-License-Identifier: MIT */
/*
 * What a run can be told while it goes.
 */
#include "execution.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/frame.h"

#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

/* Sends a CONTROL and waits for its answer, taking meanwhile what comes. */
static int control(lr_execution *x, json_t *request, bool ended_is_fine, lr_error *err)
{
    cleanup_free char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!text)
        return error_oom(err, "control");
    bool done = false;
    lr_execution_dispatch(x, &done, NULL);
    if (!done) {
        char header[FRAME_HEADER_SIZE];
        frame_header(header, FRAME_CONTROL, (uint32_t)strlen(text));
        x->answered = false;
        if (execution_send(x->process.socket, header, sizeof(header), err) < 0 ||
            execution_send(x->process.socket, text, strlen(text), err) < 0)
            return -1;
        int64_t limit = clock_ms() + CONTROL_TIMEOUT_MS;
        while (!x->answered && !x->done && clock_ms() < limit) {
            struct pollfd p = {x->process.socket, POLLIN, 0};
            if (poll(&p, 1, io_poll_timeout(limit)) > 0)
                execution_receive(x);
        }
    }
    if (x->answered) {
        if (x->answer.code == LR_OK)
            return 0;
        if (err)
            *err = x->answer;
        return -1;
    }
    if (x->done && ended_is_fine)
        return 0;
    return x->done
               ? error_set(err, LR_INVALID_ARGUMENT, "control", "the run has ended")
               : error_set(err, LR_SUPERVISOR_LOST, "control", "the supervisor does not answer");
}

int lr_execution_stop(lr_execution *x, int signal, int64_t grace_ms, lr_error *err)
{
    if (!x)
        return error_set(err, LR_INVALID_ARGUMENT, "control.stop", "execution is NULL");
    if (signal < 0 || signal >= NSIG)
        return error_set(err, LR_INVALID_ARGUMENT, "control.stop", "signal: %d is none", signal);
    return control(x,
                   json_pack("{ss,si,sI}", "action", "stop", "signal", signal ? signal : SIGTERM,
                             "grace", (json_int_t)(grace_ms < 0 ? LR_STOP_GRACE_MS : grace_ms)),
                   true, err);
}

int lr_execution_pause(lr_execution *x, lr_error *err)
{
    if (!x)
        return error_set(err, LR_INVALID_ARGUMENT, "control.pause", "execution is NULL");
    return control(x, json_pack("{ss}", "action", "pause"), false, err);
}

int lr_execution_resume(lr_execution *x, lr_error *err)
{
    if (!x)
        return error_set(err, LR_INVALID_ARGUMENT, "control.resume", "execution is NULL");
    return control(x, json_pack("{ss}", "action", "resume"), false, err);
}
