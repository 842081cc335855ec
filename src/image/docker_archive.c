/* SPDX-License-Identifier: MIT */
#include "image/docker_archive.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/digest.h"
#include "image/layout.h"
#include "image/tar_header.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#define OPERATION "image.archive"

static const char layer_name[] = "layer.tar";

static int cannot_write(lrun_error *err)
{
    return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot write the archive");
}

/* Writes zeros up to a whole block, and then `blocks` blocks of zeros. */
static int pad(int fd, uint64_t size, size_t blocks, lrun_error *err)
{
    static const char zeros[(TAR_END_BLOCKS + 1) * TAR_BLOCK];
    size_t part = (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
    return io_write_all(fd, zeros, part + blocks * TAR_BLOCK, IO_NO_DEADLINE) < 0
               ? cannot_write(err)
               : 0;
}

/* Takes over the reference to `document`. */
static int put_document(int fd, const char *name, json_t *document, size_t blocks, lrun_error *err)
{
    char header[TAR_BLOCK];
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (!text)
        return error_oom(err, OPERATION);
    size_t length = strlen(text);
    tar_header_fill(header, name, 0644, length);
    return io_write_all(fd, header, sizeof(header), IO_NO_DEADLINE) < 0 ||
                   io_write_all(fd, text, length, IO_NO_DEADLINE) < 0
               ? cannot_write(err)
               : pad(fd, length, blocks, err);
}

/* Writes the layer, and then its header, which contains the layer's size. */
static int put_layer(int fd, struct assembly *a, char hex[IMAGE_HEX_LENGTH + 1], lrun_error *err)
{
    char header[TAR_BLOCK] = "";
    if (io_write_all(fd, header, sizeof(header), IO_NO_DEADLINE) < 0)
        return cannot_write(err);
    if (assembly_pack(a, fd, err) < 0)
        return -1;
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < (off_t)sizeof(header) || lseek(fd, sizeof(header), SEEK_SET) < 0)
        return cannot_write(err);
    uint64_t size = (uint64_t)end - sizeof(header);
    if (digest_of_rest(hex, fd, a->feedback, err) < 0)
        return -1;
    tar_header_fill(header, layer_name, 0644, size);
    if (pwrite(fd, header, sizeof(header), 0) != sizeof(header) || lseek(fd, 0, SEEK_END) < 0)
        return cannot_write(err);
    return pad(fd, size, 0, err);
}

static json_t *words(char *const *list)
{
    json_t *array = list ? json_array() : NULL;
    for (; list && *list; list++)
        json_array_append_new(array, json_string(*list));
    return array;
}

static json_t *configuration(const struct assembly *a, const struct image *config, const char *hex)
{
    char created[32], digest[IMAGE_DIGEST_LENGTH + 1];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &utc);
    snprintf(digest, sizeof(digest), "sha256:%s", hex);
    const char *foreign = a->feedback ? a->feedback->architecture : "";
    return json_pack("{ss,ss,ss,s{so*,so*,so*,ss*,ss*},s{ss,s[s]}}", "created", created, "os",
                     "linux", "architecture", foreign[0] ? foreign : image_host_architecture(),
                     "config", "Entrypoint", words(config->entrypoint), "Cmd", words(config->cmd),
                     "Env", words(config->env), "User", config->user, "WorkingDir", config->workdir,
                     "rootfs", "type", "layers", "diff_ids", digest);
}

int docker_archive_make(int *out, struct assembly *a, const char *name, const struct image *config,
                        lrun_error *err)
{
    char hex[IMAGE_HEX_LENGTH + 1], file[IMAGE_HEX_LENGTH + 8];
    cleanup_close int fd = openat(a->staging.folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make a file in '%s'",
                           a->staging.path);
    if (put_layer(fd, a, hex, err) < 0)
        return -1;
    snprintf(file, sizeof(file), "%s.json", hex);
    if (put_document(fd, file, configuration(a, config, hex), 0, err) < 0 ||
        put_document(
            fd, "manifest.json",
            json_pack("[{ss,s[s],s[s]}]", "Config", file, "RepoTags", name, "Layers", layer_name),
            TAR_END_BLOCKS, err) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return cannot_write(err);
    *out = steal_fd(&fd);
    return 0;
}
