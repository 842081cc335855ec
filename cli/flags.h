/* SPDX-License-Identifier: MIT */
/*
 * The flags of a command as a table. Parsing, --help and the completion by shells all use it.
 *
 *     struct list {
 *         bool json, help;
 *         const char *engine;
 *     };
 *     static const struct flag flags[] = {
 *         FLAG_STRING("engine", struct list, engine, "auto|local|docker", "whose images"),
 *         FLAG_JSON(struct list, "print a JSON array"),
 *         FLAG_HELP(struct list),
 *         FLAG_END,
 *     };
 *
 * A value follows its flag as `--flag value` or `--flag=value`. Flags cannot be abbreviated,
 * because a flag that is added later would change what an abbreviation means. `--` ends the flags.
 * A flag that takes no value may have a letter.
 *
 * The programs of `light-runner setup` parse their flags with this file too, so it uses only base/.
 */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include "lightrunner.h"

#include <stdbool.h>
#include <stddef.h>

enum flag_kind {
    FLAG_ON,   /* sets a bool */
    FLAG_OFF,  /* clears a bool */
    FLAG_TEXT, /* sets a const char * */
    FLAG_READ, /* calls read() */
};

/* read() returns this for a bad value; flags_parse() then writes the error. */
#define FLAG_BAD_VALUE 1

struct flag {
    const char *name;
    enum flag_kind kind;
    size_t offset;       /* offset of the member to set, in the command's struct */
    const char *value;   /* the help's name for the value; NULL: the flag takes none */
    const char *help;    /* can have several lines */
    const char *choices; /* values that a shell offers: see COMPLETE_FILES */
    /* Returns 0, -1 with an error, or FLAG_BAD_VALUE. `value` is NULL if the flag takes none. */
    int (*read)(void *into, const struct flag *flag, const char *value, lrun_error *err);
    const char *field; /* the field of the request that the flag sets; NULL: none */
    char letter;       /* -x is the same as --name; several may follow one dash. 0: none */
};

/* Rows of the table. Arguments after the help set more members: `.choices = "a b"`. */
#define FLAG_SWITCH(flag, type, member, ...)                                                       \
    {                                                                                              \
        .name = flag, .kind = FLAG_ON, .offset = offsetof(type, member), .help = __VA_ARGS__       \
    }
#define FLAG_NO(flag, type, member, ...)                                                           \
    {                                                                                              \
        .name = flag, .kind = FLAG_OFF, .offset = offsetof(type, member), .help = __VA_ARGS__      \
    }
#define FLAG_STRING(flag, type, member, placeholder, ...)                                          \
    {                                                                                              \
        .name = flag, .kind = FLAG_TEXT, .offset = offsetof(type, member), .value = placeholder,   \
        .help = __VA_ARGS__                                                                        \
    }
#define FLAG_CALL(flag, function, ...)                                                             \
    {                                                                                              \
        .name = flag, .kind = FLAG_READ, .read = function, .help = __VA_ARGS__                     \
    }
#define FLAG_JSON(type, text) FLAG_SWITCH("json", type, json, text)
#define FLAG_HELP(type)       FLAG_SWITCH("help", type, help, "print this")
#define FLAG_END                                                                                   \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/*
 * Choices are words, separated by blanks. A shell looks up the names that these words stand for.
 */
#define COMPLETE_FILES   "<files>"
#define COMPLETE_FOLDERS "<folders>"
#define COMPLETE_RUNS    "<runs>"   /* the ids that `light-runner ls` lists */
#define COMPLETE_IMAGES  "<images>" /* the names that `light-runner image ls` lists */
#define COMPLETE_VERBS   "<verbs>"

struct command {
    const char *name;         /* what the user writes after `light-runner` */
    const char *usage;        /* what the user writes after the name */
    const char *about;        /* above the flags in the help */
    const struct flag *flags; /* the last one has no name */
    const char *notes;        /* below the flags in the help; NULL: nothing */
    const char *words;        /* choices for the arguments; NULL: none */
    bool no_words;            /* an argument is an error */
    bool words_end_flags;     /* everything after the first argument belongs to another program */
    /* the commands that the first argument can name, NULL at the end */
    const struct command *const *commands;
};

/*
 * Reads the flags in argv (the command's own name first) into the struct that the table describes.
 * A flag named "json" is set even if another flag is wrong. Moves the arguments to argv[1] and the
 * following elements, and returns their number. Errors: INVALID_ARGUMENT.
 */
int flags_parse(const struct command *c, void *into, int argc, char **argv, lrun_error *err);

/* Whether a flag without a value was given. Returns false if the command has no flag of that
 * name. */
bool flags_has(const struct command *c, const void *into, const char *name);

/* Prints the help on stdout. */
void flags_help(const struct command *c);

#endif
