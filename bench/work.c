/* SPDX-License-Identifier: MIT */
/*
 * bench/tiers.py runs this in a sandbox. It does one kind of work, and prints the milliseconds that
 * the work took by its own clock.
 *
 *     work nothing | cpu | read | write | fork | net ADDRESS PORT
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, MIB = 1 << 20, FILE_MIB = 256, PASSES = 4, FORKS = 300, PINGS = 5000 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void must(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static double cpu(void)
{
    volatile uint64_t x = 88172645463325252ull;
    double begun = now();
    for (int i = 0; i < 200000000; i++) {
        uint64_t y = x;
        y ^= y << 13;
        y ^= y >> 7;
        y ^= y << 17;
        x = y;
    }
    return now() - begun;
}

static double write_file(void)
{
    static char data[CHUNK];
    memset(data, 'x', sizeof(data));
    double begun = now();
    int fd = open("file", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0, "open");
    for (int i = 0; i < FILE_MIB * (MIB / CHUNK); i++)
        must(write(fd, data, CHUNK) == CHUNK, "write");
    close(fd);
    return now() - begun;
}

static double read_file(void)
{
    static char data[CHUNK];
    write_file();
    double begun = now();
    for (int pass = 0; pass < PASSES; pass++) {
        int fd = open("file", O_RDONLY);
        must(fd >= 0, "open");
        ssize_t n;
        while ((n = read(fd, data, CHUNK)) > 0)
            ;
        must(n == 0, "read");
        close(fd);
    }
    return now() - begun;
}

static double fork_many(const char *self)
{
    double begun = now();
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl(self, self, "nothing", (char *)NULL);
            _exit(127);
        }
        int status;
        must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "fork");
    }
    return now() - begun;
}

/* Sends a byte and receives a byte, again and again. */
static double net(const char *address, const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    char byte = 'x';
    must(inet_pton(AF_INET, address, &to.sin_addr) == 1, "address");
    must(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    double begun = now();
    for (int i = 0; i < PINGS; i++) {
        must(write(fd, &byte, 1) == 1, "send");
        must(read(fd, &byte, 1) == 1, "receive");
    }
    return now() - begun;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "nothing") == 0)
        return 0;
    double ms = strcmp(what, "cpu") == 0     ? cpu()
                : strcmp(what, "read") == 0  ? read_file()
                : strcmp(what, "write") == 0 ? write_file()
                : strcmp(what, "fork") == 0  ? fork_many(argv[0])
                : argc == 4                  ? net(argv[2], argv[3])
                                             : -1;
    printf("%.3f\n", ms);
    return ms < 0;
}
