/* SPDX-License-Identifier: MIT */
#include "run_flags.h"

#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "json/request_text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "cli.usage"

enum { MAX_REQUEST_FILE = 256 * 1024 * 1024 };

/* ------------------------------------------------------------- values */

static int put(json_t *object, const char *field, json_t *value, lrun_error *err)
{
    return json_object_set_new(object, field, value) < 0 ? error_oom(err, OPERATION) : 0;
}

static json_t *text_value(const char *flag, const char *value, lrun_error *err)
{
    json_t *text = json_string(value);
    if (!text)
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--%s: must be UTF-8", flag);
    return text;
}

static int put_text(json_t *object, const char *field, const char *flag, const char *value,
                    lrun_error *err)
{
    json_t *text = text_value(flag, value, err);
    return text ? put(object, field, text, err) : -1;
}

/* Returns a member that is an object or a list, and creates it if it is missing. Borrowed. */
static json_t *member(json_t *object, const char *field, json_t *(*make)(void))
{
    json_t *found = json_object_get(object, field);
    if (!found && json_object_set_new(object, field, make()) == 0)
        found = json_object_get(object, field);
    return found;
}

static int append_text(json_t *object, const char *field, const char *flag, const char *value,
                       lrun_error *err)
{
    json_t *text = text_value(flag, value, err);
    if (!text)
        return -1;
    json_t *list = member(object, field, json_array);
    if (!list) {
        json_decref(text);
        return error_oom(err, OPERATION);
    }
    return json_array_append_new(list, text) < 0 ? error_oom(err, OPERATION) : 0;
}

/* Returns the document's `options`. Borrowed. */
static json_t *options_of(struct run_flags *f, lrun_error *err)
{
    json_t *options = member(f->given, "options", json_object);
    if (!options)
        error_oom(err, OPERATION);
    return options;
}

static int read_field(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    return put_text(f->given, flag->field, flag->name, value, err);
}

static int read_field_list(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    return append_text(f->given, flag->field, flag->name, value, err);
}

/* The request accepts the number of cores as text too, and checks it. */
static int read_option(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    json_t *options = options_of(into, err);
    return options ? put_text(options, flag->field, flag->name, value, err) : -1;
}

/* Like Docker's --env: a name alone stands for its value in our own environment, if it has one. */
static int read_env(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    if (strchr(value, '='))
        return append_text(f->given, flag->field, flag->name, value, err);
    const char *ours = secure_getenv(value);
    if (!ours)
        return member(f->given, flag->field, json_array) ? 0 : error_oom(err, OPERATION);
    cleanup_free char *both = NULL;
    if (asprintf(&both, "%s=%s", value, ours) < 0) {
        both = NULL;
        return error_oom(err, OPERATION);
    }
    return append_text(f->given, flag->field, flag->name, both, err);
}

static int read_extract(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    const char *colon = strrchr(value, ':');
    if (!colon)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--extract: '%s' is not FROM:TO",
                         value);
    cleanup_free char *from = strndup(value, (size_t)(colon - value));
    json_t *list = member(f->given, flag->field, json_array);
    json_t *entry = json_object();
    if (!from || !list || !entry) {
        json_decref(entry);
        return error_oom(err, OPERATION);
    }
    if (put_text(entry, "from", flag->name, from, err) < 0 ||
        put_text(entry, "to", flag->name, colon + 1, err) < 0) {
        json_decref(entry);
        return -1;
    }
    return json_array_append_new(list, entry) < 0 ? error_oom(err, OPERATION) : 0;
}

static int read_duration(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    uint64_t ms;
    if (!text_parse_duration_ms(value, &ms) || ms == 0 || ms > INT64_MAX) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--%s: '%.40s' is not a time above 0",
                  flag->name, value);
        return error_hint(err, "write it like 30s, 500ms or 2m");
    }
    return put(f->given, flag->field, json_integer((json_int_t)ms), err);
}

static int read_bytes(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    uint64_t bytes;
    if (!text_parse_size(value, &bytes) || bytes == 0 || bytes > INT64_MAX) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--%s: '%.40s' is not a size above 0",
                  flag->name, value);
        return error_hint(err, "write it like 512m");
    }
    json_t *options = options_of(into, err);
    return options ? put(options, flag->field, json_integer((json_int_t)bytes), err) : -1;
}

