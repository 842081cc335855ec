/* SPDX-License-Identifier: MIT */
#include "run/evidence.h"

#include "base/text.h"
#include "policy/confinement.h"
#include "wire/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char operation[] = "isolation.verify";

static void add_checked(struct supervisor *s, const char *name)
{
    size_t used = strlen(s->checked);
    snprintf(s->checked + used, sizeof(s->checked) - used, "%s%s", used ? "," : "", name);
}

/* -------------------------------------------------------------- the kernel */

enum evidence evidence_of_kernel(struct supervisor *s, const struct frame *hello)
{
    const char *release = fields_get(hello, "release"), *kernel = fields_get(hello, "kernel");
    const char *log = fields_get(hello, "log"), *boot = fields_get(hello, "boot");
    const struct sandbox *x = s->sandbox;
    if (!release || !kernel || strlen(release) >= sizeof(s->kernel))
        return EVIDENCE_BROKEN;
    strcpy(s->kernel, release);
    text_make_printable(s->kernel);
    const struct tier_evidence seen = {release, kernel, log ? log : "", boot ? boot : ""};
    const struct tier_evidence host = {x->host_release, x->host_version, "", x->host_boot};
    if (x->tier->verify(&seen, &host)) {
        add_checked(s, "kernel");
        return EVIDENCE_GOOD;
    }
    /* The engine may use a stronger tier than was asked for; then any other kernel is
     * acceptable. */
    if (x->at_least)
        return EVIDENCE_GOOD;
    error_set(&s->error, LRUN_ISOLATION_FAILED, operation,
              "'%s' was asked for, but the sandbox is on the kernel '%s'; nothing was run",
              x->tier->name, s->kernel);
    sandbox_explain(s->sandbox, s->request->runtime, &s->error);
    return EVIDENCE_BAD;
}

/* -------------------------------------------------------------- the walls */

enum { TEXT_MAX = 160 };

/* One wall. holds() fills `seen` and `promised` for the error, and returns false if the wall
 * differs from what was promised. */
struct wall {
    const char *name;
    bool (*holds)(const struct supervisor *s, const struct frame *f, char seen[TEXT_MAX],
                  char promised[TEXT_MAX]);
};

static const char *get(const struct frame *f, const char *key)
{
    const char *value = fields_get(f, key);
    return value ? value : "unknown";
}

static bool pid_holds(const struct supervisor *s, const struct frame *f, char seen[TEXT_MAX],
                      char promised[TEXT_MAX])
{
    uint64_t pid;
    (void)s;
    snprintf(seen, TEXT_MAX, "the agent is process %s", get(f, "pid"));
    snprintf(promised, TEXT_MAX, "process 1 of a namespace of its own");
    return fields_get_u64(f, "pid", &pid) && pid == 1;
}

/* Linux reports the number of filters since 5.9; gVisor does not. */
static bool seccomp_holds(const struct supervisor *s, const struct frame *f, char seen[TEXT_MAX],
                          char promised[TEXT_MAX])
{
    uint64_t mode, filters, least = s->sandbox->filters_min;
    bool counted = fields_get(f, "Seccomp_filters") != NULL;
    snprintf(seen, TEXT_MAX, "mode %s, filters: %s", get(f, "Seccomp"), get(f, "Seccomp_filters"));
    snprintf(promised, TEXT_MAX, "mode 2, filters: %" PRIu64, least);
    return fields_get_u64(f, "Seccomp", &mode) && mode == 2 &&
           (!counted || (fields_get_u64(f, "Seccomp_filters", &filters) && filters >= least));
}

static bool no_new_privileges_holds(const struct supervisor *s, const struct frame *f,
                                    char seen[TEXT_MAX], char promised[TEXT_MAX])
{
    uint64_t on;
    snprintf(seen, TEXT_MAX, "NoNewPrivs is %s", get(f, "NoNewPrivs"));
    snprintf(promised, TEXT_MAX, "1");
    return fields_get_u64(f, "NoNewPrivs", &on) &&
           (on == 1 || (on == 0 && !s->request->no_new_privileges));
}

