/* SPDX-License-Identifier: MIT */
/*
 * The loop. It waits for the client's lines, for room for what goes to the client, for the runs, and
 * for jobs that have ended.
 */
#include "rpc.h"

#include "call.h"
#include "jobs.h"
#include "message.h"
#include "methods.h"
#include "reader.h"
#include "runs.h"
#include "server.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define OPERATION "rpc"

enum {
    OUT_LOW = 256 * 1024,  /* with more than this, nothing is taken from the queues */
    TURN_MAX = 64 * 1024,  /* what a call may add before others have their turn */
    WRITE_MAX = 4096,      /* PIPE_BUF: a pipe that polls as writable has that much room */
    EVENTS = 64,           /* runs that are read in a round */
    CLOSE_MS = 120 * 1000, /* for the runs to end, once the client has gone */
    FLUSH_MS = 5 * 1000,   /* then, for a client that still reads */
};

/* One at a time, and never freed: threads may use it until the process ends. */
static struct server server;

/* ------------------------------------------------------------------ requests */

static void reject(struct server *s, json_t *id, const lrun_error *e)
{
    pthread_mutex_lock(&s->lock);
    (void)queue_line(&s->general, message_error(id, e, NULL), 0);
    pthread_mutex_unlock(&s->lock);
}

static int check_limits(const struct server *s, const struct message *m, lrun_error *err)
{
    bool run = strcmp(m->method, "run") == 0 || strcmp(m->method, "attach") == 0;
    if (run && s->run_count >= RPC_RUNS_MAX) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                  "%d runs are in progress, which is the limit", RPC_RUNS_MAX);
        return error_hint(err, "wait until one has ended, or start another light-runner rpc");
    }
    if (s->call_count < RPC_CALLS_MAX)
        return 0;
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
              "%d requests are in progress, which is the limit", RPC_CALLS_MAX);
    return error_hint(err, "wait until one is answered, or start another light-runner rpc");
}

static int begin(struct server *s, const struct message *m, lrun_error *err)
{
    const struct method *method = method_find(m->method);
    struct params params = {0};
    if (!method)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "method: there is no '%.60s'",
                         m->method);
    if (check_limits(s, m, err) < 0)
        return -1;
    for (struct call *c = s->calls; c; c = c->next)
        if (json_equal(c->id, m->id))
            return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                             "id: another request with this id is in progress");
    int rc = params_read(&params, m->params, method->allowed, method->required, err);
    char *request = rc == 0 && m->request ? malloc(m->request_length + 1) : NULL;
    struct call *c =
        rc == 0 && !request == !m->request ? call_new(s, m->id, method, &params) : NULL;
    params_free(&params);
    if (!c) {
        free(request);
        return rc < 0 ? -1 : error_oom(err, OPERATION);
    }
    if (request) {
        memcpy(request, m->request, m->request_length);
        request[m->request_length] = '\0';
        c->request = request;
        c->request_length = m->request_length;
    }
    method_begin(c);
    return 0;
}

static void take_line(struct server *s, const char *line, size_t length)
{
    struct message m;
    lrun_error e = {0};
    if (message_parse(&m, line, length, &e) < 0 || begin(s, &m, &e) < 0)
        reject(s, m.id, &e);
    message_free(&m);
}

/* Returns false at the end of the client's lines. */
static bool read_requests(struct server *s, struct reader *reader, int in)
{
    static char piece[READER_PIECE];
    const char *line;
    size_t length;
    enum reader_status status;
    ssize_t n = read(in, piece, sizeof(piece));
    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN);
    lrun_error e = {0};
    if (!reader_push(reader, piece, (size_t)n))
        return false;
    while ((status = reader_next(reader, &line, &length)) != READER_PARTIAL) {
        if (status == READER_LINE) {
            if (length > 0)
                take_line(s, line, length);
            continue;
        }
        error_set(&e, LRUN_INVALID_ARGUMENT, OPERATION, "the line is over the limit of %d bytes",
                  RPC_LINE_MAX);
        reject(s, NULL, &e);
    }
    return true;
}

/* ------------------------------------------------------------------ to the client */

/* While an order is given to the run, the job reads the run's output to find the answer to its order, so the output
 * has to go somewhere. */
static bool may_send(const struct server *s, const struct call *c, bool needs_window)
{
    return !needs_window || !c->has_window || c->window > 0 || s->closing ||
           (c->is_run && c->holder == HOLDER_JOB && !c->ended);
}

/* Called with the lock. */
static bool fill_from(struct server *s, struct queue *q, struct call *c)
{
    size_t added = 0;
    bool needs_window, failed = false;
    while (added < TURN_MAX && queue_has(q, &needs_window) &&
           (!c || may_send(s, c, needs_window))) {
        size_t cost;
        char *line = queue_take(q, c ? c->id : NULL, &cost, &failed);
        if (c && c->has_window)
            c->window -= cost < c->window ? cost : c->window;
        size_t length = line ? strlen(line) : 0;
        if (length > 0 && !s->mute && !buffer_append(&s->out, line, length))
            failed = true;
        free(line);
        added += length;
        if (failed)
            return false;
    }
    return true;
}

/* Lets each call add its turn, as long as there is room. Returns false when memory is out: lines
 * are missing, so the client cannot be served any more. */
