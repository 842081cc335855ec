/* SPDX-License-Identifier: MIT */
#include "engine/docker/endpoint.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#include <fcntl.h>
#include <jansson.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OPERATION "docker.endpoint"

/* The largest file of Docker's client that we read. */
enum { FILE_MAX = 1 << 20 };

static const char default_socket[] = "/var/run/docker.sock";

void endpoint_free(struct endpoint *e)
{
    free(e->name);
    free(e->socket);
    free(e->url);
    free(e->ca);
    free(e->cert);
    free(e->key);
    *e = (struct endpoint){0};
}

/* ---------------------------------------------------------------- files of the client */

char *endpoint_config_folder(void)
{
    const char *chosen = secure_getenv("DOCKER_CONFIG"), *home = secure_getenv("HOME");
    char *folder = NULL;
    if (chosen && *chosen)
        return strdup(chosen);
    if (home && asprintf(&folder, "%s/.docker", home) < 0)
        return NULL;
    return folder;
}

static json_t *load(const char *folder, const char *name)
{
    cleanup_free char *path = folder ? text_path_join(folder, name) : NULL;
    size_t length = 0;
    cleanup_free char *text = path ? io_read_file_at(AT_FDCWD, path, FILE_MAX, &length) : NULL;
    json_t *document = text ? json_loadb(text, length, 0, NULL) : NULL;
    if (document && !json_is_object(document)) {
        json_decref(document);
        return NULL;
    }
    return document;
}

json_t *endpoint_config(void)
{
    cleanup_free char *folder = endpoint_config_folder();
    return load(folder, "config.json");
}

/* ---------------------------------------------------------------- addresses */

static int bad_host(const char *host, lrun_error *err)
{
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
              "the Docker host '%.200s' is not a valid address", host);
    return error_hint(err, "set DOCKER_HOST to unix:///path/of/socket or tcp://host:port");
}

static int set_tcp(struct endpoint *e, const char *address, bool tls, lrun_error *err)
{
    size_t length = strcspn(address, "/?#@ ");
    if (length == 0 || address[length + (address[length] == '/')] != '\0')
        return bad_host(address, err);
    const char *port = memchr(address, ']', length);
    bool has_port = strchr(port ? port : address, ':') != NULL;
    int n = asprintf(&e->url, "http%s://%.*s%s", tls ? "s" : "", (int)length, address,
                     has_port ? ""
                     : tls    ? ":2376"
                              : ":2375");
    if (n < 0) {
        e->url = NULL;
        return error_oom(err, OPERATION);
    }
    return 0;
}

static int http_with_tls(const char *host, lrun_error *err)
{
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
              "the Docker host '%.200s' does not use TLS, but TLS is requested", host);
    return error_hint(err, "use https:// or tcp:// in its place, or unset DOCKER_TLS_VERIFY and "
                           "DOCKER_CERT_PATH");
}

static int set_host(struct endpoint *e, const char *host, bool tls, lrun_error *err)
{
    static const char unix_scheme[] = "unix://", tcp[] = "tcp://", http[] = "http://",
                      https[] = "https://", ssh[] = "ssh://";
    e->name = strdup(host);
    if (!e->name)
        return error_oom(err, OPERATION);
    if (strncmp(host, unix_scheme, strlen(unix_scheme)) == 0) {
        const char *path = host + strlen(unix_scheme);
        if (path[0] != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
            return bad_host(host, err);
        e->socket = strdup(path);
        e->url = strdup("http://docker");
        return e->socket && e->url ? 0 : error_oom(err, OPERATION);
    }
    if (strncmp(host, tcp, strlen(tcp)) == 0)
        return set_tcp(e, host + strlen(tcp), tls, err);
    if (strncmp(host, http, strlen(http)) == 0)
        return tls ? http_with_tls(host, err) : set_tcp(e, host + strlen(http), false, err);
    if (strncmp(host, https, strlen(https)) == 0)
        return set_tcp(e, host + strlen(https), true, err);
    if (strncmp(host, ssh, strlen(ssh)) == 0) {
        error_set(err, LRUN_NOT_SUPPORTED, OPERATION,
                  "a Docker host over ssh is not supported: '%.200s'", host);
        return error_hint(err,
                          "forward its socket: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock "
                          "HOST, and set DOCKER_HOST=unix:///tmp/docker.sock");
    }
    return bad_host(host, err);
}

/* Uses those of the three files that exist in the folder. */
static int set_certificates(struct endpoint *e, const char *folder, lrun_error *err)
{
    static const char *const names[] = {"ca.pem", "cert.pem", "key.pem"};
    char **const paths[] = {&e->ca, &e->cert, &e->key};
    for (size_t i = 0; i < 3; i++) {
        char *path = text_path_join(folder, names[i]);
        if (!path)
            return error_oom(err, OPERATION);
        if (access(path, F_OK) == 0)
            *paths[i] = path;
        else
            free(path);
    }
    return 0;
}

static int from_environment(struct endpoint *e, const char *host, lrun_error *err)
{
    /* As in Docker's client, any value of DOCKER_TLS_VERIFY asks for TLS, and so does
     * a DOCKER_CERT_PATH. */
    const char *verify = secure_getenv("DOCKER_TLS_VERIFY"),
               *folder = secure_getenv("DOCKER_CERT_PATH");
    bool certificates = folder && *folder, tls = (verify && *verify) || certificates;
    /* With only a folder, Docker's client does not verify the server. We do, unless
     * DOCKER_TLS_VERIFY is set to an empty value. */
    e->insecure = certificates && verify && !*verify;
    cleanup_free char *usual = endpoint_config_folder();
    if (set_host(e, host, tls, err) < 0)
        return -1;
    if (!tls || e->socket)
        return 0;
    if (!certificates)
        folder = usual;
    return folder ? set_certificates(e, folder, err) : 0;
}

/* ---------------------------------------------------------------- contexts */

static int bad_context(const char *name, const char *what, lrun_error *err)
{
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "the Docker context '%.100s' %s", name, what);
    return error_hint(err, "see docker context ls; or set DOCKER_HOST");
}

