/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "wire/request.h"
#include "json/request_text.h"

#include <stdio.h>
#include <stdlib.h>

static struct request parsed(const char *json)
{
    struct request r;
    lrun_error e = {0};
    if (request_parse(&r, json, strlen(json), &e) < 0)
        fail_msg("%s: %s", json, e.message);
    return r;
}

/* Checks that the request is rejected as INVALID_ARGUMENT, with `part` in the message or hint. */
static void check_refused(const char *json, const char *part)
{
    struct request r;
    lrun_error e = {0};
    if (request_parse(&r, json, strlen(json), &e) == 0)
        fail_msg("accepted: %.200s", json);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    if (!strstr(e.message, part) && !strstr(e.hint, part))
        fail_msg("%.200s: '%s' (%s) does not say '%s'", json, e.message, e.hint, part);
}

static void test_defaults(void **state)
{
    (void)state;
    struct request r = parsed("{\"image\":\"busybox\"}");
    assert_string_equal(r.image, "busybox");
    assert_string_equal(r.runtime, "runc");
    assert_string_equal(r.engine, "auto");
    assert_int_equal(r.memory_bytes, 512 << 20);
    assert_true(r.cpus == 1.0);
    assert_null(r.gpus);
    assert_true(r.no_new_privileges);
    assert_false(r.kvm_only);
    assert_int_equal(r.disk_bytes, 1 << 30);
    assert_int_equal(r.max_extract_bytes, 1 << 30);
    assert_int_equal(r.max_log_bytes, 256 << 20);
    assert_null(r.entrypoint);
    assert_null(r.run);
    assert_null(r.dir);
    assert_null(r.input);
    assert_int_equal(r.timeout_ms, 20 * 60 * 1000);
    assert_null(r.networks);
    assert_null(r.env);
    assert_null(r.workdir);
    assert_false(r.has_extract);
    assert_false(r.detached);
    request_free(&r);
}

static void test_every_field(void **state)
{
    (void)state;
    struct request r = parsed(
        "{\"image\":\"i\",\"entrypoint\":\"echo\",\"run\":[\"a\",\"b\"],\"dir\":\"d\","
        "\"input\":{\"n\":1},\"timeout\":5,\"networks\":[\"none\"],\"env\":{\"A\":\"1\"},"
        "\"workdir\":\"/w//x/.\",\"extract\":[{\"from\":\"f\",\"to\":\"t\"}],\"detached\":false,"
        "\"options\":{\"runtime\":\"runsc\",\"accelerator\":\"kvm\",\"engine\":\"local\","
        "\"memory\":\"64M\","
        "\"cpus\":0.5,\"pids\":32768,"
        "\"gpus\":\"all\",\"noNewPrivileges\":false,\"disk\":\"2g\",\"maxExtractBytes\":7,"
        "\"maxLogBytes\":8,\"allowUnenforced\":[\"pids\",\"memory\"],"
        "\"allowEgress\":[\"metadata\"],\"setupRuntime\":\"runc\",\"setupNetwork\":\"none\"}}");
    assert_string_equal(r.setup_runtime, "runc");
    assert_string_equal(r.setup_network, "none");
    assert_string_equal(r.entrypoint, "echo");
    assert_string_equal(r.run[1], "b");
    assert_null(r.run[2]);
    assert_string_equal(r.dir, "d");
    assert_string_equal(r.input, "{\"n\":1}");
    assert_int_equal(r.timeout_ms, 5);
    assert_string_equal(r.networks[0], "none");
    assert_null(r.networks[1]);
    assert_string_equal(r.env[0], "A=1");
    assert_null(r.env[1]);
    assert_string_equal(r.workdir, "/w/x");
    assert_true(r.has_extract);
    assert_int_equal(r.extract_count, 1);
    assert_string_equal(r.extract[0].from, "f");
    assert_string_equal(r.extract[0].to, "t");
    assert_string_equal(r.runtime, "runsc");
    assert_true(r.kvm_only);
    assert_string_equal(r.engine, "local");
    assert_int_equal(r.memory_bytes, 64 << 20);
    assert_true(r.cpus == 0.5);
    assert_int_equal(r.pids, 32768);
    assert_string_equal(r.gpus, "all");
    assert_false(r.no_new_privileges);
    assert_true(r.disk_bytes == 2ull << 30);
    assert_int_equal(r.max_extract_bytes, 7);
    assert_int_equal(r.max_log_bytes, 8);
    assert_int_equal(r.allow_unenforced, REQUEST_UNENFORCED_MEMORY | REQUEST_UNENFORCED_PIDS);
    assert_int_equal(r.allow_egress, REQUEST_EGRESS_METADATA);
    request_free(&r);
}

