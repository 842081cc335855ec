/* SPDX-License-Identifier: MIT */
#include "engine/docker/http.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"

#include <string.h>
#include <unistd.h>

/* The maximum sizes of an answer and of one line of a stream. The longest answer is
 * an image's document. */
enum { BODY_MAX = 8 << 20, LINE_MAX_LENGTH = 1 << 20 };

struct transfer {
    const struct http *http;
    const struct http_request *request;
    struct buffer in;
    int64_t impatient; /* when the call ends because a tick asked for it; 0: no tick did */
    bool stopped, too_long;
};

int http_unreachable(const struct endpoint *endpoint, const char *operation, const char *why,
                     lrun_error *err)
{
    /* The most common error: the daemon is up, but the user is not in its group. */
    if (endpoint->socket && access(endpoint->socket, R_OK | W_OK) < 0 && errno == EACCES) {
        error_set(err, LRUN_ENGINE_UNREACHABLE, operation,
                  "this user may not use the Docker daemon's socket '%.200s': Permission denied",
                  endpoint->socket);
        return error_hint(err, "sudo usermod -aG docker $USER, and log in again; or use --engine "
                               "local");
    }
    error_set(err, LRUN_ENGINE_UNREACHABLE, operation,
              "the Docker daemon at '%.200s' does not answer: %s", endpoint->name, why);
    return error_hint(
        err, "start it (systemctl start docker), or set DOCKER_HOST; or use --engine local");
}

bool http_address(CURL *c, const struct endpoint *e)
{
    bool ok = curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_PING_TIMEOUT) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_PROXY, e->socket ? "" : NULL) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
    if (e->socket)
        return ok && curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, e->socket) == CURLE_OK;
    if (e->ca)
        ok = ok && curl_easy_setopt(c, CURLOPT_CAINFO, e->ca) == CURLE_OK;
    if (e->cert)
        ok = ok && curl_easy_setopt(c, CURLOPT_SSLCERT, e->cert) == CURLE_OK;
    if (e->key)
        ok = ok && curl_easy_setopt(c, CURLOPT_SSLKEY, e->key) == CURLE_OK;
    return ok && curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, e->insecure ? 0L : 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, e->insecure ? 0L : 2L) == CURLE_OK;
}

int http_open(struct http *out, const struct endpoint *endpoint, const struct tick *tick,
              lrun_error *err)
{
    *out = (struct http){.curl = curl_easy_init(), .endpoint = endpoint, .tick = tick};
    return out->curl ? 0 : error_oom(err, "docker.connect");
}

void http_close(struct http *h)
{
    curl_easy_cleanup(h->curl);
    *h = (struct http){0};
}

/* ---------------------------------------------------------------- what comes back */

static bool take_lines(struct transfer *t)
{
    const char *end;
    while (buffer_length(&t->in) > 0 &&
           (end = memchr(buffer_data(&t->in), '\n', buffer_length(&t->in))) != NULL) {
        size_t length = (size_t)(end - buffer_data(&t->in));
        json_t *document = json_loadb(buffer_data(&t->in), length, 0, NULL);
        /* Ignore empty lines and lines that are not JSON. */
        t->stopped = document && t->request->line(t->request->user, document) != 0;
        json_decref(document);
        if (t->stopped)
            return false;
        buffer_consume(&t->in, length + 1);
    }
    return true;
}

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
    struct transfer *t = user;
    size_t length = size * count;
    if (!buffer_append(&t->in, data, length)) {
        t->too_long = true;
        return 0;
    }
    /* A refusal is always one document, even where a good answer is a stream. */
    long status = 0;
    curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &status);
    return !t->request->line || status >= 400 || take_lines(t) ? length : 0;
}

static int on_tick(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct transfer *t = user;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    const struct tick own = {t->request->tick, t->request->user};
    const struct tick *tick = own.ask ? &own : t->http->tick;
    if (tick->ask(tick->user) == 0)
        return 0;
    if (t->impatient == 0)
        t->impatient = clock_ms() + t->request->patience_ms;
    t->stopped = clock_ms() >= t->impatient;
    return t->stopped;
}

/* ---------------------------------------------------------------- what goes out */

static size_t on_read(char *to, size_t size, size_t count, void *user)
{
    const struct http_upload *u = user;
    ssize_t n = pread(u->fd, to, size * count, (off_t)*u->sent);
    if (n < 0)
        return CURL_READFUNC_ABORT;
    *u->sent += (uint64_t)n;
    return (size_t)n;
}

