/* SPDX-License-Identifier: MIT */
/* light-runner session put, get, read, write, ls, stat, rm: the files of a session. */
#include "verb_session.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPERATION "cli.session"

struct options {
    bool json, help, no_ignore, recursive;
    const char *ignore[64];
    size_t ignored;
    const char *links, *to, *mode;
    uint64_t offset, size;
};

static int read_ignore(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct options *o = into;
    (void)flag;
    if (o->ignored + 1 == sizeof(o->ignore) / sizeof(o->ignore[0]))
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "--ignore: more than 63 names");
    o->ignore[o->ignored++] = value;
    return 0;
}

static int read_number(uint64_t *out, const char *value)
{
    return text_parse_u64(value, out) && *out <= INT64_MAX ? 0 : FLAG_BAD_VALUE;
}

static int read_offset(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    (void)flag;
    (void)err;
    return read_number(&((struct options *)into)->offset, value);
}

static int read_size(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    uint64_t *size = &((struct options *)into)->size;
    (void)flag;
    (void)err;
    return text_parse_size(value, size) && *size > 0 && *size <= LRUN_FILE_MAX ? 0 : FLAG_BAD_VALUE;
}

static int read_mode(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct options *o = into;
    (void)flag;
    (void)err;
    o->mode = value;
    return *value && strlen(value) <= 4 && strspn(value, "01234567") == strlen(value) &&
                   strtoul(value, NULL, 8) <= 0777
               ? 0
               : FLAG_BAD_VALUE;
}

static const struct flag plain_flags[] = {
    FLAG_JSON(struct options, "print JSON"),
    FLAG_HELP(struct options),
    FLAG_END,
};

static const struct flag put_flags[] = {
    FLAG_CALL("ignore", read_ignore,
              "left out at any depth, instead of .git, node_modules... (repeatable)",
              .value = "NAME"),
    FLAG_SWITCH("no-ignore", struct options, no_ignore, "leave nothing out by its name"),
    FLAG_STRING("links", struct options, links, "WHICH",
                "skip (default), or inside: keep relative links that stay in it",
                .choices = "skip inside"),
    FLAG_STRING("to", struct options, to, "PATH", "the folder in the session that gets them"),
    FLAG_JSON(struct options, "print {} when it is done"),
    FLAG_HELP(struct options),
    FLAG_END,
};

const struct command session_put_command = {
    .name = "session put",
    .usage = "[flags] ID FOLDER",
    .about =
        "Copies the contents of a folder into a session, by default into its working directory.",
    .flags = put_flags,
    .words = COMPLETE_RUNS,
};

const struct command session_get_command = {
    .name = "session get",
    .usage = "[flags] ID FROM:TO...",
    .about =
        "Copies files and folders out of a session, as `light-runner run --extract` does. TO is "
        "a folder.\nThe exit code is 1 if an entry could not be copied.",
    .flags = plain_flags,
    .words = COMPLETE_RUNS,
};

static const struct flag read_flags[] = {
    FLAG_CALL("offset", read_offset, "where to begin, in bytes", .value = "BYTES"),
    FLAG_CALL("size", read_size, "the most bytes, up to 64m (default)", .value = "SIZE"),
    FLAG_HELP(struct options),
    FLAG_END,
};

static const struct flag write_flags[] = {
    FLAG_CALL("mode", read_mode, "octal, like 755 (default: what it has, and 644 for a new file)",
              .value = "MODE"),
    FLAG_JSON(struct options, "print {} when it is done"),
    FLAG_HELP(struct options),
    FLAG_END,
};

static const struct flag rm_flags[] = {
    FLAG_SWITCH("recursive", struct options, recursive, "also what is in a folder"),
    FLAG_JSON(struct options, "print {} when it is done"),
    FLAG_HELP(struct options),
    FLAG_END,
};

/* Paths in a session. */
#define PATHS "A relative PATH is relative to the session's working directory."

