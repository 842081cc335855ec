/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_help(void)
{
    puts("usage: light-runner network create|rm|exists NAME [--engine ENGINE] [--json]\n"
         "       light-runner network prune [--engine ENGINE] [--json]\n\n"
         "Networks for --network, on the engine docker. On one that is made here runs do reach one "
         "another:\n"
         "without --network each has a way out and nothing else.\n"
         "'prune' removes those made here, and those whose name begins with light-runner-, that "
         "nobody uses.\n"
         "'exists' ends with 1 when there is none of that name.");
    return 0;
}

struct words {
    const char *action, *name, *engine;
    bool json;
};

static int parse(struct words *w, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        w->json = w->json || strcmp(argv[i], "--json") == 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            continue;
        if (strcmp(argv[i], "--engine") == 0 && i + 1 < argc)
            w->engine = argv[++i];
        else if (strncmp(argv[i], "--engine=", 9) == 0)
            w->engine = argv[i] + 9;
        else if (argv[i][0] == '-')
            return cli_usage("network", w->json, "unknown flag '%s'", argv[i]);
        else if (!w->action)
            w->action = argv[i];
        else if (!w->name)
            w->name = argv[i];
        else
            return cli_usage("network", w->json, "unknown argument '%s'", argv[i]);
    }
    bool prune = w->action && strcmp(w->action, "prune") == 0;
    if (!w->action)
        return cli_usage("network", w->json, "create, rm, exists or prune is missing");
    if (!prune && !w->name)
        return cli_usage("network", w->json, "the network's name is missing");
    return prune && w->name ? cli_usage("network", w->json, "unknown argument '%s'", w->name) : 0;
}

/* The exit code. */
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
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return print_help();
    int rc = parse(&w, argc, argv);
    if (rc != 0)
        return rc;
    lrun_runner *runner = NULL;
    if (cli_runner(&runner, w.engine, NULL, &e) < 0)
        return cli_fail(&e, w.json);
    rc = act(&w, runner, &e);
    lrun_runner_free(runner);
    return rc;
}
