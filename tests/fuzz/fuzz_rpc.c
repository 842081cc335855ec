/* SPDX-License-Identifier: MIT */
/* The lines of a client of `light-runner rpc`, in pieces of any size. */
#include "fuzz.h"

#include "rpc/message.h"
#include "rpc/params.h"
#include "rpc/reader.h"

#include <string.h>

enum { LINE_MAX_HERE = 300 };

static void check_message(const char *line, size_t length)
{
    struct message m;
    struct params p;
    lrun_error e = {0};
    int rc = message_parse(&m, line, length, &e);
    PROMISE(rc == 0 || e.code == LRUN_INVALID_ARGUMENT);
    if (rc == 0) {
        PROMISE(m.id && m.method);
        PROMISE(!m.request || (m.request >= line && m.request + m.request_length <= line + length));
        rc = params_read(&p, m.params, ~0u, 0, &e);
        PROMISE(rc == 0 || e.code == LRUN_INVALID_ARGUMENT);
        PROMISE(rc < 0 || !(p.given & PARAM_RUN) == !p.run);
        params_free(&p);
    }
    if (rc < 0) {
        /* The answer is one line of JSON, whatever the error quotes. */
        char *answer = message_error(m.id, &e, NULL);
        json_t *document = answer ? json_loads(answer, 0, NULL) : NULL;
        PROMISE(json_is_object(document) && strchr(answer, '\n') == answer + strlen(answer) - 1);
        json_decref(document);
        free(answer);
    }
    message_free(&m);
}

/* Compares with the obvious way of splitting. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *expected = text, *end = text + size, *line;
    struct reader reader;
    size_t length, fed = 0;
    if (size > 100000)
        return 0;
    reader_init(&reader, LINE_MAX_HERE);
    while (fed < size) {
        size_t piece = 1 + data[fed] % 200u;
        piece = piece < size - fed ? piece : size - fed;
        PROMISE(reader_push(&reader, text + fed, piece));
        fed += piece;
        enum reader_status status;
        while ((status = reader_next(&reader, &line, &length)) != READER_PARTIAL) {
            const char *feed = memchr(expected, '\n', (size_t)(end - expected));
            size_t whole = feed ? (size_t)(feed - expected) : (size_t)(end - expected);
            PROMISE((status == READER_TOO_LONG) == (whole > LINE_MAX_HERE));
            if (status == READER_LINE) {
                PROMISE(feed && length == whole && memcmp(line, expected, length) == 0);
                check_message(line, length);
            }
            expected = feed ? feed + 1 : end;
        }
        PROMISE(buffer_length(&reader.held) <= LINE_MAX_HERE);
    }
    reader_free(&reader);
    return 0;
}
