/* SPDX-License-Identifier: MIT */
#include "engine/docker/volume.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <nettle/base64.h>
#include <string.h>

#define OPERATION "docker.volumes"

/* The maximum number of lookups for one path, including its links. The kernel follows 40 links. */
enum { LOOKUPS_MAX = 64, STAT_MAX = 32 * 1024 };

/* The folders in which the runtime and Docker mount something themselves, or on which they rely. */
static const char *const reserved[] = {"/dev", "/etc", "/proc", "/sys"};

bool volume_is_reserved(const char *path)
{
    if (strcmp(path, "/") == 0)
        return true;
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        size_t length = strlen(reserved[i]);
        if (strncmp(path, reserved[i], length) == 0 &&
            (path[length] == '/' || path[length] == '\0'))
            return true;
    }
    return false;
}

static int rejected(const char *path, const char *why, const char *hint, lrun_error *err)
{
    char shown[120];
    snprintf(shown, sizeof(shown), "%s", path);
    text_make_printable(shown);
    error_set(err, LRUN_NOT_SUPPORTED, OPERATION, "the volume at '%.100s' %s", shown, why);
    return error_hint(err, "%s", hint);
}

static int rejected_place(const char *path, lrun_error *err)
{
    return rejected(path, "is at or below /, /dev, /etc, /proc or /sys",
                    "use --engine local, which makes no volumes; or an image without it", err);
}

int volume_check_places(const json_t *declared, bool capped, lrun_error *err)
{
    const char *path;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)declared, path, value) {
        cleanup_free char *whole = text_path_join("/", path);
        if (!whole)
            return error_oom(err, OPERATION);
        if (text_path_has_dotdot(path) || volume_is_reserved(whole))
            return rejected_place(path, err);
        if (capped)
            return rejected(path, "of the image would not be within the cap on the disk",
                            "leave out --disk; or use --engine local, which keeps it within", err);
    }
    return 0;
}

/* ---------------------------------------------------------------- links */

/* Returns the target of a link, from the header that describes a file as JSON in base64. malloc'd;
 * NULL: it is not a link. */
static char *target_in(const char *header)
{
    struct base64_decode_ctx context;
    size_t length = strlen(header), size = BASE64_DECODE_LENGTH(length);
    cleanup_free uint8_t *text = length <= STAT_MAX ? malloc(size + 1) : NULL;
    base64_decode_init(&context);
    if (!text || !base64_decode_update(&context, &size, text, length, header) ||
        !base64_decode_final(&context))
        return NULL;
    json_t *stat = json_loadb((const char *)text, size, 0, NULL);
    const char *target = json_string_value(json_object_get(stat, "linkTarget"));
    char *copy = target && *target ? strdup(target) : NULL;
    json_decref(stat);
    return copy;
}

/* Sets *target to the target of the link at `path`, malloc'd; to NULL if there is no link. */
static int look(struct daemon *d, const char *container, const char *path, char **target,
                bool *missing, lrun_error *err)
{
    struct http_request request = {
        .operation = OPERATION, .method = "HEAD", .wanted = "X-Docker-Container-Path-Stat"};
    cleanup_answer struct http_answer answer = {0};
    cleanup_free char *escaped = daemon_escape(path);
    *target = NULL;
    if (!escaped)
        return error_oom(err, OPERATION);
    if (daemon_call(d, &request, &answer, err, "/containers/%s/archive?path=%s", container,
                    escaped) < 0)
        return -1;
    *missing = answer.status == 404;
    if (*missing)
        return 0;
    if (answer.status != 200 || !answer.header) {
        char what[160];
        snprintf(what, sizeof(what), "cannot find out what is at '%.80s', where a volume would be",
                 path);
        text_make_printable(what);
        return daemon_refused(&answer, LRUN_START_FAILED, OPERATION, what, err);
    }
    *target = target_in(answer.header);
    /* For a path that is not a link, Podman returns the path itself. */
    if (*target && strcmp(*target, path) == 0)
        free(steal_ptr(*target));
    return 0;
}

static void go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
}

/* Resolves the links of a path. *out is malloc'd. */
static int resolve(struct daemon *d, const char *container, const char *path, char **out,
                   lrun_error *err)
{
    cleanup_free char *at = strdup(""), *rest = strdup(path);
    bool missing = false;
    for (unsigned n = 0; at && rest;) {
        const char *name = rest + strspn(rest, "/");
        size_t length = strcspn(name, "/");
        cleanup_free char *next = NULL, *target = NULL, *behind = strdup(name + length);
        if (length == 0) {
            *out = *at ? steal_ptr(at) : strdup("/");
            return *out ? 0 : error_oom(err, OPERATION);
        }
        bool up = length == 2 && memcmp(name, "..", 2) == 0;
        if (!behind || asprintf(&next, "%s/%.*s", at, (int)length, name) < 0)
            break;
        if (up) {
            go_up(at);
        } else if (length > 1 || name[0] != '.') {
            if (++n > LOOKUPS_MAX)
                return rejected(path, "is behind too many links",
                                "use an image with a simpler path", err);
            if (!missing && look(d, container, next, &target, &missing, err) < 0)
                return -1;
            if (!target) {
                free(at);
                at = steal_ptr(next);
            } else if (target[0] == '/') {
                at[0] = '\0';
            }
        }
        free(steal_ptr(rest));
        if (asprintf(&rest, "%s%s", target ? target : "", behind) < 0)
            rest = NULL;
    }
    return error_oom(err, OPERATION);
}

static int check_link(struct daemon *d, const char *container, const char *path, lrun_error *err)
{
    cleanup_free char *end = NULL;
    if (resolve(d, container, path, &end, err) < 0)
        return -1;
    return volume_is_reserved(end) ? rejected_place(path, err) : 0;
}

int volume_check_links(struct daemon *d, const char *container, const json_t *declared,
                       const char *own, lrun_error *err)
{
    const char *path;
    json_t *value;
    if (own && check_link(d, container, own, err) < 0)
        return -1;
    json_object_foreach ((json_t *)(uintptr_t)declared, path, value) {
        if (check_link(d, container, path, err) < 0)
            return -1;
    }
    return 0;
}