/* Computes the SHA-256 of a text, in hex digits. */
static void digest_of(char hex[2 * SHA256_DIGEST_SIZE + 1], const char *text)
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, strlen(text), (const uint8_t *)text);
    sha256_digest(&context, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* Docker keeps a context in contexts/meta/<SHA-256 of the name>/meta.json and
 * contexts/tls/<the same>/docker. */
static int from_context(struct endpoint *e, const char *name, lrun_error *err)
{
    char hex[2 * SHA256_DIGEST_SIZE + 1], file[160];
    cleanup_free char *folder = endpoint_config_folder();
    if (!folder)
        return bad_context(name, "is not there: there is no home folder", err);
    digest_of(hex, name);
    snprintf(file, sizeof(file), "contexts/meta/%s/meta.json", hex);
    json_t *meta = load(folder, file);
    if (!meta)
        return bad_context(name, "is not there", err);
    const char *host = NULL;
    int skip = 0, rc = 0;
    if (json_unpack(meta, "{s{s{ss,s?b}}}", "Endpoints", "docker", "Host", &host, "SkipTLSVerify",
                    &skip) < 0)
        rc = bad_context(name, "names no Docker host", err);
    snprintf(file, sizeof(file), "contexts/tls/%s/docker", hex);
    cleanup_free char *certificates = text_path_join(folder, file);
    bool tls = certificates && access(certificates, F_OK) == 0;
    e->insecure = skip;
    if (rc == 0)
        rc = set_host(e, host, tls || skip, err);
    if (rc == 0 && tls)
        rc = set_certificates(e, certificates, err);
    json_decref(meta);
    return rc;
}

/* Returns the name of the context, malloc'd. NULL: the default context. */
static char *context_name(void)
{
    const char *name = secure_getenv("DOCKER_CONTEXT");
    json_t *config = NULL;
    if (!name || !*name) {
        config = endpoint_config();
        name = json_string_value(json_object_get(config, "currentContext"));
    }
    char *copy = name && *name && strcmp(name, "default") != 0 ? strdup(name) : NULL;
    json_decref(config);
    return copy;
}

/* A rootless daemon has its socket in the user's runtime folder. */
static int from_usual_socket(struct endpoint *e, lrun_error *err)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    char host[200];
    if (runtime && *runtime && access(default_socket, F_OK) < 0) {
        int n = snprintf(host, sizeof(host), "unix://%s/docker.sock", runtime);
        if (n > 0 && (size_t)n < sizeof(host) && access(host + strlen("unix://"), F_OK) == 0)
            return set_host(e, host, false, err);
    }
    snprintf(host, sizeof(host), "unix://%s", default_socket);
    return set_host(e, host, false, err);
}

int endpoint_find(struct endpoint *out, lrun_error *err)
{
    *out = (struct endpoint){0};
    const char *host = secure_getenv("DOCKER_HOST");
    cleanup_free char *context = host && *host ? NULL : context_name();
    int rc = host && *host ? from_environment(out, host, err)
             : context     ? from_context(out, context, err)
                           : from_usual_socket(out, err);
    if (rc < 0)
        endpoint_free(out);
    return rc;
}
