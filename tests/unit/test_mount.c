/* SPDX-License-Identifier: MIT */
/* Mounts of images on kernels without file-backed EROFS, and the templates that are kept for later
 * runs. Without root, the tests say that they need it. */
#include "host/mount.h"

#include "base/error.h"
#include "scratch_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    int rc = mount_scratch(scratch_folder, mib << 20, target, &root, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(rc, 0);
    close(root);
    assert_int_equal(umount(target), 0);
}

/* The template that is used all the time stays. */
static void test_few_templates_are_kept(void **state)
{
    (void)state;
    for (uint64_t mib = 2; mib < 2 + 2 * MOUNT_TEMPLATES; mib++) {
        mount_size(mib);
        mount_size(64);
    }
    assert_int_equal(templates(scratch_folder, "ext4-*.template"), MOUNT_TEMPLATES);
    assert_int_equal(templates(scratch_folder, "ext4-*-67108864.template"), 1);
    assert_int_equal(templates(scratch_folder, "ext4-*-2097152.template"), 0);
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
    };
    if (geteuid() != 0) {
        puts("mounting takes root");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, scratch_folder_remove);
}
