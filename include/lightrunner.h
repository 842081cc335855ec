/* SPDX-License-Identifier: MIT */
/**
 * @file lightrunner.h
 * light-runner: run code that you did not write in a disposable sandbox.
 *
 * How a run goes:
 *
 *     lrun_runner_new()              how runs are isolated and limited
 *       lrun_run()                   start one run; returns a handle at once
 *         lrun_execution_wait()      block until the result is there, or
 *         lrun_execution_fd()        poll this fd in your own event loop, and
 *         lrun_execution_dispatch()  call this when it is readable
 *       lrun_result_free()
 *     lrun_execution_free()
 *     lrun_runner_free()
 *
 * Conventions
 *  - Functions that can fail return 0 or -1, and fill the caller's lrun_error (the last parameter;
 *    it may be NULL).
 *  - A `**out` parameter gives the caller an object to free with the matching `_free` function. On
 *    failure *out is NULL. A pointer that is returned by value is borrowed. Each `_free` function
 *    accepts NULL.
 *  - Strings are UTF-8 and end with a NUL byte. A list of strings ends with a NULL. Times that end in
 *    `_ms` are milliseconds.
 *  - "Their program failed" is a result; "light-runner failed" is an error.
 *
 * Structs (docs/api-stability.md has the rules in full)
 *  - A struct that the caller fills starts with `size`. Start with its initialiser, or, where there
 *    are no macros, with its init function:
 *        lrun_request request = LRUN_REQUEST_INIT;
 *        lrun_request_init(request, sizeof(*request));
 *    A zero field means the default; an fd that is not given is -1.
 *  - Later versions append fields, so that a program works with an older and with a newer library
 *    than the one that it was compiled for. A field that the library does not know and that is not
 *    zero is an error.
 *  - A struct that the library fills may grow at its end, and is reached by a pointer. A program may
 *    read a field only if lrun_version_number() is at least the version of the field's "Since".
 *  - lrun_error never changes its size.
 *
 * Threads and signals
 *  - The library starts no threads, installs no signal handlers and keeps no global state.
 *  - A runner is only read, and may be used by several threads at once.
 *  - Distinct handles may be used by distinct threads at once. One handle may be used by one thread
 *    at a time, except for lrun_execution_cancel().
 *
 * Callbacks
 *  - The callbacks of a run (lrun_callbacks) are called by the functions that read from the run:
 *    lrun_execution_dispatch(), lrun_execution_wait(), lrun_execution_wait_for(),
 *    lrun_execution_stop(), lrun_execution_pause() and lrun_execution_resume(); for a detached run,
 *    on_progress and on_start also by lrun_run(). They are called in the thread that calls that
 *    function, one at a time for each handle.
 *  - With the handle that it is called for, a callback may call
 *      lrun_execution_cancel(), lrun_execution_id(), lrun_execution_fd();
 *      lrun_execution_stop() and lrun_execution_resize(), which then send the order and return without
 *        waiting for the answer;
 *      lrun_execution_free(), which takes effect when the function that made the callback is about to
 *        return: until then no more callbacks come, and that function frees the handle as described
 *        at lrun_execution_free() and returns -1 with LRUN_INVALID_ARGUMENT.
 *    All other functions return -1 with LRUN_INVALID_ARGUMENT, and change nothing.
 *  - With other handles a callback may do anything.
 *  - A callback must return: it must not leave by longjmp() or by an exception.
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

/* LRUN_..._INIT: what a struct of that type starts as. C++11 has no designated initialisers. */
#ifdef __cplusplus
#define LRUN_INITIAL_(type, ...)                                                                   \
    ([]() {                                                                                        \
        type initial_;                                                                             \
        type##_init(&initial_, sizeof(initial_));                                                  \
        return initial_;                                                                           \
    }())
#else
#define LRUN_INITIAL_(type, ...)                                                                   \
    {                                                                                              \
        .size = sizeof(type), __VA_ARGS__                                                          \
    }
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
    /** the sandbox is not the one that was asked for, and the command did not start; or the sandbox
     * was brought down from inside */
    LRUN_ISOLATION_FAILED = 10,
    LRUN_SUPERVISOR_LOST = 11, /**< the run's supervisor died or broke the protocol */
    LRUN_IO_FAILED = 12,       /**< reading or writing on the host failed */
    LRUN_OUT_OF_MEMORY = 13,
    LRUN_INTERNAL = 14,       /**< a defect of light-runner */
    LRUN_SETUP_FAILED = 15,   /**< "BUILD_FAILED": a setup step (`run`) failed. Since: 0.1.0 */
    LRUN_FILE_NOT_FOUND = 16, /**< there is no such file or folder in the session. Since: 0.1.0 */
    LRUN_FILE_FAILED = 17,    /**< an operation on a file of a session failed. Since: 0.1.0 */
    LRUN_POOL_EMPTY = 18      /**< no sandbox of the pool is ready. Since: 0.1.0 */
} lrun_code;

/**
 * The code's name, as the documentation and the JSON documents have it, e.g. "CONTAINER_START_FAILED".
 * @return static text: do not free it. "INTERNAL" for a code that this version does not know
 * Thread-safe, does not block. Since 0.1.
 */
LRUN_API const char *lrun_code_name(lrun_code code);

/**
 * One error. Owned by the caller; it holds no pointers and needs no free. Its size never changes,
 * as callers keep it on their stack. Later versions may use `reserved`, which is zero today.
 * Since 0.1.
 */
typedef struct lrun_error {
    lrun_code code;
    char message[768];  /**< for people; no newline at its end */
    char operation[48]; /**< what was being done, e.g. "image.resolve"; may be empty */
    char id[48];        /**< the run's id if it is known, else empty; "container" in JSON */
    char hint[512];     /**< what to do about it; may be empty */
    char reserved[124];
} lrun_error;

/** An error that holds nothing: lrun_error error = LRUN_ERROR_INIT; */
#define LRUN_ERROR_INIT                                                                            \
    {                                                                                              \
        LRUN_OK, "", "", "", "", ""                                                                \
    }

/* ------------------------------------------------------------------ runner */

/** A three-valued switch whose zero is "the default". */
typedef enum lrun_switch { LRUN_DEFAULT = 0, LRUN_ON = 1, LRUN_OFF = 2 } lrun_switch;

/** How runs are isolated and limited. Everything is copied by lrun_runner_new(). Since 0.1. */
typedef struct lrun_runner_options {
    size_t size;
    /** The tier: "runc" (default), "runsc", "kata" */
    const char *runtime;
    /** "auto" (default), "local", "docker". "auto" is Docker if a daemon answers, but local for an
     * image that the local store has, and for an image that has to be pulled for a tier that only the
     * local engine has */
    const char *engine;
    const char *memory; /**< hard limit, <digits>[k|m|g]; default "512m" */
    double cpus;        /**< cores, at least 0.01; default 1. More than there are: all of them */
    /** "all", a count, "device=0", "0,1"; default: none */
    const char *gpus;
    lrun_switch no_new_privileges; /**< default: on */
    /** Limit on what a run may write; default "1g", on Docker none: few of its storage drivers have
     * a limit, and a daemon without one is rejected only if this is set */
    const char *disk;
    uint64_t max_extract_bytes; /**< limit per extract entry; default 1 GiB */
    /** Limit on a run's output; default 256 MiB. What is kept of it (the log of a detached run, else
     * what the caller does not read yet) takes 256 KiB more at most: output in very small pieces, which
     * have 16 bytes of header each, is cut earlier */
    uint64_t max_log_bytes;
    /** Path of light-runner-supervisor; default: $LIGHT_RUNNER_SUPERVISOR, then the installed one */
    const char *supervisor;
    /** NULL-terminated: "memory", "cpus", "pids". Without root, a run is rejected where these cannot
     * be enforced, unless they are named here */
    const char *const *allow_unenforced;
    /** NULL-terminated: "host", "metadata". On the engine local the default network does not reach the
     * host's own addresses ("host") nor link-local addresses and the metadata services of clouds
     * ("metadata"), unless they are named here. On the engine docker they are not closed; see
     * lrun_isolation.unenforced */
    const char *const *allow_egress;
    /** The tier of setup steps (lrun_request.run), which execute the image's own programs; default:
     * `runtime`. Only "runc" is supported today: a run with steps in another tier is rejected
     * (LRUN_NOT_SUPPORTED) unless this says "runc" */
    const char *setup_runtime;
    /** "none": setup steps have no network; default: the default network, also if the run has none */
    const char *setup_network;
    /** For the tier "kata" on the engine "local": "any" (default), or "kvm", so that a run is rejected
     * where an emulator would run its VM */
    const char *accelerator;
    unsigned pids; /**< processes and threads of a run, at most 32768; default 100 */
} lrun_runner_options;

