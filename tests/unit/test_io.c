/* SPDX-License-Identifier: MIT */
/* Files that many threads write at once, by a temporary name and a rename. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "scratch_folder.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { WRITERS = 4, WRITES = 300, LENGTH = 20000 };

static atomic_int failed, mixed;

static void *write_often(void *user)
{
    char *text = malloc(LENGTH);
    int dir = open(scratch_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memset(text, *(char *)user, LENGTH);
    for (int i = 0; i < WRITES; i++) {
        failed += io_write_file_atomic(dir, "f", text, LENGTH, 0600) < 0;
        size_t length;
        cleanup_free char *read = io_read_file_at(dir, "f", LENGTH, &length);
        mixed += !read || length != LENGTH || memchr(read, read[0] ^ 1, length) ||
                 read[0] != read[LENGTH - 1];
    }
    close(dir);
    free(text);
    return NULL;
}

static void test_threads_write_the_same_file(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    char letters[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        letters[i] = (char)('a' + i);
        assert_int_equal(pthread_create(&threads[i], NULL, write_often, &letters[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    if (failed || mixed)
        fail_msg("%d of %d writes failed, %d files were not one writer's", failed, WRITERS * WRITES,
                 mixed);
    /* No temporary file is left. */
    cleanup_close int dir = open(scratch_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_closedir DIR *names = io_list(dir);
    for (struct dirent *e; (e = readdir(names));)
        assert_true(e->d_name[0] == 'f' || strspn(e->d_name, ".") == strlen(e->d_name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_threads_write_the_same_file),
    };
    return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
