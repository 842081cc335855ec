/* SPDX-License-Identifier: MIT */
/**
 * @file lightrunner.h
 * light-runner: run code that you did not write in a disposable sandbox.
 *
 * The way through the API:
 *
 *     lrun_runner_new()            how hard the wall is, and the limits
 *       lrun_run()                 start one run; returns a handle at once
 *         lrun_execution_wait()    block until the result is there, or
 *         lrun_execution_fd()      poll this fd with your own event loop and
 *         lrun_execution_dispatch()  call this when it is readable
 *       lrun_result_free()
 *     lrun_execution_free()
 *     lrun_runner_free()
 *
 * Conventions
 *  - Functions that can fail return 0 or -1, and fill the caller's lrun_error (last parameter; may be
 *    NULL).
 *  - What comes through a `**out` parameter is the caller's to free with the matching `_free`; what
 * is returned by value as a pointer is borrowed. Every `_free` accepts NULL.
 *  - Structs that the caller makes and that start with `size` may grow: set `size` to sizeof the struct
 *    (LRUN_INIT does). A zero field means the default. New fields are only appended, so that a program works
 *    with an older and with a newer library than the one that it was compiled for; an option that the
 *    library does not know is an error.
 *  - lrun_result and lrun_progress, which the library makes, may grow at their end. A program may read a field only if
 *    lrun_version() is at least the version of the field's "Since".
 *  - lrun_error, lrun_extract and lrun_extracted never change: they have no size, and are made in arrays or on the
 *    caller's stack.
 *  - "Their program failed" is a result; "we failed" is an error.
 *  - The library starts no threads, installs no signal handlers and keeps no global state. Distinct
 *    handles may be used from distinct threads at the same time; one handle from one thread at a
 *    time, except for lrun_execution_cancel().
 *
 * Callbacks
 *  - The callbacks of a request (on_output, on_log, on_progress) are called by the functions that
 *    read from the run: lrun_execution_dispatch(), lrun_execution_wait(), lrun_execution_stop(),
 *    lrun_execution_pause() and lrun_execution_resume(); for a detached run, on_progress also by lrun_run().
 *    They are called in the thread that calls that function, one at a time for each handle.
 *  - With the handle that it is called for, a callback may call
 *      lrun_execution_cancel(), lrun_execution_id(), lrun_execution_fd();
 *      lrun_execution_stop(), which then sends the order and returns without waiting for the answer;
 *      lrun_execution_free(), which takes effect when the function that made the callback is about to
 *        return: until then no more callbacks come, and that function frees the handle as described
 *        at lrun_execution_free() and returns -1 with LRUN_INVALID_ARGUMENT.
 *    All other functions return -1 with LRUN_INVALID_ARGUMENT, and change nothing.
 *  - With other handles a callback may do anything.
 *  - A callback must return: not leave by longjmp() or by an exception.
 */
#ifndef LIGHTRUNNER_H
#define LIGHTRUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of this header, for a program that is compiled against more than one. The library that it runs with may be
 * another: see lrun_version_number(). */
#define LRUN_VERSION_MAJOR 0
#define LRUN_VERSION_MINOR 1
#define LRUN_VERSION_PATCH 0
#define LRUN_VERSION       "0.1.0"

/** A version as a number that grows with it: #if LRUN_VERSION_NUMBER >= LRUN_MAKE_VERSION(0, 2, 0) */
#define LRUN_MAKE_VERSION(major, minor, patch) ((major)*65536 + (minor)*256 + (patch))
#define LRUN_VERSION_NUMBER                                                                        \
    LRUN_MAKE_VERSION(LRUN_VERSION_MAJOR, LRUN_VERSION_MINOR, LRUN_VERSION_PATCH)

#if defined(__GNUC__)
#define LRUN_API __attribute__((visibility("default")))
#else
#define LRUN_API
#endif

/** Declares an option struct with its size set and everything else zero: LRUN_INIT(lrun_request, req);
 */
#ifdef __cplusplus
#define LRUN_INIT(type, name)                                                                      \
    type name = {};                                                                                \
    name.size = sizeof(type)
#else
#define LRUN_INIT(type, name)                                                                      \
    type name = {0};                                                                               \
    name.size = sizeof(type)
#endif

/** The library's version, "MAJOR.MINOR.PATCH". Static: do not free it. Thread-safe, does not block. Since 0.1. */
LRUN_API const char *lrun_version(void);

