/* SPDX-License-Identifier: MIT */
#include "run/session_files.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <string.h>

/* How many operations there may be at once. The agent takes some more (agent/operations.h). */
enum { OPERATIONS_MAX = 8 };

static bool is_of_kind(const struct session_task *t, enum task_kind kind)
{
    return t->known && t->task.kind == kind;
}

/* Returns the task that has this number; NULL if there is none. */
static struct session_task *find(const struct session *x, uint16_t number)
{
    for (size_t i = 0; i < x->count; i++)
        if (x->tasks[i]->operation == number)
            return x->tasks[i];
    return NULL;
}

static uint16_t next_number(struct session *x)
{
    do
        x->last_operation++;
    while (x->last_operation == 0 || find(x, x->last_operation));
    return x->last_operation;
}

/* ---------------------------------------------------------------- copies */

bool session_files_copy_in(const struct supervisor *s)
{
    return s->session.copy && s->session.copy->task.kind == TASK_PUT && !s->seed_done;
}

static void end_copy(struct supervisor *s)
{
    struct session_task *t = s->session.copy;
    s->session.copy = NULL;
    t->operation = 0;
    if (t->task.kind == TASK_GET) {
        t->result.extracted = s->extraction.results;
        t->result.extracted_count = t->task.request.extract_count;
    }
    if (!t->answered)
        session_task_answer(s, t);
    t->result.extracted = NULL;
    life_end_copy(s);
}

static int begin_put(struct supervisor *s, struct session_task *t, lrun_error *err)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    uint16_t number = next_number(&s->session);
    if (!fields_add(&fields, "path", t->task.to ? t->task.to : "."))
        return error_oom(err, "session.put");
    if (seed_open(&s->seed, &t->task.request, number, err) < 0 ||
        agent_link_send(&s->link, FRAME_PUT_TREE, number, buffer_data(&fields),
                        buffer_length(&fields), err) < 0)
        return -1;
    t->operation = number;
    s->seed_done = false;
    return 0;
}

/* Returns 1 if nothing of it needs the agent. */
static int begin_get(struct supervisor *s, struct session_task *t, lrun_error *err)
{
    bool done = false;
    if (!(t->task.request.workdir = strdup(s->workdir)))
        return error_oom(err, "session.get");
    return extraction_init(&s->extraction, &t->task.request, s->umask, err) < 0 ||
                   extraction_next(&s->extraction, &s->link, &done, err) < 0
               ? -1
               : done;
}

static void begin_copy(struct supervisor *s, struct session_task *t)
{
    lrun_error e = {0};
    s->session.copy = t;
    t->deadline = clock_ms() + STALL_TIMEOUT;
    int rc = t->task.kind == TASK_PUT ? begin_put(s, t, &e) : begin_get(s, t, &e);
    if (rc == 0)
        return;
    if (rc < 0)
        session_task_refuse(t, &e);
    end_copy(s);
}

void session_files_read_all(struct supervisor *s)
{
    /* A file of the host could not be read: the caller is told, and the session goes on. */
    if (s->error.code != LRUN_OK) {
        session_task_refuse(s->session.copy, &s->error);
        s->error = (lrun_error){0};
    }
    session_task_start_waiting(s);
}

static void put_frame(struct supervisor *s, struct session_task *t, const struct frame *f)
{
    lrun_error e = {0};
    enum file_progress done = f->type == FRAME_DONE
                                  ? file_operation_done(f, LRUN_SEED_FAILED, "session.put", &e)
                                  : FILE_LIES;
    if (done == FILE_LIES || (done == FILE_ENDED && !s->seed_done)) {
        life_fail_protocol(s, "an unexpected frame while files are copied in");
        return;
    }
    if (done == FILE_FAILED && !t->answered)
        session_task_refuse(t, &e);
    end_copy(s);
    session_task_start_waiting(s);
}

static void get_frame(struct supervisor *s, const struct frame *f)
{
    struct session_task *t = s->session.copy;
    if (!t || t->task.kind != TASK_GET) {
        life_fail_protocol(s, "an unexpected frame about the sandbox");
        return;
    }
    lrun_error e = {0};
    size_t before = s->extraction.at;
    bool done = false;
    t->deadline = clock_ms() + STALL_TIMEOUT;
    if (extraction_frame(&s->extraction, f, &e) < 0) {
        life_fail_protocol(s, e.message);
    } else if (s->extraction.at != before) {
        if (extraction_next(&s->extraction, &s->link, &done, &s->error) < 0)
            life_fail(s);
        else if (done)
            end_copy(s);
    }
}

