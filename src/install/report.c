/* SPDX-License-Identifier: MIT */
#include "install/report.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "json/error_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

int report_failure(const lrun_error *e, bool json)
{
    fprintf(stderr, "light-runner: %s: %s", lrun_code_name(e->code), e->message);
    fprintf(stderr, e->hint[0] ? " (%s)\n" : "%s\n", e->hint);
    if (json) {
        json_t *document = json_pack("{so}", "error", error_to_json(e));
        cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
        json_decref(document);
        puts(text ? text : "");
    }
    return REPORT_FAILED;
}

int report_end(int code)
{
    if (!ferror(stdout) && fflush(stdout) == 0)
        return code;
    lrun_error e = {0};
    error_errno(&e, LRUN_IO_FAILED, "cli.output", errno, "cannot write to the standard output");
    return report_failure(&e, false);
}
