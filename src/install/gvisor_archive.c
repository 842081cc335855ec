/* SPDX-License-Identifier: MIT */
#include "install/gvisor_archive.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPERATION "setup.install"
#define SIDECARS  "gvisor-bin"
#define FOLDER    "gvisor-"

enum { BLOCK = 256 * 1024, DIGEST_SHOWN = 16 };

static const uint64_t bytes_max = (uint64_t)2 << 30; /* of all parts together */

void gvisor_archive_free(struct gvisor_archive *a)
{
    for (size_t i = 0; i < a->count; i++)
        cleanup_close_fd(&a->parts[i].fd);
    a->count = 0;
}

/* ---------------------------------------------------------------- unpacking */

static int broken(const char *why, lrun_error *err)
{
    return error_set(err, LRUN_IO_FAILED, OPERATION, "the archive of gVisor cannot be used: %s",
                     why ? why : "no reason given");
}

static bool is_program(const char *name)
{
    return strcmp(name, "runsc") == 0 || strcmp(name, GVISOR_SHIM) == 0;
}

/* Whether the path is a part, and which one. Other files in the archive are not unpacked. */
static bool is_part(const char *path, struct gvisor_part *out)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    out->sidecar = strncmp(path, SIDECARS "/", strlen(SIDECARS "/")) == 0;
    if (out->sidecar)
        path += strlen(SIDECARS "/");
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(out->name) || path[0] == '.' ||
        strspn(path, letters) != length || (!out->sidecar && !is_program(path)))
        return false;
    memcpy(out->name, path, length + 1);
    return true;
}

static const struct gvisor_part *find(const struct gvisor_archive *a, const char *name,
                                      bool sidecar)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->parts[i].sidecar == sidecar && strcmp(a->parts[i].name, name) == 0)
            return &a->parts[i];
    return NULL;
}

static int copy_out(struct archive *reader, int fd, uint64_t *left, lrun_error *err)
{
    cleanup_free char *block = malloc(BLOCK);
    if (!block)
        return error_oom(err, OPERATION);
    for (;;) {
        ssize_t n = archive_read_data(reader, block, BLOCK);
        if (n == 0)
            return 0;
        if (n < 0)
            return broken(archive_error_string(reader), err);
        if ((uint64_t)n > *left)
            return broken("it holds more than 2 GiB", err);
        *left -= (uint64_t)n;
        if (io_write_all(fd, block, (size_t)n, IO_NO_DEADLINE) < 0)
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot unpack gVisor");
    }
}

