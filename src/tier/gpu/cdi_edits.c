/* SPDX-License-Identifier: MIT */
#include "tier/gpu/cdi.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "json/check.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define OPERATION "cdi.edits"

/* EDITS_MAX: of each kind of edit; a driver's libraries are some hundred mounts. */
enum { EDITS_MAX = 1024, HOOK_SECONDS_MAX = 600 };

/* The edits collected so far. All but the hooks are objects by name or path, so that an edit
 * replaces an earlier edit of the same name. */
struct collection {
    json_t *env, *nodes, *mounts;
    json_t *hooks;
};

static int take_list(struct collection *to, const char *field, const json_t *list,
                     int (*take)(struct collection *to, const char *field, const json_t *value,
                                 lrun_error *err),
                     lrun_error *err)
{
    if (!json_is_array(list))
        return check_fail(err, field, "must be a list");
    if (json_array_size(list) > EDITS_MAX)
        return check_fail(err, field, "has more than %d entries", EDITS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char entry[160];
        snprintf(entry, sizeof(entry), "%s[%zu]", field, i);
        if (take(to, entry, json_array_get(list, i), err) < 0)
            return -1;
    }
    return 0;
}

/* ------------------------------------------------------------- paths */

/* Checks that a path is absolute and contains nothing that another reader could
 * take for another path. */
static int check_path(const char **out, const char *field, const json_t *value, lrun_error *err)
{
    if (check_string(out, field, value, err) < 0)
        return -1;
    if (**out != '/' || !text_path_is_beneath(*out + 1))
        return check_fail(err, field, "'%.200s' is not an absolute path without '..'", *out);
    return 0;
}

static bool is_beneath(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

/* The sandbox's own walls. No mount may cover these paths, anything in them, or a folder above
 * them. The agent needs no row: its path is new in each run. */
static const char *const walls[] = {
    "/proc",       "/sys",         "/dev/pts",  "/dev/ptmx",        "/dev/shm",
    "/dev/mqueue", "/dev/console", "/dev/fd",   "/dev/stdin",       "/dev/stdout",
    "/dev/stderr", "/dev/core",    "/dev/null", "/dev/zero",        "/dev/full",
    "/dev/random", "/dev/urandom", "/dev/tty",  "/etc/resolv.conf",
};

static int check_target(const char **out, const char *field, const json_t *value, lrun_error *err)
{
    if (check_path(out, field, value, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++)
        if (strcmp(*out, walls[i]) == 0 || is_beneath(*out, walls[i]) || is_beneath(walls[i], *out))
            return check_fail(err, field, "'%.200s' would cover %s, which is the sandbox's own",
                              *out, walls[i]);
    return 0;
}

/* ------------------------------------------------------------- env */

static int take_env(struct collection *to, const char *field, const json_t *value, lrun_error *err)
{
    const char *text;
    if (check_string(&text, field, value, err) < 0)
        return -1;
    size_t length = strcspn(text, "=");
    if (text[length] != '=' || !text_is_env_name(text, length))
        return check_fail(err, field, "'%.80s' is not NAME=value", text);
    cleanup_free char *name = strndup(text, length);
    return name && json_object_set_new(to->env, name, json_string(text)) == 0
               ? 0
               : error_oom(err, OPERATION);
}

static int copy_env(char ***out, const json_t *by_name, lrun_error *err)
{
    size_t count = json_object_size(by_name), i = 0;
    if (count == 0)
        return 0;
    *out = calloc(count + 1, sizeof(**out));
    if (!*out)
        return error_oom(err, OPERATION);
    const char *name;
    json_t *text;
    json_object_foreach ((json_t *)by_name, name, text) {
        (*out)[i] = strdup(json_string_value(text));
        if (!(*out)[i++])
            return error_oom(err, OPERATION);
    }
    return 0;
}

/* ------------------------------------------------------------- device nodes */

struct node {
    const char *path, *host_path, *type, *permissions;
    uint64_t major, minor;
    bool numbered;
};

static int read_node_path(void *out, const char *field, const json_t *value, lrun_error *err)
{
    const char **path = &((struct node *)out)->path;
    if (check_target(path, field, value, err) < 0)
        return -1;
    return is_beneath(*path, "/dev") ? 0 : check_fail(err, field, "'%.200s' is not in /dev", *path);
}

static int read_node_host_path(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_path(&((struct node *)out)->host_path, field, value, err);
}

static int read_node_type(void *out, const char *field, const json_t *value, lrun_error *err)
{
    const char **type = &((struct node *)out)->type;
    if (check_string(type, field, value, err) < 0)
        return -1;
    if (strcmp(*type, "c") != 0 && strcmp(*type, "u") != 0)
        return check_fail(err, field, "'%.20s': only character devices are shown to a sandbox",
                          *type);
    return 0;
}

static int read_number(uint64_t *out, const char *field, const json_t *value, uint64_t max,
                       lrun_error *err)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number > max)
        return check_fail(err, field, "must be an integer from 0 to %llu", (unsigned long long)max);
    *out = (uint64_t)number;
    return 0;
}

