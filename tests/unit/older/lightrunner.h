/* SPDX-License-Identifier: MIT */
/*
 * A header as a version before 0.1 might have had it: the same functions, but shorter structs. It
 * is frozen. older_caller.c is compiled with it, and must work with every later library that has
 * the same soname.
 */
#ifndef LIGHTRUNNER_H
#define LIGHTRUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lrun_code {
    LRUN_OK = 0,
    LRUN_INVALID_ARGUMENT = 1,
    LRUN_SUPERVISOR_LOST = 11
} lrun_code;

const char *lrun_code_name(lrun_code code);

typedef struct lrun_error {
    lrun_code code;
    char message[768];
    char operation[48];
    char id[48];
    char hint[512];
    char reserved[124];
} lrun_error;

typedef enum lrun_switch { LRUN_DEFAULT = 0, LRUN_ON = 1, LRUN_OFF = 2 } lrun_switch;

typedef struct lrun_runner_options {
    size_t size;
    const char *runtime;
    const char *engine;
    const char *memory;
    double cpus;
    const char *gpus;
    lrun_switch no_new_privileges;
    const char *disk;
    uint64_t max_extract_bytes;
    uint64_t max_log_bytes;
    const char *supervisor;
} lrun_runner_options;

void lrun_runner_options_init(lrun_runner_options *options, size_t size);

typedef struct lrun_runner lrun_runner;

int lrun_runner_new(lrun_runner **out, const lrun_runner_options *options, lrun_error *err);
void lrun_runner_free(lrun_runner *runner);

typedef struct lrun_request {
    size_t size;
    const char *image;
    const char *entrypoint;
} lrun_request;

void lrun_request_init(lrun_request *request, size_t size);

typedef enum lrun_stream { LRUN_STDOUT = 1, LRUN_STDERR = 2 } lrun_stream;

typedef void (*lrun_output_fn)(void *user, lrun_stream stream, const char *data, size_t length);

typedef struct lrun_callbacks {
    size_t size;
    void *user;
    lrun_output_fn on_output;
    lrun_output_fn on_line;
} lrun_callbacks;

void lrun_callbacks_init(lrun_callbacks *callbacks, size_t size);

typedef struct lrun_usage {
    uint64_t cpu_ms;
} lrun_usage;

typedef struct lrun_isolation {
    const char *runtime;
    const char *kernel;
    const char *host_kernel;
    bool verified;
} lrun_isolation;

typedef struct lrun_timings {
    double prepare_ms;
} lrun_timings;

typedef struct lrun_result {
    bool success;
    int exit_code;
    int signal;
    bool cancelled;
    bool timed_out;
    bool cpu_timed_out;
    bool oom_killed;
    bool log_truncated;
    uint64_t duration_ms;
    uint64_t timeout_ms;
    const char *id;
    const lrun_usage *usage;
    const lrun_isolation *isolation;
    const lrun_timings *timings;
} lrun_result;

void lrun_result_free(lrun_result *result);

typedef struct lrun_execution lrun_execution;

int lrun_run(const lrun_runner *runner, const lrun_request *request,
             const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err);
int lrun_execution_wait(lrun_execution *execution, lrun_result **out, lrun_error *err);
void lrun_execution_free(lrun_execution *execution);

typedef struct lrun_reaped {
    size_t size;
    unsigned containers;
} lrun_reaped;

void lrun_reaped_init(lrun_reaped *reaped, size_t size);
int lrun_reap(const lrun_runner *runner, int64_t min_age_ms, lrun_reaped *out, lrun_error *err);

#endif
