/* SPDX-License-Identifier: MIT */
/*
 * What an engine is asked outside of any run. All that is heavy is in the supervisor's program: one is
 * started for the question, answers, and ends.
 */
#include "execution.h"
#include "launch.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "wire/frame.h"
#include "wire/result.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define OPERATION "housekeeping"

/* ms. A daemon may have many volumes to remove. */
enum { ANSWER_TIMEOUT = 10 * 60000 };

/* Kills it, should it still be there. */
static void end(struct launched *process)
{
    siginfo_t info;
    cleanup_close_fd(&process->socket);
    if (process->pidfd < 0)
        return;
    pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
    waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED);
    cleanup_close_fd(&process->pidfd);
}

/* The one frame that comes back. */
static int receive_answer(json_t **out, int socket, lrun_error *err)
{
    int64_t deadline = clock_ms() + ANSWER_TIMEOUT;
    char header[FRAME_HEADER_SIZE];
    cleanup_buffer struct buffer in;
    buffer_init(&in, FRAME_CALLER_MAX + FRAME_HEADER_SIZE);
    struct frame f;
    uint32_t length;
    if (io_read_exact(socket, header, sizeof(header), deadline) < 0)
        return error_errno(err, LRUN_SUPERVISOR_LOST, OPERATION, errno, "no answer came");
    memcpy(&length, header + 4, sizeof(length));
    length = le32toh(length);
    if (length > FRAME_CALLER_MAX || !buffer_append(&in, header, sizeof(header)))
        return error_set(err, LRUN_SUPERVISOR_LOST, OPERATION, "the supervisor broke the protocol");
    char *to = buffer_reserve(&in, length ? length : 1);
    if (!to)
        return error_oom(err, OPERATION);
    if (length && io_read_exact(socket, to, length, deadline) < 0)
        return error_errno(err, LRUN_SUPERVISOR_LOST, OPERATION, errno,
                           "the answer is not complete");
    buffer_commit(&in, length);
    if (frame_peek(&in, FRAME_CALLER_MAX, &f) != FRAME_OK)
        return error_set(err, LRUN_SUPERVISOR_LOST, OPERATION, "the supervisor broke the protocol");
    if (f.type == FRAME_ERROR) {
        lrun_error said = {0};
        error_from_json(&said, f.payload, f.length);
        if (err)
            *err = said;
        return -1;
    }
    *out = f.type == FRAME_RESULT ? json_loadb(f.payload, f.length, 0, NULL) : NULL;
    return *out ? 0
                : error_set(err, LRUN_SUPERVISOR_LOST, OPERATION,
                            "the supervisor broke the protocol");
}

/* Takes the question's reference. *answer is a new one. */
static int ask(json_t **answer, const lrun_runner *runner, json_t *question, lrun_error *err)
{
    cleanup_close int never = eventfd(0, EFD_CLOEXEC);
    *answer = NULL;
    if (!runner) {
        json_decref(question);
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "runner is NULL");
    }
    json_t *engine = json_object_get(runner->options, "engine");
    json_t *runtime = json_object_get(runner->options, "runtime");
    bool complete = question &&
                    (!engine || json_object_get(question, "engine") ||
                     json_object_set(question, "engine", engine) == 0) &&
                    (!runtime || json_object_set(question, "runtime", runtime) == 0);
    cleanup_free char *text = complete ? json_dumps(question, JSON_COMPACT) : NULL;
    json_decref(question);
    if (!text || never < 0)
        return error_oom(err, OPERATION);
    const struct launch launch = {.supervisor = runner->supervisor,
                                  .id = "housekeeping",
                                  .input_fd = -1,
                                  .caller_cancel = -1,
                                  .cancel = never};
    __attribute__((cleanup(end))) struct launched process = {.pidfd = -1, .socket = -1};
    if (launch_supervisor(&process, &launch, err) < 0 ||
        execution_send(process.socket, FRAME_QUESTION, text, err) < 0)
        return -1;
    return receive_answer(answer, process.socket, err);
}

static unsigned number_in(const json_t *answer, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(answer, name));
    return n > 0 ? (unsigned)n : 0;
}

/* A question of which only matters that it is not refused. */
static int ask_only(const lrun_runner *runner, json_t *question, lrun_error *err)
{
    json_t *answer;
    int rc = ask(&answer, runner, question, err);
    json_decref(answer);
    return rc;
}

/* One that is answered with how many were removed. */
static int ask_removed(const lrun_runner *runner, json_t *question, unsigned *count,
                       lrun_error *err)
{
    json_t *answer;
    int rc = ask(&answer, runner, question, err);
    if (rc == 0 && count)
        *count = number_in(answer, "removed");
    json_decref(answer);
    return rc;
}

static json_t *about_network(const char *action, const char *name)
{
    return json_pack("{ss,ss,ss*}", "ask", "network", "action", action, "name", name);
}

int lrun_available(const lrun_runner *runner, lrun_error *err)
{
    return ask_only(runner, json_pack("{ss}", "ask", "available"), err);
}

/* What is younger may belong to a run that is just being made. */
static int default_age(int64_t *out, lrun_error *err)
{
    uint64_t age = LRUN_REAP_AGE_MS;
    const char *text = secure_getenv("LIGHT_RUNNER_REAP_AGE_MS");
    if (text && *text && (!text_parse_u64(text, &age) || age > INT64_MAX / 2))
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "LIGHT_RUNNER_REAP_AGE_MS: '%.40s' is not a number", text);
    *out = (int64_t)age;
    return 0;
}

int lrun_reap(const lrun_runner *runner, int64_t min_age_ms, lrun_reaped *out, lrun_error *err)
{
    json_t *answer;
    lrun_reaped reaped = {0};
    size_t size = out ? out->size : sizeof(reaped);
    /* Before anything is removed. */
    if (out && runner_give_struct(out, size, &reaped, sizeof(reaped), "lrun_reaped", err) < 0)
        return -1;
    if (min_age_ms < 0 && default_age(&min_age_ms, err) < 0)
        return -1;
    if (lrun_reap_states(&reaped.states, err) < 0 ||
        ask(&answer, runner,
            json_pack("{ss,sI}", "ask", "reap", "minAgeMs", (json_int_t)min_age_ms), err) < 0)
        return -1;
    reaped.containers = number_in(answer, "containers");
    reaped.volumes = number_in(answer, "volumes");
    json_decref(answer);
    return out ? runner_give_struct(out, size, &reaped, sizeof(reaped), "lrun_reaped", err) : 0;
}

int lrun_network_create(const lrun_runner *runner, const char *name, lrun_error *err)
{
    return ask_only(runner, about_network("create", name), err);
}

int lrun_network_remove(const lrun_runner *runner, const char *name, lrun_error *err)
{
    return ask_only(runner, about_network("remove", name), err);
}

int lrun_network_exists(const lrun_runner *runner, const char *name, bool *exists, lrun_error *err)
{
    json_t *answer;
    int rc = ask(&answer, runner, about_network("exists", name), err);
    if (rc == 0 && exists)
        *exists = json_is_true(json_object_get(answer, "exists"));
    json_decref(answer);
    return rc;
}

int lrun_network_prune(const lrun_runner *runner, unsigned *count, lrun_error *err)
{
    return ask_removed(runner, about_network("prune", NULL), count, err);
}

int lrun_clean_images(const lrun_runner *runner, unsigned *count, lrun_error *err)
{
    return ask_removed(runner, json_pack("{ss}", "ask", "images"), count, err);
}
