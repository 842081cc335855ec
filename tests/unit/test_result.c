/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "wire/result.h"
#include "json/error_json.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const lrun_extracted entries[] = {
    {.from = "a", .to = "out", .status = LRUN_EXTRACT_OK, .bytes = 1024},
    {.from = "b", .to = "out", .status = LRUN_EXTRACT_MISSING},
    {.from = "c", .to = "out", .status = LRUN_EXTRACT_ERROR, .reason = "path traversal rejected"},
};

static struct run_result sample(void)
{
    struct run_result r = {
        .success = true,
        .duration_ms = 123,
        .id = "light-runner-0123456789ab",
        .extracted = entries,
        .extracted_count = 3,
    };
    r.usage.cpu_ms = 1;
    r.usage.user_ms = 2;
    r.usage.system_ms = 3;
    r.usage.peak_memory_bytes = 1ull << 40;
    r.usage.processes = 5;
    r.isolation.runtime = "runc";
    r.isolation.kernel = "6.1";
    r.isolation.host_kernel = "6.1";
    r.isolation.verified = true;
    r.timings.prepare_ms = 1.5;
    r.timings.start_ms = 0.001;
    r.timings.run_ms = 1234567.8901;
    r.timings.collect_ms = 0;
    return r;
}

static char *text_of(const struct run_result *r)
{
    json_t *document = result_to_json(r);
    assert_non_null(document);
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return text;
}

/* Checks that the list has these names, which commas separate. */
static void assert_names(const char *const *list, const char *names)
{
    char text[128] = "";
    for (; *list; list++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", text[0] ? "," : "",
                 *list);
    assert_string_equal(text, names);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct run_result in = sample();
    lrun_result *r = NULL;
    in.isolation.setup.runtime = "runc";
    in.isolation.setup.kernel = "6.2";
    in.isolation.setup.network = "none";
    char *text = text_of(&in);
    lrun_error e = {0};
    if (result_from_json(&r, text, strlen(text), &e) < 0)
        fail_msg("%s", e.message);
    free(text);
    assert_true(r->success);
    assert_string_equal(r->isolation->setup->runtime, "runc");
    assert_string_equal(r->isolation->setup->kernel, "6.2");
    assert_string_equal(r->isolation->setup->network, "none");
    assert_int_equal(r->exit_code, 0);
    assert_int_equal(r->signal, 0);
    assert_int_equal(r->duration_ms, 123);
    assert_string_equal(r->id, in.id);
    assert_int_equal(r->extracted_count, 3);
    assert_int_equal(r->extracted[0]->status, LRUN_EXTRACT_OK);
    assert_int_equal(r->extracted[0]->bytes, 1024);
    assert_int_equal(r->extracted[1]->status, LRUN_EXTRACT_MISSING);
    assert_null(r->extracted[1]->reason);
    assert_int_equal(r->extracted[2]->status, LRUN_EXTRACT_ERROR);
    assert_string_equal(r->extracted[2]->reason, "path traversal rejected");
    assert_true(r->usage->peak_memory_bytes == 1ull << 40);
    assert_int_equal(r->usage->processes, 5);
    assert_string_equal(r->isolation->runtime, "runc");
    assert_true(r->isolation->verified);
    assert_true(r->timings->run_ms == 1234567.89);
    lrun_result_free(r);
}

static void test_document_has_the_names_of_the_contract(void **state)
{
    (void)state;
    struct run_result in = sample();
    lrun_result *r = NULL;
    in.extracted_count = 1;
    char *text = text_of(&in);
    assert_int_equal(result_from_json(&r, text, strlen(text), NULL), 0);
    free(text);
    assert_string_equal(
        lrun_result_json(r),
        "{\"id\":\"light-runner-0123456789ab\",\"success\":true,\"exitCode\":0,\"duration\":123,"
        "\"cancelled\":false,\"timedOut\":false,\"cpuTimedOut\":false,\"oomKilled\":false,"
        "\"logTruncated\":false,"
        "\"extracted\":[{\"from\":\"a\",\"to\":\"out\",\"status\":\"ok\",\"bytes\":1024}],"
        "\"usage\":{\"cpuMs\":1,\"userMs\":2,\"systemMs\":3,\"peakMemoryBytes\":1099511627776,"
        "\"processes\":5},\"isolation\":{\"runtime\":\"runc\",\"kernel\":\"6.1\",\"hostKernel\":"
        "\"6.1\","
        "\"verified\":true},\"timings\":{\"prepareMs\":1.5,\"startMs\":0.001,\"runMs\":1234567.89,"
        "\"collectMs\":0.0,\"warm\":false}}");
    lrun_result_free(r);
}

static void test_the_timeout_is_in_it(void **state)
{
    (void)state;
    struct run_result in = sample();
    lrun_result *r = NULL;
    in.timeout_ms = 5000;
    char *text = text_of(&in);
    assert_int_equal(result_from_json(&r, text, strlen(text), NULL), 0);
    assert_int_equal(r->timeout_ms, 5000);
    assert_non_null(strstr(lrun_result_json(r), "\"duration\":123,\"timeout\":5000,"));
    free(text);
    lrun_result_free(r);
}