#define LRUN_RUNNER_OPTIONS_INIT LRUN_INITIAL_(lrun_runner_options, .runtime = NULL)

/**
 * Sets a struct to what LRUN_RUNNER_OPTIONS_INIT is.
 * @param size  sizeof(*options), as the caller's header has it
 * Thread-safe, does not block. Since 0.1.
 */
LRUN_API void lrun_runner_options_init(lrun_runner_options *options, size_t size);

/** Runs made with one set of options. Immutable: several threads may share it. */
typedef struct lrun_runner lrun_runner;

/**
 * Checks the options and makes a runner. Starts nothing.
 * @param out      receives the runner; free it with lrun_runner_free()
 * @param options  NULL: all defaults
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT or LRUN_OUT_OF_MEMORY
 * Thread-safe, does not block. Since 0.1.
 */
LRUN_API int lrun_runner_new(lrun_runner **out, const lrun_runner_options *options,
                             lrun_error *err);

/**
 * Frees a runner. Runs that were started with it go on.
 * @param runner  may be NULL; no other thread may use it any more
 * Does not block. Since 0.1.
 */
LRUN_API void lrun_runner_free(lrun_runner *runner);

/* ------------------------------------------------------------------ request */

/** One entry of lrun_request.extract. Each has its size, so that an array of them can grow. Since 0.1. */
typedef struct lrun_extract {
    size_t size;      /**< sizeof(lrun_extract), the same for all entries of an array */
    const char *from; /**< absolute, or relative to the working directory */
    const char *to;   /**< folder on the host, created with its parents */
} lrun_extract;

#define LRUN_EXTRACT_INIT LRUN_INITIAL_(lrun_extract, .from = NULL)

/** Sets a struct to what LRUN_EXTRACT_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1. */
LRUN_API void lrun_extract_init(lrun_extract *extract, size_t size);

/**
 * One run, as data: the JSON document of lrun_run_json() (docs/request.schema.json) has the same fields.
 * Copied by lrun_run(); `dir` is read while the run starts. Since 0.1.
 */
typedef struct lrun_request {
    size_t size;
    const char *image;      /**< required: its name, or "sha256:..." of the local store */
    const char *entrypoint; /**< shell command, run as `sh -c`; default: the image's own command */
    /** The command as a list of words, NULL-terminated, instead of `entrypoint`: no shell reads them,
     * and the image needs none. The first names a program, which is looked up in the run's PATH unless
     * it has a slash. If the program is not there, the command ends with exit code 127; if it cannot be
     * executed, with 126; stderr says why */
    const char *const *argv;
    /** Setup steps, NULL-terminated: shell commands, done once on top of the image, in a sandbox of
     * their own, and kept. They execute the image's programs: see setup_runtime and setup_network in
     * lrun_runner_options */
    const char *const *run;
    const char *dir; /**< folder on the host whose contents are copied to the working directory */
    /** NULL-terminated: names that are left out of `dir` at any depth, without slashes; {NULL}: nothing
     * is. Default: .git node_modules dist build .next .cache .turbo coverage */
    const char *const *ignore;
    /** Symbolic links in `dir`: "skip" (default), or "inside": a link that is relative and leads to a
     * file or folder that is copied is copied as a link. All others are skipped */
    const char *links;
    const char *input_json; /**< JSON text for stdin, as it is; or see lrun_callbacks.input_fd */
    uint64_t timeout_ms;    /**< then the command is killed; default 20 minutes */
    /** CPU time of the whole sandbox in ms, from the command's start on, however many processes share
     * it; then the run is killed, and lrun_result.cpu_timed_out is set. 0: no such limit. It is usually
     * noticed within 10 ms times `cpus`; a run that has ended by itself before that is not affected. In
     * the tier "runsc" gVisor's own kernel is counted, in "kata" the VM. LRUN_NOT_SUPPORTED where
     * nothing counts CPU time: without a cgroup of the user's, with a Docker daemon on another machine,
     * with Docker's kata */
    uint64_t cpu_timeout_ms;
    const char *const *networks; /**< NULL-terminated; {"none", NULL}: no network */
    /** NULL-terminated: addresses of name servers, at most 3, which are asked on port 53; default:
     * those that the host asks */
    const char *const *dns;
    const char *const *env; /**< "NAME=value", NULL-terminated; invalid names are dropped */
    /** Absolute; default "/app", or the image's own where `entrypoint` is not given. It is created if
     * it is missing; the command's user can write to it, unless it is "/". If it is not named and the
     * image has a file /app, it is "/" */
    const char *workdir;
    /** An array of `extract_count` entries: what is copied out; see `extract_when`. Files keep the modes
     * that they have in the sandbox, cut by the caller's umask. Files and folders that are there already
     * stay or are replaced, but nothing is written into a `.git` that was there before, nor in its place:
     * that is an error of the entry. Other files that tools execute by their name (Makefile, .envrc,
     * package.json...) are not looked at: give a fresh folder for `to`. An entry that fails leaves the
     * files that were complete, and no half of one. Each file and each folder counts as 512 bytes more
     * than its contents, as in a tar */
    const lrun_extract *extract;
    size_t extract_count;
    /** When `extract` copies files out: "success" (default), after exit code 0; or "always", also after
     * another exit code, a timeout or an out-of-memory kill. Never after a cancel. If the whole sandbox
     * has died (in the tier "runsc" for want of memory, say), the entries are errors */
    const char *extract_when;
    /** The run outlives this process: lrun_run() returns once the command runs, or with an error if it
     * never will (LRUN_START_FAILED also when the run was cancelled before that). Input is rejected, and
     * no output is delivered: it is kept (lrun_logs()), and so is the run's state (lrun_states()) */
    bool detached;
    /** The command gets a terminal of that size, which lrun_execution_resize() changes. All its output is LRUN_STDOUT then.
     * What is read from lrun_callbacks.input_fd is what is typed: the end of it is Ctrl-D. Not for detached runs */
    bool tty;
    unsigned tty_rows, tty_columns; /**< 0: not known */
} lrun_request;

#define LRUN_REQUEST_INIT LRUN_INITIAL_(lrun_request, .image = NULL)

/** Sets a struct to what LRUN_REQUEST_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1. */
LRUN_API void lrun_request_init(lrun_request *request, size_t size);

/* ------------------------------------------------------------------ callbacks */

typedef enum lrun_stream { LRUN_STDOUT = 1, LRUN_STDERR = 2 } lrun_stream;

/**
 * Called with output of the run. What it may call: see "Callbacks" at the top of this file.
 * @param user  lrun_callbacks.user
 * @param data  `length` bytes of any value, without a NUL at the end; valid during the call only
 */
typedef void (*lrun_output_fn)(void *user, lrun_stream stream, const char *data, size_t length);

/** The progress of something that can take long. Made by the library: it may grow. Since 0.1. */
typedef struct lrun_progress {
    /** "pull": the image comes from its registry; "import": an archive is unpacked; "setup": the steps
     * of `run` are being done. There may be others */
    const char *what;
    uint64_t done;  /**< bytes; 0 where it is not known */
    uint64_t total; /**< bytes; 0 where it is not known */
} lrun_progress;

/** Called a few times a second meanwhile. `progress` is valid during the call only. What it may call:
 * see "Callbacks" at the top of this file. */
typedef void (*lrun_progress_fn)(void *user, const lrun_progress *progress);

/** Called once, when the command runs. What it may call: see "Callbacks" at the top of this file. */
typedef void (*lrun_start_fn)(void *user);

/**
 * What connects a run with its caller: callbacks and file descriptors. None of it is part of the request,
 * which is data. Copied by the function that it is given to. Since 0.1.
 */
typedef struct lrun_callbacks {
    size_t size;
    void *user;               /**< passed to the callbacks; may be NULL */
    lrun_output_fn on_output; /**< output as it comes, in pieces; may be NULL */
    /** Output once per line, without its newline; a line over 16 MiB comes in parts. May be NULL */
    lrun_output_fn on_line;
    lrun_progress_fn on_progress; /**< may be NULL */
    /** The bytes for the command's stdin come from here, instead of `input_json`; -1: none. Borrowed: may be
     * closed once lrun_run() has returned */
    int input_fd;
    /** When this fd becomes readable the run is cancelled; -1: none. If it is readable already, the run is
     * cancelled at once. One eventfd may serve many runs. Borrowed, like input_fd; it is not read */
    int cancel_fd;
    /** The command runs: from now on the run can be paused. Never called by a handle from lrun_attach().
     * May be NULL */
    lrun_start_fn on_start;
    /** The id that the run gets: "light-runner-" and 12 random hexadecimal digits, for a caller that has to
     * know it before lrun_run() returns. NULL: one is made */
    const char *id;
} lrun_callbacks;

