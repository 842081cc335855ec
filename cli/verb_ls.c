/* SPDX-License-Identifier: MIT */
#include "detached.h"
#include "verbs.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

const struct command ls_command = {
    .name = "ls",
    .usage = "[flags]",
    .about = "Lists the detached runs, including those that have ended.",
    .flags = detached_flags,
    .notes = DETACHED_NOTES,
};

/* The text shown for one state, and its sort keys. There may be thousands of states, so keep no
 * more of each. */
struct row {
    char started[32], id[32], text[176];
};

struct rows {
    struct row *all;
    size_t count, room;
    bool full; /* memory was out */
};

/* Prints the command as it was given, a shell's text or words, as far as it fits. */
static void show_command(char *out, size_t size, const lrun_state *state)
{
    size_t used = (size_t)snprintf(out, size, "%s", state->command ? state->command : "");
    for (const char *const *word = state->argv; *word && used < size; word++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", *word);
}

static int add_row(void *user, const lrun_state *state)
{
    struct rows *rows = user;
    if (rows->count == rows->room) {
        size_t room = rows->room ? 2 * rows->room : 64;
        struct row *more = reallocarray(rows->all, room, sizeof(*more));
        if (!more) {
            rows->full = true;
            return 1;
        }
        rows->all = more;
        rows->room = room;
    }
    struct row *row = &rows->all[rows->count++];
    char exit_code[24] = "", command[41], image[31];
    if (state->exit_code >= 0)
        snprintf(exit_code, sizeof(exit_code), "%d", state->exit_code);
    show_command(command, sizeof(command), state);
    snprintf(image, sizeof(image), "%s", state->image);
    snprintf(row->started, sizeof(row->started), "%s", state->started_at);
    snprintf(row->id, sizeof(row->id), "%s", state->id);
    snprintf(row->text, sizeof(row->text), "%-25s  %-9s  %4s  %-20.19s  %-30s  %s", row->id,
             state->status, exit_code, row->started, image, command);
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = strcmp(x->started, y->started);
    return order ? order : strcmp(x->id, y->id);
}

static int print_table(lrun_error *err)
{
    struct rows rows = {0};
    int rc = lrun_states_each(add_row, &rows, err);
    if (rc == 0 && rows.full)
        rc = error_oom(err, "ls");
    if (rc == 0) {
        printf("%-25s  %-9s  %4s  %-20s  %-30s  %s\n", "ID", "STATUS", "EXIT", "STARTED", "IMAGE",
               "COMMAND");
        if (rows.count > 0)
            qsort(rows.all, rows.count, sizeof(*rows.all), by_start);
        for (size_t i = 0; i < rows.count; i++)
            cli_line(stdout, "%s", rows.all[i].text);
    }
    free(rows.all);
    return rc;
}

static int print_states(lrun_error *err)
{
    char *text;
    if (lrun_states(NULL, &text, err) < 0)
        return -1;
    (void)cli_json_text(text);
    lrun_string_free(text);
    return 0;
}

int verb_ls(int argc, char **argv)
{
    struct detached_words w = {0};
    lrun_error e = {0};
    int code;
    if (!cli_parse(&ls_command, &w, &argc, argv, &code))
        return code;
    if (argc > 1)
        return cli_usage("ls", w.json, "it takes no argument");
    lrun_error ignored;
    /* A run whose supervisor was killed is no longer running, so mark its state first. If that
     * fails, its state is shown as it is. */
    (void)lrun_reap_states(NULL, &ignored);
    if ((w.json ? print_states : print_table)(&e) < 0)
        return cli_fail(&e, w.json);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}
