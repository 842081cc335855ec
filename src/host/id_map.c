/* SPDX-License-Identifier: MIT */
#include "host/id_map.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "host/id_range.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void id_map_init(struct id_map *map, uint32_t first, uint32_t count)
{
    *map = (struct id_map){.lines = {{0, first, count}}, .count = 1};
}

static bool is_high(uint32_t id)
{
    return id >= ID_MAP_LOW && id != UINT32_MAX;
}

/* Reads a number up to `end`, or to the end of the text. */
static bool read_number(const char **at, char end, uint32_t *out)
{
    char digits[16];
    uint64_t value;
    size_t length = strcspn(*at, (char[]){end, '\0'});
    if (length == 0 || length >= sizeof(digits))
        return false;
    memcpy(digits, *at, length);
    digits[length] = '\0';
    *at += length + ((*at)[length] == end && end);
    if (!text_parse_u64(digits, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool add_stretches(struct id_map *map, const char *text)
{
    uint32_t least = ID_MAP_LOW, used = 0;
    while (*text) {
        struct id_map_line line = {0};
        if (map->count > ID_MAP_STRETCHES || !read_number(&text, '+', &line.inside) ||
            !read_number(&text, ',', &line.count) || line.inside < least || line.count == 0 ||
            line.count > ID_MAP_HIGH - used || line.count > UINT32_MAX - line.inside)
            return false;
        least = line.inside + line.count;
        used += line.count;
        map->lines[map->count++] = line;
    }
    return true;
}

/* Inserts a line for the id at its place, unless the map has the id already. */
static void add_id(struct id_map *map, uint32_t id)
{
    size_t at = map->count;
    for (; at > 0 && map->lines[at - 1].inside > id; at--)
        continue;
    const struct id_map_line *below = &map->lines[at - 1];
    if (!is_high(id) || id - below->inside < below->count)
        return;
    memmove(&map->lines[at + 1], &map->lines[at], (map->count - at) * sizeof(map->lines[0]));
    map->lines[at] = (struct id_map_line){.inside = id, .count = 1};
    map->count++;
}

/* Reads the numbers of "UID", "UID:GID" or "NAME:GID"; 0 for a name. */
static void read_user(const char *user, uint32_t ids[2])
{
    const char *group = strchr(user, ':');
    ids[0] = ids[1] = 0;
    (void)read_number(&user, ':', &ids[0]);
    if (group && group++)
        (void)read_number(&group, '\0', &ids[1]);
}

bool id_map_add(struct id_map *map, const char *stretches, const char *user, uint32_t outside)
{
    uint32_t ids[2] = {0};
    if (stretches && !add_stretches(map, stretches))
        return false;
    if (user)
        read_user(user, ids);
    add_id(map, ids[0]);
    add_id(map, ids[1]);
    for (size_t i = 1; i < map->count; outside += map->lines[i++].count)
        map->lines[i].outside = outside;
    return true;
}

bool id_map_is_needed(const char *stretches, const char *user)
{
    uint32_t ids[2] = {0};
    if (user)
        read_user(user, ids);
    return (stretches && *stretches) || is_high(ids[0]) || is_high(ids[1]);
}

void id_map_text(const struct id_map *map, char text[ID_MAP_TEXT])
{
    size_t used = 0;
    for (size_t i = 0; i < map->count && used < ID_MAP_TEXT; i++)
        used += (size_t)snprintf(text + used, ID_MAP_TEXT - used, "%u %u %u\n",
                                 map->lines[i].inside, map->lines[i].outside, map->lines[i].count);
}
