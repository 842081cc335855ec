/* SPDX-License-Identifier: MIT */
#include "engine/docker/agent_file.h"

#include "base/cleanup.h"
#include "image/tar_header.h"

#include <string.h>

#define OPERATION "docker.agent"

int agent_file_put(struct daemon *d, const char *container, const char *at, lrun_error *err)
{
    size_t length;
    cleanup_free char *archive = tar_of_agent(&length, at + 1, OPERATION, err);
    if (!archive)
        return -1;
    struct http_request request = {
        .operation = OPERATION, .method = "PUT", .tar = archive, .tar_length = length};
    cleanup_answer struct http_answer answer = {0};
    if (daemon_call(d, &request, &answer, err, "/containers/%s/archive?path=/", container) < 0)
        return -1;
    return answer.status == 200
               ? 0
               : daemon_refused(&answer, LRUN_START_FAILED, OPERATION,
                                "the agent cannot be written into the container", err);
}
