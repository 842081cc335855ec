/* SPDX-License-Identifier: MIT */
#include "engine/docker/agent_file.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/libexec.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <tar.h>

#define OPERATION "docker.agent"

enum { AGENT_MAX = 64 << 20, BLOCK = 512 };

/* POSIX.1-1988 (ustar): the numbers are octal digits with a NUL at their end. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
        magic[TMAGLEN], version[TVERSLEN], user[32], group[32], major[8], minor[8], prefix[155],
        padding[12];
};
static_assert(sizeof(struct header) == BLOCK, "one block");

static void fill_header(struct header *h, const char *name, size_t size)
{
    *h = (struct header){.type = REGTYPE};
    snprintf(h->name, sizeof(h->name), "%s", name);
    snprintf(h->mode, sizeof(h->mode), "%07o", 0755u);
    snprintf(h->uid, sizeof(h->uid), "%07o", 0u);
    snprintf(h->gid, sizeof(h->gid), "%07o", 0u);
    snprintf(h->size, sizeof(h->size), "%011zo", size);
    snprintf(h->mtime, sizeof(h->mtime), "%011o", 0u);
    memcpy(h->magic, TMAGIC, TMAGLEN);
    memcpy(h->version, TVERSION, TVERSLEN);
    /* The checksum counts itself as eight spaces. */
    memset(h->checksum, ' ', sizeof(h->checksum));
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += ((const unsigned char *)h)[i];
    snprintf(h->checksum, sizeof(h->checksum), "%06o", sum);
}

/* An archive of one regular file: its header, its data up to a whole block, and two empty blocks. malloc'd. */
static char *make_archive(size_t *length, const char *name, const char *data, size_t size)
{
    size_t blocks = 1 + (size + BLOCK - 1) / BLOCK + 2;
    char *archive = calloc(blocks, BLOCK);
    if (!archive)
        return NULL;
    struct header header;
    fill_header(&header, name, size);
    memcpy(archive, &header, sizeof(header));
    memcpy(archive + BLOCK, data, size);
    *length = blocks * BLOCK;
    return archive;
}

int agent_file_put(struct daemon *d, const char *container, const char *at, lr_error *err)
{
    size_t size, length;
    cleanup_free char *path = libexec_find("light-runner-agent", err);
    if (!path)
        return -1;
    cleanup_free char *data = io_read_file_at(AT_FDCWD, path, AGENT_MAX, &size);
    if (!data)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot read '%s'", path);
    cleanup_free char *archive = make_archive(&length, at + 1, data, size);
    if (!archive)
        return error_oom(err, OPERATION);
    struct http_request request = {
        .operation = OPERATION, .method = "PUT", .tar = archive, .tar_length = length};
    cleanup_answer struct http_answer answer = {0};
    if (daemon_call(d, &request, &answer, err, "/containers/%s/archive?path=/", container) < 0)
        return -1;
    return answer.status == 200
               ? 0
               : daemon_refused(&answer, LR_CONTAINER_START_FAILED, OPERATION,
                                "the agent cannot be written into the container", err);
}
