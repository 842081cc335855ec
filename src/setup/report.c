/* SPDX-License-Identifier: MIT */
#include "setup/report.h"

#include "base/cleanup.h"
#include "wire/result.h"

#include <jansson.h>
#include <stdio.h>

int report_failure(const lr_error *e, bool json)
{
    fprintf(stderr, "light-runner: %s: %s", lr_code_name(e->code), e->message);
    fprintf(stderr, e->hint[0] ? " (%s)\n" : "%s\n", e->hint);
    if (json) {
        json_t *document = json_pack("{so}", "error", error_to_json(e));
        cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
        json_decref(document);
        puts(text ? text : "");
    }
    return REPORT_FAILED;
}
