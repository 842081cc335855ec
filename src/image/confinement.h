/* SPDX-License-Identifier: MIT */
/*
 * The walls around the programs that handle an image: the unpacker, the readers of its documents,
 * mkfs.erofs and fsck.erofs. All of them get the same walls (host/spawn.h, spawn.confinement):
 *
 *   - a user namespace: its root owns the image's files and nothing on the host;
 *   - PID, network, IPC, UTS and mount namespaces of their own;
 *   - a root folder with the system's programs and libraries, read-only, and their input;
 *   - the sandbox's seccomp profile without sockets, System V IPC and ptrace; no new privileges;
 *   - a session keyring of their own, which no system call can reach;
 *   - limits: processes, memory, time, open files, size of a file.
 */
#ifndef IMAGE_CONFINEMENT_H
#define IMAGE_CONFINEMENT_H

#include "host/spawn.h"
#include "image/store_folders.h"

struct confinement {
    struct spawn_walls walls;
    uint32_t first_id; /* the root of its user namespace, as an id of this process's namespace */
    bool owners;       /* files of the image keep their owners; otherwise root owns all of them */
};

/*
 * Opens a confinement for the files of an image that is being imported. For a user other than root,
 * this process enters its own namespace (rootless_enter()). Close it with confinement_close(), also
 * on failure. Errors: CONTAINER_START_FAILED, IO_FAILED.
 */
int confinement_open(struct confinement *c, struct store *store, lrun_error *err);

/* Like confinement_open(), but in an existing user namespace. The caller keeps
 * ownership of the fd. */
int confinement_open_in(struct confinement *c, struct store *store, int user_namespace,
                        uint32_t first_id, lrun_error *err);

/* Filters system calls only: the sandbox's unmodified profile, which allows sockets. For skopeo,
 * which needs the host's files and network. */
int confinement_open_calls(struct confinement *c, struct store *store, lrun_error *err);

#define CONFINEMENT_NONE ((struct confinement){.walls = {.user_namespace = -1}})

void confinement_close(struct confinement *c);
#define cleanup_confinement __attribute__((cleanup(confinement_close)))

#endif
