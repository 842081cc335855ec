/* SPDX-License-Identifier: MIT */
#include "operations.h"

#include "base/cleanup.h"

#include <stdarg.h>
#include <string.h>

/* How many steps an operation may do before the commands get a turn. */
enum { STEPS = 32 };

static const struct operation_kind *const kinds[] = {
    &extract_kind,    &file_list_kind,   &file_stat_kind, &file_read_kind,
    &file_write_kind, &file_remove_kind, &file_put_kind,
};

static const struct operation_kind *kind_of(uint8_t type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i]->type == type)
            return kinds[i];
    return NULL;
}

/* ---------------------------------------------------------------- for the operations */

enum operation_outcome operation_fail(struct operation *op, int errnum, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(op->reason, sizeof(op->reason), format, ap);
    va_end(ap);
    op->failed = true;
    op->errnum = errnum;
    return OPERATION_ENDS;
}

enum operation_outcome operation_cannot(struct operation *op, const char *what, const char *path)
{
    int errnum = errno;
    return operation_fail(op, errnum, "cannot %s '%.300s': %s", what, path,
                          errnum == EXDEV ? "it leads through one of the kernel's own links"
                                          : strerror(errnum));
}

enum operation_outcome operation_send(struct operation *op, enum frame_type type)
{
    int failed = channel_send_fields(op->channel, type, op->number, &op->fields);
    buffer_clear(&op->fields);
    return failed ? OPERATION_BROKEN : OPERATION_GOES_ON;
}

/* ---------------------------------------------------------------- one operation */

static bool is_missing(int errnum)
{
    return errnum == ENOENT || errnum == ENOTDIR;
}

static bool send_done(struct operation *op)
{
    if (op->failed)
        buffer_clear(&op->fields);
    const char *status = !op->failed ? "ok" : is_missing(op->errnum) ? "missing" : "error";
    return fields_add(&op->fields, "status", status) &&
           (!op->failed || (fields_add(&op->fields, "reason", op->reason) &&
                            fields_add_u64(&op->fields, "errno", (uint64_t)op->errnum))) &&
           operation_send(op, FRAME_DONE) == OPERATION_GOES_ON;
}

static void operation_free(struct operation *op)
{
    if (op->kind->free)
        op->kind->free(op);
    free(op->own);
    buffer_free(&op->fields);
    free(op);
}

static struct operation *operation_new(const struct operations *os, uint16_t number,
                                       const struct operation_kind *kind)
{
    struct operation *op = malloc(sizeof(*op));
    void *own = calloc(1, kind->size);
    if (!op || !own) {
        free(op);
        free(own);
        return NULL;
    }
    *op = (struct operation){.kind = kind,
                             .number = number,
                             .channel = os->channel,
                             .user = os->user,
                             .workdir = os->workdir,
                             .own = own};
    buffer_init(&op->fields, FRAME_AGENT_MAX);
    return op;
}

/* ---------------------------------------------------------------- all of them */

void operations_init(struct operations *os, struct channel *channel, const struct user *user,
                     const struct workdir *workdir)
{
    *os = (struct operations){.channel = channel, .user = user, .workdir = workdir};
}

static size_t find(const struct operations *os, uint16_t number)
{
    size_t i = 0;
    while (i < os->count && os->all[i]->number != number)
        i++;
    return i;
}

/* The operation may end here. Returns -1 if the agent cannot go on. */
static int settle(struct operations *os, size_t i, enum operation_outcome outcome,
                  struct failure *failure)
{
    struct operation *op = os->all[i];
    if (outcome == OPERATION_GOES_ON)
        return 0;
    bool sent = outcome == OPERATION_ENDS && (op->kind->finish ? op->kind->finish : send_done)(op);
    operation_free(op);
    memmove(&os->all[i], &os->all[i + 1], (os->count - i - 1) * sizeof(os->all[0]));
    os->count--;
    return sent ? 0 : failure_errno(failure, "files", ENOMEM, "cannot go on");
}

static int begin(struct operations *os, const struct operation_kind *kind, const struct frame *f,
                 struct failure *failure)
{
    if (find(os, f->command) < os->count)
        return failure_set(failure, "protocol", "an operation with the number of another");
    struct operation *op = operation_new(os, f->command, kind);
    if (!op)
        return failure_errno(failure, "files", ENOMEM, "cannot go on");
    if (os->count == OPERATIONS_MAX) {
        operation_fail(op, EAGAIN, "%d operations on files are in flight: that is the limit",
                       OPERATIONS_MAX);
        bool sent = (kind->finish ? kind->finish : send_done)(op);
        operation_free(op);
        return sent ? 0 : failure_errno(failure, "files", ENOMEM, "cannot go on");
    }
    os->all[os->count++] = op;
    return settle(os, os->count - 1, kind->begin(op, f), failure);
}

bool operations_are_meant(const struct frame *f)
{
    return kind_of(f->type) || f->type == FRAME_ABORT ||
           (f->command != FRAME_SANDBOX && f->type >= FRAME_ENTRY && f->type <= FRAME_ENTRIES_END);
}

bool operations_must_wait(const struct operations *os, const struct frame *f)
{
    return f->type == FRAME_EXTRACT && f->command == FRAME_SANDBOX &&
           find(os, FRAME_SANDBOX) < os->count;
}

int operations_take(struct operations *os, const struct frame *f, struct failure *failure)
{
    const struct operation_kind *kind = kind_of(f->type);
    if (kind)
        return begin(os, kind, f, failure);
    size_t i = find(os, f->command);
    /* It may have ended before the supervisor knew. */
    if (i == os->count)
        return 0;
    struct operation *op = os->all[i];
    if (f->type == FRAME_ABORT)
        return settle(os, i, operation_fail(op, ECANCELED, "aborted"), failure);
    if (!op->kind->frame)
        return failure_set(failure, "protocol", "a file for an operation that takes none");
    return settle(os, i, op->kind->frame(op, f), failure);
}

bool operations_are_ready(const struct operations *os)
{
    for (size_t i = 0; i < os->count; i++)
        if (os->all[i]->kind->step)
            return channel_has_room(os->channel);
    return false;
}

int operations_turn(struct operations *os, struct failure *failure)
{
    for (size_t i = os->count; i-- > 0;) {
        struct operation *op = os->all[i];
        enum operation_outcome outcome = OPERATION_GOES_ON;
        for (int n = 0; op->kind->step && outcome == OPERATION_GOES_ON && n < STEPS &&
                        channel_has_room(os->channel);
             n++)
            outcome = op->kind->step(op);
        if (settle(os, i, outcome, failure) < 0)
            return -1;
    }
    /* The next turn begins with another one, so that none takes all the room. */
    if (os->count > 1) {
        struct operation *last = os->all[os->count - 1];
        memmove(&os->all[1], &os->all[0], (os->count - 1) * sizeof(os->all[0]));
        os->all[0] = last;
    }
    return 0;
}