#define LRUN_CALLBACKS_INIT LRUN_INITIAL_(lrun_callbacks, .input_fd = -1, .cancel_fd = -1)

/** Sets a struct to what LRUN_CALLBACKS_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1. */
LRUN_API void lrun_callbacks_init(lrun_callbacks *callbacks, size_t size);

/* ------------------------------------------------------------------ result */

typedef enum lrun_extract_status {
    LRUN_EXTRACT_OK = 0,
    LRUN_EXTRACT_MISSING = 1,
    LRUN_EXTRACT_ERROR = 2
} lrun_extract_status;

/** What became of one entry of `extract`. Since 0.1. */
typedef struct lrun_extracted {
    const char *from;
    const char *to;
    lrun_extract_status status;
    uint64_t bytes; /**< size of the archive that carried it (512 per entry, data rounded to 512) */
    const char *reason; /**< for LRUN_EXTRACT_ERROR, else NULL; in JSON it is named "error" */
} lrun_extracted;

/**
 * What the whole sandbox used, including what carries its network (about 20 MiB, 30 ms and 3 processes on
 * the engine local); 0 where it is not known. Since 0.1.
 */
typedef struct lrun_usage {
    uint64_t cpu_ms, user_ms, system_ms;
    uint64_t peak_memory_bytes;
    /** The most at once, threads included. In the tier "runsc" those of gVisor's kernel (some 30), as the
     * host does not see the program's own */
    uint64_t processes;
} lrun_usage;

/** How setup steps (lrun_request.run) were run. Since 0.1. */
typedef struct lrun_setup {
    const char *runtime; /**< their tier */
    const char *network; /**< "none", or the name of their network */
    const char *kernel;  /**< the kernel that they ran on; NULL: an earlier run has done them */
} lrun_setup;

/** Which kernel the code ran on, and what was checked of its confinement. Since 0.1. */
typedef struct lrun_isolation {
    const char *runtime;     /**< the tier; may be empty */
    const char *kernel;      /**< the kernel that the command ran on; may be empty */
    const char *host_kernel; /**< may be empty */
    bool verified;           /**< before the command ran, everything in `checked` was as promised */
    /** NULL-terminated: what the sandbox reported of itself and was compared with what was promised,
     * before the command ran: "kernel", "processes", "seccomp", "noNewPrivileges", "capabilities", "ids".
     * What was not promised is left out. Never NULL */
    const char *const *checked;
    /** NULL-terminated: what was not enforced: "memory", "cpus", "pids", where allow_unenforced has them;
     * on Docker "disk" without a limit, and "egress" with a network that reaches addresses that
     * allow_egress does not name. {NULL}: everything was enforced. Never NULL */
    const char *const *unenforced;
    /** What ran the code of the VM: "kvm", the processor, or "tcg", an emulator in software, which is much
     * slower. NULL: there is no VM, or its engine does not say */
    const char *accelerator;
    const lrun_setup *setup; /**< NULL: there were no setup steps */
} lrun_isolation;

/** Where the time went, in ms with fractions. Since 0.1. */
typedef struct lrun_timings {
    double prepare_ms; /**< the image, and the sandbox's resources */
    double start_ms;   /**< until the command runs */
    double run_ms;     /**< the command */
    double collect_ms; /**< extraction, and until nothing in the sandbox runs any more */
    bool warm;         /**< the sandbox was ready before the run was ordered (lrun_pool_run()) */
} lrun_timings;

/** What became of a run. Made by the library: it, and the structs that it points to, may grow. Pointers live
 * as long as the result. Since 0.1. */
typedef struct lrun_result {
    bool success;  /**< exit code 0, not cancelled, not timed out, not over its CPU time */
    int exit_code; /**< 128+N after signal N */
    int signal;    /**< the signal that ended the command, else 0 */
    bool cancelled;
    bool timed_out;     /**< over its timeout_ms */
    bool cpu_timed_out; /**< over its cpu_timeout_ms */
    bool oom_killed;
    bool log_truncated;              /**< the output was over max_log_bytes and was cut */
    uint64_t duration_ms;            /**< from the request to the sandbox's end */
    uint64_t timeout_ms;             /**< that the command had; 0 where it is not known */
    const char *id;                  /**< "light-runner-<12 hex>" */
    const lrun_usage *usage;         /**< never NULL */
    const lrun_isolation *isolation; /**< never NULL */
    const lrun_timings *timings;     /**< never NULL */
    /** `extracted_count` pointers, one for each entry of the request's `extract`; NULL if extraction was
     * not asked for or did not run */
    const lrun_extracted *const *extracted;
    size_t extracted_count;
    /** NULL-terminated: what the Docker daemon did not remove: "container", "volume", "network", all named
     * `id`; lrun_reap() removes it. {NULL}: nothing is left. Never NULL */
    const char *const *left_behind;
    /** The id of the session whose command this was (lrun_session_run()), which is also `id`; NULL: it was a run */
    const char *session;
    /** The session has ended together with the command: it was closed or cancelled, its time was up, or its sandbox has
     * died (of want of memory, if `oom_killed`). If this is false, the session goes on */
    bool session_ended;
} lrun_result;

/**
 * The result as the JSON document that `light-runner run --json` prints (docs/result.schema.json).
 * @return borrowed from the result; "null" for a result that is NULL
 * Thread-safe, does not block. Since 0.1.
 */
LRUN_API const char *lrun_result_json(const lrun_result *result);

/** Frees a result and everything that it points to. @param result may be NULL. Does not block. Since 0.1. */
LRUN_API void lrun_result_free(lrun_result *result);

/* ------------------------------------------------------------------ execution */

/** A run that has been started. */
typedef struct lrun_execution lrun_execution;

/**
 * Checks the request and starts one run. Returns without waiting for the sandbox, unless the run is
 * detached.
 *
 * The run's supervisor is a child process of the caller. The caller may ignore SIGCHLD or wait for all
 * children: an error then cannot say how the supervisor ended, and nothing else changes. The run is cancelled
 * when the caller's process ends. A process that the caller has forked, and that does not exec, keeps the
 * handle's socket open: while it lives, the caller's death does not cancel the run.
 *
 * @param runner     only read; may be freed once this has returned
 * @param request    copied
 * @param callbacks  copied; NULL: none
 * @param out        receives the handle; free it with lrun_execution_free()
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (nothing was started), LRUN_SUPERVISOR_LOST (the supervisor
 *         cannot be started), LRUN_IO_FAILED or LRUN_OUT_OF_MEMORY; for a detached run with any error that
 *         keeps the command from running. Everything later comes from lrun_execution_wait()
 * Thread-safe. Blocks for at most 10 s, until the supervisor has taken the request; for a detached run until
 * the command runs, which includes pulling the image and the setup steps: at most its timeout and two hours.
 * Since 0.1.
 */
LRUN_API int lrun_run(const lrun_runner *runner, const lrun_request *request,
                      const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err);

/**
 * lrun_run() with the request as a JSON document (docs/request.schema.json). Its `options` override the
 * runner's, field by field.
 * @param json    UTF-8, not NUL-terminated; copied
 * @param length  bytes of `json`
 * Everything else is as at lrun_run(). Since 0.1.
 */
LRUN_API int lrun_run_json(const lrun_runner *runner, const char *json, size_t length,
                           const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err);

/** The run's id, "light-runner-<12 hex>". @return borrowed from the handle. Does not block. Since 0.1. */
LRUN_API const char *lrun_execution_id(const lrun_execution *execution);

/**
 * An fd for your event loop. It is readable exactly when lrun_execution_dispatch() has work, also for an attached
 * run, and until lrun_execution_dispatch() has reported the end or lrun_execution_wait() has returned. After that it
 * is never readable.
 * @return the same fd for the life of the handle. Borrowed: do not read or close it
 * Does not block. Since 0.1.
 */
LRUN_API int lrun_execution_fd(const lrun_execution *execution);

/**
 * Takes what has arrived and calls the callbacks.
 * @param done  set to true once the end is known: lrun_execution_wait() will not block for the run any more.
 *              Also true if a callback has freed the handle. May be NULL
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (called in a callback of the same handle, or a callback has
 *         freed the handle). The run's own errors come from lrun_execution_wait()
 * Does not block. Since 0.1.
 */
LRUN_API int lrun_execution_dispatch(lrun_execution *execution, bool *done, lrun_error *err);

