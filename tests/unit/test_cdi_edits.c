/* SPDX-License-Identifier: MIT */
/* The effects that the containerEdits of a spec have, and those that they must not have. */
#include "unit.h"

#include "scratch_folder.h"
#include "tier/gpu/cdi.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Collects the edits of a spec with one device. */
static int collect(struct cdi_edits *out, const char *wide, const char *own, lrun_error *err)
{
    char text[4096];
    snprintf(text, sizeof(text),
             "{\"cdiVersion\":\"1.1.0\",\"kind\":\"t.com/gpu\",\"containerEdits\":{%s},"
             "\"devices\":[{\"name\":\"0\",\"containerEdits\":{%s}}]}",
             wide, own);
    struct cdi c = {0};
    *err = (lrun_error){0};
    *out = (struct cdi_edits){0};
    if (cdi_add_spec(&c, "/etc/cdi/t.json", 1, text, strlen(text), err) < 0)
        fail_msg("%s", err->message);
    size_t first = 0;
    int failed = cdi_edits_collect(out, &c, &first, 1, err);
    cdi_free(&c);
    return failed;
}

static void assert_json(const json_t *value, const char *wanted)
{
    char *text = json_dumps(value, JSON_COMPACT);
    assert_string_equal(text, wanted);
    free(text);
}

static void env_of_the_device_wins(void **state)
{
    (void)state;
    struct cdi_edits e;
    lrun_error err;
    assert_int_equal(collect(&e, "\"env\":[\"A=1\",\"B=\"]", "\"env\":[\"A=2=3\"]", &err), 0);
    assert_string_equal(e.env[0], "A=2=3");
    assert_string_equal(e.env[1], "B=");
    assert_null(e.env[2]);
    cdi_edits_free(&e);
}

static void files_are_shown_read_only(void **state)
{
    (void)state;
    struct cdi_edits e;
    lrun_error err;
    assert_int_equal(
        collect(&e, "",
                "\"mounts\":[{\"hostPath\":\"/etc/passwd\",\"containerPath\":\"/usr/lib/a.so\"},"
                "{\"hostPath\":\"/etc/passwd\",\"containerPath\":\"/b\",\"type\":\"bind\","
                "\"options\":[\"ro\",\"rbind\",\"noexec\",\"rprivate\"]}]",
                &err),
        0);
    assert_json(e.mounts,
                "{\"/usr/lib/a.so\":{\"destination\":\"/usr/lib/a.so\",\"type\":\"bind\","
                "\"source\":\"/etc/passwd\",\"options\":[\"bind\",\"ro\",\"nosuid\",\"nodev\","
                "\"rprivate\"]},"
                "\"/b\":{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/etc/passwd\","
                "\"options\":[\"bind\",\"ro\",\"nosuid\",\"nodev\",\"rprivate\",\"noexec\"]}}");
    cdi_edits_free(&e);
}

static void nodes_have_the_hosts_numbers_and_the_specs_permissions(void **state)
{
    (void)state;
    struct cdi_edits e;
    lrun_error err;
    assert_int_equal(
        collect(&e, "\"deviceNodes\":[{\"path\":\"/dev/zero0\",\"hostPath\":\"/dev/zero\"}]",
                "\"deviceNodes\":["
                "{\"path\":\"/dev/x/a\",\"type\":\"c\",\"major\":195,\"minor\":3,"
                "\"permissions\":\"rm\",\"fileMode\":432,\"uid\":0,\"gid\":44},"
                "{\"path\":\"/dev/b\",\"hostPath\":\"/dev/null\",\"permissions\":\"w\"},"
                "{\"path\":\"/dev/n\",\"hostPath\":\"/dev/null\",\"permissions\":\"none\"}],"
                "\"additionalGids\":[44]",
                &err),
        0);
    assert_json(e.nodes,
                "{\"/dev/zero0\":{\"path\":\"/dev/zero0\",\"major\":1,\"minor\":5,\"mode\":438},"
                "\"/dev/x/a\":{\"path\":\"/dev/x/a\",\"major\":195,\"minor\":3,\"mode\":292},"
                "\"/dev/b\":{\"path\":\"/dev/b\",\"major\":1,\"minor\":3,\"mode\":146},"
                "\"/dev/n\":{\"path\":\"/dev/n\",\"major\":1,\"minor\":3,\"mode\":0}}");
    cdi_edits_free(&e);
}

