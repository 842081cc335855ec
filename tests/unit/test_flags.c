/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "flags.h"

#include "base/error.h"

#include <stdio.h>

struct words {
    bool json, help, quiet, color;
    const char *name;
    int size;
};

static int read_size(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    struct words *w = into;
    if (strcmp(value, "broken") == 0)
        return error_set(err, LRUN_IO_FAILED, "test", "--%s: broken", flag->name);
    if (strcmp(value, "odd") == 0)
        return FLAG_BAD_VALUE;
    w->size += (int)strlen(value);
    return 0;
}

static const struct flag flags[] = {
    FLAG_STRING("name", struct words, name, "NAME", "a name"),
    FLAG_CALL("size", read_size, "a size", .value = "SIZE"),
    FLAG_SWITCH("quiet", struct words, quiet, "say nothing"),
    FLAG_NO("no-color", struct words, color, "print no colors", .letter = 'c'),
    FLAG_SWITCH("json", struct words, json, "print JSON", .letter = 'j'),
    FLAG_HELP(struct words),
    FLAG_END,
};

static const struct command plain = {.name = "test", .usage = "", .about = "", .flags = flags};
static const struct command wordless = {
    .name = "test", .usage = "", .about = "", .flags = flags, .no_words = true};
static const struct command runs = {
    .name = "test", .usage = "", .about = "", .flags = flags, .words_end_flags = true};

enum { WORDS_MAX = 8 };

static char *argv[WORDS_MAX + 2];

/* `line` holds the arguments, each after a blank. The arguments that are left are in argv from
 * argv[1] on. */
static int parse(const struct command *c, struct words *w, const char *line, lrun_error *err)
{
    static char text[200];
    int argc = 1;
    *w = (struct words){.color = true};
    argv[0] = (char *)"test";
    snprintf(text, sizeof(text), "%s", line);
    for (char *at = text; *at && argc <= WORDS_MAX;) {
        *at++ = '\0';
        argv[argc++] = at;
        at += strcspn(at, " ");
    }
    argv[argc] = NULL;
    return flags_parse(c, w, argc, argv, err);
}

static void assert_words(const struct command *c, struct words *w, const char *line,
                         const char *left)
{
    lrun_error e = {0};
    char joined[200] = "";
    int count = parse(c, w, line, &e);
    assert_string_equal(e.message, "");
    assert_true(count >= 0);
    for (int i = 1; i <= count; i++) {
        strcat(joined, " ");
        strcat(joined, argv[i]);
    }
    assert_null(argv[count + 1]);
    assert_string_equal(joined, left);
}

static void assert_refused(const struct command *c, const char *line, const char *message,
                           const char *hint)
{
    struct words w;
    lrun_error e = {0};
    assert_int_equal(parse(c, &w, line, &e), -1);
    assert_string_equal(e.message, message);
    assert_string_equal(e.hint, hint);
}

static void test_each_kind_sets_its_member(void **state)
{
    (void)state;
    struct words w;
    assert_words(&plain, &w, " --name a --size=xy --size z --quiet --no-color", "");
    assert_string_equal(w.name, "a");
    assert_int_equal(w.size, 3);
    assert_true(w.quiet && !w.color && !w.json && !w.help);
    assert_words(&plain, &w, " --name=", "");
    assert_string_equal(w.name, "");
    assert_words(&plain, &w, " --name --quiet", "");
    assert_string_equal(w.name, "--quiet");
    assert_false(w.quiet);
    assert_words(&plain, &w, " -h", "");
    assert_true(w.help && flags_has(&plain, &w, "help") && !flags_has(&plain, &w, "json"));
}

static void test_arguments_stand_anywhere(void **state)
{
    (void)state;
    struct words w;
    assert_words(&plain, &w, " a --quiet b --name n - c", " a b - c");
    assert_true(w.quiet);
    assert_words(&plain, &w, " a -- --quiet -- b", " a --quiet -- b");
    assert_false(w.quiet);
}

static void test_flags_of_another_program_are_left_alone(void **state)
{
    (void)state;
    struct words w;
    assert_words(&runs, &w, " --quiet image --json -- --help", " image --json -- --help");
    assert_true(w.quiet && !w.json && !w.help);
    assert_words(&runs, &w, " -- image --json", " image --json");
    assert_false(w.json);
}

static void test_letters(void **state)
{
    (void)state;
    struct words w;
    assert_words(&plain, &w, " -jc word - -", " word - -");
    assert_true(w.json && !w.color);
    assert_words(&runs, &w, " image -j", " image -j");
    assert_false(w.json);
    assert_refused(&plain, " -jq", "unknown flag '-jq'", "try: light-runner test --help");
}

static void test_wrong_flags_are_named(void **state)
{
    (void)state;
    static const char hint[] = "try: light-runner test --help";
    assert_refused(&plain, " --bad=x", "unknown flag '--bad'", hint);
    assert_refused(&plain, " --nam x", "unknown flag '--nam'", hint);
    assert_refused(&plain, " -q", "unknown flag '-q'", hint);
    assert_refused(&plain, " --name", "flag '--name' needs a value", hint);
    assert_refused(&plain, " --quiet=yes", "flag '--quiet' takes no value", hint);
    assert_refused(&plain, " --size odd", "--size: 'odd' is not a valid value", hint);
    assert_refused(&plain, " --size broken", "--size: broken", "");
    assert_refused(&wordless, " --quiet a b", "unknown argument 'a'", hint);
}

static void test_help_comes_before_a_wrong_argument(void **state)
{
    (void)state;
    struct words w;
    assert_words(&wordless, &w, " a --help", " a");
    assert_true(w.help);
}

static void test_errors_are_json_wherever_the_flag_is(void **state)
{
    (void)state;
    static const struct {
        const struct command *command;
        const char *line;
        bool json;
    } cases[] = {
        {&plain, " --bad --json", true},         {&plain, " --name x --bad a --json", true},
        {&plain, " --bad --name --json", false}, {&plain, " --bad -- --json", false},
        {&runs, " --bad --json image", true},    {&runs, " --bad image --json", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct words w;
        assert_int_equal(parse(cases[i].command, &w, cases[i].line, NULL), -1);
        assert_int_equal(w.json, cases[i].json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_sets_its_member),
        cmocka_unit_test(test_arguments_stand_anywhere),
        cmocka_unit_test(test_flags_of_another_program_are_left_alone),
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_wrong_flags_are_named),
        cmocka_unit_test(test_help_comes_before_a_wrong_argument),
        cmocka_unit_test(test_errors_are_json_wherever_the_flag_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
