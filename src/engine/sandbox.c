/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

void sandbox_init(struct sandbox *s, const struct engine *engine, bool keep)
{
    *s = (struct sandbox){
        .engine = engine,
        .keep = keep,
        .filters_min = 1,
        .to_agent = -1,
        .from_agent = -1,
        .runtime_text = -1,
        .alive = -1,
        .network = -1,
        .network_lost = -1,
        .memory = -1,
        .pausing = -1,
    };
}

void sandbox_close(struct sandbox *s)
{
    cleanup_close_fd(&s->to_agent);
    cleanup_close_fd(&s->from_agent);
    cleanup_close_fd(&s->runtime_text);
    cleanup_close_fd(&s->memory);
    image_free(&s->image);
    free(s->filter);
}

void sandbox_explain(const struct sandbox *s, const char *tier, lrun_error *err)
{
    cleanup_free char *said = strdup(err->message);
    error_hint(err, "see what works here: light-runner doctor");
    if (s->engine->explain && said)
        s->engine->explain(tier, said, err);
}

bool engine_without_network(const struct request *r)
{
    for (char **n = r->networks; n && *n; n++)
        if (strcmp(*n, ENGINE_NETWORK_NONE) == 0)
            return true;
    return false;
}

const char *engine_named_workdir(const struct request *r, const struct image *image, bool keep)
{
    const char *own = image->workdir;
    if (r->workdir)
        return r->workdir;
    return ((!r->entrypoint && !r->argv) || keep) && own && *own ? own : NULL;
}

/* Whether a path is in the kernel's own file systems, where no runtime takes a working directory alike. */
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

int engine_workdir(char **out, const struct request *r, const struct image *image, bool keep,
                   lrun_error *err)
{
    static const char operation[] = "image.workdir";
    const char *chosen = engine_named_workdir(r, image, keep);
    if (!r->workdir && chosen && text_path_has_dotdot(chosen))
        return error_set(err, LRUN_IMAGE_INVALID, operation,
                         "the image's working directory '%.80s' contains '..'", chosen);
    if (chosen && is_kernels(chosen)) {
        error_set(err, r->workdir ? LRUN_INVALID_ARGUMENT : LRUN_IMAGE_INVALID, operation,
                  "workdir: '%.80s' is in a file system of the kernel", chosen);
        return error_hint(err, "use a folder such as " REQUEST_WORKDIR);
    }
    if (!chosen)
        chosen = keep ? "/" : REQUEST_WORKDIR;
    *out = text_path_join("/", chosen);
    return *out ? 0 : error_oom(err, operation);
}
