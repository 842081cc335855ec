/* SPDX-License-Identifier: MIT */
#include "image/unpack_stream.h"

#include "base/cleanup.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <zlib.h>

#define OPERATION "image.unpack"

enum { BLOCK = 256 * 1024 };

struct unpack_stream {
    int fd;
    uint64_t total, max;
    lrun_error failure; /* LRUN_OK: no failure so far */

    unsigned char *input; /* BLOCK bytes: read, but not yet used */
    size_t input_length;
    int read_errno;

    bool empty;              /* there is no data, before or after decompression */
    struct archive *filters; /* for all formats except gzip */
    z_stream *gzip;
    unsigned char *output; /* BLOCK bytes, for gzip */
    bool member_ended;
};

static int fail(struct unpack_stream *s, lrun_code code, const char *text)
{
    if (s->read_errno)
        return error_errno(&s->failure, LRUN_IO_FAILED, OPERATION, s->read_errno,
                           "cannot read the archive");
    return error_set(&s->failure, code, OPERATION, "%s", text);
}

static int fail_corrupt(struct unpack_stream *s, const char *why)
{
    char text[256];
    snprintf(text, sizeof(text), "the archive is cut off or corrupt: %s",
             why ? why : "no reason given");
    return fail(s, LRUN_IMAGE_INVALID, text);
}

/* Refills the input buffer. Returns the number of bytes, 0 at the end, -1 on failure. */
static ssize_t fill(struct unpack_stream *s)
{
    ssize_t n;
    do
        n = read(s->fd, s->input, BLOCK);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        s->read_errno = errno;
    s->input_length = n < 0 ? 0 : (size_t)n;
    return n;
}

/* -------------------------------------------------------------- gzip */

static int open_gzip(struct unpack_stream *s)
{
    s->output = malloc(BLOCK);
    s->gzip = calloc(1, sizeof(*s->gzip));
    /* 15 + 16: the largest window, and only gzip's format with its checksum. */
    if (!s->output || !s->gzip || inflateInit2(s->gzip, 15 + 16) != Z_OK) {
        free(s->gzip);
        s->gzip = NULL;
        return fail(s, LRUN_OUT_OF_MEMORY, "out of memory");
    }
    s->gzip->next_in = s->input;
    s->gzip->avail_in = (uInt)s->input_length;
    return 0;
}

/* Gives zlib its next input. Returns 1 if there is more, 0 at the end, -1 on failure. */
static int feed_gzip(struct unpack_stream *s)
{
    if (s->gzip->avail_in > 0)
        return 1;
    ssize_t n = fill(s);
    s->gzip->next_in = s->input;
    s->gzip->avail_in = (uInt)s->input_length;
    return n < 0 ? -1 : n > 0;
}

/* Skips to the next gzip member. At the end, zeros may fill up a tape's block. Returns 1 if there
 * is another member, 0 at the end, -1 on failure. */
static int next_member(struct unpack_stream *s)
{
    int more;
    bool zeros = false;
    while ((more = feed_gzip(s)) > 0 && *s->gzip->next_in == 0) {
        s->gzip->next_in++;
        s->gzip->avail_in--;
        zeros = true;
    }
    if (more < 0)
        return fail(s, LRUN_IO_FAILED, "cannot read the archive");
    if (more == 0)
        return 0;
    if (zeros || inflateReset(s->gzip) != Z_OK)
        return fail_corrupt(s, "there is data after its end");
    s->member_ended = false;
    return 1;
}

static ssize_t next_gzip(struct unpack_stream *s, const void **data)
{
    z_stream *z = s->gzip;
    z->next_out = s->output;
    z->avail_out = BLOCK;
    while (z->avail_out == BLOCK) {
        if (s->member_ended) {
            int more = next_member(s);
            if (more <= 0)
                return more;
        }
        int more = feed_gzip(s);
        if (more < 0)
            return fail(s, LRUN_IO_FAILED, "cannot read the archive");
        if (more == 0)
            return fail_corrupt(s, "the gzip data ends too early");
        int r = inflate(z, Z_NO_FLUSH);
        if (r == Z_STREAM_END)
            s->member_ended = true;
        else if (r == Z_MEM_ERROR)
            return fail(s, LRUN_OUT_OF_MEMORY, "out of memory");
        else if (r != Z_OK && r != Z_BUF_ERROR)
            return fail_corrupt(s, z->msg ? z->msg : "bad gzip data");
    }
    *data = s->output;
    return BLOCK - (ssize_t)z->avail_out;
}

