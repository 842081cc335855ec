/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

static const struct engine *const engines[] = {&engine_local};

int engine_find(const struct engine **out, const char *name, lr_error *err)
{
    if (strcmp(name, "auto") == 0) {
        const char *chosen = secure_getenv("LIGHT_RUNNER_ENGINE");
        name = chosen && *chosen && strcmp(chosen, "auto") != 0 ? chosen : engine_local.name;
    }
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            *out = engines[i];
            return 0;
        }
    }
    error_set(err, LR_NOT_SUPPORTED, "engine.find", "the engine '%s' is not in this version", name);
    return error_hint(err, "use --engine local");
}
