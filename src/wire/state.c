/* SPDX-License-Identifier: MIT */
#include "wire/state.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "wire/order.h"

#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "state"

enum { NAME_SIZE = 64 };

static const char *const ends[] = {".json", ".log", ".sock"};

/* -------------------------------------------------------------- the folder */

static char *folder_path(lrun_error *err)
{
    const char *chosen = secure_getenv("LIGHT_RUNNER_STATE_DIR");
    if (chosen && *chosen) {
        if (chosen[0] != '/') {
            error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                      "LIGHT_RUNNER_STATE_DIR: '%.100s' is not an absolute path", chosen);
            return NULL;
        }
        char *copy = strdup(chosen);
        if (!copy)
            error_oom(err, OPERATION);
        return copy;
    }
    const char *home = secure_getenv("HOME");
    /* A system service has no HOME, but its user has a home folder. A setuid program's HOME does
     * not count either. */
    char text[4096];
    struct passwd user, *found = NULL;
    if (!home && getpwuid_r(geteuid(), &user, text, sizeof(text), &found) == 0 && found)
        home = user.pw_dir;
    if (!home || home[0] != '/') {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "there is no home folder for the states");
        error_hint(err, "set LIGHT_RUNNER_STATE_DIR");
        return NULL;
    }
    char *path = text_path_join(home, ".light-runner/state");
    if (!path)
        error_oom(err, OPERATION);
    return path;
}

/* mkdir -p. Only the folders that it makes are private to the user. */
static int make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -1;
        if (!slash)
            return 0;
        *slash = '/';
    }
}

int state_open_dir(int *out, bool create, lrun_error *err)
{
    cleanup_free char *path = folder_path(err);
    *out = -1;
    if (!path)
        return -1;
    if (create && make_folders(path) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make '%s'", path);
    cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 && errno == ENOENT && !create)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot open '%s'", path);
    if (st.st_uid != geteuid() || (st.st_mode & 0022)) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "'%s': others may write there", path);
        return error_hint(
            err, "chmod go-w '%s', or set LIGHT_RUNNER_STATE_DIR to a folder of yours", path);
    }
    *out = steal_fd(&fd);
    return 0;
}

/* -------------------------------------------------------------- one file */

static void file_name(char out[NAME_SIZE], const char *id, const char *end)
{
    snprintf(out, NAME_SIZE, "%s%s", id, end);
}

const char *state_id(const json_t *state)
{
    return json_string_value(json_object_get(state, "id"));
}

static const char *status_of(const json_t *state)
{
    const char *status = json_string_value(json_object_get(state, "status"));
    return status ? status : "";
}

bool state_is_running(const json_t *state)
{
    return strcmp(status_of(state), "running") == 0;
}

/* Checks the fields that every user of a state relies on. Other fields are checked where they are
 * used. */
static bool is_state(const json_t *state, const char *id)
{
    static const char *const known[] = {"running", "exited", "cancelled", "failed"};
    const char *own = state_id(state);
    if (!own || strcmp(own, id) != 0)
        return false;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(status_of(state), known[i]) == 0)
            return true;
    return false;
}

int state_read(json_t **out, int dirfd, const char *id, lrun_error *err)
{
    *out = NULL;
    if (dirfd < 0 || !order_id_is_valid(id))
        return 0;
    char name[NAME_SIZE];
    file_name(name, id, ends[0]);
    size_t length;
    cleanup_free char *text = io_read_file_at(dirfd, name, STATE_MAX_BYTES, &length);
    /* Only a missing file is an unknown run. A folder or a file that is too large is not a
     * state. */
    if (!text && (errno == ENOENT || errno == EISDIR || errno == ENXIO || errno == EFBIG))
        return 0;
    if (!text)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot read the state '%s'",
                           name);
    json_t *state = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (is_state(state, id))
        *out = state;
    else
        json_decref(state);
    return 0;
}

int state_write(int dirfd, const json_t *state, lrun_error *err)
{
    const char *id = state_id(state);
    cleanup_free char *text = json_dumps(state, JSON_INDENT(2));
    char name[NAME_SIZE];
    if (!text || !id)
        return error_oom(err, OPERATION);
    file_name(name, id, ends[0]);
    if (io_write_file_atomic(dirfd, name, text, strlen(text), 0600) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot write the state '%s'",
                           name);
    return 0;
}