static int read_node_major(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct node *n = out;
    n->numbered = true;
    return read_number(&n->major, field, value, (1 << 12) - 1, err);
}

static int read_node_minor(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return read_number(&((struct node *)out)->minor, field, value, (1 << 20) - 1, err);
}

static int read_node_permissions(void *out, const char *field, const json_t *value, lrun_error *err)
{
    const char **text = &((struct node *)out)->permissions;
    if (check_string(text, field, value, err) < 0)
        return -1;
    if (strcmp(*text, "none") != 0 && (*text)[strspn(*text, "rwm")] != '\0')
        return check_fail(err, field, "'%.20s' may contain only r, w and m", *text);
    return 0;
}

/* Owner and mode of the host's node: checked, but not used. The sandbox's node has its own
 * (cdi_edits_make_nodes()). */
static int read_uint32(void *out, const char *field, const json_t *value, lrun_error *err)
{
    (void)out;
    uint64_t number;
    return read_number(&number, field, value, UINT32_MAX, err);
}

static const struct check_field node_fields[] = {
    {"path", read_node_path},   {"hostPath", read_node_host_path},
    {"type", read_node_type},   {"major", read_node_major},
    {"minor", read_node_minor}, {"permissions", read_node_permissions},
    {"fileMode", read_uint32},  {"uid", read_uint32},
    {"gid", read_uint32},       {0},
};

/* If the spec leaves out the numbers, the host's node provides them. */
static int find_numbers(struct node *n, const char *field, lrun_error *err)
{
    if (n->type && n->numbered)
        return 0;
    const char *host = n->host_path ? n->host_path : n->path;
    struct stat st;
    if (lstat(host, &st) < 0)
        return check_fail(err, field, "'%.200s': %s", host, strerrordesc_np(errno));
    if (!S_ISCHR(st.st_mode))
        return check_fail(err, field, "'%.200s' is not a character device", host);
    n->major = major(st.st_rdev);
    n->minor = minor(st.st_rdev);
    return 0;
}

/*
 * A spec's permissions are meant for the device cgroup. Here they become the node's
 * mode. The sandbox cannot change the mode, because the node belongs to an id that the
 * sandbox does not have.
 */
static int node_mode(const char *permissions)
{
    if (!permissions || *permissions == '\0')
        return 0666;
    if (strcmp(permissions, "none") == 0)
        return 0;
    return (strchr(permissions, 'r') ? 0444 : 0) | (strchr(permissions, 'w') ? 0222 : 0);
}

static int take_node(struct collection *to, const char *field, const json_t *value, lrun_error *err)
{
    struct node n = {0};
    if (check_object(&n, field, value, node_fields, err) < 0)
        return -1;
    if (!n.path)
        return check_fail(err, field, "has no path");
    if (find_numbers(&n, field, err) < 0)
        return -1;
    json_t *node = json_pack("{s:s, s:I, s:I, s:i}", "path", n.path, "major", (json_int_t)n.major,
                             "minor", (json_int_t)n.minor, "mode", node_mode(n.permissions));
    return node && json_object_set_new(to->nodes, n.path, node) == 0 ? 0
                                                                     : error_oom(err, OPERATION);
}

