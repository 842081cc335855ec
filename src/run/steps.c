/* SPDX-License-Identifier: MIT */
#include "run/steps.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "host/spawn.h"
#include "image/digest.h"
#include "wire/order.h"
#include "wire/result.h"
#include "wire/supervisor_fds.h"
#include "json/error_json.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define OPERATION "setup.run"

/* ms. The steps may build software; anyone who needs longer can make an image. */
enum {
    SETUP_TIMEOUT = 60 * 60 * 1000,
    SETUP_OVERTIME = 45 * 60 * 1000,
    GRACE = 20000,
    TICK = 200,
    ORDER_TIMEOUT = 10000
};

/* The longest argument in bytes (the kernel's MAX_ARG_STRLEN). */
enum { SCRIPT_MAX = 128 * 1024 - 1 };

/* Bytes of the steps' output that an error quotes. */
enum { TAIL_MAX = 400 };

/* -------------------------------------------------------------- the name */

static const char version[] = "light-runner setup 2";

/* Steps always use this tier: files written under a separate kernel cannot be read from outside.
 * request_options.c rejects all others. */
static const char tier[] = "runc";

const char *steps_tier(const struct request *r)
{
    return r->run ? tier : NULL;
}

const char *steps_network(const struct request *r)
{
    return !r->run ? NULL : r->setup_network ? r->setup_network : ENGINE_NETWORK_DEFAULT;
}

/* The name depends on how the steps are run: an image of steps with a network must not serve a
 * run that allows them none. Each step is preceded by its length, so that no two lists look the
 * same. */
static int make_name(char out[IMAGE_NAME_MAX + 1], const struct request *r, const char *digest,
                     lrun_error *err)
{
    cleanup_buffer struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    char egress[16];
    snprintf(egress, sizeof(egress), "%u", r->allow_egress);
    const char *const parts[] = {version, steps_tier(r), steps_network(r), egress, digest};
    bool fits = true;
    for (size_t i = 0; fits && i < sizeof(parts) / sizeof(parts[0]); i++)
        fits = buffer_append(&text, parts[i], strlen(parts[i]) + 1);
    for (char **step = r->run; fits && *step; step++) {
        char length[24];
        int n = snprintf(length, sizeof(length), "%zu:", strlen(*step));
        fits =
            buffer_append(&text, length, (size_t)n) && buffer_append(&text, *step, strlen(*step));
    }
    if (!fits)
        return error_oom(err, OPERATION);
    char hex[IMAGE_HEX_LENGTH + 1];
    if (digest_of_text(hex, buffer_data(&text), buffer_length(&text), err) < 0)
        return -1;
    snprintf(out, IMAGE_NAME_MAX + 1, ENGINE_SETUP_REPOSITORY ":%.*s", ORDER_COMMIT_DIGITS, hex);
    return 0;
}

static size_t quoted_length(const char *text)
{
    size_t length = 2;
    for (; *text; text++)
        length += *text == '\'' ? 4 : 1;
    return length;
}

static char *quote(char *to, const char *text)
{
    *to++ = '\'';
    for (; *text; text++) {
        if (*text == '\'') {
            memcpy(to, "'\\''", 4);
            to += 4;
        } else {
            *to++ = *text;
        }
    }
    *to++ = '\'';
    return to;
}

char *steps_script(char *const *steps)
{
    static const char shell[] = "sh -c ", next[] = " && ";
    size_t length = 1;
    for (char *const *s = steps; *s; s++)
        length += sizeof(shell) + sizeof(next) + quoted_length(*s);
    char *script = malloc(length), *to = script;
    for (char *const *s = steps; script && *s; s++) {
        if (s != steps)
            to = stpcpy(to, next);
        to = quote(stpcpy(to, shell), *s);
    }
    if (script)
        *to = '\0';
    return script;
}

/* -------------------------------------------------------------- the run */

struct steps {
    struct watch *watch;
    struct process child;
    int socket;
    struct buffer in;
    char tail[2 * TAIL_MAX + 1]; /* the end of the steps' output */
    size_t tail_length;
    bool done; /* `result` or `error` is the outcome */
    lrun_result *result;
    lrun_error error;
};

