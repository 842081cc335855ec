/* SPDX-License-Identifier: MIT */
/* Extraction with an honest agent, and with an agent that lies. */
#include "base/cleanup.h"
#include "base/io.h"
#include "run/extraction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "scratch_folder.h"

static struct request request;
static struct request_extract entries[2];
static char to[128];
static struct extraction x;
static struct agent_link unconnected = {.to = -1, .from = -1};

/* Begins an extraction of these paths. The frames for the agent go nowhere. */
static void begin(const char *first, const char *second)
{
    snprintf(to, sizeof(to), "%s/to", scratch_folder);
    entries[0] = (struct request_extract){(char *)(uintptr_t)first, to};
    entries[1] = (struct request_extract){(char *)(uintptr_t)second, to};
    request = (struct request){.workdir = (char *)(uintptr_t) "/app",
                               .extract = entries,
                               .extract_count = second ? 2 : 1,
                               .has_extract = true,
                               .max_extract_bytes = 8192};
    lrun_error err = {0};
    bool done;
    buffer_init(&unconnected.out, 1 << 20);
    assert_int_equal(extraction_init(&x, &request, 022, &err), 0);
    assert_int_equal(extraction_next(&x, &unconnected, &done, &err), 0);
}

static int finish(void **state)
{
    extraction_free(&x);
    buffer_free(&unconnected.out);
    return scratch_folder_remove(state);
}

/* Feeds one frame. In `text`, '|' represents the NUL after each field. */
static int feed(enum frame_type type, const char *text)
{
    char payload[1024];
    size_t length = strlen(text);
    memcpy(payload, text, length);
    if (type != FRAME_DATA)
        for (size_t i = 0; i < length; i++)
            if (payload[i] == '|')
                payload[i] = '\0';
    struct frame f = {.type = (uint8_t)type, .length = (uint32_t)length, .payload = payload};
    lrun_error err = {0};
    return extraction_frame(&x, &f, &err);
}

static void a_file_lands_under_its_name(void **state)
{
    (void)state;
    begin("out/result.json", NULL);
    assert_int_equal(feed(FRAME_EXTRACT_BEGIN, "status=ok|kind=file|bytes=1024|"), 0);
    assert_int_equal(feed(FRAME_ENTRY, "kind=file|path=result.json|mode=644|mtime=0|"), 0);
    assert_int_equal(feed(FRAME_DATA, "{}"), 0);
    assert_int_equal(feed(FRAME_ENTRY_END, ""), 0);
    assert_int_equal(feed(FRAME_EXTRACT_END, "status=ok|"), 0);
    assert_int_equal(x.results[0].status, LRUN_EXTRACT_OK);
    assert_int_equal(x.results[0].bytes, 1024);
    cleanup_close int dirfd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_free char *text = io_read_file_at(dirfd, "result.json", 100, NULL);
    assert_string_equal(text, "{}");
}

static void a_path_is_compared_as_it_was_asked_for(void **state)
{
    (void)state;
    begin("./out//f/.", NULL);
    assert_int_equal(feed(FRAME_EXTRACT_BEGIN, "status=ok|kind=file|bytes=1024|"), 0);
    assert_int_equal(feed(FRAME_ENTRY, "kind=file|path=f|mode=644|mtime=0|"), 0);
}

static void a_file_under_another_name_is_a_lie(void **state)
{
    (void)state;
    begin("result.json", NULL);
    assert_int_equal(feed(FRAME_EXTRACT_BEGIN, "status=ok|kind=file|bytes=1024|"), 0);
    assert_int_equal(feed(FRAME_ENTRY, "kind=file|path=.bashrc|mode=644|mtime=0|"), -1);
}

static void a_second_file_where_one_was_asked_for_is_a_lie(void **state)
{
    (void)state;
    begin("f", NULL);
    assert_int_equal(feed(FRAME_EXTRACT_BEGIN, "status=ok|kind=file|bytes=1024|"), 0);
    assert_int_equal(feed(FRAME_ENTRY, "kind=file|path=f|mode=644|mtime=0|"), 0);
    assert_int_equal(feed(FRAME_ENTRY_END, ""), 0);
    assert_int_equal(feed(FRAME_ENTRY, "kind=file|path=f|mode=644|mtime=0|"), -1);
}

