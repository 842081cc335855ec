/* SPDX-License-Identifier: MIT */
#include "base/timestamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t timestamp_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void timestamp_format(char out[32], int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    char date[24] = "";
    if (gmtime_r(&seconds, &utc))
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, 32, "%s.%03dZ", date, (int)(ms % 1000));
}

int64_t timestamp_parse(const char *text)
{
    struct tm utc = {0};
    char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) : NULL;
    if (!end)
        return -1;
    int64_t ms = 0, unit = 100;
    if (*end == '.') {
        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
            ms += (*end - '0') * unit;
    }
    /* Other programs write their local time and its offset from UTC: "+01:00". */
    char sign;
    unsigned hours, minutes;
    int64_t ahead = 0;
    if (sscanf(end, "%c%2u:%2u", &sign, &hours, &minutes) == 3 && strlen(end) == 6 &&
        (sign == '+' || sign == '-'))
        ahead = (int64_t)(hours * 60 + minutes) * 60000 * (sign == '-' ? -1 : 1);
    else if (strcmp(end, "Z") != 0)
        return -1;
    return (int64_t)timegm(&utc) * 1000 + ms - ahead;
}
