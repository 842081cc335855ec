/* SPDX-License-Identifier: MIT */
#include "detached.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "base/timestamp.h"

#include <string.h>

struct words {
    bool json, help, follow, timestamps, only_stdout, only_stderr;
    int64_t since_ms;
};

static int read_since(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    (void)flag;
    (void)err;
    struct words *w = into;
    uint64_t ago;
    w->since_ms = timestamp_parse(value);
    if (w->since_ms >= 0)
        return 0;
    if (!text_parse_duration_ms(value, &ago) || ago > INT64_MAX / 2)
        return FLAG_BAD_VALUE;
    w->since_ms = timestamp_now() - (int64_t)ago;
    return 0;
}

static const struct flag flags[] = {
    FLAG_SWITCH("follow", struct words, follow, "continue until the run has ended"),
    FLAG_CALL("since", read_since,
              "lines from this time on: 10m or 1d ago (ms, s, m, h, d), or 2026-01-31T12:00:00Z",
              .value = "TIME"),
    FLAG_SWITCH("timestamps", struct words, timestamps, "print when each line began"),
    FLAG_SWITCH("stdout", struct words, only_stdout, "only what went to stdout"),
    FLAG_SWITCH("stderr", struct words, only_stderr, "only what went to stderr"),
    FLAG_JSON(struct words, "print JSON"),
    FLAG_HELP(struct words),
    FLAG_END,
};

const struct command logs_command = {
    .name = "logs",
    .usage = "[flags] ID",
    .about = "Prints the kept output of a detached run: stdout to stdout, stderr to stderr.",
    .flags = flags,
    .notes = DETACHED_NOTES,
    .words = COMPLETE_RUNS,
};

static void print_line(void *user, lrun_stream stream, int64_t time_ms, const char *data,
                       size_t length)
{
    const struct words *w = user;
    if ((w->only_stdout || w->only_stderr) &&
        !(stream == LRUN_STDOUT ? w->only_stdout : w->only_stderr))
        return;
    char time[32];
    timestamp_format(time, time_ms);
    if (w->json) {
        /* JSON cannot carry bytes that are not UTF-8: they become U+FFFD. */
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
    struct words w = {0};
    lrun_error e = {0};
    int code;
    if (!cli_parse(&logs_command, &w, &argc, argv, &code))
        return code;
    if (argc != 2)
        return cli_usage("logs", w.json, "it takes one ID");
    lrun_logs_options options = LRUN_LOGS_OPTIONS_INIT;
    options.follow = w.follow;
    options.since_ms = w.since_ms;
    options.on_line = print_line;
    options.user = &w;
    if (lrun_logs(argv[1], &options, &e) < 0)
        return cli_fail(&e, w.json);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}
