/* SPDX-License-Identifier: MIT */
#include "engine/docker/relay.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/docker/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#define OPERATION "docker.start"

/* In ms. ATTACH_TIMEOUT is for the answer to the attach. The supervisor's own
 * deadline covers the start. */
enum { ATTACH_TIMEOUT = 30000, INSPECT_TIMEOUT = 5000 };

enum { CHUNK = 256 * 1024, HEAD_MAX = 16 * 1024 };

/* The relay's ends of the pipes. */
struct ends {
    int in, out, text, facts;
};

/* One direction: the data that has been read and not yet written. */
struct lane {
    char *data;
    size_t at, end;
};

struct connection {
    CURL *curl;
    int socket;
    struct ends ends;
    struct stream stream;
    struct lane down, up; /* from the daemon, to the daemon */
    bool input_over;
};

/* ---------------------------------------------------------------- to the daemon */

static int send_all(struct connection *c, const char *data, size_t length)
{
    int64_t deadline = clock_ms() + ATTACH_TIMEOUT;
    while (length > 0) {
        size_t n = 0;
        CURLcode code = curl_easy_send(c->curl, data, length, &n);
        if (code == CURLE_AGAIN) {
            struct pollfd p = {c->socket, POLLOUT, 0};
            if (poll(&p, 1, io_poll_timeout(deadline)) <= 0)
                return -1;
            continue;
        }
        if (code != CURLE_OK)
            return -1;
        data += n;
        length -= n;
    }
    return 0;
}

/* Reads the answer's head; data that follows it stays in c->down. Returns the status;
 * -1: there was none. */
static long receive_head(struct connection *c)
{
    int64_t deadline = clock_ms() + ATTACH_TIMEOUT;
    struct lane *d = &c->down;
    for (;;) {
        size_t n = 0;
        CURLcode code = curl_easy_recv(c->curl, d->data + d->end, HEAD_MAX - d->end, &n);
        if (code == CURLE_AGAIN) {
            struct pollfd p = {c->socket, POLLIN, 0};
            if (poll(&p, 1, io_poll_timeout(deadline)) <= 0)
                return -1;
            continue;
        }
        if (code != CURLE_OK || n == 0)
            return -1;
        d->end += n;
        long status = stream_head(d->data, d->end, &d->at);
        if (status != 0 || d->end == HEAD_MAX)
            return status != 0 ? status : -1;
    }
}

static void say(const struct connection *c, const char *text)
{
    (void)io_write_all(c->ends.text, text, strlen(text), clock_ms() + 1000);
}

