/* SPDX-License-Identifier: MIT */
#ifndef AGENT_RESOLV_H
#define AGENT_RESOLV_H

#include "failure.h"
#include "wire/frame.h"

/*
 * Writes the fields `nameserver` of PREPARE, if there are any, into /etc/resolv.conf. For Docker, which shows a file there
 * that names a server of its own. It is a failure only with the field `named`: the request asked for these servers.
 */
int resolv_provide(const struct frame *f, struct failure *failure);

#endif
