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
 *     END       Kill the sandbox and wait for its end, read what it used, and remove all of it. The
 *               result is sent last; or before the removal, if the caller waits for this process
 *               and the engine leaves nothing behind.
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
#include "run/hold.h"
#include "run/housekeeping.h"
#include "run/outcome.h"
#include "run/phases.h"
#include "run/provide.h"
#include "run/session.h"
#include "run/steps.h"
#include "run/watch.h"
#include "wire/result.h"
#include "wire/state.h"
#include "wire/supervisor_fds.h"
#include "json/error_json.h"

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
    AT_TASKS = AT_SANDBOX + SANDBOX_POLLS, /* of a session; as many as it has */
    AT_MOST = AT_TASKS + SESSION_FDS
};

/* Returns how many there are. */
static nfds_t set_polls(struct supervisor *s, struct pollfd *p)
{
    const struct command *c = &s->command;
    bool input = s->phase == PHASE_RUN && command_wants_input(c, &s->link);
    /* Files are always readable, so only the pipe sets the pace at which we turn them into
     * frames. */
    bool more = buffer_length(&s->link.out) > 0 || (input && !c->input_pollable) ||
                (s->phase == PHASE_SEED && !s->seed_done) || session_has_work(s);
    const struct pollfd wanted[AT_SANDBOX] = {
        [AT_AGENT_OUT] = {s->link.from, POLLIN, 0},
        [AT_AGENT_IN] = {more ? s->link.to : -1, POLLOUT, 0},
        [AT_CALLER] = {s->caller.gone ? -1 : s->caller.socket, caller_events(&s->caller), 0},
        [AT_SHARED] = {s->state ? -1 : SUPERVISOR_CANCEL_SHARED, POLLIN, 0},
        [AT_CANCEL] = {SUPERVISOR_CANCEL, POLLIN, 0},
        [AT_CONTROL] = {control_fd(s->control), POLLIN, 0},
        [AT_INPUT] = {input && c->input_pollable ? c->input : -1, POLLIN, 0},
    };
    memcpy(p, wanted, sizeof(wanted));
    sandbox_poll(s->sandbox, p + AT_SANDBOX);
    session_poll(s, p + AT_TASKS);
    return AT_TASKS + s->session.polled * SESSION_POLLS;
}

static void on_deadline(struct supervisor *s)
{
    switch (s->phase) {
    case PHASE_START:
        error_set(&s->error, LRUN_START_FAILED, "runtime.start",
                  "the sandbox did not come up within %d s", START_TIMEOUT / 1000);
        life_fail(s);
        break;
    case PHASE_RESERVED:
        break;
    case PHASE_SEED:
        error_set(&s->error, LRUN_SEED_FAILED, "seed.write",
                  "the sandbox took no more files for %d s", STALL_TIMEOUT / 1000);
        life_fail(s);
        break;
    case PHASE_RUN:
        if (life_is_session(s)) {
            if (clock_ms() >= s->deadline)
                phase_time_is_up(s, false);
            else
                session_on_time(s);
            break;
        }
        /* Two deadlines are running, the timeout and the grace of a stop; the earlier one decides
         * what the result says. */
        if (s->command.killing)
            life_lose_files(s, "the command could not be ended in time");
        if (s->command.killing || clock_ms() >= s->command.kill_at)
            life_killed(s);
        else
            phase_time_is_up(s, false);
        break;
    case PHASE_COLLECT:
        extraction_abort(&s->extraction, "the extraction took too long");
        life_end(s);
        break;
    case PHASE_END:
        break;
    }
}

static void caller_is_gone(struct supervisor *s)
{
    caller_leave(&s->caller);
    /* A run with a state continues without its caller. */
    if (!s->state)
        life_cancel(s);
}

static bool waits_for_order(const struct supervisor *s)
{
    return s->reserved && !s->late.id;
}

/* After its request, the caller sends CONTROL frames. The end of its stream means that it is
 * gone. */
static void on_caller(struct supervisor *s)
{
    struct caller *c = &s->caller;
    if (!caller_read(c)) {
        if (c->gone)
            caller_is_gone(s);
        return;
    }
    struct frame f;
    enum frame_status status;
    while ((status = frame_peek(&c->said, waits_for_order(s) ? FRAME_CALLER_MAX : CALLER_FRAME_MAX,
                                &f)) == FRAME_OK) {
        lrun_error e = {0};
        if (f.type == FRAME_REQUEST && waits_for_order(s)) {
            /* A cancel may have come first: then there is no sandbox for it any more. */
            if (s->phase == PHASE_RESERVED && phase_take_order(s, &f, &s->error) < 0)
                life_fail(s);
            frame_consume(&c->said, &f);
            continue;
        }
        if (f.type == FRAME_CONNECT && s->session.ready && c->passed >= 0) {
            session_connect(s, steal_fd(&c->passed), NULL, -1);
            frame_consume(&c->said, &f);
            continue;
        }
        if (f.type != FRAME_CONTROL)
            break;
        int rc = phase_control(s, &f, &e);
        if (rc > 0)
            caller_keep(c, &f);
        else
            caller_answer(c, &f, rc < 0 ? &e : NULL);
        frame_consume(&c->said, &f);
    }
    if (status != FRAME_PARTIAL)
        caller_is_gone(s);
}

