/* SPDX-License-Identifier: MIT */
#include "run/control.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "run/caller.h"
#include "json/error_json.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define OPERATION "control"

/* How many clients may be connected, the longest frame that a client may send, and how long (ms) an
 * outcome waits for a client that does not read. */
enum { CLIENTS_MAX = 256, REQUEST_MAX = 4096, ANNOUNCE_TIMEOUT = 2000 };

struct client {
    int fd; /* -1: this slot is free */
    bool waits;
    bool follows;  /* it must be told when the kept output grows */
    uint64_t told; /* control.appends when it was last told */
    int passed;    /* the fd that came with its last bytes; -1: none */
    bool asked;    /* it has sent control.question, which is answered later */
    struct buffer in;
};

struct control {
    int epoll;
    int listener;
    int dirfd;
    char name[64];
    uint64_t appends; /* to the kept output */
    char question[REQUEST_MAX];
    uint32_t question_length;
    struct client clients[CLIENTS_MAX];
};

/*
 * Listens at <id>.sock of the folder. The socket gets that name only once it listens. Before that
 * it refuses connections, just like the socket of a dead process.
 */
static int listen_in(int dirfd, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char temporary[80];
    snprintf(temporary, sizeof(temporary), ".%s.tmp", name);
    /* Bind through the folder's fd, because the folder's own path may be longer than a socket
     * address. */
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dirfd,
                     temporary);
    if (n < 0 || (size_t)n >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlinkat(dirfd, temporary, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -1;
    if (listen(fd, CLIENTS_MAX) < 0 || renameat(dirfd, temporary, dirfd, name) < 0) {
        int saved = errno;
        unlinkat(dirfd, temporary, 0);
        errno = saved;
        return -1;
    }
    return steal_fd(&fd);
}

static int watch(struct control *c, int fd, uint32_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event);
}

int control_open(struct control **out, int dirfd, const char *id, lrun_error *err)
{
    struct control *c = calloc(1, sizeof(*c));
    if (!c)
        return error_oom(err, OPERATION);
    c->listener = c->dirfd = -1;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        c->clients[i].fd = c->clients[i].passed = -1;
    snprintf(c->name, sizeof(c->name), "%s.sock", id);
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
    c->listener = listen_in(dirfd, c->name);
    if (c->epoll < 0 || c->dirfd < 0 || c->listener < 0 || watch(c, c->listener, CLIENTS_MAX) < 0) {
        error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot listen at '%s'", c->name);
        control_close(c);
        return -1;
    }
    *out = c;
    return 0;
}

int control_fd(const struct control *c)
{
    return c ? c->epoll : -1;
}

static void drop(struct client *k)
{
    cleanup_close_fd(&k->fd);
    cleanup_close_fd(&k->passed);
    buffer_free(&k->in);
    k->waits = k->asked = k->follows = false;
    k->told = 0;
}

static bool is_allowed(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void accept_one(struct control *c)
{
    cleanup_close int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || !is_allowed(fd))
        return;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *k = &c->clients[i];
        if (k->fd >= 0)
            continue;
        if (watch(c, fd, i) == 0) {
            k->fd = steal_fd(&fd);
            buffer_init(&k->in, REQUEST_MAX + FRAME_HEADER_SIZE);
        }
        return;
    }
}

/* Returns false if the client does not accept it in time, or is gone. */
static bool send_frame(int fd, enum frame_type type, const char *text, int64_t deadline)
{
    char header[FRAME_HEADER_SIZE];
    frame_header(header, type, FRAME_SANDBOX, (uint32_t)strlen(text));
    return io_write_all(fd, header, sizeof(header), deadline) == 0 &&
           io_write_all(fd, text, strlen(text), deadline) == 0;
}

/* The answer is small: a client that has no room for it does not read at all. */
static void answer(struct client *k, const struct frame *f, const lrun_error *failed)
{
    cleanup_free char *text = caller_answer_text(f, failed);
    if (!text || !send_frame(k->fd, FRAME_CONTROLLED, text, clock_ms()))
        drop(k);
}

