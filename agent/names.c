/* SPDX-License-Identifier: MIT */
#include "names.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "walk.h"
#include "wire/fields.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ETC "/etc"

static const char file_hosts[] = ETC "/hosts";
static const char file_hostname[] = ETC "/hostname";
static const char file_resolv[] = ETC "/resolv.conf";
static const char file_nsswitch[] = ETC "/nsswitch.conf";

/* WRITE_TIMEOUT is in ms; it is short, because these are files. FILE_MAX is in bytes. A longer
 * /etc/hosts stays unchanged, because its end is unknown. */
enum { WRITE_TIMEOUT = 1000, FILE_MAX = 128 * 1024, ADDED_MAX = 512, NAME_SIZE = 256 };

/* ---------------------------------------------------------------- files */

/* Creates the folder if the image does not have it, or has a link to a missing folder. */
static void make_folder(void)
{
    struct stat st;
    if (stat(ETC, &st) == 0 || errno != ENOENT)
        return;
    (void)unlink(ETC);
    (void)mkdir(ETC, 0755);
}

/* Appends the contents of a file to `out`, following links. Appends nothing if the path is not a
 * regular file. Returns false if the file cannot be read to its end. */
static bool read_text(const char *path, struct buffer *out)
{
    struct stat st;
    cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || walk_is_pseudo(fd))
        return true;
    for (;;) {
        char piece[4096];
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n <= 0)
            return n == 0;
        if (buffer_length(out) + (size_t)n > FILE_MAX || !buffer_append(out, piece, (size_t)n))
            return false;
    }
}

static int open_file(const char *path, int flags)
{
    return open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags,
                0644);
}

/* Opens the file to write it anew. If something else is in its place, removes that and creates the
 * file. */
static int open_own(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) &&
        (S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path)) < 0)
        return -1;
    cleanup_close int fd = open_file(path, 0);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode) || walk_is_pseudo(fd)) {
        errno = EINVAL;
        return -1;
    }
    return steal_fd(&fd);
}

static int write_text(const char *path, const char *text, size_t length)
{
    cleanup_close int fd = open_own(path);
    if (fd < 0 || ftruncate(fd, 0) < 0 ||
        io_write_all(fd, text, length, clock_ms() + WRITE_TIMEOUT) < 0)
        return -1;
    /* Docker creates an empty file that is executable, and a umask may apply. */
    (void)fchmod(fd, 0644);
    return 0;
}

/* ---------------------------------------------------------------- names of this machine */

/* Returns whether a line has this address (NULL: any address), followed by this name. */
static bool has_name(const char *text, size_t length, const char *address, const char *name)
{
    static const char blanks[] = " \t\r";
    char line[1024];
    for (const char *at = text, *end = text + length; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : sizeof(line) - 1), at);
        at += n + 1;
        line[strcspn(line, "#")] = '\0';
        char *rest = NULL, *word = strtok_r(line, blanks, &rest);
        if (!word || (address && strcmp(word, address) != 0))
            continue;
        while ((word = strtok_r(NULL, blanks, &rest)))
            if (strcasecmp(word, name) == 0)
                return true;
    }
    return false;
}

/* Adds the entries that the image's own lines do not have. Those lines stay. */
static void provide_hosts(const char *own)
{
    const struct {
        const char *address, *name, *more;
        bool anywhere; /* the name may have another address */
    } rows[] = {
        {"127.0.0.1", "localhost", "", false},
        {"::1", "localhost", " ip6-localhost ip6-loopback", false},
        /* Docker adds this name with the container's address on the network. */
        {"127.0.0.1", own, "", true},
    };
    cleanup_buffer struct buffer text;
    buffer_init(&text, FILE_MAX + ADDED_MAX);
    if (!read_text(file_hosts, &text))
        return;
    size_t before = buffer_length(&text);
    if (before > 0 && buffer_data(&text)[before - 1] != '\n')
        (void)buffer_append(&text, "\n", 1);
    bool complete = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[ADDED_MAX];
        if (!*rows[i].name || has_name(buffer_data(&text), buffer_length(&text),
                                       rows[i].anywhere ? NULL : rows[i].address, rows[i].name))
            continue;
        int n =
            snprintf(line, sizeof(line), "%s\t%s%s\n", rows[i].address, rows[i].name, rows[i].more);
        (void)buffer_append(&text, line, (size_t)n);
        complete = false;
    }
    if (!complete)
        (void)write_text(file_hosts, buffer_data(&text), buffer_length(&text));
}

/* The image's own file may contain the name of the machine on which the image was made. */
static void provide_hostname(const char *own)
{
    char line[NAME_SIZE + 1];
    size_t length = (size_t)snprintf(line, sizeof(line), "%s\n", own);
    cleanup_buffer struct buffer text;
    buffer_init(&text, sizeof(line)); /* a longer file is another one */
    if (!read_text(file_hostname, &text) || buffer_length(&text) != length ||
        memcmp(buffer_data(&text), line, length) != 0)
        (void)write_text(file_hostname, line, length);
}

/* Without this file, older versions of the GNU C library ask the network's servers first, and
 * believe them. */
static void provide_order(void)
{
    static const char order[] = "hosts: files dns\n";
    struct stat st;
    if (lstat(file_nsswitch, &st) < 0 && errno == ENOENT)
        (void)write_text(file_nsswitch, order, strlen(order));
}

/* ---------------------------------------------------------------- names of other machines */

static int provide_servers(const struct frame *f, struct failure *failure)
{
    char text[ADDED_MAX];
    const char *at = NULL, *key, *value;
    size_t key_length, length = 0;
    while (length < sizeof(text) && fields_next(f, &at, &key, &key_length, &value))
        if (key_length == strlen("nameserver") && strncmp(key, "nameserver", key_length) == 0)
            length +=
                (size_t)snprintf(text + length, sizeof(text) - length, "nameserver %s\n", value);
    if (length == 0 || length >= sizeof(text) || write_text(file_resolv, text, length) == 0 ||
        !fields_get(f, "named"))
        return 0;
    return failure_errno(failure, "dns", errno, "cannot write %s", file_resolv);
}

int names_provide(const struct frame *f, struct failure *failure)
{
    char own[NAME_SIZE] = "";
    if (fields_get(f, "own"))
        (void)gethostname(own, sizeof(own) - 1);
    make_folder();
    provide_hosts(own);
    if (*own) {
        provide_hostname(own);
        provide_order();
    }
    return provide_servers(f, failure);
}