/** The library's version as LRUN_MAKE_VERSION() makes it. Thread-safe, does not block. Since 0.1. */
LRUN_API unsigned lrun_version_number(void);

/**
 * Frees a text that the library has given through a `char **`. A program must not use free() for it: its libc may not
 * be the library's.
 * @param text  may be NULL
 * Thread-safe, does not block. Since 0.1.
 */
LRUN_API void lrun_string_free(char *text);

/* ------------------------------------------------------------------ errors */

/**
 * What went wrong, for programs. Values and names (lrun_code_name()) never change; later versions may add codes, so
 * treat one that you do not know like LRUN_INTERNAL. Where the name differs from the constant's, the comment quotes it:
 * the names are those of the JSON documents. Since 0.1.
 */
typedef enum lrun_code {
    LRUN_OK = 0,
    LRUN_INVALID_ARGUMENT = 1, /**< a field of the request or an option is wrong; nothing started */
    LRUN_ENGINE_UNREACHABLE = 2, /**< "DOCKER_UNREACHABLE": the engine's daemon does not answer */
    LRUN_STORAGE_FAILED = 3, /**< "VOLUME_CREATE_FAILED": the run's storage could not be created */
    LRUN_START_FAILED = 4, /**< "CONTAINER_START_FAILED": there is no such image, the runtime is not
                                  installed, or the sandbox could not be created or started */
    LRUN_SEED_FAILED = 5,  /**< `dir` could not be copied in */
    LRUN_EXTRACT_FAILED = 6,  /**< extraction as a whole failed, not only one entry of it */
    LRUN_IMAGE_INVALID = 7,   /**< the image cannot be used */
    LRUN_IMAGE_NOT_FOUND = 8, /**< there is no image of that name (image functions only) */
    LRUN_NOT_SUPPORTED = 9,   /**< not supported by this engine, tier or version */
    LRUN_ISOLATION_FAILED =
        10, /**< the sandbox is not the one that was asked for, and the command did
                                     not start; or the sandbox was brought down from inside */
    LRUN_SUPERVISOR_LOST = 11, /**< the run's supervisor died or broke the protocol */
    LRUN_IO_FAILED = 12,       /**< reading or writing on the host failed */
    LRUN_OUT_OF_MEMORY = 13,
    LRUN_INTERNAL = 14 /**< a defect of light-runner */
} lrun_code;

/** The code's name as in the documentation, e.g. "CONTAINER_START_FAILED". Borrowed, static. */
LRUN_API const char *lrun_code_name(lrun_code code);

/** One error. Owned by the caller, holds no pointers, needs no free. Since 0.1. */
typedef struct lrun_error {
    lrun_code code;
    char message[768];  /**< for people; no newline at its end */
    char operation[48]; /**< what was being done, e.g. "image.resolve"; may be empty */
    char container[48]; /**< the run's id when known; may be empty */
    char hint[512];     /**< what to do about it; may be empty */
} lrun_error;

/** An error that holds nothing: lrun_error error = LRUN_ERROR_INIT; */
#define LRUN_ERROR_INIT                                                                            \
    {                                                                                              \
        LRUN_OK, "", "", "", ""                                                                    \
    }

/* ------------------------------------------------------------------ runner */

/** A three-valued switch whose zero is "the default". */
typedef enum lrun_switch { LRUN_DEFAULT = 0, LRUN_ON = 1, LRUN_OFF = 2 } lrun_switch;

