/* SPDX-License-Identifier: MIT */
/* Ranges of ids: each belongs to one run, and the machine knows no id in it. */
#include "host/id_range.h"

#include "scratch_folder.h"
#include "unit.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned asked;
static uint32_t known_first;

static int answer(uint32_t first)
{
    asked++;
    return first == known_first;
}

static int no_answer(uint32_t first)
{
    (void)first;
    asked++;
    return -1;
}

static uint32_t take(int *lock, id_range_known *known)
{
    uint32_t first = 0;
    lrun_error err = {0};
    assert_int_equal(id_range_take(lock, &first, scratch_folder, known, &err), 0);
    assert_true(first >= ID_RANGE_FIRST && first < ID_RANGE_END && first % ID_RANGE_SIZE == 0);
    return first;
}

static void ranges_are_those_that_nobody_else_hands_out(void **state)
{
    (void)state;
    assert_true(ID_RANGE_FIRST > 2000200000);          /* SSSD */
    assert_true(ID_RANGE_FIRST > 0x6FFFFFFF);          /* systemd's containers */
    assert_true((uint32_t)ID_RANGE_END <= 0x7FFE0000); /* systemd's foreign ids */
    assert_true(ID_RANGE_COUNT > 1000);
}

static void two_holders_never_share_one(void **state)
{
    (void)state;
    int a = -1, b = -1, c = -1;
    known_first = 0;
    uint32_t first = take(&a, answer), second = take(&b, answer);
    assert_int_not_equal(first, second);
    close(a);
    /* The range is free again, and the machine is not asked about it again. */
    asked = 0;
    assert_int_equal(take(&c, answer), first);
    assert_int_equal(asked, 0);
    close(b);
    close(c);
}

static void a_process_holds_it_until_it_ends(void **state)
{
    (void)state;
    int ends[2], lock = -1;
    uint32_t theirs;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        uint32_t first = 0;
        int held = -1;
        if (id_range_take(&held, &first, scratch_folder, answer, NULL) == 0 &&
            write(ends[1], &first, sizeof(first)) == sizeof(first))
            pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &theirs, sizeof(theirs)), sizeof(theirs));
    assert_int_not_equal(take(&lock, answer), theirs);
    close(lock);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(take(&lock, answer), theirs);
    close(lock);
    close(ends[0]);
    close(ends[1]);
}

static void what_the_machine_knows_is_left_out(void **state)
{
    (void)state;
    int lock = -1;
    known_first = ID_RANGE_FIRST;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(take(&lock, answer), ID_RANGE_FIRST + ID_RANGE_SIZE);
        close(lock);
    }
    /* The answer is kept, even if the machine does not know the range any more. */
    known_first = 0;
    assert_int_equal(take(&lock, answer), ID_RANGE_FIRST + ID_RANGE_SIZE);
    close(lock);
}

static void without_an_answer_it_is_asked_again(void **state)
{
    (void)state;
    int lock = -1;
    asked = 0;
    take(&lock, no_answer);
    close(lock);
    take(&lock, no_answer);
    close(lock);
    assert_int_equal(asked, 2);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    int lock = -1;
    uint32_t first;
    lrun_error err = {0};
    assert_int_equal(id_range_take(&lock, &first, "/proc/none", answer, &err), -1);
    assert_int_equal(err.code, LRUN_START_FAILED);
    assert_non_null(strstr(err.message, "/proc/none/ids"));
    assert_true(err.hint[0]);
    assert_int_equal(lock, -1);
}

static void the_machine_is_asked(void **state)
{
    (void)state;
    /* The control: the machine knows root's own ids. */
    assert_int_equal(id_range_ask(0), 1);
    assert_int_equal(id_range_ask(ID_RANGE_FIRST), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_those_that_nobody_else_hands_out),
        SCRATCH_TEST(two_holders_never_share_one),
        SCRATCH_TEST(a_process_holds_it_until_it_ends),
        SCRATCH_TEST(what_the_machine_knows_is_left_out),
        SCRATCH_TEST(without_an_answer_it_is_asked_again),
        SCRATCH_TEST(a_folder_that_cannot_be_made_is_an_error),
        cmocka_unit_test(the_machine_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
