/* SPDX-License-Identifier: MIT */
#include "image/unpack_confine.h"

#include "base/sanitizer.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPERATION "image.confine"

/* A few times the largest compression window that libarchive accepts. */
#define MEMORY_MAX (1ull << 30)

/*
 * CAP_SETFCAP is left out on purpose: file capabilities of an image are not restored. A sandbox
 * drops nearly all of them anyway, and nothing in an archive should be able to grant privileges.
 */
static const uint64_t kept_capabilities =
    1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_FSETID;

static int fail(lrun_error *err, const char *what)
{
    error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot confine the unpacking: %s", what);
    return -1;
}

/* Requires the seccomp filter and a PID namespace. Started by hand, the unpacker would work
 * on the host itself. */
static int check_confined(lrun_error *err)
{
    errno = EPERM;
    return prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER && getpid() == 1
               ? 0
               : fail(err, "it was started without its confinement");
}

/* chroot() is enough here: the process keeps no capability to leave it, and there is nothing
 * outside but the system's libraries. */
static int change_root(const char *folder, lrun_error *err)
{
    return chdir(folder) < 0 || chroot(".") < 0 ? fail(err, "changing the root") : 0;
}

static int drop_capabilities(lrun_error *err)
{
    for (unsigned long c = 0; c < 64; c++)
        if (!(kept_capabilities >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 &&
            errno != EINVAL) /* the kernel does not know it */
            return fail(err, "capabilities");
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    for (int i = 0; i < 2; i++)
        data[i].effective = data[i].permitted = (uint32_t)(kept_capabilities >> (32 * i));
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &header, data) < 0)
        return fail(err, "capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail(err, "no new privileges");
    return 0;
}

static int limit(int resource, rlim_t value, lrun_error *err)
{
    struct rlimit now;
    if (getrlimit(resource, &now) < 0)
        return fail(err, "limits");
    if (now.rlim_max < value)
        value = now.rlim_max;
    now = (struct rlimit){value, value};
    return setrlimit(resource, &now) < 0 ? fail(err, "limits") : 0;
}

int unpack_limit_memory(uint64_t bytes, lrun_error *err)
{
#ifdef SHADOW_MEMORY
    (void)bytes;
    (void)err;
    return 0;
#else
    return limit(RLIMIT_AS, bytes, err);
#endif
}

int unpack_confine(const char *folder, uint64_t max_file_bytes, lrun_error *err)
{
    if (check_confined(err) < 0 || change_root(folder, err) < 0 || drop_capabilities(err) < 0)
        return -1;
    if (unpack_limit_memory(MEMORY_MAX, err) < 0 || limit(RLIMIT_FSIZE, max_file_bytes, err) < 0 ||
        limit(RLIMIT_CORE, 0, err) < 0)
        return -1;
    umask(022);
    return 0;
}
