/* SPDX-License-Identifier: MIT */
#include "run/command.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/sandbox.h"
#include "run/environment.h"
#include "run/hold.h"
#include "run/input.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Bytes. No more input is read while this many wait to be written to the agent. */
enum { QUEUE_ENOUGH = 256 * 1024 };

void command_init(struct command *c, uint16_t number, const struct request *r,
                  struct caller *caller, struct run_result *result)
{
    *c = (struct command){
        .number = number,
        .alone = true,
        .request = r,
        .caller = caller,
        .result = result,
        .input = -1,
        .deadline = IO_NO_DEADLINE,
        .kill_at = IO_NO_DEADLINE,
    };
}

/* Adds the command's words: argv of the request, or `sh -c` with its entrypoint, or the image's
 * own. */
static bool add_words(const struct request *r, const struct image *image, struct buffer *fields)
{
    if (r->entrypoint)
        return fields_add(fields, "shell", "1") && fields_add(fields, "arg", "sh") &&
               fields_add(fields, "arg", "-c") && fields_add(fields, "arg", r->entrypoint);
    /* With argv, a missing program is the request's fault; report it as the command's end, like any
     * other. */
    char *const *lists[] = {image->entrypoint, image->cmd};
    if (r->argv) {
        if (!fields_add(fields, "report", "exit"))
            return false;
        lists[0] = r->argv;
        lists[1] = NULL;
    }
    for (size_t i = 0; i < 2; i++)
        for (char *const *word = lists[i]; word && *word; word++)
            if (!fields_add(fields, "arg", *word))
                return false;
    return true;
}

static bool add_terminal(const struct request *r, struct buffer *fields)
{
    return !r->tty ||
           (fields_add(fields, "tty", "1") && fields_add_u64(fields, "rows", r->tty_rows) &&
            fields_add_u64(fields, "cols", r->tty_columns));
}

/* A command of several may have a working directory and a user of its own. */
static bool add_place(const struct command *c, struct buffer *fields)
{
    return c->alone ||
           (fields_add(fields, "among", "others") &&
            (!c->request->workdir || fields_add(fields, "workdir", c->request->workdir)) &&
            (!c->user || fields_add(fields, "user", c->user)));
}

int command_start(struct command *c, struct agent_link *link, const struct sandbox *sandbox,
                  lrun_error *err)
{
    static const char operation[] = "agent.start";
    const struct request *r = c->request;
    const struct image *image = &sandbox->image;
    bool has_own = (image->entrypoint && *image->entrypoint) || (image->cmd && *image->cmd);
    if (!r->entrypoint && !r->argv && !has_own) {
        error_set(err, LRUN_INVALID_ARGUMENT, operation,
                  "entrypoint: none was given, and the image '%s' has none", r->image);
        return error_hint(err, "add a shell command after the image's name");
    }
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!add_words(r, image, &fields) || !add_place(c, &fields) || !add_terminal(r, &fields) ||
        !environment_add(&fields, image->env, r->env, sandbox->env))
        return error_set(err, LRUN_INVALID_ARGUMENT, operation,
                         "%s and env: longer than %d bytes in all", r->argv ? "argv" : "entrypoint",
                         FRAME_AGENT_MAX);
    c->state = COMMAND_ORDERED;
    return agent_link_send(link, FRAME_START, c->number, buffer_data(&fields),
                           buffer_length(&fields), err);
}

void command_begin(struct command *c)
{
    c->state = COMMAND_RUNNING;
    c->running = clock_us();
    c->deadline = clock_ms() + (int64_t)c->request->timeout_ms;
    c->input_open = c->input >= 0;
    c->input_credit = FRAME_STDIN_WINDOW;
    c->input_pollable = c->input >= 0 && input_is_pollable(c->input);
}

bool command_wants_input(const struct command *c, const struct agent_link *link)
{
    return c->state == COMMAND_RUNNING && c->input_open && c->input_credit > 0 &&
           buffer_length(&link->out) < QUEUE_ENOUGH;
}

int command_feed(struct command *c, struct agent_link *link, lrun_error *err)
{
    while (command_wants_input(c, link)) {
        size_t want = c->input_credit < FRAME_DATA_MAX ? (size_t)c->input_credit : FRAME_DATA_MAX;
        char *to = buffer_reserve(&link->out, FRAME_HEADER_SIZE + want);
        if (!to)
            return error_oom(err, "input");
        hold_at("input");
        char *bytes = to + FRAME_HEADER_SIZE;
        ssize_t n =
            c->input_pollable ? input_read(c->input, bytes, want) : read(c->input, bytes, want);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return 0;
        if (n > 0) {
            frame_header(to, FRAME_STDIN, c->number, (uint32_t)n);
            buffer_commit(&link->out, FRAME_HEADER_SIZE + (size_t)n);
            c->input_credit -= (uint64_t)n;
            /* Everything else that the loop serves gets its turn before more input does. */
            if (c->input_pollable)
                return 0;
            continue;
        }
        /* End of file, or a read error: the command sees the end of its input. */
        c->input_open = false;
        return agent_link_send(link, FRAME_STDIN_EOF, c->number, NULL, 0, err);
    }
    return 0;
}

bool command_credit(struct command *c, const struct frame *f)
{
    uint64_t bytes;
    if (!fields_get_u64(f, "bytes", &bytes) || bytes > FRAME_STDIN_WINDOW - c->input_credit)
        return false;
    c->input_credit += bytes;
    return true;
}

bool command_end(struct command *c, const struct frame *f)
{
    uint64_t code, signal_number;
    if (!fields_get_u64(f, "code", &code) || !fields_get_u64(f, "signal", &signal_number) ||
        code > 255 || signal_number > 64)
        return false;
    c->state = COMMAND_ENDED;
    c->ended = clock_us();
    c->input_open = false;
    c->deadline = c->kill_at = IO_NO_DEADLINE;
    c->result->exit_code = c->killing ? 128 + SIGKILL : (int)code;
    c->result->signal = c->killing ? SIGKILL : (int)signal_number;
    return true;
}

int command_signal(struct command *c, struct agent_link *link, int number, lrun_error *err)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    return fields_add_u64(&fields, "signal", (uint64_t)number)
               ? agent_link_send(link, FRAME_SIGNAL, c->number, buffer_data(&fields),
                                 buffer_length(&fields), err)
               : error_oom(err, "signal");
}

int command_resize(const struct command *c, struct agent_link *link, unsigned rows,
                   unsigned columns, lrun_error *err)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (c->state != COMMAND_ORDERED && c->state != COMMAND_RUNNING)
        return 0;
    return fields_add_u64(&fields, "rows", rows) && fields_add_u64(&fields, "cols", columns)
               ? agent_link_send(link, FRAME_RESIZE, c->number, buffer_data(&fields),
                                 buffer_length(&fields), err)
               : error_oom(err, "resize");
}

int64_t command_deadline(const struct command *c)
{
    return c->kill_at < c->deadline ? c->kill_at : c->deadline;
}