/**
 * Waits for the end, calling the callbacks meanwhile. After it has returned 0 or the run's error, nothing of
 * the sandbox is left, unless the result says so (left_behind).
 * @param out  receives the result; free it with lrun_result_free()
 * @return 0, or -1 with the run's error; LRUN_INVALID_ARGUMENT: the result was handed over before, this was
 *         called in a callback of the same handle, or a callback has freed the handle
 * Blocks until the run has ended: at most its timeout and two hours, or a minute after a cancel; and then at
 * most a minute for the supervisor's process to end. Since 0.1.
 */
LRUN_API int lrun_execution_wait(lrun_execution *execution, lrun_result **out, lrun_error *err);

/**
 * lrun_execution_wait() with a limit. The run goes on if it is reached, and this may be called again.
 * @param timeout_ms  how long to wait for the end; 0: only take what has arrived; below 0: no limit
 * @param out         receives the result, or NULL if the run has not ended yet, which is not an error
 * @return as lrun_execution_wait()
 * Blocks for `timeout_ms` at most; once the end is known, as lrun_execution_wait() does for the supervisor's
 * process. Since 0.1.
 */
LRUN_API int lrun_execution_wait_for(lrun_execution *execution, int64_t timeout_ms,
                                     lrun_result **out, lrun_error *err);

/**
 * Asks for the run to be killed. The result then says `cancelled`. May be called more than once.
 * @param execution  may be NULL, which is an error
 * @return 0, or -1 if the order cannot be sent
 * Safe from any thread and from a signal handler as long as the handle lives. Does not block. Since 0.1.
 */
LRUN_API int lrun_execution_cancel(lrun_execution *execution);

/**
 * Frees the handle. A run that is still going is cancelled and waited for first, without any callback; a
 * detached one is left alone. In a callback of the same handle this is put off until the function that made
 * the callback returns.
 * @param execution  may be NULL
 * Blocks while the run ends: usually some milliseconds, at most 90 s. Since 0.1.
 */
LRUN_API void lrun_execution_free(lrun_execution *execution);

/* ------------------------------------------------------------------ control */

/** The grace of a stop that names none: ms. */
#define LRUN_STOP_GRACE_MS 10000

/**
 * Sends a signal to the command, and SIGKILL to all of the sandbox after the grace. Returns when the
 * supervisor has confirmed that, not when the run has ended; output that comes meanwhile is delivered. In a
 * callback of the same handle it returns as soon as the order has been sent. The result then says
 * `cancelled`. For a run that has ended it does nothing, and returns 0.
 * @param signal    a signal's number; 0: SIGTERM
 * @param grace_ms  0: kill at once; below 0: LRUN_STOP_GRACE_MS; at most a day
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT, LRUN_SUPERVISOR_LOST or LRUN_IO_FAILED
 * Blocks for at most 15 s. Since 0.1.
 */
LRUN_API int lrun_execution_stop(lrun_execution *execution, int signal, int64_t grace_ms,
                                 lrun_error *err);

/**
 * Freezes everything in the sandbox. Its memory is kept, and its timeout goes on. Returns when the supervisor
 * has done it; output that comes meanwhile is delivered.
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (the command is not running yet or any more, or this was called
 *         in a callback of the same handle), LRUN_SUPERVISOR_LOST or the engine's error
 * Blocks for at most 15 s. Since 0.1.
 */
LRUN_API int lrun_execution_pause(lrun_execution *execution, lrun_error *err);

/** Ends what lrun_execution_pause() began. Everything else is as there. Since 0.1. */
LRUN_API int lrun_execution_resume(lrun_execution *execution, lrun_error *err);

/**
 * Changes the size of the command's terminal (lrun_request.tty). A program that wants to know gets SIGWINCH. Before the command runs,
 * this is the size that it begins with; when it has ended, nothing happens.
 * @param rows, columns  at most 65535; 0: not known
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (the command has no terminal) or LRUN_SUPERVISOR_LOST
 * Blocks for at most 15 s; in a callback of the same handle it returns as soon as the order has been sent. Since 0.1.0.
 */
LRUN_API int lrun_execution_resize(lrun_execution *execution, unsigned rows, unsigned columns,
                                   lrun_error *err);

/* ------------------------------------------------------------------ detached runs */

/**
 * A handle for a detached run, of this process or of another one of the same user. Output from now on is given
 * to the callbacks. Several handles may be attached to one run at once. Freeing the handle leaves the run
 * alone.
 * @param id         the run's id
 * @param callbacks  copied; NULL: none. Its fds must be -1
 * @param out        receives the handle, or NULL if the id is not known, which is not an error; free it with
 *                   lrun_execution_free()
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT; or LRUN_IO_FAILED: the state cannot be read, or the supervisor
 *         cannot be reached and is not known to be gone: it may be stopped, or on another machine that shares
 *         the folder. The run is left as it is then. For a run whose supervisor is known to be gone this
 *         succeeds, its state becomes `failed`, and lrun_execution_wait() returns LRUN_SUPERVISOR_LOST
 * Thread-safe. Blocks for at most 7 s. Since 0.1.
 */
LRUN_API int lrun_attach(const char *id, const lrun_callbacks *callbacks, lrun_execution **out,
                         lrun_error *err);

/**
 * The states of all detached runs, oldest first, as a JSON array; or that of one run as an object.
 * @param id   NULL: all
 * @param out  receives the text, or NULL if the id is not known, which is not an error; free it with
 *             lrun_string_free()
 * @return 0, or -1 with LRUN_IO_FAILED or LRUN_OUT_OF_MEMORY
 * Thread-safe. Reads files; does not block otherwise. Since 0.1.
 */
LRUN_API int lrun_states(const char *id, char **out, lrun_error *err);

/** The state of a detached run. Made by the library: it may grow. Pointers are valid during the call only. Since 0.1. */
typedef struct lrun_state {
    const char *id;
    const char *status;      /**< "running", "exited", "cancelled" or "failed" */
    const char *image;       /**< may be empty */
    const char *command;     /**< the shell command; NULL: there is none */
    const char *const *argv; /**< NULL-terminated: the command's words instead. Never NULL */
    const char *started_at;  /**< like "2026-01-31T12:00:00.123Z"; may be empty */
    const char *finished_at; /**< the same; empty as long as it is running */
    int exit_code;           /**< -1: there is none */
} lrun_state;

/**
 * Called once per state.
 * @param user   as given to lrun_states_each()
 * @param state  valid during the call only
 * @return 0 to go on; any other value ends lrun_states_each(), which then returns 0
 */
typedef int (*lrun_state_fn)(void *user, const lrun_state *state);

/**
 * Visits the states of all detached runs, in no order. Unlike lrun_states(), only one of them is in memory at a time.
 * @param each  must not be NULL; it may call any function
 * @param user  passed to `each`; may be NULL
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT; or with LRUN_IO_FAILED or LRUN_OUT_OF_MEMORY, after all states that can
 *         be read were visited
 * Thread-safe. Reads files; does not block otherwise. Since 0.1.
 */
LRUN_API int lrun_states_each(lrun_state_fn each, void *user, lrun_error *err);

/**
 * Called once per line of kept output, without its newline.
 * @param user     lrun_logs_options.user
 * @param time_ms  when the line began: ms since 1970
 * @param data     `length` bytes of any value, without a NUL at the end; valid during the call only
 */
typedef void (*lrun_line_fn)(void *user, lrun_stream stream, int64_t time_ms, const char *data,
                             size_t length);

/** Which kept output lrun_logs() delivers. Since 0.1. */
typedef struct lrun_logs_options {
    size_t size;
    bool follow;          /**< go on until the run has ended */
    int64_t since_ms;     /**< leave out lines from before this point in time: ms since 1970 */
    int cancel_fd;        /**< return when this fd becomes readable; -1: none. Borrowed */
    lrun_line_fn on_line; /**< must not be NULL */
    void *user;           /**< passed to on_line; may be NULL */
} lrun_logs_options;

#define LRUN_LOGS_OPTIONS_INIT LRUN_INITIAL_(lrun_logs_options, .cancel_fd = -1)

/** Sets a struct to what LRUN_LOGS_OPTIONS_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1. */
LRUN_API void lrun_logs_options_init(lrun_logs_options *options, size_t size);

/**
 * Delivers the kept output of a detached run.
 * @param id       the run's id
 * @param options  only read
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (there is no such run) or LRUN_IO_FAILED
 * Thread-safe. Reads files; with `follow` it blocks until the run has ended or cancel_fd is readable.
 * Since 0.1.
 */
LRUN_API int lrun_logs(const char *id, const lrun_logs_options *options, lrun_error *err);

/* ------------------------------------------------------------------ sessions */

