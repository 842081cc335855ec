/* SPDX-License-Identifier: MIT */
/*
 * The ids above 65535 that an image has, as owners of its files and in its /etc/passwd and /etc/group. A sandbox has only those
 * ids that its user namespace was made with (host/id_map.h), so they are found when the image is unpacked.
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

/* False: memory is out. */
bool high_ids_note(struct high_ids *h, uint32_t id);

/* Those of the working directory's etc/passwd and etc/group, as far as they are files of a usual size. */
bool high_ids_note_names(struct high_ids *h);

/* "FIRST+COUNT,..." in ascending order, malloc'd; "": there are none; NULL: memory is out. Of more than a user namespace can have
 * (ID_MAP_STRETCHES, ID_MAP_HIGH) the lowest. */
char *high_ids_text(struct high_ids *h);

#endif