/* libcurl sends the data again if the kept connection turns out to be closed. */
static int on_seek(void *user, curl_off_t offset, int origin)
{
    const struct http_upload *u = user;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    *u->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool set_upload(CURL *c, const struct http_upload *u)
{
    *u->sent = 0;
    return curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)u->length) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_READDATA, u) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SEEKDATA, u) == CURLE_OK;
}

/* ---------------------------------------------------------------- one call */

static bool set_request(CURL *c, const struct http *h, const struct http_request *r,
                        const char *url, const char *body, struct curl_slist *headers,
                        struct transfer *t)
{
    long timeout = r->timeout_ms ? (long)r->timeout_ms : HTTP_TIMEOUT;
    curl_easy_reset(c);
    bool ok = http_address(c, h->endpoint) && curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK;
    if (strcmp(r->method, "HEAD") == 0)
        ok = ok && curl_easy_setopt(c, CURLOPT_NOBODY, 1L) == CURLE_OK;
    else if (r->upload)
        ok = ok && set_upload(c, r->upload);
    else if (r->tar)
        ok =
            ok && curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->tar) == CURLE_OK &&
            curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->tar_length) == CURLE_OK;
    else if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "DELETE") != 0)
        ok = ok && curl_easy_setopt(c, CURLOPT_POSTFIELDS, body ? body : "") == CURLE_OK;
    if (r->line)
        ok = ok && curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
             curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, timeout / 1000) == CURLE_OK;
    else
        ok = ok && curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK;
    if (r->tick || (h->tick && h->tick->ask))
        ok = ok && curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
             curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_tick) == CURLE_OK &&
             curl_easy_setopt(c, CURLOPT_XFERINFODATA, t) == CURLE_OK;
    return ok;
}

static struct curl_slist *make_headers(const struct http_request *r)
{
    struct curl_slist *list =
        curl_slist_append(NULL, r->tar || r->upload ? "Content-Type: application/x-tar"
                                                    : "Content-Type: application/json");
    /* No Expect header: with it, a body of more than 1 KiB waits for the daemon's consent. */
    struct curl_slist *more = list ? curl_slist_append(list, "Expect:") : NULL;
    if (more && r->header)
        more = curl_slist_append(more, r->header);
    if (!more)
        curl_slist_free_all(list);
    return more;
}

static int perform(struct http *h, const struct http_request *r, struct transfer *t,
                   lrun_error *err)
{
    CURLcode code = curl_easy_perform(h->curl);
    if (code == CURLE_OK || t->stopped)
        return 0;
    if (t->too_long)
        return error_set(err, LRUN_ENGINE_UNREACHABLE, r->operation,
                         "the Docker daemon's answer is longer than %d MiB", BODY_MAX >> 20);
    if (code == CURLE_OUT_OF_MEMORY)
        return error_oom(err, r->operation);
    return http_unreachable(h->endpoint, r->operation, curl_easy_strerror(code), err);
}

int http_call(struct http *h, const struct http_request *r, struct http_answer *out,
              lrun_error *err)
{
    struct transfer t = {.http = h, .request = r};
    cleanup_free char *url = NULL, *body = r->body ? json_dumps(r->body, JSON_COMPACT) : NULL;
    struct curl_slist *headers = make_headers(r);
    struct curl_header *header;
    *out = (struct http_answer){0};
    if (asprintf(&url, "%s%s", h->endpoint->url, r->path) < 0)
        url = NULL;
    buffer_init(&t.in, r->line ? LINE_MAX_LENGTH : BODY_MAX);
    int rc = !url || !headers || (r->body && !body) ||
                     !set_request(h->curl, h, r, url, body, headers, &t)
                 ? error_oom(err, r->operation)
                 : perform(h, r, &t, err);
    if (rc == 0) {
        if (!t.stopped)
            curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &out->status);
        if (r->wanted &&
            curl_easy_header(h->curl, r->wanted, 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
            out->header = strdup(header->value);
        if (buffer_length(&t.in) > 0)
            out->body = json_loadb(buffer_data(&t.in), buffer_length(&t.in), 0, NULL);
    }
    curl_slist_free_all(headers);
    buffer_free(&t.in);
    return rc;
}

void http_answer_free(struct http_answer *answer)
{
    json_decref(answer->body);
    free(answer->header);
    *answer = (struct http_answer){0};
}
