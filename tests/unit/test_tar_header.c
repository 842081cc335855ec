/* SPDX-License-Identifier: MIT */
#include "image/tar_header.h"

#include "unit.h"

#include <stdlib.h>
#include <string.h>

/* Returns the checksum as every tar reader computes it: the sum of all bytes, with the checksum
 * field itself as spaces. */
static unsigned sum_of(const char *block)
{
    unsigned sum = 0;
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)block[i];
    return sum;
}

static void a_header_holds_its_file(void **state)
{
    (void)state;
    char block[TAR_BLOCK];
    tar_header_fill(block, "manifest.json", 0644, 0777777);
    assert_string_equal(block, "manifest.json");
    assert_string_equal(block + 100, "0000644");
    assert_string_equal(block + 124, "00000777777");
    assert_int_equal(strtoul(block + 148, NULL, 8), sum_of(block));
    assert_int_equal(block[156], '0');
    assert_memory_equal(block + 257, "ustar\00000", 8);
}

static void a_size_beyond_eleven_octal_digits_is_binary(void **state)
{
    (void)state;
    char block[TAR_BLOCK];
    tar_header_fill(block, "layer.tar", 0644, (1ull << 33) - 1);
    assert_string_equal(block + 124, "77777777777");
    tar_header_fill(block, "layer.tar", 0644, (1ull << 33) + 5);
    assert_memory_equal(block + 124, "\x80\0\0\0\0\0\0\x02\0\0\0\x05", 12);
    assert_int_equal(strtoul(block + 148, NULL, 8), sum_of(block));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_holds_its_file),
        cmocka_unit_test(a_size_beyond_eleven_octal_digits_is_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