/** How runs are isolated and limited. Strings are copied by lrun_runner_new(). Since 0.1. */
typedef struct lrun_runner_options {
    size_t size;
    const char *runtime;           /**< tier: "runc" (default), "runsc", "kata" */
    const char *engine;            /**< "auto" (default), "local", "docker". "auto" is Docker if a
                                      daemon answers, but local for an image that the local store
                                      has, and for one that has to be pulled for a tier that only
                                      the local engine has */
    const char *memory;            /**< hard cap, <digits>[k|m|g]; default "512m" */
    double cpus;                   /**< cores, at least 0.01; default 1. More than there are: all */
    const char *gpus;              /**< "all", a count, "device=0", "0,1"; default none */
    lrun_switch no_new_privileges; /**< default on */
    const char *disk;           /**< cap on what a run may write; default "1g", on Docker none: few
                                      of its storage drivers have one, and a daemon that has none
                                      is rejected only if this is set */
    uint64_t max_extract_bytes; /**< cap per extract entry; default 1 GiB */
    /** Cap on a run's output; default 256 MiB. What is kept of it (of a detached run the log, else what the caller does
     * not read yet) takes 256 KiB more at most: output in very small pieces, which have 16 bytes of header each, is cut
     * earlier. */
    uint64_t max_log_bytes;
    const char *supervisor; /**< path of light-runner-supervisor; default: $LIGHT_RUNNER_SUPERVISOR,
                                 then the installed one */
    const char *const
        *allow_unenforced; /**< NULL-terminated: "memory", "cpus", "pids". Without root,
                                 a run is refused where these cannot be enforced, unless they are
                                 named here */
    const char *const
        *allow_egress; /**< NULL-terminated: "host", "metadata". On the engine local the default
                            network does not reach the host's own addresses ("host") nor link-local
                            addresses and the metadata services of clouds ("metadata"), unless they
                            are named here. On the engine docker they are not closed; see
                            lrun_result.unenforced */
    const char *
        setup_runtime; /**< the tier of setup steps (lrun_request.run), which execute the image's own
                                 programs; default: `runtime`. Only "runc" is supported today: a run with
                                 steps in another tier is rejected (NOT_SUPPORTED) unless this says "runc" */
    const char
        *setup_network; /**< "none": setup steps have no network; default: the default network,
                                 also when the run has none */
    const char
        *accelerator; /**< of the tier "kata" on the engine "local": "any" (default), or "kvm",
                                 so that a run is refused where an emulator would run its VM */
    unsigned pids;    /**< processes and threads of a run, at most 32768; default 100 */
} lrun_runner_options;

/** Runs made with one set of options. Immutable: may be shared by threads. */
typedef struct lrun_runner lrun_runner;

/**
 * Checks the options and makes a runner. Starts nothing.
 * @param out      receives the runner; free it with lrun_runner_free()
 * @param options  NULL means all defaults
 * Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. Since 0.1.
 */
LRUN_API int lrun_runner_new(lrun_runner **out, const lrun_runner_options *options,
                             lrun_error *err);
LRUN_API void lrun_runner_free(lrun_runner *runner);

/* ------------------------------------------------------------------ request */

typedef enum lrun_stream { LRUN_STDOUT = 1, LRUN_STDERR = 2 } lrun_stream;

/**
 * Called with output of the run. What it may call: see "Callbacks" at the top of this file.
 * @param user  the request's `user`
 * @param data  not NUL-terminated, valid during the call only; may hold any byte
 */
typedef void (*lrun_output_fn)(void *user, lrun_stream stream, const char *data, size_t length);

/** How far something is that comes before a run and can take long. Since 0.1. */
typedef struct lrun_progress {
    const char
        *what;      /**< "pull": the image comes from its registry; "setup": the steps of `run` are
                           being done. There may be others */
    uint64_t done;  /**< bytes; 0 where not known */
    uint64_t total; /**< bytes; 0 where not known */
} lrun_progress;

/** Called a few times a second meanwhile. `progress` is valid during the call only. What it may call: see
 * "Callbacks" at the top of this file. */
typedef void (*lrun_progress_fn)(void *user, const lrun_progress *progress);

/**
 * What comes out has the modes that it has in the sandbox, cut by the caller's umask. Files and folders that are there
 * already stay or are replaced, but nothing is written into a `.git` that was there before, nor in its place: that is an
 * error of the entry. Other files that tools execute by their name (Makefile, .envrc, package.json...) are not looked at: give
 * a fresh folder for `to`. An entry that fails leaves the files that were complete, and no half of one. Each file and each
 * folder counts as 512 bytes more than its contents, as in a tar.
 */
typedef struct lrun_extract {
    const char *from; /**< absolute, or relative to workdir */
    const char *to;   /**< host folder, created with its parents */
} lrun_extract;

