/* SPDX-License-Identifier: MIT */
/*
 * meddle hold PATH...: locks the files and watches them, and first of all shows that both are seen. Prints for each file
 * "PATH DEVICE:INODE locked" when a second lock on it is refused, "watched" when opening it is told; then "tick" five
 * times a second, and before that "event NUMBER" for what others have done to the file of that number.
 *
 * meddle try PATH...: opens and locks them. Prints "PATH DEVICE:INODE free", or "busy" when somebody holds the lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

/* The terminal's device has no terminal to be opened for, and O_PATH takes no lock. */
static int open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    return fd < 0 && errno != ENXIO ? fail(path) : fd;
}

static const char *lock(int fd)
{
    if (fd < 0)
        return "unlockable";
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return "free";
    return errno == EWOULDBLOCK ? "busy" : "unlockable";
}

static void show(const char *path, const char *verdict)
{
    struct stat st;
    if (stat(path, &st) < 0)
        fail(path);
    printf("%s %llu:%llu %s\n", path, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
           verdict);
}

/* Numbers of the watches of all that has come. */
static int take(int notify, int numbers[], int max)
{
    char events[4096] __attribute__((aligned(8)));
    struct pollfd p = {.fd = notify, .events = POLLIN};
    int count = 0;
    while (poll(&p, 1, 0) > 0) {
        ssize_t n = read(notify, events, sizeof(events));
        for (char *at = events; n > 0 && at < events + n && count < max;) {
            const struct inotify_event *e = (const struct inotify_event *)at;
            numbers[count++] = e->wd;
            at += sizeof(*e) + e->len;
        }
    }
    return count;
}

static void hold(int count, char **paths)
{
    int notify = inotify_init1(IN_NONBLOCK), numbers[256];
    if (notify < 0)
        fail("inotify");
    for (int i = 0; i < count; i++) {
        const char *first = lock(open_file(paths[i]));
        int second = open_file(paths[i]);
        show(paths[i],
             strcmp(first, "free") == 0 && strcmp(lock(second), "busy") == 0 ? "locked" : first);
        int watch =
            inotify_add_watch(notify, paths[i], IN_OPEN | IN_ACCESS | IN_ATTRIB | IN_MODIFY);
        int third = open_file(paths[i]);
        int seen = take(notify, numbers, 256);
        show(paths[i], watch > 0 && (seen > 0 || third < 0) ? "watched" : "unwatched");
        close(third);
    }
    take(notify, numbers, 256);
    for (;;) {
        int seen = take(notify, numbers, 256);
        for (int i = 0; i < seen; i++)
            printf("event %d\n", numbers[i]);
        printf("tick\n");
        fflush(stdout);
        usleep(200000);
    }
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "hold") == 0)
        hold(argc - 2, argv + 2);
    for (int i = 2; i < argc; i++)
        show(argv[i], lock(open_file(argv[i])));
    return 0;
}
