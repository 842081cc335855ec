/* SPDX-License-Identifier: MIT */
#include "engine/docker/daemon.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>
#include <sys/utsname.h>

static const char operation_version[] = "docker.version";

/* Docker's name for this machine's architecture. */
#if defined(__x86_64__)
static const char architecture[] = "amd64";
#elif defined(__aarch64__)
static const char architecture[] = "arm64";
#else
static const char architecture[] = "";
#endif

const char *daemon_message(const struct http_answer *answer)
{
    const char *text = json_string_value(json_object_get(answer->body, "message"));
    return text ? text : "";
}

int daemon_refused(const struct http_answer *answer, lrun_code code, const char *operation,
                   const char *what, lrun_error *err)
{
    char said[400];
    snprintf(said, sizeof(said), "%s", daemon_message(answer));
    text_make_printable(said);
    return error_set(err, code, operation, "%s: the Docker daemon answers %ld%s%s", what,
                     answer->status, said[0] ? ": " : "", said);
}

/* Returns 41 for "1.41"; 0: not a version. */
static unsigned minor_of(const json_t *version)
{
    const char *text = json_string_value(version);
    uint64_t minor;
    if (!text || strncmp(text, "1.", 2) != 0 || !text_parse_u64(text + 2, &minor) || minor > 10000)
        return 0;
    return (unsigned)minor;
}

static int read_version(struct daemon *d, const json_t *v, lrun_error *err)
{
    unsigned newest = minor_of(json_object_get(v, "ApiVersion"));
    unsigned oldest = minor_of(json_object_get(v, "MinAPIVersion"));
    const char *arch = json_string_value(json_object_get(v, "Arch"));
    const char *os = json_string_value(json_object_get(v, "Os"));
    const char *kernel = json_string_value(json_object_get(v, "KernelVersion"));
    if (newest == 0)
        return http_unreachable(&d->endpoint, operation_version, "what does is not Docker's API",
                                err);
    if (newest < DAEMON_API_MIN || oldest > DAEMON_API_MAX) {
        error_set(
            err, LRUN_NOT_SUPPORTED, operation_version,
            "the Docker daemon supports API versions 1.%u to 1.%u, and light-runner 1.%d to 1.%d",
            oldest, newest, DAEMON_API_MIN, DAEMON_API_MAX);
        return error_hint(err, "update %s", newest < DAEMON_API_MIN ? "Docker" : "light-runner");
    }
    if ((os && strcmp(os, "linux") != 0) || (arch && strcmp(arch, architecture) != 0)) {
        error_set(err, LRUN_NOT_SUPPORTED, operation_version,
                  "the Docker daemon is one for %.30s on %.30s", os ? os : "linux",
                  arch ? arch : architecture);
        return error_hint(err, "use a light-runner for that architecture, or another daemon");
    }
    size_t i;
    const json_t *component;
    json_array_foreach (json_object_get(v, "Components"), i, component) {
        const char *name = json_string_value(json_object_get(component, "Name"));
        d->podman = d->podman || (name && strcmp(name, "Podman Engine") == 0);
    }
    d->api = newest < DAEMON_API_MAX ? newest : DAEMON_API_MAX;
    snprintf(d->kernel, sizeof(d->kernel), "%s", kernel ? kernel : "");
    struct utsname host;
    uname(&host);
    d->same_machine = d->endpoint.socket && strcmp(host.release, d->kernel) == 0;
    return 0;
}

static int ask_version(struct daemon *d, lrun_error *err)
{
    const struct http_request request = {.operation = operation_version,
                                         .method = "GET",
                                         .path = "/version",
                                         .timeout_ms = HTTP_PING_TIMEOUT};
    cleanup_answer struct http_answer answer = {0};
    if (http_call(&d->http, &request, &answer, err) < 0)
        return -1;
    if (answer.status != 200 || !answer.body) {
        char why[64];
        snprintf(why, sizeof(why), "status %ld, and not Docker's API", answer.status);
        return http_unreachable(&d->endpoint, operation_version, why, err);
    }
    return read_version(d, answer.body, err);
}

int daemon_open(struct daemon *out, const struct tick *tick, lrun_error *err)
{
    *out = (struct daemon){0};
    if (endpoint_find(&out->endpoint, err) == 0 &&
        http_open(&out->http, &out->endpoint, tick, err) == 0 && ask_version(out, err) == 0)
        return 0;
    daemon_close(out);
    return -1;
}

void daemon_close(struct daemon *d)
{
    if (d->http.curl)
        http_close(&d->http);
    endpoint_free(&d->endpoint);
    json_decref(d->info);
    *d = (struct daemon){0};
}

int daemon_info(struct daemon *d, const json_t **out, lrun_error *err)
{
    struct http_request request = {.operation = "docker.info", .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    *out = d->info;
    if (d->info)
        return 0;
    if (daemon_call(d, &request, &answer, err, "/info") < 0)
        return -1;
    if (answer.status != 200 || !answer.body)
        return daemon_refused(&answer, LRUN_ENGINE_UNREACHABLE, request.operation, "info", err);
    *out = d->info = steal_ptr(answer.body);
    return 0;
}

char *daemon_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *copy = escaped ? strdup(escaped) : NULL;
    curl_free(escaped);
    return copy;
}

int daemon_call(struct daemon *d, struct http_request *request, struct http_answer *out,
                lrun_error *err, const char *format, ...)
{
    cleanup_free char *rest = NULL, *path = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&rest, format, arguments);
    va_end(arguments);
    if (n < 0) {
        rest = NULL;
        return error_oom(err, request->operation);
    }
    if (asprintf(&path, "/v1.%u%s", d->api, rest) < 0) {
        path = NULL;
        return error_oom(err, request->operation);
    }
    request->path = path;
    int rc = http_call(&d->http, request, out, err);
    request->path = NULL;
    return rc;
}
