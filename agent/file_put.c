/* SPDX-License-Identifier: MIT */
/* PUT_TREE: copies a tree into a folder, like the input of a run (seed.h). */
#include "operation.h"

#include "base/cleanup.h"
#include "seed.h"

struct putting {
    struct seed seed;
    int folder; /* 0: none */
};

static enum operation_outcome begin(struct operation *op, const struct frame *f)
{
    struct putting *p = op->own;
    const char *path = fields_get(f, "path");
    if (!path)
        return operation_fail(op, EINVAL, "PUT_TREE without a path");
    p->folder = place_open_folder(op->workdir, op->user, path, PLACE_MAKE);
    if (p->folder < 0)
        return operation_cannot(op, "copy to", path);
    seed_init(&p->seed, p->folder, op->user);
    /* The caller names the folders; that does not make them the user's. */
    p->seed.keeps_owners = true;
    return OPERATION_GOES_ON;
}

static enum operation_outcome frame(struct operation *op, const struct frame *f)
{
    struct putting *p = op->own;
    struct failure failure;
    int (*take)(struct seed *, const struct frame *, struct failure *) =
        f->type == FRAME_ENTRY  ? seed_entry
        : f->type == FRAME_DATA ? seed_data
                                : seed_entry_end;
    if (f->type == FRAME_ENTRIES_END) {
        if (seed_end(&p->seed, &failure) == 0)
            return OPERATION_ENDS;
    } else if (take(&p->seed, f, &failure) == 0) {
        return OPERATION_GOES_ON;
    }
    return operation_fail(op, failure.errnum ? failure.errnum : EINVAL, "%s", failure.message);
}

static void release(struct operation *op)
{
    struct putting *p = op->own;
    if (p->folder <= 0)
        return;
    seed_free(&p->seed);
    cleanup_close_fd(&p->folder);
}

const struct operation_kind file_put_kind = {.type = FRAME_PUT_TREE,
                                             .size = sizeof(struct putting),
                                             .begin = begin,
                                             .frame = frame,
                                             .free = release};
