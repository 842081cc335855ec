/* SPDX-License-Identifier: MIT */
/* The commands of `light-runner session` that are about files (verb_session_files.c). */
#ifndef CLI_VERB_SESSION_H
#define CLI_VERB_SESSION_H

#include "verbs.h"

extern const struct command session_put_command, session_get_command, session_read_command,
    session_write_command, session_ls_command, session_stat_command, session_rm_command;

int session_put(int argc, char **argv);
int session_get(int argc, char **argv);
int session_read(int argc, char **argv);
int session_write(int argc, char **argv);
int session_ls(int argc, char **argv);
int session_stat(int argc, char **argv);
int session_rm(int argc, char **argv);

/* Returns NULL with the error printed, and *code set. */
lrun_session *session_find(const char *id, bool json, int *code);

#endif
