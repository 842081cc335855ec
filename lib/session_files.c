/* SPDX-License-Identifier: MIT */
/* The files of a session, seen from the caller: copies in and out, and operations on one file. */
#include "document.h"
#include "runner.h"
#include "session.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "json/error_json.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ms. How long an operation may take, with its wait for those before it. */
enum { FILE_TIMEOUT = 15 * 60000 };

/* ---------------------------------------------------------------- copies */

/* The supervisor may be in another folder than the caller. malloc'd; NULL when memory is out. */
static char *absolute(const char *path)
{
    if (path[0] == '/' || path[0] == '\0')
        return strdup(path);
    cleanup_free char *here = getcwd(NULL, 0);
    char *both = NULL;
    return here && asprintf(&both, "%s/%s", here, path) >= 0 ? both : NULL;
}

static int copy(const lrun_session *s, enum task_kind kind, const lrun_request *r, const char *to,
                lrun_result **result, lrun_error *err)
{
    const lrun_callbacks none = LRUN_CALLBACKS_INIT;
    json_t *document;
    lrun_execution *x = NULL;
    if (document_from_request(&document, r, err) < 0)
        return -1;
    if (to && json_object_set_new(document, "to", json_string(to)) < 0) {
        json_decref(document);
        return error_set(err, LRUN_INVALID_ARGUMENT, "session.put", "to: must be UTF-8");
    }
    if (session_start_task(s, kind, document, -1, &none, &x, err) < 0)
        return -1;
    int rc = lrun_execution_wait(x, result, err);
    lrun_execution_free(x);
    return rc;
}

int lrun_session_put(lrun_session *session, const lrun_files *files, lrun_error *err)
{
    static const char operation[] = "session.put";
    lrun_files f = LRUN_FILES_INIT;
    if (!session || !files)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "session or files is NULL");
    if (runner_take_struct(&f, sizeof(f), files, files->size, "lrun_files", err) < 0)
        return -1;
    cleanup_free char *dir = f.dir ? absolute(f.dir) : NULL;
    if (f.dir && !dir)
        return error_oom(err, operation);
    lrun_request r = LRUN_REQUEST_INIT;
    r.dir = dir;
    r.ignore = f.ignore;
    r.links = f.links;
    lrun_result *result = NULL;
    int rc = copy(session, TASK_PUT, &r, f.to, &result, err);
    lrun_result_free(result);
    return rc;
}

int lrun_session_get(lrun_session *session, const lrun_extract *entries, size_t count,
                     lrun_result **out, lrun_error *err)
{
    static const char operation[] = "session.get";
    if (!session || (!entries && count > 0) || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "session, entries or out is NULL");
    *out = NULL;
    lrun_extract *copies = calloc(count ? count : 1, sizeof(*copies));
    int rc = copies ? 0 : error_oom(err, operation);
    const char *at = (const char *)entries;
    for (size_t i = 0; i < count && rc == 0; i++, at += entries->size) {
        lrun_extract e = LRUN_EXTRACT_INIT;
        rc = ((const lrun_extract *)at)->size != entries->size
                 ? error_set(err, LRUN_INVALID_ARGUMENT, operation,
                             "entries[%zu].size: differs from that of the first entry", i)
                 : runner_take_struct(&e, sizeof(e), at, entries->size, "lrun_extract", err);
        copies[i] = (lrun_extract)LRUN_EXTRACT_INIT;
        copies[i].from = e.from;
        copies[i].to = rc == 0 && e.to ? absolute(e.to) : NULL;
    }
    lrun_request r = LRUN_REQUEST_INIT;
    r.extract = copies;
    r.extract_count = count;
    if (rc == 0)
        rc = copy(session, TASK_GET, &r, NULL, out, err);
    for (size_t i = 0; copies && i < count; i++)
        free((char *)(uintptr_t)copies[i].to);
    free(copies);
    return rc;
}

/* ---------------------------------------------------------------- operations on one file */

