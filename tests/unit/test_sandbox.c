/* SPDX-License-Identifier: MIT */
/* The events of a sandbox that the supervisor learns from the fds of the engine. */
#include "unit.h"

#include "engine/engine.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Sets *fd to the reading end of a pipe, and returns the writing end. */
static int give(int *fd)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    *fd = ends[0];
    return ends[1];
}

/* Handles all fds that are readable now. Returns the events. */
static unsigned turn(struct sandbox *s)
{
    struct pollfd polls[SANDBOX_POLLS];
    sandbox_poll(s, polls);
    assert_true(poll(polls, SANDBOX_POLLS, 0) >= 0);
    return sandbox_turn(s, polls);
}

static void test_nothing_happens(void **state)
{
    struct sandbox s;
    (void)state;
    sandbox_init(&s, NULL, false);
    int text = give(&s.runtime_text), alive = give(&s.alive);
    assert_int_equal(turn(&s), 0);
    assert_false(sandbox_is_silent(&s));
    assert_string_equal(s.said, "");
    close(text);
    close(alive);
    close(s.alive);
    sandbox_close(&s);
}

/* pasta writes a byte when it is ready. A pasta that fails before that only closes the pipe, and
 * its process ends. */
static void test_the_network_is_up_by_a_word_alone(void **state)
{
    struct sandbox s;
    (void)state;
    sandbox_init(&s, NULL, false);
    int up = give(&s.network), lost = give(&s.network_lost), network = s.network;
    assert_int_equal(write(up, "", 1), 1);
    assert_int_equal(turn(&s), SANDBOX_NETWORK_UP);
    assert_int_equal(s.network, -1);
    assert_int_equal(turn(&s), 0);
    close(up);
    close(network);

    sandbox_init(&s, NULL, false);
    up = give(&s.network);
    close(up);
    assert_int_equal(turn(&s), 0);
    int gone = give(&s.network_lost);
    close(gone);
    assert_int_equal(turn(&s), SANDBOX_NETWORK_LOST);
    close(lost);
    close(s.network);
    close(s.network_lost);
}

/* A runtime's last words are the error of a failed start. So its end is reported after them. */
static void test_all_that_it_said_is_there_when_it_has_ended(void **state)
{
    struct sandbox s;
    char block[1500];
    (void)state;
    sandbox_init(&s, NULL, false);
    int text = give(&s.runtime_text), alive = give(&s.alive), ended = s.alive;
    memset(block, 'x', sizeof(block));
    assert_int_equal(write(text, block, sizeof(block)), sizeof(block));
    close(text);
    assert_int_equal(turn(&s), 0);
    assert_int_equal(s.said_length, 1024);
    close(alive);
    assert_int_equal(turn(&s), SANDBOX_ENDED);
    assert_int_equal(strlen(s.said), sizeof(block));
    assert_true(sandbox_is_silent(&s));
    close(ended);
    sandbox_close(&s);
}

static void test_what_it_says_has_an_end(void **state)
{
    struct sandbox s;
    char block[SANDBOX_SAID_MAX + 3000];
    (void)state;
    sandbox_init(&s, NULL, false);
    int text = give(&s.runtime_text);
    memset(block, 'x', sizeof(block));
    assert_int_equal(write(text, block, sizeof(block)), sizeof(block));
    for (int i = 0; i < 8; i++)
        assert_int_equal(turn(&s), 0);
    assert_int_equal(strlen(s.said), SANDBOX_SAID_MAX);
    assert_false(sandbox_is_silent(&s));
    close(text);
    assert_int_equal(turn(&s), 0);
    assert_true(sandbox_is_silent(&s));
    sandbox_close(&s);
}

static unsigned looks;

static void look(struct sandbox *s)
{
    (void)s;
    looks++;
}

static void test_memory_is_looked_at_and_a_pause_is_told(void **state)
{
    static const struct sandbox_ops ops = {.on_memory = look};
    struct sandbox s;
    (void)state;
    sandbox_init(&s, &ops, false);
    int memory = give(&s.memory);
    assert_int_equal(turn(&s), 0);
    assert_int_equal(looks, 0);
    close(memory);
    assert_int_equal(turn(&s), 0);
    assert_int_equal(looks, 1);
    int pausing = give(&s.pausing);
    close(pausing);
    assert_int_equal(turn(&s), SANDBOX_PAUSED);
    close(s.pausing);
    sandbox_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_happens),
        cmocka_unit_test(test_the_network_is_up_by_a_word_alone),
        cmocka_unit_test(test_all_that_it_said_is_there_when_it_has_ended),
        cmocka_unit_test(test_what_it_says_has_an_end),
        cmocka_unit_test(test_memory_is_looked_at_and_a_pause_is_told),
    };
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