/*
 * A session is one sandbox in which one tenant executes many commands. It is isolated and limited like a run; the
 * limits are for the sandbox as a whole.
 *
 *     lrun_session_open()           a sandbox, ready for commands
 *       lrun_session_run()          one command; several may run at once. The rest is as with lrun_run():
 *         lrun_execution_wait()       the command's result
 *       lrun_session_put()          copy a folder in
 *       lrun_session_get()          copy files out
 *     lrun_session_close()
 *     lrun_session_free()
 *
 * A command ends when its own process ends. Processes that it has left running go on, and end with the session; their
 * later output is thrown away. Files stay from one command to the next; the working directory and the environment do
 * not.
 *
 * One session may be used by one thread at a time, except for lrun_session_cancel(). Executions of the same session are
 * handles of their own: distinct threads may use them at once.
 */

/** How long a session may be without a command, and how long it may last, if nothing else is said: ms. */
#define LRUN_SESSION_IDLE_MS    (10 * 60000)
#define LRUN_SESSION_TIMEOUT_MS (60 * 60000)

/** A sandbox that is open for commands. */
typedef struct lrun_session lrun_session;

/** What a session has, and a run has not. Since 0.1.0. */
typedef struct lrun_session_options {
    size_t size;
    uint64_t
        idle_ms; /**< after so long without a command or a copy it closes; default LRUN_SESSION_IDLE_MS */
} lrun_session_options;

#define LRUN_SESSION_OPTIONS_INIT LRUN_INITIAL_(lrun_session_options, .idle_ms = 0)

/** Sets a struct to what LRUN_SESSION_OPTIONS_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1.0. */
LRUN_API void lrun_session_options_init(lrun_session_options *options, size_t size);

/**
 * Opens a session, and returns once it takes commands. Its supervisor is a child process of the caller, and the session
 * closes when the caller's process ends, as with lrun_run(); unless it is detached.
 * @param request    copied. entrypoint, argv, input_json and extract belong to commands, and are an error here.
 *                   timeout_ms is how long the session may last, default LRUN_SESSION_TIMEOUT_MS; cpu_timeout_ms is its
 *                   limit of CPU time in all. env is for all commands. dir is copied in before the first. With
 *                   `detached` the session outlives this process, has a state (lrun_states()), and any process of the
 *                   same user can use it: lrun_session_attach()
 * @param options    copied; NULL: the defaults
 * @param callbacks  copied; NULL: none. on_progress, user, id, and cancel_fd, which cancels the session
 * @param out        receives the session; free it with lrun_session_free()
 * @return 0, or -1 with any error of a run that keeps its command from running; LRUN_START_FAILED also if it was
 *         cancelled before
 * Thread-safe. Blocks until the sandbox is up, which includes pulling the image and the setup steps: at most the
 * session's timeout and two hours. Since 0.1.0.
 */
LRUN_API int lrun_session_open(const lrun_runner *runner, const lrun_request *request,
                               const lrun_session_options *options, const lrun_callbacks *callbacks,
                               lrun_session **out, lrun_error *err);

/**
 * lrun_session_open() with the request as a JSON document (docs/request.schema.json), which may also have `idle` (ms).
 * @param json    UTF-8, not NUL-terminated; copied
 * @param length  bytes of `json`
 * Everything else is as at lrun_session_open(): it blocks as long. Since 0.1.0.
 */
LRUN_API int lrun_session_open_json(const lrun_runner *runner, const char *json, size_t length,
                                    const lrun_callbacks *callbacks, lrun_session **out,
                                    lrun_error *err);

/**
 * A handle for a detached session, of this process or of another one of the same user. Freeing it leaves the session
 * open.
 * @param id   the session's id
 * @param out  receives the session, or NULL if the id is not known, which is not an error
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (it is a run, or the session has ended), LRUN_IO_FAILED
 * Thread-safe. Blocks for at most 7 s. Since 0.1.0.
 */
LRUN_API int lrun_session_attach(const char *id, lrun_session **out, lrun_error *err);

/** The session's id, "light-runner-<12 hex>". @return borrowed from the handle. Does not block. Since 0.1.0. */
LRUN_API const char *lrun_session_id(const lrun_session *session);

/**
 * What is known of the session's sandbox, as JSON: {"id", "isolation", "workdir"}. `isolation` is as in a result.
 * @return borrowed from the handle. Does not block. Since 0.1.0.
 */
LRUN_API const char *lrun_session_json(const lrun_session *session);

/** A command of a session. Copied by lrun_session_run(). Since 0.1.0. */
typedef struct lrun_command {
    size_t size;
    const char *entrypoint; /**< shell command, run as `sh -c`; either this or `argv` is required */
    const char *const *argv; /**< the command as a list of words, as in lrun_request */
    /** "NAME=value", NULL-terminated; these override the session's and the image's */
    const char *const *env;
    /** Absolute; default: the session's. It is created if it is missing */
    const char *workdir;
    /** "name", "uid", "name:group" or "uid:gid" by the image's /etc/passwd and /etc/group; default: the image's user */
    const char *user;
    const char *input_json; /**< JSON text for stdin, as it is; or see lrun_callbacks.input_fd */
    /** Then everything that came from the command is killed, also processes that it has left running, and nothing else;
     * default 20 minutes */
    uint64_t timeout_ms;
    uint64_t max_log_bytes; /**< as in lrun_runner_options; default 256 MiB */
    bool tty;               /**< a terminal, as in lrun_request */
    unsigned tty_rows, tty_columns;
} lrun_command;

#define LRUN_COMMAND_INIT LRUN_INITIAL_(lrun_command, .entrypoint = NULL)

/** Sets a struct to what LRUN_COMMAND_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1.0. */
LRUN_API void lrun_command_init(lrun_command *command, size_t size);

/**
 * Executes a command in the session. Returns without waiting for it. The handle is like that of a run: its result is that
 * of the command, with the session's id, and its usage is that of the command's own process and of those that it has waited
 * for. lrun_execution_stop() and lrun_execution_cancel() act on this command alone; lrun_execution_pause() and
 * lrun_execution_resume() are errors (LRUN_INVALID_ARGUMENT), because only a whole session can be paused. If the handle is
 * freed or the caller's process ends, the command is killed.
 *
 * At most 64 commands may run at once, and at most 128 may run or have left something running. A session executes
 * at most 65535 commands.
 * @param command    copied
 * @param callbacks  copied; NULL: none. A pipe as input_fd is a stream for the command's stdin. `id` is not used
 * @param out        receives the handle; free it with lrun_execution_free()
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT or LRUN_SUPERVISOR_LOST (the session has ended). Everything later comes from
 *         lrun_execution_wait(): LRUN_START_FAILED (the command cannot be executed), LRUN_NOT_SUPPORTED (too many
 *         commands), LRUN_INVALID_ARGUMENT (the session is paused), LRUN_SUPERVISOR_LOST (the session has ended)
 * Blocks for at most 10 s, until the session's supervisor has taken the order. Since 0.1.0.
 */
LRUN_API int lrun_session_run(lrun_session *session, const lrun_command *command,
                              const lrun_callbacks *callbacks, lrun_execution **out,
                              lrun_error *err);

/**
 * lrun_session_run() with the command as a JSON document: entrypoint, argv, env, workdir, user, input, timeout, and
 * options with maxLogBytes, as in docs/request.schema.json.
 * @param json    UTF-8, not NUL-terminated; copied
 * @param length  bytes of `json`
 * Everything else is as at lrun_session_run(): it blocks as long. Since 0.1.0.
 */
LRUN_API int lrun_session_run_json(lrun_session *session, const char *json, size_t length,
                                   const lrun_callbacks *callbacks, lrun_execution **out,
                                   lrun_error *err);

/** A folder that lrun_session_put() copies into the session. Since 0.1.0. */
typedef struct lrun_files {
    size_t size;
    const char *dir;           /**< required. All three are as in lrun_request */
    const char *const *ignore; /**< names that are left out, NULL-terminated */
    const char *links;         /**< "skip" (default) or "inside" */
    /** the folder in the session that gets them; it is made if it is missing. NULL: the session's working directory */
    const char *to;
} lrun_files;

#define LRUN_FILES_INIT LRUN_INITIAL_(lrun_files, .dir = NULL)

/** Sets a struct to what LRUN_FILES_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1.0. */
LRUN_API void lrun_files_init(lrun_files *files, size_t size);

/**
 * Copies the contents of a folder into the session. Files that are there are replaced. Commands that are running go on;
 * commands that are started meanwhile wait until the files are there.
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT, LRUN_SEED_FAILED (a file cannot be read on the host, or written in the
 *         sandbox: some of the files are there, and the session goes on) or LRUN_SUPERVISOR_LOST
 * Blocks until the files are there. Since 0.1.0.
 */
