/* SPDX-License-Identifier: MIT */
/*
 * Maps ids in a sandbox's user namespace to ids outside. The lowest ids are the first line of the
 * map. Above them an image may have users and owners with any ids (OpenShift hands out ids such as
 * 1000650000). Each stretch of such ids is a line of its own, mapped to ids that belong to the same
 * run.
 */
#ifndef HOST_ID_MAP_H
#define HOST_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ID_MAP_LOW = 65536,     /* ids below this are in the first line */
    ID_MAP_STRETCHES = 128, /* most stretches of an image: the kernel takes a map of one page */
    ID_MAP_LINES = 1 + ID_MAP_STRETCHES + 2,
    ID_MAP_HIGH = 65534, /* most ids in all stretches of an image */
    ID_MAP_TEXT = 4096,
};

struct id_map_line {
    uint32_t inside, outside, count;
};

/* The lines ascend by the ids inside, which is the order in which the kernel shows them. */
struct id_map {
    struct id_map_line lines[ID_MAP_LINES];
    size_t count;
};

/* Maps ids 0 to count-1 to ids first to first+count-1. */
void id_map_init(struct id_map *map, uint32_t first, uint32_t count);

/* Adds ids above those, mapped to at most ID_RANGE_SIZE ids that begin at `outside`: the stretches
 * of an image's ids ("FIRST+COUNT,...", ascending), and the ids of a user ("UID:GID") if they are
 * numbers. Either may be NULL. Returns false if the stretches are not valid. */
bool id_map_add(struct id_map *map, const char *stretches, const char *user, uint32_t outside);

/* Returns whether an image with these stretches and this user has ids above the lowest. */
bool id_map_is_needed(const char *stretches, const char *user);

/* Writes the map as in /proc/PID/uid_map: lines of "INSIDE OUTSIDE COUNT". */
void id_map_text(const struct id_map *map, char text[ID_MAP_TEXT]);

#endif
