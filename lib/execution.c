/* SPDX-License-Identifier: MIT */
/*
 * The life of one run, seen from the caller.
 *
 * A supervisor process does the work; this file handles our end of its socket. Output and the
 * outcome arrive as frames (dispatch). The outcome is the last frame, but the run is over only when
 * the supervisor has exited too: by then it has removed the sandbox (wait). Every problem with the
 * supervisor itself becomes LRUN_SUPERVISOR_LOST; we kill the supervisor then, and the sandbox dies
 * with it.
 *
 * The supervisor of a detached run is not our child: the socket is a connection to the socket it
 * listens on, and the outcome is in the run's state.
 */
#include "execution.h"
#include "attach.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/frame.h"
#include "wire/result.h"
#include "json/error_json.h"

#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define OPERATION "run.execution"

/* ------------------------------------------------------------- the outcome */

/*
 * A callback may be called while a frame is half handled and its bytes are still in the buffer. So
 * within a callback, the handle can only be written to (stop, cancel). Reading is rejected, and
 * freeing is postponed until the call that made the callback returns.
 */
void execution_deliver(lrun_execution *x, lrun_stream stream, const char *data, size_t length)
{
    x->in_callback = true;
    if (x->on_output && length > 0)
        x->on_output(x->user, stream, data, length);
    lines_push(&x->lines[stream == LRUN_STDERR], data, length);
    x->in_callback = false;
}

int execution_enter(const lrun_execution *x, const char *operation, lrun_error *err)
{
    if (!x)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "execution is NULL");
    if (!x->in_callback)
        return 0;
    error_set(err, LRUN_INVALID_ARGUMENT, operation,
              "called from within a callback of the same execution");
    return error_hint(err,
                      "in a callback use lrun_execution_stop() or lrun_execution_cancel(), or make "
                      "this call after the callback has returned");
}

int execution_leave(lrun_execution *x, int rc, lrun_error *err)
{
    if (!x->freed)
        return rc;
    x->freed = false;
    lrun_execution_free(x);
    return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "a callback has freed the execution");
}

void execution_finish(lrun_execution *x)
{
    x->ending = true;
    /* The last output may have arrived without a LOG_GROWN. */
    x->grown = true;
}

/* Delivers kept output. If the outcome is known and everything is delivered, finishes the last
 * lines. */
static void settle(lrun_execution *x)
{
    detached_take_log(x);
    if (x->ending && !x->done && !x->grown && !x->freed) {
        x->done = true;
        x->in_callback = true;
        for (int i = 0; i < 2; i++)
            lines_finish(&x->lines[i]);
        x->in_callback = false;
    }
}

/* ------------------------------------------------------------------ the fd */

static void unwatch(const lrun_execution *x, int fd)
{
    if (fd >= 0 && x->watch >= 0)
        epoll_ctl(x->watch, EPOLL_CTL_DEL, fd, NULL);
}

/*
 * A socket that has ended stays readable for ever, so it is not watched any more.
 */
void execution_set_wake(lrun_execution *x)
{
    enum wake wake = x->reported             ? WAKE_NEVER
                     : x->ending || x->grown ? WAKE_NOW
                     : x->ended              ? WAKE_AT_END
                                             : WAKE_ON_FRAMES;
    if (x->watch < 0 || x->freed || (wake == x->wake && wake != WAKE_AT_END))
        return;
    struct itimerspec next = {0};
    if (wake == WAKE_NOW)
        next.it_value.tv_nsec = 1;
    if (wake == WAKE_AT_END) {
        int64_t ms = x->detached ? LOOK_INTERVAL_MS : x->end_deadline - clock_ms();
        next.it_value.tv_sec = ms > 0 ? ms / 1000 : 0;
        next.it_value.tv_nsec = ms > 0 ? ms % 1000 * 1000000L : 1;
    }
    if (x->ended || wake == WAKE_NEVER)
        unwatch(x, x->process.socket);
    if (wake == WAKE_AT_END && x->wake != wake && x->process.pidfd >= 0) {
        struct epoll_event event = {.events = EPOLLIN};
        epoll_ctl(x->watch, EPOLL_CTL_ADD, x->process.pidfd, &event);
    }
    timerfd_settime(x->timer, 0, &next, NULL);
    x->wake = wake;
}

