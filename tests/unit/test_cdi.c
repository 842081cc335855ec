/* SPDX-License-Identifier: MIT */
/* GPU specs: which are read, which are rejected, and which devices a `gpus` value selects. */
#include "unit.h"

#include "scratch_folder.h"
#include "tier/gpu/cdi.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD                "{\"cdiVersion\":\"0.6.0\",\"kind\":\"nvidia.com/gpu\",\"devices\":["
#define DEVICE(name, edits) "{\"name\":\"" name "\",\"containerEdits\":{" edits "}}"
#define ENV(value)          "\"env\":[\"E=" value "\"]"

static int add(struct cdi *c, unsigned priority, const char *text, lrun_error *err)
{
    *err = (lrun_error){0};
    return cdi_add_spec(c, "/etc/cdi/t.json", priority, text, strlen(text), err);
}

/* Returns the devices that the value selects, as "kind=name kind=name", or the error's code. */
static const char *meaning(const struct cdi *c, const char *gpus)
{
    static char text[400];
    size_t *chosen, count;
    lrun_error err = {0};
    text[0] = '\0';
    if (cdi_select(c, gpus, &chosen, &count, &err) < 0) {
        assert_non_null(strstr(err.message, "gpus: "));
        assert_true(err.hint[0]);
        return lrun_code_name(err.code);
    }
    for (size_t i = 0; i < count; i++) {
        const struct cdi_device *d = &c->devices[chosen[i]];
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s=%s", i ? " " : "", d->kind, d->name);
    }
    free(chosen);
    return text;
}

