/* SPDX-License-Identifier: MIT */
/* All that is known of the one run of this process. */
#ifndef RUN_LIFE_H
#define RUN_LIFE_H

#include "engine/engine.h"
#include "run/control.h"
#include "run/extraction.h"
#include "run/output.h"
#include "run/seed.h"
#include "run/steps.h"
#include "wire/order.h"
#include "wire/result.h"

#include <sys/utsname.h>

enum phase { PHASE_START, PHASE_SEED, PHASE_RUN, PHASE_COLLECT, PHASE_END };

/* ms. Of START and the orders, and of SEED and COLLECT without any progress. */
enum { REQUEST_TIMEOUT = 10000, START_TIMEOUT = 60000, STALL_TIMEOUT = 60000 };
/* COLLECT as a whole: as long as the run's own timeout, but within these. */
enum { COLLECT_TIMEOUT_MIN = 10000, COLLECT_TIMEOUT = 30 * 60000 };
/* How long a result waits for a caller that is alive but does not read. */
enum { RESULT_TIMEOUT = 24 * 3600000 };

/* ms, for a command that has been killed so that its files can be had: the agent gives up sooner. */
enum { KILLED_TIMEOUT = 30000 };

/* ms between two looks at the CPU time. What quotas let through at once is PERIOD long. */
enum { CPU_LOOK_MIN = 10, CPU_LOOK_MAX = 1000, CPU_LOOK_PERIOD = 100 };

/* ms. Of a stop that names none. */
enum { STOP_GRACE = 10000 };

/* ms, for a state to be written to a disk that is full. */
enum { STATE_TIMEOUT = 30000 };

/* What the caller may say at once after its request. */
enum { CONTROL_MAX = 4096 };

/* Frames for the agent are made while less than this waits to be written. */
enum { QUEUE_ENOUGH = 256 * 1024 };

struct supervisor {
    const struct request *request; /* `effective` */
    struct request effective;      /* of the order, whose strings it borrows but for the next two */
    char *image;                   /* what the image goes by on the engine */
    char *workdir;
    bool workdir_unnamed; /* nobody has named one: it is the usual one */
    const char *id;
    const char *commit; /* NULL: nothing of the root is kept */
    mode_t umask;       /* the caller's, for what is extracted */
    enum phase phase;
    int64_t deadline;       /* of the phase; IO_NO_DEADLINE: none */
    int64_t phase_deadline; /* of COLLECT as a whole */

    struct sandbox *sandbox;
    struct agent_link link;
    struct output output;
    struct seed *seed;
    bool seed_done;
    struct extraction extraction;

    bool input_open;     /* the fd for stdin has more */
    bool input_pollable; /* it is a pipe or such, not a file */
    uint64_t input_credit;

    /* of a detached run, from RUN on */
    json_t *state; /* NULL: there is none */
    int state_dir;
    struct control *control;

    int64_t kill_at; /* the grace of a stop; IO_NO_DEADLINE: none */
    bool stopping;   /* the command has been told to end */
    bool
        killing; /* its time is up, and it has been killed: its end is awaited, and its files are wanted */
    int64_t cpu_look_at; /* IO_NO_DEADLINE: never */
    uint64_t cpu_before; /* microseconds of CPU time that had gone by when the command began */
    bool paused;
    bool pause_to;     /* what is under way on the engine (sandbox.pausing) */
    bool pause_unsure; /* the last one has failed, and it may be paused or not */
    struct buffer
        asked; /* the caller's CONTROL frame that is answered when that has ended; empty: there is none */
    struct buffer said; /* by the caller, not yet acted on */
    bool caller_gone;
    bool ordered; /* the agent has been told to start the command */
    bool exited;  /* the agent's EXIT has come */
    bool failed;  /* `error` is what the caller gets */
    lrun_error error;
    struct run_result result;
    char host_kernel[sizeof(((struct utsname *)0)->release)];
    char kernel[sizeof(((struct utsname *)0)->release)];
    char setup_kernel[STEPS_KERNEL_SIZE];
    char unenforced[64];
    char left_behind[64];
    char checked[96];                        /* what the evidence was about (evidence.h) */
    bool heard;                              /* the agent's HELLO has come */
    int64_t began, prepared, running, ended; /* microseconds; 0: not reached */
};

#endif
