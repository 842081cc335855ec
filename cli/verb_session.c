/* SPDX-License-Identifier: MIT */
/* light-runner session: one sandbox, many commands. */
#include "verb_session.h"
#include "cli_runner.h"
#include "detached.h"
#include "outcome.h"
#include "run_flags.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "json/request_text.h"

#include <stdlib.h>
#include <string.h>

#define OPERATION "cli.session"

struct options {
    bool json, help;
};

static const struct flag plain_flags[] = {
    FLAG_JSON(struct options, "print JSON"),
    FLAG_HELP(struct options),
    FLAG_END,
};

static const struct command close_command = {
    .name = "session close",
    .usage = "[flags] ID",
    .about = "Ends a session: kills what still runs in it, and removes its sandbox.",
    .flags = plain_flags,
    .words = COMPLETE_RUNS,
};

static const struct command list_command = {
    .name = "session list",
    .usage = "[flags]",
    .about = "Lists the sessions that are open.",
    .flags = plain_flags,
    .notes = DETACHED_NOTES,
    .no_words = true,
};

const struct command session_command = {
    .name = "session",
    .usage = "COMMAND",
    .about = "  open --detach IMAGE     open a sandbox, and print its id\n"
             "  run ID [--] COMMAND     execute a command in it\n"
             "  put ID FOLDER           copy the contents of a folder into it\n"
             "  get ID FROM:TO...       copy files and folders out of it\n"
             "  read ID PATH            print a file\n"
             "  write ID PATH           write what comes on stdin to a file\n"
             "  ls ID [PATH]            list a folder\n"
             "  stat ID PATH            describe a file or folder\n"
             "  rm ID PATH              remove a file or folder\n"
             "  close ID                end it\n"
             "  list                    list those that are open",
    .flags = plain_flags + 1,
    .notes = "The verbs ls, attach, stop, cancel, pause and resume take the id of a session, too.",
    .commands =
        (const struct command *const[]){
            &session_open_command, &session_run_command, &session_put_command, &session_get_command,
            &session_read_command, &session_write_command, &session_ls_command,
            &session_stat_command, &session_rm_command, &close_command, &list_command, NULL},
};

/* ------------------------------------------------------------- open */

static int open_session(struct run_flags *f, struct outcome *o, lrun_session **session,
                        lrun_error *err)
{
    if (!json_is_true(json_object_get(f->document, "detached"))) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                  "a session that is opened here must outlive this command");
        return error_hint(err, "add --detach; a program can hold one open through the library");
    }
    cleanup_free char *text = request_text_dump(f->document);
    if (!text)
        return error_oom(err, OPERATION);
    const lrun_callbacks callbacks = outcome_callbacks(o, -1);
    lrun_runner *runner;
    if (cli_runner(&runner, NULL, NULL, err) < 0)
        return -1;
    int rc = lrun_session_open_json(runner, text, strlen(text), &callbacks, session, err);
    lrun_runner_free(runner);
    progress_clear(&o->progress);
    return rc;
}

static int session_open(int argc, char **argv)
{
    lrun_error e = {0};
    cleanup_run_flags struct run_flags f = {.input_fd = -1};
    struct outcome o;
    lrun_session *session = NULL;
    if (run_flags_parse(&f, &session_open_command, argc, argv, &e) < 0)
        return cli_fail(&e, f.json);
    if (f.help) {
        flags_help(&session_open_command);
        return 0;
    }
    if (outcome_init(&o, f.json, &e) < 0 || open_session(&f, &o, &session, &e) < 0)
        return cli_fail(&e, f.json);
    cli_line(stdout, f.json ? "{\"id\":\"%s\"}" : "%s", lrun_session_id(session));
    bool printed = fflush(stdout) == 0 && !ferror(stdout);
    /* Nobody knows its id, so it must not stay. */
    if (!printed)
        (void)lrun_session_close(session, NULL, NULL);
    lrun_session_free(session);
    return printed ? 0 : CLI_FAILED;
}

/* ------------------------------------------------------------- the others */

lrun_session *session_find(const char *id, bool json, int *code)
{
    lrun_error e = {0};
    lrun_session *session = NULL;
    int rc = lrun_session_attach(id, &session, &e);
    if (rc == 0 && session)
        return session;
    if (rc == 0) {
        error_set(&e, LRUN_INVALID_ARGUMENT, "cli.id", "no session with the id '%.60s'", id);
        error_hint(&e, "light-runner session list shows those that are open");
    }
    *code = cli_fail(&e, json);
    return NULL;
}

