/* SPDX-License-Identifier: MIT */
/* The state of the one run of this process. */
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

/* ms. How long a request may take to arrive, how long START may take, and how long SEED and COLLECT
 * may go without any progress. */
enum { REQUEST_TIMEOUT = 10000, START_TIMEOUT = 60000, STALL_TIMEOUT = 60000 };
/* COLLECT as a whole may take as long as the run's own timeout, but within these bounds. */
enum { COLLECT_TIMEOUT_MIN = 10000, COLLECT_TIMEOUT = 30 * 60000 };
/* How long a result waits for a caller that is alive but does not read. */
enum { RESULT_TIMEOUT = 24 * 3600000 };

/* ms. How long to wait for the end of a command that was killed at its timeout and whose files are
 * wanted. The agent gives up sooner. */
enum { KILLED_TIMEOUT = 30000 };

/* ms between two looks at the CPU time. A quota can be used up at once in each period, which is
 * PERIOD long. */
enum { CPU_LOOK_MIN = 10, CPU_LOOK_MAX = 1000, CPU_LOOK_PERIOD = 100 };

/* ms. The grace of a stop that names none. */
enum { STOP_GRACE = 10000 };

/* ms. How long to retry writing a state when the disk is full. */
enum { STATE_TIMEOUT = 30000 };

/* Bytes. The longest frame that the caller may send after its request. */
enum { CONTROL_MAX = 4096 };

/* Bytes. No more frames for the agent are made while this many wait to be written. */
enum { QUEUE_ENOUGH = 256 * 1024 };

struct supervisor {
    const struct request *request; /* points to `effective` */
    /* a copy from the order; its strings are borrowed, except for the next two */
    struct request effective;
    char *image; /* the image's name on the engine */
    char *workdir;
    bool workdir_unnamed; /* nobody named a workdir: it is the default */
    const char *id;
    const char *commit; /* the image to make of the root; NULL: none */
    mode_t umask;       /* the caller's, for extracted files */
    enum phase phase;
    int64_t deadline;       /* for the phase; IO_NO_DEADLINE: none */
    int64_t phase_deadline; /* for COLLECT as a whole */

    struct sandbox *sandbox;
    struct agent_link link;
    struct output output;
    struct seed *seed;
    bool seed_done;
    struct extraction extraction;

    bool input_open;     /* the fd for stdin has more */
    bool input_pollable; /* it is a pipe or the like, not a file */
    uint64_t input_credit;

    /* for a detached run, from RUN on */
    json_t *state; /* NULL: there is none */
    int state_dir;
    struct control *control;

    int64_t kill_at; /* when the grace of a stop ends; IO_NO_DEADLINE: never */
    bool stopping;   /* the command has been told to end */
    /* the command's time is up, and it was killed: we wait for its end, because its files are
     * wanted */
    bool killing;
    int64_t cpu_look_at; /* IO_NO_DEADLINE: never */
    uint64_t cpu_before; /* CPU time, in microseconds, that was used before the command began */
    bool paused;
    bool pause_to;     /* what the engine is doing (sandbox.pausing): pause or resume */
    bool pause_unsure; /* the last one failed, so the run may be paused or not */
    /* the caller's CONTROL frame that is answered once that is done; empty: there is none */
    struct buffer asked;
    struct buffer said; /* received from the caller, not yet acted on */
    bool caller_gone;
    bool ordered; /* the agent has been told to start the command */
    bool exited;  /* the agent's EXIT has arrived */
    bool failed;  /* `error` is what the caller gets */
    lrun_error error;
    struct run_result result;
    char host_kernel[sizeof(((struct utsname *)0)->release)];
    char kernel[sizeof(((struct utsname *)0)->release)];
    char setup_kernel[STEPS_KERNEL_SIZE];
    char unenforced[64];
    char left_behind[64];
    char checked[96];                        /* what the evidence covered (evidence.h) */
    bool heard;                              /* the agent's HELLO has arrived */
    int64_t began, prepared, running, ended; /* microseconds; 0: not reached */
};

#endif
