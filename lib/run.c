/* SPDX-License-Identifier: MIT */
/*
 * Starts a run: checks the request, starts the supervisor and sends it the order. execution.c does
 * the rest.
 */
#include "run.h"
#include "document.h"
#include "execution.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/frame.h"
#include "wire/order.h"
#include "wire/result.h"
#include "json/request_text.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define OPERATION "run.execution"

static int make_id(char id[32], lrun_error *err)
{
    unsigned char random[6];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return error_errno(err, LRUN_INTERNAL, OPERATION, errno, "cannot get random numbers");
    snprintf(id, 32, "light-runner-%02x%02x%02x%02x%02x%02x", random[0], random[1], random[2],
             random[3], random[4], random[5]);
    return 0;
}

static int take_id(char id[32], const char *given, lrun_error *err)
{
    static const char prefix[] = "light-runner-";
    size_t length = sizeof(prefix) - 1;
    if (strncmp(given, prefix, length) != 0 || strlen(given) != length + 12 ||
        strspn(given + length, "0123456789abcdef") != 12)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "id: '%.60s' is not light-runner- and 12 hexadecimal digits", given);
    snprintf(id, 32, "%s", given);
    return 0;
}

/* Finds errors that are known before anything starts and that the document alone does not show. */
static int check_request(const struct request *r, const lrun_callbacks *c, lrun_error *err)
{
    if (c->input_fd >= 0 && r->input)
        return error_set(err, LRUN_INVALID_ARGUMENT, "run.request",
                         "input: given both as JSON and as an fd");
    if (r->detached && (c->input_fd >= 0 || r->input))
        return error_set(err, LRUN_INVALID_ARGUMENT, "run.request",
                         "input is not supported for detached runs");
    if (r->dir) {
        struct stat st;
        if (stat(r->dir, &st) < 0) {
            error_errno(err, LRUN_INVALID_ARGUMENT, "run.request", errno, "dir: '%s'", r->dir);
            return error_hint(err, "name a folder that exists and that you may read");
        }
        if (!S_ISDIR(st.st_mode)) {
            error_set(err, LRUN_INVALID_ARGUMENT, "run.request", "dir: '%s' is not a directory",
                      r->dir);
            return error_hint(err, "name the folder that holds the file; its contents are copied");
        }
    }
    return 0;
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&p, 1, 0) > 0;
}

/* The run was cancelled before it began: the result is like that of any other cancelled run, and
 * nothing is started. */
static int set_cancelled_result(lrun_execution *x, const struct request *r, lrun_error *err)
{
    struct utsname host = {0};
    uname(&host);
    struct run_result result = {
        .exit_code = 128 + SIGKILL,
        .signal = SIGKILL,
        .cancelled = true,
        .timeout_ms = r->timeout_ms,
        .id = x->id,
    };
    result.isolation.runtime = r->runtime;
    result.isolation.host_kernel = host.release;
    json_t *document = result_to_json(&result);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (!text)
        return error_oom(err, OPERATION);
    if (result_from_json(&x->result, text, strlen(text), err) < 0)
        return -1;
    x->ending = x->done = true;
    return 0;
}

static char *order_text(lrun_execution *x, const struct request *r, uint64_t idle_ms,
                        const lrun_callbacks *c, lrun_error *err)
{
    struct run_order order = {
        .id = x->id,
        /* Nobody listens to a detached run, but its output is kept. */
        .logs = r->detached || c->on_line || c->on_output,
        .progress = c->on_progress != NULL,
        .idle_ms = idle_ms,
        .request = *r,
    };
    json_t *document = order_to_json(&order);
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (!text) {
        error_oom(err, OPERATION);
    } else if (strlen(text) > FRAME_CALLER_MAX) {
        free(text);
        text = NULL;
        error_set(err, LRUN_INVALID_ARGUMENT, "run.request",
                  "the request is over the limit of %d bytes without its input", FRAME_CALLER_MAX);
    }
    return text;
}