/* Reports that the daemon refuses, with its message if that has arrived together with the head. */
static void say_refused(const struct connection *c)
{
    const struct lane *d = &c->down;
    const char *body = memchr(d->data + d->at, '{', d->end - d->at);
    size_t length = body ? (size_t)(d->data + d->end - body) : 0;
    json_t *document = body ? json_loadb(body, length, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    const char *message = json_string_value(json_object_get(document, "message"));
    say(c, "the Docker daemon refuses to attach to the container");
    if (message) {
        say(c, ": ");
        say(c, message);
    }
    say(c, "\n");
    json_decref(document);
}

static int attach(struct connection *c, const struct daemon *d, const char *container)
{
    char request[512];
    int length =
        snprintf(request, sizeof(request),
                 "POST /v1.%u/containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n"
                 "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
                 d->api, container);
    c->curl = curl_easy_init();
    curl_socket_t fd = -1;
    if (!c->curl || !http_address(c->curl, &d->endpoint) ||
        curl_easy_setopt(c->curl, CURLOPT_URL, d->endpoint.url) != CURLE_OK ||
        curl_easy_setopt(c->curl, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK ||
        curl_easy_perform(c->curl) != CURLE_OK ||
        curl_easy_getinfo(c->curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd < 0) {
        say(c, "the Docker daemon does not answer\n");
        return -1;
    }
    c->socket = fd;
    if (send_all(c, request, (size_t)length) < 0) {
        say(c, "the Docker daemon does not accept the attach\n");
        return -1;
    }
    long status = receive_head(c);
    /* 200 is the status of daemons that do not know upgrades. */
    if (status == 101 || status == 200)
        return 0;
    say_refused(c);
    return -1;
}

/* Tells the supervisor about a container on this machine, so that it need not ask
 * the daemon itself. */
static void tell_facts(const struct connection *c, struct daemon *d, const char *container)
{
    struct http_request request = {
        .operation = OPERATION, .method = "GET", .timeout_ms = INSPECT_TIMEOUT};
    cleanup_answer struct http_answer answer = {0};
    lrun_error ignored;
    if (!d->same_machine ||
        daemon_call(d, &request, &answer, &ignored, "/containers/%s/json", container) < 0)
        return;
    const char *id = json_string_value(json_object_get(answer.body, "Id"));
    json_t *pid = json_object_get(json_object_get(answer.body, "State"), "Pid");
    char line[RELAY_FACTS_MAX];
    int n =
        snprintf(line, sizeof(line), "%s %lld\n", id ? id : "", (long long)json_integer_value(pid));
    if (answer.status == 200 && id && n > 0 && (size_t)n < sizeof(line))
        (void)io_write_all(c->ends.facts, line, (size_t)n, clock_ms() + 1000);
}

static int start(struct connection *c, const struct daemon *d, const char *container)
{
    struct http http;
    struct http_answer answer = {0};
    struct http_request request = {.operation = OPERATION, .method = "POST"};
    struct daemon own = *d;
    lrun_error e = {0};
    if (http_open(&http, &d->endpoint, NULL, &e) < 0)
        return -1;
    own.http = http;
    int rc = daemon_call(&own, &request, &answer, &e, "/containers/%s/start", container);
    if (rc == 0 && answer.status != 204 && answer.status != 304)
        rc = daemon_refused(&answer, LRUN_START_FAILED, OPERATION, "start", &e);
    if (rc < 0) {
        say(c, e.message);
        say(c, "\n");
    } else {
        tell_facts(c, &own, container);
    }
    http_answer_free(&answer);
    http_close(&own.http);
    return rc;
}

/* ---------------------------------------------------------------- both ways */

/* Moves data from the daemon to the pipes. Returns 1: data has moved; 0: none has;
 * -1: the stream is over. */
static int move_down(struct connection *c, int *waits_for)
{
    struct lane *d = &c->down;
    *waits_for = -1;
    if (d->at == d->end) {
        size_t n = 0;
        CURLcode code = curl_easy_recv(c->curl, d->data, CHUNK, &n);
        if (code == CURLE_AGAIN)
            return 0;
        if (code != CURLE_OK || n == 0)
            return -1;
        d->at = 0;
        d->end = n;
    }
    size_t taken, payload;
    int which;
    if (!stream_next(&c->stream, d->data + d->at, d->end - d->at, &taken, &which, &payload))
        return -1;
    d->at += taken;
    if (payload == 0)
        return 1;
    int to = which == STREAM_STDOUT ? c->ends.out : c->ends.text;
    ssize_t n = write(to, d->data + d->at, payload);
    if (n < 0 && errno == EAGAIN) {
        *waits_for = to;
        return 0;
    }
    /* A closed pipe of stderr must not end the run. */
    if (n < 0 && to == c->ends.text)
        n = (ssize_t)payload;
    if (n < 0)
        return errno == EINTR ? 1 : -1;
    stream_advance(&c->stream, (size_t)n);
    d->at += (size_t)n;
    return 1;
}

static int move_up(struct connection *c, bool *waits)
{
    struct lane *u = &c->up;
    *waits = false;
    if (u->at == u->end) {
        if (c->input_over)
            return 0;
        ssize_t n = read(c->ends.in, u->data, CHUNK);
        if (n < 0)
            return errno == EINTR ? 1 : errno == EAGAIN ? 0 : -1;
        if (n == 0) {
            /* No half-close is needed, because the agent's frames mark the end of the input. */
            c->input_over = true;
            return 0;
        }
        u->at = 0;
        u->end = (size_t)n;
    }
    size_t n = 0;
    CURLcode code = curl_easy_send(c->curl, u->data + u->at, u->end - u->at, &n);
    if (code == CURLE_AGAIN) {
        *waits = true;
        return 0;
    }
    if (code != CURLE_OK) {
        /* Continue, because the container's last output has yet to be read. */
        c->input_over = true;
        u->at = u->end;
        return 0;
    }
    u->at += n;
    return 1;
}

static void loop(struct connection *c)
{
    for (;;) {
        int pipe_full;
        bool socket_full;
        int down = move_down(c, &pipe_full);
        int up = down < 0 ? -1 : move_up(c, &socket_full);
        if (down < 0 || up < 0)
            return;
        if (down > 0 || up > 0)
            continue;
        bool up_waits = c->up.at < c->up.end;
        short wanted = (short)((pipe_full < 0 ? POLLIN : 0) | (socket_full ? POLLOUT : 0));
        struct pollfd p[] = {
            /* Leave the socket out while nothing is wanted from it: poll() would
             * report its end forever. */
            {wanted ? c->socket : -1, wanted, 0},
            {pipe_full, POLLOUT, 0},
            {c->input_over || up_waits ? -1 : c->ends.in, POLLIN, 0},
        };
        /* No deadline: the relay ends with the container or with the supervisor. */
        if (poll(p, 3, -1) < 0 && errno != EINTR)
            return;
    }
}

static _Noreturn void run_child(const struct daemon *d, const char *container,
                                const struct ends *given)
{
    enum { FIRST = 3, LAST = 6 };
    struct connection c = {.socket = -1};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* First move the fds away from the numbers that they will get. */
    int in = fcntl(given->in, F_DUPFD_CLOEXEC, 64), out = fcntl(given->out, F_DUPFD_CLOEXEC, 64);
    int text = fcntl(given->text, F_DUPFD_CLOEXEC, 64);
    int facts = fcntl(given->facts, F_DUPFD_CLOEXEC, 64);
    for (int fd = 0; fd < FIRST; fd++)
        if (dup2(null, fd) < 0)
            _exit(1);
    c.ends = (struct ends){dup3(in, FIRST, O_CLOEXEC), dup3(out, FIRST + 1, O_CLOEXEC),
                           dup3(text, FIRST + 2, O_CLOEXEC), dup3(facts, LAST, O_CLOEXEC)};
    /* Close everything else, above all the caller's socket: the caller must see when
     * the supervisor ends. */
    if (c.ends.in < 0 || c.ends.out < 0 || c.ends.text < 0 || c.ends.facts < 0 ||
        close_range(LAST + 1, ~0u, 0) < 0)
        _exit(1);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "docker-relay");
    c.down.data = malloc(CHUNK);
    c.up.data = malloc(CHUNK);
    if (!c.down.data || !c.up.data || io_set_nonblock(c.ends.in, true) < 0 ||
        io_set_nonblock(c.ends.out, true) < 0 || io_set_nonblock(c.ends.text, true) < 0 ||
        attach(&c, d, container) < 0 || start(&c, d, container) < 0)
        _exit(1);
    /* libcurl has read what it needs from the environment (a proxy). From now on, data
     * comes from the sandbox. */
    process_forget_environment();
    cleanup_close_fd(&c.ends.facts);
    loop(&c);
    _exit(0);
}

/* ---------------------------------------------------------------- the supervisor's side */

int relay_start(struct process *out, struct relay_pipes *pipes, const struct daemon *daemon,
                const char *container, lrun_error *err)
{
    enum { PIPES = 4 };
    int made[PIPES][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    int rc = 0;
    for (int i = 0; i < PIPES && rc == 0; i++)
        rc = pipe2(made[i], O_CLOEXEC);
    if (rc == 0)
        rc = io_set_nonblock(made[3][0], true);
    if (rc == 0) {
        fcntl(made[0][1], F_SETPIPE_SZ, 1 << 20);
        fcntl(made[1][1], F_SETPIPE_SZ, 1 << 20);
        const struct ends theirs = {made[0][0], made[1][1], made[2][1], made[3][1]};
        pid_t pid = process_clone(out, 0);
        if (pid == 0)
            run_child(daemon, container, &theirs);
        rc = pid < 0 ? -1 : 0;
    }
    int failed = errno;
    for (int i = 0; i < PIPES; i++)
        cleanup_close_fd(&made[i][i != 0]);
    if (rc == 0) {
        *pipes = (struct relay_pipes){made[0][1], made[1][0], made[2][0], made[3][0]};
        return 0;
    }
    for (int i = 0; i < PIPES; i++)
        cleanup_close_fd(&made[i][i == 0]);
    return error_errno(err, LRUN_START_FAILED, OPERATION, failed, "cannot start the relay");
}
