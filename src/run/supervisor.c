/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: one process per run.
 *
 *     PREPARE   Pull the image if the engine does not have it, and execute the setup steps
 *               (provide.c). Then the engine makes the sandbox: mounts, bundle, cgroup. Nothing
 *               runs in it yet.
 *     START     The runtime has been started; wait for the agent's HELLO and for the network.
 *               Check the evidence of the kernel against the tier: a sandbox that is not what was
 *               asked for goes no further.
 *     SEED      Copy the files of `dir` into the sandbox, then start the command.
 *     RUN       Pass stdin in and output out, until the agent reports the command's end.
 *     COLLECT   After exit code 0, or after any end of the command if the request says so, ask the
 *               agent for the entries of `extract`.
 *     END       Kill the sandbox and wait for its end, read what it used, and remove all of it.
 *               Only then send the result.
 *
 * One poll loop serves all phases. Each phase has its own deadline. A cancellation, a timeout, the
 * end of the caller and every failure take the same way: straight to END, where the engine's kill()
 * ends everything there is. Only PREPARE blocks. While it works on the image, it checks on the
 * caller a few times a second. After that it waits for nothing but the host's kernel.
 *
 * The code in the sandbox may control the agent. A frame that a phase does not expect ends the run,
 * and nothing that the agent says is used without a check.
 */
#include "run/supervisor.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "host/delegation.h"
#include "run/hold.h"
#include "run/housekeeping.h"
#include "run/phases.h"
#include "run/provide.h"
#include "run/steps.h"
#include "run/watch.h"
#include "wire/result.h"
#include "wire/state.h"
#include "wire/supervisor_fds.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------- the loop */

enum {
    AT_AGENT_OUT,
    AT_AGENT_IN,
    AT_CALLER,
    AT_SHARED,
    AT_CANCEL,
    AT_INPUT,
    AT_CONTROL,
    AT_SANDBOX,
    AT_COUNT = AT_SANDBOX + SANDBOX_POLLS
};

static void set_polls(const struct supervisor *s, struct pollfd *p)
{
    bool input = s->phase == PHASE_RUN && s->input_open && s->input_credit > 0 &&
                 buffer_length(&s->link.out) < QUEUE_ENOUGH;
    /* Files are always readable, so only the pipe sets the pace at which we turn them into
     * frames. */
    bool more = buffer_length(&s->link.out) > 0 || (input && !s->input_pollable) ||
                (s->phase == PHASE_SEED && !s->seed_done);
    short caller = POLLIN | (output_pending(&s->output) ? POLLOUT : 0);
    const struct pollfd wanted[AT_COUNT] = {
        [AT_AGENT_OUT] = {s->link.from, POLLIN, 0},
        [AT_AGENT_IN] = {more ? s->link.to : -1, POLLOUT, 0},
        [AT_CALLER] = {s->caller_gone ? -1 : SUPERVISOR_CALLER, caller, 0},
        [AT_SHARED] = {s->state ? -1 : SUPERVISOR_CANCEL_SHARED, POLLIN, 0},
        [AT_CANCEL] = {SUPERVISOR_CANCEL, POLLIN, 0},
        [AT_CONTROL] = {control_fd(s->control), POLLIN, 0},
        [AT_INPUT] = {input && s->input_pollable ? SUPERVISOR_INPUT : -1, POLLIN, 0},
    };
    memcpy(p, wanted, sizeof(wanted));
    sandbox_poll(s->sandbox, p + AT_SANDBOX);
}