static int read_count(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    uint64_t count;
    if (!text_parse_u64(value, &count) || count > INT64_MAX) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--%s: '%.40s' is not a count", flag->name,
                  value);
        return error_hint(err, "write it like 100");
    }
    json_t *options = options_of(into, err);
    return options ? put(options, flag->field, json_integer((json_int_t)count), err) : -1;
}

static int read_names(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    json_t *options = options_of(into, err);
    if (!options)
        return -1;
    for (const char *at = value, *end;; at = end + 1) {
        end = strchrnul(at, ',');
        cleanup_free char *name = strndup(at, (size_t)(end - at));
        if (!name)
            return error_oom(err, OPERATION);
        if (append_text(options, flag->field, flag->name, name, err) < 0)
            return -1;
        if (!*end)
            return 0;
    }
}

static int read_input_json(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    json_t *input;
    return request_text_input(&input, "--input-json", value, strlen(value), err) < 0
               ? -1
               : put(f->given, flag->field, input, err);
}

static int read_interactive(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    (void)flag;
    (void)value;
    (void)err;
    f->input_file = "-";
    return 0;
}

static int read_tty(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    (void)value;
    f->tty = true;
    return put(f->given, flag->field, json_true(), err);
}

static int read_pool_size(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    uint64_t count;
    (void)flag;
    (void)err;
    if (!text_parse_u64(value, &count) || count < 1 || count > 1000)
        return FLAG_BAD_VALUE;
    f->pool.entries = (size_t)count;
    return 0;
}

static int read_pool_age(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    (void)flag;
    (void)err;
    return text_parse_duration_ms(value, &f->pool.max_age_ms) && f->pool.max_age_ms > 0
               ? 0
               : FLAG_BAD_VALUE;
}

static int read_when_empty(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    static const char *const names[] = {
        [LRUN_POOL_COLD] = "cold", [LRUN_POOL_WAIT] = "wait", [LRUN_POOL_REFUSE] = "refuse"};
    struct run_flags *f = into;
    (void)flag;
    (void)err;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], value) == 0) {
            f->pool.when_empty = (lrun_pool_empty)i;
            return 0;
        }
    }
    return FLAG_BAD_VALUE;
}

static int read_detach(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct run_flags *f = into;
    (void)value;
    return put(f->given, flag->field, json_true(), err);
}

/* ------------------------------------------------------------- the table */

/* Rows that several commands have. */
#define SANDBOX_FLAGS                                                                              \
    FLAG_CALL("runtime", read_option, "runc (default), runsc or kata", .value = "TIER",            \
              .field = "runtime", .choices = CLI_TIERS),                                           \
        FLAG_CALL("accelerator", read_option,                                                      \
                  "for VMs: any (default), or kvm, which rejects an emulator", .value = "NAME",    \
                  .field = "accelerator", .choices = "any kvm"),                                   \
        FLAG_CALL("engine", read_option, "auto (default), local or docker", .value = "NAME",       \
                  .field = "engine", .choices = CLI_ENGINES),                                      \
        FLAG_CALL("memory", read_option, "memory cap (default 512m)", .value = "SIZE",             \
                  .field = "memory"),                                                              \
        FLAG_CALL("cpus", read_option, "number of cores, may be a fraction (default 1)",           \
                  .value = "N", .field = "cpus"),                                                  \
        FLAG_CALL("pids", read_count, "processes and threads, 1 to 32768 (default 100)",           \
                  .value = "N", .field = "pids"),                                                  \
        FLAG_CALL("disk", read_option,                                                             \
                  "cap on what the run may write (default 1g; on Docker none)", .value = "SIZE",   \
                  .field = "disk"),                                                                \
        FLAG_CALL("gpus", read_option, "all, a count, or device=0", .value = "WHICH",              \
                  .field = "gpus", .choices = "all")

#define LIMIT_FLAGS                                                                                \
    FLAG_CALL("cpu-timeout", read_duration,                                                        \
              "limit on the CPU time of all processes of the run together", .value = "TIME",       \
              .field = "cpuTimeout"),                                                              \
        FLAG_CALL("network", read_field_list, "none, or a network's name (repeatable)",            \
                  .value = "NAME", .field = "networks", .choices = "none"),                        \
        FLAG_CALL("dns", read_field_list,                                                          \
                  "name server for the sandbox (repeatable; default: the host's)",                 \
                  .value = "ADDRESS", .field = "dns")

