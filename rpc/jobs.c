/* SPDX-License-Identifier: MIT */
#include "jobs.h"

#include "call.h"
#include "server.h"

#include "base/error.h"

#include <signal.h>
#include <stdlib.h>

enum { RUNNING_MAX = 64 };

static void append(struct job **list, struct job *job)
{
    while (*list)
        list = &(*list)->next;
    job->next = NULL;
    *list = job;
}

/* Called with the lock. */
static void add_done(struct server *s, struct job *job)
{
    append(&s->jobs.done, job);
    server_wake(s);
}

static void *run_job(void *user)
{
    struct job *job = user;
    struct server *s = job->call->server;
    job->work(job);
    pthread_mutex_lock(&s->lock);
    s->jobs.running[job->kind]--;
    add_done(s, job);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Called with the lock. */
static void start_waiting(struct server *s)
{
    for (int kind = 0; kind < JOB_KINDS; kind++) {
        while (s->jobs.waiting[kind] && s->jobs.running[kind] < RUNNING_MAX) {
            struct job *job = s->jobs.waiting[kind];
            s->jobs.waiting[kind] = job->next;
            s->jobs.running[kind]++;
            pthread_t thread;
            int failed = pthread_create(&thread, NULL, run_job, job);
            if (failed == 0) {
                pthread_detach(thread);
                continue;
            }
            s->jobs.running[kind]--;
            error_errno(&job->error, LRUN_OUT_OF_MEMORY, "rpc.job", failed,
                        "cannot start a thread");
            add_done(s, job);
        }
    }
}

void jobs_start(struct server *s, enum job_kind kind, struct call *call, lrun_execution *execution,
                void (*work)(struct job *), void (*finish)(struct job *))
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        abort(); /* a few hundred bytes; nothing could be answered either */
    *job = (struct job){
        .kind = kind, .call = call, .execution = execution, .work = work, .finish = finish};
    pthread_mutex_lock(&s->lock);
    append(&s->jobs.waiting[kind], job);
    start_waiting(s);
    pthread_mutex_unlock(&s->lock);
}

void jobs_finish(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    struct job *done = s->jobs.done;
    s->jobs.done = NULL;
    start_waiting(s);
    pthread_mutex_unlock(&s->lock);
    while (done) {
        struct job *job = done;
        done = job->next;
        job->finish(job);
        json_decref(job->result);
        json_decref(job->counts);
        free(job);
    }
}

void jobs_answer(struct job *job)
{
    if (job->result) {
        call_result(job->call, json_incref(job->result));
        return;
    }
    if (job->error.code == LRUN_OK)
        error_oom(&job->error, "rpc.call");
    call_fail_with_counts(job->call, &job->error, job->counts);
}
