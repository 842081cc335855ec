/* SPDX-License-Identifier: MIT */
/*
 * Which ids outside of a sandbox's user namespace are which inside. The lowest ids are one line of it. Beyond them an image may have
 * users and owners with any ids at all (OpenShift hands out 1000650000 and the like): each stretch of those is a line of its own, onto
 * ids of the same run.
 */
#ifndef HOST_ID_MAP_H
#define HOST_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ID_MAP_LOW = 65536,     /* ids below are in the first line */
    ID_MAP_STRETCHES = 128, /* of an image. The kernel takes a map of one page */
    ID_MAP_LINES = 1 + ID_MAP_STRETCHES + 2,
    ID_MAP_HIGH = 65534, /* ids in all stretches of an image */
    ID_MAP_TEXT = 4096,
};

struct id_map_line {
    uint32_t inside, outside, count;
};

/* In ascending order of the ids inside, which is the order that the kernel shows them in. */
struct id_map {
    struct id_map_line lines[ID_MAP_LINES];
    size_t count;
};

/* `count` ids from 0 on, onto those from `first` on. */
void id_map_init(struct id_map *map, uint32_t first, uint32_t count);

/* Adds ids above those, onto at most ID_RANGE_SIZE ids from `outside` on: stretches as an image's ids have them ("FIRST+COUNT,...",
 * ascending), and the ids of a user ("UID:GID"), if they are numbers. Either may be NULL. False: the stretches make no sense. */
bool id_map_add(struct id_map *map, const char *stretches, const char *user, uint32_t outside);

/* Whether an image with these has ids above the lowest. */
bool id_map_is_needed(const char *stretches, const char *user);

/* As the kernel has it in /proc/PID/uid_map: a line "INSIDE OUTSIDE COUNT" each. */
void id_map_text(const struct id_map *map, char text[ID_MAP_TEXT]);

#endif
