/* SPDX-License-Identifier: MIT */
/*
 * Users and groups of the image, read from its /etc/passwd and /etc/group by hand: the C library's
 * functions would load name service modules, which a static program cannot, out of the image.
 */
#include "agent.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#include <fcntl.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, FIELDS_MAX = 7 };

/* Cuts the next line at its colons; the count of fields, or -1 at the end of the text. */
static int next_line(char **text, char *fields[FIELDS_MAX])
{
    char *line = *text;
    if (!line || !*line)
        return -1;
    char *end = strchr(line, '\n');
    *text = end ? end + 1 : NULL;
    if (end)
        *end = '\0';
    int n = 0;
    while (n < FIELDS_MAX) {
        fields[n++] = line;
        line = strchr(line, ':');
        if (!line)
            break;
        *line++ = '\0';
    }
    return n;
}

static bool parse_id(const char *text, uint32_t *id)
{
    uint64_t value;
    if (!text_parse_u64(text, &value) || value >= UINT32_MAX)
        return false;
    *id = (uint32_t)value;
    return true;
}

/* Whether the row (name, password, id, ...) is the one that is asked for, by name or by number. */
static bool is_row(char *const fields[], int count, const char *wanted, bool is_number, uint32_t number)
{
    uint32_t id;
    if (count < 3 || !parse_id(fields[2], &id))
        return false;
    return is_number ? id == number : strcmp(fields[0], wanted) == 0;
}

static const char *find_user(struct user *out, const char *name, char login[256])
{
    uint32_t number = 0;
    bool is_number = parse_id(name, &number);
    cleanup_free char *text = io_read_file_at(AT_FDCWD, "/etc/passwd", FILE_MAX, NULL);
    char *rest = text, *f[FIELDS_MAX];
    for (int n; (n = next_line(&rest, f)) >= 0;) {
        uint32_t gid;
        if (!is_row(f, n, name, is_number, number) || n < 4 || !parse_id(f[3], &gid))
            continue;
        parse_id(f[2], &number);
        out->uid = number;
        out->gid = gid;
        snprintf(login, 256, "%s", f[0]);
        if (n >= 6 && f[5][0] == '/')
            snprintf(out->home, sizeof(out->home), "%s", f[5]);
        return NULL;
    }
    /* A number needs no row. */
    if (!is_number)
        return "the image has no such user";
    out->uid = number;
    out->gid = 0;
    return NULL;
}

static const char *find_group(struct user *out, const char *name)
{
    uint32_t number = 0;
    bool is_number = parse_id(name, &number);
    if (is_number) {
        out->gid = number;
        return NULL;
    }
    cleanup_free char *text = io_read_file_at(AT_FDCWD, "/etc/group", FILE_MAX, NULL);
    char *rest = text, *f[FIELDS_MAX];
    for (int n; (n = next_line(&rest, f)) >= 0;)
        if (is_row(f, n, name, false, 0) && parse_id(f[2], &out->gid))
            return NULL;
    return "the image has no such group";
}

/* The groups whose member list has the login. */
static void find_memberships(struct user *out, const char *login)
{
    cleanup_free char *text = io_read_file_at(AT_FDCWD, "/etc/group", FILE_MAX, NULL);
    char *rest = text, *f[FIELDS_MAX];
    for (int n; (n = next_line(&rest, f)) >= 0 && out->group_count < USER_GROUPS_MAX;) {
        uint32_t gid;
        if (n < 4 || !parse_id(f[2], &gid))
            continue;
        for (char *member = strtok(f[3], ","); member; member = strtok(NULL, ","))
            if (strcmp(member, login) == 0) {
                out->groups[out->group_count++] = gid;
                break;
            }
    }
}

const char *user_resolve(struct user *out, const char *spec)
{
    char name[256], login[256] = "";
    *out = (struct user){.home = "/"};
    size_t length = strcspn(spec, ":");
    if (length >= sizeof(name))
        return "its name is too long";
    memcpy(name, spec, length);
    name[length] = '\0';
    const char *wrong = find_user(out, length ? name : "0", login);
    if (wrong)
        return wrong;
    if (spec[length] == ':')
        return find_group(out, spec + length + 1);
    if (login[0])
        find_memberships(out, login);
    return NULL;
}
