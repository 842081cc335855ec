/* SPDX-License-Identifier: MIT */
/* The cgroup writer on a fake tree: plain files replace the kernel's, so that both v1 and v2 are
 * tested on any machine. The contract suite tests it on a real kernel. */
#include "base/cleanup.h"
#include "base/io.h"
#include "host/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "scratch_folder.h"

static const struct cgroup_limits limits = {.memory_bytes = 64 << 20, .cpus = 0.5, .pids = 101};

#define root scratch_folder

/* Creates the file root/path and its folders, and writes the text to it. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(full, 0755);
        *p = '/';
    }
    cleanup_close int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void assert_holds(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", root, path);
    cleanup_free char *found = io_read_file_at(AT_FDCWD, full, 4096, NULL);
    assert_non_null(found);
    assert_string_equal(found, text);
}

static void v1_tree(void)
{
    static const char *const files[] = {
        "memory/cgroup.procs",
        "cpu/cgroup.procs",
        "cpuacct/cgroup.procs",
        "pids/cgroup.procs",
        "freezer/cgroup.procs",
        "memory/light-runner/box/memory.limit_in_bytes",
        "memory/light-runner/box/memory.memsw.limit_in_bytes",
        "cpu/light-runner/box/cpu.cfs_period_us",
        "cpu/light-runner/box/cpu.cfs_quota_us",
        "pids/light-runner/box/pids.max",
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        put(files[i], "");
    put("cpuacct/light-runner/box/cpuacct.usage", "2500000\n");
    put("freezer/light-runner/box/freezer.state", "THAWED\n");
}

static void the_version_is_found_by_its_files(void **state)
{
    (void)state;
    assert_int_equal(cgroup_detect(root), CGROUP_NONE);
    put("memory/tasks", "");
    assert_int_equal(cgroup_detect(root), CGROUP_V1);
    put("cgroup.controllers", "cpu memory pids\n");
    assert_int_equal(cgroup_detect(root), CGROUP_V2);
}

static void no_hierarchy_is_refused_with_a_hint(void **state)
{
    (void)state;
    struct cgroup *c;
    lrun_error err = {0};
    assert_int_equal(cgroup_create(&c, root, "box", &limits, &err), -1);
    assert_int_equal(err.code, LRUN_START_FAILED);
    assert_true(err.hint[0] != '\0');
}

/* The folder of an unmounted controller stays. A plain folder in it would enforce no limit. */
static void a_controller_that_is_not_mounted_is_named(void **state)
{
    (void)state;
    struct cgroup *c;
    lrun_error err = {0};
    put("memory/other", "");
    assert_int_equal(cgroup_create(&c, root, "box", &limits, &err), -1);
    assert_non_null(strstr(err.message, "the cgroup controller 'memory' is not there"));
    assert_true(err.hint[0] != '\0');
}

/* An existing cgroup belongs to another run: two runs never share a cgroup. */
static void an_existing_group_is_refused(void **state)
{
    (void)state;
    struct cgroup *c;
    lrun_error err = {0};
    v1_tree();
    assert_int_equal(cgroup_create(&c, root, "box", &limits, &err), -1);
    assert_non_null(strstr(err.message, "File exists"));
}

/* The kernel fills a new cgroup with its files at mkdir(), but a plain folder stays empty. So
 * writing any limit fails here. The test shows that such a limit is never ignored. */
static void a_limit_that_cannot_be_set_is_an_error(void **state)
{
    (void)state;
    struct cgroup *c;
    lrun_error err = {0};
    for (const char *const *name =
             (const char *const[]){"memory", "cpu", "cpuacct", "pids", "freezer", NULL};
         *name; name++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/cgroup.procs", *name);
        put(path, "");
    }
    assert_int_equal(cgroup_create(&c, root, "box", &limits, &err), -1);
    assert_non_null(strstr(err.message, "memory.limit_in_bytes = 67108864"));
    /* The cgroups that had been created are removed. */
    char made[512];
    snprintf(made, sizeof(made), "%s/memory/light-runner/box", root);
    assert_int_equal(access(made, F_OK), -1);
}

static void v2_hands_the_controllers_down(void **state)
{
    (void)state;
    struct cgroup *c;
    lrun_error err = {0};
    put("cgroup.controllers", "cpu memory pids\n");
    put("cgroup.subtree_control", "");
    put("light-runner/cgroup.subtree_control", "");
    assert_int_equal(cgroup_create(&c, root, "box", &limits, &err), -1);
    assert_non_null(strstr(err.message, "memory.max = 67108864"));
    /* Three writes, each of which is a whole value for the kernel: "+memory", "+pids", "+cpu". In a
     * plain file, a later write overwrites the first bytes of an earlier write. */
    assert_holds("cgroup.subtree_control", "+cpusry");
    assert_holds("light-runner/cgroup.subtree_control", "+cpusry");
}

/* Huge pages are forbidden if the kernel has a controller for them. Then that controller is passed
 * down like the others. */
static void v2_hands_down_huge_pages_where_it_can(void **state)
{
    (void)state;
    struct cgroup *c;
    lrun_error err = {0};
    put("cgroup.controllers", "cpu memory hugetlb pids\n");
    put("cgroup.subtree_control", "");
    put("light-runner/cgroup.subtree_control", "");
    assert_int_equal(cgroup_create(&c, root, "box", &limits, &err), -1);
    assert_non_null(strstr(err.message, "memory.max = 67108864"));
    assert_holds("cgroup.subtree_control", "+hugetlb");
    assert_holds("light-runner/cgroup.subtree_control", "+hugetlb");
    /* A controller with a similar name does not count. */
    put("cgroup.controllers", "cpu memory hugetlbx pids\n");
    put("cgroup.subtree_control", "");
    assert_int_equal(cgroup_create(&c, root, "box", &limits, &err), -1);
    assert_holds("cgroup.subtree_control", "+cpusry");
}

