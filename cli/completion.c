/* SPDX-License-Identifier: MIT */
#include "completion.h"

#include "verbs.h"

#include <string.h>

void completion_each(void (*function)(const struct command *c, const char *description))
{
    for (const struct verb *v = verbs; v->command; v++) {
        function(v->command, v->description);
        for (size_t i = 0; v->command->commands && v->command->commands[i]; i++)
            function(v->command->commands[i], "");
    }
}

bool completion_has(const char *choices, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = choices; at && *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (n == length && strncmp(at, word, n) == 0)
            return true;
        at += n;
    }
    return false;
}

void completion_print_quoted(const char *text, const char *specials)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
            continue;
        }
        if (strchr(specials, *text))
            putchar('\\');
        putchar(*text == '\n' ? ' ' : *text);
    }
}

void completion_print_words(const char *choices)
{
    for (const char *at = choices; at && *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (*at != '<')
            printf("%.*s ", (int)n, at);
        at += n;
    }
}

const char *completion_last_word(const char *name)
{
    const char *blank = strrchr(name, ' ');
    return blank ? blank + 1 : name;
}

void completion_print_verbs(void)
{
    for (const struct verb *v = verbs; v->command; v++)
        printf("%s ", v->command->name);
}
