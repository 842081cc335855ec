/* SPDX-License-Identifier: MIT */
/* The fields of an lrun_request in its JSON document. */
#include "unit.h"

#include "document.h"

#include <jansson.h>
#include <stdlib.h>

static const char *const words[] = {"a", "b  c", NULL}, *const none[] = {NULL};
static const lrun_extract extract[] = {{sizeof(lrun_extract), "from", "to"}};

static void check(const lrun_request *request, const char *expected)
{
    json_t *document;
    lrun_error e = LRUN_ERROR_INIT;
    if (document_from_request(&document, request, &e) < 0)
        fail_msg("%s", e.message);
    char *text = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    json_decref(document);
}

static void test_every_field_is_in_it(void **state)
{
    (void)state;
    lrun_request all = {
        .size = sizeof(all),
        .image = "i",
        .entrypoint = "e",
        .run = words,
        .dir = "d",
        .timeout_ms = 5,
        .networks = words,
        .env = words,
        .workdir = "/w",
        .extract = extract,
        .extract_count = 1,
        .detached = true,
        .dns = words,
        .argv = words,
        .ignore = words,
        .links = "inside",
        .extract_when = "always",
        .cpu_timeout_ms = 7,
    };
    check(
        &all,
        "{\"argv\":[\"a\",\"b  "
        "c\"],\"cpuTimeout\":7,\"detached\":true,\"dir\":\"d\",\"dns\":[\"a\",\"b  c\"],"
        "\"entrypoint\":\"e\",\"env\":[\"a\",\"b  "
        "c\"],\"extract\":[{\"from\":\"from\",\"to\":\"to\"}],"
        "\"extractWhen\":\"always\",\"ignore\":[\"a\",\"b  "
        "c\"],\"image\":\"i\",\"links\":\"inside\","
        "\"networks\":[\"a\",\"b  c\"],\"run\":[\"a\",\"b  c\"],\"timeout\":5,\"workdir\":\"/w\"}");
    lrun_request nothing = {.size = sizeof(nothing), .ignore = none};
    check(&nothing, "{\"ignore\":[]}");
}

/* A program that knows more fields, or fewer, passes entries with the length of its own struct. */
static void test_entries_of_another_size(void **state)
{
    (void)state;
    struct newer {
        lrun_extract known;
        uintptr_t more;
    };
    struct newer newer[] = {{{sizeof(newer[0]), "a", "x"}, 0}, {{sizeof(newer[0]), "b", "y"}, 0}};
    lrun_request r = LRUN_REQUEST_INIT;
    lrun_error e = LRUN_ERROR_INIT;
    json_t *document;
    r.extract = &newer[0].known;
    r.extract_count = 2;
    check(&r, "{\"extract\":[{\"from\":\"a\",\"to\":\"x\"},{\"from\":\"b\",\"to\":\"y\"}]}");
    newer[1].more = 1;
    assert_int_equal(document_from_request(&document, &r, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    struct {
        size_t size;
        const char *from;
    } older[] = {{sizeof(older[0]), "a"}, {sizeof(older[0]), "b"}};
    r.extract = (const lrun_extract *)older;
    check(&r, "{\"extract\":[{\"from\":\"a\"},{\"from\":\"b\"}]}");
    older[1].size++;
    assert_int_equal(document_from_request(&document, &r, &e), -1);
    assert_non_null(strstr(e.message, "extract[1].size"));
    older[0].size = 0;
    assert_int_equal(document_from_request(&document, &r, &e), -1);
    assert_non_null(strstr(e.message, "lrun_extract.size"));
}

static void test_times_that_are_too_large(void **state)
{
    (void)state;
    const lrun_request late[] = {{.timeout_ms = UINT64_MAX}, {.cpu_timeout_ms = UINT64_MAX}};
    static const char *const names[] = {"timeout: ", "cpuTimeout: "};
    for (size_t i = 0; i < 2; i++) {
        json_t *document;
        lrun_error e = LRUN_ERROR_INIT;
        assert_int_equal(document_from_request(&document, &late[i], &e), -1);
        assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
        assert_int_equal(strncmp(e.message, names[i], strlen(names[i])), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_in_it),
        cmocka_unit_test(test_entries_of_another_size),
        cmocka_unit_test(test_times_that_are_too_large),
    };
    return cmocka_run_group_tests_name("document", tests, NULL, NULL);
}