static int take(struct gvisor_archive *a, struct archive *reader, struct archive_entry *entry,
                int dir, uint64_t *left, lrun_error *err)
{
    struct gvisor_part part = {.fd = -1};
    const char *path = archive_entry_pathname(entry);
    if (!path || archive_entry_filetype(entry) == AE_IFDIR || !is_part(path, &part))
        return 0;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
        return broken("one of its programs is not a file", err);
    if (a->count == GVISOR_PARTS_MAX || find(a, part.name, part.sidecar))
        return broken("it holds a program twice, or too many", err);
    part.fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (part.fd < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot unpack gVisor");
    a->parts[a->count++] = part;
    return copy_out(reader, part.fd, left, err);
}

static int take_all(struct gvisor_archive *a, struct archive *reader, int dir, lrun_error *err)
{
    struct archive_entry *entry;
    uint64_t left = bytes_max;
    int status;
    while ((status = archive_read_next_header(reader, &entry)) == ARCHIVE_OK)
        if (take(a, reader, entry, dir, &left, err) < 0)
            return -1;
    if (status != ARCHIVE_EOF)
        return broken(archive_error_string(reader), err);
    return find(a, "runsc", false) && find(a, GVISOR_SHIM, false)
               ? 0
               : broken("it lacks runsc or " GVISOR_SHIM, err);
}

int gvisor_archive_unpack(struct gvisor_archive *a, int archive, int dir, lrun_error *err)
{
    a->count = 0;
    struct archive *reader = archive_read_new();
    if (!reader)
        return error_oom(err, OPERATION);
    int rc;
    if (lseek(archive, 0, SEEK_SET) < 0 || archive_read_support_filter_zstd(reader) != ARCHIVE_OK ||
        archive_read_support_format_tar(reader) != ARCHIVE_OK ||
        archive_read_open_fd(reader, archive, BLOCK) != ARCHIVE_OK)
        rc = broken(archive_error_string(reader), err);
    else
        rc = take_all(a, reader, dir, err);
    archive_read_free(reader);
    return rc;
}

/* ---------------------------------------------------------------- putting in place */

/* Removes one of our folders, only as deep as the folders that are created below. */
static void remove_folder(int dir, const char *name)
{
    static const char *const within[] = {SIDECARS, "."};
    cleanup_close int folder = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (size_t i = 0; folder >= 0 && i < sizeof(within) / sizeof(within[0]); i++) {
        cleanup_close int at =
            openat(folder, within[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        cleanup_closedir DIR *names = at < 0 ? NULL : io_list(at);
        for (struct dirent *e; names && (e = readdir(names));)
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                (void)unlinkat(at, e->d_name, 0);
        (void)unlinkat(folder, within[i], AT_REMOVEDIR);
    }
    (void)unlinkat(dir, name, AT_REMOVEDIR);
}

static int give_name(struct gvisor_part *part, int folder, int sidecars)
{
    char source[64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", part->fd);
    if (fchmod(part->fd, 0755) < 0 || fsync(part->fd) < 0 ||
        linkat(AT_FDCWD, source, part->sidecar ? sidecars : folder, part->name, AT_SYMLINK_FOLLOW) <
            0)
        return -1;
    /* A program that is open for writing cannot be started. */
    cleanup_close_fd(&part->fd);
    return 0;
}

static int fill_folder(struct gvisor_archive *a, int dir, const char *name)
{
    if (mkdirat(dir, name, 0755) < 0)
        return -1;
    cleanup_close int folder = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || mkdirat(folder, SIDECARS, 0755) < 0)
        return -1;
    cleanup_close int sidecars =
        openat(folder, SIDECARS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sidecars < 0)
        return -1;
    for (size_t i = 0; i < a->count; i++)
        if (give_name(&a->parts[i], folder, sidecars) < 0)
            return -1;
    return fsync(sidecars) < 0 || fsync(folder) < 0 ? -1 : 0;
}

/* If the same release is installed again, swaps the two folders; the old one is
 * then removed instead. */
static int put_folder(int dir, const char *temporary, const char *name)
{
    return renameat2(dir, temporary, dir, name, RENAME_EXCHANGE) < 0
               ? renameat(dir, temporary, dir, name)
               : 0;
}

/* Replaces an existing file of an earlier release, or an existing link to its folder. */
static int put_link(int dir, const char *folder, const char *name)
{
    char target[128], temporary[96];
    snprintf(target, sizeof(target), "%s/%s", folder, name);
    snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid());
    if (symlinkat(target, dir, temporary) < 0)
        return -1;
    if (renameat(dir, temporary, dir, name) == 0)
        return 0;
    int saved = errno;
    unlinkat(dir, temporary, 0);
    errno = saved;
    return -1;
}

/* Returns the name of the folder that runsc is in now; "" if it is not in one of ours. */
static void current_folder(int dir, char out[GVISOR_NAME_SIZE])
{
    char target[256];
    ssize_t n = readlinkat(dir, "runsc", target, sizeof(target) - 1);
    out[0] = '\0';
    if (n <= 0)
        return;
    target[n] = '\0';
    target[strcspn(target, "/")] = '\0';
    if (strncmp(target, FOLDER, strlen(FOLDER)) == 0 && strlen(target) < GVISOR_NAME_SIZE)
        strcpy(out, target);
}

static bool is_folder_of_ours(const char *name)
{
    size_t prefix = strlen(FOLDER);
    return strncmp(name, FOLDER, prefix) == 0 && strlen(name) == prefix + DIGEST_SHOWN &&
           strspn(name + prefix, "0123456789abcdef") == DIGEST_SHOWN;
}

/*
 * Leftovers of a setup that was killed, and earlier releases. The release before this one stays,
 * because a run that was just starting may still need its files. No run needs an earlier release.
 */
static bool is_left_over(const char *name, const char *now, const char *before)
{
    return strncmp(name, "." FOLDER, strlen("." FOLDER)) == 0 ||
           (is_folder_of_ours(name) && strcmp(name, now) != 0 && strcmp(name, before) != 0);
}

static void remove_left_over(int dir, const char *now, const char *before)
{
    cleanup_closedir DIR *names = io_list(dir);
    for (struct dirent *e; names && (e = readdir(names));)
        if (is_left_over(e->d_name, now, before))
            remove_folder(dir, e->d_name);
}

int gvisor_archive_install(struct gvisor_archive *a, int dir, const char *digest, lrun_error *err)
{
    char name[GVISOR_NAME_SIZE], temporary[GVISOR_NAME_SIZE], before[GVISOR_NAME_SIZE];
    snprintf(name, sizeof(name), FOLDER "%.*s", DIGEST_SHOWN, digest);
    snprintf(temporary, sizeof(temporary), "." FOLDER "%d", (int)getpid());
    current_folder(dir, before);
    remove_folder(dir, temporary);
    if (fill_folder(a, dir, temporary) < 0 || put_folder(dir, temporary, name) < 0 ||
        /* runsc last: a program that finds runsc also finds the shim. */
        put_link(dir, name, GVISOR_SHIM) < 0 || put_link(dir, name, "runsc") < 0) {
        error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot put gVisor in place");
        remove_folder(dir, temporary);
        return -1;
    }
    remove_left_over(dir, name, before);
    return 0;
}
