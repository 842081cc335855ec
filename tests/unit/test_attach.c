/* SPDX-License-Identifier: MIT */
/*
 * Handles of detached runs against a fake supervisor, which is a child of the test and listens
 * beside the state. A supervisor that cannot be reached is not gone.
 */
#include "unit.h"

#include "base/cleanup.h"
#include "base/process_identity.h"
#include "lightrunner.h"
#include "scratch_folder.h"
#include "wire/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID         "light-runner-0123456789ab"
#define OTHER_BOOT "00000000-0000-0000-0000-000000000000 4026531836 1 1"

/* ---------------------------------------------------------------- the folder */

static void path_of(char out[PATH_MAX], const char *end)
{
    snprintf(out, PATH_MAX, "%s/" ID "%s", scratch_folder, end);
}

static void write_state(const char *status, const char *started, const char *more)
{
    char path[PATH_MAX];
    path_of(path, ".json");
    FILE *f = fopen(path, "we");
    fprintf(f, "{\"id\":\"" ID "\",\"status\":\"%s\",\"startedAt\":\"%s\"%s}", status, started,
            more);
    fclose(f);
}

static void write_running(const char *supervisor)
{
    char more[256];
    snprintf(more, sizeof(more), ",\"timeout\":60000,\"supervisor\":\"%s\"", supervisor);
    write_state("running", "2999-01-01T00:00:00Z", more);
}

static bool exists(const char *end)
{
    char path[PATH_MAX];
    path_of(path, end);
    return access(path, F_OK) == 0;
}

static bool says_running(void)
{
    cleanup_free char *text = NULL;
    lrun_states(ID, &text, NULL);
    return text && strstr(text, "\"running\"");
}

static int set_up(void **state)
{
    int rc = scratch_folder_make(state);
    return rc ? rc : setenv("LIGHT_RUNNER_STATE_DIR", scratch_folder, 1);
}

/* ---------------------------------------------------------------- the fake supervisor */

struct fake {
    pid_t pid;
    int say;  /* a byte makes it continue */
    int hear; /* what it reports; ends with its process */
};

