/* SPDX-License-Identifier: MIT */
#include "json/error_json.h"

#include "base/text.h"
#include "json/printable.h"

#include <stdio.h>

json_t *error_to_json(const lrun_error *e)
{
    return json_pack("{ss,so*,so*,so*,so*}", "code", lrun_code_name(e->code), "message",
                     printable_json(e->message), "operation", printable_json(e->operation),
                     "container", printable_json(e->id), "hint", printable_json(e->hint));
}

static void copy_field(char *to, size_t size, const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    snprintf(to, size, "%s", text ? text : "");
    text_make_printable(to);
}

void error_from_json(lrun_error *out, const char *json, size_t length)
{
    *out = (lrun_error){.code = LRUN_SUPERVISOR_LOST};
    json_t *o = json_loadb(json, length, 0, NULL);
    const char *code = json_string_value(json_object_get(o, "code"));
    if (!code) {
        error_set(out, LRUN_SUPERVISOR_LOST, "error.parse",
                  "the supervisor reported an error that cannot be read");
    } else {
        out->code = error_code_from_name(code);
        if (out->code == LRUN_OK)
            out->code = LRUN_INTERNAL;
        copy_field(out->message, sizeof(out->message), o, "message");
        copy_field(out->operation, sizeof(out->operation), o, "operation");
        copy_field(out->id, sizeof(out->id), o, "container");
        copy_field(out->hint, sizeof(out->hint), o, "hint");
    }
    json_decref(o);
}
