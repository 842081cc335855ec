/* SPDX-License-Identifier: MIT */
/*
 * Handles of runs that outlive their caller. The supervisor is not our child: the socket is a
 * connection to the socket it listens on, the output is read from the file in which it is kept, and
 * the outcome is in the run's state.
 */
#include "attach.h"
#include "execution.h"
#include "logs.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/state.h"

#include <string.h>

#define OPERATION "attach"

void detached_take_log(lrun_execution *x)
{
    struct log_piece piece;
    for (int i = 0; i < PIECES_PER_DISPATCH && x->grown; i++) {
        if (x->log_fd < 0 || x->freed || log_reader_next(&x->log, &piece) <= 0)
            x->grown = false;
        else
            execution_deliver(x, piece.stream, piece.data, piece.length);
    }
}

void detached_take_end(lrun_execution *x, int failed)
{
    if (attach_outcome(&x->result, x->state_dir, x->id, failed, 0, &x->error) == 0) {
        if (clock_ms() < x->end_deadline)
            return;
        x->unreachable = true;
        attach_unreachable(x->id, failed, &x->error);
    }
    execution_finish(x);
}

/* Connects to the supervisor of a detached run, or finds the run's outcome. Delivers only output
 * that is yet to come. */
static int connect_detached(lrun_execution *x, lrun_error *err)
{
    x->detached = true;
    if (x->on_output || x->lines[0].deliver) {
        x->log_fd = logs_open(x->state_dir, x->id);
        log_reader_init(&x->log, x->log_fd);
        if (x->log_fd >= 0 && lseek(x->log_fd, 0, SEEK_END) < 0)
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot read the output");
    }
    buffer_free(&x->in);
    buffer_init(&x->in, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    x->process.socket = attach_connect(x->state_dir, x->id);
    if (x->process.socket >= 0 && attach_wait(x->process.socket) == 0 &&
        (x->log_fd < 0 || attach_follow(x->process.socket) == 0))
        return 0;
    int failed = errno;
    if (attach_outcome(&x->result, x->state_dir, x->id, failed, clock_ms() + GONE_TIMEOUT_MS,
                       &x->error) == 0)
        return attach_unreachable(x->id, failed, err);
    execution_finish(x);
    return 0;
}

/* The process that we started was only a launcher, and exits at once; the supervisor is on its own.
 * Hide the launcher's pidfd while we wait for STARTED, so that its end is not taken for the
 * supervisor's. Then reap the launcher, and connect to the supervisor's socket. */
int detached_hand_over(lrun_execution *x, lrun_error *err)
{
    char how[64];
    int pidfd = steal_fd(&x->process.pidfd);
    x->handed_over = true;
    execution_run_until(x, &x->started, IO_NO_DEADLINE);
    x->handed_over = false;
    x->process.pidfd = pidfd;
    execution_reap(x, how, sizeof(how));
    if (x->error.code != LRUN_OK) {
        if (err)
            *err = x->error;
        return -1;
    }
    /* There is no state, so nobody could look the run up by its id. */
    if (!x->started)
        return execution_never_ran(err);
    cleanup_close_fd(&x->process.socket);
    cleanup_close_fd(&x->caller_cancel);
    /* The output of a detached run is kept; read it with lrun_logs() or lrun_attach(). */
    x->on_output = NULL;
    x->lines[0].deliver = x->lines[1].deliver = NULL;
    return state_open_dir(&x->state_dir, false, err) < 0 ? -1 : connect_detached(x, err);
}

int lrun_attach(const char *id, const lrun_callbacks *callbacks, lrun_execution **out,
                lrun_error *err)
{
    lrun_callbacks c;
    if (!id || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "id or out is NULL");
    *out = NULL;
    if (runner_take_callbacks(&c, callbacks, err) < 0)
        return -1;
    if (c.input_fd >= 0 || c.cancel_fd >= 0)
        return error_set(
            err, LRUN_INVALID_ARGUMENT, OPERATION,
            "callbacks: a run that goes on takes no input_fd and no cancel_fd (set them to -1)");
    cleanup_close int dir = -1;
    json_t *state;
    if (state_open_dir(&dir, false, err) < 0 || state_read(&state, dir, id, err) < 0)
        return -1;
    if (!state)
        return 0;
    lrun_execution *x = execution_new();
    if (!x) {
        json_decref(state);
        return error_oom(err, OPERATION);
    }
    x->detached = x->started = true;
    snprintf(x->id, sizeof(x->id), "%s", state_id(state));
    x->state_dir = steal_fd(&dir);
    x->deadline = clock_ms() + OVERTIME_MS + state_timeout(state);
    execution_set_callbacks(x, &c);
    bool running = state_is_running(state);
    /* The state has the outcome, and no other place knows more. */
    if (!running) {
        attach_outcome_of(&x->result, state, &x->error);
        execution_finish(x);
    }
    json_decref(state);
    if ((running && connect_detached(x, err) < 0) || execution_watch(x, err) < 0) {
        lrun_execution_free(x);
        return -1;
    }
    *out = x;
    return 0;
}