static int execute(const struct run_flags *f, struct outcome *o, lrun_session *session,
                   lrun_result **result, lrun_error *err)
{
    struct terminal terminal;
    if (f->tty && terminal_init(&terminal, f->input_fd, f->document, err) < 0)
        return -1;
    o->terminal = f->tty ? &terminal : NULL;
    cleanup_free char *text = request_text_dump(f->document);
    if (!text)
        return error_oom(err, OPERATION);
    const lrun_callbacks callbacks = outcome_callbacks(o, f->input_fd);
    lrun_execution *execution = NULL;
    int rc = lrun_session_run_json(session, text, strlen(text), &callbacks, &execution, err);
    if (rc == 0)
        rc = outcome_wait(o, execution, result, err);
    lrun_execution_free(execution);
    if (o->terminal)
        terminal_restore(o->terminal);
    return rc;
}

static int session_run(int argc, char **argv)
{
    lrun_error e = {0};
    cleanup_run_flags struct run_flags f = {.input_fd = -1};
    struct outcome o;
    lrun_result *result = NULL;
    int code;
    if (run_flags_parse(&f, &session_run_command, argc, argv, &e) < 0)
        return cli_fail(&e, f.json);
    if (f.help) {
        flags_help(&session_run_command);
        return 0;
    }
    lrun_session *session = session_find(f.id, f.json, &code);
    if (!session)
        return code;
    int rc = outcome_init(&o, f.json, &e) < 0 ? -1 : execute(&f, &o, session, &result, &e);
    lrun_session_free(session);
    if (rc < 0)
        return cli_fail(&e, f.json);
    code = outcome_print(&o, result);
    if (f.timing)
        outcome_timing(&o, result);
    lrun_result_free(result);
    return code;
}

static int session_close(int argc, char **argv)
{
    struct options w = {0};
    lrun_error e = {0};
    int code;
    if (!cli_parse(&close_command, &w, &argc, argv, &code))
        return code;
    if (argc != 2)
        return cli_usage("session close", w.json, "it takes one ID");
    lrun_session *session = session_find(argv[1], w.json, &code);
    if (!session)
        return code;
    lrun_result *result = NULL;
    int rc = lrun_session_close(session, &result, &e);
    lrun_session_free(session);
    if (rc < 0)
        return cli_fail(&e, w.json);
    if (w.json)
        (void)cli_json_text(lrun_result_json(result));
    else
        cli_line(stdout, "%s", argv[1]);
    lrun_result_free(result);
    return 0;
}

/* The state of a run has no member `session`. */
static bool is_open(const json_t *state)
{
    const char *status = json_string_value(json_object_get(state, "status"));
    return json_is_object(json_object_get(state, "session")) && status &&
           strcmp(status, "running") == 0;
}

static const char *text_of(const json_t *state, const char *field)
{
    const char *text = json_string_value(json_object_get(state, field));
    return text ? text : "";
}

static int session_list(int argc, char **argv)
{
    struct options w = {0};
    lrun_error e = {0};
    int code;
    char *text = NULL;
    if (!cli_parse(&list_command, &w, &argc, argv, &code))
        return code;
    (void)lrun_reap_states(NULL, NULL);
    if (lrun_states(NULL, &text, &e) < 0)
        return cli_fail(&e, w.json);
    json_t *all = json_loads(text, 0, NULL), *open = json_array(), *state;
    size_t i;
    lrun_string_free(text);
    json_array_foreach (all, i, state)
        if (is_open(state))
            json_array_append(open, state);
    if (!w.json) {
        printf("%-25s  %-24s  %s\n", "ID", "OPENED", "IMAGE");
        json_array_foreach (open, i, state)
            cli_line(stdout, "%-25s  %-24s  %s", text_of(state, "id"), text_of(state, "startedAt"),
                     text_of(state, "image"));
        json_decref(open);
    } else {
        (void)cli_json(open, JSON_COMPACT);
    }
    json_decref(all);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}

int verb_session(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*function)(int argc, char **argv);
    } commands[] = {{"open", session_open},   {"run", session_run},   {"put", session_put},
                    {"get", session_get},     {"read", session_read}, {"write", session_write},
                    {"ls", session_ls},       {"stat", session_stat}, {"rm", session_rm},
                    {"close", session_close}, {"list", session_list}};
    static const char expected[] =
        "expected open, run, put, get, read, write, ls, stat, rm, close or list";
    struct options o = {0};
    int code;
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].function(argc - 1, argv + 1);
    if (argc > 1 && argv[1][0] != '-')
        return cli_usage("session", false, "unknown command '%s' (%s)", argv[1], expected);
    if (!cli_parse(&session_command, &o, &argc, argv, &code))
        return code;
    return cli_usage("session", false, "missing command (%s)", expected);
}
