/* SPDX-License-Identifier: MIT */
/*
 * The smallest complete use of the library: runs one shell command in a sandbox.
 *
 *     cc minimal.c $(pkg-config --cflags --libs lightrunner) -o minimal
 *     ./minimal busybox 'echo hello from $(uname -s)'
 */
#include <lightrunner.h>
#include <stdio.h>

static void print_line(void *user, lr_stream stream, const char *line, size_t length)
{
    (void)user;
    fprintf(stream == LR_STDERR ? stderr : stdout, "| %.*s\n", (int)length, line);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s IMAGE COMMAND\n", argv[0]);
        return 125;
    }

    lr_error error = LR_ERROR_INIT;
    lr_runner *runner = NULL;
    lr_execution *execution = NULL;
    lr_result *result = NULL;

    LR_INIT(lr_runner_options, options);
    options.memory = "256m";

    LR_INIT(lr_request, request);
    request.image = argv[1];
    request.entrypoint = argv[2];
    request.timeout_ms = 30000;
    request.on_log = print_line;

    int code = 125;
    if (lr_runner_new(&runner, &options, &error) == 0 &&
        lr_run(runner, &request, &execution, &error) == 0 &&
        lr_execution_wait(execution, &result, &error) == 0) {
        printf("exit code %d after %llu ms\n", result->exit_code,
               (unsigned long long)result->duration_ms);
        code = result->exit_code;
    } else {
        fprintf(stderr, "%s: %s\n", lr_code_name(error.code), error.message);
        if (error.hint[0])
            fprintf(stderr, "try: %s\n", error.hint);
    }

    lr_result_free(result);
    lr_execution_free(execution);
    lr_runner_free(runner);
    return code;
}
