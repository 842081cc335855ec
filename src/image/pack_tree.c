/* SPDX-License-Identifier: MIT */
#include "image/pack_tree.h"

#include "base/cleanup.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#define OPERATION "image.pack"

struct packer {
    struct archive *disk, *tar;
    struct archive_entry_linkresolver *links;
    bool owners;
};

static void packer_free(struct packer *p)
{
    archive_entry_linkresolver_free(p->links);
    archive_write_free(p->tar);
    archive_read_free(p->disk);
}

static int failed(struct archive *a, const char *path, lrun_error *err)
{
    const char *text = archive_error_string(a);
    return error_set(err, LRUN_IO_FAILED, OPERATION, "cannot pack '%.200s': %s", path,
                     text ? text : "no reason given");
}

static int open_packer(struct packer *p, int fd, lrun_error *err)
{
    p->disk = archive_read_disk_new();
    p->tar = archive_write_new();
    p->links = archive_entry_linkresolver_new();
    if (!p->disk || !p->tar || !p->links)
        return error_oom(err, OPERATION);
    /* Holes are written as zeros, so that a reader of the tar needs no support for any of the
     * formats for sparse files. */
    archive_read_disk_set_symlink_physical(p->disk);
    archive_read_disk_set_behavior(p->disk, ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS |
                                                ARCHIVE_READDISK_NO_ACL |
                                                ARCHIVE_READDISK_NO_FFLAGS);
    if (archive_write_set_format_pax_restricted(p->tar) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(p->tar, 512) != ARCHIVE_OK ||
        archive_write_open_fd(p->tar, fd) != ARCHIVE_OK)
        return failed(p->tar, ".", err);
    archive_entry_linkresolver_set_strategy(p->links, archive_format(p->tar));
    return archive_read_disk_open(p->disk, ".") == ARCHIVE_OK ? 0 : failed(p->disk, ".", err);
}

static int write_zeros(struct packer *p, uint64_t count, const char *path, lrun_error *err)
{
    static const char zeros[64 * 1024];
    while (count > 0) {
        size_t n = count < sizeof(zeros) ? (size_t)count : sizeof(zeros);
        if (archive_write_data(p->tar, zeros, n) != (la_ssize_t)n)
            return failed(p->tar, path, err);
        count -= n;
    }
    return 0;
}

static int copy_data(struct packer *p, uint64_t size, const char *path, lrun_error *err)
{
    const void *data;
    size_t length;
    la_int64_t offset;
    uint64_t at = 0;
    for (int r; (r = archive_read_data_block(p->disk, &data, &length, &offset)) != ARCHIVE_EOF;) {
        if (r != ARCHIVE_OK || offset < 0 || (uint64_t)offset < at)
            return failed(p->disk, path, err);
        if (write_zeros(p, (uint64_t)offset - at, path, err) < 0)
            return -1;
        if (length > 0 && archive_write_data(p->tar, data, length) != (la_ssize_t)length)
            return failed(p->tar, path, err);
        at = (uint64_t)offset + length;
    }
    return size > at ? write_zeros(p, size - at, path, err) : 0;
}

static int pack_entry(struct packer *p, struct archive_entry *entry, lrun_error *err)
{
    struct archive_entry *later = NULL;
    cleanup_free char *path = strdup(archive_entry_pathname(entry));
    uint64_t size = archive_entry_size_is_set(entry) ? (uint64_t)archive_entry_size(entry) : 0;
    if (!path)
        return error_oom(err, OPERATION);
    if (!p->owners) {
        archive_entry_set_uid(entry, 0);
        archive_entry_set_gid(entry, 0);
    }
    archive_entry_unset_atime(entry);
    archive_entry_unset_ctime(entry);
    archive_entry_sparse_clear(entry);
    archive_entry_linkify(p->links, &entry, &later);
    if (archive_write_header(p->tar, entry) < ARCHIVE_WARN)
        return failed(p->tar, path, err);
    /* Further names of a file have no data. */
    return archive_entry_size(entry) > 0 ? copy_data(p, size, path, err) : 0;
}

int pack_tree(int fd, bool owners, lrun_error *err)
{
    __attribute__((cleanup(packer_free))) struct packer p = {.owners = owners};
    if (open_packer(&p, fd, err) < 0)
        return -1;
    for (;;) {
        struct archive_entry *entry = archive_entry_new();
        if (!entry)
            return error_oom(err, OPERATION);
        int r = archive_read_next_header2(p.disk, entry);
        int rc = r == ARCHIVE_OK ? pack_entry(&p, entry, err) : 0;
        archive_entry_free(entry);
        if (r == ARCHIVE_EOF)
            break;
        if (r != ARCHIVE_OK)
            return failed(p.disk, ".", err);
        if (rc < 0)
            return -1;
        archive_read_disk_descend(p.disk);
    }
    return archive_write_close(p.tar) == ARCHIVE_OK ? 0 : failed(p.tar, ".", err);
}
