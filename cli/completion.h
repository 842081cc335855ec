/* SPDX-License-Identifier: MIT */
/*
 * The scripts with which shells complete command lines, generated from the tables of verbs and
 * flags. One function per shell prints its script on stdout.
 *
 * The names of images come from registries and other users, so a script never lets its shell
 * evaluate them.
 */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "flags.h"

void completion_bash(void);
void completion_zsh(void);
void completion_fish(void);

/* Calls the function for each command: every verb, each followed by the commands that its first
 * argument can name. */
void completion_each(void (*function)(const struct command *c, const char *description));

/* Whether a list of choices contains this word. */
bool completion_has(const char *choices, const char *word);

/* Prints a text for use within single quotes, with a backslash before each of `specials`. */
void completion_print_quoted(const char *text, const char *specials);

/* Returns the last word of a command's name. */
const char *completion_last_word(const char *name);

/* Prints the names of the verbs, each followed by a blank. */
void completion_print_verbs(void);

/* Prints those words of a list of choices that stand for themselves, each followed by a blank. */
void completion_print_words(const char *choices);

#endif