static void on_deadline(struct supervisor *s)
{
    switch (s->phase) {
    case PHASE_START:
        error_set(&s->error, LRUN_START_FAILED, "runtime.start",
                  "the sandbox did not come up within %d s", START_TIMEOUT / 1000);
        phase_fail(s);
        break;
    case PHASE_SEED:
        error_set(&s->error, LRUN_SEED_FAILED, "seed.write",
                  "the sandbox took no more files for %d s", STALL_TIMEOUT / 1000);
        phase_fail(s);
        break;
    case PHASE_RUN:
        /* Two deadlines are running, the timeout and the grace of a stop; the earlier one decides
         * what the result says. */
        if (s->killing)
            phase_lose_files(s, "the command could not be ended in time");
        if (s->killing || clock_ms() >= s->kill_at)
            phase_killed(s);
        else
            phase_time_is_up(s, false);
        break;
    case PHASE_COLLECT:
        extraction_abort(&s->extraction, "the extraction took too long");
        phase_end(s);
        break;
    case PHASE_END:
        break;
    }
}

static void caller_is_gone(struct supervisor *s)
{
    s->caller_gone = true;
    s->output.socket = -1;
    /* A run with a state continues without its caller. */
    if (!s->state)
        phase_cancel(s);
}

/* After its request, the caller sends CONTROL frames. The end of its stream means that it is
 * gone. */
static void on_caller(struct supervisor *s)
{
    size_t room = buffer_room(&s->said);
    char *to = room ? buffer_reserve(&s->said, room) : NULL;
    ssize_t n = to ? recv(SUPERVISOR_CALLER, to, room, MSG_DONTWAIT) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        caller_is_gone(s);
        return;
    }
    buffer_commit(&s->said, (size_t)n);
    struct frame f;
    enum frame_status status;
    while ((status = frame_peek(&s->said, CONTROL_MAX, &f)) == FRAME_OK &&
           f.type == FRAME_CONTROL) {
        lrun_error e = {0};
        int rc = phase_control(s, &f, &e);
        cleanup_free char *answer = rc > 0 ? NULL : control_answer(&f, rc < 0 ? &e : NULL);
        if (rc > 0)
            buffer_append(&s->asked, buffer_data(&s->said), FRAME_HEADER_SIZE + f.length);
        if (answer)
            output_frame(&s->output, FRAME_CONTROLLED, answer, strlen(answer), NULL);
        frame_consume(&s->said, &f);
    }
    if (status != FRAME_PARTIAL)
        caller_is_gone(s);
}

static void serve(struct supervisor *s, const struct pollfd *p)
{
    /* Read what the sandbox sent before we act on its end: EXIT may still be in the pipe. */
    unsigned events = sandbox_turn(s->sandbox, p + AT_SANDBOX);
    if (events & SANDBOX_PAUSED)
        phase_on_paused(s);
    bool dead = events & SANDBOX_ENDED;
    if (p[AT_AGENT_OUT].revents) {
        agent_link_fill(&s->link);
        phase_take_frames(s);
    } else if (dead) {
        phase_on_agent_gone(s);
    }
    /* Until the command runs, drain the runtime's stderr first, because it becomes the error. A
     * VM's console is drained at any time, because its kernel may panic at any time. */
    bool words = !s->running || s->sandbox->has_console;
    if (s->link.from < 0 && (dead || !words || sandbox_is_silent(s->sandbox)))
        phase_on_agent_gone(s);
    if (events & (SANDBOX_NETWORK_UP | SANDBOX_NETWORK_LOST))
        phase_on_network(s, events & SANDBOX_NETWORK_UP);
    if (p[AT_SHARED].revents || p[AT_CANCEL].revents)
        phase_cancel(s);
    if (p[AT_CALLER].revents & POLLOUT)
        output_flush(&s->output);
    if (p[AT_CALLER].revents & ~POLLOUT)
        on_caller(s);
    control_log_grown(s->control, s->output.log_appends);
    if (p[AT_CONTROL].revents)
        control_serve(s->control, phase_control, s);
    if (p[AT_AGENT_IN].revents && s->phase == PHASE_SEED)
        s->deadline = clock_ms() + STALL_TIMEOUT;
    if (s->phase == PHASE_SEED && !s->seed_done)
        phase_fill_seed(s);
    if (s->phase == PHASE_RUN && (p[AT_INPUT].revents || !s->input_pollable))
        phase_feed_input(s);
    agent_link_flush(&s->link);
}

