/* SPDX-License-Identifier: MIT */
#include "install/download.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <curl/curl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#define OPERATION "setup.download"

/* Seconds: to connect, and without a received byte. */
enum { CONNECT_SECONDS = 30, STALL_SECONDS = 60 };
enum { DIGEST_FILE_MAX = 4096, BAR_MS = 200 };

struct transfer {
    const struct download *download;
    int fd;
    struct sha512_ctx hash;
    uint64_t done, total;
    int64_t shown;
    bool too_long;
    int failed; /* errno of a failed write */
};

static void show(struct transfer *t, bool last)
{
    if (!t->download->bar || (!last && clock_ms() < t->shown + BAR_MS))
        return;
    t->shown = clock_ms();
    const char *name = strrchr(t->download->url, '/') + 1;
    fprintf(stderr, "\r%-28s %6.1f MiB", name, (double)t->done / (1 << 20));
    if (t->total)
        fprintf(stderr, " of %.1f", (double)t->total / (1 << 20));
    fputs(last ? "\n" : "", stderr);
}

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
    struct transfer *t = user;
    size_t length = size * count;
    if (length > t->download->max_bytes - t->done) {
        t->too_long = true;
        return 0;
    }
    if (io_write_all(t->fd, data, length, IO_NO_DEADLINE) < 0) {
        t->failed = errno;
        return 0;
    }
    sha512_update(&t->hash, length, (const uint8_t *)data);
    t->done += length;
    show(t, false);
    return length;
}

static int on_progress(void *user, curl_off_t total, curl_off_t done, curl_off_t a, curl_off_t b)
{
    struct transfer *t = user;
    (void)done;
    (void)a;
    (void)b;
    t->total = total > 0 ? (uint64_t)total : 0;
    return 0;
}

static bool set(CURL *c, const char *url, struct transfer *t)
{
    return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           /* A server with TLS must not redirect us to a server without TLS. */
           curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR,
                            strncasecmp(url, "https:", 6) ? "http,https" : "https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFODATA, t) == CURLE_OK;
}

static int failed(const struct transfer *t, CURL *c, CURLcode code, lrun_error *err)
{
    const char *url = t->download->url;
    long status = 0;
    if (t->failed)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, t->failed,
                           "cannot keep the download from '%s'", url);
    if (t->too_long)
        return error_set(err, LRUN_IO_FAILED, OPERATION, "'%s' is longer than %llu MiB", url,
                         (unsigned long long)(t->download->max_bytes >> 20));
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 400) {
        error_set(err, LRUN_IO_FAILED, OPERATION, "the server answers %ld to '%s'", status, url);
        error_hint(err, "check the release and the architecture, or name another --mirror");
        return status == 404 ? DOWNLOAD_MISSING : -1;
    }
    error_set(err, LRUN_IO_FAILED, OPERATION, "'%s' cannot be downloaded: %s", url,
              curl_easy_strerror(code));
    return error_hint(err, "check the network, or name another --mirror");
}

int download_file(int fd, const struct download *d, char hex[DOWNLOAD_HEX_LENGTH + 1],
                  lrun_error *err)
{
    struct transfer t = {.download = d, .fd = fd};
    uint8_t digest[SHA512_DIGEST_SIZE];
    sha512_init(&t.hash);
    CURL *c = curl_easy_init();
    if (!c || !set(c, d->url, &t)) {
        curl_easy_cleanup(c);
        return error_oom(err, OPERATION);
    }
    CURLcode code = curl_easy_perform(c);
    show(&t, true);
    int rc = code == CURLE_OK ? 0 : failed(&t, c, code, err);
    curl_easy_cleanup(c);
    sha512_digest(&t.hash, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return rc;
}

int download_digest(const char *url, char hex[DOWNLOAD_HEX_LENGTH + 1], lrun_error *err)
{
    static const char digits[] = "0123456789abcdef";
    cleanup_free char *sidecar = NULL;
    cleanup_close int fd = memfd_create("light-runner-digest", MFD_CLOEXEC);
    char text[DIGEST_FILE_MAX + 1], ignored[DOWNLOAD_HEX_LENGTH + 1];
    if (asprintf(&sidecar, "%s.sha512", url) < 0) {
        sidecar = NULL;
        return error_oom(err, OPERATION);
    }
    const struct download d = {.url = sidecar, .max_bytes = DIGEST_FILE_MAX};
    if (fd < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make a file in memory");
    int rc = download_file(fd, &d, ignored, err);
    if (rc < 0)
        return rc;
    ssize_t n = pread(fd, text, DIGEST_FILE_MAX, 0);
    text[n > 0 ? n : 0] = '\0';
    /* The file is "<hex>  <file>". */
    if (strspn(text, digits) != DOWNLOAD_HEX_LENGTH)
        return error_set(err, LRUN_IO_FAILED, OPERATION, "'%s' holds no SHA-512", sidecar);
    snprintf(hex, DOWNLOAD_HEX_LENGTH + 1, "%.128s", text);
    return 0;
}
