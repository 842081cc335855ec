/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "lines.h"

#include <stdlib.h>

struct seen {
    char text[4096]; /* every line in brackets */
    size_t count;
    size_t longest;
    size_t total;
};

static void collect(void *user, lrun_stream stream, const char *data, size_t length)
{
    struct seen *s = user;
    assert_int_equal(stream, LRUN_STDERR);
    s->count++;
    s->total += length;
    s->longest = length > s->longest ? length : s->longest;
    if (length < 200) {
        size_t used = strlen(s->text);
        s->text[used] = '[';
        memcpy(s->text + used + 1, data, length);
        memcpy(s->text + used + 1 + length, "]", 2);
    }
}

static void push(struct lines *l, const char *text)
{
    lines_push(l, text, strlen(text));
}

static void check_lines_of(size_t step, const char *text, const char *expected)
{
    struct seen s = {0};
    struct lines l;
    lines_init(&l, LRUN_STDERR, collect, &s);
    for (size_t i = 0; i < strlen(text); i += step)
        lines_push(&l, text + i, strlen(text) - i < step ? strlen(text) - i : step);
    lines_finish(&l);
    lines_free(&l);
    assert_string_equal(s.text, expected);
}

static void test_cuts_at_newlines_however_the_bytes_arrive(void **state)
{
    (void)state;
    for (size_t step = 1; step < 20; step++) {
        check_lines_of(step, "one\ntwo\n\nthree\n", "[one][two][][three]");
        check_lines_of(step, "\n\n", "[][]");
        check_lines_of(step, "", "");
    }
}

static void test_last_line_without_newline_comes_at_the_end(void **state)
{
    (void)state;
    struct seen s = {0};
    struct lines l;
    lines_init(&l, LRUN_STDERR, collect, &s);
    push(&l, "a\nb");
    assert_string_equal(s.text, "[a]");
    lines_finish(&l);
    assert_string_equal(s.text, "[a][b]");
    lines_finish(&l);
    assert_string_equal(s.text, "[a][b]");
    lines_free(&l);
}

static void test_carriage_return_is_kept(void **state)
{
    (void)state;
    check_lines_of(100, "a\r\nb\r", "[a\r][b\r]");
}

static void test_nul_bytes_are_kept(void **state)
{
    (void)state;
    struct seen s = {0};
    struct lines l;
    lines_init(&l, LRUN_STDERR, collect, &s);
    lines_push(&l, "a\0b\n", 4);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.total, 3);
    lines_free(&l);
}

/* Pushes `length` bytes without a newline, in pieces. */
static void push_long(struct lines *l, size_t length)
{
    size_t piece = 1000003;
    char *data = malloc(piece);
    memset(data, 'x', piece);
    for (; length > 0; length -= length < piece ? length : piece)
        lines_push(l, data, length < piece ? length : piece);
    free(data);
}

static void test_too_long_a_line_comes_in_parts(void **state)
{
    (void)state;
    struct seen s = {0};
    struct lines l;
    lines_init(&l, LRUN_STDERR, collect, &s);
    push_long(&l, 2 * (size_t)LINES_MAX + 5);
    push(&l, "\n");
    assert_int_equal(s.count, 3);
    assert_int_equal(s.longest, LINES_MAX);
    assert_int_equal(s.total, 2 * (size_t)LINES_MAX + 5);
    assert_string_equal(s.text, "[xxxxx]");
    lines_free(&l);
}

static void test_line_of_the_very_limit_is_one_line(void **state)
{
    (void)state;
    struct seen s = {0};
    struct lines l;
    lines_init(&l, LRUN_STDERR, collect, &s);
    push_long(&l, LINES_MAX);
    push(&l, "\nnext\n");
    assert_int_equal(s.count, 2);
    assert_int_equal(s.total, (size_t)LINES_MAX + 4);
    lines_free(&l);
}

static void test_one_push_over_the_limit_comes_in_parts(void **state)
{
    (void)state;
    struct seen s = {0};
    struct lines l;
    size_t length = (size_t)LINES_MAX + 10;
    char *data = malloc(length + 1);
    memset(data, 'x', length);
    data[length] = '\n';
    lines_init(&l, LRUN_STDERR, collect, &s);
    lines_push(&l, data, length + 1);
    free(data);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.longest, LINES_MAX);
    assert_string_equal(s.text, "[xxxxxxxxxx]");
    lines_free(&l);
}

static void test_nothing_is_kept_without_a_listener(void **state)
{
    (void)state;
    struct lines l;
    lines_init(&l, LRUN_STDOUT, NULL, NULL);
    push(&l, "no newline");
    assert_int_equal(buffer_length(&l.held), 0);
    lines_finish(&l);
    lines_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_at_newlines_however_the_bytes_arrive),
        cmocka_unit_test(test_last_line_without_newline_comes_at_the_end),
        cmocka_unit_test(test_carriage_return_is_kept),
        cmocka_unit_test(test_nul_bytes_are_kept),
        cmocka_unit_test(test_too_long_a_line_comes_in_parts),
        cmocka_unit_test(test_line_of_the_very_limit_is_one_line),
        cmocka_unit_test(test_one_push_over_the_limit_comes_in_parts),
        cmocka_unit_test(test_nothing_is_kept_without_a_listener),
    };
    return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
