/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OPERATION "cli.terminal"

enum { TERM_MAX = 64 };

/* Global, because a signal handler gets no pointer to our data. */
static int resized_fd = -1;

static void on_resize(int number)
{
    uint64_t one = 1;
    int saved = errno;
    (void)number;
    ssize_t n = write(resized_fd, &one, sizeof(one));
    (void)n;
    errno = saved;
}

/* Returns false if none of our streams is a terminal. */
static bool read_size(struct winsize *size)
{
    static const int streams[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
        if (ioctl(streams[i], TIOCGWINSZ, size) == 0)
            return true;
    return false;
}

/* A program looks up in $TERM what its terminal understands. */
static int add_term(json_t *request, lrun_error *err)
{
    const char *ours = secure_getenv("TERM");
    char text[TERM_MAX + sizeof("TERM=")];
    if (!ours || !*ours || strlen(ours) > TERM_MAX)
        ours = "xterm";
    snprintf(text, sizeof(text), "TERM=%s", ours);
    json_t *env = json_object_get(request, "env");
    if (!env && json_object_set_new(request, "env", json_array()) == 0)
        env = json_object_get(request, "env");
    /* Of two values the last one counts. */
    json_t *value = json_string(text);
    return !value || (json_is_array(env) && json_array_insert_new(env, 0, value) < 0)
               ? error_oom(err, OPERATION)
               : 0;
}

int terminal_init(struct terminal *t, int input, json_t *request, lrun_error *err)
{
    *t = (struct terminal){.input = -1, .resized = -1};
    if (input >= 0 && tcgetattr(input, &t->before) < 0) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "-t: the input is not a terminal");
        return error_hint(err, "leave out -t, or -i if the program reads nothing");
    }
    t->input = input;
    struct winsize size = {0};
    if (read_size(&size)) {
        t->resized = resized_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (t->resized < 0)
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make an eventfd");
        struct sigaction action = {.sa_handler = on_resize, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        sigaction(SIGWINCH, &action, NULL);
    }
    json_t *tty = json_pack("{si,si}", "rows", size.ws_row, "columns", size.ws_col);
    if (!tty || json_object_set_new(request, "tty", tty) < 0)
        return error_oom(err, OPERATION);
    return add_term(request, err);
}

void terminal_begin(struct terminal *t)
{
    struct termios raw = t->before;
    if (t->input < 0)
        return;
    cfmakeraw(&raw);
    t->raw = tcsetattr(t->input, TCSADRAIN, &raw) == 0;
}

int terminal_wait(struct terminal *t, lrun_execution *x, lrun_result **result, lrun_error *err)
{
    for (;;) {
        struct pollfd p[] = {{lrun_execution_fd(x), POLLIN, 0}, {t->resized, POLLIN, 0}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return error_errno(err, LRUN_INTERNAL, OPERATION, errno, "poll");
        uint64_t count;
        struct winsize size;
        if (p[1].revents && read(t->resized, &count, sizeof(count)) > 0 && read_size(&size)) {
            /* A size that cannot be told is no reason to end the command. */
            lrun_error ignored;
            (void)lrun_execution_resize(x, size.ws_row, size.ws_col, &ignored);
        }
        if (lrun_execution_wait_for(x, 0, result, err) < 0)
            return -1;
        if (*result)
            return 0;
    }
}

void terminal_restore(struct terminal *t)
{
    if (t->raw)
        (void)tcsetattr(t->input, TCSADRAIN, &t->before);
    t->raw = false;
    if (t->resized >= 0) {
        signal(SIGWINCH, SIG_DFL);
        close(t->resized);
    }
    t->resized = resized_fd = -1;
}
