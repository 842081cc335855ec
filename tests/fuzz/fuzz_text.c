/* SPDX-License-Identifier: MIT */
/* The parsers of sizes, durations, names and paths that users write. */
#include "fuzz.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void check_paths(const char *s)
{
    char *joined = text_path_join("/base", s);
    PROMISE(joined && joined[0] == '/');
    PROMISE(!strstr(joined, "//") && !strstr(joined, "/./"));
    PROMISE(text_path_has_dotdot(joined) == text_path_has_dotdot(s));
    char *again = text_path_join("/other", joined);
    PROMISE(again && strcmp(again, joined) == 0);
    if (text_path_is_beneath(s)) {
        /* The path is below the base, and in its only possible spelling. */
        PROMISE(!text_path_has_dotdot(s) && s[0] != '/');
        PROMISE(strncmp(joined, "/base/", 6) == 0 && strcmp(joined + 6, s) == 0);
    }
    free(joined);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 100000)
        return 0;
    char *s = malloc(size + 1);
    if (!s)
        return 0;
    memcpy(s, data, size);
    s[size] = '\0';
    uint64_t n, bytes, ms;
    if (text_parse_u64(s, &n)) {
        char canonical[32];
        snprintf(canonical, sizeof(canonical), "%" PRIu64, n);
        PROMISE(strcmp(canonical, s + strspn(s, "0")) == 0 ||
                (n == 0 && s[strspn(s, "0")] == '\0'));
        PROMISE(text_parse_size(s, &bytes) && bytes == n);
        PROMISE(text_parse_duration_ms(s, &ms) && ms == n);
    }
    if (text_parse_size(s, &bytes) || text_parse_duration_ms(s, &ms))
        PROMISE(s[0] >= '0' && s[0] <= '9');
    if (text_is_env_name(s, strlen(s)))
        PROMISE(s[0] != '\0' && !strchr(s, '='));
    check_paths(s);
    free(s);
    return 0;
}
