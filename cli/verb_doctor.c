/* SPDX-License-Identifier: MIT */
/*
 * Reports what works on this machine: whether it has what runs need (doctor_checks.h), and whether
 * a tiny program runs in every engine and tier (doctor_trial.h). For every problem it names the
 * command that fixes it.
 */
#include "doctor_checks.h"
#include "doctor_trial.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "engine/engine.h"
#include "tier/tier.h"

#include <jansson.h>
#include <string.h>

enum { ENGINES = 2, TIERS = 3, CELLS = ENGINES * TIERS };

struct cell {
    const char *engine, *tier;
    const char *runtime; /* the tier, or the engine's other name for it */
    bool works, tried;
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

static void judge(struct cell *cell, const struct engine *engine, const struct finding *findings)
{
    lrun_error e = {0}, shim = {0};
    bool local = engine == &engine_local;
    if (engine->available(cell->tier, &e) < 0) {
        if (!local && strcmp(cell->tier, "kata") == 0 && e.code != LRUN_ENGINE_UNREACHABLE &&
            engine->available(REQUEST_KATA_SHIM, &shim) == 0) {
            cell->runtime = REQUEST_KATA_SHIM;
            set_reason(cell, "as --runtime " REQUEST_KATA_SHIM, "");
        } else {
            set_reason(cell, e.message, e.hint);
            return;
        }
    }
    /* The checks cover what runs on the local engine need. */
    for (int i = 0; i < DOCTOR_CHECKS && local; i++) {
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
    return strcmp(cell->engine, "local") == 0 && strcmp(cell->tier, "kata") == 0 && kvm && !kvm->ok;
}

/* `cells` are the cells of one engine. */
static void make_image(struct cell *cells, char image[DOCTOR_IMAGE_SIZE],
                       const struct engine *engine)
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

static void try_all(struct cell cells[CELLS], const struct engine *engines[ENGINES],
                    const struct finding *findings, bool full)
{
    char images[ENGINES][DOCTOR_IMAGE_SIZE] = {"", ""};
    struct doctor_trial trials[CELLS] = {0};
    struct cell *tried[CELLS];
    size_t count = 0;
    for (size_t n = 0; n < ENGINES; n++)
        if (engines[n])
            make_image(cells + n * TIERS, images[n], engines[n]);
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
            (void)engines[n]->remove_image(images[n], &ignored);
    }
}

/* ------------------------------------------------------------- the output */

static void print_text(const struct finding *findings, const struct cell *cells)
{
    for (int i = 0; i < DOCTOR_CHECKS; i++) {
        const struct finding *f = &findings[i];
        if (f->skipped)
            continue;
        cli_line(stdout, "%-8s %-16s %s", f->ok ? "ok" : "missing", doctor_checks[i].name,
                 f->detail);
        if (!f->ok && f->fix[0])
            cli_line(stdout, "%-8s %-16s   fix: %s", "", "", f->fix);
    }
    putchar('\n');
    for (size_t i = 0; i < CELLS; i++) {
        const struct cell *c = &cells[i];
        cli_line(stdout, "%-8s %-7s %-6s %s", c->works ? "works" : "no", c->engine, c->tier,
                 c->reason);
        if (!c->works && c->hint[0])
            cli_line(stdout, "%-8s %-7s %-6s   fix: %s", "", "", "", c->hint);
    }
}

static int print_json(const struct finding *findings, const struct cell *cells)
{
    json_t *found_list = json_array(), *cell_list = json_array();
    for (int i = 0; i < DOCTOR_CHECKS; i++) {
        const struct finding *f = &findings[i];
        if (f->skipped)
            continue;
        json_array_append_new(found_list, json_pack("{ss,sb,ss,ss*}", "name", doctor_checks[i].name,
                                                    "ok", f->ok, "detail", f->detail, "fix",
                                                    f->fix[0] ? f->fix : NULL));
    }
    for (size_t i = 0; i < CELLS; i++) {
        const struct cell *c = &cells[i];
        json_array_append_new(cell_list,
                              json_pack("{ss,ss,sb,sb,sb,ss*,ss*}", "engine", c->engine, "runtime",
                                        c->tier, "works", c->works, "withoutNetwork",
                                        c->works || c->without_network, "tried", c->tried, "reason",
                                        c->reason[0] ? c->reason : NULL, "hint",
                                        c->hint[0] ? c->hint : NULL));
    }
    return cli_json(json_pack("{so,so}", "checks", found_list, "cells", cell_list),
                    JSON_INDENT(2)) == 0
               ? 0
               : -1;
}

struct words {
    bool json, help, full;
};

static const struct flag flags[] = {
    FLAG_SWITCH("full", struct words, full,
                "also boot a VM in the tier kata even if that takes a while, without KVM"),
    FLAG_JSON(struct words, "print a JSON object"),
    FLAG_HELP(struct words),
    FLAG_END,
};

const struct command doctor_command = {
    .name = "doctor",
    .usage = "[--full] [--json]",
    .about =
        "Says what works on this machine: what runs need, and for each engine and tier whether a\n"
        "run of a tiny program succeeds there; and for each thing that does not work, the command "
        "that\n"
        "fixes it. The image for it is removed again. Exit code 0 if runs on the local engine "
        "with\n"
        "the tier runc work, else 1.",
    .flags = flags,
    .no_words = true,
};

int verb_doctor(int argc, char **argv)
{
    struct words w = {0};
    int code;
    if (!cli_parse(&doctor_command, &w, &argc, argv, &code))
        return code;

    struct finding findings[DOCTOR_CHECKS] = {0};
    doctor_check_all(findings);
    static const char *const names[ENGINES] = {"local", "docker"}, *const tiers[TIERS] = {
                                                                       "runc", "runsc", "kata"};
    const struct engine *engines[ENGINES] = {NULL, NULL};
    struct cell cells[CELLS] = {0};
    for (size_t i = 0; i < CELLS; i++) {
        size_t n = i / TIERS;
        lrun_error e = {0};
        cells[i] = (struct cell){
            .engine = names[n], .tier = tiers[i % TIERS], .runtime = tiers[i % TIERS]};
        if (engine_find(&engines[n], names[n], &e) < 0)
            set_reason(&cells[i], e.message, e.hint);
        else
            judge(&cells[i], engines[n], findings);
    }
    try_all(cells, engines, findings, w.full);

    if (!w.json) {
        print_text(findings, cells);
    } else if (print_json(findings, cells) < 0) {
        lrun_error e = {0};
        error_oom(&e, "cli.doctor");
        return cli_fail(&e, true);
    }
    return cells[0].works ? 0 : 1;
}
