/* SPDX-License-Identifier: MIT */
#include "user.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

static const char operation[] = "prepare";

enum { FILE_MAX = 1024 * 1024, ID_MAX = INT32_MAX, LOW_IDS_MAX = 65535, NAME_SIZE = 256 };

/* Returns the whole file, or NULL if it cannot be read. O_NONBLOCK keeps a fifo from blocking the
 * agent. */
static char *read_database(const char *path)
{
    cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0 ||
        st.st_size > FILE_MAX)
        return NULL;
    size_t size = (size_t)st.st_size, used = 0;
    cleanup_free char *data = malloc(size + 1);
    while (data && used < size) {
        ssize_t n = read(fd, data + used, size - used);
        if (n < 0 && errno != EINTR)
            return NULL;
        if (n == 0)
            break;
        used += n > 0 ? (size_t)n : 0;
    }
    if (!data)
        return NULL;
    data[used] = '\0';
    return steal_ptr(data);
}

/* Cuts the next line off *at and splits it into `count` fields; the last field takes the rest.
 * Skips comments and lines with fewer than `least` fields. Other missing fields are empty. Returns
 * false at the end. */
static bool next_record(char **at, char *field[], size_t least, size_t count)
{
    static char none[1];
    while (**at) {
        char *line = *at;
        char *end = strchrnul(line, '\n');
        *at = *end ? end + 1 : end;
        *end = '\0';
        size_t found = 0;
        while (line && found < count) {
            field[found++] = line;
            line = found < count ? strchr(line, ':') : NULL;
            if (line)
                *line++ = '\0';
        }
        if (found < least || field[0][0] == '#')
            continue;
        while (found < count)
            field[found++] = none;
        return true;
    }
    return false;
}

