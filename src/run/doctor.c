/* SPDX-License-Identifier: MIT */
#include "run/doctor.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/libexec.h"
#include "host/spawn.h"

#include <sys/mman.h>

#define OPERATION "doctor"
#define PROGRAM   "light-runner-doctor"

/* ms. A trial in a VM without KVM takes longest. */
enum { TIMEOUT = 9 * 60000 };

static int on_tick(void *user)
{
    return watch_is_cancelled(user);
}

/* Returns what the program has printed; NULL if that is not JSON. */
static json_t *read_report(int fd)
{
    return lseek(fd, 0, SEEK_SET) == 0 ? json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

int doctor_answer(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err)
{
    bool full = json_is_true(json_object_get(question, "full"));
    cleanup_free char *program = libexec_find(PROGRAM, err);
    cleanup_close int output = memfd_create(PROGRAM, MFD_CLOEXEC);
    if (!program)
        return -1;
    if (output < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot keep the report");
    const char *const argv[] = {program, full ? "--full" : NULL, NULL};
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
    if (spawn_run(&spawn, &result, err) < 0)
        return watch->cancelled ? error_set(err, LRUN_IO_FAILED, OPERATION, "cancelled") : -1;
    *answer = result.code == 0 ? read_report(output) : NULL;
    return *answer ? 0
                   : error_set(err, LRUN_IO_FAILED, OPERATION, "'%s' failed with code %d: %s",
                               program, result.code, result.text);
}