LRUN_API int lrun_session_put(lrun_session *session, const lrun_files *files, lrun_error *err);

/**
 * Copies files and folders out of the session, by the rules of lrun_request.extract.
 * @param entries  `count` of them; a relative `from` is relative to the session's working directory
 * @param out      receives a result whose `extracted` says what became of each entry; free it with lrun_result_free()
 * @return 0, also if entries are missing; or -1 with LRUN_INVALID_ARGUMENT or LRUN_SUPERVISOR_LOST
 * Blocks until the files are there. Since 0.1.0.
 */
LRUN_API int lrun_session_get(lrun_session *session, const lrun_extract *entries, size_t count,
                              lrun_result **out, lrun_error *err);

/** The most bytes of lrun_session_read() and lrun_session_write(). */
#define LRUN_FILE_MAX ((size_t)64 * 1024 * 1024)

/*
 * Operations on one file or folder of a session. They run beside its commands and beside one another. A path is absolute, or
 * relative to the session's working directory; it is UTF-8 and has no ".." in it. Links on the way are followed, as
 * far as they belong to root or the image's user is root. Each returns 0, or -1 with LRUN_FILE_NOT_FOUND, LRUN_FILE_FAILED
 * (with the kernel's reason; the session goes on), LRUN_INVALID_ARGUMENT (an argument is wrong, or the session is paused),
 * LRUN_SUPERVISOR_LOST (the session has ended) or LRUN_IO_FAILED.
 */

/**
 * Reads a regular file, or a part of it.
 * @param offset  where to begin, in bytes
 * @param max     the most bytes to read; 0: LRUN_FILE_MAX, which is also the most
 * @param data    receives the bytes, with a NUL behind them that does not count; free them with lrun_string_free()
 * @param length  receives how many there are: fewer than `max` at the end of the file
 * Blocks for at most 15 minutes. Since 0.1.0.
 */
LRUN_API int lrun_session_read(lrun_session *session, const char *path, uint64_t offset, size_t max,
                               char **data, size_t *length, lrun_error *err);

/**
 * Writes a file as a whole: a program in the session sees the old file or the new one. Makes the folders of the path. A file
 * that is there keeps its owner; a new one belongs to the image's user.
 * @param data    `length` bytes, at most LRUN_FILE_MAX
 * @param mode    the file's permissions, at most 0777; -1: those it has, and 0644 for a new one
 * Blocks for at most 15 minutes. Since 0.1.0.
 */
LRUN_API int lrun_session_write(lrun_session *session, const char *path, const void *data,
                                size_t length, int mode, lrun_error *err);

/**
 * Lists a folder, in no order.
 * @param skip   leave out that many items first
 * @param limit  the most items, at most 10000; 0: as many as one answer has room for
 * @param out    receives {"items": [...], "more": true or false} as JSON; free it with lrun_string_free(). An item
 *               is as at lrun_session_stat(). With `more`, there are more items: call again, and skip those that were listed
 * Blocks for at most 15 minutes. Since 0.1.0.
 */
LRUN_API int lrun_session_list(lrun_session *session, const char *path, size_t skip, size_t limit,
                               char **out, lrun_error *err);

/**
 * Describes a file or folder. A link at the end of the path is not followed.
 * @param out  receives JSON: {"name", "kind", "size", "mode", "modifiedAt", "uid", "gid", "target"?}; free it with
 *             lrun_string_free(). `kind` is "file", "dir", "link", "fifo", "socket" or "device"; `mode` is octal, as text;
 *             `target` is that of a link. In `name` and `target`, U+FFFD replaces what is not UTF-8
 * Blocks for at most 15 minutes. Since 0.1.0.
 */
LRUN_API int lrun_session_stat(lrun_session *session, const char *path, char **out,
                               lrun_error *err);

/** lrun_session_remove(): also remove what is in a folder. */
#define LRUN_REMOVE_RECURSIVE 1u

/**
 * Removes a file, a link or a folder.
 * @param flags  0 or LRUN_REMOVE_RECURSIVE
 * Blocks for at most 15 minutes. Since 0.1.0.
 */
LRUN_API int lrun_session_remove(lrun_session *session, const char *path, unsigned flags,
                                 lrun_error *err);

/**
 * Sends a signal to every command that is running, and ends the session once they have ended, or after the grace.
 * Returns when the supervisor has confirmed that.
 * @param signal, grace_ms  as at lrun_execution_stop()
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT, LRUN_SUPERVISOR_LOST or LRUN_IO_FAILED
 * Blocks for at most 15 s. Since 0.1.0.
 */
LRUN_API int lrun_session_stop(lrun_session *session, int signal, int64_t grace_ms,
                               lrun_error *err);

/** Ends the session at once. Everything is as at lrun_execution_cancel(). Does not block. Since 0.1.0. */
LRUN_API int lrun_session_cancel(lrun_session *session);

/**
 * Freezes everything in the session's sandbox. While it is frozen, it takes no commands and no copies; its
 * timeouts go on. If a command has to be killed meanwhile (its time is up, or its caller has died), the session is resumed:
 * a frozen process cannot die.
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT, LRUN_SUPERVISOR_LOST or the engine's error
 * Blocks for at most 15 s. Since 0.1.0.
 */
LRUN_API int lrun_session_pause(lrun_session *session, lrun_error *err);

/** Ends what lrun_session_pause() began. Everything else is as there. Since 0.1.0. */
LRUN_API int lrun_session_resume(lrun_session *session, lrun_error *err);

/**
 * Ends the session: kills what still runs in it, and removes its sandbox. Also ends a detached one.
 * @param out  receives the result of the session as a whole, with its usage; free it with lrun_result_free(). May be NULL
 * @return 0, or -1 with the error that has ended the session; LRUN_INVALID_ARGUMENT: it was closed before
 * Blocks until nothing of the sandbox is left: usually some milliseconds, at most two minutes. Since 0.1.0.
 */
LRUN_API int lrun_session_close(lrun_session *session, lrun_result **out, lrun_error *err);

/**
 * Frees the handle. A session that is open is cancelled and waited for; a detached one is left alone. Free the handles of
 * its commands before, or after: both are fine.
 * @param session  may be NULL
 * Blocks while the session ends: usually some milliseconds, at most 90 s. Since 0.1.0.
 */
LRUN_API void lrun_session_free(lrun_session *session);

/* ------------------------------------------------------------------ pools */

/*
 * A pool keeps sandboxes ready, so that a run need not wait for its own. Each is up and checked before it is used, is used for one
 * run, and ends with it: nothing of one run is there for another.
 *
 *     lrun_pool_new()          begins to make them
 *       lrun_pool_wait()       optional: until some are ready
 *       lrun_pool_run()        like lrun_run(), in one of them
 *       lrun_pool_tend()       counters; also makes, drops and replaces what is due
 *     lrun_pool_free()
 *
 * A pool is for runs that agree about their sandbox: image with its setup steps, engine, tier, memory, cpus, disk, pids, networks,
 * dns, gpus, workdir, and what is allowed. Command, env, `dir`, input, timeouts and extracts are decided by each run. A run that
 * does not agree, that is detached, that has an id of its own, or that executes the image's own command, starts without the pool.
 * lrun_timings.warm says which it was. A pool has no thread: it does its work in the calls above. The sandboxes that it makes come up
 * meanwhile. It lives in the process that has made it; if that dies, its sandboxes end. One pool may be used by one thread at a
 * time; the runs are independent of it, and of one another.
 */

/** What lrun_pool_run() does if no sandbox is ready. Since 0.1.0. */
typedef enum lrun_pool_empty {
    LRUN_POOL_COLD = 0,  /**< starts the run without the pool */
    LRUN_POOL_WAIT = 1,  /**< waits until one is ready, at most wait_ms */
    LRUN_POOL_REFUSE = 2 /**< fails with LRUN_POOL_EMPTY */
} lrun_pool_empty;

/** A pool. Opaque. Since 0.1.0. */
typedef struct lrun_pool lrun_pool;

/** Since 0.1.0. */
typedef struct lrun_pool_options {
    size_t size;
    size_t entries; /**< how many sandboxes are kept ready, 1 to 1000; default 4 */
    /** How many are kept when the machine has less than a tenth of its memory left; default 0. Otherwise it is `entries` */
    size_t min_ready;
    uint64_t
        max_age_ms; /**< an unused sandbox is replaced after this time; 0: never. Default 10 minutes */
    unsigned
        refill; /**< the most sandboxes that are made in a second, up to 1000; 0 (default): no limit */
    lrun_pool_empty when_empty;
    uint64_t wait_ms; /**< of LRUN_POOL_WAIT; default one minute */
} lrun_pool_options;