static void nodes_are_made_whatever_the_umask(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct cdi_edits e;
    lrun_error err;
    char path[300];
    assert_int_equal(
        collect(&e, "", "\"deviceNodes\":[{\"path\":\"/dev/g\",\"hostPath\":\"/dev/null\"}]", &err),
        0);
    mode_t before = umask(0077);
    assert_int_equal(cdi_edits_make_nodes(&e, scratch_folder, &err), 0);
    umask(before);
    struct stat st;
    snprintf(path, sizeof(path), "%s/0", scratch_folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFCHR | 0666);
    assert_int_equal(st.st_rdev, makedev(1, 3));
    json_t *mount = json_object_get(e.mounts, "/dev/g");
    assert_string_equal(json_string_value(json_object_get(mount, "source")), path);
    assert_json(json_object_get(mount, "options"), "[\"bind\",\"nosuid\",\"noexec\",\"rprivate\"]");
    cdi_edits_free(&e);
}

static void a_hook_has_an_environment_of_its_own(void **state)
{
    (void)state;
    struct cdi_edits e;
    lrun_error err;
    static const char hook[] = "\"hooks\":[{\"hookName\":\"createContainer\",\"path\":\"/bin/sh\","
                               "\"args\":[\"sh\",\"x\"],\"env\":[\"A=1\"],\"timeout\":5},"
                               "{\"hookName\":\"createContainer\",\"path\":\"/bin/true\"}]";
    assert_int_equal(collect(&e, hook, hook, &err), 0);
    assert_json(
        e.hooks,
        "[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"x\"],"
        "\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
        "\"A=1\"],\"timeout\":5},"
        "{\"path\":\"/bin/true\",\"args\":[\"/bin/true\"],"
        "\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"]}]");
    cdi_edits_free(&e);
}

static void a_hook_that_others_could_have_written_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct cdi_edits e;
    lrun_error err;
    /* Every user can write to /tmp: a user who may put a folder there may put a program there. */
    char hook[400], text[600];
    snprintf(hook, sizeof(hook), "%s/hook", scratch_folder);
    assert_int_equal(symlink("/bin/true", hook), 0);
    snprintf(text, sizeof(text), "\"hooks\":[{\"hookName\":\"createContainer\",\"path\":\"%s\"}]",
             hook);
    assert_int_equal(collect(&e, text, "", &err), 0); /* a link to a file that only root writes */
    cdi_edits_free(&e);
    assert_int_equal(unlink(hook), 0);
    FILE *file = fopen(hook, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(chmod(hook, 0755), 0);
    assert_int_equal(collect(&e, text, "", &err), -1);
    assert_non_null(strstr(err.message, "'/tmp' is not root's alone"));
    cdi_edits_free(&e);
}

#define MOUNT(target) "\"mounts\":[{\"hostPath\":\"/etc/passwd\",\"containerPath\":\"" target "\"}]"
#define OPTION(option)                                                                             \
    "\"mounts\":[{\"hostPath\":\"/etc/passwd\",\"containerPath\":\"/x\",\"options\":[\"" option    \
    "\"]}]"
#define NODE(path)       "\"deviceNodes\":[{\"path\":\"" path "\",\"hostPath\":\"/dev/null\"}]"
#define NULL_AS(more)    "\"deviceNodes\":[{\"path\":\"/dev/x\",\"hostPath\":\"/dev/null\"," more "}]"
#define HOOK(name, path) "\"hooks\":[{\"hookName\":\"" name "\",\"path\":\"" path "\"}]"

