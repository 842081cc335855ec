/* SPDX-License-Identifier: MIT */
/*
 * The files by which programs find names: /etc/hosts, hostname, resolv.conf and nsswitch.conf. Images leave them to who runs
 * them: they are missing, empty, or links to what a system that has been started would have there.
 *
 * The image may have anything in their place. So a link is replaced and never written through, an empty folder gives way, and
 * nothing is written that is one of the kernel's own files.
 */
#ifndef AGENT_NAMES_H
#define AGENT_NAMES_H

#include "failure.h"
#include "wire/frame.h"

/*
 * By the fields of PREPARE. `nameserver`: the servers to name, if there are any. `named`: the request asked for these, so that it is
 * a failure if they cannot be named. `own`: the sandbox's own name is to be found, which is not for an image that is made of
 * it. Where anything else cannot be written the sandbox does without.
 */
int names_provide(const struct frame *f, struct failure *failure);

#endif
