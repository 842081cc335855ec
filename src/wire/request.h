/* SPDX-License-Identifier: MIT */
/*
 * The request: what to run, and how strongly to isolate it. --request of the CLI, lrun_run_json()
 * and the REQUEST frame use the same JSON document (docs/request.schema.json).
 */
#ifndef WIRE_REQUEST_H
#define WIRE_REQUEST_H

#include "base/error.h"

#include <jansson.h>

/* Limits that a run may go without if a user other than root cannot set them. */
enum { REQUEST_UNENFORCED_MEMORY = 1, REQUEST_UNENFORCED_CPUS = 2, REQUEST_UNENFORCED_PIDS = 4 };

/* Addresses that the default network blocks unless the request allows them. */
enum { REQUEST_EGRESS_HOST = 1, REQUEST_EGRESS_METADATA = 2 };

/* The limit on a run's processes and threads. */
enum { REQUEST_PIDS_DEFAULT = 100, REQUEST_PIDS_MAX = 32768 };

/* The most name servers of a run: libc asks no more. */
enum { REQUEST_DNS_MAX = 3 };

struct request_extract {
    char *from;
    char *to;
};

/* Kata Containers by the name of its shim. A Docker daemon needs no configuration for this name. */
#define REQUEST_KATA_SHIM "io.containerd.kata.v2"

/* The network from which connections lead out. Every engine has it. */
#define REQUEST_NETWORK_DEFAULT "light-runner-isolated"

/* The working directory if the request names none and does not ask for the image's own. */
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
    bool kvm_only; /* reject a VM that an emulator would run */
    bool no_new_privileges;
    uint64_t disk_bytes;
    bool disk_asked; /* disk_bytes was given, it is not the default */
    uint64_t max_extract_bytes;
    uint64_t max_log_bytes;
    unsigned allow_unenforced; /* REQUEST_UNENFORCED_... bits */
    unsigned allow_egress;     /* REQUEST_EGRESS_... bits */
    char *setup_runtime;       /* the tier of the setup steps; NULL: the run's tier */
    char *setup_network;       /* "none", or NULL: the default network */

    /* request */
    char *image;
    char *entrypoint; /* a shell command; NULL: argv, or else the image's own command */
    char **argv;      /* the command's words, NULL-terminated, at least one; NULL: not given */
    char **run;       /* the setup steps, NULL-terminated; NULL: none */
    char *dir;        /* NULL: none */
    char **ignore;    /* names in `dir` that are left out, NULL-terminated */
    bool tty;         /* the command has a terminal of that size; 0: unknown */
    uint64_t tty_rows, tty_columns;
    bool links_inside; /* keep links in `dir` whose targets are in `dir` */
    char *input;       /* JSON text for stdin, exactly as it was given; NULL: none */
    uint64_t timeout_ms;
    uint64_t cpu_timeout_ms; /* 0: none */
    char **networks;         /* NULL-terminated; NULL: the default network */
    char **dns;              /* addresses of name servers, NULL-terminated; NULL: the host's */
    char **env;              /* "NAME=value" with valid names only, NULL-terminated; NULL: none */
    char *workdir;           /* absolute, normalised; NULL: not given */
    struct request_extract *extract;
    size_t extract_count;
    bool has_extract;    /* `extract` was given, possibly empty */
    bool extract_always; /* also after a timeout or a non-zero exit code */
    bool detached;
};

/*
 * Reads a JSON document. Unknown fields, wrong types and wrong values are INVALID_ARGUMENT; the
 * message says the field's name and what was expected. `extract` entries with "..", or with an
 * empty from or to, are kept: extraction rejects each of them on its own, and they fail no run.
 */
int request_parse(struct request *out, const char *json, size_t length, lrun_error *err);
int request_from_json(struct request *out, const json_t *document, lrun_error *err);

/* Returns the document of a request with every field, for the REQUEST frame. New reference. */
json_t *request_to_json(const struct request *r);

void request_free(struct request *r);
#define cleanup_request __attribute__((cleanup(request_free)))

#endif
