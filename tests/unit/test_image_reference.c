/* SPDX-License-Identifier: MIT */
/* How image names become references for a registry, and how skopeo's messages become errors. */
#include "base/cleanup.h"
#include "image/layout.h"
#include "image/layout_document.h"
#include "image/pull_error.h"
#include "image/reference.h"
#include "wire/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void only_this_machine_is_loopback(void **state)
{
    (void)state;
    static const char *const yes[] = {"localhost/a", "localhost:5000/a/b:1", "127.0.0.1/a",
                                      "127.1.2.3:80/a:b"};
    static const char *const no[] = {
        "alpine",          "localhost",       "localhost:5000", "localhost.a/b", "127.0.0.1",
        "127.1/a",         "127.0.0.1.a.b/c", "128.0.0.1/a",    "a/localhost/b", "a/127.0.0.1/b",
        "localhosts:80/a", "0127.0.0.1/a",    "10.127.0.0/a",   ":5000/a",       ""};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(reference_is_loopback(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(reference_is_loopback(no[i]));
}

static void a_tag_beside_a_digest_is_left_out(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"alpine:latest", "docker://alpine:latest"},
        {"h:5000/a/b:c", "docker://h:5000/a/b:c"},
        {("a@sha256:" HEX), ("docker://a@sha256:" HEX)},
        {("a:1@sha256:" HEX), ("docker://a@sha256:" HEX)},
        {("h:5000/a@sha256:" HEX), ("docker://h:5000/a@sha256:" HEX)},
        {("h:5000/a:1@sha256:" HEX), ("docker://h:5000/a@sha256:" HEX)},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        cleanup_free char *found = reference_for_skopeo(pairs[i][0]);
        assert_string_equal(found, pairs[i][1]);
    }
}

static void the_words_of_skopeo_become_a_code(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        lrun_code code;
        const char *in_message;
    } rows[] = {
        {"time=\"x\" level=fatal msg=\"reading manifest 2 in h/a: manifest unknown: manifest "
         "unknown\"",
         LRUN_IMAGE_NOT_FOUND, "cannot pull 'h/a:2': reading manifest 2 in h/a"},
        {"time=\"x\" level=warning msg=\"unauthorized\" time=\"x\" level=fatal msg=\"dial: "
         "connection refused\"",
         LRUN_IO_FAILED, "dial: connection refused"},
        {"level=fatal msg=\"Get \\\"http://h/v2/\\\": unexpected EOF\" tail", LRUN_IO_FAILED,
         "Get \"http://h/v2/\": unexpected EOF"},
        {"level=fatal msg=\"Digest did not match, expected sha256:a, got sha256:b\"",
         LRUN_IMAGE_INVALID, "Digest did not match"},
        {"level=fatal msg=\"unauthorized: authentication required\"", LRUN_IO_FAILED,
         "unauthorized"},
        {"level=fatal msg=\"Invalid source name docker://A: invalid reference format\"",
         LRUN_INVALID_ARGUMENT, "Invalid source name"},
        {"level=fatal msg=oops", LRUN_IO_FAILED, "oops"},
        {"level=fatal msg=\"cut off \\", LRUN_IO_FAILED, "cut off \\"},
        {"panic: something", LRUN_IO_FAILED, "panic: something"},
        {"", LRUN_IO_FAILED, "gave no reason"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        lrun_error err = {0};
        assert_int_equal(pull_error_from_text(rows[i].text, "h/a:2", &err), -1);
        assert_int_equal(err.code, rows[i].code);
        assert_non_null(strstr(err.message, rows[i].in_message));
        assert_null(strstr(err.message, "tail"));
    }
}

static int total(const char *text, uint64_t *bytes, char digest[IMAGE_DIGEST_LENGTH + 1])
{
    cleanup_buffer struct buffer answer;
    buffer_init(&answer, LAYOUT_DOCUMENT_ANSWER_MAX);
    if (layout_document_read(&answer, LAYOUT_DOCUMENT_TOTAL, NULL, text, strlen(text), NULL) < 0)
        return -1;
    const struct frame f = {.length = (uint32_t)buffer_length(&answer),
                            .payload = buffer_data(&answer)};
    const char *next = fields_get(&f, "next");
    *bytes = 0;
    (void)fields_get_u64(&f, "total", bytes);
    snprintf(digest, IMAGE_DIGEST_LENGTH + 1, "%s%s", next ? "sha256:" : "", next ? next : "");
    return 0;
}

static void sizes_are_summed_and_nonsense_has_none(void **state)
{
    (void)state;
    uint64_t bytes;
    char digest[IMAGE_DIGEST_LENGTH + 1], index[512];
    assert_int_equal(total("{\"config\":{\"size\":5},\"layers\":[{\"size\":10},{\"size\":-1},"
                           "{\"size\":\"x\"},7]}",
                           &bytes, digest),
                     0);
    assert_int_equal(bytes, 15);
    assert_string_equal(digest, "");
    snprintf(
        index, sizeof(index),
        "{\"manifests\":[{\"platform\":{\"os\":\"linux\",\"architecture\":\"no\"}},{\"digest\":"
        "\"sha256:" HEX "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}}]}",
        image_host_architecture());
    assert_int_equal(total(index, &bytes, digest), 0);
    assert_string_equal(digest, "sha256:" HEX);
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "{\"layers\":1}",
                                      "{\"manifests\":[]}",
                                      "{\"manifests\":[{}]}",
                                      "{\"manifests\":[{\"digest\":\"x\"}]}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(total(bad[i], &bytes, digest), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_this_machine_is_loopback),
        cmocka_unit_test(a_tag_beside_a_digest_is_left_out),
        cmocka_unit_test(the_words_of_skopeo_become_a_code),
        cmocka_unit_test(sizes_are_summed_and_nonsense_has_none),
    };
    return cmocka_run_group_tests_name("image_reference", tests, NULL, NULL);
}
