/* SPDX-License-Identifier: MIT */
/*
 * The scripts by which shells complete command lines, made of the tables of verbs and flags. One function per shell prints
 * its script on stdout.
 *
 * Names of images come from registries and other users, so a script never lets its shell evaluate them.
 */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "flags.h"

void completion_bash(void);
void completion_zsh(void);
void completion_fish(void);

/* Calls the function for each command: every verb, and behind it those that its first argument names. */
void completion_each(void (*function)(const struct command *c, const char *description));

/* Whether a list of choices has this word. */
bool completion_has(const char *choices, const char *word);

/* Prints a text as it stands within single quotes; each of `specials` gets a backslash. */
void completion_print_quoted(const char *text, const char *specials);

/* The last word of a command's name. */
const char *completion_last_word(const char *name);

/* Prints the names of the verbs, a blank after each. */
void completion_print_verbs(void);

/* Prints the words of a list of choices that stand for themselves, a blank after each. */
void completion_print_words(const char *choices);

#endif