static int start(lrun_execution *x, const lrun_runner *runner, const struct request *r,
                 enum frame_type type, uint64_t idle_ms, const lrun_callbacks *c, lrun_error *err)
{
    cleanup_free char *text = order_text(x, r, idle_ms, c, err);
    if (!text)
        return -1;
    if (c->cancel_fd >= 0) {
        x->caller_cancel = fcntl(c->cancel_fd, F_DUPFD_CLOEXEC, 3);
        if (x->caller_cancel < 0)
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot keep cancel_fd");
    }
    struct launch l = {
        .supervisor = runner->supervisor,
        .id = x->id,
        .input_fd = c->input_fd,
        .text = r->input,
        .caller_cancel = x->caller_cancel,
        .cancel = x->cancel,
    };
    if (launch_supervisor(&x->process, &l, err) < 0)
        return -1;
    buffer_init(&x->in, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    execution_set_callbacks(x, c);
    x->deadline = clock_ms() + (int64_t)r->timeout_ms + OVERTIME_MS;

    return execution_send(x->process.socket, type, text, err);
}

static int start_as(lrun_execution **out, const lrun_runner *runner, const struct request *r,
                    enum frame_type type, uint64_t idle_ms, const lrun_callbacks *c,
                    lrun_error *err)
{
    if (check_request(r, c, err) < 0)
        return -1;
    lrun_execution *x = execution_new();
    if (!x)
        return error_oom(err, OPERATION);
    cleanup_close int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    x->cancel = event < 0 ? -1 : fcntl(event, F_DUPFD_CLOEXEC, 3);
    int rc = x->cancel < 0
                 ? error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make an eventfd")
             : c->id ? take_id(x->id, c->id, err)
                     : make_id(x->id, err);
    bool cancelled = is_readable(c->cancel_fd);
    if (rc == 0 && cancelled)
        rc = r->detached ? execution_never_ran(err) : set_cancelled_result(x, r, err);
    else if (rc == 0)
        rc = start(x, runner, r, type, idle_ms, c, err);
    if (rc == 0 && r->detached && !x->done)
        rc = detached_hand_over(x, err);
    if (rc == 0)
        rc = execution_watch(x, err);
    if (rc < 0) {
        if (x->process.pid)
            execution_lose(x, "it was not started"); /* kills it; `err` keeps the first error */
        lrun_execution_free(x);
        return -1;
    }
    *out = x;
    return 0;
}

int run_start(lrun_execution **out, const lrun_runner *runner, const struct request *r,
              uint64_t idle_ms, const lrun_callbacks *c, lrun_error *err)
{
    return start_as(out, runner, r, idle_ms ? FRAME_OPEN : FRAME_REQUEST, idle_ms, c, err);
}

int run_reserve(lrun_execution **out, const lrun_runner *runner, const struct request *r,
                lrun_error *err)
{
    const lrun_callbacks none = LRUN_CALLBACKS_INIT;
    if (start_as(out, runner, r, FRAME_RESERVE, 0, &none, err) < 0)
        return -1;
    (*out)->deadline = IO_NO_DEADLINE;
    return 0;
}

int run_use_reserved(lrun_execution *x, const struct request *r, const lrun_callbacks *c,
                     lrun_error *err)
{
    cleanup_close int file = -1;
    cleanup_free char *text = order_text(x, r, 0, c, err);
    if (!text || (r->input && (file = launch_open_text(r->input, err)) < 0))
        return -1;
    cleanup_buffer struct buffer frame;
    buffer_init(&frame, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    if (!frame_append(&frame, FRAME_REQUEST, FRAME_SANDBOX, text, strlen(text)))
        return error_oom(err, OPERATION);
    x->watches_cancel = true;
    if (c->cancel_fd >= 0 && ((x->caller_cancel = fcntl(c->cancel_fd, F_DUPFD_CLOEXEC, 3)) < 0 ||
                              execution_watch_cancel(x) < 0))
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot keep cancel_fd");
    x->started = false;
    execution_set_callbacks(x, c);
    x->deadline = clock_ms() + (int64_t)r->timeout_ms + OVERTIME_MS;
    return execution_send_with_fd(x->process.socket, &frame, r->input ? file : c->input_fd, err);
}

int run_read_request(struct request *out, const lrun_runner *runner, json_t *document,
                     const lrun_callbacks *c, lrun_error *err)
{
    int rc = document_add_options(document, runner->options, err);
    if (rc == 0)
        rc = request_from_json(out, document, err);
    json_decref(document);
    return rc < 0 ? -1 : check_request(out, c, err);
}

/* Checks the document and starts it. Takes the document's reference. `input` is JSON text that has
 * been checked, or NULL. */
static int execute_document(const lrun_runner *runner, json_t *document, const char *input,
                            const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err)
{
    cleanup_request struct request r = {0};
    int rc = document_add_options(document, runner->options, err);
    if (rc == 0)
        rc = request_from_json(&r, document, err);
    json_decref(document);
    if (rc == 0 && input) {
        r.input = strdup(input);
        rc = r.input ? 0 : error_oom(err, OPERATION);
    }
    return rc < 0 ? -1 : run_start(out, runner, &r, 0, callbacks, err);
}

int lrun_run(const lrun_runner *runner, const lrun_request *request,
             const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err)
{
    lrun_request r = LRUN_REQUEST_INIT;
    lrun_callbacks c;
    json_t *document;
    if (!runner || !request || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, "run.request",
                         "runner, request or out is NULL");
    *out = NULL;
    if (runner_take_struct(&r, sizeof(r), request, request->size, "lrun_request", err) < 0 ||
        runner_take_callbacks(&c, callbacks, err) < 0)
        return -1;
    if (r.input_json) {
        /* The text goes to stdin unchanged, so it is only checked here. */
        json_t *input;
        if (request_text_input(&input, "input", r.input_json, strlen(r.input_json), err) < 0)
            return -1;
        json_decref(input);
    }
    if (document_from_request(&document, &r, err) < 0)
        return -1;
    return execute_document(runner, document, r.input_json, &c, out, err);
}

int lrun_run_json(const lrun_runner *runner, const char *json, size_t length,
                  const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err)
{
    lrun_callbacks c;
    json_t *document;
    if (!runner || !json || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, "run.request", "runner, json or out is NULL");
    *out = NULL;
    if (runner_take_callbacks(&c, callbacks, err) < 0 ||
        request_text_load(&document, json, length, err) < 0)
        return -1;
    return execute_document(runner, document, NULL, &c, out, err);
}
