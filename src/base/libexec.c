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
    /* In a build folder, as seen from a nested folder: src/run, tests/unit. */
    "../../libexec/light-runner",
    NULL,
};

/* Returns the resolved path of the program in that folder, if it is readable and belongs to `owner`
 * (NULL: to anybody) or root; else NULL. */
static char *look(const char *folder, const char *place, const char *program, const uid_t *owner)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/%s/%s", folder, place, program);
    if (n < 0 || (size_t)n >= sizeof(path))
        return NULL;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, R_OK) < 0)
        return NULL;
    if (owner && st.st_uid != *owner && st.st_uid != 0)
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

/* The program counts only if it belongs to root or to the owner of the running program: other users may
 * be able to write to the folder in which the running program lies, /tmp for example. */
static char *beside(const char *const *folders, const char *program)
{
    char own[PATH_MAX];
    char *found = NULL;
    struct stat self;
    if (own_folder(own) && stat("/proc/self/exe", &self) == 0)
        for (size_t i = 0; !found && folders[i]; i++)
            found = look(own, folders[i], program, &self.st_uid);
    return found;
}

char *libexec_find(const char *program, lrun_error *err)
{
    char *found = NULL;
    const char *chosen = secure_getenv("LIGHT_RUNNER_LIBEXEC");
    if (chosen && chosen[0] == '/')
        found = look(chosen, ".", program, NULL);
    if (!found)
        found = beside(places, program);
    if (!found)
        found = look(LIGHT_RUNNER_LIBEXEC_DIR, ".", program, NULL);
    if (!found) {
        error_set(err, LRUN_IO_FAILED, "libexec.find", "light-runner's own program '%s' is missing",
                  program);
        error_hint(err, "install light-runner again, or name the folder that has it in "
                        "LIGHT_RUNNER_LIBEXEC");
    }
    return found;
}