/** One run. Everything is copied or used before lrun_run() returns, except the fds. Since 0.1. */
typedef struct lrun_request {
    size_t size;
    const char *image;      /**< required */
    const char *entrypoint; /**< shell command, run as `sh -c`; default: the image's own */
    const char *const
        *run;        /**< setup steps, NULL-terminated: shell commands, done once on top of the
                                 image, in a sandbox of their own, and kept. They execute the image's
                                 programs: see setup_runtime and setup_network in lrun_runner_options */
    const char *dir; /**< host folder copied into workdir */
    const char *input_json; /**< JSON text written to stdin as it is, then EOF; NULL: empty stdin */
    int input_fd;           /**< or: bytes for stdin are read from here; 0 = none. Borrowed, may be
                                 closed once lrun_run() has returned */
    uint64_t timeout_ms;    /**< default 20 minutes */
    const char *const *networks; /**< NULL-terminated; {"none", NULL}: no network */
    const char *const *env;      /**< "NAME=value", NULL-terminated; invalid names are dropped */
    const char *workdir;         /**< absolute; default "/app", or the image's own where
                                      `entrypoint` is not given. Made if it is missing; the command's
                                      user can write to it, unless it is "/". If nobody names one and
                                      the image has a file /app, it is "/" */
    const lrun_extract *extract; /**< what to bring out after exit code 0; see extract_when */
    size_t extract_count;
    bool detached; /**< the run outlives this process: lrun_run() returns once the command runs, or
                        with an error if it never will (CONTAINER_START_FAILED also when the run was
                        cancelled before that); input is refused, and no output is delivered here. It
                        is kept (lrun_logs()), its state too */
    int cancel_fd; /**< when this fd becomes readable the run is cancelled; 0 = none. Readable
                              already: cancelled at once. One eventfd may serve many runs */
    lrun_output_fn
        on_log; /**< once per line, without its newline; lines over 16 MiB come in parts */
    lrun_output_fn on_output; /**< raw chunks as they come */
    void *user;               /**< passed to the callbacks */
    lrun_progress_fn on_progress;
    const char *const *dns; /**< NULL-terminated: addresses of name servers, at most 3, which are
                                 asked on port 53; default: those that the host asks */
    /** The command as a list of words, NULL-terminated, in the place of `entrypoint`: no shell reads them, and the
     * image needs none. The first names a program, which is looked up in the run's PATH unless it holds a slash. If it
     * is not there, the command ends with exit code 127; if it cannot be executed, with 126; stderr says why */
    const char *const *argv;
    const char *const *
        ignore; /**< NULL-terminated: names that are left out of `dir` at any depth, without slashes;
                                    {NULL}: nothing is. Default: .git node_modules dist build .next .cache .turbo
                                    coverage */
    const char *
        links; /**< symbolic links in `dir`: "skip" (default), or "inside": those that are relative and lead
                            to a file or folder that is copied are copied as links. All others are skipped */
    /** When `extract` brings files out: "success" (default), after exit code 0; or "always", also after another exit
     * code, a timeout or a kill for want of memory. Never after a cancel. If the whole sandbox has died (in the tier
     * "runsc" of want of memory, say), the entries are errors */
    const char *extract_when;
    /** ms of CPU time of the whole sandbox, from the command's start on, however many processes share it; then the run is
     * killed, and lrun_result.cpu_timed_out set. 0: no such limit. Usually noticed within 10 ms times `cpus`; a run that
     * has ended by itself before that is not affected. In the tier "runsc" gVisor's own kernel is counted, in "kata" the
     * VM. Error NOT_SUPPORTED where nothing counts CPU time: without a cgroup of the user's, with a Docker daemon on
     * another machine, with Docker's kata */
    uint64_t cpu_timeout_ms;
} lrun_request;

/* ------------------------------------------------------------------ result */

typedef enum lrun_extract_status {
    LRUN_EXTRACT_OK = 0,
    LRUN_EXTRACT_MISSING = 1,
    LRUN_EXTRACT_ERROR = 2
} lrun_extract_status;

typedef struct lrun_extracted {
    const char *from;
    const char *to;
    lrun_extract_status status;
    uint64_t bytes; /**< size of the archive that carried it (512 per entry, data rounded to 512) */
    const char *reason; /**< for LRUN_EXTRACT_ERROR, else NULL; in JSON it is named "error" */
} lrun_extracted;

