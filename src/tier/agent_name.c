/* SPDX-License-Identifier: MIT */
#include "tier/agent_name.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

int agent_name_make(char out[AGENT_NAME_SIZE], lrun_error *err)
{
    unsigned char random[AGENT_NAME_RANDOM];
    ssize_t n;
    do
        n = getrandom(random, sizeof(random), 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(random))
        return error_errno(err, LRUN_INTERNAL, "agent.name", n < 0 ? errno : EIO,
                           "cannot get random bytes");
    int used = snprintf(out, AGENT_NAME_SIZE, "%s", AGENT_NAME_PREFIX);
    for (size_t i = 0; i < sizeof(random); i++)
        used += snprintf(out + used, (size_t)(AGENT_NAME_SIZE - used), "%02x", random[i]);
    return 0;
}