static void test_name_servers(void **state)
{
    (void)state;
    struct request r = parsed("{\"image\":\"i\",\"dns\":[\"192.0.2.53\",\"2001:db8::53\"]}");
    json_t *document = request_to_json(&r);
    char *text = document ? json_dumps(json_object_get(document, "dns"), JSON_COMPACT) : NULL;
    assert_string_equal(text, "[\"192.0.2.53\",\"2001:db8::53\"]");
    free(text);
    json_decref(document);
    request_free(&r);
}

static void test_words_of_a_command(void **state)
{
    (void)state;
    struct request r = parsed("{\"image\":\"i\",\"argv\":[\"echo\",\"\",\"a  b\"]}");
    assert_null(r.entrypoint);
    assert_int_equal(r.pids, 100);
    assert_string_equal(r.argv[0], "echo");
    assert_string_equal(r.argv[1], "");
    assert_string_equal(r.argv[2], "a  b");
    assert_null(r.argv[3]);
    json_t *document = request_to_json(&r);
    char *text = document ? json_dumps(json_object_get(document, "argv"), JSON_COMPACT) : NULL;
    assert_string_equal(text, "[\"echo\",\"\",\"a  b\"]");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(document, "options"), "pids")), 100);
    free(text);
    json_decref(document);
    request_free(&r);
}

static void test_what_goes_in_of_a_folder(void **state)
{
    (void)state;
    struct request r = parsed("{\"image\":\"i\"}");
    assert_string_equal(r.ignore[0], ".git");
    assert_string_equal(r.ignore[7], "coverage");
    assert_null(r.ignore[8]);
    assert_false(r.links_inside);
    request_free(&r);
    r = parsed("{\"image\":\"i\",\"ignore\":[],\"links\":\"inside\"}");
    assert_null(r.ignore[0]);
    assert_true(r.links_inside);
    json_t *document = request_to_json(&r);
    request_free(&r);
    lrun_error e;
    assert_int_equal(request_from_json(&r, document, &e), 0);
    json_decref(document);
    assert_null(r.ignore[0]);
    assert_true(r.links_inside);
    request_free(&r);
}

static void test_a_byte_order_mark_is_no_part_of_it(void **state)
{
    (void)state;
    struct request r = parsed("\xef\xbb\xbf{\"image\":\"i\",\"input\":[ 1 ]}");
    assert_string_equal(r.image, "i");
    assert_string_equal(r.input, "[ 1 ]");
    request_free(&r);
    check_refused("\xef\xbb{\"image\":\"i\"}", "not valid JSON");
    check_refused("\xef\xbb\xbf\xef\xbb\xbf{\"image\":\"i\"}", "not valid JSON");
    check_refused("\xef\xbb\xbf", "not valid JSON");
}

static void test_times_and_when_to_extract(void **state)
{
    (void)state;
    struct request r = parsed("{\"image\":\"i\"}"), again;
    assert_true(r.cpu_timeout_ms == 0 && !r.extract_always);
    request_free(&r);
    r = parsed("{\"image\":\"i\",\"cpuTimeout\":5000,\"extractWhen\":\"always\"}");
    json_t *document = request_to_json(&r);
    request_free(&r);
    lrun_error e;
    assert_int_equal(request_from_json(&again, document, &e), 0);
    json_decref(document);
    assert_true(again.cpu_timeout_ms == 5000 && again.extract_always);
    request_free(&again);
}