void state_remove(int dirfd, const char *id)
{
    /* The state last: as long as it exists, the other files can still be found. */
    for (size_t i = sizeof(ends) / sizeof(ends[0]); order_id_is_valid(id) && i-- > 0;) {
        char name[NAME_SIZE];
        file_name(name, id, ends[i]);
        unlinkat(dirfd, name, 0);
    }
}

/* -------------------------------------------------------------- all of them */

int state_each(int dirfd, state_each_fn each, void *user, lrun_error *err)
{
    cleanup_closedir DIR *dir = io_list(dirfd);
    if (!dir)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot list the states");
    int failed = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char id[NAME_SIZE];
        size_t length = strlen(e->d_name), end = strlen(ends[0]);
        if (length <= end || length >= sizeof(id) || strcmp(e->d_name + length - end, ends[0]) != 0)
            continue;
        snprintf(id, sizeof(id), "%.*s", (int)(length - end), e->d_name);
        json_t *state;
        lrun_error *first = failed ? NULL : err;
        int rc = state_read(&state, dirfd, id, first);
        if (rc == 0 && state)
            rc = each(user, state, first);
        json_decref(state);
        if (rc < 0)
            failed = -1;
        if (rc > 0)
            break;
    }
    return failed;
}

/* -------------------------------------------------------------- contents */

int64_t state_timeout(const json_t *state)
{
    const json_t *timeout = json_object_get(state, "timeout");
    json_int_t ms = json_is_integer(timeout) ? json_integer_value(timeout) : 0;
    return ms < 0 ? 0 : ms > STATE_TIMEOUT_MAX ? STATE_TIMEOUT_MAX : (int64_t)ms;
}

enum process_fate state_fate(const json_t *state)
{
    const char *supervisor = json_string_value(json_object_get(state, "supervisor"));
    enum process_fate fate = supervisor ? process_fate(supervisor) : PROCESS_UNKNOWN;
    if (fate != PROCESS_UNKNOWN)
        return fate;
    int64_t started = timestamp_parse(json_string_value(json_object_get(state, "startedAt")));
    return timestamp_now() - STATE_OVERTIME - state_timeout(state) > started ? PROCESS_GONE
                                                                             : PROCESS_UNKNOWN;
}

json_t *state_begin(const char *id, const struct request *r)
{
    char now[32];
    timestamp_format(now, timestamp_now());
    json_t *document = request_to_json(r);
    if (!document)
        return NULL;
    char supervisor[PROCESS_IDENTITY_SIZE];
    process_identity(supervisor);
    json_t *state =
        json_pack("{ss,ss,ss,ss,ss,ss*,sO*,sI,sO*,ss,ss,ss}", "id", id, "container", id, "volume",
                  id, "image", r->image, "workdir", r->workdir ? r->workdir : REQUEST_WORKDIR,
                  "command", r->entrypoint, "argv", json_object_get(document, "argv"), "timeout",
                  (json_int_t)r->timeout_ms, "extract", json_object_get(document, "extract"),
                  "startedAt", now, "status", "running", "supervisor", supervisor);
    json_decref(document);
    return state;
}

void state_add_session(json_t *state, uint64_t idle_ms, const struct run_result *r)
{
    json_t *document = result_to_json(r);
    json_object_set(state, "isolation", json_object_get(document, "isolation"));
    json_decref(document);
    json_object_set_new(state, "session", json_pack("{sI}", "idle", (json_int_t)idle_ms));
}

bool state_is_session(const json_t *state)
{
    return json_is_object(json_object_get(state, "session"));
}

int state_end(json_t *state, const json_t *document, bool failed)
{
    char now[32];
    timestamp_format(now, timestamp_now());
    bool cancelled = json_is_true(json_object_get(document, "cancelled"));
    const char *status = failed ? "failed" : cancelled ? "cancelled" : "exited";
    json_t *whole = json_deep_copy(document);
    json_t *end = json_pack("{ss,ss,so}", "finishedAt", now, "status", status,
                            failed ? "error" : "result", whole);
    int rc = end ? 0 : -1;
    if (rc == 0 && !failed) {
        json_t *code = json_object_get(document, "exitCode");
        json_t *duration = json_object_get(document, "duration");
        if (code && duration)
            rc = json_object_set(end, "exitCode", code) |
                 json_object_set(end, "durationMs", duration) |
                 json_object_set_new(end, "cancelled", json_boolean(cancelled));
    }
    if (rc == 0)
        rc = json_object_update(state, end);
    json_decref(end);
    return rc;
}
