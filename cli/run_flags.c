/* SPDX-License-Identifier: MIT */
#include "run_flags.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "wire/request.h"

#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "cli.usage"

enum { MAX_REQUEST_FILE = 256 * 1024 * 1024 };

/* What a flag does with its value. */
enum kind {
    FIELD_TEXT,     /* a field of the request */
    FIELD_LIST,     /* one more entry of a field that is a list */
    FIELD_DURATION, /* a field in milliseconds */
    OPTION_TEXT,    /* a field of `options` */
    OPTION_NUMBER,
    OPTION_COUNT,
    OPTION_BYTES,
    OPTION_NAMES, /* a list of names in `options`, with commas between them */
    EXTRACT,
    ENV,
    INPUT,
    INPUT_JSON,
    REQUEST,
    DETACH, /* from here on: without a value */
    NO_IGNORE,
    ARGV,
    JSON,
    TIMING,
    HELP,
};

static const struct flag {
    const char *name;
    enum kind kind;
    const char *field;
    const char *value; /* how the help calls it */
    const char *description;
} flags[] = {
    {"runtime", OPTION_TEXT, "runtime", "TIER", "runc (default), runsc or kata"},
    {"accelerator", OPTION_TEXT, "accelerator", "NAME",
     "of a VM: any (default), or kvm, which rejects an emulator"},
    {"engine", OPTION_TEXT, "engine", "NAME", "auto (default), local or docker"},
    {"memory", OPTION_TEXT, "memory", "SIZE", "memory cap (default 512m)"},
    {"cpus", OPTION_NUMBER, "cpus", "N", "cores, also fractions (default 1)"},
    {"pids", OPTION_COUNT, "pids", "N", "processes and threads, 1 to 32768 (default 100)"},
    {"disk", OPTION_TEXT, "disk", "SIZE",
     "cap on what the run may write (default 1g; on Docker none)"},
    {"gpus", OPTION_TEXT, "gpus", "WHICH", "all, a count, or device=0"},
    {"timeout", FIELD_DURATION, "timeout", "TIME",
     "30s, 500ms, 2m; a bare number is ms (default 20m)"},
    {"cpu-timeout", FIELD_DURATION, "cpuTimeout", "TIME",
     "of the processors, used by all processes of the run together"},
    {"network", FIELD_LIST, "networks", "NAME", "none, or a network's name (repeatable)"},
    {"dns", FIELD_LIST, "dns", "ADDRESS", "a name server to ask (repeatable; default: the host's)"},
    {"env", ENV, "env", "NAME=VALUE", "a variable; NAME alone takes ours (repeatable)"},
    {"workdir", FIELD_TEXT, "workdir", "PATH", "working directory (default /app)"},
    {"dir", FIELD_TEXT, "dir", "PATH", "folder whose contents are copied into workdir"},
    {"ignore", FIELD_LIST, "ignore", "NAME",
     "left out of --dir at any depth, in the place of .git, node_modules... (repeatable)"},
    {"no-ignore", NO_IGNORE, NULL, NULL, "nothing is left out of --dir by its name"},
    {"links", FIELD_TEXT, "links", "WHICH",
     "of --dir: skip (default), or inside: relative ones that stay in it are kept"},
    {"input", INPUT, NULL, "FILE|-", "bytes for the command's stdin"},
    {"input-json", INPUT_JSON, NULL, "JSON", "a JSON value for the command's stdin"},
    {"setup", FIELD_LIST, "run", "COMMAND",
     "step that is done once on top of the image, and kept (repeatable)"},
    {"setup-runtime", OPTION_TEXT, "setupRuntime", "TIER",
     "tier of the steps (default: the run's; only runc is supported)"},
    {"setup-network", OPTION_TEXT, "setupNetwork", "NAME",
     "none: the steps have no network (default: the default network)"},
    {"extract", EXTRACT, NULL, "FROM:TO",
     "copy FROM out into the folder TO afterwards (repeatable)"},
    {"extract-when", FIELD_TEXT, "extractWhen", "WHEN",
     "success (default), or always: also after another exit code or a timeout"},
    {"max-extract", OPTION_BYTES, "maxExtractBytes", "SIZE", "cap per --extract (default 1g)"},
    {"max-log", OPTION_BYTES, "maxLogBytes", "SIZE", "cap on the output (default 256m)"},
    {"allow-unenforced", OPTION_NAMES, "allowUnenforced", "LIMITS",
     "go without memory, cpus or pids limits if they cannot be set (commas)"},
    {"allow-egress", OPTION_NAMES, "allowEgress", "WHICH",
     "open addresses of the host, or of metadata services (commas)"},
    {"argv", ARGV, NULL, NULL, "the words after IMAGE are the command as it is, without a shell"},
    {"request", REQUEST, NULL, "FILE|-", "the request as a JSON document; flags go over it"},
    {"detach", DETACH, NULL, NULL, "print the id once the command runs, and return"},
    {"json", JSON, NULL, NULL, "print the result as JSON on stdout, output on stderr"},
    {"timing", TIMING, NULL, NULL, "say on stderr where the time went"},
    {"help", HELP, NULL, NULL, "print this"},
};

