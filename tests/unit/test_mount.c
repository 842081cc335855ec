/* SPDX-License-Identifier: MIT */
/* Mounts of images on kernels without file-backed EROFS, and the templates that are kept for later
 * runs. Without root, the tests say that they need it. */
#include "host/mount.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "host/scratch.h"
#include "scratch_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char target[128], image[128], tree[128];

static void run(const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Returns how many loop devices use the file. */
static int loops_of(const char *path)
{
    int found = 0;
    DIR *d = opendir("/sys/block");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char name[300], text[512] = "";
        snprintf(name, sizeof(name), "/sys/block/%s/loop/backing_file", e->d_name);
        FILE *f = fopen(name, "re");
        if (!f)
            continue;
        if (fgets(text, sizeof(text), f) && strncmp(text, path, strlen(path)) == 0)
            found++;
        fclose(f);
    }
    closedir(d);
    return found;
}

static void test_by_a_loop_device(void **state)
{
    char file[200], text[16] = "";
    lrun_error err = {0};
    (void)state;
    snprintf(file, sizeof(file), "%s/f", tree);
    FILE *f = fopen(file, "we");
    assert_non_null(f);
    fputs("content", f);
    fclose(f);
    run((const char *const[]){"mkfs.erofs", "-E", "noinline_data", image, tree, NULL});
    int fd = open(image, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(mount_erofs_loop(fd, target, &err), 0);
    assert_int_equal(loops_of(image), 1);
    snprintf(file, sizeof(file), "%s/f", target);
    f = fopen(file, "re");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    assert_string_equal(text, "content");
    fclose(f);
    assert_int_equal(open(file, O_WRONLY | O_CLOEXEC), -1);
    assert_int_equal(umount(target), 0);
    for (int i = 0; i < 100 && loops_of(image); i++)
        usleep(20000);
    assert_int_equal(loops_of(image), 0);
    close(fd);
}

static void test_what_is_no_image(void **state)
{
    lrun_error err = {0};
    (void)state;
    int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(mount_erofs_loop(fd, target, &err), -1);
    assert_int_equal(err.code, LRUN_START_FAILED);
    assert_non_null(strstr(err.hint, "damaged"));
    close(fd);
}

static int templates(const char *folder, const char *wanted)
{
    int found = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        found += fnmatch(wanted, e->d_name, 0) == 0;
    closedir(d);
    return found;
}

static void mount_size(uint64_t mib)
{
    lrun_error err = {0};
    int root = -1;
    const struct scratch_spec spec = {scratch_folder, mib << 20, NULL};
    int rc = scratch_mount(&spec, target, &root, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(rc, 0);
    close(root);
    assert_int_equal(umount(target), 0);
}

/* The template that is used all the time stays. */
static void test_few_templates_are_kept(void **state)
{
    (void)state;
    for (uint64_t mib = 2; mib < 2 + 2 * SCRATCH_TEMPLATES; mib++) {
        mount_size(mib);
        mount_size(64);
    }
    assert_int_equal(templates(scratch_folder, "ext4-*.template"), SCRATCH_TEMPLATES);
    assert_int_equal(templates(scratch_folder, "ext4-*-67108864.template"), 1);
    assert_int_equal(templates(scratch_folder, "ext4-*-2097152.template"), 0);
}

static void assert_folder(const char *path, mode_t mode)
{
    char full[512];
    struct stat st;
    snprintf(full, sizeof(full), "%s/%s", target, path);
    assert_int_equal(stat(full, &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | mode);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_gid, 0);
}

/* The first mount makes the template, the second one finds it. */
static void test_a_template_has_folders(void **state)
{
    static const struct scratch_layout layout = {"some", {{"a", 0755}, {"a/b", 0555}, {"c", 0}}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        lrun_error err = {0};
        int root = -1;
        const struct scratch_spec spec = {scratch_folder, 16 << 20, &layout};
        int rc = scratch_mount(&spec, target, &root, &err);
        assert_string_equal(err.message, "");
        assert_int_equal(rc, 0);
        close(root);
        assert_folder("a", 0755);
        assert_folder("a/b", 0555);
        assert_folder("c", 0);
        assert_int_equal(umount(target), 0);
        assert_int_equal(templates(scratch_folder, "ext4-*-some-16777216.template"), 1);
        /* The folders that mkfs.ext4 copied are gone. */
        assert_int_equal(rmdir(target), 0);
        assert_int_equal(mkdir(target, 0755), 0);
    }
}

/* Another process makes the file system, or finds no template: then the second step makes both. */
static void test_a_file_system_that_another_process_makes(void **state)
{
    const struct scratch_spec spec = {scratch_folder, 24 << 20, NULL};
    (void)state;
    for (int i = 0; i < 2; i++) {
        __attribute__((cleanup(scratch_abandon))) struct scratch_birth birth = SCRATCH_BIRTH_NONE;
        lrun_error err = {0};
        int root = -1;
        struct stat outside, inside;
        assert_int_equal(scratch_begin(&birth, &spec, &err), 0);
        assert_true(birth.child.pidfd >= 0);
        int rc = scratch_finish(&birth, &spec, target, &root, &err);
        assert_string_equal(err.message, "");
        assert_int_equal(rc, 0);
        assert_int_equal(birth.child.pidfd, -1);
        assert_int_equal(stat(scratch_folder, &outside), 0);
        assert_int_equal(fstat(root, &inside), 0);
        assert_int_not_equal(inside.st_dev, outside.st_dev);
        close(root);
        assert_int_equal(umount(target), 0);
    }
}

/* While another process is configuring a device, all who ask for a free one get the same one. */
static void test_a_busy_loop_device(void **state)
{
    char path[32];
    (void)state;
    cleanup_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    assert_true(control >= 0);
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    snprintf(path, sizeof(path), "/dev/loop%d", number);
    cleanup_close int holder = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
    assert_true(holder >= 0);
    mount_size(2);
    /* For the one that was added. */
    cleanup_close_fd(&holder);
    (void)ioctl(control, LOOP_CTL_REMOVE, number);
}

static int setup(void **state)
{
    lrun_error err = {0};
    if (scratch_folder_make(state) < 0 || mount_private_namespace(&err) < 0)
        return -1;
    snprintf(target, sizeof(target), "%s/target", scratch_folder);
    snprintf(tree, sizeof(tree), "%s/tree", scratch_folder);
    snprintf(image, sizeof(image), "%s/image.erofs", scratch_folder);
    return mkdir(target, 0755) < 0 || mkdir(tree, 0755) < 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_a_loop_device),
        cmocka_unit_test(test_what_is_no_image),
        cmocka_unit_test(test_few_templates_are_kept),
        cmocka_unit_test(test_a_template_has_folders),
        cmocka_unit_test(test_a_file_system_that_another_process_makes),
        cmocka_unit_test(test_a_busy_loop_device),
    };
    if (geteuid() != 0) {
        puts("mounting takes root");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, scratch_folder_remove);
}