/** What became of a run. Pointers live as long as the result. Since 0.1. */
typedef struct lrun_result {
    bool success;  /**< exit code 0, not cancelled, not timed out, not over its CPU time */
    int exit_code; /**< 128+N after signal N */
    int signal;    /**< the signal that ended the command, else 0 */
    bool cancelled;
    bool timed_out;
    bool oom_killed;
    bool log_truncated;              /**< output went over max_log_bytes and was cut */
    uint64_t duration_ms;            /**< of the whole run */
    const char *id;                  /**< light-runner-<12 hex> */
    const lrun_extracted *extracted; /**< NULL if extraction was not asked for or did not run */
    size_t extracted_count;
    struct {
        uint64_t cpu_ms, user_ms, system_ms, peak_memory_bytes, processes;
    } usage; /**< of the whole sandbox, what carries its network included (about 20 MiB, 30 ms and
                  3 processes on the engine local); 0 where unknown. `processes`: the most at once,
                  threads included; in the tier "runsc" those of gVisor's kernel (some 30), as the host
                  does not see the program's own */
    struct {
        const char *runtime, *kernel, *host_kernel;
        bool verified; /**< before the command ran, everything in `checked` was as promised */
    } isolation;
    struct {
        double prepare_ms, start_ms, run_ms, collect_ms;
    } timings;
    const char *unenforced; /**< what was not enforced, with commas: "memory", "cpus", "pids", where
                                 allow_unenforced has them; on Docker "disk" without a cap, and
                                 "egress" with a network that reaches what allow_egress does not
                                 name; NULL: everything was */
    const char *accelerator; /**< what ran the code of the VM: "kvm", the processor, or "tcg", an
                                  emulator in software, which is much slower; NULL: there is none,
                                  or its engine does not say */
    struct {
        const char
            *runtime;       /**< the tier that the setup steps were run in; NULL: there were none */
        const char *kernel; /**< the kernel that they ran on; NULL: an earlier run has done them */
        const char *network; /**< "none", or the name of their network */
    } setup;
    const char *checked; /**< what the sandbox said of itself and was compared, before the command
                                  ran, with what was promised: "kernel,processes,seccomp,noNewPrivileges,
                                  capabilities,ids"; what was not promised is left out. NULL: nothing */
    const char *
        left_behind; /**< what the Docker daemon did not remove, with commas: "container", "volume",
                                  "network", all named `id`; lrun_reap() removes it. NULL: nothing */
    bool cpu_timed_out; /**< it has used up its cpu_timeout_ms */
} lrun_result;

/** The result as the JSON document that the CLI prints. Borrowed from the result. Since 0.1. */
LRUN_API const char *lrun_result_json(const lrun_result *result);
LRUN_API void lrun_result_free(lrun_result *result);

/* ------------------------------------------------------------------ execution */

/** A run that has been started. */
typedef struct lrun_execution lrun_execution;

/**
 * Checks the request and starts one run. Returns without waiting for the sandbox, unless the run is detached.
 * @param runner  is only read, and may be freed once this has returned
 * @param out     receives the handle; free it with lrun_execution_free(). NULL on failure
 * Errors: INVALID_ARGUMENT (nothing was started), SUPERVISOR_LOST (the supervisor cannot be
 * started), IO_FAILED, OUT_OF_MEMORY; for a detached run all that keep the command from running. Everything later
 * comes from lrun_execution_wait(). Since 0.1.
 *
 * The run's supervisor is a child process of the caller. The caller may ignore SIGCHLD or wait for all children:
 * an error then cannot say how the supervisor ended, and nothing else changes. The run is cancelled when the
 * caller's process ends. A process that the caller has forked, and that does not exec, keeps the handle's socket open:
 * while it lives, the caller's death does not cancel the run.
 */
LRUN_API int lrun_run(const lrun_runner *runner, const lrun_request *request, lrun_execution **out,
                      lrun_error *err);

/**
 * The same with the request as a JSON document (docs/request.schema.json). Its `options` override
 * the runner's, field by field.
 * @param json  `length` bytes, UTF-8, without a NUL at the end
 * @param base  fds, callbacks and `user`; its other fields must be zero. May be NULL
 */
LRUN_API int lrun_run_json(const lrun_runner *runner, const char *json, size_t length,
                           const lrun_request *base, lrun_execution **out, lrun_error *err);

/** The run's id, "light-runner-<12 hex>". Borrowed from the handle. */
LRUN_API const char *lrun_execution_id(const lrun_execution *execution);

/** An fd that is readable when lrun_execution_dispatch() may have work, and for ever once the end is known. It is the
 * same for the life of the handle. Borrowed: do not read or close it. */
LRUN_API int lrun_execution_fd(const lrun_execution *execution);

/**
 * Takes what has arrived, without blocking, and calls the callbacks.
 * @param done  set to true once the end is known: lrun_execution_wait() will not block any more. Also
 *              true if a callback has freed the handle. May be NULL
 * Errors: INVALID_ARGUMENT (called in a callback of the same handle, or a callback has freed the handle). The run's
 * own errors come from lrun_execution_wait().
 */