/* -------------------------------------------------------------- the others */

static la_ssize_t give_input(struct archive *a, void *user, const void **data)
{
    struct unpack_stream *s = user;
    /* The first block has been read already, to detect the format. */
    if (s->input_length == 0 && fill(s) < 0) {
        archive_set_error(a, s->read_errno, "cannot read the archive");
        return ARCHIVE_FATAL;
    }
    *data = s->input;
    la_ssize_t n = (la_ssize_t)s->input_length;
    s->input_length = 0;
    return n;
}

static int open_filters(struct unpack_stream *s)
{
    struct archive_entry *entry;
    struct archive *a = s->filters = archive_read_new();
    if (!a)
        return fail(s, LRUN_OUT_OF_MEMORY, "out of memory");
    /* Only formats that libarchive can read by itself: for others it would run programs. */
    if (archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
        archive_read_support_filter_xz(a) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
        archive_read_support_format_raw(a) != ARCHIVE_OK ||
        archive_read_support_format_empty(a) != ARCHIVE_OK)
        return fail(s, LRUN_IO_FAILED, "this libarchive lacks bzip2, xz or zstd");
    int r = archive_read_open(a, s, NULL, give_input, NULL);
    if (r >= ARCHIVE_WARN)
        r = archive_read_next_header(a, &entry);
    s->empty = r == ARCHIVE_EOF;
    return r < ARCHIVE_WARN ? fail_corrupt(s, archive_error_string(a)) : 0;
}

static ssize_t next_filters(struct unpack_stream *s, const void **data)
{
    size_t size = 0;
    la_int64_t offset;
    do {
        int r = archive_read_data_block(s->filters, data, &size, &offset);
        if (r == ARCHIVE_EOF)
            return 0;
        if (r < ARCHIVE_WARN)
            return archive_errno(s->filters) == ENOMEM
                       ? fail(s, LRUN_OUT_OF_MEMORY, "out of memory")
                       : fail_corrupt(s, archive_error_string(s->filters));
    } while (size == 0);
    return (ssize_t)size;
}

/* -------------------------------------------------------------- both */

static int open_stream(struct unpack_stream *s)
{
    s->input = malloc(BLOCK);
    if (!s->input)
        return fail(s, LRUN_OUT_OF_MEMORY, "out of memory");
    ssize_t n = fill(s);
    if (n < 0)
        return fail(s, LRUN_IO_FAILED, "cannot read the archive");
    s->empty = n == 0;
    if (s->empty)
        return 0;
    /* A pipe may give only a single byte at first. No tar begins with 0x1f. */
    return s->input[0] == 0x1f && (n < 2 || s->input[1] == 0x8b) ? open_gzip(s) : open_filters(s);
}

int unpack_stream_open(struct unpack_stream **out, int fd, uint64_t max, lrun_error *err)
{
    struct unpack_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return error_oom(err, OPERATION);
    s->fd = fd;
    s->max = max;
    if (open_stream(s) < 0) {
        if (err)
            *err = s->failure;
        unpack_stream_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

ssize_t unpack_stream_next(struct unpack_stream *s, const void **data, lrun_error *err)
{
    ssize_t n = -1;
    if (s->failure.code == LRUN_OK) {
        n = s->empty ? 0 : s->gzip ? next_gzip(s, data) : next_filters(s, data);
        s->total += n > 0 ? (uint64_t)n : 0;
        if (s->total > s->max)
            n = fail(s, LRUN_IMAGE_INVALID, "the archive unpacks to more than is allowed");
    }
    if (n < 0 && err)
        *err = s->failure;
    return n;
}

uint64_t unpack_stream_total(const struct unpack_stream *s)
{
    return s->total;
}

void unpack_stream_close(struct unpack_stream *s)
{
    if (!s)
        return;
    if (s->gzip)
        inflateEnd(s->gzip);
    archive_read_free(s->filters);
    free(s->gzip);
    free(s->input);
    free(s->output);
    free(s);
}
