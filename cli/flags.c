/* SPDX-License-Identifier: MIT */
#include "flags.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define OPERATION "cli.usage"

enum { HELP_COLUMN_MAX = 28 };

static const struct flag *find(const struct command *c, const char *name, size_t length)
{
    for (const struct flag *f = c->flags; f->name; f++)
        if (strlen(f->name) == length && strncmp(f->name, name, length) == 0)
            return f;
    return NULL;
}

static bool *switch_of(const struct flag *f, void *into)
{
    return (bool *)((char *)into + f->offset);
}

bool flags_has(const struct command *c, const void *into, const char *name)
{
    const struct flag *f = find(c, name, strlen(name));
    return f && f->kind == FLAG_ON && *(const bool *)((const char *)into + f->offset);
}

/* ------------------------------------------------------------- one argument */

static bool is_flag(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

/* Returns the flag that an argument names, and its value if that is in the same argument. */
static const struct flag *flag_of(const struct command *c, const char *argument, const char **value)
{
    *value = NULL;
    if (strcmp(argument, "-h") == 0)
        return find(c, "help", strlen("help"));
    if (strncmp(argument, "--", 2) != 0)
        return NULL;
    size_t length = strcspn(argument, "=");
    if (argument[length] == '=')
        *value = argument + length + 1;
    return find(c, argument + 2, length - 2);
}

/* Whether the value of the flag is the next argument. */
static bool takes_next(const struct command *c, const char *argument)
{
    const char *value;
    const struct flag *f = flag_of(c, argument, &value);
    return f && f->value && !value;
}

/* An error that occurs before --json is read must be printed as JSON too. */
static void look_for_json(const struct command *c, void *into, int argc, char **argv)
{
    const struct flag *json = find(c, "json", strlen("json"));
    for (int i = 1; json && i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            *switch_of(json, into) = true;
        if (!is_flag(argv[i]) && c->words_end_flags)
            return;
        if (takes_next(c, argv[i]))
            i++;
    }
}

static int usage_hint(const struct command *c, lrun_error *err)
{
    return error_hint(err, "try: light-runner %s --help", c->name);
}

/* `kind` is printed in front of the flag's name, `problem` behind it. */
static int wrong_flag(const struct command *c, const char *kind, const char *argument,
                      const char *problem, lrun_error *err)
{
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "%s '%.*s'%s", kind,
              (int)strcspn(argument, "="), argument, problem);
    return usage_hint(c, err);
}

static int set(const struct command *c, const struct flag *f, void *into, const char *value,
               lrun_error *err)
{
    int rc = 0;
    switch (f->kind) {
    case FLAG_ON:
        *switch_of(f, into) = true;
        break;
    case FLAG_OFF:
        *switch_of(f, into) = false;
        break;
    case FLAG_TEXT:
        *(const char **)((char *)into + f->offset) = value;
        break;
    case FLAG_READ:
        rc = f->read(into, f, value, err);
        break;
    }
    if (rc != FLAG_BAD_VALUE)
        return rc;
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--%s: '%.80s' is not a valid value", f->name,
              value);
    return usage_hint(c, err);
}

/* ------------------------------------------------------------- all of them */

static bool is_letters(const char *argument)
{
    return is_flag(argument) && argument[1] != '-' && strcmp(argument, "-h") != 0;
}

/* Sets the flags of an argument like -it. */
static int set_letters(const struct command *c, void *into, const char *argument, lrun_error *err)
{
    for (const char *letter = argument + 1; *letter; letter++) {
        const struct flag *f = c->flags;
        while (f->name && f->letter != *letter)
            f++;
        if (!f->name)
            return wrong_flag(c, "unknown flag", argument, "", err);
        if (set(c, f, into, NULL, err) < 0)
            return -1;
    }
    return 0;
}

int flags_parse(const struct command *c, void *into, int argc, char **argv, lrun_error *err)
{
    int words = 0, i;
    look_for_json(c, into, argc, argv);
    for (i = 1; i < argc; i++) {
        const char *argument = argv[i], *value;
        if (strcmp(argument, "--") == 0) {
            i++;
            break;
        }
        if (!is_flag(argument)) {
            if (c->words_end_flags)
                break;
            argv[++words] = argv[i];
            continue;
        }
        if (is_letters(argument)) {
            if (set_letters(c, into, argument, err) < 0)
                return -1;
            continue;
        }
        const struct flag *f = flag_of(c, argument, &value);
        if (!f)
            return wrong_flag(c, "unknown flag", argument, "", err);
        if (!f->value && value)
            return wrong_flag(c, "flag", argument, " takes no value", err);
        if (f->value && !value && i + 1 == argc)
            return wrong_flag(c, "flag", argument, " needs a value", err);
        if (f->value && !value)
            value = argv[++i];
        if (set(c, f, into, value, err) < 0)
            return -1;
    }
    for (; i < argc; i++)
        argv[++words] = argv[i];
    argv[words + 1] = NULL;
    if (words == 0 || !c->no_words || flags_has(c, into, "help"))
        return words;
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "unknown argument '%.80s'", argv[1]);
    return usage_hint(c, err);
}

/* ------------------------------------------------------------- the help */

static int left_width(const struct flag *f)
{
    return (int)strlen(f->name) + 2 + (f->value ? (int)strlen(f->value) + 1 : 0) +
           (f->letter ? 4 : 0);
}

/* Returns the column where the descriptions begin. A few flags with long values do not push it to
 * the right. */
static int help_column(const struct command *c)
{
    int column = 0;
    for (const struct flag *f = c->flags; f->name; f++)
        if (left_width(f) > column && left_width(f) <= HELP_COLUMN_MAX)
            column = left_width(f);
    return column;
}

void flags_help(const struct command *c)
{
    int column = help_column(c);
    printf("usage: light-runner %s%s%s\n\n%s\n", c->name, c->usage[0] ? " " : "", c->usage,
           c->about);
    for (const struct flag *f = c->flags; f->name; f++) {
        int padding = column - left_width(f);
        const char letter[] = {',', ' ', '-', f->letter, '\0'};
        printf("%s  --%s%s%s%s%*s  ", f == c->flags ? "\n" : "", f->name, f->value ? " " : "",
               f->value ? f->value : "", f->letter ? letter : "", padding > 0 ? padding : 0, "");
        for (const char *line = f->help, *end;; line = end + 1) {
            end = strchrnul(line, '\n');
            printf("%.*s\n", (int)(end - line), line);
            if (!*end)
                break;
            printf("%*s", column + 4, "");
        }
    }
    if (c->notes)
        printf("\n%s\n", c->notes);
}
