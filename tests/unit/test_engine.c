/* SPDX-License-Identifier: MIT */
/* Several engines are open in one process, and what an engine cannot do is rejected by its abilities. */
#include "unit.h"

#include "base/cleanup.h"
#include "engine/engine.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* A Docker daemon that knows one image, whose id consists of one digit. */
struct daemon_of_test {
    char path[64];
    pid_t pid;
};

static void answer(int fd, const char *status, const char *body)
{
    dprintf(fd, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
            status, strlen(body), body);
}

static void serve(int fd, char digit)
{
    static const char version[] =
        "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\",\"Os\":\"linux\"}";
    char request[4096], digits[65], image[256];
    size_t length = 0;
    memset(digits, digit, 64);
    digits[64] = '\0';
    snprintf(image, sizeof(image), "{\"Id\":\"sha256:%s\",\"Config\":{}}", digits);
    for (ssize_t n; (n = read(fd, request + length, sizeof(request) - 1 - length)) > 0;) {
        length += (size_t)n;
        request[length] = '\0';
        if (!strstr(request, "\r\n\r\n"))
            continue;
        /* Longer than a second, so that the tick is asked. */
        if (strstr(request, "/slow/json"))
            poll(NULL, 0, 1500);
        if (strncmp(request, "GET /version ", 13) == 0)
            answer(fd, "200 OK", version);
        else if (strstr(request, "/images/"))
            answer(fd, "200 OK", image);
        else
            answer(fd, "404 Not Found", "{}");
        length = 0;
    }
}

static void start_daemon(struct daemon_of_test *d, char digit)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(d->path, sizeof(d->path), "/tmp/light-runner-test-%d-%c", (int)getpid(), digit);
    strcpy(address.sun_path, d->path);
    unlink(d->path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    d->pid = fork();
    if (d->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd))
            serve(fd, digit);
        _exit(0);
    }
    close(listener);
}

static void stop_daemon(const struct daemon_of_test *d)
{
    kill(d->pid, SIGKILL);
    waitpid(d->pid, NULL, 0);
    unlink(d->path);
}

static struct engine *open_at(const struct daemon_of_test *d, const struct tick *tick)
{
    char host[128];
    lrun_error err = {0};
    struct engine *e = NULL;
    snprintf(host, sizeof(host), "unix://%s", d->path);
    setenv("DOCKER_HOST", host, 1);
    if (engine_open(&e, "docker", tick, &err) < 0)
        fail_msg("%s", err.message);
    unsetenv("DOCKER_HOST");
    return e;
}

static char digit_of(struct engine *e, const char *name)
{
    cleanup_free char *digest = NULL;
    lrun_error err = {0};
    if (e->ops->find_image(e, name, &digest, &err) < 0)
        fail_msg("%s", err.message);
    return digest ? digest[strlen("sha256:")] : '-';
}

static int count_it(void *user)
{
    (*(unsigned *)user)++;
    return 0;
}

static int refuse(void *user)
{
    (void)user;
    return 1;
}

static void test_two_daemons_at_once(void **state)
{
    (void)state;
    unsigned asked[2] = {0};
    struct daemon_of_test a, b;
    start_daemon(&a, 'a');
    start_daemon(&b, 'b');
    struct engine *at_a = open_at(&a, &(struct tick){count_it, &asked[0]});
    struct engine *at_b = open_at(&b, &(struct tick){count_it, &asked[1]});
    asked[0] = asked[1] = 0;
    assert_int_equal(digit_of(at_a, "image"), 'a');
    assert_int_equal(digit_of(at_b, "image"), 'b');
    assert_int_equal(digit_of(at_a, "image"), 'a');
    asked[0] = asked[1] = 0;
    assert_int_equal(digit_of(at_b, "slow"), 'b');
    assert_int_equal(asked[0], 0);
    assert_true(asked[1] > 0);
    /* The tick may change at any time, and a non-zero one ends the calls of its engine alone. */
    cleanup_free char *none = NULL;
    lrun_error err = {0};
    at_b->tick = (struct tick){refuse, NULL};
    assert_int_equal(at_b->ops->find_image(at_b, "slower/slow", &none, &err), -1);
    assert_int_equal(digit_of(at_a, "other"), 'a');
    engine_close(at_b);
    assert_int_equal(digit_of(at_a, "another"), 'a');
    engine_close(at_a);
    stop_daemon(&a);
    stop_daemon(&b);
}