#define FILE_FLAGS                                                                                 \
    FLAG_CALL("dir", read_field, "folder whose contents are copied into workdir", .value = "PATH", \
              .field = "dir", .choices = COMPLETE_FOLDERS),                                        \
        FLAG_CALL("ignore", read_field_list,                                                       \
                  "left out of --dir at any depth, instead of .git, node_modules... (repeatable)", \
                  .value = "NAME", .field = "ignore"),                                             \
        FLAG_SWITCH("no-ignore", struct run_flags, no_ignore,                                      \
                    "leave nothing out of --dir by its name", .field = "ignore"),                  \
        FLAG_CALL("links", read_field,                                                             \
                  "in --dir: skip (default), or inside: keep relative links that stay in it",      \
                  .value = "WHICH", .field = "links", .choices = "skip inside")

#define SETUP_FLAGS                                                                                \
    FLAG_CALL("setup", read_field_list,                                                            \
              "shell command executed once on top of the image, and kept (repeatable)",            \
              .value = "COMMAND", .field = "run"),                                                 \
        FLAG_CALL("setup-runtime", read_option,                                                    \
                  "tier of the steps (default: the run's; only runc is supported)",                \
                  .value = "TIER", .field = "setupRuntime", .choices = CLI_TIERS),                 \
        FLAG_CALL("setup-network", read_option,                                                    \
                  "none: the steps have no network (default: the default network)",                \
                  .value = "NAME", .field = "setupNetwork", .choices = "none")

#define PLACE_FLAGS                                                                                \
    FLAG_CALL("env", read_env, "a variable; NAME alone takes our value (repeatable)",              \
              .value = "NAME=VALUE", .field = "env"),                                              \
        FLAG_CALL("workdir", read_field, "working directory (default /app)", .value = "PATH",      \
                  .field = "workdir")

#define INPUT_FLAGS                                                                                \
    FLAG_STRING("input", struct run_flags, input_file, "FILE|-", "bytes for the command's stdin",  \
                .field = "input", .choices = COMPLETE_FILES),                                      \
        FLAG_CALL("input-json", read_input_json, "a JSON value for the command's stdin",           \
                  .value = "JSON", .field = "input"),                                              \
        FLAG_CALL("interactive", read_interactive, "the same as --input -", .letter = 'i'),        \
        FLAG_CALL("tty", read_tty, "a terminal for the command; with -i it is this one",           \
                  .field = "tty", .letter = 't')

#define ALLOW_FLAGS                                                                                \
    FLAG_CALL("allow-unenforced", read_names,                                                      \
              "run without memory, cpus or pids limits that cannot be set (commas)",               \
              .value = "LIMITS", .field = "allowUnenforced", .choices = "memory cpus pids"),       \
        FLAG_CALL("allow-egress", read_names, "open addresses: host, metadata (commas)",           \
                  .value = "WHICH", .field = "allowEgress", .choices = "host metadata")

static const struct flag flags[] = {
    SANDBOX_FLAGS,
    FLAG_CALL("timeout", read_duration, "30s, 500ms, 2m; a bare number is ms (default 20m)",
              .value = "TIME", .field = "timeout"),
    LIMIT_FLAGS,
    PLACE_FLAGS,
    FILE_FLAGS,
    INPUT_FLAGS,
    SETUP_FLAGS,
    FLAG_CALL("extract", read_extract, "copy FROM into the folder TO after the run (repeatable)",
              .value = "FROM:TO", .field = "extract"),
    FLAG_CALL("extract-when", read_field,
              "success (default), or always: also after another exit code or a timeout",
              .value = "WHEN", .field = "extractWhen", .choices = "success always"),
    FLAG_CALL("max-extract", read_bytes, "cap per --extract (default 1g)", .value = "SIZE",
              .field = "maxExtractBytes"),
    FLAG_CALL("max-log", read_bytes, "cap on the output (default 256m)", .value = "SIZE",
              .field = "maxLogBytes"),
    ALLOW_FLAGS,
    FLAG_SWITCH("argv", struct run_flags, argv,
                "use the words after IMAGE as the command, without a shell", .field = "argv"),
    FLAG_STRING("request", struct run_flags, request_file, "FILE|-",
                "the request as a JSON document; flags override it", .choices = COMPLETE_FILES),
    FLAG_CALL("detach", read_detach, "print the id once the command runs, and return",
              .field = "detached"),
    FLAG_JSON(struct run_flags, "print the result as JSON on stdout, output on stderr"),
    FLAG_SWITCH("timing", struct run_flags, timing, "print on stderr where the time went"),
    FLAG_HELP(struct run_flags),
    FLAG_END,
};