static void steps_free(struct steps *s)
{
    /* Once its socket is closed, the supervisor cleans up and exits. If it has to be killed, its
     * sandbox dies with it. */
    struct process_status status;
    cleanup_close_fd(&s->socket);
    if (s->child.pidfd >= 0)
        (void)process_wait(&s->child, clock_ms() + GRACE, &status);
    process_destroy(&s->child);
    buffer_free(&s->in);
    lrun_result_free(s->result);
}

static void keep_tail(struct steps *s, const char *data, size_t length)
{
    if (length > TAIL_MAX) {
        data += length - TAIL_MAX;
        length = TAIL_MAX;
    }
    if (s->tail_length + length > sizeof(s->tail) - 1) {
        size_t drop = s->tail_length - TAIL_MAX;
        memmove(s->tail, s->tail + drop, TAIL_MAX);
        s->tail_length = TAIL_MAX;
    }
    memcpy(s->tail + s->tail_length, data, length);
    s->tail_length += length;
    s->tail[s->tail_length] = '\0';
}

static int take_frames(struct steps *s, lrun_error *err)
{
    struct frame f;
    enum frame_status status;
    while ((status = frame_peek(&s->in, FRAME_CALLER_MAX, &f)) == FRAME_OK) {
        if (f.command > FRAME_COMMAND)
            break;
        if (f.type == FRAME_LOG_STDOUT || f.type == FRAME_LOG_STDERR) {
            keep_tail(s, f.payload, f.length);
        } else if (f.type == FRAME_ERROR) {
            error_from_json(&s->error, f.payload, f.length);
            s->done = true;
        } else if (f.type == FRAME_RESULT) {
            if (result_from_json(&s->result, f.payload, f.length, err) < 0)
                return -1;
            s->done = true;
        }
        frame_consume(&s->in, &f);
    }
    return status == FRAME_PARTIAL
               ? 0
               : error_set(err, LRUN_INTERNAL, OPERATION, "the supervisor broke the protocol");
}

static char *order_text(const struct run_order *order)
{
    json_t *document = order_to_json(order);
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    return text;
}

/* Returns the order for a run of the steps, malloc'd. It has the limits of the run that needs the
 * steps, and nothing else of it. */
static char *make_order(const char *id, const struct engine *engine, const struct request *r,
                        const char *digest, const char *commit, lrun_error *err)
{
    cleanup_order struct run_order order = {
        .id = strdup(id),
        .commit = strdup(commit),
        .logs = true,
        .request =
            {
                .runtime = strdup(tier),
                .engine = strdup(engine->ops->name),
                .memory_bytes = r->memory_bytes,
                .cpus = r->cpus,
                /* The limit must allow for a shell, which a run with a lower limit may well do
                 * without. */
                .pids = r->pids > REQUEST_PIDS_DEFAULT ? r->pids : REQUEST_PIDS_DEFAULT,
                .no_new_privileges = r->no_new_privileges,
                .disk_bytes = r->disk_bytes,
                .disk_asked = r->disk_asked,
                .max_extract_bytes = r->max_extract_bytes,
                .max_log_bytes = r->max_log_bytes,
                .allow_unenforced = r->allow_unenforced,
                .allow_egress = r->allow_egress,
                .image = strdup(digest),
                .entrypoint = steps_script(r->run),
                .timeout_ms = SETUP_TIMEOUT,
                .networks = calloc(2, sizeof(char *)),
            },
    };
    struct request *of = &order.request;
    if (of->networks)
        of->networks[0] = strdup(steps_network(r));
    if (!order.id || !order.commit || !of->runtime || !of->engine || !of->image ||
        !of->entrypoint || !of->networks || !of->networks[0]) {
        error_oom(err, OPERATION);
        return NULL;
    }
    if (strlen(of->entrypoint) > SCRIPT_MAX) {
        error_set(err, LRUN_START_FAILED, OPERATION,
                  "run: the setup steps are %zu bytes long as one command; the kernel takes at "
                  "most %d",
                  strlen(of->entrypoint), SCRIPT_MAX);
        return NULL;
    }
    /* Borrowed, only to make the text. */
    of->dns = r->dns;
    char *text = order_text(&order);
    of->dns = NULL;
    if (!text)
        error_oom(err, OPERATION);
    return text;
}