int execution_send_with_fd(int socket, const struct buffer *bytes, int fd, lrun_error *err)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    int64_t deadline = clock_ms() + SEND_TIMEOUT_MS;
    size_t sent = 0;
    while (sent < buffer_length(bytes)) {
        struct iovec part = {(void *)(uintptr_t)(buffer_data(bytes) + sent),
                             buffer_length(bytes) - sent};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        if (fd >= 0 && sent == 0) {
            message.msg_control = control.bytes;
            message.msg_controllen = sizeof(control.bytes);
            struct cmsghdr *head = CMSG_FIRSTHDR(&message);
            *head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                     .cmsg_type = SCM_RIGHTS,
                                     .cmsg_len = CMSG_LEN(sizeof(int))};
            memcpy(CMSG_DATA(head), &fd, sizeof(int));
        }
        ssize_t n = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            sent += (size_t)n;
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET)
            return error_set(err, LRUN_SUPERVISOR_LOST, OPERATION, "the session has ended");
        if (errno != EAGAIN && errno != EINTR)
            return error_errno(err, LRUN_SUPERVISOR_LOST, OPERATION, errno,
                               "the session cannot be reached");
        struct pollfd p = {.fd = socket, .events = POLLOUT};
        if (poll(&p, 1, io_poll_timeout(deadline)) == 0 && clock_ms() >= deadline)
            return error_set(err, LRUN_SUPERVISOR_LOST, OPERATION, "the session does not answer");
    }
    return 0;
}

int execution_watch_cancel(const lrun_execution *x)
{
    struct epoll_event event = {.events = EPOLLIN};
    return x->watches_cancel && x->caller_cancel >= 0
               ? epoll_ctl(x->watch, EPOLL_CTL_ADD, x->caller_cancel, &event)
               : 0;
}

