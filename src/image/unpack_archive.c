/* SPDX-License-Identifier: MIT */
#include "image/unpack_archive.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "image/unpack.h"
#include "image/unpack_layer.h"
#include "image/unpack_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fts.h>
#include <iconv.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "image.unpack"

enum {
    MAX_PATH = 4000, /* mkfs.erofs puts the staging folder's path in front of it */
    MAX_NAME = NAME_MAX,
    MAX_DEPTH = 256, /* removing the tree takes one fd per level */
    TAR_BLOCK = 512,
};

/* The access time that marks folders of the archive; see settle_folders(). */
#define MARK_S 1

/* A folder whose time is set at the very end. */
struct late_time {
    char *path;
    struct timespec mtime;
};

struct unpacker {
    const struct unpack_limits *limits;
    struct unpack_stream *stream;
    lrun_error stream_error; /* LRUN_OK: the stream has not failed */
    struct archive *tar;
    struct archive *disk;
    uint64_t bytes, entries;
    struct unpack_report report;
    struct late_time *late;
    size_t late_count, late_room;
    bool layered;                /* this is a layer of an image, not a whole file system */
    struct layer_paths written;  /* by the current layer */
    struct layer_paths left_out; /* devices, fifos and sockets, of all layers */
    struct sha256_ctx sum;       /* of the current layer's stream */
    uint64_t streamed;           /* by the layers before this one */
};

/* Closes the stream, and libarchive's reader and writer. All counts are kept. */
static void close_streams(struct unpacker *u)
{
    archive_write_free(u->disk);
    archive_read_free(u->tar);
    unpack_stream_close(u->stream);
    u->disk = NULL;
    u->tar = NULL;
    u->stream = NULL;
}

static void unpacker_free(struct unpacker *u)
{
    for (size_t i = 0; i < u->late_count; i++)
        free(u->late[i].path);
    free(u->late);
    layer_paths_free(&u->written);
    layer_paths_free(&u->left_out);
    close_streams(u);
}

#define invalid(err, ...) error_set(err, LRUN_IMAGE_INVALID, OPERATION, __VA_ARGS__)

static const char *text_of(struct archive *a)
{
    const char *text = archive_error_string(a);
    return text ? text : "no reason given";
}

void unpack_archive_prepare(void)
{
    /*
     * The local character set stays ASCII, as in the C locale. If a pax header's name cannot be
     * represented in it, libarchive keeps the name as it is. In UTF-8, libarchive would recompose
     * the letters, and the name would change.
     */
    iconv_t conversion = iconv_open("ANSI_X3.4-1968", "UTF-8");
    if (conversion != (iconv_t)-1)
        iconv_close(conversion);
}

/* -------------------------------------------------------------- opening */

/* Like unpack_stream_next(), but also adds the data to the layer's checksum. */
static ssize_t next_data(struct unpacker *u, const void **data, lrun_error *err)
{
    ssize_t n = unpack_stream_next(u->stream, data, err);
    if (n > 0 && u->layered)
        sha256_update(&u->sum, (size_t)n, *data);
    return n;
}

static la_ssize_t give_stream(struct archive *tar, void *user, const void **data)
{
    struct unpacker *u = user;
    ssize_t n = next_data(u, data, &u->stream_error);
    if (n >= 0)
        return n;
    archive_set_error(tar, EIO, "%s", u->stream_error.message);
    return ARCHIVE_FATAL;
}

/* The reader of the tar has failed, either by itself or because the stream has failed. */
static int broken(const struct unpacker *u, lrun_error *err)
{
    if (u->stream_error.code != LRUN_OK) {
        if (err)
            *err = u->stream_error;
        return -1;
    }
    if (archive_file_count(u->tar) == 0)
        return invalid(err, "not a tar archive (plain, or packed with gzip, bzip2, xz or zstd)");
    return invalid(err, "the archive is cut off or corrupt: %s", text_of(u->tar));
}

/* A layer that changes nothing may have no bytes at all, which libarchive does not
 * accept as an archive. */
static bool is_empty(const struct unpacker *u)
{
    return u->stream_error.code == LRUN_OK && unpack_stream_total(u->stream) == 0;
}

