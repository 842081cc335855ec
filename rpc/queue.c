/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include "message.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

/* Many small pieces of output share an item of this size. */
enum { ITEM_SIZE = 4096, BASE64_PIECE = 48 * 1024 };

enum item_kind { ITEM_OUTPUT, ITEM_LINE, ITEM_FINISH };

struct queue_item {
    struct queue_item *next;
    enum item_kind kind;
    lrun_stream stream;
    size_t cost;
    char *line;                    /* ITEM_LINE */
    size_t capacity, length, used; /* ITEM_OUTPUT */
    char data[];
};

static void free_item(struct queue_item *item)
{
    free(item->line);
    free(item);
}

static size_t item_bytes(const struct queue_item *item)
{
    return sizeof(*item) + item->capacity + (item->line ? strlen(item->line) : 0);
}

static void drop_first(struct queue *q)
{
    struct queue_item *item = q->first;
    q->first = item->next;
    if (!q->first)
        q->last = NULL;
    q->bytes -= item_bytes(item);
    free_item(item);
}

void queue_free(struct queue *q)
{
    while (q->first)
        drop_first(q);
    for (int i = 0; i < 2; i++) {
        free(q->lines[i].held);
        q->lines[i] = (struct queue_line){0};
    }
}

static void add(struct queue *q, struct queue_item *item)
{
    item->next = NULL;
    if (q->last)
        q->last->next = item;
    else
        q->first = item;
    q->last = item;
    q->bytes += item_bytes(item);
}

static struct queue_item *new_item(enum item_kind kind, size_t capacity)
{
    struct queue_item *item = malloc(sizeof(*item) + capacity);
    if (item)
        *item = (struct queue_item){.kind = kind, .capacity = capacity};
    return item;
}

bool queue_output(struct queue *q, lrun_stream stream, const char *data, size_t length)
{
    struct queue_item *item = q->last;
    if (q->format == LOG_NONE || length == 0)
        return true;
    if (!item || item->kind != ITEM_OUTPUT || item->stream != stream ||
        item->capacity - item->length < length) {
        item = new_item(ITEM_OUTPUT, length > ITEM_SIZE ? length : ITEM_SIZE);
        if (!item)
            return false;
        item->stream = stream;
        add(q, item);
    }
    memcpy(item->data + item->length, data, length);
    item->length += length;
    return true;
}

bool queue_line(struct queue *q, char *line, size_t cost)
{
    struct queue_item *item = line ? new_item(ITEM_LINE, 0) : NULL;
    if (!item) {
        free(line);
        return false;
    }
    item->line = line;
    item->cost = cost;
    add(q, item);
    return true;
}

bool queue_finish(struct queue *q)
{
    struct queue_item *item = new_item(ITEM_FINISH, 0);
    if (item)
        add(q, item);
    return item != NULL;
}

bool queue_has(const struct queue *q, bool *needs_window)
{
    *needs_window = q->first && (q->first->kind == ITEM_OUTPUT || q->first->cost > 0);
    return q->first != NULL;
}

/* ------------------------------------------------------------------ events of output */

static char *log_event(json_t *id, lrun_stream stream, const char *field, json_t *value,
                       size_t cost, bool partial)
{
    json_t *event = json_pack("{ss,so,sI}", "stream", stream == LRUN_STDOUT ? "stdout" : "stderr",
                              field, value, "size", (json_int_t)cost);
    if (event && partial)
        json_object_set_new(event, "partial", json_true());
    return message_event(id, "log", event);
}

static char *base64_event(struct queue_item *item, json_t *id, size_t *cost)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = (const unsigned char *)item->data + item->used;
    size_t left = item->length - item->used, length = left < BASE64_PIECE ? left : BASE64_PIECE;
    cleanup_free char *text = malloc((length + 2) / 3 * 4 + 1);
    if (!text)
        return NULL;
    char *to = text;
    for (size_t i = 0; i < length; i += 3) {
        unsigned n = (unsigned)from[i] << 16 | (i + 1 < length ? (unsigned)from[i + 1] << 8 : 0) |
                     (i + 2 < length ? from[i + 2] : 0u);
        *to++ = digits[n >> 18];
        *to++ = digits[n >> 12 & 63];
        *to++ = i + 1 < length ? digits[n >> 6 & 63] : '=';
        *to++ = i + 2 < length ? digits[n & 63] : '=';
    }
    *to = '\0';
    item->used += length;
    *cost = length + QUEUE_EVENT_COST;
    return log_event(id, item->stream, "data", json_string(text), *cost, false);
}

