/* SPDX-License-Identifier: MIT */
/* The state of the one sandbox of this process, from its order to its removal. What belongs to a
 * command is in struct command, and what belongs to a caller in struct caller. */
#ifndef RUN_LIFE_H
#define RUN_LIFE_H

#include "engine/engine.h"
#include "run/caller.h"
#include "run/command.h"
#include "run/control.h"
#include "run/extraction.h"
#include "run/seed.h"
#include "run/session_state.h"
#include "run/steps.h"
#include "wire/order.h"
#include "wire/result.h"

#include <sys/utsname.h>

enum phase { PHASE_START, PHASE_RESERVED, PHASE_SEED, PHASE_RUN, PHASE_COLLECT, PHASE_END };

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

/* ms. How long to retry writing a state when the disk is full. */
enum { STATE_TIMEOUT = 30000 };

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

    struct engine *engine;
    struct sandbox_spec spec; /* borrows from `effective` */
    struct sandbox *sandbox;
    struct agent_link link;
    struct seed *seed;
    bool seed_done;
    struct extraction extraction;

    struct caller caller;   /* the one that has sent the order */
    struct command command; /* of a run */
    struct session session;
    bool reserved;         /* the command comes later, in another order */
    struct run_order late; /* that order */
    bool lost;             /* the sandbox has ended by itself */

    /* for a detached run, from RUN on */
    json_t *state; /* NULL: there is none */
    int state_dir;
    struct control *control;

    int64_t cpu_look_at; /* IO_NO_DEADLINE: never */
    uint64_t cpu_before; /* CPU time, in microseconds, that was used before the command began */
    bool paused;
    bool pause_to;     /* what the engine is doing (sandbox.pausing): pause or resume */
    bool pause_unsure; /* the last one failed, so the run may be paused or not */
    bool failed;       /* `error` is what the caller gets */
    lrun_error error;
    struct run_result result;
    char host_kernel[sizeof(((struct utsname *)0)->release)];
    char kernel[sizeof(((struct utsname *)0)->release)];
    char setup_kernel[STEPS_KERNEL_SIZE];
    char unenforced[64];
    char left_behind[64];
    char checked[96];        /* what the evidence covered (evidence.h) */
    bool heard;              /* the agent's HELLO has arrived */
    int64_t began, prepared; /* microseconds; 0: not reached */
};

static inline bool life_is_session(const struct supervisor *s)
{
    return s->session.idle_ms > 0;
}

/* Goes to END: kills the sandbox. Does nothing if that was done already. */
void life_end(struct supervisor *s);
/* Like life_end(), with s->error as the outcome. The caller has set it. */
void life_fail(struct supervisor *s);
/* Goes to END, with SIGKILL as the command's end. */
void life_killed(struct supervisor *s);
void life_cancel(struct supervisor *s);
/* The agent has sent what it must not. */
void life_fail_protocol(struct supervisor *s, const char *what);

/* Files that were wanted whatever the outcome cannot be extracted any more; the result says why. */
void life_lose_files(struct supervisor *s, const char *reason);

/* Resumes the sandbox if it is paused: a process that is frozen does not die. */
int life_thaw(struct supervisor *s, lrun_error *err);

/* Takes the error from a FAILED frame. Returns false if the frame breaks the protocol. */
bool life_take_failure(const struct frame *f, lrun_error *err);

/* Forgets the files that were being copied. */
void life_end_copy(struct supervisor *s);

/* Answers the client or the caller that asked for the pause or resume that was under way. */
void life_answer_later(struct supervisor *s, const lrun_error *failed);

/* Whether a program of the user has run, or may have. */
bool life_has_run(const struct supervisor *s);

/* Whether the files are extracted even though the command did not succeed. */
bool life_wants_files(const struct supervisor *s);

/* Has the engine freeze or thaw the sandbox. Returns 0 when it is done, or 1 if phase_on_paused() follows. */
int life_pause(struct supervisor *s, bool on, lrun_error *err);

#endif