static bool parse_set(const char *text, uint64_t *out)
{
    char *end;
    if (!text || strspn(text, "0123456789abcdef") != strlen(text) || strlen(text) > 16 || !*text)
        return false;
    *out = strtoull(text, &end, 16);
    return *end == '\0';
}

static bool capabilities_hold(const struct supervisor *s, const struct frame *f,
                              char seen[TEXT_MAX], char promised[TEXT_MAX])
{
    static const char *const sets[] = {"CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"};
    uint64_t most = 0, set;
    (void)s;
    for (const struct confinement_capability *c = confinement_capabilities; c->name; c++)
        most |= UINT64_C(1) << c->number;
    snprintf(promised, TEXT_MAX, "%016" PRIx64 " at most", most);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        snprintf(seen, TEXT_MAX, "%s is %s", sets[i], get(f, sets[i]));
        if (!parse_set(fields_get(f, sets[i]), &set) || (set & ~most) != 0)
            return false;
    }
    return true;
}

/* Whether both have the same numbers in the same order, whatever is between them. */
static bool map_is(const char *text, const char *promised)
{
    static const char blank[] = " \t\n";
    for (;;) {
        char *end, *wanted_end;
        text += strspn(text, blank);
        promised += strspn(promised, blank);
        if (!*promised || !*text)
            return *promised == *text;
        if (*text < '0' || *text > '9' ||
            strtoull(text, &end, 10) != strtoull(promised, &wanted_end, 10))
            return false;
        text = end;
        promised = wanted_end;
    }
}

/* Checked only where the user namespace is ours: a daemon may use another one, and a sandbox with
 * its own kernel needs none. */
static bool ids_hold(const struct supervisor *s, const struct frame *f, char seen[TEXT_MAX],
                     char promised[TEXT_MAX])
{
    const char *map = s->sandbox->id_map;
    snprintf(seen, TEXT_MAX, "users are %.60s, groups %.60s", get(f, "uid_map"), get(f, "gid_map"));
    snprintf(promised, TEXT_MAX, "%.*s", (int)strcspn(map, "\n"), map);
    return map_is(get(f, "uid_map"), map) && map_is(get(f, "gid_map"), map);
}

static const struct wall walls[] = {
    {"processes", pid_holds},
    {"seccomp", seccomp_holds},
    {"noNewPrivileges", no_new_privileges_holds},
    {"capabilities", capabilities_hold},
    {"ids", ids_hold},
};

/* Whether this wall was promised. */
static bool is_promised(const struct supervisor *s, const struct wall *w)
{
    if (w->holds == no_new_privileges_holds)
        return s->request->no_new_privileges;
    return w->holds != ids_hold || s->sandbox->id_map != NULL;
}

static void explain(struct supervisor *s, const struct wall *w, char seen[TEXT_MAX],
                    const char *promised)
{
    text_make_printable(seen);
    error_set(&s->error, LRUN_ISOLATION_FAILED, operation,
              "the sandbox is weaker than promised: %s: %s (expected %s); nothing was run", w->name,
              seen, promised);
    if (w->holds == seccomp_holds && !s->sandbox->filter)
        error_hint(
            &s->error,
            "leave noNewPrivileges on: without it, only whoever starts the sandbox can install a "
            "filter");
    else
        sandbox_explain(s->sandbox, s->request->runtime, &s->error);
}

enum evidence evidence_of_walls(struct supervisor *s, const struct frame *f)
{
    for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
        char seen[TEXT_MAX], promised[TEXT_MAX];
        if (!is_promised(s, &walls[i]))
            continue;
        if (!walls[i].holds(s, f, seen, promised)) {
            explain(s, &walls[i], seen, promised);
            return EVIDENCE_BAD;
        }
        add_checked(s, walls[i].name);
    }
    return EVIDENCE_GOOD;
}
