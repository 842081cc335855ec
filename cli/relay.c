/* SPDX-License-Identifier: MIT */
#include "relay.h"

#include "base/io.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE = 4096, /* what a writable pipe certainly accepts (PIPE_BUF) */
    PATIENCE_MS = 2000,
    GLANCE_MS = 500, /* how often to check `stopping` while nobody reads */
};

/* Waits until the fd accepts a piece. Returns false, with r->error set, if we give up. */
static bool wait_for_reader(struct relay *r, const volatile int *stopping)
{
    int64_t limit = IO_NO_DEADLINE;
    for (;;) {
        struct pollfd p = {.fd = r->fd, .events = POLLOUT};
        int n = poll(&p, 1, GLANCE_MS);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR) {
            r->error = errno;
            return false;
        }
        if (*stopping && limit == IO_NO_DEADLINE)
            limit = clock_ms() + PATIENCE_MS;
        if (clock_ms() >= limit) {
            r->error = EPIPE;
            return false;
        }
    }
}

void relay_write(struct relay *r, const char *data, size_t length, const volatile int *stopping)
{
    struct stat st;
    bool file = fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode);
    while (length > 0 && !r->error) {
        if (!file && !wait_for_reader(r, stopping))
            return;
        size_t piece = file || length < PIECE ? length : PIECE;
        ssize_t n = write(r->fd, data, piece);
        if (n > 0) {
            r->in_line = data[n - 1] != '\n';
            data += n;
            length -= (size_t)n;
        } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
            r->error = errno;
        }
    }
}
