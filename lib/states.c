/* SPDX-License-Identifier: MIT */
/*
 * The states of detached runs: lists them, and cleans up after them.
 */
#include "attach.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/timestamp.h"
#include "wire/order.h"
#include "wire/state.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define OPERATION "states"

enum { ID_SIZE = 64, TEMPORARY_SECONDS = 60 };

/* -------------------------------------------------------------- reading */

static const char *text_of(const json_t *state, const char *field)
{
    return json_string_value(json_object_get(state, field));
}

/* A state as text, and its sort keys. There may be thousands, and a parsed document takes several
 * times the memory. */
struct listed {
    char started[32], id[ID_SIZE];
    char *text;
};

struct list {
    struct listed *all;
    size_t count, room;
};

static void free_list(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->all[i].text);
    free(list->all);
}

static int add_to_list(void *user, json_t *state, lrun_error *err)
{
    struct list *list = user;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct listed *more = reallocarray(list->all, room, sizeof(*more));
        if (!more)
            return error_oom(err, OPERATION);
        list->all = more;
        list->room = room;
    }
    struct listed *one = &list->all[list->count];
    const char *started = text_of(state, "startedAt");
    one->text = json_dumps(state, JSON_COMPACT);
    if (!one->text)
        return error_oom(err, OPERATION);
    snprintf(one->started, sizeof(one->started), "%s", started ? started : "");
    snprintf(one->id, sizeof(one->id), "%s", state_id(state));
    list->count++;
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    int order = strcmp(x->started, y->started);
    return order ? order : strcmp(x->id, y->id);
}

/* Joins the texts to a JSON array, and frees each once it is copied. */
static char *join(struct list *list)
{
    size_t length = 0;
    char *whole = NULL;
    FILE *out = open_memstream(&whole, &length);
    if (!out)
        return NULL;
    putc('[', out);
    for (size_t i = 0; i < list->count; i++) {
        fprintf(out, "%s%s", i ? "," : "", list->all[i].text);
        free(list->all[i].text);
        list->all[i].text = NULL;
    }
    putc(']', out);
    bool failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return whole;
    free(whole);
    return NULL;
}

static int list_states(char **out, int dir, lrun_error *err)
{
    __attribute__((cleanup(free_list))) struct list list = {0};
    if (dir >= 0 && state_each(dir, add_to_list, &list, err) < 0)
        return -1;
    if (list.count > 0)
        qsort(list.all, list.count, sizeof(*list.all), by_start);
    *out = join(&list);
    return *out ? 0 : error_oom(err, OPERATION);
}

static int read_state(char **out, int dir, const char *id, lrun_error *err)
{
    json_t *state;
    if (state_read(&state, dir, id, err) < 0)
        return -1;
    if (!state)
        return 0;
    *out = json_dumps(state, JSON_COMPACT);
    json_decref(state);
    return *out ? 0 : error_oom(err, OPERATION);
}

int lrun_states(const char *id, char **out, lrun_error *err)
{
    if (!out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "out is NULL");
    *out = NULL;
    cleanup_close int dir = -1;
    if (state_open_dir(&dir, false, err) < 0)
        return -1;
    return id ? read_state(out, dir, id, err) : list_states(out, dir, err);
}

struct visit {
    lrun_state_fn each;
    void *user;
};

/* Another program may have written the state: its fields are of any type. */
static int visit_state(void *user, json_t *state, lrun_error *err)
{
    const struct visit *v = user;
    const json_t *code = json_object_get(state, "exitCode"),
                 *words = json_object_get(state, "argv");
    const char *image = text_of(state, "image"), *started = text_of(state, "startedAt"),
               *finished = text_of(state, "finishedAt"), *word;
    size_t count = 0;
    cleanup_free const char **argv = calloc(json_array_size(words) + 1, sizeof(*argv));
    if (!argv)
        return error_oom(err, OPERATION);
    while ((word = json_string_value(json_array_get(words, count))))
        argv[count++] = word;
    const lrun_state shown = {
        .id = state_id(state),
        .status = text_of(state, "status"),
        .image = image ? image : "",
        .command = text_of(state, "command"),
        .argv = argv,
        .started_at = started ? started : "",
        .finished_at = finished ? finished : "",
        .exit_code = json_is_integer(code) ? (int)json_integer_value(code) : -1,
    };
    return v->each(v->user, &shown) != 0;
}

int lrun_states_each(lrun_state_fn each, void *user, lrun_error *err)
{
    if (!each)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "each is NULL");
    struct visit visit = {each, user};
    cleanup_close int dir = -1;
    if (state_open_dir(&dir, false, err) < 0)
        return -1;
    return dir < 0 ? 0 : state_each(dir, visit_state, &visit, err);
}

/* -------------------------------------------------------------- cleaning up */

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
    int64_t ended = timestamp_parse(json_string_value(json_object_get(state, "finishedAt")));
    /* A state without an end was written by another program; its beginning is all we know. */
    if (ended < 0)
        ended = timestamp_parse(json_string_value(json_object_get(state, "startedAt")));
    if (ended > before_ms)
        return 0;
    state_remove(dir, state_id(state));
    return 1;
}

int lrun_clean_states(int64_t older_than_ms, unsigned *count, lrun_error *err)
{
    return for_all(clean_one, timestamp_now() - older_than_ms, count, err);
}