enum { FLAG_COUNT = sizeof(flags) / sizeof(flags[0]) };

void run_flags_help(void)
{
    puts("usage: light-runner run [flags] IMAGE [--] [SHELL COMMAND]\n\n"
         "Runs a command in a sandbox that exists for this one run. The words after IMAGE are "
         "joined\n"
         "with spaces and given to `sh -c`; with --argv they are the command's words as they are.\n"
         "Without any, the image's own command runs.\n");
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        char left[40];
        snprintf(left, sizeof(left), "--%s %s", flags[i].name,
                 flags[i].value ? flags[i].value : "");
        printf("  %-24s %s\n", left, flags[i].description);
    }
    puts("\nThe exit code is the command's own (128+N after signal N), or 125 for our failure.\n"
         "\n"
         "  light-runner run busybox echo hello\n"
         "  light-runner run --dir src --timeout 10s --network none python -- python3 main.py\n"
         "  light-runner run --extract out:results --json python 'mkdir out; date > out/now'");
}

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

/* A member that is an object or a list, made when it is not there. Borrowed. */
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

/* As Docker has it: a name alone stands for the value that it has here, if any. */
static int append_env(struct run_flags *f, const char *value, lrun_error *err)
{
    if (strchr(value, '='))
        return append_text(f->given, "env", "env", value, err);
    const char *ours = secure_getenv(value);
    if (!ours)
        return member(f->given, "env", json_array) ? 0 : error_oom(err, OPERATION);
    cleanup_free char *both = NULL;
    if (asprintf(&both, "%s=%s", value, ours) < 0) {
        both = NULL;
        return error_oom(err, OPERATION);
    }
    return append_text(f->given, "env", "env", both, err);
}

static int append_extract(struct run_flags *f, const char *value, lrun_error *err)
{
    const char *colon = strrchr(value, ':');
    if (!colon)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--extract: '%s' is not FROM:TO",
                         value);
    cleanup_free char *from = strndup(value, (size_t)(colon - value));
    json_t *list = member(f->given, "extract", json_array);
    json_t *entry = json_object();
    if (!from || !list || !entry) {
        json_decref(entry);
        return error_oom(err, OPERATION);
    }
    if (put_text(entry, "from", "extract", from, err) < 0 ||
        put_text(entry, "to", "extract", colon + 1, err) < 0) {
        json_decref(entry);
        return -1;
    }
    return json_array_append_new(list, entry) < 0 ? error_oom(err, OPERATION) : 0;
}

static int put_duration(struct run_flags *f, const struct flag *flag, const char *value,
                        lrun_error *err)
{
    uint64_t ms;
    if (!text_parse_duration_ms(value, &ms) || ms == 0 || ms > INT64_MAX) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--%s: '%.40s' is not a time above 0",
                  flag->name, value);
        return error_hint(err, "write it like 30s, 500ms or 2m");
    }
    return put(f->given, flag->field, json_integer((json_int_t)ms), err);
}

