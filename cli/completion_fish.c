/* SPDX-License-Identifier: MIT */
/* The script for fish: one line per flag, with a condition that names its command. */
#include "completion.h"

#include "verbs.h"

#include <stdio.h>
#include <string.h>

static const char intro[] =
    "# fish completion for light-runner; made by: light-runner completion fish\n"
    "\n"
    "# The first column of a table.\n"
    "function __light_runner_column\n"
    "    command light-runner $argv 2>/dev/null </dev/null | string replace -r '\\s.*' '' | tail "
    "-n +2\n"
    "end\n"
    "\n"
    "# Whether the line is about this command: its words, and after $flags (those that take a "
    "value) no more than $most arguments.\n"
    "function __light_runner_is -a command most\n"
    "    set -l words (commandline -opc)[2..-1]\n"
    "    set -l name (string split ' ' -- $command)\n"
    "    for word in $name\n"
    "        test \"$words[1]\" = \"$word\"; or return 1\n"
    "        set words $words[2..-1]\n"
    "    end\n"
    "    test -n \"$most\"; or return 0\n"
    "    set -l given 0\n"
    "    set -l skip 0\n"
    "    for word in $words\n"
    "        if test $skip = 1\n"
    "            set skip 0\n"
    "        else if contains -- $word $argv[3..-1]\n"
    "            set skip 1\n"
    "        else if not string match -q -- '-*' $word\n"
    "            set given (math $given + 1)\n"
    "        end\n"
    "    end\n"
    "    test $given -le $most\n"
    "end\n"
    "\n"
    "complete -c light-runner -f\n"
    "complete -c light-runner -n '__light_runner_is \"\" 0' -l help -d 'print the verbs'\n"
    "complete -c light-runner -n '__light_runner_is \"\" 0' -l version -d 'print the version'\n";

/* Prints the condition of a command's line: at most `most` arguments are given, or any number
 * (-1). */
static void print_condition(const struct command *c, int most)
{
    printf("complete -c light-runner -n '__light_runner_is \"%s\"", c->name);
    if (most >= 0) {
        printf(" %d", most);
        for (const struct flag *f = c->flags; f->name; f++)
            if (f->value)
                printf(" --%s", f->name);
    }
    printf("'");
}

/* fish is told not to offer files (complete -f), so -F turns them on here. */
static void print_choices(const char *choices)
{
    if (completion_has(choices, COMPLETE_FILES))
        printf(" -F");
    else if (completion_has(choices, COMPLETE_FOLDERS))
        printf(" -a '(__fish_complete_directories)'");
    else if (completion_has(choices, COMPLETE_RUNS))
        printf(" -a '(__light_runner_column ls)'");
    else if (completion_has(choices, COMPLETE_IMAGES))
        printf(" -a '(__light_runner_column image ls)'");
    else if (completion_has(choices, COMPLETE_VERBS)) {
        printf(" -a '");
        completion_print_verbs();
        printf("'");
    } else if (choices) {
        printf(" -a '");
        completion_print_words(choices);
        printf("'");
    }
}

static void print_flag(const struct command *c, const struct flag *f)
{
    bool files = completion_has(f->choices, COMPLETE_FILES);
    print_condition(c, c->words_end_flags || c->commands ? 0 : -1);
    printf(" -l %s%s", f->name, !f->value ? "" : files ? " -r" : " -x");
    print_choices(f->choices);
    printf(" -d '");
    completion_print_quoted(f->help, "\\");
    printf("'\n");
}

static void print_command(const struct command *c, const char *description)
{
    (void)description;
    for (const struct flag *f = c->flags; f->name; f++)
        print_flag(c, f);
    for (size_t i = 0; c->commands && c->commands[i]; i++) {
        print_condition(c, 0);
        printf(" -a %s\n", completion_last_word(c->commands[i]->name));
    }
    if (c->words) {
        bool names = c->words[0] == '<' && !c->words_end_flags;
        print_condition(c, names ? -1 : 0);
        print_choices(c->words);
        printf("\n");
    }
    if (c->words_end_flags)
        printf("complete -c light-runner -n '__light_runner_is \"%s\"; and not "
               "__light_runner_is \"%s\" 0' -F\n",
               c->name, c->name);
}

void completion_fish(void)
{
    fputs(intro, stdout);
    for (const struct verb *v = verbs; v->command; v++) {
        printf("complete -c light-runner -n '__light_runner_is \"\" 0' -a %s -d '",
               v->command->name);
        completion_print_quoted(v->description, "\\");
        printf("'\n");
    }
    completion_each(print_command);
}
