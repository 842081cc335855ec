/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "wire/order.h"

#include <stdlib.h>

static void test_round_trip_without_the_input(void **state)
{
    (void)state;
    struct run_order order = {.id = (char *)"light-runner-0123456789ab"}, again;
    lrun_error e = {0};
    const char *json = "{\"image\":\"i\",\"input\":[1],\"entrypoint\":\"true\"}";
    assert_int_equal(request_parse(&order.request, json, strlen(json), &e), 0);
    json_t *document = order_to_json(&order);
    char *text = json_dumps(document, 0);
    json_decref(document);
    assert_string_equal(order.request.input, "[1]");
    assert_int_equal(order_parse(&again, text, strlen(text), &e), 0);
    free(text);
    assert_string_equal(again.id, order.id);
    assert_false(again.logs);
    assert_string_equal(again.request.entrypoint, "true");
    assert_null(again.request.input);
    order_free(&again);
    request_free(&order.request);
}

static void check_refused(const char *json)
{
    struct run_order order;
    lrun_error e = {0};
    if (order_parse(&order, json, strlen(json), &e) == 0)
        fail_msg("accepted: %s", json);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
}

static void test_what_is_no_order_is_refused(void **state)
{
    (void)state;
    check_refused("");
    check_refused("[]");
    check_refused("{\"id\":\"light-runner-0123456789ab\"}");
    check_refused("{\"request\":{\"image\":\"i\"}}");
    check_refused("{\"id\":\"light-runner-0123456789ab\",\"request\":{}}");
    check_refused("{\"id\":\"light-runner-0123456789ab\",\"request\":{\"image\":\"i\"},\"x\":1}");
    check_refused(
        "{\"id\":\"light-runner-0123456789ab\",\"request\":{\"image\":\"i\"},\"logs\":1}");
}

/* An order can make an image of the sandbox's root. No caller may replace another image that
 * way. */
static void test_only_images_of_steps_are_committed(void **state)
{
    (void)state;
#define ORDER(name)                                                                                \
    "{\"id\":\"light-runner-0123456789ab\",\"commit\":\"" name "\",\"request\":{\"image\":\"i\"}}"
#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef"
    struct run_order order;
    lrun_error e = {0};
    const char *good = ORDER("light-runner/setup:" DIGITS);
    assert_int_equal(order_parse(&order, good, strlen(good), &e), 0);
    assert_string_equal(order.commit, "light-runner/setup:" DIGITS);
    json_t *document = order_to_json(&order);
    assert_string_equal(json_string_value(json_object_get(document, "commit")), order.commit);
    json_decref(document);
    order_free(&order);
    check_refused(ORDER(""));
    check_refused(ORDER("busybox"));
    check_refused(ORDER("light-runner/setup:" DIGITS "0"));
    check_refused(ORDER("light-runner/setup:A123456789abcdef0123456789abcdef0123456789abcdef"));
    check_refused(ORDER("light-runner/other:" DIGITS));
    check_refused(ORDER("x/light-runner/setup:" DIGITS));
}

static void test_id_is_exactly_that(void **state)
{
    (void)state;
    assert_true(order_id_is_valid("light-runner-0123456789ab"));
    const char *bad[] = {"",
                         "light-runner-",
                         "light-runner-0123456789AB",
                         "light-runner-0123456789ab0",
                         "light-runner-0123456789ab/x",
                         "light-runner-../../../../x",
                         "Light-runner-0123456789ab"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(order_id_is_valid(bad[i]));
    check_refused("{\"id\":\"light-runner-../../../x/\",\"request\":{\"image\":\"i\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_without_the_input),
        cmocka_unit_test(test_what_is_no_order_is_refused),
        cmocka_unit_test(test_only_images_of_steps_are_committed),
        cmocka_unit_test(test_id_is_exactly_that),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