static void a_path_that_leads_out_is_an_error_of_its_entry(void **state)
{
    (void)state;
    begin("folder", "next");
    assert_int_equal(feed(FRAME_EXTRACT_BEGIN, "status=ok|kind=dir|bytes=512|"), 0);
    assert_int_equal(feed(FRAME_ENTRY, "kind=file|path=../../x|mode=644|mtime=0|"), 0);
    assert_int_equal(feed(FRAME_DATA, "bad"), 0);
    assert_int_equal(feed(FRAME_ENTRY_END, ""), 0);
    assert_int_equal(feed(FRAME_EXTRACT_END, "status=ok|"), 0);
    assert_int_equal(x.results[0].status, LRUN_EXTRACT_ERROR);
    assert_non_null(strstr(x.results[0].reason, "path traversal rejected"));
    assert_int_equal(x.at, 1);
}

static void dotdot_is_refused_without_asking(void **state)
{
    (void)state;
    begin("a/../b", NULL);
    assert_int_equal(x.at, 1);
    assert_string_equal(x.results[0].reason, "path traversal rejected");
    assert_int_equal(buffer_length(&unconnected.out), 0);
}

static void empty_paths_are_refused_without_asking(void **state)
{
    (void)state;
    begin("", NULL);
    assert_int_equal(x.results[0].status, LRUN_EXTRACT_ERROR);
    assert_int_equal(buffer_length(&unconnected.out), 0);
}

static void missing_is_its_own_status(void **state)
{
    (void)state;
    begin("nowhere", NULL);
    assert_int_equal(feed(FRAME_EXTRACT_BEGIN, "status=missing|"), 0);
    assert_int_equal(x.results[0].status, LRUN_EXTRACT_MISSING);
}

static void more_than_was_announced_is_stopped_at_the_cap(void **state)
{
    (void)state;
    begin("folder", NULL);
    assert_int_equal(feed(FRAME_EXTRACT_BEGIN, "status=ok|kind=dir|bytes=512|"), 0);
    assert_int_equal(feed(FRAME_ENTRY, "kind=file|path=f|mode=644|mtime=0|"), 0);
    int fed = 0;
    while (fed < 100 && feed(FRAME_DATA, "0123456789012345678901234567890123456789"
                                         "01234567890123456789012345678901234567890123456789"
                                         "01234567890123456789012345678901234567890123456789"
                                         "01234567890123456789012345678901234567890123456789"
                                         "01234567890123456789012345678901234567890123456789"
                                         "01234567890123456789012345678901234567890123456789") == 0)
        fed++;
    assert_true(fed < 100);
    assert_int_equal(x.results[0].status, LRUN_EXTRACT_ERROR);
    assert_non_null(strstr(x.results[0].reason, "over the limit of 8192 bytes"));
    assert_true(x.sink.bytes <= 8192);
}

static void an_announced_size_over_the_cap_is_refused_up_front(void **state)
{
    (void)state;
    begin("folder", NULL);
    assert_int_equal(feed(FRAME_EXTRACT_BEGIN, "status=ok|kind=dir|bytes=8193|"), 0);
    assert_int_equal(x.results[0].status, LRUN_EXTRACT_ERROR);
}

static void control_characters_do_not_reach_the_reason(void **state)
{
    (void)state;
    begin("f", NULL);
    assert_int_equal(feed(FRAME_EXTRACT_BEGIN, "status=error|reason=\033[2Jgone|"), 0);
    assert_string_equal(x.results[0].reason, "?[2Jgone");
}

static void frames_out_of_order_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum frame_type type;
        const char *text;
    } bad[] = {
        {FRAME_DATA, "x"},
        {FRAME_ENTRY, "kind=file|path=f|mode=644|mtime=0|"},
        {FRAME_ENTRY_END, ""},
        {FRAME_EXTRACT_END, "status=ok|"},
        {FRAME_HELLO, ""},
        {FRAME_EXTRACT_BEGIN, "kind=file|bytes=1|"},
        {FRAME_EXTRACT_BEGIN, "status=ok|kind=file|"},
        {FRAME_EXTRACT_BEGIN, "status=ok|kind=file|bytes=-1|"},
        {FRAME_EXTRACT_BEGIN, "no field at all"},
    };
    begin("f", NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(feed(bad[i].type, bad[i].text), -1);
        x.begun = false;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_folder_make, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_lands_under_its_name),
        TEST(a_path_is_compared_as_it_was_asked_for),
        TEST(a_file_under_another_name_is_a_lie),
        TEST(a_second_file_where_one_was_asked_for_is_a_lie),
        TEST(a_path_that_leads_out_is_an_error_of_its_entry),
        TEST(dotdot_is_refused_without_asking),
        TEST(empty_paths_are_refused_without_asking),
        TEST(missing_is_its_own_status),
        TEST(more_than_was_announced_is_stopped_at_the_cap),
        TEST(an_announced_size_over_the_cap_is_refused_up_front),
        TEST(control_characters_do_not_reach_the_reason),
        TEST(frames_out_of_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
