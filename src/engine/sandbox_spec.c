/* SPDX-License-Identifier: MIT */
#include "engine/sandbox_spec.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

struct sandbox_spec sandbox_spec_of(const struct request *r, const char *id, bool keep_root)
{
    return (struct sandbox_spec){
        .id = id,
        .image = r->image,
        .tier = r->runtime,
        .gpus = r->gpus,
        .memory_bytes = r->memory_bytes,
        .disk_bytes = r->disk_bytes,
        .disk_asked = r->disk_asked,
        .cpus = r->cpus,
        .pids = r->pids,
        .allow_unenforced = r->allow_unenforced,
        .networks = r->networks,
        .dns = r->dns,
        .allow_egress = r->allow_egress,
        .kvm_only = r->kvm_only,
        .no_new_privileges = r->no_new_privileges,
        .keep_root = keep_root,
        .workdir = r->workdir,
        .image_workdir = keep_root || (!r->entrypoint && !r->argv),
    };
}

bool sandbox_spec_has_network(const struct sandbox_spec *spec)
{
    for (char *const *n = spec->networks; n && *n; n++)
        if (strcmp(*n, ENGINE_NETWORK_NONE) == 0)
            return false;
    return true;
}

const char *sandbox_spec_named_workdir(const struct sandbox_spec *spec, const struct image *image)
{
    const char *own = image->workdir;
    if (spec->workdir)
        return spec->workdir;
    return spec->image_workdir && own && *own ? own : NULL;
}

/* Whether a path is in one of the kernel's file systems. Runtimes disagree about a
 * working directory there. */
static bool is_kernels(const char *path)
{
    static const char *const roots[] = {"proc", "sys"};
    while (*path == '/' || (*path == '.' && (path[1] == '/' || path[1] == '\0')))
        path++;
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        if (strcspn(path, "/") == strlen(roots[i]) &&
            strncmp(path, roots[i], strlen(roots[i])) == 0)
            return true;
    return false;
}

int sandbox_spec_workdir(char **out, const struct sandbox_spec *spec, const struct image *image,
                         lrun_error *err)
{
    static const char operation[] = "image.workdir";
    const char *chosen = sandbox_spec_named_workdir(spec, image);
    if (!spec->workdir && chosen && text_path_has_dotdot(chosen))
        return error_set(err, LRUN_IMAGE_INVALID, operation,
                         "the image's working directory '%.80s' contains '..'", chosen);
    if (chosen && is_kernels(chosen)) {
        error_set(err, spec->workdir ? LRUN_INVALID_ARGUMENT : LRUN_IMAGE_INVALID, operation,
                  "workdir: '%.80s' is in a file system of the kernel", chosen);
        return error_hint(err, "use a folder such as " REQUEST_WORKDIR);
    }
    if (!chosen)
        chosen = spec->keep_root ? "/" : REQUEST_WORKDIR;
    *out = text_path_join("/", chosen);
    return *out ? 0 : error_oom(err, operation);
}
