/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DOCKER_PREPARE_H
#define ENGINE_DOCKER_PREPARE_H

#include "engine/engine.h"

/* Creates the container of a run, with its volume and network. See struct engine_ops. */
int docker_prepare(struct engine *e, struct sandbox **out, const struct sandbox_spec *spec,
                   lrun_error *err);

#endif
