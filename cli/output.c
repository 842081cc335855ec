/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/libexec.h"
#include "wire/result.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int cli_runner(lr_runner **out, const char *engine, const char *tier, lr_error *err)
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
    LR_INIT(lr_runner_options, options);
    options.supervisor = supervisor;
    options.engine = engine;
    options.runtime = tier;
    return lr_runner_new(out, &options, err);
}

int cli_fail(const lr_error *e, bool json)
{
    fprintf(stderr, "light-runner: %s: %s", lr_code_name(e->code), e->message);
    if (e->hint[0])
        fprintf(stderr, " (%s)", e->hint);
    fputc('\n', stderr);
    if (json) {
        json_t *document = json_pack("{so}", "error", error_to_json(e));
        char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
        json_decref(document);
        if (text)
            puts(text);
        free(text);
        fflush(stdout);
    }
    return CLI_FAILED;
}

int cli_usage(const char *verb, bool json, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    lr_error e;
    error_set(&e, LR_INVALID_ARGUMENT, "cli.usage", "%s", text);
    error_hint(&e, "try: light-runner %s%s--help", verb, *verb ? " " : "");
    e.container[0] = '\0';
    return cli_fail(&e, json);
}
