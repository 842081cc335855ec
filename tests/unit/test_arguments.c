/* SPDX-License-Identifier: MIT */
/* The structs that a caller passes to the library: invalid ones, and those of older and newer
 * headers. */
#include "fake_runner.h"

#include <stddef.h>

static void check_refused_with(const lrun_request *request, const lrun_callbacks *callbacks,
                               lrun_code code, const char *part)
{
    lrun_execution *x = NULL;
    lrun_error e = {0};
    assert_int_equal(lrun_run(runner, request, callbacks, &x, &e), -1);
    assert_int_equal(e.code, code);
    if (!strstr(e.message, part))
        fail_msg("'%s' does not say '%s'", e.message, part);
}

static void check_refused(const lrun_request *request, lrun_code code, const char *part)
{
    check_refused_with(request, NULL, code, part);
}

static void test_bad_callbacks_start_nothing(void **state)
{
    (void)state;
    REQUEST(request, "exit 0");
    callbacks.input_fd = 1;
    request.input_json = "1";
    check_refused_with(&request, &callbacks, LRUN_INVALID_ARGUMENT, "both");
    request.input_json = NULL;
    callbacks.input_fd = 1000;
    check_refused_with(&request, &callbacks, LRUN_INVALID_ARGUMENT, "input_fd");
    callbacks.input_fd = -1;
    callbacks.cancel_fd = 1000;
    check_refused_with(&request, &callbacks, LRUN_INVALID_ARGUMENT, "cancel_fd");
    /* Set to zeros, and not by its initialiser: fd 0, stdin, would be the input and would cancel
     * the run. */
    callbacks = (lrun_callbacks){.size = sizeof(callbacks)};
    check_refused_with(&request, &callbacks, LRUN_INVALID_ARGUMENT, "both 0");
    callbacks.size = 0;
    check_refused_with(&request, &callbacks, LRUN_INVALID_ARGUMENT, "lrun_callbacks.size");
}

/* A program that was compiled against a header in which the struct ends before the fds has none. */
static void test_older_callbacks(void **state)
{
    (void)state;
    struct log log = {0};
    REQUEST(request, "input");
    callbacks.size = offsetof(lrun_callbacks, input_fd);
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    callbacks.input_fd = callbacks.cancel_fd = 1000;
    check_code(&request, &callbacks, 0);
    assert_string_equal(log.out, "");
}

static void test_bad_requests_start_nothing(void **state)
{
    (void)state;
    lrun_request good = LRUN_REQUEST_INIT;
    good.image = "image";
    good.entrypoint = "exit 0";
    lrun_request r = good;
    r.image = NULL;
    check_refused(&r, LRUN_INVALID_ARGUMENT, "image");
    r = good;
    r.size = 0;
    check_refused(&r, LRUN_INVALID_ARGUMENT, "size");
    r = good;
    r.dir = "/nonexistent/dir";
    check_refused(&r, LRUN_INVALID_ARGUMENT, "dir");
    r.dir = "/etc/passwd";
    check_refused(&r, LRUN_INVALID_ARGUMENT, "not a directory");
    r = good;
    r.input_json = "{";
    check_refused(&r, LRUN_INVALID_ARGUMENT, "input");
    r = good;
    r.workdir = "relative";
    check_refused(&r, LRUN_INVALID_ARGUMENT, "workdir");
    r = good;
    r.entrypoint = "\xff";
    check_refused(&r, LRUN_INVALID_ARGUMENT, "UTF-8");
    r = good;
    r.timeout_ms = UINT64_MAX;
    check_refused(&r, LRUN_INVALID_ARGUMENT, "timeout");
    r = good;
    r.detached = true;
    r.input_json = "1";
    check_refused(&r, LRUN_INVALID_ARGUMENT, "input is not supported");
    lrun_extract extract = LRUN_EXTRACT_INIT;
    extract.from = "a";
    r = good;
    r.extract = &extract;
    r.extract_count = 1;
    check_refused(&r, LRUN_INVALID_ARGUMENT, "'to' is missing");
    r.extract = NULL;
    check_refused(&r, LRUN_INVALID_ARGUMENT, "extract");
}

/* A program that was compiled against a later header, with fields unknown to this library. */
static void test_newer_structs(void **state)
{
    (void)state;
    struct {
        lrun_request known;
        void *added;
    } newer = {0};
    newer.known.size = sizeof(newer);
    newer.known.image = "image";
    newer.known.entrypoint = "exit 5";
    check_code(&newer.known, NULL, 5);
    newer.added = &newer;
    check_refused(&newer.known, LRUN_INVALID_ARGUMENT, "this version");
}

static void check_options_refused(const lrun_runner_options *o, const char *part)
{
    lrun_runner *out = NULL;
    lrun_error e = {0};
    assert_int_equal(lrun_runner_new(&out, o, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    if (!strstr(e.message, part))
        fail_msg("'%s' does not say '%s'", e.message, part);
    assert_null(out);
}

static void test_bad_options(void **state)
{
    (void)state;
    const lrun_runner_options good = LRUN_RUNNER_OPTIONS_INIT;
    lrun_runner_options o = good;
    o.memory = "12q";
    check_options_refused(&o, "options.memory");
    o = good;
    o.cpus = -1;
    check_options_refused(&o, "options.cpus");
    o = good;
    o.cpus = __builtin_nan("");
    check_options_refused(&o, "options.cpus");
    o = good;
    o.cpus = __builtin_inf();
    check_options_refused(&o, "options.cpus");
    o = good;
    o.runtime = "lxc";
    check_options_refused(&o, "options.runtime");
    o = good;
    o.max_log_bytes = UINT64_MAX;
    check_options_refused(&o, "options.maxLogBytes");
    o = good;
    o.pids = 32769;
    check_options_refused(&o, "options.pids");
    o = good;
    o.no_new_privileges = (lrun_switch)7;
    check_options_refused(&o, "options.noNewPrivileges");
    o = good;
    o.setup_runtime = "lxc";
    check_options_refused(&o, "options.setupRuntime");
    o = good;
    o.setup_network = "host";
    check_options_refused(&o, "options.setupNetwork");
    static const char *const known[] = {"memory", "cpus", "pids", NULL};
    static const char *const unknown[] = {"memory", "disk", NULL};
    o = good;
    o.allow_unenforced = unknown;
    check_options_refused(&o, "options.allowUnenforced[1]");
    o.allow_unenforced = known;
    lrun_runner *out = NULL;
    assert_int_equal(lrun_runner_new(&out, &o, NULL), 0);
    lrun_runner_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_requests_start_nothing),
        cmocka_unit_test(test_bad_callbacks_start_nothing),
        cmocka_unit_test(test_older_callbacks),
        cmocka_unit_test(test_newer_structs),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests_name("arguments", tests, make_runner, free_runner);
}
