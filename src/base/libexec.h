/* SPDX-License-Identifier: MIT */
/*
 * Where the helper programs are: the supervisor, the agent, the unpacker. They belong to the
 * version of light-runner that starts them, and people do not run them, so they are not on PATH.
 */
#ifndef BASE_LIBEXEC_H
#define BASE_LIBEXEC_H

#include "base/error.h"

/*
 * Returns the full path of a helper program, malloc'd. It is looked for in three places, in this
 * order:
 *
 *   1. in $LIGHT_RUNNER_LIBEXEC;
 *   2. beside the running program, or where an installation or a build folder has it, if it belongs
 *      to root or to the owner of the running program;
 *   3. in the folder given at compile time.
 *
 * Errors: IO_FAILED, with a hint.
 */
char *libexec_find(const char *program, lrun_error *err);

#endif
