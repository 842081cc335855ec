/* SPDX-License-Identifier: MIT */
/*
 * The smallest complete use of the library: runs one shell command in a sandbox.
 *
 *     cc minimal.c $(pkg-config --cflags --libs lightrunner) -o minimal
 *     ./minimal busybox 'echo hello from $(uname -s)'
 */
#include <lightrunner.h>
#include <stdio.h>

static void print_line(void *user, lrun_stream stream, const char *line, size_t length)
{
    (void)user;
    fprintf(stream == LRUN_STDERR ? stderr : stdout, "| %.*s\n", (int)length, line);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s IMAGE COMMAND\n", argv[0]);
        return 125;
    }

    lrun_error error = LRUN_ERROR_INIT;
    lrun_runner *runner = NULL;
    lrun_execution *execution = NULL;
    lrun_result *result = NULL;

    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    options.memory = "256m";

    lrun_request request = LRUN_REQUEST_INIT;
    request.image = argv[1];
    request.entrypoint = argv[2];
    request.timeout_ms = 30000;

    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    callbacks.on_line = print_line;

    int code = 125;
    if (lrun_runner_new(&runner, &options, &error) == 0 &&
        lrun_run(runner, &request, &callbacks, &execution, &error) == 0 &&
        lrun_execution_wait(execution, &result, &error) == 0) {
        printf("exit code %d after %llu ms\n", result->exit_code,
               (unsigned long long)result->duration_ms);
        code = result->exit_code;
    } else {
        fprintf(stderr, "%s: %s\n", lrun_code_name(error.code), error.message);
        if (error.hint[0])
            fprintf(stderr, "try: %s\n", error.hint);
    }

    lrun_result_free(result);
    lrun_execution_free(execution);
    lrun_runner_free(runner);
    return code;
}
