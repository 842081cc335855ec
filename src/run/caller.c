/* SPDX-License-Identifier: MIT */
#include "run/caller.h"

#include "base/cleanup.h"
#include "json/error_json.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

enum { READ_SIZE = 16 * 1024 };

/* ms. The grace of a stop that names none. */
enum { STOP_GRACE = 10000 };

void caller_init(struct caller *c, int socket, bool logs, uint64_t max_log_bytes)
{
    *c = (struct caller){.socket = socket, .passed = -1};
    output_init(&c->output, socket, logs, max_log_bytes);
    buffer_init(&c->said, CALLER_FRAME_MAX + FRAME_HEADER_SIZE);
    buffer_init(&c->asked, CALLER_FRAME_MAX + FRAME_HEADER_SIZE);
}

void caller_free(struct caller *c)
{
    output_free(&c->output);
    buffer_free(&c->said);
    buffer_free(&c->asked);
    cleanup_close_fd(&c->passed);
    c->socket = -1;
}

short caller_events(const struct caller *c)
{
    return (short)(POLLIN | (output_pending(&c->output) ? POLLOUT : 0));
}

void caller_leave(struct caller *c)
{
    c->gone = true;
    c->output.socket = -1;
}

static void take_passed(struct msghdr *message, int *passed)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
        head->cmsg_len != CMSG_LEN(sizeof(int)))
        return;
    cleanup_close_fd(passed);
    memcpy(passed, CMSG_DATA(head), sizeof(int));
}

ssize_t caller_receive(int socket, void *to, size_t room, int *passed)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {to, room};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n > 0)
        take_passed(&message, passed);
    return n;
}

bool caller_read(struct caller *c)
{
    size_t room = buffer_room(&c->said) < READ_SIZE ? buffer_room(&c->said) : READ_SIZE;
    char *to = room ? buffer_reserve(&c->said, room) : NULL;
    ssize_t n = to ? caller_receive(c->socket, to, room, &c->passed) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        caller_leave(c);
        return false;
    }
    buffer_commit(&c->said, (size_t)n);
    return true;
}

char *caller_answer_text(const struct frame *f, const lrun_error *failed)
{
    json_t *request = json_loadb(f->payload, f->length, JSON_REJECT_DUPLICATES, NULL);
    json_t *number = json_object_get(request, "number");
    json_t *document = json_object();
    int rc = document ? 0 : -1;
    if (json_is_integer(number))
        rc |= json_object_set(document, "number", number);
    if (failed)
        rc |= json_object_set_new(document, "error", error_to_json(failed));
    char *text = rc == 0 ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    json_decref(request);
    return text;
}

void caller_answer(struct caller *c, const struct frame *f, const lrun_error *failed)
{
    cleanup_free char *text = caller_answer_text(f, failed);
    if (text)
        output_frame(&c->output, FRAME_CONTROLLED, FRAME_SANDBOX, text, strlen(text), NULL);
}

void caller_keep(struct caller *c, const struct frame *f)
{
    buffer_clear(&c->asked);
    frame_append(&c->asked, FRAME_CONTROL, FRAME_SANDBOX, f->payload, f->length);
}

void caller_answer_later(struct caller *c, const lrun_error *failed)
{
    struct frame f;
    if (frame_peek(&c->asked, CALLER_FRAME_MAX, &f) != FRAME_OK)
        return;
    caller_answer(c, &f, failed);
    buffer_clear(&c->asked);
}

int caller_read_order(struct caller_order *out, const struct frame *f, lrun_error *err)
{
    json_t *document = json_loadb(f->payload, f->length, JSON_REJECT_DUPLICATES, NULL);
    const char *action = json_string_value(json_object_get(document, "action"));
    json_int_t number = SIGTERM, grace = STOP_GRACE, rows = 0, columns = 0;
    int rc = 0;
    if (!action || strlen(action) >= sizeof(out->action))
        rc = error_set(err, LRUN_INVALID_ARGUMENT, "control", "unknown action");
    else if (json_unpack(document, "{s?I,s?I}", "signal", &number, "grace", &grace) < 0 ||
             number < 1 || number >= NSIG || grace < 0 || grace > CONTROL_GRACE_MAX_MS)
        rc = error_set(err, LRUN_INVALID_ARGUMENT, "control.stop",
                       "signal: 1 to %d; grace: 0 to %d ms", NSIG - 1, CONTROL_GRACE_MAX_MS);
    else if (json_unpack(document, "{s?I,s?I}", "rows", &rows, "columns", &columns) < 0 ||
             rows < 0 || rows > UINT16_MAX || columns < 0 || columns > UINT16_MAX)
        rc = error_set(err, LRUN_INVALID_ARGUMENT, "control.resize", "rows, columns: 0 to %d",
                       UINT16_MAX);
    if (rc == 0) {
        strcpy(out->action, action);
        out->rows = (unsigned)rows;
        out->columns = (unsigned)columns;
        out->signal = (int)number;
        out->grace = (int64_t)grace;
    }
    json_decref(document);
    return rc;
}
