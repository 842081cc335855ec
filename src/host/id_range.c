/* SPDX-License-Identifier: MIT */
#include "host/id_range.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

static const char operation[] = "ids.take";

enum { ASK_TIMEOUT_MS = 5000, FILE_MAX = 1 << 20 };

/* What the file says of a range. A zero means that nothing is known yet. */
enum { UNUSED = 'u', KNOWN = 'k' };

/* Returns whether a line NAME:FIRST:COUNT of the file gives away ids of the range. */
static bool is_subordinate(const char *path, uint32_t first)
{
    cleanup_free char *text = io_read_file_at(AT_FDCWD, path, FILE_MAX, NULL);
    char *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        unsigned long long from, count;
        if (sscanf(line, "%*[^:]:%llu:%llu", &from, &count) == 2 && count > 0 &&
            from < (unsigned long long)first + ID_RANGE_SIZE && from + count > first)
            return true;
    }
    return false;
}

/* Does not ask for every id, only for those of root and the first users in the sandbox, and those
 * at which directory services begin to count. */
static bool has_names(uint32_t first)
{
    static const uint32_t offsets[] = {0, 1, 500, 1000, 65534};
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
        if (getpwuid(first + offsets[i]) || getgrgid(first + offsets[i]))
            return true;
    return false;
}

/* Asks in a child: a directory service may be slow, and loads its code into the process that
 * asks. */
int id_range_ask(uint32_t first)
{
    __attribute__((cleanup(process_destroy))) struct process child = {.pidfd = -1};
    if (is_subordinate("/etc/subuid", first) || is_subordinate("/etc/subgid", first))
        return 1;
    pid_t pid = process_clone(&child, 0);
    if (pid == 0)
        _exit(has_names(first));
    struct process_status status;
    return pid < 0 || process_wait(&child, clock_ms() + ASK_TIMEOUT_MS, &status) < 0 ||
                   status.signal
               ? -1
               : status.code;
}

static int open_file(const char *folder)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -1;
    cleanup_close int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return dirfd < 0 ? -1 : openat(dirfd, "ids", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Locks the open file, not the process: such a lock is kept while a child still has the file. */
static int set_lock(int file, off_t range, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = range, .l_len = 1};
    return fcntl(file, F_OFD_SETLK, &lock);
}

static bool is_unused(int file, off_t range, id_range_known *known)
{
    char kept = '\0';
    if (pread(file, &kept, 1, range) == 1 && (kept == UNUSED || kept == KNOWN))
        return kept == UNUSED;
    int answer = known(ID_RANGE_FIRST + (uint32_t)range * ID_RANGE_SIZE);
    kept = answer > 0 ? KNOWN : UNUSED;
    /* If the answer cannot be kept, we ask again next time. */
    if (answer >= 0)
        (void)!pwrite(file, &kept, 1, range);
    return answer <= 0;
}

int id_range_take(int *lock, uint32_t *first, const char *folder, id_range_known *known,
                  lrun_error *err)
{
    cleanup_close int file = open_file(folder);
    if (file < 0) {
        error_errno(err, LRUN_START_FAILED, operation, errno, "cannot open '%s/ids'", folder);
        return error_hint(err, "make %s a folder that root can write to", folder);
    }
    for (off_t range = 0; range < ID_RANGE_COUNT; range++) {
        if (set_lock(file, range, F_WRLCK) < 0) {
            if (errno == EAGAIN || errno == EACCES)
                continue;
            return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot lock '%s/ids'",
                               folder);
        }
        if (is_unused(file, range, known)) {
            *first = ID_RANGE_FIRST + (uint32_t)range * ID_RANGE_SIZE;
            *lock = steal_fd(&file);
            return 0;
        }
        (void)set_lock(file, range, F_UNLCK);
    }
    error_set(err, LRUN_START_FAILED, operation,
              "all %d ranges of ids are in use, by runs or by names that this machine knows",
              ID_RANGE_COUNT);
    return error_hint(err, "wait for other runs to end; detached ones: light-runner ls");
}
