/* SPDX-License-Identifier: MIT */
/* The initialisers of the public header, as C and as C++: variables, globals, assignments, arrays.
 * As C the program is also executed, as C++ it is only compiled. */
#include <lightrunner.h>

static lrun_error last_error = LRUN_ERROR_INIT;

#ifdef __cplusplus
struct program {
    lrun_request request = LRUN_REQUEST_INIT;
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
};
static program the_program;
static lrun_callbacks *the_callbacks = &the_program.callbacks;
static lrun_request *the_request = &the_program.request;
#else
static lrun_request a_request = LRUN_REQUEST_INIT;
static lrun_callbacks some_callbacks = LRUN_CALLBACKS_INIT;
static lrun_request *the_request = &a_request;
static lrun_callbacks *the_callbacks = &some_callbacks;
#endif

int main(void)
{
    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    lrun_logs_options logs = LRUN_LOGS_OPTIONS_INIT;
    lrun_reaped reaped = LRUN_REAPED_INIT;
    lrun_extract extract[2] = {LRUN_EXTRACT_INIT, LRUN_EXTRACT_INIT};
    lrun_error error = LRUN_ERROR_INIT;
    last_error = error;
    return options.size + reaped.size + extract[1].size > 0 && logs.cancel_fd == -1 &&
                   the_callbacks->input_fd == -1 && the_request->size == sizeof(lrun_request) &&
                   last_error.code == LRUN_OK
               ? 0
               : 1;
}