int execution_watch(lrun_execution *x, lrun_error *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    x->watch = epoll_create1(EPOLL_CLOEXEC);
    x->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (x->watch < 0 || x->timer < 0 || epoll_ctl(x->watch, EPOLL_CTL_ADD, x->timer, &event) < 0 ||
        (x->process.socket >= 0 &&
         epoll_ctl(x->watch, EPOLL_CTL_ADD, x->process.socket, &event) < 0) ||
        execution_watch_cancel(x) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot watch the run");
    execution_set_wake(x);
    return 0;
}

int execution_never_ran(lrun_error *err)
{
    return error_set(err, LRUN_START_FAILED, OPERATION,
                     "the run was cancelled before its command started");
}

void execution_lose(lrun_execution *x, const char *format, ...)
{
    va_list ap;
    char text[256];
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    error_set(&x->error, LRUN_SUPERVISOR_LOST, OPERATION, "%s", text);
    if (x->process.pidfd >= 0)
        pidfd_send_signal(x->process.pidfd, SIGKILL, NULL, 0);
    execution_finish(x);
}

void execution_reap(lrun_execution *x, char *how, size_t size)
{
    snprintf(how, size, "it ended");
    if (x->process.pidfd < 0)
        return;
    for (int attempt = 0; attempt < 2; attempt++) {
        struct pollfd p = {.fd = x->process.pidfd, .events = POLLIN};
        int64_t deadline = clock_ms() + EXIT_TIMEOUT_MS;
        int n;
        while ((n = poll(&p, 1, io_poll_timeout(deadline))) < 0 && errno == EINTR)
            continue;
        if (n > 0)
            break;
        pidfd_send_signal(x->process.pidfd, SIGKILL, NULL, 0);
    }
    siginfo_t info = {0};
    int rc;
    while ((rc = waitid(P_PIDFD, (id_t)x->process.pidfd, &info, WEXITED | WNOHANG)) < 0 &&
           errno == EINTR)
        continue;
    /* The caller may have waited for every child, or may ignore SIGCHLD: then there is no status to
     * read. */
    if (rc == 0 && info.si_pid != 0)
        snprintf(how, size,
                 info.si_code == CLD_EXITED ? "it exited with code %d" : "signal %d ended it",
                 info.si_status);
    unwatch(x, x->process.pidfd);
    cleanup_close_fd(&x->process.pidfd);
}

static void take_outcome(lrun_execution *x, const struct frame *f)
{
    if (f->type == FRAME_ERROR)
        error_from_json(&x->error, f->payload, f->length);
    else if (result_from_json(&x->result, f->payload, f->length, &x->error) < 0)
        error_hint(&x->error,
                   "the library and light-runner-supervisor must be of the same version");
    execution_finish(x);
}

static void take_output(lrun_execution *x, const struct frame *f)
{
    execution_deliver(x, f->type == FRAME_LOG_STDOUT ? LRUN_STDOUT : LRUN_STDERR, f->payload,
                      f->length);
}

static void take_answer(lrun_execution *x, const struct frame *f)
{
    json_t *document = json_loadb(f->payload, f->length, 0, NULL);
    json_t *number = json_object_get(document, "number");
    json_t *error = json_object_get(document, "error");
    /* Other answers are late, or nobody waits for them: the answer to a cancel, or to a stop from a
     * callback. */
    if (json_is_integer(number) && json_integer_value(number) == x->awaited) {
        cleanup_free char *text = error ? json_dumps(error, JSON_COMPACT) : NULL;
        x->answered = true;
        x->answer = (lrun_error){0};
        if (text)
            error_from_json(&x->answer, text, strlen(text));
        else if (error)
            error_oom(&x->answer, OPERATION);
    }
    json_decref(document);
}

void execution_report_progress(const struct frame *f, lrun_progress_fn on_progress, void *user)
{
    json_int_t done, total;
    const char *what;
    json_t *document = json_loadb(f->payload, f->length, 0, NULL);
    if (on_progress && json_unpack(document, "{s:s,s:I,s:I}", "what", &what, "done", &done, "total",
                                   &total) == 0) {
        const lrun_progress progress = {what, (uint64_t)done, (uint64_t)total};
        on_progress(user, &progress);
    }
    json_decref(document);
}

static void take_frames(lrun_execution *x)
{
    struct frame f;
    enum frame_status status;
    while (!x->ending && !x->freed &&
           (status = frame_peek(&x->in, FRAME_CALLER_MAX, &f)) != FRAME_PARTIAL) {
        if (status == FRAME_BROKEN) {
            execution_lose(x, "the supervisor broke the protocol");
            return;
        }
        if (f.command > FRAME_COMMAND) {
            execution_lose(x, "the supervisor sent a frame of the unknown command %d", f.command);
            return;
        }
        switch (f.type) {
        case FRAME_LOG_STDOUT:
        case FRAME_LOG_STDERR:
            take_output(x, &f);
            break;
        case FRAME_STARTED:
            x->started = true;
            x->in_callback = true;
            if (x->on_start)
                x->on_start(x->user);
            x->in_callback = false;
            break;
        case FRAME_READY:
            x->ready = strndup(f.payload, f.length);
            x->started = true;
            break;
        case FRAME_CONTROLLED:
            take_answer(x, &f);
            break;
        case FRAME_PROGRESS:
            x->in_callback = true;
            execution_report_progress(&f, x->on_progress, x->user);
            x->in_callback = false;
            break;
        case FRAME_LOG_GROWN:
            /* Ignore a failure: if the supervisor is gone, reading finds that out. */
            (void)attach_follow(x->process.socket);
            x->grown = true;
            break;
        case FRAME_RESULT:
        case FRAME_ERROR:
            take_outcome(x, &f);
            break;
        default:
            execution_lose(x, "the supervisor sent a frame of unknown type %d", f.type);
            return;
        }
        frame_consume(&x->in, &f);
    }
}

static bool has_exited(const lrun_execution *x)
{
    struct pollfd p = {.fd = x->process.pidfd, .events = POLLIN};
    return x->process.pidfd < 0 || poll(&p, 1, 0) != 0;
}

/*
 * The socket or the process has ended without an outcome. This is called again until there is an
 * outcome. If the supervisor is our child, it has nothing more to do: kill it in case it still
 * exists.
 */
static void take_end(lrun_execution *x)
{
    if (!x->ended) {
        x->ended = true;
        x->end_deadline = clock_ms() + (x->detached ? GONE_TIMEOUT_MS : EXIT_TIMEOUT_MS);
        if (x->process.pidfd >= 0)
            pidfd_send_signal(x->process.pidfd, SIGKILL, NULL, 0);
    }
    if (x->detached) {
        detached_take_end(x, ECONNRESET);
    } else if (has_exited(x) || clock_ms() >= x->end_deadline) {
        char how[64];
        execution_reap(x, how, sizeof(how));
        execution_lose(x, "the %s ended without a result: %s",
                       x->in_session ? "session" : "supervisor", how);
    }
}

bool execution_receive(lrun_execution *x)
{
    for (int i = 0; i < READS_PER_DISPATCH && !x->ending && !x->ended && !x->freed &&
                    !(x->handed_over && x->started);
         i++) {
        size_t room = buffer_room(&x->in);
        size_t want = room < READ_SIZE ? room : READ_SIZE;
        char *to = want ? buffer_reserve(&x->in, want) : NULL;
        if (!to) {
            execution_lose(x, "no memory for the supervisor's frames");
            return true;
        }
        ssize_t n = recv(x->process.socket, to, want, MSG_DONTWAIT);
        if (n > 0) {
            buffer_commit(&x->in, (size_t)n);
            take_frames(x);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            take_end(x);
            return true;
        } else if (errno == EAGAIN) {
            return true;
        }
    }
    return false;
}

/* Polls for the next event. The fds in `cancels` are -1 once they have been seen. */
static int wait_for_work(lrun_execution *x, struct pollfd p[4], const int cancels[2], int64_t limit)
{
    const struct pollfd wanted[4] = {
        {.fd = x->ended ? -1 : x->process.socket, .events = POLLIN},
        {.fd = x->process.pidfd, .events = POLLIN},
        {.fd = cancels[0], .events = POLLIN},
        {.fd = cancels[1], .events = POLLIN},
    };
    memcpy(p, wanted, sizeof(wanted));
    int timeout = io_poll_timeout(limit < x->deadline ? limit : x->deadline);
    if (x->ended && (timeout < 0 || timeout > LOOK_INTERVAL_MS))
        timeout = LOOK_INTERVAL_MS;
    return poll(p, 4, x->grown || x->ending ? 0 : timeout);
}

/* The supervisor of a run watches the caller's cancel_fd itself, if it was there at its start. */
static void take_cancel(lrun_execution *x)
{
    struct pollfd p = {.fd = x->caller_cancel, .events = POLLIN};
    if (!x->watches_cancel || x->caller_cancel < 0 || poll(&p, 1, 0) <= 0)
        return;
    unwatch(x, x->caller_cancel);
    cleanup_close_fd(&x->caller_cancel);
    (void)lrun_execution_cancel(x);
}

void execution_run_until(lrun_execution *x, const bool *enough, int64_t limit)
{
    int cancels[2] = {x->cancel, x->caller_cancel};
    settle(x);
    bool looked = false; /* look at least once, even if the limit has passed */
    while (!x->done && !x->freed && !*enough && !(looked && clock_ms() >= limit)) {
        looked = true;
        struct pollfd p[4];
        int n = wait_for_work(x, p, cancels, limit);
        if (n < 0 && errno != EINTR)
            execution_lose(x, "cannot wait for the supervisor: %s", strerrordesc_np(errno));
        /* From now on, the end may take only so long. Neither fd is read, because the supervisor
         * watches the same two. */
        if ((n > 0 && (p[2].revents || p[3].revents)) || (cancels[0] >= 0 && x->cancelled)) {
            int64_t end = clock_ms() + CANCEL_TIMEOUT_MS;
            x->deadline = end < x->deadline ? end : x->deadline;
            cancels[0] = cancels[1] = -1;
            take_cancel(x);
        }
        bool empty = true;
        if (n > 0 && p[0].revents)
            empty = execution_receive(x);
        /* The supervisor is gone, but another process may hold its end of the socket. */
        if (x->ended || (n > 0 && p[1].revents && empty && execution_receive(x)))
            if (!x->ending && !x->freed)
                take_end(x);
        settle(x);
        if (!x->ending && !x->freed && clock_ms() >= x->deadline)
            execution_lose(x, "the supervisor did not end in time");
    }
    execution_set_wake(x);
}

static void run_to_outcome(lrun_execution *x)
{
    execution_run_until(x, &x->done, IO_NO_DEADLINE);
}

lrun_execution *execution_new(void)
{
    lrun_execution *x = calloc(1, sizeof(*x));
    if (!x)
        return NULL;
    x->process = (struct launched){.pidfd = -1, .socket = -1};
    x->cancel = x->caller_cancel = x->state_dir = x->log_fd = x->watch = x->timer = -1;
    return x;
}

void execution_set_callbacks(lrun_execution *x, const lrun_callbacks *c)
{
    x->on_output = c->on_output;
    x->on_progress = c->on_progress;
    x->on_start = c->on_start;
    x->user = c->user;
    lines_init(&x->lines[0], LRUN_STDOUT, c->on_line, c->user);
    lines_init(&x->lines[1], LRUN_STDERR, c->on_line, c->user);
}

int execution_send(int socket, enum frame_type type, const char *payload, lrun_error *err)
{
    int64_t deadline = clock_ms() + SEND_TIMEOUT_MS;
    cleanup_buffer struct buffer frame;
    buffer_init(&frame, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    if (!frame_append(&frame, type, FRAME_SANDBOX, payload, strlen(payload)))
        return error_oom(err, OPERATION);
    while (buffer_length(&frame) > 0) {
        /* Not write(): a supervisor that has ended must not raise SIGPIPE in the caller. */
        ssize_t n =
            send(socket, buffer_data(&frame), buffer_length(&frame), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            buffer_consume(&frame, (size_t)n);
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET)
            return 0; /* reading finds out what became of it */
        if (errno != EAGAIN && errno != EINTR)
            return error_errno(err, LRUN_SUPERVISOR_LOST, OPERATION, errno,
                               "cannot send the request");
        struct pollfd p = {.fd = socket, .events = POLLOUT};
        if (poll(&p, 1, io_poll_timeout(deadline)) == 0 && clock_ms() >= deadline)
            return error_set(err, LRUN_SUPERVISOR_LOST, OPERATION,
                             "timed out sending the request to the supervisor");
    }
    return 0;
}

/* ------------------------------------------------------------------ handle */

const char *lrun_execution_id(const lrun_execution *execution)
{
    return execution->id;
}

int lrun_execution_fd(const lrun_execution *execution)
{
    return execution->watch;
}

int lrun_execution_dispatch(lrun_execution *execution, bool *done, lrun_error *err)
{
    if (done)
        *done = false;
    if (execution_enter(execution, OPERATION, err) < 0)
        return -1;
    if (!execution->done) {
        take_cancel(execution);
        execution_receive(execution);
        if (execution->ended && !execution->ending && !execution->freed)
            take_end(execution);
        settle(execution);
    }
    execution->reported = execution->done;
    execution_set_wake(execution);
    /* A loop that relies on *done alone must not return to a handle that is gone. */
    if (done)
        *done = execution->done || execution->freed;
    return execution_leave(execution, 0, err);
}

int lrun_execution_wait(lrun_execution *x, lrun_result **out, lrun_error *err)
{
    return lrun_execution_wait_for(x, -1, out, err);
}

int lrun_execution_wait_for(lrun_execution *x, int64_t timeout_ms, lrun_result **out,
                            lrun_error *err)
{
    if (!out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "out is NULL");
    *out = NULL;
    if (execution_enter(x, OPERATION, err) < 0)
        return -1;
    if (x->waited)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "the run was already waited for");
    int64_t now = clock_ms();
    execution_run_until(x, &x->done,
                        timeout_ms < 0 || timeout_ms > IO_NO_DEADLINE - now ? IO_NO_DEADLINE
                                                                            : now + timeout_ms);
    if (x->freed)
        return execution_leave(x, -1, err);
    if (!x->done)
        return 0;
    char how[64];
    execution_reap(x, how, sizeof(how));
    x->waited = x->reported = true;
    execution_set_wake(x);
    if (!x->result) {
        if (!x->error.id[0])
            snprintf(x->error.id, sizeof(x->error.id), "%s", x->id);
        if (err)
            *err = x->error;
        return -1;
    }
    *out = steal_ptr(x->result);
    return 0;
}

/* {"action":"cancel"} as a frame, ready to be sent from a signal handler. */
#define CANCEL_FRAME "\2\0\0\0\23\0\0\0{\"action\":\"cancel\"}"
_Static_assert(FRAME_CONTROL == 2 && sizeof(CANCEL_FRAME) - 1 - FRAME_HEADER_SIZE == 19, "");

int lrun_execution_cancel(lrun_execution *execution)
{
    if (!execution)
        return -1;
    int saved = errno;
    uint64_t one = 1;
    atomic_store(&execution->cancelled, true);
    int rc = 0;
    if (execution->detached || execution->in_session) {
        /* Sent in one piece or not at all, because another thread may be in the middle of
         * something. A run that has ended has nothing to cancel. */
        static const char frame[] = CANCEL_FRAME;
        if (execution->process.socket >= 0 &&
            send(execution->process.socket, frame, sizeof(frame) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) <
                0 &&
            errno != EPIPE && errno != ECONNRESET)
            rc = -1;
    } else if (write(execution->cancel, &one, sizeof(one)) < 0 && errno != EAGAIN) {
        rc = -1;
    }
    errno = saved;
    return rc;
}

void lrun_execution_free(lrun_execution *x)
{
    if (!x)
        return;
    /* From now on, the caller may free whatever `user` points at. */
    x->on_output = NULL;
    x->on_progress = NULL;
    x->on_start = NULL;
    x->lines[0].deliver = x->lines[1].deliver = NULL;
    if (x->in_callback) {
        x->freed = true;
        return;
    }
    if (x->process.pidfd >= 0 || (x->in_session && !x->ending && !x->ended)) {
        lrun_execution_cancel(x);
        int64_t limit = clock_ms() + EXIT_TIMEOUT_MS;
        x->deadline = limit < x->deadline ? limit : x->deadline;
        run_to_outcome(x);
        char how[64];
        execution_reap(x, how, sizeof(how));
    }
    cleanup_close_fd(&x->process.socket);
    cleanup_close_fd(&x->cancel);
    cleanup_close_fd(&x->caller_cancel);
    cleanup_close_fd(&x->state_dir);
    log_reader_free(&x->log);
    cleanup_close_fd(&x->log_fd);
    cleanup_close_fd(&x->watch);
    cleanup_close_fd(&x->timer);
    buffer_free(&x->in);
    lines_free(&x->lines[0]);
    lines_free(&x->lines[1]);
    lrun_result_free(x->result);
    free(x->ready);
    free(x);
}
