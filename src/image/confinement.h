/* SPDX-License-Identifier: MIT */
/*
 * The walls around the programs that handle an image: the unpacker, the readers of its documents, mkfs.erofs and fsck.erofs.
 * All of them get the same (host/spawn.h, spawn.confinement):
 *
 *   - a user namespace: root in it owns the image's files and nothing on the host;
 *   - PID, network, IPC, UTS and mount namespaces of their own;
 *   - a root folder with the system's programs and libraries, read-only, and what they are given;
 *   - the sandbox's seccomp profile without sockets, System V IPC and ptrace, and no new privileges;
 *   - a session keyring of their own, which no system call can reach;
 *   - limits: processes, memory, time, open files, size of a file.
 */
#ifndef IMAGE_CONFINEMENT_H
#define IMAGE_CONFINEMENT_H

#include "host/spawn.h"
#include "image/store_folders.h"

struct confinement {
    struct spawn_walls walls;
    uint32_t first_id; /* the root of its user namespace, as it is called here */
    bool owners;       /* files of the image keep their owners; else all of them are root's */
};

/*
 * For the files of an image that is imported. As a user other than root this process enters its own namespace
 * (rootless_enter()). Close it with confinement_close(), also on failure. Errors: CONTAINER_START_FAILED, IO_FAILED.
 */
int confinement_open(struct confinement *c, struct store *store, lrun_error *err);

/* The same in a user namespace that is there already; the fd stays the caller's. */
int confinement_open_in(struct confinement *c, struct store *store, int user_namespace,
                        uint32_t first_id, lrun_error *err);

/* Only the system calls: the sandbox's profile, as it is, with sockets. For skopeo, which needs the host's files and network. */
int confinement_open_calls(struct confinement *c, struct store *store, lrun_error *err);

#define CONFINEMENT_NONE ((struct confinement){.walls = {.user_namespace = -1}})

void confinement_close(struct confinement *c);
#define cleanup_confinement __attribute__((cleanup(confinement_close)))

#endif
