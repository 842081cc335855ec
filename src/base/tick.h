/* SPDX-License-Identifier: MIT */
/* A callback by which a call that blocks asks, about once a second, whether to continue. */
#ifndef BASE_TICK_H
#define BASE_TICK_H

struct tick {
    int (*ask)(void *user); /* not 0: the call ends early. NULL: it is not asked */
    void *user;
};

#endif
