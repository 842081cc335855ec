/* SPDX-License-Identifier: MIT */
#include "image/high_ids.h"

#include "base/cleanup.h"
#include "host/id_map.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_MAX = 1 << 20, STRETCH_TEXT = 24 };

void high_ids_free(struct high_ids *h)
{
    free(h->ids);
    *h = (struct high_ids){0};
}

bool high_ids_note(struct high_ids *h, uint32_t id)
{
    /* Most files have the same owner as the file before. */
    if (id < ID_MAP_LOW || id == UINT32_MAX || (h->count && h->ids[h->count - 1] == id) ||
        (h->count > 1 && h->ids[h->count - 2] == id))
        return true;
    if (h->count == h->room) {
        size_t room = h->room ? h->room * 2 : 64;
        uint32_t *more = realloc(h->ids, room * sizeof(*more));
        if (!more)
            return false;
        h->ids = more;
        h->room = room;
    }
    h->ids[h->count++] = id;
    return true;
}

/* Returns the number in a field of the line, counted from 0; 0 if it is not a number. */
static uint32_t number_at(const char *line, unsigned field)
{
    char *end;
    for (; field > 0 && line; field--) {
        line = strchr(line, ':');
        line = line ? line + 1 : NULL;
    }
    unsigned long value = line && *line >= '0' && *line <= '9' ? strtoul(line, &end, 10) : 0;
    return value && (*end == ':' || *end == '\0') && value < UINT32_MAX ? (uint32_t)value : 0;
}

static bool note_file(struct high_ids *h, const char *path, unsigned fields)
{
    cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > NAMES_MAX)
        return true;
    cleanup_free char *text = malloc((size_t)st.st_size + 1);
    if (!text)
        return false;
    ssize_t length = read(fd, text, (size_t)st.st_size);
    text[length > 0 ? length : 0] = '\0';
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        for (unsigned i = 0; i < fields; i++)
            if (!high_ids_note(h, number_at(line, 2 + i)))
                return false;
    return true;
}

bool high_ids_note_names(struct high_ids *h)
{
    return note_file(h, "etc/passwd", 2) && note_file(h, "etc/group", 1);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

char *high_ids_text(struct high_ids *h)
{
    char *text = calloc(ID_MAP_STRETCHES, STRETCH_TEXT);
    size_t used = 0, stretches = 0, total = 0;
    if (h->count)
        qsort(h->ids, h->count, sizeof(*h->ids), by_number);
    for (size_t i = 0;
         text && i < h->count && stretches < ID_MAP_STRETCHES && total < ID_MAP_HIGH;) {
        uint32_t first = h->ids[i], count = 0;
        for (; i < h->count && h->ids[i] - first <= count && total + count < ID_MAP_HIGH; i++)
            count = h->ids[i] - first + 1;
        used += (size_t)snprintf(text + used, STRETCH_TEXT, "%s%u+%u", stretches++ ? "," : "",
                                 first, count);
        total += count;
    }
    return text;
}