static void loop(struct supervisor *s)
{
    while (s->phase != PHASE_END) {
        struct pollfd p[AT_COUNT];
        set_polls(s, p);
        int64_t deadline = s->deadline;
        if (s->phase == PHASE_COLLECT && s->phase_deadline < deadline)
            deadline = s->phase_deadline;
        if (s->kill_at < deadline)
            deadline = s->kill_at;
        int n = poll(p, AT_COUNT,
                     io_poll_timeout(s->cpu_look_at < deadline ? s->cpu_look_at : deadline));
        if (n < 0 && errno != EINTR) {
            error_errno(&s->error, LRUN_INTERNAL, "supervisor.loop", errno, "poll");
            phase_fail(s);
            return;
        }
        /* Either of these may end the run, or give it another deadline. */
        if (clock_ms() >= s->cpu_look_at)
            phase_look_at_cpu(s);
        else if (clock_ms() >= deadline)
            on_deadline(s);
        if (n > 0 && s->phase != PHASE_END && clock_ms() < deadline)
            serve(s, p);
    }
}

/* ---------------------------------------------------------------- one run */

static int choose_workdir(struct supervisor *s)
{
    s->workdir_unnamed = !engine_named_workdir(s->request, &s->sandbox->image, s->commit != NULL);
    if (engine_workdir(&s->workdir, &s->effective, &s->sandbox->image, s->commit != NULL,
                       &s->error) < 0)
        return -1;
    s->effective.workdir = s->workdir;
    return 0;
}

/* Before there is a command, pause and resume get an error as their answer; a stop ends the run. */
static bool on_caller_early(void *user)
{
    struct supervisor *s = user;
    on_caller(s);
    return s->phase == PHASE_END;
}

static int on_watch(void *user)
{
    return watch_is_cancelled(user);
}

/* There is no loop yet that serves the caller. Instead, all code that waits for something checks on
 * the caller in between. */
static int make_sandbox(struct supervisor *s, const struct engine *engine, struct watch *watch)
{
    if (engine->watch)
        engine->watch(on_watch, watch);
    struct provided image;
    if (engine_prefer_tier(&engine, s->request, &s->error) < 0 ||
        provide_image(&image, s->id, engine, s->request, watch, &s->error) < 0)
        return -1;
    s->effective.image = s->image = image.name;
    strcpy(s->setup_kernel, image.setup_kernel);
    if (engine->prepare(&s->sandbox, s->id, s->request, s->commit != NULL, &s->error) == 0)
        return choose_workdir(s);
    if (engine == &engine_local && s->error.code == LRUN_STORAGE_FAILED && !s->error.hint[0])
        error_hint(&s->error,
                   "set LIGHT_RUNNER_DATA_DIR to a folder that can be written and has room");
    return -1;
}

/* Returns 0, or -1 with s->error set or the run cancelled. */
static int open_sandbox(struct supervisor *s, bool progress)
{
    const struct engine *engine;
    struct watch watch = {
        .output = &s->output, .progress = progress, .on_caller = on_caller_early, .user = s};
    s->seed_done = s->request->dir == NULL;
    if (engine_find_for_run(&engine, s->request, &s->error) < 0 ||
        (s->request->dir && seed_open(&s->seed, s->request, &s->error) < 0))
        return -1;
    int rc = make_sandbox(s, engine, &watch);
    if (engine->watch)
        engine->watch(NULL, NULL);
    /* watch.cancelled counts even if nobody has looked since it was set: the caller's message is
     * read from its socket only once. */
    if (rc < 0 || watch.cancelled) {
        s->result.cancelled = watch.cancelled;
        return -1;
    }
    s->prepared = clock_us();
    hold_at("prepare");
    if (s->sandbox->engine->start(s->sandbox, &s->error) < 0 ||
        agent_link_init(&s->link, s->sandbox->to_agent, s->sandbox->from_agent, &s->error) < 0)
        return -1;
    hold_at("start");
    s->phase = PHASE_START;
    s->deadline = clock_ms() + START_TIMEOUT;
    return 0;
}

