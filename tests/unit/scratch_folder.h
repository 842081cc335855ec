/* SPDX-License-Identifier: MIT */
/* A temporary folder for each test, which is removed with everything in it: cmocka setup and
 * teardown. */
#ifndef TESTS_SCRATCH_FOLDER_H
#define TESTS_SCRATCH_FOLDER_H

#include "../remove_tree.h"

#include <stdlib.h>
#include <string.h>

static char scratch_folder[64];

static int scratch_folder_make(void **state)
{
    (void)state;
    strcpy(scratch_folder, "/tmp/light-runner-test-XXXXXX");
    return mkdtemp(scratch_folder) ? 0 : -1;
}

static int scratch_folder_remove(void **state)
{
    (void)state;
    return remove_tree(scratch_folder);
}

#define SCRATCH_TEST(name)                                                                         \
    cmocka_unit_test_setup_teardown(name, scratch_folder_make, scratch_folder_remove)

#endif
