/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "base/libexec.h"

#include <stdlib.h>
#include <unistd.h>

void server_wake(struct server *s)
{
    const uint64_t one = 1;
    if (write(s->wake, &one, sizeof(one)) < 0)
        return; /* it is readable already */
}

int server_runner(lrun_runner **out, const struct server *s, const char *engine,
                  const char *runtime, lrun_error *err)
{
    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    options.supervisor = s->supervisor;
    options.engine = engine;
    options.runtime = runtime;
    return lrun_runner_new(out, &options, err);
}

int server_init_runner(struct server *s, lrun_error *err)
{
    const char *chosen = secure_getenv("LIGHT_RUNNER_SUPERVISOR");
    if (chosen && *chosen)
        return server_runner(&s->runner, s, NULL, NULL, err);
    s->supervisor = libexec_find("light-runner-supervisor", err);
    return s->supervisor ? server_runner(&s->runner, s, NULL, NULL, err) : -1;
}
