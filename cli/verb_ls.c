/* SPDX-License-Identifier: MIT */
#include "detached.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/state.h"

#include <stdlib.h>
#include <string.h>

struct words {
    bool json, help;
};

static const struct flag flags[] = {
    FLAG_JSON(struct words, "print JSON"),
    FLAG_HELP(struct words),
    FLAG_END,
};

const struct command ls_command = {
    .name = "ls",
    .usage = "[flags]",
    .about = "Lists the detached runs, including those that have ended.",
    .flags = flags,
    .notes = DETACHED_NOTES,
};

static const char *text_of(const json_t *state, const char *field)
{
    const char *text = json_string_value(json_object_get(state, field));
    return text ? text : "";
}

/* The text shown for one state, and its sort keys. There may be thousands of states, so keep no
 * more of each. */
struct row {
    char started[32], id[32], text[176];
};

struct rows {
    struct row *all;
    size_t count, room;
};

/* Prints the command as it was given, a shell's text or words, as far as it fits. */
static void show_command(char *out, size_t size, const json_t *state)
{
    const json_t *argv = json_object_get(state, "argv"), *word;
    size_t i, used = (size_t)snprintf(out, size, "%s", text_of(state, "command"));
    json_array_foreach (argv, i, word) {
        const char *text = json_string_value(word);
        if (used >= size || !text)
            return;
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", text);
    }
}

static int add_row(void *user, json_t *state, lrun_error *err)
{
    struct rows *rows = user;
    if (rows->count == rows->room) {
        size_t room = rows->room ? 2 * rows->room : 64;
        struct row *more = reallocarray(rows->all, room, sizeof(*more));
        if (!more)
            return error_oom(err, "ls");
        rows->all = more;
        rows->room = room;
    }
    struct row *row = &rows->all[rows->count++];
    const json_t *code = json_object_get(state, "exitCode");
    char exit_code[24] = "", command[41], image[31];
    if (json_is_integer(code))
        snprintf(exit_code, sizeof(exit_code), "%" JSON_INTEGER_FORMAT, json_integer_value(code));
    show_command(command, sizeof(command), state);
    snprintf(image, sizeof(image), "%s", text_of(state, "image"));
    snprintf(row->started, sizeof(row->started), "%s", text_of(state, "startedAt"));
    snprintf(row->id, sizeof(row->id), "%s", text_of(state, "id"));
    snprintf(row->text, sizeof(row->text), "%-25s  %-9s  %4s  %-20.19s  %-30s  %s", row->id,
             text_of(state, "status"), exit_code, row->started, image, command);
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = strcmp(x->started, y->started);
    return order ? order : strcmp(x->id, y->id);
}

static int print_table(int dir, lrun_error *err)
{
    struct rows rows = {0};
    int rc = dir < 0 ? 0 : state_each(dir, add_row, &rows, err);
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

/* Like lrun_states(), but does not make one text of all states. */
static int print_states(int dir, lrun_error *err)
{
    json_t *all;
    if (state_list(&all, dir, err) < 0)
        return -1;
    (void)cli_json(all, JSON_COMPACT);
    return 0;
}

int verb_ls(int argc, char **argv)
{
    struct words w = {0};
    lrun_error e = {0};
    int code;
    if (!cli_parse(&ls_command, &w, &argc, argv, &code))
        return code;
    if (argc > 1)
        return cli_usage("ls", w.json, "it takes no argument");
    cleanup_close int dir = -1;
    lrun_error ignored;
    /* A run whose supervisor was killed is no longer running, so mark its state first. If that
     * fails, its state is shown as it is. */
    (void)lrun_reap_states(NULL, &ignored);
    if (state_open_dir(&dir, false, &e) < 0 || (w.json ? print_states : print_table)(dir, &e) < 0)
        return cli_fail(&e, w.json);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}
