/* SPDX-License-Identifier: MIT */
/*
 * Where the helper programs are: the supervisor, the agent, the unpacker. They belong to the
 * version that starts them and are of no use to people, so they are not on PATH.
 */
#ifndef BASE_LIBEXEC_H
#define BASE_LIBEXEC_H

#include "base/error.h"

/*
 * The full path of a helper program: in $LIGHT_RUNNER_LIBEXEC; beside the running program, or where an installation or a
 * build folder has it, if it belongs to root or to the owner of the running program; or in the folder given at compile
 * time. malloc'd.
 * Errors: IO_FAILED, with a hint.
 */
char *libexec_find(const char *program, lrun_error *err);

/*
 * The full path of a program in one of the folders (a list that ends with NULL), which are relative to that of the running
 * program. It counts only if it belongs to root or to the owner of the running program: where that lies, somebody else may
 * be able to write beside it, in /tmp, say. malloc'd; NULL: it is in none of them.
 */
char *libexec_beside(const char *const *folders, const char *program);

#endif