static int open_tar(struct unpacker *u, int fd, lrun_error *err)
{
    uint64_t max = u->limits->bytes + (u->limits->entries + 1) * UNPACK_ENTRY_COST;
    sha256_init(&u->sum);
    if (unpack_stream_open(&u->stream, fd, max > u->streamed ? max - u->streamed : 0, err) < 0)
        return -1;
    u->tar = archive_read_new();
    if (!u->tar)
        return error_oom(err, OPERATION);
    if (archive_read_support_format_tar(u->tar) != ARCHIVE_OK ||
        (archive_read_open(u->tar, u, NULL, give_stream, NULL) < ARCHIVE_WARN && !is_empty(u)))
        return broken(u, err);
    return 0;
}

static int open_disk(struct unpacker *u, lrun_error *err)
{
    /*
     * No UNLINK: with it, a folder would silently replace a symlink that is in the way. Without it,
     * the archive is rejected. No ACL, and no FFLAGS, because an immutable file could not be
     * removed again.
     */
    int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR |
                ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;
    if (u->limits->owners)
        flags |= ARCHIVE_EXTRACT_OWNER;
    u->disk = archive_write_disk_new();
    if (!u->disk)
        return error_oom(err, OPERATION);
    /* Only numeric owners count: there is no lookup function, so no passwd file is read. */
    return archive_write_disk_set_options(u->disk, flags) == ARCHIVE_OK
               ? 0
               : error_set(err, LRUN_INTERNAL, OPERATION, "%s", text_of(u->disk));
}

/* -------------------------------------------------------------- one entry */

static int check_length(struct unpacker *u, const char *path, lrun_error *err)
{
    size_t length = strlen(path), depth = 0;
    if (length > MAX_PATH)
        return invalid(err, "the path '%.80s...' is too long", path);
    for (const char *s = path; *s; s += *s == '/', depth++) {
        size_t name = strcspn(s, "/");
        if (name > MAX_NAME)
            return invalid(err, "the name '%.80s...' is longer than %d bytes", s, MAX_NAME);
        if (name > u->report.longest_name)
            u->report.longest_name = name;
        s += name;
    }
    if (depth > MAX_DEPTH)
        return invalid(err, "the path '%.80s...' is too deep", path);
    return 0;
}

/* Makes the path relative and tidy, and follows the links on the way. "." is the folder itself. */
static int make_relative(struct unpacker *u, char **out, const char *path, lrun_error *err)
{
    while (*path == '/')
        path++;
    if (check_length(u, path, err) < 0)
        return -1;
    *out = strdup(*path ? path : ".");
    if (!*out)
        return error_oom(err, OPERATION);
    /* Links may make the path longer. */
    return layer_tidy(*out, err) < 0 || layer_resolve(out, err) < 0 ||
                   check_length(u, *out, err) < 0
               ? -1
               : 0;
}

/* Keeps only attributes of users, without those that overlayfs uses for itself. */
static int filter_attributes(struct archive_entry *entry, lrun_error *err)
{
    const char *name;
    const void *value;
    size_t size;
    if (archive_entry_xattr_count(entry) == 0)
        return 0;
    struct archive_entry *old = archive_entry_clone(entry);
    if (!old)
        return error_oom(err, OPERATION);
    archive_entry_xattr_clear(entry);
    archive_entry_xattr_reset(old);
    mode_t type = archive_entry_filetype(entry);
    while ((type == AE_IFREG || type == AE_IFDIR) &&
           archive_entry_xattr_next(old, &name, &value, &size) == ARCHIVE_OK)
        if (name && strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0)
            archive_entry_xattr_add_entry(entry, name, value, size);
    archive_entry_free(old);
    return 0;
}

static int too_large(const struct unpacker *u, lrun_error *err)
{
    return error_set(err, LRUN_IMAGE_INVALID, OPERATION,
                     "the archive unpacks to more than %llu bytes",
                     (unsigned long long)u->limits->bytes);
}

