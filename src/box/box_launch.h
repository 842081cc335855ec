/* SPDX-License-Identifier: MIT */
/*
 * Builds a container around a program: the sandbox of tier `runc`, and the container in the VM of
 * tier `kata`. It does what an OCI runtime does, for exactly one kind of container.
 *
 * Everything comes as an open descriptor or from a table of ours. No path on the host is followed,
 * and no string of an image is read. Inside the root, each place for a mount is opened without
 * following any link, and the mount is attached to that descriptor.
 *
 *     box_keep()    in a child of the supervisor that is the first process of a PID namespace:
 *        |          enters the user namespace, and waits for the container's end
 *     box_start()   makes the container's first process, in namespaces of its own
 *        |
 *        +-- makes the kernel's file systems, detached
 *            enters the root, and drops every mount of the host
 *            attaches the file systems, hides and protects parts of them
 *            gives up all privileges but those of the table
 *            executes the agent by its descriptor
 *
 * The process that fails says at which step, and why (struct box_failure).
 */
#ifndef BOX_BOX_LAUNCH_H
#define BOX_BOX_LAUNCH_H

#include "box/box.h"

/*
 * Starts the container's first process in namespaces of its own, and returns its pid as seen by the
 * caller; -1 with *failure. When this returns, the agent has been executed. Blocks for as long as
 * the steps take, some milliseconds.
 */
pid_t box_start(const struct box *b, struct box_failure *failure);

/*
 * For the first process of a PID namespace: joins the user namespace, starts the container, and
 * exits when the container has ended. A failure is written to the descriptor `text` as one line.
 */
_Noreturn void box_keep(const struct box *b, int text);

#endif
