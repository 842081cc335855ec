/* SPDX-License-Identifier: MIT */
/*
 * DNS over TCP, if the host's name server is on loopback. pasta forwards questions over UDP to that
 * server (--dns-forward). Before 2024 it did not forward questions over TCP: it connected to the
 * address that the sandbox asked. So the kernel's seccomp reports pasta's connect() calls to the
 * keeper. For that one address, the keeper connects pasta's socket to the host's server instead.
 * All other calls continue unchanged. No wall depends on it: host/egress.h decides which addresses
 * a sandbox reaches.
 */
#ifndef HOST_FORWARD_H
#define HOST_FORWARD_H

/* For pasta's process, before exec: has connect() reported, and sends the listener through
 * `socket`. Returns 0, or -1. */
int forward_report(int socket);

/* For the keeper: returns the listener, or -1. */
int forward_listen(int socket);

/*
 * Handles one reported call of the process `pidfd`. `from` is the IPv4 address that stands for the
 * server `to`.
 */
void forward_handle(int listener, int pidfd, const char *from, const char *to);

#endif
