/* SPDX-License-Identifier: MIT */
#include "cli_runner.h"
#include "verbs.h"

#include <string.h>

struct words {
    const char *action, *name, *engine;
    bool json, help;
};

static const struct flag flags[] = {
    FLAG_STRING("engine", struct words, engine, "ENGINE", "auto (default), local or docker",
                .choices = CLI_ENGINES),
    FLAG_JSON(struct words, "print a JSON object"),
    FLAG_HELP(struct words),
    FLAG_END,
};

const struct command network_command = {
    .name = "network",
    .usage = "create|rm|exists NAME [--engine ENGINE] [--json]\n"
             "       light-runner network prune [--engine ENGINE] [--json]",
    .about = "Networks for --network, on the engine docker. Runs on such a network reach each "
             "other;\n"
             "without --network each run has a way out and nothing else.\n"
             "'prune' removes unused networks that were created here, or whose name begins with "
             "light-runner-.\n"
             "'exists' exits with 1 if there is no network of that name.",
    .flags = flags,
    .words = "create rm exists prune",
};

/* Returns 0, or the exit code. */
static int take_words(struct words *w, int argc, char **argv)
{
    w->action = argc > 1 ? argv[1] : NULL;
    w->name = argc > 2 ? argv[2] : NULL;
    if (argc > 3)
        return cli_usage("network", w->json, "unknown argument '%s'", argv[3]);
    bool prune = w->action && strcmp(w->action, "prune") == 0;
    if (!w->action)
        return cli_usage("network", w->json,
                         "missing action (expected create, rm, exists or prune)");
    if (!prune && !w->name)
        return cli_usage("network", w->json, "missing network name");
    return prune && w->name ? cli_usage("network", w->json, "unknown argument '%s'", w->name) : 0;
}

/* Returns the exit code. */
static int act(const struct words *w, const lrun_runner *runner, lrun_error *e)
{
    bool exists = false;
    unsigned count = 0;
    int rc;
    if (strcmp(w->action, "create") == 0)
        rc = lrun_network_create(runner, w->name, e);
    else if (strcmp(w->action, "rm") == 0)
        rc = lrun_network_remove(runner, w->name, e);
    else if (strcmp(w->action, "exists") == 0)
        rc = lrun_network_exists(runner, w->name, &exists, e);
    else if (strcmp(w->action, "prune") == 0)
        rc = lrun_network_prune(runner, &count, e);
    else
        return cli_usage("network", w->json, "unknown action '%s'", w->action);
    if (rc < 0)
        return cli_fail(e, w->json);
    if (strcmp(w->action, "exists") == 0) {
        if (w->json)
            printf("{\"exists\":%s}\n", exists ? "true" : "false");
        return !exists;
    }
    if (strcmp(w->action, "prune") == 0)
        printf(w->json ? "{\"networks\":%u}\n" : "networks: %u\n", count);
    else if (w->json)
        puts("{}");
    return 0;
}

int verb_network(int argc, char **argv)
{
    struct words w = {0};
    lrun_error e = {0};
    int code;
    if (!cli_parse(&network_command, &w, &argc, argv, &code))
        return code;
    int rc = take_words(&w, argc, argv);
    if (rc != 0)
        return rc;
    lrun_runner *runner = NULL;
    if (cli_runner(&runner, w.engine, NULL, &e) < 0)
        return cli_fail(&e, w.json);
    rc = act(&w, runner, &e);
    lrun_runner_free(runner);
    return rc;
}
