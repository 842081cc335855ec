/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            perror(#x);                                                                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void *work(void *share)
{
    double sum = 0;
    for (int i = 1; i < 100000; i++)
        sum += sqrt(i);
    __atomic_add_fetch((long *)share, (long)sum, __ATOMIC_SEQ_CST);
    return NULL;
}

int main(void)
{
    /* Shared between processes, by a file and by a name in /dev/shm. */
    int file = open("map", O_RDWR | O_CREAT | O_TRUNC, 0600),
        shm = shm_open("/c", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && ftruncate(file, 4096) == 0 && shm >= 0 && ftruncate(shm, 4096) == 0);
    long *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shm, 0);
    CHECK(mapped != MAP_FAILED && shared != MAP_FAILED);
    int ends[2];
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            pthread_t threads[4];
            for (int t = 0; t < 4; t++)
                CHECK(pthread_create(&threads[t], NULL, work, shared) == 0);
            for (int t = 0; t < 4; t++)
                CHECK(pthread_join(threads[t], NULL) == 0);
            __atomic_add_fetch(mapped, 1, __ATOMIC_SEQ_CST);
            CHECK(write(ends[1], "x", 1) == 1);
            _exit(0);
        }
    }
    char bytes[4];
    for (int i = 0, status; i < 4; i++)
        CHECK(wait(&status) > 0 && status == 0 && read(ends[0], bytes + i, 1) == 1);
    CHECK(*mapped == 4 && *shared == 16 * 21081692L);
    FILE *out = popen("tr A-Z a-z", "w");
    CHECK(out != NULL && fputs("HELLO C\n", out) >= 0 && pclose(out) == 0);
    return 0;
}