LRUN_API int lrun_execution_dispatch(lrun_execution *execution, bool *done, lrun_error *err);

/**
 * Waits for the end, calling the callbacks meanwhile. After it has returned 0 or the run's error,
 * nothing of the sandbox is left, unless the result says so (left_behind).
 * @param out  receives the result; free it with lrun_result_free(). NULL on failure
 * Errors: those of the run; INVALID_ARGUMENT (a second call, called in a callback of the same handle, or a
 * callback has freed the handle).
 */
LRUN_API int lrun_execution_wait(lrun_execution *execution, lrun_result **out, lrun_error *err);

/**
 * Asks for the run to be killed, and returns at once. Idempotent; safe from any thread and from a
 * signal handler as long as the handle lives. The result then says `cancelled`.
 */
LRUN_API int lrun_execution_cancel(lrun_execution *execution);

/** Frees the handle. A run that is still going is cancelled and waited for first, without calling any
 * callback; a detached one is left alone. In a callback of the same handle this is put off until the function
 * that made the callback returns. */
LRUN_API void lrun_execution_free(lrun_execution *execution);

/* ------------------------------------------------------------------ control */

/** The grace of a stop that names none: ms. */
#define LRUN_STOP_GRACE_MS 10000

/**
 * Sends a signal to the command, and SIGKILL to all of the sandbox after the grace. Returns when the
 * supervisor has confirmed that, not when the run has ended; output that comes meanwhile is delivered.
 * In a callback of the same handle it returns as soon as the order has been sent. The result then says
 * `cancelled`. Nothing happens to a run that has ended.
 * @param signal    a signal's number; 0: SIGTERM
 * @param grace_ms  0: kill at once; below 0: LRUN_STOP_GRACE_MS; at most a day
 * Errors: INVALID_ARGUMENT, SUPERVISOR_LOST (no answer within 15 s). Since 0.1.
 */
LRUN_API int lrun_execution_stop(lrun_execution *execution, int signal, int64_t grace_ms,
                                 lrun_error *err);

/**
 * Freezes everything in the sandbox, and thaws it. Memory is kept, and the timeout goes on. Returns when the
 * supervisor has done it; output that comes meanwhile is delivered.
 * Errors: INVALID_ARGUMENT (the command is not running yet or any more, or called in a callback of the same
 * handle), SUPERVISOR_LOST (no answer within 15 s), those of the engine. Since 0.1.
 */
LRUN_API int lrun_execution_pause(lrun_execution *execution, lrun_error *err);
LRUN_API int lrun_execution_resume(lrun_execution *execution, lrun_error *err);

/* ------------------------------------------------------------------ detached runs */

/**
 * A handle for a detached run, of this process or of another one of the same user. With callbacks in
 * `base` the output from now on is delivered by lrun_execution_wait() and lrun_execution_dispatch(). Several may be
 * attached at once. Freeing the handle leaves the run alone.
 * @param id    the run's id
 * @param base  callbacks and `user`; its other fields must be zero. May be NULL
 * @param out   receives the handle; free it with lrun_execution_free(). NULL on failure, and when the id is
 *              unknown, which is not an error
 * Errors: INVALID_ARGUMENT; IO_FAILED: the state cannot be read, or the supervisor cannot be reached (waits up to
 * 5 s) and is not known to be gone: it may be stopped, or on another machine that shares the folder. The run
 * is left as it is then. For a run whose supervisor is known to be gone lrun_attach() succeeds, the state becomes
 * `failed`, and lrun_execution_wait() returns SUPERVISOR_LOST. Since 0.1.
 */
LRUN_API int lrun_attach(const char *id, const lrun_request *base, lrun_execution **out,
                         lrun_error *err);

/**
 * The states of all detached runs, oldest first, as a JSON array; or that of one as an object.
 * @param id   NULL: all. With an id that is unknown *out is NULL.
 * @param out  receives the text; free it with lrun_string_free()
 * Errors: IO_FAILED. Since 0.1.
 */
LRUN_API int lrun_states(const char *id, char **out, lrun_error *err);

/** Called once per line, without its newline. @param time_ms when it began: ms since 1970 */
typedef void (*lrun_line_fn)(void *user, lrun_stream stream, int64_t time_ms, const char *data,
                             size_t length);

