/* SPDX-License-Identifier: MIT */
/*
 * The verbs about detached runs: attach, logs, stop, cancel, pause, resume, ls, clean.
 */
#include "outcome.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "engine/engine.h"
#include "wire/state.h"

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct words {
    bool json, help, follow, timestamps, only_stdout, only_stderr, states, images, all, no_wait;
    int64_t since_ms;
    int signal;
    int64_t grace_ms; /* -1: the default */
    uint64_t age_ms;
    const char *id;
};

/* -------------------------------------------------------------- the command line */

struct flag {
    const char *name;
    const char *verbs; /* that have it, between blanks */
    const char *value; /* NULL: it takes none */
    const char *description;
    int (*set)(struct words *w, const char *value);
};

static int set_json(struct words *w, const char *value)
{
    (void)value;
    w->json = true;
    return 0;
}

static int set_help(struct words *w, const char *value)
{
    (void)value;
    w->help = true;
    return 0;
}

static int set_follow(struct words *w, const char *value)
{
    (void)value;
    w->follow = true;
    return 0;
}

static int set_timestamps(struct words *w, const char *value)
{
    (void)value;
    w->timestamps = true;
    return 0;
}

static int set_stdout(struct words *w, const char *value)
{
    (void)value;
    w->only_stdout = true;
    return 0;
}

static int set_stderr(struct words *w, const char *value)
{
    (void)value;
    w->only_stderr = true;
    return 0;
}

static int set_states(struct words *w, const char *value)
{
    (void)value;
    w->states = true;
    return 0;
}

static int set_images(struct words *w, const char *value)
{
    (void)value;
    w->images = true;
    return 0;
}

static int set_since(struct words *w, const char *value)
{
    uint64_t ago;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    w->since_ms = state_parse_time(value);
    if (w->since_ms >= 0)
        return 0;
    if (!text_parse_duration_ms(value, &ago) || ago > INT64_MAX / 2)
        return -1;
    w->since_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - (int64_t)ago;
    return 0;
}

static int set_signal(struct words *w, const char *value)
{
    uint64_t number;
    if (text_parse_u64(value, &number) && number >= 1 && number < NSIG) {
        w->signal = (int)number;
        return 0;
    }
    const char *name = strncmp(value, "SIG", 3) == 0 ? value + 3 : value;
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);
        if (known && strcmp(known, name) == 0) {
            w->signal = i;
            return 0;
        }
    }
    return -1;
}

static int set_grace(struct words *w, const char *value)
{
    uint64_t ms;
    if (!text_parse_duration_ms(value, &ms) || ms > INT32_MAX)
        return -1;
    w->grace_ms = (int64_t)ms;
    return 0;
}

static int set_no_wait(struct words *w, const char *value)
{
    (void)value;
    w->no_wait = true;
    return 0;
}

static int set_age(struct words *w, const char *value)
{
    return text_parse_duration_ms(value, &w->age_ms) && w->age_ms < INT64_MAX / 2 ? 0 : -1;
}

static const struct flag flags[] = {
    {"follow", " logs ", NULL, "go on until the run has ended", set_follow},
    {"since", " logs ", "TIME",
     "from this point on: 10m or 1d ago (ms, s, m, h, d), or 2026-01-31T12:00:00Z", set_since},
    {"timestamps", " logs ", NULL, "before each line, when it began", set_timestamps},
    {"stdout", " logs ", NULL, "only what went to stdout", set_stdout},
    {"stderr", " logs ", NULL, "only what went to stderr", set_stderr},
    {"signal", " stop ", "NAME", "what the command is sent first (default TERM)", set_signal},
    {"grace", " stop ", "TIME", "how long it has before SIGKILL (default 10s)", set_grace},
    {"no-wait", " stop cancel ", NULL, "return at once, not when the run has ended", set_no_wait},
    {"states", " clean ", NULL, "the states and the output of runs that have ended", set_states},
    {"images", " clean ", NULL, "the images that were made of setup steps", set_images},
    {"older-than", " clean ", "TIME",
     "only states of runs that ended so long ago: 12h, 7d (ms, s, m, h, d)", set_age},
    {"json", " attach logs stop cancel pause resume ls clean ", NULL, "print JSON", set_json},
    {"help", " attach logs stop cancel pause resume ls clean ", NULL, "print this", set_help},
};

