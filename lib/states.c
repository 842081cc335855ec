/* SPDX-License-Identifier: MIT */
/*
 * The states of detached runs: lists them, and cleans up after them.
 */
#include "attach.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "wire/order.h"
#include "wire/state.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define OPERATION "states"

enum { ID_SIZE = 64, TEMPORARY_SECONDS = 60 };

static int dump(char **out, json_t *document, lrun_error *err)
{
    *out = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return *out ? 0 : error_oom(err, OPERATION);
}

int lrun_states(const char *id, char **out, lrun_error *err)
{
    if (!out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "out is NULL");
    *out = NULL;
    cleanup_close int dir = -1;
    json_t *document;
    if (state_open_dir(&dir, false, err) < 0 ||
        (id ? state_read(&document, dir, id, err) : state_list(&document, dir, err)) < 0)
        return -1;
    return document ? dump(out, document, err) : 0;
}

/* An action on every state; `act` returns 1 if the state counts. */
struct action {
    int (*act)(json_t *state, int dir, int64_t number, lrun_error *err);
    int dir;
    int64_t number;
    unsigned count;
};

static int act_on(void *user, json_t *state, lrun_error *err)
{
    struct action *a = user;
    int rc = a->act(state, a->dir, a->number, err);
    a->count += rc > 0;
    return rc < 0 ? -1 : 0;
}

static int for_all(int (*act)(json_t *state, int dir, int64_t number, lrun_error *err),
                   int64_t number, unsigned *count, lrun_error *err)
{
    cleanup_close int dir = -1;
    if (count)
        *count = 0;
    if (state_open_dir(&dir, false, err) < 0)
        return -1;
    if (dir < 0)
        return 0;
    struct action a = {.act = act, .dir = dir, .number = number};
    int rc = state_each(dir, act_on, &a, err);
    if (count)
        *count = a.count;
    return rc;
}

static int reap_one(json_t *state, int dir, int64_t number, lrun_error *err)
{
    (void)number;
    if (!state_is_running(state) || state_fate(state) == PROCESS_UNKNOWN)
        return 0;
    cleanup_close int fd = attach_connect(dir, state_id(state));
    int failed = errno;
    if (fd >= 0)
        return 0;
    json_t *ended;
    bool lost;
    int rc =
        attach_look(&ended, &lost, dir, state_id(state), failed, clock_ms() + GONE_TIMEOUT_MS, err);
    json_decref(ended);
    return rc < 0 ? -1 : lost;
}

/* Whether the file has not changed for a while. A younger file may be about to get its state. */
static bool is_old(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_mtime + TEMPORARY_SECONDS < time(NULL);
}

static bool nobody_listens(int dir, const char *id)
{
    cleanup_close int fd = attach_connect(dir, id);
    return fd < 0 && (errno == ECONNREFUSED || errno == ENOENT);
}

/*
 * Removes leftovers of supervisors that were killed before they wrote their state: a socket or a
 * log that has no state and no listener. Also removes temporary files that were not renamed.
 */
static void sweep(int dir)
{
    cleanup_closedir DIR *entries = io_list(dir);
    for (struct dirent *e; entries && (e = readdir(entries));) {
        char id[ID_SIZE] = "", state[ID_SIZE + 8];
        if (fnmatch(".light-runner-*.tmp", e->d_name, 0) == 0 && is_old(dir, e->d_name))
            unlinkat(dir, e->d_name, 0);
        const char *end = strrchr(e->d_name, '.');
        if (!end || (strcmp(end, ".sock") != 0 && strcmp(end, ".log") != 0))
            continue;
        snprintf(id, sizeof(id), "%.*s", (int)(end - e->d_name), e->d_name);
        snprintf(state, sizeof(state), "%s.json", id);
        if (order_id_is_valid(id) && is_old(dir, e->d_name) &&
            faccessat(dir, state, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT &&
            nobody_listens(dir, id) && faccessat(dir, state, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
            errno == ENOENT)
            unlinkat(dir, e->d_name, 0);
    }
}

int lrun_reap_states(unsigned *count, lrun_error *err)
{
    int rc = for_all(reap_one, 0, count, err);
    cleanup_close int dir = -1;
    if (state_open_dir(&dir, false, rc < 0 ? NULL : err) < 0)
        return -1;
    if (dir >= 0)
        sweep(dir);
    return rc;
}

static int clean_one(json_t *state, int dir, int64_t before_ms, lrun_error *err)
{
    (void)err;
    if (state_is_running(state))
        return 0;
    int64_t ended = state_parse_time(json_string_value(json_object_get(state, "finishedAt")));
    /* A state without an end was written by another program; its beginning is all we know. */
    if (ended < 0)
        ended = state_parse_time(json_string_value(json_object_get(state, "startedAt")));
    if (ended > before_ms)
        return 0;
    state_remove(dir, state_id(state));
    return 1;
}

int lrun_clean_states(int64_t older_than_ms, unsigned *count, lrun_error *err)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    return for_all(clean_one, ms - older_than_ms, count, err);
}