static void adopt(void *user, int fd, const struct buffer *said, int passed)
{
    session_connect(user, fd, said, passed);
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
    bool words = !(s->command.running || s->session.ready) || s->sandbox->has_console;
    if (s->link.from < 0 && (dead || !words || sandbox_is_silent(s->sandbox)))
        phase_on_agent_gone(s);
    if (events & (SANDBOX_NETWORK_UP | SANDBOX_NETWORK_LOST))
        phase_on_network(s, events & SANDBOX_NETWORK_UP);
    if (p[AT_SHARED].revents || p[AT_CANCEL].revents)
        life_cancel(s);
    if (p[AT_CALLER].revents & POLLOUT)
        output_flush(&s->caller.output);
    if (p[AT_CALLER].revents & ~POLLOUT)
        on_caller(s);
    control_log_grown(s->control, s->caller.output.log_appends);
    if (p[AT_CONTROL].revents)
        control_serve(s->control, phase_control, life_is_session(s) ? adopt : NULL, s);
    if (p[AT_AGENT_IN].revents && s->phase == PHASE_SEED)
        s->deadline = clock_ms() + STALL_TIMEOUT;
    if (s->phase == PHASE_RUN && life_is_session(s))
        session_turn(s, p + AT_TASKS, p[AT_AGENT_IN].revents);
    if ((s->phase == PHASE_SEED && !s->seed_done) || session_has_work(s))
        phase_fill_seed(s);
    if (s->phase == PHASE_RUN && (p[AT_INPUT].revents || !s->command.input_pollable))
        phase_feed_input(s);
    agent_link_flush(&s->link);
}