static void test_a_run_over_its_cpu_time(void **state)
{
    (void)state;
    struct run_result in = sample();
    lrun_result *r = NULL;
    in.success = false;
    in.cpu_timed_out = true;
    char *text = text_of(&in);
    assert_int_equal(result_from_json(&r, text, strlen(text), NULL), 0);
    assert_true(r->cpu_timed_out && !r->success && !r->timed_out);
    free(text);
    lrun_result_free(r);
}

static void test_what_was_checked_is_named(void **state)
{
    (void)state;
    static const char all[] = "kernel,processes,seccomp,noNewPrivileges,capabilities,ids";
    struct run_result in = sample();
    lrun_result *r = NULL;
    in.isolation.checked = all;
    char *text = text_of(&in);
    assert_non_null(strstr(text, "\"checked\":[\"kernel\",\"processes\","));
    assert_int_equal(result_from_json(&r, text, strlen(text), NULL), 0);
    assert_names(r->isolation->checked, all);
    assert_null(r->isolation->unenforced[0]);
    free(text);
    lrun_result_free(r);
}

static void test_limits_that_were_not_enforced_are_named(void **state)
{
    (void)state;
    struct run_result in = sample();
    lrun_result *r = NULL;
    in.isolation.unenforced = "memory,cpus";
    char *text = text_of(&in);
    assert_non_null(strstr(text, "\"unenforced\":[\"memory\",\"cpus\"]"));
    assert_int_equal(result_from_json(&r, text, strlen(text), NULL), 0);
    assert_names(r->isolation->unenforced, "memory,cpus");
    assert_null(r->isolation->checked[0]);
    free(text);
    lrun_result_free(r);
}

static void test_what_is_left_behind_is_named(void **state)
{
    (void)state;
    struct run_result in = sample();
    lrun_result *r = NULL;
    in.left_behind = "container,volume";
    char *text = text_of(&in);
    assert_non_null(strstr(text, "\"leftBehind\":[\"container\",\"volume\"]"));
    assert_int_equal(result_from_json(&r, text, strlen(text), NULL), 0);
    assert_names(r->left_behind, "container,volume");
    free(text);
    lrun_result_free(r);
}

static void test_signal_has_a_name(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *text;
    } signals[] = {{SIGKILL, "\"signal\":\"SIGKILL\""},
                   {SIGSEGV, "\"signal\":\"SIGSEGV\""},
                   {40, "\"signal\":\"SIG40\""}};
    for (size_t i = 0; i < 3; i++) {
        struct run_result in = sample();
        lrun_result *r = NULL;
        in.success = false;
        in.signal = signals[i].number;
        in.exit_code = 128 + in.signal;
        char *text = text_of(&in);
        assert_non_null(strstr(text, signals[i].text));
        assert_int_equal(result_from_json(&r, text, strlen(text), NULL), 0);
        assert_int_equal(r->signal, signals[i].number);
        free(text);
        lrun_result_free(r);
    }
}

static void test_extracted_that_did_not_run_is_absent(void **state)
{
    (void)state;
    struct run_result in = sample();
    lrun_result *r = NULL;
    in.extracted = NULL;
    in.extracted_count = 0;
    char *text = text_of(&in);
    assert_null(strstr(text, "extracted"));
    assert_int_equal(result_from_json(&r, text, strlen(text), NULL), 0);
    assert_null(r->extracted);
    free(text);
    lrun_result_free(r);

    in.extracted = entries; /* the request had an empty list */
    text = text_of(&in);
    assert_non_null(strstr(text, "\"extracted\":[]"));
    assert_int_equal(result_from_json(&r, text, strlen(text), NULL), 0);
    assert_non_null(r->extracted);
    assert_int_equal(r->extracted_count, 0);
    free(text);
    lrun_result_free(r);
}

static void test_bytes_that_are_not_utf8_do_not_cost_the_result(void **state)
{
    (void)state;
    lrun_extracted entry = {
        .from = "a", .to = "b", .status = LRUN_EXTRACT_ERROR, .reason = "bad \xff name"};
    struct run_result in = sample();
    in.extracted = &entry;
    in.extracted_count = 1;
    in.isolation.kernel = "\xfe";
    char *text = text_of(&in);
    assert_non_null(strstr(text, "bad ? name"));
    free(text);
}

static void check_lost(json_t *document)
{
    char *text = json_dumps(document, 0);
    lrun_result *r = NULL;
    lrun_error e = {0};
    if (result_from_json(&r, text, strlen(text), &e) == 0)
        fail_msg("accepted: %s", text);
    assert_int_equal(e.code, LRUN_SUPERVISOR_LOST);
    free(text);
}

