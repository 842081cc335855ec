/* SPDX-License-Identifier: MIT */
/*
 * Starts fresh sandboxes for some seconds, in several workers at once, each one after the other:
 *
 *     parallel WORKERS SECONDS image NAME              by the library: `true` without a network
 *     parallel WORKERS SECONDS exec PROGRAM ARG...     by a program; "@" as an ARG becomes a new name
 *
 * Prints how many there were, and in how many seconds.
 */
#include <lightrunner.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS_MAX = 64, WORDS_MAX = 64 };

extern char **environ;

static double end;
static char **command; /* NULL: by the library */
static const char *image;
static lrun_runner *runner;
static atomic_uint count;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_library(void)
{
    static const char *const networks[] = {"none", NULL};
    lrun_error error = LRUN_ERROR_INIT;
    lrun_execution *execution = NULL;
    lrun_result *result = NULL;
    lrun_request request = LRUN_REQUEST_INIT;
    request.image = image;
    request.entrypoint = "true";
    request.networks = networks;
    int failed = lrun_run(runner, &request, NULL, &execution, &error) < 0 ||
                 lrun_execution_wait(execution, &result, &error) < 0 || result->exit_code != 0;
    if (failed)
        fprintf(stderr, "parallel: %s\n", error.message);
    lrun_result_free(result);
    lrun_execution_free(execution);
    return failed;
}

static int by_program(unsigned number)
{
    char name[64], *argv[WORDS_MAX + 1];
    size_t n = 0;
    int status;
    pid_t pid;
    snprintf(name, sizeof(name), "bench-%d-%u", (int)getpid(), number);
    for (; command[n] && n < WORDS_MAX; n++)
        argv[n] = strcmp(command[n], "@") == 0 ? name : command[n];
    argv[n] = NULL;
    return posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
           waitpid(pid, &status, 0) != pid || status != 0;
}

static void *work(void *unused)
{
    (void)unused;
    while (now() < end) {
        unsigned number = atomic_fetch_add(&count, 1);
        if (command ? by_program(number) : by_library()) {
            fprintf(stderr, "parallel: number %u failed\n", number);
            exit(1);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    lrun_error error = LRUN_ERROR_INIT;
    pthread_t threads[WORKERS_MAX];
    int workers = argc < 5 ? 0 : atoi(argv[1]);
    if (workers < 1 || workers > WORKERS_MAX) {
        fprintf(stderr, "usage: parallel WORKERS SECONDS image NAME | exec PROGRAM ARG...\n");
        return 2;
    }
    image = argv[4];
    command = strcmp(argv[3], "exec") == 0 ? argv + 4 : NULL;
    if (lrun_runner_new(&runner, NULL, &error) < 0) {
        fprintf(stderr, "parallel: %s\n", error.message);
        return 1;
    }
    double begun = now();
    end = begun + atof(argv[2]);
    for (int i = 0; i < workers; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            return 1;
    for (int i = 0; i < workers; i++)
        pthread_join(threads[i], NULL);
    printf("%u %.3f\n", count, now() - begun);
    lrun_runner_free(runner);
    return 0;
}
