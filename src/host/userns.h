/* SPDX-License-Identifier: MIT */
/*
 * The user namespace of a sandbox. Root inside is an id outside that owns nothing on the host
 * (host/id_range.h).
 *
 * The namespace also belongs to that id. The kernel counts what a process in it uses of the
 * per-user limits (inotify instances and watches, queued signals, bytes in message queues, locked
 * memory, processes) for the owner of the namespace too. If the owner were root, one run could use
 * up what root's own programs on the host may have.
 */
#ifndef HOST_USERNS_H
#define HOST_USERNS_H

#include "base/error.h"
#include "host/id_map.h"
#include "host/process.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Opens a namespace for files of an image, which may belong to any id. Ids 0 to 65535 inside are
 * the 65536 ids outside that begin at USERNS_FILES_FIRST. Those own nothing on the host, and no run
 * ever gets them. Above 65535 every id maps to itself, except those stand-ins: they do not exist in
 * the namespace. Only for programs that see no files but the image's. Errors:
 * CONTAINER_START_FAILED.
 */
#define USERNS_FILES_FIRST 0x7fff0000u
int userns_open_files(int *user, lrun_error *err);

/* A namespace that is being made: a child makes it while its parent does something else. */
struct userns_birth {
    struct process child;
    int done; /* the child writes to it when the namespaces exist */
    uint32_t first;
    bool net;
};

#define USERNS_BIRTH_NONE ((struct userns_birth){.child = {.pidfd = -1}, .done = -1})

/* Starts to make a namespace whose ids begin at `first` outside; with `net`, also a network
 * namespace that belongs to it. Errors: CONTAINER_START_FAILED. */
int userns_begin(struct userns_birth *out, uint32_t first, bool net, lrun_error *err);

/*
 * Waits for the namespace and gives it the ids of `map`, whose first line begins with
 * userns_begin()'s `first`. The fd is the only reference to the namespace. *net is set if there is
 * a network namespace. Errors: CONTAINER_START_FAILED.
 */
int userns_finish(struct userns_birth *b, int *user, int *net, const struct id_map *map,
                  lrun_error *err);

/* Gives up a namespace that is not finished. Idempotent. */
void userns_abandon(struct userns_birth *b);

/* Begins and finishes a namespace with `count` ids that begin at `first`. `net` may be NULL. */
int userns_open(int *user, int *net, uint32_t first, uint32_t count, lrun_error *err);

#endif