static void test_older_names(void **state)
{
    (void)state;
    struct request r = parsed("{\"image\":\"i\",\"command\":\"c\",\"network\":\"none\"}");
    assert_string_equal(r.entrypoint, "c");
    assert_string_equal(r.networks[0], "none");
    assert_null(r.networks[1]);
    request_free(&r);
    check_refused("{\"image\":\"i\",\"command\":\"c\",\"entrypoint\":\"e\"}",
                  "older name 'command'");
    check_refused("{\"image\":\"i\",\"entrypoint\":\"\",\"command\":\"c\"}",
                  "older name 'command'");
    check_refused("{\"image\":\"i\",\"networks\":[\"a\"],\"network\":\"b\"}",
                  "older name 'network'");
}

static void test_unknown_fields_are_named(void **state)
{
    (void)state;
    check_refused("{\"image\":\"i\",\"entrypont\":\"x\"}", "'entrypont'");
    check_refused("{\"image\":\"i\",\"entrypont\":\"x\"}", "entrypoint");
    check_refused("{\"image\":\"i\",\"memory\":\"1g\"}", "'memory'");
    check_refused("{\"image\":\"i\",\"options\":{\"mem\":\"1g\"}}", "'options.mem'");
    check_refused("{\"image\":\"i\",\"extract\":[{\"from\":\"a\",\"to\":\"b\",\"x\":1}]}",
                  "extract[0].x");
}