const struct command session_read_command = {
    .name = "session read",
    .usage = "[flags] ID PATH",
    .about = "Prints a file of a session, up to 64 MiB of it. `session get` copies larger ones.",
    .flags = read_flags,
    .notes = PATHS,
    .words = COMPLETE_RUNS,
};

const struct command session_write_command = {
    .name = "session write",
    .usage = "[flags] ID PATH",
    .about =
        "Replaces a file of a session by what comes on stdin, up to 64 MiB. Makes the folders of "
        "its path.",
    .flags = write_flags,
    .notes = PATHS,
    .words = COMPLETE_RUNS,
};

const struct command session_ls_command = {
    .name = "session ls",
    .usage = "[flags] ID [PATH]",
    .about = "Lists a folder of a session, by default its working directory.",
    .flags = plain_flags,
    .notes = PATHS,
    .words = COMPLETE_RUNS,
};

const struct command session_stat_command = {
    .name = "session stat",
    .usage = "[flags] ID PATH",
    .about = "Describes a file or folder of a session. Does not follow a link.",
    .flags = plain_flags,
    .notes = PATHS,
    .words = COMPLETE_RUNS,
};

const struct command session_rm_command = {
    .name = "session rm",
    .usage = "[flags] ID PATH",
    .about = "Removes a file or an empty folder of a session.",
    .flags = rm_flags,
    .notes = PATHS,
    .words = COMPLETE_RUNS,
};

/* ------------------------------------------------------------- copies */

int session_put(int argc, char **argv)
{
    static const char *const nothing[] = {NULL};
    struct options w = {0};
    lrun_error e = {0};
    int code;
    if (!cli_parse(&session_put_command, &w, &argc, argv, &code))
        return code;
    if (argc != 3)
        return cli_usage("session put", w.json, "it takes an ID and a FOLDER");
    if (w.ignored > 0 && w.no_ignore)
        return cli_usage("session put", w.json,
                         "--ignore and --no-ignore cannot be given together");
    lrun_session *session = session_find(argv[1], w.json, &code);
    if (!session)
        return code;
    lrun_files files = LRUN_FILES_INIT;
    files.dir = argv[2];
    files.ignore = w.no_ignore ? nothing : w.ignored ? w.ignore : NULL;
    files.links = w.links;
    files.to = w.to;
    int rc = lrun_session_put(session, &files, &e);
    lrun_session_free(session);
    if (rc < 0)
        return cli_fail(&e, w.json);
    if (w.json)
        printf("{}\n");
    return 0;
}

/* Splits FROM:TO at the last colon. The strings are argv's own. */
static int read_entries(lrun_extract *entries, int count, char **argv, lrun_error *err)
{
    for (int i = 0; i < count; i++) {
        char *colon = strrchr(argv[i], ':');
        if (!colon)
            return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "'%.300s' is not FROM:TO",
                             argv[i]);
        *colon = '\0';
        entries[i] = (lrun_extract)LRUN_EXTRACT_INIT;
        entries[i].from = argv[i];
        entries[i].to = colon + 1;
    }
    return 0;
}

static int report_copies(const lrun_result *r, bool json)
{
    int code = 0;
    for (size_t i = 0; i < r->extracted_count; i++) {
        const lrun_extracted *x = r->extracted[i];
        if (x->status == LRUN_EXTRACT_OK)
            continue;
        code = 1;
        if (!json)
            cli_line(stderr, "light-runner: get '%s': %s", x->from,
                     x->status == LRUN_EXTRACT_MISSING ? "missing" : x->reason);
    }
    if (json)
        (void)cli_json_text(lrun_result_json(r));
    return code;
}

