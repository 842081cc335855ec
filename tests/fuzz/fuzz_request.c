/* SPDX-License-Identifier: MIT */
/*
 * Reads any bytes as the documents between caller and supervisor: a request, an order, a result, an
 * error. An accepted document must have the properties that the rest of the program relies on, and
 * must be the same after it is written and read again.
 */
#include "fuzz.h"

#include "base/text.h"
#include "wire/order.h"
#include "wire/result.h"
#include "json/error_json.h"

#include <math.h>
#include <string.h>

static void check_request(const struct request *r)
{
    PROMISE(r->image && r->image[0] && r->image[0] != '-');
    PROMISE(r->runtime && r->engine && r->memory_bytes >= 6u << 20 && r->disk_bytes > 0);
    PROMISE(isfinite(r->cpus) && r->cpus > 0 && r->timeout_ms > 0);
    PROMISE(!r->workdir || (r->workdir[0] == '/' && !text_path_has_dotdot(r->workdir)));
    for (char **e = r->env; e && *e; e++)
        PROMISE(text_is_env_name(*e, strcspn(*e, "=")) && strchr(*e, '='));
    PROMISE(!r->argv || (r->argv[0] && r->argv[0][0] && !r->entrypoint));
    PROMISE(r->ignore);
    for (char **n = r->ignore; *n; n++)
        PROMISE(**n && !strchr(*n, '/') && strcmp(*n, "..") != 0);
    PROMISE(r->pids >= 1 && r->pids <= REQUEST_PIDS_MAX);
    for (size_t i = 0; i < r->extract_count; i++)
        PROMISE(r->extract[i].from && r->extract[i].to);

    json_t *document = request_to_json(r);
    PROMISE(document);
    struct request again;
    lrun_error e;
    PROMISE(request_from_json(&again, document, &e) == 0);
    json_t *second = request_to_json(&again);
    PROMISE(json_equal(document, second));
    json_decref(document);
    json_decref(second);
    request_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    lrun_error e = {0};
    struct request r;
    if (request_parse(&r, text, size, &e) == 0) {
        check_request(&r);
        request_free(&r);
    } else {
        PROMISE(e.code == LRUN_INVALID_ARGUMENT && e.message[0]);
    }
    struct run_order order;
    if (order_parse(&order, text, size, &e) == 0) {
        PROMISE(order_id_is_valid(order.id));
        check_request(&order.request);
        order_free(&order);
    }
    lrun_result *result;
    if (result_from_json(&result, text, size, &e) == 0) {
        PROMISE(result->exit_code >= 0 && result->exit_code <= 255);
        PROMISE(lrun_result_json(result)[0] == '{');
        lrun_result_free(result);
    } else {
        PROMISE(e.code == LRUN_SUPERVISOR_LOST);
    }
    lrun_error parsed;
    error_from_json(&parsed, text, size);
    PROMISE(parsed.code != LRUN_OK);
    return 0;
}
