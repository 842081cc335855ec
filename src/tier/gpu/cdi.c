/* SPDX-License-Identifier: MIT */
#include "tier/gpu/cdi.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "json/check.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "cdi.load"

enum {
    SPEC_BYTES_MAX = 1 << 20, /* a spec for eight GPUs has about 100 KiB */
    SPECS_MAX = 64,
    DEVICES_MAX = 1024,
    KIND_MAX = 253 + 1 + 63,
    NAME_MAX_LENGTH = 255,
};

/* The versions whose meaning we know. A later version may contain something that
 * must not be ignored. */
static const char *const versions[] = {"0.3.0", "0.4.0", "0.5.0", "0.6.0",
                                       "0.7.0", "0.8.0", "1.0.0", "1.1.0"};

/* ------------------------------------------------------------- names */

/* Whether the name begins with a letter (or a digit, if allowed), ends with a letter or digit,
 * and has only letters, digits and the characters of `inner` between. */
static bool is_name(const char *s, size_t length, bool digit_first, const char *inner)
{
    if (length == 0 ||
        !(digit_first ? isalnum((unsigned char)s[0]) : isalpha((unsigned char)s[0])) ||
        !isalnum((unsigned char)s[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr(inner, s[i]))
            return false;
    return true;
}

/* vendor/class, as in nvidia.com/gpu. */
static bool is_kind(const char *kind)
{
    const char *slash = strchr(kind, '/');
    return slash && strlen(kind) <= KIND_MAX &&
           is_name(kind, (size_t)(slash - kind), false, "-_.") &&
           is_name(slash + 1, strlen(slash + 1), false, "-_.");
}

static bool is_device_name(const char *name)
{
    return strlen(name) <= NAME_MAX_LENGTH && is_name(name, strlen(name), true, "-_.:");
}

/* Compares texts that contain numbers in the order that people expect: gpu2 before gpu10. */
static int compare_natural(const char *a, const char *b)
{
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            a += strspn(a, "0");
            b += strspn(b, "0");
            size_t la = strspn(a, "0123456789"), lb = strspn(b, "0123456789");
            int order = la != lb ? (la < lb ? -1 : 1) : strncmp(a, b, la);
            if (order != 0)
                return order;
            a += la;
            b += lb;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    return *a ? 1 : *b ? -1 : 0;
}

static int compare_devices(const void *a, const void *b)
{
    const struct cdi_device *x = a, *y = b;
    int order = strcmp(x->kind, y->kind);
    order = order ? order : compare_natural(x->name, y->name);
    /* "1" and "01" differ; their order must not depend on the order in which they were read. */
    return order ? order : strcmp(x->name, y->name);
}

/* ------------------------------------------------------------- one spec */

/* The members of a spec or of a device in it, without the contents of the edits. Borrowed. */
struct outline {
    const char *version, *kind;
    const json_t *devices, *edits;
    const char *name; /* of the device */
};

static int read_version(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_string(&((struct outline *)out)->version, field, value, err);
}

static int read_kind(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_string(&((struct outline *)out)->kind, field, value, err);
}

static int read_name(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_string(&((struct outline *)out)->name, field, value, err);
}

static int read_devices(void *out, const char *field, const json_t *value, lrun_error *err)
{
    ((struct outline *)out)->devices = value;
    return json_is_array(value) ? 0 : check_fail(err, field, "must be a list");
}

static int read_edits(void *out, const char *field, const json_t *value, lrun_error *err)
{
    ((struct outline *)out)->edits = value;
    return json_is_object(value) ? 0 : check_fail(err, field, "must be an object");
}

/* Remarks that have no effect. */
static int read_annotations(void *out, const char *field, const json_t *value, lrun_error *err)
{
    (void)out;
    return json_is_object(value) ? 0 : check_fail(err, field, "must be an object");
}

static const struct check_field spec_fields[] = {
    {"cdiVersion", read_version},      {"kind", read_kind},
    {"devices", read_devices},         {"containerEdits", read_edits},
    {"annotations", read_annotations}, {0},
};

static const struct check_field device_fields[] = {
    {"name", read_name},
    {"containerEdits", read_edits},
    {"annotations", read_annotations},
    {0},
};

static bool is_known_version(const char *version)
{
    version += *version == 'v';
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (strcmp(versions[i], version) == 0)
            return true;
    return false;
}

static struct cdi_device *find_device(const struct cdi *c, const char *kind, const char *name)
{
    for (size_t i = 0; i < c->device_count; i++)
        if (strcmp(c->devices[i].kind, kind) == 0 && strcmp(c->devices[i].name, name) == 0)
            return &c->devices[i];
    return NULL;
}

static int add_device(struct cdi *c, const char *kind, const struct outline *d, unsigned priority,
                      lrun_error *err)
{
    struct cdi_device *slot = find_device(c, kind, d->name);
    if (slot && slot->priority == priority)
        return check_fail(err, "devices", "%s=%s is in '%.200s' too", kind, d->name,
                          c->specs[slot->spec].path);
    if (slot && slot->priority > priority)
        return 0;
    if (!slot) {
        if (c->device_count >= DEVICES_MAX)
            return check_fail(err, "devices", "more than %d", DEVICES_MAX);
        struct cdi_device *grown =
            reallocarray(c->devices, c->device_count + 1, sizeof(*c->devices));
        if (!grown)
            return error_oom(err, OPERATION);
        c->devices = grown;
        slot = &grown[c->device_count];
        *slot = (struct cdi_device){.kind = strdup(kind), .name = strdup(d->name)};
        c->device_count++;
        if (!slot->kind || !slot->name)
            return error_oom(err, OPERATION);
    }
    slot->spec = c->spec_count - 1;
    slot->priority = priority;
    slot->edits = d->edits;
    return 0;
}

/* `c` keeps the document, because the devices point into it. */
static int keep_spec(struct cdi *c, const char *path, json_t *document, lrun_error *err)
{
    struct cdi_spec *grown = reallocarray(c->specs, c->spec_count + 1, sizeof(*c->specs));
    if (!grown)
        return error_oom(err, OPERATION);
    c->specs = grown;
    grown[c->spec_count++] =
        (struct cdi_spec){.path = strdup(path), .document = json_incref(document)};
    return grown[c->spec_count - 1].path ? 0 : error_oom(err, OPERATION);
}

static int add_document(struct cdi *c, const char *path, unsigned priority, json_t *document,
                        lrun_error *err)
{
    if (!json_is_object(document))
        return check_fail(err, "", "is not a CDI spec");
    const char *kind;
    if (check_string(&kind, "kind", json_object_get(document, "kind") ?: json_null(), err) < 0)
        return -1;
    if (!is_kind(kind))
        return check_fail(err, "kind", "'%.80s' is not of the form vendor.com/class", kind);
    /* A network card or the like: its spec does not concern us. */
    if (strcmp(strchr(kind, '/'), "/gpu") != 0)
        return 0;
    const char *version;
    if (check_string(&version, "cdiVersion", json_object_get(document, "cdiVersion") ?: json_null(),
                     err) < 0)
        return -1;
    /* Checked before the fields, because a later version may have other fields. */
    if (!is_known_version(version))
        return check_fail(err, "cdiVersion", "'%.40s' is not supported (expected 0.3.0 to 1.1.0)",
                          version);
    struct outline spec = {0};
    if (check_object(&spec, "", document, spec_fields, err) < 0)
        return -1;
    if (!spec.devices || json_array_size(spec.devices) == 0)
        return check_fail(err, "devices", "there are none");
    if (keep_spec(c, path, document, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(spec.devices); i++) {
        char field[40];
        snprintf(field, sizeof(field), "devices[%zu]", i);
        struct outline d = {0};
        if (check_object(&d, field, json_array_get(spec.devices, i), device_fields, err) < 0)
            return -1;
        if (!d.name || !is_device_name(d.name))
            return check_fail(err, field, "'%.80s' is not a device's name", d.name ? d.name : "");
        if (!d.edits)
            return check_fail(err, field, "has no containerEdits");
        if (add_device(c, kind, &d, priority, err) < 0)
            return -1;
    }
    qsort(c->devices, c->device_count, sizeof(*c->devices), compare_devices);
    return 0;
}

/* A spec that cannot be used is the machine's fault, not the request's, whichever
 * layer found the error. */
static int fail_spec(lrun_error *err, const char *path)
{
    if (!err)
        return -1;
    if (err->code == LRUN_INVALID_ARGUMENT)
        err->code = LRUN_START_FAILED;
    /* Message and hint quote the spec. */
    text_make_printable(err->message);
    text_make_printable(err->hint);
    error_context(err, "gpus: '%.200s'", path);
    return err->hint[0] ? -1 : error_hint(err, "correct it, or write it anew: " CDI_HINT_GENERATE);
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), wanted = strlen(suffix);
    return length > wanted && strcmp(name + length - wanted, suffix) == 0;
}

int cdi_add_spec(struct cdi *c, const char *path, unsigned priority, const char *text,
                 size_t length, lrun_error *err)
{
    json_t *document;
    if (has_suffix(path, ".yaml")) {
        document = cdi_yaml_parse(text, length, err);
    } else {
        json_error_t where;
        document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
        if (!document)
            check_fail(err, "", "is not JSON: line %d: %s", where.line, where.text);
    }
    int failed = document ? add_document(c, path, priority, document, err) : -1;
    json_decref(document);
    return failed ? fail_spec(err, path) : 0;
}

/* ------------------------------------------------------------- folders */

int cdi_check_owner(int fd, const char *path, lrun_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno, "cannot look at '%s'", path);
    if (st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    error_set(err, LRUN_START_FAILED, OPERATION,
              "gpus: '%.200s' is not root's alone (owner %u, mode %o)", path, (unsigned)st.st_uid,
              (unsigned)st.st_mode & 07777);
    return error_hint(err, "chown root:root '%.200s' && chmod go-w '%.200s'", path, path);
}

static int load_file(struct cdi *c, int dirfd, const char *folder, const char *name,
                     unsigned priority, lrun_error *err)
{
    cleanup_free char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        return error_oom(err, OPERATION);
    }
    if (c->spec_count >= SPECS_MAX)
        return error_set(err, LRUN_START_FAILED, OPERATION, "gpus: more than %d specs", SPECS_MAX);
    /* No links: a link may lead to a folder that somebody else owns. */
    cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_errno(err, LRUN_START_FAILED, OPERATION, errno, "gpus: cannot read '%s'", path);
        return errno == ELOOP ? error_hint(err, "put the file itself there, not a link to it") : -1;
    }
    if (!S_ISREG(st.st_mode))
        return error_set(err, LRUN_START_FAILED, OPERATION, "gpus: '%s' is not a file", path);
    if (cdi_check_owner(fd, path, err) < 0)
        return -1;
    if (st.st_size > SPEC_BYTES_MAX)
        return error_set(err, LRUN_START_FAILED, OPERATION, "gpus: '%s' is larger than %d bytes",
                         path, SPEC_BYTES_MAX);
    cleanup_free char *text = malloc((size_t)st.st_size + 1);
    if (!text)
        return error_oom(err, OPERATION);
    ssize_t length = pread(fd, text, (size_t)st.st_size, 0);
    if (length < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno, "gpus: cannot read '%s'",
                           path);
    return cdi_add_spec(c, path, priority, text, (size_t)length, err);
}