int session_get(int argc, char **argv)
{
    struct options w = {0};
    lrun_error e = {0};
    int code;
    if (!cli_parse(&session_get_command, &w, &argc, argv, &code))
        return code;
    if (argc < 3)
        return cli_usage("session get", w.json, "it takes an ID and FROM:TO");
    cleanup_free lrun_extract *entries = calloc((size_t)argc, sizeof(*entries));
    if (!entries)
        return CLI_FAILED;
    if (read_entries(entries, argc - 2, argv + 2, &e) < 0)
        return cli_fail(&e, w.json);
    lrun_session *session = session_find(argv[1], w.json, &code);
    if (!session)
        return code;
    lrun_result *result = NULL;
    int rc = lrun_session_get(session, entries, (size_t)argc - 2, &result, &e);
    lrun_session_free(session);
    if (rc < 0)
        return cli_fail(&e, w.json);
    code = report_copies(result, w.json);
    lrun_result_free(result);
    return code;
}

/* ------------------------------------------------------------- one file or folder */

/* Reads the flags and the words ID PATH, and finds the session. Returns NULL if the verb must return
 * *code. */
static lrun_session *begin(const struct command *c, struct options *o, int *argc, char **argv,
                           int *code)
{
    if (!cli_parse(c, o, argc, argv, code))
        return NULL;
    if (*argc == 3 || (c == &session_ls_command && *argc == 2))
        return session_find(argv[1], o->json, code);
    *code = cli_usage(c->name, o->json, "it takes an ID and a PATH");
    return NULL;
}

/* Ends a verb that prints nothing but {} with --json. */
static int finish(lrun_session *session, int rc, const struct options *o, const lrun_error *e)
{
    lrun_session_free(session);
    if (rc < 0)
        return cli_fail(e, o->json);
    if (o->json)
        printf("{}\n");
    return 0;
}

int session_read(int argc, char **argv)
{
    struct options o = {0};
    lrun_error e = {0};
    int code;
    size_t length = 0;
    char *data = NULL;
    lrun_session *session = begin(&session_read_command, &o, &argc, argv, &code);
    if (!session)
        return code;
    int rc = lrun_session_read(session, argv[2], o.offset, (size_t)o.size, &data, &length, &e);
    lrun_session_free(session);
    if (rc < 0)
        return cli_fail(&e, false);
    rc = io_write_all(STDOUT_FILENO, data, length, IO_NO_DEADLINE);
    if (rc < 0)
        error_errno(&e, LRUN_IO_FAILED, OPERATION, errno, "cannot write to stdout");
    lrun_string_free(data);
    return rc < 0 ? cli_fail(&e, false) : 0;
}

/* Reads stdin to its end. */
static int read_stdin(char **data, size_t *length, lrun_error *err)
{
    size_t room = 0;
    for (;;) {
        if (*length == room) {
            room = room ? 2 * room : 64 * 1024;
            char *grown = realloc(*data, room);
            if (!grown)
                return error_oom(err, OPERATION);
            *data = grown;
        }
        ssize_t n = read(STDIN_FILENO, *data + *length, room - *length);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot read stdin");
        *length += n > 0 ? (size_t)n : 0;
        if (*length > LRUN_FILE_MAX) {
            error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "stdin: more than 64 MiB");
            return error_hint(err, "copy large files with light-runner session put");
        }
    }
}

int session_write(int argc, char **argv)
{
    struct options o = {0};
    lrun_error e = {0};
    int code;
    size_t length = 0;
    cleanup_free char *data = NULL;
    lrun_session *session = begin(&session_write_command, &o, &argc, argv, &code);
    if (!session)
        return code;
    int rc = read_stdin(&data, &length, &e);
    if (rc == 0)
        rc = lrun_session_write(session, argv[2], data, length,
                                o.mode ? (int)strtoul(o.mode, NULL, 8) : -1, &e);
    return finish(session, rc, &o, &e);
}

static const char *text_of(const json_t *item, const char *field)
{
    const char *text = json_string_value(json_object_get(item, field));
    return text ? text : "";
}

