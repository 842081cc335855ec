/* SPDX-License-Identifier: MIT */
/* A file descriptor on its way to another process, through a local socket. */
#ifndef HOST_PASS_FD_H
#define HOST_PASS_FD_H

#include <stddef.h>

/* Sends `size` bytes, at least one, in one message, with the fd (-1: without any). Returns 0, or -1
 * with errno. */
int pass_fd_send(int socket, int fd, const void *data, size_t size);

/* Receives one such message; waits for it if the socket blocks. *fd is close-on-exec; it is -1 if none
 * came along. Returns 0, or -1 with errno (EPROTO: the message has another size). */
int pass_fd_receive(int socket, int *fd, void *data, size_t size);

#endif
