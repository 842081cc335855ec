/* SPDX-License-Identifier: MIT */
/*
 * Handles of runs that outlive their caller. Their supervisor is not ours: the socket is a connection to
 * where it listens, the output is read from the file in which it is kept, and what became of the run is
 * in its state.
 */
#include "attach.h"
#include "document.h"
#include "execution.h"
#include "logs.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/state.h"

#include <string.h>
#include <sys/eventfd.h>

#define OPERATION "attach"

void detached_take_log(lr_execution *x)
{
    struct log_piece piece;
    while (x->log_fd >= 0 && !x->freed && log_reader_next(&x->log, &piece) > 0)
        execution_deliver(x, piece.stream, piece.data, piece.length);
}

void detached_take_end(lr_execution *x)
{
    detached_take_log(x);
    attach_outcome(&x->result, x->state_dir, x->id, &x->error);
    execution_finish(x);
}

/* Connects to the supervisor of a detached run, or finds what became of it. Only the output that is still to
 * come is delivered. */
static int connect_detached(lr_execution *x, lr_error *err)
{
    x->detached = true;
    if (x->on_output || x->lines[0].deliver) {
        x->log_fd = logs_open(x->state_dir, x->id);
        log_reader_init(&x->log, x->log_fd);
        if (x->log_fd >= 0 && lseek(x->log_fd, 0, SEEK_END) < 0)
            return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot read the output");
    }
    buffer_free(&x->in);
    buffer_init(&x->in, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    x->process.socket = attach_connect(x->state_dir, x->id);
    if (x->process.socket < 0 || attach_wait(x->process.socket) < 0)
        detached_take_end(x);
    return 0;
}

/* What was started is a process that has ended already, and a supervisor that is on its own. */
int detached_hand_over(lr_execution *x, lr_error *err)
{
    char how[64];
    int pidfd = steal_fd(&x->process.pidfd);
    x->handed_over = true;
    execution_run_until(x, &x->started);
    x->handed_over = false;
    x->process.pidfd = pidfd;
    execution_reap(x, how, sizeof(how));
    if (x->error.code != LR_OK) {
        if (err)
            *err = x->error;
        return -1;
    }
    cleanup_close_fd(&x->process.socket);
    cleanup_close_fd(&x->caller_cancel);
    /* The output of a detached run is kept, and read by who wants it. */
    x->on_output = NULL;
    x->lines[0].deliver = x->lines[1].deliver = NULL;
    if (state_open_dir(&x->state_dir, false, err) < 0)
        return -1;
    return connect_detached(x, err);
}

int lr_attach(const char *id, const lr_request *base_request, lr_execution **out, lr_error *err)
{
    if (!id || !out)
        return error_set(err, LR_INVALID_ARGUMENT, "attach", "id or out is NULL");
    *out = NULL;
    lr_request base = {0};
    if (base_request && runner_take_struct(&base, sizeof(base), base_request, base_request->size,
                                           "lr_request", err) < 0)
        return -1;
    if (!document_is_empty(&base))
        return error_set(err, LR_INVALID_ARGUMENT, "attach", "base: only its callbacks may be set");
    cleanup_close int dir = -1;
    json_t *state;
    if (state_open_dir(&dir, false, err) < 0 || state_read(&state, dir, id, err) < 0)
        return -1;
    if (!state)
        return 0;
    const json_t *timeout = json_object_get(state, "timeout");
    bool running = state_is_running(state);
    lr_execution *x = execution_new();
    if (x) {
        x->detached = true;
        x->started = true;
        snprintf(x->id, sizeof(x->id), "%s", state_id(state));
        x->state_dir = steal_fd(&dir);
        x->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        x->deadline = clock_ms() + OVERTIME_MS +
                      (json_is_integer(timeout) ? json_integer_value(timeout) : OVERTIME_MS);
        execution_set_callbacks(x, &base);
        /* Nothing more is to be learned from anywhere. */
        if (!running) {
            attach_outcome_of(&x->result, state, x->state_dir, &x->error);
            execution_finish(x);
        }
    }
    json_decref(state);
    if (!x || x->cancel < 0) {
        lr_execution_free(x);
        return error_oom(err, "attach");
    }
    if (running && connect_detached(x, err) < 0) {
        lr_execution_free(x);
        return -1;
    }
    *out = x;
    return 0;
}
