/* SPDX-License-Identifier: MIT */
#include "json/printable.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

json_t *printable_json(const char *text)
{
    if (!text || !*text)
        return NULL;
    cleanup_free char *clean = strdup(text);
    if (!clean)
        return NULL;
    text_make_printable(clean);
    return json_string(clean);
}
