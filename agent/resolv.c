/* SPDX-License-Identifier: MIT */
#include "resolv.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "wire/fields.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char path[] = "/etc/resolv.conf";

/* ms; it is a file. */
enum { WRITE_TIMEOUT = 1000, TEXT_MAX = 512 };

static size_t make_text(char text[TEXT_MAX], const struct frame *f)
{
    const char *at = NULL, *key, *value;
    size_t key_length, length = 0;
    while (length < TEXT_MAX && fields_next(f, &at, &key, &key_length, &value))
        if (key_length == strlen("nameserver") && strncmp(key, "nameserver", key_length) == 0)
            length += (size_t)snprintf(text + length, TEXT_MAX - length, "nameserver %s\n", value);
    return length < TEXT_MAX ? length : 0;
}

/* Where the image has a link, Docker's file is at its end. The image may have anything else there as well. */
static int write_text(const char *text, size_t length)
{
    struct stat st;
    cleanup_close int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return ftruncate(fd, 0) < 0 ? -1 : io_write_all(fd, text, length, clock_ms() + WRITE_TIMEOUT);
}

int resolv_provide(const struct frame *f, struct failure *failure)
{
    char text[TEXT_MAX];
    size_t length = make_text(text, f);
    if (length == 0 || write_text(text, length) == 0 || !fields_get(f, "named"))
        return 0;
    failure_errno(failure, "dns", errno, "cannot write /etc/resolv.conf");
    return -1;
}
