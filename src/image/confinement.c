/* SPDX-License-Identifier: MIT */
#include "image/confinement.h"

#include "base/cleanup.h"
#include "host/filter.h"
#include "host/rootless.h"
#include "host/userns.h"

#include <fcntl.h>
#include <sys/syscall.h>

/* System calls that the sandbox's profile allows but the helpers do not need: they do not
 * communicate, and do not inspect other processes. */
static const int refused[] = {
    SYS_socket,   SYS_socketpair, SYS_connect, SYS_bind,     SYS_listen,   SYS_accept,
    SYS_accept4,  SYS_sendto,     SYS_sendmsg, SYS_sendmmsg, SYS_recvfrom, SYS_recvmsg,
    SYS_recvmmsg, SYS_shmget,     SYS_shmat,   SYS_shmctl,   SYS_msgget,   SYS_msgsnd,
    SYS_msgrcv,   SYS_msgctl,     SYS_semget,  SYS_semop,    SYS_semctl,   SYS_mq_open,
    SYS_ptrace,   SYS_keyctl,     SYS_add_key, SYS_io_setup, SYS_mknodat,  SYS_inotify_init1,
};

static int load_filter(struct confinement *c, struct store *store, lrun_error *err)
{
    cleanup_free char *folder = NULL;
    return store_scratch_folder(store, &folder, err) < 0 ||
                   filter_get(folder, FILTER_ALONE, &c->walls.filter, &c->walls.filter_length,
                              err) < 0 ||
                   filter_refuse(&c->walls.filter, &c->walls.filter_length, refused,
                                 sizeof(refused) / sizeof(refused[0]), err) < 0 ||
                   /* Only the unpacker has the capability for it. */
                   filter_allow(&c->walls.filter, &c->walls.filter_length, SYS_chroot, err) < 0
               ? -1
               : 0;
}

int confinement_open(struct confinement *c, struct store *store, lrun_error *err)
{
    uint32_t first, count, host_first;
    *c = CONFINEMENT_NONE;
    /* The filter comes first: it may have to be compiled, which needs the user's own files. */
    if (load_filter(c, store, err) < 0 || rootless_enter(err) < 0)
        return -1;
    if (!rootless_active()) {
        c->owners = true;
        c->first_id = USERNS_FILES_FIRST;
        return userns_open_files(&c->walls.user_namespace, err);
    }
    rootless_sandbox_ids(&first, &count, &host_first);
    c->owners = rootless_has_ids();
    c->first_id = first;
    return userns_open(&c->walls.user_namespace, NULL, first, count, err);
}

int confinement_open_in(struct confinement *c, struct store *store, int user_namespace,
                        uint32_t first_id, lrun_error *err)
{
    *c =
        (struct confinement){.walls = {.user_namespace = -1}, .first_id = first_id, .owners = true};
    c->walls.user_namespace = fcntl(user_namespace, F_DUPFD_CLOEXEC, 3);
    return c->walls.user_namespace < 0 ? error_errno(err, LRUN_IO_FAILED, "image.confine", errno,
                                                     "cannot keep the user namespace")
                                       : load_filter(c, store, err);
}

int confinement_open_calls(struct confinement *c, struct store *store, lrun_error *err)
{
    cleanup_free char *folder = NULL;
    *c = CONFINEMENT_NONE;
    return store_scratch_folder(store, &folder, err) < 0 ||
                   filter_get(folder, FILTER_ALONE, &c->walls.filter, &c->walls.filter_length,
                              err) < 0
               ? -1
               : 0;
}

void confinement_close(struct confinement *c)
{
    cleanup_close_fd(&c->walls.user_namespace);
    free(c->walls.filter);
    c->walls.filter = NULL;
}
