/* SPDX-License-Identifier: MIT */
#include "detached.h"

#include "verbs.h"

#include "base/error.h"

const struct flag detached_flags[] = {
    FLAG_JSON(struct detached_words, "print JSON"),
    FLAG_HELP(struct detached_words),
    FLAG_END,
};

int detached_unknown(const char *id, bool json)
{
    lrun_error e = {0};
    error_set(&e, LRUN_INVALID_ARGUMENT, "cli.id", "there is no detached run '%.60s'", id);
    error_hint(&e, "light-runner ls shows them");
    return cli_fail(&e, json);
}
