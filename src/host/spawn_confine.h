/* SPDX-License-Identifier: MIT */
/*
 * The child's side of spawn.confinement, only for spawn.c. The functions return 0, or -1 with
 * errno.
 */
#ifndef HOST_SPAWN_CONFINE_H
#define HOST_SPAWN_CONFINE_H

#include <linux/sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file or folder of the host, and where the child finds it. */
struct spawn_tree {
    const char *path;
    const char *name; /* without a slash: "target" is /target */
    bool folder;
    bool writable;
};

/* The walls around a helper that handles hostile files (image/confinement.h). */
struct spawn_walls {
    int user_namespace; /* -1: none */
    char *filter;       /* its seccomp program */
    size_t filter_length;
};

enum { SPAWN_MORE_MAX = 128 };

struct spawn_room {
    const struct spawn_tree *trees; /* what the child can reach, apart from its open files */
    size_t tree_count;
    uint64_t max_memory; /* of its address space; 0: it limits itself */
};

#define SPAWN_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* Where the child finds the program to execute. */
#define SPAWN_PROGRAM "/helper"

/* Enters all walls except the filter. `parent` is a pidfd of the process that started this one. */
int spawn_confine(const struct spawn_walls *walls, const struct spawn_room *room,
                  const char *program, int parent);

int spawn_put_on_filter(const struct spawn_walls *walls);

#endif
