/* SPDX-License-Identifier: MIT */
/*
 * DNS over TCP where the host's server is on loopback. pasta forwards questions over UDP to it (--dns-forward), and before
 * 2024 those over TCP to nobody: it connects to the address that the sandbox has asked. So its connect() is reported to the
 * keeper, by the kernel's seccomp, and for that one address the keeper connects pasta's socket to the host's server
 * instead. All other calls go on as they are. Nothing depends on it for safety: the addresses that a sandbox reaches are
 * host/egress.h's business.
 */
#ifndef HOST_FORWARD_H
#define HOST_FORWARD_H

/* In pasta's process, before it is executed: reports its connect() and sends the listener through `socket`. 0, or -1. */
int forward_report(int socket);

/* In the keeper: the listener, or -1. */
int forward_listen(int socket);

/*
 * Handles one call that has been reported by the process of `pidfd`. `from`: the IPv4 address that stands for the server
 * `to`.
 */
void forward_handle(int listener, int pidfd, const char *from, const char *to);

#endif