static bool fill(struct server *s)
{
    bool fine = true;
    pthread_mutex_lock(&s->lock);
    fine = fill_from(s, &s->general, NULL);
    struct call *c = s->calls;
    for (; c && fine && buffer_length(&s->out) < OUT_LOW; c = c->next)
        fine = fill_from(s, &c->queue, c);
    /* The next round begins where this one ended. */
    if (c && fine && c != s->calls) {
        struct call *first = s->calls, **at = &s->calls;
        while (*at != c)
            at = &(*at)->next;
        *at = NULL;
        *s->last_call = first;
        s->last_call = at;
        s->calls = c;
    }
    pthread_cond_broadcast(&s->drained);
    pthread_mutex_unlock(&s->lock);
    return fine;
}

/* Frees the calls whose response has been taken. */
static void remove_answered(struct server *s)
{
    struct call **at = &s->calls;
    while (*at) {
        struct call *c = *at;
        if (c->answered && !c->queue.first) {
            *at = c->next;
            s->call_count--;
            call_free(c);
        } else {
            at = &c->next;
        }
    }
    s->last_call = at;
}

static bool write_out(struct server *s, int out, bool is_socket)
{
    size_t length = buffer_length(&s->out);
    ssize_t n = is_socket
                    ? send(out, buffer_data(&s->out), length, MSG_DONTWAIT | MSG_NOSIGNAL)
                    : write(out, buffer_data(&s->out), length < WRITE_MAX ? length : WRITE_MAX);
    if (n > 0)
        buffer_consume(&s->out, (size_t)n);
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* ------------------------------------------------------------------ the loop */

static void dispatch_runs(struct server *s)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(s->epoll, events, EVENTS, 0);
    for (int i = 0; i < count; i++)
        runs_dispatch(events[i].data.ptr);
}

static void close_client(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_broadcast(&s->drained);
    pthread_mutex_unlock(&s->lock);
    for (struct call *c = s->calls; c; c = c->next)
        if (!c->answered && strcmp(c->method->name, "attach") != 0)
            call_cancel(c);
}

static void mute(struct server *s)
{
    s->mute = true;
    buffer_clear(&s->out);
}

/* Whether runs that have to end with us are still there. */
static bool has_runs(const struct server *s)
{
    for (const struct call *c = s->calls; c; c = c->next)
        if (c->is_run && !c->answered && strcmp(c->method->name, "attach") != 0)
            return true;
    return false;
}

static bool has_answers(const struct server *s)
{
    for (const struct call *c = s->calls; c; c = c->next)
        if (c->queue.first)
            return true;
    return false;
}

static void run_loop(struct server *s, int in, int out)
{
    struct reader reader;
    struct stat st;
    bool is_socket = fstat(out, &st) == 0 && S_ISSOCK(st.st_mode);
    int64_t deadline = IO_NO_DEADLINE;
    reader_init(&reader, RPC_LINE_MAX);
    for (;;) {
        if (!fill(s) && !s->mute)
            mute(s);
        remove_answered(s);
        for (struct call *c = s->calls; c; c = c->next)
            if (c->is_run)
                runs_watch(c);
        if (s->mute && !s->closing)
            close_client(s);
        if (s->closing && deadline == IO_NO_DEADLINE)
            deadline = clock_ms() + CLOSE_MS;
        if (s->closing && !has_runs(s)) {
            int64_t flush = clock_ms() + FLUSH_MS;
            deadline = flush < deadline ? flush : deadline;
            if (s->mute || (buffer_length(&s->out) == 0 && !has_answers(s)))
                break;
        }
        if (clock_ms() >= deadline)
            break;
        /* A client that does not take its answers is not asked for more requests. */
        bool full = buffer_length(&s->out) >= OUT_LOW;
        bool pending = buffer_length(&s->out) > 0;
        struct pollfd p[4] = {
            {s->closing || full ? -1 : in, POLLIN, 0},
            {s->mute ? -1 : out, pending ? POLLOUT : 0, 0},
            {s->wake, POLLIN, 0},
            {s->epoll, POLLIN, 0},
        };
        if (poll(p, 4, io_poll_timeout(deadline)) < 0)
            continue;
        if (p[2].revents) {
            uint64_t count;
            if (read(s->wake, &count, sizeof(count)) < 0)
                continue;
            jobs_finish(s);
        }
        if (p[1].revents && (!pending || !write_out(s, out, is_socket)))
            mute(s);
        if (p[3].revents)
            dispatch_runs(s);
        if (p[0].revents && !read_requests(s, &reader, in))
            close_client(s);
    }
    reader_free(&reader);
}

/* A thousand runs need more files than the usual soft limit allows. */
static void raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

int rpc_serve(int in, int out, lrun_error *err)
{
    struct server *s = &server;
    *s = (struct server){.loop = pthread_self(), .wake = -1, .epoll = -1};
    s->last_call = &s->calls;
    s->general.format = LOG_NONE;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->drained, NULL);
    buffer_init(&s->out, OUT_LOW + 2 * RPC_LINE_MAX);
    json_object_seed(0); /* before there are threads */
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);
    if (server_init_runner(s, err) < 0)
        return -1;
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->wake < 0 || s->epoll < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make the loop's files");
    if (!queue_line(&s->general, message_event(NULL, "hello", method_hello()), 0))
        return error_oom(err, OPERATION);
    run_loop(s, in, out);
    return 0;
}
