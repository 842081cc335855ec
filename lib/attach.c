/* SPDX-License-Identifier: MIT */
#include "attach.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/frame.h"
#include "wire/result.h"
#include "wire/state.h"
#include "json/error_json.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#define OPERATION "attach"

/* ms: how long to retry if the supervisor's queue of connections is full, and the time between two
 * looks at a supervisor that may be dying. */
enum { CONNECT_TIMEOUT = 5000, LOOK_INTERVAL = 10 };

int attach_connect(int state_dir, const char *id)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* Connect through the folder's fd, because the folder's own path may be longer than a socket
     * address. */
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%.40s.sock", state_dir,
             id);
    const char *name = strrchr(address.sun_path, '/') + 1;
    int64_t deadline = clock_ms() + CONNECT_TIMEOUT;
    for (;;) {
        cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            return -1;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
            return steal_fd(&fd);
        if (errno == ENOENT && faccessat(state_dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            errno = EIO; /* the socket exists, so /proc is missing */
        if ((errno != EAGAIN && errno != EINTR) || clock_ms() >= deadline)
            return -1;
        poll(NULL, 0, 5);
    }
}

static int send_empty(int socket, enum frame_type type)
{
    char header[FRAME_HEADER_SIZE];
    frame_header(header, type, FRAME_SANDBOX, 0);
    ssize_t n = send(socket, header, sizeof(header), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == sizeof(header) ? 0 : -1;
}

int attach_wait(int socket)
{
    return send_empty(socket, FRAME_CONTROL);
}

int attach_follow(int socket)
{
    return send_empty(socket, FRAME_FOLLOW);
}

static bool is_lost(const json_t *state, int failed)
{
    return (failed == ECONNREFUSED || failed == ENOENT || failed == ECONNRESET ||
            failed == EPIPE) &&
           state_fate(state) == PROCESS_GONE;
}

int attach_unreachable(const char *id, int failed, lrun_error *err)
{
    error_errno(err, LRUN_IO_FAILED, OPERATION, failed,
                "the supervisor of '%.40s' cannot be reached, and may still be running", id);
    return error_hint(err, "try again, or on the machine and in the container where the run was "
                           "started; its state is left as it is");
}

static int mark_lost(json_t *state, int state_dir, lrun_error *err)
{
    lrun_error lost = {0};
    error_set(&lost, LRUN_SUPERVISOR_LOST, OPERATION,
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

/* A number in that file may be anything; a value that no run can have counts as unknown. */
static uint64_t duration_of(double ms)
{
    return ms > 0 && ms < (double)STATE_TIMEOUT_MAX ? (uint64_t)ms : 0;
}

/* Makes a result of a state that another program has written: only what the state says, and nothing
 * more. */
static json_t *result_of_fields(const json_t *state)
{
    const json_t *code = json_object_get(state, "exitCode");
    const json_t *duration = json_object_get(state, "durationMs");
    struct utsname host = {0};
    uname(&host);
    struct run_result r = {
        .id = state_id(state),
        .exit_code = json_is_integer(code) ? (int)(json_integer_value(code) & 255) : 128 + SIGKILL,
        .cancelled = json_is_true(json_object_get(state, "cancelled")),
        .duration_ms = duration_of(json_number_value(duration)),
    };
    r.isolation.host_kernel = host.release;
    r.success = r.exit_code == 0 && !r.cancelled;
    return result_to_json(&r);
}

static int take_result(lrun_result **result, const json_t *state, lrun_error *err)
{
    json_t *kept = json_object_get(state, "result");
    json_t *document = json_is_object(kept) ? json_incref(kept) : result_of_fields(state);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    return text ? result_from_json(result, text, strlen(text), err) : error_oom(err, OPERATION);
}

static void take_error(const json_t *state, lrun_error *err)
{
    const json_t *kept = json_object_get(state, "error");
    cleanup_free char *text = kept ? json_dumps(kept, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    lrun_error e = {0};
    if (text)
        error_from_json(&e, text, strlen(text));
    else
        error_set(&e, LRUN_SUPERVISOR_LOST, OPERATION, "the run failed");
    snprintf(e.id, sizeof(e.id), "%s", state_id(state));
    *err = e;
}

void attach_outcome_of(lrun_result **result, const json_t *state, lrun_error *err)
{
    const char *status = json_string_value(json_object_get(state, "status"));
    if (strcmp(status, "failed") == 0)
        take_error(state, err);
    else
        (void)take_result(result, state, err);
}

int attach_look(json_t **out, bool *lost, int state_dir, const char *id, int failed,
                int64_t deadline, lrun_error *err)
{
    *out = NULL;
    *lost = false;
    for (;;) {
        json_t *state;
        if (state_read(&state, state_dir, id, err) < 0)
            return -1;
        if (!state)
            return error_set(err, LRUN_SUPERVISOR_LOST, OPERATION, "the state of '%.40s' is gone",
                             id);
        *lost = state_is_running(state) && is_lost(state, failed);
        int rc = *lost ? mark_lost(state, state_dir, err) : 0;
        if (rc == 0 && !state_is_running(state)) {
            *out = state;
            return 1;
        }
        bool dying = state_fate(state) == PROCESS_ALIVE;
        json_decref(state);
        if (rc < 0 || !dying || clock_ms() >= deadline)
            return rc;
        poll(NULL, 0, LOOK_INTERVAL);
    }
}

int attach_outcome(lrun_result **result, int state_dir, const char *id, int failed,
                   int64_t deadline, lrun_error *err)
{
    json_t *state;
    bool lost;
    int rc = attach_look(&state, &lost, state_dir, id, failed, deadline, err);
    if (rc > 0)
        attach_outcome_of(result, state, err);
    json_decref(state);
    return rc != 0;
}