enum { FLAG_COUNT = sizeof(flags) / sizeof(flags[0]) };

static const struct {
    const char *verb;
    const char *usage;
    bool takes_id;
} usages[] = {
    {"attach",
     "attach [flags] ID\n\n"
     "Prints the output of a detached run from now on, waits for its end, and exits with its exit\n"
     "code. Several may be attached at once. Ctrl-C ends the waiting, not the run.",
     true},
    {"logs",
     "logs [flags] ID\n\n"
     "Prints the kept output of a detached run: stdout to stdout, stderr to stderr.",
     true},
    {"stop",
     "stop [flags] ID\n\n"
     "Sends the command of a detached run a signal, kills the run after a grace, and waits\n"
     "for its end.",
     true},
    {"cancel", "cancel [flags] ID\n\nKills a detached run, and waits for its end.", true},
    {"pause",
     "pause [flags] ID\n\n"
     "Freezes a detached run. Its memory is kept, and its timeout goes on.",
     true},
    {"resume", "resume [flags] ID\n\nThaws a detached run.", true},
    {"ls", "ls [flags]\n\nLists the detached runs, those that have ended too.", false},
    {"clean",
     "clean [flags]\n\n"
     "Removes what runs have left on purpose. Without --states or --images: both.",
     false},
};

static size_t usage_of(const char *verb)
{
    size_t i = 0;
    while (strcmp(usages[i].verb, verb) != 0)
        i++;
    return i;
}

static bool has_flag(const struct flag *f, const char *verb)
{
    char word[24];
    snprintf(word, sizeof(word), " %s ", verb);
    return strstr(f->verbs, word) != NULL;
}

static int print_help(const char *verb)
{
    printf("usage: light-runner %s\n\n", usages[usage_of(verb)].usage);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        char left[40];
        if (!has_flag(&flags[i], verb))
            continue;
        snprintf(left, sizeof(left), "--%s %s", flags[i].name,
                 flags[i].value ? flags[i].value : "");
        printf("  %-20s %s\n", left, flags[i].description);
    }
    if (strcmp(verb, "clean") != 0)
        puts("\nStates are in $LIGHT_RUNNER_STATE_DIR, else in ~/.light-runner/state.");
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}

/* 0; -1 after having said what is wrong. */
static int parse(struct words *w, int argc, char **argv)
{
    const char *verb = argv[0];
    struct option options[FLAG_COUNT + 1] = {0};
    for (size_t i = 0; i < FLAG_COUNT; i++)
        options[i] = (struct option){
            flags[i].name, flags[i].value ? required_argument : no_argument, NULL, (int)i};
    *w = (struct words){.grace_ms = -1};
    for (int i = 1; i < argc; i++)
        w->json = w->json || strcmp(argv[i], "--json") == 0;
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?' || c == ':' || !has_flag(&flags[c], verb)) {
            cli_usage(verb, w->json, "unknown flag, or one without its value: '%s'",
                      argv[optind - 1]);
            return -1;
        }
        if (flags[c].set(w, optarg) < 0) {
            cli_usage(verb, w->json, "--%s: '%.80s' is not what it takes", flags[c].name, optarg);
            return -1;
        }
    }
    bool takes_id = usages[usage_of(verb)].takes_id;
    w->id = optind < argc ? argv[optind] : NULL;
    if (!w->help && argc - optind != (takes_id ? 1 : 0)) {
        cli_usage(verb, w->json, takes_id ? "it takes one ID" : "it takes no argument");
        return -1;
    }
    return 0;
}

static int unknown_run(const struct words *w)
{
    lrun_error e = {0};
    error_set(&e, LRUN_INVALID_ARGUMENT, "cli.id", "there is no detached run '%.60s'", w->id);
    error_hint(&e, "light-runner ls shows them");
    return cli_fail(&e, w->json);
}

