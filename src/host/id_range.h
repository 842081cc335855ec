/* SPDX-License-Identifier: MIT */
/*
 * The user and group ids on the host that belong to one run if light-runner runs as root: 65536 of
 * them. So root in the sandbox is an id that owns nothing on the host, and runs share no files, no
 * signals and none of the kernel's per-user limits.
 *
 * The ranges are 0x78000000 to 0x7FFDFFFF. Other programs hand out ids below that: systemd (524288
 * to 0x6FFFFFFF, for systemd-nspawn, systemd-nsresourced and the like), subuid files (up to
 * 600100000) and directory services (up to 2000200000, which is 0x77383540, by SSSD's default).
 * Above it are systemd's foreign ids (0x7FFE0000 to 0x7FFEFFFF, owners of images on the disk), and
 * 2^31, from which some tools take an id for a negative number. An administrator can choose other
 * ranges for a directory service, so ids that this machine knows by name are left out too.
 *
 * A run holds a lock on its range until its supervisor ends: one byte of the file
 * ID_RANGE_FOLDER/ids per range.
 */
#ifndef HOST_ID_RANGE_H
#define HOST_ID_RANGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define ID_RANGE_FOLDER "/run/light-runner"

enum {
    ID_RANGE_SIZE = 65536,
    ID_RANGE_FIRST = 0x78000000,
    ID_RANGE_END = 0x7FFE0000,
    ID_RANGE_COUNT = (ID_RANGE_END - ID_RANGE_FIRST) / ID_RANGE_SIZE,
};

/* Returns whether this machine knows any id of the range that begins at `first`; -1 if that cannot
 * be found out now. */
typedef int id_range_known(uint32_t first);

/* Asks the machine's user database, and /etc/subuid and /etc/subgid; gives up after some
 * seconds. */
id_range_known id_range_ask;

/*
 * Takes the first range that no run has and no name is known for, and holds it for as long as *lock
 * is open. The answer of `known` is kept in the file, so each range is asked about once after each
 * boot. Errors: CONTAINER_START_FAILED.
 */
int id_range_take(int *lock, uint32_t *first, const char *folder, id_range_known *known,
                  lrun_error *err);

#endif