/* ---------------------------------------------------------------- operations */

static void begin_operation(struct supervisor *s, struct session_task *t)
{
    lrun_error e = {0};
    t->deadline = clock_ms() + STALL_TIMEOUT;
    if (file_operation_init(&t->file, &t->task.file, t->caller.passed, &e) < 0) {
        session_task_refuse(t, &e);
        return;
    }
    t->operation = next_number(&s->session);
    if (file_operation_begin(&t->file, t->operation, &s->link, &s->error) < 0)
        life_fail(s);
}

static void answer_operation(struct session_task *t)
{
    json_t *document = file_operation_answer(&t->file);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    session_task_send(t, FRAME_RESULT, text);
}

static void operation_frame(struct supervisor *s, struct session_task *t, const struct frame *f)
{
    lrun_error e = {0};
    t->deadline = clock_ms() + STALL_TIMEOUT;
    /* Whoever waited is gone, or has got an error: only the end counts. */
    bool over = t->answered;
    if (over && f->type != FRAME_DONE)
        return;
    switch (file_operation_frame(&t->file, f, &s->link, &e)) {
    case FILE_GOES_ON:
        return;
    case FILE_LIES:
        if (!over) {
            life_fail_protocol(s, e.message);
            return;
        }
        break;
    case FILE_ENDED:
        if (!over)
            answer_operation(t);
        break;
    case FILE_FAILED:
        if (!over)
            session_task_refuse(t, &e);
        break;
    }
    if (f->type == FRAME_DONE)
        t->operation = 0;
    else if (file_operation_abort(&t->file, &s->link, &s->error) < 0)
        life_fail(s);
}

bool session_files_have_bytes(const struct supervisor *s)
{
    for (size_t i = 0; i < s->session.count; i++) {
        const struct session_task *t = s->session.tasks[i];
        if (is_of_kind(t, TASK_FILE) && t->operation &&
            file_operation_has_bytes(&t->file, &s->link))
            return true;
    }
    return false;
}

void session_files_feed(struct supervisor *s)
{
    for (size_t i = 0; i < s->session.count; i++) {
        struct session_task *t = s->session.tasks[i];
        if (is_of_kind(t, TASK_FILE) && t->operation &&
            file_operation_feed(&t->file, &s->link, &s->error) < 0)
            life_fail(s);
    }
}

/* ---------------------------------------------------------------- all of them */

void session_files_begin(struct supervisor *s)
{
    struct session *x = &s->session;
    size_t going = 0;
    for (size_t i = 0; i < x->count; i++)
        going += is_of_kind(x->tasks[i], TASK_FILE) && x->tasks[i]->operation;
    for (size_t i = 0; i < x->count && s->phase == PHASE_RUN; i++) {
        struct session_task *t = x->tasks[i];
        if (!t->known || t->answered || t->operation)
            continue;
        if (t->task.kind == TASK_FILE && going < OPERATIONS_MAX) {
            begin_operation(s, t);
            going++;
        } else if ((t->task.kind == TASK_PUT || t->task.kind == TASK_GET) && !x->copy) {
            begin_copy(s, t);
        }
    }
}

bool session_files_are_meant(const struct frame *f)
{
    return f->command == FRAME_SANDBOX || f->type == FRAME_ITEM || f->type == FRAME_DONE ||
           f->type == FRAME_DATA;
}

void session_files_frame(struct supervisor *s, const struct frame *f)
{
    if (f->command == FRAME_SANDBOX) {
        get_frame(s, f);
        return;
    }
    struct session_task *t = find(&s->session, f->command);
    if (!t)
        life_fail_protocol(s, "an operation that does not exist");
    else if (t->task.kind == TASK_PUT)
        put_frame(s, t, f);
    else
        operation_frame(s, t, f);
}

void session_files_progress(struct supervisor *s)
{
    for (size_t i = 0; i < s->session.count; i++) {
        struct session_task *t = s->session.tasks[i];
        if (t == s->session.copy || t->operation)
            t->deadline = clock_ms() + STALL_TIMEOUT;
    }
}

void session_files_gone(struct supervisor *s, struct session_task *t)
{
    /* A copy cannot be broken off in the middle. */
    if (t == s->session.copy || t->answered)
        return;
    t->answered = true;
    if (t->operation && file_operation_abort(&t->file, &s->link, &s->error) < 0)
        life_fail(s);
}

int64_t session_files_deadline(const struct supervisor *s, const struct session_task *t)
{
    return (t == s->session.copy || t->operation) && !s->paused ? t->deadline : IO_NO_DEADLINE;
}