static int disk_failed(struct unpacker *u, const char *path, lrun_error *err)
{
    int number = archive_errno(u->disk);
    bool machine = number == ENOSPC || number == EDQUOT || number == EIO || number == ENOMEM ||
                   number == EROFS || number == EMFILE;
    error_set(err, machine ? LRUN_IO_FAILED : LRUN_IMAGE_INVALID, OPERATION,
              "cannot unpack '%.200s': %s", path, text_of(u->disk));
    if (number == ENOSPC)
        error_context(err, "the disk is full");
    if (number == EINVAL && u->limits->owners)
        error_context(
            err, "no file can have that owner here; without root only ids up to 65535 are there");
    return -1;
}

/*
 * A warning means that the file exists but one of its attributes differs from the archive. That is
 * an error, unless it is unavoidable: without root, and on a file system without user attributes.
 */
static int check_written(struct unpacker *u, int r, const char *path, lrun_error *err)
{
    if (r == ARCHIVE_OK)
        return 0;
    if (r == ARCHIVE_WARN && (!u->limits->owners || archive_errno(u->disk) == ENOTSUP))
        return 0;
    return disk_failed(u, path, err);
}

static int copy_data(struct unpacker *u, const char *path, lrun_error *err)
{
    const void *data;
    size_t size;
    la_int64_t offset;
    for (;;) {
        int r = archive_read_data_block(u->tar, &data, &size, &offset);
        if (r == ARCHIVE_EOF)
            return 0;
        if (r < ARCHIVE_WARN)
            return broken(u, err);
        if (archive_write_data_block(u->disk, data, size, offset) < ARCHIVE_WARN)
            return disk_failed(u, path, err);
    }
}

/* Makes the paths of an entry relative. */
static int check_paths(struct unpacker *u, struct archive_entry *entry, char **path,
                       lrun_error *err)
{
    const char *name = archive_entry_pathname(entry), *target = archive_entry_hardlink(entry);
    if (!name || !name[0])
        return invalid(err, "the archive is corrupt: an entry has no name");
    if (make_relative(u, path, name, err) < 0)
        return -1;
    archive_entry_copy_pathname(entry, *path);
    if (!target)
        return 0;
    cleanup_free char *relative = NULL;
    if (make_relative(u, &relative, target, err) < 0)
        return -1;
    archive_entry_copy_hardlink(entry, relative);
    return 0;
}

/*
 * libarchive sets the times of folders at the end, but only of folders that it creates for their
 * entry. If the folder exists already (the root; made on the way to a file; named twice; of a
 * layer below), libarchive sets its time at once, and every file that is put into the folder
 * afterwards changes it.
 */
static int note_folder(struct unpacker *u, struct archive_entry *entry, const char *path,
                       lrun_error *err)
{
    if (u->late_count == u->late_room) {
        size_t room = u->late_room ? u->late_room * 2 : 16;
        struct late_time *more = realloc(u->late, room * sizeof(*more));
        if (!more)
            return error_oom(err, OPERATION);
        u->late = more;
        u->late_room = room;
    }
    char *copy = strdup(path);
    if (!copy)
        return error_oom(err, OPERATION);
    u->late[u->late_count++] = (struct late_time){
        .path = copy,
        .mtime = {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)},
    };
    return 0;
}

/* Applies a mark, or removes what cannot stay at the entry's path. *done: there is
 * nothing to unpack. */
static int prepare_place(struct unpacker *u, struct archive_entry *entry, const char *path,
                         bool *done, lrun_error *err)
{
    const char *target = archive_entry_hardlink(entry);
    if (u->layered && layer_apply_mark(&u->written, path, done, err) < 0)
        return -1;
    if (*done)
        return 0;
    *done = target && strcmp(target, path) == 0; /* a hard link to itself */
    bool folder = !target && archive_entry_filetype(entry) == AE_IFDIR;
    if (!*done && layer_make_way(&u->written, path, folder, err) < 0)
        return -1;
    return u->layered ? layer_paths_add(&u->written, path, err) : 0;
}

