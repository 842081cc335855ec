/* SPDX-License-Identifier: MIT */
/*
 * Reads any bytes as a GPU spec, in JSON and in YAML. An accepted spec must not change the
 * sandbox's own walls.
 */
#include "fuzz.h"

#include "base/text.h"
#include "tier/gpu/cdi.h"

#include <string.h>

static void check_edits(const struct cdi_edits *e)
{
    const char *target;
    json_t *value;
    for (char **text = e->env; text && *text; text++)
        PROMISE(text_is_env_name(*text, strcspn(*text, "=")) && strchr(*text, '='));
    json_object_foreach (e->nodes, target, value) {
        PROMISE(strncmp(target, "/dev/", 5) == 0 && !text_path_has_dotdot(target));
        PROMISE((json_integer_value(json_object_get(value, "mode")) & ~0666) == 0);
    }
    json_object_foreach (e->mounts, target, value) {
        PROMISE(text_path_is_beneath(target + 1));
        PROMISE(strncmp(target, "/proc", 5) != 0 || (target[5] && target[5] != '/'));
        PROMISE(json_string_value(json_object_get(value, "source"))[0] == '/');
    }
}

static void try_as(const char *path, const char *text, size_t size)
{
    struct cdi c = {0};
    lrun_error e = {0};
    if (cdi_add_spec(&c, path, 1, text, size, &e) < 0)
        PROMISE(e.code == LRUN_START_FAILED && e.message[0] && e.hint[0]);
    size_t *devices = NULL, count = 0;
    if (cdi_select(&c, "all", &devices, &count, &e) == 0) {
        struct cdi_edits edits;
        PROMISE(count > 0 && count <= c.device_count);
        if (cdi_edits_collect(&edits, &c, devices, count, &e) == 0)
            check_edits(&edits);
        else
            PROMISE(e.code == LRUN_START_FAILED);
        cdi_edits_free(&edits);
    }
    free(devices);
    cdi_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_as("/etc/cdi/f.json", (const char *)data, size);
    try_as("/etc/cdi/f.yaml", (const char *)data, size);
    return 0;
}