/* ------------------------------------------------------------- mounts */

struct bind {
    const char *host_path, *container_path;
    bool noexec;
};

static int read_bind_host_path(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_path(&((struct bind *)out)->host_path, field, value, err);
}

static int read_bind_container_path(void *out, const char *field, const json_t *value,
                                    lrun_error *err)
{
    return check_target(&((struct bind *)out)->container_path, field, value, err);
}

static int read_bind_type(void *out, const char *field, const json_t *value, lrun_error *err)
{
    (void)out;
    const char *type;
    if (check_string(&type, field, value, err) < 0)
        return -1;
    if (*type && strcmp(type, "bind") != 0 && strcmp(type, "none") != 0)
        return check_fail(err, field, "'%.40s': only bind mounts are made", type);
    return 0;
}

/* All our mounts have these options anyway, or the option is stricter. `rbind` becomes `bind`,
 * because a mount within a mount would not be read-only. */
static int read_bind_options(void *out, const char *field, const json_t *value, lrun_error *err)
{
    static const char *const known[] = {"ro",     "bind",    "rbind",    "nosuid", "nodev",
                                        "noexec", "private", "rprivate", "slave",  "rslave"};
    enum { KNOWN = sizeof(known) / sizeof(known[0]) };
    if (!json_is_array(value))
        return check_fail(err, field, "must be a list");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *option;
        if (check_string(&option, field, json_array_get(value, i), err) < 0)
            return -1;
        size_t k = 0;
        while (k < KNOWN && strcmp(known[k], option) != 0)
            k++;
        if (k == KNOWN)
            return check_fail(err, field,
                              "'%.40s': the host's files are shown read-only, without "
                              "devices and setuid programs, or not at all",
                              option);
        ((struct bind *)out)->noexec |= strcmp(option, "noexec") == 0;
    }
    return 0;
}

static const struct check_field bind_fields[] = {
    {"hostPath", read_bind_host_path},
    {"containerPath", read_bind_container_path},
    {"type", read_bind_type},
    {"options", read_bind_options},
    {0},
};

static int take_mount(struct collection *to, const char *field, const json_t *value,
                      lrun_error *err)
{
    struct bind b = {0};
    if (check_object(&b, field, value, bind_fields, err) < 0)
        return -1;
    if (!b.host_path || !b.container_path)
        return check_fail(err, field, "has no %s", b.host_path ? "containerPath" : "hostPath");
    struct stat st;
    if (stat(b.host_path, &st) < 0) {
        check_fail(err, field, "'%.200s': %s", b.host_path, strerrordesc_np(errno));
        return error_hint(err,
                          "has the driver been updated? Write the spec anew, " CDI_HINT_GENERATE);
    }
    /* A socket is a door to a daemon of the host, read-only or not. Programs work without it. */
    if (S_ISSOCK(st.st_mode))
        return 0;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return check_fail(err, field, "'%.200s' is neither a file nor a folder", b.host_path);
    json_t *mount = json_pack("{s:s, s:s, s:s, s:[s,s,s,s,s,s*]}", "destination", b.container_path,
                              "type", "bind", "source", b.host_path, "options", "bind", "ro",
                              "nosuid", "nodev", "rprivate", b.noexec ? "noexec" : NULL);
    return mount && json_object_set_new(to->mounts, b.container_path, mount) == 0
               ? 0
               : error_oom(err, OPERATION);
}

/* ------------------------------------------------------------- hooks */

struct hook {
    const char *name, *path;
    const json_t *args, *env;
    uint64_t seconds;
};

/*
 * At this stage, the launcher is already in the sandbox's user namespace, so whatever a hook does
 * to a hostile root, it does as nobody. And the hook's path cannot mean a program of the image.
 * Hooks of other stages run as the host's root, or in the sandbox before it has been checked.
 */
static int read_hook_name(void *out, const char *field, const json_t *value, lrun_error *err)
{
    const char **name = &((struct hook *)out)->name;
    if (check_string(name, field, value, err) < 0)
        return -1;
    if (strcmp(*name, "createContainer") != 0)
        return check_fail(err, field, "'%.40s': only hooks of the stage createContainer are run",
                          *name);
    return 0;
}

