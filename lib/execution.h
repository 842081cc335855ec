/* SPDX-License-Identifier: MIT */
/*
 * The handle of a run, which several files of the library share: run.c starts the run, execution.c
 * handles its life, detached.c handles what differs for a run that outlives its caller, and
 * control.c sends it orders.
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
    SEND_TIMEOUT_MS = 10 * 1000,      /* for the supervisor to accept its request */
    EXIT_TIMEOUT_MS = 30 * 1000,      /* for the supervisor to exit after its last frame */
    CANCEL_TIMEOUT_MS = 60 * 1000,    /* for the outcome after a cancel */
    OVERTIME_MS = 2 * 60 * 60 * 1000, /* for all but the command: images, steps, extraction */
    CONTROL_TIMEOUT_MS = 15 * 1000,   /* for the answer to a CONTROL */
    /* between two looks at the state of a run whose supervisor is about to end */
    LOOK_INTERVAL_MS = 50,
    READ_SIZE = 256 * 1024,
    READS_PER_DISPATCH = 1,   /* then the caller's loop gets its turn, and can stop reading */
    PIECES_PER_DISPATCH = 64, /* likewise, for kept output: up to 8 MiB */
};

/* The event that makes lrun_execution_fd() readable. */
enum wake {
    WAKE_ON_FRAMES, /* data on the socket */
    /* the socket has ended without an outcome: the end of the process, or the time of the next look
     * at the state */
    WAKE_AT_END,
    WAKE_NOW,   /* there is already something to do */
    WAKE_NEVER, /* nothing: the end was reported */
};

struct lrun_execution {
    char id[32];
    struct launched process; /* pid 0: nothing was started */
    int cancel;              /* eventfd of lrun_execution_cancel() */
    int caller_cancel;       /* our copy of the callbacks' cancel_fd, or -1 */
    atomic_bool cancelled;   /* lrun_execution_cancel() was called */
    int64_t deadline;        /* when the outcome must have arrived */
    struct buffer in;
    lrun_output_fn on_output;
    lrun_progress_fn on_progress;
    lrun_start_fn on_start;
    void *user;
    struct lines lines[2];
    /* the run is being detached: frames after STARTED are not for us, and the run may have ended by
     * now */
    bool handed_over;
    bool detached;
    bool watches_cancel;   /* the supervisor does not know caller_cancel */
    bool in_session;       /* a task of a session: the socket is its own, the supervisor is not */
    char *ready;           /* a session's READY document; NULL: it has not arrived */
    bool started;          /* the command is running */
    int state_dir, log_fd; /* for a detached run; -1: none */
    int watch, timer;      /* lrun_execution_fd() is the epoll `watch`; `timer` is in it */
    enum wake wake;
    struct log_reader log;
    bool grown;          /* there may be kept output that is not delivered yet */
    int64_t last_number; /* the number of the last CONTROL; its answer has the same */
    int64_t awaited;     /* the number of the CONTROL whose answer we wait for; 0: none */
    bool answered;       /* `answer` has arrived */
    lrun_error answer;
    bool in_callback; /* the caller's code runs: do not read frames, or free the handle */
    /* a callback freed the handle: free it before the call that made the callback returns */
    bool freed;
    bool ended;           /* the socket has ended: the outcome must be found in another way */
    int64_t end_deadline; /* after `ended`: how long to look for the outcome */
    bool unreachable;     /* the outcome: it is unknown whether the run goes on */
    bool ending;          /* the outcome is known: `result` or `error` */
    bool done;            /* and all output has been delivered */
    bool reported;        /* and the caller knows: lrun_execution_fd() is not readable any more */
    bool waited;          /* the outcome was handed to the caller */
    lrun_result *result;
    lrun_error error;
};

/* A handle without a run; NULL when memory is out. */
lrun_execution *execution_new(void);
void execution_set_callbacks(lrun_execution *x, const lrun_callbacks *callbacks);

/* Handles events until *enough is true, the outcome is known, the deadline has passed, or `limit`
 * is reached. */
void execution_run_until(lrun_execution *x, const bool *enough, int64_t limit);

/* Handles the frames that have arrived. Returns whether the socket is drained. */
bool execution_receive(lrun_execution *x);

/* Sets when lrun_execution_fd() becomes readable. Call this after every change that may affect
 * it. */
void execution_set_wake(lrun_execution *x);

/* Passes a PROGRESS frame to the callback, which may be NULL. */
void execution_report_progress(const struct frame *f, lrun_progress_fn on_progress, void *user);

/* Creates the fd of lrun_execution_fd(). Call this once the socket, if there is one, is
 * connected. */
int execution_watch(lrun_execution *x, lrun_error *err);

/* Sends a frame, and waits for the supervisor if necessary. A supervisor that has ended is not an
 * error: reading finds that out. A frame of less than a page is sent in one piece, because others
 * may write to the socket too. */
int execution_send(int socket, enum frame_type type, const char *payload, lrun_error *err);

/* Waits until the process that was started has ended, and kills it if necessary. `how` says how it
 * ended. */
void execution_reap(lrun_execution *x, char *how, size_t size);

/* Closes a session, whose handle this is. Its outcome follows. */
int execution_close(lrun_execution *x, lrun_error *err);

/* Makes the loss of the supervisor the outcome (SUPERVISOR_LOST). Kills the supervisor if it is our
 * child. */
__attribute__((format(printf, 2, 3))) void execution_lose(lrun_execution *x, const char *format,
                                                          ...);

/* Notes that the outcome is known. After that, only kept output remains to be delivered. */
void execution_finish(lrun_execution *x);

/* Sets the error of a detached run that was cancelled before its command started. Returns -1. */
int execution_never_ran(lrun_error *err);

/* Passes output to the caller's callbacks. */
void execution_deliver(lrun_execution *x, lrun_stream stream, const char *data, size_t length);

/*
 * Every public function that reads from the supervisor may call callbacks. So it begins with
 * execution_enter(), which fails within a callback, and ends with `return execution_leave(x, rc,
 * err)`. If a callback has freed the handle, execution_leave() frees it now and fails.
 */
int execution_enter(const lrun_execution *x, const char *operation, lrun_error *err);
int execution_leave(lrun_execution *x, int rc, lrun_error *err);

/* Waits until the command has started. From then on the run is on its own, and the handle becomes
 * like one from lrun_attach(). */
int detached_hand_over(lrun_execution *x, lrun_error *err);

/* Handles the end of the connection (`failed`: errno). The outcome of the run is in its state: now,
 * or later if the supervisor is still going. */
void detached_take_end(lrun_execution *x, int failed);

/* Delivers kept output: either all of it (then `grown` becomes false), or as much as fits in one
 * turn of the caller's loop. */
void detached_take_log(lrun_execution *x);

/* Sends bytes, and an fd with the first of them (-1: none). */
int execution_send_with_fd(int socket, const struct buffer *bytes, int fd, lrun_error *err);

/* From now on, caller_cancel wakes the handle. Returns -1 with errno. */
int execution_watch_cancel(const lrun_execution *x);

#endif
