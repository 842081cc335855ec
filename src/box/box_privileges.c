/* SPDX-License-Identifier: MIT */
#include "box/box_parts.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A hard limit can be raised only with a capability that the caller may not have. */
static int limit(const struct box_limit *l)
{
    struct rlimit now, want = l->most;
    if (getrlimit(l->resource, &now) < 0)
        return -1;
    if (!l->exact && want.rlim_max > now.rlim_max)
        want.rlim_max = now.rlim_max;
    if (want.rlim_cur > want.rlim_max)
        want.rlim_cur = want.rlim_max;
    return setrlimit(l->resource, &want);
}

int box_privileges_limit(struct box_failure *failure)
{
    for (const struct box_limit *l = box_limits; l->resource >= 0; l++)
        if (limit(l) < 0)
            return box_failed(failure, BOX_SET_LIMITS, "");
    return 0;
}

int box_privileges_become_root(const struct box *b, struct box_failure *failure)
{
    if ((!b->keeps_groups && setgroups(0, NULL) < 0) || setresgid(0, 0, 0) < 0 ||
        setresuid(0, 0, 0) < 0)
        return box_failed(failure, BOX_BECOME_ROOT, "");
    return 0;
}

static void allow(struct __user_cap_data_struct *data, const struct confinement_capability *c)
{
    for (; c->name; c++) {
        struct __user_cap_data_struct *word = &data[CAP_TO_INDEX(c->number)];
        word->effective |= CAP_TO_MASK(c->number);
        word->permitted = word->effective;
    }
}

/* Before the filter: without no_new_privs, installing one takes CAP_SYS_ADMIN, which goes last. */
static int limit_capabilities(const struct __user_cap_data_struct *data)
{
    int i = 0;
    for (; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        if (!(data[CAP_TO_INDEX(i)].permitted & CAP_TO_MASK(i)) &&
            prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
            return -1;
    /* EINVAL: the kernel has no more capabilities. */
    return errno != EINVAL ? -1 : prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int install_filter(const struct box *b)
{
    struct sock_fprog program = {
        .len = (unsigned short)(b->filter_length / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *)b->filter,
    };
    return b->filter ? (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) : 0;
}

int box_privileges_drop(const struct box *b, struct box_failure *failure)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    allow(data, confinement_capabilities);
    if (b->agent_confines)
        allow(data, confinement_agent_capabilities);
    if (limit_capabilities(data) < 0)
        return box_failed(failure, BOX_DROP_CAPABILITIES, "");
    if (b->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return box_failed(failure, BOX_KEEP_PRIVILEGES, "");
    if (install_filter(b) < 0)
        return box_failed(failure, BOX_INSTALL_FILTER, "");
    if (syscall(SYS_capset, &header, data) < 0)
        return box_failed(failure, BOX_DROP_CAPABILITIES, "");
    return 0;
}
