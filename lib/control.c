/* SPDX-License-Identifier: MIT */
/*
 * Orders to a run while it is going: stop, pause, resume, resize.
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

/* Sends a CONTROL with a number of its own. Takes the request's reference. */
static int send_control(lrun_execution *x, json_t *request, lrun_error *err)
{
    int rc = json_object_set_new(request, "number", json_integer(++x->last_number));
    cleanup_free char *text = rc == 0 ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    return text ? execution_send(x->process.socket, FRAME_CONTROL, text, err)
                : error_oom(err, "control");
}

/* Sends a CONTROL and waits for its answer; meanwhile delivers whatever arrives. Takes the
 * request's reference. */
static int control(lrun_execution *x, json_t *request, bool ended_is_fine, lrun_error *err)
{
    x->answered = false;
    x->awaited = 0;
    execution_receive(x);
    if (x->ending || x->ended || x->freed) {
        json_decref(request);
    } else {
        if (send_control(x, request, err) < 0)
            return -1;
        x->awaited = x->last_number;
        int64_t limit = clock_ms() + CONTROL_TIMEOUT_MS;
        while (!x->answered && !x->ending && !x->ended && !x->freed && clock_ms() < limit) {
            struct pollfd p = {x->process.socket, POLLIN, 0};
            if (poll(&p, 1, io_poll_timeout(limit)) > 0)
                execution_receive(x);
        }
    }
    execution_set_wake(x);
    if (x->answered) {
        if (x->answer.code == LRUN_OK)
            return 0;
        if (err)
            *err = x->answer;
        return -1;
    }
    /* Find out whether the run still exists: an order to a run that cannot be reached has not been
     * carried out. */
    if (x->ended && !x->freed)
        execution_run_until(x, &x->ending, IO_NO_DEADLINE);
    if (x->unreachable) {
        if (err)
            *err = x->error;
        return -1;
    }
    if (x->ending && ended_is_fine)
        return 0;
    return x->ending
               ? error_set(err, LRUN_INVALID_ARGUMENT, "control", "the run has ended")
               : error_set(err, LRUN_SUPERVISOR_LOST, "control", "the supervisor does not answer");
}

/* Sends a CONTROL to a run that may have ended, and does not wait for the answer. Takes the
 * request's reference. */
static int notify(lrun_execution *x, json_t *request, lrun_error *err)
{
    if (!x->ending && !x->ended && x->process.socket >= 0)
        return send_control(x, request, err);
    json_decref(request);
    return 0;
}

int lrun_execution_stop(lrun_execution *x, int signal, int64_t grace_ms, lrun_error *err)
{
    static const char operation[] = "control.stop";
    if (!x)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "execution is NULL");
    if (signal < 0 || signal >= NSIG)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation,
                         "signal: %d is not a signal (expected 1 to %d, or 0 for SIGTERM)", signal,
                         NSIG - 1);
    if (grace_ms > CONTROL_GRACE_MAX_MS)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation,
                         "grace_ms: %lld is too long (expected at most %d, which is a day)",
                         (long long)grace_ms, CONTROL_GRACE_MAX_MS);
    json_t *request =
        json_pack("{ss,si,sI}", "action", "stop", "signal", signal ? signal : SIGTERM, "grace",
                  (json_int_t)(grace_ms < 0 ? LRUN_STOP_GRACE_MS : grace_ms));
    /* A callback cannot wait for the answer. It does not need to: the arguments were checked above,
     * and they are all that the supervisor checks. */
    if (x->in_callback)
        return notify(x, request, err);
    return execution_leave(x, control(x, request, true, err), err);
}

int lrun_execution_resize(lrun_execution *x, unsigned rows, unsigned columns, lrun_error *err)
{
    static const char operation[] = "control.resize";
    if (!x)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "execution is NULL");
    if (rows > UINT16_MAX || columns > UINT16_MAX)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "rows, columns: at most %d",
                         UINT16_MAX);
    json_t *request =
        json_pack("{ss,si,si}", "action", "resize", "rows", (int)rows, "columns", (int)columns);
    if (x->in_callback)
        return notify(x, request, err);
    return execution_leave(x, control(x, request, true, err), err);
}

int execution_close(lrun_execution *x, lrun_error *err)
{
    if (execution_enter(x, "control.close", err) < 0)
        return -1;
    return execution_leave(x, control(x, json_pack("{ss}", "action", "close"), true, err), err);
}

int lrun_execution_pause(lrun_execution *x, lrun_error *err)
{
    if (execution_enter(x, "control.pause", err) < 0)
        return -1;
    return execution_leave(x, control(x, json_pack("{ss}", "action", "pause"), false, err), err);
}

int lrun_execution_resume(lrun_execution *x, lrun_error *err)
{
    if (execution_enter(x, "control.resume", err) < 0)
        return -1;
    return execution_leave(x, control(x, json_pack("{ss}", "action", "resume"), false, err), err);
}