/* Takes the answer, or fails with the error that came instead of it. */
static int receive(json_t **out, int socket, const char *operation, lrun_error *err)
{
    cleanup_buffer struct buffer in;
    struct frame f;
    buffer_init(&in, FRAME_CALLER_MAX + FRAME_HEADER_SIZE);
    if (frame_read(&f, &in, socket, FRAME_CALLER_MAX, clock_ms() + FILE_TIMEOUT) < 0)
        return errno == ENOMEM ? error_oom(err, operation)
               : errno == ETIMEDOUT
                   ? error_set(err, LRUN_SUPERVISOR_LOST, operation, "the session does not answer")
                   : error_set(err, LRUN_SUPERVISOR_LOST, operation, "the session has ended");
    if (f.type == FRAME_ERROR) {
        lrun_error said = {0};
        error_from_json(&said, f.payload, f.length);
        if (err)
            *err = said;
        return -1;
    }
    *out = f.type == FRAME_RESULT ? json_loadb(f.payload, f.length, 0, NULL) : NULL;
    return *out ? 0
                : error_set(err, LRUN_SUPERVISOR_LOST, operation,
                            "the supervisor broke the protocol");
}

/* Takes the document's reference; NULL: something in it is not UTF-8. `fd` has the bytes, or gets
 * them. */
static int operate(json_t **out, const lrun_session *s, json_t *document, int fd, lrun_error *err)
{
    cleanup_task struct task task = {0};
    *out = NULL;
    if (!document)
        return error_set(err, LRUN_INVALID_ARGUMENT, "session.files", "path: must be UTF-8");
    cleanup_free char *text = NULL;
    int rc = task_from_json(&task, TASK_FILE, document, err);
    if (rc == 0 && !(text = json_dumps(document, JSON_COMPACT)))
        rc = error_oom(err, "session.files");
    json_decref(document);
    if (rc < 0)
        return -1;
    const char *operation = file_order_operation(&task.file);
    cleanup_buffer struct buffer frame;
    buffer_init(&frame, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    if (!frame_append(&frame, FRAME_FILE, FRAME_SANDBOX, text, strlen(text)))
        return error_oom(err, operation);
    cleanup_close int socket = session_connect(s, err);
    return socket < 0 || execution_send_with_fd(socket, &frame, fd, err) < 0
               ? -1
               : receive(out, socket, operation, err);
}

static int check(const lrun_session *session, const char *path, const void *also,
                 const char *operation, lrun_error *err)
{
    return session && path && also
               ? 0
               : error_set(err, LRUN_INVALID_ARGUMENT, operation, "a pointer is NULL");
}

/* Returns an unnamed file in memory, or -1. */
static int bytes_file(const char *operation, lrun_error *err)
{
    int fd = memfd_create("light-runner-file", MFD_CLOEXEC);
    if (fd < 0)
        (void)error_errno(err, LRUN_IO_FAILED, operation, errno, "cannot make a file in memory");
    return fd;
}

int lrun_session_read(lrun_session *session, const char *path, uint64_t offset, size_t max,
                      char **data, size_t *length, lrun_error *err)
{
    static const char operation[] = "session.read";
    if (check(session, path, data && length ? data : NULL, operation, err) < 0)
        return -1;
    *data = NULL;
    *length = 0;
    cleanup_close int fd = bytes_file(operation, err);
    json_t *answer = NULL;
    if (max == 0 || max > FRAME_FILE_MAX)
        max = FRAME_FILE_MAX;
    if (fd < 0 || operate(&answer, session,
                          json_pack("{ss,ss,sI,sI}", "action", "read", "path", path, "offset",
                                    (json_int_t)offset, "size", (json_int_t)max),
                          fd, err) < 0)
        return -1;
    json_decref(answer);
    struct stat st;
    if (fstat(fd, &st) < 0 || (uint64_t)st.st_size > max)
        return error_set(err, LRUN_SUPERVISOR_LOST, operation, "the supervisor broke the protocol");
    char *bytes = malloc((size_t)st.st_size + 1);
    if (!bytes)
        return error_oom(err, operation);
    for (size_t done = 0; done < (size_t)st.st_size;) {
        ssize_t n = pread(fd, bytes + done, (size_t)st.st_size - done, (off_t)done);
        if (n <= 0) {
            free(bytes);
            return error_errno(err, LRUN_IO_FAILED, operation, errno, "cannot read the bytes");
        }
        done += (size_t)n;
    }
    bytes[st.st_size] = '\0';
    *data = bytes;
    *length = (size_t)st.st_size;
    return 0;
}

int lrun_session_write(lrun_session *session, const char *path, const void *data, size_t length,
                       int mode, lrun_error *err)
{
    static const char operation[] = "session.write";
    if (check(session, path, data || length == 0 ? "" : NULL, operation, err) < 0)
        return -1;
    if (length > FRAME_FILE_MAX) {
        error_set(err, LRUN_INVALID_ARGUMENT, operation, "data: more than %d bytes",
                  FRAME_FILE_MAX);
        return error_hint(err, "copy large files with light-runner session put");
    }
    if (mode > 0777)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "mode: must be at most 0777");
    cleanup_close int fd = bytes_file(operation, err);
    if (fd < 0)
        return -1;
    if (io_write_all(fd, data, length, IO_NO_DEADLINE) < 0)
        return error_errno(err, LRUN_IO_FAILED, operation, errno, "cannot keep the bytes");
    json_t *document = json_pack("{ss,ss}", "action", "write", "path", path), *answer = NULL;
    if (document && mode >= 0) {
        char text[8];
        snprintf(text, sizeof(text), "%o", (unsigned)mode);
        json_object_set_new(document, "mode", json_string(text));
    }
    int rc = operate(&answer, session, document, fd, err);
    json_decref(answer);
    return rc;
}