static int read_hook_path(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_path(&((struct hook *)out)->path, field, value, err);
}

static int check_texts(const char *field, const json_t *value, bool assignments, lrun_error *err)
{
    if (!json_is_array(value) || json_array_size(value) > EDITS_MAX)
        return check_fail(err, field, "must be a list of at most %d strings", EDITS_MAX);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *text;
        if (check_string(&text, field, json_array_get(value, i), err) < 0)
            return -1;
        if (assignments && (*text == '=' || !strchr(text, '=')))
            return check_fail(err, field, "'%.80s' is not NAME=value", text);
    }
    return 0;
}

static int read_hook_args(void *out, const char *field, const json_t *value, lrun_error *err)
{
    ((struct hook *)out)->args = value;
    return check_texts(field, value, false, err);
}

static int read_hook_env(void *out, const char *field, const json_t *value, lrun_error *err)
{
    ((struct hook *)out)->env = value;
    return check_texts(field, value, true, err);
}

static int read_hook_timeout(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_positive(&((struct hook *)out)->seconds, field, value, HOOK_SECONDS_MAX, err);
}

static const struct check_field hook_fields[] = {
    {"hookName", read_hook_name}, {"path", read_hook_path},       {"args", read_hook_args},
    {"env", read_hook_env},       {"timeout", read_hook_timeout}, {0},
};

/* Checks that only root can have put the program there: nobody else may write to it or to
 * a folder above it. */
static int check_program(const char *path, const char *field, lrun_error *err)
{
    cleanup_free char *real = realpath(path, NULL);
    if (!real || access(real, X_OK) < 0) {
        check_fail(err, field, "'%.200s': %s", path, strerrordesc_np(errno));
        return error_hint(
            err,
            "install the vendor's container tools, or write the spec anew, " CDI_HINT_GENERATE);
    }
    for (char *end = real + strlen(real); end > real; end = strrchr(real, '/')) {
        *end = '\0';
        cleanup_close int fd = open(real, O_PATH | O_CLOEXEC);
        if (fd < 0 || cdi_check_owner(fd, real, err) < 0)
            return fd < 0 ? check_fail(err, field, "cannot look at '%.200s'", real) : -1;
    }
    return 0;
}

static int take_hook(struct collection *to, const char *field, const json_t *value, lrun_error *err)
{
    struct hook h = {0};
    if (check_object(&h, field, value, hook_fields, err) < 0)
        return -1;
    if (!h.name || !h.path)
        return check_fail(err, field, "has no %s", h.name ? "path" : "hookName");
    if (check_program(h.path, field, err) < 0)
        return -1;
    /* A hook always gets an environment of its own. */
    json_t *env =
        json_pack("[s]", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    if (env && h.env)
        json_array_extend(env, (json_t *)h.env);
    json_t *args =
        h.args && json_array_size(h.args) ? json_deep_copy(h.args) : json_pack("[s]", h.path);
    json_t *hook = json_pack("{s:s, s:o, s:o}", "path", h.path, "args", args, "env", env);
    if (hook && h.seconds)
        json_object_set_new(hook, "timeout", json_integer((json_int_t)h.seconds));
    /* Devices of one spec often need the same hook. */
    for (size_t i = 0; hook && i < json_array_size(to->hooks); i++)
        if (json_equal(json_array_get(to->hooks, i), hook)) {
            json_decref(hook);
            return 0;
        }
    return hook && json_array_append_new(to->hooks, hook) == 0 ? 0 : error_oom(err, OPERATION);
}

/* ------------------------------------------------------------- edits */

static int read_env(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return take_list(out, field, value, take_env, err);
}

static int read_nodes(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return take_list(out, field, value, take_node, err);
}

static int read_mounts(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return take_list(out, field, value, take_mount, err);
}

static int read_hooks(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return take_list(out, field, value, take_hook, err);
}

/* Groups that may open the host's nodes. Every user in the sandbox may open the sandbox's nodes. */
static int take_gid(struct collection *to, const char *field, const json_t *value, lrun_error *err)
{
    return read_uint32(to, field, value, err);
}

static int read_gids(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return take_list(out, field, value, take_gid, err);
}

/* Fields that are not in this table (intelRdt, netDevices) are rejected by name. */
static const struct check_field edit_fields[] = {
    {"env", read_env},     {"deviceNodes", read_nodes},   {"mounts", read_mounts},
    {"hooks", read_hooks}, {"additionalGids", read_gids}, {0},
};

static int apply(struct collection *to, const struct cdi_spec *spec, const char *name,
                 const json_t *edits, lrun_error *err)
{
    if (!edits || check_object(to, "containerEdits", edits, edit_fields, err) == 0)
        return 0;
    if (!err)
        return -1;
    err->code = LRUN_START_FAILED;
    /* Message and hint may quote the spec. */
    text_make_printable(err->message);
    text_make_printable(err->hint);
    if (!err->hint[0])
        error_hint(err, "correct the spec, or choose another device");
    return error_context(err, "gpus: '%.200s'%s%.80s", spec->path, name ? ": device " : "",
                         name ? name : "");
}

static int collect(struct collection *to, const struct cdi *c, const size_t *devices, size_t count,
                   lrun_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct cdi_device *d = &c->devices[devices[i]];
        const struct cdi_spec *spec = &c->specs[d->spec];
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= c->devices[devices[k]].spec == d->spec;
        if (!seen &&
            apply(to, spec, NULL, json_object_get(spec->document, "containerEdits"), err) < 0)
            return -1;
        if (apply(to, spec, d->name, d->edits, err) < 0)
            return -1;
    }
    return 0;
}

