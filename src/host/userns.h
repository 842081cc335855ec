/* SPDX-License-Identifier: MIT */
/*
 * The user namespace of a sandbox: root inside is an owner outside that nothing on the host belongs to (host/id_range.h).
 *
 * It belongs to that owner as well. What a process in it uses of the kernel's limits per user (inotify instances and watches,
 * queued signals, bytes in message queues, locked memory, processes) is counted for the user who owns the namespace, too:
 * if that were root, one run could use up what root's own programs on the host may have.
 */
#ifndef HOST_USERNS_H
#define HOST_USERNS_H

#include "base/error.h"
#include "host/id_map.h"
#include "host/process.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * One for files of an image, which may belong to any id: 0 to 65535 are ids outside that nothing on the host belongs to
 * (the first of them is USERNS_FILES_FIRST) and no run ever gets; above that every id is itself. Those that stand in for the
 * lowest are not there themselves. Only for programs that see no file but those. Errors: CONTAINER_START_FAILED.
 */
#define USERNS_FILES_FIRST 0x7fff0000u
int userns_open_files(int *user, lrun_error *err);

/* One that is being made: a child is at it, while its parent does something else. */
struct userns_birth {
    struct process child;
    int done; /* says when it has made them */
    uint32_t first;
    bool net;
};

#define USERNS_BIRTH_NONE ((struct userns_birth){.child = {.pidfd = -1}, .done = -1})

/* Begins with a namespace whose ids are those from `first` on; `net`: and with a network namespace that belongs to it.
 * Errors: CONTAINER_START_FAILED. */
int userns_begin(struct userns_birth *out, uint32_t first, bool net, lrun_error *err);

/*
 * Waits until it is there, with the ids of `map`, whose first line begins with the id of userns_begin(). The namespace is held by
 * the fd alone; *net is set if there is a network namespace. Errors: CONTAINER_START_FAILED.
 */
int userns_finish(struct userns_birth *b, int *user, int *net, const struct id_map *map,
                  lrun_error *err);

/* Gives it up, if it is not finished. Idempotent. */
void userns_abandon(struct userns_birth *b);

/* Both at once, for `count` ids from the first on; net may be NULL. */
int userns_open(int *user, int *net, uint32_t first, uint32_t count, lrun_error *err);

#endif
