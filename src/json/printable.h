/* SPDX-License-Identifier: MIT */
/* Text that may contain anything, as a JSON string that its reader may print. */
#ifndef JSON_PRINTABLE_H
#define JSON_PRINTABLE_H

#include <jansson.h>

/*
 * Returns a new string, or NULL for an empty text, which json_pack() leaves out (o*). Reasons, kernel
 * names and messages quote text from a sandbox or a file system. Such text may not be UTF-8, may
 * contain terminal controls, and a message may be cut within a character. None of this may
 * invalidate the whole document or reach its reader.
 */
json_t *printable_json(const char *text);

#endif
