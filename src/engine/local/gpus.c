/* SPDX-License-Identifier: MIT */
#include "engine/local/gpus.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/local/local_sandbox.h"
#include "host/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const char operation[] = "local.gpus";

struct gpus {
    struct box_tree *trees;
    size_t tree_count;
    struct box_hook *hooks;
    size_t hook_count;
    char *state;
};

/* ---------------------------------------------------------------- mounts */

static bool has_option(const json_t *mount, const char *wanted)
{
    size_t i;
    json_t *option;
    json_array_foreach (json_object_get(mount, "options"), i, option)
        if (strcmp(json_string_value(option), wanted) == 0)
            return true;
    return false;
}

/* Without the mounts in a folder, as CDI's specs are read: one in it could be writable. */
static int open_tree_of(const json_t *mount, lrun_error *err)
{
    static const struct {
        const char *option;
        uint64_t attribute;
    } options[] = {
        {"ro", MOUNT_ATTR_RDONLY},
        {"nodev", MOUNT_ATTR_NODEV},
        {"noexec", MOUNT_ATTR_NOEXEC},
    };
    const char *source = json_string_value(json_object_get(mount, "source"));
    uint64_t attributes = MOUNT_ATTR_NOSUID;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (has_option(mount, options[i].option))
            attributes |= options[i].attribute;
    int fd = mount_detached(source, 0, attributes);
    if (fd < 0)
        error_errno(err, LRUN_START_FAILED, operation, errno,
                    "gpus: cannot open '%.200s' for the sandbox", source);
    return fd;
}

static int open_trees(struct gpus *g, const struct cdi_edits *edits, lrun_error *err)
{
    const char *target;
    json_t *mount;
    g->trees = calloc(json_object_size(edits->mounts) + 1, sizeof(*g->trees));
    if (!g->trees)
        return error_oom(err, operation);
    json_object_foreach (edits->mounts, target, mount) {
        int fd = open_tree_of(mount, err);
        if (fd < 0)
            return -1;
        g->trees[g->tree_count++] = (struct box_tree){fd, target};
    }
    return 0;
}

/* ---------------------------------------------------------------- hooks */

/* The strings are borrowed; the list is malloc'd. NULL if memory is out. */
static char **string_list(const json_t *strings)
{
    size_t count = json_array_size(strings);
    char **list = calloc(count + 1, sizeof(*list));
    for (size_t i = 0; list && i < count; i++)
        list[i] = (char *)json_string_value(json_array_get(strings, i));
    return list;
}

static int read_hooks(struct gpus *g, const json_t *hooks, lrun_error *err)
{
    size_t i;
    json_t *hook;
    g->hooks = calloc(json_array_size(hooks), sizeof(*g->hooks));
    if (!g->hooks)
        return error_oom(err, operation);
    json_array_foreach (hooks, i, hook) {
        const json_t *seconds = json_object_get(hook, "timeout");
        struct box_hook *h = &g->hooks[g->hook_count++];
        *h = (struct box_hook){
            .path = json_string_value(json_object_get(hook, "path")),
            .argv = string_list(json_object_get(hook, "args")),
            .environment = string_list(json_object_get(hook, "env")),
            .timeout_ms = seconds ? (int)json_integer_value(seconds) * 1000 : -1,
        };
        if (!h->argv || !h->environment)
            return error_oom(err, operation);
    }
    return 0;
}

/* A hook finds the root by the bundle's config.json. It is nobody here, so everybody may read it. */
static int write_bundle(const struct cdi_edits *edits, const char *id, lrun_error *err)
{
    static const char path[] = LOCAL_BUNDLE "/config.json";
    json_t *mounts = json_array(), *mount;
    const char *target;
    json_object_foreach (edits->mounts, target, mount)
        json_array_append(mounts, mount);
    json_t *config =
        json_pack("{s:s, s:{s:s, s:b}, s:s, s:o, s:{}}", "ociVersion", "1.0.2", "root", "path",
                  LOCAL_ROOT, "readonly", 0, "hostname", id, "mounts", mounts, "linux");
    cleanup_free char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;
    json_decref(config);
    if (!text)
        return error_oom(err, operation);
    cleanup_close int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (to < 0 || fchmod(to, 0644) < 0 || io_write_all(to, text, strlen(text), IO_NO_DEADLINE) < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot write '%s'", path);
    return 0;
}

/* The hooks are in the container's PID namespace, where its first process has the number 1. */
static int make_state(struct gpus *g, const char *id, lrun_error *err)
{
    json_t *state = json_pack("{s:s, s:s, s:s, s:i, s:s, s:{}}", "ociVersion", "1.0.2", "id", id,
                              "status", "created", "pid", 1, "bundle", LOCAL_BUNDLE, "annotations");
    g->state = state ? json_dumps(state, JSON_COMPACT) : NULL;
    json_decref(state);
    return g->state ? 0 : error_oom(err, operation);
}

static int add_hooks(struct gpus *g, struct box *b, const struct cdi_edits *edits, const char *id,
                     int text, lrun_error *err)
{
    if (json_array_size(edits->hooks) == 0)
        return 0;
    if (read_hooks(g, edits->hooks, err) < 0 || write_bundle(edits, id, err) < 0 ||
        make_state(g, id, err) < 0)
        return -1;
    b->hooks = (struct box_hooks){
        .all = g->hooks,
        .count = g->hook_count,
        .state = g->state,
        .root_path = LOCAL_ROOT,
        .text = text,
    };
    return 0;
}

/* ---------------------------------------------------------------- both */

int gpus_show(struct gpus **out, struct box *b, struct cdi_edits *edits, const char *id, int text,
              lrun_error *err)
{
    struct gpus *g = *out = calloc(1, sizeof(*g));
    if (!g)
        return error_oom(err, operation);
    if (cdi_edits_make_nodes(edits, LOCAL_DEVICES, err) < 0 || open_trees(g, edits, err) < 0 ||
        add_hooks(g, b, edits, id, text, err) < 0)
        return -1;
    b->guests = g->trees;
    b->guest_count = g->tree_count;
    return 0;
}

void gpus_free(struct gpus *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->tree_count; i++)
        cleanup_close_fd(&g->trees[i].fd);
    for (size_t i = 0; i < g->hook_count; i++) {
        free((void *)g->hooks[i].argv);
        free((void *)g->hooks[i].environment);
    }
    free(g->trees);
    free(g->hooks);
    free(g->state);
    free(g);
}
