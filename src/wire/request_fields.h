/* SPDX-License-Identifier: MIT */
/*
 * What the files that read and write a request share. Only they include this header.
 */
#ifndef WIRE_REQUEST_FIELDS_H
#define WIRE_REQUEST_FIELDS_H

#include "json/check.h"

#define REQUEST_OPERATION "request.check"

/* A name in a list of the request, and the bit that stands for it in struct request. */
struct request_bit {
    const char *name;
    unsigned bit;
};

/* The names of `allowUnenforced` and `allowEgress`. The last row has no name. */
extern const struct request_bit request_unenforced_names[];
extern const struct request_bit request_egress_names[];

/* Readers for a table of fields (json/check.h). `out` is a struct request (wire/request.h). */
int request_read_options(void *out, const char *field, const json_t *value, lrun_error *err);
int request_read_networks(void *out, const char *field, const json_t *value, lrun_error *err);
int request_read_dns(void *out, const char *field, const json_t *value, lrun_error *err);

#endif
