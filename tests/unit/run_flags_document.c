/* SPDX-License-Identifier: MIT */
/*
 * For test_request_fields.py. Without arguments, prints the flags of `light-runner run` as a JSON
 * array. With arguments, prints the request document that these flags produce.
 */
#include "run_flags.h"
#include "verbs.h"

#include <stdio.h>

static json_t *table(void)
{
    json_t *all = json_array();
    for (const struct flag *f = run_command.flags; f->name; f++)
        json_array_append_new(all,
                              json_pack("{ss,ss?,ss?,ss?,ss}", "name", f->name, "value", f->value,
                                        "field", f->field, "choices", f->choices, "help", f->help));
    return all;
}

int main(int argc, char **argv)
{
    struct run_flags f;
    lrun_error e = {0};
    if (argc == 1) {
        json_t *all = table();
        json_dumpf(all, stdout, 0);
        json_decref(all);
        return 0;
    }
    int rc = run_flags_parse(&f, &run_command, argc, argv, &e);
    if (rc < 0)
        fprintf(stderr, "%s\n", e.message);
    else
        json_dumpf(f.document, stdout, 0);
    run_flags_free(&f);
    return rc < 0;
}
