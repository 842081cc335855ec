/* SPDX-License-Identifier: MIT */
/*
 * The ids above 65535 in an image: owners of its files, and ids in its /etc/passwd and /etc/group.
 * A sandbox has only the ids that its user namespace was created with (host/id_map.h), so these ids
 * are collected when the image is unpacked.
 */
#ifndef IMAGE_HIGH_IDS_H
#define IMAGE_HIGH_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct high_ids {
    uint32_t *ids;
    size_t count, room;
};

void high_ids_free(struct high_ids *h);
#define cleanup_high_ids __attribute__((cleanup(high_ids_free)))

/* Records an id; ids up to 65535 are ignored. Returns false if out of memory. */
bool high_ids_note(struct high_ids *h, uint32_t id);

/* Records the ids in etc/passwd and etc/group of the working directory. A missing file, a file that
 * is not regular, and a file larger than NAMES_MAX is skipped. Returns false if out of memory. */
bool high_ids_note_names(struct high_ids *h);

/* Returns "FIRST+COUNT,..." in ascending order, malloc'd; "" if there are no ids; NULL if out of
 * memory. If there are more ids than a user namespace can have (ID_MAP_STRETCHES, ID_MAP_HIGH),
 * only the lowest are listed. */
char *high_ids_text(struct high_ids *h);

#endif