/* A limit that is not left out is still an error if it cannot be set. */
static void what_is_left_out_is_not_looked_for(void **state)
{
    (void)state;
    struct cgroup *c;
    lrun_error err = {0};
    struct cgroup_limits some = limits;
    some.leave_out = CGROUP_MEMORY;
    put("cgroup.controllers", "cpu pids\n");
    put("cgroup.subtree_control", "");
    put("light-runner/cgroup.subtree_control", "");
    assert_int_equal(cgroup_create(&c, root, "box", &some, &err), -1);
    assert_non_null(strstr(err.message, "pids.max = 101"));
    assert_holds("cgroup.subtree_control", "+cpus");
}

static void without_any_limit_there_is_no_group(void **state)
{
    (void)state;
    struct cgroup *c;
    struct cgroup_usage usage;
    lrun_error err = {0};
    struct cgroup_limits none = limits;
    none.leave_out = CGROUP_LIMITS;
    assert_int_equal(cgroup_create(&c, root, "box", &none, &err), 0);
    assert_int_equal(cgroup_enter(c), 0);
    cgroup_read_usage(c, &usage);
    assert_int_equal(usage.peak_memory_bytes + usage.oom_kills + usage.cpu_us, 0);
    uint64_t us;
    assert_int_equal(cgroup_read_cpu(c, &us), -1);
    cgroup_destroy(c);
}

/* Another process has created the cgroup, but does not hold it yet. A reap, whatever its age limit,
 * must not remove or count it. */
static void a_reap_leaves_what_is_just_being_made(void **state)
{
    (void)state;
    char made[512];
    put("memory/light-runner/other", "");
    snprintf(made, sizeof(made), "%s/memory/light-runner/light-runner-0123456789ab", root);
    assert_int_equal(mkdir(made, 0711), 0);
    pid_t maker = fork();
    if (maker == 0) {
        poll(NULL, 0, 20);
        int fd = open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _exit(fd >= 0 && flock(fd, LOCK_SH) == 0 && pause() ? 0 : 1);
    }
    assert_int_equal(cgroup_reap(root, 0), 0);
    assert_int_equal(access(made, F_OK), 0);
    /* After its maker's death no process holds it. */
    assert_int_equal(kill(maker, SIGKILL), 0);
    assert_int_equal(waitpid(maker, NULL, 0), maker);
    assert_int_equal(cgroup_reap(root, 0), 1);
    assert_int_equal(access(made, F_OK), -1);
}

/* v2 also reports memory that has only become scarce. A cgroup that is gone cannot be read. */
static void v2_tells_when_memory_runs_out(void **state)
{
    (void)state;
    cleanup_free char *own = io_read_file_at(AT_FDCWD, "/proc/self/cgroup", 65536, NULL);
    char *line = own ? strstr(own, "0::/") : NULL, events[512], full[1024];
    if (!line)
        skip();
    line[strcspn(line, "\n")] = '\0';
    snprintf(events, sizeof(events), "%s/memory.events", line + strlen("0::/"));
    snprintf(full, sizeof(full), "%s/%s", root, events);
    put("cgroup.controllers", "cpu memory pids\n");
    put(events, "max 0\noom_kill 0\n");
    struct cgroup *c;
    struct cgroup_usage usage = {0};
    assert_int_equal(cgroup_open_of(&c, root, getpid(), "/"), 0);
    cleanup_close int watch = cgroup_watch_memory(c);
    assert_true(watch >= 0);
    assert_false(cgroup_ran_out(c, watch, &usage));
    put(events, "max 3\noom_kill 0\n");
    assert_int_equal(poll(&(struct pollfd){watch, POLLIN, 0}, 1, 1000), 1);
    assert_false(cgroup_ran_out(c, watch, &usage));
    put(events, "max 3\noom_kill 1\n");
    assert_int_equal(poll(&(struct pollfd){watch, POLLIN, 0}, 1, 1000), 1);
    assert_true(cgroup_ran_out(c, watch, &usage));
    assert_int_equal(usage.oom_kills, 1);
    put(events, "max 4\noom_kill 1\n");
    assert_int_equal(unlink(full), 0);
    usage.oom_kills = 0;
    assert_true(cgroup_is_gone(c));
    assert_false(cgroup_ran_out(c, watch, &usage));
    assert_int_equal(usage.oom_kills, 0);
    cgroup_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_version_is_found_by_its_files),
        SCRATCH_TEST(no_hierarchy_is_refused_with_a_hint),
        SCRATCH_TEST(a_controller_that_is_not_mounted_is_named),
        SCRATCH_TEST(an_existing_group_is_refused),
        SCRATCH_TEST(a_limit_that_cannot_be_set_is_an_error),
        SCRATCH_TEST(v2_hands_the_controllers_down),
        SCRATCH_TEST(v2_hands_down_huge_pages_where_it_can),
        SCRATCH_TEST(what_is_left_out_is_not_looked_for),
        SCRATCH_TEST(without_any_limit_there_is_no_group),
        SCRATCH_TEST(v2_tells_when_memory_runs_out),
        SCRATCH_TEST(a_reap_leaves_what_is_just_being_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