/* -------------------------------------------------------------- attach */

/* Until the end, or until a signal says that nobody waits any more: 1. */
static int wait_for_end(struct outcome *o, lrun_execution *x, lrun_result **result, lrun_error *err)
{
    bool done = false;
    while (lrun_execution_dispatch(x, &done, err) == 0 && !done) {
        struct pollfd p[2] = {{lrun_execution_fd(x), POLLIN, 0}, {o->stop_fd, POLLIN, 0}};
        if (poll(p, 2, -1) > 0 && p[1].revents)
            return 1;
    }
    return lrun_execution_wait(x, result, err);
}

int verb_attach(int argc, char **argv)
{
    struct words w;
    struct outcome o;
    lrun_error e = {0};
    if (parse(&w, argc, argv) < 0)
        return CLI_FAILED;
    if (w.help)
        return print_help(argv[0]);
    lrun_execution *x = NULL;
    lrun_result *result = NULL;
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    callbacks.on_output = outcome_output;
    callbacks.user = &o;
    if (outcome_init(&o, w.json, &e) < 0 || lrun_attach(w.id, &callbacks, &x, &e) < 0)
        return cli_fail(&e, w.json);
    if (!x)
        return unknown_run(&w);
    int rc = wait_for_end(&o, x, &result, &e);
    int code = rc < 0 ? cli_fail(&e, w.json) : 128 + SIGINT;
    if (rc > 0)
        outcome_say(&o, "the run goes on: light-runner attach %s", w.id);
    else if (rc == 0)
        code = outcome_print(&o, result);
    lrun_result_free(result);
    lrun_execution_free(x);
    return code;
}

/* -------------------------------------------------------------- logs */

static void print_line(void *user, lrun_stream stream, int64_t time_ms, const char *data,
                       size_t length)
{
    const struct words *w = user;
    if ((w->only_stdout || w->only_stderr) &&
        !(stream == LRUN_STDOUT ? w->only_stdout : w->only_stderr))
        return;
    char time[32];
    state_format_time(time, time_ms);
    if (w->json) {
        /* JSON has no bytes that are not UTF-8: they become U+FFFD. */
        json_t *text = json_stringn(data, length);
        cleanup_free char *clean = text ? NULL : text_to_utf8(data, length);
        if (clean)
            text = json_string(clean);
        json_t *line = json_pack("{ss,ss,so*}", "time", time, "stream",
                                 stream == LRUN_STDOUT ? "stdout" : "stderr", "text", text);
        (void)cli_json(line, JSON_COMPACT);
    } else {
        FILE *to = stream == LRUN_STDOUT ? stdout : stderr;
        if (w->timestamps)
            fprintf(to, "%s ", time);
        fwrite(data, 1, length, to);
        putc('\n', to);
    }
    if (w->follow)
        fflush(stdout);
}

int verb_logs(int argc, char **argv)
{
    struct words w;
    lrun_error e = {0};
    if (parse(&w, argc, argv) < 0)
        return CLI_FAILED;
    if (w.help)
        return print_help(argv[0]);
    lrun_logs_options options = LRUN_LOGS_OPTIONS_INIT;
    options.follow = w.follow;
    options.since_ms = w.since_ms;
    options.on_line = print_line;
    options.user = &w;
    if (lrun_logs(w.id, &options, &e) < 0)
        return cli_fail(&e, w.json);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}

/* -------------------------------------------------------------- stop, cancel, pause, resume */

static int act(const char *verb, const struct words *w, lrun_execution *x, lrun_error *err)
{
    if (strcmp(verb, "stop") == 0)
        return lrun_execution_stop(x, w->signal, w->grace_ms, err);
    if (strcmp(verb, "cancel") == 0)
        return lrun_execution_stop(x, SIGKILL, 0, err);
    return strcmp(verb, "pause") == 0 ? lrun_execution_pause(x, err)
                                      : lrun_execution_resume(x, err);
}

