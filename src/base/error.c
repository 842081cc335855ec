/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "base/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {
    [LRUN_OK] = "OK",
    [LRUN_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [LRUN_ENGINE_UNREACHABLE] = "DOCKER_UNREACHABLE",
    [LRUN_STORAGE_FAILED] = "VOLUME_CREATE_FAILED",
    [LRUN_START_FAILED] = "CONTAINER_START_FAILED",
    [LRUN_SEED_FAILED] = "SEED_FAILED",
    [LRUN_EXTRACT_FAILED] = "EXTRACT_FAILED",
    [LRUN_IMAGE_INVALID] = "IMAGE_INVALID",
    [LRUN_IMAGE_NOT_FOUND] = "IMAGE_NOT_FOUND",
    [LRUN_NOT_SUPPORTED] = "NOT_SUPPORTED",
    [LRUN_ISOLATION_FAILED] = "ISOLATION_FAILED",
    [LRUN_SUPERVISOR_LOST] = "SUPERVISOR_LOST",
    [LRUN_IO_FAILED] = "IO_FAILED",
    [LRUN_OUT_OF_MEMORY] = "OUT_OF_MEMORY",
    [LRUN_INTERNAL] = "INTERNAL",
    [LRUN_SETUP_FAILED] = "BUILD_FAILED",
    [LRUN_FILE_NOT_FOUND] = "FILE_NOT_FOUND",
    [LRUN_FILE_FAILED] = "FILE_FAILED",
    [LRUN_POOL_EMPTY] = "POOL_EMPTY",
};

/* Not a member of the public enum: programs compiled with it would have to be recompiled for each
 * new code. */
enum { CODE_COUNT = sizeof(code_names) / sizeof(code_names[0]) };
static_assert(CODE_COUNT == LRUN_POOL_EMPTY + 1, "a name for each code");

const char *lrun_code_name(lrun_code code)
{
    return (unsigned)code < CODE_COUNT ? code_names[code] : "INTERNAL";
}

lrun_code error_code_from_name(const char *name)
{
    for (int i = 0; i < CODE_COUNT; i++)
        if (strcmp(code_names[i], name) == 0)
            return (lrun_code)i;
    return LRUN_INTERNAL;
}

__attribute__((format(printf, 4, 0))) static void
set(lrun_error *err, lrun_code code, const char *operation, const char *format, va_list ap)
{
    /* Overwrite every member: the caller's struct may be uninitialised or hold an earlier error. */
    *err = (lrun_error){.code = code};
    snprintf(err->operation, sizeof(err->operation), "%s", operation ? operation : "");
    vsnprintf(err->message, sizeof(err->message), format, ap);
    text_make_printable(err->message);
}

int error_set(lrun_error *err, lrun_code code, const char *operation, const char *format, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, format);
        set(err, code, operation, format, ap);
        va_end(ap);
    }
    return -1;
}

int error_errno(lrun_error *err, lrun_code code, const char *operation, int errnum,
                const char *format, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, format);
        set(err, code, operation, format, ap);
        va_end(ap);
        size_t used = strlen(err->message);
        char text[128];
        /* This is GNU strerror_r(). It may return a static string, and uses no locale-dependent
         * globals. */
        snprintf(err->message + used, sizeof(err->message) - used, ": %s",
                 strerror_r(errnum, text, sizeof(text)));
    }
    return -1;
}

int error_context(lrun_error *err, const char *format, ...)
{
    if (err) {
        char old[sizeof(err->message)];
        memcpy(old, err->message, sizeof(old));
        va_list ap;
        va_start(ap, format);
        vsnprintf(err->message, sizeof(err->message), format, ap);
        va_end(ap);
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof(err->message) - used, ": %s", old);
        text_make_printable(err->message);
    }
    return -1;
}

int error_hint(lrun_error *err, const char *format, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, format);
        vsnprintf(err->hint, sizeof(err->hint), format, ap);
        va_end(ap);
        text_make_printable(err->hint);
    }
    return -1;
}

int error_oom(lrun_error *err, const char *operation)
{
    return error_set(err, LRUN_OUT_OF_MEMORY, operation, "out of memory");
}