static void test_wrong_values_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{}", "image"},
        {"{\"image\":\"\"}", "image"},
        {"{\"image\":7}", "image"},
        {"{\"image\":null}", "image"},
        {"{\"image\":\"-v\"}", "image"},
        {"{\"image\":\"a b\"}", "image"},
        {"{\"image\":\"a\\nb\"}", "image"},
        {"{\"image\":\"a\\u0000b\"}", "image"},
        {"[]", "object"},
        {"{\"image\":\"i\",\"timeout\":0}", "timeout"},
        {"{\"image\":\"i\",\"timeout\":-1}", "timeout"},
        {"{\"image\":\"i\",\"timeout\":1.5}", "timeout"},
        {"{\"image\":\"i\",\"timeout\":\"30s\"}", "timeout"},
        {"{\"image\":\"i\",\"timeout\":9223372036854775807}", "timeout"},
        {"{\"image\":\"i\",\"workdir\":\"app\"}", "workdir"},
        {"{\"image\":\"i\",\"workdir\":\"/a/../b\"}", "workdir"},
        {"{\"image\":\"i\",\"workdir\":\"\"}", "workdir"},
        {"{\"image\":\"i\",\"dir\":\"\"}", "dir"},
        {"{\"image\":\"i\",\"entrypoint\":[\"a\"]}", "entrypoint"},
        {"{\"image\":\"i\",\"argv\":[]}", "argv: is empty"},
        {"{\"image\":\"i\",\"argv\":\"a\"}", "argv"},
        {"{\"image\":\"i\",\"argv\":[\"\"]}", "argv: the first word is empty"},
        {"{\"image\":\"i\",\"argv\":[\"a\",1]}", "argv[1]"},
        {"{\"image\":\"i\",\"argv\":[\"a\"],\"entrypoint\":\"\"}",
         "argv: cannot be given together"},
        {"{\"image\":\"i\",\"options\":{\"pids\":0}}",
         "options.pids: is 0; it must be from 1 to 32768"},
        {"{\"image\":\"i\",\"options\":{\"pids\":32769}}", "options.pids"},
        {"{\"image\":\"i\",\"options\":{\"pids\":\"5\"}}", "options.pids"},
        {"{\"image\":\"i\",\"run\":\"a\"}", "run"},
        {"{\"image\":\"i\",\"run\":[1]}", "run[0]"},
        {"{\"image\":\"i\",\"networks\":[\"\"]}", "networks"},
        {"{\"image\":\"i\",\"networks\":[\"-x\"]}", "networks"},
        {"{\"image\":\"i\",\"networks\":[\"none\",\"x\"]}", "none"},
        {"{\"image\":\"i\",\"env\":\"A=1\"}", "env"},
        {"{\"image\":\"i\",\"env\":{\"A\":1}}", "env.A"},
        {"{\"image\":\"i\",\"env\":[\"A\"]}", "env[0]"},
        {"{\"image\":\"i\",\"env\":{\"A\":\"a\\u0000b\"}}", "env.A"},
        {"{\"image\":\"i\",\"extract\":{}}", "extract"},
        {"{\"image\":\"i\",\"extract\":[{\"from\":\"a\"}]}", "'to'"},
        {"{\"image\":\"i\",\"detached\":1}", "detached"},
        {"{\"image\":\"i\",\"detached\":true,\"input\":1}",
         "input is not supported for detached runs"},
        {"{\"image\":\"i\",\"options\":[]}", "options"},
        {"{\"image\":\"i\",\"options\":{\"setupRuntime\":\"lxc\"}}", "options.setupRuntime"},
        {"{\"image\":\"i\",\"options\":{\"setupNetwork\":\"host\"}}", "options.setupNetwork"},
        {"{\"image\":\"i\",\"options\":{\"runtime\":\"docker\"}}", "runc, runsc, kata"},
        {"{\"image\":\"i\",\"options\":{\"engine\":\"podman\"}}", "auto, local, docker"},
        {"{\"image\":\"i\",\"options\":{\"memory\":\"12q\"}}", "options.memory"},
        {"{\"image\":\"i\",\"options\":{\"memory\":\"1m\"}}", "minimum of 6m"},
        {"{\"image\":\"i\",\"options\":{\"memory\":512}}", "options.memory"},
        {"{\"image\":\"i\",\"options\":{\"memory\":\"\"}}", "options.memory"},
        {"{\"image\":\"i\",\"options\":{\"memory\":\"-1m\"}}", "options.memory"},
        {"{\"image\":\"i\",\"options\":{\"cpus\":0}}", "options.cpus"},
        {"{\"image\":\"i\",\"options\":{\"cpus\":-1}}", "options.cpus"},
        {"{\"image\":\"i\",\"options\":{\"cpus\":\"nan\"}}", "options.cpus"},
        {"{\"image\":\"i\",\"options\":{\"cpus\":\"inf\"}}", "options.cpus"},
        {"{\"image\":\"i\",\"options\":{\"cpus\":\"\"}}", "options.cpus"},
        {"{\"image\":\"i\",\"options\":{\"cpus\":\"1 2\"}}", "options.cpus"},
        {"{\"image\":\"i\",\"options\":{\"cpus\":1e300}}", "options.cpus"},
        {"{\"image\":\"i\",\"options\":{\"accelerator\":\"tcg\"}}", "options.accelerator"},
        {"{\"image\":\"i\",\"options\":{\"accelerator\":true}}", "options.accelerator"},
        {"{\"image\":\"i\",\"options\":{\"gpus\":\"-1\"}}", "options.gpus"},
        {"{\"image\":\"i\",\"options\":{\"gpus\":\"a;b\"}}", "options.gpus"},
        {"{\"image\":\"i\",\"options\":{\"gpus\":\"\"}}", "options.gpus"},
        {"{\"image\":\"i\",\"options\":{\"disk\":\"0\"}}", "options.disk"},
        {"{\"image\":\"i\",\"options\":{\"maxExtractBytes\":0}}", "options.maxExtractBytes"},
        {"{\"image\":\"i\",\"options\":{\"maxLogBytes\":\"1g\"}}", "options.maxLogBytes"},
        {"{\"image\":\"i\",\"options\":{\"allowUnenforced\":\"memory\"}}",
         "options.allowUnenforced"},
        {"{\"image\":\"i\",\"options\":{\"allowUnenforced\":[\"disk\"]}}",
         "options.allowUnenforced"},
        {"{\"image\":\"i\",\"options\":{\"allowUnenforced\":[1]}}", "options.allowUnenforced"},
        {"{\"image\":\"i\",\"options\":{\"allowEgress\":\"host\"}}", "options.allowEgress"},
        {"{\"image\":\"i\",\"options\":{\"allowEgress\":[\"host\",\"memory\"]}}",
         "options.allowEgress[1]"},
        {"{\"image\":\"i\",\"dns\":\"192.0.2.53\"}", "dns"},
        {"{\"image\":\"i\",\"dns\":[1]}", "dns[0]"},
        {"{\"image\":\"i\",\"dns\":[\"example\"]}", "dns"},
        {"{\"image\":\"i\",\"dns\":[\"192.0.2.53\",\"127.0.0.53\"]}", "dns"},
        {"{\"image\":\"i\",\"dns\":[\"::1\"]}", "dns"},
        {"{\"image\":\"i\",\"dns\":[\"fe80::1\"]}", "dns"},
        {"{\"image\":\"i\",\"dns\":[\"::ffff:127.0.0.1\"]}", "dns"},
        {"{\"image\":\"i\",\"dns\":[\"192.0.2.53 \"]}", "dns"},
        {"{\"image\":\"i\",\"dns\":[\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\",\"1.1.1.4\"]}", "dns"},
        {"{\"image\":\"i\",\"dns\":[\"192.0.2.53\"],\"networks\":[\"none\"]}", "dns"},
        {"{\"image\":\"i\",\"options\":{\"noNewPrivileges\":\"yes\"}}", "options.noNewPrivileges"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check_refused(bad[i][0], bad[i][1]);
}

