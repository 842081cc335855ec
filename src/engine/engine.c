/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/libexec.h"
#include "host/delegation.h"
#include "host/process.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char automatic[] = "auto", docker_name[] = "docker";
static const char docker_socket[] = "/var/run/docker.sock";

/* The largest configuration file of Docker's client that we read. */
enum { DOCKER_CONFIG_MAX = 1 << 20 };

static int open_local(struct engine **out, const struct tick *tick, lrun_error *err)
{
    return engine_local.open(out, tick, err);
}

/* Loads the module of the engine docker, which stays loaded until the process ends. */
static int open_docker(struct engine **out, const struct tick *tick, lrun_error *err)
{
    cleanup_free char *path = libexec_find(ENGINE_DOCKER_MODULE, err);
    if (!path)
        return -1;
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct engine_ops *docker = module ? dlsym(module, "engine_docker") : NULL;
    if (docker)
        return docker->open(out, tick, err);
    error_set(err, LRUN_IO_FAILED, "engine.load", "the engine docker cannot be loaded: %s",
              dlerror());
    return error_hint(err, "install libcurl, or use --engine local");
}

/* Whether a process listens at the socket. It need not be a daemon that answers: the
 * caller checks that. */
static bool listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool is_set(const char *variable)
{
    const char *value = secure_getenv(variable);
    return value && *value;
}

static bool is_given(void)
{
    return is_set("DOCKER_HOST");
}

/* Whether Docker's own client would find a daemon by its configuration, or by a socket
 * of the user's own. */
static bool is_configured(void)
{
    const char *folder = secure_getenv("DOCKER_CONFIG"), *home = secure_getenv("HOME");
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    char path[PATH_MAX];
    if (runtime && snprintf(path, sizeof(path), "%s/docker.sock", runtime) < (int)sizeof(path) &&
        listens(path))
        return true;
    if (folder && *folder)
        snprintf(path, sizeof(path), "%s/config.json", folder);
    else
        snprintf(path, sizeof(path), "%s/.docker/config.json", home ? home : "");
    cleanup_free char *text = io_read_file_at(AT_FDCWD, path, DOCKER_CONFIG_MAX, NULL);
    return text && strstr(text, "\"currentContext\"");
}

/* Opens docker if this user has it (engine_open_used()). *out is NULL otherwise. */
static int open_docker_if_used(struct engine **out, const struct tick *tick, lrun_error *err)
{
    const char *chosen = secure_getenv("LIGHT_RUNNER_ENGINE");
    lrun_error ignored;
    *out = NULL;
    if (is_given() || is_set("DOCKER_CONTEXT") || listens(docker_socket) ||
        (chosen && strcmp(chosen, docker_name) == 0))
        return open_docker(out, tick, err);
    /* A daemon that is only configured may be down, or on a machine that is unreachable today. */
    if (is_configured() && open_docker(out, tick, &ignored) < 0)
        *out = NULL;
    return 0;
}

int engine_open_used(struct engine *out[ENGINES_MAX], const struct tick *tick, lrun_error *err)
{
    *err = (lrun_error){0};
    out[1] = NULL;
    if (open_local(&out[0], tick, err) < 0)
        return -1;
    return open_docker_if_used(&out[1], tick, err) == 0 && out[1] ? 2 : 1;
}

static int choose(struct engine **out, const struct tick *tick, lrun_error *err)
{
    lrun_error ignored;
    if (is_given())
        return open_docker(out, tick, err);
    return listens(docker_socket) && open_docker(out, tick, &ignored) == 0
               ? 0
               : open_local(out, tick, err);
}

/* Returns the engine's name. For "auto" that is $LIGHT_RUNNER_ENGINE, if it is set. */
static const char *decided(const char *name)
{
    const char *chosen = strcmp(name, automatic) == 0 ? secure_getenv("LIGHT_RUNNER_ENGINE") : NULL;
    return chosen && *chosen ? chosen : name;
}

bool engine_is_automatic(const char *name)
{
    return strcmp(decided(name), automatic) == 0;
}

int engine_open(struct engine **out, const char *name, const struct tick *tick, lrun_error *err)
{
    static const struct {
        const char *name;
        int (*open)(struct engine **out, const struct tick *tick, lrun_error *err);
    } rows[] = {{automatic, choose}, {"local", open_local}, {docker_name, open_docker}};
    name = decided(name);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(name, rows[i].name) == 0)
            return rows[i].open(out, tick, err);
    error_set(err, LRUN_NOT_SUPPORTED, "engine.open",
              "unknown engine '%s' (expected auto, local or docker)", name);
    return error_hint(err, "use --engine local or --engine docker");
}