void control_answer_later(struct control *c, const lrun_error *failed)
{
    for (size_t i = 0; c && i < CLIENTS_MAX; i++) {
        struct client *k = &c->clients[i];
        const struct frame f = {
            .type = FRAME_CONTROL, .length = c->question_length, .payload = c->question};
        if (k->fd < 0 || !k->asked)
            continue;
        k->asked = false;
        answer(k, &f, failed);
    }
}

/* Tells a client once; it must send FOLLOW again before it is told again. */
static void tell_grown(struct control *c, struct client *k)
{
    k->follows = false;
    k->told = c->appends;
    if (!send_frame(k->fd, FRAME_LOG_GROWN, "", clock_ms()))
        drop(k);
}

void control_log_grown(struct control *c, uint64_t appends)
{
    if (!c || c->appends == appends)
        return;
    c->appends = appends;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (c->clients[i].fd >= 0 && c->clients[i].follows)
            tell_grown(c, &c->clients[i]);
}

static void follow(struct control *c, struct client *k)
{
    k->follows = true;
    /* The output may have grown after we told the client and after the client read it. */
    if (c->appends > k->told)
        tell_grown(c, k);
}

static void take_frames(struct control *c, struct client *k, control_fn act, void *user)
{
    struct frame f;
    enum frame_status status;
    while (k->fd >= 0 && (status = frame_peek(&k->in, REQUEST_MAX, &f)) != FRAME_PARTIAL) {
        bool follows = status == FRAME_OK && f.type == FRAME_FOLLOW && f.length == 0;
        if (status == FRAME_BROKEN || (f.type != FRAME_CONTROL && !follows)) {
            drop(k);
            return;
        }
        if (follows) {
            follow(c, k);
            if (k->fd < 0)
                return;
        } else if (f.length == 0) {
            k->waits = true;
        } else {
            lrun_error e = {0};
            int rc = act(user, &f, &e);
            if (rc > 0) {
                memcpy(c->question, f.payload, f.length);
                c->question_length = f.length;
                k->asked = true;
            } else {
                answer(k, &f, rc < 0 ? &e : NULL);
                if (k->fd < 0)
                    return;
            }
        }
        frame_consume(&k->in, &f);
    }
}

static bool is_task(const struct client *k)
{
    uint8_t type = (uint8_t)buffer_data(&k->in)[0];
    return type == FRAME_EXEC || type == FRAME_COPY_IN || type == FRAME_COPY_OUT ||
           type == FRAME_FILE;
}

static void read_client(struct control *c, struct client *k, control_fn act, control_adopt_fn adopt,
                        void *user)
{
    size_t room = buffer_room(&k->in);
    char *to = room ? buffer_reserve(&k->in, room) : NULL;
    bool first = buffer_length(&k->in) == 0;
    ssize_t n = to ? caller_receive(k->fd, to, room, &k->passed) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(k);
        return;
    }
    buffer_commit(&k->in, (size_t)n);
    if (adopt && first && is_task(k)) {
        epoll_ctl(c->epoll, EPOLL_CTL_DEL, k->fd, NULL);
        adopt(user, steal_fd(&k->fd), &k->in, steal_fd(&k->passed));
        drop(k);
        return;
    }
    take_frames(c, k, act, user);
}

void control_serve(struct control *c, control_fn act, control_adopt_fn adopt, void *user)
{
    struct epoll_event events[8];
    int count = epoll_wait(c->epoll, events, 8, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 == CLIENTS_MAX)
            accept_one(c);
        else
            read_client(c, &c->clients[events[i].data.u32], act, adopt, user);
    }
}

void control_announce(struct control *c, enum frame_type type, const char *text)
{
    int64_t deadline = clock_ms() + ANNOUNCE_TIMEOUT;
    for (size_t i = 0; c && i < CLIENTS_MAX; i++)
        if (c->clients[i].fd >= 0 && c->clients[i].waits)
            send_frame(c->clients[i].fd, type, text, deadline);
}

void control_close(struct control *c)
{
    if (!c)
        return;
    if (c->listener >= 0)
        unlinkat(c->dirfd, c->name, 0);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (c->clients[i].fd >= 0)
            drop(&c->clients[i]);
    cleanup_close_fd(&c->listener);
    cleanup_close_fd(&c->epoll);
    cleanup_close_fd(&c->dirfd);
    free(c);
}