static int send_order(const struct steps *s, const char *text, lrun_error *err)
{
    char header[FRAME_HEADER_SIZE];
    int64_t deadline = clock_ms() + ORDER_TIMEOUT;
    frame_header(header, FRAME_REQUEST, FRAME_SANDBOX, (uint32_t)strlen(text));
    return io_write_all(s->socket, header, sizeof(header), deadline) < 0 ||
                   io_write_all(s->socket, text, strlen(text), deadline) < 0
               ? error_errno(err, LRUN_INTERNAL, OPERATION, errno,
                             "the supervisor of the setup steps does not take its order")
               : 0;
}

/* Starts this program once more. Only we cancel it, and we do that by closing the socket. */
static int start_supervisor(struct steps *s, const char *id, lrun_error *err)
{
    static const char name[] = "light-runner-supervisor";
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make a socket pair");
    s->socket = pair[0];
    cleanup_close int theirs = pair[1], never = eventfd(0, EFD_CLOEXEC);
    if (never < 0 || io_set_nonblock(s->socket, true) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make an eventfd");
    const char *argv[] = {name, "run", id, NULL};
    const int more[] = {theirs, never, never};
    _Static_assert(SUPERVISOR_CALLER == 3 && SUPERVISOR_CANCEL_SHARED == 4 &&
                       SUPERVISOR_CANCEL == 5,
                   "the fds behind stderr");
    const struct spawn spawn = {
        .program = "/proc/self/exe",
        .argv = argv,
        .environment = (const char *const *)environ,
        .stdin_fd = -1,
        .more_fds = more,
        .more_count = sizeof(more) / sizeof(more[0]),
        .capabilities = UINT64_MAX,
        .trusted = true,
    };
    return spawn_start(&spawn, &s->child, err);
}

static int start(struct steps *s, const char *id, const struct engine *engine,
                 const struct request *r, const char *digest, const char *commit, lrun_error *err)
{
    cleanup_free char *text = make_order(id, engine, r, digest, commit, err);
    return !text || start_supervisor(s, id, err) < 0 || send_order(s, text, err) < 0 ? -1 : 0;
}

/* Waits until the outcome has arrived. */
static int wait_for_outcome(struct steps *s, lrun_error *err)
{
    int64_t deadline = clock_ms() + SETUP_TIMEOUT + SETUP_OVERTIME, next = 0;
    while (!s->done) {
        struct pollfd p[] = {{s->socket, POLLIN, 0},
                             {SUPERVISOR_CALLER, POLLIN, 0},
                             {SUPERVISOR_CANCEL_SHARED, POLLIN, 0},
                             {SUPERVISOR_CANCEL, POLLIN, 0}};
        if (poll(p, sizeof(p) / sizeof(p[0]), TICK) < 0 && errno != EINTR)
            return error_errno(err, LRUN_INTERNAL, OPERATION, errno, "poll");
        bool cancel = p[1].revents || p[2].revents || p[3].revents;
        if (cancel || clock_ms() >= next) {
            next = clock_ms() + TICK;
            if (watch_tick(s->watch, 0, 0) != 0)
                return -1;
        }
        if (clock_ms() >= deadline)
            return error_set(err, LRUN_INTERNAL, OPERATION, "the setup steps did not end in time");
        if (!p[0].revents)
            continue;
        size_t room = buffer_room(&s->in), want = room < 65536 ? room : 65536;
        char *to = want ? buffer_reserve(&s->in, want) : NULL;
        if (!to)
            return error_oom(err, OPERATION);
        ssize_t n = recv(s->socket, to, want, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return error_set(err, LRUN_INTERNAL, OPERATION, "the setup ended without a result");
        buffer_commit(&s->in, (size_t)n);
        if (take_frames(s, err) < 0)
            return -1;
    }
    return 0;
}

/* Fails with the end of the steps' output as the reason. That output is hostile. */
static int steps_failed(struct steps *s, lrun_error *err)
{
    char how[96];
    if (s->result->timed_out)
        snprintf(how, sizeof(how), "took longer than %d minutes", SETUP_TIMEOUT / 60000);
    else if (s->result->oom_killed)
        snprintf(how, sizeof(how), "ran out of memory");
    else
        snprintf(how, sizeof(how), "failed with exit code %d", s->result->exit_code);
    const char *tail = s->tail_length > TAIL_MAX ? s->tail + s->tail_length - TAIL_MAX : s->tail;
    cleanup_free char *text = strdup(tail);
    if (!text)
        return error_oom(err, OPERATION);
    for (size_t n = strlen(text); n > 0 && text[n - 1] == '\n'; n--)
        text[n - 1] = '\0';
    text_make_printable(text);
    error_set(err, LRUN_SETUP_FAILED, OPERATION, "run: the setup steps %s%s%s", how,
              text[0] ? ": " : "", text);
    return error_hint(err, "fix the step; the run's --memory and --disk are the steps' too, and "
                           "the image must have sh");
}

static int run_steps(char kernel[STEPS_KERNEL_SIZE], const char *id, const struct engine *engine,
                     const struct request *r, const char *digest, const char *commit,
                     struct watch *watch, lrun_error *err)
{
    __attribute__((cleanup(steps_free))) struct steps s = {
        .watch = watch, .child = {.pidfd = -1}, .socket = -1};
    buffer_init(&s.in, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    watch->what = "setup";
    if (start(&s, id, engine, r, digest, commit, err) < 0 || wait_for_outcome(&s, err) < 0)
        return -1;
    if (!s.result) {
        *err = s.error;
        return -1;
    }
    if (!s.result->success)
        return steps_failed(&s, err);
    snprintf(kernel, STEPS_KERNEL_SIZE, "%s", s.result->isolation->kernel);
    /* The supervisor now exits on its own, and takes everything that it has made with it. */
    struct process_status status;
    if (process_wait(&s.child, clock_ms() + GRACE, &status) < 0)
        return error_errno(err, LRUN_INTERNAL, OPERATION, errno,
                           "the setup steps did not end in time");
    return 0;
}

/* If several runs need the same steps, one executes them; the others wait for it and find them
 * done. */
static int lock_name(int *out, const char *name, struct watch *watch, lrun_error *err)
{
    cleanup_store struct store *store = NULL;
    cleanup_close int fd = -1;
    if (store_open(&store, true, err) < 0 || store_setup_lock(store, &fd, err) < 0)
        return -1;
    const char *hex = strchr(name, ':') + 1;
    char digits[16];
    snprintf(digits, sizeof(digits), "%.15s", hex);
    struct flock lock = {
        .l_type = F_WRLCK, .l_start = (off_t)strtoull(digits, NULL, 16), .l_len = 1};
    watch->what = "setup";
    while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot lock the setup");
        if (watch_tick(watch, 0, 0) != 0)
            return -1;
        poll(NULL, 0, TICK);
    }
    *out = steal_fd(&fd);
    return 0;
}

int steps_image(char **name, char kernel[STEPS_KERNEL_SIZE], const char *id, struct engine *engine,
                const struct request *r, const char *digest, struct watch *watch, lrun_error *err)
{
    char commit[IMAGE_NAME_MAX + 1];
    cleanup_free char *found = NULL;
    cleanup_close int locked = -1;
    if (make_name(commit, r, digest, err) < 0 ||
        engine->ops->find_image(engine, commit, &found, err) < 0)
        return -1;
    if (!found && (lock_name(&locked, commit, watch, err) < 0 ||
                   engine->ops->find_image(engine, commit, &found, err) < 0 ||
                   (!found && run_steps(kernel, id, engine, r, digest, commit, watch, err) < 0)))
        return -1;
    *name = strdup(commit);
    return *name ? 0 : error_oom(err, OPERATION);
}
