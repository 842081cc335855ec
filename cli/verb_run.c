/* SPDX-License-Identifier: MIT */
#include "progress.h"
#include "relay.h"
#include "run_flags.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/libexec.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#define OPERATION "cli.run"

enum { DEFAULT_TIMEOUT_MS = 20 * 60 * 1000 };

/* Of the process, because a signal handler takes no argument. */
static int cancel_fd = -1;
static volatile int stopping;

static void cancel(void)
{
    uint64_t one = 1;
    int saved = errno;
    stopping = 1;
    /* It can only fail when the counter is full, and then it is readable. */
    ssize_t n = write(cancel_fd, &one, sizeof(one));
    (void)n;
    errno = saved;
}

static void on_signal(int number)
{
    (void)number;
    cancel();
}

static int catch_signals(lr_error *err)
{
    cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel_fd < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot make an eventfd");
    /* No SA_RESTART: a write to a reader that does not read is to be interrupted. */
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

struct output {
    struct progress progress;
    struct relay out, err;
    bool json; /* stdout is for the result alone */
};

static void on_output(void *user, lr_stream stream, const char *data, size_t length)
{
    struct output *o = user;
    progress_clear(&o->progress);
    bool to_stdout = stream == LR_STDOUT && !o->json;
    struct relay *r = to_stdout ? &o->out : &o->err;
    relay_write(r, data, length, &stopping);
    /* Nobody is left to read what the program prints. What goes to stderr may be lost in silence.
     */
    if (to_stdout && r->error)
        cancel();
}

static void on_progress(void *user, const lr_progress *p)
{
    struct output *o = user;
    static const struct {
        const char *what, *doing;
    } words[] = {{"pull", "pulling the image"}, {"setup", "setting the image up"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i].what, p->what) == 0)
            progress_show(&o->progress, words[i].doing, p->done, p->total);
}

/* One line of ours on stderr, at the beginning of a line whatever the program has printed. */
__attribute__((format(printf, 2, 3))) static void say(struct output *o, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    if (o->err.in_line)
        fputc('\n', stderr);
    o->err.in_line = false;
    fputs("light-runner: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static void format_ms(char out[32], uint64_t ms)
{
    if (ms % 60000 == 0)
        snprintf(out, 32, "%" PRIu64 "m", ms / 60000);
    else if (ms % 1000 == 0)
        snprintf(out, 32, "%" PRIu64 "s", ms / 1000);
    else
        snprintf(out, 32, "%" PRIu64 "ms", ms);
}

/* What the program's exit code does not say. */
static void report(struct output *o, const lr_result *r, const json_t *document)
{
    if (r->timed_out) {
        const json_t *timeout = json_object_get(document, "timeout");
        char text[32];
        format_ms(text, timeout ? (uint64_t)json_integer_value(timeout) : DEFAULT_TIMEOUT_MS);
        say(o, "timed out after %s", text);
    } else if (r->cancelled && o->out.error != EPIPE) { /* `| head` is no news to anybody */
        say(o, "cancelled");
    } else if (r->oom_killed) {
        say(o, "killed: out of memory");
    }
    if (r->unenforced)
        say(o, "warning: no cgroup has held these limits: %s", r->unenforced);
    for (size_t i = 0; i < r->extracted_count; i++) {
        const lr_extracted *e = &r->extracted[i];
        if (e->status == LR_EXTRACT_MISSING)
            say(o, "extract '%s': missing", e->from);
        else if (e->status == LR_EXTRACT_ERROR)
            say(o, "extract '%s': %s", e->from, e->reason);
    }
}

static int execute(const struct run_flags *f, struct output *o, lr_result **result, lr_error *err)
{
    /* The library looks at LIGHT_RUNNER_SUPERVISOR by itself; only the program beside us is our
     * affair. */
    const char *chosen = secure_getenv("LIGHT_RUNNER_SUPERVISOR");
    cleanup_free char *supervisor = NULL;
    if (!chosen || !*chosen) {
        supervisor = libexec_find("light-runner-supervisor", err);
        if (!supervisor)
            return -1;
    }
    cleanup_free char *text = json_dumps(f->document, JSON_COMPACT);
    if (!text)
        return error_oom(err, OPERATION);

    LR_INIT(lr_runner_options, options);
    options.supervisor = supervisor;
    LR_INIT(lr_request, base);
    base.input_fd = f->input_fd;
    base.cancel_fd = cancel_fd;
    base.on_output = on_output;
    base.user = o;
    if (o->progress.terminal)
        base.on_progress = on_progress;

    lr_runner *runner;
    if (lr_runner_new(&runner, &options, err) < 0)
        return -1;
    lr_execution *execution = NULL;
    int rc = lr_run_json(runner, text, strlen(text), &base, &execution, err);
    if (rc == 0)
        rc = lr_execution_wait(execution, result, err);
    lr_execution_free(execution);
    lr_runner_free(runner);
    progress_clear(&o->progress);
    return rc;
}

static int exit_code(const lr_result *r)
{
    /* A run that was ended by us must not look like one that went well. */
    return r->exit_code == 0 && !r->success ? 128 + SIGKILL : r->exit_code;
}

int verb_run(int argc, char **argv)
{
    lr_error e = {0};
    cleanup_run_flags struct run_flags f = {0};
    if (run_flags_parse(&f, argc, argv, &e) < 0)
        return cli_fail(&e, f.json);
    if (f.help) {
        run_flags_help();
        return 0;
    }
    struct output o = {.out = {.fd = STDOUT_FILENO}, .err = {.fd = STDERR_FILENO}, .json = f.json};
    progress_init(&o.progress);
    lr_result *result = NULL;
    if (catch_signals(&e) < 0 || execute(&f, &o, &result, &e) < 0)
        return cli_fail(&e, f.json);

    int code = exit_code(result);
    if (f.json)
        printf("%s\n", lr_result_json(result));
    else
        report(&o, result, f.document);
    if (f.timing)
        say(&o,
            "prepare %.1f ms, start %.1f ms, run %.1f ms, collect %.1f ms; %" PRIu64 " ms in all",
            result->timings.prepare_ms, result->timings.start_ms, result->timings.run_ms,
            result->timings.collect_ms, result->duration_ms);
    lr_result_free(result);

    int failed = o.out.error;
    if (fflush(stdout) != 0 && !failed)
        failed = errno;
    if (failed && failed != EPIPE) {
        error_errno(&e, LR_IO_FAILED, OPERATION, failed, "cannot write to stdout");
        return cli_fail(&e, false);
    }
    return code;
}
