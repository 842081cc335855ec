/* SPDX-License-Identifier: MIT */
/*
 * light-runner-unpack: started by an import, not by people. Only this program reads images with an
 * archive library, and only this program parses their documents. See unpack.h for its commands, and
 * unpack_confine.h for what it can reach.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "image/high_ids.h"
#include "image/layout.h"
#include "image/layout_document.h"
#include "image/pack_tree.h"
#include "image/unpack.h"
#include "image/unpack_archive.h"
#include "image/unpack_confine.h"
#include "wire/fields.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <string.h>

enum { BLOCK = 1 << 20 };

/* Parsing 4 MiB of JSON takes 316 MiB. */
#define DOCUMENT_MEMORY_MAX (512ull << 20)

static int report(const lrun_error *e)
{
    fprintf(stderr, "%s\n", e->message);
    return e->code == LRUN_IMAGE_INVALID ? UNPACK_INVALID : UNPACK_FAILED;
}

/* Unpacks an archive from stdin, or the layers if `count` is not 0. */
static int unpack(uint64_t max_bytes, bool owners, const char *const *layers, int count)
{
    lrun_error err = {0};
    struct unpack_report done = {0};
    struct unpack_limits limits = {
        .bytes = max_bytes,
        .entries = UNPACK_MAX_ENTRIES,
        .owners = owners,
    };
    unpack_archive_prepare();
    if (unpack_confine(UNPACK_TARGET, max_bytes, &err) < 0)
        return report(&err);
    if (count == 0
            ? unpack_archive(0, &limits, &done, &err) < 0
            : unpack_layers(UNPACK_FIRST_LAYER, layers, (size_t)count, &limits, &done, &err) < 0)
        return report(&err);
    cleanup_high_ids struct high_ids ids = done.ids;
    cleanup_free char *text = high_ids_note_names(&ids) ? high_ids_text(&ids) : NULL;
    if (!text)
        return report((error_oom(&err, "image.unpack"), &err));
    printf("%" PRIu64 " %" PRIu64 " %s\n", done.skipped, done.longest_name, text);
    return UNPACK_OK;
}

/* Writes the unpacked files to stdout. */
static int pack(uint64_t max_bytes, bool owners)
{
    lrun_error err = {0};
    unpack_archive_prepare();
    return unpack_confine(UNPACK_TARGET, max_bytes, &err) < 0 ||
                   pack_tree(STDOUT_FILENO, owners, &err) < 0
               ? report(&err)
               : UNPACK_OK;
}

/* Parses JSON from stdin. It usually runs behind the unpacker's walls, too (see assembly_ask()). */
static int document(const char *kind, const char *name)
{
    lrun_error err = {0};
    cleanup_buffer struct buffer text, out;
    buffer_init(&text, LAYOUT_MAX_DOCUMENT + 1);
    buffer_init(&out, LAYOUT_DOCUMENT_ANSWER_MAX);
    if (unpack_limit_memory(DOCUMENT_MEMORY_MAX, &err) < 0)
        return report(&err);
    for (ssize_t n = 1; n > 0;) {
        size_t room = buffer_room(&text), want = room < BLOCK ? room : BLOCK;
        char *to = want ? buffer_reserve(&text, want) : NULL;
        if (!to)
            return UNPACK_FAILED;
        n = read(0, to, want);
        if (n < 0 && errno != EINTR)
            return UNPACK_FAILED;
        buffer_commit(&text, n > 0 ? (size_t)n : 0);
        n = n < 0 ? 1 : n;
    }
    int rc = layout_document_read(&out, kind, name, buffer_data(&text), buffer_length(&text), &err);
    if (rc < 0)
        buffer_clear(&out);
    if (rc < 0 && err.hint[0])
        (void)fields_add(&out, "hint", err.hint);
    fwrite(buffer_data(&out), 1, buffer_length(&out), stdout);
    return rc < 0 ? report(&err) : UNPACK_OK;
}

static int digest(void)
{
    cleanup_free unsigned char *block = malloc(BLOCK);
    struct sha256_ctx context;
    if (!block)
        return UNPACK_FAILED;
    sha256_init(&context);
    for (;;) {
        ssize_t n = read(0, block, BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fprintf(stderr, "cannot read: %s\n", strerror(errno));
            return UNPACK_FAILED;
        }
        if (n == 0)
            break;
        sha256_update(&context, (size_t)n, block);
    }
    unsigned char sum[SHA256_DIGEST_SIZE];
    sha256_digest(&context, sizeof(sum), sum);
    for (size_t i = 0; i < sizeof(sum); i++)
        printf("%02x", sum[i]);
    printf("\n");
    return UNPACK_OK;
}

int main(int argc, char **argv)
{
    int code = UNPACK_FAILED;
    uint64_t max_bytes, owners;
    const char *const *layers = (const char *const *)argv + 4;
    bool unpacks =
        argc >= 4 && text_parse_size(argv[2], &max_bytes) && text_parse_u64(argv[3], &owners);
    if (unpacks && max_bytes > UNPACK_MAX_BYTES)
        max_bytes = UNPACK_MAX_BYTES;
    if (unpacks && argc == 4 && strcmp(argv[1], "unpack") == 0)
        code = unpack(max_bytes, owners, NULL, 0);
    else if (unpacks && argc > 4 && argc - 4 <= UNPACK_MAX_LAYERS && strcmp(argv[1], "layers") == 0)
        code = unpack(max_bytes, owners, layers, argc - 4);
    else if (unpacks && argc == 4 && strcmp(argv[1], "pack") == 0)
        code = pack(UNPACK_TAR_MAX_BYTES(max_bytes), owners);
    else if ((argc == 3 || argc == 4) && strcmp(argv[1], "document") == 0)
        code = document(argv[2], argv[3]);
    else if (argc == 2 && strcmp(argv[1], "digest") == 0)
        code = digest();
    else
        fprintf(stderr, "light-runner-unpack is started by light-runner; "
                        "run 'light-runner image --help'\n");
    if (fflush(stdout) != 0)
        code = UNPACK_FAILED;
    fflush(stderr);
    /* No exit handlers: they would run in the archive's folder. */
    _exit(code);
}