/* Hands over a member of the answer, or all of it. Takes the answer's reference. */
static int hand_over(char **out, json_t *answer, const char *member, const char *operation,
                     lrun_error *err)
{
    const json_t *value = member ? json_object_get(answer, member) : answer;
    *out = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(answer);
    return *out ? 0 : error_oom(err, operation);
}

int lrun_session_list(lrun_session *session, const char *path, size_t skip, size_t limit,
                      char **out, lrun_error *err)
{
    static const char operation[] = "session.list";
    if (check(session, path, out, operation, err) < 0)
        return -1;
    *out = NULL;
    json_t *document =
               json_pack("{ss,ss,sI}", "action", "list", "path", path, "skip", (json_int_t)skip),
           *answer = NULL;
    if (document && limit > 0)
        json_object_set_new(document, "limit", json_integer((json_int_t)limit));
    return operate(&answer, session, document, -1, err) < 0
               ? -1
               : hand_over(out, answer, NULL, operation, err);
}

int lrun_session_stat(lrun_session *session, const char *path, char **out, lrun_error *err)
{
    static const char operation[] = "session.stat";
    if (check(session, path, out, operation, err) < 0)
        return -1;
    *out = NULL;
    json_t *answer = NULL;
    return operate(&answer, session, json_pack("{ss,ss}", "action", "stat", "path", path), -1,
                   err) < 0
               ? -1
               : hand_over(out, answer, "item", operation, err);
}

int lrun_session_remove(lrun_session *session, const char *path, unsigned flags, lrun_error *err)
{
    static const char operation[] = "session.remove";
    if (check(session, path, "", operation, err) < 0)
        return -1;
    if (flags & ~LRUN_REMOVE_RECURSIVE)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "flags: %#x is not known", flags);
    json_t *answer = NULL;
    int rc = operate(&answer, session,
                     json_pack("{ss,ss,sb}", "action", "remove", "path", path, "recursive",
                               (flags & LRUN_REMOVE_RECURSIVE) != 0),
                     -1, err);
    json_decref(answer);
    return rc;
}