static bool has_ended(const char *id)
{
    cleanup_free char *text = NULL;
    lrun_states(id, &text, NULL);
    json_t *state = text ? json_loads(text, 0, NULL) : NULL;
    bool ended = json_is_object(state) && !state_is_running(state);
    json_decref(state);
    return ended;
}

/* A run that ended with an error of its own has ended too: that is not a failure of the verb. */
static int await_end(const struct words *w, lrun_execution *x, lrun_error *err)
{
    lrun_result *result = NULL;
    int rc = lrun_execution_wait(x, &result, err);
    lrun_result_free(result);
    if (rc == 0)
        return 0;
    if (!has_ended(w->id))
        return -1;
    if (err->code == LRUN_SUPERVISOR_LOST)
        cli_line(stderr,
                 "light-runner: the run '%s' had ended: its supervisor was killed, and it is "
                 "marked as failed",
                 w->id);
    return 0;
}

int verb_control(int argc, char **argv)
{
    bool ends = strcmp(argv[0], "stop") == 0 || strcmp(argv[0], "cancel") == 0;
    struct words w;
    lrun_error e = {0};
    if (parse(&w, argc, argv) < 0)
        return CLI_FAILED;
    if (w.help)
        return print_help(argv[0]);
    lrun_execution *x = NULL;
    if (lrun_attach(w.id, NULL, &x, &e) < 0)
        return cli_fail(&e, w.json);
    if (!x)
        return unknown_run(&w);
    int rc = act(argv[0], &w, x, &e);
    bool ended = false;
    lrun_execution_dispatch(x, &ended, NULL);
    if (rc == 0 && ends && (ended || !w.no_wait))
        rc = await_end(&w, x, &e);
    lrun_execution_free(x);
    if (rc < 0)
        return cli_fail(&e, w.json);
    printf(w.json ? "{\"id\":\"%s\"}\n" : "%s\n", w.id);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}

/* -------------------------------------------------------------- ls */

static const char *text_of(const json_t *state, const char *field)
{
    const char *text = json_string_value(json_object_get(state, field));
    return text ? text : "";
}

/* What is shown of one state, and what it is ordered by: there may be thousands, of which no more is kept. */
struct row {
    char started[32], id[32], text[176];
};

struct rows {
    struct row *all;
    size_t count, room;
};

/* The command as it was given: a shell's text, or words. As much of it as there is room for. */
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

/* As lrun_states(), without a text of all of them in between. */
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
    struct words w;
    lrun_error e = {0};
    if (parse(&w, argc, argv) < 0)
        return CLI_FAILED;
    if (w.help)
        return print_help(argv[0]);
    cleanup_close int dir = -1;
    lrun_error ignored;
    /* A run whose supervisor was killed is no longer running: a state that cannot be marked is shown as it is. */
    (void)lrun_reap_states(NULL, &ignored);
    if (state_open_dir(&dir, false, &e) < 0 || (w.json ? print_states : print_table)(dir, &e) < 0)
        return cli_fail(&e, w.json);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}

/* -------------------------------------------------------------- clean */

/* Of every engine that is used here. */
static int clean_images(unsigned *count, lrun_error *err)
{
    const struct engine *docker;
    if (engine_local.clean_images(count, err) < 0 || engine_find_docker(&docker, err) < 0)
        return -1;
    return docker ? docker->clean_images(count, err) : 0;
}

int verb_clean(int argc, char **argv)
{
    struct words w;
    lrun_error e = {0};
    if (parse(&w, argc, argv) < 0)
        return CLI_FAILED;
    if (w.help)
        return print_help(argv[0]);
    bool both = !w.states && !w.images;
    unsigned states = 0, images = 0;
    if (((w.states || both) && lrun_clean_states((int64_t)w.age_ms, &states, &e) < 0) ||
        ((w.images || both) && clean_images(&images, &e) < 0))
        return cli_fail(&e, w.json);
    printf(w.json ? "{\"states\":%u,\"images\":%u}\n" : "states: %u, images: %u\n", states, images);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}