/* GPU numbers of 10 and more, and a GPU that also has a UUID, as nvidia-ctk writes them. */
static void names_and_counts_are_understood(void **state)
{
    (void)state;
    struct cdi c = {0};
    lrun_error err;
    assert_int_equal(
        add(&c, 1,
            HEAD DEVICE("all", ENV("all")) "," DEVICE("10", ENV("10")) "," DEVICE(
                "2", ENV("2")) "," DEVICE("0", ENV("0")) "," DEVICE("GPU-a", ENV("0")) "]}",
            &err),
        0);
    static const char *const cases[][2] = {
        {"all", "nvidia.com/gpu=0 nvidia.com/gpu=2 nvidia.com/gpu=10"},
        {"device=all", "nvidia.com/gpu=0 nvidia.com/gpu=2 nvidia.com/gpu=10"},
        {"count=all", "nvidia.com/gpu=0 nvidia.com/gpu=2 nvidia.com/gpu=10"},
        {"1", "nvidia.com/gpu=0"},
        {"count=2", "nvidia.com/gpu=0 nvidia.com/gpu=2"},
        {"3", "nvidia.com/gpu=0 nvidia.com/gpu=2 nvidia.com/gpu=10"},
        {"4", "INVALID_ARGUMENT"}, /* GPU-a is another name of 0, and "all" is not a GPU */
        {"18446744073709551615", "INVALID_ARGUMENT"},
        {"0", ""},
        {"0,10", "nvidia.com/gpu=0 nvidia.com/gpu=10"},
        {"0,0", "nvidia.com/gpu=0"},
        {"device=2", "nvidia.com/gpu=2"},
        {"\"device=0,2\"", "nvidia.com/gpu=0 nvidia.com/gpu=2"},
        {"GPU-a", "nvidia.com/gpu=GPU-a"},
        {"device=GPU-a", "nvidia.com/gpu=GPU-a"},
        {"7,8", "INVALID_ARGUMENT"},
        {"0,", "INVALID_ARGUMENT"},
        {"device=", "INVALID_ARGUMENT"},
        {"count=x", "INVALID_ARGUMENT"},
        {"capabilities=utility", "INVALID_ARGUMENT"},
        {"device=0 device=1", "INVALID_ARGUMENT"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(meaning(&c, cases[i][0]), cases[i][1]);
    cdi_free(&c);
}

static void a_kind_that_knows_only_all_has_it(void **state)
{
    (void)state;
    struct cdi c = {0};
    lrun_error err;
    assert_int_equal(add(&c, 1, HEAD DEVICE("all", ENV("1")) "]}", &err), 0);
    assert_string_equal(meaning(&c, "all"), "nvidia.com/gpu=all");
    assert_string_equal(meaning(&c, "1"), "INVALID_ARGUMENT");
    cdi_free(&c);
}

static void a_name_that_two_vendors_have_is_refused(void **state)
{
    (void)state;
    struct cdi c = {0};
    lrun_error err;
    assert_int_equal(add(&c, 1, HEAD DEVICE("0", ENV("n")) "]}", &err), 0);
    assert_int_equal(add(&c, 1,
                         "{\"cdiVersion\":\"0.5.0\",\"kind\":\"amd.com/gpu\",\"devices\":["
                         "{\"name\":\"0\",\"containerEdits\":{}}]}",
                         &err),
                     0);
    assert_string_equal(meaning(&c, "device=0"), "INVALID_ARGUMENT");
    assert_string_equal(meaning(&c, "all"), "amd.com/gpu=0 nvidia.com/gpu=0");
    cdi_free(&c);
}

static void without_any_gpu_the_error_says_so(void **state)
{
    (void)state;
    struct cdi c = {0};
    assert_string_equal(meaning(&c, "all"), "CONTAINER_START_FAILED");
    assert_string_equal(meaning(&c, "0"), "");
}

static void other_classes_are_left_alone(void **state)
{
    (void)state;
    struct cdi c = {0};
    lrun_error err;
    assert_int_equal(
        add(&c, 1, "{\"cdiVersion\":\"9.0.0\",\"kind\":\"vendor.com/net\",\"new\":1}", &err), 0);
    assert_int_equal(c.device_count, 0);
    cdi_free(&c);
}

static void the_later_folder_wins(void **state)
{
    (void)state;
    struct cdi c = {0};
    lrun_error err;
    assert_int_equal(add(&c, 1, HEAD DEVICE("0", ENV("low")) "]}", &err), 0);
    assert_int_equal(add(&c, 2, HEAD DEVICE("0", ENV("high")) "]}", &err), 0);
    assert_int_equal(c.device_count, 1);
    json_t *env = json_object_get(c.devices[0].edits, "env");
    assert_string_equal(json_string_value(json_array_get(env, 0)), "E=high");
    assert_int_equal(c.devices[0].spec, 1);
    assert_int_equal(add(&c, 1, HEAD DEVICE("0", ENV("low")) "]}", &err), 0);
    assert_int_equal(c.devices[0].spec, 1);
    assert_int_equal(add(&c, 2, HEAD DEVICE("0", ENV("again")) "]}", &err), -1);
    assert_non_null(strstr(err.message, "/etc/cdi/t.json"));
    cdi_free(&c);
}

static void bad_specs_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "not JSON"},
        {"[]", "not a CDI spec"},
        {"{}", "kind"},
        {"{\"kind\":\"gpu\"}", "vendor.com/class"},
        {"{\"kind\":\"-a.com/gpu\"}", "vendor.com/class"},
        {"{\"kind\":\"a.com/gpu/x\"}", "vendor.com/class"},
        {"{\"kind\":\"a.com/gpu\"}", "cdiVersion"},
        {"{\"kind\":\"a.com/gpu\",\"cdiVersion\":\"2.0.0\",\"devices\":[]}", "2.0.0"},
        {"{\"kind\":\"a.com/gpu\",\"cdiVersion\":\"0.2.0\"}", "0.2.0"},
        {"{\"kind\":\"a.com/gpu\",\"cdiVersion\":\"0.6.0\",\"devices\":[]}", "devices"},
        {"{\"kind\":\"a.com/gpu\",\"cdiVersion\":\"0.6.0\"}", "devices"},
        {"{\"kind\":\"a.com/gpu\",\"kind\":\"b.com/gpu\"}", "not JSON"},
        {"{\"kind\":\"a.com/gpu\",\"cdiVersion\":\"0.6.0\",\"surprise\":1}", "surprise"},
        {HEAD "{\"name\":\"0\"}]}", "containerEdits"},
        {HEAD "{\"containerEdits\":{}}]}", "name"},
        {HEAD DEVICE("a b", "") "]}", "a b"},
        {HEAD DEVICE("../x", "") "]}", "../x"},
        {HEAD DEVICE("x-", "") "]}", "x-"},
        {HEAD DEVICE("0", "") "," DEVICE("0", "") "]}", "nvidia.com/gpu=0"},
        {HEAD "{\"name\":\"0\",\"containerEdits\":{},\"more\":1}]}", "more"},
        {HEAD "7]}", "devices[0]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cdi c = {0};
        lrun_error err;
        assert_int_equal(add(&c, 1, cases[i][0], &err), -1);
        assert_int_equal(err.code, LRUN_START_FAILED);
        assert_non_null(strstr(err.message, "gpus: '/etc/cdi/t.json'"));
        if (!strstr(err.message, cases[i][1]))
            fail_msg("'%s' does not name %s", err.message, cases[i][1]);
        assert_true(err.hint[0]);
        cdi_free(&c);
    }
}

