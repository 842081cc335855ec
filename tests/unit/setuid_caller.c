/* SPDX-License-Identifier: MIT */
/*
 * A program that an administrator might make setuid. It asks light-runner whether runs on Docker
 * are possible, and where the program `planted` is.
 *
 *      setuid_caller SUPERVISOR [become]
 *
 * With `become`, its real ids become root's as well before it asks.
 */
#include "host/process.h"
#include "lightrunner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    if (argc > 2 && strcmp(argv[2], "become") == 0 && (setgid(0) < 0 || setuid(0) < 0))
        return 3;
    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    options.supervisor = argv[1];
    options.engine = "docker";
    lrun_runner *runner = NULL;
    lrun_error e = LRUN_ERROR_INIT;
    if (lrun_runner_new(&runner, &options, &e) < 0) {
        puts(e.message);
        return 4;
    }
    int rc = lrun_available(runner, &e);
    char *found = process_find_program("planted");
    printf("euid %d: %s\nfound: %s\n", (int)geteuid(), rc == 0 ? "available" : e.message,
           found ? found : "nothing");
    free(found);
    lrun_runner_free(runner);
    return 0;
}