static bool parse_id(const char *text, uint32_t *out)
{
    uint64_t value;
    if (!text_parse_u64(text, &value) || value > ID_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* Returns whether a record with this name and id is the wanted record, by name or by number. */
static bool is_wanted(const char *wanted, const char *name, uint32_t id)
{
    uint32_t number;
    return strcmp(wanted, name) == 0 || (parse_id(wanted, &number) && number == id);
}

/* Fills uid, gid, home, and the name by which /etc/group knows the user ("" if there is none). */
static int find_user(struct user *u, const char *wanted, char name[NAME_SIZE],
                     struct failure *failure)
{
    enum { NAME, PASSWORD, UID, GID, GECOS, HOME, FIELDS };
    cleanup_free char *data = read_database("/etc/passwd");
    char *at = data, *field[FIELDS + 1];
    while (data && next_record(&at, field, GECOS, FIELDS + 1)) {
        uint32_t uid, gid;
        if (!parse_id(field[UID], &uid) || !parse_id(field[GID], &gid) ||
            !is_wanted(wanted, field[NAME], uid))
            continue;
        u->uid = uid;
        u->gid = gid;
        if (field[HOME][0] == '/' && strlen(field[HOME]) < sizeof(u->home))
            strcpy(u->home, field[HOME]);
        if (strlen(field[NAME]) < NAME_SIZE)
            strcpy(name, field[NAME]);
        return 0;
    }
    uint32_t uid;
    if (parse_id(wanted, &uid)) {
        u->uid = uid;
        return 0;
    }
    return failure_set(failure, operation, "the image has no user '%.100s'", wanted);
}

static int find_group(struct user *u, const char *wanted, struct failure *failure)
{
    enum { NAME, PASSWORD, GID, FIELDS };
    cleanup_free char *data = read_database("/etc/group");
    char *at = data, *field[FIELDS + 1];
    while (data && next_record(&at, field, FIELDS, FIELDS + 1)) {
        uint32_t gid;
        if (parse_id(field[GID], &gid) && is_wanted(wanted, field[NAME], gid)) {
            u->gid = gid;
            return 0;
        }
    }
    uint32_t gid;
    if (parse_id(wanted, &gid)) {
        u->gid = gid;
        return 0;
    }
    return failure_set(failure, operation, "the image has no group '%.100s'", wanted);
}

static bool list_has(char *list, const char *name)
{
    char *state;
    for (char *member = strtok_r(list, ",", &state); member; member = strtok_r(NULL, ",", &state))
        if (strcmp(member, name) == 0)
            return true;
    return false;
}

/* Adds the groups that list the user as a member. */
static int find_supplementary(struct user *u, const char *name, struct failure *failure)
{
    enum { NAME, PASSWORD, GID, MEMBERS, FIELDS };
    cleanup_free char *data = read_database("/etc/group");
    char *at = data, *field[FIELDS];
    while (data && next_record(&at, field, FIELDS, FIELDS)) {
        uint32_t gid;
        if (!parse_id(field[GID], &gid) || gid == u->gid || !list_has(field[MEMBERS], name))
            continue;
        if (u->group_count == USER_GROUPS_MAX)
            return failure_set(failure, operation, "user '%.100s' is in more than %d groups", name,
                               USER_GROUPS_MAX);
        u->groups[u->group_count++] = gid;
    }
    return 0;
}

/* The sandbox of a user without root may have a single id. */
static int check_mapped(const struct user *u, struct failure *failure)
{
    int ends[2];
    if (u->uid == 0 && u->gid == 0)
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return failure_errno(failure, operation, errno, "cannot make a pipe");
    /* The kernel returns EINVAL for an id that the user namespace does not have. */
    bool missing = fchown(ends[0], u->uid, u->gid) < 0 && errno == EINVAL;
    close(ends[0]);
    close(ends[1]);
    static const char *const reasons[] = {
        "without root, other ids need subordinate ids (light-runner doctor)",
        "ids above 65535 exist only if the image has them",
    };
    return missing ? failure_set(failure, operation, "there is no id %u:%u in this sandbox: %s",
                                 (unsigned)u->uid, (unsigned)u->gid,
                                 reasons[u->uid > LOW_IDS_MAX || u->gid > LOW_IDS_MAX])
                   : 0;
}

static int resolve(struct user *out, const char *text, struct failure *failure)
{
    *out = (struct user){.home = "/"};
    char wanted[NAME_SIZE], name[NAME_SIZE] = "";
    const char *colon = strchrnul(text, ':');
    size_t length = (size_t)(colon - text);
    if (length >= sizeof(wanted) || (*colon && strlen(colon + 1) >= NAME_SIZE))
        return failure_set(failure, operation, "the name of the image's user is too long");
    memcpy(wanted, text, length);
    wanted[length] = '\0';
    if (find_user(out, length ? wanted : "0", name, failure) < 0)
        return -1;
    bool has_group = *colon && colon[1];
    if (has_group && find_group(out, colon + 1, failure) < 0)
        return -1;
    /* The primary group is also a supplementary group. Otherwise a process could give up its
     * primary group to open a file that denies access to that group (CVE-2022-36109). */
    if (out->uid || out->gid)
        out->groups[out->group_count++] = out->gid;
    if (has_group)
        return 0;
    /* If `text` is empty, root gets no supplementary groups: the image did not ask for them. */
    return *text && name[0] ? find_supplementary(out, name, failure) : 0;
}

int user_resolve(struct user *out, const char *text, struct failure *failure)
{
    return resolve(out, text, failure) < 0 ? -1 : check_mapped(out, failure);
}

int user_become(const struct user *u)
{
    if (u->uid == 0 && u->gid == 0 && u->group_count == 0)
        return 0;
    /* The groups come first, while changing them is still allowed. */
    if (setgroups(u->group_count, u->groups) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
        setresuid(u->uid, u->uid, u->uid) < 0)
        return -1;
    return 0;
}

static bool has_group(const struct user *u, gid_t gid)
{
    for (size_t i = 0; i < u->group_count; i++)
        if (u->groups[i] == gid)
            return true;
    return u->gid == gid;
}

/* Decides by the mode alone. Root always may, if the folder's owner is an id of the sandbox. */
static bool may_make_files(const struct user *u, const struct stat *st)
{
    unsigned shift = st->st_uid == u->uid ? 6 : has_group(u, st->st_gid) ? 3 : 0;
    return u->uid == 0 || (st->st_mode >> shift & 3) == 3;
}

void user_give_folder(const struct user *u, int folder)
{
    struct stat st;
    if (fstat(folder, &st) < 0 || may_make_files(u, &st))
        return;
    if (st.st_uid == u->uid || fchown(folder, u->uid, (gid_t)-1) == 0)
        (void)fchmod(folder, (st.st_mode & 07777) | S_IRWXU);
}
