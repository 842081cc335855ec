/* SPDX-License-Identifier: MIT */
/*
 * The documents of images. The first byte says what the other bytes are:
 *
 *      T  a manifest or an index, for its sizes
 *      I  the index of the store
 *      O  the files of an OCI layout, separated by lines "---": index.json, then the blobs aa...,
 *         bb..., cc...
 *      D  the files of `docker save`: manifest.json, then config.json and layer.tar
 */
#include "fuzz_folder.h"

#include "base/error.h"
#include "image/index.h"
#include "image/layout.h"
#include "image/layout_document.h"
#include "wire/fields.h"

#include <string.h>
#include <sys/stat.h>

static const char *const oci_files[] = {
    "index.json",
    "blobs/sha256/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "blobs/sha256/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "blobs/sha256/cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
    NULL,
};
static const char *const docker_files[] = {"manifest.json", "config.json", "layer.tar", NULL};

static int folder_of(const char *kind)
{
    bool made;
    int top = fuzz_folder_open(&made);
    if (made) {
        PROMISE(mkdirat(top, "oci", 0700) == 0 && mkdirat(top, "docker", 0700) == 0);
        PROMISE(mkdirat(top, "oci/blobs", 0700) == 0 &&
                mkdirat(top, "oci/blobs/sha256", 0700) == 0);
    }
    return openat(top, kind, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Says that every file has the digest in its name, so that the fuzzer gets past that check. */
static int digest_of_name(void *user, int fd, char hex[IMAGE_HEX_LENGTH + 1], lrun_error *err)
{
    char link[64], path[512];
    (void)user;
    (void)err;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    PROMISE(n > IMAGE_HEX_LENGTH);
    path[n] = '\0';
    memcpy(hex, path + n - IMAGE_HEX_LENGTH, IMAGE_HEX_LENGTH + 1);
    return 0;
}

/* Reads the document in this process, and not in a confined helper. */
static int ask_here(void *user, const char *kind, int fd, struct buffer *out, lrun_error *err)
{
    static char text[1 << 20];
    (void)user;
    ssize_t n = read(fd, text, sizeof(text));
    PROMISE(n >= 0);
    return layout_document_read(out, kind, "image1:latest", text, (size_t)n, err);
}

static const struct layout_helpers helpers = {digest_of_name, ask_here, NULL};

static void write_files(int folder, const char *const *names, const char *text, size_t length)
{
    static const char line[] = "\n---\n";
    for (; *names; names++) {
        const char *end = memmem(text, length, line, sizeof(line) - 1);
        size_t part = end ? (size_t)(end - text) : length;
        cleanup_close int fd =
            openat(folder, *names, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        PROMISE(fd >= 0 && write(fd, text, part) == (ssize_t)part);
        size_t used = end ? part + sizeof(line) - 1 : length;
        text += used;
        length -= used;
    }
}

static void check_layout(const char *kind, const char *const *files, const char *text,
                         size_t length)
{
    cleanup_close int folder = folder_of(kind);
    cleanup_layout struct layout layout = {0};
    lrun_error e = {0};
    PROMISE(folder >= 0);
    write_files(folder, files, text, length);
    if (layout_read(&layout, folder, &helpers, &e) == 0) {
        PROMISE(layout.count > 0 && layout.architecture);
        for (size_t i = 0; i < layout.count; i++)
            PROMISE(layout.layers[i] >= 0 &&
                    image_hex_length(layout.digests[i]) == IMAGE_HEX_LENGTH);
    } else {
        PROMISE(e.code == LRUN_IMAGE_INVALID || e.code == LRUN_IO_FAILED ||
                e.code == LRUN_OUT_OF_MEMORY);
        for (const char *c = e.message; *c; c++)
            PROMISE((unsigned char)*c >= ' ');
    }
}

static void check_index(const char *text, size_t length)
{
    cleanup_index struct index index = {0}, again = {0};
    if (index_parse(&index, text, length, NULL) < 0)
        return;
    cleanup_free char *dumped = index_dump(&index);
    PROMISE(dumped && index_parse(&again, dumped, strlen(dumped), NULL) == 0);
    PROMISE(again.count == index.count);
    cleanup_free char *twice = index_dump(&again);
    PROMISE(twice && strcmp(dumped, twice) == 0);
}

static void check_total(const char *text, size_t length)
{
    cleanup_buffer struct buffer answer;
    buffer_init(&answer, LAYOUT_DOCUMENT_ANSWER_MAX);
    if (layout_document_read(&answer, LAYOUT_DOCUMENT_TOTAL, NULL, text, length, NULL) < 0)
        return;
    const struct frame f = {.length = (uint32_t)buffer_length(&answer),
                            .payload = buffer_data(&answer)};
    const char *next = fields_get(&f, "next");
    uint64_t total;
    PROMISE(fields_valid(&f));
    PROMISE(next ? strlen(next) == IMAGE_HEX_LENGTH : fields_get_u64(&f, "total", &total));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    if (size < 1 || size > 100000)
        return 0;
    switch (data[0]) {
    case 'T':
        check_total(text, size - 1);
        break;
    case 'I':
        check_index(text, size - 1);
        break;
    case 'O':
        check_layout("oci", oci_files, text, size - 1);
        break;
    case 'D':
        check_layout("docker", docker_files, text, size - 1);
        break;
    }
    return 0;
}