static void test_text_that_is_not_json_is_refused(void **state)
{
    (void)state;
    check_refused("", "not valid JSON");
    check_refused("{\"image\":\"i\"", "not valid JSON");
    check_refused("{\"image\":\"i\"}x", "not valid JSON");
    check_refused("{\"image\":\"\xff\"}", "not valid JSON");
    check_refused("{\"image\":\"i\",\"image\":\"j\"}", "not valid JSON");
    check_refused("{\"image\":\"i\",\"options\":{\"cpus\":NaN}}", "not valid JSON");
    check_refused("{\"image\":\"i\",\"options\":{\"cpus\":1e999}}", "not valid JSON");
}

static void test_deep_nesting_is_refused(void **state)
{
    (void)state;
    size_t depth = 100000;
    char *json = malloc(2 * depth + 64), *end = json;
    if (!json)
        abort();
    end += sprintf(end, "{\"image\":\"i\",\"input\":");
    memset(end, '[', depth);
    memset(end + depth, ']', depth);
    strcpy(end + 2 * depth, "}");
    check_refused(json, "not valid JSON");
    free(json);
}

static void test_env_drops_names_that_are_none(void **state)
{
    (void)state;
    struct request r =
        parsed("{\"image\":\"i\",\"env\":{\"1A\":\"x\",\"A-B\":\"x\",\"\":\"x\",\"_OK\":\"\"}}");
    assert_string_equal(r.env[0], "_OK=");
    assert_null(r.env[1]);
    request_free(&r);
    r = parsed("{\"image\":\"i\",\"env\":[\"1A=x\",\"=x\"]}");
    assert_null(r.env);
    request_free(&r);
}

static void test_env_list_keeps_the_last_of_a_name(void **state)
{
    (void)state;
    struct request r = parsed("{\"image\":\"i\",\"env\":[\"A=1\",\"B=x=y\",\"A=2\"]}");
    assert_string_equal(r.env[0], "A=2");
    assert_string_equal(r.env[1], "B=x=y");
    assert_null(r.env[2]);
    request_free(&r);
}

/* Returns a request whose env has `count` variables of `length` bytes each, "V0000=xxx". */
static char *env_request(size_t count, size_t length)
{
    char *json = malloc(count * (length + 16) + 64), *end = json;
    if (!json)
        abort();
    end += sprintf(end, "{\"image\":\"i\",\"env\":[");
    for (size_t i = 0; i < count; i++) {
        end += sprintf(end, "%s\"V%04zu=", i ? "," : "", i);
        memset(end, 'x', length - 6);
        end += length - 6;
        *end++ = '"';
    }
    strcpy(end, "]}");
    return json;
}

