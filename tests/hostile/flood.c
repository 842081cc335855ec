/* SPDX-License-Identifier: MIT */
/*
 * flood COUNT: opens that many connections to itself and sends on each until the kernel takes no more: nobody reads. Prints
 * how many bytes the kernel has kept.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

int main(int argc, char **argv)
{
    static char block[65536];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    unsigned long long kept = 0;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (void *)&address, length) < 0 ||
        listen(listener, 4096) < 0 || getsockname(listener, (void *)&address, &length) < 0)
        fail("listen");
    for (int i = 0; i < (argc > 1 ? atoi(argv[1]) : 1); i++) {
        int out = socket(AF_INET, SOCK_STREAM, 0);
        if (out < 0 || connect(out, (void *)&address, length) < 0 ||
            accept(listener, NULL, NULL) < 0)
            break;
        fcntl(out, F_SETFL, O_NONBLOCK);
        /* The receiver's window opens in steps, each after a moment. */
        for (int idle = 0; idle < 3;) {
            ssize_t n = send(out, block, sizeof(block), MSG_NOSIGNAL);
            if (n > 0) {
                kept += (unsigned long long)n;
                idle = 0;
            } else {
                idle++;
                usleep(2000);
            }
        }
    }
    printf("%llu\n", kept);
    return 0;
}