static int listen_here(int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int dir = open(scratch_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" ID ".sock", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    close(dir);
    return fd;
}

/* Starts a child that listens, writes a state that names itself, and calls act(). */
static struct fake start_fake(int backlog, void (*act)(int listener, int say, int hear))
{
    int say[2], hear[2];
    char ready;
    assert_int_equal(pipe2(say, O_CLOEXEC) | pipe2(hear, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char identity[PROCESS_IDENTITY_SIZE];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(say[1]);
        close(hear[0]);
        process_identity(identity);
        int listener = listen_here(backlog);
        write_running(identity);
        (void)!write(hear[1], "", 1);
        act(listener, say[0], hear[1]);
        _exit(0);
    }
    close(say[0]);
    close(hear[1]);
    assert_int_equal(read(hear[0], &ready, 1), 1);
    return (struct fake){pid, say[1], hear[0]};
}

static void end_fake(struct fake *f)
{
    kill(f->pid, SIGKILL);
    assert_int_equal(waitpid(f->pid, NULL, 0), f->pid);
    close(f->say);
    close(f->hear);
}

/* Accepts no connection. */
static void be_deaf(int listener, int say, int hear)
{
    char c;
    (void)listener;
    (void)hear;
    (void)!read(say, &c, 1);
}

static void send_frame(int fd, enum frame_type type, const char *text)
{
    struct buffer frame;
    buffer_init(&frame, 65536);
    frame_append(&frame, type, FRAME_SANDBOX, text, strlen(text));
    (void)!write(fd, buffer_data(&frame), buffer_length(&frame));
    buffer_free(&frame);
}

/*
 * Answers every order, and repeats it in `hear`. As in run/control.c, a frame that is not an order
 * ends the connection. Each byte in `say` means that the log has grown.
 */
static void serve(int listener, int say, int hear)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct buffer in;
    buffer_init(&in, 65536);
    for (bool follows = false, grown = false;;) {
        struct pollfd p[2] = {{fd, POLLIN, 0}, {say, POLLIN, 0}};
        if (follows && grown) {
            send_frame(fd, FRAME_LOG_GROWN, "");
            follows = grown = false;
        }
        poll(p, 2, -1);
        if (p[1].revents) {
            char word;
            if (read(say, &word, 1) != 1)
                return;
            grown = true;
            continue;
        }
        char *to = buffer_reserve(&in, 4096);
        ssize_t n = read(fd, to, 4096);
        if (n <= 0)
            return;
        buffer_commit(&in, (size_t)n);
        struct frame f;
        enum frame_status status;
        while ((status = frame_peek(&in, 4096, &f)) == FRAME_OK) {
            json_t *said = json_loadb(f.payload, f.length, 0, NULL);
            const char *action = json_string_value(json_object_get(said, "action"));
            if (f.length && !action)
                return;
            if (f.type == FRAME_FOLLOW)
                follows = true;
            if (action) {
                char answer[64];
                dprintf(hear, "%s ", action);
                snprintf(answer, sizeof(answer), "{\"number\":%d}",
                         (int)json_integer_value(json_object_get(said, "number")));
                send_frame(fd, FRAME_CONTROLLED, answer);
            }
            json_decref(said);
            frame_consume(&in, &f);
        }
        if (status == FRAME_BROKEN)
            return;
    }
}

/* ---------------------------------------------------------------- unreachable or gone */

static void no_line(void *user, lrun_stream stream, int64_t time_ms, const char *data,
                    size_t length)
{
    (void)user;
    (void)stream;
    (void)time_ms;
    (void)data;
    (void)length;
}

/* Returns NULL, or text that says what is wrong. It does not assert, because a child may call it,
 * and a child must not continue in the test. */
static const char *find_it_unreachable(void)
{
    static char text[1000];
    lrun_execution *x = (lrun_execution *)scratch_folder;
    lrun_error e = LRUN_ERROR_INIT;
    unsigned count = 7;
    lrun_logs_options logs = LRUN_LOGS_OPTIONS_INIT;
    logs.follow = true;
    logs.on_line = no_line;
    int rc = lrun_attach(ID, NULL, &x, &e);
    if (rc != -1 || e.code != LRUN_IO_FAILED || x || !e.hint[0])
        snprintf(text, sizeof(text), "attach: %d, %s: %s", rc, lrun_code_name(e.code), e.message);
    else if ((rc = lrun_reap_states(&count, &e)) != 0 || count != 0)
        snprintf(text, sizeof(text), "reap: %d, %u, %s", rc, count, e.message);
    else if ((rc = lrun_logs(ID, &logs, &e)) != -1 || e.code != LRUN_IO_FAILED)
        snprintf(text, sizeof(text), "logs: %d, %s: %s", rc, lrun_code_name(e.code), e.message);
    else if (!says_running() || !exists(".sock"))
        snprintf(text, sizeof(text), "the state or the socket was touched");
    else
        return NULL;
    return text;
}

static void check_unreachable(const char *what)
{
    const char *wrong = find_it_unreachable();
    if (wrong)
        fail_msg("%s: %s", what, wrong);
}

static void make_log(void)
{
    char path[PATH_MAX];
    path_of(path, ".log");
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

/* No process listens, but the process that the state names may be alive elsewhere. */
static void test_a_supervisor_on_another_machine(void **state)
{
    (void)state;
    close(listen_here(1));
    make_log();
    write_running(OTHER_BOOT);
    check_unreachable("another boot");
    char identity[PROCESS_IDENTITY_SIZE];
    process_identity(identity);
    write_running(identity);
    check_unreachable("a process that lives, without a socket");
    write_running("");
    check_unreachable("no identity");
}

static void check_lost(void)
{
    lrun_execution *x = NULL;
    lrun_result *r = NULL;
    lrun_error e = LRUN_ERROR_INIT;
    assert_int_equal(lrun_attach(ID, NULL, &x, &e), 0);
    assert_int_equal(lrun_execution_wait(x, &r, &e), -1);
    assert_int_equal(e.code, LRUN_SUPERVISOR_LOST);
    lrun_execution_free(x);
    assert_false(says_running() || exists(".sock"));
}

/* The control of the test above: a supervisor that is gone is found to be gone. */
static void test_a_supervisor_that_is_gone(void **state)
{
    (void)state;
    struct fake f = start_fake(1, be_deaf);
    end_fake(&f);
    check_lost();
    /* So is a supervisor that should have ended hours ago, wherever it was. */
    close(listen_here(1));
    write_state("running", "2020-01-01T00:00:00Z", ",\"supervisor\":\"" OTHER_BOOT "\"");
    check_lost();
}

static void test_reap_marks_what_is_gone(void **state)
{
    (void)state;
    struct fake f = start_fake(1, be_deaf);
    unsigned count = 7;
    assert_int_equal(lrun_reap_states(&count, NULL), 0);
    assert_int_equal(count, 0);
    kill(f.pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)f.pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(lrun_reap_states(&count, NULL), 0); /* even before a wait for the process */
    assert_int_equal(count, 1);
    assert_false(says_running() || exists(".sock"));
    end_fake(&f);
}

static void test_a_queue_that_is_full(void **state)
{
    (void)state;
    struct fake f = start_fake(0, be_deaf);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fds[8], rc = 0;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/" ID ".sock", scratch_folder);
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        rc = connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
    assert_true(rc == -1 && errno == EAGAIN);
    lrun_execution *x = NULL;
    lrun_error e = LRUN_ERROR_INIT;
    assert_int_equal(lrun_attach(ID, NULL, &x, &e), -1);
    assert_int_equal(e.code, LRUN_IO_FAILED);
    assert_true(says_running() && exists(".sock"));
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    end_fake(&f);
}

/* Whatever the number of fds that are left. */
static void test_no_fds(void **state)
{
    (void)state;
    struct fake f = start_fake(64, be_deaf);
    struct rlimit before;
    int attached = 0, refused = 0;
    getrlimit(RLIMIT_NOFILE, &before);
    for (rlim_t n = 3; n < 32; n++) {
        lrun_execution *x = NULL;
        lrun_error e = LRUN_ERROR_INIT;
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){n, before.rlim_max});
        int rc = lrun_attach(ID, NULL, &x, &e);
        if (rc == 0 && !x)
            fail_msg("with %d fds: the run is said to be unknown", (int)n);
        assert_true(rc == 0 || e.code == LRUN_IO_FAILED);
        attached += rc == 0;
        refused += rc != 0;
        lrun_reap_states(NULL, &e);
        lrun_execution_free(x);
    }
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(attached > 0 && refused > 0);
    assert_true(says_running() && exists(".sock"));
    end_fake(&f);
}