/* Each field is removed, and then given a wrong type. */
static void test_nothing_is_taken_on_trust(void **state)
{
    (void)state;
    struct run_result in = sample();
    json_t *good = result_to_json(&in);
    static const char *const nested[] = {"", "usage", "isolation", "timings"};
    for (size_t i = 0; i < 4; i++) {
        const char *key;
        json_t *value, *part = i ? json_object_get(good, nested[i]) : good;
        json_object_foreach (part, key, value) {
            bool optional = strcmp(key, "extracted") == 0 || strcmp(key, "runtime") == 0 ||
                            strcmp(key, "kernel") == 0 || strcmp(key, "hostKernel") == 0 ||
                            strcmp(key, "cpuTimedOut") == 0 || strcmp(key, "timeout") == 0;
            json_t *copy = json_deep_copy(good);
            json_t *target = i ? json_object_get(copy, nested[i]) : copy;
            json_object_set_new(target, key, json_null());
            check_lost(copy);
            json_object_del(target, key);
            if (!optional)
                check_lost(copy);
            json_decref(copy);
        }
    }
    json_decref(good);
}

static void check_changed(const char *key, json_t *value)
{
    struct run_result in = sample();
    json_t *document = result_to_json(&in);
    json_object_set_new(document, key, value);
    check_lost(document);
    json_decref(document);
}

static void test_values_out_of_range_are_refused(void **state)
{
    (void)state;
    check_changed("exitCode", json_integer(256));
    check_changed("exitCode", json_integer(-1));
    check_changed("exitCode", json_integer(1)); /* contradicts `success` */
    check_changed("cancelled", json_true());
    check_changed("timedOut", json_true());
    check_changed("cpuTimedOut", json_true());
    check_changed("success", json_false());
    check_changed("duration", json_integer(-1));
    check_changed("signal", json_string("SIGNOTHING"));
    check_changed("extracted", json_pack("[{ss,ss,ss}]", "from", "a", "to", "b", "status", "odd"));
    check_changed("extracted", json_pack("[{ss,ss,ss}]", "from", "a", "to", "b", "status", "ok"));
    check_changed("extracted", json_pack("[s]", "a"));
    struct run_result in = sample();
    in.success = false;
    in.exit_code = 256;
    json_t *document = result_to_json(&in);
    check_lost(document);
    json_decref(document);
    lrun_result *r = NULL;
    lrun_error e = {0};
    assert_int_equal(result_from_json(&r, "rubbish", 7, &e), -1);
    assert_int_equal(e.code, LRUN_SUPERVISOR_LOST);
    assert_int_equal(result_from_json(&r, "[]", 2, &e), -1);
}

static void test_error_round_trip(void **state)
{
    (void)state;
    lrun_error in = {.code = LRUN_SEED_FAILED,
                     .message = "no",
                     .operation = "seed.walk",
                     .id = "light-runner-0123456789ab",
                     .hint = "do"};
    lrun_error out;
    json_t *document = error_to_json(&in);
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    assert_string_equal(text,
                        "{\"code\":\"SEED_FAILED\",\"message\":\"no\",\"operation\":\"seed.walk\","
                        "\"container\":\"light-runner-0123456789ab\",\"hint\":\"do\"}");
    error_from_json(&out, text, strlen(text));
    assert_int_equal(out.code, LRUN_SEED_FAILED);
    assert_string_equal(out.message, "no");
    assert_string_equal(out.operation, "seed.walk");
    assert_string_equal(out.id, in.id);
    assert_string_equal(out.hint, "do");
    free(text);
}

static void test_error_that_is_none(void **state)
{
    (void)state;
    lrun_error out;
    error_from_json(&out, "{", 1);
    assert_int_equal(out.code, LRUN_SUPERVISOR_LOST);
    error_from_json(&out, "{\"code\":\"OK\"}", 13);
    assert_int_equal(out.code, LRUN_INTERNAL);
    error_from_json(&out, "{\"code\":\"NEWER\",\"message\":7}", 28);
    assert_int_equal(out.code, LRUN_INTERNAL);
    assert_string_equal(out.message, "");
}

static void test_error_with_odd_bytes(void **state)
{
    (void)state;
    lrun_error in = {.code = LRUN_IO_FAILED, .message = "file '\xff'"};
    json_t *document = error_to_json(&in);
    assert_string_equal(json_string_value(json_object_get(document, "message")), "file '?'");
    assert_null(json_object_get(document, "hint"));
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_document_has_the_names_of_the_contract),
        cmocka_unit_test(test_the_timeout_is_in_it),
        cmocka_unit_test(test_a_run_over_its_cpu_time),
        cmocka_unit_test(test_what_was_checked_is_named),
        cmocka_unit_test(test_limits_that_were_not_enforced_are_named),
        cmocka_unit_test(test_what_is_left_behind_is_named),
        cmocka_unit_test(test_signal_has_a_name),
        cmocka_unit_test(test_extracted_that_did_not_run_is_absent),
        cmocka_unit_test(test_bytes_that_are_not_utf8_do_not_cost_the_result),
        cmocka_unit_test(test_nothing_is_taken_on_trust),
        cmocka_unit_test(test_values_out_of_range_are_refused),
        cmocka_unit_test(test_error_round_trip),
        cmocka_unit_test(test_error_that_is_none),
        cmocka_unit_test(test_error_with_odd_bytes),
    };
    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
