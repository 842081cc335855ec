/* SPDX-License-Identifier: MIT */
/*
 * What the launcher (box/box_launch.h) builds a container from: open descriptors, and a table of
 * ours. There is no string of an image in it. Paths on the host exist only for hooks.
 */
#ifndef BOX_BOX_H
#define BOX_BOX_H

#include "box/box_failure.h"
#include "policy/confinement.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* A parameter of a file system, as for fsconfig(2). */
struct box_option {
    const char *key, *value;
};

enum { BOX_OPTIONS_MAX = 6 };

/* An option that is left out if the container does not have the group of terminals. */
#define BOX_TTY_GROUP "gid"

/* A file system of the kernel's, made for this container alone. */
struct box_filesystem {
    const char *type, *source; /* source: the name that mountinfo(5) shows */
    const char *target;        /* absolute path of a folder in the root, or in an earlier one */
    uint64_t attributes;       /* MOUNT_ATTR_... */
    struct box_option options[BOX_OPTIONS_MAX]; /* the last one has no key */
};

/* An open, detached mount (open_tree(2)), which the container shows at a path. */
struct box_tree {
    int fd;
    const char *target; /* absolute path of a file or folder that exists in the root */
};

/*
 * Programs of the host that are executed when the container has its mounts, but has not left the
 * host's yet: OCI's stage createContainer. They are root in the container's user namespace, and
 * nobody outside of it.
 */
struct box_hook {
    const char *path;
    char *const *argv;
    char *const *environment;
    int timeout_ms; /* then it is killed, and the container is not started; -1: none */
};

struct box_hooks {
    const struct box_hook *all;
    size_t count;
    const char *state;     /* OCI's state of the container, which each hook reads from its stdin */
    const char *root_path; /* a folder of the caller's, where the hooks find the root */
    int text;              /* their stdout and stderr */
};

/* A setting of the kernel. */
struct box_setting {
    const char *name; /* path below /proc/sys */
    char value[32];
};

struct box_limit {
    int resource; /* RLIMIT_... */
    struct rlimit most;
    bool exact; /* not lower either */
};

/* BOX_PATH_MAX: of the target of a tree, with the end of the string. */
enum { BOX_TREES_MAX = 16, BOX_SETTINGS_MAX = 4, BOX_DEVICES = 6, BOX_PATH_MAX = 4096 };

struct box {
    /* Namespaces to join. -1: the caller's user namespace; a new network namespace. */
    int user_namespace, network_namespace;
    bool loopback;     /* bring up the loopback interface of the network namespace */
    bool joins_caller; /* stay in the caller's network namespace instead (only in a VM) */
    int cgroup;        /* folder of a cgroup (v2) to begin in; -1: the caller's cgroup */
    int parent;        /* pidfd of the process that box_keep() must not outlive; -1: none */

    int root; /* a detached mount (open_tree(2)) */
    /* Mounts of the caller's that the container must not keep, in this order; the last is NULL. For
     * a machine whose root cannot be replaced (pivot_root(2)), as in a VM. NULL: drop everything. */
    const char *const *outside;
    int agent;        /* the program's file; O_PATH will do */
    int stdio[3];     /* its standard streams */
    const char *name; /* its argv[0] */
    const char *hostname;
    bool keeps_groups; /* the user namespace forbids setgroups(2) */
    bool no_tty_group; /* the user namespace has no group 5 */

    /* Nodes for box_devices[], as detached mounts. -1: make a node (only in a VM). */
    int devices[BOX_DEVICES];
    struct box_tree trees[BOX_TREES_MAX];
    size_t tree_count;
    /* Trees for which the launcher makes what is missing of their paths, and follows links of the
     * image, within the root. None may be in a file system of the kernel's but /dev. */
    const struct box_tree *guests;
    size_t guest_count;
    struct box_hooks hooks;
    struct box_setting settings[BOX_SETTINGS_MAX];
    size_t setting_count;
    bool shows_cgroup; /* one of the trees is at CONFINEMENT_CGROUP */

    bool agent_confines; /* the agent gets confinement_agent_capabilities, too */
    bool no_new_privileges;
    /* An array of struct sock_filter that is installed before the agent is executed. NULL: none. */
    const void *filter;
    size_t filter_length;
};

/* The devices of every container, see mem(4), random(4) and tty(4). */
extern const struct box_device {
    const char *name;
    unsigned major, minor;
} box_devices[BOX_DEVICES];

/* What every container has. Each list ends with an empty element. */
extern const struct box_filesystem box_filesystems[];
extern const struct box_option box_links[]; /* key: the link in /dev; value: where it leads */
extern const struct box_limit box_limits[];

/* Returns the name of a system call that a launcher needs and this kernel does not have, or NULL.
 * Linux 5.12 has all of them. */
const char *box_missing_call(void);

/* Initializes a box without anything. */
void box_init(struct box *b);

#endif
