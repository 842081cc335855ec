/* SPDX-License-Identifier: MIT */
/* A supervisor that ends early, at each of its first steps, sends an answer and closes exactly the
 * fds that it has opened. */
#include "base/cleanup.h"
#include "base/io.h"
#include "run/supervisor.h"
#include "wire/frame.h"
#include "wire/order.h"
#include "wire/supervisor_fds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID "light-runner-0123456789ab"

enum { FDS_MAX = 64 };

/* Returns a bit for each open fd. */
static uint64_t open_fds(void)
{
    uint64_t set = 0;
    for (int fd = 0; fd < FDS_MAX; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            set |= 1ull << fd;
    return set;
}

/* Arranges the fds as a supervisor gets them. Returns the caller's end of the socket, or -1. */
static int take_places(void)
{
    int pair[2], never = eventfd(0, 0), null = open("/dev/null", O_RDWR);
    if (never < 0 || null < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return -1;
    int caller = fcntl(pair[1], F_DUPFD, 20);
    if (caller < 0 || dup2(pair[0], 10) < 0 || dup2(never, 11) < 0 || dup2(null, 12) < 0 ||
        dup2(12, SUPERVISOR_INPUT) < 0 || dup2(10, SUPERVISOR_CALLER) < 0 ||
        dup2(11, SUPERVISOR_CANCEL_SHARED) < 0 || dup2(11, SUPERVISOR_CANCEL) < 0)
        return -1;
    close_range(SUPERVISOR_CANCEL + 1, 19, 0);
    return caller;
}

/* Returns the exit code of a child: the number of the check that has failed, or 0. */
static int run_case(enum frame_type type, const char *text)
{
    int caller = take_places();
    char header[FRAME_HEADER_SIZE];
    frame_header(header, type, FRAME_SANDBOX, (uint32_t)strlen(text));
    if (caller < 0 || write(caller, header, sizeof(header)) != sizeof(header) ||
        write(caller, text, strlen(text)) != (ssize_t)strlen(text))
        return 10;
    uint64_t before = open_fds();
    if (supervisor_run(ID, 022) != 1)
        return 11;
    char answer[4096];
    if (recv(caller, answer, sizeof(answer), MSG_DONTWAIT) < FRAME_HEADER_SIZE)
        return 12;
    if (answer[0] != FRAME_ERROR)
        return 13;
    return open_fds() == before ? 0 : 14;
}

static void check(enum frame_type type, const char *text)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_case(type, text));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0)
        fail_msg("%s: check %d", text, WEXITSTATUS(status));
}

static void an_order_that_is_none(void **state)
{
    (void)state;
    check(FRAME_REQUEST, "[]");
    check(FRAME_CONTROL, "{}");
}

static void a_folder_that_is_missing(void **state)
{
    (void)state;
    check(FRAME_REQUEST,
          "{\"id\":\"" ID "\",\"request\":{\"image\":\"i\",\"dir\":\"/missing/folder\","
          "\"options\":{\"engine\":\"local\"}}}");
}

static void an_image_that_cannot_be(void **state)
{
    (void)state;
    setenv("LIGHT_RUNNER_DATA_DIR", "/proc/self/missing", 1);
    check(FRAME_REQUEST, "{\"id\":\"" ID "\",\"request\":{\"image\":\"i\",\"dir\":\"/proc/self\","
                         "\"options\":{\"engine\":\"local\"}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_that_is_none),
        cmocka_unit_test(a_folder_that_is_missing),
        cmocka_unit_test(an_image_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
