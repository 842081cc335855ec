/* SPDX-License-Identifier: MIT */
#include "image/tar_header.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/libexec.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tar.h>

/* Numbers are octal digits that end with a NUL. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
        magic[TMAGLEN], version[TVERSLEN], user[32], group[32], major[8], minor[8], prefix[155],
        padding[12];
};
static_assert(sizeof(struct header) == TAR_BLOCK, "one block");

/* A size that does not fit into eleven octal digits is binary, as in GNU tar and
 * all its successors. */
static void fill_size(char field[12], uint64_t size)
{
    if (size < 1ull << 33) {
        snprintf(field, 12, "%011llo", (unsigned long long)size);
        return;
    }
    field[0] = (char)0x80;
    for (int i = 11; i > 0; i--, size >>= 8)
        field[i] = (char)(size & 0xff);
}

void tar_header_fill(char block[TAR_BLOCK], const char *name, unsigned mode, uint64_t size)
{
    struct header h = {.type = REGTYPE};
    snprintf(h.name, sizeof(h.name), "%s", name);
    snprintf(h.mode, sizeof(h.mode), "%07o", mode & 07777u);
    snprintf(h.uid, sizeof(h.uid), "%07o", 0u);
    snprintf(h.gid, sizeof(h.gid), "%07o", 0u);
    fill_size(h.size, size);
    snprintf(h.mtime, sizeof(h.mtime), "%011o", 0u);
    memcpy(h.magic, TMAGIC, TMAGLEN);
    memcpy(h.version, TVERSION, TVERSLEN);
    /* For the checksum, its own field counts as eight spaces. */
    memset(h.checksum, ' ', sizeof(h.checksum));
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(h); i++)
        sum += ((const unsigned char *)&h)[i];
    snprintf(h.checksum, sizeof(h.checksum), "%06o", sum);
    memcpy(block, &h, sizeof(h));
}

char *tar_of_file(size_t *length, const char *name, const char *data, size_t size)
{
    size_t blocks = 1 + (size + TAR_BLOCK - 1) / TAR_BLOCK + TAR_END_BLOCKS;
    char *archive = calloc(blocks, TAR_BLOCK);
    if (!archive)
        return NULL;
    tar_header_fill(archive, name, 0755, size);
    memcpy(archive + TAR_BLOCK, data, size);
    *length = blocks * TAR_BLOCK;
    return archive;
}

enum { AGENT_MAX = 64 << 20 };

char *tar_of_agent(size_t *length, const char *name, const char *operation, lrun_error *err)
{
    size_t size;
    cleanup_free char *path = libexec_find("light-runner-agent", err);
    if (!path)
        return NULL;
    cleanup_free char *data = io_read_file_at(AT_FDCWD, path, AGENT_MAX, &size);
    if (!data) {
        error_errno(err, LRUN_IO_FAILED, operation, errno, "cannot read '%s'", path);
        return NULL;
    }
    char *archive = tar_of_file(length, name, data, size);
    if (!archive)
        error_oom(err, operation);
    return archive;
}
