/* SPDX-License-Identifier: MIT */
#include "engine/docker/auth.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/docker/endpoint.h"
#include "host/spawn.h"

#include <nettle/base64.h>
#include <string.h>
#include <sys/mman.h>

#define OPERATION "docker.auth"

enum { HELPER_TIMEOUT = 30000, SECRET_MAX = 16 * 1024 };

static const char hub[] = "https://index.docker.io/v1/";

extern char **environ;

struct credentials {
    char *user, *password, *token;
};

static void credentials_free(struct credentials *c)
{
    free(c->user);
    free(c->password);
    free(c->token);
}

/* Returns the registry of an image, under its name in the client's configuration. malloc'd. */
static char *registry_of(const char *image)
{
    const char *slash = strchr(image, '/');
    size_t length = slash ? (size_t)(slash - image) : 0;
    bool host = length > 0 && (memchr(image, '.', length) || memchr(image, ':', length) ||
                               (length == 9 && memcmp(image, "localhost", 9) == 0));
    return host && strncmp(image, "docker.io/", 10) != 0 ? strndup(image, length) : strdup(hub);
}

/* Returns the length of the host in "https://host/v1/" or "host", and moves
 * *text to its beginning. */
static size_t host_in(const char **text)
{
    const char *scheme = strstr(*text, "://");
    if (scheme)
        *text = scheme + 3;
    return strcspn(*text, "/");
}

static bool same_registry(const char *a, const char *b)
{
    size_t length = host_in(&a);
    return length == host_in(&b) && strncmp(a, b, length) == 0;
}

/* ---------------------------------------------------------------- sources */

/* "auth" is the base64 of "user:password". */
static void decode(struct credentials *out, const char *text)
{
    struct base64_decode_ctx context;
    size_t length = strlen(text);
    size_t size = BASE64_DECODE_LENGTH(length);
    cleanup_free char *plain = length <= SECRET_MAX ? calloc(size + 1, 1) : NULL;
    base64_decode_init(&context);
    if (!plain || !base64_decode_update(&context, &size, (uint8_t *)plain, length, text) ||
        !base64_decode_final(&context))
        return;
    plain[size] = '\0';
    char *colon = strchr(plain, ':');
    if (!colon)
        return;
    out->user = strndup(plain, (size_t)(colon - plain));
    out->password = strdup(colon + 1);
}

static void from_config(struct credentials *out, const json_t *config, const char *registry)
{
    const char *key;
    json_t *entry;
    json_object_foreach (json_object_get(config, "auths"), key, entry) {
        if (!same_registry(key, registry))
            continue;
        const char *auth = json_string_value(json_object_get(entry, "auth"));
        const char *token = json_string_value(json_object_get(entry, "identitytoken"));
        if (token && *token)
            out->token = strdup(token);
        else if (auth && *auth)
            decode(out, auth);
        return;
    }
}

/* Runs `docker-credential-NAME get`, with the registry on its stdin. */
static void from_helper(struct credentials *out, const char *name, const char *registry)
{
    cleanup_free char *program = NULL;
    cleanup_close int input = memfd_create("light-runner-registry", MFD_CLOEXEC);
    struct spawn_result result;
    lrun_error ignored;
    if (strchr(name, '/') || asprintf(&program, "docker-credential-%s", name) < 0) {
        program = NULL;
        return;
    }
    const char *argv[] = {program, "get", NULL};
    const struct spawn spawn = {.argv = argv,
                                .environment = (const char *const *)environ,
                                .stdin_fd = input,
                                .timeout_ms = HELPER_TIMEOUT,
                                .capabilities = UINT64_MAX};
    if (input < 0 || io_write_all(input, registry, strlen(registry), IO_NO_DEADLINE) < 0 ||
        lseek(input, 0, SEEK_SET) < 0 || spawn_run(&spawn, &result, &ignored) < 0 ||
        result.code != 0)
        return;
    json_t *answer = json_loads(result.output, 0, NULL);
    const char *user = json_string_value(json_object_get(answer, "Username"));
    const char *secret = json_string_value(json_object_get(answer, "Secret"));
    if (user && secret && strcmp(user, "<token>") == 0) {
        out->token = strdup(secret);
    } else if (user && secret) {
        out->user = strdup(user);
        out->password = strdup(secret);
    }
    json_decref(answer);
}

static void find(struct credentials *out, const char *registry)
{
    json_t *config = endpoint_config();
    const char *helper =
        json_string_value(json_object_get(json_object_get(config, "credHelpers"), registry));
    if (!helper)
        helper = json_string_value(json_object_get(config, "credsStore"));
    if (helper && *helper)
        from_helper(out, helper, registry);
    if (!out->token && !out->user)
        from_config(out, config, registry);
    json_decref(config);
}

int auth_header(char **out, const char *image, lrun_error *err)
{
    __attribute__((cleanup(credentials_free))) struct credentials found = {0};
    cleanup_free char *registry = registry_of(image), *text = NULL;
    *out = NULL;
    if (!registry)
        return error_oom(err, OPERATION);
    find(&found, registry);
    if (!found.token && !(found.user && found.password))
        return 0;
    json_t *document = json_pack("{ss*,ss*,ss*,ss}", "username", found.token ? NULL : found.user,
                                 "password", found.token ? NULL : found.password, "identitytoken",
                                 found.token, "serveraddress", registry);
    text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    size_t length = text ? strlen(text) : 0;
    char *encoded = text ? malloc(BASE64_ENCODE_RAW_LENGTH(length) + 1) : NULL;
    if (!encoded)
        return error_oom(err, OPERATION);
    base64_encode_raw(encoded, length, (const uint8_t *)text);
    encoded[BASE64_ENCODE_RAW_LENGTH(length)] = '\0';
    /* The daemon expects the base64 alphabet for URLs. */
    for (char *c = encoded; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    int n = asprintf(out, "X-Registry-Auth: %s", encoded);
    free(encoded);
    if (n < 0) {
        *out = NULL;
        return error_oom(err, OPERATION);
    }
    return 0;
}
