/* SPDX-License-Identifier: MIT */
#include "run/life.h"

#include "base/text.h"
#include "engine/engine.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Answers the client or the caller that asked for the pause or resume that was under way. */
void life_answer_later(struct supervisor *s, const lrun_error *failed)
{
    control_answer_later(s->control, failed);
    caller_answer_later(&s->caller, failed);
}

void life_end(struct supervisor *s)
{
    if (s->phase == PHASE_END)
        return;
    s->phase = PHASE_END;
    if (s->sandbox && s->sandbox->pausing >= 0) {
        lrun_error e = {0};
        error_set(&e, LRUN_INVALID_ARGUMENT, "control", "the run has ended");
        life_answer_later(s, &e);
    }
    if (s->sandbox)
        s->sandbox->ops->kill(s->sandbox);
}

/* The first error is the one that counts. */
void life_fail(struct supervisor *s)
{
    s->failed = true;
    life_end(s);
}

/* Whether a program of the user has run, or may have. */
bool life_has_run(const struct supervisor *s)
{
    return s->command.running || s->session.last > 0;
}

void life_fail_protocol(struct supervisor *s, const char *what)
{
    if (s->failed)
        return;
    if (s->phase == PHASE_COLLECT) {
        /* The command has ended; losing its files does not change its result. */
        extraction_abort(&s->extraction, "the agent broke the protocol");
        life_end(s);
        return;
    }
    error_set(&s->error, LRUN_START_FAILED, "agent", "the agent broke the protocol: %s", what);
    if (life_has_run(s) || s->session.ready) {
        /* The sandbox was as it was ordered, so the agent was taken over from inside. */
        s->error.code = LRUN_ISOLATION_FAILED;
    }
    life_fail(s);
}

void life_killed(struct supervisor *s)
{
    s->result.exit_code = 128 + SIGKILL;
    s->result.signal = SIGKILL;
    life_end(s);
}

void life_cancel(struct supervisor *s)
{
    s->result.cancelled = true;
    life_killed(s);
}

/* Whether the files are extracted even though the command did not succeed. */
bool life_wants_files(const struct supervisor *s)
{
    return s->request->has_extract && s->request->extract_always && !s->result.cancelled;
}

void life_lose_files(struct supervisor *s, const char *reason)
{
    lrun_error ignored;
    if (life_wants_files(s) && !s->extraction.results &&
        extraction_init(&s->extraction, s->request, s->umask, &ignored) == 0)
        extraction_abort(&s->extraction, reason);
}

/* Returns 0 when it is done, or 1 if phase_on_paused() follows. */
int life_pause(struct supervisor *s, bool on, lrun_error *err)
{
    int rc = s->sandbox->ops->pause(s->sandbox, on, err);
    if (rc == 0)
        s->paused = on;
    s->pause_unsure = false;
    s->pause_to = on;
    return rc;
}

int life_thaw(struct supervisor *s, lrun_error *err)
{
    return s->paused && s->sandbox->pausing < 0 && life_pause(s, false, err) < 0 ? -1 : 0;
}

/* The operation that failed decides which error this is. */
bool life_take_failure(const struct frame *f, lrun_error *err)
{
    const char *operation = fields_get(f, "operation"), *message = fields_get(f, "message");
    if (!operation || !message)
        return false;
    bool seeding = strcmp(operation, "seed") == 0;
    char text[512];
    snprintf(text, sizeof(text), "%s", message);
    text_make_printable(text);
    error_set(err, seeding ? LRUN_SEED_FAILED : LRUN_START_FAILED,
              seeding ? "seed.write" : "agent.start", "%s", text);
    if (strcmp(operation, "exec") == 0)
        error_hint(err, "the image must have what is to be run in it (a shell command needs "
                        "sh; --argv does not)");
    else if (seeding && strstr(text, "No space left"))
        error_hint(err, "raise the run's storage: --disk 4g");
    return true;
}

void life_end_copy(struct supervisor *s)
{
    seed_close(s->seed);
    s->seed = NULL;
    s->seed_done = true;
    extraction_free(&s->extraction);
    s->extraction = (struct extraction){.sink = SINK_NONE};
}