static const struct flag open_flags[] = {
    SANDBOX_FLAGS,
    FLAG_CALL("timeout", read_duration, "how long the session may last (default 1h)",
              .value = "TIME", .field = "timeout"),
    FLAG_CALL("idle", read_duration, "close it after so long without a command (default 10m)",
              .value = "TIME", .field = "idle"),
    LIMIT_FLAGS,
    PLACE_FLAGS,
    FILE_FLAGS,
    SETUP_FLAGS,
    ALLOW_FLAGS,
    FLAG_STRING("request", struct run_flags, request_file, "FILE|-",
                "the request as a JSON document; flags override it", .choices = COMPLETE_FILES),
    FLAG_CALL("detach", read_detach, "required: the session outlives this command",
              .field = "detached"),
    FLAG_JSON(struct run_flags, "print {\"id\": ID} instead of the id"),
    FLAG_HELP(struct run_flags),
    FLAG_END,
};

static const struct flag exec_flags[] = {
    FLAG_CALL("timeout", read_duration, "30s, 500ms, 2m; a bare number is ms (default 20m)",
              .value = "TIME", .field = "timeout"),
    PLACE_FLAGS,
    FLAG_CALL("user", read_field, "name or id, also with :group (default: the image's user)",
              .value = "USER", .field = "user"),
    INPUT_FLAGS,
    FLAG_CALL("max-log", read_bytes, "cap on the output (default 256m)", .value = "SIZE",
              .field = "maxLogBytes"),
    FLAG_SWITCH("argv", struct run_flags, argv,
                "use the words after ID as the command, without a shell", .field = "argv"),
    FLAG_JSON(struct run_flags, "print the result as JSON on stdout, output on stderr"),
    FLAG_SWITCH("timing", struct run_flags, timing, "print on stderr where the time went"),
    FLAG_HELP(struct run_flags),
    FLAG_END,
};

static const struct flag pool_flags[] = {
    FLAG_CALL("size", read_pool_size, "sandboxes that are kept ready (default 4)", .value = "N"),
    FLAG_CALL("when-empty", read_when_empty,
              "if none is ready: wait (default), cold (start without the pool) or refuse",
              .value = "WHAT", .choices = "wait cold refuse"),
    FLAG_CALL("max-age", read_pool_age, "replace an unused sandbox after this time (default 10m)",
              .value = "TIME"),
    SANDBOX_FLAGS,
    FLAG_CALL("timeout", read_duration, "of each command (default 20m)", .value = "TIME",
              .field = "timeout"),
    LIMIT_FLAGS,
    PLACE_FLAGS,
    SETUP_FLAGS,
    ALLOW_FLAGS,
    FLAG_JSON(struct run_flags, "print each result as a line of JSON, then the pool's counters"),
    FLAG_HELP(struct run_flags),
    FLAG_END,
};

const struct command pool_command = {
    .name = "pool",
    .usage = "[flags] IMAGE",
    .about =
        "Keeps sandboxes ready, and executes each line of stdin as a shell command in a sandbox "
        "of its\nown. To try out what a program gets from lrun_pool_run().",
    .flags = pool_flags,
    .notes = "The exit code is 1 if a command failed.\n"
             "\n"
             "  yes date | head -5 | light-runner pool --network none busybox",
    .words = COMPLETE_IMAGES,
};