static double ms_between(int64_t from, int64_t to)
{
    return from && to && to > from ? (double)(to - from) / 1000.0 : 0;
}

static void name_unenforced(struct supervisor *s)
{
    const struct sandbox *b = s->sandbox;
    const char *const more[] = {b->disk_uncapped ? "disk" : NULL, b->egress_open ? "egress" : NULL};
    delegation_name_limits(s->unenforced, sizeof(s->unenforced), b->unenforced);
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        size_t used = strlen(s->unenforced);
        if (more[i])
            snprintf(s->unenforced + used, sizeof(s->unenforced) - used, "%s%s", used ? "," : "",
                     more[i]);
    }
    if (s->unenforced[0])
        s->result.isolation.unenforced = s->unenforced;
}

static void complete_result(struct supervisor *s, const struct cgroup_usage *usage, int64_t now)
{
    struct run_result *r = &s->result;
    r->id = s->id;
    bool out_of_time = r->timed_out || r->cpu_timed_out;
    r->oom_killed = usage->oom_kills > 0 && r->exit_code != 0 && !r->cancelled && !out_of_time;
    r->log_truncated = s->output.truncated;
    r->success = r->exit_code == 0 && !r->cancelled && !out_of_time;
    r->duration_ms = (uint64_t)(now - s->began) / 1000;
    r->timeout_ms = s->request->timeout_ms;
    r->usage.cpu_ms = usage->cpu_us / 1000;
    r->usage.user_ms = usage->user_us / 1000;
    r->usage.system_ms = usage->system_us / 1000;
    r->usage.peak_memory_bytes = usage->peak_memory_bytes;
    r->usage.processes = usage->peak_pids;
    r->isolation.runtime = s->sandbox ? s->sandbox->tier->name : s->request->runtime;
    r->isolation.kernel = s->kernel;
    r->isolation.accelerator = s->sandbox ? s->sandbox->accelerator : NULL;
    if (s->sandbox)
        name_unenforced(s);
    if (s->sandbox)
        snprintf(s->host_kernel, sizeof(s->host_kernel), "%s", s->sandbox->host_release);
    r->isolation.host_kernel = s->host_kernel;
    r->isolation.checked = r->isolation.verified ? s->checked : NULL;
    /* If there is an image, the steps have been executed, now or by an earlier run. */
    if (s->image) {
        r->isolation.setup = (lrun_setup){
            .runtime = steps_tier(s->request),
            .network = steps_network(s->request),
            .kernel = s->setup_kernel[0] ? s->setup_kernel : NULL,
        };
    }
    int64_t ended = s->ended ? s->ended : s->running ? now : 0;
    r->timings.prepare_ms = ms_between(s->began, s->prepared);
    r->timings.start_ms = ms_between(s->prepared, s->running);
    r->timings.run_ms = ms_between(s->running, ended);
    r->timings.collect_ms = ms_between(ended, now);
    if (s->extraction.results && !r->cancelled) {
        r->extracted = s->extraction.results;
        r->extracted_count = s->request->extract_count;
    }
}

static void commit(struct supervisor *s)
{
    if (s->failed || !s->exited || s->result.exit_code != 0 || s->result.cancelled)
        return;
    if (s->sandbox->engine->commit(s->sandbox, s->commit, &s->error) < 0)
        s->failed = true;
}

