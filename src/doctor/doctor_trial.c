/* SPDX-License-Identifier: MIT */
#include "doctor/doctor_trial.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/libexec.h"
#include "host/process.h"
#include "image/tar_header.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OPERATION "doctor"

enum { IMPORT_TIMEOUT = 60000, RUN_TIMEOUT = 20000 };

static const char program[] = "bin/probe";

/* -------------------------------------------------------------- the image */

static int make_archive(lrun_error *err)
{
    size_t length;
    cleanup_free char *archive = tar_of_agent(&length, program, OPERATION, err);
    if (!archive)
        return -1;
    cleanup_close int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0)
        return error_oom(err, OPERATION);
    if (io_write_all(fd, archive, length, IO_NO_DEADLINE) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot keep an image");
    return steal_fd(&fd);
}

/* Imports in a process of its own: an ordinary user's process enters a user namespace for it. */
int doctor_trial_image(char name[DOCTOR_IMAGE_SIZE], const char *engine, lrun_error *err)
{
    cleanup_close int fd = make_archive(err);
    if (fd < 0)
        return -1;
    snprintf(name, DOCTOR_IMAGE_SIZE, ENGINE_SETUP_REPOSITORY ":doctor-%d", (int)getpid());
    lrun_error *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return error_oom(err, OPERATION);
    error_set(shared, LRUN_IO_FAILED, OPERATION, "an image cannot be imported");
    __attribute__((cleanup(process_destroy))) struct process child = {.pidfd = -1};
    pid_t pid = process_clone(&child, 0);
    if (pid == 0) {
        struct engine *own;
        struct image image = {0};
        struct image_feedback feedback = {0};
        _exit(engine_open(&own, engine, NULL, shared) < 0 ||
              own->ops->import_image(own, fd, name, &image, &feedback, shared) < 0);
    }
    struct process_status status = {.code = 1};
    int rc = pid > 0 && process_wait(&child, clock_ms() + IMPORT_TIMEOUT, &status) == 0 &&
                     status.code == 0 && status.signal == 0
                 ? 0
                 : -1;
    if (rc < 0 && err)
        *err = *shared;
    munmap(shared, sizeof(*shared));
    return rc;
}

/* -------------------------------------------------------------- the runs */

struct attempt {
    struct doctor_trial *trial;
    lrun_execution *execution; /* NULL: it has already failed */
    bool interface, server;
    lrun_error error;
};

static bool is_line(const char *data, size_t length, const char *line)
{
    return length == strlen(line) && memcmp(data, line, length) == 0;
}

/* Docker's own name server does not count: it lives in rules that only the host's network stack
 * sees. */
static void on_line(void *user, lrun_stream stream, const char *data, size_t length)
{
    static const char interface[] = "interface ", server[] = "nameserver ";
    struct attempt *a = user;
    if (stream != LRUN_STDOUT)
        return;
    if (length > strlen(interface) && memcmp(data, interface, strlen(interface)) == 0)
        a->interface = a->interface || !is_line(data, length, "interface lo");
    if (length > strlen(server) && memcmp(data, server, strlen(server)) == 0)
        a->server = a->server || !is_line(data, length, "nameserver 127.0.0.11");
}

/* The supervisor is beside this program, which may be in a build folder. */
static int make_runner(lrun_runner **out, const struct doctor_trial *trial, lrun_error *err)
{
    cleanup_free char *supervisor = libexec_find("light-runner-supervisor", err);
    if (!supervisor)
        return -1;
    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    options.supervisor = supervisor;
    options.engine = trial->engine;
    options.runtime = trial->tier;
    return lrun_runner_new(out, &options, err);
}

static void start(struct attempt *a, struct doctor_trial *trial, bool network)
{
    static const char *const none[] = {ENGINE_NETWORK_NONE, NULL}, *const argv[] = {"/bin/probe",
                                                                                    NULL};
    *a = (struct attempt){.trial = trial};
    lrun_runner *runner = NULL;
    lrun_request request = LRUN_REQUEST_INIT;
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    request.image = trial->image;
    request.argv = argv;
    request.networks = network ? NULL : none;
    request.timeout_ms = RUN_TIMEOUT;
    callbacks.on_line = on_line;
    callbacks.user = a;
    if (make_runner(&runner, trial, &a->error) == 0)
        (void)lrun_run(runner, &request, &callbacks, &a->execution, &a->error);
    lrun_runner_free(runner);
}

/* Waits for the run. Returns whether it succeeded. */
static bool finish(struct attempt *a, bool network)
{
    lrun_result *result = NULL;
    bool ok = a->execution && lrun_execution_wait(a->execution, &result, &a->error) == 0;
    if (ok && result->exit_code != 0) {
        error_set(&a->error, LRUN_START_FAILED, OPERATION,
                  "a trial program ended with exit code %d%s", result->exit_code,
                  result->timed_out ? " after a timeout" : "");
        ok = false;
    } else if (ok && network && !a->interface) {
        error_set(&a->error, LRUN_START_FAILED, OPERATION,
                  "no network interface came up in the sandbox");
        error_hint(&a->error, "run with --network none");
        ok = false;
    }
    lrun_result_free(result);
    lrun_execution_free(a->execution);
    return ok;
}

void doctor_trial_run(struct doctor_trial *trials, size_t count)
{
    cleanup_free struct attempt *attempts = calloc(count ? count : 1, sizeof(*attempts));
    if (!attempts) {
        for (size_t i = 0; i < count; i++)
            error_oom(&trials[i].error, OPERATION);
        return;
    }
    for (size_t i = 0; i < count; i++)
        start(&attempts[i], &trials[i], true);
    for (size_t i = 0; i < count; i++) {
        trials[i].ok = finish(&attempts[i], true);
        trials[i].error = attempts[i].error;
        trials[i].nameless = trials[i].ok && !attempts[i].server;
    }
    /* Perhaps only the network is broken: then the tier can be used without it. */
    for (size_t i = 0; i < count; i++)
        if (!trials[i].ok)
            start(&attempts[i], &trials[i], false);
    for (size_t i = 0; i < count; i++)
        if (!trials[i].ok)
            trials[i].without_network = finish(&attempts[i], false);
}
