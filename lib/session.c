/* SPDX-License-Identifier: MIT */
/*
 * Sessions, seen from the caller. A session is a supervisor, like a run: its handle holds an
 * execution, whose outcome is that of the whole session. Each task (a command, or files to copy) has
 * a connection of its own to the supervisor, and is an execution too.
 */
#include "session.h"
#include "attach.h"
#include "document.h"
#include "execution.h"
#include "launch.h"
#include "run.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "wire/frame.h"
#include "wire/order.h"
#include "wire/state.h"
#include "json/request_text.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define OPERATION "session.open"
#define TASK      "session.run"

/* ---------------------------------------------------------------- opening */

static lrun_session *session_new(lrun_execution *whole)
{
    lrun_session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->whole = whole;
    s->state_dir = -1;
    return s;
}

/* Takes out of a session's document what a request does not have. */
static int take_idle(uint64_t *out, json_t *document, lrun_error *err)
{
    static const char *const of_commands[] = {"entrypoint", "command", "argv",        "input",
                                              "extract",    "env",     "extractWhen", "tty"};
    for (size_t i = 0; i < sizeof(of_commands) / sizeof(of_commands[0]); i++)
        if (json_object_get(document, of_commands[i]) && strcmp(of_commands[i], "env") != 0)
            return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                             "%s: belongs to a command, not to a session", of_commands[i]);
    json_t *idle = json_object_get(document, "idle");
    json_int_t ms = idle ? json_integer_value(idle) : LRUN_SESSION_IDLE_MS;
    if (ms < 1 || (uint64_t)ms > ORDER_IDLE_MAX)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "idle: must be a whole number of ms above 0");
    json_object_del(document, "idle");
    if (!json_object_get(document, "timeout"))
        json_object_set_new(document, "timeout", json_integer(LRUN_SESSION_TIMEOUT_MS));
    *out = (uint64_t)ms;
    return 0;
}

/* Waits until the session takes commands. */
static int wait_ready(lrun_execution *x, lrun_error *err)
{
    lrun_result *result = NULL;
    execution_run_until(x, &x->started, IO_NO_DEADLINE);
    if (x->freed)
        return execution_leave(x, -1, err);
    if (x->started && !x->ending)
        return 0;
    int rc = lrun_execution_wait(x, &result, err);
    lrun_result_free(result);
    return rc < 0 ? -1
                  : error_set(err, LRUN_START_FAILED, OPERATION,
                              "the session was cancelled before it was open");
}

/* Takes the document's reference. */
static int open_document(const lrun_runner *runner, json_t *document, const lrun_callbacks *c,
                         lrun_session **out, lrun_error *err)
{
    cleanup_request struct request r = {0};
    uint64_t idle_ms = 0;
    int rc = take_idle(&idle_ms, document, err);
    if (rc == 0)
        rc = document_add_options(document, runner->options, err);
    if (rc == 0)
        rc = request_from_json(&r, document, err);
    json_decref(document);
    if (rc < 0)
        return -1;
    if (c->input_fd >= 0)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "input_fd: belongs to a command, not to a session");
    lrun_execution *x = NULL;
    if (run_start(&x, runner, &r, idle_ms, c, err) < 0)
        return -1;
    if (!r.detached && wait_ready(x, err) < 0) {
        lrun_execution_free(x);
        return -1;
    }
    lrun_session *s = session_new(x);
    if (!s || (r.detached && (s->state_dir = fcntl(x->state_dir, F_DUPFD_CLOEXEC, 3)) < 0)) {
        if (r.detached)
            (void)lrun_execution_cancel(x);
        lrun_execution_free(x);
        free(s);
        return error_oom(err, OPERATION);
    }
    s->json = steal_ptr(x->ready);
    *out = s;
    return 0;
}

int lrun_session_open(const lrun_runner *runner, const lrun_request *request,
                      const lrun_session_options *options, const lrun_callbacks *callbacks,
                      lrun_session **out, lrun_error *err)
{
    lrun_request r = LRUN_REQUEST_INIT;
    lrun_session_options o = LRUN_SESSION_OPTIONS_INIT;
    lrun_callbacks c;
    json_t *document;
    if (!runner || !request || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "runner, request or out is NULL");
    *out = NULL;
    if (runner_take_struct(&r, sizeof(r), request, request->size, "lrun_request", err) < 0 ||
        (options && runner_take_struct(&o, sizeof(o), options, options->size,
                                       "lrun_session_options", err) < 0) ||
        runner_take_callbacks(&c, callbacks, err) < 0)
        return -1;
    if (r.input_json)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "input_json: belongs to a command, not to a session");
    if (o.idle_ms > ORDER_IDLE_MAX)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "idle_ms: is too large");
    if (document_from_request(&document, &r, err) < 0)
        return -1;
    if (o.idle_ms)
        json_object_set_new(document, "idle", json_integer((json_int_t)o.idle_ms));
    return open_document(runner, document, &c, out, err);
}

