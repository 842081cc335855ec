/* SPDX-License-Identifier: MIT */
/*
 * The step at which a container could not be built. The process that fails writes it to a pipe that
 * is closed when the agent is executed, so nothing of the sandbox can ever write there.
 */
#ifndef BOX_BOX_FAILURE_H
#define BOX_BOX_FAILURE_H

#include <stddef.h>

enum box_step {
    BOX_JOIN_USER,
    BOX_JOIN_NETWORK,
    BOX_TIE,
    BOX_MAKE_PIPE,
    BOX_MAKE_PROCESS,
    BOX_REPORT,
    BOX_SET_LIMITS,
    BOX_BECOME_ROOT,
    BOX_MAKE_SESSION,
    BOX_MAKE_KEYRING,
    BOX_SET_STREAMS,
    BOX_RESET_SIGNALS,
    BOX_SET_HOSTNAME,
    BOX_RAISE_LOOPBACK,
    BOX_MAKE_PRIVATE,
    BOX_MAKE_FILESYSTEM,
    BOX_SET_SETTING,
    BOX_PLACE_ROOT,
    BOX_RUN_HOOK,
    BOX_ENTER_ROOT,
    BOX_LEAVE_HOST,
    BOX_FIND_PLACE,
    BOX_ATTACH,
    BOX_MAKE_DEVICE,
    BOX_MAKE_LINK,
    BOX_MASK,
    BOX_PROTECT,
    BOX_DROP_CAPABILITIES,
    BOX_INSTALL_FILTER,
    BOX_KEEP_PRIVILEGES,
    BOX_CLOSE_FILES,
    BOX_EXECUTE,
    BOX_STEPS
};

struct box_failure {
    int step;      /* enum box_step */
    int error;     /* errno */
    int code;      /* of a hook: its exit code, or 128 and a signal's number; otherwise 0 */
    char what[64]; /* the path or name from our tables; "" */
};

enum { BOX_FAILURE_TEXT = 256 };

/* Writes one line for people, without a newline. */
void box_failure_text(const struct box_failure *f, char text[BOX_FAILURE_TEXT]);

#endif
