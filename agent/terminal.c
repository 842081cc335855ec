/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

static const char operation[] = "exec";

enum { FLAGS = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, MODE = 0620 };

static int open_slave(int master, unsigned number)
{
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave >= 0)
        return slave;
    /* gVisor does not have that call. */
    char path[32];
    struct stat st;
    snprintf(path, sizeof(path), "/dev/pts/%u", number);
    cleanup_close int opened = open(path, FLAGS | O_NOFOLLOW);
    if (opened < 0)
        return -1;
    if (fstat(opened, &st) < 0 || !S_ISCHR(st.st_mode) || !isatty(opened)) {
        errno = ENOTTY;
        return -1;
    }
    return io_set_nonblock(opened, false) < 0 ? -1 : steal_fd(&opened);
}

int terminal_open(int *master, int *slave, const struct user *user, struct failure *failure)
{
    static const char *const paths[] = {"/dev/pts/ptmx", "/dev/ptmx"};
    unsigned number = 0;
    int unlocked = 0, errnum = ENOTTY;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        cleanup_close int m = open(paths[i], FLAGS);
        if (m < 0 || ioctl(m, TIOCGPTN, &number) < 0 || ioctl(m, TIOCSPTLCK, &unlocked) < 0) {
            errnum = errno;
            continue;
        }
        cleanup_close int s = open_slave(m, number);
        if (s < 0) {
            errnum = errno;
            continue;
        }
        /* Programs that open their terminal by its name need this; the others do not. */
        if (user->uid != 0 && fchown(s, user->uid, (gid_t)-1) == 0)
            (void)fchmod(s, MODE);
        *master = steal_fd(&m);
        *slave = steal_fd(&s);
        return 0;
    }
    return failure_errno(failure, operation, errnum, "cannot open a terminal");
}

void terminal_resize(int master, unsigned rows, unsigned columns)
{
    const struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    (void)ioctl(master, TIOCSWINSZ, &size);
}

unsigned terminal_end_keys(int master, int line_is_open, char keys[2])
{
    struct termios t;
    if (tcgetattr(master, &t) < 0 || !(t.c_lflag & ICANON) || !t.c_cc[VEOF])
        return 0;
    keys[0] = keys[1] = (char)t.c_cc[VEOF];
    return line_is_open ? 2 : 1;
}