/* Leaves out devices, fifos and sockets, and all further names of them. */
static int leave_out(struct unpacker *u, struct archive_entry *entry, const char *path,
                     bool *left_out, lrun_error *err)
{
    const char *target = archive_entry_hardlink(entry);
    mode_t type = archive_entry_filetype(entry);
    struct stat st;
    *left_out = target ? layer_paths_has(&u->left_out, target) && lstat(target, &st) < 0
                       : type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK;
    if (!*left_out)
        return 0;
    u->report.skipped++;
    return layer_paths_add(&u->left_out, path, err);
}

/* An invalid time becomes 1970, as in Docker. So does a time before 1970, which mkfs.erofs takes
 * for a time in the far future. */
static void bound_time(struct archive_entry *entry)
{
    time_t mtime = archive_entry_mtime(entry);
    if (mtime < 0 || mtime > INT64_MAX / 1000000000)
        archive_entry_set_mtime(entry, 0, 0);
}

static int unpack_entry(struct unpacker *u, struct archive_entry *entry, lrun_error *err)
{
    cleanup_free char *path = NULL;
    if (++u->entries > u->limits->entries)
        return error_set(err, LRUN_IMAGE_INVALID, OPERATION,
                         "the archive has more than %llu entries",
                         (unsigned long long)u->limits->entries);
    if (check_paths(u, entry, &path, err) < 0)
        return -1;
    bool done = false;
    if (prepare_place(u, entry, path, &done, err) < 0)
        return -1;
    if (!done && leave_out(u, entry, path, &done, err) < 0)
        return -1;
    if (done)
        return 0;
    mode_t type = archive_entry_filetype(entry);
    bool data = !archive_entry_hardlink(entry) && type == AE_IFREG;
    la_int64_t size = data ? archive_entry_size(entry) : 0;
    if (size < 0)
        return invalid(err, "the archive is corrupt: the size of '%s'", path);
    if ((uint64_t)size > u->limits->bytes - u->bytes)
        return too_large(u, err);
    u->bytes += (uint64_t)size;
    if (filter_attributes(entry, err) < 0)
        return -1;
    archive_entry_set_atime(entry, MARK_S, 0);
    bound_time(entry);
    if (type == AE_IFDIR && note_folder(u, entry, path, err) < 0)
        return -1;
    if (check_written(u, archive_write_header(u->disk, entry), path, err) < 0)
        return -1;
    if (size > 0 && copy_data(u, path, err) < 0)
        return -1;
    return check_written(u, archive_write_finish_entry(u->disk), path, err);
}

/* -------------------------------------------------------------- the whole */

/*
 * Folders that the archive does not name, but has files in, were made on the way and have the
 * current time. They get a fixed time, because otherwise the same archive would not give the same
 * image twice. The access time tells them apart: folders of the archive have MARK_S.
 */
static int settle_folders(const struct unpacker *u, struct high_ids *ids, lrun_error *err)
{
    static const struct timespec zero[2] = {{0}, {0}};
    for (size_t i = 0; i < u->late_count; i++) {
        const struct timespec times[2] = {{.tv_sec = MARK_S}, u->late[i].mtime};
        struct stat st;
        if (lstat(u->late[i].path, &st) == 0 && !S_ISDIR(st.st_mode))
            continue;
        if (utimensat(AT_FDCWD, u->late[i].path, times, AT_SYMLINK_NOFOLLOW) < 0 &&
            errno != ENOENT && errno != ENOTDIR) /* replaced by a later entry */
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot set a folder's time");
    }
    char *const start[] = {(char[]){"."}, NULL};
    FTS *walk = fts_open(start, FTS_PHYSICAL, NULL);
    if (!walk)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot read the unpacked files");
    int failed = 0;
    FTSENT *e;
    while (!failed && (errno = 0, e = fts_read(walk))) {
        /* Only in pre-order: reading a folder changes its access time. */
        if (e->fts_info == FTS_D && e->fts_statp->st_atim.tv_sec != MARK_S &&
            utimensat(AT_FDCWD, e->fts_accpath, zero, AT_SYMLINK_NOFOLLOW) < 0)
            failed = errno;
        else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
            failed = e->fts_errno;
        else if (!high_ids_note(ids, e->fts_statp->st_uid) ||
                 !high_ids_note(ids, e->fts_statp->st_gid))
            failed = ENOMEM;
    }
    if (!failed)
        failed = errno;
    fts_close(walk);
    return failed ? error_errno(err, LRUN_IO_FAILED, OPERATION, failed,
                                "cannot read the unpacked files")
                  : 0;
}

