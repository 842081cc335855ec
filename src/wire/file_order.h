/* SPDX-License-Identifier: MIT */
/*
 * One operation on a file or folder of a session. The library sends it to the supervisor as JSON:
 *
 *      action (read, write, list, stat, remove), path, and
 *      read    offset, size (bytes)
 *      write   mode (octal)
 *      list    skip, limit (items)
 *      remove  recursive
 *
 * The bytes of read and write are in a file whose descriptor comes with the order.
 */
#ifndef WIRE_FILE_ORDER_H
#define WIRE_FILE_ORDER_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum file_action { FILE_READ, FILE_WRITE, FILE_LIST, FILE_STAT, FILE_REMOVE };

struct file_order {
    enum file_action action;
    char *path;
    uint64_t offset, size;
    uint64_t skip, limit;
    char mode[8]; /* empty: the file keeps its own */
    bool recursive;
};

/* Only reads the document. Errors: INVALID_ARGUMENT, with the field's name. */
int file_order_from_json(struct file_order *out, const json_t *document, lrun_error *err);
void file_order_free(struct file_order *o);

/* "session.read" and so on, for errors. */
const char *file_order_operation(const struct file_order *o);

#endif
