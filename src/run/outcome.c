/* SPDX-License-Identifier: MIT */
#include "run/outcome.h"

#include "host/delegation.h"
#include "run/steps.h"

#include <stdio.h>
#include <string.h>

static double ms_between(int64_t from, int64_t to)
{
    return from && to && to > from ? (double)(to - from) / 1000.0 : 0;
}

static void name_unenforced(struct supervisor *s)
{
    const struct sandbox_spec *spec = &s->spec;
    bool disk = engine_can(s->engine, ENGINE_DISK_CAP) || spec->disk_asked;
    bool egress = engine_can(s->engine, ENGINE_EGRESS) || !sandbox_spec_has_network(spec) ||
                  spec->allow_egress == (REQUEST_EGRESS_HOST | REQUEST_EGRESS_METADATA);
    const char *const more[] = {disk ? NULL : "disk", egress ? NULL : "egress"};
    delegation_name_limits(s->unenforced, sizeof(s->unenforced), s->sandbox->unenforced);
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        size_t used = strlen(s->unenforced);
        if (more[i])
            snprintf(s->unenforced + used, sizeof(s->unenforced) - used, "%s%s", used ? "," : "",
                     more[i]);
    }
    if (s->unenforced[0])
        s->result.isolation.unenforced = s->unenforced;
}

void outcome_describe(struct supervisor *s)
{
    struct run_result *r = &s->result;
    r->isolation.runtime = s->sandbox ? s->sandbox->tier->name : s->request->runtime;
    r->isolation.kernel = s->kernel;
    r->isolation.accelerator = s->sandbox ? s->sandbox->accelerator : NULL;
    if (s->sandbox)
        name_unenforced(s);
    if (s->sandbox)
        snprintf(s->host_kernel, sizeof(s->host_kernel), "%s", s->sandbox->host_release);
    r->isolation.host_kernel = s->host_kernel;
    r->isolation.checked = r->isolation.verified ? s->checked : NULL;
    /* If there is an image, the steps have been executed, now or by an earlier run. */
    if (s->image) {
        r->isolation.setup = (lrun_setup){
            .runtime = steps_tier(s->request),
            .network = steps_network(s->request),
            .kernel = s->setup_kernel[0] ? s->setup_kernel : NULL,
        };
    }
}

void outcome_complete(struct supervisor *s, const struct cgroup_usage *usage, int64_t now)
{
    struct run_result *r = &s->result;
    r->id = s->id;
    bool out_of_time = r->timed_out || r->cpu_timed_out;
    r->oom_killed = usage->oom_kills > 0 && r->exit_code != 0 && !r->cancelled && !out_of_time;
    r->log_truncated = s->caller.output.truncated;
    r->success = r->exit_code == 0 && !r->cancelled && !out_of_time;
    r->duration_ms = (uint64_t)(now - s->began) / 1000;
    r->timeout_ms = s->request->timeout_ms;
    r->usage.cpu_ms = usage->cpu_us / 1000;
    r->usage.user_ms = usage->user_us / 1000;
    r->usage.system_ms = usage->system_us / 1000;
    r->usage.peak_memory_bytes = usage->peak_memory_bytes;
    r->usage.processes = usage->peak_pids;
    outcome_describe(s);
    const struct command *c = &s->command;
    int64_t running = life_is_session(s) ? s->session.ready : c->running;
    int64_t ended = c->ended ? c->ended : running ? now : 0;
    r->timings.prepare_ms = ms_between(s->began, s->prepared);
    r->timings.start_ms = ms_between(s->prepared, running);
    r->timings.run_ms = ms_between(running, ended);
    r->timings.collect_ms = ms_between(ended, now);
    if (s->extraction.results && !r->cancelled) {
        r->extracted = s->extraction.results;
        r->extracted_count = s->request->extract_count;
    }
}
