/* SPDX-License-Identifier: MIT */
#include "base/libexec.h"

#include "base/cleanup.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* Relative to the folder of the running program. */
static const char *const places[] = {
    ".",
    "../libexec/light-runner",
    /* The build folder, seen from the folders in it that hold programs or tests. */
    "../agent",
    "../guest",
    "../src/run",
    "../src/image",
    "../src/host",
    "../src/engine",
    "../src/setup",
    "../src/tier",
    "../host",
    "../engine",
    "../../agent",
    "../../guest",
    "../../src/tier",
    "../../src/run",
    "../../src/image",
    "../../src/host",
    "../../src/engine",
    "../run",
    "../image",
    "../tier",
};

/* The file in that folder, resolved, when it can be read; else NULL. */
static char *look(const char *folder, const char *place, const char *program)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/%s/%s", folder, place, program);
    if (n < 0 || (size_t)n >= sizeof(path))
        return NULL;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, R_OK) < 0)
        return NULL;
    return realpath(path, NULL);
}

static bool own_folder(char folder[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (n <= 0 || n >= PATH_MAX - 1)
        return false;
    folder[n] = '\0';
    char *slash = strrchr(folder, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

char *libexec_find(const char *program, lrun_error *err)
{
    char folder[PATH_MAX];
    char *found = NULL;
    const char *chosen = secure_getenv("LIGHT_RUNNER_LIBEXEC");
    if (chosen && chosen[0] == '/')
        found = look(chosen, ".", program);
    if (!found && own_folder(folder))
        for (size_t i = 0; !found && i < sizeof(places) / sizeof(places[0]); i++)
            found = look(folder, places[i], program);
    if (!found)
        found = look(LIGHT_RUNNER_LIBEXEC_DIR, ".", program);
    if (!found) {
        error_set(err, LRUN_IO_FAILED, "libexec.find", "light-runner's own program '%s' is missing",
                  program);
        error_hint(err, "install light-runner again, or name the folder that has it in "
                        "LIGHT_RUNNER_LIBEXEC");
    }
    return found;
}
