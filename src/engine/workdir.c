/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

const char *engine_workdir(const struct request *r, const struct image *image, bool keep)
{
    if (r->workdir)
        return r->workdir;
    bool own = (!r->entrypoint || keep) && image->workdir && *image->workdir;
    return own ? image->workdir : keep ? "/" : REQUEST_WORKDIR;
}
