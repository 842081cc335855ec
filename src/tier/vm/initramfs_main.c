/* SPDX-License-Identifier: MIT */
/*
 * light-runner-initramfs FOLDER NAME RELEASE INIT AGENT: makes FOLDER/NAME.kernel and
 * FOLDER/NAME.initramfs, for VMs with the kernel of that release, and removes the files of all
 * other names. It is a separate program so that the supervisor need not load libarchive.
 *
 *      /init           INIT, light-runner-guest-init
 *      /agent          AGENT, light-runner-agent
 *      /modules/NN-... the kernel modules, in the order in which they are loaded
 *      /network/NN-... modules that a guest with a network loads as well
 *      /balloon/NN-... modules that give memory back to the host, if the kernel can
 *
 * If a module is not signed, the file is FOLDER/NAME.unsigned.initramfs: a kernel in lockdown
 * would reject the module.
 *
 * The initramfs is not compressed: decompressing it takes longer than reading the bytes that
 * compression would save.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "tier/vm/guest_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

/* Modules that are built into the kernel are not needed. */
static const struct wanted {
    const char *name;
    const char *folder; /* in the initramfs */
    bool optional;      /* a guest works without it */
} wanted[] = {
    {"virtio_mmio", "modules", false},   {"virtio_console", "modules", false},
    {"virtio_blk", "modules", false},    {"erofs", "modules", false},
    {"ext4", "modules", false},          {"overlay", "modules", false},
    {"virtio_balloon", "balloon", true}, {"virtio_net", "network", false},
};

enum { MODULES_MAX = 64, MODULE_BYTES_MAX = 16 << 20, LIST_BYTES_MAX = 16 << 20 };

struct module {
    char *path; /* relative to /lib/modules/RELEASE */
    const char *folder;
};

struct maker {
    const char *release, *init, *agent;
    char *dependencies, *builtin;
    struct module modules[MODULES_MAX];
    size_t count;
    bool has_unsigned;
    struct archive *out;
};

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return -1;
}

/* ---------------------------------------------------------------- which modules */

static char *read_list(const char *release, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "/lib/modules/%s/%s", release, name);
    return io_read_file_at(AT_FDCWD, path, LIST_BYTES_MAX, NULL);
}

/* Whether the path is that of the module: "kernel/fs/erofs/erofs.ko.xz" is the module erofs. A
 * file name may have - instead of _. */
static bool is_module(const char *path, size_t length, const char *name)
{
    const char *end = path + length, *base = memrchr(path, '/', length);
    base = base ? base + 1 : path;
    for (; base < end && *name; base++, name++)
        if (*base != *name && !(*base == '-' && *name == '_'))
            return false;
    return *name == '\0' && end - base >= 3 && memcmp(base, ".ko", 3) == 0;
}

static bool is_builtin(const struct maker *m, const char *name)
{
    for (const char *line = m->builtin; *line; line += *line == '\n') {
        size_t length = strcspn(line, "\n");
        if (is_module(line, length, name))
            return true;
        line += length;
    }
    return false;
}

static int add_path(struct maker *m, const char *path, size_t length, const char *folder)
{
    for (size_t i = 0; i < m->count; i++)
        if (strlen(m->modules[i].path) == length && memcmp(m->modules[i].path, path, length) == 0)
            return 0;
    if (m->count == MODULES_MAX)
        return fail("more than %d kernel modules", MODULES_MAX);
    m->modules[m->count] = (struct module){strndup(path, length), folder};
    return m->modules[m->count++].path ? 0 : fail("out of memory");
}

/* Lines have the form "PATH: DEPENDENCIES". The last dependency must be loaded first. */
static int add_module(struct maker *m, const struct wanted *w)
{
    for (const char *line = m->dependencies; *line;
         line += strcspn(line, "\n"), line += *line == '\n') {
        size_t path = strcspn(line, ":\n"), whole = strcspn(line, "\n");
        if (line[path] != ':' || !is_module(line, path, w->name))
            continue;
        const char *first = line + path + 1, *at = line + whole;
        while (at > first) {
            const char *space = memrchr(first, ' ', (size_t)(at - first));
            const char *word = space ? space + 1 : first;
            if (word < at && add_path(m, word, (size_t)(at - word), w->folder) < 0)
                return -1;
            at = space ? space : first;
        }
        return add_path(m, line, path, w->folder);
    }
    return w->optional || is_builtin(m, w->name)
               ? 0
               : fail("the kernel %s has no module '%s'", m->release, w->name);
}

/* ---------------------------------------------------------------- the archive */

static int add_entry(struct maker *m, const char *path, mode_t mode, const void *data,
                     size_t length)
{
    struct archive_entry *e = archive_entry_new();
    if (!e)
        return fail("out of memory");
    archive_entry_set_pathname(e, path);
    archive_entry_set_mode(e, mode);
    archive_entry_set_size(e, (la_int64_t)length);
    archive_entry_set_nlink(e, 1);
    int failed = archive_write_header(m->out, e) != ARCHIVE_OK ||
                 (length > 0 && archive_write_data(m->out, data, length) != (la_ssize_t)length);
    archive_entry_free(e);
    return failed ? fail("cannot write '%s': %s", path, archive_error_string(m->out)) : 0;
}

static bool is_signed(const char *module, size_t length)
{
    static const char end[] = "~Module signature appended~\n";
    enum { END = sizeof(end) - 1 };
    return length > END && memcmp(module + length - END, end, END) == 0;
}

