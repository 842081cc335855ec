/* SPDX-License-Identifier: MIT */
/*
 * The handle of a run, as the files of the library share it: run.c starts it, execution.c has its life, detached.c what
 * is different for a run that outlives its caller, control.c what a run can be told.
 */
#ifndef LIB_EXECUTION_H
#define LIB_EXECUTION_H

#include "launch.h"
#include "lines.h"

#include "base/buffer.h"
#include "wire/frame.h"
#include "wire/log.h"

#include <stdatomic.h>

enum {
    SEND_TIMEOUT_MS = 10 * 1000,      /* for the supervisor to take its request */
    EXIT_TIMEOUT_MS = 30 * 1000,      /* for it to end after its last frame */
    CANCEL_TIMEOUT_MS = 60 * 1000,    /* for the outcome after a cancel */
    OVERTIME_MS = 2 * 60 * 60 * 1000, /* for all but the command: images, setup, extraction */
    CONTROL_TIMEOUT_MS = 15 * 1000,   /* for the answer to a CONTROL */
    LOOK_INTERVAL_MS =
        50, /* between two looks at the state of a run whose supervisor is about to end */
    READ_SIZE = 256 * 1024,
    READS_PER_DISPATCH = 32,  /* then the caller's loop gets its turn */
    PIECES_PER_DISPATCH = 64, /* the same, of kept output: up to 8 MiB */
};

/* What lrun_execution_fd() waits for. */
enum wake {
    WAKE_ON_FRAMES, /* the socket */
    WAKE_AT_END, /* the socket has ended, without an outcome: the end of the process, or the next look at the state */
    WAKE_NOW,    /* there is something to do already */
    WAKE_NEVER,  /* the end was reported */
};

struct lrun_execution {
    char id[32];
    struct launched process; /* pid 0: nothing was started */
    int cancel;              /* eventfd of lrun_execution_cancel() */
    int caller_cancel;       /* own copy of the callbacks' cancel_fd, or -1 */
    atomic_bool cancelled;   /* lrun_execution_cancel() was called */
    int64_t deadline;        /* when the outcome must be there */
    struct buffer in;
    lrun_output_fn on_output;
    lrun_progress_fn on_progress;
    void *user;
    struct lines lines[2];
    bool handed_over; /* what comes behind STARTED is not for us: the run may have ended by now */
    bool detached;
    bool started;          /* the command is running */
    int state_dir, log_fd; /* of a detached run; -1: none */
    int watch, timer; /* lrun_execution_fd(): an epoll, and what it watches beside the socket */
    enum wake wake;
    struct log_reader log;
    bool grown;          /* there may be kept output that was not delivered */
    int64_t last_number; /* of a CONTROL; the answer has the same */
    int64_t awaited;     /* the number whose answer is waited for; 0: none */
    bool answered;       /* it has come: `answer` */
    lrun_error answer;
    bool in_callback; /* the caller's code runs: nothing may read or free what it was called from */
    bool freed; /* by a callback: free the handle before the call that made the callback returns */
    bool ended; /* the socket has: the outcome is to be found by other ways */
    int64_t end_deadline; /* until when, once it has ended */
    bool unreachable;     /* the outcome is that it cannot be known whether the run goes on */
    bool ending;          /* the outcome is known: result, or error */
    bool done;            /* and all output was delivered */
    bool reported;        /* and the caller knows: nothing wakes it any more */
    bool waited;          /* and was handed over */
    lrun_result *result;
    lrun_error error;
};

/* A handle without a run; NULL when memory is out. */
lrun_execution *execution_new(void);
void execution_set_callbacks(lrun_execution *x, const lrun_callbacks *callbacks);

/* Until *enough is true, the outcome is known, or the deadline has passed; or the caller's own limit. */
void execution_run_until(lrun_execution *x, const bool *enough, int64_t limit);

/* Takes what the socket has. Returns whether it had nothing more to give. */
bool execution_receive(lrun_execution *x);

/* After whatever may have changed it: when lrun_execution_fd() is to be readable. */
void execution_set_wake(lrun_execution *x);

/* Makes the fd of lrun_execution_fd(), which needs the socket. */
int execution_watch(lrun_execution *x, lrun_error *err);

/* Sends a frame, waiting for the supervisor if need be. One that has ended is no error: that is found by
 * reading. A frame of less than a page is sent in one piece: others may write to the socket too. */
int execution_send(int socket, enum frame_type type, const char *payload, lrun_error *err);

/* Waits for the end of the process that was started, killing it if need be, and says how it ended. */
void execution_reap(lrun_execution *x, char *how, size_t size);

/* The supervisor is lost, which is the outcome (SUPERVISOR_LOST); kills it, if it is ours. */
__attribute__((format(printf, 2, 3))) void execution_lose(lrun_execution *x, const char *format,
                                                          ...);

/* The outcome is known. What is left is to deliver output that has been kept. */
void execution_finish(lrun_execution *x);

/* The error of a detached run that has ended, by a cancel, before its command. Returns -1. */
int execution_never_ran(lrun_error *err);

/* Hands output to the caller's callbacks. */
void execution_deliver(lrun_execution *x, lrun_stream stream, const char *data, size_t length);

/*
 * Every public function that reads from the supervisor, and so may call callbacks, begins with
 * execution_enter(), which fails in a callback, and ends with `return execution_leave(x, rc, err)`, which
 * frees a handle that a callback has freed, and fails then.
 */
int execution_enter(const lrun_execution *x, const char *operation, lrun_error *err);
int execution_leave(lrun_execution *x, int rc, lrun_error *err);

/* The run of which the command has been awaited goes on by itself; the handle is one of lrun_attach(). */
int detached_hand_over(lrun_execution *x, lrun_error *err);

/* The connection has ended (`failed`: errno): what became of the run is in its state, now or, should the supervisor
 * still be going, later. */
void detached_take_end(lrun_execution *x, int failed);

/* Delivers kept output, until there is no more (`grown` is false then) or for one turn of the caller's loop. */
void detached_take_log(lrun_execution *x);

#endif
