/* SPDX-License-Identifier: MIT */
#include "run/hold.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void hold_at(const char *phase)
{
    const char *wanted = secure_getenv("LIGHT_RUNNER_TEST_HOLD");
    if (wanted && strcmp(wanted, phase) == 0)
        raise(SIGSTOP);
}
