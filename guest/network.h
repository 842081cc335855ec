/* SPDX-License-Identifier: MIT */
#ifndef GUEST_NETWORK_H
#define GUEST_NETWORK_H

#include "settings.h"

/* Brings up the loopback interface and, if the run has a network, the interface to the outside. */
void network_up(const struct settings *s);

#endif
