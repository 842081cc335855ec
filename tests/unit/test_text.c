/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

static void test_u64(void **state)
{
    (void)state;
    uint64_t n;
    assert_true(text_parse_u64("0", &n) && n == 0);
    assert_true(text_parse_u64("18446744073709551615", &n) && n == UINT64_MAX);
    const char *bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "1.0", "a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(text_parse_u64(bad[i], &n));
}

static void test_size(void **state)
{
    (void)state;
    uint64_t n;
    assert_true(text_parse_size("512m", &n) && n == 512ull << 20);
    assert_true(text_parse_size("1G", &n) && n == 1ull << 30);
    assert_true(text_parse_size("3K", &n) && n == 3072);
    assert_true(text_parse_size("7", &n) && n == 7);
    const char *bad[] = {
        "", "m", "12q", "1.5g", "-1m", "1mb", "1 m", " 1m", "1t", "18014398509481984k", "0x10m"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(text_parse_size(bad[i], &n));
}

static void test_duration(void **state)
{
    (void)state;
    uint64_t n;
    assert_true(text_parse_duration_ms("1500", &n) && n == 1500);
    assert_true(text_parse_duration_ms("500ms", &n) && n == 500);
    assert_true(text_parse_duration_ms("30s", &n) && n == 30000);
    assert_true(text_parse_duration_ms("2m", &n) && n == 120000);
    assert_true(text_parse_duration_ms("1h", &n) && n == 3600000);
    assert_true(text_parse_duration_ms("7d", &n) && n == 604800000);
    assert_true(text_parse_duration_ms("1.5s", &n) && n == 1500);
    assert_true(text_parse_duration_ms("0.0625s", &n) && n == 62);
    const char *bad[] = {"",   "s", "-1", "1.", ".5s", "1.5.5s", "1w", "1 s", "5124095576030432h",
                         "inf"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(text_parse_duration_ms(bad[i], &n));
}

static void test_env_name(void **state)
{
    (void)state;
    assert_true(text_is_env_name("PATH", 4));
    assert_true(text_is_env_name("_a1", 3));
    assert_true(text_is_env_name("A=B", 1));
    assert_false(text_is_env_name("", 0));
    assert_false(text_is_env_name("1A", 2));
    assert_false(text_is_env_name("A-B", 3));
    assert_false(text_is_env_name("A B", 3));
    assert_false(text_is_env_name("\xc3\xa9", 2));
}

static void test_dotdot(void **state)
{
    (void)state;
    assert_true(text_path_has_dotdot(".."));
    assert_true(text_path_has_dotdot("a/../b"));
    assert_true(text_path_has_dotdot("/a/.."));
    assert_false(text_path_has_dotdot("a..b"));
    assert_false(text_path_has_dotdot("..."));
    assert_false(text_path_has_dotdot("/a/..b/c.."));
    assert_false(text_path_has_dotdot(""));
}

static void test_beneath(void **state)
{
    (void)state;
    assert_true(text_path_is_beneath("a"));
    assert_true(text_path_is_beneath("a/b.c/..d"));
    assert_true(text_path_is_beneath("new\nline"));
    const char *bad[] = {"", "/", "/a", "a/", "a//b", ".", "a/.", "./a", "..", "a/../b", "../a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(text_path_is_beneath(bad[i]));
    char name[300];
    memset(name, 'x', sizeof(name));
    name[255] = '\0';
    assert_true(text_path_is_beneath(name));
    name[255] = 'x';
    name[256] = '\0';
    assert_false(text_path_is_beneath(name));
    char path[5000];
    for (size_t i = 0; i < sizeof(path); i++)
        path[i] = i % 2 ? '/' : 'a';
    path[4095] = '\0';
    assert_true(text_path_is_beneath(path));
    path[4095] = '/';
    path[4097] = '\0';
    assert_false(text_path_is_beneath(path));
}

static void check_join(const char *base, const char *path, const char *expected)
{
    char *joined = text_path_join(base, path);
    assert_string_equal(joined, expected);
    free(joined);
}

static void test_join(void **state)
{
    (void)state;
    check_join("/app", "out", "/app/out");
    check_join("/app/", "./out//x/.", "/app/out/x");
    check_join("/app", "/tmp/x/", "/tmp/x");
    check_join("/app", "", "/app");
    check_join("/", "", "/");
    check_join("/", ".", "/");
    check_join("/a", "../b", "/a/../b");
}

/* Bytes that a terminal obeys, that change the reading order, or that are not text; and the text
 * that is shown instead. */
static const char nasty[] = "a\x1b[2J\r\n\t\x7f"
                            "\xc2\x9b"
                            "31m\xc2\x80\xc2\x9f"
                            "\xd8\x9c\xe2\x80\x8e\xe2\x80\xa8"
                            "\xe2\x80\xae\xe2\x81\xa6"
                            "\xff\xc0\x80\xed\xa0\x80\xe2\x82";
static const char shown[] = "a?[2J?  ??31m??"
                            "???"
                            "??"
                            "????????";

static void what_is_not_printable_is_replaced(void **state)
{
    (void)state;
    char text[sizeof(nasty)];
    strcpy(text, nasty);
    text_make_printable(text);
    assert_string_equal(text, shown);
}

static void printable_text_stays_as_it_is(void **state)
{
    (void)state;
    static const char plain[] = "caf\xc3\xa9 \xc2\xa0 \xe2\x82\xac \xe2\x80\xa7 \xf0\x9f\x98\x80 ~";
    char text[sizeof(plain)];
    strcpy(text, plain);
    text_make_printable(text);
    assert_string_equal(text, plain);
}

/* Every error is made printable, so that no caller can forget to do it. */
static void errors_are_printable_whatever_they_quote(void **state)
{
    (void)state;
    lrun_error e = {0};
    error_set(&e, LRUN_INTERNAL, "test", "%s", nasty);
    assert_string_equal(e.message, shown);
    error_hint(&e, "%s", nasty);
    assert_string_equal(e.hint, shown);
    error_set(&e, LRUN_INTERNAL, "test", "m");
    error_context(&e, "%s", nasty);
    assert_memory_equal(e.message, shown, strlen(shown));
    error_errno(&e, LRUN_INTERNAL, "test", ENOENT, "%s", nasty);
    assert_memory_equal(e.message, shown, strlen(shown));
    /* A message that is cut within a character. */
    char longer[2 * sizeof(e.message)] = "";
    for (size_t i = 0; i + 3 < sizeof(longer); i += 2)
        memcpy(longer + i, "\xc3\xa9", 3);
    error_set(&e, LRUN_INTERNAL, "test", "%s", longer);
    assert_int_equal(e.message[sizeof(e.message) - 2], '?');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_env_name),
        cmocka_unit_test(test_dotdot),
        cmocka_unit_test(test_beneath),
        cmocka_unit_test(test_join),
        cmocka_unit_test(what_is_not_printable_is_replaced),
        cmocka_unit_test(printable_text_stays_as_it_is),
        cmocka_unit_test(errors_are_printable_whatever_they_quote),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
