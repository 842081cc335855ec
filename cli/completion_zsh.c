/* SPDX-License-Identifier: MIT */
/* The script for zsh: one function per command, which passes its flags to _arguments. */
#include "completion.h"

#include "verbs.h"

#include <stdio.h>

static const char intro[] =
    "#compdef light-runner\n"
    "# zsh completion for light-runner; made by: light-runner completion zsh\n"
    "\n"
    "# The first column of a table.\n"
    "_light_runner_column()\n"
    "{\n"
    "    local -a names\n"
    "    names=(\"${(@f)$(light-runner \"$@\" 2>/dev/null </dev/null)}\")\n"
    "    names=(\"${(@)names[2,-1]%%[[:space:]]*}\")\n"
    "    compadd -a names\n"
    "}\n"
    "_light_runner_runs() { _light_runner_column ls }\n"
    "_light_runner_images() { _light_runner_column image ls }\n"
    "\n"
    "# The function of a command, if there is one.\n"
    "_light_runner_call() { (( $+functions[$1] )) && $1 }\n"
    "\n";

static const char top[] = "_light_runner()\n"
                          "{\n"
                          "    local curcontext=\"$curcontext\" state line\n"
                          "    typeset -A opt_args\n"
                          "    _arguments -C '--help[print the verbs]' '--version[print the "
                          "version]' '1: :->verb' '*:: :->rest'\n"
                          "    case $state in\n"
                          "    verb) _light_runner_verbs ;;\n"
                          "    rest) _light_runner_call \"_light_runner_${words[1]}\" ;;\n"
                          "    esac\n"
                          "}\n"
                          "\n"
                          "_light_runner \"$@\"\n";

/* Prints the action of _arguments for a value or an argument. */
static void print_action(const char *choices)
{
    if (completion_has(choices, COMPLETE_FILES))
        printf("_files");
    else if (completion_has(choices, COMPLETE_FOLDERS))
        printf("_files -/");
    else if (completion_has(choices, COMPLETE_RUNS))
        printf("_light_runner_runs");
    else if (completion_has(choices, COMPLETE_IMAGES))
        printf("_light_runner_images");
    else if (completion_has(choices, COMPLETE_VERBS))
        printf("_light_runner_verbs");
    else if (choices) {
        printf("(");
        completion_print_words(choices);
        printf(")");
    } else {
        printf(" ");
    }
}

static void print_flag(const struct flag *f)
{
    printf(" \\\n        '%s--%s%s[", f->value ? "*" : "", f->name, f->value ? "=" : "");
    completion_print_quoted(f->help, "[]\\:");
    printf("]");
    if (f->value) {
        printf(":");
        completion_print_quoted(f->value, ":");
        printf(":");
        print_action(f->choices);
    }
    printf("'");
}

/* Prints the name of a command's function: _light_runner_image_ls for `image ls`. */
static void print_name(const struct command *c)
{
    printf("_light_runner_");
    for (const char *at = c->name; *at; at++)
        putchar(*at == ' ' ? '_' : *at);
}

static void print_command(const struct command *c, const char *description)
{
    (void)description;
    print_name(c);
    printf("()\n{\n");
    if (c->commands)
        printf("    local curcontext=\"$curcontext\" state line\n    typeset -A opt_args\n");
    printf("    _arguments%s", c->commands ? " -C" : "");
    for (const struct flag *f = c->flags; f->name; f++)
        print_flag(f);
    if (c->commands) {
        printf(" \\\n        '1: :(");
        for (size_t i = 0; c->commands[i]; i++)
            printf("%s ", completion_last_word(c->commands[i]->name));
        printf(")' \\\n        '*:: :->rest'\n");
        printf("    [[ $state != rest ]] || _light_runner_call \"_light_runner_%s_${words[1]}\"\n",
               c->name);
    } else if (c->words) {
        bool names = c->words[0] == '<' && !c->words_end_flags;
        printf(" \\\n        '%s: :", names ? "*" : "1");
        print_action(c->words);
        printf("'%s\n", c->words_end_flags ? " \\\n        '*:: :_files'" : "");
    } else {
        printf("\n");
    }
    printf("}\n\n");
}

static void print_verb(const struct verb *v)
{
    printf("        '%s:", v->command->name);
    completion_print_quoted(v->description, ":\\");
    printf("'\n");
}

void completion_zsh(void)
{
    fputs(intro, stdout);
    printf("_light_runner_verbs()\n{\n    local -a verbs\n    verbs=(\n");
    for (const struct verb *v = verbs; v->command; v++)
        print_verb(v);
    printf("    )\n    _describe verb verbs\n}\n\n");
    completion_each(print_command);
    fputs(top, stdout);
}