/** What lrun_logs() is to deliver. Since 0.1. */
typedef struct lrun_logs_options {
    size_t size;
    bool follow;      /**< go on until the run has ended */
    int64_t since_ms; /**< nothing from before this point in time: ms since 1970 */
    int cancel_fd;    /**< return when this fd becomes readable; 0 = none */
    lrun_line_fn on_line;
    void *user;
} lrun_logs_options;

/**
 * The kept output of a detached run.
 * Errors: INVALID_ARGUMENT (no such run), IO_FAILED. Since 0.1.
 */
LRUN_API int lrun_logs(const char *id, const lrun_logs_options *options, lrun_error *err);

/* ------------------------------------------------------------------ housekeeping */

/* What an engine is asked outside of any run. The engine is the runner's option of that name; each call starts
 * a process and blocks until it has answered. Thread-safe: the runner is only read. */

/**
 * Whether runs with the runner's engine and tier are possible here, as far as can be seen without one. 0, or -1
 * with the reason and a hint. Errors: DOCKER_UNREACHABLE (after 5 s at most), CONTAINER_START_FAILED (no such
 * runtime), NOT_SUPPORTED, SUPERVISOR_LOST. Since 0.1.
 */
LRUN_API int lrun_available(const lrun_runner *runner, lrun_error *err);

/** What lrun_reap() has removed. Declare it with LRUN_INIT(). Since 0.1. */
typedef struct lrun_reaped {
    size_t size;
    unsigned containers; /**< or what the local engine has in their place */
    unsigned volumes;
    unsigned states; /**< of detached runs, marked as failed */
} lrun_reaped;

/** The default of lrun_reap() where $LIGHT_RUNNER_REAP_AGE_MS says nothing else: ms. */
#define LRUN_REAP_AGE_MS (5 * 60000)

/**
 * Removes what runs have left whose supervisor was killed, if it is older than min_age_ms (below 0:
 * $LIGHT_RUNNER_REAP_AGE_MS, else LRUN_REAP_AGE_MS), and marks the states of such runs as failed. Touches nothing else; may be called at any
 * time, and by several at once. @param out may be NULL. Errors: those of the engine; SUPERVISOR_LOST.
 * Since 0.1.
 */
LRUN_API int lrun_reap(const lrun_runner *runner, int64_t min_age_ms, lrun_reaped *out,
                       lrun_error *err);

/**
 * Networks for `networks`, on the engine docker; others say NOT_SUPPORTED. One that is made here connects the runs
 * that use it, which the default one never does. lrun_network_create() of one that is there is an error, as is
 * lrun_network_remove() of one that is not, or is in use. lrun_network_prune() removes the unused ones that were
 * made here, and those whose name begins with "light-runner-". Errors: INVALID_ARGUMENT, NOT_SUPPORTED,
 * DOCKER_UNREACHABLE, SUPERVISOR_LOST. Since 0.1.
 */
LRUN_API int lrun_network_create(const lrun_runner *runner, const char *name, lrun_error *err);
LRUN_API int lrun_network_remove(const lrun_runner *runner, const char *name, lrun_error *err);
LRUN_API int lrun_network_exists(const lrun_runner *runner, const char *name, bool *exists,
                                 lrun_error *err);
LRUN_API int lrun_network_prune(const lrun_runner *runner, unsigned *count, lrun_error *err);

/** Removes the images that were made of setup steps and that no run uses. @param count how many; may be NULL.
 * Since 0.1. */
LRUN_API int lrun_clean_images(const lrun_runner *runner, unsigned *count, lrun_error *err);

/**
 * Marks the states of runs whose supervisor is gone as failed, and removes what such runs have left beside
 * them. A supervisor is gone when nobody listens at its socket and its process has ended; or, if the process cannot
 * be seen from here (another machine that shares the folder, another PID namespace, an earlier boot), when the run
 * should have ended two hours ago.
 * @param count  receives how many were marked; may be NULL
 * Errors: IO_FAILED, after all states were visited that can be read. Since 0.1.
 */
LRUN_API int lrun_reap_states(unsigned *count, lrun_error *err);

/** Removes the states and the output of runs that ended at least so long ago (ms). Since 0.1. */
LRUN_API int lrun_clean_states(int64_t older_than_ms, unsigned *count, lrun_error *err);

#ifdef __cplusplus
}
#endif
#endif