int lrun_session_open_json(const lrun_runner *runner, const char *json, size_t length,
                           const lrun_callbacks *callbacks, lrun_session **out, lrun_error *err)
{
    lrun_callbacks c;
    json_t *document;
    if (!runner || !json || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "runner, json or out is NULL");
    *out = NULL;
    if (runner_take_callbacks(&c, callbacks, err) < 0 ||
        request_text_load(&document, json, length, err) < 0)
        return -1;
    return open_document(runner, document, &c, out, err);
}

/* Makes the READY document from the state. */
static char *ready_of(const json_t *state)
{
    json_t *isolation = json_object_get(state, "isolation");
    json_t *workdir = json_object_get(state, "workdir");
    json_t *ready = json_pack("{ss,sO*,sO*}", "id", state_id(state), "isolation", isolation,
                              "workdir", workdir);
    char *text = ready ? json_dumps(ready, JSON_COMPACT) : NULL;
    json_decref(ready);
    return text;
}

int lrun_session_attach(const char *id, lrun_session **out, lrun_error *err)
{
    static const char operation[] = "session.attach";
    if (!id || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "id or out is NULL");
    *out = NULL;
    cleanup_close int dir = -1;
    json_t *state;
    if (state_open_dir(&dir, false, err) < 0 || state_read(&state, dir, id, err) < 0)
        return -1;
    if (!state)
        return 0;
    bool session = state_is_session(state), running = state_is_running(state);
    cleanup_free char *ready = ready_of(state);
    json_decref(state);
    if (!session)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "'%.40s' is a run, not a session",
                         id);
    if (!running)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "the session '%.40s' has ended",
                         id);
    lrun_execution *x = NULL;
    if (lrun_attach(id, NULL, &x, err) < 0 || !x)
        return x ? -1 : 0;
    lrun_session *s = session_new(x);
    if (!s || !ready) {
        free(s);
        lrun_execution_free(x);
        return error_oom(err, operation);
    }
    s->state_dir = steal_fd(&dir);
    s->json = steal_ptr(ready);
    *out = s;
    return 0;
}

/* ---------------------------------------------------------------- connections */

int session_connect(const lrun_session *s, lrun_error *err)
{
    if (s->state_dir >= 0) {
        int fd = attach_connect(s->state_dir, s->whole->id);
        if (fd >= 0)
            return fd;
        if (errno == ECONNREFUSED || errno == ENOENT)
            return error_set(err, LRUN_SUPERVISOR_LOST, TASK, "the session has ended");
        return error_errno(err, LRUN_SUPERVISOR_LOST, TASK, errno, "the session cannot be reached");
    }
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(err, LRUN_IO_FAILED, TASK, errno, "cannot make a socket");
    cleanup_close int ours = ends[0], theirs = ends[1];
    cleanup_buffer struct buffer frame;
    buffer_init(&frame, FRAME_HEADER_SIZE);
    if (!frame_append(&frame, FRAME_CONNECT, FRAME_SANDBOX, NULL, 0))
        return error_oom(err, TASK);
    /* The library's ends are not 0, 1 or 2, so that a program cannot take them for its own. */
    int high = fcntl(ours, F_DUPFD_CLOEXEC, 3);
    if (high < 0)
        return error_errno(err, LRUN_IO_FAILED, TASK, errno, "cannot make a socket");
    if (execution_send_with_fd(s->whole->process.socket, &frame, theirs, err) < 0) {
        close(high);
        return -1;
    }
    return high;
}