static int put_bytes(json_t *options, const struct flag *flag, const char *value, lrun_error *err)
{
    uint64_t bytes;
    if (!text_parse_size(value, &bytes) || bytes == 0 || bytes > INT64_MAX) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--%s: '%.40s' is not a size above 0",
                  flag->name, value);
        return error_hint(err, "write it like 512m");
    }
    return put(options, flag->field, json_integer((json_int_t)bytes), err);
}

static int put_count(json_t *options, const struct flag *flag, const char *value, lrun_error *err)
{
    uint64_t count;
    if (!text_parse_u64(value, &count) || count > INT64_MAX) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--%s: '%.40s' is not a count", flag->name,
                  value);
        return error_hint(err, "write it like 100");
    }
    return put(options, flag->field, json_integer((json_int_t)count), err);
}

static int append_names(json_t *options, const struct flag *flag, const char *value,
                        lrun_error *err)
{
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

static int put_input_json(struct run_flags *f, const char *value, lrun_error *err)
{
    json_t *input;
    return request_input(&input, "--input-json", value, strlen(value), err) < 0
               ? -1
               : put(f->given, "input", input, err);
}

static int apply(struct run_flags *f, const struct flag *flag, const char *value, lrun_error *err)
{
    json_t *options = f->given;
    if (flag->kind >= OPTION_TEXT && flag->kind <= OPTION_NAMES) {
        options = member(f->given, "options", json_object);
        if (!options)
            return error_oom(err, OPERATION);
    }
    switch (flag->kind) {
    case FIELD_TEXT:
        return put_text(f->given, flag->field, flag->name, value, err);
    case FIELD_LIST:
        return append_text(f->given, flag->field, flag->name, value, err);
    case FIELD_DURATION:
        return put_duration(f, flag, value, err);
    case OPTION_TEXT:
    case OPTION_NUMBER: /* the request takes numbers of cores as text too, and checks them */
        return put_text(options, flag->field, flag->name, value, err);
    case OPTION_COUNT:
        return put_count(options, flag, value, err);
    case OPTION_BYTES:
        return put_bytes(options, flag, value, err);
    case OPTION_NAMES:
        return append_names(options, flag, value, err);
    case EXTRACT:
        return append_extract(f, value, err);
    case ENV:
        return append_env(f, value, err);
    case INPUT:
        f->input_file = value;
        return 0;
    case INPUT_JSON:
        return put_input_json(f, value, err);
    case REQUEST:
        f->request_file = value;
        return 0;
    case DETACH:
        return put(f->given, "detached", json_true(), err);
    case NO_IGNORE:
        f->no_ignore = true;
        return 0;
    case ARGV:
        f->argv = true;
        return 0;
    case JSON:
        f->json = true;
        return 0;
    case TIMING:
        f->timing = true;
        return 0;
    case HELP:
        f->help = true;
        return 0;
    }
    return 0;
}

/* ------------------------------------------------------------- files */

/* `more`: O_NONBLOCK, or 0. */
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
    if (!text || request_load(out, text, length, err) < 0)
        return -1;
    if (json_is_object(*out))
        return 0;
    return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--request: must be a JSON object");
}

/* ------------------------------------------------------------- the whole */

/* Lays the flags over the document of --request. */
static int merge(struct run_flags *f, lrun_error *err)
{
    json_t *d = f->document;
    json_t *options = json_object_get(d, "options"), *given = json_object_get(f->given, "options");
    /* The older names too. */
    static const char *const commands[] = {"entrypoint", "command", "argv"};
    bool command = json_object_get(f->given, "entrypoint") || json_object_get(f->given, "argv");
    for (size_t i = 0; command && i < sizeof(commands) / sizeof(commands[0]); i++)
        json_object_del(d, commands[i]);
    if (json_object_get(f->given, "networks"))
        json_object_del(d, "network");
    if (f->input_file)
        json_object_del(d, "input");
    if (options && given) {
        /* Into what is no object nothing can be laid: that is said when the document is checked. */
        if (json_is_object(options) && json_object_update(options, given) < 0)
            return error_oom(err, OPERATION);
        json_object_del(f->given, "options");
    }
    return json_object_update(d, f->given) < 0 ? error_oom(err, OPERATION) : 0;
}

