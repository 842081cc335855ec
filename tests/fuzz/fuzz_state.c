/* SPDX-License-Identifier: MIT */
/*
 * A state file that any program may have written. A state that is read has its own id and a known
 * status. It is the same after it is written and read again. Its unknown fields are kept when the
 * run ends.
 */
#include "fuzz_folder.h"

#include "base/timestamp.h"
#include "wire/state.h"

#include <string.h>

#define ID "light-runner-0123456789ab"

static void put(int dir, const uint8_t *data, size_t size)
{
    cleanup_close int fd = openat(dir, ID ".json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    PROMISE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

/* Ends the run. That sets its own fields, and leaves the others as they were. */
static void end(const json_t *before)
{
    static const char *const set[] = {"finishedAt", "status",     "result",
                                      "exitCode",   "durationMs", "cancelled"};
    json_t *state = json_deep_copy(before),
           *result = json_pack("{si,si}", "exitCode", 3, "duration", 5);
    PROMISE(state && result && state_end(state, result, false) == 0);
    PROMISE(!state_is_running(state) && strcmp(state_id(state), ID) == 0);
    PROMISE(timestamp_parse(json_string_value(json_object_get(state, "finishedAt"))) > 0);
    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
        PROMISE(json_object_get(state, set[i]) != NULL);
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)before, name, value) {
        bool is_set = false;
        for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
            is_set |= strcmp(set[i], name) == 0;
        PROMISE(is_set || json_equal(value, json_object_get(state, name)));
    }
    json_decref(state);
    json_decref(result);
}

/* There is one state, the same as state_read() gives, or none. */
static int is_the_one(void *user, json_t *state, lrun_error *err)
{
    json_t **one = user;
    (void)err;
    PROMISE(*one && json_equal(*one, state));
    *one = NULL;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lrun_error err = {0};
    json_t *state, *again, *one;
    int dir = fuzz_folder_open(NULL);
    put(dir, data, size);
    PROMISE(state_read(&state, dir, ID, &err) == 0);
    one = state;
    PROMISE(state_each(dir, is_the_one, &one, &err) == 0 && !one);
    if (state) {
        PROMISE(strcmp(state_id(state), ID) == 0);
        timestamp_parse(json_string_value(json_object_get(state, "startedAt")));
        PROMISE(state_write(dir, state, &err) == 0);
        PROMISE(state_read(&again, dir, ID, &err) == 0 && json_equal(state, again));
        json_decref(again);
        end(state);
    }
    json_decref(state);
    state_remove(dir, ID);
    PROMISE(state_read(&state, dir, ID, &err) == 0 && !state);
    PROMISE(fuzz_folder_is_empty());
    return 0;
}
