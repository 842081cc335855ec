/* SPDX-License-Identifier: MIT */
#include "run/doctor.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/libexec.h"
#include "host/spawn.h"
#include "wire/result.h"

#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#define OPERATION "doctor"
#define PROGRAM   "light-runner"

/* ms. A trial in a VM without KVM takes longest. */
enum { TIMEOUT = 9 * 60000 };

/* Relative to the supervisor: in the build folder, and in an installation. */
static const char *const places[] = {"../../cli", "../../bin", NULL};

static char *find_executable(lrun_error *err)
{
    char path[PATH_MAX];
    char *found = libexec_beside(places, PROGRAM);
    if (found)
        return found;
    snprintf(path, sizeof(path), "%s/%s", LIGHT_RUNNER_BIN_DIR, PROGRAM);
    if (access(path, X_OK) == 0)
        return strdup(path);
    error_set(err, LRUN_NOT_SUPPORTED, OPERATION, "the executable '%s' is not installed", PROGRAM);
    error_hint(err, "install light-runner as a whole: make install");
    return NULL;
}

static int on_tick(void *user)
{
    return watch_is_cancelled(user);
}

/* Returns what doctor has printed; NULL if that is not JSON. */
static json_t *read_report(int fd)
{
    return lseek(fd, 0, SEEK_SET) == 0 ? json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

/* Exit code 1 means that runs do not work; the report says why. */
static int take_report(json_t **answer, json_t *report, const struct spawn_result *result,
                       lrun_error *err)
{
    json_t *error = json_object_get(report, "error");
    if (json_is_object(report) && !error && result->code <= 1) {
        *answer = report;
        return 0;
    }
    cleanup_free char *text = error ? json_dumps(error, JSON_COMPACT) : NULL;
    lrun_error said = {0};
    if (text)
        error_from_json(&said, text, strlen(text));
    json_decref(report);
    if (!text)
        return error_set(err, LRUN_IO_FAILED, OPERATION, "'%s doctor' failed with code %d: %s",
                         PROGRAM, result->code, result->text);
    *err = said;
    return -1;
}

int doctor_answer(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err)
{
    bool full = json_is_true(json_object_get(question, "full"));
    cleanup_free char *program = find_executable(err);
    cleanup_close int output = memfd_create("light-runner-doctor", MFD_CLOEXEC);
    if (!program)
        return -1;
    if (output < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot keep the report");
    const char *const argv[] = {program, "doctor", "--json", full ? "--full" : NULL, NULL};
    const struct spawn spawn = {
        .argv = argv,
        .environment = (const char *const *)environ,
        .stdin_fd = -1,
        .output_fd = output,
        .timeout_ms = TIMEOUT,
        .capabilities = UINT64_MAX,
        .trusted = true,
        .tick = on_tick,
        .user = watch,
    };
    struct spawn_result result;
    return spawn_run(&spawn, &result, err) < 0
               ? -1
               : take_report(answer, read_report(output), &result, err);
}