static void loop(struct supervisor *s)
{
    while (s->phase != PHASE_END) {
        struct pollfd p[AT_MOST];
        nfds_t count = set_polls(s, p);
        int64_t deadline = s->deadline;
        if (s->phase == PHASE_COLLECT && s->phase_deadline < deadline)
            deadline = s->phase_deadline;
        int64_t next = life_is_session(s) ? session_deadline(s) : command_deadline(&s->command);
        if (s->phase == PHASE_RUN && next < deadline)
            deadline = next;
        int n =
            poll(p, count, io_poll_timeout(s->cpu_look_at < deadline ? s->cpu_look_at : deadline));
        if (n < 0 && errno != EINTR) {
            error_errno(&s->error, LRUN_INTERNAL, "supervisor.loop", errno, "poll");
            life_fail(s);
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
    s->workdir_unnamed = !sandbox_spec_named_workdir(&s->spec, &s->sandbox->image);
    if (sandbox_spec_workdir(&s->workdir, &s->spec, &s->sandbox->image, &s->error) < 0)
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
static int make_sandbox(struct supervisor *s, struct watch *watch)
{
    const struct tick tick = {on_watch, watch};
    struct provided image;
    const char *engine = s->request->engine;
    s->spec = sandbox_spec_of(s->request, s->id, s->commit != NULL);
    if (engine_open_for_run(&s->engine, engine, &s->spec, &tick, &s->error) < 0 ||
        engine_prefer_tier(&s->engine, engine, &s->spec, &s->error) < 0 ||
        engine_check(s->engine, &s->spec, &s->error) < 0 ||
        provide_image(&image, s->id, s->engine, s->request, watch, &s->error) < 0)
        return -1;
    s->spec.image = s->effective.image = s->image = image.name;
    strcpy(s->setup_kernel, image.setup_kernel);
    return s->engine->ops->prepare(s->engine, &s->sandbox, &s->spec, &s->error) < 0
               ? -1
               : choose_workdir(s);
}

/* Returns 0, or -1 with s->error set or the run cancelled. */
static int open_sandbox(struct supervisor *s, bool progress)
{
    struct watch watch = {
        .output = &s->caller.output, .progress = progress, .on_caller = on_caller_early, .user = s};
    s->seed_done = s->request->dir == NULL;
    if (s->request->dir && seed_open(&s->seed, s->request, FRAME_SANDBOX, &s->error) < 0)
        return -1;
    int rc = make_sandbox(s, &watch);
    if (s->engine)
        s->engine->tick = (struct tick){0};
    /* watch.cancelled counts even if nobody has looked since it was set: the caller's message is
     * read from its socket only once. */
    if (rc < 0 || watch.cancelled) {
        s->result.cancelled = watch.cancelled;
        return -1;
    }
    s->prepared = clock_us();
    hold_at("prepare");
    if (s->sandbox->ops->start(s->sandbox, &s->error) < 0 ||
        agent_link_init(&s->link, s->sandbox->to_agent, s->sandbox->from_agent, &s->error) < 0)
        return -1;
    hold_at("start");
    s->phase = PHASE_START;
    s->deadline = clock_ms() + START_TIMEOUT;
    return 0;
}

static void commit(struct supervisor *s)
{
    if (s->failed || s->command.state != COMMAND_ENDED || s->result.exit_code != 0 ||
        s->result.cancelled)
        return;
    if (s->sandbox->ops->commit(s->sandbox, s->commit, &s->error) < 0)
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

/* Kills the sandbox and waits for its end. After that, none of its processes exists and the result
 * is complete, except for what remove_sandbox() may leave behind. */
static void end_sandbox(struct supervisor *s)
{
    struct cgroup_usage usage = {0};
    lrun_error local = {0};
    hold_at("destroy");
    if (s->sandbox) {
        s->sandbox->ops->kill(s->sandbox);
        if (s->prepared && s->sandbox->ops->finish(s->sandbox, &usage, &local) < 0 && !s->failed) {
            s->error = local;
            s->failed = true;
        }
        if (s->commit)
            commit(s);
    }
    outcome_complete(s, &usage, clock_us());
    agent_link_free(&s->link);
}

static void remove_sandbox(struct supervisor *s)
{
    hold_at("remove");
    if (s->sandbox)
        name_left(s, s->sandbox->ops->destroy(s->sandbox));
    s->sandbox = NULL;
    engine_close(s->engine);
    s->engine = NULL;
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
    control_serve(s->control, phase_control, NULL, s);
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
    output_frame(&s->caller.output, s->failed ? FRAME_ERROR : FRAME_RESULT, FRAME_SANDBOX, text,
                 strlen(text), NULL);
    output_drain(&s->caller.output, clock_ms() + RESULT_TIMEOUT);
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
    struct watch watch = {
        .output = &s->caller.output, .progress = true, .on_caller = on_questioner};
    s->failed = housekeeping_answer(&document, f->payload, f->length, &watch, &s->error) < 0;
    if (s->failed)
        document = error_to_json(&s->error);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (text) {
        output_frame(&s->caller.output, s->failed ? FRAME_ERROR : FRAME_RESULT, FRAME_SANDBOX, text,
                     strlen(text), NULL);
        output_drain(&s->caller.output, clock_ms() + REQUEST_TIMEOUT);
    }
    output_free(&s->caller.output);
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
    if (frame_read(&f, &in, SUPERVISOR_CALLER, FRAME_CALLER_MAX, deadline) < 0)
        return errno == EPROTO
                   ? error_set(err, LRUN_INTERNAL, operation, "the first frame is not a request")
                   : error_errno(err, LRUN_INTERNAL, operation, errno, "no request arrived");
    *answered = f.type == FRAME_QUESTION;
    if (*answered)
        return answer_question(s, &f);
    if (f.type != FRAME_REQUEST && f.type != FRAME_OPEN && f.type != FRAME_RESERVE)
        return error_set(err, LRUN_INTERNAL, operation, "the first frame is not a request");
    if (order_parse(order, f.payload, f.length, err) < 0)
        return -1;
    s->reserved = f.type == FRAME_RESERVE;
    if (s->reserved && (order->request.detached || order->request.dir || order->commit))
        return error_set(err, LRUN_INTERNAL, operation, "such a run cannot be reserved");
    return (order->idle_ms > 0) == (f.type == FRAME_OPEN)
               ? 0
               : error_set(err, LRUN_INTERNAL, operation, "idle: only a session has it");
}

static int finish(struct supervisor *s)
{
    end_sandbox(s);
    session_end(s);
    /* The library waits for this process after the result. A client of a detached run cannot, and
     * may take the result to mean that nothing is left. */
    bool early = s->sandbox && s->sandbox->ops->leaves_nothing && !s->state;
    if (early)
        answer(s);
    remove_sandbox(s);
    if (!early)
        answer(s);
    seed_close(s->seed);
    if (s->command.input != SUPERVISOR_INPUT)
        cleanup_close_fd(&s->command.input);
    order_free(&s->late);
    extraction_free(&s->extraction);
    caller_free(&s->caller);
    control_close(s->control);
    cleanup_close_fd(&s->state_dir);
    json_decref(s->state);
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
        .cpu_look_at = IO_NO_DEADLINE,
        .state_dir = -1,
        .link = AGENT_LINK_NONE,
        .extraction.sink = SINK_NONE,
    };
    s->request = &s->effective;
    session_init(&s->session, 0);
    command_init(&s->command, FRAME_COMMAND, s->request, &s->caller, &s->result);
    s->command.input = SUPERVISOR_INPUT;
    caller_init(&s->caller, SUPERVISOR_CALLER, true, 0);
}

static int run_order(struct supervisor *s, const struct run_order *order)
{
    s->id = order->id;
    s->began = clock_us();
    s->effective = order->request;
    s->commit = order->commit;
    s->umask = order->umask;
    session_init(&s->session, order->idle_ms);
    caller_init(&s->caller, SUPERVISOR_CALLER, order->logs, order->request.max_log_bytes);
    /* A whole order will come. */
    if (s->reserved)
        buffer_init(&s->caller.said, FRAME_CALLER_MAX + FRAME_HEADER_SIZE);
    if (open_sandbox(s, order->progress) == 0)
        loop(s);
    else if (s->result.cancelled)
        life_cancel(s);
    else
        life_fail(s);
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