static void print_item(const json_t *item)
{
    const char *target = json_string_value(json_object_get(item, "target"));
    cli_line(stdout, "%-6s  %4s  %5lld:%-5lld  %12lld  %s  %s%s%s", text_of(item, "kind"),
             text_of(item, "mode"), json_integer_value(json_object_get(item, "uid")),
             json_integer_value(json_object_get(item, "gid")),
             json_integer_value(json_object_get(item, "size")), text_of(item, "modifiedAt"),
             text_of(item, "name"), target ? " -> " : "", target ? target : "");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(text_of(*(json_t *const *)a, "name"), text_of(*(json_t *const *)b, "name"));
}

/* Takes the array's reference. */
static int print_sorted(json_t *items, bool json)
{
    size_t count = json_array_size(items), i;
    json_t **sorted = calloc(count ? count : 1, sizeof(json_t *)), *item;
    if (!sorted) {
        json_decref(items);
        return CLI_FAILED;
    }
    json_array_foreach (items, i, item)
        sorted[i] = json_incref(item);
    json_decref(items);
    qsort(sorted, count, sizeof(json_t *), by_name);
    json_t *all = json_array();
    for (i = 0; i < count; i++) {
        if (!json)
            print_item(sorted[i]);
        json_array_append_new(all, sorted[i]);
    }
    free(sorted);
    int code = 0;
    if (json)
        code = cli_json(all, JSON_COMPACT);
    else
        json_decref(all);
    return fflush(stdout) == 0 ? code : CLI_FAILED;
}

/* A program may make files as fast as they are listed. */
enum { ITEMS_MAX = 1000000 };

int session_ls(int argc, char **argv)
{
    struct options o = {0};
    lrun_error e = {0};
    int code, rc = 0;
    bool more = true;
    lrun_session *session = begin(&session_ls_command, &o, &argc, argv, &code);
    if (!session)
        return code;
    json_t *items = json_array();
    while (rc == 0 && more && json_array_size(items) < ITEMS_MAX) {
        char *text = NULL;
        rc = lrun_session_list(session, argc > 2 ? argv[2] : ".", json_array_size(items), 0, &text,
                               &e);
        json_t *page = text ? json_loads(text, 0, NULL) : NULL;
        json_t *found = json_object_get(page, "items");
        /* A folder that something empties meanwhile must not keep us here. */
        more = json_is_true(json_object_get(page, "more")) && json_array_size(found) > 0;
        json_array_extend(items, found);
        json_decref(page);
        lrun_string_free(text);
    }
    lrun_session_free(session);
    if (rc < 0) {
        json_decref(items);
        return cli_fail(&e, o.json);
    }
    if (more)
        cli_line(stderr, "light-runner: the folder has more than %zu items",
                 json_array_size(items));
    return print_sorted(items, o.json);
}

int session_stat(int argc, char **argv)
{
    struct options o = {0};
    lrun_error e = {0};
    int code;
    char *text = NULL;
    lrun_session *session = begin(&session_stat_command, &o, &argc, argv, &code);
    if (!session)
        return code;
    int rc = lrun_session_stat(session, argv[2], &text, &e);
    lrun_session_free(session);
    if (rc < 0)
        return cli_fail(&e, o.json);
    json_t *item = json_loads(text, 0, NULL);
    code = 0;
    if (o.json)
        code = cli_json_text(text);
    else
        print_item(item);
    json_decref(item);
    lrun_string_free(text);
    return fflush(stdout) == 0 ? code : CLI_FAILED;
}

int session_rm(int argc, char **argv)
{
    struct options o = {0};
    lrun_error e = {0};
    int code;
    lrun_session *session = begin(&session_rm_command, &o, &argc, argv, &code);
    if (!session)
        return code;
    int rc = lrun_session_remove(session, argv[2], o.recursive ? LRUN_REMOVE_RECURSIVE : 0, &e);
    return finish(session, rc, &o, &e);
}
