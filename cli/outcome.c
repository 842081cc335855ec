/* SPDX-License-Identifier: MIT */
#include "outcome.h"

#include "interrupt.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OPERATION "cli.output"

int outcome_init(struct outcome *o, bool json, lrun_error *err)
{
    *o = (struct outcome){.out = {.fd = STDOUT_FILENO}, .err = {.fd = STDERR_FILENO}, .json = json};
    progress_init(&o->progress);
    o->stop_fd = interrupt_catch(err);
    if (o->stop_fd < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

void outcome_output(void *user, lrun_stream stream, const char *data, size_t length)
{
    struct outcome *o = user;
    progress_clear(&o->progress);
    bool to_stdout = stream == LRUN_STDOUT && !o->json;
    struct relay *r = to_stdout ? &o->out : &o->err;
    relay_write(r, data, length, &interrupt_came);
    /* Nobody is left to read the program's output. Output for stderr may be lost silently. */
    if (to_stdout && r->error)
        interrupt_raise();
}

void outcome_say(struct outcome *o, const char *format, ...)
{
    cleanup_free char *text = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    progress_clear(&o->progress);
    if (o->err.in_line)
        fputc('\n', stderr);
    o->err.in_line = false;
    cli_line(stderr, "light-runner: %s", text ? text : "out of memory");
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

static bool has_word(const char *const *list, const char *word)
{
    for (; *list; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

/* Joins the names that are in both lists, or all of the first list if there is no second, with
 * commas. */
static void join(char *out, size_t size, const char *const *names, const char *const *among)
{
    size_t used = 0;
    for (out[0] = '\0'; *names && used < size; names++)
        if (!among || has_word(among, *names))
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "," : "", *names);
}

/* Always reports the limits that the user allowed to be left out. What the engine can never enforce
 * is reported only to people; a program finds it in the result. */
static void report_unenforced(struct outcome *o, const char *const *unenforced)
{
    static const char *const limits[] = {"memory", "cpus", "pids", NULL};
    char text[64];
    join(text, sizeof(text), limits, unenforced);
    if (text[0])
        outcome_say(o, "warning: these limits were not enforced: %s", text);
    if (has_word(unenforced, "disk") && isatty(STDERR_FILENO))
        outcome_say(
            o, "warning: the disk use of this run was not limited: Docker's storage driver has no "
               "quotas (--disk rejects such a driver; --engine local has a limit)");
}

/* Reports the facts that the program's exit code does not convey. */
static void report(struct outcome *o, const lrun_result *r)
{
    if (r->timed_out) {
        char text[32];
        format_ms(text, r->timeout_ms);
        outcome_say(o, "timed out after %s", text);
    } else if (r->cpu_timed_out) {
        outcome_say(o, "killed: its CPU time is used up");
    } else if (r->cancelled && o->out.error != EPIPE) { /* no message after `| head` */
        outcome_say(o, "cancelled");
    } else if (r->oom_killed) {
        outcome_say(o, "killed: out of memory");
    }
    if (r->session_ended)
        outcome_say(o, "the session has ended");
    report_unenforced(o, r->isolation->unenforced);
    char left[64];
    join(left, sizeof(left), r->left_behind, NULL);
    if (left[0])
        outcome_say(o,
                    "warning: the Docker daemon did not remove what the run left (%s); fix: "
                    "light-runner reap",
                    left);
    /* Reported only to people; a program finds it in the result. */
    const char *accelerator = r->isolation->accelerator;
    if (accelerator && strcmp(accelerator, "tcg") == 0 && isatty(STDERR_FILENO))
        outcome_say(
            o, "warning: the VM ran in an emulator, because KVM does not work here; QEMU does not "
               "regard its emulator as a security boundary (--accelerator kvm rejects it)");
    for (size_t i = 0; i < r->extracted_count; i++) {
        const lrun_extracted *e = r->extracted[i];
        if (e->status == LRUN_EXTRACT_MISSING)
            outcome_say(o, "extract '%s': missing", e->from);
        else if (e->status == LRUN_EXTRACT_ERROR)
            outcome_say(o, "extract '%s': %s", e->from, e->reason);
    }
}

static int exit_code(const lrun_result *r)
{
    /* A run that we ended must not look like a run that succeeded. */
    return r->exit_code == 0 && !r->success ? 128 + SIGKILL : r->exit_code;
}

int outcome_print(struct outcome *o, const lrun_result *r)
{
    lrun_error e = {0};
    if (o->json)
        (void)cli_json_text(lrun_result_json(r));
    else
        report(o, r);
    int failed = o->out.error;
    if (fflush(stdout) != 0 && !failed)
        failed = errno;
    if (failed && failed != EPIPE) {
        error_errno(&e, LRUN_IO_FAILED, OPERATION, failed, "cannot write to stdout");
        return cli_fail(&e, false);
    }
    return exit_code(r);
}

static void outcome_progress(void *user, const lrun_progress *p)
{
    struct outcome *o = user;
    static const struct {
        const char *what, *doing;
    } words[] = {{"pull", "pulling the image"}, {"setup", "setting the image up"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i].what, p->what) == 0)
            progress_show(&o->progress, words[i].doing, p->done, p->total);
}

void outcome_timing(struct outcome *o, const lrun_result *r)
{
    const lrun_timings *t = r->timings;
    outcome_say(
        o, "prepare %.1f ms, start %.1f ms, run %.1f ms, collect %.1f ms; %" PRIu64 " ms in all",
        t->prepare_ms, t->start_ms, t->run_ms, t->collect_ms, r->duration_ms);
}

static void outcome_started(void *user)
{
    struct outcome *o = user;
    progress_clear(&o->progress);
    terminal_begin(o->terminal);
}

int outcome_wait(struct outcome *o, lrun_execution *x, lrun_result **result, lrun_error *err)
{
    return !o->terminal ? lrun_execution_wait(x, result, err)
                        : terminal_wait(o->terminal, x, result, err);
}

lrun_callbacks outcome_callbacks(struct outcome *o, int input_fd)
{
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    callbacks.input_fd = input_fd;
    callbacks.cancel_fd = o->stop_fd;
    callbacks.on_output = outcome_output;
    callbacks.user = o;
    if (o->terminal)
        callbacks.on_start = outcome_started;
    if (o->progress.terminal)
        callbacks.on_progress = outcome_progress;
    return callbacks;
}
