/* SPDX-License-Identifier: MIT */
#include "run/file_operation.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "run/life.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* Bytes of JSON. A frame to the caller has room for more than this. */
enum { ITEMS_MAX = FRAME_CALLER_MAX / 2 };

/* ---------------------------------------------------------------- the order */

static bool has_bytes(enum file_action action)
{
    return action == FILE_READ || action == FILE_WRITE;
}

int file_operation_init(struct file_operation *x, const struct file_order *order, int fd,
                        lrun_error *err)
{
    const char *operation = file_order_operation(order);
    struct stat st;
    *x = (struct file_operation){.order = order, .fd = fd, .sent = order->action != FILE_WRITE};
    /* Another kind of file could make us wait. */
    if (has_bytes(order->action) && (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "it needs a file for the bytes");
    if (order->action == FILE_WRITE && st.st_size > FRAME_FILE_MAX) {
        error_set(err, LRUN_INVALID_ARGUMENT, operation, "data: more than %d bytes",
                  FRAME_FILE_MAX);
        return error_hint(err, "copy large files with light-runner session put");
    }
    x->items = json_array();
    return x->items ? 0 : error_oom(err, operation);
}

void file_operation_free(struct file_operation *x)
{
    json_decref(x->items);
    x->items = NULL;
}

static bool add_fields(const struct file_order *o, struct buffer *to)
{
    if (!fields_add(to, "path", o->path))
        return false;
    switch (o->action) {
    case FILE_READ:
        return fields_add_u64(to, "offset", o->offset) && fields_add_u64(to, "size", o->size);
    case FILE_WRITE:
        return !o->mode[0] || fields_add(to, "mode", o->mode);
    case FILE_LIST:
        return fields_add_u64(to, "skip", o->skip) && fields_add_u64(to, "limit", o->limit);
    case FILE_STAT:
        return true;
    case FILE_REMOVE:
        return !o->recursive || fields_add(to, "recursive", "yes");
    }
    return false;
}

int file_operation_begin(struct file_operation *x, uint16_t number, struct agent_link *link,
                         lrun_error *err)
{
    static const enum frame_type types[] = {[FILE_READ] = FRAME_READ,
                                            [FILE_WRITE] = FRAME_WRITE,
                                            [FILE_LIST] = FRAME_LIST,
                                            [FILE_STAT] = FRAME_STAT,
                                            [FILE_REMOVE] = FRAME_REMOVE};
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!add_fields(x->order, &fields))
        return error_oom(err, file_order_operation(x->order));
    x->number = number;
    return agent_link_send(link, types[x->order->action], number, buffer_data(&fields),
                           buffer_length(&fields), err);
}

/* ---------------------------------------------------------------- bytes for the agent */

bool file_operation_has_bytes(const struct file_operation *x, const struct agent_link *link)
{
    return x->number && !x->sent && buffer_length(&link->out) < QUEUE_ENOUGH;
}

static int send_end(struct file_operation *x, struct agent_link *link, int errnum, lrun_error *err)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    x->sent = true;
    if (errnum && !fields_add(&fields, "error", strerrordesc_np(errnum)))
        return error_oom(err, file_order_operation(x->order));
    return agent_link_send(link, FRAME_ENTRY_END, x->number, buffer_data(&fields),
                           buffer_length(&fields), err);
}

int file_operation_feed(struct file_operation *x, struct agent_link *link, lrun_error *err)
{
    while (file_operation_has_bytes(x, link)) {
        char *to = buffer_reserve(&link->out, FRAME_HEADER_SIZE + FRAME_DATA_MAX);
        if (!to)
            return error_oom(err, file_order_operation(x->order));
        uint64_t left = FRAME_FILE_MAX - x->bytes;
        size_t want = left < FRAME_DATA_MAX ? (size_t)left : FRAME_DATA_MAX;
        ssize_t n = pread(x->fd, to + FRAME_HEADER_SIZE, want, (off_t)x->bytes);
        if (n <= 0)
            return send_end(x, link, n < 0 ? errno : 0, err);
        frame_header(to, FRAME_DATA, x->number, (uint32_t)n);
        buffer_commit(&link->out, FRAME_HEADER_SIZE + (size_t)n);
        x->bytes += (uint64_t)n;
    }
    return 0;
}