static bool hide_proc(void)
{
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return false;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/proc", "tmpfs", 0, NULL) == 0;
}

static void test_no_proc(void **state)
{
    (void)state;
    struct fake f = start_fake(8, be_deaf);
    int status;
    make_log();
    pid_t pid = fork();
    if (pid == 0) {
        if (!hide_proc())
            _exit(77);
        const char *wrong = find_it_unreachable();
        if (wrong)
            fprintf(stderr, "without /proc: %s\n", wrong);
        _exit(wrong ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool whole = says_running() && exists(".sock");
    end_fake(&f);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
    assert_true(whole);
}

static void test_a_state_that_cannot_be_read(void **state)
{
    (void)state;
    char path[PATH_MAX];
    lrun_execution *x = NULL;
    lrun_error e = LRUN_ERROR_INIT;
    cleanup_free char *text = NULL;
    path_of(path, ".json");
    assert_int_equal(symlink(ID ".json", path), 0);
    assert_int_equal(lrun_attach(ID, NULL, &x, &e), -1);
    assert_int_equal(e.code, LRUN_IO_FAILED);
    assert_int_equal(lrun_states(ID, &text, &e), -1);
    assert_int_equal(e.code, LRUN_IO_FAILED);
    /* The other states are checked all the same. */
    snprintf(path, sizeof(path), "%s/light-runner-ffffffffffff.json", scratch_folder);
    FILE *other = fopen(path, "we");
    fputs("{\"id\":\"light-runner-ffffffffffff\",\"status\":\"running\",\"startedAt\":\"2020-01-"
          "01T00:00:00Z\"}",
          other);
    fclose(other);
    unsigned count = 0;
    assert_int_equal(lrun_reap_states(&count, &e), -1);
    assert_int_equal(e.code, LRUN_IO_FAILED);
    assert_int_equal(count, 1);
}

/* ---------------------------------------------------------------- orders */

static _Atomic(lrun_execution *) cancelled_next;

/* Replaces libc's send(): another thread cancels as soon as bytes were sent. */
ssize_t send(int fd, const void *data, size_t length, int flags)
{
    ssize_t n = syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
    lrun_execution *x = atomic_exchange(&cancelled_next, NULL);
    if (x)
        assert_int_equal(lrun_execution_cancel(x), 0);
    return n;
}

static lrun_execution *attached(const lrun_callbacks *base)
{
    lrun_execution *x = NULL;
    lrun_error e = LRUN_ERROR_INIT;
    if (lrun_attach(ID, base, &x, &e) < 0 || !x)
        fail_msg("%s", e.message);
    return x;
}

static void test_a_cancel_in_the_midst_of_an_order(void **state)
{
    (void)state;
    struct fake f = start_fake(1, serve);
    lrun_execution *x = attached(NULL);
    lrun_error e = LRUN_ERROR_INIT;
    char heard[64] = "";
    atomic_store(&cancelled_next, x);
    assert_int_equal(lrun_execution_pause(x, &e), 0);
    assert_int_equal(lrun_execution_resume(x, &e), 0);
    assert_true(read(f.hear, heard, sizeof(heard) - 1) > 0);
    assert_string_equal(heard, "pause cancel resume ");
    lrun_execution_free(x);
    end_fake(&f);
}

static void hang_up(int listener, int say, int hear)
{
    char attached_frame[FRAME_HEADER_SIZE];
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)!read(fd, attached_frame, sizeof(attached_frame));
    close(fd);
    be_deaf(listener, say, hear);
}

/* If a run continues but does not answer an order, the order has not been carried out. */
static void test_a_stop_that_does_not_arrive(void **state)
{
    (void)state;
    struct fake f = start_fake(1, hang_up);
    lrun_execution *x = attached(NULL);
    lrun_error e = LRUN_ERROR_INIT;
    assert_int_equal(lrun_execution_stop(x, 0, -1, &e), -1);
    assert_int_equal(e.code, LRUN_IO_FAILED);
    assert_true(says_running());
    lrun_execution_free(x);
    end_fake(&f);
}

/* ---------------------------------------------------------------- an event loop */

static bool is_readable(lrun_execution *x, int timeout_ms)
{
    struct pollfd p = {lrun_execution_fd(x), POLLIN, 0};
    return poll(&p, 1, timeout_ms) == 1;
}

static void test_the_fd_of_a_run_that_had_ended(void **state)
{
    (void)state;
    write_state("exited", "2020-01-01T00:00:00Z", ",\"exitCode\":3");
    lrun_execution *x = attached(NULL);
    lrun_result *r = NULL;
    bool done = false;
    assert_true(is_readable(x, 10000));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lrun_execution_dispatch(x, &done, NULL), 0);
        assert_true(done);
        assert_false(is_readable(x, 0));
    }
    assert_int_equal(lrun_execution_wait(x, &r, NULL), 0);
    assert_int_equal(r->exit_code, 3);
    lrun_result_free(r);
    lrun_execution_free(x);
}

