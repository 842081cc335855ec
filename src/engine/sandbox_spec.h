/* SPDX-License-Identifier: MIT */
/*
 * All that is fixed when a sandbox is created. What belongs to a command (its words, environment,
 * user, input, time) is not here: the supervisor and the agent alone deal with that.
 */
#ifndef ENGINE_SANDBOX_SPEC_H
#define ENGINE_SANDBOX_SPEC_H

#include "image/image.h"
#include "wire/request.h"

/* The networks that exist on every engine. In the default one, a run can connect to the outside,
 * and runs cannot reach each other. */
#define ENGINE_NETWORK_NONE    "none"
#define ENGINE_NETWORK_DEFAULT REQUEST_NETWORK_DEFAULT

/* It borrows everything. */
struct sandbox_spec {
    const char *id;    /* light-runner-<12 hex> */
    const char *image; /* name or digest, on the engine */
    const char *tier;  /* as options.runtime */
    const char *gpus;  /* NULL: none */
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    bool disk_asked; /* the cap on the disk was asked for, it is not the default */
    double cpus;
    unsigned pids;
    unsigned allow_unenforced; /* REQUEST_UNENFORCED_... bits */
    char *const *networks;     /* NULL-terminated; NULL: the default network */
    char *const *dns;          /* NULL-terminated; NULL: the host's name servers */
    unsigned allow_egress;     /* REQUEST_EGRESS_... bits */
    bool kvm_only;             /* reject a VM that an emulator would run */
    bool no_new_privileges;
    bool keep_root; /* commit() will follow, so the root's content is needed */
    /*
     * The working directory belongs to the command. But on Docker the run's files are in a volume,
     * and a container's volumes are mounted where they are when it is created.
     */
    const char *workdir; /* NULL: none is named */
    bool image_workdir;  /* then the image's own counts, if it has one */
};

/* Returns the spec of the sandbox that a request needs. `keep_root`: an image is made of it. */
struct sandbox_spec sandbox_spec_of(const struct request *r, const char *id, bool keep_root);

/* Whether the sandbox has a network. "none" overrides any other network in the list. */
bool sandbox_spec_has_network(const struct sandbox_spec *spec);

/*
 * Returns the absolute working directory, malloc'd: the spec's; otherwise the image's, if it
 * counts; otherwise the default. Errors: INVALID_ARGUMENT, IMAGE_INVALID.
 */
int sandbox_spec_workdir(char **out, const struct sandbox_spec *spec, const struct image *image,
                         lrun_error *err);

/* Returns the directory that the spec names, or the image's where that counts. NULL: neither, so
 * the default applies. Borrowed. */
const char *sandbox_spec_named_workdir(const struct sandbox_spec *spec, const struct image *image);

#endif