const struct command run_command = {
    .name = "run",
    .usage = "[flags] IMAGE [--] [SHELL COMMAND]",
    .about =
        "Runs a command in a sandbox that exists for this one run. The words after IMAGE are "
        "joined\n"
        "with spaces and given to `sh -c`; with --argv they are the command's words as they are.\n"
        "Without any, the image's own command runs.",
    .flags = flags,
    .notes =
        "The exit code is the command's own (128+N after signal N), or 125 if light-runner fails.\n"
        "\n"
        "  light-runner run busybox echo hello\n"
        "  light-runner run --dir src --timeout 10s --network none python -- python3 main.py\n"
        "  light-runner run --extract out:results --json python 'mkdir out; date > out/now'",
    .words = COMPLETE_IMAGES,
    .words_end_flags = true,
};

const struct command session_open_command = {
    .name = "session open",
    .usage = "--detach [flags] IMAGE",
    .about = "Opens a sandbox for many commands, and prints its id. Every process of the same user "
             "can use\nit by that id until it is closed.",
    .flags = open_flags,
    .notes = "  id=$(light-runner session open --detach --dir src python) && \\\n"
             "  light-runner session run $id -- python3 main.py && \\\n"
             "  light-runner session close $id",
    .words = COMPLETE_IMAGES,
};

const struct command session_run_command = {
    .name = "session run",
    .usage = "[flags] ID [--] SHELL COMMAND",
    .about =
        "Executes a command in a session. The words after ID are joined with spaces and given "
        "to\n`sh -c`; with --argv they are the command's words as they are. Processes that the "
        "command\nleaves running go on. Ctrl-C kills the command, not the session.",
    .flags = exec_flags,
    .notes = "The exit code is the command's own (128+N after signal N), or 125 if light-runner "
             "fails.",
    .words = COMPLETE_RUNS,
    .words_end_flags = true,
};

/* ------------------------------------------------------------- files */

/* `more` is O_NONBLOCK or 0. */
static int open_input(const char *path, const char *flag, int more, lrun_error *err)
{
    if (strcmp(path, "-") == 0) {
        int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "--%s: stdin", flag)
                      : fd;
    }
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | more);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, LRUN_INVALID_ARGUMENT, OPERATION, errno, "--%s: '%s'", flag, path);
    if (S_ISDIR(st.st_mode))
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--%s: '%s' is a folder", flag,
                         path);
    return steal_fd(&fd);
}

static char *read_all(int fd, size_t *length, lrun_error *err)
{
    cleanup_free char *data = NULL;
    size_t used = 0, capacity = 0;
    for (;;) {
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 64 * 1024;
            char *more = capacity > MAX_REQUEST_FILE ? NULL : realloc(data, capacity);
            if (!more) {
                error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                          "--request: over the limit of %d bytes", MAX_REQUEST_FILE);
                return NULL;
            }
            data = more;
        }
        ssize_t n = read(fd, data + used, capacity - used);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR) {
            error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "--request");
            return NULL;
        }
        used += n > 0 ? (size_t)n : 0;
    }
    *length = used;
    return steal_ptr(data);
}

static int load_request(json_t **out, const char *path, lrun_error *err)
{
    cleanup_close int fd = open_input(path, "request", 0, err);
    if (fd < 0)
        return -1;
    size_t length;
    cleanup_free char *text = read_all(fd, &length, err);
    if (!text || request_text_load(out, text, length, err) < 0)
        return -1;
    if (json_is_object(*out))
        return 0;
    return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--request: must be a JSON object");
}

/* ------------------------------------------------------------- the whole command line */

/* Overrides the document of --request with the flags. */
static int merge(struct run_flags *f, lrun_error *err)
{
    json_t *d = f->document;
    json_t *options = json_object_get(d, "options"), *given = json_object_get(f->given, "options");
    /* This includes the older names. */
    static const char *const commands[] = {"entrypoint", "command", "argv"};
    bool command = json_object_get(f->given, "entrypoint") || json_object_get(f->given, "argv");
    for (size_t i = 0; command && i < sizeof(commands) / sizeof(commands[0]); i++)
        json_object_del(d, commands[i]);
    if (json_object_get(f->given, "networks"))
        json_object_del(d, "network");
    if (f->input_file)
        json_object_del(d, "input");
    if (options && given) {
        /* Only an object can be updated; any other type is reported when the document is
         * checked. */
        if (json_is_object(options) && json_object_update(options, given) < 0)
            return error_oom(err, OPERATION);
        json_object_del(f->given, "options");
    }
    return json_object_update(d, f->given) < 0 ? error_oom(err, OPERATION) : 0;
}