static void append_in_silence(const char *text)
{
    char path[PATH_MAX];
    lrun_error e = LRUN_ERROR_INIT;
    path_of(path, ".log");
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    assert_int_equal(log_append(fd, FRAME_LOG_STDOUT, text, strlen(text), &e), 0);
    close(fd);
}

static void append_log(const struct fake *f, const char *text)
{
    append_in_silence(text);
    assert_int_equal(write(f->say, "", 1), 1);
}

static void count(void *user, lrun_stream stream, const char *data, size_t length)
{
    (void)stream;
    (void)data;
    *(size_t *)user += length;
}

static void test_the_fd_tells_of_kept_output(void **state)
{
    (void)state;
    struct fake f = start_fake(1, serve);
    size_t length = 0;
    lrun_callbacks base = LRUN_CALLBACKS_INIT;
    base.on_output = count;
    base.user = &length;
    append_in_silence("before");
    lrun_execution *x = attached(&base);
    for (size_t i = 1; i <= 3; i++) {
        /* Longer than any interval at which the log could be polled. */
        assert_false(is_readable(x, 200));
        append_log(&f, "behind");
        assert_true(is_readable(x, 10000));
        assert_int_equal(lrun_execution_dispatch(x, NULL, NULL), 0);
        assert_int_equal(length, i * strlen("behind"));
    }
    assert_false(is_readable(x, 200));
    lrun_execution_free(x);
    end_fake(&f);
}

/* One call does not deliver all of a long log, and no byte of it is lost. */
static void test_a_dispatch_is_bounded(void **state)
{
    (void)state;
    struct fake f = start_fake(1, serve);
    size_t length = 0;
    lrun_callbacks base = LRUN_CALLBACKS_INIT;
    base.on_output = count;
    base.user = &length;
    make_log();
    lrun_execution *x = attached(&base);
    for (int i = 0; i < 999; i++)
        append_in_silence("x");
    append_log(&f, "x");
    assert_true(is_readable(x, 10000));
    assert_int_equal(lrun_execution_dispatch(x, NULL, NULL), 0);
    assert_in_range(length, 1, 999);
    end_fake(&f);
    write_state("exited", "2020-01-01T00:00:00Z", ",\"exitCode\":0");
    bool done = false;
    while (!done) {
        assert_true(is_readable(x, 10000));
        assert_int_equal(lrun_execution_dispatch(x, &done, NULL), 0);
    }
    assert_int_equal(length, 1000);
    lrun_execution_free(x);
}

