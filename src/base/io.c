/* SPDX-License-Identifier: MIT */
#include "base/io.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
    return clock_us() / 1000;
}

int io_poll_timeout(int64_t deadline)
{
    if (deadline == IO_NO_DEADLINE)
        return -1;
    int64_t left = deadline - clock_ms();
    if (left <= 0)
        return 0;
    return left > 3600000 ? 3600000 : (int)left;
}

int io_set_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -1;
    int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return wanted == flags ? 0 : fcntl(fd, F_SETFL, wanted);
}

int io_wait(int fd, short events, int64_t deadline)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, io_poll_timeout(deadline));
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0 && clock_ms() >= deadline) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}

int io_write_all(int fd, const void *data, size_t length, int64_t deadline)
{
    const char *p = data;
    while (length > 0) {
        if (deadline != IO_NO_DEADLINE && io_wait(fd, POLLOUT, deadline) < 0)
            return -1;
        ssize_t n = write(fd, p, length);
        if (n >= 0) {
            p += n;
            length -= (size_t)n;
        } else if (errno == EAGAIN) {
            if (io_wait(fd, POLLOUT, deadline) < 0)
                return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int io_read_exact(int fd, void *data, size_t length, int64_t deadline)
{
    char *p = data;
    while (length > 0) {
        if (deadline != IO_NO_DEADLINE && io_wait(fd, POLLIN, deadline) < 0)
            return -1;
        ssize_t n = read(fd, p, length);
        if (n > 0) {
            p += n;
            length -= (size_t)n;
        } else if (n == 0) {
            errno = ENODATA;
            return -1;
        } else if (errno == EAGAIN) {
            if (io_wait(fd, POLLIN, deadline) < 0)
                return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

char *io_read_file_at(int dirfd, const char *path, size_t max, size_t *length)
{
    cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    /* st_size is 0 for files of /proc and /sys, so the size is found by reading. */
    size_t capacity = 4096, used = 0;
    cleanup_free char *data = malloc(capacity + 1);
    if (!data)
        return NULL;
    for (;;) {
        ssize_t n = read(fd, data + used, capacity - used);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return NULL;
        }
        if (n == 0)
            break;
        used += (size_t)n;
        if (used > max) {
            errno = EFBIG;
            return NULL;
        }
        if (used == capacity) {
            capacity *= 2;
            char *more = realloc(data, capacity + 1);
            if (!more)
                return NULL;
            data = more;
        }
    }
    data[used] = '\0';
    if (length)
        *length = used;
    return steal_ptr(data);
}

int io_write_control(int dirfd, const char *path, const char *text)
{
    cleanup_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t length = strlen(text);
    /* One write: the kernel parses each write as a whole value. */
    ssize_t n = write(fd, text, length);
    if (n >= 0 && (size_t)n != length) {
        errno = EIO;
        return -1;
    }
    return n < 0 ? -1 : 0;
}

int io_write_file_atomic(int dirfd, const char *name, const void *data, size_t length, mode_t mode)
{
    char temporary[300];
    uint64_t unique;
    if (getrandom(&unique, sizeof(unique), 0) != sizeof(unique))
        return -1;
    /* Not the process's number: threads share it, and it repeats in other PID namespaces. */
    int n = snprintf(temporary, sizeof(temporary), ".%s.%016" PRIx64 ".tmp", name, unique);
    if (n < 0 || (size_t)n >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    cleanup_close int fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    if (io_write_all(fd, data, length, IO_NO_DEADLINE) < 0 || fsync(fd) < 0 ||
        renameat(dirfd, temporary, dirfd, name) < 0) {
        int saved = errno;
        unlinkat(dirfd, temporary, 0);
        errno = saved;
        return -1;
    }
    return 0;
}

DIR *io_list(int dirfd)
{
    cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list)
        (void)steal_fd(&fd);
    return list;
}

void io_remove_others(int dirfd, const char *prefix, const char *kept)
{
    cleanup_closedir DIR *names = io_list(dirfd);
    for (struct dirent *e; names && (e = readdir(names));)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 &&
            strncmp(e->d_name, kept, strlen(kept)) != 0)
            (void)unlinkat(dirfd, e->d_name, 0);
}
