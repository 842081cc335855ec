/* SPDX-License-Identifier: MIT */
/*
 * The files in which programs look up names: /etc/hosts, hostname, resolv.conf and nsswitch.conf.
 * Images leave them to the program that runs them: they are missing, empty, or links to files that
 * exist only on a booted system.
 *
 * The image may have anything in their place. So the agent replaces a link and never writes through
 * it, replaces an empty folder, and never writes to one of the kernel's own files.
 */
#ifndef AGENT_NAMES_H
#define AGENT_NAMES_H

#include "failure.h"
#include "wire/frame.h"

/*
 * Writes the files as these fields of PREPARE say:
 *
 *      nameserver  a name server, any number of times
 *      named       the request named these servers, so it is a failure if they cannot be written
 *      own         programs must find the sandbox's own name. Not set if an image is made of the
 *                  sandbox, because the image must not contain that name
 *
 * If any other entry cannot be written, the sandbox does without it.
 */
int names_provide(const struct frame *f, struct failure *failure);

#endif