static void name_left(struct supervisor *s, unsigned left)
{
    static const char *const names[] = {"container", "volume",
                                        /* In the order of their bits. */
                                        "network"};
    size_t used = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (left & (1u << i))
            used += (size_t)snprintf(s->left_behind + used, sizeof(s->left_behind) - used, "%s%s",
                                     used ? "," : "", names[i]);
    s->result.left_behind = used ? s->left_behind : NULL;
}

/* Kills the sandbox, waits for its end, and removes it. After that, only the result is left of
 * it. */
static void close_sandbox(struct supervisor *s)
{
    struct cgroup_usage usage = {0};
    lrun_error local = {0};
    hold_at("destroy");
    if (s->sandbox) {
        s->sandbox->engine->kill(s->sandbox);
        if (s->prepared && s->sandbox->engine->finish(s->sandbox, &usage, &local) < 0 &&
            !s->failed) {
            s->error = local;
            s->failed = true;
        }
        if (s->commit)
            commit(s);
    }
    complete_result(s, &usage, clock_us());
    agent_link_free(&s->link);
    if (s->sandbox)
        name_left(s, s->sandbox->engine->destroy(s->sandbox));
    s->sandbox = NULL;
}

/* Writes the state first, so that a client that learns of the run's end finds the outcome there. */
static void end_state(struct supervisor *s, const json_t *document, const char *text)
{
    lrun_error e = {0};
    hold_at("state");
    /* From now on, the state is the only record of the run. A full disk may soon have room
     * again. */
    int64_t deadline = clock_ms() + STATE_TIMEOUT;
    bool made = state_end(s->state, document, s->failed) == 0;
    while (made && state_write(s->state_dir, s->state, &e) < 0 && clock_ms() < deadline)
        poll(NULL, 0, 100);
    control_serve(s->control, phase_control, s);
    control_announce(s->control, s->failed ? FRAME_ERROR : FRAME_RESULT, text);
}

static void answer(struct supervisor *s)
{
    json_t *document;
    if (s->failed) {
        if (!s->error.id[0])
            snprintf(s->error.id, sizeof(s->error.id), "%s", s->id);
        document = error_to_json(&s->error);
    } else {
        document = result_to_json(&s->result);
    }
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    if (text && s->state)
        end_state(s, document, text);
    json_decref(document);
    if (!text || s->state)
        return;
    output_frame(&s->output, s->failed ? FRAME_ERROR : FRAME_RESULT, text, strlen(text), NULL);
    output_drain(&s->output, clock_ms() + RESULT_TIMEOUT);
}

/* A caller that waits for an answer is not expected to send anything. If it does, or is gone, the
 * work ends. */
static bool on_questioner(void *user)
{
    (void)user;
    return true;
}

/* Answers a question that arrived in the place of a request. */
static int answer_question(struct supervisor *s, const struct frame *f)
{
    json_t *document = NULL;
    struct watch watch = {.output = &s->output, .progress = true, .on_caller = on_questioner};
    s->failed = housekeeping_answer(&document, f->payload, f->length, &watch, &s->error) < 0;
    if (s->failed)
        document = error_to_json(&s->error);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (text) {
        output_frame(&s->output, s->failed ? FRAME_ERROR : FRAME_RESULT, text, strlen(text), NULL);
        output_drain(&s->output, clock_ms() + REQUEST_TIMEOUT);
    }
    output_free(&s->output);
    return s->failed ? 1 : 0;
}