static void test_env_over_what_the_kernel_takes_is_refused(void **state)
{
    (void)state;
    char *json = env_request(1, 128 * 1024 - 1);
    struct request r = parsed(json);
    request_free(&r);
    free(json);
    json = env_request(1, 128 * 1024);
    check_refused(json, "env");
    free(json);
    json = env_request(1024, 1023);
    r = parsed(json);
    request_free(&r);
    free(json);
    json = env_request(1024, 1024);
    check_refused(json, "env");
    free(json);
}

static void test_extract_entries_are_kept_as_they_are(void **state)
{
    (void)state;
    struct request r = parsed("{\"image\":\"i\",\"extract\":[{\"from\":\"../"
                              "x\",\"to\":\"\"},{\"from\":\"\",\"to\":\"t\"}]}");
    assert_int_equal(r.extract_count, 2);
    assert_string_equal(r.extract[0].from, "../x");
    assert_string_equal(r.extract[1].from, "");
    request_free(&r);
    r = parsed("{\"image\":\"i\",\"extract\":[]}");
    assert_true(r.has_extract);
    assert_int_equal(r.extract_count, 0);
    request_free(&r);
}

static void check_input(const char *value, const char *expected)
{
    char json[512];
    snprintf(json, sizeof(json), "{\"image\":\"i\",\"input\":%s}", value);
    struct request r = parsed(json);
    assert_string_equal(r.input, expected);
    request_free(&r);
}

static void test_input_is_any_json_value(void **state)
{
    (void)state;
    check_input("null", "null");
    check_input("\"text\"", "\"text\"");
    check_input("\"a\\u0000b\"", "\"a\\u0000b\"");
    check_input("[1, true, {\"b\": 1,\n\"a\": 2}]", "[1, true, {\"b\": 1,\n\"a\": 2}]");
    check_input("0.1", "0.1");
    check_input("[0.30000000000000004]", "[0.30000000000000004]");
    /* Values that a JSON parser could not represent, or would write in another way. */
    static const char *const as_they_are[] = {
        "9223372036854775807",
        "10014255632117358197",
        "-123456789012345678901234567890",
        "1e400",
        "1.50",
        "-0",
        "1E+2",
        "{\"a\":1,\"a\":2}",
        "\"\\u00e9\\/\\ud800\"",
        "{ }",
        "{\"input\":[3]}",
    };
    for (size_t i = 0; i < sizeof(as_they_are) / sizeof(as_they_are[0]); i++)
        check_input(as_they_are[i], as_they_are[i]);
    /* Blanks around the value belong to the document. A name may have escapes. */
    struct request r = parsed("{ \"in\\u0070ut\" :\t18446744073709551616 \n, \"image\": \"i\" }");
    assert_string_equal(r.input, "18446744073709551616");
    request_free(&r);
}

static void test_input_that_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",           "01",    "1.",       ".5",          "+1",       "-",        "1e",
        "nul",        "tru e", "[1,]",     "[1 2]",       "{\"a\"}",  "{\"a\":}", "{a:1}",
        "{\"a\":1,}", "'a'",   "\"\\x\"",  "\"\\u12g4\"", "\"a\nb\"", "[",        "\"",
        "NaN",        "1}{",   "\"\xff\"", "\"\xc3\"",
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char json[200];
        snprintf(json, sizeof(json), "{\"image\":\"i\",\"input\":%s}", values[i]);
        check_refused(json, "");
        json_t *input = NULL;
        lrun_error e = {0};
        assert_int_equal(request_text_input(&input, "f", values[i], strlen(values[i]), &e), -1);
        assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    }
    check_refused("{\"image\":\"i\",\"input\":1,\"input\":2}", "duplicate");
    check_refused("{\"image\":\"i\",\"input\":1,\"in\\u0070ut\":2}", "duplicate");
    check_refused("{\"image\":\"i\",\"in\\u0070ut\":[1}", "not valid JSON");
    /* The error gives the place in the caller's own text. */
    check_refused("{\"image\":\"i\",\"input\":[1,\n2,\n3],\"timeout\":\"x\",]}", "line 3");
}