/* Uses the words as they are, as `argv`. */
static int put_argv(struct run_flags *f, int argc, char **argv, lrun_error *err)
{
    for (int i = 0; i < argc; i++)
        if (append_text(f->given, "argv", "argv", argv[i], err) < 0)
            return -1;
    if (argc > 0)
        return 0;
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--argv: there is no command after the %s",
              f->id ? "id" : "image");
    return error_hint(err, "write it like: light-runner %s -- PROGRAM ARGUMENT",
                      f->id ? "session run --argv ID" : "run --argv IMAGE");
}

static int take_words(struct run_flags *f, int argc, char **argv, lrun_error *err)
{
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
    if (f->command == &session_run_command)
        f->id = argc > 0 ? argv[0] : NULL;
    else if (argc > 0 && put_text(f->given, "image", "image", argv[0], err) < 0)
        return -1;
    if (f->command == &pool_command && argc > 1)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "pool: it takes one IMAGE; commands come on stdin");
    if (f->command == &session_open_command && argc > 1)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "session open: it takes one IMAGE; commands are for session run");
    if (f->argv)
        return put_argv(f, argc - first, argv + first, err);
    size_t length = 1;
    for (int i = first; i < argc; i++)
        length += strlen(argv[i]) + 1;
    if (first >= argc)
        return 0;
    cleanup_free char *command = malloc(length);
    if (!command)
        return error_oom(err, OPERATION);
    char *end = command;
    for (int i = first; i < argc; i++)
        end = stpcpy(stpcpy(end, i > first ? " " : ""), argv[i]);
    json_t *text = json_string(command);
    if (!text)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "the command must be UTF-8");
    return put(f->given, "entrypoint", text, err);
}

/* Whether what the command must name is there. */
static int check_words(const struct run_flags *f, lrun_error *err)
{
    bool run = f->command == &session_run_command;
    if (run ? f->id != NULL : json_object_get(f->document, "image") != NULL)
        return 0;
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "%s: is missing", run ? "ID" : "image");
    return error_hint(err, "try: light-runner %s --help", f->command->name);
}

int run_flags_parse(struct run_flags *f, const struct command *command, int argc, char **argv,
                    lrun_error *err)
{
    *f = (struct run_flags){
        .command = command, .input_fd = -1, .pool = LRUN_POOL_OPTIONS_INIT, .given = json_object()};
    f->pool.when_empty = LRUN_POOL_WAIT;
    if (!f->given)
        return error_oom(err, OPERATION);
    int words = flags_parse(command, f, argc, argv, err);
    if (words < 0)
        return -1;
    if (f->help)
        return 0;
    if (take_words(f, words, argv + 1, err) < 0)
        return -1;
    if (f->no_ignore && json_object_get(f->given, "ignore"))
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "--ignore and --no-ignore cannot be given together");
    if (f->no_ignore && put(f->given, "ignore", json_array(), err) < 0)
        return -1;
    if (f->input_file && json_object_get(f->given, "input"))
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "--input and --input-json cannot be given together");
    if (f->input_file && f->request_file && strcmp(f->input_file, "-") == 0 &&
        strcmp(f->request_file, "-") == 0)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "--input and --request cannot both read stdin");
    if (f->request_file) {
        if (load_request(&f->document, f->request_file, err) < 0)
            return -1;
    } else if (!(f->document = json_object())) {
        return error_oom(err, OPERATION);
    }
    if (merge(f, err) < 0 || check_words(f, err) < 0)
        return -1;
    if (f->input_file) {
        /* A fifo without a writer must not block here: the run waits for it, and has a deadline. */
        int fd = open_input(f->input_file, "input", O_NONBLOCK, err);
        if (fd < 0)
            return -1;
        f->input_fd = fd;
    }
    return 0;
}

void run_flags_free(struct run_flags *f)
{
    json_decref(f->document);
    json_decref(f->given);
    if (f->input_fd >= 0)
        close(f->input_fd);
    *f = (struct run_flags){.input_fd = -1};
}