/* Reads the REQUEST. If it is a QUESTION instead, answers it and sets *answered. */
static int receive_order(struct supervisor *s, struct run_order *order, bool *answered,
                         lrun_error *err)
{
    static const char operation[] = "supervisor.request";
    int64_t deadline = clock_ms() + REQUEST_TIMEOUT;
    cleanup_buffer struct buffer in;
    buffer_init(&in, FRAME_CALLER_MAX + FRAME_HEADER_SIZE);
    struct frame f;
    enum frame_status status;
    size_t want = FRAME_HEADER_SIZE;
    while ((status = frame_peek(&in, FRAME_CALLER_MAX, &f)) == FRAME_PARTIAL) {
        if (buffer_length(&in) == FRAME_HEADER_SIZE) {
            uint32_t length;
            memcpy(&length, buffer_data(&in) + 4, sizeof(length));
            want = le32toh(length);
        }
        char *to = want ? buffer_reserve(&in, want) : NULL;
        if (!to || io_read_exact(SUPERVISOR_CALLER, to, want, deadline) < 0)
            return error_errno(err, LRUN_INTERNAL, operation, errno, "no request arrived");
        buffer_commit(&in, want);
    }
    *answered = status == FRAME_OK && f.type == FRAME_QUESTION;
    if (*answered)
        return answer_question(s, &f);
    if (status != FRAME_OK || f.type != FRAME_REQUEST)
        return error_set(err, LRUN_INTERNAL, operation, "the first frame is not a request");
    return order_parse(order, f.payload, f.length, err);
}

static int finish(struct supervisor *s)
{
    close_sandbox(s);
    answer(s);
    seed_close(s->seed);
    extraction_free(&s->extraction);
    output_free(&s->output);
    control_close(s->control);
    cleanup_close_fd(&s->state_dir);
    json_decref(s->state);
    buffer_free(&s->said);
    buffer_free(&s->asked);
    free(s->image);
    free(s->workdir);
    return s->failed ? 1 : 0;
}

static void init(struct supervisor *s, const char *id)
{
    /* finish() frees all of this, however far the run got, so no fd may be 0 because nobody has set
     * it. */
    *s = (struct supervisor){
        .id = id,
        .began = clock_us(),
        .deadline = IO_NO_DEADLINE,
        .phase_deadline = IO_NO_DEADLINE,
        .kill_at = IO_NO_DEADLINE,
        .cpu_look_at = IO_NO_DEADLINE,
        .state_dir = -1,
        .link = AGENT_LINK_NONE,
        .extraction.sink = SINK_NONE,
    };
    buffer_init(&s->said, CONTROL_MAX + FRAME_HEADER_SIZE);
    buffer_init(&s->asked, CONTROL_MAX + FRAME_HEADER_SIZE);
    s->request = &s->effective;
    output_init(&s->output, SUPERVISOR_CALLER, true, 0);
}

static int run_order(struct supervisor *s, const struct run_order *order)
{
    s->id = order->id;
    s->began = clock_us();
    s->effective = order->request;
    s->commit = order->commit;
    s->umask = order->umask;
    output_init(&s->output, SUPERVISOR_CALLER, order->logs, order->request.max_log_bytes);
    if (open_sandbox(s, order->progress) == 0)
        loop(s);
    else if (s->result.cancelled)
        phase_cancel(s);
    else
        phase_fail(s);
    return finish(s);
}

/* A process that reads the caller's stderr to its end must not have to wait for the run. */
static int let_go_of_stderr(lrun_error *err)
{
    cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDERR_FILENO) < 0)
        return error_errno(err, LRUN_INTERNAL, "supervisor", errno, "cannot open /dev/null");
    return 0;
}

int supervisor_run(const char *id, mode_t mask)
{
    cleanup_order struct run_order order = {0};
    struct supervisor s;
    init(&s, id);
    bool answered = false;
    int rc = receive_order(&s, &order, &answered, &s.error);
    if (answered)
        return rc;
    /* A detached run must not be the caller's child: the caller would have to wait for it. */
    pid_t pid = rc == 0 && order.request.detached ? fork() : 0;
    if (pid > 0)
        _exit(0);
    if (pid < 0)
        rc = error_errno(&s.error, LRUN_INTERNAL, "supervisor", errno, "cannot fork");
    if (rc == 0 && order.request.detached)
        rc = let_go_of_stderr(&s.error);
    order.umask = mask;
    if (rc == 0)
        return run_order(&s, &order);
    s.failed = true;
    return finish(&s);
}
