/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include "base/cleanup.h"
#include "file_limit.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SHELL_FOLDER "/bin"

static bool has_key(const char *key, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(key, wanted, length) == 0;
}

int launch_prepare(struct launch *l, const struct frame *f, const struct user *user)
{
    const char *at = NULL, *key, *value;
    size_t key_length, arguments = 0, variables = 0;
    while (fields_next(f, &at, &key, &key_length, &value)) {
        arguments += has_key(key, key_length, "arg");
        variables += has_key(key, key_length, "env");
    }
    *l = (struct launch){.user = user, .workdir = -1, .status = -1};
    l->argv = calloc(arguments + 1, sizeof(*l->argv));
    l->envp = calloc(variables + 4, sizeof(*l->envp)); /* PATH, HOME, TERM, NULL */
    if (!l->argv || !l->envp) {
        errno = ENOMEM;
        return -1;
    }
    bool has_home = false, has_term = false;
    arguments = variables = 0;
    /* The casts are safe, because exec() does not write to the strings. */
    for (at = NULL; fields_next(f, &at, &key, &key_length, &value);) {
        if (has_key(key, key_length, "shell")) {
            l->shell = true;
        } else if (has_key(key, key_length, "tty")) {
            l->tty = true;
        } else if (has_key(key, key_length, "arg")) {
            l->argv[arguments++] = (char *)value;
        } else if (has_key(key, key_length, "env")) {
            l->envp[variables++] = (char *)value;
            has_home = has_home || strncmp(value, "HOME=", 5) == 0;
            has_term = has_term || strncmp(value, "TERM=", 5) == 0;
            if (!l->path && strncmp(value, "PATH=", 5) == 0)
                l->path = value + 5;
        }
    }
    if (!l->path) {
        static char path[] = "PATH=" DEFAULT_PATH;
        l->envp[variables++] = path;
        l->path = path + 5;
    }
    if (!has_home) {
        if (asprintf(&l->home, "HOME=%s", user->home) < 0) {
            l->home = NULL;
            errno = ENOMEM;
            return -1;
        }
        l->envp[variables++] = l->home;
    }
    if (l->tty && !has_term) {
        static char term[] = "TERM=xterm";
        l->envp[variables++] = term;
    }
    if (arguments == 0) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

void launch_free(struct launch *l)
{
    free(l->argv);
    free(l->envp);
    free(l->home);
    l->argv = l->envp = NULL;
    l->home = NULL;
}

_Noreturn static void give_up(int status, enum launch_step step, int errnum)
{
    const struct launch_report report = {step, errnum};
    /* The report is shorter than PIPE_BUF, so it is written as a whole or not at all. If the agent
     * is gone, no process needs the report. */
    ssize_t n = write(status, &report, sizeof(report));
    _exit(n == (ssize_t)sizeof(report) ? 127 : 126);
}

/* Makes the out-of-memory killer choose the command, so that the agent can report it. */
static void prefer_oom_kill(void)
{
    cleanup_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0 && write(fd, "1000", 4) < 0)
        return; /* not every kernel has this file; the run continues without it */
}

static void reset_signals(void)
{
    /* The kernel's own call, with its struct all zero (SIG_DFL). The C library reserves two signals
     * and does not let programs change them, and the agent's parent may have ignored them. */
    static const unsigned long standard[8];
    sigset_t none;
    for (int n = 1; n < NSIG; n++)
        syscall(SYS_rt_sigaction, n, standard, NULL, sizeof(uint64_t));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Returns whether to look for the program in the next folder after this errno. *most is the most
 * informative errno so far. */
static bool is_elsewhere(int errnum, int *most)
{
    bool missing = errnum == ENOENT || errnum == ENOTDIR;
    if (!missing)
        *most = errnum;
    /* EACCES: the program exists, but this user may not execute it. */
    return missing || errnum == EACCES;
}

/* Tries to execute the program in each folder of a list. Returns only on failure, and then whether
 * the program may be in a folder that is not on the list. */
static bool search(const struct launch *l, const char *folders, int *most)
{
    bool goes_on = true;
    for (const char *folder = folders, *end; goes_on && folder; folder = *end ? end + 1 : NULL) {
        end = strchrnul(folder, ':');
        char file[PATH_MAX];
        int length = (int)(end - folder) < PATH_MAX ? (int)(end - folder) : PATH_MAX;
        int n = snprintf(file, sizeof(file), "%.*s/%s", length ? length : 1, length ? folder : ".",
                         l->argv[0]);
        if (n < 0 || (size_t)n >= sizeof(file))
            continue;
        execve(file, l->argv, l->envp);
        goes_on = is_elsewhere(errno, most);
    }
    return goes_on;
}

/* Returns only on failure, with the most informative errno. A shell is searched for in the usual
 * folders too, whatever the search path is. */
static int search_and_exec(const struct launch *l)
{
    const char *program = l->argv[0], *path = *l->path ? l->path : DEFAULT_PATH;
    int most = ENOENT;
    if (strchr(program, '/') || !*program) {
        execve(program, l->argv, l->envp);
        return errno;
    }
    if ((!l->shell || search(l, SHELL_FOLDER, &most)) && search(l, path, &most) && l->shell)
        (void)search(l, DEFAULT_PATH, &most);
    return most;
}

_Noreturn void launch_exec(const struct launch *l)
{
    int status = l->status;
    setsid();
    reset_signals();
    prefer_oom_kill();
    for (int i = 0; i < 3; i++)
        if (dup2(l->stdio[i], i) < 0)
            give_up(status, LAUNCH_STDIO, errno);
    if (l->tty && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
        give_up(status, LAUNCH_STDIO, errno);
    umask(022);
    file_limit_restore();
    /* With the agent's ids, because the user may lack permission to enter the working directory. */
    if (fchdir(l->workdir) < 0)
        give_up(status, LAUNCH_WORKDIR, errno);
    /* exec() closes the agent's fds, too; closing them here is a second safeguard. The stdio pipes
     * are in place, so number 3 is free for the report. */
    if (status != 3) {
        if (dup3(status, 3, O_CLOEXEC) < 0)
            give_up(status, LAUNCH_STDIO, errno);
        status = 3;
    }
    if (close_range(4, ~0U, 0) < 0 && errno != ENOSYS && errno != EPERM)
        give_up(status, LAUNCH_STDIO, errno);
    if (user_become(l->user) < 0)
        give_up(status, LAUNCH_USER, errno);
    /* The child still shares the agent's memory, and becoming another user may have opened it to
     * tracers (fs.suid_dumpable). Close it before any program of the command runs that could use
     * that. The executed program gets memory of its own. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        give_up(status, LAUNCH_USER, errno);
    give_up(status, LAUNCH_EXEC, search_and_exec(l));
}

int launch_failure(const struct launch_report *report, const char *program, struct failure *f)
{
    static const char operation[] = "exec";
    switch (report->step) {
    case LAUNCH_WORKDIR:
        return failure_errno(f, operation, report->errnum, "cannot enter the working directory");
    case LAUNCH_USER:
        return failure_errno(f, operation, report->errnum, "cannot become the image's user");
    case LAUNCH_EXEC:
        return failure_errno(f, operation, report->errnum, "cannot execute '%.300s'", program);
    case LAUNCH_STDIO:
        break;
    }
    return failure_errno(f, operation, report->errnum, "cannot set up the command");
}