static void yaml_is_the_json_it_stands_for(void **state)
{
    (void)state;
    static const char text[] = "---\n"
                               "cdiVersion: 0.5.0\n"
                               "kind: nvidia.com/gpu\n"
                               "devices:\n"
                               "- name: \"0\"\n"
                               "  containerEdits:\n"
                               "    deviceNodes:\n"
                               "    - path: /dev/nvidia0\n"
                               "      major: 195\n"
                               "      rest: [~, true, -1, 010, 1.5, '7', null, no]\n";
    lrun_error err = {0};
    json_t *document = cdi_yaml_parse(text, strlen(text), &err);
    json_t *wanted = json_loads(
        "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/gpu\",\"devices\":["
        "{\"name\":\"0\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/dev/nvidia0\","
        "\"major\":195,\"rest\":[null,true,-1,\"010\",\"1.5\",\"7\",null,\"no\"]}]}}]}",
        0, NULL);
    assert_non_null(document);
    assert_true(json_equal(document, wanted));
    json_decref(document);
    json_decref(wanted);
}

static void yaml_that_no_tool_writes_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "---\na: 1\n---\nb: 2\n",
        "a: &x 1\nb: *x\n",
        "a: !!int 1\n",
        "a: 1\na: 2\n",
        "[a]: 1\n",
        "a: [1\n",
        "a: \"\\0\": 1\n",
        "\t- a\n",
        "a: *nobody\n",
        "? {a: b}\n: c\n",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lrun_error err = {0};
        assert_null(cdi_yaml_parse(cases[i], strlen(cases[i]), &err));
        assert_int_equal(err.code, LRUN_START_FAILED);
    }
    char deep[200];
    memset(deep, '[', sizeof(deep));
    lrun_error err = {0};
    assert_null(cdi_yaml_parse(deep, sizeof(deep), &err));
    assert_non_null(strstr(err.message, "deep"));
}

/* ------------------------------------------------------------- folders */

static void write_spec(const char *folder, const char *name, const char *text, mode_t mode)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int load(const char *folder, size_t *count, lrun_error *err)
{
    struct cdi c = {0};
    *err = (lrun_error){0};
    int failed = cdi_load_folder(&c, folder, 1, err);
    *count = c.device_count;
    cdi_free(&c);
    return failed;
}

static void only_roots_own_files_are_read(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    size_t count;
    lrun_error err;
    char path[300], other[300];
    snprintf(path, sizeof(path), "%s/b.json", scratch_folder);
    snprintf(other, sizeof(other), "%s/c.json", scratch_folder);

    write_spec(scratch_folder, "a.txt", "not a spec", 0666);
    write_spec(scratch_folder, "b.json", HEAD DEVICE("0", "") "]}", 0644);
    write_spec(scratch_folder, "d.yaml",
               "cdiVersion: 0.5.0\nkind: amd.com/gpu\ndevices:\n- name: x\n  containerEdits: {}\n",
               0644);
    assert_int_equal(load(scratch_folder, &count, &err), 0);
    assert_int_equal(count, 2);

    /* Writable by others, owned by another user, a link, not a regular file, a folder that others
     * can write to. */
    assert_int_equal(chmod(path, 0664), 0);
    assert_int_equal(load(scratch_folder, &count, &err), -1);
    assert_non_null(strstr(err.message, "b.json"));
    assert_non_null(strstr(err.hint, "chown root:root"));
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_int_equal(load(scratch_folder, &count, &err), -1);
    assert_int_equal(chown(path, 0, 0), 0);
    assert_int_equal(symlink("b.json", other), 0);
    assert_int_equal(load(scratch_folder, &count, &err), -1);
    assert_non_null(strstr(err.hint, "not a link"));
    assert_int_equal(unlink(other), 0);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_int_equal(load(scratch_folder, &count, &err), -1);
    assert_non_null(strstr(err.message, "not a file"));
    assert_int_equal(unlink(other), 0);
    assert_int_equal(load(scratch_folder, &count, &err), 0);
    assert_int_equal(chmod(scratch_folder, 0777), 0);
    assert_int_equal(load(scratch_folder, &count, &err), -1);
    assert_int_equal(err.code, LRUN_START_FAILED);
}

static void a_folder_that_is_not_there_is_empty(void **state)
{
    (void)state;
    size_t count;
    lrun_error err;
    assert_int_equal(load("/nonexistent/cdi", &count, &err), 0);
    assert_int_equal(count, 0);
    assert_int_equal(load("/dev/null", &count, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_counts_are_understood),
        cmocka_unit_test(a_kind_that_knows_only_all_has_it),
        cmocka_unit_test(a_name_that_two_vendors_have_is_refused),
        cmocka_unit_test(without_any_gpu_the_error_says_so),
        cmocka_unit_test(other_classes_are_left_alone),
        cmocka_unit_test(the_later_folder_wins),
        cmocka_unit_test(bad_specs_are_refused),
        cmocka_unit_test(yaml_is_the_json_it_stands_for),
        cmocka_unit_test(yaml_that_no_tool_writes_is_refused),
        SCRATCH_TEST(only_roots_own_files_are_read),
        cmocka_unit_test(a_folder_that_is_not_there_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
