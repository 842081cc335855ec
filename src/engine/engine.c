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

/* Loads the module of the engine docker, which stays loaded until the process ends. */
static int load_docker(const struct engine **out, lrun_error *err)
{
    cleanup_free char *path = libexec_find(ENGINE_DOCKER_MODULE, err);
    if (!path)
        return -1;
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    *out = module ? dlsym(module, "engine_docker") : NULL;
    if (*out)
        return 0;
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

int engine_find_docker(const struct engine **out, lrun_error *err)
{
    const char *chosen = secure_getenv("LIGHT_RUNNER_ENGINE");
    lrun_error ignored;
    *out = NULL;
    if (is_given() || is_set("DOCKER_CONTEXT") || listens(docker_socket) ||
        (chosen && strcmp(chosen, docker_name) == 0))
        return load_docker(out, err);
    /* A daemon that is only configured may be down, or on a machine that is unreachable today. */
    if (is_configured() &&
        (load_docker(out, &ignored) < 0 || (*out)->available(NULL, &ignored) < 0))
        *out = NULL;
    return 0;
}

static int choose(const struct engine **out, lrun_error *err)
{
    lrun_error ignored;
    if (is_given())
        return load_docker(out, err);
    if (!listens(docker_socket) || load_docker(out, &ignored) < 0 ||
        (*out)->available(NULL, &ignored) < 0)
        *out = &engine_local;
    return 0;
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

int engine_find(const struct engine **out, const char *name, lrun_error *err)
{
    name = decided(name);
    if (strcmp(name, automatic) == 0)
        return choose(out, err);
    if (strcmp(name, docker_name) == 0)
        return load_docker(out, err);
    if (strcmp(name, engine_local.name) == 0) {
        *out = &engine_local;
        return 0;
    }
    error_set(err, LRUN_NOT_SUPPORTED, "engine.find",
              "unknown engine '%s' (expected auto, local or docker)", name);
    return error_hint(err, "use --engine local or --engine docker");
}

/* Whether the request names a network that only Docker has. */
static bool names_network(const struct request *r)
{
    if (engine_without_network(r))
        return false;
    for (char **n = r->networks; n && *n; n++)
        if (strcmp(*n, ENGINE_NETWORK_DEFAULT) != 0)
            return true;
    return false;
}

int engine_find_for_run(const struct engine **out, const struct request *r, lrun_error *err)
{
    cleanup_free char *here = NULL;
    lrun_error ignored;
    /* If the store cannot be read, Docker can still be used. */
    if (engine_is_automatic(r->engine) && !names_network(r) &&
        engine_local.find_image(r->image, &here, &ignored) == 0 && here) {
        *out = &engine_local;
        return 0;
    }
    return engine_find(out, r->engine, err);
}

int engine_prefer_tier(const struct engine **engine, const struct request *r, lrun_error *err)
{
    cleanup_free char *there = NULL;
    lrun_error ignored;
    if (*engine == &engine_local || !engine_is_automatic(r->engine) || names_network(r) ||
        strcmp(r->runtime, "runc") == 0)
        return 0;
    if ((*engine)->find_image(r->image, &there, err) < 0)
        return -1;
    if (!there && (*engine)->available(r->runtime, &ignored) < 0 &&
        engine_local.available(r->runtime, &ignored) == 0)
        *engine = &engine_local;
    return 0;
}

static bool runs_locally(const char *program)
{
    lrun_error ignored;
    cleanup_free char *path = process_find_program(program), *root = NULL;
    if (!path || engine_local.available("runc", &ignored) < 0)
        return false;
    return geteuid() == 0 ||
           ((root = delegation_root()) && !(delegation_lacking(root) & CGROUP_LIMITS));
}

int engine_find_for_image(const struct engine **out, const char *name, const char *program,
                          lrun_error *err)
{
    lrun_error ignored;
    if (!engine_is_automatic(name))
        return engine_find(out, name, err);
    if (runs_locally(program) || choose(out, &ignored) < 0)
        *out = &engine_local;
    return 0;
}