int file_operation_abort(struct file_operation *x, struct agent_link *link, lrun_error *err)
{
    if (x->aborted)
        return 0;
    x->aborted = x->sent = true;
    return agent_link_send(link, FRAME_ABORT, x->number, NULL, 0, err);
}

/* ---------------------------------------------------------------- the agent's answer */

static enum file_progress lies(lrun_error *err, const char *what)
{
    error_set(err, LRUN_ISOLATION_FAILED, "agent", "%s", what);
    return FILE_LIES;
}

static enum file_progress take_bytes(struct file_operation *x, const struct frame *f,
                                     lrun_error *err)
{
    if (x->order->action != FILE_READ || f->length == 0 || f->length > x->order->size - x->bytes)
        return lies(err, "bytes that nobody asked for");
    for (size_t done = 0; done < f->length;) {
        ssize_t n = pwrite(x->fd, f->payload + done, f->length - done, (off_t)(x->bytes + done));
        if (n <= 0) {
            error_errno(err, LRUN_IO_FAILED, file_order_operation(x->order), errno,
                        "cannot keep the file");
            return FILE_FAILED;
        }
        done += (size_t)n;
    }
    x->bytes += f->length;
    return FILE_GOES_ON;
}

static bool is_kind(const char *kind)
{
    static const char *const kinds[] = {"file", "dir", "link", "fifo", "socket", "device"};
    for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

/* A name or the target of a link, which may be any bytes. */
static json_t *text_json(const char *text)
{
    cleanup_free char *utf8 = text_to_utf8(text, strlen(text));
    return utf8 ? json_string(utf8) : NULL;
}

static bool has_number(const struct frame *f, const char *key, uint64_t *out)
{
    return fields_get_u64(f, key, out) && *out <= INT64_MAX;
}

/* Returns NULL if it is not an item that a file system can have. */
static json_t *item_json(const struct frame *f, size_t *size)
{
    const char *name = fields_get(f, "name"), *kind = fields_get(f, "kind"),
               *mode = fields_get(f, "mode"), *target = fields_get(f, "target");
    /* The latest time that timestamp_format() has four digits for the year of. */
    static const int64_t last = INT64_C(253402300799);
    uint64_t bytes, uid, gid;
    struct timespec modified;
    size_t mode_length = mode ? strlen(mode) : 0;
    if (!name || !*name || strlen(name) > NAME_MAX || strchr(name, '/') || !is_kind(kind) ||
        mode_length < 1 || mode_length > 4 || strspn(mode, "01234567") != mode_length ||
        !has_number(f, "size", &bytes) || !has_number(f, "uid", &uid) ||
        !has_number(f, "gid", &gid) || !fields_get_time(f, &modified) ||
        (target != NULL) != (strcmp(kind, "link") == 0) || (target && strlen(target) >= PATH_MAX))
        return NULL;
    char when[32];
    timestamp_format(when, modified.tv_sec > last
                               ? last * 1000
                               : (int64_t)modified.tv_sec * 1000 + modified.tv_nsec / 1000000);
    /* A character takes at most six bytes as JSON. */
    *size = 6 * (strlen(name) + (target ? strlen(target) : 0)) + 256;
    return json_pack("{so,ss,sI,ss,ss,sI,sI,so*}", "name", text_json(name), "kind", kind, "size",
                     (json_int_t)bytes, "mode", mode, "modifiedAt", when, "uid", (json_int_t)uid,
                     "gid", (json_int_t)gid, "target", target ? text_json(target) : NULL);
}

static enum file_progress take_item(struct file_operation *x, const struct frame *f,
                                    struct agent_link *link, lrun_error *err)
{
    bool list = x->order->action == FILE_LIST;
    if (!list && x->order->action != FILE_STAT)
        return lies(err, "an item that nobody asked for");
    if (json_array_size(x->items) >= (list ? x->order->limit : 1))
        return lies(err, "more items than it was asked for");
    size_t size = 0;
    json_t *item = item_json(f, &size);
    if (!item)
        return lies(err, "an item of a kind that does not exist");
    if (x->aborted || x->items_size + size > ITEMS_MAX) {
        /* The caller asks for the rest. */
        json_decref(item);
        x->more = true;
        return file_operation_abort(x, link, err) < 0 ? FILE_FAILED : FILE_GOES_ON;
    }
    x->items_size += size;
    if (json_array_append_new(x->items, item) == 0)
        return FILE_GOES_ON;
    error_oom(err, file_order_operation(x->order));
    return FILE_FAILED;
}

enum file_progress file_operation_done(const struct frame *f, enum lrun_code failed,
                                       const char *operation, lrun_error *err)
{
    const char *status = fields_get(f, "status"), *reason = fields_get(f, "reason");
    if (status && strcmp(status, "ok") == 0)
        return FILE_ENDED;
    bool missing = status && strcmp(status, "missing") == 0;
    if (!reason || !(missing || (status && strcmp(status, "error") == 0)))
        return lies(err, "DONE");
    if (missing && failed == LRUN_FILE_FAILED)
        failed = LRUN_FILE_NOT_FOUND;
    error_set(err, failed, operation, "%.700s", reason);
    if (strstr(reason, "No space left"))
        error_hint(err, "remove files, or open a session with more storage: --disk 4g");
    return FILE_FAILED;
}

/* Whether an operation that went well has done what it should. */
static bool is_complete(struct file_operation *x, const struct frame *f)
{
    uint64_t bytes;
    switch (x->order->action) {
    case FILE_READ:
        return fields_get_u64(f, "bytes", &bytes) && bytes == x->bytes &&
               has_number(f, "size", &x->size);
    case FILE_WRITE:
        return x->sent;
    case FILE_LIST:
        x->more = x->more || fields_get(f, "more") != NULL;
        return true;
    case FILE_STAT:
        return json_array_size(x->items) == 1;
    case FILE_REMOVE:
        return true;
    }
    return false;
}

static enum file_progress take_done(struct file_operation *x, const struct frame *f,
                                    lrun_error *err)
{
    enum file_progress done =
        file_operation_done(f, LRUN_FILE_FAILED, file_order_operation(x->order), err);
    /* A list that we have cut off is an answer. */
    if (done == FILE_FAILED && x->aborted && x->more)
        return FILE_ENDED;
    return done == FILE_ENDED && !x->aborted && !is_complete(x, f)
               ? lies(err, "an operation that is not complete")
               : done;
}

enum file_progress file_operation_frame(struct file_operation *x, const struct frame *f,
                                        struct agent_link *link, lrun_error *err)
{
    switch (f->type) {
    case FRAME_DATA:
        return take_bytes(x, f, err);
    case FRAME_ITEM:
        return take_item(x, f, link, err);
    case FRAME_DONE:
        return take_done(x, f, err);
    default:
        return lies(err, "an unexpected frame about a file");
    }
}

json_t *file_operation_answer(const struct file_operation *x)
{
    switch (x->order->action) {
    case FILE_READ:
        return json_pack("{sI,sI}", "bytes", (json_int_t)x->bytes, "size", (json_int_t)x->size);
    case FILE_WRITE:
        return json_pack("{sI}", "bytes", (json_int_t)x->bytes);
    case FILE_LIST:
        return json_pack("{sO,sb}", "items", x->items, "more", x->more);
    case FILE_STAT:
        return json_pack("{sO}", "item", json_array_get(x->items, 0));
    case FILE_REMOVE:
        return json_object();
    }
    return NULL;
}
