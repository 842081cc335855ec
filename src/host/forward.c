/* SPDX-License-Identifier: MIT */
#include "host/forward.h"

#include "base/cleanup.h"
#include "host/pass_fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DNS_PORT = 53 };

int forward_report(int socket)
{
    /* This is not a wall, and pasta uses the machine's own calling convention, so the number is
     * enough. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    cleanup_close int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                              SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0)
        return -1;
    return pass_fd_send(socket, listener, "", 1);
}

int forward_listen(int socket)
{
    char byte;
    int listener;
    return pass_fd_receive(socket, &listener, &byte, 1) < 0 ? -1 : listener;
}

/* Returns whether the call is for port 53 of that address. */
static bool is_for(const struct seccomp_notif *call, const char *address)
{
    struct sockaddr_in to, wanted = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    struct iovec here = {&to, sizeof(to)};
    struct iovec there = {(void *)(uintptr_t)call->data.args[1], sizeof(to)};
    inet_pton(AF_INET, address, &wanted.sin_addr);
    return call->data.args[2] >= sizeof(to) &&
           process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0) == sizeof(to) &&
           to.sin_family == wanted.sin_family && to.sin_port == wanted.sin_port &&
           to.sin_addr.s_addr == wanted.sin_addr.s_addr;
}

/* Returns what connect() would: 0 or a negated errno. */
static int connect_for(int pidfd, int number, const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    cleanup_close int fd = pidfd_getfd(pidfd, number, 0);
    inet_pton(AF_INET, address, &to.sin_addr);
    return fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

void forward_handle(int listener, int pidfd, const char *from, const char *to)
{
    struct seccomp_notif call = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
        return;
    struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    if (is_for(&call, from)) {
        answer.flags = 0;
        answer.error = connect_for(pidfd, (int)call.data.args[0], to);
    }
    /* This fails if the process has ended meanwhile. */
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}
