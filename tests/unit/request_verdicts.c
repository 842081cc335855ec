/* SPDX-License-Identifier: MIT */
/* For test_schema.py and test_request_fields.py: reads requests, one per line, and prints "ok" or
 * the error for each. */
#include "base/error.h"
#include "wire/request.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, stdin)) > 0) {
        struct request r;
        lrun_error e = LRUN_ERROR_INIT;
        if (request_parse(&r, line, (size_t)n - 1, &e) < 0) {
            printf(e.hint[0] ? "%s: %s (%s)\n" : "%s: %s\n", lrun_code_name(e.code), e.message,
                   e.hint);
            continue;
        }
        puts("ok");
        request_free(&r);
    }
    free(line);
    return 0;
}
