/* SPDX-License-Identifier: MIT */
/*
 * The structs of the server: what the loop and the threads of the jobs share.
 *
 * `lock` guards the queues of all calls, `queued` and the lists of jobs. Everything else belongs to
 * the loop, except for the handle of a run whose holder is a job.
 */
#ifndef RPC_STATE_H
#define RPC_STATE_H

#include "params.h"
#include "queue.h"

#include "base/buffer.h"

#include <pthread.h>

struct call;
struct job;
struct server;

/* A row of the table of methods. */
struct method {
    const char *name;
    unsigned allowed, required;    /* PARAM_... bits */
    void (*begin)(struct call *c); /* in the loop; NULL: `work` is a job */
    void (*work)(struct job *job); /* in a thread */
    bool can_cancel;               /* the job watches the call's cancel_fd */
};

/* Who may use the handle of a run. */
enum holder {
    HOLDER_LOOP, /* the loop polls it */
    HOLDER_JOB,  /* a thread has it: it is being started, is given an order, or has ended */
};

/*
 * A request of the client, until its response has been sent. The response of `run` and `attach` is
 * the run's result, so such a call lives as long as its run.
 */
struct call {
    struct call *next;
    struct server *server;
    json_t *id;
    const struct method *method;
    struct params params;
    char *request; /* params.request; NULL: none */
    size_t request_length;

    /* A run: `run`, `attach`. */
    bool is_run;
    lrun_execution *execution; /* NULL: not started yet, or it has ended */
    enum holder holder;
    bool watched;   /* the loop's epoll has its fd */
    bool ended;     /* lrun_execution_dispatch() has reported the end */
    char run[48];   /* its id; empty: not known yet */
    bool cancelled; /* by the client, maybe before the run was started */

    int cancel_fd; /* stops a job that takes one; -1: none */
    /* A call that orders something of a run waits in the run's list. */
    struct call *target, *orders, *next_order;

    struct queue queue;
    uint64_t window; /* what may still be sent of output */
    bool has_window;
    bool answered; /* the response is in the queue: nothing follows it */
};

/* jobs.h */
enum job_kind { JOB_OF_RUN, JOB_OF_CALL, JOB_KINDS };

struct job {
    struct job *next;
    enum job_kind kind;
    struct call *call;
    void (*work)(struct job *job);   /* in a thread */
    void (*finish)(struct job *job); /* afterwards, in the loop. The job is then freed */
    lrun_execution *execution;
    json_t *result; /* NULL: `error` says why */
    json_t *counts; /* with an error: what was done nevertheless; or NULL */
    lrun_error error;
};

struct jobs {
    struct job *waiting[JOB_KINDS], *done;
    unsigned running[JOB_KINDS];
};

struct server {
    pthread_mutex_t lock;
    pthread_cond_t drained; /* a queue has become shorter, or a call was cancelled */
    pthread_t loop;         /* the loop's thread */
    int wake;               /* eventfd: a thread has something for the loop */
    int epoll;              /* the handles of the runs */

    struct call *calls, **last_call;
    size_t call_count, run_count;
    struct queue general; /* errors that belong to no call */
    struct jobs jobs;

    char *supervisor;    /* path; NULL: the library finds it */
    lrun_runner *runner; /* with the defaults */

    bool closing; /* the client has gone */
    bool mute;    /* nothing can be written any more */
    struct buffer out;
};

#endif
