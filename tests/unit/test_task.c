/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "wire/task.h"

static int parse(struct task *t, enum task_kind kind, const char *text, lrun_error *err)
{
    return task_parse(t, kind, text, strlen(text), err);
}

static void test_a_command(void **state)
{
    (void)state;
    cleanup_task struct task t = {0};
    assert_true(
        parse(&t, TASK_EXEC,
              "{\"argv\":[\"a\",\"b c\"],\"env\":[\"A=b\"],\"workdir\":\"/x/\",\"user\":\"1:2\","
              "\"timeout\":5,\"logs\":false,\"options\":{\"maxLogBytes\":7}}",
              NULL) == 0);
    assert_true(strcmp(t.request.argv[1], "b c") == 0 && strcmp(t.request.env[0], "A=b") == 0);
    assert_true(strcmp(t.request.workdir, "/x") == 0 && strcmp(t.user, "1:2") == 0);
    assert_true(t.request.timeout_ms == 5 && !t.logs && t.request.max_log_bytes == 7);
}

static void test_copies(void **state)
{
    (void)state;
    cleanup_task struct task in = {0}, out = {0};
    assert_true(parse(&in, TASK_PUT, "{\"dir\":\"/d\",\"ignore\":[]}", NULL) == 0);
    assert_true(strcmp(in.request.dir, "/d") == 0 && !in.request.ignore[0]);
    assert_true(parse(&out, TASK_GET, "{\"extract\":[{\"from\":\"a\",\"to\":\"/b\"}]}", NULL) == 0);
    assert_true(out.request.extract_count == 1 && !out.request.workdir);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum task_kind kind;
        const char *text, *field;
    } bad[] = {
        {TASK_EXEC, "{}", "entrypoint"},
        {TASK_EXEC, "{\"entrypoint\":\"a\",\"argv\":[\"a\"]}", "argv"},
        {TASK_EXEC, "{\"entrypoint\":\"a\",\"image\":\"b\"}", "image"},
        {TASK_EXEC, "{\"entrypoint\":\"a\",\"networks\":[\"none\"]}", "networks"},
        {TASK_EXEC, "{\"entrypoint\":\"a\",\"options\":{\"memory\":\"1g\"}}", "options"},
        {TASK_EXEC, "{\"entrypoint\":\"a\",\"user\":1}", "user"},
        {TASK_EXEC, "{\"entrypoint\":\"a\",\"user\":\"\"}", "user"},
        {TASK_EXEC, "{\"entrypoint\":\"a\",\"logs\":1}", "logs"},
        {TASK_PUT, "{}", "dir"},
        {TASK_PUT, "{\"dir\":\"/d\",\"user\":\"a\"}", "user"},
        {TASK_PUT, "{\"dir\":\"/d\",\"entrypoint\":\"a\"}", "entrypoint"},
        {TASK_GET, "{}", "extract"},
        {TASK_GET, "{\"extract\":[],\"dir\":\"/\"}", "dir"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cleanup_task struct task t = {0};
        lrun_error e = LRUN_ERROR_INIT;
        assert_true(parse(&t, bad[i].kind, bad[i].text, &e) < 0);
        assert_true(e.code == LRUN_INVALID_ARGUMENT);
        assert_true(strncmp(e.message, bad[i].field, strlen(bad[i].field)) == 0);
    }
    cleanup_task struct task t = {0};
    assert_true(parse(&t, TASK_EXEC, "[]", NULL) < 0 && parse(&t, TASK_EXEC, "\"x\"", NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_command),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
