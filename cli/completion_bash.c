/* SPDX-License-Identifier: MIT */
/*
 * The script for bash: a generated table, and a function that uses it to read the line. bash also
 * splits words at ':' and '='. So the function splits the line again at blanks, and cuts the part
 * that bash has split off from the answers.
 */
#include "completion.h"

#include <stdio.h>

static const char intro[] =
    "# bash completion for light-runner; made by: light-runner completion bash\n"
    "\n"
    "# What a command takes: the commands that its first argument names, its flags, those of them "
    "that take a value, and the\n"
    "# choices for its arguments.\n"
    "_light_runner_command()\n"
    "{\n"
    "    commands= flags= valued= arguments= ends=\n"
    "    case $1 in\n";

static const char values_intro[] = "    esac\n"
                                   "}\n"
                                   "\n"
                                   "# The choices for the value of a flag.\n"
                                   "_light_runner_values()\n"
                                   "{\n"
                                   "    choices=\n"
                                   "    case $1 in\n";

static const char outro[] =
    "    esac\n"
    "}\n"
    "\n"
    "# The first column of a table. What is in it may come from others, and is not evaluated.\n"
    "_light_runner_column()\n"
    "{\n"
    "    local name rest first=1\n"
    "    while read -r name rest; do\n"
    "        [[ -n $first ]] || names+=(\"$name\")\n"
    "        first=\n"
    "    done < <(\"$@\" 2>/dev/null </dev/null)\n"
    "}\n"
    "\n"
    "# Completes \"$2\" by \"$3\", the choices. $1 is the program.\n"
    "_light_runner_reply()\n"
    "{\n"
    "    local program=$1 word=$2 choice name names=() cut=\n"
    "    for choice in $3; do\n"
    "        case $choice in\n"
    "        '<files>') mapfile -t names < <(compgen -f -- \"$word\"); compopt -o filenames "
    "2>/dev/null ;;\n"
    "        '<folders>') mapfile -t names < <(compgen -d -- \"$word\"); compopt -o filenames "
    "2>/dev/null ;;\n"
    "        '<runs>') _light_runner_column \"$program\" ls ;;\n"
    "        '<images>') _light_runner_column \"$program\" image ls ;;\n"
    "        *) names+=(\"$choice\") ;;\n"
    "        esac\n"
    "    done\n"
    "    # bash replaces only what is behind the last of these letters.\n"
    "    [[ $COMP_WORDBREAKS == *:* && $word == *:* ]] && cut=${word%\"${word##*:}\"}\n"
    "    for name in \"${names[@]}\"; do\n"
    "        [[ $name == \"$word\"* ]] || continue\n"
    "        name=${name#\"$cut\"}\n"
    "        # A name with a letter that the shell would obey is not offered.\n"
    "        [[ $3 == '<files>' || $3 == '<folders>' || $name != *[!A-Za-z0-9._/:@=+%,-]* ]] && "
    "COMPREPLY+=(\"$name\")\n"
    "    done\n"
    "}\n"
    "\n"
    "_light_runner()\n"
    "{\n"
    "    local line=${COMP_LINE:0:COMP_POINT} words=() current= command= flag= given=0 i word\n"
    "    local commands flags valued arguments ends choices\n"
    "    COMPREPLY=()\n"
    "    read -ra words <<<\"$line\"\n"
    "    if [[ $line != *[[:space:]] ]]; then\n"
    "        current=${words[-1]}\n"
    "        unset 'words[-1]'\n"
    "    fi\n"
    "    _light_runner_command ''\n"
    "    for ((i = 1; i < ${#words[@]}; i++)); do\n"
    "        word=${words[i]}\n"
    "        if [[ -n $flag ]]; then\n"
    "            flag=\n"
    "        elif [[ $word == -* ]]; then\n"
    "            [[ \" $valued \" == *\" $word \"* ]] && flag=$word\n"
    "        elif [[ $given == 0 && \" $commands \" == *\" $word \"* ]]; then\n"
    "            command=${command:+$command }$word\n"
    "            _light_runner_command \"$command\"\n"
    "        else\n"
    "            given=$((given + 1))\n"
    "            # The rest is the command line of another program.\n"
    "            [[ -z $ends ]] || { _light_runner_reply \"$1\" \"$current\" '<files>'; return; }\n"
    "        fi\n"
    "    done\n"
    "    if [[ -n $flag ]]; then\n"
    "        _light_runner_values \"$command $flag\"\n"
    "        _light_runner_reply \"$1\" \"$current\" \"$choices\"\n"
    "    elif [[ $current == --*=* ]]; then\n"
    "        _light_runner_values \"$command ${current%%=*}\"\n"
    "        _light_runner_reply \"$1\" \"${current#*=}\" \"$choices\"\n"
    "    elif [[ $current == -* ]]; then\n"
    "        _light_runner_reply \"$1\" \"$current\" \"$flags\"\n"
    "    elif [[ $given == 0 && -n $commands ]]; then\n"
    "        _light_runner_reply \"$1\" \"$current\" \"$commands\"\n"
    "    elif [[ $given == 0 || $arguments == *'<'* ]]; then\n"
    "        _light_runner_reply \"$1\" \"$current\" \"$arguments\"\n"
    "    fi\n"
    "}\n"
    "\n"
    "complete -F _light_runner light-runner\n";

static void print_command(const struct command *c, const char *description)
{
    (void)description;
    printf("    '%s')\n        flags='", c->name);
    for (const struct flag *f = c->flags; f->name; f++)
        printf("--%s ", f->name);
    printf("' valued='");
    for (const struct flag *f = c->flags; f->name; f++)
        if (f->value)
            printf("--%s ", f->name);
    printf("'");
    if (c->commands) {
        printf(" commands='");
        for (size_t i = 0; c->commands[i]; i++)
            printf("%s ", completion_last_word(c->commands[i]->name));
        printf("'");
    }
    if (completion_has(c->words, COMPLETE_VERBS)) {
        printf(" arguments='");
        completion_print_verbs();
        printf("'");
    } else if (c->words) {
        printf(" arguments='%s'", c->words);
    }
    printf("%s ;;\n", c->words_end_flags ? " ends=1" : "");
}

static void print_values(const struct command *c, const char *description)
{
    (void)description;
    for (const struct flag *f = c->flags; f->name; f++)
        if (f->choices)
            printf("    '%s --%s') choices='%s' ;;\n", c->name, f->name, f->choices);
}

void completion_bash(void)
{
    fputs(intro, stdout);
    printf("    '') flags='--help --version ' commands='");
    completion_print_verbs();
    printf("' ;;\n");
    completion_each(print_command);
    fputs(values_intro, stdout);
    completion_each(print_values);
    fputs(outro, stdout);
}