int session_start_task(const lrun_session *s, enum task_kind kind, json_t *document, int input,
                       const lrun_callbacks *c, lrun_execution **out, lrun_error *err)
{
    static const enum frame_type types[] = {
        [TASK_EXEC] = FRAME_EXEC, [TASK_PUT] = FRAME_COPY_IN, [TASK_GET] = FRAME_COPY_OUT};
    cleanup_task struct task task = {0};
    cleanup_free char *text = NULL;
    int rc = task_from_json(&task, kind, document, err);
    if (rc == 0 && !(c->on_line || c->on_output))
        json_object_set_new(document, "logs", json_false());
    json_object_del(document, "input");
    if (rc == 0 && !(text = json_dumps(document, JSON_COMPACT)))
        rc = error_oom(err, TASK);
    json_decref(document);
    if (rc < 0)
        return -1;
    cleanup_buffer struct buffer frame;
    buffer_init(&frame, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    if (!frame_append(&frame, types[kind], FRAME_SANDBOX, text, strlen(text)))
        return error_set(err, LRUN_INVALID_ARGUMENT, TASK, "the command is over %d bytes",
                         FRAME_CALLER_MAX);
    lrun_execution *x = execution_new();
    if (!x)
        return error_oom(err, TASK);
    x->in_session = x->watches_cancel = true;
    snprintf(x->id, sizeof(x->id), "%s", s->whole->id);
    buffer_init(&x->in, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    execution_set_callbacks(x, c);
    x->deadline = clock_ms() + (int64_t)task.request.timeout_ms + OVERTIME_MS;
    if (c->cancel_fd >= 0 && (x->caller_cancel = fcntl(c->cancel_fd, F_DUPFD_CLOEXEC, 3)) < 0)
        rc = error_errno(err, LRUN_IO_FAILED, TASK, errno, "cannot keep cancel_fd");
    if (rc == 0)
        rc = x->process.socket = session_connect(s, err);
    if (rc >= 0)
        rc = execution_send_with_fd(x->process.socket, &frame, input, err);
    if (rc >= 0)
        rc = execution_watch(x, err);
    if (rc < 0) {
        x->ending = true;
        lrun_execution_free(x);
        return -1;
    }
    *out = x;
    return 0;
}

/* ---------------------------------------------------------------- commands */

/* Takes the document's reference. */
static int run_document(const lrun_session *s, json_t *document, const lrun_callbacks *c,
                        lrun_execution **out, lrun_error *err)
{
    cleanup_close int file = -1;
    const char *input = json_string_value(json_object_get(document, "input"));
    if (input && c->input_fd >= 0) {
        json_decref(document);
        return error_set(err, LRUN_INVALID_ARGUMENT, TASK,
                         "input: given both as JSON and as an fd");
    }
    if (input && (file = launch_open_text(input, err)) < 0) {
        json_decref(document);
        return -1;
    }
    return session_start_task(s, TASK_EXEC, document, input ? file : c->input_fd, c, out, err);
}

int lrun_session_run(lrun_session *session, const lrun_command *command,
                     const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err)
{
    lrun_command given = LRUN_COMMAND_INIT;
    lrun_request r = LRUN_REQUEST_INIT;
    lrun_callbacks c;
    json_t *document, *input = NULL;
    if (!session || !command || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, TASK, "session, command or out is NULL");
    *out = NULL;
    if (runner_take_struct(&given, sizeof(given), command, command->size, "lrun_command", err) <
            0 ||
        runner_take_callbacks(&c, callbacks, err) < 0)
        return -1;
    r.entrypoint = given.entrypoint;
    r.argv = given.argv;
    r.env = given.env;
    r.workdir = given.workdir;
    r.timeout_ms = given.timeout_ms;
    r.tty = given.tty;
    r.tty_rows = given.tty_rows;
    r.tty_columns = given.tty_columns;
    if (given.input_json &&
        request_text_input(&input, "input", given.input_json, strlen(given.input_json), err) < 0)
        return -1;
    if (document_from_request(&document, &r, err) < 0) {
        json_decref(input);
        return -1;
    }
    if ((input && json_object_set_new(document, "input", input) < 0) ||
        (given.user && json_object_set_new(document, "user", json_string(given.user)) < 0) ||
        (given.max_log_bytes &&
         json_object_set_new(document, "options",
                             json_pack("{sI}", "maxLogBytes", (json_int_t)given.max_log_bytes)) <
             0)) {
        json_decref(document);
        return error_set(err, LRUN_INVALID_ARGUMENT, TASK, "user: must be UTF-8");
    }
    return run_document(session, document, &c, out, err);
}

int lrun_session_run_json(lrun_session *session, const char *json, size_t length,
                          const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err)
{
    lrun_callbacks c;
    json_t *document;
    if (!session || !json || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, TASK, "session, json or out is NULL");
    *out = NULL;
    if (runner_take_callbacks(&c, callbacks, err) < 0 ||
        request_text_load(&document, json, length, err) < 0)
        return -1;
    return run_document(session, document, &c, out, err);
}

/* ---------------------------------------------------------------- the whole session */

const char *lrun_session_id(const lrun_session *session)
{
    return session->whole->id;
}

const char *lrun_session_json(const lrun_session *session)
{
    return session->json ? session->json : "null";
}

static int is_given(const lrun_session *session, const char *operation, lrun_error *err)
{
    return session ? 0 : error_set(err, LRUN_INVALID_ARGUMENT, operation, "session is NULL");
}

int lrun_session_stop(lrun_session *session, int signal, int64_t grace_ms, lrun_error *err)
{
    return is_given(session, "session.stop", err) < 0
               ? -1
               : lrun_execution_stop(session->whole, signal, grace_ms, err);
}

int lrun_session_cancel(lrun_session *session)
{
    return session ? lrun_execution_cancel(session->whole) : -1;
}

int lrun_session_pause(lrun_session *session, lrun_error *err)
{
    return is_given(session, "session.pause", err) < 0 ? -1
                                                       : lrun_execution_pause(session->whole, err);
}

int lrun_session_resume(lrun_session *session, lrun_error *err)
{
    return is_given(session, "session.resume", err) < 0
               ? -1
               : lrun_execution_resume(session->whole, err);
}

int lrun_session_close(lrun_session *session, lrun_result **out, lrun_error *err)
{
    lrun_result *result = NULL;
    if (out)
        *out = NULL;
    if (is_given(session, "session.close", err) < 0 || execution_close(session->whole, err) < 0)
        return -1;
    int rc = lrun_execution_wait(session->whole, &result, err);
    if (out)
        *out = steal_ptr(result);
    lrun_result_free(result);
    return rc;
}

void lrun_session_free(lrun_session *session)
{
    if (!session)
        return;
    lrun_execution_free(session->whole);
    cleanup_close_fd(&session->state_dir);
    free(session->json);
    free(session);
}