int cdi_edits_collect(struct cdi_edits *out, const struct cdi *c, const size_t *devices,
                      size_t count, lrun_error *err)
{
    *out = (struct cdi_edits){0};
    struct collection all = {
        .env = json_object(),
        .nodes = out->nodes = json_object(),
        .mounts = out->mounts = json_object(),
        .hooks = out->hooks = json_array(),
    };
    int failed = all.env && all.nodes && all.mounts && all.hooks
                     ? collect(&all, c, devices, count, err)
                     : error_oom(err, OPERATION);
    if (!failed)
        failed = copy_env(&out->env, all.env, err);
    json_decref(all.env);
    return failed;
}

int cdi_edits_make_nodes(struct cdi_edits *e, const char *folder, lrun_error *err)
{
    const char *target;
    json_t *node;
    unsigned number = 0;
    json_object_foreach (e->nodes, target, node) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%u", folder, number++);
        dev_t device = makedev((unsigned)json_integer_value(json_object_get(node, "major")),
                               (unsigned)json_integer_value(json_object_get(node, "minor")));
        mode_t mode = (mode_t)json_integer_value(json_object_get(node, "mode"));
        /* chmod: we inherited the umask from the process that started us. */
        if (mknod(path, S_IFCHR | mode, device) < 0 || chmod(path, mode) < 0) {
            error_errno(err, LRUN_START_FAILED, OPERATION, errno,
                        "gpus: cannot make the device node '%.200s'", target);
            return error_hint(err, "run as root, outside of a container");
        }
        json_t *mount =
            json_pack("{s:s, s:s, s:s, s:[s,s,s,s]}", "destination", target, "type", "bind",
                      "source", path, "options", "bind", "nosuid", "noexec", "rprivate");
        if (!mount || json_object_set_new(e->mounts, target, mount) < 0)
            return error_oom(err, OPERATION);
    }
    return 0;
}

void cdi_edits_free(struct cdi_edits *e)
{
    check_free_strings(e->env);
    json_decref(e->nodes);
    json_decref(e->mounts);
    json_decref(e->hooks);
    *e = (struct cdi_edits){0};
}

int cdi_edits_for(struct cdi_edits *out, const char *gpus, lrun_error *err)
{
    *out = (struct cdi_edits){0};
    struct cdi c;
    cleanup_free size_t *devices = NULL;
    size_t count;
    int failed = cdi_load(&c, err);
    if (!failed)
        failed = cdi_select(&c, gpus, &devices, &count, err);
    if (!failed)
        failed = cdi_edits_collect(out, &c, devices, count, err);
    cdi_free(&c);
    return failed;
}
