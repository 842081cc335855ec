/* SPDX-License-Identifier: MIT */
/*
 * Destructors in scope. `cleanup_close int fd = -1;` closes the fd on every way out; hand a
 * resource on with steal_fd() or steal_ptr(). Closers keep errno, and accept "nothing" (-1, NULL).
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close_fd(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
        *fd = -1;
    }
}

static inline void cleanup_free_ptr(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_close_file(FILE **f)
{
    if (*f) {
        int saved = errno;
        fclose(*f);
        errno = saved;
        *f = NULL;
    }
}

static inline void cleanup_close_dir(DIR **d)
{
    if (*d) {
        int saved = errno;
        closedir(*d);
        errno = saved;
        *d = NULL;
    }
}

#define cleanup_close    __attribute__((cleanup(cleanup_close_fd)))
#define cleanup_free     __attribute__((cleanup(cleanup_free_ptr)))
#define cleanup_fclose   __attribute__((cleanup(cleanup_close_file)))
#define cleanup_closedir __attribute__((cleanup(cleanup_close_dir)))

/* Takes the fd out of a variable whose destructor would close it. */
static inline int steal_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#define steal_ptr(p)                                                                               \
    ({                                                                                             \
        __typeof__(p) *slot_ = &(p);                                                               \
        __typeof__(p) taken_ = *slot_;                                                             \
        *slot_ = NULL;                                                                             \
        taken_;                                                                                    \
    })

#endif