static void stop_it(void *user, lrun_stream stream, const char *data, size_t length)
{
    lrun_execution **x = user;
    lrun_error e = LRUN_ERROR_INIT;
    lrun_result *r;
    (void)stream;
    (void)data;
    (void)length;
    assert_int_equal(lrun_execution_wait(*x, &r, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    assert_int_equal(lrun_execution_stop(*x, 0, -1, &e), 0);
    lrun_execution_free(*x);
    *x = NULL;
}

static void test_callbacks_of_kept_output(void **state)
{
    (void)state;
    struct fake f = start_fake(1, serve);
    lrun_execution *x = NULL;
    lrun_callbacks base = LRUN_CALLBACKS_INIT;
    base.on_output = stop_it;
    base.user = &x;
    make_log();
    x = attached(&base);
    append_log(&f, "a");
    append_log(&f, "b");
    lrun_execution *same = x;
    lrun_result *r = NULL;
    lrun_error e = LRUN_ERROR_INIT;
    char heard[32] = "";
    assert_int_equal(lrun_execution_wait(same, &r, &e), -1);
    assert_non_null(strstr(e.message, "freed"));
    assert_null(x);
    assert_true(read(f.hear, heard, sizeof(heard) - 1) > 0);
    assert_string_equal(heard, "stop ");
    end_fake(&f);
}

/* ---------------------------------------------------------------- accepted states */

/* Other programs may write state files, too. */
static void test_numbers_of_a_state(void **state)
{
    (void)state;
    static const char *const rows[] = {
        ",\"exitCode\":0,\"durationMs\":1e300,\"timeout\":9223372036854775807",
        ",\"exitCode\":9223372036854775807,\"durationMs\":-1e300,\"timeout\":-9223372036854775807",
        ",\"durationMs\":18446744073709551616.0",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        lrun_result *r = NULL;
        lrun_error e = LRUN_ERROR_INIT;
        write_state("exited", "2020-01-01T00:00:00Z", rows[i]);
        lrun_execution *x = attached(NULL);
        if (lrun_execution_wait(x, &r, &e) < 0)
            fail_msg("row %zu: %s", i, e.message);
        assert_int_equal(r->duration_ms, 0);
        lrun_result_free(r);
        lrun_execution_free(x);
        /* While the run is running, the timeout counts. */
        struct fake f = start_fake(1, serve);
        write_state("running", "2999-01-01T00:00:00Z", rows[i]);
        lrun_execution_free(attached(NULL));
        end_fake(&f);
        char path[PATH_MAX];
        path_of(path, ".sock");
        unlink(path);
    }
}

static void test_fields_that_have_no_meaning_are_refused(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    write_state("exited", "2020-01-01T00:00:00Z", "");
    for (int i = 0; i < 2; i++) {
        lrun_execution *x = (lrun_execution *)fds;
        lrun_error e = LRUN_ERROR_INIT;
        lrun_callbacks base = LRUN_CALLBACKS_INIT;
        if (i == 0)
            base.input_fd = fds[0];
        else
            base.cancel_fd = fds[0];
        assert_int_equal(lrun_attach(ID, &base, &x, &e), -1);
        assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
        assert_null(x);
    }
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scratch_folder_remove)
    const struct CMUnitTest tests[] = {
        TEST(test_a_supervisor_on_another_machine),
        TEST(test_a_supervisor_that_is_gone),
        TEST(test_reap_marks_what_is_gone),
        TEST(test_a_queue_that_is_full),
        TEST(test_no_fds),
        TEST(test_no_proc),
        TEST(test_a_state_that_cannot_be_read),
        TEST(test_a_cancel_in_the_midst_of_an_order),
        TEST(test_a_stop_that_does_not_arrive),
        TEST(test_the_fd_of_a_run_that_had_ended),
        TEST(test_the_fd_tells_of_kept_output),
        TEST(test_a_dispatch_is_bounded),
        TEST(test_callbacks_of_kept_output),
        TEST(test_numbers_of_a_state),
        TEST(test_fields_that_have_no_meaning_are_refused),
    };
    return cmocka_run_group_tests_name("attach", tests, NULL, NULL);
}
