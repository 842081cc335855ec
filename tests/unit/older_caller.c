/* SPDX-License-Identifier: MIT */
/*
 * A program that is compiled against an older header (older/lightrunner.h). It runs with the
 * current library and fake_supervisor.c. Each struct lies at the end of a page, and the next page
 * is not accessible. A library that reads or writes beyond the caller's struct crashes the program.
 */
#include <lightrunner.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: not so: %s; last error: %s\n", __LINE__, #condition,         \
                    error.message);                                                                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static lrun_error error;

/* Returns memory that ends at the end of a page, filled with a value that no field may have. */
static void *at_the_edge(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
    memset(pages, 0x5a, page);
    return pages + page - size;
}

static void on_line(void *user, lrun_stream stream, const char *data, size_t length)
{
    (void)stream;
    strncat(user, data, length);
    strcat(user, "|");
}

int main(void)
{
    lrun_runner *runner = NULL;
    lrun_execution *execution = NULL;
    lrun_result *result = NULL;
    char seen[64] = "";

    lrun_runner_options *options = at_the_edge(sizeof(*options));
    lrun_runner_options_init(options, sizeof(*options));
    CHECK(options->size == sizeof(*options) && !options->runtime);
    options->supervisor = getenv("FAKE_SUPERVISOR");
    CHECK(lrun_runner_new(&runner, options, &error) == 0);

    lrun_request *request = at_the_edge(sizeof(*request));
    lrun_request_init(request, sizeof(*request));
    request->image = "image";
    request->entrypoint = "lines";
    lrun_callbacks *callbacks = at_the_edge(sizeof(*callbacks));
    lrun_callbacks_init(callbacks, sizeof(*callbacks));
    callbacks->on_line = on_line;
    callbacks->user = seen;
    CHECK(lrun_run(runner, request, callbacks, &execution, &error) == 0);
    CHECK(lrun_execution_wait(execution, &result, &error) == 0);
    CHECK(result->success && result->exit_code == 0 && strlen(result->id) == 25);
    CHECK(result->usage->cpu_ms == 0 && !result->isolation->verified &&
          result->timings->prepare_ms == 0);
    CHECK(strcmp(seen, "one|err\r|two|last|") == 0);
    lrun_result_free(result);
    lrun_execution_free(execution);

    lrun_reaped *reaped = at_the_edge(sizeof(*reaped));
    lrun_reaped_init(reaped, sizeof(*reaped));
    CHECK(lrun_reap(runner, 0, reaped, &error) == 0 && reaped->containers == 3);

    /* The library must not write in front of the struct either. */
    CHECK(((unsigned char *)reaped)[-1] == 0x5a && ((unsigned char *)callbacks)[-1] == 0x5a);
    lrun_runner_free(runner);
    puts("an older program works");
    return 0;
}
