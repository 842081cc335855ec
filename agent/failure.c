/* SPDX-License-Identifier: MIT */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int failure_set(struct failure *f, const char *operation, const char *format, ...)
{
    va_list ap;
    f->operation = operation;
    f->errnum = 0;
    va_start(ap, format);
    vsnprintf(f->message, sizeof(f->message), format, ap);
    va_end(ap);
    return -1;
}

int failure_errno(struct failure *f, const char *operation, int errnum, const char *format, ...)
{
    va_list ap;
    f->operation = operation;
    f->errnum = errnum;
    va_start(ap, format);
    vsnprintf(f->message, sizeof(f->message), format, ap);
    va_end(ap);
    size_t used = strlen(f->message);
    snprintf(f->message + used, sizeof(f->message) - used, ": %s", strerror(errnum));
    return -1;
}
