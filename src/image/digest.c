/* SPDX-License-Identifier: MIT */
#include "image/digest.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/libexec.h"
#include "host/spawn.h"

#include <string.h>
#include <sys/mman.h>

#define OPERATION  "image.digest"
#define TIMEOUT_MS (30 * 60 * 1000)

static int tick(void *user)
{
    struct image_feedback *feedback = user;
    return feedback && feedback->progress ? feedback->progress(feedback->user, 0) : 0;
}

int digest_of_rest(char hex[IMAGE_HEX_LENGTH + 1], int fd, struct image_feedback *feedback,
                   lrun_error *err)
{
    cleanup_free char *helper = libexec_find("light-runner-unpack", err);
    if (!helper)
        return -1;
    static const char *const environment[] = {"LC_ALL=C", NULL};
    const char *argv[] = {helper, "digest", NULL};
    struct spawn spawn = {
        .argv = argv,
        .environment = environment,
        .stdin_fd = fd,
        .timeout_ms = TIMEOUT_MS,
        .capabilities = 0,
        .tick = tick,
        .user = feedback,
    };
    struct spawn_result result;
    if (spawn_run(&spawn, &result, err) < 0)
        return -1;
    if (result.code != 0)
        return error_set(err, LRUN_IO_FAILED, OPERATION, "computing a digest failed: %s",
                         result.text[0] ? result.text : "no reason given");
    if (image_hex_length(result.output) != IMAGE_HEX_LENGTH)
        return error_set(err, LRUN_INTERNAL, OPERATION, "'%.40s' is not a digest", result.output);
    memcpy(hex, result.output, IMAGE_HEX_LENGTH + 1);
    return 0;
}

int digest_of_file(char hex[IMAGE_HEX_LENGTH + 1], int fd, struct image_feedback *feedback,
                   lrun_error *err)
{
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot read the data to digest");
    return digest_of_rest(hex, fd, feedback, err);
}

int digest_of_text(char hex[IMAGE_HEX_LENGTH + 1], const char *text, size_t length, lrun_error *err)
{
    cleanup_close int fd = memfd_create("digest", MFD_CLOEXEC);
    if (fd < 0 || io_write_all(fd, text, length, IO_NO_DEADLINE) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot keep the data to digest");
    return digest_of_file(hex, fd, NULL, err);
}
