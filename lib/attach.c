/* SPDX-License-Identifier: MIT */
#include "attach.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/frame.h"
#include "wire/result.h"
#include "wire/state.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#define OPERATION "attach"

/* ms, for a supervisor whose queue of connections is full. */
enum { CONNECT_TIMEOUT = 5000 };

int attach_connect(int state_dir, const char *id)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* By way of the folder's fd: its own path may be longer than an address can be. */
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%.40s.sock", state_dir,
             id);
    int64_t deadline = clock_ms() + CONNECT_TIMEOUT;
    for (;;) {
        cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            return -1;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
            return steal_fd(&fd);
        if ((errno != EAGAIN && errno != EINTR) || clock_ms() >= deadline)
            return -1;
        poll(NULL, 0, 5);
    }
}

int attach_wait(int socket)
{
    char header[FRAME_HEADER_SIZE];
    frame_header(header, FRAME_CONTROL, 0);
    ssize_t n = send(socket, header, sizeof(header), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == sizeof(header) ? 0 : -1;
}

int attach_mark_lost(json_t *state, int state_dir, lr_error *err)
{
    lr_error lost = {0};
    error_set(&lost, LR_SUPERVISOR_LOST, OPERATION,
              "the run's supervisor is gone, and its sandbox with it");
    json_t *document = error_to_json(&lost);
    int rc = document ? state_end(state, document, true) : -1;
    json_decref(document);
    if (rc < 0)
        return error_oom(err, OPERATION);
    char name[64];
    snprintf(name, sizeof(name), "%.40s.sock", state_id(state));
    unlinkat(state_dir, name, 0);
    return state_write(state_dir, state, err);
}

/* Of a state that another program has written: what it says, and nothing more. */
static json_t *result_of_fields(const json_t *state)
{
    const json_t *code = json_object_get(state, "exitCode");
    const json_t *duration = json_object_get(state, "durationMs");
    struct utsname host = {0};
    uname(&host);
    lr_result r = {
        .id = state_id(state),
        .exit_code = json_is_integer(code) ? (int)(json_integer_value(code) & 255) : 128 + SIGKILL,
        .cancelled = json_is_true(json_object_get(state, "cancelled")),
        .duration_ms = json_is_number(duration) && json_number_value(duration) > 0
                           ? (uint64_t)json_number_value(duration)
                           : 0,
    };
    r.isolation.host_kernel = host.release;
    r.success = r.exit_code == 0 && !r.cancelled;
    return result_to_json(&r);
}

static int take_result(lr_result **result, const json_t *state, lr_error *err)
{
    json_t *kept = json_object_get(state, "result");
    json_t *document = json_is_object(kept) ? json_incref(kept) : result_of_fields(state);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    return text ? result_from_json(result, text, strlen(text), err) : error_oom(err, OPERATION);
}

static int take_error(const json_t *state, lr_error *err)
{
    const json_t *kept = json_object_get(state, "error");
    cleanup_free char *text = kept ? json_dumps(kept, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    lr_error e = {0};
    if (text)
        error_from_json(&e, text, strlen(text));
    else
        error_set(&e, LR_SUPERVISOR_LOST, OPERATION, "the run failed");
    snprintf(e.container, sizeof(e.container), "%s", state_id(state));
    if (err)
        *err = e;
    return -1;
}

int attach_outcome_of(lr_result **result, json_t *state, int state_dir, lr_error *err)
{
    if (state_is_running(state) && attach_mark_lost(state, state_dir, err) < 0)
        return -1;
    const char *status = json_string_value(json_object_get(state, "status"));
    return strcmp(status, "failed") == 0 ? take_error(state, err) : take_result(result, state, err);
}

int attach_outcome(lr_result **result, int state_dir, const char *id, lr_error *err)
{
    json_t *state;
    if (state_read(&state, state_dir, id, err) < 0)
        return -1;
    if (!state)
        return error_set(err, LR_SUPERVISOR_LOST, OPERATION, "the state of '%.40s' is gone", id);
    int rc = attach_outcome_of(result, state, state_dir, err);
    json_decref(state);
    return rc;
}
