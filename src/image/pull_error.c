/* SPDX-License-Identifier: MIT */
#include "image/pull_error.h"

#include <stdbool.h>
#include <string.h>

#define OPERATION "image.pull"

#define NO_IMAGE       "no image found in"
#define INDEX_IN_INDEX "received a manifest list instead of a manifest"

/*
 * Skopeo's exit code is 1 for every error, so only its message tells errors apart. The order
 * matters, because a message often contains the whole chain of errors down to the cause.
 */
static const struct {
    const char *words;
    lrun_code code;
    const char *hint;
} causes[] = {
    {"invalid reference format", LRUN_INVALID_ARGUMENT,
     "write it as [HOST[:PORT]/]NAME[:TAG] or NAME@DIGEST"},
    {"invalid source name", LRUN_INVALID_ARGUMENT,
     "write it as [HOST[:PORT]/]NAME[:TAG] or NAME@DIGEST"},
    {"manifest unknown", LRUN_IMAGE_NOT_FOUND, "check the name and the tag"},
    {"name unknown", LRUN_IMAGE_NOT_FOUND, "check the name and the tag"},
    {"not found: manifest", LRUN_IMAGE_NOT_FOUND, "check the name and the tag"},
    {"status code 404", LRUN_IMAGE_NOT_FOUND, "check the name and the tag"},
    {NO_IMAGE, LRUN_IMAGE_INVALID, "use an image that is built for this machine's platform"},
    {INDEX_IN_INDEX, LRUN_IMAGE_INVALID, "use an image that is built for this machine's platform"},
    /* zstd under Docker's own name, which is newer than the skopeo of Debian 12 */
    {"unsupported docker v2s2 media type", LRUN_NOT_SUPPORTED,
     "install a newer skopeo, or: docker pull IMAGE; docker save IMAGE | light-runner image import "
     "- NAME"},
    {"unauthorized", LRUN_IO_FAILED, "log in first: docker login, or skopeo login"},
    {"authentication required", LRUN_IO_FAILED, "log in first: docker login, or skopeo login"},
    {"invalid username/password", LRUN_IO_FAILED, "log in first: docker login, or skopeo login"},
    {"access to the resource is denied", LRUN_IO_FAILED,
     "check the name, or log in: docker login, or skopeo login"},
    {"denied", LRUN_IO_FAILED, "log in first: docker login, or skopeo login"},
    {"toomanyrequests", LRUN_IO_FAILED,
     "log in, or try again later: the registry limits anonymous pulls"},
    {"rejected by policy", LRUN_IMAGE_INVALID, "see /etc/containers/policy.json"},
    {"source image rejected", LRUN_IMAGE_INVALID, "see /etc/containers/policy.json"},
    {"digest did not match", LRUN_IMAGE_INVALID,
     "try again; if that fails, the image is damaged in the registry"},
    {"does not match", LRUN_IMAGE_INVALID,
     "try again; if that fails, the image is damaged in the registry"},
    {"mismatch", LRUN_IMAGE_INVALID,
     "try again; if that fails, the image is damaged in the registry"},
    {"gave http response to https", LRUN_IO_FAILED,
     "if you trust the network to this registry without TLS: light-runner image pull --insecure"},
    {"x509:", LRUN_IO_FAILED,
     "install the registry's certificate; or, if you trust the network to it: light-runner image "
     "pull --insecure"},
    {"connection refused", LRUN_IO_FAILED,
     "check that the registry is up, and whether HTTPS_PROXY is right"},
    {"no such host", LRUN_IO_FAILED, "check the registry's name, and whether HTTPS_PROXY is right"},
    {"network is unreachable", LRUN_IO_FAILED,
     "check the network, and whether HTTPS_PROXY is right"},
    {"file too large", LRUN_IMAGE_INVALID, "raise LIGHT_RUNNER_IMAGE_MAX_BYTES"},
    {"no space left", LRUN_IO_FAILED, "free space on the disk of the image store"},
    {"unexpected eof", LRUN_IO_FAILED, "try again: the registry closed the connection"},
    {"connection reset", LRUN_IO_FAILED, "try again: the registry closed the connection"},
    {"timeout", LRUN_IO_FAILED, "try again"},
};

/* Extracts the last message, from: time="..." level=fatal msg="...". Quotes in it
 * are escaped as \". */
static void take_message(char *out, size_t size, const char *text)
{
    static const char level[] = "level=fatal msg=";
    const char *from = NULL;
    for (const char *s = text; (s = strstr(s, level)); s += strlen(level))
        from = s + strlen(level);
    bool quoted = from && *from == '"';
    from = from ? from + quoted : text;
    size_t used = 0;
    for (; *from && used + 1 < size && !(quoted && *from == '"'); from++) {
        if (quoted && *from == '\\' && from[1])
            from++;
        out[used++] = *from;
    }
    out[used] = '\0';
}

int pull_error_from_text(const char *text, const char *reference, lrun_error *err)
{
    char message[512];
    take_message(message, sizeof(message), text);
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (!strcasestr(message, causes[i].words))
            continue;
        error_set(err, causes[i].code, OPERATION, "cannot pull '%.100s': %s", reference, message);
        return error_hint(err, "%s", causes[i].hint);
    }
    return error_set(err, LRUN_IO_FAILED, OPERATION, "cannot pull '%.100s': %s", reference,
                     message[0] ? message : "skopeo gave no reason");
}

bool pull_error_is_of_index(const lrun_error *e)
{
    return strstr(e->message, NO_IMAGE) || strstr(e->message, INDEX_IN_INDEX);
}