#define LRUN_POOL_OPTIONS_INIT                                                                     \
    LRUN_INITIAL_(lrun_pool_options, .entries = 4, .max_age_ms = 600000, .wait_ms = 60000)

/** Sets a struct to what LRUN_POOL_OPTIONS_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1.0. */
LRUN_API void lrun_pool_options_init(lrun_pool_options *options, size_t size);

/** Since 0.1.0. */
typedef struct lrun_pool_stats {
    size_t size;
    uint64_t hits;      /**< runs that got a sandbox of the pool */
    uint64_t misses;    /**< runs that did not agree with it, or found none ready */
    uint64_t refills;   /**< sandboxes that were begun */
    uint64_t failures;  /**< those that did not come up */
    uint64_t lost;      /**< those that died unused */
    size_t ready;       /**< ready now */
    size_t starting;    /**< not yet ready */
    uint64_t oldest_ms; /**< the age of the oldest that is ready */
} lrun_pool_stats;

#define LRUN_POOL_STATS_INIT LRUN_INITIAL_(lrun_pool_stats, .hits = 0)

/** Sets a struct to what LRUN_POOL_STATS_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1.0. */
LRUN_API void lrun_pool_stats_init(lrun_pool_stats *stats, size_t size);

/**
 * Makes a pool, and begins to make its sandboxes.
 * @param runner   borrowed: it must live as long as the pool
 * @param spec     copied. What belongs to a run (the command, `dir`, input, extracts) is an error
 * @param options  copied; NULL: the defaults
 * @param out      receives the pool; free it with lrun_pool_free()
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT or LRUN_OUT_OF_MEMORY. That no sandbox can be made comes from lrun_pool_wait(), and
 *         from lrun_pool_run() if it waits
 * Does not block. Since 0.1.0.
 */
LRUN_API int lrun_pool_new(const lrun_runner *runner, const lrun_request *spec,
                           const lrun_pool_options *options, lrun_pool **out, lrun_error *err);

/** lrun_pool_new() with the spec as a JSON document (docs/request.schema.json): `length` bytes. Does not block. Since 0.1.0. */
LRUN_API int lrun_pool_new_json(const lrun_runner *runner, const char *json, size_t length,
                                const lrun_pool_options *options, lrun_pool **out, lrun_error *err);

/**
 * Waits until that many sandboxes are ready.
 * @param ready       at most lrun_pool_options.entries
 * @param timeout_ms  below 0: no limit
 * @return 0, or -1 with LRUN_POOL_EMPTY (the time is up), or the error of a sandbox that could not be made
 * Blocks for `timeout_ms` at most. Since 0.1.0.
 */
LRUN_API int lrun_pool_wait(lrun_pool *pool, size_t ready, int64_t timeout_ms, lrun_error *err);

/**
 * lrun_run() in a sandbox of the pool, if one is ready and the request agrees with the pool's spec. The runner's options count, too.
 * @param request, callbacks, out  as at lrun_run()
 * @return 0, or -1 with the errors of lrun_run(); LRUN_POOL_EMPTY: see lrun_pool_empty
 * Does not block, except with LRUN_POOL_WAIT. Since 0.1.0.
 */
LRUN_API int lrun_pool_run(lrun_pool *pool, const lrun_request *request,
                           const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err);

/** lrun_pool_run() with the request as a JSON document: `length` bytes. It blocks as long. Since 0.1.0. */
LRUN_API int lrun_pool_run_json(lrun_pool *pool, const char *json, size_t length,
                                const lrun_callbacks *callbacks, lrun_execution **out,
                                lrun_error *err);

/**
 * Drops sandboxes that have died or are too old, makes those that are missing, and counts. lrun_pool_run() does it, too: call this now
 * and then if runs are rare.
 * @param stats  filled in; NULL: nothing is
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT
 * Blocks while a sandbox is removed: usually some milliseconds. Since 0.1.0.
 */
LRUN_API int lrun_pool_tend(lrun_pool *pool, lrun_pool_stats *stats, lrun_error *err);

/**
 * Removes the unused sandboxes, and frees the pool. Runs that are going on are not disturbed.
 * @param pool  may be NULL
 * Blocks while they end: usually some milliseconds, at most 90 s. Since 0.1.0.
 */
LRUN_API void lrun_pool_free(lrun_pool *pool);

/* ------------------------------------------------------------------ images */

/*
 * Images, by the engine of the runner. With "auto", pull and import put an image into the local store; where the
 * local engine cannot run it and Docker is there, Docker gets it. An image is a JSON object:
 *
 *     {"name", "digest", "size", "created", "engine", "config"?, "skipped"?, "architecture"?, "hostArchitecture"?}
 *
 * `config` is what Docker's list does not have; `skipped` counts the devices, fifos and sockets that an import left
 * out; `architecture` is that of an image that is not for this machine, whose own is `hostArchitecture`. All functions are
 * thread-safe. Each starts a supervisor process. The comment of each says which callbacks it takes; no handle is
 * involved, so a callback may do anything.
 */

/** lrun_image_pull(): also take a registry without TLS, or with a certificate that proves nothing. */
#define LRUN_PULL_INSECURE 1u

/**
 * Gets an image from a registry, for this machine's platform. A run does this itself for an image that is not there.
 * @param name       as Docker has it: "alpine", "ghcr.io/owner/name:tag", "name@sha256:..."; also the name that it
 *                   gets here
 * @param flags      0 or LRUN_PULL_INSECURE
 * @param callbacks  on_progress ("pull"), user, and cancel_fd, which stops it; NULL: none
 * @param out        receives the image as JSON; free it with lrun_string_free(). May be NULL
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (the name), LRUN_IMAGE_NOT_FOUND (the registry has no such image),
 *         LRUN_IMAGE_INVALID, LRUN_IO_FAILED (the registry is not reached or refuses, the disk is full, or it was
 *         cancelled), LRUN_NOT_SUPPORTED (a program that pulls is missing, or the engine does not know the flag),
 *         LRUN_ENGINE_UNREACHABLE or LRUN_SUPERVISOR_LOST
 * Blocks until the image is there: at most two hours. Since 0.1.
 */
LRUN_API int lrun_image_pull(const lrun_runner *runner, const char *name, unsigned flags,
                             const lrun_callbacks *callbacks, char **out, lrun_error *err);

/**
 * Makes an image of an archive (the tar of a root file system, an archive of `docker save`, an OCI archive; plain or
 * packed), or of a folder that is an OCI image layout.
 * @param fd         the archive, from its position on, or the folder. Borrowed
 * @param name       what it is called from now on; of an archive of several images, the one of this name is taken
 * @param callbacks  on_progress ("import"), user, and cancel_fd, which stops it; NULL: none
 * @param out        receives the image as JSON; free it with lrun_string_free(). May be NULL
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (the name, the fd), LRUN_IMAGE_INVALID, LRUN_IO_FAILED (also if it was
 *         cancelled), LRUN_NOT_SUPPORTED (a program that makes images is missing), LRUN_ENGINE_UNREACHABLE or
 *         LRUN_SUPERVISOR_LOST
 * Blocks until the image is there: at most two hours. Since 0.1.
 */
LRUN_API int lrun_image_import(const lrun_runner *runner, int fd, const char *name,
                               const lrun_callbacks *callbacks, char **out, lrun_error *err);

/**
 * The images that have a name, as a JSON array. With the engine "auto" those of the local store, then those of Docker
 * if it answers.
 * @param out  receives the text; free it with lrun_string_free()
 * @param err  also filled on success if Docker is used here and does not answer: it says why Docker's images are
 *             missing. Set it to LRUN_ERROR_INIT before, to tell
 * @return 0, or -1 with LRUN_IO_FAILED, LRUN_ENGINE_UNREACHABLE or LRUN_SUPERVISOR_LOST
 * Blocks while the engine answers: at most 10 minutes. Since 0.1.
 */
LRUN_API int lrun_image_list(const lrun_runner *runner, char **out, lrun_error *err);

/**
 * Removes an image. Runs that use it are not disturbed.
 * @param name  its name; or a digest, or 12 or more of its digits, which removes the image with all its names.
 *              With the engine "auto" an image of Docker's is only removed if setup steps made it
 * @return 0, or -1 with LRUN_IMAGE_NOT_FOUND, LRUN_IO_FAILED, LRUN_ENGINE_UNREACHABLE or LRUN_SUPERVISOR_LOST
 * Blocks while the engine answers: at most 10 minutes. Since 0.1.
 */
