/* SPDX-License-Identifier: MIT */
/*
 * light-runner-doctor [--full]: reports what works on this machine as JSON (lrun_doctor()): whether it
 * has what runs need (doctor_checks.h), and whether a tiny program runs in every engine and tier
 * (doctor_trial.h). For every problem it names the command that fixes it.
 *
 * A program of its own, because it is a caller of the library, which the supervisor cannot be, and
 * so that what it needs is no part of the program that starts for each run.
 */
#include "doctor/doctor_checks.h"
#include "doctor/doctor_trial.h"

#include "base/error.h"
#include "engine/engine.h"
#include "tier/tier.h"
#include "json/printable.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { ENGINES = 2, TIERS = 3, CELLS = ENGINES * TIERS };

struct cell {
    const char *engine, *tier;
    const char *runtime; /* the tier, or the engine's other name for it */
    bool works, tried;
    bool embedded; /* the engine needs this machine alone, so what the checks found applies to it */
    bool without_network; /* it works only with --network none */
    char reason[300], hint[300];
};

static void set_reason(struct cell *cell, const char *reason, const char *hint)
{
    snprintf(cell->reason, sizeof(cell->reason), "%.299s", reason);
    snprintf(cell->hint, sizeof(cell->hint), "%.299s", hint);
}

static const struct finding *find(const struct finding *findings, const char *name)
{
    for (int i = 0; i < DOCTOR_CHECKS; i++)
        if (strcmp(doctor_checks[i].name, name) == 0)
            return &findings[i];
    return NULL;
}

/* ------------------------------------------------------------- before a trial */

static void judge(struct cell *cell, struct engine *engine, const struct finding *findings)
{
    lrun_error e = {0}, shim = {0};
    cell->embedded = engine_can(engine, ENGINE_EMBEDDED);
    if (engine->ops->available(engine, cell->tier, &e) < 0) {
        if (!cell->embedded && strcmp(cell->tier, "kata") == 0 &&
            e.code != LRUN_ENGINE_UNREACHABLE &&
            engine->ops->available(engine, REQUEST_KATA_SHIM, &shim) == 0) {
            cell->runtime = REQUEST_KATA_SHIM;
            set_reason(cell, "as --runtime " REQUEST_KATA_SHIM, "");
        } else {
            set_reason(cell, e.message, e.hint);
            return;
        }
    }
    for (int i = 0; i < DOCTOR_CHECKS && cell->embedded; i++) {
        const struct doctor_check *c = &doctor_checks[i];
        bool needed = !c->optional && (!c->tier || strcmp(c->tier, cell->tier) == 0);
        if (findings[i].ok || findings[i].skipped || !needed)
            continue;
        char reason[300];
        snprintf(reason, sizeof(reason), "%s: %s", c->name, findings[i].detail);
        set_reason(cell, reason, findings[i].fix);
        return;
    }
    cell->works = true;
}

/* ------------------------------------------------------------- the trials */

/* A VM in the emulator takes longer than everything else together. */
static bool takes_long(const struct cell *cell, const struct finding *findings)
{
    const struct finding *kvm = find(findings, "KVM");
    return cell->embedded && strcmp(cell->tier, "kata") == 0 && kvm && !kvm->ok;
}

/* `cells` are the cells of one engine. */
static void make_image(struct cell *cells, char image[DOCTOR_IMAGE_SIZE], const char *engine)
{
    lrun_error e = {0};
    bool wanted = false;
    for (size_t i = 0; i < TIERS; i++)
        wanted = wanted || cells[i].works;
    if (!wanted || doctor_trial_image(image, engine, &e) == 0)
        return;
    image[0] = '\0';
    for (size_t i = 0; i < TIERS; i++) {
        if (!cells[i].works)
            continue;
        /* Runs with existing images do not need the programs that an import needs. */
        cells[i].works = e.code == LRUN_NOT_SUPPORTED;
        char reason[300];
        snprintf(reason, sizeof(reason), "%s%.250s", cells[i].works ? "not tried: " : "",
                 e.message);
        set_reason(&cells[i], reason, e.hint);
    }
}

static void take(struct cell *cell, const struct doctor_trial *trial)
{
    cell->tried = true;
    if (trial->nameless)
        set_reason(
            cell,
            "but this machine names no name server that a sandbox reaches: run with --dns ADDRESS",
            "");
    if (trial->ok)
        return;
    char reason[300];
    cell->works = false;
    cell->without_network = trial->without_network;
    snprintf(reason, sizeof(reason), "%s%.250s",
             trial->without_network ? "only with --network none: " : "", trial->error.message);
    set_reason(cell, reason, trial->error.hint);
}