static int unpack_entries(struct unpacker *u, lrun_error *err)
{
    struct archive_entry *entry;
    for (;;) {
        int r = archive_read_next_header(u->tar, &entry);
        if (r == ARCHIVE_EOF || (r < ARCHIVE_WARN && is_empty(u)))
            break;
        if (r < ARCHIVE_WARN)
            return broken(u, err);
        if (unpack_entry(u, entry, err) < 0)
            return -1;
    }
    la_int64_t end = archive_read_header_position(u->tar);
    const void *data;
    ssize_t n;
    do /* read to the end, so that checksums there are verified */
        n = next_data(u, &data, err);
    while (n > 0);
    if (n < 0)
        return -1;
    /* A layer may be empty, and its digest tells whether it is complete. */
    if (u->layered)
        return 0;
    /* A tar ends with a block of zeros. If not even one more block follows, it was truncated. */
    if (u->entries == 0)
        return invalid(err, "the archive is empty");
    if (end < 0 || unpack_stream_total(u->stream) < (uint64_t)end + TAR_BLOCK)
        return invalid(err, "the archive is cut off: it has no end mark");
    return 0;
}

int unpack_archive(int fd, const struct unpack_limits *limits, struct unpack_report *report,
                   lrun_error *err)
{
    cleanup_high_ids struct high_ids ids = {0};
    __attribute__((cleanup(unpacker_free))) struct unpacker u = {.limits = limits};
    if (open_tar(&u, fd, err) < 0 || open_disk(&u, err) < 0 || unpack_entries(&u, err) < 0)
        return -1;
    /* Sets the times and modes of folders, now that nothing more is put into them. */
    if (check_written(&u, archive_write_close(u.disk), ".", err) < 0 ||
        settle_folders(&u, &ids, err) < 0)
        return -1;
    if (u.entries == u.report.skipped)
        return invalid(err, "the archive holds no files");
    *report = u.report;
    report->ids = ids;
    ids = (struct high_ids){0};
    return 0;
}

static int check_sum(struct unpacker *u, const char *expected, lrun_error *err)
{
    unsigned char sum[SHA256_DIGEST_SIZE];
    char hex[2 * SHA256_DIGEST_SIZE + 1];
    sha256_digest(&u->sum, sizeof(sum), sum);
    for (size_t i = 0; i < sizeof(sum); i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    return strcmp(hex, expected) == 0
               ? 0
               : invalid(err, "its digest is not the one that the image's configuration gives");
}

static int unpack_layer(struct unpacker *u, int fd, const char *digest, lrun_error *err)
{
    if (open_tar(u, fd, err) < 0 || open_disk(u, err) < 0 || unpack_entries(u, err) < 0 ||
        check_written(u, archive_write_close(u->disk), ".", err) < 0 ||
        layer_finish(&u->written, err) < 0 || check_sum(u, digest, err) < 0)
        return -1;
    u->streamed += unpack_stream_total(u->stream);
    close_streams(u);
    layer_paths_free(&u->written);
    return 0;
}

int unpack_layers(int first_fd, const char *const *digests, size_t count,
                  const struct unpack_limits *limits, struct unpack_report *report, lrun_error *err)
{
    cleanup_high_ids struct high_ids ids = {0};
    __attribute__((cleanup(unpacker_free))) struct unpacker u = {.limits = limits, .layered = true};
    for (size_t i = 0; i < count; i++)
        if (unpack_layer(&u, first_fd + (int)i, digests[i], err) < 0)
            return error_context(err, "layer %zu of %zu", i + 1, count);
    if (settle_folders(&u, &ids, err) < 0)
        return -1;
    *report = u.report;
    report->ids = ids;
    ids = (struct high_ids){0};
    return 0;
}
