/* SPDX-License-Identifier: MIT */
#ifndef GUEST_NETWORK_H
#define GUEST_NETWORK_H

#include "settings.h"

/* The loopback interface, and with it the one to the outside if the run has a network. */
void network_up(const struct settings *s);

#endif