static void what_would_weaken_the_sandbox_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        MOUNT("/proc"),
        MOUNT("/proc/sys/kernel"),
        MOUNT("/sys/fs"),
        MOUNT("/dev"),
        MOUNT("/dev/pts/0"),
        MOUNT("/dev/shm"),
        MOUNT("/dev/null"),
        MOUNT("/etc"),
        MOUNT("/etc/resolv.conf"),
        MOUNT("/"),
        MOUNT(""),
        MOUNT("x"),
        MOUNT("/a/../proc"),
        MOUNT("/a/./b"),
        MOUNT("//proc"),
        MOUNT("/a/"),
        OPTION("rw"),
        OPTION("dev"),
        OPTION("suid"),
        OPTION("shared"),
        OPTION("rshared"),
        OPTION("idmap"),
        "\"mounts\":[{\"hostPath\":\"/etc/../etc/passwd\",\"containerPath\":\"/x\"}]",
        "\"mounts\":[{\"hostPath\":\"proc\",\"containerPath\":\"/x\",\"type\":\"proc\"}]",
        "\"mounts\":[{\"hostPath\":\"/etc/passwd\",\"containerPath\":\"/x\",\"type\":\"overlay\"}]",
        "\"mounts\":[{\"hostPath\":\"/nonexistent\",\"containerPath\":\"/x\"}]",
        "\"mounts\":[{\"hostPath\":\"/dev/zero\",\"containerPath\":\"/x\"}]",
        "\"mounts\":[{\"containerPath\":\"/x\"}]",
        "\"mounts\":[{\"hostPath\":\"/etc/passwd\"}]",
        "\"mounts\":{}",
        NODE("/dev/null"),
        NODE("/dev/pts/9"),
        NODE("/dev/ptmx"),
        NODE("/dev"),
        NODE("/x"),
        NODE("/dev/../x"),
        NODE("/proc/x"),
        NULL_AS("\"type\":\"b\""),
        NULL_AS("\"type\":\"p\""),
        NULL_AS("\"major\":-1"),
        NULL_AS("\"minor\":1048576"),
        NULL_AS("\"permissions\":\"x\""),
        NULL_AS("\"surprise\":1"),
        "\"deviceNodes\":[{\"hostPath\":\"/dev/null\"}]",
        "\"deviceNodes\":[{\"path\":\"/dev/nonexistent0\"}]",
        "\"deviceNodes\":[{\"path\":\"/dev/x\",\"hostPath\":\"/etc/passwd\"}]",
        "\"deviceNodes\":[7]",
        HOOK("createRuntime", "/bin/true"),
        HOOK("prestart", "/bin/true"),
        HOOK("startContainer", "/bin/true"),
        HOOK("poststop", "/bin/true"),
        HOOK("createContainer", "/nonexistent"),
        HOOK("createContainer", "true"),
        HOOK("createContainer", "/bin/../bin/true"),
        "\"hooks\":[{\"hookName\":\"createContainer\"}]",
        "\"hooks\":[{\"hookName\":\"createContainer\",\"path\":\"/bin/true\",\"env\":[\"x\"]}]",
        "\"hooks\":[{\"hookName\":\"createContainer\",\"path\":\"/bin/true\",\"timeout\":0}]",
        "\"env\":[\"x\"]",
        "\"env\":[\"1=x\"]",
        "\"intelRdt\":{}",
        "\"netDevices\":[]",
        "\"additionalGids\":[-1]",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cdi_edits e;
        lrun_error err;
        if (collect(&e, "", cases[i], &err) == 0)
            fail_msg("taken: %s", cases[i]);
        assert_int_equal(err.code, LRUN_START_FAILED);
        assert_non_null(strstr(err.message, "gpus: '/etc/cdi/t.json': device 0"));
        cdi_edits_free(&e);
        if (collect(&e, cases[i], "", &err) == 0)
            fail_msg("taken for all devices: %s", cases[i]);
        cdi_edits_free(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(env_of_the_device_wins),
        cmocka_unit_test(files_are_shown_read_only),
        cmocka_unit_test(nodes_have_the_hosts_numbers_and_the_specs_permissions),
        SCRATCH_TEST(nodes_are_made_whatever_the_umask),
        cmocka_unit_test(a_hook_has_an_environment_of_its_own),
        SCRATCH_TEST(a_hook_that_others_could_have_written_is_refused),
        cmocka_unit_test(what_would_weaken_the_sandbox_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
