/* SPDX-License-Identifier: MIT */
#include "logs.h"

#include "attach.h"
#include "lines.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/log.h"
#include "wire/state.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define OPERATION "logs"

int logs_open(int state_dir, const char *id)
{
    char name[64];
    snprintf(name, sizeof(name), "%.40s.log", id);
    return openat(state_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* The lines of a stream, each with the time of the piece in which it began. */
struct timed {
    struct lines lines;
    const lrun_logs_options *options;
    int64_t began; /* of the unfinished line */
    int64_t now;   /* of the current piece */
};

static void on_line(void *user, lrun_stream stream, const char *data, size_t length)
{
    struct timed *t = user;
    if (t->began >= t->options->since_ms)
        t->options->on_line(t->options->user, stream, t->began, data, length);
    /* The next line begins after this one, in the current piece. */
    t->began = t->now;
}

static void push(struct timed *t, const struct log_piece *p)
{
    if (buffer_length(&t->lines.held) == 0)
        t->began = p->time_ms;
    t->now = p->time_ms;
    lines_push(&t->lines, p->data, p->length);
}

static int drain(struct log_reader *reader, struct timed streams[2], lrun_error *err)
{
    struct log_piece piece;
    int more;
    while ((more = log_reader_next(reader, &piece)) > 0)
        push(&streams[piece.stream == LRUN_STDERR], &piece);
    return more < 0 ? error_set(err, LRUN_IO_FAILED, OPERATION, "the file of the output is damaged")
                    : 0;
}

/* Reads until the supervisor closes its socket, which it does once all output is kept. */
static int follow(struct log_reader *reader, struct timed streams[2], int socket,
                  const lrun_logs_options *o, lrun_error *err)
{
    char told[64 * FRAME_HEADER_SIZE];
    ssize_t n = 1;
    do {
        /* Ask before reading the file: later output is announced again. */
        if (n > 0 && attach_follow(socket) < 0)
            return 0;
        if (drain(reader, streams, err) < 0)
            return -1;
        struct pollfd p[2] = {{socket, POLLIN, 0}, {o->cancel_fd, POLLIN, 0}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "poll");
        if (p[1].revents)
            return 0;
        n = recv(socket, told, sizeof(told), MSG_DONTWAIT);
    } while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
    return 0;
}

/* *out is -1 if the run has ended meanwhile: there is nothing to wait for. */
static int open_follow(int *out, int dir, const char *id, lrun_error *err)
{
    *out = attach_connect(dir, id);
    int failed = errno;
    if (*out >= 0)
        return 0;
    json_t *state;
    bool lost;
    int rc = attach_look(&state, &lost, dir, id, failed, clock_ms() + GONE_TIMEOUT_MS, err);
    json_decref(state);
    return rc == 0 ? attach_unreachable(id, failed, err) : rc < 0 ? -1 : 0;
}

int lrun_logs(const char *id, const lrun_logs_options *options, lrun_error *err)
{
    lrun_logs_options o = LRUN_LOGS_OPTIONS_INIT;
    if (!id || !options)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "id or options is NULL");
    if (runner_take_struct(&o, sizeof(o), options, options->size, "lrun_logs_options", err) < 0)
        return -1;
    if (!o.on_line)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "on_line is NULL");
    cleanup_close int dir = -1, fd = -1, socket = -1;
    json_t *state = NULL;
    if (state_open_dir(&dir, false, err) < 0 || state_read(&state, dir, id, err) < 0)
        return -1;
    bool running = state && state_is_running(state);
    json_decref(state);
    if (!state) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "there is no detached run '%.60s'", id);
        return error_hint(err, "light-runner ls shows them");
    }
    fd = logs_open(dir, id);
    if (fd < 0)
        return errno == ENOENT ? 0
                               : error_errno(err, LRUN_IO_FAILED, OPERATION, errno,
                                             "cannot open the output of '%.60s'", id);
    if (o.follow && running && open_follow(&socket, dir, id, err) < 0)
        return -1;
    struct log_reader reader;
    struct timed streams[2] = {{.options = &o}, {.options = &o}};
    log_reader_init(&reader, fd);
    lines_init(&streams[0].lines, LRUN_STDOUT, on_line, &streams[0]);
    lines_init(&streams[1].lines, LRUN_STDERR, on_line, &streams[1]);
    int rc = socket >= 0 ? follow(&reader, streams, socket, &o, err) : 0;
    if (rc == 0)
        rc = drain(&reader, streams, err);
    for (int i = 0; i < 2; i++) {
        lines_finish(&streams[i].lines);
        lines_free(&streams[i].lines);
    }
    log_reader_free(&reader);
    return rc;
}