void engine_close(struct engine *e)
{
    if (e)
        e->ops->close(e);
}

/* Returns a network that the spec names and that not every engine has. */
static const char *named_network(const struct sandbox_spec *spec)
{
    for (char *const *n = spec->networks; n && *n; n++)
        if (strcmp(*n, ENGINE_NETWORK_DEFAULT) != 0 && strcmp(*n, ENGINE_NETWORK_NONE) != 0)
            return *n;
    return NULL;
}

static bool needs_networks(const struct sandbox_spec *spec)
{
    return sandbox_spec_has_network(spec) && named_network(spec);
}

static bool has_image(struct engine *e, const char *name)
{
    cleanup_free char *digest = NULL;
    lrun_error ignored;
    return e->ops->find_image(e, name, &digest, &ignored) == 0 && digest;
}

bool engine_local_has_image(const char *name)
{
    cleanup_engine struct engine *local = NULL;
    lrun_error ignored;
    return open_local(&local, NULL, &ignored) == 0 && has_image(local, name);
}

int engine_open_for_run(struct engine **out, const char *name, const struct sandbox_spec *spec,
                        const struct tick *tick, lrun_error *err)
{
    /* If the store cannot be read, Docker can still be used. */
    if (engine_is_automatic(name) && !needs_networks(spec) && engine_local_has_image(spec->image))
        return open_local(out, tick, err);
    return engine_open(out, name, tick, err);
}

int engine_prefer_tier(struct engine **engine, const char *name, const struct sandbox_spec *spec,
                       lrun_error *err)
{
    struct engine *e = *engine;
    cleanup_engine struct engine *local = NULL;
    cleanup_free char *there = NULL;
    lrun_error ignored;
    if (engine_can(e, ENGINE_EMBEDDED) || !engine_is_automatic(name) || needs_networks(spec) ||
        strcmp(spec->tier, "runc") == 0)
        return 0;
    if (e->ops->find_image(e, spec->image, &there, err) < 0)
        return -1;
    if (!there && e->ops->available(e, spec->tier, &ignored) < 0 &&
        open_local(&local, &e->tick, &ignored) == 0 &&
        local->ops->available(local, spec->tier, &ignored) == 0) {
        *engine = steal_ptr(local);
        engine_close(e);
    }
    return 0;
}

static bool runs_locally(const char *program)
{
    lrun_error ignored;
    cleanup_engine struct engine *local = NULL;
    cleanup_free char *path = process_find_program(program), *root = NULL;
    if (!path || open_local(&local, NULL, &ignored) < 0 ||
        local->ops->available(local, "runc", &ignored) < 0)
        return false;
    return geteuid() == 0 ||
           ((root = delegation_root()) && !(delegation_lacking(root) & CGROUP_LIMITS));
}

int engine_open_for_image(struct engine **out, const char *name, const char *program,
                          const struct tick *tick, lrun_error *err)
{
    lrun_error ignored;
    if (!engine_is_automatic(name))
        return engine_open(out, name, tick, err);
    return !runs_locally(program) && choose(out, tick, &ignored) == 0 ? 0
                                                                      : open_local(out, tick, err);
}

int engine_network(struct engine *e, enum engine_network_action action, const char *name,
                   unsigned *count, lrun_error *err)
{
    if (engine_can(e, ENGINE_NETWORKS))
        return e->ops->network(e, action, name, count, err);
    error_set(err, LRUN_NOT_SUPPORTED, "engine.network", "the %s engine has no networks of its own",
              e->ops->name);
    return error_hint(err, "use --engine docker");
}

int engine_check(const struct engine *e, const struct sandbox_spec *spec, lrun_error *err)
{
    static const char operation[] = "engine.check";
    if (named_network(spec) && !engine_can(e, ENGINE_NETWORKS)) {
        error_set(err, LRUN_NOT_SUPPORTED, operation,
                  "networks: the %s engine has no network named '%s'", e->ops->name,
                  named_network(spec));
        return error_hint(err, "leave out --network for the default one, or use --network none");
    }
    if (spec->kvm_only && !engine_can(e, ENGINE_ACCELERATOR)) {
        error_set(err, LRUN_NOT_SUPPORTED, operation,
                  "options.accelerator: the %s engine does not choose what runs a VM",
                  e->ops->name);
        return error_hint(err, "leave out --accelerator, or use --engine local");
    }
    return 0;
}
