/* SPDX-License-Identifier: MIT */
/*
 * The request: what to run and how hard the wall is. The same JSON document for the CLI's
 * --request, lrun_run_json() and the REQUEST frame (docs/request.schema.json).
 */
#ifndef WIRE_REQUEST_H
#define WIRE_REQUEST_H

#include "base/error.h"

#include <jansson.h>

/* The limits that a run may go without where a user other than root cannot set them. */
enum { REQUEST_UNENFORCED_MEMORY = 1, REQUEST_UNENFORCED_CPUS = 2, REQUEST_UNENFORCED_PIDS = 4 };

/* Addresses that are closed to the default network unless they are named. */
enum { REQUEST_EGRESS_HOST = 1, REQUEST_EGRESS_METADATA = 2 };

/* Processes and threads of a run. */
enum { REQUEST_PIDS_DEFAULT = 100, REQUEST_PIDS_MAX = 32768 };

/* Name servers of a run: as many as libc asks. */
enum { REQUEST_DNS_MAX = 3 };

struct request_extract {
    char *from;
    char *to;
};

/* Kata Containers under the name of its shim, which a Docker daemon needs no configuration for. */
#define REQUEST_KATA_SHIM "io.containerd.kata.v2"

/* The network of every engine in which connections lead out. */
#define REQUEST_NETWORK_DEFAULT "light-runner-isolated"

/* Where the request names no working directory, and the image's own is not asked for. */
#define REQUEST_WORKDIR "/app"

/* A checked request: every field holds a usable value. */
struct request {
    /* options */
    char *runtime; /* "runc", "runsc", "kata", REQUEST_KATA_SHIM */
    char *engine;  /* "auto", "local", "docker" */
    uint64_t memory_bytes;
    double cpus;
    unsigned pids;
    char *gpus;    /* NULL: none */
    bool kvm_only; /* a VM that an emulator would run is refused */
    bool no_new_privileges;
    uint64_t disk_bytes;
    bool disk_asked; /* it is not the default */
    uint64_t max_extract_bytes;
    uint64_t max_log_bytes;
    unsigned allow_unenforced; /* REQUEST_UNENFORCED_... bits */
    unsigned allow_egress;     /* REQUEST_EGRESS_... bits */
    char *setup_runtime;       /* the tier of the setup steps; NULL: the run's own */
    char *setup_network;       /* "none", or NULL: the default network */

    /* request */
    char *image;
    char *entrypoint;  /* a shell command; NULL: argv, else the image's own command */
    char **argv;       /* the command's words, NULL-terminated, at least one; NULL: not given */
    char **run;        /* NULL-terminated; NULL: none */
    char *dir;         /* NULL: none */
    char **ignore;     /* names that are left out of it, NULL-terminated */
    bool links_inside; /* links in it that stay in it are kept */
    char *input;       /* JSON text for stdin, as it was given; NULL: none */
    uint64_t timeout_ms;
    uint64_t cpu_timeout_ms; /* 0: none */
    char **networks;         /* NULL-terminated; NULL: the default network */
    char **dns;              /* addresses of name servers, NULL-terminated; NULL: the host's */
    char **env;              /* "NAME=value" with valid names only, NULL-terminated; NULL: none */
    char *workdir;           /* absolute, normalised; NULL: not given */
    struct request_extract *extract;
    size_t extract_count;
    bool has_extract;    /* `extract` was given, be it empty */
    bool extract_always; /* also after another exit code than 0, or a timeout */
    bool detached;
};

/*
 * Reads a JSON document. Unknown fields, wrong types and wrong values are INVALID_ARGUMENT with the
 * field's name and what was expected in the message. `extract` entries with "..", or an empty from
 * or to, are kept: they are refused one by one at extraction, and fail no run.
 */
int request_parse(struct request *out, const char *json, size_t length, lrun_error *err);
int request_from_json(struct request *out, const json_t *document, lrun_error *err);

/*
 * Only the reading of the JSON text, for those who change the document before it is checked. In such a document
 * `input` is a string, the JSON text of the value, for that is passed on letter by letter: numbers of
 * any size, the order of members, escapes. New reference.
 */
int request_load(json_t **out, const char *json, size_t length, lrun_error *err);

/* The value of `input` in a document, from its JSON text, which is checked. `field` is its name for the error. New
 * reference. */
int request_input(json_t **out, const char *field, const char *text, size_t length,
                  lrun_error *err);

/* The JSON text of such a document. malloc'd; NULL when memory is out. */
char *request_dump(const json_t *document);

/* The document of a request, with every field: what the REQUEST frame carries. New reference. */
json_t *request_to_json(const struct request *r);

void request_free(struct request *r);
#define cleanup_request __attribute__((cleanup(request_free)))

#endif