/* Modules may be compressed in any format that the distribution chose. They are stored
 * uncompressed, so the guest's kernel need not support it. */
static int add_unpacked(struct maker *m, const char *path, const char *from)
{
    struct archive *in = archive_read_new();
    struct archive_entry *e;
    cleanup_free char *data = malloc(MODULE_BYTES_MAX);
    if (!in || !data)
        return fail("out of memory");
    archive_read_support_filter_all(in);
    archive_read_support_format_raw(in);
    la_ssize_t length = -1;
    if (archive_read_open_filename(in, from, 65536) == ARCHIVE_OK &&
        archive_read_next_header(in, &e) == ARCHIVE_OK)
        length = archive_read_data(in, data, MODULE_BYTES_MAX);
    int failed = length <= 0 || length == MODULE_BYTES_MAX
                     ? fail("cannot read '%s': %s", from, archive_error_string(in))
                     : add_entry(m, path, S_IFREG | 0644, data, (size_t)length);
    archive_read_free(in);
    if (!failed && !is_signed(data, (size_t)length))
        m->has_unsigned = true;
    return failed;
}

static int add_program(struct maker *m, const char *path, const char *from)
{
    size_t length;
    cleanup_free char *data = io_read_file_at(AT_FDCWD, from, MODULE_BYTES_MAX, &length);
    return data ? add_entry(m, path, S_IFREG | 0755, data, length)
                : fail("cannot read '%s': %s", from, strerror(errno));
}

static int add_everything(struct maker *m)
{
    static const char *const folders[] = {"dev", "proc", "sys", "modules", "network", "balloon"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (add_entry(m, folders[i], S_IFDIR | 0755, NULL, 0) < 0)
            return -1;
    if (add_program(m, "init", m->init) < 0 || add_program(m, "agent", m->agent) < 0)
        return -1;
    for (size_t i = 0; i < m->count; i++) {
        char path[160], from[512];
        const struct module *module = &m->modules[i];
        const char *slash = strrchr(module->path, '/');
        snprintf(path, sizeof(path), "%s/%02zu-%.100s", module->folder, i,
                 slash ? slash + 1 : module->path);
        snprintf(from, sizeof(from), "/lib/modules/%s/%s", m->release, module->path);
        if (add_unpacked(m, path, from) < 0)
            return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- the folder */

/* An unnamed file gets its name when it is complete. */
static int give_name(int fd, int dirfd, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return fchmod(fd, 0444) < 0 ||
                   (linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST)
               ? fail("cannot keep '%s': %s", name, strerror(errno))
               : 0;
}

static int copy_kernel(const char *release, int dirfd, const char *name)
{
    char path[128], file[160];
    struct stat st;
    snprintf(path, sizeof(path), "/boot/vmlinuz-%s", release);
    snprintf(file, sizeof(file), "%s.kernel", name);
    cleanup_close int in = open(path, O_RDONLY | O_CLOEXEC);
    cleanup_close int out = openat(dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0400);
    if (in < 0 || out < 0 || fstat(in, &st) < 0)
        return fail("cannot copy '%s': %s", path, strerror(errno));
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);
        if (n <= 0)
            return fail("cannot copy '%s': %s", path, strerror(n < 0 ? errno : EIO));
        left -= n;
    }
    return give_name(out, dirfd, file);
}

static int write_archive(struct maker *m, int dirfd, const char *name)
{
    char file[160];
    cleanup_close int fd = openat(dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0400);
    m->out = fd < 0 ? NULL : archive_write_new();
    if (!m->out)
        return fail("cannot make the initramfs '%s': %s", name, strerror(errno));
    int failed = archive_write_set_format(m->out, ARCHIVE_FORMAT_CPIO_SVR4_NOCRC) != ARCHIVE_OK ||
                 archive_write_open_fd(m->out, fd) != ARCHIVE_OK || add_everything(m) < 0 ||
                 archive_write_close(m->out) != ARCHIVE_OK;
    archive_write_free(m->out);
    if (failed)
        return fail("cannot make the initramfs '%s'", name);
    snprintf(file, sizeof(file),
             m->has_unsigned ? "%s" GUEST_FILES_UNSIGNED : "%s" GUEST_FILES_SIGNED, name);
    return give_name(fd, dirfd, file);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return fail("light-runner-initramfs is started by light-runner; run 'light-runner --help'")
                   ? 125
                   : 0;
    struct maker m = {.release = argv[3], .init = argv[4], .agent = argv[5]};
    cleanup_close int dirfd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    m.dependencies = read_list(m.release, "modules.dep");
    m.builtin = read_list(m.release, "modules.builtin");
    if (dirfd < 0 || !m.dependencies || !m.builtin)
        return fail("cannot read the lists in /lib/modules/%s: %s", m.release, strerror(errno)) ? 1
                                                                                                : 0;
    int failed = 0;
    for (size_t i = 0; !failed && i < sizeof(wanted) / sizeof(wanted[0]); i++)
        failed = add_module(&m, &wanted[i]);
    if (!failed)
        failed = copy_kernel(m.release, dirfd, argv[2]) || write_archive(&m, dirfd, argv[2]);
    if (!failed)
        io_remove_others(dirfd, "guest-", argv[2]);
    for (size_t i = 0; i < m.count; i++)
        free(m.modules[i].path);
    free(m.dependencies);
    free(m.builtin);
    return failed ? 1 : 0;
}