static void check_dump(const char *json, const char *expected)
{
    json_t *document;
    lrun_error e = {0};
    if (request_text_load(&document, json, strlen(json), &e) < 0)
        fail_msg("%s", e.message);
    char *text = request_text_dump(document);
    assert_string_equal(text, expected);
    free(text);
    json_decref(document);
}

static void test_a_document_is_dumped_with_its_input(void **state)
{
    (void)state;
    check_dump("{\"image\": \"i\"}", "{\"image\":\"i\"}");
    check_dump("{\"image\": \"i\", \"input\": [1.50, 1e400]}",
               "{\"input\":[1.50, 1e400],\"image\":\"i\"}");
    check_dump("{\"input\": \"text\"}", "{\"input\":\"text\"}");
}

static void test_cpus_as_text(void **state)
{
    (void)state;
    struct request r = parsed("{\"image\":\"i\",\"options\":{\"cpus\":\"1.5\",\"gpus\":2}}");
    assert_true(r.cpus == 1.5);
    assert_string_equal(r.gpus, "2");
    request_free(&r);
}

/* A request that is written and read again is the same. */
static void test_document_round_trip(void **state)
{
    (void)state;
    static const char *const documents[] = {
        "{\"image\":\"i\"}",
        "{\"image\":\"i\",\"entrypoint\":\"\",\"run\":[\"a\"],\"dir\":\"d\",\"input\":[0.1,"
        "\"\\u0000\"],"
        "\"timeout\":1,\"networks\":[\"a\",\"b\"],\"env\":{\"A\":\"\xc3\xa9\"},\"workdir\":\"/\","
        "\"extract\":[],\"options\":{\"cpus\":0.1,\"gpus\":\"0,1\",\"memory\":\"7m\","
        "\"accelerator\":\"kvm\"}}",
        "{\"image\":\"i\",\"extract\":[{\"from\":\"a\",\"to\":\"b\"}],\"detached\":true}",
    };
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        struct request r = parsed(documents[i]), again;
        json_t *first = request_to_json(&r);
        assert_non_null(first);
        lrun_error e = {0};
        if (request_from_json(&again, first, &e) < 0)
            fail_msg("%s", e.message);
        json_t *second = request_to_json(&again);
        assert_true(json_equal(first, second));
        assert_int_equal(r.kvm_only, again.kvm_only);
        json_decref(first);
        json_decref(second);
        request_free(&r);
        request_free(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_name_servers),
        cmocka_unit_test(test_words_of_a_command),
        cmocka_unit_test(test_what_goes_in_of_a_folder),
        cmocka_unit_test(test_a_byte_order_mark_is_no_part_of_it),
        cmocka_unit_test(test_times_and_when_to_extract),
        cmocka_unit_test(test_older_names),
        cmocka_unit_test(test_unknown_fields_are_named),
        cmocka_unit_test(test_wrong_values_are_refused),
        cmocka_unit_test(test_text_that_is_not_json_is_refused),
        cmocka_unit_test(test_deep_nesting_is_refused),
        cmocka_unit_test(test_env_drops_names_that_are_none),
        cmocka_unit_test(test_env_list_keeps_the_last_of_a_name),
        cmocka_unit_test(test_env_over_what_the_kernel_takes_is_refused),
        cmocka_unit_test(test_extract_entries_are_kept_as_they_are),
        cmocka_unit_test(test_input_is_any_json_value),
        cmocka_unit_test(test_input_that_is_not_json_is_refused),
        cmocka_unit_test(test_a_document_is_dumped_with_its_input),
        cmocka_unit_test(test_cpus_as_text),
        cmocka_unit_test(test_document_round_trip),
    };
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