LRUN_API int lrun_image_remove(const lrun_runner *runner, const char *name, lrun_error *err);

/* ------------------------------------------------------------------ housekeeping */

/*
 * Questions to an engine, outside of any run. The engine is the runner's option of that name. Each call starts
 * a supervisor process and blocks until it has answered: usually some milliseconds, at most 10 minutes. If no
 * answer comes the error is LRUN_SUPERVISOR_LOST. All are thread-safe.
 */

/**
 * Whether runs with the runner's engine and tier are possible here, as far as can be seen without one.
 * @return 0 if they are; or -1 with the reason and a hint: LRUN_ENGINE_UNREACHABLE (after 5 s at most),
 *         LRUN_START_FAILED (the tier's runtime is not installed), LRUN_NOT_SUPPORTED (also: the kernel is too old),
 *         LRUN_SUPERVISOR_LOST
 * Since 0.1.
 */
LRUN_API int lrun_available(const lrun_runner *runner, lrun_error *err);

/** What lrun_doctor() does. Since 0.1. */
typedef struct lrun_doctor_options {
    size_t size;
    bool full; /**< also boot a VM if that takes a while, because KVM does not work */
    int cancel_fd; /**< end the work when this fd becomes readable; -1: none. Borrowed; it is not read */
} lrun_doctor_options;

#define LRUN_DOCTOR_OPTIONS_INIT LRUN_INITIAL_(lrun_doctor_options, .cancel_fd = -1)

/** Sets a struct to what LRUN_DOCTOR_OPTIONS_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1. */
LRUN_API void lrun_doctor_options_init(lrun_doctor_options *options, size_t size);

/**
 * Checks what runs need of this machine, and tries each engine and tier with a run of a tiny image, which is removed
 * again.
 * @param runner   its engine and tier do not matter
 * @param options  NULL: the defaults
 * @param out      receives the report as JSON; free it with lrun_string_free(): {"checks": [{"name", "ok", "detail",
 *                 "fix"?}], "cells": [{"engine", "runtime", "works", "withoutNetwork", "tried", "reason"?, "hint"?}]}
 * @return 0, also if runs do not work; or -1 with LRUN_INVALID_ARGUMENT, LRUN_IO_FAILED (also if it was cancelled) or
 *         LRUN_SUPERVISOR_LOST
 * Blocks for some seconds, at most 10 minutes. Since 0.1.
 */
LRUN_API int lrun_doctor(const lrun_runner *runner, const lrun_doctor_options *options, char **out,
                         lrun_error *err);

/** What lrun_verify() does. Since 0.1. */
typedef struct lrun_verify_options {
    size_t size;
    const char *image; /**< one with `sh` and `uname`; default: "busybox" */
    int cancel_fd; /**< end the work when this fd becomes readable; -1: none. Borrowed; it is not read */
} lrun_verify_options;

#define LRUN_VERIFY_OPTIONS_INIT LRUN_INITIAL_(lrun_verify_options, .cancel_fd = -1)

/** Sets a struct to what LRUN_VERIFY_OPTIONS_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1. */
LRUN_API void lrun_verify_options_init(lrun_verify_options *options, size_t size);

/**
 * Runs a few harmless commands with the runner's engine and tier, and reports what they see of the kernel: its name and
 * version, the memory map of a process, the beginning of the kernel's log.
 * @param options  NULL: the defaults
 * @param out      receives the report as JSON; free it with lrun_string_free(): {"runtime", "kernel", "hostKernel",
 *                 "verified", "checked"?, "evidence", "verdict"}
 * @return 0, or -1 with the error of the run; LRUN_ISOLATION_FAILED: the sandbox is not on the kernel that the tier
 *         promises, and nothing was run in it; LRUN_IO_FAILED, among others, if it was cancelled
 * Blocks like lrun_execution_wait(), for a command that takes a minute at most. Since 0.1.
 */
LRUN_API int lrun_verify(const lrun_runner *runner, const lrun_verify_options *options, char **out,
                         lrun_error *err);

/** What lrun_reap() has removed. The caller sets `size`. Since 0.1. */
typedef struct lrun_reaped {
    size_t size;
    unsigned containers; /**< or what the local engine has in their place */
    unsigned volumes;
    unsigned states; /**< of detached runs, marked as failed */
} lrun_reaped;

#define LRUN_REAPED_INIT LRUN_INITIAL_(lrun_reaped, .containers = 0)

/** Sets a struct to what LRUN_REAPED_INIT is. @param size as at lrun_runner_options_init().
 * Thread-safe, does not block. Since 0.1. */
LRUN_API void lrun_reaped_init(lrun_reaped *reaped, size_t size);

/** The default of lrun_reap() if $LIGHT_RUNNER_REAP_AGE_MS is not set: ms. */
#define LRUN_REAP_AGE_MS (5 * 60000)

/**
 * Removes what is left of runs whose supervisor was killed, and marks the states of such runs as failed.
 * Touches nothing else; may be called at any time, and by several processes at once.
 * @param runner      its engine; "auto": each engine that this user uses here. That is the local one; and Docker if
 *                    $DOCKER_HOST, $DOCKER_CONTEXT, $LIGHT_RUNNER_ENGINE, its usual socket or the configuration of its
 *                    client leads to a daemon
 * @param min_age_ms  what is younger is left alone, as it may belong to a run that is just being started;
 *                    below 0: $LIGHT_RUNNER_REAP_AGE_MS, else LRUN_REAP_AGE_MS
 * @param out         filled as far as its size goes; may be NULL
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (nothing was done), LRUN_IO_FAILED, LRUN_SUPERVISOR_LOST or an engine's
 *         error. A failure does not keep the rest from being done: the error is the first one, and *out counts what
 *         was removed all the same
 * Since 0.1.
 */
LRUN_API int lrun_reap(const lrun_runner *runner, int64_t min_age_ms, lrun_reaped *out,
                       lrun_error *err);

/**
 * Creates a network for lrun_request.networks, on the engine docker; it connects the runs that use it, which
 * the default network never does.
 * @return 0, or -1 with LRUN_INVALID_ARGUMENT (there is one of that name), LRUN_NOT_SUPPORTED (the engine has
 *         no named networks), LRUN_ENGINE_UNREACHABLE or LRUN_SUPERVISOR_LOST
 * Since 0.1.
 */
LRUN_API int lrun_network_create(const lrun_runner *runner, const char *name, lrun_error *err);

/** Removes a network. LRUN_INVALID_ARGUMENT: there is none of that name, or it is in use; other errors are as
 * at lrun_network_create(). Since 0.1. */
LRUN_API int lrun_network_remove(const lrun_runner *runner, const char *name, lrun_error *err);

/** Whether there is a network of that name. @param exists may be NULL. Errors are as at
 * lrun_network_create(). Since 0.1. */
LRUN_API int lrun_network_exists(const lrun_runner *runner, const char *name, bool *exists,
                                 lrun_error *err);

/** Removes the unused networks that lrun_network_create() made, and those whose name begins with
 * "light-runner-". @param count receives how many; may be NULL. Errors are as at lrun_network_create().
 * Since 0.1. */
LRUN_API int lrun_network_prune(const lrun_runner *runner, unsigned *count, lrun_error *err);

/** Removes the images that were made of setup steps and that no run uses. @param runner as at lrun_reap(). @param count
 * receives how many, also after a failure; may be NULL. @return 0, or -1 with LRUN_SUPERVISOR_LOST or the error of the
 * first engine that failed. Since 0.1. */
LRUN_API int lrun_clean_images(const lrun_runner *runner, unsigned *count, lrun_error *err);

/**
 * Marks the states of runs whose supervisor is gone as failed, and removes what such runs have left beside
 * them. A supervisor is gone when nobody listens at its socket and its process has ended; or, if the process
 * cannot be seen from here (another machine that shares the folder, another PID namespace, an earlier boot),
 * when the run should have ended two hours ago.
 * @param count  receives how many were marked; may be NULL
 * @return 0, or -1 with LRUN_IO_FAILED, after all states that can be read were visited
 * Thread-safe. Blocks for at most 7 s for each run that does not answer. Since 0.1.
 */
LRUN_API int lrun_reap_states(unsigned *count, lrun_error *err);

/**
 * Removes the states and the output of runs that have ended.
 * @param older_than_ms  only of runs that ended at least so long ago
 * @param count          receives how many; may be NULL
 * @return 0, or -1 with LRUN_IO_FAILED
 * Thread-safe. Reads and removes files; does not block otherwise. Since 0.1.
 */
LRUN_API int lrun_clean_states(int64_t older_than_ms, unsigned *count, lrun_error *err);

#ifdef __cplusplus
}
#endif
#endif