/* The words as they are. */
static int put_argv(struct run_flags *f, int argc, char **argv, lrun_error *err)
{
    for (int i = 0; i < argc; i++)
        if (append_text(f->given, "argv", "argv", argv[i], err) < 0)
            return -1;
    if (argc > 0)
        return 0;
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--argv: there is no command after the image");
    return error_hint(err, "write it like: light-runner run --argv IMAGE -- PROGRAM ARGUMENT");
}

static int take_words(struct run_flags *f, int argc, char **argv, lrun_error *err)
{
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
    if (argc > 0 && put_text(f->given, "image", "image", argv[0], err) < 0)
        return -1;
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

/* Whether an argument is a flag whose value is the next argument. */
static bool takes_next(const char *argument)
{
    for (size_t k = 0; k < FLAG_COUNT; k++)
        if (flags[k].value && strncmp(argument, "--", 2) == 0 &&
            strcmp(argument + 2, flags[k].name) == 0)
            return true;
    return false;
}

/* Whether --json is among the flags, known before the first of them is found to be wrong. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
        if (takes_next(argv[i]))
            i++;
    }
    return false;
}

static int usage_hint(lrun_error *err)
{
    return error_hint(err, "try: light-runner run --help");
}

static int take_flags(struct run_flags *f, int argc, char **argv, lrun_error *err)
{
    struct option options[FLAG_COUNT + 1] = {0};
    for (int i = 0; i < FLAG_COUNT; i++)
        options[i] = (struct option){
            .name = flags[i].name,
            .has_arg = flags[i].value ? required_argument : no_argument,
            .val = 256 + i,
        };
    opterr = 0;
    optind = 0;
    for (;;) {
        const char *token = optind > 0 && optind < argc ? argv[optind] : argc > 1 ? argv[1] : "";
        int c = getopt_long(argc, argv, "+:h", options, NULL);
        if (c == -1)
            return 0;
        if (c == 'h') {
            f->help = true;
            continue;
        }
        int length = (int)strcspn(token, "=");
        if (c == ':') {
            error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "flag '%.*s' needs a value", length,
                      token);
            return usage_hint(err);
        }
        const struct flag *flag = c >= 256 ? &flags[c - 256] : NULL;
        /* No abbreviations: a flag that is added later would change what they mean. */
        if (!flag || (size_t)length != strlen(flag->name) + 2) {
            bool known = false;
            for (int i = 0; i < FLAG_COUNT; i++)
                known = known || ((size_t)length == strlen(flags[i].name) + 2 &&
                                  strncmp(token + 2, flags[i].name, (size_t)length - 2) == 0);
            error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                      known ? "flag '%.*s' takes no value" : "unknown flag '%.*s'", length, token);
            return usage_hint(err);
        }
        if (apply(f, flag, optarg, err) < 0)
            return -1;
    }
}

int run_flags_parse(struct run_flags *f, int argc, char **argv, lrun_error *err)
{
    *f = (struct run_flags){.input_fd = -1, .json = wants_json(argc, argv), .given = json_object()};
    if (!f->given)
        return error_oom(err, OPERATION);
    if (take_flags(f, argc, argv, err) < 0)
        return -1;
    if (f->help)
        return 0;
    if (take_words(f, argc - optind, argv + optind, err) < 0)
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
    if (merge(f, err) < 0)
        return -1;
    if (!json_object_get(f->document, "image")) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "image: is missing");
        return usage_hint(err);
    }
    if (f->input_file) {
        /* A fifo without a writer is waited for by the run, which has a deadline, and not here. */
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