static void try_all(struct cell cells[CELLS], struct engine *const engines[ENGINES],
                    const struct finding *findings, bool full)
{
    char images[ENGINES][DOCTOR_IMAGE_SIZE] = {"", ""};
    struct doctor_trial trials[CELLS] = {0};
    struct cell *tried[CELLS];
    size_t count = 0;
    for (size_t n = 0; n < ENGINES; n++)
        if (engines[n])
            make_image(cells + n * TIERS, images[n], engines[n]->ops->name);
    for (size_t i = 0; i < CELLS; i++) {
        struct cell *cell = &cells[i];
        const char *image = images[i / TIERS];
        if (!cell->works || !image[0])
            continue;
        if (takes_long(cell, findings) && !full) {
            set_reason(cell,
                       "not tried, as it takes a while: light-runner doctor --full boots a VM", "");
            continue;
        }
        trials[count] =
            (struct doctor_trial){.engine = cell->engine, .tier = cell->runtime, .image = image};
        tried[count++] = cell;
    }
    doctor_trial_run(trials, count);
    for (size_t i = 0; i < count; i++)
        take(tried[i], &trials[i]);
    for (size_t n = 0; n < ENGINES; n++) {
        lrun_error ignored;
        if (images[n][0])
            (void)engines[n]->ops->remove_image(engines[n], images[n], &ignored);
    }
}

/* ------------------------------------------------------------- the report */

static json_t *report_checks(const struct finding *findings)
{
    json_t *list = json_array();
    for (int i = 0; i < DOCTOR_CHECKS; i++) {
        const struct finding *f = &findings[i];
        if (f->skipped)
            continue;
        json_t *detail = f->detail[0] ? printable_json(f->detail) : json_string("");
        json_array_append_new(list,
                              json_pack("{ss,sb,so,so*}", "name", doctor_checks[i].name, "ok",
                                        f->ok, "detail", detail, "fix", printable_json(f->fix)));
    }
    return list;
}

static json_t *report_cells(const struct cell *cells)
{
    json_t *list = json_array();
    for (size_t i = 0; i < CELLS; i++) {
        const struct cell *c = &cells[i];
        json_array_append_new(
            list,
            json_pack("{ss,ss,sb,sb,sb,so*,so*}", "engine", c->engine, "runtime", c->tier, "works",
                      c->works, "withoutNetwork", c->works || c->without_network, "tried", c->tried,
                      "reason", printable_json(c->reason), "hint", printable_json(c->hint)));
    }
    return list;
}

int main(int argc, char **argv)
{
    bool full = argc == 2 && strcmp(argv[1], "--full") == 0;
    if (argc > 1 && !full) {
        fputs("light-runner-doctor: light-runner starts it; the only argument is --full\n", stderr);
        return 2;
    }
    struct finding findings[DOCTOR_CHECKS] = {0};
    doctor_check_all(findings);
    static const char *const names[ENGINES] = {"local", "docker"}, *const tiers[TIERS] = {
                                                                       "runc", "runsc", "kata"};
    struct engine *engines[ENGINES] = {NULL, NULL};
    struct cell cells[CELLS] = {0};
    lrun_error unopened[ENGINES] = {0};
    for (size_t n = 0; n < ENGINES; n++)
        if (engine_open(&engines[n], names[n], NULL, &unopened[n]) < 0)
            engines[n] = NULL;
    for (size_t i = 0; i < CELLS; i++) {
        size_t n = i / TIERS;
        cells[i] = (struct cell){
            .engine = names[n], .tier = tiers[i % TIERS], .runtime = tiers[i % TIERS]};
        if (!engines[n])
            set_reason(&cells[i], unopened[n].message, unopened[n].hint);
        else
            judge(&cells[i], engines[n], findings);
    }
    try_all(cells, engines, findings, full);
    for (size_t n = 0; n < ENGINES; n++)
        engine_close(engines[n]);

    json_t *report =
        json_pack("{so,so}", "checks", report_checks(findings), "cells", report_cells(cells));
    bool failed = !report || json_dumpf(report, stdout, JSON_COMPACT) < 0 || fflush(stdout) != 0;
    json_decref(report);
    return failed;
}