static int is_spec_name(const struct dirent *entry)
{
    return has_suffix(entry->d_name, ".json") || has_suffix(entry->d_name, ".yaml");
}

int cdi_load_folder(struct cdi *c, const char *folder, unsigned priority, lrun_error *err)
{
    cleanup_close int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0 && errno == ENOENT)
        return 0;
    struct dirent **entries = NULL;
    int count = -1;
    if (dirfd >= 0 && cdi_check_owner(dirfd, folder, err) < 0)
        return -1;
    /* Sorted by name, so that errors, too, are the same each time. */
    if (dirfd >= 0)
        count = scandirat(dirfd, ".", &entries, is_spec_name, alphasort);
    if (count < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno, "gpus: cannot read '%s'",
                           folder);
    int failed = 0;
    for (int i = 0; i < count; i++) {
        failed = failed ? failed : load_file(c, dirfd, folder, entries[i]->d_name, priority, err);
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int cdi_load(struct cdi *out, lrun_error *err)
{
    *out = (struct cdi){0};
    const char *chosen = secure_getenv("LIGHT_RUNNER_CDI_DIRS");
    cleanup_free char *folders = strdup(chosen && *chosen ? chosen : CDI_FOLDERS);
    if (!folders)
        return error_oom(err, OPERATION);
    char *rest = folders;
    unsigned priority = 0;
    for (char *folder; (folder = strsep(&rest, ":"));)
        if (*folder && cdi_load_folder(out, folder, ++priority, err) < 0)
            return -1;
    return 0;
}

void cdi_free(struct cdi *c)
{
    for (size_t i = 0; i < c->device_count; i++) {
        free(c->devices[i].kind);
        free(c->devices[i].name);
    }
    for (size_t i = 0; i < c->spec_count; i++) {
        free(c->specs[i].path);
        json_decref(c->specs[i].document);
    }
    free(c->devices);
    free(c->specs);
    *c = (struct cdi){0};
}

void cdi_list(const struct cdi *c, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < c->device_count && used < size; i++) {
        const struct cdi_device *d = &c->devices[i];
        int n = snprintf(out + used, size - used, "%s%s=%s", i ? ", " : "", d->kind, d->name);
        used += n > 0 ? (size_t)n : 0;
    }
}
