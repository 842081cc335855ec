/* SPDX-License-Identifier: MIT */
#include "engine/docker/agent_file.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/libexec.h"
#include "image/tar_header.h"

#include <fcntl.h>
#include <string.h>

#define OPERATION "docker.agent"

enum { AGENT_MAX = 64 << 20 };

int agent_file_put(struct daemon *d, const char *container, const char *at, lr_error *err)
{
    size_t size, length;
    cleanup_free char *path = libexec_find("light-runner-agent", err);
    if (!path)
        return -1;
    cleanup_free char *data = io_read_file_at(AT_FDCWD, path, AGENT_MAX, &size);
    if (!data)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot read '%s'", path);
    cleanup_free char *archive = tar_of_file(&length, at + 1, data, size);
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