/* JSON cannot carry bytes that are not UTF-8: they become U+FFFD. */
static json_t *text_value(const char *data, size_t length)
{
    json_t *value = json_stringn(data, length);
    cleanup_free char *clean = value ? NULL : text_to_utf8(data, length);
    return value ? value : clean ? json_string(clean) : NULL;
}

static char *line_event(lrun_stream stream, json_t *id, const char *data, size_t length,
                        bool partial, size_t *cost)
{
    *cost = length + !partial + QUEUE_EVENT_COST;
    return log_event(id, stream, "line", text_value(data, length), *cost, partial);
}

/* Returns how many bytes of the text end with a whole character. */
static size_t whole_characters(const char *data, size_t length)
{
    size_t back = 0;
    while (back < 3 && back + 1 < length && ((unsigned char)data[length - 1 - back] & 0xc0) == 0x80)
        back++;
    unsigned char lead = (unsigned char)data[length - 1 - back];
    size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return wanted > back + 1 && length > back + 1 ? length - 1 - back : length;
}

static char *take_line(struct queue *q, struct queue_item *item, json_t *id, size_t *cost,
                       bool *failed)
{
    struct queue_line *line = &q->lines[item->stream == LRUN_STDERR];
    const char *data = item->data + item->used;
    size_t left = item->length - item->used, room = QUEUE_LINE_MAX - line->length;
    const char *end = memchr(data, '\n', left < room ? left : room);
    char *event = NULL;
    if (end && line->length == 0) {
        item->used += (size_t)(end - data) + 1;
        event = line_event(item->stream, id, data, (size_t)(end - data), false, cost);
        *failed = !event;
        return event;
    }
    if (!line->held)
        line->held = malloc(QUEUE_LINE_MAX);
    if (!line->held) {
        *failed = true;
        return NULL;
    }
    size_t taken = end ? (size_t)(end - data) : left < room ? left : room;
    memcpy(line->held + line->length, data, taken);
    line->length += taken;
    item->used += taken + (end != NULL);
    if (end) {
        event = line_event(item->stream, id, line->held, line->length, false, cost);
        line->length = 0;
    } else if (line->length == QUEUE_LINE_MAX) {
        size_t whole = whole_characters(line->held, line->length);
        event = line_event(item->stream, id, line->held, whole, true, cost);
        memmove(line->held, line->held + whole, line->length - whole);
        line->length -= whole;
    } else {
        return NULL;
    }
    *failed = !event;
    return event;
}

static char *take_rest(struct queue *q, json_t *id, size_t *cost, bool *failed)
{
    for (int i = 0; i < 2; i++) {
        struct queue_line *line = &q->lines[i];
        if (line->length == 0)
            continue;
        char *event = line_event(i == 0 ? LRUN_STDOUT : LRUN_STDERR, id, line->held, line->length,
                                 false, cost);
        *failed = !event;
        line->length = 0;
        return event;
    }
    return NULL;
}

char *queue_take(struct queue *q, json_t *id, size_t *cost, bool *failed)
{
    struct queue_item *item = q->first;
    char *line = NULL;
    *cost = 0;
    *failed = false;
    switch (item->kind) {
    case ITEM_LINE:
        line = item->line;
        *cost = item->cost;
        q->bytes -= strlen(line);
        item->line = NULL;
        break;
    case ITEM_OUTPUT:
        line = q->format == LOG_BASE64 ? base64_event(item, id, cost)
                                       : take_line(q, item, id, cost, failed);
        *failed = *failed || (q->format == LOG_BASE64 && !line);
        if (item->used < item->length)
            return line;
        break;
    case ITEM_FINISH:
        line = take_rest(q, id, cost, failed);
        if (line)
            return line;
        break;
    }
    drop_first(q);
    return line;
}
