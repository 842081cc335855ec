/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "base/cleanup.h"
#include "base/libexec.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char docker_name[] = "docker", docker_socket[] = "/var/run/docker.sock";

/* It stays loaded until the process ends. */
static int load_docker(const struct engine **out, lr_error *err)
{
    cleanup_free char *path = libexec_find(ENGINE_DOCKER_MODULE, err);
    if (!path)
        return -1;
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    *out = module ? dlsym(module, "engine_docker") : NULL;
    if (*out)
        return 0;
    error_set(err, LR_IO_FAILED, "engine.load", "the engine docker cannot be loaded: %s",
              dlerror());
    return error_hint(err, "install libcurl, or use --engine local");
}

/* Whether somebody listens there; whether that is a daemon which answers is seen later. */
static bool listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool is_given(void)
{
    const char *host = getenv("DOCKER_HOST");
    return host && *host;
}

int engine_find_docker(const struct engine **out, lr_error *err)
{
    *out = NULL;
    return is_given() || listens(docker_socket) ? load_docker(out, err) : 0;
}

static int choose(const struct engine **out, lr_error *err)
{
    lr_error ignored;
    if (is_given())
        return load_docker(out, err);
    if (!listens(docker_socket) || load_docker(out, &ignored) < 0 ||
        (*out)->available(NULL, &ignored) < 0)
        *out = &engine_local;
    return 0;
}

int engine_find(const struct engine **out, const char *name, lr_error *err)
{
    if (strcmp(name, "auto") == 0) {
        const char *chosen = secure_getenv("LIGHT_RUNNER_ENGINE");
        if (!chosen || !*chosen || strcmp(chosen, "auto") == 0)
            return choose(out, err);
        name = chosen;
    }
    if (strcmp(name, docker_name) == 0)
        return load_docker(out, err);
    if (strcmp(name, engine_local.name) == 0) {
        *out = &engine_local;
        return 0;
    }
    error_set(err, LR_NOT_SUPPORTED, "engine.find", "the engine '%s' is not in this version", name);
    return error_hint(err, "use --engine local or --engine docker");
}
