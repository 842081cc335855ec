/* SPDX-License-Identifier: MIT */
/*
 * Sends any bytes to the socket of a detached run. The first byte says how many bytes are sent at
 * once. Each order gets exactly one answer. A client that breaks the protocol is disconnected. No
 * order sets a grace that never ends.
 */
#include "fuzz_folder.h"

#include "run/phases.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ID "light-runner-0123456789ab"

enum { SAID_MAX = 65536, TURNS_MAX = 70000 };

static int call(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    PROMISE(snprintf(address.sun_path, sizeof(address.sun_path), "%s/" ID ".sock", fuzz_folder) >
            0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    PROMISE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

static size_t acted;

static int act(void *user, const struct frame *f, lrun_error *err)
{
    acted++;
    PROMISE(f->type == FRAME_CONTROL && f->length > 0);
    return phase_control(user, f, err);
}

static int pause_engine(struct sandbox *s, bool on, lrun_error *err)
{
    (void)s;
    return on ? 0 : error_set(err, LRUN_INTERNAL, "pause", "it cannot be thawed");
}

static void kill_engine(struct sandbox *s)
{
    (void)s;
}

/* Reads the answers that have come. Returns false once no more will come. */
static bool hear(int fd, struct buffer *in, size_t *answers)
{
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n > 0)
        PROMISE(buffer_append(in, chunk, (size_t)n));
    struct frame f;
    enum frame_status status;
    while ((status = frame_peek(in, SAID_MAX, &f)) == FRAME_OK) {
        PROMISE(f.type == FRAME_CONTROLLED);
        json_t *document = json_loadb(f.payload, f.length, 0, NULL);
        PROMISE(json_is_object(document));
        json_decref(document);
        (*answers)++;
        frame_consume(in, &f);
    }
    PROMISE(status == FRAME_PARTIAL);
    return n > 0 || (n < 0 && errno == EAGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > SAID_MAX)
        return 0;
    const struct sandbox_ops ops = {.pause = pause_engine, .kill = kill_engine};
    struct sandbox sandbox = {.ops = &ops};
    struct supervisor s = {.phase = PHASE_RUN,
                           .sandbox = &sandbox,
                           .command = {.number = FRAME_COMMAND, .kill_at = IO_NO_DEADLINE}};
    buffer_init(&s.link.out, SAID_MAX * 4);
    struct control *control;
    lrun_error err = {0};
    PROMISE(control_open(&control, fuzz_folder_open(NULL), ID, &err) == 0);
    cleanup_close int fd = call();
    cleanup_buffer struct buffer in;
    buffer_init(&in, SAID_MAX);
    size_t piece = 1 + (size_t)data[0] * 16, at = 1, answers = 0;
    bool open = true;
    acted = 0;
    for (int turn = 0; open && turn < TURNS_MAX; turn++) {
        size_t left = size - at, n = left < piece ? left : piece;
        ssize_t said = n ? send(fd, data + at, n, MSG_NOSIGNAL) : 0;
        at += said > 0 ? (size_t)said : 0;
        if (at == size)
            shutdown(fd, SHUT_WR);
        struct pollfd p[2] = {{control_fd(control), POLLIN, 0}, {fd, POLLIN, 0}};
        /* The fuzzing engine's timer interrupts poll(). */
        PROMISE(poll(p, 2, 1000) >= 0 || errno == EINTR);
        control_serve(control, act, NULL, &s);
        open = hear(fd, &in, &answers);
    }
    PROMISE(!open && answers <= acted && answers + 1 >= acted);
    PROMISE(s.phase == PHASE_RUN || s.phase == PHASE_END);
    PROMISE(s.command.kill_at == IO_NO_DEADLINE ||
            s.command.kill_at <= clock_ms() + CONTROL_GRACE_MAX_MS);
    control_close(control);
    PROMISE(fuzz_folder_is_empty());
    buffer_free(&s.link.out);
    return 0;
}
