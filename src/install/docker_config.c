/* SPDX-License-Identifier: MIT */
#include "install/docker_config.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "setup.docker"

enum { FILE_MAX = 1 << 20 };

static int broken(const struct docker_config *c, const char *what, lrun_error *err)
{
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "'%.200s': %s", c->path, what);
    return error_hint(err, "fix the file, or leave Docker out: --no-docker");
}

static int load(struct docker_config *c, lrun_error *err)
{
    size_t length = 0;
    json_error_t e;
    char text[200];
    cleanup_free char *content = io_read_file_at(AT_FDCWD, c->path, FILE_MAX, &length);
    if (!content && errno != ENOENT)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot read '%s'", c->path);
    /* An empty file is not JSON, but a daemon accepts it. */
    bool empty = !content || strspn(content, " \t\r\n") == length;
    c->before = empty ? json_object() : json_loadb(content, length, JSON_REJECT_DUPLICATES, &e);
    if (!c->before) {
        snprintf(text, sizeof(text), "line %d: %.120s", e.line, e.text);
        return broken(c, text, err);
    }
    return json_is_object(c->before) ? 0 : broken(c, "it is not a JSON object", err);
}

/* Any "--platform" counts as "--platform=systrap": the user has chosen it. Returns the index of
 * the flag, or the number of flags if it is not there. */
static size_t find_flag(const json_t *list, const char *flag)
{
    size_t i, length = strcspn(flag, "=");
    for (i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text && strncmp(text, flag, length) == 0 &&
            (text[length] == '\0' || text[length] == '='))
            break;
    }
    return i;
}

/* Returns the member with that name, and creates it if it is missing; NULL if
 * it has another type. */
static json_t *member(json_t *object, const char *name, json_t *(*make)(void),
                      bool (*is)(const json_t *))
{
    json_t *found = json_object_get(object, name);
    if (!found && json_object_set_new(object, name, make()) == 0)
        found = json_object_get(object, name);
    return found && is(found) ? found : NULL;
}

static bool is_object(const json_t *j)
{
    return json_is_object(j);
}

static bool is_array(const json_t *j)
{
    return json_is_array(j);
}

int docker_config_open(struct docker_config *out, const char *path, const char *runtime,
                       const char *program, const char *const *flags, lrun_error *err)
{
    char real[PATH_MAX];
    *out = (struct docker_config){.path = strdup(realpath(path, real) ? real : path)};
    if (!out->path)
        return error_oom(err, OPERATION);
    if (load(out, err) < 0)
        return -1;
    out->after = json_deep_copy(out->before);
    json_t *runtimes = out->after ? member(out->after, "runtimes", json_object, is_object) : NULL;
    if (!runtimes)
        return broken(out, "\"runtimes\" is not an object", err);
    json_t *entry = member(runtimes, runtime, json_object, is_object);
    json_t *list = entry ? member(entry, "runtimeArgs", json_array, is_array) : NULL;
    if (!list)
        return broken(out, "the runtime's entry cannot be parsed", err);
    for (; *flags; flags++)
        if (find_flag(list, *flags) == json_array_size(list) &&
            json_array_append_new(list, json_string(*flags)) < 0)
            return error_oom(err, OPERATION);
    return json_object_set_new(entry, "path", json_string(program)) < 0 ? error_oom(err, OPERATION)
                                                                        : 0;
}

int docker_config_add_variant(struct docker_config *c, const char *runtime, const char *variant,
                              const char *flag, lrun_error *err)
{
    json_t *runtimes = json_object_get(c->after, "runtimes");
    json_t *entry = json_deep_copy(json_object_get(runtimes, runtime));
    json_t *list = json_object_get(entry, "runtimeArgs");
    size_t at = find_flag(list, flag);
    if (at < json_array_size(list))
        json_array_remove(list, at);
    bool added = json_array_append_new(list, json_string(flag)) == 0 &&
                 json_object_set(runtimes, variant, entry) == 0;
    json_decref(entry);
    return added ? 0 : error_oom(err, OPERATION);
}

bool docker_config_changes(const struct docker_config *c)
{
    return !json_equal(c->before, c->after);
}

int docker_config_write(const struct docker_config *c, lrun_error *err)
{
    struct stat st;
    bool there = stat(c->path, &st) == 0;
    cleanup_free char *text = json_dumps(c->after, JSON_INDENT(4)), *folder = strdup(c->path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (!text || !slash)
        return error_oom(err, OPERATION);
    *slash = '\0';
    if (mkdir(slash == folder ? "/" : folder, 0755) < 0 && errno != EEXIST)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make '%s'", folder);
    cleanup_close int dir =
        open(slash == folder ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t length = strlen(text);
    text[length] = '\n'; /* replaces its NUL */
    if (dir < 0 || io_write_file_atomic(dir, slash + 1, text, length + 1,
                                        there ? st.st_mode & 07777 : 0644) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot write '%s'", c->path);
    if (there && fchownat(dir, slash + 1, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot give '%s' to its owner",
                           c->path);
    return 0;
}

void docker_config_free(struct docker_config *c)
{
    free(c->path);
    json_decref(c->before);
    json_decref(c->after);
    *c = (struct docker_config){0};
}