static void test_a_local_one_beside_docker(void **state)
{
    (void)state;
    struct daemon_of_test a;
    struct engine *local = NULL, *docker;
    lrun_error err = {0};
    start_daemon(&a, 'a');
    docker = open_at(&a, NULL);
    assert_int_equal(engine_open(&local, "local", NULL, &err), 0);
    assert_string_equal(local->ops->name, "local");
    assert_string_equal(docker->ops->name, "docker");
    assert_true(engine_can(docker, ENGINE_NETWORKS));
    assert_false(engine_can(local, ENGINE_NETWORKS));
    engine_close(docker);
    engine_close(local);
    stop_daemon(&a);
}

static void test_a_daemon_that_does_not_answer(void **state)
{
    (void)state;
    lrun_error err = {0};
    struct engine *e = NULL;
    setenv("DOCKER_HOST", "unix:///nowhere/docker.sock", 1);
    assert_int_equal(engine_open(&e, "docker", NULL, &err), -1);
    assert_int_equal(err.code, LRUN_ENGINE_UNREACHABLE);
    /* An operation on every engine goes on without it, and can tell why. */
    struct engine *used[ENGINES_MAX];
    assert_int_equal(engine_open_used(used, NULL, &err), 1);
    assert_int_equal(err.code, LRUN_ENGINE_UNREACHABLE);
    assert_string_equal(used[0]->ops->name, "local");
    engine_close(used[0]);
    unsetenv("DOCKER_HOST");
}

/* An engine without any ability. */
static void test_abilities(void **state)
{
    (void)state;
    static const struct engine_ops ops = {.name = "plain"};
    struct engine plain = {.ops = &ops};
    char *networks[] = {NULL, NULL};
    struct sandbox_spec spec = {.networks = networks};
    unsigned count = 0;
    lrun_error err = {0};
    assert_int_equal(engine_check(&plain, &spec, &err), 0);
    networks[0] = (char[]){ENGINE_NETWORK_NONE};
    assert_int_equal(engine_check(&plain, &spec, &err), 0);
    networks[0] = (char[]){ENGINE_NETWORK_DEFAULT};
    assert_int_equal(engine_check(&plain, &spec, &err), 0);
    networks[0] = (char[]){"mine"};
    assert_int_equal(engine_check(&plain, &spec, &err), -1);
    assert_int_equal(err.code, LRUN_NOT_SUPPORTED);
    assert_non_null(strstr(err.message, "mine"));
    plain.abilities = ENGINE_NETWORKS;
    assert_int_equal(engine_check(&plain, &spec, &err), 0);
    spec.kvm_only = true;
    assert_int_equal(engine_check(&plain, &spec, &err), -1);
    assert_int_equal(err.code, LRUN_NOT_SUPPORTED);
    plain.abilities |= ENGINE_ACCELERATOR;
    assert_int_equal(engine_check(&plain, &spec, &err), 0);
    plain.abilities = 0;
    err = (lrun_error){0};
    assert_int_equal(engine_network(&plain, ENGINE_NETWORK_CREATE, "mine", &count, &err), -1);
    assert_int_equal(err.code, LRUN_NOT_SUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_daemons_at_once),
        cmocka_unit_test(test_a_local_one_beside_docker),
        cmocka_unit_test(test_a_daemon_that_does_not_answer),
        cmocka_unit_test(test_abilities),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
