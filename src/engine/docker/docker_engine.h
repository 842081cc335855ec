/* SPDX-License-Identifier: MIT */
/* The engine docker once it is open. Only for the files of this folder. */
#ifndef ENGINE_DOCKER_DOCKER_ENGINE_H
#define ENGINE_DOCKER_DOCKER_ENGINE_H

#include "engine/docker/daemon.h"
#include "engine/engine.h"

struct docker_engine {
    struct engine base; /* first: the engine's table is called with a pointer to it */
    struct daemon daemon;
    struct {
        char *name; /* NULL: none is known */
        json_t *document;
    } last; /* the image that docker_image_find() found last */
};

static inline struct docker_engine *docker_engine_of(struct engine *e)
{
    return (struct docker_engine *)e;
}

#endif
