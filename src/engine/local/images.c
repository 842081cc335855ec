/* SPDX-License-Identifier: MIT */
#include "engine/local/images.h"

#include "base/cleanup.h"
#include "image/import.h"
#include "image/pull.h"
#include "image/store.h"

#include <string.h>

int local_images_find(struct engine *e, const char *name, char **digest, lrun_error *err)
{
    (void)e;
    cleanup_store struct store *store = NULL;
    return store_open(&store, false, err) < 0 ? -1 : store_find(store, name, digest, err);
}

int local_images_describe(struct engine *e, const char *name, struct image *out, lrun_error *err)
{
    (void)e;
    cleanup_store struct store *store = NULL;
    cleanup_close int fd = -1;
    return store_open(&store, false, err) < 0 ? -1 : store_resolve(store, name, out, &fd, err);
}

int local_images_import(struct engine *e, int fd, const char *name, struct image *out,
                        struct image_feedback *feedback, lrun_error *err)
{
    (void)e;
    cleanup_store struct store *store = NULL;
    return store_open(&store, true, err) < 0 ? -1
                                             : import_image(store, fd, name, out, feedback, err);
}

int local_images_list(struct engine *e, struct image **out, size_t *count, lrun_error *err)
{
    (void)e;
    cleanup_store struct store *store = NULL;
    return store_open(&store, false, err) < 0 ? -1 : store_list(store, out, count, err);
}

int local_images_remove(struct engine *e, const char *name, lrun_error *err)
{
    (void)e;
    cleanup_store struct store *store = NULL;
    return store_open(&store, false, err) < 0 ? -1 : store_remove(store, name, err);
}

int local_images_pull(struct engine *e, const char *name, bool insecure,
                      struct image_feedback *feedback, lrun_error *err)
{
    (void)e;
    cleanup_store struct store *store = NULL;
    cleanup_image struct image image = {0};
    if (image_is_digest(name)) {
        error_set(err, LRUN_START_FAILED, "image.resolve", "no image named '%s'", name);
        return error_hint(err, "light-runner image ls shows what is there");
    }
    if (store_open(&store, true, err) < 0)
        return -1;
    const struct pull_options options = {.insecure = insecure};
    return pull_image(store, name, &options, &image, feedback, err);
}

int local_images_clean(struct engine *e, unsigned *count, lrun_error *err)
{
    (void)e;
    static const char prefix[] = ENGINE_SETUP_REPOSITORY ":";
    cleanup_store struct store *store = NULL;
    struct image *images = NULL;
    size_t all = 0;
    if (store_open(&store, false, err) < 0 || store_list(store, &images, &all, err) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < all; i++) {
        if (strncmp(images[i].name, prefix, strlen(prefix)) != 0)
            continue;
        lrun_error one = {0};
        rc = store_remove(store, images[i].name, &one);
        if (rc == 0)
            (*count)++;
        else if (one.code == LRUN_IMAGE_NOT_FOUND)
            rc = 0; /* another process has removed it */
        else
            *err = one;
    }
    store_list_free(images, all);
    return rc;
}
