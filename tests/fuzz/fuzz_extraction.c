/* SPDX-License-Identifier: MIT */
/*
 * An agent under an attacker's control sends any frames while files are extracted. Whatever it
 * sends, only folders and regular files without special bits appear, they appear only in the
 * requested folder, and they do not exceed the cap.
 */
#include "fuzz_folder.h"

#include "run/extraction.h"

#include <string.h>
#include <sys/stat.h>

enum { CAP = 16384, ENTRIES = 2 };

static char inside[sizeof(fuzz_folder) + 8], bait[sizeof(fuzz_folder) + 16];

/* Creates a folder beside `to`, which must not change. */
static void make_bait(void)
{
    bool made;
    fuzz_folder_open(&made);
    if (!made)
        return;
    snprintf(inside, sizeof(inside), "%s/to", fuzz_folder);
    snprintf(bait, sizeof(bait), "%s/outside", fuzz_folder);
    PROMISE(mkdir(bait, 0755) == 0);
}

static off_t total;

static int check_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)kind, (void)where;
    if (strcmp(path, inside) == 0 || S_ISLNK(st->st_mode))
        return 0; /* LLVMFuzzerTestOneInput() has planted the link */
    PROMISE(S_ISDIR(st->st_mode) || S_ISREG(st->st_mode));
    PROMISE((st->st_mode & 07000) == 0);
    total += S_ISREG(st->st_mode) ? st->st_size : 0;
    return 0;
}

static void check_and_clean(void)
{
    struct stat st;
    total = 0;
    nftw(inside, check_one, 16, FTW_PHYS);
    PROMISE(total <= CAP * ENTRIES);
    PROMISE(rmdir(bait) == 0 && mkdir(bait, 0755) == 0); /* rmdir() proves that it was empty */
    remove_tree(inside);
    PROMISE(lstat(inside, &st) < 0);
}

static void feed(struct extraction *x, struct agent_link *link, const uint8_t *data, size_t size)
{
    cleanup_buffer struct buffer in;
    buffer_init(&in, FRAME_AGENT_MAX + FRAME_HEADER_SIZE);
    bool done = false;
    lrun_error err = {0};
    PROMISE(extraction_next(x, link, &done, &err) == 0);
    if (!buffer_append(&in, data, size))
        return;
    struct frame f;
    while (!done && frame_peek(&in, FRAME_AGENT_MAX, &f) == FRAME_OK) {
        size_t before = x->at;
        if (extraction_frame(x, &f, &err) < 0)
            return;
        frame_consume(&in, &f);
        buffer_clear(&link->out);
        if (x->at != before)
            PROMISE(extraction_next(x, link, &done, &err) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_bait();
    char way[sizeof(inside) + 8];
    snprintf(way, sizeof(way), "%s/way", inside);
    PROMISE(mkdir(inside, 0755) == 0 && symlink(bait, way) == 0);

    char folder[] = "folder", file[] = "file.txt", workdir[] = "/app";
    struct request_extract entries[ENTRIES] = {{folder, inside}, {file, inside}};
    struct request request = {
        .workdir = workdir,
        .extract = entries,
        .extract_count = ENTRIES,
        .has_extract = true,
        .max_extract_bytes = CAP,
    };
    struct extraction x;
    struct agent_link link = {.to = -1, .from = -1};
    buffer_init(&link.out, 1 << 20);
    PROMISE(extraction_init(&x, &request, 022, NULL) == 0);
    feed(&x, &link, data, size);
    extraction_abort(&x, "the agent went away");
    for (size_t i = 0; i < ENTRIES; i++)
        PROMISE(x.results[i].status != LRUN_EXTRACT_OK || x.results[i].bytes <= CAP);
    extraction_free(&x);
    buffer_free(&link.out);
    check_and_clean();
    return 0;
}
