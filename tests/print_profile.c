/* SPDX-License-Identifier: MIT */
/* Prints the seccomp profile of a sandbox as an OCI runtime takes it. For tests that compare with one. */
#include "policy/seccomp_profile.h"

#include <stdio.h>

int main(void)
{
    json_t *profile;
    lrun_error err = {0};
    if (seccomp_profile_load(&profile, SECCOMP_PROFILE, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    json_dumpf(profile, stdout, JSON_COMPACT);
    json_decref(profile);
    return 0;
}
